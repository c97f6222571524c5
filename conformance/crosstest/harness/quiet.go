package harness

import (
	"io"
	"log"
)

// quiet swallows what servers say about the panics that cases ask for.
var quiet = log.New(io.Discard, "", 0)

package bench

import (
	"fmt"
	"strconv"
	"sync/atomic"
)

// What every session of every library holds: who logged in, and a name that is read
// and written. scs encodes it in scsBytes.
const (
	userKey = "user"
	nameKey = "name"

	loginName = "Alan M Turing"
	scsBytes  = 199
)

// user returns a subject of the form that is most common, a UUID.
func user(i int) string { return fmt.Sprintf("7d444840-9dc0-4d1e-b245-%012d", i) }

var stamps atomic.Int64

// stamp returns a value that was never written before, of the length of loginName:
// a library that skips a write which changes nothing has to write.
func stamp() string { return strconv.FormatInt(1_000_000_000_000+stamps.Add(1), 10) }

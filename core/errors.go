package core

import "errors"

// To "who is this?" there are three answers, never two: authenticated (a nil
// error), anonymous, unknown. The two errors are distinct on purpose: taking
// unknown for anonymous logs people out in an outage, taking it for
// authenticated lets people in.
var (
	// ErrAnonymous says that nobody is logged in.
	ErrAnonymous = errors.New("sallyport: anonymous")
	// ErrUnknown says that the store did not answer, or answered with what
	// cannot be a record. The cause is wrapped beside it.
	ErrUnknown = errors.New("sallyport: identity unknown, the store did not answer")
	// ErrNoMiddleware says that no Sallyport middleware ran before this
	// handler: it is not mounted on this route, or its skipper skipped.
	ErrNoMiddleware = errors.New("sallyport: the middleware that this needs did not run on this route")
)

package core

import "context"

// PrincipalKey is the context key under which a request's identity source
// stands. It is exported for adapter authors, whose per-request context answers
// it; everybody else calls PrincipalFrom.
type PrincipalKey struct{}

// PrincipalSource answers who is asking. A session is one.
type PrincipalSource interface {
	// Principal returns the identity, or ErrAnonymous, or an error that wraps
	// ErrUnknown.
	Principal() (Principal, error)
}

// PrincipalFrom returns the identity of the request that ctx belongs to. It is
// how code below the HTTP layer asks, in any framework.
//
// The error is ErrAnonymous when nobody is logged in, wraps ErrUnknown when the
// store did not answer, and is ErrNoMiddleware when ctx comes from no request
// that a Sallyport middleware saw. Safe for concurrent use.
func PrincipalFrom(ctx context.Context) (Principal, error) {
	src, _ := ctx.Value(PrincipalKey{}).(PrincipalSource)
	if src == nil {
		return Principal{}, ErrNoMiddleware
	}
	return src.Principal()
}

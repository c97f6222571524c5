package adapter

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

// identity is what guards ask about a request: its session or its token, whichever
// middleware is the innermost. A route behind Bearer looks at the token alone,
// whatever session there is besides.
type identity interface {
	core.PrincipalSource
	// authorize returns nil if somebody is authenticated, and notes that a guard
	// let the request through because of it.
	authorize() error
	// guarded reports whether the request got here because of who sent it.
	guarded() bool
	anyRole(roles []string) (bool, error)
	allScopes(scopes []string) (bool, error)
	fresh(maxAge time.Duration) (bool, error)
	audit(name audit.Name, cause audit.Cause, err error)
	// challenge is the WWW-Authenticate header that goes with a refusal, "" if none
	// does.
	challenge(code core.Code) string
}

type identityKey struct{}

func identityFrom(ctx context.Context) identity {
	id, _ := ctx.Value(identityKey{}).(identity)
	return id
}

// sessionIdentity is a session as an identity. Of one pointer, so that an interface
// holds it without an allocation.
type sessionIdentity struct{ *session.Session }

func (s sessionIdentity) authorize() error { return s.Authorize() }

func (s sessionIdentity) guarded() bool { return s.Guarded() }

func (s sessionIdentity) anyRole(roles []string) (bool, error) {
	p, err := s.Principal()
	return slices.ContainsFunc(roles, p.HasRole), err
}

func (s sessionIdentity) allScopes(scopes []string) (bool, error) {
	p, err := s.Principal()
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !p.HasScope(scope) }), err
}

func (s sessionIdentity) fresh(maxAge time.Duration) (bool, error) { return s.Fresh(maxAge) }

func (s sessionIdentity) audit(name audit.Name, cause audit.Cause, err error) {
	s.Audit(name, cause, err)
}

// challenge: RFC 9110 section 11.6.1 wants one with every 401; there is no
// registered scheme for cookies, and a browser ignores one that it does not know.
func (s sessionIdentity) challenge(code core.Code) string {
	realm := `Cookie realm="` + s.Manager().App() + `"`
	switch code {
	case core.MissingCredentials:
		return realm
	case core.StepUpRequired:
		return realm + insufficient
	default:
		return ""
	}
}

// insufficient is RFC 9470 section 3, for any scheme.
const insufficient = `, error="insufficient_user_authentication"`

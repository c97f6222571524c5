package adapter

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/token"
)

// TokenState is what one request behind Bearer carries: the context.Context of
// everything below, which answers there for the token and the identity. An adapter
// embeds it in its per-request type.
type TokenState struct {
	context.Context
	// Owner is the adapter's own, see State.Owner.
	Owner any

	verifier *token.Verifier
	token    *token.Token // nil: anonymous
	required bool         // nobody gets further without one
	client   Client
}

// copied is the Client of an Exchange that is not Lasting.
type copied struct {
	ip        netip.Addr
	userAgent string
}

func (c *copied) ClientIP() netip.Addr { return c.ip }
func (c *copied) UserAgent() string    { return c.userAgent }

// Value implements context.Context.
func (s *TokenState) Value(key any) any {
	switch key.(type) {
	case token.ContextKey:
		return s.token
	case tokenStateKey:
		return s
	case core.PrincipalKey, identityKey:
		return (*tokenIdentity)(s)
	case ownerKey:
		return s.Owner
	default:
		return s.Context.Value(key)
	}
}

type tokenStateKey struct{}

// ClaimsFrom returns the claims of the request's token as token.Decode does.
// core.ErrAnonymous if an optional Bearer found none, core.ErrNoMiddleware if none
// ran.
func ClaimsFrom[T any](ctx context.Context) (claims T, err error) {
	s, _ := ctx.Value(tokenStateKey{}).(*TokenState)
	switch {
	case s == nil:
		return claims, core.ErrNoMiddleware
	case s.token == nil:
		return claims, core.ErrAnonymous
	default:
		return token.Decode[T](s.token)
	}
}

var (
	errTransport = errors.New("adapter: the request presents credentials in more than one way")
	errScheme    = errors.New("adapter: the Authorization header holds no bearer token")
)

// BeginBearer verifies the bearer token of x's request and makes st its state. The
// refusal, if there is one, takes the place of the handlers. Without a token the
// request is refused, or anonymous if optional; a token that does not verify is
// always refused. Cookies and the query are not looked at.
func BeginBearer(v *token.Verifier, optional bool, x Exchange, st *TokenState) *Denied {
	st.Context, st.verifier, st.required = x.Context(), v, !optional
	fetch(x, &bearerFields, 1)
	if l, ok := x.(Lasting); ok {
		st.client = l.Last()
	} else {
		st.client = &copied{x.ClientIP(), x.Header("User-Agent")}
	}
	id := (*tokenIdentity)(st)
	if outer, _ := st.Context.Value(tokenStateKey{}).(*TokenState); outer != nil && outer.verifier == v {
		// A route that requires what its group has as optional: all is said but
		// whether nothing is enough.
		st.token = outer.token
		if st.token == nil && !optional {
			return denyFor(id, core.MissingCredentials, core.ErrAnonymous)
		}
		return nil
	}
	// RFC 9111 keeps shared caches away from a request with Authorization, but what
	// was answered without one must not be given to one with it.
	x.AddHeader("Vary", "Authorization")
	line, lines := authorization(x)
	if lines == 0 {
		if optional {
			return nil
		}
		return denyFor(id, core.MissingCredentials, core.ErrAnonymous)
	}
	if x.ResponseHeader("Cache-Control") == "" {
		x.SetHeader("Cache-Control", "private")
	}
	raw, err := bearerToken(line, lines)
	if err == nil && tokenInBody(x) {
		err = errTransport
	}
	if err == nil {
		st.token, err = v.Verify(st.Context, raw)
		// A list, which the header is not. No token that verifies holds one of these,
		// so only what is refused is looked at again.
		if err != nil && strings.ContainsAny(raw, " ,\t") {
			err = errTransport
		}
	}
	if err != nil {
		return id.refuse(err)
	}
	return nil
}

// authorization returns the first Authorization line and how many there are. The token
// in it is verified at once and not kept.
func authorization(x Exchange) (line string, lines int) {
	all := lent(x, "Authorization")
	if len(all) == 0 {
		return "", 0
	}
	return all[0], len(all)
}

// bearerToken returns the credentials of the one Authorization header that there may
// be (RFC 6750 section 2.1). Schemes are compared without regard to case (RFC 9110
// section 11.1).
func bearerToken(line string, lines int) (string, error) {
	if lines > 1 {
		return "", errTransport
	}
	const scheme = "bearer "
	line = strings.Trim(line, " \t")
	if len(line) <= len(scheme) || !strings.EqualFold(line[:len(scheme)], scheme) {
		return "", errScheme
	}
	return strings.TrimLeft(line[len(scheme):], " "), nil
}

// tokenInBody reports whether a form sends a token of its own (RFC 6750 section
// 2.2), beside the one in the header. A form that is too long to be looked at might:
// whoever puts one in front of the other must not be able to hide that by length.
func tokenInBody(x Exchange) bool {
	if !slices.ContainsFunc(x.HeaderLines("Content-Type"), isForm) {
		return false
	}
	body, err := x.Body()
	if err != nil {
		return true
	}
	for pair := range strings.SplitSeq(string(body), "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err == nil && name == "access_token" {
			return true
		}
	}
	return false
}

// isForm goes by the type alone: frameworks differ in what they make of parameters
// that cannot be parsed, and in which of two lines counts.
func isForm(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.Trim(kind, " \t"), "application/x-www-form-urlencoded")
}

// tokenIdentity is a TokenState seen as an identity.
type tokenIdentity TokenState

// Principal implements core.PrincipalSource.
func (s *tokenIdentity) Principal() (core.Principal, error) {
	if s.token == nil {
		return core.Principal{}, core.ErrAnonymous
	}
	return s.token.Principal(), nil
}

func (s *tokenIdentity) authorize() error {
	if s.token == nil {
		return core.ErrAnonymous
	}
	s.required = true
	return nil
}

func (s *tokenIdentity) guarded() bool { return s.required }

func (s *tokenIdentity) anyRole(roles []string) (bool, error) {
	return slices.ContainsFunc(roles, s.token.HasRole), nil
}

func (s *tokenIdentity) allScopes(scopes []string) (bool, error) {
	return !slices.ContainsFunc(scopes, func(scope string) bool { return !s.token.HasScope(scope) }), nil
}

func (s *tokenIdentity) fresh(maxAge time.Duration) (bool, error) {
	return s.verifier.Fresh(s.token, maxAge), nil
}

func (s *tokenIdentity) audit(name audit.Name, cause audit.Cause, err error) {
	s.verifier.Record(s.Context, name, cause, s.token, s.client.ClientIP(), s.client.UserAgent(), err)
}

// challenge: RFC 6750 section 3. No error code without credentials.
func (s *tokenIdentity) challenge(code core.Code) string {
	params := ""
	switch code {
	case core.MissingCredentials:
	case core.TokenExpired, core.InvalidSignature, core.TokenRevoked:
		params = `, error="invalid_token", error_description="` + code.Message() + `"`
	case core.InvalidRequest:
		params = `, error="invalid_request"`
	case core.InsufficientScope:
		params = `, error="insufficient_scope"`
	case core.StepUpRequired:
		params = insufficient
	default:
		return ""
	}
	return `Bearer realm="` + s.verifier.App() + `"` + params
}

// refuse is the refusal of a request whose credentials did not do.
func (s *tokenIdentity) refuse(err error) *Denied {
	var refusal *token.Refusal
	code, cause := core.InvalidSignature, audit.CauseError
	switch {
	case errors.Is(err, core.ErrUnknown):
		return deny(core.StoreUnavailable, err) // who failed has told
	case errors.Is(err, errScheme):
		code, cause = core.MissingCredentials, audit.CauseTransport
	case errors.Is(err, errTransport):
		code, cause = core.InvalidRequest, audit.CauseTransport
	case errors.Is(err, token.ErrExpired):
		code = core.TokenExpired
	case errors.Is(err, token.ErrRevoked):
		code = core.TokenRevoked
	}
	if errors.As(err, &refusal) {
		cause = refusal.Cause
	}
	s.audit(audit.TokenRefused, cause, err)
	return denyFor(s, code, err)
}

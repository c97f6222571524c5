package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/strict"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Claims are the claims that this package knows. A claim that is absent is its zero
// value.
type Claims struct {
	Issuer    string    // iss
	Subject   string    // sub
	Audience  []string  // aud
	ID        string    // jti
	ClientID  string    // client_id
	Session   string    // sid
	Epoch     uint64    // sep: the subject's epoch at login
	IssuedAt  time.Time // iat
	NotBefore time.Time // nbf
	Expires   time.Time // exp
	AuthTime  time.Time // auth_time
	Methods   []string  // amr
	Roles     []string  // roles
	Scopes    []string  // scope, split at its blanks
	// Answer is what a token of a refresh family says of the answer that it came
	// with: gen and ans.
	Answer revocation.Answer
}

// Token is a token that a Verifier accepted. It is immutable, shared between the
// requests that carry it, and safe for concurrent use; what it returns belongs to the
// caller.
type Token struct {
	claims    Claims
	principal core.Principal
	payload   string // the claims as they were signed
	// credential is what the issuer's revocations are asked about, if there are any.
	credential revocation.Credential
}

// Claims returns the claims.
func (t *Token) Claims() Claims {
	c := t.claims
	c.Audience, c.Methods = slices.Clone(c.Audience), slices.Clone(c.Methods)
	c.Roles, c.Scopes = slices.Clone(c.Roles), slices.Clone(c.Scopes)
	return c
}

// Principal returns who the token is for.
func (t *Token) Principal() core.Principal { return clonePrincipal(t.principal) }

// clonePrincipal copies both lists in one allocation. Neither can grow into the other,
// and one that is nil stays nil.
func clonePrincipal(p core.Principal) core.Principal {
	both, n := slices.Concat(p.Roles, p.Scopes), len(p.Roles)
	if p.Roles != nil {
		p.Roles = both[:n:n]
	}
	if p.Scopes != nil {
		p.Scopes = both[n:]
	}
	return p
}

// HasRole and HasScope are those of the Principal, without making one.
func (t *Token) HasRole(role string) bool { return slices.Contains(t.principal.Roles, role) }

// HasScope is like HasRole.
func (t *Token) HasScope(scope string) bool { return slices.Contains(t.principal.Scopes, scope) }

// ContextKey is the context key of a request's *Token, for adapter authors.
type ContextKey struct{}

// FromContext returns the token of the request that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Token {
	t, _ := ctx.Value(ContextKey{}).(*Token)
	return t
}

// claimLimits: claims of one's own may nest, within reason.
var claimLimits = strict.Limits{Depth: 16, Members: 128}

// maxSubject is what RFC 9068 leaves open and OpenID Connect Core section 2 says.
const maxSubject = 255

// claimSet is the claims by name, found and not read yet: before the signature is
// verified, nothing but iss is.
type claimSet struct {
	iss, sub, aud, jti, clientID, sid, sep strict.Value
	iat, nbf, exp, authTime, gen, ans      strict.Value
	amr, roles, scope, cnf                 strict.Value
}

// member returns where the claim of that name goes, or nil.
func (c *claimSet) member(name string) *strict.Value {
	switch name {
	case "iss":
		return &c.iss
	case "sub":
		return &c.sub
	case "aud":
		return &c.aud
	case "jti":
		return &c.jti
	case "client_id":
		return &c.clientID
	case "sid":
		return &c.sid
	case "sep":
		return &c.sep
	case "iat":
		return &c.iat
	case "nbf":
		return &c.nbf
	case "exp":
		return &c.exp
	case "auth_time":
		return &c.authTime
	case "amr":
		return &c.amr
	case "roles":
		return &c.roles
	case "scope":
		return &c.scope
	case "gen":
		return &c.gen
	case "ans":
		return &c.ans
	case "cnf":
		return &c.cnf
	default:
		return nil
	}
}

// findClaims finds the claims in doc. A claim that is spelled in another case, which
// other readers could take for the one that it is not, makes all of them worthless.
func findClaims(doc string) (c claimSet, r *Refusal) {
	m := strict.Read(doc, claimLimits)
	for m.Next() {
		if v := c.member(m.Folded); v != nil {
			if m.Folded != m.Name {
				return c, refusedPayload[strict.Case]
			}
			*v = m.Value
		}
	}
	return c, refusedPayload[m.Fault()]
}

// read reads the claims, whatever the time is. A claim that is there is of its type:
// null is no way to leave one out.
func (c *claimSet) read(claims *Claims) *Refusal {
	var ok bool
	if claims.Issuer, ok = c.iss.Text(); !ok {
		return refusedIss
	}
	if claims.Subject, ok = c.sub.Text(); !ok || claims.Subject == "" || len(claims.Subject) > maxSubject {
		return refusedSub
	}
	if claims.Audience, ok = audience(c.aud); !ok {
		return refusedAud
	}
	if !readText(c.jti, &claims.ID) {
		return refusedJti
	}
	if !readText(c.clientID, &claims.ClientID) {
		return refusedClientID
	}
	if !readText(c.sid, &claims.Session) {
		return refusedSid
	}
	if c.sep.Kind != strict.Absent {
		if claims.Epoch, ok = c.sep.Integer(); !ok {
			return refusedSep
		}
	}
	if !readAnswer(c.gen, c.ans, &claims.Answer) {
		return refusedAnswer
	}
	if !readStrings(c.amr, &claims.Methods) {
		return refusedAmr
	}
	if !readStrings(c.roles, &claims.Roles) || slices.Contains(claims.Roles, "") {
		return refusedRoles
	}
	if claims.Scopes, ok = scopes(c.scope); !ok {
		return refusedScope
	}
	// Bound to a key that its sender has to prove (RFC 7800, 8705, 9449). Nobody asks
	// for the proof here, and without it whoever stole the token would have got rid
	// of the binding.
	if c.cnf.Kind != strict.Absent {
		return refusedCnf
	}
	if c.iat.Kind == strict.Absent || !readTime(c.iat, &claims.IssuedAt) {
		return refusedIat
	}
	if !readTime(c.nbf, &claims.NotBefore) {
		return refusedNbf
	}
	if !readTime(c.authTime, &claims.AuthTime) {
		return refusedAuthTime
	}
	if c.exp.Kind == strict.Absent || !readTime(c.exp, &claims.Expires) {
		return refusedExp
	}
	return nil
}

// readAnswer reads gen and ans, of which there are both or none: either alone could not
// be voided.
func readAnswer(gen, ans strict.Value, a *revocation.Answer) bool {
	if gen.Kind == strict.Absent && ans.Kind == strict.Absent {
		return true
	}
	var ok [2]bool
	a.Generation, ok[0] = gen.Integer()
	a.Stamp, ok[1] = ans.Integer()
	return ok[0] && ok[1] && a.Generation > 0 && a.Stamp > 0
}

func readText(v strict.Value, s *string) (ok bool) {
	if v.Kind == strict.Absent {
		return true
	}
	*s, ok = v.Text()
	return ok
}

func readStrings(v strict.Value, list *[]string) (ok bool) {
	if v.Kind == strict.Absent {
		return true
	}
	*list, ok = v.Strings()
	return ok
}

// readTime reads a NumericDate (RFC 7519 section 2) in whole seconds. Fractions, which
// the RFC allows and no issuer has been seen to use, are refused: libraries differ in
// how they round them.
func readTime(v strict.Value, t *time.Time) bool {
	if v.Kind == strict.Absent {
		return true
	}
	n, ok := v.Integer()
	*t = time.Unix(int64(n), 0).UTC()
	return ok
}

// audience reads aud, which is a string or an array of strings (RFC 7519 section
// 4.1.3). The empty string is nobody.
func audience(v strict.Value) (list []string, ok bool) {
	if one, ok := v.Text(); ok {
		return []string{one}, one != ""
	}
	list, ok = v.Strings()
	return list, ok && len(list) > 0 && !slices.Contains(list, "")
}

// scopes reads scope (RFC 8693 section 4.2, RFC 6749 section 3.3): scope-tokens with
// one blank between any two. An empty string is none.
func scopes(v strict.Value) (list []string, ok bool) {
	if v.Kind == strict.Absent {
		return nil, true
	}
	s, ok := v.Text()
	if !ok || s == "" {
		return nil, ok
	}
	list = strings.Split(s, " ")
	for _, scope := range list {
		if !isScope(scope) {
			return nil, false
		}
	}
	return list, true
}

func isScope(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// named is what the claims are to a registry.
func (c *Claims) named() revocation.Named {
	return revocation.Named{Subject: c.Subject, Session: c.Session, Epoch: c.Epoch, Token: c.ID, Answer: c.Answer}
}

// principal is the default of TrustedIssuer.Principal.
func (c *Claims) principal() core.Principal {
	p := core.Principal{
		Subject: c.Subject, Roles: c.Roles, Scopes: c.Scopes,
		Session: c.Session, Epoch: c.Epoch, AuthTime: c.AuthTime,
	}
	if len(c.Methods) > 0 {
		p.Method = c.Methods[0]
	}
	return p
}

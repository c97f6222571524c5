package conformance

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerOptionalCases are about routes that do without a token.
func bearerOptionalCases() []Case { return []Case{bearerOptional(), bearerNested()} }

// badTokens are tokens that must be refused, by how. They make the clock go on.
func (k *Tokens) badTokens() map[core.Code][]string {
	k.t.Helper()
	expired := k.Issue("alice").Token
	k.t.Clock.Advance(time.Hour)
	good := k.Issue("alice").Token
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	other := strings.Split(k.Issue("bob").Token, ".")
	return map[core.Code][]string{
		core.TokenExpired: {expired},
		core.InvalidSignature: {
			"x", "..", good + ".", good + ".x", good[:len(good)-1], header + "." + payload, header + "." + payload + ".",
			header + "." + other[1] + "." + signature, header + "." + payload + "." + other[2], "." + payload + "." + signature,
			header + ".." + signature, bearerUnsigned(`{"alg":"none","typ":"at+jwt"}`, payload), bearerUnsigned(`{"alg":"none"}`, payload),
			k.Grant(token.Grant{Principal: core.Principal{Subject: "alice"}, Audience: "https://other.example"}).Token,
		},
	}
}

// bearerUnsigned is a token whose claims nobody signed.
func bearerUnsigned(header, payload string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + payload + "."
}

func bearerOptional() Case {
	return Case{
		ID: "J23", Slug: "bearer/optional",
		Rule:   "Where a token is optional, none is nobody, and one that does not verify is refused as where it is required: no claim of it counts.",
		Clause: "DESIGN section 2; CVE-2022-29165, CVE-2026-42602",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			c := &counted{App: k.bearerApp()}
			optional := Guard{Bearer: true, Optional: true}
			c.App = c.with("GET", "/api/counted", c.count(apiMe), optional).
				with("GET", "/api/never", c.count(apiMe), optional, Guard{Roles: []string{"alice"}}).
				with("GET", "/api/no-claims", func(r Request) error {
					claims, err := r.Claims()
					return r.String(200, fmt.Sprintf("%+v %t", claims, errors.Is(err, core.ErrAnonymous)))
				}, optional)
			s := t.Serve(c.App)
			for code, bad := range k.badTokens() {
				for _, raw := range bad {
					for _, path := range []string{"/api/me", "/api/counted", "/api/never", "/api/no-claims"} {
						s.Check(s.Do("GET", path, authorization(raw)), refused(code))
						t.tokensRefused(1)
						t.Calls()
					}
				}
			}
			Equal(t, "runs of the handlers", c.runs, 0)
			s.nobodyBearer(s.Do("GET", "/api/counted"))
			Equal(t, "runs of the handlers", c.runs, 1)
			s.Check(s.Do("GET", "/api/never"), refused(core.MissingCredentials))
			Equal(t, "runs of the handlers", c.runs, 1)
			a := s.Do("GET", "/api/no-claims")
			s.Check(a, Want{Status: 200, Body: "{Issuer: Subject: ID: Session: Expires:0 Generation:0 Answer:0 Note:} true", Bearer: true, CacheControl: "-"})
			good := authorization(k.Issue("alice").Token)
			s.Check(s.Do("GET", "/api/counted", good), accepted("alice"))
			s.Check(s.Do("GET", "/api/never", good), accepted("alice"))
			t.nothing()
		},
	}
}

func bearerNested() Case {
	return Case{
		ID: "J23", Slug: "bearer/nested",
		Rule:   "A route that requires the token which its group has as optional requires it; the token is verified once, and told once if it is refused.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			optional, required := Guard{Bearer: true, Optional: true}, Guard{Bearer: true}
			nested := map[string][]Guard{
				"/optional-required":          {optional, required},
				"/required-optional":          {required, optional},
				"/required-required":          {required, required},
				"/optional-optional-required": {optional, optional, required},
				"/optional-login":             {optional, Guard{Login: true}, required},
				"/optional-role-required":     {optional, Guard{Roles: []string{"alice"}}, required},
			}
			c := &counted{App: App{NoMiddleware: true, Verifier: k.Verifier()}}
			for path, guards := range nested {
				c.App = c.with("GET", path, c.count(apiMe), guards...)
			}
			c.App = c.with("GET", "/optional-optional", c.count(apiMe), optional, optional)
			s := t.Serve(c.App)
			good := authorization(k.Issue("alice").Token)
			for path := range nested {
				s.Check(s.Do("GET", path), refused(core.MissingCredentials))
				t.nothing()
				s.Check(s.Do("GET", path, authorization("x")), refused(core.InvalidSignature))
				t.tokensRefused(1)
				s.Check(s.Do("GET", path, good, good), refused(core.InvalidRequest))
				t.tokensRefused(1)
				Equal(t, "runs of the handler", c.runs, 0)
				s.Check(s.Do("GET", path, good), accepted("alice"))
				t.nothing()
				Equal(t, "runs of the handler", c.runs, 1)
				c.runs = 0
			}
			s.nobodyBearer(s.Do("GET", "/optional-optional"))
			s.Check(s.Do("GET", "/optional-optional", good), accepted("alice"))
			t.nothing()
		},
	}
}

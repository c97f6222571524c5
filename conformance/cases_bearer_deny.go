package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerDenyCases are about refusals that must stand.
func bearerDenyCases() []Case {
	return []Case{bearerStands(), bearerPanics(), bearerMissing(), bearerSkipped()}
}

// loudBearer are handlers that misbehave, behind Bearer in every mode and with
// guards on either side.
func loudBearer(c *counted) (paths []string) {
	required, optional, login := Guard{Bearer: true}, Guard{Bearer: true, Optional: true}, Guard{Login: true}
	for prefix, guards := range map[string][]Guard{
		"/required":       {required},
		"/optional-login": {optional, login},
		"/guarded":        {required, login, Guard{Roles: []string{"admin"}}, Guard{Scopes: []string{"all"}}, Guard{Fresh: freshFor}},
		"/nested":         {optional, required, login},
	} {
		for path, h := range map[string]Handler{
			"/writes": func(r Request) error { return r.String(200, secret) },
			"/errs":   func(r Request) error { return r.NativeError(418, secret) },
			"/fails":  func(r Request) error { return r.Fail(errApplication) },
			"/panics": func(Request) error { panic(secret) },
			"/writes-then-errs": func(r Request) error {
				_ = r.String(200, secret)
				return r.NativeError(418, secret)
			},
			"/writes-then-panics": func(r Request) error {
				_ = r.String(200, secret)
				panic(secret)
			},
			"/streams": func(r Request) error {
				return r.Stream(FlushNative, func(w Stream) {
					_, _ = w.Write([]byte(secret))
					_ = w.Flush()
				})
			},
		} {
			c.App = c.with("GET", prefix+path, c.count(h), guards...)
			paths = append(paths, prefix+path)
		}
	}
	return paths
}

func bearerStands() Case {
	return Case{
		ID: "P7", Slug: "bearer/refusal-stands",
		Rule:   "After a refusal of a token the handler does not run, in no mode and whatever it would do, and the answer is the refusal and nothing else.",
		Clause: "RFC 9110 section 15.5.2; DESIGN section 2; CVE-2026-44882",
		Run: func(t *T) {
			m := t.Manager(t.Config)
			k := t.Tokens(token.ES256)
			k.Trust.Revocations = m.Revocations()
			bad := k.badTokens()
			g := grantOf("alice", []string{"admin"}, []string{"all"}, t.Clock.Now())
			revoked, good := k.Grant(g), k.Grant(g).Token
			t.NoError(m.Revocations().RevokeSession(t.Context(), "alice", revoked.Session))
			for _, own := range []bool{false, true} {
				c := &counted{App: App{NoMiddleware: true, Verifier: k.Verifier(), OwnErrorHandler: own}}
				paths := loudBearer(c)
				s := t.Serve(c.App)
				check := func(path string, code core.Code, lines ...string) {
					t.Helper()
					a := s.Do("GET", path, lines...)
					Equal(t, "runs of the handler", c.runs, 0)
					if strings.Contains(a.Raw, secret) {
						t.Failf("the refusal holds the protected page")
					}
					if own {
						Equal(t, "status", a.Status, code.Status())
						Equal(t, "body", a.Body, OwnRefusal)
						return
					}
					s.Check(a, refused(code))
					Equal(t, "body", strings.TrimSpace(a.Body), fmt.Sprintf(`{"error":%q,"message":%q}`, code, code.Message()))
				}
				for _, path := range paths {
					t.settle()
					check(path, core.MissingCredentials)
					t.nothing()
					check(path, core.MissingCredentials, "Authorization: Basic "+good)
					check(path, core.InvalidRequest, authorization(good), authorization(good))
					check(path, core.TokenExpired, authorization(bad[core.TokenExpired][0]))
					for _, raw := range bad[core.InvalidSignature] {
						check(path, core.InvalidSignature, authorization(raw))
					}
					t.tokensRefused(3 + len(bad[core.InvalidSignature]))
					t.Calls()
					check(path, core.TokenRevoked, authorization(revoked.Token))
					t.tokensRefused(1)
					t.Calls(OpRevoked)
					t.Store.Fail(Always(FaultError))
					check(path, core.StoreUnavailable, authorization(good))
					t.Store.Fail(nil)
					t.Events("store_failure:error")
					t.Calls(OpRevoked)
				}
				s.Check(s.Do("GET", "/guarded/writes", authorization(good)), Want{Status: 200, Body: secret, Bearer: true})
				Equal(t, "runs of the handler", c.runs, 1)
			}
		},
	}
}

func bearerPanics() Case {
	return Case{
		ID: "P7", Slug: "bearer/panic-under-recovery",
		Rule:   "A handler behind Bearer that panics or errs opens nothing for the next request on its connection.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			c := &counted{App: k.bearerApp()}
			loudBearer(c)
			s := t.Serve(c.App)
			conn := s.Dial()
			good := authorization(k.Grant(grantOf("alice", []string{"admin"}, []string{"all"}, t.Clock.Now())).Token)
			bob := authorization(k.Issue("bob").Token)
			on := func(path string, lines ...string) *Answer { return s.On(conn, s.Request("GET", path, lines...)) }
			for range 3 {
				for _, prefix := range []string{"/required", "/optional-login", "/guarded", "/nested"} {
					s.Check(on(prefix+"/panics", good), Want{Status: 500, Bearer: true})
					s.Check(on(prefix+"/writes"), refused(core.MissingCredentials))
					s.nobodyBearer(on("/api/optional"))
					s.Check(on(prefix+"/errs", good), Want{Status: 418, Bearer: true})
					s.Check(on("/api/me", bob), accepted("bob"))
					t.nothing()
					s.Check(on(prefix+"/panics", authorization("x")), refused(core.InvalidSignature))
					t.tokensRefused(1)
				}
				s.Check(on("/guarded/writes", bob), refused(core.Forbidden))
				t.Events("authz_fail:role")
			}
		},
	}
}

func bearerMissing() Case {
	return Case{
		ID: "P7", Slug: "bearer/missing-bearer-closes",
		Rule:   "Without Bearer in front, or with it behind them, guards fail with 500 and let nobody through, whatever token is sent.",
		Clause: "DESIGN section 2 (AUTH_MIDDLEWARE_FAILURE)",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			c := &counted{App: k.bearerApp()}
			guards := map[string]Guard{
				"login": {Login: true}, "role": {Roles: []string{"alice"}}, "scope": {Scopes: []string{"read:alice"}}, "fresh": {Fresh: freshFor},
			}
			var paths []string
			for name, g := range guards {
				c.App = c.with("GET", "/missing/"+name, c.count(anyone), g).
					with("GET", "/late/"+name, c.count(anyone), g, Guard{Bearer: true}).
					with("GET", "/late-optional/"+name, c.count(anyone), g, Guard{Bearer: true, Optional: true}).
					with("GET", "/in-time/"+name, c.count(anyone), Guard{Bearer: true}, g)
				paths = append(paths, "/missing/"+name, "/late/"+name, "/late-optional/"+name)
			}
			c.App = c.with("GET", "/calls", c.count(func(r Request) error {
				_, err := r.Principal()
				_, below := core.PrincipalFrom(r.Context())
				_, claims := r.Claims()
				for _, e := range []error{err, below, claims} {
					if !errors.Is(e, core.ErrNoMiddleware) {
						return r.String(500, fmt.Sprint(e))
					}
				}
				return r.Fail(claims)
			}))
			s := t.Serve(c.App)
			good := authorization(k.Issue("alice").Token)
			closed := Want{Status: 500, Code: string(core.AuthMiddlewareFailure)}
			for _, lines := range [][]string{nil, {good}, {authorization("x")}} {
				for _, path := range paths {
					s.Check(s.Do("GET", path, lines...), closed)
					Equal(t, "runs of the handler", c.runs, 0)
				}
				s.Check(s.Do("GET", "/calls", lines...), closed)
				c.runs = 0
			}
			t.nothing()
			for name := range guards {
				s.Check(s.Do("GET", "/in-time/"+name, good), Want{Status: 200, Body: "anyone", Bearer: true})
			}
			Equal(t, "runs of the handler", c.runs, len(guards))
		},
	}
}

func bearerSkipped() Case {
	return Case{
		ID: "P7", Slug: "bearer/skipped-request-has-no-token",
		Rule:   "Where the skipper skips Bearer, nobody is known, guards fail with 500, and the token is not looked at.",
		Clause: "DESIGN section 2 (AUTH_MIDDLEWARE_FAILURE)",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			good := authorization(k.Issue("alice").Token)
			for _, guards := range [][]Guard{
				nil, {{Login: true}}, {{Roles: []string{"alice"}}}, {{Scopes: []string{"read:alice"}}}, {{Fresh: freshFor}},
			} {
				c := &counted{App: k.bearerApp()}
				for _, path := range []string{"/skipped", "/not-skipped"} {
					c.App = c.with("GET", path, c.count(func(r Request) error {
						if _, err := r.Claims(); errors.Is(err, core.ErrNoMiddleware) && token.FromContext(r.Context()) == nil {
							return r.String(200, "nothing here")
						}
						return apiMe(r)
					}), slices.Concat([]Guard{{Bearer: true}}, guards)...)
				}
				c.SkipPath = "/skipped"
				s := t.Serve(c.App)
				for _, lines := range [][]string{nil, {good}, {authorization("x")}} {
					a := s.Do("GET", "/skipped", lines...)
					if guards == nil {
						s.Check(a, Want{Status: 200, Body: "nothing here"})
						continue
					}
					s.Check(a, Want{Status: 500, Code: string(core.AuthMiddlewareFailure)})
					Equal(t, "runs of the handler", c.runs, 0)
				}
				t.nothing()
				s.Check(s.Do("GET", "/not-skipped", good), accepted("alice"))
				s.Check(s.Do("GET", "/not-skipped"), refused(core.MissingCredentials))
				t.nothing()
			}
		},
	}
}

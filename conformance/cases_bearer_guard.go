package conformance

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerGuardCases are about what guards make of a token.
func bearerGuardCases() []Case {
	return []Case{bearerGuards(), bearerFresh(), sameGuards(), bearerHandlerRefuses(), bearerCacheable(), bearerClaims(), bearerOwnHandler()}
}

// grantOf is a grant for a subject with roles and scopes, authenticated at that time.
func grantOf(subject string, roles, scopes []string, authenticated time.Time) token.Grant {
	return token.Grant{Principal: core.Principal{Subject: subject, Roles: roles, Scopes: scopes, AuthTime: authenticated}}
}

func bearerGuards() Case {
	return Case{
		ID: "B3", Slug: "bearer/guards",
		Rule:   "RequireRole lets through who has one of the roles, RequireScope who has all of the scopes, and each says in its challenge what RFC 6750 asks for; nobody is asked for a token.",
		Clause: "RFC 6750 section 3.1; RFC 9110 section 15.5.4; DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			noScope := refused(core.InsufficientScope)
			noScope.Challenge = `, scope="read:alice write:alice"`
			both := []string{"read:alice", "write:alice"}
			for _, row := range []struct {
				roles, scopes []string
				role, scope   bool
			}{
				{nil, nil, false, false},
				{[]string{"admin"}, both, true, true},
				{[]string{"alice"}, []string{"write:alice", "x", "read:alice"}, true, true},
				{[]string{"x", "admin", "y"}, both[:1], true, false},
				{[]string{"admin", "alice"}, both[1:], true, false},
				// Names are compared byte for byte and whole, and roles are no scopes.
				{[]string{"Admin"}, []string{"Read:alice", "write:alice"}, false, false},
				{[]string{"administrator", "admi", "admin alice", "admin,alice"}, []string{"read:alice,write:alice"}, false, false},
				{both, []string{"admin", "alice"}, false, false},
				{[]string{"read:alice"}, []string{"read", "read:", "read:alic", "read:alice2", "read:*", "*", "write:alice"}, false, false},
			} {
				good := authorization(k.Grant(grantOf("alice", row.roles, row.scopes, t.Clock.Now())).Token)
				s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
				s.Check(s.Do("GET", "/api/login", good), accepted("alice"))
				t.nothing()
				for _, guard := range []struct {
					path  string
					ok    bool
					want  Want
					event string
				}{
					{"/api/role", row.role, refused(core.Forbidden), "authz_fail:role"},
					{"/api/scope", row.scope, noScope, "authz_fail:scope"},
				} {
					a := s.Do("GET", guard.path, good)
					if guard.ok {
						s.Check(a, accepted("alice"))
						t.nothing()
						continue
					}
					s.Check(a, guard.want)
					e := t.Events(guard.event)[0]
					Equal(t, "who was refused", e.Subject, "alice")
					Equal(t, "whether the event names the token's session", e.Session != "", true)
					t.Calls()
				}
			}
			for _, path := range []string{"/api/me", "/api/login", "/api/role", "/api/scope", "/api/fresh"} {
				s.Check(s.Do("GET", path), refused(core.MissingCredentials))
				t.nothing()
				s.Check(s.Do("GET", path, authorization("x")), refused(core.InvalidSignature))
				t.tokensRefused(1)
			}
		},
	}
}

func bearerFresh() Case {
	return Case{
		ID: "B3", Slug: "bearer/guard-fresh",
		Rule:   "RequireFresh goes by auth_time, not by the token's age, asks for a step-up by RFC 9470, and never takes a token that does not say when.",
		Clause: "RFC 9470 sections 3 and 6.1; RFC 9068 section 2.2.1",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			stale := refused(core.StepUpRequired)
			stale.Challenge = `, max_age="300"`
			refuse := func(raw string) {
				t.Helper()
				s.Check(s.Do("GET", "/api/fresh", authorization(raw)), stale)
				Equal(t, "who was refused", t.Events("authz_fail:stale")[0].Subject, "alice")
				s.Check(s.Do("GET", "/api/me", authorization(raw)), accepted("alice"))
				t.nothing()
			}
			let := func(raw string) {
				t.Helper()
				s.Check(s.Do("GET", "/api/fresh", authorization(raw)), accepted("alice"))
				t.nothing()
			}
			proven := t.Clock.Now()
			first := k.Issue("alice").Token
			let(first)
			t.Clock.Advance(freshFor)
			let(first)
			t.Clock.Advance(time.Second)
			refuse(first)
			// A new token for the old proof is no new proof.
			refuse(k.Grant(grantOf("alice", nil, nil, proven)).Token)
			let(k.Grant(grantOf("alice", nil, nil, proven.Add(time.Second))).Token)
			refuse(k.Grant(grantOf("alice", nil, nil, time.Time{})).Token)
			let(k.Issue("alice").Token) // stepped up
			refuse(first)
			t.Clock.Advance(24 * time.Hour)
			s.Check(s.Do("GET", "/api/fresh", authorization(first)), refused(core.TokenExpired))
			t.tokensRefused(1)
		},
	}
}

func sameGuards() Case {
	return Case{
		ID: "P7", Slug: "bearer/guards-same-as-behind-session",
		Rule:   "Every guard says the same of a token as of the session that it was issued for, each in the scheme of what it looked at.",
		Clause: "DESIGN sections 1 and 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			guards := map[string]Guard{
				"login": {Login: true}, "admin": {Roles: []string{"admin"}}, "either": {Roles: []string{"admin", "editor"}},
				"read": {Scopes: []string{"read"}}, "both": {Scopes: []string{"read", "write"}}, "fresh": {Fresh: freshFor},
			}
			app := App{Verifier: k.Verifier()}
			for name, g := range guards {
				app = app.with("GET", "/session/"+name, apiMe, g).with("GET", "/token/"+name, apiMe, Guard{Bearer: true}, g)
			}
			var granted []session.Identity
			app = app.with("POST", "/login", func(r Request) error {
				return answer(r, r.Session().Login(r.Context(), granted[0]), "logged in")
			}).with("POST", "/token", func(r Request) error {
				p, err := r.Principal()
				if err != nil {
					return r.Fail(err)
				}
				issued, err := k.Issuer.Issue(r.Context(), token.Grant{Principal: p})
				return answer(r, err, issued.Token)
			})
			s := t.Serve(app)
			verdicts := map[string]int{}
			for _, roles := range [][]string{nil, {"admin"}, {"editor"}, {"Admin"}} {
				for _, scopes := range [][]string{nil, {"read"}, {"write", "read"}} {
					granted = []session.Identity{{Subject: "alice", Roles: roles, Scopes: scopes, Method: "test"}}
					b := s.Browser()
					s.Check(b.Post("/login"), says("logged in", "set"))
					good := authorization(b.Post("/token").Body)
					t.settle()
					for range 2 {
						for name := range guards {
							bySession, byToken := b.Get("/session/"+name), s.Do("GET", "/token/"+name, good)
							Equal(t, name+": status by session and by token", bySession.Status, byToken.Status)
							Equal(t, name+": body by session and by token", bySession.Body, byToken.Body)
							Equal(t, name+": what the answer by session depends on", bySession.Header.Get("Vary"), "Cookie")
							Equal(t, name+": what the answer by token depends on", byToken.Header.Get("Vary"), "Authorization")
							told := t.Audit.Take()
							if byToken.Status == 200 {
								Equal(t, "events", len(told), 0)
								verdicts[name+" 200"]++
								continue
							}
							Equal(t, "events", len(told), 2)
							for _, e := range told {
								Equal(t, "event", e.Name, audit.AuthorizationFailed)
								Equal(t, "cause", e.Cause, told[0].Cause)
								Equal(t, "subject", e.Subject, "alice")
								Equal(t, "session", e.Session, told[0].Session)
							}
							verdicts[fmt.Sprint(name, " ", byToken.Status)]++
						}
						t.Clock.Advance(freshFor + time.Second)
					}
				}
			}
			for name, n := range map[string]int{
				"login 200": 24, "admin 200": 6, "admin 403": 18, "either 200": 12, "either 403": 12, "read 200": 16, "read 403": 8,
				"both 200": 8, "both 403": 16, "fresh 200": 12, "fresh 401": 12,
			} {
				Equal(t, name, verdicts[name], n)
			}
		},
	}
}

func bearerHandlerRefuses() Case {
	return Case{
		ID: "B2", Slug: "bearer/handler-passes-errors-on",
		Rule:   "What a handler behind Bearer passes on of this suite's errors becomes the refusal that it stands for, in Bearer's scheme; the application's own errors stay its own.",
		Clause: "RFC 6750 section 3; DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			for _, fails := range []bool{true, false} { // by Fail, and returned
				pass := func(err error) Handler {
					return func(r Request) error {
						if fails {
							return r.Fail(err)
						}
						return err
					}
				}
				app := App{NoMiddleware: true, Verifier: k.Verifier()}
				for _, g := range []Guard{{Bearer: true}, {Bearer: true, Optional: true}} {
					prefix := fmt.Sprint("/", g.Optional)
					app = app.with("GET", prefix+"/anonymous", pass(fmt.Errorf("wrapped: %w", core.ErrAnonymous)), g).
						with("GET", prefix+"/unknown", pass(fmt.Errorf("wrapped: %w", core.ErrUnknown)), g).
						with("GET", prefix+"/step-up", pass(session.ErrStepUp), g).
						with("GET", prefix+"/missing", pass(core.ErrNoMiddleware), g).
						with("GET", prefix+"/native", func(r Request) error { return r.NativeError(418, "teapot") }, g)
				}
				app = app.with("GET", "/claims", func(r Request) error {
					if _, err := r.Claims(); err != nil {
						return pass(err)(r)
					}
					return r.String(200, "claimed")
				}, Guard{Bearer: true, Optional: true})
				s := t.Serve(app)
				good := authorization(k.Issue("alice").Token)
				for _, prefix := range []string{"/false", "/true"} {
					s.Check(s.Do("GET", prefix+"/anonymous", good), refused(core.MissingCredentials))
					s.Check(s.Do("GET", prefix+"/unknown", good), refused(core.StoreUnavailable))
					s.Check(s.Do("GET", prefix+"/step-up", good), refused(core.StepUpRequired))
					s.Check(s.Do("GET", prefix+"/missing", good), refused(core.AuthMiddlewareFailure))
					s.Check(s.Do("GET", prefix+"/native", good), Want{Status: 418, Bearer: true})
				}
				s.Check(s.Do("GET", "/true/anonymous"), refused(core.MissingCredentials))
				s.Check(s.Do("GET", "/true/unknown"), refused(core.StoreUnavailable))
				s.Check(s.Do("GET", "/claims"), refused(core.MissingCredentials))
				s.Check(s.Do("GET", "/claims", good), Want{Status: 200, Body: "claimed", Bearer: true})
				t.nothing()
			}
		},
	}
}

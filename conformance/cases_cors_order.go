package conformance

import (
	"slices"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/token"
)

// corsOrderCases are about CORS in the wrong place, and beside tokens.
func corsOrderCases() []Case {
	return []Case{corsBehindLogin(), corsInFrontAndBehind(), corsBehindBearer(), corsBearer()}
}

// corsMisplaced is what is added to the answer of a route whose CORS cannot work.
var corsMisplaced = []string{"Cache-Control: no-store"}

func corsBehindLogin() Case {
	return Case{
		ID: "X11", Slug: "cors/behind-a-guard",
		Rule:   "CORS behind a guard gets no preflight, so the first request that the guard lets through is told that the application is misconfigured, and nothing is served.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			p := t.policy(corsConfig())
			for _, guard := range []Guard{{Login: true}, {Roles: []string{"admin"}}, {Fresh: freshFor}} {
				c := &counted{App: standard()}
				for _, method := range []string{"GET", "OPTIONS", "POST"} {
					c.App = c.with(method, "/late", c.count(whoami), guard, Guard{CORS: p})
				}
				s := t.Serve(c.App)
				b := s.Browser()
				s.Check(b.Post("/login?user=alice&role=admin"), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				t.forget()
				for _, lines := range [][]string{nil, {corsFrom(corsPage)}, {corsFrom(corsEvil)}} {
					for _, method := range []string{"GET", "POST"} {
						a := s.corsIs(b.Do(method, "/late", lines...), 500, append([]string{"Vary: Cookie", corsVary}, corsMisplaced...)...)
						Equal(t, "error code", a.Code(), "AUTH_MIDDLEWARE_FAILURE")
						t.Calls(OpLoad)
						s.corsIs(s.Do(method, "/late", lines...), 401, corsAnonymous...)
						t.Calls()
					}
				}
				s.corsIs(b.Do("OPTIONS", "/late", corsAsks(corsPage, "GET")...), 500, append([]string{"Vary: Cookie", corsVaryPreflight}, corsMisplaced...)...)
				t.Calls(OpLoad)
				s.corsIs(s.Do("OPTIONS", "/late", corsAsks(corsPage, "GET")...), 401, corsAnonymous...)
				Equal(t, "runs of the handler", c.runs, 0)
				t.nothing()
			}
		},
	}
}

func corsInFrontAndBehind() Case {
	return Case{
		ID: "X11", Slug: "cors/in-front-and-behind",
		Rule:   "CORS behind a guard is no mistake where another one stands in front, which answers the preflights; the last one decides about the request.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			p := t.policy(corsConfig())
			app := standard()
			app.CORS = p
			s := t.Serve(app.with("GET", "/late", whoami, Guard{Login: true}, Guard{CORS: p}))
			b := s.Browser()
			b.Post("/login?user=alice")
			t.forget()
			granted := append(corsActual(corsPage), "Vary: Cookie", "Cache-Control: private")
			s.corsSays(b.Do("GET", "/late", corsFrom(corsPage)), "subject=alice", granted...)
			s.corsSays(b.Do("GET", "/late", corsFrom(corsEvil)), "subject=alice", corsVary, "Vary: Cookie", "Cache-Control: private")
			t.Calls(OpLoad, OpLoad)
			s.corsPreflight("/late", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			t.nothing()
		},
	}
}

func corsBehindBearer() Case {
	return Case{
		ID: "X11", Slug: "cors/behind-bearer",
		Rule:   "CORS behind a Bearer that requires a token is told to be misplaced at the first request with one; behind an optional Bearer it works, unless a guard stands in between.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			p := t.policy(corsConfig())
			c := &counted{App: k.bearerApp()}
			for _, method := range []string{"GET", "OPTIONS"} {
				c.App = c.with(method, "/late", c.count(apiMe), Guard{Bearer: true}, Guard{CORS: p}).
					with(method, "/either", c.count(apiMe), Guard{Bearer: true, Optional: true}, Guard{CORS: p}).
					with(method, "/both", c.count(apiMe), Guard{Bearer: true, Optional: true}, Guard{Login: true}, Guard{CORS: p})
			}
			s := t.Serve(c.App)
			good := authorization(k.Issue("alice").Token)
			for _, lines := range [][]string{nil, {corsFrom(corsPage)}, {corsFrom(corsEvil)}} {
				a := s.corsIs(s.Do("GET", "/late", append([]string{good}, lines...)...), 500, append([]string{"Vary: Authorization", corsVary}, corsMisplaced...)...)
				Equal(t, "error code", a.Code(), "AUTH_MIDDLEWARE_FAILURE")
				s.Check(s.Do("GET", "/late", lines...), refused(core.MissingCredentials))
				s.corsIs(s.Do("GET", "/both", append([]string{good}, lines...)...), 500, append([]string{"Vary: Authorization", corsVary}, corsMisplaced...)...)
				s.Check(s.Do("GET", "/both", lines...), refused(core.MissingCredentials))
			}
			a := s.Do("OPTIONS", "/late", append(corsAsks(corsPage, "GET"), good)...)
			s.corsIs(a, 500, append([]string{"Vary: Authorization", corsVaryPreflight}, corsMisplaced...)...)
			a = s.Do("OPTIONS", "/late", corsAsks(corsPage, "GET")...)
			Equal(t, "status", a.Status, 401)
			s.corsSilent(a)
			Equal(t, "runs of the handlers", c.runs, 0)

			corsEachPage(func(lines, added []string) {
				s.corsIs(s.Do("GET", "/either", append([]string{good}, lines...)...), 200, append(slices.Clone(added), "Vary: Authorization", "Cache-Control: private")...)
				s.corsIs(s.Do("GET", "/either", lines...), 200, append(slices.Clone(added), "Vary: Authorization")...)
			})
			s.corsPreflight("/either", append(corsGranted(corsPage), "Vary: Authorization"), corsAsks(corsPage, "GET")...)
			Equal(t, "runs of the handlers", c.runs, 6)
			t.nothing()
		},
	}
}

func corsBearer() Case {
	return Case{
		ID: "X11", Slug: "cors/in-front-of-bearer",
		Rule:   "An API for tokens is asked by preflight without one, and a page can read why its token was refused.",
		Clause: "Fetch, CORS-preflight fetch; RFC 6750 section 3",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			app := k.bearerApp()
			app.CORS = t.policy(cors.Config{Origins: []string{corsPage}, RequestHeaders: []string{"Authorization"}, ResponseHeaders: []string{"WWW-Authenticate"}})
			s := t.Serve(app)
			granted := []string{corsVaryPreflight, corsAllowOrigin + corsPage, corsAllowHeaders + "authorization"}
			for _, path := range []string{"/api/me", "/api/role", "/api/scope", "/api/login"} {
				s.corsPreflight(path, granted, corsAsks(corsPage, "GET", "authorization")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET", "authorization")...)
			}
			t.nothing()
			page := []string{corsVary, corsAllowOrigin + corsPage, corsExpose + "www-authenticate"}
			for _, row := range []struct {
				from  string
				added []string
			}{{corsPage, page}, {corsEvil, []string{corsVary}}} {
				more := func(lines ...string) []string { return append(slices.Clone(row.added), lines...) }
				s.corsIs(s.Do("GET", "/api/me", corsFrom(row.from), authorization(k.Issue("alice").Token)), 200, more("Vary: Authorization", "Cache-Control: private")...)
				s.corsIs(s.Do("GET", "/api/me", corsFrom(row.from)), 401, more("Vary: Authorization", "Cache-Control: no-store", `Www-Authenticate: Bearer realm="conformance"`)...)
				t.nothing()
				s.corsIs(s.Do("GET", "/api/me", corsFrom(row.from), authorization("x")), 401, more("Vary: Authorization", "Cache-Control: no-store", "Www-Authenticate")...)
				t.tokensRefused(1)
				a := s.corsIs(s.Do("GET", "/api/role", corsFrom(row.from), authorization(k.Issue("bob").Token)), 403, more("Vary: Authorization", "Cache-Control: no-store")...)
				Equal(t, "error code", a.Code(), "FORBIDDEN")
				t.Events("authz_fail:role")
			}
		},
	}
}

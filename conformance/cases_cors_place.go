package conformance

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/token"
)

// corsPlaceCases are about where CORS is mounted, and what it is answered for there.
func corsPlaceCases() []Case {
	return []Case{
		corsBeforeAuthentication(), corsNeverCredentials(), corsEngine(), corsGroup(), corsGroupEnds(), corsGroupsApart(), corsGroupInGroup(), corsRoute(), corsRouteInside(), corsTwice(),
		corsPaths(), corsGroupPaths(), corsAnew(),
	}
}

func corsBeforeAuthentication() Case {
	return Case{
		ID: "X11", Slug: "cors/preflight-before-authentication",
		Rule:   "A preflight to a protected route is answered without credentials, and no handler, no store, no cookie and no audit event has to do with it.",
		Clause: "Fetch, CORS-preflight fetch: credentials mode is never include; DESIGN section 6",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			c := &counted{App: standard()}
			c.Verifier, c.CORS = k.Verifier(), t.policy(corsConfig())
			guards := map[string][]Guard{
				"/in": {{Login: true}}, "/role": {{Roles: []string{"admin"}}}, "/recent": {{Fresh: freshFor}}, "/bearer": {{Bearer: true}}, "/scope": {{Bearer: true}, {Scopes: []string{"read:alice"}}}, "/open": nil,
			}
			for path, g := range guards {
				for _, method := range []string{"GET", "OPTIONS", "PUT"} {
					c.App = c.with(method, path, c.count(whoami), g...)
				}
			}
			s := t.Serve(c.App)
			for path := range guards {
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsPreflight(path, corsGranted(corsPage, corsItsMethods, corsItsHeaders), corsAsks(corsPage, "PUT", "content-type")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
				s.corsRefused(path, corsAsks(corsPage, "FOO")...)
			}
			Equal(t, "runs of the handlers", c.runs, 0)
			t.nothing()
		},
	}
}

func corsNeverCredentials() Case {
	return Case{
		ID: "X11", Slug: "cors/preflight-ignores-credentials",
		Rule:   "Credentials that come with a preflight are not looked at: neither good ones nor bad ones change its answer.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			app := standard().with("GET", "/bearer", apiMe, Guard{Bearer: true})
			app.Verifier, app.CORS = k.Verifier(), t.policy(corsConfig())
			s := t.Serve(app)
			b := s.corsLogin("alice", corsPage)
			good := k.Issue("alice").Token
			old := s.corsLogin("alice", corsPage)
			s.corsIs(old.Do("POST", "/logout"), 200, corsVary, "Vary: Cookie", "Cache-Control: no-store", "Set-Cookie")
			t.forget()
			for _, lines := range [][]string{
				{"Cookie: " + b.Cookie + "=" + b.Value}, {"Cookie: " + b.Cookie + "=" + strings.Repeat("A", 48)}, {"Cookie: " + b.Cookie + "=x"}, {"Cookie: " + b.Cookie + "=" + b.Value + "; " + b.Cookie + "=x"},
				{authorization(good)}, {authorization("x")}, {"Authorization: Basic YTpi"}, {authorization(good), authorization(good)}, {"Cookie: " + b.Cookie + "=" + b.Value, authorization(good)},
			} {
				for _, path := range []string{"/me", "/bearer", "/public"} {
					s.corsPreflight(path, corsGranted(corsPage), append(corsAsks(corsPage, "GET"), lines...)...)
					s.corsRefused(path, append(corsAsks(corsEvil, "GET"), lines...)...)
					s.corsRefused(path, append(corsAsks(corsPage, "FOO"), lines...)...)
				}
			}
			t.nothing()
		},
	}
}

func corsEngine() Case {
	return Case{
		ID: "X11", Slug: "cors/on-everything",
		Rule:   "Mounted on everything, CORS answers the preflights for every path, also where no route for OPTIONS is, or none at all.",
		Clause: "Fetch, CORS-preflight fetch",
		Run: func(t *T) {
			app := standard()
			app.CORS = t.policy(corsConfig())
			app = app.with("GET", "/api/list", whoami, Guard{Login: true})
			s := t.Serve(app)
			for _, path := range []string{
				"/public", "/me", "/login", "/api/list", "/api/none", "/nothing", "/no/such/path", "/", "//", "/public/", "/PUBLIC", "/a%2fb", "/..%2f", "/public?x=1", "/*", "/" + strings.Repeat("a/", 200),
			} {
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
			}
			t.nothing()
		},
	}
}

// corsGrouped is an application with a group for pages of other origins and with routes
// beside it.
func (t *T) corsGrouped() (*Server, *counted) {
	t.Helper()
	c := &counted{App: standard()}
	says := func(what string) Handler {
		return c.count(func(r Request) error { return r.String(200, what) })
	}
	c.App = c.with("GET", "/apix", says("beside")).with("GET", "/apix/list", says("beside")).with("GET", "/api2/list", says("beside")).
		with("OPTIONS", "/apix", says("beside")).with("OPTIONS", "/apix/list", says("beside")).with("OPTIONS", "/public", says("beside"))
	c.Groups = []Group{
		{Prefix: "/api", CORS: t.policy(corsConfig()), Routes: []Route{
			{Method: "GET", Path: "/api/list", Handler: says("inside")},
			{Method: "PUT", Path: "/api/list", Handler: says("inside")},
			{Method: "GET", Path: "/api/me", Handler: c.count(whoami), Guards: []Guard{{Login: true}}},
			{Method: "GET", Path: "/api/deep/er/list", Handler: says("inside")},
		}},
		{Prefix: "/partner", CORS: t.policy(cors.Config{Origins: []string{corsAdmin}}), Routes: []Route{
			{Method: "GET", Path: "/partner/list", Handler: says("partner")},
		}},
	}
	return t.Serve(c.App), c
}

func corsGroup() Case {
	return Case{
		ID: "X11", Slug: "cors/on-a-group",
		Rule:   "A group with CORS answers the preflights of all paths below it, although it has no route for OPTIONS, and adds its headers to the answers of its routes.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			s, c := t.corsGrouped()
			for _, path := range []string{"/api/list", "/api/me", "/api/deep/er/list", "/api/unknown", "/api/un/kno/wn", "/api/list/", "/api/list?x=1"} {
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsPreflight(path, corsGranted(corsPage, corsItsMethods), corsAsks(corsPage, "PUT")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
				s.corsRefused(path, corsAsks(corsPage, "FOO")...)
			}
			Equal(t, "runs of the handlers", c.runs, 0)
			corsEachPage(func(lines, added []string) {
				s.corsSays(s.Do("GET", "/api/list", lines...), "inside", added...)
				s.corsSays(s.Do("PUT", "/api/list", lines...), "inside", added...)
				s.corsSays(s.Do("GET", "/api/deep/er/list", lines...), "inside", added...)
				s.corsIs(s.Do("GET", "/api/me", lines...), 401, append(slices.Clone(added), corsAnonymous...)...)
				for _, path := range []string{"/api/unknown", "/api/un/kno/wn"} {
					s.corsIs(s.Do("GET", path, lines...), 404, added...)
				}
			})
			t.nothing()
		},
	}
}

func corsGroupEnds() Case {
	return Case{
		ID: "X12", Slug: "cors/group-ends-at-its-prefix",
		Rule:   "What is beside a group has nothing of its policy, also if its path begins with the same letters.",
		Clause: "DESIGN section 6; ATTACKS X12",
		Run: func(t *T) {
			s, _ := t.corsGrouped()
			corsEachPage(func(lines, _ []string) {
				for _, path := range []string{"/apix", "/apix/list", "/api2/list"} {
					s.corsSays(s.Do("GET", path, lines...), "beside")
				}
				s.corsSays(s.Do("GET", "/public", lines...), "public")
				s.corsIs(s.Do("GET", "/me", lines...), 401, corsAnonymous...)
			})
			for _, path := range []string{"/apix", "/apix/list", "/public"} {
				s.corsSays(s.Do("OPTIONS", path, corsAsks(corsPage, "GET")...), "beside")
			}
			for _, path := range []string{"/api2/list", "/me", "/nothing", "/ap", "/", "/API/list", "/x/api/list", "//api/list", "/./api/list"} {
				s.corsSilent(s.Do("OPTIONS", path, corsAsks(corsPage, "GET")...))
			}
			t.nothing()
		},
	}
}

func corsGroupsApart() Case {
	return Case{
		ID: "X12", Slug: "cors/groups-apart",
		Rule:   "Of two groups each has its own policy.",
		Clause: "Fetch, CORS check; ATTACKS X12",
		Run: func(t *T) {
			s, _ := t.corsGrouped()
			s.corsSays(s.Do("GET", "/api/list", corsFrom(corsAdmin)), "inside", corsActual(corsAdmin)...)
			s.corsSays(s.Do("GET", "/partner/list", corsFrom(corsAdmin)), "partner", corsVary, corsAllowOrigin+corsAdmin)
			s.corsSays(s.Do("GET", "/partner/list", corsFrom(corsPage)), "partner", corsVary)
			s.corsPreflight("/partner/list", []string{corsVaryPreflight, corsAllowOrigin + corsAdmin}, corsAsks(corsAdmin, "GET")...)
			s.corsPreflight("/partner/unknown", []string{corsVaryPreflight, corsAllowOrigin + corsAdmin}, corsAsks(corsAdmin, "GET")...)
			s.corsRefused("/partner/list", corsAsks(corsPage, "GET")...)
			s.corsRefused("/partner/list", corsAsks(corsAdmin, "PUT")...)
			s.corsPreflight("/api/list", corsGranted(corsAdmin, corsItsMethods), corsAsks(corsAdmin, "PUT")...)
			t.nothing()
		},
	}
}

func corsGroupInGroup() Case {
	return Case{
		ID: "X12", Slug: "cors/group-in-group",
		Rule:   "Of groups that lie in each other the innermost counts, and the rest has the policy of all.",
		Clause: "Fetch, CORS check; ATTACKS X12",
		Run: func(t *T) {
			says := func(r Request) error { return r.String(200, "here") }
			app := standard()
			app.CORS = t.policy(cors.Config{Origins: []string{"*"}})
			app.Groups = []Group{
				{Prefix: "/api", CORS: t.policy(corsConfig()), Routes: []Route{{Method: "GET", Path: "/api/list", Handler: says}}},
				{Prefix: "/api/admin", CORS: t.policy(cors.Config{Origins: []string{corsAdmin}}), Routes: []Route{{Method: "GET", Path: "/api/admin/list", Handler: says}}},
			}
			s := t.Serve(app)
			rest := func(body, path, from string) {
				t.Helper()
				s.corsSays(s.Do("GET", path, corsFrom(from)), body, corsVary, corsAllowOrigin+"*")
				s.corsPreflight(path, []string{corsVaryPreflight, corsAllowOrigin + "*"}, corsAsks(from, "GET")...)
			}
			rest("public", "/public", corsPage)
			rest("public", "/public", corsEvil)
			s.corsPreflight("/nothing", []string{corsVaryPreflight, corsAllowOrigin + "*"}, corsAsks(corsPage, "GET")...)
			s.corsPreflight("/apix", []string{corsVaryPreflight, corsAllowOrigin + "*"}, corsAsks(corsPage, "GET")...)
			for _, path := range []string{"/api/list", "/api/none", "/api/adminx", "/api/x/admin"} {
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
			}
			s.corsSays(s.Do("GET", "/api/list", corsFrom(corsPage)), "here", corsActual(corsPage)...)
			s.corsSays(s.Do("GET", "/api/list", corsFrom(corsEvil)), "here", corsVary)
			for _, path := range []string{"/api/admin", "/api/admin/list", "/api/admin/none", "/api/admin/x/y"} {
				s.corsPreflight(path, []string{corsVaryPreflight, corsAllowOrigin + corsAdmin}, corsAsks(corsAdmin, "GET")...)
				s.corsRefused(path, corsAsks(corsPage, "GET")...)
				s.corsRefused(path, corsAsks(corsAdmin, "PUT")...)
			}
			s.corsSays(s.Do("GET", "/api/admin/list", corsFrom(corsAdmin)), "here", corsVary, corsAllowOrigin+corsAdmin)
			s.corsSays(s.Do("GET", "/api/admin/list", corsFrom(corsPage)), "here", corsVary)
			t.nothing()
		},
	}
}

// corsRouted is an application in which single routes have a policy. Each says which it is.
func (t *T) corsRouted() App {
	t.Helper()
	page, partner := t.policy(corsConfig()), t.policy(cors.Config{Origins: []string{corsAdmin}})
	app := standard()
	for _, method := range []string{"GET", "OPTIONS"} {
		for path, p := range map[string]*cors.Policy{"/open": page, "/partner": partner, "/private": nil, "/open/private": nil, "/private/open": page} {
			var guards []Guard
			if p != nil {
				guards = []Guard{{CORS: p}}
			}
			app = app.with(method, path, func(r Request) error { return r.String(200, path) }, guards...)
		}
	}
	return app
}

func corsRoute() Case {
	return Case{
		ID: "X12", Slug: "cors/on-one-route",
		Rule:   "A route with CORS that is routed for OPTIONS too answers its preflights, and the next route has nothing of it.",
		Clause: "Fetch, CORS-preflight fetch; ATTACKS X12",
		Run: func(t *T) {
			s := t.Serve(t.corsRouted())
			for _, path := range []string{"/open", "/private/open"} {
				corsEachPage(func(lines, added []string) { s.corsSays(s.Do("GET", path, lines...), path, added...) })
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
				s.corsSays(s.Do("OPTIONS", path), path, corsVaryPreflight)
			}
			s.corsSays(s.Do("GET", "/partner", corsFrom(corsAdmin)), "/partner", corsVary, corsAllowOrigin+corsAdmin)
			s.corsSays(s.Do("GET", "/partner", corsFrom(corsPage)), "/partner", corsVary)
			s.corsPreflight("/partner", []string{corsVaryPreflight, corsAllowOrigin + corsAdmin}, corsAsks(corsAdmin, "GET")...)
			s.corsRefused("/partner", corsAsks(corsPage, "GET")...)
			for _, path := range []string{"/private", "/open/private"} {
				corsEachPage(func(lines, _ []string) { s.corsSays(s.Do("GET", path, lines...), path) })
				s.corsSays(s.Do("OPTIONS", path, corsAsks(corsPage, "GET")...), path)
			}
			t.nothing()
		},
	}
}

func corsRouteInside() Case {
	return Case{
		ID: "X11", Slug: "cors/behind-session",
		Rule:   "CORS behind the session middleware and in front of a guard works: preflights ask nothing of the session, and the page reads the guard's refusal.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			c := &counted{App: standard()}
			guards := []Guard{{CORS: t.policy(corsConfig())}, {Login: true}}
			c.App = c.with("GET", "/mine", c.count(whoami), guards...).with("OPTIONS", "/mine", c.count(whoami), guards...)
			s := t.Serve(c.App)
			b := s.loggedIn("alice")
			t.forget()
			for _, jar := range [][]string{nil, b.lines()} {
				s.corsPreflight("/mine", corsGranted(corsPage), append(corsAsks(corsPage, "GET"), jar...)...)
				s.corsRefused("/mine", append(corsAsks(corsEvil, "GET"), jar...)...)
			}
			Equal(t, "runs of the handler", c.runs, 0)
			t.nothing()
			corsEachPage(func(lines, added []string) {
				s.corsIs(s.Do("GET", "/mine", lines...), 401, append(slices.Clone(added), corsAnonymous...)...)
				t.nothing()
				s.corsSays(b.Do("GET", "/mine", lines...), "subject=alice", append(slices.Clone(added), "Vary: Cookie", "Cache-Control: private")...)
				t.Calls(OpLoad)
				t.Events()
			})
		},
	}
}

func corsTwice() Case {
	return Case{
		ID: "X12", Slug: "cors/two-policies",
		Rule:   "Where a request passes two policies the inner one has the last word: each header is there once, and nothing is left of what the outer one alone allows.",
		Clause: "Fetch, Access-Control-Allow-Origin: one origin and never a list",
		Run: func(t *T) {
			all, partner := t.policy(corsConfig()), t.policy(cors.Config{Origins: []string{corsAdmin, corsEvil}})
			says := func(r Request) error { return r.String(200, "here") }
			app := standard().with("GET", "/inner", says, Guard{CORS: partner}).with("OPTIONS", "/inner", says, Guard{CORS: partner}).
				with("GET", "/same", says, Guard{CORS: all}).with("OPTIONS", "/same", says, Guard{CORS: all}, Guard{CORS: all})
			app.CORS = all
			s := t.Serve(app)
			s.corsSays(s.Do("GET", "/inner", corsFrom(corsPage)), "here", corsVary)
			s.corsSays(s.Do("GET", "/inner", corsFrom(corsAdmin)), "here", corsVary, corsAllowOrigin+corsAdmin)
			s.corsSays(s.Do("GET", "/inner", corsFrom(corsEvil)), "here", corsVary, corsAllowOrigin+corsEvil)
			s.corsSays(s.Do("GET", "/inner"), "here", corsVary)
			corsEachPage(func(lines, added []string) {
				s.corsSays(s.Do("GET", "/same", lines...), "here", added...)
				s.corsSays(s.Do("OPTIONS", "/same", lines...), "here", append(corsWithout(added, "Vary"), corsVaryPreflight)...)
			})
			// A preflight gets no further than the outer one, which answers for all.
			for _, path := range []string{"/inner", "/same"} {
				s.corsPreflight(path, corsGranted(corsPage), corsAsks(corsPage, "GET")...)
				s.corsRefused(path, corsAsks(corsEvil, "GET")...)
			}
			t.nothing()
		},
	}
}

// corsTricks are spellings by which one path might be taken for another.
func corsTricks(open, private string) (targets []string) {
	for _, way := range []string{
		"%[1]s", "%[2]s", "%[1]s/..%[2]s", "%[2]s/..%[1]s", "%[1]s/..%%2f%[3]s", "%[2]s/..%%2f%[4]s", "%[1]s%%2f..%%2f%[3]s", "%[1]s/%%2e%%2e%[2]s", "%[1]s/%%2e%%2e%%2f%[3]s", "%[2]s/%%2e%%2e%[1]s", "%[1]s/.%%2e%[2]s",
		"%[1]s/../%[3]s", "%[1]s/../../%[3]s", "%[1]s/./..%[2]s", "%[1]s/x/../..%[2]s", "%[1]s//..%[2]s", "%[1]s/..;%[2]s", "%[1]s;%[2]s", "%[1]s;/..%[2]s", "%[1]s/..\\%[3]s", "%[1]s\\..\\%[3]s", "%[1]s%%5c..%%5c%[3]s",
		"/%[1]s", "/%[2]s", "/.%[2]s", "/.%[1]s", "%[2]s/", "%[1]s/", "%[2]s//", "%[2]s%%2f", "%[1]s%%2f", "%[2]s%%00", "%[1]s%%00", "%[2]s%%20", "%[2]s.", "%[1]s.", "%[2]s%%00%[1]s", "%[2]s?%[1]s", "%[1]s?%[2]s", "%[2]s?/..%[1]s", "%[2]s#%[1]s",
		"%[1]s#%[2]s", "%[2]s%%3f%[1]s", "%[2]s%%23%[1]s", "%[1]s%%3f/..%[2]s", "%[2]s;%[1]s", "%[2]s,%[1]s", "/*%[2]s", "%[1]s%[2]s", "%[2]s%[1]s", "%[1]s/%%252e%%252e%[2]s", "%[1]s/..%%252f%[3]s", "%[1]s/..%%c0%%af%[3]s", "%[1]s%%0a%[2]s", "%[2]s%%0a%[1]s", "%[2]s%%0d%%0a",
		"http://other.example%[1]s", "http://other.example%[2]s", "http://other.example%[1]s/..%[2]s",
	} {
		targets = append(targets, fmt.Sprintf(way, open, private, private[1:], open[1:]))
	}
	for _, path := range []string{open, private} {
		targets = append(targets, strings.ToUpper(path), fmt.Sprintf("/%%%02x%s", path[1], path[2:]), fmt.Sprintf("/%%25%02x%s", path[1], path[2:]), path[:2]+"%00"+path[2:])
	}
	return targets
}

// corsSpelled asks for a target as a page of origin, and checks that whichever route answers
// had its own policy: allowed says which bodies may be read. It returns the body.
func (s *Server) corsSpelled(target, origin string, allowed ...string) string {
	s.t.Helper()
	a := s.Do("GET", target, corsFrom(origin))
	p := s.Do("OPTIONS", target, corsAsks(origin, "GET")...)
	switch {
	case a.Status != 200:
		if a.Status != 404 && a.Status != 405 && a.Status != 400 && a.Status/100 != 3 {
			s.t.Failf("%s: got %d, want a page or the framework's own no", target, a.Status)
		}
		return ""
	case slices.Contains(allowed, a.Body):
		Equal(s.t, target+": Access-Control-Allow-Origin", a.Header.Get("Access-Control-Allow-Origin"), origin)
		Equal(s.t, target+": Access-Control-Allow-Origin of the preflight", p.Header.Get("Access-Control-Allow-Origin"), origin)
		Equal(s.t, target+": status of the preflight", p.Status, 204)
	default:
		s.corsSilent(a)
		s.corsSilent(p)
	}
	return a.Body
}

func corsPaths() Case {
	return Case{
		ID: "X12", Slug: "cors/path-spelling-on-routes",
		Rule:   "However a path is spelled, the policy is that of the route which is served, for the request and for its preflight.",
		Clause: "CVE-2019-18978; RFC 3986 section 6; RFC 9110 section 4.2.3",
		Run: func(t *T) {
			s := t.Serve(t.corsRouted())
			seen := map[string]bool{}
			for _, pair := range [][2]string{{"/open", "/private"}, {"/private/open", "/open/private"}, {"/partner", "/open"}} {
				for _, target := range corsTricks(pair[0], pair[1]) {
					seen[s.corsSpelled(target, corsPage, "/open", "/private/open")] = true
					s.corsSpelled(target, corsAdmin, "/open", "/private/open", "/partner")
					s.corsSpelled(target, corsEvil)
				}
			}
			Equal(t, "routes that were served", len(seen), 6) // and none
			t.nothing()
		},
	}
}

func corsGroupPaths() Case {
	return Case{
		ID: "X12", Slug: "cors/path-spelling-in-groups",
		Rule:   "However a path is spelled, a group's policy opens no route outside of the group, and none of another group.",
		Clause: "CVE-2019-18978, CVE-2020-25032; RFC 3986 section 6",
		Run: func(t *T) {
			s, _ := t.corsGrouped()
			seen := map[string]bool{}
			for _, other := range []string{"/public", "/partner/list", "/apix/list"} {
				for _, prefix := range []string{"/api", "/api/list", "/api/deep/er"} {
					for _, target := range corsTricks(prefix, other) {
						seen[s.corsSpelled(target, corsPage, "inside")] = true
						s.corsSpelled(target, corsAdmin, "inside", "partner")
						s.corsSpelled(target, corsEvil)
					}
				}
			}
			for _, body := range []string{"", "public", "inside", "partner", "beside"} {
				Equal(t, "served: "+body, seen[body], true)
			}
			t.nothing()
		},
	}
}

func corsAnew() Case {
	return Case{
		ID: "X13", Slug: "cors/made-in-a-handler",
		Rule:   "CORS that careless applications construct anew for each request answers the thousandth as the first, and keeps nothing of what was before.",
		Clause: "CVE-2026-41135",
		Run: func(t *T) {
			cfg := corsConfig()
			for i := range 1000 { // so that keeping one of them for each request is seen
				cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://tenant-%d.example.net", i))
			}
			app := standard()
			anew := Guard{CORS: t.policy(cfg), Anew: true}
			for _, method := range []string{"GET", "OPTIONS"} {
				app = app.with(method, "/anew", func(r Request) error { return r.String(200, "anew") }, anew)
			}
			s := t.Serve(app)
			const rounds, each = 5, 100
			least, before := uint64(1<<63), corsHeap()
			for range rounds {
				c := s.Dial()
				for range each {
					s.corsSays(s.On(c, s.Request("GET", "/anew", corsFrom(corsPage))), "anew", corsActual(corsPage)...)
					s.corsIs(s.On(c, s.Request("OPTIONS", "/anew", corsAsks(corsPage, "PUT")...)), 204, corsGranted(corsPage, corsItsMethods)...)
				}
				c.Close()
				after := corsHeap()
				least = min(least, max(after, before)-before)
				before = after
			}
			// Other things in the process grow as well, but not by so much in each round.
			const most = 4 << 20
			if least > most {
				t.Failf("memory: grew by %d bytes or more in each round of %d requests", least, 2*each)
			}
			t.nothing()
		},
	}
}

// corsHeap is how much memory is in use.
func corsHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

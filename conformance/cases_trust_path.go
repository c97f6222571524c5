package conformance

import (
	"slices"
)

// trustPathCases are about requests for a protected path that do not look like
// one.
func trustPathCases() []Case { return []Case{pathSpelling(), methods(), skipExact()} }

// protected serves /admin, guarded and counted, among what standard has.
func (t *T) protected(change func(*App)) (*Server, *counted) {
	t.Helper()
	c := &counted{App: standard()}
	c.Routes = slices.DeleteFunc(c.Routes, func(r Route) bool { return r.Path == "/admin" })
	admin := Guard{Roles: []string{"admin"}}
	c.App = c.with("GET", "/admin", c.count(whoami), admin).
		with("HEAD", "/verb", c.count(whoami), admin).
		with("OPTIONS", "/verb", c.count(whoami), admin).
		with("FOO", "/verb", c.count(whoami), admin).
		with("GET", "/verb", c.count(whoami), admin)
	if change != nil {
		change(&c.App)
	}
	return t.Serve(c.App), c
}

// verdict asks as one client and checks that the answer is its refusal, or the
// page for who may see it, or the framework's own "no". own says which of these
// are the framework's. It returns whether the route was found.
func (s *Server) verdict(c *counted, b *Browser, who string, method, target string, own ...int) bool {
	s.t.Helper()
	t := s.t
	c.runs = 0
	a := b.Do(method, target)
	Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
	if slices.Contains(own, a.Status) || a.Status == 200 && a.Body == "public" { // another page is no harm
		Equal(t, "runs of the handler", c.runs, 0)
		Equal(t, "Vary", a.Header.Get("Vary"), "")
		t.Calls()
		t.Events()
		return false
	}
	var calls []Operation
	var events []string
	w := Want{Asked: true}
	runs := 0
	switch who {
	case "nobody":
		w.Status, w.Code = 401, "MISSING_CREDENTIALS"
	case "bob":
		w.Status, w.Code = 403, "FORBIDDEN"
		calls, events = []Operation{OpLoad}, []string{"authz_fail:role"}
	default:
		w.Status, w.Body, runs = 200, "subject=alice", 1
		calls = []Operation{OpLoad}
	}
	if method == "HEAD" { // no body to check
		Equal(t, "status", a.Status, w.Status)
		Equal(t, "body", a.Body, "")
		Equal(t, "Vary", a.Header.Get("Vary"), "Cookie")
	} else {
		s.Check(a, w)
	}
	Equal(t, "runs of the handler", c.runs, runs)
	t.Calls(calls...)
	t.Events(events...)
	return true
}

// verdicts is verdict for all three clients, who must agree on whether the route
// was found.
func (s *Server) verdicts(c *counted, who clients, method, target string, own ...int) bool {
	s.t.Helper()
	found := s.verdict(c, who.nobody, "nobody", method, target, own...)
	Equal(s.t, "found by bob as by nobody", s.verdict(c, who.bob, "bob", method, target, own...), found)
	Equal(s.t, "found by alice as by nobody", s.verdict(c, who.alice, "alice", method, target, own...), found)
	return found
}

func pathSpelling() Case {
	return Case{
		ID: "P3", Slug: "trust/path-spelling-opens-nothing",
		Rule:   "However a protected path is spelled, its handler runs for whom it is meant for or not at all.",
		Clause: "RFC 3986 section 6; RFC 9110 section 4.2.3",
		Run: func(t *T) {
			s, c := t.protected(nil)
			who := s.clients()
			for _, target := range []string{"/admin", "/admin?", "/admin?/public", "/admin?x=/public&y=..", "/admin??"} {
				if !s.verdicts(c, who, "GET", target) {
					t.Failf("%s is not found", target)
				}
			}
			for _, target := range []string{
				"//admin", "///admin", "/./admin", "/x/../admin", "/public/../admin", "/public/./../admin", "/../admin", "/admin/",
				"/admin//", "/admin/.", "/admin/./", "/admin/x/..", "/admin/..;/admin", "/;/admin", "/.;/admin", "/public;/../admin",
				"/Admin", "/ADMIN", "/aDmin", "/%61dmin", "/%61%64%6d%69%6e", "/%2561dmin", "/%252561dmin", "/%u0061dmin", "/a%00dmin",
				"/admin%2f", "/admin%2F", "/%2fadmin", "/%2Fadmin", "%2fadmin", "/admin%5c", "/%5cadmin", "/public%2f..%2fadmin",
				"/public/..%2fadmin", "/public/%2e%2e/admin", "/public/%2e%2e%2fadmin", "/public%2f%2e%2e%2fadmin", "/%2e/admin",
				"/admin;x", "/admin;x=y", "/admin;/public", "/admin%3b", "/admin%3bx", "/admin:80", "/admin,", "/admin.", "/admin.json",
				"/admin.html", "/admin~", "/admin%00", "/admin%00.html", "/admin%20", "/%20admin", "/admin%09", "/admin%0a",
				"/admin%0d%0aX-Injected:1", "/admin#/public", "/admin#", "/public#/admin", "/admin%23", "/admin%3f", "/admin%3f/public",
				"/%ef%bc%8fadmin", "/%c0%af/admin", "/%c0%ae%c0%ae/admin", "/adm%c4%b1n", "/adm\u0131n", "/admin\u00a0", "\\admin",
				"/\\admin", "\\\\admin", "/public\\..\\admin", "/admin\\", "admin", "?/admin", "*", "/*", "/a*", "/:admin", "/{admin}",
				"http://" + s.Addr + "/admin", "HTTP://" + s.Addr + "/admin", "http://user:pw@" + s.Addr + "/admin",
				"http://" + s.Addr + "//admin", "http://" + s.Addr + "/%61dmin", "http://other.example/admin", "https://" + s.Addr + "/admin",
				"//" + s.Addr + "/admin", "http:/admin", "http:admin", "http:///admin", "file:///admin", "javascript:/admin",
				"/http://" + s.Addr + "/admin",
			} {
				s.verdicts(c, who, "GET", target, 404, 400)
			}
		},
	}
}

func methods() Case {
	return Case{
		ID: "P3", Slug: "trust/methods-are-guarded-alike",
		Rule:   "A guard holds for every method, and a method without a route runs no handler.",
		Clause: "RFC 9110 section 9",
		Run: func(t *T) {
			s, c := t.protected(nil)
			who := s.clients()
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "FOO"} {
				if !s.verdicts(c, who, method, "/verb") {
					t.Failf("%s is not routed", method)
				}
			}
			for _, method := range []string{
				"HEAD", "OPTIONS", "FOO", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "Get", "GETX", "G", "QUERY",
			} {
				// Echo answers OPTIONS with what it has: 204.
				if s.verdicts(c, who, method, "/admin", 404, 405, 400, 501, 204) {
					t.Failf("%s is routed as if it was GET", method)
				}
			}
		},
	}
}

func skipExact() Case {
	return Case{
		ID: "P3", Slug: "trust/skipped-path-is-exact",
		Rule:   "A path that the middleware is told to skip lets no other path through, and a guard behind a skipped middleware refuses.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s, c := t.protected(func(app *App) { app.SkipPath = "/public" })
			who := s.clients()
			s.Check(who.alice.Get("/public"), Want{Status: 200, Body: "public"})
			t.Calls()
			for _, target := range []string{"/admin", "/admin?/public", "/admin?x=/public"} {
				if !s.verdicts(c, who, "GET", target) {
					t.Failf("%s is not found", target)
				}
			}
			for _, target := range []string{
				"/public/../admin", "/public/%2e%2e/admin", "/public%2f..%2fadmin", "/admin#/public", "/admin;/public", "/admin%3f/public",
				"/public/admin", "//public/../admin", "/%70ublic/../admin", "/public/..;/admin",
			} {
				s.verdicts(c, who, "GET", target, 404, 400)
			}

			s, c = t.protected(func(app *App) { app.SkipPath = "/admin" })
			who = s.clients()
			for _, b := range []*Browser{who.nobody, who.bob, who.alice} {
				s.Check(b.Get("/admin"), Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
				Equal(t, "runs of the handler", c.runs, 0)
				t.Calls()
				t.Events()
			}
		},
	}
}

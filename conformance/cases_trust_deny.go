package conformance

import (
	"strings"
	"time"
)

// trustDenyCases are about refusals that must stand whatever stands around them.
func trustDenyCases() []Case {
	return []Case{guardOrder(), denyStands(), denyStandsOwn(), panicLeaksNothing(), missingMiddleware(), lateMiddleware()}
}

// guarded serves orders of guards, all in front of one counted handler.
func (t *T) guarded(change func(*App)) (*Server, *counted, []string) {
	t.Helper()
	login, admin, fresh := Guard{Login: true}, Guard{Roles: []string{"admin"}}, Guard{Fresh: freshFor}
	c := &counted{App: standard()}
	var paths []string
	for path, guards := range map[string][]Guard{
		"/admin-only":        {admin},
		"/login-admin":       {login, admin},
		"/admin-login":       {admin, login},
		"/all-twice":         {login, login, admin, admin, login, fresh, admin},
		"/fresh-admin-login": {fresh, admin, login},
		"/admin-fresh":       {admin, fresh},
	} {
		c.App = c.with("GET", path, c.count(whoami), guards...)
		paths = append(paths, path)
	}
	// A guard in front of another hides whether it does anything itself.
	c.App = c.with("GET", "/login-only", c.count(anyone), login).with("GET", "/fresh-only", c.count(anyone), fresh)
	if change != nil {
		change(&c.App)
	}
	return t.Serve(c.App), c, paths
}

// anyone answers without asking who it is: nothing but a guard protects it.
func anyone(r Request) error { return r.String(200, "anyone") }

func guardOrder() Case {
	return Case{
		ID: "P7", Slug: "trust/guards-in-any-order",
		Rule:   "Guards in any order and number let the same users through, with one look into the store and one event for a refusal.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			for _, change := range []func(*App){nil, func(app *App) { app.Twice = true }} {
				s, c, paths := t.guarded(change)
				who := s.clients()
				ran := func(n int) {
					t.Helper()
					Equal(t, "runs of the handler", c.runs, n)
					c.runs = 0
				}
				for _, path := range paths {
					s.Check(who.nobody.Get(path), Anonymous())
					ran(0)
					t.Calls()
					t.Events()

					s.Check(who.bob.Get(path), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
					ran(0)
					t.Calls(OpLoad)
					t.Events("authz_fail:role")

					s.Check(who.alice.Get(path), Want{Status: 200, Body: "subject=alice", Asked: true})
					ran(1)
					t.Calls(OpLoad)
					t.Events()

					t.Store.Fail(Always(FaultError, OpLoad))
					s.Check(who.alice.Get(path), Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
					t.Store.Fail(nil)
					ran(0)
					t.Calls(OpLoad)
					t.Events("store_failure:error")
				}
				for _, path := range []string{"/login-only", "/fresh-only"} {
					s.Check(who.nobody.Get(path), Anonymous())
					ran(0)
					t.Calls()
					t.Store.Fail(Always(FaultError, OpLoad))
					s.Check(who.bob.Get(path), Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
					t.Store.Fail(nil)
					ran(0)
					t.Events("store_failure:error")
					s.Check(who.bob.Get(path), Want{Status: 200, Body: "anyone", Asked: true})
					ran(1)
					t.Calls(OpLoad, OpLoad)
					t.Events()
				}
				t.Clock.Advance(freshFor + time.Second)
				for _, path := range append(paths, "/fresh-only") {
					if !strings.Contains(path, "fresh") && path != "/all-twice" {
						continue
					}
					s.Check(who.alice.Get(path), Want{
						Status: 401, Code: "STEP_UP_REQUIRED", Asked: true, Challenge: `error="insufficient_user_authentication"`,
					})
					ran(0)
					t.Calls(OpLoad)
					t.Events("authz_fail:stale")
				}
			}
		},
	}
}

// secret is in what handlers write that must not have run.
const secret = "the-protected-page"

// loud are handlers that misbehave after a guard.
func loud(c *counted) []string {
	var paths []string
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
		"/notes": func(r Request) error {
			_ = note.Set(r.Session(), secret)
			return r.String(200, secret)
		},
		"/logs-in": login0,
	} {
		c.App = c.with("GET", path, c.count(h), Guard{Login: true}, Guard{Roles: []string{"admin"}})
		paths = append(paths, path)
	}
	return paths
}

// refusals asks for path as everybody who must be refused, and hands each answer to
// check with the refusal that it must be.
func (s *Server) refusals(c *counted, who clients, path string, check func(*Answer, Want)) {
	s.t.Helper()
	t := s.t
	for _, r := range []struct {
		b      *Browser
		down   bool
		want   Want
		calls  []Operation
		events []string
	}{
		{b: who.nobody, want: Anonymous()},
		{b: who.bob, want: Want{Status: 403, Code: "FORBIDDEN", Asked: true}, calls: []Operation{OpLoad}, events: []string{"authz_fail:role"}},
		{b: who.alice, down: true, want: Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true}, calls: []Operation{OpLoad},
			events: []string{"store_failure:error"}},
	} {
		if r.down {
			t.Store.Fail(Always(FaultError))
		}
		before := c.runs
		a := r.b.Get(path)
		t.Store.Fail(nil)
		check(a, r.want)
		if strings.Contains(a.Raw, secret) {
			t.Failf("the refusal holds the protected page")
		}
		Equal(t, "runs of the handler", c.runs, before)
		t.Calls(r.calls...)
		t.Events(r.events...)
	}
}

func denyStands() Case {
	return Case{
		ID: "P7", Slug: "trust/refusal-stands",
		Rule:   "After a refusal of 401, 403 or 503 the handler does not run, and the answer is the refusal and nothing else.",
		Clause: "RFC 9110 section 15.5.2; DESIGN section 2",
		Run: func(t *T) {
			c := &counted{App: standard()}
			paths := loud(c)
			s := t.Serve(c.App)
			who := s.clients()
			for _, path := range paths {
				s.refusals(c, who, path, func(a *Answer, w Want) {
					t.Helper()
					s.Check(a, w)
					if !strings.HasPrefix(a.Body, `{"error":"`+w.Code+`","message":"`) || strings.Count(a.Body, "{") != 1 {
						t.Failf("body: got %q, want one refusal", a.Body)
					}
				})
			}
			Equal(t, "runs of the handlers", c.runs, 0)
			s.Check(who.alice.Get("/writes"), Want{Status: 200, Body: secret, Asked: true})
			Equal(t, "runs of the handlers", c.runs, 1)
			t.Calls(OpLoad)
			// What was refused wrote nothing either.
			s.Check(who.bob.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
			t.Calls(OpLoad)
			t.Events()
		},
	}
}

func denyStandsOwn() Case {
	return Case{
		ID: "P7", Slug: "trust/refusal-stands-in-own-words",
		Rule:   "An application that words refusals itself still refuses: its handler does not run and its page is the answer.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			c := &counted{App: standard()}
			paths := loud(c)
			c.OwnErrorHandler = true
			s := t.Serve(c.App)
			who := s.clients()
			for _, path := range paths {
				s.refusals(c, who, path, func(a *Answer, w Want) {
					t.Helper()
					Equal(t, "status", a.Status, w.Status)
					Equal(t, "body", a.Body, OwnRefusal)
					Equal(t, "Cache-Control", a.Header.Get("Cache-Control"), "no-store")
					Equal(t, "Vary", a.Header.Get("Vary"), "Cookie")
					Equal(t, "a challenge with 401", a.Header.Get("WWW-Authenticate") != "", w.Status == 401)
					Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
				})
			}
			Equal(t, "runs of the handlers", c.runs, 0)
		},
	}
}

func panicLeaksNothing() Case {
	return Case{
		ID: "P7", Slug: "trust/panic-under-recovery",
		Rule:   "A handler that panics or errs ends in an error or in what it had written, stores nothing that was pending and opens nothing for the next request.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			c := &counted{App: standard()}
			loud(c)
			c.App = c.with("POST", "/notes-then-panics", func(r Request) error {
				_ = note.Set(r.Session(), "lost")
				panic(secret)
			}, Guard{Login: true})
			s := t.Serve(c.App)
			who := s.clients()
			conn := s.Dial()
			on := func(b *Browser, method, path string) *Answer {
				t.Helper()
				if b.Value == "" {
					return s.On(conn, s.Request(method, path))
				}
				return s.On(conn, s.Request(method, path, "Cookie: __Host-session="+b.Value))
			}
			for range 3 {
				s.Check(on(who.alice, "GET", "/panics"), Want{Status: 500, Asked: true})
				t.Calls(OpLoad)
				s.Check(on(who.alice, "POST", "/notes-then-panics"), Want{Status: 500, Asked: true})
				t.Calls(OpLoad)
				s.Check(on(who.alice, "GET", "/note"), Want{Status: 200, Body: "note=", Asked: true})
				t.Calls(OpLoad)
				// The same connection, and whatever object the framework reuses.
				s.Check(on(who.nobody, "GET", "/whoami"), Want{Status: 200, Body: "anonymous", Asked: true})
				s.Check(on(who.nobody, "GET", "/panics"), Anonymous())
				t.Calls()
				s.Check(on(who.bob, "GET", "/writes"), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				t.Calls(OpLoad)
				t.Events("authz_fail:role")
			}
			a := who.alice.Get("/writes-then-errs")
			if a.Status != 200 && a.Status != 418 { // which of the two is the framework's business
				t.Failf("status: got %d, want 200 or 418", a.Status)
			}
			Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
			Equal(t, "Vary", a.Header.Get("Vary"), "Cookie")
			t.Calls(OpLoad)
			t.Events()
		},
	}
}

func missingMiddleware() Case {
	return Case{
		ID: "P7", Slug: "trust/missing-middleware-closes",
		Rule:   "Without the session middleware every guard and every session call fails with 500 and lets nobody through.",
		Clause: "DESIGN section 2 (AUTH_MIDDLEWARE_FAILURE)",
		Run: func(t *T) {
			mounted := t.Serve(standard())
			who := mounted.clients()
			s, c, paths := t.guarded(func(app *App) { app.NoMiddleware = true })
			for _, v := range []string{"", who.bob.Value, who.alice.Value, "x"} {
				b := s.Browser()
				b.Value = v
				failed := func(method, target string) {
					t.Helper()
					s.Check(b.Do(method, target), Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
					Equal(t, "runs of the handler", c.runs, 0)
					t.Calls()
					t.Events()
				}
				for _, path := range append([]string{"/me", "/admin", "/fresh", "/whoami", "/note", "/hits", "/login-only", "/fresh-only"}, paths...) {
					failed("GET", path)
				}
				for _, target := range []string{"/login?user=mallory&role=admin", "/logout", "/renew", "/note?v=x", "/hit"} {
					failed("POST", target)
				}
				s.Check(b.Get("/public"), Want{Status: 200, Body: "public"})
			}
			mounted.Check(who.alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		},
	}
}

func lateMiddleware() Case {
	return Case{
		ID: "P7", Slug: "trust/late-middleware-closes",
		Rule:   "A guard in front of the session middleware fails with 500 and lets nobody through, not even who is logged in.",
		Clause: "DESIGN section 2 (AUTH_MIDDLEWARE_FAILURE)",
		Run: func(t *T) {
			s, c, paths := t.guarded(func(app *App) { app.Late = true })
			who := s.clients()
			for _, b := range []*Browser{who.nobody, who.bob, who.alice} {
				for _, path := range append([]string{"/me", "/admin", "/fresh", "/login-only", "/fresh-only"}, paths...) {
					s.Check(b.Get(path), Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
					Equal(t, "runs of the handler", c.runs, 0)
					t.Calls()
					t.Events()
				}
			}
			s.Check(who.alice.Get("/whoami"), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		},
	}
}

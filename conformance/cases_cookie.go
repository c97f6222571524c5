package conformance

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/cookie"
)

// cookieCases are about the cookie itself and what surrounds it in an answer.
func cookieCases() []Case {
	return slices.Concat([]Case{
		everyAnswerSets(), configuredForms(), secureAlways(), loopbackOnly(),
		settingIsUncacheable(), askingVaries(), untouchedIsPlain(), oneLinePerName(), withinSize(),
	}, cookieReadCases(), cookieHostileCases())
}

// The cookie of a default configuration, byte for byte, "*" for its value. They are
// written out because a check against what the library compiled would agree with
// any mistake in it.
const (
	loginLine    = "__Host-session=*; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"
	noteLine     = "__Host-session=*; Path=/; Max-Age=7200; Secure; HttpOnly; SameSite=Lax"
	deletionLine = "__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
)

// literal is line as Want takes it, with the value that a's last Set-Cookie has in
// the place of "*".
func (t *T) literal(a *Answer, line string) string {
	t.Helper()
	if !strings.Contains(line, "*") {
		return "=" + line
	}
	cookies := a.Cookies()
	if len(cookies) == 0 {
		t.Failf("Set-Cookie: got none, want %q", line)
	}
	value := cookies[len(cookies)-1].Value
	if !newValue.MatchString(value) {
		t.Failf("cookie value: got %q, want 48 characters of base64url", value)
	}
	return "=" + strings.Replace(line, "*", value, 1)
}

// answers is standard with every way in which a login or a log-out can be answered.
func answers() App {
	app := standard()
	endings := map[string]func(Request) error{
		"ok":       func(r Request) error { return r.String(200, "done") },
		"json":     func(r Request) error { return r.JSON(201, "done") },
		"status":   func(r Request) error { return r.Status(204) },
		"redirect": func(r Request) error { return r.Redirect(303, "/me") },
		"gone":     func(r Request) error { return r.NativeError(404, "no such thing") },
		"teapot":   func(r Request) error { return r.NativeError(418, "short and stout") },
		"fail":     func(r Request) error { return r.Fail(errApplication) },
		"panic":    func(Request) error { panic("the handler's own fault") },
		"unstored": func(r Request) error {
			if err := note.Set(r.Session(), "lost"); err != nil {
				return r.Fail(err)
			}
			return r.String(200, "done")
		},
	}
	for name, end := range endings {
		in := func(r Request) error {
			if err := login0(quiet{r}); err != nil {
				return err
			}
			return end(r)
		}
		out := func(r Request) error {
			if err := r.Session().Logout(r.Context()); err != nil {
				return r.Fail(err)
			}
			return end(r)
		}
		app = app.with("POST", "/login/"+name, in).with("HEAD", "/login/"+name, in).
			with("POST", "/logout/"+name, out).with("HEAD", "/logout/"+name, out)
	}
	return app
}

var errApplication = errors.New("the application's own error")

// quiet is a Request whose answer somebody else gives.
type quiet struct{ Request }

func (quiet) String(int, string) error { return nil }

// ending is how a request to answers is answered.
type ending struct {
	method, name string
	want         Want
}

func endings() []ending {
	return []ending{
		{"POST", "ok", Want{Status: 200, Body: "done"}},
		{"POST", "json", Want{Status: 201}},
		{"POST", "status", Want{Status: 204}},
		{"POST", "redirect", Want{Status: 303, Location: "/me"}},
		{"POST", "gone", Want{Status: 404}},
		{"POST", "teapot", Want{Status: 418}},
		{"POST", "fail", Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"}},
		{"POST", "panic", Want{Status: 500}},
		{"HEAD", "ok", Want{Status: 200}},
		{"HEAD", "redirect", Want{Status: 303, Location: "/me"}},
		{"HEAD", "teapot", Want{Status: 418}},
		{"HEAD", "panic", Want{Status: 500}},
	}
}

func everyAnswerSets() Case {
	return Case{
		ID: "C1", Slug: "cookie/attributes-on-every-answer",
		Rule:   "Whatever the answer, a session cookie is set and deleted as __Host-, with Secure, HttpOnly, SameSite=Lax, Path=/ and no Domain.",
		Clause: "RFC 6265bis sections 4.1.2.5 to 4.1.2.7, 4.1.3.2 and 8.3; ASVS 3.3.1 to 3.3.4",
		Run: func(t *T) {
			s := t.Serve(answers())
			for _, e := range endings() {
				b := s.Browser()
				a := b.Do(e.method, "/login/"+e.name+"?user=alice")
				e.want.Asked, e.want.Cookies = true, []string{t.literal(a, loginLine)}
				s.Check(a, e.want)
				t.Calls(OpCreate)
				t.Events("session_created", "authn_login_success")

				a = b.Do(e.method, "/logout/"+e.name)
				e.want.Cookies = []string{t.literal(a, deletionLine)}
				s.Check(a, e.want)
				t.Calls(OpLoad, OpTake)
				t.Events("session_expired:logout")
			}

			// A login that was stored stands although the data after it was not.
			b := s.Browser()
			t.Store.Fail(Always(FaultError, OpSwap))
			a := b.Post("/login/unstored?user=alice")
			t.Store.Fail(nil)
			s.Check(a, Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true, Cookies: []string{t.literal(a, loginLine)}})
			t.Calls(OpCreate, OpSwap)
			t.Events("session_created", "authn_login_success", "store_failure:error")

			a = b.Post("/renew")
			s.Check(a, Want{Status: 200, Body: "renewed", Asked: true, Cookies: []string{t.literal(a, loginLine)}})
			t.Calls(OpLoad, OpRename)
			t.Events("session_renewed:renewal")
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad, OpTake, OpSwap) // the old id ends with the new one's first use

			t.Clock.Advance(2 * time.Hour)
			a = b.Get("/me")
			s.Check(a, Want{Status: 200, Body: "subject=alice", Asked: true, Cookies: []string{t.literal(a, loginLine)}})
			t.Calls(OpLoad, OpSwap)

			a = s.Browser().Post("/note?v=cart")
			s.Check(a, Want{Status: 200, Body: "noted", Asked: true, Cookies: []string{t.literal(a, noteLine)}})
			t.Calls(OpCreate)
			t.Events("session_created")

			for _, target := range []string{"/public", "/nowhere"} {
				s.Check(b.Get(target), Want{Status: map[string]int{"/public": 200, "/nowhere": 404}[target]})
			}
			s.Check(s.Browser().Get("/me"), Anonymous())
			t.Calls()
			t.Events()
		},
	}
}

func configuredForms() Case {
	return Case{
		ID: "C1", Slug: "cookie/configured-forms",
		Rule:   "Each permitted configuration yields exactly one form of the cookie, with the strictest prefix that browsers accept for it.",
		Clause: "RFC 6265bis section 4.1.3; CHIPS (Partitioned); DESIGN section 3",
		Run: func(t *T) {
			for _, f := range []struct {
				cfg      cookie.Config
				set, del string
			}{
				{
					cookie.Config{SameSite: cookie.SameSiteStrict},
					"__Host-session=*; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Strict",
					"__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Strict",
				},
				{
					cookie.Config{Name: "sid"},
					"__Host-sid=*; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
					"__Host-sid=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
				},
				{
					cookie.Config{Domain: "example.com"},
					"__Secure-session=*; Path=/; Domain=example.com; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
					"__Secure-session=; Path=/; Domain=example.com; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
				},
				{
					cookie.Config{SameSite: cookie.SameSiteNone, Partitioned: true},
					"__Host-session=*; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=None; Partitioned",
					"__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned",
				},
				{
					cookie.Config{InsecureHTTP: true},
					"session=*; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax",
					"session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax",
				},
			} {
				t.Config.Cookie = f.cfg
				s := t.Serve(standard())
				b := s.Browser()
				a := b.Post("/login?user=alice")
				s.Check(a, Want{Status: 200, Body: "logged in", Asked: true, Cookies: []string{t.literal(a, f.set)}})
				s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
				a = b.Post("/logout")
				s.Check(a, Want{Status: 200, Body: "logged out", Asked: true, Cookies: []string{t.literal(a, f.del)}})
				t.Calls(OpCreate, OpLoad, OpLoad, OpTake)
				t.Events("session_created", "authn_login_success", "session_expired:logout")
			}
		},
	}
}

func secureAlways() Case {
	return Case{
		ID: "C2", Slug: "cookie/secure-never-dropped",
		Rule:   "Secure and the prefix depend on the configuration alone, never on the scheme that a request has or claims.",
		Clause: "RFC 6265bis section 8.3; DESIGN section 3",
		Run: func(t *T) {
			for _, trust := range [][]string{nil, {"127.0.0.1"}} {
				app := standard()
				app.TrustProxy = trust
				s := t.Serve(app)
				check := func(a *Answer) {
					t.Helper()
					s.Check(a, Want{Status: 200, Body: "logged in", Asked: true, Cookies: []string{t.literal(a, loginLine)}})
					t.Calls(OpCreate)
					t.Events("session_created", "authn_login_success")
				}
				for _, lines := range [][]string{
					nil,
					{"X-Forwarded-Proto: http"},
					{"X-Forwarded-Proto: https", "X-Forwarded-Proto: http"},
					{"X-Forwarded-Scheme: http", "X-Url-Scheme: http", "X-Forwarded-Ssl: off", "Front-End-Https: off"},
					{"Forwarded: proto=http"},
				} {
					check(s.Do("POST", "/login?user=alice", lines...))
				}
				check(s.Do("POST", "http://"+s.Addr+"/login?user=alice"))
				check(s.Raw("POST /login?user=alice HTTP/1.0\r\nHost: " + s.Addr + "\r\nContent-Length: 0\r\n\r\n"))
			}
		},
	}
}

func loopbackOnly() Case {
	return Case{
		ID: "C2", Slug: "cookie/insecure-http-loopback-only",
		Rule:   "A configuration without Secure serves nobody who is not on, or did not ask for, the loopback interface.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			t.Config.Cookie.InsecureHTTP = true
			runs := 0
			app := standard().with("GET", "/run", func(r Request) error { runs++; return r.String(200, "ran") })
			get := func(s *Server, host string, lines ...string) *Answer {
				raw := "GET /run HTTP/1.1\r\nHost: " + host + "\r\n"
				for _, l := range lines {
					raw += l + "\r\n"
				}
				return s.Raw(raw + "\r\n")
			}
			refused := func(s *Server, a *Answer) {
				t.Helper()
				if a.Status != 400 { // a server's own refusal of an empty Host
					s.Check(a, Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
				}
				Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
				Equal(t, "runs of the handler", runs, 0)
				t.Calls()
				t.Events()
			}
			served := func(s *Server, a *Answer) {
				t.Helper()
				s.Check(a, Want{Status: 200, Body: "ran"})
				Equal(t, "runs of the handler", runs, 1)
				runs = 0
				t.Calls()
				t.Events()
			}

			s := t.Serve(app)
			for _, host := range []string{s.Addr, "localhost", "localhost:8080", "LOCALHOST", "app.localhost", "127.8.9.10", "[::1]", "[::1]:8080"} {
				served(s, get(s, host))
			}
			for _, host := range []string{
				"example.com", "example.com:8080", "localhost.example.com", "notlocalhost", "127.0.0.1.example.com",
				"10.0.0.1", "203.0.113.9:8080", "0.0.0.0", "[::]", "[2001:db8::1]:8080", "",
			} {
				refused(s, get(s, host))
				refused(s, get(s, host, "X-Forwarded-Host: localhost", "Forwarded: host=localhost", "X-Host: localhost"))
			}

			from := "203.0.113.9"
			app.ClientIP = func() string { return from }
			s = t.Serve(app)
			for _, from = range []string{"203.0.113.9", "10.0.0.1", "2001:db8::1", "0.0.0.0", "::ffff:203.0.113.9"} {
				refused(s, get(s, "localhost"))
			}
			for _, from = range []string{"127.0.0.1", "::1"} {
				served(s, get(s, "localhost"))
			}

			app.ClientIP, app.TrustProxy = nil, []string{"127.0.0.1"}
			s = t.Serve(app)
			refused(s, get(s, "localhost", "X-Forwarded-For: 203.0.113.9"))
			refused(s, get(s, "localhost", "X-Forwarded-For: 127.0.0.1, 203.0.113.9"))
			served(s, get(s, "localhost"))
		},
	}
}

// caching are the routes of the cases about caches.
func caching() App {
	cached := func(h Handler) Handler {
		return func(r Request) error {
			r.SetHeader("Cache-Control", "public, max-age=600")
			return h(r)
		}
	}
	varied := func(h Handler) Handler {
		return func(r Request) error {
			r.SetHeader("Vary", "Accept-Encoding")
			return h(r)
		}
	}
	return standard().
		with("POST", "/cached/login", cached(login0)).
		with("POST", "/cached/note", cached(func(r Request) error { return answer(r, note.Set(r.Session(), "n"), "noted") })).
		with("POST", "/cached/logout", cached(func(r Request) error {
			return answer(r, r.Session().Logout(r.Context()), "logged out")
		})).
		with("GET", "/cached/whoami", cached(whoami)).
		with("GET", "/cached/public", cached(func(r Request) error { return r.String(200, "public") })).
		with("GET", "/varied/whoami", varied(whoami)).
		with("GET", "/varied/me", varied(whoami), Guard{Login: true}).
		with("GET", "/varied/public", varied(func(r Request) error { return r.String(200, "public") })).
		with("GET", "/status", func(r Request) error {
			_, _ = r.Principal()
			return r.Status(204)
		}).
		with("GET", "/redirect", func(r Request) error {
			_, _ = r.Principal()
			return r.Redirect(302, "/public")
		}).
		with("GET", "/error", func(r Request) error {
			_, _ = r.Principal()
			return r.NativeError(404, "no such thing")
		}).
		with("HEAD", "/whoami", whoami)
}

func settingIsUncacheable() Case {
	return Case{
		ID: "C5", Slug: "cookie/setting-answer-is-no-store",
		Rule:   "An answer that sets or deletes the cookie says Cache-Control: no-store, whatever its handler said.",
		Clause: "RFC 9111 section 7.3; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(caching())
			b := s.Browser()
			s.Check(b.Post("/cached/note"), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
			s.Check(b.Post("/cached/login?user=alice"), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
			t.Clock.Advance(2 * time.Hour)
			s.Check(b.Get("/cached/whoami"), Want{Status: 200, Body: "subject=alice", Cookies: []string{"set"}, Asked: true})
			s.Check(b.Post("/cached/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
			t.Calls(OpCreate, OpLoad, OpTake, OpCreate, OpLoad, OpSwap, OpLoad, OpTake)
			t.Events("session_created", "session_expired:login", "session_created", "authn_login_success", "session_expired:logout")
		},
	}
}

func askingVaries() Case {
	return Case{
		ID: "C5", Slug: "cookie/asking-answer-varies",
		Rule:   "An answer that depended on the session varies on Cookie beside whatever else it varies on, and is private unless its handler chose a Cache-Control.",
		Clause: "RFC 9110 section 12.5.5; RFC 9111 section 5.2.2.7; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(caching())
			const own = "public, max-age=600"
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			for _, c := range []struct {
				method, target string
				alice, nobody  Want
			}{
				{"GET", "/whoami", Want{Status: 200, Body: "subject=alice"}, Want{Status: 200, Body: "anonymous"}},
				{"HEAD", "/whoami", Want{Status: 200}, Want{Status: 200}},
				{"GET", "/me", Want{Status: 200, Body: "subject=alice"}, Anonymous()},
				{"GET", "/cached/whoami", Want{Status: 200, CacheControl: own}, Want{Status: 200, CacheControl: own}},
				{"GET", "/status", Want{Status: 204}, Want{Status: 204}},
				{"GET", "/redirect", Want{Status: 302, Location: "/public"}, Want{Status: 302, Location: "/public"}},
				{"GET", "/error", Want{Status: 404}, Want{Status: 404}},
			} {
				c.alice.Asked, c.nobody.Asked = true, true
				s.Check(b.Do(c.method, c.target), c.alice)
				t.Calls(OpLoad)
				s.Check(s.Browser().Do(c.method, c.target), c.nobody)
				t.Calls()
			}
			s.Check(b.Get("/admin"), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
			t.Calls(OpLoad)
			t.Events("authz_fail:role")

			varied := func(a *Answer, status int) {
				t.Helper()
				Equal(t, "status", a.Status, status)
				Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), "Accept-Encoding, Cookie")
				Equal(t, "Set-Cookie", strings.Join(a.Header.Values("Set-Cookie"), ", "), "")
			}
			varied(b.Get("/varied/whoami"), 200)
			varied(b.Get("/varied/me"), 200)
			varied(s.Browser().Get("/varied/whoami"), 200)
			t.Calls(OpLoad, OpLoad)
			t.Events()
		},
	}
}

func untouchedIsPlain() Case {
	return Case{
		ID: "C5", Slug: "cookie/untouched-answer-is-plain",
		Rule:   "An answer that asked the session nothing says nothing about cookies or caches of its own, even to a client that sent one.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(caching())
			alice := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			t.Clock.Advance(2 * time.Hour) // a touch is due, but nobody asks
			malformed := s.Browser()
			malformed.Value = "x"
			for _, b := range []*Browser{alice, s.Browser(), malformed} {
				s.Check(b.Get("/public"), Want{Status: 200, Body: "public"})
				s.Check(b.Get("/nowhere"), Want{Status: 404})
				s.Check(b.Get("/cached/public"), Want{Status: 200, Body: "public", CacheControl: "public, max-age=600"})
				a := b.Get("/varied/public")
				Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), "Accept-Encoding")
				Equal(t, "Cache-Control", a.Header.Get("Cache-Control"), "")
			}
			t.Calls()
			t.Events()
		},
	}
}

func oneLinePerName() Case {
	return Case{
		ID: "C8", Slug: "cookie/one-line-per-name",
		Rule:   "However often a request changes the session, its answer has one Set-Cookie line, and more only to repair a jar that sent duplicates.",
		Clause: "RFC 6265bis section 4.1.1; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/steps", func(r Request) error {
				for _, step := range strings.Split(r.Query("do"), ".") {
					var err error
					switch step {
					case "note":
						err = note.Set(r.Session(), "n")
					case "commit":
						err = r.Session().Commit(r.Context())
					case "renew":
						err = r.Session().Renew(r.Context())
					case "logout":
						err = r.Session().Logout(r.Context())
					default:
						err = login0(named{quiet{r}, step})
					}
					if err != nil {
						return r.Fail(err)
					}
				}
				return r.String(200, "done")
			}))
			const created, in = "session_created", "authn_login_success"
			for _, c := range []struct {
				do, line string
				calls    []Operation
				events   []string
			}{
				{"alice.note", loginLine, []Operation{OpCreate, OpSwap}, []string{created, in}},
				{"note.alice", loginLine, []Operation{OpCreate}, []string{created, in}},
				{"note.commit.alice", loginLine, []Operation{OpCreate, OpTake, OpCreate},
					[]string{created, "session_expired:login", created, in}},
				{"alice.renew.renew", loginLine, []Operation{OpCreate, OpSwap, OpSwap},
					[]string{created, in, "session_renewed:renewal", "session_renewed:renewal"}},
				{"alice.bob", loginLine, []Operation{OpCreate, OpTake, OpCreate},
					[]string{created, in, "session_expired:user-switch", created, in}},
				{"alice.logout.bob", loginLine, []Operation{OpCreate, OpTake, OpCreate},
					[]string{created, in, "session_expired:logout", created, in}},
				{"alice.logout", deletionLine, []Operation{OpCreate, OpTake}, []string{created, in, "session_expired:logout"}},
			} {
				a := s.Browser().Post("/steps?do=" + c.do)
				s.Check(a, Want{Status: 200, Body: "done", Asked: true, Cookies: []string{t.literal(a, c.line)}})
				t.Calls(c.calls...)
				t.Events(c.events...)
			}

			// Duplicates: the forms that this jar may hold are deleted, then the
			// one that counts is set.
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events(created, in)
			other := strings.Repeat("A", len(b.Value))
			a := s.Do("GET", "/me", "Cookie: __Host-session="+other+"; __Host-session="+b.Value)
			s.Check(a, Want{Status: 200, Body: "subject=alice", Asked: true, Cookies: []string{
				"=__Host-session=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned",
				t.literal(a, loginLine),
			}})
			t.Calls(OpLoad)
			t.Events()
		},
	}
}

// named is a Request whose query is the name of a user.
type named struct {
	Request
	user string
}

func (n named) Query(name string) string {
	if name == "user" {
		return n.user
	}
	return ""
}

func withinSize() Case {
	return Case{
		ID: "C8", Slug: "cookie/within-4096-bytes",
		Rule:   "Name and value of a cookie stay within 4096 bytes together, whatever the session holds and however the cookie is named.",
		Clause: "RFC 6265bis sections 5.6 and 6.1; ASVS 3.3.5",
		Run: func(t *T) {
			t.Config.Cookie = cookie.Config{Name: strings.Repeat("n", 64)}
			s := t.Serve(standard())
			b := s.Browser()
			large := strings.Repeat("v", 8<<10)
			long := strings.Repeat("u", 255)
			for _, target := range []string{"/note?v=" + large, "/login?user=" + long + "&role=" + long, "/renew"} {
				a := b.Post(target)
				Equal(t, "status", a.Status, 200)
				Equal(t, "Set-Cookie lines", len(a.Cookies()), 1)
				c := a.Cookies()[0]
				Equal(t, "name", c.Name, "__Host-"+strings.Repeat("n", 64))
				if n := len(c.Name) + len(c.Value); n > 4096 || len(c.Value) != 48 {
					t.Failf("name and value: %d bytes, value %q", n, c.Value)
				}
			}
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=" + large, Asked: true})
			t.Calls(OpCreate, OpLoad, OpTake, OpCreate, OpLoad, OpRename, OpLoad, OpTake, OpSwap)
			t.Events("session_created", "session_expired:login", "session_created", "authn_login_success", "session_renewed:renewal")
		},
	}
}

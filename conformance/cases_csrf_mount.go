package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfMountCases are about where the guard is mounted, and what goes wrong around it.
func csrfMountCases() []Case {
	return []Case{csrfOutside(), csrfPerRoute(), csrfTwice(), csrfTokenWithoutGuard(), csrfStoreDown(), csrfNoTokens(), csrfInsecureHTTP(), csrfOwnHandler(), csrfBeforeGuards()}
}

func csrfOutside() Case {
	return Case{
		ID: "P7", Slug: "csrf/in-front-of-session",
		Rule:   "A guard that is mounted in front of Session cannot know whose request it is: nothing is served, and the application is told why.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app.Late = true // Session is on the routes, and the guard in front of them
			late := t.csrfServeApp(app, csrf.Config{}).tab()
			late.misconfigured(late.transfer(csrfSameOrigin))
			late.misconfigured(late.do("GET", "/page"))
			app.Late, app.CSRFOutside = false, true
			s := t.csrfServeApp(app, csrf.Config{})
			b := s.tab()
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
				for _, lines := range [][]string{nil, {csrfSameOrigin}, {csrfSameOrigin, "Cookie: a=b"}} {
					b.misconfigured(b.do(method, "/transfer", lines...))
					b.misconfigured(b.do(method, "/look", lines...))
				}
			}
			// What the guard can refuse by itself it refuses.
			b.refused(b.transfer(csrfCrossSite), audit.CauseCrossSite)
		},
	}
}

func csrfPerRoute() Case {
	return Case{
		ID: "P7", Slug: "csrf/on-one-route",
		Rule:   "A guard on one route guards that route as one on the whole application does, and no other.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			guard := Guard{CSRF: t.csrfGuard(csrf.Config{})}
			app = app.with("POST", "/guarded", app.move, guard).with("GET", "/guarded", csrfPage, guard).with("POST", "/signin", login0, guard).
				with("POST", "/both", app.move, guard, Guard{Login: true})
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
			b := s.tab()
			b.openFor("/guarded")
			b.refused(b.post("/guarded", csrfSameOrigin), audit.CauseTokenMissing)
			b.refused(b.post("/guarded", csrfCrossSite, b.with()), audit.CauseCrossSite)
			b.passed(b.post("/guarded", csrfSameOrigin, b.with()))
			b.free(b.transfer(csrfCrossSite)) // is not guarded
			b.noLoginBy(b.post("/signin?user=alice", csrfSameOrigin))
			b.Check(b.post("/signin?user=alice", csrfSameOrigin, b.with()), says("logged in", "set"))
			b.user = "alice"
			t.forget()
			b.overAt("/guarded", b.token)
			b.openFor("/guarded")
			b.passed(b.post("/guarded", csrfSameOrigin, b.with()))
			b.passed(b.post("/both", csrfSameOrigin, b.with()))
			b.refused(b.post("/both", csrfSameOrigin), audit.CauseTokenMissing)
		},
	}
}

// noLoginBy checks that a page with a visitor's cookie logs nobody in without its token.
func (b *csrfTab) noLoginBy(a *Answer) {
	b.t.Helper()
	b.refused(a, audit.CauseTokenMissing)
	Equal(b.t, "session", b.session, "")
}

// overAt is over for another path.
func (b *csrfTab) overAt(path, token string) {
	b.t.Helper()
	b.refused(b.post(path, csrfSameOrigin, csrfHeader(token)), audit.CauseTokenInvalid)
}

func csrfTwice() Case {
	return Case{
		ID: "P7", Slug: "csrf/mounted-twice",
		Rule:   "A guard that is mounted twice refuses once and asks once, and of two guards a page's token is the inner one's.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			same := t.csrfGuard(csrf.Config{})
			app.CSRF, app.Twice = same, true
			app = app.with("POST", "/twice", app.move, Guard{CSRF: same}, Guard{CSRF: same}).with("GET", "/twice", csrfPage, Guard{CSRF: same})
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
			for _, b := range s.bothTabs() {
				b.refused(b.post("/twice", csrfSameOrigin), audit.CauseTokenMissing)
				b.refused(b.post("/twice", csrfCrossSite, b.with()), audit.CauseCrossSite)
				b.passed(b.post("/twice", csrfSameOrigin, b.with()))
				b.openFor("/twice")
				b.passed(b.post("/twice", csrfSameOrigin, b.with()))
				b.passed(b.send("/twice", urlencoded, "csrf_token="+b.token, csrfSameOrigin))
			}
			// Another one further in, on paths that the outer one leaves alone.
			inner := t.csrfGuard(csrf.Config{Secret: csrfSecret(3)})
			app = newCSRFApp()
			app.CSRF = t.csrfGuard(csrf.Config{Exempt: []string{"/inner"}})
			app = app.with("POST", "/inner", app.move, Guard{CSRF: inner}).with("GET", "/inner", csrfPage, Guard{CSRF: inner})
			s = &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
			for _, b := range s.bothTabs() {
				b.refused(b.post("/inner", csrfSameOrigin), audit.CauseTokenMissing)
				b.refused(b.post("/inner", csrfSameOrigin, b.with()), audit.CauseTokenInvalid)
				outer := b.token
				b.openFor("/inner")
				b.passed(b.post("/inner", csrfSameOrigin, b.with()))
				b.over(b.token)
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(outer)))
			}
		},
	}
}

func csrfTokenWithoutGuard() Case {
	return Case{
		ID: "P7", Slug: "csrf/token-without-guard",
		Rule:   "A page that asks for a token where no guard is gets none and says so: a form that would always fail is not written.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
			a := s.Do("GET", "/page")
			Equal(t, "status", a.Status, 500)
			Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
			t.Calls()
		},
	}
}

func csrfStoreDown() Case {
	return Case{
		ID: "S19", Slug: "csrf/store-down",
		Rule:   "When the store does not say whose session it is, no token is right or wrong: 503 with Retry-After, for the action and for the page, and every cookie stays.",
		Clause: "RFC 9110 section 10.2.3; DESIGN section 2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b, visitor := s.user("alice"), s.visitor()
			for _, fault := range []Fault{FaultError, FaultGarbage} {
				t.Store.Fail(Always(fault, OpLoad))
				for _, lines := range [][]string{{csrfSameOrigin, b.with()}, {csrfSameOrigin}, {csrfSameOrigin, visitor.with()}, {b.with()}} {
					a := b.transfer(lines...)
					b.Check(a, Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
					b.none(a)
					t.Calls(OpLoad)
					t.Events("store_failure:error")
				}
				a := b.do("GET", "/page")
				b.Check(a, Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
				b.none(a)
				t.Calls(OpLoad)
				t.Events("store_failure:error")
				// Who is refused for another reason, or needs no store, does not notice.
				b.refused(b.transfer(csrfCrossSite, b.with()), audit.CauseCrossSite)
				visitor.passed(visitor.transfer(csrfSameOrigin, visitor.with()))
				visitor.open()
				t.Store.Fail(nil)
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfNoTokens() Case {
	return Case{
		ID: "F6", Slug: "csrf/no-tokens",
		Rule:   "Without tokens the word of the browser decides alone: who says nothing is served only without a credential that browsers send by themselves.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			s := t.csrfServeApp(app, csrf.Config{InsecureNoTokens: true, TrustedOrigins: []string{csrfPartner}, Cookies: []string{"legacy"}})
			b := s.tab()
			b.Check(b.post("/login?user=alice", csrfSameOrigin), says("logged in", "set"))
			b.user = "alice"
			t.forget()
			nobody := s.tab()
			for _, lines := range [][]string{{csrfSameOrigin}, {"Sec-Fetch-Site: none"}, {"Origin: " + s.origin()}, {"Origin: " + csrfPartner}, {csrfCrossSite, "Origin: " + csrfPartner}} {
				b.free(b.transfer(lines...))
				nobody.free(nobody.transfer(lines...))
			}
			for _, lines := range [][]string{{csrfCrossSite}, {"Sec-Fetch-Site: same-site"}, {csrfEvil}, {"Origin: null"}, {csrfCrossSite, "Origin: " + s.origin()}, {"Sec-Fetch-Site: junk"}} {
				b.refused(b.transfer(lines...), audit.CauseCrossSite)
				nobody.refused(nobody.transfer(lines...), audit.CauseCrossSite)
			}
			b.refused(b.transfer(), audit.CauseNoOrigin)
			b.refused(b.transfer(csrfHeader("x"), "Referer: "+s.origin()), audit.CauseNoOrigin)
			for _, line := range []string{"Authorization: Basic eDp5", "Cookie: legacy=1", "Cookie: " + csrfCookie + "=x", "Cookie: " + nobody.Cookie + "=x"} {
				nobody.refused(nobody.transfer(line), audit.CauseNoOrigin)
			}
			nobody.free(nobody.transfer())
			nobody.free(nobody.transfer("Authorization: Bearer x"))
		},
	}
}

func csrfInsecureHTTP() Case {
	return Case{
		ID: "C2", Slug: "csrf/insecure-http-loopback-only",
		Rule:   "A guard whose cookie lacks Secure and its prefix serves nobody who is not on, or did not ask for, the loopback interface.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			cfg := csrf.Config{}
			cfg.Cookie.InsecureHTTP = true
			app := newCSRFApp()
			from := socketPeer
			app.ClientIP = func() string { return from }
			app.CSRF = t.csrfGuard(cfg)
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: "csrf=*; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"}
			b := s.visitor()
			b.passed(b.transfer(csrfSameOrigin, b.with()))
			at := func(method, path, host string) *Answer {
				return b.Raw(strings.Replace(b.Request(method, path, append(b.jar(), csrfSameOrigin, b.with())...), "Host: "+s.Addr, "Host: "+host, 1))
			}
			for _, host := range []string{"bank.example", "localhost.bank.example", "203.0.113.9:8080", "[2001:db8::1]"} {
				b.misconfigured(at("POST", "/transfer", host))
				b.misconfigured(at("GET", "/page", host))
				b.misconfigured(at("GET", "/look", host))
			}
			for _, host := range []string{"localhost", "localhost:8080", "[::1]:8080", "app.localhost"} {
				b.passed(at("POST", "/transfer", host))
			}
			for _, from = range []string{"203.0.113.9", "10.0.0.1", "2001:db8::1"} {
				b.misconfigured(b.transfer(csrfSameOrigin, b.with()))
				b.misconfigured(b.do("GET", "/page"))
			}
		},
	}
}

func csrfOwnHandler() Case {
	return Case{
		ID: "P7", Slug: "csrf/own-error-handler",
		Rule:   "An application that answers refusals itself is asked for these too; the headers that belong to them are there, and the handler has not run.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			app := newCSRFApp()
			app.OwnErrorHandler = true
			s := t.csrfServeApp(app, csrf.Config{})
			b := s.user("alice")
			for _, row := range []struct {
				lines []string
				asked bool
				event string
			}{
				{[]string{csrfCrossSite, b.with()}, false, "cross-site"},
				{[]string{csrfSameOrigin}, true, "token-missing"},
				{[]string{csrfSameOrigin, csrfHeader("x")}, true, "token-invalid"},
			} {
				a := b.transfer(row.lines...)
				b.Check(a, Want{Status: 403, Body: OwnRefusal, Asked: row.asked, CacheControl: "no-store"})
				b.none(a)
				t.Events("csrf_refused:" + row.event)
			}
			t.forget()
			t.Store.Fail(Always(FaultError))
			a := b.transfer(csrfSameOrigin, b.with())
			Equal(t, "status", a.Status, 503)
			Equal(t, "body", a.Body, OwnRefusal)
			if a.Header.Get("Retry-After") == "" {
				t.Failf("Retry-After: got none")
			}
			b.none(a)
		},
	}
}

func csrfBeforeGuards() Case {
	return Case{
		ID: "P7", Slug: "csrf/before-guards",
		Rule:   "A forged request is refused as such before it is asked whether its user may, and a good token makes nobody anybody.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			app := newCSRFApp()
			app = app.with("POST", "/admin", app.move, Guard{Roles: []string{"admin"}}).with("POST", "/me", app.move, Guard{Login: true})
			s := t.csrfServeApp(app, csrf.Config{})
			alice, visitor := s.user("alice"), s.visitor()
			for _, b := range []*csrfTab{alice, visitor} {
				for _, path := range []string{"/admin", "/me"} {
					b.refused(b.post(path, csrfCrossSite, b.with()), audit.CauseCrossSite)
					b.refused(b.post(path, csrfSameOrigin), audit.CauseTokenMissing)
				}
			}
			alice.passed(alice.post("/me", csrfSameOrigin, alice.with()))
			a := alice.post("/admin", csrfSameOrigin, alice.with())
			alice.Check(a, Want{Status: 403, Code: "FORBIDDEN", Asked: true})
			alice.none(a)
			t.Calls(OpLoad)
			t.Events("authz_fail:role")
			for _, path := range []string{"/admin", "/me"} {
				a := visitor.post(path, csrfSameOrigin, visitor.with())
				visitor.Check(a, Anonymous())
				visitor.none(a)
				t.Events()
			}
		},
	}
}

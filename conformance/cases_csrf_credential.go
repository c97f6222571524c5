package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/token"
)

// csrfCredentialCases are about credentials that browsers send by themselves, and those that
// they do not.
func csrfCredentialCases() []Case {
	return []Case{csrfBearer(), csrfBasic(), csrfOtherCookies(), csrfDeadCookie(), csrfWithoutSession()}
}

func csrfBearer() Case {
	return Case{
		ID: "F1", Slug: "csrf/bearer-needs-no-token",
		Rule:   "A request with a bearer token and no cookie of ours needs no token against forgery; with a cookie it does, bearer token or not.",
		Clause: "RFC 6750 section 2.1; DESIGN section 6",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			app := newCSRFApp()
			app.Verifier = k.Verifier()
			app = app.with("POST", "/api/transfer", app.move, Guard{Bearer: true})
			s := t.csrfServeApp(app, csrf.Config{})
			good := k.Issue("alice").Token
			nobody := s.tab()
			passed := func(b *csrfTab, a *Answer, vary string) {
				t.Helper()
				Equal(t, "status", a.Status, 200)
				Equal(t, "body", a.Body, "moved")
				Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), vary)
				Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), "private")
				b.happened()
			}
			for _, line := range []string{"Authorization: Bearer " + good, "Authorization: bearer " + good} {
				a := nobody.post("/api/transfer", line)
				nobody.Check(a, Want{Status: 200, Body: "moved", Bearer: true})
				passed(nobody, a, "Authorization")
				t.Calls()
				nobody.refused(nobody.post("/api/transfer", line, csrfCrossSite), audit.CauseCrossSite)
				nobody.refused(nobody.post("/api/transfer", line, csrfEvil), audit.CauseCrossSite)
				for _, b := range s.bothTabs() {
					b.refused(b.post("/api/transfer", line), audit.CauseTokenMissing)
					b.refused(b.post("/api/transfer", line, csrfSameOrigin), audit.CauseTokenMissing)
					passed(b, b.post("/api/transfer", line, csrfSameOrigin, b.with()), "Authorization, Cookie")
					t.forget()
				}
			}
			a := nobody.post("/api/transfer")
			nobody.Check(a, Want{Status: 401, Code: "MISSING_CREDENTIALS", Bearer: true})
			nobody.none(a)
			t.forget()
			for _, line := range []string{"Authorization: Bearer x", "Authorization: DPoP x", "Authorization: bearer", "Authorization: dpop x"} {
				nobody.free(nobody.transfer(line))
			}
			nobody.noLogin(nobody.post("/login?user=mallory", "Authorization: Bearer "+good))
		},
	}
}

func csrfBasic() Case {
	return Case{
		ID: "F1", Slug: "csrf/basic-needs-a-token",
		Rule:   "A password that a browser sends by itself is a credential like a cookie: Basic, Negotiate and every scheme that scripts do not set need the token.",
		Clause: "RFC 7617 section 4; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, lines := range [][]string{
				{"Authorization: Basic eDp5"}, {"authorization: basic eDp5"}, {"Authorization: Negotiate YII"}, {"Authorization: NTLM TlRM"},
				{`Authorization: Digest username="x"`}, {"Authorization: Next x"}, {"Authorization: eDp5"}, {"Authorization:"}, {"Authorization: BearerBasic eDp5"},
				{"Authorization: Bearer,Basic eDp5"}, {"Authorization: Bearer x", "Authorization: Basic eDp5"}, {"Authorization: Basic eDp5", "Authorization: Bearer x"},
			} {
				nobody := s.tab()
				for _, from := range []string{csrfSameOrigin, "Sec-Fetch-Site: none", "Origin: " + s.origin(), "X-None: 1"} {
					nobody.refused(nobody.transfer(append(lines, from)...), audit.CauseTokenMissing)
					nobody.refused(nobody.transfer(append(lines, from, csrfHeader(s.visitor().token))...), audit.CauseTokenInvalid)
				}
				nobody.refused(nobody.transfer(append(lines, csrfCrossSite)...), audit.CauseCrossSite)
				for _, b := range s.bothTabs() {
					b.refused(b.transfer(append(lines, csrfSameOrigin)...), audit.CauseTokenMissing)
					b.passed(b.transfer(append(lines, csrfSameOrigin, b.with())...))
				}
			}
		},
	}
}

func csrfOtherCookies() Case {
	return Case{
		ID: "F1", Slug: "csrf/other-cookies",
		Rule:   "A cookie that the application has said to make somebody be somebody needs the token as the session's does, wherever its name stands in a line; others do not.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{Cookies: []string{"__Host-refresh", "JSESSIONID"}})
			nobody := s.tab()
			for _, line := range []string{
				"__Host-refresh=x", "JSESSIONID=x", "a=b; JSESSIONID=x", "JSESSIONID", "JSESSIONID=", "a=b, JSESSIONID=x", `a="b; JSESSIONID=x"`, "=JSESSIONID=x", "xJSESSIONID=x",
				nobody.Cookie + "=x", nobody.Cookie, "a=b," + nobody.Cookie + "=x", csrfCookie + "=x", csrfCookie,
			} {
				for _, lines := range [][]string{{"Cookie: " + line}, {"Cookie: a=b", "Cookie: " + line}, {"Cookie: " + line, "Cookie: a=b"}} {
					nobody.refused(nobody.transfer(append(lines, csrfSameOrigin)...), audit.CauseTokenMissing)
				}
			}
			for _, line := range []string{"a=b", "refresh=x", "jsessionid=x", "host-session=x", "theme=dark; lang=en"} {
				nobody.free(nobody.transfer("Cookie: "+line, csrfSameOrigin))
			}
			b := s.visitor()
			b.passed(b.transfer("Cookie: JSESSIONID=x", csrfSameOrigin, b.with()))
		},
	}
}

func csrfDeadCookie() Case {
	return Case{
		ID: "F1", Slug: "csrf/dead-session-cookie",
		Rule:   "A session cookie that is unknown, malformed or one of two needs a token as a live one does, and that of a visitor is good with it; no cookie is touched.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			alice := s.user("alice")
			for _, value := range []string{"", "x", neverIssued(1), alice.session[1:], alice.session + "A"} {
				shaped := newValue.MatchString(value)
				check := func(a *Answer, w Want, event string) {
					t.Helper()
					s.Check(a, w)
					Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
					var events []string
					if shaped {
						t.Calls(OpLoad)
						events = append(events, unknownID)
					} else {
						t.Calls()
					}
					if event != "" {
						events = append(events, event)
						Equal(t, "actions that happened", s.app.ran.Swap(0), 0)
					} else {
						Equal(t, "actions that happened", s.app.ran.Swap(0), 1)
					}
					t.Events(events...)
				}
				line := "Cookie: " + s.Cookie + "=" + value
				refused := Want{Status: 403, Code: "CSRF_REJECTED", Asked: true}
				nobody, b := s.tab(), s.visitor()
				check(nobody.transfer(csrfSameOrigin, line), refused, "csrf_refused:token-missing")
				check(nobody.transfer(csrfSameOrigin, line, alice.with()), refused, "csrf_refused:token-invalid")
				check(b.transfer(csrfSameOrigin, line), refused, "csrf_refused:token-missing")
				check(b.transfer(csrfSameOrigin, line, alice.with()), refused, "csrf_refused:token-invalid")
				check(b.transfer(csrfSameOrigin, line, b.with()), says("moved"), "")
			}
		},
	}
}

func csrfWithoutSession() Case {
	return Case{
		ID: "F1", Slug: "csrf/without-sessions",
		Rule:   "An application without sessions has both layers too: the token belongs to the visitor's cookie, and credentials of others need it.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app.NoMiddleware = true
			s := t.csrfServeApp(app, csrf.Config{Cookies: []string{"JSESSIONID"}})
			b, other := s.visitor(), s.visitor()
			check := func(a *Answer, cause audit.Cause) {
				t.Helper()
				s.Check(a, Want{Status: 403, Code: "CSRF_REJECTED"})
				s.none(a)
				t.Events("csrf_refused:" + string(cause))
			}
			for _, line := range []string{"X-None: 1", "Cookie: JSESSIONID=x", "Authorization: Basic eDp5"} {
				check(b.transfer(line, csrfCrossSite, b.with()), audit.CauseCrossSite)
				check(b.transfer(line, csrfSameOrigin), audit.CauseTokenMissing)
				check(b.transfer(line, csrfSameOrigin, other.with()), audit.CauseTokenInvalid)
				b.free(b.transfer(line, csrfSameOrigin, b.with()))
				b.free(b.send("/transfer", urlencoded, "csrf_token="+b.token, line, csrfSameOrigin))
			}
			nobody := s.tab()
			nobody.free(nobody.transfer(csrfSameOrigin))
			check(nobody.transfer("Cookie: JSESSIONID=x", csrfSameOrigin), audit.CauseTokenMissing)
			check(nobody.transfer("Authorization: Basic eDp5", csrfSameOrigin), audit.CauseTokenMissing)
		},
	}
}

package conformance

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// csrfLifeCases are about what ends a token, and what does not.
func csrfLifeCases() []Case {
	return []Case{csrfLoginChanges(), csrfLogoutEnds(), csrfStepUpChanges(), csrfRoleChanges(), csrfSwitchChanges(), csrfExpiryEnds(), csrfRevocationEnds(), csrfRenewalKeeps(), csrfDataKeeps(), csrfVisitorLasts()}
}

// over checks that tokens are good no more for the page's browser as it is now.
func (b *csrfTab) over(tokens ...string) {
	b.t.Helper()
	for _, token := range tokens {
		b.refused(b.transfer(csrfSameOrigin, csrfHeader(token)), audit.CauseTokenInvalid)
		b.refused(b.send("/transfer", urlencoded, "csrf_token="+token, csrfSameOrigin), audit.CauseTokenInvalid)
	}
}

func csrfLoginChanges() Case {
	return Case{
		ID: "F10", Slug: "csrf/login-changes-token",
		Rule:   "A token from before a login is good no more after it, and one from after it not before: with the old session, with none, with another.",
		Clause: "CVE-2022-25896; CVE-2022-24895; OWASP ASVS 5.0 7.2.4; DESIGN section 6",
		Run: func(t *T) {
			for _, data := range []bool{false, true} {
				s := t.csrfServe(csrf.Config{})
				b := s.visitor()
				if data { // an anonymous session, that goes over into the login
					b.Check(b.post("/note?v=cart", csrfSameOrigin, b.with()), says("noted", "set:7200"))
					t.forget()
					b.open()
				}
				before, fixed := b.token, *b
				b.login("alice")
				b.over(before)
				b.open()
				b.over(before)
				b.passed(b.transfer(csrfSameOrigin, b.with()))
				fixed.token = b.token
				a := fixed.transfer(csrfSameOrigin, fixed.with())
				Equal(t, "status of the new token before the login", a.Status, 403)
				fixed.none(a)
				t.forget()
			}
		},
	}
}

func csrfLogoutEnds() Case {
	return Case{
		ID: "F10", Slug: "csrf/logout-ends-token",
		Rule:   "A log-out ends the token of its login for good: without the session, with its dead cookie, with a new visitor's, and after the next login.",
		Clause: "CVE-2018-11406; OWASP ASVS 5.0 7.4.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.user("alice")
			dead, token := b.session, b.token
			b.Check(b.post("/logout", csrfSameOrigin, b.with()), says("logged out", "delete"))
			b.user = ""
			t.forget()
			b.free(b.transfer(csrfSameOrigin, csrfHeader(token))) // as nobody, whose authority ends nothing
			held := *b
			held.session = dead
			a := held.transfer(csrfSameOrigin, csrfHeader(token))
			held.Check(a, Want{Status: 403, Code: "CSRF_REJECTED", Asked: true})
			held.none(a)
			t.Calls(OpLoad)
			t.Events(unknownID, "csrf_refused:token-invalid")
			b.open()
			b.over(token)
			b.passed(b.transfer(csrfSameOrigin, b.with()))
			b.login("alice") // at the same moment, by the same method
			b.open()
			b.over(token)
			b.passed(b.transfer(csrfSameOrigin, b.with()))
		},
	}
}

func csrfStepUpChanges() Case {
	return Case{
		ID: "F10", Slug: "csrf/step-up-changes-token",
		Rule:   "A user who proves who it is once more gets another token: what could be read before the proof is worth nothing behind it.",
		Clause: "OWASP ASVS 5.0 7.2.4; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, path := range []string{"/stepup?user=alice", "/login?user=alice"} {
				b := s.user("alice")
				old := b.token
				t.Clock.Advance(time.Minute)
				flying := *b
				b.Check(b.post(path, csrfSameOrigin, b.with()), Want{Status: 200, Asked: true, Cookies: []string{"set"}})
				// The old id, while it lasts, is what it was, with what it had.
				flying.Check(flying.transfer(csrfSameOrigin, csrfHeader(old)), says("moved"))
				Equal(t, "actions that happened", s.app.ran.Swap(0), 1)
				t.forget()
				b.open()
				b.over(old)
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfRoleChanges() Case {
	return Case{
		ID: "F10", Slug: "csrf/role-change-changes-token",
		Rule:   "With other roles comes another token, whether they were won or lost.",
		Clause: "OWASP ASVS 5.0 7.2.4; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.user("alice")
			tokens := []string{b.token}
			for _, role := range []string{"admin", "auditor", ""} {
				// At one moment: the roles must be what makes the difference.
				b.Check(b.post("/login?user=alice&role="+role, csrfSameOrigin, b.with()), Want{Status: 200, Asked: true, Cookies: []string{"set"}})
				t.forget()
				b.open()
				if role != "" {
					b.over(tokens...)
				}
				b.passed(b.transfer(csrfSameOrigin, b.with()))
				tokens = append(tokens, b.token)
			}
			b.over(tokens[1:3]...)
		},
	}
}

func csrfSwitchChanges() Case {
	return Case{
		ID: "F10", Slug: "csrf/user-switch-changes-token",
		Rule:   "Another user in the same browser has another token, and the first one has not the old one when it comes back.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.user("alice")
			var tokens []string
			for _, user := range []string{"bob", "alice", "bob"} {
				tokens = append(tokens, b.token)
				b.login(user)
				b.over(tokens...)
				b.open()
				b.over(tokens...)
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfExpiryEnds() Case {
	return Case{
		ID: "F10", Slug: "csrf/expiry-ends-token",
		Rule:   "A token ends with the session that it belongs to, idle or absolute.",
		Clause: "OWASP ASVS 5.0 7.3.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.user("alice")
			t.Clock.Advance(23 * time.Hour)
			b.Check(b.transfer(csrfSameOrigin, b.with()), says("moved", "="+strings.Replace(loginLine, "*", b.session, 1)))
			b.happened()
			t.forget()
			t.Clock.Advance(24*time.Hour + time.Second)
			a := b.transfer(csrfSameOrigin, b.with())
			b.Check(a, Want{Status: 403, Code: "CSRF_REJECTED", Asked: true})
			b.none(a)
			last := t.Audit.Take()
			Equal(t, "last event", last[len(last)-1].Cause, audit.CauseTokenInvalid)
			token := b.token
			b.user, b.session = "", ""
			b.open()
			b.over(token)
			b.passed(b.transfer(csrfSameOrigin, b.with()))
		},
	}
}

func csrfRevocationEnds() Case {
	return Case{
		ID: "F10", Slug: "csrf/revocation-ends-token",
		Rule:   "A session that is ended from elsewhere takes its token with it.",
		Clause: "OWASP ASVS 5.0 7.4.5; DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app.App.Routes = append(app.App.Routes, Route{Method: "POST", Path: "/disable", Handler: func(r Request) error {
				return answer(r, r.Session().Manager().RevokeAll(r.Context(), r.Query("user")), "disabled")
			}})
			s := t.csrfServeApp(app, csrf.Config{})
			b, admin := s.user("alice"), s.user("root")
			admin.Check(admin.post("/disable?user=alice", csrfSameOrigin, admin.with()), Want{Status: 200, Body: "disabled", Asked: true})
			t.forget()
			b.user = ""
			a := b.transfer(csrfSameOrigin, b.with())
			b.Check(a, Want{Status: 403, Code: "CSRF_REJECTED", Asked: true})
			b.none(a)
			t.forget()
			token := b.token
			b.session = ""
			b.open()
			b.over(token)
		},
	}
}

func csrfRenewalKeeps() Case {
	return Case{
		ID: "F10", Slug: "csrf/renewal-keeps-token",
		Rule:   "A session that gets a new id for its age keeps its token, in every tab, also for a request with the old id that was in flight.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.user("alice")
			token := b.token
			for range 3 {
				t.Clock.Advance(10 * time.Second)
				flying := *b
				b.Check(b.post("/renew", csrfSameOrigin, csrfHeader(token)), says("renewed", "set"))
				t.forget()
				if flying.session == b.session {
					t.Failf("the id is the old one")
				}
				a := flying.transfer(csrfSameOrigin, csrfHeader(token))
				flying.Check(a, says("moved"))
				flying.happened()
				t.forget()
				b.open()
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(token)))
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfDataKeeps() Case {
	return Case{
		ID: "F10", Slug: "csrf/data-keeps-token",
		Rule:   "What is written into a session, and its use, change no token: neither a user's nor that of a visitor whose first write makes a session.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				token := b.token
				for _, path := range []string{"/note?v=1", "/note?v=2", "/hit", "/flash?v=x"} {
					a := b.post(path, csrfSameOrigin, csrfHeader(token))
					Equal(t, "status of "+path, a.Status, 200)
					t.Clock.Advance(45 * time.Minute) // now and then its use is written down, too
				}
				b.do("GET", "/note")
				t.forget()
				b.open()
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(token)))
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfVisitorLasts() Case {
	return Case{
		ID: "F10", Slug: "csrf/page-stays-open",
		Rule:   "A token has no time of its own: a page that stays open for a day is as good as new for a visitor whose cookie is there.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.visitor()
			t.Clock.Advance(23 * time.Hour)
			b.passed(b.transfer(csrfSameOrigin, b.with()))
			b.login("alice")
			b.open()
			b.passed(b.transfer(csrfSameOrigin, b.with()))
		},
	}
}

// csrfLoginCases are about logins that a page of somebody else causes, so that its visitor
// goes on as somebody else.
func csrfLoginCases() []Case {
	return []Case{csrfForeignLogin(), csrfSilentLogin(), csrfLoginWithToken(), csrfSilentClient(), csrfLoginAnswer()}
}

// noLogin checks that a login was refused, and that nobody is logged in by it.
func (b *csrfTab) noLogin(a *Answer) {
	b.t.Helper()
	b.Check(a, Want{Status: 403, Code: "CSRF_REJECTED", Asked: true})
	b.none(a)
	Equal(b.t, "session", b.session, "")
	b.t.Calls()
	b.t.Events("csrf_refused:token-missing")
}

func csrfForeignLogin() Case {
	return Case{
		ID: "F12", Slug: "csrf/login-from-elsewhere",
		Rule:   "A login form that a page of somebody else sends is refused before the handler runs, whatever comes with it, and leaves no session.",
		Clause: "OWASP CSRF cheat sheet, login CSRF; DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			s := t.csrfServeApp(app.with("POST", "/signin", func(r Request) error {
				app.ran.Add(1)
				return login0(r)
			}), csrf.Config{})
			honest := s.visitor()
			for _, from := range [][]string{{csrfCrossSite}, {"Sec-Fetch-Site: same-site"}, {csrfEvil}, {"Origin: null"}, {csrfCrossSite, "Origin: " + s.origin()}} {
				for _, b := range []*csrfTab{s.tab(), s.visitor(), s.user("alice")} {
					for _, lines := range [][]string{nil, {honest.with()}, {csrfHeader(b.token)}, {"Authorization: Bearer x"}} {
						session := b.session
						b.refused(b.post("/signin?user=mallory", append(lines, from...)...), audit.CauseCrossSite)
						Equal(t, "session", b.session, session)
					}
				}
			}
		},
	}
}

func csrfSilentLogin() Case {
	return Case{
		ID: "F12", Slug: "csrf/login-without-token",
		Rule:   "A request that brings neither a cookie nor a token logs nobody in, wherever it says that it comes from: the login is refused with 403 and stores nothing, also if the handler goes on.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app = app.with("POST", "/careless", func(r Request) error {
				return r.Session().Login(r.Context(), session.Identity{Subject: "mallory"})
			}).with("POST", "/stubborn", func(r Request) error {
				for range 3 {
					if err := r.Session().Login(r.Context(), session.Identity{Subject: "mallory"}); !errors.Is(err, csrf.ErrNoToken) {
						return r.String(500, fmt.Sprint("the login says ", err))
					}
				}
				return whoami(r)
			})
			s := t.csrfServeApp(app, csrf.Config{})
			for _, lines := range [][]string{
				nil, {csrfSameOrigin}, {"Sec-Fetch-Site: none"}, {"Origin: " + s.origin()}, {csrfHeader("x")}, {"Authorization: Bearer x"},
				{"Cookie: a=b"}, {"Cookie:"}, {csrfSameOrigin, csrfHeader(s.visitor().token)}, {"Referer: " + s.origin() + "/login"},
			} {
				b := s.tab()
				for _, path := range []string{"/login?user=mallory", "/careless?user=mallory", "/stepup?user=mallory"} {
					b.noLogin(b.post(path, lines...))
					b.noLogin(b.send(path, urlencoded, "user=mallory", lines...))
					b.noLogin(b.send(path, jsonType, "{}", lines...))
				}
				b.Check(b.post("/stubborn", lines...), says("anonymous"))
				t.forget()
			}
			Equal(t, "values that the store was handed", len(t.Store.Written()), 0)
		},
	}
}

func csrfLoginWithToken() Case {
	return Case{
		ID: "F12", Slug: "csrf/login-with-token",
		Rule:   "A browser that was given a token with the login page logs in with it, from a script or a form, with or without a word of where it comes from.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, from := range [][]string{{csrfSameOrigin}, {"Origin: " + s.origin()}, nil} {
				b := s.visitor()
				for _, bad := range []string{"", s.visitor().token} {
					b.refused(b.post("/login?user=alice", append(from, csrfHeader(bad))...), audit.CauseTokenInvalid)
				}
				b.refused(b.post("/login?user=alice", from...), audit.CauseTokenMissing)
				b.Check(b.post("/login?user=alice", append(from, b.with())...), says("logged in", "set"))
				t.Events("session_created", "authn_login_success")
				t.Calls(OpCreate)
				b.Check(b.do("GET", "/me"), says("subject=alice"))
				t.forget()

				b = s.visitor()
				b.Check(b.send("/login?user=bob", urlencoded, "password=x&csrf_token="+b.token, from...), says("logged in", "set"))
				t.Events("session_created", "authn_login_success")
				t.Calls(OpCreate)
				b.Check(b.do("GET", "/me"), says("subject=bob"))
				t.forget()
			}
		},
	}
}

func csrfSilentClient() Case {
	return Case{
		ID: "F12", Slug: "csrf/nobody-needs-no-token",
		Rule:   "A request without any credential of ours uses nobody's authority and needs no token; what it begins is an anonymous session of its own.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.tab()
			for _, lines := range [][]string{nil, {csrfSameOrigin}, {"Sec-Fetch-Site: none"}, {"Origin: " + s.origin()}, {"Cookie: theme=dark; lang=en"}, {"Cookie: host-session=x; secure-csrf=x"}} {
				for _, method := range csrfUnsafe {
					b.free(b.do(method, "/transfer", lines...))
				}
				b.free(b.send("/transfer", jsonType, "{}", lines...))
				b.refused(b.transfer(append(lines, csrfCrossSite)...), audit.CauseCrossSite)
			}
			for _, from := range []string{"Origin: null", csrfEvil, "Origin: https://" + s.Addr, "Sec-Fetch-Site: same-site"} {
				b.refused(b.transfer(from), audit.CauseCrossSite)
			}
			b.Check(b.post("/note?v=mine"), says("noted", "set:7200"))
			t.Events("session_created")
			t.Calls(OpCreate)
			b.refused(b.transfer(), audit.CauseTokenMissing) // now it brings one
		},
	}
}

func csrfLoginAnswer() Case {
	return Case{
		ID: "F10", Slug: "csrf/token-in-the-login-answer",
		Rule:   "A token that is made in the answer to a login, a step-up or a log-out is that of what comes after it.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			then := func(step Handler) Handler {
				return func(r Request) error {
					if err := step(r); err != nil {
						return r.Fail(err)
					}
					return csrfPage(r)
				}
			}
			app = app.with("POST", "/in", then(func(r Request) error {
				return r.Session().Login(r.Context(), session.Identity{Subject: r.Query("user")})
			})).with("POST", "/out", then(func(r Request) error { return r.Session().Logout(r.Context()) }))
			s := t.csrfServeApp(app, csrf.Config{})
			b := s.visitor()
			before := b.token
			a := b.post("/in?user=alice", csrfSameOrigin, b.with())
			b.Check(a, Want{Status: 200, Asked: true, Cookies: []string{"=" + s.deletion(), "set"}})
			b.user = "alice"
			t.forget()
			b.over(before)
			b.passed(b.transfer(csrfSameOrigin, csrfHeader(a.Body)))
			inside := a.Body
			a = b.post("/out", csrfSameOrigin, csrfHeader(inside))
			b.Check(a, Want{Status: 200, Asked: true, Cookies: []string{"=" + strings.Replace(csrfCookieLine, "*", csrfLast(a), 1), "delete"}})
			b.user = ""
			t.forget()
			b.over(inside)
			b.passed(b.transfer(csrfSameOrigin, csrfHeader(a.Body)))
		},
	}
}

package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfCookieCases are about the cookie that a visitor's token belongs to, and what others
// put in its place.
func csrfCookieCases() []Case {
	return []Case{csrfCookieForm(), csrfPlantedNonce(), csrfTwoNonces(), csrfNeverAdopted(), csrfCookieIsNoToken(), csrfOddSeparators()}
}

func csrfCookieForm() Case {
	return Case{
		ID: "F3", Slug: "csrf/cookie-form",
		Rule:   "The cookie of a visitor is one that no sibling host, plain-http page or script can set or read, and it is written only where there is none.",
		Clause: "RFC 6265bis section 4.1.3.2; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			b := s.visitor()
			first := b.nonce
			b.open()
			Equal(t, "cookie after a second look", b.nonce, first)
			b.login("alice")
			b.open()
			u := s.tab()
			u.user, u.session = b.user, b.session
			u.open() // who is logged in needs none
			Equal(t, "cookie of a login", u.nonce, "")
			for _, path := range []string{"/public", "/whoami"} {
				a := s.tab().do("GET", path)
				Equal(t, "Set-Cookie lines of "+path, len(a.Cookies()), 0)
			}
		},
	}
}

func csrfPlantedNonce() Case {
	return Case{
		ID: "F3", Slug: "csrf/planted-cookie",
		Rule:   "Who plants a visitor's cookie with its token in the browser of a user can do nothing there: the token of a login belongs to the login.",
		Clause: "CVE-2023-27495; OWASP CSRF cheat sheet; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			mallory, alice := s.visitor(), s.user("alice")
			victim := *alice
			victim.nonce = mallory.nonce
			victim.refused(victim.transfer(csrfSameOrigin, mallory.with()), audit.CauseTokenInvalid)
			victim.refused(victim.send("/transfer", urlencoded, "csrf_token="+mallory.token, csrfSameOrigin), audit.CauseTokenInvalid)
			victim.passed(victim.transfer(csrfSameOrigin, alice.with()))
			// A sibling, or who sits on the way, cannot write a cookie with the prefix, and
			// without it logs nobody in.
			for _, name := range []string{"__Secure-csrf", "csrf", "Host-csrf", "__host-csrf", "__HOST-CSRF", csrfCookie + " ", csrfCookie + "-"} {
				b := s.tab()
				a := b.post("/login?user=mallory", csrfSameOrigin, mallory.with(), "Cookie: "+name+"="+mallory.nonce)
				if strings.Contains(name, csrfCookie) {
					b.refused(a, audit.CauseTokenInvalid)
				} else {
					b.noLogin(a)
				}
			}
		},
	}
}

func csrfTwoNonces() Case {
	return Case{
		ID: "F3", Slug: "csrf/two-cookies",
		Rule:   "Of two cookies of the visitor's name none counts, whichever comes first, in one line or two; the next page gives a new one, and equal ones are one.",
		Clause: "RFC 6265bis section 5.7.3; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			mallory := s.visitor()
			for _, planted := range []string{mallory.nonce, "x", ""} {
				b := s.visitor()
				own := b.nonce
				for _, nonce := range []string{own + "; " + csrfCookie + "=" + planted, planted + "; " + csrfCookie + "=" + own} {
					b.nonce = nonce
					b.refused(b.transfer(csrfSameOrigin, b.with()), audit.CauseTokenInvalid)
					b.refused(b.transfer(csrfSameOrigin, mallory.with()), audit.CauseTokenInvalid)
				}
				b.nonce = own
				b.refused(b.transfer(csrfSameOrigin, b.with(), "Cookie: "+csrfCookie+"="+planted), audit.CauseTokenInvalid)
				b.refused(b.transfer(csrfSameOrigin, mallory.with(), "Cookie: "+csrfCookie+"="+planted), audit.CauseTokenInvalid)
				a := b.do("GET", "/page", "Cookie: "+csrfCookie+"="+planted)
				fresh := csrfLast(a)
				if fresh == own || fresh == mallory.nonce || !csrfNonce.MatchString(fresh) {
					t.Failf("cookie after two: got %q, want a new one", fresh)
				}
				b.token, b.nonce = a.Body, fresh
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
			b := s.visitor()
			b.passed(b.transfer(csrfSameOrigin, b.with(), "Cookie: "+csrfCookie+"="+b.nonce))
			own := b.nonce
			b.nonce += "; " + csrfCookie + "=" + own
			b.passed(b.transfer(csrfSameOrigin, b.with()))
			a := b.do("GET", "/page")
			Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
		},
	}
}

// csrfLast is the value of the visitor's cookie that a browser has after an answer.
func csrfLast(a *Answer) (value string) {
	for _, c := range a.Cookies() {
		if c.Name == csrfCookie {
			value = c.Value
		}
	}
	return value
}

func csrfNeverAdopted() Case {
	return Case{
		ID: "F4", Slug: "csrf/client-value-is-not-adopted",
		Rule:   "A value that a client brings in the visitor's cookie and that has not the form of ours is neither stored nor written back, and no token is made for it.",
		Clause: "CVE-2023-45128; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			shape := s.visitor()
			for _, value := range []string{
				"", "mallory", shape.token, shape.nonce + "A", shape.nonce[1:], shape.nonce[:42] + "=", shape.nonce[:42] + ".",
				"00000000-0000-4000-8000-000000000000", strings.Repeat("A", 42) + "B", strings.Repeat("x", 20_000),
			} {
				b := s.tab()
				a := b.do("GET", "/page", "Cookie: "+csrfCookie+"="+value)
				b.Check(a, Want{Status: 200, Asked: true, CacheControl: "no-store", Cookies: []string{"=" + b.written(a)}})
				if value != "" && (strings.Contains(a.Raw, value) || b.nonce == value) {
					t.Failf("the client's value is in the answer")
				}
				token := csrfHeader(a.Body)
				fresh := b.nonce
				b.nonce = value
				if value != "" {
					b.refused(b.transfer(csrfSameOrigin, token), audit.CauseTokenInvalid)
				}
				b.nonce = fresh
				b.passed(b.transfer(csrfSameOrigin, token))
			}
			// No other safe request gives the value anything either.
			b := s.tab()
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				a := b.do(method, "/look", "Cookie: "+csrfCookie+"=mallory", csrfHeader("mallory"))
				Equal(t, "status", a.Status, 200)
				Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
			}
			s.app.ran.Store(0)
			b.refused(b.transfer(csrfSameOrigin, "Cookie: "+csrfCookie+"=mallory", csrfHeader("mallory")), audit.CauseTokenInvalid)
			Equal(t, "values that the store was handed", len(t.Store.Written()), 0)
		},
	}
}

func csrfCookieIsNoToken() Case {
	return Case{
		ID: "F3", Slug: "csrf/cookie-is-no-token",
		Rule:   "What is in a cookie is no token: sending the same value twice proves nothing to a server that a sibling host can write cookies for.",
		Clause: "OWASP CSRF cheat sheet, naive double submit; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, value := range []string{b.nonce, b.session, b.nonce + b.nonce} {
					if value == "" {
						continue
					}
					b.refused(b.transfer(csrfSameOrigin, csrfHeader(value)), audit.CauseTokenInvalid)
					b.refused(b.send("/transfer", urlencoded, "csrf_token="+value, csrfSameOrigin), audit.CauseTokenInvalid)
				}
				// And the other way round.
				token := b.with()
				b.nonce = b.token
				if b.user == "" {
					b.refused(b.transfer(csrfSameOrigin, token), audit.CauseTokenInvalid)
				} else {
					b.passed(b.transfer(csrfSameOrigin, token))
				}
			}
		},
	}
}

func csrfOddSeparators() Case {
	return Case{
		ID: "F14", Slug: "csrf/odd-separators",
		Rule:   "Only ';' separates cookies: what another separator, quotes, escapes or letter case would make of a sibling's cookie is no visitor's cookie here.",
		Clause: "CVE-2016-7401; CVE-2023-23934; CVE-2020-8184; RFC 6265 section 4.2.1",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			mallory, alice := s.visitor(), s.visitor()
			pair := csrfCookie + "=" + mallory.nonce
			for _, line := range []string{
				"a=b," + pair, "a=b, " + pair, "a=b]" + pair, "a=b " + pair, "a=b\t" + pair, "a=b&" + pair, "a=b|" + pair, "a=b:" + pair, "a=b%3B%20" + pair,
				"a=b\x0b" + pair, "a=b\x0c" + pair, "a=b\xa0" + pair, "=" + pair, "a==" + pair, "a=" + pair,
				"$Version=1," + pair, "[" + pair, "]" + pair, `"` + pair + `"`, "\t" + "a" + pair, ";a=" + pair, "a;=" + pair,
				csrfCookie + "%3D" + mallory.nonce, csrfCookie + " =" + mallory.nonce, csrfCookie + ":" + mallory.nonce, csrfCookie,
			} {
				victim := s.tab() // with nothing but what was planted
				a := victim.transfer(csrfSameOrigin, mallory.with(), "Cookie: "+line)
				if a.Status == 400 { // a server's own refusal of what is no header
					continue
				}
				victim.refused(a, audit.CauseTokenInvalid)
				// Beside the visitor's own cookie it changes nothing.
				for _, order := range []string{line + "; " + csrfCookie + "=" + alice.nonce, csrfCookie + "=" + alice.nonce + "; " + line} {
					victim.refused(victim.transfer(csrfSameOrigin, mallory.with(), "Cookie: "+order), audit.CauseTokenInvalid)
					victim.passed(victim.transfer(csrfSameOrigin, alice.with(), "Cookie: "+order))
				}
			}
			// Names that are almost ours make nobody somebody, and log nobody in.
			for _, name := range []string{"__host-csrf", "__HOST-CSRF", "%5F%5FHost-csrf", "__Host%2Dcsrf", "__Host-csr%66"} {
				victim := s.tab()
				victim.free(victim.transfer(csrfSameOrigin, mallory.with(), "Cookie: "+name+"="+mallory.nonce))
				victim.noLogin(victim.post("/login?user=mallory", csrfSameOrigin, mallory.with(), "Cookie: "+name+"="+mallory.nonce))
			}
		},
	}
}

package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfPageCases are about pages that have a token in them, and tokens for one action.
func csrfPageCases() []Case {
	return []Case{csrfPageUncached(), csrfPageVary(), csrfMasked(), csrfVisitorsDiffer(), csrfOneCookie(), csrfOneAction(), csrfActionNotDerived()}
}

func csrfPageUncached() Case {
	return Case{
		ID: "F15", Slug: "csrf/page-is-not-cached",
		Rule:   "A page with a token in it is kept by no cache and varies on Cookie, once, for visitors and users, also where nothing else asks who it is for and where the handler wanted it cached.",
		Clause: "CVE-2014-0473; RFC 9111 section 5.2.2.5; DESIGN section 6",
		Run: func(t *T) {
			for _, outside := range []bool{false, true} {
				app := newCSRFApp()
				app.NoMiddleware = outside
				app = app.with("GET", "/cached", func(r Request) error {
					r.SetHeader("Cache-Control", "public, max-age=3600")
					return csrfPage(r)
				})
				if !outside {
					app = app.with("GET", "/greeting", func(r Request) error {
						if _, err := r.Principal(); err == nil {
							r.SetHeader("X-Known", "1")
						}
						return csrfPage(r)
					}).with("GET", "/private", csrfPage, Guard{Login: true})
				}
				s := t.csrfServeApp(app, csrf.Config{})
				tabs := []*csrfTab{s.visitor()}
				if !outside {
					tabs = append(tabs, s.user("alice"))
				}
				for _, b := range tabs {
					for range 2 {
						b.openFor("/page")
						b.openFor("/cached")
						if !outside {
							b.openFor("/greeting")
						}
					}
					if b.user != "" {
						b.openFor("/private")
					}
				}
				// And with the cookie in the same answer.
				s.tab().openFor("/cached")
			}
		},
	}
}

func csrfPageVary() Case {
	return Case{
		ID: "F15", Slug: "csrf/page-keeps-vary",
		Rule:   "What else a page varies on stays; a page without a token in it is as cacheable as before.",
		Clause: "RFC 9110 section 12.5.5",
		Run: func(t *T) {
			app := newCSRFApp()
			app = app.with("GET", "/varied", func(r Request) error {
				r.SetHeader("Vary", "Accept-Encoding")
				return csrfPage(r)
			})
			s := t.csrfServeApp(app, csrf.Config{})
			tabs := s.bothTabs()
			app.NoMiddleware = true
			for _, b := range append(tabs, t.csrfServeApp(app, csrf.Config{}).visitor()) {
				a := b.do("GET", "/varied")
				Equal(t, "status", a.Status, 200)
				Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), "Accept-Encoding, Cookie")
				Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), "no-store")
				t.forget()
				b.Check(b.do("GET", "/public"), Want{Status: 200, Body: "public"})
				t.Calls()
			}
		},
	}
}

func csrfMasked() Case {
	return Case{
		ID: "F15", Slug: "csrf/token-is-masked",
		Rule:   "A token is another text each time that it is written, all of it but its head, and each is as good as the others.",
		Clause: "BREACH; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				var tokens []string
				same := make([]int, len(b.token))
				const pages = 24
				for range pages {
					b.open()
					for _, other := range tokens {
						if other == b.token {
							t.Failf("the same token twice")
						}
					}
					tokens = append(tokens, b.token)
					for i := range b.token {
						if b.token[i] == tokens[0][i] {
							same[i]++
						}
					}
				}
				for i, n := range same[2:] {
					if n == pages {
						t.Failf("character %d is the same in every token", i+2)
					}
				}
				for _, token := range tokens {
					b.passed(b.transfer(csrfSameOrigin, csrfHeader(token)))
				}
			}
		},
	}
}

func csrfVisitorsDiffer() Case {
	return Case{
		ID: "F15", Slug: "csrf/visitors-differ",
		Rule:   "Two visitors have different cookies and tokens, and the token does not show the cookie.",
		Clause: "OWASP CSRF cheat sheet; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			seen := map[string]bool{}
			for range 20 {
				b := s.visitor()
				if seen[b.nonce] || seen[b.token] {
					t.Failf("two visitors have the same %q or %q", b.nonce, b.token)
				}
				seen[b.nonce], seen[b.token] = true, true
				if strings.Contains(b.token, b.nonce[:8]) {
					t.Failf("the token %q shows the cookie %q", b.token, b.nonce)
				}
			}
			one, other := s.visitor(), s.visitor()
			one.over(other.token)
			other.over(one.token)
			Equal(t, "values that the store was handed", len(t.Store.Written()), 0)
		},
	}
}

func csrfOneCookie() Case {
	return Case{
		ID: "F15", Slug: "csrf/several-tokens-in-a-page",
		Rule:   "A page may ask for its token more than once: a visitor gets one cookie, for which all of them are good.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app = app.with("GET", "/forms", func(r Request) error {
				var tokens []string
				for _, action := range [][2]string{{"", ""}, {"", ""}, {"POST", "/transfer"}, {"POST", "/echo"}} {
					token, err := r.CSRFToken(action[0], action[1])
					if err != nil {
						return r.Fail(err)
					}
					tokens = append(tokens, token)
				}
				return r.String(200, strings.Join(tokens, " "))
			})
			s := t.csrfServeApp(app, csrf.Config{})
			for _, b := range []*csrfTab{s.tab(), s.visitor(), s.user("alice")} {
				w := Want{Status: 200, Asked: true, CacheControl: "no-store"}
				fresh := b.nonce == "" && b.user == ""
				a := b.do("GET", "/forms")
				if fresh {
					w.Cookies = []string{"=" + b.written(a)}
				}
				b.Check(a, w)
				t.forget()
				tokens := strings.Fields(a.Body)
				Equal(t, "tokens", len(tokens), 4)
				for _, token := range tokens[:3] {
					b.passed(b.transfer(csrfSameOrigin, csrfHeader(token)))
				}
				b.over(tokens[3])
			}
		},
	}
}

// tokenFor is the token for one action.
func (b *csrfTab) tokenFor(method, path string) string {
	b.t.Helper()
	page := *b
	page.openFor("/page?method=" + method + "&path=" + path)
	return page.token
}

func csrfOneAction() Case {
	return Case{
		ID: "F13", Slug: "csrf/token-for-one-action",
		Rule:   "A token for one action is good for that method and path of that login alone; the general one is good for all.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			mallory := s.user("mallory")
			for _, b := range s.bothTabs() {
				token := b.tokenFor("POST", "/transfer")
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(token)))
				b.passed(b.post("/transfer?amount=1&x=/echo", csrfSameOrigin, csrfHeader(token)))
				b.passed(b.send("/transfer", urlencoded, "csrf_token="+token, csrfSameOrigin))
				for _, method := range csrfUnsafe[1:] {
					b.refused(b.do(method, "/transfer", csrfSameOrigin, csrfHeader(token)), audit.CauseTokenInvalid)
					b.passed(b.do(method, "/transfer", csrfSameOrigin, csrfHeader(b.tokenFor(method, "/transfer"))))
					b.passed(b.do(method, "/transfer", csrfSameOrigin, b.with()))
				}
				for _, path := range []string{"/echo", "/transfer/", "//transfer", "/Transfer", "/%74ransfer", "/transfer%20", "/transfe", "/transferx", "/x/transfer"} {
					b.refused(b.post(path, csrfSameOrigin, csrfHeader(token)), audit.CauseTokenInvalid)
				}
				for _, action := range [][2]string{
					{"POST", "/echo"}, {"POST", "transfer"}, {"post", "/transfer"}, {"POST", "/transfer/"}, {"PUT", "/transfer"}, {"POST%20", "/transfer"},
					{"POST", "%20/transfer"}, {"POST%20/transfer", ""}, {"P", "OST%20/transfer"}, {"POST", ""}, {"POST", "/transfer?amount=1"}, {"POST", "*"}, {"*", "/transfer"},
				} {
					b.refused(b.transfer(csrfSameOrigin, csrfHeader(b.tokenFor(action[0], action[1]))), audit.CauseTokenInvalid)
				}
				b.refused(b.transfer(csrfSameOrigin, csrfHeader(mallory.tokenFor("POST", "/transfer"))), audit.CauseTokenInvalid)
				mallory.refused(mallory.transfer(csrfSameOrigin, csrfHeader(token)), audit.CauseTokenInvalid)
			}
		},
	}
}

func csrfActionNotDerived() Case {
	return Case{
		ID: "F13", Slug: "csrf/action-token-is-not-derived",
		Rule:   "Out of tokens that somebody may see no other can be made: not the general one out of those for actions, nor one for an action out of any others.",
		Clause: "CVE-2020-8166; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				general, transfer, echo := csrfRaw(t, b.token), csrfRaw(t, b.tokenFor("POST", "/transfer")), csrfRaw(t, b.tokenFor("POST", "/echo"))
				if general[0] == transfer[0] {
					t.Failf("a general token has the head of one for an action")
				}
				mac := func(raw []byte) []byte { return csrfXor(raw[1:33], raw[33:]) }
				zero := make([]byte, 32)
				for _, forged := range [][]byte{
					csrfForge(general[0], mac(transfer)), csrfForge(general[0], mac(echo)), csrfForge(transfer[0], mac(general)), csrfForge(echo[0], mac(echo)),
					csrfForge(transfer[0], csrfXor(mac(general), mac(echo))), csrfForge(general[0], csrfXor(mac(transfer), mac(echo))),
					csrfForge(0, mac(general)), csrfForge(0, mac(transfer)), csrfForge(3, mac(general)), csrfForge(3, mac(transfer)), csrfForge(255, mac(transfer)),
					csrfForge(general[0], zero), csrfForge(transfer[0], zero),
				} {
					b.refused(b.transfer(csrfSameOrigin, csrfHeader(csrfText(forged))), audit.CauseTokenInvalid)
				}
				// The forger's tools work: the same with what it may have is accepted.
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(csrfText(csrfForge(transfer[0], mac(transfer))))))
				b.passed(b.post("/transfer", csrfSameOrigin, csrfHeader(csrfText(csrfForge(general[0], mac(general))))))
			}
		},
	}
}

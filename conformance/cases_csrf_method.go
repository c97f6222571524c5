package conformance

import (
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfMethodCases are about which requests are checked: methods, and paths that are not.
func csrfMethodCases() []Case {
	return []Case{csrfUnsafeMethods(), csrfSafeMethods(), csrfMethodSpelling(), csrfMethodOverride(), csrfHeadOfAction(), csrfUnknownPaths(), csrfExempt(), csrfExemptSpelling()}
}

func csrfUnsafeMethods() Case {
	return Case{
		ID: "F8", Slug: "csrf/unsafe-methods",
		Rule:   "Every method is checked that is not known to be safe, also one that nobody has heard of.",
		Clause: "RFC 9110 section 9.2.1; CVE-2022-24712",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, method := range csrfUnsafe {
					b.refused(b.do(method, "/transfer", csrfSameOrigin), audit.CauseTokenMissing)
					b.refused(b.do(method, "/transfer", csrfCrossSite, b.with()), audit.CauseCrossSite)
					b.refused(b.do(method, "/transfer", csrfEvil, b.with()), audit.CauseCrossSite)
					b.passed(b.do(method, "/transfer", csrfSameOrigin, b.with()))
				}
			}
		},
	}
}

func csrfSafeMethods() Case {
	return Case{
		ID: "F8", Slug: "csrf/safe-methods",
		Rule:   "GET, HEAD and OPTIONS are served to whoever asks, from wherever, and nothing is asked for it or written into the answer.",
		Clause: "RFC 9110 section 9.2.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range append(s.bothTabs(), s.tab()) {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					for _, lines := range [][]string{nil, {csrfCrossSite}, {csrfEvil}, {csrfHeader("x")}, {csrfSameOrigin, b.with()}} {
						a := b.do(method, "/look", lines...)
						w := Want{Status: 200, Body: "moved"}
						if method == "HEAD" {
							w.Body = ""
						}
						b.Check(a, w)
						b.happened()
						t.Calls()
					}
				}
			}
		},
	}
}

// stopped checks that a request did not get to an action, whoever stopped it: the guard, or
// a router that knows no such route.
func (b *csrfTab) stopped(a *Answer) {
	b.t.Helper()
	if a.Status < 400 || a.Status > 501 || a.Status == 401 || a.Status == 500 {
		b.t.Failf("status: got %d, want a refusal or no such route", a.Status)
	}
	b.none(a)
	for _, e := range b.t.Audit.Take() {
		Equal(b.t, "event", e.Name, audit.CSRFRefused)
	}
}

func csrfMethodSpelling() Case {
	return Case{
		ID: "F8", Slug: "csrf/method-spelling",
		Rule:   "A method in another spelling is another method and reaches no action: the guard refuses it like any that it does not know, or the router has no such route.",
		Clause: "RFC 9110 section 9.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range append(s.bothTabs(), s.tab()) {
				for _, method := range []string{"post", "Post", "pOST", "put", "delete", "patch", "foo", "get", "Get", "head", "options", "POSTX", "XPOST", "POST%20", "QUERY", "PROPFIND", "TRACE"} {
					for _, path := range []string{"/transfer", "/look"} {
						for _, lines := range [][]string{nil, {csrfCrossSite}, {csrfSameOrigin}} {
							b.stopped(b.do(method, path, lines...))
						}
					}
				}
			}
		},
	}
}

func csrfMethodOverride() Case {
	return Case{
		ID: "F8", Slug: "csrf/method-override",
		Rule:   "The method that is checked is the one that is served: no header, field or parameter makes another out of it, before the check or behind it.",
		Clause: "RFC 9110 section 9.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "X-Forwarded-Method"} {
					for _, method := range csrfUnsafe {
						b.stopped(b.do("GET", "/transfer", name+": "+method))
						b.stopped(b.do("HEAD", "/transfer", name+": "+method, csrfSameOrigin))
						b.refused(b.do(method, "/transfer", name+": GET", csrfSameOrigin), audit.CauseTokenMissing)
						b.refused(b.do(method, "/transfer", name+": OPTIONS", csrfCrossSite, b.with()), audit.CauseCrossSite)
					}
				}
				for _, name := range []string{"_method", "method", "_METHOD", "X-HTTP-Method-Override"} {
					b.stopped(b.do("GET", "/transfer?"+name+"=POST", csrfSameOrigin))
					b.stopped(b.Raw(b.carrying("GET", "/transfer", urlencoded, name+"=POST", append(b.jar(), csrfSameOrigin)...)))
					b.refused(b.post("/transfer?"+name+"=GET", csrfSameOrigin), audit.CauseTokenMissing)
					b.refused(b.send("/transfer", urlencoded, name+"=GET", csrfSameOrigin), audit.CauseTokenMissing)
					b.passed(b.send("/transfer", urlencoded, name+"=DELETE&csrf_token="+b.token, csrfSameOrigin))
				}
			}
		},
	}
}

func csrfHeadOfAction() Case {
	return Case{
		ID: "F8", Slug: "csrf/head-reaches-no-action",
		Rule:   "What is safe by its name reaches no action of another name: HEAD, GET and OPTIONS of a path that changes something do not run its handler.",
		Clause: "CVE-2026-45075; RFC 9110 section 9.3.2",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range append(s.bothTabs(), s.tab()) {
				for _, method := range []string{"HEAD", "GET", "OPTIONS"} {
					for _, path := range []string{"/transfer", "/echo", "/login?user=mallory", "/logout"} {
						for _, lines := range [][]string{nil, {csrfCrossSite}, {csrfSameOrigin, b.with()}} {
							a := b.do(method, path, lines...)
							if method == "OPTIONS" && a.Status == 204 { // a router that lists the methods
								b.none(a)
								continue
							}
							b.stopped(a)
						}
					}
				}
				if b.user != "" {
					b.Check(b.do("GET", "/me"), says("subject="+b.user))
				}
			}
		},
	}
}

func csrfUnknownPaths() Case {
	return Case{
		ID: "F8", Slug: "csrf/unknown-paths",
		Rule:   "A path without a route is checked like one with: what a router finds behind the guard is not the guard's to guess.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, path := range []string{"/nowhere", "/transfer/", "//transfer", "/look", "/Transfer", "/%74ransfer", "/x/../transfer", "/transfer;x"} {
					b.refused(b.post(path, csrfSameOrigin), audit.CauseTokenMissing)
					b.refused(b.post(path, csrfCrossSite, b.with()), audit.CauseCrossSite)
				}
			}
		},
	}
}

func csrfExempt() Case {
	return Case{
		ID: "F11", Slug: "csrf/exempt-path",
		Rule:   "On a path that is exempt nothing is checked and nothing is asked, whatever the query; every other path is checked as before.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			for _, method := range csrfUnsafe {
				app = app.with(method, "/hooks/pay", app.move)
			}
			s := t.csrfServeApp(app, csrf.Config{Exempt: []string{"/hooks/pay"}, JSONOnly: true})
			for _, b := range append(s.bothTabs(), s.tab()) {
				for _, lines := range [][]string{nil, {csrfCrossSite}, {csrfEvil}, {csrfHeader("x")}, {"Authorization: Basic eDp5"}} {
					for _, method := range csrfUnsafe {
						b.free(b.do(method, "/hooks/pay", lines...))
					}
					b.free(b.post("/hooks/pay?x=1", lines...))
					b.free(b.post("/hooks/pay?/transfer", lines...))
					b.free(b.send("/hooks/pay", "text/plain", "paid", lines...))
				}
				b.refused(b.transfer(csrfCrossSite), audit.CauseCrossSite)
				b.refused(b.transfer(csrfEvil), audit.CauseCrossSite)
			}
		},
	}
}

func csrfExemptSpelling() Case {
	return Case{
		ID: "F11", Slug: "csrf/exempt-path-byte-for-byte",
		Rule:   "An exemption is for one path as it was received: no spelling, prefix, suffix or parameter that reminds of it is exempt.",
		Clause: "CVE-2025-47910; RFC 9110 section 4.2.3",
		Run: func(t *T) {
			app := newCSRFApp()
			app = app.with("POST", "/bypass", app.move)
			s := t.csrfServeApp(app, csrf.Config{Exempt: []string{"/bypass", "/a/b"}})
			for _, b := range s.bothTabs() {
				b.free(b.post("/bypass", csrfCrossSite))
				for _, path := range []string{
					"/bypass/", "//bypass", "/bypass//", "/./bypass", "/bypass/.", "/bypass/../transfer", "/foo/../bypass", "/%62ypass", "/bypas%73", "/%2562ypass",
					"/bypass%2f", "/bypass%2f..%2ftransfer", "/bypass;/../transfer", "/bypass;x", "/bypass%00", "/bypass%20", "/bypass%3f", "/Bypass", "/BYPASS", "/bypasss",
					"/bypas", "/bypass.json", "/x/bypass", "/transfer/bypass", "/transfer?x=/bypass", "/transfer?/bypass", "/transfer;/bypass", "/a", "/a/b/c", "/a/b/", "/a%2fb", "/",
				} {
					b.refused(b.post(path, csrfCrossSite), audit.CauseCrossSite)
					b.refused(b.post(path, csrfCrossSite, b.with()), audit.CauseCrossSite)
					b.refused(b.post(path, csrfSameOrigin), audit.CauseTokenMissing)
				}
				for _, line := range []string{"X-Original-URL: /bypass", "X-Rewrite-URL: /bypass", "X-Forwarded-Uri: /bypass", "X-Forwarded-Prefix: /bypass", "Referer: " + s.origin() + "/bypass"} {
					b.refused(b.transfer(csrfCrossSite, line), audit.CauseCrossSite)
					b.refused(b.transfer(csrfSameOrigin, line), audit.CauseTokenMissing)
				}
			}
		},
	}
}

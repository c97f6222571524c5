package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfOriginCases are about layer one: what browsers say about where a request comes from.
func csrfOriginCases() []Case {
	return []Case{
		csrfOriginTable(), csrfHostInTarget(), csrfOriginLines(), csrfOriginAbsent(), csrfHTTPTwin(), csrfProxyScheme(), csrfPublicOrigin(),
		csrfFetchSite(), csrfSameOriginIsNoToken(), csrfFetchSiteJunk(), csrfTrustedExact(), csrfTrustedSite(),
	}
}

// everywhere checks that a request with these lines is refused as cross-site, for a visitor
// and a user, with and without a good token, in a header and in a field, and that nothing
// was asked for it.
func (s *csrfServer) everywhere(tabs []*csrfTab, lines ...string) {
	s.t.Helper()
	for _, b := range tabs {
		b.refused(b.transfer(lines...), audit.CauseCrossSite)
		b.refused(b.transfer(append(lines, b.with())...), audit.CauseCrossSite)
		b.refused(b.send("/transfer", urlencoded, "csrf_token="+b.token, lines...), audit.CauseCrossSite)
	}
}

// welcome checks that a request with these lines needs its token and nothing else.
func (s *csrfServer) welcome(tabs []*csrfTab, lines ...string) {
	s.t.Helper()
	for _, b := range tabs {
		b.refused(b.transfer(lines...), audit.CauseTokenMissing)
		b.passed(b.transfer(append(lines, b.with())...))
	}
}

func csrfHostInTarget() Case {
	return Case{
		ID: "F5", Slug: "csrf/host-in-target",
		Rule:   "The host that an Origin is compared with is that of the Host header: a target that looks like a URL in the middle of it, which any page can send, names none.",
		Clause: "RFC 9112 section 3.2.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, target := range []string{"//evil.example/transfer?://", "//evil.example/transfer?a=http://b", "//evil.example:80/transfer?://"} {
					b.refused(b.post(target, "Origin: http://evil.example"), audit.CauseCrossSite)
					b.refused(b.post(target, "Origin: http://evil.example", b.with()), audit.CauseCrossSite)
				}
			}
		},
	}
}

func csrfOriginTable() Case {
	return Case{
		ID: "F5", Slug: "csrf/origin",
		Rule:   "Without Sec-Fetch-Site the Origin must be the application's own, byte for byte and with its port; any other is refused, token or not, and \"null\" is one.",
		Clause: "CVE-2025-46721; CVE-2025-24358; CVE-2026-27978; CVE-2011-4140; Fetch, append a request Origin header",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			tabs := s.bothTabs()
			host, port, _ := strings.Cut(s.Addr, ":")
			s.welcome(tabs, "Origin: "+s.origin())
			for _, from := range []string{
				"https://evil.example", "http://evil.example", "null", "NULL", "", "http://" + host, "http://" + host + ":80", "http://" + host + ":1",
				"http://" + host + ":" + port + "0", "http://localhost:" + port, "http://" + s.Addr + ".evil.example", "http://evil.example/" + s.Addr,
				"http://" + s.Addr + "/", "http://" + s.Addr + "@evil.example", "http://evil.example@" + s.Addr, "http://" + s.Addr + ",https://evil.example",
				"https://evil.example http://" + s.Addr, "http://" + s.Addr + " https://evil.example", s.Addr, "//" + s.Addr, "http:" + s.Addr,
				"HTTP://" + s.Addr, "http://" + s.Addr + "#", "http://" + s.Addr + "?", "http://x." + s.Addr, "ftp://" + s.Addr, "http://0" + s.Addr,
				"http://[::1]:" + port, "http://2130706433:" + port, "undefined", "about:blank", "file://", "chrome-extension://" + s.Addr, "*",
				"http://" + s.Addr + "%00", strings.Repeat("a", 30_000),
			} {
				s.everywhere(tabs, "Origin: "+from)
			}
		},
	}
}

func csrfOriginLines() Case {
	return Case{
		ID: "F5", Slug: "csrf/several-origins",
		Rule:   "A request with several Origin lines says nothing that can be believed, whatever they are and in whatever order.",
		Clause: "RFC 6454 section 7.3; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{csrfPartner}})
			tabs := s.bothTabs()
			own, partner := "Origin: "+s.origin(), "Origin: "+csrfPartner
			for _, lines := range [][]string{
				{own, csrfEvil}, {csrfEvil, own}, {own, own}, {own, partner}, {partner, partner}, {own, "Origin:"}, {"Origin: null", own},
				{csrfCrossSite, partner, partner}, {csrfCrossSite, partner, csrfEvil}, {csrfCrossSite, csrfEvil, partner},
			} {
				s.everywhere(tabs, lines...)
			}
		},
	}
}

func csrfOriginAbsent() Case {
	return Case{
		ID: "F5", Slug: "csrf/no-origin",
		Rule:   "A request that does not say where it comes from needs its token and is served with it; a Referer is a witness against it if it is of somebody else, and never for it.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			tabs := s.bothTabs()
			s.welcome(tabs)
			for _, own := range []string{s.origin() + "/page", s.origin(), s.origin() + "?q", s.origin() + "/https://evil.example/"} {
				s.welcome(tabs, "Referer: "+own)
			}
			for _, referer := range []string{"https://evil.example/", "https://evil.example/" + s.origin() + "/", s.origin() + ".evil.example/", "https" + strings.TrimPrefix(s.origin(), "http") + "/", "about:blank", "null", ""} {
				s.everywhere(tabs, "Referer: "+referer)
				s.everywhere(tabs, "Referer: "+s.origin()+"/", "Referer: "+referer)
			}
			for _, referer := range []string{s.origin() + "/page", "https://evil.example/"} {
				s.everywhere(tabs, "Referer: "+referer, csrfEvil)
				s.everywhere(tabs, "Referer: "+referer, "Origin: null")
			}
			for _, line := range []string{"X-Requested-With: XMLHttpRequest", "Sec-Fetch-Mode: same-origin", "Sec-Fetch-Dest: empty", "X-Origin: https://evil.example"} {
				s.welcome(tabs, line)
				s.everywhere(tabs, line, csrfEvil)
			}
		},
	}
}

func csrfHTTPTwin() Case {
	return Case{
		ID: "F5", Slug: "csrf/http-twin",
		Rule:   "A page of the plain-http twin of an application on TLS is somebody else's: whoever sits on the way can make it.",
		Clause: "CVE-2017-16653; CVE-2025-47909; DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app.TrustProxy = []string{socketPeer}
			s := t.csrfServeApp(app, csrf.Config{})
			tabs := s.bothTabs()
			const tls = "X-Forwarded-Proto: https"
			s.welcome(tabs, tls, "Origin: https://"+s.Addr)
			s.everywhere(tabs, tls, "Origin: http://"+s.Addr)
			s.everywhere(tabs, "X-Forwarded-Proto: http", "Origin: https://"+s.Addr)
			s.welcome(tabs, "X-Forwarded-Proto: http", "Origin: http://"+s.Addr)

			s = t.csrfServe(csrf.Config{PublicOrigin: "https://bank.example"})
			tabs = s.bothTabs()
			s.welcome(tabs, "Origin: https://bank.example")
			for _, twin := range []string{"http://bank.example", "http://bank.example:443", "https://bank.example:80", "https://bank.example:443", "wss://bank.example"} {
				s.everywhere(tabs, "Origin: "+twin)
			}
		},
	}
}

func csrfProxyScheme() Case {
	return Case{
		ID: "P2", Slug: "csrf/forwarded-headers-ignored",
		Rule:   "What an application's own origin is, is not for the client to say: neither host nor scheme come out of headers, but for the scheme from a proxy that is trusted.",
		Clause: "RFC 7239 section 8.1; DESIGN section 2",
		Run: func(t *T) {
			for _, trust := range [][]string{nil, {"10.0.0.1"}, {socketPeer}} {
				app := newCSRFApp()
				app.TrustProxy = trust
				s := t.csrfServeApp(app, csrf.Config{})
				tabs := s.bothTabs()
				for _, line := range []string{
					"X-Forwarded-Host: evil.example", "Forwarded: host=evil.example;proto=https", "X-Host: evil.example", "X-Original-Host: evil.example",
					"X-Forwarded-Server: evil.example", "X-Forwarded-Scheme: https", "Front-End-Https: on", "X-Forwarded-Ssl: on", "X-Url-Scheme: https",
				} {
					s.everywhere(tabs, line, csrfEvil)
					s.everywhere(tabs, line, "Origin: http://evil.example")
					s.everywhere(tabs, line, "Origin: https://"+s.Addr)
					s.welcome(tabs, line, "Origin: http://"+s.Addr)
				}
				if trust == nil || trust[0] != socketPeer {
					s.everywhere(tabs, "X-Forwarded-Proto: https", "Origin: https://"+s.Addr)
					s.welcome(tabs, "X-Forwarded-Proto: https", "Origin: http://"+s.Addr)
				}
			}
		},
	}
}

func csrfPublicOrigin() Case {
	return Case{
		ID: "F5", Slug: "csrf/public-origin",
		Rule:   "With a configured origin that one counts and no other, whatever the Host header, the scheme or a proxy say: a page that made its name point at us is not ours.",
		Clause: "CVE-2011-4140; DESIGN section 6",
		Run: func(t *T) {
			const public = "https://bank.example:8443"
			for _, trust := range [][]string{nil, {socketPeer}} {
				app := newCSRFApp()
				app.TrustProxy = trust
				s := t.csrfServeApp(app, csrf.Config{PublicOrigin: public})
				tabs := s.bothTabs()
				for _, proto := range []string{"X-Forwarded-Proto: http", "X-Forwarded-Proto: https"} {
					s.welcome(tabs, proto, "Origin: "+public)
					for _, from := range []string{
						s.origin(), "https://" + s.Addr, "https://bank.example", "https://bank.example:8444", "http://bank.example:8443",
						"https://bank.example:8443.evil.example", "https://www.bank.example:8443", "null",
					} {
						s.everywhere(tabs, proto, "Origin: "+from)
					}
				}
				// DNS rebinding: the browser believes that the page is its own target's.
				for _, b := range tabs {
					for _, lines := range [][]string{{"Origin: http://evil.example"}, {"Origin: http://evil.example", b.with()}} {
						raw := b.Request("POST", "/transfer", append(lines, b.jar()...)...)
						b.refused(b.Raw(strings.Replace(raw, "Host: "+s.Addr, "Host: evil.example", 1)), audit.CauseCrossSite)
					}
				}
				// That a browser says "same-site" or "cross-site" of our own page is not so.
				s.everywhere(tabs, "Sec-Fetch-Site: same-site", "Origin: "+public)
				s.everywhere(tabs, csrfCrossSite, "Origin: "+public)
				s.welcome(tabs, csrfSameOrigin, "Origin: "+public)
			}
		},
	}
}

func csrfFetchSite() Case {
	return Case{
		ID: "F6", Slug: "csrf/fetch-site",
		Rule:   "What a browser says of a request's site decides before its Origin: cross-site and same-site are refused, token or not, unless the Origin is listed as trusted.",
		Clause: "Fetch Metadata section 2.4; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{csrfPartner}})
			tabs := s.bothTabs()
			for _, site := range []string{csrfCrossSite, "Sec-Fetch-Site: same-site"} {
				s.everywhere(tabs, site)
				for _, from := range []string{"https://evil.example", s.origin(), "null", "", "https://www." + csrfPartner[8:]} {
					s.everywhere(tabs, site, "Origin: "+from)
				}
				s.welcome(tabs, site, "Origin: "+csrfPartner)
			}
			for _, site := range []string{csrfSameOrigin, "Sec-Fetch-Site: none"} {
				s.welcome(tabs, site)
				// A proxy that changes the host must lock nobody out.
				for _, from := range []string{s.origin(), "https://bank.example", "null", csrfPartner} {
					s.welcome(tabs, site, "Origin: "+from)
				}
			}
		},
	}
}

func csrfSameOriginIsNoToken() Case {
	return Case{
		ID: "F6", Slug: "csrf/header-replaces-no-token",
		Rule:   "A header that any client can write stands for no token: same-origin, none, or an own or a trusted Origin without a good token are refused.",
		Clause: "GHSA-9fhj-f35q-w532; CVE-2011-0696; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{csrfPartner}, PublicOrigin: "https://bank.example"})
			for _, b := range s.bothTabs() {
				for _, lines := range [][]string{
					{csrfSameOrigin}, {"Sec-Fetch-Site: none"}, {csrfSameOrigin, "Origin: https://bank.example"}, {"Origin: https://bank.example"},
					{"Origin: " + csrfPartner}, {csrfCrossSite, "Origin: " + csrfPartner}, {csrfSameOrigin, "X-Requested-With: XMLHttpRequest"},
					{csrfSameOrigin, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-User: ?1"}, {"X-CSRF-Checked: 1"},
				} {
					for _, method := range csrfUnsafe {
						b.refused(b.do(method, "/transfer", lines...), audit.CauseTokenMissing)
					}
					b.refused(b.transfer(append(lines, csrfHeader("x"))...), audit.CauseTokenInvalid)
					b.refused(b.send("/transfer", urlencoded, "csrf_token=", lines...), audit.CauseTokenInvalid)
					b.refused(b.send("/transfer", jsonType, "{}", lines...), audit.CauseTokenMissing)
				}
			}
		},
	}
}

func csrfFetchSiteJunk() Case {
	return Case{
		ID: "F6", Slug: "csrf/fetch-site-byte-for-byte",
		Rule:   "Sec-Fetch-Site counts as browsers write it, in one line: junk, another case, a list or two lines are as good as cross-site.",
		Clause: "Fetch Metadata section 2.4; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{csrfPartner}})
			tabs := s.bothTabs()
			for _, lines := range [][]string{
				{""}, {"junk"}, {"Same-Origin"}, {"SAME-ORIGIN"}, {"same_origin"}, {"sameorigin"}, {"same-origin;x"}, {`"same-origin"`}, {"same-origin, cross-site"},
				{"same-origin,same-origin"}, {"None"}, {"null"}, {"?0"}, {"same-origin\x0b"}, {"same-originx"}, {"xsame-origin"}, {strings.Repeat("same-origin", 1000)},
				{"same-origin", "cross-site"}, {"cross-site", "same-origin"}, {"same-origin", "same-origin"}, {"none", "none"}, {"same-origin", ""},
			} {
				var sites []string
				for _, l := range lines {
					sites = append(sites, "Sec-Fetch-Site: "+l)
				}
				if b := tabs[0]; b.transfer(sites...).Status == 400 { // a server's own refusal
					t.Audit.Take()
					continue
				}
				t.forget()
				s.everywhere(tabs, sites...)
				s.everywhere(tabs, append(sites, "Origin: "+s.origin())...)
				s.everywhere(tabs, append(sites, csrfEvil)...)
			}
			s.welcome(tabs, "sec-fetch-site:\tsame-origin ")
		},
	}
}

func csrfTrustedExact() Case {
	return Case{
		ID: "F7", Slug: "csrf/trusted-origin-exact",
		Rule:   "An origin that is trusted is trusted with its scheme and port, byte for byte: not its http twin, a host below or beside it, another port or spelling.",
		Clause: "CVE-2025-47909; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{"https://a.example", "https://b.example:8443", "http://localhost:3000"}})
			tabs := s.bothTabs()
			for _, site := range [][]string{nil, {csrfCrossSite}, {"Sec-Fetch-Site: same-site"}} {
				for _, from := range []string{"https://a.example", "https://b.example:8443", "http://localhost:3000"} {
					s.welcome(tabs, append(site, "Origin: "+from)...)
				}
				for _, from := range []string{
					"http://a.example", "https://a.example.evil", "https://b.a.example", "https://evila.example", "https://a.example:443", "https://a.example:8443",
					"https://A.example", "https://a.example/", "https://a.example.", "https://user@a.example", "https://b.example", "http://b.example:8443",
					"https://b.example:84430", "http://localhost", "https://localhost:3000", "http://localhost:3001", "http://127.0.0.1:3000", "http://a.localhost:3000",
					"https://axexample", "https://example", "a.example", "https://a.example,https://b.example:8443", "https://a.example https://b.example:8443",
				} {
					s.everywhere(tabs, append(site, "Origin: "+from)...)
				}
			}
		},
	}
}

func csrfTrustedSite() Case {
	return Case{
		ID: "F7", Slug: "csrf/cors-is-no-trust",
		Rule:   "What a CORS policy allows to a page is not what that page may cause here: only the list of the guard is trusted.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			app := newCSRFApp()
			app.CORS = t.policy(cors.Config{Origins: []string{"https://spa.example", csrfPartner}, Credentials: true})
			s := t.csrfServeApp(app, csrf.Config{TrustedOrigins: []string{csrfPartner}})
			b := s.tab()
			a := b.do("GET", "/page", "Origin: https://spa.example")
			Equal(t, "who may read the page", a.Header.Get("Access-Control-Allow-Origin"), "https://spa.example")
			b.token = a.Body
			for _, site := range [][]string{nil, {csrfCrossSite}, {"Sec-Fetch-Site: same-site"}} {
				a := b.transfer(append(site, "Origin: https://spa.example", b.with())...)
				Equal(t, "status", a.Status, 403)
				Equal(t, "error code", a.Code(), "CSRF_REJECTED")
				Equal(t, "actions that happened", s.app.ran.Load(), 0)
				t.Events("csrf_refused:cross-site")
				a = b.transfer(append(site, "Origin: "+csrfPartner, b.with())...)
				Equal(t, "status", a.Status, 200)
				Equal(t, "actions that happened", s.app.ran.Swap(0), 1)
				t.Events()
			}
			t.Calls()
		},
	}
}

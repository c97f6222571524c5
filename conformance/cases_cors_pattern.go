package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/cors"
)

// corsPatternCases are about origins that are allowed by what they look like.
func corsPatternCases() []Case {
	return []Case{corsPattern(), corsPatternPort(), corsSuffixes(), corsPatternBesides()}
}

func corsPattern() Case {
	return Case{
		ID: "X3", Slug: "cors/pattern-one-label",
		Rule:   "A pattern allows the hosts directly below its domain, and neither the domain itself nor what is deeper, beside or above.",
		Clause: "Fetch, CORS check; DESIGN section 6",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Origins, cfg.Patterns = nil, []string{"https://*.example.com"}
			s := t.corsServe(cfg)
			for _, label := range []string{"a", "0", "app", "app-1", "a_b", "xn--bcher-kva", "example", "com", "www", strings.Repeat("a", 63)} {
				from := "https://" + label + ".example.com"
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
				s.corsPreflight("/public", corsGranted(from), corsAsks(from, "GET")...)
			}
			for _, from := range []string{
				"https://example.com", "https://.example.com", "https://..example.com", "https://a..example.com", "https://*.example.com",
				"https://a.b.example.com", "https://a.b.c.example.com", "https://a.example.com.example.com", "https://" + strings.Repeat("a", 64) + ".example.com",
				"https://evilexample.com", "https://evil-example.com", "https://a-example.com", "https://aexample.com", "https://a.xample.com", "https://a.evil-example.com",
				"https://a.example.com.evil.com", "https://a.example.community", "https://a.example.co", "https://a.example.com.", "https://a.example.com..", "https://a.exampleXcom", "https://a.example.net",
				"http://a.example.com", "wss://a.example.com", "HTTPS://a.example.com", "https:a.example.com", "https:/a.example.com", "https:///a.example.com", "a.example.com",
				"https://a.example.com:443", "https://a.example.com:444", "https://a.example.com:", "https://a.example.com/", "https://a.example.com?", "https://a.example.com#",
				"https://A.example.com", "https://a.Example.com", "https://a.EXAMPLE.COM", "https://%61.example.com", "https://a%2e.example.com", "https://a%00.example.com",
				"https://evil.com/.example.com", "https://evil.com?.example.com", "https://evil.com#.example.com", "https://evil.com\\.example.com", "https://evil/.example.com",
				"https://evil:1.example.com", "https://user@.example.com", "https://user@a.example.com", "https://user:pw@a.example.com", "https://a@b.example.com",
				"https://a b.example.com", "https://a,b.example.com", "https://a;.example.com", "https://a`.example.com", "https://a{.example.com", "https://[a.example.com", "https://[::1].example.com",
				"https://evil.com,https://a.example.com", "https://a.example.com,https://b.example.com", "https://a.example.com https://evil.com", "https://https://a.example.com", "null",
			} {
				s.corsBoth(corsFrom(from))
			}
			for _, from := range []string{"https://\u0430.example.com", "https://b\u00fccher.example.com", "https://a\t.example.com", "https://a\x00.example.com", "https://\xff.example.com", "https://a.example\u3002com"} {
				s.corsOdd(corsFrom(from))
			}
			t.nothing()
		},
	}
}

func corsPatternPort() Case {
	return Case{
		ID: "X3", Slug: "cors/pattern-scheme-and-port",
		Rule:   "Scheme and port of a pattern are exact: a trailing part of an origin is never whatever somebody likes.",
		Clause: "Fetch, CORS check; RFC 6454 section 5",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Origins, cfg.Patterns = nil, []string{"https://*.example.com:8443", "http://*.dev.localhost:3000"}
			s := t.corsServe(cfg)
			for _, from := range []string{"https://a.example.com:8443", "http://a.dev.localhost:3000"} {
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
				s.corsPreflight("/public", corsGranted(from), corsAsks(from, "GET")...)
			}
			for _, from := range []string{
				"https://a.example.com", "https://a.example.com:443", "https://a.example.com:844", "https://a.example.com:84430", "https://a.example.com:08443", "https://a.example.com:8443.evil.com",
				"https://a.example.com:8443/", "https://a.example.com:8443:8443", "http://a.example.com:8443", "https://example.com:8443", "https://a.b.example.com:8443", "https://a.example.com:3000",
				"http://dev.localhost:3000", "http://a.dev.localhost", "http://a.dev.localhost:3001", "https://a.dev.localhost:3000", "http://a.dev.localhost.evil:3000", "http://a.dev.localhost:3000.evil",
				"http://localhost.evil", "http://a.dev.localhost:30000", "http://a.b.dev.localhost:3000", "http://a.dev.localhost:8443", "https://a.dev.localhost:8443", "http://a.example.com:3000",
			} {
				s.corsBoth(corsFrom(from))
			}
			t.nothing()
		},
	}
}

func corsSuffixes() Case {
	return Case{
		ID: "X3", Slug: "cors/patterns-never-combine",
		Rule:   "What is allowed by several origins and patterns is allowed by one of them: what two have in common makes no third.",
		Clause: "GHSA-vhxv-fg4m-p2w8; Fetch, CORS check",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Origins = []string{"https://foo.com", "https://bar.com", "https://a.foo.net", "https://ba.foo.net", "https://oo.example.org:8443", "http://localhost:3000"}
			cfg.Patterns = []string{"https://*.foo.com", "https://*.bar.com", "https://*.z.example.org", "https://*.yz.example.org:8443", "https://*.long.foo.com"}
			s := t.corsServe(cfg)
			for _, from := range append([]string{
				"https://x.foo.com", "https://x.bar.com", "https://bar.foo.com", "https://foo.bar.com", "https://long.foo.com", "https://x.long.foo.com", "https://x.z.example.org", "https://x.yz.example.org:8443",
			}, cfg.Origins...) {
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
			}
			for _, from := range []string{
				"https://barfoo.com", "https://foobar.com", "https://xfoo.com", "https://xbar.com", "https://oo.com", "https://ar.com", "https://o.com", "https://r.com", "https://com",
				"https://foo.com.bar.com.evil", "https://x.barfoo.com", "https://x.foobar.com", "https://x.oo.com", "https://x.y.foo.com", "https://x.foo.bar.com", "https://x.bar.foo.com",
				"https://foo.net", "https://baa.foo.net", "https://aa.foo.net", "https://b.foo.net", "https://x.foo.net", "https://baba.foo.net", "https://x.a.foo.net",
				"https://z.example.org", "https://yz.example.org:8443", "https://x.z.example.org:8443", "https://x.yz.example.org", "https://xz.example.org", "https://x.yyz.example.org:8443", "https://x.example.org",
				"https://oo.example.org", "https://foo.example.org:8443", "https://x.y.long.foo.com", "https://long.long.long.foo.com", "https://localhost:3000", "http://foo.com", "http://x.foo.com", "http://foo.com:3000", "https://foo.com:8443", "https://foo.com:3000",
			} {
				s.corsBoth(corsFrom(from))
			}
			t.nothing()
		},
	}
}

func corsPatternBesides() Case {
	return Case{
		ID: "X3", Slug: "cors/pattern-does-as-a-name",
		Rule:   "An origin that a pattern allows is allowed as one that is listed, and is told of itself and not of the pattern.",
		Clause: "Fetch, Access-Control-Allow-Origin",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Patterns = []string{"https://*.example.net"}
			s := t.corsServe(cfg)
			for _, from := range []string{corsPage, "https://a.example.net"} {
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
				s.corsPreflight("/me", corsGranted(from, corsItsMethods, corsItsHeaders), corsAsks(from, "PUT", "content-type")...)
				s.corsRefused("/me", corsAsks(from, "PATCH")...)
				s.corsRefused("/me", corsAsks(from, "PUT", "x-other")...)
				b := s.corsLogin("alice", from)
				s.corsSays(b.Do("GET", "/me", corsFrom(from)), "subject=alice", append(corsActual(from), "Vary: Cookie", "Cache-Control: private")...)
				t.forget()
			}
			s.corsBoth(corsFrom("https://a.example.com"))

			s = t.corsServe(cors.Config{Patterns: []string{"https://*.example.net"}})
			s.corsSays(s.Do("GET", "/public", corsFrom("https://a.example.net")), "public", corsVary, corsAllowOrigin+"https://a.example.net")
			s.corsBoth(corsFrom(corsPage))
			t.nothing()
		},
	}
}

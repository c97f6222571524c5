package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/cors"
)

// corsOriginCases are about who is allowed to read.
func corsOriginCases() []Case {
	return []Case{
		corsListed(), corsListedPreflight(), corsUnlisted(), corsAbsent(), corsOneOfMany(), corsAny(), corsAnyNull(),
		corsLookalikes(), corsTwoLines(), corsHuge(), corsNull(), corsParallel(), corsOnOneConnection(),
	}
}

func corsListed() Case {
	return Case{
		ID: "X1", Slug: "cors/listed-origin",
		Rule:   "A page of a listed origin may read the answer, and is told of that origin alone.",
		Clause: "Fetch, CORS protocol and HTTP responses",
		Run: func(t *T) {
			app := standard().with("HEAD", "/public", func(r Request) error { return r.Status(200) }).
				with("PUT", "/thing", func(r Request) error { return r.JSON(201, "made") })
			app.CORS = t.policy(corsConfig())
			s := t.Serve(app)
			for _, from := range []string{corsPage, corsAdmin, corsLocal} {
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
				s.corsIs(s.Do("HEAD", "/public", corsFrom(from)), 200, corsActual(from)...)
				s.corsIs(s.Do("PUT", "/thing", corsFrom(from)), 201, corsActual(from)...)
			}
			// Only OPTIONS asks for permission, whatever else is there.
			asks := corsAsks(corsPage, "DELETE", "x-requested-with")
			s.corsSays(s.Do("GET", "/public", asks...), "public", corsActual(corsPage)...)
			t.nothing()

			// Without Credentials, and with nothing to expose.
			s = t.corsServe(cors.Config{Origins: []string{corsPage, corsAdmin}})
			s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", corsVary, corsAllowOrigin+corsPage)
			s.corsSays(s.Do("GET", "/public", corsFrom(corsAdmin), "Cookie: "+s.Cookie+"=x"), "public", corsVary, corsAllowOrigin+corsAdmin)
			s.corsPreflight("/public", []string{corsVaryPreflight, corsAllowOrigin + corsPage}, corsAsks(corsPage, "GET")...)
			t.nothing()
		},
	}
}

func corsListedPreflight() Case {
	return Case{
		ID: "X1", Slug: "cors/listed-origin-preflight",
		Rule:   "A preflight of a listed origin is answered with 204, no body, and what was asked for.",
		Clause: "Fetch, CORS-preflight fetch",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			for _, from := range []string{corsPage, corsAdmin, corsLocal} {
				for _, path := range []string{"/public", "/me", "/no/such/path"} {
					s.corsPreflight(path, corsGranted(from), corsAsks(from, "GET")...)
					s.corsPreflight(path, corsGranted(from, corsItsMethods), corsAsks(from, "PUT")...)
					s.corsPreflight(path, corsGranted(from, corsItsHeaders), corsAsks(from, "POST", "content-type")...)
					s.corsPreflight(path, corsGranted(from, corsItsMethods, corsItsHeaders), corsAsks(from, "DELETE", "content-type,x-requested-with")...)
				}
			}
			t.nothing()
		},
	}
}

func corsUnlisted() Case {
	return Case{
		ID: "X1", Slug: "cors/unlisted-origin",
		Rule:   "A page of an origin that is not listed gets no Access-Control header, neither for what it does nor for what it asks.",
		Clause: "Fetch, CORS protocol and HTTP responses; DESIGN section 6",
		Run: func(t *T) {
			for _, credentials := range []bool{true, false} {
				cfg := corsConfig()
				cfg.Credentials = credentials
				s := t.corsServe(cfg)
				for _, from := range []string{corsEvil, "http://" + s.Addr, "https://" + s.Addr, "https://example.com", "http://localhost", "https://localhost:3000"} {
					s.corsBoth(corsFrom(from))
					for _, asks := range [][]string{
						corsAsks(from, "GET"), corsAsks(from, "DELETE", "x-requested-with"), corsAsks(from, "FOO", "x-evil"),
						append(corsAsks(from, "PUT"), "Access-Control-Request-Private-Network: true"),
					} {
						s.corsRefused("/public", asks...)
						s.corsRefused("/me", asks...)
					}
					// Whom it names besides is nobody.
					s.corsBoth(corsFrom(from), "Referer: "+corsPage+"/", "X-Forwarded-Host: app.example.com", "Access-Control-Allow-Origin: "+from)
				}
				// What is claimed elsewhere is no Origin.
				for _, line := range []string{"X-Origin: " + corsPage, "Referer: " + corsPage + "/", "Sec-Fetch-Site: same-origin", "Access-Control-Allow-Origin: *", "Orıgin: " + corsPage, "Origin_: " + corsPage} {
					a := s.corsStrain("GET", "/public", line)
					if corsTooLarge(a) { // a header's name is a token
						continue
					}
					s.corsSays(a, "public", corsVary)
				}
				t.nothing()
			}
		},
	}
}

func corsAbsent() Case {
	return Case{
		ID: "X1", Slug: "cors/no-origin",
		Rule:   "A request without Origin gets no Access-Control header, and its answer still varies on Origin.",
		Clause: "Fetch, CORS protocol and HTTP caches",
		Run: func(t *T) {
			for _, cfg := range []cors.Config{corsConfig(), {Origins: []string{corsPage}}, {Origins: []string{"*"}}, {Patterns: []string{"https://*.example.com"}}} {
				s := t.corsServe(cfg)
				s.corsSays(s.Do("GET", "/public"), "public", corsVary)
				s.corsSays(s.Do("GET", "/public", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"), "public", corsVary)
				if !slices.Contains(cfg.Origins, "*") {
					s.corsBoth("Origin: ")
				}
				t.nothing()
			}
		},
	}
}

func corsOneOfMany() Case {
	return Case{
		ID: "X1", Slug: "cors/one-of-many",
		Rule:   "Of a thousand origins each is told of itself, on one line.",
		Clause: "Fetch, Access-Control-Allow-Origin: one origin and never a list",
		Run: func(t *T) {
			cfg := corsConfig()
			for i := range 1000 {
				cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://tenant-%d.example.net", i))
			}
			s := t.corsServe(cfg)
			for _, i := range []int{0, 1, 9, 10, 99, 100, 499, 999} {
				from := fmt.Sprintf("https://tenant-%d.example.net", i)
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
				s.corsPreflight("/public", corsGranted(from), corsAsks(from, "GET")...)
			}
			for _, from := range []string{"https://tenant-1000.example.net", "https://tenant-.example.net", "https://tenant-01.example.net", "https://example.net"} {
				s.corsBoth(corsFrom(from))
			}
			s.corsSays(s.Do("GET", "/public", corsFrom(corsLocal)), "public", corsActual(corsLocal)...)
			t.nothing()
		},
	}
}

// corsAnyone are origins of all kinds.
var corsAnyone = []string{corsPage, corsEvil, "http://evil.example", "https://xn--bcher-kva.example:8443", "http://127.0.0.1:1", "chrome-extension://abcdef"}

func corsAny() Case {
	return Case{
		ID: "X1", Slug: "cors/any-origin",
		Rule:   "A policy for every origin answers with an asterisk whoever asks, never with the origin and never with credentials.",
		Clause: "Fetch, CORS protocol and credentials",
		Run: func(t *T) {
			s := t.corsServe(cors.Config{Origins: []string{"*"}, ResponseHeaders: []string{"X-Total"}})
			for _, from := range corsAnyone {
				for _, more := range [][]string{nil, {"Cookie: " + s.Cookie + "=x"}, {"Authorization: Bearer x"}} {
					lines := append([]string{corsFrom(from)}, more...)
					s.corsSays(s.Do("GET", "/public", lines...), "public", corsVary, corsAllowOrigin+"*", corsExpose+"x-total")
				}
				s.corsPreflight("/public", []string{corsVaryPreflight, corsAllowOrigin + "*"}, corsAsks(from, "GET")...)
				s.corsRefused("/public", corsAsks(from, "PUT")...)
				s.corsRefused("/public", corsAsks(from, "GET", "authorization")...)
			}
			s.corsSays(s.Do("GET", "/public"), "public", corsVary)
			t.nothing()
		},
	}
}

func corsAnyNull() Case {
	return Case{
		ID: "X4", Slug: "cors/any-origin-null",
		Rule:   "Where every origin may read what is public, one that has no name gets the asterisk and never its own word back.",
		Clause: "Fetch, CORS protocol and credentials",
		Run: func(t *T) {
			s := t.corsServe(cors.Config{Origins: []string{"*"}})
			s.corsSays(s.Do("GET", "/public", "Origin: null"), "public", corsVary, corsAllowOrigin+"*")
			s.corsPreflight("/public", []string{corsVaryPreflight, corsAllowOrigin + "*"}, corsAsks("null", "GET")...)
			s.corsBoth("Origin: null", "Origin: null")
			t.nothing()
		},
	}
}

func corsLookalikes() Case {
	return Case{
		ID: "X2", Slug: "cors/lookalike-origins",
		Rule:   "An origin is allowed if it is one of the list byte for byte, and not if it begins, ends or looks like one.",
		Clause: "Fetch, CORS check; RFC 6454 section 6.2",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Origins = []string{"https://example.com", "https://[2001:db8::1]:8443", "https://192.0.2.1"}
			s := t.corsServe(cfg)
			for _, from := range cfg.Origins {
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", corsActual(from)...)
			}
			for _, from := range []string{
				"https://example.com.evil.com", "https://evilexample.com", "https://evil-example.com", "https://exampleXcom", "https://example-com",
				"https://example.com:444", "https://example.com:443", "https://example.com:", "https://example.com:0443", "https://example.com:8443",
				"http://example.com", "http://example.com:443", "wss://example.com", "ftp://example.com", "https+x://example.com", "xhttps://example.com",
				"HTTPS://example.com", "https://EXAMPLE.com", "https://Example.com", "https://example.COM",
				"https://example.com/", "https://example.com//", "https://example.com/a", "https://example.com?", "https://example.com#", "https://example.com?x",
				"https://user@example.com", "https://user:pw@example.com", "https://@example.com", "https://example.com@evil.com", "https://example.com:x@evil.com",
				"https://example.com%60.evil.com", "https://example.com`.evil.com", "https://example.com_.evil.com", "https://_.example.com", "https://example.com\\.evil.com",
				"https://example.com{.evil.com", "https://example.com!.evil.com", "https://example.com'.evil.com", "https://example.com;evil.com", "https://example.com&.evil.com",
				"https://example.com.", "https://example.com..", "https://.example.com", "https://..example.com", "https://a.example.com", "https://www.example.com",
				"https://example.co", "https://example.comm", "https://example.com.au", "https://example.community", "https://xample.com", "https://example,com", "https://example%2ecom",
				"https:///example.com", "https:/example.com", "https:example.com", "//example.com", "example.com", "://example.com", "https://", "https", "/",
				"https://evil.com/https://example.com", "https://evil.com#https://example.com", "https://evil.com?https://example.com", "https://evil.com,https://example.com",
				"https://example.com https://evil.com", "https://example.com,https://evil.com", "https://example.com, https://evil.com", "https://example.com https://example.com",
				"\"https://example.com\"", "'https://example.com'", "<https://example.com>", "https://example.com,", ",https://example.com", "https://example.com;",
				"*", "https://*", "https://*.com", "https://*example.com", "^https://example\\.com$", "https://example.com*", ".*", "https://.*",
				"https://[2001:db8::1]", "https://[2001:db8::1%25eth0]:8443", "https://[2001:db8::1%eth0]:8443", "https://[2001:DB8::1]:8443", "https://[2001:db8:0:0:0:0:0:1]:8443",
				"https://2001:db8::1:8443", "https://[2001:db8::1]:8443/", "https://[::ffff:192.0.2.1]", "https://192.0.2.01", "https://3221225985", "https://0xc0000201", "https://192.0.513", "https://192.0.2.1.",
				"http://192.0.2.1", "file://", "file://example.com", "blob:https://example.com/1", "data:text/html,x", "about:blank", "javascript:alert(1)", "true", "false", "0", "undefined",
			} {
				s.corsBoth(corsFrom(from))
			}
			for _, from := range []string{
				"https://ex\u0430mple.com", "https://example\u3002com", "https://example.com\u00a0", "https://example.com\u200b", "https://exampl\u00eb.com",
				"https://example.com\x00.evil.com", "https://example.com\x00", "https://example.com\t.evil.com", "https://example.com\x0b", "https://example.com\x7f", "https://example.com\xff",
				"https://example.com\r", "https://example.com\r\n .evil.com", "https://evil.com\r\n https://example.com", "https://example.com\r\n\thttps://evil.com",
			} {
				s.corsOdd(corsFrom(from))
			}
			t.nothing()
		},
	}
}

func corsTwoLines() Case {
	return Case{
		ID: "X2", Slug: "cors/two-origin-headers",
		Rule:   "Of a request with two Origin headers nobody knows where it comes from, also if they are alike.",
		Clause: "Fetch, Origin header; RFC 9110 section 5.3",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			for _, lines := range [][]string{
				{corsFrom(corsPage), corsFrom(corsEvil)}, {corsFrom(corsEvil), corsFrom(corsPage)}, {corsFrom(corsPage), corsFrom(corsPage)},
				{corsFrom(corsPage), corsFrom(corsAdmin)}, {corsFrom(corsPage), "Origin: "}, {"Origin: ", corsFrom(corsPage)},
				{"origin: " + corsPage, "ORIGIN: " + corsPage}, {corsFrom(corsPage), "X-Between: 1", corsFrom(corsPage)},
				{corsFrom("null"), corsFrom(corsPage)}, {corsFrom(corsPage), corsFrom(corsPage), corsFrom(corsPage)},
			} {
				s.corsBoth(lines...)
			}
			// However it is spelled, one is one.
			for _, line := range []string{"origin: " + corsPage, "ORIGIN: " + corsPage, "Origin:" + corsPage, "Origin:  " + corsPage + " ", "oRiGiN:\t" + corsPage + "\t"} {
				s.corsSays(s.Do("GET", "/public", line), "public", corsActual(corsPage)...)
				s.corsPreflight("/public", corsGranted(corsPage), line, "access-control-request-METHOD:GET")
			}
			t.nothing()

			s = t.corsServe(cors.Config{Origins: []string{"*"}})
			s.corsBoth(corsFrom(corsPage), corsFrom(corsEvil))
			s.corsBoth(corsFrom(corsPage), corsFrom(corsPage))
			t.nothing()
		},
	}
}

func corsHuge() Case {
	return Case{
		ID: "X2", Slug: "cors/huge-origin",
		Rule:   "An origin that is too long is refused by the server or allowed nothing, and is never cut to fit.",
		Clause: "Fetch, CORS check; RFC 6585 section 5",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Patterns = []string{"https://*.example.net"}
			s := t.corsServe(cfg)
			for _, size := range []int{64, 254, 4 << 10, 32 << 10, 60 << 10} {
				pad := strings.Repeat("a", size)
				s.corsBoth(corsFrom(corsPage + pad))
				s.corsBoth(corsFrom(corsPage + "." + pad))
				s.corsBoth(corsFrom("https://" + pad + ".example.net"))
			}
			for _, size := range []int{100 << 10, 1 << 20} {
				s.corsOdd(corsFrom(corsPage + strings.Repeat("a", size)))
			}
			s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", corsActual(corsPage)...)
			t.nothing()
		},
	}
}

func corsNull() Case {
	return Case{
		ID: "X4", Slug: "cors/null-origin",
		Rule:   "null is no origin: whoever sends it is allowed nothing that is not everybody's.",
		Clause: "Fetch, CORS check; RFC 6454 section 7.3",
		Run: func(t *T) {
			local := corsConfig()
			local.Origins = append(local.Origins, "http://127.0.0.1:3000")
			patterns := corsConfig()
			patterns.Patterns = []string{"https://*.example.net"}
			public := corsConfig()
			public.PublicOrigin = "https://api.example.com"
			for _, cfg := range []cors.Config{corsConfig(), local, patterns, public, {Origins: []string{corsPage}}} {
				s := t.corsServe(cfg)
				for _, from := range []string{"null", "NULL", "Null", "nil", "none", "null,null", "null null", "\"null\"", "https://null", "null://null", "https://null.example.net.", "undefined"} {
					s.corsBoth(corsFrom(from))
				}
				s.corsBoth("Origin: null", "Cookie: "+s.Cookie+"=x")
				s.corsBoth("Origin: null", "Referer: "+corsPage+"/")
				t.nothing()
			}
		},
	}
}

func corsParallel() Case {
	return Case{
		ID: "X1", Slug: "cors/origins-in-parallel",
		Rule:   "Of pages that ask at the same time each is told of its own origin.",
		Clause: "Fetch, CORS check",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Origins, cfg.Patterns = nil, []string{"https://*.example.net"}
			const pages, rounds = 8, 25
			for i := range pages {
				cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://page-%d.example.com", i))
			}
			barrier := newBarrier()
			app := standard().with("GET", "/held", func(r Request) error {
				barrier.hold()
				return r.String(200, "held")
			})
			app.CORS = t.policy(cfg)
			s := t.Serve(app)
			from := func(i int) string {
				switch i % 3 {
				case 0:
					return corsEvil
				case 1:
					return fmt.Sprintf("https://page-%d.example.com", i%pages)
				default:
					return fmt.Sprintf("https://any-%d.example.net", i)
				}
			}
			told := func(i int) []string {
				if i%3 == 0 {
					return []string{corsVary}
				}
				return corsActual(from(i))
			}
			// While these are held, the same connections' neighbours come and go.
			var flights []*flight
			for i := range pages {
				b := s.Browser()
				b.Lines = []string{corsFrom(from(i))}
				flights = append(flights, b.send("GET", "/held"))
			}
			barrier.await(t, pages)
			c := s.Dial()
			for i := range rounds {
				s.corsSays(s.On(c, s.Request("GET", "/public", corsFrom(from(i+1)))), "public", told(i+1)...)
			}
			barrier.release()
			for i, f := range flights {
				s.corsSays(f.land(), "held", told(i)...)
			}
			t.nothing()
		},
	}
}

func corsOnOneConnection() Case {
	return Case{
		ID: "X1", Slug: "cors/one-connection",
		Rule:   "What a connection was used for before says nothing about the next request on it.",
		Clause: "RFC 9110 section 3.3; Fetch, CORS check",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			c := s.Dial()
			ask := func(method, path string, lines ...string) *Answer {
				return s.On(c, s.Request(method, path, lines...))
			}
			for range 3 {
				s.corsIs(ask("OPTIONS", "/public", corsAsks(corsPage, "PUT")...), 204, corsGranted(corsPage, corsItsMethods)...)
				s.corsSays(ask("GET", "/public", corsFrom(corsPage)), "public", corsActual(corsPage)...)
				s.corsSays(ask("GET", "/public"), "public", corsVary)
				s.corsIs(ask("OPTIONS", "/public", corsAsks(corsEvil, "PUT")...), 204, corsVaryPreflight)
				s.corsSays(ask("GET", "/public", corsFrom(corsEvil)), "public", corsVary)
				s.corsSays(ask("GET", "/public", corsFrom(corsAdmin)), "public", corsActual(corsAdmin)...)
			}
			// All at once, and a preflight that has a body.
			requests := []string{
				s.Request("OPTIONS", "/public", append(corsAsks(corsPage, "GET"), "Content-Length: 5")...) + "hello", s.Request("GET", "/public", corsFrom(corsEvil)),
				s.Request("GET", "/public", corsFrom(corsPage)), s.Request("OPTIONS", "/public", corsAsks(corsEvil, "GET")...),
			}
			t.NoError(c.Send(strings.Join(requests, "")))
			s.corsIs(s.receive(c, requests[0]), 204, corsGranted(corsPage)...)
			s.corsSays(s.receive(c, requests[1]), "public", corsVary)
			s.corsSays(s.receive(c, requests[2]), "public", corsActual(corsPage)...)
			s.corsIs(s.receive(c, requests[3]), 204, corsVaryPreflight)
			t.nothing()
		},
	}
}

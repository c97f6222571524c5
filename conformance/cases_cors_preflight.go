package conformance

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/cors"
)

// corsPreflightCases are about what a preflight asks for.
func corsPreflightCases() []Case {
	return []Case{
		corsMethodRefused(), corsMethodsNamed(), corsMethodAny(), corsHeaderRefused(), corsHeadersNamed(), corsHeaderAny(), corsAllOrNothing(),
		corsTolerated(), corsBounded(), corsWork(), corsMaxAges(), corsExposed(), corsPrivate(), corsPrivateAllowed(), corsPlainOptions(),
	}
}

func corsMethodRefused() Case {
	return Case{
		ID: "X8", Slug: "cors/method-refused",
		Rule:   "A preflight for a method that is not allowed gets no Access-Control header: neither what would do nor what was asked.",
		Clause: "Fetch, CORS-preflight fetch; RFC 9110 section 9.1: methods are case-sensitive",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			for _, method := range []string{
				"PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO", "*", "put", "Put", "pUT", "delete", "Delete", "get", "Get", "head", "post", "Post",
				"PUTT", "PU", "PUT,DELETE", "PUT, DELETE", "DELETE,PUT", "PUT;", "PUT PUT", "GET,PUT", "\"PUT\"", "P\u00dcT", "0", strings.Repeat("A", 4096),
			} {
				s.corsRefused("/public", corsAsks(corsPage, method)...)
				s.corsRefused("/me", corsAsks(corsPage, method, "content-type")...)
			}
			s.corsRefused("/public", corsFrom(corsPage), "Access-Control-Request-Method: ")
			for _, lines := range [][2]string{{"PUT", "PUT"}, {"GET", "PUT"}, {"PUT", "FOO"}, {"GET", ""}, {"", "GET"}} {
				s.corsRefused("/public", append(corsAsks(corsPage, lines[0]), "Access-Control-Request-Method: "+lines[1])...)
			}
			t.nothing()

			// None named, none allowed but those that need no permission.
			s = t.corsServe(cors.Config{Origins: []string{corsPage}})
			for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "FOO"} {
				s.corsRefused("/public", corsAsks(corsPage, method)...)
			}
			t.nothing()
		},
	}
}

func corsMethodsNamed() Case {
	return Case{
		ID: "X8", Slug: "cors/methods-named",
		Rule:   "GET, HEAD and POST need no permission and are never listed; for a method that does, all of the list is told, sorted.",
		Clause: "Fetch, CORS-safelisted method and Access-Control-Allow-Methods",
		Run: func(t *T) {
			cfg := cors.Config{Origins: []string{corsPage}, Methods: []string{"PUT", "purge", "POST", "DELETE", "GET", "PATCH", "X-Foo"}}
			s := t.corsServe(cfg)
			base := []string{corsVaryPreflight, corsAllowOrigin + corsPage}
			for _, method := range []string{"GET", "HEAD", "POST"} {
				s.corsPreflight("/public", base, corsAsks(corsPage, method)...)
			}
			all := append(slices.Clone(base), corsAllowMethods+"DELETE,PATCH,PUT,X-Foo,purge")
			for _, method := range []string{"PUT", "DELETE", "PATCH", "purge", "X-Foo"} {
				s.corsPreflight("/public", all, corsAsks(corsPage, method)...)
			}
			for _, method := range []string{"PURGE", "Purge", "x-foo", "X-FOO", "patch"} {
				s.corsRefused("/public", corsAsks(corsPage, method)...)
			}
			t.nothing()
		},
	}
}

func corsMethodAny() Case {
	return Case{
		ID: "X8", Slug: "cors/methods-any",
		Rule:   "Where every method is allowed the answer is an asterisk, never the method that was asked for.",
		Clause: "Fetch, Access-Control-Allow-Methods and credentials",
		Run: func(t *T) {
			s := t.corsServe(cors.Config{Origins: []string{corsPage}, Methods: []string{"*"}})
			base := []string{corsVaryPreflight, corsAllowOrigin + corsPage}
			for _, method := range []string{"PUT", "DELETE", "patch", "FOO", "X-Whatever"} {
				s.corsPreflight("/public", append(slices.Clone(base), corsAllowMethods+"*"), corsAsks(corsPage, method)...)
			}
			s.corsPreflight("/public", base, corsAsks(corsPage, "GET")...)
			s.corsRefused("/public", append(corsAsks(corsPage, "PUT"), "Access-Control-Request-Method: PUT")...)
			s.corsRefused("/public", corsAsks(corsEvil, "PUT")...)
			t.nothing()
		},
	}
}

func corsHeaderRefused() Case {
	return Case{
		ID: "X8", Slug: "cors/header-refused",
		Rule:   "A preflight for a header that is not allowed gets no Access-Control header, and its list is never sent back.",
		Clause: "Fetch, CORS-preflight fetch",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			for _, names := range []string{
				"x-other", "authorization", "cookie", "*", "content-type,x-other", "x-requested-with,x-zzz", "authorization,content-type", "content-type-x", "ontent-type", "x-requested-wit", "content-typ",
				"content-type;x-other", "content-type x-requested-with", "content-type:x", "content-type,*", "*,content-type", "content_type", "x\u2011requested-with", "'content-type'", "\"content-type\"", "content-type\\",
			} {
				s.corsRefused("/public", corsAsks(corsPage, "GET", names)...)
				s.corsRefused("/public", corsAsks(corsPage, "PUT", names)...)
			}
			s.corsRefused("/public", corsAsks(corsPage, "GET", "content-type", "x-other")...)
			s.corsRefused("/public", corsAsks(corsPage, "GET", "x-other", "x-requested-with")...)
			t.nothing()

			s = t.corsServe(cors.Config{Origins: []string{corsPage}})
			for _, names := range []string{"content-type", "accept", "x-other", "range"} {
				s.corsRefused("/public", corsAsks(corsPage, "GET", names)...)
			}
			t.nothing()
		},
	}
}

func corsHeadersNamed() Case {
	return Case{
		ID: "X8", Slug: "cors/headers-named",
		Rule:   "Names of headers are configured in any case; where one was asked for, all of the list is told, sorted and in lower case.",
		Clause: "Fetch, Access-Control-Allow-Headers; RFC 9110 section 5.1: field names are case-insensitive",
		Run: func(t *T) {
			s := t.corsServe(cors.Config{Origins: []string{corsPage}, RequestHeaders: []string{"X-CSRF-Token", "authorization", "CONTENT-TYPE", "x-Requested-With"}})
			base := []string{corsVaryPreflight, corsAllowOrigin + corsPage}
			all := append(slices.Clone(base), corsAllowHeaders+"authorization,content-type,x-csrf-token,x-requested-with")
			for _, names := range []string{
				"authorization", "content-type", "x-csrf-token", "x-requested-with", "authorization,x-csrf-token", "content-type,x-requested-with", "authorization,content-type,x-csrf-token,x-requested-with",
			} {
				s.corsPreflight("/public", all, corsAsks(corsPage, "GET", names)...)
			}
			s.corsPreflight("/public", base, corsAsks(corsPage, "GET")...)
			s.corsPreflight("/public", base, corsAsks(corsPage, "GET", "")...)
			t.nothing()
		},
	}
}

func corsHeaderAny() Case {
	return Case{
		ID: "X8", Slug: "cors/headers-any",
		Rule:   "Where every header is allowed the answer is an asterisk, and Authorization is none of them unless it is named beside it.",
		Clause: "Fetch, CORS non-wildcard request-header name",
		Run: func(t *T) {
			base := []string{corsVaryPreflight, corsAllowOrigin + corsPage}
			s := t.corsServe(cors.Config{Origins: []string{corsPage}, RequestHeaders: []string{"*"}})
			for _, names := range []string{"x-other", "content-type,x-a,x-b", "cookie", "x-" + strings.Repeat("a", 4000)} {
				s.corsPreflight("/public", append(slices.Clone(base), corsAllowHeaders+"*"), corsAsks(corsPage, "GET", names)...)
			}
			s.corsPreflight("/public", base, corsAsks(corsPage, "GET")...)
			for _, names := range []string{"authorization", "authorization,x-other", "accept,authorization", "X-Other", "x other", "x-a:b", "x\u00e9", strings.Repeat("a", 4097)} {
				s.corsRefused("/public", corsAsks(corsPage, "GET", names)...)
			}
			t.nothing()

			s = t.corsServe(cors.Config{Origins: []string{corsPage}, RequestHeaders: []string{"Authorization", "*"}})
			for _, names := range []string{"x-other", "authorization", "accept,authorization,x-other"} {
				s.corsPreflight("/public", append(slices.Clone(base), corsAllowHeaders+"*,authorization"), corsAsks(corsPage, "GET", names)...)
			}
			t.nothing()
		},
	}
}

func corsAllOrNothing() Case {
	return Case{
		ID: "X8", Slug: "cors/all-or-nothing",
		Rule:   "A preflight of which one part is not allowed is refused whole, and its answer does not say which.",
		Clause: "Fetch, CORS-preflight fetch; DESIGN section 6",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			refusal := ""
			for _, from := range []string{corsPage, corsEvil} {
				for _, method := range []string{"PUT", "FOO"} {
					for _, names := range []string{"content-type", "x-other"} {
						for _, private := range [][]string{nil, {"Access-Control-Request-Private-Network: true"}} {
							asks := append(corsAsks(from, method, names), private...)
							if from == corsPage && method == "PUT" && names == "content-type" && private == nil {
								s.corsPreflight("/public", corsGranted(corsPage, corsItsMethods, corsItsHeaders), asks...)
								continue
							}
							a := s.corsIs(s.Do("OPTIONS", "/public", asks...), 204, corsVaryPreflight)
							raw := undated(a.Raw)
							if refusal == "" {
								refusal = raw
							}
							Equal(t, "refusal", raw, refusal)
						}
					}
				}
			}
			t.nothing()
		},
	}
}

// undated is an answer without its Date.
func undated(raw string) string {
	before, after, ok := strings.Cut(raw, "\r\nDate: ")
	if !ok {
		return raw
	}
	_, after, _ = strings.Cut(after, "\r\n")
	return before + "\r\n" + after
}

func corsTolerated() Case {
	return Case{
		ID: "X7", Slug: "cors/list-as-browsers-write-it",
		Rule:   "A list of names is read as browsers write it, sorted, in lower case and each name once; a blank around a name, a few empty elements and several lines are tolerated.",
		Clause: "Fetch, CORS-unsafe request-header names; RFC 9110 section 5.6.1.2",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.RequestHeaders = []string{"A", "B", "C", "X-Requested-With"}
			s := t.corsServe(cfg)
			granted := corsGranted(corsPage, corsAllowHeaders+"a,b,c,x-requested-with")
			commas := func(n int) string { return strings.Repeat(",", n) }
			for _, lines := range [][]string{
				{"a"}, {"a,b,c"}, {"a, b, c"}, {"a ,b\t, c"}, {"a,\tb"}, {"a,c,x-requested-with"}, {"a", "b", "c"}, {"a,b", "c"}, {"a", "", "b"},
				{"a,,b"}, {",a"}, {"a,"}, {"a, ,b"}, {commas(16) + "a"}, {"a" + commas(16)}, {commas(8) + "a" + commas(8)}, {"a" + strings.Repeat(", ", 15) + ",b"},
			} {
				s.corsPreflight("/public", granted, corsAsks(corsPage, "GET", lines...)...)
			}
			for _, lines := range [][]string{{""}, {"", ""}, {","}, {" , "}, {commas(15)}} {
				s.corsPreflight("/public", corsGranted(corsPage), corsAsks(corsPage, "GET", lines...)...)
			}
			for _, lines := range [][]string{
				{"b,a"}, {"a,a"}, {"a,b,a"}, {"c,b,a"}, {"a", "a"}, {"b", "a"}, {"A"}, {"a,B"}, {"X-Requested-With"}, {"x-requested-with,a"},
				{"a,  b"}, {"a  ,b"}, {"a,\t b"}, {"a,b  ,c"}, {"a b"}, {"a;b"}, {commas(17) + "a"}, {"a" + commas(17)}, {commas(17)}, {"a", commas(9), commas(9)},
				{"", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "a"},
			} {
				s.corsRefused("/public", corsAsks(corsPage, "GET", lines...)...)
			}
			t.nothing()
		},
	}
}

// corsHostile are lists that are long for no reason a browser has.
func corsHostile() map[string][]string {
	const most = 60 << 10
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprintf("x%04d", i)
	}
	many := strings.Join(names, ",") // 60 KB
	lines := make([]string, 500)
	for i := range lines {
		lines[i] = strings.Repeat(",", 32)
	}
	repeat := func(s string) string { return strings.Repeat(s, most/len(s)) }
	return map[string][]string{
		"commas": {repeat(",")}, "blanks": {"a" + repeat(" ") + "b"}, "commas and blanks": {"," + repeat(" ,")}, "tabs": {"a" + repeat("\t") + "b"},
		"names": {many}, "one name": {repeat("a")}, "the same name": {repeat("content-type,")}, "the same two names": {repeat("content-type,x-requested-with,")},
		"a name behind commas": {repeat(",")[:most-12] + "content-type"}, "many lines": lines, "upper case": {repeat("X-A,")}, "bytes": {repeat("\xff,")}, "colons": {repeat(":")},
	}
}

func corsBounded() Case {
	return Case{
		ID: "X7", Slug: "cors/hostile-list",
		Rule:   "However long the list of names is that a preflight sends, it is refused like any other, or by the server for its size.",
		Clause: "CVE-2025-47908; Fetch, CORS-preflight fetch",
		Run: func(t *T) {
			for _, cfg := range []cors.Config{
				{Origins: []string{corsPage}, RequestHeaders: []string{"Content-Type", "X-Requested-With"}},
				{Origins: []string{corsPage}}, {Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*", "Authorization"}},
			} {
				s := t.corsServe(cfg)
				for _, lines := range corsHostile() {
					s.corsRefused("/public", corsAsks(corsPage, "GET", lines...)...)
					s.corsRefused("/public", corsAsks(corsEvil, "FOO", lines...)...)
					// Where nothing is asked nothing is read.
					a := s.Do("GET", "/public", append([]string{corsFrom(corsEvil)}, corsAsks(corsEvil, "FOO", lines...)[1:]...)...)
					Equal(t, "body", a.Body, "public")
				}
				for _, size := range []int{64 << 10, 1 << 20} {
					a := s.corsStrain("OPTIONS", "/public", corsAsks(corsPage, "GET", strings.Repeat(",", size))...)
					if !corsTooLarge(a) {
						s.corsIs(a, 204, corsVaryPreflight)
					} else if a != nil {
						s.corsSilent(a)
					}
				}
				if cfg.Methods == nil {
					s.corsRefused("/public", corsAsks(corsPage, strings.Repeat("A", 60<<10))...)
				}
				t.nothing()
			}
		},
	}
}

func corsWork() Case {
	return Case{
		ID: "X7", Slug: "cors/hostile-list-costs-nothing",
		Rule:   "What a preflight is answered costs the same memory whatever it sends.",
		Clause: "CVE-2025-47908",
		Run: func(t *T) {
			listed := corsConfig()
			listed.Patterns = []string{"https://*.example.net"}
			for _, cfg := range []cors.Config{listed, {Origins: []string{"*"}, Methods: []string{"*"}, RequestHeaders: []string{"*"}}} {
				p := t.policy(cfg)
				ask := func(from, method string, names []string) cors.Request {
					return cors.Request{Method: "OPTIONS", Origin: []string{from}, RequestMethod: []string{method}, RequestHeaders: names}
				}
				long := strings.Repeat("a", 60<<10)
				for what, lines := range corsHostile() {
					t.corsFrugal(p, what, ask(corsPage, "GET", lines))
				}
				t.corsFrugal(p, "a long origin", ask(corsPage+long, "GET", nil))
				t.corsFrugal(p, "a long host", ask("https://"+long+".example.net", "GET", nil))
				t.corsFrugal(p, "a long method", ask(corsPage, long, nil))
			}
		},
	}
}

// corsFrugal checks that p takes far less memory for r than r has bytes. The process does
// other things besides, so it is the least of many tries that counts.
func (t *T) corsFrugal(p *cors.Policy, what string, r cors.Request) {
	t.Helper()
	const most, tries = 16 << 10, 200
	least := uint64(math.MaxUint64)
	for range tries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p.Decide(r)
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= most {
			return
		}
	}
	t.Failf("%s: took %d bytes at best, want at most %d", what, least, most)
}

func corsMaxAges() Case {
	return Case{
		ID: "X8", Slug: "cors/max-age",
		Rule:   "How long a preflight holds is told in seconds, is nothing by default, and 0 if it is never to be kept.",
		Clause: "Fetch, Access-Control-Max-Age",
		Run: func(t *T) {
			for _, row := range []struct {
				age  time.Duration
				want []string
			}{
				{0, nil}, {-1, []string{corsMaxAge + "0"}}, {-time.Hour, []string{corsMaxAge + "0"}}, {time.Second, []string{corsMaxAge + "1"}},
				{10 * time.Minute, []string{corsMaxAge + "600"}}, {24 * time.Hour, []string{corsMaxAge + "86400"}},
			} {
				s := t.corsServe(cors.Config{Origins: []string{corsPage}, Methods: []string{"PUT"}, MaxAge: row.age})
				s.corsPreflight("/public", append([]string{corsVaryPreflight, corsAllowOrigin + corsPage}, row.want...), corsAsks(corsPage, "GET")...)
				s.corsRefused("/public", corsAsks(corsPage, "FOO")...)
				s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", corsVary, corsAllowOrigin+corsPage)
			}
			t.nothing()
		},
	}
}

func corsExposed() Case {
	return Case{
		ID: "X1", Slug: "cors/expose-headers",
		Rule:   "Which headers a page may read is told with the answer that has them, to allowed pages alone, without those that every page may read.",
		Clause: "Fetch, Access-Control-Expose-Headers and CORS-safelisted response-header name",
		Run: func(t *T) {
			for _, row := range []struct {
				names []string
				want  []string
			}{
				{nil, nil}, {[]string{"Content-Type", "Cache-Control", "Content-Language", "Content-Length", "Expires", "Last-Modified", "Pragma"}, nil},
				{[]string{"X-Total"}, []string{corsExpose + "x-total"}}, {[]string{"x-b", "ETag", "X-A", "Pragma"}, []string{corsExpose + "etag,x-a,x-b"}},
			} {
				s := t.corsServe(cors.Config{Origins: []string{corsPage}, Credentials: true, ResponseHeaders: row.names})
				s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", append([]string{corsVary, corsAllowOrigin + corsPage, corsAllowCredentials}, row.want...)...)
				s.corsPreflight("/public", []string{corsVaryPreflight, corsAllowOrigin + corsPage, corsAllowCredentials}, corsAsks(corsPage, "GET")...)
				s.corsBoth(corsFrom(corsEvil))
			}
			t.nothing()
		},
	}
}

const corsWantsPrivate = "Access-Control-Request-Private-Network: "

func corsPrivate() Case {
	return Case{
		ID: "X9", Slug: "cors/private-network-off",
		Rule:   "A preflight that asks for a private network is refused by default, whatever the value and whoever asks.",
		Clause: "Private Network Access, section 3; CVE-2024-6221",
		Run: func(t *T) {
			for _, cfg := range []cors.Config{corsConfig(), {Origins: []string{"*"}}} {
				s := t.corsServe(cfg)
				for _, value := range []string{"true", "false", "TRUE", "1", "", "?1"} {
					for _, from := range []string{corsPage, corsEvil, "null"} {
						s.corsRefused("/public", append(corsAsks(from, "GET"), corsWantsPrivate+value)...)
					}
				}
				s.corsRefused("/public", append(corsAsks(corsPage, "GET"), corsWantsPrivate+"true", corsWantsPrivate+"true")...)
				// Another name for the same, and no preflight.
				for _, lines := range [][]string{{"Access-Control-Request-Local-Network: true"}, {"Sec-Private-State: x"}} {
					a := s.Do("OPTIONS", "/public", append(corsAsks(corsPage, "GET"), lines...)...)
					Equal(t, "Access-Control-Allow-Private-Network", strings.Join(a.Header.Values("Access-Control-Allow-Private-Network"), ","), "")
					Equal(t, "Access-Control-Allow-Local-Network", strings.Join(a.Header.Values("Access-Control-Allow-Local-Network"), ","), "")
				}
				t.nothing()
			}
			s := t.corsServe(corsConfig())
			s.corsSays(s.Do("GET", "/public", corsFrom(corsPage), corsWantsPrivate+"true"), "public", corsActual(corsPage)...)
		},
	}
}

func corsPrivateAllowed() Case {
	return Case{
		ID: "X9", Slug: "cors/private-network-allowed",
		Rule:   "Where a private network is opened, listed pages that ask for it by preflight are told so, and nobody else is.",
		Clause: "Private Network Access, section 3",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.DangerouslyAllowPrivateNetwork = true
			s := t.corsServe(cfg)
			s.corsPreflight("/public", corsGranted(corsPage, corsAllowPrivate), append(corsAsks(corsPage, "GET"), corsWantsPrivate+"true")...)
			s.corsPreflight("/public", corsGranted(corsPage, corsAllowPrivate, corsItsMethods), append(corsAsks(corsPage, "PUT"), corsWantsPrivate+"true")...)
			s.corsPreflight("/public", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			s.corsRefused("/public", append(corsAsks(corsEvil, "GET"), corsWantsPrivate+"true")...)
			s.corsRefused("/public", append(corsAsks(corsPage, "FOO"), corsWantsPrivate+"true")...)
			s.corsSays(s.Do("GET", "/public", corsFrom(corsPage), corsWantsPrivate+"true"), "public", corsActual(corsPage)...)
			t.nothing()
		},
	}
}

func corsPlainOptions() Case {
	return Case{
		ID: "X10", Slug: "cors/plain-options",
		Rule:   "OPTIONS that is no preflight reaches the application's own route, and its answer varies on all that a preflight's does.",
		Clause: "Fetch, CORS-preflight request; RFC 9110 section 9.3.7",
		Run: func(t *T) {
			c := &counted{App: standard()}
			c.App = c.with("OPTIONS", "/thing", c.count(func(r Request) error {
				r.SetHeader("Allow", "GET, OPTIONS")
				return r.String(200, "options")
			})).with("OPTIONS", "/guarded", c.count(whoami), Guard{Login: true})
			c.CORS = t.policy(corsConfig())
			s := t.Serve(c.App)
			own := func(added []string, lines ...string) {
				t.Helper()
				c.runs = 0
				s.corsSays(s.Do("OPTIONS", "/thing", lines...), "options", append(added, "Allow: GET, OPTIONS")...)
				Equal(t, "runs of the handler", c.runs, 1)
			}
			allowed := append(corsWithout(corsActual(corsPage), "Vary"), corsVaryPreflight)
			own([]string{corsVaryPreflight})
			own(slices.Clone(allowed), corsFrom(corsPage))
			own([]string{corsVaryPreflight}, corsFrom(corsEvil))
			own([]string{corsVaryPreflight}, corsAsks(corsPage, "PUT", "content-type")[1:]...)
			own(slices.Clone(allowed), corsFrom(corsPage), corsNames+"content-type", corsWantsPrivate+"true")
			own(slices.Clone(allowed), corsFrom(corsPage), "X-Access-Control-Request-Method: PUT")
			own([]string{corsVaryPreflight}, "Origin: null")
			t.nothing()

			// Methods are compared byte for byte, and nothing stands in for them.
			for _, method := range []string{"options", "Options", "OPTION", "FOO"} {
				a := s.corsStrain(method, "/thing", corsAsks(corsPage, "PUT")...)
				if a != nil && (a.Status < 400 || a.Header.Get("Access-Control-Allow-Methods") != "") {
					t.Failf("%s: got %d, %q, want the framework's own no", method, a.Status, a.Header)
				}
			}
			a := s.Do("GET", "/public", append(corsAsks(corsPage, "PUT"), "X-HTTP-Method-Override: OPTIONS", "X-HTTP-Method: OPTIONS")...)
			s.corsSays(a, "public", corsActual(corsPage)...)
			t.nothing()

			// What stands in front of the route is asked as for any other method.
			c.runs = 0
			s.corsIs(s.Do("OPTIONS", "/guarded", corsFrom(corsPage)), 401, append(slices.Clone(allowed), corsAnonymous...)...)
			s.corsIs(s.Do("OPTIONS", "/guarded"), 401, append([]string{corsVaryPreflight}, corsAnonymous...)...)
			s.corsPreflight("/guarded", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			s.corsPreflight("/thing", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			s.corsRefused("/thing", corsAsks(corsEvil, "GET")...)
			Equal(t, "runs of the handler", c.runs, 0)
			t.nothing()
		},
	}
}

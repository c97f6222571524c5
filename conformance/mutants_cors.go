package conformance

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// corsMutants break the rules of corsCases that can be broken from outside.
func corsMutants() []Mutant {
	return slices.Concat(corsOriginMutants(), corsPatternMutants(), corsVaryMutants(), corsPreflightMutants(), corsPlaceMutants(), corsLifeMutants())
}

// corsAllower is a front that allows whom it likes, as they say themselves.
func corsAllower(likes func(origin string) bool) func(http.Handler) http.Handler {
	return onAnswer(func(r *http.Request, _ int, h http.Header) {
		if from := r.Header.Get("Origin"); from != "" && likes(from) {
			h.Set("Access-Control-Allow-Origin", from)
			h.Set("Access-Control-Allow-Credentials", "true")
		}
	})
}

// corsAnswer is a front that changes the headers of answers, if when is nil or says so.
func corsAnswer(change func(http.Header), when func(*http.Request, int) bool) func(http.Handler) http.Handler {
	return onAnswer(func(r *http.Request, status int, h http.Header) {
		if when == nil || when(r, status) {
			change(h)
		}
	})
}

// corsRemoves is a change that takes headers away, corsSets one that sets one.
func corsRemoves(names ...string) func(http.Header) {
	return func(h http.Header) {
		for _, n := range names {
			h.Del(n)
		}
	}
}

func corsSets(line string) func(http.Header) {
	name, value, _ := strings.Cut(line, ": ")
	return func(h http.Header) { h.Set(name, value) }
}

// corsVoid takes away all that CORS adds.
var corsVoid = corsRemoves("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "Vary")

// What mutants tell requests apart by.
func corsIsPreflight(r *http.Request, _ int) bool {
	return r.Method == "OPTIONS" && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

func corsIsActual(r *http.Request, status int) bool { return !corsIsPreflight(r, status) }

func corsWithStatus(statuses ...int) func(*http.Request, int) bool {
	return func(_ *http.Request, status int) bool { return slices.Contains(statuses, status) }
}

func corsOriginMutants() []Mutant {
	const listed, listedPreflight, unlisted, absent, many = "cors/listed-origin", "cors/listed-origin-preflight", "cors/unlisted-origin", "cors/no-origin", "cors/one-of-many"
	const everybodys, lookalikes, two, huge, null = "cors/any-origin", "cors/lookalike-origins", "cors/two-origin-headers", "cors/huge-origin", "cors/null-origin"
	everybody := corsAllower(func(string) bool { return true })
	lines := func(change func([]string) []string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if l := r.Header["Origin"]; len(l) > 0 {
				r.Header["Origin"] = change(l)
			}
		})
	}
	matches := func(pattern string) func(http.Handler) http.Handler {
		return corsAllower(regexp.MustCompile(pattern).MatchString)
	}
	asterisk := func(_ *http.Request, _ int, h http.Header) bool { return h.Get("Access-Control-Allow-Origin") == "*" }
	return []Mutant{
		{Name: "credentials are not told", Slug: listed, Front: corsAnswer(corsRemoves("Access-Control-Allow-Credentials"), nil)},
		{Name: "what is for preflights is told always", Slug: listed, Front: corsAnswer(corsSets(corsAllowMethods+"DELETE,PUT"), corsIsActual)},
		{Name: "credentials are told without being configured", Slug: listed, Front: corsAnswer(corsSets(corsAllowCredentials), nil)},
		{Name: "one origin is told to everybody on the list", Slug: listed, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Allow-Origin") != "" {
				h.Set("Access-Control-Allow-Origin", corsPage)
			}
		})},
		{Name: "a preflight is answered with 200", Slug: listedPreflight, Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&soft{w, http.StatusNoContent}, r) })
		}},
		{Name: "methods are told that need no permission", Slug: listedPreflight, Front: corsAnswer(corsSets(corsAllowMethods+"DELETE,GET,HEAD,POST,PUT"), corsIsPreflight)},
		{Name: "CVE-2017-20146 gorilla/handlers: who asks says who is allowed", Slug: unlisted, Front: everybody},
		{Name: "CVE-2024-41657 casdoor, CVE-2026-30924 qui: any origin is reflected with credentials", Slug: unlisted, Front: corsAllower(func(o string) bool { return o != "null" })},
		{Name: "an asterisk for who is not listed", Slug: unlisted, Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.Header.Get("Origin") != "" && h.Get("Access-Control-Allow-Origin") == "" {
				h.Set("Access-Control-Allow-Origin", "*")
			}
		})},
		{Name: "what would do is told to who is not listed", Slug: unlisted, Front: corsAnswer(corsSets(corsItsMethods), corsIsPreflight)},
		{Name: "who is not listed is told of credentials alone", Slug: unlisted, Front: corsAnswer(corsSets(corsAllowCredentials), nil)},
		{Name: "who is not listed is refused the request itself", Slug: unlisted, Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Origin") == corsEvil {
					w.Header().Set("Vary", "Origin")
					w.WriteHeader(http.StatusForbidden)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
		{Name: "the Referer is an Origin", Slug: unlisted, Front: onRequest(func(r *http.Request) {
			if from := r.Header.Get("Referer"); from != "" {
				r.Header.Set("Origin", strings.TrimSuffix(from, "/"))
			}
		})},
		{Name: "no Vary where no Origin is", Slug: absent, Front: corsAnswer(corsRemoves("Vary"), func(r *http.Request, _ int) bool { return r.Header.Get("Origin") == "" })},
		{Name: "an asterisk where no Origin is", Slug: absent, Front: corsAnswer(corsSets(corsAllowOrigin+"*"), func(r *http.Request, _ int) bool { return r.Header.Get("Origin") == "" })},
		{Name: "the whole list is told", Slug: many, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if from := h.Get("Access-Control-Allow-Origin"); from != "" {
				h.Set("Access-Control-Allow-Origin", from+", "+corsPage)
			}
		})},
		{Name: "each origin of the list on a line", Slug: many, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Allow-Origin") != "" {
				h.Add("Access-Control-Allow-Origin", corsPage)
			}
		})},
		{Name: "CVE-2018-20744 rs/cors: the asterisk becomes who asks", Slug: everybodys, Front: onAnswer(func(r *http.Request, s int, h http.Header) {
			if asterisk(r, s, h) {
				h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			}
		})},
		{Name: "CVE-2024-25124 fiber: the asterisk with credentials", Slug: everybodys, Front: onAnswer(func(r *http.Request, s int, h http.Header) {
			if asterisk(r, s, h) {
				h.Set("Access-Control-Allow-Credentials", "true")
			}
		})},
		{Name: "with a cookie the asterisk becomes who asks", Slug: everybodys, Front: onAnswer(func(r *http.Request, s int, h http.Header) {
			if asterisk(r, s, h) && r.Header.Get("Cookie") != "" {
				h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			}
		})},
		{Name: "no Vary with an asterisk", Slug: everybodys, Front: onAnswer(func(r *http.Request, s int, h http.Header) {
			if asterisk(r, s, h) {
				h.Del("Vary")
			}
		})},
		{Name: "null gets its own word back", Slug: "cors/any-origin-null", Front: corsAllower(func(o string) bool { return o == "null" })},
		{Name: "CVE-2024-27302 go-zero: the end of an origin will do", Slug: lookalikes, Front: corsAllower(func(o string) bool { return strings.HasSuffix(o, "example.com") })},
		{Name: "CVE-2026-55438 coder: what begins like the host is the host", Slug: lookalikes, Front: corsAllower(func(o string) bool { return strings.HasPrefix(o, "https://example.com.") })},
		{Name: "CVE-2017-11173 rack-cors: an expression without an end", Slug: lookalikes, Front: matches(`^https://example\.com`)},
		{Name: "an expression without a beginning", Slug: lookalikes, Front: matches(`https://example\.com$`)},
		{Name: "a dot is any byte", Slug: lookalikes, Front: matches(`^https://example.com$`)},
		{Name: "an expression that ends at the line's end", Slug: lookalikes, Front: matches(`(?m)^https://example\.com[,; ]*$`)},
		{Name: "origins without regard to case", Slug: lookalikes, Front: matches(`(?i)^https://example\.com$`)},
		{Name: "any port will do", Slug: lookalikes, Front: matches(`^https://example\.com:\d+$`)},
		{Name: "any scheme will do", Slug: lookalikes, Front: matches(`^[a-z+]*://example\.com$`)},
		{Name: "the user of an origin is stepped over", Slug: lookalikes, Front: matches(`^https://[^/]*@example\.com$`)},
		{Name: "what stands behind the host is cut off", Slug: lookalikes, Front: matches(`^https://example\.com[/?#]`)},
		{Name: "a dot at the end is cut off", Slug: lookalikes, Front: matches(`^https://example\.com\.$`)},
		{Name: "a list of which one is allowed", Slug: lookalikes, Front: matches(`(^|[, ])https://example\.com($|[, ])`)},
		{Name: "the zone of an address is cut off", Slug: lookalikes, Front: matches(`^https://\[2001:db8::1%`)},
		{Name: "of two Origin headers the first counts", Slug: two, Front: lines(func(l []string) []string { return l[:1] })},
		{Name: "of two Origin headers the last counts", Slug: two, Front: lines(func(l []string) []string { return l[len(l)-1:] })},
		{Name: "two equal Origin headers are one", Slug: two, Front: lines(func(l []string) []string {
			return slices.Compact(slices.Clone(l))
		})},
		{Name: "an empty Origin header is none", Slug: two, Front: lines(func(l []string) []string {
			return slices.DeleteFunc(slices.Clone(l), func(s string) bool { return s == "" })
		})},
		{Name: "an origin is cut to fit", Slug: huge, Front: lines(func(l []string) []string {
			if len(l[0]) > 64 {
				return []string{l[0][:len(corsPage)]}
			}
			return l
		})},
		{Name: "a long label is a label", Slug: huge, Front: matches(`^https://a+\.example\.net$`)},
		{Name: "null is a friend of localhost", Slug: null, Front: corsAllower(func(o string) bool { return o == "null" })},
		{Name: "null in any case", Slug: null, Front: corsAllower(func(o string) bool { return strings.EqualFold(o, "null") && o != "null" })},
		{Name: "CVE-2026-27978 Next.js: null is no Origin at all", Slug: null, Front: onRequest(func(r *http.Request) {
			if r.Header.Get("Origin") == "null" {
				r.Header.Del("Origin")
			}
		})},
		{Name: "a string of the request lives on in the next one", Slug: "cors/origins-in-parallel", Front: func(next http.Handler) http.Handler {
			var mu sync.Mutex
			last := ""
			return onRequest(func(r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				last = r.Header.Get("Origin")
			})(onAnswer(func(_ *http.Request, _ int, h http.Header) {
				mu.Lock()
				defer mu.Unlock()
				if h.Get("Access-Control-Allow-Origin") != "" {
					h.Set("Access-Control-Allow-Origin", last)
				}
			})(next))
		}},
		{Name: "who asked first on a connection asks always", Slug: "cors/one-connection", Front: func(next http.Handler) http.Handler {
			var first sync.Map
			return onRequest(func(r *http.Request) {
				if from, ok := first.LoadOrStore(r.RemoteAddr, r.Header.Get("Origin")); ok && r.Header.Get("Origin") == "" {
					r.Header.Set("Origin", from.(string))
				}
			})(next)
		}},
	}
}

func corsPatternMutants() []Mutant {
	const label, port, combine = "cors/pattern-one-label", "cors/pattern-scheme-and-port", "cors/patterns-never-combine"
	matches := func(pattern string) func(http.Handler) http.Handler {
		return corsAllower(regexp.MustCompile(pattern).MatchString)
	}
	return []Mutant{
		{Name: "an asterisk is several labels", Slug: label, Front: matches(`^https://([a-z]+\.)+example\.com$`)},
		{Name: "an asterisk is no label", Slug: label, Front: matches(`^https://example\.com$`)},
		{Name: "an asterisk is an empty label", Slug: label, Front: matches(`^https://\.example\.com$`)},
		{Name: "an asterisk is part of a label", Slug: label, Front: matches(`^https://[a-z-]*example\.com$`)},
		{Name: "an asterisk is anything", Slug: label, Front: matches(`^https://.*\.example\.com$`)},
		{Name: "an asterisk is as long as it likes", Slug: label, Front: matches(`^https://[a-z]+\.example\.com$`)},
		{Name: "an asterisk is an asterisk", Slug: label, Front: matches(`^https://\*\.example\.com$`)},
		{Name: "CVE-2019-25211 gin-contrib/cors: other domains begin like that one", Slug: label, Front: matches(`^https://a\.example\.com`)},
		{Name: "patterns are for http too", Slug: label, Front: matches(`^http://[a-z]+\.example\.com$`)},
		{Name: "CVE-2019-25211 gin-contrib/cors: an asterisk at the end", Slug: port, Front: matches(`^http://localhost`)},
		{Name: "patterns are for any port", Slug: port, Front: matches(`^https://a\.example\.com:\d+$`)},
		{Name: "a port may go on", Slug: port, Front: matches(`^https://a\.example\.com:8443`)},
		{Name: "GHSA-vhxv-fg4m-p2w8 jub0bs/cors: what two patterns end with makes a third", Slug: combine, Front: matches(`^https://(foo|bar)+\.com$`)},
		{Name: "GHSA-v84h-653v-4pq9 fcors: a piece of one name before the end of another", Slug: combine, Front: matches(`^https://[abor]+\.com$`)},
		{Name: "below one pattern is below another", Slug: combine, Front: matches(`^https://x\.(foo|bar)+\.com$`)},
		{Name: "the port of one for the host of another", Slug: combine, Front: matches(`^https://foo\.com:\d+$`)},
		{Name: "who is allowed by a pattern is told of the pattern", Slug: "cors/pattern-does-as-a-name", Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Allow-Origin") == "https://a.example.net" {
				h.Set("Access-Control-Allow-Origin", "https://*.example.net")
			}
		})},
		{Name: "CVE-2024-25124 fiber: Replace makes the asterisk one with credentials", Slug: "cors/config-asterisk-with-credentials", Front: corsAnswer(corsSets(corsAllowCredentials), nil)},
		{Name: "a policy of nobody is for everybody", Slug: "cors/config-names-somebody", Front: corsAllower(func(string) bool { return true })},
		{Name: "plain http on loopback is not meant", Slug: "cors/config-what-is-meant", Front: onRequest(func(r *http.Request) {
			if strings.HasPrefix(r.Header.Get("Origin"), "http:") {
				r.Header.Del("Origin")
			}
		})},
	}
}

func corsVaryMutants() []Mutant {
	const every, session, down, uncommitted = "cors/vary-on-every-answer", "cors/session-of-another-origin", "cors/store-down", "cors/survives-failed-commit"
	noVary := corsRemoves("Vary")
	noCORS := corsRemoves("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers")
	from := func(origins ...string) func(*http.Request, int) bool {
		return func(r *http.Request, _ int) bool { return slices.Contains(origins, r.Header.Get("Origin")) }
	}
	onlyOrigin := func(h http.Header) {
		if len(h.Values("Vary")) > 1 {
			h.Set("Vary", "Cookie")
		}
	}
	return []Mutant{
		{Name: "no Vary for who is not allowed", Slug: every, Front: corsAnswer(noVary, from(corsEvil))},
		{Name: "no Vary for who is allowed", Slug: every, Front: corsAnswer(noVary, from(corsPage))},
		{Name: "no Vary without Origin", Slug: every, Front: corsAnswer(noVary, from(""))},
		{Name: "no Vary on redirects", Slug: every, Front: corsAnswer(noVary, corsWithStatus(303, 307))},
		{Name: "no Vary on errors", Slug: every, Front: corsAnswer(noVary, corsWithStatus(404, 418, 500, 503))},
		{Name: "no CORS after a panic", Slug: every, Front: corsAnswer(corsVoid, corsWithStatus(500))},
		{Name: "no CORS on HEAD", Slug: every, Front: corsAnswer(corsVoid, func(r *http.Request, _ int) bool { return r.Method == "HEAD" })},
		{Name: "no Vary with 304", Slug: every, Front: corsAnswer(noVary, corsWithStatus(304))},
		{Name: "no CORS where no route is", Slug: "cors/vary-where-no-route-is", Front: corsAnswer(corsVoid, corsWithStatus(404))},
		{Name: "no Vary where no route is", Slug: "cors/vary-where-no-route-is", Front: corsAnswer(noVary, corsWithStatus(404))},
		{Name: "no CORS on 401", Slug: "cors/vary-on-refusals", Front: corsAnswer(noCORS, corsWithStatus(401))},
		{Name: "no CORS on 403", Slug: "cors/vary-on-refusals", Front: corsAnswer(noCORS, corsWithStatus(403))},
		{Name: "a refusal varies on the cookie alone", Slug: "cors/vary-on-refusals", Front: corsAnswer(onlyOrigin, nil)},
		{Name: "no CORS on the application's own refusal", Slug: "cors/vary-on-own-refusals", Front: corsAnswer(corsVoid, corsWithStatus(401))},
		{Name: "no cookie for a page of another origin", Slug: session, Front: corsAnswer(corsRemoves("Set-Cookie"), from(corsPage))},
		{Name: "a cookie takes CORS away", Slug: session, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Set-Cookie") != "" {
				noCORS(h)
			}
		})},
		{Name: "what the session varies on replaces Origin", Slug: session, Front: corsAnswer(onlyOrigin, nil)},
		{Name: "a page of another origin may be kept by caches", Slug: session, Front: corsAnswer(corsRemoves("Cache-Control"), from(corsPage))},
		{Name: "no CORS on 503", Slug: down, Front: corsAnswer(noCORS, corsWithStatus(503))},
		{Name: "a preflight waits for the store", Slug: down, Front: corsHandled(func(*http.Request) bool { return true })},
		{Name: "what could not be committed loses CORS", Slug: uncommitted, Front: corsAnswer(noCORS, corsWithStatus(503))},
		{Name: "what could not be committed loses Vary", Slug: uncommitted, Front: corsAnswer(onlyOrigin, corsWithStatus(503))},
		{Name: "a flush goes past CORS", Slug: "cors/streamed-answers", Front: spoiled(func(by exit, _ int, h http.Header) {
			if by == exitFlush {
				corsVoid(h)
			}
		})},
	}
}

// corsHandled is a front that runs the handlers for a preflight, too, if when says so.
func corsHandled(when func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if corsIsPreflight(r, 0) && when(r) {
				actual := r.Clone(r.Context())
				actual.Method = r.Header.Get("Access-Control-Request-Method")
				actual.Body = http.NoBody
				next.ServeHTTP(&leaking{unheard{header: http.Header{}}, io.Discard}, actual)
			}
			next.ServeHTTP(w, r)
		})
	}
}

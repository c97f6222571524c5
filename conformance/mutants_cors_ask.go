package conformance

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
)

// The names of what a preflight says.
const (
	corsRequestMethod  = "Access-Control-Request-Method"
	corsRequestHeaders = "Access-Control-Request-Headers"
	corsRequestPrivate = "Access-Control-Request-Private-Network"
)

// corsAsked is a front that reads a header of preflights its own way.
func corsAsked(name string, change func([]string) []string) func(http.Handler) http.Handler {
	return onRequest(func(r *http.Request) {
		if l := r.Header[name]; len(l) > 0 && r.Method == "OPTIONS" {
			if r.Header[name] = change(slices.Clone(l)); len(r.Header[name]) == 0 {
				delete(r.Header, name)
			}
		}
	})
}

// corsEachLine is a change of every line.
func corsEachLine(f func(string) string) func([]string) []string {
	return func(lines []string) []string {
		for i, l := range lines {
			lines[i] = f(l)
		}
		return lines
	}
}

// corsEachName is a change of the list of names in a line.
func corsEachName(f func([]string) []string) func([]string) []string {
	return corsEachLine(func(l string) string { return strings.Join(f(strings.Split(l, ",")), ",") })
}

// corsEcho is a front that answers with what was asked for, if the answer has or has not
// allowed something.
func corsEcho(name, asked string, allowed bool) func(http.Handler) http.Handler {
	return onAnswer(func(r *http.Request, _ int, h http.Header) {
		if l := r.Header[asked]; corsIsPreflight(r, 0) && len(l) > 0 && (h.Get("Access-Control-Allow-Origin") != "") == allowed {
			h.Set(name, strings.Join(l, ","))
		}
	})
}

func corsPreflightMutants() []Mutant {
	const method, methods, header, headers, list = "cors/method-refused", "cors/methods-named", "cors/header-refused", "cors/headers-named", "cors/list-as-browsers-write-it"
	const hostile, private, opened, plain = "cors/hostile-list", "cors/private-network-off", "cors/private-network-allowed", "cors/plain-options"
	const allowMethods, allowHeaders, allowPrivate = "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Allow-Private-Network"
	without := func(name string) func([]string) []string {
		return corsEachName(func(names []string) []string {
			return slices.DeleteFunc(names, func(n string) bool { return n == name })
		})
	}
	return []Mutant{
		{Name: "methods without regard to case", Slug: method, Front: corsAsked(corsRequestMethod, corsEachLine(strings.ToUpper))},
		{Name: "of a list of methods the first counts", Slug: method, Front: corsAsked(corsRequestMethod, corsEachLine(func(l string) string { first, _, _ := strings.Cut(l, ","); return first }))},
		{Name: "of two methods the first counts", Slug: method, Front: corsAsked(corsRequestMethod, func(l []string) []string { return l[:1] })},
		{Name: "an empty method is none", Slug: method, Front: corsAsked(corsRequestMethod, func(l []string) []string {
			return slices.DeleteFunc(l, func(s string) bool { return s == "" })
		})},
		{Name: "a method that is refused is sent back", Slug: method, Front: corsEcho(allowMethods, corsRequestMethod, false)},
		{Name: "the methods that would do are told", Slug: method, Front: corsAnswer(corsSets(corsItsMethods), corsIsPreflight)},
		{Name: "the method that was asked for is told alone", Slug: methods, Front: corsEcho(allowMethods, corsRequestMethod, true)},
		{Name: "methods are told in the order of the configuration", Slug: methods, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get(allowMethods) != "" {
				h.Set(allowMethods, "PUT,purge,DELETE,PATCH,X-Foo")
			}
		})},
		{Name: "the asterisk becomes the method that was asked for", Slug: "cors/methods-any", Front: corsEcho(allowMethods, corsRequestMethod, true)},
		{Name: "headers that are refused are sent back", Slug: header, Front: corsEcho(allowHeaders, corsRequestHeaders, false)},
		{Name: "of a list of headers the first counts", Slug: header, Front: corsAsked(corsRequestHeaders, corsEachLine(func(l string) string { first, _, _ := strings.Cut(l, ","); return first }))},
		{Name: "of two lists of headers the first counts", Slug: header, Front: corsAsked(corsRequestHeaders, func(l []string) []string { return l[:1] })},
		{Name: "of two lists of headers the last counts", Slug: header, Front: corsAsked(corsRequestHeaders, func(l []string) []string { return l[len(l)-1:] })},
		{Name: "Authorization needs no permission", Slug: header, Front: corsAsked(corsRequestHeaders, without("authorization"))},
		{Name: "the headers that were asked for are told alone", Slug: headers, Front: corsEcho(allowHeaders, corsRequestHeaders, true)},
		{Name: "headers are told as they were configured", Slug: headers, Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get(allowHeaders) != "" {
				h.Set(allowHeaders, "X-CSRF-Token,authorization,CONTENT-TYPE,x-Requested-With")
			}
		})},
		{Name: "headers are told although none was asked for", Slug: headers, Front: corsAnswer(corsSets(corsAllowHeaders+"authorization,content-type,x-csrf-token,x-requested-with"), corsIsPreflight)},
		{Name: "the asterisk covers Authorization", Slug: "cors/headers-any", Front: corsAsked(corsRequestHeaders, without("authorization"))},
		{Name: "the asterisk becomes the headers that were asked for", Slug: "cors/headers-any", Front: corsEcho(allowHeaders, corsRequestHeaders, true)},
		{Name: "who is listed is told so with a refusal", Slug: "cors/all-or-nothing", Front: corsAllower(func(o string) bool { return o == corsPage })},
		{Name: "how long a refusal holds is told", Slug: "cors/all-or-nothing", Front: corsAnswer(corsSets(corsMaxAge+"600"), corsIsPreflight)},
		{Name: "names in any case", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachLine(strings.ToLower))},
		{Name: "names in any order", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachName(func(n []string) []string { slices.Sort(n); return n }))},
		{Name: "names more than once", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachName(slices.Compact[[]string]))},
		{Name: "as many blanks as one likes", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachName(func(n []string) []string {
			for i := range n {
				n[i] = strings.TrimSpace(n[i])
			}
			return n
		}))},
		{Name: "empty elements are not counted", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachName(func(n []string) []string {
			return slices.DeleteFunc(n, func(s string) bool { return s == "" })
		}))},
		{Name: "no empty elements", Slug: list, Front: corsAsked(corsRequestHeaders, corsEachName(func(n []string) []string {
			return slices.Insert(n, 0, make([]string, 16)...)
		}))},
		{Name: "empty lines are not counted", Slug: list, Front: corsAsked(corsRequestHeaders, func(l []string) []string {
			return slices.DeleteFunc(l, func(s string) bool { return s == "" })
		})},
		{Name: "a long list is cut to fit", Slug: hostile, Front: corsAsked(corsRequestHeaders, corsEachLine(func(l string) string { return l[:min(len(l), 16)] }))},
		{Name: "a long list is a server error", Slug: hostile, Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if len(r.Header.Get(corsRequestHeaders)) > 8<<10 {
					panic("out of memory")
				}
				next.ServeHTTP(w, r)
			})
		}},
		{Name: "a long list is sent back", Slug: hostile, Front: corsEcho(allowHeaders, corsRequestHeaders, false)},
		{Name: "how long a preflight holds is told in minutes", Slug: "cors/max-age", Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Max-Age") == "600" {
				h.Set("Access-Control-Max-Age", "10")
			}
		})},
		{Name: "never is left to the browser", Slug: "cors/max-age", Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Max-Age") == "0" {
				h.Del("Access-Control-Max-Age")
			}
		})},
		{Name: "how long a preflight holds is told with each answer", Slug: "cors/max-age", Front: corsAnswer(corsSets(corsMaxAge+"600"), corsIsActual)},
		{Name: "headers are exposed to who is not listed", Slug: "cors/expose-headers", Front: corsAnswer(corsSets(corsExpose+"x-total"), corsIsActual)},
		{Name: "headers are exposed by the preflight", Slug: "cors/expose-headers", Front: corsAnswer(corsSets(corsExpose+"x-total"), corsIsPreflight)},
		{Name: "what every page may read is exposed", Slug: "cors/expose-headers", Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if h.Get("Access-Control-Expose-Headers") == "etag,x-a,x-b" {
				h.Set("Access-Control-Expose-Headers", "etag,pragma,x-a,x-b")
			}
		})},
		{Name: "CVE-2024-6221 flask-cors: the private network is open by default", Slug: private, Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.Header.Get(corsRequestPrivate) == "true" {
				h.Set(allowPrivate, "true")
			}
		})},
		{Name: "who asks for a private network is answered as if not", Slug: private, Front: onRequest(func(r *http.Request) { r.Header.Del(corsRequestPrivate) })},
		{Name: "a private network is asked for with true alone", Slug: private, Front: onRequest(func(r *http.Request) {
			if l := r.Header[corsRequestPrivate]; len(l) == 1 && l[0] != "true" {
				r.Header.Del(corsRequestPrivate)
			}
		})},
		{Name: "a private network is told to who did not ask", Slug: opened, Front: corsAnswer(corsSets(corsAllowPrivate), corsIsPreflight)},
		{Name: "a private network is told to none", Slug: opened, Front: corsAnswer(corsRemoves(allowPrivate), nil)},
		{Name: "a private network is told with the answer itself", Slug: opened, Front: corsAnswer(corsSets(corsAllowPrivate), corsIsActual)},
		{Name: "every OPTIONS is a preflight", Slug: plain, Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "OPTIONS" {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
		{Name: "every OPTIONS with an Origin is a preflight", Slug: plain, Front: onRequest(func(r *http.Request) {
			if r.Header.Get("Origin") != "" {
				r.Header.Set(corsRequestMethod, "GET")
			}
		})},
		{Name: "every OPTIONS with a method is a preflight", Slug: plain, Front: onRequest(func(r *http.Request) {
			if r.Header.Get(corsRequestMethod) != "" && r.Header.Get("Origin") == "" {
				r.Header.Set("Origin", corsEvil)
			}
		})},
		{Name: "options is OPTIONS", Slug: plain, Front: onRequest(func(r *http.Request) { r.Method = strings.ToUpper(r.Method) })},
		{Name: "another header says what the method is", Slug: plain, Front: onRequest(func(r *http.Request) {
			if m := r.Header.Get("X-Http-Method-Override"); m != "" {
				r.Method = m
			}
		})},
		{Name: "OPTIONS that is no preflight varies on Origin alone", Slug: plain, Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.Method == "OPTIONS" && !corsIsPreflight(r, 0) && h.Get("Vary") == strings.TrimPrefix(corsVaryPreflight, "Vary: ") {
				h.Set("Vary", "Origin")
			}
		})},
	}
}

func corsPlaceMutants() []Mutant {
	const before, group, ends, apart, route = "cors/preflight-before-authentication", "cors/on-a-group", "cors/group-ends-at-its-prefix", "cors/groups-apart", "cors/on-one-route"
	const anew, guard, bearer = "cors/made-in-a-handler", "cors/behind-a-guard", "cors/behind-bearer"
	// refuses is a front that answers preflights with a status of its own.
	refuses := func(status int, when func(*http.Request) bool) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if corsIsPreflight(r, 0) && when(r) {
					w.WriteHeader(status)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	always := func(*http.Request) bool { return true }
	at := func(paths ...string) func(*http.Request) bool {
		return func(r *http.Request) bool { return slices.Contains(paths, r.URL.Path) }
	}
	opens := func(when func(*http.Request) bool) func(http.Handler) http.Handler {
		return onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.Header.Get("Origin") == corsPage && when(r) {
				h.Set("Access-Control-Allow-Origin", corsPage)
			}
		})
	}
	// softened is a front that turns the complaint about the order into an answer.
	softened := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&soft{w, http.StatusInternalServerError}, r)
		})
	}
	return []Mutant{
		{Name: "a preflight needs credentials", Slug: before, Front: refuses(http.StatusUnauthorized, always)},
		{Name: "a preflight runs the handler", Slug: before, Front: corsHandled(always)},
		{Name: "a cookie of a preflight is looked up", Slug: "cors/preflight-ignores-credentials", Front: corsHandled(has("Cookie"))},
		{Name: "a token of a preflight is verified", Slug: "cors/preflight-ignores-credentials", Front: corsHandled(func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer x" })},
		{Name: "a preflight with credentials is none", Slug: "cors/preflight-ignores-credentials", Front: refuses(http.StatusUnauthorized, has("Cookie"))},
		{Name: "no preflight where no route is", Slug: "cors/on-everything", Front: refuses(http.StatusNotFound, at("/nothing", "/no/such/path"))},
		{Name: "no preflight where no route for OPTIONS is", Slug: "cors/on-everything", Front: refuses(http.StatusMethodNotAllowed, at("/me", "/login"))},
		{Name: "gin-contrib/cors#35, echo#228: a group's preflights are not found", Slug: group, Front: refuses(http.StatusNotFound, always)},
		{Name: "a group's preflights are answered for its routes alone", Slug: group, Front: refuses(http.StatusNotFound, at("/api/unknown"))},
		{Name: "a group's preflights need credentials", Slug: group, Front: refuses(http.StatusUnauthorized, at("/api/me"))},
		{Name: "fiber: what begins like a group is of the group", Slug: ends, Front: opens(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api") })},
		{Name: "fiber: preflights for what begins like a group are the group's", Slug: ends, Front: refuses(http.StatusNoContent, func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api") })},
		{Name: "groups without regard to case", Slug: ends, Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if strings.HasPrefix(strings.ToLower(r.URL.Path), "/api/") {
				h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
			}
		})},
		{Name: "what one group allows another allows", Slug: apart, Front: opens(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/partner") })},
		{Name: "the first group's policy is everybody's", Slug: apart, Front: corsAnswer(corsRemoves("Access-Control-Allow-Credentials"), nil)},
		{Name: "the outer group's policy counts", Slug: "cors/group-in-group", Front: opens(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/admin") })},
		{Name: "of two groups the one whose name is longer counts", Slug: "cors/group-in-group", Front: refuses(http.StatusNoContent, at("/api/adminx"))},
		{Name: "what the outer policy allows is left", Slug: "cors/two-policies", Front: opens(at("/inner"))},
		{Name: "each policy says for itself what answers vary on", Slug: "cors/two-policies", Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
			if r.URL.Path == "/same" {
				h.Add("Vary", h.Get("Vary"))
			}
		})},
		{Name: "a route's policy is for what is below it", Slug: route, Front: opens(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/open") })},
		{Name: "a route's OPTIONS is always a preflight", Slug: route, Front: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == "OPTIONS" && r.Header.Get("Origin") == "" {
					w.Header().Set("Vary", "Origin")
					w.WriteHeader(http.StatusNoContent)
					return
				}
				next.ServeHTTP(w, r)
			})
		}},
		{Name: "behind a session a preflight asks for it", Slug: "cors/behind-session", Front: corsHandled(has("Cookie"))},
		{Name: "CVE-2019-18978 rack-cors: the policy of the path before it is resolved", Slug: "cors/path-spelling-in-groups", Front: corsResolved},
		{Name: "CVE-2020-25032 flask-cors: a policy for whatever the path has in it", Slug: "cors/path-spelling-in-groups", Front: opens(func(r *http.Request) bool { return strings.Contains(r.RequestURI, "/api") })},
		{Name: "a policy for paths without regard to case", Slug: "cors/path-spelling-on-routes", Front: func(next http.Handler) http.Handler {
			return onRequest(func(r *http.Request) { to(r, strings.ToLower(r.RequestURI)) })(opens(func(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, "/private") })(next))
		}},
		{Name: "CVE-2019-18978 rack-cors: a policy for what a path begins with", Slug: "cors/path-spelling-on-routes", Front: opens(func(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, "/open") })},
		{Name: "CVE-2026-41135 free5GC: what is made in a handler is kept", Slug: anew, Front: func(next http.Handler) http.Handler {
			var mu sync.Mutex
			var kept [][]byte
			return onRequest(func(*http.Request) {
				mu.Lock()
				defer mu.Unlock()
				kept = append(kept, make([]byte, 64<<10))
			})(next)
		}},
		{Name: "CVE-2026-41135 free5GC: what is made in a handler is run with what was made before", Slug: anew, Front: func(next http.Handler) http.Handler {
			var mu sync.Mutex
			made := 0
			return onAnswer(func(_ *http.Request, _ int, h http.Header) {
				mu.Lock()
				defer mu.Unlock()
				if made++; made > 900 {
					h.Add("Vary", "Origin")
				}
			})(next)
		}},
		{Name: "a misplaced CORS is answered with 200", Slug: guard, Front: softened},
		{Name: "a misplaced CORS has its headers", Slug: guard, Front: corsAnswer(corsSets(corsAllowOrigin+corsPage), corsWithStatus(500))},
		{Name: "a misplaced CORS answers preflights for who is not logged in", Slug: guard, Front: refuses(http.StatusNoContent, func(r *http.Request) bool { return r.Header.Get("Cookie") == "" })},
		{Name: "a CORS misplaced behind tokens is answered with 200", Slug: bearer, Front: softened},
		{Name: "an optional token is one that is required", Slug: bearer, Front: refuses(http.StatusInternalServerError, at("/either"))},
		{Name: "a refused token is told to no page", Slug: "cors/in-front-of-bearer", Front: corsAnswer(corsVoid, corsWithStatus(401))},
		{Name: "what a token varies on replaces Origin", Slug: "cors/in-front-of-bearer", Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if slices.Contains(h.Values("Vary"), "Authorization") {
				h.Set("Vary", "Authorization")
			}
		})},
	}
}

// corsResolved is a front that has the path resolved behind CORS: it is the path as it came
// that has a policy, and the resolved one that is served.
func corsResolved(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.RequestURI, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		resolved := r.Clone(r.Context())
		if plain, err := url.PathUnescape(r.URL.EscapedPath()); err == nil {
			to(resolved, path.Clean("/"+plain))
		}
		onAnswer(func(_ *http.Request, _ int, h http.Header) {
			h.Set("Access-Control-Allow-Origin", corsPage)
		})(next).ServeHTTP(w, resolved)
	})
}

func corsLifeMutants() []Mutant {
	by := func(r *http.Request) string {
		return r.Method + r.Header.Get("Origin") + r.Header.Get(corsRequestMethod) + r.Header.Get(corsRequestHeaders)
	}
	return []Mutant{
		{Name: "what was answered once is answered always", Slug: "cors/replace", Front: rememberedBy(by)},
		{Name: "what is warned of is not allowed", Slug: "cors/config-warning", Front: onRequest(func(r *http.Request) {
			if r.Header.Get("Origin") == "https://app.example.net" {
				r.Header.Del("Origin")
			}
		})},
		{Name: "a refused policy leaves none", Slug: "cors/replace-refused", Front: func(next http.Handler) http.Handler {
			var mu sync.Mutex
			asked := 0
			return onAnswer(func(_ *http.Request, _ int, h http.Header) {
				mu.Lock()
				defer mu.Unlock()
				if asked++; asked > 4 {
					corsVoid(h)
				}
			})(next)
		}},
		{Name: "the event does not say which browser asked", Slug: "cors/debug-events", Front: onRequest(func(r *http.Request) { r.Header.Del("User-Agent") })},
		{Name: "the event is of another client", Slug: "cors/debug-events", Front: onRequest(func(r *http.Request) { r.RemoteAddr = "192.0.2.1:1" })},
		{Name: "a refusal by origin is one by method", Slug: "cors/debug-events", Front: onRequest(func(r *http.Request) {
			if r.Header.Get("Origin") == corsEvil {
				r.Header.Set("Origin", corsPage)
				r.Header.Set(corsRequestMethod, "FOO")
			}
		})},
	}
}

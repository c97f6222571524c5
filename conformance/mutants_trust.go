package conformance

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core/session"
)

// trustMutants break the rules of trustCases.
func trustMutants() []Mutant {
	return slices.Concat(addressMutants(), overrideMutants(), pathMutants(), identityMutants(), denyMutants())
}

// believer is a front that takes a request for that of whoever logged in last, if
// believe says so: as far as the application can tell, a check was passed.
func believer(believe func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var last lastCookie
		return last.watch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			if believe(r) {
				last.lend(r)
			}
			next.ServeHTTP(w, r)
		}))
	}
}

// lastCookie is the session cookie that was set last.
type lastCookie struct {
	mu    sync.Mutex
	value string
}

func (l *lastCookie) watch(next http.Handler) http.Handler {
	return onAnswer(func(_ *http.Request, _ int, h http.Header) {
		if c := parseSetCookie(h.Get("Set-Cookie")); c.Name == defaultCookie {
			l.mu.Lock()
			l.value = c.Value
			l.mu.Unlock()
		}
	})(next)
}

func (l *lastCookie) lend(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.value != "" {
		r.Header.Set("Cookie", defaultCookie+"="+l.value)
	}
}

func has(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.Header.Get(name) != "" }
}

func addressMutants() []Mutant {
	const ignored, trusted, option = "trust/forwarded-address-ignored", "trust/forwarded-address-by-trusted-proxy", "trust/client-ip-option"
	claimed := func(name string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			first, _, _ := strings.Cut(r.Header.Get(name), ",")
			first = strings.Trim(strings.TrimPrefix(first, "for="), `"[] `)
			if first != "" {
				r.RemoteAddr = net.JoinHostPort(first, "1234")
			}
		})
	}
	forwarded := func(change func([]string) []string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if l := r.Header["X-Forwarded-For"]; len(l) > 0 {
				r.Header["X-Forwarded-For"] = change(l)
			}
		})
	}
	each := func(f func(string) string) func([]string) []string {
		return func(lines []string) []string {
			for i := range lines {
				lines[i] = f(lines[i])
			}
			return lines
		}
	}
	return []Mutant{
		{Name: "CVE-2020-28483 gin, CVE-2023-41338 fiber: X-Forwarded-For of anybody is believed", Slug: ignored, Front: claimed("X-Forwarded-For")},
		{Name: "CVE-2026-45045 fiber: X-Real-IP of anybody is believed", Slug: ignored, Front: claimed("X-Real-IP")},
		{Name: "GHSA-3fxj-6jh8-hvhx chi: True-Client-IP of anybody is believed", Slug: ignored, Front: claimed("True-Client-IP")},
		{Name: "Forwarded of anybody is believed", Slug: ignored, Front: claimed("Forwarded")},
		{Name: "CF-Connecting-IP of anybody is believed", Slug: ignored, Front: claimed("CF-Connecting-IP")},
		{Name: "the rightmost X-Forwarded-For of anybody is believed", Slug: ignored, Front: onRequest(func(r *http.Request) {
			if l := r.Header["X-Forwarded-For"]; len(l) > 0 {
				last := l[len(l)-1]
				r.RemoteAddr = net.JoinHostPort(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "1234")
			}
		})},

		{Name: "CVE-2026-45364 better-auth: the leftmost address counts", Slug: trusted, Front: forwarded(func(l []string) []string {
			first, _, _ := strings.Cut(l[0], ",")
			return []string{first}
		})},
		{Name: "only the first X-Forwarded-For line is read", Slug: trusted, Front: forwarded(func(l []string) []string { return l[:1] })},
		{Name: "only the last X-Forwarded-For line is read", Slug: trusted, Front: forwarded(func(l []string) []string { return l[len(l)-1:] })},
		{Name: "only the last hop of all is read", Slug: trusted, Front: forwarded(func(l []string) []string {
			last := l[len(l)-1]
			return []string{last[strings.LastIndexByte(last, ',')+1:]}
		})},
		{Name: "garbage among the hops is stepped over", Slug: trusted, Front: forwarded(each(func(s string) string {
			return strings.NewReplacer(", garbage", "", "garbage, ", "").Replace(s)
		}))},
		{Name: "an empty hop is stepped over", Slug: trusted, Front: forwarded(func(l []string) []string {
			return slices.DeleteFunc(each(func(s string) string { return strings.TrimSuffix(s, ",") })(l), func(s string) bool { return s == "" })
		})},
		{Name: "a port among the hops is cut off", Slug: trusted, Front: forwarded(each(replace(":4711", "")))},
		{Name: "behind a trusted proxy X-Real-IP counts", Slug: trusted, Front: claimed("X-Real-IP")},
		{Name: "behind a trusted proxy Forwarded counts", Slug: trusted, Front: claimed("Forwarded")},
		{Name: "CVE-2025-64484 oauth2-proxy: X_Forwarded_For is X-Forwarded-For", Slug: trusted, Front: onRequest(func(r *http.Request) {
			if v := r.Header["X_forwarded_for"]; len(v) > 0 {
				r.Header["X-Forwarded-For"] = v
			}
		})},

		{Name: "where the ClientIP function is silent a header speaks", Slug: option, Front: claimed("X-Forwarded-For")},
		{Name: "X-Forwarded-For is taken away before anybody sees it", Slug: option, Front: onRequest(func(r *http.Request) {
			r.Header.Del("X-Forwarded-For")
		})},
	}
}

// to sends a request to another path.
func to(r *http.Request, target string) {
	if u, err := url.ParseRequestURI(target); err == nil && strings.HasPrefix(target, "/") {
		r.URL, r.RequestURI = u, target
	}
}

func overrideMutants() []Mutant {
	const override, method = "trust/url-override-headers-ignored", "trust/method-override-ignored"
	routed := func(name string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) { to(r, r.Header.Get(name)) })
	}
	overridden := func(read func(*http.Request) string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if m := read(r); m != "" {
				r.Method = m
			}
		})
	}
	header := func(name string) func(*http.Request) string {
		return func(r *http.Request) string { return r.Header.Get(name) }
	}
	return []Mutant{
		{Name: "CVE-2018-14773 Symfony: X-Original-URL is the target", Slug: override, Front: routed("X-Original-URL")},
		{Name: "CVE-2018-14773 Symfony: X-Rewrite-URL is the target", Slug: override, Front: routed("X-Rewrite-URL")},
		{Name: "CVE-2026-40575 oauth2-proxy: X-Forwarded-Uri says what is protected", Slug: override,
			Front: believer(func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Uri") == "/public" })},
		{Name: "X-Forwarded-Prefix becomes part of the path", Slug: override,
			Front: onRequest(func(r *http.Request) {
				if p := r.Header.Get("X-Forwarded-Prefix"); p != "" {
					to(r, p+r.URL.Path)
				}
			})},
		{Name: "CVE-2026-33495 oathkeeper: X-Forwarded-Proto of anybody is believed", Slug: override,
			Front: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("X-Forwarded-Proto") == "http" {
						http.Redirect(w, r, "https://"+r.Host+r.URL.Path, http.StatusMovedPermanently)
						return
					}
					next.ServeHTTP(w, r)
				})
			}},
		{Name: "CVE-2023-41338 fiber: X-Forwarded-For: 127.0.0.1 is at home", Slug: override,
			Front: believer(func(r *http.Request) bool { return r.Header.Get("X-Forwarded-For") == "127.0.0.1" })},
		{Name: "X-Forwarded-Host: localhost is at home", Slug: override,
			Front: believer(func(r *http.Request) bool { return r.Header.Get("X-Forwarded-Host") == "localhost" })},

		{Name: "X-HTTP-Method-Override is the method", Slug: method, Front: overridden(header("X-HTTP-Method-Override"))},
		{Name: "X-HTTP-Method is the method", Slug: method, Front: overridden(header("X-HTTP-Method"))},
		{Name: "X-Method-Override is the method", Slug: method, Front: overridden(header("X-Method-Override"))},
		{Name: "_method in the query is the method", Slug: method, Front: overridden(func(r *http.Request) string {
			return r.URL.Query().Get("_method")
		})},
		{Name: "POST may be overridden to GET", Slug: method, Front: overridden(func(r *http.Request) string {
			if r.Method == "POST" {
				return r.Header.Get("X-Original-Method")
			}
			return ""
		})},
	}
}

func pathMutants() []Mutant {
	const spelling, methods, skipped = "trust/path-spelling-opens-nothing", "trust/methods-are-guarded-alike", "trust/skipped-path-is-exact"
	// unchecked is a front that judges a path as it is written and serves it as
	// read makes of it: what is not /admin needs no check, and becomes /admin.
	unchecked := func(read func(string) string) func(http.Handler) http.Handler {
		return believer(func(r *http.Request) bool {
			written := r.RequestURI
			if read(written) != "/admin" || written == "/admin" {
				return false
			}
			to(r, "/admin")
			return true
		})
	}
	unescape := func(s string) string {
		if u, err := url.PathUnescape(s); err == nil {
			return u
		}
		return s
	}
	before := func(sep string) func(string) string {
		return func(s string) string {
			s, _, _ = strings.Cut(s, sep)
			return s
		}
	}
	open := func(method string) func(http.Handler) http.Handler {
		return believer(func(r *http.Request) bool { return r.Method == method })
	}
	routedAs := func(method string, as string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if r.URL.Path == "/admin" && r.Method == method {
				r.Method = as
			}
		})
	}
	return []Mutant{
		{Name: "CVE-2026-47676 hono: a doubled slash is no protected path", Slug: spelling, Front: unchecked(replace("//", "/"))},
		{Name: "a path is protected before it is cleaned", Slug: spelling, Front: unchecked(func(s string) string {
			u, err := url.Parse("http://h/x/y")
			if err != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
				return s
			}
			ref, err := u.Parse(s)
			if err != nil {
				return s
			}
			return ref.Path
		})},
		{Name: "a path is protected before its escapes are undone", Slug: spelling, Front: unchecked(unescape)},
		{Name: "GO-2026-4950 fasthttp: escapes are undone twice", Slug: spelling, Front: unchecked(func(s string) string { return unescape(unescape(s)) })},
		{Name: "CVE-2026-55677 echo: %2F in a path is no slash to the guard", Slug: spelling,
			Front: unchecked(func(s string) string { return strings.TrimSuffix(replace("%2F", "/")(s), "/") })},
		{Name: "CVE-2026-25766 echo: a backslash is no slash to the guard", Slug: spelling, Front: unchecked(replace("/\\", "/"))},
		{Name: "a trailing slash is another path to the guard", Slug: spelling, Front: unchecked(func(s string) string { return strings.TrimSuffix(s, "/") })},
		{Name: "letter case is another path to the guard", Slug: spelling, Front: unchecked(strings.ToLower)},
		{Name: "a path parameter is another path to the guard", Slug: spelling, Front: unchecked(before(";"))},
		{Name: "a NUL ends the path after the guard", Slug: spelling, Front: unchecked(before("%00"))},
		{Name: "CVE-2026-41059 oauth2-proxy: a fragment hides the path", Slug: spelling, Front: unchecked(before("#"))},
		{Name: "CVE-2025-54576 oauth2-proxy: a rule for public paths matches the query", Slug: spelling,
			Front: believer(func(r *http.Request) bool {
				return strings.HasSuffix(r.RequestURI, "/public") && r.URL.Path == "/admin"
			})},
		{Name: "a suffix for a format is another path to the guard", Slug: spelling, Front: unchecked(replace(".json", ""))},
		{Name: "an absolute target is no path to the guard", Slug: spelling,
			Front: believer(func(r *http.Request) bool {
				return strings.HasPrefix(r.RequestURI, "http://") && r.URL.Path == "/admin"
			})},
		{Name: "one user's page is found where another's is not", Slug: spelling,
			Front: onRequest(func(r *http.Request) {
				if r.URL.Path == "/admin/" && r.Header.Get("Cookie") != "" {
					to(r, "/admin")
				}
			})},

		{Name: "CVE-2026-45075 Symfony: HEAD needs no check", Slug: methods, Front: open("HEAD")},
		{Name: "OPTIONS needs no check", Slug: methods, Front: open("OPTIONS")},
		{Name: "an unknown method needs no check", Slug: methods, Front: open("FOO")},
		{Name: "HEAD runs what is meant for GET", Slug: methods, Front: routedAs("HEAD", "GET")},
		{Name: "an unknown method runs what is meant for GET", Slug: methods, Front: routedAs("QUERY", "GET")},
		{Name: "a method in lower case is the same", Slug: methods, Front: routedAs("get", "GET")},

		{Name: "CVE-2025-54576 oauth2-proxy: the skipped path may stand in the query", Slug: skipped,
			Front: believer(func(r *http.Request) bool { return strings.Contains(r.RequestURI, "/public") })},
		{Name: "GHSA-vfp3-v2gw-7wfq echo: what lies above the skipped path is skipped", Slug: skipped,
			Front: believer(func(r *http.Request) bool {
				skip := strings.HasPrefix(r.RequestURI, "/public/") && strings.HasSuffix(r.RequestURI, "admin")
				if skip {
					to(r, "/admin")
				}
				return skip
			})},
		{Name: "what the middleware skipped is answered as if nobody guarded it", Slug: skipped,
			Front: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					var body strings.Builder
					first := &leaking{unheard: unheard{header: http.Header{}}, to: &body}
					next.ServeHTTP(first, r.Clone(r.Context()))
					if first.status == http.StatusInternalServerError {
						to(r, "/public")
						next.ServeHTTP(w, r)
						return
					}
					maps.Copy(w.Header(), first.header)
					w.WriteHeader(max(first.status, http.StatusOK))
					_, _ = io.WriteString(w, body.String())
				})
			}},
	}
}

func identityMutants() []Mutant {
	const identity, trailer, marker, agent = "trust/identity-headers-ignored", "trust/trailers-are-no-headers", "trust/markers-ignored", "trust/user-agent-opens-nothing"
	return []Mutant{
		{Name: "CVE-2026-30851 caddy forward_auth: the client's own X-User is believed", Slug: identity, Front: believer(has("X-User"))},
		{Name: "Remote-User of anybody is believed", Slug: identity, Front: believer(has("Remote-User"))},
		{Name: "X-Forwarded-User of anybody is believed", Slug: identity, Front: believer(has("X-Forwarded-User"))},
		{Name: "CVE-2025-64484 oauth2-proxy: X_User passes where X-User is stripped", Slug: identity, Front: believer(has("X_User"))},
		{Name: "only the first of two X-User lines is stripped", Slug: identity, Front: believer(func(r *http.Request) bool {
			return len(r.Header.Values("X-User")) > 1
		})},
		{Name: "CVE-2024-45410 traefik: Connection takes headers away", Slug: identity, Front: onRequest(func(r *http.Request) {
			for _, name := range strings.Split(r.Header.Get("Connection"), ",") {
				if name = strings.TrimSpace(name); !strings.EqualFold(name, "close") {
					r.Header.Del(name)
				}
			}
		})},
		{Name: "CVE-2026-29054 traefik: Connection: X-User keeps X-User from being stripped", Slug: identity, Front: believer(func(r *http.Request) bool {
			return strings.Contains(r.Header.Get("Connection"), "X-User") && r.Header.Get("X-User") != ""
		})},
		{Name: "CVE-2026-42602 otel azureauth: any bearer token will do", Slug: identity, Front: believer(func(r *http.Request) bool {
			return strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ")
		})},
		{Name: "the cookie's value may stand in Authorization", Slug: identity, Front: onRequest(func(r *http.Request) {
			if v := r.Header.Get("Authorization"); newValue.MatchString(v) {
				r.Header.Set("Cookie", defaultCookie+"="+v)
			}
		})},

		{Name: "trailers are merged into the header", Slug: trailer, Front: mergeTrailers},
		{Name: "a trailer that names a user is believed", Slug: trailer, Front: func(next http.Handler) http.Handler {
			return mergeTrailers(believer(has("X-User"))(next))
		}},

		{Name: "CVE-2025-29927 Next.js: a marker header skips the middleware", Slug: marker, Front: believer(has("X-Middleware-Subrequest"))},
		{Name: "X-Auth-Checked says that a check was made", Slug: marker, Front: believer(has("X-Auth-Checked"))},
		{Name: "gofiber PR 4469: an id in the query is taken for the cookie's", Slug: marker, Front: onRequest(func(r *http.Request) {
			if v := r.URL.Query().Get("session"); v != "" {
				r.Header.Set("Cookie", defaultCookie+"="+v)
			}
		})},

		{Name: "CVE-2026-34457 oauth2-proxy: a health check's User-Agent passes", Slug: agent, Front: believer(func(r *http.Request) bool {
			return r.UserAgent() == "GoogleHC/1.0"
		})},
		{Name: "?debug=1 passes", Slug: agent, Front: believer(func(r *http.Request) bool { return r.URL.Query().Get("debug") == "1" })},
		{Name: "an upgrade passes", Slug: agent, Front: believer(has("Upgrade"))},
	}
}

// mergeTrailers is a front that reads a request to its end and then sees no
// difference between header and trailer section.
func mergeTrailers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		for name, values := range r.Trailer {
			for _, v := range values {
				r.Header.Add(name, v)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// lenient is a store that answers from what it saw before when it cannot answer.
type lenient struct {
	session.Store
	mu   sync.Mutex
	seen map[session.StoreKey]session.Entry
}

func (l *lenient) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := l.Store.Load(ctx, keys, out)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, k := range keys {
		if err != nil {
			out[i] = l.seen[k]
		} else {
			l.seen[k] = out[i]
		}
	}
	return nil
}

func (l *lenient) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	l.mu.Lock()
	l.seen[key] = e
	l.mu.Unlock()
	return l.Store.Create(ctx, key, e, a)
}

func denyMutants() []Mutant {
	const order, stands, own, panics = "trust/guards-in-any-order", "trust/refusal-stands", "trust/refusal-stands-in-own-words", "trust/panic-under-recovery"
	const missing, late = "trust/missing-middleware-closes", "trust/late-middleware-closes"
	// continues runs the handler for requests that were refused with one of the
	// statuses, and adds what it says to the refusal if leaks.
	continues := func(leaks bool, statuses ...int) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			var last lastCookie
			return last.watch(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := 0
				next.ServeHTTP(&changer{ResponseWriter: w, r: r, change: func(_ *http.Request, s int, h http.Header) {
					status = s
					if leaks && slices.Contains(statuses, s) {
						h.Del("Content-Length")
					}
				}}, r)
				if !slices.Contains(statuses, status) {
					return
				}
				again := r.Clone(r.Context())
				last.lend(again)
				d := &leaking{unheard: unheard{header: http.Header{}}, to: io.Discard}
				if leaks {
					d.to = w
				}
				defer func() { _ = recover() }()
				next.ServeHTTP(d, again)
			}))
		}
	}
	// softened is a front that turns one status into 200.
	softened := func(status int) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(&soft{w, status}, r)
			})
		}
	}
	return []Mutant{
		{Name: "CVE-2026-44882 portainer: the handler runs although 401 was sent", Slug: stands, Front: continues(false, 401)},
		{Name: "the handler runs although 403 was sent", Slug: stands, Front: continues(false, 403)},
		{Name: "CVE-2026-44882 portainer: the page follows the refusal", Slug: stands, Front: continues(true, 401, 403)},
		{Name: "a refusal is answered with 200", Slug: stands, Front: softened(403)},
		{Name: "a store that fails leaves everybody logged in", Slug: stands,
			Store: func(s session.Store) session.Store {
				return &lenient{Store: s, seen: map[session.StoreKey]session.Entry{}}
			}},
		{Name: "the handler runs although the application's refusal was sent", Slug: own, Front: continues(false, 401, 403)},
		{Name: "an application's refusal is answered with 200", Slug: own, Front: softened(401)},
		{Name: "the handler runs although a guard refused", Slug: order, Front: continues(false, 403)},
		{Name: "a store that fails is as good as one that answers", Slug: order,
			Store: func(s session.Store) session.Store {
				return &lenient{Store: s, seen: map[session.StoreKey]session.Entry{}}
			}},
		{Name: "every guard looks into the store", Slug: order,
			Store: func(s session.Store) session.Store { return twiceLoaded{s} }},
		{Name: "CVE-2026-24894 FrankenPHP: who was on the connection before stays logged in", Slug: panics,
			Front: func(next http.Handler) http.Handler {
				var last sync.Map // connection, cookie
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r = r.Clone(r.Context())
					if c := r.Header.Get("Cookie"); c != "" {
						last.Store(r.RemoteAddr, c)
					} else if c, ok := last.Load(r.RemoteAddr); ok {
						r.Header.Set("Cookie", c.(string))
					}
					next.ServeHTTP(w, r)
				})
			}},
		{Name: "a panic is answered with 200", Slug: panics, Front: softened(500)},
		{Name: "a missing middleware is answered with 200", Slug: missing, Front: softened(500)},
		{Name: "a late middleware is answered with 200", Slug: late, Front: softened(500)},
	}
}

// leaking is an answer whose body goes elsewhere.
type leaking struct {
	unheard
	to io.Writer
}

func (l *leaking) Write(p []byte) (int, error) { return l.to.Write(p) }

// soft turns one status into 200.
type soft struct {
	http.ResponseWriter
	status int
}

func (s *soft) WriteHeader(status int) {
	if status == s.status {
		status = http.StatusOK
	}
	s.ResponseWriter.WriteHeader(status)
}

// twiceLoaded reads everything twice.
type twiceLoaded struct{ session.Store }

func (s twiceLoaded) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if err := s.Store.Load(ctx, keys, out); err != nil {
		return err
	}
	return s.Store.Load(ctx, keys, out)
}

package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/session"
)

// cookieMutants break the rules of cookieCases.
func cookieMutants() []Mutant {
	return slices.Concat(setCookieMutants(), cachingMutants(), readCookieMutants(), hostileCookieMutants())
}

// onAnswer is a front that changes an answer's header just before it leaves.
func onAnswer(change func(r *http.Request, status int, h http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := &changer{ResponseWriter: w, r: r, change: change}
			next.ServeHTTP(c, r)
			c.leave(http.StatusOK)
		})
	}
}

type changer struct {
	http.ResponseWriter
	r      *http.Request
	change func(*http.Request, int, http.Header)
	left   bool
}

func (c *changer) leave(status int) {
	if !c.left && status >= 200 {
		c.left = true
		c.change(c.r, status, c.Header())
	}
}

func (c *changer) WriteHeader(status int) {
	c.leave(status)
	c.ResponseWriter.WriteHeader(status)
}

func (c *changer) Write(p []byte) (int, error) {
	c.leave(http.StatusOK)
	return c.ResponseWriter.Write(p)
}

func (c *changer) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// onRequest is a front that changes a request before the adapter sees it.
func onRequest(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r = r.Clone(r.Context())
			change(r)
			next.ServeHTTP(w, r)
		})
	}
}

// eachSetCookie is a front that changes every Set-Cookie line for which when, if
// there is one, holds.
func eachSetCookie(change func(string) string, when func(r *http.Request, status int, line string) bool) func(http.Handler) http.Handler {
	return onAnswer(func(r *http.Request, status int, h http.Header) {
		lines := slices.Clone(h["Set-Cookie"])
		for i, l := range lines {
			if when == nil || when(r, status, l) {
				lines[i] = change(l)
			}
		}
		if lines != nil {
			h["Set-Cookie"] = lines
		}
	})
}

func replace(old, with string) func(string) string {
	return func(s string) string { return strings.ReplaceAll(s, old, with) }
}

func setCookieMutants() []Mutant {
	const everyAnswer = "cookie/attributes-on-every-answer"
	deletes := func(_ *http.Request, _ int, line string) bool { return strings.Contains(line, "Max-Age=0") }
	return []Mutant{
		{Name: "CVE-2018-25060 go-macaron/csrf: Secure is ignored", Slug: everyAnswer,
			Front: eachSetCookie(replace("; Secure", ""), nil)},
		{Name: "CVE-2022-4683 memos: the session cookie has neither Secure nor prefix", Slug: everyAnswer,
			Config: func(cfg *session.Config) { cfg.Cookie.InsecureHTTP = true }},
		{Name: "CVE-2022-39284 CodeIgniter: HttpOnly is ignored", Slug: everyAnswer,
			Front: eachSetCookie(replace("; HttpOnly", ""), nil)},
		{Name: "SameSite is left to the browser's default", Slug: everyAnswer,
			Front: eachSetCookie(replace("; SameSite=Lax", ""), nil)},
		{Name: "CVE-2024-28197 zitadel: sub-domains share the cookie", Slug: everyAnswer,
			Front: eachSetCookie(replace("; Path=/", "; Path=/; Domain=example.com"), nil)},
		{Name: "HttpOnly is lost on error pages", Slug: everyAnswer,
			Front: eachSetCookie(replace("; HttpOnly", ""), func(_ *http.Request, status int, _ string) bool { return status >= 400 })},
		{Name: "Secure is lost on redirects", Slug: everyAnswer,
			Front: eachSetCookie(replace("; Secure", ""), func(_ *http.Request, status int, _ string) bool { return status == 303 })},
		{Name: "SameSite is lost on HEAD", Slug: everyAnswer,
			Front: eachSetCookie(replace("; SameSite=Lax", ""), func(r *http.Request, _ int, _ string) bool { return r.Method == "HEAD" })},
		{Name: "SameSite is lost when a read extends the cookie", Slug: everyAnswer,
			Front: eachSetCookie(replace("; SameSite=Lax", ""), func(r *http.Request, _ int, _ string) bool { return r.Method == "GET" })},
		{Name: "the deletion lacks Secure, so that browsers refuse it", Slug: everyAnswer,
			Front: eachSetCookie(replace("; Secure", ""), deletes)},
		{Name: "the deletion has another Path, and deletes nothing", Slug: everyAnswer,
			Front: eachSetCookie(replace("; Path=/", "; Path=/logout"), deletes)},
		{Name: "the cookie outlives the session", Slug: everyAnswer,
			Front: eachSetCookie(replace("Max-Age=86400", "Max-Age=31536000"), nil)},
		{Name: "an answer that asked nothing sets a cookie", Slug: everyAnswer,
			Front: onAnswer(func(r *http.Request, status int, h http.Header) {
				if status == 404 && r.Method == "GET" {
					h.Add("Set-Cookie", "__Host-visitor=1; Path=/; Secure; HttpOnly; SameSite=Lax")
				}
			})},
		{Name: "a cookie that was stored is lost with a failed answer", Slug: everyAnswer,
			Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
				if status == 503 {
					h.Del("Set-Cookie")
				}
			})},

		{Name: "SameSite=Strict is sent as Lax", Slug: "cookie/configured-forms",
			Front: eachSetCookie(replace("SameSite=Strict", "SameSite=Lax"), nil)},
		{Name: "Partitioned is dropped", Slug: "cookie/configured-forms",
			Front: eachSetCookie(replace("; Partitioned", ""), nil)},
		{Name: "the configured cookie is not used", Slug: "cookie/configured-forms",
			Config: func(cfg *session.Config) { cfg.Cookie = cookie.Config{} }},
		{Name: "the deletion of a domain's cookie names no domain", Slug: "cookie/configured-forms",
			Front: eachSetCookie(replace("; Domain=example.com", ""), deletes)},

		{Name: "CVE-2026-33495 oathkeeper: X-Forwarded-Proto decides about Secure", Slug: "cookie/secure-never-dropped",
			Front: eachSetCookie(replace("; Secure", ""), func(r *http.Request, _ int, _ string) bool {
				return slices.Contains(r.Header.Values("X-Forwarded-Proto"), "http")
			})},
		{Name: "HTTP/1.0 gets a cookie without Secure", Slug: "cookie/secure-never-dropped",
			Front: eachSetCookie(replace("; Secure", ""), func(r *http.Request, _ int, _ string) bool { return !r.ProtoAtLeast(1, 1) })},

		{Name: "InsecureHTTP serves any Host", Slug: "cookie/insecure-http-loopback-only",
			Front: onRequest(func(r *http.Request) { r.Host = "localhost" })},
		{Name: "GHSA-93m4-mfpg-c3xf zitadel: X-Forwarded-Host takes the place of Host", Slug: "cookie/insecure-http-loopback-only",
			Front: onRequest(func(r *http.Request) {
				if h := r.Header.Get("X-Forwarded-Host"); h != "" {
					r.Host = h
				}
			})},

		{Name: "a cookie without prefix goes out beside ours, for old browsers", Slug: "cookie/one-line-per-name",
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if l := h.Get("Set-Cookie"); l != "" {
					h.Add("Set-Cookie", strings.Replace(l, "__Host-", "", 1))
				}
			})},
		{Name: "the cookie goes out twice", Slug: "cookie/one-line-per-name",
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				h["Set-Cookie"] = append(slices.Clone(h["Set-Cookie"]), h["Set-Cookie"]...)
			})},
		{Name: "a jar with duplicates is not repaired", Slug: "cookie/one-line-per-name",
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if lines := h["Set-Cookie"]; len(lines) > 1 {
					h["Set-Cookie"] = lines[len(lines)-1:]
				}
			})},
		{Name: "the session's data goes out in the cookie", Slug: "cookie/within-4096-bytes",
			Front: eachSetCookie(replace("; Path=/", "."+strings.Repeat("d", 4096)+"; Path=/"), nil)},
	}
}

func cachingMutants() []Mutant {
	const setting, asking, plain = "cookie/setting-answer-is-no-store", "cookie/asking-answer-varies", "cookie/untouched-answer-is-plain"
	sets := func(h http.Header) bool { return len(h["Set-Cookie"]) > 0 }
	varies := func(h http.Header) bool { return slices.Contains(h["Vary"], "Cookie") }
	return []Mutant{
		{Name: "CVE-2025-48947 nextjs-auth0: a cache may keep the cookie", Slug: setting,
			Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
				if sets(h) && strings.HasPrefix(r.URL.Path, "/cached/") {
					h.Set("Cache-Control", "public, max-age=600")
				}
			})},
		{Name: "CVE-2025-48947 nextjs-auth0: a cache may keep the cookie that a read extends", Slug: setting,
			Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
				if sets(h) && r.Method == "GET" {
					h.Set("Cache-Control", "private")
				}
			})},
		{Name: "a cache may keep a deletion", Slug: setting,
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if strings.Contains(h.Get("Set-Cookie"), "Max-Age=0") {
					h.Set("Cache-Control", "public, max-age=600")
				}
			})},
		{Name: "CVE-2023-30861 Flask: no Vary where the cookie is extended", Slug: setting,
			Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
				if sets(h) && r.Method == "GET" {
					h.Del("Vary")
				}
			})},

		{Name: "CVE-2014-1418 Django: no Vary on a page that depends on the session", Slug: asking,
			Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
				if status == 200 && !sets(h) {
					h.Del("Vary")
				}
			})},
		{Name: "only who sends a cookie gets Vary", Slug: asking,
			Front: onAnswer(func(r *http.Request, status int, h http.Header) {
				if status == 200 && r.Header.Get("Cookie") == "" && !sets(h) {
					h.Del("Vary")
				}
			})},
		{Name: "redirects have no Vary", Slug: asking,
			Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
				if status == 302 {
					h.Del("Vary")
				}
			})},
		{Name: "refusals have no Vary", Slug: asking,
			Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
				if status == 401 || status == 403 {
					h.Del("Vary")
				}
			})},
		{Name: "a personal page is not private", Slug: asking,
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if h.Get("Cache-Control") == "private" {
					h.Del("Cache-Control")
				}
			})},
		{Name: "the handler's own Vary is lost", Slug: asking,
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if varies(h) {
					h.Set("Vary", "Cookie")
				}
			})},
		{Name: "the handler's own Cache-Control is lost", Slug: asking,
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if varies(h) && !sets(h) && strings.HasPrefix(h.Get("Cache-Control"), "public") {
					h.Set("Cache-Control", "private")
				}
			})},

		{Name: "every answer varies on Cookie", Slug: plain,
			Front: onAnswer(func(_ *http.Request, _ int, h http.Header) {
				if !varies(h) {
					h.Add("Vary", "Cookie")
				}
			})},
		{Name: "every answer to a client with a cookie is private", Slug: plain,
			Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
				if r.Header.Get("Cookie") != "" && h.Get("Cache-Control") == "" {
					h.Set("Cache-Control", "private")
				}
			})},
		{Name: "every request reads the session", Slug: plain,
			Front: asksAlways},
	}
}

// asksAlways is a front that reads the session of every request that is not about
// it, as middlewares that load first and ask later do.
func asksAlways(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/public" && r.Header.Get("Cookie") != "" {
			also := r.Clone(r.Context())
			also.URL = &url.URL{Path: "/whoami"}
			next.ServeHTTP(&unheard{header: http.Header{}}, also)
		}
		next.ServeHTTP(w, r)
	})
}

// unheard is an answer that nobody gets.
type unheard struct {
	header http.Header
	status int
}

func (d *unheard) Header() http.Header { return d.header }

func (d *unheard) WriteHeader(status int) {
	if d.status == 0 {
		d.status = status
	}
}

func (d *unheard) Write(p []byte) (int, error) {
	d.WriteHeader(http.StatusOK)
	return len(p), nil
}

// eachPair is a front that changes the pairs of every Cookie line.
func eachPair(change func(name, value string, hasValue bool) string) func(http.Handler) http.Handler {
	return eachCookieLine(func(line string) string {
		pairs := strings.Split(line, ";")
		for i, p := range pairs {
			p = strings.TrimPrefix(p, " ")
			name, value, ok := strings.Cut(p, "=")
			pairs[i] = change(name, value, ok)
		}
		return strings.Join(pairs, "; ")
	})
}

// eachCookieLine is a front that changes every Cookie line.
func eachCookieLine(change func(string) string) func(http.Handler) http.Handler {
	return onRequest(func(r *http.Request) {
		for i, line := range r.Header["Cookie"] {
			r.Header["Cookie"][i] = change(line)
		}
	})
}

const defaultCookie = "__Host-session"

func readCookieMutants() []Mutant {
	const name, lines, quoted, echoed = "cookie/name-byte-for-byte", "cookie/several-header-lines", "cookie/no-quoted-grouping", "cookie/value-never-echoed"
	// rename reads a pair under the name that its own name becomes.
	rename := func(as func(string) string) func(http.Handler) http.Handler {
		return eachPair(func(name, value string, ok bool) string {
			if ok && as(name) == defaultCookie {
				name = defaultCookie
			}
			if !ok {
				return name
			}
			return name + "=" + value
		})
	}
	revalue := func(as func(string) string) func(http.Handler) http.Handler {
		return eachPair(func(name, value string, ok bool) string {
			if !ok {
				return name
			}
			return name + "=" + as(value)
		})
	}
	unescape := func(s string) string {
		if u, err := url.PathUnescape(s); err == nil {
			return u
		}
		return s
	}
	return []Mutant{
		{Name: "CVE-2023-23934 werkzeug: a nameless =name=value is read as name=value", Slug: name,
			Front: eachPair(func(name, value string, ok bool) string {
				if name == "" {
					return value
				}
				return name + map[bool]string{true: "="}[ok] + value
			})},
		{Name: "CVE-2020-8184 rack: percent-encoded names are decoded", Slug: name, Front: rename(unescape)},
		{Name: "names are compared without regard to case", Slug: name, Front: rename(func(s string) string {
			if strings.EqualFold(s, defaultCookie) {
				return defaultCookie
			}
			return s
		})},
		{Name: "blanks around a name are taken off", Slug: name, Front: rename(strings.TrimSpace)},
		{Name: "quotes around a name are taken off", Slug: name, Front: rename(func(s string) string { return strings.Trim(s, `"`) })},
		{Name: "another prefix will do", Slug: name, Front: rename(func(s string) string {
			return strings.Replace(s, "__Secure-", "__Host-", 1)
		})},
		{Name: "a cookie without prefix will do", Slug: name, Front: rename(func(s string) string { return "__Host-" + s })},
		{Name: "brackets in a name are an array's", Slug: name, Front: rename(func(s string) string {
			s, _, _ = strings.Cut(s, "[")
			return s
		})},
		{Name: "a dot in a name is an underscore", Slug: name, Front: rename(func(s string) string {
			return strings.NewReplacer(".", "-", "_s", "-s").Replace(s)
		})},
		{Name: "CVE-2016-7401 Django: other bytes than ';' separate cookies", Slug: name,
			Front: eachCookieLine(func(l string) string { return strings.NewReplacer(", ", "; ", ",", ";", "] ", "; ").Replace(l) })},
		{Name: "a pair without '=' takes its value from the next", Slug: name,
			Front: eachCookieLine(replace(defaultCookie+"; ", defaultCookie+"="))},
		{Name: "quotes around a value are taken off", Slug: name, Front: revalue(func(s string) string { return strings.Trim(s, `"`) })},
		{Name: "blanks around a value are taken off", Slug: name, Front: revalue(strings.TrimSpace)},
		{Name: "values are percent-decoded", Slug: name, Front: revalue(unescape)},
		{Name: "another header is read as Cookie", Slug: name, Front: onRequest(func(r *http.Request) {
			if v := r.Header.Get("X-Cookie"); v != "" {
				r.Header.Set("Cookie", v)
			}
		})},

		{Name: "only the first Cookie line is read", Slug: lines, Front: onRequest(func(r *http.Request) {
			if l := r.Header["Cookie"]; len(l) > 1 {
				r.Header["Cookie"] = l[:1]
			}
		})},
		{Name: "Cookie lines run into each other", Slug: lines, Front: onRequest(func(r *http.Request) {
			if l := r.Header["Cookie"]; len(l) > 1 {
				r.Header.Set("Cookie", strings.Join(l, ""))
			}
		})},
		{Name: "Cookie lines are joined by commas", Slug: lines, Front: onRequest(func(r *http.Request) {
			if l := r.Header["Cookie"]; len(l) > 1 {
				r.Header.Set("Cookie", strings.Join(l, ", "))
			}
		})},
		{Name: "a cookie counts only in first place", Slug: lines, Front: eachCookieLine(func(l string) string {
			first, _, _ := strings.Cut(l, ";")
			return first
		})},

		{Name: "CVE-2023-26049 Jetty: quotes hide the ';' between them", Slug: quoted, Front: eachCookieLine(hideQuoted)},
		{Name: "CVE-2023-4639 Undertow: $Version=1 brings back RFC 2965", Slug: quoted, Front: eachCookieLine(func(l string) string {
			if strings.HasPrefix(l, "$Version") {
				return strings.NewReplacer(`"`, "", ", ", "; ").Replace(l)
			}
			return l
		})},
		{Name: "a backslash escapes a ';'", Slug: quoted, Front: eachCookieLine(replace(`\"x; `, `\"x%3B `))},

		{Name: "CVE-2012-0053 httpd: an error page repeats the Cookie header", Slug: echoed,
			Front: onAnswer(func(r *http.Request, status int, h http.Header) {
				if status >= 400 {
					h.Set("X-Request-Cookie", strings.Join(r.Header["Cookie"], "; "))
				}
			})},
		{Name: "an id that is unknown is set again", Slug: echoed,
			Front: onAnswer(func(r *http.Request, status int, h http.Header) {
				if c, err := r.Cookie(defaultCookie); err == nil && status == 401 {
					h.Add("Set-Cookie", defaultCookie+"="+c.Value+"; Path=/; Secure; HttpOnly; SameSite=Lax")
				}
			})},
	}
}

// hideQuoted reads quoted strings as a cookie of RFC 2109 had them.
func hideQuoted(line string) string {
	b, in := []byte(line), false
	for i, c := range b {
		switch {
		case c == '"':
			in = !in
		case in && c == ';':
			b[i] = ','
		}
	}
	return string(b)
}

func hostileCookieMutants() []Mutant {
	const injection, redirect, huge = "cookie/no-header-injection", "cookie/no-redirect-injection", "cookie/huge-cookie"
	// split puts what follows a line break in a value where a server that does
	// not care would have put it.
	split := func(parameter string) func(http.Handler) http.Handler {
		return onAnswer(func(r *http.Request, _ int, h http.Header) {
			_, rest, _ := strings.Cut(strings.ReplaceAll(r.URL.Query().Get(parameter), "\r\n", "\n"), "\n")
			if name, value, ok := strings.Cut(rest, ": "); ok {
				h.Add(name, value)
			}
		})
	}
	return []Mutant{
		{Name: "CVE-2020-15111 fiber: a line break in a value begins a header", Slug: injection, Front: split("v")},
		{Name: "a line break in a user's name begins a header", Slug: injection, Front: split("user")},
		{Name: "CVE-2024-47764 cookie: a value brings attributes along", Slug: injection,
			Front: onAnswer(func(r *http.Request, _ int, h http.Header) {
				_, attrs, ok := strings.Cut(r.URL.Query().Get("user"), "; ")
				if l := h.Get("Set-Cookie"); ok && l != "" {
					h.Set("Set-Cookie", l+"; "+attrs)
				}
			})},
		{Name: "a line break in a redirect begins a header", Slug: redirect, Front: split("to")},

		{Name: "many cookies are the server's own fault", Slug: "cookie/many-cookies",
			Front: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.Count(r.Header.Get("Cookie"), ";") > 3000 {
						http.Error(w, "too many cookies", http.StatusInternalServerError)
						return
					}
					next.ServeHTTP(w, r)
				})
			}},
		{Name: "a value that is too long is cut", Slug: huge, Front: eachPair(func(name, value string, _ bool) string {
			return name + "=" + value[:min(len(value), 48)]
		})},
		{Name: "the end of a value that is too long is read", Slug: huge, Front: eachPair(func(name, value string, _ bool) string {
			return name + "=" + value[max(0, len(value)-48):]
		})},
		{Name: "a name that is too long is any name", Slug: huge, Front: eachPair(func(name, value string, _ bool) string {
			if len(name) > 64 {
				name = defaultCookie
			}
			return name + "=" + value
		})},
		{Name: "CVE-2026-40303 zrok: numbered pieces of a cookie are joined", Slug: "cookie/chunks-are-not-joined",
			Front: onRequest(func(r *http.Request) {
				var joined strings.Builder
				for _, c := range r.Cookies() {
					if strings.HasPrefix(c.Name, defaultCookie+"_") && c.Value != "x" {
						joined.WriteString(c.Value)
					}
				}
				if joined.Len() > 0 {
					r.Header.Set("Cookie", defaultCookie+"="+joined.String())
				}
			})},
	}
}

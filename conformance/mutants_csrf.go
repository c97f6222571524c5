package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// csrfMutants break the rules of csrfCases from outside: by a configuration, a store, or a
// server in front that understands a request otherwise.
func csrfMutants() []Mutant {
	return slices.Concat(csrfGuardMutants(), csrfRequestMutants(), csrfAnswerMutants(), csrfStoreMutants())
}

// csrfSilence is an audit sink that keeps nothing.
type csrfSilence struct{}

func (csrfSilence) Record(context.Context, audit.Event) {}

func csrfGuardMutants() []Mutant {
	made := 0
	return []Mutant{
		{Name: "nobody hears of a refusal", Slug: "csrf/refusal-is-recorded", Guard: func(c *csrf.Config) { c.Audit = csrfSilence{} }},
		{Name: "a refusal is recorded under another application's name", Slug: "csrf/refusal-is-recorded", Guard: func(c *csrf.Config) { c.App = "" }},
		{Name: "a refusal is recorded by another clock", Slug: "csrf/token-required", Guard: func(c *csrf.Config) { c.Now = time.Now }},
		{Name: "the header's own name is not looked at", Slug: "csrf/own-names", Guard: func(c *csrf.Config) { c.HeaderName = "" }},
		{Name: "the field's own name is not looked at", Slug: "csrf/own-names", Guard: func(c *csrf.Config) { c.FieldName = "" }},
		{Name: "the cookie's own name is not looked at", Slug: "csrf/own-names", Guard: func(c *csrf.Config) { c.Cookie = cookie.Config{} }},
		{Name: "the retired secret is forgotten at once", Slug: "csrf/secret-rotation", Guard: func(c *csrf.Config) { c.RetiredSecrets = nil }},
		{Name: "of several retired secrets only the first counts", Slug: "csrf/secret-rotation", Guard: func(c *csrf.Config) {
			if len(c.RetiredSecrets) > 1 {
				c.RetiredSecrets = c.RetiredSecrets[:1]
			}
		}},
		{Name: "the new secret is not used yet", Slug: "csrf/secret-rotation", Guard: func(c *csrf.Config) {
			if n := len(c.RetiredSecrets); n > 0 {
				c.RetiredSecrets = slices.Clone(c.RetiredSecrets)
				c.Secret, c.RetiredSecrets[n-1] = c.RetiredSecrets[n-1], c.Secret
			}
		}},
		{Name: "each process has a secret of its own", Slug: "csrf/two-processes", Guard: func(c *csrf.Config) {
			made++
			c.Secret = csrfSecret(100 + made)
		}},
		{Name: "BREACH: the mask is a constant", Slug: "csrf/token-is-masked", Guard: func(c *csrf.Config) { c.Rand = zeros{} }},
		{Name: "all visitors are one", Slug: "csrf/visitors-differ", Guard: func(c *csrf.Config) { c.Rand = zeros{} }},
		{Name: "CVE-2025-47910 net/http: a bypass covers more than its path", Slug: "csrf/exempt-path-byte-for-byte", Guard: func(c *csrf.Config) {
			c.Exempt = append(c.Exempt, "/bypass/")
		}},
		{Name: "an exemption is not heard", Slug: "csrf/exempt-path", Guard: func(c *csrf.Config) { c.Exempt = nil }},
		{Name: "multipart forms are searched unasked", Slug: "csrf/field-in-forms-only", Guard: func(c *csrf.Config) { c.Multipart = true }},
		{Name: "multipart forms are never searched", Slug: "csrf/multipart", Guard: func(c *csrf.Config) { c.Multipart = false }},
		{Name: "CVE-2021-32677 FastAPI: JSON is read out of any type", Slug: "csrf/json-only", Guard: func(c *csrf.Config) { c.JSONOnly = false }},
		{Name: "forms are refused", Slug: "csrf/every-content-type", Guard: func(c *csrf.Config) { c.JSONOnly = true }},
		{Name: "whoever CORS lets read is trusted", Slug: "csrf/cors-is-no-trust", Guard: func(c *csrf.Config) {
			c.TrustedOrigins = append(c.TrustedOrigins, "https://spa.example")
		}},
		{Name: "a host beside a trusted one is trusted", Slug: "csrf/trusted-origin-exact", Guard: func(c *csrf.Config) {
			c.TrustedOrigins = append(c.TrustedOrigins, "https://b.example")
		}},
		{Name: "no origin is trusted", Slug: "csrf/trusted-origin-exact", Guard: func(c *csrf.Config) { c.TrustedOrigins = nil }},
		{Name: "CVE-2011-4140 Django: the Host header is believed", Slug: "csrf/public-origin", Guard: func(c *csrf.Config) { c.PublicOrigin = "" }},
		{Name: "the cookies of others are not known", Slug: "csrf/other-cookies", Guard: func(c *csrf.Config) { c.Cookies = nil }},
		{Name: "the cookies of others are not known without tokens", Slug: "csrf/no-tokens", Guard: func(c *csrf.Config) { c.Cookies = nil }},
		{Name: "CVE-2022-39284: the cookie is sent to every site's requests", Slug: "csrf/cookie-form", Guard: func(c *csrf.Config) { c.Cookie.SameSite = cookie.SameSiteNone }},
		{Name: "CVE-2022-39284: the cookie is not Secure", Slug: "csrf/cookie-form", Guard: func(c *csrf.Config) { c.Cookie.InsecureHTTP = true }},
	}
}

func csrfRequestMutants() []Mutant {
	const odd, override, elsewhere, sites = "csrf/odd-separators", "csrf/method-override", "csrf/token-in-its-place", "csrf/fetch-site-byte-for-byte"
	without := func(name string, when func(lines []string) bool) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if lines := r.Header[name]; len(lines) > 0 && when(lines) {
				r.Header.Del(name)
			}
		})
	}
	always := func([]string) bool { return true }
	method := func(when func(*http.Request) string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if m := when(r); m != "" {
				r.Method = m
			}
		})
	}
	// moved takes the token from where it must not be.
	moved := func(from func(*http.Request) string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if token := from(r); token != "" && r.Header.Get(csrfHeaderName) == "" {
				r.Header.Set(csrfHeaderName, token)
			}
		})
	}
	named := func(name string, as func(string) string) func(http.Handler) http.Handler {
		return eachPair(func(got, value string, ok bool) string {
			if got != name && as(got) == name {
				got = name
			}
			if !ok {
				return got
			}
			return got + "=" + value
		})
	}
	return []Mutant{
		{Name: "CVE-2026-27978 Next.js: Origin null counts as none", Slug: "csrf/origin", Front: without("Origin", func(l []string) bool { return l[0] == "null" })},
		{Name: "an empty Origin counts as none", Slug: "csrf/origin", Front: without("Origin", func(l []string) bool { return l[0] == "" })},
		{Name: "CVE-2025-46721 nosurf: nobody looks at Origin", Slug: "csrf/origin", Front: without("Origin", always)},
		{Name: "several Origin lines count as none", Slug: "csrf/several-origins", Front: without("Origin", func(l []string) bool { return len(l) > 1 })},
		{Name: "several Origin lines are one", Slug: "csrf/several-origins", Front: onRequest(func(r *http.Request) {
			if l := r.Header["Origin"]; len(l) > 1 {
				r.Header["Origin"] = l[len(l)-1:]
			}
		})},
		{Name: "nobody looks at Sec-Fetch-Site", Slug: "csrf/fetch-site", Front: without("Sec-Fetch-Site", always)},
		{Name: "what Sec-Fetch-Site says is not known counts as none", Slug: sites, Front: without("Sec-Fetch-Site", func(l []string) bool {
			return !slices.Contains([]string{"same-origin", "same-site", "cross-site", "none"}, l[0])
		})},
		{Name: "Sec-Fetch-Site without regard to case", Slug: sites, Front: onRequest(func(r *http.Request) {
			for i, l := range r.Header["Sec-Fetch-Site"] {
				r.Header["Sec-Fetch-Site"][i] = strings.ToLower(l)
			}
		})},
		{Name: "of two Sec-Fetch-Site lines the last counts", Slug: sites, Front: onRequest(func(r *http.Request) {
			if l := r.Header["Sec-Fetch-Site"]; len(l) > 1 {
				r.Header["Sec-Fetch-Site"] = l[len(l)-1:]
			}
		})},
		{Name: "CVE-2011-0696 Django: X-Requested-With is trusted", Slug: "csrf/no-origin", Front: onRequest(func(r *http.Request) {
			if r.Header.Get("X-Requested-With") != "" {
				r.Header.Del("Origin")
			}
		})},
		{Name: "X-Forwarded-Host of anybody counts", Slug: "csrf/forwarded-headers-ignored", Front: onRequest(func(r *http.Request) {
			if h := r.Header.Get("X-Forwarded-Host"); h != "" {
				r.Host = h
			}
		})},

		{Name: "a server that takes post for POST", Slug: "csrf/method-spelling", Front: method(func(r *http.Request) string { return strings.ToUpper(r.Method) })},
		{Name: "X-HTTP-Method-Override is followed", Slug: override, Front: method(func(r *http.Request) string { return r.Header.Get("X-HTTP-Method-Override") })},
		{Name: "_method is followed", Slug: override, Front: method(func(r *http.Request) string { return r.URL.Query().Get("_method") })},
		{Name: "CVE-2026-45075 Symfony: HEAD gets where it may not", Slug: "csrf/head-reaches-no-action", Front: method(func(r *http.Request) string {
			if r.Method == "HEAD" {
				return "POST"
			}
			return ""
		})},
		{Name: "GET gets where POST does", Slug: "csrf/head-reaches-no-action", Front: method(func(r *http.Request) string {
			if r.Method == "GET" && r.URL.Path != "/page" && r.URL.Path != "/me" {
				return "POST"
			}
			return ""
		})},
		{Name: "a path is cleaned before it is looked at", Slug: "csrf/exempt-path-byte-for-byte", Front: onRequest(func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/bypass/") {
				r.URL.Path, r.URL.RawPath = "/bypass", ""
			}
		})},
		{Name: "a path is unescaped before it is looked at", Slug: "csrf/exempt-path-byte-for-byte", Front: onRequest(func(r *http.Request) { r.URL.RawPath = "" })},

		{Name: "the token counts in the query", Slug: elsewhere, Front: moved(func(r *http.Request) string { return r.URL.Query().Get("csrf_token") })},
		{Name: "the token counts in a cookie", Slug: elsewhere, Front: moved(func(r *http.Request) string {
			c, err := r.Cookie("csrf_token")
			if err != nil {
				return ""
			}
			return c.Value
		})},
		{Name: "X-XSRF-Token counts too", Slug: elsewhere, Front: moved(func(r *http.Request) string { return r.Header.Get("X-Xsrf-Token") })},
		{Name: "of two tokens the first counts", Slug: "csrf/one-token", Front: onRequest(func(r *http.Request) {
			if l := r.Header["X-Csrf-Token"]; len(l) > 1 {
				r.Header["X-Csrf-Token"] = l[:1]
			}
		})},
		{Name: "of a list of tokens the last counts", Slug: "csrf/one-token", Front: onRequest(func(r *http.Request) {
			if l := r.Header["X-Csrf-Token"]; len(l) == 1 {
				r.Header["X-Csrf-Token"] = []string{strings.TrimSpace(l[0][strings.LastIndexByte(l[0], ',')+1:])}
			}
		})},
		{Name: "an empty header is none", Slug: "csrf/one-token", Front: without("X-Csrf-Token", func(l []string) bool { return len(l) == 1 && l[0] == "" })},

		{Name: "CVE-2016-7401 Django: ']' ends a cookie", Slug: odd, Front: eachCookieLine(replace("]", "; "))},
		{Name: "a comma ends a cookie", Slug: odd, Front: eachCookieLine(replace(",", "; "))},
		{Name: "a blank ends a cookie", Slug: odd, Front: eachCookieLine(replace("b ", "b; "))},
		{Name: "CVE-2023-23934 werkzeug: a nameless cookie has the name in its value", Slug: odd, Front: eachCookieLine(func(line string) string {
			return strings.TrimPrefix(line, "=")
		})},
		{Name: "CVE-2020-8184 rack: names of cookies are unescaped", Slug: odd, Front: named(csrfCookie, func(name string) string {
			plain, _ := url.QueryUnescape(name)
			return plain
		})},
		{Name: "names of cookies without regard to case", Slug: odd, Front: named(csrfCookie, func(name string) string {
			if strings.EqualFold(name, csrfCookie) {
				return csrfCookie
			}
			return name
		})},
		{Name: "blanks around the name of a cookie are taken off", Slug: "csrf/planted-cookie", Front: named(csrfCookie, strings.TrimSpace)},
		{Name: "a sibling's cookie without the prefix is the visitor's", Slug: "csrf/planted-cookie", Front: named(csrfCookie, func(name string) string {
			return strings.Replace(name, "csrf", csrfCookie, 1)
		})},
		{Name: "of two cookies the first counts", Slug: "csrf/two-cookies", Front: csrfNonces(func(values []string) []string { return values[:1] })},
		{Name: "of two cookies the last counts", Slug: "csrf/two-cookies", Front: csrfNonces(func(values []string) []string { return values[len(values)-1:] })},
		{Name: "two equal cookies are two", Slug: "csrf/two-cookies", Front: csrfNonces(func(values []string) []string {
			if len(values) == 2 && values[0] == values[1] {
				values[1] += "x"
			}
			return values
		})},
		{Name: "CVE-2023-45128 fiber: whatever value the client brings is made good", Slug: "csrf/client-value-is-not-adopted", Front: csrfNonces(func(values []string) []string {
			for i, v := range values {
				if !csrfNonce.MatchString(v) {
					sum := sha256.Sum256([]byte(v))
					values[i] = base64.RawURLEncoding.EncodeToString(sum[:])
				}
			}
			return values
		})},
		{Name: "an empty cookie is none", Slug: "csrf/malformed-cookie-switches-nothing-off", Front: csrfNonces(func(values []string) []string {
			return slices.DeleteFunc(values, func(v string) bool { return v == "" })
		})},

		{Name: "Basic credentials are kept from the guard", Slug: "csrf/basic-needs-a-token", Front: without("Authorization", func(l []string) bool {
			return !strings.HasPrefix(strings.ToLower(l[0]), "bearer")
		})},
		{Name: "a request is judged by the token of the one before", Slug: "csrf/users-in-parallel", Front: csrfMixed()},
		{Name: "a form's end is kept from the handler", Slug: "csrf/body-stays-readable", Front: onRequest(func(r *http.Request) {
			r.Body = http.MaxBytesReader(nil, r.Body, 50_000)
		})},
	}
}

// csrfNonces is a server that changes the values of the visitor's cookie, over all lines.
func csrfNonces(change func([]string) []string) func(http.Handler) http.Handler {
	return onRequest(func(r *http.Request) {
		var values, rest []string
		for _, line := range r.Header["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				pair = strings.TrimPrefix(pair, " ")
				if value, ok := strings.CutPrefix(pair, csrfCookie+"="); ok {
					values = append(values, value)
				} else {
					rest = append(rest, pair)
				}
			}
		}
		if len(values) == 0 {
			return
		}
		for _, value := range change(values) {
			rest = append(rest, csrfCookie+"="+value)
		}
		r.Header["Cookie"] = []string{strings.Join(rest, "; ")}
	})
}

// csrfMixed is a server whose buffers belong to the next request already, now and then.
func csrfMixed() func(http.Handler) http.Handler {
	var mu sync.Mutex
	var last []string
	n := 0
	return onRequest(func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		mine := r.Header["X-Csrf-Token"]
		if n++; n%100 == 0 && len(mine) > 0 {
			r.Header["X-Csrf-Token"] = last
		}
		last = mine
	})
}

func csrfAnswerMutants() []Mutant {
	const uncached, form = "csrf/page-is-not-cached", "csrf/cookie-form"
	page := func(change func(http.Header)) func(http.Handler) http.Handler {
		return onAnswer(func(_ *http.Request, _ int, h http.Header) {
			if strings.Contains(h.Get("Cache-Control"), "no-store") {
				change(h)
			}
		})
	}
	visitors := func(change func(string) string) func(http.Handler) http.Handler {
		return eachSetCookie(change, func(_ *http.Request, _ int, line string) bool { return strings.HasPrefix(line, csrfCookie) })
	}
	return []Mutant{
		{Name: "CVE-2014-0473 Django: a page with a token is kept", Slug: uncached, Front: page(func(h http.Header) { h.Set("Cache-Control", "public, max-age=3600") })},
		{Name: "a page with a token is kept by its browser", Slug: uncached, Front: page(func(h http.Header) { h.Set("Cache-Control", "private") })},
		{Name: "a page with a token varies on nothing", Slug: uncached, Front: page(func(h http.Header) { h.Del("Vary") })},
		{Name: "a page with a token varies on nothing else", Slug: "csrf/page-keeps-vary", Front: page(func(h http.Header) { h.Set("Vary", "Cookie") })},
		{Name: "CVE-2022-39284 CodeIgniter: scripts can read the visitor's cookie", Slug: form, Front: visitors(replace("; HttpOnly", ""))},
		{Name: "the visitor's cookie has no prefix", Slug: form, Front: visitors(replace("__Host-", ""))},
		{Name: "the visitor's cookie is sent with requests from everywhere", Slug: form, Front: visitors(replace("Lax", "None"))},
		{Name: "a refusal takes the visitor's cookie away", Slug: "csrf/store-down", Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
			if status == 503 {
				h.Add("Set-Cookie", strings.Replace(csrfCookieLine, "=*", "=; Max-Age=0", 1))
			}
		})},
		{Name: "a refusal may be kept", Slug: "csrf/own-error-handler", Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
			if status == 403 {
				h.Del("Cache-Control")
			}
		})},
		{Name: "a refusal is another refusal", Slug: "csrf/before-guards", Front: reanswer(func(status int, _ http.Header) int {
			if status == 403 {
				return 401
			}
			return status
		})},
	}
}

func csrfStoreMutants() []Mutant {
	absent := func(s session.Store) session.Store { return absentOnError{s} }
	return []Mutant{
		{Name: "a store that is down holds nothing", Slug: "csrf/store-down", Store: absent},
		{Name: "the store is asked once for the guard and once for the handler", Slug: "csrf/token-required", Store: bend(readsTwice)},
		{Name: "sessions nobody uses do not end, nor do their tokens", Slug: "csrf/expiry-ends-token", Store: bend(rewrites(immortal))},
		{Name: "what is revoked lives, and its token", Slug: "csrf/revocation-ends-token", Store: bend(func(b *bent) {
			b.endAll = func(context.Context, revocation.Owner, time.Time) ([]session.Keyed, error) { return nil, nil }
		})},
	}
}

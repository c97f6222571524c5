package conformance

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// bearerMutants break the rules of bearerCases that can be broken from outside.
func bearerMutants() []Mutant {
	const scheme, twice, form, elsewhere = "bearer/scheme", "bearer/two-headers", "bearer/token-in-form", "bearer/token-elsewhere-ignored"
	const cached, guards = "bearer/cache-control", "bearer/guards"
	// presents is a front for which what read finds is the token of a request that
	// has none.
	presents := func(read func(*http.Request) string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if raw := read(r); raw != "" && r.Header.Get("Authorization") == "" {
				r.Header.Set("Authorization", "Bearer "+raw)
			}
		})
	}
	query := func(name string) func(*http.Request) string {
		return func(r *http.Request) string { return r.URL.Query().Get(name) }
	}
	header := func(name string) func(*http.Request) string {
		return func(r *http.Request) string { return strings.TrimPrefix(r.Header.Get(name), "Bearer ") }
	}
	// rewrites is a front that reads the Authorization headers its own way.
	rewrites := func(change func([]string) []string) func(http.Handler) http.Handler {
		return onRequest(func(r *http.Request) {
			if lines := r.Header["Authorization"]; len(lines) > 0 {
				r.Header["Authorization"] = change(lines)
			}
		})
	}
	each := func(f func(string) string) func([]string) []string {
		return func(lines []string) []string {
			out := make([]string, len(lines))
			for i, l := range lines {
				out[i] = f(l)
			}
			return out
		}
	}
	onHeader := func(change func(h http.Header)) func(http.Handler) http.Handler {
		return onAnswer(func(_ *http.Request, _ int, h http.Header) { change(h) })
	}
	return []Mutant{
		{Name: "CVE-2026-47673 hono: any scheme is Bearer", Slug: scheme, Front: rewrites(each(func(l string) string {
			if _, raw, ok := strings.Cut(l, " "); ok {
				return "Bearer " + raw
			}
			return l
		}))},
		{Name: "a bare token is a bearer token", Slug: scheme, Front: rewrites(each(func(l string) string {
			if strings.Count(l, ".") == 2 && !strings.Contains(l, " ") {
				return "Bearer " + l
			}
			return l
		}))},
		{Name: "of a list of credentials the first counts", Slug: scheme, Front: rewrites(each(func(l string) string {
			first, _, _ := strings.Cut(l, ",")
			return first
		}))},
		{Name: "of a list of credentials the last counts", Slug: scheme, Front: rewrites(each(func(l string) string {
			return strings.TrimSpace(l[strings.LastIndexByte(l, ',')+1:])
		}))},
		{Name: "a tab is a blank", Slug: scheme, Front: rewrites(each(replace("\t", " ")))},
		{Name: "quotes around a token are taken off", Slug: scheme, Front: rewrites(each(replace(`"`, "")))},
		{Name: "only Bearer in this case is the scheme", Slug: scheme, Front: rewrites(each(func(l string) string {
			if !strings.HasPrefix(l, "Bearer ") && len(l) > 7 && strings.EqualFold(l[:7], "bearer ") {
				return "x" + l
			}
			return l
		}))},

		{Name: "of two Authorization headers the first counts", Slug: twice, Front: rewrites(func(l []string) []string { return l[:1] })},
		{Name: "of two Authorization headers the last counts", Slug: twice, Front: rewrites(func(l []string) []string { return l[len(l)-1:] })},
		{Name: "two equal Authorization headers are one", Slug: twice, Front: rewrites(func(l []string) []string {
			if len(l) > 1 && l[0] == l[1] {
				return l[1:]
			}
			return l
		})},

		{Name: "a token in a form is taken", Slug: form, Front: presents(inForm)},
		{Name: "a token in a form beside the header is not seen", Slug: form, Front: formless(func(kind string) bool { return true })},
		{Name: "a form is known by its exact type only", Slug: form, Front: formless(func(kind string) bool { return kind != urlencoded })},
		{Name: "a form whose parameters cannot be parsed is none", Slug: "bearer/form-is-any-form", Front: formless(func(kind string) bool {
			_, _, err := mime.ParseMediaType(kind)
			return err != nil
		})},
		{Name: "a body that was looked at is gone", Slug: "bearer/form-stays-readable", Front: onRequest(func(r *http.Request) {
			if r.Header.Get("Content-Type") == urlencoded {
				_, _ = io.Copy(io.Discard, r.Body)
			}
		})},
		{Name: "a body that was looked at is cut", Slug: "bearer/form-stays-readable", Front: onRequest(func(r *http.Request) {
			r.Body = io.NopCloser(io.LimitReader(r.Body, 64<<10-2))
		})},

		{Name: "CVE-2026-44883 portainer: a token in the query is taken", Slug: elsewhere, Front: presents(query("token"))},
		{Name: "CVE-2026-33620 pinchtab: an access_token in the query is taken", Slug: elsewhere, Front: presents(query("access_token"))},
		{Name: "a token in a cookie is taken", Slug: elsewhere, Front: presents(func(r *http.Request) string {
			if c, err := r.Cookie("access_token"); err == nil {
				return c.Value
			}
			return ""
		})},
		{Name: "a token in Proxy-Authorization is taken", Slug: elsewhere, Front: presents(header("Proxy-Authorization"))},
		{Name: "a token in X-Access-Token is taken", Slug: elsewhere, Front: presents(header("X-Access-Token"))},
		{Name: "a token in X-Forwarded-Access-Token is taken", Slug: elsewhere, Front: presents(header("X-Forwarded-Access-Token"))},
		{Name: "a token in the query goes before the header's", Slug: elsewhere, Front: onRequest(func(r *http.Request) {
			if raw := r.URL.Query().Get("access_token"); raw != "" {
				r.Header.Set("Authorization", "Bearer "+raw)
			}
		})},

		{Name: "an answer to a token may be stored by anybody", Slug: cached, Front: onHeader(func(h http.Header) {
			if h.Get("Cache-Control") == "private" {
				h.Del("Cache-Control")
			}
		})},
		{Name: "a refusal may be stored", Slug: cached, Front: onHeader(func(h http.Header) {
			if h.Get("Cache-Control") == "no-store" {
				h.Set("Cache-Control", "private")
			}
		})},
		{Name: "private beats the handler's own Cache-Control", Slug: cached, Front: onHeader(func(h http.Header) {
			if h.Get("Cache-Control") == "public, max-age=60" {
				h.Set("Cache-Control", "private")
			}
		})},
		{Name: "no Vary where a token was optional", Slug: cached, Front: onAnswer(func(r *http.Request, status int, h http.Header) {
			if r.Header.Get("Authorization") == "" && status == http.StatusOK {
				h.Del("Vary")
			}
		})},
		{Name: "an error code without credentials", Slug: guards, Front: onHeader(func(h http.Header) {
			if h.Get("WWW-Authenticate") == `Bearer realm="conformance"` {
				h.Set("WWW-Authenticate", `Bearer realm="conformance", error="invalid_token"`)
			}
		})},
		{Name: "no challenge with 403", Slug: guards, Front: onAnswer(func(_ *http.Request, status int, h http.Header) {
			if status == http.StatusForbidden {
				h.Del("WWW-Authenticate")
			}
		})},
		{Name: "an older answer for the same token", Slug: "bearer/seen-token-expires", Front: remembered},
		{Name: "GHSA-rp9m-7r4c-75qg fast-jwt: an answer of another token's", Slug: "bearer/cache-tells-tokens-apart", Front: rememberedBy(func(r *http.Request) string {
			return r.URL.Path
		})},
		{Name: "the answer for a token is everybody's", Slug: "bearer/users-in-parallel", Front: rememberedBy(func(r *http.Request) string {
			return r.URL.Path
		})},

		{Name: "the key set has no max-age", Slug: "keys/published-set", Front: onHeader(func(h http.Header) {
			h.Set("Cache-Control", replace("public, max-age=300", "public")(h.Get("Cache-Control")))
		})},
		{Name: "the key set is of no type of its own", Slug: "keys/published-set", Front: onHeader(func(h http.Header) {
			h.Set("Content-Type", replace("jwk-set+json", "json")(h.Get("Content-Type")))
		})},
		{Name: "the key set is never unchanged", Slug: "keys/published-set", Front: onRequest(func(r *http.Request) { r.Header.Del("If-None-Match") })},
		{Name: "the key set is one of before", Slug: "keys/rotation-on-schedule", Front: remembered},
	}
}

// inForm is the token in a form.
func inForm(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	values, _ := url.ParseQuery(string(body))
	return values.Get("access_token")
}

// formless is a front that hides from the adapter that a body is a form, if its type
// is one of these.
func formless(hides func(kind string) bool) func(http.Handler) http.Handler {
	return onRequest(func(r *http.Request) {
		if hides(r.Header.Get("Content-Type")) {
			r.Header.Set("Content-Type", "text/plain")
		}
	})
}

// remembered is a front that answers a request as it did the first time.
func remembered(next http.Handler) http.Handler {
	return rememberedBy(func(r *http.Request) string { return r.URL.String() + " " + r.Header.Get("Authorization") })(next)
}

// rememberedBy is remembered for requests that have something in common. Refusals
// are not remembered.
func rememberedBy(key func(*http.Request) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		answers := map[string]*copied{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			a := answers[key(r)]
			if a == nil {
				a = &copied{header: http.Header{}, status: http.StatusOK}
				next.ServeHTTP(a, r)
				if a.status == http.StatusOK {
					answers[key(r)] = a
				}
			}
			for name, lines := range a.header {
				w.Header()[name] = lines
			}
			w.WriteHeader(a.status)
			_, _ = w.Write(a.body.Bytes())
		})
	}
}

// copied is an answer.
type copied struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *copied) Header() http.Header         { return c.header }
func (c *copied) WriteHeader(status int)      { c.status = status }
func (c *copied) Write(p []byte) (int, error) { return c.body.Write(p) }

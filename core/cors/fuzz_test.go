package cors_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/cors"
)

// FuzzOrigin: an origin is allowed if and only if it is one of the configured ones byte for
// byte, or matches a pattern as a plain regular expression does; and the answer repeats it.
func FuzzOrigin(f *testing.F) {
	exact := []string{app, "https://app.example.com:8443", "http://localhost:3000", "https://[2001:db8::7]", "https://192.0.2.7"}
	cfg := cors.Config{Origins: exact, Credentials: true, Patterns: []string{"https://*.example.com", "https://*.a.example.com:8443", "http://*.app.localhost", "https://*.le.com"}}
	reference := regexp.MustCompile(`\A(https://[a-z0-9_-]{1,63}\.example\.com|https://[a-z0-9_-]{1,63}\.a\.example\.com:8443|http://[a-z0-9_-]{1,63}\.app\.localhost|https://[a-z0-9_-]{1,63}\.le\.com)\z`)
	p := policy(f, cfg)
	all := policy(f, public)
	for _, o := range append(exact, "", "null", "*", "https://x.example.com", "https://example.com", "https://x.a.example.com:8443", "https://x.a.example.com", "http://x.app.localhost",
		"https://x.le.com", "https://x.example.com.evil.com", "https://evil-example.com", "https://X.example.com", "https://x.example.com:443", "https://x\x00.example.com") {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, from string) {
		want := []string{}
		if slices.Contains(exact, from) || reference.MatchString(from) {
			want = []string{"Allow-Origin: " + from, "Allow-Credentials: true"}
		}
		for _, r := range []cors.Request{simple(from), preflight(from, "GET")} {
			a := p.Decide(r)
			require.Equal(t, want, said(a))
			require.Equal(t, len(want) == 0, a.Cause == "origin")
			allowed(t, p, r)
			require.Equal(t, "Allow-Origin: *", said(all.Decide(r))[0])
		}
		require.False(t, allowed(t, p, simple(from, app)))
	})
}

// FuzzRequestHeaders: what browsers write (Fetch, "CORS-unsafe request-header names": lower
// case, sorted, none twice, a comma and nothing else between them) is allowed exactly if
// every name is. Whatever else is allowed has, read as a list of RFC 9110 without regard to
// case or order, no name that is not. And nothing is allocated.
func FuzzRequestHeaders(f *testing.F) {
	for _, s := range []string{"", ",", "x-a", "x-a,x-b", "x-a, x-b", "x-b,x-a", "x-a,x-a", " x-a ", "X-A", "x-a\nx-b", "\n\n", "authorization", "*", "x-\x00", strings.Repeat(",", 17),
		strings.Repeat("\n", 17), "authorization,content-type,x-a,x-b", strings.Repeat("a", 4097)} {
		f.Add(s)
	}
	policies := map[*cors.Policy]func(string) bool{
		policy(f, cors.Config{Origins: []string{app}, RequestHeaders: []string{"x-a", "x-b", "Content-Type", "Authorization"}}): func(name string) bool {
			return slices.Contains([]string{"x-a", "x-b", "content-type", "authorization"}, name)
		},
		policy(f, public):    func(name string) bool { return token.MatchString(name) && name != "authorization" },
		policy(f, named):     token.MatchString,
		policy(f, anonymous): func(string) bool { return false },
	}
	f.Fuzz(func(t *testing.T, header string) {
		lines := strings.Split(header, "\n")
		for p, ok := range policies {
			r := preflight(app, "GET", lines...)
			got := allowed(t, p, r)

			names := strings.Split(header, ",")
			wellFormed := header != "" && len(header) <= 4096 && !slices.Contains(names, "") && strings.ToLower(header) == header &&
				slices.IsSorted(names) && len(slices.Compact(slices.Clone(names))) == len(names) && !strings.ContainsAny(header, " \t\n")
			if wellFormed {
				require.Equal(t, !slices.ContainsFunc(names, func(n string) bool { return !ok(n) }), got)
			}
			if got {
				for _, name := range strings.Split(strings.Join(lines, ","), ",") {
					name = strings.ToLower(strings.Trim(name, " \t"))
					require.True(t, name == "" || ok(name), "%q", name)
				}
			}
			require.Zero(t, testing.AllocsPerRun(10, func() { p.Decide(r) }))
		}
	})
}

var token = regexp.MustCompile("\\A[!#$%&'*+.^_`|~0-9a-z-]+\\z")

// FuzzConfig: whatever compiles allows its own origin and says so with the very bytes; and
// no pattern covers its own domain or one label more.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{app, "*", "null", "https://*.example.com", "https://*.com", "http://*.example.com:8080", "https://*", "https://*.1.2.3.4", "https://*.[::1]", "https://*.example.com*"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, credentials bool) {
		if p, err := cors.New(cors.Config{Origins: []string{s}, Credentials: credentials}); err == nil {
			require.True(t, s != "*" || !credentials)
			require.NotEqual(t, "null", s)
			require.Equal(t, "Allow-Origin: "+s, said(p.Decide(simple(s)))[0])
			require.Equal(t, s == "*", allowed(t, p, simple(s+"x")))
			_, err = cors.New(cors.Config{Origins: []string{s, s}})
			require.Error(t, err)
		}
		p, err := cors.New(cors.Config{Patterns: []string{s}, Credentials: credentials})
		if err != nil {
			return
		}
		require.Equal(t, 1, strings.Count(s, "*"))
		for label, want := range map[string]bool{"a": true, "a.b": false, "": false, "A": false, "*": false, "a-b_0": true} {
			require.Equal(t, want, allowed(t, p, simple(strings.Replace(s, "*", label, 1))), label)
		}
		require.False(t, allowed(t, p, simple(strings.Replace(s, "*.", "", 1))))
		require.False(t, allowed(t, p, simple(strings.Replace(s, "*.", "x", 1))))
		require.False(t, allowed(t, p, simple(strings.Replace(s, "*", "a", 1)+"x")))
	})
}

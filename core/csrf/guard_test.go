package csrf_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/csrf"
)

const (
	public  = "https://app.example.com"
	trusted = "https://partner.example:8443"
	evil    = "https://evil.example"
)

var config = csrf.Config{PublicOrigin: public, TrustedOrigins: []string{trusted, "http://localhost:3000"}}

func newGuard(t testing.TB, cfg csrf.Config) *csrf.Guard {
	t.Helper()
	g, err := csrf.New(cfg)
	require.NoError(t, err)
	return g
}

func lines(s ...string) []string { return s }

func TestSafeMethodsPass(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		t.Run(method, func(t *testing.T) {
			require.True(t, csrf.Safe(method))
			g := newGuard(t, config)
			require.NoError(t, g.Check(csrf.Request{Method: method}))
			require.NoError(t, g.Check(csrf.Request{Method: method, FetchSite: lines("cross-site"), Origin: lines(evil)}))
		})
	}
}

// What is not known to be safe is not safe (F8).
func TestOtherMethodsAreChecked(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "post", "get", "Get", "head", "options", "GET ", "CONNECT", "TRACE", "BREW", "QUERY", ""} {
		t.Run(method, func(t *testing.T) {
			require.False(t, csrf.Safe(method))
			g := newGuard(t, config)
			require.Equal(t, csrf.ErrNoOrigin, g.Check(csrf.Request{Method: method}))
			require.Equal(t, csrf.ErrCrossSite, g.Check(csrf.Request{Method: method, FetchSite: lines("cross-site")}))
			require.NoError(t, g.Check(csrf.Request{Method: method, FetchSite: lines("same-origin")}))
		})
	}
}

func TestFetchSite(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		lines []string
		want  error // with an Origin that is not trusted
	}{
		{"same-origin", lines("same-origin"), nil},
		{"none", lines("none"), nil},
		{"same-site", lines("same-site"), csrf.ErrCrossSite},
		{"cross-site", lines("cross-site"), csrf.ErrCrossSite},
		{"a value that is still to come", lines("same-party"), csrf.ErrCrossSite},
		{"upper case", lines("Same-Origin"), csrf.ErrCrossSite},
		{"a blank", lines(" same-origin"), csrf.ErrCrossSite},
		{"a parameter", lines("same-origin;a=1"), csrf.ErrCrossSite},
		{"a list", lines("same-origin, same-origin"), csrf.ErrCrossSite},
		{"an empty line", lines(""), csrf.ErrCrossSite},
		{"two equal lines", lines("same-origin", "same-origin"), csrf.ErrCrossSite},
		{"two lines", lines("same-origin", "cross-site"), csrf.ErrCrossSite},
		{"two lines, the other first", lines("cross-site", "none"), csrf.ErrCrossSite},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			g := newGuard(t, config)
			check := func(origin ...string) error {
				return g.Check(csrf.Request{Method: "POST", FetchSite: tc.lines, Origin: origin, Host: "app.example.com", Secure: true})
			}
			require.NoError(t, check(trusted), "trusted")
			require.NoError(t, check("http://localhost:3000"), "trusted")
			require.Equal(t, tc.want, check(), "no Origin")
			for _, origin := range []string{evil, "", "null", public} {
				require.Equal(t, tc.want, check(origin), origin)
			}
			require.Equal(t, tc.want, check(trusted, trusted), "two lines of Origin")
			require.Equal(t, tc.want, check(trusted, evil), "two lines of Origin")
		})
	}
}

// neighbours are origins that a comparison could take for https://app.example.com or
// https://partner.example:8443 (F5, F7).
var neighbours = []string{
	evil, "null", "NULL", "", " ", "*",
	"http://app.example.com", "https://app.example.com:443", "https://app.example.com:8443", "https://app.example.com/",
	"https://app.example.com.", "https://app.example.com.evil.example", "https://evil-app.example.com", "https://x.app.example.com",
	"https://example.com", "https://APP.example.com", "HTTPS://app.example.com", "https://user@app.example.com",
	"https://evil.example#" + public, "https://app.example.com, https://app.example.com", "https://app.example.com https://evil.example",
	"app.example.com", "//app.example.com", "https:app.example.com",
	"http://partner.example:8443", "https://partner.example", "https://partner.example:8444", "https://a.partner.example:8443",
	"https://partner.example:8443/", "https://partner.example:8443.evil.example", "https://localhost:3000",
	strings.Repeat("https://app.example.com", 1<<15),
}

func TestOriginAlone(t *testing.T) {
	g := newGuard(t, config)
	check := func(origin ...string) error {
		// Neither Host nor Secure count where the public origin is known.
		return g.Check(csrf.Request{Method: "POST", Origin: origin, Host: "evil.example", Secure: true})
	}
	require.NoError(t, check(public))
	require.NoError(t, check(trusted))
	require.NoError(t, check("http://localhost:3000"))
	require.Equal(t, csrf.ErrNoOrigin, check())
	for _, two := range [][]string{{public, public}, {public, evil}, {evil, public}, {trusted, trusted}, {"", ""}} {
		require.Equal(t, csrf.ErrCrossSite, check(two...), two)
	}
	for _, origin := range neighbours {
		require.Equal(t, csrf.ErrCrossSite, check(origin), origin)
	}
}

func TestOriginOfTheHost(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		host   string
		secure bool
		origin string
		want   error
	}{
		{"https", "app.example.com", true, "https://app.example.com", nil},
		{"http", "app.example.com", false, "http://app.example.com", nil},
		{"upper case and default port", "APP.example.com:443", true, "https://app.example.com", nil},
		{"trusted", "app.example.com", true, trusted, nil},
		{"http twin", "app.example.com", true, "http://app.example.com", csrf.ErrCrossSite},
		{"https twin", "app.example.com", false, "https://app.example.com", csrf.ErrCrossSite},
		{"another", "app.example.com", true, evil, csrf.ErrCrossSite},
		{"null", "null", true, "null", csrf.ErrCrossSite},
		{"no host", "", true, "https://", csrf.ErrCrossSite},
		{"no host and an empty line", "", true, "", csrf.ErrCrossSite},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			g := newGuard(t, csrf.Config{TrustedOrigins: []string{trusted}})
			r := csrf.Request{Method: "POST", Origin: lines(tc.origin), Host: tc.host, Secure: tc.secure}
			require.Equal(t, tc.want, g.Check(r))
			r.Origin = lines(tc.origin, tc.origin)
			require.Equal(t, csrf.ErrCrossSite, g.Check(r), "two lines")
			r.Origin = nil
			require.Equal(t, csrf.ErrNoOrigin, g.Check(r))
		})
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	known, derived := newGuard(t, config), newGuard(t, csrf.Config{})
	fetched := csrf.Request{Method: "POST", FetchSite: lines("same-origin"), Origin: lines(public)}
	old := csrf.Request{Method: "POST", Origin: lines(public), Host: "App.example.com:443", Secure: true}
	partner := csrf.Request{Method: "POST", FetchSite: lines("cross-site"), Origin: lines(trusted)}
	refused := csrf.Request{Method: "POST", FetchSite: lines("cross-site"), Origin: lines(evil)}
	got := testing.AllocsPerRun(100, func() {
		for _, err := range []error{known.Check(fetched), known.Check(old), known.Check(partner), derived.Check(old)} {
			if err != nil {
				t.Error(err)
			}
		}
		if known.Check(refused) == nil {
			t.Error("passed")
		}
	})
	require.Zero(t, got)
}

// FuzzCheck: what passes here passes the standard library's check of the same headers
// too, which is laxer in each rule; no order of the lines and no line more turns a
// refusal into an answer; and where the public origin is known, neither the Host nor
// the transport has a say.
func FuzzCheck(f *testing.F) {
	f.Add("POST", "same-origin", public, "app.example.com", true, uint8(0b0101))
	f.Add("POST", "cross-site", trusted, "app.example.com", true, uint8(0b0101))
	f.Add("DELETE", "", public, "app.example.com", true, uint8(0b0100))
	f.Add("POST", "", "http://app.example.com", "app.example.com", false, uint8(0b10100))
	f.Add("POST", "same-site", "null", "", false, uint8(0b1111))
	f.Add("GET", "none", "", "", false, uint8(0))
	for _, origin := range neighbours {
		f.Add("POST", "", origin, "app.example.com", true, uint8(0b0100))
	}
	f.Fuzz(func(t *testing.T, method, site, origin, host string, secure bool, shape uint8) {
		cfg := csrf.Config{TrustedOrigins: []string{trusted}}
		if shape&0b10000 == 0 {
			cfg.PublicOrigin = public
		}
		g := newGuard(t, cfg)
		r := csrf.Request{Method: method, Host: host, Secure: secure}
		if shape&0b1 != 0 {
			r.FetchSite = append(r.FetchSite, site)
		}
		if shape&0b10 != 0 {
			r.FetchSite = append(r.FetchSite, "same-origin")
		}
		if shape&0b100 != 0 {
			r.Origin = append(r.Origin, origin)
		}
		if shape&0b1000 != 0 {
			r.Origin = append(r.Origin, public)
		}
		got := g.Check(r)

		if cfg.PublicOrigin != "" {
			other := r
			other.Host, other.Secure = "evil.example", !secure
			require.Equal(t, got, g.Check(other))
		}
		if got != nil {
			more := r
			more.FetchSite = append([]string{"none"}, r.FetchSite...)
			if len(r.FetchSite) > 0 {
				require.Error(t, g.Check(more))
			}
			more = r
			more.Origin = append([]string{trusted}, r.Origin...)
			if len(r.Origin) > 0 {
				require.Error(t, g.Check(more))
			}
			return
		}

		// It compares hosts as they are written, without a default port.
		std := http.NewCrossOriginProtection()
		require.NoError(t, std.AddTrustedOrigin(trusted))
		req := &http.Request{Method: method, Header: http.Header{"Sec-Fetch-Site": r.FetchSite, "Origin": r.Origin}, Host: "app.example.com"}
		if cfg.PublicOrigin == "" {
			port := map[bool]string{true: ":443", false: ":80"}[secure]
			req.Host = strings.TrimSuffix(strings.ToLower(host), port)
		}
		require.NoError(t, std.Check(req), "%+v", r)
	})
}

func BenchmarkCheck(b *testing.B) {
	g := newGuard(b, config)
	for _, bc := range []struct {
		desc string
		r    csrf.Request
	}{
		{"fetch", csrf.Request{Method: "POST", FetchSite: lines("same-origin"), Origin: lines(public)}},
		{"origin", csrf.Request{Method: "POST", Origin: lines(public)}},
		{"long", csrf.Request{Method: "POST", Origin: lines(strings.Repeat("a", 1<<20))}},
	} {
		b.Run(bc.desc, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = g.Check(bc.r)
			}
		})
	}
}

// TestReferer: where nothing else says whose page it is, a Referer can only speak against a
// request (F5).
func TestReferer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		referer []string
		want    error
	}{
		{"none", nil, csrf.ErrNoOrigin},
		{"own", lines(public + "/form?a=b#c"), csrf.ErrNoOrigin},
		{"own without a path", lines(public), csrf.ErrNoOrigin},
		{"own with a query alone", lines(public + "?next=https://evil.example/"), csrf.ErrNoOrigin},
		{"trusted", lines(trusted + "/"), csrf.ErrNoOrigin},
		{"of another page", lines(evil + "/"), csrf.ErrCrossSite},
		{"of another page that names ours", lines(evil + "/" + public + "/"), csrf.ErrCrossSite},
		{"of a host that begins as ours", lines(public + ".evil.example/"), csrf.ErrCrossSite},
		{"of our http twin", lines("http://app.example.com/"), csrf.ErrCrossSite},
		{"of another port", lines(public + ":8443/"), csrf.ErrCrossSite},
		{"with a user", lines("https://app.example.com@evil.example/"), csrf.ErrCrossSite},
		{"no URL", lines("app.example.com"), csrf.ErrCrossSite},
		{"about:blank", lines("about:blank"), csrf.ErrCrossSite},
		{"empty", lines(""), csrf.ErrCrossSite},
		{"two", lines(public+"/", evil+"/"), csrf.ErrCrossSite},
		{"two of ours", lines(public+"/", public+"/"), csrf.ErrCrossSite},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGuard(t, config)
			r := csrf.Request{Method: "POST", Referer: tc.referer}
			require.Equal(t, tc.want, g.Check(r))
			r.Origin = lines(public)
			require.NoError(t, g.Check(r), "an Origin is the better witness")
			r.Origin, r.FetchSite = nil, lines("same-origin")
			require.NoError(t, g.Check(r), "so is Sec-Fetch-Site")
		})
	}
	without := newGuard(t, csrf.Config{})
	r := csrf.Request{Method: "POST", Host: "app.example.com", Secure: true, Referer: lines(public + "/")}
	require.Equal(t, csrf.ErrNoOrigin, without.Check(r))
	r.Secure = false
	require.Equal(t, csrf.ErrCrossSite, without.Check(r))
}

package cookie_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
)

const epoch = "Expires=Thu, 01 Jan 1970 00:00:00 GMT"

var configs = []struct {
	desc     string
	cfg      cookie.Config
	name     string
	set      string // Set("V", 24 h)
	del      string
	variants []string
}{
	{
		desc: "zero",
		name: "__Host-session",
		set:  "__Host-session=V; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
		del:  "__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=Lax",
		variants: []string{
			"__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		},
	},
	{
		desc: "name and strict",
		cfg:  cookie.Config{Name: "sid", SameSite: cookie.SameSiteStrict},
		name: "__Host-sid",
		set:  "__Host-sid=V; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Strict",
		del:  "__Host-sid=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=Strict",
		variants: []string{
			"__Host-sid=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		},
	},
	{
		desc: "none",
		cfg:  cookie.Config{SameSite: cookie.SameSiteNone},
		name: "__Host-session",
		set:  "__Host-session=V; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=None",
		del:  "__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None",
		variants: []string{
			"__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		},
	},
	{
		desc: "partitioned",
		cfg:  cookie.Config{SameSite: cookie.SameSiteNone, Partitioned: true},
		name: "__Host-session",
		set:  "__Host-session=V; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=None; Partitioned",
		del:  "__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		variants: []string{
			"__Host-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None",
		},
	},
	{
		desc: "domain",
		cfg:  cookie.Config{Domain: "example.com"},
		name: "__Secure-session",
		set:  "__Secure-session=V; Path=/; Domain=example.com; Max-Age=86400; Secure; HttpOnly; SameSite=Lax",
		del:  "__Secure-session=; Path=/; Domain=example.com; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=Lax",
		variants: []string{
			"__Secure-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=Lax",
			"__Secure-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
			"__Secure-session=; Path=/; Domain=example.com; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		},
	},
	{
		desc: "domain and partitioned",
		cfg:  cookie.Config{Domain: "a.example.com", SameSite: cookie.SameSiteNone, Partitioned: true},
		name: "__Secure-session",
		set:  "__Secure-session=V; Path=/; Domain=a.example.com; Max-Age=86400; Secure; HttpOnly; SameSite=None; Partitioned",
		del:  "__Secure-session=; Path=/; Domain=a.example.com; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
		variants: []string{
			"__Secure-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None",
			"__Secure-session=; Path=/; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None; Partitioned",
			"__Secure-session=; Path=/; Domain=a.example.com; Max-Age=0; " + epoch + "; Secure; HttpOnly; SameSite=None",
		},
	},
	{
		desc: "insecure",
		cfg:  cookie.Config{InsecureHTTP: true},
		name: "session",
		set:  "session=V; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax",
		del:  "session=; Path=/; Max-Age=0; " + epoch + "; HttpOnly; SameSite=Lax",
	},
	{
		desc: "insecure and domain",
		cfg:  cookie.Config{Domain: "dev.test", InsecureHTTP: true, SameSite: cookie.SameSiteStrict},
		name: "session",
		set:  "session=V; Path=/; Domain=dev.test; Max-Age=86400; HttpOnly; SameSite=Strict",
		del:  "session=; Path=/; Domain=dev.test; Max-Age=0; " + epoch + "; HttpOnly; SameSite=Strict",
		variants: []string{
			"session=; Path=/; Max-Age=0; " + epoch + "; HttpOnly; SameSite=Strict",
		},
	},
}

func newSpec(t testing.TB, cfg cookie.Config) *cookie.Spec {
	t.Helper()
	s, err := cookie.New(cfg)
	require.NoError(t, err)
	return s
}

func TestBytes(t *testing.T) {
	for _, tc := range configs {
		t.Run(tc.desc, func(t *testing.T) {
			s := newSpec(t, tc.cfg)
			require.Equal(t, tc.name, s.Name())
			require.Equal(t, tc.cfg.InsecureHTTP, s.InsecureHTTP())
			require.Equal(t, tc.cfg.SameSite, s.SameSite())
			require.Contains(t, tc.set, "; SameSite="+s.SameSite().String())
			got, err := s.Set("V", 24*time.Hour)
			require.NoError(t, err)
			require.Equal(t, tc.set, got)
			require.Equal(t, tc.del, s.Delete())
			require.Equal(t, tc.variants, s.DeleteVariants())
		})
	}
}

// What net/http reads out of our bytes is what the Config asked for.
func TestRoundTrip(t *testing.T) {
	sameSite := map[cookie.SameSite]http.SameSite{
		cookie.SameSiteLax:    http.SameSiteLaxMode,
		cookie.SameSiteStrict: http.SameSiteStrictMode,
		cookie.SameSiteNone:   http.SameSiteNoneMode,
	}
	for _, tc := range configs {
		t.Run(tc.desc, func(t *testing.T) {
			s := newSpec(t, tc.cfg)
			line, err := s.Set("aZ09-_", 90*time.Minute)
			require.NoError(t, err)
			want := &http.Cookie{
				Name:        tc.name,
				Value:       "aZ09-_",
				Path:        "/",
				Domain:      tc.cfg.Domain,
				MaxAge:      5400,
				Secure:      !tc.cfg.InsecureHTTP,
				HttpOnly:    true,
				SameSite:    sameSite[tc.cfg.SameSite],
				Partitioned: tc.cfg.Partitioned,
				Raw:         line,
			}
			got, err := http.ParseSetCookie(line)
			require.NoError(t, err)
			require.Equal(t, want, got)

			want.Value, want.MaxAge, want.Raw = "", -1, s.Delete()
			want.Expires, want.RawExpires = time.Unix(0, 0).UTC(), strings.TrimPrefix(epoch, "Expires=")
			got, err = http.ParseSetCookie(s.Delete())
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// A browser identifies a cookie by name, domain, path and partition. Of the
// deletions, no two may hit the same one, and none but Delete the configured one.
func TestVariantsAreDistinct(t *testing.T) {
	type id struct {
		name, domain, path string
		partitioned        bool
	}
	for _, tc := range configs {
		t.Run(tc.desc, func(t *testing.T) {
			s := newSpec(t, tc.cfg)
			seen := map[id]bool{}
			for _, line := range append(s.DeleteVariants(), s.Delete()) {
				c, err := http.ParseSetCookie(line)
				require.NoError(t, err)
				k := id{c.Name, c.Domain, c.Path, c.Partitioned}
				require.False(t, seen[k], "deleted twice: %+v", k)
				seen[k] = true
				require.Equal(t, -1, c.MaxAge)
				require.Empty(t, c.Value)
				require.Equal(t, !tc.cfg.InsecureHTTP, c.Secure)
				if strings.HasPrefix(c.Name, "__Host-") {
					require.Empty(t, c.Domain)
				}
				if c.Partitioned {
					require.Equal(t, http.SameSiteNoneMode, c.SameSite)
				}
			}
		})
	}
}

func TestDeleteVariantsBelongToTheCaller(t *testing.T) {
	s := newSpec(t, cookie.Config{Domain: "example.com"})
	want := s.DeleteVariants()
	s.DeleteVariants()[0] = "mutated"
	require.Equal(t, want, s.DeleteVariants())
}

func TestMaxAge(t *testing.T) {
	s := newSpec(t, cookie.Config{})
	for _, tc := range []struct {
		desc string
		age  time.Duration
		want string
	}{
		{"rounds down", 2*time.Second - 1, "Max-Age=1;"},
		{"whole", 2 * time.Second, "Max-Age=2;"},
		{"below one second", time.Nanosecond, "Max-Age=1;"},
		{"zero", 0, "Max-Age=1;"},
		{"negative", -time.Hour, "Max-Age=1;"},
		{"most negative", -1 << 63, "Max-Age=1;"},
		{"400 days", 400 * 24 * time.Hour, "Max-Age=34560000;"},
		{"more than 400 days", 400*24*time.Hour + time.Second, "Max-Age=34560000;"},
		{"most", 1<<63 - 1, "Max-Age=34560000;"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got, err := s.Set("V", tc.age)
			require.NoError(t, err)
			require.Contains(t, got, "; "+tc.want)
		})
	}
}

func TestSetValue(t *testing.T) {
	s := newSpec(t, cookie.Config{})
	longest := strings.Repeat("x", 4096-len(s.Name()))
	for _, tc := range []struct {
		desc, value string
		ok          bool
	}{
		{"base64url", "azAZ09-_", true},
		{"longest", longest, true},
		{"one byte more", longest + "x", false},
		{"empty", "", false},
		{"semicolon", "a; Domain=evil.test", false},
		{"CR LF", "a\r\nSet-Cookie: b=c", false},
		{"comma", "a,b", false},
		{"quotes", `"a"`, false},
		{"blank", "a b", false},
		{"padding", "YQ==", false},
		{"base64 alphabet", "a+/", false},
		{"NUL", "a\x00", false},
		{"non-ASCII", "ä", false},
		{"invalid UTF-8", "\xff", false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got, err := s.Set(tc.value, time.Hour)
			if tc.ok {
				require.NoError(t, err)
				require.True(t, strings.HasPrefix(got, s.Name()+"="+tc.value+"; "))
				return
			}
			require.ErrorIs(t, err, cookie.ErrValue)
			require.Empty(t, got)
		})
	}
}

func TestZeroSpec(t *testing.T) {
	var s cookie.Spec
	got, err := s.Set("V", time.Hour)
	require.Error(t, err)
	require.Empty(t, got)
	first, rest, n := s.Values([]string{"=V", "a=b", ""})
	require.Empty(t, first)
	require.Empty(t, rest)
	require.Zero(t, n)
}

// mistakes flattens what New joined into "Field" names, and checks that each
// carries a reason.
func mistakes(t *testing.T, err error) (fields []string) {
	t.Helper()
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(err, &joined))
	for _, e := range joined.Unwrap() {
		var ce *core.ConfigError
		require.True(t, errors.As(e, &ce))
		require.NotEmpty(t, ce.Reason)
		fields = append(fields, strings.TrimPrefix(ce.Field, "cookie.Config."))
	}
	require.Equal(t, len(fields)-1, strings.Count(err.Error(), "\n"), "one line for each mistake")
	return fields
}

func TestConfigErrors(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, tc := range []struct {
		desc string
		cfg  cookie.Config
		want []string
	}{
		{"name with blank", cookie.Config{Name: "a b"}, []string{"Name"}},
		{"name with equals", cookie.Config{Name: "a=b"}, []string{"Name"}},
		{"name with semicolon", cookie.Config{Name: "a;b"}, []string{"Name"}},
		{"name with CR LF", cookie.Config{Name: "a\r\nb"}, []string{"Name"}},
		{"name with NUL", cookie.Config{Name: "a\x00"}, []string{"Name"}},
		{"name not ASCII", cookie.Config{Name: "sé"}, []string{"Name"}},
		{"name not UTF-8", cookie.Config{Name: "s\xff"}, []string{"Name"}},
		{"name too long", cookie.Config{Name: strings.Repeat("a", 65)}, []string{"Name"}},
		{"name too long and no token", cookie.Config{Name: strings.Repeat(" ", 65)}, []string{"Name", "Name"}},
		{"name with __Host-", cookie.Config{Name: "__Host-sid"}, []string{"Name"}},
		{"name with __hOST-", cookie.Config{Name: "__hOST-sid"}, []string{"Name"}},
		{"name is __Secure-", cookie.Config{Name: "__Secure-"}, []string{"Name"}},
		{"name with __http-", cookie.Config{Name: "__http-sid", InsecureHTTP: true}, []string{"Name"}},
		{"samesite out of range", cookie.Config{SameSite: 3}, []string{"SameSite"}},
		{"none over plain HTTP", cookie.Config{SameSite: cookie.SameSiteNone, InsecureHTTP: true}, []string{"SameSite"}},
		{"partitioned and lax", cookie.Config{Partitioned: true}, []string{"Partitioned"}},
		{"partitioned and strict", cookie.Config{Partitioned: true, SameSite: cookie.SameSiteStrict}, []string{"Partitioned"}},
		{"partitioned over plain HTTP", cookie.Config{Partitioned: true, SameSite: cookie.SameSiteNone, InsecureHTTP: true}, []string{"SameSite", "Partitioned"}},
		{"domain with dot", cookie.Config{Domain: ".example.com"}, []string{"Domain"}},
		{"domain is dot", cookie.Config{Domain: "."}, []string{"Domain"}},
		{"domain ends in dot", cookie.Config{Domain: "example.com."}, []string{"Domain"}},
		{"domain upper case", cookie.Config{Domain: "Example.com"}, []string{"Domain"}},
		{"domain single label", cookie.Config{Domain: "com"}, []string{"Domain"}},
		{"domain localhost", cookie.Config{Domain: "localhost"}, []string{"Domain"}},
		{"domain IPv4", cookie.Config{Domain: "127.0.0.1"}, []string{"Domain"}},
		{"domain short IPv4", cookie.Config{Domain: "127.1"}, []string{"Domain"}},
		{"domain hex IPv4", cookie.Config{Domain: "1.2.3.0x4"}, []string{"Domain"}},
		{"domain IPv6", cookie.Config{Domain: "::1"}, []string{"Domain"}},
		{"domain IPv6 in brackets", cookie.Config{Domain: "[::1]"}, []string{"Domain"}},
		{"domain with port", cookie.Config{Domain: "example.com:443"}, []string{"Domain"}},
		{"domain with attribute", cookie.Config{Domain: "example.com; SameSite=None"}, []string{"Domain"}},
		{"domain with CR LF", cookie.Config{Domain: "example.com\r\nX: y.z"}, []string{"Domain"}},
		{"domain not ASCII", cookie.Config{Domain: "exämple.com"}, []string{"Domain"}},
		{"domain with wildcard", cookie.Config{Domain: "*.example.com"}, []string{"Domain"}},
		{"domain with hyphen first", cookie.Config{Domain: "-a.example.com"}, []string{"Domain"}},
		{"domain with hyphen last", cookie.Config{Domain: "a-.example.com"}, []string{"Domain"}},
		{"domain with long label", cookie.Config{Domain: label + "a.com"}, []string{"Domain"}},
		{"domain too long", cookie.Config{Domain: strings.Repeat(label+".", 4) + "com"}, []string{"Domain"}},
		{
			"everything at once",
			cookie.Config{Name: "__Host-a b", Domain: "com", SameSite: 9, Partitioned: true, InsecureHTTP: true},
			[]string{"Name", "Name", "Domain", "SameSite", "Partitioned", "Partitioned"},
		},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s, err := cookie.New(tc.cfg)
			require.Nil(t, s)
			require.Error(t, err)
			require.Equal(t, tc.want, mistakes(t, err))
		})
	}
}

func TestConfigAccepted(t *testing.T) {
	for _, tc := range []struct {
		desc string
		cfg  cookie.Config
		want string
	}{
		{"all token bytes", cookie.Config{Name: "!#$%&'*+-.^_`|~09azAZ"}, "__Host-!#$%&'*+-.^_`|~09azAZ"},
		{"longest name", cookie.Config{Name: strings.Repeat("a", 64)}, "__Host-" + strings.Repeat("a", 64)},
		{"prefix inside", cookie.Config{Name: "a__Host-"}, "__Host-a__Host-"},
		{"international domain", cookie.Config{Domain: "xn--bcher-kva.example"}, "__Secure-session"},
		{"digits in labels", cookie.Config{Domain: "1.2.3.4.example"}, "__Secure-session"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			require.Equal(t, tc.want, newSpec(t, tc.cfg).Name())
		})
	}
}

func TestConfigErrorText(t *testing.T) {
	_, err := cookie.New(cookie.Config{Domain: "com"})
	require.EqualError(t, err, `cookie.Config.Domain = "com": is a single label: browsers refuse a cookie for a whole top-level domain`)
}

package csrf_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// secretOf returns a secret that is not another letter's.
func secretOf(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }

// mistakes returns the field and the value of each mistake of cfg.
func mistakes(t *testing.T, cfg csrf.Config) (got []string) {
	t.Helper()
	g, err := csrf.New(cfg)
	if err == nil {
		return nil
	}
	require.Nil(t, g)
	require.ErrorContains(t, err, "csrf: ")
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	require.True(t, ok)
	for _, e := range joined.Unwrap() {
		var c *core.ConfigError
		require.ErrorAs(t, e, &c)
		require.NotEmpty(t, c.Reason)
		got = append(got, strings.TrimPrefix(c.Field, "csrf.Config.")+" "+c.Value)
	}
	return got
}

func TestNew(t *testing.T) {
	long := strings.Repeat("a", 65)
	retired := func(s ...[]byte) csrf.Config { return csrf.Config{Secret: secretOf("s"), RetiredSecrets: s} }
	for _, tc := range []struct {
		desc string
		cfg  csrf.Config
		want []string
	}{
		{"zero", csrf.Config{}, nil},
		{"everything", csrf.Config{
			PublicOrigin: public, TrustedOrigins: []string{trusted, "http://localhost:3000"}, App: "My_app-1.2", Secret: secretOf("s"),
			RetiredSecrets: [][]byte{secretOf("a"), secretOf("b"), secretOf("c"), secretOf("d")},
			Cookie:         cookie.Config{Name: "visitor", SameSite: cookie.SameSiteNone, Partitioned: true},
			Cookies:        []string{"__Host-refresh", "sid"}, HeaderName: "x-xsrf-token", FieldName: "_csrf.token", Multipart: true,
			Exempt: []string{"/", "/hooks/", "/hooks/pay", "/a.b/..c/~d;e=1,2/@:$", "/..."},
		}, nil},
		{"without tokens", csrf.Config{InsecureNoTokens: true, Cookies: []string{"sid"}, JSONOnly: true, Exempt: []string{"/a"}, App: "a"}, nil},

		{"public origin", csrf.Config{PublicOrigin: "https://App.example.com"}, []string{"PublicOrigin https://App.example.com"}},
		{"trusted origins", csrf.Config{TrustedOrigins: []string{trusted, "null", "https://*.example.com", trusted, "", "http://app.example.com", "https://app.example.com/"}}, []string{
			"TrustedOrigins[1] null", "TrustedOrigins[2] https://*.example.com", "TrustedOrigins[3] " + trusted, "TrustedOrigins[4] ",
			"TrustedOrigins[5] http://app.example.com", "TrustedOrigins[6] https://app.example.com/",
		}},

		{"app", csrf.Config{App: "my app"}, []string{"App my app"}},
		{"long app", csrf.Config{App: long}, []string{"App " + long}},
		{"short secret", csrf.Config{Secret: secretOf("s")[1:]}, []string{"Secret 31 bytes"}},
		{"empty secret", csrf.Config{Secret: []byte{}}, []string{"Secret 0 bytes"}},
		{"retired alone", csrf.Config{RetiredSecrets: [][]byte{secretOf("a")}}, []string{"Secret nil"}},
		{"short retired", retired(secretOf("a"), secretOf("b")[1:], nil, []byte{}), []string{
			"RetiredSecrets[1] 31 bytes", "RetiredSecrets[2] 0 bytes", "RetiredSecrets[3] 0 bytes", "RetiredSecrets[3] 0 bytes",
		}},
		{"retired and in use", retired(secretOf("a"), secretOf("s")), []string{"RetiredSecrets[1] 32 bytes"}},
		{"retired twice", retired(secretOf("a"), secretOf("a")), []string{"RetiredSecrets[1] 32 bytes"}},
		{"five retired", retired(secretOf("a"), secretOf("b"), secretOf("c"), secretOf("d"), secretOf("e")), []string{"RetiredSecrets 5 secrets"}},

		{"cookie", csrf.Config{Cookie: cookie.Config{Name: "a b", Partitioned: true}}, []string{"cookie.Config.Name a b\ncookie.Config.Partitioned true"}},
		{"cookie of siblings", csrf.Config{Cookie: cookie.Config{Domain: "example.com"}}, []string{"Cookie.Domain example.com"}},
		{"cookies", csrf.Config{Cookies: []string{"sid", "", "a b", "a=b", "a;b", "sid", "caf\xc3\xa9"}}, []string{
			"Cookies[1] ", "Cookies[2] a b", "Cookies[3] a=b", "Cookies[4] a;b", "Cookies[5] sid", "Cookies[6] caf\xc3\xa9",
		}},

		{"header", csrf.Config{HeaderName: "X CSRF"}, []string{"HeaderName X CSRF"}},
		{"header with a colon", csrf.Config{HeaderName: "X-CSRF:"}, []string{"HeaderName X-CSRF:"}},
		{"field", csrf.Config{FieldName: "user[csrf]"}, []string{"FieldName user[csrf]"}},
		{"field with an ampersand and a blank", csrf.Config{FieldName: "a b"}, []string{"FieldName a b"}},
		{"forms beside JSON", csrf.Config{JSONOnly: true, Multipart: true, FieldName: "csrf"}, []string{"FieldName set", "Multipart set"}},
		{"exempt", csrf.Config{Exempt: []string{
			"/a", "", "a", "//", "//a", "/a//b", "/a//", "/.", "/..", "/./a", "/a/../b", "/a/..", "/a/.", "/%61", "/a?b", "/a#b", "/a b",
			"/caf\xc3\xa9", "https://a", `/a\b`, "/a", "/*", "/{id}",
		}}, []string{
			"Exempt[1] ", "Exempt[2] a", "Exempt[3] //", "Exempt[4] //a", "Exempt[5] /a//b", "Exempt[6] /a//", "Exempt[7] /.", "Exempt[8] /..",
			"Exempt[9] /./a", "Exempt[10] /a/../b", "Exempt[11] /a/..", "Exempt[12] /a/.", "Exempt[13] /%61", "Exempt[14] /a?b", "Exempt[15] /a#b",
			"Exempt[16] /a b", "Exempt[17] /caf\xc3\xa9", "Exempt[18] https://a", `Exempt[19] /a\b`, "Exempt[20] /a", "Exempt[22] /{id}",
		}},
		{"options of tokens without tokens", csrf.Config{
			InsecureNoTokens: true, Secret: secretOf("s"), RetiredSecrets: [][]byte{secretOf("a")}, Cookie: cookie.Config{Name: "visitor"},
			HeaderName: "X-Token", FieldName: "token", Multipart: true,
		}, []string{"Secret set", "RetiredSecrets set", "Cookie set", "HeaderName set", "FieldName set", "Multipart set"}},
		{"all at once", csrf.Config{
			PublicOrigin: "null", TrustedOrigins: []string{"*"}, App: "/", Secret: []byte("short"), RetiredSecrets: [][]byte{nil},
			Cookie: cookie.Config{Domain: "com"}, Cookies: []string{""}, HeaderName: "Cookie", FieldName: "=", Exempt: []string{""},
		}, []string{
			"PublicOrigin null", "TrustedOrigins[0] *", "App /", "Secret 5 bytes", "RetiredSecrets[0] 0 bytes", "cookie.Config.Domain com",
			"Cookie.Domain com", "Cookies[0] ", "HeaderName Cookie", "FieldName =", "Exempt[0] ",
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			got := mistakes(t, tc.cfg)
			if tc.desc == "cookie" { // package cookie joins its own
				require.Len(t, got, 1)
				_, err := csrf.New(tc.cfg)
				require.ErrorContains(t, err, "cookie.Config.Name")
				require.ErrorContains(t, err, "cookie.Config.Partitioned")
				return
			}
			require.Equal(t, tc.want, got)
		})
	}
}

// A header that a page elsewhere can send is no proof, one that no page can send no way in.
func TestHeaderName(t *testing.T) {
	for _, name := range []string{
		"Accept", "accept-language", "Content-Language", "CONTENT-TYPE", "Range", "DPR", "Save-Data", "Viewport-Width",
		"Cookie", "Origin", "Host", "Referer", "Sec-Fetch-Site", "sec-x", "Proxy-Token", "Access-Control-Request-Method", "Via", "TE",
		"X-HTTP-Method-Override", "X-Method-Override", "Authorization", "User-Agent",
	} {
		require.Equal(t, []string{"HeaderName " + name}, mistakes(t, csrf.Config{HeaderName: name}), name)
	}
	for name, canonical := range map[string]string{
		"": "X-Csrf-Token", "X-XSRF-TOKEN": "X-Xsrf-Token", "Accept-Token": "Accept-Token", "Second": "Second", "Proxy": "Proxy",
	} {
		require.Equal(t, canonical, newGuard(t, csrf.Config{HeaderName: name}).HeaderName())
	}
}

// No mistake tells a secret.
func TestMistakesTellNoSecret(t *testing.T) {
	key := "hunter2-hunter2-hunter2-hunter2-hunter2"
	_, err := csrf.New(csrf.Config{
		Secret: []byte(key), RetiredSecrets: [][]byte{[]byte(key), []byte(key[:14])}, InsecureNoTokens: true,
	})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestDefaults(t *testing.T) {
	g := newGuard(t, csrf.Config{})
	require.Equal(t, "__Host-csrf", g.Cookie().Name())
	require.False(t, g.Cookie().InsecureHTTP())
	require.Equal(t, "X-Csrf-Token", g.HeaderName())
	require.Equal(t, "csrf_token", g.FieldName())
	require.True(t, g.Tokens())
	require.True(t, g.Alone())
	require.False(t, g.Multipart())
	require.False(t, g.JSONOnly())
	require.False(t, g.Exempt("/"))
	require.False(t, g.Exempt(""))

	g = newGuard(t, csrf.Config{Secret: secretOf("s"), Multipart: true, FieldName: "f"})
	require.False(t, g.Alone())
	require.True(t, g.Multipart())
	require.Equal(t, "f", g.FieldName())
	require.True(t, newGuard(t, csrf.Config{JSONOnly: true}).JSONOnly())
	require.False(t, newGuard(t, csrf.Config{InsecureNoTokens: true}).Tokens())
}

// What the caller goes on using changes no Guard.
func TestNewKeepsNothing(t *testing.T) {
	origins, secret, retired := []string{trusted}, secretOf("s"), secretOf("r")
	secrets, cookies, exempt := [][]byte{retired}, []string{"sid"}, []string{"/hook"}
	g := newGuard(t, csrf.Config{
		PublicOrigin: public, TrustedOrigins: origins, Secret: secret, RetiredSecrets: secrets, Cookies: cookies, Exempt: exempt,
	})
	who := csrf.ToLogin("ann")
	token := tokenOf(t, g, who, "")
	old := tokenOf(t, newGuard(t, csrf.Config{Secret: secretOf("r")}), who, "")
	origins[0], cookies[0], exempt[0], secrets[0] = evil, "theme", "/transfer", nil
	clear(secret)
	clear(retired)
	require.NoError(t, g.Check(csrf.Request{Method: "POST", Origin: lines(trusted)}))
	require.Equal(t, csrf.ErrCrossSite, g.Check(csrf.Request{Method: "POST", Origin: lines(evil)}))
	require.True(t, g.Carries(lines("sid=1"), ""))
	require.False(t, g.Carries(lines("theme=1"), ""))
	require.True(t, g.Exempt("/hook"))
	require.False(t, g.Exempt("/transfer"))
	require.NoError(t, g.Verify(token, who, ""))
	require.NoError(t, g.Verify(old, who, ""))
	require.NoError(t, newGuard(t, csrf.Config{Secret: secretOf("s")}).Verify(tokenOf(t, g, who, ""), who, ""))
}

func TestNewWithoutRandomness(t *testing.T) {
	broken := errors.New("no entropy")
	_, err := csrf.New(csrf.Config{Rand: iotest.ErrReader(broken)})
	require.ErrorIs(t, err, broken)
	_, err = csrf.New(csrf.Config{Rand: iotest.ErrReader(broken), Secret: secretOf("s")})
	require.NoError(t, err)
	_, err = csrf.New(csrf.Config{Rand: strings.NewReader("short")})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// F11: nothing but the path that was meant.
func TestExempt(t *testing.T) {
	g := newGuard(t, csrf.Config{Exempt: []string{"/hooks/pay", "/upload/"}})
	require.True(t, g.Exempt("/hooks/pay"))
	require.True(t, g.Exempt("/upload/"))
	for _, path := range []string{
		"", "/", "/hooks", "/hooks/", "/hooks/pay/", "//hooks/pay", "/hooks//pay", "/hooks/./pay", "/x/../hooks/pay", "/hooks/pay/../../transfer",
		"/hooks/%70ay", "/hooks%2fpay", "/hooks%2Fpay", "/HOOKS/pay", "/hooks/pay?x=1", "/hooks/pay#", "/hooks/pay;a=1", "/hooks/pay%00",
		"/hooks/payments", "hooks/pay", `\hooks\pay`, "/upload", "/transfer?/hooks/pay", "http://a/hooks/pay", " /hooks/pay", "/hooks/pay ",
	} {
		require.False(t, g.Exempt(path), path)
	}
}

func TestCarries(t *testing.T) {
	g := newGuard(t, csrf.Config{Cookies: []string{"__Host-refresh", "legacy_sid"}})
	for _, tc := range []struct {
		desc  string
		lines []string
		name  string
		want  bool
	}{
		{"nothing", nil, "__Host-session", false},
		{"an empty line", lines(""), "__Host-session", false},
		{"others", lines("theme=dark; lang=en", "a=b"), "__Host-session", false},
		{"the session's", lines("theme=dark; __Host-session=x"), "__Host-session", true},
		{"the session's, which is another's here", lines("__Host-session=x"), "", false},
		{"its own", lines("__Host-csrf=x"), "", true},
		{"the first of the others", lines("__Host-refresh=x"), "", true},
		{"the second", lines("a=b", "legacy_sid=x"), "", true},
		{"empty value", lines("__Host-session="), "__Host-session", true},
		{"no value", lines("__Host-session"), "__Host-session", true},
		// What is no cookie to us may be one to a more lenient reader behind (F14).
		{"another separator", lines("a=b,__Host-session=x"), "__Host-session", true},
		{"in a quoted value", lines(`a="b; __Host-session=x"`), "__Host-session", true},
		{"blanks", lines(" \t__Host-session = x"), "__Host-session", true},
		{"a longer name", lines("x__Host-session2=x"), "__Host-session", true},
	} {
		t.Run(tc.desc, func(t *testing.T) { require.Equal(t, tc.want, g.Carries(tc.lines, tc.name)) })
	}
	own := newGuard(t, csrf.Config{Cookie: cookie.Config{Name: "visitor"}})
	require.True(t, own.Carries(lines("__Host-visitor=x"), ""))
	require.False(t, own.Carries(lines("__Host-csrf=x"), ""))
	require.True(t, newGuard(t, csrf.Config{InsecureNoTokens: true}).Carries(lines("__Host-csrf=x"), ""))
}

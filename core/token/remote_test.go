package token_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func TestRemoteKeysConfigMistakes(t *testing.T) {
	const (
		notURL   = "must be an absolute URL"
		notHTTPS = "must be https: whoever sits on the way could change the answer"
		notLocal = "must be https, or http on loopback with InsecureHTTP"
		creds    = "must not hold credentials"
		fragment = "must not have a fragment"
		orURL    = ", or URL must be set"
	)
	type mistakes map[string][2]string // field: value, reason
	for _, tc := range []struct {
		desc string
		cfg  token.RemoteKeysConfig
		want mistakes
	}{
		{"everything at once", token.RemoteKeysConfig{
			URL: "http://issuer.example/jwks", Refresh: time.Second - 1, RetryAfter: -1, Timeout: -2, MaxBytes: -3, App: "my app",
		}, mistakes{
			"Issuer":     {"", "is compulsory: keys are trusted for one issuer only"},
			"URL":        {"http://issuer.example/jwks", notHTTPS},
			"Refresh":    {"999.999999ms", "must be at least one second"},
			"RetryAfter": {"-1ns", "must not be negative: a flood of made-up key names would become one of fetches"},
			"Timeout":    {"-2ns", "must not be negative: a fetch without an end would hold requests for ever"},
			"App":        {"my app", "must be 1 to 64 of A-Z a-z 0-9 . _ -"},
			"MaxBytes":   {"-3", "must be from 1 byte to 16 MiB"},
		}},
		{"zero", token.RemoteKeysConfig{}, mistakes{"Issuer": {"", "is compulsory: keys are trusted for one issuer only"}}},
		{"issuer alone", token.RemoteKeysConfig{Issuer: "https://issuer.example/tenant"}, nil},
		{"any name beside URL", token.RemoteKeysConfig{Issuer: "our accounts", URL: "https://issuer.example/jwks?v=1"}, nil},
		{"issuer no URL", token.RemoteKeysConfig{Issuer: "accounts"}, mistakes{"Issuer": {"accounts", notURL + orURL}}},
		{"issuer with query", token.RemoteKeysConfig{Issuer: "https://issuer.example?a"}, mistakes{"Issuer": {"https://issuer.example?a", "must not have a query" + orURL}}},
		{"issuer http", token.RemoteKeysConfig{Issuer: "http://localhost"}, mistakes{"Issuer": {"http://localhost", notHTTPS + orURL}}},
		{"issuer with credentials", token.RemoteKeysConfig{Issuer: "https://u:secret@issuer.example"},
			mistakes{"Issuer": {"https://u:xxxxx@issuer.example", creds + orURL}}},
		{"no host", config("https:///jwks", false), mistakes{"URL": {"https:///jwks", notURL}}},
		{"a port alone", config("https://:443/jwks", false), mistakes{"URL": {"https://:443/jwks", notURL}}},
		{"relative", config("/jwks", false), mistakes{"URL": {"/jwks", notURL}}},
		{"opaque", config("https:issuer.example", false), mistakes{"URL": {"https:issuer.example", notURL}}},
		{"malformed", config("https://issuer.example/%zz", false), mistakes{"URL": {"https://issuer.example/%zz", notURL}}},
		{"credentials", config("https://u:secret@issuer.example/", false), mistakes{"URL": {"https://u:xxxxx@issuer.example/", creds}}},
		{"user", config("https://@issuer.example/", false), mistakes{"URL": {"https://@issuer.example/", creds}}},
		{"fragment", config("https://issuer.example/#f", false), mistakes{"URL": {"https://issuer.example/#f", fragment}}},
		{"empty fragment", config("https://issuer.example/#", false), mistakes{"URL": {"https://issuer.example/#", fragment}}},
		{"a file", config("file://localhost/etc/jwks", true), mistakes{"URL": {"file://localhost/etc/jwks", notHTTPS}}},
		{"loopback", config("http://127.0.0.1/", false), mistakes{"URL": {"http://127.0.0.1/", notHTTPS}}},
		{"https elsewhere with InsecureHTTP", config("https://issuer.example/", true), nil},
		{"http elsewhere with InsecureHTTP", config("http://issuer.example/", true), mistakes{"URL": {"http://issuer.example/", notLocal}}},
		{"127.0.0.1", config("http://127.0.0.1:8080/", true), nil},
		{"127.9.9.9", config("http://127.9.9.9/", true), nil},
		{"[::1]", config("http://[::1]:8080/", true), nil},
		{"localhost", config("http://LocalHost:8080/", true), nil},
		{"below localhost", config("HTTP://idp.localhost/", true), nil},
		{"128.0.0.1", config("http://128.0.0.1/", true), mistakes{"URL": {"http://128.0.0.1/", notLocal}}},
		{"0.0.0.0", config("http://0.0.0.0/", true), mistakes{"URL": {"http://0.0.0.0/", notLocal}}},
		{"127.1", config("http://127.1/", true), mistakes{"URL": {"http://127.1/", notLocal}}},
		{"a name that starts so", config("http://127.0.0.1.example/", true), mistakes{"URL": {"http://127.0.0.1.example/", notLocal}}},
		{"a name that ends so", config("http://notlocalhost/", true), mistakes{"URL": {"http://notlocalhost/", notLocal}}},
		{"RetryAfter above Refresh", token.RemoteKeysConfig{Issuer: "https://issuer.example", Refresh: time.Second, RetryAfter: time.Second + 1},
			mistakes{"RetryAfter": {"1.000000001s", "must not be more than Refresh: the set would be too old before it may be fetched"}}},
		{"RetryAfter as Refresh", token.RemoteKeysConfig{Issuer: "https://issuer.example", Refresh: time.Second, RetryAfter: time.Second}, nil},
		{"the default RetryAfter below a short Refresh", token.RemoteKeysConfig{Issuer: "https://issuer.example", Refresh: time.Second}, nil},
		{"never stale", token.RemoteKeysConfig{Issuer: "https://issuer.example", StaleFor: -1}, nil},
		{"16 MiB", token.RemoteKeysConfig{Issuer: "https://issuer.example", MaxBytes: 16 << 20}, nil},
		{"more", token.RemoteKeysConfig{Issuer: "https://issuer.example", MaxBytes: 16<<20 + 1}, mistakes{"MaxBytes": {"16777217", "must be from 1 byte to 16 MiB"}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			keys, err := token.NewRemoteKeys(tc.cfg)
			if tc.want == nil {
				require.NoError(t, err)
				require.NotNil(t, keys)
				return
			}
			require.Nil(t, keys)
			require.ErrorContains(t, err, "token: ")
			require.NotContains(t, err.Error(), "secret")
			got := mistakes{}
			for _, e := range joined(t, err) {
				var ce *core.ConfigError
				require.ErrorAs(t, e, &ce)
				got[ce.Field] = [2]string{ce.Value, ce.Reason}
			}
			want := mistakes{}
			for field, m := range tc.want {
				want["token.RemoteKeysConfig."+field] = m
			}
			require.Equal(t, want, got)
		})
	}
}

func config(url string, insecure bool) token.RemoteKeysConfig {
	return token.RemoteKeysConfig{Issuer: "i", URL: url, InsecureHTTP: insecure}
}

// joined returns what errors.Join joined below a prefix.
func joined(t *testing.T, err error) []error {
	t.Helper()
	wrapped, ok := err.(interface{ Unwrap() error })
	require.True(t, ok)
	list, ok := wrapped.Unwrap().(interface{ Unwrap() []error })
	require.True(t, ok)
	return list.Unwrap()
}

func TestRemoteKeysDefaults(t *testing.T) {
	// The default transport and clock, and no sink: a whole fetch without them.
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(remoteSet)) }))
	t.Cleanup(srv.Close)
	keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{Issuer: "i", URL: srv.URL, InsecureHTTP: true})
	require.NoError(t, err)
	require.NoError(t, keys.Fetch(t.Context()))
	http.DefaultClient.CloseIdleConnections()
}

package token_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func TestIntrospectionConfigMistakes(t *testing.T) {
	const (
		compulsory = "is compulsory"
		secret     = "is compulsory: an endpoint that answers anybody tells thieves what they stole"
		notURL     = "must be an absolute URL"
		notHTTPS   = "must be https: whoever sits on the way could change the answer"
		notLocal   = "must be https, or http on loopback with InsecureHTTP"
		entries    = "must be from 1 to 1,000,000; a negative CacheFor remembers nothing"
	)
	type mistakes map[string][2]string // field: value, reason
	at := func(url string, insecure bool) token.IntrospectionConfig {
		return token.IntrospectionConfig{URL: url, ClientID: "shop", ClientSecret: "hush", InsecureHTTP: insecure}
	}
	with := func(change func(*token.IntrospectionConfig)) token.IntrospectionConfig {
		cfg := at("https://auth.example/introspect", false)
		change(&cfg)
		return cfg
	}
	for _, tc := range []struct {
		desc string
		cfg  token.IntrospectionConfig
		want mistakes
	}{
		{"everything at once", token.IntrospectionConfig{
			URL: "http://auth.example/introspect", CacheFor: time.Minute + 1, CacheEntries: -1, Timeout: -2, App: "my app",
		}, mistakes{
			"URL":          {"http://auth.example/introspect", notHTTPS},
			"ClientID":     {"", compulsory},
			"ClientSecret": {"", secret},
			"CacheFor":     {"1m0.000000001s", "must be at most 1m0s: for so long a revoked token works"},
			"CacheEntries": {"-1", entries},
			"Timeout":      {"-2ns", "must not be negative: a question without an end would hold requests for ever"},
			"App":          {"my app", "must be 1 to 64 of A-Z a-z 0-9 . _ -"},
		}},
		{"zero", token.IntrospectionConfig{}, mistakes{
			"URL": {"", compulsory}, "ClientID": {"", compulsory}, "ClientSecret": {"", secret},
		}},
		{"least", at("https://auth.example/introspect", false), nil},
		{"with a query", at("https://auth.example/introspect?tenant=1", false), nil},
		{"not absolute", at("/introspect", false), mistakes{"URL": {"/introspect", notURL}}},
		{"credentials", at("https://shop:hush@auth.example/", false), mistakes{"URL": {"https://shop:xxxxx@auth.example/", "must not hold credentials"}}},
		{"fragment", at("https://auth.example/#", false), mistakes{"URL": {"https://auth.example/#", "must not have a fragment"}}},
		{"loopback", at("http://127.0.0.1/", false), mistakes{"URL": {"http://127.0.0.1/", notHTTPS}}},
		{"loopback with InsecureHTTP", at("http://127.0.0.1:8080/", true), nil},
		{"http elsewhere with InsecureHTTP", at("http://auth.example/", true), mistakes{"URL": {"http://auth.example/", notLocal}}},
		{"a name that looks like loopback", at("http://localhost.example/", true), mistakes{"URL": {"http://localhost.example/", notLocal}}},
		{"the longest CacheFor", with(func(c *token.IntrospectionConfig) { c.CacheFor = time.Minute }), nil},
		{"no cache", with(func(c *token.IntrospectionConfig) { c.CacheFor = -time.Hour }), nil},
		{"most entries", with(func(c *token.IntrospectionConfig) { c.CacheEntries = 1_000_000 }), nil},
		{"an entry too many", with(func(c *token.IntrospectionConfig) { c.CacheEntries = 1_000_001 }), mistakes{"CacheEntries": {"1000001", entries}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			in, err := token.NewIntrospection(tc.cfg)
			if tc.want == nil {
				require.NoError(t, err)
				require.NotNil(t, in)
				return
			}
			require.Nil(t, in)
			require.ErrorContains(t, err, "token: ")
			require.NotContains(t, err.Error(), "hush")
			joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
			require.True(t, ok)
			got := mistakes{}
			for _, e := range joined.Unwrap() {
				var c *core.ConfigError
				require.ErrorAs(t, e, &c)
				got[c.Field[len("token.IntrospectionConfig."):]] = [2]string{c.Value, c.Reason}
			}
			require.Equal(t, tc.want, got)
			require.Len(t, joined.Unwrap(), len(tc.want))
		})
	}
}

package origin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/origin"
)

func TestCrossSite(t *testing.T) {
	for _, tc := range []struct {
		desc, a, b string
		want       bool
	}{
		{"the same", "https://app.example.com", "https://app.example.com", false},
		{"another port", "https://app.example.com", "https://app.example.com:8443", false},
		{"sibling", "https://app.example.com", "https://api.example.com", false},
		{"parent", "https://example.com", "https://api.example.com", false},
		{"deeper", "https://a.b.c.example.com", "https://example.com", false},
		{"pattern", "https://*.example.com", "https://example.com", false},
		{"perhaps", "https://a.co.example", "https://b.co.example", false},
		{"scheme", "http://app.example.com", "https://app.example.com", true},
		{"another domain", "https://app.example.com", "https://app.example.org", true},
		{"another name", "https://app.example.com", "https://app.evilexample.com", true},
		{"domain in front", "https://example.com.evil.example", "https://example.com", true},
		{"pattern of another domain", "https://*.example.org", "https://app.example.com", true},
		{"single label", "https://intranet", "https://intranet:8443", false},
		{"two single labels", "https://intranet", "https://wiki", true},
		{"below a single label", "https://intranet", "https://wiki.intranet", true},
		{"loopback name", "http://localhost:3000", "http://localhost:8080", false},
		{"loopback name and address", "http://localhost:3000", "http://127.0.0.1:3000", true},
		{"loopback name and domain", "https://localhost", "https://app.example.com", true},
		{"below localhost", "http://a.localhost", "http://b.localhost", true},
		{"further below localhost", "http://x.a.localhost", "http://a.localhost", false},
		{"address", "https://192.0.2.7", "https://192.0.2.7:8443", false},
		{"addresses that end alike", "https://10.0.2.7", "https://192.0.2.7", true},
		{"IPv6", "https://[2001:db8::7]", "https://[2001:db8::7]:8443", false},
		{"two of IPv6", "https://[2001:db8::7]", "https://[2001:db8::8]", true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			require.Equal(t, tc.want, origin.CrossSite(tc.a, tc.b))
			require.Equal(t, tc.want, origin.CrossSite(tc.b, tc.a), "the other way round")
		})
	}
}

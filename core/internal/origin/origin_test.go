package origin_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/origin"
)

const (
	isNull    = "is what sandboxed frames, local files and some redirects say, whoever made them"
	isPattern = "must be one origin: patterns also cover hosts that are somebody else's tomorrow"
	isUpper   = "must be in lower case, as browsers send it"
	isNone    = "must be an origin such as https://app.example.com"
	isPort    = "must have a port from 1 to 65535 behind the colon and nothing after it"
	isDefault = "must leave out the default port, as browsers do"
	isHost    = "must have a host in ASCII behind the scheme and no path, not even a slash, user, query or fragment"
	isLong    = "must have a host of at most 253 characters"
	isIPv4    = "must have its IPv4 address as four decimal numbers, as browsers write it"
	isIPv6    = "must have its IPv6 address in the shortest form (RFC 5952), without a zone"
	isHTTP    = "must be https, or http on loopback: whoever sits on the way speaks for an http origin"
)

var label63 = strings.Repeat("a", 63)

var origins = []struct{ raw, want string }{
	{"https://app.example.com", ""},
	{"https://app.example.com:8443", ""},
	{"https://app.example.com:80", ""},
	{"https://app.example.com:1", ""},
	{"https://app.example.com:65535", ""},
	{"https://intranet", ""},
	{"https://under_score.example", ""},
	{"https://xn--bcher-kva.example", ""},
	{"https://1.example", ""},
	{"https://0xg", ""},
	{"https://x0x1", ""},
	{"https://192.0.2.7", ""},
	{"https://192.0.2.7:8443", ""},
	{"https://[2001:db8::7]", ""},
	{"https://[2001:db8::7]:8443", ""},
	{"https://" + label63 + ".example", ""},
	{"https://" + strings.Repeat("a.", 126) + "b", ""},
	{"http://localhost", ""},
	{"http://localhost:3000", ""},
	{"http://app.localhost:3000", ""},
	{"http://127.0.0.1:3000", ""},
	{"http://127.1.2.3", ""},
	{"http://[::1]:3000", ""},
	{"http://[::1]:443", ""},

	{"null", isNull},
	{"*", isPattern},
	{"https://*", isPattern},
	{"https://*.example.com", isPattern},
	{"https://app.example.com:*", isPattern},
	{"HTTPS://app.example.com", isUpper},
	{"https://App.example.com", isUpper},
	{"https://app.example.coM", isUpper},
	{"https://[2001:DB8::7]", isUpper},

	{"", isNone},
	{"app.example.com", isNone},
	{"//app.example.com", isNone},
	{"https:app.example.com", isNone},
	{"https:/app.example.com", isNone},
	{"file://", isNone},
	{"ftp://app.example.com", isNone},
	{"wss://app.example.com", isNone},
	{"chrome-extension://abc", isNone},
	{" https://app.example.com", isNone},

	{"https://", isHost},
	{"https:///", isHost},
	{"https://app.example.com/", isHost},
	{"https://app.example.com/login", isHost},
	{"https://app.example.com?", isHost},
	{"https://app.example.com#", isHost},
	{"https://app.example.com ", isHost},
	{"https://app.example.com.", isHost},
	{"https://.example.com", isHost},
	{"https://app..example.com", isHost},
	{"https://user@app.example.com", isHost},
	{"https://app.example.com%60.evil.example", isHost},
	{"https://app.example.com,https://b.example", isPort},
	{"https://app.example.com https", isHost},
	{"https://bücher.example", isHost},
	{"https://app.example.com\x00", isHost},
	{"https://a\\b.example", isHost},
	{"https://" + label63 + "a.example", isHost},
	{"https://" + strings.Repeat("a.", 126) + "bb", isLong},

	{"https://app.example.com:443", isDefault},
	{"https://[2001:db8::7]:443", isDefault},
	{"http://localhost:80", isDefault},
	{"https://app.example.com:", isPort},
	{"https://app.example.com:0", isPort},
	{"https://app.example.com:08443", isPort},
	{"https://app.example.com:+8443", isPort},
	{"https://app.example.com:65536", isPort},
	{"https://app.example.com:8443/", isPort},
	{"https://app.example.com:https", isPort},
	{"https://user:secret@app.example.com", isPort},
	{"https://2001:db8::7", isHost},

	{"https://192.0.2", isIPv4},
	{"https://192.0.2.256", isIPv4},
	{"https://192.0.2.07", isIPv4},
	{"https://3221225991", isIPv4},
	{"https://0xc0000207", isIPv4},
	{"https://app.0x7", isIPv4},
	{"https://app.example.7", isIPv4},
	{"https://app.0x", isIPv4},

	{"https://[]", isIPv6},
	{"https://[2001:db8::7", isIPv6},
	{"https://[2001:db8::7:8443", isIPv6},
	{"https://[2001:db8:0::7]", isIPv6},
	{"https://[2001:db8:0:0:0:0:0:7]", isIPv6},
	{"https://[2001:db8::7%25eth0]", isIPv6},
	{"https://[fe80::1%eth0]", isIPv6},
	{"https://[::ffff:192.0.2.7]", isIPv6},
	{"https://[192.0.2.7]", isIPv6},
	{"https://[app.example.com]", isIPv6},
	{"https://[2001:db8::7]x", isIPv6},

	{"http://app.example.com", isHTTP},
	{"http://192.0.2.7", isHTTP},
	{"http://[2001:db8::7]:8443", isHTTP},
	{"http://localhost.example.com", isHTTP},
	{"http://notlocalhost", isHTTP},
	{"http://128.0.0.1", isHTTP},
}

func TestReason(t *testing.T) {
	for _, tc := range origins {
		t.Run(tc.raw, func(t *testing.T) {
			require.Equal(t, tc.want, origin.Reason(tc.raw))
		})
	}
}

// TestMalformed: http is the only difference.
func TestMalformed(t *testing.T) {
	for _, tc := range origins {
		want := tc.want
		if want == isHTTP {
			want = ""
		}
		t.Run(tc.raw, func(t *testing.T) {
			require.Equal(t, want, origin.Malformed(tc.raw))
		})
	}
}

func TestIsHost(t *testing.T) {
	for _, tc := range []struct {
		desc, origin, host string
		secure, want       bool
	}{
		{"https", "https://app.example.com", "app.example.com", true, true},
		{"http", "http://app.example.com", "app.example.com", false, true},
		{"https twin", "https://app.example.com", "app.example.com", false, false},
		{"http twin", "http://app.example.com", "app.example.com", true, false},
		{"port", "https://app.example.com:8443", "app.example.com:8443", true, true},
		{"other port", "https://app.example.com:8444", "app.example.com:8443", true, false},
		{"no port in the host", "https://app.example.com:8443", "app.example.com", true, false},
		{"no port in the origin", "https://app.example.com", "app.example.com:8443", true, false},
		{"default port in the host", "https://app.example.com", "app.example.com:443", true, true},
		{"default port of http in the host", "http://app.example.com", "app.example.com:80", false, true},
		{"the other default port", "https://app.example.com", "app.example.com:80", true, false},
		{"the other default port of http", "http://app.example.com", "app.example.com:443", false, false},
		{"the other default port in both", "https://app.example.com:80", "app.example.com:80", true, true},
		{"default port in the origin", "https://app.example.com:443", "app.example.com:443", true, false},
		{"a host that ends in the digits", "https://app443", "app443", true, true},
		{"a host that ends in the digits, without them", "https://app", "app443", true, false},
		{"upper case in the host", "https://app.example.com", "App.EXAMPLE.com", true, true},
		{"upper case in the origin", "https://App.example.com", "App.example.com", true, false},
		{"upper case in the scheme", "HTTPS://app.example.com", "app.example.com", true, false},
		{"IPv6", "https://[2001:db8::7]", "[2001:db8::7]", true, true},
		{"IPv6 and default port", "https://[2001:db8::7]", "[2001:db8::7]:443", true, true},
		{"IPv6 that ends in the digits", "https://[2001:db8::443]", "[2001:db8::443]", true, true},
		{"longer host in the origin", "https://app.example.com.evil.example", "app.example.com", true, false},
		{"longer host", "https://app.example.com", "app.example.com.evil.example", true, false},
		{"same length", "https://app.example.com", "apq.example.com", true, false},
		{"path", "https://app.example.com/", "app.example.com", true, false},
		{"no host", "https://", "", true, false},
		{"nothing but a default port", "https://", ":443", true, false},
		{"null", "null", "null", true, false},
		{"not an origin", "app.example.com", "app.example.com", true, false},
		{"empty", "", "", true, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			require.Equal(t, tc.want, origin.IsHost(tc.origin, tc.host, tc.secure))
		})
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "a.localhost": true, "127.0.0.1": true, "127.255.255.254": true, "::1": true,
		"localhost.example": false, "xlocalhost": false, "127.0.0.1.example": false, "126.0.0.1": false, "::2": false, "": false,
	} {
		require.Equal(t, want, origin.Loopback(host), host)
	}
}

// FuzzReason: whatever is an origin is, to the standard library's reader of URLs, a
// scheme and a host and nothing else, spelled in no other way; and it is the origin of
// the host that it names, and of no neighbour.
func FuzzReason(f *testing.F) {
	for _, tc := range origins {
		f.Add(tc.raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		reason := origin.Reason(raw)
		if malformed := origin.Malformed(raw); malformed != "" {
			require.Equal(t, malformed, reason)
		}
		if reason != "" {
			return
		}
		require.False(t, origin.CrossSite(raw, raw))
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, raw, u.Scheme+"://"+u.Host)
		require.Equal(t, url.URL{Scheme: u.Scheme, Host: u.Host}, *u)
		require.Equal(t, strings.ToLower(raw), raw)

		secure := u.Scheme == "https"
		require.True(t, secure || origin.Loopback(u.Hostname()))
		require.True(t, origin.IsHost(raw, u.Host, secure))
		require.True(t, origin.IsHost(raw, strings.ToUpper(u.Host), secure))
		require.False(t, origin.IsHost(raw, u.Host, !secure))
		require.False(t, origin.IsHost(raw, "x"+u.Host, secure))
		require.False(t, origin.IsHost(raw, u.Host+"x", secure))
		if u.Port() == "" {
			standard := map[bool]string{true: ":443", false: ":80"}[secure]
			require.True(t, origin.IsHost(raw, u.Host+standard, secure))
			require.NotEmpty(t, origin.Reason(raw+standard))
			require.Empty(t, origin.Reason(raw+":8443"))
		}
		for _, more := range []string{"/", "?", "#", " ", ".", ":", "*"} {
			require.NotEmpty(t, origin.Reason(raw+more))
		}
	})
}

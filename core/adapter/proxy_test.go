package adapter_test

import (
	"errors"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
)

func proxies(t testing.TB, list ...string) *adapter.Proxies {
	t.Helper()
	p, err := adapter.NewProxies(list)
	require.NoError(t, err)
	return p
}

func TestNewProxiesRefusesMistakesTogether(t *testing.T) {
	_, err := adapter.NewProxies([]string{
		"10.0.0.0/8", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "proxy.example", "10.0.0.0/33", "", " 10.0.0.1", "10.0.0.1:80",
	})
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	var values []string
	for _, e := range joined.Unwrap() {
		var mistake *core.ConfigError
		require.True(t, errors.As(e, &mistake))
		require.Equal(t, "Config.TrustProxy", mistake.Field)
		values = append(values, mistake.Value)
	}
	require.Equal(t, []string{"0.0.0.0/0", "::/0", "::ffff:0:0/96", "proxy.example", "10.0.0.0/33", "", " 10.0.0.1", "10.0.0.1:80"}, values)
}

func TestNewProxiesWithoutListTrustsNobody(t *testing.T) {
	p := proxies(t)
	require.Nil(t, p)
	peer := netip.MustParseAddr("10.0.0.1")
	require.Equal(t, peer, p.ClientIP(peer, []string{"192.0.2.1"}))
	require.False(t, p.Secure(peer, false, []string{"https"}))
}

func TestProxiesClientIP(t *testing.T) {
	trusted := []string{"10.0.0.0/8", "127.0.0.1", "fd00::/8", "fe80::1", "::ffff:172.16.0.0/108", "::ffff:192.168.7.7"}
	for name, tt := range map[string]struct {
		peer string
		xff  []string
		want string
	}{
		"no header":                              {"10.0.0.1", nil, "10.0.0.1"},
		"untrusted peer spoofs":                  {"203.0.113.9", []string{"192.0.2.1"}, "203.0.113.9"},
		"untrusted peer claims to be a proxy":    {"203.0.113.9", []string{"10.0.0.1"}, "203.0.113.9"},
		"one proxy":                              {"10.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		"client spoofs in front of one proxy":    {"10.0.0.1", []string{"127.0.0.1, 192.0.2.1"}, "192.0.2.1"},
		"chain of proxies":                       {"10.0.0.1", []string{"198.51.100.7, 192.0.2.1, 10.0.0.3,10.0.0.2"}, "192.0.2.1"},
		"chain over several lines":               {"10.0.0.1", []string{"198.51.100.7", "192.0.2.1, 10.0.0.3", "10.0.0.2"}, "192.0.2.1"},
		"all are ours":                           {"10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"mapped peer":                            {"::ffff:10.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		"mapped hop is ours":                     {"10.0.0.1", []string{"192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		"mapped client comes out unmapped":       {"10.0.0.1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		"mapped prefix in the list":              {"172.16.3.4", []string{"192.0.2.1"}, "192.0.2.1"},
		"mapped address in the list":             {"192.168.7.7", []string{"192.0.2.1"}, "192.0.2.1"},
		"neighbour of a mapped address":          {"192.168.7.8", []string{"192.0.2.1"}, "192.168.7.8"},
		"IPv6 chain":                             {"fd00::1", []string{"2001:db8::5, fd12::1"}, "2001:db8::5"},
		"zone of a trusted link-local peer":      {"fe80::1%eth0", []string{"192.0.2.1"}, "192.0.2.1"},
		"garbage ends at the last known":         {"10.0.0.1", []string{"192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		"garbage only":                           {"10.0.0.1", []string{"_hidden"}, "10.0.0.1"},
		"empty line":                             {"10.0.0.1", []string{""}, "10.0.0.1"},
		"empty element":                          {"10.0.0.1", []string{"192.0.2.1,,10.0.0.2"}, "10.0.0.2"},
		"trailing comma":                         {"10.0.0.1", []string{"192.0.2.1,"}, "10.0.0.1"},
		"a port makes it garbage":                {"10.0.0.1", []string{"192.0.2.1:4711"}, "10.0.0.1"},
		"brackets make it garbage":               {"10.0.0.1", []string{"[2001:db8::5]"}, "10.0.0.1"},
		"octal is garbage":                       {"10.0.0.1", []string{"192.0.02.1"}, "10.0.0.1"},
		"blanks around":                          {"10.0.0.1", []string{" \t192.0.2.1 \t"}, "192.0.2.1"},
		"spoofed loopback left of a real client": {"127.0.0.1", []string{"127.0.0.1", "192.0.2.1"}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			got := proxies(t, trusted...).ClientIP(netip.MustParseAddr(tt.peer), tt.xff)
			require.Equal(t, netip.MustParseAddr(tt.want), got)
		})
	}
	t.Run("no peer", func(t *testing.T) {
		require.False(t, proxies(t, trusted...).ClientIP(netip.Addr{}, []string{"192.0.2.1"}).IsValid())
	})
}

func TestProxiesSecure(t *testing.T) {
	for name, tt := range map[string]struct {
		peer  string
		tls   bool
		proto []string
		want  bool
	}{
		"plain":                          {"203.0.113.9", false, nil, false},
		"TLS":                            {"203.0.113.9", true, nil, true},
		"untrusted peer claims TLS":      {"203.0.113.9", false, []string{"https"}, false},
		"trusted peer says TLS":          {"10.0.0.1", false, []string{"https"}, true},
		"letter case":                    {"10.0.0.1", false, []string{"HTTPS"}, true},
		"trusted peer says plain":        {"10.0.0.1", false, []string{"http"}, false},
		"TLS to us counts in any case":   {"10.0.0.1", true, []string{"http"}, true},
		"the last value counts":          {"10.0.0.1", false, []string{"https, http"}, false},
		"the last value of the last":     {"10.0.0.1", false, []string{"http", "http, https"}, true},
		"something that begins alike":    {"10.0.0.1", false, []string{"httpsx"}, false},
		"an empty value is no statement": {"10.0.0.1", false, []string{""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, proxies(t, "10.0.0.0/8").Secure(netip.MustParseAddr(tt.peer), tt.tls, tt.proto))
		})
	}
}

// FuzzClientIP: the result is the peer or one of the hops that are listed, and a
// proxy of ours only if nothing but proxies of ours stands right of it and nothing
// that could be the client left of it.
func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1", "192.0.2.1, 10.0.0.2", "")
	f.Add("203.0.113.9", "10.0.0.1", "127.0.0.1")
	f.Add("::ffff:10.0.0.1", "::ffff:10.9.9.9", "x,,")
	f.Add("fe80::1%a", "fe80::1%b,1.1.1.1", "10.0.0.1")
	list := []string{"10.0.0.0/8", "fe80::/10"}
	trusted := func(ip netip.Addr) bool {
		ip = ip.Unmap().WithZone("")
		return netip.MustParsePrefix(list[0]).Contains(ip) || netip.MustParsePrefix(list[1]).Contains(ip)
	}
	f.Fuzz(func(t *testing.T, peerText, line1, line2 string) {
		peer, err := netip.ParseAddr(peerText)
		if err != nil {
			return
		}
		got := proxies(t, list...).ClientIP(peer, []string{line1, line2})

		// The same, from left to right: what is right of the last stranger and the
		// last garbage are ours.
		want := peer.Unmap()
		if trusted(peer) {
			hops := append(strings.Split(line1, ","), strings.Split(line2, ",")...)
			start := 0
			for i, h := range hops {
				ip, err := netip.ParseAddr(strings.TrimSpace(h))
				if err != nil {
					start = i + 1
				} else if !trusted(ip) {
					start = i
				}
			}
			if start < len(hops) {
				want = netip.MustParseAddr(strings.TrimSpace(hops[start])).Unmap()
			}
		}
		require.Equal(t, want, got)
	})
}

func TestInsecureHTTPServesLoopbackOnly(t *testing.T) {
	m := managerWith(t, newFaulty(), insecure())
	begin := func(peer, host string) *adapter.Denied {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr, r.Host = peer, host
		g := &gate{}
		g.Init(httptest.NewRecorder(), r, nil, netip.Addr{}, g)
		return g.Begin(m)
	}
	for host, want := range map[string]bool{
		"localhost":             true,
		"LOCALHOST:80":          true,
		"a.localhost":           true,
		"a.LocalHost:8080":      true,
		"127.0.0.1":             true,
		"127.0.0.1:1":           true,
		"127.9.9.9:1":           true,
		"[::1]":                 true,
		"[::1]:80":              true,
		"[::ffff:127.0.0.1]:80": true,

		"":                      false,
		"evil.com":              false,
		"evil.com:80":           false,
		"localhost.evil.com":    false,
		"localhost.evil.com:80": false,
		"xlocalhost":            false,
		"127.0.0.1.evil.com":    false,
		"127.1":                 false,
		"0.0.0.0":               false,
		"0.0.0.0:80":            false,
		"[::]:80":               false,
		"192.168.0.1:80":        false,
		"[fe80::1]:80":          false,
		"::1":                   false,
		"2130706433":            false,
	} {
		t.Run("host "+host, func(t *testing.T) {
			d := begin("127.0.0.1:4711", host)
			require.Equal(t, want, d == nil)
			if d != nil {
				require.Equal(t, core.AuthMiddlewareFailure, d.Code)
			}
		})
	}
	for peer, want := range map[string]bool{
		"127.0.0.1:4711": true, "[::1]:4711": true, "[::ffff:127.0.0.1]:1": true,
		"192.0.2.1:4711": false, "@": false, "": false,
	} {
		t.Run("peer "+peer, func(t *testing.T) {
			require.Equal(t, want, begin(peer, "localhost") == nil)
		})
	}
}

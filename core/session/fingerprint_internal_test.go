package session

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
)

var fleet = []byte(strings.Repeat("s", 32))

func printerOf(t *testing.T, policy FingerprintPolicy, app string, secret []byte) *printer {
	t.Helper()
	p, err := newPrinter(policy, app, secret)
	require.NoError(t, err)
	return &p
}

const (
	chromeWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	edgeWindows   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.86"
	firefoxLinux  = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
)

func TestKindOf(t *testing.T) {
	for _, tc := range []struct{ agent, browser, system string }{
		{chromeWindows, "Chrome", "Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36", "Chrome", "macOS"},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.6778.33 Safari/537.36", "Chrome", "Linux"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36", "Chrome", "ChromeOS"},
		{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome", "Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1", "Chrome", "iPhone"},
		{firefoxLinux, "Firefox", "Linux"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox", "Windows"},
		{"Mozilla/5.0 (Android 14; Mobile; rv:133.0) Gecko/133.0 Firefox/133.0", "Firefox", "Android"},
		{"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/133.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPad"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari", "macOS"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", "Safari", "iPhone"},
		{edgeWindows, "Edge", "Windows"},
		{"Mozilla/5.0 (Linux; Android 10; HD1913) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.6778.81 Mobile Safari/537.36 EdgA/131.0.2903.48", "Edge", "Android"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 EdgiOS/131.2903.68 Mobile/15E148 Safari/604.1", "Edge", "iPhone"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0", "Opera", "Windows"},
		{"Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36", "Samsung Internet", "Android"},
		{"Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", "Mozilla", "Windows"},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Mozilla", ""},
		{"curl/8.11.0", "curl", ""},
		{"Go-http-client/1.1", "Go-http-client", ""},
		{"okhttp/4.12.0", "okhttp", ""},
		{"python-requests/2.32.3", "python-requests", ""},
		{"Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A.240805.005)", "Dalvik", "Android"},
		{"Acme Shop 4", "Acme", ""},
		{"nothing-but-a-word", "nothing-but-a-word", ""},
		{strings.Repeat("x", 100), strings.Repeat("x", 24), ""},
		{"a\x00b/1", "a", ""},
		{"/1.0", "", ""},
		{"", "", ""},
	} {
		browser, system := kindOf(tc.agent)
		require.Equal(t, []string{tc.browser, tc.system}, []string{browser, system}, tc.agent)
	}
}

func TestDeviceOf(t *testing.T) {
	for agent, want := range map[string]string{
		firefoxLinux:              "Firefox, Linux",
		"curl/8.11.0":             "curl",
		"":                        "",
		"/5.0 (Linux)":            "Linux",
		"<b>\x1b[31mä\u202ebad/1": "<b>[31mbad",
		"\xff\xfe/1":              "",
	} {
		require.Equal(t, want, deviceOf(agent), "%q", agent)
	}
}

// What a request is compared by: kinds of browser and system, and networks as
// coarse as a provider's.
func TestPrintOf(t *testing.T) {
	p := printerOf(t, FingerprintReport, "app", fleet)
	of := func(agent, ip string) fingerprint {
		addr, _ := netip.ParseAddr(ip)
		return p.of(agent, addr)
	}
	for _, tc := range []struct {
		desc                 string
		agent, ip            string // against firefoxLinux and 192.0.2.1, then
		cause                audit.Cause
		fresh, same, unnamed bool
	}{
		{desc: "the same", agent: firefoxLinux, ip: "192.0.2.1", same: true},
		{desc: "a later version", agent: strings.ReplaceAll(firefoxLinux, "133.0", "134.0"), ip: "192.0.2.1", same: true},
		{desc: "another distribution", agent: strings.ReplaceAll(firefoxLinux, "Ubuntu; ", ""), ip: "192.0.2.1", same: true},
		{desc: "another host of the network", agent: firefoxLinux, ip: "192.0.2.200", same: true},
		{desc: "the last host of the network", agent: firefoxLinux, ip: "192.0.255.255", same: true},
		{desc: "in IPv6's spelling", agent: firefoxLinux, ip: "::ffff:192.0.2.1", same: true},
		{desc: "the next network", agent: firefoxLinux, ip: "192.1.2.1", cause: audit.CauseNetwork},
		{desc: "IPv6", agent: firefoxLinux, ip: "2001:db8::1", fresh: true},
		{desc: "no address", agent: firefoxLinux, ip: ""},
		{desc: "another browser", agent: chromeWindows, ip: "192.0.2.1", cause: audit.CauseUserAgent},
		{desc: "another system", agent: strings.ReplaceAll(firefoxLinux, "X11; Ubuntu; Linux x86_64", "Windows NT 10.0"), ip: "192.0.2.1", cause: audit.CauseUserAgent},
		{desc: "no User-Agent", agent: "", ip: "192.0.2.1", cause: audit.CauseUserAgent},
		{desc: "both", agent: chromeWindows, ip: "198.51.100.1", cause: audit.CauseUserAgent},
		{desc: "another browser over IPv6", agent: chromeWindows, ip: "2001:db8::1", cause: audit.CauseUserAgent, fresh: true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			was := of(firefoxLinux, "192.0.2.1")
			cause, fresh := of(tc.agent, tc.ip).differs(was)
			require.Equal(t, tc.cause, cause)
			require.Equal(t, tc.fresh, fresh)
			addr, _ := netip.ParseAddr(tc.ip)
			require.Equal(t, tc.same, p.same(was, tc.agent, addr))
			require.Equal(t, tc.same, of(tc.agent, tc.ip) == was)
		})
	}
	t.Run("IPv6 networks", func(t *testing.T) {
		was := of("x", "2001:db8:1:2::3")
		for ip, want := range map[string]audit.Cause{
			"2001:db8:ffff:ffff::1": "", "2001:db8::1%eth0": "", "2001:db9::1": audit.CauseNetwork, "2002:db8::1": audit.CauseNetwork,
		} {
			cause, fresh := of("x", ip).differs(was)
			require.Equal(t, want, cause, ip)
			require.False(t, fresh, ip)
		}
	})
	t.Run("both families are remembered", func(t *testing.T) {
		was := of("x", "192.0.2.1")
		was = of("x", "2001:db8::1").over(was)
		for ip, want := range map[string]audit.Cause{
			"192.0.3.4": "", "2001:db8::9": "", "192.1.0.1": audit.CauseNetwork, "2001:db9::1": audit.CauseNetwork,
		} {
			cause, fresh := of("x", ip).differs(was)
			require.Equal(t, want, cause, ip)
			require.False(t, fresh, ip)
		}
		addr := netip.MustParseAddr("2001:db8::9")
		require.True(t, p.same(was, "x", addr), "the one seen last is found with one hash")
		require.Equal(t, was, of("x", "").over(was).withBothOf(was), "no address forgets none")
	})
	t.Run("every part is seen", func(t *testing.T) {
		for i := range 5000 {
			f := p.of(string(rune('a'+i%26))+strings.Repeat("x", i%20), netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 0, 0}))
			require.NotEqual(t, [printPart]byte{}, [printPart]byte(f[agentAt:]))
			require.NotEqual(t, [printPart]byte{}, [printPart]byte(f[net4At:]))
			require.NotEqual(t, [printPart]byte{}, [printPart]byte(f[bothAt:]))
			require.Equal(t, [printPart]byte{}, [printPart]byte(f[net6At:]))
		}
	})
	t.Run("nothing is kept if nothing is compared", func(t *testing.T) {
		require.Zero(t, printerOf(t, FingerprintIgnore, "app", fleet).of(firefoxLinux, netip.MustParseAddr("192.0.2.1")))
	})
	t.Run("means nothing without the secret", func(t *testing.T) {
		addr := netip.MustParseAddr("192.0.2.1")
		same := printerOf(t, FingerprintRevoke, "app", fleet).of(firefoxLinux, addr)
		require.Equal(t, of(firefoxLinux, "192.0.2.1"), same, "another process, another policy")
		theirs := printerOf(t, FingerprintReport, "app", []byte(strings.Repeat("t", 32))).of(firefoxLinux, addr)
		for _, at := range []int{agentAt, net4At, bothAt} {
			require.NotEqual(t, same[at:at+printPart], theirs[at:at+printPart])
		}
	})
}

// withBothOf is f with was's own idea of what was seen together.
func (f fingerprint) withBothOf(was fingerprint) fingerprint {
	copy(f[bothAt:], was[bothAt:])
	return f
}

// The split between the hashed names cannot move: no pair of names is another's.
func TestPrintPartsAreApart(t *testing.T) {
	p := printerOf(t, FingerprintReport, "app", fleet)
	seen := map[[printPart]byte]string{}
	for _, in := range [][3]string{
		{"ab", "c", ""}, {"a", "bc", ""}, {"abc", "", ""}, {"", "abc", ""}, {"", "", "abc"}, {"ab", "", "c"}, {"", "ab", "c"},
		{"a", "b", "c"}, {"", "", ""},
	} {
		part := p.part(in[0], in[1], []byte(in[2]))
		require.Empty(t, seen[part], in)
		seen[part] = strings.Join(in[:], "|") + "."
	}
}

func TestPrintAllocatesNothing(t *testing.T) {
	p := printerOf(t, FingerprintReport, "app", fleet)
	addr := netip.MustParseAddr("2001:db8::1")
	was := p.of(edgeWindows, addr)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if p.of(edgeWindows, addr) != was || !p.same(was, edgeWindows, addr) {
			t.Error("the same is not the same")
		}
	}))
}

func BenchmarkPrintSame(b *testing.B) {
	p, err := newPrinter(FingerprintReport, "app", fleet)
	require.NoError(b, err)
	addr := netip.MustParseAddr("2001:db8::1")
	was := p.of(edgeWindows, addr)
	b.ReportAllocs()
	for b.Loop() {
		if !p.same(was, edgeWindows, addr) {
			b.Fatal("the same is not the same")
		}
	}
}

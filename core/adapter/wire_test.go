package adapter_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/adapter"
)

type socket struct {
	ip  string
	tls bool
}

func (s socket) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(s.ip), Port: 1} }
func (s socket) IsTLS() bool          { return s.tls }

func TestWire(t *testing.T) {
	proxies, err := adapter.NewProxies([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	raw := adapter.RawHeader("Cookie: a=1\r\nUser-Agent: curl\r\nOrigin: https://a.example\r\nOrigin: https://b.example\r\n" +
		"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n\r\n")
	for _, tt := range []struct {
		desc   string
		w      adapter.Wire
		ip     string
		secure bool
	}{
		{"the socket's", adapter.Wire{Raw: raw, Socket: socket{"10.0.0.1", false}}, "10.0.0.1", false},
		{"TLS at the socket", adapter.Wire{Raw: raw, Socket: socket{"10.0.0.1", true}}, "10.0.0.1", true},
		{"a proxy's", adapter.Wire{Raw: raw, Socket: socket{"10.0.0.1", false}, Proxies: proxies}, "192.0.2.9", true},
		{"the application's", adapter.Wire{Raw: raw, Socket: socket{"10.0.0.1", false}, IP: netip.MustParseAddr("198.51.100.7")}, "198.51.100.7", false},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			for _, fetch := range []func(*adapter.Wire){
				func(*adapter.Wire) {},
				func(w *adapter.Wire) { w.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0) },
				func(w *adapter.Wire) { w.Fetch(&[adapter.PickedMax]string{"Origin", "User-Agent"}, adapter.PickedMax) },
			} {
				w := tt.w
				w.Ctx = t.Context()
				fetch(&w)
				require.Equal(t, t.Context(), w.Context())
				require.Equal(t, tt.ip, w.ClientIP().String())
				require.Equal(t, tt.secure, w.Secure())
				require.Equal(t, "a=1", w.Header("Cookie"))
				require.Empty(t, w.Header("Referer"))
				two := []string{"https://a.example", "https://b.example"}
				require.Equal(t, two, w.HeaderLines("Origin"))
				require.Equal(t, two, w.Lend("Origin"))
				require.Equal(t, []string{"curl"}, w.Lend("User-Agent"))
			}
		})
	}
}

// Who sent a request is known after its header is another request's.
func TestWireOutlivesTheRequest(t *testing.T) {
	raw := []byte("User-Agent: curl\r\n\r\n")
	w := adapter.Wire{Raw: raw, Socket: socket{"192.0.2.1", false}}
	require.Empty(t, w.Last().UserAgent(), "what was not fetched is not looked for")
	w.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0)
	last := w.Last()
	for i := range raw {
		raw[i] = '#'
	}
	require.Equal(t, "curl", last.UserAgent())
	require.Equal(t, "192.0.2.1", last.ClientIP().String())
}

func TestMethodIsACopy(t *testing.T) {
	for _, m := range []string{"GET", "POST", "OPTIONS", "HEAD", "PUT", "PATCH", "DELETE", "get", "PROPFIND", ""} {
		require.Equal(t, m, adapter.Method(m))
	}
	b := []byte("GET")
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = adapter.Method(string(b)) }))
}

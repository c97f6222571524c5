package adapter_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/adapter"
)

func bind(r *http.Request, p *adapter.Proxies) adapter.Exchange {
	g := &gate{}
	g.Init(httptest.NewRecorder(), r, p, netip.Addr{}, g)
	return g.Exchange()
}

func TestExchangeRequestFacts(t *testing.T) {
	r := httptest.NewRequest("pATCH", "http://shop.example:8080/a?b=c", nil)
	r.Header["Cookie"] = []string{"a=1", "b=2"}
	r.Header.Set("X-CSRF-Token", "t")
	x := bind(r, nil)
	require.Equal(t, r.Context(), x.Context())
	require.Equal(t, "pATCH", x.Method())
	require.Equal(t, "shop.example:8080", x.Host())
	require.False(t, x.Committed())
	require.Equal(t, "a=1", x.Header("Cookie"))
	require.Equal(t, []string{"a=1", "b=2"}, x.HeaderLines("Cookie"))
	for _, name := range []string{"X-Csrf-Token", "X-CSRF-Token", "x-csrf-token"} {
		require.Equal(t, "t", x.Header(name))
		require.Equal(t, []string{"t"}, x.HeaderLines(name))
	}
	require.Empty(t, x.Header("Origin"))
	require.Empty(t, x.HeaderLines("Origin"))
}

func TestExchangePathAsReceived(t *testing.T) {
	for target, want := range map[string]string{
		"/":                    "/",
		"/a/b?q=/c":            "/a/b",
		"/%61dmin":             "/%61dmin",
		"/a%2Fb":               "/a%2Fb",
		"/a%2fb":               "/a%2fb",
		"/a//b/../c":           "/a//b/../c",
		"/caf%C3%A9":           "/caf%C3%A9",
		`/a"b`:                 `/a"b`,
		"/a%20b;c=1,d":         "/a%20b;c=1,d",
		"http://other.test/%7": "",
		"http://h.test/%7e":    "/%7e",
	} {
		t.Run(target, func(t *testing.T) {
			raw := "GET " + target + " HTTP/1.1\r\nHost: h.test\r\n\r\n"
			r, err := http.ReadRequest(newReader(raw))
			if want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want, bind(r, nil).Path())
		})
	}
}

func TestExchangeSecureAndClientIP(t *testing.T) {
	request := func(peer string, secure bool) *http.Request {
		r := get("X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1")
		r.RemoteAddr = peer
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		return r
	}
	p := proxies(t, "10.0.0.0/8")
	for name, tt := range map[string]struct {
		peer    string
		tls     bool
		proxies *adapter.Proxies
		secure  bool
		ip      string
	}{
		"nobody is trusted by default": {"10.0.0.1:1", false, nil, false, "10.0.0.1"},
		"TLS at our own socket":        {"10.0.0.1:1", true, nil, true, "10.0.0.1"},
		"trusted proxy":                {"10.0.0.1:1", false, p, true, "192.0.2.1"},
		"trusted proxy, mapped":        {"[::ffff:10.0.0.1]:1", false, p, true, "192.0.2.1"},
		"someone else":                 {"203.0.113.9:1", false, p, false, "203.0.113.9"},
		"Unix socket":                  {"@", false, p, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := bind(request(tt.peer, tt.tls), tt.proxies)
			require.Equal(t, tt.secure, x.Secure())
			want, _ := netip.ParseAddr(tt.ip)
			require.Equal(t, want, x.ClientIP())
		})
	}
}

func TestExchangeResponseHeaders(t *testing.T) {
	w := httptest.NewRecorder()
	x := adapter.Headers(w, get())
	x.SetHeader("X-A", "1")
	x.SetHeader("X-A", "2")
	x.AddHeader("Vary", "Origin")
	x.AddHeader("Vary", "Cookie")
	x.AddHeader("Set-Cookie", `a=b; Path=/; x="y"`)
	require.Equal(t, "2", x.ResponseHeader("X-A"))
	require.Equal(t, "Origin", x.ResponseHeader("Vary"))
	x.SetHeader("X-A", "")
	require.Equal(t, http.Header{"Vary": {"Origin", "Cookie"}, "Set-Cookie": {`a=b; Path=/; x="y"`}}, w.Header())
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error { c.closed = true; return nil }

func TestExchangeBodyIsPutBack(t *testing.T) {
	for name, size := range map[string]int{
		"small": 3, "largest": adapter.MaxBody, "one too many": adapter.MaxBody + 1, "much too large": 3*adapter.MaxBody + 7,
	} {
		t.Run(name, func(t *testing.T) {
			want := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
			for _, read := range []func(io.Reader) io.Reader{
				func(r io.Reader) io.Reader { return r }, iotest.DataErrReader, iotest.HalfReader,
			} {
				body := &closer{Reader: read(bytes.NewReader(want))}
				r := httptest.NewRequest(http.MethodPost, "/", nil)
				r.Body = body
				x := bind(r, nil)
				for range 2 { // asking again gives the same
					got, err := x.Body()
					if size > adapter.MaxBody {
						require.ErrorIs(t, err, adapter.ErrBodyTooLarge)
						require.Nil(t, got)
					} else {
						require.NoError(t, err)
						require.Equal(t, want, got)
					}
				}
				rest, err := io.ReadAll(r.Body)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, rest), "the handler reads every byte")
				require.False(t, body.closed)
				require.NoError(t, r.Body.Close())
				require.True(t, body.closed)
			}
		})
	}
}

func TestExchangeBodyAbsent(t *testing.T) {
	r := get()
	for _, b := range []io.ReadCloser{nil, http.NoBody} {
		r.Body = b
		got, err := bind(r, nil).Body()
		require.NoError(t, err)
		require.Empty(t, got)
	}
}

// brittle fails once and then pretends that all is well.
type brittle struct {
	head string
	err  error
}

func (b *brittle) Read(p []byte) (int, error) {
	if b.head != "" {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	err := b.err
	b.err = io.EOF
	return 0, err
}

func TestExchangeBodyErrorReachesTheHandler(t *testing.T) {
	broken := errors.New("connection reset")
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Body = io.NopCloser(&brittle{"begin", broken})
	_, err := bind(r, nil).Body()
	require.ErrorIs(t, err, broken)
	got, err := io.ReadAll(r.Body)
	require.ErrorIs(t, err, broken, "a cut body must not look like a whole one")
	require.Equal(t, "begin", string(got))
}

func TestExchangeBodyRespectsMaxBytesReader(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("0123456789"))
	r.Body = http.MaxBytesReader(httptest.NewRecorder(), r.Body, 4)
	_, err := bind(r, nil).Body()
	var tooLarge *http.MaxBytesError
	require.ErrorAs(t, err, &tooLarge)
	_, err = io.ReadAll(r.Body)
	require.ErrorAs(t, err, &tooLarge)
}

package authfiber

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// parse makes the exchange of a request as the server would.
func parse(t testing.TB, raw string) *exchange {
	t.Helper()
	ctx := &fasthttp.RequestCtx{}
	ctx.Init2(&net.TCPConn{}, nil, false)
	require.NoError(t, ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))))
	return bind(t, ctx)
}

func bind(t testing.TB, ctx *fasthttp.RequestCtx) *exchange {
	t.Helper()
	app := fiber.New()
	c := app.AcquireCtx(ctx)
	t.Cleanup(func() { app.ReleaseCtx(c) })
	x := new(middleware).bind(c)
	return &x
}

func TestExchangeRequestFacts(t *testing.T) {
	x := parse(t, "PATCH /a%2Fb//../%61?q=1 HTTP/1.1\r\nHost: shop.example:8080\r\n"+
		"Cookie: a=1\r\nX-Csrf-Token: one\r\nx-CSRF-token: two\r\nUser-Agent: first\r\nUser-Agent: last\r\n\r\n")
	for _, fetched := range []bool{false, true} {
		if fetched {
			x.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0)
		}
		require.Equal(t, "PATCH", x.Method())
		require.Equal(t, "/a%2Fb//../%61", x.Path())
		require.Equal(t, "shop.example:8080", x.Host())
		require.False(t, x.Committed())
		require.False(t, x.Secure())
		require.Equal(t, "first", x.Header("User-Agent"))
		require.Equal(t, "a=1", x.Header("Cookie"))
		require.Equal(t, []string{"a=1"}, x.HeaderLines("Cookie"))
		require.Equal(t, "one", x.Header("X-CSRF-Token"))
		require.Equal(t, []string{"one", "two"}, x.HeaderLines("x-csrf-token"))
		require.Empty(t, x.Header("Origin"))
		require.Empty(t, x.HeaderLines("Origin"))
	}
}

func TestExchangeContextIsTheOneFromBefore(t *testing.T) {
	x := parse(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	type key struct{}
	before := context.WithValue(t.Context(), key{}, 1)
	x.c.SetUserContext(before)
	y := new(middleware).bind(x.c)
	x = &y
	x.c.SetUserContext(context.WithValue(before, key{}, 2))
	require.Equal(t, before, x.Context())
}

func TestExchangeOfARequestMadeByHand(t *testing.T) {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.Set("User-Agent", "agent")
	ctx.Request.Header.Set("Cookie", "a=1; b=2")
	ctx.Request.Header.Add("X-Forwarded-For", "192.0.2.1")
	ctx.Request.Header.Add("X-Forwarded-For", "192.0.2.2")
	x := bind(t, ctx)
	x.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0)
	require.Equal(t, "agent", x.Header("User-Agent"))
	require.Equal(t, []string{"a=1; b=2"}, x.HeaderLines("Cookie"))
	require.Equal(t, []string{"192.0.2.1", "192.0.2.2"}, x.HeaderLines("X-Forwarded-For"))
}

func TestExchangeResponseHeaders(t *testing.T) {
	x := parse(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	x.SetHeader("X-A", "1")
	x.SetHeader("X-A", "2")
	require.Equal(t, "2", x.ResponseHeader("X-A"))
	x.SetHeader("X-A", "")
	require.Empty(t, x.ResponseHeader("X-A"))
	x.AddHeader("Vary", "Origin")
	x.AddHeader("Vary", "Cookie")
	lines := []string{"s=a; Path=/; SameSite=Lax", "s=; Path=/; Max-Age=0", "t=b; path=/x; Partitioned"}
	for _, l := range lines {
		x.AddHeader("Set-Cookie", l)
	}
	wire, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(x.c.Response().Header.Header())), nil)
	require.NoError(t, err)
	require.Equal(t, lines, wire.Header.Values("Set-Cookie"), "byte for byte, in order")
	require.Equal(t, []string{"Origin", "Cookie"}, wire.Header.Values("Vary"))
}

// aliases reports whether s lies in b, which belongs to the next request.
func aliases(s string, b []byte) bool {
	if len(s) == 0 || cap(b) == 0 {
		return false
	}
	p, lo := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return p >= lo && p < lo+uintptr(cap(b))
}

func TestExchangeHandsOutCopies(t *testing.T) {
	for _, extra := range []string{"", "Cookie: b=2\r\n", "Cookie: b=2;\r\n c=3\r\n"} {
		x := parse(t, "POST /path HTTP/1.1\r\nHost: h.example\r\nUser-Agent: agent\r\nContent-Length: 4\r\nOrigin: https://o\r\nCookie: a=1\r\n"+extra+"\r\nbody")
		x.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0)
		req := x.c.Request()
		body, err := x.Body()
		require.NoError(t, err)
		all := append(x.HeaderLines("Cookie"), x.Header("User-Agent"), x.Header("Origin"), x.Header("Cookie"), x.Path(), x.Host(), x.Method(), string(body))
		want := strings.Clone(strings.Join(all, "|"))
		for _, s := range all {
			require.False(t, aliases(s, req.Header.RawHeaders()), s)
		}
		for _, b := range [][]byte{req.Header.RawHeaders(), req.Body(), req.Header.Host(), req.URI().PathOriginal(), req.Header.UserAgent(), req.Header.RequestURI(), req.URI().Host()} {
			for i := range b {
				b[i] = '#'
			}
		}
		require.Equal(t, want, strings.Join(all, "|"))
		require.Equal(t, "body", string(body))
	}
}

func TestExchangeClientIPAndSecure(t *testing.T) {
	raw := "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n\r\n"
	trusted, err := adapter.NewProxies([]string{"10.0.0.0/8"})
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		peer    net.Addr
		tls     bool
		proxies *adapter.Proxies
		own     netip.Addr
		ip      string
		secure  bool
	}{
		"nobody is trusted by default": {peer: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, ip: "10.0.0.1"},
		"TLS at our own socket":        {peer: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, tls: true, ip: "10.0.0.1", secure: true},
		"trusted proxy":                {peer: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, proxies: trusted, ip: "192.0.2.9", secure: true},
		"someone else":                 {peer: &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9)}, proxies: trusted, ip: "203.0.113.9"},
		"IPv6":                         {peer: &net.TCPAddr{IP: net.ParseIP("2001:db8::1")}, ip: "2001:db8::1"},
		"Unix socket":                  {peer: &net.UnixAddr{Name: "@"}, proxies: trusted},
		"the application knows": {
			peer: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, proxies: trusted, own: netip.MustParseAddr("198.51.100.1"),
			ip: "198.51.100.1", secure: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := &fasthttp.RequestCtx{}
			var conn net.Conn = fakeConn{peer: tt.peer}
			if tt.tls {
				conn = fakeTLS{fakeConn{peer: tt.peer}}
			}
			ctx.Init2(conn, nil, false)
			require.NoError(t, ctx.Request.Read(bufio.NewReader(strings.NewReader(raw))))
			x := bind(t, ctx)
			x.Proxies, x.IP = tt.proxies, tt.own
			want, _ := netip.ParseAddr(tt.ip)
			require.Equal(t, want, x.ClientIP())
			require.Equal(t, tt.secure, x.Secure())
		})
	}
}

type fakeConn struct {
	net.Conn
	peer net.Addr
}

func (c fakeConn) RemoteAddr() net.Addr { return c.peer }
func (c fakeConn) LocalAddr() net.Addr  { return c.peer }

type fakeTLS struct{ fakeConn }

func (fakeTLS) Handshake() error                     { return nil }
func (fakeTLS) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

// A certificate is something that browsers show by themselves.
func TestExchangeClientCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(nil) // whose certificate serves both ends
	server.StartTLS()
	defer server.Close()
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error {
		x := new(middleware).bind(c)
		return c.JSON(x.ClientCertificate())
	})
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, ClientAuth: tls.RequestClientCert})
	require.NoError(t, err)
	app.Server().Handler = app.Handler()
	done := make(chan error, 1)
	go func() { done <- app.Server().Serve(ln) }()
	defer func() { _ = ln.Close(); <-done }()
	for name, tt := range map[string]struct {
		own  []tls.Certificate
		want string
	}{
		"none": {want: "false"},
		"one":  {own: server.TLS.Certificates, want: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := trusting.Clone()
			cfg.Certificates = tt.own
			client := http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
			res, err := client.Get("https://" + ln.Addr().String())
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, tt.want, string(body))
		})
	}
	require.False(t, parse(t, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").ClientCertificate(), "without TLS")
}

func TestExchangeBody(t *testing.T) {
	for name, tt := range map[string]struct {
		stream, chunked bool
		size            int
		err             error
	}{
		"none":                   {size: 0},
		"small":                  {size: 10},
		"largest":                {size: adapter.MaxBody},
		"one too many":           {size: adapter.MaxBody + 1, err: adapter.ErrBodyTooLarge},
		"chunked":                {size: 10, chunked: true},
		"stream, small":          {size: 10, stream: true},
		"stream, largest":        {size: adapter.MaxBody, stream: true},
		"stream, one too many":   {size: adapter.MaxBody + 1, stream: true, err: adapter.ErrBodyTooLarge},
		"stream, unknown length": {size: 10, stream: true, chunked: true, err: adapter.ErrBodyTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			want := strings.Repeat("0123456789abcdef", tt.size/16+1)[:tt.size]
			app := fiber.New(fiber.Config{StreamRequestBody: tt.stream})
			var problems []string
			app.Post("/", func(c *fiber.Ctx) error {
				for range 2 { // asking again gives the same
					body, err := (&exchange{c: c}).Body()
					if err != tt.err || err == nil && string(body) != want {
						problems = append(problems, fmt.Sprint(len(body), err))
					}
				}
				if s := c.Context().RequestBodyStream(); tt.stream && tt.size > 0 {
					rest, err := io.ReadAll(s)
					if err != nil || string(rest) != want {
						problems = append(problems, fmt.Sprint("stream: ", len(rest), err))
					}
				} else if string(c.Body()) != want {
					problems = append(problems, fmt.Sprint("body: ", len(c.Body())))
				}
				return c.SendString("done")
			})
			var body io.Reader = strings.NewReader(want)
			if tt.chunked {
				body = struct{ io.Reader }{body}
			}
			addr := serve(t, app)
			for range 2 { // the connection is fit for another request
				res, err := http.Post("http://"+addr, "text/plain", body)
				require.NoError(t, err)
				got, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, "done", string(got))
				require.Empty(t, problems)
				body = strings.NewReader(want)
				if tt.chunked {
					body = struct{ io.Reader }{body}
				}
			}
		})
	}
}

func serve(t testing.TB, a *fiber.App) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a.Server().Handler = a.Handler()
	done := make(chan error, 1)
	go func() { done <- a.Server().Serve(ln) }()
	t.Cleanup(func() {
		require.NoError(t, ln.Close())
		<-done
	})
	return ln.Addr().String()
}

// FuzzHeaderLines: what both servers accept, both bindings read alike, but for the
// blank that net/http leaves where a value ends in an empty fold.
func FuzzHeaderLines(f *testing.F) {
	f.Add("Cookie: a=1\r\nUser-Agent: u\r\n")
	f.Add("cookie:a=1\r\nCOOKIE:  b=2 \t\r\nX: y\r\n")
	f.Add("Cookie: a=1;\r\n b=2\r\n\tc=3\r\nUser-Agent: u\r\n v\r\n")
	f.Add("X: Cookie: a=1\r\nCookie:\r\nCookie: \r\n")
	f.Add("User-Agent: \r\nUser-Agent: second\r\nCookie: caf\xc3\xa9\r\n")
	f.Add("Coo\u212aie: a=1\r\n")
	f.Fuzz(func(t *testing.T, fields string) {
		raw := "GET / HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n"
		std, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		ctx := &fasthttp.RequestCtx{}
		if ctx.Request.Header.Read(bufio.NewReader(strings.NewReader(raw))) != nil {
			return
		}
		x := bind(t, ctx)
		fresh := bind(t, ctx)
		x.Fetch(&[adapter.PickedMax]string{"Cookie", "User-Agent"}, 0)
		for _, y := range []*exchange{x, fresh} {
			got := y.HeaderLines("Cookie")
			require.Len(t, got, len(std.Header["Cookie"]))
			for i, want := range std.Header["Cookie"] {
				require.Equal(t, strings.Trim(want, " "), got[i])
			}
			require.Equal(t, strings.Trim(std.Header.Get("User-Agent"), " "), y.Header("User-Agent"))
		}
	})
}

// Package harness maps the conformance suite's scripts to the native code of each
// framework that this repository has an adapter for.
package harness

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core/cors"
)

// serve runs handler on a free loopback port until the test ends. Closing the
// connections first ends handlers that hold one.
func serve(t testing.TB, app conformance.App, handler http.Handler) string {
	if app.Wrap != nil {
		handler = app.Wrap(handler)
	}
	s := httptest.NewUnstartedServer(handler)
	s.Config.MaxHeaderBytes = 64 << 10
	s.Config.ErrorLog = quiet
	s.Start()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.Listener.Addr().String()
}

// clientIP adapts App.ClientIP.
func clientIP(app conformance.App) netip.Addr {
	ip, _ := netip.ParseAddr(app.ClientIP())
	return ip
}

// groups are the policies by the paths that they are for.
func groups(app conformance.App) map[string]*cors.Policy {
	policies := map[string]*cors.Policy{}
	if app.CORS != nil {
		policies["/"] = app.CORS
	}
	for _, g := range app.Groups {
		policies[g.Prefix] = g.CORS
	}
	return policies
}

// writer is what the net/http frameworks' handlers write to.
type writer interface {
	http.ResponseWriter
	http.Flusher
}

// stream is conformance.Stream on net/http.
type stream struct {
	writer
	by conformance.FlushBy
}

func (s stream) Flush() error {
	if s.by == conformance.FlushController {
		return http.NewResponseController(s.writer).Flush()
	}
	s.writer.Flush()
	return nil
}

// hijack answers an upgrade by hand, as a WebSocket library does.
func hijack(w http.ResponseWriter, use func(net.Conn)) error {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"); err != nil {
		return err
	}
	if err := rw.Flush(); err != nil {
		return err
	}
	use(bufferedConn{conn, rw.Reader})
	return nil
}

// bufferedConn reads first what the server had buffered.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// earlyHints sends 103 by way of net/http, through whatever wraps it.
func earlyHints(w http.ResponseWriter) error {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	return nil
}

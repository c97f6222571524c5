package authecho

import (
	"bufio"
	"net"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// request is what one request carries, in one allocation: context, session and
// the writer that commits the session. It stands in for Response.Writer, because
// Response.Before misses Flush, Hijack and direct writes.
type request struct {
	adapter.HTTP
	c echo.Context
	m *settings
}

// Deny implements adapter.Denier. Echo's Response is in the middle of a write, so
// the error cannot be returned; the application's error handler is called here.
// Writers that were put around r are left out: they are in the middle of that
// write too, and may have noted a status that never left.
func (r *request) Deny(d *adapter.Denied) {
	res := r.c.Response()
	outer := res.Writer
	res.Writer, res.Committed = r, false
	res.Status = d.Status // or the log would say what the handler wanted
	if err := r.m.refuse(r.c, d); err != nil {
		r.c.Echo().HTTPErrorHandler(err, r.c)
	}
	if !res.Committed {
		res.WriteHeader(d.Status)
	}
	res.Writer = outer
}

// Flush implements http.Flusher.
func (r *request) Flush() { _ = r.FlushError() }

// FlushError makes Echo's Response send its own headers first. Left alone it
// flushes past them, and warns about a superfluous WriteHeader at the next Write.
func (r *request) FlushError() error {
	if res := r.c.Response(); !res.Committed && !r.Committed() {
		res.WriteHeader(res.Status)
	}
	return r.HTTP.FlushError()
}

// Hijack implements http.Hijacker. Afterwards the response counts as committed,
// so that an error which the handler returns is not written to a connection that
// is not ours any more.
func (r *request) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := r.HTTP.Hijack()
	if err == nil {
		r.c.Response().Committed = true
	}
	return conn, rw, err
}

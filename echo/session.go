// Package authecho carries Sallyport into Echo v4.
//
//	e.Use(authecho.Session(sessions))
//	e.GET("/me", me, authecho.RequireLogin())
//
// Mount Session behind middleware.Recover: then a panic throws away what its
// request had pending.
//
// A constructor panics on a configuration that is wrong, with all its mistakes joined, each a
// *core.ConfigError. Nothing panics afterwards.
package authecho

import (
	"errors"
	"net/netip"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts Session. The zero value is the strict choice.
type Config struct {
	// Skipper leaves a request alone if it returns true: no session, and guards
	// behind it refuse. Default: none is skipped.
	Skipper middleware.Skipper
	// ErrorHandler turns a refusal into the error that goes up the chain, or
	// answers itself and returns nil. err is a *echo.HTTPError with the status,
	// the JSON body as message and the *adapter.Denied, whose headers are set
	// already, as Internal. Default: err itself goes up.
	ErrorHandler func(c echo.Context, err error) error
	// TrustProxy lists addresses and prefixes of the proxies whose
	// X-Forwarded-For and X-Forwarded-Proto are believed. Default: nobody's.
	// Echo's IPExtractor is not consulted: without one, Echo believes everybody.
	TrustProxy []string
	// ClientIP, if set, says who the client is, instead of TrustProxy.
	ClientIP func(c echo.Context) netip.Addr
	// Optional lets a request without a token through Bearer, as anonymous. Session
	// refuses it: a session always is, and guards require one.
	Optional bool
	// Device, if set, names the device that a request comes from by something that the
	// application has made sure of, such as the thumbprint of a client certificate. A
	// refresh family then belongs to it. It is for TokenLogin, Refresh and Logout.
	Device func(c echo.Context) string
}

// settings is a Config, compiled.
type settings struct {
	adapter.Compiled
	cfg Config
}

// Session gives every request behind it a session.
func Session(manager *session.Manager, cfg ...Config) echo.MiddlewareFunc {
	m := compile(cfg, adapter.ForSession("authecho", manager))
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return m.handle(c, next) }
	}
}

// compile panics with all mistakes that construct finds.
func compile(cfg []Config, construct adapter.Construct) *settings {
	m := &settings{}
	var err error
	if m.cfg, m.Compiled, err = adapter.Compile(cfg, Config.option, construct); err != nil {
		panic(err)
	}
	return m
}

func (c Config) option() adapter.Option {
	return adapter.Option{TrustProxy: c.TrustProxy, Optional: c.Optional, Device: c.Device != nil, Skips: c.Skipper != nil, SkipName: "Skipper"}
}

func (m *settings) handle(c echo.Context, next echo.HandlerFunc) error {
	if m.cfg.Skipper != nil && m.cfg.Skipper(c) {
		return next(c)
	}
	if adapter.Mounted(c.Request().Context(), m.Manager) {
		return next(c)
	}
	res := c.Response()
	r := &request{c: c, m: m}
	inner := res.Writer
	r.Init(inner, c.Request(), m.Proxies, m.clientIP(c), r)
	r.Owner = m
	if d := r.Begin(m.Manager); d != nil {
		return m.refuse(c, d)
	}
	c.SetRequest(c.Request().WithContext(r))
	res.Writer = r
	panicked := true
	defer func() {
		if panicked {
			r.Abandon()
		}
		res.Writer = inner
	}()
	err := next(c)
	panicked = false
	if r.Replaced() {
		return nil // answered already, and not with what the handler says
	}
	res.Writer = r // and no writer that a compressing middleware left here, closed
	if d := r.End(); d != nil {
		return m.refuse(c, d)
	}
	if err != nil && !res.Committed {
		return m.translate(c, err)
	}
	return err
}

func (m *settings) clientIP(c echo.Context) (ip netip.Addr) {
	if m.cfg.ClientIP != nil {
		ip = m.cfg.ClientIP(c)
	}
	return ip
}

// translate turns what a handler passed on from a session call into its refusal.
// What has been one already goes on in the form that the ErrorHandler gave it.
func (m *settings) translate(c echo.Context, err error) error {
	var native *echo.HTTPError
	var denied *adapter.Denied
	if errors.As(err, &native) || errors.As(err, &denied) {
		return err
	}
	if d := adapter.Refusal(c.Request().Context(), err); d != nil {
		return m.refuse(c, d)
	}
	return err
}

// refuse makes the error that goes up the chain. An ErrorHandler that neither
// answers nor returns one cannot turn a refusal into 200.
func (m *settings) refuse(c echo.Context, d *adapter.Denied) error {
	native := &echo.HTTPError{Code: d.Status, Message: body(d.Body()), Internal: d}
	if c.Response().Committed {
		return native // for the log: another answer has left
	}
	d.SetHeaders(adapter.Headers(c.Response(), c.Request()))
	if m.cfg.ErrorHandler == nil {
		return native
	}
	err := m.cfg.ErrorHandler(c, native)
	if err == nil && !c.Response().Committed {
		return c.NoContent(d.Status)
	}
	return err
}

// body is JSON that is encoded already, in a form that Echo's own error handler
// passes on as it is.
type body []byte

// MarshalJSON implements json.Marshaler.
func (b body) MarshalJSON() ([]byte, error) { return b, nil }

// String keeps logs of the error readable.
func (b body) String() string { return string(b) }

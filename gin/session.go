// Package authgin carries Sallyport into Gin.
//
//	router.Use(authgin.Session(sessions))
//	router.GET("/me", authgin.RequireLogin(), func(c *gin.Context) { … })
//
// Mount Session behind gin.Recovery, as gin.Default does: then a panic throws
// away what its request had pending.
//
// A constructor panics on a configuration that is wrong, with all its mistakes joined, each a
// *core.ConfigError. Nothing panics afterwards.
package authgin

import (
	"errors"
	"net/netip"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts Session. The zero value is the strict choice.
type Config struct {
	// Skip leaves a request alone if it returns true: no session, and guards
	// behind it refuse. Default: none is skipped.
	Skip func(c *gin.Context) bool
	// ErrorHandler answers a refusal. err has a *adapter.Denied in its chain,
	// whose headers are set already; the chain is aborted. Default: the error
	// goes to c.Errors and the JSON body out with the status.
	ErrorHandler func(c *gin.Context, err error)
	// TrustProxy lists addresses and prefixes of the proxies whose
	// X-Forwarded-For and X-Forwarded-Proto are believed. Default: nobody's.
	// Gin's own list of trusted proxies is not consulted, because it trusts
	// everybody until told otherwise.
	TrustProxy []string
	// ClientIP, if set, says who the client is, instead of TrustProxy.
	ClientIP func(c *gin.Context) netip.Addr
	// Optional lets a request without a token through Bearer, as anonymous. Session
	// refuses it: a session always is, and guards require one.
	Optional bool
	// Device, if set, names the device that a request comes from by something that the
	// application has made sure of, such as the thumbprint of a client certificate. A
	// refresh family then belongs to it. It is for TokenLogin, Refresh and Logout.
	Device func(c *gin.Context) string
}

// middleware is a Config, compiled.
type middleware struct {
	adapter.Compiled
	cfg Config
}

// Session gives every request behind it a session.
func Session(manager *session.Manager, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForSession("authgin", manager)).handle
}

// compile panics with all mistakes that construct finds.
func compile(cfg []Config, construct adapter.Construct) *middleware {
	m := &middleware{}
	var err error
	if m.cfg, m.Compiled, err = adapter.Compile(cfg, Config.option, construct); err != nil {
		panic(err)
	}
	return m
}

func (c Config) option() adapter.Option {
	return adapter.Option{TrustProxy: c.TrustProxy, Optional: c.Optional, Device: c.Device != nil, Skips: c.Skip != nil, SkipName: "Skip"}
}

func (m *middleware) handle(c *gin.Context) {
	if m.cfg.Skip != nil && m.cfg.Skip(c) {
		return
	}
	if ctx := c.Request.Context(); adapter.Mounted(ctx, m.Manager) {
		if r := requestFrom(ctx); r != nil && !r.reached() {
			r.run() // Engine.HandleContext has put Gin's own writer back
		}
		return
	}
	r := &request{c: c, m: m, inner: c.Writer}
	r.Init(c.Writer, c.Request, m.Proxies, m.clientIP(c), r)
	r.Owner = r
	if d := r.Begin(m.Manager); d != nil {
		m.refuse(c, d)
		return
	}
	c.Request = c.Request.WithContext(r)
	panicked := true
	defer func() {
		if panicked {
			r.Abandon()
		}
		c.Writer = r.inner
	}()
	r.run()
	panicked = false
}

func (m *middleware) clientIP(c *gin.Context) (ip netip.Addr) {
	if m.cfg.ClientIP != nil {
		ip = m.cfg.ClientIP(c)
	}
	return ip
}

// refuse stops the chain and answers. The status is set before the application's
// handler runs, so that one which renders nothing cannot turn a refusal into 200.
func (m *middleware) refuse(c *gin.Context, d *adapter.Denied) {
	d.SetHeaders(adapter.Headers(c.Writer, c.Request))
	c.Abort()
	c.Status(d.Status)
	if m.cfg.ErrorHandler == nil {
		answer(c, d)
		return
	}
	m.cfg.ErrorHandler(c, d)
}

// answer is the default ErrorHandler.
func answer(c *gin.Context, err error) {
	_ = c.Error(err)
	var d *adapter.Denied
	if errors.As(err, &d) && !c.Writer.Written() {
		c.Data(d.Status, "application/json; charset=utf-8", d.Body())
	}
}

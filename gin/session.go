// Package authgin carries Sallyport into Gin.
//
//	router.Use(authgin.Session(sessions))
//	router.GET("/me", authgin.RequireLogin(), func(c *gin.Context) { … })
//
// Mount Session behind gin.Recovery, as gin.Default does: then a panic throws
// away what its request had pending.
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
}

// middleware is a Config, compiled.
type middleware struct {
	manager *session.Manager
	proxies *adapter.Proxies
	cfg     Config
}

// Session gives every request behind it a session. It panics at construction,
// with all mistakes joined, on a nil manager, several configurations or a bad
// TrustProxy; it never panics afterwards.
func Session(manager *session.Manager, cfg ...Config) gin.HandlerFunc {
	m := newMiddleware(manager, cfg)
	return m.handle
}

func newMiddleware(manager *session.Manager, cfg []Config) *middleware {
	var one Config
	var trust [][]string
	for _, one = range cfg {
		trust = append(trust, one.TrustProxy)
	}
	proxies, err := adapter.Construct("authgin", manager, trust...)
	if err != nil {
		panic(err)
	}
	m := &middleware{manager: manager, proxies: proxies, cfg: one}
	if m.cfg.ErrorHandler == nil {
		m.cfg.ErrorHandler = answer
	}
	return m
}

func (m *middleware) handle(c *gin.Context) {
	if m.cfg.Skip != nil && m.cfg.Skip(c) {
		return
	}
	if ctx := c.Request.Context(); adapter.Mounted(ctx, m.manager) {
		if r := requestFrom(ctx); r != nil && !r.reached() {
			r.run() // Engine.HandleContext has put Gin's own writer back
		}
		return
	}
	r := &request{c: c, m: m, inner: c.Writer}
	var ip netip.Addr
	if m.cfg.ClientIP != nil {
		ip = m.cfg.ClientIP(c)
	}
	r.Init(c.Writer, c.Request, m.proxies, ip, r)
	r.Owner = r
	if d := r.Begin(m.manager); d != nil {
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

// refuse stops the chain and answers. The status is set before the application's
// handler runs, so that one which renders nothing cannot turn a refusal into 200.
func (m *middleware) refuse(c *gin.Context, d *adapter.Denied) {
	d.SetHeaders(adapter.Headers(c.Writer, c.Request))
	c.Abort()
	c.Status(d.Status)
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

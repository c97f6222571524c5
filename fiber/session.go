// Package authfiber carries Sallyport into Fiber v2.
//
//	app.Use(authfiber.Session(sessions))
//	app.Get("/me", authfiber.RequireLogin(), me)
//
// Mount Session behind Fiber's recover middleware: then a panic throws away what
// its request had pending. Mount encryptcookie, if at all, with the session cookie
// in its Except list: it would rewrite the cookie's attributes.
//
// A constructor panics on a configuration that is wrong, with all its mistakes joined, each a
// *core.ConfigError. Nothing panics afterwards.
package authfiber

import (
	"errors"
	"net/netip"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts Session. The zero value is the strict choice.
type Config struct {
	// Next leaves a request alone if it returns true: no session, and guards
	// behind it refuse. Default: none is skipped.
	Next func(c *fiber.Ctx) bool
	// ErrorHandler turns a refusal into the error that goes up the chain, or
	// answers itself and returns nil. err has a *fiber.Error with the status in
	// its chain, and the *adapter.Denied, whose headers are set already. Default:
	// err itself goes up, for the application's ErrorHandler to render; if that
	// is Fiber's own, which knows only text, the JSON body is sent instead.
	ErrorHandler fiber.ErrorHandler
	// TrustProxy lists addresses and prefixes of the proxies whose
	// X-Forwarded-For and X-Forwarded-Proto are believed. Default: nobody's.
	// Fiber's own proxy settings are not consulted: by default they believe
	// everybody about the scheme.
	TrustProxy []string
	// ClientIP, if set, says who the client is, instead of TrustProxy.
	ClientIP func(c *fiber.Ctx) netip.Addr
	// Optional lets a request without a token through Bearer, as anonymous. Session
	// refuses it: a session always is, and guards require one.
	Optional bool
	// Device, if set, names the device that a request comes from by something that the
	// application has made sure of, such as the thumbprint of a client certificate. A
	// refresh family then belongs to it. It is for TokenLogin, Refresh and Logout.
	Device func(c *fiber.Ctx) string
}

// middleware is a Config, compiled.
type middleware struct {
	adapter.Compiled
	cfg  Config
	used sync.Pool // of exchanges that are over
}

// Session gives every request behind it a session.
func Session(manager *session.Manager, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForSession("authfiber", manager)).mount((*middleware).handle)
}

// compile panics with all mistakes that construct finds.
func compile(cfg []Config, construct adapter.Construct) *middleware {
	m := &middleware{used: sync.Pool{New: func() any { return new(exchange) }}}
	var err error
	if m.cfg, m.Compiled, err = adapter.Compile(cfg, Config.option, construct); err != nil {
		panic(err)
	}
	return m
}

func (c Config) option() adapter.Option {
	return adapter.Option{TrustProxy: c.TrustProxy, Optional: c.Optional, Device: c.Device != nil, Skips: c.Next != nil, SkipName: "Next"}
}

// mount returns what handles all requests but those that Config.Next leaves alone.
func (m *middleware) mount(handle func(*middleware, *fiber.Ctx) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if m.cfg.Next != nil && m.cfg.Next(c) {
			return c.Next()
		}
		return handle(m, c)
	}
}

func (m *middleware) handle(c *fiber.Ctx) error {
	if adapter.Mounted(c.UserContext(), m.Manager) {
		return c.Next()
	}
	r := &request{x: m.bind(c)}
	r.st.Owner = m
	x, st := &r.x, &r.st
	if d := adapter.BeginSession(m.Manager, x, st); d != nil {
		return m.refuse(c, d)
	}
	c.SetUserContext(st)
	// fasthttp sends headers after the handlers have returned, so everything up to here
	// can be committed at once. A panic skips what follows Next; what was stored by then
	// still needs its cookie on the error page. After a commit this does nothing.
	defer adapter.AbandonSession(x, st)
	err := c.Next()
	if d := adapter.CommitSession(x, st); d != nil {
		return m.refuse(c, d)
	}
	return m.translate(c, err)
}

// request is what one request carries, in one allocation.
type request struct {
	st adapter.State
	x  exchange
}

// translate turns what a handler passed on from a session call into its refusal.
// What has been one already goes on in the form that the ErrorHandler gave it.
func (m *middleware) translate(c *fiber.Ctx, err error) error {
	if err == nil {
		return nil
	}
	var native *fiber.Error
	var denied *adapter.Denied
	if d := adapter.Refusal(c.UserContext(), err); d != nil && !errors.As(err, &native) && !errors.As(err, &denied) {
		return m.refuse(c, d)
	}
	return err
}

func (m *middleware) refuse(c *fiber.Ctx, d *adapter.Denied) error {
	clearAnswer(c)
	d.SetHeaders(&exchange{c: c})
	c.Status(d.Status)
	if m.cfg.ErrorHandler != nil {
		return m.cfg.ErrorHandler(c, &native{d})
	}
	return answer(c, &native{d})
}

package browser

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

func serveFiber(a *app, l net.Listener, ca *authority) (stop func()) {
	f := fiber.New(fiber.Config{DisableStartupMessage: true})
	f.Use(func(c *fiber.Ctx) error {
		var cookies []string
		for _, line := range c.Request().Header.PeekAll("Cookie") {
			cookies = append(cookies, string(line))
		}
		a.note(c.Method(), c.Path(), c.Get("Origin"), c.Get("Sec-Fetch-Site"), cookies)
		if c.Path() == "/auth/refresh" {
			defer a.refreshing(c.UserContext())()
		}
		return c.Next()
	})
	if a.policy != nil {
		f.Use(authfiber.CORS(a.policy))
	}
	f.Use(authfiber.Session(a.sessions))
	if a.guard != nil {
		f.Use(authfiber.CSRF(a.guard))
	}
	for _, route := range routes {
		var chain []fiber.Handler
		if route.bearer {
			chain = append(chain, authfiber.Bearer(a.verifier))
		}
		if route.login {
			chain = append(chain, authfiber.RequireLogin())
		}
		f.Add(route.method, route.path, append(chain, func(c *fiber.Ctx) error {
			a.journal.did(route.method + " " + route.path)
			return route.do(a, fiberCall{c})
		})...)
	}
	f.Post("/auth/login", authfiber.TokenLogin(a.rotator, func(c *fiber.Ctx) (refresh.Identity, error) {
		var sent credentials
		err := c.BodyParser(&sent)
		return identify(sent, err)
	}))
	f.Post("/auth/refresh", authfiber.Refresh(a.rotator))
	f.Post("/auth/logout", authfiber.Logout(a.rotator))
	served := make(chan error, 1)
	go func() { served <- f.Listener(tls.NewListener(l, ca.config())) }()
	return func() {
		// The browser is gone by now, and with it everything that was under way.
		_ = f.ShutdownWithTimeout(time.Millisecond)
		<-served
	}
}

type fiberCall struct{ c *fiber.Ctx }

func (r fiberCall) Context() context.Context           { return r.c.UserContext() }
func (r fiberCall) Session() *session.Session          { return authfiber.SessionFrom(r.c) }
func (r fiberCall) Principal() (core.Principal, error) { return authfiber.PrincipalFrom(r.c) }
func (r fiberCall) CSRFToken() (string, error)         { return authfiber.CSRFToken(r.c) }
func (r fiberCall) Form(name string) string            { return strings.Clone(r.c.FormValue(name)) }
func (r fiberCall) JSON(v any) error                   { return r.c.JSON(v) }
func (r fiberCall) SeeOther(path string) error         { return r.c.Redirect(path, http.StatusSeeOther) }
func (r fiberCall) Fail(err error) error               { return authfiber.Fail(r.c, err) }
func (r fiberCall) HTML(page string) error {
	r.c.Set("Content-Type", "text/html; charset=utf-8")
	return r.c.SendString(page)
}

package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

// Fiber is the harness of authfiber.
func Fiber() conformance.Harness {
	return conformance.Harness{Name: "fiber", Start: startFiber, Gaps: map[string]string{
		"commit/hijack-then-error": "Fiber hands a connection over after the handlers have returned, so an error of its own kind is the answer in place of the 101, with or without a session",
	}}
}

func startFiber(t testing.TB, app conformance.App) string {
	f := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		StrictRouting:         true,
		CaseSensitive:         true,
		ReadBufferSize:        64 << 10,
		RequestMethods:        append([]string{"FOO"}, fiber.DefaultMethods...),
	})
	f.Use(recover.New())
	var late []fiber.Handler
	cfg, bearer := fiberConfig(app)
	switch {
	case len(app.Groups) > 0:
		f.Use(authfiber.CORSGroups(groups(app), bearer))
	case app.CORS != nil:
		f.Use(authfiber.CORS(app.CORS, bearer))
	}
	if app.CSRF != nil && app.CSRFOutside {
		f.Use(authfiber.CSRF(app.CSRF, bearer))
	}
	if !app.NoMiddleware {
		mounted := authfiber.Session(app.Sessions, cfg)
		if app.Late {
			late = append(late, mounted)
		} else {
			f.Use(mounted)
		}
		if app.Twice {
			f.Use(authfiber.Session(app.Sessions))
		}
	}
	if app.CSRF != nil && !app.CSRFOutside {
		f.Use(authfiber.CSRF(app.CSRF, bearer))
	}
	if app.Keys != nil {
		f.Get(conformance.JWKSPath, authfiber.JWKS(app.Keys)) // and HEAD
	}
	if app.Tokens != nil {
		fiberTokens(f, app, bearer)
	}
	route := func(r conformance.Route) []fiber.Handler {
		var chain []fiber.Handler
		for _, g := range r.Guards {
			switch {
			case g.CORS != nil && g.Anew:
				chain = append(chain, func(c *fiber.Ctx) error { return authfiber.CORS(g.CORS, bearer)(c) })
			case g.CORS != nil:
				chain = append(chain, authfiber.CORS(g.CORS, bearer))
			case g.CSRF != nil:
				chain = append(chain, authfiber.CSRF(g.CSRF, bearer))
			case g.Bearer:
				own := bearer
				own.Optional = g.Optional
				chain = append(chain, authfiber.Bearer(app.Verifier, own))
			case g.Login:
				chain = append(chain, authfiber.RequireLogin())
			case g.Fresh > 0:
				chain = append(chain, authfiber.RequireFresh(g.Fresh))
			case g.Scopes != nil:
				chain = append(chain, authfiber.RequireScope(g.Scopes...))
			default:
				chain = append(chain, authfiber.RequireRole(g.Roles...))
			}
		}
		chain = append(chain, late...)
		return append(chain, func(c *fiber.Ctx) error { return r.Handler(&fiberRequest{c}) })
	}
	for _, r := range app.Routes {
		f.Add(r.Method, r.Path, route(r)...)
	}
	for _, g := range app.Groups {
		group := f.Group(g.Prefix)
		for _, r := range g.Routes {
			group.Add(r.Method, strings.TrimPrefix(r.Path, g.Prefix), route(r)...)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- f.Listener(listener) }()
	t.Cleanup(func() {
		// Connections that a case left open do not hold up the end.
		_ = f.ShutdownWithTimeout(time.Millisecond)
		<-served
	})
	return listener.Addr().String()
}

// fiberTokens mounts the token endpoints.
func fiberTokens(f *fiber.App, app conformance.App, cfg authfiber.Config) {
	s, users := app.Tokens, cfg
	users.Device = func(c *fiber.Ctx) string { return c.Get(conformance.DeviceHeader) }
	login := func(c *fiber.Ctx) (refresh.Identity, error) { return s.Login(&fiberRequest{c}) }
	for path, h := range map[string]fiber.Handler{
		conformance.LoginPath:      authfiber.TokenLogin(s.Rotator, login, users),
		conformance.RefreshPath:    authfiber.Refresh(s.Rotator, users),
		conformance.LogoutPath:     authfiber.Logout(s.Rotator, users),
		conformance.RevokePath:     authfiber.Revoke(s.Rotator, app.Verifier, s.Clients, cfg),
		conformance.IntrospectPath: authfiber.Introspect(s.Rotator, app.Verifier, s.Clients, cfg),
	} {
		f.Post(path, h)
		f.Get(path, h)
	}
}

// fiberConfig returns the options of the session middleware and of Bearer.
func fiberConfig(app conformance.App) (cfg, bearer authfiber.Config) {
	cfg.TrustProxy = app.TrustProxy
	if app.ClientIP != nil {
		cfg.ClientIP = func(*fiber.Ctx) netip.Addr { return clientIP(app) }
	}
	bearer = cfg
	if app.SkipPath != "" {
		cfg.Next = func(c *fiber.Ctx) bool { return c.Path() == app.SkipPath }
	}
	if app.OwnErrorHandler {
		cfg.ErrorHandler = func(c *fiber.Ctx, err error) error {
			var d *adapter.Denied
			errors.As(err, &d)
			return c.Status(d.Status).SendString(conformance.OwnRefusal)
		}
	}
	if app.NoMiddleware {
		bearer = cfg
	}
	return cfg, bearer
}

type fiberRequest struct{ c *fiber.Ctx }

func (r *fiberRequest) Context() context.Context           { return r.c.UserContext() }
func (r *fiberRequest) Session() *session.Session          { return authfiber.SessionFrom(r.c) }
func (r *fiberRequest) Principal() (core.Principal, error) { return authfiber.PrincipalFrom(r.c) }
func (r *fiberRequest) Claims() (conformance.Claims, error) {
	return authfiber.ClaimsFrom[conformance.Claims](r.c)
}
func (r *fiberRequest) CSRFToken(method, path string) (string, error) {
	if method == "" {
		return authfiber.CSRFToken(r.c)
	}
	return authfiber.CSRFTokenFor(r.c, method, path)
}
func (r *fiberRequest) Query(name string) string           { return r.c.Query(name) }
func (r *fiberRequest) SetHeader(name, value string)       { r.c.Set(name, value) }
func (r *fiberRequest) Status(code int) error              { r.c.Status(code); return nil }
func (r *fiberRequest) String(code int, body string) error { return r.c.Status(code).SendString(body) }
func (r *fiberRequest) JSON(code int, v any) error         { return r.c.Status(code).JSON(v) }
func (r *fiberRequest) Redirect(code int, to string) error { return r.c.Redirect(to, code) }
func (r *fiberRequest) File(path string) error             { return r.c.SendFile(path) }
func (r *fiberRequest) Fail(err error) error               { return authfiber.Fail(r.c, err) }
func (r *fiberRequest) Body() (string, error)              { return string(bytes.Clone(r.c.Body())), nil }

func (r *fiberRequest) Copy(body io.Reader) error {
	_, err := io.Copy(r.c.Response().BodyWriter(), body)
	return err
}

// Stream has one way to flush: the writer that fasthttp hands out after the
// handlers have returned.
func (r *fiberRequest) Stream(_ conformance.FlushBy, write func(conformance.Stream)) error {
	r.c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { write(w) })
	return nil
}

func (r *fiberRequest) EarlyHints() error {
	r.c.Set(fiber.HeaderLink, "</style.css>; rel=preload")
	return r.c.Context().EarlyHints()
}

func (r *fiberRequest) Hijack(use func(net.Conn)) error {
	r.c.Status(fiber.StatusSwitchingProtocols)
	r.c.Set(fiber.HeaderConnection, "Upgrade")
	r.c.Set(fiber.HeaderUpgrade, "test")
	r.c.Context().Hijack(use)
	return nil
}

func (r *fiberRequest) NativeError(code int, message string) error {
	return fiber.NewError(code, message)
}

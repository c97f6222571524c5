package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authecho "github.com/sallyport-go/sallyport/echo"
)

// Echo is the harness of authecho.
func Echo() conformance.Harness { return conformance.Harness{Name: "echo", Start: startEcho} }

func startEcho(t testing.TB, app conformance.App) string {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(middleware.RecoverWithConfig(middleware.RecoverConfig{DisablePrintStack: true}))
	var late []echo.MiddlewareFunc
	cfg, bearer := echoConfig(app)
	switch {
	case len(app.Groups) > 0:
		e.Use(authecho.CORSGroups(groups(app), bearer))
	case app.CORS != nil:
		e.Use(authecho.CORS(app.CORS, bearer))
	}
	if app.CSRF != nil && app.CSRFOutside {
		e.Use(authecho.CSRF(app.CSRF, bearer))
	}
	if !app.NoMiddleware {
		mounted := authecho.Session(app.Sessions, cfg)
		if app.Late {
			late = append(late, mounted)
		} else {
			e.Use(mounted)
		}
		if app.Twice {
			e.Use(authecho.Session(app.Sessions))
		}
	}
	if app.CSRF != nil && !app.CSRFOutside {
		e.Use(authecho.CSRF(app.CSRF, bearer))
	}
	if app.Keys != nil {
		e.GET(conformance.JWKSPath, authecho.JWKS(app.Keys))
		e.HEAD(conformance.JWKSPath, authecho.JWKS(app.Keys))
	}
	if app.Tokens != nil {
		echoTokens(e, app, bearer)
	}
	route := func(r conformance.Route) (echo.HandlerFunc, []echo.MiddlewareFunc) {
		var guards []echo.MiddlewareFunc
		for _, g := range r.Guards {
			switch {
			case g.CORS != nil && g.Anew:
				guards = append(guards, func(next echo.HandlerFunc) echo.HandlerFunc {
					return func(c echo.Context) error { return authecho.CORS(g.CORS, bearer)(next)(c) }
				})
			case g.CORS != nil:
				guards = append(guards, authecho.CORS(g.CORS, bearer))
			case g.CSRF != nil:
				guards = append(guards, authecho.CSRF(g.CSRF, bearer))
			case g.Bearer:
				own := bearer
				own.Optional = g.Optional
				guards = append(guards, authecho.Bearer(app.Verifier, own))
			case g.Login:
				guards = append(guards, authecho.RequireLogin())
			case g.Fresh > 0:
				guards = append(guards, authecho.RequireFresh(g.Fresh))
			case g.Scopes != nil:
				guards = append(guards, authecho.RequireScope(g.Scopes...))
			default:
				guards = append(guards, authecho.RequireRole(g.Roles...))
			}
		}
		return func(c echo.Context) error { return r.Handler(&echoRequest{c}) }, append(guards, late...)
	}
	for _, r := range app.Routes {
		h, guards := route(r)
		e.Add(r.Method, r.Path, h, guards...)
	}
	for _, g := range app.Groups {
		group := e.Group(g.Prefix)
		for _, r := range g.Routes {
			h, guards := route(r)
			group.Add(r.Method, strings.TrimPrefix(r.Path, g.Prefix), h, guards...)
		}
	}
	return serve(t, app, e)
}

// echoTokens mounts the token endpoints.
func echoTokens(e *echo.Echo, app conformance.App, cfg authecho.Config) {
	s, users := app.Tokens, cfg
	users.Device = func(c echo.Context) string { return c.Request().Header.Get(conformance.DeviceHeader) }
	login := func(c echo.Context) (refresh.Identity, error) { return s.Login(&echoRequest{c}) }
	for path, h := range map[string]echo.HandlerFunc{
		conformance.LoginPath:      authecho.TokenLogin(s.Rotator, login, users),
		conformance.RefreshPath:    authecho.Refresh(s.Rotator, users),
		conformance.LogoutPath:     authecho.Logout(s.Rotator, users),
		conformance.RevokePath:     authecho.Revoke(s.Rotator, app.Verifier, s.Clients, cfg),
		conformance.IntrospectPath: authecho.Introspect(s.Rotator, app.Verifier, s.Clients, cfg),
	} {
		e.POST(path, h)
		e.GET(path, h)
	}
}

// echoConfig returns the options of the session middleware and of Bearer.
func echoConfig(app conformance.App) (cfg, bearer authecho.Config) {
	cfg.TrustProxy = app.TrustProxy
	if app.ClientIP != nil {
		cfg.ClientIP = func(echo.Context) netip.Addr { return clientIP(app) }
	}
	bearer = cfg
	if app.SkipPath != "" {
		cfg.Skipper = func(c echo.Context) bool { return c.Request().URL.Path == app.SkipPath }
	}
	if app.OwnErrorHandler {
		cfg.ErrorHandler = func(c echo.Context, err error) error {
			var d *adapter.Denied
			errors.As(err, &d)
			return c.String(d.Status, conformance.OwnRefusal)
		}
	}
	if app.NoMiddleware {
		bearer = cfg
	}
	return cfg, bearer
}

type echoRequest struct{ c echo.Context }

func (r *echoRequest) Context() context.Context           { return r.c.Request().Context() }
func (r *echoRequest) Session() *session.Session          { return authecho.SessionFrom(r.c) }
func (r *echoRequest) Principal() (core.Principal, error) { return authecho.PrincipalFrom(r.c) }
func (r *echoRequest) Claims() (conformance.Claims, error) {
	return authecho.ClaimsFrom[conformance.Claims](r.c)
}
func (r *echoRequest) CSRFToken(method, path string) (string, error) {
	if method == "" {
		return authecho.CSRFToken(r.c)
	}
	return authecho.CSRFTokenFor(r.c, method, path)
}
func (r *echoRequest) Query(name string) string           { return r.c.QueryParam(name) }
func (r *echoRequest) SetHeader(name, value string)       { r.c.Response().Header().Set(name, value) }
func (r *echoRequest) Status(code int) error              { return r.c.NoContent(code) }
func (r *echoRequest) String(code int, body string) error { return r.c.String(code, body) }
func (r *echoRequest) JSON(code int, v any) error         { return r.c.JSON(code, v) }
func (r *echoRequest) Redirect(code int, to string) error { return r.c.Redirect(code, to) }
func (r *echoRequest) File(path string) error             { return r.c.File(path) }
func (r *echoRequest) Fail(err error) error               { return authecho.Fail(r.c, err) }

func (r *echoRequest) Body() (string, error) {
	b, err := io.ReadAll(r.c.Request().Body)
	return string(b), err
}

func (r *echoRequest) Copy(body io.Reader) error {
	_, err := io.Copy(r.c.Response(), body)
	return err
}

func (r *echoRequest) Stream(by conformance.FlushBy, write func(conformance.Stream)) error {
	write(stream{r.c.Response(), by})
	return nil
}

func (r *echoRequest) EarlyHints() error { return earlyHints(r.c.Response().Writer) }

func (r *echoRequest) Hijack(use func(net.Conn)) error { return hijack(r.c.Response(), use) }

func (r *echoRequest) NativeError(code int, message string) error {
	return echo.NewHTTPError(code, message)
}

package harness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
)

func init() { gin.SetMode(gin.TestMode) }

// Gin is the harness of authgin.
func Gin() conformance.Harness { return conformance.Harness{Name: "gin", Start: startGin} }

func startGin(t testing.TB, app conformance.App) string {
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true
	engine.UnescapePathValues = false
	engine.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) {
		c.AbortWithStatus(http.StatusInternalServerError)
	}))
	engine.Use(renderErrors)
	var late []gin.HandlerFunc
	cfg, bearer := ginConfig(app)
	switch {
	case len(app.Groups) > 0:
		engine.Use(authgin.CORSGroups(groups(app), bearer))
	case app.CORS != nil:
		engine.Use(authgin.CORS(app.CORS, bearer))
	}
	if app.CSRF != nil && app.CSRFOutside {
		engine.Use(authgin.CSRF(app.CSRF, bearer))
	}
	if !app.NoMiddleware {
		mounted := authgin.Session(app.Sessions, cfg)
		if app.Late {
			late = append(late, mounted)
		} else {
			engine.Use(mounted)
		}
		if app.Twice {
			engine.Use(authgin.Session(app.Sessions))
		}
	}
	if app.CSRF != nil && !app.CSRFOutside {
		engine.Use(authgin.CSRF(app.CSRF, bearer))
	}
	if app.Keys != nil {
		engine.GET(conformance.JWKSPath, authgin.JWKS(app.Keys))
		engine.HEAD(conformance.JWKSPath, authgin.JWKS(app.Keys))
	}
	if app.Tokens != nil {
		ginTokens(engine, app, bearer)
	}
	route := func(r conformance.Route) []gin.HandlerFunc {
		var chain []gin.HandlerFunc
		for _, g := range r.Guards {
			switch {
			case g.CORS != nil && g.Anew:
				chain = append(chain, func(c *gin.Context) { authgin.CORS(g.CORS, bearer)(c) })
			case g.CORS != nil:
				chain = append(chain, authgin.CORS(g.CORS, bearer))
			case g.CSRF != nil:
				chain = append(chain, authgin.CSRF(g.CSRF, bearer))
			case g.Bearer:
				own := bearer
				own.Optional = g.Optional
				chain = append(chain, authgin.Bearer(app.Verifier, own))
			case g.Login:
				chain = append(chain, authgin.RequireLogin())
			case g.Fresh > 0:
				chain = append(chain, authgin.RequireFresh(g.Fresh))
			case g.Scopes != nil:
				chain = append(chain, authgin.RequireScope(g.Scopes...))
			default:
				chain = append(chain, authgin.RequireRole(g.Roles...))
			}
		}
		chain = append(chain, late...)
		return append(chain, func(c *gin.Context) {
			if err := r.Handler(&ginRequest{c}); err != nil {
				report(c, err)
			}
		})
	}
	for _, r := range app.Routes {
		engine.Handle(r.Method, r.Path, route(r)...)
	}
	for _, g := range app.Groups {
		group := engine.Group(g.Prefix)
		for _, r := range g.Routes {
			group.Handle(r.Method, strings.TrimPrefix(r.Path, g.Prefix), route(r)...)
		}
	}
	return serve(t, app, engine)
}

// ginTokens mounts the token endpoints.
func ginTokens(engine *gin.Engine, app conformance.App, cfg authgin.Config) {
	s, users := app.Tokens, cfg
	users.Device = func(c *gin.Context) string { return c.GetHeader(conformance.DeviceHeader) }
	login := func(c *gin.Context) (refresh.Identity, error) { return s.Login(&ginRequest{c}) }
	for path, h := range map[string]gin.HandlerFunc{
		conformance.LoginPath:      authgin.TokenLogin(s.Rotator, login, users),
		conformance.RefreshPath:    authgin.Refresh(s.Rotator, users),
		conformance.LogoutPath:     authgin.Logout(s.Rotator, users),
		conformance.RevokePath:     authgin.Revoke(s.Rotator, app.Verifier, s.Clients, cfg),
		conformance.IntrospectPath: authgin.Introspect(s.Rotator, app.Verifier, s.Clients, cfg),
	} {
		engine.POST(path, h)
		engine.GET(path, h)
	}
}

// ginConfig returns the options of the session middleware and of Bearer.
func ginConfig(app conformance.App) (cfg, bearer authgin.Config) {
	cfg.TrustProxy = app.TrustProxy
	if app.ClientIP != nil {
		cfg.ClientIP = func(*gin.Context) netip.Addr { return clientIP(app) }
	}
	bearer = cfg
	if app.SkipPath != "" {
		cfg.Skip = func(c *gin.Context) bool { return c.Request.URL.Path == app.SkipPath }
	}
	if app.OwnErrorHandler {
		cfg.ErrorHandler = func(c *gin.Context, err error) {
			var d *adapter.Denied
			errors.As(err, &d)
			c.String(d.Status, conformance.OwnRefusal)
		}
	}
	if app.NoMiddleware {
		bearer = cfg
	}
	return cfg, bearer
}

// report does what Gin's handlers do with an error, which they cannot return.
func report(c *gin.Context, err error) {
	if adapter.Refusal(c.Request.Context(), err) != nil {
		authgin.Fail(c, err)
		return
	}
	_ = c.Error(err)
}

// renderErrors is the error middleware that a Gin application has in place of
// returned errors.
func renderErrors(c *gin.Context) {
	c.Next()
	var native *ginError
	if last := c.Errors.Last(); last != nil && !c.Writer.Written() {
		status := http.StatusInternalServerError
		if errors.As(last.Err, &native) {
			status = native.status
		}
		c.String(status, last.Err.Error())
	}
}

type ginError struct {
	status  int
	message string
}

func (e *ginError) Error() string { return e.message }

type ginRequest struct{ c *gin.Context }

func (r *ginRequest) Context() context.Context           { return r.c.Request.Context() }
func (r *ginRequest) Session() *session.Session          { return authgin.SessionFrom(r.c) }
func (r *ginRequest) Principal() (core.Principal, error) { return authgin.PrincipalFrom(r.c) }
func (r *ginRequest) Claims() (conformance.Claims, error) {
	return authgin.ClaimsFrom[conformance.Claims](r.c)
}
func (r *ginRequest) CSRFToken(method, path string) (string, error) {
	if method == "" {
		return authgin.CSRFToken(r.c)
	}
	return authgin.CSRFTokenFor(r.c, method, path)
}
func (r *ginRequest) Query(name string) string           { return r.c.Query(name) }
func (r *ginRequest) SetHeader(name, value string)       { r.c.Header(name, value) }
func (r *ginRequest) Status(code int) error              { r.c.Status(code); return nil }
func (r *ginRequest) String(code int, body string) error { r.c.String(code, "%s", body); return nil }
func (r *ginRequest) JSON(code int, v any) error         { r.c.JSON(code, v); return nil }
func (r *ginRequest) Redirect(code int, to string) error { r.c.Redirect(code, to); return nil }
func (r *ginRequest) File(path string) error             { r.c.File(path); return nil }
func (r *ginRequest) Fail(err error) error               { authgin.Fail(r.c, err); return nil }

func (r *ginRequest) Body() (string, error) {
	b, err := r.c.GetRawData()
	return string(b), err
}

func (r *ginRequest) Copy(body io.Reader) error {
	_, err := io.Copy(r.c.Writer, body)
	return err
}

func (r *ginRequest) Stream(by conformance.FlushBy, write func(conformance.Stream)) error {
	write(stream{r.c.Writer, by})
	return nil
}

func (r *ginRequest) EarlyHints() error {
	r.c.Header("Link", "</style.css>; rel=preload")
	r.c.Status(http.StatusEarlyHints)
	r.c.Writer.WriteHeaderNow()
	return nil
}

func (r *ginRequest) Hijack(use func(net.Conn)) error { return hijack(r.c.Writer, use) }

func (r *ginRequest) NativeError(code int, message string) error { return &ginError{code, message} }

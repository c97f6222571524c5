package browser

import (
	"context"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authecho "github.com/sallyport-go/sallyport/echo"
)

func serveEcho(a *app, l net.Listener, ca *authority) (stop func()) {
	e := echo.New()
	if a.policy != nil {
		e.Use(authecho.CORS(a.policy))
	}
	e.Use(authecho.Session(a.sessions))
	if a.guard != nil {
		e.Use(authecho.CSRF(a.guard))
	}
	for _, route := range routes {
		var guards []echo.MiddlewareFunc
		if route.bearer {
			guards = append(guards, authecho.Bearer(a.verifier))
		}
		if route.login {
			guards = append(guards, authecho.RequireLogin())
		}
		e.Add(route.method, route.path, func(c echo.Context) error {
			a.journal.did(route.method + " " + route.path)
			return route.do(a, echoCall{c})
		}, guards...)
	}
	e.POST("/auth/login", authecho.TokenLogin(a.rotator, func(c echo.Context) (refresh.Identity, error) {
		var sent credentials
		err := c.Bind(&sent)
		return identify(sent, err)
	}))
	e.POST("/auth/refresh", authecho.Refresh(a.rotator))
	e.POST("/auth/logout", authecho.Logout(a.rotator))
	return serveHTTP(a, e, l, ca)
}

type echoCall struct{ c echo.Context }

func (r echoCall) Context() context.Context           { return r.c.Request().Context() }
func (r echoCall) Session() *session.Session          { return authecho.SessionFrom(r.c) }
func (r echoCall) Principal() (core.Principal, error) { return authecho.PrincipalFrom(r.c) }
func (r echoCall) CSRFToken() (string, error)         { return authecho.CSRFToken(r.c) }
func (r echoCall) Form(name string) string            { return r.c.FormValue(name) }
func (r echoCall) HTML(page string) error             { return r.c.HTML(http.StatusOK, page) }
func (r echoCall) JSON(v any) error                   { return r.c.JSON(http.StatusOK, v) }
func (r echoCall) SeeOther(path string) error         { return r.c.Redirect(http.StatusSeeOther, path) }
func (r echoCall) Fail(err error) error               { return authecho.Fail(r.c, err) }

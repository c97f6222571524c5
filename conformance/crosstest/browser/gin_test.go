package browser

import (
	"context"
	"net"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
)

func init() { gin.SetMode(gin.TestMode) }

func serveGin(a *app, l net.Listener, ca *authority) (stop func()) {
	r := gin.New()
	if a.policy != nil {
		r.Use(authgin.CORS(a.policy))
	}
	r.Use(authgin.Session(a.sessions))
	if a.guard != nil {
		r.Use(authgin.CSRF(a.guard))
	}
	for _, route := range routes {
		var chain []gin.HandlerFunc
		if route.bearer {
			chain = append(chain, authgin.Bearer(a.verifier))
		}
		if route.login {
			chain = append(chain, authgin.RequireLogin())
		}
		r.Handle(route.method, route.path, append(chain, func(c *gin.Context) {
			a.journal.did(route.method + " " + route.path)
			_ = route.do(a, ginCall{c})
		})...)
	}
	r.POST("/auth/login", authgin.TokenLogin(a.rotator, func(c *gin.Context) (refresh.Identity, error) {
		var sent credentials
		err := c.ShouldBindJSON(&sent)
		return identify(sent, err)
	}))
	r.POST("/auth/refresh", authgin.Refresh(a.rotator))
	r.POST("/auth/logout", authgin.Logout(a.rotator))
	return serveHTTP(a, r, l, ca)
}

type ginCall struct{ c *gin.Context }

func (r ginCall) Context() context.Context           { return r.c.Request.Context() }
func (r ginCall) Session() *session.Session          { return authgin.SessionFrom(r.c) }
func (r ginCall) Principal() (core.Principal, error) { return authgin.PrincipalFrom(r.c) }
func (r ginCall) CSRFToken() (string, error)         { return authgin.CSRFToken(r.c) }
func (r ginCall) Form(name string) string            { return r.c.PostForm(name) }
func (r ginCall) JSON(v any) error                   { r.c.JSON(http.StatusOK, v); return nil }
func (r ginCall) SeeOther(path string) error         { r.c.Redirect(http.StatusSeeOther, path); return nil }
func (r ginCall) Fail(err error) error               { authgin.Fail(r.c, err); return nil }
func (r ginCall) HTML(page string) error {
	r.c.Data(http.StatusOK, "text/html; charset=utf-8", []byte(page))
	return nil
}

package authgin

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// TokenLogin answers with an access token and a refresh token for whoever check says has
// logged in. core.ErrAnonymous from check is 401. Any other error that is none of ours goes
// to c.Errors with the status 500, unless check has answered by itself.
//
// Register these endpoints for POST.
func TokenLogin(rotator *refresh.Rotator, check func(c *gin.Context) (refresh.Identity, error), cfg ...Config) gin.HandlerFunc {
	m := compile(cfg, adapter.ForLogin("authgin", rotator, check != nil))
	return func(c *gin.Context) {
		m.serve(c, func() (refresh.Identity, error) { return check(c) })
	}
}

// Refresh answers a refresh token with new tokens (RFC 6749 section 6).
func Refresh(rotator *refresh.Rotator, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForRefresh("authgin", rotator)).answer
}

// Logout ends what a refresh token belongs to, access tokens included. It answers 204
// also if that had ended before.
func Logout(rotator *refresh.Rotator, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForLogout("authgin", rotator)).answer
}

// Revoke lets a service revoke the tokens that were issued to it (RFC 7009).
func Revoke(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForRevoke("authgin", rotator, verifier, clients)).answer
}

// Introspect tells a service whether a token that is for it is good just now (RFC 7662).
func Introspect(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForIntrospect("authgin", rotator, verifier, clients)).answer
}

func (m *middleware) answer(c *gin.Context) { m.serve(c, nil) }

func (m *middleware) serve(c *gin.Context, login func() (refresh.Identity, error)) {
	asked := adapter.Asked{Login: login}
	if m.cfg.Device != nil {
		asked.Device = m.cfg.Device(c)
	}
	answer, err := m.Endpoint.Serve(adapter.Bind(c.Writer, c.Request, m.Proxies, m.clientIP(c)), asked)
	var d *adapter.Denied
	switch {
	case errors.As(err, &d):
		m.owner(c.Request.Context()).refuse(c, d)
	case err != nil:
		if !c.Writer.Written() {
			c.Status(http.StatusInternalServerError)
		}
		_ = c.Error(err)
		c.Abort()
	case answer.Body == nil:
		c.Status(answer.Status)
		c.Writer.WriteHeaderNow()
	default:
		c.Data(answer.Status, "application/json; charset=utf-8", answer.Body)
	}
}

package authecho

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// TokenLogin answers with an access token and a refresh token for whoever check says has
// logged in. core.ErrAnonymous from check is 401. Any other error that is none of ours goes
// up the chain.
//
// Register these endpoints for POST.
func TokenLogin(rotator *refresh.Rotator, check func(c echo.Context) (refresh.Identity, error), cfg ...Config) echo.HandlerFunc {
	m := compile(cfg, adapter.ForLogin("authecho", rotator, check != nil))
	return func(c echo.Context) error {
		return m.serve(c, func() (refresh.Identity, error) { return check(c) })
	}
}

// Refresh answers a refresh token with new tokens (RFC 6749 section 6).
func Refresh(rotator *refresh.Rotator, cfg ...Config) echo.HandlerFunc {
	return compile(cfg, adapter.ForRefresh("authecho", rotator)).answer
}

// Logout ends what a refresh token belongs to, access tokens included. It answers 204
// also if that had ended before.
func Logout(rotator *refresh.Rotator, cfg ...Config) echo.HandlerFunc {
	return compile(cfg, adapter.ForLogout("authecho", rotator)).answer
}

// Revoke lets a service revoke the tokens that were issued to it (RFC 7009).
func Revoke(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) echo.HandlerFunc {
	return compile(cfg, adapter.ForRevoke("authecho", rotator, verifier, clients)).answer
}

// Introspect tells a service whether a token that is for it is good just now (RFC 7662).
func Introspect(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) echo.HandlerFunc {
	return compile(cfg, adapter.ForIntrospect("authecho", rotator, verifier, clients)).answer
}

func (m *settings) answer(c echo.Context) error { return m.serve(c, nil) }

func (m *settings) serve(c echo.Context, login func() (refresh.Identity, error)) error {
	asked := adapter.Asked{Login: login}
	if m.cfg.Device != nil {
		asked.Device = m.cfg.Device(c)
	}
	answer, err := m.Endpoint.Serve(adapter.Bind(c.Response(), c.Request(), m.Proxies, m.clientIP(c)), asked)
	var d *adapter.Denied
	switch {
	case errors.As(err, &d):
		return m.owner(c.Request().Context()).refuse(c, d)
	case err != nil:
		return err
	case answer.Body == nil:
		return c.NoContent(answer.Status)
	default:
		return c.JSONBlob(answer.Status, answer.Body)
	}
}

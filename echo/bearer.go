package authecho

import (
	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/token"
)

// Bearer lets only requests through whose Authorization header holds an access token
// that verifier accepts, and makes its subject the principal; with Config.Optional
// also those without one, as anonymous. Cookies are not looked at: a route behind
// Bearer knows no other identity, whatever session there is besides. Without an
// ErrorHandler of its own it refuses as the Session in front of it does.
func Bearer(verifier *token.Verifier, cfg ...Config) echo.MiddlewareFunc {
	m := compile(cfg, adapter.ForBearer("authecho", verifier))
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { return m.bearer(c, next) }
	}
}

func (m *settings) bearer(c echo.Context, next echo.HandlerFunc) error {
	if m.cfg.Skipper != nil && m.cfg.Skipper(c) {
		return next(c)
	}
	owner := m.owner(c.Request().Context())
	t := &adapter.HTTPToken{}
	t.Init(c.Response(), c.Request(), m.Proxies, m.clientIP(c))
	t.Owner = owner
	if d := t.Begin(m.Verifier, m.cfg.Optional); d != nil {
		return owner.refuse(c, d)
	}
	c.SetRequest(c.Request().WithContext(t))
	if err := next(c); err != nil {
		if c.Response().Committed {
			return err
		}
		return owner.translate(c, err)
	}
	return nil
}

// JWKS publishes the ring's keys as a JSON Web Key Set, for the verifiers of other
// services. It panics at construction without a ring.
func JWKS(ring *token.KeyRing) echo.HandlerFunc {
	check(adapter.CheckRing(ring))
	return echo.WrapHandler(ring.JWKS())
}

// ClaimsFrom returns the claims of the request's access token: token.Claims, or a
// struct with JSON tags. core.ErrAnonymous if an optional Bearer found no token,
// core.ErrNoMiddleware without Bearer.
func ClaimsFrom[T any](c echo.Context) (T, error) {
	return adapter.ClaimsFrom[T](c.Request().Context())
}

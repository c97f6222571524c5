package authgin

import (
	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/token"
)

// Bearer lets only requests through whose Authorization header holds an access token
// that verifier accepts, and makes its subject the principal; with Config.Optional
// also those without one, as anonymous. Cookies are not looked at: a route behind
// Bearer knows no other identity, whatever session there is besides. Without an
// ErrorHandler of its own it refuses as the Session in front of it does.
func Bearer(verifier *token.Verifier, cfg ...Config) gin.HandlerFunc {
	return compile(cfg, adapter.ForBearer("authgin", verifier)).bearer
}

func (m *middleware) bearer(c *gin.Context) {
	if m.cfg.Skip != nil && m.cfg.Skip(c) {
		return
	}
	owner := m.owner(c.Request.Context())
	t := &adapter.HTTPToken{}
	t.Init(c.Writer, c.Request, m.Proxies, m.clientIP(c))
	t.Owner = owner
	if d := t.Begin(m.Verifier, m.cfg.Optional); d != nil {
		owner.refuse(c, d)
		return
	}
	c.Request = c.Request.WithContext(t)
}

// JWKS publishes the ring's keys as a JSON Web Key Set, for the verifiers of other
// services. It panics at construction without a ring.
func JWKS(ring *token.KeyRing) gin.HandlerFunc {
	check(adapter.CheckRing(ring))
	return gin.WrapH(ring.JWKS())
}

// ClaimsFrom returns the claims of the request's access token: token.Claims, or a
// struct with JSON tags. core.ErrAnonymous if an optional Bearer found no token,
// core.ErrNoMiddleware without Bearer.
func ClaimsFrom[T any](c *gin.Context) (T, error) {
	return adapter.ClaimsFrom[T](c.Request.Context())
}

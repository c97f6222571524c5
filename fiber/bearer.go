package authfiber

import (
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/token"
)

// Bearer lets only requests through whose Authorization header holds an access token
// that verifier accepts, and makes its subject the principal; with Config.Optional
// also those without one, as anonymous. Cookies are not looked at: a route behind
// Bearer knows no other identity, whatever session there is besides. Without an
// ErrorHandler of its own it refuses as the Session in front of it does.
func Bearer(verifier *token.Verifier, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForBearer("authfiber", verifier)).mount((*middleware).bearer)
}

// tokenRequest is what one request carries, in one allocation.
type tokenRequest struct {
	st adapter.TokenState
	x  exchange
}

func (m *middleware) bearer(c *fiber.Ctx) error {
	r := &tokenRequest{x: m.bind(c)}
	owner := m.owner(r.x.Ctx)
	r.st.Owner = owner
	if d := adapter.BeginBearer(m.Verifier, m.cfg.Optional, &r.x, &r.st); d != nil {
		return owner.refuse(c, d)
	}
	c.SetUserContext(&r.st)
	return owner.translate(c, c.Next())
}

// JWKS publishes the ring's keys as a JSON Web Key Set, for the verifiers of other
// services. It panics at construction without a ring.
func JWKS(ring *token.KeyRing) fiber.Handler {
	check(adapter.CheckRing(ring))
	keys := adaptor.HTTPHandler(ring.JWKS())
	return func(c *fiber.Ctx) error {
		// The adaptor adds lines, and one from in front would stay the first.
		for _, name := range [...]string{fiber.HeaderCacheControl, fiber.HeaderXContentTypeOptions} {
			c.Response().Header.Del(name)
		}
		return keys(c)
	}
}

// ClaimsFrom returns the claims of the request's access token: token.Claims, or a
// struct with JSON tags. core.ErrAnonymous if an optional Bearer found no token,
// core.ErrNoMiddleware without Bearer.
func ClaimsFrom[T any](c *fiber.Ctx) (T, error) { return adapter.ClaimsFrom[T](c.UserContext()) }

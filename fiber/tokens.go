package authfiber

import (
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// TokenLogin answers with an access token and a refresh token for whoever check says has
// logged in. core.ErrAnonymous from check is 401. Any other error that is none of ours goes
// up the chain.
//
// Register these endpoints for POST.
func TokenLogin(rotator *refresh.Rotator, check func(c *fiber.Ctx) (refresh.Identity, error), cfg ...Config) fiber.Handler {
	m := compile(cfg, adapter.ForLogin("authfiber", rotator, check != nil))
	return func(c *fiber.Ctx) error {
		return m.serve(c, func() (refresh.Identity, error) { return check(c) })
	}
}

// Refresh answers a refresh token with new tokens (RFC 6749 section 6).
func Refresh(rotator *refresh.Rotator, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForRefresh("authfiber", rotator)).answer
}

// Logout ends what a refresh token belongs to, access tokens included. It answers 204
// also if that had ended before.
func Logout(rotator *refresh.Rotator, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForLogout("authfiber", rotator)).answer
}

// Revoke lets a service revoke the tokens that were issued to it (RFC 7009).
func Revoke(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForRevoke("authfiber", rotator, verifier, clients)).answer
}

// Introspect tells a service whether a token that is for it is good just now (RFC 7662).
func Introspect(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg ...Config) fiber.Handler {
	return compile(cfg, adapter.ForIntrospect("authfiber", rotator, verifier, clients)).answer
}

func (m *middleware) answer(c *fiber.Ctx) error { return m.serve(c, nil) }

func (m *middleware) serve(c *fiber.Ctx, login func() (refresh.Identity, error)) error {
	asked := adapter.Asked{Login: login}
	if m.cfg.Device != nil {
		asked.Device = m.cfg.Device(c)
	}
	x := m.bind(c)
	answer, err := m.Endpoint.Serve(&x, asked)
	var d *adapter.Denied
	switch {
	case errors.As(err, &d):
		return m.owner(c.UserContext()).refuse(c, d)
	case err != nil:
		return err
	case answer.Body != nil:
		c.Set(fiber.HeaderContentType, "application/json; charset=utf-8")
	}
	return c.Status(answer.Status).Send(answer.Body)
}

package authfiber

import (
	"context"
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// SessionFrom returns the request's session. Without the Session middleware it is
// nil, and every call on it returns core.ErrNoMiddleware.
func SessionFrom(c *fiber.Ctx) *session.Session { return session.FromContext(c.UserContext()) }

// PrincipalFrom returns who is logged in. core.ErrAnonymous if nobody is; an error
// that wraps core.ErrUnknown if the store did not answer. Below the HTTP layer
// core.PrincipalFrom says the same of c.UserContext().
func PrincipalFrom(c *fiber.Ctx) (core.Principal, error) {
	return core.PrincipalFrom(c.UserContext())
}

// RequireLogin lets only those through who are logged in or, behind Bearer, brought a
// token. So do all guards: whichever of the two stands closest says who it is.
func RequireLogin() fiber.Handler { return guard(adapter.RequireLogin, nil) }

// RequireRole lets only users through who have one of the roles. It panics at
// construction without a role.
func RequireRole(roles ...string) fiber.Handler { return guard(adapter.WithRoles(roles)) }

// RequireScope lets only requests through that were granted every one of the scopes.
// It panics at construction without a scope, or on one that RFC 6749 does not allow.
func RequireScope(scopes ...string) fiber.Handler { return guard(adapter.WithScopes(scopes)) }

// RequireFresh lets only users through who proved who they are at most maxAge ago.
// It panics at construction if maxAge is under a second.
func RequireFresh(maxAge time.Duration) fiber.Handler { return guard(adapter.WithMaxAge(maxAge)) }

func check(err error) {
	if err != nil {
		panic(fmt.Errorf("authfiber: %w", err))
	}
}

func guard(decide adapter.Decide, mistake error) fiber.Handler {
	check(mistake)
	return func(c *fiber.Ctx) error {
		if d := decide(c.UserContext()); d != nil {
			return refuse(c, d)
		}
		return c.Next()
	}
}

// Fail answers, or returns the native error, for an error of a session call: 503
// if the store did not answer, 401 if somebody must be logged in, 500 otherwise.
// Returning the session's error itself from a handler comes to the same.
func Fail(c *fiber.Ctx, err error) error {
	return refuse(c, adapter.Failure(c.UserContext(), err))
}

// refuse answers as the middleware in front is configured to, or as the default
// is if none is mounted.
func refuse(c *fiber.Ctx, d *adapter.Denied) error {
	return new(middleware).owner(c.UserContext()).refuse(c, d)
}

// owner is whose ErrorHandler answers: m's own, else that of the innermost Session or Bearer
// in front of it.
func (m *middleware) owner(ctx context.Context) *middleware {
	if outer, ok := adapter.OwnerFrom(ctx).(*middleware); ok && m.cfg.ErrorHandler == nil {
		return outer
	}
	return m
}

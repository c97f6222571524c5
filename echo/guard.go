package authecho

import (
	"context"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// SessionFrom returns the request's session. Without the Session middleware it is
// nil, and every call on it returns core.ErrNoMiddleware.
func SessionFrom(c echo.Context) *session.Session {
	return session.FromContext(c.Request().Context())
}

// PrincipalFrom returns who is logged in. core.ErrAnonymous if nobody is; an error
// that wraps core.ErrUnknown if the store did not answer. Below the HTTP layer
// core.PrincipalFrom says the same of c.Request().Context().
func PrincipalFrom(c echo.Context) (core.Principal, error) {
	return core.PrincipalFrom(c.Request().Context())
}

// RequireLogin lets only those through who are logged in or, behind Bearer, brought a
// token. So do all guards: whichever of the two stands closest says who it is.
func RequireLogin() echo.MiddlewareFunc { return guard(adapter.RequireLogin, nil) }

// RequireRole lets only users through who have one of the roles. It panics at
// construction without a role.
func RequireRole(roles ...string) echo.MiddlewareFunc { return guard(adapter.WithRoles(roles)) }

// RequireScope lets only requests through that were granted every one of the scopes.
// It panics at construction without a scope, or on one that RFC 6749 does not allow.
func RequireScope(scopes ...string) echo.MiddlewareFunc { return guard(adapter.WithScopes(scopes)) }

// RequireFresh lets only users through who proved who they are at most maxAge ago.
// It panics at construction if maxAge is under a second.
func RequireFresh(maxAge time.Duration) echo.MiddlewareFunc { return guard(adapter.WithMaxAge(maxAge)) }

func check(err error) {
	if err != nil {
		panic(fmt.Errorf("authecho: %w", err))
	}
}

func guard(decide adapter.Decide, mistake error) echo.MiddlewareFunc {
	check(mistake)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if d := decide(c.Request().Context()); d != nil {
				return refuse(c, d)
			}
			return next(c)
		}
	}
}

// Fail returns the native error for an error of a session call: 503 if the store
// did not answer, 401 if somebody must be logged in, 500 otherwise. Returning the
// session's error itself from a handler comes to the same.
func Fail(c echo.Context, err error) error {
	return refuse(c, adapter.Failure(c.Request().Context(), err))
}

// refuse answers as the middleware in front is configured to, or as the default
// is if none is mounted.
func refuse(c echo.Context, d *adapter.Denied) error {
	return new(settings).owner(c.Request().Context()).refuse(c, d)
}

// owner is whose ErrorHandler answers: m's own, else that of the innermost Session or Bearer
// in front of it.
func (m *settings) owner(ctx context.Context) *settings {
	if outer, ok := adapter.OwnerFrom(ctx).(*settings); ok && m.cfg.ErrorHandler == nil {
		return outer
	}
	return m
}

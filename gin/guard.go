package authgin

import (
	"context"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// SessionFrom returns the request's session. Without the Session middleware it is
// nil, and every call on it returns core.ErrNoMiddleware.
func SessionFrom(c *gin.Context) *session.Session { return session.FromContext(c.Request.Context()) }

// PrincipalFrom returns who is logged in. core.ErrAnonymous if nobody is; an error
// that wraps core.ErrUnknown if the store did not answer. Below the HTTP layer
// core.PrincipalFrom says the same of c.Request.Context().
func PrincipalFrom(c *gin.Context) (core.Principal, error) {
	return core.PrincipalFrom(c.Request.Context())
}

// RequireLogin lets only those through who are logged in or, behind Bearer, brought a
// token. So do all guards: whichever of the two stands closest says who it is.
func RequireLogin() gin.HandlerFunc { return guard(adapter.RequireLogin, nil) }

// RequireRole lets only users through who have one of the roles. It panics at
// construction without a role.
func RequireRole(roles ...string) gin.HandlerFunc { return guard(adapter.WithRoles(roles)) }

// RequireScope lets only requests through that were granted every one of the scopes.
// It panics at construction without a scope, or on one that RFC 6749 does not allow.
func RequireScope(scopes ...string) gin.HandlerFunc { return guard(adapter.WithScopes(scopes)) }

// RequireFresh lets only users through who proved who they are at most maxAge ago.
// It panics at construction if maxAge is under a second.
func RequireFresh(maxAge time.Duration) gin.HandlerFunc { return guard(adapter.WithMaxAge(maxAge)) }

func check(err error) {
	if err != nil {
		panic(fmt.Errorf("authgin: %w", err))
	}
}

func guard(decide adapter.Decide, mistake error) gin.HandlerFunc {
	check(mistake)
	return func(c *gin.Context) {
		if d := decide(c.Request.Context()); d != nil {
			refuse(c, d)
		}
	}
}

// Fail stops the chain and answers for an error of a session call: 503 if the
// store did not answer, 401 if somebody must be logged in, 500 otherwise.
func Fail(c *gin.Context, err error) {
	refuse(c, adapter.Failure(c.Request.Context(), err))
}

// refuse answers as the middleware in front is configured to, or as the default
// is if none is mounted.
func refuse(c *gin.Context, d *adapter.Denied) {
	new(middleware).owner(c.Request.Context()).refuse(c, d)
}

// owner is whose ErrorHandler answers: m's own, else that of the innermost Session or Bearer
// in front of it.
func (m *middleware) owner(ctx context.Context) *middleware {
	if m.cfg.ErrorHandler == nil {
		switch outer := adapter.OwnerFrom(ctx).(type) {
		case *request: // a session's
			return outer.m
		case *middleware:
			return outer
		}
	}
	return m
}

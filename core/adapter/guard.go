package adapter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

// RequireLogin refuses whoever is not logged in.
func RequireLogin(ctx context.Context) *Denied {
	s := session.FromContext(ctx)
	if err := s.Authorize(); err != nil {
		return Failure(s.Manager(), err)
	}
	return nil
}

// RequireRole refuses whoever is not logged in or has none of the roles.
func RequireRole(ctx context.Context, roles []string) *Denied {
	if d := RequireLogin(ctx); d != nil {
		return d
	}
	s := session.FromContext(ctx)
	p, err := s.Principal()
	if err != nil {
		return Failure(s.Manager(), err)
	}
	if slices.ContainsFunc(roles, p.HasRole) {
		return nil
	}
	err = fmt.Errorf("adapter: none of the roles %s", strings.Join(roles, ", "))
	s.Audit(audit.AuthorizationFailed, audit.CauseRole, err)
	return deny(core.Forbidden, err)
}

// RequireFresh refuses whoever is not logged in or proved who they are longer
// than maxAge ago.
func RequireFresh(ctx context.Context, maxAge time.Duration) *Denied {
	if d := RequireLogin(ctx); d != nil {
		return d
	}
	s := session.FromContext(ctx)
	fresh, err := s.Fresh(maxAge)
	if err != nil {
		return Failure(s.Manager(), err)
	}
	if fresh {
		return nil
	}
	err = fmt.Errorf("adapter: last proof of identity is older than %s", maxAge)
	s.Audit(audit.AuthorizationFailed, audit.CauseStale, err)
	return denyStale(s.Manager(), maxAge, err)
}

// CheckRoles and CheckMaxAge find the mistakes of a guard's configuration, for
// the adapter's constructor to report.
func CheckRoles(roles []string) error {
	if len(roles) == 0 {
		return &core.ConfigError{Field: "RequireRole.roles", Reason: "needs at least one role; RequireLogin asks for none"}
	}
	var errs []error
	for _, r := range roles {
		if r == "" {
			errs = append(errs, &core.ConfigError{Field: "RequireRole.roles", Reason: "nobody has the empty role"})
		}
	}
	return errors.Join(errs...)
}

// CheckMaxAge is CheckRoles for RequireFresh.
func CheckMaxAge(maxAge time.Duration) error {
	if maxAge < time.Second {
		return &core.ConfigError{Field: "RequireFresh.maxAge", Value: maxAge.String(), Reason: "must be at least one second"}
	}
	return nil
}

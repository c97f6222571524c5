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
)

// Decide is what a guard thinks of a request: nil lets it through.
type Decide func(context.Context) *Denied

// WithRoles, WithScopes and WithMaxAge are RequireRole, RequireScope and RequireFresh for the
// constructor of a guard: with a list of their own, whatever the caller does to his, and with
// the mistakes in it.
func WithRoles(roles []string) (Decide, error) {
	own := slices.Clone(roles)
	return func(ctx context.Context) *Denied { return RequireRole(ctx, own) }, CheckRoles(own)
}

// WithScopes is WithRoles for RequireScope.
func WithScopes(scopes []string) (Decide, error) {
	own := slices.Clone(scopes)
	return func(ctx context.Context) *Denied { return RequireScope(ctx, own) }, CheckScopes(own)
}

// WithMaxAge is WithRoles for RequireFresh.
func WithMaxAge(maxAge time.Duration) (Decide, error) {
	return func(ctx context.Context) *Denied { return RequireFresh(ctx, maxAge) }, CheckMaxAge(maxAge)
}

// RequireLogin refuses whoever is not authenticated.
func RequireLogin(ctx context.Context) *Denied {
	_, d := requireLogin(ctx)
	return d
}

func requireLogin(ctx context.Context) (identity, *Denied) {
	id := identityFrom(ctx)
	if id == nil {
		return nil, Failure(ctx, core.ErrNoMiddleware)
	}
	if err := id.authorize(); err != nil {
		return nil, Failure(ctx, err)
	}
	return id, nil
}

// RequireRole refuses whoever is not authenticated or has none of the roles.
func RequireRole(ctx context.Context, roles []string) *Denied {
	return require(ctx, core.Forbidden, audit.CauseRole, "none of the roles", roles, identity.anyRole)
}

// RequireScope refuses whoever is not authenticated or lacks one of the scopes.
func RequireScope(ctx context.Context, scopes []string) *Denied {
	d := require(ctx, core.InsufficientScope, audit.CauseScope, "not all of the scopes", scopes, identity.allScopes)
	if d != nil && d.Code == core.InsufficientScope && d.challenge != "" {
		d.challenge += `, scope="` + strings.Join(scopes, " ") + `"` // RFC 6750 section 3
	}
	return d
}

// require refuses with code whoever is not authenticated or does not hold names.
func require(ctx context.Context, code core.Code, cause audit.Cause, what string, names []string,
	holds func(identity, []string) (bool, error)) *Denied {
	id, d := requireLogin(ctx)
	if d != nil {
		return d
	}
	ok, err := holds(id, names)
	if err != nil {
		return Failure(ctx, err)
	}
	if ok {
		return nil
	}
	err = fmt.Errorf("adapter: %s %s", what, strings.Join(names, ", "))
	id.audit(audit.AuthorizationFailed, cause, err)
	return denyFor(id, code, err)
}

// RequireFresh refuses whoever is not authenticated or proved who they are longer
// than maxAge ago.
func RequireFresh(ctx context.Context, maxAge time.Duration) *Denied {
	id, d := requireLogin(ctx)
	if d != nil {
		return d
	}
	fresh, err := id.fresh(maxAge)
	if err != nil {
		return Failure(ctx, err)
	}
	if fresh {
		return nil
	}
	err = fmt.Errorf("adapter: last proof of identity is older than %s", maxAge)
	id.audit(audit.AuthorizationFailed, audit.CauseStale, err)
	d = denyFor(id, core.StepUpRequired, err)
	d.challenge += fmt.Sprintf(`, max_age="%d"`, int64(maxAge.Seconds())) // RFC 9470 section 3
	return d
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

// CheckScopes is CheckRoles for RequireScope.
func CheckScopes(scopes []string) error {
	if len(scopes) == 0 {
		return &core.ConfigError{Field: "RequireScope.scopes", Reason: "needs at least one scope; RequireLogin asks for none"}
	}
	var errs []error
	for _, s := range scopes {
		// RFC 6749 section 3.3; anything else could leave the challenge's quotes.
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
			errs = append(errs, &core.ConfigError{Field: "RequireScope.scopes", Value: s, Reason: "no token has such a scope: printable ASCII without blanks, quotes and backslashes"})
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

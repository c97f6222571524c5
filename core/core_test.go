package core_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
)

type source struct {
	p   core.Principal
	err error
}

func (s source) Principal() (core.Principal, error) { return s.p, s.err }

func TestPrincipalFrom(t *testing.T) {
	ann := core.Principal{Subject: "ann"}
	type key struct{}
	down := fmt.Errorf("%w: connection refused", core.ErrUnknown)
	with := func(v any) context.Context { return context.WithValue(t.Context(), core.PrincipalKey{}, v) }
	for _, tc := range []struct {
		desc string
		ctx  context.Context
		want core.Principal
		err  error
	}{
		{"no middleware", t.Context(), core.Principal{}, core.ErrNoMiddleware},
		{"something else under the key", with("ann"), core.Principal{}, core.ErrNoMiddleware},
		{"nil under the key", with(nil), core.Principal{}, core.ErrNoMiddleware},
		{"authenticated", with(source{ann, nil}), ann, nil},
		{"anonymous", with(source{err: core.ErrAnonymous}), core.Principal{}, core.ErrAnonymous},
		{"unknown", with(source{err: down}), core.Principal{}, core.ErrUnknown},
		{"through a derived context", context.WithValue(with(source{ann, nil}), key{}, 1), ann, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			p, err := core.PrincipalFrom(tc.ctx)
			require.Equal(t, tc.want, p)
			if tc.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tc.err)
		})
	}
}

// The three answers are distinct values: no error stands for two of them.
func TestAnswersAreDistinct(t *testing.T) {
	all := []error{core.ErrAnonymous, core.ErrUnknown, core.ErrNoMiddleware}
	for i, a := range all {
		for j, b := range all {
			require.Equal(t, i == j, errors.Is(a, b))
			require.Equal(t, i == j, errors.Is(fmt.Errorf("wrapped: %w", a), b))
		}
	}
}

func TestRolesAndScopes(t *testing.T) {
	p := core.Principal{Roles: []string{"admin", "é"}, Scopes: []string{"read"}}
	for _, tc := range []struct {
		name        string
		role, scope bool
	}{
		{"admin", true, false}, {"é", true, false}, {"read", false, true},
		{"Admin", false, false}, {"adm", false, false}, {"admin ", false, false}, {"e\u0301", false, false}, {"", false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			require.Equal(t, tc.role, p.HasRole(tc.name))
			require.Equal(t, tc.scope, p.HasScope(tc.name))
			require.False(t, core.Principal{}.HasRole(tc.name))
			require.False(t, core.Principal{}.HasScope(tc.name))
		})
	}
}

func TestCodes(t *testing.T) {
	for _, tc := range []struct {
		code   core.Code
		text   string
		status int
	}{
		{core.MissingCredentials, "MISSING_CREDENTIALS", http.StatusUnauthorized},
		{core.StepUpRequired, "STEP_UP_REQUIRED", http.StatusUnauthorized},
		{core.TokenExpired, "TOKEN_EXPIRED", http.StatusUnauthorized},
		{core.InvalidSignature, "INVALID_SIGNATURE", http.StatusUnauthorized},
		{core.TokenRevoked, "TOKEN_REVOKED", http.StatusUnauthorized},
		{core.InvalidRequest, "INVALID_REQUEST", http.StatusBadRequest},
		{core.InvalidGrant, "INVALID_GRANT", http.StatusBadRequest},
		{core.UnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", http.StatusUnsupportedMediaType},
		{core.RateLimited, "RATE_LIMITED", http.StatusTooManyRequests},
		{core.CSRFRejected, "CSRF_REJECTED", http.StatusForbidden},
		{core.Forbidden, "FORBIDDEN", http.StatusForbidden},
		{core.InsufficientScope, "INSUFFICIENT_SCOPE", http.StatusForbidden},
		{core.StoreUnavailable, "STORE_UNAVAILABLE", http.StatusServiceUnavailable},
		{core.AuthMiddlewareFailure, "AUTH_MIDDLEWARE_FAILURE", http.StatusInternalServerError},
		{"", "", http.StatusInternalServerError},
		{"SOMETHING_ELSE", "SOMETHING_ELSE", http.StatusInternalServerError},
	} {
		t.Run(tc.text, func(t *testing.T) {
			require.Equal(t, tc.text, string(tc.code))
			require.Equal(t, tc.status, tc.code.Status())
			require.NotEmpty(t, tc.code.Message())
		})
	}
}

// One message for one code, and none says more than its code does.
func TestMessagesAreDistinct(t *testing.T) {
	seen := map[string]core.Code{}
	for _, c := range []core.Code{
		core.MissingCredentials, core.TokenExpired, core.InvalidSignature, core.TokenRevoked, core.InvalidRequest,
		core.InvalidGrant, core.UnsupportedMediaType, core.RateLimited, core.CSRFRejected, core.StepUpRequired, core.Forbidden, core.InsufficientScope, core.StoreUnavailable, core.AuthMiddlewareFailure,
	} {
		require.NotContains(t, seen, c.Message())
		seen[c.Message()] = c
	}
	require.Equal(t, core.AuthMiddlewareFailure.Message(), core.Code("SOMETHING_ELSE").Message())
}

func TestConfigError(t *testing.T) {
	err := error(&core.ConfigError{Field: "session.Config.App", Value: "a\nb", Reason: "must be short"})
	require.Equal(t, `session.Config.App = "a\nb": must be short`, err.Error(), "a log line stays one")
	joined := fmt.Errorf("session: %w", errors.Join(err, &core.ConfigError{Field: "other"}))
	var ce *core.ConfigError
	require.ErrorAs(t, joined, &ce)
	require.Equal(t, "session.Config.App", ce.Field)
}

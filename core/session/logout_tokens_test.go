package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

func withTokens(c *session.Config) { c.AccessTokens = 15 * time.Minute }

// denied reports whether ann's handle is.
func (e *env) denied(handle string) bool {
	e.t.Helper()
	h, ok := revocation.ParseHandle(handle)
	require.True(e.t, ok)
	found, err := e.store.Revoked(e.t.Context(), e.m.Revocations().Owner("ann"), revocation.Asked{Session: h})
	require.NoError(e.t, err)
	return found.Denied
}

func TestLogoutEndsAccessTokens(t *testing.T) {
	for desc, tc := range map[string]struct {
		change []func(*session.Config)
		want   bool
	}{
		"with access tokens":    {[]func(*session.Config){withTokens}, true},
		"without access tokens": {nil, false},
	} {
		t.Run(desc, func(t *testing.T) {
			e := newEnv(t, tc.change...)
			value := e.login(ann())
			handle := e.handle(value)
			other := e.handle(e.login(ann()))
			s := e.begin(value)
			require.NoError(t, s.Logout(t.Context()))
			require.Equal(t, []string{deletion()}, e.finish(s))
			require.Equal(t, tc.want, e.denied(handle))
			require.False(t, e.denied(other))
			require.Len(t, e.stored("ann"), 1)
		})
	}
}

func TestLogoutWithAccessTokensFails(t *testing.T) {
	e := newEnv(t, withTokens)
	value := e.login(ann())
	down := errors.New("down")
	e.store.fail(down, "end one")
	s := e.begin(value)
	err := s.Logout(t.Context())
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorIs(t, err, down)
	require.Empty(t, e.finish(s), "no cookie is deleted for a session that may be alive")
	e.store.fail(revocation.ErrFull, "end one")
	s = e.begin(value)
	require.ErrorIs(t, s.Logout(t.Context()), revocation.ErrFull)
	require.Empty(t, e.finish(s))
	e.store.heal()
	require.Len(t, e.stored("ann"), 1)
}

// Whoever ended it before decided about its tokens, and the cookie may be a new one's.
func TestLogoutOfAnEndedSessionWithAccessTokens(t *testing.T) {
	e := newEnv(t, withTokens)
	value := e.login(ann())
	s, first := e.begin(value), e.begin(value)
	require.NotEmpty(t, e.subject(s))
	require.NoError(t, first.Logout(t.Context()))
	require.NoError(t, s.Logout(t.Context()))
	require.Empty(t, e.finish(s))
}

// A renewal that came in between is ended as well, but the cookie is left alone.
func TestLogoutMeetsARenewalWithAccessTokens(t *testing.T) {
	e := newEnv(t, withTokens)
	value := e.login(ann())
	handle := e.handle(value)
	s, renewing := e.begin(value), e.begin(value)
	require.NotEmpty(t, e.subject(s))
	require.NoError(t, renewing.Renew(t.Context()))
	require.NoError(t, s.Logout(t.Context()))
	require.Empty(t, e.finish(s))
	require.Empty(t, e.stored("ann"))
	require.True(t, e.denied(handle))
}

func TestAccessTokensMistakes(t *testing.T) {
	for _, d := range []time.Duration{-1, 24*time.Hour + 1} {
		_, err := session.New(newEnv(t).store, session.Config{AccessTokens: d, Secret: make([]byte, 32)})
		var mistake *core.ConfigError
		require.ErrorAs(t, err, &mistake)
		require.Equal(t, "session.Config.AccessTokens", mistake.Field)
	}
}

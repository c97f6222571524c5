package refresh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// A proof of identity that is newer begins a family of its own, and ends the one before.
func TestLoginReplaces(t *testing.T) {
	for subject, cause := range map[string]audit.Cause{"ann": audit.CauseStepUp, "bob": audit.CauseUserSwitch} {
		e := newEnv(t)
		old := e.login()
		e.pass(time.Hour)
		e.quiet()
		tokens, err := e.r.Login(t.Context(), refresh.Identity{Subject: subject, Replaces: old.Refresh}, here)
		require.NoError(t, err)
		require.Equal(t, []string{"end", "create"}, e.store.calls, "never both")
		require.Equal(t, audit.FamilyExpired, e.events[0].Name)
		require.Equal(t, cause, e.events[0].Cause)
		require.Equal(t, "ann", e.events[0].Subject)
		require.Equal(t, old.Principal.Session, e.events[0].Session)
		require.NotEqual(t, old.Principal.Session, tokens.Principal.Session)
		e.refused(old.Refresh, "gone")
		require.NotEmpty(t, e.refresh(tokens.Refresh).Access)
	}
}

func TestLoginReplacesNothing(t *testing.T) {
	e := newEnv(t)
	gone := e.login()
	_, err := e.r.Logout(t.Context(), gone.Refresh, here)
	require.NoError(t, err)
	foreign := newEnv(t, func(c *refresh.Config) { c.Secrets = [][]byte{[]byte("a secret that nobody else has, 32 bytes")} }).login()
	for desc, token := range map[string]string{"nothing": "", "garbage": "x", "ended": gone.Refresh, "another ring's": foreign.Refresh} {
		tokens, err := e.r.Login(t.Context(), refresh.Identity{Subject: "ann", Replaces: token}, here)
		require.NoError(t, err, desc)
		require.NotEmpty(t, tokens.Refresh, desc)
	}
}

func TestLoginReplacesFails(t *testing.T) {
	for _, f := range []fault{before, after} {
		e := newEnv(t)
		old := e.login()
		e.quiet()
		e.store.faults["end"] = f
		_, err := e.r.Login(t.Context(), refresh.Identity{Subject: "ann", Replaces: old.Refresh}, here)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.Equal(t, []string{"end"}, e.store.calls, "nobody is logged in")
	}
}

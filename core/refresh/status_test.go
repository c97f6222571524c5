package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// directory is what an application knows of its subjects.
type directory struct {
	status refresh.Status
	err    error
	asked  []string
	during func()
}

func (d *directory) ask(_ context.Context, subject string) (refresh.Status, error) {
	d.asked = append(d.asked, subject)
	if d.during != nil {
		d.during()
	}
	return d.status, d.err
}

func withStatus(d *directory, wired bool) func(*refresh.Config) {
	return func(c *refresh.Config) {
		if c.SubjectStatus = d.ask; !wired {
			c.Wired = nil
		}
	}
}

func bothWays(t *testing.T, test func(t *testing.T, wired bool)) {
	for _, wired := range []bool{true, false} {
		t.Run(map[bool]string{true: "wired", false: "unwired"}[wired], func(t *testing.T) { test(t, wired) })
	}
}

// Roles are those of today; scopes are those of the login that the subject may still
// have, and that the client asks for.
func TestStatusIsAskedEveryTime(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		d := &directory{}
		e := newEnv(t, withStatus(d, wired))
		token := e.login().Refresh
		require.Empty(t, d.asked, "a login says it itself")
		for i, tc := range []struct {
			desc          string
			status        refresh.Status
			asked         []string
			roles, scopes []string
		}{
			{"nothing any more", refresh.Status{}, nil, nil, []string{}},
			{"all that it had", refresh.Status{Roles: []string{"admin"}, Scopes: []string{"write", "read"}}, nil, []string{"admin"}, []string{"read", "write"}},
			{"other roles", refresh.Status{Roles: []string{"staff", "root"}, Scopes: []string{"read"}}, nil, []string{"staff", "root"}, []string{"read"}},
			{"more scopes than it was granted", refresh.Status{Scopes: []string{"read", "write", "admin"}}, nil, nil, []string{"read", "write"}},
			{"fewer asked for", refresh.Status{Scopes: []string{"read", "write"}}, []string{"write"}, nil, []string{"write"}},
			{"asked for what it may not have", refresh.Status{Scopes: []string{"read"}}, []string{"write", "admin"}, nil, []string{}},
		} {
			e.pass(2 * time.Minute)
			d.status, d.asked = tc.status, nil
			got, err := e.r.Refresh(t.Context(), token, tc.asked, here)
			require.NoError(t, err, tc.desc)
			require.Equal(t, []string{"ann"}, d.asked)
			require.Equal(t, tc.roles, got.Principal.Roles, tc.desc)
			require.Equal(t, tc.scopes, got.Principal.Scopes, tc.desc)
			require.Equal(t, got.Principal, e.issuer.last().principal)
			require.Len(t, e.issuer.calls, i+2, "signed once")
			if wired {
				require.Equal(t, revocation.Answer{Generation: uint64(i + 2), Stamp: uint64(e.at.UnixMicro())}, e.issuer.last().answer,
					"as it was decided, not as it was before")
			}
			token = got.Refresh
		}
		e.quiet()
		e.pass(2 * time.Minute)
		roles := []string{"staff"}
		d.status = refresh.Status{Roles: roles}
		got := e.refresh(token)
		roles[0] = "changed"
		require.Equal(t, []string{"staff"}, got.Principal.Roles)
		require.Equal(t, []string{"find", "rotate"}, e.store.calls)
	})
}

func TestDisabled(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		d := &directory{}
		e := newEnv(t, withStatus(d, wired))
		first := e.login()
		access := e.issuer.last()
		e.quiet()
		d.status.Disabled = true
		e.refused(first.Refresh, "disabled")
		e.told(first.Principal.Session, "refresh_family_expired disabled")
		require.Equal(t, []string{"find", "end"}, e.store.calls)
		require.Empty(t, e.issuer.calls)
		require.ErrorIs(t, e.registry.Check(t.Context(), e.credential(access)), revocation.ErrRevoked)
		d.status.Disabled = false
		e.refused(first.Refresh, "gone")
	})
	t.Run("ended by somebody else meanwhile", func(t *testing.T) {
		d := &directory{status: refresh.Status{Disabled: true}}
		e := newEnv(t, withStatus(d, true))
		first := e.login()
		d.during = func() { require.NoError(t, e.registry.SubjectDisabled(t.Context(), "ann")) }
		e.quiet()
		e.refused(first.Refresh, "disabled")
		require.Empty(t, e.events, "whose end it was has told it")
	})
	for _, f := range []fault{before, after} {
		t.Run(fmt.Sprint("the store fails ", f), func(t *testing.T) {
			d := &directory{status: refresh.Status{Disabled: true}}
			e := newEnv(t, withStatus(d, true))
			first := e.login()
			e.quiet()
			e.store.faults["end"] = f
			tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
			require.Zero(t, tokens)
			e.told(first.Principal.Session, "store_failure error")
			e.store.faults["end"] = none
			_, err = e.r.Refresh(t.Context(), first.Refresh, nil, here)
			require.ErrorIs(t, err, refresh.ErrInvalidGrant)
		})
	}
}

// An application that does not answer is no reason to log anybody out, nor to let anybody
// in.
func TestStatusUnknown(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		for _, fails := range []error{errors.New("no answer"), fmt.Errorf("%w: no answer", core.ErrUnknown)} {
			d := &directory{}
			e := newEnv(t, withStatus(d, wired))
			first := e.login()
			e.quiet()
			d.status, d.err = refresh.Status{Disabled: true}, fails
			tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, err, fails)
			require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
			require.Zero(t, tokens)
			require.Equal(t, []string{"find"}, e.store.calls, "nothing is consumed")
			require.Empty(t, e.issuer.calls)
			d.status, d.err = refresh.Status{}, nil
			require.NotEmpty(t, e.refresh(first.Refresh).Refresh)
		}
	})
}

// What ends while the application is asked is not answered.
func TestStatusRaces(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		d := &directory{}
		e := newEnv(t, withStatus(d, wired))
		first := e.login()
		d.during = func() { require.NoError(t, e.registry.LogoutEverywhere(t.Context(), "ann")) }
		e.refused(first.Refresh, "gone")
	})
}

// A replay is one whoever it says it is: what the application says comes before the
// decision and does not hide it.
func TestReuseBehindStatus(t *testing.T) {
	d := &directory{}
	e := newEnv(t, withStatus(d, true))
	first := e.login()
	e.pass(time.Minute)
	second := e.refresh(first.Refresh)
	e.pass(time.Minute)
	e.refresh(second.Refresh)
	e.events = nil
	e.refused(first.Refresh, "reuse:older")
	e.told(first.Principal.Session, "authn_token_reuse reuse:older", "refresh_family_expired reuse:older")
	e.refused(second.Refresh, "gone")
}

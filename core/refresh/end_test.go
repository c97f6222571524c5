package refresh_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func TestLogout(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		token func(e *env, first refresh.Tokens) string
	}{
		{"latest", func(e *env, first refresh.Tokens) string { return first.Refresh }},
		{"previous, long ago", func(e *env, first refresh.Tokens) string {
			e.refresh(first.Refresh)
			e.pass(48 * time.Hour)
			return first.Refresh
		}},
		{"older", func(e *env, first refresh.Tokens) string {
			second := e.refresh(first.Refresh)
			e.pass(time.Minute)
			e.refresh(second.Refresh)
			return first.Refresh
		}},
		{"newer than the store knows", func(e *env, first refresh.Tokens) string {
			e.store.faults["rotate"] = forgot
			defer delete(e.store.faults, "rotate")
			return e.refresh(first.Refresh).Refresh
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			bystander := e.login()
			first := e.login()
			token := tc.token(e, first)
			access := e.issuer.last()
			e.quiet()
			ended, err := e.r.Logout(t.Context(), token, here)
			require.NoError(t, err)
			require.True(t, ended)
			require.Equal(t, []string{"end"}, e.store.calls)
			e.told(first.Principal.Session, "refresh_family_expired logout")
			require.ErrorIs(t, e.registry.Check(t.Context(), e.credential(access)), revocation.ErrRevoked)
			e.refused(first.Refresh, "gone")
			e.refused(token, "gone")
			e.quiet()
			ended, err = e.r.Logout(t.Context(), token, here)
			require.NoError(t, err, "doing it again is no error")
			require.False(t, ended)
			require.Empty(t, e.events)
			require.NotEmpty(t, e.refresh(bystander.Refresh).Refresh)
		})
	}
	t.Run("whoever it was bound to", func(t *testing.T) {
		e := newEnv(t)
		id := ann()
		id.Client = "web"
		first, err := e.r.Login(t.Context(), id, refresh.From{Device: "key"})
		require.NoError(t, err)
		ended, err := e.r.Logout(t.Context(), first.Refresh, here)
		require.NoError(t, err)
		require.True(t, ended, "an end does no harm that its holder could not do otherwise")
	})
	t.Run("whoever can read it", func(t *testing.T) {
		e := newEnv(t)
		first := e.login()
		e.store.Store = unreadableEnd{e.store.Store}
		e.quiet()
		ended, err := e.r.Logout(t.Context(), first.Refresh, here)
		require.NoError(t, err)
		require.True(t, ended)
		require.Len(t, e.events, 1)
		require.Equal(t, first.Principal.Session, e.events[0].Session)
		require.Empty(t, e.events[0].Subject)
	})
}

type unreadableEnd struct{ refresh.Store }

func (u unreadableEnd) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	f, err := u.Store.EndFamily(ctx, key, rules)
	f.Value += "x"
	return f, err
}

// RFC 7009: a client revokes what was issued to it, whatever its state is.
func TestRevoke(t *testing.T) {
	begin := func(e *env) refresh.Tokens {
		id := ann()
		id.Client = "web"
		tokens, err := e.r.Login(t.Context(), id, refresh.From{})
		require.NoError(t, err)
		return tokens
	}
	from := here
	from.Client = "web"
	t.Run("its own", func(t *testing.T) {
		e := newEnv(t)
		first := begin(e)
		access := e.issuer.last()
		e.quiet()
		ended, err := e.r.Revoke(t.Context(), first.Refresh, from)
		require.NoError(t, err)
		require.True(t, ended)
		e.told(first.Principal.Session, "refresh_family_expired revoked")
		require.ErrorIs(t, e.registry.Check(t.Context(), e.credential(access)), revocation.ErrRevoked)
		ended, err = e.r.Revoke(t.Context(), first.Refresh, from)
		require.NoError(t, err, "the second time it is gone, which is what was asked for")
		require.False(t, ended)
		require.Empty(t, e.events)
	})
	t.Run("an older one", func(t *testing.T) {
		e := newEnv(t)
		first := begin(e)
		token := first.Refresh
		for range 3 {
			e.pass(time.Hour)
			tokens, err := e.r.Refresh(t.Context(), token, nil, from)
			require.NoError(t, err)
			token = tokens.Refresh
		}
		ended, err := e.r.Revoke(t.Context(), first.Refresh, from)
		require.NoError(t, err)
		require.True(t, ended)
		_, err = e.r.Refresh(t.Context(), token, nil, from)
		e.refusal(err, "gone")
	})
	t.Run("somebody else's", func(t *testing.T) {
		e := newEnv(t)
		first := begin(e)
		e.quiet()
		for _, other := range []string{"", "other", "WEB"} {
			ended, err := e.r.Revoke(t.Context(), first.Refresh, refresh.From{Client: other})
			require.Equal(t, refresh.ErrForeign, err)
			require.False(t, ended)
		}
		require.Equal(t, []string{"find", "find", "find"}, e.store.calls)
		require.Empty(t, e.events)
		_, err := e.r.Refresh(t.Context(), first.Refresh, nil, from)
		require.NoError(t, err)
	})
}

func TestRevokeFamily(t *testing.T) {
	e := newEnv(t)
	first, other := e.login(), e.login()
	handle := first.Principal.Session
	e.quiet()
	require.NoError(t, e.r.RevokeFamily(t.Context(), "ann", handle))
	require.Equal(t, []string{"find", "end"}, e.store.calls)
	require.Equal(t, []audit.Event{{Time: noon, Name: audit.FamilyExpired, Cause: audit.CauseRevoked, App: "shop", Subject: "ann", Session: handle}}, e.events)
	e.refused(first.Refresh, "gone")
	require.NotEmpty(t, e.refresh(other.Refresh).Refresh)

	e.quiet()
	require.NoError(t, e.r.RevokeFamily(t.Context(), "ann", handle), "doing it again is harmless")
	require.Equal(t, []string{"find", "deny"}, e.store.calls, "the store may have lost it, and its access tokens be alive")
	require.Equal(t, noon.Add(15*time.Minute+revocation.Margin), e.store.until, "as long as any access token may live")
	require.Equal(t, []audit.Event{{Time: noon, Name: audit.SessionDenied, App: "shop", Subject: "ann", Session: handle}}, e.events, "no second end")

	require.NoError(t, e.r.RevokeFamily(t.Context(), "bob", other.Principal.Session))
	require.NotEmpty(t, e.refresh(other.Refresh).Refresh, "a handle counts with its subject")

	e.quiet()
	for _, bad := range []string{"", "x", handle + "A", handle[:21]} {
		require.Equal(t, revocation.ErrNoHandle, e.r.RevokeFamily(t.Context(), "ann", bad))
	}
	require.Empty(t, e.store.calls)
	require.Empty(t, e.events)

	e.store.faults["deny"], e.store.err = before, revocation.ErrFull
	err := e.r.RevokeFamily(t.Context(), "ann", handle)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.NotErrorIs(t, err, core.ErrUnknown, "the store did decide")
	require.Empty(t, e.events)
}

func TestFamilies(t *testing.T) {
	e := newEnv(t)
	none, err := e.r.Families(t.Context(), "ann")
	require.NoError(t, err)
	require.Empty(t, none)
	var handles []string
	var last refresh.Tokens
	for range 3 {
		last = e.login()
		handles = append(handles, last.Principal.Session)
		e.pass(time.Minute)
	}
	_, err = e.r.Login(t.Context(), refresh.Identity{Subject: "bob"}, here)
	require.NoError(t, err)
	all, err := e.r.Families(t.Context(), "ann")
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, f := range all {
		require.Equal(t, handles[i], f.Handle, "in the order in which they began")
		require.Equal(t, noon.Add(time.Duration(i)*time.Minute), f.Created)
		require.Equal(t, noon.Add(time.Duration(i)*time.Minute), f.AuthTime)
	}
	e.pass(time.Hour)
	require.NotEmpty(t, e.refresh(last.Refresh).Refresh)
	one, err := e.r.Family(t.Context(), last.Refresh)
	require.NoError(t, err)
	require.Equal(t, e.at.Add(14*24*time.Hour), one.Expires, "each use moves it")
	require.Equal(t, noon.Add(2*time.Minute+30*24*time.Hour), one.Ends)
	require.Equal(t, noon.Add(2*time.Minute), one.Created)
}

// What a token says of its family to whoever asks: nothing, if it would be refused.
func TestFamily(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	ask := func(token string) error {
		t.Helper()
		e.quiet()
		got, err := e.r.Family(t.Context(), token)
		require.Equal(t, []string{"find"}, e.store.calls)
		require.Empty(t, e.events)
		if err != nil {
			require.Zero(t, got)
			return err
		}
		require.Equal(t, first.Principal.Session, got.Handle)
		require.Equal(t, "ann", got.Subject)
		return nil
	}
	require.NoError(t, ask(first.Refresh))
	e.pass(time.Minute)
	second := e.refresh(first.Refresh)
	access := e.issuer.last()
	require.NoError(t, ask(second.Refresh))
	require.NoError(t, ask(first.Refresh), "it may be repeated")
	e.pass(time.Hour)
	require.NoError(t, ask(first.Refresh), "late")
	require.NoError(t, e.use(access))
	e.pass(grace)
	require.NoError(t, ask(first.Refresh))
	e.pass(time.Microsecond)
	require.Equal(t, refresh.ErrGone, ask(first.Refresh))
	require.NoError(t, ask(second.Refresh), "asking ends nothing")
	e.pass(time.Hour)
	third := e.refresh(second.Refresh)
	require.Equal(t, refresh.ErrGone, ask(first.Refresh))
	require.NoError(t, ask(third.Refresh))
	_, err := e.r.Logout(t.Context(), third.Refresh, here)
	require.NoError(t, err)
	require.Equal(t, refresh.ErrGone, ask(third.Refresh))

	t.Run("another's binding is not asked about", func(t *testing.T) {
		e := newEnv(t)
		id := ann()
		id.Client = "web"
		first, err := e.r.Login(t.Context(), id, refresh.From{Device: "key"})
		require.NoError(t, err)
		got, err := e.r.Family(t.Context(), first.Refresh)
		require.NoError(t, err)
		require.Equal(t, "web", got.Client)
	})
}

func TestRefusalText(t *testing.T) {
	require.EqualError(t, &refresh.Refusal{Cause: "reuse:older"}, "refresh: invalid grant: reuse:older")
}

// The store did not answer: that is neither "ended" nor "not ended", and a revocation
// that was not stored is never a success (R15).
func TestEndUnknown(t *testing.T) {
	for _, tc := range []struct {
		name string
		op   string
		do   func(e *env, t refresh.Tokens) error
	}{
		{"Logout", "end", func(e *env, tokens refresh.Tokens) error {
			ended, err := e.r.Logout(e.t.Context(), tokens.Refresh, here)
			require.False(e.t, ended && err != nil)
			return err
		}},
		{"Revoke", "end", func(e *env, tokens refresh.Tokens) error {
			ended, err := e.r.Revoke(e.t.Context(), tokens.Refresh, here)
			require.False(e.t, ended && err != nil)
			return err
		}},
		{"Revoke, looking", "find", func(e *env, tokens refresh.Tokens) error {
			ended, err := e.r.Revoke(e.t.Context(), tokens.Refresh, here)
			require.False(e.t, ended && err != nil)
			return err
		}},
		{"RevokeFamily, looking", "find", func(e *env, tokens refresh.Tokens) error {
			return e.r.RevokeFamily(e.t.Context(), "ann", tokens.Principal.Session)
		}},
		{"RevokeFamily, ending", "end", func(e *env, tokens refresh.Tokens) error {
			return e.r.RevokeFamily(e.t.Context(), "ann", tokens.Principal.Session)
		}},
		{"RevokeFamily, of one that is gone", "deny", func(e *env, _ refresh.Tokens) error {
			return e.r.RevokeFamily(e.t.Context(), "ann", revocation.Handle{1}.String())
		}},
		{"Family", "find", func(e *env, tokens refresh.Tokens) error {
			got, err := e.r.Family(e.t.Context(), tokens.Refresh)
			require.Equal(e.t, err != nil, got.Handle == "")
			return err
		}},
		{"Families", "list", func(e *env, tokens refresh.Tokens) error {
			got, err := e.r.Families(e.t.Context(), "ann")
			require.Equal(e.t, err != nil, got == nil)
			return err
		}},
	} {
		for _, f := range []fault{before, after} {
			t.Run(fmt.Sprint(tc.name, " ", f), func(t *testing.T) {
				e := newEnv(t)
				tokens := e.login()
				e.quiet()
				e.store.faults[tc.op] = f
				err := tc.do(e, tokens)
				require.ErrorIs(t, err, core.ErrUnknown)
				require.ErrorIs(t, err, errDown)
				require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
				require.Len(t, e.events, 1)
				require.Equal(t, audit.StoreFailed, e.events[0].Name)
				require.ErrorIs(t, e.events[0].Err, errDown)
				e.store.faults[tc.op] = none
				require.NoError(t, tc.do(e, tokens))
			})
		}
	}
}

func TestEndContexts(t *testing.T) {
	gone, hangUp := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
	hangUp()
	for _, tc := range []struct {
		name  string
		write bool
		do    func(e *env, t refresh.Tokens) error
	}{
		{"Logout", true, func(e *env, tokens refresh.Tokens) error {
			_, err := e.r.Logout(gone, tokens.Refresh, here)
			return err
		}},
		{"RevokeFamily", true, func(e *env, tokens refresh.Tokens) error {
			return e.r.RevokeFamily(gone, "ann", tokens.Principal.Session)
		}},
		{"Family", false, func(e *env, tokens refresh.Tokens) error {
			_, err := e.r.Family(gone, tokens.Refresh)
			return err
		}},
		{"Families", false, func(e *env, tokens refresh.Tokens) error {
			_, err := e.r.Families(gone, "ann")
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t)
			tokens := e.login()
			err := tc.do(e, tokens)
			if tc.write {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, core.ErrUnknown)
			}
			e.bounded()
		})
	}
}

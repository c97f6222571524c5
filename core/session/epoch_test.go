package session_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// What is revoked through the registry ends sessions too: it is one decision.
func TestRegistryEndsSessions(t *testing.T) {
	for _, how := range []string{"subject", "session"} {
		t.Run(how, func(t *testing.T) {
			e := newEnv(t)
			v, second, stranger := e.later(), e.later(), e.login(bob())
			handle := e.handle(v)
			slow := e.live(v)
			require.NoError(t, cart.Set(slow, "apple"))
			e.clock.advance(time.Second)
			e.quiet()
			act, want := "session_denied", 1
			if how == "subject" {
				act, want = "subject_revoked all", 2
				require.NoError(t, e.m.Revocations().LogoutEverywhere(t.Context(), "ann"))
			} else {
				require.NoError(t, e.m.Revocations().RevokeSession(t.Context(), "ann", handle))
			}
			e.store.count()
			s := e.begin(v)
			require.Empty(t, e.subject(s))
			require.Equal(t, map[string]int{"load": 1}, e.store.count())
			e.mem.Sweep()
			told := e.audit.drain()
			require.Contains(t, told, act)
			require.Equal(t, want, count(told, "session_expired revoked"), "each end is told once, by whoever comes across it")
			require.Equal(t, 1, count(told, "session_use_after_expire unknown-id"))
			e.silent(s)
			e.silent(slow)
			require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
			require.Equal(t, how == "session", e.subject(e.begin(second)) == "ann")
			require.Equal(t, "bob", e.subject(e.begin(stranger)))
			if how == "subject" {
				require.Equal(t, "ann", e.subject(e.begin(e.login(ann()))), "a login after it is let in")
			}
		})
	}
}

// A session keeps the epoch of its login through renewal and step-up: a thief who
// renews has what he stole, and no more.
func TestEpochIsThatOfTheLogin(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			e := newEnv(t)
			require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
			epoch, err := e.m.Revocations().Epoch(t.Context(), "ann")
			require.NoError(t, err)
			require.NotZero(t, epoch)
			v := e.login(ann())
			require.Equal(t, epoch, e.stored("ann")[0].Entry.Epoch)
			v = e.replace(how, v)
			require.Equal(t, epoch, e.stored("ann")[0].Entry.Epoch)
			e.clock.advance(time.Second)
			require.NoError(t, e.m.Revocations().LogoutEverywhere(t.Context(), "ann"))
			require.Empty(t, e.subject(e.begin(v)))
		})
	}
}

// forgetful is a store that lost the epochs in a failover, and not the sessions.
type forgetful struct {
	*spy
	lost     atomic.Bool
	restored atomic.Uint64
}

func (f *forgetful) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := f.spy.Load(ctx, keys, out)
	for i := range out {
		out[i].Behind = f.lost.Load() && out[i].Epoch > 0
	}
	return err
}

func (f *forgetful) RestoreEpoch(ctx context.Context, o revocation.Owner, epoch uint64, until time.Time) error {
	err := f.spy.RestoreEpoch(ctx, o, epoch, until)
	if err == nil {
		f.restored.Store(epoch)
		f.lost.Store(false)
	}
	return err
}

func TestLostEpochIsPutBack(t *testing.T) {
	begin := func(t *testing.T) (e *env, f *forgetful, v string) {
		e = newEnv(t)
		f = &forgetful{spy: e.store}
		var err error
		e.m, err = session.New(f, session.Config{Now: e.clock.now, Audit: e.audit, Secret: secret, SubjectLimit: 9})
		require.NoError(t, err)
		require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
		v = e.login(ann())
		e.silent(e.live(v))
		f.lost.Store(true)
		e.store.untils = nil
		e.quiet()
		return e, f, v
	}
	t.Run("restored", func(t *testing.T) {
		e, f, v := begin(t)
		s := e.begin(v)
		require.Equal(t, "ann", e.subject(s))
		e.silent(s)
		require.Equal(t, map[string]int{"load": 1, "restore": 1}, e.store.count())
		require.Len(t, e.audit.events, 1)
		require.Equal(t, "ann", e.audit.events[0].Subject)
		require.Equal(t, []string{"epoch_restored"}, e.audit.drain())
		require.Equal(t, e.stored("ann")[0].Entry.Epoch, f.restored.Load())
		require.Len(t, e.store.untils, 1)
		require.True(t, noon.Add(7*24*time.Hour).Equal(e.store.untils[0]))

		e.silent(e.live(v))
		require.Equal(t, map[string]int{"load": 1}, e.store.count())
		require.Empty(t, e.audit.drain())
	})
	t.Run("the store refuses", func(t *testing.T) {
		e, _, v := begin(t)
		e.store.fail(errDown, "restore")
		s := e.begin(v)
		require.NoError(t, s.Authorize(), "the session is none of what was revoked")
		require.NoError(t, cart.Set(s, "apple"))
		e.silent(s)
		require.Equal(t, []string{"store_failure error"}, e.audit.drain())
		e.store.heal()
		e.has(e.begin(v), cart, "apple")
		require.Equal(t, []string{"epoch_restored"}, e.audit.drain(), "the next request tries again")
	})
	t.Run("by a request whose client hung up", func(t *testing.T) {
		e, _, v := begin(t)
		ctx, hangUp := context.WithCancel(t.Context())
		s := &session.Session{}
		e.m.Begin(s, ctx, session.Request{Cookies: []string{name + "=" + v}, UserAgent: "agent"})
		e.store.next("load", func() {})
		e.store.next("restore", hangUp)
		require.NoError(t, s.Authorize())
		require.Equal(t, []string{"epoch_restored"}, e.audit.drain())
	})
}

// What is issued for a session carries the session's epoch: the one of the login,
// never the one of the moment, which somebody may have raised since.
func TestPrincipalKnowsItsEpoch(t *testing.T) {
	epochOf := func(t *testing.T, s *session.Session) uint64 {
		t.Helper()
		p, err := s.Principal()
		require.NoError(t, err)
		return p.Epoch
	}
	e := newEnv(t)
	require.Zero(t, epochOf(t, e.live(e.login(ann()))))
	require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
	epoch, err := e.m.Revocations().Epoch(t.Context(), "ann")
	require.NoError(t, err)
	require.NotZero(t, epoch)

	s := e.begin("")
	require.NoError(t, s.Login(t.Context(), ann()))
	require.Equal(t, epoch, epochOf(t, s), "in the request that logs in")
	require.NoError(t, s.Renew(t.Context()))
	require.Equal(t, epoch, epochOf(t, s), "renewed under an id that nobody has")

	v := e.login(ann())
	s = e.live(v)
	require.NoError(t, s.Renew(t.Context()))
	require.Equal(t, epoch, epochOf(t, s), "renewed")
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, s.Commit(t.Context()))
	require.Equal(t, epoch, epochOf(t, s), "stored")
	require.NoError(t, s.RevokeOthers(t.Context()))
	raised, err := e.m.Revocations().Epoch(t.Context(), "ann")
	require.NoError(t, err)
	require.Greater(t, raised, epoch)
	require.Equal(t, raised, epochOf(t, s), "the one that stays")

	old := e.login(ann())
	e.replace("renewal", old)
	require.Equal(t, raised, epochOf(t, e.begin(old)), "behind a snapshot")
}

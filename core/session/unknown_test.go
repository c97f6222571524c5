package session_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// calls are all ways to ask or tell a Session something.
var calls = []struct {
	name       string
	transition bool
	write      bool
	do         func(*session.Session) error
}{
	{"Principal", false, false, func(s *session.Session) error {
		_, err := s.Principal()
		return err
	}},
	{"Authorize", false, false, func(s *session.Session) error { return s.Authorize() }},
	{"Fresh", false, false, func(s *session.Session) error {
		_, err := s.Fresh(time.Hour)
		return err
	}},
	{"Info", false, false, func(s *session.Session) error {
		_, err := s.Info()
		return err
	}},
	{"Login", true, false, func(s *session.Session) error { return s.Login(context.Background(), ann()) }},
	{"Renew", true, false, func(s *session.Session) error { return s.Renew(context.Background()) }},
	{"Logout", true, false, func(s *session.Session) error { return s.Logout(context.Background()) }},
	{"Devices", true, false, func(s *session.Session) error {
		_, err := s.Devices(context.Background())
		return err
	}},
	{"Revoke", true, false, func(s *session.Session) error {
		_, err := s.Revoke(context.Background(), strings.Repeat("A", 22))
		return err
	}},
	{"RevokeOthers", true, false, func(s *session.Session) error { return s.RevokeOthers(context.Background()) }},
	{"RevokeAll", true, false, func(s *session.Session) error { return s.RevokeAll(context.Background()) }},
	{"Get", false, false, func(s *session.Session) error {
		_, _, err := cart.Get(s)
		return err
	}},
	{"Set", false, true, func(s *session.Session) error { return cart.Set(s, "apple") }},
	{"Delete", false, true, func(s *session.Session) error { return cart.Delete(s) }},
	{"CompareAndSet", false, true, func(s *session.Session) error { return cart.CompareAndSet(s, "apple", "pear") }},
	{"SetIfAbsent", false, true, func(s *session.Session) error { return cart.SetIfAbsent(s, "apple") }},
	{"Counter.Get", false, false, func(s *session.Session) error {
		_, err := hits.Get(s)
		return err
	}},
	{"Counter.Add", false, true, func(s *session.Session) error { return hits.Add(s, 1) }},
	{"Flash.Add", false, true, func(s *session.Session) error { return notice.Add(s, "x") }},
	{"Flash.Take", false, false, func(s *session.Session) error {
		_, err := notice.Take(s)
		return err
	}},
}

func TestNilSession(t *testing.T) {
	var s *session.Session
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) { require.ErrorIs(t, c.do(s), core.ErrNoMiddleware) })
	}
	t.Run("Commit", func(t *testing.T) { require.ErrorIs(t, s.Commit(t.Context()), core.ErrNoMiddleware) })
	t.Run("Manager", func(t *testing.T) { require.Nil(t, s.Manager()) })
	t.Run("Audit", func(*testing.T) { s.Audit(audit.LoginSucceeded, "", nil) })
	t.Run("Finish", func(t *testing.T) { require.Equal(t, session.Outcome{}, s.Finish()) })
	t.Run("Abandon", func(t *testing.T) { require.Equal(t, session.Outcome{}, s.Abandon()) })
	t.Run("Finished", func(t *testing.T) { require.False(t, s.Finished()) })
	t.Run("FromContext", func(t *testing.T) {
		require.Nil(t, session.FromContext(t.Context()))
		require.ErrorIs(t, session.FromContext(t.Context()).Authorize(), core.ErrNoMiddleware)
	})
	t.Run("bad name", func(t *testing.T) {
		_, _, err := session.NewKey[int]("").Get(nil)
		require.ErrorIs(t, err, core.ErrNoMiddleware)
	})
}

func TestFromContext(t *testing.T) {
	e := newEnv(t)
	s := e.begin()
	ctx := context.WithValue(t.Context(), session.ContextKey{}, s)
	require.Same(t, s, session.FromContext(ctx))
	require.Same(t, e.m, session.FromContext(ctx).Manager())
}

// The store does not answer: every call says "unknown" and none "anonymous", with
// one attempt for the request.
func TestUnknown(t *testing.T) {
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			e.store.fail(errDown, everyOp...)
			e.quiet()
			s := e.begin(v)
			for range 2 {
				err := c.do(s)
				require.ErrorIs(t, err, core.ErrUnknown)
				require.ErrorIs(t, err, errDown)
				require.NotErrorIs(t, err, core.ErrAnonymous)
			}
			require.Equal(t, map[string]int{"load": 1}, e.store.count())
			require.Equal(t, []string{"store_failure error"}, e.audit.drain())

			// An answer that claims a write is refused; any other may stand, for
			// instance as an error page of the handler's own.
			e.store.heal()
			out := s.Finish()
			require.Empty(t, out.SetCookie)
			require.True(t, out.Asked)
			if c.write {
				require.ErrorIs(t, out.Err, core.ErrUnknown)
			} else {
				require.NoError(t, out.Err)
			}
			require.Empty(t, e.store.count(), "what was never seen is not written over")
			s = e.begin(v)
			require.Equal(t, "ann", e.subject(s))
			e.has(s, cart, "")
		})
	}
	t.Run("explicit commit tells", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		e.store.fail(errDown, "load")
		s := e.begin(v)
		require.ErrorIs(t, cart.Set(s, "apple"), core.ErrUnknown)
		require.ErrorIs(t, s.Commit(t.Context()), core.ErrUnknown)
		require.NoError(t, s.Commit(t.Context()))
		e.silent(s)
	})
	t.Run("after a panic", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		e.store.fail(errDown, "load")
		s := e.begin(v)
		require.ErrorIs(t, cart.Set(s, "apple"), core.ErrUnknown)
		require.NoError(t, s.Abandon().Err)
	})
	t.Run("garbage is unknown", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		for k := range e.store.keys {
			var out [1]session.Entry
			require.NoError(t, e.mem.Load(t.Context(), []session.StoreKey{k}, out[:]))
			out[0].Value = out[0].Value[:len(out[0].Value)-1]
			_, err := e.mem.Swap(t.Context(), k, out[0].Version, out[0])
			require.NoError(t, err)
		}
		s := e.begin(v)
		_, err := s.Principal()
		require.ErrorIs(t, err, core.ErrUnknown)
		require.NotErrorIs(t, err, core.ErrAnonymous)
	})
	t.Run("a user's record that nobody owns is unknown", func(t *testing.T) {
		// What ends an owner's sessions would never find it.
		e := newEnv(t)
		m, err := session.New(&disowning{e.store}, session.Config{Now: e.clock.now, Secret: secret})
		require.NoError(t, err)
		v := e.login(ann())
		e.m = m
		s := e.begin(v)
		require.ErrorIs(t, s.Authorize(), core.ErrUnknown)
		require.NotErrorIs(t, s.Authorize(), core.ErrAnonymous)
	})
	t.Run("a snapshot whose session cannot be asked for", func(t *testing.T) {
		for _, how := range replacements {
			r := newReplaced(t, how)
			r.store.next("load", func() { r.store.fail(errDown, "load") })
			s := r.begin(r.old)
			require.ErrorIs(t, s.Authorize(), core.ErrUnknown)
			r.silent(s)
			r.store.heal()
			require.Equal(t, "ann", r.subject(r.begin(r.old)))
		}
	})
	t.Run("no well-formed cookie needs no store", func(t *testing.T) {
		e := newEnv(t)
		e.store.fail(errDown, everyOp...)
		for _, v := range []string{"", "x", "not-a-value"} {
			_, err := e.begin(v).Principal()
			require.ErrorIs(t, err, core.ErrAnonymous)
		}
		_, err := e.begin().Principal()
		require.ErrorIs(t, err, core.ErrAnonymous)
	})
}

// disowning is a store that forgets whose entries are.
type disowning struct{ *spy }

func (d *disowning) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := d.spy.Load(ctx, keys, out)
	for i := range out {
		out[i].Owner = revocation.Owner{}
	}
	return err
}

// A data write that the store does not take makes the answer a refusal; nothing
// that was stored before it is undone.
func TestFailedCommit(t *testing.T) {
	for _, tc := range []struct {
		desc string
		op   string
		from func(*env) []string
	}{
		{"first write", "create", func(*env) []string { return nil }},
		{"visitor", "swap", func(e *env) []string { return []string{e.visit()} }},
		{"user", "swap", func(e *env) []string { return []string{e.login(ann())} }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			values := tc.from(e)
			s := e.begin(values...)
			require.NoError(t, other.Set(s, "x"))
			e.store.fail(errDown, tc.op)
			out := s.Finish()
			require.ErrorIs(t, out.Err, core.ErrUnknown)
			require.ErrorIs(t, out.Err, errDown)
			require.Empty(t, out.SetCookie)

			s = e.begin(values...)
			require.NoError(t, other.Set(s, "x"))
			require.ErrorIs(t, s.Commit(t.Context()), core.ErrUnknown)
			e.store.heal()
			e.silent(s)
			e.has(e.begin(values...), other, "")
		})
	}
	t.Run("after a login", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, cart.Set(s, "apple"))
		e.store.fail(errDown, "swap")
		out := s.Finish()
		require.ErrorIs(t, out.Err, core.ErrUnknown)
		require.Len(t, out.SetCookie, 1, "the login is stored, so its cookie goes out with the refusal")
	})
}

func TestAfterFinish(t *testing.T) {
	for _, c := range calls {
		for _, abandon := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				e := newEnv(t)
				s := e.begin(e.login(ann()))
				if abandon {
					s.Abandon()
				} else {
					e.finish(s)
				}
				e.quiet()
				err := c.do(s)
				require.ErrorIs(t, err, session.ErrFinished)
				require.Equal(t, c.transition, err == session.ErrHeadersSent)
				require.Empty(t, e.store.count())
				require.Empty(t, e.audit.drain())
				require.ErrorIs(t, s.Commit(t.Context()), session.ErrFinished)
				require.Equal(t, session.Outcome{}, s.Finish())
			})
		}
	}
	t.Run("what was learnt stays", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		e.finish(s)
		require.Equal(t, "ann", e.subject(s))
		require.NoError(t, s.Authorize())
		_, err := s.Fresh(time.Hour)
		require.NoError(t, err)
		require.ErrorIs(t, cart.Set(s, "x"), session.ErrFinished)

		s = e.begin(e.visit())
		_, err = s.Principal()
		require.ErrorIs(t, err, core.ErrAnonymous)
		e.finish(s)
		_, err = s.Principal()
		require.ErrorIs(t, err, core.ErrAnonymous)

		e.store.fail(errDown, "load")
		s = e.begin(v)
		_, err = s.Principal()
		require.ErrorIs(t, err, core.ErrUnknown)
		e.finish(s)
		_, err = s.Principal()
		require.ErrorIs(t, err, core.ErrUnknown)
		e.store.heal()

		s = e.begin(v)
		require.NoError(t, s.Login(t.Context(), bob()))
		e.finish(s)
		require.Equal(t, "bob", e.subject(s))
	})
}

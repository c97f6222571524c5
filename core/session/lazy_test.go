package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

func TestNobodyAskedNothingHappens(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	for _, tc := range []struct {
		desc   string
		values []string
	}{{"no cookie", nil}, {"live", []string{v}}, {"garbage", []string{"x"}}, {"two", []string{v, strings.Repeat("A", 48)}}} {
		t.Run(tc.desc, func(t *testing.T) {
			s := e.begin(tc.values...)
			require.False(t, s.Finished())
			require.Equal(t, session.Outcome{}, s.Finish())
			require.True(t, s.Finished())
			require.Equal(t, session.Outcome{}, s.Finish())
			require.Empty(t, e.store.count())
			require.Empty(t, e.audit.drain())
		})
	}
}

// S14: a visitor who is only looked at, a thousand times, costs nothing.
func TestVisitorsCostNothing(t *testing.T) {
	e := newEnv(t)
	for range 1000 {
		s := e.begin()
		_, err := s.Principal()
		require.ErrorIs(t, err, core.ErrAnonymous)
		e.has(s, cart, "")
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.Zero(t, n)
		shown, err := notice.Take(s)
		require.NoError(t, err)
		require.Empty(t, shown)
		require.NoError(t, cart.Delete(s))
		require.NoError(t, s.Logout(t.Context()))
		require.ErrorIs(t, s.Renew(t.Context()), core.ErrAnonymous)
		require.ErrorIs(t, cart.CompareAndSet(s, "a", "b"), session.ErrConflict)
		out := s.Finish()
		require.Equal(t, session.Outcome{Asked: true}, out)
	}
	require.Empty(t, e.store.count())
	require.Empty(t, e.audit.drain())
	require.Zero(t, e.mem.Stats())
}

func TestOneReadForEverything(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	s := e.begin(v)
	for range 3 {
		require.Equal(t, "ann", e.subject(s))
		require.NoError(t, s.Authorize())
		fresh, err := s.Fresh(time.Hour)
		require.NoError(t, err)
		require.True(t, fresh)
		_, err = s.Info()
		require.NoError(t, err)
		e.has(s, cart, "")
		_, err = hits.Get(s)
		require.NoError(t, err)
		_, err = notice.Take(s)
		require.NoError(t, err)
		require.NoError(t, s.Commit(t.Context()))
	}
	out := s.Finish()
	require.Equal(t, session.Outcome{Asked: true}, out)
	require.Equal(t, map[string]int{"load": 1}, e.store.count())
	require.Empty(t, e.audit.drain())
}

func TestOneReadForParallelQuestions(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	s := e.begin(v)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			_, _ = s.Principal()
			_, _, _ = cart.Get(s)
			_ = hits.Add(s, 1)
		})
	}
	wg.Wait()
	e.silent(s)
	require.Equal(t, map[string]int{"load": 1, "swap": 1}, e.store.count())
	n, err := hits.Get(e.begin(v))
	require.NoError(t, err)
	require.EqualValues(t, 20, n)
}

func TestOneWriteForEverything(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, other.Set(s, "x"))
	require.NoError(t, other.Delete(s))
	require.NoError(t, hits.Add(s, 1))
	require.NoError(t, notice.Add(s, "saved"))
	e.silent(s)
	require.Equal(t, map[string]int{"load": 1, "swap": 1}, e.store.count())
}

func TestAsked(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	for _, tc := range []struct {
		desc string
		do   func(*session.Session)
		want bool
	}{
		{"nothing", func(*session.Session) {}, false},
		{"commit", func(s *session.Session) { _ = s.Commit(t.Context()) }, false},
		{"principal", func(s *session.Session) { _, _ = s.Principal() }, true},
		{"authorize", func(s *session.Session) { _ = s.Authorize() }, true},
		{"get", func(s *session.Session) { _, _, _ = cart.Get(s) }, true},
		{"set", func(s *session.Session) { _ = cart.Set(s, "x") }, true},
		{"login", func(s *session.Session) { _ = s.Login(t.Context(), ann()) }, true},
		{"bad key", func(s *session.Session) { _, _, _ = session.NewKey[string]("").Get(s) }, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := e.begin(v)
			tc.do(s)
			require.Equal(t, tc.want, s.Finish().Asked)
		})
	}
}

func TestTouch(t *testing.T) {
	const idle, touch = time.Hour, 10 * time.Minute
	setup := func(t *testing.T) (*env, string) {
		e := newEnv(t, func(c *session.Config) { c.IdleTimeout, c.TouchInterval = idle, touch })
		v := e.login(ann())
		e.quiet()
		return e, v
	}

	t.Run("once an interval", func(t *testing.T) {
		e, v := setup(t)
		writes := 0
		for range 59 {
			e.clock.advance(time.Minute)
			s := e.live(v)
			out := e.finish(s)
			calls := e.store.count()
			require.Equal(t, 1, calls["load"])
			require.Len(t, out, calls["swap"], "the cookie comes with a touch and only then")
			if calls["swap"] == 1 {
				require.Equal(t, []string{setLine(v, "3600")}, out)
				writes++
			}
		}
		require.Equal(t, 5, writes)
	})
	t.Run("failing", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		e.store.fail(errors.New("down"), "swap")
		s := e.live(v)
		require.NoError(t, s.Authorize())
		out := s.Finish()
		require.NoError(t, out.Err, "the answer stands")
		require.Empty(t, out.SetCookie)
		require.Equal(t, []string{"store_failure error"}, e.audit.drain())
		e.store.heal()
		require.Equal(t, []string{setLine(v, "3600")}, e.finish(e.live(v)), "the next request makes up for it")
	})
	t.Run("of the dead", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		s := e.live(v)
		require.NoError(t, s.Authorize())
		e.logout(v)
		out := s.Finish()
		require.NoError(t, out.Err)
		require.Empty(t, out.SetCookie)
		require.Empty(t, e.subject(e.begin(v)))
	})
	t.Run("not due for who was touched meanwhile", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		a, b := e.live(v), e.live(v)
		require.Len(t, e.finish(a), 1)
		e.quiet()
		e.silent(b)
		// One attempt finds out; there is nothing left to write.
		require.Equal(t, map[string]int{"swap": 1}, e.store.count())
		require.Equal(t, []string(nil), e.audit.drain())
	})
	t.Run("with a write", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "apple"))
		require.Equal(t, []string{setLine(v, "3600")}, e.finish(s))
		require.Equal(t, map[string]int{"load": 1, "swap": 1}, e.store.count())
	})
	t.Run("explicit commit", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		s := e.live(v)
		require.NoError(t, s.Commit(t.Context()))
		require.NoError(t, s.Commit(t.Context()))
		require.Equal(t, []string{setLine(v, "3600")}, e.finish(s))
		require.Equal(t, map[string]int{"load": 1, "swap": 1}, e.store.count())
	})
	t.Run("not by whoever does not ask", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		e.silent(e.begin(v))
		require.Empty(t, e.store.count())
	})
	t.Run("not after a panic", func(t *testing.T) {
		e, v := setup(t)
		e.clock.advance(touch)
		s := e.live(v)
		require.NoError(t, cart.Set(s, "apple"))
		out := s.Abandon()
		require.NoError(t, out.Err)
		require.Empty(t, out.SetCookie)
		require.Equal(t, map[string]int{"load": 1}, e.store.count())
		e.has(e.begin(v), cart, "")
	})
}

func TestAbandonKeepsTransitions(t *testing.T) {
	e := newEnv(t)
	s := e.begin()
	require.NoError(t, s.Login(t.Context(), ann()))
	require.NoError(t, cart.Set(s, "apple"))
	out := s.Abandon()
	require.NoError(t, out.Err)
	require.Len(t, out.SetCookie, 1)
	v := strings.TrimPrefix(out.SetCookie[0], name+"=")[:48]
	require.Equal(t, "ann", e.subject(e.begin(v)))
	e.has(e.begin(v), cart, "")
	require.True(t, s.Finished())
	require.Equal(t, session.Outcome{}, s.Finish())

	s = e.begin(v)
	require.NoError(t, s.Logout(t.Context()))
	require.Equal(t, []string{deletion()}, s.Abandon().SetCookie)
}

// Whoever clicked "log out" and closed the tab is logged out; whoever only looked
// is not waited for. Every call to a store that may block has a deadline.
func TestStoreContexts(t *testing.T) {
	e := newEnv(t, func(c *session.Config) { c.StoreTimeout = time.Hour })
	v := e.login(ann())
	ctx, hangUp := context.WithCancel(t.Context())

	s := &session.Session{}
	e.m.Begin(s, ctx, session.Request{Cookies: []string{name + "=" + v}})
	require.Equal(t, "ann", e.subject(s))
	require.NoError(t, cart.Set(s, "apple"))
	hangUp()
	require.NoError(t, s.Finish().Err)
	e.has(e.begin(v), cart, "apple")

	s = &session.Session{}
	e.m.Begin(s, ctx, session.Request{Cookies: []string{name + "=" + v}})
	_, err := s.Principal()
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorIs(t, err, context.Canceled)

	s = e.live(v)
	require.NoError(t, s.Logout(ctx))
	require.Empty(t, e.subject(e.begin(v)))
	for _, c := range e.store.ctxs {
		_, ok := c.Deadline()
		require.True(t, ok)
	}
}

// A store in this process gets the request's own context: no timer, no copy.
func TestLocalStoreContext(t *testing.T) {
	e := newEnv(t)
	local := &localSpy{spy: e.store}
	m, err := session.New(local, session.Config{Now: e.clock.now, Secret: secret})
	require.NoError(t, err)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "mine")
	s := &session.Session{}
	m.Begin(s, ctx, session.Request{})
	require.NoError(t, s.Login(ctx, ann()))
	s.Finish()
	require.NotEmpty(t, e.store.ctxs)
	for _, c := range e.store.ctxs {
		_, ok := c.Deadline()
		require.False(t, ok)
		require.Equal(t, "mine", c.Value(key{}))
	}
}

type localSpy struct{ *spy }

func (*localSpy) LocalStore() {}

func TestEventsDescribeTheRequest(t *testing.T) {
	e := newEnv(t)
	s := &session.Session{}
	e.m.Begin(s, t.Context(), session.Request{UserAgent: strings.Repeat("é", 200)})
	require.NoError(t, s.Login(t.Context(), ann()))
	info, err := s.Info()
	require.NoError(t, err)
	s.Audit(audit.AuthorizationFailed, audit.CauseRole, core.ErrAnonymous)
	require.Len(t, e.audit.events, 3)
	for _, ev := range e.audit.events {
		require.Equal(t, noon, ev.Time)
		require.Equal(t, "app", ev.App)
		require.Equal(t, "ann", ev.Subject)
		require.Equal(t, info.Handle, ev.Session)
		require.Len(t, ev.UserAgent, 256)
	}
	require.Equal(t, "password", e.audit.events[1].Method)
	require.Equal(t, core.ErrAnonymous, e.audit.events[2].Err)
}

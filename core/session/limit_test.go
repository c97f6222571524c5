package session_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

func limited(n int) func(*session.Config) {
	return func(c *session.Config) { c.SubjectLimit = n }
}

func refusing(n int) func(*session.Config) {
	return func(c *session.Config) { c.SubjectLimit, c.RefuseAtLimit = n, true }
}

// arrived logs ann in, later than before, and shows that the cookie has arrived.
func (e *env) arrived() string {
	e.t.Helper()
	v := e.later()
	e.silent(e.live(v))
	return v
}

// presented is what the store knows of each of ann's sessions.
func (e *env) presented() (all []bool) {
	e.t.Helper()
	for _, k := range e.stored("ann") {
		all = append(all, k.Entry.Presented)
	}
	return all
}

// On which terms a session is let in. An anonymous one has no limit and no epoch.
func TestAdmissionTerms(t *testing.T) {
	week := 7 * 24 * time.Hour
	for _, tc := range []struct {
		desc   string
		change func(*session.Config)
		want   session.Admission
	}{
		{"default", func(*session.Config) {}, session.Admission{Max: 1000}},
		{"limit", limited(3), session.Admission{Max: 3}},
		{"refusal", refusing(3), session.Admission{Max: 3, Refuse: true}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, tc.change)
			e.login(ann())
			e.visit()
			require.Len(t, e.store.admits, 2)
			require.True(t, noon.Add(week).Equal(e.store.admits[0].Until), "the epoch is kept as long as the session may live")
			require.True(t, e.store.admits[1].Until.IsZero())
			for _, got := range e.store.admits {
				got.Until = time.Time{}
				require.Equal(t, tc.want, got)
			}
		})
	}
}

func TestLimitEndsTheOldest(t *testing.T) {
	e := newEnv(t, limited(2))
	stranger := e.login(bob())
	first, second := e.arrived(), e.arrived()
	handle := e.handle(first)
	e.quiet()
	third := e.later()
	require.Equal(t, map[string]int{"create": 1}, e.store.count())
	e.endedAs("limit", handle)
	require.Equal(t, []string{"session_expired limit", "session_created", "authn_login_success"}, e.audit.drain())
	s := e.begin(first)
	require.Empty(t, e.subject(s))
	e.silent(s)
	require.Equal(t, "ann", e.subject(e.begin(second)))
	require.Equal(t, "ann", e.subject(e.begin(third)))
	require.Equal(t, "bob", e.subject(e.begin(stranger)), "a limit is of one subject")

	// A step-up is no further session.
	e.replace(byStepUp, second)
	require.Len(t, e.stored("ann"), 2)
}

// What nobody ever presented goes first: somebody who only knows the password
// cannot log out the user by logging in and in.
func TestLimitEndsWhatNeverArrivedFirst(t *testing.T) {
	e := newEnv(t, limited(2))
	first := e.arrived()
	lost := e.later()
	third := e.later()
	require.Empty(t, e.subject(e.begin(lost)))
	require.Equal(t, "ann", e.subject(e.begin(third)))
	require.Equal(t, "ann", e.subject(e.begin(first)))
}

// That a session's id was presented is written once, and only where somebody goes
// by it.
func TestPresentedIsNotedOnce(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		change func(*session.Config)
		want   map[string]int
		noted  bool
	}{
		{"no limit", func(*session.Config) {}, map[string]int{"load": 1}, false},
		{"limit", limited(5), map[string]int{"load": 1, "swap": 1}, true},
		{"refusal", refusing(5), map[string]int{"load": 1, "swap": 1}, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, tc.change)
			v := e.login(ann())
			require.Equal(t, []bool{false}, e.presented())
			e.quiet()
			e.silent(e.live(v))
			require.Equal(t, tc.want, e.store.count())
			require.Equal(t, []bool{tc.noted}, e.presented())
			e.silent(e.live(v))
			require.Equal(t, map[string]int{"load": 1}, e.store.count())
			require.Empty(t, e.audit.drain())

			visitor := e.visit()
			e.store.count()
			e.silent(e.live(visitor))
			require.Equal(t, map[string]int{"load": 1}, e.store.count(), "visitors have no limit")
		})
	}
	t.Run("with a write, in the same step", func(t *testing.T) {
		e := newEnv(t, limited(5))
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "apple"))
		e.quiet()
		e.silent(s)
		require.Equal(t, map[string]int{"swap": 1}, e.store.count())
		require.Equal(t, []bool{true}, e.presented())
	})
	t.Run("a write of the login's own request is no presentation", func(t *testing.T) {
		e := newEnv(t, limited(5))
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, cart.Set(s, "apple"))
		e.value(s)
		require.Equal(t, []bool{false}, e.presented())
	})
	t.Run("a renewal keeps it", func(t *testing.T) {
		e := newEnv(t, limited(5))
		e.replace(byRenewal, e.arrived())
		require.Equal(t, []bool{true}, e.presented())
	})
	t.Run("by one of two at once", func(t *testing.T) {
		e := newEnv(t, limited(5))
		v := e.login(ann())
		a, b := e.live(v), e.live(v)
		e.quiet()
		e.silent(a)
		e.silent(b)
		require.Equal(t, map[string]int{"swap": 2}, e.store.count(), "the second finds out and gives up")
		require.Equal(t, []bool{true}, e.presented())
		require.EqualValues(t, 2, e.stored("ann")[0].Entry.Version)
	})
	t.Run("the store refuses", func(t *testing.T) {
		e := newEnv(t, limited(5))
		v := e.login(ann())
		e.store.fail(errDown, "swap")
		e.quiet()
		s := e.live(v)
		require.NoError(t, s.Authorize())
		e.silent(s)
		require.Equal(t, []string{"store_failure error"}, e.audit.drain())
		e.store.heal()
		e.silent(e.live(v))
		require.Equal(t, []bool{true}, e.presented())
	})
}

// A refused login costs nobody anything: not the visitor's cart, not another
// user's session, not what the request has pending.
func TestRefusedLogin(t *testing.T) {
	refused := []string{"login_refused limit"}
	full := func(t *testing.T) *env {
		e := newEnv(t, refusing(2))
		e.arrived()
		e.arrived()
		e.quiet()
		return e
	}
	check := func(e *env, err error) {
		e.t.Helper()
		require.ErrorIs(e.t, err, session.ErrLimit)
		require.NotErrorIs(e.t, err, core.ErrUnknown)
		require.Len(e.t, e.audit.events, 1)
		require.Equal(e.t, "ann", e.audit.events[0].Subject)
		require.Equal(e.t, refused, e.audit.drain())
		require.Len(e.t, e.stored("ann"), 2)
	}
	t.Run("from nothing", func(t *testing.T) {
		e := full(t)
		s := e.begin()
		check(e, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"create": 1}, e.store.count())
		require.Empty(t, e.subject(s))
		e.silent(s)
	})
	t.Run("from a visitor", func(t *testing.T) {
		e := full(t)
		visitor := e.visit()
		s := e.begin(visitor)
		require.NoError(t, other.Set(s, "pending"))
		e.quiet()
		check(e, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"list": 1}, e.store.count())
		require.Empty(t, e.subject(s))
		e.silent(s)
		s = e.begin(visitor)
		e.has(s, cart, "apple")
		e.has(s, other, "pending")
	})
	t.Run("from another user", func(t *testing.T) {
		e := full(t)
		v := e.login(bob())
		e.silent(e.live(v))
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "pear"))
		e.quiet()
		check(e, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"list": 1}, e.store.count())
		require.Equal(t, "bob", e.subject(s))
		e.silent(s)
		s = e.begin(v)
		require.Equal(t, "bob", e.subject(s))
		e.has(s, cart, "pear")
	})
	t.Run("not of who is there already", func(t *testing.T) {
		e := newEnv(t, refusing(1))
		v := e.arrived()
		next := e.replace(byStepUp, v)
		require.Equal(t, "ann", e.subject(e.begin(next)))
	})
	t.Run("not before the limit", func(t *testing.T) {
		e := newEnv(t, refusing(2))
		e.arrived()
		visitor := e.visit()
		e.quiet()
		s := e.begin(visitor)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"load": 1, "list": 1, "take": 1, "create": 1}, e.store.count())
		e.has(e.begin(e.value(s)), cart, "apple")
	})
	t.Run("not by what never arrived", func(t *testing.T) {
		e := newEnv(t, refusing(2))
		first := e.arrived()
		lost := e.later()
		visitor := e.visit()
		e.clock.advance(time.Second)
		s := e.begin(visitor)
		require.NoError(t, s.Login(t.Context(), ann()))
		e.value(s)
		require.Empty(t, e.subject(e.begin(lost)))
		require.Equal(t, "ann", e.subject(e.begin(first)))
	})
	t.Run("room again after a log-out", func(t *testing.T) {
		e := newEnv(t, refusing(1))
		v := e.arrived()
		s := e.begin()
		require.ErrorIs(t, s.Login(t.Context(), ann()), session.ErrLimit)
		e.logout(v)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, "ann", e.subject(e.begin(e.value(s))))
	})
	t.Run("somebody else was faster", func(t *testing.T) {
		// The store decides in the end; the visitor's session is gone by then.
		e := newEnv(t, refusing(1))
		visitor := e.visit()
		s := e.begin(visitor)
		e.store.next("create", func() { e.arrived() })
		require.ErrorIs(t, s.Login(t.Context(), ann()), session.ErrLimit)
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Len(t, e.stored("ann"), 1)
		require.Empty(t, e.subject(e.begin(visitor)))
	})
	t.Run("the store is not there to ask", func(t *testing.T) {
		e := full(t)
		visitor := e.visit()
		e.store.fail(errDown, "list")
		s := e.begin(visitor)
		e.quiet()
		err := s.Login(t.Context(), ann())
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, errDown)
		require.Equal(t, map[string]int{"load": 1, "list": 1}, e.store.count())
		require.Equal(t, []string{"store_failure error"}, e.audit.drain())
		e.silent(s)
		e.has(e.begin(visitor), cart, "apple")
	})
}

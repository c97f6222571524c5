package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

var errDown = errors.New("connection refused")

func TestLoginFromNothing(t *testing.T) {
	e := newEnv(t)
	s := e.begin()
	id := session.Identity{
		Subject: "ann", Roles: []string{"user", "admin"}, Scopes: []string{"read"}, Method: "webauthn",
		AuthTime: noon.Add(-time.Minute),
	}
	require.NoError(t, s.Login(t.Context(), id))
	v := e.value(s)
	require.Equal(t, map[string]int{"create": 1}, e.store.count())
	require.Equal(t, []string{"session_created", "authn_login_success"}, e.audit.drain())

	s = e.begin(v)
	p, err := s.Principal()
	require.NoError(t, err)
	info, err := s.Info()
	require.NoError(t, err)
	require.Len(t, info.Handle, 22)
	require.Equal(t, info.Handle, p.Session)
	require.True(t, id.AuthTime.Equal(p.AuthTime))
	p.AuthTime = id.AuthTime
	require.Equal(t, core.Principal{
		Subject: "ann", Roles: id.Roles, Scopes: id.Scopes, Session: info.Handle, AuthTime: id.AuthTime, Method: "webauthn",
	}, p)
	require.True(t, p.HasRole("admin"))
	require.False(t, p.HasRole("Admin"))

	p.Roles[0] = "root"
	again, err := s.Principal()
	require.NoError(t, err)
	require.Equal(t, "user", again.Roles[0], "what a caller does to its Principal stays with the caller")
	require.Equal(t, noon, info.Created.UTC())
}

// S2: the old id is dead, the data has moved.
func TestLoginFromVisitor(t *testing.T) {
	e := newEnv(t)
	visitor := e.visit()
	e.quiet()
	s := e.begin(visitor)
	require.NoError(t, other.Set(s, "pending"))
	require.NoError(t, s.Login(t.Context(), ann()))
	require.Equal(t, map[string]int{"load": 1, "take": 1, "create": 1}, e.store.count())
	e.has(s, cart, "apple")
	v := e.value(s)
	require.NotEqual(t, visitor, v)
	require.Equal(t, []string{"session_expired login", "session_created", "authn_login_success"}, e.audit.drain())

	s = e.begin(v)
	require.Equal(t, "ann", e.subject(s))
	e.has(s, cart, "apple")
	e.has(s, other, "pending")
	e.silent(s)

	s = e.begin(visitor)
	require.Empty(t, e.subject(s))
	e.has(s, cart, "")
	_, err := s.Info()
	require.ErrorIs(t, err, core.ErrAnonymous)
	require.Equal(t, 1, e.mem.Stats().Authenticated)
	require.Zero(t, e.mem.Stats().Anonymous)
}

// Data that another request of the visitor stores while this one is about to log
// in travels too, because the old record is read by the step that kills it.
func TestLoginTakesLateWrites(t *testing.T) {
	e := newEnv(t)
	visitor := e.visit()
	s := e.begin(visitor)
	e.has(s, cart, "apple")
	require.NoError(t, hits.Add(s, 1))
	e.store.next("take", func() {
		late := e.begin(visitor)
		require.NoError(t, cart.Set(late, "pear"))
		require.NoError(t, hits.Add(late, 2))
		e.silent(late)
	})
	require.NoError(t, s.Login(t.Context(), ann()))
	s = e.begin(e.value(s))
	e.has(s, cart, "pear")
	n, err := hits.Get(s)
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
}

// A write that comes after the old id died is dropped and does not bring it back.
func TestLoginLeavesLateCommitsBehind(t *testing.T) {
	e := newEnv(t)
	visitor := e.visit()
	slow := e.begin(visitor)
	require.NoError(t, cart.Set(slow, "pear"))
	s := e.begin(visitor)
	require.NoError(t, s.Login(t.Context(), ann()))
	v := e.value(s)
	e.quiet()
	e.silent(slow)
	require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
	e.has(e.begin(v), cart, "apple")
	e.has(e.begin(visitor), cart, "")
	require.Zero(t, e.mem.Stats().Anonymous)
}

func TestLoginOfAnotherUser(t *testing.T) {
	e := newEnv(t)
	s := e.begin(e.login(ann()))
	require.NoError(t, cart.Set(s, "ann's"))
	e.silent(s)
	v := e.login(ann())
	s = e.begin(v)
	require.NoError(t, cart.Set(s, "ann's"))
	require.NoError(t, notice.Add(s, "for ann"))
	e.silent(s)
	old, err := e.live(v).Info()
	require.NoError(t, err)
	e.quiet()

	s = e.begin(v)
	require.NoError(t, other.Set(s, "ann's, pending"))
	e.clock.advance(time.Hour)
	require.NoError(t, s.Login(t.Context(), bob()))
	require.Equal(t, map[string]int{"load": 1, "take": 1, "create": 1}, e.store.count())
	require.NoError(t, hits.Add(s, 1))
	next := e.value(s)
	require.Equal(t, []string{"session_expired user-switch", "session_created", "authn_login_success"}, e.audit.drain())

	s = e.begin(next)
	require.Equal(t, "bob", e.subject(s))
	e.has(s, cart, "")
	e.has(s, other, "")
	shown, err := notice.Take(s)
	require.NoError(t, err)
	require.Empty(t, shown)
	n, err := hits.Get(s)
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "what bob wrote after his login is bob's")
	info, err := s.Info()
	require.NoError(t, err)
	require.NotEqual(t, old.Handle, info.Handle)
	require.Equal(t, noon.Add(time.Hour), info.Created.UTC())
	require.Equal(t, noon.Add(time.Hour+7*24*time.Hour), info.AbsoluteEnd.UTC())
	require.Empty(t, e.subject(e.begin(v)), "no snapshot stays")
}

// What ann had pending is still hers if the switch fails.
func TestFailedUserSwitchLosesNothing(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	e.store.fail(errDown, "take")
	require.ErrorIs(t, s.Login(t.Context(), bob()), core.ErrUnknown)
	e.store.heal()
	e.silent(s)
	s = e.begin(v)
	require.Equal(t, "ann", e.subject(s))
	e.has(s, cart, "apple")
}

func TestStepUp(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	e.silent(s)
	before, err := e.live(v).Info()
	require.NoError(t, err)
	e.quiet()

	e.clock.advance(30 * time.Minute)
	s = e.begin(v)
	require.NoError(t, other.Set(s, "pending"))
	id := ann()
	id.Method = "webauthn"
	require.NoError(t, s.Login(t.Context(), id))
	require.Equal(t, map[string]int{"load": 1, "rename": 1}, e.store.count(), "one atomic step")
	fresh, err := s.Fresh(time.Minute)
	require.NoError(t, err)
	require.True(t, fresh)
	next := e.value(s)
	require.NotEqual(t, v, next)
	require.Equal(t, []string{"session_renewed step-up", "authn_login_success step-up"}, e.audit.drain())

	s = e.begin(next)
	p, err := s.Principal()
	require.NoError(t, err)
	require.Equal(t, "webauthn", p.Method)
	require.Equal(t, noon.Add(30*time.Minute), p.AuthTime.UTC())
	e.has(s, cart, "apple")
	e.has(s, other, "pending")
	after, err := s.Info()
	require.NoError(t, err)
	require.Equal(t, before.Handle, after.Handle)
	require.Equal(t, before.Created, after.Created)
	require.Equal(t, before.AbsoluteEnd, after.AbsoluteEnd, "the absolute end never moves")
	require.Equal(t, noon.Add(30*time.Minute), after.Touched.UTC())
}

func TestRoleChangeLeavesNoSnapshot(t *testing.T) {
	for _, tc := range []struct {
		desc string
		id   session.Identity
	}{
		{"more roles", session.Identity{Subject: "ann", Roles: []string{"user", "admin"}}},
		{"fewer roles", session.Identity{Subject: "ann"}},
		{"scopes", session.Identity{Subject: "ann", Roles: []string{"user"}, Scopes: []string{"write"}}},
		{"split differently", session.Identity{Subject: "ann", Roles: []string{"us", "er"}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			s := e.begin(v)
			require.NoError(t, cart.Set(s, "apple"))
			require.NoError(t, s.Login(t.Context(), tc.id))
			next := e.value(s)
			require.Empty(t, e.subject(e.begin(v)))
			s = e.begin(next)
			p, err := s.Principal()
			require.NoError(t, err)
			require.Equal(t, tc.id.Roles, p.Roles)
			require.Equal(t, tc.id.Scopes, p.Scopes)
			e.has(s, cart, "apple")
			require.Equal(t, 1, e.mem.Stats().Authenticated)
			require.Contains(t, e.audit.drain(), "session_renewed role-change")
		})
	}
}

// Several transitions in one request hand out one id, under which everything
// stands.
func TestTwiceInOneRequest(t *testing.T) {
	admin := ann()
	admin.Roles = []string{"admin"}

	t.Run("login, login", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, cart.Set(s, "apple"))
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"create": 1, "swap": 1}, e.store.count())
		v := e.value(s)
		e.has(e.begin(v), cart, "apple")
		require.Equal(t, 1, e.mem.Stats().Authenticated)
	})
	t.Run("login, login with other roles", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, s.Login(t.Context(), admin))
		s = e.begin(e.value(s))
		p, err := s.Principal()
		require.NoError(t, err)
		require.Equal(t, []string{"admin"}, p.Roles)
		require.Equal(t, 1, e.mem.Stats().Authenticated)
	})
	t.Run("login, login of another", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, cart.Set(s, "ann's"))
		require.NoError(t, s.Login(t.Context(), bob()))
		s = e.begin(e.value(s))
		require.Equal(t, "bob", e.subject(s))
		e.has(s, cart, "")
		require.Equal(t, 1, e.mem.Stats().Authenticated)
		require.Equal(t, []string{
			"session_created", "authn_login_success", "session_expired user-switch", "session_created", "authn_login_success",
		}, e.audit.drain())
	})
	t.Run("login, renew", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, s.Renew(t.Context()))
		require.Equal(t, "ann", e.subject(e.begin(e.value(s))))
		require.Equal(t, 1, e.mem.Stats().Authenticated)
	})
	t.Run("step-up, role change", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, "ann", e.subject(e.begin(v)), "the snapshot of a step-up")
		require.NoError(t, s.Login(t.Context(), admin))
		require.Empty(t, e.subject(e.begin(v)), "there is none after a role change")
		next := e.value(s)
		p, err := e.begin(next).Principal()
		require.NoError(t, err)
		require.Equal(t, []string{"admin"}, p.Roles)
	})
	t.Run("step-up, step-up", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, "ann", e.subject(e.begin(v)))
		require.ErrorIs(t, cart.Set(e.begin(v), "x"), session.ErrSuperseded)
		require.Equal(t, "ann", e.subject(e.begin(e.value(s))))
	})
	t.Run("renew, step-up", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, s.Renew(t.Context()))
		require.NoError(t, s.Login(t.Context(), ann()))
		next := e.value(s)
		// After a step-up nothing from the old id reaches the session.
		late := e.begin(v)
		require.Error(t, errors.Join(cart.Set(late, "planted"), late.Finish().Err, errIfAnonymous(late)))
		e.has(e.begin(next), cart, "")
	})
	t.Run("login, logout", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.NoError(t, s.Logout(t.Context()))
		require.Equal(t, []string{deletion()}, e.finish(s))
		require.Zero(t, e.mem.Stats().Authenticated)
		require.Equal(t, []string{"session_created", "authn_login_success", "session_expired logout"}, e.audit.drain())
	})
	t.Run("logout, set", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "ann's"))
		require.NoError(t, s.Logout(t.Context()))
		require.Empty(t, e.subject(s))
		e.has(s, cart, "")
		require.NoError(t, notice.Add(s, "bye"))
		next := e.value(s)
		require.NotEqual(t, v, next)
		s = e.begin(next)
		require.Empty(t, e.subject(s))
		shown, err := notice.Take(s)
		require.NoError(t, err)
		require.Equal(t, []string{"bye"}, shown)
		require.Zero(t, e.mem.Stats().Authenticated)
	})
	t.Run("logout, login", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "apple"))
		require.NoError(t, s.Logout(t.Context()))
		require.NoError(t, s.Login(t.Context(), ann()))
		next := e.value(s)
		require.NotEqual(t, v, next)
		e.has(e.begin(next), cart, "")
		require.Empty(t, e.subject(e.begin(v)))
	})
	t.Run("logout, logout", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin(e.login(ann()))
		require.NoError(t, s.Logout(t.Context()))
		require.NoError(t, s.Logout(t.Context()))
		require.Equal(t, []string{deletion()}, e.finish(s))
	})
	t.Run("set, login", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, cart.Set(s, "apple"))
		require.NoError(t, s.Login(t.Context(), ann()))
		e.has(e.begin(e.value(s)), cart, "apple")
		require.Zero(t, e.mem.Stats().Anonymous)
	})
	t.Run("set, commit, login", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, cart.Set(s, "apple"))
		require.NoError(t, s.Commit(t.Context()))
		require.Equal(t, 1, e.mem.Stats().Anonymous)
		require.NoError(t, s.Login(t.Context(), ann()))
		e.has(e.begin(e.value(s)), cart, "apple")
		require.Zero(t, e.mem.Stats().Anonymous)
	})
}

// errIfAnonymous is for a request that had to be refused in one way or another.
func errIfAnonymous(s *session.Session) error {
	_, err := s.Principal()
	return err
}

// The session ends between the moment that this request reads it and the moment
// that it acts on it.
func TestRecordDiesMeanwhile(t *testing.T) {
	t.Run("login of a visitor", func(t *testing.T) {
		e := newEnv(t)
		visitor := e.visit()
		s := e.live(visitor)
		require.NoError(t, other.Set(s, "pending"))
		e.logout(visitor)
		e.quiet()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, []string{"session_created", "authn_login_success"}, e.audit.drain())
		s = e.begin(e.value(s))
		require.Equal(t, "ann", e.subject(s))
		e.has(s, cart, "")
		e.has(s, other, "pending")
	})
	t.Run("login of the same user", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		require.NoError(t, cart.Set(s, "apple"))
		e.logout(v)
		e.quiet()
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, []string{"session_write_dropped", "session_created", "authn_login_success"}, e.audit.drain())
		next := e.value(s)
		require.Equal(t, "ann", e.subject(e.begin(next)))
		require.Empty(t, e.subject(e.begin(v)))
	})
	t.Run("login of another user", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		require.NoError(t, cart.Set(s, "ann's"))
		e.logout(v)
		e.quiet()
		require.NoError(t, s.Login(t.Context(), bob()))
		s = e.begin(e.value(s))
		require.Equal(t, "bob", e.subject(s))
		e.has(s, cart, "")
	})
	t.Run("renewal", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		e.logout(v)
		require.ErrorIs(t, s.Renew(t.Context()), core.ErrAnonymous)
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Zero(t, e.mem.Stats().Authenticated)
	})
	t.Run("renewal with writes", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		require.NoError(t, cart.Set(s, "apple"))
		e.logout(v)
		e.quiet()
		require.ErrorIs(t, s.Renew(t.Context()), core.ErrAnonymous)
		require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
		e.silent(s)
	})
	t.Run("logout", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		e.logout(v)
		e.quiet()
		require.NoError(t, s.Logout(t.Context()))
		require.Empty(t, e.audit.drain())
		e.silent(s) // no deletion: a late answer must not wipe out a fresh login
	})
}

// An unknown outcome is never a login, and never a false log-out.
func TestTransitionsWithoutAStore(t *testing.T) {
	for _, tc := range []struct {
		desc string
		ops  []string
		do   func(*session.Session) error
		from string
		want string // who the old cookie is afterwards
	}{
		{"login from nothing", []string{"create"}, func(s *session.Session) error { return s.Login(t.Context(), ann()) }, "", ""},
		{"login of a visitor, take", []string{"take"}, func(s *session.Session) error { return s.Login(t.Context(), ann()) }, "visitor", ""},
		{"login of a visitor, create", []string{"create"}, func(s *session.Session) error { return s.Login(t.Context(), ann()) }, "visitor", ""},
		{"user switch, take", []string{"take"}, func(s *session.Session) error { return s.Login(t.Context(), bob()) }, "ann", "ann"},
		{"user switch, create", []string{"create"}, func(s *session.Session) error { return s.Login(t.Context(), bob()) }, "ann", ""},
		{"step-up", []string{"rename"}, func(s *session.Session) error { return s.Login(t.Context(), ann()) }, "ann", "ann"},
		{"renewal", []string{"rename"}, func(s *session.Session) error { return s.Renew(t.Context()) }, "ann", "ann"},
		{"logout", []string{"take"}, func(s *session.Session) error { return s.Logout(t.Context()) }, "ann", "ann"},
		{"load before login", []string{"load"}, func(s *session.Session) error { return s.Login(t.Context(), bob()) }, "ann", "ann"},
		{"load before logout", []string{"load"}, func(s *session.Session) error { return s.Logout(t.Context()) }, "ann", "ann"},
		{"load before renewal", []string{"load"}, func(s *session.Session) error { return s.Renew(t.Context()) }, "ann", "ann"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			var values []string
			switch tc.from {
			case "visitor":
				values = []string{e.visit()}
			case "ann":
				values = []string{e.login(ann())}
			}
			s := e.begin(values...)
			e.store.fail(errDown, tc.ops...)
			e.quiet()
			err := tc.do(s)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, err, errDown)
			require.NotErrorIs(t, err, core.ErrAnonymous)
			require.Contains(t, e.audit.drain(), "store_failure error")
			e.silent(s)
			e.store.heal()
			if values != nil {
				require.Equal(t, tc.want, e.subject(e.begin(values...)))
			}
		})
	}
}

// Handlers that log out although they read nothing, or cannot.
func TestLogout(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	s := e.begin(v)
	require.NoError(t, s.Logout(t.Context()))
	require.Equal(t, map[string]int{"load": 1, "take": 1}, e.store.count())
	require.Equal(t, []string{deletion()}, e.finish(s))
	require.Equal(t, []string{"session_expired logout"}, e.audit.drain())
	require.Empty(t, e.subject(e.begin(v)))
	require.Equal(t, []string{"session_use_after_expire unknown-id"}, e.audit.drain())

	s = e.begin(v)
	require.NoError(t, s.Logout(t.Context()))
	e.silent(s)
}

func TestFresh(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	fresh := func() bool {
		ok, err := e.begin(v).Fresh(10 * time.Minute)
		require.NoError(t, err)
		return ok
	}
	require.True(t, fresh())
	e.clock.advance(10 * time.Minute)
	require.True(t, fresh())
	e.clock.advance(time.Microsecond)
	require.False(t, fresh())
	e.clock.advance(-time.Hour)
	require.False(t, fresh(), "a clock that runs back proves nothing")
	_, err := e.begin().Fresh(time.Hour)
	require.ErrorIs(t, err, core.ErrAnonymous)
	_, err = e.begin(e.visit()).Fresh(time.Hour)
	require.ErrorIs(t, err, core.ErrAnonymous)
}

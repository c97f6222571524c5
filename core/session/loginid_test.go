package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// loginID is what a whole request that presents value learns.
func (e *env) loginID(value string) string {
	e.t.Helper()
	s := e.begin(value)
	id, err := s.LoginID()
	require.NoError(e.t, err)
	require.Len(e.t, id, 32)
	e.finish(s)
	return id
}

// again is a request that presents value and logs id in. It returns the new value.
func (e *env) again(value string, id session.Identity) string {
	e.t.Helper()
	s := e.begin(value)
	require.NoError(e.t, s.Login(e.t.Context(), id))
	return e.value(s)
}

// F10: every login is another, and nothing else is.
func TestLoginIDChangesWithTheLogin(t *testing.T) {
	change := func(f func(*session.Identity)) session.Identity {
		id := ann()
		f(&id)
		return id
	}
	for _, tc := range []struct {
		desc string
		next func(e *env, value string) string
	}{
		{"another login of the same user", func(e *env, _ string) string { return e.login(ann()) }},
		{"step-up", func(e *env, v string) string {
			e.clock.advance(time.Microsecond)
			return e.again(v, ann())
		}},
		{"another method", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Method = "webauthn" }))
		}},
		{"another time of proof", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.AuthTime = noon.Add(-time.Hour) }))
		}},
		{"a role more", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Roles = append(id.Roles, "admin") }))
		}},
		{"no role", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Roles = nil }))
		}},
		{"a role that was a scope", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Roles, id.Scopes = id.Scopes, id.Roles }))
		}},
		{"a scope more", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Scopes = []string{"read"} }))
		}},
		{"user switch", func(e *env, v string) string {
			return e.again(v, change(func(id *session.Identity) { id.Subject = "bob" }))
		}},
		{"user switch and back", func(e *env, v string) string { return e.again(e.again(v, bob()), ann()) }},
		{"log-out and log-in", func(e *env, v string) string {
			e.logout(v)
			return e.login(ann())
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			before := e.loginID(v)
			require.NotEqual(t, before, e.loginID(tc.next(e, v)))
		})
	}
}

func TestLoginIDStays(t *testing.T) {
	for _, tc := range []struct {
		desc string
		next func(e *env, value string) string
	}{
		{"nothing", func(_ *env, v string) string { return v }},
		{"time", func(e *env, v string) string {
			e.clock.advance(5 * time.Hour)
			e.finish(e.live(v))
			e.clock.advance(5 * time.Hour)
			return v
		}},
		{"writes", func(e *env, v string) string {
			s := e.begin(v)
			require.NoError(e.t, cart.Set(s, "apple"))
			require.NoError(e.t, hits.Add(s, 1))
			e.finish(s)
			return v
		}},
		{"renewal", func(e *env, v string) string {
			s := e.begin(v)
			require.NoError(e.t, s.Renew(e.t.Context()))
			return e.value(s)
		}},
		{"two renewals and writes", func(e *env, v string) string {
			for range 2 {
				e.clock.advance(time.Hour)
				s := e.begin(v)
				require.NoError(e.t, s.Renew(e.t.Context()))
				require.NoError(e.t, cart.Set(s, "apple"))
				v = e.value(s)
			}
			return v
		}},
		{"the others are revoked", func(e *env, v string) string {
			e.login(ann())
			s := e.begin(v)
			require.NoError(e.t, s.RevokeOthers(e.t.Context()))
			return e.value(s)
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			before := e.loginID(v)
			require.Equal(t, before, e.loginID(tc.next(e, v)))
		})
	}
}

// A page of before is good with the id of before, for as long as that stands for
// anybody: its login is the old one, whatever the session has become.
func TestLoginIDOfAReplacedID(t *testing.T) {
	e := newEnv(t)
	old := e.login(ann())
	before := e.loginID(old)
	s := e.begin(old)
	require.NoError(t, s.Renew(t.Context()))
	renewed := e.value(s)
	require.Equal(t, before, e.loginID(old))
	require.Equal(t, before, e.loginID(renewed))
	s = e.begin(old)
	_, err := s.LoginID()
	require.ErrorIs(t, err, core.ErrAnonymous, "the new id was presented")

	e.clock.advance(time.Minute)
	s = e.begin(renewed)
	require.NoError(t, s.Login(t.Context(), ann()))
	after, err := s.LoginID()
	require.NoError(t, err, "in the request that logs in")
	require.NotEqual(t, before, after)
	stepped := e.value(s)
	require.Equal(t, before, e.loginID(renewed), "the old authority")
	require.Equal(t, after, e.loginID(stepped))
}

func TestLoginIDOfNobody(t *testing.T) {
	_, err := (*session.Session)(nil).LoginID()
	require.ErrorIs(t, err, core.ErrNoMiddleware)

	e := newEnv(t)
	s := e.begin()
	_, err = s.LoginID()
	require.ErrorIs(t, err, core.ErrAnonymous)
	require.Empty(t, e.store.count(), "no cookie, no question")
	require.True(t, s.Finish().Asked)

	_, err = e.begin(e.visit()).LoginID()
	require.ErrorIs(t, err, core.ErrAnonymous, "a session that nobody logged in to")
	v := e.login(ann())
	e.logout(v)
	_, err = e.begin(v).LoginID()
	require.ErrorIs(t, err, core.ErrAnonymous)

	v = e.login(ann())
	e.store.fail(errDown, "load")
	s = e.begin(v)
	_, err = s.LoginID()
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorIs(t, err, errDown)
	e.store.heal()
	_, err = s.LoginID()
	require.ErrorIs(t, err, core.ErrUnknown, "one answer in a request")

	s = e.begin(v)
	s.Finish()
	_, err = s.LoginID()
	require.ErrorIs(t, err, session.ErrFinished)
	s = e.begin(v)
	id, err := s.LoginID()
	require.NoError(t, err)
	s.Finish()
	late, err := s.LoginID()
	require.NoError(t, err, "what was learnt in time")
	require.Equal(t, id, late)
}

// The login that ErrStepUp asks for is a request of a page like any other.
func TestLoginIDUnderStepUp(t *testing.T) {
	e := newEnv(t, policy(session.FingerprintStepUp))
	v := e.at(home)
	s := e.from(home, v)
	before, err := s.LoginID()
	require.NoError(t, err)
	e.finish(s)
	s = e.from(another, v)
	require.ErrorIs(t, s.Authorize(), session.ErrStepUp)
	id, err := s.LoginID()
	require.NoError(t, err)
	require.Equal(t, before, id)
	s.Finish()
	id, err = s.LoginID()
	require.NoError(t, err)
	require.Equal(t, before, id)
}

func TestLoginIDAllocates(t *testing.T) {
	m, err := session.New(memstore.Default(), session.Config{Secret: secret})
	require.NoError(t, err)
	s := &session.Session{}
	m.Begin(s, t.Context(), session.Request{})
	require.NoError(t, s.Login(t.Context(), ann()))
	require.Equal(t, 1.0, testing.AllocsPerRun(100, func() { _, _ = s.LoginID() }))
	big := ann()
	big.Roles = []string{strings.Repeat("r", 255), strings.Repeat("s", 255)}
	require.NoError(t, s.Login(t.Context(), big))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = s.LoginID() }), 3.0)
}

// F12: what was let in on the condition that nobody logs in does not log in.
func TestForbidLogin(t *testing.T) {
	refused := errors.New("no token")
	for _, tc := range []struct {
		desc  string
		begin func(e *env) *session.Session
	}{
		{"nobody", func(e *env) *session.Session { return e.begin() }},
		{"a visitor", func(e *env) *session.Session { return e.begin(e.visit()) }},
		{"the same user", func(e *env) *session.Session { return e.begin(e.login(ann())) }},
		{"another user", func(e *env) *session.Session { return e.begin(e.login(bob())) }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			s := tc.begin(e)
			_, was := s.Principal()
			e.quiet()
			s.ForbidLogin(refused)
			require.Equal(t, refused, s.Login(t.Context(), ann()))
			require.Equal(t, refused, s.Login(t.Context(), session.Identity{}), "whoever it is")
			require.Equal(t, []string{"csrf_refused token-missing", "csrf_refused token-missing"}, e.audit.drain())
			require.Empty(t, e.store.count())
			_, is := s.Principal()
			require.Equal(t, was, is)
			// Everything else goes on.
			require.NoError(t, cart.Set(s, "pear"))
			e.has(s, cart, "pear")
			require.NoError(t, s.Logout(t.Context()))
			e.finish(s)
		})
	}
	t.Run("the event", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.beginAs(client{agent: "agent", ip: "192.0.2.1"}, name+"="+v)
		_, err := s.Principal()
		require.NoError(t, err)
		e.quiet()
		s.ForbidLogin(refused)
		require.Error(t, s.Login(t.Context(), bob()))
		got := e.audit.events[0]
		require.Equal(t, "ann", got.Subject, "whose request it was, not who was to be logged in")
		require.Equal(t, refused, got.Err)
		require.Equal(t, "192.0.2.1", got.ClientIP.String())
		require.Equal(t, "agent", got.UserAgent)
		require.Equal(t, e.clock.now(), got.Time)
	})
	(*session.Session)(nil).ForbidLogin(refused)
}

func TestGuarded(t *testing.T) {
	require.False(t, (*session.Session)(nil).Guarded())
	e := newEnv(t)
	s := e.begin()
	require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
	require.False(t, s.Guarded(), "it let nobody through")
	s = e.begin(e.login(ann()))
	_, err := s.Principal()
	require.NoError(t, err)
	require.False(t, s.Guarded(), "asking is no guard")
	require.NoError(t, s.Authorize())
	require.True(t, s.Guarded())
}

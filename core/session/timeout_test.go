package session_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

func shortLives(c *session.Config) {
	c.IdleTimeout, c.AnonymousIdleTimeout, c.AbsoluteTimeout = time.Hour, 20*time.Minute, 3*time.Hour
	c.TouchInterval = 10 * time.Minute
}

func TestIdleTimeout(t *testing.T) {
	for _, tc := range []struct {
		desc string
		make func(*env) string
		idle time.Duration
	}{
		{"user", func(e *env) string { return e.login(ann()) }, time.Hour},
		{"visitor", (*env).visit, 20 * time.Minute},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, shortLives)
			v := tc.make(e)
			e.clock.advance(tc.idle - time.Microsecond)
			alive := e.begin(v)
			_, err := alive.Info()
			require.NoError(t, err)
			// That request abandoned its touch.
			alive.Abandon()
			e.quiet()
			e.clock.advance(time.Microsecond)
			s := e.begin(v)
			require.Empty(t, e.subject(s))
			e.has(s, cart, "")
			e.silent(s)
			require.Equal(t, []string{"session_expired idle", "session_use_after_expire unknown-id"}, e.audit.drain())
			require.Empty(t, e.subject(e.begin(v)))
			require.Equal(t, []string{"session_use_after_expire unknown-id"}, e.audit.drain(), "it ends once")
		})
	}
}

// A session in use lives until its absolute end and no longer, and the cookie
// never promises more than that.
func TestAbsoluteTimeout(t *testing.T) {
	for _, tc := range []struct {
		desc string
		make func(*env) string
		idle time.Duration
	}{
		{"user", func(e *env) string { return e.login(ann()) }, time.Hour},
		{"visitor", (*env).visit, 20 * time.Minute},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, shortLives)
			v := tc.make(e)
			for e.clock.now().Before(noon.Add(3*time.Hour - time.Minute)) {
				e.clock.advance(time.Minute)
				s := e.live(v)
				info, err := s.Info()
				require.NoError(t, err)
				require.Equal(t, noon.Add(3*time.Hour), info.AbsoluteEnd.UTC())
				require.False(t, info.IdleEnd.After(info.AbsoluteEnd))
				for _, line := range e.finish(s) {
					c, err := http.ParseSetCookie(line)
					require.NoError(t, err)
					left := noon.Add(3 * time.Hour).Sub(e.clock.now())
					require.LessOrEqual(t, time.Duration(c.MaxAge)*time.Second, min(left, tc.idle))
					require.Greater(t, time.Duration(c.MaxAge)*time.Second, min(left, tc.idle)-time.Second)
				}
			}
			e.quiet()
			e.clock.advance(time.Minute)
			s := e.begin(v)
			require.Empty(t, e.subject(s))
			_, err := s.Info()
			require.Error(t, err)
			e.silent(s)
			require.Equal(t, []string{"session_expired absolute", "session_use_after_expire unknown-id"}, e.audit.drain())
		})
	}
}

// Renewing and stepping up again and again moves no absolute end.
func TestTransitionsDoNotProlong(t *testing.T) {
	for _, how := range replacements {
		t.Run(how, func(t *testing.T) {
			e := newEnv(t, shortLives)
			v := e.login(ann())
			for range 5 {
				e.clock.advance(30 * time.Minute)
				v = e.replace(how, v)
				info, err := e.live(v).Info()
				require.NoError(t, err)
				require.Equal(t, noon.Add(3*time.Hour), info.AbsoluteEnd.UTC())
			}
			e.clock.advance(30*time.Minute - time.Second)
			s := e.begin(v)
			require.NoError(t, s.Renew(t.Context()))
			lines := e.finish(s)
			require.Len(t, lines, 1)
			c, err := http.ParseSetCookie(lines[0])
			require.NoError(t, err)
			require.Equal(t, 1, c.MaxAge)
			e.clock.advance(time.Second)
			require.Empty(t, e.subject(e.begin(c.Value)))
		})
	}
}

func TestMaxAge(t *testing.T) {
	e := newEnv(t, shortLives)
	s := e.begin()
	require.NoError(t, s.Login(t.Context(), ann()))
	lines := e.finish(s)
	require.Contains(t, lines[0], "; Max-Age=3600;")
	s = e.begin()
	require.NoError(t, cart.Set(s, "apple"))
	require.Contains(t, e.finish(s)[0], "; Max-Age=1200;")
}

// The manager's clock rules as well as the store's: where the store's is behind,
// the manager ends the session, and says so once.
func TestStoreClockBehind(t *testing.T) {
	e := newEnv(t, shortLives)
	behind, err := memstore.New(memstore.Config{Now: func() time.Time { return noon }})
	require.NoError(t, err)
	m, err := session.New(newSpy(behind), session.Config{
		Now: e.clock.now, Audit: e.audit, Secret: secret,
		IdleTimeout: time.Hour, AnonymousIdleTimeout: 20 * time.Minute, AbsoluteTimeout: 3 * time.Hour, TouchInterval: 10 * time.Minute,
	})
	require.NoError(t, err)
	e.m = m
	for _, tc := range []struct {
		desc  string
		steps []time.Duration
		want  string
	}{
		{"idle", []time.Duration{time.Hour}, "session_expired idle"},
		{"absolute", []time.Duration{50 * time.Minute, 50 * time.Minute, 50 * time.Minute, 30 * time.Minute}, "session_expired absolute"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			v := e.login(ann())
			for i, d := range tc.steps {
				e.clock.advance(d)
				if i < len(tc.steps)-1 {
					e.finish(e.live(v))
				}
			}
			e.quiet()
			a, b := e.begin(v), e.begin(v)
			require.Empty(t, e.subject(a))
			require.Empty(t, e.subject(b))
			require.Equal(t, []string{tc.want, "session_use_after_expire unknown-id", "session_use_after_expire unknown-id"}, e.audit.drain())
			require.Zero(t, behind.Stats().Authenticated)
		})
	}
}

// A store clock that is ahead ends sessions early and never late; nothing goes
// wrong but that.
func TestStoreClockAhead(t *testing.T) {
	e := newEnv(t, shortLives)
	ahead, err := memstore.New(memstore.Config{Now: func() time.Time { return e.clock.now().Add(30 * time.Minute) }})
	require.NoError(t, err)
	m, err := session.New(ahead, session.Config{
		Now: e.clock.now, Audit: e.audit, Secret: secret, IdleTimeout: time.Hour, AnonymousIdleTimeout: time.Hour, TouchInterval: time.Minute,
	})
	require.NoError(t, err)
	e.m = m
	v := e.login(ann())
	e.clock.advance(29 * time.Minute)
	e.finish(e.live(v))
	e.clock.advance(30 * time.Minute)
	require.Empty(t, e.subject(e.begin(v)))
}

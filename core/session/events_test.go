package session_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// ends are the terminal events since the last drain.
func (e *env) ends() (causes []string) {
	for _, name := range e.audit.drain() {
		if cause, ok := strings.CutPrefix(name, string(audit.SessionExpired)+" "); ok {
			causes = append(causes, cause)
		}
	}
	return causes
}

// Each way for a session to end is told exactly once, with its cause.
func TestTerminalEvents(t *testing.T) {
	for _, tc := range []struct {
		desc string
		user bool
		end  func(e *env, v string)
		want string
	}{
		{"logout", true, func(e *env, v string) { e.logout(v) }, "logout"},
		{"logout of a visitor", false, func(e *env, v string) { e.logout(v) }, "logout"},
		{"login", false, func(e *env, v string) {
			s := e.begin(v)
			require.NoError(e.t, s.Login(e.t.Context(), ann()))
			e.value(s)
		}, "login"},
		{"user switch", true, func(e *env, v string) {
			s := e.begin(v)
			require.NoError(e.t, s.Login(e.t.Context(), bob()))
			e.value(s)
		}, "user-switch"},
		{"idle, met by a request", true, func(e *env, v string) {
			e.clock.advance(24 * time.Hour)
			e.subject(e.begin(v))
		}, "idle"},
		{"idle, met by a sweep", true, func(e *env, _ string) {
			e.clock.advance(24 * time.Hour)
			e.mem.Sweep()
		}, "idle"},
		{"idle of a visitor", false, func(e *env, _ string) {
			e.clock.advance(2 * time.Hour)
			e.mem.Sweep()
		}, "idle"},
		{"absolute", true, func(e *env, v string) {
			for range 6*24 + 23 {
				e.clock.advance(time.Hour)
				e.finish(e.live(v))
			}
			e.quiet()
			e.clock.advance(time.Hour)
			e.subject(e.begin(v))
		}, "absolute"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			from := e.visit
			if tc.user {
				from = func() string { return e.login(ann()) }
			}
			v := from()
			info, err := e.live(v).Info()
			require.NoError(t, err)
			e.quiet()
			tc.end(e, v)
			for _, ev := range e.audit.events {
				if ev.Name == audit.SessionExpired {
					require.Equal(t, info.Handle, ev.Session)
					require.Equal(t, tc.user, ev.Subject == "ann")
				}
			}
			require.Equal(t, []string{tc.want}, e.ends())

			// Nothing that comes later tells it again.
			e.subject(e.begin(v))
			e.logout(v)
			e.mem.Sweep()
			require.Empty(t, e.ends())
		})
	}
	t.Run("evicted", func(t *testing.T) {
		e := newEnv(t)
		var err error
		e.mem, err = memstore.New(memstore.Config{AnonymousBytes: 1 << 20, AuthenticatedBytes: 1 << 20, Now: e.clock.now})
		require.NoError(t, err)
		e.m, err = session.New(newSpy(e.mem), session.Config{Now: e.clock.now, Audit: e.audit, Secret: secret})
		require.NoError(t, err)
		const n = 200 // all of one subject, and so in one shard of 16 KiB
		for range n {
			e.login(ann())
		}
		ends := e.ends()
		require.NotEmpty(t, ends)
		require.Len(t, ends, n-e.mem.Stats().Authenticated)
		for _, cause := range ends {
			require.Equal(t, "evicted", cause)
		}
	})
	t.Run("a snapshot is no session", func(t *testing.T) {
		for _, how := range replacements {
			r := newReplaced(t, how)
			r.clock.advance(time.Minute)
			require.Equal(t, 1, r.mem.Sweep())
			require.Empty(t, r.ends())
			r.logout(r.next)
			require.Equal(t, []string{"logout"}, r.ends())
		}
	})
	t.Run("another application's end is not ours", func(t *testing.T) {
		e := newEnv(t)
		theirs := &sink{}
		_, err := session.New(e.store, session.Config{App: "other", Now: e.clock.now, Audit: theirs, Secret: secret})
		require.NoError(t, err)
		e.login(ann())
		e.clock.advance(24 * time.Hour)
		e.mem.Sweep()
		require.Equal(t, []string{"idle"}, e.ends())
		require.Empty(t, theirs.drain())
	})
}

func TestRacingLogouts(t *testing.T) {
	for round := range 30 {
		e := newEnv(t)
		v := e.login(ann())
		e.quiet()
		const n = 6
		deletions := make([]int, n)
		errs := make([]error, n)
		var requests []*session.Session
		for range n {
			requests = append(requests, e.live(v))
		}
		var wg sync.WaitGroup
		for i, s := range requests {
			wg.Go(func() {
				switch i % 3 {
				case 0, 1:
					errs[i] = s.Logout(t.Context())
				default:
					if err := cart.Set(s, fmt.Sprint(round)); err != nil {
						errs[i] = err
					}
				}
				deletions[i] = len(s.Finish().SetCookie)
			})
		}
		wg.Wait()
		total := 0
		for i := range n {
			require.NoError(t, errs[i])
			total += deletions[i]
		}
		require.Equal(t, []string{"logout"}, e.ends())
		require.Equal(t, 1, total, "only who ended it deletes the cookie")
		require.Empty(t, e.subject(e.begin(v)))
		require.Zero(t, e.mem.Stats().Authenticated)
	}
}

func TestNoSink(t *testing.T) {
	e := newEnv(t, func(c *session.Config) { c.Audit = nil })
	v := e.login(ann())
	require.Equal(t, "ann", e.subject(e.begin(v)))
	e.logout(v)
	require.Empty(t, e.audit.drain())
}

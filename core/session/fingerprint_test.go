package session_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

var (
	home     = client{firefox, "192.0.2.1"}
	updated  = client{firefoxNext, "192.0.77.9"}
	sixth    = client{firefox, "2001:db8::1"}
	away     = client{firefox, "198.51.100.1"}
	awaySix  = client{firefox, "2001:db9::1"}
	another  = client{iphone, "192.0.2.1"}
	nobodys  = client{"curl/8.11.0", "203.0.113.1"}
	agentOff = []string{"session_fingerprint_changed user-agent"}
	netOff   = []string{"session_fingerprint_changed network"}
)

func policy(p session.FingerprintPolicy) func(*session.Config) {
	return func(c *session.Config) { c.Fingerprint = p }
}

// at logs ann in at home.
func (e *env) at(c client) string {
	e.t.Helper()
	s := e.beginAs(c)
	require.NoError(e.t, s.Login(e.t.Context(), ann()))
	v := e.value(s)
	e.quiet()
	return v
}

// served is a request of c that must be ann's and set no cookie. It returns what
// was told and how often the store was asked.
func (e *env) served(c client, v string) (told []string, calls map[string]int) {
	e.t.Helper()
	s := e.from(c, v)
	require.Equal(e.t, "ann", e.subject(s))
	e.silent(s)
	return e.audit.drain(), e.store.count()
}

var (
	read    = map[string]int{"load": 1}
	written = map[string]int{"load": 1, "swap": 1}
)

// A change is told once and then remembered; versions, hosts of one network and
// the other family of addresses are no change.
func TestFingerprintReport(t *testing.T) {
	type step struct {
		c     client
		told  []string
		calls map[string]int
	}
	for _, tc := range []struct {
		desc  string
		steps []step
	}{
		{"the same", []step{{home, nil, read}, {updated, nil, read}, {home, nil, read}}},
		{"another browser", []step{{another, agentOff, written}, {another, nil, read}, {home, agentOff, written}}},
		{"another network", []step{{away, netOff, written}, {away, nil, read}, {home, netOff, written}}},
		{"both", []step{{nobodys, agentOff, written}, {nobodys, nil, read}}},
		{"IPv6 and back", []step{{sixth, nil, written}, {sixth, nil, read}, {home, nil, read}, {sixth, nil, read}, {awaySix, netOff, written}, {home, nil, read}}},
		{"no address", []step{{client{agent: firefox}, nil, read}, {home, nil, read}}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			v := e.at(home)
			for i, s := range tc.steps {
				told, calls := e.served(s.c, v)
				require.Equal(t, s.told, told, i)
				require.Equal(t, s.calls, calls, i)
			}
		})
	}
	t.Run("says who and from where", func(t *testing.T) {
		e := newEnv(t)
		v := e.at(home)
		s := e.from(nobodys, v)
		require.NoError(t, s.Authorize())
		ev := e.audit.events[0]
		require.Equal(t, "ann", ev.Subject)
		require.Equal(t, e.stored("ann")[0].Entry.Handle.String(), ev.Session)
		require.Equal(t, nobodys.agent, ev.UserAgent)
		require.Equal(t, netip.MustParseAddr(nobodys.ip), ev.ClientIP)
	})
	t.Run("with a write, in the same step", func(t *testing.T) {
		e := newEnv(t)
		v := e.at(home)
		s := e.from(another, v)
		require.NoError(t, cart.Set(s, "apple"))
		e.silent(s)
		require.Equal(t, written, e.store.count())
		e.quiet()
		told, _ := e.served(another, v)
		require.Empty(t, told)
	})
	t.Run("with a renewal, in the same step", func(t *testing.T) {
		e := newEnv(t)
		s := e.from(another, e.at(home))
		require.NoError(t, s.Renew(t.Context()))
		v := e.value(s)
		e.quiet()
		s = e.from(another, v)
		require.NoError(t, s.Authorize())
		require.Empty(t, e.audit.drain())
	})
	t.Run("a step-up remembers", func(t *testing.T) {
		e := newEnv(t)
		v := e.at(home)
		s := e.from(another, v)
		require.NoError(t, s.Login(t.Context(), ann()))
		v = e.value(s)
		e.quiet()
		s = e.from(another, v)
		require.NoError(t, s.Authorize())
		require.Empty(t, e.audit.drain())
	})
	t.Run("the store refuses", func(t *testing.T) {
		e := newEnv(t)
		v := e.at(home)
		e.store.fail(errDown, "swap")
		told, _ := e.served(another, v)
		require.Equal(t, append(agentOff, "store_failure error"), told)
		e.store.heal()
		told, _ = e.served(another, v)
		require.Equal(t, agentOff, told, "it is told again rather than never")
	})
	t.Run("a visitor has none", func(t *testing.T) {
		e := newEnv(t)
		s := e.beginAs(home)
		require.NoError(t, cart.Set(s, "apple"))
		v := e.value(s)
		e.quiet()
		s = e.from(nobodys, v)
		e.has(s, cart, "apple")
		e.silent(s)
		require.Equal(t, read, e.store.count())
		require.Empty(t, e.audit.drain())
	})
}

func TestFingerprintIgnore(t *testing.T) {
	e := newEnv(t, policy(session.FingerprintIgnore))
	v := e.at(home)
	for _, c := range []client{home, another, sixth, nobodys} {
		told, calls := e.served(c, v)
		require.Empty(t, told)
		require.Equal(t, read, calls)
	}
	list, err := e.m.Devices(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, "Firefox, Linux", list[0].Name, "the list of devices has its own use for the User-Agent")
}

// Under FingerprintStepUp whoever comes from elsewhere gets nothing but the way to
// prove who it is, and where the session was at home it goes on.
func TestFingerprintStepUp(t *testing.T) {
	for _, c := range calls {
		if c.name == "Login" || c.name == "Logout" {
			continue // what the client is asked to do, and what needs no proof
		}
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, policy(session.FingerprintStepUp))
			v := e.at(home)
			e.clock.advance(2 * time.Hour) // its use would be noted
			s := e.from(nobodys, v)
			for range 2 {
				err := c.do(s)
				require.ErrorIs(t, err, session.ErrStepUp)
				require.NotErrorIs(t, err, core.ErrUnknown)
				require.NotErrorIs(t, err, core.ErrAnonymous)
			}
			out := s.Finish()
			require.Empty(t, out.SetCookie)
			if c.write {
				require.ErrorIs(t, out.Err, session.ErrStepUp, "an answer that claims a write is refused")
			} else {
				require.NoError(t, out.Err)
			}
			require.Equal(t, read, e.store.count(), "nothing is noted, not even the use")
			require.Equal(t, agentOff, e.audit.drain(), "once in a request")
			_, err := s.Principal()
			require.ErrorIs(t, err, session.ErrStepUp, "what was learnt stays")

			require.Equal(t, "ann", e.subject(e.from(updated, v)))
			require.ErrorIs(t, e.from(away, v).Authorize(), session.ErrStepUp)
		})
	}
	t.Run("login lifts it", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintStepUp))
		v := e.at(home)
		s := e.from(home, v)
		require.NoError(t, cart.Set(s, "apple"))
		e.silent(s)
		e.quiet()
		s = e.from(another, v)
		require.NoError(t, s.Login(t.Context(), ann()))
		require.Equal(t, map[string]int{"load": 1, "rename": 1}, e.store.count())
		require.Equal(t, append(agentOff, "session_renewed step-up", "authn_login_success step-up"), e.audit.drain())
		require.NoError(t, s.Authorize(), "in this request already")
		e.has(s, cart, "apple")
		next := e.value(s)
		s = e.from(another, next)
		require.NoError(t, s.Authorize())
		e.has(s, cart, "apple")
		e.finish(s)
		require.ErrorIs(t, e.from(home, next).Authorize(), session.ErrStepUp)
		require.ErrorIs(t, e.from(home, v).Authorize(), core.ErrAnonymous)
	})
	t.Run("a refused login does not", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintStepUp))
		s := e.from(another, e.at(home))
		require.Error(t, s.Login(t.Context(), session.Identity{}))
		require.ErrorIs(t, s.Authorize(), session.ErrStepUp)
		e.store.fail(errDown, "rename")
		require.ErrorIs(t, s.Login(t.Context(), ann()), core.ErrUnknown)
		require.ErrorIs(t, s.Authorize(), session.ErrStepUp)
		e.silent(s)
	})
	t.Run("another user logs in", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintStepUp))
		v := e.at(home)
		s := e.from(another, v)
		require.NoError(t, s.Login(t.Context(), bob()))
		require.Equal(t, "bob", e.subject(s))
		require.Equal(t, "bob", e.subject(e.from(another, e.value(s))))
		require.Empty(t, e.subject(e.from(home, v)))
	})
	t.Run("log-out", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintStepUp))
		v := e.at(home)
		s := e.from(another, v)
		require.NoError(t, s.Logout(t.Context()))
		require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
		require.Equal(t, []string{deletion()}, e.finish(s))
		require.Empty(t, e.subject(e.from(home, v)))
	})
	t.Run("a new network of the other family", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintStepUp))
		v := e.at(home)
		told, calls := e.served(sixth, v)
		require.Empty(t, told)
		require.Equal(t, written, calls)
		require.ErrorIs(t, e.from(awaySix, v).Authorize(), session.ErrStepUp)
	})
	t.Run("the snapshot of an old id ends with the new one", func(t *testing.T) {
		// Who presents the new id has it, whoever that is: the old one must not
		// go on beside it.
		e := newEnv(t, policy(session.FingerprintStepUp))
		v := e.at(home)
		s := e.from(home, v)
		require.NoError(t, s.Renew(t.Context()))
		next := e.value(s)
		require.ErrorIs(t, e.from(another, next).Authorize(), session.ErrStepUp)
		require.Empty(t, e.subject(e.from(home, v)))
		require.Equal(t, "ann", e.subject(e.from(home, next)))
	})
}

// Under FingerprintRevoke the session ends, wherever it is by then.
func TestFingerprintRevoke(t *testing.T) {
	ended := append(agentOff, "session_expired fingerprint")
	t.Run("at once", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		handle := e.stored("ann")[0].Entry.Handle.String()
		second := e.at(home)
		for _, c := range calls[:4] {
			s := e.from(nobodys, v)
			require.ErrorIs(t, c.do(s), core.ErrAnonymous)
			out := s.Finish()
			require.NoError(t, out.Err)
			require.Empty(t, out.SetCookie, "no Set-Cookie: it is not its browser that is told")
			if c.name == "Principal" {
				require.Equal(t, map[string]int{"load": 1, "end one": 1}, e.store.count())
				e.endedAs("fingerprint", handle)
				require.Equal(t, ended, e.audit.drain())
			}
		}
		require.Empty(t, e.subject(e.from(home, v)))
		require.Equal(t, "ann", e.subject(e.from(home, second)), "the others live on")
	})
	t.Run("what follows is a visitor's", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		s := e.from(nobodys, e.at(home))
		require.NoError(t, cart.Set(s, "pear"))
		v := e.value(s)
		s = e.from(nobodys, v)
		require.Empty(t, e.subject(s))
		e.has(s, cart, "pear")
	})
	t.Run("the store refuses", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		e.store.fail(errDown, "end one")
		s := e.from(nobodys, v)
		err := s.Authorize()
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, errDown)
		require.NotErrorIs(t, err, core.ErrAnonymous)
		require.Equal(t, append(agentOff, "store_failure error"), e.audit.drain())
		e.silent(s)
		e.store.heal()
		require.Equal(t, "ann", e.subject(e.from(home, v)))
		require.Empty(t, e.subject(e.from(nobodys, v)))
	})
	t.Run("ended meanwhile", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		e.store.next("end one", func() {
			s := e.from(home, v)
			require.NoError(t, s.Logout(t.Context()))
			e.finish(s)
		})
		s := e.from(nobodys, v)
		require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
		require.Equal(t, append(agentOff, "session_expired logout"), e.audit.drain(), "its end is told once")
		e.silent(s)
	})
	t.Run("renewed meanwhile", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		var next string
		e.store.next("end one", func() {
			s := e.from(home, v)
			require.NoError(t, s.Renew(t.Context()))
			next = e.value(s)
		})
		s := e.from(nobodys, v)
		require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
		e.silent(s)
		require.Empty(t, e.subject(e.from(home, next)), "what looks stolen does not live on under another id")
		require.Empty(t, e.stored("ann"))
	})
	t.Run("the client hung up", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		ctx, hangUp := context.WithCancel(t.Context())
		s := &session.Session{}
		e.m.Begin(s, ctx, session.Request{Cookies: []string{name + "=" + v}, UserAgent: iphone})
		e.store.next("end one", hangUp)
		require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
		require.Empty(t, e.stored("ann"))
	})
	t.Run("another family of addresses is no change", func(t *testing.T) {
		e := newEnv(t, policy(session.FingerprintRevoke))
		v := e.at(home)
		for _, c := range []client{sixth, home, updated, sixth} {
			require.Equal(t, "ann", e.subject(e.from(c, v)))
		}
	})
}

// The old id of a renewal is there for the browser whose answer was lost, and for
// no other.
func TestFingerprintOfASnapshot(t *testing.T) {
	for _, how := range replacements {
		for _, tc := range []struct {
			policy session.FingerprintPolicy
			want   string
			told   []string
		}{
			{session.FingerprintReport, "ann", agentOff},
			{session.FingerprintIgnore, "ann", nil},
			{session.FingerprintStepUp, "", agentOff},
			{session.FingerprintRevoke, "", agentOff},
		} {
			e := newEnv(t, policy(tc.policy))
			v := e.at(home)
			s := e.from(home, v)
			if how == byRenewal {
				require.NoError(t, s.Renew(t.Context()))
			} else {
				require.NoError(t, s.Login(t.Context(), ann()))
			}
			next := e.value(s)
			e.quiet()
			s = e.from(nobodys, v)
			_, err := s.Principal()
			require.Equal(t, tc.want == "", errors.Is(err, core.ErrAnonymous), "%s %v", how, tc.policy)
			require.Equal(t, tc.told, e.audit.drain())
			e.silent(s)
			require.Equal(t, map[string]int{"load": 2}, e.store.count(), "nothing is remembered by it, and nothing ends")
			require.Equal(t, "ann", e.subject(e.from(home, v)))
			require.Equal(t, "ann", e.subject(e.from(home, next)))
		}
	}
}

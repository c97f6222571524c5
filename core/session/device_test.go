package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

const (
	firefox     = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"
	firefoxNext = "Mozilla/5.0 (X11; Linux x86_64; rv:134.0) Gecko/20100101 Firefox/134.0"
	iphone      = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
)

// acts are what a session may do to the sessions of its subject.
var acts = []struct {
	name string
	op   string // the store operation that decides
	do   func(s *session.Session, handle string) error
}{
	{"Devices", "list", func(s *session.Session, _ string) error {
		_, err := s.Devices(context.Background())
		return err
	}},
	{"Revoke", "end one", func(s *session.Session, handle string) error {
		_, err := s.Revoke(context.Background(), handle)
		return err
	}},
	{"RevokeOthers", "end others", func(s *session.Session, _ string) error { return s.RevokeOthers(context.Background()) }},
	{"RevokeAll", "end all", func(s *session.Session, _ string) error { return s.RevokeAll(context.Background()) }},
}

// endedAs fails unless exactly these sessions were told to have ended, for cause.
func (e *env) endedAs(cause string, handles ...string) {
	e.t.Helper()
	e.audit.mu.Lock()
	defer e.audit.mu.Unlock()
	var got []string
	for _, ev := range e.audit.events {
		if ev.Name == "session_expired" {
			require.EqualValues(e.t, cause, ev.Cause)
			require.Equal(e.t, "ann", ev.Subject)
			got = append(got, ev.Session)
		}
	}
	require.Equal(e.t, handles, got)
}

// later logs ann in, later than before, so that her sessions have an order.
func (e *env) later() string {
	e.t.Helper()
	e.clock.advance(time.Second)
	return e.login(ann())
}

func TestDevices(t *testing.T) {
	e := newEnv(t)
	e.login(bob())
	e.visit()
	var values []string
	var want []session.Device
	for i, tc := range []struct {
		id    session.Identity
		agent string
		name  string
	}{
		{session.Identity{Subject: "ann", Method: "password"}, firefox, "Firefox, Linux"},
		{session.Identity{Subject: "ann", Method: "webauthn", Device: "Ann's phone", AuthTime: noon.Add(-time.Hour)}, iphone, "Ann's phone"},
		{session.Identity{Subject: "ann"}, "", ""},
	} {
		s := e.beginAs(client{agent: tc.agent})
		require.NoError(t, s.Login(t.Context(), tc.id))
		info, err := s.Info()
		require.NoError(t, err)
		require.True(t, info.Created.Equal(noon.Add(time.Duration(i)*time.Second)))
		p, err := s.Principal()
		require.NoError(t, err)
		want = append(want, session.Device{Info: info, Name: tc.name, Method: tc.id.Method, AuthTime: p.AuthTime})
		values = append(values, e.value(s))
		e.clock.advance(time.Second)
	}
	e.quiet()

	s := e.from(client{agent: iphone}, values[1])
	got, err := s.Devices(t.Context())
	require.NoError(t, err)
	want[1].Current = true
	require.Equal(t, want, got)
	require.Equal(t, map[string]int{"load": 1, "list": 1}, e.store.count())
	require.Empty(t, e.audit.drain())
	e.silent(s)

	got, err = e.m.Devices(t.Context(), "ann")
	require.NoError(t, err)
	want[1].Current = false
	require.Equal(t, want, got)
	require.Equal(t, map[string]int{"list": 1}, e.store.count())

	got, err = e.m.Devices(t.Context(), "Ann")
	require.NoError(t, err)
	require.Empty(t, got, "another spelling is another subject")
}

// A renewed session is one session, whichever of its ids is in the jar.
func TestDevicesCountsNoSnapshot(t *testing.T) {
	for _, how := range replacements {
		r := newReplaced(t, how)
		s := r.begin(r.next)
		list, err := s.Devices(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.True(t, list[0].Current)
		r.silent(s)
	}
}

// The list of devices is honest by both clocks, as every read is.
func TestDevicesPastTheirEnd(t *testing.T) {
	e := newEnv(t)
	e.login(ann())
	for _, tc := range []struct {
		ahead time.Duration
		want  int
	}{{24*time.Hour - time.Microsecond, 1}, {24 * time.Hour, 0}} {
		m, err := session.New(e.store, session.Config{Secret: secret, Now: func() time.Time { return e.clock.now().Add(tc.ahead) }})
		require.NoError(t, err)
		list, err := m.Devices(t.Context(), "ann")
		require.NoError(t, err)
		require.Len(t, list, tc.want)
	}
}

func TestDevicesOfGarbage(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.login(ann())
	s := e.live(v)
	k := e.stored("ann")[1]
	k.Entry.Value = k.Entry.Value[1:]
	_, err := e.mem.Swap(t.Context(), k.Key, k.Entry.Version, k.Entry)
	require.NoError(t, err)
	e.quiet()
	list, err := s.Devices(t.Context())
	require.ErrorIs(t, err, core.ErrUnknown)
	require.Empty(t, list, "half a list would hide a thief")
	require.Equal(t, []string{"store_failure error"}, e.audit.drain())
}

func TestStepUpNamesTheDevice(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	for _, tc := range []struct{ given, want string }{{"", "agent"}, {"laptop", "laptop"}, {"", "laptop"}} {
		s := e.begin(v)
		id := ann()
		id.Device = tc.given
		require.NoError(t, s.Login(t.Context(), id))
		v = e.value(s)
		list, err := e.m.Devices(t.Context(), "ann")
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, tc.want, list[0].Name)
	}
}

func TestActsNeedALogin(t *testing.T) {
	for _, a := range acts {
		t.Run(a.name, func(t *testing.T) {
			e := newEnv(t)
			handle := e.handle(e.login(ann()))
			visitor := e.visit()
			dead := e.login(ann())
			e.logout(dead)
			e.quiet()
			for _, tc := range []struct {
				desc   string
				values []string
				calls  map[string]int
			}{
				{"nothing", nil, map[string]int{}},
				{"malformed", []string{"x"}, map[string]int{}},
				{"a visitor", []string{visitor}, map[string]int{"load": 1}},
				{"a dead id", []string{dead}, map[string]int{"load": 1}},
			} {
				s := e.begin(tc.values...)
				require.ErrorIs(t, a.do(s, handle), core.ErrAnonymous, tc.desc)
				e.silent(s)
				require.Equal(t, tc.calls, e.store.count(), tc.desc)
			}
			require.Len(t, e.stored("ann"), 1)
			e.has(e.begin(visitor), cart, "apple")
		})
	}
}

// The store did not decide: nothing is claimed, nobody is logged out, and trying
// again is harmless.
func TestActsWithoutTheStore(t *testing.T) {
	for _, a := range acts {
		for _, target := range []string{"own", "other"} {
			t.Run(a.name+" "+target, func(t *testing.T) {
				e := newEnv(t)
				v, second := e.login(ann()), e.login(ann())
				handle := e.handle(map[string]string{"own": v, "other": second}[target])
				s := e.live(v)
				require.NoError(t, cart.Set(s, "apple"))
				e.store.fail(errDown, a.op)
				e.quiet()
				err := a.do(s, handle)
				require.ErrorIs(t, err, core.ErrUnknown)
				require.ErrorIs(t, err, errDown)
				require.NotErrorIs(t, err, core.ErrAnonymous)
				require.Equal(t, map[string]int{a.op: 1}, e.store.count())
				require.Equal(t, []string{"store_failure error"}, e.audit.drain())
				require.Equal(t, "ann", e.subject(s))
				e.silent(s)
				require.Equal(t, "ann", e.subject(e.begin(second)))
				e.has(e.begin(v), cart, "apple")
				e.store.heal()
				require.NoError(t, a.do(e.begin(v), handle))
			})
		}
	}
}

// Whoever clicked and closed the tab is obeyed; a list is for nobody then.
func TestActsAfterTheClientHungUp(t *testing.T) {
	for _, a := range acts {
		e := newEnv(t)
		v, second := e.login(ann()), e.login(ann())
		handle := e.handle(second)
		ctx, hangUp := context.WithCancel(t.Context())
		s := e.live(v)
		hangUp()
		switch a.name {
		case "Devices":
			_, err := s.Devices(ctx)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, err, context.Canceled)
			continue
		case "Revoke":
			ended, err := s.Revoke(ctx, handle)
			require.NoError(t, err)
			require.True(t, ended)
		case "RevokeOthers":
			require.NoError(t, s.RevokeOthers(ctx))
		case "RevokeAll":
			require.NoError(t, s.RevokeAll(ctx))
		}
		require.Empty(t, e.subject(e.begin(second)), a.name)
	}
}

// What ends a session is remembered for as long as the longest could have lived.
func TestActsAreRemembered(t *testing.T) {
	e := newEnv(t)
	for _, a := range acts[1:] {
		v, second := e.login(ann()), e.login(ann())
		handle := e.handle(second)
		e.store.untils = nil
		require.NoError(t, a.do(e.begin(v), handle))
		require.Len(t, e.store.untils, 1, a.name)
		require.True(t, noon.Add(7*24*time.Hour).Equal(e.store.untils[0]), a.name)
	}
}

func TestRevokeAnother(t *testing.T) {
	e := newEnv(t)
	v, second, third := e.login(ann()), e.login(ann()), e.login(ann())
	handle := e.handle(second)
	slow := e.live(second)
	require.NoError(t, cart.Set(slow, "pear"))
	e.quiet()

	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	ended, err := s.Revoke(t.Context(), handle)
	require.NoError(t, err)
	require.True(t, ended)
	require.Equal(t, map[string]int{"load": 1, "end one": 1}, e.store.count())
	e.endedAs("revoked", handle)
	require.Equal(t, []string{"session_expired revoked"}, e.audit.drain())
	require.Empty(t, e.subject(e.begin(second)), "before the answer is even finished")
	e.silent(s)

	e.quiet()
	e.silent(slow)
	require.Equal(t, []string{"session_write_dropped"}, e.audit.drain(), "a late write brings nothing back")
	require.Empty(t, e.subject(e.begin(second)))
	require.Equal(t, "ann", e.subject(e.begin(third)))
	s = e.begin(v)
	e.has(s, cart, "apple")

	e.quiet()
	ended, err = s.Revoke(t.Context(), handle)
	require.NoError(t, err)
	require.False(t, ended, "it is gone already")
	require.Empty(t, e.audit.drain())
	e.silent(s)
}

// The handle of the session itself is a log-out, with what that does to the jar.
func TestRevokeItself(t *testing.T) {
	t.Run("alive", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		handle := e.handle(v)
		e.quiet()
		s := e.begin(v)
		require.NoError(t, cart.Set(s, "apple"))
		ended, err := s.Revoke(t.Context(), handle)
		require.NoError(t, err)
		require.True(t, ended)
		require.Equal(t, map[string]int{"load": 1, "end one": 1}, e.store.count())
		require.Equal(t, []string{"session_expired revoked", "session_write_dropped"}, e.audit.drain())
		require.ErrorIs(t, s.Authorize(), core.ErrAnonymous)
		e.has(s, cart, "")
		require.Equal(t, []string{deletion()}, e.finish(s))
		require.Empty(t, e.store.count())
		require.Empty(t, e.subject(e.begin(v)))
	})
	t.Run("ended meanwhile", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		handle := e.handle(v)
		s := e.live(v)
		e.store.next("end one", func() { e.logout(v) })
		ended, err := s.Revoke(t.Context(), handle)
		require.NoError(t, err)
		require.False(t, ended)
		require.Empty(t, e.subject(s))
		e.silent(s)
	})
	t.Run("renewed meanwhile", func(t *testing.T) {
		// Who renewed it may be who it is to be rid of: the handle ends it under
		// any id.
		e := newEnv(t)
		v := e.login(ann())
		handle := e.handle(v)
		s := e.live(v)
		var next string
		e.store.next("end one", func() { next = e.replace(byRenewal, v) })
		ended, err := s.Revoke(t.Context(), handle)
		require.NoError(t, err)
		require.True(t, ended)
		require.Empty(t, e.subject(e.begin(next)))
		require.Empty(t, e.subject(e.begin(v)))
		require.Equal(t, []string{deletion()}, e.finish(s))
	})
	t.Run("and a new login", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		handle := e.handle(v)
		s := e.begin(v)
		_, err := s.Revoke(t.Context(), handle)
		require.NoError(t, err)
		require.NoError(t, s.Login(t.Context(), bob()))
		require.Equal(t, "bob", e.subject(e.begin(e.value(s))))
	})
}

// A handle is looked for among the subject's own sessions, and nowhere else.
func TestRevokeOfAnothersHandle(t *testing.T) {
	e := newEnv(t)
	v, victim, visitor := e.login(ann()), e.login(bob()), e.visit()
	for _, handle := range []string{e.handle(victim), e.handle(visitor)} {
		e.quiet()
		s := e.begin(v)
		ended, err := s.Revoke(t.Context(), handle)
		require.NoError(t, err)
		require.False(t, ended)
		e.silent(s)
		ended, err = e.m.Revoke(t.Context(), "ann", handle)
		require.NoError(t, err)
		require.False(t, ended)
		require.Empty(t, e.audit.drain())
	}
	require.Equal(t, "bob", e.subject(e.begin(victim)))
	e.has(e.begin(visitor), cart, "apple")
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

func TestRevokeOfNoHandle(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	handle := e.handle(v)
	for desc, h := range map[string]string{
		"empty": "", "short": handle[:21], "long": handle + "A", "padded": handle + "==", "the cookie's value": v,
		"another alphabet": strings.Repeat("+", 22), "spare bits": handle[:21] + string(spareBits(handle[21])),
		"line break": handle[:20] + "\n" + handle[20:],
	} {
		e.quiet()
		s := e.begin(v)
		ended, err := s.Revoke(t.Context(), h)
		require.NoError(t, err, desc)
		require.False(t, ended, desc)
		e.silent(s)
		ended, err = e.m.Revoke(t.Context(), "ann", h)
		require.NoError(t, err, desc)
		require.False(t, ended, desc)
		require.Equal(t, map[string]int{"load": 1}, e.store.count(), desc)
		require.Empty(t, e.audit.drain(), desc)
	}
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

// spareBits is the last character of a handle with a bit set that decodes to nothing.
func spareBits(last byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, last)+1]
}

// A full store refuses, and says so: nothing may be claimed to have ended.
func TestRevokeInAFullStore(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	for i := range revocation.MaxDenied {
		other := revocation.Handle{byte(i)}
		require.NoError(t, e.m.Revocations().RevokeSession(t.Context(), "ann", other.String()))
	}
	handle := e.handle(v)
	e.quiet()
	s := e.begin(v)
	ended, err := s.Revoke(t.Context(), handle)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.NotErrorIs(t, err, core.ErrUnknown)
	require.False(t, ended)
	require.Equal(t, "ann", e.subject(s))
	e.silent(s)
	_, err = e.m.Revoke(t.Context(), "ann", handle)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.Empty(t, e.audit.drain())
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

// checked is what the registry says of a credential that one of ann's sessions gave out
// under epoch.
func checked(t *testing.T, r *revocation.Registry, handle string, epoch uint64) error {
	t.Helper()
	c, err := r.Credential(revocation.Named{Subject: "ann", Session: handle, Epoch: epoch})
	require.NoError(t, err)
	return r.Check(t.Context(), &c)
}

func TestRevokeOthers(t *testing.T) {
	e := newEnv(t)
	first, v, third := e.later(), e.later(), e.later()
	stranger, visitor := e.login(bob()), e.visit()
	handles := []string{e.handle(first), e.handle(v), e.handle(third)}
	registry := e.m.Revocations()
	before, err := registry.Epoch(t.Context(), "ann")
	require.NoError(t, err)
	e.clock.advance(time.Second)
	e.quiet()

	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, s.RevokeOthers(t.Context()))
	require.Equal(t, map[string]int{"load": 1, "end others": 1, "rename": 1}, e.store.count())
	e.endedAs("revoked", handles[0], handles[2])
	require.Equal(t, []string{
		"session_expired revoked", "session_expired revoked", "subject_revoked others", "session_renewed revoked",
	}, e.audit.drain())
	for _, dead := range []string{first, v, third} {
		require.Empty(t, e.subject(e.begin(dead)), "its own old id included, without a snapshot")
	}
	next := e.value(s)
	require.NotEqual(t, v, next)
	s = e.begin(next)
	require.Equal(t, "ann", e.subject(s))
	e.has(s, cart, "apple")
	require.Equal(t, handles[1], e.handle(next))
	require.Equal(t, "bob", e.subject(e.begin(stranger)))
	e.has(e.begin(visitor), cart, "apple")

	// What else the subject held from before is refused, and what is made now is not.
	require.ErrorIs(t, checked(t, registry, handles[1], before), revocation.ErrRevoked)
	after, err := registry.Epoch(t.Context(), "ann")
	require.NoError(t, err)
	require.NoError(t, checked(t, registry, handles[1], after))
}

func TestRevokeOthersOfNone(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	e.quiet()
	s := e.begin(v)
	require.NoError(t, s.RevokeOthers(t.Context()))
	require.Equal(t, []string{"subject_revoked others", "session_renewed revoked"}, e.audit.drain())
	require.Equal(t, "ann", e.subject(e.begin(e.value(s))))
	require.Empty(t, e.subject(e.begin(v)))
}

// After a login in the same request nobody has the id yet.
func TestRevokeOthersAfterLogin(t *testing.T) {
	e := newEnv(t)
	first := e.login(ann())
	e.quiet()
	s := e.begin()
	require.NoError(t, s.Login(t.Context(), ann()))
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, s.RevokeOthers(t.Context()))
	require.Equal(t, map[string]int{"create": 1, "end others": 1, "swap": 1}, e.store.count())
	v := e.value(s)
	s = e.begin(v)
	require.Equal(t, "ann", e.subject(s))
	e.has(s, cart, "apple")
	require.Empty(t, e.subject(e.begin(first)))
}

// The snapshot of a renewal whose answer was lost goes with the others: it may be
// what the thief has.
func TestRevokeOthersEndsSnapshots(t *testing.T) {
	for _, how := range replacements {
		t.Run(how+", earlier", func(t *testing.T) {
			r := newReplaced(t, how)
			s := r.begin(r.next)
			require.NoError(t, s.RevokeOthers(t.Context()))
			next := r.value(s)
			require.Empty(t, r.subject(r.begin(r.old)))
			require.Empty(t, r.subject(r.begin(r.next)))
			require.Equal(t, "ann", r.subject(r.begin(next)))
		})
		t.Run(how+", in this request", func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			s := e.begin(v)
			if how == byRenewal {
				require.NoError(t, s.Renew(t.Context()))
			} else {
				require.NoError(t, s.Login(t.Context(), ann()))
			}
			require.NoError(t, s.RevokeOthers(t.Context()))
			next := e.value(s)
			require.Empty(t, e.subject(e.begin(v)))
			require.Equal(t, "ann", e.subject(e.begin(next)))
		})
	}
}

func TestRevokeOthersInFlight(t *testing.T) {
	begin := func(t *testing.T) (e *env, v, second string, s *session.Session) {
		e = newEnv(t)
		v, second = e.login(ann()), e.login(ann())
		s = e.live(v)
		require.NoError(t, hits.Add(s, 1))
		e.quiet()
		return e, v, second, s
	}
	t.Run("ended before", func(t *testing.T) {
		e, v, second, s := begin(t)
		e.store.next("end others", func() { e.logout(v) })
		require.ErrorIs(t, s.RevokeOthers(t.Context()), core.ErrAnonymous)
		require.Zero(t, e.store.count()["rename"])
		require.Equal(t, []string{"session_expired logout", "session_write_dropped"}, e.audit.drain())
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Equal(t, "ann", e.subject(e.begin(second)), "nothing was done")
	})
	t.Run("ended between", func(t *testing.T) {
		e, v, second, s := begin(t)
		e.store.next("rename", func() { e.logout(v) })
		require.ErrorIs(t, s.RevokeOthers(t.Context()), core.ErrAnonymous)
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Empty(t, e.stored("ann"))
		require.Empty(t, e.subject(e.begin(second)))
	})
	for _, op := range []string{"end others", "rename"} {
		for _, how := range replacements {
			// A thief who changes the id right then must not be what is left.
			t.Run(how+" before "+op, func(t *testing.T) {
				e, v, second, s := begin(t)
				var next string
				e.store.next(op, func() { next = e.replace(how, v) })
				require.ErrorIs(t, s.RevokeOthers(t.Context()), core.ErrAnonymous)
				require.Equal(t, 1, count(e.audit.drain(), "session_write_dropped"))
				require.Empty(t, e.subject(s))
				e.silent(s)
				for _, dead := range []string{v, second, next} {
					require.Empty(t, e.subject(e.begin(dead)))
				}
				require.Empty(t, e.stored("ann"))
			})
		}
	}
	t.Run("written between", func(t *testing.T) {
		e, v, _, s := begin(t)
		e.store.next("rename", func() {
			late := e.begin(v)
			require.NoError(t, hits.Add(late, 2))
			e.silent(late)
		})
		require.NoError(t, s.RevokeOthers(t.Context()))
		s = e.begin(e.value(s))
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
	})
	t.Run("the new id cannot be stored", func(t *testing.T) {
		e, v, second, s := begin(t)
		e.store.fail(errDown, "rename")
		require.ErrorIs(t, s.RevokeOthers(t.Context()), core.ErrUnknown)
		e.silent(s)
		require.Empty(t, e.subject(e.begin(second)), "the others are gone")
		require.Equal(t, "ann", e.subject(e.begin(v)))
		e.store.heal()
		s = e.begin(v)
		require.NoError(t, s.RevokeOthers(t.Context()))
		next := e.value(s)
		require.Empty(t, e.subject(e.begin(v)))
		require.Equal(t, "ann", e.subject(e.begin(next)))
	})
}

func TestRevokeAll(t *testing.T) {
	e := newEnv(t)
	first, v, third := e.later(), e.later(), e.later()
	stranger := e.login(bob())
	handles := []string{e.handle(first), e.handle(v), e.handle(third)}
	registry := e.m.Revocations()
	before, err := registry.Epoch(t.Context(), "ann")
	require.NoError(t, err)
	e.clock.advance(time.Second)
	e.quiet()

	s := e.begin(v)
	require.NoError(t, cart.Set(s, "apple"))
	require.NoError(t, s.RevokeAll(t.Context()))
	require.Equal(t, map[string]int{"load": 1, "end all": 1}, e.store.count())
	e.endedAs("revoked", handles...)
	require.Equal(t, []string{
		"session_expired revoked", "session_expired revoked", "session_expired revoked", "subject_revoked all", "session_write_dropped",
	}, e.audit.drain())
	require.Empty(t, e.subject(s))
	require.Equal(t, []string{deletion()}, e.finish(s))
	for _, dead := range []string{first, v, third} {
		require.Empty(t, e.subject(e.begin(dead)))
	}
	require.Equal(t, "bob", e.subject(e.begin(stranger)))
	require.ErrorIs(t, checked(t, registry, handles[1], before), revocation.ErrRevoked)

	require.Equal(t, "ann", e.subject(e.begin(e.login(ann()))), "who proves itself again is let in")
}

// What was under way when everything was revoked brings nothing back and touches
// no cookie that a login after it may have set.
func TestRevokeAllInFlight(t *testing.T) {
	for _, tc := range []struct {
		desc string
		do   func(s *session.Session) error
		want error
	}{
		{"write", func(s *session.Session) error {
			return errors.Join(s.Authorize(), cart.Set(s, "x"), s.Commit(context.Background()))
		}, core.ErrAnonymous},
		{"exchange", func(s *session.Session) error { return cart.SetIfAbsent(s, "x") }, core.ErrAnonymous},
		{"renewal", func(s *session.Session) error { return s.Renew(context.Background()) }, core.ErrAnonymous},
		{"revoke others", func(s *session.Session) error { return s.RevokeOthers(context.Background()) }, core.ErrAnonymous},
		{"log-out", func(s *session.Session) error { return s.Logout(context.Background()) }, nil},
		{"revoke all", func(s *session.Session) error { return s.RevokeAll(context.Background()) }, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			v := e.login(ann())
			slow := e.live(v)
			e.clock.advance(time.Hour * 2) // and its use would be noted
			require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
			require.ErrorIs(t, tc.do(slow), tc.want)
			require.Empty(t, e.subject(slow))
			e.silent(slow)
			require.Empty(t, e.subject(e.begin(v)))
			require.Empty(t, e.stored("ann"))
		})
	}
	t.Run("guarded write", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin(e.login(ann()))
		require.NoError(t, s.Authorize())
		require.NoError(t, cart.Set(s, "x"))
		require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
		out := s.Finish()
		require.ErrorIs(t, out.Err, core.ErrAnonymous)
		require.Empty(t, out.SetCookie)
	})
	t.Run("login of the same user", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		e.store.next("rename", func() { require.NoError(t, e.m.RevokeAll(t.Context(), "ann")) })
		require.NoError(t, s.Login(t.Context(), ann()))
		next := e.value(s)
		require.Empty(t, e.subject(e.begin(v)))
		require.Equal(t, "ann", e.subject(e.begin(next)), "the proof came after")
		require.Len(t, e.stored("ann"), 1)
	})
	t.Run("renewed meanwhile", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		var next string
		e.store.next("end all", func() { next = e.replace(byRenewal, v) })
		require.NoError(t, s.RevokeAll(t.Context()))
		require.Empty(t, e.subject(e.begin(next)))
		require.Empty(t, e.subject(e.begin(v)))
		require.Equal(t, []string{deletion()}, e.finish(s))
	})
	t.Run("ended meanwhile", func(t *testing.T) {
		e := newEnv(t)
		v, second := e.login(ann()), e.login(ann())
		s := e.live(v)
		e.store.next("end all", func() { e.logout(v) })
		require.NoError(t, s.RevokeAll(t.Context()))
		require.Empty(t, e.subject(e.begin(second)))
		e.silent(s)
	})
}

// Both ids of a session that was renewed a moment ago end with it.
func TestRevokeEndsSnapshots(t *testing.T) {
	for _, how := range replacements {
		for _, a := range acts[1:] {
			if a.name == "RevokeOthers" {
				continue // has its own
			}
			t.Run(how+" "+a.name, func(t *testing.T) {
				r := newReplaced(t, how)
				actor := r.login(ann())
				require.Equal(t, "ann", r.subject(r.begin(r.old)))
				handle := r.stored("ann")[0].Entry.Handle.String()
				require.NoError(t, a.do(r.begin(actor), handle))
				require.Empty(t, r.subject(r.begin(r.old)))
				require.Empty(t, r.subject(r.begin(r.next)))
			})
		}
	}
}

func TestManagerActs(t *testing.T) {
	list := func(e *env, subject string) error {
		_, err := e.m.Devices(e.t.Context(), subject)
		return err
	}
	one := func(e *env, subject string) error {
		_, err := e.m.Revoke(e.t.Context(), subject, strings.Repeat("A", 22))
		return err
	}
	all := func(e *env, subject string) error { return e.m.RevokeAll(e.t.Context(), subject) }
	t.Run("nobody is named", func(t *testing.T) {
		e := newEnv(t)
		e.login(ann())
		e.quiet()
		for _, act := range []func(*env, string) error{list, one, all} {
			require.ErrorIs(t, act(e, ""), session.ErrNoSubject)
		}
		require.Empty(t, e.store.count())
		require.Empty(t, e.audit.drain())
	})
	t.Run("without the store", func(t *testing.T) {
		e := newEnv(t)
		e.login(ann())
		e.store.fail(errDown, everyOp...)
		for _, act := range []func(*env, string) error{list, one, all} {
			e.quiet()
			err := act(e, "ann")
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, err, errDown)
			require.Equal(t, []string{"store_failure error"}, e.audit.drain())
		}
		e.store.heal()
		require.Len(t, e.stored("ann"), 1)
	})
	t.Run("one", func(t *testing.T) {
		e := newEnv(t)
		v, second := e.login(ann()), e.login(ann())
		handle := e.handle(v)
		e.quiet()
		ended, err := e.m.Revoke(t.Context(), "ann", handle)
		require.NoError(t, err)
		require.True(t, ended)
		require.Equal(t, map[string]int{"end one": 1}, e.store.count())
		e.endedAs("revoked", handle)
		require.Equal(t, []string{"session_expired revoked"}, e.audit.drain())
		s := e.begin(v)
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Equal(t, "ann", e.subject(e.begin(second)))
	})
	t.Run("all", func(t *testing.T) {
		e := newEnv(t)
		v, second, stranger := e.later(), e.later(), e.login(bob())
		handles := []string{e.handle(v), e.handle(second)}
		e.quiet()
		require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
		require.Equal(t, map[string]int{"end all": 1}, e.store.count())
		e.endedAs("revoked", handles...)
		require.Equal(t, []string{"session_expired revoked", "session_expired revoked", "subject_revoked all"}, e.audit.drain())
		for _, dead := range []string{v, second} {
			s := e.begin(dead)
			require.Empty(t, e.subject(s))
			e.silent(s)
		}
		require.Equal(t, "bob", e.subject(e.begin(stranger)))
	})
	t.Run("all of nobody who is there", func(t *testing.T) {
		e := newEnv(t)
		require.NoError(t, e.m.RevokeAll(t.Context(), "ann"))
		require.Equal(t, []string{"subject_revoked all"}, e.audit.drain(), "a disabled account is told of, sessions or not")
		require.Equal(t, "ann", e.subject(e.begin(e.login(ann()))))
	})
}

// Two applications on one store have different subjects of one name.
func TestActsStayInTheirApplication(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	handle := e.handle(v)
	theirs, err := session.New(e.store, session.Config{App: "other", Now: e.clock.now, Secret: secret})
	require.NoError(t, err)
	list, err := theirs.Devices(t.Context(), "ann")
	require.NoError(t, err)
	require.Empty(t, list)
	ended, err := theirs.Revoke(t.Context(), "ann", handle)
	require.NoError(t, err)
	require.False(t, ended)
	require.NoError(t, theirs.RevokeAll(t.Context(), "ann"))
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

package revocation_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
)

var (
	noon    = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	errDown = errors.New("connection refused")
	one     = revocation.Handle{1}.String()
	two     = revocation.Handle{2}.String()
)

// spy is a store that blocks (it is no Local) and can be made to fail. It keeps what it
// was given.
type spy struct {
	revocation.Store
	err    error
	found  *revocation.Found // if set, what Revoked answers
	sight  error             // what Sight answers
	calls  []string
	until  time.Time
	asked  revocation.Asked
	seen   sighting
	ctx    context.Context
	before func()
}

type sighting struct {
	owner  revocation.Owner
	family revocation.Handle
	answer revocation.Answer
}

func (s *spy) enter(ctx context.Context, op string) error {
	s.calls, s.ctx = append(s.calls, op), ctx
	if s.before != nil {
		s.before()
	}
	return errors.Join(s.err, ctx.Err())
}

// What comes with an error is garbage, and nothing may be concluded from it.
func (s *spy) Revoked(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	s.asked = a
	if err := s.enter(ctx, "revoked"); err != nil {
		return revocation.Found{Epoch: 9, Denied: true, Floor: 9}, err
	}
	if s.found != nil {
		return *s.found, nil
	}
	return s.Store.Revoked(ctx, o, a)
}

func (s *spy) Sight(ctx context.Context, o revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	s.seen = sighting{o, family, a}
	if err := s.enter(ctx, "sight"); err != nil {
		return err
	}
	return s.sight
}

func (s *spy) RaiseEpoch(ctx context.Context, o revocation.Owner, until time.Time) (uint64, error) {
	s.until = until
	if err := s.enter(ctx, "raise"); err != nil {
		return 9, err
	}
	return s.Store.RaiseEpoch(ctx, o, until)
}

func (s *spy) RestoreEpoch(ctx context.Context, o revocation.Owner, epoch uint64, until time.Time) error {
	s.until = until
	if err := s.enter(ctx, "restore"); err != nil {
		return err
	}
	return s.Store.RestoreEpoch(ctx, o, epoch, until)
}

func (s *spy) Deny(ctx context.Context, o revocation.Owner, h revocation.Handle, until time.Time) error {
	s.until = until
	if err := s.enter(ctx, "deny"); err != nil {
		return err
	}
	return s.Store.Deny(ctx, o, h, until)
}

type env struct {
	t      *testing.T
	at     time.Time
	store  *spy
	events []audit.Event
	r      *revocation.Registry
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, at: noon}
	now := func() time.Time { return e.at }
	mem, err := memstore.New(memstore.Config{Now: now})
	require.NoError(t, err)
	e.store = &spy{Store: mem}
	e.r = e.registry(e.store)
	return e
}

// registry is another one, on a store of its own choice.
func (e *env) registry(store revocation.Store) *revocation.Registry {
	e.t.Helper()
	r, err := revocation.New(store, revocation.Config{
		App: "shop", Secret: secret, Now: func() time.Time { return e.at },
		Audit: audit.SinkFunc(func(_ context.Context, ev audit.Event) { e.events = append(e.events, ev) }),
	})
	require.NoError(e.t, err)
	return r
}

// named makes a credential of r.
func (e *env) named(n revocation.Named) *revocation.Credential {
	e.t.Helper()
	c, err := e.r.Credential(n)
	require.NoError(e.t, err)
	return &c
}

// check checks a credential of subject's session handle, made under epoch.
func (e *env) check(subject, handle string, epoch uint64) error {
	e.t.Helper()
	return e.r.Check(e.t.Context(), e.named(revocation.Named{Subject: subject, Session: handle, Epoch: epoch}))
}

func (e *env) epoch(subject string) uint64 {
	e.t.Helper()
	epoch, err := e.r.Epoch(e.t.Context(), subject)
	require.NoError(e.t, err)
	return epoch
}

// quiet forgets what happened so far.
func (e *env) quiet() { e.store.calls, e.events = nil, nil }

// told fails unless exactly these events were recorded, which all have what every
// event has.
func (e *env) told(want ...audit.Event) {
	e.t.Helper()
	for i := range want {
		want[i].Time, want[i].App = e.at, "shop"
	}
	require.Equal(e.t, want, e.events)
}

func TestConfigMistakes(t *testing.T) {
	for _, tc := range []struct {
		desc string
		cfg  revocation.Config
		want []string
	}{
		{"zero", revocation.Config{}, nil},
		{"complete", revocation.Config{App: "a", Secret: secret, Lifetime: time.Second, StoreTimeout: 1}, nil},
		{"app", revocation.Config{App: "a b"}, []string{"App"}},
		{"secret", revocation.Config{Secret: secret[1:]}, []string{"Secret"}},
		{"lifetime below a second", revocation.Config{Lifetime: time.Second - 1}, []string{"Lifetime"}},
		{"lifetime negative", revocation.Config{Lifetime: -time.Hour}, []string{"Lifetime"}},
		{"timeout", revocation.Config{StoreTimeout: -1}, []string{"StoreTimeout"}},
		{"all at once", revocation.Config{App: "/", Secret: []byte{}, Lifetime: 1, StoreTimeout: -1}, []string{"App", "Secret", "Lifetime", "StoreTimeout"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r, err := revocation.New(memstore.Default(), tc.cfg)
			require.Equal(t, tc.want == nil, r != nil)
			var got []string
			for _, ce := range mistakes(err) {
				require.NotEmpty(t, ce.Reason)
				got = append(got, strings.TrimPrefix(ce.Field, "revocation.Config."))
			}
			slices.Sort(tc.want)
			slices.Sort(got)
			require.Equal(t, tc.want, got)
		})
	}
	t.Run("no store", func(t *testing.T) {
		r, err := revocation.New(nil, revocation.Config{Lifetime: 1})
		require.Nil(t, r)
		all := mistakes(err)
		require.Len(t, all, 2)
		require.Equal(t, "revocation.New.store", all[0].Field)
	})
	t.Run("secret is not shown", func(t *testing.T) {
		_, err := revocation.New(memstore.Default(), revocation.Config{Secret: []byte("hunter2")})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("random source fails", func(t *testing.T) {
		r, err := revocation.New(memstore.Default(), revocation.Config{Rand: strings.NewReader("short")})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Nil(t, r)
	})
}

// mistakes are the ConfigErrors that err joins.
func mistakes(err error) (all []*core.ConfigError) {
	if ce, ok := err.(*core.ConfigError); ok {
		return []*core.ConfigError{ce}
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			all = append(all, mistakes(e)...)
		}
	case interface{ Unwrap() error }:
		all = mistakes(u.Unwrap())
	}
	return all
}

func TestEpoch(t *testing.T) {
	e := newEnv(t)
	require.Zero(t, e.epoch("ann"))
	require.NoError(t, e.r.LogoutEverywhere(t.Context(), "ann"))
	first := e.epoch("ann")
	require.EqualValues(t, noon.UnixMicro(), first)
	require.NoError(t, e.r.LogoutEverywhere(t.Context(), "ann"))
	require.Equal(t, first+1, e.epoch("ann"), "at the same moment, too")
	require.Zero(t, e.epoch("bob"))
}

func TestLogoutEverywhere(t *testing.T) {
	e := newEnv(t)
	check := e.check
	require.NoError(t, check("ann", one, 0))
	e.quiet()
	require.NoError(t, e.r.LogoutEverywhere(t.Context(), "ann"))
	require.Equal(t, []string{"raise"}, e.store.calls)
	require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
	e.told(audit.Event{Name: audit.SubjectRevoked, Cause: audit.CauseAll, Subject: "ann"})
	now := e.epoch("ann")
	e.quiet()
	require.ErrorIs(t, check("ann", one, 0), revocation.ErrRevoked)
	require.ErrorIs(t, check("ann", one, now-1), revocation.ErrRevoked)
	require.NoError(t, check("ann", one, now))
	require.NoError(t, check("bob", one, 0))
	require.Equal(t, []string{"revoked", "revoked", "revoked", "revoked"}, e.store.calls)
	require.Empty(t, e.events, "a refusal is told by who makes it")
}

// A change of password and a disabled account end the same as LogoutEverywhere, and say
// in the log what they were.
func TestCausesOfLogoutEverywhere(t *testing.T) {
	for _, tc := range []struct {
		do    func(*revocation.Registry, context.Context, string) error
		cause audit.Cause
	}{
		{(*revocation.Registry).LogoutEverywhere, "all"},
		{(*revocation.Registry).PasswordChanged, "password"},
		{(*revocation.Registry).SubjectDisabled, "disabled"},
	} {
		t.Run(string(tc.cause), func(t *testing.T) {
			e := newEnv(t)
			require.NoError(t, tc.do(e.r, t.Context(), "ann"))
			require.Equal(t, []string{"raise"}, e.store.calls)
			require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
			e.told(audit.Event{Name: audit.SubjectRevoked, Cause: tc.cause, Subject: "ann"})
			require.ErrorIs(t, e.check("ann", one, 0), revocation.ErrRevoked)
			require.NoError(t, e.check("bob", one, 0))
		})
	}
}

func TestRevokeSession(t *testing.T) {
	e := newEnv(t)
	require.NoError(t, e.r.RevokeSession(t.Context(), "ann", one))
	require.Equal(t, []string{"deny"}, e.store.calls)
	require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
	e.told(audit.Event{Name: audit.SessionDenied, Subject: "ann", Session: one})
	require.ErrorIs(t, e.check("ann", one, 0), revocation.ErrRevoked)
	require.NoError(t, e.check("ann", two, 0))
	require.NoError(t, e.check("bob", one, 0), "a handle counts with its subject")
	require.Zero(t, e.epoch("ann"))
	require.ErrorIs(t, e.check("ann", one, 7), revocation.ErrRevoked, "whatever its epoch")
}

func TestRevokeSessionInAFullStore(t *testing.T) {
	e := newEnv(t)
	for i := range revocation.MaxDenied {
		require.NoError(t, e.r.RevokeSession(t.Context(), "ann", revocation.Handle{9, byte(i)}.String()))
	}
	e.quiet()
	err := e.r.RevokeSession(t.Context(), "ann", one)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.NotErrorIs(t, err, core.ErrUnknown, "the store did decide")
	require.ErrorIs(t, e.r.RevokeToken(t.Context(), "ann", jti, noon.Add(time.Hour)), revocation.ErrFull)
	require.Empty(t, e.events)
	require.NoError(t, e.check("ann", one, 0))
	require.NoError(t, e.r.RevokeSession(t.Context(), "bob", one))
}

const jti = "6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11"

func TestRevokeToken(t *testing.T) {
	e := newEnv(t)
	expires := noon.Add(15 * time.Minute)
	require.NoError(t, e.r.RevokeToken(t.Context(), "ann", jti, expires))
	require.Equal(t, []string{"deny"}, e.store.calls)
	require.Equal(t, expires.Add(revocation.Margin), e.store.until)
	e.told(audit.Event{Name: audit.TokenDenied, Subject: "ann"})
	check := func(subject, session, jti string) error {
		return e.r.Check(t.Context(), e.named(revocation.Named{Subject: subject, Session: session, Token: jti}))
	}
	require.ErrorIs(t, check("ann", one, jti), revocation.ErrRevoked)
	require.ErrorIs(t, check("ann", two, jti), revocation.ErrRevoked, "whatever its session")
	require.NoError(t, check("ann", one, strings.ToUpper(jti)), "which is another name")
	require.NoError(t, check("ann", one, ""), "the session itself goes on")
	require.NoError(t, check("bob", one, jti), "a handle counts with its subject")

	require.NoError(t, e.r.RevokeToken(t.Context(), "ann", "a name of somebody else's", expires))
	require.ErrorIs(t, check("ann", one, "a name of somebody else's"), revocation.ErrRevoked)
}

// A denial outlives what it stops: by the largest leeway that a verifier may have, and by
// as much again for a clock that is behind.
func TestDenialOutlivesItsToken(t *testing.T) {
	const leeway = 5 * time.Minute // the largest of token.VerifierConfig
	require.Equal(t, 2*leeway, revocation.Margin)
	e := newEnv(t)
	expires := noon.Add(15 * time.Minute)
	require.NoError(t, e.r.RevokeToken(t.Context(), "ann", jti, expires))
	c := e.named(revocation.Named{Subject: "ann", Session: one, Token: jti})
	for at, want := range map[time.Time]error{
		noon:                                     revocation.ErrRevoked,
		expires.Add(-1):                          revocation.ErrRevoked,
		expires:                                  revocation.ErrRevoked,
		expires.Add(leeway):                      revocation.ErrRevoked,
		expires.Add(2*leeway - time.Microsecond): revocation.ErrRevoked,
		expires.Add(2 * leeway):                  nil,
	} {
		e.at = at
		require.ErrorIs(t, e.r.Check(t.Context(), c), want, at.Sub(expires))
	}
	// Denied after it expired here, while it lives on somewhere else.
	e.at = expires.Add(leeway)
	require.NoError(t, e.r.RevokeToken(t.Context(), "ann", "late", expires))
	require.ErrorIs(t, e.r.Check(t.Context(), e.named(revocation.Named{Subject: "ann", Session: one, Token: "late"})), revocation.ErrRevoked)
}

func TestNoHandle(t *testing.T) {
	e := newEnv(t)
	for _, handle := range []string{"", "x", one[:21], one + "A", one[:21] + "B"} {
		c, err := e.r.Credential(revocation.Named{Subject: "ann", Session: handle, Token: "jti"})
		require.ErrorIs(t, err, revocation.ErrNoHandle)
		require.Zero(t, c)
		require.ErrorIs(t, e.r.RevokeSession(t.Context(), "ann", handle), revocation.ErrNoHandle)
	}
	require.ErrorIs(t, e.r.RevokeToken(t.Context(), "ann", "", noon), revocation.ErrNoHandle)
	require.Empty(t, e.store.calls)
	require.Empty(t, e.events)
}

// An authentic credential with an epoch that the store does not know proves that
// the store forgot a revocation.
func TestLostEpochIsPutBack(t *testing.T) {
	e := newEnv(t)
	const epoch = 1_000_000
	require.NoError(t, e.check("ann", one, epoch))
	require.Equal(t, []string{"revoked", "restore"}, e.store.calls)
	require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
	e.told(audit.Event{Name: audit.EpochRestored, Subject: "ann", Session: one})
	require.EqualValues(t, epoch, e.epoch("ann"))
	require.ErrorIs(t, e.check("ann", two, epoch-1), revocation.ErrRevoked, "what it had revoked is revoked again")

	e.quiet()
	require.NoError(t, e.check("ann", one, epoch))
	require.Equal(t, []string{"revoked"}, e.store.calls)
	require.Empty(t, e.events)

	t.Run("the store refuses", func(t *testing.T) {
		e := newEnv(t)
		e.store.before = func() {
			if len(e.store.calls) == 2 {
				e.store.err = errDown
			}
		}
		err := e.check("ann", one, epoch)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.NotErrorIs(t, err, revocation.ErrRevoked)
		require.Len(t, e.events, 1)
		require.Equal(t, audit.StoreFailed, e.events[0].Name)
	})
}

// The store did not answer: that is neither "revoked" nor "not revoked".
func TestUnknown(t *testing.T) {
	for _, tc := range []struct {
		name    string
		call    string
		session string
		do      func(e *env) error
	}{
		{"Epoch", "revoked", "", func(e *env) error {
			epoch, err := e.r.Epoch(e.t.Context(), "ann")
			require.Zero(e.t, epoch)
			return err
		}},
		{"Check", "revoked", one, func(e *env) error { return e.check("ann", one, 0) }},
		{"Sight", "sight", one, func(e *env) error {
			return e.r.Sight(e.t.Context(), e.named(revocation.Named{Subject: "ann", Session: one, Answer: revocation.Answer{Generation: 1, Stamp: 1}}))
		}},
		{"LogoutEverywhere", "raise", "", func(e *env) error { return e.r.LogoutEverywhere(e.t.Context(), "ann") }},
		{"PasswordChanged", "raise", "", func(e *env) error { return e.r.PasswordChanged(e.t.Context(), "ann") }},
		{"SubjectDisabled", "raise", "", func(e *env) error { return e.r.SubjectDisabled(e.t.Context(), "ann") }},
		{"RevokeToken", "deny", "", func(e *env) error { return e.r.RevokeToken(e.t.Context(), "ann", "jti", noon.Add(time.Hour)) }},
		{"RevokeSession", "deny", one, func(e *env) error { return e.r.RevokeSession(e.t.Context(), "ann", one) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t)
			e.store.err = errDown
			err := tc.do(e)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, err, errDown)
			require.NotErrorIs(t, err, revocation.ErrRevoked)
			require.Equal(t, []string{tc.call}, e.store.calls)
			require.Len(t, e.events, 1)
			require.ErrorIs(t, e.events[0].Err, errDown)
			e.events[0].Err = nil
			e.told(audit.Event{Name: audit.StoreFailed, Cause: audit.CauseError, Subject: "ann", Session: tc.session})
			e.store.err = nil
			require.NoError(t, tc.do(e))
		})
	}
}

// Every call has an end; a write goes on when who asked for it has hung up.
func TestContexts(t *testing.T) {
	gone, hangUp := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
	hangUp()
	credential := func(r *revocation.Registry) *revocation.Credential {
		c, err := r.Credential(revocation.Named{Subject: "ann", Session: one, Answer: revocation.Answer{Generation: 1, Stamp: 1}})
		require.NoError(t, err)
		return &c
	}
	for _, tc := range []struct {
		name  string
		write bool
		do    func(r *revocation.Registry) error
	}{
		{"Epoch", false, func(r *revocation.Registry) error {
			_, err := r.Epoch(gone, "ann")
			return err
		}},
		{"Check", false, func(r *revocation.Registry) error { return r.Check(gone, credential(r)) }},
		{"Sight", true, func(r *revocation.Registry) error { return r.Sight(gone, credential(r)) }},
		{"LogoutEverywhere", true, func(r *revocation.Registry) error { return r.LogoutEverywhere(gone, "ann") }},
		{"PasswordChanged", true, func(r *revocation.Registry) error { return r.PasswordChanged(gone, "ann") }},
		{"SubjectDisabled", true, func(r *revocation.Registry) error { return r.SubjectDisabled(gone, "ann") }},
		{"RevokeToken", true, func(r *revocation.Registry) error { return r.RevokeToken(gone, "ann", "jti", noon) }},
		{"RevokeSession", true, func(r *revocation.Registry) error { return r.RevokeSession(gone, "ann", one) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t)
			var left time.Duration
			e.store.before = func() {
				deadline, ok := e.store.ctx.Deadline()
				require.True(t, ok)
				left = time.Until(deadline)
			}
			err := tc.do(e.r)
			if tc.write {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, core.ErrUnknown)
				require.ErrorIs(t, err, context.Canceled)
			}
			require.Positive(t, left)
			require.LessOrEqual(t, left, 2*time.Second)
			require.Equal(t, "kept", e.store.ctx.Value(ctxKey{}))
			require.Error(t, e.store.ctx.Err(), "nothing is left to run out")
		})
	}
}

type ctxKey struct{}

// A revocation is remembered for Lifetime.
func TestLifetime(t *testing.T) {
	e := newEnv(t)
	var err error
	e.r, err = revocation.New(e.store, revocation.Config{Secret: secret, Lifetime: time.Hour, Now: func() time.Time { return e.at }})
	require.NoError(t, err)
	require.NoError(t, e.r.RevokeSession(t.Context(), "ann", one))
	e.at = noon.Add(time.Hour - time.Second)
	require.ErrorIs(t, e.check("ann", one, 0), revocation.ErrRevoked)
	e.at = noon.Add(time.Hour + time.Second)
	require.NoError(t, e.check("ann", one, 0), "what it could have stopped has expired")
	require.Empty(t, e.events, "without a sink nothing is told")
}

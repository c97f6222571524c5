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

// spy is a store that can be made to fail and keeps what it was given.
type spy struct {
	*memstore.Store
	err    error
	calls  []string
	until  time.Time
	ctx    context.Context
	before func()
}

func (s *spy) enter(ctx context.Context, op string) error {
	s.calls, s.ctx = append(s.calls, op), ctx
	if s.before != nil {
		s.before()
	}
	return errors.Join(s.err, ctx.Err())
}

func (s *spy) Revoked(ctx context.Context, o revocation.Owner, h revocation.Handle) (uint64, bool, error) {
	if err := s.enter(ctx, "revoked"); err != nil {
		return 9, true, err
	}
	return s.Store.Revoked(ctx, o, h)
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
	e.r, err = revocation.New(e.store, revocation.Config{
		App: "shop", Secret: secret, Now: now,
		Audit: audit.SinkFunc(func(_ context.Context, ev audit.Event) { e.events = append(e.events, ev) }),
	})
	require.NoError(t, err)
	return e
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
	require.NoError(t, e.r.RevokeSubject(t.Context(), "ann"))
	first := e.epoch("ann")
	require.EqualValues(t, noon.UnixMicro(), first)
	require.NoError(t, e.r.RevokeSubject(t.Context(), "ann"))
	require.Equal(t, first+1, e.epoch("ann"), "at the same moment, too")
	require.Zero(t, e.epoch("bob"))
}

func TestRevokeSubject(t *testing.T) {
	e := newEnv(t)
	check := func(subject, handle string, epoch uint64) error {
		return e.r.Check(t.Context(), subject, handle, epoch)
	}
	require.NoError(t, check("ann", one, 0))
	e.quiet()
	require.NoError(t, e.r.RevokeSubject(t.Context(), "ann"))
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

func TestRevokeSession(t *testing.T) {
	e := newEnv(t)
	require.NoError(t, e.r.RevokeSession(t.Context(), "ann", one))
	require.Equal(t, []string{"deny"}, e.store.calls)
	require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
	e.told(audit.Event{Name: audit.SessionDenied, Subject: "ann", Session: one})
	require.ErrorIs(t, e.r.Check(t.Context(), "ann", one, 0), revocation.ErrRevoked)
	require.NoError(t, e.r.Check(t.Context(), "ann", two, 0))
	require.NoError(t, e.r.Check(t.Context(), "bob", one, 0), "a handle counts with its subject")
	require.Zero(t, e.epoch("ann"))
	require.ErrorIs(t, e.r.Check(t.Context(), "ann", one, 7), revocation.ErrRevoked, "whatever its epoch")
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
	require.Empty(t, e.events)
	require.NoError(t, e.r.Check(t.Context(), "ann", one, 0))
	require.NoError(t, e.r.RevokeSession(t.Context(), "bob", one))
}

func TestNoHandle(t *testing.T) {
	e := newEnv(t)
	for _, handle := range []string{"", "x", one[:21], one + "A", one[:21] + "B"} {
		require.ErrorIs(t, e.r.Check(t.Context(), "ann", handle, 0), revocation.ErrNoHandle)
		require.ErrorIs(t, e.r.RevokeSession(t.Context(), "ann", handle), revocation.ErrNoHandle)
	}
	require.Empty(t, e.store.calls)
	require.Empty(t, e.events)
}

// An authentic credential with an epoch that the store does not know proves that
// the store forgot a revocation.
func TestLostEpochIsPutBack(t *testing.T) {
	e := newEnv(t)
	const epoch = 1_000_000
	require.NoError(t, e.r.Check(t.Context(), "ann", one, epoch))
	require.Equal(t, []string{"revoked", "restore"}, e.store.calls)
	require.Equal(t, noon.Add(7*24*time.Hour), e.store.until)
	e.told(audit.Event{Name: audit.EpochRestored, Subject: "ann", Session: one})
	require.EqualValues(t, epoch, e.epoch("ann"))
	require.ErrorIs(t, e.r.Check(t.Context(), "ann", two, epoch-1), revocation.ErrRevoked, "what it had revoked is revoked again")

	e.quiet()
	require.NoError(t, e.r.Check(t.Context(), "ann", one, epoch))
	require.Equal(t, []string{"revoked"}, e.store.calls)
	require.Empty(t, e.events)

	t.Run("the store refuses", func(t *testing.T) {
		e := newEnv(t)
		e.store.before = func() {
			if len(e.store.calls) == 2 {
				e.store.err = errDown
			}
		}
		err := e.r.Check(t.Context(), "ann", one, epoch)
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
		{"Check", "revoked", one, func(e *env) error { return e.r.Check(e.t.Context(), "ann", one, 0) }},
		{"RevokeSubject", "raise", "", func(e *env) error { return e.r.RevokeSubject(e.t.Context(), "ann") }},
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
	for _, tc := range []struct {
		name  string
		write bool
		do    func(r *revocation.Registry) error
	}{
		{"Epoch", false, func(r *revocation.Registry) error {
			_, err := r.Epoch(gone, "ann")
			return err
		}},
		{"Check", false, func(r *revocation.Registry) error { return r.Check(gone, "ann", one, 0) }},
		{"RevokeSubject", true, func(r *revocation.Registry) error { return r.RevokeSubject(gone, "ann") }},
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
	require.ErrorIs(t, e.r.Check(t.Context(), "ann", one, 0), revocation.ErrRevoked)
	e.at = noon.Add(time.Hour + time.Second)
	require.NoError(t, e.r.Check(t.Context(), "ann", one, 0), "what it could have stopped has expired")
	require.Empty(t, e.events, "without a sink nothing is told")
}

package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// The store fails before, during or after it decides: nothing of it is a verdict about
// the client, and the same token is answered when the store is back.
func TestStoreFails(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		for _, f := range []fault{before, after, lost} {
			for _, op := range []string{"find", "rotate"} {
				if op == "find" && wired {
					continue // is not called
				}
				t.Run(fmt.Sprint(op, " ", f), func(t *testing.T) {
					e := newEnv(t, func(c *refresh.Config) {
						if c.StoreTimeout = 5 * time.Millisecond; !wired {
							c.Wired = nil
						}
					})
					first := e.login()
					e.pass(time.Hour)
					e.quiet()
					e.store.faults[op] = f
					tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
					require.ErrorIs(t, err, core.ErrUnknown)
					require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
					require.Zero(t, tokens)
					require.Len(t, e.events, 1)
					require.Equal(t, audit.StoreFailed, e.events[0].Name)
					require.Equal(t, audit.CauseError, e.events[0].Cause)
					if f == lost {
						require.ErrorIs(t, err, context.DeadlineExceeded)
					} else {
						require.ErrorIs(t, e.events[0].Err, errDown)
					}
					e.store.faults[op] = none
					e.events = nil
					e.pass(grace)
					second := e.refresh(first.Refresh)
					require.NotEmpty(t, second.Refresh)
					want := "refresh_token_rotated rotated"
					if op == "rotate" && f != before {
						want = "refresh_token_rotated repeated"
					}
					e.told(first.Principal.Session, want)
					e.pass(time.Hour)
					require.NotEmpty(t, e.refresh(second.Refresh).Refresh)
				})
			}
		}
	})
}

// A write that nobody remembers is made good by the token that proves it (DR1).
func TestStoreForgets(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		e := newEnv(t, func(c *refresh.Config) {
			if !wired {
				c.Wired = nil
			}
		})
		first := e.login()
		e.pass(time.Minute)
		e.store.faults["rotate"] = forgot
		second := e.refresh(first.Refresh)
		require.NotEmpty(t, second.Refresh)
		if wired {
			require.NoError(t, e.use(e.issuer.last()), "an access token of a generation that the store does not know")
		}
		e.store.faults["rotate"] = none
		e.pass(time.Hour)
		e.events = nil
		got := e.refresh(second.Refresh)
		require.Empty(t, got.Refresh)
		e.told(first.Principal.Session, "refresh_token_rotated recovered")
		e.pass(2 * time.Minute)
		third := e.refresh(second.Refresh)
		require.NotEmpty(t, third.Refresh)
		require.NotEqual(t, second.Refresh, third.Refresh)
		e.pass(time.Hour)
		e.refused(first.Refresh, "reuse:older")
	})
}

// A failover that lost a rotation, and the old token comes again: it rotates once more,
// to the very same successor.
func TestStoreForgetsAndIsAskedAgain(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	e.pass(time.Minute)
	e.store.faults["rotate"] = forgot
	second := e.refresh(first.Refresh)
	e.store.faults["rotate"] = none
	e.pass(time.Second)
	require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh, "never two live successors")
}

// Signing fails after the decision: nobody saw its answer, and the retry gets the same
// token.
func TestSigningFails(t *testing.T) {
	away := errors.New("the KMS is away")
	for _, fails := range []error{away, fmt.Errorf("%w: %w", core.ErrUnknown, away)} {
		e := newEnv(t)
		first := e.login()
		e.pass(time.Hour)
		e.quiet()
		e.issuer.err = fails
		tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, away)
		require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
		require.Zero(t, tokens)
		require.Equal(t, []string{"rotate"}, e.store.calls)
		e.told(first.Principal.Session, "refresh_token_rotated rotated", "refresh_token_refused error")

		e.issuer.err = nil
		e.pass(23 * time.Hour)
		second := e.refresh(first.Refresh)
		e.told(first.Principal.Session, "refresh_token_rotated late-repeat")
		e.pass(time.Second)
		require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh)
	}
	// Unwired there is no late repeat, so what can fail comes first.
	e := newEnv(t, unwired)
	first := e.login()
	e.pass(time.Hour)
	e.quiet()
	e.issuer.err = away
	tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorIs(t, err, away)
	require.Zero(t, tokens)
	require.Equal(t, []string{"find"}, e.store.calls, "nothing is consumed")
	e.told(first.Principal.Session, "refresh_token_refused error")
	e.issuer.err = nil
	e.pass(24 * time.Hour)
	require.NotEmpty(t, e.refresh(first.Refresh).Refresh)
	e.told(first.Principal.Session, "refresh_token_rotated rotated")
}

// No room for a void: the answer that it would have allowed is not given, and nothing
// has changed.
func TestNoRoomForAVoid(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	e.refresh(first.Refresh)
	e.pass(time.Hour)
	for i := range revocation.MaxDenied {
		require.NoError(t, e.registry.RevokeSession(t.Context(), "ann", revocation.Handle{1, byte(i)}.String()))
	}
	_, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.ErrorIs(t, err, revocation.ErrFull)
	e.pass(7 * 24 * time.Hour)
	e.refused(first.Refresh, "late-unconfirmed")
}

// A refresh is not undone by a client that hangs up: it would have lost the token with
// the answer.
func TestRefreshContext(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	gone, hangUp := context.WithCancel(context.WithValue(t.Context(), ctxKey{}, "kept"))
	hangUp()
	e.store.ctx = nil
	_, err := e.r.Refresh(gone, first.Refresh, nil, here)
	require.NoError(t, err)
	e.bounded()

	e.r = e.another(unwired)
	e.pass(time.Hour)
	_, err = e.r.Refresh(gone, first.Refresh, nil, here)
	require.ErrorIs(t, err, context.Canceled, "what is only read is not read for nobody")
	require.ErrorIs(t, err, core.ErrUnknown)
	e.bounded()
}

// local is a spy that answers out of memory.
type local struct{ *spy }

func (local) LocalStore() {}

// A timer for each look into a map would cost more than the look.
func TestNoTimerForALocalStore(t *testing.T) {
	mem, err := memstore.New(memstore.Config{})
	require.NoError(t, err)
	s := &spy{Store: mem, now: time.Now}
	registry := registryOf(t, local{s})
	d := &directory{}
	r, err := refresh.New(registry, refresh.Config{Issuer: silent{lifetime: time.Minute}, SubjectStatus: d.ask})
	require.NoError(t, err)
	ctx := context.WithValue(t.Context(), ctxKey{}, "this")
	direct := func() {
		t.Helper()
		require.NotEmpty(t, s.calls)
		require.Equal(t, ctx, s.ctx)
		s.calls, s.ctx = nil, nil
	}
	first, err := r.Login(ctx, ann(), here)
	require.NoError(t, err)
	direct()
	_, err = r.Refresh(ctx, first.Refresh, nil, here)
	require.NoError(t, err)
	direct()
	_, err = r.Families(ctx, "ann")
	require.NoError(t, err)
	direct()
	_, err = r.Family(ctx, first.Refresh)
	require.NoError(t, err)
	direct()
	require.NoError(t, r.RevokeFamily(ctx, "ann", revocation.Handle{1}.String()))
	direct()
	_, err = r.Logout(ctx, first.Refresh, here)
	require.NoError(t, err)
	direct()
}

// Without a sink nothing is told and everything works.
func TestNoAudit(t *testing.T) {
	e := newEnv(t, func(c *refresh.Config) { c.Audit = nil })
	first := e.login()
	require.NotEmpty(t, e.refresh(first.Refresh).Refresh)
	e.refused(first.Refresh[1:], "shape")
	e.store.faults["rotate"] = before
	_, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.Empty(t, e.events)
}

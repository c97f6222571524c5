package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func TestCheckAsks(t *testing.T) {
	e := newEnv(t)
	e.store.found = &revocation.Found{}
	session, _ := revocation.ParseHandle(one)
	for _, tc := range []struct {
		desc string
		n    revocation.Named
		want revocation.Asked
	}{
		{"a session", revocation.Named{Subject: "ann", Session: one}, revocation.Asked{Session: session}},
		{"a token", revocation.Named{Subject: "ann", Session: one, Token: jti}, revocation.Asked{Session: session, Token: revocation.TokenHandle(jti)}},
		{"a token of a family", revocation.Named{Subject: "ann", Session: one, Token: jti, Answer: revocation.Answer{Generation: 7, Stamp: 9}},
			revocation.Asked{Session: session, Token: revocation.TokenHandle(jti), Generation: 7}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e.quiet()
			require.NoError(t, e.r.Check(t.Context(), e.named(tc.n)))
			require.Equal(t, tc.want, e.store.asked)
			require.Equal(t, []string{"revoked"}, e.store.calls)
		})
	}
}

func TestCheckDecides(t *testing.T) {
	const epoch, stamp = 1000, 500
	for _, tc := range []struct {
		desc    string
		found   revocation.Found
		want    error
		restore bool
	}{
		{"nothing", revocation.Found{Epoch: epoch}, nil, false},
		{"denied", revocation.Found{Epoch: epoch, Denied: true}, revocation.ErrRevoked, false},
		{"epoch one higher", revocation.Found{Epoch: epoch + 1}, revocation.ErrRevoked, false},
		{"epoch one lower", revocation.Found{Epoch: epoch - 1}, nil, true},
		{"epoch lost", revocation.Found{}, nil, true},
		{"denied, epoch lost", revocation.Found{Denied: true}, revocation.ErrRevoked, false},
		{"floor one below", revocation.Found{Epoch: epoch, Floor: stamp - 1}, nil, false},
		{"floor of this very answer", revocation.Found{Epoch: epoch, Floor: stamp}, nil, false},
		{"floor one above", revocation.Found{Epoch: epoch, Floor: stamp + 1}, revocation.ErrRevoked, false},
		{"floor one above, epoch lost", revocation.Found{Floor: stamp + 1}, revocation.ErrRevoked, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			e.store.found = &tc.found
			err := e.r.Check(t.Context(), e.named(revocation.Named{
				Subject: "ann", Session: one, Epoch: epoch, Answer: revocation.Answer{Generation: 2, Stamp: stamp},
			}))
			require.Equal(t, tc.want, err)
			if tc.restore {
				require.Equal(t, []string{"revoked", "restore"}, e.store.calls)
				e.told(audit.Event{Name: audit.EpochRestored, Subject: "ann", Session: one})
				return
			}
			require.Equal(t, []string{"revoked"}, e.store.calls)
			require.Empty(t, e.events)
		})
	}
}

func TestSight(t *testing.T) {
	e := newEnv(t)
	family, _ := revocation.ParseHandle(one)
	answer := revocation.Answer{Generation: 3, Stamp: 1 << 50}
	c := e.named(revocation.Named{Subject: "ann", Session: one, Epoch: 4, Token: jti, Answer: answer})
	require.NoError(t, e.r.Sight(t.Context(), c))
	require.Equal(t, []string{"sight"}, e.store.calls)
	require.Equal(t, sighting{e.r.Owner("ann"), family, answer}, e.store.seen)
	require.Empty(t, e.events)

	for _, tc := range []struct {
		desc  string
		store error
	}{
		{"the family has ended", revocation.ErrEnded},
		{"the answer is void", revocation.ErrVoid},
		{"wrapped", fmt.Errorf("shard 7: %w", revocation.ErrVoid)},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e.store.sight = tc.store
			err := e.r.Sight(t.Context(), c)
			require.Equal(t, revocation.ErrRevoked, err)
			require.Empty(t, e.events, "a refusal is told by who makes it")
		})
	}
}

// What came from no family has nothing to confirm, and no store is asked about it: not
// even one that keeps none.
func TestSightOfATokenWithoutAFamily(t *testing.T) {
	e := newEnv(t)
	e.store.sight = revocation.ErrEnded
	c := e.named(revocation.Named{Subject: "ann", Session: one, Token: jti})
	require.NoError(t, e.r.Sight(t.Context(), c))
	require.Empty(t, e.store.calls)
	require.NoError(t, e.registry(struct{ revocation.Store }{e.store}).Sight(t.Context(), c))
	require.Empty(t, e.store.calls)
	require.Empty(t, e.events)
}

// A store without families cannot be that of who issued the token. To let it pass would
// be to leave a thief's use of it unseen.
func TestSightWithoutAWitness(t *testing.T) {
	e := newEnv(t)
	r := e.registry(struct{ revocation.Store }{e.store})
	c, err := r.Credential(revocation.Named{Subject: "ann", Session: one, Answer: revocation.Answer{Generation: 1, Stamp: 1}})
	require.NoError(t, err)
	err = r.Sight(t.Context(), &c)
	require.ErrorIs(t, err, revocation.ErrNoWitness)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.NotErrorIs(t, err, revocation.ErrRevoked)
	require.Empty(t, e.store.calls)
	e.told(audit.Event{Name: audit.StoreFailed, Cause: audit.CauseError, Subject: "ann", Session: one, Err: revocation.ErrNoWitness})
}

// local is a spy that answers out of memory.
type local struct{ *spy }

func (local) LocalStore() {}

var (
	_ revocation.Witness = (*spy)(nil)
	_ revocation.Local   = local{}
)

// A timer for each look into a map would cost more than the look.
func TestNoTimerForALocalStore(t *testing.T) {
	e := newEnv(t)
	e.r = e.registry(local{e.store})
	ctx := context.WithValue(t.Context(), ctxKey{}, "this")
	e.store.before = func() {
		_, timer := e.store.ctx.Deadline()
		require.False(t, timer, e.store.calls)
		require.Equal(t, ctx, e.store.ctx)
	}
	c := e.named(revocation.Named{Subject: "ann", Session: one, Epoch: 1, Answer: revocation.Answer{Generation: 1, Stamp: 1}})
	require.NoError(t, e.r.Sight(ctx, c))
	require.NoError(t, e.r.Check(ctx, c))
	_, err := e.r.Epoch(ctx, "ann")
	require.NoError(t, err)
	require.NoError(t, e.r.LogoutEverywhere(ctx, "ann"))
	require.NoError(t, e.r.RevokeSession(ctx, "ann", one))
	require.NoError(t, e.r.RevokeToken(ctx, "ann", jti, noon))
	require.Equal(t, []string{"sight", "revoked", "restore", "revoked", "raise", "deny", "deny"}, e.store.calls)
}

func TestRegistryTells(t *testing.T) {
	e := newEnv(t)
	require.Equal(t, "shop", e.r.App())
	require.Same(t, e.store, e.r.Store())
	r, err := revocation.New(e.store, revocation.Config{})
	require.NoError(t, err)
	require.Equal(t, "app", r.App())
}

// A mark stands in every family record: this vector must never change.
func TestMark(t *testing.T) {
	r := registryOf(t, "app", secret)
	mark := r.Mark("refresh binding", "web", "device")
	require.Equal(t, "3c231ba0ad5e41fbff29309229e87540", fmt.Sprintf("%x", mark))
	require.Equal(t, mark, registryOf(t, "app", secret).Mark("refresh binding", "web", "device"))
	require.NotEqual(t, mark, registryOf(t, "apps", secret).Mark("refresh binding", "web", "device"))
	require.NotEqual(t, mark, r.Mark("refresh bindin", "gweb", "device"))
}

// memory is what a registry on the embedded store has to look into.
func memory(t testing.TB) (*revocation.Registry, *revocation.Credential) {
	store, err := memstore.New(memstore.Config{})
	require.NoError(t, err)
	r, err := revocation.New(store, revocation.Config{Secret: secret})
	require.NoError(t, err)
	for i := range 1000 {
		require.NoError(t, r.LogoutEverywhere(t.Context(), fmt.Sprint("user ", i)))
	}
	for i := range 8 {
		require.NoError(t, r.RevokeSession(t.Context(), "user 7", revocation.Handle{byte(i), 9}.String()))
	}
	epoch, err := r.Epoch(t.Context(), "user 7")
	require.NoError(t, err)
	c, err := r.Credential(revocation.Named{
		Subject: "user 7", Session: one, Epoch: epoch, Token: jti, Answer: revocation.Answer{Generation: 1, Stamp: 1},
	})
	require.NoError(t, err)
	require.NoError(t, r.Check(t.Context(), &c))
	return r, &c
}

// What every request with a token costs must not be garbage.
func TestAllocations(t *testing.T) {
	r, c := memory(t)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Check(ctx, c) }))
	require.NoError(t, r.LogoutEverywhere(ctx, "user 7"))
	require.ErrorIs(t, r.Check(ctx, c), revocation.ErrRevoked)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Check(ctx, c) }), "nor a refusal")
	none, err := r.Credential(revocation.Named{Subject: "user 7", Session: one})
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = r.Sight(ctx, &none) }))
}

func BenchmarkCheck(b *testing.B) {
	r, c := memory(b)
	stranger, err := r.Credential(revocation.Named{Subject: "nobody", Session: one})
	require.NoError(b, err)
	for _, row := range []struct {
		name string
		c    *revocation.Credential
	}{{"subject with denials", c}, {"subject without", &stranger}} {
		b.Run(row.name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Check(ctx, row.c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Nothing may stand for two of what a check can come to.
func TestAnswersAreDistinct(t *testing.T) {
	all := []error{
		revocation.ErrRevoked, revocation.ErrNoHandle, revocation.ErrFull, revocation.ErrEnded, revocation.ErrVoid,
		revocation.ErrNoWitness, core.ErrUnknown,
	}
	for i, a := range all {
		for j, b := range all {
			require.Equal(t, i == j, errors.Is(a, b))
		}
	}
}

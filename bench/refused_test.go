package bench

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// counted is a store that counts what it is asked about families and revocations.
type counted struct {
	*memstore.Store
	calls atomic.Int64
}

func (c *counted) Revoked(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	c.calls.Add(1)
	return c.Store.Revoked(ctx, owner, a)
}

func (c *counted) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	c.calls.Add(1)
	return c.Store.RaiseEpoch(ctx, owner, until)
}

func (c *counted) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	c.calls.Add(1)
	return c.Store.RestoreEpoch(ctx, owner, epoch, until)
}

func (c *counted) Deny(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
	c.calls.Add(1)
	return c.Store.Deny(ctx, owner, h, until)
}

func (c *counted) Sight(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	c.calls.Add(1)
	return c.Store.Sight(ctx, owner, family, a)
}

func (c *counted) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	c.calls.Add(1)
	return c.Store.CreateFamily(ctx, f, limit)
}

func (c *counted) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	c.calls.Add(1)
	return c.Store.FindFamily(ctx, key)
}

func (c *counted) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	c.calls.Add(1)
	return c.Store.Rotate(ctx, key, p)
}

func (c *counted) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	c.calls.Add(1)
	return c.Store.EndFamily(ctx, key, rules)
}

func (c *counted) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	c.calls.Add(1)
	return c.Store.Families(ctx, owner)
}

// A worthless token is made from a good one.
var worthless = []struct {
	name string
	make func(good string) string
	err  error
}{
	{"forged", withBadMAC, refresh.ErrInvalidGrant},
	{"truncated", func(good string) string { return good[:len(good)-1] }, refresh.ErrInvalidGrant},
	{"extended", func(good string) string { return good + "A" }, refresh.ErrInvalidGrant},
	{"1MB", func(good string) string { return good + strings.Repeat("A", 1<<20-len(good)) }, refresh.ErrInvalidGrant},
	// Of a secret that this node has not got: no verdict about the client.
	{"unknown-secret", func(good string) string { return good[:6] + other(good[6]) + good[7:] }, refresh.ErrSecret},
}

// withBadMAC changes a token's MAC to another one of the same form.
func withBadMAC(good string) string { return good[:60] + other(good[60]) + good[61:] }

// other is another character of the alphabet.
func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func countedRotator(tb testing.TB) (*counted, *families) {
	store := &counted{Store: memoryStore(tb)}
	f := logins(tb, rotatorOf(tb, registryOf(tb, store), unsigned{lifetime: accessLife}, quick), 1)
	return store, f
}

// TestRefused shows that the tokens are refused for what their names say, and that the
// store would have counted a call.
func TestRefused(t *testing.T) {
	store, f := countedRotator(t)
	require.EqualValues(t, 1, store.calls.Swap(0), "the login")
	good := f.tokens[0].Refresh
	for _, w := range worthless {
		t.Run(w.name, func(t *testing.T) {
			_, err := f.r.Refresh(t.Context(), w.make(good), nil, from)
			require.ErrorIs(t, err, w.err)
			require.Zero(t, store.calls.Load())
		})
	}
	require.NoError(t, f.rotate(t.Context(), 0))
	require.EqualValues(t, 1, store.calls.Load())
}

// BenchmarkRefused refuses tokens.
func BenchmarkRefused(b *testing.B) {
	for _, w := range worthless {
		b.Run(w.name, func(b *testing.B) {
			store, f := countedRotator(b)
			raw, ctx := strings.Clone(w.make(f.tokens[0].Refresh)), b.Context()
			store.calls.Store(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.r.Refresh(ctx, raw, nil, from); err == nil {
					b.Fatal("the token was accepted")
				}
			}
			b.ReportMetric(float64(store.calls.Load())/float64(b.N), "store-calls/op")
		})
	}
}

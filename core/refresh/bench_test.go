package refresh_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// silent is an issuer that costs nothing.
type silent struct{ lifetime time.Duration }

func (silent) IssueAnswer(_ context.Context, _ core.Principal, _ string, _ revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	return "access", notAfter, nil
}

func (silent) Audience() string          { return audience }
func (s silent) Lifetime() time.Duration { return s.lifetime }

// ticking is a clock on which every refresh is past the windows of the one before it.
func ticking() func() time.Time {
	now := noon
	return func() time.Time {
		now = now.Add(time.Microsecond)
		return now
	}
}

// quick returns a Rotator on memstore whose tokens rotate each time, and a first token.
func quick(t testing.TB) (*refresh.Rotator, string) {
	now := ticking()
	mem, err := memstore.New(memstore.Config{Now: now})
	require.NoError(t, err)
	registry, err := revocation.New(mem, revocation.Config{Secret: secretB})
	require.NoError(t, err)
	r, err := refresh.New(registry, refresh.Config{
		Issuer: silent{lifetime: time.Minute}, Wired: []string{audience}, Secrets: [][]byte{secretA, secretB}, Grace: -1, Now: now,
	})
	require.NoError(t, err)
	id := ann()
	id.Client = "web"
	first, err := r.Login(t.Context(), id, refresh.From{})
	require.NoError(t, err)
	return r, first.Refresh
}

func TestRefreshAllocates(t *testing.T) {
	r, token := quick(t)
	ctx, from := t.Context(), refresh.From{Client: "web"}
	rotate := func() {
		tokens, err := r.Refresh(ctx, token, nil, from)
		if err != nil || tokens.Refresh == "" {
			t.Fatal(err)
		}
		token = tokens.Refresh
	}
	// The least of many, because the race detector makes a pool forget some of what it
	// is given.
	least := testing.AllocsPerRun(1, rotate)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, rotate))
	}
	require.LessOrEqual(t, least, 12.0)
}

func BenchmarkRefresh(b *testing.B) {
	r, token := quick(b)
	ctx, from := b.Context(), refresh.From{Client: "web"}
	b.ReportAllocs()
	for b.Loop() {
		tokens, err := r.Refresh(ctx, token, nil, from)
		if err != nil || tokens.Refresh == "" {
			b.Fatal(err)
		}
		token = tokens.Refresh
	}
}

// What costs an attacker nothing must cost next to nothing here.
func BenchmarkForged(b *testing.B) {
	r, token := quick(b)
	for _, row := range []struct{ name, token string }{
		{"MAC", forge(token)}, {"truncated", token[:80]}, {"empty", ""},
	} {
		b.Run(row.name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Refresh(ctx, row.token, nil, refresh.From{}); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

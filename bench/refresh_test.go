package bench

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

const clientID = "web"

// from is where every refresh comes from.
var from = refresh.From{Client: clientID}

// visitor is what the family of user i is made of.
func visitor(i int) refresh.Identity {
	return refresh.Identity{
		Subject: user(i), Roles: []string{"editor", "viewer"}, Scopes: []string{"orders:read", "orders:write"},
		Client: clientID, Method: "password", Device: "Firefox on Linux",
	}
}

// unsigned is an issuer that signs nothing, so that what is left is the rotation.
type unsigned struct {
	lifetime time.Duration
	last     *revocation.Answer // of the latest token, if not nil
}

func (u unsigned) Audience() string        { return audience }
func (u unsigned) Lifetime() time.Duration { return u.lifetime }

func (u unsigned) IssueAnswer(_ context.Context, _ core.Principal, _ string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	if u.last != nil {
		*u.last = a
	}
	return "access", notAfter, nil
}

const accessLife = 15 * time.Minute

// quick says that no token is too young to be replaced: the same decision and the same
// writing as after half an hour.
const quick time.Duration = -1

func registryOf(tb testing.TB, store revocation.Store) *revocation.Registry {
	r, err := revocation.New(store, revocation.Config{Secret: secret()})
	require.NoError(tb, err)
	return r
}

func rotatorOf(tb testing.TB, registry *revocation.Registry, issues refresh.Issuer, grace time.Duration) *refresh.Rotator {
	r, err := refresh.New(registry, refresh.Config{
		Issuer: issues, Wired: []string{audience}, Secrets: [][]byte{secret()}, Grace: grace,
	})
	require.NoError(tb, err)
	return r
}

// memoryRotator keeps families in memory.
func memoryRotator(tb testing.TB, issues refresh.Issuer, grace time.Duration) *refresh.Rotator {
	return rotatorOf(tb, registryOf(tb, memoryStore(tb)), issues, grace)
}

func (alg *algorithm) issuer(tb testing.TB) *token.Issuer {
	i, err := token.NewIssuer(token.IssuerConfig{Name: issuer, Audience: audience, Keys: alg.key(tb).ring, Lifetime: accessLife})
	require.NoError(tb, err)
	return i
}

// families are logins whose tokens are rotated in turn, so that none is refreshed twice
// in a microsecond.
type families struct {
	r      *refresh.Rotator
	tokens []refresh.Tokens
	at     int
}

func logins(tb testing.TB, r *refresh.Rotator, n int) *families {
	f := &families{r: r, tokens: make([]refresh.Tokens, n)}
	for i := range f.tokens {
		tokens, err := r.Login(tb.Context(), visitor(i), refresh.From{})
		require.NoError(tb, err)
		f.tokens[i] = tokens
	}
	return f
}

var errNotRotated = errors.New("the answer has no new token")

// rotate refreshes family i.
func (f *families) rotate(ctx context.Context, i int) error {
	got, err := f.r.Refresh(ctx, f.tokens[i].Refresh, nil, from)
	if err != nil {
		return err
	}
	if got.Refresh == "" || got.Refresh == f.tokens[i].Refresh {
		return errNotRotated
	}
	f.tokens[i] = got
	return nil
}

func (f *families) next(ctx context.Context) error {
	f.at = (f.at + 1) % len(f.tokens)
	return f.rotate(ctx, f.at)
}

// rotations are the rows of BenchmarkRotate: each makes what is called.
var rotations = []struct {
	name string
	make func(tb testing.TB) func(ctx context.Context) error
}{
	{"unsigned", func(tb testing.TB) func(context.Context) error {
		return logins(tb, memoryRotator(tb, unsigned{lifetime: accessLife}, quick), population).next
	}},
	{"coalesced", func(tb testing.TB) func(context.Context) error {
		// The latest token again, so soon after it was made that it is kept.
		f := logins(tb, memoryRotator(tb, unsigned{lifetime: accessLife}, time.Minute), 1)
		require.NoError(tb, f.rotate(tb.Context(), 0))
		return answeredWith(f.r, f.tokens[0].Refresh, "")
	}},
	{"repeated", func(tb testing.TB) func(context.Context) error {
		// The one before, while the answer to it may be under way.
		f := logins(tb, memoryRotator(tb, unsigned{lifetime: accessLife}, time.Minute), 1)
		first := f.tokens[0].Refresh
		require.NoError(tb, f.rotate(tb.Context(), 0))
		return answeredWith(f.r, first, f.tokens[0].Refresh)
	}},
	{"ES256", func(tb testing.TB) func(context.Context) error {
		return logins(tb, memoryRotator(tb, es256.issuer(tb), quick), population).next
	}},
	{"issue-ES256", func(tb testing.TB) func(context.Context) error {
		// What of the row before is signing.
		i, p := es256.issuer(tb), logins(tb, memoryRotator(tb, unsigned{lifetime: accessLife}, quick), 1).tokens[0].Principal
		answer, end := revocation.Answer{Generation: 2, Stamp: uint64(time.Now().UnixMicro())}, time.Now().Add(24*time.Hour)
		return func(ctx context.Context) error {
			_, _, err := i.IssueAnswer(ctx, p, clientID, answer, end)
			return err
		}
	}},
}

// answeredWith presents the same token again and again; each answer has the refresh
// token want.
func answeredWith(r *refresh.Rotator, raw, want string) func(context.Context) error {
	return func(ctx context.Context) error {
		got, err := r.Refresh(ctx, raw, nil, from)
		if err == nil && got.Refresh != want {
			err = errors.New("the answer has another token")
		}
		return err
	}
}

// TestRotations runs every row more than once: a rotation whose second call fails would
// be fast.
func TestRotations(t *testing.T) {
	for _, row := range rotations {
		t.Run(row.name, func(t *testing.T) {
			call := row.make(t)
			for range 3 {
				require.NoError(t, call(t.Context()))
			}
		})
	}
}

// BenchmarkRotate is a Rotator alone, without a request.
func BenchmarkRotate(b *testing.B) {
	for _, row := range rotations {
		b.Run(row.name, func(b *testing.B) {
			call, ctx := row.make(b), b.Context()
			require.NoError(b, call(ctx))
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				if err := call(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

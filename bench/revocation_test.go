package bench

import (
	"context"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

// sid returns the handle of session i.
func sid(i int) string {
	var h revocation.Handle
	binary.BigEndian.PutUint64(h[:], uint64(i)+1)
	return h.String()
}

// credentialOf is what the token of user i says, made at the user's present epoch.
func credentialOf(tb testing.TB, r *revocation.Registry, i int) revocation.Credential {
	epoch, err := r.Epoch(tb.Context(), user(i))
	require.NoError(tb, err)
	c, err := r.Credential(revocation.Named{
		Subject: user(i), Session: sid(i), Epoch: epoch, Token: jti(i), Answer: revocation.Answer{Generation: 2, Stamp: 1 << 50},
	})
	require.NoError(tb, err)
	return c
}

// A lookup is a registry with something in it and those who ask it in turn.
type lookup struct {
	name   string
	revoke func(tb testing.TB, r *revocation.Registry, i int) // what is revoked of user i; nil: nothing
	users  int                                                // of whom it is
	askers func(i int) int                                    // the users who ask
	asking int                                                // how many they are
	want   error
}

func logoutEverywhere(tb testing.TB, r *revocation.Registry, i int) {
	require.NoError(tb, r.LogoutEverywhere(tb.Context(), user(i)))
}

func one(int) int { return 0 }

const million = 1_000_000

// spread visits users all over a million of them.
func spread(i int) int { return i * (million / population) }

var lookups = []lookup{
	{name: "nothing", askers: one, asking: 1},
	{name: "epoch", revoke: logoutEverywhere, users: 1, askers: one, asking: 1},
	{name: "denial", users: 1, askers: one, asking: 1, revoke: func(tb testing.TB, r *revocation.Registry, i int) {
		require.NoError(tb, r.RevokeSession(tb.Context(), user(i), sid(million)))
	}},
	{name: "denials-128", users: 1, askers: one, asking: 1, revoke: func(tb testing.TB, r *revocation.Registry, i int) {
		for k := range revocation.MaxDenied {
			require.NoError(tb, r.RevokeSession(tb.Context(), user(i), sid(million+k)))
		}
	}},
	{name: "revoked", users: 1, askers: one, asking: 1, want: revocation.ErrRevoked, revoke: func(tb testing.TB, r *revocation.Registry, i int) {
		require.NoError(tb, r.RevokeSession(tb.Context(), user(i), sid(i)))
	}},
	{name: "million-others", revoke: logoutEverywhere, users: million, asking: population, askers: func(i int) int { return million + i }},
	{name: "million", revoke: logoutEverywhere, users: million, asking: population, askers: spread},
}

// fewer is by how much a million is divided if short.
func (l lookup) fewer(short bool) int {
	if short && l.users == million {
		return 1000
	}
	return 1
}

// asker is the i-th user who asks.
func (l lookup) asker(i int, short bool) int {
	who := l.askers(i)
	if who < l.users {
		who /= l.fewer(short)
	}
	return who
}

// make fills the registry, with fewer than a million if short.
func (l lookup) make(tb testing.TB, short bool) (*revocation.Registry, []revocation.Credential) {
	r := registryOf(tb, memoryStore(tb))
	for i := range l.users / l.fewer(short) {
		l.revoke(tb, r, i)
	}
	creds := make([]revocation.Credential, l.asking)
	for i := range creds {
		creds[i] = credentialOf(tb, r, l.asker(i, short))
	}
	return r, creds
}

// TestLookups shows that each row is answered as it is meant to be, and that the registry
// holds what the row says.
func TestLookups(t *testing.T) {
	holds := map[string]int{
		"nothing": 0, "epoch": 1, "denial": 1, "denials-128": 128, "revoked": 1, "million-others": 1000, "million": 1000,
	}
	for _, l := range lookups {
		t.Run(l.name, func(t *testing.T) {
			r, creds := l.make(t, true)
			for i := range creds {
				require.Equal(t, l.want, r.Check(t.Context(), &creds[i]))
			}
			require.Equal(t, holds[l.name], r.Store().(*memstore.Store).Stats().Revocations)
			for i := range l.asking {
				epoch, err := r.Epoch(t.Context(), user(l.asker(i, true)))
				require.NoError(t, err)
				require.Equal(t, l.name == "epoch" || l.name == "million", epoch != 0)
			}
		})
	}
}

// BenchmarkCheck is what a request pays to know that its token is not revoked.
func BenchmarkCheck(b *testing.B) {
	for _, l := range lookups {
		b.Run(l.name, func(b *testing.B) {
			r, creds := l.make(b, testing.Short())
			ctx, i := b.Context(), 0
			runtime.GC()
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Check(ctx, &creds[i]); err != l.want {
					b.Fatal(err)
				}
				if i++; i == len(creds) {
					i = 0
				}
			}
		})
	}
	b.Run("cold-floor", func(b *testing.B) {
		_, creds := coldly(b)
		var sum int
		next := order(len(creds))
		b.ReportAllocs()
		for b.Loop() {
			c := creds[next()]
			sum += touch(&c)
		}
		runtime.KeepAlive(sum)
	})
	b.Run("cold", func(b *testing.B) {
		r, creds := coldly(b)
		ctx, next := b.Context(), order(len(creds))
		b.ReportAllocs()
		for b.Loop() {
			c := creds[next()]
			if err := r.Check(ctx, &c); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, row := range []struct {
		name  string
		wired bool
	}{{"verify-alone", false}, {"verify-wired", true}} {
		b.Run(row.name, func(b *testing.B) {
			_, verify := wiredVerify(b, row.wired)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// coldly is a million epochs, and a tenth of their subjects, in an order that no cache
// foresees, with the credential copied first: in a server it has just been looked up.
func coldly(b *testing.B) (*revocation.Registry, []revocation.Credential) {
	const asking = million / 10
	l := lookup{revoke: logoutEverywhere, users: million, asking: asking, askers: func(i int) int { return i * (million / asking) }}
	return l.make(b, testing.Short())
}

// order visits all of n, which shares no factor with the step.
func order(n int) func() int {
	const step = 7_919
	at := 0
	return func() int {
		at = (at + step) % n
		return at
	}
}

//go:noinline
func touch(c *revocation.Credential) int {
	if *c == (revocation.Credential{}) {
		return 1
	}
	return 0
}

// wiredVerify verifies an access token of user 0 that was verified before, by a Verifier
// with a registry or without.
func wiredVerify(tb testing.TB, wired bool) (*revocation.Registry, func(context.Context) error) {
	registry := registryOf(tb, memoryStore(tb))
	raw := logins(tb, rotatorOf(tb, registry, es256.issuer(tb), quick), 1).tokens[0].Access
	trusted := token.TrustedIssuer{Name: issuer, Algorithms: []token.Algorithm{token.ES256}, Keys: es256.key(tb).ring}
	if wired {
		trusted.Revocations = registry
	}
	v, err := token.NewVerifier(token.VerifierConfig{Audience: audience, Issuers: []token.TrustedIssuer{trusted}})
	require.NoError(tb, err)
	verify := func(ctx context.Context) error {
		_, err := v.Verify(ctx, raw)
		return err
	}
	require.NoError(tb, verify(tb.Context()))
	raw = strings.Clone(raw) // comparing a string with itself is free
	return registry, verify
}

// TestWiredVerify shows that the row with a registry asks it and the other one does not.
func TestWiredVerify(t *testing.T) {
	for _, wired := range []bool{false, true} {
		registry, verify := wiredVerify(t, wired)
		require.NoError(t, verify(t.Context()))
		logoutEverywhere(t, registry, 0)
		if wired {
			require.ErrorIs(t, verify(t.Context()), revocation.ErrRevoked)
		} else {
			require.NoError(t, verify(t.Context()))
		}
	}
}

// A sighting is made of families whose latest generation nobody has confirmed.
type sighting struct {
	f     *families
	last  revocation.Answer
	creds []revocation.Credential
}

func newSighting(tb testing.TB) *sighting {
	s := &sighting{creds: make([]revocation.Credential, population)}
	s.f = logins(tb, memoryRotator(tb, unsigned{lifetime: accessLife, last: &s.last}, quick), population)
	s.renew(tb)
	return s
}

// renew rotates every family, which makes its generation a new one.
func (s *sighting) renew(tb testing.TB) {
	for i := range s.creds {
		require.NoError(tb, s.f.rotate(tb.Context(), i))
		p := s.f.tokens[i].Principal
		c, err := s.f.r.Revocations().Credential(revocation.Named{
			Subject: p.Subject, Session: p.Session, Epoch: p.Epoch, Token: jti(i), Answer: s.last,
		})
		require.NoError(tb, err)
		s.creds[i] = c
	}
}

// BenchmarkSight is what the first request with an access token pays to be seen.
func BenchmarkSight(b *testing.B) {
	b.Run("first", func(b *testing.B) {
		s, ctx, next := newSighting(b), b.Context(), 0
		b.ReportAllocs()
		for b.Loop() {
			if next == len(s.creds) {
				b.StopTimer()
				s.renew(b)
				next = 0
				b.StartTimer()
			}
			if err := s.f.r.Revocations().Sight(ctx, &s.creds[next]); err != nil {
				b.Fatal(err)
			}
			next++
		}
	})
	b.Run("again", func(b *testing.B) {
		s, ctx, next := newSighting(b), b.Context(), 0
		for i := range s.creds {
			require.NoError(b, s.f.r.Revocations().Sight(ctx, &s.creds[i]))
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := s.f.r.Revocations().Sight(ctx, &s.creds[next]); err != nil {
				b.Fatal(err)
			}
			if next++; next == len(s.creds) {
				next = 0
			}
		}
	})
}

// TestSighting shows that a first sighting confirms: the predecessor is of no use then,
// where it would have been repeated.
func TestSighting(t *testing.T) {
	for _, seen := range []bool{false, true} {
		s := newSighting(t)
		before := s.f.tokens[0].Refresh
		s.renew(t)
		if seen {
			require.NoError(t, s.f.r.Revocations().Sight(t.Context(), &s.creds[0]))
		}
		_, err := s.f.r.Refresh(t.Context(), before, nil, from)
		if seen {
			require.Error(t, err)
		} else {
			require.NoError(t, err)
		}
	}
}

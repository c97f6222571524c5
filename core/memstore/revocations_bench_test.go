package memstore_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// benchOwner spreads like what a Registry makes.
func benchOwner(n int) (o revocation.Owner) {
	k := benchKey(n)
	o.Tag = k.Tag
	copy(o.Hash[:], k.Hash[:])
	return o
}

// lasting is how long what is measured lasts.
const lasting = 400 * 24 * time.Hour

// roomy makes a store that holds a million of anything.
func roomy(tb testing.TB, now func() time.Time) *memstore.Store {
	tb.Helper()
	s, err := memstore.New(memstore.Config{FamilyBytes: 1 << 30, RevocationBytes: 1 << 30, Now: now})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func raised(tb testing.TB, s *memstore.Store, n int) {
	tb.Helper()
	if _, err := s.RaiseEpoch(tb.Context(), benchOwner(n), time.Now().Add(lasting)); err != nil {
		tb.Fatal(err)
	}
}

func deniedOne(tb testing.TB, s *memstore.Store, n int) {
	tb.Helper()
	if err := s.Deny(tb.Context(), benchOwner(n), handle(1+n), time.Now().Add(lasting)); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkRevoked is what the revocation check of a request costs.
func BenchmarkRevoked(b *testing.B) {
	const million = 1_000_000
	for _, tc := range []struct {
		name   string
		owners int // with something
		fill   func(s *memstore.Store, n int)
		from   int // the first who asks
		asking int // how many ask in turn
	}{
		{"nothing", 0, nil, 0, 1},
		{"epoch", 1, func(s *memstore.Store, n int) { raised(b, s, n) }, 0, 1},
		{"denial", 1, func(s *memstore.Store, n int) { deniedOne(b, s, n) }, 0, 1},
		{"denials=128", 1, func(s *memstore.Store, n int) {
			for i := range revocation.MaxDenied {
				if err := s.Deny(b.Context(), benchOwner(n), handle(1+i), time.Now().Add(lasting)); err != nil {
					b.Fatal(err)
				}
			}
		}, 0, 1},
		{"nothing-of-1024-beside-a-million", million, func(s *memstore.Store, n int) { raised(b, s, n) }, million, 1024},
		{"epochs-of-1024-of-a-million", million, func(s *memstore.Store, n int) { raised(b, s, n) }, 0, 1024},
		{"denials-of-1024-of-a-million", million, func(s *memstore.Store, n int) { deniedOne(b, s, n) }, 0, 1024},
		{"epochs-of-a-million", million, func(s *memstore.Store, n int) { raised(b, s, n) }, 0, million},
	} {
		s := roomy(b, nil)
		for n := range tc.owners {
			tc.fill(s, n)
		}
		owners := make([]revocation.Owner, tc.asking)
		for i := range owners {
			owners[i] = benchOwner(tc.from + i)
		}
		a := revocation.Asked{Session: handle(1), Token: handle(2_000_000), Generation: 3}
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			ctx, i := b.Context(), 0
			for b.Loop() {
				if _, err := s.Revoked(ctx, owners[i], a); err != nil {
					b.Fatal(err)
				}
				if i++; i == len(owners) {
					i = 0
				}
			}
		})
		b.Run(tc.name+"/parallel", func(b *testing.B) {
			ctx := b.Context()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); {
					if _, err := s.Revoked(ctx, owners[i], a); err != nil {
						b.Error(err)
						return
					}
					if i++; i == len(owners) {
						i = 0
					}
				}
			})
		})
		runtime.KeepAlive(s)
	}
}

// BenchmarkMillionRevocations reports what a million entries of each kind cost: bytes of
// heap for each, and the time of one garbage collection.
func BenchmarkMillionRevocations(b *testing.B) {
	for _, tc := range revocationKinds {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				s, each := measure(b, 1_000_000, tc.one)
				b.ReportMetric(each, "B/entry")
				start := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/GC")
				runtime.KeepAlive(s)
			}
		})
	}
}

// revocationKinds is all that a registry remembers, each of an owner of its own.
var revocationKinds = []struct {
	name string
	one  func(tb testing.TB, s *memstore.Store, c *clock, n int)
}{
	{"epochs", func(tb testing.TB, s *memstore.Store, _ *clock, n int) { raised(tb, s, n) }},
	{"denials", func(tb testing.TB, s *memstore.Store, _ *clock, n int) { deniedOne(tb, s, n) }},
	{"voids", voided},
}

// measure returns a store with n of a kind, and the bytes of heap that each takes.
func measure(tb testing.TB, n int, one func(tb testing.TB, s *memstore.Store, c *clock, n int)) (*memstore.Store, float64) {
	tb.Helper()
	c := newClock()
	c.at.Store(time.Now().UnixNano())
	s := roomy(tb, c.now)
	before := held()
	for i := range n {
		one(tb, s, c, i)
	}
	after := held()
	if st := s.Stats(); st.Revocations != n || st.RevocationBytes != int64(n)*revokedCost {
		tb.Fatalf("%d entries of %d bytes, want %d", st.Revocations, st.RevocationBytes, n)
	}
	return s, float64(after-before) / float64(n)
}

// voided leaves a void, and a family that the next but few clear away.
func voided(tb testing.TB, s *memstore.Store, c *clock, n int) {
	tb.Helper()
	f := benchFamily(n)
	f.Idle = time.Second
	f, _, err := s.CreateFamily(tb.Context(), f, 10)
	if err != nil {
		tb.Fatal(err)
	}
	for _, want := range []refresh.Verdict{refresh.Rotated, refresh.LateRepeated} {
		c.advance(time.Millisecond)
		out, err := s.Rotate(tb.Context(), f.Key(), &refresh.Presented{Generation: 1, Rules: rotations})
		if err != nil || out.Verdict != want {
			tb.Fatal(out.Verdict, err)
		}
	}
	c.advance(time.Second)
}

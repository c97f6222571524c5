package memstore_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// rotations are those of a token that is used as soon as it may be.
var rotations = refresh.Rules{Wired: true, Denied: lasting}

// benchFamily is one login of an owner's.
func benchFamily(n int) refresh.Family {
	return refresh.Family{
		Owner: benchOwner(n), Handle: handle(1 + n), Lifetime: lasting, Idle: lasting,
		Value: benchValue[:100],
	}
}

// BenchmarkRotate rotates each of so many families in turn.
func BenchmarkRotate(b *testing.B) {
	for _, n := range benchSizes {
		s := roomy(b, nil)
		keys := make([]refresh.Key, n)
		generations := make([]uint64, n)
		for i := range keys {
			f, _, err := s.CreateFamily(b.Context(), benchFamily(i), 10)
			if err != nil {
				b.Fatal(err)
			}
			keys[i], generations[i] = f.Key(), 1
		}
		b.Run(fmt.Sprintf("families=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			ctx, i := b.Context(), 0
			for b.Loop() {
				p := refresh.Presented{Generation: generations[i], Rules: rotations}
				out, err := s.Rotate(ctx, keys[i], &p)
				if err != nil || !out.Verdict.Answered() {
					b.Fatal(out.Verdict, err)
				}
				generations[i] = out.Family.Generation
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkManyFamilies reports what many families cost.
func BenchmarkManyFamilies(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s := roomy(b, nil)
				before := held()
				for i := range n {
					if _, _, err := s.CreateFamily(b.Context(), benchFamily(i), 10); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(held()-before)/float64(n), "B/family")
				b.ReportMetric(float64(s.Stats().FamilyBytes)/float64(n), "B/family-counted")
				start := time.Now()
				runtime.GC()
				b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/GC")
				runtime.KeepAlive(s)
			}
		})
	}
}

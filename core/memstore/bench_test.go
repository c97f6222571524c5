package memstore_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// benchKey spreads like what the Manager makes.
func benchKey(n int) session.StoreKey {
	k := session.StoreKey{Hash: sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))}
	copy(k.Tag[:], k.Hash[28:])
	return k
}

// benchEntry is one user's session with about 125 bytes of data.
func benchEntry(k session.StoreKey) session.Entry {
	e := session.Entry{
		Version: 1, Expires: time.Now().Add(24 * time.Hour), Owner: revocation.Owner{Tag: k.Tag},
		Listed: true, Presented: true, Created: time.Now(), Value: benchValue,
	}
	copy(e.Owner.Hash[:], k.Hash[:])
	copy(e.Handle[:], k.Hash[12:])
	return e
}

var benchValue = strings.Repeat("v", 230)

func filled(b *testing.B, n int) (*memstore.Store, []session.StoreKey) {
	b.Helper()
	s, err := memstore.New(memstore.Config{AuthenticatedBytes: 2 << 30})
	if err != nil {
		b.Fatal(err)
	}
	keys := make([]session.StoreKey, n)
	for i := range keys {
		keys[i] = benchKey(i)
		if _, _, err := s.Create(b.Context(), keys[i], benchEntry(keys[i]), session.Admission{Max: 10}); err != nil {
			b.Fatal(err)
		}
	}
	rand.Shuffle(n, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	if got := s.Stats().Authenticated; got != n {
		b.Fatalf("%d sessions are there, want %d", got, n)
	}
	return s, keys
}

var benchSizes = []int{1000, 1_000_000}

func BenchmarkLoad(b *testing.B) {
	for _, n := range benchSizes {
		s, keys := filled(b, n)
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			var out [1]session.Entry
			ctx, i := b.Context(), 0
			for b.Loop() {
				if err := s.Load(ctx, keys[i:i+1], out[:]); err != nil || out[0].Version == 0 {
					b.Fatal("not there")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

func BenchmarkSwap(b *testing.B) {
	for _, n := range benchSizes {
		s, keys := filled(b, n)
		entries := make([]session.Entry, n)
		for i := range entries {
			entries[i] = benchEntry(keys[i])
		}
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			ctx, i := b.Context(), 0
			for b.Loop() {
				e := &entries[i]
				e.Version++
				e.Expires = e.Expires.Add(time.Second)
				if _, err := s.Swap(ctx, keys[i], e.Version-1, *e); err != nil {
					b.Fatal(err)
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

// BenchmarkCreate adds to a store that holds so many already, and takes out again
// what it added, untimed.
func BenchmarkCreate(b *testing.B) {
	for _, n := range benchSizes {
		s, _ := filled(b, n)
		const batch = 10_000
		keys := make([]session.StoreKey, batch)
		entries := make([]session.Entry, batch)
		for i := range keys {
			keys[i] = benchKey(n + i)
			entries[i] = benchEntry(keys[i])
		}
		b.Run(fmt.Sprintf("sessions=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			ctx := b.Context()
			for i := range b.N {
				if i%batch == 0 && i > 0 {
					b.StopTimer()
					takeAll(b, s, keys)
					b.StartTimer()
				}
				if _, _, err := s.Create(ctx, keys[i%batch], entries[i%batch], session.Admission{Max: 10}); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			takeAll(b, s, keys[:(b.N-1)%batch+1])
		})
	}
}

func takeAll(b *testing.B, s *memstore.Store, keys []session.StoreKey) {
	b.Helper()
	for _, k := range keys {
		if _, err := s.Take(b.Context(), k); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMillion reports what a million sessions cost, as they were created and
// after each was rewritten twice: bytes of heap for each, and the time of one
// garbage collection.
func BenchmarkMillion(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := held()
		s, keys := filled(b, n)
		own := int64(n) * int64(len(session.StoreKey{}.Tag)+len(session.StoreKey{}.Hash))
		b.ReportMetric(float64(held()-before-own)/n, "B/session")
		start := time.Now()
		runtime.GC()
		b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "ms/GC")
		for round := range uint64(2) {
			for _, k := range keys {
				e := benchEntry(k)
				e.Version = round + 2
				if _, err := s.Swap(b.Context(), k, round+1, e); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(held()-before-own)/n, "B/session-rewritten")
		b.ReportMetric(float64(s.Stats().AuthenticatedBytes)/n, "B/session-counted")
		runtime.KeepAlive(s)
		runtime.KeepAlive(keys)
	}
}

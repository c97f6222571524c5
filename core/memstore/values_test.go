package memstore_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// What Load returned is read by a handler while the session is rewritten, taken
// and moved about; none of it may change.
func TestLoadedValuesStayIntact(t *testing.T) {
	c := newClock()
	s, err := memstore.New(memstore.Config{Now: c.now})
	require.NoError(t, err)
	const sessions, rounds, size = 4000, 8, 300
	value := func(i, round int) string { return strings.Repeat(fmt.Sprintf("%04d/%02d ", i, round), size/8) }
	kept := make([]string, 0, sessions*rounds)
	for round := range rounds {
		for i := range sessions {
			e := entry(c, owner(0, 1+i%50), 1)
			e.Version, e.Value = uint64(round+1), value(i, round)
			if round == 0 {
				create(t, s, at(0, i), e)
			} else {
				_, err := s.Swap(t.Context(), at(0, i), uint64(round), e)
				require.NoError(t, err)
			}
			kept = append(kept, load(t, s, at(0, i)).Value)
		}
	}
	for n, got := range kept {
		if want := value(n%sessions, n/sessions); got != want {
			t.Fatalf("value %d: got %q, want %q", n, got[:16], want[:16])
		}
	}
	for i := range sessions {
		require.Equal(t, value(i, rounds-1), load(t, s, at(0, i)).Value)
	}
}

// Readers compare what they read while writers rewrite it: the race detector sees
// every byte.
func TestLoadedValuesUnderParallelWrites(t *testing.T) {
	c := newClock()
	s, err := memstore.New(memstore.Config{Now: c.now})
	require.NoError(t, err)
	const sessions = 1500
	value := func(i int, version uint64) string { return strings.Repeat(fmt.Sprintf("%05d/%d ", i, version%10), 40) }
	for i := range sessions {
		e := entry(c, owner(0, 1+i%9), 1)
		e.Value = value(i, 1)
		create(t, s, at(0, i), e)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			ctx := t.Context()
			for n := range 6000 {
				i := (n*31 + w*17) % sessions
				var out [1]session.Entry
				if err := s.Load(ctx, []session.StoreKey{at(0, i)}, out[:]); err != nil || out[0].Value != value(i, out[0].Version) {
					t.Errorf("session %d: %v, %q", i, err, out[0].Value)
					return
				}
				next := out[0]
				next.Version++
				next.Value = value(i, next.Version)
				_, _ = s.Swap(ctx, at(0, i), out[0].Version, next)
				if out[0].Value != value(i, out[0].Version) {
					t.Errorf("session %d: changed to %q", i, out[0].Value)
					return
				}
			}
		})
	}
	wg.Wait()
}

// held is the heap after a collection.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// However sessions are rewritten, the store takes no more than it counts, and a
// little for each shard.
func TestMemoryIsWhatIsCounted(t *testing.T) {
	for _, tc := range []struct {
		desc             string
		sessions, writes int
		size             func(n int) int
		shard            func(i int) byte
	}{
		{"one session for ever", 1, 50_000, func(int) int { return 200 }, func(int) byte { return 0 }},
		{"many small", 20_000, 100_000, func(n int) int { return 100 + n%200 }, func(i int) byte { return byte(i) }},
		{"many small in one shard", 20_000, 100_000, func(n int) int { return 100 + n%200 }, func(int) byte { return 0 }},
		{"large", 300, 3000, func(n int) int { return (16 + n%48) << 10 }, func(i int) byte { return byte(i) }},
		{"very large", 4, 60, func(int) int { return 1 << 20 }, func(i int) byte { return byte(i) }},
		{"of all sizes", 3000, 20_000, func(n int) int { return 1 << (n * 7 % 15) }, func(int) byte { return 3 }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			before := held()
			s, err := memstore.New(memstore.Config{AuthenticatedBytes: 8 << 30, Now: c.now})
			require.NoError(t, err)
			values := strings.Repeat("x", 1<<20)
			put := func(i, n int, version uint64) {
				e := entry(c, owner(tc.shard(i), 1+i), 1)
				e.Version, e.Value = version+1, values[:tc.size(n)]
				if version == 0 {
					create(t, s, at(tc.shard(i), i), e)
					return
				}
				_, err := s.Swap(t.Context(), at(tc.shard(i), i), version, e)
				require.NoError(t, err)
			}
			versions := make([]uint64, tc.sessions)
			for n := range tc.sessions + tc.writes {
				i := n
				if n >= tc.sessions {
					i = n * 7919 % tc.sessions
				}
				put(i, n, versions[i])
				versions[i]++
			}
			took := held() - before
			st := s.Stats()
			require.Equal(t, tc.sessions, st.Authenticated)
			require.Less(t, took, st.AuthenticatedBytes+64*(32<<10)+3*mib, "counted are %d", st.AuthenticatedBytes)
			require.NoError(t, s.Close())
			require.Less(t, held()-before, int64(2*mib), "after Close")
			runtime.KeepAlive(s)
		})
	}
}

// The same of families, whose values never change but come and go.
func TestMemoryOfFamiliesIsWhatIsCounted(t *testing.T) {
	for _, tc := range []struct {
		desc              string
		families, endings int
		size              func(n int) int
		shard             func(i int) byte
	}{
		{"many", 30_000, 60_000, func(n int) int { return 50 + n%150 }, func(i int) byte { return byte(i) }},
		{"many in one shard", 30_000, 60_000, func(n int) int { return 50 + n%150 }, func(int) byte { return 0 }},
		{"of all sizes", 2000, 10_000, func(n int) int { return 1 << (n * 7 % 15) }, func(int) byte { return 3 }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			before := held()
			s, err := memstore.New(memstore.Config{FamilyBytes: 8 << 30, Now: c.now})
			require.NoError(t, err)
			values := strings.Repeat("x", 1<<14)
			for n := range tc.families + tc.endings {
				i := n
				if n >= tc.families {
					i = n * 7919 % tc.families
				}
				f := login(owner(tc.shard(i), 1+i), 1+i, 0)
				if n >= tc.families {
					_, err := s.EndFamily(t.Context(), f.Key(), refresh.Rules{})
					require.NoError(t, err)
				}
				f.Value = values[:tc.size(n)]
				begin(t, s, f)
			}
			took := held() - before
			st := s.Stats()
			require.Equal(t, tc.families, st.Families)
			require.Less(t, took, st.FamilyBytes+st.RevocationBytes+64*(32<<10)+3*mib, "counted are %d", st.FamilyBytes)
			require.NoError(t, s.Close())
			require.Less(t, held()-before, int64(2*mib), "after Close")
			runtime.KeepAlive(s)
		})
	}
}

// A registry of many entries takes no more than 100 bytes for each, and what it counts.
func TestMemoryOfRevocations(t *testing.T) {
	for _, tc := range revocationKinds {
		t.Run(tc.name, func(t *testing.T) {
			s, each := measure(t, 200_000, tc.one)
			require.Less(t, each, 100.0)
			require.Less(t, each, float64(revokedCost))
			runtime.KeepAlive(s)
		})
	}
}

func TestEmptyStoreIsSmall(t *testing.T) {
	before := held()
	stores := make([]*memstore.Store, 20)
	for i := range stores {
		stores[i] = memstore.Default()
	}
	require.Less(t, (held()-before)/int64(len(stores)), int64(72<<10))
	for _, s := range stores {
		for i := range shards {
			create(t, s, at(byte(i), i), entry(newClock(), owner(byte(i), 1), 200))
		}
	}
	require.Less(t, (held()-before)/int64(len(stores)), int64(192<<10), "with one session in each shard")
	runtime.KeepAlive(stores)
}

func TestAllocations(t *testing.T) {
	c := newClock()
	s, err := memstore.New(memstore.Config{Now: c.now})
	require.NoError(t, err)
	for i := range 5000 {
		create(t, s, at(byte(i), i), entry(c, owner(byte(i), 1+i), 200))
	}
	keys, out := []session.StoreKey{at(1, 1), at(2, 2)}, make([]session.Entry, 2)
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if s.Load(ctx, keys, out) != nil || out[0].Version != 1 || out[1].Version != 1 {
			panic("not there")
		}
	}))
	next := entry(c, owner(1, 2), 200)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		next.Version++
		if _, err := s.Swap(ctx, keys[0], next.Version-1, next); err != nil {
			panic(err)
		}
	}), 1.0)
	n := 100_000
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		n++
		e := next
		e.Owner = owner(1, n)
		if _, _, err := s.Create(ctx, at(1, n), e, unlimited); err != nil {
			panic(err)
		}
	}), 1.0)
}

// The check of a request, the sighting of a token and a rotation leave nothing to be
// collected.
func TestFamilyAllocations(t *testing.T) {
	c := newClock()
	s, err := memstore.New(memstore.Config{Now: c.now})
	require.NoError(t, err)
	ctx := t.Context()
	hour := c.now().Add(time.Hour)
	none, some := owner(0, 1), owner(0, 2)
	require.NoError(t, s.Deny(ctx, some, handle(1), hour))
	for _, o := range []revocation.Owner{none, some} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if found, err := s.Revoked(ctx, o, asked(1)); err != nil || found.Denied != (o == some) {
				panic("wrong")
			}
		}))
	}
	f := begin(t, s, login(none, 5, 100))
	p := &refresh.Presented{Generation: 1, Rules: rules}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.advance(time.Minute)
		out, err := s.Rotate(ctx, f.Key(), p)
		if err != nil || out.Verdict != refresh.Rotated {
			panic(out.Verdict)
		}
		p.Generation++
		if err := s.Sight(ctx, none, f.Handle, out.Family.Answer()); err != nil {
			panic(err)
		}
		if _, err := s.FindFamily(ctx, f.Key()); err != nil {
			panic(err)
		}
	}))
}

package bench

import (
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/redisstore"
)

// filled is a store in memory with so many of something.
type filled struct {
	store *memstore.Store
	// entries and families are how many it must then hold.
	entries, families int
	// check returns an error unless number i is there and does what it is for.
	check func(i int) error
}

// entryKinds are all that a registry remembers, each of another subject.
var entryKinds = []struct {
	name string
	fill func(tb testing.TB, n int) filled
}{
	{"epochs", func(tb testing.TB, n int) filled {
		return fillRegistry(tb, n, func(r *revocation.Registry, i int) error { return r.LogoutEverywhere(tb.Context(), user(i)) })
	}},
	{"denials", func(tb testing.TB, n int) filled {
		return fillRegistry(tb, n, func(r *revocation.Registry, i int) error { return r.RevokeSession(tb.Context(), user(i), sid(i)) })
	}},
	{"voids", fillVoids},
}

func fillRegistry(tb testing.TB, n int, revoke func(r *revocation.Registry, i int) error) filled {
	store := memoryStore(tb)
	r := registryOf(tb, store)
	for i := range n {
		require.NoError(tb, revoke(r, i))
	}
	return filled{store: store, entries: n, check: func(i int) error {
		return revoked(tb, r, revocation.Named{Subject: user(i), Session: sid(i)})
	}}
}

func revoked(tb testing.TB, r *revocation.Registry, n revocation.Named) error {
	c, err := r.Credential(n)
	require.NoError(tb, err)
	if err := r.Check(tb.Context(), &c); err != revocation.ErrRevoked {
		return fmt.Errorf("what was revoked is accepted: %w", err)
	}
	return nil
}

// fillVoids loses the answer to a refresh in each of n families and says so later, which
// makes void what the lost answer held. The families then run out, ten thousand at a
// time, and only the voids stay: they are remembered for ten minutes.
func fillVoids(tb testing.TB, n int) filled {
	const crop = 10_000
	now := time.Now()
	clock := func() time.Time { return now }
	store, err := memstore.New(memstore.Config{FamilyBytes: 4 << 30, RevocationBytes: 4 << 30, Now: clock})
	require.NoError(tb, err)
	registry, err := revocation.New(store, revocation.Config{Secret: secret(), Now: clock})
	require.NoError(tb, err)
	var last revocation.Answer
	r, err := refresh.New(registry, refresh.Config{
		Issuer: unsigned{lifetime: time.Second, last: &last}, Wired: []string{audience}, Secrets: [][]byte{secret()},
		IdleTimeout: time.Second, Grace: quick, Now: clock,
	})
	require.NoError(tb, err)

	some := map[int]revocation.Named{0: {}, n / 2: {}, n - 1: {}}
	runOut := func() {
		now = now.Add(2 * time.Second)
		store.Sweep()
	}
	for i := range n {
		first, err := r.Login(tb.Context(), visitor(i), refresh.From{})
		require.NoError(tb, err)
		now = now.Add(time.Microsecond)
		second, err := r.Refresh(tb.Context(), first.Refresh, nil, from)
		require.NoError(tb, err)
		if _, ok := some[i]; ok {
			p := second.Principal
			some[i] = revocation.Named{Subject: p.Subject, Session: p.Session, Epoch: p.Epoch, Answer: last}
		}
		now = now.Add(time.Microsecond)
		again, err := r.Refresh(tb.Context(), first.Refresh, nil, from)
		require.NoError(tb, err)
		require.Equal(tb, second.Refresh, again.Refresh)
		if (i+1)%crop == 0 {
			runOut()
		}
	}
	runOut()
	return filled{store: store, entries: n, check: func(i int) error { return revoked(tb, registry, some[i]) }}
}

// fillFamilies logs n users in.
func fillFamilies(tb testing.TB, n int) filled {
	store := memoryStore(tb)
	r := rotatorOf(tb, registryOf(tb, store), unsigned{lifetime: accessLife}, quick)
	some := map[int]string{0: "", n / 2: "", n - 1: ""}
	for i := range n {
		tokens, err := r.Login(tb.Context(), visitor(i), refresh.From{})
		require.NoError(tb, err)
		if _, ok := some[i]; ok {
			some[i] = tokens.Refresh
		}
	}
	return filled{store: store, families: n, check: func(i int) error {
		f, err := r.Family(tb.Context(), some[i])
		if err == nil && f.Subject != user(i) {
			err = fmt.Errorf("the family is of %s", f.Subject)
		}
		return err
	}}
}

func (f filled) verify(tb testing.TB, n int) {
	s := f.store.Stats()
	require.Equal(tb, f.entries, s.Revocations)
	require.Equal(tb, f.families, s.Families)
	for _, i := range []int{0, n / 2, n - 1} {
		require.NoError(tb, f.check(i))
	}
}

// TestFilled shows that what is measured is there and works.
func TestFilled(t *testing.T) {
	for _, kind := range entryKinds {
		t.Run(kind.name, func(t *testing.T) { kind.fill(t, 100).verify(t, 100) })
	}
	t.Run("families", func(t *testing.T) { fillFamilies(t, 100).verify(t, 100) })
}

// weigh reports what each of many takes of the heap, and what one garbage collection
// takes of the CPU.
func weigh(b *testing.B, unit string, fill func(tb testing.TB, n int) filled) {
	n := million
	if testing.Short() {
		n = 1000
	}
	for range b.N {
		before := heap()
		f := fill(b, n)
		after := heap()
		cpu := collection()
		f.verify(b, n)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/"+unit)
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/float64(n), "objects/"+unit)
		b.ReportMetric(float64(cpu.Microseconds())/1e3, "gc-cpu-ms")
		runtime.KeepAlive(f)
	}
}

// BenchmarkEntries reports what a revocation takes that has to be remembered. Run it
// with -benchtime 1x.
func BenchmarkEntries(b *testing.B) {
	for _, kind := range entryKinds {
		b.Run(kind.name, func(b *testing.B) { weigh(b, "entry", kind.fill) })
	}
}

// BenchmarkFamilies reports what a refresh family takes, in memory and on Redis. Run it
// with -benchtime 1x.
func BenchmarkFamilies(b *testing.B) {
	b.Run("memory", func(b *testing.B) { weigh(b, "family", fillFamilies) })
	b.Run("redis", func(b *testing.B) {
		n := 20_000
		if testing.Short() {
			n = 1000
		}
		const prefix = "families:"
		client, ctx := redisClient(b), b.Context()
		store, err := redisstore.New(ctx, client, redisstore.Config{Prefix: prefix})
		require.NoError(b, err)
		registry := registryOf(b, store.Revocations())
		r := rotatorOf(b, registry, unsigned{lifetime: accessLife}, quick)
		// Connections and scripts are the server's once, and no family's.
		_, err = r.Login(ctx, visitor(n), refresh.From{})
		require.NoError(b, err)
		for range b.N {
			before := usedMemory(b)
			logins(b, r, n)
			b.ReportMetric(float64(usedMemory(b)-before)/float64(n), "redis-B/family")
			// A key holds what belongs to all owners of one tag, and few tags have two.
			usage := make([]int64, 101)
			for i := range usage {
				tag := registry.Owner(user(i)).Tag
				key := prefix + "{" + hex.EncodeToString(tag[:]) + "}"
				usage[i], err = client.Do(ctx, client.B().MemoryUsage().Key(key).Samples(0).Build()).AsInt64()
				require.NoError(b, err)
			}
			slices.Sort(usage)
			b.ReportMetric(float64(usage[len(usage)/2]), "usage-B/family")
		}
	})
}

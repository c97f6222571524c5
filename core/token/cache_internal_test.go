package token

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
)

func (c *cache) has(raw string) bool { return c.get(raw) != nil }

// consistent requires that everything that the cache counts adds up.
func (c *cache) consistent(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	queued, bytes := map[*entry]bool{}, 0
	for e := c.queue.next; e != &c.queue; e = e.next {
		require.Same(t, e, e.next.prev)
		queued[e] = true
		bytes += e.cost
	}
	require.Equal(t, bytes, c.bytes)
	require.LessOrEqual(t, c.bytes, c.limit)
	found := 0
	for i := range c.shards {
		for hash, e := range c.shards[i].entries {
			require.Equal(t, hash, e.hash)
			require.True(t, queued[e])
			found++
		}
	}
	require.Len(t, queued, found)
	owned := 0
	for whose, e := range c.owners {
		n := 0
		for ; e != nil; e = e.older {
			require.Equal(t, whose, ownerOf(e))
			require.True(t, queued[e])
			n++
		}
		require.Positive(t, n)
		require.LessOrEqual(t, n, perOwner)
		owned += n
	}
	require.Len(t, queued, owned)
}

func TestCacheHit(t *testing.T) {
	d := newDesk(t, nil)
	larger := "Bearer " + d.good(t) + " and more"
	raw := larger[len("Bearer ") : len(larger)-len(" and more")]
	first, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	again, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Same(t, first, again)
	require.Equal(t, 2, d.keys.asked, "the state of the key is asked for each time")
	e := d.cache.get(raw)
	require.NotSame(t, unsafe.StringData(raw), unsafe.StringData(e.raw), "it would keep all of the larger string")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = d.Verify(t.Context(), raw) }))
	d.cache.consistent(t)

	none := newDeskOf(t, d.pen, func(c *VerifierConfig) { c.CacheBytes = -1 })
	first, err = none.Verify(t.Context(), raw)
	require.NoError(t, err)
	again, err = none.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.NotSame(t, first, again)
}

// GHSA-rp9m-7r4c-75qg: no token gets another's verdict, however they collide.
func TestCacheCollisions(t *testing.T) {
	d := newDesk(t, nil)
	d.cache.hash = func(string) uint64 { return 7 }
	ann, bob := d.good(t), d.good(t, "sub", `"bob"`)
	forged := flipped(ann)
	for range 3 {
		for raw, want := range map[string]string{ann: "ann", bob: "bob"} {
			tok, err := d.Verify(t.Context(), raw)
			require.NoError(t, err)
			require.Equal(t, want, tok.Principal().Subject)
			tok, err = d.Verify(t.Context(), forged)
			require.Nil(t, tok)
			require.ErrorIs(t, err, ErrInvalid)
			d.cache.consistent(t)
		}
	}
}

func TestCacheForgetsGoneKeys(t *testing.T) {
	d := newDesk(t, nil)
	raw := d.good(t)
	_, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	d.keys.set("k1", nil, errUnknownKey)
	d.refusedFor(t, raw, ErrInvalid, "kid-unknown")
	require.False(t, d.cache.has(raw))
	d.cache.consistent(t)

	d.keys.set("k1", d.pub, nil)
	_, err = d.Verify(t.Context(), raw)
	require.NoError(t, err)
	d.keys.set("k1", nil, fmt.Errorf("%w: away", core.ErrUnknown))
	_, err = d.Verify(t.Context(), raw)
	require.ErrorIs(t, err, core.ErrUnknown)
	require.True(t, d.cache.has(raw), "not known is not gone")
}

func TestCachePutAndDropTwice(t *testing.T) {
	d := newDesk(t, nil)
	raw := d.good(t)
	tok, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	never := func(*Token) bool { return false }
	e := d.cache.get(raw)
	d.cache.put(raw, &Token{claims: tok.claims}, e.key, e.from, never)
	require.Same(t, e, d.cache.get(raw), "two requests verified it at once")
	newer := *e.key
	d.cache.put(raw, tok, &newer, e.from, never)
	require.Same(t, &newer, d.cache.get(raw).key)
	d.cache.drop(e) // it is not there any more
	require.True(t, d.cache.has(raw))
	d.cache.consistent(t)
}

// One session cannot push the others out.
func TestCachePerOwner(t *testing.T) {
	for desc, claims := range map[string][]string{"session": {"sid", `"` + theSession + `"`}, "subject": {"sid", ""}} {
		t.Run(desc, func(t *testing.T) {
			d := newDesk(t, nil)
			other := d.good(t, "sub", `"bob"`, "sid", `"another"`)
			_, err := d.Verify(t.Context(), other)
			require.NoError(t, err)
			var raws []string
			for i := range 3 * perOwner {
				raw := d.good(t, append(claims, "jti", fmt.Sprintf(`"%d"`, i))...)
				_, err := d.Verify(t.Context(), raw)
				require.NoError(t, err)
				raws = append(raws, raw)
				d.cache.consistent(t)
			}
			for i, raw := range raws {
				require.Equal(t, i >= 2*perOwner, d.cache.has(raw), i)
			}
			require.True(t, d.cache.has(other))
		})
	}
}

func TestCacheBound(t *testing.T) {
	d := newDesk(t, func(c *VerifierConfig) { c.CacheBytes = 64 << 10 })
	raw := func(i int) string { return d.good(t, "sid", fmt.Sprintf(`"s%d"`, i)) }
	verify := func(raw string) {
		t.Helper()
		_, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
		d.cache.consistent(t)
	}
	first, second := raw(-1), raw(-2)
	verify(first)
	verify(second)
	inUse := d.cache.get(first)
	for i := range 200 {
		verify(raw(i))
		require.Same(t, inUse, d.cache.get(first), "in use")
	}
	require.False(t, d.cache.has(second), "not in use")
	require.Greater(t, d.cache.bytes, 60<<10)

	small := newDeskOf(t, d.pen, func(c *VerifierConfig) { c.CacheBytes = 100 })
	_, err := small.Verify(t.Context(), first)
	require.NoError(t, err)
	require.False(t, small.cache.has(first))
	small.cache.consistent(t)
}

// full fills the cache with tokens of sessions of their own, all of which were used, and
// returns them and one more, which is not in it.
func (d *desk) full(t *testing.T) (raws []string, more string) {
	t.Helper()
	for i := 0; ; i++ {
		more = d.good(t, "sid", fmt.Sprintf(`"%06d"`, i))
		tok, err := d.Verify(t.Context(), more)
		require.NoError(t, err)
		if i == 0 {
			d.cache.limit = 60*cost(more, tok) + 100
		}
		if i == 60 {
			break
		}
		raws = append(raws, more)
	}
	d.cache.drop(d.cache.get(more))
	_, err := d.Verify(t.Context(), raws[0])
	require.NoError(t, err)
	for _, raw := range raws {
		require.True(t, d.cache.has(raw))
	}
	return raws, more
}

// Everything is used, all the time: room is found nevertheless, and at a bounded cost.
func TestCacheAllInUse(t *testing.T) {
	d := newDesk(t, nil)
	raws, more := d.full(t)
	_, err := d.Verify(t.Context(), more)
	require.NoError(t, err)
	d.cache.consistent(t)
	spared, gone := 0, 0
	for i := range d.cache.shards {
		for _, e := range d.cache.shards[i].entries {
			if !e.used.Load() && e.raw != more {
				spared++
			}
		}
	}
	for _, raw := range raws {
		if !d.cache.has(raw) {
			gone++
		}
	}
	require.Equal(t, secondChances, spared, "and the rest was not looked at")
	require.Equal(t, 1, gone)
}

// What is over goes at once, even if it was used.
func TestCacheEvictsWhatIsOver(t *testing.T) {
	d := newDesk(t, nil)
	raws, _ := d.full(t)
	oldest := d.cache.queue.next.raw
	d.at(time.Hour)
	_, err := d.Verify(t.Context(), d.good(t, "sid", `"000999"`, "exp", "1700009999"))
	require.NoError(t, err)
	d.cache.consistent(t)
	for _, raw := range raws {
		require.Equal(t, raw != oldest, d.cache.has(raw))
	}
}

// The bound is one of memory, not of what we would like to count.
func TestCacheCountsHonestly(t *testing.T) {
	const n = 4000
	d := newDesk(t, func(c *VerifierConfig) { c.CacheBytes = 256 << 20 })
	raws := make([]string, n)
	for i := range raws {
		raws[i] = d.good(t, "sub", fmt.Sprintf(`"user-%d"`, i), "sid", fmt.Sprintf(`"AQIDBAUGBwgJCgsM%06d"`, i))
	}
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	for _, raw := range raws {
		_, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	used := heap() - before
	t.Logf("%d bytes of token, %d bytes counted, %d bytes used for each", len(raws[0]), d.cache.bytes/n, used/n)
	require.LessOrEqual(t, used, d.cache.bytes)
	require.Greater(t, used*2, d.cache.bytes, "or half of it would be empty")
	runtime.KeepAlive(raws)
	runtime.KeepAlive(d)
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	d := newDesk(t, func(c *VerifierConfig) { c.CacheBytes = 40 << 10 })
	var raws []string
	for i := range 64 {
		raws = append(raws, d.good(t, "sub", fmt.Sprintf(`"u%d"`, i), "sid", fmt.Sprintf(`"s%d"`, i%16)))
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n := (i*7 + g*13) % len(raws)
				if i%50 == 0 {
					same := *d.pub
					d.keys.set("k1", &same, nil)
				}
				tok, err := d.Verify(t.Context(), raws[n])
				if err != nil || tok.Principal().Subject != fmt.Sprintf("u%d", n) {
					t.Errorf("token %d: %v, %v", n, tok, err)
				}
				_ = tok.Claims()
			}
		})
	}
	wg.Wait()
	d.cache.consistent(t)
}

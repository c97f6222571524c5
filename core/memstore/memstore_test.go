package memstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

const (
	mib = 1 << 20
	// overhead is what Config says a session counts beside its data.
	overhead = 256
	shards   = 64
	// perShard is one shard's part of the smallest budget.
	perShard = mib / shards
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// small makes a store with the smallest budgets there are.
func small(t *testing.T, c *clock) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Config{AnonymousBytes: mib, AuthenticatedBytes: mib, Now: c.now})
	require.NoError(t, err)
	return s
}

// at makes the key number n of a shard.
func at(shard byte, n int) session.StoreKey {
	k := session.StoreKey{Tag: [4]byte{shard}}
	binary.BigEndian.PutUint64(k.Hash[:], uint64(n))
	return k
}

func entry(c *clock, subject string, bytes int) session.Entry {
	return session.Entry{
		Version: 1, Expires: c.now().Add(time.Hour), Subject: subject, Value: strings.Repeat("x", bytes-len(subject)),
	}
}

func alive(t *testing.T, s *memstore.Store, k session.StoreKey) bool {
	t.Helper()
	var out [1]session.Entry
	require.NoError(t, s.Load(t.Context(), []session.StoreKey{k}, out[:]))
	return out[0].Version != 0
}

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		desc string
		cfg  memstore.Config
		want []string
	}{
		{"zero", memstore.Config{}, nil},
		{"least", memstore.Config{AnonymousBytes: mib, AuthenticatedBytes: mib}, nil},
		{"anonymous too small", memstore.Config{AnonymousBytes: mib - 1}, []string{"memstore.Config.AnonymousBytes = \"1048575\""}},
		{"authenticated too small", memstore.Config{AuthenticatedBytes: 1}, []string{"memstore.Config.AuthenticatedBytes = \"1\""}},
		{"all at once", memstore.Config{AnonymousBytes: -1, AuthenticatedBytes: -mib},
			[]string{"memstore.Config.AnonymousBytes = \"-1\"", "memstore.Config.AuthenticatedBytes = \"-1048576\""}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s, err := memstore.New(tc.cfg)
			if tc.want == nil {
				require.NoError(t, err)
				require.NotNil(t, s)
				return
			}
			require.Nil(t, s)
			var joined interface{ Unwrap() []error }
			require.ErrorAs(t, err, &joined)
			require.Len(t, joined.Unwrap(), len(tc.want))
			for i, e := range joined.Unwrap() {
				var ce *core.ConfigError
				require.ErrorAs(t, e, &ce)
				require.Contains(t, e.Error(), tc.want[i])
				require.Contains(t, err.Error(), tc.want[i])
			}
		})
	}
}

func TestDefaultUsesTheRealClock(t *testing.T) {
	s := memstore.Default()
	past, future := entry(newClock(), "ann", 10), entry(newClock(), "ann", 10)
	past.Expires, future.Expires = time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	require.NoError(t, s.Create(t.Context(), at(0, 1), past))
	require.NoError(t, s.Create(t.Context(), at(0, 2), future))
	require.False(t, alive(t, s, at(0, 1)))
	require.True(t, alive(t, s, at(0, 2)))
}

func TestStats(t *testing.T) {
	c := newClock()
	s := small(t, c)
	require.Equal(t, memstore.Stats{}, s.Stats())

	require.NoError(t, s.Create(t.Context(), at(0, 1), entry(c, "", 100)))
	require.NoError(t, s.Create(t.Context(), at(1, 1), entry(c, "ann", 200)))
	require.NoError(t, s.Create(t.Context(), at(63, 1), entry(c, "bob", 300)))
	want := memstore.Stats{
		Anonymous: 1, Authenticated: 2,
		AnonymousBytes: 100 + overhead, AuthenticatedBytes: 500 + 2*overhead,
	}
	require.Equal(t, want, s.Stats())

	// A refused write changes nothing.
	require.ErrorIs(t, s.Create(t.Context(), at(0, 1), entry(c, "", 900)), session.ErrExists)
	_, err := s.Swap(t.Context(), at(0, 1), 7, entry(c, "", 900))
	require.ErrorIs(t, err, session.ErrConflict)
	require.Equal(t, want, s.Stats())

	// A change of owner moves the entry from one budget to the other.
	_, err = s.Swap(t.Context(), at(0, 1), 1, entry(c, "eve", 50))
	require.NoError(t, err)
	want.Anonymous, want.AnonymousBytes = 0, 0
	want.Authenticated, want.AuthenticatedBytes = 3, 550+3*overhead
	require.Equal(t, want, s.Stats())

	left := entry(c, "ann", 20)
	_, err = s.Rename(t.Context(), at(1, 1), 1, at(1, 2), entry(c, "ann", 210), &left)
	require.NoError(t, err)
	want.Authenticated, want.AuthenticatedBytes = 4, 550-200+20+210+4*overhead
	require.Equal(t, want, s.Stats())

	_, err = s.Take(t.Context(), at(63, 1))
	require.NoError(t, err)
	want.Authenticated, want.AuthenticatedBytes = 3, want.AuthenticatedBytes-300-overhead
	require.Equal(t, want, s.Stats())

	c.advance(time.Hour)
	require.Equal(t, want, s.Stats(), "expired, but nobody came across")
	require.Equal(t, 3, s.Sweep())
	require.Equal(t, memstore.Stats{Expired: 3}, s.Stats())
	require.Equal(t, 0, s.Sweep())
}

func TestEvictionIsLeastRecentlyUsed(t *testing.T) {
	c := newClock()
	const size = perShard/4 - overhead // four to a shard
	for _, tc := range []struct {
		desc string
		use  func(s *memstore.Store)
		gone []int
	}{
		{"by age", func(*memstore.Store) {}, []int{0, 1}},
		{"load is a use", func(s *memstore.Store) { alive(t, s, at(0, 0)) }, []int{1, 2}},
		{"swap is a use", func(s *memstore.Store) {
			next := entry(c, "ann", size)
			next.Version = 2
			_, err := s.Swap(t.Context(), at(0, 1), 1, next)
			require.NoError(t, err)
		}, []int{0, 2}},
		{"a refused swap is none", func(s *memstore.Store) {
			_, err := s.Swap(t.Context(), at(0, 0), 9, entry(c, "ann", size))
			require.ErrorIs(t, err, session.ErrConflict)
		}, []int{0, 1}},
		{"all in the other order", func(s *memstore.Store) {
			for i := 3; i >= 0; i-- {
				alive(t, s, at(0, i))
			}
		}, []int{3, 2}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := small(t, c)
			var evicted []session.StoreKey
			s.Report(func(k session.StoreKey, e session.Entry, byBudget bool) {
				require.True(t, byBudget)
				require.Len(t, e.Value, size-len("ann"))
				evicted = append(evicted, k)
			})
			for i := range 4 {
				require.NoError(t, s.Create(t.Context(), at(0, i), entry(c, "ann", size)))
			}
			require.Empty(t, evicted, "four fit")
			tc.use(s)
			for i := range tc.gone {
				require.NoError(t, s.Create(t.Context(), at(0, 10+i), entry(c, "ann", size)))
			}
			var want []session.StoreKey
			for _, i := range tc.gone {
				want = append(want, at(0, i))
			}
			require.Equal(t, want, evicted)
			st := s.Stats()
			require.EqualValues(t, len(tc.gone), st.Evicted)
			require.EqualValues(t, 0, st.Expired)
			require.Equal(t, 4, st.Authenticated)
			require.LessOrEqual(t, st.AuthenticatedBytes, int64(mib))
		})
	}
}

func TestAnonymousFloodEvictsNoUser(t *testing.T) {
	c := newClock()
	s := small(t, c)
	users := 0
	for shard := range shards {
		for i := range 10 {
			require.NoError(t, s.Create(t.Context(), at(byte(shard), 1_000_000+i), entry(c, "ann", 100)))
			users++
		}
	}
	var lost atomic.Int64
	s.Report(func(_ session.StoreKey, e session.Entry, _ bool) {
		if e.Subject != "" {
			lost.Add(1)
		}
	})
	var written int64
	for i := range 200_000 {
		e := entry(c, "", 100+i%400)
		written += int64(len(e.Value)) + overhead
		require.NoError(t, s.Create(t.Context(), at(byte(i), i), e))
		if i%20_000 == 0 {
			st := s.Stats()
			require.LessOrEqual(t, st.AnonymousBytes, int64(mib))
			require.Equal(t, users, st.Authenticated)
		}
	}
	st := s.Stats()
	require.Greater(t, written, int64(50*mib), "the flood was one")
	require.LessOrEqual(t, st.AnonymousBytes, int64(mib))
	require.Greater(t, st.AnonymousBytes, int64(mib*9/10), "the budget is used")
	require.Equal(t, users, st.Authenticated)
	require.Zero(t, lost.Load())
	require.Equal(t, uint64(200_000-st.Anonymous), st.Evicted)
	for shard := range shards {
		require.True(t, alive(t, s, at(byte(shard), 1_000_000)))
	}
}

func TestUsersEvictNoVisitor(t *testing.T) {
	c := newClock()
	s := small(t, c)
	require.NoError(t, s.Create(t.Context(), at(0, 0), entry(c, "", 100)))
	for i := range 1000 {
		require.NoError(t, s.Create(t.Context(), at(0, 1+i), entry(c, "ann", 100)))
	}
	require.True(t, alive(t, s, at(0, 0)))
	require.Positive(t, s.Stats().Evicted)
}

// An entry that alone is over its shard's part stands until the next one comes:
// refusing it would end the session of whoever filled it.
func TestOversizedEntryStands(t *testing.T) {
	c := newClock()
	s := small(t, c)
	require.NoError(t, s.Create(t.Context(), at(0, 1), entry(c, "ann", 4*perShard)))
	require.True(t, alive(t, s, at(0, 1)))
	require.NoError(t, s.Create(t.Context(), at(0, 2), entry(c, "ann", 100)))
	require.False(t, alive(t, s, at(0, 1)))
	require.True(t, alive(t, s, at(0, 2)))
}

func TestWritesSweepTheExpired(t *testing.T) {
	for _, subject := range []string{"", "ann"} {
		t.Run("subject="+subject, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			ends := make(map[session.StoreKey]int)
			s.Report(func(k session.StoreKey, _ session.Entry, evicted bool) {
				require.False(t, evicted)
				ends[k]++
			})
			const n = 20
			for i := range n {
				require.NoError(t, s.Create(t.Context(), at(0, i), entry(c, subject, 100)))
			}
			c.advance(time.Hour)
			for i := range n / 2 {
				require.NoError(t, s.Create(t.Context(), at(0, 100+i), entry(c, subject, 100)))
				require.Len(t, ends, 2*(i+1), "each write clears away more than it adds")
			}
			for i := range n {
				require.Equal(t, 1, ends[at(0, i)], i)
			}
			st := s.Stats()
			require.Equal(t, n/2, st.Anonymous+st.Authenticated)
			require.EqualValues(t, n, st.Expired)
			require.Zero(t, st.Evicted)
		})
	}
}

// Over budget, what has expired goes as expired and not as evicted: "evicted"
// tells an operator that memory is short.
func TestExpiredIsNotEvicted(t *testing.T) {
	c := newClock()
	s := small(t, c)
	for i := range 8 {
		require.NoError(t, s.Create(t.Context(), at(0, i), entry(c, "ann", perShard/8-overhead)))
	}
	c.advance(time.Hour)
	require.NoError(t, s.Create(t.Context(), at(0, 9), entry(c, "ann", perShard-overhead)))
	st := s.Stats()
	require.Equal(t, memstore.Stats{Authenticated: 1, AuthenticatedBytes: perShard, Expired: 8}, st)
}

func TestSweepReportsOnce(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ends := make(map[session.StoreKey]int)
	s.Report(func(k session.StoreKey, e session.Entry, evicted bool) {
		require.False(t, evicted)
		require.NotEmpty(t, e.Value)
		ends[k]++
		s.Sweep() // no lock is held
	})
	for i := range 500 {
		e := entry(c, "ann", 50)
		e.Expires = c.now().Add(time.Duration(1+i%2) * time.Minute)
		require.NoError(t, s.Create(t.Context(), at(byte(i), i), e))
	}
	c.advance(time.Minute)
	s.Sweep()
	require.Len(t, ends, 250)
	c.advance(time.Minute)
	s.Sweep()
	require.Len(t, ends, 500)
	for k, n := range ends {
		require.Equal(t, 1, n, k)
	}
}

// Created is what was taken, what the store ended, and what is still there, once
// each, whatever ran beside it.
func TestReportsAddUpUnderLoad(t *testing.T) {
	c := newClock()
	s := small(t, c)
	type count struct{ created, taken, reported atomic.Int32 }
	const workers, each, shared = 8, 400, 64
	counts := make([]count, workers*each)
	s.Report(func(k session.StoreKey, _ session.Entry, _ bool) {
		counts[binary.BigEndian.Uint64(k.Hash[:])].reported.Add(1)
		_ = s.Stats()
	})
	key := func(n int) session.StoreKey { return at(byte(n%shared), n) }
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				n := w*each + i
				subject := ""
				if n%2 == 0 {
					subject = "ann"
				}
				e := entry(c, subject, 200+n%1000)
				if err := s.Create(context.Background(), key(n), e); err != nil {
					failed.Store(&err)
				}
				counts[n].created.Add(1)
				other := key((n * 7919) % (workers * each))
				var out [1]session.Entry
				_ = s.Load(context.Background(), []session.StoreKey{other}, out[:])
				next := out[0]
				next.Version++
				switch n % 5 {
				case 0:
					_, _ = s.Swap(context.Background(), other, out[0].Version, next)
				case 1:
					if _, err := s.Take(context.Background(), other); err == nil {
						counts[binary.BigEndian.Uint64(other.Hash[:])].taken.Add(1)
					}
				case 2:
					c.advance(time.Second)
				case 3:
					s.Sweep()
				}
			}
		})
	}
	wg.Wait()
	require.Nil(t, failed.Load())
	var reported int32
	left := 0
	for n := range counts {
		k := &counts[n]
		var out [1]session.Entry
		here := int32(0)
		reports := k.reported.Load()
		require.NoError(t, s.Load(t.Context(), []session.StoreKey{key(n)}, out[:]))
		if out[0].Version != 0 {
			here = 1
			left++
		} else if k.reported.Load() > reports {
			reports = k.reported.Load() // this Load was the first to meet it
		}
		require.Equal(t, k.created.Load(), k.taken.Load()+reports+here, n)
		reported += k.reported.Load()
	}
	st := s.Stats()
	require.Equal(t, uint64(reported), st.Expired+st.Evicted)
	require.Equal(t, left, st.Anonymous+st.Authenticated)
	require.LessOrEqual(t, st.AnonymousBytes, int64(mib))
	require.LessOrEqual(t, st.AuthenticatedBytes, int64(mib))
}

func TestEveryRegisteredFunctionIsTold(t *testing.T) {
	c := newClock()
	s := small(t, c)
	var told [3]int
	for i := range told {
		s.Report(func(session.StoreKey, session.Entry, bool) { told[i]++ })
	}
	require.NoError(t, s.Create(t.Context(), at(0, 1), entry(c, "ann", 10)))
	c.advance(time.Hour)
	require.Equal(t, 1, s.Sweep())
	require.Equal(t, [3]int{1, 1, 1}, told)
}

// The budgets are counted by the store itself; this asks the counters to agree
// with what can still be read.
func TestCountersAgreeWithContents(t *testing.T) {
	c := newClock()
	s := small(t, c)
	for i := range 5000 {
		subject := []string{"", "ann"}[i%2]
		require.NoError(t, s.Create(t.Context(), at(byte(i/3), i), entry(c, subject, 100+i%300)))
		if i%3 == 0 {
			e := entry(c, []string{"ann", ""}[i%2], 50+i%700)
			e.Version = 2
			_, err := s.Swap(t.Context(), at(byte(i/3), i), 1, e)
			require.True(t, err == nil || errors.Is(err, session.ErrGone), err)
		}
		if i%11 == 0 {
			_, _ = s.Take(t.Context(), at(byte((i/2)/3), i/2))
		}
	}
	var got memstore.Stats
	for i := range 5000 {
		var out [1]session.Entry
		require.NoError(t, s.Load(t.Context(), []session.StoreKey{at(byte(i/3), i)}, out[:]))
		size := int64(len(out[0].Subject)+len(out[0].Value)) + overhead
		switch {
		case out[0].Version == 0:
		case out[0].Subject == "":
			got.Anonymous++
			got.AnonymousBytes += size
		default:
			got.Authenticated++
			got.AuthenticatedBytes += size
		}
	}
	want := s.Stats()
	require.Positive(t, want.Evicted)
	want.Evicted, want.Expired = 0, 0
	require.Equal(t, want, got)
}

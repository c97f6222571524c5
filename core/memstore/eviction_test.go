package memstore_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

func TestEvictionIsLeastRecentlyUsed(t *testing.T) {
	c := newClock()
	quarter := func(t *testing.T) session.Entry { return costing(t, c, owner(0, 1), perShard/4) }
	for _, tc := range []struct {
		desc string
		use  func(t *testing.T, s *memstore.Store)
		gone []int
	}{
		{"by age", func(*testing.T, *memstore.Store) {}, []int{0, 1}},
		{"load is a use", func(t *testing.T, s *memstore.Store) { alive(t, s, at(0, 0)) }, []int{1, 2}},
		{"swap is a use", func(t *testing.T, s *memstore.Store) {
			next := quarter(t)
			next.Version = 2
			_, err := s.Swap(t.Context(), at(0, 1), 1, next)
			require.NoError(t, err)
		}, []int{0, 2}},
		{"a refused swap is none", func(t *testing.T, s *memstore.Store) {
			_, err := s.Swap(t.Context(), at(0, 0), 9, quarter(t))
			require.ErrorIs(t, err, session.ErrConflict)
		}, []int{0, 1}},
		{"list is none", func(t *testing.T, s *memstore.Store) {
			all, err := s.List(t.Context(), owner(0, 1))
			require.NoError(t, err)
			require.Len(t, all, 4)
		}, []int{0, 1}},
		{"all in the other order", func(t *testing.T, s *memstore.Store) {
			for i := 3; i >= 0; i-- {
				alive(t, s, at(0, i))
			}
		}, []int{3, 2}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := small(t, c)
			var evicted []session.StoreKey
			s.Report(func(k session.StoreKey, e session.Entry, why session.Ending) {
				require.Equal(t, session.Evicted, why)
				require.Equal(t, quarter(t).Value, e.Value)
				evicted = append(evicted, k)
			})
			for i := range 4 {
				create(t, s, at(0, i), quarter(t))
			}
			require.Empty(t, evicted, "four fit")
			tc.use(t, s)
			for i := range tc.gone {
				create(t, s, at(0, 10+i), quarter(t))
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
			create(t, s, at(byte(shard), 1_000_000+i), entry(c, owner(byte(shard), 1+i), 100))
			users++
		}
	}
	var lost atomic.Int64
	s.Report(func(_ session.StoreKey, e session.Entry, _ session.Ending) {
		if e.Owner != owner(0, 0) {
			lost.Add(1)
		}
	})
	var written int64
	for i := range 200_000 {
		e := entry(c, owner(0, 0), 100+i%400)
		written += cost(e)
		create(t, s, at(byte(i), i), e)
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
	create(t, s, at(0, 0), entry(c, owner(0, 0), 100))
	for i := range 1000 {
		create(t, s, at(0, 1+i), entry(c, owner(0, 1+i%7), 100))
	}
	require.True(t, alive(t, s, at(0, 0)))
	require.Positive(t, s.Stats().Evicted)
}

// A snapshot is its owner's, and a visitor cannot push it out.
func TestSnapshotCountsAsAuthenticated(t *testing.T) {
	c := newClock()
	s := small(t, c)
	e := entry(c, owner(0, 1), 100)
	e.Listed = false
	create(t, s, at(0, 1), e)
	for i := range 1000 {
		create(t, s, at(0, 2+i), entry(c, owner(0, 0), 100))
	}
	require.True(t, alive(t, s, at(0, 1)))
	require.Equal(t, 1, s.Stats().Authenticated)
}

// An entry that alone is over its shard's part stands until the next one comes:
// refusing it would end the session of whoever filled it.
func TestOversizedEntryStands(t *testing.T) {
	c := newClock()
	s := small(t, c)
	create(t, s, at(0, 1), entry(c, owner(0, 1), 4*perShard))
	require.True(t, alive(t, s, at(0, 1)))
	create(t, s, at(0, 2), entry(c, owner(0, 1), 100))
	require.False(t, alive(t, s, at(0, 1)))
	require.True(t, alive(t, s, at(0, 2)))
}

func TestWritesSweepTheExpired(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		owner int
	}{{"anonymous", 0}, {"authenticated", 1}} {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			ends := make(map[session.StoreKey]int)
			s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) {
				require.Equal(t, session.Expired, why)
				ends[k]++
			})
			const n = 20
			for i := range n {
				create(t, s, at(0, i), entry(c, owner(0, tc.owner), 100))
			}
			c.advance(time.Hour)
			for i := range n / 2 {
				create(t, s, at(0, 100+i), entry(c, owner(0, 0), 100))
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
func TestExpiredGoBeforeTheLiving(t *testing.T) {
	c := newClock()
	for _, tc := range []struct {
		desc string
		life func(i int) time.Duration // of entry i of eight
		gone []int
	}{
		{"the used longest ago is alive", func(i int) time.Duration {
			if i%2 == 1 {
				return time.Minute
			}
			return time.Hour
		}, []int{1, 3, 5, 7}},
		{"the last used has expired", func(i int) time.Duration { return time.Hour - time.Duration(i)*8*time.Minute }, []int{1, 2, 3, 4, 5, 6, 7}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := small(t, c)
			for i := range 8 {
				e := costing(t, c, owner(0, 1), perShard/8)
				e.Expires = c.now().Add(tc.life(i))
				create(t, s, at(0, i), e)
			}
			ends := make(map[int]session.Ending)
			s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) { ends[number(k)] = why })
			c.advance(59 * time.Minute)
			// Half of the room, while four or seven have expired: no live one goes.
			create(t, s, at(0, 9), costing(t, c, owner(0, 1), perShard/2))
			require.True(t, alive(t, s, at(0, 0)))
			s.Sweep()
			want := make(map[int]session.Ending)
			for _, i := range tc.gone {
				want[i] = session.Expired
			}
			require.Equal(t, want, ends)
			c.advance(-59 * time.Minute)
		})
	}
}

// A session whose end moves is found when it has come, not before and not never.
func TestMovedEnds(t *testing.T) {
	c := newClock()
	s := small(t, c)
	for i := range 3 {
		create(t, s, at(0, i), entry(c, owner(0, 1), 10))
	}
	for i, life := range []time.Duration{time.Minute, 2 * time.Hour, time.Hour} {
		next := entry(c, owner(0, 1), 10)
		next.Version, next.Expires = 2, c.now().Add(life)
		_, err := s.Swap(t.Context(), at(0, i), 1, next)
		require.NoError(t, err)
	}
	for _, tc := range []struct {
		after time.Duration
		gone  int
	}{{time.Minute - time.Microsecond, 0}, {time.Microsecond, 1}, {time.Hour - time.Minute, 1}, {time.Hour, 1}} {
		c.advance(tc.after)
		require.Equal(t, tc.gone, s.Sweep(), c.now())
	}
	require.Zero(t, s.Stats().Authenticated)
}

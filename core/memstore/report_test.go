package memstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
)

func TestSweepReportsOnce(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ends := make(map[session.StoreKey]int)
	s.Report(func(k session.StoreKey, e session.Entry, why session.Ending) {
		require.Equal(t, session.Expired, why)
		require.NotEmpty(t, e.Value)
		ends[k]++
		s.Sweep() // no lock is held
	})
	for i := range 500 {
		e := entry(c, owner(byte(i), 1), 50)
		e.Expires = c.now().Add(time.Duration(1+i%2) * time.Minute)
		create(t, s, at(byte(i), i), e)
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

func TestEveryRegisteredFunctionIsTold(t *testing.T) {
	c := newClock()
	s := small(t, c)
	var told [3]int
	for i := range told {
		s.Report(func(session.StoreKey, session.Entry, session.Ending) { told[i]++ })
	}
	create(t, s, at(0, 1), entry(c, owner(0, 1), 10))
	c.advance(time.Hour)
	require.Equal(t, 1, s.Sweep())
	require.Equal(t, [3]int{1, 1, 1}, told)
}

// Created is what was taken, what was ended and returned, what the store ended,
// and what is still there, once each, whatever ran beside it.
func TestReportsAddUpUnderLoad(t *testing.T) {
	c := newClock()
	s := small(t, c)
	type count struct{ created, taken, reported atomic.Int32 }
	const workers, each, shared = 8, 400, 64
	counts := make([]count, workers*each)
	s.Report(func(k session.StoreKey, _ session.Entry, _ session.Ending) {
		counts[number(k)].reported.Add(1)
		_ = s.Stats()
	})
	tag := func(n int) byte { return byte(n % shared) }
	key := func(n int) session.StoreKey { return at(tag(n), n) }
	took := func(ended ...session.Keyed) {
		for _, k := range ended {
			counts[number(k.Key)].taken.Add(1)
		}
	}
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			ctx := context.Background()
			for i := range each {
				n := w*each + i
				e := entry(c, owner(tag(n), n%4), 200+n%1000)
				e.Handle = handle(n)
				_, evicted, err := s.Create(ctx, key(n), e, session.Admission{Max: 8})
				if err != nil {
					failed.Store(&err)
				}
				counts[n].created.Add(1)
				took(evicted...)
				o := (n * 7919) % (workers * each)
				other, whose := key(o), owner(tag(o), o%4)
				var out [1]session.Entry
				_ = s.Load(ctx, []session.StoreKey{other}, out[:])
				next := out[0]
				next.Version++
				until := c.now().Add(time.Hour)
				switch n % 16 {
				case 0, 1, 2:
					_, _ = s.Swap(ctx, other, out[0].Version, next)
				case 3, 4:
					if e, err := s.Take(ctx, other); err == nil {
						took(session.Keyed{Key: other, Entry: e})
					}
				case 5:
					c.advance(time.Second)
				case 6:
					s.Sweep()
				case 7:
					_, _ = s.RaiseEpoch(ctx, whose, until)
				case 8:
					_ = s.Deny(ctx, whose, handle(o), until)
				case 9:
					if k, err := s.EndOne(ctx, whose, handle(o), until); err == nil {
						took(k)
					}
				case 10:
					_, ended, _ := s.EndOthers(ctx, whose, handle(o), until)
					took(ended...)
				case 11:
					ended, _ := s.EndAll(ctx, whose, until)
					took(ended...)
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
		here := int32(0)
		if alive(t, s, key(n)) {
			here = 1
			left++
		}
		require.Equal(t, k.created.Load(), k.taken.Load()+k.reported.Load()+here, n)
		reported += k.reported.Load()
	}
	st := s.Stats()
	require.Equal(t, uint64(reported), st.Expired+st.Evicted+st.Revoked)
	require.Equal(t, left, st.Anonymous+st.Authenticated)
	require.LessOrEqual(t, st.AnonymousBytes, int64(mib))
	require.LessOrEqual(t, st.AuthenticatedBytes, int64(mib))
}

// What had expired before it was revoked has expired: the two are different
// events.
func TestRevocationReportsTheExpiredAsExpired(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ends := make(map[int]session.Ending)
	s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) { ends[number(k)] = why })
	for i := range 8 {
		e := entry(c, owner(0, 1), 10)
		e.Expires = e.Expires.Add(time.Duration(i/4) * time.Hour)
		create(t, s, at(0, i), e)
	}
	c.advance(time.Hour)
	_, err := s.RaiseEpoch(t.Context(), owner(0, 1), c.now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, map[int]session.Ending{
		0: session.Expired, 1: session.Expired, 2: session.Expired, 3: session.Expired,
		4: session.Revoked, 5: session.Revoked, 6: session.Revoked, 7: session.Revoked,
	}, ends)
	st := s.Stats()
	require.EqualValues(t, 4, st.Expired)
	require.EqualValues(t, 4, st.Revoked)
}

package session_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// Requests that all read the same record and commit one after the other: every
// commit but the first meets a record that it has not seen.
func TestParallelWritesMerge(t *testing.T) {
	const n = 10
	keys := make([]session.Key[int], n)
	for i := range keys {
		keys[i] = session.NewKey[int](fmt.Sprint("key ", i))
	}
	for _, from := range []string{"visitor", "user"} {
		t.Run(from, func(t *testing.T) {
			e := newEnv(t)
			v := e.visit()
			if from == "user" {
				v = e.login(ann())
			}
			var requests []*session.Session
			for i := range n {
				s := e.live(v)
				require.NoError(t, keys[i].Set(s, i))
				require.NoError(t, hits.Add(s, int64(i)))
				require.NoError(t, notice.Add(s, fmt.Sprint(i)))
				requests = append(requests, s)
			}
			for _, s := range requests {
				e.silent(s)
			}
			s := e.begin(v)
			for i := range n {
				got, ok, err := keys[i].Get(s)
				require.NoError(t, err)
				require.True(t, ok)
				require.Equal(t, i, got)
			}
			count, err := hits.Get(s)
			require.NoError(t, err)
			require.EqualValues(t, n*(n-1)/2, count)
			shown, err := notice.Take(s)
			require.NoError(t, err)
			slices.Sort(shown)
			require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, shown)
		})
	}
}

func TestLastCommitWinsPerKey(t *testing.T) {
	e := newEnv(t)
	v := e.visit()
	a, b := e.live(v), e.live(v)
	require.NoError(t, cart.Set(a, "a"))
	require.NoError(t, other.Set(a, "a"))
	require.NoError(t, cart.Delete(b))
	e.silent(b)
	e.silent(a)
	s := e.begin(v)
	e.has(s, cart, "a")
	e.has(s, other, "a")

	a, b = e.live(v), e.live(v)
	require.NoError(t, cart.Set(a, "again"))
	require.NoError(t, cart.Delete(b))
	e.silent(a)
	e.silent(b)
	e.has(e.begin(v), cart, "")
}

// A counter that was set aside for deletion counts from nothing, one that is
// deleted meanwhile too.
func TestCounters(t *testing.T) {
	e := newEnv(t)
	v := e.visit()
	reset := session.NewKey[int]("hits")
	get := func(s *session.Session) int64 {
		n, err := hits.Get(s)
		require.NoError(t, err)
		return n
	}
	s := e.begin(v)
	require.NoError(t, hits.Add(s, 5))
	require.NoError(t, hits.Add(s, -2))
	require.EqualValues(t, 3, get(s))
	e.silent(s)

	a, b := e.live(v), e.live(v)
	require.NoError(t, hits.Add(a, 10))
	require.NoError(t, reset.Delete(b))
	require.NoError(t, hits.Add(b, 1))
	require.EqualValues(t, 1, get(b))
	e.silent(b)
	e.silent(a)
	require.EqualValues(t, 11, get(e.begin(v)))

	s = e.begin(v)
	require.NoError(t, reset.Set(s, 40))
	require.NoError(t, hits.Add(s, 2))
	e.silent(s)
	require.EqualValues(t, 42, get(e.begin(v)))
	n, ok, err := reset.Get(e.begin(v))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 42, n)
}

func TestCounterErrors(t *testing.T) {
	e := newEnv(t)
	text := session.NewKey[string]("hits")
	v := e.visit()

	t.Run("not a number", func(t *testing.T) {
		s := e.begin(v)
		require.NoError(t, text.Set(s, "five"))
		require.ErrorIs(t, hits.Add(s, 1), session.ErrNotNumber)
		_, err := hits.Get(s)
		require.ErrorIs(t, err, session.ErrNotNumber)
		e.silent(s)
		s = e.begin(v)
		require.ErrorIs(t, hits.Add(s, 1), session.ErrNotNumber)
		e.silent(s)
		e.has(e.begin(v), text, "five")
		s = e.begin(v)
		require.NoError(t, text.Delete(s))
		e.silent(s)
	})
	t.Run("becomes no number before the commit", func(t *testing.T) {
		a, b := e.live(v), e.live(v)
		require.NoError(t, hits.Add(a, 1))
		require.NoError(t, text.Set(b, "five"))
		e.silent(b)
		out := a.Finish()
		require.ErrorIs(t, out.Err, session.ErrNotNumber)
		require.NotErrorIs(t, out.Err, core.ErrUnknown)
		e.has(e.begin(v), text, "five")
		s := e.begin(v)
		require.NoError(t, text.Delete(s))
		e.silent(s)
	})
	t.Run("overflow", func(t *testing.T) {
		s := e.begin(v)
		require.NoError(t, hits.Add(s, math.MaxInt64))
		require.ErrorIs(t, hits.Add(s, 1), session.ErrOverflow)
		require.NoError(t, hits.Add(s, math.MinInt64))
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.EqualValues(t, -1, n, "the refused addition changed nothing")
		require.NoError(t, hits.Add(s, math.MinInt64+1))
		require.ErrorIs(t, hits.Add(s, -1), session.ErrOverflow)
		e.silent(s)
		require.ErrorIs(t, hits.Add(e.begin(v), -1), session.ErrOverflow)
		require.ErrorIs(t, hits.Add(e.begin(v), math.MinInt64), session.ErrOverflow)
		require.NoError(t, hits.Add(e.begin(v), math.MaxInt64))
	})
	t.Run("overflow at commit", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		a, b := e.live(v), e.live(v)
		require.NoError(t, hits.Add(a, math.MaxInt64))
		require.NoError(t, hits.Add(b, 1))
		e.silent(a)
		require.ErrorIs(t, b.Finish().Err, session.ErrOverflow)
		n, err := hits.Get(e.begin(v))
		require.NoError(t, err)
		require.EqualValues(t, math.MaxInt64, n)
	})
}

func TestCompareAndSet(t *testing.T) {
	t.Run("stores at once", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		s := e.begin(v)
		require.NoError(t, other.Set(s, "pending"))
		e.quiet()
		require.NoError(t, cart.CompareAndSet(s, "apple", "pear"))
		require.Equal(t, map[string]int{"swap": 1}, e.store.count())
		late := e.begin(v)
		e.has(late, cart, "pear")
		e.has(late, other, "pending")
		e.silent(s)
	})
	t.Run("conflicts", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		s := e.live(v)
		e.quiet()
		require.ErrorIs(t, cart.CompareAndSet(s, "pear", "plum"), session.ErrConflict)
		require.ErrorIs(t, other.CompareAndSet(s, "", "plum"), session.ErrConflict, "absent is not empty")
		require.ErrorIs(t, cart.SetIfAbsent(s, "plum"), session.ErrConflict)
		require.Empty(t, e.store.count())
		e.silent(s)
		e.has(e.begin(v), cart, "apple")
	})
	t.Run("one of two", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		a, b := e.live(v), e.live(v)
		require.NoError(t, hits.Add(b, 1))
		require.NoError(t, cart.CompareAndSet(a, "apple", "a"))
		require.ErrorIs(t, cart.CompareAndSet(b, "apple", "b"), session.ErrConflict)
		e.has(b, cart, "a")
		e.silent(b)
		s := e.begin(v)
		e.has(s, cart, "a")
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.EqualValues(t, 1, n, "what else was pending is not lost by a conflict")
	})
	t.Run("one of two, set if absent", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		a, b := e.live(v), e.live(v)
		require.NoError(t, other.SetIfAbsent(a, "a"))
		require.ErrorIs(t, other.SetIfAbsent(b, "b"), session.ErrConflict)
		e.silent(b)
		e.has(e.begin(v), other, "a")
	})
	t.Run("other changes are no conflict", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		a, b := e.live(v), e.live(v)
		require.NoError(t, hits.Add(a, 1))
		e.silent(a)
		require.NoError(t, cart.CompareAndSet(b, "apple", "pear"))
		e.silent(b)
		s := e.begin(v)
		e.has(s, cart, "pear")
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
	t.Run("away and back again is no conflict", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		a := e.live(v)
		for _, x := range []string{"pear", "apple"} {
			s := e.begin(v)
			require.NoError(t, cart.Set(s, x))
			e.silent(s)
		}
		require.NoError(t, cart.CompareAndSet(a, "apple", "plum"))
	})
	t.Run("own writes count", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin(e.visit())
		require.NoError(t, cart.Set(s, "pear"))
		require.ErrorIs(t, cart.CompareAndSet(s, "apple", "plum"), session.ErrConflict)
		require.NoError(t, cart.CompareAndSet(s, "pear", "plum"))
		require.NoError(t, cart.Delete(s))
		require.NoError(t, cart.SetIfAbsent(s, "fig"))
		e.has(s, cart, "fig")
	})
	t.Run("from nothing", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, other.Set(s, "too"))
		require.NoError(t, cart.SetIfAbsent(s, "apple"))
		require.Equal(t, map[string]int{"create": 1}, e.store.count())
		v := e.value(s)
		e.has(e.begin(v), cart, "apple")
		e.has(e.begin(v), other, "too")
	})
	t.Run("of the dead", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		s := e.live(v)
		e.logout(v)
		e.quiet()
		require.ErrorIs(t, cart.CompareAndSet(s, "apple", "pear"), core.ErrAnonymous)
		require.Equal(t, []string{"session_write_dropped"}, e.audit.drain())
		e.silent(s)
		require.Zero(t, e.mem.Stats().Anonymous)
	})
	t.Run("across releases of the type", func(t *testing.T) {
		type v1 struct{ A int }
		type v2 struct{ A, B int }
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, session.NewKey[v1]("form").Set(s, v1{A: 1}))
		s = e.begin(e.value(s))
		require.NoError(t, session.NewKey[v2]("form").CompareAndSet(s, v2{A: 1}, v2{A: 1, B: 2}))
	})
	t.Run("store down", func(t *testing.T) {
		e := newEnv(t)
		v := e.visit()
		s := e.live(v)
		e.store.fail(errDown, "swap")
		require.ErrorIs(t, cart.CompareAndSet(s, "apple", "pear"), core.ErrUnknown)
		e.store.heal()
		e.silent(s)
		e.has(e.begin(v), cart, "apple")
	})
}

// S5: a slow request writes after the session ended. The record stays dead, the
// write is given up with one event, and only an answer that relied on the session
// is refused.
func TestSlowRequestAgainstTheEnd(t *testing.T) {
	ends := []struct {
		desc string
		end  func(e *env, v string)
	}{
		{"logout", func(e *env, v string) { e.logout(v) }},
		{"idle", func(e *env, _ string) { e.clock.advance(24 * time.Hour) }},
		{"user switch", func(e *env, v string) {
			s := e.begin(v)
			require.NoError(e.t, s.Login(e.t.Context(), bob()))
			e.value(s)
		}},
	}
	for _, tc := range ends {
		for _, guarded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, guarded %v", tc.desc, guarded), func(t *testing.T) {
				e := newEnv(t)
				v := e.login(ann())
				s := e.begin(v)
				if guarded {
					require.NoError(t, s.Authorize())
				}
				require.NoError(t, cart.Set(s, "apple"))
				require.NoError(t, hits.Add(s, 1))
				require.NoError(t, notice.Add(s, "x"))
				tc.end(e, v)
				e.quiet()
				out := s.Finish()
				if guarded {
					require.ErrorIs(t, out.Err, core.ErrAnonymous)
				} else {
					require.NoError(t, out.Err)
				}
				require.Empty(t, out.SetCookie)
				dropped := 0
				for _, name := range e.audit.drain() {
					if name == "session_write_dropped" {
						dropped++
					}
				}
				require.Equal(t, 1, dropped)
				require.Empty(t, e.subject(e.begin(v)))
				require.Zero(t, e.mem.Stats().Anonymous)
			})
		}
	}
	t.Run("explicit commit tells", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.begin(v)
		require.NoError(t, s.Authorize())
		require.NoError(t, cart.Set(s, "apple"))
		e.logout(v)
		require.ErrorIs(t, s.Commit(t.Context()), core.ErrAnonymous)
		require.NoError(t, s.Commit(t.Context()), "once")
		require.Empty(t, e.subject(s))
		e.silent(s)
	})
	t.Run("the end comes between two attempts", func(t *testing.T) {
		e := newEnv(t)
		v := e.login(ann())
		s := e.live(v)
		require.NoError(t, cart.Set(s, "apple"))
		rival := e.live(v)
		require.NoError(t, other.Set(rival, "first"))
		e.silent(rival)
		e.store.next("swap", func() { e.store.next("swap", func() { e.logout(v) }) })
		e.silent(s)
		require.Empty(t, e.subject(e.begin(v)))
		require.Zero(t, e.mem.Stats().Authenticated)
	})
}

func TestTooLarge(t *testing.T) {
	e := newEnv(t, func(c *session.Config) { c.MaxDataBytes = 100 })
	value := func(n int) string { return strings.Repeat("x", n) }
	// 1 + 4 (name) + 4 + 2 quotes = 11 bytes around a value of "cart".
	t.Run("limit", func(t *testing.T) {
		s := e.begin()
		require.ErrorIs(t, cart.Set(s, value(90)), session.ErrTooLarge)
		require.NoError(t, cart.Set(s, value(89)))
		require.ErrorIs(t, hits.Add(s, 1), session.ErrTooLarge)
		require.ErrorIs(t, notice.Add(s, ""), session.ErrTooLarge)
		e.has(s, cart, value(89))
		e.has(e.begin(e.value(s)), cart, value(89))
	})
	t.Run("sum of two requests", func(t *testing.T) {
		v := e.visit()
		a, b := e.live(v), e.live(v)
		require.NoError(t, other.Set(a, value(50)))
		require.NoError(t, session.NewKey[string]("third").Set(b, value(50)))
		e.silent(a)
		out := b.Finish()
		require.ErrorIs(t, out.Err, session.ErrTooLarge)
		require.NotErrorIs(t, out.Err, core.ErrUnknown)
		e.has(e.begin(v), other, value(50))
	})
	t.Run("never in the way of a login", func(t *testing.T) {
		s := e.begin()
		require.NoError(t, cart.Set(s, value(89)))
		v := e.value(s)
		s = e.begin(v)
		require.NoError(t, cart.Set(s, value(1)))
		require.NoError(t, other.Set(s, value(70)))
		e.store.next("take", func() {
			late := e.begin(v)
			require.NoError(t, cart.Delete(late))
			require.NoError(t, session.NewKey[string]("late").Set(late, value(80)))
			e.silent(late)
		})
		require.NoError(t, s.Login(t.Context(), ann()))
		v = e.value(s)
		s = e.begin(v)
		e.has(s, other, value(70))
		e.has(s, session.NewKey[string]("late"), value(80))

		// Above the limit everything may shrink and nothing may grow.
		require.ErrorIs(t, hits.Add(s, 1), session.ErrTooLarge)
		require.NoError(t, cart.Delete(s))
		require.NoError(t, other.Set(s, value(69)))
		e.silent(s)
		s = e.begin(v)
		e.has(s, cart, "")
		e.has(s, other, value(69))
		require.ErrorIs(t, other.Set(s, value(70)), session.ErrTooLarge)
	})
}

// A store that never lets a write through must not hold the request for ever.
func TestEndlessContention(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	s := e.live(v)
	require.NoError(t, cart.Set(s, "apple"))
	var rival func()
	rival = func() {
		r := e.begin(v)
		require.NoError(t, hits.Add(r, 1))
		e.silent(r)
		e.store.next("swap", rival)
	}
	e.store.next("swap", rival)
	out := s.Finish()
	require.ErrorIs(t, out.Err, core.ErrUnknown)
	require.ErrorContains(t, out.Err, "contended")
	require.False(t, errors.Is(out.Err, session.ErrConflict))
}

package session_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
)

func TestKeyNames(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		desc, name string
		ok         bool
	}{
		{"empty", "", false},
		{"201 bytes", strings.Repeat("x", 201), false},
		{"NUL", "a\x00b", false},
		{"NUL at the end", "a\x00", false},
		{"200 bytes", strings.Repeat("x", 200), true},
		{"one byte", "a", true},
		{"any bytes", "\xff \r\n;=é", true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			key, counter, flash := session.NewKey[int](tc.name), session.NewCounter(tc.name), session.NewFlash[int](tc.name)
			calls := map[string]func(*session.Session) error{
				"Get": func(s *session.Session) error {
					_, _, err := key.Get(s)
					return err
				},
				"Set":           func(s *session.Session) error { return key.Set(s, 1) },
				"Delete":        func(s *session.Session) error { return key.Delete(s) },
				"SetIfAbsent":   func(s *session.Session) error { return key.SetIfAbsent(s, 1) },
				"CompareAndSet": func(s *session.Session) error { return key.CompareAndSet(s, 1, 2) },
				"Counter.Get": func(s *session.Session) error {
					_, err := counter.Get(s)
					return err
				},
				"Counter.Add": func(s *session.Session) error { return counter.Add(s, 1) },
				"Flash.Add":   func(s *session.Session) error { return flash.Add(s, 1) },
				"Flash.Take": func(s *session.Session) error {
					_, err := flash.Take(s)
					return err
				},
			}
			for call, do := range calls {
				s := e.begin()
				if call == "CompareAndSet" && tc.ok {
					require.NoError(t, key.Set(s, 1))
				}
				err := do(s)
				if tc.ok {
					require.NoError(t, err, call)
					continue
				}
				require.Equal(t, []string{"name"}, configErrors(err), call)
				e.silent(s)
			}
		})
	}
}

type point struct {
	X, Y int
	Tags map[string][]string `json:"tags,omitempty"`
}

func TestValuesRoundTrip(t *testing.T) {
	e := newEnv(t)
	s := e.begin()
	texts := session.NewKey[map[string]string]("texts")
	all := map[string]string{}
	for _, x := range []string{
		"", "plain", `"`, `\`, `a"b`, "\x00", "\n", "é€😀", "<script>&amp;", "\u2028", strings.Repeat("long ", 500), `{"a":1}`, "null",
	} {
		all[x] = x
		k := session.NewKey[string]("text " + x[:min(len(x), 1)] + "-" + string(rune('a'+len(all))))
		if strings.Contains(x[:min(len(x), 1)], "\x00") {
			k = session.NewKey[string]("text NUL")
		}
		require.NoError(t, k.Set(s, x))
		got, ok, err := k.Get(s)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, x, got)
	}
	points, times, floats := session.NewKey[*point]("point"), session.NewKey[time.Time]("time"), session.NewKey[float64]("float")
	p := &point{1, -2, map[string][]string{"a": {"b"}}}
	require.NoError(t, texts.Set(s, all))
	require.NoError(t, points.Set(s, p))
	require.NoError(t, times.Set(s, noon))
	require.NoError(t, floats.Set(s, math.SmallestNonzeroFloat64))
	s = e.begin(e.value(s))
	gotTexts, _, err := texts.Get(s)
	require.NoError(t, err)
	require.Equal(t, all, gotTexts)
	gotPoint, _, err := points.Get(s)
	require.NoError(t, err)
	require.Equal(t, p, gotPoint)
	gotTime, _, err := times.Get(s)
	require.NoError(t, err)
	require.Equal(t, noon, gotTime)
	gotFloat, _, err := floats.Get(s)
	require.NoError(t, err)
	require.Equal(t, math.SmallestNonzeroFloat64, gotFloat)

	// A named string type takes the long way to the same result.
	type color string
	named, plain := session.NewKey[color]("color"), session.NewKey[string]("color")
	require.NoError(t, named.Set(s, "red"))
	got, _, err := plain.Get(s)
	require.NoError(t, err)
	require.Equal(t, "red", got)
}

func TestValueErrors(t *testing.T) {
	e := newEnv(t)
	v := e.visit()
	s := e.begin(v)
	bad := session.NewKey[float64]("cart")
	require.ErrorContains(t, bad.Set(s, math.NaN()), `value "cart"`)
	require.ErrorContains(t, bad.SetIfAbsent(s, math.Inf(1)), `value "cart"`)
	require.ErrorContains(t, bad.CompareAndSet(s, math.NaN(), 1), `value "cart"`)
	require.ErrorContains(t, bad.CompareAndSet(s, 1, math.NaN()), `value "cart"`)
	require.ErrorContains(t, session.NewFlash[float64]("f").Add(s, math.NaN()), `value "f"`)
	n, ok, err := bad.Get(s)
	require.ErrorContains(t, err, `value "cart"`)
	require.False(t, ok)
	require.Zero(t, n)
	require.ErrorIs(t, bad.CompareAndSet(s, 1, 2), session.ErrConflict, "what cannot be read is not what was expected")
	require.NoError(t, notice.Add(s, "text"))
	_, err = session.NewFlash[int]("notice").Take(s)
	require.ErrorContains(t, err, `value "notice"`)
}

func TestOwnWritesAreRead(t *testing.T) {
	e := newEnv(t)
	s := e.begin(e.visit())
	e.has(s, cart, "apple")
	require.NoError(t, cart.Set(s, "pear"))
	e.has(s, cart, "pear")
	require.NoError(t, cart.Delete(s))
	e.has(s, cart, "")
	require.NoError(t, cart.Delete(s))
	require.NoError(t, cart.Set(s, "plum"))
	require.NoError(t, s.Commit(t.Context()))
	e.has(s, cart, "plum")
	require.NoError(t, cart.Delete(s))
	require.NoError(t, s.Commit(t.Context()))
	e.has(s, cart, "")
}

func TestFlash(t *testing.T) {
	take := func(t *testing.T, s *session.Session) []string {
		got, err := notice.Take(s)
		require.NoError(t, err)
		return got
	}
	t.Run("once, in order", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		for _, x := range []string{"first", "second", "third"} {
			require.NoError(t, notice.Add(s, x))
			e.clock.advance(time.Nanosecond)
		}
		v := e.value(s)
		s = e.begin(v)
		require.Equal(t, []string{"first", "second", "third"}, take(t, s))
		require.Empty(t, take(t, s))
		e.silent(s)
		require.Empty(t, take(t, e.begin(v)))
	})
	t.Run("in the same request", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, notice.Add(s, "now"))
		require.Equal(t, []string{"now"}, take(t, s))
		e.silent(s)
		require.Zero(t, e.mem.Stats().Anonymous, "nothing was left to store")
	})
	t.Run("shown again if the answer fails", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, notice.Add(s, "saved"))
		v := e.value(s)
		s = e.begin(v)
		require.Equal(t, []string{"saved"}, take(t, s))
		s.Abandon()
		require.Equal(t, []string{"saved"}, take(t, e.begin(v)))
	})
	t.Run("added beside a take", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		require.NoError(t, notice.Add(s, "old"))
		v := e.value(s)
		taker, adder := e.live(v), e.live(v)
		require.Equal(t, []string{"old"}, take(t, taker))
		require.NoError(t, notice.Add(adder, "new"))
		e.silent(adder)
		e.silent(taker)
		require.Equal(t, []string{"new"}, take(t, e.begin(v)), "exactly what was shown is removed")
	})
	t.Run("names that begin alike", func(t *testing.T) {
		e := newEnv(t)
		a, ab := session.NewFlash[string]("a"), session.NewFlash[string]("ab")
		s := e.begin()
		require.NoError(t, a.Add(s, "for a"))
		require.NoError(t, ab.Add(s, "for ab"))
		require.NoError(t, session.NewKey[string]("a").Set(s, "key a"))
		got, err := a.Take(s)
		require.NoError(t, err)
		require.Equal(t, []string{"for a"}, got)
		e.has(s, session.NewKey[string]("a"), "key a")
		got, err = ab.Take(s)
		require.NoError(t, err)
		require.Equal(t, []string{"for ab"}, got)
	})
	t.Run("equal values all count", func(t *testing.T) {
		e := newEnv(t)
		s := e.begin()
		for range 3 {
			require.NoError(t, notice.Add(s, "same"))
		}
		require.Equal(t, []string{"same", "same", "same"}, take(t, e.begin(e.value(s))))
	})
}

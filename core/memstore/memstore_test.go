package memstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
)

func TestConfig(t *testing.T) {
	for _, tc := range []struct {
		desc string
		cfg  memstore.Config
		want []string
	}{
		{"zero", memstore.Config{}, nil},
		{"least", memstore.Config{AnonymousBytes: mib, AuthenticatedBytes: mib, FamilyBytes: mib, RevocationBytes: mib}, nil},
		{"most", memstore.Config{AnonymousBytes: 32 << 30, AuthenticatedBytes: 32 << 30, FamilyBytes: 32 << 30, RevocationBytes: 32 << 30}, nil},
		{"anonymous too small", memstore.Config{AnonymousBytes: mib - 1}, []string{"memstore.Config.AnonymousBytes = \"1048575\""}},
		{"anonymous too large", memstore.Config{AnonymousBytes: 32<<30 + 1}, []string{"memstore.Config.AnonymousBytes = \"34359738369\""}},
		{"authenticated too small", memstore.Config{AuthenticatedBytes: 1}, []string{"memstore.Config.AuthenticatedBytes = \"1\""}},
		{"families too small", memstore.Config{FamilyBytes: mib - 1}, []string{"memstore.Config.FamilyBytes = \"1048575\""}},
		{"families too large", memstore.Config{FamilyBytes: 32<<30 + 1}, []string{"memstore.Config.FamilyBytes = \"34359738369\""}},
		{"revocations too small", memstore.Config{RevocationBytes: mib - 1}, []string{"memstore.Config.RevocationBytes = \"1048575\""}},
		{"all at once", memstore.Config{AnonymousBytes: -1, AuthenticatedBytes: -mib, FamilyBytes: 2, RevocationBytes: 1},
			[]string{"memstore.Config.AnonymousBytes = \"-1\"", "memstore.Config.AuthenticatedBytes = \"-1048576\"",
				"memstore.Config.FamilyBytes = \"2\"", "memstore.Config.RevocationBytes = \"1\""}},
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
	past, future := entry(newClock(), owner(0, 1), 10), entry(newClock(), owner(0, 1), 10)
	past.Expires, future.Expires = time.Now().Add(-time.Second), time.Now().Add(time.Hour)
	create(t, s, at(0, 1), past)
	create(t, s, at(0, 2), future)
	require.False(t, alive(t, s, at(0, 1)))
	require.True(t, alive(t, s, at(0, 2)))
}

func TestStats(t *testing.T) {
	c := newClock()
	s := small(t, c)
	require.Equal(t, memstore.Stats{}, s.Stats())

	ann, bob, eve := owner(1, 1), owner(63, 2), owner(0, 3)
	create(t, s, at(0, 1), entry(c, owner(0, 0), 100))
	create(t, s, at(1, 1), entry(c, ann, 200))
	create(t, s, at(63, 1), entry(c, bob, 300))
	want := memstore.Stats{
		Anonymous: 1, Authenticated: 2,
		AnonymousBytes:     cost(entry(c, owner(0, 0), 100)),
		AuthenticatedBytes: cost(entry(c, ann, 200)) + cost(entry(c, bob, 300)),
	}
	require.Equal(t, want, s.Stats())

	// A refused write changes nothing.
	_, _, err := s.Create(t.Context(), at(0, 1), entry(c, owner(0, 0), 900), unlimited)
	require.ErrorIs(t, err, session.ErrExists)
	_, err = s.Swap(t.Context(), at(0, 1), 7, entry(c, owner(0, 0), 900))
	require.ErrorIs(t, err, session.ErrConflict)
	require.Equal(t, want, s.Stats())

	// A change of owner moves the entry from one budget to the other.
	_, err = s.Swap(t.Context(), at(0, 1), 1, entry(c, eve, 50))
	require.NoError(t, err)
	want.Anonymous, want.AnonymousBytes = 0, 0
	want.Authenticated++
	want.AuthenticatedBytes += cost(entry(c, eve, 50))
	require.Equal(t, want, s.Stats())

	// A snapshot counts with the sessions of its owner.
	left := entry(c, ann, 20)
	left.Listed = false
	_, err = s.Rename(t.Context(), at(1, 1), 1, at(1, 2), entry(c, ann, 210), &left)
	require.NoError(t, err)
	want.Authenticated++
	want.AuthenticatedBytes += cost(left) + cost(entry(c, ann, 210)) - cost(entry(c, ann, 200))
	require.Equal(t, want, s.Stats())

	_, err = s.Take(t.Context(), at(63, 1))
	require.NoError(t, err)
	want.Authenticated--
	want.AuthenticatedBytes -= cost(entry(c, bob, 300))
	require.Equal(t, want, s.Stats())

	_, err = s.EndAll(t.Context(), ann, c.now().Add(time.Hour))
	require.NoError(t, err)
	want.Authenticated, want.AuthenticatedBytes = 1, cost(entry(c, eve, 50))
	want.Revoked, want.Revocations, want.RevocationBytes = 1, 1, revokedCost
	require.Equal(t, want, s.Stats(), "the session was returned, the snapshot reported")

	c.advance(time.Hour)
	require.Equal(t, want, s.Stats(), "expired, but nobody came across")
	require.Equal(t, 1, s.Sweep())
	require.Equal(t, memstore.Stats{Expired: 1, Revoked: 1}, s.Stats())
	require.Equal(t, 0, s.Sweep())
}

// Keys and owner of one call stand behind one lock; anything else is a mistake,
// and must not become a session that no revocation finds.
func TestForeignTagIsRefused(t *testing.T) {
	c := newClock()
	s := small(t, c)
	_, _, err := s.Create(t.Context(), at(1, 1), entry(c, owner(2, 1), 10), unlimited)
	require.Error(t, err)
	create(t, s, at(1, 1), entry(c, owner(1, 1), 10))
	_, err = s.Swap(t.Context(), at(1, 1), 1, entry(c, owner(2, 1), 10))
	require.Error(t, err)
	_, err = s.Rename(t.Context(), at(1, 1), 1, at(2, 2), entry(c, owner(2, 1), 10), nil)
	require.Error(t, err)
	left := entry(c, owner(2, 1), 10)
	_, err = s.Rename(t.Context(), at(1, 1), 1, at(1, 2), entry(c, owner(1, 1), 10), &left)
	require.Error(t, err)
	require.Equal(t, 1, s.Stats().Authenticated)
	require.True(t, alive(t, s, at(1, 1)))
}

func TestClose(t *testing.T) {
	c := newClock()
	s := small(t, c)
	reports := 0
	s.Report(func(session.StoreKey, session.Entry, session.Ending) { reports++ })
	ann := owner(0, 1)
	create(t, s, at(0, 1), entry(c, ann, 100))
	create(t, s, at(5, 1), entry(c, owner(5, 0), 100))
	require.NoError(t, s.Deny(t.Context(), ann, handle(1), c.now().Add(time.Hour)))
	family := begin(t, s, login(ann, 2, 100))
	key := family.Key()
	begin(t, s, login(owner(7, 1), 3, 100))
	value := load(t, s, at(0, 1)).Value

	for range 2 {
		require.NoError(t, s.Close())
		require.Equal(t, memstore.Stats{}, s.Stats())
		require.Zero(t, s.Sweep())
	}
	require.Zero(t, reports)
	require.Equal(t, entry(c, ann, 100).Value, value, "what was read before stays readable")
	require.Equal(t, login(ann, 2, 100).Value, family.Value)

	until := c.now().Add(time.Hour)
	for _, tc := range []struct {
		desc string
		call func(ctx context.Context) error
	}{
		{"Load", func(ctx context.Context) error {
			return s.Load(ctx, []session.StoreKey{at(0, 1)}, make([]session.Entry, 1))
		}},
		{"Create", func(ctx context.Context) error {
			_, _, err := s.Create(ctx, at(0, 2), entry(c, ann, 1), unlimited)
			return err
		}},
		{"Swap", func(ctx context.Context) error {
			_, err := s.Swap(ctx, at(0, 1), 1, entry(c, ann, 1))
			return err
		}},
		{"Rename", func(ctx context.Context) error {
			_, err := s.Rename(ctx, at(0, 1), 1, at(0, 2), entry(c, ann, 1), nil)
			return err
		}},
		{"Take", func(ctx context.Context) error { _, err := s.Take(ctx, at(0, 1)); return err }},
		{"List", func(ctx context.Context) error { _, err := s.List(ctx, ann); return err }},
		{"EndOne", func(ctx context.Context) error { _, err := s.EndOne(ctx, ann, handle(1), until); return err }},
		{"EndOthers", func(ctx context.Context) error { _, _, err := s.EndOthers(ctx, ann, handle(1), until); return err }},
		{"EndAll", func(ctx context.Context) error { _, err := s.EndAll(ctx, ann, until); return err }},
		{"Revoked", func(ctx context.Context) error { _, err := s.Revoked(ctx, ann, asked(1)); return err }},
		{"RaiseEpoch", func(ctx context.Context) error { _, err := s.RaiseEpoch(ctx, ann, until); return err }},
		{"RestoreEpoch", func(ctx context.Context) error { return s.RestoreEpoch(ctx, ann, 1, until) }},
		{"Deny", func(ctx context.Context) error { return s.Deny(ctx, ann, handle(1), until) }},
		{"CreateFamily", func(ctx context.Context) error {
			_, _, err := s.CreateFamily(ctx, login(ann, 4, 1), 9)
			return err
		}},
		{"FindFamily", func(ctx context.Context) error { _, err := s.FindFamily(ctx, key); return err }},
		{"Rotate", func(ctx context.Context) error {
			_, err := s.Rotate(ctx, key, &refresh.Presented{Generation: 1, Rules: rules})
			return err
		}},
		{"EndFamily", func(ctx context.Context) error { _, err := s.EndFamily(ctx, key, rules); return err }},
		{"Families", func(ctx context.Context) error { _, err := s.Families(ctx, ann); return err }},
		{"Sight", func(ctx context.Context) error { return s.Sight(ctx, ann, key.Handle, family.Answer()) }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			require.ErrorIs(t, tc.call(t.Context()), memstore.ErrClosed)
		})
	}
	require.Equal(t, memstore.Stats{}, s.Stats())
}

// The budgets are counted by the store itself; this asks the counters to agree
// with what can still be read.
func TestCountersAgreeWithContents(t *testing.T) {
	c := newClock()
	s := small(t, c)
	key := func(i int) session.StoreKey { return at(byte(i/3), i) }
	for i := range 5000 {
		create(t, s, key(i), entry(c, owner(byte(i/3), i%2), 100+i%300))
		if i%3 == 0 {
			e := entry(c, owner(byte(i/3), (i+1)%2), 50+i%700)
			e.Version = 2
			_, err := s.Swap(t.Context(), key(i), 1, e)
			require.True(t, err == nil || errors.Is(err, session.ErrGone), err)
		}
		if i%11 == 0 {
			_, _ = s.Take(t.Context(), key(i/2))
		}
	}
	var got memstore.Stats
	for i := range 5000 {
		e := load(t, s, key(i))
		switch {
		case e.Version == 0:
		case e.Owner == owner(0, 0):
			got.Anonymous++
			got.AnonymousBytes += cost(e)
		default:
			got.Authenticated++
			got.AuthenticatedBytes += cost(e)
		}
	}
	want := s.Stats()
	require.Positive(t, want.Evicted)
	want.Evicted, want.Expired = 0, 0
	require.Equal(t, want, got)
}

// Sessions of the same moment are listed, and make room, in the order in which
// they came.
func TestTheSameMoment(t *testing.T) {
	c := newClock()
	s := small(t, c)
	numbers := func(all []session.Keyed) (n []int) {
		for _, k := range all {
			n = append(n, number(k.Key))
		}
		return n
	}
	for _, i := range []int{5, 3, 9, 1} {
		create(t, s, at(0, i), entry(c, owner(0, 1), 10))
	}
	all, err := s.List(t.Context(), owner(0, 1))
	require.NoError(t, err)
	require.Equal(t, []int{5, 3, 9, 1}, numbers(all))
	_, evicted, err := s.Create(t.Context(), at(0, 2), entry(c, owner(0, 1), 10), session.Admission{Max: 3})
	require.NoError(t, err)
	require.Equal(t, []int{5, 3}, numbers(evicted))
}

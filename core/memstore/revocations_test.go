package memstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// revokedCost is what Config says that an epoch, a denial or a void counts.
const revokedCost = 80

// fill raises epochs of as many owners as there is room for.
func fill(t *testing.T, s *memstore.Store, until time.Time) int {
	t.Helper()
	for n := 0; ; n++ {
		if _, err := s.RaiseEpoch(t.Context(), owner(byte(n), 1000+n), until); err != nil {
			require.ErrorIs(t, err, revocation.ErrFull)
			return n
		}
	}
}

func TestFullRevocationsRefuse(t *testing.T) {
	c := newClock()
	hour := c.now().Add(time.Hour)
	for _, tc := range []struct {
		desc string
		call func(t *testing.T, s *memstore.Store) error
	}{
		{"RaiseEpoch", func(t *testing.T, s *memstore.Store) error {
			_, err := s.RaiseEpoch(t.Context(), owner(0, 1), hour)
			return err
		}},
		{"RestoreEpoch", func(t *testing.T, s *memstore.Store) error {
			return s.RestoreEpoch(t.Context(), owner(0, 1), 7, hour)
		}},
		{"Deny", func(t *testing.T, s *memstore.Store) error {
			return s.Deny(t.Context(), owner(0, 1), handle(100), hour)
		}},
		{"EndOne", func(t *testing.T, s *memstore.Store) error {
			_, err := s.EndOne(t.Context(), owner(0, 1), handle(100), hour)
			return err
		}},
		{"EndOthers", func(t *testing.T, s *memstore.Store) error {
			_, _, err := s.EndOthers(t.Context(), owner(0, 1), handle(100), hour)
			return err
		}},
		{"EndAll", func(t *testing.T, s *memstore.Store) error {
			_, err := s.EndAll(t.Context(), owner(0, 1), hour)
			return err
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := small(t, c)
			s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) { t.Errorf("ended %v: %v", k, why) })
			create(t, s, at(0, 1), entry(c, owner(0, 1), 100))
			create(t, s, at(0, 2), entry(c, owner(0, 1), 101))
			require.Equal(t, mib/revokedCost, fill(t, s, hour))
			before := s.Stats()
			require.EqualValues(t, mib/revokedCost*revokedCost, before.RevocationBytes)
			require.Equal(t, mib/revokedCost, before.Revocations)

			require.ErrorIs(t, tc.call(t, s), revocation.ErrFull)
			require.Equal(t, before, s.Stats())
			all, err := s.List(t.Context(), owner(0, 1))
			require.NoError(t, err)
			require.Len(t, all, 2)
			found, err := s.Revoked(t.Context(), owner(0, 1), asked(100))
			require.NoError(t, err)
			require.Zero(t, found)
		})
	}
}

// What is full is full of what counts: nothing of it is forgotten before its
// time, and all of it makes room after, in whatever shard it stands.
func TestRevocationsMakeRoomOnlyInTime(t *testing.T) {
	c := newClock()
	s := small(t, c)
	n := fill(t, s, c.now().Add(time.Hour))
	c.advance(time.Hour - time.Microsecond)
	require.ErrorIs(t, s.Deny(t.Context(), owner(0, 1), handle(1), c.now().Add(time.Hour)), revocation.ErrFull)
	for i := range n {
		found, err := s.Revoked(t.Context(), owner(byte(i), 1000+i), asked(0))
		require.NoError(t, err)
		require.NotZero(t, found.Epoch, i)
	}
	// An owner who is there already can be revoked again.
	_, err := s.RaiseEpoch(t.Context(), owner(5, 1005), c.now().Add(time.Hour))
	require.NoError(t, err)
	c.advance(time.Microsecond)
	require.NoError(t, s.Deny(t.Context(), owner(0, 1), handle(1), c.now().Add(time.Hour)))
	s.Sweep()
	st := s.Stats()
	require.Equal(t, 2, st.Revocations)
	require.EqualValues(t, 2*revokedCost, st.RevocationBytes)
}

// Whoever finds no room waits for no more shards than must forget something.
func TestRoomIsMadeShardByShard(t *testing.T) {
	c := newClock()
	s := small(t, c)
	const each = 10
	for i := range each {
		for _, shard := range []byte{5, 9} {
			require.NoError(t, s.Deny(t.Context(), owner(shard, 1+i), handle(1), c.now().Add(time.Minute)))
		}
	}
	total := 2*each + fill(t, s, c.now().Add(time.Hour))
	c.advance(time.Minute)
	require.NoError(t, s.Deny(t.Context(), owner(0, 1), handle(1), c.now().Add(time.Hour)))
	require.Equal(t, total-each+1, s.Stats().Revocations)
	s.Sweep()
	require.Equal(t, total-2*each+1, s.Stats().Revocations)
}

func TestSweepForgetsRevocations(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann, bob := owner(0, 1), owner(0, 2)
	minute, hour := c.now().Add(time.Minute), c.now().Add(time.Hour)
	require.NoError(t, s.Deny(t.Context(), ann, handle(1), minute))
	require.NoError(t, s.Deny(t.Context(), ann, handle(2), hour))
	_, err := s.RaiseEpoch(t.Context(), bob, minute)
	require.NoError(t, err)
	for _, tc := range []struct {
		after time.Duration
		want  memstore.Stats
	}{
		{0, memstore.Stats{Revocations: 3, RevocationBytes: 3 * revokedCost}},
		{time.Minute, memstore.Stats{Revocations: 1, RevocationBytes: revokedCost}},
		{time.Hour, memstore.Stats{}},
	} {
		c.advance(tc.after)
		require.Zero(t, s.Sweep())
		require.Equal(t, tc.want, s.Stats(), tc.after)
	}
}

func TestDenialsOfOneOwner(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	deny := func(n int, d time.Duration) error { return s.Deny(t.Context(), ann, handle(n), c.now().Add(d)) }
	require.NoError(t, deny(1, time.Minute))
	for i := 2; i <= revocation.MaxDenied; i++ {
		require.NoError(t, deny(i, time.Hour))
	}
	require.ErrorIs(t, deny(1000, time.Hour), revocation.ErrFull)
	require.NoError(t, deny(7, 2*time.Hour), "the one being denied does not count")
	require.NoError(t, s.Deny(t.Context(), owner(0, 2), handle(1000), c.now().Add(time.Hour)), "another owner")
	c.advance(time.Minute)
	require.NoError(t, deny(1000, time.Hour), "one is forgotten")
	require.ErrorIs(t, deny(1001, time.Hour), revocation.ErrFull)

	_, err := s.RaiseEpoch(t.Context(), ann, c.now().Add(time.Hour))
	require.NoError(t, err)
	found, err := s.Revoked(t.Context(), ann, asked(1000))
	require.NoError(t, err)
	require.False(t, found.Denied)
	st := s.Stats()
	require.Equal(t, 2, st.Revocations)
	require.EqualValues(t, 2*revokedCost, st.RevocationBytes)
	require.NoError(t, deny(1001, time.Hour), "all are forgotten")
}

// What was revoked stays dead when its revocation is forgotten.
func TestForgottenRevocationBringsNothingBack(t *testing.T) {
	c := newClock()
	for _, tc := range []struct {
		desc   string
		revoke func(t *testing.T, s *memstore.Store, until time.Time) error
	}{
		{"epoch", func(t *testing.T, s *memstore.Store, until time.Time) error {
			_, err := s.RaiseEpoch(t.Context(), owner(0, 1), until)
			return err
		}},
		{"restored epoch", func(t *testing.T, s *memstore.Store, until time.Time) error {
			return s.RestoreEpoch(t.Context(), owner(0, 1), 1, until)
		}},
		{"denial", func(t *testing.T, s *memstore.Store, until time.Time) error {
			return s.Deny(t.Context(), owner(0, 1), handle(100), until)
		}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := small(t, c)
			ends := 0
			s.Report(func(k session.StoreKey, e session.Entry, why session.Ending) {
				require.Equal(t, at(0, 1), k)
				require.Equal(t, entry(c, owner(0, 1), 100), e)
				require.Equal(t, session.Revoked, why)
				ends++
			})
			e := entry(c, owner(0, 1), 100)
			create(t, s, at(0, 1), e)
			other := entry(c, owner(0, 2), 100)
			create(t, s, at(0, 2), other)
			require.NoError(t, tc.revoke(t, s, c.now().Add(time.Minute)))
			require.False(t, alive(t, s, at(0, 1)))
			require.Equal(t, other, load(t, s, at(0, 2)), "another owner's session of the same handle")
			c.advance(time.Minute)
			require.False(t, alive(t, s, at(0, 1)))
			c.advance(-time.Minute)
			require.Equal(t, 1, ends)
			require.EqualValues(t, 1, s.Stats().Revoked)
		})
	}
}

func TestEpochOutlivesWhatCarriesIt(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	epoch, err := s.RaiseEpoch(t.Context(), ann, c.now().Add(time.Minute))
	require.NoError(t, err)
	for i, a := range []session.Admission{{Max: 9, Until: c.now().Add(time.Hour)}, {Max: 9, Until: c.now().Add(time.Second)}, {Max: 9}} {
		e := entry(c, ann, 10)
		e.Expires = c.now().Add(3 * time.Hour)
		got, _, err := s.Create(t.Context(), at(0, i), e, a)
		require.NoError(t, err)
		require.Equal(t, epoch, got)
	}
	c.advance(time.Hour - time.Microsecond)
	got, err := s.Revoked(t.Context(), ann, asked(0))
	require.NoError(t, err)
	require.Equal(t, epoch, got.Epoch)
	require.False(t, load(t, s, at(0, 0)).Behind)
	c.advance(time.Microsecond)
	got, err = s.Revoked(t.Context(), ann, asked(0))
	require.NoError(t, err)
	require.Zero(t, got.Epoch)
	e := load(t, s, at(0, 0))
	require.True(t, e.Behind, "the store has lost what the session carries")
	require.Equal(t, epoch, e.Epoch)
	require.NoError(t, s.RestoreEpoch(t.Context(), ann, epoch, c.now().Add(time.Hour)))
	require.False(t, load(t, s, at(0, 0)).Behind)
}

// What names nothing is not denied, and cannot be.
func TestNothingIsNotDenied(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	until := c.now().Add(time.Hour)
	require.NoError(t, s.Deny(t.Context(), ann, revocation.Handle{}, until))
	require.NoError(t, s.Deny(t.Context(), ann, handle(7), until))
	for _, tc := range []struct {
		asked revocation.Asked
		want  bool
	}{
		{revocation.Asked{}, false},
		{revocation.Asked{Generation: 1}, false},
		{revocation.Asked{Session: handle(1)}, false},
		{revocation.Asked{Token: handle(1)}, false},
		{revocation.Asked{Session: handle(7)}, true},
		{revocation.Asked{Token: handle(7)}, true},
	} {
		found, err := s.Revoked(t.Context(), ann, tc.asked)
		require.NoError(t, err)
		require.Equal(t, revocation.Found{Denied: tc.want}, found, tc.asked)
	}
}

// What ends sooner than all that was there is forgotten when it has ended.
func TestSoonerEnds(t *testing.T) {
	ann, bob := owner(0, 1), owner(0, 2)
	for _, tc := range []struct {
		desc   string
		sooner func(t *testing.T, s *memstore.Store, until time.Time)
		left   int
	}{
		{"another", func(t *testing.T, s *memstore.Store, until time.Time) {
			require.NoError(t, s.Deny(t.Context(), bob, handle(2), until))
		}, 1},
		{"an epoch in its place", func(t *testing.T, s *memstore.Store, until time.Time) {
			_, err := s.RaiseEpoch(t.Context(), ann, until)
			require.NoError(t, err)
		}, 0},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			require.NoError(t, s.Deny(t.Context(), bob, handle(1), c.now().Add(time.Second)))
			require.NoError(t, s.Deny(t.Context(), ann, handle(1), c.now().Add(2*time.Hour)))
			c.advance(time.Second)
			s.Sweep()
			tc.sooner(t, s, c.now().Add(time.Hour))
			c.advance(time.Hour)
			s.Sweep()
			require.Equal(t, tc.left, s.Stats().Revocations)
		})
	}
}

// What is not stored is zero, and takes no room to be so.
func TestRestoringNothing(t *testing.T) {
	c := newClock()
	s := small(t, c)
	require.NoError(t, s.RestoreEpoch(t.Context(), owner(0, 1), 0, c.now().Add(time.Hour)))
	require.Equal(t, memstore.Stats{}, s.Stats())
}

// Whoever revokes clears away what others need not be remembered for any more: what is
// held is never much more than what must be.
func TestRevokingForgetsALittle(t *testing.T) {
	c := newClock()
	s := small(t, c)
	const lasts = 1000 // as many seconds, of which each brings one
	for n := range 5 * lasts {
		o := owner(0, 1+n)
		var err error
		if until := c.now().Add(lasts * time.Second); n%2 == 0 {
			_, err = s.RaiseEpoch(t.Context(), o, until)
		} else {
			err = s.Deny(t.Context(), o, handle(n), until)
		}
		require.NoError(t, err)
		st := s.Stats()
		require.LessOrEqual(t, st.Revocations, lasts+lasts/3+2)
		require.EqualValues(t, st.Revocations*revokedCost, st.RevocationBytes)
		c.advance(time.Second)
	}
	require.GreaterOrEqual(t, s.Stats().Revocations, lasts)
}

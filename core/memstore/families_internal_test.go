package memstore

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func numbered(n int) refresh.Family {
	f := refresh.Family{Lifetime: time.Hour, Idle: time.Hour}
	binary.BigEndian.PutUint64(f.Handle[:], uint64(n))
	binary.BigEndian.PutUint64(f.Owner.Hash[:], uint64(n))
	return f
}

// Families that come and go leave nodes behind, but not for ever; and each that stays
// keeps one that is not later than its end.
func TestFamilyExpiryForgetsWhatIsGone(t *testing.T) {
	at := time.Now()
	s, err := New(Config{Now: func() time.Time { return at }})
	require.NoError(t, err)
	const stay, come = 200, 5000
	fs := &s.shards[0].families
	for i := range stay + come {
		f := numbered(1 + i)
		if i < stay {
			f.Idle -= time.Duration(i) * time.Second
		}
		_, _, err := s.CreateFamily(t.Context(), f, 1)
		require.NoError(t, err)
		if i >= stay {
			_, err := s.EndFamily(t.Context(), f.Key(), refresh.Rules{Denied: time.Second})
			require.NoError(t, err)
		}
		at = at.Add(time.Millisecond)
		require.LessOrEqual(t, len(fs.ends), fs.count+fs.count/2+64)
		require.GreaterOrEqual(t, len(fs.ends), fs.count)
	}
	require.Equal(t, stay, fs.count)
	soonest := make(map[uint32]uint64)
	for _, node := range fs.ends {
		id := uint32(node & idMask)
		if at, ok := soonest[id]; !ok || node>>idBits < at {
			soonest[id] = node >> idBits
		}
	}
	for i := range stay {
		f := numbered(1 + i)
		key := f.Key()
		_, id := fs.find(&key)
		require.Contains(t, soonest, id)
		require.LessOrEqual(t, soonest[id], units(fs.slots.get(id).expires, fs.base))
		require.Equal(t, aFamily, fs.slots.get(id).is)
	}
}

// A shard that has no number left is full, whatever the budget says.
func TestNumbersRunOut(t *testing.T) {
	s := Default()
	sh := &s.shards[0]
	f, _, err := s.CreateFamily(t.Context(), numbered(1), 9)
	require.NoError(t, err)
	until := time.Now().Add(time.Hour)
	for n := range 5 {
		require.NoError(t, s.Deny(t.Context(), numbered(10+n).Owner, f.Handle, until))
	}
	sh.families.slots.made = idMask
	sh.revoked.entries.made = idMask

	_, _, err = s.CreateFamily(t.Context(), numbered(2), 9)
	require.ErrorIs(t, err, refresh.ErrFull)
	require.Equal(t, familyBytes(0), s.families.taken.Load())
	require.ErrorIs(t, s.Deny(t.Context(), f.Owner, f.Handle, until), revocation.ErrFull)
	require.EqualValues(t, 5*revokedCost, s.revocations.taken.Load())

	next := numbered(1)
	next.Handle[0] = 1
	_, ended, err := s.CreateFamily(t.Context(), next, 1)
	require.NoError(t, err, "a number that comes back can be used")
	require.Len(t, ended, 1)
}

// A slot that has no record must not be taken for the owner of the first one of the
// first block: compaction would move what is dead.
func TestCompactionMovesNoDeadValues(t *testing.T) {
	for kept := range 8 { // one of eight
		s := Default()
		fs := &s.shards[0].families
		value := func(n int) string { return strings.Repeat(strconv.Itoa(n%10), 1000) }
		create := func(n int) {
			f := numbered(n)
			f.Value = value(n)
			_, _, err := s.CreateFamily(t.Context(), f, 1)
			require.NoError(t, err)
		}
		end := func(n int) {
			f := numbered(n)
			_, err := s.EndFamily(t.Context(), f.Key(), refresh.Rules{})
			require.NoError(t, err)
		}
		const alone, shared = 300, 300
		for n := 1; n <= alone; n++ {
			create(n)
		}
		end(1) // whose block, the first, is filled anew
		for n := 1; n <= shared; n++ {
			create(alone + n)
		}
		for n := 1; n <= shared; n++ {
			if n%8 != kept {
				end(alone + n)
			}
		}
		live := 0
		for n := 2; n <= alone+shared; n++ {
			f := numbered(n)
			got, err := s.FindFamily(t.Context(), f.Key())
			if n > alone && (n-alone)%8 != kept {
				require.ErrorIs(t, err, refresh.ErrGone)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, value(n), got.Value)
			live += slotLen + 2 + len(got.Value)
		}
		require.Equal(t, live, fs.arena.live)
		require.LessOrEqual(t, fs.arena.garbage*garbagePart, live, "it was compacted")
	}
}

// One long value does not cost its length for ever.
func TestLongValuesLeaveNothingBehind(t *testing.T) {
	s := Default()
	f := numbered(1)
	f.Value = strings.Repeat("v", 1<<20)
	_, _, err := s.CreateFamily(t.Context(), f, 1)
	require.NoError(t, err)
	require.LessOrEqual(t, cap(s.shards[0].families.scratch), maxShared)
}

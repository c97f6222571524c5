package memstore

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
)

// Sessions that come and go leave nodes behind, but not for ever.
func TestExpiryForgetsWhatIsGone(t *testing.T) {
	s := Default()
	const stay, come = 200, 5000
	for i := range stay + come {
		var k session.StoreKey
		binary.BigEndian.PutUint64(k.Hash[:], uint64(i))
		_, _, err := s.Create(t.Context(), k, session.Entry{Version: 1, Expires: time.Now().Add(time.Hour)}, session.Admission{})
		require.NoError(t, err)
		if i >= stay {
			_, err := s.Take(t.Context(), k)
			require.NoError(t, err)
		}
		c := &s.shards[0].classes[anonymous]
		require.LessOrEqual(t, len(c.ends), c.count+c.count/2+64)
		require.GreaterOrEqual(t, len(c.ends), c.count)
	}
}

func TestExpiryIsAHeap(t *testing.T) {
	var h expiry
	var want []uint64
	for i := range 500 {
		at := uint64(i*7919%997) << (i % 20)
		h.push(at, uint32(i+1))
		want = append(want, at)
	}
	// The first one is put off to the end, and comes last.
	slices.Sort(want)
	h.postpone(maxUnits)
	want = append(want[1:], maxUnits)
	for _, at := range want {
		_, ok := h.due(at - 1)
		require.False(t, ok && at > 0, at)
		_, ok = h.due(at)
		require.True(t, ok, at)
		h.pop()
	}
	require.Empty(t, h)
}

func TestUnits(t *testing.T) {
	const base = int64(1_767_355_200_000_000)
	for _, tc := range []struct {
		desc string
		us   int64
		want uint64
	}{
		{"before base", base - 1, 0},
		{"long before", -1 << 62, 0},
		{"base", base, 0},
		{"one", base + 1<<unitBits, 1},
		{"rounds down", base + 2<<unitBits - 1, 1},
		{"far away", 1<<63 - 1, maxUnits},
	} {
		t.Run(tc.desc, func(t *testing.T) { require.Equal(t, tc.want, units(tc.us, base)) })
	}
}

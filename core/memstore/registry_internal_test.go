package memstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// The floor of a void never sinks, nor does it end earlier, whoever asks for that; and a
// void is one of its family and generation alone.
func TestVoids(t *testing.T) {
	v := revocations{room: &room{budget: 1 << 20}}
	ann := revocation.Owner{Hash: [12]byte{1}}
	one, two := revocation.Handle{1}, revocation.Handle{2}
	floor := func(family revocation.Handle, generation uint64, now int64) uint64 {
		_, first := v.first(&ann)
		return v.found(first, &revocation.Asked{Session: family, Generation: generation}, now).Floor
	}
	for _, w := range []struct {
		family            revocation.Handle
		generation, floor uint64
		until             int64
	}{
		{one, 2, 70, 200}, {one, 2, 80, 100}, {one, 2, 60, 150}, {one, 3, 90, 300}, {two, 2, 50, 300},
	} {
		require.NoError(t, v.void(&ann, w.family, w.generation, w.floor, w.until, 10))
	}
	require.NoError(t, v.deny(&ann, one, 400, 10))
	require.NoError(t, v.void(&ann, one, 0, 40, 400, 10), "of the same handle and number as the denial")
	for _, tc := range []struct {
		family     revocation.Handle
		generation uint64
		now        int64
		want       uint64
	}{
		{one, 2, 199, 80}, {one, 2, 200, 0}, {one, 3, 299, 90}, {one, 3, 300, 0}, {two, 2, 299, 50}, {two, 3, 10, 0}, {one, 4, 10, 0},
		{one, 0, 399, 40},
	} {
		require.Equal(t, tc.want, floor(tc.family, tc.generation, tc.now), tc)
	}
	require.Equal(t, 5, v.count)
}

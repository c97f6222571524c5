package memstore

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIndex(t *testing.T) {
	for _, tc := range []struct {
		desc string
		hash hashOf
	}{
		{"spread", func(id uint32) uint64 { return uint64(id) * 0x9E3779B97F4A7C15 }},
		{"few homes", func(id uint32) uint64 { return uint64(id%3)<<62 | uint64(id) }},
		{"all the same", func(uint32) uint64 { return ^uint64(0) }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			var x index
			there := make(map[uint32]bool)
			find := func(id uint32) (int, uint32) {
				return x.find(tc.hash(id), func(i uint32) bool { return i == id })
			}
			for range 3000 {
				id := 1 + r.Uint32N(120)
				if there[id] {
					at, got := find(id)
					require.Equal(t, id, got)
					x.remove(at, tc.hash)
				} else {
					x.insert(tc.hash(id), id, tc.hash)
				}
				there[id] = !there[id]
				for id := uint32(1); id <= 120; id++ {
					_, got := find(id)
					if got != 0 != there[id] {
						t.Fatalf("find(%d): got %d, want there %v", id, got, there[id])
					}
				}
			}
			require.LessOrEqual(t, len(x.cells), 2*120)
		})
	}
}

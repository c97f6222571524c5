package memstore

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is dead in the arena stays within its part of what lives, plus the block
// that is being filled, whatever is written and removed in whatever order.
func TestArenaBoundsGarbage(t *testing.T) {
	for _, tc := range []struct {
		desc    string
		records int
		size    func(r *rand.Rand) int
		pick    func(r *rand.Rand, n int) int
	}{
		{"uniform", 4000, func(r *rand.Rand) int { return 100 + r.IntN(300) }, func(r *rand.Rand, n int) int { return r.IntN(n) }},
		{"few are hot", 4000, func(r *rand.Rand) int { return 100 + r.IntN(300) }, func(r *rand.Rand, n int) int { return r.IntN(1 + r.IntN(n)) }},
		{"as long as may share", 400, func(*rand.Rand) int { return maxShared }, func(r *rand.Rand, n int) int { return r.IntN(n) }},
		{"of all sizes", 1500, func(r *rand.Rand) int { return 20 + r.IntN(1<<(5+r.IntN(9))) }, func(r *rand.Rand, n int) int { return r.IntN(n) }},
		{"below sharing", 100, func(*rand.Rand) int { return 500 }, func(r *rand.Rand, n int) int { return r.IntN(n) }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var a arena
			places := make([]place, tc.records)
			there := make([]bool, tc.records)
			live := 0
			moved, written := 0, 0
			record := func(id int) []byte {
				n := tc.size(r)
				b := binary.LittleEndian.AppendUint32(nil, uint32(id))
				b = binary.AppendUvarint(b, uint64(n))
				for range n {
					b = append(b, byte(id))
				}
				return b
			}
			for step := range 12 * tc.records {
				id := tc.pick(r, tc.records)
				if there[id] {
					n := recordLen(a.at(places[id]))
					a.remove(places[id], n)
					live -= n
				}
				// Fill, rewrite, drain.
				if there[id] = step < 9*tc.records; there[id] {
					b := record(id)
					places[id] = a.add(b)
					live += len(b)
					written += len(b)
				}
				a.compact(recordLen, func(p place, record string) {
					id := slotOf(record)
					if there[id] && places[id] == p {
						places[id] = a.add([]byte(record))
						a.remove(p, len(record))
						moved += len(record)
					}
				})
				require.Equal(t, live, a.live)
				require.LessOrEqual(t, a.garbage*garbagePart, a.live)
			}
			held, garbage := 0, 0
			for i, b := range a.blocks {
				switch {
				case b.data == "":
					require.Contains(t, a.free, uint32(i))
				case b.kind == blockOwn:
					held += len(b.data)
				default:
					held += blockSize
					if b.kind >= 0 {
						garbage += blockSize - int(b.live)
					}
				}
			}
			require.Equal(t, garbage, a.garbage)
			require.LessOrEqual(t, held, a.live+a.live/garbagePart+blockSize)
			require.LessOrEqual(t, moved, 8*written, "each byte written moves a bounded number of others")
			for id, is := range there {
				if is {
					got := a.at(places[id])
					require.EqualValues(t, id, slotOf(got))
					require.Equal(t, byte(id), got[recordLen(got)-1])
				}
			}
		})
	}
}

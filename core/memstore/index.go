package memstore

import "math/bits"

// index finds slots by the hash of what they stand for. It is an open-addressing
// table with linear probing: a cell holds the number of a slot and above it 8 bits
// of the hash, so that a probe seldom looks at a slot in vain. The number 0 is an
// empty cell.
type index struct {
	cells []uint32
	count int
}

const (
	idBits = 24
	idMask = 1<<idBits - 1
)

// hashOf tells the hash under which a slot was inserted.
type hashOf func(id uint32) uint64

func (x *index) home(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(x.cells)))
	return int(hi)
}

func (x *index) after(i int) int {
	if i++; i < len(x.cells) {
		return i
	}
	return 0
}

func cell(h uint64, id uint32) uint32 { return uint32(h)<<idBits | id }

// find returns the cell and the number of the slot with hash h that is the one
// looked for; the number is 0 if there is none.
func (x *index) find(h uint64, is func(id uint32) bool) (at int, id uint32) {
	if x.count == 0 {
		return 0, 0
	}
	mark := cell(h, 0)
	for i := x.home(h); x.cells[i] != 0; i = x.after(i) {
		if c := x.cells[i]; c&^idMask == mark && is(c&idMask) {
			return i, c & idMask
		}
	}
	return 0, 0
}

// insert adds a slot that is not there yet. A table is between 9/16 and 3/4 full.
func (x *index) insert(h uint64, id uint32, hash hashOf) {
	if (x.count+1)*4 > len(x.cells)*3 {
		old := x.cells
		x.cells = make([]uint32, len(old)+len(old)/3+4)
		for _, c := range old {
			if c != 0 {
				x.put(hash(c&idMask), c&idMask)
			}
		}
	}
	x.put(h, id)
	x.count++
}

func (x *index) put(h uint64, id uint32) {
	i := x.home(h)
	for x.cells[i] != 0 {
		i = x.after(i)
	}
	x.cells[i] = cell(h, id)
}

// replace makes the cell stand for another slot of the same hash.
func (x *index) replace(at int, id uint32) { x.cells[at] = x.cells[at]&^idMask | id }

// remove empties a cell and closes the gap, so that there are no tombstones: what
// follows moves up unless it would come to stand before its home.
func (x *index) remove(at int, hash hashOf) {
	gap := at
	for i := x.after(gap); x.cells[i] != 0; i = x.after(i) {
		home := x.home(hash(x.cells[i] & idMask))
		stays := gap < home && home <= i
		if i < gap {
			stays = gap < home || home <= i
		}
		if !stays {
			x.cells[gap], gap = x.cells[i], i
		}
	}
	x.cells[gap] = 0
	x.count--
}

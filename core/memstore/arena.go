package memstore

import "strings"

// arena keeps the records of one shard in few large blocks, because a million
// small strings cost the garbage collector a million marks in every cycle, and
// 16 bytes and a size class each.
//
// A record that was handed out aliases its block and may be read for ever, so
// nothing in a block is ever overwritten: it is filled like a strings.Builder,
// which is what fills it. A block in which too much is dead is left by what
// lives in it, and the collector frees it once nobody reads there any more.
type arena struct {
	blocks  []block
	free    []uint32 // numbers of blocks that are no more
	filler  strings.Builder
	open    uint32   // the block being filled, if filler has room
	sealed  []uint32 // full blocks that several records share
	next    int      // where in sealed the search for the next victim goes on
	live    int      // bytes of all records
	garbage int      // bytes of the sealed blocks that no live record has
}

// block is a string that grows until it is sealed.
type block struct {
	data string
	live int32
	kind int32 // index in sealed, or one of the following
}

const (
	blockOpen int32 = -1 - iota
	blockOwn        // holds one record alone
)

// place is where a record begins.
type place struct {
	block uint32
	off   uint16
}

const (
	blockSize = 32 << 10
	// maxShared is the longest record that shares a block. What remains free at
	// the end of a block is less than that, a sixteenth, and so never enough to
	// make the block a victim: compaction comes to an end.
	maxShared = blockSize / 16
	// minLive is how much must be alive before records share blocks at all. A
	// shard with few sessions keeps each by itself and wastes nothing.
	minLive = 8 * blockSize
	// garbagePart is which part of the live bytes the dead ones may amount to.
	garbagePart = 8
)

// add stores a copy of b.
func (a *arena) add(b []byte) place {
	a.live += len(b)
	if len(b) > maxShared || a.live < minLive {
		return place{block: a.number(block{data: string(b), kind: blockOwn})}
	}
	if a.filler.Cap()-a.filler.Len() < len(b) {
		a.seal()
		a.filler.Grow(blockSize)
		a.open = a.number(block{kind: blockOpen})
	}
	off := a.filler.Len()
	a.filler.Write(b)
	bl := &a.blocks[a.open]
	bl.data = a.filler.String()
	bl.live += int32(len(b))
	return place{a.open, uint16(off)}
}

func (a *arena) number(b block) uint32 {
	if n := len(a.free); n > 0 {
		i := a.free[n-1]
		a.free = a.free[:n-1]
		a.blocks[i] = b
		return i
	}
	a.blocks = append(a.blocks, b)
	return uint32(len(a.blocks) - 1)
}

func (a *arena) seal() {
	if a.filler.Cap() == 0 {
		return
	}
	a.filler.Reset()
	b := &a.blocks[a.open]
	if b.live == 0 {
		a.drop(a.open)
		return
	}
	b.kind = int32(len(a.sealed))
	a.sealed = append(a.sealed, a.open)
	a.garbage += blockSize - int(b.live)
}

// at returns everything from p to the end of its block.
func (a *arena) at(p place) string { return a.blocks[p.block].data[p.off:] }

// remove notes that the record of n bytes at p is dead.
func (a *arena) remove(p place, n int) {
	a.live -= n
	b := &a.blocks[p.block]
	if b.kind == blockOwn {
		a.drop(p.block)
		return
	}
	b.live -= int32(n)
	if b.kind >= 0 {
		a.garbage += n
		if b.live == 0 {
			a.unseal(p.block)
			a.drop(p.block)
		}
	}
}

func (a *arena) drop(i uint32) {
	a.blocks[i] = block{}
	a.free = append(a.free, i)
}

func (a *arena) unseal(i uint32) {
	b := &a.blocks[i]
	a.garbage -= blockSize - int(b.live)
	last := a.sealed[len(a.sealed)-1]
	a.sealed[b.kind] = last
	a.blocks[last].kind = b.kind
	a.sealed = a.sealed[:len(a.sealed)-1]
}

// victim returns a block that should be emptied; ok is false while the garbage is
// within its bound. The block has at least the average share of garbage, more
// than a ninth, so that eight bytes are moved at worst for each that is won.
func (a *arena) victim() (i uint32, ok bool) {
	if a.garbage*garbagePart <= a.live {
		return 0, false
	}
	for range a.sealed {
		a.next = (a.next + 1) % len(a.sealed)
		i := a.sealed[a.next]
		if (blockSize-int(a.blocks[i].live))*len(a.sealed) >= a.garbage {
			return i, true
		}
	}
	return 0, false
}

// compact empties blocks until the garbage is within its bound. length tells how
// long the record at the beginning of a string is; move is called with each one
// in a victim, stores it elsewhere if it is alive, and removes it here.
func (a *arena) compact(length func(string) int, move func(p place, record string)) {
	for {
		i, ok := a.victim()
		if !ok {
			return
		}
		data := a.blocks[i].data
		for off := 0; off < len(data) && a.blocks[i].live > 0; {
			n := length(data[off:])
			move(place{i, uint16(off)}, data[off:off+n])
			off += n
		}
	}
}

package memstore

import (
	"unsafe"

	"github.com/sallyport-go/sallyport/core/session"
)

// slot is where a session stands and how it is linked; the rest of it is its
// record in the arena. There is no pointer in it, so that the garbage collector
// passes over a million of them without a look. Links are numbers of slots and
// 0 is none.
type slot struct {
	key          session.StoreKey
	newer, older uint32 // by use, within the class
	next, prev   uint32 // among what the owner has, the latest first
	block        uint32 // with off the record's place
	off          uint16
	flags        flags
}

func (s *slot) place() place { return place{s.block, s.off} }

func (s *slot) stand(at place) { s.block, s.off = at.block, at.off }

type flags uint16

const (
	inUse flags = 1 << iota
	listed
	presented
	hasOwner
	hasHandle
	hasCreated
	hasEpoch
)

const (
	// pageBytes is a size that the allocator serves without rounding up.
	pageBytes = 16 << 10
	perPage   = pageBytes / uint32(unsafe.Sizeof(slot{}))
	firstPage = 4
)

// slots hands out slots by number. Pages are never moved, so that a store grows
// without copying, and never given back: the budget bounds how many there ever
// are. Only the first one starts small, because there are many shards and in a
// small application each holds few sessions.
type slots struct {
	pages [][]slot
	made  uint32 // numbers from 1 to made were handed out once
	free  uint32 // first of those that came back, linked by next
}

// get returns slot id. add invalidates it.
func (t *slots) get(id uint32) *slot { return &t.pages[id/perPage][id%perPage] }

func (t *slots) add() uint32 {
	if id := t.free; id != 0 {
		s := t.get(id)
		t.free, s.next = s.next, 0
		return id
	}
	t.made++
	page, i := t.made/perPage, t.made%perPage
	switch {
	case len(t.pages) == 0:
		t.pages = append(t.pages, make([]slot, firstPage))
	case int(page) == len(t.pages):
		t.pages = append(t.pages, make([]slot, perPage))
	case int(i) == len(t.pages[page]):
		grown := make([]slot, min(4*i, perPage))
		copy(grown, t.pages[page])
		t.pages[page] = grown
	}
	return t.made
}

func (t *slots) remove(id uint32) {
	*t.get(id) = slot{next: t.free}
	t.free = id
}

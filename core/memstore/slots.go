package memstore

import "unsafe"

// slots hands out slots of one kind by number; 0 is none. There is no pointer in a
// slot, so that the garbage collector passes over a million of them without a look.
//
// Pages are never moved, so that a store grows without copying, and never given back:
// the budget bounds how many there ever are. Only the first one starts small, because
// there are many shards and in a small application each holds little.
type slots[T any, P linked[T]] struct {
	pages [][]T
	made  uint32 // numbers from 1 to made were handed out once
	free  uint32 // first of those that came back, by their links
}

// linked has a link to another slot.
type linked[T any] interface {
	*T
	link() *uint32
}

const (
	// pageBytes is a size that the allocator serves without rounding up.
	pageBytes = 16 << 10
	firstPage = 4
)

// perPage is a constant of the machine code, and of the language only without T.
func (t *slots[T, P]) perPage() uint32 { return pageBytes / uint32(unsafe.Sizeof(*new(T))) }

// get returns slot id. add invalidates it.
func (t *slots[T, P]) get(id uint32) *T { return &t.pages[id/t.perPage()][id%t.perPage()] }

// exhausted says that there is no number left.
func (t *slots[T, P]) exhausted() bool { return t.free == 0 && t.made == idMask }

// add must not be called when they are exhausted.
func (t *slots[T, P]) add() uint32 {
	if id := t.free; id != 0 {
		l := P(t.get(id)).link()
		t.free, *l = *l, 0
		return id
	}
	t.made++
	page, i := t.made/t.perPage(), t.made%t.perPage()
	switch {
	case len(t.pages) == 0:
		t.pages = append(t.pages, make([]T, firstPage))
	case int(page) == len(t.pages):
		t.pages = append(t.pages, make([]T, t.perPage()))
	case int(i) == len(t.pages[page]):
		grown := make([]T, min(4*i, t.perPage()))
		copy(grown, t.pages[page])
		t.pages[page] = grown
	}
	return t.made
}

func (t *slots[T, P]) remove(id uint32) {
	s := t.get(id)
	*s = *new(T)
	*P(s).link() = t.free
	t.free = id
}

package memstore

// links are the neighbours of a slot among what its owner has, the latest first.
type links struct{ next, prev uint32 }

func (l *links) link() *uint32 { return &l.next }

// linksOf returns the links of a slot.
type linksOf func(id uint32) *links

// push makes slot id the first of its owner, whose hash is h and whose slots is knows.
// An index that is used so holds the first slot of each owner.
func (x *index) push(h uint64, id uint32, is func(id uint32) bool, at linksOf, hash hashOf) {
	cell, first := x.find(h, is)
	if first == 0 {
		x.insert(h, id, hash)
		return
	}
	at(id).next = first
	at(first).prev = id
	x.replace(cell, id)
}

// pull takes slot id out of what its owner has.
func (x *index) pull(h uint64, id uint32, at linksOf, hash hashOf) {
	l := at(id)
	if l.prev != 0 {
		at(l.prev).next = l.next
	} else {
		cell, _ := x.find(h, func(i uint32) bool { return i == id })
		if l.next != 0 {
			x.replace(cell, l.next)
		} else {
			x.remove(cell, hash)
		}
	}
	if l.next != 0 {
		at(l.next).prev = l.prev
	}
	*l = links{}
}

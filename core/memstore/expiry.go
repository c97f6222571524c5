package memstore

// expiry is a min-heap of when slots are to be looked at because they may have
// expired. Each node has the time above and the slot's number below. It is looked
// at and not kept right: a session whose end moves keeps its node until that is
// due, and the node of one that is gone stays too. So a use of a session costs the
// heap nothing, and there are never more than half as many idle nodes as sessions,
// because then it is built again.
//
// The invariant: every session of the class has a node that is not later than its
// end.
type expiry []uint64

const (
	// unitBits makes a unit of time out of microseconds: about a millisecond.
	unitBits = 10
	maxUnits = 1<<(64-idBits) - 1 // about 35 years
)

// units counts from base, when the store was made.
func units(us, base int64) uint64 {
	if us <= base {
		return 0
	}
	return min(uint64(us-base)>>unitBits, maxUnits)
}

func (h *expiry) push(units uint64, id uint32) {
	// append would leave a quarter unused.
	if n := len(*h); n == cap(*h) {
		grown := make([]uint64, n, n+n/8+8)
		copy(grown, *h)
		*h = grown
	}
	*h = append(*h, units<<idBits|uint64(id))
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up] <= s[i] {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h expiry) due(now uint64) (id uint32, ok bool) {
	if len(h) == 0 || h[0]>>idBits > now {
		return 0, false
	}
	return uint32(h[0] & idMask), true
}

// postpone moves the first node.
func (h expiry) postpone(units uint64) {
	h[0] = units<<idBits | h[0]&idMask
	h.down(0)
}

func (h *expiry) pop() {
	s := *h
	last := len(s) - 1
	s[0] = s[last]
	*h = s[:last]
	s[:last].down(0)
}

func (h expiry) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if h[child] < h[least] {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

// ended returns a slot that has ended, 0 if there is none. It must be dropped then:
// nothing will find it a second time. ends tells when a slot ends; ok is false if the
// node is no slot's any more.
func (h *expiry) ended(now, base int64, ends func(id uint32) (us int64, ok bool)) uint32 {
	unit := units(now, base)
	var soon []uint32 // what ends later in this very unit
	found := uint32(0)
	for found == 0 {
		id, due := h.due(unit)
		if !due {
			break
		}
		switch end, ok := ends(id); {
		case !ok:
			h.pop()
		case end <= now:
			h.pop()
			found = id
		case units(end, base) == unit:
			h.pop()
			soon = append(soon, id)
		default:
			h.postpone(units(end, base))
		}
	}
	for _, id := range soon {
		h.push(unit, id)
	}
	return found
}

// idle says whether so many nodes belong to no session that the heap should be
// built again.
func (h expiry) idle(sessions int) bool { return len(h) > sessions+sessions/2+64 }

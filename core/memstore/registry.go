package memstore

import (
	"encoding/binary"
	"fmt"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// revocations is what a shard remembers of the few owners who revoked something.
type revocations struct {
	seed    seed
	room    *room
	entries slots[revoked, *revoked]
	owners  index // the first entry of each owner
	count   int
	// soonest is not later than the first end of any of them.
	soonest int64
	hand    uint32 // the entry that was swept last
}

// revoked is one thing that was revoked: 64 bytes, which are one line of most caches.
// All kinds are of one size, so that what one has left another can use.
type revoked struct {
	owner  revocation.Owner
	handle revocation.Handle // what is denied; of a void, its family
	number uint64            // the epoch; of a void, its generation
	floor  uint64            // of a void
	until  int64             // in microseconds, like all times here
	next   uint32            // of the same owner
	what   what
}

func (r *revoked) link() *uint32 { return &r.next }

type what uint32

const (
	anEpoch what = 1 + iota
	aDenial
	aVoid
)

const (
	// revokedCost is what an entry costs: itself, and a cell of the table at its
	// emptiest.
	revokedCost = 80
	// sweepPerEntry is how many entries are looked at for each that is added. So there
	// are never much more of them than a third more than need be remembered.
	sweepPerEntry = 4
)

// errNoBytes is revocation.ErrFull of a budget: all shards may have what need not be
// remembered any more.
var errNoBytes = fmt.Errorf("memstore: the budget is used up: %w", revocation.ErrFull)

func (v *revocations) hash(owner *revocation.Owner) uint64 {
	return v.seed.hash(binary.LittleEndian.Uint64(owner.Hash[:]))
}

func (v *revocations) entryHash(id uint32) uint64 { return v.hash(&v.entries.get(id).owner) }

// first returns the first entry of the owner, 0 if there is none.
func (v *revocations) first(owner *revocation.Owner) (cell int, id uint32) {
	return v.owners.find(v.hash(owner), func(id uint32) bool { return v.entries.get(id).owner == *owner })
}

// found answers from the owner's entries, of which id is the first.
func (v *revocations) found(id uint32, a *revocation.Asked, now int64) (f revocation.Found) {
	for id != 0 {
		e := v.entries.get(id)
		id = e.next
		if e.until <= now {
			continue
		}
		switch e.what {
		case anEpoch:
			f.Epoch = e.number
		case aDenial:
			is := e.handle == a.Session || e.handle == a.Token
			f.Denied = f.Denied || is && e.handle != revocation.Handle{}
		case aVoid:
			if e.handle == a.Session && e.number == a.Generation {
				f.Floor = e.floor
			}
		}
	}
	return f
}

// owned is what is remembered of an owner.
type owned struct {
	first, epoch uint32
	others       int // denials and voids
}

// current returns what is remembered of the owner, without what need not be any more.
func (v *revocations) current(owner *revocation.Owner, now int64) (o owned) {
	_, id := v.first(owner)
	for last := uint32(0); id != 0; {
		e := v.entries.get(id)
		next := e.next
		if e.until <= now {
			v.remove(last, id)
			id = next
			continue
		}
		if o.first == 0 {
			o.first = id
		}
		if e.what == anEpoch {
			o.epoch = id
		} else {
			o.others++
		}
		last, id = id, next
	}
	return o
}

// remove forgets the entry that comes after last, which is 0 if it is the first.
func (v *revocations) remove(last, id uint32) {
	e := v.entries.get(id)
	if last != 0 {
		v.entries.get(last).next = e.next
	} else {
		cell, _ := v.owners.find(v.entryHash(id), func(i uint32) bool { return i == id })
		if e.next != 0 {
			v.owners.replace(cell, e.next)
		} else {
			v.owners.remove(cell, v.entryHash)
		}
	}
	v.entries.remove(id)
	v.count--
	v.room.give(revokedCost)
}

// add adds an entry. errNoBytes if there is no room; nothing has changed.
func (v *revocations) add(e revoked, now int64) error {
	v.sweep(now)
	if v.entries.exhausted() || !v.room.take(revokedCost) {
		return errNoBytes
	}
	cell, first := v.first(&e.owner)
	id := v.entries.add()
	e.next = first
	*v.entries.get(id) = e
	if first != 0 {
		v.owners.replace(cell, id)
	} else {
		v.owners.insert(v.hash(&e.owner), id, v.entryHash)
	}
	v.count++
	v.ends(e.until)
	return nil
}

func (v *revocations) ends(until int64) {
	if v.count == 1 || until < v.soonest {
		v.soonest = until
	}
}

// carry returns the owner's epoch for something that will carry it, and remembers it
// for as long.
func (v *revocations) carry(owner *revocation.Owner, until, now int64) uint64 {
	o := v.current(owner, now)
	if o.epoch == 0 {
		return 0
	}
	e := v.entries.get(o.epoch)
	e.until = max(e.until, until)
	return e.number
}

// raise puts a new epoch in the place of all that is remembered of the owner, which
// takes room only if that is nothing.
func (v *revocations) raise(owner *revocation.Owner, until, now int64) (uint64, error) {
	next := revoked{owner: *owner, number: uint64(max(now, 1)), until: until, what: anEpoch}
	o := v.current(owner, now)
	if o.first == 0 {
		return next.number, v.add(next, now)
	}
	if o.epoch != 0 {
		e := v.entries.get(o.epoch)
		next.number = max(next.number, e.number, e.number+1)
		next.until = max(next.until, e.until)
	}
	for e := v.entries.get(o.first); e.next != 0; {
		v.remove(o.first, e.next)
	}
	*v.entries.get(o.first) = next
	v.ends(next.until)
	return next.number, nil
}

func (v *revocations) restore(owner *revocation.Owner, epoch uint64, until, now int64) error {
	o := v.current(owner, now)
	if o.epoch != 0 {
		e := v.entries.get(o.epoch)
		e.number, e.until = max(e.number, epoch), max(e.until, until)
		return nil
	}
	if epoch == 0 {
		return nil // what is not stored is zero
	}
	return v.add(revoked{owner: *owner, number: epoch, until: until, what: anEpoch}, now)
}

// deny refuses a handle, void the answers of a family's generation below the floor.
// revocation.ErrFull if too many things of the owner are remembered, errNoBytes if too
// many of all.
func (v *revocations) deny(owner *revocation.Owner, handle revocation.Handle, until, now int64) error {
	return v.put(revoked{owner: *owner, handle: handle, until: until, what: aDenial}, now)
}

func (v *revocations) void(owner *revocation.Owner, family revocation.Handle, generation, floor uint64, until, now int64) error {
	return v.put(revoked{owner: *owner, handle: family, number: generation, floor: floor, until: until, what: aVoid}, now)
}

func (v *revocations) put(e revoked, now int64) error {
	o := v.current(&e.owner, now)
	for id := o.first; id != 0; {
		old := v.entries.get(id)
		if old.what == e.what && old.handle == e.handle && old.number == e.number {
			old.floor, old.until = max(old.floor, e.floor), max(old.until, e.until)
			return nil
		}
		id = old.next
	}
	if o.others >= revocation.MaxDenied {
		return revocation.ErrFull
	}
	return v.add(e, now)
}

// sweep forgets a little of what need not be remembered any more.
func (v *revocations) sweep(now int64) {
	for range min(sweepPerEntry, v.entries.made) {
		v.hand = v.hand%v.entries.made + 1
		if e := v.entries.get(v.hand); e.what != 0 && e.until <= now {
			v.current(&e.owner, now)
		}
	}
}

// forget drops all that need not be remembered any more.
func (v *revocations) forget(now int64) {
	if v.count == 0 || now < v.soonest {
		return
	}
	for id := uint32(1); id <= v.entries.made; id++ {
		if e := v.entries.get(id); e.what != 0 && e.until <= now {
			v.current(&e.owner, now)
		}
	}
	first := true
	for id := uint32(1); id <= v.entries.made; id++ {
		if e := v.entries.get(id); e.what != 0 && (first || e.until < v.soonest) {
			v.soonest, first = e.until, false
		}
	}
}

func (v *revocations) clear() {
	v.room.give(int64(v.count) * revokedCost)
	*v = revocations{seed: v.seed, room: v.room}
}

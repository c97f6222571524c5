package memstore

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// shard is one lock's worth of sessions, refresh families and revocations. What a
// revocation has ended is removed by it, so that a session or family that stands in a
// shard is never dead but by its time.
type shard struct {
	mu       sync.Mutex
	closed   bool
	base     int64 // when the store was made, in microseconds
	seed     seed
	slots    slots[slot, *slot]
	arena    arena
	keys     index // every session
	owners   index // the latest session of each owner
	classes  [classes]class
	families families
	revoked  revocations
	gone     []ended // since the lock was taken
	endings  [session.Revoked + 1]uint64
	scratch  []byte
	ids      []uint32
}

// kind is whose budget a session counts against.
type kind int

const (
	anonymous kind = iota
	authenticated
	classes
)

// class is the sessions of one budget.
type class struct {
	newest, oldest uint32 // by use
	count          int
	bytes, budget  int64
	ends           expiry
}

// fixedCost is what a session costs beside its record: its slot, its cells in two
// tables, its node in the heap, with what is unused of each.
const fixedCost = 96

// cost is what a session with a record of n bytes takes at most, its part of the
// garbage included.
func cost(n int) int64 { return int64(fixedCost + n + n/garbagePart) }

func (s *slot) kind() kind {
	if s.flags&hasOwner != 0 {
		return authenticated
	}
	return anonymous
}

// seed is that of a store's indexes.
type seed [2]uint64

// hash spreads what is a hash already, so that nobody can know what collides.
func (s *seed) hash(first uint64) uint64 {
	hi, lo := bits.Mul64(first^s[0], s[1])
	return hi ^ lo
}

func (sh *shard) hashKey(key *session.StoreKey) uint64 {
	return sh.seed.hash(binary.LittleEndian.Uint64(key.Hash[:]))
}

func (sh *shard) keyHash(id uint32) uint64 { return sh.hashKey(&sh.slots.get(id).key) }

// find returns the slot under key, 0 if there is none.
func (sh *shard) find(key *session.StoreKey) (cell int, id uint32) {
	return sh.keys.find(sh.hashKey(key), func(id uint32) bool { return sh.slots.get(id).key == *key })
}

// live returns the slot of the live session under key, 0 if there is none. One
// that has expired is dropped.
func (sh *shard) live(key *session.StoreKey, now int64) uint32 {
	_, id := sh.find(key)
	if id != 0 && sh.expires(sh.slots.get(id)) <= now {
		sh.drop(id, session.Expired)
		return 0
	}
	return id
}

func (sh *shard) keyed(id uint32) session.Keyed {
	s := sh.slots.get(id)
	return session.Keyed{Key: s.key, Entry: sh.entry(s)}
}

// add puts e under key, where nothing stands.
func (sh *shard) add(key *session.StoreKey, e *session.Entry) uint32 {
	id := sh.slots.add()
	sh.slots.get(id).key = *key
	sh.write(id, e)
	sh.keys.insert(sh.hashKey(key), id, sh.keyHash)
	sh.enter(id, e)
	return id
}

// replace makes e what stands in slot id.
func (sh *shard) replace(id uint32, e *session.Entry) {
	s := sh.slots.get(id)
	before := sh.expires(s)
	if !sh.owns(&e.Owner, s) {
		sh.leave(id)
		sh.erase(id)
		sh.write(id, e)
		sh.enter(id, e)
		return
	}
	sh.erase(id)
	sh.write(id, e)
	c := &sh.classes[s.kind()]
	sh.use(id)
	if after := e.Expires.UnixMicro(); after < before {
		c.ends.push(units(after, sh.base), id)
	}
}

// remove forgets the session in slot id.
func (sh *shard) remove(id uint32) {
	s := sh.slots.get(id)
	cell, _ := sh.keys.find(sh.hashKey(&s.key), func(i uint32) bool { return i == id })
	sh.keys.remove(cell, sh.keyHash)
	sh.leave(id)
	sh.erase(id)
	sh.slots.remove(id)
}

// drop ends a session on the store's own accord.
func (sh *shard) drop(id uint32, why session.Ending) {
	sh.gone = append(sh.gone, ended{sh.keyed(id), why})
	sh.endings[why]++
	sh.remove(id)
}

// write stores the record of a slot, erase removes it. Between them the slot has
// none.
func (sh *shard) write(id uint32, e *session.Entry) {
	f := flagsOf(e)
	sh.scratch = appendRecord(sh.scratch[:0], id, f, e)
	s := sh.slots.get(id)
	s.flags = f
	s.stand(sh.arena.add(sh.scratch))
	sh.classes[s.kind()].bytes += cost(len(sh.scratch))
	if cap(sh.scratch) > maxShared {
		sh.scratch = nil
	}
}

func (sh *shard) erase(id uint32) {
	s := sh.slots.get(id)
	n := recordLen(sh.arena.at(s.place()))
	sh.classes[s.kind()].bytes -= cost(n)
	sh.arena.remove(s.place(), n)
}

// enter makes a slot part of its class and of what its owner has, leave takes it
// out of both.
func (sh *shard) enter(id uint32, e *session.Entry) {
	s := sh.slots.get(id)
	c := &sh.classes[s.kind()]
	c.count++
	c.ends.push(units(e.Expires.UnixMicro(), sh.base), id)
	sh.toFront(c, id)
	sh.link(id, &e.Owner)
}

func (sh *shard) leave(id uint32) {
	s := sh.slots.get(id)
	c := &sh.classes[s.kind()]
	c.count--
	sh.fromList(c, s)
	sh.unlink(id)
}

// use notes that a session was used just now.
func (sh *shard) use(id uint32) {
	s := sh.slots.get(id)
	c := &sh.classes[s.kind()]
	if c.newest != id {
		sh.fromList(c, s)
		sh.toFront(c, id)
	}
}

func (sh *shard) toFront(c *class, id uint32) {
	s := sh.slots.get(id)
	s.newer, s.older = 0, c.newest
	if c.newest != 0 {
		sh.slots.get(c.newest).newer = id
	} else {
		c.oldest = id
	}
	c.newest = id
}

func (sh *shard) fromList(c *class, s *slot) {
	if s.newer != 0 {
		sh.slots.get(s.newer).older = s.older
	} else {
		c.newest = s.older
	}
	if s.older != 0 {
		sh.slots.get(s.older).newer = s.newer
	} else {
		c.oldest = s.newer
	}
}

// expired returns a session of the class that has expired, 0 if there is none. It
// must be dropped then: nothing will find it a second time.
func (sh *shard) expired(k kind, now int64) uint32 {
	return sh.classes[k].ends.ended(now, sh.base, func(id uint32) (int64, bool) {
		s := sh.slots.get(id)
		if s.flags&inUse == 0 || s.kind() != k {
			return 0, false
		}
		return sh.expires(s), true
	})
}

// sweepPerWrite is how many expired sessions of a class, and families, one write clears
// away: more than the one it may add, so that the expired never pile up.
const sweepPerWrite = 2

// tidy drops what has expired, a little of it, then what is over budget: the
// expired first and then what was used longest ago. The last one of a class
// stands although it may be over budget alone: it is what was just written.
func (sh *shard) tidy(now int64) {
	for k := range classes {
		c := &sh.classes[k]
		for range sweepPerWrite {
			if id := sh.expired(k, now); id != 0 {
				sh.drop(id, session.Expired)
			}
		}
		for c.bytes > c.budget && c.count > 1 {
			if id := sh.expired(k, now); id != 0 {
				sh.drop(id, session.Expired)
			} else {
				sh.drop(c.oldest, session.Evicted)
			}
		}
	}
	for range sweepPerWrite {
		sh.families.expire(now)
	}
	sh.compact()
}

// compact bounds what is kept of sessions and families that are gone.
func (sh *shard) compact() {
	sh.families.compact()
	for k := range sh.classes {
		c := &sh.classes[k]
		if c.ends.idle(c.count) {
			c.ends = make(expiry, 0, c.count+c.count/8+8)
			for id := c.newest; id != 0; id = sh.slots.get(id).older {
				c.ends.push(units(sh.expires(sh.slots.get(id)), sh.base), id)
			}
		}
	}
	if sh.arena.live == 0 {
		sh.arena = arena{}
		return
	}
	sh.arena.compact(recordLen, func(p place, record string) {
		s := sh.slots.get(slotOf(record))
		if s.flags&inUse == 0 || s.place() != p {
			return
		}
		sh.scratch = append(sh.scratch[:0], record...)
		s.stand(sh.arena.add(sh.scratch))
		sh.arena.remove(p, len(record))
	})
}

// judge ends the session in slot id if it was revoked before it came there.
func (sh *shard) judge(id uint32, now int64) {
	e := sh.entry(sh.slots.get(id))
	if e.Owner == (revocation.Owner{}) {
		return
	}
	if f := sh.found(e.Owner, revocation.Asked{Session: e.Handle}, now); f.Denied || e.Epoch < f.Epoch {
		sh.drop(id, session.Revoked)
	}
}

// close forgets everything but the counts of endings.
func (sh *shard) close() {
	sh.closed = true
	sh.slots, sh.arena, sh.keys, sh.owners = slots[slot, *slot]{}, arena{}, index{}, index{}
	sh.scratch, sh.ids = nil, nil
	for k := range sh.classes {
		sh.classes[k] = class{budget: sh.classes[k].budget}
	}
	sh.revoked.clear()
	sh.families.clear()
}

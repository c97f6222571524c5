package memstore

import (
	"encoding/binary"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// families is what a shard keeps of refresh families. A rotation changes a slot where
// it stands; the Value, which never changes, is in the arena:
//
//	slot 4 | length of the rest, varint | value
type families struct {
	seed         seed
	base         int64
	room         *room
	slots        slots[family, *family]
	arena        arena
	keys, owners index
	ends         expiry
	count        int
	// denials are slots whose family is no more. Each is a denial of its handle that
	// found no room among the revocations: what was found stolen stays dead even then.
	denials          int
	expired, revoked uint64
	scratch          []byte
}

// family is the slot of one. Times are in microseconds, expires is until when a denial
// must be remembered.
type family struct {
	created, ends, expires, fixed, confirmed int64
	idle                                     time.Duration
	epoch, generation, stamp, floor          uint64
	key                                      refresh.Key
	owner                                    [ownerLen]byte // its tag is the key's
	binding                                  refresh.Binding
	secret                                   refresh.SecretID
	links
	block uint32 // with off where the value is
	off   uint16
	is    familyState
}

type familyState uint8

const (
	noFamily familyState = iota
	aFamily
	denied
	// kept marks a slot while the heap is built again.
	kept familyState = 1 << 7
)

// familyCost is what a family costs beside its value: its slot, its cells in two
// tables, its node in the heap, with what is unused of each.
const familyCost = 208

func (s *family) place() place { return place{s.block, s.off} }

func (s *family) stand(at place) { s.block, s.off = at.block, at.off }

func (s *family) of(owner *revocation.Owner) bool {
	return s.owner == owner.Hash && s.key.Tag == owner.Tag
}

func (fs *families) keyHash(id uint32) uint64 { return fs.hashKey(&fs.slots.get(id).key) }

func (fs *families) hashKey(key *refresh.Key) uint64 {
	return fs.seed.hash(binary.LittleEndian.Uint64(key.Handle[:]))
}

func (fs *families) ownerHash(id uint32) uint64 {
	return fs.seed.hash(binary.LittleEndian.Uint64(fs.slots.get(id).owner[:]))
}

func (fs *families) links(id uint32) *links { return &fs.slots.get(id).links }

// find returns the slot under key, whatever it is.
func (fs *families) find(key *refresh.Key) (cell int, id uint32) {
	return fs.keys.find(fs.hashKey(key), func(id uint32) bool { return fs.slots.get(id).key == *key })
}

// live returns the slot of the live family under key, 0 if there is none. One that has
// expired is dropped.
func (fs *families) live(key *refresh.Key, now int64) uint32 {
	_, id := fs.find(key)
	if id == 0 || fs.over(id, now) || fs.slots.get(id).is == denied {
		return 0
	}
	return id
}

// over drops what is over.
func (fs *families) over(id uint32, now int64) bool {
	s := fs.slots.get(id)
	if now < s.expires {
		return false
	}
	if s.is == aFamily {
		fs.expired++
	}
	fs.remove(id)
	return true
}

// latest returns the slot of the owner's latest family, 0 if there is none.
func (fs *families) latest(owner *revocation.Owner) uint32 {
	_, id := fs.owners.find(fs.hashOwner(owner), func(id uint32) bool { return fs.slots.get(id).of(owner) })
	return id
}

func (fs *families) hashOwner(owner *revocation.Owner) uint64 {
	return fs.seed.hash(binary.LittleEndian.Uint64(owner.Hash[:]))
}

// get returns the family in slot id. Its Value aliases the store's memory.
func (fs *families) get(id uint32) refresh.Family {
	s := fs.slots.get(id)
	return refresh.Family{
		Owner: revocation.Owner{Tag: s.key.Tag, Hash: s.owner}, Handle: s.key.Handle, Epoch: s.epoch,
		Created: s.created, Ends: s.ends, Expires: s.expires,
		Lifetime: time.Duration(s.ends-s.created) * time.Microsecond, Idle: s.idle, Binding: s.binding,
		State: refresh.State{
			Generation: s.generation, Secret: s.secret, Fixed: s.fixed,
			Confirmed: s.confirmed, Stamp: s.stamp, Floor: s.floor,
		},
		Value: fs.value(s),
	}
}

func (fs *families) value(s *family) string {
	record := fs.arena.at(s.place())
	n, at := varint(record, slotLen)
	return record[at : at+int(n)]
}

// set keeps what a use has changed.
func (fs *families) set(id uint32, f *refresh.Family) {
	s := fs.slots.get(id)
	s.generation, s.secret, s.fixed = f.Generation, f.Secret, f.Fixed
	s.confirmed, s.stamp, s.floor = f.Confirmed, f.Stamp, f.Floor
	fs.until(id, f.Expires)
}

// until moves the end of slot id.
func (fs *families) until(id uint32, end int64) {
	s := fs.slots.get(id)
	before := s.expires
	s.expires = end
	if end < before {
		fs.ends.push(units(end, fs.base), id)
	}
}

// familyBytes is what a family takes at most whose value has n bytes, its part of the
// garbage included.
func familyBytes(n int) int64 {
	n += slotLen + varintLen(uint64(n))
	return int64(familyCost + n + n/garbagePart)
}

// bytes is what slot id takes.
func (fs *families) bytes(id uint32) int64 {
	if s := fs.slots.get(id); s.is == aFamily {
		return familyBytes(len(fs.value(s)))
	}
	return familyCost
}

// add puts f where nothing stands. Its room has been taken.
func (fs *families) add(f *refresh.Family) {
	id := fs.slots.add()
	*fs.slots.get(id) = family{
		created: f.Created, ends: f.Ends, expires: f.Expires, fixed: f.Fixed, confirmed: f.Confirmed,
		idle: f.Idle, epoch: f.Epoch, generation: f.Generation, stamp: f.Stamp, floor: f.Floor,
		key: f.Key(), owner: f.Owner.Hash, binding: f.Binding, secret: f.Secret, is: aFamily,
	}
	fs.scratch = binary.LittleEndian.AppendUint32(fs.scratch[:0], id)
	fs.scratch = binary.AppendUvarint(fs.scratch, uint64(len(f.Value)))
	fs.scratch = append(fs.scratch, f.Value...)
	fs.slots.get(id).stand(fs.arena.add(fs.scratch))
	if cap(fs.scratch) > maxShared {
		fs.scratch = nil
	}
	fs.keys.insert(fs.keyHash(id), id, fs.keyHash)
	is := func(id uint32) bool { return fs.slots.get(id).of(&f.Owner) }
	fs.owners.push(fs.ownerHash(id), id, is, fs.links, fs.ownerHash)
	fs.ends.push(units(f.Expires, fs.base), id)
	fs.count++
}

// remove forgets what is in slot id.
func (fs *families) remove(id uint32) {
	fs.room.give(fs.bytes(id))
	s := fs.slots.get(id)
	cell, _ := fs.keys.find(fs.hashKey(&s.key), func(i uint32) bool { return i == id })
	fs.keys.remove(cell, fs.keyHash)
	fs.owners.pull(fs.ownerHash(id), id, fs.links, fs.ownerHash)
	if s.is == denied {
		fs.denials--
	} else {
		fs.erase(s)
		fs.count--
	}
	fs.slots.remove(id)
}

func (fs *families) erase(s *family) {
	fs.arena.remove(s.place(), recordLen(fs.arena.at(s.place())))
}

// deny puts a denial of its handle in the place of the family in slot id.
func (fs *families) deny(id uint32, until int64) {
	s := fs.slots.get(id)
	fs.room.give(fs.bytes(id) - familyCost)
	fs.erase(s)
	s.is, s.block, s.off = denied, 0, 0
	fs.count--
	fs.denials++
	fs.until(id, until)
}

// denied says whether a handle of the owner's is denied in the place of its family.
func (fs *families) denied(owner *revocation.Owner, handle revocation.Handle, now int64) bool {
	if fs.denials == 0 {
		return false
	}
	_, id := fs.find(&refresh.Key{Tag: owner.Tag, Handle: handle})
	if id == 0 {
		return false
	}
	s := fs.slots.get(id)
	return s.is == denied && s.of(owner) && now < s.expires
}

// each calls f with all slots of the owner's families, the latest first. f may remove
// the slot.
func (fs *families) each(owner *revocation.Owner, f func(id uint32, s *family)) {
	for id := fs.latest(owner); id != 0; {
		s := fs.slots.get(id)
		next := s.next
		f(id, s)
		id = next
	}
}

// endBefore ends what of the owner's is older than the epoch. It forgets denials as
// well: the epoch refuses all that they did.
func (fs *families) endBefore(owner *revocation.Owner, epoch uint64, now int64) {
	fs.each(owner, func(id uint32, s *family) {
		if !fs.over(id, now) && s.epoch < epoch {
			fs.end(id)
		}
	})
}

// endDenied ends the owner's family of that handle.
func (fs *families) endDenied(owner *revocation.Owner, handle revocation.Handle, now int64) {
	id := fs.live(&refresh.Key{Tag: owner.Tag, Handle: handle}, now)
	if id != 0 && fs.slots.get(id).of(owner) {
		fs.end(id)
	}
}

// end drops what was revoked.
func (fs *families) end(id uint32) {
	if fs.slots.get(id).is == aFamily {
		fs.revoked++
	}
	fs.remove(id)
}

// expire drops a family that has expired, if there is one.
func (fs *families) expire(now int64) bool {
	id := fs.ends.ended(now, fs.base, func(id uint32) (int64, bool) {
		s := fs.slots.get(id)
		return s.expires, s.is != noFamily
	})
	return id != 0 && fs.over(id, now)
}

// compact bounds what is kept of families that are gone.
func (fs *families) compact() {
	if fs.ends.idle(fs.count + fs.denials) {
		fs.rebuild()
	}
	if fs.arena.live == 0 {
		fs.arena = arena{}
		return
	}
	fs.arena.compact(recordLen, func(p place, record string) {
		s := fs.slots.get(slotOf(record))
		if s.is != aFamily || s.place() != p {
			return
		}
		fs.scratch = append(fs.scratch[:0], record...)
		s.stand(fs.arena.add(fs.scratch))
		fs.arena.remove(p, len(record))
	})
}

// rebuild leaves one node in the heap for each slot.
func (fs *families) rebuild() {
	old := fs.ends
	fs.ends = make(expiry, 0, fs.count+fs.denials+(fs.count+fs.denials)/8+8)
	for _, node := range old {
		id := uint32(node & idMask)
		if s := fs.slots.get(id); s.is != noFamily && s.is&kept == 0 {
			s.is |= kept
			fs.ends.push(units(s.expires, fs.base), id)
		}
	}
	for _, node := range fs.ends {
		fs.slots.get(uint32(node & idMask)).is &^= kept
	}
}

func (fs *families) clear() {
	for id := uint32(1); id <= fs.slots.made; id++ {
		if fs.slots.get(id).is != noFamily {
			fs.room.give(fs.bytes(id))
		}
	}
	*fs = families{seed: fs.seed, base: fs.base, room: fs.room, expired: fs.expired, revoked: fs.revoked}
}

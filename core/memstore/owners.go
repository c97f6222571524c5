package memstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// owns says whether the session in s is the owner's, or nobody's if it is zero.
func (sh *shard) owns(owner *revocation.Owner, s *slot) bool {
	if s.flags&hasOwner == 0 {
		return *owner == revocation.Owner{}
	}
	return s.key.Tag == owner.Tag && sh.owner(s) == string(owner.Hash[:])
}

func (sh *shard) ownerHash(id uint32) uint64 {
	return sh.seed.hash(number(sh.owner(sh.slots.get(id))))
}

func (sh *shard) hashOwner(owner *revocation.Owner) uint64 {
	return sh.seed.hash(binary.LittleEndian.Uint64(owner.Hash[:]))
}

func (sh *shard) links(id uint32) *links { return &sh.slots.get(id).links }

// latest returns the slot of the owner's latest session, 0 if there is none.
func (sh *shard) latest(owner *revocation.Owner) uint32 {
	_, id := sh.owners.find(sh.hashOwner(owner), func(id uint32) bool { return sh.owns(owner, sh.slots.get(id)) })
	return id
}

// link adds a slot to what its owner has, unlink takes it out.
func (sh *shard) link(id uint32, owner *revocation.Owner) {
	if sh.slots.get(id).flags&hasOwner != 0 {
		is := func(id uint32) bool { return sh.owns(owner, sh.slots.get(id)) }
		sh.owners.push(sh.hashOwner(owner), id, is, sh.links, sh.ownerHash)
	}
}

func (sh *shard) unlink(id uint32) {
	if sh.slots.get(id).flags&hasOwner != 0 {
		sh.owners.pull(sh.ownerHash(id), id, sh.links, sh.ownerHash)
	}
}

// owned returns the slots of all that the owner has, in the order in which they
// came. The slice is valid until the next call.
func (sh *shard) owned(owner revocation.Owner) []uint32 {
	sh.ids = sh.ids[:0]
	for id := sh.latest(&owner); id != 0; id = sh.slots.get(id).next {
		sh.ids = append(sh.ids, id)
	}
	slices.Reverse(sh.ids)
	return sh.ids
}

// listed returns the owner's live listed sessions, oldest first, in the order in
// which they came if they are of the same moment.
func (sh *shard) listed(owner revocation.Owner, now int64) []listedSession {
	var live []listedSession
	for _, id := range sh.owned(owner) {
		k := sh.keyed(id)
		switch {
		case k.Entry.Expires.UnixMicro() <= now:
			sh.drop(id, session.Expired)
		case k.Entry.Listed:
			live = append(live, listedSession{id, k})
		}
	}
	slices.SortStableFunc(live, func(a, b listedSession) int { return a.Entry.Created.Compare(b.Entry.Created) })
	return live
}

type listedSession struct {
	id uint32
	session.Keyed
}

// end removes the sessions and returns what they were.
func (sh *shard) end(of []listedSession) []session.Keyed {
	if len(of) == 0 {
		return nil
	}
	ended := make([]session.Keyed, len(of))
	for i, l := range of {
		sh.remove(l.id)
		ended[i] = l.Keyed
	}
	return ended
}

// admit makes room for one more listed session of the owner, on the terms of a.
func (sh *shard) admit(owner revocation.Owner, a session.Admission, now int64) ([]session.Keyed, error) {
	most := max(a.Max, 1)
	if !sh.reaches(owner, most) {
		return nil, nil
	}
	live := sh.listed(owner, now)
	excess := len(live) + 1 - most
	if excess <= 0 {
		return nil, nil
	}
	// What was never presented has perhaps never arrived.
	slices.SortStableFunc(live, func(a, b listedSession) int {
		return cmp.Compare(rank(a.Entry.Presented), rank(b.Entry.Presented))
	})
	if a.Refuse && live[excess-1].Entry.Presented {
		return nil, session.ErrLimit
	}
	return sh.end(live[:excess]), nil
}

func rank(presented bool) int {
	if presented {
		return 1
	}
	return 0
}

// reaches says whether the owner has n listed sessions, expired ones included. It
// looks at no more than it must: without a limit nothing here grows with what an
// owner has.
func (sh *shard) reaches(owner revocation.Owner, n int) bool {
	if n > sh.classes[authenticated].count {
		return false
	}
	for id := sh.latest(&owner); id != 0; {
		s := sh.slots.get(id)
		if s.flags&listed != 0 {
			if n--; n == 0 {
				return true
			}
		}
		id = s.next
	}
	return false
}

// List implements session.Store.
func (s *Store) List(_ context.Context, owner revocation.Owner) (all []session.Keyed, err error) {
	err = s.do(owner.Tag, func(sh *shard, now int64) error {
		for _, l := range sh.listed(owner, now) {
			all = append(all, l.Keyed)
		}
		return nil
	})
	return all, err
}

// EndOne implements session.Store.
func (s *Store) EndOne(_ context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (one session.Keyed, err error) {
	err = s.revoke(owner.Tag, func(sh *shard, now int64) error {
		live := sh.listed(owner, now)
		i := slices.IndexFunc(live, func(l listedSession) bool { return l.Entry.Handle == handle })
		if i < 0 {
			return session.ErrGone
		}
		if err := sh.revoked.deny(&owner, handle, ceilMicros(until), now); err != nil {
			return err
		}
		sh.remove(live[i].id)
		one = live[i].Keyed
		sh.endDenied(owner, handle, now)
		return nil
	})
	return one, err
}

// EndOthers implements session.Store.
func (s *Store) EndOthers(_ context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (epoch uint64, others []session.Keyed, err error) {
	err = s.revoke(owner.Tag, func(sh *shard, now int64) error {
		live := sh.listed(owner, now)
		i := slices.IndexFunc(live, func(l listedSession) bool { return l.Entry.Handle == keep })
		if i < 0 {
			return session.ErrGone
		}
		if epoch, err = sh.revoked.raise(&owner, ceilMicros(until), now); err != nil {
			return err
		}
		kept := live[i]
		kept.Entry.Epoch = epoch
		sh.replace(kept.id, &kept.Entry)
		others = sh.end(slices.Delete(live, i, i+1))
		sh.endBefore(owner, epoch, now)
		return nil
	})
	return epoch, others, err
}

// EndAll implements session.Store.
func (s *Store) EndAll(_ context.Context, owner revocation.Owner, until time.Time) (all []session.Keyed, err error) {
	err = s.revoke(owner.Tag, func(sh *shard, now int64) error {
		epoch, err := sh.revoked.raise(&owner, ceilMicros(until), now)
		if err != nil {
			return err
		}
		all = sh.end(sh.listed(owner, now))
		sh.endBefore(owner, epoch, now)
		return nil
	})
	return all, err
}

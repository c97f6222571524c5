package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// CreateFamily implements refresh.Store.
func (s *Store) CreateFamily(_ context.Context, f refresh.Family, limit int) (_ refresh.Family, ended []refresh.Family, err error) {
	create := func(sh *shard, now int64) error {
		f, ended, err = sh.createFamily(f, limit, now)
		return err
	}
	if err = s.do(f.Owner.Tag, create); err == refresh.ErrFull {
		s.expireFamilies()
		err = s.do(f.Owner.Tag, create)
	}
	return f, ended, err
}

// expireFamilies drops what has expired in all shards.
func (s *Store) expireFamilies() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		now := s.micros()
		for sh.families.expire(now) {
		}
		sh.compact()
		sh.mu.Unlock()
	}
}

func (sh *shard) createFamily(f refresh.Family, limit int, now int64) (refresh.Family, []refresh.Family, error) {
	key := f.Key()
	if sh.families.live(&key, now) != 0 {
		return f, nil, refresh.ErrExists
	}
	denied := sh.found(f.Owner, revocation.Asked{Session: f.Handle}, now).Denied
	var ended []refresh.Family
	if !denied {
		excess := sh.families.excess(&f.Owner, limit, now)
		if !sh.families.admit(len(f.Value), excess) {
			return f, nil, refresh.ErrFull
		}
		for _, id := range excess {
			ended = append(ended, sh.families.get(id))
			sh.families.remove(id)
		}
	}
	f.Begin(now)
	f.Epoch = sh.revoked.carry(&f.Owner, f.Ends, now)
	if !denied {
		sh.families.add(&f)
	}
	return f, ended, nil
}

// excess returns the slots of the families that must make room if the owner is to have
// no more than limit with another one: those that expire first, of the same moment
// those that began first.
func (fs *families) excess(owner *revocation.Owner, limit int, now int64) []uint32 {
	n := -max(limit-1, 0)
	fs.each(owner, func(id uint32, s *family) {
		if !fs.over(id, now) && s.is == aFamily {
			n++
		}
	})
	if n <= 0 {
		return nil
	}
	all := fs.owned(owner, now)
	slices.SortStableFunc(all, func(a, b uint32) int {
		return cmp.Compare(fs.slots.get(a).expires, fs.slots.get(b).expires)
	})
	return all[:n]
}

// owned returns the slots of the owner's live families, those that began first at
// first.
func (fs *families) owned(owner *revocation.Owner, now int64) (all []uint32) {
	fs.each(owner, func(id uint32, s *family) {
		if !fs.over(id, now) && s.is == aFamily {
			all = append(all, id)
		}
	})
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b uint32) int {
		return cmp.Compare(fs.slots.get(a).created, fs.slots.get(b).created)
	})
	return all
}

// admit takes room for a family whose Value has n bytes, in the place of the excess.
func (fs *families) admit(n int, excess []uint32) bool {
	freed := int64(0)
	for _, id := range excess {
		freed += fs.bytes(id)
	}
	if fs.slots.exhausted() && freed == 0 || !fs.room.take(familyBytes(n)-freed) {
		return false
	}
	fs.room.give(-freed) // it is given when they are removed
	return true
}

// FindFamily implements refresh.Store. What it returns aliases the store's memory, as
// what Load returns.
func (s *Store) FindFamily(_ context.Context, key refresh.Key) (f refresh.Family, err error) {
	err = s.do(key.Tag, func(sh *shard, now int64) error {
		id := sh.families.live(&key, now)
		if id == 0 {
			return refresh.ErrGone
		}
		f = sh.families.get(id)
		return nil
	})
	return f, err
}

// Rotate implements refresh.Store.
func (s *Store) Rotate(_ context.Context, key refresh.Key, p *refresh.Presented) (out refresh.Outcome, err error) {
	err = s.end(key.Tag, func(sh *shard, now int64, last bool) error {
		id := sh.families.live(&key, now)
		if id == 0 {
			return refresh.ErrGone
		}
		f := sh.families.get(id)
		v := f.Present(p, now)
		if !v.Answered() {
			if err := sh.endFamily(id, p.Rules, now, last); err != nil {
				return err
			}
		} else {
			if v == refresh.LateRepeated {
				until := now + p.Rules.Denied.Microseconds()
				if err := sh.revoked.void(&f.Owner, f.Handle, f.Generation, f.Floor, until, now); err != nil {
					return err
				}
			}
			sh.families.set(id, &f)
		}
		out = refresh.Outcome{Verdict: v, Family: f}
		return nil
	})
	return out, err
}

// EndFamily implements refresh.Store.
func (s *Store) EndFamily(_ context.Context, key refresh.Key, rules refresh.Rules) (f refresh.Family, err error) {
	err = s.end(key.Tag, func(sh *shard, now int64, last bool) error {
		id := sh.families.live(&key, now)
		if id == 0 {
			return refresh.ErrGone
		}
		f = sh.families.get(id)
		return sh.endFamily(id, rules, now, last)
	})
	return f, err
}

// end is do for what may end a family. If there is no room for the denial, what need
// not be remembered any more is forgotten, and step is called for the last time.
func (s *Store) end(tag [4]byte, step func(sh *shard, now int64, last bool) error) error {
	err := s.do(tag, func(sh *shard, now int64) error { return step(sh, now, false) })
	if err == errNoBytes {
		s.forget()
		err = s.do(tag, func(sh *shard, now int64) error { return step(sh, now, true) })
	}
	return err
}

// endFamily ends the family in slot id with all that was issued for it: by a denial, by
// the owner's epoch if there is no room for that, and if there is none either, by a
// denial where the family stood. errNoBytes if it is not the last try and the first of
// these found no room; nothing has changed.
func (sh *shard) endFamily(id uint32, rules refresh.Rules, now int64, last bool) error {
	f := sh.families.get(id)
	until := now + rules.Denied.Microseconds()
	switch err := sh.revoked.deny(&f.Owner, f.Handle, until, now); {
	case err == nil:
		sh.families.remove(id)
	case err == errNoBytes && !last:
		return err
	default:
		sh.families.deny(id, until)
		if epoch, err := sh.revoked.raise(&f.Owner, until, now); err == nil {
			sh.endBefore(f.Owner, epoch, now)
		}
	}
	sh.endDenied(f.Owner, f.Handle, now)
	return nil
}

// Families implements refresh.Store.
func (s *Store) Families(_ context.Context, owner revocation.Owner) (all []refresh.Family, err error) {
	err = s.do(owner.Tag, func(sh *shard, now int64) error {
		for _, id := range sh.families.owned(&owner, now) {
			all = append(all, sh.families.get(id))
		}
		return nil
	})
	return all, err
}

// Sight implements revocation.Witness.
func (s *Store) Sight(_ context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	return s.do(owner.Tag, func(sh *shard, now int64) error {
		id := sh.families.live(&refresh.Key{Tag: owner.Tag, Handle: family}, now)
		if id == 0 || !sh.families.slots.get(id).of(&owner) {
			return revocation.ErrEnded
		}
		f := sh.families.get(id)
		changed, err := f.Sight(a, now)
		if changed {
			sh.families.set(id, &f)
		}
		return err
	})
}

package memstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// revocations is what a shard remembers of the few owners who revoked something.
type revocations struct {
	owners map[revocation.Owner]*revoked
	room   *room
	count  int // epochs and denials
	// soonest is not later than the first end of any of them.
	soonest int64
}

// revoked is what is remembered of one owner. An epoch of zero is none.
type revoked struct {
	epoch  uint64
	until  int64 // of the epoch, in microseconds, like all times here
	denied []denial
}

type denial struct {
	handle revocation.Handle
	until  int64
}

const (
	// ownerCost is an owner's cell in the map at its emptiest, and what it points
	// to; denialCost a denial in a list that append has grown.
	ownerCost  = 128
	denialCost = 48
)

// room is what is taken of the budget that all shards share. It cannot be divided
// among them: one owner's denials would fill a small part.
type room struct {
	taken  atomic.Int64
	budget int64
}

func (r *room) has(n int64) bool { return r.taken.Load()+n <= r.budget }

func (r *room) take(n int64) bool {
	if r.taken.Add(n) <= r.budget {
		return true
	}
	r.taken.Add(-n)
	return false
}

func (v *revocations) of(owner revocation.Owner, handle revocation.Handle, now int64) (epoch uint64, denied bool) {
	r := v.owners[owner]
	if r == nil {
		return 0, false
	}
	for _, d := range r.denied {
		if d.handle == handle && now < d.until {
			return r.epochAt(now), true
		}
	}
	return r.epochAt(now), false
}

func (r *revoked) epochAt(now int64) uint64 {
	if now < r.until {
		return r.epoch
	}
	return 0
}

// current returns what is remembered of the owner, nil if that is nothing,
// without what need not be remembered any more.
func (v *revocations) current(owner revocation.Owner, now int64) *revoked {
	r := v.owners[owner]
	if r == nil {
		return nil
	}
	if r.epoch != 0 && r.until <= now {
		r.epoch, r.until = 0, 0
		v.count--
	}
	kept := r.denied[:0]
	for _, d := range r.denied {
		if now < d.until {
			kept = append(kept, d)
		}
	}
	v.released(len(r.denied) - len(kept))
	if r.denied = kept; len(kept) == 0 {
		r.denied = nil
	}
	if r.epoch == 0 && r.denied == nil {
		delete(v.owners, owner)
		v.room.take(-ownerCost)
		return nil
	}
	return r
}

func (v *revocations) released(denials int) {
	v.count -= denials
	v.room.take(int64(-denials) * denialCost)
}

// open returns what is remembered of the owner so that more can be, for which
// extra bytes are taken. ErrFull if there are not so many; nothing has changed.
func (v *revocations) open(owner revocation.Owner, extra, now int64) (*revoked, error) {
	r := v.current(owner, now)
	if r == nil {
		extra += ownerCost
	}
	if extra > 0 && !v.room.take(extra) {
		return nil, revocation.ErrFull
	}
	if r == nil {
		if v.owners == nil {
			v.owners = make(map[revocation.Owner]*revoked)
		}
		r = &revoked{}
		v.owners[owner] = r
	}
	return r, nil
}

func (v *revocations) keep(r *revoked, until int64) {
	r.until = max(r.until, until)
	v.ends(r.until)
}

func (v *revocations) ends(until int64) {
	if v.count == 1 || until < v.soonest {
		v.soonest = until
	}
}

func (v *revocations) raise(owner revocation.Owner, until, now int64) (uint64, error) {
	r, err := v.open(owner, 0, now)
	if err != nil {
		return 0, err
	}
	v.released(len(r.denied))
	r.denied = nil
	v.set(r, max(r.epoch, r.epoch+1, uint64(max(now, 1))), until)
	return r.epoch, nil
}

func (v *revocations) restore(owner revocation.Owner, epoch uint64, until, now int64) error {
	if epoch == 0 {
		// What is not stored is zero.
		if r := v.current(owner, now); r != nil && r.epoch != 0 {
			v.keep(r, until)
		}
		return nil
	}
	r, err := v.open(owner, 0, now)
	if err != nil {
		return err
	}
	v.set(r, max(r.epoch, epoch), until)
	return nil
}

func (v *revocations) set(r *revoked, epoch uint64, until int64) {
	if r.epoch == 0 {
		v.count++
	}
	r.epoch = epoch
	v.keep(r, until)
}

func (v *revocations) deny(owner revocation.Owner, handle revocation.Handle, until, now int64) error {
	if r := v.current(owner, now); r != nil {
		for i := range r.denied {
			if d := &r.denied[i]; d.handle == handle {
				d.until = max(d.until, until)
				return nil
			}
		}
		if len(r.denied) >= revocation.MaxDenied {
			return revocation.ErrFull
		}
	}
	r, err := v.open(owner, denialCost, now)
	if err != nil {
		return err
	}
	r.denied = append(r.denied, denial{handle, until})
	v.count++
	v.ends(until)
	return nil
}

// forget drops what need not be remembered any more.
func (v *revocations) forget(now int64) {
	if v.count == 0 || now < v.soonest {
		return
	}
	soonest := int64(0)
	first := true
	for owner := range v.owners {
		r := v.current(owner, now)
		if r == nil {
			continue
		}
		if r.epoch != 0 && (first || r.until < soonest) {
			soonest, first = r.until, false
		}
		for _, d := range r.denied {
			if first || d.until < soonest {
				soonest, first = d.until, false
			}
		}
	}
	v.soonest = soonest
}

// revoke is do for what takes room among the revocations. If there is none, all
// shards forget what they need not remember any more, and it is tried again.
func (s *Store) revoke(tag [4]byte, step func(sh *shard, now int64) error) error {
	if !s.room.has(ownerCost + denialCost) {
		for i := range s.shards {
			sh := &s.shards[i]
			sh.mu.Lock()
			sh.revoked.forget(s.micros())
			sh.mu.Unlock()
		}
	}
	return s.do(tag, step)
}

// Revoked implements revocation.Store.
func (s *Store) Revoked(_ context.Context, owner revocation.Owner, handle revocation.Handle) (epoch uint64, denied bool, err error) {
	sh := s.shard(owner.Tag)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed {
		return 0, false, ErrClosed
	}
	epoch, denied = sh.revoked.of(owner, handle, s.micros())
	return epoch, denied, nil
}

// RaiseEpoch implements revocation.Store.
func (s *Store) RaiseEpoch(_ context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
	err = s.revoke(owner.Tag, func(sh *shard, now int64) error {
		epoch, err = sh.raise(owner, until, now)
		return err
	})
	return epoch, err
}

// RestoreEpoch implements revocation.Store.
func (s *Store) RestoreEpoch(_ context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	return s.revoke(owner.Tag, func(sh *shard, now int64) error {
		if err := sh.revoked.restore(owner, epoch, ceilMicros(until), now); err != nil {
			return err
		}
		sh.endRevoked(owner, now, func(e *session.Entry) bool { return e.Epoch < epoch })
		return nil
	})
}

// Deny implements revocation.Store.
func (s *Store) Deny(_ context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
	return s.revoke(owner.Tag, func(sh *shard, now int64) error { return sh.deny(owner, handle, until, now) })
}

func (sh *shard) raise(owner revocation.Owner, until time.Time, now int64) (uint64, error) {
	epoch, err := sh.revoked.raise(owner, ceilMicros(until), now)
	if err != nil {
		return 0, err
	}
	sh.endRevoked(owner, now, func(e *session.Entry) bool { return e.Epoch < epoch })
	return epoch, nil
}

func (sh *shard) deny(owner revocation.Owner, handle revocation.Handle, until time.Time, now int64) error {
	if err := sh.revoked.deny(owner, handle, ceilMicros(until), now); err != nil {
		return err
	}
	sh.endRevoked(owner, now, func(e *session.Entry) bool { return e.Handle == handle })
	return nil
}

// endRevoked ends what of the owner's is revoked. Done at once it costs no read
// anything, and what was revoked cannot come back when the revocation is
// forgotten.
func (sh *shard) endRevoked(owner revocation.Owner, now int64, is func(*session.Entry) bool) {
	for _, id := range sh.owned(owner) {
		e := sh.entry(sh.slots.get(id))
		switch {
		case e.Expires.UnixMicro() <= now:
			sh.drop(id, session.Expired)
		case is(&e):
			sh.drop(id, session.Revoked)
		}
	}
}

// ceilMicros rounds up: a revocation is remembered at least as long as was asked.
func ceilMicros(t time.Time) int64 {
	us := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		us++
	}
	return us
}

func (v *revocations) clear() {
	for _, r := range v.owners {
		v.room.take(-ownerCost)
		v.released(len(r.denied))
	}
	v.owners, v.count = nil, 0
}

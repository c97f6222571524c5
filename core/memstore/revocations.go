package memstore

import (
	"context"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// revoke is do for what takes room among the revocations.
func (s *Store) revoke(tag [4]byte, step func(sh *shard, now int64) error) error {
	err := s.do(tag, step)
	if err == errNoBytes {
		s.forget()
		err = s.do(tag, step)
	}
	return err
}

// forget makes all shards forget what they need not remember any more, until there is
// room for something.
func (s *Store) forget() {
	for i := range s.shards {
		if s.revocations.has(revokedCost) {
			return
		}
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.revoked.forget(s.micros())
		sh.mu.Unlock()
	}
}

// Revoked implements revocation.Store.
func (s *Store) Revoked(_ context.Context, owner revocation.Owner, a revocation.Asked) (f revocation.Found, err error) {
	sh := s.shard(owner.Tag)
	sh.mu.Lock()
	switch {
	case sh.closed:
		err = ErrClosed
	case sh.remembers(&owner):
		f = sh.found(owner, a, s.micros())
	}
	sh.mu.Unlock()
	return f, err
}

// remembers says whether anything may have been revoked of the owner. Most have
// nothing, and to them not even the time matters.
func (sh *shard) remembers(owner *revocation.Owner) bool {
	_, first := sh.revoked.first(owner)
	return first != 0 || sh.families.denials != 0
}

// found returns what is revoked of the owner.
func (sh *shard) found(owner revocation.Owner, a revocation.Asked, now int64) revocation.Found {
	_, first := sh.revoked.first(&owner)
	f := sh.revoked.found(first, &a, now)
	f.Denied = f.Denied || sh.families.denied(&owner, a.Session, now)
	return f
}

// RaiseEpoch implements revocation.Store.
func (s *Store) RaiseEpoch(_ context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
	err = s.revoke(owner.Tag, func(sh *shard, now int64) error {
		epoch, err = sh.raise(owner, ceilMicros(until), now)
		return err
	})
	return epoch, err
}

// RestoreEpoch implements revocation.Store.
func (s *Store) RestoreEpoch(_ context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	return s.revoke(owner.Tag, func(sh *shard, now int64) error {
		if err := sh.revoked.restore(&owner, epoch, ceilMicros(until), now); err != nil {
			return err
		}
		sh.endBefore(owner, epoch, now)
		return nil
	})
}

// Deny implements revocation.Store.
func (s *Store) Deny(_ context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) error {
	return s.revoke(owner.Tag, func(sh *shard, now int64) error {
		return sh.deny(owner, handle, ceilMicros(until), now)
	})
}

// raise and deny revoke, and end what is revoked then.
func (sh *shard) raise(owner revocation.Owner, until, now int64) (uint64, error) {
	epoch, err := sh.revoked.raise(&owner, until, now)
	if err != nil {
		return 0, err
	}
	sh.endBefore(owner, epoch, now)
	return epoch, nil
}

func (sh *shard) deny(owner revocation.Owner, handle revocation.Handle, until, now int64) error {
	if err := sh.revoked.deny(&owner, handle, until, now); err != nil {
		return err
	}
	sh.endDenied(owner, handle, now)
	return nil
}

// endBefore ends what of the owner's is older than the epoch, endDenied what has the
// handle.
func (sh *shard) endBefore(owner revocation.Owner, epoch uint64, now int64) {
	sh.endRevoked(owner, now, func(e *session.Entry) bool { return e.Epoch < epoch })
	sh.families.endBefore(&owner, epoch, now)
}

func (sh *shard) endDenied(owner revocation.Owner, handle revocation.Handle, now int64) {
	sh.endRevoked(owner, now, func(e *session.Entry) bool { return e.Handle == handle })
	sh.families.endDenied(&owner, handle, now)
}

// endRevoked ends what of the owner's sessions is revoked. Done at once it costs no
// read anything, and what was revoked cannot come back when the revocation is
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

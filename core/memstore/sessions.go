package memstore

import (
	"context"
	"errors"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// errTag is the caller's mistake: what is decided as one step stands under one
// tag, and here behind one lock.
var errTag = errors.New("memstore: keys and owner have different routing tags")

// shard puts everything of one tag, and so of one subject, under one lock.
func (s *Store) shard(tag [4]byte) *shard { return &s.shards[tag[0]%shardCount] }

// do runs step with the shard locked, then makes room and reports what went.
func (s *Store) do(tag [4]byte, step func(sh *shard, now int64) error) error {
	sh := s.shard(tag)
	sh.mu.Lock()
	if sh.closed {
		sh.mu.Unlock()
		return ErrClosed
	}
	now := s.micros()
	err := step(sh, now)
	sh.tidy(now)
	gone := sh.took()
	sh.mu.Unlock()
	s.reports.send(gone)
	return err
}

// took hands over what ended since the lock was taken.
func (sh *shard) took() []ended {
	gone := sh.gone
	sh.gone = nil
	return gone
}

// Load implements session.Store. What it returns aliases the store's memory: a
// string of it that is kept for ever keeps up to 32 KiB.
func (s *Store) Load(_ context.Context, keys []session.StoreKey, out []session.Entry) error {
	for i := range keys {
		sh := s.shard(keys[i].Tag)
		sh.mu.Lock()
		if sh.closed {
			sh.mu.Unlock()
			return ErrClosed
		}
		now := s.micros()
		if id := sh.live(&keys[i], now); id != 0 {
			sh.use(id)
			out[i] = sh.entry(sh.slots.get(id))
			if e := &out[i]; e.Epoch != 0 && e.Owner != (revocation.Owner{}) {
				e.Behind = sh.found(e.Owner, revocation.Asked{}, now).Epoch < e.Epoch
			}
		} else {
			out[i] = session.Entry{}
		}
		if sh.gone == nil {
			sh.mu.Unlock()
			continue
		}
		sh.compact()
		gone := sh.took()
		sh.mu.Unlock()
		s.reports.send(gone)
	}
	return nil
}

// Create implements session.Store.
func (s *Store) Create(_ context.Context, key session.StoreKey, e session.Entry, a session.Admission) (epoch uint64, evicted []session.Keyed, err error) {
	if foreign(&key, &e) {
		return 0, nil, errTag
	}
	err = s.do(key.Tag, func(sh *shard, now int64) error {
		if sh.live(&key, now) != 0 {
			return session.ErrExists
		}
		e.Epoch = 0
		if e.Owner != (revocation.Owner{}) {
			if e.Listed {
				if evicted, err = sh.admit(e.Owner, a, now); err != nil {
					return err
				}
			}
			e.Epoch = sh.revoked.carry(&e.Owner, ceilMicros(a.Until), now)
		}
		epoch = e.Epoch
		sh.judge(sh.add(&key, &e), now)
		return nil
	})
	return epoch, evicted, err
}

// Swap implements session.Store.
func (s *Store) Swap(_ context.Context, key session.StoreKey, version uint64, next session.Entry) (present session.Entry, err error) {
	if foreign(&key, &next) {
		return session.Entry{}, errTag
	}
	err = s.do(key.Tag, func(sh *shard, now int64) error {
		id, e, err := sh.expect(&key, version, now)
		if err != nil {
			present = e
			return err
		}
		sh.succeed(id, &next, &e, now)
		return nil
	})
	return present, err
}

// Rename implements session.Store.
func (s *Store) Rename(_ context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (present session.Entry, err error) {
	if old.Tag != to.Tag || foreign(&to, &next) || left != nil && foreign(&old, left) {
		return session.Entry{}, errTag
	}
	err = s.do(old.Tag, func(sh *shard, now int64) error {
		id, e, err := sh.expect(&old, version, now)
		if err != nil {
			present = e
			return err
		}
		if sh.live(&to, now) != 0 {
			return session.ErrExists
		}
		if left != nil {
			stays := *left
			sh.succeed(id, &stays, &e, now)
		} else {
			sh.remove(id)
		}
		next.Epoch = e.Epoch
		id = sh.add(&to, &next)
		if next.Owner != e.Owner || next.Handle != e.Handle {
			sh.judge(id, now)
		}
		return nil
	})
	return present, err
}

// Take implements session.Store.
func (s *Store) Take(_ context.Context, key session.StoreKey) (e session.Entry, err error) {
	err = s.do(key.Tag, func(sh *shard, now int64) error {
		id := sh.live(&key, now)
		if id == 0 {
			return session.ErrGone
		}
		e = sh.entry(sh.slots.get(id))
		sh.remove(id)
		return nil
	})
	return e, err
}

// foreign says whether e belongs to an owner whose things stand elsewhere.
func foreign(key *session.StoreKey, e *session.Entry) bool {
	return e.Owner != revocation.Owner{} && e.Owner.Tag != key.Tag
}

// expect returns the live session under key if it has the version, and with
// ErrConflict what is there instead.
func (sh *shard) expect(key *session.StoreKey, version uint64, now int64) (uint32, session.Entry, error) {
	id := sh.live(key, now)
	if id == 0 {
		return 0, session.Entry{}, session.ErrGone
	}
	e := sh.entry(sh.slots.get(id))
	if e.Version != version {
		return 0, e, session.ErrConflict
	}
	return id, e, nil
}

// succeed puts next in the place of e. It is as old an authority as e was.
func (sh *shard) succeed(id uint32, next, e *session.Entry, now int64) {
	next.Epoch = e.Epoch
	sh.replace(id, next)
	if next.Owner != e.Owner || next.Handle != e.Handle {
		sh.judge(id, now)
	}
}

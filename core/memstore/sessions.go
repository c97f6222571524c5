package memstore

import (
	"context"

	"github.com/sallyport-go/sallyport/core/session"
)

// shardOf puts all records of one tag, and so of one subject, under one lock:
// what is decided about a subject is one step.
func (s *Store) shardOf(key session.StoreKey) *shard {
	return &s.shards[int(key.Tag[0])&(shardCount-1)]
}

// Load implements session.Store.
func (s *Store) Load(_ context.Context, keys []session.StoreKey, out []session.Entry) error {
	var gone []dropped
	for i, key := range keys {
		sh := s.shardOf(key)
		sh.mu.Lock()
		it, d := sh.live(key, s.now())
		gone = append(gone, d...)
		if it != nil {
			out[i] = it.entry
			sh.lists[it.class()].toFront(it)
		} else {
			out[i] = session.Entry{}
		}
		sh.mu.Unlock()
	}
	s.reports.send(gone)
	return nil
}

// Create implements session.Store.
func (s *Store) Create(_ context.Context, key session.StoreKey, e session.Entry) error {
	return s.write(key, func(sh *shard, it *item) error {
		if it != nil {
			return session.ErrExists
		}
		sh.put(key, e)
		return nil
	})
}

// Swap implements session.Store.
func (s *Store) Swap(_ context.Context, key session.StoreKey, version uint64, next session.Entry) (current session.Entry, err error) {
	err = s.write(key, func(sh *shard, it *item) error {
		if err := it.check(version, &current); err != nil {
			return err
		}
		sh.put(key, next)
		return nil
	})
	return current, err
}

// Rename implements session.Store.
func (s *Store) Rename(_ context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (current session.Entry, err error) {
	err = s.write(old, func(sh *shard, it *item) error {
		if err := it.check(version, &current); err != nil {
			return err
		}
		if sh.items[to] != nil {
			return session.ErrExists
		}
		if left != nil {
			sh.put(old, *left)
		} else {
			sh.remove(it)
		}
		sh.put(to, next)
		return nil
	}, to)
	return current, err
}

// Take implements session.Store.
func (s *Store) Take(_ context.Context, key session.StoreKey) (e session.Entry, err error) {
	err = s.write(key, func(sh *shard, it *item) error {
		if it == nil {
			return session.ErrGone
		}
		e = it.entry
		sh.remove(it)
		return nil
	})
	return e, err
}

// write runs step on the live item under key with its shard locked, then makes
// room and reports what went. Expired items under further keys of the shard, to
// which step wants to write, are dropped before it.
func (s *Store) write(key session.StoreKey, step func(*shard, *item) error, further ...session.StoreKey) error {
	sh := s.shardOf(key)
	sh.mu.Lock()
	now := s.now()
	it, gone := sh.live(key, now)
	for _, k := range further {
		_, d := sh.live(k, now)
		gone = append(gone, d...)
	}
	err := step(sh, it)
	gone = append(gone, sh.tidy(s.budgets, now)...)
	sh.mu.Unlock()
	s.reports.send(gone)
	return err
}

// check says whether it is live with the version; if only the version differs,
// current becomes what is there.
func (it *item) check(version uint64, current *session.Entry) error {
	switch {
	case it == nil:
		return session.ErrGone
	case it.entry.Version != version:
		*current = it.entry
		return session.ErrConflict
	default:
		return nil
	}
}

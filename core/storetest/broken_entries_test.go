package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

var brokenEntries = []brokenStore{
	{"create overwrites", "create/exists", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, create: func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			overwrite(s, k, e)
			return 0, nil, nil
		}}
	}},
	{"create keeps the first and says nothing", "create/exists", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, create: func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			_, _, _ = s.Create(ctx, k, e, a)
			return 0, nil, nil
		}}
	}},
	{"create looks, then writes", "create/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, create: func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			if one(s, k).Version != 0 {
				return 0, nil, session.ErrExists
			}
			pause()
			overwrite(s, k, e)
			return 0, nil, nil
		}}
	}},
	{"load leaves the place of an absent key as it was", "load/absent-is-zero", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(_ context.Context, keys []session.StoreKey, out []session.Entry) error {
			for i, k := range keys {
				if e := one(s, k); e.Version != 0 {
					out[i] = e
				}
			}
			return nil
		}}
	}},
	{"load calls an absent key an error", "load/absent-is-zero", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			err := s.Load(ctx, keys, out)
			for _, e := range out {
				if e.Version == 0 {
					return session.ErrGone
				}
			}
			return err
		}}
	}},
	{"load answers live keys first", "load/several-in-order", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			err := s.Load(ctx, keys, out)
			slices.SortStableFunc(out, func(a, b session.Entry) int {
				if (a.Version == 0) == (b.Version == 0) {
					return 0
				} else if a.Version == 0 {
					return 1
				}
				return -1
			})
			return err
		}}
	}},
	{"load refuses no keys", "load/nothing", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			if len(keys) == 0 {
				return errors.New("wrong number of arguments")
			}
			return s.Load(ctx, keys, out)
		}}
	}},
	{"swap creates", "swap/gone", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if errors.Is(err, session.ErrGone) {
				err = recreate(s, k, next)
			}
			return current, err
		}}
	}},
	{"swap with version 0 creates", "swap/gone", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if version == 0 && errors.Is(err, session.ErrGone) {
				err = recreate(s, k, next)
			}
			return current, err
		}}
	}},
	{"swap brings back what was taken", "dead/stays-dead-after-take", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if errors.Is(err, session.ErrGone) {
				err = recreate(s, k, next)
			}
			return current, err
		}}
	}},
	{"swap ignores the version", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, _ uint64, next session.Entry) (session.Entry, error) {
			return s.Swap(ctx, k, one(s, k).Version, next)
		}}
	}},
	{"swap accepts any older version", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if have := one(s, k).Version; version < have {
				version = have
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap's conflict comes without the entry", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			_, err := s.Swap(ctx, k, version, next)
			return session.Entry{}, err
		}}
	}},
	{"swap compares, then writes", "swap/one-winner-per-version", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(_ context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			switch e := one(s, k); {
			case e.Version == 0:
				return session.Entry{}, session.ErrGone
			case e.Version != version:
				return e, session.ErrConflict
			}
			pause()
			overwrite(s, k, next)
			return session.Entry{}, nil
		}}
	}},
	{"swap checks life, then writes", "dead/late-swap-brings-nothing-back", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if e := one(s, k); e.Version == version {
				pause()
				if one(s, k).Version == 0 {
					return session.Entry{}, recreate(s, k, next)
				}
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap keeps the first end", "expiry/swap-sets-the-end", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			next.Expires = one(s, k).Expires
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap never shortens", "expiry/swap-sets-the-end", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if old := one(s, k).Expires; old.After(next.Expires) {
				next.Expires = old
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"rename keeps the old entry", "rename/moves", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if left == nil {
				e := one(s, old)
				left = &e
			}
			return s.Rename(ctx, old, version, to, next, left)
		}}
	}},
	{"rename moves the old value", "rename/moves", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, _ session.Entry, left *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, version, to, one(s, old), left)
		}}
	}},
	{"rename leaves nothing behind", "rename/leaves-behind", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, version, to, next, nil)
		}}
	}},
	{"rename gives both entries one end", "expiry/rename-sets-both-ends", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if left != nil {
				left.Expires = next.Expires
			}
			return s.Rename(ctx, old, version, to, next, left)
		}}
	}},
	{"rename keeps the caller's pointer", "rename/keeps-no-pointer", func(now func() time.Time) session.Store {
		s := newReference(now)
		kept := make(map[session.StoreKey]*session.Entry)
		return &broken{
			Store: s,
			load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
				err := s.Load(ctx, keys, out)
				for i, k := range keys {
					if p := kept[k]; p != nil {
						out[i] = *p
					}
				}
				return err
			},
			rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
				kept[old] = left
				return s.Rename(ctx, old, version, to, next, left)
			},
		}
	}},
	{"rename of nothing creates", "rename/gone", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if errors.Is(err, session.ErrGone) {
				err = recreate(s, to, next)
			}
			return current, err
		}}
	}},
	{"rename says gone and leaves the snapshot all the same", "rename/gone", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if left != nil && errors.Is(err, session.ErrGone) {
				overwrite(s, old, *left)
			}
			return current, err
		}}
	}},
	{"rename overwrites", "rename/exists", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if errors.Is(err, session.ErrExists) {
				_, _ = s.Take(ctx, to)
				return s.Rename(ctx, old, version, to, next, left)
			}
			return current, err
		}}
	}},
	{"rename refuses after it removed", "rename/exists", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if errors.Is(err, session.ErrExists) {
				_, _ = s.Take(ctx, old)
			}
			return current, err
		}}
	}},
	{"rename ignores the version", "rename/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, one(s, old).Version, to, next, left)
		}}
	}},
	{"rename's conflict comes without the entry", "rename/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			_, err := s.Rename(ctx, old, version, to, next, left)
			return session.Entry{}, err
		}}
	}},
	{"rename removes, then creates", "rename/atomic", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if _, err := s.Take(ctx, old); err != nil {
				return session.Entry{}, err
			}
			pause()
			return session.Entry{}, recreate(s, to, next)
		}}
	}},
	{"rename creates, then removes", "rename/atomic", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if err := recreate(s, to, next); err != nil {
				return session.Entry{}, err
			}
			pause()
			return s.Take(ctx, old)
		}}
	}},
	{"rename leaves behind in a second step", "rename/atomic-with-left", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, nil)
			if err == nil && left != nil {
				pause()
				err = recreate(s, old, *left)
			}
			return current, err
		}}
	}},
	{"rename replaces first, then creates", "rename/atomic-with-left", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if current, err := s.Swap(ctx, old, version, *left); err != nil {
				return current, err
			}
			pause()
			return session.Entry{}, recreate(s, to, next)
		}}
	}},
	{"rename reads, then writes", "rename/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			switch e := one(s, old); {
			case e.Version == 0:
				return session.Entry{}, session.ErrGone
			case e.Version != version:
				return e, session.ErrConflict
			}
			pause()
			_, _ = s.Take(ctx, old)
			if left != nil {
				overwrite(s, old, *left)
			}
			return session.Entry{}, recreate(s, to, next)
		}}
	}},
	{"rename does not mind a take in between", "rename/or-take-never-both", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if one(s, old).Version == 0 {
				return session.Entry{}, session.ErrGone
			}
			pause()
			_, _ = s.Take(ctx, old)
			return session.Entry{}, recreate(s, to, next)
		}}
	}},
	{"take only reads", "take/removes-and-returns", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(_ context.Context, k session.StoreKey) (session.Entry, error) {
			e := one(s, k)
			if e.Version == 0 {
				return e, session.ErrGone
			}
			return e, nil
		}}
	}},
	{"take returns nothing", "take/removes-and-returns", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			_, err := s.Take(ctx, k)
			return session.Entry{}, err
		}}
	}},
	{"take of nothing succeeds", "take/gone", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			e, _ := s.Take(ctx, k)
			return e, nil
		}}
	}},
	{"take reads, then removes", "take/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			e := one(s, k)
			if e.Version == 0 {
				return e, session.ErrGone
			}
			pause()
			_, _ = s.Take(ctx, k)
			return e, nil
		}}
	}},
	{"nothing ever expires", "expiry/load", func(now func() time.Time) session.Store {
		start := now()
		return &broken{Store: newReference(func() time.Time { return start })}
	}},
	{"entries end a second late", "expiry/load", func(now func() time.Time) session.Store {
		return &broken{Store: newReference(func() time.Time { return now().Add(-time.Second) })}
	}},
	{"entries end a second early", "expiry/load", func(now func() time.Time) session.Store {
		return &broken{Store: newReference(func() time.Time { return now().Add(time.Second) })}
	}},
	{"load extends", "expiry/load-extends-nothing", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			err := s.Load(ctx, keys, out)
			for i, e := range out {
				if e.Version != 0 {
					e.Expires = now().Add(life)
					_, _ = s.Swap(ctx, keys[i], e.Version, e)
				}
			}
			return err
		}}
	}},
	{"swap sees the expired", "expiry/swap", blind("swap")},
	{"rename sees the expired", "expiry/rename", blind("rename")},
	{"take sees the expired", "expiry/take", blind("take")},
	{"create sees the expired", "expiry/create-over-expired", blind("create")},
	{"rename's target sees the expired", "expiry/rename-onto-expired", func(now func() time.Time) session.Store {
		s := newReference(now)
		created := make(map[session.StoreKey]bool)
		return &broken{
			Store: s,
			create: func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
				created[k] = true
				return s.Create(ctx, k, e, a)
			},
			rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
				if created[to] {
					return session.Entry{}, session.ErrExists
				}
				return s.Rename(ctx, old, version, to, next, left)
			},
		}
	}},
	{"an expired entry can be revived", "dead/stays-dead-after-expiry", blind("swap")},
	{"values end at NUL", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, onValue(func(v string) string {
			v, _, _ = strings.Cut(v, "\x00")
			return v
		}))
	}},
	{"values become UTF-8", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, onValue(func(v string) string { return strings.ToValidUTF8(v, "\uFFFD") }))
	}},
	{"values lose blanks at the end", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, onValue(func(v string) string { return strings.TrimRight(v, " ") }))
	}},
	{"values are cut at 64 KiB", "values/large", func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, onValue(func(v string) string { return v[:min(len(v), 1<<16)] }))
	}},
	{"versions are floating point", "values/versions-are-64-bit", func(now func() time.Time) session.Store {
		return mapped(newReference(now), nil, func(e session.Entry) session.Entry {
			if e.Version < 1<<63 {
				e.Version = uint64(float64(e.Version))
			}
			return e
		})
	}},
	{"the tag is no part of the key", "keys/all-bytes-count", func(now func() time.Time) session.Store {
		return mapped(newReference(now), func(k session.StoreKey) session.StoreKey {
			k.Tag = [4]byte{}
			return k
		}, nil)
	}},
	{"the key is cut", "keys/all-bytes-count", func(now func() time.Time) session.Store {
		return mapped(newReference(now), func(k session.StoreKey) session.StoreKey {
			k.Hash[31] = 0
			return k
		}, nil)
	}},
	{"the tag is the key", "keys/sharing-a-tag", func(now func() time.Time) session.Store {
		return mapped(newReference(now), func(k session.StoreKey) session.StoreKey {
			k.Hash = [32]byte{}
			return k
		}, nil)
	}},
	{"a call with a cancelled context hangs", "context/cancelled", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			if ctx.Err() != nil {
				select {}
			}
			return s.Take(ctx, k)
		}}
	}},
	{"out of time is called gone", "context/cancelled", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			if ctx.Err() != nil {
				return session.Entry{}, session.ErrGone
			}
			return s.Take(ctx, k)
		}}
	}},
	{"out of time is called absent", "context/cancelled", func(now func() time.Time) session.Store {
		s := newReference(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			if ctx.Err() != nil {
				clear(out)
				return nil
			}
			return s.Load(ctx, keys, out)
		}}
	}},
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// verdict is a tb that keeps what a case says instead of failing.
type verdict struct {
	ctx     context.Context
	failure string
	skipped bool
}

func (v *verdict) Helper()                  {}
func (v *verdict) Context() context.Context { return v.ctx }

func (v *verdict) Fatalf(format string, args ...any) {
	v.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Skipf(string, ...any) {
	v.skipped = true
	runtime.Goexit()
}

// judge runs one case in a goroutine that the case may end.
func judge(t *testing.T, c sessionCase, maker func(now func() time.Time) session.Store) *verdict {
	v := &verdict{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		clock := newClock()
		c.run(&sessions{t: v, store: maker(clock.now), clock: clock})
	}()
	<-done
	return v
}

func newMemstore(now func() time.Time) *memstore.Store {
	s, err := memstore.New(memstore.Config{Now: now})
	if err != nil {
		panic(err) // the configuration is constant and right
	}
	return s
}

// broken is a right store with some operations replaced.
type broken struct {
	session.Store
	load   func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error
	create func(ctx context.Context, k session.StoreKey, e session.Entry) error
	swap   func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error)
	rename func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error)
	take   func(ctx context.Context, k session.StoreKey) (session.Entry, error)
}

func (b *broken) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if b.load != nil {
		return b.load(ctx, keys, out)
	}
	return b.Store.Load(ctx, keys, out)
}

func (b *broken) Create(ctx context.Context, k session.StoreKey, e session.Entry) error {
	if b.create != nil {
		return b.create(ctx, k, e)
	}
	return b.Store.Create(ctx, k, e)
}

func (b *broken) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if b.swap != nil {
		return b.swap(ctx, k, version, next)
	}
	return b.Store.Swap(ctx, k, version, next)
}

func (b *broken) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	if b.rename != nil {
		return b.rename(ctx, old, version, to, next, left)
	}
	return b.Store.Rename(ctx, old, version, to, next, left)
}

func (b *broken) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	if b.take != nil {
		return b.take(ctx, k)
	}
	return b.Store.Take(ctx, k)
}

// one reads a single key.
func one(s session.Store, k session.StoreKey) session.Entry {
	var out [1]session.Entry
	_ = s.Load(context.Background(), []session.StoreKey{k}, out[:])
	return out[0]
}

// pause lets other goroutines run in the middle of what should be one step.
func pause() {
	for range 300 {
		runtime.Gosched()
	}
}

// overwrite puts e under k whatever is there.
func overwrite(s session.Store, k session.StoreKey, e session.Entry) {
	_, _ = s.Take(context.Background(), k)
	_ = s.Create(context.Background(), k, e)
}

// mapped is a store that goes through a lossy encoding.
func mapped(s session.Store, onKey func(session.StoreKey) session.StoreKey, onEntry func(session.Entry) session.Entry) *broken {
	if onKey == nil {
		onKey = func(k session.StoreKey) session.StoreKey { return k }
	}
	if onEntry == nil {
		onEntry = func(e session.Entry) session.Entry { return e }
	}
	return &broken{
		Store: s,
		load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			ks := make([]session.StoreKey, len(keys))
			for i, k := range keys {
				ks[i] = onKey(k)
			}
			return s.Load(ctx, ks, out)
		},
		create: func(ctx context.Context, k session.StoreKey, e session.Entry) error {
			return s.Create(ctx, onKey(k), onEntry(e))
		},
		swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			version = onEntry(session.Entry{Version: version}).Version
			return s.Swap(ctx, onKey(k), version, onEntry(next))
		},
		rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			version = onEntry(session.Entry{Version: version}).Version
			if left != nil {
				l := onEntry(*left)
				left = &l
			}
			return s.Rename(ctx, onKey(old), version, onKey(to), onEntry(next), left)
		},
		take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) { return s.Take(ctx, onKey(k)) },
	}
}

func onValue(f func(string) string) func(session.Entry) session.Entry {
	return func(e session.Entry) session.Entry {
		e.Value = f(e.Value)
		return e
	}
}

// reporting replaces what a right store reports.
type reporting struct {
	*memstore.Store
	report func(s *memstore.Store, f reportFunc)
}

type reportFunc = func(session.StoreKey, session.Entry, bool)

func (r *reporting) Report(f func(session.StoreKey, session.Entry, bool)) { r.report(r.Store, f) }

// locked holds one lock for every call, reports included.
type locked struct {
	*memstore.Store
	mu sync.Mutex
}

func (l *locked) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Store.Load(ctx, keys, out)
}

func (l *locked) Create(ctx context.Context, k session.StoreKey, e session.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Store.Create(ctx, k, e)
}

func (l *locked) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Store.Swap(ctx, k, version, next)
}

func (l *locked) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Store.Rename(ctx, old, version, to, next, left)
}

func (l *locked) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Store.Take(ctx, k)
}

// Each of these stores breaks one clause, and the case that is named must see it.
var brokenStores = []struct {
	desc string
	by   string
	make func(now func() time.Time) session.Store
}{
	{"create overwrites", "create/exists", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, create: func(_ context.Context, k session.StoreKey, e session.Entry) error {
			overwrite(s, k, e)
			return nil
		}}
	}},
	{"create keeps the first and says nothing", "create/exists", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, create: func(ctx context.Context, k session.StoreKey, e session.Entry) error {
			_ = s.Create(ctx, k, e)
			return nil
		}}
	}},
	{"create looks, then writes", "create/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, create: func(_ context.Context, k session.StoreKey, e session.Entry) error {
			if one(s, k).Version != 0 {
				return session.ErrExists
			}
			pause()
			overwrite(s, k, e)
			return nil
		}}
	}},
	{"load leaves the place of an absent key as it was", "load/absent-is-zero", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
		s := newMemstore(now)
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
		s := newMemstore(now)
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
		s := newMemstore(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			if len(keys) == 0 {
				return errors.New("wrong number of arguments")
			}
			return s.Load(ctx, keys, out)
		}}
	}},
	{"swap creates", "swap/gone", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if errors.Is(err, session.ErrGone) {
				err = s.Create(ctx, k, next)
			}
			return current, err
		}}
	}},
	{"swap with version 0 creates", "swap/gone", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if version == 0 && errors.Is(err, session.ErrGone) {
				err = s.Create(ctx, k, next)
			}
			return current, err
		}}
	}},
	{"swap brings back what was taken", "dead/stays-dead-after-take", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			current, err := s.Swap(ctx, k, version, next)
			if errors.Is(err, session.ErrGone) {
				err = s.Create(ctx, k, next)
			}
			return current, err
		}}
	}},
	{"swap ignores the version", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, _ uint64, next session.Entry) (session.Entry, error) {
			return s.Swap(ctx, k, one(s, k).Version, next)
		}}
	}},
	{"swap accepts any older version", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if have := one(s, k).Version; version < have {
				version = have
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap's conflict comes without the entry", "swap/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			_, err := s.Swap(ctx, k, version, next)
			return session.Entry{}, err
		}}
	}},
	{"swap compares, then writes", "swap/one-winner-per-version", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if e := one(s, k); e.Version == version {
				pause()
				if one(s, k).Version == 0 {
					return session.Entry{}, s.Create(ctx, k, next)
				}
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap keeps the first end", "expiry/swap-sets-the-end", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			next.Expires = one(s, k).Expires
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"swap never shortens", "expiry/swap-sets-the-end", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if old := one(s, k).Expires; old.After(next.Expires) {
				next.Expires = old
			}
			return s.Swap(ctx, k, version, next)
		}}
	}},
	{"rename keeps the old entry", "rename/moves", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if left == nil {
				e := one(s, old)
				left = &e
			}
			return s.Rename(ctx, old, version, to, next, left)
		}}
	}},
	{"rename moves the old value", "rename/moves", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, _ session.Entry, left *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, version, to, one(s, old), left)
		}}
	}},
	{"rename leaves nothing behind", "rename/leaves-behind", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, version, to, next, nil)
		}}
	}},
	{"rename gives both entries one end", "expiry/rename-sets-both-ends", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if left != nil {
				left.Expires = next.Expires
			}
			return s.Rename(ctx, old, version, to, next, left)
		}}
	}},
	{"rename keeps the caller's pointer", "rename/keeps-no-pointer", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if errors.Is(err, session.ErrGone) {
				err = s.Create(ctx, to, next)
			}
			return current, err
		}}
	}},
	{"rename says gone and leaves the snapshot all the same", "rename/gone", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if left != nil && errors.Is(err, session.ErrGone) {
				overwrite(s, old, *left)
			}
			return current, err
		}}
	}},
	{"rename overwrites", "rename/exists", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, left)
			if errors.Is(err, session.ErrExists) {
				_, _ = s.Take(ctx, old)
			}
			return current, err
		}}
	}},
	{"rename ignores the version", "rename/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			return s.Rename(ctx, old, one(s, old).Version, to, next, left)
		}}
	}},
	{"rename's conflict comes without the entry", "rename/conflict-returns-current", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			_, err := s.Rename(ctx, old, version, to, next, left)
			return session.Entry{}, err
		}}
	}},
	{"rename removes, then creates", "rename/atomic", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if _, err := s.Take(ctx, old); err != nil {
				return session.Entry{}, err
			}
			pause()
			return session.Entry{}, s.Create(ctx, to, next)
		}}
	}},
	{"rename creates, then removes", "rename/atomic", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if err := s.Create(ctx, to, next); err != nil {
				return session.Entry{}, err
			}
			pause()
			return s.Take(ctx, old)
		}}
	}},
	{"rename leaves behind in a second step", "rename/atomic-with-left", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			current, err := s.Rename(ctx, old, version, to, next, nil)
			if err == nil && left != nil {
				pause()
				err = s.Create(ctx, old, *left)
			}
			return current, err
		}}
	}},
	{"rename replaces first, then creates", "rename/atomic-with-left", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if current, err := s.Swap(ctx, old, version, *left); err != nil {
				return current, err
			}
			pause()
			return session.Entry{}, s.Create(ctx, to, next)
		}}
	}},
	{"rename reads, then writes", "rename/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
			return session.Entry{}, s.Create(ctx, to, next)
		}}
	}},
	{"rename does not mind a take in between", "rename/or-take-never-both", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, rename: func(ctx context.Context, old session.StoreKey, _ uint64, to session.StoreKey, next session.Entry, _ *session.Entry) (session.Entry, error) {
			if one(s, old).Version == 0 {
				return session.Entry{}, session.ErrGone
			}
			pause()
			_, _ = s.Take(ctx, old)
			return session.Entry{}, s.Create(ctx, to, next)
		}}
	}},
	{"take only reads", "take/removes-and-returns", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, take: func(_ context.Context, k session.StoreKey) (session.Entry, error) {
			e := one(s, k)
			if e.Version == 0 {
				return e, session.ErrGone
			}
			return e, nil
		}}
	}},
	{"take returns nothing", "take/removes-and-returns", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			_, err := s.Take(ctx, k)
			return session.Entry{}, err
		}}
	}},
	{"take of nothing succeeds", "take/gone", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			e, _ := s.Take(ctx, k)
			return e, nil
		}}
	}},
	{"take reads, then removes", "take/exactly-one-of-many", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
		return &broken{Store: newMemstore(func() time.Time { return start })}
	}},
	{"entries end a second late", "expiry/load", func(now func() time.Time) session.Store {
		return &broken{Store: newMemstore(func() time.Time { return now().Add(-time.Second) })}
	}},
	{"entries end a second early", "expiry/load", func(now func() time.Time) session.Store {
		return &broken{Store: newMemstore(func() time.Time { return now().Add(time.Second) })}
	}},
	{"load extends", "expiry/load-extends-nothing", func(now func() time.Time) session.Store {
		s := newMemstore(now)
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
	{"swap sees the expired", "expiry/swap", sees(func(b *broken, late session.Store) { b.swap = late.Swap })},
	{"rename sees the expired", "expiry/rename", sees(func(b *broken, late session.Store) { b.rename = late.Rename })},
	{"take sees the expired", "expiry/take", sees(func(b *broken, late session.Store) { b.take = late.Take })},
	{"create sees the expired", "expiry/create-over-expired", sees(func(b *broken, late session.Store) { b.create = late.Create })},
	{"rename's target sees the expired", "expiry/rename-onto-expired", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		created := make(map[session.StoreKey]bool)
		return &broken{
			Store: s,
			create: func(ctx context.Context, k session.StoreKey, e session.Entry) error {
				created[k] = true
				return s.Create(ctx, k, e)
			},
			rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
				if created[to] {
					return session.Entry{}, session.ErrExists
				}
				return s.Rename(ctx, old, version, to, next, left)
			},
		}
	}},
	{"an expired entry can be revived", "dead/stays-dead-after-expiry", sees(func(b *broken, late session.Store) { b.swap = late.Swap })},
	{"values end at NUL", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, onValue(func(v string) string {
			v, _, _ = strings.Cut(v, "\x00")
			return v
		}))
	}},
	{"values become UTF-8", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, onValue(func(v string) string { return strings.ToValidUTF8(v, "\uFFFD") }))
	}},
	{"values lose blanks at the end", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, onValue(func(v string) string { return strings.TrimRight(v, " ") }))
	}},
	{"subjects are cut", "values/byte-exact", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, func(e session.Entry) session.Entry {
			e.Subject = e.Subject[:min(len(e.Subject), 64)]
			return e
		})
	}},
	{"values are cut at 64 KiB", "values/large", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, onValue(func(v string) string { return v[:min(len(v), 1<<16)] }))
	}},
	{"versions are floating point", "values/versions-are-64-bit", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), nil, func(e session.Entry) session.Entry {
			if e.Version < 1<<63 {
				e.Version = uint64(float64(e.Version))
			}
			return e
		})
	}},
	{"the tag is no part of the key", "keys/all-bytes-count", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), func(k session.StoreKey) session.StoreKey {
			k.Tag = [4]byte{}
			return k
		}, nil)
	}},
	{"the key is cut", "keys/all-bytes-count", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), func(k session.StoreKey) session.StoreKey {
			k.Hash[31] = 0
			return k
		}, nil)
	}},
	{"the tag is the key", "keys/sharing-a-tag", func(now func() time.Time) session.Store {
		return mapped(newMemstore(now), func(k session.StoreKey) session.StoreKey {
			k.Hash = [32]byte{}
			return k
		}, nil)
	}},
	{"a call with a cancelled context hangs", "context/cancelled", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			if ctx.Err() != nil {
				select {}
			}
			return s.Take(ctx, k)
		}}
	}},
	{"out of time is called gone", "context/cancelled", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			if ctx.Err() != nil {
				return session.Entry{}, session.ErrGone
			}
			return s.Take(ctx, k)
		}}
	}},
	{"out of time is called absent", "context/cancelled", func(now func() time.Time) session.Store {
		s := newMemstore(now)
		return &broken{Store: s, load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			if ctx.Err() != nil {
				clear(out)
				return nil
			}
			return s.Load(ctx, keys, out)
		}}
	}},
	{"ends are reported twice", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) {
			s.Report(f)
			s.Report(f)
		}}
	}},
	{"ends are not reported", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newMemstore(now), func(*memstore.Store, reportFunc) {}}
	}},
	{"expired is called evicted", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) {
			s.Report(func(k session.StoreKey, e session.Entry, _ bool) { f(k, e, true) })
		}}
	}},
	{"ends are reported without the entry", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) {
			s.Report(func(k session.StoreKey, _ session.Entry, evicted bool) { f(k, session.Entry{}, evicted) })
		}}
	}},
	{"only the last function is told", "report/every-function", func(now func() time.Time) session.Store {
		var last atomic.Pointer[reportFunc]
		return &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) {
			if last.Swap(&f) == nil {
				s.Report(func(k session.StoreKey, e session.Entry, evicted bool) { (*last.Load())(k, e, evicted) })
			}
		}}
	}},
	{"what the caller took is reported", "report/not-what-the-caller-ended", func(now func() time.Time) session.Store {
		var told atomic.Pointer[reportFunc]
		r := &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) {
			told.Store(&f)
			s.Report(f)
		}}
		return &tattler{r, &told}
	}},
	{"a lock is held while reporting", "report/no-lock-held", func(now func() time.Time) session.Store {
		return &locked{Store: newMemstore(now)}
	}},
	{"who meets an expired entry reports it", "report/once-under-parallel-calls", func(now func() time.Time) session.Store {
		var told atomic.Pointer[reportFunc]
		r := &reporting{newMemstore(now), func(_ *memstore.Store, f reportFunc) { told.Store(&f) }}
		return &eager{r, now, &told, sync.Map{}}
	}},
}

// sees makes a store of which some operations take an expired entry for a live
// one.
func sees(replace func(b *broken, late session.Store)) func(func() time.Time) session.Store {
	return func(now func() time.Time) session.Store {
		// By this store's clock nothing ever ends; the wrapper hides what has.
		inner := newMemstore(func() time.Time { return time.Time{} })
		b := &broken{Store: inner}
		live := func(k session.StoreKey) bool {
			e := one(inner, k)
			return e.Version != 0 && now().Before(e.Expires)
		}
		b.load = func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			err := inner.Load(ctx, keys, out)
			for i, k := range keys {
				if !live(k) {
					out[i] = session.Entry{}
				}
			}
			return err
		}
		b.create = func(ctx context.Context, k session.StoreKey, e session.Entry) error {
			if !live(k) {
				_, _ = inner.Take(ctx, k)
			}
			return inner.Create(ctx, k, e)
		}
		b.swap = func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			if !live(k) {
				return session.Entry{}, session.ErrGone
			}
			return inner.Swap(ctx, k, version, next)
		}
		b.rename = func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			if !live(old) {
				return session.Entry{}, session.ErrGone
			}
			if !live(to) {
				_, _ = inner.Take(ctx, to)
			}
			return inner.Rename(ctx, old, version, to, next, left)
		}
		b.take = func(ctx context.Context, k session.StoreKey) (session.Entry, error) {
			if !live(k) {
				return session.Entry{}, session.ErrGone
			}
			return inner.Take(ctx, k)
		}
		replace(b, inner)
		return b
	}
}

// tattler reports what was taken, too.
type tattler struct {
	*reporting
	told *atomic.Pointer[reportFunc]
}

func (s *tattler) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	e, err := s.reporting.Take(ctx, k)
	if f := s.told.Load(); err == nil && f != nil {
		(*f)(k, e, false)
	}
	return e, err
}

// eager looks for an expired entry before each Load and reports it, without
// asking whether somebody else has just done so.
type eager struct {
	*reporting
	now  func() time.Time
	told *atomic.Pointer[reportFunc]
	ends sync.Map
}

func (s *eager) Create(ctx context.Context, k session.StoreKey, e session.Entry) error {
	s.ends.Store(k, e)
	return s.reporting.Create(ctx, k, e)
}

func (s *eager) meet(k session.StoreKey) {
	v, ok := s.ends.Load(k)
	if !ok {
		return
	}
	if e := v.(session.Entry); !s.now().Before(e.Expires) {
		pause()
		s.ends.Delete(k)
		(*s.told.Load())(k, e, false)
	}
}

func (s *eager) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	for _, k := range keys {
		s.meet(k)
	}
	return s.reporting.Load(ctx, keys, out)
}

func (s *eager) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	s.meet(k)
	return s.reporting.Swap(ctx, k, version, next)
}

func (s *eager) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	s.meet(k)
	return s.reporting.Take(ctx, k)
}

func TestBrokenStoresAreCaught(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	for _, tc := range brokenStores {
		t.Run(tc.desc, func(t *testing.T) {
			i := slices.IndexFunc(sessionCases, func(c sessionCase) bool { return c.name == tc.by })
			if i < 0 {
				t.Fatalf("no such case: %s", tc.by)
			}
			v := judge(t, sessionCases[i], tc.make)
			if v.failure == "" {
				t.Fatalf("%s: got no failure, want one", tc.by)
			}
			t.Logf("%s: %s", tc.by, v.failure)
		})
	}
}

// A case that no broken store fails would prove nothing.
func TestEveryCaseCatchesSomething(t *testing.T) {
	for _, c := range sessionCases {
		if c.name == "create/loads-back" || c.name == "swap/replaces" {
			continue // whoever fails these fails half of the others
		}
		t.Run(c.name, func(t *testing.T) {
			for _, tc := range brokenStores {
				if tc.by == c.name {
					return
				}
			}
			t.Fatalf("no broken store is caught by this case, want at least one")
		})
	}
}

// The wrappers above break nothing by being wrappers.
func TestUnbrokenStorePasses(t *testing.T) {
	for desc, maker := range map[string]func(now func() time.Time) session.Store{
		"memstore": func(now func() time.Time) session.Store { return newMemstore(now) },
		"broken":   func(now func() time.Time) session.Store { return &broken{Store: newMemstore(now)} },
		"mapped":   func(now func() time.Time) session.Store { return mapped(newMemstore(now), nil, nil) },
		"sees":     sees(func(*broken, session.Store) {}),
		"reporting": func(now func() time.Time) session.Store {
			return &reporting{newMemstore(now), func(s *memstore.Store, f reportFunc) { s.Report(f) }}
		},
	} {
		t.Run(desc, func(t *testing.T) {
			for _, c := range sessionCases {
				v := judge(t, c, maker)
				if v.failure != "" {
					t.Errorf("%s: got %q, want no failure", c.name, v.failure)
				}
				if _, reports := maker(time.Now).(session.Reporter); v.skipped && (reports || !strings.HasPrefix(c.name, "report/")) {
					t.Errorf("%s: got skipped, want run", c.name)
				}
			}
		})
	}
}

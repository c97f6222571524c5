package memstore

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// class is whose budget an item counts against.
type class int

const (
	anonymous class = iota
	authenticated
	classes
)

type item struct {
	key        session.StoreKey
	entry      session.Entry
	prev, next *item
}

func (it *item) class() class {
	if it.entry.Subject == "" {
		return anonymous
	}
	return authenticated
}

func (it *item) size() int64 { return overhead + int64(len(it.entry.Subject)+len(it.entry.Value)) }

func (it *item) expired(now time.Time) bool { return !now.Before(it.entry.Expires) }

// shard is one lock's worth of items. In each list the item used longest ago is
// at the back, and because all sessions of a class have one idle timeout that is
// also, to within the touch interval, the one that expires first.
type shard struct {
	mu      sync.Mutex
	items   map[session.StoreKey]*item
	lists   [classes]list
	expired uint64
	evicted uint64
}

func (sh *shard) init() {
	sh.items = make(map[session.StoreKey]*item)
	for i := range sh.lists {
		sh.lists[i].init()
	}
}

// dropped is an item that the store ended, to be reported once no lock is held.
type dropped struct {
	key     session.StoreKey
	entry   session.Entry
	evicted bool
}

// live returns the item under key, after dropping it if it has expired.
func (sh *shard) live(key session.StoreKey, now time.Time) (*item, []dropped) {
	it := sh.items[key]
	if it == nil || !it.expired(now) {
		return it, nil
	}
	return nil, []dropped{sh.drop(it, false)}
}

func (sh *shard) drop(it *item, evicted bool) dropped {
	sh.remove(it)
	if evicted {
		sh.evicted++
	} else {
		sh.expired++
	}
	return dropped{it.key, it.entry, evicted}
}

func (sh *shard) remove(it *item) {
	sh.lists[it.class()].remove(it)
	delete(sh.items, it.key)
}

func (sh *shard) put(key session.StoreKey, e session.Entry) {
	it := sh.items[key]
	if it == nil {
		it = &item{key: key}
		sh.items[key] = it
	} else {
		sh.lists[it.class()].remove(it)
	}
	it.entry = e
	sh.lists[it.class()].add(it)
}

// sweepPerWrite is how many expired items of a class one write clears away: more
// than the one it may add, so that the expired never pile up.
const sweepPerWrite = 2

// tidy drops what has expired at the back of each list, then what is over budget.
func (sh *shard) tidy(budgets [classes]int64, now time.Time) (gone []dropped) {
	for c := range sh.lists {
		l := &sh.lists[c]
		for range sweepPerWrite {
			if last := l.back(); last != nil && last.expired(now) {
				gone = append(gone, sh.drop(last, false))
			}
		}
		for l.bytes > budgets[c] && l.count > 1 {
			last := l.back()
			gone = append(gone, sh.drop(last, !last.expired(now)))
		}
	}
	return gone
}

// list is a ring of items through a sentinel, most recently used first.
type list struct {
	root  item
	count int
	bytes int64
}

func (l *list) init() { l.root.prev, l.root.next = &l.root, &l.root }

func (l *list) add(it *item) {
	it.prev, it.next = &l.root, l.root.next
	it.prev.next, it.next.prev = it, it
	l.count++
	l.bytes += it.size()
}

func (l *list) remove(it *item) {
	it.prev.next, it.next.prev = it.next, it.prev
	it.prev, it.next = nil, nil
	l.count--
	l.bytes -= it.size()
}

func (l *list) toFront(it *item) {
	if l.root.next != it {
		l.remove(it)
		l.add(it)
	}
}

func (l *list) back() *item {
	if l.count == 0 {
		return nil
	}
	return l.root.prev
}

// reporters are the functions that were registered, readable without a lock.
type reporters struct {
	mu   sync.Mutex
	list atomic.Pointer[[]func(session.StoreKey, session.Entry, bool)]
}

func (r *reporters) add(f func(session.StoreKey, session.Entry, bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var next []func(session.StoreKey, session.Entry, bool)
	if old := r.list.Load(); old != nil {
		next = append(next, *old...)
	}
	next = append(next, f)
	r.list.Store(&next)
}

func (r *reporters) send(gone []dropped) {
	if len(gone) == 0 {
		return
	}
	fs := r.list.Load()
	if fs == nil {
		return
	}
	for _, d := range gone {
		for _, f := range *fs {
			f(d.key, d.entry, d.evicted)
		}
	}
}

package memstore

import (
	"sync"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core/session"
)

type reportFunc = func(session.StoreKey, session.Entry, session.Ending)

// ended is a session that the store ended, to be reported once no lock is held.
type ended struct {
	session.Keyed
	why session.Ending
}

// reporters are the functions that were registered, readable without a lock.
type reporters struct {
	mu   sync.Mutex
	list atomic.Pointer[[]reportFunc]
}

func (r *reporters) add(f reportFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var next []reportFunc
	if old := r.list.Load(); old != nil {
		next = append(next, *old...)
	}
	next = append(next, f)
	r.list.Store(&next)
}

func (r *reporters) send(gone []ended) {
	if len(gone) == 0 {
		return
	}
	fs := r.list.Load()
	if fs == nil {
		return
	}
	for _, g := range gone {
		for _, f := range *fs {
			f(g.Key, g.Entry, g.why)
		}
	}
}

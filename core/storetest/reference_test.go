package storetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// reference is the contract written down as plainly as it can be: one lock, maps,
// and all that is no longer alive cleared away before each operation. It is what
// the broken stores break.
type reference struct {
	now     func() time.Time
	mu      sync.Mutex
	entries map[session.StoreKey]session.Entry
	owners  map[revocation.Owner]*past
	ended   []end
	reports []reportFunc
	fams    map[refresh.Key]refresh.Family

	// What only a broken store sets.
	blind string                         // an operation that clears nothing away
	alive func(session.Entry, past) bool // instead of what the contract says of a life
	stamp func(given, own uint64) uint64 // instead of the store's own epoch
	limit func([]session.Keyed, session.Admission) ([]session.Keyed, error)
	lazy  bool // what is revoked is cleared away when the next operation begins
	kin   kin  // of families
}

// past is what was revoked of one owner.
type past struct {
	epoch  uint64
	until  time.Time
	denied map[revocation.Handle]time.Time
	voids  map[generation]void
}

// generation is one of a family of the owner's, void what is remembered of it.
type generation struct {
	family revocation.Handle
	number uint64
}

type void struct {
	floor uint64
	until time.Time
}

// found answers a without looking at the clock: what has run out is cleared away.
func (p *past) found(a revocation.Asked) revocation.Found {
	is := func(h revocation.Handle) bool {
		_, denied := p.denied[h]
		return denied && h != revocation.Handle{}
	}
	return revocation.Found{
		Epoch: p.epoch, Denied: is(a.Session) || is(a.Token), Floor: p.voids[generation{a.Session, a.Generation}].floor,
	}
}

func (p *past) full() bool { return len(p.denied)+len(p.voids) >= revocation.MaxDenied }

// forget is what a raised epoch does.
func (p *past) forget() {
	clear(p.denied)
	clear(p.voids)
}

type end struct {
	session.Keyed
	why session.Ending
}

type reportFunc = func(session.StoreKey, session.Entry, session.Ending)

func newReference(now func() time.Time) *reference {
	return &reference{
		now: now, entries: make(map[session.StoreKey]session.Entry), owners: make(map[revocation.Owner]*past),
		fams: make(map[refresh.Key]refresh.Family), kin: newKin(),
		alive: func(e session.Entry, p past) bool {
			_, denied := p.denied[e.Handle]
			return e.Epoch >= p.epoch && !denied
		},
		stamp: func(_, own uint64) uint64 { return own },
		limit: whoGoes,
	}
}

func (r *reference) Report(f func(session.StoreKey, session.Entry, session.Ending)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, f)
}

// step runs one operation under the lock and reports without it.
func (r *reference) step(op string, f func(now time.Time)) {
	r.mu.Lock()
	now := r.now()
	if op != r.blind {
		r.clearAway(now)
	}
	f(now)
	if !r.lazy {
		r.clearAway(now)
	}
	ended, reports := r.ended, slices.Clone(r.reports)
	r.ended = nil
	r.mu.Unlock()
	for _, e := range ended {
		for _, report := range reports {
			report(e.Key, e.Entry, e.why)
		}
	}
}

func (r *reference) clearAway(now time.Time) {
	for _, p := range r.owners {
		if !now.Before(p.until) {
			p.epoch, p.until = 0, time.Time{}
		}
		for h, until := range p.denied {
			if !now.Before(until) {
				delete(p.denied, h)
			}
		}
		for g, v := range p.voids {
			if !now.Before(v.until) {
				delete(p.voids, g)
			}
		}
	}
	r.clearFamilies(now)
	for k, e := range r.entries {
		why := session.Expired
		if now.Before(e.Expires) {
			why = session.Revoked
			if e.Owner == (revocation.Owner{}) || r.alive(e, *r.past(e.Owner)) {
				continue
			}
		}
		delete(r.entries, k)
		r.ended = append(r.ended, end{session.Keyed{Key: k, Entry: e}, why})
	}
}

func (r *reference) past(owner revocation.Owner) *past {
	p := r.owners[owner]
	if p == nil {
		p = &past{denied: make(map[revocation.Handle]time.Time), voids: make(map[generation]void)}
		r.owners[owner] = p
	}
	return p
}

// put stores e with an epoch that only the store knows.
func (r *reference) put(k session.StoreKey, e session.Entry, epoch uint64) {
	e.Epoch, e.Behind = r.stamp(e.Epoch, epoch), false
	r.entries[k] = e
}

func (r *reference) Load(_ context.Context, keys []session.StoreKey, out []session.Entry) error {
	r.step("load", func(time.Time) {
		for i, k := range keys {
			out[i] = r.entries[k]
			out[i].Behind = out[i].Owner != (revocation.Owner{}) && out[i].Epoch > r.past(out[i].Owner).epoch
		}
	})
	return nil
}

func (r *reference) Create(_ context.Context, k session.StoreKey, e session.Entry, a session.Admission) (epoch uint64, evicted []session.Keyed, err error) {
	r.step("create", func(time.Time) {
		if _, ok := r.entries[k]; ok {
			err = session.ErrExists
			return
		}
		if e.Listed {
			if evicted, err = r.limit(r.list(e.Owner), a); err != nil {
				return
			}
			r.remove(evicted)
		}
		if e.Owner != (revocation.Owner{}) {
			p := r.past(e.Owner)
			if epoch = p.epoch; epoch > 0 {
				p.until = latest(p.until, a.Until)
			}
		}
		r.put(k, e, epoch)
	})
	return epoch, evicted, err
}

// whoGoes says who of all, oldest first, makes room for one more.
func whoGoes(all []session.Keyed, a session.Admission) ([]session.Keyed, error) {
	unpresented, presented := split(all, func(k session.Keyed) bool { return !k.Entry.Presented })
	if a.Refuse && len(presented) >= a.Max {
		return nil, session.ErrLimit
	}
	return append(unpresented, presented...)[:max(0, len(all)+1-a.Max)], nil
}

func split(all []session.Keyed, first func(session.Keyed) bool) (is, isNot []session.Keyed) {
	for _, k := range all {
		if first(k) {
			is = append(is, k)
		} else {
			isNot = append(isNot, k)
		}
	}
	return is, isNot
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// list returns the listed entries of the owner, oldest first.
func (r *reference) list(owner revocation.Owner) (all []session.Keyed) {
	for k, e := range r.entries {
		if e.Listed && e.Owner == owner {
			all = append(all, session.Keyed{Key: k, Entry: e})
		}
	}
	return oldestFirst(all)
}

func (r *reference) remove(all []session.Keyed) {
	for _, k := range all {
		delete(r.entries, k.Key)
	}
}

// find returns the entry under k, and why an operation that names this version
// fails.
func (r *reference) find(k session.StoreKey, version uint64) (found, conflict session.Entry, err error) {
	e, ok := r.entries[k]
	switch {
	case !ok:
		return e, e, session.ErrGone
	case e.Version != version:
		return e, e, session.ErrConflict
	}
	return e, session.Entry{}, nil
}

func (r *reference) Swap(_ context.Context, k session.StoreKey, version uint64, next session.Entry) (current session.Entry, err error) {
	r.step("swap", func(time.Time) {
		var e session.Entry
		if e, current, err = r.find(k, version); err == nil {
			r.put(k, next, e.Epoch)
		}
	})
	return current, err
}

func (r *reference) Rename(_ context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (current session.Entry, err error) {
	r.step("rename", func(time.Time) {
		var e session.Entry
		if e, current, err = r.find(old, version); err != nil {
			return
		}
		if _, ok := r.entries[to]; ok {
			err = session.ErrExists
			return
		}
		delete(r.entries, old)
		if left != nil {
			r.put(old, *left, e.Epoch)
		}
		r.put(to, next, e.Epoch)
	})
	return current, err
}

func (r *reference) Take(_ context.Context, k session.StoreKey) (e session.Entry, err error) {
	r.step("take", func(time.Time) {
		var ok bool
		if e, ok = r.entries[k]; !ok {
			err = session.ErrGone
		}
		delete(r.entries, k)
	})
	return e, err
}

func (r *reference) List(_ context.Context, owner revocation.Owner) (all []session.Keyed, err error) {
	r.step("list", func(time.Time) { all = r.list(owner) })
	return all, nil
}

func (r *reference) EndOne(_ context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (one session.Keyed, err error) {
	r.step("end-one", func(time.Time) {
		match, _ := split(r.list(owner), func(k session.Keyed) bool { return k.Entry.Handle == h })
		if len(match) == 0 {
			err = session.ErrGone
		} else if err = r.deny(owner, h, until); err == nil {
			one = match[0]
			r.remove(match)
		}
	})
	return one, err
}

func (r *reference) EndOthers(_ context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (epoch uint64, ended []session.Keyed, err error) {
	r.step("end-others", func(now time.Time) {
		kept, others := split(r.list(owner), func(k session.Keyed) bool { return k.Entry.Handle == keep })
		if len(kept) == 0 {
			err = session.ErrGone
			return
		}
		epoch, ended = r.raise(owner, now, until), others
		r.remove(others)
		r.put(kept[0].Key, kept[0].Entry, epoch)
	})
	return epoch, ended, err
}

func (r *reference) EndAll(_ context.Context, owner revocation.Owner, until time.Time) (ended []session.Keyed, err error) {
	r.step("end-all", func(now time.Time) {
		ended = r.list(owner)
		r.raise(owner, now, until)
		r.remove(ended)
	})
	return ended, nil
}

func (r *reference) raise(owner revocation.Owner, now, until time.Time) uint64 {
	p := r.past(owner)
	p.epoch, p.until = max(p.epoch+1, uint64(now.UnixMicro())), latest(p.until, until)
	p.forget()
	return p.epoch
}

func (r *reference) deny(owner revocation.Owner, h revocation.Handle, until time.Time) error {
	p := r.past(owner)
	if _, ok := p.denied[h]; !ok && p.full() {
		return revocation.ErrFull
	}
	p.denied[h] = latest(p.denied[h], until)
	return nil
}

func (r *reference) Revoked(_ context.Context, owner revocation.Owner, a revocation.Asked) (found revocation.Found, err error) {
	r.step("revoked", func(time.Time) { found = r.past(owner).found(a) })
	return found, nil
}

func (r *reference) RaiseEpoch(_ context.Context, owner revocation.Owner, until time.Time) (epoch uint64, err error) {
	r.step("raise", func(now time.Time) { epoch = r.raise(owner, now, until) })
	return epoch, nil
}

func (r *reference) RestoreEpoch(_ context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	r.step("restore", func(time.Time) {
		p := r.past(owner)
		p.epoch, p.until = max(p.epoch, epoch), latest(p.until, until)
	})
	return nil
}

func (r *reference) Deny(_ context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (err error) {
	r.step("deny", func(time.Time) { err = r.deny(owner, h, until) })
	return err
}

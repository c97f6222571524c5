package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core/session"
)

// reports collects what a Reporter says.
type reports struct {
	mu   sync.Mutex
	seen map[session.StoreKey][]session.Entry
	why  map[session.StoreKey]session.Ending
}

func (r *reports) add(k session.StoreKey, e session.Entry, why session.Ending) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[k] = append(r.seen[k], e)
	r.why[k] = why
}

func (s *sessions) reporter() session.Reporter {
	r, ok := s.store.(session.Reporter)
	if !ok {
		s.t.Skipf("the store is no session.Reporter")
	}
	return r
}

func (s *sessions) watch() *reports {
	r := &reports{seen: make(map[session.StoreKey][]session.Entry), why: make(map[session.StoreKey]session.Ending)}
	s.reporter().Report(r.add)
	return r
}

// once fails unless exactly the entries of want were reported, once each and with
// that reason.
func (s *sessions) once(r *reports, why session.Ending, want map[session.StoreKey]session.Entry) {
	s.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, e := range want {
		switch got := r.seen[k]; {
		case len(got) != 1:
			s.t.Fatalf("the end of %s was reported %d times, want once", show(e), len(got))
		case !same(got[0], e):
			s.t.Fatalf("reported: got %s, want %s", show(got[0]), show(e))
		case r.why[k] != why:
			s.t.Fatalf("the end of %s was reported with reason %d, want %d", show(e), r.why[k], why)
		}
	}
	for k, got := range r.seen {
		if _, ok := want[k]; !ok {
			s.t.Fatalf("reported but not ended by the store: %s", show(got[0]))
		}
	}
}

// meet calls every operation on keys of its own, and returns those keys.
func (s *sessions) meet() map[string]func() {
	return map[string]func(){
		"load":   func() { s.load(key("load")) },
		"create": func() { _ = s.put(key("create"), named("new", s.entry(1, "new"))) },
		"swap":   func() { _, _ = s.swap(key("swap"), 1, s.entry(2, "never")) },
		"rename": func() { _, _ = s.rename(key("rename"), 1, key("nowhere"), s.entry(2, "never"), nil) },
		"take":   func() { _, _ = s.take(key("take")) },
	}
}

// meetAll opens what meet will meet, each as a session of its own, and ends it.
func (s *sessions) meetAll(why session.Ending, end func(k session.Keyed)) {
	s.t.Helper()
	r := s.watch()
	want := make(map[session.StoreKey]session.Entry)
	for name := range s.meet() {
		k := s.open(session.Keyed{Key: key(name), Entry: named(name, s.entry(1, name))})
		want[k.Key] = k.Entry
	}
	for k, e := range want {
		end(session.Keyed{Key: k, Entry: e})
	}
	for range 2 { // whoever comes second finds nothing left to report
		for _, call := range s.meet() {
			call()
		}
	}
	s.once(r, why, want)
}

func reportExpired(s *sessions) {
	s.meetAll(session.Expired, func(k session.Keyed) {
		if now := s.clock.now(); now.Before(k.Entry.Expires) {
			s.clock.advance(k.Entry.Expires.Sub(now))
		}
	})
}

func reportRevoked(s *sessions) {
	s.meetAll(session.Revoked, func(session.Keyed) { s.raise(ann, s.until()) })
}

func reportDenied(s *sessions) {
	s.meetAll(session.Revoked, func(k session.Keyed) { s.deny(ann, k.Entry.Handle, s.until()) })
}

func reportEvery(s *sessions) {
	all := []*reports{s.watch(), s.watch(), s.watch()}
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.clock.advance(life)
	s.load(key("a"))
	for _, r := range all {
		s.once(r, session.Expired, map[session.StoreKey]session.Entry{key("a"): e})
	}
}

func reportNotTaken(s *sessions) {
	r := s.watch()
	all := s.several(4)
	next := all[3]
	next.Entry.Version = 2
	_, err := s.swap(next.Key, 1, next.Entry)
	s.succeeds("Swap", err)
	_, err = s.rename(next.Key, 2, key("to"), next.Entry, nil)
	s.succeeds("Rename", err)
	next.Key = key("to")
	_, err = s.take(all[2].Key)
	s.succeeds("Take", err)
	s.admits("Create at the limit", s.newest(), session.Admission{Max: 3}, all[0])
	_, err = s.endOne(ann, all[1].Entry.Handle)
	s.succeeds("EndOne", err)
	_, ended, err := s.endOthers(ann, s.newest().Entry.Handle)
	s.succeeds("EndOthers", err)
	s.are("what EndOthers returns", ended, next)
	_, err = s.endAll(ann)
	s.succeeds("EndAll", err)
	for _, k := range append(all, next, s.newest()) {
		s.holds("what the caller ended", k.Key, session.Entry{})
	}
	s.once(r, session.Expired, nil)
	// A snapshot goes with them but is not returned: it is the store's to report.
	snapshot := s.snapshot(s.open(s.one("a", 0)))
	_, err = s.endAll(ann)
	s.succeeds("EndAll", err)
	s.load(snapshot.Key)
	s.once(r, session.Revoked, map[session.StoreKey]session.Entry{snapshot.Key: snapshot.Entry})
}

func reportNoLock(s *sessions) {
	var calls atomic.Int32
	s.reporter().Report(func(k session.StoreKey, _ session.Entry, _ session.Ending) {
		calls.Add(1)
		s.peek(k)
		s.peek(key("neighbour"))
		_, _ = s.swap(key("neighbour"), 1, s.entry(2, "from the callback"))
		_, _ = s.take(key("neighbour"))
	})
	neighbour := named("neighbour", s.entry(1, "neighbour"))
	neighbour.Expires = neighbour.Expires.Add(life)
	s.create(key("neighbour"), neighbour)
	for name := range s.meet() {
		s.create(key(name), named(name, s.entry(1, name)))
	}
	s.clock.advance(life)
	for name, call := range s.meet() {
		within(s.t, "the store was called from a report, out of "+name+": it", call)
	}
	if calls.Load() == 0 {
		s.t.Fatalf("no end was reported, want one for each expired record")
	}
}

func reportParallel(s *sessions) {
	r := s.watch()
	const n, workers = 40, 6
	want := make(map[session.StoreKey]session.Entry)
	for i := range n {
		k := key(fmt.Sprint(i))
		want[k] = named(fmt.Sprint(i), s.entry(1, fmt.Sprint(i)))
		s.create(k, want[k])
	}
	s.clock.advance(life)
	together(s.t, workers, func(w int) {
		for i := range n {
			k := key(fmt.Sprint((i + w*n/workers) % n))
			switch (i + w) % 3 {
			case 0:
				s.peek(k)
			case 1:
				_, _ = s.swap(k, 1, s.entry(2, "never"))
			default:
				_, _ = s.take(k)
			}
		}
	})
	s.once(r, session.Expired, want)
}

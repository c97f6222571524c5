package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func endAllRemoves(s *sessions) {
	before := s.raise(ann, s.clock.now().Add(life))
	third, first := s.open(s.one("a", 3*time.Millisecond)), s.open(s.one("b", time.Millisecond))
	second := s.open(s.one("c", 2*time.Millisecond))
	s.deny(ann, handle("denied"), s.until())
	ended, err := s.store.EndAll(s.t.Context(), ann, s.clock.now().Add(3*life))
	s.succeeds("EndAll", err)
	s.are("what EndAll returns", ended, first, second, third)
	s.lists("what EndAll left", ann)
	for _, k := range ended {
		s.holds("the key of what was ended", k.Key, session.Entry{})
	}
	epoch, denied := s.revoked(ann, handle("denied"))
	if epoch <= before || denied {
		s.t.Fatalf("Revoked after EndAll where the epoch was %d: got %d and denied %t, want a greater one and false", before, epoch, denied)
	}
	s.clock.advance(3*life - time.Second)
	s.epochIs("a second before until", ann, epoch)
	s.clock.advance(2 * time.Second)
	s.epochIs("a second after until", ann, 0)
}

func endAllNothing(s *sessions) {
	ended, err := s.endAll(ann)
	s.succeeds("EndAll of an owner without sessions", err)
	s.are("what it returns", ended)
	epoch, _ := s.revoked(ann, handle("whichever"))
	if epoch == 0 {
		s.t.Fatalf("the epoch after EndAll: got 0, want more")
	}
	_, err = s.endAll(ann)
	s.succeeds("EndAll once more", err)
	if again, _ := s.revoked(ann, handle("whichever")); again <= epoch {
		s.t.Fatalf("the epoch after EndAll where it was %d: got %d, want more", epoch, again)
	}
}

func endAllSnapshots(s *sessions) {
	a := s.open(s.one("a", 0))
	ofA, orphan := s.snapshot(a), s.snapshot(s.one("moved", 0))
	ended, err := s.endAll(ann)
	s.succeeds("EndAll", err)
	s.are("what EndAll returns", ended, a)
	s.dead("a snapshot", ofA, orphan)
}

func endAllOwner(s *sessions) {
	before := s.raise(bob, s.until())
	his, hers := s.open(owned(bob, s.one("a", 0))), s.open(s.one("a", 0))
	anonymous := s.anonymous(1, "cart")
	s.create(key("anonymous"), anonymous)
	s.deny(bob, handle("denied"), s.until())
	ended, err := s.endAll(ann)
	s.succeeds("EndAll", err)
	s.are("what EndAll returns", ended, hers)
	s.lists("another owner's sessions", bob, his)
	s.epochIs("another owner's epoch", bob, before)
	s.deniedIs("another owner's denied handle", bob, handle("denied"), true)
	s.holds("an anonymous session of the same tag", key("anonymous"), anonymous)
}

func endAllDead(s *sessions) {
	all := s.several(3)
	_, err := s.endAll(ann)
	s.succeeds("EndAll", err)
	s.dead("what was ended", all...)
	ended, err := s.endAll(ann)
	s.succeeds("EndAll once more", err)
	s.are("what it returns", ended)
}

func endAllLater(s *sessions) {
	all := s.several(2)
	_, err := s.endAll(ann)
	s.succeeds("EndAll", err)
	epoch, _ := s.revoked(ann, handle("whichever"))
	later := s.open(all[0]) // the same key and the same handle
	s.lists("a session that began after EndAll", ann, stamped(later, epoch))
}

// Nothing that was there before EndAll is alive after it, whatever was in flight,
// and each session is returned by exactly one call or still there.
func endAllParallel(s *sessions) {
	const there, fresh = 4, 6
	for range 12 {
		before := s.several(there)
		problems := make([]string, 2+there+1)
		ended := make([][]session.Keyed, 2)
		var done atomic.Int32
		var made []session.Keyed
		together(s.t, len(problems), func(i int) {
			var err error
			switch {
			case i < 2:
				ended[i], err = s.endAll(ann)
				done.Add(1)
			case i < 2+there:
				err = s.write(before[i-2], i%2 == 0, &done)
			default:
				for j := range fresh {
					k := s.one(fmt.Sprint("fresh ", j), time.Hour+time.Duration(j)*time.Second)
					if k.Entry.Epoch, _, err = s.store.Create(s.t.Context(), k.Key, k.Entry, unlimited); err != nil {
						break
					}
					made = append(made, k)
				}
			}
			if err != nil {
				problems[i] = err.Error()
			}
		})
		s.noProblem("EndAll beside Swap, Rename and Create", problems)
		left, err := s.store.List(s.t.Context(), ann)
		s.succeeds("List", err)
		epoch, _ := s.revoked(ann, handle("whichever"))
		for _, k := range left {
			if k.Entry.Epoch != epoch {
				s.t.Fatalf("alive after EndAll: got %s, want epoch %d", show(k.Entry), epoch)
			}
		}
		s.lists("after EndAll", ann, left...)
		name := func(all []session.Keyed) (names []string) {
			for _, k := range all {
				names = append(names, fmt.Sprintf("%x", k.Entry.Handle[:4]))
			}
			slices.Sort(names)
			return names
		}
		got, want := name(slices.Concat(ended[0], ended[1], left)), name(slices.Concat(before, made))
		if !slices.Equal(got, want) {
			s.t.Fatalf("handles of what two EndAlls returned and what was left: got %s, want %s", got, want)
		}
		for _, k := range before {
			if slices.Contains(name(left), fmt.Sprintf("%x", k.Entry.Handle[:4])) {
				s.t.Fatalf("%s was there before EndAll: got alive after it, want ended", show(k.Entry))
			}
		}
		for _, k := range left {
			_, err := s.take(k.Key)
			s.succeeds("Take", err)
		}
	}
}

// write changes or moves k until it is gone. It must be once done is not 0.
func (s *sessions) write(k session.Keyed, move bool, done *atomic.Int32) error {
	for step := 0; ; step++ {
		late := done.Load() > 0
		next, to := k.Entry, k.Key
		next.Version++
		var err error
		if move {
			to = key(fmt.Sprint(k.Entry.Value, " moved ", step))
			_, err = s.rename(k.Key, k.Entry.Version, to, next, nil)
		} else {
			_, err = s.swap(k.Key, k.Entry.Version, next)
		}
		switch {
		case errors.Is(err, session.ErrGone):
			return nil
		case late:
			return fmt.Errorf("a write after EndAll: got %v, want ErrGone", err)
		case err != nil:
			return fmt.Errorf("a write beside EndAll: got %w, want nil or ErrGone", err)
		}
		k.Key, k.Entry = to, next
	}
}

func endAllLate(s *sessions) {
	s.lateWriters("EndAll", func(k session.Keyed) error {
		ended, err := s.endAll(ann)
		if err == nil && (len(ended) != 1 || ended[0].Entry.Handle != k.Entry.Handle) {
			err = fmt.Errorf("returned %s", showAll(ended))
		}
		return err
	})
}

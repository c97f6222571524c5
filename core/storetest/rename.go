package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func renameMoves(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	next := s.entry(5, "second")
	next.Presented, next.Created = false, next.Created.Add(time.Minute)
	_, err := s.rename(key("old"), 1, key("to"), next, nil)
	s.succeeds("Rename", err)
	s.holds("the old key after Rename", key("old"), session.Entry{})
	s.holds("the new key after Rename", key("to"), next)
}

func renameLeaves(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	next, left := s.entry(2, "second"), s.left(2, "snapshot")
	left.Presented, left.Expires = false, s.clock.now().Add(time.Minute)
	_, err := s.rename(key("old"), 1, key("to"), next, &left)
	s.succeeds("Rename that leaves an entry behind", err)
	s.holds("the old key after Rename", key("old"), left)
	s.holds("the new key after Rename", key("to"), next)
	s.clock.advance(time.Minute)
	s.holds("the old key past what was left there", key("old"), session.Entry{})
	s.holds("the new key meanwhile", key("to"), next)
}

func renamePointer(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	left := s.left(2, "snapshot")
	want := left
	_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), &left)
	s.succeeds("Rename that leaves an entry behind", err)
	left = session.Entry{Version: 99, Value: "changed by the caller afterwards"}
	s.holds("the old key after the caller's variable changed", key("old"), want)
}

func renameGone(s *sessions) {
	left := s.left(2, "snapshot")
	for _, l := range []*session.Entry{nil, &left} {
		_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), l)
		s.fails("Rename of an absent key", err, session.ErrGone)
		s.holds("the old key", key("old"), session.Entry{})
		s.holds("the new key", key("to"), session.Entry{})
	}
}

func renameExists(s *sessions) {
	old, to, left := s.entry(1, "old"), named("to", s.entry(4, "to")), s.left(2, "snapshot")
	s.create(key("old"), old)
	s.create(key("to"), to)
	for _, l := range []*session.Entry{nil, &left} {
		_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), l)
		s.fails("Rename onto a live entry", err, session.ErrExists)
		s.holds("the old key after a refused Rename", key("old"), old)
		s.holds("the new key after a refused Rename", key("to"), to)
	}
}

func renameConflict(s *sessions) {
	present, left := s.entry(2, "present"), s.left(3, "snapshot")
	s.create(key("old"), present)
	for _, l := range []*session.Entry{nil, &left} {
		for _, version := range []uint64{0, 1, 3} {
			current, err := s.rename(key("old"), version, key("to"), s.entry(3, "never"), l)
			s.fails("Rename with another version", err, session.ErrConflict)
			if !same(current, present) {
				s.t.Fatalf("Rename with another version, what comes with the conflict: got %s, want %s", show(current), show(present))
			}
			s.holds("the old key after a refused Rename", key("old"), present)
			s.holds("the new key after a refused Rename", key("to"), session.Entry{})
		}
	}
}

// watchRename looks at a Rename from outside. see is called with both keys all
// the while and says what nobody may ever see.
func (s *sessions) watchRename(left *session.Entry, see func(old, to session.StoreKey) string) {
	for round := range 20 {
		old, to := key(fmt.Sprint("old ", round)), key(fmt.Sprint("to ", round))
		// Snapshots may share a handle, sessions of one owner may not.
		mine := func(e session.Entry) session.Entry { return named(fmt.Sprint(round), e) }
		s.create(old, mine(s.entry(1, "first")))
		var err error
		var problem string
		var renamed atomic.Bool
		together(s.t, 2, func(i int) {
			if i == 0 {
				_, err = s.rename(old, 1, to, mine(s.entry(2, "second")), left)
				renamed.Store(true)
				return
			}
			for last := false; problem == ""; {
				problem = see(old, to)
				if last {
					return
				}
				last = renamed.Load() // and one look more, at the end state
			}
		})
		s.succeeds("Rename", err)
		if problem != "" {
			s.t.Fatalf("Rename is not one step: %s", problem)
		}
	}
}

func renameAtomic(s *sessions) {
	s.watchRename(nil, func(old, to session.StoreKey) string {
		if s.peek(to).Version != 0 && s.peek(old).Version != 0 {
			return "the new key was there while the old one still was"
		}
		if s.peek(old).Version == 0 && s.peek(to).Version == 0 {
			return "the old key was gone while the new one was not there yet"
		}
		return ""
	})
}

func renameAtomicLeft(s *sessions) {
	left := s.left(2, "snapshot")
	s.watchRename(&left, func(old, to session.StoreKey) string {
		if s.peek(to).Version != 0 {
			if e := s.peek(old); !same(e, left) {
				return "the new key was there while the old one held " + show(e)
			}
		}
		switch e := s.peek(old); {
		case e.Version == 0:
			return "the old key was empty for a moment"
		case same(e, left) && s.peek(to).Version == 0:
			return "the old key was replaced while the new one was not there yet"
		}
		return ""
	})
}

func renameOneOfMany(s *sessions) {
	const n = 6
	for round := range 20 {
		old := key(fmt.Sprint("old ", round))
		to := func(i int) session.StoreKey { return key(fmt.Sprint("to ", round, " ", i)) }
		mine := func(e session.Entry) session.Entry { return named(fmt.Sprint(round), e) }
		s.create(old, mine(s.entry(1, "first")))
		left := mine(s.left(2, "snapshot"))
		errs := make([]error, n)
		together(s.t, n, func(i int) {
			l := &left
			if round%2 == 0 {
				l = nil
			}
			_, errs[i] = s.rename(old, 1, to(i), mine(s.entry(2, fmt.Sprint(i))), l)
		})
		winner := s.winner("Rename", errs, session.ErrConflict, session.ErrGone)
		for i := range n {
			want := session.Entry{}
			if i == winner {
				want = mine(s.entry(2, fmt.Sprint(i)))
			}
			s.holds("a new key after parallel Renames", to(i), want)
		}
	}
}

func renameOrTake(s *sessions) {
	for round := range 40 {
		old, to := key(fmt.Sprint("old ", round)), key(fmt.Sprint("to ", round))
		first, next := named(fmt.Sprint(round), s.entry(1, "first")), named(fmt.Sprint(round), s.entry(2, "second"))
		s.create(old, first)
		var renamed, taken error
		var got session.Entry
		together(s.t, 2, func(i int) {
			if i == 0 {
				_, renamed = s.rename(old, 1, to, next, nil)
			} else {
				got, taken = s.take(old)
			}
		})
		switch {
		case renamed == nil && errors.Is(taken, session.ErrGone):
			s.holds("the new key after Rename beat Take", to, next)
		case errors.Is(renamed, session.ErrGone) && taken == nil && same(got, first):
			s.holds("the new key after Take beat Rename", to, session.Entry{})
		default:
			s.t.Fatalf("Rename beside Take: got %v and %v with %s, want one nil and one ErrGone", renamed, taken, show(got))
		}
		s.holds("the old key after Rename beside Take", old, session.Entry{})
	}
}

package storetest

import (
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func expiryLoad(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.clock.advance(life - time.Second)
	s.holds("a second before Expires", key("a"), e)
	s.clock.advance(time.Second)
	s.holds("at Expires", key("a"), session.Entry{})
	s.clock.advance(life)
	s.holds("long after Expires", key("a"), session.Entry{})
}

func expiryLoadExtends(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	for range 60 {
		s.holds("before Expires", key("a"), e)
		s.clock.advance(time.Minute)
	}
	s.holds("at Expires, after many Loads", key("a"), session.Entry{})
}

func expirySwap(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	s.clock.advance(life)
	_, err := s.swap(key("a"), 1, s.entry(2, "back"))
	s.fails("Swap at Expires", err, session.ErrGone)
	s.holds("Load after a refused Swap", key("a"), session.Entry{})
}

func expirySwapSets(s *sessions) {
	s.create(key("longer"), named("longer", s.entry(1, "value")))
	s.create(key("shorter"), named("shorter", s.entry(1, "value")))
	longer, shorter := named("longer", s.entry(2, "longer")), named("shorter", s.entry(2, "shorter"))
	longer.Expires = s.clock.now().Add(2 * life)
	shorter.Expires = s.clock.now().Add(life / 2)
	_, err := s.swap(key("longer"), 1, longer)
	s.succeeds("Swap to a later end", err)
	_, err = s.swap(key("shorter"), 1, shorter)
	s.succeeds("Swap to an earlier end", err)
	s.clock.advance(life / 2)
	s.holds("at the earlier end", key("shorter"), session.Entry{})
	s.clock.advance(life)
	s.holds("past the first end, before the later one", key("longer"), longer)
	s.clock.advance(life / 2)
	s.holds("at the later end", key("longer"), session.Entry{})
}

func expiryTake(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	s.clock.advance(life)
	got, err := s.take(key("a"))
	s.fails("Take at Expires", err, session.ErrGone)
	if got != (session.Entry{}) {
		s.t.Fatalf("Take at Expires: got %s, want the zero Entry", show(got))
	}
}

func expiryRename(s *sessions) {
	s.create(key("old"), s.entry(1, "value"))
	s.clock.advance(life)
	left := s.left(2, "snapshot")
	_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "back"), &left)
	s.fails("Rename at Expires", err, session.ErrGone)
	s.holds("the old key", key("old"), session.Entry{})
	s.holds("the new key", key("to"), session.Entry{})
}

func expiryRenameSets(s *sessions) {
	s.create(key("old"), s.entry(1, "value"))
	next, left := s.entry(2, "second"), s.left(2, "snapshot")
	next.Expires = s.clock.now().Add(3 * life)
	left.Expires = s.clock.now().Add(2 * life)
	_, err := s.rename(key("old"), 1, key("to"), next, &left)
	s.succeeds("Rename", err)
	s.clock.advance(life)
	s.holds("the old key past its first end", key("old"), left)
	s.clock.advance(life)
	s.holds("the old key at the end of what was left there", key("old"), session.Entry{})
	s.holds("the new key before its end", key("to"), next)
	s.clock.advance(life)
	s.holds("the new key at its end", key("to"), session.Entry{})
}

func expiryCreateOver(s *sessions) {
	s.create(key("a"), s.entry(5, "first"))
	s.clock.advance(life)
	next := named("second", s.entry(1, "second"))
	s.succeeds("Create over an expired entry", s.put(key("a"), next))
	s.holds("Load after Create over an expired entry", key("a"), next)
}

func expiryRenameOnto(s *sessions) {
	// The old entry outlives the other from the start: a store that clears up
	// with each write gets no occasion before the Rename itself.
	old := s.entry(1, "value")
	old.Expires = old.Expires.Add(life)
	s.create(key("to"), named("to", s.entry(5, "first")))
	s.create(key("old"), old)
	s.clock.advance(life)
	next := s.entry(2, "second")
	_, err := s.rename(key("old"), 1, key("to"), next, nil)
	s.succeeds("Rename onto an expired entry", err)
	s.holds("the new key", key("to"), next)
	s.holds("the old key", key("old"), session.Entry{})
}

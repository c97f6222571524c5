package storetest

import (
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func listOrder(s *sessions) {
	// Neither the order in which they came nor that of their keys.
	third, first := s.open(s.one("a", 3*time.Millisecond)), s.open(s.one("b", time.Millisecond))
	fourth, second := s.open(s.one("c", 4*time.Hour)), s.open(s.one("d", 2*time.Millisecond))
	s.lists("List of sessions that came in another order", ann, first, second, third, fourth)
}

func listNobody(s *sessions) {
	s.lists("List of an owner without sessions", ann)
}

func listOnlyListed(s *sessions) {
	a := s.open(s.one("a", 0))
	s.snapshot(a)
	s.create(key("anonymous"), s.anonymous(1, "cart"))
	s.lists("List beside a snapshot and an anonymous session", ann, a)
}

func listOnlyOwners(s *sessions) {
	// The same handle, too: it names a session among its owner's only.
	hers, his := s.open(s.one("a", 0)), s.open(owned(bob, s.one("a", 0)))
	s.lists("List of one owner", ann, hers)
	s.lists("List of another owner of the same tag", bob, his)
}

func listNotExpired(s *sessions) {
	short, long := s.one("short", 0), s.one("long", time.Minute)
	long.Entry.Expires = long.Entry.Expires.Add(life)
	short, long = s.open(short), s.open(long)
	s.clock.advance(life - time.Second)
	s.lists("List before the first expires", ann, short, long)
	s.clock.advance(time.Second)
	s.lists("List after the first expired", ann, long)
}

func listFollowsSwap(s *sessions) {
	all := s.several(3)
	next := all[1]
	next.Entry.Version, next.Entry.Value, next.Entry.Presented = 2, "second", false
	next.Entry.Expires = next.Entry.Expires.Add(life)
	_, err := s.swap(next.Key, 1, next.Entry)
	s.succeeds("Swap", err)
	s.lists("List after Swap", ann, all[0], next, all[2])
	s.clock.advance(life)
	s.lists("List when all have expired but what Swap lengthened", ann, next)
}

func listFollowsRename(s *sessions) {
	all := s.several(3)
	for i, l := range []*session.Entry{nil, {Version: 3, Owner: ann, Handle: all[1].Entry.Handle, Created: all[1].Entry.Created, Expires: s.until()}} {
		next := all[i]
		next.Key, next.Entry.Version, next.Entry.Expires = key(next.Entry.Value+", renewed"), 2, s.until()
		_, err := s.rename(all[i].Key, 1, next.Key, next.Entry, l)
		s.succeeds("Rename", err)
		all[i] = next
		s.lists("List after Rename", ann, all...)
	}
	s.clock.advance(life)
	s.lists("List when all have expired but what Rename lengthened", ann, all[:2]...)
}

func listFollowsTake(s *sessions) {
	all := s.several(3)
	_, err := s.take(all[0].Key)
	s.succeeds("Take", err)
	s.lists("List after Take", ann, all[1:]...)
	again := s.open(all[0])
	s.lists("List after the same was created once more", ann, again, all[1], all[2])
}

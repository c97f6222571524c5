package storetest

import (
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func epochStamps(s *sessions) {
	for range 3 {
		want := s.raise(ann, s.until())
		k := s.one("a", 0)
		got := s.open(k)
		if got.Entry.Epoch != want {
			s.t.Fatalf("the epoch that Create returns: got %d, want %d", got.Entry.Epoch, want)
		}
		s.lists("a session that began after RaiseEpoch", ann, got)
		s.snapshot(got)
	}
	// Whose epoch is not stored, who has none, and who is nobody.
	for what, k := range map[string]session.Keyed{
		"another owner":    owned(bob, s.one("b", 0)),
		"an anonymous one": {Key: key("anonymous"), Entry: s.anonymous(1, "cart")},
	} {
		if got := s.open(k); got.Entry.Epoch != 0 {
			s.t.Fatalf("the epoch that Create of %s returns: got %d, want 0", what, got.Entry.Epoch)
		}
		s.holds(what, k.Key, k.Entry)
	}
}

// everyKind opens what an owner may have: for each operation a session of its own,
// and a snapshot.
func (s *sessions) everyKind(label string) map[string]session.Keyed {
	all := map[string]session.Keyed{}
	for i, name := range []string{"load", "swap", "rename", "take"} {
		all[name] = s.open(s.one(label+name, time.Duration(i)*time.Minute))
	}
	all["snapshot"] = s.snapshot(all["load"])
	return all
}

// ended fails unless all of everyKind are dead to each operation, of which each
// is the first that meets one.
func (s *sessions) ended(what string, all map[string]session.Keyed) {
	s.t.Helper()
	s.lists(what+", List", ann)
	_, err := s.swap(all["swap"].Key, 1, all["swap"].Entry)
	s.fails(what+", Swap", err, session.ErrGone)
	_, err = s.swap(all["snapshot"].Key, 7, all["snapshot"].Entry)
	s.fails(what+", Swap with another version", err, session.ErrGone)
	_, err = s.rename(all["rename"].Key, 1, key("to"), all["rename"].Entry, nil)
	s.fails(what+", Rename", err, session.ErrGone)
	_, err = s.take(all["take"].Key)
	s.fails(what+", Take", err, session.ErrGone)
	for name, k := range all {
		s.holds(what+", "+name, k.Key, session.Entry{})
		_, err := s.endOne(ann, k.Entry.Handle)
		s.fails(what+", EndOne", err, session.ErrGone)
		_, _, err = s.endOthers(ann, k.Entry.Handle)
		s.fails(what+", EndOthers", err, session.ErrGone)
		s.dead(what+", "+name, k)
	}
	ended, err := s.endAll(ann)
	s.succeeds(what+", EndAll", err)
	s.are(what+", what EndAll returns", ended)
}

func epochEnds(s *sessions) {
	all := s.everyKind("first ")
	s.raise(ann, s.until())
	s.ended("after RaiseEpoch", all)
	all = s.everyKind("second ")
	epoch, _ := s.revoked(ann, handle("whichever"))
	s.restore(ann, epoch+1, s.until())
	s.ended("after RestoreEpoch of a greater one", all)
}

// Nobody looks while the revocation is remembered: a session that outlives it must have
// ended with it all the same.
func epochEndsForGood(s *sessions) {
	soon := func() time.Time { return s.clock.now().Add(time.Minute) }
	all := []session.Keyed{s.open(s.one("raised", 0)), s.snapshot(s.one("raised too", 0))}
	s.raise(ann, soon())
	s.clock.advance(2 * time.Minute)
	s.dead("after the end of RaiseEpoch", all...)
	all = []session.Keyed{s.open(s.one("restored", 0)), s.snapshot(s.one("restored too", 0))}
	s.restore(ann, uint64(s.clock.now().UnixMicro()), soon())
	s.clock.advance(2 * time.Minute)
	s.dead("after the end of RestoreEpoch", all...)
}

func denyEndsForGood(s *sessions) {
	k := s.open(s.one("denied", 0))
	all := []session.Keyed{k, s.snapshot(k)}
	s.deny(ann, k.Entry.Handle, s.clock.now().Add(time.Minute))
	s.clock.advance(2 * time.Minute)
	s.dead("after the end of Deny", all...)
}

func epochSpares(s *sessions) {
	his := s.open(owned(bob, s.one("a", 0)))
	far := ann
	far.Tag[0] ^= 1
	other := s.open(owned(far, s.one("a", 0)))
	anonymous := s.anonymous(1, "cart")
	s.create(key("anonymous"), anonymous)
	s.raise(ann, s.until())
	hers := s.open(s.one("a", 0))
	s.restore(ann, hers.Entry.Epoch, s.until())
	s.lists("another owner of the same tag", bob, his)
	s.lists("another owner of the same hash", far, other)
	s.lists("what began after RaiseEpoch", ann, hers)
	s.holds("an anonymous session", key("anonymous"), anonymous)
}

func epochKept(s *sessions) {
	epoch := s.raise(ann, s.until())
	k := s.open(s.one("a", 0))
	k.Entry.Version = 2
	_, err := s.swap(k.Key, 1, stamped(k, 0).Entry)
	s.succeeds("Swap", err)
	s.lists("after Swap", ann, stamped(k, epoch))
	left := stamped(k, 0).Entry
	left.Listed = false
	_, err = s.rename(k.Key, 2, key("to"), stamped(k, epoch+1<<30).Entry, &left)
	s.succeeds("Rename", err)
	left.Epoch = epoch
	s.holds("what Rename left", k.Key, left)
	k.Key = key("to")
	s.lists("after Rename", ann, stamped(k, epoch))
	s.raise(ann, s.until())
	s.lists("after RaiseEpoch", ann)
	s.holds("the snapshot after RaiseEpoch", key("a"), session.Entry{})
}

func epochMakesWay(s *sessions) {
	a, b := s.open(s.one("a", 0)), s.open(s.one("b", time.Minute))
	s.raise(ann, s.until())
	s.comesInto(b.Key, s.comesOver(a.Key))
}

func denyMakesWay(s *sessions) {
	a, b := s.open(s.one("a", 0)), s.open(s.one("b", time.Minute))
	s.deny(ann, handle("a"), s.until())
	again := s.comesOver(a.Key)
	s.deny(ann, handle("b"), s.until())
	s.comesInto(b.Key, again)
}

// comesOver creates another session where a revoked entry stands.
func (s *sessions) comesOver(k session.StoreKey) session.Keyed {
	s.t.Helper()
	again := s.one("again", time.Hour)
	again.Key = k
	again = s.open(again)
	s.holds("Create over a revoked entry", k, again.Entry)
	return again
}

// comesInto moves a session to where a revoked entry stands.
func (s *sessions) comesInto(k session.StoreKey, again session.Keyed) {
	s.t.Helper()
	again.Entry.Version = 2
	_, err := s.rename(again.Key, 1, k, again.Entry, nil)
	s.succeeds("Rename onto a revoked entry", err)
	again.Key = k
	s.lists("after it", ann, again)
}

// An epoch must outlive what it revokes, and the store is told by the Create of
// the entry how long that may be.
func epochAdmission(s *sessions) {
	none := s.one("none", 0)
	s.admits("Create where no epoch is", none, session.Admission{Max: 9, Until: s.until()})
	s.epochIs("after it", ann, 0)
	epoch := s.raise(ann, s.clock.now().Add(life))
	k := stamped(s.newest(), epoch)
	s.admits("Create with a later Until", k, session.Admission{Max: 9, Until: s.clock.now().Add(3 * life)})
	s.admits("Create with an earlier Until", stamped(s.one("second", 0), epoch), session.Admission{Max: 9, Until: s.clock.now().Add(time.Minute)})
	s.admits("Create with no Until", stamped(s.one("third", 0), epoch), session.Admission{Max: 9})
	s.clock.advance(3*life - time.Second)
	s.epochIs("a second before the later Until", ann, epoch)
	s.clock.advance(2 * time.Second)
	s.epochIs("a second after the later Until", ann, 0)
}

// The case loses an epoch by letting a session outlive it, which no caller does.
func epochBehind(s *sessions) {
	epoch := s.raise(ann, s.clock.now().Add(life))
	k, other := s.one("a", 0), owned(bob, s.one("b", 0))
	k.Entry.Expires, other.Entry.Expires = s.until(), s.until()
	k, other = s.open(k), s.open(other)
	s.lists("before the loss", ann, k)
	s.clock.advance(life + time.Second)
	s.epochIs("after the loss", ann, 0)
	behind := k.Entry
	behind.Behind = true
	s.holds("Load after the loss", k.Key, behind)
	s.holds("Load of another owner's", other.Key, other.Entry)
	all, err := s.store.List(s.t.Context(), ann)
	s.succeeds("List", err)
	s.are("List, which says nothing of it", all, k)
	current, err := s.swap(k.Key, 7, k.Entry)
	s.fails("Swap with another version", err, session.ErrConflict)
	s.are("what comes with the conflict, which says nothing of it", []session.Keyed{{Key: k.Key, Entry: current}}, k)
	// A write meanwhile must not make the entry forget what the store has lost.
	k.Entry.Version, behind.Version = 2, 2
	_, err = s.swap(k.Key, 1, k.Entry)
	s.succeeds("Swap", err)
	s.holds("Load after Swap", k.Key, behind)
	s.restore(ann, epoch, s.until())
	s.lists("after RestoreEpoch", ann, k)
	s.raise(ann, s.until())
	s.holds("after RaiseEpoch", k.Key, session.Entry{})
}

func denyEnds(s *sessions) {
	all := s.everyKind("")
	for _, name := range []string{"snapshot", "rename", "take", "swap"} { // the snapshot's handle is that of "load"
		s.deny(ann, all[name].Entry.Handle, s.until())
	}
	s.ended("after Deny", all)
}

func denySpares(s *sessions) {
	his, hers := s.open(owned(bob, s.one("a", 0))), s.open(s.one("b", 0))
	anonymous := named("a", s.anonymous(1, "cart"))
	s.create(key("anonymous"), anonymous)
	s.deny(ann, handle("a"), s.until())
	s.lists("another owner's session of the same handle", bob, his)
	s.lists("another session of the owner", ann, hers)
	s.holds("an anonymous entry of the same handle", key("anonymous"), anonymous)
}

func denyRaised(s *sessions) {
	s.deny(ann, handle("a"), s.until())
	s.raise(ann, s.until())
	k := s.open(s.one("a", 0))
	s.lists("a session of that handle that began after RaiseEpoch", ann, k)
	s.deny(ann, handle("a"), s.until())
	s.lists("after Deny", ann)
}

package storetest

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

func endEnds(s *families) {
	epoch := s.raise(ann, s.until())
	beside, his := s.open(), s.create(family(bob, "his"))
	for _, held := range []time.Duration{10 * time.Minute, 2 * time.Hour} {
		r := wired
		r.Denied = held
		f := s.confirmed("a sighting", s.rotated(r))
		s.end(f, r)
		s.dead("after EndFamily", f)
		s.epochIs("after EndFamily", ann, epoch)
		s.have("another family", ann, beside)
		s.have("another owner's", bob, his)
		s.clock.advance(held - time.Second)
		s.deniedIs("a second before the denial's end", ann, f.Handle, true)
		s.deniedIs("the handle of another owner", bob, f.Handle, false)
		s.deniedIs("another handle", ann, beside.Handle, false)
		s.clock.advance(2 * time.Second)
		s.deniedIs("a second after the denial's end", ann, f.Handle, false)
		s.dead("when the denial is forgotten", f)
	}
	// At its absolute end, and before it was used.
	f := s.open()
	s.end(f, wired)
	s.dead("a login that was ended", f)
}

func endGone(s *families) {
	f := s.open()
	s.end(f, wired)
	s.clock.advance(wired.Denied - time.Minute)
	got, err := s.store.EndFamily(s.t.Context(), f.Key(), refresh.Rules{Denied: 10 * time.Hour})
	s.fails("EndFamily for the second time", err, refresh.ErrGone)
	if got != (refresh.Family{}) {
		s.t.Fatalf("EndFamily for the second time: got %s, want no family", describe(got))
	}
	s.deniedIs("after EndFamily for the second time", ann, f.Handle, true)
	s.clock.advance(2 * time.Minute)
	s.deniedIs("when the first denial is forgotten", ann, f.Handle, false)
	// Nothing is denied, and nobody's epoch raised, where nothing was.
	s.fill(s.until())
	for _, key := range []refresh.Key{f.Key(), {Tag: ann.Tag, Handle: handle("nothing")}, {Tag: ann.Tag}} {
		_, err := s.store.EndFamily(s.t.Context(), key, wired)
		s.fails("EndFamily of nothing", err, refresh.ErrGone)
	}
	s.epochIs("after EndFamily of nothing", ann, 0)
	s.deniedIs("after EndFamily of nothing", ann, handle("nothing"), false)
}

func endOneOfSeveral(s *families) {
	const n = 8
	for range 12 {
		f := s.rotated(wired)
		ended, errs := make([]refresh.Family, n), make([]error, n)
		together(s.t, n, func(i int) { ended[i], errs[i] = s.store.EndFamily(s.t.Context(), f.Key(), wired) })
		winner := s.winner("EndFamily", errs, refresh.ErrGone)
		s.same("parallel EndFamily, the winner", ended[winner:winner+1], f)
		s.dead("after parallel EndFamily", f)
	}
}

func endFull(s *families) {
	his := s.create(family(bob, "his"))
	beside, f := s.open(), s.rotated(wired)
	s.fill(s.clock.now().Add(time.Hour))
	r := wired
	r.Denied = 20 * time.Minute
	s.end(f, r)
	s.dead("EndFamily without room for a denial", f, beside)
	s.raised("EndFamily without room for a denial", 0, 20*time.Minute)
	s.dead("when the epoch is forgotten", f, beside)
	s.have("another owner's", bob, his)
}

func endByRaise(s *families) {
	for round := range 2 {
		hers := []refresh.Family{s.rotated(wired), s.open(), s.lost(wired)}
		his := s.create(family(bob, fmt.Sprint("his ", round)))
		far := ann
		far.Tag[0] ^= 1
		other := s.create(family(far, fmt.Sprint("other ", round)))
		epoch := s.raise(ann, s.until())
		s.dead("after RaiseEpoch", hers...)
		s.have("after RaiseEpoch", ann)
		s.have("another owner of the same tag", bob, his)
		s.have("another owner of the same hash", far, other)
		after := s.open()
		s.have("what began after RaiseEpoch", ann, after)
		s.restore(ann, epoch, s.until())
		s.restore(ann, epoch-1, s.until())
		s.have("after RestoreEpoch of what is there", ann, after)
		s.end(after, wired)
		s.end(other, wired)
		s.end(his, wired)
	}
}

func endByRestore(s *families) {
	hers, his := s.rotated(wired), s.create(family(bob, "his"))
	s.restore(ann, hers.Epoch, s.until())
	s.have("after RestoreEpoch of what is there", ann, hers)
	s.restore(ann, 5, s.until())
	s.dead("after RestoreEpoch", hers)
	s.have("another owner's", bob, his)
	after := s.open()
	if after.Epoch != 5 {
		s.t.Fatalf("the epoch of what began after RestoreEpoch: got %d, want 5", after.Epoch)
	}
	s.have("what began after RestoreEpoch", ann, after)
	s.restore(ann, 6, s.until())
	s.dead("after RestoreEpoch of one more", after)
}

func endByDeny(s *families) {
	a, b, his := s.rotated(wired), s.open(), s.create(family(bob, "his"))
	s.deny(ann, handle("another"), s.until())
	s.deny(bob, a.Handle, s.until())
	s.have("after Deny of others", ann, a, b)
	s.deny(ann, a.Handle, s.until())
	s.dead("after Deny", a)
	s.have("the other family", ann, b)
	s.deny(ann, b.Handle, s.until())
	s.dead("after Deny", b)
	s.have("another owner's", bob, his)
}

// Nobody looks while the revocation is remembered: a family that outlives it must have
// ended with it all the same.
func endForgotten(s *families) {
	soon := func() time.Time { return s.clock.now().Add(time.Minute) }
	brief := wired
	brief.Denied = time.Minute
	for what, end := range map[string]func(f refresh.Family){
		"RaiseEpoch":   func(refresh.Family) { s.raise(ann, soon()) },
		"RestoreEpoch": func(refresh.Family) { s.restore(ann, 7, soon()) },
		"Deny":         func(f refresh.Family) { s.deny(ann, f.Handle, soon()) },
		"EndFamily":    func(f refresh.Family) { s.end(f, brief) },
		"Rotate": func(f refresh.Family) {
			p := presented(2, brief)
			p.Binding[0] ^= 1
			_, err := s.rotate(f, p)
			s.succeeds("Rotate", err)
		},
	} {
		f := s.rotated(wired)
		end(f)
		s.clock.advance(2 * time.Minute)
		if got := s.asked(ann, revocation.Asked{Session: f.Handle}); got != (revocation.Found{}) {
			s.t.Fatalf("Revoked when what %s did is forgotten: got %+v, want nothing", what, got)
		}
		s.dead("when what "+what+" did is forgotten", f)
	}
	s.have("after all of them", ann)
}

// Who logs out everywhere means it: what shares an owner ends together, and what does
// not stays.
func endSessions(s *families) {
	all := s.sessions()
	for what, end := range map[string]func(keep session.Keyed) error{
		"EndAll":    func(session.Keyed) error { _, err := all.endAll(ann); return err },
		"EndOthers": func(keep session.Keyed) error { _, _, err := all.endOthers(ann, keep.Entry.Handle); return err },
		"RaiseEpoch": func(session.Keyed) error {
			_, err := s.store.RaiseEpoch(s.t.Context(), ann, s.until())
			return err
		},
		"EndFamily without room": func(session.Keyed) error {
			f := s.open()
			s.cram()
			_, err := s.store.EndFamily(s.t.Context(), f.Key(), wired)
			return err
		},
		"Rotate without room": func(session.Keyed) error {
			f := s.open()
			s.cram()
			p := presented(1, wired)
			p.Binding[0] ^= 1
			_, err := s.rotate(f, p)
			return err
		},
	} {
		his, hisSession := s.create(family(bob, what)), all.open(owned(bob, all.one(what, 0)))
		a, b := all.open(all.one(what+" a", 0)), all.open(all.one(what+" b", time.Minute))
		f, g := s.lost(wired), s.open()
		s.succeeds(what, end(b))
		s.dead("after "+what, f, g)
		s.have("after "+what, ann)
		all.dead("after "+what, a)
		epoch, _ := s.revoked(ann, handle("whichever"))
		if what == "EndOthers" {
			all.lists("after "+what, ann, stamped(b, epoch))
		} else {
			all.dead("after "+what, b)
		}
		s.have("another owner's, after "+what, bob, his)
		all.lists("another owner's, after "+what, bob, hisSession)
		after := s.open()
		s.have("what began after "+what, ann, after)
		s.clock.advance(wired.Denied)
		s.dead("later, after "+what, f, g)
		s.raise(ann, s.until())
		s.raise(bob, s.until())
	}
}

// cram denies until there is no room.
func (s *families) cram() {
	s.t.Helper()
	for i := range revocation.MaxDenied + 1 {
		if err := s.book.Deny(s.t.Context(), ann, handle(fmt.Sprint(i)), s.until()); err != nil {
			s.fails("Deny where MaxDenied others are", err, revocation.ErrFull)
			return
		}
	}
	s.t.Fatalf("Deny of more than MaxDenied: got nil, want ErrFull")
}

// One session is not the whole of a subject, and a handle of a family is not one of a
// session.
func endSessionAlone(s *families) {
	all := s.sessions()
	f, a, b := s.rotated(wired), all.open(all.one("a", 0)), all.open(all.one("b", time.Minute))
	_, err := all.endOne(ann, f.Handle)
	s.fails("EndOne of the handle of a family", err, session.ErrGone)
	_, _, err = all.endOthers(ann, f.Handle)
	s.fails("EndOthers but the handle of a family", err, session.ErrGone)
	_, err = s.store.EndFamily(s.t.Context(), refresh.Key{Tag: ann.Tag, Handle: a.Entry.Handle}, wired)
	s.fails("EndFamily of the handle of a session", err, refresh.ErrGone)
	s.have("after ErrGone", ann, f)
	all.lists("after ErrGone", ann, a, b)
	_, err = all.endOne(ann, a.Entry.Handle)
	s.succeeds("EndOne", err)
	s.have("after EndOne", ann, f)
	all.lists("after EndOne", ann, b)
	s.end(f, wired)
	all.lists("after EndFamily", ann, b)
	s.dead("after EndFamily", f)
}

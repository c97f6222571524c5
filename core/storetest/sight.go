package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func sightConfirms(s *families) {
	f := s.open()
	s.clock.advance(time.Hour)
	f = s.confirmed("a sighting of a login", f)
	s.have("after it", ann, f)
	s.lapse()
	f = s.answered("Rotate", f, presented(1, wired), refresh.Rotated)
	s.clock.advance(time.Hour)
	f = s.confirmed("a sighting of a rotation", f)
	// Any answer of the generation will do, not the last one alone.
	s.lapse()
	f = s.answered("Rotate", f, presented(2, wired), refresh.Rotated)
	earlier := f.Stamp
	s.clock.advance(time.Second)
	f = s.answered("a repeat", f, presented(2, wired), refresh.Repeated)
	s.clock.advance(time.Second)
	s.succeeds("a sighting of an earlier answer", s.sight(f, 3, earlier))
	f.Confirmed = s.micros()
	s.holds("after a sighting of an earlier answer", f)
	// What a failover lost is no reason to doubt a signature.
	f = s.answered("a recovery", f, presented(5, wired), refresh.Recovered)
	s.succeeds("a sighting of a later answer than is known", s.sight(f, 5, f.Stamp+uint64(time.Hour.Microseconds())))
	s.holds("after it", f)
}

func sightFirst(s *families) {
	f := s.confirmed("the first sighting", s.rotated(wired))
	for range 3 {
		s.clock.advance(time.Minute)
		s.succeeds("a later sighting", s.sight(f, 2, f.Stamp))
		s.holds("after a later sighting", f)
	}
	f = s.rotated(wired)
	f = s.answered("the latest", f, presented(2, wired), refresh.Coalesced)
	s.clock.advance(time.Second)
	s.succeeds("a sighting of what was presented", s.sight(f, 2, f.Stamp))
	s.holds("after it", f)
}

func sightOthers(s *families) {
	f := s.rotated(wired)
	s.lapse()
	first := f.Stamp
	f = s.answered("Rotate", f, presented(2, wired), refresh.Rotated)
	s.clock.advance(time.Second)
	for _, a := range []revocation.Answer{
		{Generation: 0, Stamp: f.Stamp}, {Generation: 1, Stamp: first}, {Generation: 2, Stamp: f.Stamp}, {Generation: 2, Stamp: 0},
		{Generation: 4, Stamp: f.Stamp}, {Generation: 4, Stamp: f.Stamp + 1<<40}, {Generation: 1<<33 + 3, Stamp: f.Stamp}, {Generation: 1<<48 - 1, Stamp: f.Stamp},
	} {
		what := fmt.Sprintf("a sighting of generation %d of 3", a.Generation)
		s.succeeds(what, s.sight(f, a.Generation, a.Stamp))
		s.holds(what, f)
	}
	s.have("after all of them", ann, f)
	s.clock.advance(time.Minute)
	s.end(s.answered("the predecessor, which nobody confirmed", f, presented(2, wired), refresh.LateRepeated), wired)
}

func sightVoid(s *families) {
	f := s.rotated(wired)
	lost := f.Stamp
	s.clock.advance(time.Minute)
	f = s.answered("a late repeat", f, presented(1, wired), refresh.LateRepeated)
	for _, stamp := range []uint64{0, lost, f.Floor - 1} {
		s.fails("a sighting of what is void", s.sight(f, 2, stamp), revocation.ErrVoid)
		s.holds("after a sighting of what is void", f)
	}
	// Another generation's may be void too, which is for Revoked to say.
	s.succeeds("a sighting of another generation", s.sight(f, 1, 0))
	s.holds("after it", f)
	// A later late repeat voids what an earlier one answered.
	before := f.Stamp
	s.clock.advance(time.Minute)
	f = s.answered("another late repeat", f, presented(1, wired), refresh.LateRepeated)
	s.fails("a sighting of what the first answered", s.sight(f, 2, before), revocation.ErrVoid)
	s.holds("after it", f)
	f = s.confirmed("a sighting of what the second answered", f)
	s.clock.advance(time.Second)
	s.fails("a sighting of what is void, of a confirmed generation", s.sight(f, 2, before), revocation.ErrVoid)
	s.holds("after it", f)
	// The void is the family's as well as the registry's, and lasts as long as it.
	s.clock.advance(wired.Denied)
	s.fails("a sighting of what is void, when the registry has forgotten it", s.sight(f, 2, before), revocation.ErrVoid)
	f = s.answered("Rotate", f, presented(2, wired), refresh.Rotated)
	s.succeeds("a sighting of what was void in the generation before", s.sight(f, 2, before))
	s.holds("after it", f)
	s.confirmed("a sighting of what nothing made void", f)
}

func sightEnded(s *families) {
	for what, end := range map[string]func(f refresh.Family){
		"expired":  func(f refresh.Family) { s.clock.advance(f.Idle) },
		"revoked":  func(refresh.Family) { s.raise(ann, s.until()) },
		"restored": func(f refresh.Family) { s.restore(ann, f.Epoch+1, s.until()) },
		"denied":   func(f refresh.Family) { s.deny(ann, f.Handle, s.until()) },
		"ended":    func(f refresh.Family) { s.end(f, wired) },
		"reused":   func(f refresh.Family) { _, _ = s.rotate(f, presented(1, refresh.Rules{Denied: hold})) },
	} {
		f := s.rotated(wired)
		s.clock.advance(time.Minute)
		end(f)
		s.fails("Sight of one that is "+what, s.sight(f, 2, f.Stamp), revocation.ErrEnded)
		s.dead("one that is "+what, f)
	}
}

// Two owners may share a tag, and then a key is found whoever asks.
func sightOwner(s *families) {
	f := s.rotated(wired)
	for i := range ann.Hash {
		other := f
		other.Owner.Hash[i] ^= 0x80
		s.fails("Sight of another owner's family", s.sight(other, 2, f.Stamp), revocation.ErrEnded)
	}
	far := f
	far.Owner.Tag[3] ^= 1
	s.fails("Sight of a family of another tag", s.sight(far, 2, f.Stamp), revocation.ErrEnded)
	his := f
	his.Owner = bob
	s.fails("Sight of another owner's family", s.sight(his, 2, f.Stamp), revocation.ErrEnded)
	s.holds("after all of them", f)
	s.confirmed("Sight of the owner's own", f)
}

// Either the answer was seen, and its predecessor voids nothing any more; or it is void,
// and who shows it is told so. Never both, and never neither.
func sightBesideLate(s *families) {
	const sighters = 5
	for round := range 25 {
		f := s.rotated(wired)
		s.clock.advance(time.Minute)
		errs := make([]error, sighters+1)
		presents := round % len(errs)
		var out refresh.Outcome
		var failed error
		together(s.t, len(errs), func(i int) {
			if i == presents {
				out, failed = s.rotate(f, presented(1, wired))
				return
			}
			errs[i] = s.sight(f, 2, f.Stamp)
		})
		s.succeeds("Rotate beside Sight", failed)
		floor := s.asked(ann, revocation.Asked{Session: f.Handle, Generation: 2}).Floor
		var want error
		switch {
		case out.Verdict == refresh.Repeated && floor == 0:
		case out.Verdict == refresh.LateRepeated && floor == out.Family.Floor && floor > f.Stamp:
			want = revocation.ErrVoid
		default:
			s.t.Fatalf("the predecessor beside Sight: got %s and floor %d, want repeated and none, or late-repeated and one above %d",
				name(out.Verdict), floor, f.Stamp)
		}
		for i, err := range errs {
			if i != presents && !errors.Is(err, want) {
				s.t.Fatalf("Sight %d beside the predecessor, which was %s: got %v, want %v", i, name(out.Verdict), err, want)
			}
		}
		got, err := s.store.FindFamily(s.t.Context(), f.Key())
		s.succeeds("FindFamily", err)
		if confirmed := got.Confirmed != 0; confirmed != (want == nil) {
			s.t.Fatalf("after %s: got confirmed %t, want %t", name(out.Verdict), confirmed, want == nil)
		}
		s.end(got, wired)
	}
}

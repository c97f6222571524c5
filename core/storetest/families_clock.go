package storetest

import (
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

var clockBackCases = []familyCase{
	{"clock-back/windows-stay-shut", backShut},
	{"clock-back/rotates-by-the-familys-clock", backRotates},
	{"clock-back/late-repeat-voids-all-before", backLate},
	{"clock-back/recovers-by-the-familys-clock", backRecovers},
	{"clock-back/sight", backSight},
}

// back sets the clock back, as far as it goes.
func (s *families) back() { s.clock.advance(-time.Hour) }

// A window that has closed stays closed, or whoever may set a clock may use an old token.
func backShut(s *families) {
	r := refresh.Rules{Grace: 10 * time.Second, Denied: hold}
	f := s.rotated(r)
	s.clock.advance(10 * time.Second)
	f = s.answered("the predecessor at the end of its window", f, presented(1, r), refresh.Repeated)
	s.back()
	f = s.answered("the predecessor, an hour before", f, presented(1, r), refresh.Repeated)
	s.exposed("the predecessor when the family's clock is past its window", f, presented(1, r), refresh.ReusedUnconfirmed)
	// The window of the latest.
	f = s.rotated(r)
	f = s.confirmed("a sighting", f)
	s.clock.advance(30 * time.Second)
	f = s.answered("the latest at the end of its window", f, presented(2, r), refresh.Coalesced)
	s.back()
	f = s.answered("the latest, an hour before", f, presented(2, r), refresh.Coalesced)
	f = s.answered("the latest when the family's clock is past its window", f, presented(2, r), refresh.Rotated)
	s.end(f, r)
}

func backRotates(s *families) {
	f := s.rotated(wired)
	s.clock.advance(time.Minute)
	s.back()
	f = s.answered("the latest, an hour before it was fixed", f, presented(2, wired), refresh.Coalesced)
	if f.Stamp <= uint64(s.micros()) || f.Confirmed <= s.micros() {
		s.t.Fatalf("an answer by a clock that went back: got stamp %d and confirmed %d, want both past %d", f.Stamp, f.Confirmed, s.micros())
	}
	for range 3 {
		f = s.answered("the latest, again", f, presented(2, wired), refresh.Coalesced)
	}
	s.clock.advance(2 * time.Hour)
	f = s.answered("the latest, an hour after", f, presented(2, wired), refresh.Rotated)
	s.back()
	f = s.answered("the predecessor, before the rotation", f, presented(2, wired), refresh.Repeated)
	s.have("after all of them", ann, f)
}

func backLate(s *families) {
	f := s.rotated(wired)
	s.clock.advance(10 * time.Second)
	f = s.answered("a repeat", f, presented(1, wired), refresh.Repeated)
	lost := f.Stamp
	s.back()
	f = s.answered("a repeat by a clock that went back", f, presented(1, wired), refresh.Repeated)
	f = s.answered("a late repeat by a clock that went back", f, presented(1, wired), refresh.LateRepeated)
	if f.Floor <= lost+1 {
		s.t.Fatalf("the floor by a clock that went back: got %d, want above %d", f.Floor, lost+1)
	}
	s.floorIs("by a clock that went back", f, f.Floor)
}

func backRecovers(s *families) {
	f := s.rotated(wired)
	s.back()
	f = s.answered("a recovery by a clock that went back", f, presented(4, wired), refresh.Recovered)
	f = s.answered("the latest at once", f, presented(4, wired), refresh.Coalesced)
	s.have("after it", ann, f)
}

func backSight(s *families) {
	f := s.rotated(wired)
	fixed := f.Fixed
	s.back()
	f = s.confirmed("a sighting by a clock that went back", f)
	if f.Confirmed < fixed {
		s.t.Fatalf("a sighting by a clock that went back: got confirmed %d, want not before %d", f.Confirmed, fixed)
	}
	s.clock.advance(time.Hour + 10*time.Second)
	f = s.answered("the predecessor at the end of the window", f, presented(1, wired), refresh.Repeated)
	s.clock.advance(edge)
	s.exposed("the predecessor shortly after the window", f, presented(1, wired), refresh.Reused)
	// A sighting is what the family has seen of the clock, too.
	f = s.rotated(wired)
	s.clock.advance(time.Minute)
	f = s.confirmed("a sighting", f)
	s.back()
	f = s.answered("the latest, an hour before it was sighted", f, presented(2, wired), refresh.Coalesced)
	s.have("after it", ann, f)
}

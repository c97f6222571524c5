package storetest

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// lost opens a family of which an answer was lost, and is void since.
func (s *families) lost(r refresh.Rules) refresh.Family {
	s.t.Helper()
	f := s.rotated(r)
	s.clock.advance(time.Minute + edge)
	return s.answered("a late repeat", f, presented(1, r), refresh.LateRepeated)
}

// floorIs fails unless Revoked of f's latest generation says that, and no more.
func (s *families) floorIs(what string, f refresh.Family, want uint64) {
	s.t.Helper()
	asked := revocation.Asked{Session: f.Handle, Token: handle("jti"), Generation: f.Generation}
	got := s.asked(f.Owner, asked)
	if got.Floor != want || got.Denied {
		s.t.Fatalf("%s, Revoked of generation %d: got floor %d and denied %t, want %d and false", what, f.Generation, got.Floor, got.Denied, want)
	}
}

func voidFloor(s *families) {
	epoch := s.raise(ann, s.until())
	f, beside := s.lost(wired), s.open()
	for _, tc := range []struct {
		what  string
		owner revocation.Owner
		asked revocation.Asked
		want  revocation.Found
	}{
		{"the generation", ann, revocation.Asked{Session: f.Handle, Generation: 2}, revocation.Found{Epoch: epoch, Floor: f.Floor}},
		{"the generation and a token", ann, revocation.Asked{Session: f.Handle, Token: handle("jti"), Generation: 2}, revocation.Found{Epoch: epoch, Floor: f.Floor}},
		{"the generation before", ann, revocation.Asked{Session: f.Handle, Generation: 1}, revocation.Found{Epoch: epoch}},
		{"the generation after", ann, revocation.Asked{Session: f.Handle, Generation: 3}, revocation.Found{Epoch: epoch}},
		{"a generation of the same lower half", ann, revocation.Asked{Session: f.Handle, Generation: 1<<32 + 2}, revocation.Found{Epoch: epoch}},
		{"a generation of the same lower bytes", ann, revocation.Asked{Session: f.Handle, Generation: 1<<16 + 2}, revocation.Found{Epoch: epoch}},
		{"no generation", ann, revocation.Asked{Session: f.Handle}, revocation.Found{Epoch: epoch}},
		{"the family as a token", ann, revocation.Asked{Token: f.Handle, Generation: 2}, revocation.Found{Epoch: epoch}},
		{"another family", ann, revocation.Asked{Session: beside.Handle, Generation: 2}, revocation.Found{Epoch: epoch}},
		{"another family, the family as a token", ann, revocation.Asked{Session: beside.Handle, Token: f.Handle, Generation: 2}, revocation.Found{Epoch: epoch}},
		{"another owner's", bob, revocation.Asked{Session: f.Handle, Generation: 2}, revocation.Found{}},
	} {
		if got := s.asked(tc.owner, tc.asked); got != tc.want {
			s.t.Fatalf("Revoked of %s: got %+v, want %+v", tc.what, got, tc.want)
		}
	}
	for i := range f.Handle {
		near := f.Handle
		near[i] ^= 0x80
		if got := s.asked(ann, revocation.Asked{Session: near, Generation: 2}); got.Floor != 0 {
			s.t.Fatalf("Revoked of a handle that differs in byte %d: got floor %d, want 0", i, got.Floor)
		}
	}
	// A repeat voids nothing, and neither does anything else.
	f = s.answered("a repeat", f, presented(1, wired), refresh.Repeated)
	s.floorIs("after a repeat", f, f.Floor)
	f = s.answered("the latest", f, presented(2, wired), refresh.Coalesced)
	s.floorIs("after the latest", f, f.Floor)
	s.floorIs("another family", beside, 0)
	// A denial of the family is one more.
	s.deny(ann, f.Handle, s.until())
	if got := s.asked(ann, revocation.Asked{Session: f.Handle, Generation: 1}); got != (revocation.Found{Epoch: epoch, Denied: true}) {
		s.t.Fatalf("Revoked of the family, denied: got %+v, want denied", got)
	}
}

func voidRises(s *families) {
	f := s.lost(wired)
	for range 3 {
		before := f.Floor
		s.clock.advance(time.Minute)
		f = s.answered("another late repeat", f, presented(1, wired), refresh.LateRepeated)
		if f.Floor <= before {
			s.t.Fatalf("the floor after another late repeat: got %d, want above %d", f.Floor, before)
		}
		s.floorIs("after another late repeat", f, f.Floor)
	}
	// What the last one found is remembered as long as if it had been the first.
	s.clock.advance(wired.Denied - time.Second)
	s.floorIs("a second before the last is forgotten", f, f.Floor)
	s.clock.advance(2 * time.Second)
	s.floorIs("a second after it", f, 0)
}

func voidSeveral(s *families) {
	r := wired
	r.Denied = time.Hour
	f := s.lost(r)
	second := f
	s.lapse()
	f = s.answered("Rotate", f, presented(2, r), refresh.Rotated)
	s.floorIs("the new generation", f, 0)
	s.floorIs("the generation before", second, second.Floor)
	s.clock.advance(time.Minute)
	f = s.answered("a late repeat", f, presented(2, r), refresh.LateRepeated)
	s.floorIs("the new generation, late", f, f.Floor)
	s.floorIs("the generation before", second, second.Floor)
	f = s.answered("a recovery", f, presented(7, r), refresh.Recovered)
	s.floorIs("what was recovered", f, 0)
	s.floorIs("the generation before all that", second, second.Floor)
}

func voidFamilies(s *families) {
	a, b := s.lost(wired), s.lost(wired)
	s.floorIs("the first family", a, a.Floor)
	s.floorIs("the second family", b, b.Floor)
	s.end(a, wired)
	s.floorIs("the second, when the first has ended", b, b.Floor)
	s.deny(ann, handle("another"), s.until())
	s.floorIs("the second, after a denial", b, b.Floor)
	s.deniedIs("what was denied after a void", ann, handle("another"), true)
	s.deniedIs("what was ended before", ann, a.Handle, true)
}

func voidKept(s *families) {
	for _, held := range []time.Duration{10 * time.Minute, 5 * time.Hour} {
		r := wired
		r.Denied = held
		f := s.lost(r)
		s.clock.advance(held - time.Second)
		s.floorIs("a second before it is forgotten", f, f.Floor)
		s.clock.advance(2 * time.Second)
		s.floorIs("a second after it", f, 0)
		s.end(f, r)
	}
	// It outlives its family: what is void must not be good again because of a logout.
	r := wired
	r.Denied = 2 * time.Hour
	f := family(ann, "brief")
	f.Idle = time.Hour
	f = s.create(f)
	f = s.answered("Rotate", f, presented(1, r), refresh.Rotated)
	s.lapse()
	f = s.answered("a late repeat", f, presented(1, r), refresh.LateRepeated)
	s.clock.advance(f.Idle)
	s.dead("an expired family", f)
	s.floorIs("when the family has expired", f, f.Floor)
}

// A shorter period on another node does not shorten what this one has promised.
func voidEarlier(s *families) {
	long, short := wired, wired
	long.Denied, short.Denied = 3*time.Hour, time.Hour
	f := s.lost(long)
	s.clock.advance(time.Minute)
	f = s.answered("another late repeat", f, presented(1, short), refresh.LateRepeated)
	s.clock.advance(2 * time.Hour)
	s.floorIs("after the shorter period, before the longer one", f, f.Floor)
	s.clock.advance(time.Hour)
	s.floorIs("after both", f, 0)
}

func voidFull(s *families) {
	f := s.rotated(wired)
	s.lapse()
	s.fill(s.until())
	for range 2 {
		out, err := s.rotate(f, presented(1, wired))
		s.fails("a late repeat where MaxDenied others are remembered", err, revocation.ErrFull)
		if out != (refresh.Outcome{}) {
			s.t.Fatalf("a late repeat without room: got %s and %s, want nothing", name(out.Verdict), describe(out.Family))
		}
		s.have("after ErrFull", ann, f)
		s.floorIs("after ErrFull", f, 0)
		s.epochIs("after ErrFull", ann, 0)
		s.clock.advance(time.Minute)
	}
	for i := range revocation.MaxDenied {
		s.deniedIs("a handle that was denied before", ann, handle(fmt.Sprint(i)), true)
	}
	// Nothing else needs room.
	f = s.answered("Rotate without room", f, presented(2, wired), refresh.Rotated)
	f = s.answered("a repeat without room", f, presented(2, wired), refresh.Repeated)
	f = s.answered("the latest without room", f, presented(3, wired), refresh.Coalesced)
	f = s.answered("a recovery without room", f, presented(8, wired), refresh.Recovered)
	s.clock.advance(time.Minute)
	f = s.answered("Rotate without room", f, presented(8, wired), refresh.Rotated)
	s.confirmed("a sighting without room", f)
	// Another owner's room is another's.
	his := s.create(family(bob, "his"))
	his = s.answered("Rotate", his, presented(1, wired), refresh.Rotated)
	s.lapse()
	his = s.answered("a late repeat of another owner's", his, presented(1, wired), refresh.LateRepeated)
	s.floorIs("another owner's", his, his.Floor)
}

func voidAgain(s *families) {
	f := s.lost(wired)
	for i := range revocation.MaxDenied - 1 {
		s.deny(ann, handle(fmt.Sprint(i)), s.until())
	}
	s.clock.advance(time.Minute)
	f = s.answered("another late repeat of the same generation, without room", f, presented(1, wired), refresh.LateRepeated)
	s.floorIs("after it", f, f.Floor)
	s.lapse()
	f = s.answered("Rotate", f, presented(2, wired), refresh.Rotated)
	s.clock.advance(time.Minute)
	_, err := s.rotate(f, presented(2, wired))
	s.fails("a late repeat of another generation, without room", err, revocation.ErrFull)
	s.have("after it", ann, f)
}

func voidRoom(s *families) {
	f := s.rotated(wired)
	s.lapse()
	s.fill(s.clock.now().Add(time.Hour))
	_, err := s.rotate(f, presented(1, wired))
	s.fails("a late repeat without room", err, revocation.ErrFull)
	s.clock.advance(time.Hour + time.Second)
	f = s.answered("a late repeat for which expired denials made room", f, presented(1, wired), refresh.LateRepeated)
	s.floorIs("after it", f, f.Floor)
	for i := range revocation.MaxDenied - 1 {
		s.deny(ann, handle(fmt.Sprint(i)), s.until())
	}
	s.clock.advance(wired.Denied + time.Second)
	s.deny(ann, handle("for which an expired void made room"), s.until())
}

func voidCounts(s *families) {
	f := s.lost(wired)
	for i := range revocation.MaxDenied - 1 {
		s.deny(ann, handle(fmt.Sprint(i)), s.until())
	}
	s.fails("Deny where a void and as many denials are as may be", s.book.Deny(s.t.Context(), ann, handle("one more"), s.until()), revocation.ErrFull)
	s.floorIs("after ErrFull", f, f.Floor)
	s.deny(ann, handle("7"), s.until()) // it is one of them
	g := s.create(family(ann, "g"))
	s.end(g, wired)
	s.epochRose("EndFamily where a void and as many denials are as may be", 0)
	s.dead("the other family of the owner's", f)
}

// epochRose fails unless the epoch is above before.
func (s *families) epochRose(what string, before uint64) {
	s.t.Helper()
	if epoch, _ := s.revoked(ann, handle("whichever")); epoch <= before {
		s.t.Fatalf("%s: got epoch %d, want above %d", what, epoch, before)
	}
}

func voidForgotten(s *families) {
	f := s.lost(wired)
	his := s.create(family(bob, "his"))
	his = s.answered("Rotate", his, presented(1, wired), refresh.Rotated)
	s.clock.advance(time.Minute)
	his = s.answered("a late repeat", his, presented(1, wired), refresh.LateRepeated)
	s.raise(ann, s.until())
	s.floorIs("after RaiseEpoch", f, 0)
	s.floorIs("another owner's after RaiseEpoch", his, his.Floor)
	s.fill(s.until()) // as many as may be, for nothing else is remembered
	s.dead("after RaiseEpoch", f)
}

func voidRestored(s *families) {
	f := s.lost(wired)
	s.restore(ann, 0, s.until())
	s.floorIs("after RestoreEpoch of none", f, f.Floor)
	s.holds("after RestoreEpoch of none", f)
	s.restore(ann, 1<<50, s.until())
	s.floorIs("after RestoreEpoch", f, f.Floor)
	s.dead("after RestoreEpoch", f)
}

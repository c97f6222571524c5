package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// lasting is a family of ann's that expires so long after now unless it is used.
func lasting(label string, idle time.Duration) refresh.Family {
	f := family(ann, label)
	f.Idle = idle
	return f
}

// limited fails unless CreateFamily lets f in and ends exactly want.
func (s *families) limited(what string, f refresh.Family, limit int, want ...refresh.Family) refresh.Family {
	s.t.Helper()
	got, ended, err := s.store.CreateFamily(s.t.Context(), f, limit)
	s.succeeds(what, err)
	s.same(what+", what had to go", ended, want...)
	s.holds(what, got)
	s.dead(what+", one that had to go", want...)
	return got
}

func limitBelow(s *families) {
	a, b := s.open(), s.open()
	s.have("at one below the limit", ann, a, b, s.limited("CreateFamily at one below the limit", family(ann, "c"), 3))
}

func limitFirst(s *families) {
	third := s.create(lasting("a", 3*time.Hour))
	s.clock.advance(time.Minute)
	first := s.create(lasting("b", time.Hour))
	s.clock.advance(time.Minute)
	second := s.create(lasting("c", 2*time.Hour))
	s.clock.advance(time.Minute)
	d := s.limited("CreateFamily at the limit", lasting("d", 5*time.Hour), 3, first)
	s.have("after it", ann, third, second, d)
	// A use moves the end, and with it who goes first.
	s.clock.advance(90 * time.Minute)
	second = s.answered("Rotate", second, presented(1, wired), refresh.Rotated)
	e := s.limited("CreateFamily at the limit after a use", lasting("e", 5*time.Hour), 3, third)
	s.have("after it", ann, second, d, e)
	s.clock.advance(time.Minute)
	s.have("after a limit of one", ann, s.limited("CreateFamily with a limit of one", lasting("f", 5*time.Hour), 1, second, d, e))
}

func limitSeveral(s *families) {
	var all []refresh.Family
	for i := range 6 {
		all = append(all, s.create(lasting(fmt.Sprint(i), time.Duration(10-i)*time.Hour)))
		s.clock.advance(time.Second)
	}
	last := s.limited("CreateFamily above the limit", lasting("last", 11*time.Hour), 3, all[2:]...)
	s.have("after it", ann, all[0], all[1], last)
}

func limitNew(s *families) {
	a, b := s.create(lasting("a", 2*time.Hour)), s.create(lasting("b", 3*time.Hour))
	s.clock.advance(time.Second)
	brief := s.limited("CreateFamily of the one that expires first", lasting("brief", time.Hour), 2, a)
	s.have("after it", ann, b, brief)
}

func limitCounts(s *families) {
	his := lasting("his", time.Minute)
	his.Owner = bob
	his = s.create(his)
	for _, tc := range []struct {
		what string
		end  func(f refresh.Family)
	}{
		{"expired", func(f refresh.Family) { s.clock.advance(f.Idle) }},
		{"revoked", func(refresh.Family) { s.raise(ann, s.until()) }},
		{"denied", func(f refresh.Family) { s.deny(ann, f.Handle, s.until()) }},
		{"ended", func(f refresh.Family) { s.end(f, wired) }},
	} {
		what := "CreateFamily beside one that is " + tc.what
		tc.end(s.create(lasting(what+", gone", time.Second)))
		alive := s.create(lasting(what+", alive", time.Hour))
		s.clock.advance(time.Second)
		f := s.limited(what, lasting(what, 2*time.Hour), 2)
		s.have(what, ann, alive, f)
		s.have(what+", another owner's", bob, his)
		s.end(alive, wired)
		s.end(f, wired)
	}
}

// Who makes room is logged out and nothing worse: an access token of his is good until
// it expires, and a denial is kept for what may have been stolen.
func limitDenies(s *families) {
	f := s.rotated(wired)
	s.lapse()
	f = s.answered("a late repeat", f, presented(1, wired), refresh.LateRepeated)
	s.limited("CreateFamily at the limit", family(ann, "a"), 1, f)
	asked := revocation.Asked{Session: f.Handle, Generation: 2}
	if got, want := s.asked(ann, asked), (revocation.Found{Floor: f.Floor}); got != want {
		s.t.Fatalf("Revoked of one that made room: got %+v, want %+v", got, want)
	}
}

func limitParallel(s *families) {
	const workers, each, limit = 5, 8, 3
	problems := make([]string, workers+1)
	made, gone := make([][]refresh.Family, workers), make([][]refresh.Family, workers)
	together(s.t, workers+1, func(i int) {
		for j := range each {
			if i == workers {
				switch all, err := s.store.Families(s.t.Context(), ann); {
				case err != nil:
					problems[i] = "Families: " + err.Error()
				case len(all) > limit:
					problems[i] = fmt.Sprintf("%d families at a time, want at most %d", len(all), limit)
				}
				continue
			}
			f, ended, err := s.store.CreateFamily(s.t.Context(), lasting(fmt.Sprint(i, " ", j), time.Duration(j*workers+i+1)*time.Hour), limit)
			if err != nil {
				problems[i] = fmt.Sprintf("CreateFamily: got %v, want nil", err)
				return
			}
			made[i], gone[i] = append(made[i], f), append(gone[i], ended...)
		}
	})
	s.noProblem("parallel CreateFamily", problems)
	left, err := s.store.Families(s.t.Context(), ann)
	s.succeeds("Families", err)
	if len(left) != limit {
		s.t.Fatalf("after parallel CreateFamily: got %d families, want %d", len(left), limit)
	}
	ended := slices.Concat(gone...)
	s.same("what parallel CreateFamily left and what had to go", append(left, ended...), slices.Concat(made...)...)
	s.dead("one that had to go", ended...)
}

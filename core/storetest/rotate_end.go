package storetest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// reuse is a way to end a family by what is presented.
type reuse struct {
	what string
	// open opens the family, and says what it is presented.
	open func(s *families) (refresh.Family, *refresh.Presented)
	want refresh.Verdict
}

// reuses are all of them; ends are remembered so long.
func reuses(held time.Duration) []reuse {
	in := wired
	in.Denied = held
	unwired := refresh.Rules{Grace: in.Grace, Denied: held}
	return []reuse{
		{"reused", func(s *families) (refresh.Family, *refresh.Presented) {
			f := s.confirmed("a sighting", s.rotated(in))
			s.clock.advance(time.Minute)
			return f, presented(1, in)
		}, refresh.Reused},
		{"reused, older", func(s *families) (refresh.Family, *refresh.Presented) {
			f := s.rotated(in)
			s.clock.advance(time.Minute)
			return s.answered("Rotate", f, presented(2, in), refresh.Rotated), presented(1, in)
		}, refresh.ReusedOlder},
		{"reused, unconfirmed", func(s *families) (refresh.Family, *refresh.Presented) {
			f := s.rotated(unwired)
			s.clock.advance(time.Minute)
			return f, presented(1, unwired)
		}, refresh.ReusedUnconfirmed},
		{"misbound", func(s *families) (refresh.Family, *refresh.Presented) {
			p := presented(2, in)
			p.Binding[3] ^= 1
			return s.rotated(in), p
		}, refresh.Misbound},
	}
}

func rotateGone(s *families) {
	beside := s.create(family(bob, "beside"))
	for _, tc := range []struct {
		what string
		end  func(f refresh.Family)
	}{
		{"revoked", func(refresh.Family) { s.raise(ann, s.until()) }},
		{"denied", func(f refresh.Family) { s.deny(ann, f.Handle, s.until()) }},
		{"ended", func(f refresh.Family) { s.end(f, wired) }},
		{"expired", func(f refresh.Family) { s.clock.advance(f.Idle) }},
	} {
		f := family(ann, tc.what)
		f.Idle = time.Hour
		f = s.create(f)
		f = s.answered("Rotate", f, presented(1, wired), refresh.Rotated)
		tc.end(f)
		out, err := s.rotate(f, presented(2, wired))
		s.fails("Rotate of one that is "+tc.what, err, refresh.ErrGone)
		if out != (refresh.Outcome{}) {
			s.t.Fatalf("Rotate of one that is %s: got %s and %s, want nothing", tc.what, name(out.Verdict), describe(out.Family))
		}
		s.dead("one that is "+tc.what, f)
	}
	s.have("another owner's", bob, beside)
}

func rotateEndDenies(s *families) {
	epoch := s.raise(ann, s.until())
	beside, his := s.create(family(ann, "beside")), s.create(family(bob, "his"))
	for _, held := range []time.Duration{10 * time.Minute, 2 * time.Hour} {
		for _, tc := range reuses(held) {
			f, p := tc.open(s)
			s.exposed(tc.what, f, p, tc.want)
			asked := revocation.Asked{Session: f.Handle, Generation: f.Generation}
			denied := revocation.Found{Epoch: epoch, Denied: true}
			s.clock.advance(held - time.Second)
			if got := s.asked(ann, asked); got != denied {
				s.t.Fatalf("%s, Revoked a second before the denial's end: got %+v, want %+v", tc.what, got, denied)
			}
			s.clock.advance(2 * time.Second)
			if got, want := s.asked(ann, asked), (revocation.Found{Epoch: epoch}); got != want {
				s.t.Fatalf("%s, Revoked a second after the denial's end: got %+v, want %+v", tc.what, got, want)
			}
			s.dead(tc.what+", when the denial is forgotten", f)
			s.have(tc.what+", another family", ann, beside)
			s.have(tc.what+", another owner's", bob, his)
			s.deniedIs(tc.what+", the handle of another family", ann, beside.Handle, false)
		}
	}
}

// raised fails unless the epoch has risen above before, for so long and no longer, and
// the owner's denials are forgotten.
func (s *families) raised(what string, before uint64, held time.Duration) {
	s.t.Helper()
	epoch, denied := s.revoked(ann, handle("1"))
	if epoch <= before || denied {
		s.t.Fatalf("%s where the epoch was %d: got %d and denied %t, want a greater one and false", what, before, epoch, denied)
	}
	s.epochIs(what+", another owner", bob, 0)
	s.clock.advance(held - time.Second)
	s.epochIs(what+", a second before it is forgotten", ann, epoch)
	s.clock.advance(2 * time.Second)
	s.epochIs(what+", a second after it may be", ann, 0)
}

// What may have been stolen must not stay good because much else was revoked.
func rotateEndFull(s *families) {
	his := s.create(family(bob, "his"))
	for _, tc := range reuses(20 * time.Minute) {
		beside := s.create(family(ann, tc.what))
		f, p := tc.open(s)
		s.fill(s.clock.now().Add(time.Hour))
		out, err := s.rotate(f, p)
		s.succeeds(tc.what+" without room for a denial", err)
		if out.Verdict != tc.want || out.Family != f {
			s.t.Fatalf("%s without room for a denial: got %s and %s, want %s and %s", tc.what, name(out.Verdict), describe(out.Family), name(tc.want), describe(f))
		}
		s.dead(tc.what+" without room for a denial", f, beside)
		s.raised(tc.what+" without room for a denial", 0, 20*time.Minute)
		s.dead(tc.what+", when the epoch is forgotten", f, beside)
		s.have(tc.what+", another owner's", bob, his)
	}
	// An epoch that is there is raised, and kept as long as it was to be.
	epoch := s.raise(ann, s.clock.now().Add(2*time.Hour))
	f := family(ann, "short")
	f.Lifetime, f.Idle = time.Hour, time.Hour
	f = s.create(f)
	s.fill(s.until())
	p := presented(1, wired)
	p.Binding = refresh.Binding{}
	_, err := s.rotate(f, p)
	s.succeeds("without room for a denial", err)
	s.clock.advance(time.Hour)
	if now, _ := s.revoked(ann, f.Handle); now <= epoch {
		s.t.Fatalf("the epoch, which was %d and was to be kept: got %d, want more", epoch, now)
	}
	// With room for one more the epoch stays.
	s.raise(ann, s.until())
	g := s.open()
	for i := range revocation.MaxDenied - 1 {
		s.deny(ann, handle(fmt.Sprint(i)), s.until())
	}
	s.end(g, wired)
	s.epochIs("with room for one more", ann, g.Epoch)
	s.deniedIs("with room for one more", ann, g.Handle, true)
}

// path is a family beside what must have become of it.
type path struct {
	f      refresh.Family
	floors map[uint64]uint64 // of what was voided last, until the time in ends
	ends   map[uint64]time.Time
}

// rotateEveryPath takes families on long ways, on which refresh.Family says what must
// come of each step.
func rotateEveryPath(s *families) {
	const ways, steps = 10, 100
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(n int) int { return random.IntN(n) }
	for way := range ways {
		owner := ann
		owner.Hash[0] = byte(way + 10)
		f := family(owner, fmt.Sprint("way ", way))
		f.Idle, f.Lifetime = 3*day, 25*day
		p := path{f: s.create(f), floors: map[uint64]uint64{}, ends: map[uint64]time.Time{}}
		for step := range steps {
			grace := graces[pick(len(graces))]
			r := refresh.Rules{Grace: grace, Wired: pick(8) > 0, Denied: time.Hour}
			s.clock.advance([]time.Duration{
				0, edge, grace, grace + edge, 2 * grace, 2*grace + edge, 3 * grace, 3*grace + edge, time.Hour, time.Hour, day, day + edge,
			}[pick(12)])
			what := fmt.Sprintf("way %d, step %d, %s", way, step, rules(r))
			latest := p.f.Generation
			generation := max(1, []uint64{latest, latest, latest - 1, latest - 1, latest - 1, latest - 1, latest - min(2, latest), latest + 1}[pick(8)])
			var live bool
			if pick(8) == 0 {
				live = s.pathSight(what, &p, revocation.Answer{
					Generation: generation, Stamp: []uint64{p.f.Stamp, p.f.Floor, p.f.Floor - min(1, p.f.Floor), uint64(p.f.Created)}[pick(4)],
				})
			} else {
				token := presented(generation, r)
				// Most ways are to be long.
				if tried := p.f; !tried.Present(token, s.micros()).Answered() && pick(20) > 0 {
					token.Generation = latest
				}
				live = s.pathRotate(what, &p, token)
			}
			if !live {
				s.dead(what, p.f)
				break
			}
			s.holds(what, p.f)
			asked := revocation.Asked{Session: p.f.Handle, Generation: generation}
			want := revocation.Found{}
			if s.clock.now().Before(p.ends[generation]) {
				want.Floor = p.floors[generation]
			}
			if got := s.asked(owner, asked); got != want {
				s.t.Fatalf("%s, Revoked of generation %d: got %+v, want %+v", what, generation, got, want)
			}
		}
	}
}

// pathRotate reports whether the family is alive after it.
func (s *families) pathRotate(what string, p *path, token *refresh.Presented) bool {
	s.t.Helper()
	out, err := s.rotate(p.f, token)
	if !p.f.Live(s.micros()) {
		s.fails(what+", Rotate", err, refresh.ErrGone)
		return false
	}
	s.succeeds(what+", Rotate", err)
	want := refresh.Outcome{Family: p.f}
	want.Verdict = want.Family.Present(token, s.micros())
	if out != want {
		s.t.Fatalf("%s, Rotate of generation %d before %s: got %s and %s, want %s and %s", what, token.Generation, describe(p.f),
			name(out.Verdict), describe(out.Family), name(want.Verdict), describe(want.Family))
	}
	p.f = want.Family
	if want.Verdict == refresh.LateRepeated {
		p.floors[p.f.Generation] = p.f.Floor
		p.ends[p.f.Generation] = s.clock.now().Add(token.Rules.Denied)
	}
	return want.Verdict.Answered()
}

func (s *families) pathSight(what string, p *path, a revocation.Answer) bool {
	s.t.Helper()
	err := s.store.Sight(s.t.Context(), p.f.Owner, p.f.Handle, a)
	if !p.f.Live(s.micros()) {
		s.fails(what+", Sight", err, revocation.ErrEnded)
		return false
	}
	_, want := p.f.Sight(a, s.micros())
	if want == nil {
		s.succeeds(what+", Sight", err)
	} else {
		s.fails(what+", Sight", err, want)
	}
	return true
}

package storetest

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// A login sets no window: whoever was first with the first token gets the second one.
func rotateLogin(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{0, edge, r.Grace, 3 * r.Grace, day} {
			f := s.open()
			s.clock.advance(after)
			f = s.answered(fmt.Sprintf("%s, %s after the login", rules(r), after), f, presented(1, r), refresh.Rotated)
			s.end(f, r)
		}
	})
}

func rotateLatest(s *families) {
	everyRule(func(r refresh.Rules) {
		f := s.open()
		for generation := uint64(1); generation < 6; generation++ {
			s.clock.advance(3*r.Grace + edge)
			f = s.answered(fmt.Sprintf("%s, generation %d", rules(r), generation), f, presented(generation, r), refresh.Rotated)
		}
		s.have(rules(r), ann, f)
		s.end(f, r)
	})
}

func rotateCoalesces(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{0, r.Grace + edge, 2*r.Grace + edge, 3 * r.Grace} {
			if after > 3*r.Grace {
				continue
			}
			f := s.rotated(r)
			s.clock.advance(after)
			f = s.answered(fmt.Sprintf("%s, %s after the rotation", rules(r), after), f, presented(2, r), refresh.Coalesced)
			s.end(f, r)
		}
		f := s.rotated(r)
		s.clock.advance(3*r.Grace + edge)
		f = s.answered(rules(r)+", shortly after the window", f, presented(2, r), refresh.Rotated)
		s.end(f, r)
	})
}

// A repeat is given up to a grace after the rotation and arrives up to a grace later. A
// second tab that reads the jar just before it does comes up to a grace after that, beside
// one that reads it just afterwards. With no grace nothing is under way.
func rotateUnderWay(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{r.Grace / 2, r.Grace} {
			if r.Grace == 0 {
				continue
			}
			f := s.rotated(r)
			s.clock.advance(after)
			what := fmt.Sprintf("%s, a repeat %s after the rotation, ", rules(r), after)
			f = s.answered(what+"itself", f, presented(1, r), refresh.Repeated)
			s.clock.advance(2 * r.Grace)
			f = s.answered(what+"the latest two graces after it", f, presented(2, r), refresh.Coalesced)
			f = s.answered(what+"then the predecessor", f, presented(1, r), refresh.Repeated)
			s.have(what+"after both", ann, f)
			s.end(f, r)
		}
	})
}

// A browser that was given generation 2 and had it confirmed may have a second tab that
// is as late as that. A confirmation shuts no window that a rotation opened: it may be a
// sighting of the first answer while the repeat of it is under way.
func rotateConfirmed(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, late := range []time.Duration{0, r.Grace, r.Grace + edge, time.Hour} {
			for _, past := range []bool{false, true} {
				f := s.rotated(r)
				s.clock.advance(late)
				f = s.confirmed("a sighting", f)
				s.clock.advance(max(3*r.Grace-late, 2*r.Grace))
				what, want := "at the end of the window", refresh.Coalesced
				if past {
					s.clock.advance(edge)
					what, want = "shortly after the window", refresh.Rotated
				}
				f = s.answered(fmt.Sprintf("%s, confirmed %s after the rotation, %s", rules(r), late, what), f, presented(2, r), want)
				s.end(f, r)
			}
		}
	})
}

func rotateConfirmedLogin(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, past := range []bool{false, true} {
			f := s.open()
			s.clock.advance(time.Minute)
			f = s.confirmed("a sighting", f)
			s.clock.advance(2 * r.Grace)
			what, want := rules(r)+", at the end of the window of a confirmed login", refresh.Coalesced
			if past {
				s.clock.advance(edge)
				what, want = rules(r)+", shortly after the window of a confirmed login", refresh.Rotated
			}
			f = s.answered(what, f, presented(1, r), want)
			s.end(f, r)
		}
	})
}

// The first confirmation counts, or who polls would keep a window open for ever.
func rotateFirstConfirmation(s *families) {
	everyRule(func(r refresh.Rules) {
		// By presenting, then by presenting and by a sighting.
		f := s.rotated(r)
		s.clock.advance(3 * r.Grace)
		f = s.answered(rules(r)+", confirming", f, presented(2, r), refresh.Coalesced)
		confirmed := f.Confirmed
		if r.Grace > 0 {
			s.clock.advance(2 * r.Grace)
			f = s.answered(rules(r)+", at the end of the window of the confirmation", f, presented(2, r), refresh.Coalesced)
			s.succeeds("Sight", s.sight(f, 2, f.Stamp))
			s.holds("after a second confirmation", f)
			if f.Confirmed != confirmed {
				s.t.Fatalf("%s: got confirmed %d, want %d", rules(r), f.Confirmed, confirmed)
			}
		}
		s.clock.advance(edge)
		f = s.answered(rules(r)+", shortly after it", f, presented(2, r), refresh.Rotated)
		s.end(f, r)
		// By a sighting, then by presenting.
		f = s.rotated(r)
		s.clock.advance(2 * r.Grace)
		f = s.confirmed("a sighting", f)
		s.clock.advance(2 * r.Grace)
		if r.Grace > 0 {
			f = s.answered(rules(r)+", at the end of the window of the sighting", f, presented(2, r), refresh.Coalesced)
		}
		s.clock.advance(edge)
		f = s.answered(rules(r)+", shortly after the window of the sighting", f, presented(2, r), refresh.Rotated)
		s.end(f, r)
	})
}

func rotateRepeats(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{0, r.Grace} {
			f := s.rotated(r)
			s.clock.advance(after)
			what := fmt.Sprintf("%s, the predecessor %s after the rotation", rules(r), after)
			f = s.answered(what, f, presented(1, r), refresh.Repeated)
			if after == 0 && r.Grace > 0 {
				f = s.answered(what+", again", f, presented(1, r), refresh.Repeated)
				s.clock.advance(r.Grace)
				f = s.answered(what+", again at the end of the window", f, presented(1, r), refresh.Repeated)
			}
			s.end(f, r)
		}
		// A repeat sets no window: it is that of the rotation.
		f := s.rotated(r)
		s.clock.advance(r.Grace)
		f = s.answered(rules(r)+", a repeat", f, presented(1, r), refresh.Repeated)
		s.clock.advance(edge)
		if r.Wired {
			s.end(s.answered(rules(r)+", shortly after the window", f, presented(1, r), refresh.LateRepeated), r)
		} else {
			s.exposed(rules(r)+", shortly after the window", f, presented(1, r), refresh.ReusedUnconfirmed)
		}
	})
}

func rotateRepeatsConfirmed(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, late := range []time.Duration{0, r.Grace, time.Hour} {
			for _, past := range []bool{false, true} {
				f := s.rotated(r)
				s.clock.advance(late)
				f = s.confirmed("a sighting", f)
				s.clock.advance(r.Grace)
				what := fmt.Sprintf("%s, the predecessor of one confirmed %s after the rotation", rules(r), late)
				if past {
					s.clock.advance(edge)
					s.exposed(what+", shortly after the window", f, presented(1, r), refresh.Reused)
					continue
				}
				f = s.answered(what+", at the end of the window", f, presented(1, r), refresh.Repeated)
				s.end(f, r)
			}
		}
	})
}

func rotateReused(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{r.Grace + edge, day, day + edge} {
			// Confirmed by presenting, and by a sighting.
			f := s.rotated(r)
			f = s.answered(rules(r)+", the latest", f, presented(2, r), refresh.Coalesced)
			s.clock.advance(after)
			s.exposed(fmt.Sprintf("%s, the predecessor %s after the latest was presented", rules(r), after), f, presented(1, r), refresh.Reused)
			f = s.confirmed("a sighting", s.rotated(r))
			s.clock.advance(after)
			s.exposed(fmt.Sprintf("%s, the predecessor %s after the latest was sighted", rules(r), after), f, presented(1, r), refresh.Reused)
		}
	})
}

// everyWired runs f under the rules under which a late repeat is believed.
func everyWired(f func(r refresh.Rules)) {
	everyRule(func(r refresh.Rules) {
		if r.Wired {
			f(r)
		}
	})
}

func rotateLate(s *families) {
	everyWired(func(r refresh.Rules) {
		for _, after := range []time.Duration{r.Grace + edge, time.Hour, day} {
			f := s.rotated(r)
			s.clock.advance(after)
			f = s.answered(fmt.Sprintf("%s, the predecessor %s after the rotation", rules(r), after), f, presented(1, r), refresh.LateRepeated)
			if f.Floor != f.Stamp || f.Floor <= uint64(f.Created) {
				s.t.Fatalf("%s: got floor %d, want that of the answer: %d", rules(r), f.Floor, f.Stamp)
			}
			s.end(f, r)
		}
		f := s.rotated(r)
		s.clock.advance(day + edge)
		s.exposed(rules(r)+", the predecessor shortly after a day", f, presented(1, r), refresh.ReusedUnconfirmed)
	})
}

func rotateLateAgain(s *families) {
	late := func(r refresh.Rules) refresh.Family {
		f := s.rotated(r)
		s.clock.advance(time.Hour)
		return s.answered(rules(r)+", a late repeat", f, presented(1, r), refresh.LateRepeated)
	}
	everyWired(func(r refresh.Rules) {
		f := late(r)
		s.clock.advance(r.Grace)
		f = s.answered(rules(r)+", the predecessor at the end of the window of a late repeat", f, presented(1, r), refresh.Repeated)
		s.clock.advance(edge)
		f = s.answered(rules(r)+", shortly after it", f, presented(1, r), refresh.LateRepeated)
		s.clock.advance(day)
		f = s.answered(rules(r)+", a day after that", f, presented(1, r), refresh.LateRepeated)
		s.clock.advance(day + edge)
		s.exposed(rules(r)+", more than a day after that", f, presented(1, r), refresh.ReusedUnconfirmed)

		f = late(r)
		s.clock.advance(3 * r.Grace)
		f = s.answered(rules(r)+", the latest at the end of the window of a late repeat", f, presented(2, r), refresh.Coalesced)
		s.clock.advance(r.Grace + edge)
		s.exposed(rules(r)+", the predecessor after the latest was presented", f, presented(1, r), refresh.Reused)

		f = late(r)
		s.clock.advance(3*r.Grace + edge)
		f = s.answered(rules(r)+", the latest shortly after the window of a late repeat", f, presented(2, r), refresh.Rotated)
		s.end(f, r)

		f = s.confirmed("a sighting of what a late repeat answered", late(r))
		s.clock.advance(r.Grace + edge)
		s.exposed(rules(r)+", the predecessor after that was sighted", f, presented(1, r), refresh.Reused)
	})
}

func rotateUnwired(s *families) {
	for _, grace := range graces {
		for _, after := range []time.Duration{edge, time.Hour, 2 * day} {
			r := refresh.Rules{Grace: grace, Denied: hold}
			f := s.rotated(r)
			s.clock.advance(grace + after)
			s.exposed(fmt.Sprintf("%s, the predecessor %s after the window", rules(r), after), f, presented(1, r), refresh.ReusedUnconfirmed)
		}
	}
}

func rotateOlder(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, generation := range []uint64{2, 1} {
			for _, confirmed := range []bool{false, true} {
				f := s.rotated(r)
				for f.Generation < 4 {
					s.clock.advance(3*r.Grace + edge)
					f = s.answered("Rotate", f, presented(f.Generation, r), refresh.Rotated)
				}
				if confirmed {
					f = s.confirmed("a sighting", f)
				}
				s.exposed(fmt.Sprintf("%s, generation %d of 4 just after the rotation, confirmed %t", rules(r), generation, confirmed),
					f, presented(generation, r), refresh.ReusedOlder)
			}
		}
	})
}

// A token newer than the store knows has a right MAC, so the store has lost a write.
func rotateNewer(s *families) {
	everyRule(func(r refresh.Rules) {
		for _, after := range []time.Duration{0, r.Grace, 3*r.Grace + edge, 2 * day} {
			for _, ahead := range []uint64{1, 2, 7, 1 << 33, 1<<48 - 3} {
				f := s.rotated(r)
				s.clock.advance(after)
				what := fmt.Sprintf("%s, a token %d generations ahead, %s after the rotation", rules(r), ahead, after)
				f = s.answered(what, f, presented(2+ahead, r), refresh.Recovered)
				if r.Grace > 0 {
					f = s.answered(what+", again", f, presented(2+ahead, r), refresh.Coalesced)
				}
				s.have(what, ann, f)
				s.end(f, r)
			}
		}
		f := s.open()
		f = s.answered(rules(r)+", a token ahead of a login", f, presented(2, r), refresh.Recovered)
		s.end(f, r)
	})
}

func rotateRecovered(s *families) {
	recovered := func(r refresh.Rules) refresh.Family {
		f := s.rotated(r)
		s.lapse()
		return s.answered(rules(r)+", a recovery", f, presented(5, r), refresh.Recovered)
	}
	everyRule(func(r refresh.Rules) {
		f := recovered(r)
		s.clock.advance(3 * r.Grace)
		f = s.answered(rules(r)+", the latest at the end of the window of a recovery", f, presented(5, r), refresh.Coalesced)
		s.end(f, r)
		f = recovered(r)
		s.clock.advance(3*r.Grace + edge)
		f = s.answered(rules(r)+", the latest shortly after it", f, presented(5, r), refresh.Rotated)
		s.end(f, r)
		f = recovered(r)
		s.clock.advance(r.Grace)
		f = s.answered(rules(r)+", the predecessor at the end of its window", f, presented(4, r), refresh.Repeated)
		s.clock.advance(edge)
		s.exposed(rules(r)+", the predecessor shortly after it", f, presented(4, r), refresh.Reused)
		// What the store knew before is as old as anything else.
		s.exposed(rules(r)+", what was the latest before", recovered(r), presented(2, r), refresh.ReusedOlder)
	})
}

func rotateMisbound(s *families) {
	everyRule(func(r refresh.Rules) {
		for generation := uint64(1); generation < 6; generation++ {
			f := s.rotated(r)
			s.clock.advance(3*r.Grace + edge)
			f = s.answered("Rotate", f, presented(2, r), refresh.Rotated)
			p := presented(generation, r)
			p.Binding = refresh.Binding{1}
			s.exposed(fmt.Sprintf("%s, generation %d of 3 with another binding", rules(r), generation), f, p, refresh.Misbound)
		}
		f := s.open()
		p := presented(1, r)
		p.Binding = refresh.Binding{}
		s.exposed(rules(r)+", the token of a login with no binding", f, p, refresh.Misbound)
	})
}

func rotateBinding(s *families) {
	for i := range binding {
		f := s.open()
		p := presented(1, wired)
		p.Binding[i] ^= 0x80
		s.exposed(fmt.Sprintf("a binding that differs in byte %d", i), f, p, refresh.Misbound)
	}
	f := family(ann, "unbound")
	f.Binding = refresh.Binding{}
	f = s.create(f)
	p := presented(1, wired)
	p.Binding = refresh.Binding{}
	f = s.answered("no binding where none is", f, p, refresh.Rotated)
	p.Binding[15] = 1
	s.exposed("a binding where none is", f, p, refresh.Misbound)
}

// Stamps order the answers of a family. That they are no count keeps a thief from
// reading how many there were; that no two are the same lets one be void and the next not.
func rotateStamps(s *families) {
	f := s.open()
	last := f.Stamp
	for i, step := range []struct {
		after      time.Duration
		generation uint64
		want       refresh.Verdict
	}{
		{0, 1, refresh.Rotated}, {0, 1, refresh.Repeated}, {0, 2, refresh.Coalesced}, {0, 2, refresh.Coalesced}, {0, 9, refresh.Recovered},
		{time.Minute, 9, refresh.Rotated}, {0, 9, refresh.Repeated}, {time.Minute, 9, refresh.LateRepeated}, {0, 9, refresh.Repeated},
		{edge, 10, refresh.Coalesced}, {time.Hour, 10, refresh.Rotated}, {edge, 10, refresh.Repeated}, {0, 10, refresh.Repeated},
	} {
		s.clock.advance(step.after)
		what := fmt.Sprintf("answer %d, %s later", i, step.after)
		f = s.answered(what, f, presented(step.generation, wired), step.want)
		if want := max(last+1, uint64(s.micros())); f.Stamp != want {
			s.t.Fatalf("%s: got stamp %d, want %d, which is past %d and not before the clock", what, f.Stamp, want, last)
		}
		last = f.Stamp
	}
}

// A family's clock is that of its last answer, if the store's is behind that: with no
// grace, a microsecond decides.
func rotateStampClock(s *families) {
	r := refresh.Rules{Denied: hold}
	f := s.rotated(r)
	f = s.answered("the latest at once", f, presented(2, r), refresh.Coalesced)
	f = s.answered("the latest for the second time", f, presented(2, r), refresh.Rotated)
	if now := s.micros(); f.Fixed != now+1 || f.Stamp != uint64(now)+2 {
		s.t.Fatalf("after three answers at %d: got fixed %d and stamp %d, want 1 and 2 more", now, f.Fixed, f.Stamp)
	}
	f = s.confirmed("a sighting", f)
	if now := s.micros(); f.Confirmed != now+2 {
		s.t.Fatalf("a sighting of what was answered last: got confirmed %d, want %d", f.Confirmed, now+2)
	}
	f = s.answered("the predecessor at once", f, presented(2, r), refresh.Repeated)
	s.exposed("the predecessor for the second time", f, presented(2, r), refresh.Reused)
}

// Nothing of the rules is kept: all nodes may have new ones.
func rotateRules(s *families) {
	long := refresh.Rules{Grace: 60 * time.Second, Denied: hold}
	f := s.rotated(long)
	s.clock.advance(100 * time.Second)
	f = s.answered("the latest with the longer grace", f, presented(2, long), refresh.Coalesced)
	s.clock.advance(30 * time.Second)
	f = s.answered("the latest with the shorter grace", f, presented(2, wired), refresh.Rotated)
	s.clock.advance(40 * time.Second)
	f = s.answered("the predecessor with the longer grace", f, presented(2, long), refresh.Repeated)
	f = s.answered("the predecessor, wired", f, presented(2, wired), refresh.LateRepeated)
	s.clock.advance(61 * time.Second)
	s.exposed("the predecessor, unwired", f, presented(2, long), refresh.ReusedUnconfirmed)
}

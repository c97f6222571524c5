package storetest

import (
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// Each operation is the first that meets an expired family.
func familyIdle(s *families) {
	none := refresh.Family{}
	for what, meets := range map[string]func(f refresh.Family) error{
		"FindFamily": func(f refresh.Family) error {
			got, err := s.store.FindFamily(s.t.Context(), f.Key())
			if got != none {
				s.t.Fatalf("FindFamily of an expired one: got %s, want no family", describe(got))
			}
			return err
		},
		"Rotate": func(f refresh.Family) error { _, err := s.rotate(f, presented(1, wired)); return err },
		"Rotate with another binding": func(f refresh.Family) error {
			p := presented(1, wired)
			p.Binding[0] ^= 1
			_, err := s.rotate(f, p)
			return err
		},
		"Rotate with a newer one": func(f refresh.Family) error { _, err := s.rotate(f, presented(9, wired)); return err },
		"EndFamily":               func(f refresh.Family) error { _, err := s.store.EndFamily(s.t.Context(), f.Key(), wired); return err },
		"Sight":                   func(f refresh.Family) error { return s.sight(f, 1, f.Stamp) },
		"Families": func(refresh.Family) error {
			s.have("with an expired one", ann)
			return refresh.ErrGone
		},
	} {
		f := s.open()
		s.clock.advance(f.Idle - edge)
		s.holds(what+" shortly before the end", f)
		s.clock.advance(edge)
		s.fails(what+" at the end", meets(f), refresh.ErrGone)
		s.dead(what+" at the end", f)
		s.deniedIs(what+" of an expired one, its handle", ann, f.Handle, false)
	}
}

func familyAbsolute(s *families) {
	f := s.open()
	ends := f.Ends
	for range 4 {
		s.clock.advance(7 * day)
		f = s.answered("once a week, Rotate", f, presented(f.Generation, wired), refresh.Rotated)
		f = s.answered("once a week, Rotate again", f, presented(f.Generation, wired), refresh.Coalesced)
		if f.Ends != ends {
			s.t.Fatalf("the end after a use: got %s, want as it was: %s", time.UnixMicro(f.Ends), time.UnixMicro(ends))
		}
	}
	s.clock.advance(time.UnixMicro(ends).Sub(s.clock.now()) - edge)
	f = s.answered("shortly before the end", f, presented(f.Generation, wired), refresh.Rotated)
	s.clock.advance(edge)
	s.dead("at the end", f)
}

// Every answer is a use, and nothing else is.
func familyUse(s *families) {
	f := s.open()
	before := f.Expires
	s.clock.advance(day)
	f = s.confirmed("a sighting", f)
	if f.Expires != before {
		s.t.Fatalf("the idle end after a sighting: got %s, want as it was: %s", time.UnixMicro(f.Expires), time.UnixMicro(before))
	}
	uses := func(what string, generation uint64, want refresh.Verdict) {
		s.t.Helper()
		before = f.Expires
		f = s.answered(what, f, presented(generation, wired), want)
		if now := s.micros() + f.Idle.Microseconds(); f.Expires != now || f.Expires == before {
			s.t.Fatalf("the idle end after %s: got %s, want %s", what, time.UnixMicro(f.Expires), time.UnixMicro(now))
		}
		s.clock.advance(time.Second)
	}
	uses("a coalesced answer", 1, refresh.Coalesced)
	s.lapse()
	uses("a rotation", 1, refresh.Rotated)
	uses("a repeat", 1, refresh.Repeated)
	s.lapse()
	uses("a late repeat", 1, refresh.LateRepeated)
	uses("a recovery", 5, refresh.Recovered)
	// What is refused because there is no room is no use.
	s.lapse()
	uses("a rotation", 5, refresh.Rotated)
	s.lapse()
	s.cram()
	_, err := s.rotate(f, presented(f.Generation-1, wired))
	s.fails("a late repeat without room", err, revocation.ErrFull)
	s.holds("after a late repeat without room", f)
}

func familyExpired(s *families) {
	f := s.rotated(wired)
	f = s.answered("a repeat", f, presented(1, wired), refresh.Repeated)
	s.clock.advance(f.Idle)
	s.dead("an expired family", f)
	s.clock.advance(day)
	s.dead("an expired family, a day later", f)
	s.have("after all attempts", ann)
}

// A family stands beside the sessions of its owner and is none.
func familyNoSession(s *families) {
	all := s.sessions()
	told := &reports{seen: make(map[session.StoreKey][]session.Entry), why: make(map[session.StoreKey]session.Ending)}
	if reporter, ok := s.store.(session.Reporter); ok {
		reporter.Report(told.add)
	}
	f := s.open()
	a := all.open(all.one("a", 0))
	all.lists("beside a family", ann, a)
	s.have("beside a session", ann, f)
	k := session.StoreKey{Tag: f.Owner.Tag}
	copy(k.Hash[:], f.Handle[:])
	all.holds("the key of a family, as one of a session", k, session.Entry{})
	_, err := all.take(k)
	s.fails("Take of the key of a family", err, session.ErrGone)
	s.gone("the handle of a session, as one of a family", refresh.Key{Tag: ann.Tag, Handle: a.Entry.Handle}, 1)
	b := all.one("b", time.Minute)
	all.admits("Create with a limit of two, beside a family", b, session.Admission{Max: 2})
	s.have("after Create", ann, f)
	g := family(ann, "g")
	g, ended, err := s.store.CreateFamily(s.t.Context(), g, 2)
	s.succeeds("CreateFamily with a limit of two, beside two sessions", err)
	s.same("what had to go", ended)
	all.lists("after CreateFamily", ann, a, b)
	s.clock.advance(life)
	s.have("when the sessions have expired", ann, f, g)
	all.dead("an expired session", a, b)
	s.clock.advance(g.Idle)
	s.dead("an expired family", f, g)
	all.lists("when the families have expired", ann)
	told.mu.Lock()
	defer told.mu.Unlock()
	for k := range told.seen {
		if k != a.Key && k != b.Key {
			s.t.Fatalf("what was reported when families expired: got %s, want nothing: they are no sessions", k)
		}
	}
}

package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func familyBegins(s *families) {
	for i, idle := range []time.Duration{time.Second, 14 * day, 30 * day, 30*day + time.Second} {
		f := family(ann, fmt.Sprint(i))
		f.Idle = idle
		s.holds(fmt.Sprintf("what CreateFamily returned, idle for %s of %s", idle, f.Lifetime), s.create(f))
		s.clock.advance(time.Millisecond)
	}
}

// What a caller says of a beginning is not the caller's to say.
func familyOwn(s *families) {
	f := family(ann, "a")
	want := s.begun(f, 0)
	f.Epoch, f.Created, f.Ends, f.Expires = 7, 5, 1<<60, 1<<61
	f.Generation, f.Fixed, f.Confirmed, f.Stamp, f.Floor = 9, s.micros(), s.micros(), 1<<60, 3
	got, _, err := s.store.CreateFamily(s.t.Context(), f, many)
	s.succeeds("CreateFamily", err)
	if got != want {
		s.t.Fatalf("CreateFamily of one that says how it began: got %s, want %s", describe(got), describe(want))
	}
	s.have("after CreateFamily", ann, want)
}

func familyAbsent(s *families) {
	f := family(ann, "a")
	s.gone("where nothing is", f.Key(), 1)
	s.fails("Sight where nothing is", s.sight(f, 1, 1), revocation.ErrEnded)
	s.have("where nothing is", ann)
	s.deniedIs("a handle that no family has, after EndFamily", ann, handle("a"), false)
	s.epochIs("after EndFamily", ann, 0)
}

func familyExists(s *families) {
	there := s.create(family(ann, "a"))
	s.clock.advance(time.Second)
	beside := s.create(family(ann, "b"))
	s.clock.advance(time.Second)
	for _, limit := range []int{many, 2, 1} {
		f := family(ann, "a")
		f.Value, f.Secret, f.Binding = "another", tokenSecret, refresh.Binding{}
		_, ended, err := s.store.CreateFamily(s.t.Context(), f, limit)
		s.fails("CreateFamily over a live one", err, refresh.ErrExists)
		s.same("what had to go for it", ended)
		s.have("after it", ann, there, beside)
	}
}

func familyOneOfMany(s *families) {
	const n = 8
	for round := range 10 {
		made, errs := make([]refresh.Family, n), make([]error, n)
		together(s.t, n, func(i int) {
			f := family(ann, fmt.Sprint(round))
			f.Value = fmt.Sprint(i)
			made[i], _, errs[i] = s.store.CreateFamily(s.t.Context(), f, many)
		})
		winner := s.winner("CreateFamily", errs, refresh.ErrExists)
		s.holds("what the winner made", made[winner])
		s.end(made[winner], wired)
	}
}

// over is where something else may begin, with nothing of what stood there.
func (s *families) over(what string, dead refresh.Family, epoch uint64) {
	s.t.Helper()
	f := family(ann, dead.Value)
	f.Handle, f.Value, f.Binding, f.Secret = dead.Handle, "again", refresh.Binding{}, tokenSecret
	if got := s.create(f); got.Epoch != epoch {
		s.t.Fatalf("%s, CreateFamily: got epoch %d, want %d", what, got.Epoch, epoch)
	}
	s.have(what, ann, s.begun(f, epoch))
}

func familyOver(s *families) {
	f := s.rotated(wired)
	s.clock.advance(f.Idle)
	s.over("where one expired", f, 0)
	epoch := s.raise(ann, s.until())
	s.over("where one was revoked", f, epoch)
	s.deny(ann, f.Handle, s.clock.now().Add(time.Minute))
	s.clock.advance(time.Minute + time.Second)
	s.over("where one was denied", f, epoch)
	got, err := s.store.EndFamily(s.t.Context(), f.Key(), refresh.Rules{Denied: time.Minute})
	s.succeeds("EndFamily", err)
	s.clock.advance(time.Minute + time.Second)
	s.over("where one was ended", got, epoch)
}

func familyEpoch(s *families) {
	for i := range 3 {
		epoch := s.raise(ann, s.until())
		f := s.open()
		if f.Epoch != epoch {
			s.t.Fatalf("the epoch that CreateFamily returns: got %d, want %d", f.Epoch, epoch)
		}
		s.have(fmt.Sprintf("after RaiseEpoch %d times", i+1), ann, f)
	}
	if f := s.create(family(bob, "his")); f.Epoch != 0 {
		s.t.Fatalf("the epoch of another owner's: got %d, want 0", f.Epoch)
	}
}

// An epoch must outlive what it stands against.
func familyEpochUntil(s *families) {
	s.open()
	s.epochIs("after CreateFamily where no epoch is", ann, 0)
	epoch := s.raise(ann, s.clock.now().Add(life))
	f := family(ann, "long")
	f.Lifetime, f.Idle = 3*life, life
	s.create(f)
	f = family(ann, "short")
	f.Lifetime, f.Idle = time.Minute, time.Minute
	s.create(f)
	s.clock.advance(3*life - time.Second)
	s.epochIs("a second before the longest family ends", ann, epoch)
	s.clock.advance(2 * time.Second)
	s.epochIs("a second after it", ann, 0)
}

func familyEpochParallel(s *families) {
	const makers, raisers = 4, 3
	for round := range 10 {
		made, problems := make([]refresh.Family, makers), make([]string, makers+raisers)
		epochs := make([]uint64, raisers)
		until := s.until()
		together(s.t, makers+raisers, func(i int) {
			var err error
			if i < makers {
				made[i], _, err = s.store.CreateFamily(s.t.Context(), family(ann, fmt.Sprint(round, i)), many)
			} else {
				epochs[i-makers], err = s.store.RaiseEpoch(s.t.Context(), ann, until)
			}
			if err != nil {
				problems[i] = err.Error()
			}
		})
		s.noProblem("CreateFamily beside RaiseEpoch", problems)
		last, _ := s.revoked(ann, handle("whichever"))
		var alive []refresh.Family
		for _, f := range made {
			if f.Epoch == last {
				alive = append(alive, f)
			} else {
				s.dead("a family of an epoch that has passed", f)
			}
		}
		s.have("after RaiseEpoch beside CreateFamily", ann, alive...)
		for _, f := range alive {
			s.end(f, wired)
		}
	}
}

// near returns f under keys that differ from its own in one byte.
func near(f refresh.Family) map[string]refresh.Family {
	all := make(map[string]refresh.Family)
	for i := range f.Owner.Tag {
		n := f
		n.Owner.Tag[i] ^= 0x01
		all[fmt.Sprintf("tag byte %d", i)] = n
	}
	for i := range f.Handle {
		n := f
		n.Handle[i] ^= 0x80
		all[fmt.Sprintf("handle byte %d", i)] = n
	}
	return all
}

func familyKeys(s *families) {
	base := s.create(family(ann, "base"))
	all := near(family(ann, "base"))
	for what, f := range all {
		s.gone("a key that differs in "+what, f.Key(), 1)
		s.fails("Sight of a key that differs in "+what, s.sight(f, 1, 1), revocation.ErrEnded)
	}
	s.have("after all of them", ann, base)
	for what, f := range all {
		f.Value = what
		all[what] = s.create(f)
	}
	for what, f := range all {
		s.holds("a key that differs in "+what, f)
	}
	s.holds("the base key", base)
	// Every byte may stand in a handle, those with a meaning in some encoding too.
	odd := family(ann, "odd")
	odd.Handle = revocation.Handle{0, '\n', '\r', ' ', '"', '\'', ':', ',', '{', '}', '*', '%', 0xFF, 0xC3, 0x28, 0}
	f := s.create(odd)
	f = s.confirmed("a handle of odd bytes, Sight", f)
	f = s.answered("a handle of odd bytes", f, presented(1, wired), refresh.Coalesced)
	s.end(f, wired)
	s.deniedIs("a handle of odd bytes", ann, odd.Handle, true)
}

func familyOwners(s *families) {
	hers, his := s.create(family(ann, "hers")), s.create(family(bob, "his"))
	far := ann
	far.Tag[0] ^= 1
	other := s.create(family(far, "hers"))
	all := func(what string) {
		s.t.Helper()
		s.have(what+", the owner", ann, hers)
		s.have(what+", another owner of the same tag", bob, his)
		s.have(what+", another owner of the same hash", far, other)
	}
	all("after CreateFamily")
	// The key is one for all owners of a tag.
	_, ended, err := s.store.CreateFamily(s.t.Context(), family(bob, "hers"), 1)
	s.fails("CreateFamily where a live one of another owner is", err, refresh.ErrExists)
	s.same("what had to go for it", ended)
	all("after ErrExists")
	for i := range ann.Hash {
		owner := ann
		owner.Hash[i] ^= 0x80
		s.have("an owner that differs in the hash", owner)
	}
	s.end(hers, wired)
	s.deniedIs("the same handle of another owner", bob, hers.Handle, false)
	hers = s.create(family(bob, "hers"))
	s.have("a key under its second owner", bob, his, hers)
	s.have("under its first", ann)
}

func familyValues(s *families) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range []string{
		"", "\x00", "a\x00b", "\x00\x00\x00\x00", string(all), "\xff\xfe\xfd", "\xc3\x28", "é€😀", "\r\n", "\n", " trailing ",
		`"quoted\"`, "'; DROP TABLE families; --", "{tag}", "%s%00", strings.Repeat("\x00", 4096), strings.Repeat(string(all), 256),
	} {
		what := fmt.Sprintf("value %.20q of %d bytes", value, len(value))
		f := family(ann, fmt.Sprint(i))
		f.Value = value
		f = s.create(f)
		s.have(what+" after CreateFamily", ann, f)
		s.lapse()
		f = s.answered(what+", Rotate", f, presented(1, wired), refresh.Rotated)
		f = s.confirmed(what+", Sight", f)
		s.have(what+" after Sight", ann, f)
		s.end(f, wired)
	}
}

func familyFields(s *families) {
	for what, change := range map[string]func(f *refresh.Family){
		"no binding": func(f *refresh.Family) { f.Binding = refresh.Binding{} },
		"odd binding": func(f *refresh.Family) {
			f.Binding = refresh.Binding{0, '\n', '"', ' ', ':', '{', '}', 0xFF, 0xC3, 0x28, '%', '\\', 0, 0, 0, 0}
		},
		"no secret":  func(f *refresh.Family) { f.Secret = refresh.SecretID{} },
		"odd secret": func(f *refresh.Family) { f.Secret = refresh.SecretID{0xFF, 0xFF, 0, '\n'} },
		"odd owner": func(f *refresh.Family) {
			f.Owner.Hash = [12]byte{0, '\n', '"', ' ', ':', '{', '}', 0xFF, 0xC3, 0x28, '%', 0}
		},
		"short":         func(f *refresh.Family) { f.Lifetime, f.Idle = 2*time.Second, time.Second },
		"long":          func(f *refresh.Family) { f.Lifetime, f.Idle = 400*day, 400*day },
		"odd durations": func(f *refresh.Family) { f.Lifetime, f.Idle = day+123*time.Millisecond, life+7*time.Millisecond },
	} {
		f := family(ann, what)
		change(&f)
		s.clock.advance(3 * time.Millisecond)
		f = s.create(f)
		s.have(what+" after CreateFamily", f.Owner, f)
		p := presented(1, wired)
		p.Binding = f.Binding
		f = s.answered(what, f, p, refresh.Rotated)
		s.clock.advance(11 * time.Millisecond)
		p.Generation, p.Secret = 1<<48-1, refresh.SecretID{0xFF, 0, 0xFF, 0}
		f = s.answered(what, f, p, refresh.Recovered)
		s.have(what+" after Rotate", f.Owner, f)
		s.end(f, wired)
	}
}

func familyReads(s *families) {
	f := s.rotated(wired)
	for range 3 {
		s.clock.advance(2 * day)
		s.have("after reading, and some time", ann, f)
		if got := s.asked(ann, revocation.Asked{Session: f.Handle, Token: handle("jti"), Generation: 2}); got != (revocation.Found{}) {
			s.t.Fatalf("Revoked of a live family: got %+v, want nothing", got)
		}
	}
	s.clock.advance(f.Idle - 6*day)
	s.dead("idle in spite of having been read", f)
}

func familyOrder(s *families) {
	var all []refresh.Family
	for i, label := range []string{"m", "z", "a", "k", "b", "y", "c"} {
		f := family(ann, label)
		f.Idle = 14*day - time.Duration(i%3)*time.Hour
		all = append(all, s.create(f))
		s.clock.advance(time.Millisecond)
	}
	s.lapse()
	for _, i := range []int{5, 0, 3} {
		all[i] = s.answered("Rotate", all[i], presented(1, wired), refresh.Rotated)
		s.have("after one of them rotated", ann, all...)
	}
	got, err := s.store.Families(s.t.Context(), ann)
	s.succeeds("Families", err)
	for i := range got {
		if got[i] != all[i] {
			s.t.Fatalf("Families: got %s, want those that began first at first: %s", describeAll(got), describeAll(all))
		}
	}
}

func familyListed(s *families) {
	s.have("nobody's", ann)
	alive, his := s.open(), s.create(family(bob, "his"))
	for _, tc := range []struct {
		what string
		end  func(f refresh.Family)
	}{
		{"that expired", func(f refresh.Family) { s.clock.advance(f.Idle + edge) }},
		{"that was denied", func(f refresh.Family) { s.deny(ann, f.Handle, s.until()) }},
		{"that was ended", func(f refresh.Family) { s.end(f, wired) }},
		{"that was reused", func(f refresh.Family) { _, _ = s.rotate(f, presented(1, refresh.Rules{Denied: hold})) }},
	} {
		f := family(ann, tc.what)
		f.Idle = time.Minute
		f = s.create(f)
		f = s.answered("Rotate", f, presented(1, wired), refresh.Rotated)
		f = s.answered("Rotate", f, presented(3, wired), refresh.Recovered)
		s.have("before", ann, alive, f)
		tc.end(f)
		s.have("beside one "+tc.what, ann, alive)
		s.have("another owner's, beside one "+tc.what, bob, his)
	}
	s.raise(ann, s.until())
	s.have("after RaiseEpoch", ann)
	s.have("another owner's, after RaiseEpoch", bob, his)
}

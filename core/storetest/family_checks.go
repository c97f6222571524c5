package storetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// answered fails unless p comes to the verdict want, which is answered, and f to what
// that makes of it.
func (s *families) answered(what string, f refresh.Family, p *refresh.Presented, want refresh.Verdict) refresh.Family {
	s.t.Helper()
	out, err := s.rotate(f, p)
	s.succeeds(what, err)
	if out.Verdict != want {
		s.t.Fatalf("%s: got %s, want %s", what, name(out.Verdict), name(want))
	}
	next := s.after(f, p, want)
	if out.Family != next {
		s.t.Fatalf("%s, %s: got %s, want %s", what, name(want), describe(out.Family), describe(next))
	}
	s.holds(what, next)
	return next
}

// exposed fails unless p comes to the verdict want, which ends f.
func (s *families) exposed(what string, f refresh.Family, p *refresh.Presented, want refresh.Verdict) {
	s.t.Helper()
	out, err := s.rotate(f, p)
	s.succeeds(what, err)
	if out.Verdict != want {
		s.t.Fatalf("%s: got %s, want %s", what, name(out.Verdict), name(want))
	}
	if out.Family != f {
		s.t.Fatalf("%s, the family that ended: got %s, want %s", what, describe(out.Family), describe(f))
	}
	s.deniedIs(what+", its handle", f.Owner, f.Handle, true)
	s.dead(what, f)
}

// holds fails unless f stands under its key.
func (s *families) holds(what string, f refresh.Family) {
	s.t.Helper()
	got, err := s.store.FindFamily(s.t.Context(), f.Key())
	s.succeeds(what+", FindFamily", err)
	if got != f {
		s.t.Fatalf("%s, FindFamily: got %s, want %s", what, describe(got), describe(f))
	}
}

// dead fails if f is alive or can be brought back.
func (s *families) dead(what string, all ...refresh.Family) {
	s.t.Helper()
	for _, f := range all {
		s.gone(what, f.Key(), f.Generation)
		for _, generation := range []uint64{f.Generation - 1, f.Generation, f.Generation + 1} {
			s.fails(what+", Sight", s.sight(f, generation, f.Stamp), revocation.ErrEnded)
		}
		s.gone(what, f.Key(), f.Generation)
		left, err := s.store.Families(s.t.Context(), f.Owner)
		s.succeeds(what+", Families", err)
		if slices.ContainsFunc(left, func(l refresh.Family) bool { return l.Key() == f.Key() }) {
			s.t.Fatalf("%s: Families has it still", what)
		}
	}
}

// gone fails unless no operation finds anything under key, whatever is presented.
func (s *families) gone(what string, key refresh.Key, generation uint64) {
	s.t.Helper()
	none := refresh.Family{}
	f, err := s.store.FindFamily(s.t.Context(), key)
	s.fails(what+", FindFamily", err, refresh.ErrGone)
	if f != none {
		s.t.Fatalf("%s, FindFamily: got %s, want no family", what, describe(f))
	}
	for _, r := range []refresh.Rules{wired, {Denied: hold}} {
		for g := max(generation, 3) - 2; g <= generation+2; g++ {
			out, err := s.store.Rotate(s.t.Context(), key, presented(g, r))
			s.fails(fmt.Sprintf("%s, Rotate with generation %d", what, g), err, refresh.ErrGone)
			if out != (refresh.Outcome{}) {
				s.t.Fatalf("%s, Rotate: got %s and %s, want nothing", what, name(out.Verdict), describe(out.Family))
			}
		}
	}
	f, err = s.store.EndFamily(s.t.Context(), key, wired)
	s.fails(what+", EndFamily", err, refresh.ErrGone)
	if f != none {
		s.t.Fatalf("%s, EndFamily: got %s, want no family", what, describe(f))
	}
}

// have fails unless the owner's families are want, those that began first at first.
func (s *families) have(what string, owner revocation.Owner, want ...refresh.Family) {
	s.t.Helper()
	got, err := s.store.Families(s.t.Context(), owner)
	s.succeeds(what+", Families", err)
	if !slices.IsSortedFunc(got, func(a, b refresh.Family) int { return cmp.Compare(a.Created, b.Created) }) {
		s.t.Fatalf("%s, Families: got %s, want those that began first at first", what, describeAll(got))
	}
	s.same(what+", Families", got, want...)
	for _, f := range want {
		s.holds(what, f)
	}
}

// same fails unless got are want, in whatever order.
func (s *families) same(what string, got []refresh.Family, want ...refresh.Family) {
	s.t.Helper()
	byHandle := func(a, b refresh.Family) int {
		return cmp.Or(bytes.Compare(a.Handle[:], b.Handle[:]), bytes.Compare(a.Owner.Hash[:], b.Owner.Hash[:]))
	}
	if !slices.Equal(slices.SortedFunc(slices.Values(got), byHandle), slices.SortedFunc(slices.Values(want), byHandle)) {
		s.t.Fatalf("%s: got %s, want %s", what, describeAll(got), describeAll(want))
	}
}

func (s *families) sight(f refresh.Family, generation, stamp uint64) error {
	return s.store.Sight(s.t.Context(), f.Owner, f.Handle, revocation.Answer{Generation: generation, Stamp: stamp})
}

// confirmed fails unless a sighting of f's latest answer confirms it now.
func (s *families) confirmed(what string, f refresh.Family) refresh.Family {
	s.t.Helper()
	s.succeeds(what, s.sight(f, f.Generation, f.Stamp))
	f.Confirmed = max(s.micros(), f.Fixed, int64(f.Stamp))
	s.holds(what, f)
	return f
}

func (s *families) end(f refresh.Family, r refresh.Rules) {
	s.t.Helper()
	got, err := s.store.EndFamily(s.t.Context(), f.Key(), r)
	s.succeeds("EndFamily", err)
	if got != f {
		s.t.Fatalf("EndFamily: got %s, want %s", describe(got), describe(f))
	}
}

func name(v refresh.Verdict) string {
	names := map[refresh.Verdict]string{
		refresh.Coalesced: "coalesced", refresh.Rotated: "rotated", refresh.Repeated: "repeated", refresh.LateRepeated: "late-repeated",
		refresh.Recovered: "recovered", refresh.Reused: "reused", refresh.ReusedOlder: "reused-older",
		refresh.ReusedUnconfirmed: "reused-unconfirmed", refresh.Misbound: "misbound",
	}
	return cmp.Or(names[v], fmt.Sprintf("verdict %d", v))
}

func describe(f refresh.Family) string {
	if f == (refresh.Family{}) {
		return "no family"
	}
	at := func(us int64) string {
		if us == 0 {
			return "never"
		}
		return time.UnixMicro(us).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	value := f.Value
	if len(value) > 40 {
		value = fmt.Sprintf("%s... (%d bytes)", value[:40], len(value))
	}
	return fmt.Sprintf("{owner %x/%x, handle %x, epoch %d, created %s, ends %s, expires %s, lifetime %s, idle %s, binding %x, "+
		"generation %d, secret %x, fixed %s, confirmed %s, stamp %s, floor %s, value %q}",
		f.Owner.Tag, f.Owner.Hash, f.Handle[:4], f.Epoch, at(f.Created), at(f.Ends), at(f.Expires), f.Lifetime, f.Idle, f.Binding,
		f.Generation, f.Secret, at(f.Fixed), at(f.Confirmed), at(int64(f.Stamp)), at(int64(f.Floor)), value)
}

func describeAll(all []refresh.Family) string {
	out := fmt.Sprintf("%d:", len(all))
	for _, f := range all {
		out += " " + describe(f)
	}
	return out
}

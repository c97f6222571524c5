package storetest

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// A call whose time is up may decide or not. What it may not do is hang, or call "gone",
// "exists" or "full" what it did not look at: callers believe these, and log out.
func familiesCancelled(s *families) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	late := func(what string, call func() error) bool {
		s.t.Helper()
		var err error
		within(s.t, what+" with a cancelled context", func() { err = call() })
		if isOneOf(err, []error{refresh.ErrGone, refresh.ErrExists, refresh.ErrFull, revocation.ErrFull, revocation.ErrVoid}) {
			s.t.Fatalf("%s with a cancelled context: got %v, which is not so", what, err)
		}
		return err == nil
	}
	is := func(what string, got, want refresh.Family) {
		s.t.Helper()
		if got != want {
			s.t.Fatalf("%s with a cancelled context and no error: got %s, want %s", what, describe(got), describe(want))
		}
	}
	f := s.lost(wired)
	var got refresh.Family
	var all []refresh.Family
	var found revocation.Found
	var out refresh.Outcome
	var ended []refresh.Family
	if late("FindFamily", func() (err error) { got, err = s.store.FindFamily(ctx, f.Key()); return err }) {
		is("FindFamily", got, f)
	}
	if late("Families", func() (err error) { all, err = s.store.Families(ctx, ann); return err }) {
		s.same("Families with a cancelled context and no error", all, f)
	}
	asked := revocation.Asked{Session: f.Handle, Generation: 2}
	if late("Revoked", func() (err error) { found, err = s.book.Revoked(ctx, ann, asked); return err }) && found.Floor != f.Floor {
		s.t.Fatalf("Revoked with a cancelled context and no error: got %+v, want floor %d", found, f.Floor)
	}
	// Whatever came of it, the client goes on as after a lost answer.
	p := presented(2, wired)
	if late("Rotate", func() (err error) { out, err = s.store.Rotate(ctx, f.Key(), p); return err }) {
		is("Rotate", out.Family, s.after(f, p, refresh.Coalesced))
	}
	again, err := s.rotate(f, p)
	s.succeeds("Rotate after one with a cancelled context", err)
	if again.Verdict != refresh.Coalesced || again.Family.Generation != 2 {
		s.t.Fatalf("Rotate after one with a cancelled context: got %s and %s, want coalesced", name(again.Verdict), describe(again.Family))
	}
	if late("Sight", func() error { return s.store.Sight(ctx, ann, f.Handle, again.Family.Answer()) }) {
		s.holds("after Sight with a cancelled context", again.Family)
	}
	fresh := family(ann, "late")
	if late("CreateFamily", func() (err error) { got, ended, err = s.store.CreateFamily(ctx, fresh, many); return err }) {
		is("CreateFamily", got, s.begun(fresh, 0))
		s.same("what had to go", ended)
	}
	if late("EndFamily", func() (err error) { got, err = s.store.EndFamily(ctx, f.Key(), wired); return err }) {
		is("EndFamily", got, again.Family)
		s.dead("after EndFamily with a cancelled context", f)
	}
	left, err := s.store.Families(s.t.Context(), ann)
	s.succeeds("Families", err)
	for _, l := range left {
		if !slices.Contains([]revocation.Handle{f.Handle, fresh.Handle}, l.Handle) {
			s.t.Fatalf("after calls with a cancelled context: got %s, want none but what was created", fmt.Sprint(describe(l)))
		}
	}
}

package storetest

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

func denyOne(s *revocations) {
	s.deniedIs("a handle that nobody denied", ann, handle("a"), false)
	s.deny(ann, handle("a"), s.until())
	s.deniedIs("a denied handle", ann, handle("a"), true)
	s.deniedIs("another handle of the owner", ann, handle("b"), false)
	s.deniedIs("the same handle of another owner of the same tag", bob, handle("a"), false)
	s.deny(ann, handle("b"), s.until())
	s.deniedIs("the first of two denied handles", ann, handle("a"), true)
	s.deniedIs("the second of two denied handles", ann, handle("b"), true)
}

func denyBytes(s *revocations) {
	base := handle("base")
	s.deny(ann, base, s.until())
	for i := range base {
		near := base
		near[i] ^= 0x80
		s.deniedIs("a handle that differs in one byte", ann, near, false)
	}
	// Every byte may stand in a handle, those with a meaning in some encoding too.
	odd := revocation.Handle{0, '\n', '\r', ' ', '"', '\'', ':', ',', '{', '}', '*', '%', 0xFF, 0xC3, 0x28, 0}
	s.deny(ann, odd, s.until())
	s.deniedIs("a handle of odd bytes", ann, odd, true)
}

func denyEpoch(s *revocations) {
	s.deny(ann, handle("a"), s.until())
	s.epochIs("after Deny where no epoch is", ann, 0)
	epoch := s.raise(ann, s.until())
	s.deny(ann, handle("a"), s.until())
	s.epochIs("after Deny", ann, epoch)
}

func denyUntil(s *revocations) {
	s.deny(ann, handle("a"), s.clock.now().Add(life))
	s.deny(ann, handle("b"), s.clock.now().Add(2*life))
	s.clock.advance(life - time.Second)
	s.deniedIs("a second before until", ann, handle("a"), true)
	s.clock.advance(2 * time.Second)
	s.deniedIs("a second after until", ann, handle("a"), false)
	s.deniedIs("one of a later until", ann, handle("b"), true)
}

func denyLater(s *revocations) {
	s.deny(ann, handle("a"), s.clock.now().Add(life))
	s.deny(ann, handle("a"), s.clock.now().Add(3*life))
	s.clock.advance(2 * life)
	s.deniedIs("after the first until, before the later one", ann, handle("a"), true)
	s.clock.advance(life + time.Second)
	s.deniedIs("after the later until", ann, handle("a"), false)
}

func denyEarlier(s *revocations) {
	s.deny(ann, handle("a"), s.clock.now().Add(3*life))
	s.deny(ann, handle("a"), s.clock.now().Add(life))
	s.clock.advance(2 * life)
	s.deniedIs("after the earlier until, before the first", ann, handle("a"), true)
}

// fill denies as many handles of ann's as may be.
func (s *revocations) fill(until time.Time) {
	s.t.Helper()
	for i := range revocation.MaxDenied {
		s.deny(ann, handle(fmt.Sprint(i)), until)
	}
}

func denyFull(s *revocations) {
	s.fill(s.clock.now().Add(life))
	s.fails("Deny where MaxDenied others are", s.book.Deny(s.t.Context(), ann, handle("one more"), s.until()), revocation.ErrFull)
	s.deniedIs("the handle that was refused", ann, handle("one more"), false)
	for i := range revocation.MaxDenied {
		s.deniedIs("a handle that was denied before", ann, handle(fmt.Sprint(i)), true)
	}
	s.deny(ann, handle("5"), s.clock.now().Add(3*life)) // it is one of them
	s.deny(bob, handle("one more"), s.until())
	s.clock.advance(2 * life)
	s.deniedIs("the handle that was denied once more", ann, handle("5"), true)
	s.deniedIs("another owner's", bob, handle("one more"), true)
}

func denyRoom(s *revocations) {
	s.fill(s.clock.now().Add(life))
	s.clock.advance(life + time.Second)
	s.deny(ann, handle("one more"), s.until())
	s.deniedIs("a handle for which the expired made room", ann, handle("one more"), true)
}

func denyForgotten(s *revocations) {
	s.fill(s.until())
	s.deny(bob, handle("1"), s.until())
	s.raise(ann, s.until())
	s.deniedIs("a handle that was denied before the epoch rose", ann, handle("1"), false)
	s.deniedIs("the same handle of another owner", bob, handle("1"), true)
	s.deny(ann, handle("one more"), s.until())
	s.deniedIs("a handle that was denied after the epoch rose", ann, handle("one more"), true)
}

// Whoever shows a lost epoch may be the session whose sister was just denied.
func denyRestored(s *revocations) {
	s.deny(ann, handle("a"), s.until())
	s.restore(ann, 1<<50, s.until())
	s.deniedIs("a handle that was denied before the epoch was restored", ann, handle("a"), true)
}

// asked asks about a's handles and generation, whatever they are.
func (s *revocations) asked(owner revocation.Owner, a revocation.Asked) revocation.Found {
	s.t.Helper()
	found, err := s.book.Revoked(s.t.Context(), owner, a)
	s.succeeds("Revoked", err)
	return found
}

func denyEither(s *revocations) {
	epoch := s.raise(ann, s.until())
	s.deny(ann, handle("a"), s.until())
	for _, tc := range []struct {
		what           string
		session, token revocation.Handle
		want           bool
	}{
		{"a denied session and no token", handle("a"), revocation.Handle{}, true},
		{"no session and a denied token", revocation.Handle{}, handle("a"), true},
		{"a denied session and a token that is not", handle("a"), handle("b"), true},
		{"a session that is not and a denied token", handle("b"), handle("a"), true},
		{"a session and a token that are not", handle("b"), handle("c"), false},
		{"neither", revocation.Handle{}, revocation.Handle{}, false},
	} {
		for _, generation := range []uint64{0, 1} {
			got := s.asked(ann, revocation.Asked{Session: tc.session, Token: tc.token, Generation: generation})
			if want := (revocation.Found{Epoch: epoch, Denied: tc.want}); got != want {
				s.t.Fatalf("Revoked of %s, generation %d: got %+v, want %+v", tc.what, generation, got, want)
			}
		}
	}
	if got := s.asked(bob, revocation.Asked{Session: handle("a"), Token: handle("a")}); got != (revocation.Found{}) {
		s.t.Fatalf("Revoked of another owner's: got %+v, want nothing", got)
	}
}

// The zero handle is what a credential has that has no session or no jti: who could
// deny it would deny them all.
func denyZero(s *revocations) {
	_ = s.book.Deny(s.t.Context(), ann, revocation.Handle{}, s.until()) // it may refuse
	s.deny(ann, handle("a"), s.until())
	for what, a := range map[string]revocation.Asked{
		"nothing":             {},
		"a session, no token": {Session: handle("b"), Generation: 1},
		"a token, no session": {Token: handle("b")},
	} {
		if got := s.asked(ann, a); got != (revocation.Found{}) {
			s.t.Fatalf("Revoked of %s after the zero handle was denied: got %+v, want nothing", what, got)
		}
	}
	s.deniedIs("a handle that was denied after it", ann, handle("a"), true)
}

func denyParallel(s *revocations) {
	const n = 8
	for round := range 10 {
		errs := make([]error, n)
		until := s.until()
		together(s.t, n, func(i int) {
			errs[i] = s.book.Deny(s.t.Context(), ann, handle(fmt.Sprint(round, i)), until)
		})
		for i, err := range errs {
			s.succeeds("parallel Deny", err)
			s.deniedIs("one of several handles that were denied at once", ann, handle(fmt.Sprint(round, i)), true)
		}
	}
}

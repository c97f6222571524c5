package storetest

import (
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// TestRevocations runs the contract of revocation.Store on stores that maker
// makes. TestSessions includes it.
func TestRevocations(t *testing.T, maker func(t *testing.T, now func() time.Time) revocation.Store) {
	for _, c := range revocationCases {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock()
			c.run(&revocations{t: t, book: maker(t, clock.now), clock: clock})
		})
	}
}

type revocationCase struct {
	name string
	run  func(*revocations)
}

var revocationCases = []revocationCase{
	{"epoch/absent-is-zero", epochAbsent},
	{"epoch/rises", epochRises},
	{"epoch/all-bytes-of-the-owner-count", epochOwners},
	{"epoch/parallel-raises", epochParallel},
	{"epoch/kept-until", epochUntil},
	{"epoch/later-until-lengthens", epochLater},
	{"epoch/earlier-until-changes-nothing", epochEarlier},
	{"epoch/restore-raises", epochRestore},
	{"epoch/restore-never-lowers", epochRestoreLower},
	{"epoch/restore-lengthens", epochRestoreUntil},
	{"epoch/rises-above-a-restored-one", epochRestoreRaise},

	{"deny/only-this-one", denyOne},
	{"deny/session-or-token", denyEither},
	{"deny/zero-handle-is-nobodys", denyZero},
	{"deny/all-bytes-count", denyBytes},
	{"deny/leaves-the-epoch", denyEpoch},
	{"deny/kept-until", denyUntil},
	{"deny/later-until-lengthens", denyLater},
	{"deny/earlier-until-changes-nothing", denyEarlier},
	{"deny/full", denyFull},
	{"deny/expired-make-room", denyRoom},
	{"deny/forgotten-when-the-epoch-rises", denyForgotten},
	{"deny/kept-when-an-epoch-is-restored", denyRestored},
	{"deny/parallel", denyParallel},
}

// revocations is what a case works with that needs no session.
type revocations struct {
	t     tb
	book  revocation.Store
	clock *clock
}

// ann and bob share a tag, as subjects do whose keyed hashes collide in it: the
// tag routes and does not tell them apart.
var (
	ann = revocation.Owner{Tag: [4]byte{'t', 'a', 'g', 0}, Hash: [12]byte{1, 'a', 'n', 'n'}}
	bob = revocation.Owner{Tag: ann.Tag, Hash: [12]byte{2, 'b', 'o', 'b'}}
)

func handle(label string) revocation.Handle {
	sum := sha256.Sum256([]byte("handle " + label))
	return revocation.Handle(sum[:16])
}

func (s *revocations) fails(what string, got, want error) {
	s.t.Helper()
	if !errors.Is(got, want) {
		s.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (s *revocations) succeeds(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: got %v, want nil", what, err)
	}
}

// until is an end that no case reaches unless it means to.
func (s *revocations) until() time.Time { return s.clock.now().Add(10 * life) }

func (s *revocations) raise(owner revocation.Owner, until time.Time) uint64 {
	s.t.Helper()
	epoch, err := s.book.RaiseEpoch(s.t.Context(), owner, until)
	s.succeeds("RaiseEpoch", err)
	return epoch
}

func (s *revocations) restore(owner revocation.Owner, epoch uint64, until time.Time) {
	s.t.Helper()
	s.succeeds("RestoreEpoch", s.book.RestoreEpoch(s.t.Context(), owner, epoch, until))
}

func (s *revocations) deny(owner revocation.Owner, h revocation.Handle, until time.Time) {
	s.t.Helper()
	s.succeeds("Deny", s.book.Deny(s.t.Context(), owner, h, until))
}

func (s *revocations) revoked(owner revocation.Owner, h revocation.Handle) (uint64, bool) {
	s.t.Helper()
	found, err := s.book.Revoked(s.t.Context(), owner, revocation.Asked{Session: h})
	s.succeeds("Revoked", err)
	return found.Epoch, found.Denied
}

func (s *revocations) epochIs(what string, owner revocation.Owner, want uint64) {
	s.t.Helper()
	if got, _ := s.revoked(owner, handle("whichever")); got != want {
		s.t.Fatalf("%s: got epoch %d, want %d", what, got, want)
	}
}

func (s *revocations) deniedIs(what string, owner revocation.Owner, h revocation.Handle, want bool) {
	s.t.Helper()
	if _, got := s.revoked(owner, h); got != want {
		s.t.Fatalf("%s: got denied %t, want %t", what, got, want)
	}
}

// noProblem fails with the first of what parallel calls had to complain about.
func (s *revocations) noProblem(what string, problems []string) {
	s.t.Helper()
	for _, p := range problems {
		if p != "" {
			s.t.Fatalf("%s: %s", what, p)
		}
	}
}

func isOneOf(err error, targets []error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// winner fails unless exactly one of errs is nil and all others are lost.
func (s *revocations) winner(what string, errs []error, lost ...error) int {
	s.t.Helper()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			s.t.Fatalf("parallel %s: two calls succeeded, want exactly one", what)
		case err == nil:
			winner = i
		case !isOneOf(err, lost):
			s.t.Fatalf("parallel %s, the loser: got %v, want one of %v", what, err, lost)
		}
	}
	if winner < 0 {
		s.t.Fatalf("parallel %s: no call succeeded, want exactly one", what)
	}
	return winner
}

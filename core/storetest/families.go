package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// TestFamilies runs the contract of refresh.Store with those of revocation.Witness and
// revocation.Store on stores that maker makes. What families and sessions have to do with
// each other is skipped if the store is no session.Store.
//
// All times of a family come from now, to the microsecond, and so do its stamps: the
// windows of the decision table are measured by them.
func TestFamilies(t *testing.T, maker func(t *testing.T, now func() time.Time) refresh.Store) {
	runFamilies(t, maker, allFamilyCases())
}

// TestFamiliesClockBack is for stores whose clock can be set back, as that of a server
// is after a failover: the clock of maker goes back by up to an hour.
func TestFamiliesClockBack(t *testing.T, maker func(t *testing.T, now func() time.Time) refresh.Store) {
	runFamilies(t, maker, clockBackCases)
}

func runFamilies(t *testing.T, maker func(t *testing.T, now func() time.Time) refresh.Store, cases []familyCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock()
			c.run(newFamilies(t, maker(t, clock.now), clock))
		})
	}
}

type familyCase struct {
	name string
	run  func(*families)
}

// allFamilyCases is familyCases and, because a store of families is one of revocations,
// revocationCases.
func allFamilyCases() []familyCase {
	all := slices.Clone(familyCases)
	for _, c := range revocationCases {
		all = append(all, familyCase{c.name, func(s *families) { c.run(s.revocations) }})
	}
	return all
}

var familyCases = []familyCase{
	{"family/begins", familyBegins},
	{"family/begins-as-the-store-says", familyOwn},
	{"family/absent-is-gone", familyAbsent},
	{"family/exists", familyExists},
	{"family/exactly-one-of-many", familyOneOfMany},
	{"family/over-the-dead", familyOver},
	{"family/epoch-is-the-owners", familyEpoch},
	{"family/epoch-is-remembered-until-the-end", familyEpochUntil},
	{"family/epoch-beside-raises", familyEpochParallel},
	{"family/all-bytes-of-the-key-count", familyKeys},
	{"family/owners-of-one-tag", familyOwners},
	{"family/values-of-any-bytes", familyValues},
	{"family/every-field", familyFields},
	{"family/reading-changes-nothing", familyReads},
	{"family/listed-in-order", familyOrder},
	{"family/listed-are-the-living", familyListed},
	{"family/idle-end", familyIdle},
	{"family/absolute-end-never-moves", familyAbsolute},
	{"family/use-alone-moves-the-idle-end", familyUse},
	{"family/expired-stays-dead", familyExpired},
	{"family/is-no-session", familyNoSession},

	{"limit/nobody-goes-below-it", limitBelow},
	{"limit/first-to-expire-goes", limitFirst},
	{"limit/as-many-go-as-must", limitSeveral},
	{"limit/never-the-new-one", limitNew},
	{"limit/counts-the-living-of-the-owner", limitCounts},
	{"limit/nothing-is-denied", limitDenies},
	{"limit/parallel", limitParallel},

	{"rotate/login-has-no-window", rotateLogin},
	{"rotate/latest-rotates", rotateLatest},
	{"rotate/latest-soon-coalesces", rotateCoalesces},
	{"rotate/request-under-way-when-the-repeat-arrives", rotateUnderWay},
	{"rotate/coalesces-from-the-confirmation", rotateConfirmed},
	{"rotate/coalesces-after-a-confirmed-login", rotateConfirmedLogin},
	{"rotate/first-confirmation-counts", rotateFirstConfirmation},
	{"rotate/predecessor-soon-repeats", rotateRepeats},
	{"rotate/predecessor-repeats-from-the-confirmation", rotateRepeatsConfirmed},
	{"rotate/predecessor-of-a-confirmed-is-reuse", rotateReused},
	{"rotate/late-repeat", rotateLate},
	{"rotate/late-repeat-begins-the-windows-again", rotateLateAgain},
	{"rotate/late-and-unwired", rotateUnwired},
	{"rotate/older-is-reuse", rotateOlder},
	{"rotate/newer-recovers", rotateNewer},
	{"rotate/recovery-begins-the-windows", rotateRecovered},
	{"rotate/misbound", rotateMisbound},
	{"rotate/all-bytes-of-the-binding-count", rotateBinding},
	{"rotate/stamps-rise", rotateStamps},
	{"rotate/stamps-are-a-clock", rotateStampClock},
	{"rotate/rules-are-those-of-the-call", rotateRules},
	{"rotate/gone", rotateGone},
	{"rotate/end-denies", rotateEndDenies},
	{"rotate/end-without-room-raises-the-epoch", rotateEndFull},
	{"rotate/every-path", rotateEveryPath},
	{"rotate/exactly-one-of-many", rotateOneOfMany},
	{"rotate/many-coalesce", rotateManyCoalesce},
	{"rotate/many-without-grace", rotateManyGraceless},
	{"rotate/beside-end", rotateBesideEnd},
	{"rotate/beside-raised-epoch", rotateBesideRaise},
	{"rotate/beside-deny", rotateBesideDeny},
	{"rotate/beside-reuse", rotateBesideReuse},

	{"sight/confirms-the-latest", sightConfirms},
	{"sight/first-counts", sightFirst},
	{"sight/other-generations-change-nothing", sightOthers},
	{"sight/void", sightVoid},
	{"sight/ended", sightEnded},
	{"sight/of-the-owners", sightOwner},
	{"sight/beside-late-repeat", sightBesideLate},

	{"void/floor", voidFloor},
	{"void/rises", voidRises},
	{"void/of-several-generations", voidSeveral},
	{"void/of-several-families", voidFamilies},
	{"void/kept-for-denied", voidKept},
	{"void/earlier-until-changes-nothing", voidEarlier},
	{"void/full", voidFull},
	{"void/again-needs-no-room", voidAgain},
	{"void/expired-make-room", voidRoom},
	{"void/counts-as-a-denial", voidCounts},
	{"void/forgotten-when-the-epoch-rises", voidForgotten},
	{"void/kept-when-an-epoch-is-restored", voidRestored},

	{"end/ends-and-denies", endEnds},
	{"end/gone", endGone},
	{"end/exactly-one-of-many", endOneOfSeveral},
	{"end/without-room-raises-the-epoch", endFull},
	{"end/by-raised-epoch", endByRaise},
	{"end/by-restored-epoch", endByRestore},
	{"end/by-deny", endByDeny},
	{"end/stays-dead-when-all-is-forgotten", endForgotten},
	{"end/with-sessions", endSessions},
	{"end/one-session-is-no-family", endSessionAlone},

	{"families/context-cancelled", familiesCancelled},
}

// families is what a case works with.
type families struct {
	*revocations
	store refresh.Store
	named int // families that open has named
}

func newFamilies(t tb, store refresh.Store, clock *clock) *families {
	return &families{revocations: &revocations{t: t, book: store, clock: clock}, store: store}
}

// sessions is the store as one of sessions, without which a case is skipped.
func (s *families) sessions() *sessions {
	s.t.Helper()
	store, ok := s.store.(session.Store)
	if !ok {
		s.t.Skipf("the store keeps no sessions")
	}
	return newSessions(s.t, store, s.clock)
}

const (
	day = 24 * time.Hour
	// hold is how long ends and voids are remembered, unless a case says otherwise.
	hold = 15 * time.Minute
	// many is a limit that nobody reaches.
	many = 1000
	// edge is the step from within a window to past it.
	edge = time.Millisecond
)

var graces = []time.Duration{0, 10 * time.Second, 60 * time.Second}

// everyRule runs f under all rules that matter.
func everyRule(f func(r refresh.Rules)) {
	for _, grace := range graces {
		for _, wired := range []bool{false, true} {
			f(refresh.Rules{Grace: grace, Wired: wired, Denied: hold})
		}
	}
}

// wired are the default rules.
var wired = refresh.Rules{Grace: 10 * time.Second, Wired: true, Denied: hold}

// rules names those that a failure came under.
func rules(r refresh.Rules) string {
	if r.Wired {
		return fmt.Sprintf("wired with grace %s", r.Grace)
	}
	return fmt.Sprintf("unwired with grace %s", r.Grace)
}

// The secrets of what a login and a rotation answer, and of a token that the store does
// not know of.
var (
	loginSecret    = refresh.SecretID{'f', 0, 1, 0xFF}
	rotationSecret = refresh.SecretID{'n', 0xFF, 0, 2}
	tokenSecret    = refresh.SecretID{0, 'x', 0x80, 3}

	binding = refresh.Binding{'b', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xFF, 0}
)

// family is one as a Rotator gives it to a store.
func family(owner revocation.Owner, label string) refresh.Family {
	return refresh.Family{
		Owner: owner, Handle: handle(label), Lifetime: 30 * day, Idle: 14 * day, Binding: binding,
		State: refresh.State{Secret: loginSecret}, Value: label,
	}
}

func (s *families) micros() int64 { return s.clock.now().UnixMicro() }

// begun is f as it begins now.
func (s *families) begun(f refresh.Family, epoch uint64) refresh.Family {
	now := s.micros()
	f.Epoch, f.Created, f.Ends = epoch, now, now+f.Lifetime.Microseconds()
	f.Expires = min(now+f.Idle.Microseconds(), f.Ends)
	f.State = refresh.State{Generation: 1, Secret: f.Secret, Stamp: uint64(now)}
	return f
}

// create creates f where nobody is to make room.
func (s *families) create(f refresh.Family) refresh.Family {
	s.t.Helper()
	got, ended, err := s.store.CreateFamily(s.t.Context(), f, many)
	s.succeeds("CreateFamily", err)
	s.same("what had to go below the limit", ended)
	if want := s.begun(f, got.Epoch); got != want {
		s.t.Fatalf("CreateFamily: got %s, want %s", describe(got), describe(want))
	}
	return got
}

// open creates another family of ann's.
func (s *families) open() refresh.Family {
	s.t.Helper()
	s.named++
	return s.create(family(ann, fmt.Sprint("family ", s.named)))
}

// lapse lets all windows close that are counted from a rotation but that of a late
// repeat.
func (s *families) lapse() { s.clock.advance(4 * time.Minute) }

// rotated opens a family of which generation 2 is fixed just now.
func (s *families) rotated(r refresh.Rules) refresh.Family {
	s.t.Helper()
	f := s.open()
	s.lapse()
	return s.answered("the first rotation", f, presented(1, r), refresh.Rotated)
}

// presented is the token of a generation, before r.
func presented(generation uint64, r refresh.Rules) *refresh.Presented {
	return &refresh.Presented{Generation: generation, Secret: tokenSecret, Signing: rotationSecret, Binding: binding, Rules: r}
}

// after is what a presented token makes of f that comes to an answer.
func (s *families) after(f refresh.Family, p *refresh.Presented, v refresh.Verdict) refresh.Family {
	now := max(s.micros(), f.Fixed, f.Confirmed, int64(f.Stamp))
	stamp := f.Stamp + 1
	if uint64(now) > stamp {
		stamp = uint64(now)
	}
	switch v {
	case refresh.Coalesced:
		if f.Confirmed == 0 {
			f.Confirmed = now
		}
	case refresh.Rotated:
		f.State = refresh.State{Generation: f.Generation + 1, Secret: p.Signing, Fixed: now}
	case refresh.LateRepeated:
		f.Fixed, f.Floor = now, stamp
	case refresh.Recovered:
		f.State = refresh.State{Generation: p.Generation, Secret: p.Secret, Fixed: now, Confirmed: now}
	}
	f.Stamp = stamp
	f.Expires = min(now+f.Idle.Microseconds(), f.Ends)
	return f
}

func (s *families) rotate(f refresh.Family, p *refresh.Presented) (refresh.Outcome, error) {
	return s.store.Rotate(s.t.Context(), f.Key(), p)
}

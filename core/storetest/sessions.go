package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// TestSessions runs the contract of session.Store with that of revocation.Store,
// and that of session.Reporter if the store is one, on stores that maker makes.
func TestSessions(t *testing.T, maker func(t *testing.T, now func() time.Time) session.Store) {
	for _, c := range allSessionCases() {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock()
			c.run(newSessions(t, maker(t, clock.now), clock))
		})
	}
}

type sessionCase struct {
	name string
	run  func(*sessions)
}

// allSessionCases is sessionCases and, because a store of sessions is one of
// revocations, revocationCases.
func allSessionCases() []sessionCase {
	all := slices.Clone(sessionCases)
	for _, c := range revocationCases {
		all = append(all, sessionCase{c.name, func(s *sessions) { c.run(s.revocations) }})
	}
	return all
}

var sessionCases = []sessionCase{
	{"create/loads-back", createLoadsBack},
	{"create/exists", createExists},
	{"create/exactly-one-of-many", createOneOfMany},

	{"load/absent-is-zero", loadAbsent},
	{"load/several-in-order", loadSeveral},
	{"load/nothing", loadNothing},

	{"swap/replaces", swapReplaces},
	{"swap/gone", swapGone},
	{"swap/conflict-returns-current", swapConflict},
	{"swap/one-winner-per-version", swapParallel},

	{"rename/moves", renameMoves},
	{"rename/leaves-behind", renameLeaves},
	{"rename/keeps-no-pointer", renamePointer},
	{"rename/gone", renameGone},
	{"rename/exists", renameExists},
	{"rename/conflict-returns-current", renameConflict},
	{"rename/atomic", renameAtomic},
	{"rename/atomic-with-left", renameAtomicLeft},
	{"rename/exactly-one-of-many", renameOneOfMany},
	{"rename/or-take-never-both", renameOrTake},

	{"take/removes-and-returns", takeRemoves},
	{"take/gone", takeGone},
	{"take/exactly-one-of-many", takeOneOfMany},

	{"dead/stays-dead-after-take", deadAfterTake},
	{"dead/stays-dead-after-expiry", deadAfterExpiry},
	{"dead/late-swap-brings-nothing-back", deadLateSwap},

	{"expiry/load", expiryLoad},
	{"expiry/load-extends-nothing", expiryLoadExtends},
	{"expiry/swap", expirySwap},
	{"expiry/swap-sets-the-end", expirySwapSets},
	{"expiry/take", expiryTake},
	{"expiry/rename", expiryRename},
	{"expiry/rename-sets-both-ends", expiryRenameSets},
	{"expiry/create-over-expired", expiryCreateOver},
	{"expiry/rename-onto-expired", expiryRenameOnto},

	{"values/byte-exact", valuesExact},
	{"values/large", valuesLarge},
	{"values/versions-are-64-bit", valuesVersions},
	{"values/every-field", valuesFields},
	{"values/epoch-is-the-stores-own", valuesEpoch},
	{"keys/all-bytes-count", keysCount},
	{"keys/sharing-a-tag", keysSharingTag},

	{"list/oldest-first", listOrder},
	{"list/nobody", listNobody},
	{"list/only-the-listed", listOnlyListed},
	{"list/only-the-owners", listOnlyOwners},
	{"list/not-the-expired", listNotExpired},
	{"list/follows-swap", listFollowsSwap},
	{"list/follows-rename", listFollowsRename},
	{"list/follows-take", listFollowsTake},

	{"admission/below-the-limit", admitBelow},
	{"admission/oldest-goes", admitOldest},
	{"admission/as-many-go-as-must", admitSeveral},
	{"admission/unpresented-go-first", admitUnpresented},
	{"admission/refuses", admitRefuses},
	{"admission/refusal-counts-the-presented", admitRefusalCounts},
	{"admission/counts-sessions-of-the-owner", admitCounts},
	{"admission/counts-the-living", admitCountsLiving},
	{"admission/exists-ends-nothing", admitExists},
	{"admission/unlisted-is-let-in", admitUnlisted},
	{"admission/evicted-stay-dead", admitDead},
	{"admission/parallel-evictions", admitParallel},
	{"admission/parallel-refusals", admitParallelRefuse},

	{"end-one/removes-and-returns", endOneRemoves},
	{"end-one/gone", endOneGone},
	{"end-one/ends-snapshots", endOneSnapshots},
	{"end-one/only-the-owners", endOneOwner},
	{"end-one/full", endOneFull},
	{"end-one/stays-dead", endOneDead},
	{"end-one/exactly-one-of-many", endOneOfMany},
	{"end-one/late-swap-brings-nothing-back", endOneLate},

	{"end-others/keeps-one", endOthersKeeps},
	{"end-others/gone", endOthersGone},
	{"end-others/ends-snapshots", endOthersSnapshots},
	{"end-others/only-the-owners", endOthersOwner},
	{"end-others/stay-dead", endOthersDead},
	{"end-others/kept-survives-a-late-writer", endOthersLateWriter},
	{"end-others/kept-survives-parallel-writers", endOthersWriters},
	{"end-others/exactly-one-of-many", endOthersOneOfMany},

	{"end-all/removes-and-returns", endAllRemoves},
	{"end-all/of-nothing-raises", endAllNothing},
	{"end-all/ends-snapshots", endAllSnapshots},
	{"end-all/only-the-owners", endAllOwner},
	{"end-all/stay-dead", endAllDead},
	{"end-all/later-ones-live", endAllLater},
	{"end-all/beside-everything", endAllParallel},
	{"end-all/late-swap-brings-nothing-back", endAllLate},

	{"epoch/stamps", epochStamps},
	{"epoch/ends-what-was-there", epochEnds},
	{"epoch/ends-for-good", epochEndsForGood},
	{"epoch/spares-others", epochSpares},
	{"epoch/kept-by-swap-and-rename", epochKept},
	{"epoch/makes-way", epochMakesWay},
	{"epoch/admission-lengthens", epochAdmission},
	{"epoch/behind-after-a-loss", epochBehind},
	{"deny/ends-what-was-there", denyEnds},
	{"deny/ends-for-good", denyEndsForGood},
	{"deny/spares-others", denySpares},
	{"deny/makes-way", denyMakesWay},
	{"deny/raised-epoch-lets-later-ones-in", denyRaised},

	{"context/cancelled", contextCancelled},

	{"report/expired-once", reportExpired},
	{"report/revoked-once", reportRevoked},
	{"report/denied-once", reportDenied},
	{"report/every-function", reportEvery},
	{"report/not-what-the-caller-ended", reportNotTaken},
	{"report/no-lock-held", reportNoLock},
	{"report/once-under-parallel-calls", reportParallel},
}

// sessions is what a case works with.
type sessions struct {
	*revocations
	store session.Store
}

func newSessions(t tb, store session.Store, clock *clock) *sessions {
	return &sessions{&revocations{t: t, book: store, clock: clock}, store}
}

// life is how long entries last unless a case says otherwise.
const life = time.Hour

// unlimited admits whatever comes.
var unlimited = session.Admission{Max: 1 << 20}

// key derives a key from a label, so that a failure names the same key each time.
// All keys of a case share the tag, which is that of ann and of bob: a store that
// shards by it must allow that, and Rename demands it.
func key(label string) session.StoreKey {
	return session.StoreKey{Tag: ann.Tag, Hash: sha256.Sum256([]byte(label))}
}

// entry is a session of ann's.
func (s *sessions) entry(version uint64, value string) session.Entry {
	now := s.clock.now()
	return session.Entry{
		Version: version, Expires: now.Add(life), Value: value,
		Owner: ann, Handle: handle("the one"), Listed: true, Presented: true, Created: now.Add(-time.Minute),
	}
}

// left is what a renewal of that session leaves behind.
func (s *sessions) left(version uint64, value string) session.Entry {
	e := s.entry(version, value)
	e.Listed = false
	return e
}

// anonymous is a session of nobody.
func (s *sessions) anonymous(version uint64, value string) session.Entry {
	return session.Entry{Version: version, Expires: s.clock.now().Add(life), Value: value, Created: s.clock.now()}
}

// named is e as another session of its owner: no two have one handle.
func named(label string, e session.Entry) session.Entry {
	e.Handle = handle(label)
	return e
}

// under is e with the owner's tag as k demands it.
func under(k session.StoreKey, e session.Entry) session.Entry {
	e.Owner.Tag = k.Tag
	return e
}

func same(a, b session.Entry) bool {
	sameTimes := a.Expires.Equal(b.Expires) && a.Created.Equal(b.Created)
	a.Expires, a.Created, b.Expires, b.Created = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return sameTimes && a == b
}

func show(e session.Entry) string {
	if e == (session.Entry{}) {
		return "no entry"
	}
	value := e.Value
	if len(value) > 40 {
		value = fmt.Sprintf("%s... (%d bytes)", value[:40], len(value))
	}
	return fmt.Sprintf("{version %d, owner %x, handle %x, listed %t, presented %t, created %s, epoch %d, behind %t, value %q, expires %s}",
		e.Version, e.Owner.Hash[:4], e.Handle[:4], e.Listed, e.Presented, e.Created.Format(time.RFC3339Nano), e.Epoch, e.Behind, value, e.Expires.Format(time.RFC3339Nano))
}

// put is Create where nobody is to make room.
func (s *sessions) put(k session.StoreKey, e session.Entry) error {
	_, evicted, err := s.store.Create(s.t.Context(), k, e, unlimited)
	if len(evicted) > 0 {
		return fmt.Errorf("below the limit, %d entries had to go", len(evicted))
	}
	return err
}

func (s *sessions) create(k session.StoreKey, e session.Entry) {
	s.t.Helper()
	if err := s.put(k, e); err != nil {
		s.t.Fatalf("Create of a new key: got %v, want nil", err)
	}
}

func (s *sessions) load(k session.StoreKey) session.Entry {
	s.t.Helper()
	var out [1]session.Entry
	if err := s.store.Load(s.t.Context(), []session.StoreKey{k}, out[:]); err != nil {
		s.t.Fatalf("Load: got %v, want nil", err)
	}
	return out[0]
}

// peek is load for other goroutines than the case's own.
func (s *sessions) peek(k session.StoreKey) session.Entry {
	var out [1]session.Entry
	if err := s.store.Load(s.t.Context(), []session.StoreKey{k}, out[:]); err != nil {
		return session.Entry{Version: 1, Value: "Load failed: " + err.Error()}
	}
	return out[0]
}

// holds fails unless want stands under k; the zero Entry means that nothing does.
func (s *sessions) holds(what string, k session.StoreKey, want session.Entry) {
	s.t.Helper()
	if got := s.load(k); !same(got, want) {
		s.t.Fatalf("%s: got %s, want %s", what, show(got), show(want))
	}
}

func (s *sessions) swap(k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	return s.store.Swap(s.t.Context(), k, version, next)
}

func (s *sessions) rename(old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	return s.store.Rename(s.t.Context(), old, version, to, next, left)
}

func (s *sessions) take(k session.StoreKey) (session.Entry, error) {
	return s.store.Take(s.t.Context(), k)
}

// one is a session of ann's that began so long after the first one could, under a
// key and with a handle that are its own.
func (s *sessions) one(label string, after time.Duration) session.Keyed {
	e := named(label, s.entry(1, label))
	e.Created = s.clock.now().Add(after - 24*time.Hour)
	return session.Keyed{Key: key(label), Entry: e}
}

// open creates k and returns it as the store has stamped it.
func (s *sessions) open(k session.Keyed) session.Keyed {
	s.t.Helper()
	epoch, evicted, err := s.store.Create(s.t.Context(), k.Key, k.Entry, unlimited)
	s.succeeds("Create", err)
	s.are("what had to go below the limit", evicted)
	k.Entry.Epoch = epoch
	return k
}

// several opens n sessions of ann's, each a millisecond younger than the one
// before it: the oldest is the first.
func (s *sessions) several(n int) []session.Keyed {
	s.t.Helper()
	all := make([]session.Keyed, n)
	for i := range all {
		all[i] = s.open(s.one(fmt.Sprint("session ", i), time.Duration(i)*time.Millisecond))
	}
	return all
}

// snapshot opens what a renewal of k has left behind.
func (s *sessions) snapshot(k session.Keyed) session.Keyed {
	s.t.Helper()
	k.Key = key(k.Entry.Value + ", snapshot")
	k.Entry.Listed = false
	return s.open(k)
}

// owned is k as a session of another owner.
func owned(owner revocation.Owner, k session.Keyed) session.Keyed {
	k.Key.Tag = owner.Tag
	k.Key.Hash[0] ^= owner.Hash[0] ^ 0xFF
	k.Entry.Owner = owner
	return k
}

// are fails unless got is exactly want, in this order.
func (s *sessions) are(what string, got []session.Keyed, want ...session.Keyed) {
	s.t.Helper()
	if !slices.EqualFunc(got, want, func(a, b session.Keyed) bool { return a.Key == b.Key && same(a.Entry, b.Entry) }) {
		s.t.Fatalf("%s: got %s, want %s", what, showAll(got), showAll(want))
	}
}

func showAll(all []session.Keyed) string {
	out := fmt.Sprintf("%d:", len(all))
	for _, k := range all {
		out += fmt.Sprintf(" %x=%s", k.Key.Hash[:4], show(k.Entry))
	}
	return out
}

// lists fails unless the owner's sessions are exactly want, and each can be read
// under its key.
func (s *sessions) lists(what string, owner revocation.Owner, want ...session.Keyed) {
	s.t.Helper()
	got, err := s.store.List(s.t.Context(), owner)
	s.succeeds("List", err)
	s.are(what, got, want...)
	for _, k := range want {
		s.holds(what+", Load", k.Key, k.Entry)
	}
}

// dead fails if anything of all is alive or can be brought back.
func (s *sessions) dead(what string, all ...session.Keyed) {
	s.t.Helper()
	for _, k := range all {
		s.holds(what, k.Key, session.Entry{})
		s.nothingRevives(k.Key, k.Entry.Version)
	}
}

func (s *sessions) endOne(owner revocation.Owner, h revocation.Handle) (session.Keyed, error) {
	return s.store.EndOne(s.t.Context(), owner, h, s.until())
}

func (s *sessions) endOthers(owner revocation.Owner, keep revocation.Handle) (uint64, []session.Keyed, error) {
	return s.store.EndOthers(s.t.Context(), owner, keep, s.until())
}

func (s *sessions) endAll(owner revocation.Owner) ([]session.Keyed, error) {
	return s.store.EndAll(s.t.Context(), owner, s.until())
}

package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// TestSessions runs the contract of session.Store, and that of session.Reporter
// if the store is one, on stores that maker makes.
func TestSessions(t *testing.T, maker func(t *testing.T, now func() time.Time) session.Store) {
	for _, c := range sessionCases {
		t.Run(c.name, func(t *testing.T) {
			clock := newClock()
			c.run(&sessions{t: t, store: maker(t, clock.now), clock: clock})
		})
	}
}

type sessionCase struct {
	name string
	run  func(*sessions)
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
	{"keys/all-bytes-count", keysCount},
	{"keys/sharing-a-tag", keysSharingTag},

	{"context/cancelled", contextCancelled},

	{"report/expired-once", reportExpired},
	{"report/every-function", reportEvery},
	{"report/not-what-the-caller-ended", reportNotTaken},
	{"report/no-lock-held", reportNoLock},
	{"report/once-under-parallel-calls", reportParallel},
}

// sessions is what a case works with.
type sessions struct {
	t     tb
	store session.Store
	clock *clock
}

// life is how long entries last unless a case says otherwise.
const life = time.Hour

// key derives a key from a label, so that a failure names the same key each time.
// All keys of a case share the tag: a store that shards by it must allow that,
// and Rename demands it.
func key(label string) session.StoreKey {
	return session.StoreKey{Tag: [4]byte{'t', 'a', 'g', 0}, Hash: sha256.Sum256([]byte(label))}
}

func (s *sessions) entry(version uint64, value string) session.Entry {
	return session.Entry{Version: version, Expires: s.clock.now().Add(life), Subject: "ann", Value: value}
}

func same(a, b session.Entry) bool {
	return a.Version == b.Version && a.Expires.Equal(b.Expires) && a.Subject == b.Subject && a.Value == b.Value
}

func show(e session.Entry) string {
	if e == (session.Entry{}) {
		return "no entry"
	}
	value := e.Value
	if len(value) > 40 {
		value = fmt.Sprintf("%s... (%d bytes)", value[:40], len(value))
	}
	return fmt.Sprintf("{version %d, subject %q, value %q, expires %s}", e.Version, e.Subject, value, e.Expires.Format(time.RFC3339Nano))
}

func (s *sessions) create(k session.StoreKey, e session.Entry) {
	s.t.Helper()
	if err := s.store.Create(s.t.Context(), k, e); err != nil {
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

// holds fails unless want stands under k; the zero Entry means that nothing does.
func (s *sessions) holds(what string, k session.StoreKey, want session.Entry) {
	s.t.Helper()
	if got := s.load(k); !same(got, want) {
		s.t.Fatalf("%s: got %s, want %s", what, show(got), show(want))
	}
}

func (s *sessions) fails(what string, got, want error) {
	s.t.Helper()
	if !errors.Is(got, want) {
		s.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (s *sessions) succeeds(what string, err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("%s: got %v, want nil", what, err)
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

func createLoadsBack(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.holds("Load after Create", key("a"), e)
	s.holds("Load once more", key("a"), e)
}

func createExists(s *sessions) {
	first := s.entry(1, "first")
	s.create(key("a"), first)
	s.fails("Create over a live entry", s.store.Create(s.t.Context(), key("a"), s.entry(7, "second")), session.ErrExists)
	s.holds("Load after a refused Create", key("a"), first)
}

func createOneOfMany(s *sessions) {
	const n = 8
	for round := range 20 {
		k := key(fmt.Sprint("round ", round))
		errs := make([]error, n)
		together(s.t, n, func(i int) {
			errs[i] = s.store.Create(s.t.Context(), k, s.entry(1, fmt.Sprint(i)))
		})
		winner := s.winner("Create", errs, session.ErrExists)
		s.holds("Load after parallel Creates", k, s.entry(1, fmt.Sprint(winner)))
	}
}

// winner fails unless exactly one of errs is nil and all others are lost.
func (s *sessions) winner(what string, errs []error, lost ...error) int {
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

func isOneOf(err error, targets []error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func loadAbsent(s *sessions) {
	out := []session.Entry{s.entry(9, "left over from another call")}
	s.succeeds("Load of an absent key", s.store.Load(s.t.Context(), []session.StoreKey{key("absent")}, out))
	if out[0] != (session.Entry{}) {
		s.t.Fatalf("Load of an absent key: got %s, want the zero Entry", show(out[0]))
	}
}

func loadSeveral(s *sessions) {
	// Different tags: these keys come from a jar with several cookies, and
	// nothing says that they belong to one subject.
	k := func(i int) session.StoreKey {
		k := key(fmt.Sprint(i))
		k.Tag = [4]byte{byte(i), byte(i * 7), 0xFF, byte(i)}
		return k
	}
	for i := range 4 {
		if i != 1 {
			s.create(k(i), s.entry(uint64(i+1), fmt.Sprint("value ", i)))
		}
	}
	keys := []session.StoreKey{k(3), k(0), k(1), k(2), k(0)}
	out := make([]session.Entry, len(keys))
	out[2] = s.entry(9, "left over")
	s.succeeds("Load of several keys", s.store.Load(s.t.Context(), keys, out))
	for i, want := range []session.Entry{s.entry(4, "value 3"), s.entry(1, "value 0"), {}, s.entry(3, "value 2"), s.entry(1, "value 0")} {
		if !same(out[i], want) {
			s.t.Fatalf("Load of several keys, place %d: got %s, want %s", i, show(out[i]), show(want))
		}
	}
}

func loadNothing(s *sessions) {
	s.succeeds("Load of no keys", s.store.Load(s.t.Context(), nil, nil))
}

func swapReplaces(s *sessions) {
	s.create(key("a"), s.entry(1, "first"))
	next := s.entry(2, "second")
	next.Subject, next.Expires = "bob", next.Expires.Add(life)
	_, err := s.swap(key("a"), 1, next)
	s.succeeds("Swap with the present version", err)
	s.holds("Load after Swap", key("a"), next)
	smaller := s.entry(9, "")
	smaller.Subject = ""
	_, err = s.swap(key("a"), 2, smaller)
	s.succeeds("Swap to an empty value", err)
	s.holds("Load after Swap to an empty value", key("a"), smaller)
}

func swapGone(s *sessions) {
	_, err := s.swap(key("a"), 1, s.entry(2, "second"))
	s.fails("Swap of an absent key", err, session.ErrGone)
	_, err = s.swap(key("a"), 0, s.entry(2, "second"))
	s.fails("Swap of an absent key with version 0", err, session.ErrGone)
	s.holds("Load after Swap of an absent key", key("a"), session.Entry{})
}

func swapConflict(s *sessions) {
	present := s.entry(2, "present")
	s.create(key("a"), present)
	for _, version := range []uint64{0, 1, 3, 1 << 63} {
		what := fmt.Sprintf("Swap with version %d where 2 is present", version)
		current, err := s.swap(key("a"), version, s.entry(3, "never"))
		s.fails(what, err, session.ErrConflict)
		if !same(current, present) {
			s.t.Fatalf("%s, what comes with the conflict: got %s, want %s", what, show(current), show(present))
		}
	}
	s.holds("Load after refused Swaps", key("a"), present)
}

func swapParallel(s *sessions) {
	const workers, each = 6, 25
	s.create(key("a"), s.entry(1, ""))
	problems := make([]string, workers)
	winners := make([]atomic.Int32, workers*each+2)
	together(s.t, workers, func(i int) {
		seen := s.entry(1, "")
		for done := 0; done < each; {
			next := s.entry(seen.Version+1, seen.Value+string(rune('a'+i)))
			current, err := s.swap(key("a"), seen.Version, next)
			switch {
			case err == nil:
				winners[next.Version].Add(1)
				seen = next
				done++
			case errors.Is(err, session.ErrConflict) && current.Version > seen.Version:
				seen = current
			default:
				problems[i] = fmt.Sprintf("got %v and %s, want nil, or ErrConflict and a later version than %d", err, show(current), seen.Version)
				return
			}
		}
	})
	for _, p := range problems {
		if p != "" {
			s.t.Fatalf("parallel Swap: %s", p)
		}
	}
	for version := 2; version < len(winners); version++ {
		if n := winners[version].Load(); n != 1 {
			s.t.Fatalf("parallel Swap: %d calls stored version %d, want exactly one", n, version)
		}
	}
	last := s.load(key("a"))
	if last.Version != workers*each+1 || len(last.Value) != workers*each {
		s.t.Fatalf("after parallel Swaps: got %s, want version %d with all %d letters", show(last), workers*each+1, workers*each)
	}
	for i := range workers {
		if n := strings.Count(last.Value, string(rune('a'+i))); n != each {
			s.t.Fatalf("after parallel Swaps: %d letters of worker %d, want %d", n, i, each)
		}
	}
}

func renameMoves(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	next := s.entry(5, "second")
	next.Subject = "bob"
	_, err := s.rename(key("old"), 1, key("to"), next, nil)
	s.succeeds("Rename", err)
	s.holds("the old key after Rename", key("old"), session.Entry{})
	s.holds("the new key after Rename", key("to"), next)
}

func renameLeaves(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	next, left := s.entry(2, "second"), s.entry(2, "snapshot")
	left.Subject, left.Expires = "bob", s.clock.now().Add(time.Minute)
	_, err := s.rename(key("old"), 1, key("to"), next, &left)
	s.succeeds("Rename that leaves an entry behind", err)
	s.holds("the old key after Rename", key("old"), left)
	s.holds("the new key after Rename", key("to"), next)
	s.clock.advance(time.Minute)
	s.holds("the old key past what was left there", key("old"), session.Entry{})
	s.holds("the new key meanwhile", key("to"), next)
}

func renamePointer(s *sessions) {
	s.create(key("old"), s.entry(1, "first"))
	left := s.entry(2, "snapshot")
	want := left
	_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), &left)
	s.succeeds("Rename that leaves an entry behind", err)
	left = session.Entry{Version: 99, Value: "changed by the caller afterwards"}
	s.holds("the old key after the caller's variable changed", key("old"), want)
}

func renameGone(s *sessions) {
	left := s.entry(2, "snapshot")
	for _, l := range []*session.Entry{nil, &left} {
		_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), l)
		s.fails("Rename of an absent key", err, session.ErrGone)
		s.holds("the old key", key("old"), session.Entry{})
		s.holds("the new key", key("to"), session.Entry{})
	}
}

func renameExists(s *sessions) {
	old, to, left := s.entry(1, "old"), s.entry(4, "to"), s.entry(2, "snapshot")
	s.create(key("old"), old)
	s.create(key("to"), to)
	for _, l := range []*session.Entry{nil, &left} {
		_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "second"), l)
		s.fails("Rename onto a live entry", err, session.ErrExists)
		s.holds("the old key after a refused Rename", key("old"), old)
		s.holds("the new key after a refused Rename", key("to"), to)
	}
}

func renameConflict(s *sessions) {
	present, left := s.entry(2, "present"), s.entry(3, "snapshot")
	s.create(key("old"), present)
	for _, l := range []*session.Entry{nil, &left} {
		for _, version := range []uint64{0, 1, 3} {
			current, err := s.rename(key("old"), version, key("to"), s.entry(3, "never"), l)
			s.fails("Rename with another version", err, session.ErrConflict)
			if !same(current, present) {
				s.t.Fatalf("Rename with another version, what comes with the conflict: got %s, want %s", show(current), show(present))
			}
			s.holds("the old key after a refused Rename", key("old"), present)
			s.holds("the new key after a refused Rename", key("to"), session.Entry{})
		}
	}
}

// watchRename looks at a Rename from outside. see is called with both keys all
// the while and says what nobody may ever see.
func (s *sessions) watchRename(left *session.Entry, see func(old, to session.StoreKey) string) {
	for round := range 20 {
		old, to := key(fmt.Sprint("old ", round)), key(fmt.Sprint("to ", round))
		s.create(old, s.entry(1, "first"))
		var err error
		var problem string
		var renamed atomic.Bool
		together(s.t, 2, func(i int) {
			if i == 0 {
				_, err = s.rename(old, 1, to, s.entry(2, "second"), left)
				renamed.Store(true)
				return
			}
			for last := false; problem == ""; {
				problem = see(old, to)
				if last {
					return
				}
				last = renamed.Load() // and one look more, at the end state
			}
		})
		s.succeeds("Rename", err)
		if problem != "" {
			s.t.Fatalf("Rename is not one step: %s", problem)
		}
	}
}

// peek is load for other goroutines than the case's own.
func (s *sessions) peek(k session.StoreKey) session.Entry {
	var out [1]session.Entry
	if err := s.store.Load(s.t.Context(), []session.StoreKey{k}, out[:]); err != nil {
		return session.Entry{Version: 1, Value: "Load failed: " + err.Error()}
	}
	return out[0]
}

func renameAtomic(s *sessions) {
	s.watchRename(nil, func(old, to session.StoreKey) string {
		if s.peek(to).Version != 0 && s.peek(old).Version != 0 {
			return "the new key was there while the old one still was"
		}
		if s.peek(old).Version == 0 && s.peek(to).Version == 0 {
			return "the old key was gone while the new one was not there yet"
		}
		return ""
	})
}

func renameAtomicLeft(s *sessions) {
	left := s.entry(2, "snapshot")
	s.watchRename(&left, func(old, to session.StoreKey) string {
		if s.peek(to).Version != 0 {
			if e := s.peek(old); !same(e, left) {
				return "the new key was there while the old one held " + show(e)
			}
		}
		switch e := s.peek(old); {
		case e.Version == 0:
			return "the old key was empty for a moment"
		case same(e, left) && s.peek(to).Version == 0:
			return "the old key was replaced while the new one was not there yet"
		}
		return ""
	})
}

func renameOneOfMany(s *sessions) {
	const n = 6
	for round := range 20 {
		old := key(fmt.Sprint("old ", round))
		to := func(i int) session.StoreKey { return key(fmt.Sprint("to ", round, " ", i)) }
		s.create(old, s.entry(1, "first"))
		left := s.entry(2, "snapshot")
		errs := make([]error, n)
		together(s.t, n, func(i int) {
			l := &left
			if round%2 == 0 {
				l = nil
			}
			_, errs[i] = s.rename(old, 1, to(i), s.entry(2, fmt.Sprint(i)), l)
		})
		winner := s.winner("Rename", errs, session.ErrConflict, session.ErrGone)
		for i := range n {
			want := session.Entry{}
			if i == winner {
				want = s.entry(2, fmt.Sprint(i))
			}
			s.holds("a new key after parallel Renames", to(i), want)
		}
	}
}

func renameOrTake(s *sessions) {
	for round := range 40 {
		old, to := key(fmt.Sprint("old ", round)), key(fmt.Sprint("to ", round))
		first, next := s.entry(1, "first"), s.entry(2, "second")
		s.create(old, first)
		var renamed, taken error
		var got session.Entry
		together(s.t, 2, func(i int) {
			if i == 0 {
				_, renamed = s.rename(old, 1, to, next, nil)
			} else {
				got, taken = s.take(old)
			}
		})
		switch {
		case renamed == nil && errors.Is(taken, session.ErrGone):
			s.holds("the new key after Rename beat Take", to, next)
		case errors.Is(renamed, session.ErrGone) && taken == nil && same(got, first):
			s.holds("the new key after Take beat Rename", to, session.Entry{})
		default:
			s.t.Fatalf("Rename beside Take: got %v and %v with %s, want one nil and one ErrGone", renamed, taken, show(got))
		}
		s.holds("the old key after Rename beside Take", old, session.Entry{})
	}
}

func takeRemoves(s *sessions) {
	e := s.entry(3, "value")
	s.create(key("a"), e)
	got, err := s.take(key("a"))
	s.succeeds("Take", err)
	if !same(got, e) {
		s.t.Fatalf("Take: got %s, want %s", show(got), show(e))
	}
	s.holds("Load after Take", key("a"), session.Entry{})
}

func takeGone(s *sessions) {
	_, err := s.take(key("a"))
	s.fails("Take of an absent key", err, session.ErrGone)
	s.create(key("a"), s.entry(1, "value"))
	_, err = s.take(key("a"))
	s.succeeds("Take", err)
	_, err = s.take(key("a"))
	s.fails("Take for the second time", err, session.ErrGone)
}

func takeOneOfMany(s *sessions) {
	const n = 8
	for round := range 20 {
		k := key(fmt.Sprint("round ", round))
		e := s.entry(1, "value")
		s.create(k, e)
		errs := make([]error, n)
		got := make([]session.Entry, n)
		together(s.t, n, func(i int) { got[i], errs[i] = s.take(k) })
		if winner := s.winner("Take", errs, session.ErrGone); !same(got[winner], e) {
			s.t.Fatalf("parallel Take, the winner: got %s, want %s", show(got[winner]), show(e))
		}
	}
}

// nothingRevives tries everything that could bring back what stood under k.
func (s *sessions) nothingRevives(k session.StoreKey, version uint64) {
	s.t.Helper()
	left := s.entry(version+1, "snapshot")
	_, err := s.swap(k, version, s.entry(version+1, "back"))
	s.fails("Swap of a dead entry", err, session.ErrGone)
	_, err = s.rename(k, version, key("elsewhere"), s.entry(version+1, "back"), &left)
	s.fails("Rename of a dead entry", err, session.ErrGone)
	_, err = s.take(k)
	s.fails("Take of a dead entry", err, session.ErrGone)
	s.holds("a dead entry's key", k, session.Entry{})
	s.holds("the key that a dead entry was to move to", key("elsewhere"), session.Entry{})
}

func deadAfterTake(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	_, err := s.take(key("a"))
	s.succeeds("Take", err)
	s.nothingRevives(key("a"), 1)
}

func deadAfterExpiry(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	s.clock.advance(life)
	s.nothingRevives(key("a"), 1)
}

func deadLateSwap(s *sessions) {
	const workers = 4
	for round := range 20 {
		k := key(fmt.Sprint("round ", round))
		s.create(k, s.entry(1, "value"))
		problems := make([]string, workers+1)
		var taken atomic.Bool
		together(s.t, workers+1, func(i int) {
			if i == workers {
				if _, err := s.take(k); err != nil {
					problems[i] = fmt.Sprintf("Take: got %v, want nil", err)
				}
				taken.Store(true)
				return
			}
			for version := uint64(1); ; {
				late := taken.Load()
				current, err := s.swap(k, version, s.entry(version+1, "late"))
				switch {
				case late && !errors.Is(err, session.ErrGone):
					problems[i] = fmt.Sprintf("Swap after Take: got %v, want ErrGone", err)
					return
				case err == nil:
					version++
				case errors.Is(err, session.ErrConflict):
					version = current.Version
				case errors.Is(err, session.ErrGone):
					return
				default:
					problems[i] = fmt.Sprintf("Swap: got %v, want nil, ErrConflict or ErrGone", err)
					return
				}
			}
		})
		for _, p := range problems {
			if p != "" {
				s.t.Fatalf("Swap beside Take: %s", p)
			}
		}
		s.holds("after Take, whatever Swaps were in flight", k, session.Entry{})
	}
}

func expiryLoad(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.clock.advance(life - time.Second)
	s.holds("a second before Expires", key("a"), e)
	s.clock.advance(time.Second)
	s.holds("at Expires", key("a"), session.Entry{})
	s.clock.advance(life)
	s.holds("long after Expires", key("a"), session.Entry{})
}

func expiryLoadExtends(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	for range 60 {
		s.holds("before Expires", key("a"), e)
		s.clock.advance(time.Minute)
	}
	s.holds("at Expires, after many Loads", key("a"), session.Entry{})
}

func expirySwap(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	s.clock.advance(life)
	_, err := s.swap(key("a"), 1, s.entry(2, "back"))
	s.fails("Swap at Expires", err, session.ErrGone)
	s.holds("Load after a refused Swap", key("a"), session.Entry{})
}

func expirySwapSets(s *sessions) {
	s.create(key("longer"), s.entry(1, "value"))
	s.create(key("shorter"), s.entry(1, "value"))
	longer, shorter := s.entry(2, "longer"), s.entry(2, "shorter")
	longer.Expires = s.clock.now().Add(2 * life)
	shorter.Expires = s.clock.now().Add(life / 2)
	_, err := s.swap(key("longer"), 1, longer)
	s.succeeds("Swap to a later end", err)
	_, err = s.swap(key("shorter"), 1, shorter)
	s.succeeds("Swap to an earlier end", err)
	s.clock.advance(life / 2)
	s.holds("at the earlier end", key("shorter"), session.Entry{})
	s.clock.advance(life)
	s.holds("past the first end, before the later one", key("longer"), longer)
	s.clock.advance(life / 2)
	s.holds("at the later end", key("longer"), session.Entry{})
}

func expiryTake(s *sessions) {
	s.create(key("a"), s.entry(1, "value"))
	s.clock.advance(life)
	got, err := s.take(key("a"))
	s.fails("Take at Expires", err, session.ErrGone)
	if got != (session.Entry{}) {
		s.t.Fatalf("Take at Expires: got %s, want the zero Entry", show(got))
	}
}

func expiryRename(s *sessions) {
	s.create(key("old"), s.entry(1, "value"))
	s.clock.advance(life)
	left := s.entry(2, "snapshot")
	_, err := s.rename(key("old"), 1, key("to"), s.entry(2, "back"), &left)
	s.fails("Rename at Expires", err, session.ErrGone)
	s.holds("the old key", key("old"), session.Entry{})
	s.holds("the new key", key("to"), session.Entry{})
}

func expiryRenameSets(s *sessions) {
	s.create(key("old"), s.entry(1, "value"))
	next, left := s.entry(2, "second"), s.entry(2, "snapshot")
	next.Expires = s.clock.now().Add(3 * life)
	left.Expires = s.clock.now().Add(2 * life)
	_, err := s.rename(key("old"), 1, key("to"), next, &left)
	s.succeeds("Rename", err)
	s.clock.advance(life)
	s.holds("the old key past its first end", key("old"), left)
	s.clock.advance(life)
	s.holds("the old key at the end of what was left there", key("old"), session.Entry{})
	s.holds("the new key before its end", key("to"), next)
	s.clock.advance(life)
	s.holds("the new key at its end", key("to"), session.Entry{})
}

func expiryCreateOver(s *sessions) {
	s.create(key("a"), s.entry(5, "first"))
	s.clock.advance(life)
	next := s.entry(1, "second")
	s.succeeds("Create over an expired entry", s.store.Create(s.t.Context(), key("a"), next))
	s.holds("Load after Create over an expired entry", key("a"), next)
}

func expiryRenameOnto(s *sessions) {
	// The old entry outlives the other from the start: a store that clears up
	// with each write gets no occasion before the Rename itself.
	old := s.entry(1, "value")
	old.Expires = old.Expires.Add(life)
	s.create(key("to"), s.entry(5, "first"))
	s.create(key("old"), old)
	s.clock.advance(life)
	next := s.entry(2, "second")
	_, err := s.rename(key("old"), 1, key("to"), next, nil)
	s.succeeds("Rename onto an expired entry", err)
	s.holds("the new key", key("to"), next)
	s.holds("the old key", key("old"), session.Entry{})
}

func valuesExact(s *sessions) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, value := range []string{
		"", "\x00", "a\x00b", "\x00\x00\x00\x00", string(all), "\xff\xfe\xfd", "\xc3\x28", "é€😀", "\r\n", " trailing ",
		`"quoted\"`, "'; DROP TABLE sessions; --", "{tag}", "%s%00", strings.Repeat("\x00", 4096),
	} {
		what := fmt.Sprintf("value %.20q", value)
		e := s.entry(1, value)
		if i%2 == 0 {
			e.Subject = "é€😀 " + strings.Repeat("x", 200)
		}
		k := key(what)
		s.create(k, e)
		s.holds(what+" after Create", k, e)
		e.Version = 2
		_, err := s.swap(k, 1, e)
		s.succeeds(what+": Swap", err)
		s.holds(what+" after Swap", k, e)
		current, err := s.swap(k, 1, e)
		s.fails(what+": Swap with another version", err, session.ErrConflict)
		if !same(current, e) {
			s.t.Fatalf("%s with a conflict: got %s, want %s", what, show(current), show(e))
		}
		moved, left := e, e
		moved.Version, left.Version = 3, 3
		_, err = s.rename(k, 2, key(what+" moved"), moved, &left)
		s.succeeds(what+": Rename", err)
		s.holds(what+" after Rename", key(what+" moved"), moved)
		s.holds(what+" left behind", k, left)
		got, err := s.take(k)
		s.succeeds(what+": Take", err)
		if !same(got, left) {
			s.t.Fatalf("%s from Take: got %s, want %s", what, show(got), show(left))
		}
	}
}

func valuesLarge(s *sessions) {
	var b strings.Builder
	for sum := sha256.Sum256(nil); b.Len() < 1<<20; sum = sha256.Sum256(sum[:]) {
		b.Write(sum[:])
	}
	e := s.entry(1, b.String())
	s.create(key("a"), e)
	s.holds("1 MiB after Create", key("a"), e)
	e.Version = 2
	_, err := s.swap(key("a"), 1, e)
	s.succeeds("Swap of 1 MiB", err)
	got, err := s.take(key("a"))
	s.succeeds("Take of 1 MiB", err)
	if !same(got, e) {
		s.t.Fatalf("1 MiB from Take: got %s, want %s", show(got), show(e))
	}
}

func valuesVersions(s *sessions) {
	// A store that counts in floating point takes neighbours for one number
	// from 2^53 on.
	for _, version := range []uint64{1 << 32, 1<<53 + 1, 1<<63 - 1, 1<<64 - 2} {
		k := key(fmt.Sprint("version ", version))
		e := s.entry(version, "value")
		s.create(k, e)
		s.holds("Load", k, e)
		_, err := s.swap(k, version-1, s.entry(version+1, "never"))
		s.fails(fmt.Sprintf("Swap with version %d where %d is present", version-1, version), err, session.ErrConflict)
		next := s.entry(version+1, "second")
		_, err = s.swap(k, version, next)
		s.succeeds(fmt.Sprintf("Swap with version %d", version), err)
		s.holds("Load after Swap", k, next)
	}
}

func keysCount(s *sessions) {
	base := key("base")
	s.create(base, s.entry(1, "base"))
	near := map[string]session.StoreKey{}
	for i := range base.Tag {
		k := base
		k.Tag[i] ^= 0x01
		near[fmt.Sprintf("tag byte %d", i)] = k
	}
	for i := range base.Hash {
		k := base
		k.Hash[i] ^= 0x80
		near[fmt.Sprintf("hash byte %d", i)] = k
	}
	for what, k := range near {
		s.holds("a key that differs in "+what, k, session.Entry{})
	}
	for what, k := range near {
		s.create(k, s.entry(1, what))
	}
	for what, k := range near {
		s.holds("a key that differs in "+what, k, s.entry(1, what))
	}
	s.holds("the base key", base, s.entry(1, "base"))
}

func keysSharingTag(s *sessions) {
	const n = 50
	label := func(i int) string { return fmt.Sprint("session ", i) }
	for i := range n {
		s.create(key(label(i)), s.entry(1, label(i)))
	}
	for i := 0; i < n; i += 2 {
		if i%4 == 0 {
			_, err := s.take(key(label(i)))
			s.succeeds("Take", err)
			continue
		}
		_, err := s.swap(key(label(i)), 1, s.entry(2, "changed"))
		s.succeeds("Swap", err)
	}
	for i := range n {
		want := s.entry(1, label(i))
		switch i % 4 {
		case 0:
			want = session.Entry{}
		case 2:
			want = s.entry(2, "changed")
		}
		s.holds(label(i), key(label(i)), want)
	}
}

// A call whose time is up may decide or not. What it may not do is hang, or call
// "gone", "exists" or "conflict" what it did not look at: callers believe these.
func contextCancelled(s *sessions) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	decided := func(what string, err error) {
		if errors.Is(err, session.ErrGone) || errors.Is(err, session.ErrExists) || errors.Is(err, session.ErrConflict) {
			s.t.Fatalf("%s with a cancelled context: got %v, which is not so", what, err)
		}
	}
	e, next := s.entry(1, "value"), s.entry(2, "second")
	for _, name := range []string{"load", "swap", "rename", "take"} {
		s.create(key(name), e)
	}
	var err error
	var out [1]session.Entry
	within(s.t, "Load with a cancelled context", func() {
		err = s.store.Load(ctx, []session.StoreKey{key("load")}, out[:])
	})
	if err == nil && !same(out[0], e) {
		s.t.Fatalf("Load with a cancelled context: got %s and nil, want %s or an error", show(out[0]), show(e))
	}
	decided("Load", err)
	within(s.t, "Create with a cancelled context", func() { err = s.store.Create(ctx, key("create"), e) })
	decided("Create", err)
	within(s.t, "Swap with a cancelled context", func() { _, err = s.store.Swap(ctx, key("swap"), 1, next) })
	decided("Swap", err)
	within(s.t, "Rename with a cancelled context", func() { _, err = s.store.Rename(ctx, key("rename"), 1, key("to"), next, nil) })
	decided("Rename", err)
	within(s.t, "Take with a cancelled context", func() { _, err = s.store.Take(ctx, key("take")) })
	decided("Take", err)
}

// reports collects what a Reporter says.
type reports struct {
	mu   sync.Mutex
	seen map[session.StoreKey][]session.Entry
	odd  string
}

func (r *reports) add(k session.StoreKey, e session.Entry, evicted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if evicted {
		r.odd = "an expired record was called evicted"
	}
	r.seen[k] = append(r.seen[k], e)
}

func (s *sessions) reporter() session.Reporter {
	r, ok := s.store.(session.Reporter)
	if !ok {
		s.t.Skipf("the store is no session.Reporter")
	}
	return r
}

func (s *sessions) watch() *reports {
	r := &reports{seen: make(map[session.StoreKey][]session.Entry)}
	s.reporter().Report(r.add)
	return r
}

// once fails unless exactly the entries of want were reported, once each.
func (s *sessions) once(r *reports, want map[session.StoreKey]session.Entry) {
	s.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.odd != "" {
		s.t.Fatalf("%s", r.odd)
	}
	for k, e := range want {
		switch got := r.seen[k]; {
		case len(got) != 1:
			s.t.Fatalf("the end of %s was reported %d times, want once", show(e), len(got))
		case !same(got[0], e):
			s.t.Fatalf("reported: got %s, want %s", show(got[0]), show(e))
		}
	}
	for k, got := range r.seen {
		if _, ok := want[k]; !ok {
			s.t.Fatalf("reported but not ended by the store: %s", show(got[0]))
		}
	}
}

// meet calls every operation on keys of its own, and returns those keys.
func (s *sessions) meet() map[string]func() {
	return map[string]func(){
		"load":   func() { s.load(key("load")) },
		"create": func() { _ = s.store.Create(s.t.Context(), key("create"), s.entry(1, "new")) },
		"swap":   func() { _, _ = s.swap(key("swap"), 1, s.entry(2, "never")) },
		"rename": func() { _, _ = s.rename(key("rename"), 1, key("nowhere"), s.entry(2, "never"), nil) },
		"take":   func() { _, _ = s.take(key("take")) },
	}
}

func reportExpired(s *sessions) {
	r := s.watch()
	want := make(map[session.StoreKey]session.Entry)
	for name := range s.meet() {
		want[key(name)] = s.entry(1, name)
		s.create(key(name), want[key(name)])
	}
	s.clock.advance(life)
	for range 2 { // whoever comes second finds nothing left to report
		for _, call := range s.meet() {
			call()
		}
	}
	s.once(r, want)
}

func reportEvery(s *sessions) {
	all := []*reports{s.watch(), s.watch(), s.watch()}
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.clock.advance(life)
	s.load(key("a"))
	for _, r := range all {
		s.once(r, map[session.StoreKey]session.Entry{key("a"): e})
	}
}

func reportNotTaken(s *sessions) {
	r := s.watch()
	for _, name := range []string{"swap", "rename", "take"} {
		s.create(key(name), s.entry(1, name))
	}
	_, err := s.swap(key("swap"), 1, s.entry(2, "second"))
	s.succeeds("Swap", err)
	_, err = s.rename(key("rename"), 1, key("to"), s.entry(2, "second"), nil)
	s.succeeds("Rename", err)
	_, err = s.take(key("take"))
	s.succeeds("Take", err)
	s.once(r, nil)
}

func reportNoLock(s *sessions) {
	var calls atomic.Int32
	s.reporter().Report(func(k session.StoreKey, _ session.Entry, _ bool) {
		calls.Add(1)
		s.peek(k)
		s.peek(key("neighbour"))
		_, _ = s.swap(key("neighbour"), 1, s.entry(2, "from the callback"))
		_, _ = s.take(key("neighbour"))
	})
	neighbour := s.entry(1, "neighbour")
	neighbour.Expires = neighbour.Expires.Add(life)
	s.create(key("neighbour"), neighbour)
	for name := range s.meet() {
		s.create(key(name), s.entry(1, name))
	}
	s.clock.advance(life)
	for name, call := range s.meet() {
		within(s.t, "the store was called from a report, out of "+name+": it", call)
	}
	if calls.Load() == 0 {
		s.t.Fatalf("no end was reported, want one for each expired record")
	}
}

func reportParallel(s *sessions) {
	r := s.watch()
	const n, workers = 40, 6
	want := make(map[session.StoreKey]session.Entry)
	for i := range n {
		k := key(fmt.Sprint(i))
		want[k] = s.entry(1, fmt.Sprint(i))
		s.create(k, want[k])
	}
	s.clock.advance(life)
	together(s.t, workers, func(w int) {
		for i := range n {
			k := key(fmt.Sprint((i + w*n/workers) % n))
			switch (i + w) % 3 {
			case 0:
				s.peek(k)
			case 1:
				_, _ = s.swap(k, 1, s.entry(2, "never"))
			default:
				_, _ = s.take(k)
			}
		}
	})
	s.once(r, want)
}

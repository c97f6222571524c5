package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// verdict is a tb that keeps what a case says instead of failing.
type verdict struct {
	ctx     context.Context
	failure string
	skipped bool
}

func (v *verdict) Helper()                  {}
func (v *verdict) Context() context.Context { return v.ctx }

func (v *verdict) Fatalf(format string, args ...any) {
	v.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Skipf(string, ...any) {
	v.skipped = true
	runtime.Goexit()
}

// judge runs one case in a goroutine that the case may end.
func judge(t *testing.T, run func(v *verdict, clock *clock)) *verdict {
	v := &verdict{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(v, newClock())
	}()
	<-done
	return v
}

func judgeSessions(t *testing.T, c sessionCase, maker func(now func() time.Time) session.Store) *verdict {
	return judge(t, func(v *verdict, clock *clock) { c.run(newSessions(v, maker(clock.now), clock)) })
}

// broken is a right store with some operations replaced.
type broken struct {
	session.Store
	load   func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error
	create func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error)
	swap   func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error)
	rename func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error)
	take   func(ctx context.Context, k session.StoreKey) (session.Entry, error)

	list      func(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error)
	endOne    func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error)
	endOthers func(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error)
	endAll    func(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error)

	revoked func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error)
	raise   func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error)
	restore func(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error
	deny    func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error
}

func (b *broken) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if b.load != nil {
		return b.load(ctx, keys, out)
	}
	return b.Store.Load(ctx, keys, out)
}

func (b *broken) Create(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	if b.create != nil {
		return b.create(ctx, k, e, a)
	}
	return b.Store.Create(ctx, k, e, a)
}

func (b *broken) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if b.swap != nil {
		return b.swap(ctx, k, version, next)
	}
	return b.Store.Swap(ctx, k, version, next)
}

func (b *broken) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	if b.rename != nil {
		return b.rename(ctx, old, version, to, next, left)
	}
	return b.Store.Rename(ctx, old, version, to, next, left)
}

func (b *broken) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	if b.take != nil {
		return b.take(ctx, k)
	}
	return b.Store.Take(ctx, k)
}

func (b *broken) List(ctx context.Context, owner revocation.Owner) ([]session.Keyed, error) {
	if b.list != nil {
		return b.list(ctx, owner)
	}
	return b.Store.List(ctx, owner)
}

func (b *broken) EndOne(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
	if b.endOne != nil {
		return b.endOne(ctx, owner, h, until)
	}
	return b.Store.EndOne(ctx, owner, h, until)
}

func (b *broken) EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
	if b.endOthers != nil {
		return b.endOthers(ctx, owner, keep, until)
	}
	return b.Store.EndOthers(ctx, owner, keep, until)
}

func (b *broken) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	if b.endAll != nil {
		return b.endAll(ctx, owner, until)
	}
	return b.Store.EndAll(ctx, owner, until)
}

func (b *broken) Revoked(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	if b.revoked != nil {
		return b.revoked(ctx, owner, a)
	}
	return b.Store.Revoked(ctx, owner, a)
}

func (b *broken) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	if b.raise != nil {
		return b.raise(ctx, owner, until)
	}
	return b.Store.RaiseEpoch(ctx, owner, until)
}

func (b *broken) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	if b.restore != nil {
		return b.restore(ctx, owner, epoch, until)
	}
	return b.Store.RestoreEpoch(ctx, owner, epoch, until)
}

func (b *broken) Deny(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
	if b.deny != nil {
		return b.deny(ctx, owner, h, until)
	}
	return b.Store.Deny(ctx, owner, h, until)
}

// one reads a single key.
func one(s session.Store, k session.StoreKey) session.Entry {
	var out [1]session.Entry
	_ = s.Load(context.Background(), []session.StoreKey{k}, out[:])
	return out[0]
}

// pause lets other goroutines run in the middle of what should be one step.
func pause() {
	for range 300 {
		runtime.Gosched()
	}
}

// recreate is Create where nobody has to make room.
func recreate(s session.Store, k session.StoreKey, e session.Entry) error {
	_, _, err := s.Create(context.Background(), k, e, unlimited)
	return err
}

// overwrite puts e under k whatever is there.
func overwrite(s session.Store, k session.StoreKey, e session.Entry) {
	_, _ = s.Take(context.Background(), k)
	_ = recreate(s, k, e)
}

// mapped is a store that goes through a lossy encoding.
func mapped(s session.Store, onKey func(session.StoreKey) session.StoreKey, onEntry func(session.Entry) session.Entry) *broken {
	if onKey == nil {
		onKey = func(k session.StoreKey) session.StoreKey { return k }
	}
	if onEntry == nil {
		onEntry = func(e session.Entry) session.Entry { return e }
	}
	return &broken{
		Store: s,
		load: func(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
			ks := make([]session.StoreKey, len(keys))
			for i, k := range keys {
				ks[i] = onKey(k)
			}
			return s.Load(ctx, ks, out)
		},
		create: func(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
			return s.Create(ctx, onKey(k), onEntry(e), a)
		},
		swap: func(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
			version = onEntry(session.Entry{Version: version}).Version
			return s.Swap(ctx, onKey(k), version, onEntry(next))
		},
		rename: func(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
			version = onEntry(session.Entry{Version: version}).Version
			if left != nil {
				l := onEntry(*left)
				left = &l
			}
			return s.Rename(ctx, onKey(old), version, onKey(to), onEntry(next), left)
		},
		take: func(ctx context.Context, k session.StoreKey) (session.Entry, error) { return s.Take(ctx, onKey(k)) },
	}
}

func onValue(f func(string) string) func(session.Entry) session.Entry {
	return func(e session.Entry) session.Entry {
		e.Value = f(e.Value)
		return e
	}
}

// blind makes a store of which one operation takes the dead for the living.
func blind(op string) func(func() time.Time) session.Store {
	return func(now func() time.Time) session.Store {
		r := newReference(now)
		r.blind, r.lazy = op, op != "nothing"
		return &broken{Store: r}
	}
}

// brokenStore breaks one clause, and the case that is named must see it.
type brokenStore struct {
	desc string
	by   string
	make func(now func() time.Time) session.Store
}

func allBrokenStores() []brokenStore {
	return slices.Concat(brokenEntries, brokenOwners, brokenRevocations, brokenReports)
}

// chances is how many runs of its case a broken store may survive.
const chances = 20

func TestBrokenStoresAreCaught(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	cases := allSessionCases()
	for _, tc := range allBrokenStores() {
		t.Run(tc.desc, func(t *testing.T) {
			i := slices.IndexFunc(cases, func(c sessionCase) bool { return c.name == tc.by })
			if i < 0 {
				t.Fatalf("no such case: %s", tc.by)
			}
			// A case that watches a race sees it with a high probability and not with
			// certainty, and authors run it more than once.
			for range chances {
				if v := judgeSessions(t, cases[i], tc.make); v.failure != "" {
					t.Logf("%s: %s", tc.by, v.failure)
					return
				}
			}
			t.Fatalf("%s: got no failure in %d runs, want one", tc.by, chances)
		})
	}
}

// A case that no broken store fails would prove nothing.
func TestEveryCaseCatchesSomething(t *testing.T) {
	for _, c := range allSessionCases() {
		if c.name == "create/loads-back" || c.name == "swap/replaces" {
			continue // whoever fails these fails half of the others
		}
		t.Run(c.name, func(t *testing.T) {
			if !slices.ContainsFunc(allBrokenStores(), func(tc brokenStore) bool { return tc.by == c.name }) {
				t.Fatalf("no broken store is caught by this case, want at least one")
			}
		})
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range allSessionCases() {
		if seen[c.name] {
			t.Errorf("%s: two cases have this name", c.name)
		}
		seen[c.name] = true
	}
}

func TestReferenceKeepsTheContract(t *testing.T) {
	TestSessions(t, func(_ *testing.T, now func() time.Time) session.Store { return newReference(now) })
}

func TestReferenceKeepsTheContractOfRevocations(t *testing.T) {
	TestRevocations(t, func(_ *testing.T, now func() time.Time) revocation.Store { return newReference(now) })
}

// The wrappers above break nothing by being wrappers.
func TestUnbrokenStorePasses(t *testing.T) {
	for desc, maker := range map[string]func(now func() time.Time) session.Store{
		"broken": func(now func() time.Time) session.Store { return &broken{Store: newReference(now)} },
		"mapped": func(now func() time.Time) session.Store { return mapped(newReference(now), nil, nil) },
		"blind":  blind("nothing"),
		"reporting": func(now func() time.Time) session.Store {
			return &reporting{newReference(now), func(s *reference, f reportFunc) { s.Report(f) }}
		},
	} {
		t.Run(desc, func(t *testing.T) {
			for _, c := range allSessionCases() {
				v := judgeSessions(t, c, maker)
				if v.failure != "" {
					t.Errorf("%s: got %q, want no failure", c.name, v.failure)
				}
				if _, reports := maker(time.Now).(session.Reporter); v.skipped && (reports || !strings.HasPrefix(c.name, "report/")) {
					t.Errorf("%s: got skipped, want run", c.name)
				}
			}
		})
	}
}

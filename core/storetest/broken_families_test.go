package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// brokenKin is a right store of which some operations on families are replaced.
type brokenKin struct {
	*reference
	create   func(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error)
	find     func(ctx context.Context, key refresh.Key) (refresh.Family, error)
	rotate   func(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error)
	end      func(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error)
	families func(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error)

	sight   func(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error
	revoked func(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error)
	raise   func(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error)
	restore func(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error
	deny    func(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error
}

func (b *brokenKin) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	if b.create != nil {
		return b.create(ctx, f, limit)
	}
	return b.reference.CreateFamily(ctx, f, limit)
}

func (b *brokenKin) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	if b.find != nil {
		return b.find(ctx, key)
	}
	return b.reference.FindFamily(ctx, key)
}

func (b *brokenKin) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	if b.rotate != nil {
		return b.rotate(ctx, key, p)
	}
	return b.reference.Rotate(ctx, key, p)
}

func (b *brokenKin) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	if b.end != nil {
		return b.end(ctx, key, rules)
	}
	return b.reference.EndFamily(ctx, key, rules)
}

func (b *brokenKin) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	if b.families != nil {
		return b.families(ctx, owner)
	}
	return b.reference.Families(ctx, owner)
}

func (b *brokenKin) Sight(ctx context.Context, owner revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	if b.sight != nil {
		return b.sight(ctx, owner, family, a)
	}
	return b.reference.Sight(ctx, owner, family, a)
}

func (b *brokenKin) Revoked(ctx context.Context, owner revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	if b.revoked != nil {
		return b.revoked(ctx, owner, a)
	}
	return b.reference.Revoked(ctx, owner, a)
}

func (b *brokenKin) RaiseEpoch(ctx context.Context, owner revocation.Owner, until time.Time) (uint64, error) {
	if b.raise != nil {
		return b.raise(ctx, owner, until)
	}
	return b.reference.RaiseEpoch(ctx, owner, until)
}

func (b *brokenKin) RestoreEpoch(ctx context.Context, owner revocation.Owner, epoch uint64, until time.Time) error {
	if b.restore != nil {
		return b.restore(ctx, owner, epoch, until)
	}
	return b.reference.RestoreEpoch(ctx, owner, epoch, until)
}

func (b *brokenKin) Deny(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
	if b.deny != nil {
		return b.deny(ctx, owner, h, until)
	}
	return b.reference.Deny(ctx, owner, h, until)
}

// kins makes a store of which f breaks something.
func kins(f func(b *brokenKin, r *reference)) func(func() time.Time) refresh.Store {
	return func(now func() time.Time) refresh.Store {
		b := &brokenKin{reference: newReference(now)}
		f(b, b.reference)
		return b
	}
}

// heedless makes a store of which one operation takes the dead for the living.
func heedless(op string) func(func() time.Time) refresh.Store {
	return kins(func(_ *brokenKin, r *reference) { r.blind, r.lazy = op, true })
}

// brokenFamilyStore breaks one clause, and the case that is named must see it.
type brokenFamilyStore struct {
	desc string
	by   string
	make func(now func() time.Time) refresh.Store
}

func allBrokenFamilyStores() []brokenFamilyStore {
	return slices.Concat(brokenFamilies, brokenDecisions, brokenSights, brokenFamilyEnds)
}

func judgeFamilies(t *testing.T, c familyCase, maker func(now func() time.Time) refresh.Store) *verdict {
	return judge(t, func(v *verdict, clock *clock) { c.run(newFamilies(v, maker(clock.now), clock)) })
}

func TestBrokenFamilyStoresAreCaught(t *testing.T) {
	defer func(d time.Duration) { patience = d }(patience)
	patience = time.Second
	cases := slices.Concat(familyCases, clockBackCases)
	for _, tc := range allBrokenFamilyStores() {
		t.Run(tc.desc, func(t *testing.T) {
			i := slices.IndexFunc(cases, func(c familyCase) bool { return c.name == tc.by })
			if i < 0 {
				t.Fatalf("no such case: %s", tc.by)
			}
			for range chances {
				if v := judgeFamilies(t, cases[i], tc.make); v.failure != "" {
					t.Logf("%s: %s", tc.by, v.failure)
					return
				}
			}
			t.Fatalf("%s: got no failure in %d runs, want one", tc.by, chances)
		})
	}
}

func TestEveryFamilyCaseCatchesSomething(t *testing.T) {
	for _, c := range slices.Concat(familyCases, clockBackCases) {
		t.Run(c.name, func(t *testing.T) {
			if !slices.ContainsFunc(allBrokenFamilyStores(), func(tc brokenFamilyStore) bool { return tc.by == c.name }) {
				t.Fatalf("no broken store is caught by this case, want at least one")
			}
		})
	}
}

func TestFamilyNamesAreUnique(t *testing.T) {
	cases, stores := make(map[string]bool), make(map[string]bool)
	for _, c := range slices.Concat(allFamilyCases(), clockBackCases) {
		if cases[c.name] {
			t.Errorf("%s: two cases have this name", c.name)
		}
		cases[c.name] = true
	}
	for _, b := range allBrokenFamilyStores() {
		if stores[b.desc] {
			t.Errorf("%s: two broken stores have this name", b.desc)
		}
		stores[b.desc] = true
	}
}

func TestReferenceKeepsTheContractOfFamilies(t *testing.T) {
	maker := func(_ *testing.T, now func() time.Time) refresh.Store { return newReference(now) }
	TestFamilies(t, maker)
	TestFamiliesClockBack(t, maker)
}

// What has to do with sessions is left out for a store that keeps none, and nothing else
// is; the wrapper breaks nothing by being one.
func TestUnbrokenFamilyStorePasses(t *testing.T) {
	for desc, tc := range map[string]struct {
		make  func(now func() time.Time) refresh.Store
		skips []string
	}{
		"broken": {kins(func(*brokenKin, *reference) {}), nil},
		"families alone": {
			func(now func() time.Time) refresh.Store { return struct{ refresh.Store }{newReference(now)} },
			[]string{"end/one-session-is-no-family", "end/with-sessions", "family/is-no-session"},
		},
	} {
		t.Run(desc, func(t *testing.T) {
			var skipped []string
			for _, c := range slices.Concat(allFamilyCases(), clockBackCases) {
				v := judgeFamilies(t, c, tc.make)
				if v.failure != "" {
					t.Errorf("%s: got %q, want no failure", c.name, v.failure)
				}
				if v.skipped {
					skipped = append(skipped, c.name)
				}
			}
			if slices.Sort(skipped); !slices.Equal(skipped, tc.skips) {
				t.Errorf("cases that were skipped: got %q, want %q", skipped, tc.skips)
			}
		})
	}
}

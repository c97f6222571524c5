package storetest

import (
	"context"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// A call whose time is up may decide or not. What it may not do is hang, or call
// "gone", "exists", "conflict" or "full" what it did not look at: callers believe these.
func contextCancelled(s *sessions) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	decided := func(what string, err error) {
		if isOneOf(err, []error{session.ErrGone, session.ErrExists, session.ErrConflict, session.ErrLimit, revocation.ErrFull}) {
			s.t.Fatalf("%s with a cancelled context: got %v, which is not so", what, err)
		}
	}
	e := func(name string, version uint64) session.Entry { return named(name, s.entry(version, "value")) }
	for _, name := range []string{"load", "swap", "rename", "take", "one", "others"} {
		s.create(key(name), e(name, 1))
	}
	var err error
	var out [1]session.Entry
	within(s.t, "Load with a cancelled context", func() {
		err = s.store.Load(ctx, []session.StoreKey{key("load")}, out[:])
	})
	if err == nil && !same(out[0], e("load", 1)) {
		s.t.Fatalf("Load with a cancelled context: got %s and nil, want %s or an error", show(out[0]), show(e("load", 1)))
	}
	decided("Load", err)
	within(s.t, "Create with a cancelled context", func() { _, _, err = s.store.Create(ctx, key("create"), e("create", 1), unlimited) })
	decided("Create", err)
	within(s.t, "Swap with a cancelled context", func() { _, err = s.store.Swap(ctx, key("swap"), 1, e("swap", 2)) })
	decided("Swap", err)
	within(s.t, "Rename with a cancelled context", func() { _, err = s.store.Rename(ctx, key("rename"), 1, key("to"), e("rename", 2), nil) })
	decided("Rename", err)
	within(s.t, "Take with a cancelled context", func() { _, err = s.store.Take(ctx, key("take")) })
	decided("Take", err)
	s.readsCancelled(ctx)
	until := s.until()
	within(s.t, "EndOne with a cancelled context", func() { _, err = s.store.EndOne(ctx, ann, handle("one"), until) })
	decided("EndOne", err)
	within(s.t, "EndOthers with a cancelled context", func() { _, _, err = s.store.EndOthers(ctx, ann, handle("others"), until) })
	decided("EndOthers", err)
	within(s.t, "EndAll with a cancelled context", func() { _, err = s.store.EndAll(ctx, ann, until) })
	decided("EndAll", err)
	within(s.t, "Deny with a cancelled context", func() { err = s.store.Deny(ctx, ann, handle("one"), until) })
	decided("Deny", err)
	within(s.t, "RestoreEpoch with a cancelled context", func() { err = s.store.RestoreEpoch(ctx, ann, 7, until) })
	decided("RestoreEpoch", err)
	within(s.t, "RaiseEpoch with a cancelled context", func() { _, err = s.store.RaiseEpoch(ctx, ann, until) })
	decided("RaiseEpoch", err)
}

// What a read says with no error must be so, whatever became of the context.
func (s *sessions) readsCancelled(ctx context.Context) {
	epoch := s.raise(bob, s.until())
	his := s.open(owned(bob, s.one("his", 0)))
	s.deny(bob, handle("denied"), s.until())
	var err error
	var all []session.Keyed
	within(s.t, "List with a cancelled context", func() { all, err = s.store.List(ctx, bob) })
	if err == nil {
		s.are("List with a cancelled context and no error", all, his)
	}
	var got revocation.Found
	within(s.t, "Revoked with a cancelled context", func() {
		got, err = s.store.Revoked(ctx, bob, revocation.Asked{Session: handle("denied")})
	})
	if want := (revocation.Found{Epoch: epoch, Denied: true}); err == nil && got != want {
		s.t.Fatalf("Revoked with a cancelled context: got %+v and nil, want %+v or an error", got, want)
	}
}

package storetest

import (
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

func endOneRemoves(s *sessions) {
	epoch := s.raise(ann, s.until())
	all := s.several(3)
	got, err := s.store.EndOne(s.t.Context(), ann, all[1].Entry.Handle, s.clock.now().Add(2*life))
	s.succeeds("EndOne", err)
	s.are("what EndOne returns", []session.Keyed{got}, all[1])
	s.holds("the key of what was ended", all[1].Key, session.Entry{})
	s.lists("what EndOne left", ann, all[0], all[2])
	s.epochIs("after EndOne", ann, epoch)
	s.deniedIs("the handle of what was ended", ann, all[1].Entry.Handle, true)
	s.deniedIs("another handle", ann, all[0].Entry.Handle, false)
	s.clock.advance(2*life - time.Second)
	s.deniedIs("the handle a second before until", ann, all[1].Entry.Handle, true)
	s.clock.advance(2 * time.Second)
	s.deniedIs("the handle a second after until", ann, all[1].Entry.Handle, false)
}

func endOneGone(s *sessions) {
	expired := s.one("expired", 0)
	expired.Entry.Expires = s.clock.now().Add(time.Minute)
	expired = s.open(expired)
	a, his := s.open(s.one("a", time.Minute)), s.open(owned(bob, s.one("his", 0)))
	orphan := s.snapshot(s.one("moved", 0))
	s.clock.advance(time.Minute)
	for _, tc := range []struct {
		what string
		h    revocation.Handle
	}{
		{"the handle of an expired session", expired.Entry.Handle},
		{"a handle that nothing has", handle("nothing")},
		{"the handle of another owner", his.Entry.Handle},
		{"the handle of a snapshot alone", orphan.Entry.Handle},
		{"the zero handle", revocation.Handle{}},
	} {
		got, err := s.endOne(ann, tc.h)
		s.fails("EndOne of "+tc.what, err, session.ErrGone)
		if got.Key != (session.StoreKey{}) || got.Entry != (session.Entry{}) {
			s.t.Fatalf("EndOne of %s: got %s, want nothing", tc.what, show(got.Entry))
		}
		s.deniedIs(tc.what+" after ErrGone", ann, tc.h, false)
	}
	s.lists("after ErrGone", ann, a)
	s.lists("after ErrGone, another owner", bob, his)
	s.holds("the snapshot after ErrGone", orphan.Key, orphan.Entry)
}

func endOneSnapshots(s *sessions) {
	a, b := s.open(s.one("a", 0)), s.open(s.one("b", time.Minute))
	ofA, ofB := s.snapshot(a), s.snapshot(b)
	got, err := s.endOne(ann, a.Entry.Handle)
	s.succeeds("EndOne", err)
	s.are("what EndOne returns", []session.Keyed{got}, a)
	s.dead("the snapshot of what was ended", ofA)
	s.holds("the snapshot of another", ofB.Key, ofB.Entry)
}

func endOneOwner(s *sessions) {
	hers, his := s.open(s.one("a", 0)), s.open(owned(bob, s.one("a", 0)))
	_, err := s.endOne(ann, hers.Entry.Handle)
	s.succeeds("EndOne", err)
	s.lists("what EndOne left", ann)
	s.lists("another owner's session of the same handle", bob, his)
	s.deniedIs("the same handle of another owner", bob, his.Entry.Handle, false)
}

func endOneFull(s *sessions) {
	all := s.several(2)
	s.fill(s.clock.now().Add(life / 2))
	_, err := s.endOne(ann, all[0].Entry.Handle)
	s.fails("EndOne where MaxDenied others are denied", err, revocation.ErrFull)
	s.deniedIs("the handle after ErrFull", ann, all[0].Entry.Handle, false)
	s.lists("after ErrFull", ann, all...)
	s.clock.advance(life/2 + time.Second)
	got, err := s.endOne(ann, all[0].Entry.Handle)
	s.succeeds("EndOne when the denials have expired", err)
	s.are("what EndOne returns", []session.Keyed{got}, all[0])
}

func endOneDead(s *sessions) {
	all := s.several(2)
	_, err := s.endOne(ann, all[0].Entry.Handle)
	s.succeeds("EndOne", err)
	s.dead("what was ended", all[0])
	_, err = s.endOne(ann, all[0].Entry.Handle)
	s.fails("EndOne for the second time", err, session.ErrGone)
	s.lists("after all attempts", ann, all[1])
}

func endOneOfMany(s *sessions) {
	const n = 6
	for round := range 15 {
		k := s.open(s.one(fmt.Sprint(round), 0))
		got, errs := make([]session.Keyed, n), make([]error, n)
		together(s.t, n, func(i int) {
			if i == n-1 && round%3 == 0 {
				var e session.Entry
				e, errs[i] = s.take(k.Key)
				got[i] = session.Keyed{Key: k.Key, Entry: e}
				return
			}
			got[i], errs[i] = s.endOne(ann, k.Entry.Handle)
		})
		winner := s.winner("EndOne and Take", errs, session.ErrGone)
		s.are("parallel EndOne and Take, the winner", got[winner:winner+1], k)
	}
}

func endOneLate(s *sessions) {
	s.lateWriters("EndOne", func(k session.Keyed) error {
		got, err := s.endOne(ann, k.Entry.Handle)
		if err == nil && got.Entry.Handle != k.Entry.Handle {
			err = fmt.Errorf("another session: %s", show(got.Entry))
		}
		return err
	})
}

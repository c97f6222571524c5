package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// stamped is k with another epoch.
func stamped(k session.Keyed, epoch uint64) session.Keyed {
	k.Entry.Epoch = epoch
	return k
}

func endOthersKeeps(s *sessions) {
	before := s.raise(ann, s.clock.now().Add(life))
	all := s.several(4)
	epoch, ended, err := s.store.EndOthers(s.t.Context(), ann, all[2].Entry.Handle, s.clock.now().Add(3*life))
	s.succeeds("EndOthers", err)
	if epoch <= before {
		s.t.Fatalf("EndOthers where the epoch is %d: got %d, want more", before, epoch)
	}
	s.are("what EndOthers returns", ended, all[0], all[1], all[3])
	s.lists("what EndOthers left", ann, stamped(all[2], epoch))
	for _, k := range ended {
		s.holds("the key of what was ended", k.Key, session.Entry{})
	}
	s.epochIs("after EndOthers", ann, epoch)
	s.deniedIs("the handle of the one that was kept", ann, all[2].Entry.Handle, false)
	again, ended, err := s.store.EndOthers(s.t.Context(), ann, all[2].Entry.Handle, s.clock.now().Add(time.Minute))
	s.succeeds("EndOthers where no others are", err)
	s.are("what it returns", ended)
	s.lists("what it left", ann, stamped(all[2], again))
	s.clock.advance(3*life - time.Second)
	s.epochIs("a second before the later until", ann, again)
	s.clock.advance(2 * time.Second)
	s.epochIs("a second after the later until", ann, 0)
}

func endOthersGone(s *sessions) {
	expired := s.one("expired", 0)
	expired.Entry.Expires = s.clock.now().Add(time.Minute)
	expired = s.open(expired)
	all := s.several(2)
	his, orphan := s.open(owned(bob, s.one("his", 0))), s.snapshot(s.one("moved", 0))
	s.deny(ann, handle("denied"), s.until())
	s.clock.advance(time.Minute)
	for _, tc := range []struct {
		what string
		h    revocation.Handle
	}{
		{"the handle of an expired session", expired.Entry.Handle},
		{"a handle that nothing has", handle("nothing")},
		{"the handle of another owner", his.Entry.Handle},
		{"the handle of a snapshot alone", orphan.Entry.Handle},
	} {
		_, ended, err := s.endOthers(ann, tc.h)
		s.fails("EndOthers with "+tc.what, err, session.ErrGone)
		s.are("what it returns", ended)
		s.epochIs("after ErrGone", ann, 0)
		s.lists("after ErrGone", ann, all...)
		s.holds("a snapshot after ErrGone", orphan.Key, orphan.Entry)
		s.deniedIs("a denied handle after ErrGone", ann, handle("denied"), true)
	}
}

func endOthersSnapshots(s *sessions) {
	a, b := s.open(s.one("a", 0)), s.open(s.one("b", time.Minute))
	ofA, ofB := s.snapshot(a), s.snapshot(b)
	epoch, ended, err := s.endOthers(ann, a.Entry.Handle)
	s.succeeds("EndOthers", err)
	s.are("what EndOthers returns", ended, b)
	s.dead("a snapshot of another", ofB)
	s.dead("a snapshot of the one that was kept", ofA)
	s.lists("what EndOthers left", ann, stamped(a, epoch))
}

func endOthersOwner(s *sessions) {
	before := s.raise(bob, s.until())
	his := s.open(owned(bob, s.one("a", 0)))
	s.deny(bob, handle("denied"), s.until())
	hers := s.several(2)
	epoch, _, err := s.endOthers(ann, hers[0].Entry.Handle)
	s.succeeds("EndOthers", err)
	s.lists("what EndOthers left", ann, stamped(hers[0], epoch))
	s.lists("another owner's sessions", bob, his)
	s.epochIs("another owner's epoch", bob, before)
	s.deniedIs("another owner's denied handle", bob, handle("denied"), true)
}

func endOthersDead(s *sessions) {
	all := s.several(4)
	epoch, _, err := s.endOthers(ann, all[1].Entry.Handle)
	s.succeeds("EndOthers", err)
	s.dead("what was ended", all[0], all[2], all[3])
	s.lists("after all attempts", ann, stamped(all[1], epoch))
}

// A request of the kept session may have read it before. It writes back what it
// read, the old epoch included, and must not log its user out by that.
func endOthersLateWriter(s *sessions) {
	k := s.open(s.one("kept", 0))
	read := k.Entry
	epoch, _, err := s.endOthers(ann, k.Entry.Handle)
	s.succeeds("EndOthers", err)
	read.Version, read.Value = 2, "second"
	_, err = s.swap(k.Key, 1, read)
	s.succeeds("Swap of the kept one by who read the older epoch", err)
	k.Entry.Version, k.Entry.Value = 2, "second"
	s.lists("after it", ann, stamped(k, epoch))
	epoch, _, err = s.endOthers(ann, k.Entry.Handle)
	s.succeeds("EndOthers once more", err)
	read.Version = 3
	left := read
	left.Listed = false
	_, err = s.rename(k.Key, 2, key("to"), read, &left)
	s.succeeds("Rename of the kept one by who read the older epoch", err)
	old := k.Key
	k.Key, k.Entry.Version, left.Epoch = key("to"), 3, epoch
	s.lists("after it", ann, stamped(k, epoch))
	s.holds("what it left", old, left)
}

func endOthersWriters(s *sessions) {
	const workers = 4
	for round := range 15 {
		k := s.open(s.one(fmt.Sprint("kept ", round), 0))
		other := s.open(s.one(fmt.Sprint("other ", round), time.Minute))
		problems := make([]string, workers+1)
		var epoch uint64
		var ended []session.Keyed
		var done atomic.Bool
		together(s.t, workers+1, func(i int) {
			if i == workers {
				var err error
				if epoch, ended, err = s.endOthers(ann, k.Entry.Handle); err != nil {
					problems[i] = fmt.Sprintf("EndOthers: got %v, want nil", err)
				}
				done.Store(true)
				return
			}
			for version, last := uint64(1), false; ; {
				next := k.Entry // with the epoch that was read before
				next.Version = version + 1
				current, err := s.swap(k.Key, version, next)
				switch {
				case err == nil && last:
					return
				case err == nil:
					version++
					last = done.Load() // and one Swap more, after the end
				case errors.Is(err, session.ErrConflict):
					version = current.Version
				default:
					problems[i] = fmt.Sprintf("Swap: got %v, want nil or ErrConflict", err)
					return
				}
			}
		})
		s.noProblem("Swaps of the one that EndOthers keeps", problems)
		s.are("what EndOthers returns", ended, other)
		k.Entry.Version = s.load(k.Key).Version
		s.lists("after EndOthers, whatever Swaps were in flight", ann, stamped(k, epoch))
		_, err := s.take(k.Key)
		s.succeeds("Take", err)
	}
}

func endOthersOneOfMany(s *sessions) {
	for range 10 {
		all := s.several(5)
		n := len(all)
		epochs, ended, errs := make([]uint64, n), make([][]session.Keyed, n), make([]error, n)
		together(s.t, n, func(i int) { epochs[i], ended[i], errs[i] = s.endOthers(ann, all[i].Entry.Handle) })
		winner := s.winner("EndOthers", errs, session.ErrGone)
		for i := range n {
			if i != winner {
				s.are("what the losers of parallel EndOthers return", ended[i])
			}
		}
		others := append(append([]session.Keyed{}, all[:winner]...), all[winner+1:]...)
		s.are("what the winner of parallel EndOthers returns", ended[winner], others...)
		s.lists("after parallel EndOthers", ann, stamped(all[winner], epochs[winner]))
		s.epochIs("after parallel EndOthers", ann, epochs[winner])
		_, err := s.take(all[winner].Key)
		s.succeeds("Take", err)
	}
}

package storetest

import (
	"slices"
	"time"
)

func epochAbsent(s *revocations) {
	s.epochIs("an owner of whom nothing was revoked", ann, 0)
}

func epochRises(s *revocations) {
	var last uint64
	for range 5 {
		epoch := s.raise(ann, s.until())
		if epoch <= last {
			s.t.Fatalf("RaiseEpoch where the epoch is %d: got %d, want more", last, epoch)
		}
		s.epochIs("after RaiseEpoch", ann, epoch)
		last = epoch
	}
	s.epochIs("another owner of the same tag", bob, 0)
}

func epochOwners(s *revocations) {
	epoch := s.raise(ann, s.until())
	for i := range ann.Tag {
		near := ann
		near.Tag[i] ^= 0x01
		s.epochIs("an owner that differs in the tag", near, 0)
	}
	for i := range ann.Hash {
		near := ann
		near.Hash[i] ^= 0x80
		s.epochIs("an owner that differs in the hash", near, 0)
	}
	s.epochIs("the owner", ann, epoch)
}

func epochParallel(s *revocations) {
	const n = 8
	var last uint64
	for range 10 {
		epochs, errs := make([]uint64, n), make([]error, n)
		until := s.until()
		together(s.t, n, func(i int) { epochs[i], errs[i] = s.book.RaiseEpoch(s.t.Context(), ann, until) })
		for _, err := range errs {
			s.succeeds("parallel RaiseEpoch", err)
		}
		slices.Sort(epochs)
		if epochs[0] <= last || len(slices.Compact(slices.Clone(epochs))) != n {
			s.t.Fatalf("parallel RaiseEpoch where the epoch is %d: got %d, want all of them greater and different", last, epochs)
		}
		last = epochs[n-1]
		s.epochIs("after parallel RaiseEpochs, the greatest", ann, last)
	}
}

func epochUntil(s *revocations) {
	epoch := s.raise(ann, s.clock.now().Add(life))
	s.clock.advance(life - time.Second)
	s.epochIs("a second before until", ann, epoch)
	s.clock.advance(2 * time.Second)
	s.epochIs("a second after until", ann, 0)
}

func epochLater(s *revocations) {
	s.raise(ann, s.clock.now().Add(life))
	epoch := s.raise(ann, s.clock.now().Add(3*life))
	s.clock.advance(2 * life)
	s.epochIs("after the first until, before the later one", ann, epoch)
	s.clock.advance(life + time.Second)
	s.epochIs("after the later until", ann, 0)
}

func epochEarlier(s *revocations) {
	s.raise(ann, s.clock.now().Add(3*life))
	epoch := s.raise(ann, s.clock.now().Add(life))
	s.clock.advance(2 * life)
	s.epochIs("after the earlier until, before the first", ann, epoch)
	s.restore(ann, epoch-1, s.clock.now().Add(time.Minute))
	s.clock.advance(life / 2)
	s.epochIs("after the until of RestoreEpoch, before the first", ann, epoch)
}

func epochRestore(s *revocations) {
	s.restore(ann, 7, s.until())
	s.epochIs("RestoreEpoch where nothing is stored", ann, 7)
	s.restore(ann, 1<<50, s.until())
	s.epochIs("RestoreEpoch of a greater one", ann, 1<<50)
	s.epochIs("another owner of the same tag", bob, 0)
}

func epochRestoreLower(s *revocations) {
	epoch := s.raise(ann, s.until())
	s.restore(ann, epoch-1, s.until())
	s.epochIs("RestoreEpoch of a lower one", ann, epoch)
	s.restore(ann, epoch, s.until())
	s.epochIs("RestoreEpoch of the present one", ann, epoch)
}

func epochRestoreUntil(s *revocations) {
	epoch := s.raise(ann, s.clock.now().Add(life))
	s.restore(ann, epoch-1, s.clock.now().Add(3*life))
	s.clock.advance(2 * life)
	s.epochIs("after the until of RaiseEpoch, before that of RestoreEpoch", ann, epoch)
	s.clock.advance(life + time.Second)
	s.epochIs("after both", ann, 0)
}

// The clocks of two servers differ: what a failover brought may be ahead of the
// clock that decides now.
func epochRestoreRaise(s *revocations) {
	ahead := s.raise(ann, s.until()) + uint64(time.Hour/time.Microsecond)
	s.restore(ann, ahead, s.until())
	if epoch := s.raise(ann, s.until()); epoch <= ahead {
		s.t.Fatalf("RaiseEpoch where the epoch is %d: got %d, want more", ahead, epoch)
	}
}

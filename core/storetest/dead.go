package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core/session"
)

// nothingRevives tries everything that could bring back what stood under k.
func (s *sessions) nothingRevives(k session.StoreKey, version uint64) {
	s.t.Helper()
	left := s.left(version+1, "snapshot")
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

package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core/session"
)

// lateWriters runs Swap and Rename on sessions, round after round, while end ends
// them. Whatever is in flight, nothing is alive afterwards, and who begins after
// the end is told that it is gone.
func (s *sessions) lateWriters(name string, end func(k session.Keyed) error) {
	const swappers, renamers = 3, 2
	for round := range 15 {
		first := s.open(s.one(fmt.Sprint(name, " ", round), 0))
		problems := make([]string, swappers+renamers+1)
		places := make([][]session.StoreKey, len(problems))
		var ended atomic.Bool
		together(s.t, len(problems), func(i int) {
			if i == swappers+renamers {
				if err := end(first); err != nil {
					problems[i] = fmt.Sprintf("%s: got %v, want nil", name, err)
				}
				ended.Store(true)
				return
			}
			k := first.Key
			for version := uint64(1); ; {
				late := ended.Load()
				next := first.Entry
				next.Version = version + 1
				var current session.Entry
				var err error
				to := k
				if i < swappers {
					current, err = s.swap(k, version, next)
				} else {
					to = key(fmt.Sprint(name, " ", round, " ", i, " ", version))
					current, err = s.rename(k, version, to, next, nil)
				}
				switch {
				case late && !errors.Is(err, session.ErrGone):
					problems[i] = fmt.Sprintf("a write after %s: got %v, want ErrGone", name, err)
					return
				case err == nil:
					version, k = version+1, to
					places[i] = append(places[i], to)
				case errors.Is(err, session.ErrConflict):
					version = current.Version
				case errors.Is(err, session.ErrGone) && late:
					return
				case !errors.Is(err, session.ErrGone): // someone else may have moved it
					problems[i] = fmt.Sprintf("a write: got %v, want nil, ErrConflict or ErrGone", err)
					return
				}
			}
		})
		s.noProblem("writes beside "+name, problems)
		s.holds("after "+name, first.Key, session.Entry{})
		for _, keys := range places {
			for _, k := range keys {
				s.holds("after "+name+", where it may have moved", k, session.Entry{})
			}
		}
		s.lists("after "+name, ann)
	}
}

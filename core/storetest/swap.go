package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func swapReplaces(s *sessions) {
	s.create(key("a"), s.entry(1, "first"))
	next := s.entry(2, "second")
	next.Presented, next.Created, next.Expires = false, next.Created.Add(time.Minute), next.Expires.Add(life)
	_, err := s.swap(key("a"), 1, next)
	s.succeeds("Swap with the present version", err)
	s.holds("Load after Swap", key("a"), next)
	smaller := s.entry(9, "")
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

package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// crowd is how many callers come at once.
const crowd = 50

// all presents f's token of a generation many times at once, each caller with a secret
// of its own to sign with, and returns what comes of each.
func (s *families) all(f refresh.Family, generation uint64, r refresh.Rules) ([]refresh.Outcome, []error) {
	s.t.Helper()
	outs, errs := make([]refresh.Outcome, crowd), make([]error, crowd)
	together(s.t, crowd, func(i int) {
		p := presented(generation, r)
		p.Signing = refresh.SecretID{byte(i), 1}
		outs[i], errs[i] = s.rotate(f, p)
	})
	return outs, errs
}

// counted fails unless each verdict came about as often as want says, and each error is
// ErrGone.
func (s *families) counted(what string, outs []refresh.Outcome, errs []error, want map[refresh.Verdict]int) {
	s.t.Helper()
	got := make(map[refresh.Verdict]int)
	total := 0
	for i, err := range errs {
		if err != nil {
			s.fails(what, err, refresh.ErrGone)
			continue
		}
		got[outs[i].Verdict]++
		total++
	}
	for v, n := range want {
		if got[v] != n {
			s.t.Fatalf("%s: got %d times %s, want %d", what, got[v], name(v), n)
		}
		total -= n
	}
	if total != 0 {
		s.t.Fatalf("%s: got %v by verdict, want %v and nothing else", what, got, want)
	}
}

// agree fails unless all of outs are answers of one generation with stamps of their own,
// and the family is what the last of them says.
func (s *families) agree(what string, outs []refresh.Outcome) {
	s.t.Helper()
	var last refresh.Family
	stamps := make(map[uint64]bool)
	for _, out := range outs {
		if stamps[out.Family.Stamp] {
			s.t.Fatalf("%s: got two answers with stamp %d, want one", what, out.Family.Stamp)
		}
		stamps[out.Family.Stamp] = true
		if out.Family.Stamp > last.Stamp {
			last = out.Family
		}
	}
	s.holds(what+", the last answer", last)
	for _, out := range outs {
		got := out.Family
		got.Stamp, got.Expires, got.Confirmed = last.Stamp, last.Expires, last.Confirmed
		if got != last {
			s.t.Fatalf("%s: got %s and %s, want one state", what, describe(out.Family), describe(last))
		}
	}
}

// Two tabs, or 50, come with the same token: one successor, given to all of them.
func rotateOneOfMany(s *families) {
	for range 5 {
		f := s.open()
		for generation := uint64(1); generation < 4; generation++ {
			s.lapse()
			outs, errs := s.all(f, generation, wired)
			what := fmt.Sprintf("%d times generation %d at once", crowd, generation)
			s.counted(what, outs, errs, map[refresh.Verdict]int{refresh.Rotated: 1, refresh.Repeated: crowd - 1})
			s.agree(what, outs)
		}
	}
}

func rotateManyCoalesce(s *families) {
	for range 5 {
		f := s.rotated(wired)
		outs, errs := s.all(f, 2, wired)
		what := fmt.Sprintf("%d times the latest at once", crowd)
		s.counted(what, outs, errs, map[refresh.Verdict]int{refresh.Coalesced: crowd})
		s.agree(what, outs)
	}
}

// With no grace a token is good once, and again if the clock has not moved on.
func rotateManyGraceless(s *families) {
	for range 5 {
		f := s.open()
		s.lapse()
		outs, errs := s.all(f, 1, refresh.Rules{Denied: hold})
		s.counted(fmt.Sprintf("%d times generation 1 at once, with no grace", crowd), outs, errs, map[refresh.Verdict]int{
			refresh.Rotated: 1, refresh.Repeated: 1, refresh.ReusedUnconfirmed: 1,
		})
		s.dead("a family with one reuse among many", f)
	}
}

// isGone says whether an operation beside an end was told so.
func isGone(err error) bool { return errors.Is(err, refresh.ErrGone) }

// beside presents and sights a family, round after round, while end ends it. Who begins
// after the end is told that it is gone, and nothing is alive afterwards.
func (s *families) beside(op string, end func(f refresh.Family) error) {
	const rotators, sighters = 4, 2
	r := refresh.Rules{Grace: 60 * time.Second, Wired: true, Denied: hold}
	for range 12 {
		f := s.open()
		s.lapse()
		problems := make([]string, rotators+sighters+1)
		var ended atomic.Bool
		together(s.t, len(problems), func(i int) {
			if i == rotators+sighters {
				if err := end(f); err != nil {
					problems[i] = fmt.Sprintf("%s: got %v, want nil", op, err)
				}
				ended.Store(true)
				return
			}
			for {
				late := ended.Load()
				var out refresh.Outcome
				var err error
				if i < rotators {
					out, err = s.rotate(f, presented(uint64(1+i%2), r))
				} else {
					err = s.sight(f, 2, f.Stamp)
				}
				switch {
				case late && !isGone(err):
					problems[i] = fmt.Sprintf("a call after %s: got %s and %v, want ErrGone", op, name(out.Verdict), err)
					return
				case late:
					return
				case err != nil && !isGone(err):
					problems[i] = fmt.Sprintf("a call beside %s: got %v, want nil or ErrGone", op, err)
					return
				case err == nil && i < rotators && !out.Verdict.Answered():
					problems[i] = fmt.Sprintf("a call beside %s: got %s, want an answer", op, name(out.Verdict))
					return
				}
			}
		})
		s.noProblem("Rotate and Sight beside "+op, problems)
		s.dead("after "+op, f)
		s.have("after "+op, ann)
	}
}

func rotateBesideEnd(s *families) {
	s.beside("EndFamily", func(f refresh.Family) error {
		got, err := s.store.EndFamily(s.t.Context(), f.Key(), wired)
		if err == nil && got.Handle != f.Handle {
			err = errors.New("another family: " + describe(got))
		}
		return err
	})
}

func rotateBesideRaise(s *families) {
	s.beside("RaiseEpoch", func(refresh.Family) error {
		_, err := s.store.RaiseEpoch(s.t.Context(), ann, s.until())
		return err
	})
}

func rotateBesideDeny(s *families) {
	s.beside("Deny", func(f refresh.Family) error { return s.store.Deny(s.t.Context(), ann, f.Handle, s.until()) })
}

// A family ends once, whoever ends it, and one caller is told.
func rotateBesideReuse(s *families) {
	const n = 8
	for range 12 {
		f := s.rotated(wired)
		s.lapse()
		f = s.answered("Rotate", f, presented(2, wired), refresh.Rotated)
		ends, problems := make([]int, n), make([]string, n)
		together(s.t, n, func(i int) {
			var out refresh.Outcome
			var err error
			switch i % 4 {
			case 0, 1:
				out, err = s.rotate(f, presented(1, wired)) // older
			case 2:
				out, err = s.rotate(f, presented(3, wired)) // the latest
			default:
				_, err = s.store.EndFamily(s.t.Context(), f.Key(), wired)
			}
			switch {
			case err != nil && !isGone(err):
				problems[i] = fmt.Sprintf("got %v, want nil or ErrGone", err)
			case err == nil && !out.Verdict.Answered():
				ends[i] = 1
			}
		})
		s.noProblem("reuse beside EndFamily", problems)
		total := 0
		for _, n := range ends {
			total += n
		}
		if total != 1 {
			s.t.Fatalf("reuse beside EndFamily: %d calls ended the family, want exactly one", total)
		}
		s.dead("after reuse beside EndFamily", f)
		s.deniedIs("after reuse beside EndFamily", ann, f.Handle, true)
	}
}

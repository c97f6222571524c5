package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

func (s *sessions) admit(k session.Keyed, a session.Admission) ([]session.Keyed, error) {
	_, evicted, err := s.store.Create(s.t.Context(), k.Key, k.Entry, a)
	return evicted, err
}

// admits fails unless Create lets k in and ends exactly want, in whatever order.
func (s *sessions) admits(what string, k session.Keyed, a session.Admission, want ...session.Keyed) {
	s.t.Helper()
	evicted, err := s.admit(k, a)
	s.succeeds(what, err)
	s.are(what+", what had to go", oldestFirst(evicted), oldestFirst(want)...)
	s.holds(what+", Load", k.Key, k.Entry)
	for _, k := range want {
		s.holds(what+", one that had to go", k.Key, session.Entry{})
	}
}

func oldestFirst(all []session.Keyed) []session.Keyed {
	return slices.SortedFunc(slices.Values(all), func(a, b session.Keyed) int { return a.Entry.Created.Compare(b.Entry.Created) })
}

func (s *sessions) newest() session.Keyed { return s.one("newest", 10*time.Hour) }

// unpresented is k as long as nobody has shown its id.
func unpresented(k session.Keyed) session.Keyed {
	k.Entry.Presented = false
	return k
}

func admitBelow(s *sessions) {
	all := s.several(2)
	for _, refuse := range []bool{false, true} {
		k := s.one(fmt.Sprint("refuse ", refuse), 10*time.Hour)
		s.admits("Create at one below the limit", k, session.Admission{Max: 3, Refuse: refuse})
		s.lists("after it", ann, all[0], all[1], k)
		_, err := s.take(k.Key)
		s.succeeds("Take", err)
	}
}

func admitOldest(s *sessions) {
	third, first := s.open(s.one("a", 3*time.Millisecond)), s.open(s.one("b", time.Millisecond))
	second := s.open(s.one("c", 2*time.Millisecond))
	s.admits("Create at the limit", s.newest(), session.Admission{Max: 3}, first)
	s.lists("after it", ann, second, third, s.newest())
	// A limit of one ends all others.
	last := s.one("last", 11*time.Hour)
	s.admits("Create with a limit of one", last, session.Admission{Max: 1}, second, third, s.newest())
	s.lists("after it", ann, last)
}

func admitSeveral(s *sessions) {
	all := s.several(6)
	s.admits("Create above the limit", s.newest(), session.Admission{Max: 3}, all[:4]...)
	s.lists("after it", ann, all[4], all[5], s.newest())
}

func admitUnpresented(s *sessions) {
	a, b := s.open(s.one("a", 1*time.Minute)), s.open(s.one("b", 2*time.Minute))
	d, e := s.open(unpresented(s.one("d", 4*time.Minute))), s.open(unpresented(s.one("c", 3*time.Minute)))
	s.admits("Create at the limit", s.newest(), session.Admission{Max: 4}, e)
	s.lists("after it", ann, a, b, d, s.newest())
	last := s.one("last", 11*time.Hour)
	s.admits("Create at one above the limit", last, session.Admission{Max: 3}, a, d)
	s.lists("after it", ann, b, s.newest(), last)
}

func admitRefuses(s *sessions) {
	all := s.several(2)
	waiting := s.open(unpresented(s.one("waiting", time.Hour)))
	for _, limit := range []int{2, 1} {
		evicted, err := s.admit(s.newest(), session.Admission{Max: limit, Refuse: true})
		s.fails("Create where as many as may be were presented", err, session.ErrLimit)
		s.are("what had to go for a refused Create", evicted)
		s.holds("the key of a refused Create", s.newest().Key, session.Entry{})
		s.lists("after a refused Create", ann, all[0], all[1], waiting)
	}
}

func admitRefusalCounts(s *sessions) {
	a, c := s.open(s.one("a", 1*time.Minute)), s.open(s.one("c", 3*time.Minute))
	b, d := s.open(unpresented(s.one("b", 2*time.Minute))), s.open(unpresented(s.one("d", 4*time.Minute)))
	s.admits("Create at the limit, some unpresented", s.newest(), session.Admission{Max: 4, Refuse: true}, b)
	s.lists("after it", ann, a, c, d, s.newest())
	// Who is counted is told by what stands there now.
	d.Entry.Presented, d.Entry.Version = true, 2
	_, err := s.swap(d.Key, 1, d.Entry)
	s.succeeds("Swap", err)
	evicted, err := s.admit(s.one("last", 11*time.Hour), session.Admission{Max: 4, Refuse: true})
	s.fails("Create after the last one was presented", err, session.ErrLimit)
	s.are("what had to go for a refused Create", evicted)
	s.lists("after a refused Create", ann, a, c, d, s.newest())
}

func admitCounts(s *sessions) {
	a := s.open(s.one("a", time.Minute))
	for _, refuse := range []bool{false, true} {
		what := fmt.Sprintf("Create beside what does not count, refuse %t", refuse)
		snapshot := s.open(session.Keyed{Key: key(what), Entry: func() session.Entry {
			e := a.Entry
			e.Listed, e.Presented, e.Created = false, !refuse, e.Created.Add(-time.Minute)
			return e
		}()})
		anonymous := session.Keyed{Key: key(what + ", anonymous"), Entry: s.anonymous(1, "cart")}
		anonymous.Entry.Created, anonymous.Entry.Presented = snapshot.Entry.Created, !refuse
		s.create(anonymous.Key, anonymous.Entry)
		other := owned(bob, s.one(what, 0))
		other = s.open(other)
		k := s.one(fmt.Sprint("refuse ", refuse), time.Hour)
		s.admits(what, k, session.Admission{Max: 2, Refuse: refuse})
		s.holds(what+", the snapshot", snapshot.Key, snapshot.Entry)
		s.holds(what+", the anonymous one", anonymous.Key, anonymous.Entry)
		s.holds(what+", another owner's", other.Key, other.Entry)
		_, err := s.take(k.Key)
		s.succeeds("Take", err)
	}
}

func admitCountsLiving(s *sessions) {
	for _, tc := range []struct {
		what string
		end  func(revocation.Handle)
	}{
		{"expired", func(revocation.Handle) { s.clock.advance(life) }},
		{"revoked", func(revocation.Handle) { s.raise(ann, s.until()) }},
		{"denied", func(h revocation.Handle) { s.deny(ann, h, s.until()) }},
	} {
		for _, refuse := range []bool{false, true} {
			what := fmt.Sprintf("Create beside one that is %s, refuse %t", tc.what, refuse)
			gone := s.open(s.one(what+", gone", time.Minute))
			tc.end(gone.Entry.Handle)
			alive := s.open(s.one(what+", alive", 0))
			k := s.one(what+", new", time.Hour)
			k.Entry.Epoch = alive.Entry.Epoch
			s.admits(what, k, session.Admission{Max: 2, Refuse: refuse})
			s.lists(what, ann, alive, k)
			for _, k := range []session.Keyed{alive, k} {
				_, err := s.take(k.Key)
				s.succeeds("Take", err)
			}
		}
	}
}

func admitExists(s *sessions) {
	all := s.several(3)
	k := all[2]
	k.Entry = named("other", k.Entry)
	evicted, err := s.admit(k, session.Admission{Max: 2})
	s.fails("Create over a live entry, at the limit", err, session.ErrExists)
	s.are("what had to go for a refused Create", evicted)
	s.lists("after a refused Create", ann, all...)
}

func admitUnlisted(s *sessions) {
	all := s.several(2)
	for _, refuse := range []bool{false, true} {
		k := s.one(fmt.Sprint("refuse ", refuse), time.Hour)
		k.Entry.Listed = false
		s.admits("Create of an unlisted entry at the limit", k, session.Admission{Max: 2, Refuse: refuse})
	}
	s.lists("after it", ann, all...)
}

func admitDead(s *sessions) {
	all := s.several(4)
	s.admits("Create above the limit", s.newest(), session.Admission{Max: 2}, all[:3]...)
	s.dead("one that had to go", all[:3]...)
	s.lists("after all attempts", ann, all[3], s.newest())
}

func admitParallel(s *sessions) {
	const workers, each, limit = 5, 8, 3
	problems := make([]string, workers+1)
	made, gone := make([][]session.Keyed, workers), make([][]session.Keyed, workers)
	for i := range workers {
		for j := range each {
			made[i] = append(made[i], s.one(fmt.Sprint(i, " ", j), time.Duration(j*workers+i)*time.Second))
		}
	}
	together(s.t, workers+1, func(i int) {
		for j := range each {
			if i == workers {
				switch all, err := s.store.List(s.t.Context(), ann); {
				case err != nil:
					problems[i] = "List: " + err.Error()
				case len(all) > limit:
					problems[i] = fmt.Sprintf("%d sessions at a time, want at most %d", len(all), limit)
				}
				continue
			}
			evicted, err := s.admit(made[i][j], session.Admission{Max: limit})
			gone[i] = append(gone[i], evicted...)
			if err != nil {
				problems[i] = fmt.Sprintf("Create: got %v, want nil", err)
			}
		}
	})
	s.noProblem("parallel Creates", problems)
	all, err := s.store.List(s.t.Context(), ann)
	s.succeeds("List", err)
	if len(all) != limit {
		s.t.Fatalf("after parallel Creates: got %d sessions, want %d", len(all), limit)
	}
	s.eachOnce("what parallel Creates left and what had to go", append(all, slices.Concat(gone...)...), slices.Concat(made...))
	for _, k := range slices.Concat(gone...) {
		s.holds("one that had to go", k.Key, session.Entry{})
	}
}

// eachOnce fails unless got has each of want once, as it was, and nothing else.
func (s *sessions) eachOnce(what string, got, want []session.Keyed) {
	s.t.Helper()
	byAge := func(a, b session.Keyed) int { return a.Entry.Created.Compare(b.Entry.Created) }
	s.are(what, slices.SortedFunc(slices.Values(got), byAge), slices.SortedFunc(slices.Values(want), byAge)...)
}

func admitParallelRefuse(s *sessions) {
	const n, limit = 8, 3
	for range 5 {
		errs := make([]error, n)
		made := make([]session.Keyed, n)
		for i := range made {
			made[i] = s.one(fmt.Sprint(i), time.Duration(i)*time.Second)
		}
		gone := make([][]session.Keyed, n)
		together(s.t, n, func(i int) { gone[i], errs[i] = s.admit(made[i], session.Admission{Max: limit, Refuse: true}) })
		var in []session.Keyed
		for i, err := range errs {
			s.are("what had to go for presented ones", gone[i])
			switch {
			case err == nil:
				in = append(in, made[i])
			case !errors.Is(err, session.ErrLimit):
				s.t.Fatalf("parallel Creates: got %v, want nil or ErrLimit", err)
			}
		}
		if len(in) != limit {
			s.t.Fatalf("parallel Creates: %d succeeded, want %d", len(in), limit)
		}
		s.lists("after parallel Creates", ann, in...)
		for _, k := range in {
			_, err := s.take(k.Key)
			s.succeeds("Take", err)
		}
	}
}

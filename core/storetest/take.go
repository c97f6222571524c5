package storetest

import (
	"fmt"

	"github.com/sallyport-go/sallyport/core/session"
)

func takeRemoves(s *sessions) {
	e := s.entry(3, "value")
	s.create(key("a"), e)
	got, err := s.take(key("a"))
	s.succeeds("Take", err)
	if !same(got, e) {
		s.t.Fatalf("Take: got %s, want %s", show(got), show(e))
	}
	s.holds("Load after Take", key("a"), session.Entry{})
}

func takeGone(s *sessions) {
	_, err := s.take(key("a"))
	s.fails("Take of an absent key", err, session.ErrGone)
	s.create(key("a"), s.entry(1, "value"))
	_, err = s.take(key("a"))
	s.succeeds("Take", err)
	_, err = s.take(key("a"))
	s.fails("Take for the second time", err, session.ErrGone)
}

func takeOneOfMany(s *sessions) {
	const n = 8
	for round := range 20 {
		k := key(fmt.Sprint("round ", round))
		e := s.entry(1, "value")
		s.create(k, e)
		errs := make([]error, n)
		got := make([]session.Entry, n)
		together(s.t, n, func(i int) { got[i], errs[i] = s.take(k) })
		if winner := s.winner("Take", errs, session.ErrGone); !same(got[winner], e) {
			s.t.Fatalf("parallel Take, the winner: got %s, want %s", show(got[winner]), show(e))
		}
	}
}

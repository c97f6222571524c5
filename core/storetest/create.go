package storetest

import (
	"fmt"

	"github.com/sallyport-go/sallyport/core/session"
)

func createLoadsBack(s *sessions) {
	e := s.entry(1, "value")
	s.create(key("a"), e)
	s.holds("Load after Create", key("a"), e)
	s.holds("Load once more", key("a"), e)
}

func createExists(s *sessions) {
	first := s.entry(1, "first")
	s.create(key("a"), first)
	s.fails("Create over a live entry", s.put(key("a"), named("other", s.entry(7, "second"))), session.ErrExists)
	s.holds("Load after a refused Create", key("a"), first)
}

func createOneOfMany(s *sessions) {
	const n = 8
	for round := range 20 {
		k := key(fmt.Sprint("round ", round))
		errs := make([]error, n)
		together(s.t, n, func(i int) {
			errs[i] = s.put(k, named(fmt.Sprint(round, i), s.entry(1, fmt.Sprint(i))))
		})
		winner := s.winner("Create", errs, session.ErrExists)
		s.holds("Load after parallel Creates", k, named(fmt.Sprint(round, winner), s.entry(1, fmt.Sprint(winner))))
	}
}

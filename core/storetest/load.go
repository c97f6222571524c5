package storetest

import (
	"fmt"

	"github.com/sallyport-go/sallyport/core/session"
)

func loadAbsent(s *sessions) {
	out := []session.Entry{s.entry(9, "left over from another call")}
	s.succeeds("Load of an absent key", s.store.Load(s.t.Context(), []session.StoreKey{key("absent")}, out))
	if out[0] != (session.Entry{}) {
		s.t.Fatalf("Load of an absent key: got %s, want the zero Entry", show(out[0]))
	}
}

func loadSeveral(s *sessions) {
	// Different tags: these keys come from a jar with several cookies, and
	// nothing says that they belong to one subject.
	k := func(i int) session.StoreKey {
		k := key(fmt.Sprint(i))
		k.Tag = [4]byte{byte(i), byte(i * 7), 0xFF, byte(i)}
		return k
	}
	e := func(i int) session.Entry { return under(k(i), s.entry(uint64(i+1), fmt.Sprint("value ", i))) }
	for i := range 4 {
		if i != 1 {
			s.create(k(i), e(i))
		}
	}
	keys := []session.StoreKey{k(3), k(0), k(1), k(2), k(0)}
	out := make([]session.Entry, len(keys))
	out[2] = s.entry(9, "left over")
	s.succeeds("Load of several keys", s.store.Load(s.t.Context(), keys, out))
	for i, want := range []session.Entry{e(3), e(0), {}, e(2), e(0)} {
		if !same(out[i], want) {
			s.t.Fatalf("Load of several keys, place %d: got %s, want %s", i, show(out[i]), show(want))
		}
	}
}

func loadNothing(s *sessions) {
	s.succeeds("Load of no keys", s.store.Load(s.t.Context(), nil, nil))
}

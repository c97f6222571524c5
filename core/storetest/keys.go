package storetest

import (
	"fmt"

	"github.com/sallyport-go/sallyport/core/session"
)

func keysCount(s *sessions) {
	base := key("base")
	s.create(base, s.entry(1, "base"))
	near := map[string]session.StoreKey{}
	for i := range base.Tag {
		k := base
		k.Tag[i] ^= 0x01
		near[fmt.Sprintf("tag byte %d", i)] = k
	}
	for i := range base.Hash {
		k := base
		k.Hash[i] ^= 0x80
		near[fmt.Sprintf("hash byte %d", i)] = k
	}
	for what, k := range near {
		s.holds("a key that differs in "+what, k, session.Entry{})
	}
	e := func(what string, k session.StoreKey) session.Entry { return under(k, named(what, s.entry(1, what))) }
	for what, k := range near {
		s.create(k, e(what, k))
	}
	for what, k := range near {
		s.holds("a key that differs in "+what, k, e(what, k))
	}
	s.holds("the base key", base, s.entry(1, "base"))
}

func keysSharingTag(s *sessions) {
	const n = 50
	label := func(i int) string { return fmt.Sprint("session ", i) }
	e := func(i int, version uint64, value string) session.Entry {
		return named(label(i), s.entry(version, value))
	}
	for i := range n {
		s.create(key(label(i)), e(i, 1, label(i)))
	}
	for i := 0; i < n; i += 2 {
		if i%4 == 0 {
			_, err := s.take(key(label(i)))
			s.succeeds("Take", err)
			continue
		}
		_, err := s.swap(key(label(i)), 1, e(i, 2, "changed"))
		s.succeeds("Swap", err)
	}
	for i := range n {
		want := e(i, 1, label(i))
		switch i % 4 {
		case 0:
			want = session.Entry{}
		case 2:
			want = e(i, 2, "changed")
		}
		s.holds(label(i), key(label(i)), want)
	}
}

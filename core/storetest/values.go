package storetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

func valuesExact(s *sessions) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, value := range []string{
		"", "\x00", "a\x00b", "\x00\x00\x00\x00", string(all), "\xff\xfe\xfd", "\xc3\x28", "é€😀", "\r\n", " trailing ",
		`"quoted\"`, "'; DROP TABLE sessions; --", "{tag}", "%s%00", strings.Repeat("\x00", 4096),
	} {
		what := fmt.Sprintf("value %.20q", value)
		e := named(what, s.entry(1, value))
		k := key(what)
		s.create(k, e)
		s.holds(what+" after Create", k, e)
		e.Version = 2
		_, err := s.swap(k, 1, e)
		s.succeeds(what+": Swap", err)
		s.holds(what+" after Swap", k, e)
		current, err := s.swap(k, 1, e)
		s.fails(what+": Swap with another version", err, session.ErrConflict)
		if !same(current, e) {
			s.t.Fatalf("%s with a conflict: got %s, want %s", what, show(current), show(e))
		}
		moved, left := e, e
		moved.Version, left.Version, left.Listed = 3, 3, false
		_, err = s.rename(k, 2, key(what+" moved"), moved, &left)
		s.succeeds(what+": Rename", err)
		s.holds(what+" after Rename", key(what+" moved"), moved)
		s.holds(what+" left behind", k, left)
		got, err := s.take(k)
		s.succeeds(what+": Take", err)
		if !same(got, left) {
			s.t.Fatalf("%s from Take: got %s, want %s", what, show(got), show(left))
		}
	}
}

func valuesLarge(s *sessions) {
	var b strings.Builder
	for sum := sha256.Sum256(nil); b.Len() < 1<<20; sum = sha256.Sum256(sum[:]) {
		b.Write(sum[:])
	}
	e := s.entry(1, b.String())
	s.create(key("a"), e)
	s.holds("1 MiB after Create", key("a"), e)
	e.Version = 2
	_, err := s.swap(key("a"), 1, e)
	s.succeeds("Swap of 1 MiB", err)
	got, err := s.take(key("a"))
	s.succeeds("Take of 1 MiB", err)
	if !same(got, e) {
		s.t.Fatalf("1 MiB from Take: got %s, want %s", show(got), show(e))
	}
}

func valuesVersions(s *sessions) {
	// A store that counts in floating point takes neighbours for one number
	// from 2^53 on.
	for _, version := range []uint64{1 << 32, 1<<53 + 1, 1<<63 - 1, 1<<64 - 2} {
		k := key(fmt.Sprint("version ", version))
		e := named(k.String(), s.entry(version, "value"))
		s.create(k, e)
		s.holds("Load", k, e)
		_, err := s.swap(k, version-1, named(k.String(), s.entry(version+1, "never")))
		s.fails(fmt.Sprintf("Swap with version %d where %d is present", version-1, version), err, session.ErrConflict)
		next := named(k.String(), s.entry(version+1, "second"))
		_, err = s.swap(k, version, next)
		s.succeeds(fmt.Sprintf("Swap with version %d", version), err)
		s.holds("Load after Swap", k, next)
	}
}

// oddEntries differ from the common one, each in another field.
func (s *sessions) oddEntries() map[string]session.Entry {
	all := make(map[string]session.Entry)
	for what, change := range map[string]func(e *session.Entry){
		"unlisted":            func(e *session.Entry) { e.Listed = false },
		"unpresented":         func(e *session.Entry) { e.Presented = false },
		"anonymous":           func(e *session.Entry) { *e = s.anonymous(1, "cart") },
		"presented anonymous": func(e *session.Entry) { *e, e.Presented = s.anonymous(1, "cart"), true },
		"odd handle": func(e *session.Entry) {
			e.Handle = [16]byte{0, '\n', '"', ' ', ':', ',', '{', '}', 0xFF, 0xC3, 0x28, '%', '\\', '\'', 0x80, 0}
		},
		"odd owner": func(e *session.Entry) {
			e.Owner.Hash = [12]byte{0, '\n', '"', ' ', ':', '{', '}', 0xFF, 0xC3, 0x28, '%', 0}
		},
		"odd times": func(e *session.Entry) {
			e.Expires, e.Created = e.Expires.Add(123*time.Millisecond), e.Created.Add(-457*time.Millisecond)
		},
		"old": func(e *session.Entry) { e.Created = time.UnixMilli(1).UTC() },
	} {
		e := named(what, s.entry(1, "value"))
		change(&e)
		all[what] = e
	}
	return all
}

func valuesFields(s *sessions) {
	for what, e := range s.oddEntries() {
		k, to := key(what), key(what+" moved")
		listed := func(k session.StoreKey, e session.Entry) {
			if e.Listed {
				s.lists(what+": List", e.Owner, session.Keyed{Key: k, Entry: e})
			}
		}
		s.create(k, e)
		s.holds(what+" after Create", k, e)
		listed(k, e)
		current, err := s.swap(k, 7, e)
		s.fails(what+": Swap with another version", err, session.ErrConflict)
		if !same(current, e) {
			s.t.Fatalf("%s with a conflict: got %s, want %s", what, show(current), show(e))
		}
		e.Version, e.Presented, e.Expires = 2, !e.Presented, e.Expires.Add(time.Millisecond)
		_, err = s.swap(k, 1, e)
		s.succeeds(what+": Swap", err)
		s.holds(what+" after Swap", k, e)
		listed(k, e)
		left := e
		left.Version, left.Listed, left.Expires = 3, false, left.Expires.Add(time.Millisecond)
		e.Version, e.Presented = 3, !e.Presented
		_, err = s.rename(k, 2, to, e, &left)
		s.succeeds(what+": Rename", err)
		s.holds(what+" after Rename", to, e)
		s.holds(what+" left behind", k, left)
		listed(to, e)
		got, err := s.take(k)
		s.succeeds(what+": Take", err)
		if !same(got, left) {
			s.t.Fatalf("%s from Take: got %s, want %s", what, show(got), show(left))
		}
		if e.Listed {
			ended, err := s.endOne(e.Owner, e.Handle)
			s.succeeds(what+": EndOne", err)
			s.are(what+" from EndOne", []session.Keyed{ended}, session.Keyed{Key: to, Entry: e})
		}
	}
}

// A caller writes back what it read, and what it read may be older than what the
// store has decided since. Neither epoch nor loss is the caller's to say.
func valuesEpoch(s *sessions) {
	own := s.raise(ann, s.until())
	said := func(e session.Entry, epoch uint64) session.Entry {
		e.Epoch, e.Behind = epoch, true
		return e
	}
	for i, epoch := range []uint64{0, own - 1, own + 1, 1<<64 - 1} {
		k, to := key(fmt.Sprint(i)), key(fmt.Sprint(i, " moved"))
		e, left := named(fmt.Sprint(i), s.entry(1, "value")), named(fmt.Sprint(i), s.left(3, "value"))
		stamp, _, err := s.store.Create(s.t.Context(), k, said(e, epoch), unlimited)
		s.succeeds("Create", err)
		if stamp != own {
			s.t.Fatalf("the epoch that Create returns: got %d, want %d", stamp, own)
		}
		e.Epoch, left.Epoch = own, own
		s.holds(fmt.Sprintf("after Create of an entry that says epoch %d", epoch), k, e)
		e.Version = 2
		_, err = s.swap(k, 1, said(e, epoch))
		s.succeeds("Swap", err)
		s.holds(fmt.Sprintf("after Swap to an entry that says epoch %d", epoch), k, e)
		e.Version = 3
		l := said(left, epoch)
		_, err = s.rename(k, 2, to, said(e, epoch), &l)
		s.succeeds("Rename", err)
		s.holds(fmt.Sprintf("after Rename to an entry that says epoch %d", epoch), to, e)
		s.holds(fmt.Sprintf("what Rename left that says epoch %d", epoch), k, left)
		got, err := s.take(to)
		s.succeeds("Take", err)
		if !same(got, e) {
			s.t.Fatalf("Take: got %s, want %s", show(got), show(e))
		}
	}
	none := key("anonymous")
	stamp, _, err := s.store.Create(s.t.Context(), none, said(s.anonymous(1, "cart"), own), unlimited)
	s.succeeds("Create of an anonymous session", err)
	if stamp != 0 {
		s.t.Fatalf("the epoch that Create of an anonymous session returns: got %d, want 0", stamp)
	}
	s.holds("an anonymous session", none, s.anonymous(1, "cart"))
}

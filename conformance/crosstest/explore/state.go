package main

import (
	"encoding/binary"
	"math/bits"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// What a tab waits for.
const (
	idle     = iota
	asking   // its request is under way
	answered // its answer is
	leaving  // its logout is
	closed   // it is none of this scenario, and comes last
)

// tab is one of the honest client's. They share a jar, which holds the refresh token.
type tab struct {
	phase uint8
	// age is how long ago the request was sent.
	age uint8
	// token is what was sent; refresh and access what was answered.
	token, refresh, access id
	// held is the access token that it has and has not used yet.
	held id
}

const tabs = 3

// state is everything at one moment. All numbers are small and relative, so that there
// are finitely many, however long a history is.
type state struct {
	node uint32
	// before is the server without its last write, if the store may still forget one.
	before uint32
	// undo is how many generations that write made.
	undo int8
	// loot are the refresh tokens that the thief has, spoils the access tokens, as
	// sets of ids.
	loot, spoils uint32
	tab          [tabs]tab
	jar          id
	// stolen, gone and forgot: the thief has copied the jar, the client has sent a
	// logout, the store has forgotten a write. Each happens once.
	stolen, gone, forgot bool
	// recovering: nobody is promised anything, until the client is answered for what it
	// had before.
	recovering bool
	// shown is the latest generation that was answered to the client, and sinceShown
	// how long ago its latest answer was.
	shown      id
	sinceShown uint8
	// proved: the client has presented something of the latest generation.
	proved bool
	// leaps are those since the server last decided for the client.
	leaps uint8
	// marked is the one access token of the thief that is followed: how long ago it
	// was answered, whether the client was answered since, and whether it was
	// accepted, first so long ago.
	marked    id
	markedAge uint8
	passed    bool
	accepted  bool
	// acceptedAge is how long ago that was, plus 1, where it matters; 0 is longer.
	acceptedAge uint8
	// landed is how long ago the thief confirmed a generation, plus 1; 0 is longer
	// than matters.
	landed uint8
	// What a thief knows who polls: what he polls with, how long ago he did, whether
	// somebody else was answered since (which he does not know), and whether a claim
	// told him so. began: he has polled before, and can compare.
	polls   id
	pollAge uint8
	began   bool
	others  bool
	told    bool
	// successor is what was answered for each refresh token, in schemes that may
	// answer two.
	successor [maxID]id
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func (t *tab) rank() uint64 {
	return uint64(t.phase)<<40 | uint64(t.age)<<32 | uint64(t.token)<<24 | uint64(t.refresh)<<16 | uint64(t.access)<<8 | uint64(t.held)
}

// sort puts the tabs into an order of their own, because they are all alike, and names
// with them.
func (s *state) sort(names *[tabs]byte) {
	for i := 1; i < tabs; i++ {
		for j := i; j > 0 && s.tab[j].rank() < s.tab[j-1].rank(); j-- {
			s.tab[j], s.tab[j-1] = s.tab[j-1], s.tab[j]
			if names != nil {
				names[j], names[j-1] = names[j-1], names[j]
			}
		}
	}
}

// hash tells states apart. That two of seven million have the same by chance, and one is
// overlooked, happens about once in a million runs.
func (s *state) hash(absolute bool) uint64 {
	flags := bit(s.stolen) | bit(s.gone)<<1 | bit(s.forgot)<<2 | bit(s.recovering)<<3 |
		bit(s.passed)<<4 | bit(s.accepted)<<5 | bit(s.others)<<6 | bit(s.told)<<7
	h := mix(uint64(s.node)<<32|uint64(s.before), uint64(s.loot)<<32|uint64(s.spoils))
	h = mix(h^s.tab[0].rank(), s.tab[1].rank())
	h = mix(h^s.tab[2].rank(), uint64(s.jar)|uint64(flags)<<8|uint64(s.shown)<<16|uint64(s.sinceShown)<<24|
		uint64(s.leaps)<<32|uint64(s.marked)<<40|uint64(s.markedAge)<<48)
	h = mix(h^uint64(s.polls), uint64(s.pollAge)|uint64(uint8(s.undo))<<8|uint64(s.landed)<<16|
		uint64(bit(s.began))<<24|uint64(bit(s.proved))<<25|uint64(s.acceptedAge)<<32)
	if absolute {
		for i := 0; i < maxID; i += 8 {
			h = mix(h, binary.LittleEndian.Uint64(s.successor[i:]))
		}
	}
	return max(h, 1)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd6e8feb86659fd93)
	return (hi ^ lo) * 0xff51afd7ed558ccd
}

// shifted is what i is called when there are n generations more.
func shifted(i id, n int8) id {
	switch {
	case i == 0, i == oldest && n < 0:
		return i
	default:
		return id(max(min(int(i)+int(n), int(oldest)), int(newer)))
	}
}

func shiftedSet(set uint32, n int8) uint32 {
	if n == 0 {
		return set
	}
	var out uint32
	for i := newer; i <= oldest; i++ {
		if set&(1<<i) != 0 {
			out |= 1 << shifted(i, n)
		}
	}
	return out
}

// shift renames all tokens.
func (s *state) shift(n int8) {
	if n == 0 {
		return
	}
	for i := range s.tab {
		t := &s.tab[i]
		t.token, t.refresh, t.access, t.held = shifted(t.token, n), shifted(t.refresh, n), shifted(t.access, n), shifted(t.held, n)
	}
	s.jar, s.shown, s.marked, s.polls = shifted(s.jar, n), shifted(s.shown, n), shifted(s.marked, n), shifted(s.polls, n)
	s.loot, s.spoils = shiftedSet(s.loot, n), shiftedSet(s.spoils, n)
}

// void drops the access tokens of the latest generation, which nobody accepts any more.
func (s *state) void() {
	for i := range s.tab {
		t := &s.tab[i]
		if t.access == latest {
			t.access = 0
		}
		if t.held == latest {
			t.held = 0
		}
	}
	s.spoils &^= 1 << latest
	if s.marked == latest && !s.accepted {
		s.unmark()
	}
}

// ahead: the client has a token that the store has forgotten.
func (s *state) ahead() bool {
	for i := range s.tab {
		if s.tab[i].refresh == newer {
			return true
		}
	}
	return s.jar == newer
}

func (s *state) unmark() {
	s.marked, s.markedAge, s.passed, s.accepted, s.acceptedAge = 0, 0, false, false, 0
}

// forgetUseless drops what makes no difference any more: nobody is exposed by an access
// token of an earlier generation, and a thief who presents a token older than the
// predecessor only ends the family, which is tried for each state of it by itself.
func (s *state) forgetUseless() {
	for i := range s.tab {
		t := &s.tab[i]
		if t.access > latest {
			t.access = 0
		}
		if t.held > latest {
			t.held = 0
		}
	}
	s.spoils &= 1<<newer | 1<<latest
	s.loot &= 1<<newer | 1<<latest | 1<<(latest+1)
}

// pass lets time pass: n ticks, or more than matter.
func (s *state) pass(n, grace uint8) {
	late := func(age *uint8, top uint8) { *age = min(*age+n, top) }
	for i := range s.tab {
		if p := s.tab[i].phase; p != idle && p != closed {
			late(&s.tab[i].age, grace+1)
		}
	}
	if s.shown != 0 {
		late(&s.sinceShown, rotation.Coalesce*grace+1)
	}
	if s.marked != 0 && !s.passed && !s.accepted {
		late(&s.markedAge, grace+1)
	}
	if s.acceptedAge != 0 {
		if late(&s.acceptedAge, grace+2); s.acceptedAge == grace+2 {
			s.acceptedAge = 0
		}
	}
	if s.landed != 0 {
		if late(&s.landed, grace+2); s.landed == grace+2 {
			s.landed = 0
		}
	}
	if s.polls != 0 {
		late(&s.pollAge, grace+1)
	}
}

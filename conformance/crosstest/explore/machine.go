package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// id is how a state names a token: 1 is newer than the latest, 2 the latest, 3 its
// predecessor, 4 and oldest are older. It names the access tokens that came with it as
// well. 0 is none. In a scheme whose tokens are no generations it is their number.
type id = uint8

const (
	newer  id = 1
	latest id = 2
	older  id = 4
	oldest id = 5
	maxID     = 32
)

// The moves of a server.
type op uint8

const (
	present op = 0
	use     op = maxID
	logout  op = 2 * maxID
	tick    op = logout + 1
	jump    op = logout + 2
	leap    op = logout + 3
	ops        = int(leap) + 1
)

// A jump is a period of refreshing, far above every window. Two leaps are longer than
// the day in which a lost answer can be repeated, one and some jumps are not.
const (
	jumpTime = 10 * time.Minute
	leapTime = 23 * time.Hour
)

// edge is what becomes of a server by a move.
type edge struct {
	next    uint32
	outcome rotation.Outcome
	// accepted is what Use reported.
	accepted bool
	// shift is how many generations there are more.
	shift int8
	// refresh and access are what was answered, counted from the generation that is
	// the latest afterwards.
	refresh, access id
	// void: answers that came with the latest generation before are void.
	void bool
	// timed: the stamp of the answer says what time it was, and no more.
	timed bool
}

// node is a state of a server.
type node struct {
	path []step
	view rotation.View
	dead bool
	// confirmed is the age of the confirmation in ticks, none if there is none.
	confirmed uint8
	edges     [ops]uint32 // 0: not walked yet
}

// step is a move of a server as it was really made.
type step struct {
	op    op
	token string
	wait  time.Duration
}

const none = 255

// machine walks a scheme. tick is a little less than a part of the grace window, so that
// what takes microseconds in between does not cross its edge.
type machine struct {
	scheme   rotation.Scheme
	grace    uint8 // in ticks
	tick     time.Duration
	relative bool
	nodes    []node
	found    map[string]uint32
	edges    []edge
	names    map[uint64]string // refresh tokens by generation or number
	asked    int               // decisions of the scheme
	dead     int               // tokens that were tried on a dead family
	// broken is what the walk found wrong by itself.
	broken []string
}

func newMachine(scheme rotation.Scheme, grace int) *machine {
	m := &machine{
		scheme: scheme, grace: uint8(grace), tick: rotation.Grace / time.Duration(grace) * 99 / 100,
		found: make(map[string]uint32), edges: make([]edge, 1), names: make(map[uint64]string),
	}
	clock, s, a := m.start(nil)
	m.relative = s.View().Latest != 0
	if m.relative {
		// One generation may be newer than the store's, if that has forgotten a write.
		for range maxID {
			m.name(a)
			clock.Advance(jumpTime)
			a, _ = s.Refresh(a.Refresh)
		}
	}
	clock, s, a = m.start(nil)
	m.name(a)
	m.visit(clock, s, nil)
	return m
}

// start makes a server and walks it along path.
func (m *machine) start(path []step) (*rotation.Clock, rotation.Observed, rotation.Answer) {
	clock := rotation.NewClock()
	s := m.scheme.New(clock).(rotation.Observed)
	a := s.Login()
	for _, t := range path {
		walk(clock, s, t)
	}
	return clock, s, a
}

// walk makes one move. A microsecond passes before each decision, so that no two are at
// one time.
func walk(clock *rotation.Clock, s rotation.Server, t step) (a rotation.Answer, o rotation.Outcome, accepted bool) {
	if t.op < tick {
		clock.Advance(time.Microsecond)
	}
	switch {
	case t.op < use:
		a, o = s.Refresh(t.token)
	case t.op < logout:
		accepted = s.Use(t.token)
	case t.op == logout:
		s.Logout(t.token)
	default:
		clock.Advance(t.wait)
	}
	return a, o, accepted
}

// name remembers a refresh token. One generation has one token, or there are two
// successors.
func (m *machine) name(a rotation.Answer) uint64 {
	c, ok := rotation.ReadClaims(a.Access)
	if !ok {
		m.fault("an answer without claims: %q", a.Access)
	}
	if a.Refresh != "" {
		if known, ok := m.names[c.Generation]; ok && known != a.Refresh {
			m.fault("two refresh tokens of generation %d: %s and %s", c.Generation, known, a.Refresh)
		}
		m.names[c.Generation] = a.Refresh
	}
	return c.Generation
}

func (m *machine) fault(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// age counts ticks, of which those beyond every window are one. Of what may last a day
// it also says how much of that is over.
func (m *machine) age(now, t int64, day bool) uint8 {
	if t == 0 {
		return none
	}
	since := time.Duration(now-t) * time.Microsecond
	top := rotation.Coalesce*m.grace + 1
	switch n := (since + m.tick/2) / m.tick; {
	case n < time.Duration(top):
		return uint8(n)
	case !day || since < leapTime:
		return top
	case since <= 24*time.Hour:
		return top + 1
	default:
		return top + 2
	}
}

func (m *machine) key(v rotation.View, now int64) (key string, confirmed uint8) {
	if v.Dead {
		return "dead", none
	}
	confirmed = m.age(now, v.Confirmed, false)
	b := []byte{byte(min(v.Latest, 3)), m.age(now, v.Fixed, true), confirmed}
	for _, floor := range v.Floors {
		b = append(b, byte(min(floor, 1)))
	}
	return string(b) + v.Rest, confirmed
}

// visit returns the number of the state that s is in.
func (m *machine) visit(clock *rotation.Clock, s rotation.Observed, path []step) uint32 {
	v := s.View()
	key, confirmed := m.key(v, clock.Micros())
	if n, ok := m.found[key]; ok {
		return n
	}
	n := uint32(len(m.nodes))
	m.found[key] = n
	m.nodes = append(m.nodes, node{path: slices.Clone(path), view: v, dead: v.Dead, confirmed: confirmed})
	m.checkVoid(n)
	return n
}

// checkVoid tries what is void.
func (m *machine) checkVoid(n uint32) {
	at := &m.nodes[n]
	for i, floor := range at.view.Floors {
		if floor == 0 {
			continue
		}
		clock, s, _ := m.start(at.path)
		before, _ := m.key(s.View(), clock.Micros())
		m.asked++
		if s.Use(s.Access(at.view.Latest-uint64(i), floor-1)) {
			m.fault("a void access token was accepted")
		}
		if after, _ := m.key(s.View(), clock.Micros()); after != before {
			m.fault("a void access token changed the family")
		}
	}
}

// generation is the number that i has in a node.
func (m *machine) generation(at *node, i id) uint64 {
	if !m.relative {
		return uint64(i)
	}
	return at.view.Latest + uint64(latest) - uint64(min(i, older))
}

// idOf is the reverse of generation, for the latest generation there.
func (m *machine) idOf(generation, last uint64) id {
	if !m.relative {
		return id(generation)
	}
	return id(min(last+uint64(latest)-generation, uint64(oldest)))
}

// step makes a move of a node into one that can be made.
func (m *machine) step(at *node, o op) step {
	switch {
	case o < use:
		return step{op: o, token: m.names[m.generation(at, id(o-present))]}
	case o < logout:
		generation := m.generation(at, id(o-use))
		// The lowest stamp that is not void is the edge of what is good.
		stamp := uint64(1)
		if i := at.view.Latest - generation; i < uint64(len(at.view.Floors)) {
			stamp = max(stamp, at.view.Floors[i])
		}
		_, s, _ := m.start(nil)
		return step{op: o, token: s.Access(generation, stamp)}
	case o == logout:
		return step{op: o, token: m.names[m.generation(at, latest)]}
	case o == tick:
		return step{op: o, wait: m.tick}
	case o == jump:
		return step{op: o, wait: jumpTime}
	default:
		return step{op: o, wait: leapTime}
	}
}

// walk returns what becomes of a node by a move. The scheme is asked the first time.
func (m *machine) walk(n uint32, o op) *edge {
	if e := m.nodes[n].edges[o]; e != 0 {
		return &m.edges[e]
	}
	at := &m.nodes[n]
	t := m.step(at, o)
	clock, s, _ := m.start(at.path)
	a, outcome, accepted := walk(clock, s, t)
	m.asked++
	after := s.View()
	e := edge{outcome: outcome, accepted: accepted}
	if o < use && outcome == rotation.Answered {
		c, _ := rotation.ReadClaims(a.Access)
		e.timed = int64(c.Stamp) == clock.Micros()
		e.access = m.idOf(m.name(a), after.Latest)
		if a.Refresh != "" {
			e.refresh = e.access
		}
	}
	path := append(slices.Clip(at.path), t)
	if !after.Dead {
		e.shift = int8(after.Latest - at.view.Latest)
		e.void = after.Floors[0] > at.view.Floors[0] && e.shift == 0
	} else if !at.dead {
		m.checkDead(path, at.view.Latest)
	}
	if o < use {
		m.checkCrash(at.path, t, e.outcome, clock, s)
	}
	e.next = m.visit(clock, s, path)
	m.edges = append(m.edges, e)
	m.nodes[n].edges[o] = uint32(len(m.edges) - 1)
	return &m.edges[len(m.edges)-1]
}

// checkCrash makes the move with a server that fails behind its decision, which has to
// be the same.
func (m *machine) checkCrash(path []step, t step, outcome rotation.Outcome, decided *rotation.Clock, s rotation.Observed) {
	clock, other, _ := m.start(path)
	crashing, ok := other.(rotation.Crashing)
	if !ok {
		return
	}
	clock.Advance(time.Microsecond)
	m.asked++
	o := crashing.Crash(t.token)
	want := rotation.Failed
	if outcome == rotation.Refused {
		want = rotation.Refused
	}
	a, _ := m.key(s.View(), decided.Micros())
	b, _ := m.key(other.View(), clock.Micros())
	if o != want || a != b {
		m.fault("a crash between decision and answer: %s in place of %s, and the family differs: %t", o, want, a != b)
	}
}

// checkDead tries every token on a family that has just died, at once and later, and
// access tokens both new to the verifier and known to it: those it does not report again.
func (m *machine) checkDead(path []step, last uint64) {
	killing := len(path) - 1
	for _, known := range []bool{false, true} {
		clock, s, _ := m.start(path[:killing])
		var access []string
		for generation := range m.names {
			if m.relative && generation > last+2 {
				continue
			}
			// The stamp is of no answer, but void under no floor.
			token := s.Access(generation, uint64(clock.Micros()))
			if !known || s.Use(token) {
				access = append(access, token)
			}
		}
		walk(clock, s, path[killing])
		if !s.Dead() {
			continue // the sightings have changed its mind
		}
		for _, wait := range []time.Duration{0, m.tick, jumpTime, leapTime, 2 * leapTime} {
			clock.Advance(wait)
			for _, token := range m.names {
				m.dead++
				if _, o := s.Refresh(token); o != rotation.Refused {
					m.fault("%s: a refresh token of a dead family was %s", m.token(token), o)
				}
			}
			for _, token := range access {
				m.dead++
				if s.Use(token) {
					m.fault("%s was accepted after its family died, known before: %t", m.brief(token), known)
				}
			}
		}
	}
}

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// world is a history on a server of its own, with the tokens that it really answers.
type world struct {
	m *machine
	scenario
	clock *rotation.Clock
	s     rotation.Observed
	past  []step // what the server was asked
	write int    // where in past the last write is, or -1

	jar  string
	tabs [tabs]struct {
		token, held string
		answer      rotation.Answer
	}
	loot   map[uint64]string // by generation
	spoils map[uint64]string
	follow string
	begun  time.Time
	lines  []string
}

// repeat makes the moves again, on a new server, and writes them down. It fails if
// anything comes out otherwise than the walk said.
func repeat(m *machine, sc scenario, moves []move) (lines []string, err error) {
	v := &world{m: m, scenario: sc, write: -1, loot: make(map[uint64]string), spoils: make(map[uint64]string)}
	var a rotation.Answer
	v.clock, v.s, a = m.start(nil)
	v.jar, v.begun = a.Refresh, v.clock.Now()
	v.say("client", "logs in", m.show(a))

	w := &walker{scenario: &sc, m: m}
	at := w.first()
	names := [tabs]byte{'A', 'B', 'C'}
	at.sort(&names)
	for _, mv := range moves {
		next, broken, ok := w.make(&at, mv)
		if !ok {
			return v.lines, fmt.Errorf("%v is no move of this state", mv)
		}
		outcome, err := v.make(&at, mv, names)
		if err != nil {
			return v.lines, err
		}
		at = *next
		if broken != kept {
			return v.lines, nil
		}
		if !outcome {
			return v.lines, fmt.Errorf("%v: the server answered otherwise than it did before", mv)
		}
		// Of the same state, the same is known.
		got, _ := m.key(v.s.View(), v.clock.Micros())
		want := m.nodes[at.node]
		if n, ok := m.found[got]; !ok || n != at.node {
			return v.lines, fmt.Errorf("%v: the family is %+v, and was %+v", mv, v.s.View(), want.view)
		}
		at.sort(&names)
	}
	return v.lines, nil
}

// make makes one move of the model.
func (w *walker) make(s *state, mv move) (out *state, broken promise, ok bool) {
	w.emit = func(m move, next *state, b promise) {
		if m == mv {
			c := *next
			out, broken, ok = &c, b, true
		}
	}
	w.moves(s)
	return out, broken, ok
}

// make makes one move of the world, and reports whether the server answered or accepted.
func (v *world) make(s *state, mv move, names [tabs]byte) (ok bool, err error) {
	who := string(names[mv.tab])
	n := names[mv.tab] - 'A'
	t := &v.tabs[n]
	who = "tab " + who
	switch mv.kind {
	case sends:
		t.token = v.jar
		v.say(who, "sends "+v.m.token(v.jar), "")
	case leaves:
		t.token = v.jar
		v.say(who, "sends a logout", "")
	case losesRequest:
		v.say(who, "request lost", "")
	case losesAnswer:
		v.say(who, "answer lost", "")
	case receives:
		if t.answer.Refresh != "" {
			v.jar = t.answer.Refresh
		}
		t.held = t.answer.Access
		v.say(who, "receives", v.m.show(t.answer)+"; the jar has "+v.m.token(v.jar))
	case decides:
		a, o := v.refresh(t.token)
		t.answer = a
		v.say(who, "reaches the server with "+v.m.token(t.token), v.outcome(a, o))
		return o == rotation.Answered, nil
	case uses:
		return v.uses(who, t.held), nil
	case steals:
		v.loot[v.number(s, mv.id)] = v.jar
		v.say("thief", "copies the jar", v.m.token(v.jar))
	case thiefPresents, thiefFollows, thiefPolls:
		token := v.loot[v.number(s, mv.id)]
		a, o := v.refresh(token)
		v.say("thief", "presents "+v.m.token(token), v.outcome(a, o))
		if o == rotation.Answered {
			c, _ := rotation.ReadClaims(a.Access)
			v.spoils[c.Generation] = a.Access
			if a.Refresh != "" {
				v.loot[c.Generation] = a.Refresh
			}
			if mv.kind != thiefPresents {
				v.follow = a.Access
			}
			if v.scenario.thief == eager {
				return v.uses("thief", a.Access), nil
			}
		}
		return o == rotation.Answered, nil
	case thiefUses:
		return v.uses("thief", v.spoils[v.number(s, mv.id)]), nil
	case thiefUsesFollowed:
		return v.uses("thief", v.follow), nil
	case ticks:
		v.walk(step{op: tick, wait: v.m.tick})
	case jumps:
		v.walk(step{op: jump, wait: jumpTime})
	case leaps:
		v.walk(step{op: leap, wait: leapTime})
	case forgets:
		v.forget()
		v.say("store", "forgets its last write", "")
	default:
		return false, fmt.Errorf("a move of no kind: %v", mv)
	}
	return true, nil
}

// number is the generation that the thief's token has.
func (v *world) number(s *state, i id) uint64 {
	at := node{view: v.s.View()}
	return v.m.generation(&at, i)
}

func (v *world) uses(who, access string) bool {
	_, _, accepted := v.walk(step{op: use, token: access})
	result := "accepted"
	if !accepted {
		result = "refused"
	}
	v.say(who, "uses "+v.m.brief(access), result)
	return accepted
}

func (v *world) refresh(token string) (rotation.Answer, rotation.Outcome) {
	a, o, _ := v.walk(step{op: present, token: token})
	return a, o
}

func (v *world) walk(t step) (rotation.Answer, rotation.Outcome, bool) {
	before := v.s.View()
	a, o, accepted := walk(v.clock, v.s, t)
	after := v.s.View()
	switch {
	case v.scenario.thief == nobody && after.Floors[0] > before.Floors[0] && after.Latest == before.Latest:
		v.write = -1 // see walker.decide
	case t.op < use || t.op < tick && after != before:
		v.write = len(v.past)
	}
	v.past = append(v.past, t)
	return a, o, accepted
}

// forget makes the server again without its last write, at the same time. What came
// behind it wrote nothing and is left out, because it might now.
func (v *world) forget() {
	if v.write < 0 {
		return
	}
	now := v.clock.Now()
	path := slices.Clone(v.past[:v.write])
	for _, t := range v.past[v.write:] {
		if t.op >= tick {
			path = append(path, t)
		}
	}
	v.past, v.write = path, -1
	v.clock, v.s, _ = v.m.start(path)
	v.clock.Advance(now.Sub(v.clock.Now()))
}

func (v *world) outcome(a rotation.Answer, o rotation.Outcome) string {
	if o != rotation.Answered {
		return o.String()
	}
	return v.m.show(a)
}

// brief is an access token as a reader wants it.
func (m *machine) brief(access string) string {
	c, ok := rotation.ReadClaims(access)
	if !ok {
		return "none"
	}
	return fmt.Sprintf("at.%d", c.Generation)
}

// token is a refresh token, likewise.
func (m *machine) token(refresh string) string {
	for generation, name := range m.names {
		if name == refresh {
			return fmt.Sprintf("rt.%d", generation)
		}
	}
	return refresh
}

func (m *machine) show(a rotation.Answer) string {
	if a.Refresh == "" {
		return m.brief(a.Access) + " alone"
	}
	return m.brief(a.Access) + " and " + m.token(a.Refresh)
}

func (v *world) say(who, what, answer string) {
	at := v.clock.Now().Sub(v.begun).Round(time.Second / 10)
	line := fmt.Sprintf("%10s  %-7s %s", at, who, what)
	if answer != "" {
		line += ": " + answer
	}
	v.lines = append(v.lines, line)
}

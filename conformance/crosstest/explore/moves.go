package main

import (
	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// kind is a sort of move.
type kind uint8

const (
	begins kind = iota
	sends
	losesRequest
	decides
	receives
	losesAnswer
	uses
	leaves
	decidesLogout
	steals
	thiefPresents
	thiefFollows // presents, and this is the answer that is followed
	thiefUses
	thiefUsesFollowed
	thiefPolls
	ticks
	jumps
	leaps
	forgets
)

// move is one step of a history: the kind, the tab, and the token.
type move struct {
	kind kind
	tab  uint8
	id   id
}

// counts are of moves, so that a promise that is kept because nothing happened shows.
type counts struct {
	// exposed: a client's refresh ended the family because a followed access token had
	// been accepted. open: a followed token was let go, because it is one of those of
	// which nothing is promised. polled: a thief's poll was answered after the client
	// was, and he could not tell.
	exposed, open, polled int
}

// walker makes the moves of one scenario.
type walker struct {
	*scenario
	m    *machine
	seen counts
	// emit takes what becomes of a state by a move, and the promise that it breaks.
	emit func(mv move, s *state, broken promise)
}

func (w *walker) first() state {
	s := state{jar: w.start()}
	if w.follows() {
		s.shown = s.jar
	}
	for i := w.tabs; i < tabs; i++ {
		s.tab[i].phase = closed
	}
	return s
}

// follows reports whether there is a thief of whom a token may be followed.
func (w *walker) follows() bool { return w.thief != nobody && w.thief != polling }

// start is the login's refresh token.
func (w *walker) start() id {
	if w.m.relative {
		return latest
	}
	return 1
}

// decide walks the server. alive is false if the family has ended.
func (w *walker) decide(s *state, o op) (e edge, alive bool) {
	e = *w.m.walk(s.node, o)
	if w.m.nodes[e.next].dead {
		return e, false
	}
	switch {
	case !w.forget || s.forgot:
	case e.void && w.thief == nobody:
		// An honest client needs this one: what the store then takes for a lost answer
		// of long ago is one that has just arrived, and requests with its
		// predecessor are under way. That is the bound of a failover.
		s.before, s.undo = e.next, 0
	case o < use || e.next != s.node:
		s.before, s.undo = s.node, e.shift
	}
	s.node = e.next
	s.shift(e.shift)
	s.proved = s.proved && e.shift == 0
	if e.void {
		s.void()
	}
	if w.m.relative && !w.forget && e.shift != 0 {
		s.forgetUseless()
	}
	return e, true
}

// moves makes every move that s allows.
func (w *walker) moves(s *state) {
	for i := range w.tabs {
		w.tabMoves(s, uint8(i))
	}
	if w.thief != nobody {
		w.thiefMoves(s)
	}
	w.timeMoves(s)
	if w.forget && !s.forgot {
		next := *s
		next.node, next.before = s.before, 0
		next.shift(-s.undo)
		next.undo = 0
		next.forgot, next.recovering, next.proved = true, true, false
		next.unmark() // what a failover can lose, it loses
		w.emit(move{kind: forgets}, &next, kept)
	}
}

func (w *walker) tabMoves(s *state, i uint8) {
	now := &s.tab[i]
	switch now.phase {
	case idle:
		next := *s
		next.tab[i] = tab{phase: asking, token: s.jar, held: now.held}
		w.emit(move{kind: sends, tab: i, id: s.jar}, &next, kept)
		if w.logout && !s.gone {
			next.tab[i].phase, next.gone = leaving, true
			w.emit(move{kind: leaves, tab: i, id: s.jar}, &next, kept)
		}
	case asking, leaving:
		next := *s
		next.tab[i] = tab{held: now.held}
		w.emit(move{kind: losesRequest, tab: i, id: now.token}, &next, kept)
		if now.phase == asking {
			w.clientDecided(s, i)
		} else {
			// Nothing follows: the machine tries every token on a dead family.
			w.decide(&next, logout)
		}
	case answered:
		next := *s
		next.tab[i] = tab{held: now.held}
		w.emit(move{kind: losesAnswer, tab: i}, &next, kept)
		if now.refresh != 0 {
			next.jar = now.refresh
		}
		if now.access != 0 {
			next.tab[i].held = now.access
		}
		w.emit(move{kind: receives, tab: i}, &next, kept)
	}
	if now.held != 0 {
		next := *s
		next.tab[i].held = 0
		if e, alive := w.decide(&next, use+op(now.held)); alive {
			broken := kept
			if !e.accepted {
				broken = sound
			}
			next.proved = next.proved || now.held == latest && w.follows()
			w.emit(move{kind: uses, tab: i, id: now.held}, &next, broken)
		}
	}
}

// clientDecided: the request of a tab reaches the server.
func (w *walker) clientDecided(s *state, i uint8) {
	next := *s
	mv := move{kind: decides, tab: i, id: s.tab[i].token}
	e, alive := w.decide(&next, present+op(mv.id))
	if !alive {
		// With a thief it is the exposure. A client that is late by more than a day
		// has been told.
		if w.thief == nobody && !w.late && s.leaps < 2 {
			w.emit(mv, &next, goesOn)
		}
		if s.accepted {
			w.seen.exposed++
		}
		return
	}
	if e.outcome != rotation.Answered {
		w.emit(mv, &next, sound) // a refusal ends the family
		return
	}
	if e.access >= maxID {
		return // far enough, in a scheme that counts its tokens
	}
	broken := w.judge(&next)
	if b := w.succeeds(&next, mv.id, e); b != kept {
		broken = b
	}
	t := &next.tab[i]
	t.phase, t.token, t.refresh, t.access = answered, 0, e.refresh, e.access
	if w.follows() {
		next.shown, next.sinceShown = e.access, 0
		next.proved = next.proved || shifted(mv.id, e.shift) == latest
	}
	next.leaps = 0
	next.recovering = next.recovering && next.ahead()
	next.others = next.began
	w.emit(mv, &next, broken)
}

// judge says what it means for the followed access token that the client is answered.
// What happened within the grace window before is open, and said to be.
func (w *walker) judge(s *state) promise {
	switch {
	case s.marked == 0:
		return kept
	case s.landed != 0 || s.acceptedAge != 0:
		w.seen.open++
		s.unmark()
	case s.accepted && s.told:
		return unaware
	case s.accepted:
		return exposed
	case !s.passed && s.markedAge <= w.m.grace:
		w.seen.open++
		s.unmark()
	default:
		s.passed, s.markedAge = true, 0
	}
	return kept
}

// succeeds remembers what succeeded a token, in a scheme where that may be more than
// one.
func (w *walker) succeeds(s *state, token id, e edge) promise {
	if w.m.relative || e.refresh == 0 {
		return kept
	}
	first := s.successor[token]
	if first == 0 {
		s.successor[token] = e.refresh
	} else if first != e.refresh && w.live(s, first) && w.live(s, e.refresh) {
		return single
	}
	return kept
}

func (w *walker) live(s *state, token id) bool {
	return w.m.walk(s.node, present+op(token)).outcome == rotation.Answered
}

func (w *walker) thiefMoves(s *state) {
	if !s.stolen {
		next := *s
		next.stolen = true
		if w.thief == polling {
			next.polls, next.pollAge = s.jar, w.period
		} else {
			next.loot |= 1 << s.jar
		}
		w.emit(move{kind: steals, id: s.jar}, &next, kept)
		return
	}
	if s.polls != 0 && s.pollAge >= w.period {
		w.thiefPolls(s)
	}
	for i := newer; i < maxID; i++ {
		if s.loot&(1<<i) != 0 && (w.thief != racing || s.sinceShown <= w.m.grace) {
			w.thiefPresents(s, i)
		}
		if s.spoils&(1<<i) != 0 && w.mayUse(s) {
			next := *s
			next.spoils &^= 1 << i
			w.thiefUsed(&next, move{kind: thiefUses, id: i})
		}
	}
	if s.marked != 0 && !s.accepted && w.mayUse(s) {
		next := *s
		next.accepted, next.markedAge = true, 0
		if w.lenient {
			next.acceptedAge = 1
		}
		w.thiefUsed(&next, move{kind: thiefUsesFollowed, id: s.marked})
	}
}

func (w *walker) mayUse(s *state) bool {
	return w.thief != patient || w.m.nodes[s.node].confirmed != none
}

func (w *walker) thiefUsed(s *state, mv move) {
	e, alive := w.thiefDecides(s, use+op(mv.id))
	switch {
	case !alive:
	case !e.accepted:
		w.emit(mv, s, sound)
	default:
		w.emit(mv, s, kept)
	}
}

// thiefDecides is decide, and notes whether it was the thief who confirmed the
// generation.
func (w *walker) thiefDecides(s *state, o op) (edge, bool) {
	before := w.m.nodes[s.node].confirmed
	e, alive := w.decide(s, o)
	switch {
	case !alive:
	case !w.m.relative && e.accepted, (before == none || e.shift != 0) && w.m.nodes[s.node].confirmed != none:
		s.landed = 1
	}
	return e, alive
}

func (w *walker) thiefPresents(s *state, i id) {
	next := *s
	e, alive := w.thiefDecides(&next, present+op(i))
	if !alive || e.access >= maxID {
		return // he is exposed, or it is far enough
	}
	// Open, and said to be: an answer within the coalesce window after one to the
	// client, however that window began.
	open := w.unused(s) || s.sinceShown <= rotation.Coalesce*w.m.grace ||
		next.shown == latest && (e.refresh == 0 || w.m.nodes[s.node].confirmed <= w.m.grace)
	broken := w.succeeds(&next, i, e)
	if e.outcome != rotation.Answered {
		broken = sound
	}
	if e.refresh != 0 {
		next.loot |= 1 << e.refresh
	}
	if !open && next.marked == 0 && !next.recovering {
		followed := next
		followed.marked = e.access
		if w.thief == eager {
			followed.accepted = true
			if w.lenient {
				followed.acceptedAge = 1
			}
			if u, alive := w.thiefDecides(&followed, use+op(e.access)); alive && u.accepted {
				w.emit(move{kind: thiefFollows, id: i}, &followed, broken)
			}
		} else {
			w.emit(move{kind: thiefFollows, id: i}, &followed, broken)
		}
	}
	if w.thief == eager {
		if u, alive := w.thiefDecides(&next, use+op(e.access)); !alive || !u.accepted {
			broken = sound
		}
	} else {
		next.spoils |= 1 << e.access
	}
	w.emit(move{kind: thiefPresents, id: i}, &next, broken)
}

// unused: the client has the latest generation, or it is on the way, and has used nothing
// of it yet. For the server that is an answer that was lost, and whoever comes with the
// predecessor is a client that retries. Nothing is promised of what he is answered.
func (w *walker) unused(s *state) bool {
	if s.proved || w.m.nodes[s.node].confirmed != none || !w.m.relative {
		return false
	}
	if s.jar == latest {
		return true
	}
	for i := range s.tab {
		if s.tab[i].refresh == latest || s.tab[i].token == latest {
			return true
		}
	}
	return false
}

// thiefPolls: the claims of an answer are explained by what he did himself, or they tell
// him that somebody else did something.
func (w *walker) thiefPolls(s *state) {
	next := *s
	mv := move{kind: thiefPolls, id: s.polls}
	e, alive := w.decide(&next, present+op(s.polls))
	if !alive {
		return // he is exposed
	}
	if s.others && e.timed {
		w.seen.polled++
	}
	if s.others && !e.timed {
		next.told, next.marked, next.passed = true, e.access, true
		next.polls, next.pollAge = 0, 0
	} else {
		next.pollAge = 0
	}
	next.others, next.began = false, !next.told
	w.emit(mv, &next, kept)
}

func (w *walker) timeMoves(s *state) {
	waiting, full := false, false
	for i := range s.tab {
		if p := s.tab[i].phase; p != idle && p != closed {
			waiting = true
			full = full || s.tab[i].age >= w.m.grace
		}
	}
	if s.polls != 0 {
		if s.pollAge < w.period && !(full && !w.late) {
			w.pass(s, ticks, tick, 1)
		}
		return
	}
	if !full || w.late {
		w.pass(s, ticks, tick, 1)
	}
	if !waiting || w.late {
		w.pass(s, jumps, jump, 100)
		if w.leaps {
			w.pass(s, leaps, leap, 100)
		}
	}
}

func (w *walker) pass(s *state, k kind, o op, n uint8) {
	next := *s
	next.node = w.m.walk(s.node, o).next
	if w.forget && !s.forgot {
		next.before = w.m.walk(s.before, o).next
	}
	next.pass(n, w.m.grace)
	if w.late {
		for i := range next.tab {
			next.tab[i].age = 0
		}
	}
	if k == leaps {
		next.leaps = min(next.leaps+1, 2)
	}
	w.emit(move{kind: k}, &next, kept)
}

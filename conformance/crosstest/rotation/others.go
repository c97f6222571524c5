package rotation

import (
	"fmt"
	"strconv"
	"strings"
)

// ledger is a model of the schemes that keep an entry for each refresh token. They
// differ in what becomes of a token that was used before.
type ledger struct {
	clock *Clock
	again func(l *ledger, parent *entry) (Answer, bool)

	dead    bool
	entries []*entry // by the number of the token, from 1
}

type entry struct {
	number int
	// used is when the token was presented first, 0 for never. child is the latest
	// that was given for it.
	used  int64
	child *entry
	// seen: the token, or the access token that came with it, was presented.
	seen bool
	// displaced: another child took its place.
	displaced bool
}

func newLedger(again func(l *ledger, parent *entry) (Answer, bool)) func(*Clock) Server {
	return func(clock *Clock) Server { return &ledger{clock: clock, again: again} }
}

func (l *ledger) Login() Answer { return l.answer(l.add()) }

func (l *ledger) add() *entry {
	e := &entry{number: len(l.entries) + 1}
	l.entries = append(l.entries, e)
	return e
}

func (l *ledger) answer(e *entry) Answer {
	return Answer{Access: l.Access(uint64(e.number), 0), Refresh: "rt." + strconv.Itoa(e.number)}
}

func (l *ledger) find(number string) *entry {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > len(l.entries) {
		return nil
	}
	return l.entries[n-1]
}

func (l *ledger) Refresh(token string) (Answer, Outcome) {
	number, _ := strings.CutPrefix(token, "rt.")
	e := l.find(number)
	if l.dead || e == nil {
		return Answer{}, Refused
	}
	switch {
	case e.displaced:
	case e.used == 0:
		e.seen, e.used = true, l.clock.Micros()
		e.child = l.add()
		return l.answer(e.child), Answered
	default:
		if a, ok := l.again(l, e); ok {
			return a, Answered
		}
	}
	l.dead = true
	return Answer{}, Refused
}

func (l *ledger) inside(e *entry) bool { return l.clock.Micros() <= e.used+Grace.Microseconds() }

func (l *ledger) Use(access string) bool {
	c, ok := ReadClaims(access)
	if !ok || l.dead || c.Generation < 1 || c.Generation > uint64(len(l.entries)) {
		return false
	}
	l.entries[c.Generation-1].seen = true
	return true
}

func (l *ledger) Logout(string) { l.dead = true }

func (l *ledger) Dead() bool { return l.dead }

// View implements Observed.
func (l *ledger) View() View {
	if l.dead {
		return View{Dead: true}
	}
	var b strings.Builder
	for _, e := range l.entries {
		// In tenths of a second: what happens in one of them is at one time. A window
		// that has closed stays closed.
		age := int64(-1)
		if e.used != 0 {
			age = min(l.clock.Micros()-e.used+50_000, 2*Grace.Microseconds()) / 100_000
		}
		child := 0
		if e.child != nil {
			child = e.child.number
		}
		fmt.Fprintf(&b, "%d %d %t %t;", age, child, e.seen, e.displaced)
	}
	return View{Rest: b.String()}
}

// Access implements Observed.
func (l *ledger) Access(generation, stamp uint64) string {
	return fmt.Sprint(Claims{Generation: generation, Stamp: stamp})
}

func strict(*ledger, *entry) (Answer, bool) { return Answer{}, false }

func forking(l *ledger, parent *entry) (Answer, bool) {
	if !l.inside(parent) {
		return Answer{}, false
	}
	return l.answer(l.add()), true
}

func displacing(l *ledger, parent *entry) (Answer, bool) {
	if !l.inside(parent) {
		return Answer{}, false
	}
	parent.child.displaced = true
	parent.child = l.add()
	return l.answer(parent.child), true
}

func untilChildUsed(l *ledger, parent *entry) (Answer, bool) {
	if parent.child.seen {
		return Answer{}, false
	}
	return l.answer(parent.child), true
}

func accessOnly(l *ledger, parent *entry) (Answer, bool) {
	if !l.inside(parent) {
		return Answer{}, false
	}
	a := l.answer(parent.child)
	a.Refresh = ""
	return a, true
}

func counter(l *ledger, parent *entry) (Answer, bool) {
	if parent.number+1 != len(l.entries) {
		return Answer{}, false
	}
	return l.answer(parent.child), true
}

// Others are schemes that are in use elsewhere.
var Others = []Scheme{
	{"strict one-time", newLedger(strict)},
	{"time grace, forking successors", newLedger(forking)},
	{"time grace, displaced sibling", newLedger(displacing)},
	{"parent valid until child used", newLedger(untilChildUsed)},
	{"loser gets an access token only", newLedger(accessOnly)},
	{"counter, the predecessor always", newLedger(counter)},
	{"confirmation by use and a short grace, alone", newRule(parts{noVoid: true, noCoalesce: true})},
}

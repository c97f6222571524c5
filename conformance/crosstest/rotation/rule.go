package rotation

import (
	"fmt"
	"strconv"
	"strings"
)

// rule is a model of the rule of package refresh in which parts of it can be left out,
// to show what each is for. It is written apart from the real one and decides nothing
// in a server.
type rule struct {
	clock *Clock
	parts parts

	dead             bool
	latest           uint64
	fixed, confirmed int64
	stamp            uint64
	floors           map[uint64]uint64 // by generation
}

// parts are what is left out or done otherwise. The zero value is the whole rule.
type parts struct {
	// noVoid: a late repeat leaves the answers before it good.
	noVoid bool
	// noCoalesce: the latest token is always replaced.
	noCoalesce bool
	// touchJar: an answer that coalesces carries the latest refresh token again.
	touchJar bool
	// count: answers carry their number and not their time.
	count bool
	// fromRotation: windows begin with the rotation, and not again with the
	// confirmation.
	fromRotation bool
}

// Coalesce is for how many times Grace after a rotation, a late repeat or a recovery the
// latest token is not replaced. Three: for one the latest answer is repeated, for one
// that answer may be under way, and for one what another tab sent just before it came.
// After a confirmation it is two.
const Coalesce = 3

const lateRepeat = int64(24 * 3600 * 1e6)

func newRule(p parts) func(*Clock) Server {
	return func(clock *Clock) Server { return &rule{clock: clock, parts: p, floors: make(map[uint64]uint64)} }
}

func (r *rule) Login() Answer {
	r.latest = 1
	return r.answer(true)
}

func (r *rule) answer(withRefresh bool) Answer {
	r.stamp++
	if !r.parts.count {
		r.stamp = max(r.stamp, uint64(r.clock.Micros()))
	}
	a := Answer{Access: r.Access(r.latest, r.stamp)}
	if withRefresh {
		a.Refresh = "rt." + strconv.FormatUint(r.latest, 10)
	}
	return a
}

// inside reports whether now is at most so many times Grace after the rotation or, where
// that counts, the confirmation.
func (r *rule) inside(rotated, confirmed int64) bool {
	now, g := r.clock.Micros(), Grace.Microseconds()
	return r.fixed != 0 && now <= r.fixed+rotated*g ||
		r.confirmed != 0 && !r.parts.fromRotation && now <= r.confirmed+confirmed*g
}

func (r *rule) Refresh(token string) (Answer, Outcome) {
	text, _ := strings.CutPrefix(token, "rt.")
	generation, err := strconv.ParseUint(text, 10, 64)
	if err != nil || r.dead {
		return Answer{}, Refused
	}
	now := r.clock.Micros()
	switch {
	case generation > r.latest:
		r.latest, r.fixed, r.confirmed = generation, now, now
		return r.answer(r.parts.touchJar), Answered
	case generation == r.latest && !r.parts.noCoalesce && r.inside(Coalesce, 2):
		r.confirm()
		return r.answer(r.parts.touchJar), Answered
	case generation == r.latest:
		r.latest, r.fixed, r.confirmed = generation+1, now, 0
		return r.answer(true), Answered
	case generation+1 == r.latest && r.inside(1, 1):
		return r.answer(true), Answered
	case generation+1 == r.latest && r.confirmed == 0 && now <= r.fixed+lateRepeat:
		r.fixed = now
		a := r.answer(true)
		if !r.parts.noVoid {
			r.floors[r.latest] = r.stamp
		}
		return a, Answered
	default:
		r.dead = true
		return Answer{}, Refused
	}
}

func (r *rule) confirm() {
	if r.confirmed == 0 {
		r.confirmed = r.clock.Micros()
	}
}

func (r *rule) Use(access string) bool {
	c, ok := ReadClaims(access)
	if !ok || r.dead || c.Stamp < r.floors[c.Generation] {
		return false
	}
	if c.Generation == r.latest {
		r.confirm()
	}
	return true
}

func (r *rule) Logout(string) { r.dead = true }

func (r *rule) Dead() bool { return r.dead }

// View implements Observed.
func (r *rule) View() View {
	if r.dead {
		return View{Dead: true}
	}
	v := View{Latest: r.latest, Fixed: r.fixed, Confirmed: r.confirmed}
	for i := range v.Floors {
		v.Floors[i] = r.floors[r.latest-uint64(i)]
	}
	return v
}

// Access implements Observed.
func (r *rule) Access(generation, stamp uint64) string {
	return fmt.Sprint(Claims{Generation: generation, Stamp: stamp})
}

// Model is the whole rule as this package has it, to be compared with the real one.
var Model = Scheme{"the model of the rule", newRule(parts{})}

// Variants are the rule without one of its parts.
var Variants = []Scheme{
	{"without voiding", newRule(parts{noVoid: true})},
	{"without coalescing", newRule(parts{noCoalesce: true})},
	{"a coalesced answer touches the jar", newRule(parts{touchJar: true})},
	{"an answer count in place of the stamp", newRule(parts{count: true})},
	{"windows from the rotation alone", newRule(parts{fromRotation: true})},
}

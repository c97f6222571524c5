package main

// came is how a state was reached first.
type came struct {
	from uint32
	by   move
}

// result is what a walk has seen.
type result struct {
	states, steps int
	// histories is how many different ones of the least length lead to those states.
	histories float64
	depth     int
	// broken is the first promise that was, if any, and how.
	broken  promise
	history []move
	// repeated is how many histories were walked again on a new store.
	repeated int
	seen     counts
}

// search walks sc breadth first. It stops at the first promise broken among those that
// are asked for; other broken ones end their branch.
func search(m *machine, sc scenario, asked func(promise) bool, sample int) result {
	w := &walker{scenario: &sc, m: m}
	seen := newSet()
	first := w.first()
	first.sort(nil)
	seen.add(first.hash(!m.relative))
	trail := []came{{}}
	level := []state{first}
	ways := []float64{1}
	var r result
	r.histories = 1
	for start := 0; len(level) > 0 && r.broken == kept && len(m.broken) == 0; r.depth++ {
		var next []state
		var nextWays []float64
		begin := start + len(level)
		for i := range level {
			from := uint32(start + i)
			w.emit = func(mv move, made *state, broken promise) {
				r.steps++
				if broken != kept {
					if asked(broken) && r.broken == kept {
						r.broken = broken
						r.history = append(history(trail, from), mv)
					}
					return
				}
				s := *made
				s.sort(nil)
				n, fresh := seen.add(s.hash(!m.relative))
				switch {
				case fresh:
					trail = append(trail, came{from, mv})
					next = append(next, s)
					nextWays = append(nextWays, ways[i])
					r.histories += ways[i]
				case int(n) >= begin:
					nextWays[int(n)-begin] += ways[i]
					r.histories += ways[i]
				}
			}
			w.moves(&level[i])
			if r.broken != kept || sc.limit > 0 && len(trail) >= sc.limit {
				break
			}
		}
		start, level, ways = begin, next, nextWays
		if sc.limit > 0 && len(trail) >= sc.limit {
			break
		}
	}
	r.states, r.seen = len(trail), w.seen
	if len(m.broken) > 0 && r.broken == kept && asked(sound) {
		r.broken = sound
	}
	if sample > 0 && r.broken == kept {
		for n := 0; n < sample; n++ {
			at := uint32(uint64(n+1) * uint64(len(trail)-1) / uint64(sample))
			if _, err := repeat(m, sc, history(trail, at)); err != nil {
				m.fault("%v", err)
				r.broken, r.history = sound, history(trail, at)
				break
			}
			r.repeated++
		}
	}
	return r
}

// history is how the state n was reached.
func history(trail []came, n uint32) []move {
	var reversed []move
	for ; n != 0; n = trail[n].from {
		reversed = append(reversed, trail[n].by)
	}
	out := make([]move, 0, len(reversed)+1)
	for i := len(reversed) - 1; i >= 0; i-- {
		out = append(out, reversed[i])
	}
	return out
}

// set numbers hashes in the order in which they come.
type set struct {
	hashes  []uint64
	numbers []uint32
	count   int
}

func newSet() *set { return &set{hashes: make([]uint64, 1<<16), numbers: make([]uint32, 1<<16)} }

// add returns the number of h, and whether it is new.
func (t *set) add(h uint64) (n uint32, fresh bool) {
	if t.count*3 > len(t.hashes)*2 {
		t.grow()
	}
	i := t.place(h)
	if t.hashes[i] == h {
		return t.numbers[i], false
	}
	t.hashes[i], t.numbers[i] = h, uint32(t.count)
	t.count++
	return t.numbers[i], true
}

func (t *set) place(h uint64) int {
	mask := len(t.hashes) - 1
	i := int(h) & mask
	for t.hashes[i] != 0 && t.hashes[i] != h {
		i = (i + 1) & mask
	}
	return i
}

func (t *set) grow() {
	old := *t
	t.hashes, t.numbers = make([]uint64, 2*len(old.hashes)), make([]uint32, 2*len(old.hashes))
	for i, h := range old.hashes {
		if h != 0 {
			j := t.place(h)
			t.hashes[j], t.numbers[j] = h, old.numbers[i]
		}
	}
}

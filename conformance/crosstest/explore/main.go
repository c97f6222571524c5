package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

func main() {
	short := flag.Bool("short", false, "small scenarios only")
	flag.Parse()
	if !explore(os.Stdout, rotation.Ours, *short) {
		os.Exit(1)
	}
}

// every asks for all promises.
func every(promise) bool { return true }

// explore prints what comes of the rule and of what it is compared with, and reports
// whether all is as it should be.
func explore(out io.Writer, rule rotation.Scheme, short bool) bool {
	sample := 2000
	if short {
		sample = 50
	}
	ok := true
	p := &printer{out: out}
	p.printf("%s: all that can happen to one family, generations and time without end\n\n", rule.Name)
	p.printf("%-38s %4s %5s %10s %11s %9s %5s %6s\n", "scenario", "tabs", "ticks", "states", "moves", "histories", "depth", "again")
	var sum result
	dead := 0
	machines := make(map[int]*machine)
	for _, sc := range ours(short) {
		if p.err != nil {
			return false
		}
		m := machines[sc.grace]
		if m == nil {
			m = newMachine(rule, sc.grace)
			machines[sc.grace] = m
		}
		r := search(m, sc, every, sample)
		p.printf("%-38s %4d %5d %10d %11d %9.1g %5d %6d", sc.name, sc.tabs, sc.grace, r.states, r.steps, r.histories, r.depth, r.repeated)
		switch {
		case r.broken != kept:
			ok = false
			p.printf("\n\n  BROKEN: %s\n", r.broken)
			p.history(m, sc, r.history)
			for _, fault := range m.broken {
				p.printf("  %s\n", fault)
			}
			p.printf("\n")
		case sc.thief == polling:
			p.printf("  answered behind the client %d times, told never\n", r.seen.polled)
		case sc.thief != nobody:
			p.printf("  exposed %d times, open %d times\n", r.seen.exposed, r.seen.open)
		default:
			p.printf("\n")
		}
		sum.states, sum.steps, sum.repeated = sum.states+r.states, sum.steps+r.steps, sum.repeated+r.repeated
		sum.histories += r.histories
		sum.broken = max(sum.broken, r.broken)
	}
	families, decided := 0, 0
	for _, m := range machines {
		families, decided, dead = families+len(m.nodes), decided+m.asked, dead+m.dead
	}
	p.printf("\n%d states by %d moves; at least %.2g histories; %d states of a family and %d decisions of it,\n"+
		"each with a crash behind it; %d tokens tried on dead families; %d histories made again on new stores\n",
		sum.states, sum.steps, sum.histories, families, decided, dead, sum.repeated)

	p.printf("\nThe other schemes, and the rule without one of its parts, with the shortest histories that break them:\n")
	for _, c := range others() {
		m := newMachine(c.scheme, c.grace)
		r := search(m, c.scenario, func(b promise) bool { return b == c.breaks }, 0)
		p.printf("\n%s (%d states)\n", c.scheme.Name, r.states)
		if r.broken == kept {
			ok = false
			p.printf("  NO COUNTER-EXAMPLE to: %s\n", c.breaks)
			continue
		}
		p.printf("  breaks: %s\n", r.broken)
		p.history(m, c.scenario, r.history)
	}
	return ok && p.err == nil
}

// printer keeps the first error.
type printer struct {
	out io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

func (p *printer) history(m *machine, sc scenario, moves []move) {
	lines, err := repeat(m, sc, moves)
	for _, line := range lines {
		p.printf("  %s\n", line)
	}
	if err != nil {
		p.err = err
		p.printf("  %v\n", err)
	}
}

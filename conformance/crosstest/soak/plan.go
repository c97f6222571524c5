package main

import (
	"fmt"
	"io"
	"time"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// What is lost and slow is that of a bad mobile network; how often a browser is closed,
// a guess.
var (
	honest = []profile{{tabs: maxTabs, lives: 5, lost: 0.05, late: 0.1, slow: 0.03, closes: 0.1}}

	// All that the rule allows for, and much of it. Of the lost fewer come late, or the
	// hours that they wait would bring more hours.
	rough = []profile{{tabs: maxTabs, lives: 5, lost: 0.2, late: 0.02, dawdles: true, closes: 0.5}}

	// Thieves rob a client with one tab or with all, in turn, and have more time.
	robbed = []profile{
		{tabs: 1, lives: 15, lost: 0.05, late: 0.1, slow: 0.03, closes: 0.1},
		{tabs: maxTabs, lives: 15, lost: 0.05, late: 0.1, slow: 0.03, closes: 0.1},
	}

	// What a theft comes to in a scheme that logs out honest clients shows with a client
	// that gives it no reason to.
	quiet = []profile{{tabs: 1, lives: 15}}

	// One scene each, and nothing else that goes wrong.
	restored = []profile{{tabs: maxTabs, lives: 4, once: oneRestore}}
	lostOnce = []profile{{tabs: 1, lives: 4, once: oneLost}}
)

// size is how much is simulated.
type size struct {
	seed     uint64
	sessions int64 // honest ones of the real scheme
	rough    int64 // more of them
	thieves  int64 // of each kind, of the real scheme; half of them follow
	each     int64 // sessions, and thieves of each kind, of every other scheme
	workers  int
}

// row is what one scheme came to.
type row struct {
	name                       string
	honest, restored, lostOnce sums
	thieves                    [methods]sums
}

// outcome is what everything came to.
type outcome struct {
	size    size
	took    time.Duration
	honest  sums
	rough   sums
	thieves [methods][2]sums // by what they do with what they are given
	rows    []row            // the real scheme first
}

// simulate plays everything, with real as the scheme that is to prove itself, and tells
// progress what came of each part.
func simulate(real scheme, z size, progress io.Writer) (*outcome, error) {
	out := &outcome{size: z}
	began := time.Now()
	play := func(c campaign) (sums, error) {
		c.seed = z.seed
		return c.run(z.workers)
	}
	var err error
	if out.honest, err = play(campaign{scheme: real, profs: honest, sessions: z.sessions}); err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "%d sessions: %d false logouts\n", out.honest.sessions, out.honest.logouts)
	if out.rough, err = play(campaign{scheme: real, profs: rough, sessions: z.rough}); err != nil {
		return nil, err
	}
	fmt.Fprintf(progress, "%d sessions on a rough network: %d false logouts\n", out.rough.sessions, out.rough.logouts)
	for m := range methods {
		for i := range out.thieves[m] {
			c := campaign{scheme: real, profs: robbed, sessions: z.thieves / 2, thief: true, method: m, follows: []bool{i == 1}}
			if out.thieves[m][i], err = play(c); err != nil {
				return nil, err
			}
			s := &out.thieves[m][i]
			fmt.Fprintf(progress, "%d thieves, %s: %d missed\n", s.sessions, methodNames[m], s.missed)
		}
	}
	schemes := []scheme{real}
	for _, list := range [][]rotation.Scheme{rotation.Others, rotation.Variants} {
		for _, s := range list {
			schemes = append(schemes, model(s))
		}
	}
	for _, s := range schemes {
		r := row{name: s.name}
		for _, part := range []struct {
			profs []profile
			to    *sums
		}{{honest, &r.honest}, {restored, &r.restored}, {lostOnce, &r.lostOnce}} {
			if *part.to, err = play(campaign{scheme: s, profs: part.profs, sessions: z.each}); err != nil {
				return nil, err
			}
		}
		for m := range methods {
			c := campaign{scheme: s, profs: quiet, sessions: z.each, thief: true, method: m, follows: []bool{true}}
			if r.thieves[m], err = play(c); err != nil {
				return nil, err
			}
		}
		fmt.Fprintf(progress, "%s: %d of %d logged out\n", s.name, r.honest.logouts, r.honest.sessions)
		out.rows = append(out.rows, r)
	}
	out.took = time.Since(began)
	return out, nil
}

// faults are what must not be in the real scheme; none if all is well.
func (o *outcome) faults() []string {
	var list []string
	fault := func(n int64, what string) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, what))
		}
	}
	if o.honest.sessions == 0 || o.honest.requests == 0 {
		list = append(list, "nothing was simulated")
	}
	first := &o.rows[0]
	var all sums
	for _, part := range []*sums{&o.honest, &o.rough, &first.honest, &first.restored, &first.lostOnce} {
		all.add(part)
	}
	for m := range methods {
		for _, part := range []*sums{&o.thieves[m][0], &o.thieves[m][1], &first.thieves[m]} {
			all.add(part)
		}
	}
	fault(all.logouts, "honest sessions were logged out")
	fault(all.revived, "sessions had a token that was good after their end")
	fault(all.failed, "refreshes failed")
	fault(all.passed[unexplained], "access tokens of thieves passed the victim's next refresh for no reason that is known")
	return list
}

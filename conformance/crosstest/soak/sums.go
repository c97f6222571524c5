package main

import "slices"

// sums is what sessions came to, added up.
type sums struct {
	sessions, requests, uses int64
	lost, slow               int64
	closes, hours            int64
	generations              int64 // of all sessions together
	simulated                int64 // seconds
	voided                   int64 // access tokens of a client that it had to replace early
	failed                   int64 // refreshes answered with 503
	logouts                  int64 // sessions that ended although nobody stole
	revived                  int64 // sessions with a token that was good after the end

	// Of thieves.
	exposed        int64  // after requests of theirs had been accepted
	exposedEmpty   int64  // before any was
	empty          int64  // neither exposed nor accepted
	missed         int64  // accepted and never exposed
	accepted, took counts // of exposed: requests accepted before; seconds since the first
	kept           counts // of missed: requests accepted
	// Access tokens of theirs that were accepted: exposed at the victim's next refresh
	// or before, not exposed by it, or the session was over before it.
	hauls   int64
	atNext  int64
	passed  [classes]int64
	pending int64
}

func (s *sums) add(o *sums) {
	s.sessions += o.sessions
	s.requests += o.requests
	s.uses += o.uses
	s.lost += o.lost
	s.slow += o.slow
	s.closes += o.closes
	s.hours += o.hours
	s.generations += o.generations
	s.simulated += o.simulated
	s.voided += o.voided
	s.failed += o.failed
	s.logouts += o.logouts
	s.revived += o.revived
	s.exposed += o.exposed
	s.exposedEmpty += o.exposedEmpty
	s.empty += o.empty
	s.missed += o.missed
	s.accepted.merge(&o.accepted)
	s.took.merge(&o.took)
	s.kept.merge(&o.kept)
	s.hauls += o.hauls
	s.atNext += o.atNext
	for i := range s.passed {
		s.passed[i] += o.passed[i]
	}
	s.pending += o.pending
}

// judge adds the thief of a session that is over.
func (s *sums) judge(t *thief) {
	for i := range t.hauls {
		h := &t.hauls[i]
		if h.first == 0 {
			continue
		}
		s.hauls++
		switch {
		case h.judged:
			s.passed[h.class]++
		case t.exposed:
			s.atNext++
		default:
			s.pending++
		}
	}
	switch {
	case t.exposed && t.accepted > 0:
		s.exposed++
		s.accepted.add(t.accepted)
		s.took.add((t.exposedAt - t.firstAt) / second)
	case t.exposed:
		s.exposedEmpty++
	case t.accepted == 0:
		s.empty++
	default:
		s.missed++
		s.kept.add(t.accepted)
	}
}

// counts is a histogram.
type counts struct {
	of map[int64]int64
	n  int64
}

func (c *counts) add(value int64) {
	if c.of == nil {
		c.of = map[int64]int64{}
	}
	c.of[value]++
	c.n++
}

func (c *counts) merge(o *counts) {
	if c.of == nil && o.n > 0 {
		c.of = map[int64]int64{}
	}
	for v, n := range o.of {
		c.of[v] += n
	}
	c.n += o.n
}

// quantile returns the value that q of all, at least one, are not greater than. 0 of
// nothing.
func (c *counts) quantile(q float64) int64 {
	values := make([]int64, 0, len(c.of))
	for v := range c.of {
		values = append(values, v)
	}
	slices.Sort(values)
	rank := max(int64(q*float64(c.n)+0.999999), 1)
	for _, v := range values {
		if rank -= c.of[v]; rank <= 0 {
			return v
		}
	}
	return 0
}

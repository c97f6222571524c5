package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

// scheme is a way to rotate. Open returns what begins logins by the clock of one worker,
// which plays one session after another.
type scheme struct {
	name string
	open func(c *rotation.Clock) (func() rotation.Server, error)
}

// ours is the real scheme, with one Rotator and one store for all logins of a worker.
var ours = scheme{"the rule of this suite", func(c *rotation.Clock) (func() rotation.Server, error) {
	r, err := rotation.NewReal(c)
	if err != nil {
		return nil, err
	}
	return r.Server, nil
}}

// model is one of which each login has a server of its own.
func model(s rotation.Scheme) scheme {
	return scheme{s.Name, func(c *rotation.Clock) (func() rotation.Server, error) {
		return func() rotation.Server { return s.New(c) }, nil
	}}
}

// campaign is many sessions of one kind.
type campaign struct {
	scheme   scheme
	profs    []profile // one after the other
	thief    bool
	method   method
	follows  []bool // for each profile in turn
	sessions int64
	seed     uint64
}

// batch is how many sessions a worker takes at a time.
const batch = 64

// run plays the campaign. Each session has a random source of its own, from the seed and
// its number, so the outcome does not depend on how many workers there are.
func (c *campaign) run(workers int) (sums, error) {
	parts := make([]sums, workers)
	errs := make([]error, workers)
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() { errs[w] = c.work(&next, &parts[w]) })
	}
	all.Wait()
	var total sums
	for w := range workers {
		if errs[w] != nil {
			return sums{}, errs[w]
		}
		total.add(&parts[w])
	}
	return total, nil
}

func (c *campaign) work(next *atomic.Int64, out *sums) error {
	clk := rotation.NewClock()
	begin, err := c.scheme.open(clk)
	if err != nil {
		return err
	}
	source := rand.NewPCG(0, 0)
	s := &session{clock: clk, rng: rand.New(source), sums: out}
	if c.thief {
		s.thief = &thief{}
	}
	for {
		from := next.Add(batch) - batch
		if from >= c.sessions {
			return nil
		}
		for i := from; i < min(from+batch, c.sessions); i++ {
			s.prof = &c.profs[i%int64(len(c.profs))]
			source.Seed(mix(c.seed), mix(c.seed^uint64(i)+1))
			s.srv = begin()
			if c.thief {
				s.thief.begin(s, c.method, c.follows[i/int64(len(c.profs))%int64(len(c.follows))])
			}
			s.run()
			if c.thief {
				out.judge(s.thief)
			}
		}
	}
}

// mix is the finalizer of SplitMix64: neighbouring seeds have nothing in common after it.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

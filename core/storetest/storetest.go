// Package storetest proves that a store keeps the contract of its interface. It
// is for those who write one.
//
// A harness is a few lines in a test of the store's own package:
//
//	func TestSessions(t *testing.T) {
//		storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store {
//			s, err := mystore.New(mystore.Config{Now: now})
//			if err != nil {
//				t.Fatal(err)
//			}
//			t.Cleanup(s.Close)
//			return s
//		})
//	}
//
// The maker is called once for each case and returns a store that holds nothing:
// on a shared server, one with a name space of its own. now is the clock that
// decides about Expires and about the until of a revocation; it begins at the real
// time and only goes forward, so a server may keep its own expiry beside it as long
// as that one is later. A store that goes by its server's clock alone needs a hook
// for its tests. Epochs may come from the server's clock: they are compared with
// each other and never with now.
//
// Times are kept to the millisecond at least; no case asks for more.
//
// A store that keeps refresh families as well runs TestFamilies in the same manner.
// Their times are kept to the microsecond and all come from now, which decides about
// their windows too.
//
// Cases have stable names, for go test -run. Some of them catch a race with a
// high probability and not with certainty; run them with the race detector, and
// more than once.
package storetest

import (
	"context"
	"sync"
	"time"
)

// tb is the part of testing.T that cases use, so that the package's own tests can
// watch a case fail.
type tb interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// patience is how long a call may take before it counts as one that hangs. It is
// far beyond what any store needs and is spent on failures only.
var patience = 10 * time.Second

// clock is the time that a case lets pass.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Now().Truncate(time.Second).UTC()} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// together calls f n times at once, each in its own goroutine, and waits for all.
func together(t tb, n int, f func(i int)) {
	t.Helper()
	var start, done sync.WaitGroup
	start.Add(1)
	for i := range n {
		done.Go(func() {
			start.Wait()
			f(i)
		})
	}
	within(t, "parallel calls", func() {
		start.Done()
		done.Wait()
	})
}

// within fails the case if f does not return, and leaves it behind.
func within(t tb, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s: did not return within %s", what, patience)
	}
}

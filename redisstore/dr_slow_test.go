package redisstore_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// TestFrozenServer (DR18): a server that stops answering costs each request its
// deadline and nothing more, however many there are, and leaves nothing behind.
func TestFrozenServer(t *testing.T) {
	n := startNode(t)
	const timeout = 100 * time.Millisecond
	client := n.client(t, rueidis.ClientOption{})
	patient := newSite(t, client)
	s := newSite(t, client, func(c *redisstore.Config) { c.Timeout = timeout })
	v, gone := s.login("ann"), s.login("ann")
	owner, handle := s.owner(gone)
	before := runtime.NumGoroutine()
	n.freeze(t)

	acts := []func() error{
		func() error { _, err := s.request(v).Principal(); return err },
		func() error { return s.request().Login(t.Context(), session.Identity{Subject: "bob"}) },
		func() error { _, err := s.m.Devices(t.Context(), "ann"); return err },
		func() error { _, err := s.m.Revoke(t.Context(), "ann", handle.String()); return err },
		func() error { return s.m.RevokeAll(t.Context(), "nobody in particular") },
	}
	const calls = 3000 // more than the client queues for one connection
	var done sync.WaitGroup
	var slowest atomic.Int64
	var wrong atomic.Pointer[error]
	for i := range calls {
		done.Go(func() {
			begun := time.Now()
			err := acts[i%len(acts)]()
			for took := int64(time.Since(begun)); ; {
				old := slowest.Load()
				if took <= old || slowest.CompareAndSwap(old, took) {
					break
				}
			}
			if !errors.Is(err, core.ErrUnknown) {
				wrong.CompareAndSwap(nil, &err)
			}
		})
	}
	done.Wait()
	if p := wrong.Load(); p != nil {
		t.Fatalf("got %v, want unknown", *p)
	}
	t.Logf("slowest of %d calls with a deadline of %s: %s", calls, timeout, time.Duration(slowest.Load()))
	// The rest is for a busy machine; the client's own patience is 10 s.
	require.Less(t, time.Duration(slowest.Load()), timeout+5*time.Second)
	require.True(t, until(func() bool { return runtime.NumGoroutine() <= before+10 }),
		"%d goroutines before, %d after", before, runtime.NumGoroutine())

	n.thaw(t)
	require.True(t, until(func() bool { return patient.who(v) == "ann" }), "the store does not come back")
	// What was sent and not answered may still be decided: never otherwise than asked.
	require.True(t, until(func() bool {
		found, err := patient.store.Revoked(t.Context(), owner, revocation.Asked{Session: handle})
		return err == nil && found.Denied == (patient.who(gone) == nobody)
	}))
}

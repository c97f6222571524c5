package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

func (e *env) request(value string) *session.Session {
	s := &session.Session{}
	e.m.Begin(s, context.Background(), session.Request{Cookies: []string{name + "=" + value}})
	return s
}

// Counters are exact, and flash values all arrive, under real parallelism.
func TestCountersUnderLoad(t *testing.T) {
	const workers, each = 8, 40
	e := newEnv(t)
	v := e.login(ann())
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				s := e.request(v)
				err := errors.Join(hits.Add(s, 1), notice.Add(s, fmt.Sprint(w, i)),
					session.NewKey[int](fmt.Sprint("worker ", w)).Set(s, i), s.Finish().Err)
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	require.Nil(t, failed.Load())
	s := e.begin(v)
	n, err := hits.Get(s)
	require.NoError(t, err)
	require.EqualValues(t, workers*each, n)
	shown, err := notice.Take(s)
	require.NoError(t, err)
	require.Len(t, shown, workers*each)
	for w := range workers {
		last, ok, err := session.NewKey[int](fmt.Sprint("worker ", w)).Get(s)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, each-1, last)
	}
}

// One of many, for each step of a value, however many try.
func TestCompareAndSetUnderLoad(t *testing.T) {
	const workers, steps = 6, 30
	e := newEnv(t)
	v := e.login(ann())
	seat := session.NewKey[int]("seat")
	s := e.begin(v)
	require.NoError(t, seat.Set(s, 0))
	e.silent(s)
	var wins [steps]atomic.Int32
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				s := e.request(v)
				n, _, err := seat.Get(s)
				if err == nil && n == steps {
					return
				}
				if err == nil {
					err = seat.CompareAndSet(s, n, n+1)
				}
				switch {
				case err == nil:
					wins[n].Add(1)
				case !errors.Is(err, session.ErrConflict):
					failed.Store(&err)
					return
				}
				s.Finish()
			}
		})
	}
	wg.Wait()
	require.Nil(t, failed.Load())
	for n := range wins {
		require.EqualValues(t, 1, wins[n].Load(), n)
	}
}

// Writers, a renewal and a log-out at once: what was confirmed before the end is
// there until the end, nothing is there after it, and the end is told once.
func TestLogoutUnderLoad(t *testing.T) {
	const writers, logouts = 5, 2
	for range 40 {
		e := newEnv(t)
		v := e.login(ann())
		e.quiet()
		var start, wg sync.WaitGroup
		start.Add(1)
		var odd atomic.Pointer[error]
		var ended atomic.Int32
		for range writers {
			wg.Go(func() {
				start.Wait()
				for {
					s := e.request(v)
					err := hits.Add(s, 1)
					if err == nil {
						err = s.Commit(context.Background())
					}
					out := s.Finish()
					if len(out.SetCookie) > 0 && err == nil {
						return // the end came first: a visitor's session, and not the user's
					}
					if err != nil && !errors.Is(err, core.ErrAnonymous) {
						odd.Store(&err)
						return
					}
					if errors.Is(err, core.ErrAnonymous) {
						return
					}
				}
			})
		}
		for range logouts {
			wg.Go(func() {
				start.Wait()
				s := e.request(v)
				if err := s.Logout(context.Background()); err != nil {
					odd.Store(&err)
				}
				for _, line := range s.Finish().SetCookie {
					if strings.Contains(line, "Max-Age=0") {
						ended.Add(1)
					}
				}
			})
		}
		start.Done()
		wg.Wait()
		require.Nil(t, odd.Load())
		require.EqualValues(t, 1, ended.Load())
		require.Equal(t, []string{"logout"}, e.ends())
		require.Empty(t, e.subject(e.begin(v)))
		require.Zero(t, e.mem.Stats().Authenticated)
	}
}

// Parallel renewals: one wins, and whatever any request was told is stored, is.
func TestRenewalsUnderLoad(t *testing.T) {
	const workers = 6
	for range 40 {
		e := newEnv(t)
		v := e.login(ann())
		var start, wg sync.WaitGroup
		start.Add(1)
		var odd atomic.Pointer[error]
		var next atomic.Pointer[string]
		var renewals, stored atomic.Int64
		var requests []*session.Session
		for range workers {
			requests = append(requests, e.live(v))
		}
		for i, s := range requests {
			wg.Go(func() {
				start.Wait()
				if i%2 == 0 {
					switch err := s.Renew(context.Background()); {
					case err == nil:
						renewals.Add(1)
					case !errors.Is(err, session.ErrSuperseded):
						odd.Store(&err)
					}
				}
				if err := hits.Add(s, 1); err != nil {
					odd.Store(&err)
				}
				out := s.Finish()
				if out.Err != nil {
					odd.Store(&out.Err)
				} else {
					stored.Add(1)
				}
				for _, line := range out.SetCookie {
					value := strings.TrimPrefix(line, name+"=")[:48]
					next.Store(&value)
				}
			})
		}
		start.Done()
		wg.Wait()
		require.Nil(t, odd.Load())
		require.EqualValues(t, 1, renewals.Load())
		s := e.begin(*next.Load())
		require.Equal(t, "ann", e.subject(s))
		n, err := hits.Get(s)
		require.NoError(t, err)
		require.Equal(t, stored.Load(), n)
		require.EqualValues(t, workers, n)
		e.silent(s)
		require.Equal(t, 1, e.mem.Stats().Authenticated)
	}
}

// One request's session is safe for the goroutines of that request.
func TestOneSessionManyGoroutines(t *testing.T) {
	e := newEnv(t)
	v := e.login(ann())
	s := e.request(v)
	var wg sync.WaitGroup
	for _, c := range calls {
		if c.transition {
			continue
		}
		for range 3 {
			wg.Go(func() { _ = c.do(s) })
		}
	}
	wg.Go(func() { _ = s.Commit(context.Background()) })
	wg.Go(func() { s.Audit("custom", "", nil) })
	wg.Go(func() { s.Finished() })
	wg.Wait()
	require.NoError(t, s.Finish().Err)
	require.Equal(t, "ann", e.subject(e.begin(v)))
}

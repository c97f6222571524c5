package storetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

var brokenReports = []brokenStore{
	{"ends are reported twice", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newReference(now), func(s *reference, f reportFunc) {
			s.Report(f)
			s.Report(f)
		}}
	}},
	{"ends are not reported", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newReference(now), func(*reference, reportFunc) {}}
	}},
	{"expired is called evicted", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newReference(now), func(s *reference, f reportFunc) {
			s.Report(func(k session.StoreKey, e session.Entry, _ session.Ending) { f(k, e, session.Evicted) })
		}}
	}},
	{"ends are reported without the entry", "report/expired-once", func(now func() time.Time) session.Store {
		return &reporting{newReference(now), func(s *reference, f reportFunc) {
			s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) { f(k, session.Entry{}, why) })
		}}
	}},
	{"what was revoked is not reported", "report/revoked-once", filtered(func(why session.Ending) (session.Ending, bool) { return why, why != session.Revoked })},
	{"revoked is called expired", "report/revoked-once", filtered(func(session.Ending) (session.Ending, bool) { return session.Expired, true })},
	{"what was denied is not reported", "report/denied-once", filtered(func(why session.Ending) (session.Ending, bool) { return why, why != session.Revoked })},
	{"denied is called evicted", "report/denied-once", filtered(func(session.Ending) (session.Ending, bool) { return session.Evicted, true })},
	{"only the last function is told", "report/every-function", func(now func() time.Time) session.Store {
		var last atomic.Pointer[reportFunc]
		return &reporting{newReference(now), func(s *reference, f reportFunc) {
			if last.Swap(&f) == nil {
				s.Report(func(k session.StoreKey, e session.Entry, why session.Ending) { (*last.Load())(k, e, why) })
			}
		}}
	}},
	{"what the caller took is reported", "report/not-what-the-caller-ended", func(now func() time.Time) session.Store {
		var told atomic.Pointer[reportFunc]
		r := &reporting{newReference(now), func(s *reference, f reportFunc) {
			told.Store(&f)
			s.Report(f)
		}}
		return &tattler{r, &told}
	}},
	{"what end-all returned is reported", "report/not-what-the-caller-ended", func(now func() time.Time) session.Store {
		return &gossip{newReference(now)}
	}},
	{"snapshots that end-all ended are not reported", "report/not-what-the-caller-ended", filtered(func(why session.Ending) (session.Ending, bool) { return why, why != session.Revoked })},
	{"a lock is held while reporting", "report/no-lock-held", func(now func() time.Time) session.Store {
		return &locked{reference: newReference(now)}
	}},
	{"who meets an expired entry reports it", "report/once-under-parallel-calls", func(now func() time.Time) session.Store {
		var told atomic.Pointer[reportFunc]
		r := &reporting{newReference(now), func(_ *reference, f reportFunc) { told.Store(&f) }}
		return &eager{r, now, &told, sync.Map{}}
	}},
}

// filtered changes or drops what a right store reports.
func filtered(f func(session.Ending) (session.Ending, bool)) func(func() time.Time) session.Store {
	return func(now func() time.Time) session.Store {
		return &reporting{newReference(now), func(r *reference, report reportFunc) {
			r.Report(func(k session.StoreKey, e session.Entry, why session.Ending) {
				if why, ok := f(why); ok {
					report(k, e, why)
				}
			})
		}}
	}
}

// gossip returns what EndAll ended and reports it, too.
type gossip struct{ *reference }

func (s *gossip) EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]session.Keyed, error) {
	all, err := s.reference.EndAll(ctx, owner, until)
	s.step("report", func(time.Time) {
		for _, k := range all {
			s.ended = append(s.ended, end{k, session.Revoked})
		}
	})
	return all, err
}

// reporting replaces what a right store reports.
type reporting struct {
	*reference
	report func(s *reference, f reportFunc)
}

func (r *reporting) Report(f func(session.StoreKey, session.Entry, session.Ending)) {
	r.report(r.reference, f)
}

// locked holds one lock for every call, reports included.
type locked struct {
	*reference
	mu sync.Mutex
}

func (l *locked) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reference.Load(ctx, keys, out)
}

func (l *locked) Create(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reference.Create(ctx, k, e, a)
}

func (l *locked) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reference.Swap(ctx, k, version, next)
}

func (l *locked) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reference.Rename(ctx, old, version, to, next, left)
}

func (l *locked) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reference.Take(ctx, k)
}

// tattler reports what was taken, too.
type tattler struct {
	*reporting
	told *atomic.Pointer[reportFunc]
}

func (s *tattler) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	e, err := s.reporting.Take(ctx, k)
	if f := s.told.Load(); err == nil && f != nil {
		(*f)(k, e, session.Expired)
	}
	return e, err
}

// eager looks for an expired entry before each Load and reports it, without
// asking whether somebody else has just done so.
type eager struct {
	*reporting
	now  func() time.Time
	told *atomic.Pointer[reportFunc]
	ends sync.Map
}

func (s *eager) Create(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	s.ends.Store(k, e)
	return s.reporting.Create(ctx, k, e, a)
}

func (s *eager) meet(k session.StoreKey) {
	v, ok := s.ends.Load(k)
	if !ok {
		return
	}
	if e := v.(session.Entry); !s.now().Before(e.Expires) {
		pause()
		s.ends.Delete(k)
		(*s.told.Load())(k, e, session.Expired)
	}
}

func (s *eager) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	for _, k := range keys {
		s.meet(k)
	}
	return s.reporting.Load(ctx, keys, out)
}

func (s *eager) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	s.meet(k)
	return s.reporting.Swap(ctx, k, version, next)
}

func (s *eager) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	s.meet(k)
	return s.reporting.Take(ctx, k)
}

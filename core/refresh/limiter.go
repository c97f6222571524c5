package refresh

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core"
)

// Limiter bounds how often one family is refreshed. It is asked after the store has
// decided, because a limit must not hide a reuse. Where answers are not Wired, a family that
// it keeps waiting for longer than Grace is lost. Implementations are safe for
// concurrent use and do not block for long.
type Limiter interface {
	// Allow reports whether the family may have another answer now.
	Allow(ctx context.Context, family Key) bool
}

// PerFamily returns a Limiter in the memory of this process that allows n answers to
// each family in every period of the length per, counted by now (nil is time.Now). It
// remembers only families that were refreshed in the present period. Errors are
// *core.ConfigErrors: n must be at least 1 and per at least 1 s.
func PerFamily(n int, per time.Duration, now func() time.Time) (Limiter, error) {
	var errs []error
	if n < 1 {
		errs = append(errs, &core.ConfigError{Field: "refresh.PerFamily.n", Value: strconv.Itoa(n), Reason: "must be at least 1"})
	}
	if per < time.Second {
		errs = append(errs, &core.ConfigError{Field: "refresh.PerFamily.per", Value: per.String(), Reason: "must be at least 1 s"})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if now == nil {
		now = time.Now
	}
	return &perFamily{n: n, per: per, now: now}, nil
}

type perFamily struct {
	n   int
	per time.Duration
	now func() time.Time

	mu     sync.Mutex
	period int64
	counts map[Key]int
}

func (p *perFamily) Allow(_ context.Context, family Key) bool {
	period := p.now().UnixNano() / int64(p.per)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.counts == nil || p.period != period {
		p.period, p.counts = period, make(map[Key]int)
	}
	p.counts[family]++
	return p.counts[family] <= p.n
}

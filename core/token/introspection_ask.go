package token

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// question is one request to the endpoint. What is below done may be read when that is
// closed.
type question struct {
	raw  string
	at   time.Time // when it was about to be asked
	done chan struct{}

	active bool
	err    error
}

var errTooManyQuestions = errors.New("too many questions are under way")

// check returns nil if the issuer says that the token raw, which is t, is active;
// refusedRevoked if it says that it is not; else an error that wraps core.ErrUnknown.
// now is when the request came.
func (in *Introspection) check(ctx context.Context, raw string, t *Token, now time.Time) error {
	for before := (*question)(nil); ; {
		q, mine := in.ask(raw, t, now, before)
		if q == nil {
			return in.unknown(errTooManyQuestions)
		}
		if err := q.wait(ctx); err != nil {
			return in.unknown(err)
		}
		switch {
		case q.err != nil:
			return in.unknown(q.err)
		case !mine && before == nil && q.at.Before(now) && !in.counts(q, now):
			// It was asked too long before this request came, and was slow. The next
			// one is asked after that, whatever the clock says.
			before = q
		case q.active:
			return nil
		default:
			return refusedRevoked
		}
	}
}

// ask returns a question about raw that is under way, or answered recently enough, and
// asks it if there is none; mine says that it did. If there was one before, it must be a
// later one, of any age. nil if too many are under way.
//
// Yes and no are remembered for equally long. A no is final in an issuer of this suite,
// but need not be in others, which may say it of a token that has not reached all their
// nodes yet; and without any memory, whoever holds a revoked token could have a question
// asked with each request. What is neither is not remembered.
func (in *Introspection) ask(raw string, t *Token, now time.Time, before *question) (q *question, mine bool) {
	in.mu.RLock()
	q = in.questions[raw]
	in.mu.RUnlock()
	if q != nil && in.counts(q, now) {
		return q, false
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	q = in.questions[raw]
	if q != nil && q != before && (before != nil || !q.over() || in.counts(q, now)) {
		return q, false
	}
	if in.underWay >= in.cfg.CacheEntries {
		return nil, false
	}
	// raw may be a part of something larger.
	q = &question{raw: strings.Clone(raw), at: in.cfg.Now(), done: make(chan struct{})}
	in.questions[q.raw] = q
	in.underWay++
	go in.fly(q, &t.claims)
	return q, true
}

// counts reports whether what the issuer says to q counts for a request that came at
// now. The clock on the wall has a say as well: the other one stands still while a
// machine sleeps. A clock that was set back proves nothing.
func (in *Introspection) counts(q *question, now time.Time) bool {
	age, wall := now.Sub(q.at), now.Round(0).Sub(q.at.Round(0))
	return min(age, wall) >= 0 && max(age, wall) < in.cfg.CacheFor
}

// wait returns nil when q is over, and ctx.Err() if ctx ends before.
func (q *question) wait(ctx context.Context) error {
	if q.over() { // for a client that has hung up as well: which one is no matter of luck
		return nil
	}
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *question) over() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// fly asks. No request lends its context: a client that hangs up would fail the
// question for all who wait.
func (in *Introspection) fly(q *question, c *Claims) {
	defer close(q.done)
	ctx, cancel := context.WithTimeout(context.Background(), in.cfg.Timeout)
	defer cancel()
	q.active, q.err = in.fetch(ctx, q.raw, c)
	in.settle(q)
	if q.err != nil && in.cfg.Audit != nil {
		// Once for all who wait.
		in.cfg.Audit.Record(context.Background(), audit.Event{
			Time: in.cfg.Now(), Name: audit.StoreFailed, Cause: audit.CauseError, App: in.cfg.App,
			Subject: c.Subject, Session: c.Session, Err: in.explain(q.err),
		})
	}
}

// settle remembers the answer to q, if there is one, and forgets what is too old or too
// much. An answer leaves in the order of its coming: none counts for long enough to be
// worth more than that.
func (in *Introspection) settle(q *question) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.underWay--
	now := in.cfg.Now()
	for in.head < len(in.answered) {
		oldest := in.answered[in.head]
		if len(in.answered)-in.head < in.cfg.CacheEntries && in.counts(oldest, now) {
			break
		}
		in.forget(oldest)
		in.answered[in.head] = nil
		in.head++
	}
	if in.head > len(in.answered)/2 {
		n := copy(in.answered, in.answered[in.head:])
		clear(in.answered[n:])
		in.answered, in.head = in.answered[:n], 0
	}
	if q.err != nil || in.cfg.CacheFor == 0 {
		in.forget(q)
		return
	}
	in.answered = append(in.answered, q)
}

// forget removes q, unless its token was asked about again since.
func (in *Introspection) forget(q *question) {
	if in.questions[q.raw] == q {
		delete(in.questions, q.raw)
	}
}

func (in *Introspection) explain(err error) error {
	return fmt.Errorf("token: introspection at %s: %w", in.cfg.URL, err)
}

func (in *Introspection) unknown(err error) error {
	return fmt.Errorf("%w: %w", core.ErrUnknown, in.explain(err))
}

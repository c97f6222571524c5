package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// Commit stores what is pending now, for a handler that must know before it
// answers. After an error nothing of it is pending any more. The session stays
// usable. Errors: ErrFinished; core.ErrAnonymous if the session was ended
// meanwhile, by a log-out say, and the writes were dropped with it; ErrSuperseded;
// ErrTooLarge and the errors of counters; core.ErrUnknown if the store did not
// answer.
func (s *Session) Commit(ctx context.Context) error {
	if s == nil {
		return core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return ErrFinished
	}
	return s.commit(ctx)
}

func (s *Session) commit(ctx context.Context) error {
	switch {
	case s.state == unknown && (s.poisoned || len(s.pending) > 0):
		s.pending, s.poisoned = nil, false
		return s.cause
	case s.poisoned:
		s.pending, s.poisoned = nil, false
		return cmp.Or(s.cause, ErrSuperseded)
	case s.state == anonymous && len(s.pending) > 0:
		return s.createAnonymous(ctx)
	case s.state == live || s.state == frozen:
		return s.save(ctx)
	default:
		return nil
	}
}

func (s *Session) createAnonymous(ctx context.Context) error {
	data, err := s.pending.merge("", s.m.limit)
	s.pending = nil
	if err != nil || data == "" { // only deletions of what never was
		return err
	}
	tag, err := s.m.randomTag()
	if err != nil {
		return err
	}
	value, err := s.m.newValue(tag)
	if err != nil {
		return err
	}
	fresh, err := s.newRecord()
	if err != nil {
		return err
	}
	fresh.data = data
	return s.create(ctx, value, fresh)
}

// save merges what is pending into the record, and notes the session's use if
// that is due.
func (s *Session) save(ctx context.Context) error {
	writes := len(s.pending) > 0
	touch := s.touchDue
	if !writes && !touch && !s.owesNote() {
		return nil
	}
	wasDue := touch
	done, err := s.change(ctx, forwards, nil, func(ctx context.Context, next record) (Entry, Entry, error) {
		touch = wasDue && s.m.dueForTouch(&next, micros(s.m.now()))
		if !touch && !writes && !s.owesNote() {
			return s.entry[0], Entry{}, nil // another request has just noted the use
		}
		if touch {
			next.touched = micros(s.m.now())
		}
		return s.swap(ctx, next)
	})
	s.touchDue, s.showDue, s.printDue = false, false, false
	switch {
	case err != nil && !writes:
		return nil // noted as an event; nothing was claimed and the answer stands
	case err != nil:
		return err
	case !done && !writes:
		return nil
	case !done:
		s.forget()
		return core.ErrAnonymous
	}
	if touch && s.cookie == cookieKeep {
		s.cookie = cookieSet
	}
	return nil
}

// owesNote reports whether the record is to learn something about the request that
// it does not know yet: a write that nothing waits for.
func (s *Session) owesNote() bool {
	return s.unlink || s.showDue && !s.rec.presented || s.printDue && s.rec.print != s.print
}

// swap stores next under the session's key.
func (s *Session) swap(ctx context.Context, next record) (Entry, Entry, error) {
	e := s.m.entry(s.key[0], s.entry[0].Version+1, &next)
	current, err := s.m.store.Swap(ctx, s.key[0], s.entry[0].Version, e)
	if err == nil {
		s.rec = next
	}
	return e, current, err
}

// maxAttempts bounds how often a change is tried again because another request's
// came first. Each lost round means that somebody else's write was stored.
const maxAttempts = 1000

// reach says where a change may go if the presented id is replaced meanwhile.
type reach bool

const (
	forwards reach = true  // data goes to the successor of a renewed id
	stays    reach = false // a transition is the presented id's, or nobody's
)

// change merges what is pending into the session's record, lets attempt store
// the result, and starts over from the present record for as long as another
// request was faster. Nothing is stored unless the record is alive and check, if
// there is one, agrees with it. done is false if the record is gone; what was
// pending is then dropped, with an event. It is not pending any more in any case.
func (s *Session) change(ctx context.Context, far reach, check func() error, attempt func(context.Context, record) (stored, current Entry, err error)) (done bool, err error) {
	ctx, cancel := s.m.storeContext(ctx, true)
	defer cancel()
	pending := s.pending
	s.pending = nil
	for range maxAttempts {
		if check != nil {
			if err := check(); err != nil {
				return false, err
			}
		}
		next := s.rec
		if s.unlink {
			next.link, next.linked = StoreKey{}, false
		}
		if s.printDue {
			next.print = s.print
		}
		next.presented = next.presented || !s.minted
		if next.data, err = pending.merge(s.rec.data, s.m.limit); err != nil {
			return false, err
		}
		stored, current, err := attempt(ctx, next)
		switch {
		case err == nil:
			stored.Epoch = s.entry[0].Epoch // which a store keeps
			s.entry[0], s.unlink = stored, false
			return true, nil
		case errors.Is(err, ErrGone):
			s.dropped(pending)
			return false, nil
		case !errors.Is(err, ErrConflict):
			return false, s.fail(err)
		}
		if gone, err := s.adopt(ctx, current, far, len(pending) > 0); gone || err != nil {
			if gone {
				s.dropped(pending)
			}
			return false, err
		}
	}
	return false, s.fail(fmt.Errorf("session: still contended after %d attempts", maxAttempts))
}

// dropped notes that p is given up because its record is gone.
func (s *Session) dropped(p ops) {
	if len(p) > 0 {
		s.event(audit.SessionWriteDropped, "", &s.rec, nil)
	}
}

// adopt takes over the record that another request stored meanwhile. gone is
// true if there is none to go on with.
func (s *Session) adopt(ctx context.Context, current Entry, far reach, writes bool) (gone bool, err error) {
	var r record
	if err := r.open(&current, s.m.appTag, s.key[0]); err != nil {
		return false, s.fail(err)
	}
	switch {
	case r.kind == kindLive:
		if s.unlink && (!r.linked || r.link != s.rec.link) {
			s.unlink = false
		}
		s.entry[0], s.rec = current, r
		return false, nil
	case far == stays:
		s.poisoned = s.poisoned || writes
		return false, ErrSuperseded
	case r.kind == kindRenewed && writes:
		// This id was renewed while the request ran: its data goes to the
		// successor, which is the same session.
		var next [1]Entry
		if err := s.m.store.Load(ctx, []StoreKey{r.link}, next[:]); err != nil {
			return false, s.fail(err)
		}
		var successor record
		alive, err := s.open(r.link, &next[0], &successor)
		if err != nil {
			return false, s.fail(err)
		}
		if !alive || successor.kind != kindLive {
			return true, nil
		}
		old := s.rec
		s.authority, s.state = &old, frozen
		s.key[0], s.entry[0], s.rec = r.link, next[0], successor
		s.touchDue, s.unlink, s.showDue, s.printDue, s.cookie = false, false, false, false, cookieKeep
		return false, nil
	case writes:
		return false, ErrSuperseded
	default:
		return true, nil
	}
}

// Outcome is what the answer owes to the session. The zero value is nothing.
type Outcome struct {
	// SetCookie are the Set-Cookie lines to add, byte for byte and in order.
	SetCookie []string
	// Asked reports that the answer depended on the session, or on there being
	// none, so that caches must tell cookies apart.
	Asked bool
	// Err says why the answer must be replaced by a refusal; nil lets it stand.
	// The Set-Cookie lines hold in either case: they belong to transitions that
	// are stored.
	Err error
}

// Finish commits what is pending and ends the session of this request: every
// later call returns ErrFinished, or ErrHeadersSent. Adapters call it at the last
// moment before headers leave. A second call returns the zero Outcome.
func (s *Session) Finish() Outcome { return s.finish(false) }

// Abandon is Finish after a panic: what is pending is thrown away, transitions
// that were made stand.
func (s *Session) Abandon() Outcome { return s.finish(true) }

func (s *Session) finish(discard bool) (out Outcome) {
	if s == nil {
		return Outcome{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return Outcome{}
	}
	if !discard {
		out.Err = s.commit(s.ctx)
		if errors.Is(out.Err, core.ErrAnonymous) && !s.guarded {
			out.Err = nil // dropped with an event; nobody had relied on it
		}
	}
	s.finished = true
	out.Asked = s.asked
	cookies, err := s.setCookies()
	if err != nil && out.Err == nil {
		out.Err = err
	}
	out.SetCookie = cookies
	return out
}

// Finished reports whether Finish or Abandon was called.
func (s *Session) Finished() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finished
}

func (s *Session) setCookies() ([]string, error) {
	var lines []string
	set := s.cookie == cookieSet || (s.repair == repairOthers && s.state == live)
	remove := !set && (s.cookie == cookieDelete || s.repair == repairEverything)
	if !set && !remove {
		return nil, nil
	}
	if s.repair != repairNone || s.seen > 1 {
		// Deletions come first: to a browser that knows no partitions, deleting
		// the partitioned form deletes the one that is set next.
		lines = s.m.cookie.DeleteVariants()
	}
	if remove {
		return append(lines, s.m.cookie.Delete()), nil
	}
	line, err := s.m.cookie.Set(s.value, s.maxAge())
	if err != nil {
		return lines, err
	}
	return append(lines, line), nil
}

// maxAge is how long the server will know the session, and never more. It counts
// from the record's last use if that was just now: the moments that a request takes
// must not turn 24 hours into 86399 seconds.
func (s *Session) maxAge() time.Duration {
	from := s.m.now()
	if used := fromMicros(s.rec.touched); used.Before(from) && from.Sub(used) < time.Second {
		from = used
	}
	return fromMicros(s.rec.deadline(s.m.idleFor(&s.rec))).Sub(from)
}

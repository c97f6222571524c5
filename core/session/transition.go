package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Login makes id the identity of the session and always changes the session's
// id, so that an id known to somebody before the login is worth nothing after it
// (session fixation, RFC 6265bis section 8.4).
//
// From an anonymous session the old id dies first and its data travels to the
// new one. For another user than the one logged in, nothing travels. For the
// same user it is a step-up, or a role change if roles or scopes differ: the
// session goes on under a new id, with its data, its handle and its absolute
// end. After a step-up the old id keeps its old authority until the new one is
// presented, at most 60 s, so that a lost answer is no log-out; after a role
// change it is dead at once.
//
// It is stored when Login returns nil; the cookie goes out with the answer.
// ErrHeadersSent, ErrSuperseded, an error of the identity, an error that wraps
// core.ErrUnknown (nobody is logged in by it), or one of the random source.
func (s *Session) Login(ctx context.Context, id Identity) error {
	return s.transition(true, func() error { return s.login(ctx, id) })
}

// Renew gives the session a new id and leaves everything else as it is. The old
// id goes on for data until the new one is presented, at most 60 s.
// core.ErrAnonymous if there is no session to renew, else errors as for Login.
func (s *Session) Renew(ctx context.Context) error {
	return s.transition(false, func() error {
		if s.state != live {
			return core.ErrAnonymous
		}
		return s.renew(ctx)
	})
}

// Logout ends the session in the store and then in the browser, and with
// Config.AccessTokens what was issued for it. A session that is dead already is no
// error, and then no cookie is touched: a late answer must not wipe out a fresh login.
// Errors as for Login; after one that wraps core.ErrUnknown the session may still be
// alive. revocation.ErrFull as for Revoke.
func (s *Session) Logout(ctx context.Context) error {
	return s.transition(true, func() error {
		if s.state != live {
			return nil
		}
		ended, err := s.logOut(ctx)
		if err != nil {
			return err
		}
		s.forget()
		if ended {
			s.cookie = cookieDelete
		}
		return nil
	})
}

// logOut ends the session's record. Its handle is denied in the same step if there may be
// access tokens, which no store is asked about otherwise.
func (s *Session) logOut(ctx context.Context) (ended bool, err error) {
	if s.m.tokens == 0 || s.rec.subject == "" {
		return s.take(ctx, audit.CauseLogout)
	}
	call, cancel := s.m.storeContext(ctx, true)
	defer cancel()
	k, err := s.m.store.EndOne(call, s.rec.owner, s.rec.handle, s.m.now().Add(s.m.tokens+revocation.Margin))
	switch {
	case errors.Is(err, ErrGone):
		return false, nil
	case errors.Is(err, revocation.ErrFull):
		return false, err
	case err != nil:
		return false, s.fail(err)
	}
	s.event(audit.SessionExpired, audit.CauseLogout, &s.rec, nil)
	// Renewed meanwhile, it has ended under an id that this browser may not have.
	return k.Key == s.key[0], nil
}

// transition runs what every change of identity has in common. proves is true for
// the steps that a session may take whose use has changed.
func (s *Session) transition(proves bool, step func() error) error {
	if s == nil {
		return core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return ErrHeadersSent
	}
	// A login is what ErrStepUp asks for, and a log-out needs no proof.
	if err := s.load(); err != nil && !(proves && errors.Is(err, ErrStepUp)) {
		return err
	}
	if s.state == frozen {
		return ErrSuperseded
	}
	return step()
}

func (s *Session) login(ctx context.Context, id Identity) error {
	if err := s.allowLogin(); err != nil {
		return err
	}
	now := s.m.now()
	if err := id.check(now); err != nil {
		return err
	}
	if id.AuthTime.IsZero() {
		id.AuthTime = now
	}
	// The session outlives the request, whose buffers a framework may reuse: what
	// Fiber hands out as a string is the next request's tomorrow.
	id.Subject, id.Method, id.Device = strings.Clone(id.Subject), strings.Clone(id.Method), strings.Clone(id.Device)
	if s.state == live && s.rec.subject == id.Subject {
		done, err := s.reauthenticate(ctx, id)
		if done || err != nil {
			return err
		}
		// The session ended while its user was proving who it is. The proof
		// stands, so the login goes on without it.
	}
	// Everything that can fail without the store comes before the old id dies.
	owner := s.m.revoked.Owner(id.Subject)
	value, err := s.m.newValue(owner.Tag)
	if err != nil {
		return err
	}
	fresh, err := s.newRecord()
	if err != nil {
		return err
	}
	fresh.owner, fresh.subject, fresh.method = owner, id.Subject, id.Method
	fresh.device = cmp.Or(id.Device, deviceOf(s.userAgent))
	fresh.print = s.m.prints.of(s.userAgent, s.clientIP)
	fresh.roles, fresh.scopes = encodeList(id.Roles), encodeList(id.Scopes)
	fresh.authed = micros(id.AuthTime)
	if s.state == live {
		if err := s.roomFor(ctx, owner, id.Subject); err != nil {
			return err
		}
		cause := audit.CauseLogin
		if s.rec.subject != "" {
			cause = audit.CauseUserSwitch
		}
		if _, err := s.take(ctx, cause); err != nil {
			return err
		}
		if s.rec.subject == "" {
			fresh.data = s.rec.data
		} else {
			s.pending = nil // they were the other user's
		}
	}
	// What travels was within the limit twice over; a login does not fail for it.
	if fresh.data, err = s.pending.merge(fresh.data, 2*s.m.limit); err != nil {
		return err
	}
	s.forget()
	if err := s.create(ctx, value, fresh); err != nil {
		return err
	}
	s.event(audit.LoginSucceeded, "", &s.rec, nil)
	return nil
}

// newRecord makes the record of a session that begins now.
func (s *Session) newRecord() (record, error) {
	handle, err := revocation.NewHandle(s.m.rand)
	if err != nil {
		return record{}, fmt.Errorf("session: %w", err)
	}
	now := s.m.now()
	return record{
		handle: handle, created: micros(now), touched: micros(now), ends: micros(now.Add(s.m.ends)),
	}, nil
}

// create stores r under a value that nobody has seen, and makes it the session.
func (s *Session) create(ctx context.Context, value string, r record) error {
	key := s.m.keyOf(value)
	e := s.m.entry(key, 1, &r)
	ctx, cancel := s.m.storeContext(ctx, true)
	defer cancel()
	admit := s.m.admit
	if e.Listed {
		admit.Until = fromMicros(r.ends)
	}
	epoch, evicted, err := s.m.store.Create(ctx, key, e, admit)
	if errors.Is(err, ErrLimit) {
		return s.refused(r.subject)
	}
	if err != nil {
		return s.fail(err)
	}
	s.m.tell(ctx, evicted, r.subject, audit.CauseLimit)
	e.Epoch = epoch
	s.key[0], s.entry[0], s.rec, s.value = key, e, r, value
	s.state, s.cause, s.minted, s.cookie = live, nil, true, cookieSet
	s.event(audit.SessionCreated, "", &s.rec, nil)
	return nil
}

// roomFor asks whether the subject may have another session before the session that
// is there dies for it: a login that is refused must cost nobody a cart. Create asks
// again, and decides.
func (s *Session) roomFor(ctx context.Context, owner revocation.Owner, subject string) error {
	if !s.m.admit.Refuse {
		return nil
	}
	ctx, cancel := s.m.storeContext(ctx, false)
	defer cancel()
	there, err := s.m.store.List(ctx, owner)
	if err != nil {
		return s.fail(err)
	}
	known := 0
	for _, k := range there {
		if k.Entry.Presented {
			known++
		}
	}
	if known >= s.m.admit.Max {
		return s.refused(subject)
	}
	return nil
}

func (s *Session) refused(subject string) error {
	s.event(audit.LoginRefused, audit.CauseLimit, &record{subject: subject}, ErrLimit)
	return ErrLimit
}

// take removes the session's record. If it was this call that ended it, the end
// is reported, and s.rec is the record as it was last.
func (s *Session) take(ctx context.Context, cause audit.Cause) (ended bool, err error) {
	ctx, cancel := s.m.storeContext(ctx, true)
	defer cancel()
	e, err := s.m.store.Take(ctx, s.key[0])
	if errors.Is(err, ErrGone) {
		s.rec.data = "" // whoever ended it decided about its data
		return false, nil
	}
	if err != nil {
		return false, s.fail(err)
	}
	var last record
	if err := last.open(&e, s.m.appTag, s.key[0]); err != nil {
		return false, s.fail(err)
	}
	if last.kind != kindLive {
		// A renewal came in between and left its snapshot here. The session
		// goes on under the id that the renewal made, which this request does
		// not have.
		s.poisoned = s.poisoned || len(s.pending) > 0
		s.pending, s.rec.data = nil, ""
		return false, ErrSuperseded
	}
	s.rec = last
	s.event(audit.SessionExpired, cause, &s.rec, nil)
	return true, nil
}

// forget leaves the request without a session: anonymous, nothing pending.
func (s *Session) forget() {
	s.state, s.rec, s.entry[0], s.value = anonymous, record{}, Entry{}, ""
	s.authority, s.pending, s.poisoned, s.cause = nil, nil, false, nil
	s.minted, s.touchDue, s.unlink, s.showDue, s.printDue, s.cookie = false, false, false, false, false, cookieKeep
}

// reauthenticate is a login of the user who is logged in. done is false if the
// session ended meanwhile.
func (s *Session) reauthenticate(ctx context.Context, id Identity) (done bool, err error) {
	roles, scopes := encodeList(id.Roles), encodeList(id.Scopes)
	cause, left := audit.CauseStepUp, kindSteppedUp
	if roles != s.rec.roles || scopes != s.rec.scopes {
		cause, left = audit.CauseRoleChange, kindLive
	}
	print := s.m.prints.of(s.userAgent, s.clientIP)
	done, err = s.rename(ctx, left, cause, func(r *record) {
		r.roles, r.scopes, r.method, r.authed = roles, scopes, id.Method, micros(id.AuthTime)
		r.device, r.print = cmp.Or(id.Device, r.device), print.over(r.print)
	})
	if done && err == nil {
		s.cause = nil
		s.event(audit.LoginSucceeded, cause, &s.rec, nil)
	}
	return done, err
}

func (s *Session) renew(ctx context.Context) error {
	done, err := s.rename(ctx, kindRenewed, audit.CauseRenewal, func(*record) {})
	if err == nil && !done {
		s.forget()
		return core.ErrAnonymous
	}
	return err
}

// rename moves the session to a new id in one atomic step, changed by change and
// with everything pending merged in. left is the kind of snapshot that stays
// under the old id, kindLive for none. done is false if the session is gone.
func (s *Session) rename(ctx context.Context, left kind, cause audit.Cause, change func(*record)) (done bool, err error) {
	if s.minted {
		// No client has this id yet, so there is nothing to change it for; a
		// snapshot would stand under an id that nobody can present.
		return s.amend(ctx, left, cause, change)
	}
	var tag [tagLen]byte
	copy(tag[:], s.key[0].Tag[:])
	value, err := s.m.newValue(tag)
	if err != nil {
		return false, err
	}
	to := s.m.keyOf(value)
	done, err = s.change(ctx, stays, nil, func(ctx context.Context, next record) (Entry, Entry, error) {
		change(&next)
		now := s.m.now()
		next.touched = micros(now)
		next.link, next.linked = s.key[0], left != kindLive
		e := s.m.entry(to, s.entry[0].Version+1, &next)
		var snapshot *Entry
		if left != kindLive {
			old := s.rec
			old.kind, old.link, old.linked = left, to, true
			if left == kindRenewed {
				old.data = "" // data operations are forwarded to the successor
			}
			old.ends = min(old.deadline(s.m.idleFor(&old)), micros(now.Add(frozenLife)))
			frozenEntry := s.m.entry(s.key[0], s.entry[0].Version+1, &old)
			snapshot = &frozenEntry
		}
		current, err := s.m.store.Rename(ctx, s.key[0], s.entry[0].Version, to, e, snapshot)
		if err == nil {
			s.rec = next
		}
		return e, current, err
	})
	if !done || err != nil {
		return done, err
	}
	s.key[0], s.value = to, value
	s.minted, s.cookie, s.touchDue, s.unlink, s.showDue, s.printDue = true, cookieSet, false, false, false, false
	s.left = left
	s.event(audit.SessionRenewed, cause, &s.rec, nil)
	return true, nil
}

// amend changes a session whose id this request has just made.
func (s *Session) amend(ctx context.Context, left kind, cause audit.Cause, change func(*record)) (done bool, err error) {
	// A snapshot of a renewal would go on writing into a session that was
	// stepped up since, and after a change of roles there may be none at all.
	if s.rec.linked && (left == kindLive || left == kindSteppedUp && s.left == kindRenewed) {
		if err := s.dropSnapshot(); err != nil {
			return false, s.fail(err)
		}
	}
	done, err = s.change(ctx, stays, nil, func(ctx context.Context, next record) (Entry, Entry, error) {
		change(&next)
		return s.swap(ctx, next)
	})
	if done && err == nil {
		s.event(audit.SessionRenewed, cause, &s.rec, nil)
	}
	return done, err
}

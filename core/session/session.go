// Package session keeps server-side sessions: random ids that mean nothing,
// records that live in a Store, and rules that hold whatever else is in flight.
//
// A Manager decides; a Session is one request's view. A Session is lazy both
// ways: the store is asked nothing until somebody asks the session, and nothing
// is stored and no cookie set until something is written. What a request writes
// is collected as operations per name and merged into the record in one atomic
// step at the end, so parallel requests keep each other's writes, and a record
// that was destroyed meanwhile is never brought back.
//
// Log-in, renewal and log-out reach the store at once and return its error.
//
// Applications get a Session from their adapter and read and write it through
// typed keys (NewKey, NewCounter, NewFlash).
package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// Errors of session calls. Beside them, calls return core.ErrAnonymous,
// core.ErrNoMiddleware, errors that wrap core.ErrUnknown when the store did not
// answer, and ErrConflict.
var (
	// ErrFinished says that the answer's headers have left and with them the
	// last chance to store anything for this request.
	ErrFinished = errors.New("session: the request's session is finished")
	// ErrHeadersSent is ErrFinished for a log-in, renewal or log-out: the store
	// was not asked, because the cookie could no longer be changed.
	ErrHeadersSent = fmt.Errorf("%w: headers were sent, the cookie can no longer change", ErrFinished)
	// ErrSuperseded says that the request presented an id that was replaced a
	// moment ago by a renewal or a step-up. It still identifies the user, as
	// before the step; it may change nothing.
	ErrSuperseded = errors.New("session: the presented id was replaced; this needs the new one")
	// ErrStepUp says that the session is used from elsewhere than before and that
	// Config.Fingerprint asks for another login until it says who this is.
	ErrStepUp = errors.New("session: the session's use has changed; its user must log in again")
	// ErrTooLarge says that the session's data would pass Config.MaxDataBytes.
	ErrTooLarge = errors.New("session: too much data")
)

// state is how far a request's knowledge of its session goes.
type state uint8

const (
	unloaded state = iota
	anonymous
	live
	frozen  // the presented id was renewed or stepped up a moment ago
	unknown // the store did not answer
)

// Session is one request's view of the session that it presented. Get one from
// the adapter. It is safe for concurrent use by the goroutines of its request.
// On a nil Session every call returns core.ErrNoMiddleware.
type Session struct {
	m         *Manager
	ctx       context.Context
	userAgent string
	clientIP  netip.Addr

	presented string   // the cookie's value, shape unchecked
	variants  []string // further distinct values of the same name
	seen      int      // how many cookies of the name there were

	mu    sync.Mutex
	state state
	cause error // why the state is unknown, or known and not good enough

	*found            // what the store was asked about; nil until then
	authority *record // the snapshot behind an id that was replaced
	unlink    bool    // rec's snapshot was dropped and is to be forgotten at commit
	showDue   bool    // the id was presented for the first time, which is to be noted
	printDue  bool    // print is to be remembered
	print     fingerprint

	value    string // the live credential; set once its record is known or made
	minted   bool   // value was made by this request and no client has it
	left     kind   // what this request's rename left under the old id
	pending  ops
	poisoned bool // an operation was refused and must not be lost in silence
	touchDue bool
	cookie   cookieAction
	repair   repair

	noLogin  error // why nobody may log in by this request
	asked    bool  // the answer depends on the session
	guarded  bool  // a guard let the request through because of it
	finished bool
}

// found is the record that data operations act upon: behind an id that was renewed,
// the successor's. It is apart because most requests never ask, and what every
// request allocates is then less than half.
type found struct {
	key   [1]StoreKey // arrays of one, so that a read hands the store
	entry [1]Entry    // slices of them
	rec   record
	at    int64 // when the store was last asked
}

type cookieAction uint8

const (
	cookieKeep cookieAction = iota
	cookieSet
	cookieDelete
)

// repair is what the answer does about several cookies of the session's name.
type repair uint8

const (
	repairNone       repair = iota
	repairOthers            // one value is alive: every other form is deleted, this one set anew
	repairEverything        // more than one is alive: none can be trusted
)

// ContextKey is the context key of a request's Session, for adapter authors.
type ContextKey struct{}

// FromContext returns the session of the request that ctx belongs to, or nil,
// whose every call returns core.ErrNoMiddleware.
func FromContext(ctx context.Context) *Session {
	s, _ := ctx.Value(ContextKey{}).(*Session)
	return s
}

// Manager returns the manager that s belongs to, nil for a nil Session.
func (s *Session) Manager() *Manager {
	if s == nil {
		return nil
	}
	return s.m
}

// Principal returns who is logged in. core.ErrAnonymous if nobody is; an error
// that wraps core.ErrUnknown if the store did not answer. What was learnt before
// the headers left stays readable afterwards, for streams and sockets.
func (s *Session) Principal() (core.Principal, error) {
	if s == nil {
		return core.Principal{}, core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.identity()
	if err != nil {
		return core.Principal{}, err
	}
	// Who keeps a principal must not keep the store's memory with it, so its strings
	// are copies, made at once.
	own := r.subject + r.method + r.roles + r.scopes + r.handle.String()
	cut := func(n int) (head string) {
		head, own = own[:n], own[n:]
		return head
	}
	return core.Principal{
		Subject: cut(len(r.subject)), Method: cut(len(r.method)), AuthTime: fromMicros(r.authed),
		Roles: decodeList(cut(len(r.roles))), Scopes: decodeList(cut(len(r.scopes))), Session: own,
		Epoch: s.entry[0].Epoch,
	}, nil
}

// identity returns the record that says who this is.
func (s *Session) identity() (*record, error) {
	err := s.load()
	if s.finished && s.state != unloaded {
		err = s.cause // what was learnt in time
	}
	if err != nil {
		return nil, err
	}
	r := s.who()
	if r == nil || r.subject == "" {
		return nil, core.ErrAnonymous
	}
	return r, nil
}

func (s *Session) who() *record {
	switch {
	case s.state == frozen:
		return s.authority
	case s.state == live:
		return &s.rec
	default:
		return nil
	}
}

// Authorize returns nil if somebody is logged in, and remembers that the answer
// was given because of it: should the record turn out dead when the answer is
// committed, the answer becomes a refusal. It is what guards call.
func (s *Session) Authorize() error {
	if s == nil {
		return core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.identity(); err != nil {
		return err
	}
	s.guarded = true
	return nil
}

// Fresh reports whether the subject proved itself at most maxAge ago. It is
// always false for an id that was replaced by a step-up or renewal.
func (s *Session) Fresh(maxAge time.Duration) (bool, error) {
	if s == nil {
		return false, core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.identity()
	if err != nil {
		return false, err
	}
	age := s.m.now().Sub(fromMicros(r.authed))
	return s.state == live && age >= 0 && age <= maxAge, nil
}

// Info describes a session without saying anything that could be used as it.
type Info struct {
	// Handle names the session. It is no credential.
	Handle string
	// Created is when the session began; Touched when the store last noted its
	// use (it lags by at most Config.TouchInterval).
	Created, Touched time.Time
	// IdleEnd is when the session ends unless it is used, AbsoluteEnd when it
	// ends in any case.
	IdleEnd, AbsoluteEnd time.Time
}

// Info returns what is known of the session. core.ErrAnonymous if there is no
// record, which is the case for a visitor for whom nothing was stored yet.
func (s *Session) Info() (Info, error) {
	if s == nil {
		return Info{}, core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(); err != nil {
		return Info{}, err
	}
	r := s.who()
	if r == nil {
		return Info{}, core.ErrAnonymous
	}
	return s.m.info(r), nil
}

func (m *Manager) info(r *record) Info {
	return Info{
		Handle: r.handle.String(), Created: fromMicros(r.created), Touched: fromMicros(r.touched),
		IdleEnd: fromMicros(r.deadline(m.idleFor(r))), AbsoluteEnd: fromMicros(r.ends),
	}
}

// Audit records an event about this session's request, for guards and adapters.
func (s *Session) Audit(name audit.Name, cause audit.Cause, err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.event(name, cause, s.who(), err)
}

func (s *Session) event(name audit.Name, cause audit.Cause, r *record, err error) {
	e := audit.Event{Name: name, Cause: cause, ClientIP: s.clientIP, UserAgent: audit.UserAgent(s.userAgent), Err: err}
	if r != nil {
		e.Subject, e.Session = r.subject, r.handle.String()
		if name == audit.LoginSucceeded {
			e.Method = r.method
		}
	}
	// s.ctx is the request's context without this session in it: a sink that
	// asks it for the principal must not come back here.
	s.m.record(s.ctx, e)
}

// fail turns a store's error into "unknown" and notes it.
func (s *Session) fail(err error) error {
	s.event(audit.StoreFailed, audit.CauseError, s.who(), err)
	return fmt.Errorf("%w: %w", core.ErrUnknown, err)
}

package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Device is one session of a subject, as its list of devices shows it.
type Device struct {
	Info
	// Name is Identity.Device of the login, or what its User-Agent said: "Firefox,
	// Linux". It came from the client; escape it like any other input.
	Name string
	// Method and AuthTime say how and when the subject last proved who it is.
	Method   string
	AuthTime time.Time
	// Current is the session that asks.
	Current bool
}

// ErrNoSubject says that a subject was asked for by the empty name.
var ErrNoSubject = errors.New("session: no subject is named")

// Devices lists the subject's live sessions, oldest first. core.ErrAnonymous if
// nobody is logged in; ErrHeadersSent, ErrSuperseded, ErrStepUp; an error that
// wraps core.ErrUnknown.
func (s *Session) Devices(ctx context.Context) (list []Device, err error) {
	err = s.asUser(func() error {
		list, err = s.m.devices(ctx, s.rec.owner, s.rec.handle)
		return err
	})
	return list, err
}

// Revoke ends the subject's session of that handle, at once and everywhere. The
// handle of the session itself makes it a Logout. ended is false if the subject has
// no such session: another subject's is never touched. Errors as for Devices and
// Logout; revocation.ErrFull if too many were ended one by one.
func (s *Session) Revoke(ctx context.Context, handle string) (ended bool, err error) {
	err = s.asUser(func() error {
		h, ok := revocation.ParseHandle(handle)
		if !ok {
			return nil
		}
		if ended, err = s.m.revoke(ctx, s.rec.owner, s.rec.subject, h); err == nil && h == s.rec.handle {
			s.leave(ended)
		}
		return err
	})
	return ended, err
}

// RevokeOthers ends every other session of the subject and gives this one a new
// id, because whoever caused the worry may hold the old one: it is what follows a
// change of password. core.ErrAnonymous if this session was ended meanwhile, or
// given another id by another request, which ends it: what has the new id need not
// be this browser. After any other error the others may be gone already; calling
// it again is harmless. Errors else as for Login.
func (s *Session) RevokeOthers(ctx context.Context) error {
	return s.asUser(func() error {
		subject := s.rec.subject
		call, cancel := s.m.storeContext(ctx, true)
		epoch, ended, err := s.m.store.EndOthers(call, s.rec.owner, s.rec.handle, s.m.until())
		cancel()
		if errors.Is(err, ErrGone) {
			s.dropped(s.pending)
			s.forget()
			return core.ErrAnonymous
		}
		if err != nil {
			return s.fail(err)
		}
		s.entry[0].Epoch = epoch
		s.m.tell(ctx, ended, subject, audit.CauseRevoked)
		s.event(audit.SubjectRevoked, audit.CauseOthers, &s.rec, nil)
		owner, handle := s.rec.owner, s.rec.handle
		done, err := s.rename(ctx, kindLive, audit.CauseRevoked, func(*record) {})
		if done || err != nil && !errors.Is(err, ErrSuperseded) {
			return err
		}
		// Somebody else was faster: the session has ended, or it goes on under an id
		// that this browser does not have. That may be who was to be locked out.
		if _, err := s.m.revoke(ctx, owner, subject, handle); err != nil {
			return err
		}
		if s.poisoned { // else rename has told
			s.event(audit.SessionWriteDropped, "", &s.rec, nil)
		}
		s.forget()
		return core.ErrAnonymous
	})
}

// RevokeAll ends every session of the subject, this one included, and whatever
// else the subject holds (Manager.Revocations). Errors as for Logout.
func (s *Session) RevokeAll(ctx context.Context) error {
	return s.asUser(func() error {
		ended, err := s.m.revokeAll(ctx, s.rec.owner, s.rec.subject)
		if err != nil {
			return err
		}
		own := false
		for _, k := range ended {
			own = own || k.Entry.Handle == s.rec.handle
		}
		s.leave(own)
		return nil
	})
}

// asUser runs a step that only somebody logged in may take.
func (s *Session) asUser(step func() error) error {
	return s.transition(false, func() error {
		if s.state != live || s.rec.subject == "" {
			return core.ErrAnonymous
		}
		return step()
	})
}

// leave makes the request anonymous after its session was ended. The cookie goes
// only if it was this call that ended it.
func (s *Session) leave(ended bool) {
	s.dropped(s.pending)
	s.forget()
	if ended {
		s.cookie = cookieDelete
	}
}

// Devices lists the live sessions of a subject, oldest first, for an application
// that acts for it. ErrNoSubject; an error that wraps core.ErrUnknown.
func (m *Manager) Devices(ctx context.Context, subject string) ([]Device, error) {
	if subject == "" {
		return nil, ErrNoSubject
	}
	return m.devices(ctx, m.revoked.Owner(subject), revocation.Handle{})
}

// Revoke ends one session of a subject. ended is false if the subject has no such
// session. Errors as for Devices; revocation.ErrFull as for Session.Revoke.
func (m *Manager) Revoke(ctx context.Context, subject, handle string) (ended bool, err error) {
	if subject == "" {
		return false, ErrNoSubject
	}
	h, ok := revocation.ParseHandle(handle)
	if !ok {
		return false, nil
	}
	return m.revoke(ctx, m.revoked.Owner(subject), subject, h)
}

// RevokeAll ends everything that a subject has: what follows when an account is
// disabled or deleted. Errors as for Devices; after one that wraps core.ErrUnknown
// it may or may not be done, and doing it again is harmless.
func (m *Manager) RevokeAll(ctx context.Context, subject string) error {
	if subject == "" {
		return ErrNoSubject
	}
	_, err := m.revokeAll(ctx, m.revoked.Owner(subject), subject)
	return err
}

func (m *Manager) devices(ctx context.Context, owner revocation.Owner, current revocation.Handle) ([]Device, error) {
	call, cancel := m.storeContext(ctx, false)
	defer cancel()
	entries, err := m.store.List(call, owner)
	if err != nil {
		return nil, m.fail(ctx, "", err)
	}
	list := make([]Device, 0, len(entries))
	now := micros(m.now())
	for _, k := range entries {
		var r record
		if err := r.open(&k.Entry, m.appTag, k.Key); err != nil {
			return nil, m.fail(ctx, "", err)
		}
		if now >= r.deadline(m.idleFor(&r)) {
			continue
		}
		list = append(list, Device{
			Info: m.info(&r), Name: strings.Clone(r.device), Method: strings.Clone(r.method),
			AuthTime: fromMicros(r.authed), Current: r.handle == current,
		})
	}
	return list, nil
}

func (m *Manager) revoke(ctx context.Context, owner revocation.Owner, subject string, h revocation.Handle) (ended bool, err error) {
	call, cancel := m.storeContext(ctx, true)
	defer cancel()
	k, err := m.store.EndOne(call, owner, h, m.until())
	switch {
	case errors.Is(err, ErrGone):
		return false, nil
	case errors.Is(err, revocation.ErrFull):
		return false, err
	case err != nil:
		return false, m.fail(ctx, subject, err)
	}
	m.tell(ctx, []Keyed{k}, subject, audit.CauseRevoked)
	return true, nil
}

func (m *Manager) revokeAll(ctx context.Context, owner revocation.Owner, subject string) ([]Keyed, error) {
	call, cancel := m.storeContext(ctx, true)
	defer cancel()
	ended, err := m.store.EndAll(call, owner, m.until())
	if err != nil {
		return nil, m.fail(ctx, subject, err)
	}
	m.tell(ctx, ended, subject, audit.CauseRevoked)
	m.record(ctx, audit.Event{Name: audit.SubjectRevoked, Cause: audit.CauseAll, Subject: subject})
	return ended, nil
}

// until is how long what ends a session must be remembered: as long as the
// longest could have lived.
func (m *Manager) until() time.Time { return m.now().Add(m.ends) }

// tell records the end of each of the subject's sessions.
func (m *Manager) tell(ctx context.Context, ended []Keyed, subject string, cause audit.Cause) {
	for _, k := range ended {
		m.record(ctx, audit.Event{Name: audit.SessionExpired, Cause: cause, Subject: subject, Session: k.Entry.Handle.String()})
	}
}

// fail is Session.fail for an act that no session takes.
func (m *Manager) fail(ctx context.Context, subject string, err error) error {
	m.record(ctx, audit.Event{Name: audit.StoreFailed, Cause: audit.CauseError, Subject: subject, Err: err})
	return fmt.Errorf("%w: %w", core.ErrUnknown, err)
}

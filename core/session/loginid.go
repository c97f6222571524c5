package session

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// LoginID names the login that the session stands for, for what must end with it, such
// as tokens against forged requests. It changes with every login, proof of identity and
// change of roles, scopes or user, and stays what it is when the session is renewed or
// written to. An id that was replaced a moment ago keeps the name of the login that it
// still stands for. It is no credential, and 32 bytes long always.
//
// It is known also where ErrStepUp asks for another login: that one has to come from a
// page of the application, too. core.ErrAnonymous if nobody is logged in; an error that
// wraps core.ErrUnknown if the store did not answer.
func (s *Session) LoginID() (string, error) {
	if s == nil {
		return "", core.ErrNoMiddleware
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.identity()
	if errors.Is(err, ErrStepUp) {
		r, err = s.who(), nil
	}
	if err != nil {
		return "", err
	}
	// Another user has another handle. It stays when the same one logs in again; the time
	// and the method of the proof, or what it gave, do not.
	var buf [256]byte
	b := append(buf[:0], r.handle[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.authed))
	for _, field := range [...]string{r.method, r.roles, r.scopes} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(field)))
		b = append(b, field...)
	}
	sum := sha256.Sum256(b)
	return string(sum[:]), nil
}

// ForbidLogin makes Login return err from now on and tell audit.CSRFRefused, for a
// middleware that let a request without a token through on the condition that nobody logs
// in by it: a page elsewhere could log its visitor in as somebody else.
func (s *Session) ForbidLogin(err error) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noLogin = err
}

// allowLogin returns what ForbidLogin was given.
func (s *Session) allowLogin() error {
	if s.noLogin != nil {
		s.event(audit.CSRFRefused, audit.CauseTokenMissing, s.who(), s.noLogin)
	}
	return s.noLogin
}

// Guarded reports whether a guard let the request through because of who is logged in.
func (s *Session) Guarded() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guarded
}

package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
)

const (
	// generateTimeout bounds one NewSigner.
	generateTimeout = 10 * time.Second
	// retryAfter is the least time between two attempts of the schedule. A KMS
	// that is down is not to be asked by every request; retryEmpty is for a ring
	// in which nothing signs, where waiting is worse.
	retryAfter = time.Minute
	retryEmpty = time.Second
	// generatedBits is what RFC 7518 asks for: a key that is replaced after weeks
	// need not withstand decades.
	generatedBits = 2048
)

// due reports whether the schedule asks for a new key at now.
func (r *KeyRing) due(p *plan, now time.Time) bool {
	if r.cfg.Generate == "" {
		return false
	}
	if p.signing(now) == nil {
		return true
	}
	return r.cfg.Period > 0 && !now.Before(p.newest().from.Add(r.cfg.Period-r.cfg.Announce))
}

// tend makes the key that is due, if one is. One caller does; others go on with the
// keys that there are. If it fails, the key that signs goes on signing.
func (r *KeyRing) tend(ctx context.Context) {
	if !r.due(r.plan.Load(), r.now()) || !r.making.TryLock() {
		return
	}
	now, p := r.now(), r.plan.Load()
	wait := retryAfter
	if p.signing(now) == nil {
		wait = retryEmpty
	}
	var e audit.Event
	// A clock that was set back must not make it wait for longer.
	if since := now.Sub(r.failed); r.due(p, now) && (since < 0 || since >= wait) {
		e, _ = r.make(ctx, r.whenDue) // a failure is told to Audit, and tried again
	}
	r.making.Unlock()
	r.record(ctx, e)
}

// fill makes a key because none signs, unless somebody else did in the meantime.
func (r *KeyRing) fill(ctx context.Context) error {
	r.making.Lock()
	if r.plan.Load().signing(r.now()) != nil {
		r.making.Unlock()
		return nil
	}
	e, err := r.make(ctx, r.whenDue)
	r.making.Unlock()
	r.record(ctx, e)
	return err
}

// whenDue is when a key begins to sign that the schedule asked for.
func (r *KeyRing) whenDue(p *plan, now time.Time) time.Time {
	if p.signing(now) == nil {
		return now
	}
	from := p.newest().from.Add(r.cfg.Period)
	if earliest := now.Add(r.cfg.Announce); from.Before(earliest) {
		return earliest // late; nobody is to meet a key that was not announced
	}
	return from
}

// make generates a key and puts it into the ring. making is held, which is why the
// event is the caller's to record: a Sink may come back for a key.
func (r *KeyRing) make(ctx context.Context, from func(*plan, time.Time) time.Time) (audit.Event, error) {
	c, err := r.generate(ctx)
	if err == nil {
		err = r.insert(&ringKey{compiled: c}, from)
	}
	now := r.now()
	if err != nil {
		r.failed = now
		return audit.Event{Time: now, Name: audit.KeysFailed, Cause: audit.CauseError, Err: err}, err
	}
	r.failed = time.Time{}
	return audit.Event{Time: now, Name: audit.KeyAnnounced, Key: c.verify.id}, nil
}

// generate goes on when the client whose request found it due has hung up: the key
// is for everybody.
func (r *KeyRing) generate(ctx context.Context) (*compiled, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), generateTimeout)
	defer cancel()
	newSigner := r.cfg.NewSigner
	if newSigner == nil {
		newSigner = func(_ context.Context, a Algorithm) (crypto.Signer, error) { return newSignerInMemory(r.cfg.Rand, a) }
	}
	signer, err := newSigner(ctx, r.cfg.Generate)
	if err == nil && signer == nil {
		err = errors.New("NewSigner returned neither a signer nor an error")
	}
	if err != nil {
		return nil, fmt.Errorf("token: no new key: %w", err)
	}
	c, err := Key{Algorithm: r.cfg.Generate, Signer: signer}.compile("token.KeyRingConfig.NewSigner", r.cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("token: no new key: %w", err)
	}
	return c, nil
}

func newSignerInMemory(random io.Reader, a Algorithm) (crypto.Signer, error) {
	switch s, _ := schemeOf(a); s.family {
	case familyRSA:
		return rsa.GenerateKey(random, generatedBits)
	case familyEC:
		return ecdsa.GenerateKey(s.curve, random)
	default:
		_, key, err := ed25519.GenerateKey(random)
		return key, err
	}
}

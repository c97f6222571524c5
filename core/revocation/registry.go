package revocation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// Config says whose revocations a Registry keeps.
type Config struct {
	// App names the application, as in session.Config; default "app".
	App string
	// Secret is what the fleet shares, at least 32 random bytes, as in
	// session.Config. nil: the process has one of its own, which is right for a
	// store in its memory and for nothing else.
	Secret []byte
	// Lifetime is how long a revocation is remembered: at least as long as any
	// credential lives that it is to stop. Default 7 days; at least 1 s.
	Lifetime time.Duration
	// StoreTimeout bounds each store call. Default 2 s.
	StoreTimeout time.Duration
	// Audit receives what is revoked. nil discards.
	Audit audit.Sink
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Rand, if not nil, makes a secret where there is none.
	Rand io.Reader
}

const (
	defaultApp      = "app"
	defaultLifetime = 7 * 24 * time.Hour
	defaultTimeout  = 2 * time.Second
)

// ErrRevoked says that a credential is authentic and worth nothing any more.
var ErrRevoked = errors.New("revocation: revoked")

// ErrNoHandle says that a string cannot be the handle of a session.
var ErrNoHandle = errors.New("revocation: not a session's handle")

// Registry revokes by subject and by session, and answers whether something is
// revoked. Make one with New, or get the one of a session.Manager, which shares
// its application, secret and store. It is immutable and safe for concurrent use.
type Registry struct {
	store    Store
	realm    *realm.Realm
	app      string
	lifetime time.Duration
	timeout  time.Duration
	audit    audit.Sink
	now      func() time.Time
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError.
func New(store Store, cfg Config) (*Registry, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "revocation.Config." + field, Value: value, Reason: reason})
	}
	if store == nil {
		errs = append(errs, &core.ConfigError{Field: "revocation.New.store", Value: "nil", Reason: "revocations live in a store"})
	}
	if cfg.App == "" {
		cfg.App = defaultApp
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = defaultLifetime
	}
	if cfg.StoreTimeout == 0 {
		cfg.StoreTimeout = defaultTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	realm.Check(cfg.App, cfg.Secret, bad)
	if cfg.Lifetime < time.Second {
		bad("Lifetime", cfg.Lifetime.String(), "must be at least one second")
	}
	if cfg.StoreTimeout < 0 {
		bad("StoreTimeout", cfg.StoreTimeout.String(), "must not be negative: a store call without an end would hold requests for ever")
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("revocation: %w", errors.Join(errs...))
	}
	secret, err := realm.Secret(cfg.Secret, cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	r, err := realm.New(cfg.App, secret)
	if err != nil {
		return nil, fmt.Errorf("revocation: %w", err)
	}
	return &Registry{
		store: store, realm: r, app: cfg.App, lifetime: cfg.Lifetime, timeout: cfg.StoreTimeout,
		audit: cfg.Audit, now: cfg.Now,
	}, nil
}

// Owner returns what stands for subject in the store.
func (r *Registry) Owner(subject string) Owner { return ownerOf(r.realm, subject) }

// Epoch returns the subject's epoch, for a credential that is made now. An error
// wraps core.ErrUnknown.
func (r *Registry) Epoch(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	epoch, _, err := r.store.Revoked(ctx, r.Owner(subject), Handle{})
	if err != nil {
		return 0, r.fail(ctx, subject, "", err)
	}
	return epoch, nil
}

// Check returns nil if a credential of the subject's session handle, made under
// epoch, is not revoked; ErrRevoked if it is; an error that wraps core.ErrUnknown
// if the store did not answer. An authentic epoch that is higher than the stored
// one proves that the store lost a revocation: it is put back, and told.
func (r *Registry) Check(ctx context.Context, subject, handle string, epoch uint64) error {
	h, ok := ParseHandle(handle)
	if !ok {
		return ErrNoHandle
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	owner := r.Owner(subject)
	current, denied, err := r.store.Revoked(ctx, owner, h)
	switch {
	case err != nil:
		return r.fail(ctx, subject, handle, err)
	case denied || epoch < current:
		return ErrRevoked
	case epoch > current:
		return r.restore(ctx, subject, handle, owner, epoch)
	default:
		return nil
	}
}

func (r *Registry) restore(ctx context.Context, subject, handle string, owner Owner, epoch uint64) error {
	if err := r.store.RestoreEpoch(ctx, owner, epoch, r.until()); err != nil {
		return r.fail(ctx, subject, handle, err)
	}
	r.record(ctx, audit.Event{Name: audit.EpochRestored, Subject: subject, Session: handle})
	return nil
}

// RevokeSubject revokes everything that the subject has, sessions included. After
// an error, which wraps core.ErrUnknown, it may or may not be done; doing it again
// is harmless.
func (r *Registry) RevokeSubject(ctx context.Context, subject string) error {
	ctx, cancel := r.write(ctx)
	defer cancel()
	if _, err := r.store.RaiseEpoch(ctx, r.Owner(subject), r.until()); err != nil {
		return r.fail(ctx, subject, "", err)
	}
	r.record(ctx, audit.Event{Name: audit.SubjectRevoked, Cause: audit.CauseAll, Subject: subject})
	return nil
}

// RevokeSession revokes one session of the subject, by its handle, and whatever
// was issued for it. ErrNoHandle if it cannot be one, ErrFull if too many are
// revoked one by one; else errors as for RevokeSubject.
func (r *Registry) RevokeSession(ctx context.Context, subject, handle string) error {
	h, ok := ParseHandle(handle)
	if !ok {
		return ErrNoHandle
	}
	ctx, cancel := r.write(ctx)
	defer cancel()
	switch err := r.store.Deny(ctx, r.Owner(subject), h, r.until()); {
	case errors.Is(err, ErrFull):
		return err
	case err != nil:
		return r.fail(ctx, subject, handle, err)
	}
	r.record(ctx, audit.Event{Name: audit.SessionDenied, Subject: subject, Session: handle})
	return nil
}

func (r *Registry) until() time.Time { return r.now().Add(r.lifetime) }

// write bounds a call that goes on when the client has hung up.
func (r *Registry) write(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
}

func (r *Registry) fail(ctx context.Context, subject, handle string, err error) error {
	r.record(ctx, audit.Event{Name: audit.StoreFailed, Cause: audit.CauseError, Subject: subject, Session: handle, Err: err})
	return fmt.Errorf("%w: %w", core.ErrUnknown, err)
}

func (r *Registry) record(ctx context.Context, e audit.Event) {
	if r.audit == nil {
		return
	}
	e.Time, e.App = r.now(), r.app
	r.audit.Record(ctx, e)
}

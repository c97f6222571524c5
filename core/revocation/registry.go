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

// The errors of a Registry.
var (
	// ErrRevoked says that a credential is authentic and worth nothing any more.
	ErrRevoked = errors.New("revocation: revoked")
	// ErrNoHandle says that a string cannot be the handle of a session.
	ErrNoHandle = errors.New("revocation: not a session's handle")
	// ErrNoWitness says that a token came from a refresh family and the registry's
	// store keeps none, so it cannot be the store of who issued it.
	ErrNoWitness = errors.New("revocation: the store keeps no refresh families")
)

// Registry revokes by subject, by session or family, and by token, and answers whether
// something is revoked. Make one with New, or get the one of a session.Manager, which shares
// its application, secret and store. It is immutable and safe for concurrent use.
type Registry struct {
	store    Store
	witness  Witness // nil if the store keeps no families
	local    bool
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
	witness, _ := store.(Witness)
	_, local := store.(Local)
	return &Registry{
		store: store, witness: witness, local: local, realm: r, app: cfg.App, lifetime: cfg.Lifetime, timeout: cfg.StoreTimeout,
		audit: cfg.Audit, now: cfg.Now,
	}, nil
}

// App returns the application's name.
func (r *Registry) App() string { return r.app }

// Store returns the store that the registry asks.
func (r *Registry) Store() Store { return r.store }

// Mark is a keyed hash of parts, the same on all nodes and of no meaning to anybody
// without the secret. Marks of two purposes have nothing in common.
func (r *Registry) Mark(purpose string, parts ...string) [16]byte {
	return r.realm.Mark(purpose, parts...)
}

// Owner returns what stands for subject in the store.
func (r *Registry) Owner(subject string) Owner { return ownerOf(r.realm, subject) }

// Epoch returns the subject's epoch, for a credential that is made now. An error
// wraps core.ErrUnknown.
func (r *Registry) Epoch(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := r.read(ctx)
	defer cancel()
	found, err := r.store.Revoked(ctx, r.Owner(subject), Asked{})
	if err != nil {
		return 0, r.fail(ctx, subject, "", err)
	}
	return found.Epoch, nil
}

// Named is what a credential says of itself.
type Named struct {
	// Subject is whose it is, Session the handle of its session or family.
	Subject, Session string
	// Epoch is the subject's epoch when it logged in.
	Epoch uint64
	// Token is the jti of an access token, "" if it has none.
	Token string
	// Answer is the answer of its family that an access token came with.
	Answer Answer
}

// Credential is a Named in the form in which a Registry checks it, made once for a
// credential that is shown many times. It is immutable.
type Credential struct {
	owner Owner
	asked Asked
	named Named
}

// Credential compiles n. ErrNoHandle if its Session cannot be a handle.
func (r *Registry) Credential(n Named) (Credential, error) {
	h, ok := ParseHandle(n.Session)
	if !ok {
		return Credential{}, ErrNoHandle
	}
	return Credential{
		owner: r.Owner(n.Subject), named: n,
		asked: Asked{Session: h, Token: TokenHandle(n.Token), Generation: n.Answer.Generation},
	}, nil
}

// Check returns nil if c is not revoked; ErrRevoked if it is; an error that wraps
// core.ErrUnknown if the store did not answer. An authentic epoch that is higher than
// the stored one proves that the store lost a revocation: it is put back, and told.
func (r *Registry) Check(ctx context.Context, c *Credential) error {
	ctx, cancel := r.read(ctx)
	defer cancel()
	found, err := r.store.Revoked(ctx, c.owner, c.asked)
	switch {
	case err != nil:
		return r.fail(ctx, c.named.Subject, c.named.Session, err)
	case found.Denied || c.named.Epoch < found.Epoch || c.named.Answer.Stamp < found.Floor:
		return ErrRevoked
	case c.named.Epoch > found.Epoch:
		return r.restore(ctx, c)
	default:
		return nil
	}
}

// Sight tells the store that a verifier was shown an access token for the first time.
// It comes before Check: whatever voids the token after that finds the generation
// confirmed. Nothing is done for a token that came from no family. ErrRevoked if the
// token or its family is not good any more, an error that wraps core.ErrUnknown if the
// store did not answer, or keeps no families (ErrNoWitness).
func (r *Registry) Sight(ctx context.Context, c *Credential) error {
	if c.named.Answer.Generation == 0 {
		return nil
	}
	if r.witness == nil {
		return r.fail(ctx, c.named.Subject, c.named.Session, ErrNoWitness)
	}
	// A sighting is a write: it counts also when the client has hung up.
	ctx, cancel := r.write(ctx)
	defer cancel()
	switch err := r.witness.Sight(ctx, c.owner, c.asked.Session, c.named.Answer); {
	case err == nil:
		return nil
	case errors.Is(err, ErrEnded), errors.Is(err, ErrVoid):
		return ErrRevoked
	default:
		return r.fail(ctx, c.named.Subject, c.named.Session, err)
	}
}

func (r *Registry) restore(ctx context.Context, c *Credential) error {
	if err := r.store.RestoreEpoch(ctx, c.owner, c.named.Epoch, r.until()); err != nil {
		return r.fail(ctx, c.named.Subject, c.named.Session, err)
	}
	r.record(ctx, audit.Event{Name: audit.EpochRestored, Subject: c.named.Subject, Session: c.named.Session})
	return nil
}

// LogoutEverywhere ends everything that the subject has: sessions, refresh families and
// access tokens. After an error, which wraps core.ErrUnknown, it may or may not be
// done; doing it again is harmless.
func (r *Registry) LogoutEverywhere(ctx context.Context, subject string) error {
	return r.raise(ctx, subject, audit.CauseAll)
}

// PasswordChanged is LogoutEverywhere for the moment after a change of password or of
// another factor: whoever logged in with the old one is out. The application then logs
// in whoever made the change anew.
func (r *Registry) PasswordChanged(ctx context.Context, subject string) error {
	return r.raise(ctx, subject, audit.CausePassword)
}

// SubjectDisabled is LogoutEverywhere for the moment after the application has disabled
// or deleted an account. That the account cannot log in again is the application's.
func (r *Registry) SubjectDisabled(ctx context.Context, subject string) error {
	return r.raise(ctx, subject, audit.CauseDisabled)
}

func (r *Registry) raise(ctx context.Context, subject string, cause audit.Cause) error {
	ctx, cancel := r.write(ctx)
	defer cancel()
	if _, err := r.store.RaiseEpoch(ctx, r.Owner(subject), r.until()); err != nil {
		return r.fail(ctx, subject, "", err)
	}
	r.record(ctx, audit.Event{Name: audit.SubjectRevoked, Cause: cause, Subject: subject})
	return nil
}

// RevokeSession ends one session or refresh family of the subject, by its handle, and
// whatever was issued for it. ErrNoHandle if it cannot be one, ErrFull if too many are
// revoked one by one; else errors as for LogoutEverywhere.
func (r *Registry) RevokeSession(ctx context.Context, subject, handle string) error {
	h, ok := ParseHandle(handle)
	if !ok {
		return ErrNoHandle
	}
	if err := r.deny(ctx, subject, handle, h, r.until()); err != nil {
		return err
	}
	r.record(ctx, audit.Event{Name: audit.SessionDenied, Subject: subject, Session: handle})
	return nil
}

// RevokeToken ends one access token by its jti, which is remembered until the token
// has expired everywhere. ErrNoHandle without a jti, else errors as for RevokeSession.
func (r *Registry) RevokeToken(ctx context.Context, subject, jti string, expires time.Time) error {
	if jti == "" {
		return ErrNoHandle
	}
	if err := r.deny(ctx, subject, "", TokenHandle(jti), expires.Add(Margin)); err != nil {
		return err
	}
	r.record(ctx, audit.Event{Name: audit.TokenDenied, Subject: subject})
	return nil
}

// Margin is how much longer than a token a denial of it is remembered: the largest
// leeway that a verifier may have, and as much again for clocks that differ.
const Margin = 10 * time.Minute

func (r *Registry) deny(ctx context.Context, subject, handle string, h Handle, until time.Time) error {
	ctx, cancel := r.write(ctx)
	defer cancel()
	err := r.store.Deny(ctx, r.Owner(subject), h, until)
	if err != nil && !errors.Is(err, ErrFull) {
		return r.fail(ctx, subject, handle, err)
	}
	return err
}

func (r *Registry) until() time.Time { return r.now().Add(r.lifetime) }

func (r *Registry) read(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.local {
		return ctx, noCancel
	}
	return context.WithTimeout(ctx, r.timeout)
}

// write bounds a call that goes on when the client has hung up.
func (r *Registry) write(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.local {
		return ctx, noCancel
	}
	return context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
}

func noCancel() {}

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

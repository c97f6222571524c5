package token

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// KeyRingConfig says what keys a KeyRing has and how it comes to new ones.
type KeyRingConfig struct {
	// Keys are the keys to begin with. A fleet gives each node the same ones, with
	// the same times. May be empty if Generate is set. Without a Signer among them,
	// and without Generate, the ring is for a Verifier alone.
	Keys []Key
	// Generate is the algorithm of the keys that the ring makes by itself, in this
	// process, when its schedule or a revocation calls for one. Empty: it makes
	// none, and signs with the Keys.
	Generate Algorithm
	// NewSigner, if set, makes those keys, in a KMS for instance; default: in
	// memory.
	NewSigner func(ctx context.Context, algorithm Algorithm) (crypto.Signer, error)
	// Period is how long a generated key signs before the next one does. 0: until
	// Rotate or Revoke is called.
	Period time.Duration
	// Announce is how long a new key is published before it signs, so that every
	// cache of the key set has it by then. Default 1 h; at least twice MaxAge.
	Announce time.Duration
	// Retire is how long a key verifies after another took over: at least as long
	// as the tokens live, leeway included. Default 1 h.
	Retire time.Duration
	// MaxAge is how long others may cache the published set. Default 5 minutes. It
	// is also how long a revoked key may live on there.
	MaxAge time.Duration
	// Audit receives what becomes of keys. nil discards.
	Audit audit.Sink
	// App names the application in events; default "app".
	App string
	// Now is the clock; default time.Now. Rand is the random source; default
	// crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// KeyState is where a key is in its life.
type KeyState int

// The states, in the order of a life. A revoked key is gone at once.
const (
	KeyAnnounced KeyState = iota + 1 // published, does not sign yet
	KeySigning                       // signs and verifies
	KeyRetired                       // verifies only
	KeyGone                          // neither; not published
	KeyRevoked                       // neither; not published; its tokens are worth nothing
)

// String names the state.
func (s KeyState) String() string {
	switch s {
	case KeyAnnounced:
		return "announced"
	case KeySigning:
		return "signing"
	case KeyRetired:
		return "retired"
	case KeyGone:
		return "gone"
	case KeyRevoked:
		return "revoked"
	default:
		return "unknown"
	}
}

// KeyInfo describes a key of a ring without its private half.
type KeyInfo struct {
	ID        string
	Algorithm Algorithm
	State     KeyState
	SignFrom  time.Time
	// VerifyUntil is when the key is gone; zero while that is not fixed.
	VerifyUntil time.Time
}

// KeyRing holds an issuer's keys through their lives: announced, signing, retired,
// gone. It is safe for concurrent use. It starts no goroutine: what its schedule
// asks for is done by the call that finds it due.
type KeyRing struct {
	cfg KeyRingConfig
	// plan is replaced and never changed, so that readers take no lock.
	plan atomic.Pointer[plan]
	// mu is held while plan is replaced, and for nothing that takes time: a
	// revocation must not wait for a KMS.
	mu sync.Mutex
	// making is held while a key is generated, so that one is and not many. It is
	// taken before mu. failed, which it guards, is when that last went wrong.
	making sync.Mutex
	failed time.Time
}

const (
	defaultApp      = "app"
	defaultAnnounce = time.Hour
	defaultRetire   = time.Hour
	defaultMaxAge   = 5 * time.Minute
)

// NewKeyRing compiles cfg. The error joins every mistake, each a *core.ConfigError:
// no key at all, RSA under 2048 bits or with exponent 1, a curve or type that
// does not fit the algorithm, the same key twice or for two algorithms, a Signer
// whose signatures its public key does not verify.
func NewKeyRing(cfg KeyRingConfig) (*KeyRing, error) {
	cfg = cfg.withDefaults()
	errs := cfg.mistakes()
	now := cfg.Now().Round(0)
	keys, err := cfg.compileKeys(now)
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	cfg.Keys = nil
	r := &KeyRing{cfg: cfg}
	r.plan.Store(newPlan(keys, cfg.Retire))
	if cfg.Generate != "" && r.plan.Load().signing(now) == nil {
		if err := r.fill(context.Background()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (cfg KeyRingConfig) withDefaults() KeyRingConfig {
	if cfg.Announce == 0 {
		cfg.Announce = defaultAnnounce
	}
	if cfg.Retire == 0 {
		cfg.Retire = defaultRetire
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = defaultMaxAge
	}
	if cfg.App == "" {
		cfg.App = defaultApp
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return cfg
}

// mistakes are those in everything but the keys.
func (cfg KeyRingConfig) mistakes() (errs []error) {
	bad := func(field, value, reason string) {
		errs = append(errs, parseError("token.KeyRingConfig."+field, value, reason))
	}
	realm.Check(cfg.App, nil, bad)
	if cfg.Generate != "" {
		var ce *core.ConfigError
		if errors.As(checkAsymmetric("", cfg.Generate), &ce) {
			bad("Generate", ce.Value, ce.Reason)
		}
	}
	if cfg.NewSigner != nil && cfg.Generate == "" {
		bad("NewSigner", "a function", "is never called without Generate")
	}
	if cfg.MaxAge < time.Second {
		bad("MaxAge", cfg.MaxAge.String(), "must be at least one second")
	}
	// A set that was fetched just before the announcement is used for MaxAge, and
	// as long again by whoever fetches through a cache that had it all that time.
	if cfg.Announce < 2*cfg.MaxAge {
		bad("Announce", cfg.Announce.String(), "must be at least twice MaxAge, which is "+cfg.MaxAge.String())
	}
	if cfg.Retire < 0 {
		bad("Retire", cfg.Retire.String(), "must not be negative")
	}
	switch {
	case cfg.Period < 0:
		bad("Period", cfg.Period.String(), "must not be negative")
	case cfg.Period > 0 && cfg.Generate == "":
		bad("Period", cfg.Period.String(), "needs Generate")
	case cfg.Period > 0 && cfg.Period < cfg.Announce:
		bad("Period", cfg.Period.String(), "must be at least Announce, which is "+cfg.Announce.String())
	}
	return errs
}

// compileKeys checks the keys to begin with.
func (cfg KeyRingConfig) compileKeys(now time.Time) (keys []*ringKey, _ error) {
	var errs []error
	seen := map[string]Algorithm{}
	since := now
	for _, k := range cfg.Keys {
		if !k.SignFrom.IsZero() && k.SignFrom.Before(since) {
			since = k.SignFrom.Round(0)
		}
	}
	for i, k := range cfg.Keys {
		field := fmt.Sprintf("token.KeyRingConfig.Keys[%d]", i)
		c, err := k.compile(field, cfg.Rand)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if a, twice := seen[c.verify.id]; twice {
			errs = append(errs, duplicate(field, c.verify.id, a, k.Algorithm))
			continue
		}
		seen[c.verify.id] = k.Algorithm
		rk := newRingKey(c, k)
		// A key without SignFrom has signed for ever: when a process starts again,
		// it must not take over from a key that was put behind it with a time.
		// Among several the last one is the newest.
		if c.sign != nil && k.SignFrom.IsZero() {
			rk.from = since
		} else if c.sign != nil {
			rk.order = len(cfg.Keys)
		}
		rk.order += i
		keys = append(keys, rk)
	}
	if len(cfg.Keys) == 0 && cfg.Generate == "" {
		errs = append(errs, parseError("token.KeyRingConfig.Keys", "", "is empty, and so is Generate: a ring without a key verifies nothing"))
	}
	return keys, errors.Join(errs...)
}

func duplicate(field, id string, was, is Algorithm) error {
	if was != is {
		return parseError(field, id, "the same key is in the ring for "+string(was)+": one key, one algorithm (RFC 8725 section 3.1)")
	}
	return parseError(field, id, "the same key is in the ring already")
}

// Add puts a key into the ring, to sign from its SignFrom. Errors as for NewKeyRing.
func (r *KeyRing) Add(ctx context.Context, key Key) error {
	c, err := key.compile("token.Key", r.cfg.Rand)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	err = r.insert(newRingKey(c, key), func(_ *plan, now time.Time) time.Time {
		// A moment that is over would retire the key that signed until now in
		// retrospect, and its tokens with it.
		if key.SignFrom.Before(now) {
			return now
		}
		return key.SignFrom.Round(0)
	})
	if err == nil {
		r.record(ctx, audit.Event{Time: r.now(), Name: audit.KeyAnnounced, Key: c.verify.id})
	}
	return err
}

// insert puts k into the plan; from says when it begins to sign.
func (r *KeyRing) insert(k *ringKey, from func(*plan, time.Time) time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, p := r.now(), r.plan.Load()
	keys := p.remembered(now, r.cfg.Retire)
	for _, old := range keys {
		switch {
		case old.verify.id != k.verify.id:
		case !old.revoked.IsZero():
			return fmt.Errorf("token: %w", parseError("token.Key", k.verify.id, "the key was revoked"))
		default:
			return fmt.Errorf("token: %w", duplicate("token.Key", k.verify.id, old.verify.algorithm, k.verify.algorithm))
		}
	}
	if k.sign != nil {
		k.from = from(p, now)
	}
	k.order = nextOrder(keys)
	r.plan.Store(newPlan(append(keys, k), r.cfg.Retire))
	return nil
}

// nextOrder is that of a key which is newer than keys, whenever they began.
func nextOrder(keys []*ringKey) (order int) {
	for _, k := range keys {
		order = max(order, k.order+1)
	}
	return order
}

// Rotate generates a key that begins to sign after the announcement, whatever the
// schedule. It fails without KeyRingConfig.Generate.
func (r *KeyRing) Rotate(ctx context.Context) error {
	if r.cfg.Generate == "" {
		return fmt.Errorf("token: %w", parseError("token.KeyRingConfig.Generate", "", "is needed to rotate; put a key into the ring with Add instead"))
	}
	r.making.Lock()
	e, err := r.make(ctx, func(p *plan, now time.Time) time.Time {
		if p.signing(now) == nil {
			return now
		}
		return now.Add(r.cfg.Announce)
	})
	r.making.Unlock()
	r.record(ctx, e)
	return err
}

// Revoke makes the key worthless at once: what it signed is refused, it is not
// published any more. If it was the one that signs, the next one does at once; if
// there is none, the ring generates one or, if it may not, returns ErrNoSigningKey and
// signs nothing until Add. ErrNoKey if id names none.
func (r *KeyRing) Revoke(ctx context.Context, id string) error {
	now, first, err := r.revoke(id)
	if err != nil {
		return err
	}
	if first {
		r.record(ctx, audit.Event{Time: now, Name: audit.KeyRevoked, Key: id})
	}
	switch {
	case r.plan.Load().signing(r.now()) != nil:
		return nil
	case r.cfg.Generate == "":
		return ErrNoSigningKey
	default:
		return r.fill(ctx)
	}
}

// revoke reports whether it was the first to revoke the key.
func (r *KeyRing) revoke(id string) (now time.Time, first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now = r.now()
	p := r.plan.Load()
	keys := p.remembered(now, r.cfg.Retire)
	i := slices.IndexFunc(keys, func(k *ringKey) bool { return k.verify.id == id })
	switch {
	case i < 0:
		return now, false, ErrNoKey
	case !keys[i].revoked.IsZero():
		return now, false, nil
	}
	signed := p.signing(now)
	keys[i].revoked = now
	if signed != nil && signed.verify.id == id {
		// The next one was announced for a later moment. Until other caches have
		// it, its tokens may be refused there; without it there would be none.
		if next := slices.IndexFunc(keys, func(k *ringKey) bool { return k.state(now) == KeyAnnounced }); next >= 0 {
			keys[next].from, keys[next].order = now, nextOrder(keys)
		}
	}
	r.plan.Store(newPlan(keys, r.cfg.Retire))
	return now, true, nil
}

// Keys describes the keys, in the order in which they sign. Keys that are gone are
// forgotten; revoked ones are kept for as long as what they signed could live.
func (r *KeyRing) Keys() []KeyInfo {
	now := r.now()
	keys := r.plan.Load().remembered(now, r.cfg.Retire)
	infos := make([]KeyInfo, len(keys))
	for i, k := range keys {
		infos[i] = KeyInfo{
			ID: k.verify.id, Algorithm: k.verify.algorithm, State: k.state(now), SignFrom: k.from, VerifyUntil: k.gone,
		}
		if !k.revoked.IsZero() {
			infos[i].VerifyUntil = k.revoked
		}
	}
	return infos
}

// verificationKey implements KeySource. It does not look at the schedule: it is
// called for every token, and a token is no reason to make a key.
func (r *KeyRing) verificationKey(_ context.Context, id string, now time.Time) (*verificationKey, error) {
	k := r.plan.Load().named[id]
	switch {
	case k == nil:
		return nil, errUnknownKey
	case !k.revoked.IsZero():
		return nil, errKeyRevoked
	case k.isGone(now):
		return nil, errUnknownKey
	default:
		return k.verify, nil
	}
}

// maySign reports whether there is or will be a key that signs.
func (r *KeyRing) maySign() bool {
	return r.cfg.Generate != "" || slices.ContainsFunc(r.plan.Load().keys, func(k *ringKey) bool { return k.sign != nil })
}

// trust implements KeySource.
func (r *KeyRing) trust(_ string, algs []Algorithm, bad func(reason string)) {
	now, p := r.now(), r.plan.Load()
	for _, a := range algs {
		if _, known := schemeOf(a); !known || a == r.cfg.Generate {
			continue
		}
		if !slices.ContainsFunc(p.keys, func(k *ringKey) bool { return k.verify.algorithm == a && k.verifies(now) }) {
			bad("the ring has no key for " + string(a))
		}
	}
}

// signingKey returns the key that signs now. ErrNoSigningKey if none may.
func (r *KeyRing) signingKey(ctx context.Context) (*signingKey, error) {
	r.tend(ctx)
	k := r.plan.Load().signing(r.now())
	if k == nil {
		return nil, ErrNoSigningKey
	}
	return k.sign, nil
}

// now is the clock without its monotonic part: a key's times are compared with
// those of other machines, and outlive a suspension.
func (r *KeyRing) now() time.Time { return r.cfg.Now().Round(0) }

func (r *KeyRing) record(ctx context.Context, e audit.Event) {
	if r.cfg.Audit == nil || e.Name == "" {
		return
	}
	e.App = r.cfg.App
	r.cfg.Audit.Record(ctx, e)
}

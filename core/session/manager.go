package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/internal/realm"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Config says how a Manager keeps sessions. The zero value is the strict choice
// and is complete: cookie `__Host-session`, Secure, HttpOnly, SameSite=Lax, 24
// hours idle, 7 days absolute.
type Config struct {
	// App names the application and becomes part of every store key: sessions
	// of one App mean nothing to another on the same store. 1 to 64 of
	// A-Z a-z 0-9 . _ -; default "app".
	App string
	// Cookie says what the session cookie looks like.
	Cookie cookie.Config
	// IdleTimeout ends a logged-in session that nobody uses; it is also the
	// cookie's Max-Age. Default 24 h, at least 1 s, at most 400 days.
	IdleTimeout time.Duration
	// AnonymousIdleTimeout is the same for a session that nobody logged in to.
	// Default 2 h, or IdleTimeout if that is shorter.
	AnonymousIdleTimeout time.Duration
	// AbsoluteTimeout ends every session, used or not. Default 7 days, or
	// IdleTimeout if that is longer. It is never extended.
	AbsoluteTimeout time.Duration
	// TouchInterval is how long the store's idea of "last used" may lag behind:
	// a session that is only read is written at most this often. It must be
	// shorter than both idle timeouts. Default a twentieth of the idle timeout
	// that applies to the session, at least 60 s but never more than half of it.
	TouchInterval time.Duration
	// AccessTokens is how long the access tokens live that the application issues for
	// sessions (token.IssuerConfig.Lifetime), at most 24 h. A log-out then ends them
	// too. Default 0: there are none, or they run out by themselves.
	AccessTokens time.Duration
	// StoreTimeout bounds each store call that may block. Default 2 s.
	StoreTimeout time.Duration
	// MaxDataBytes bounds what one session may hold, names and lengths
	// included. Default 16 KiB, at most 1 MiB.
	MaxDataBytes int
	// SubjectLimit is how many sessions one subject may have. Default 1000, which
	// is no limit for a person and one for a script that logs in for ever; at
	// most 10000.
	SubjectLimit int
	// RefuseAtLimit makes a login fail with ErrLimit when the subject has
	// SubjectLimit sessions. Else the oldest session makes room. Sessions whose
	// cookie never came back go first and do not count for a refusal. It needs
	// SubjectLimit.
	RefuseAtLimit bool
	// Fingerprint says what happens when a session is used from another kind of
	// browser or another network. The zero value tells Audit.
	Fingerprint FingerprintPolicy
	// Secret is what the fleet shares, at least 32 random bytes. Out of it come
	// the keys under which subjects and fingerprints are hashed. With a store in
	// memory (Local) it may be nil: the process then has one of its own.
	Secret []byte
	// Audit receives what happens to sessions. nil discards.
	Audit audit.Sink
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Rand is the source of ids; default crypto/rand.Reader. It must be safe for
	// concurrent use.
	Rand io.Reader
}

const (
	defaultApp           = "app"
	defaultIdle          = 24 * time.Hour
	defaultAnonymousIdle = 2 * time.Hour
	defaultAbsolute      = 7 * 24 * time.Hour
	minTouchInterval     = time.Minute
	defaultStoreTimeout  = 2 * time.Second
	defaultDataBytes     = 16 << 10
	maxDataBytes         = 1 << 20
	defaultSubjectLimit  = 1000
	maxSubjectLimit      = 10_000
	maxAccessTokens      = 24 * time.Hour
	maxIdle              = 400 * 24 * time.Hour // RFC 6265bis section 5.5: browsers cut longer cookies
)

// frozenLife bounds how long an old id keeps its old authority after a renewal:
// long enough for a lost answer or a request in flight, and no longer.
const frozenLife = 60 * time.Second

// Manager decides everything about sessions. Make one with New; the zero value
// does nothing but refuse. It is immutable and safe for concurrent use.
type Manager struct {
	store   Store
	local   bool
	app     string
	appTag  [4]byte
	revoked *revocation.Registry
	prints  printer
	// admit is what a login is let in on, its end excepted; marks: the limit is
	// the application's, so first presentations are noted.
	admit   Admission
	marks   bool
	cookie  *cookie.Spec
	idle    time.Duration
	anon    time.Duration
	ends    time.Duration
	touch   time.Duration // 0: by the idle timeout
	tokens  time.Duration // 0: there are none
	timeout time.Duration
	limit   int
	audit   audit.Sink
	now     func() time.Time
	rand    io.Reader
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError.
func New(store Store, cfg Config) (*Manager, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "session.Config." + field, Value: value, Reason: reason})
	}
	if store == nil {
		errs = append(errs, &core.ConfigError{Field: "session.New.store", Value: "nil",
			Reason: "sessions live in a store; memstore.Default() is the embedded one"})
	}
	setDefault(&cfg.App, defaultApp)
	realm.Check(cfg.App, cfg.Secret, bad)
	if _, local := store.(Local); !local && store != nil && cfg.Secret == nil {
		bad("Secret", "nil", "other processes use the store too, and find a user's sessions only with the same secret")
	}
	setDefault(&cfg.IdleTimeout, defaultIdle)
	setDefault(&cfg.AnonymousIdleTimeout, min(defaultAnonymousIdle, cfg.IdleTimeout))
	setDefault(&cfg.AbsoluteTimeout, max(defaultAbsolute, cfg.IdleTimeout))
	shortest := min(cfg.IdleTimeout, cfg.AnonymousIdleTimeout)
	setDefault(&cfg.StoreTimeout, defaultStoreTimeout)
	setDefault(&cfg.MaxDataBytes, defaultDataBytes)
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"IdleTimeout", cfg.IdleTimeout}, {"AnonymousIdleTimeout", cfg.AnonymousIdleTimeout}} {
		switch {
		case d.value < time.Second:
			bad(d.field, d.value.String(), "must be at least one second: a cookie's Max-Age counts seconds")
		case d.value > maxIdle:
			bad(d.field, d.value.String(), "browsers keep no cookie longer than 400 days")
		case d.value > cfg.AbsoluteTimeout:
			bad(d.field, d.value.String(), "is longer than AbsoluteTimeout ("+cfg.AbsoluteTimeout.String()+")")
		}
	}
	if cfg.AbsoluteTimeout < time.Second {
		bad("AbsoluteTimeout", cfg.AbsoluteTimeout.String(), "must be at least one second")
	}
	if cfg.TouchInterval < 0 || cfg.TouchInterval >= shortest {
		bad("TouchInterval", cfg.TouchInterval.String(), "must be shorter than the idle timeouts, or a session in use would end")
	}
	if cfg.AccessTokens < 0 || cfg.AccessTokens > maxAccessTokens {
		bad("AccessTokens", cfg.AccessTokens.String(), "must be at most 24 h, which is how long an access token may live")
	}
	if cfg.StoreTimeout < 0 {
		bad("StoreTimeout", cfg.StoreTimeout.String(), "must not be negative: a store call without an end would hold requests for ever")
	}
	if cfg.MaxDataBytes < 0 || cfg.MaxDataBytes > maxDataBytes {
		bad("MaxDataBytes", strconv.Itoa(cfg.MaxDataBytes), "must be 1 to 1048576 bytes")
	}
	if cfg.SubjectLimit < 0 || cfg.SubjectLimit > maxSubjectLimit {
		bad("SubjectLimit", strconv.Itoa(cfg.SubjectLimit), "must be 1 to 10000, or 0 for the default")
	}
	if cfg.RefuseAtLimit && cfg.SubjectLimit == 0 {
		bad("RefuseAtLimit", "true", "refuses logins, so SubjectLimit must say from how many sessions on")
	}
	if cfg.Fingerprint > FingerprintIgnore {
		bad("Fingerprint", strconv.Itoa(int(cfg.Fingerprint)), "is none of the policies")
	}
	spec, err := cookie.New(cfg.Cookie)
	if err != nil {
		errs = append(errs, err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("session: %w", errors.Join(errs...))
	}
	secret, err := realm.Secret(cfg.Secret, cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	m := &Manager{
		store: store, app: cfg.App, cookie: spec,
		idle: cfg.IdleTimeout, anon: cfg.AnonymousIdleTimeout, ends: cfg.AbsoluteTimeout, touch: cfg.TouchInterval,
		tokens:  cfg.AccessTokens,
		timeout: cfg.StoreTimeout, limit: cfg.MaxDataBytes, audit: cfg.Audit, now: cfg.Now, rand: cfg.Rand,
		admit: Admission{Max: cmp.Or(cfg.SubjectLimit, defaultSubjectLimit), Refuse: cfg.RefuseAtLimit},
		marks: cfg.SubjectLimit != 0,
	}
	sum := sha256.Sum256([]byte(cfg.App))
	copy(m.appTag[:], sum[:])
	if m.prints, err = newPrinter(cfg.Fingerprint, cfg.App, secret); err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	m.revoked, err = revocation.New(store, revocation.Config{
		App: cfg.App, Secret: secret, Lifetime: cfg.AbsoluteTimeout, StoreTimeout: cfg.StoreTimeout, Audit: cfg.Audit, Now: cfg.Now,
	})
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	_, m.local = store.(Local)
	if r, ok := store.(Reporter); ok {
		r.Report(m.ended)
	}
	return m, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// App returns the application's name.
func (m *Manager) App() string { return m.app }

// Local reports whether the sessions are in this process's own memory.
func (m *Manager) Local() bool { return m.local }

// Revocations returns the registry of what is revoked, on the same store and with
// the same secret: for credentials beside sessions, which end with the same acts.
func (m *Manager) Revocations() *revocation.Registry { return m.revoked }

// Cookie returns the compiled session cookie.
func (m *Manager) Cookie() *cookie.Spec { return m.cookie }

// Request is what a session needs to know of the request that it belongs to. All
// of it must stay valid for as long as the Session is reachable: an adapter for a
// framework that reuses its buffers copies first.
type Request struct {
	// Cookies are the Cookie header lines as received. They are read by Begin
	// and the slice is not kept.
	Cookies []string
	// UserAgent and ClientIP go into audit events and, hashed, into the session's
	// fingerprint. They are a signal and nothing is granted because of them.
	UserAgent string
	ClientIP  netip.Addr
}

// Begin makes s the session of one request. It reads the cookie and asks the
// store nothing. It is for adapters, which embed s in their per-request state and
// later call Finish exactly once.
func (m *Manager) Begin(s *Session, ctx context.Context, r Request) {
	s.m, s.ctx = m, ctx
	s.userAgent, s.clientIP = r.UserAgent, r.ClientIP
	s.presented, s.variants, s.seen = m.cookie.Values(r.Cookies)
}

// storeContext bounds a store call. A write goes on when the client has hung up:
// who clicked "log out" and closed the tab is logged out.
func (m *Manager) storeContext(ctx context.Context, write bool) (context.Context, context.CancelFunc) {
	if m.local {
		return ctx, noCancel
	}
	if write {
		ctx = context.WithoutCancel(ctx)
	}
	return context.WithTimeout(ctx, m.timeout)
}

func noCancel() {}

// idleFor returns the idle timeout that applies to r.
func (m *Manager) idleFor(r *record) time.Duration {
	if r.subject == "" {
		return m.anon
	}
	return m.idle
}

// touchFor returns the touch interval that applies to r.
func (m *Manager) touchFor(r *record) time.Duration {
	if m.touch != 0 {
		return m.touch
	}
	idle := m.idleFor(r)
	return min(max(idle/20, minTouchInterval), idle/2)
}

// entry makes the stored form of r for key.
func (m *Manager) entry(key StoreKey, version uint64, r *record) Entry {
	return Entry{
		Version:   version,
		Expires:   fromMicros(r.deadline(m.idleFor(r))),
		Owner:     r.owner,
		Handle:    r.handle,
		Listed:    r.subject != "" && r.kind == kindLive,
		Presented: r.presented,
		Created:   fromMicros(r.created),
		Value:     r.encode(m.appTag, key),
	}
}

// ended is told by the store that it dropped a record by itself.
func (m *Manager) ended(key StoreKey, e Entry, why Ending) {
	var r record
	if r.open(&e, m.appTag, key) != nil || r.kind != kindLive {
		return // another application's, or a snapshot: neither is a session that ended
	}
	cause := r.expiryCause(m.idleFor(&r))
	switch why {
	case Evicted:
		cause = audit.CauseEvicted
	case Revoked:
		cause = audit.CauseRevoked
	}
	m.record(context.Background(), audit.Event{
		Name: audit.SessionExpired, Cause: cause, Subject: r.subject, Session: r.handle.String(),
	})
}

// record fills in what every event has and hands it to the sink.
func (m *Manager) record(ctx context.Context, e audit.Event) {
	if m.audit == nil {
		return
	}
	e.Time, e.App = m.now(), m.app
	m.audit.Record(ctx, e)
}

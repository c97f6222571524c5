package refresh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/internal/realm"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Issuer signs access tokens. *token.Issuer is one.
type Issuer interface {
	// IssueAnswer signs an access token for p and the client, as part of the answer a,
	// which expires at notAfter at the latest.
	IssueAnswer(ctx context.Context, p core.Principal, client string, a revocation.Answer, notAfter time.Time) (raw string, expires time.Time, err error)
	// Audience is who the tokens are for, Lifetime the longest that they live.
	Audience() string
	Lifetime() time.Duration
}

// Transport says how refresh tokens travel. A token of one is refused in the other.
type Transport uint8

const (
	// Body sends them in JSON, for clients that keep them themselves.
	Body Transport = iota
	// Cookie sends them as a cookie that no script can read, for browsers.
	Cookie
)

// CookieConfig describes the cookie of the transport Cookie:
// __Host-refresh; Path=/; Secure; HttpOnly; SameSite=Strict.
type CookieConfig struct {
	// Name without prefix, as in cookie.Config; default "refresh".
	Name string
	// Embedded is for an application in frames of other sites: SameSite=None and
	// Partitioned, one cookie for each site around it.
	Embedded bool
	// InsecureHTTP is that of cookie.Config: development on the loopback interface.
	InsecureHTTP bool
}

// Config says how a Rotator keeps families.
type Config struct {
	// Issuer signs the access tokens. Compulsory.
	Issuer Issuer
	// Secrets are what the fleet shares to make refresh tokens: at least 32 random
	// bytes each. The first makes new ones, all of them verify: announce a new one
	// last, move it to the front when all nodes have it, drop the old one
	// AbsoluteTimeout later. With a store in memory they may be nil: the process then
	// has one of its own.
	Secrets [][]byte
	// Transport is how refresh tokens travel; default Body. Cookie describes the
	// cookie.
	Transport Transport
	Cookie    CookieConfig
	// PublicOrigin is the origin of the application's pages, as in csrf.Config, and
	// TrustedOrigins are those of others that may log in, refresh and log out with the
	// transport Cookie. Default: the origin that a request was sent to, and none.
	PublicOrigin   string
	TrustedOrigins []string
	// IdleTimeout ends a family that nobody uses; default 14 days or AbsoluteTimeout
	// if that is shorter, at least the lifetime of the access tokens.
	// AbsoluteTimeout ends every family, used or not; default 30 days, at most 400.
	IdleTimeout, AbsoluteTimeout time.Duration
	// Grace is how long a request or an answer may be under way. A token that was
	// replaced is good for that much longer, and a new one is not replaced again for
	// three times as long. Default 10 s, or 30 s if not Wired; at most 60 s; negative is
	// none, and two tabs then log each other out.
	Grace time.Duration
	// Wired lists the issuer's audience if all of its verifiers have a Registry on the
	// same store (token.TrustedIssuer.Revocations), or ask one that has by
	// introspection. An answer that was lost may then be repeated for 24 hours and
	// not only for Grace, because an access token that somebody used shows.
	Wired []string
	// SubjectStatus, if set, is asked before every refresh whether the subject may
	// still have access, and to what. An error is one that wraps core.ErrUnknown
	// for the client.
	SubjectStatus func(ctx context.Context, subject string) (Status, error)
	// SubjectLimit is how many families one subject may have; those that expire first
	// make room. Default 100, at most 10000.
	SubjectLimit int
	// Limiter, if set, bounds how often a family is refreshed, see PerFamily.
	Limiter Limiter
	// StoreTimeout bounds each store call that may block. Default 2 s.
	StoreTimeout time.Duration
	// Audit receives what happens to families. nil discards.
	Audit audit.Sink
	// Now is the clock of events; families go by the store's. Default time.Now.
	Now func() time.Time
	// Rand is the source of handles; default crypto/rand.Reader.
	Rand io.Reader
}

// Status is what the application says of a subject now.
type Status struct {
	// Disabled ends the family.
	Disabled bool
	// Roles are those that the subject has now. Scopes are all that it may have; of
	// those that the login was granted, the others are left out. nil is none.
	Roles, Scopes []string
}

const (
	defaultAbsolute = 30 * 24 * time.Hour
	defaultIdle     = 14 * 24 * time.Hour
	maxAbsolute     = 400 * 24 * time.Hour // RFC 6265bis section 5.5: browsers cut longer cookies
	defaultGrace    = 10 * time.Second
	unwiredGrace    = 30 * time.Second
	maxGrace        = 60 * time.Second
	defaultLimit    = 100
	maxLimit        = 10_000
	defaultTimeout  = 2 * time.Second
)

// Rotator gives out refresh tokens and decides about them. It is immutable and safe for
// concurrent use. Make one with New.
type Rotator struct {
	cfg      Config
	registry *revocation.Registry
	store    Store
	local    bool
	wired    bool
	rules    Rules
	ring     ring
	cookie   *cookie.Spec // nil with Body
}

// New compiles cfg. Families live in the registry's store, with what revokes them; it
// has to be a Store. The error joins every mistake, each a *core.ConfigError.
func New(registry *revocation.Registry, cfg Config) (*Rotator, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "refresh." + field, Value: value, Reason: reason})
	}
	r := &Rotator{registry: registry}
	app := ""
	if registry == nil {
		bad("New.registry", "nil", "session.Manager.Revocations has one, revocation.New makes one")
	} else {
		app = registry.App()
		r.store, _ = registry.Store().(Store)
		_, r.local = registry.Store().(revocation.Local)
		if r.store == nil {
			bad("New.registry", fmt.Sprintf("%T", registry.Store()), "its store keeps no refresh families")
		}
	}
	cfg.defaults()
	cfg.check(bad)
	r.wired = len(cfg.Wired) > 0
	r.rules = Rules{Grace: max(cfg.Grace, 0), Wired: r.wired}
	if cfg.Issuer != nil {
		r.rules.Denied = cfg.Issuer.Lifetime() + revocation.Margin
	}
	if cfg.Secrets == nil && !r.local && r.store != nil {
		bad("Config.Secrets", "nil", "other processes use the store too, and refuse each other's tokens without a common secret")
	}
	if cfg.Transport == Cookie {
		var err error
		if r.cookie, err = cfg.Cookie.compile(); err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	if r.ring, err = newRing(app, cfg.Transport, cfg.Secrets, bad); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("refresh: %w", errors.Join(errs...))
	}
	r.cfg = cfg
	r.cfg.Secrets = nil
	return r, nil
}

func (c *Config) defaults() {
	if c.AbsoluteTimeout == 0 {
		c.AbsoluteTimeout = max(defaultAbsolute, c.IdleTimeout)
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = min(defaultIdle, c.AbsoluteTimeout)
	}
	if c.Grace == 0 {
		c.Grace = defaultGrace
		if len(c.Wired) == 0 {
			c.Grace = unwiredGrace
		}
	}
	if c.SubjectLimit == 0 {
		c.SubjectLimit = defaultLimit
	}
	if c.StoreTimeout == 0 {
		c.StoreTimeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
}

func (c *Config) check(bad func(field, value, reason string)) {
	if c.Issuer == nil {
		bad("Config.Issuer", "nil", "compulsory: something must sign the access tokens")
	} else {
		for i, audience := range c.Wired {
			if audience != c.Issuer.Audience() || i > 0 {
				bad("Config.Wired["+strconv.Itoa(i)+"]", audience, "is there twice, or is not the issuer's audience, which is "+c.Issuer.Audience())
			}
		}
		if c.IdleTimeout < c.Issuer.Lifetime() {
			bad("Config.IdleTimeout", c.IdleTimeout.String(), "is shorter than an access token lives, which is "+c.Issuer.Lifetime().String())
		}
	}
	for i, secret := range c.Secrets {
		realm.Check("x", secret, func(_, value, reason string) {
			bad("Config.Secrets["+strconv.Itoa(i)+"]", value, reason)
		})
		if secret == nil {
			bad("Config.Secrets["+strconv.Itoa(i)+"]", "nil", "must be at least 32 random bytes")
		}
	}
	if c.Secrets != nil && len(c.Secrets) == 0 {
		bad("Config.Secrets", "empty", "one must make the tokens; nil is the process's own")
	}
	if c.Transport > Cookie {
		bad("Config.Transport", strconv.Itoa(int(c.Transport)), "is none of the transports")
	}
	if c.Transport == Body && c.Cookie != (CookieConfig{}) {
		bad("Config.Cookie", fmt.Sprintf("%+v", c.Cookie), "describes a cookie that the transport Body does not set")
	}
	if c.Transport == Body && (c.PublicOrigin != "" || c.TrustedOrigins != nil) {
		bad("Config.PublicOrigin", c.PublicOrigin, "guards a cookie that the transport Body does not set; so does TrustedOrigins")
	}
	if c.AbsoluteTimeout > maxAbsolute {
		bad("Config.AbsoluteTimeout", c.AbsoluteTimeout.String(), "must be at most 400 days")
	}
	if c.IdleTimeout > c.AbsoluteTimeout || c.IdleTimeout < time.Second {
		bad("Config.IdleTimeout", c.IdleTimeout.String(), "must be 1 s to AbsoluteTimeout, which is "+c.AbsoluteTimeout.String())
	}
	if c.Grace > maxGrace {
		bad("Config.Grace", c.Grace.String(), "must be at most 60 s: so long may a thief use a token that was replaced")
	}
	if c.SubjectLimit < 0 || c.SubjectLimit > maxLimit {
		bad("Config.SubjectLimit", strconv.Itoa(c.SubjectLimit), "must be 1 to 10000, or 0 for the default")
	}
	if c.StoreTimeout < 0 {
		bad("Config.StoreTimeout", c.StoreTimeout.String(), "must not be negative: a store call without an end would hold requests for ever")
	}
}

func (c CookieConfig) compile() (*cookie.Spec, error) {
	out := cookie.Config{Name: c.Name, SameSite: cookie.SameSiteStrict, InsecureHTTP: c.InsecureHTTP}
	if out.Name == "" {
		out.Name = "refresh"
	}
	if c.Embedded {
		out.SameSite, out.Partitioned = cookie.SameSiteNone, true
	}
	return cookie.New(out)
}

// Cookie returns the compiled cookie, nil with the transport Body.
func (r *Rotator) Cookie() *cookie.Spec { return r.cookie }

// Origins returns Config.PublicOrigin and Config.TrustedOrigins.
func (r *Rotator) Origins() (public string, trusted []string) {
	return r.cfg.PublicOrigin, slices.Clone(r.cfg.TrustedOrigins)
}

// Revocations returns the registry that New was given.
func (r *Rotator) Revocations() *revocation.Registry { return r.registry }

// Now returns the time by Config.Now.
func (r *Rotator) Now() time.Time { return r.cfg.Now() }

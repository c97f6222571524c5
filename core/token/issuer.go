package token

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// The errors of a ring and of an issuer.
var (
	ErrNoSigningKey = errors.New("token: no key may sign just now")
	ErrNoKey        = errors.New("token: the ring has no such key")
)

// IssuerConfig says what an Issuer puts into its tokens.
type IssuerConfig struct {
	// Name is the iss claim. Compulsory; a URL by custom, and one for
	// RemoteKeys to discover.
	Name string
	// Audience is the aud claim: who the tokens are for. Compulsory.
	Audience string
	// Keys signs. Compulsory.
	Keys *KeyRing
	// Lifetime is exp minus iat, of which up to 5 % are cut at random, so that
	// what was issued together does not expire together. Default 900 s; at least
	// 1 s, at most 24 h, and with the leeway of 30 s at most Keys' Retire.
	Lifetime time.Duration
	// Revocations is where the epoch of a Grant without a session comes from. nil:
	// the epoch is zero.
	Revocations *revocation.Registry
	// Audit receives what is issued. nil discards.
	Audit audit.Sink
	// App names the application in events; default "app".
	App string
	// Now is the clock; default time.Now. Rand is the random source; default
	// crypto/rand.
	Now  func() time.Time
	Rand io.Reader
}

// Grant is what a token is issued for.
type Grant struct {
	// Principal is who it is for, typically as PrincipalFrom returned it: sub, sid,
	// sep, auth_time, roles, scope, and amr from Method. Subject is compulsory. A
	// Principal without a Session gets a handle of its own.
	core.Principal
	// ClientID is the client_id claim of RFC 9068; "" leaves it out.
	ClientID string
	// Audience replaces IssuerConfig.Audience if not empty.
	Audience string
	// Lifetime is shorter than IssuerConfig.Lifetime if not 0.
	Lifetime time.Duration
	// Private, if not nil, is a struct or map of further claims. A name that is, but
	// for its case, one of Claims is an error.
	Private any

	answer revocation.Answer
}

// Issued is a token and what its holder may know of it.
type Issued struct {
	// Token is the compact serialisation.
	Token string
	// ID is the jti, Session the sid.
	ID, Session string
	// Expires is exp.
	Expires time.Time
}

// Issuer signs access tokens. It is immutable and safe for concurrent use.
type Issuer struct {
	cfg IssuerConfig
}

const (
	defaultLifetime = 900 * time.Second
	maxLifetime     = 24 * time.Hour
	// usualLeeway is what verifiers let a token live on, by default.
	usualLeeway = 30 * time.Second
	// maxIssuedBytes is what a Verifier takes by default, and about what servers
	// take as a header.
	maxIssuedBytes = 8192
	// shorten is the part of a lifetime that may be cut: one in shorten.
	shorten = 20
)

// NewIssuer compiles cfg. The error joins every mistake, each a *core.ConfigError.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Lifetime == 0 {
		cfg.Lifetime = defaultLifetime
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
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, parseError("token.IssuerConfig."+field, value, reason))
	}
	realm.Check(cfg.App, nil, bad)
	if cfg.Name == "" || !utf8.ValidString(cfg.Name) {
		bad("Name", cfg.Name, "is compulsory, in UTF-8: verifiers compare it")
	}
	if cfg.Audience == "" || !utf8.ValidString(cfg.Audience) {
		bad("Audience", cfg.Audience, "is compulsory, in UTF-8: a token for everybody is a token for an attacker's service too")
	}
	switch {
	case cfg.Keys == nil:
		bad("Keys", "nil", "is compulsory: something must sign")
	case !cfg.Keys.maySign():
		bad("Keys", "", "holds no key that can sign")
	}
	switch {
	case cfg.Lifetime < time.Second || cfg.Lifetime > maxLifetime:
		bad("Lifetime", cfg.Lifetime.String(), "must be 1 s to 24 h")
	case cfg.Keys != nil && cfg.Lifetime+usualLeeway > cfg.Keys.cfg.Retire:
		bad("Lifetime", cfg.Lifetime.String(), "with a leeway of 30 s it is longer than KeyRingConfig.Retire, which is "+
			cfg.Keys.cfg.Retire.String()+": tokens would outlive their key")
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("token: %w", errors.Join(errs...))
	}
	return &Issuer{cfg}, nil
}

// Issue signs a token. An error that wraps core.ErrUnknown if the epoch could not be
// read, ErrNoSigningKey, the Signer's, or *core.ConfigErrors about the Grant.
func (i *Issuer) Issue(ctx context.Context, g Grant) (Issued, error) {
	if g.Audience == "" {
		g.Audience = i.cfg.Audience
	}
	if g.Lifetime == 0 {
		g.Lifetime = i.cfg.Lifetime
	}
	private, err := i.check(g)
	if err != nil {
		return Issued{}, fmt.Errorf("token: %w", err)
	}
	if g.Session == "" && i.cfg.Revocations != nil {
		if g.Epoch, err = i.cfg.Revocations.Epoch(ctx, g.Subject); err != nil {
			return Issued{}, err
		}
		if err := checkEpoch(g.Epoch); err != nil {
			return Issued{}, fmt.Errorf("token: %w", err)
		}
	}
	key, err := i.cfg.Keys.signingKey(ctx)
	if err != nil {
		return Issued{}, err
	}
	now := i.cfg.Now()
	issued, expires, err := i.identify(g, now)
	if err != nil {
		return Issued{}, err
	}
	g.Session = issued.Session
	claims := appendClaims(nil, i.cfg.Name, g, issued.ID, now.Unix(), expires)
	input := key.header + "." + base64.RawURLEncoding.EncodeToString(withPrivate(claims, private))
	sig, err := key.sign(i.cfg.Rand, input)
	if err != nil {
		return Issued{}, err
	}
	issued.Token = input + "." + base64.RawURLEncoding.EncodeToString(sig)
	if n := len(issued.Token); n > maxIssuedBytes {
		return Issued{}, fmt.Errorf("token: %w", parseError("token.Grant", strconv.Itoa(n)+" bytes",
			"the token is longer than the 8192 bytes that are accepted"))
	}
	i.record(ctx, g, now)
	return issued, nil
}

// IssueAnswer issues the access token of one answer of a refresh family, which expires at
// notAfter at the latest: an error if that is less than a second ahead. It makes an Issuer
// a refresh.Issuer.
func (i *Issuer) IssueAnswer(ctx context.Context, p core.Principal, client string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	left := notAfter.Sub(i.cfg.Now())
	if err := checkAnswer(a, left); err != nil {
		return "", time.Time{}, fmt.Errorf("token: %w", err)
	}
	issued, err := i.Issue(ctx, Grant{Principal: p, ClientID: client, Lifetime: min(i.cfg.Lifetime, left), answer: a})
	return issued.Token, issued.Expires, err
}

// Audience and Lifetime return those of the IssuerConfig.
func (i *Issuer) Audience() string { return i.cfg.Audience }

// Lifetime is like Audience.
func (i *Issuer) Lifetime() time.Duration { return i.cfg.Lifetime }

// identify makes up what is random about a token. A random source that fails or
// falls short is an error, never a weaker name.
func (i *Issuer) identify(g Grant, now time.Time) (issued Issued, expires int64, err error) {
	var b [24]byte
	if _, err := io.ReadFull(i.cfg.Rand, b[:]); err != nil {
		return Issued{}, 0, fmt.Errorf("token: no random jti: %w", err)
	}
	issued.ID = uuid([16]byte(b[:16]))
	// Whole seconds, so that exp is never after the lifetime that was asked for.
	lifetime := int64(g.Lifetime / time.Second)
	cut := binary.BigEndian.Uint64(b[16:]) % uint64(lifetime/shorten+1)
	expires = now.Unix() + lifetime - int64(cut)
	issued.Expires = time.Unix(expires, 0).UTC()
	if issued.Session = g.Session; issued.Session == "" {
		h, err := revocation.NewHandle(i.cfg.Rand)
		if err != nil {
			return Issued{}, 0, fmt.Errorf("token: %w", err)
		}
		issued.Session = h.String()
	}
	return issued, expires, nil
}

// uuid is a version 4 UUID (RFC 9562 section 5.4) out of random bytes.
func uuid(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (i *Issuer) record(ctx context.Context, g Grant, now time.Time) {
	if i.cfg.Audit == nil {
		return
	}
	i.cfg.Audit.Record(ctx, audit.Event{
		Time: now, Name: audit.TokenCreated, App: i.cfg.App, Subject: g.Subject, Session: g.Session, Method: g.Method,
	})
}

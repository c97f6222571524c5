package token

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// VerifierConfig says which tokens a Verifier accepts.
type VerifierConfig struct {
	// App names the application: the realm of its challenges and in its events.
	// Default "app".
	App string
	// Audience is what a token's aud must be. Compulsory, compared byte for byte.
	Audience string
	// AllowOtherAudiences accepts a token whose aud lists others beside Audience.
	// By default it is refused: each of them could use it here.
	AllowOtherAudiences bool
	// Issuers are whose tokens are accepted, at least one.
	Issuers []TrustedIssuer
	// Leeway is how far clocks may differ: exp, nbf, iat. Default 30 s, at most 5
	// minutes; negative means none.
	Leeway time.Duration
	// MaxTokenBytes is how long a token may be. Default 8192, at most 65536.
	MaxTokenBytes int
	// CacheBytes bounds the memory of the verified-token cache, which saves parsing
	// and signature of a token seen before and nothing else. Default 32 MiB, which is
	// room for some 17,000 tokens of 500 bytes; negative: no cache.
	CacheBytes int
	// Audit receives what is refused, with the fine reason. nil discards.
	Audit audit.Sink
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// TrustedIssuer is one issuer and what its tokens are verified with. Keys of one
// issuer never verify the tokens of another.
type TrustedIssuer struct {
	// Name is what the iss claim must be. Compulsory, compared byte for byte.
	Name string
	// Algorithms are those that may be used. Compulsory; a key's own algorithm must
	// be among them and be the token's.
	Algorithms []Algorithm
	// Keys is a *KeyRing or a *RemoteKeys. Compulsory, and no other issuer's. HS256
	// needs a ring with a key of its own for it.
	Keys KeySource
	// Type is what the typ header must be, "application/" before it or not (RFC
	// 8725 section 3.11). Default "at+jwt" (RFC 9068). For an issuer that marks
	// its access tokens as "JWT", make sure that no other kind of token of its has
	// this audience.
	Type string
	// Revocations, if set, is asked about every token, which must then carry sid, and
	// told of those that came from a refresh family when they are first seen. It is
	// for an issuer of this suite with the same App, secret and store.
	Revocations *revocation.Registry
	// Introspection, if set, is asked in place of Revocations, by a service that does
	// not share them. It must not be another issuer's.
	Introspection *Introspection
	// Principal, if set, says who a token is for, instead of the claims sub, sid,
	// roles, scope, amr and auth_time: for issuers that say it otherwise. The
	// token's own Principal is still what those claims say. It is called once for
	// a token that is otherwise accepted; an error refuses it, and so does an empty
	// Subject. An error that wraps core.ErrUnknown is Verify's.
	Principal func(*Token) (core.Principal, error)
}

const (
	defaultLeeway   = 30 * time.Second
	maxLeeway       = 5 * time.Minute
	defaultMaxToken = 8 << 10
	minMaxToken     = 256
	maxMaxToken     = 64 << 10
	defaultCache    = 32 << 20
	defaultType     = "at+jwt"
)

// Verifier accepts access tokens. It is safe for concurrent use.
type Verifier struct {
	cfg     VerifierConfig
	issuers map[string]*trusted
	cache   *cache // nil: none
}

// NewVerifier compiles cfg. The error joins every mistake, each a *core.ConfigError.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "token.VerifierConfig." + field, Value: value, Reason: reason})
	}
	if cfg.App == "" {
		cfg.App = "app"
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = defaultLeeway
	}
	if cfg.MaxTokenBytes == 0 {
		cfg.MaxTokenBytes = defaultMaxToken
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = defaultCache
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	// The realm stands in quotes.
	realm.Check(cfg.App, nil, bad)
	switch {
	case cfg.Audience == "":
		bad("Audience", "", "compulsory: without it, tokens for any other service would be accepted here")
	case !utf8.ValidString(cfg.Audience):
		bad("Audience", cfg.Audience, "is not UTF-8, so no token can say it")
	}
	if cfg.Leeway > maxLeeway {
		bad("Leeway", cfg.Leeway.String(), "must be at most "+maxLeeway.String()+": clocks that differ by more must be set right")
	}
	if cfg.MaxTokenBytes < minMaxToken || cfg.MaxTokenBytes > maxMaxToken {
		bad("MaxTokenBytes", strconv.Itoa(cfg.MaxTokenBytes), fmt.Sprintf("must be %d to %d", minMaxToken, maxMaxToken))
	}
	if len(cfg.Issuers) == 0 {
		bad("Issuers", "", "at least one is compulsory")
	}
	v := &Verifier{cfg: cfg, issuers: make(map[string]*trusted, len(cfg.Issuers))}
	v.cfg.Issuers = nil // compiled below; the slice stays the caller's
	v.cfg.Leeway = max(v.cfg.Leeway, 0)
	sources, asked := map[KeySource]bool{}, map[*Introspection]bool{}
	for n, i := range cfg.Issuers {
		field := "Issuers[" + strconv.Itoa(n) + "]."
		t := compile(i, func(f, value, reason string) { bad(field+f, value, reason) })
		if i.Name != "" && v.issuers[i.Name] != nil {
			bad(field+"Name", i.Name, "is there twice")
		}
		if !missing(i.Keys) {
			if sources[i.Keys] {
				bad(field+"Keys", "", "are another issuer's: keys of one never verify the tokens of another (RFC 8725 section 3.8)")
			}
			sources[i.Keys] = true
		}
		if i.Introspection != nil {
			if asked[i.Introspection] {
				bad(field+"Introspection", "", "is another issuer's: nobody speaks for the tokens of others")
			}
			asked[i.Introspection] = true
		}
		v.issuers[i.Name] = t
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("token: %w", errors.Join(errs...))
	}
	if cfg.CacheBytes > 0 {
		v.cache = newCache(cfg.CacheBytes)
	}
	return v, nil
}

// compile reports through bad what is wrong with i.
func compile(i TrustedIssuer, bad func(field, value, reason string)) *trusted {
	t := &trusted{keys: i.Keys, revocations: i.Revocations, introspection: i.Introspection, principal: i.Principal}
	switch {
	case i.Name == "":
		bad("Name", "", "compulsory: it is what the iss claim is compared with")
	case !utf8.ValidString(i.Name):
		bad("Name", i.Name, "is not UTF-8, so no token can say it")
	}
	if len(i.Algorithms) == 0 {
		bad("Algorithms", "", "compulsory: a token never chooses freely how it is verified (RFC 8725 section 3.1)")
	}
	for _, a := range i.Algorithms {
		if _, known := schemeOf(a); !known {
			reason := "must be one of RS256, PS256, ES256, ES384, EdDSA, HS256, as written here"
			if equalFoldASCII(string(a), "none") {
				reason = "an unsigned token proves nothing (RFC 8725 section 3.2)"
			}
			bad("Algorithms", string(a), reason)
			continue
		}
		if t.method(string(a)) != nil {
			bad("Algorithms", string(a), "is there twice")
			continue
		}
		t.algorithms = append(t.algorithms, a)
	}
	if missing(i.Keys) {
		bad("Keys", "", "compulsory: a *KeyRing or a *RemoteKeys")
	} else {
		i.Keys.trust(i.Name, t.algorithms, func(reason string) { bad("Keys", "", reason) })
	}
	switch {
	case i.Introspection == nil:
	case i.Introspection.client == nil:
		bad("Introspection", "", "must come from NewIntrospection")
	case i.Revocations != nil:
		bad("Introspection", "", "must not stand beside Revocations: who has the registry asks it, and at once")
	}
	if i.Type == "" {
		i.Type = defaultType
	}
	if t.subtype = subtype(i.Type); !isSubtype(t.subtype) {
		bad("Type", i.Type, `must be a media type such as "at+jwt" or "application/at+jwt" (RFC 6838 section 4.2)`)
	}
	return t
}

// missing reports whether there is no source, be it one with a type.
func missing(s KeySource) bool {
	switch s := s.(type) {
	case *KeyRing:
		return s == nil
	case *RemoteKeys:
		return s == nil
	default:
		return s == nil
	}
}

// Verify returns the token that raw is. Every other outcome is an error: a *Refusal,
// which is ErrInvalid, ErrExpired or ErrRevoked, or one that wraps core.ErrUnknown
// if it could not be checked just now. It keeps no part of raw, only copies.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	if len(raw) > v.cfg.MaxTokenBytes {
		return nil, refusedSize
	}
	now := v.cfg.Now()
	if v.cache != nil {
		if e := v.cache.get(raw); e != nil {
			switch key, err := e.from.key(ctx, e.key.id, now); {
			case errors.Is(err, core.ErrUnknown):
				return nil, err
			case err == nil && key == e.key:
				if err := v.current(ctx, raw, e.token, e.from, now, false); err != nil {
					return nil, err
				}
				return e.token, nil
			}
			// Its key is gone, or another one goes by that name.
			v.cache.drop(e)
		}
	}
	t, key, issuer, err := v.authentic(ctx, raw, now)
	if err != nil {
		return nil, err
	}
	if err := v.current(ctx, raw, t, issuer, now, true); err != nil {
		return nil, err
	}
	if err := issuer.identify(t); err != nil {
		return nil, err
	}
	if v.cache != nil {
		v.cache.put(raw, t, key, issuer, func(t *Token) bool { return over(t.claims.Expires, now, v.cfg.Leeway) })
	}
	return t, nil
}

// App returns VerifierConfig.App.
func (v *Verifier) App() string { return v.cfg.App }

// Audience returns VerifierConfig.Audience.
func (v *Verifier) Audience() string { return v.cfg.Audience }

// Fresh reports whether the token's subject proved itself at most maxAge ago. A
// token without auth_time is never fresh.
func (v *Verifier) Fresh(t *Token, maxAge time.Duration) bool {
	if t == nil || t.principal.AuthTime.IsZero() {
		return false
	}
	age := v.cfg.Now().Sub(t.principal.AuthTime)
	return age >= -v.cfg.Leeway && age <= maxAge
}

// Record tells the sink about a request with a token, or with one that was refused
// with err; t may be nil. For guards and adapters.
func (v *Verifier) Record(ctx context.Context, name audit.Name, cause audit.Cause, t *Token, ip netip.Addr, userAgent string, err error) {
	if v.cfg.Audit == nil {
		return
	}
	e := audit.Event{
		Time: v.cfg.Now(), Name: name, Cause: cause, App: v.cfg.App,
		ClientIP: ip, UserAgent: audit.UserAgent(userAgent), Err: err,
	}
	if t != nil {
		e.Subject, e.Session = t.principal.Subject, t.principal.Session
	}
	v.cfg.Audit.Record(ctx, e)
}

package token

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/strict"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// trusted is a TrustedIssuer, compiled.
type trusted struct {
	algorithms    []Algorithm
	keys          KeySource
	subtype       string
	revocations   *revocation.Registry
	introspection *Introspection
	principal     func(*Token) (core.Principal, error)
}

// method returns what verifies signatures of the algorithm, or nil if the issuer does
// not use it. Names are compared with a list of what is allowed, and exactly (RFC 8725
// section 3.1).
func (i *trusted) method(alg string) jwt.SigningMethod {
	for _, a := range i.algorithms {
		if string(a) == alg {
			s, _ := schemeOf(a)
			return s.method
		}
	}
	return nil
}

// key asks for a key. A Refusal, or an error that wraps core.ErrUnknown.
func (i *trusted) key(ctx context.Context, id string, now time.Time) (*verificationKey, error) {
	key, err := i.keys.verificationKey(ctx, id, now)
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, errKeyRevoked):
		return nil, refusedKeyRevoked
	case errors.Is(err, errUnknownKey):
		return nil, refusedKidUnknown
	default:
		return nil, unknown(err)
	}
}

// unknown is err as one of the third kind: what is not an answer is not a no.
func unknown(err error) error {
	if errors.Is(err, core.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", core.ErrUnknown, err)
}

// authentic is the part of the verification that a token needs once: whatever an
// authentic token says, this is what is known of it, with the key that signed it.
func (v *Verifier) authentic(ctx context.Context, raw string, now time.Time) (*Token, *verificationKey, *trusted, error) {
	header64, payload64, signature64, fault := strict.Split(raw)
	switch fault {
	case strict.OK:
	case strict.Alphabet:
		return nil, nil, nil, refusedAlphabet
	default:
		return nil, nil, nil, refusedSegments
	}
	text, ok := strict.Text(header64)
	if !ok {
		return nil, nil, nil, refusedHeaderText
	}
	header, refusal := parseHeader(text)
	if refusal != nil {
		return nil, nil, nil, refusal
	}
	payload, ok := strict.Text(payload64)
	if !ok {
		return nil, nil, nil, refusedPayloadText
	}
	set, refusal := findClaims(payload)
	if refusal != nil {
		return nil, nil, nil, refusal
	}
	// The one claim that is used unverified, and for nothing but choosing among
	// the configured issuers, whose keys then have to bear it out.
	name, ok := set.iss.Text()
	if !ok {
		return nil, nil, nil, refusedIss
	}
	issuer := v.issuers[name]
	if issuer == nil {
		return nil, nil, nil, refusedIssMismatch
	}
	method := issuer.method(header.alg)
	if method == nil {
		return nil, nil, nil, refusedAlg
	}
	if !equalFoldASCII(subtype(header.typ), issuer.subtype) {
		return nil, nil, nil, refusedTyp
	}
	key, err := issuer.key(ctx, header.kid, now)
	if err != nil {
		return nil, nil, nil, err
	}
	if string(key.algorithm) != header.alg {
		return nil, nil, nil, refusedKeyAlg
	}
	if !signedBy(method, key.key, raw[:len(header64)+1+len(payload64)], signature64) {
		return nil, nil, nil, refusedSignature
	}
	t := &Token{payload: payload}
	if refusal := set.read(&t.claims); refusal != nil {
		return nil, nil, nil, refusal
	}
	if !v.isFor(t.claims.Audience) {
		return nil, nil, nil, refusedAudMismatch
	}
	t.principal = t.claims.principal()
	if issuer.revocations != nil {
		if t.credential, err = issuer.revocations.Credential(t.claims.named()); err != nil {
			return nil, nil, nil, refusedSid // which an absent sid is too
		}
	}
	return t, key, issuer, nil
}

// signedBy verifies the signature of a compact serialisation.
func signedBy(method jwt.SigningMethod, key any, signed, signature64 string) bool {
	signature, ok := strict.Bytes(signature64)
	return ok && method.Verify(signed, signature, key) == nil
}

// isFor reports whether a token for these is for us.
func (v *Verifier) isFor(audience []string) bool {
	ours := false
	for _, a := range audience {
		if a == v.cfg.Audience {
			ours = true
		} else if !v.cfg.AllowOtherAudiences {
			return false
		}
	}
	return ours
}

// current is the part of the verification that is done each time. Expiry comes last of
// what the token itself says: it is the one reason that clients are told, and a token
// that is wrong otherwise must not be taken for one to renew. first says that it has not
// been accepted here before.
func (v *Verifier) current(ctx context.Context, raw string, t *Token, issuer *trusted, now time.Time, first bool) error {
	c := &t.claims
	horizon := now.Add(v.cfg.Leeway)
	switch {
	case c.IssuedAt.After(horizon):
		return refusedIatFuture
	case c.NotBefore.After(horizon):
		return refusedNbfFuture
	case c.AuthTime.After(horizon):
		return refusedAuthFuture
	case over(c.Expires, now, v.cfg.Leeway):
		return refusedExpired
	case issuer.introspection != nil:
		err := issuer.introspection.check(ctx, raw, t, now)
		if errors.Is(err, ErrRevoked) && over(c.Expires, now, -v.cfg.Leeway) {
			// To an issuer without leeway, or whose clock is ahead, it is over, and
			// that is all it can say. Its client must renew it, not log in again.
			return refusedExpired
		}
		return err
	case issuer.revocations == nil:
		return nil
	}
	var err error
	if first {
		// Before Check: an answer that voids this token from here on finds its
		// generation confirmed, so whoever holds both is exposed.
		err = issuer.revocations.Sight(ctx, &t.credential)
	}
	if err == nil {
		err = issuer.revocations.Check(ctx, &t.credential)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, revocation.ErrRevoked):
		return refusedRevoked
	default:
		return unknown(err)
	}
}

// identify asks the application who t is for.
func (i *trusted) identify(t *Token) error {
	if i.principal == nil {
		return nil
	}
	p, err := i.principal(t)
	switch {
	case errors.Is(err, core.ErrUnknown):
		return err
	case err != nil || p.Subject == "":
		return refusedPrincipal
	}
	t.principal = clonePrincipal(p)
	return nil
}

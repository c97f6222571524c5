package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
)

// Key is a key to put into a KeyRing: one key for one algorithm. Its name, the kid
// of its tokens, is always its RFC 7638 thumbprint; that of a shared secret is a MAC
// under it.
type Key struct {
	// Algorithm is the one algorithm of the key. Compulsory.
	Algorithm Algorithm
	// Signer signs: an *rsa.PrivateKey, an *ecdsa.PrivateKey, an
	// ed25519.PrivateKey, or what a KMS or HSM offers in their place. ECDSA
	// signatures are expected as ASN.1, as crypto.Signer says. nil: the key only
	// verifies.
	Signer crypto.Signer
	// Public is the public half; default Signer.Public().
	Public crypto.PublicKey
	// SignFrom is when the key begins to sign, until the next one does. Between
	// being put into the ring and that moment it is announced: published, so that
	// verifiers elsewhere have it in time. Zero: at once; among the keys that a ring
	// begins with, before those that have a time, so that a process which starts
	// again does not go back to an old key. Of several with one moment the last is
	// the newest.
	SignFrom time.Time
	// VerifyUntil is when a key without a Signer is gone. Zero: never.
	VerifyUntil time.Time

	secret []byte // of HS256
}

// SharedSecretKey makes the key of HS256 out of secret, at least 32 random bytes
// (RFC 7518 section 3.2: as long as the hash). The error is a *core.ConfigError.
func SharedSecretKey(secret []byte) (Key, error) {
	if len(secret) < minSecretLen {
		return Key{}, parseError("token.SharedSecretKey.secret", strconv.Itoa(len(secret))+" bytes",
			"must be at least 32 random bytes (RFC 7518 section 3.2)")
	}
	return Key{Algorithm: HS256, secret: bytes.Clone(secret)}, nil
}

func parseError(field, value, reason string) error {
	return &core.ConfigError{Field: field, Value: value, Reason: reason}
}

// checkAsymmetric refuses what no PEM or JWK may be read for. Taking a public key
// for a shared secret is the classic confusion (RFC 8725 section 2.1).
func checkAsymmetric(field string, a Algorithm) error {
	switch s, known := schemeOf(a); {
	case !known:
		return parseError(field, string(a), reasonUnknown)
	case s.family == familyOct:
		return parseError(field, string(a), "a shared secret goes through SharedSecretKey")
	default:
		return nil
	}
}

const reasonUnknown = "must be RS256, PS256, ES256, ES384, EdDSA or HS256"

// compiled is a key that passed every check.
type compiled struct {
	verify *verificationKey
	sign   *signingKey // nil: it only verifies
	jwk    string      // as published; empty for a shared secret
}

// compile checks k and tries it out. The error joins every mistake, each a
// *core.ConfigError below field.
func (k Key) compile(field string, rand io.Reader) (*compiled, error) {
	var errs []error
	bad := func(name, value, reason string) {
		errs = append(errs, parseError(field+"."+name, value, reason))
	}
	s, known := schemeOf(k.Algorithm)
	signs := k.Signer != nil || k.secret != nil
	if !known {
		bad("Algorithm", string(k.Algorithm), reasonUnknown)
	}
	if signs && !k.VerifyUntil.IsZero() {
		bad("VerifyUntil", k.VerifyUntil.String(), "is for keys without a Signer; one with a Signer is gone when the ring retires it")
	}
	if !signs && !k.SignFrom.IsZero() {
		bad("SignFrom", k.SignFrom.String(), "a key without a Signer never signs")
	}
	var c *compiled
	switch {
	case k.secret != nil || s.family == familyOct:
		c = k.compileSecret(s, bad)
	case known:
		c = k.compilePair(s, bad)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if err := c.probe(s, rand); err != nil {
		return nil, parseError(field+".Signer", fmt.Sprintf("%T", k.Signer), err.Error())
	}
	return c, nil
}

func (k Key) compileSecret(s scheme, bad func(name, value, reason string)) *compiled {
	if s.family != familyOct {
		bad("Algorithm", string(k.Algorithm), "a shared secret is for HS256 and nothing else")
	}
	if k.Signer != nil {
		bad("Signer", fmt.Sprintf("%T", k.Signer), "HS256 has no Signer; its keys come from SharedSecretKey")
	}
	if k.Public != nil {
		// The confusion of CVE-2015-9235: a public key is no secret.
		bad("Public", fmt.Sprintf("%T", k.Public), "HS256 has no public key; its keys come from SharedSecretKey")
	}
	if k.secret == nil {
		bad("Algorithm", string(k.Algorithm), "keys of HS256 come from SharedSecretKey")
	}
	id := secretName(k.secret)
	return &compiled{
		verify: &verificationKey{id: id, algorithm: k.Algorithm, key: k.secret},
		sign:   newSigningKey(id, k.Algorithm, nil, k.secret, sha256.Size),
	}
}

func (k Key) compilePair(s scheme, bad func(name, value, reason string)) *compiled {
	pub := k.Public
	if k.Signer != nil {
		own, reason := publicOf(k.Signer)
		if reason != "" {
			bad("Signer", fmt.Sprintf("%T", k.Signer), reason)
			return nil
		}
		if pub == nil {
			pub = own
		}
	}
	if pub == nil && k.Signer == nil {
		bad("Public", "nil", "a key needs a Signer, or a Public to verify with")
		return nil
	}
	checked, reason := checkPublic(k.Algorithm, pub)
	if reason != "" {
		bad("Public", fmt.Sprintf("%T", pub), reason)
		return nil
	}
	c := &compiled{verify: &verificationKey{algorithm: k.Algorithm, key: checked}}
	c.verify.id, c.jwk = publish(s, k.Algorithm, checked)
	if k.Signer != nil {
		c.sign = newSigningKey(c.verify.id, k.Algorithm, k.Signer, nil, signatureLen(s, checked))
	}
	return c
}

// publicOf asks a signer for its public key. The private keys of the standard
// library panic if they are empty, and a key that failed to load often is.
func publicOf(signer crypto.Signer) (crypto.PublicKey, string) {
	empty := false
	switch key := signer.(type) {
	case *rsa.PrivateKey:
		empty = key == nil || key.N == nil || key.D == nil
	case *ecdsa.PrivateKey:
		empty = key == nil || key.Curve == nil || key.X == nil || key.D == nil
	case ed25519.PrivateKey:
		empty = len(key) != ed25519.PrivateKeySize
	}
	if empty {
		return nil, "the private key is empty"
	}
	return signer.Public(), ""
}

// probeInput holds no dot, so its signature is that of no token (RFC 7515 section
// 7.1 has two).
const probeInput = "sallyport: does this key sign?"

// probe finds a Signer that does not fit its public key, or signs in another way,
// before a user does.
func (c *compiled) probe(s scheme, rand io.Reader) error {
	if c.sign == nil {
		return nil
	}
	sig, err := c.sign.sign(rand, probeInput)
	if err != nil {
		return err
	}
	if err := s.method.Verify(probeInput, sig, c.verify.key); err != nil {
		return errors.New("the public key does not verify what the Signer signs")
	}
	return nil
}

// secretName names a shared secret. A thumbprint (RFC 7638 section 7 warns of it)
// would be a plain hash of the secret; this is a MAC under it, as every token
// carries one, so whoever sees the name learns no more than from a token.
func secretName(secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("sallyport kid v1")) // no dot, as in probeInput
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

package token

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is a signature algorithm by its name in a token's header (RFC 7518
// section 3.1, RFC 8037). Names are compared byte for byte.
type Algorithm string

// The algorithms. There is no other, and no "none".
const (
	RS256 Algorithm = "RS256" // RSASSA-PKCS1-v1_5 with SHA-256, RSA of at least 2048 bits
	PS256 Algorithm = "PS256" // RSASSA-PSS with SHA-256, RSA of at least 2048 bits
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
	ES384 Algorithm = "ES384" // ECDSA on P-384 with SHA-384
	EdDSA Algorithm = "EdDSA" // Ed25519
	// HS256 is HMAC with SHA-256. Whoever can verify it can also sign, so it is
	// for one program that talks to itself. Its keys come from SharedSecretKey
	// only, and no key set publishes them.
	HS256 Algorithm = "HS256"
)

// family is the kind of key that an algorithm takes: the kty of RFC 7518 section 6.1.
type family string

const (
	familyRSA family = "RSA"
	familyEC  family = "EC"
	familyOKP family = "OKP"
	familyOct family = "oct"
)

// scheme is what there is to know about an algorithm.
type scheme struct {
	family family
	curve  elliptic.Curve    // of familyEC
	crv    string            // of familyEC and familyOKP, as a JWK names it
	hash   crypto.Hash       // 0: the message is signed, not its hash
	method jwt.SigningMethod // verifies
}

// methodPS256 takes a salt as long as the hash and no other (RFC 7518 section 3.5),
// where golang-jwt's own takes any.
var methodPS256 = &jwt.SigningMethodRSAPSS{
	SigningMethodRSA: jwt.SigningMethodPS256.SigningMethodRSA,
	Options:          &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256},
}

// schemeOf knows the six algorithms and nothing else, whatever golang-jwt has
// registered meanwhile.
func schemeOf(a Algorithm) (scheme, bool) {
	switch a {
	case RS256:
		return scheme{familyRSA, nil, "", crypto.SHA256, jwt.SigningMethodRS256}, true
	case PS256:
		return scheme{familyRSA, nil, "", crypto.SHA256, methodPS256}, true
	case ES256:
		return scheme{familyEC, elliptic.P256(), "P-256", crypto.SHA256, jwt.SigningMethodES256}, true
	case ES384:
		return scheme{familyEC, elliptic.P384(), "P-384", crypto.SHA384, jwt.SigningMethodES384}, true
	case EdDSA:
		return scheme{familyOKP, nil, "Ed25519", 0, jwt.SigningMethodEdDSA}, true
	case HS256:
		return scheme{familyOct, nil, "", crypto.SHA256, jwt.SigningMethodHS256}, true
	default:
		return scheme{}, false
	}
}

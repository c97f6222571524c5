package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// publish returns the name of a checked key, which is its thumbprint, and what a
// JWK Set says about it.
func publish(s scheme, algorithm Algorithm, pub crypto.PublicKey) (id, jwk string) {
	id = thumbprint(s, pub)
	compulsory := compulsoryMembers(s, pub)
	return id, compulsory[:len(compulsory)-1] + `,"kid":"` + id + `","alg":"` + string(algorithm) + `","use":"sig"}`
}

// thumbprint is that of RFC 7638 with SHA-256.
func thumbprint(s scheme, pub crypto.PublicKey) string {
	sum := sha256.Sum256([]byte(compulsoryMembers(s, pub)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// compulsoryMembers are those of RFC 7638 section 3.2 and RFC 8037 section 2, in
// the order of their names and without white space.
func compulsoryMembers(s scheme, pub crypto.PublicKey) string {
	b64 := base64.RawURLEncoding.EncodeToString
	switch key := pub.(type) {
	case *rsa.PublicKey:
		return `{"e":"` + b64(big.NewInt(int64(key.E)).Bytes()) + `","kty":"RSA","n":"` + b64(key.N.Bytes()) + `"}`
	case *ecdsa.PublicKey:
		point, _ := key.Bytes() // checked: it is on the curve
		xy := point[1:]
		return `{"crv":"` + s.crv + `","kty":"EC","x":"` + b64(xy[:len(xy)/2]) + `","y":"` + b64(xy[len(xy)/2:]) + `"}`
	case ed25519.PublicKey:
		return `{"crv":"` + s.crv + `","kty":"OKP","x":"` + b64(key) + `"}`
	default:
		return "{}" // checkPublic lets no other type through
	}
}

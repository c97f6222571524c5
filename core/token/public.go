package token

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"math"
	"math/big"
	"slices"
)

const (
	minModulusBits = 2048 // RFC 7518 sections 3.3 and 3.5
	// maxModulusBits bounds what one verification may cost: the price of a public
	// operation grows with the square of the length.
	maxModulusBits = 8192
	minSecretLen   = 32 // RFC 7518 section 3.2: as long as the hash
)

// checkPublic returns a copy of pub, which is nobody else's to change, or the reason
// why it cannot be a key of the algorithm. It is the one place that decides so, for
// keys of our own and for published ones.
func checkPublic(algorithm Algorithm, pub crypto.PublicKey) (crypto.PublicKey, string) {
	s, ok := schemeOf(algorithm)
	if !ok {
		return nil, reasonUnknown
	}
	switch key := pub.(type) {
	case *rsa.PublicKey:
		if s.family == familyRSA {
			return checkRSA(key)
		}
	case *ecdsa.PublicKey:
		if s.family == familyEC {
			return checkEC(s, key)
		}
	case ed25519.PublicKey:
		if s.family == familyOKP {
			return checkEd25519(key)
		}
	case nil:
		return nil, "there is no public key"
	}
	return nil, fmt.Sprintf("a %T is not a key of %s", pub, algorithm)
}

func checkRSA(key *rsa.PublicKey) (crypto.PublicKey, string) {
	switch {
	case key == nil || key.N == nil:
		return nil, "there is no public key"
	case key.N.Sign() <= 0 || key.N.Bit(0) == 0:
		return nil, "the modulus is no product of odd primes"
	case key.N.BitLen() < minModulusBits:
		return nil, fmt.Sprintf("the modulus has %d bits; it must have at least %d (RFC 7518 section 3.3)", key.N.BitLen(), minModulusBits)
	case key.N.BitLen() > maxModulusBits:
		return nil, fmt.Sprintf("the modulus has %d bits; it must have at most %d, or each check of a signature takes too long", key.N.BitLen(), maxModulusBits)
	case key.E < 3 || key.E%2 == 0 || int64(key.E) > math.MaxInt32:
		// With e = 1 every number is its own signature.
		return nil, fmt.Sprintf("the exponent is %d; it must be odd, at least 3 and below 2^31", key.E)
	}
	return &rsa.PublicKey{N: new(big.Int).Set(key.N), E: key.E}, ""
}

func checkEC(s scheme, key *ecdsa.PublicKey) (crypto.PublicKey, string) {
	if key == nil || key.Curve != s.curve {
		return nil, "the key is not on " + s.crv
	}
	if key.X == nil || key.Y == nil {
		return nil, "there is no public key"
	}
	point, err := key.Bytes()
	if err != nil {
		return nil, "the point is not on " + s.crv
	}
	own, err := ecdsa.ParseUncompressedPublicKey(s.curve, point)
	if err != nil {
		return nil, "the point is not on " + s.crv
	}
	return own, ""
}

func checkEd25519(key ed25519.PublicKey) (crypto.PublicKey, string) {
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Sprintf("an Ed25519 key has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	if smallOrder(key) {
		return nil, "the point is of small order: signatures under it prove nothing"
	}
	return slices.Clone(key), ""
}

// smallOrder reports whether key is one of the eight points, in any of their
// encodings, whose order divides 8. One signature fits every eighth message under
// such a key, so nobody needs a private one (RFC 8032 section 5.1.7 leaves it to
// the caller).
func smallOrder(key ed25519.PublicKey) bool {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	le := bytes.Clone(key)
	le[len(le)-1] &= 0x7f // the sign of x
	slices.Reverse(le)
	y := new(big.Int).SetBytes(le)
	y.Mod(y, p) // encodings of y need not be the least
	// Of order 1, 2 and 4: y is 1, -1 and 0.
	if y.Sign() == 0 || y.Cmp(big.NewInt(1)) == 0 || y.Cmp(new(big.Int).Sub(p, big.NewInt(1))) == 0 {
		return true
	}
	// Of order 8: the double is of order 4, which on -x²+y² = 1+dx²y² means
	// x² = -y², and so dy⁴ + 2y² - 1 = 0.
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665))
	y2 := new(big.Int).Mul(y, y)
	f := new(big.Int).Mul(y2, y2)
	f.Mul(f, d).Add(f, y2).Add(f, y2).Sub(f, big.NewInt(1))
	return f.Mod(f, p).Sign() == 0
}

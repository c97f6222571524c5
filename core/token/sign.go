package token

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
)

// signingKey signs for one verificationKey.
type signingKey struct {
	id        string
	algorithm Algorithm
	signer    crypto.Signer // nil for HS256
	secret    []byte        // of HS256
	size      int           // of a signature
	header    string        // of its tokens, encoded
}

func newSigningKey(id string, algorithm Algorithm, signer crypto.Signer, secret []byte, size int) *signingKey {
	// Neither name holds anything that JSON would escape.
	header := `{"alg":"` + string(algorithm) + `","kid":"` + id + `","typ":"at+jwt"}`
	return &signingKey{
		id: id, algorithm: algorithm, signer: signer, secret: secret, size: size,
		header: base64.RawURLEncoding.EncodeToString([]byte(header)),
	}
}

// signatureLen is how long a signature is as RFC 7518 and RFC 8037 have it.
func signatureLen(s scheme, pub crypto.PublicKey) int {
	switch s.family {
	case familyRSA:
		key, _ := pub.(*rsa.PublicKey)
		return key.Size()
	case familyEC:
		return 2 * fieldSize(s)
	default:
		return ed25519.SignatureSize
	}
}

// sign signs input as the algorithm has it. It never returns something of another
// length than a signature has.
func (k *signingKey) sign(rand io.Reader, input string) ([]byte, error) {
	if k.algorithm == HS256 {
		mac := hmac.New(sha256.New, k.secret)
		mac.Write([]byte(input))
		return mac.Sum(nil), nil
	}
	message, opts := k.message(input)
	sig, err := k.signer.Sign(rand, message, opts)
	if err != nil {
		return nil, fmt.Errorf("token: the signer failed: %w", err)
	}
	if s, _ := schemeOf(k.algorithm); s.family == familyEC {
		if sig, err = fixedSignature(s, sig); err != nil {
			return nil, err
		}
	}
	if len(sig) != k.size {
		return nil, fmt.Errorf("token: the signer made %d bytes; a signature has %d", len(sig), k.size)
	}
	return sig, nil
}

func (k *signingKey) message(input string) ([]byte, crypto.SignerOpts) {
	switch k.algorithm {
	case EdDSA:
		return []byte(input), crypto.Hash(0) // RFC 8037 section 3.1: not the variant that hashes first
	case ES384:
		sum := sha512.Sum384([]byte(input))
		return sum[:], crypto.SHA384
	case PS256:
		sum := sha256.Sum256([]byte(input))
		// RFC 7518 section 3.5: the salt is as long as the hash.
		return sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	default:
		sum := sha256.Sum256([]byte(input))
		return sum[:], crypto.SHA256
	}
}

var errNoSignature = errors.New("token: the signer did not make an ECDSA signature in ASN.1")

// fixedSignature turns what a crypto.Signer makes, an ASN.1 sequence of r and s,
// into the two numbers side by side at full length (RFC 7518 section 3.4).
func fixedSignature(s scheme, der []byte) ([]byte, error) {
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &n); err != nil {
		return nil, errNoSignature
	}
	// Package asn1 lets a sequence be longer than the struct, and be followed by
	// anything.
	if again, err := asn1.Marshal(n); err != nil || !bytes.Equal(again, der) {
		return nil, errNoSignature
	}
	order, size := s.curve.Params().N, fieldSize(s)
	for _, v := range []*big.Int{n.R, n.S} {
		if v.Sign() <= 0 || v.Cmp(order) >= 0 {
			return nil, errNoSignature
		}
	}
	sig := make([]byte, 2*size)
	n.R.FillBytes(sig[:size])
	n.S.FillBytes(sig[size:])
	return sig, nil
}

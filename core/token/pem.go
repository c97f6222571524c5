package token

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strconv"
)

// ParsePEM reads a key from PEM: a private key (PKCS #8, PKCS #1, SEC 1), or a
// public one (PKIX, PKCS #1, a certificate), which only verifies. There must be
// exactly one. The error never quotes the input.
func ParsePEM(algorithm Algorithm, data []byte) (Key, error) {
	bad := func(reason string) (Key, error) {
		return Key{}, parseError("token.ParsePEM.pem", strconv.Itoa(len(data))+" bytes", reason)
	}
	if err := checkAsymmetric("token.ParsePEM.algorithm", algorithm); err != nil {
		return Key{}, err
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == "EC PARAMETERS" {
		// OpenSSL writes the curve's name in front of the key, which says it again.
		block, rest = pem.Decode(rest)
	}
	switch {
	case block == nil:
		return bad("there is no PEM block in it")
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return bad("there must be exactly one key in it")
	case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
		return bad("the key is encrypted; decrypt it first")
	}
	key, reason := parseBlock(block)
	if reason != "" {
		return bad(reason)
	}
	if signer, ok := key.(crypto.Signer); ok {
		pub, reason := publicOf(signer)
		if reason == "" {
			_, reason = checkPublic(algorithm, pub)
		}
		if reason != "" {
			return bad(reason)
		}
		return Key{Algorithm: algorithm, Signer: signer}, nil
	}
	pub, reason := checkPublic(algorithm, key)
	if reason != "" {
		return bad(reason)
	}
	return Key{Algorithm: algorithm, Public: pub}, nil
}

// parseBlock returns a private or public key. What package x509 says about a key
// that it cannot read is kept to itself: its texts are not ours to vouch for.
func parseBlock(block *pem.Block) (key any, reason string) {
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		return nil, "the PEM block is of another type than a key or a certificate"
	}
	if err != nil {
		return nil, "the PEM block does not hold what it says, or a kind of key that Go does not know"
	}
	return key, ""
}

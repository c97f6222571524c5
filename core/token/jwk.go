package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strconv"
)

// members are the members of a JWK, names byte for byte: encoding/json would take
// "D" for "d" in a struct. Of a name that is there twice the last counts, as RFC
// 7517 section 4 allows.
type members map[string]json.RawMessage

// privateMembers are those of RFC 7518 section 6 that only the owner may know.
var privateMembers = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// text returns the member if it is a string; ok is false if it is there and is not.
// null is the empty string, which is no name of anything.
func (m members) text(name string) (s string, ok bool) {
	raw, there := m[name]
	if !there {
		return "", true
	}
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// bytes returns what the member says in base64url, nil if it is missing, empty or
// not exactly that (RFC 7518 section 6.2.1.2 and others: without padding).
func (m members) bytes(name string) []byte {
	s, _ := m.text(name)
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) == 0 || base64.RawURLEncoding.EncodedLen(len(b)) != len(s) {
		return nil
	}
	return b
}

func (m members) private() bool {
	return slices.ContainsFunc(privateMembers[:], func(name string) bool { _, there := m[name]; return there })
}

// permits reports whether use and key_ops, as far as they are there, let the key do
// op (RFC 7517 sections 4.2 and 4.3).
func (m members) permits(op string) bool {
	if use, ok := m.text("use"); !ok || m["use"] != nil && use != "sig" {
		return false
	}
	raw, there := m["key_ops"]
	if !there {
		return true
	}
	var ops []string
	return json.Unmarshal(raw, &ops) == nil && slices.Contains(ops, op)
}

// algorithm returns the one algorithm of the key. Without alg it is that of the
// curve; for RSA, which has two, the one that everybody knows.
func (m members) algorithm() (Algorithm, bool) {
	alg, ok := m.text("alg")
	if !ok {
		return "", false
	}
	if m["alg"] != nil {
		if alg == "Ed25519" { // its name since RFC 9864
			alg = string(EdDSA)
		}
		s, known := schemeOf(Algorithm(alg))
		return Algorithm(alg), known && s.family != familyOct
	}
	kty, _ := m.text("kty")
	crv, _ := m.text("crv")
	switch {
	case kty == string(familyRSA):
		return RS256, true
	case kty == string(familyEC) && crv == "P-256":
		return ES256, true
	case kty == string(familyEC) && crv == "P-384":
		return ES384, true
	case kty == string(familyOKP) && crv == "Ed25519":
		return EdDSA, true
	default:
		return "", false
	}
}

// public returns the public key, or the reason why it is none of the algorithm.
func (m members) public(algorithm Algorithm) (crypto.PublicKey, string) {
	s, known := schemeOf(algorithm)
	if !known {
		return nil, reasonUnknown
	}
	if kty, _ := m.text("kty"); kty != string(s.family) {
		return nil, "kty does not fit the algorithm"
	}
	if crv, _ := m.text("crv"); crv != s.crv && s.family != familyRSA {
		return nil, "crv does not fit the algorithm"
	}
	switch s.family {
	case familyRSA:
		n, e := m.bytes("n"), new(big.Int).SetBytes(m.bytes("e"))
		if n == nil || len(n) > maxModulusBits/8+1 || !e.IsInt64() || e.Int64() > math.MaxInt32 {
			return nil, "n or e is missing, not base64url or too large"
		}
		return checkPublic(algorithm, &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())})
	case familyEC:
		size := fieldSize(s)
		x, y := m.bytes("x"), m.bytes("y")
		if len(x) != size || len(y) != size {
			return nil, "x or y is missing, not base64url or not of full length (RFC 7518 section 6.2.1.2)"
		}
		key, err := ecdsa.ParseUncompressedPublicKey(s.curve, slices.Concat([]byte{4}, x, y))
		if err != nil {
			return nil, "the point is not on " + s.crv
		}
		return checkPublic(algorithm, key)
	case familyOKP:
		return checkPublic(algorithm, ed25519.PublicKey(m.bytes("x")))
	default:
		return nil, "a shared secret is no public key"
	}
}

// signer returns the private key, or the reason why it is none.
func (m members) signer(algorithm Algorithm, pub crypto.PublicKey) (crypto.Signer, string) {
	d := m.bytes("d")
	const mismatch = "the private members do not fit the public ones"
	switch public := pub.(type) {
	case *rsa.PublicKey:
		p, q := m.bytes("p"), m.bytes("q")
		if _, multi := m["oth"]; multi || d == nil || p == nil || q == nil {
			return nil, "an RSA key needs d, p and q, and no oth"
		}
		key := &rsa.PrivateKey{
			PublicKey: *public, D: new(big.Int).SetBytes(d),
			Primes: []*big.Int{new(big.Int).SetBytes(p), new(big.Int).SetBytes(q)},
		}
		if key.Validate() != nil {
			return nil, mismatch
		}
		key.Precompute()
		return key, ""
	case *ecdsa.PublicKey:
		key, err := ecdsa.ParseRawPrivateKey(public.Curve, d)
		if err != nil || !key.PublicKey.Equal(public) {
			return nil, mismatch
		}
		return key, ""
	case ed25519.PublicKey:
		if len(d) != ed25519.SeedSize {
			return nil, "d must have 32 bytes (RFC 8037 section 2)"
		}
		key := ed25519.NewKeyFromSeed(d)
		if !public.Equal(key.Public()) {
			return nil, mismatch
		}
		return key, ""
	default:
		return nil, "no private key of " + string(algorithm)
	}
}

// ParseJWK reads a key from a JSON Web Key (RFC 7517), private or public. Its alg
// member, if there is one, must be the algorithm; so must be use ("sig") and key_ops,
// and kid, if present, is not used. The error never quotes the input.
func ParseJWK(algorithm Algorithm, jwk []byte) (Key, error) {
	bad := func(reason string) (Key, error) {
		return Key{}, parseError("token.ParseJWK.jwk", strconv.Itoa(len(jwk))+" bytes", reason)
	}
	if err := checkAsymmetric("token.ParseJWK.algorithm", algorithm); err != nil {
		return Key{}, err
	}
	var m members
	if err := json.Unmarshal(jwk, &m); err != nil || m == nil {
		return bad("must be one JSON object")
	}
	if kty, _ := m.text("kty"); kty == string(familyOct) {
		return bad("a shared secret goes through SharedSecretKey")
	}
	if a, ok := m.algorithm(); m["alg"] != nil && (!ok || a != algorithm) {
		return bad("alg is not " + string(algorithm))
	}
	pub, reason := m.public(algorithm)
	if reason != "" {
		return bad(reason)
	}
	if !m.private() {
		if !m.permits("verify") {
			return bad("use or key_ops does not permit it to verify")
		}
		return Key{Algorithm: algorithm, Public: pub}, nil
	}
	if !m.permits("sign") {
		return bad("use or key_ops does not permit it to sign")
	}
	signer, reason := m.signer(algorithm, pub)
	if reason != "" {
		return bad(reason)
	}
	return Key{Algorithm: algorithm, Signer: signer}, nil
}

// errNoKeySet says that a document is no JWK Set.
var errNoKeySet = errors.New("token: not a JSON Web Key Set")

// parseKeySet returns the keys of a published JWK Set (RFC 7517 section 5) that may
// verify here. Entries that are none are skipped, whatever is wrong with them: a set
// may hold keys for other purposes and of kinds yet to be invented. One with a
// private member is skipped too, because it is everybody's by now. A name that two
// usable keys share names neither (section 4.5). An error if doc is no JWK Set.
func parseKeySet(doc []byte) ([]*verificationKey, error) {
	var set members
	if err := json.Unmarshal(doc, &set); err != nil || set == nil {
		return nil, errNoKeySet
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(set["keys"], &entries); err != nil || entries == nil {
		return nil, errNoKeySet
	}
	keys := make([]*verificationKey, 0, len(entries))
	names := make(map[string]int, len(entries))
	for _, raw := range entries {
		if k := publishedKey(raw); k != nil {
			keys = append(keys, k)
			names[k.id]++
		}
	}
	return slices.DeleteFunc(keys, func(k *verificationKey) bool { return names[k.id] > 1 }), nil
}

func publishedKey(raw []byte) *verificationKey {
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil || m.private() || !m.permits("verify") {
		return nil
	}
	id, ok := m.text("kid")
	if !ok || id == "" {
		return nil
	}
	algorithm, ok := m.algorithm()
	if !ok {
		return nil
	}
	pub, reason := m.public(algorithm)
	if reason != "" {
		return nil
	}
	return &verificationKey{id: id, algorithm: algorithm, key: pub}
}

func fieldSize(s scheme) int { return (s.curve.Params().BitSize + 7) / 8 }

package conformance

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // linked for crypto.Hash
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/token"
)

// object is the text of a JSON object in the making. Values are JSON texts, or
// whatever takes their place.
type object []member

type member struct{ name, value string }

// set gives the member of that name a value, in its place if it is there.
func (o object) set(name, value string) object {
	for i, m := range o {
		if m.name == name {
			o = slices.Clone(o)
			o[i].value = value
			return o
		}
	}
	return o.add(name, value)
}

// add puts a member at the end, whether there is one of that name or not.
func (o object) add(name, value string) object { return append(slices.Clip(o), member{name, value}) }

// first is add at the beginning.
func (o object) first(name, value string) object {
	return append(object{{name, value}}, o...)
}

// drop leaves out the members of that name.
func (o object) drop(name string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.name == name })
}

func (o object) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + m.name + `":` + m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// quoted is s as a JSON string.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always can be
	return string(b)
}

// b64 is base64url without padding.
func b64(s []byte) string { return base64.RawURLEncoding.EncodeToString(s) }

// signing makes a signature of a compact serialisation's first two parts.
type signing func(input string) []byte

// compact is the compact serialisation of two texts, which may be anything, signed.
func compact(header, payload string, sign signing) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(sign(input))
}

// unsigned signs nothing.
func unsigned(string) []byte { return nil }

// signature is a signature made elsewhere.
func signature(s []byte) signing { return func(string) []byte { return s } }

// digest is the hash that goes with an algorithm's name.
func digest(alg, input string) (crypto.Hash, []byte) {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[len(alg)-3:]]
	h := hash.New()
	h.Write([]byte(input))
	return hash, h.Sum(nil)
}

// signed signs as the algorithm of that name has it, which need not be one of ours,
// nor one for the key's curve.
func signed(alg string, key crypto.Signer) signing {
	return func(input string) []byte {
		var opts crypto.SignerOpts = crypto.Hash(0)
		message := []byte(input)
		if alg != string(token.EdDSA) {
			opts, message = digestOpts(alg, input)
		}
		sig, err := key.Sign(rand.Reader, message, opts)
		if err != nil {
			panic(err) // the suite's own mistake
		}
		if pub, ok := key.Public().(*ecdsa.PublicKey); ok {
			r, s := numbers(sig)
			return sideBySide(r, s, size(pub))
		}
		return sig
	}
}

func digestOpts(alg, input string) (crypto.SignerOpts, []byte) {
	hash, sum := digest(alg, input)
	if strings.HasPrefix(alg, "PS") {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}, sum
	}
	return hash, sum
}

// size is how long one of the two numbers of a signature is.
func size(key *ecdsa.PublicKey) int { return (key.Params().BitSize + 7) / 8 }

// numbers reads an ECDSA signature in ASN.1.
func numbers(der []byte) (r, s *big.Int) {
	var n struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &n); err != nil {
		panic(err) // the suite's own mistake
	}
	return n.R, n.S
}

// sideBySide writes a signature as RFC 7518 section 3.4 has it.
func sideBySide(r, s *big.Int, size int) []byte {
	sig := make([]byte, 2*size)
	r.FillBytes(sig[:size])
	s.FillBytes(sig[size:])
	return sig
}

// mac signs with HMAC as the algorithm of that name has it.
func mac(alg string, secret []byte) signing {
	return func(input string) []byte {
		hash, _ := digest(alg, "")
		h := hmac.New(hash.New, secret)
		h.Write([]byte(input))
		return h.Sum(nil)
	}
}

// jwk is the public key as a JSON Web Key.
func jwk(key crypto.PublicKey) object {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return object{{"kty", `"RSA"`}, {"n", quoted(b64(key.N.Bytes()))}, {"e", quoted(b64(big.NewInt(int64(key.E)).Bytes()))}}
	case *ecdsa.PublicKey:
		point, _ := key.Bytes()
		x, y := point[1:1+size(key)], point[1+size(key):]
		return object{{"kty", `"EC"`}, {"crv", quoted(key.Params().Name)}, {"x", quoted(b64(x))}, {"y", quoted(b64(y))}}
	case ed25519.PublicKey:
		return object{{"kty", `"OKP"`}, {"crv", `"Ed25519"`}, {"x", quoted(b64(key))}}
	default:
		panic(fmt.Sprintf("no JWK of a %T", key)) // the suite's own mistake
	}
}

// The algorithms, those with key pairs first.
var (
	pairAlgorithms  = []token.Algorithm{token.RS256, token.PS256, token.ES256, token.ES384, token.EdDSA}
	everyAlgorithm  = append(slices.Clone(pairAlgorithms), token.HS256)
	ecdsaAlgorithms = []token.Algorithm{token.ES256, token.ES384}
)

// forger makes tokens that one of an issuer's keys signed: what the issuer itself could
// have signed, were it not ours.
type forger struct {
	t         *T
	algorithm token.Algorithm
	key       crypto.Signer // nil for HS256
	kid       string
}

// forger returns the one with the key of the algorithm.
func (k *Tokens) forger(a token.Algorithm) *forger {
	k.t.Helper()
	for _, key := range k.Keys.Keys() {
		if key.Algorithm == a {
			return &forger{t: k.t, algorithm: a, key: testKey(a), kid: key.ID}
		}
	}
	k.t.Failf("no key of %s", a)
	return nil
}

// sign signs with the forger's key.
func (f *forger) sign(input string) []byte {
	if f.key == nil {
		return mac(string(f.algorithm), testSecret())(input)
	}
	return signed(string(f.algorithm), f.key)(input)
}

// header and claims are those of a token that is accepted as alice's wherever
// bearerApp wants one.
func (f *forger) header() object {
	return object{{"alg", quoted(string(f.algorithm))}, {"kid", quoted(f.kid)}, {"typ", `"at+jwt"`}}
}

func (f *forger) claims() object {
	now := f.t.Clock.Now().Unix()
	return object{
		{"iss", quoted(issuerName)},
		{"sub", `"alice"`},
		{"aud", quoted(audience)},
		{"exp", fmt.Sprint(now + 600)},
		{"iat", fmt.Sprint(now)},
		{"jti", `"6f1c1c0e-4c1e-4d6e-9d8e-3b1f0a5f2c11"`},
		{"sid", `"AQIDBAUGBwgJCgsMDQ4PEA"`},
		{"auth_time", fmt.Sprint(now)},
		{"roles", `["alice"]`},
		{"scope", `"read:alice write:alice"`},
	}
}

// token signs a header and claims.
func (f *forger) token(header, claims object) string { return f.text(header.String(), claims.String()) }

// text is token with texts that need not be objects.
func (f *forger) text(header, claims string) string { return compact(header, claims, f.sign) }

// good is a token that is accepted as alice's.
func (f *forger) good() string { return f.token(f.header(), f.claims()) }

// stranger is a key for the algorithm that is nobody's.
func stranger(a token.Algorithm) crypto.Signer {
	switch a {
	case token.RS256: // RSA keys are slow to make
		return testKey(token.PS256)
	case token.PS256:
		return testKey(token.RS256)
	case token.EdDSA:
		_, key, _ := ed25519.GenerateKey(rand.Reader) // never fails
		return key
	default:
		key, err := ecdsa.GenerateKey(testKey(a).Public().(*ecdsa.PublicKey).Curve, rand.Reader)
		if err != nil {
			panic(err) // the suite's own mistake
		}
		return key
	}
}

// base64url reads what b64 writes.
func base64url(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

// sealGCM encrypts with AES-GCM.
func sealGCM(t *T, key, nonce, plain, additional []byte) (sealed, tag []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	t.NoError(err)
	aead, err := cipher.NewGCM(block)
	t.NoError(err)
	out := aead.Seal(nil, nonce, plain, additional)
	at := len(out) - aead.Overhead()
	return out[:at], out[at:]
}

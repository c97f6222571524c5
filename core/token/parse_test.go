package token_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// keySet is what the ring publishes.
func keySet(t *testing.T, r *token.KeyRing) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

// idOf is the name under which a ring knows the key.
func idOf(t *testing.T, k token.Key) string {
	t.Helper()
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{k, {Algorithm: token.ES256, Signer: otherKey()}}})
	require.NoError(t, err)
	for _, info := range r.Keys() {
		if info.ID != idOfSigner(t, token.ES256, otherKey()) {
			return info.ID
		}
	}
	t.Fatal("the key is not in the ring")
	return ""
}

func idOfSigner(t *testing.T, a token.Algorithm, s crypto.Signer) string {
	t.Helper()
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: a, Signer: s}}})
	require.NoError(t, err)
	return r.Keys()[0].ID
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func pkcs8(key any) string  { return pemOf("PRIVATE KEY", newKey(x509.MarshalPKCS8PrivateKey(key))) }
func pkixOf(key any) string { return pemOf("PUBLIC KEY", newKey(x509.MarshalPKIXPublicKey(key))) }

func certificate() string {
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sallyport"}}
	return pemOf("CERTIFICATE", newKey(x509.CreateCertificate(rand.Reader, t, t, rsaKey().Public(), rsaKey())))
}

func TestParsePEM(t *testing.T) {
	sec1 := pemOf("EC PRIVATE KEY", newKey(x509.MarshalECPrivateKey(p256Key())))
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x"), Headers: map[string]string{
		"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00000000000000000000000000000000"}}))
	for _, tc := range []struct {
		desc      string
		algorithm token.Algorithm
		pem       string
		want      crypto.Signer // nil: an error
		public    bool
		reason    string
	}{
		{"PKCS #8 RSA", token.RS256, pkcs8(rsaKey()), rsaKey(), false, ""},
		{"PKCS #8 RSA for PS256", token.PS256, pkcs8(rsaKey()), rsaKey(), false, ""},
		{"PKCS #8 P-256", token.ES256, pkcs8(p256Key()), p256Key(), false, ""},
		{"PKCS #8 P-384", token.ES384, pkcs8(p384Key()), p384Key(), false, ""},
		{"PKCS #8 Ed25519", token.EdDSA, pkcs8(edKey), edKey, false, ""},
		{"PKCS #1", token.RS256, pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), rsaKey(), false, ""},
		{"SEC 1", token.ES256, sec1, p256Key(), false, ""},
		{"SEC 1 as OpenSSL writes it", token.ES256, pemOf("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}) + sec1, p256Key(), false, ""},
		{"text around it", token.ES256, "my key\n" + sec1 + "\nthat was it\n", p256Key(), false, ""},
		{"PKIX RSA", token.RS256, pkixOf(rsaKey().Public()), rsaKey(), true, ""},
		{"PKIX P-256", token.ES256, pkixOf(p256Key().Public()), p256Key(), true, ""},
		{"PKIX Ed25519", token.EdDSA, pkixOf(edKey.Public()), edKey, true, ""},
		{"PKCS #1 public", token.RS256, pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), rsaKey(), true, ""},
		{"certificate", token.RS256, certificate(), rsaKey(), true, ""},

		{"empty", token.ES256, "", nil, false, "no PEM block"},
		{"no PEM", token.ES256, "hunter2", nil, false, "no PEM block"},
		{"DER", token.ES256, string(newKey(x509.MarshalECPrivateKey(p256Key()))), nil, false, "no PEM block"},
		{"parameters and no key", token.ES256, pemOf("EC PARAMETERS", []byte{6, 1, 1}), nil, false, "no PEM block"},
		{"two keys", token.ES256, sec1 + pkcs8(otherKey()), nil, false, "exactly one"},
		{"a key and its certificate", token.RS256, pkcs8(rsaKey()) + certificate(), nil, false, "exactly one"},
		{"a key and half of one", token.ES256, sec1 + "-----BEGIN PRIVATE KEY-----\n", nil, false, "exactly one"},
		{"encrypted PKCS #8", token.ES256, pemOf("ENCRYPTED PRIVATE KEY", []byte("hunter2")), nil, false, "encrypted"},
		{"encrypted PKCS #1", token.RS256, encrypted, nil, false, "encrypted"},
		{"another type", token.ES256, pemOf("OPENSSH PRIVATE KEY", []byte("hunter2")), nil, false, "another type"},
		{"broken", token.ES256, pemOf("PRIVATE KEY", []byte("hunter2")), nil, false, "does not hold"},
		{"P-256 for ES384", token.ES384, sec1, nil, false, "P-384"},
		{"public P-256 for ES384", token.ES384, pkixOf(p256Key().Public()), nil, false, "P-384"},
		{"RSA for EdDSA", token.EdDSA, pkcs8(rsaKey()), nil, false, "not a key of EdDSA"},
		{"X25519", token.EdDSA, pkcs8(newKey(ecdh.X25519().GenerateKey(rand.Reader))), nil, false, "not a key of EdDSA"},
		{"a public key as a secret", token.HS256, pkixOf(rsaKey().Public()), nil, false, "SharedSecretKey"},
		{"none", "none", sec1, nil, false, "must be RS256"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			k, err := token.ParsePEM(tc.algorithm, []byte(tc.pem))
			if tc.want == nil {
				require.ErrorContains(t, err, tc.reason)
				require.Len(t, mistakes(err), 1)
				require.NotContains(t, err.Error(), "hunter2")
				require.Equal(t, token.Key{}, k)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.public, k.Signer == nil)
			require.Equal(t, idOfSigner(t, tc.algorithm, tc.want), idOf(t, k))
		})
	}
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type jwk map[string]any

// with returns a copy with other members; nil takes one out.
func (j jwk) with(name string, value any) jwk {
	j = maps.Clone(j)
	if j[name] = value; value == nil {
		delete(j, name)
	}
	return j
}

func (j jwk) String() string { return string(newKey(json.Marshal(j))) }

func rsaJWK() jwk {
	k := rsaKey()
	return jwk{"kty": "RSA", "n": b64(k.N.Bytes()), "e": "AQAB", "d": b64(k.D.Bytes()),
		"p": b64(k.Primes[0].Bytes()), "q": b64(k.Primes[1].Bytes())}
}

func ecJWK(k *ecdsa.PrivateKey) jwk {
	point := newKey(k.PublicKey.Bytes())[1:]
	return jwk{"kty": "EC", "crv": k.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:]),
		"d": b64(newKey(k.Bytes()))}
}

func edJWK() jwk {
	return jwk{"kty": "OKP", "crv": "Ed25519", "x": b64(edKey[32:]), "d": b64(edKey[:32])}
}

func TestParseJWK(t *testing.T) {
	ec, ed, rs := ecJWK(p256Key()), edJWK(), rsaJWK()
	public := func(j jwk) jwk { return j.with("d", nil).with("p", nil).with("q", nil) }
	for _, tc := range []struct {
		desc      string
		algorithm token.Algorithm
		jwk       any
		want      crypto.Signer
		public    bool
	}{
		{"P-256", token.ES256, ec, p256Key(), false},
		{"P-384", token.ES384, ecJWK(p384Key()), p384Key(), false},
		{"Ed25519", token.EdDSA, ed, edKey, false},
		{"RSA", token.RS256, rs, rsaKey(), false},
		{"RSA for PS256", token.PS256, rs, rsaKey(), false},
		{"public P-256", token.ES256, public(ec), p256Key(), true},
		{"public Ed25519", token.EdDSA, public(ed), edKey, true},
		{"public RSA", token.RS256, public(rs), rsaKey(), true},
		{"alg", token.ES256, ec.with("alg", "ES256"), p256Key(), false},
		{"alg of RFC 9864", token.EdDSA, ed.with("alg", "Ed25519"), edKey, false},
		{"use", token.ES256, ec.with("use", "sig"), p256Key(), false},
		{"key_ops", token.ES256, ec.with("key_ops", []string{"sign", "verify"}), p256Key(), false},
		{"public key_ops", token.ES256, public(ec).with("key_ops", []string{"verify"}), p256Key(), true},
		{"a kid, which is not used", token.ES256, ec.with("kid", "../../dev/null"), p256Key(), false},
		{"further members", token.ES256, ec.with("x5u", "https://attacker.example").with("D", "no d"), p256Key(), false},

		{"another alg", token.PS256, rs.with("alg", "RS256"), nil, false},
		{"alg null", token.ES256, ec.with("alg", json.RawMessage("null")), nil, false},
		{"alg none", token.ES256, ec.with("alg", "none"), nil, false},
		{"use enc", token.ES256, ec.with("use", "enc"), nil, false},
		{"use null", token.ES256, ec.with("use", json.RawMessage("null")), nil, false},
		{"key_ops without sign", token.ES256, ec.with("key_ops", []string{"verify"}), nil, false},
		{"public key_ops without verify", token.ES256, public(ec).with("key_ops", []string{"sign"}), nil, false},
		{"key_ops no list", token.ES256, ec.with("key_ops", "sign"), nil, false},
		{"oct", token.HS256, jwk{"kty": "oct", "k": b64(make([]byte, 32))}, nil, false},
		{"oct for RS256", token.RS256, jwk{"kty": "oct", "k": b64(make([]byte, 32))}, nil, false},
		{"RSA for ES256", token.ES256, rs, nil, false},
		{"P-256 for ES384", token.ES384, ec, nil, false},
		{"crv renamed", token.ES384, ec.with("crv", "P-384"), nil, false},
		{"x of another", token.ES256, ec.with("x", ecJWK(otherKey())["x"]), nil, false},
		{"d of another", token.ES256, ec.with("d", ecJWK(otherKey())["d"]), nil, false},
		{"d short", token.ES256, ec.with("d", "AQ"), nil, false},
		{"d empty", token.ES256, ec.with("d", ""), nil, false},
		{"x with padding", token.ES256, ec.with("x", ec["x"].(string)+"="), nil, false},
		{"x with a line break", token.ES256, ec.with("x", ec["x"].(string)+"\n"), nil, false},
		{"x with spare bits", token.EdDSA, ed.with("x", spareBit(ed["x"].(string))), nil, false},
		{"Ed25519 d of another", token.EdDSA, ed.with("d", b64(make([]byte, 32))), nil, false},
		{"Ed25519 d short", token.EdDSA, ed.with("d", b64(make([]byte, 31))), nil, false},
		{"RSA without p", token.RS256, rs.with("p", nil), nil, false},
		{"RSA of three primes", token.RS256, rs.with("oth", []any{}), nil, false},
		{"RSA d of another", token.RS256, rs.with("d", b64([]byte{3})), nil, false},
		{"RSA e = 1", token.RS256, public(rs).with("e", "AQ"), nil, false},
		{"RSA e too large", token.RS256, public(rs).with("e", b64(append(make([]byte, 1), 1, 0, 0, 0, 0, 0, 0, 0, 1))), nil, false},
		{"RSA n of 1024 bits", token.RS256, public(rs).with("n", b64([]byte(strings.Repeat("\xff", 128)))), nil, false},
		{"a set", token.ES256, jwk{"keys": []any{ec}}, nil, false},
		{"null", token.ES256, json.RawMessage("null"), nil, false},
		{"nothing", token.ES256, json.RawMessage(""), nil, false},
		{"an array", token.ES256, json.RawMessage("[]"), nil, false},
		{"bytes behind", token.ES256, json.RawMessage(ec.String() + "{}"), nil, false},
		{"algorithm none", "none", ec, nil, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			doc := fmt.Sprintf("%s", tc.jwk)
			k, err := token.ParseJWK(tc.algorithm, []byte(doc))
			if tc.want == nil {
				require.Len(t, mistakes(err), 1)
				require.Equal(t, token.Key{}, k)
				for _, member := range []string{"d", "p", "q", "k"} {
					if j, ok := tc.jwk.(jwk); ok && len(fmt.Sprint(j[member])) > 8 {
						require.NotContains(t, err.Error(), j[member])
					}
				}
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.public, k.Signer == nil)
			require.Equal(t, idOfSigner(t, tc.algorithm, tc.want), idOf(t, k))
		})
	}
}

// spareBit sets a bit of the last character that decodes to nothing.
func spareBit(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

// The published thumbprints: RFC 7638 section 3.1 and RFC 8037 appendix A.3.
func TestThumbprintVectors(t *testing.T) {
	for _, tc := range []struct {
		desc      string
		algorithm token.Algorithm
		jwk, want string
	}{
		{"RFC 7638", token.RS256, `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"RFC 8037", token.EdDSA, `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			k, err := token.ParseJWK(tc.algorithm, []byte(tc.jwk))
			require.NoError(t, err)
			require.Equal(t, tc.want, idOf(t, k))
		})
	}
}

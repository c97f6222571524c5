package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

func TestKeyMistakes(t *testing.T) {
	modulus := func(bits int) *big.Int {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return n.SetBit(n, 0, 1)
	}
	public := func(n *big.Int, e int) token.Key {
		return token.Key{Algorithm: token.RS256, Public: &rsa.PublicKey{N: n, E: e}}
	}
	verifies := func(a token.Algorithm, pub crypto.PublicKey) token.Key { return token.Key{Algorithm: a, Public: pub} }
	signs := func(a token.Algorithm, s crypto.Signer) token.Key { return token.Key{Algorithm: a, Signer: s} }
	offCurve := func() *ecdsa.PublicKey {
		pub := p256Key().PublicKey
		pub.X = new(big.Int).Add(pub.X, big.NewInt(1))
		return &pub
	}
	small := func(s string) ed25519.PublicKey {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	secret := secretKey(t)
	with := func(k token.Key, f func(*token.Key)) token.Key { f(&k); return k }
	until := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		desc string
		key  token.Key
		want []string
	}{
		{"RS256", signs(token.RS256, rsaKey()), nil},
		{"PS256", signs(token.PS256, rsaKey()), nil},
		{"ES256", signs(token.ES256, p256Key()), nil},
		{"ES384", signs(token.ES384, p384Key()), nil},
		{"EdDSA", signs(token.EdDSA, edKey), nil},
		{"HS256", secret, nil},
		{"public RS256", verifies(token.RS256, rsaKey().Public()), nil},
		{"public EdDSA", verifies(token.EdDSA, edKey.Public()), nil},
		{"until a time", with(verifies(token.ES256, p256Key().Public()), func(k *token.Key) { k.VerifyUntil = until }), nil},

		{"nothing", token.Key{}, []string{"Algorithm"}},
		{"none", signs("none", p256Key()), []string{"Algorithm"}},
		{"None", signs("None", p256Key()), []string{"Algorithm"}},
		{"lower case", signs("es256", p256Key()), []string{"Algorithm"}},
		{"RS512, which golang-jwt knows", signs("RS512", rsaKey()), []string{"Algorithm"}},
		{"no key", token.Key{Algorithm: token.ES256}, []string{"Public"}},

		{"HS256 with a signer", signs(token.HS256, rsaKey()), []string{"Signer", "Algorithm"}},
		{"HS256 with a public key", verifies(token.HS256, rsaKey().Public()), []string{"Public", "Algorithm"}},
		{"HS256 of nothing", token.Key{Algorithm: token.HS256}, []string{"Algorithm"}},
		{"HS256 with bytes", verifies(token.HS256, []byte(strings.Repeat("s", 32))), []string{"Public", "Algorithm"}},
		{"secret for RS256", with(secret, func(k *token.Key) { k.Algorithm = token.RS256 }), []string{"Algorithm"}},
		{"secret for nothing", with(secret, func(k *token.Key) { k.Algorithm = "" }), []string{"Algorithm", "Algorithm"}},
		{"secret with a signer", with(secret, func(k *token.Key) { k.Signer = rsaKey() }), []string{"Signer"}},
		{"secret with a public key", with(secret, func(k *token.Key) { k.Public = rsaKey().Public() }), []string{"Public"}},

		{"RSA of 2047 bits", public(modulus(2047), 65537), []string{"Public"}},
		{"RSA of 2048 bits", public(modulus(2048), 65537), nil},
		{"RSA of 8192 bits", public(modulus(8192), 65537), nil},
		{"RSA of 8193 bits", public(modulus(8193), 65537), []string{"Public"}},
		{"RSA with an even modulus", public(new(big.Int).Add(modulus(2048), big.NewInt(1)), 65537), []string{"Public"}},
		{"RSA with a negative modulus", public(new(big.Int).Neg(modulus(2048)), 65537), []string{"Public"}},
		{"RSA without modulus", public(nil, 65537), []string{"Public"}},
		{"RSA with e = 1", public(modulus(2048), 1), []string{"Public"}},
		{"RSA with e = 0", public(modulus(2048), 0), []string{"Public"}},
		{"RSA with e = -3", public(modulus(2048), -3), []string{"Public"}},
		{"RSA with e = 3", public(modulus(2048), 3), nil},
		{"RSA with e = 4", public(modulus(2048), 4), []string{"Public"}},
		{"RSA with e = 2^31-1", public(modulus(2048), 1<<31-1), nil},
		{"RSA with e = 2^31+1", public(modulus(2048), 1<<31+1), []string{"Public"}},
		{"RSA nil", verifies(token.RS256, (*rsa.PublicKey)(nil)), []string{"Public"}},

		{"P-384 for ES256", signs(token.ES256, p384Key()), []string{"Public"}},
		{"P-256 for ES384", signs(token.ES384, p256Key()), []string{"Public"}},
		{"P-224 for ES256", signs(token.ES256, newKey(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))), []string{"Public"}},
		{"a point elsewhere", verifies(token.ES256, offCurve()), []string{"Public"}},
		{"no point", verifies(token.ES256, &ecdsa.PublicKey{Curve: elliptic.P256()}), []string{"Public"}},
		{"no curve", verifies(token.ES256, &ecdsa.PublicKey{}), []string{"Public"}},
		{"EC nil", verifies(token.ES256, (*ecdsa.PublicKey)(nil)), []string{"Public"}},
		{"RSA for ES256", signs(token.ES256, rsaKey()), []string{"Public"}},
		{"EC for RS256", signs(token.RS256, p256Key()), []string{"Public"}},
		{"RSA for EdDSA", signs(token.EdDSA, rsaKey()), []string{"Public"}},
		{"Ed25519 for ES256", signs(token.ES256, edKey), []string{"Public"}},
		{"a private key as public", verifies(token.ES256, p256Key()), []string{"Public"}},

		{"Ed25519 of 31 bytes", verifies(token.EdDSA, edKey.Public().(ed25519.PublicKey)[:31]), []string{"Public"}},
		{"Ed25519 of order 1", verifies(token.EdDSA, small("01"+strings.Repeat("00", 31))), []string{"Public"}},
		{"Ed25519 of order 2", verifies(token.EdDSA, small("ec"+strings.Repeat("ff", 30)+"7f")), []string{"Public"}},
		{"Ed25519 of order 4", verifies(token.EdDSA, small(strings.Repeat("00", 32))), []string{"Public"}},
		{"Ed25519 of order 4, the other", verifies(token.EdDSA, small(strings.Repeat("00", 31)+"80")), []string{"Public"}},
		{"Ed25519 of order 4, longer than it need be", verifies(token.EdDSA, small("ed"+strings.Repeat("ff", 30)+"7f")), []string{"Public"}},
		{"Ed25519 of order 8", verifies(token.EdDSA, small("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")), []string{"Public"}},
		{"Ed25519 of order 8, the other", verifies(token.EdDSA, small("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")), []string{"Public"}},

		{"empty RSA signer", signs(token.RS256, &rsa.PrivateKey{}), []string{"Signer"}},
		{"nil RSA signer", signs(token.RS256, (*rsa.PrivateKey)(nil)), []string{"Signer"}},
		{"empty EC signer", signs(token.ES256, &ecdsa.PrivateKey{}), []string{"Signer"}},
		{"EC signer with nothing but a public key", signs(token.ES256, &ecdsa.PrivateKey{PublicKey: p256Key().PublicKey}), []string{"Signer"}},
		{"empty Ed25519 signer", signs(token.EdDSA, ed25519.PrivateKey{}), []string{"Signer"}},
		{"another public key", token.Key{Algorithm: token.ES256, Signer: p256Key(), Public: otherKey().Public()}, []string{"Signer"}},
		{"until with a signer", with(signs(token.ES256, p256Key()), func(k *token.Key) { k.VerifyUntil = until }), []string{"VerifyUntil"}},
		{"from without a signer", with(verifies(token.ES256, p256Key().Public()), func(k *token.Key) { k.SignFrom = until }), []string{"SignFrom"}},
		{"all at once", token.Key{Algorithm: "none", Public: 1, SignFrom: until}, []string{"Algorithm", "SignFrom"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			keys := []token.Key{tc.key, {Algorithm: token.ES256, Signer: otherKey()}}
			_, err := token.NewKeyRing(token.KeyRingConfig{Keys: keys})
			require.Equal(t, tc.want, wrongFields(t, err, "token.KeyRingConfig.Keys[0]."))

			r, err := token.NewKeyRing(token.KeyRingConfig{Keys: keys[1:]})
			require.NoError(t, err)
			require.Equal(t, tc.want, wrongFields(t, r.Add(t.Context(), tc.key), "token.Key."))
		})
	}
}

// What a signer may do wrong, and what it must be asked for. The digest goes to a
// signer that hides what it is.
func TestSigners(t *testing.T) {
	broken := errors.New("the KMS is away")
	der := func(r, s *big.Int) []byte { return newKey(asn1.Marshal([]*big.Int{r, s})) }
	good := func(digest []byte, opts crypto.SignerOpts) []byte {
		return newKey(p256Key().Sign(rand.Reader, digest, opts))
	}
	n := elliptic.P256().Params().N
	type answer = func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
	constant := func(b []byte) answer { return func([]byte, crypto.SignerOpts) ([]byte, error) { return b, nil } }
	for _, tc := range []struct {
		desc      string
		algorithm token.Algorithm
		key       crypto.Signer
		instead   answer
		want      string // in the error; empty for none
	}{
		{"RS256", token.RS256, rsaKey(), nil, ""},
		{"PS256", token.PS256, rsaKey(), nil, ""},
		{"ES256", token.ES256, p256Key(), nil, ""},
		{"ES384", token.ES384, p384Key(), nil, ""},
		{"EdDSA", token.EdDSA, edKey, nil, ""},
		{"error", token.ES256, p256Key(), func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, broken }, broken.Error()},
		{"another key", token.ES256, p256Key(), func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			return otherKey().Sign(rand.Reader, d, o)
		}, "does not verify"},
		{"nothing", token.ES256, p256Key(), constant(nil), "ASN.1"},
		{"r and s side by side", token.ES256, p256Key(), constant(make([]byte, 64)), "ASN.1"},
		{"negative", token.ES256, p256Key(), constant(der(big.NewInt(-1), big.NewInt(1))), "ASN.1"},
		{"r zero", token.ES256, p256Key(), constant(der(new(big.Int), big.NewInt(1))), "ASN.1"},
		{"s zero", token.ES256, p256Key(), constant(der(big.NewInt(1), new(big.Int))), "ASN.1"},
		{"r of the order", token.ES256, p256Key(), constant(der(n, big.NewInt(1))), "ASN.1"},
		{"s of the order", token.ES256, p256Key(), constant(der(big.NewInt(1), n)), "ASN.1"},
		{"too long", token.ES256, p256Key(), constant(der(new(big.Int).Lsh(n, 8), big.NewInt(1))), "ASN.1"},
		{"short numbers", token.ES256, p256Key(), constant(der(big.NewInt(1), big.NewInt(1))), "does not verify"},
		{"bytes behind", token.ES256, p256Key(), func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			return append(good(d, o), 0), nil
		}, "ASN.1"},
		{"a third number", token.ES256, p256Key(), func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			var rs []*big.Int
			_, err := asn1.Unmarshal(good(d, o), &rs)
			return newKey(asn1.Marshal(append(rs, big.NewInt(1)))), err
		}, "ASN.1"},
		{"RSA too short", token.RS256, rsaKey(), constant(make([]byte, 255)), "256"},
		{"RSA too long", token.RS256, rsaKey(), constant(make([]byte, 257)), "256"},
		{"PKCS #1 for PS256", token.PS256, rsaKey(), func(d []byte, _ crypto.SignerOpts) ([]byte, error) {
			return rsaKey().Sign(rand.Reader, d, crypto.SHA256)
		}, "does not verify"},
		{"Ed25519 too short", token.EdDSA, edKey, constant(make([]byte, 63)), "64"},
		{"Ed25519ph", token.EdDSA, edKey, func([]byte, crypto.SignerOpts) ([]byte, error) {
			return edKey.Sign(nil, make([]byte, 64), crypto.SHA512)
		}, "does not verify"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			signer := &kms{key: tc.key, instead: tc.instead}
			_, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: tc.algorithm, Signer: signer}}})
			require.NotEmpty(t, signer.asked)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, []string{"Signer"}, wrongFields(t, err, "token.KeyRingConfig.Keys[0]."))
		})
	}
	pss := &kms{key: rsaKey()}
	_, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.PS256, Signer: pss}}})
	require.NoError(t, err)
	require.Equal(t, []crypto.SignerOpts{&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}}, pss.asked,
		"the salt is as long as the hash")
}

func TestOneKeyOneAlgorithm(t *testing.T) {
	es := token.Key{Algorithm: token.ES256, Signer: p256Key()}
	rs := token.Key{Algorithm: token.RS256, Signer: rsaKey()}
	ps := token.Key{Algorithm: token.PS256, Public: rsaKey().Public()}
	for _, tc := range []struct {
		desc string
		keys []token.Key
		want string
	}{
		{"twice", []token.Key{rs, es, es}, "the same key is in the ring already"},
		{"twice, once to verify", []token.Key{rs, es, {Algorithm: token.ES256, Public: p256Key().Public()}}, "the same key is in the ring already"},
		{"twice, from two wrappers", []token.Key{rs, es, {Algorithm: token.ES256, Signer: &kms{key: p256Key()}}}, "the same key is in the ring already"},
		{"a secret twice", []token.Key{rs, secretKey(t), secretKey(t)}, "the same key is in the ring already"},
		{"two algorithms", []token.Key{rs, es, ps}, "the same key is in the ring for RS256"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			_, err := token.NewKeyRing(token.KeyRingConfig{Keys: tc.keys})
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, []string{"Keys[2]"}, wrongFields(t, err, "token.KeyRingConfig."))

			r, err := token.NewKeyRing(token.KeyRingConfig{Keys: tc.keys[:2]})
			require.NoError(t, err)
			err = r.Add(t.Context(), tc.keys[2])
			require.ErrorContains(t, err, tc.want)
			require.Len(t, r.Keys(), 2)
		})
	}
}

func TestSharedSecretKey(t *testing.T) {
	for _, n := range []int{0, 1, 31} {
		_, err := token.SharedSecretKey(make([]byte, n))
		require.Equal(t, []string{"token.SharedSecretKey.secret"}, wrongFields(t, err, ""), n)
	}
	_, err := token.SharedSecretKey(nil)
	require.Error(t, err)
	_, err = token.SharedSecretKey([]byte("hunter2"))
	require.NotContains(t, err.Error(), "hunter2", "an error never quotes a secret")

	secret := []byte(strings.Repeat("s", 32))
	k, err := token.SharedSecretKey(secret)
	require.NoError(t, err)
	clear(secret) // it has its own copy
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{k}})
	require.NoError(t, err)
	// HMAC-SHA-256 of the label under 32 times "s", computed elsewhere; the plain
	// thumbprint would be a hash to guess at.
	require.Equal(t, "8vdz6kIY5JV63DuqFxrvm6eoP8awkcHvQ1uaRyc_1cw", r.Keys()[0].ID)
}

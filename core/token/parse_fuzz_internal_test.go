package token

import (
	"crypto"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Relation: a key that was read, from whatever, is one that NewKeyRing takes; it is
// published as a JWK from which the same key is read again, under the same name; and
// what is published never holds the private half.
func checkParsed(t *testing.T, a Algorithm, k Key) {
	t.Helper()
	ring, err := NewKeyRing(KeyRingConfig{Keys: []Key{k}})
	if err != nil {
		require.NotNil(t, k.Signer, "a public key that was read and is refused: %v", err)
		return // a private key that does not fit its public half
	}
	info := ring.Keys()
	require.Len(t, info, 1)
	doc := ring.plan.Load().keys[0].jwk
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(doc), &members))
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		require.NotContains(t, members, private)
	}
	again, err := ParseJWK(a, []byte(doc))
	require.NoError(t, err)
	require.Nil(t, again.Signer)
	reread, err := NewKeyRing(KeyRingConfig{Keys: []Key{again}})
	require.NoError(t, err)
	require.Equal(t, info[0].ID, reread.Keys()[0].ID)
	public, ok := again.Public.(interface{ Equal(crypto.PublicKey) bool })
	require.True(t, ok)
	require.True(t, public.Equal(ring.plan.Load().keys[0].verify.key))
}

var fuzzAlgorithms = []Algorithm{RS256, PS256, ES256, ES384, EdDSA}

func FuzzParseJWK(f *testing.F) {
	for i, doc := range seedJWKs() {
		f.Add(byte(i), []byte(doc))
	}
	f.Fuzz(func(t *testing.T, a byte, doc []byte) {
		algorithm := fuzzAlgorithms[int(a)%len(fuzzAlgorithms)]
		if k, err := ParseJWK(algorithm, doc); err == nil {
			require.Equal(t, algorithm, k.Algorithm)
			checkParsed(t, algorithm, k)
		}
	})
}

// Relation: each key of a set is one that ParseJWK takes too, and no name is there
// twice.
func FuzzParseKeySet(f *testing.F) {
	for _, doc := range seedJWKs() {
		f.Add([]byte(`{"keys":[` + doc + `]}`))
	}
	f.Add([]byte(`{"keys":[` + seedJWKs()[0] + `,` + seedJWKs()[1] + `]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, err := parseKeySet(doc)
		if err != nil {
			require.Empty(t, keys)
			return
		}
		seen := map[string]bool{}
		for _, k := range keys {
			require.NotEmpty(t, k.id)
			require.False(t, seen[k.id])
			seen[k.id] = true
			_, reason := checkPublic(k.algorithm, k.key)
			require.Empty(t, reason)
			checkParsed(t, k.algorithm, Key{Algorithm: k.algorithm, Public: k.key})
		}
	})
}

// seedJWKs are published examples: RFC 7638 section 3.1, RFC 8037 appendix A, RFC 7517
// appendix A.
func seedJWKs() []string {
	return []string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","alg":"EdDSA"}`,
		`{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"sig","kid":"1"}`,
		`{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","kid":"s"}`,
		`{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}`,
	}
}

// Relation: as for FuzzParseJWK.
func FuzzParsePEM(f *testing.F) {
	f.Add(byte(4), []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"))
	f.Add(byte(4), []byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, a byte, doc []byte) {
		algorithm := fuzzAlgorithms[int(a)%len(fuzzAlgorithms)]
		if k, err := ParsePEM(algorithm, doc); err == nil {
			checkParsed(t, algorithm, k)
		}
	})
}

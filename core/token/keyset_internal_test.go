package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Published keys: the public ones of RFC 7517 appendix A.1, RFC 8037 appendix A.2 and
// RFC 7638 section 3.1.
const (
	ecPoint = `"crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	edPoint = `"crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"`
	rsaPair = `"n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"`
)

func TestParseKeySet(t *testing.T) {
	modulus := func(bits int) string {
		n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
		return base64.RawURLEncoding.EncodeToString(n.SetBit(n, 0, 1).Bytes())
	}
	for _, tc := range []struct {
		desc, keys, want string
	}{
		{"EC", `{"kid":"a","kty":"EC","alg":"ES256",` + ecPoint + `}`, "a ES256"},
		{"EC without alg", `{"kid":"a","kty":"EC",` + ecPoint + `}`, "a ES256"},
		{"Ed25519", `{"kid":"a","kty":"OKP","alg":"EdDSA",` + edPoint + `}`, "a EdDSA"},
		{"Ed25519 by its own name", `{"kid":"a","kty":"OKP","alg":"Ed25519",` + edPoint + `}`, "a EdDSA"},
		{"Ed25519 without alg", `{"kid":"a","kty":"OKP",` + edPoint + `}`, "a EdDSA"},
		{"RSA", `{"kid":"a","kty":"RSA","alg":"PS256",` + rsaPair + `}`, "a PS256"},
		{"RSA without alg", `{"kid":"a","kty":"RSA",` + rsaPair + `}`, "a RS256"},
		{"use and key_ops", `{"kid":"a","kty":"EC","use":"sig","key_ops":["verify"],` + ecPoint + `}`, "a ES256"},
		{"several", `{"kid":"a","kty":"EC",` + ecPoint + `},{"kid":"b","kty":"OKP",` + edPoint + `}`, "a ES256, b EdDSA"},
		{"one point under two names", `{"kid":"a","kty":"EC",` + ecPoint + `},{"kid":"b","kty":"EC",` + ecPoint + `}`, "a ES256, b ES256"},
		{"none", ``, ""},

		{"no kid", `{"kty":"EC",` + ecPoint + `}`, ""},
		{"kid empty", `{"kid":"","kty":"EC",` + ecPoint + `}`, ""},
		{"kid a number", `{"kid":1,"kty":"EC",` + ecPoint + `}`, ""},
		{"kid null", `{"kid":null,"kty":"EC",` + ecPoint + `}`, ""},
		{"kid twice", `{"kid":"a","kty":"EC",` + ecPoint + `},{"kid":"a","kty":"OKP",` + edPoint + `},{"kid":"b","kty":"OKP",` + edPoint + `}`, "b EdDSA"},
		{"kid twice, once for encryption", `{"kid":"a","kty":"EC",` + ecPoint + `},{"kid":"a","kty":"EC","use":"enc",` + ecPoint + `}`, "a ES256"},
		{"kty unknown", `{"kid":"a","kty":"AKP","alg":"ML-DSA-44","pub":"AA"},{"kid":"b","kty":"EC",` + ecPoint + `}`, "b ES256"},
		{"kty missing", `{"kid":"a",` + ecPoint + `}`, ""},
		{"kty of another", `{"kid":"a","kty":"OKP","alg":"EdDSA",` + ecPoint + `}`, ""},
		{"use enc", `{"kid":"a","kty":"EC","use":"enc",` + ecPoint + `}`, ""},
		{"use null", `{"kid":"a","kty":"EC","use":null,` + ecPoint + `}`, ""},
		{"key_ops without verify", `{"kid":"a","kty":"EC","key_ops":["deriveKey"],` + ecPoint + `}`, ""},
		{"key_ops no array", `{"kid":"a","kty":"EC","key_ops":"verify",` + ecPoint + `}`, ""},
		{"alg unknown", `{"kid":"a","kty":"RSA","alg":"RS512",` + rsaPair + `}`, ""},
		{"alg none", `{"kid":"a","kty":"RSA","alg":"none",` + rsaPair + `}`, ""},
		{"alg null", `{"kid":"a","kty":"RSA","alg":null,` + rsaPair + `}`, ""},
		{"alg empty", `{"kid":"a","kty":"RSA","alg":"",` + rsaPair + `}`, ""},
		{"alg HS256 with a public key", `{"kid":"a","kty":"RSA","alg":"HS256",` + rsaPair + `}`, ""},
		{"alg of another curve", `{"kid":"a","kty":"EC","alg":"ES384",` + ecPoint + `}`, ""},
		{"crv unknown", `{"kid":"a","kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`, ""},
		{"oct", `{"kid":"a","kty":"oct","alg":"HS256","k":"` + modulus(512) + `"}`, ""},
		{"oct without k", `{"kid":"a","kty":"oct","alg":"HS256"}`, ""},
		{"private member", `{"kid":"a","kty":"EC","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",` + ecPoint + `}`, ""},
		{"private member null", `{"kid":"a","kty":"RSA","qi":null,` + rsaPair + `}`, ""},
		{"RSA weak", `{"kid":"a","kty":"RSA","n":"` + modulus(1024) + `","e":"AQAB"}`, ""},
		{"RSA with e = 1", `{"kid":"a","kty":"RSA","n":"` + modulus(2048) + `","e":"AQ"}`, ""},
		{"RSA enormous", `{"kid":"a","kty":"RSA","n":"` + modulus(1<<20) + `","e":"AQAB"}`, ""},
		{"EC elsewhere", `{"kid":"a","kty":"EC","crv":"P-256","x":"` + modulus(256) + `","y":"` + modulus(256) + `"}`, ""},
		{"EC at infinity", `{"kid":"a","kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `"}`, ""},
		{"Ed25519 of order 1", `{"kid":"a","kty":"OKP","crv":"Ed25519","x":"AQ` + strings.Repeat("A", 41) + `"}`, ""},
		{"in upper case", `{"KID":"a","KTY":"EC","CRV":"P-256",` + ecPoint + `}`, ""},
		{"no objects", `null,1,"a",[],{}`, ""},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			keys, err := parseKeySet([]byte(`{"keys":[` + tc.keys + `]}`))
			require.NoError(t, err)
			var got []string
			for _, k := range keys {
				got = append(got, fmt.Sprint(k.id, " ", k.algorithm))
				switch k.key.(type) {
				case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
				default:
					t.Errorf("golang-jwt takes no %T", k.key)
				}
			}
			require.Equal(t, tc.want, strings.Join(got, ", "))
		})
	}
	for _, doc := range []string{``, `null`, `[]`, `"keys"`, `{}`, `{"keys":null}`, `{"keys":{}}`, `{"KEYS":[]}`, `{"keys":[]}x`, `{"keys":[}`} {
		_, err := parseKeySet([]byte(doc))
		require.ErrorIs(t, err, errNoKeySet, doc)
	}
}

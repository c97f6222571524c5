package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// What every token says, whoever verifies it.
const (
	issuer   = "https://id.example"
	audience = "https://api.example"

	bearer = "Bearer "
)

// An algorithm signs the tokens of its rows, in this process with one key.
type algorithm struct {
	name   token.Algorithm
	method jwt.SigningMethod
	size   int // of a token, in bytes
	keys   func() (signingKey, error)
}

type signingKey struct {
	crypto.Signer
	ring *token.KeyRing
	id   string
}

var (
	es256 = &algorithm{token.ES256, jwt.SigningMethodES256, 577, keysOf(token.ES256, func() (crypto.Signer, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	})}
	rs256 = &algorithm{token.RS256, jwt.SigningMethodRS256, 833, keysOf(token.RS256, func() (crypto.Signer, error) {
		return rsa.GenerateKey(rand.Reader, 2048)
	})}

	algorithms = []*algorithm{es256, rs256}
)

func keysOf(name token.Algorithm, generate func() (crypto.Signer, error)) func() (signingKey, error) {
	return sync.OnceValues(func() (signingKey, error) {
		signer, err := generate()
		if err != nil {
			return signingKey{}, err
		}
		ring, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: name, Signer: signer}}})
		if err != nil {
			return signingKey{}, err
		}
		return signingKey{signer, ring, ring.Keys()[0].ID}, nil
	})
}

func (alg *algorithm) key(tb testing.TB) signingKey {
	k, err := alg.keys()
	require.NoError(tb, err)
	return k
}

// verifier accepts the tokens of alg. cacheBytes as VerifierConfig has it.
func (alg *algorithm) verifier(tb testing.TB, cacheBytes int) *token.Verifier {
	v, err := token.NewVerifier(token.VerifierConfig{
		Audience:   audience,
		Issuers:    []token.TrustedIssuer{{Name: issuer, Algorithms: []token.Algorithm{alg.name}, Keys: alg.key(tb).ring}},
		CacheBytes: cacheBytes,
	})
	require.NoError(tb, err)
	return v
}

// A credential is a token as a request carries it.
type credential struct {
	value   string // of the header
	subject string
}

func (c credential) token() string { return c.value[len(bearer):] }

// claims are those of user i's token, in the profile of RFC 9068. Each user has a
// session of its own.
func claims(i int) jwt.MapClaims {
	now := time.Now().Unix()
	return jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": user(i), "iat": now, "exp": now + 3600,
		"jti":   jti(i),
		"sid":   fmt.Sprintf("Zm9yIGJlbmNobWFya3M%013d", i),
		"roles": []string{"editor", "viewer"},
		"scope": "orders:read orders:write",
	}
}

// jti returns the id of token i, a UUID as our issuer makes them.
func jti(i int) string { return fmt.Sprintf("0f6bd3c9-3a52-4a1c-9d6e-%012d", i) }

// sign makes a token of exactly what it is given.
func (alg *algorithm) sign(tb testing.TB, header map[string]any, c jwt.MapClaims) string {
	t := jwt.NewWithClaims(alg.method, c)
	maps.Copy(t.Header, header)
	signed, err := t.SignedString(alg.key(tb).Signer)
	require.NoError(tb, err)
	return signed
}

func (alg *algorithm) header(tb testing.TB) map[string]any {
	return map[string]any{"typ": "at+jwt", "kid": alg.key(tb).id}
}

// issue makes the tokens of n users, on all CPUs.
func (alg *algorithm) issue(tb testing.TB, n int) []credential {
	all := make([]credential, n)
	header := alg.header(tb)
	share(n, func(i int) {
		all[i] = credential{bearer + alg.sign(tb, header, claims(i)), user(i)}
	})
	return all
}

// share calls f for 0 to n-1 from as many goroutines as there are CPUs.
func share(n int, f func(i int)) {
	var wg sync.WaitGroup
	procs := runtime.GOMAXPROCS(0)
	for first := range procs {
		wg.Go(func() {
			for i := first; i < n; i += procs {
				f(i)
			}
		})
	}
	wg.Wait()
}

// TestCredential holds what the documentation says about the tokens: their size, and
// that all of them are as long, because a caller replaces one by another in place.
func TestCredential(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg.name), func(t *testing.T) {
			for _, c := range alg.issue(t, 64) {
				require.Len(t, c.token(), alg.size)
				require.Equal(t, 2, strings.Count(c.token(), "."))
			}
		})
	}
}

package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// rawClaims are what golang-jwt parses into: a struct is cheaper there than a map.
type rawClaims struct {
	jwt.RegisteredClaims
	Session string   `json:"sid"`
	Roles   []string `json:"roles"`
	Scope   string   `json:"scope"`
}

// golangJWT returns the verification with golang-jwt alone, every check of it that
// has an option switched on.
func golangJWT(tb testing.TB, alg *algorithm) func(raw string) (subject string, err error) {
	key := alg.key(tb)
	public := key.Public()
	keyOf := func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != key.id {
			return nil, errors.New("unknown key")
		}
		return public, nil
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{string(alg.name)}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding())
	return func(raw string) (string, error) {
		var c rawClaims
		_, err := parser.ParseWithClaims(raw, &c, keyOf)
		return c.Subject, err
	}
}

// rawVerify returns one signature check of raw by the standard library: the digest
// and the signature are there already.
func rawVerify(tb testing.TB, alg *algorithm, raw string) func() error {
	dot := strings.LastIndexByte(raw, '.')
	digest := sha256.Sum256([]byte(raw[:dot]))
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	require.NoError(tb, err)
	switch public := alg.key(tb).Public().(type) {
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])})
		require.NoError(tb, err)
		return func() error {
			if !ecdsa.VerifyASN1(public, digest[:], der) {
				return errors.New("the signature is bad")
			}
			return nil
		}
	case *rsa.PublicKey:
		return func() error { return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) }
	default:
		tb.Fatalf("%T", public)
		return nil
	}
}

// TestVerify shows that what the rows of BenchmarkVerify do can fail, and that a
// token is taken from the cache where the row says so.
func TestVerify(t *testing.T) {
	for _, alg := range algorithms {
		t.Run(string(alg.name), func(t *testing.T) {
			cred, bad := alg.issue(t, 1)[0], forged(t, alg)

			parse := golangJWT(t, alg)
			subject, err := parse(cred.token())
			require.NoError(t, err)
			require.Equal(t, cred.subject, subject)
			for _, x := range alterations {
				_, err := parse(x.make(t, alg))
				require.Equal(t, x.name == "type" || x.name == "crit", err == nil, x.name)
			}
			require.NoError(t, rawVerify(t, alg, cred.token())())
			require.Error(t, rawVerify(t, alg, bad)())

			for _, cacheBytes := range []int{0, -1} {
				v := alg.verifier(t, cacheBytes)
				_, err = v.Verify(t.Context(), bad)
				require.ErrorIs(t, err, token.ErrInvalid)
				first, err := v.Verify(t.Context(), cred.token())
				require.NoError(t, err)
				require.Equal(t, cred.subject, first.Principal().Subject)
				second, err := v.Verify(t.Context(), strings.Clone(cred.token()))
				require.NoError(t, err)
				require.Equal(t, cacheBytes == 0, first == second, "the same token again")
			}
		})
	}
}

// BenchmarkVerify is a Verifier alone, without a request.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range algorithms {
		b.Run(string(alg.name), func(b *testing.B) {
			b.Run("crypto", func(b *testing.B) {
				verify := rawVerify(b, alg, alg.issue(b, 1)[0].token())
				b.ReportAllocs()
				for b.Loop() {
					if err := verify(); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("golang-jwt", func(b *testing.B) {
				parse, raw := golangJWT(b, alg), alg.issue(b, 1)[0].token()
				b.ReportAllocs()
				for b.Loop() {
					if _, err := parse(raw); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("first", func(b *testing.B) {
				creds := alg.issue(b, newTokens)
				v, next := alg.verifier(b, 0), 0
				b.ReportAllocs()
				for b.Loop() {
					if next == len(creds) {
						b.StopTimer()
						v, next = alg.verifier(b, 0), 0
						b.StartTimer()
					}
					if _, err := v.Verify(b.Context(), creds[next].token()); err != nil {
						b.Fatal(err)
					}
					next++
				}
			})
			b.Run("uncached", func(b *testing.B) {
				verifyAgain(b, alg, -1)
			})
			b.Run("seen", func(b *testing.B) {
				verifyAgain(b, alg, 0)
			})
		})
	}
}

func verifyAgain(b *testing.B, alg *algorithm, cacheBytes int) {
	v, raw := alg.verifier(b, cacheBytes), alg.issue(b, 1)[0].token()
	_, err := v.Verify(b.Context(), raw)
	require.NoError(b, err)
	raw = strings.Clone(raw) // comparing a string with itself is free
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReference is what looking up a token costs at least, among population of
// them: by its SHA-256, and by the token itself.
func BenchmarkReference(b *testing.B) {
	creds := es256.issue(b, population)
	raw := []byte(creds[population/2].token()) // in memory of its own
	b.Run("sha256-map", func(b *testing.B) {
		m := make(map[[sha256.Size]byte]int)
		for i, c := range creds {
			m[sha256.Sum256([]byte(c.token()))] = i
		}
		b.ReportAllocs()
		for b.Loop() {
			if m[sha256.Sum256(raw)] != population/2 {
				b.Fatal("the token is not in the map")
			}
		}
	})
	b.Run("map", func(b *testing.B) {
		m := make(map[string]int)
		for i, c := range creds {
			m[c.token()] = i
		}
		b.ReportAllocs()
		for b.Loop() {
			if m[string(raw)] != population/2 {
				b.Fatal("the token is not in the map")
			}
		}
	})
}

// liveBytes has room for every token of BenchmarkLive.
const liveBytes = 1 << 30

var kept string

// BenchmarkLive verifies one of many tokens that were verified before, each time
// another. The token is copied first, by the floor too: in a server it has just
// arrived and is in the cache of the processor.
func BenchmarkLive(b *testing.B) {
	const size = 100_000
	n := size
	if testing.Short() {
		n = 1_000
	}
	// A step that shares no factor with n visits all of them, in an order that no
	// cache foresees.
	const step = 7_919
	row := func(name string, f func(b *testing.B, creds []credential, next func() credential)) {
		b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
			creds, at := es256.issue(b, n), 0
			f(b, creds, func() credential {
				at = (at + step) % n
				return creds[at]
			})
		})
	}
	requests := func(b *testing.B, a *app, next func() credential, subject func(credential) string) {
		c := a.bearer(next())
		runtime.GC()
		b.ReportAllocs()
		for b.Loop() {
			cred := next()
			c.carry(strings.Clone(cred.value))
			c.call()
			if err := c.answered(subject(cred)); err != nil {
				b.Fatal(err)
			}
		}
	}

	row("floor", func(b *testing.B, _ []credential, next func() credential) {
		b.ReportAllocs()
		for b.Loop() {
			kept = strings.Clone(next().token())
		}
	})
	row("verifier", func(b *testing.B, creds []credential, next func() credential) {
		before := heap()
		v := es256.verifier(b, liveBytes)
		fill(b, v, creds)
		after := heap()
		b.ReportAllocs()
		for b.Loop() {
			kept = strings.Clone(next().token())
			if _, err := v.Verify(b.Context(), kept); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/token")
		b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/float64(n), "objects/token")
	})
	row("gin-bare", func(b *testing.B, _ []credential, next func() credential) {
		requests(b, ginTokensBare(b, es256), next, func(credential) string { return bareSubject })
	})
	row("gin-sallyport", func(b *testing.B, creds []credential, next func() credential) {
		v := es256.verifier(b, liveBytes)
		fill(b, v, creds)
		requests(b, ginBearerOf(v), next, func(c credential) string { return c.subject })
	})
}

// fill verifies the tokens, and fails if v has not kept all of them.
func fill(b *testing.B, v *token.Verifier, creds []credential) {
	var failed atomic.Int64
	const every = 100 // of them is looked at
	seen := make([]*token.Token, len(creds)/every+1)
	share(len(creds), func(i int) {
		t, err := v.Verify(b.Context(), strings.Clone(creds[i].token()))
		if err != nil {
			failed.Add(1)
		} else if i%every == 0 {
			seen[i/every] = t
		}
	})
	require.Zero(b, failed.Load())
	for i := 0; i < len(creds); i += every {
		t, err := v.Verify(b.Context(), creds[i].token())
		require.NoError(b, err)
		require.Same(b, seen[i/every], t, "the token was not kept")
	}
}

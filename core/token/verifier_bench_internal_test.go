package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the Verifier adds to the signature check, which is what the standard library
// alone takes for it.
func BenchmarkVerifyFirst(b *testing.B) {
	for _, alg := range []Algorithm{ES256, RS256, EdDSA, HS256} {
		d := newDeskOf(b, newPen(b, alg, "k1"), func(c *VerifierConfig) { c.CacheBytes = -1 })
		raw := d.good(b)
		b.Run(string(alg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Verify(b.Context(), raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		if alg == HS256 {
			continue
		}
		signed := raw[:strings.LastIndexByte(raw, '.')]
		sig, err := base64.RawURLEncoding.DecodeString(raw[len(signed)+1:])
		require.NoError(b, err)
		b.Run(string(alg)+"/raw", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !rawVerify(d.pub.key, signed, sig) {
					b.Fatal("does not verify")
				}
			}
		})
	}
}

func rawVerify(key any, signed string, sig []byte) bool {
	sum := sha256.Sum256([]byte(signed))
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(signed), sig)
	}
	return false
}

func BenchmarkVerifyAgain(b *testing.B) {
	d := newDeskOf(b, newPen(b, ES256, "k1"), func(c *VerifierConfig) { c.Now = time.Now })
	raw := d.good(b, "exp", "9999999999", "tenant", `"`+strings.Repeat("t", 30)+`"`)
	_, err := d.Verify(b.Context(), raw)
	require.NoError(b, err)
	b.ReportMetric(float64(len(raw)), "B/token")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyAgain100k(b *testing.B) {
	const n = 100_000
	d := newDeskOf(b, newPen(b, HS256, "k1"), func(c *VerifierConfig) { c.Now, c.CacheBytes = time.Now, 512<<20 })
	raws := make([]string, n)
	for i := range raws {
		raws[i] = d.good(b, "exp", "9999999999", "sub", fmt.Sprintf(`"user-%d"`, i), "sid", fmt.Sprintf(`"AQIDBAUGBwgJCgsM%06d"`, i))
		_, err := d.Verify(b.Context(), raws[i])
		require.NoError(b, err)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := d.Verify(b.Context(), raws[order[i%n]]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(d.cache.bytes)/n, "cached-B/token")
	b.ReportMetric(float64(len(raws[0])), "B/token")
}

// hostile are tokens that were made to be expensive. Those that are well formed name a
// key that there is not: with one that there is, they cost a signature check besides,
// like any forgery.
func hostile() map[string]string {
	h, tail := b64(`{"alg":"EdDSA","kid":"k0","typ":"at+jwt"}`), "."+strings.Repeat("A", 86)
	fill := func(n int) string { return h + "." + strings.Repeat("A", n-len(h)-len(tail)-1) + tail }
	numbers := func(n int) string { return strings.Repeat("1e200,", n)[:6*n-1] }
	return map[string]string{
		"8 KB":               fill(8192),
		"16 KB":              fill(16 << 10),
		"1 MB":               fill(1 << 20),
		"8 MB":               fill(8 << 20),
		"dots":               strings.Repeat(".", 1_000_000),
		"8 KB of dots":       strings.Repeat(".", 8192),
		"nested":             h + "." + b64(claimsOf("x", strings.Repeat("[", 1700)+strings.Repeat("]", 1700))) + tail,
		"nested 100000":      h + "." + b64(strings.Repeat("[", 100_000)) + tail,
		"members":            h + "." + b64("{"+strings.Join(numbered(`"%06d":0`, 500), ",")+"}") + tail,
		"members, all taken": h + "." + b64(claimsOf("x", "0"+strings.Join(numbered(`,"%016d":0`, 110), ""))) + tail,
		"members, escaped":   h + "." + b64(claimsOf("x", "0"+strings.Join(numbered(`,"\u0061\u0062%d":0`, 110), ""))) + tail,
		"members, folded":    h + "." + b64(claimsOf("x", "0"+strings.Join(numbered(`,"ÄÖÜäöü%d":0`, 110), ""))) + tail,
		"header members":     b64("{"+strings.Join(numbered(`"%06d":0`, 500), ",")+"}") + ".e30" + tail,
		"header of 100000":   b64("{"+strings.Join(numbered(`"%06d":0`, 100_000), ",")+"}") + ".e30" + tail,
		"escapes":            h + "." + b64(claimsOf("iss", `"`+strings.Repeat(`\u0061`, 900)+`"`)) + tail,
		"numbers":            h + "." + b64(claimsOf("x", "["+numbers(850)+"]")) + tail,
		"strings":            h + "." + b64(claimsOf("roles", "["+strings.Repeat(`"",`, 1700)+`""]`)) + tail,
		"kid":                b64(`{"alg":"EdDSA","typ":"at+jwt","kid":"`+strings.Repeat("k", 1_000_000)+`"}`) + ".e30" + tail,
		"JWE":                b64(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,"zip":"DEF"}`) + ".e30" + tail,
	}
}

// What first sight and refusals may allocate. A token seen before allocates nothing, see
// TestCacheHit.
func TestVerifyAllocs(t *testing.T) {
	d := newDeskOf(t, newPen(t, ES256, "k1"), nil)
	var raws []string
	for i := range 101 {
		raws = append(raws, d.good(t, "sid", fmt.Sprintf(`"s%d"`, i)))
	}
	i := 0
	require.LessOrEqual(t, testing.AllocsPerRun(len(raws)-1, func() {
		_, _ = d.Verify(t.Context(), raws[i])
		i++
	}), 40.0)
	for desc, raw := range garbage(t, d) {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = d.Verify(t.Context(), raw) }), 2.0, desc)
	}
}

// J17: whatever a token is made of, refusing it allocates little.
func TestHostileTokens(t *testing.T) {
	d := newDesk(t, nil)
	for desc, raw := range hostile() {
		t.Run(desc, func(t *testing.T) {
			_, err := d.Verify(t.Context(), raw)
			require.ErrorIs(t, err, ErrInvalid)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range 100 {
				_, _ = d.Verify(t.Context(), raw)
			}
			runtime.ReadMemStats(&after)
			require.Less(t, (after.TotalAlloc-before.TotalAlloc)/100, uint64(64<<10))
		})
	}
}

func BenchmarkHostile(b *testing.B) {
	d := newDesk(b, nil)
	for desc, raw := range hostile() {
		b.Run(desc, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Verify(b.Context(), raw); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// garbage is what is not signed with any of our keys.
func garbage(t testing.TB, d *desk) map[string]string {
	other := newPen(t, d.alg, "k2")
	return map[string]string{
		"opaque":      "dGhpcyBpcyBub3QgYSB0b2tlbiBidXQgaXQgbG9va3MgbGlrZSBvbmU",
		"random":      strings.Repeat("q8Zr-", 120),
		"alg none":    b64(`{"alg":"none","kid":"k1","typ":"at+jwt"}`) + "." + b64(claimsOf()) + ".",
		"other typ":   d.sign(t, strings.Replace(d.header(), "at+jwt", "JWT", 1), claimsOf()),
		"unknown kid": other.sign(t, other.header(), claimsOf()),
		"other iss":   d.good(t, "iss", `"https://evil.example"`),
	}
}

func BenchmarkGarbage(b *testing.B) {
	d := newDesk(b, nil)
	for desc, raw := range garbage(b, d) {
		b.Run(desc, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Verify(b.Context(), raw); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

package bench

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// A hostileToken costs its sender little and must not cost its receiver more. What is
// longer than a Verifier reads (8192 bytes by default) has a sibling that is not.
type hostileToken struct {
	name string
	make func(tb testing.TB) string
}

var hostileTokens = []hostileToken{
	{"16KB", long(16 << 10)},
	{"1MB", long(1 << 20)},
	{"8MB", long(8 << 20)},
	{"dots-1e6", func(testing.TB) string { return strings.Repeat(".", 1e6) }},
	{"dots-8KB", func(testing.TB) string { return strings.Repeat(".", 8192) }},
	{"nested-1e5", headed(func() string { return nested(1e5) })},
	{"nested-8KB", headed(func() string { return nested(2850) })},
	{"members-1e5", headed(func() string { return members(1e5) })},
	{"members-8KB", headed(func() string { return members(645) })},
	{"garbage", garbage},
	// Right in everything but the signature: one check of it is what this costs
	// whoever checks signatures.
	{"forged", func(tb testing.TB) string { return forged(tb, es256) }},
}

// long is a token with the header of a good one and n bytes in all.
func long(n int) func(tb testing.TB) string {
	return func(tb testing.TB) string {
		good := es256.issue(tb, 1)[0].token()
		header, rest, _ := strings.Cut(good, ".")
		signature := rest[strings.IndexByte(rest, '.'):]
		return header + "." + strings.Repeat("A", n-len(header)-1-len(signature)) + signature
	}
}

// headed is a token with another header.
func headed(header func() string) func(tb testing.TB) string {
	return func(tb testing.TB) string {
		good := es256.issue(tb, 1)[0].token()
		return base64.RawURLEncoding.EncodeToString([]byte(header())) + good[strings.IndexByte(good, '.'):]
	}
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}"
}

func members(n int) string {
	var s strings.Builder
	s.WriteString(`{"m":0`)
	for i := range n - 1 {
		s.WriteString(`,"m` + strconv.Itoa(i) + `":0`)
	}
	s.WriteString("}")
	return s.String()
}

// garbage is as long as a good token and has as many dots where they belong, but
// what stands between them is chance.
func garbage(tb testing.TB) string {
	rng := rand.New(rand.NewPCG(1, 2))
	parts := strings.Split(es256.issue(tb, 1)[0].token(), ".")
	for i, part := range parts {
		b := make([]byte, base64.RawURLEncoding.DecodedLen(len(part)))
		for j := range b {
			b[j] = byte(rng.Uint32())
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(b)
	}
	return strings.Join(parts, ".")
}

// TestHostile shows that the tokens are what their names say, and refused.
func TestHostile(t *testing.T) {
	for _, h := range hostileTokens {
		t.Run(h.name, func(t *testing.T) {
			raw := h.make(t)
			_, err := es256.verifier(t, 0).Verify(t.Context(), raw)
			require.ErrorIs(t, err, token.ErrInvalid)
			_, err = golangJWT(t, es256)(raw)
			require.Error(t, err)
			if strings.HasSuffix(h.name, "-8KB") {
				require.LessOrEqual(t, len(raw), 8192)
				require.Greater(t, len(raw), 8000)
			}
		})
	}
	require.True(t, json.Valid([]byte(nested(1000))))
	require.True(t, json.Valid([]byte(members(1000))))
	require.Equal(t, 1000, strings.Count(members(1000), ":"))
}

// BenchmarkHostile refuses tokens.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostileTokens {
		b.Run(h.name, func(b *testing.B) {
			raw := h.make(b)
			b.Run("sallyport", func(b *testing.B) {
				v := es256.verifier(b, 0)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), raw); err == nil {
						b.Fatal("the token was accepted")
					}
				}
			})
			b.Run("golang-jwt", func(b *testing.B) {
				parse := golangJWT(b, es256)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := parse(raw); err == nil {
						b.Fatal("the token was accepted")
					}
				}
			})
		})
	}
}

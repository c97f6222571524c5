package revocation_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
)

var secret = []byte(strings.Repeat("s", 32))

func TestHandleText(t *testing.T) {
	for _, h := range []revocation.Handle{
		{}, {0xFF}, {0xFB, 0xFF, 0xBF}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, {15: 0xFF},
	} {
		text := h.String()
		require.Len(t, text, 22)
		got, ok := revocation.ParseHandle(text)
		require.True(t, ok, text)
		require.Equal(t, h, got)
	}
	require.Equal(t, "AQIDBAUGBwgJCgsMDQ4PEA", revocation.Handle{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}.String())
	require.Equal(t, "-_-_AAAAAAAAAAAAAAAAAA", revocation.Handle{0xFB, 0xFF, 0xBF}.String())
}

// Two spellings of one handle would be one session under two names.
func TestParseHandleIsStrict(t *testing.T) {
	const good = "AQIDBAUGBwgJCgsMDQ4PEA"
	for desc, s := range map[string]string{
		"empty":                   "",
		"one short":               good[:21],
		"one long":                good + "A",
		"padded":                  good + "==",
		"padded to the length":    good[:20] + "==",
		"standard alphabet, plus": "+" + good[1:],
		"standard alphabet":       "/" + good[1:],
		"space":                   " " + good[1:],
		"line feed":               good[:20] + "\n" + good[21:],
		"carriage return":         good[:21] + "\r",
		"NUL":                     good[:21] + "\x00",
		"not ASCII":               good[:20] + "ä",
		"lowest spare bit":        good[:21] + "B",
		"highest spare bit":       good[:21] + "I",
		"all spare bits":          good[:21] + "P",
	} {
		h, ok := revocation.ParseHandle(s)
		require.False(t, ok, desc)
		require.Zero(t, h, desc)
	}
}

func FuzzParseHandle(f *testing.F) {
	f.Add("AQIDBAUGBwgJCgsMDQ4PEA")
	f.Add("AQIDBAUGBwgJCgsMDQ4PEB")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, s string) {
		if h, ok := revocation.ParseHandle(s); ok {
			require.Equal(t, s, h.String(), "one handle, one spelling")
		} else {
			require.Zero(t, h)
		}
	})
}

func TestNewHandle(t *testing.T) {
	h, err := revocation.NewHandle(strings.NewReader("0123456789abcdefg"))
	require.NoError(t, err)
	require.Equal(t, revocation.Handle([]byte("0123456789abcdef")), h)

	broken := errors.New("no entropy")
	for desc, tc := range map[string]struct {
		random io.Reader
		want   error
	}{
		"empty":     {bytes.NewReader(nil), io.EOF},
		"one short": {bytes.NewReader(make([]byte, 15)), io.ErrUnexpectedEOF},
		"error":     {iotest.ErrReader(broken), broken},
		"late":      {io.MultiReader(bytes.NewReader([]byte("0123")), iotest.ErrReader(broken)), broken},
	} {
		_, err := revocation.NewHandle(tc.random)
		require.ErrorIs(t, err, tc.want, desc)
	}
}

func TestTokenHandle(t *testing.T) {
	require.Equal(t, revocation.Handle{
		0x6c, 0x3b, 0x6f, 0x0e, 0x0d, 0x3e, 0x4a, 0x57, 0x8c, 0x2b, 0x1f, 0x0e, 0x9f, 0x0a, 0x7b, 0x11,
	}, revocation.TokenHandle("6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11"))
	require.Equal(t, revocation.Handle{}, revocation.TokenHandle(""), "which is never denied")
	// The first half of SHA-256("jti" NUL "a"): a denial outlives the process.
	require.Equal(t, "174b4383ee40375f76c75e2063da9087", hex.EncodeToString(handleBytes(revocation.TokenHandle("a"))))

	const good = "6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11"
	raw := revocation.TokenHandle(good)
	seen := map[revocation.Handle]string{raw: good}
	for desc, jti := range map[string]string{
		"upper case":            strings.ToUpper(good),
		"one letter upper case": "6C3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11",
		"without hyphens":       strings.ReplaceAll(good, "-", ""),
		"in braces":             "{" + good + "}",
		"as a URN":              "urn:uuid:" + good,
		"a hyphen elsewhere":    "6c3b6f0-e0d3e-4a57-8c2b-1f0e9f0a7b11",
		"a hyphen for a digit":  "-c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11",
		"a digit for a hyphen":  "6c3b6f0e00d3e-4a57-8c2b-1f0e9f0a7b11",
		"no digit":              "6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b1g",
		"one short":             good[:35],
		"one long":              good + "0",
		"a blank behind":        good[:35] + " ",
		"a line feed":           good + "\n",
		"its bytes":             string(raw[:]),
		"in base64url":          raw.String(),
		"the next":              good[:35] + "2",
		"a NUL":                 "\x00",
	} {
		h := revocation.TokenHandle(jti)
		require.NotZero(t, h, desc)
		require.NotContains(t, seen, h, desc)
		seen[h] = desc
	}
	// All zeroes is a UUID (RFC 9562 section 5.9), and its bytes name nothing.
	require.NotZero(t, revocation.TokenHandle("00000000-0000-0000-0000-000000000000"))
}

func handleBytes(h revocation.Handle) []byte { return h[:] }

// One text, one handle: two tokens that share one would be revoked together.
func FuzzTokenHandle(f *testing.F) {
	for _, pair := range [][2]string{
		{"6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11", "6C3B6F0E-0D3E-4A57-8C2B-1F0E9F0A7B11"},
		{"6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11", "6c3b6f0e00d3e-4a57-8c2b-1f0e9f0a7b11"},
		{"", "\x00"}, {"a", "a\x00"}, {"00000000-0000-0000-0000-000000000000", ""},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		require.Equal(t, a == b, revocation.TokenHandle(a) == revocation.TokenHandle(b), "%q and %q", a, b)
		if h := revocation.TokenHandle(a); len(a) == 36 && strings.Trim(a, "0123456789abcdef-") == "" {
			text := hex.EncodeToString(h[:])
			text = text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
			if text == a {
				return // a UUID, which is its bytes
			}
		}
		if a != "" {
			sum := sha256.Sum256([]byte("jti\x00" + a))
			require.Equal(t, sum[:16], handleBytes(revocation.TokenHandle(a)))
		}
	})
}

func registryOf(t *testing.T, app string, secret []byte) *revocation.Registry {
	t.Helper()
	r, err := revocation.New(memstore.Default(), revocation.Config{App: app, Secret: secret})
	require.NoError(t, err)
	return r
}

// The owner is what all processes of a fleet agree on, for as long as the store
// lives: this vector must never change.
func TestOwner(t *testing.T) {
	ann := registryOf(t, "app", secret).Owner("ann")
	require.Equal(t, "99debd7d", hex.EncodeToString(ann.Tag[:]))
	require.Equal(t, "9e3d9d62da5fec224717dc61", hex.EncodeToString(ann.Hash[:]))
	require.Equal(t, ann, registryOf(t, "", secret).Owner("ann"), "the default application")
	for desc, other := range map[string]revocation.Owner{
		"another application":      registryOf(t, "other", secret).Owner("ann"),
		"another secret":           registryOf(t, "app", []byte(strings.Repeat("t", 32))).Owner("ann"),
		"the process's own secret": registryOf(t, "app", nil).Owner("ann"),
		"another subject":          registryOf(t, "app", secret).Owner("bob"),
		"another case":             registryOf(t, "app", secret).Owner("Ann"),
		"a longer subject":         registryOf(t, "app", secret).Owner("ann\x00"),
		"nobody":                   {},
	} {
		require.NotEqual(t, ann.Tag, other.Tag, desc)
		require.NotEqual(t, ann.Hash, other.Hash, desc)
	}
	require.NotEqual(t, registryOf(t, "ab", secret).Owner("c"), registryOf(t, "a", secret).Owner("bc"), "where one ends and the other begins")
	r := registryOf(t, "app", nil)
	require.Equal(t, r.Owner("ann"), r.Owner("ann"))
}

func TestOwnerIsZero(t *testing.T) {
	require.True(t, revocation.Owner{}.IsZero())
	require.False(t, revocation.Owner{Tag: [4]byte{3: 1}}.IsZero())
	require.False(t, revocation.Owner{Hash: [12]byte{11: 1}}.IsZero())
	require.False(t, registryOf(t, "app", secret).Owner("").IsZero())
}

package revocation_test

import (
	"bytes"
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

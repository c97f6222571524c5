package session

import (
	"crypto/rand"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// No two of a hundred thousand ids are equal, the tag is where it belongs, and
// each bit of the secret is set half of the time.
func TestIDsAreUniqueAndUnbiased(t *testing.T) {
	const n = 100_000
	m := &Manager{rand: rand.Reader}
	tag := [tagLen]byte{0xA5, 0x00, 0xFF, 0x5A}
	seen := make(map[string]bool, n)
	var ones [secretLen * 8]int
	for range n {
		v, err := m.newValue(tag)
		if err != nil || !wellFormed(v) {
			t.Fatalf("newValue: got %q and %v", v, err)
		}
		seen[v] = true
		raw, err := base64.RawURLEncoding.Strict().DecodeString(v)
		if err != nil || len(raw) != tagLen+secretLen || [tagLen]byte(raw) != tag {
			t.Fatalf("value %q: got % x and %v", v, raw, err)
		}
		for i := range ones {
			ones[i] += int(raw[tagLen+i/8] >> (i % 8) & 1)
		}
	}
	require.Len(t, seen, n)
	for i, got := range ones {
		// Seven standard deviations of a fair coin: one wrong alarm in 10^9 runs.
		require.InDelta(t, n/2, got, 7*158.2, "bit %d", i)
	}
}

// One value, one key: the name of the application cannot slide into the value,
// and the tag of the key is that of the value.
func TestKeyOf(t *testing.T) {
	v := base64.RawURLEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, make([]byte, secretLen)...))
	a, b := &Manager{app: "a"}, &Manager{app: "ab"}
	require.Equal(t, a.keyOf(v), a.keyOf(v))
	require.NotEqual(t, a.keyOf(v).Hash, b.keyOf(v).Hash)
	require.Equal(t, [4]byte{1, 2, 3, 4}, a.keyOf(v).Tag)
	require.Equal(t, "{01020304}:", a.keyOf(v).String()[:11])
	require.Len(t, a.keyOf(v).String(), 11+64)
}

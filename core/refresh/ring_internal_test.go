package refresh

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func ringOf(t testing.TB, app string, transport Transport, secrets ...string) ring {
	t.Helper()
	var all [][]byte
	for _, s := range secrets {
		all = append(all, []byte(strings.Repeat(s, 32)))
	}
	r, err := newRing(app, transport, all, func(field, _, reason string) { t.Fatal(field, reason) })
	require.NoError(t, err)
	return r
}

// vector is what names the token of the vectors.
var vector = name{
	key: Key{
		Tag:    [4]byte{1, 2, 3, 4},
		Handle: revocation.Handle{0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f},
	},
	generation: 0x010203040506,
}

func minted(r ring, n name) string {
	n.secret = r[0].id
	return r[0].mint(&n)
}

// Clients hold tokens for a year, and every node of a fleet makes the same ones: these
// vectors, which were computed with another implementation of HKDF and HMAC, must never
// change.
func TestTokenVectors(t *testing.T) {
	body := ringOf(t, "shop", Body, "s")
	require.Equal(t, "spr_ARnztHYBAgMEEBESExQVFhcYGRobHB0eHwECAwQFBo4yqqjxzSuRzY5oWTNKqeqEHfibukG-fd2daqIgvuZj", minted(body, vector))
	require.Equal(t, "spr_ARnztHYBAgMEEBESExQVFhcYGRobHB0eHwECAwQFBkPOrriIDEM2iOoR9NODgxua-ribckzrXvb62FFBj4nI",
		minted(ringOf(t, "shop", Cookie, "s"), vector))
	require.Equal(t, SecretID{0x19, 0xf3, 0xb4, 0x76}, body[0].id)
	for _, generation := range []uint64{0, 1, 1 << 16, 1 << 32, 1<<48 - 1} {
		want := vector
		want.generation, want.secret = generation, body[0].id
		raw := minted(body, want)
		require.Len(t, raw, 88)
		got, err := body.read(raw)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// Every bit of a token counts, and so does every character.
func TestEveryBitCounts(t *testing.T) {
	r := ringOf(t, "shop", Body, "s")
	good := minted(r, vector)
	raw, err := base64.RawURLEncoding.DecodeString(good[len(prefix):])
	require.NoError(t, err)
	require.Len(t, raw, rawLen)
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			_, err := r.read(prefix + base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1 << bit
			switch {
			case i == 0:
				require.Equal(t, refusedShape, err, "version")
			case i < 5:
				require.Equal(t, ErrSecret, err, "the name of a secret that nobody has")
			default:
				require.Equal(t, refusedMAC, err, "byte %d", i)
			}
		}
	}
	for i := range good {
		for _, c := range alphabet + "+/=.\n\r \x00\x80" {
			if other := good[:i] + string(c) + good[i+1:]; other != good {
				_, err := r.read(other)
				require.Error(t, err, other)
			}
		}
	}
}

// Two spellings of one token would be two tokens to whoever looks for stolen ones.
func TestOneSpelling(t *testing.T) {
	r := ringOf(t, "shop", Body, "s")
	n := vector
	good := minted(r, n)
	for !strings.ContainsAny(good[len(prefix):], "-") || !strings.ContainsAny(good[len(prefix):], "_") {
		n.generation++
		good = minted(r, n)
	}
	_, err := r.read(good)
	require.NoError(t, err)
	shape := func(other string) {
		t.Helper()
		_, err := r.read(other)
		require.Equal(t, refusedShape, err, "%q", other)
	}
	for i := range good {
		shape(good[:i])
		shape(good[i+1:])
		shape(good[:i] + "\n" + good[i:])
		shape(good[:i] + "\n" + good[i+1:])
		shape(good[:i] + "\r\n" + good[min(i+2, len(good)):])
	}
	for _, c := range alphabet + "=\n\x00 " {
		shape(good + string(c))
		shape(string(c) + good)
	}
	body := good[len(prefix):]
	for _, other := range []string{
		"", prefix, body, prefix + body + "=", prefix + body + "==", prefix + body + "AAAA", prefix + prefix + body,
		strings.ToUpper(good), "SPR_" + body, "spr-" + body, " " + good, good + " ", good + good,
		prefix + strings.NewReplacer("-", "+", "_", "/").Replace(body),
		prefix + strings.Replace(body, "-", "+", 1), prefix + strings.Replace(body, "_", "/", 1),
		prefix + body[:80] + "\n\n\n\n", prefix + "\n\n\n\n" + body[4:], prefix + body[:82] + "==",
		prefix + strings.Repeat("A", 1<<20), strings.Repeat("\n", 88), prefix + strings.Repeat("\n", 84), prefix + strings.Repeat("=", 84),
	} {
		shape(other)
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	require.NoError(t, err)
	raw[0] = 2
	copy(raw[bodyLen:], macOf(r[0], raw))
	require.True(t, r[0].verify((*[rawLen]byte)(raw)))
	shape(prefix + base64.RawURLEncoding.EncodeToString(raw))
}

// Nothing that a token does not say itself can be changed about it either.
func TestTokenOfSomebodyElse(t *testing.T) {
	r := ringOf(t, "shop", Body, "s")
	good := minted(r, vector)
	for desc, tc := range map[string]struct {
		ring ring
		want error
	}{
		"another application":           {ringOf(t, "shops", Body, "s"), refusedMAC},
		"a shorter name":                {ringOf(t, "sho", Body, "s"), refusedMAC},
		"another transport":             {ringOf(t, "shop", Cookie, "s"), refusedMAC},
		"another secret":                {ringOf(t, "shop", Body, "t"), ErrSecret},
		"among other secrets":           {ringOf(t, "shop", Body, "t", "u", "s"), nil},
		"other secrets, no longer this": {ringOf(t, "shop", Body, "t", "u"), ErrSecret},
		"the process's own secret":      {ringOf(t, "shop", Body), ErrSecret},
	} {
		_, err := tc.ring.read(good)
		require.Equal(t, tc.want, err, desc)
	}
	require.ErrorIs(t, ErrSecret, core.ErrUnknown)
	require.NotErrorIs(t, ErrSecret, ErrInvalidGrant)

	// A MAC is for one name. Swapped between two tokens, it fits neither.
	other := vector
	other.generation++
	swapped := minted(r, other)[:len(prefix)+44] + good[len(prefix)+44:]
	_, err := r.read(swapped)
	require.Equal(t, refusedMAC, err)
	// Announced under the name of one secret, made with the other.
	two := ringOf(t, "shop", Body, "s", "t")
	raw, err := base64.RawURLEncoding.DecodeString(minted(two, vector)[len(prefix):])
	require.NoError(t, err)
	copy(raw[bodyLen:], macOf(two[1], raw))
	_, err = two.read(prefix + base64.RawURLEncoding.EncodeToString(raw))
	require.Equal(t, refusedMAC, err)
}

// macOf is the MAC of a token's bytes.
func macOf(s *secret, raw []byte) []byte {
	m := s.macs.New().(*mac)
	copy(m.raw[:], raw)
	return m.of(s.context)
}

// A process without a secret of its configuration has one, and no other process has it.
func TestOwnSecret(t *testing.T) {
	a, b := ringOf(t, "shop", Body), ringOf(t, "shop", Body)
	require.Equal(t, minted(a, vector), minted(b, vector), "two Rotators on one store")
	_, err := ringOf(t, "shop", Body, "\x00").read(minted(a, vector))
	require.Equal(t, ErrSecret, err)
}

// What is read is what was minted: one token, one name, one text.
func FuzzRead(f *testing.F) {
	r := ringOf(f, "shop", Body, "s", "t")
	good := minted(r, vector)
	second := vector
	second.secret = r[1].id
	for _, s := range []string{
		"", prefix, good, r[1].mint(&second), good[:87], good + "A", good[:40] + "\n" + good[41:], strings.ToLower(good),
		minted(ringOf(f, "shop", Cookie, "s"), vector), prefix + strings.Repeat("A", 84), prefix + strings.Repeat("_", 84),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := r.read(s)
		if err != nil {
			require.True(t, err == refusedShape || err == refusedMAC || err == ErrSecret, err)
			return
		}
		require.Equal(t, s, r.find(n.secret).mint(&n))
	})
}

// Garbage is what is sent the most of.
func TestReadAllocates(t *testing.T) {
	r := ringOf(t, "shop", Body, "s", "t")
	good := minted(r, vector)
	forged := good[:87] + string(alphabet[(strings.IndexByte(alphabet, good[87])+1)%64])
	for desc, tc := range map[string]struct {
		token string
		want  error
	}{
		"good":                     {good, nil},
		"forged":                   {forged, refusedMAC},
		"truncated":                {good[:80], refusedShape},
		"a secret that nobody has": {minted(ringOf(t, "shop", Body, "u"), vector), ErrSecret},
	} {
		_, err := r.read(tc.token)
		require.Equal(t, tc.want, err, desc)
		require.Zero(t, allocs(func() { _, _ = r.read(tc.token) }), desc)
	}
}

// allocs is what a run of f allocates. It is the least of many, because the race detector
// makes a pool forget some of what it is given.
func allocs(f func()) float64 {
	least := testing.AllocsPerRun(1, f)
	for range 50 {
		least = min(least, testing.AllocsPerRun(1, f))
	}
	return least
}

func TestLooks(t *testing.T) {
	for token, want := range map[string]bool{
		minted(ringOf(t, "shop", Body, "s"), vector): true,
		"spr_": true, "spr": false, "": false, "SPR_": false, " spr_": false,
		"eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJpIn0.AAAA": false,
	} {
		require.Equal(t, want, Looks(token), token)
	}
}

package realm_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/internal/realm"
)

var secret = []byte(strings.Repeat("s", 32))

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		desc   string
		app    string
		secret []byte
		want   []string
	}{
		{"least", "a", nil, nil},
		{"every kind of character", "Az09._-", make([]byte, 32), nil},
		{"longest", strings.Repeat("a", 64), make([]byte, 1000), nil},
		{"no app", "", nil, []string{"App "}},
		{"app too long", strings.Repeat("a", 65), nil, []string{"App " + strings.Repeat("a", 65)}},
		{"app with a space inside", "a b", nil, []string{"App a b"}},
		{"app with NUL", "a\x00b", nil, []string{"App a\x00b"}},
		{"app with a colon", "a:b", nil, []string{"App a:b"}},
		{"app with an umlaut", "ä", nil, []string{"App ä"}},
		{"secret empty", "a", []byte{}, []string{"Secret 0 bytes"}},
		{"secret short", "a", make([]byte, 31), []string{"Secret 31 bytes"}},
		{"both", "/", []byte("hunter2"), []string{"App /", "Secret 7 bytes"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var got []string
			realm.Check(tc.app, tc.secret, func(field, value, reason string) {
				got = append(got, field+" "+value)
				require.NotEmpty(t, reason)
			})
			require.Equal(t, tc.want, got)
		})
	}
}

func TestSecret(t *testing.T) {
	given, err := realm.Secret(secret, iotest.ErrReader(errors.New("not to be asked")))
	require.NoError(t, err)
	require.Equal(t, secret, given)

	made, err := realm.Secret(nil, strings.NewReader(strings.Repeat("r", 40)))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("r", 32), string(made))

	a, err := realm.Secret(nil, nil)
	require.NoError(t, err)
	b, err := realm.Secret(nil, nil)
	require.NoError(t, err)
	require.Len(t, a, 32)
	require.Equal(t, a, b, "a process has one")
	require.NotEqual(t, make([]byte, 32), a)
	require.NotEqual(t, secret, a)

	broken := errors.New("no entropy")
	for desc, tc := range map[string]struct {
		random io.Reader
		want   error
	}{
		"empty":     {bytes.NewReader(nil), io.EOF},
		"one short": {bytes.NewReader(make([]byte, 31)), io.ErrUnexpectedEOF},
		"error":     {iotest.ErrReader(broken), broken},
	} {
		s, err := realm.Secret(nil, tc.random)
		require.ErrorIs(t, err, tc.want, desc)
		require.Empty(t, s, desc)
	}
}

func newRealm(t *testing.T, app string, secret []byte) *realm.Realm {
	t.Helper()
	r, err := realm.New(app, secret)
	require.NoError(t, err)
	return r
}

func TestKey(t *testing.T) {
	key := func(r *realm.Realm, purpose string) string {
		k, err := r.Key(purpose)
		require.NoError(t, err)
		require.Len(t, k, 32)
		return hex.EncodeToString(k)
	}
	r := newRealm(t, "app", secret)
	want := key(r, "a")
	require.Equal(t, "a4dc0d38260b3d49d981b8f44e9f928e203e3e963c4f46571e1ca5f548aa7c05", want, "what a store is keyed by never changes")
	require.NotEqual(t, want, key(r, "b"), "one purpose, one key")
	require.NotEqual(t, want, key(newRealm(t, "app", []byte(strings.Repeat("t", 32))), "a"))
	require.NotEqual(t, hex.EncodeToString(secret), want)
}

func TestOwner(t *testing.T) {
	want := newRealm(t, "app", secret).Owner("ann")
	require.Equal(t, "99debd7d9e3d9d62da5fec224717dc61", hex.EncodeToString(want[:]))
	for desc, got := range map[string][16]byte{
		"another application":      newRealm(t, "apps", secret).Owner("ann"),
		"another secret":           newRealm(t, "app", []byte(strings.Repeat("t", 32))).Owner("ann"),
		"another subject":          newRealm(t, "app", secret).Owner("anna"),
		"no subject":               newRealm(t, "app", secret).Owner(""),
		"the split somewhere else": newRealm(t, "ap", secret).Owner("pann"),
		"a zero byte in front":     newRealm(t, "app", secret).Owner("\x00ann"),
	} {
		require.NotEqual(t, want, got, desc)
	}
}

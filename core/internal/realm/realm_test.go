package realm_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
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

func TestMark(t *testing.T) {
	r := newRealm(t, "app", secret)
	want := r.Mark("refresh binding", "web", "device")
	require.Equal(t, "3c231ba0ad5e41fbff29309229e87540", hex.EncodeToString(want[:]), "it stands in stores")
	require.Equal(t, want, newRealm(t, "app", secret).Mark("refresh binding", "web", "device"))
	owner := r.Owner("refresh bindingwebdevice")
	for desc, got := range map[string][16]byte{
		"another application":        newRealm(t, "apps", secret).Mark("refresh binding", "web", "device"),
		"another secret":             newRealm(t, "app", []byte(strings.Repeat("t", 32))).Mark("refresh binding", "web", "device"),
		"another purpose":            r.Mark("binding", "web", "device"),
		"another part":               r.Mark("refresh binding", "web", "devicf"),
		"a part less":                r.Mark("refresh binding", "web"),
		"an empty part more":         r.Mark("refresh binding", "web", "device", ""),
		"the other way round":        r.Mark("refresh binding", "device", "web"),
		"the split somewhere else":   r.Mark("refresh binding", "webd", "evice"),
		"all in one":                 r.Mark("refresh binding", "webdevice"),
		"purpose and part":           r.Mark("refresh bindingweb", "device"),
		"application and purpose":    newRealm(t, "appr", secret).Mark("efresh binding", "web", "device"),
		"a length as a character":    r.Mark("refresh binding", "web\x06device"),
		"no parts":                   r.Mark("refresh binding"),
		"an owner of the same bytes": owner,
	} {
		require.NotEqual(t, want, got, desc)
	}
	long := strings.Repeat("x", 300) // its length is more than one byte
	require.NotEqual(t, r.Mark("p", long), r.Mark("p", long[:299]))
}

// A MAC is a list's, like a mark, and its key is of its purpose alone.
func TestMAC(t *testing.T) {
	mac := func(r *realm.Realm, purpose string) *realm.MAC {
		m, err := r.MAC(purpose)
		require.NoError(t, err)
		return m
	}
	r := newRealm(t, "app", secret)
	m := mac(r, "csrf")
	want := m.Of("web", "device")
	require.Equal(t, want, mac(newRealm(t, "app", secret), "csrf").Of("web", "device"))
	key, err := r.Key("csrf")
	require.NoError(t, err)
	h := hmac.New(sha256.New, key)
	h.Write([]byte("\x03app\x03web\x06device"))
	require.Equal(t, h.Sum(nil), want[:])
	for desc, got := range map[string][32]byte{
		"another application": mac(newRealm(t, "apps", secret), "csrf").Of("web", "device"),
		"another secret":      mac(newRealm(t, "app", []byte(strings.Repeat("t", 32))), "csrf").Of("web", "device"),
		"another purpose":     mac(r, "mark").Of("web", "device"),
		"a part less":         m.Of("web"),
		"an empty part more":  m.Of("web", "device", ""),
		"another split":       m.Of("webd", "evice"),
	} {
		require.NotEqual(t, want, got, desc)
	}
	require.Zero(t, allocs(func() { m.Of("a", "b", "c") }))
}

// Owners and marks are made in every request, by many at once.
func TestParallel(t *testing.T) {
	r := newRealm(t, "app", secret)
	owner, mark := r.Owner("ann"), r.Mark("p", "a", "b")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for n := range 200 {
				if r.Owner("ann") != owner || r.Mark("p", "a", "b") != mark {
					t.Error("another value")
				}
				r.Mark("p", strings.Repeat("x", n*10)) // some of it more than is kept
			}
		})
	}
	wait.Wait()
	require.Zero(t, allocs(func() { r.Owner("ann") }))
	require.Zero(t, allocs(func() { r.Mark("p", "a", "b") }))
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

package token

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
)

// ringTest is a ring with a clock, a KMS and a log of its events.
type ringTest struct {
	*testing.T
	ring   *KeyRing
	now    time.Time
	serial int
	made   int   // how often NewSigner was called
	away   error // what NewSigner fails with
	events []audit.Event
}

var ringStart = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func newRingTest(t *testing.T, cfg KeyRingConfig) *ringTest {
	t.Helper()
	x := &ringTest{T: t, now: ringStart, serial: 1000}
	cfg.Now = func() time.Time { return x.now }
	cfg.Audit = audit.SinkFunc(func(_ context.Context, e audit.Event) { x.events = append(x.events, e) })
	if cfg.Generate != "" {
		cfg.NewSigner = func(context.Context, Algorithm) (crypto.Signer, error) {
			if x.made++; x.away != nil {
				return nil, x.away
			}
			x.serial++
			return numberedKey(x.serial), nil
		}
	}
	var err error
	x.ring, err = NewKeyRing(cfg)
	require.NoError(t, err)
	return x
}

func numberedRingKey(n int, from time.Time) Key {
	return Key{Algorithm: EdDSA, Signer: numberedKey(n), SignFrom: from}
}

// signs requires that the n-th key signs.
func (x *ringTest) signs(n int) {
	x.Helper()
	k, err := x.ring.signingKey(x.Context())
	require.NoError(x, err)
	require.Equal(x, numberedID(n), k.id)
}

// verifies requires that verificationKey says want about the n-th key.
func (x *ringTest) verifies(n int, want error) {
	x.Helper()
	k, err := x.ring.verificationKey(x.Context(), numberedID(n), x.now)
	require.ErrorIs(x, err, want)
	require.Equal(x, want != nil, k == nil)
}

// took returns the events since it was last asked.
func (x *ringTest) took() (list []string) {
	names := map[string]string{}
	for n := range 1020 {
		names[numberedID(n)] = string(rune('a' + n%26))
	}
	for _, e := range x.events {
		require.Equal(x, x.now, e.Time)
		require.Equal(x, "app", e.App)
		list = append(list, strings.TrimSpace(string(e.Name)+" "+names[e.Key]))
	}
	x.events = nil
	return list
}

func (x *ringTest) states() (list []KeyState) {
	for _, k := range x.ring.Keys() {
		list = append(list, k.State)
	}
	return list
}

func TestLifeOfAKey(t *testing.T) {
	x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}, Retire: time.Hour})
	x.signs(1)
	require.Empty(t, x.took())
	from := x.now.Add(2 * time.Hour)
	require.NoError(t, x.ring.Add(t.Context(), numberedRingKey(2, from)))
	require.Equal(t, []string{"key_announced c"}, x.took())
	require.Equal(t, []KeyInfo{
		{ID: numberedID(1), Algorithm: EdDSA, State: KeySigning, SignFrom: ringStart, VerifyUntil: from.Add(time.Hour)},
		{ID: numberedID(2), Algorithm: EdDSA, State: KeyAnnounced, SignFrom: from},
	}, x.ring.Keys())
	x.verifies(2, nil)
	x.now = from.Add(-1)
	x.signs(1)
	x.now = from
	x.signs(2)
	require.Equal(t, []KeyState{KeyRetired, KeySigning}, x.states())
	x.now = from.Add(time.Hour - 1)
	x.verifies(1, nil)
	require.Len(t, x.ring.Keys(), 2)
	x.now = from.Add(time.Hour) // to the instant
	x.verifies(1, errUnknownKey)
	x.verifies(2, nil)
	require.Equal(t, []KeyState{KeySigning}, x.states())
	require.ErrorIs(t, x.ring.Revoke(t.Context(), numberedID(1)), ErrNoKey)
	x.now = x.now.Add(100 * 365 * 24 * time.Hour)
	x.signs(2) // nothing stops signing before its successor does
	require.NoError(t, x.ring.Add(t.Context(), numberedRingKey(1, time.Time{})), "what was forgotten may come again")
	x.signs(1)
}

// A process that starts again finds each key where its time is.
func TestKeysFromTheirTimes(t *testing.T) {
	h := func(n int) time.Time { return ringStart.Add(time.Duration(n) * time.Hour) }
	var none time.Time
	until := Key{Algorithm: ES256, Public: testP256(t)}
	for _, tc := range []struct {
		desc  string
		keys  []Key
		signs int // 0: none
		want  []KeyState
	}{
		{"one", []Key{numberedRingKey(1, none)}, 1, []KeyState{KeySigning}},
		{"one of the future", []Key{numberedRingKey(1, h(1))}, 0, []KeyState{KeyAnnounced}},
		{"old and new without times", []Key{numberedRingKey(1, none), numberedRingKey(2, none)}, 2, []KeyState{KeyRetired, KeySigning}},
		{"a time wins over none", []Key{numberedRingKey(1, none), numberedRingKey(2, h(-1))}, 2, []KeyState{KeyRetired, KeySigning}},
		{"wherever it stands", []Key{numberedRingKey(2, h(-1)), numberedRingKey(1, none)}, 2, []KeyState{KeyRetired, KeySigning}},
		{"and retires the other one in time", []Key{numberedRingKey(1, none), numberedRingKey(2, h(-3))}, 2, []KeyState{KeySigning}},
		{"a row", []Key{numberedRingKey(1, h(-9)), numberedRingKey(2, h(-3)), numberedRingKey(3, h(-1)), numberedRingKey(4, h(1))}, 3,
			[]KeyState{KeyRetired, KeySigning, KeyAnnounced}},
		{"a row in disorder", []Key{numberedRingKey(4, h(1)), numberedRingKey(3, h(-1)), numberedRingKey(1, h(-9)), numberedRingKey(2, h(-3))}, 3,
			[]KeyState{KeyRetired, KeySigning, KeyAnnounced}},
		{"one moment, the last is the newest", []Key{numberedRingKey(1, h(-1)), numberedRingKey(2, h(-1))}, 2, []KeyState{KeyRetired, KeySigning}},
		{"one to verify with", []Key{numberedRingKey(1, none), until}, 1, []KeyState{KeyRetired, KeySigning}},
		{"one to verify with until later", []Key{numberedRingKey(1, none), keyUntil(until, h(1))}, 1, []KeyState{KeyRetired, KeySigning}},
		{"one to verify with until now", []Key{numberedRingKey(1, none), keyUntil(until, h(0))}, 1, []KeyState{KeySigning}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			x := newRingTest(t, KeyRingConfig{Keys: tc.keys, Retire: 2 * time.Hour})
			require.Equal(t, tc.want, x.states())
			if tc.signs > 0 {
				x.signs(tc.signs)
				return
			}
			_, err := x.ring.signingKey(t.Context())
			require.ErrorIs(t, err, ErrNoSigningKey)
		})
	}
}

func keyUntil(k Key, until time.Time) Key { k.VerifyUntil = until; return k }

func testP256(t *testing.T) crypto.PublicKey {
	k, err := ParseJWK(ES256, []byte(`{"kty":"EC",`+ecPoint+`}`))
	require.NoError(t, err)
	return k.Public
}

// A key that is added late with an early time does not cost the old one's tokens.
func TestAddWithATimeThatIsOver(t *testing.T) {
	x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}})
	x.now = x.now.Add(10 * time.Hour)
	require.NoError(t, x.ring.Add(t.Context(), numberedRingKey(2, ringStart.Add(time.Hour))))
	x.signs(2)
	x.verifies(1, nil)
	x.now = x.now.Add(time.Hour)
	x.verifies(1, errUnknownKey)
}

func TestSchedule(t *testing.T) {
	const day = 24 * time.Hour
	x := newRingTest(t, KeyRingConfig{Generate: EdDSA, Period: day, Announce: 2 * time.Hour, Retire: time.Hour})
	require.Equal(t, []string{"key_announced n"}, x.took())
	x.signs(1001)
	x.now = ringStart.Add(22*time.Hour - 1)
	x.signs(1001)
	require.Equal(t, 1, x.made)
	x.now = ringStart.Add(22 * time.Hour)
	x.signs(1001)
	require.Equal(t, 2, x.made)
	require.Equal(t, []string{"key_announced o"}, x.took())
	x.signs(1001)
	require.Equal(t, 2, x.made)
	x.now = ringStart.Add(day - 1)
	x.signs(1001)
	x.now = ringStart.Add(day)
	x.signs(1002)

	// After a silence the announcement still comes first.
	x.now = ringStart.Add(10 * day)
	x.signs(1002)
	require.Equal(t, []string{"key_announced p"}, x.took())
	x.now = ringStart.Add(10*day + 2*time.Hour - 1)
	x.signs(1002)
	x.now = ringStart.Add(10*day + 2*time.Hour)
	x.signs(1003)

	// While no key can be made the old one goes on, and the KMS is left in peace.
	x.away = errors.New("the KMS is away")
	x.now = x.now.Add(30 * day)
	made := x.made
	for range 5 {
		x.signs(1003)
	}
	require.Equal(t, made+1, x.made)
	require.Equal(t, x.away, errors.Unwrap(x.events[0].Err))
	require.Equal(t, []string{"keys_failure"}, x.took())
	x.now = x.now.Add(time.Minute - 1)
	x.signs(1003)
	require.Equal(t, made+1, x.made)
	x.now = x.now.Add(1)
	x.signs(1003)
	require.Equal(t, made+2, x.made)
	require.Equal(t, []string{"keys_failure"}, x.took())
	x.now = x.now.Add(-day) // a clock that was set back is no reason to wait
	x.away = nil
	x.signs(1003)
	require.Equal(t, []string{"key_announced q"}, x.took())
	x.now = x.now.Add(2 * time.Hour)
	x.signs(1004)
}

func TestRotate(t *testing.T) {
	x := newRingTest(t, KeyRingConfig{Generate: EdDSA})
	x.took()
	require.NoError(t, x.ring.Rotate(t.Context()))
	require.Equal(t, []string{"key_announced o"}, x.took())
	x.now = ringStart.Add(time.Hour - 1)
	x.signs(1001)
	x.now = ringStart.Add(time.Hour)
	x.signs(1002)
	x.now = ringStart.Add(1000 * time.Hour)
	x.signs(1002) // no period, no schedule
	x.away = errors.New("the KMS is away")
	require.ErrorIs(t, x.ring.Rotate(t.Context()), x.away)
	require.Equal(t, []string{"keys_failure"}, x.took())

	x = newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}})
	require.ErrorContains(t, x.ring.Rotate(t.Context()), "token.KeyRingConfig.Generate")
	x.signs(1)
}

func TestRevoke(t *testing.T) {
	later := ringStart.Add(time.Hour)
	t.Run("the successor signs at once", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), numberedRingKey(3, later.Add(1)), numberedRingKey(2, later)}})
		require.NoError(t, x.ring.Revoke(t.Context(), numberedID(1)))
		require.Equal(t, []string{"key_revoked b"}, x.took())
		x.verifies(1, errKeyRevoked)
		x.signs(2)
		require.Equal(t, []KeyState{KeyRevoked, KeySigning, KeyAnnounced}, x.states())
		require.NoError(t, x.ring.Revoke(t.Context(), numberedID(1)), "again is harmless")
		require.Empty(t, x.took())
		require.ErrorContains(t, x.ring.Add(t.Context(), numberedRingKey(1, time.Time{})), "was revoked")
		x.now = ringStart.Add(time.Hour - 1)
		x.verifies(1, errKeyRevoked)
		require.Equal(t, []KeyState{KeyRevoked, KeySigning, KeyAnnounced}, x.states())
		require.Equal(t, ringStart, x.ring.Keys()[0].VerifyUntil)
	})
	t.Run("an announced one", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), numberedRingKey(2, later)}})
		require.NoError(t, x.ring.Revoke(t.Context(), numberedID(2)))
		x.verifies(2, errKeyRevoked)
		x.now = later.Add(time.Hour)
		x.signs(1)
	})
	t.Run("a retired one", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), numberedRingKey(2, time.Time{})}})
		require.NoError(t, x.ring.Revoke(t.Context(), numberedID(1)))
		x.verifies(1, errKeyRevoked)
		x.signs(2)
	})
	t.Run("the only one", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}})
		require.ErrorIs(t, x.ring.Revoke(t.Context(), numberedID(1)), ErrNoSigningKey)
		require.ErrorIs(t, x.ring.Revoke(t.Context(), numberedID(1)), ErrNoSigningKey)
		require.Equal(t, []string{"key_revoked b"}, x.took())
		_, err := x.ring.signingKey(t.Context())
		require.ErrorIs(t, err, ErrNoSigningKey)
		require.NoError(t, x.ring.Add(t.Context(), numberedRingKey(2, time.Time{})))
		x.signs(2)
	})
	t.Run("a retired one does not come back", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), numberedRingKey(2, time.Time{})}})
		require.ErrorIs(t, x.ring.Revoke(t.Context(), numberedID(2)), ErrNoSigningKey)
		x.verifies(1, nil)
		x.now = ringStart.Add(time.Hour)
		x.verifies(1, errUnknownKey)
	})
	t.Run("the ring makes a new one", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Generate: EdDSA})
		x.took()
		require.NoError(t, x.ring.Revoke(t.Context(), numberedID(1001)))
		require.Equal(t, []string{"key_revoked n", "key_announced o"}, x.took())
		x.signs(1002)
	})
	t.Run("the ring cannot make a new one", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Generate: EdDSA})
		x.took()
		x.away = errors.New("the KMS is away")
		require.ErrorIs(t, x.ring.Revoke(t.Context(), numberedID(1001)), x.away)
		require.Equal(t, []string{"key_revoked n", "keys_failure"}, x.took())
		x.verifies(1001, errKeyRevoked) // revoked all the same
		_, err := x.ring.signingKey(t.Context())
		require.ErrorIs(t, err, ErrNoSigningKey)
		require.Equal(t, 2, x.made, "not again within a second")
		x.away = nil
		x.now = x.now.Add(time.Second)
		x.signs(1002)
	})
	t.Run("unknown", func(t *testing.T) {
		x := newRingTest(t, KeyRingConfig{Generate: EdDSA})
		x.took()
		require.ErrorIs(t, x.ring.Revoke(t.Context(), "../../dev/null"), ErrNoKey)
		require.Empty(t, x.took())
	})
}

func TestTrust(t *testing.T) {
	secret, err := SharedSecretKey([]byte(strings.Repeat("s", 32)))
	require.NoError(t, err)
	over := Key{Algorithm: ES256, Public: testP256(t), VerifyUntil: ringStart}
	for _, tc := range []struct {
		desc string
		cfg  KeyRingConfig
		algs []Algorithm
		want []string
	}{
		{"has it", KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}}, []Algorithm{EdDSA}, nil},
		{"makes it", KeyRingConfig{Generate: EdDSA}, []Algorithm{EdDSA}, nil},
		{"has not", KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}}, []Algorithm{EdDSA, RS256, ES256},
			[]string{"the ring has no key for RS256", "the ring has no key for ES256"}},
		{"HS256 of nothing", KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}}, []Algorithm{HS256}, []string{"the ring has no key for HS256"}},
		{"HS256 of its own", KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), secret}}, []Algorithm{EdDSA, HS256}, nil},
		{"gone", KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{}), over}}, []Algorithm{ES256}, []string{"the ring has no key for ES256"}},
		{"unknown ones are the verifier's", KeyRingConfig{Generate: EdDSA}, []Algorithm{"none", ""}, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var got []string
			newRingTest(t, tc.cfg).ring.trust("iss", tc.algs, func(reason string) { got = append(got, reason) })
			require.Equal(t, tc.want, got)
		})
	}
}

// While one call makes a key that is due, the others go on without waiting for it.
func TestOthersDoNotWaitForTheKMS(t *testing.T) {
	var now atomic.Int64
	started, finish := make(chan struct{}, 10), make(chan struct{})
	var blocked atomic.Bool
	var made atomic.Int32
	cancelled, cancel := context.WithCancel(t.Context())
	r, err := NewKeyRing(KeyRingConfig{
		Generate: EdDSA, Period: 2 * time.Hour, Now: func() time.Time { return ringStart.Add(time.Duration(now.Load())) },
		NewSigner: func(ctx context.Context, _ Algorithm) (crypto.Signer, error) {
			n := made.Add(1)
			if blocked.Load() {
				started <- struct{}{}
				<-finish
			}
			return numberedKey(int(n)), ctx.Err()
		},
	})
	require.NoError(t, err)
	blocked.Store(true)
	now.Store(int64(time.Hour))
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = r.signingKey(cancelled) })
	<-started
	cancel() // the client hangs up; the key is for everybody
	for range 10 {
		k, err := r.signingKey(t.Context())
		require.NoError(t, err)
		require.Equal(t, numberedID(1), k.id)
	}
	require.NoError(t, r.Add(t.Context(), numberedRingKey(7, time.Time{})))
	require.NoError(t, r.Revoke(t.Context(), numberedID(1)), "an emergency does not wait either")
	close(finish)
	wg.Wait()
	require.EqualValues(t, 2, made.Load())
	require.Len(t, r.Keys(), 3)
}

// Signers, verifiers, those who rotate and those who revoke, all at once.
func TestRingUnderLoad(t *testing.T) {
	var now atomic.Int64
	var serial atomic.Int32
	serial.Store(5000)
	r, err := NewKeyRing(KeyRingConfig{
		Generate: EdDSA, Period: time.Minute, Announce: 20 * time.Second, MaxAge: 10 * time.Second, Retire: 2 * time.Minute,
		Now: func() time.Time { return ringStart.Add(time.Duration(now.Load())) },
		NewSigner: func(context.Context, Algorithm) (crypto.Signer, error) {
			return numberedKey(int(serial.Add(1))), nil
		},
	})
	require.NoError(t, err)
	const rounds = 300
	var revoked sync.Map
	var wrong atomic.Pointer[string]
	fail := func(s string) { wrong.Store(&s) }
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				k, err := r.signingKey(t.Context())
				if err != nil {
					continue // between a revocation and the new key
				}
				_, dead := revoked.Load(k.id)
				// What signed a moment ago verifies, unless it was revoked since.
				v, err := r.verificationKey(t.Context(), k.id, r.now())
				switch {
				case dead:
					if _, err := r.verificationKey(t.Context(), k.id, r.now()); err == nil {
						fail("a revoked key verifies")
					}
				case err == nil && v.id != k.id:
					fail("another key")
				case errors.Is(err, errUnknownKey):
					fail("a key that signs is not known")
				}
			}
		})
	}
	wg.Go(func() {
		for n := range rounds {
			now.Add(int64(time.Second))
			if n%40 == 0 {
				_ = r.Rotate(t.Context())
			}
		}
	})
	wg.Go(func() {
		for range rounds / 10 {
			for _, k := range r.Keys() {
				if k.State != KeySigning {
					continue
				}
				if err := r.Revoke(t.Context(), k.ID); err != nil && !errors.Is(err, ErrNoKey) {
					fail(err.Error())
				}
				revoked.Store(k.ID, true)
			}
		}
	})
	wg.Wait()
	if s := wrong.Load(); s != nil {
		t.Fatal(*s)
	}
}

func TestKeyStateString(t *testing.T) {
	for s, want := range map[KeyState]string{
		KeyAnnounced: "announced", KeySigning: "signing", KeyRetired: "retired", KeyGone: "gone", KeyRevoked: "revoked", 0: "unknown",
	} {
		require.Equal(t, want, s.String())
	}
}

// The caller may do with its key what it likes afterwards.
func TestPublicKeyIsCopied(t *testing.T) {
	ed := slices.Clone(numberedKey(2).Public().(ed25519.PublicKey))
	parsed, err := ParseJWK(RS256, []byte(`{"kty":"RSA",`+rsaPair+`}`))
	require.NoError(t, err)
	rs := parsed.Public.(*rsa.PublicKey)
	x := newRingTest(t, KeyRingConfig{Keys: []Key{
		numberedRingKey(1, time.Time{}), {Algorithm: EdDSA, Public: ed}, {Algorithm: RS256, Public: rs},
	}})
	n := new(big.Int).Set(rs.N)
	clear(ed)
	rs.E = 1
	rs.N.SetInt64(15)
	v, err := x.ring.verificationKey(t.Context(), numberedID(2), x.now)
	require.NoError(t, err)
	require.Equal(t, numberedKey(2).Public(), v.key)
	v, err = x.ring.verificationKey(t.Context(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", x.now)
	require.NoError(t, err)
	require.True(t, (&rsa.PublicKey{N: n, E: 65537}).Equal(v.key.(*rsa.PublicKey)))
}

// It is called for every request with a token.
func TestKeyLookupAllocatesNothing(t *testing.T) {
	x := newRingTest(t, KeyRingConfig{Keys: []Key{numberedRingKey(1, time.Time{})}})
	ctx, id := t.Context(), numberedID(1)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = x.ring.verificationKey(ctx, id, x.now) }))
}

func BenchmarkKeyLookup(b *testing.B) {
	var keys []Key
	for n := range 4 {
		keys = append(keys, numberedRingKey(n+1, time.Time{}))
	}
	r, err := NewKeyRing(KeyRingConfig{Keys: keys})
	require.NoError(b, err)
	var source KeySource = r
	id, now, ctx := numberedID(2), time.Now(), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.verificationKey(ctx, id, now); err != nil {
			b.Fatal(err)
		}
	}
}

package token

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// numberedKey is the n-th key of a test.
func numberedKey(n int) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(n))
	return ed25519.NewKeyFromSeed(seed)
}

func numberedID(n int) string {
	s, _ := schemeOf(EdDSA)
	return thumbprint(s, numberedKey(n).Public())
}

// modelKey is a key as a film of the ring would show it.
type modelKey struct {
	id      string
	from    time.Time
	begun   bool
	retired time.Time
	revoked time.Time
	pointer *verificationKey
}

// ringModel lives through the ring's time moment by moment, where the ring computes
// everything from the clock.
type ringModel struct {
	now     time.Time
	keys    []*modelKey // in the order of their arrival
	current *modelKey
	failed  time.Time

	serial   int
	kmsAway  bool
	schedule bool
}

const (
	modelAnnounce = 20 * time.Minute
	modelRetire   = time.Hour
	modelPeriod   = 90 * time.Minute
)

var errAway = errors.New("the KMS is away")

func (m *ringModel) newSigner(context.Context, Algorithm) (crypto.Signer, error) {
	if m.kmsAway {
		return nil, errAway
	}
	m.serial++
	return numberedKey(m.serial), nil
}

// waiting returns the key that begins next, of several with one moment the one that
// came first.
func (m *ringModel) waiting() (next *modelKey) {
	for _, k := range m.keys {
		if !k.begun && k.revoked.IsZero() && (next == nil || k.from.Before(next.from)) {
			next = k
		}
	}
	return next
}

func (m *ringModel) begin(k *modelKey) {
	if m.current != nil {
		m.current.retired = k.from
	}
	m.current, k.begun = k, true
}

// step lets time pass, and keys begin in it.
func (m *ringModel) step(to time.Time) {
	m.now = to
	for k := m.waiting(); k != nil && !k.from.After(to); k = m.waiting() {
		m.begin(k)
	}
}

func (m *ringModel) add(id string, from time.Time) {
	if from.Before(m.now) {
		from = m.now
	}
	m.keys = append(m.keys, &modelKey{id: id, from: from})
	m.step(m.now)
}

// generate reports whether it could.
func (m *ringModel) generate(from time.Time) bool {
	if m.kmsAway {
		m.failed = m.now
		return false
	}
	m.failed = time.Time{}
	if m.current == nil {
		from = m.now
	}
	m.add(numberedID(m.serial+1), from)
	return true
}

// sign is what a call that wants to sign makes of the schedule.
func (m *ringModel) sign() {
	wait, due := time.Minute, m.now
	if m.current == nil {
		wait = time.Second
	} else {
		newest := m.current
		for _, k := range m.keys {
			if k.revoked.IsZero() && !k.from.Before(newest.from) {
				newest = k
			}
		}
		due = newest.from.Add(modelPeriod)
		if !m.schedule || m.now.Before(due.Add(-modelAnnounce)) {
			return
		}
		if earliest := m.now.Add(modelAnnounce); due.Before(earliest) {
			due = earliest
		}
	}
	if m.failed.IsZero() || m.now.Sub(m.failed) >= wait {
		m.generate(due)
	}
}

func (m *ringModel) known(k *modelKey) bool {
	return (k.revoked.IsZero() || m.now.Before(k.revoked.Add(modelRetire))) &&
		(k.retired.IsZero() || m.now.Before(k.retired.Add(modelRetire)))
}

func (m *ringModel) state(k *modelKey) KeyState {
	switch {
	case !k.revoked.IsZero():
		return KeyRevoked
	case !k.begun:
		return KeyAnnounced
	case k == m.current:
		return KeySigning
	default:
		return KeyRetired
	}
}

func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		m := &ringModel{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), schedule: rapid.Bool().Draw(t, "schedule")}
		cfg := KeyRingConfig{
			Generate: EdDSA, NewSigner: m.newSigner, Announce: modelAnnounce, Retire: modelRetire,
			MaxAge: 10 * time.Minute, Now: func() time.Time { return m.now },
		}
		if m.schedule {
			cfg.Period = modelPeriod
		}
		m.generate(m.now)
		r, err := NewKeyRing(cfg)
		require.NoError(t, err)
		t.Repeat(map[string]func(*rapid.T){
			"step": func(t *rapid.T) {
				m.step(m.now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "minutes")) * time.Minute))
			},
			"tick": func(t *rapid.T) {
				m.step(m.now.Add(time.Duration(rapid.IntRange(0, 70).Draw(t, "seconds")) * time.Second))
			},
			"add": func(t *rapid.T) {
				from := m.now.Add(time.Duration(rapid.IntRange(-2, 8).Draw(t, "from")) * 10 * time.Minute)
				m.serial++
				require.NoError(t, r.Add(ctx, Key{Algorithm: EdDSA, Signer: numberedKey(m.serial), SignFrom: from}))
				m.add(numberedID(m.serial), from)
			},
			"rotate": func(t *rapid.T) {
				could := m.generate(m.now.Add(modelAnnounce))
				err := r.Rotate(ctx)
				if !could {
					require.ErrorIs(t, err, errAway)
					return
				}
				require.NoError(t, err)
			},
			"revoke": func(t *rapid.T) {
				k := rapid.SampledFrom(m.keys).Draw(t, "key")
				if !m.known(k) {
					require.ErrorIs(t, r.Revoke(ctx, k.id), ErrNoKey)
					return
				}
				if k.revoked.IsZero() {
					k.revoked = m.now
				}
				if k == m.current {
					m.current = nil
					if next := m.waiting(); next != nil {
						next.from = m.now
						m.begin(next)
					}
				}
				could := m.current != nil || m.generate(m.now)
				err := r.Revoke(ctx, k.id)
				if !could {
					require.ErrorIs(t, err, errAway)
					return
				}
				require.NoError(t, err)
			},
			"sign": func(t *rapid.T) {
				m.sign()
				k, err := r.signingKey(ctx)
				if m.current == nil {
					require.ErrorIs(t, err, ErrNoSigningKey)
					return
				}
				require.NoError(t, err)
				require.Equal(t, m.current.id, k.id)
			},
			"kms": func(t *rapid.T) { m.kmsAway = rapid.Bool().Draw(t, "away") },
			"":    func(t *rapid.T) { m.compare(t, r) },
		})
	})
}

func (m *ringModel) compare(t *rapid.T, r *KeyRing) {
	want, got := map[string]KeyState{}, map[string]KeyState{}
	for _, k := range m.keys {
		v, err := r.verificationKey(context.Background(), k.id, m.now)
		switch {
		case !m.known(k):
			require.Error(t, err)
			continue
		case !k.revoked.IsZero():
			require.ErrorIs(t, err, errKeyRevoked)
		default:
			require.NoError(t, err)
			require.Equal(t, k.id, v.id)
			if k.pointer == nil {
				k.pointer = v
			}
			require.Same(t, k.pointer, v)
		}
		want[k.id] = m.state(k)
	}
	infos := r.Keys()
	for _, info := range infos {
		got[info.ID] = info.State
	}
	require.Equal(t, want, got)
	require.True(t, slices.IsSortedFunc(infos, func(a, b KeyInfo) int { return a.SignFrom.Compare(b.SignFrom) }))
	// A set fetched now holds whatever signs while it may be cached, unless
	// somebody adds a key to sign at once.
	if p := r.plan.Load(); p.signing(m.now) != nil {
		for d := time.Duration(0); d <= r.cfg.MaxAge; d += time.Minute {
			require.Contains(t, p.published(m.now), p.signing(m.now.Add(d)).verify.id)
		}
	}
}

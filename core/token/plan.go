package token

import (
	"cmp"
	"slices"
	"time"
)

// ringKey is a key with its times. It is immutable once it is in a plan.
type ringKey struct {
	*compiled
	from    time.Time // when it begins to sign; zero if it only verifies
	order   int       // among keys that begin at the same moment the highest is the newest
	until   time.Time // when one that only verifies is gone; zero: never
	revoked time.Time // zero: it is not

	// These follow from the other keys.
	retired time.Time // when its successor begins to sign; zero while there is none
	gone    time.Time // zero while that is not fixed
}

func newRingKey(c *compiled, k Key) *ringKey {
	return &ringKey{compiled: c, from: k.SignFrom.Round(0), until: k.VerifyUntil.Round(0)}
}

// plan is the keys of a ring and when each of them is what. What it says depends on
// the clock alone, so nobody has to act for a key to begin or to be gone.
type plan struct {
	keys  []*ringKey // in the order in which they sign
	named map[string]*ringKey
}

// newPlan takes keys that are in no other plan.
func newPlan(keys []*ringKey, retire time.Duration) *plan {
	slices.SortFunc(keys, func(a, b *ringKey) int {
		return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.order, b.order))
	})
	p := &plan{keys: keys, named: make(map[string]*ringKey, len(keys))}
	var successor *ringKey
	for _, k := range slices.Backward(keys) {
		p.named[k.verify.id] = k
		switch {
		case k.sign == nil:
			k.gone = k.until
		case successor == nil:
			k.retired, k.gone = time.Time{}, time.Time{}
		default:
			k.retired, k.gone = successor.from, successor.from.Add(retire)
		}
		if k.signedEver() {
			successor = k
		}
	}
	return p
}

// signedEver reports whether the key signs at some time. One that was revoked while
// it signed did, and whom it retired stays retired: an old key does not come back.
func (k *ringKey) signedEver() bool {
	return k.sign != nil && (k.revoked.IsZero() || !k.from.After(k.revoked))
}

// signing returns the key that signs at now, nil if none does.
func (p *plan) signing(now time.Time) *ringKey {
	for _, k := range slices.Backward(p.keys) {
		if !k.signedEver() || k.from.After(now) {
			continue
		}
		if !k.revoked.IsZero() {
			return nil
		}
		return k
	}
	return nil
}

// newest returns the key that signs after all others, nil if there is none.
func (p *plan) newest() *ringKey {
	for _, k := range slices.Backward(p.keys) {
		if k.sign != nil && k.revoked.IsZero() {
			return k
		}
	}
	return nil
}

// remembered returns copies of the keys that are not gone at now. A revoked one is
// kept for as long as its tokens could live, so that they are refused as revoked.
func (p *plan) remembered(now time.Time, retire time.Duration) []*ringKey {
	keys := make([]*ringKey, 0, len(p.keys)+1)
	for _, k := range p.keys {
		if k.isGone(now) || !k.revoked.IsZero() && !now.Before(k.revoked.Add(retire)) {
			continue
		}
		c := *k
		keys = append(keys, &c)
	}
	return keys
}

func (k *ringKey) isGone(now time.Time) bool { return !k.gone.IsZero() && !now.Before(k.gone) }

// verifies reports whether the key verifies at now, and with it whether it is
// published: one that is announced may sign elsewhere, where the clock is ahead.
func (k *ringKey) verifies(now time.Time) bool { return k.revoked.IsZero() && !k.isGone(now) }

func (k *ringKey) state(now time.Time) KeyState {
	switch {
	case !k.revoked.IsZero():
		return KeyRevoked
	case k.isGone(now):
		return KeyGone
	case k.sign == nil:
		return KeyRetired
	case k.from.After(now):
		return KeyAnnounced
	case !k.retired.IsZero() && !now.Before(k.retired):
		return KeyRetired
	default:
		return KeySigning
	}
}

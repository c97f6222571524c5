package refresh

import (
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// Key is where a family stands in a Store. Tag is that of its owner, so that a store
// which shards by it decides about a subject in one step; Handle tells families apart.
type Key struct {
	Tag    [4]byte
	Handle revocation.Handle
}

// SecretID names a secret of the ring.
type SecretID [4]byte

// Binding is a keyed hash of the client and the device that a family belongs to.
type Binding [16]byte

// Family is what a Store keeps of one login on one device. Times are in microseconds
// since 1970 by the store's clock, 0 for never.
type Family struct {
	// Owner is whose it is; its Tag is that of the family's Key. Handle names it
	// among its owner's and is the sid of its access tokens.
	Owner  revocation.Owner
	Handle revocation.Handle
	// Epoch is the owner's at login. It is the store's own: CreateFamily sets it.
	Epoch uint64
	// Created is when the family began, Ends when it is over whatever happens: it
	// never moves. Both are the store's own, CreateFamily sets them. Expires is when
	// it is over unless it is used, and never later than Ends.
	Created, Ends, Expires int64
	// Lifetime is Ends minus Created. Idle is how far each use moves Expires.
	Lifetime, Idle time.Duration
	Binding        Binding
	State
	// Value is the Rotator's, opaque and immutable.
	Value string
}

// State is what a rotation changes.
type State struct {
	// Generation is the latest, from 1. Secret is the one that its token is made with.
	Generation uint64
	Secret     SecretID
	// Fixed is when the generation was fixed: by a rotation, by a late repeat or by a
	// recovery. A login sets none.
	Fixed int64
	// Confirmed is when it was first known to have arrived: its token was presented, or
	// an access token that came with it.
	Confirmed int64
	// Stamp is that of the latest answer: the greater of its predecessor's successor
	// and the store's clock, which therefore never runs backwards for a family.
	Stamp uint64
	// Floor: answers of the generation with a lower stamp are void. 0 if none is.
	Floor uint64
}

// Key returns where the family stands.
func (f *Family) Key() Key { return Key{f.Owner.Tag, f.Handle} }

// Answer is what an access token that belongs to the latest answer carries.
func (f *Family) Answer() revocation.Answer {
	return revocation.Answer{Generation: f.Generation, Stamp: f.Stamp}
}

// Begin makes f a family that begins now: generation 1, not confirmed, answered once.
// Stores call it in CreateFamily.
func (f *Family) Begin(now int64) {
	f.Created, f.Ends = now, now+f.Lifetime.Microseconds()
	f.State = State{Generation: 1, Secret: f.Secret, Stamp: uint64(max(now, 1))}
	f.use(now)
}

// Sight is what Store.Sight decides about a live family. changed says that f must be
// stored; err is nil or revocation.ErrVoid.
func (f *Family) Sight(a revocation.Answer, now int64) (changed bool, err error) {
	switch {
	case a.Generation != f.Generation:
		// An earlier one is confirmed already, or it would have no successor. A later
		// one was lost here, and is found again when its refresh token comes.
		return false, nil
	case a.Stamp < f.Floor:
		return false, revocation.ErrVoid
	case f.Confirmed != 0:
		return false, nil
	}
	f.Confirmed = f.clock(now)
	return true, nil
}

// Live reports whether the family has not run out.
func (f *Family) Live(now int64) bool { return now < f.Expires }

// clock is the store's clock, which may have been set back, as far as f has seen it: a
// window that has closed stays closed.
func (f *Family) clock(now int64) int64 {
	return max(now, f.Fixed, f.Confirmed, int64(f.Stamp), 1)
}

func (f *Family) use(now int64) { f.Expires = min(now+f.Idle.Microseconds(), f.Ends) }

package revocation

import (
	"context"
	"errors"
	"time"
)

// Owner stands for a subject of one application in a store's keys: a keyed hash of
// both, so that whoever reads the store learns no names, and two applications on
// one store share nothing. The zero Owner is nobody.
//
// Tag is the routing tag of everything that the subject owns (sessions, their
// index, its epoch, its denials): a store that shards by it can decide about a
// subject in one atomic step. Hash tells subjects of one tag apart.
type Owner struct {
	Tag  [4]byte
	Hash [12]byte
}

// Handle names one session of a subject: 16 random bytes. It is no credential.
type Handle [16]byte

// ErrFull says that a store holds as many revocations as it may. They are never
// evicted, because a forgotten one is a login; so the new one is refused.
var ErrFull = errors.New("revocation: no room for another revocation")

// MaxDenied is how many handles of one owner may be denied at a time. Raising the
// owner's epoch forgets them, because it revokes what they did.
const MaxDenied = 128

// Store remembers what was revoked. Package storetest proves one right. Each
// operation is atomic for its owner and all methods are safe for concurrent use.
//
// Every owner has an epoch, zero while nothing is stored. A credential carries the
// epoch of the moment at which its subject logged in, and is refused if that is
// lower than the owner's present one. What is stored is kept until the time given as
// until and then forgotten; a later until lengthens that, an earlier one changes
// nothing.
type Store interface {
	// Revoked returns the owner's epoch, and whether handle is denied.
	Revoked(ctx context.Context, owner Owner, handle Handle) (epoch uint64, denied bool, err error)

	// RaiseEpoch revokes everything of the owner up to now: the epoch becomes
	// the greater of its successor and the store's clock in microseconds, and is
	// returned. The owner's denials are forgotten.
	RaiseEpoch(ctx context.Context, owner Owner, until time.Time) (uint64, error)

	// RestoreEpoch makes the epoch at least epoch, which an authentic credential
	// has shown to have been there: the store had lost it. Denials stay.
	RestoreEpoch(ctx context.Context, owner Owner, epoch uint64, until time.Time) error

	// Deny revokes one handle. ErrFull if MaxDenied others of the owner are
	// denied already.
	Deny(ctx context.Context, owner Owner, handle Handle, until time.Time) error
}

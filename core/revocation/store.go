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

// Handle names one thing of a subject that can be revoked by itself: 16 bytes. That of
// a session or of a refresh family is random; that of an access token comes from its
// jti. It is no credential. The zero Handle names nothing.
type Handle [16]byte

// Answer says which answer of a refresh family an access token came with. The zero
// Answer is that of a token that came with none.
type Answer struct {
	// Generation is that of the refresh token that the answer belonged to, from 1.
	Generation uint64
	// Stamp orders the answers of one family. It is a time and no count, so that
	// nobody can read from two answers whether there was one between them.
	Stamp uint64
}

// ErrFull says that a store holds as many revocations as it may. They are never
// evicted, because a forgotten one is a login; so the new one is refused.
var ErrFull = errors.New("revocation: no room for another revocation")

// MaxDenied is how many revocations of one owner's single things, denials and voids,
// may be remembered at a time. Raising the owner's epoch forgets them, because it
// revokes what they did.
const MaxDenied = 128

// Asked is what a store is asked about an owner.
type Asked struct {
	// Session and Token are denied, or not. A zero one is not.
	Session, Token Handle
	// Generation is one of the family Session, 0 for none.
	Generation uint64
}

// Found is what a store answers.
type Found struct {
	// Epoch is the owner's.
	Epoch uint64
	// Denied: Session is, or Token.
	Denied bool
	// Floor: what the generation's answers with a lower stamp came with is void. 0 if
	// nothing is.
	Floor uint64
}

// Store remembers what was revoked. Package storetest proves one right. Each
// operation is atomic for its owner and all methods are safe for concurrent use.
//
// Every owner has an epoch, zero while nothing is stored. A credential carries the
// epoch of the moment at which its subject logged in, and is refused if that is
// lower than the owner's present one. What is stored is kept until the time given as
// until and then forgotten; a later until lengthens that, an earlier one changes
// nothing.
//
// A store that keeps sessions or refresh families as well ends those that an operation
// revokes, in the same step, so that they do not come back when the revocation is
// forgotten.
type Store interface {
	// Revoked returns what is revoked of the owner.
	Revoked(ctx context.Context, owner Owner, a Asked) (Found, error)

	// RaiseEpoch revokes everything of the owner up to now: the epoch becomes
	// the greater of its successor and the store's clock in microseconds, and is
	// returned. The owner's denials and voids are forgotten.
	RaiseEpoch(ctx context.Context, owner Owner, until time.Time) (uint64, error)

	// RestoreEpoch makes the epoch at least epoch, which an authentic credential
	// has shown to have been there: the store had lost it. Denials and voids stay.
	RestoreEpoch(ctx context.Context, owner Owner, epoch uint64, until time.Time) error

	// Deny revokes one handle. ErrFull if MaxDenied others of the owner are
	// remembered already.
	Deny(ctx context.Context, owner Owner, handle Handle, until time.Time) error
}

// What a Witness answers besides success.
var (
	// ErrEnded says that there is no such family, or none any more.
	ErrEnded = errors.New("revocation: the refresh family has ended")
	// ErrVoid says that a later answer has taken the place of this one.
	ErrVoid = errors.New("revocation: the answer is void")
)

// Witness is a Store that keeps refresh families as well. Sight tells it that a
// verifier was shown an access token that came with answer a of the owner's family.
// That confirms the generation, if it is the latest: from then on its predecessor is
// of no use. ErrEnded if the family is not live, ErrVoid if the generation is the
// latest and its answers up to this one are void; then nothing is confirmed. It is one
// atomic step, or a token could be accepted and void without a trace.
type Witness interface {
	Store
	Sight(ctx context.Context, owner Owner, family Handle, a Answer) error
}

// Local is implemented by a store that answers out of the memory of this process
// and so never blocks. No timer is armed for its calls.
type Local interface {
	Store
	// LocalStore is a marker and does nothing.
	LocalStore()
}

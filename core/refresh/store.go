package refresh

import (
	"context"
	"errors"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// What a Store answers besides success. Any other error means that the store did not
// decide, and nothing may be concluded from it.
var (
	// ErrGone says that no live family stands under the key. It is
	// revocation.ErrEnded.
	ErrGone = revocation.ErrEnded
	// ErrExists says that one stands there already.
	ErrExists = errors.New("refresh: a family stands under this key already")
	// ErrFull says that the store holds as many families as it may. They are never
	// evicted: a forgotten one is a log-out.
	ErrFull = errors.New("refresh: no room for another family")
)

// Outcome is what a presented token came to.
type Outcome struct {
	Verdict Verdict
	// Family is the family afterwards; as it was, if it has ended.
	Family Family
}

// Store keeps families. Package storetest proves one right. It is the store of what
// revokes them: both stand under one routing tag, so that a decision sees them together.
//
// Each operation is atomic and decided by the store alone, by its own clock. A family is
// live if its Expires has not passed, its Epoch is not lower than its owner's, and its
// Handle is not denied. None of the operations may bring back one that is not live. All
// methods are safe for concurrent use and return soon after ctx ends. RaiseEpoch and
// Deny end the families that they revoke in the same step, RestoreEpoch too.
type Store interface {
	revocation.Witness

	// CreateFamily puts f under its key, begun now (Family.Begin), with the epoch of
	// its owner, and returns it. ErrExists if a live one is there. If more than limit
	// of the owner's would be live, those of the others that expire first are ended
	// and returned; nothing is denied for them. What the owner's epoch is must be
	// remembered until f.Ends at least. ErrFull if there is no room; then nothing
	// changed. What is created under a denied handle is not live.
	CreateFamily(ctx context.Context, f Family, limit int) (Family, []Family, error)

	// FindFamily returns the live family under key, ErrGone if there is none.
	FindFamily(ctx context.Context, key Key) (Family, error)

	// Rotate decides about a presented token by Family.Present and keeps what comes of
	// it. If the family ends, its handle is denied for Rules.Denied from now, or if
	// there is no room for that, the owner's epoch is raised for as long: what may
	// have been stolen must not stay good because much else was revoked. An end never
	// fails for want of room. ErrGone if there is no live family. revocation.ErrFull if there is no room for a void;
	// then nothing changed.
	Rotate(ctx context.Context, key Key, p *Presented) (Outcome, error)

	// EndFamily ends the live family under key and denies its handle as Rotate does.
	// It returns the family; ErrGone if there is none, whose end was somebody else's.
	EndFamily(ctx context.Context, key Key, rules Rules) (Family, error)

	// Families returns the owner's live families, those that began first at first.
	Families(ctx context.Context, owner revocation.Owner) ([]Family, error)
}

package session

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// StoreKey is where a record stands in a Store. It is derived from the cookie's value
// by a one-way hash, so that whoever reads a store holds no credential.
//
// Tag repeats the routing tag of the cookie's value: it is the same for all
// records of one subject, so that a store which shards by it can decide about a
// subject in one atomic step. Hash is SHA-256 over the application's name, a
// zero byte and the whole cookie value.
type StoreKey struct {
	Tag  [4]byte
	Hash [32]byte
}

// String returns the key in a form that is safe in a store's key space:
// hexadecimal, the tag in braces.
func (k StoreKey) String() string {
	b := make([]byte, 0, 1+8+2+64)
	b = append(b, '{')
	b = hex.AppendEncode(b, k.Tag[:])
	b = append(b, "}:"...)
	b = hex.AppendEncode(b, k.Hash[:])
	return string(b)
}

// Entry is what a Store keeps under a StoreKey. Only the Manager reads Value.
type Entry struct {
	// Version is chosen by the Manager, at least 1, and different after every
	// change. Zero means "no entry".
	Version uint64
	// Expires is when the store must have forgotten the entry, by its own clock.
	Expires time.Time
	// Owner is whose session it is; zero for an anonymous one. Its Tag is that of
	// the entry's key. A store may keep separate budgets for the two.
	Owner revocation.Owner
	// Handle names the session among its owner's. The snapshot that a renewal
	// leaves under the old id has the handle of its session.
	Handle revocation.Handle
	// Listed says that the entry is one of its owner's sessions, to be listed,
	// counted and ended as such. Anonymous sessions and snapshots are not.
	Listed bool
	// Presented says that a client has shown the id, so that it is known to have
	// arrived.
	Presented bool
	// Created orders the sessions of one owner.
	Created time.Time
	// Epoch is the owner's epoch at log-in. It is the store's own: Create and
	// EndOthers set it, every other operation keeps it, whatever is given.
	Epoch uint64
	// Behind is set by Load alone: the owner's epoch is lower than the entry's,
	// so the store has lost a revocation.
	Behind bool
	// Value is the record, opaque and immutable.
	Value string
}

// Keyed is an entry and where it stands, or stood.
type Keyed struct {
	Key   StoreKey
	Entry Entry
}

// Admission says on which terms Create lets a listed entry in.
type Admission struct {
	// Max is how many live listed entries the owner may have with the new one;
	// at least 1.
	Max int
	// Refuse makes Create fail with ErrLimit if Max entries whose id was
	// presented are there. Else the oldest make room. In either case entries
	// whose id was never presented go before all others, oldest first.
	Refuse bool
	// Until is how long the owner's epoch must be remembered at least, if it is
	// not zero: as long as the new entry may live.
	Until time.Time
}

// What a Store answers besides success. Any other error means that the store did
// not decide: the identity is then unknown and nothing may be concluded from it.
var (
	// ErrGone says that there is no live entry under the key.
	ErrGone = errors.New("session: no live record under this key")
	// ErrExists says that an entry stands under the key already.
	ErrExists = errors.New("session: a record stands under this key already")
	// ErrConflict says that the record is not what the caller read. From a
	// store, it comes with the entry that is there now.
	ErrConflict = errors.New("session: the value changed since it was read")
	// ErrLimit says that the subject has as many sessions as it may.
	ErrLimit = errors.New("session: the subject has as many sessions as it may have")
)

// Store keeps session records. Application code never calls it: it is for those
// who bring a store of their own, whom package storetest helps to prove it.
//
// Each operation is atomic and decided by the store alone. An entry is live if its
// Expires has not passed and, for one with an owner, its Epoch is not lower than
// the owner's and its Handle is not denied. None of the operations may bring back
// an entry that is not live, and none may extend a life but by the Expires of the
// entry that it is given. All methods are safe for concurrent use and return soon
// after ctx ends. No interface here is frozen before v1.
type Store interface {
	// A store of sessions is the store of what revokes them: both stand under one
	// routing tag, so that a read sees them together.
	revocation.Store

	// Load reads the live entry under each of keys into the same place of out,
	// which has the same length. A key without a live entry gets the zero
	// Entry; that is no error. Several keys are read in one call.
	Load(ctx context.Context, keys []StoreKey, out []Entry) error

	// Create puts e under key and returns the epoch that it was stamped with.
	// ErrExists if a live entry is there. A listed entry is let in on the terms
	// of a, which may end others: they are returned, and not reported. ErrLimit
	// if the terms refuse it; then nothing changed.
	Create(ctx context.Context, key StoreKey, e Entry, a Admission) (epoch uint64, evicted []Keyed, err error)

	// Swap replaces the live entry under key, if its version is version, by
	// next, which has the same Owner, Handle and Listed. ErrGone if there is none; ErrConflict, with the present entry, if
	// its version differs.
	Swap(ctx context.Context, key StoreKey, version uint64, next Entry) (Entry, error)

	// Rename removes the live entry under old, if its version is version, and
	// puts next under to, as one step. If left is not nil it takes the removed
	// entry's place under old. Errors as for Swap; ErrExists if a live entry is
	// under to. Both keys have the same Tag; both entries have the Owner and Handle
	// of the removed one and get its Epoch.
	Rename(ctx context.Context, old StoreKey, version uint64, to StoreKey, next Entry, left *Entry) (Entry, error)

	// Take removes the live entry under key and returns it. ErrGone if there is
	// none. Of several calls at once, exactly one gets the entry.
	Take(ctx context.Context, key StoreKey) (Entry, error)

	// List returns the live listed entries of the owner, oldest first.
	List(ctx context.Context, owner revocation.Owner) ([]Keyed, error)

	// EndOne denies handle until the given time, which is not before the end of
	// anything that has the handle, removes the owner's live listed
	// entry of that handle and returns it, as one step. ErrGone, and nothing is
	// denied, if there is none; revocation.ErrFull as for Deny.
	EndOne(ctx context.Context, owner revocation.Owner, handle revocation.Handle, until time.Time) (Keyed, error)

	// EndOthers raises the owner's epoch as RaiseEpoch does, removes every live
	// listed entry but the one of handle keep, which gets the new epoch, and
	// returns the epoch and what it removed, oldest first, as one step. ErrGone,
	// and nothing changed, if no live listed entry has that handle.
	EndOthers(ctx context.Context, owner revocation.Owner, keep revocation.Handle, until time.Time) (epoch uint64, ended []Keyed, err error)

	// EndAll raises the owner's epoch as RaiseEpoch does, removes every live
	// listed entry and returns what it removed, oldest first, as one step.
	EndAll(ctx context.Context, owner revocation.Owner, until time.Time) ([]Keyed, error)
}

// Local is implemented by a store that answers out of the memory of this process
// and so never blocks. The Manager then arms no timer for its calls.
type Local interface {
	Store
	// LocalStore is a marker and does nothing.
	LocalStore()
}

// Ending says why a store ended a record on its own accord.
type Ending uint8

const (
	// Expired: the record's Expires had passed.
	Expired Ending = iota
	// Evicted: the store had no room.
	Evicted
	// Revoked: the record's Epoch was lower than its owner's, or its Handle was
	// denied.
	Revoked
)

// Reporter is implemented by a store that ends records on its own accord (it
// notices that one is no longer live, it evicts) and can say so. Each Manager
// registers once at construction; the store calls every function that was
// registered, exactly once for each record that it ends, without holding a lock
// and before the call that came across the record returns.
type Reporter interface {
	Store
	Report(func(key StoreKey, e Entry, why Ending))
}

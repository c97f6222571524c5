package session

import (
	"context"
	"encoding/hex"
	"errors"
	"time"
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
	// Subject owns the entry; empty for an anonymous session. A store may keep
	// separate budgets for the two.
	Subject string
	// Value is the record, opaque and immutable.
	Value string
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
)

// Store keeps session records. Application code never calls it: it is for those
// who bring a store of their own, whom package storetest helps to prove it.
//
// Five operations, each atomic and each decided by the store alone. None of them
// may bring back an entry that is gone, and none may extend a life but by the
// Expires of the entry that it is given. All methods are safe for concurrent use
// and return soon after ctx ends. No interface here is frozen before v1.
type Store interface {
	// Load reads the live entry under each of keys into the same place of out,
	// which has the same length. A key without a live entry gets the zero
	// Entry; that is no error. Several keys are read in one call.
	Load(ctx context.Context, keys []StoreKey, out []Entry) error

	// Create puts e under key. ErrExists if a live entry is there.
	Create(ctx context.Context, key StoreKey, e Entry) error

	// Swap replaces the live entry under key, if its version is version, by
	// next. ErrGone if there is none; ErrConflict, with the present entry, if
	// its version differs.
	Swap(ctx context.Context, key StoreKey, version uint64, next Entry) (Entry, error)

	// Rename removes the live entry under old, if its version is version, and
	// puts next under to, as one step. If left is not nil it takes the removed
	// entry's place under old. Errors as for Swap; ErrExists if a live entry is
	// under to. Both keys have the same Tag.
	Rename(ctx context.Context, old StoreKey, version uint64, to StoreKey, next Entry, left *Entry) (Entry, error)

	// Take removes the live entry under key and returns it. ErrGone if there is
	// none. Of several calls at once, exactly one gets the entry.
	Take(ctx context.Context, key StoreKey) (Entry, error)
}

// Local is implemented by a store that answers out of the memory of this process
// and so never blocks. The Manager then arms no timer for its calls.
type Local interface {
	Store
	// LocalStore is a marker and does nothing.
	LocalStore()
}

// Reporter is implemented by a store that ends records on its own accord (it
// notices an expiry, it evicts) and can say so. Each Manager registers once at
// construction; the store calls every function that was registered, exactly once
// for each record that it ends, without holding a lock and before the call that
// came across the record returns. evicted is false when the record's Expires had
// passed.
type Reporter interface {
	Store
	Report(func(key StoreKey, e Entry, evicted bool))
}

package token

import (
	"context"
	"errors"
	"time"
)

// KeySource knows the keys with which one issuer's tokens are verified: a *KeyRing
// or a *RemoteKeys. Nothing else can be one, because every rule about keys is kept
// there.
type KeySource interface {
	// verificationKey returns the key that is named id if it may verify at now.
	// The same key is the same pointer for as long as it is known. errUnknownKey
	// if there is no such key (any more), errKeyRevoked if there was; an error that
	// wraps core.ErrUnknown if that cannot be said just now. It is called for every
	// token, seen before or not.
	verificationKey(ctx context.Context, id string, now time.Time) (*verificationKey, error)

	// trust reports through bad what is wrong with using the source for the tokens
	// of issuer, signed with algs. It is called at construction.
	trust(issuer string, algs []Algorithm, bad func(reason string))
}

// verificationKey is one key for one algorithm.
type verificationKey struct {
	id        string
	algorithm Algorithm
	// key is what golang-jwt's method of the algorithm takes: *rsa.PublicKey,
	// *ecdsa.PublicKey, ed25519.PublicKey or the []byte of a shared secret.
	key any
}

var (
	errUnknownKey = errors.New("token: no such key")
	errKeyRevoked = errors.New("token: the key was revoked")
)

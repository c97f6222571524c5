package redisstore

import (
	"errors"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// The field "r" of a tag's hash holds what was revoked of its owners:
//
//	owner 12 | handle 16 | epoch 8 | until 6, ms    each
//
// A record with an epoch is its owner's; one without denies the handle.
const (
	registryField = "r"
	registryLen   = 42

	atRevokedHandle = 12
	atRevokedEpoch  = 28
	atRevokedUntil  = 36
)

var errRegistry = errors.New("redisstore: the revocations under this key are none of ours")

// revoked looks up an owner in the field "r", which is empty if there is none.
func revoked(r string, owner revocation.Owner, handle revocation.Handle, now int64) (epoch uint64, denied bool, err error) {
	if len(r)%registryLen != 0 {
		return 0, false, errRegistry
	}
	for ; len(r) > 0; r = r[registryLen:] {
		if r[:atRevokedHandle] != string(owner.Hash[:]) || int64(number(r[atRevokedUntil:registryLen])) <= now {
			continue
		}
		if n := number(r[atRevokedEpoch:atRevokedUntil]); n != 0 {
			epoch = max(epoch, n)
		} else if r[atRevokedHandle:atRevokedEpoch] == string(handle[:]) {
			denied = true
		}
	}
	return epoch, denied, nil
}

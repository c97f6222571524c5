package redisstore

import (
	"errors"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// The field "r" of a tag's hash holds what was revoked of its owners:
//
//	owner 12 | handle 16 | epoch or generation 8 | floor 8 | until 6, ms    each
//
// One with a floor voids answers of the family's generation. One without has the
// owner's epoch, or if that is zero as well, denies the handle.
const (
	registryField = "r"
	registryLen   = 50

	atRevokedHandle = 12
	atRevokedEpoch  = 28
	atRevokedFloor  = 36
	atRevokedUntil  = 44
)

var errRegistry = errors.New("redisstore: the revocations under this key are none of ours")

// revoked looks up an owner in the field "r", which is empty if there is none.
func revoked(r string, owner revocation.Owner, a revocation.Asked, now int64) (f revocation.Found, err error) {
	if len(r)%registryLen != 0 {
		return f, errRegistry
	}
	for ; len(r) > 0; r = r[registryLen:] {
		if r[:atRevokedHandle] != string(owner.Hash[:]) || int64(number(r[atRevokedUntil:registryLen])) <= now {
			continue
		}
		handle := r[atRevokedHandle:atRevokedEpoch]
		n, floor := number(r[atRevokedEpoch:atRevokedFloor]), number(r[atRevokedFloor:atRevokedUntil])
		switch {
		case floor != 0:
			if n == a.Generation && names(handle, a.Session) {
				f.Floor = max(f.Floor, floor)
			}
		case n != 0:
			f.Epoch = max(f.Epoch, n)
		case names(handle, a.Session), names(handle, a.Token):
			f.Denied = true
		}
	}
	return f, nil
}

// names says whether the stored handle is h. The zero one names nothing.
func names(stored string, h revocation.Handle) bool {
	return h != (revocation.Handle{}) && stored == string(h[:])
}

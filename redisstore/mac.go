package redisstore

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"

	"github.com/sallyport-go/sallyport/core/session"
)

// macLen is half of SHA-256: nobody can try a forgery but by asking us.
const macLen = 16

// signer makes whoever can write to Redis unable to mint a session. The MAC
// covers the place (but not the prefix, so that records can be moved) and all of
// the record but the epoch, which is the scripts' own. A higher epoch undoes a
// revocation; but so does deleting it, and no MAC can tell what was deleted.
type signer struct{ keys [][]byte }

// newSigner derives a key from each secret; the first signs. It is nil without any.
func newSigner(secrets [][]byte) (*signer, error) {
	if len(secrets) == 0 {
		return nil, nil
	}
	s := &signer{}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, secret, nil, "sallyport redis value v1", sha256.Size)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

func (s *signer) mac(key []byte, k session.StoreKey, v []byte) (mac [macLen]byte) {
	h := hmac.New(sha256.New, key)
	h.Write(k.Tag[:])
	h.Write(k.Hash[:])
	h.Write(v[:atEpoch])
	h.Write(v[atOwner:headerLen])
	h.Write(v[headerLen+macLen:])
	var sum [sha256.Size]byte
	copy(mac[:], h.Sum(sum[:0]))
	return mac
}

// right says whether one of the keys made the MAC of v, which is long enough.
func (s *signer) right(k session.StoreKey, v string) bool {
	b := []byte(v)
	for _, key := range s.keys {
		if mac := s.mac(key, k, b); hmac.Equal(mac[:], b[headerLen:headerLen+macLen]) {
			return true
		}
	}
	return false
}

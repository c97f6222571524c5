package redisstore

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"

	"github.com/sallyport-go/sallyport/core/session"
)

// macLen is half of SHA-256: nobody can try a forgery but by asking us.
const macLen = 16

// signer makes whoever can write to Redis unable to mint a session or a refresh
// family. The MAC covers the place (but not the prefix, so that records can be moved)
// and all of the record that the scripts do not change: of a session all but the
// epoch, of a family all but its state. A higher epoch undoes a revocation; but so
// does deleting it, and no MAC can tell what was deleted. A family's state put back
// is as good as an older copy of the whole record, which has a right MAC too.
type signer struct{ keys []macKeys }

// macKeys are those of one secret. Records of the two kinds have different ones, so
// that the bytes of one can never be taken for the other.
type macKeys struct{ session, family []byte }

// newSigner derives keys from each secret; the first signs. It is nil without any.
func newSigner(secrets [][]byte) (*signer, error) {
	if len(secrets) == 0 {
		return nil, nil
	}
	s := &signer{}
	for _, secret := range secrets {
		sessionKey, err := hkdf.Key(sha256.New, secret, nil, "sallyport redis value v1", sha256.Size)
		if err != nil {
			return nil, err
		}
		familyKey, err := hkdf.Key(sha256.New, secret, nil, "sallyport redis family v1", sha256.Size)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, macKeys{sessionKey, familyKey})
	}
	return s, nil
}

func mac(key []byte, parts ...[]byte) (mac [macLen]byte) {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	var sum [sha256.Size]byte
	copy(mac[:], h.Sum(sum[:0]))
	return mac
}

func (m *macKeys) sessionMAC(k session.StoreKey, v []byte) [macLen]byte {
	return mac(m.session, k.Tag[:], k.Hash[:], v[:atEpoch], v[atOwner:headerLen], v[headerLen+macLen:])
}

// familyMAC needs no place, because the record of a family names its own, and covers no
// format, because another one has another key.
func (m *macKeys) familyMAC(v []byte) [macLen]byte {
	return mac(m.family, v[atFamilyOwner:familyLen], v[familyLen+macLen:])
}

// signSession and signFamily put the MAC of v, a record, into it.
func (s *signer) signSession(k session.StoreKey, v []byte) {
	mac := s.keys[0].sessionMAC(k, v)
	copy(v[headerLen:], mac[:])
}

func (s *signer) signFamily(v []byte) {
	mac := s.keys[0].familyMAC(v)
	copy(v[familyLen:], mac[:])
}

// rightSession and rightFamily say whether one of the secrets made the MAC of v, which
// is long enough.
func (s *signer) rightSession(k session.StoreKey, v string) bool {
	b := []byte(v)
	for i := range s.keys {
		if mac := s.keys[i].sessionMAC(k, b); hmac.Equal(mac[:], b[headerLen:headerLen+macLen]) {
			return true
		}
	}
	return false
}

func (s *signer) rightFamily(v string) bool {
	b := []byte(v)
	for i := range s.keys {
		if mac := s.keys[i].familyMAC(b); hmac.Equal(mac[:], b[familyLen:familyLen+macLen]) {
			return true
		}
	}
	return false
}

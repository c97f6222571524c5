package session

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// The cookie's value: a routing tag and the secret, as one run of base64url
// without padding. 36 bytes fill 48 characters exactly, so no two strings decode
// to the same id and there is no spare bit to vary.
const (
	tagLen    = 4
	secretLen = 32
	valueLen  = (tagLen + secretLen) * 4 / 3
)

// wellFormed reports whether v has the shape of a value that we could have
// issued. Anything else never reaches a store: the frameworks' cookie parsers
// let different bytes through, so this check is the only one that counts.
func wellFormed(v string) bool {
	if len(v) != valueLen {
		return false
	}
	for i := 0; i < len(v); i++ {
		c := v[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			continue
		}
		return false
	}
	return true
}

// keyOf derives the store's key from a well-formed value. The application's name
// is hashed in front of it, so that two applications on one store cannot use each
// other's sessions even with the same id.
func (m *Manager) keyOf(value string) StoreKey {
	var in [realm.MaxAppLen + 1 + valueLen]byte
	n := copy(in[:], m.app)
	n++ // the zero byte: an application's name holds none, so the split is unique
	n += copy(in[n:], value)
	k := StoreKey{Hash: sha256.Sum256(in[:n])}
	var head [6]byte
	_, _ = base64.RawURLEncoding.Decode(head[:], in[n-valueLen:n-valueLen+8])
	copy(k.Tag[:], head[:tagLen])
	return k
}

// newValue makes a cookie value with the tag. A random source that fails or falls
// short is an error and never a shorter, constant or zero id.
func (m *Manager) newValue(tag [tagLen]byte) (string, error) {
	var b [tagLen + secretLen]byte
	copy(b[:], tag[:])
	if _, err := io.ReadFull(m.rand, b[tagLen:]); err != nil {
		return "", fmt.Errorf("session: no random id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func (m *Manager) randomTag() (tag [tagLen]byte, err error) {
	if _, err = io.ReadFull(m.rand, tag[:]); err != nil {
		err = fmt.Errorf("session: no random tag: %w", err)
	}
	return tag, err
}

package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// IsZero reports whether o is nobody.
func (o Owner) IsZero() bool { return o == Owner{} }

// ownerOf returns the owner that subject is in r.
func ownerOf(r *realm.Realm, subject string) (o Owner) {
	h := r.Owner(subject)
	copy(o.Tag[:], h[:])
	copy(o.Hash[:], h[len(o.Tag):])
	return o
}

// String is the form of a handle that applications and their users see: 22
// characters of base64url.
func (h Handle) String() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// ParseHandle reads what String makes. ok is false for anything else.
func ParseHandle(s string) (h Handle, ok bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(len(h)) {
		return Handle{}, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(h[:], []byte(s))
	if err != nil || n != len(h) {
		return Handle{}, false
	}
	return h, true
}

// NewHandle makes a handle. A random source that fails or falls short is an error
// and never a shorter, constant or zero handle.
func NewHandle(random io.Reader) (h Handle, err error) {
	if _, err := io.ReadFull(random, h[:]); err != nil {
		return Handle{}, fmt.Errorf("no random handle: %w", err)
	}
	return h, nil
}

// TokenHandle returns the handle of an access token by its jti: the bytes of a UUID, as
// our issuer makes them, and for any other a hash. "" has the zero Handle, and nothing else
// has it: a denial of that would deny nothing.
func TokenHandle(jti string) (h Handle) {
	if jti == "" || uuid(jti, &h) && h != (Handle{}) {
		return h
	}
	sum := sha256.Sum256([]byte("jti\x00" + jti))
	return Handle(sum[:len(h)])
}

// uuid reads the canonical text of a UUID (RFC 9562 section 4), in lower case only, so
// that no two texts have the same bytes. Of anything else, h is of no meaning.
func uuid(s string, h *Handle) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '-' && (i == 8 || i == 13 || i == 18 || i == 23) {
			continue
		}
		digit := strings.IndexByte("0123456789abcdef", s[i])
		if digit < 0 {
			return false
		}
		h[n/2] = h[n/2]<<4 | byte(digit)
		n++
	}
	return true
}

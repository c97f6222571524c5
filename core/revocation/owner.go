package revocation

import (
	"encoding/base64"
	"fmt"
	"io"

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

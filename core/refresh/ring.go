package refresh

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// A refresh token is a prefix, by which scanners for leaked secrets know it, and
//
//	version 1 . secret 4 . tag 4 . handle 16 . generation 6 . MAC 32
//
// as one run of base64url. 63 bytes fill 84 characters exactly, so no two strings
// decode to the same token and there is no spare bit to vary.
const (
	prefix   = "spr_"
	version  = 1
	bodyLen  = 1 + 4 + 4 + 16 + 6
	rawLen   = bodyLen + sha256.Size
	tokenLen = len(prefix) + rawLen/3*4
)

// name is what a token says.
type name struct {
	secret     SecretID
	key        Key
	generation uint64
}

// ring is the secrets, the one that makes new tokens first.
type ring []*secret

// secret makes and verifies MACs. Its context is what a token of another application or
// transport has not been made under: the name of the application holds no zero byte, so
// no two contexts are the same bytes.
type secret struct {
	id      SecretID
	context []byte
	macs    sync.Pool // of *mac
}

// mac is a keyed hash with room for what goes in and what comes out, none of which is
// worth an allocation for each token.
type mac struct {
	hash.Hash
	raw [rawLen]byte
	sum [sha256.Size]byte
}

func newRing(app string, transport Transport, secrets [][]byte, bad func(field, value, reason string)) (ring, error) {
	if secrets == nil {
		own, err := realm.Secret(nil, nil)
		if err != nil {
			return nil, err
		}
		secrets = [][]byte{own}
	}
	var r ring
	for i, s := range secrets {
		if len(s) == 0 {
			continue // reported already
		}
		key, err := hkdf.Key(sha256.New, s, nil, "sallyport refresh v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("refresh: %w", err)
		}
		id, err := hkdf.Key(sha256.New, s, nil, "sallyport refresh id v1", len(SecretID{}))
		if err != nil {
			return nil, fmt.Errorf("refresh: %w", err)
		}
		if r.find(SecretID(id)) != nil {
			bad("Config.Secrets["+strconv.Itoa(i)+"]", "", "is there twice, or has the name of another one by chance")
			continue
		}
		r = append(r, &secret{
			id: SecretID(id), context: append([]byte("refresh\x00"+app+"\x00"), byte(transport)),
			macs: sync.Pool{New: func() any { return &mac{Hash: hmac.New(sha256.New, key)} }},
		})
	}
	return r, nil
}

func (r ring) find(id SecretID) *secret {
	for _, s := range r {
		if s.id == id {
			return s
		}
	}
	return nil
}

// of returns the MAC of the body in m.raw, in m.sum.
func (m *mac) of(context []byte) []byte {
	m.Reset()
	m.Write(context)
	m.Write(m.raw[:bodyLen])
	return m.Sum(m.sum[:0])
}

// mint makes the token that n names, whatever secret n says.
func (s *secret) mint(n *name) string {
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	raw := append(m.raw[:0], version)
	raw = append(raw, s.id[:]...)
	raw = append(raw, n.key.Tag[:]...)
	raw = append(raw, n.key.Handle[:]...)
	raw = binary.BigEndian.AppendUint16(raw, uint16(n.generation>>32))
	raw = binary.BigEndian.AppendUint32(raw, uint32(n.generation))
	raw = append(raw, m.of(s.context)...)
	var text [tokenLen]byte
	copy(text[:], prefix)
	base64.RawURLEncoding.Encode(text[len(prefix):], raw)
	return string(text[:])
}

// verify reports whether raw was made here.
func (s *secret) verify(raw *[rawLen]byte) bool {
	m := s.macs.Get().(*mac)
	defer s.macs.Put(m)
	m.raw = *raw
	return hmac.Equal(m.of(s.context), m.raw[bodyLen:])
}

// Looks reports whether token looks like a refresh token of ours, which no access token
// does.
func Looks(token string) bool { return strings.HasPrefix(token, prefix) }

// read returns what token says, if it was made here. Nothing else is learnt from a
// token whose MAC is wrong, and nothing is asked because of it.
func (r ring) read(token string) (n name, err error) {
	if len(token) != tokenLen || !Looks(token) {
		return n, refusedShape
	}
	var raw [rawLen]byte
	// The decoder skips line feeds; what is then too short is refused.
	if size, err := base64.RawURLEncoding.Decode(raw[:], []byte(token[len(prefix):])); err != nil || size != rawLen {
		return n, refusedShape
	}
	if raw[0] != version {
		return n, refusedShape
	}
	copy(n.secret[:], raw[1:])
	copy(n.key.Tag[:], raw[5:])
	copy(n.key.Handle[:], raw[9:])
	n.generation = uint64(binary.BigEndian.Uint16(raw[25:]))<<32 | uint64(binary.BigEndian.Uint32(raw[27:]))
	s := r.find(n.secret)
	if s == nil {
		// A node that has not got the new secret yet must not log anybody out.
		return n, ErrSecret
	}
	if !s.verify(&raw) {
		return n, refusedMAC
	}
	return n, nil
}

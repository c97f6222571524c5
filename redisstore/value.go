package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// A record in the hash of its tag:
//
//	format 1 | flags 1 | version 8 | expires 6, ms | epoch 8 | owner 12 | handle 16 | created 7, µs | [MAC 16] | value
//
// All numbers are big-endian. The scripts read the header. They compare versions
// for equality only, and times and epochs as numbers that a double holds: Lua
// compares strings by the server's locale. The epoch is set by the scripts alone.
const (
	formatPlain  = 1
	formatSigned = 2

	flagListed    = 1
	flagPresented = 2
	flagOwned     = 4

	atVersion = 2
	atExpires = 10
	atEpoch   = 16
	atOwner   = 24
	atHandle  = 36
	atCreated = 52
	headerLen = 59

	maxMillis = 1<<48 - 1
	maxMicros = 1<<53 - 1
)

var (
	errValue = errors.New("redisstore: the value under this key is none of ours")
	errLarge = errors.New("redisstore: the entry is larger than Config.MaxValueBytes")
	errTag   = errors.New("redisstore: the owner's tag is not the key's")
)

// encode makes a record with an epoch of zero.
func (s *Store) encode(k session.StoreKey, e *session.Entry) (string, error) {
	start := headerLen
	if s.signer != nil {
		start += macLen
	}
	n := start + len(e.Value)
	if n > s.cfg.MaxValueBytes {
		return "", fmt.Errorf("%w: %d bytes", errLarge, n)
	}
	owned := e.Owner != (revocation.Owner{})
	if owned && e.Owner.Tag != k.Tag {
		return "", errTag
	}
	b := make([]byte, start, n)
	b[0] = formatPlain
	b[1] = flag(e.Listed, flagListed) | flag(e.Presented, flagPresented) | flag(owned, flagOwned)
	binary.BigEndian.PutUint64(b[atVersion:], e.Version)
	// Eight bytes each, of which the next field overwrites what is too many.
	binary.BigEndian.PutUint64(b[atExpires:], clamp(e.Expires.UnixMilli(), maxMillis)<<16)
	binary.BigEndian.PutUint64(b[atEpoch:], 0)
	copy(b[atOwner:], e.Owner.Hash[:])
	copy(b[atHandle:], e.Handle[:])
	binary.BigEndian.PutUint32(b[atCreated:], uint32(clamp(e.Created.UnixMicro(), maxMicros)>>24))
	low := uint32(clamp(e.Created.UnixMicro(), maxMicros))
	b[atCreated+4], b[atCreated+5], b[atCreated+6] = byte(low>>16), byte(low>>8), byte(low)
	b = append(b, e.Value...)
	if s.signer != nil {
		b[0] = formatSigned
		s.signer.signSession(k, b)
	}
	return rueidis.BinaryString(b), nil // b is not changed any more
}

// decode reads a record that stands under k. Truncated, tampered with or of
// another format it is an error, which means "unknown", and never an entry.
func (s *Store) decode(k session.StoreKey, v string) (session.Entry, error) {
	format, start := byte(formatPlain), headerLen
	if s.signer != nil {
		format, start = formatSigned, headerLen+macLen
	}
	if len(v) < start || v[0] != format || v[1] > flagListed|flagPresented|flagOwned {
		return session.Entry{}, errValue
	}
	if s.signer != nil && !s.signer.rightSession(k, v) {
		return session.Entry{}, errValue
	}
	e := session.Entry{
		Version:   number(v[atVersion:atExpires]),
		Expires:   time.UnixMilli(int64(number(v[atExpires:atEpoch]))),
		Epoch:     number(v[atEpoch:atOwner]),
		Listed:    v[1]&flagListed != 0,
		Presented: v[1]&flagPresented != 0,
		Value:     v[start:],
	}
	if e.Version == 0 {
		return session.Entry{}, errValue
	}
	if v[1]&flagOwned != 0 {
		e.Owner.Tag = k.Tag
		copy(e.Owner.Hash[:], v[atOwner:atHandle])
	}
	copy(e.Handle[:], v[atHandle:atCreated])
	if created := number(v[atCreated:headerLen]); created != 0 {
		e.Created = time.UnixMicro(int64(created))
	}
	return e, nil
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// clamp keeps a time in what its field holds: what is outside has long passed, or
// is never reached.
func clamp(n, most int64) uint64 { return uint64(min(max(n, 0), most)) }

// number reads up to eight bytes.
func number(s string) (n uint64) {
	for i := range len(s) {
		n = n<<8 | uint64(s[i])
	}
	return n
}

func u64(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}

package redisstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// A refresh family in the hash of its tag, under its handle with an f before it:
//
//	format 1 | state: epoch 8 | generation 7 | secret 4 | fixed 7 | confirmed 7 | stamp 7 | floor 7 | expires 7 | created 7 | ends 7 |
//	owner 12 | tag 4 | handle 16 | binding 16 | lifetime 7 | idle 7 | latest 7 | [MAC 16] | value
//
// Numbers are big-endian, times and spans in microseconds. The scripts alone write the
// state, which has a fixed length, so that a rotation needs no memory. The rest never
// changes; it names the record's place, so that one that stands elsewhere shows, and with
// latest a bound to ends, which the MAC could not cover otherwise.
const (
	formatFamily       = 3
	formatFamilySigned = 4

	familyPrefix = "f"

	atFamilyState      = 1
	atFamilyGeneration = 9
	atFamilySecret     = 16
	atFamilyFixed      = 20
	atFamilyConfirmed  = 27
	atFamilyStamp      = 34
	atFamilyFloor      = 41
	atFamilyExpires    = 48
	atFamilyCreated    = 55
	atFamilyEnds       = 62
	atFamilyOwner      = 69
	atFamilyTag        = 81
	atFamilyHandle     = 85
	atFamilyBinding    = 101
	atFamilyLifetime   = 117
	atFamilyIdle       = 124
	atFamilyLatest     = 131
	familyLen          = 138

	// maxSkew is how far a server's clock may be ahead of a node's. What is later
	// was lengthened by somebody.
	maxSkew = 24 * time.Hour

	// maxSpan is more than a century, and any time of ours plus it is a number that
	// Lua holds.
	maxSpan = 1 << 52
)

var (
	errFamily = errors.New("redisstore: the family under this key is none of ours")
	errLatest = errors.New("redisstore: the family ends later than was signed; either it was tampered with, or the server's clock is a day ahead")
)

// familyPlace is how the scripts are told which family: tag and handle.
func familyPlace(k refresh.Key) string {
	return string(append(append(make([]byte, 0, 20), k.Tag[:]...), k.Handle[:]...))
}

// encodeFamily makes a record with an empty state but for the secret.
func (s *Store) encodeFamily(f *refresh.Family) (string, error) {
	start := familyLen
	if s.signer != nil {
		start += macLen
	}
	n := start + len(f.Value)
	if n > s.cfg.MaxValueBytes {
		return "", fmt.Errorf("%w: %d bytes", errLarge, n)
	}
	b := make([]byte, start, n)
	b[0] = formatFamily
	copy(b[atFamilySecret:], f.Secret[:])
	copy(b[atFamilyOwner:], f.Owner.Hash[:])
	copy(b[atFamilyTag:], f.Owner.Tag[:])
	copy(b[atFamilyHandle:], f.Handle[:])
	copy(b[atFamilyBinding:], f.Binding[:])
	put7(b[atFamilyLifetime:], clamp(f.Lifetime.Microseconds(), maxSpan))
	put7(b[atFamilyIdle:], clamp(f.Idle.Microseconds(), maxSpan))
	latest := clamp(s.cfg.Now().Add(maxSkew).UnixMicro(), maxSpan) + clamp(f.Lifetime.Microseconds(), maxSpan)
	put7(b[atFamilyLatest:], latest)
	b = append(b, f.Value...)
	if s.signer != nil {
		b[0] = formatFamilySigned
		s.signer.signFamily(b)
	}
	return rueidis.BinaryString(b), nil // b is not changed any more
}

// decodeFamily reads a record that stands under k. Truncated, tampered with, of another
// format or another place it is an error, which means "unknown", and never a family.
func (s *Store) decodeFamily(k refresh.Key, v string) (refresh.Family, error) {
	format, start := byte(formatFamily), familyLen
	if s.signer != nil {
		format, start = formatFamilySigned, familyLen+macLen
	}
	if len(v) < start || v[0] != format || v[atFamilyTag:atFamilyBinding] != familyPlace(k) {
		return refresh.Family{}, errFamily
	}
	if s.signer != nil && !s.signer.rightFamily(v) {
		return refresh.Family{}, errFamily
	}
	f := refresh.Family{
		Owner:    revocation.Owner{Tag: k.Tag},
		Handle:   k.Handle,
		Epoch:    number(v[atFamilyState:atFamilyGeneration]),
		Created:  int64(number(v[atFamilyCreated:atFamilyEnds])),
		Ends:     int64(number(v[atFamilyEnds:atFamilyOwner])),
		Expires:  int64(number(v[atFamilyExpires:atFamilyCreated])),
		Lifetime: time.Duration(number(v[atFamilyLifetime:atFamilyIdle])) * time.Microsecond,
		Idle:     time.Duration(number(v[atFamilyIdle:atFamilyLatest])) * time.Microsecond,
		State: refresh.State{
			Generation: number(v[atFamilyGeneration:atFamilySecret]),
			Fixed:      int64(number(v[atFamilyFixed:atFamilyConfirmed])),
			Confirmed:  int64(number(v[atFamilyConfirmed:atFamilyStamp])),
			Stamp:      number(v[atFamilyStamp:atFamilyFloor]),
			Floor:      number(v[atFamilyFloor:atFamilyExpires]),
		},
		Value: v[start:],
	}
	copy(f.Secret[:], v[atFamilySecret:])
	copy(f.Owner.Hash[:], v[atFamilyOwner:])
	copy(f.Binding[:], v[atFamilyBinding:])
	if f.Generation == 0 {
		return refresh.Family{}, errFamily
	}
	if latest := int64(number(v[atFamilyLatest:familyLen])); s.signer != nil && max(f.Ends, f.Expires) > latest {
		return refresh.Family{}, errLatest
	}
	return f, nil
}

// put7 writes the lower seven bytes of n.
func put7(b []byte, n uint64) {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], n)
	copy(b, all[1:])
}

package memstore

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// A record is what an entry says, less what its slot says:
//
//	slot 4 | length of the rest, varint | expires 8 | version, varint |
//	[epoch 8] [created 8] [handle 16] [owner 12] | value
//
// Times are microseconds since 1970. The slot's flags say which of the optional
// fields are there. The slot's number lets compaction find out whether the record
// is still what its slot holds; the owner's tag is the key's.
const (
	slotLen   = 4
	timeLen   = 8
	epochLen  = 8
	handleLen = len(revocation.Handle{})
	ownerLen  = len(revocation.Owner{}.Hash)
)

func flagsOf(e *session.Entry) flags {
	f := inUse
	for _, x := range [...]struct {
		is   bool
		flag flags
	}{
		{e.Listed, listed},
		{e.Presented, presented},
		{e.Owner != revocation.Owner{}, hasOwner},
		{e.Handle != revocation.Handle{}, hasHandle},
		{!e.Created.IsZero(), hasCreated},
		{e.Epoch != 0, hasEpoch},
	} {
		if x.is {
			f |= x.flag
		}
	}
	return f
}

func appendRecord(b []byte, id uint32, f flags, e *session.Entry) []byte {
	n := timeLen + varintLen(e.Version) + len(e.Value)
	for _, x := range [...]struct {
		flag flags
		n    int
	}{{hasEpoch, epochLen}, {hasCreated, timeLen}, {hasHandle, handleLen}, {hasOwner, ownerLen}} {
		if f&x.flag != 0 {
			n += x.n
		}
	}
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.AppendUvarint(b, uint64(n))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Expires.UnixMicro()))
	b = binary.AppendUvarint(b, e.Version)
	if f&hasEpoch != 0 {
		b = binary.LittleEndian.AppendUint64(b, e.Epoch)
	}
	if f&hasCreated != 0 {
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Created.UnixMicro()))
	}
	if f&hasHandle != 0 {
		b = append(b, e.Handle[:]...)
	}
	if f&hasOwner != 0 {
		b = append(b, e.Owner.Hash[:]...)
	}
	return append(b, e.Value...)
}

func varintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// recordLen is how long the record at the beginning of s is.
func recordLen(s string) int {
	n, at := varint(s, slotLen)
	return at + int(n)
}

func slotOf(record string) uint32 {
	return uint32(record[0]) | uint32(record[1])<<8 | uint32(record[2])<<16 | uint32(record[3])<<24
}

// varint reads the number at i and returns where it ends. Package binary would
// want a copy.
func varint(s string, i int) (v uint64, end int) {
	for shift := 0; ; shift += 7 {
		c := s[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i
		}
	}
}

func number(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// body is the record of s without slot and length.
func (sh *shard) body(s *slot) string {
	record := sh.arena.at(s.place())
	n, at := varint(record, slotLen)
	return record[at : at+int(n)]
}

func (sh *shard) expires(s *slot) int64 { return int64(number(sh.body(s))) }

func (sh *shard) entry(s *slot) session.Entry {
	b := sh.body(s)
	e := session.Entry{Listed: s.flags&listed != 0, Presented: s.flags&presented != 0}
	e.Expires = fromMicros(number(b))
	version, at := varint(b, timeLen)
	e.Version, b = version, b[at:]
	if s.flags&hasEpoch != 0 {
		e.Epoch, b = number(b), b[epochLen:]
	}
	if s.flags&hasCreated != 0 {
		e.Created, b = fromMicros(number(b)), b[timeLen:]
	}
	if s.flags&hasHandle != 0 {
		copy(e.Handle[:], b)
		b = b[handleLen:]
	}
	if s.flags&hasOwner != 0 {
		e.Owner.Tag = s.key.Tag
		copy(e.Owner.Hash[:], b)
		b = b[ownerLen:]
	}
	e.Value = b
	return e
}

// owner is the hash of who owns the session in s, empty if nobody does.
func (sh *shard) owner(s *slot) string {
	if s.flags&hasOwner == 0 {
		return ""
	}
	b := sh.body(s)
	_, at := varint(b, timeLen)
	if s.flags&hasEpoch != 0 {
		at += epochLen
	}
	if s.flags&hasCreated != 0 {
		at += timeLen
	}
	if s.flags&hasHandle != 0 {
		at += handleLen
	}
	return b[at : at+ownerLen]
}

// fromMicros gives UTC, so that a time that was zero is again.
func fromMicros(us uint64) time.Time { return time.UnixMicro(int64(us)).UTC() }

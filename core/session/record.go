package session

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/revocation"
)

// kind says what a stored record stands for.
type kind uint8

const (
	kindLive kind = iota
	// A frozen snapshot stands under an old id after a renewal or a step-up. It
	// keeps the old authority for at most frozenLife and only while the
	// successor has not been presented.
	kindRenewed
	kindSteppedUp
)

// record is an Entry as the Manager sees it. Its strings alias the value, so
// decoding allocates nothing.
type record struct {
	// What the store knows too and the value does not repeat.
	owner     revocation.Owner
	handle    revocation.Handle
	presented bool
	created   int64 // microseconds since 1970, like all times here

	kind    kind
	touched int64
	ends    int64 // the absolute end, which never moves
	authed  int64
	print   fingerprint
	subject string
	method  string
	device  string
	roles   string // length-prefixed list
	scopes  string // length-prefixed list
	// link is the snapshot's key in a live record whose id was never presented,
	// and the successor's key in a snapshot.
	link   StoreKey
	linked bool
	data   bag
}

// The value begins with fixed fields, then length-prefixed ones, then the data:
//
//	version 1 | kind and flags 1 | app 4 | key check 4 | touched ends authed 8 each |
//	fingerprint 12 | [link 36] | subject method device (1+n each) | roles scopes (2+n each) | data (3+n)
//
// app and key check bind a value to its place: a store that answers with another
// record (a mixed-up reply, a restored backup of another application) is found
// out by decode and never taken for a login.
const (
	recordVersion = 1
	timesAt       = 1 + 1 + 4 + checkLen
	printAt       = timesAt + 3*8
	fixedLen      = printAt + printLen
	linkLen       = 4 + 32
	flagLinked    = 0x80
	checkLen      = 4
	nameLenLen    = 1
	listLenLen    = 2
	dataLenLen    = 3
)

var errRecord = errors.New("session: the store returned a value that is no record of this key")

func (r *record) encode(app [4]byte, key StoreKey) string {
	n := fixedLen + 3*nameLenLen + 2*listLenLen + len(r.subject) + len(r.method) + len(r.device) + len(r.roles) + len(r.scopes) + dataLenLen + len(r.data)
	if r.linked {
		n += linkLen
	}
	var b strings.Builder
	b.Grow(n)
	flags := byte(r.kind)
	if r.linked {
		flags |= flagLinked
	}
	b.WriteByte(recordVersion)
	b.WriteByte(flags)
	b.Write(app[:])
	b.Write(key.Hash[:checkLen])
	var num [8]byte
	for _, t := range [...]int64{r.touched, r.ends, r.authed} {
		binary.BigEndian.PutUint64(num[:], uint64(t))
		b.Write(num[:])
	}
	b.Write(r.print[:])
	if r.linked {
		b.Write(r.link.Tag[:])
		b.Write(r.link.Hash[:])
	}
	for _, s := range [...]string{r.subject, r.method, r.device} {
		b.WriteByte(byte(len(s)))
		b.WriteString(s)
	}
	for _, s := range [...]string{r.roles, r.scopes} {
		binary.BigEndian.PutUint16(num[:], uint16(len(s)))
		b.Write(num[:listLenLen])
		b.WriteString(s)
	}
	// Without its length, data cut between two pairs would be data.
	binary.BigEndian.PutUint32(num[:], uint32(len(r.data)))
	b.Write(num[4-dataLenLen : 4])
	b.WriteString(string(r.data))
	return b.String()
}

// open reads an entry that stood under key, the fields that its value does not
// repeat included.
func (r *record) open(e *Entry, app [4]byte, key StoreKey) error {
	if err := r.decode(e.Value, app, key); err != nil {
		return err
	}
	if (r.subject == "") != e.Owner.IsZero() {
		return errRecord
	}
	r.owner, r.handle, r.presented, r.created = e.Owner, e.Handle, e.Presented, micros(e.Created)
	return nil
}

// decode reads a value that stood under key. It accepts exactly what encode
// makes: a value that is truncated, extended, of another version or of another
// key is an error, never a different record.
func (r *record) decode(v string, app [4]byte, key StoreKey) error {
	if len(v) < fixedLen || v[0] != recordVersion ||
		v[2:6] != string(app[:]) || v[6:6+checkLen] != string(key.Hash[:checkLen]) {
		return errRecord
	}
	flags := v[1]
	r.kind, r.linked = kind(flags&^flagLinked), flags&flagLinked != 0
	if r.kind > kindSteppedUp || (r.kind != kindLive && !r.linked) {
		return errRecord
	}
	times := v[timesAt:printAt]
	for i, t := range [...]*int64{&r.touched, &r.ends, &r.authed} {
		*t = int64(beUint64(times[i*8:]))
	}
	copy(r.print[:], v[printAt:])
	v = v[fixedLen:]
	if r.linked {
		if len(v) < linkLen {
			return errRecord
		}
		copy(r.link.Tag[:], v)
		copy(r.link.Hash[:], v[4:])
		v = v[linkLen:]
	}
	for i, s := range [...]*string{&r.subject, &r.method, &r.device, &r.roles, &r.scopes} {
		lenLen := nameLenLen
		if i >= 3 {
			lenLen = listLenLen
		}
		n, ok := beLen(v, lenLen)
		if !ok || len(v)-lenLen < n {
			return errRecord
		}
		*s, v = v[lenLen:lenLen+n], v[lenLen+n:]
	}
	if n, ok := beLen(v, dataLenLen); !ok || n != len(v)-dataLenLen {
		return errRecord
	}
	v = v[dataLenLen:]
	if !validList(r.roles) || !validList(r.scopes) || !bag(v).valid() {
		return errRecord
	}
	r.data = bag(v)
	return nil
}

// beLen reads the length of width bytes at the beginning of s.
func beLen(s string, width int) (n int, ok bool) {
	if len(s) < width {
		return 0, false
	}
	for i := range width {
		n = n<<8 | int(s[i])
	}
	return n, true
}

// beUint64 reads eight bytes without the copy to a slice that package binary wants.
func beUint64(s string) uint64 {
	_ = s[7]
	return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
		uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
}

// appendList encodes names as a list: one length byte before each.
func encodeList(names []string) string {
	var b strings.Builder
	for _, s := range names {
		b.WriteByte(byte(len(s)))
		b.WriteString(s)
	}
	return b.String()
}

func decodeList(list string) []string {
	var names []string
	for len(list) > 0 {
		n := int(list[0])
		names = append(names, list[1:1+n])
		list = list[1+n:]
	}
	return names
}

func validList(list string) bool {
	for len(list) > 0 {
		n := int(list[0])
		if len(list) < 1+n {
			return false
		}
		list = list[1+n:]
	}
	return true
}

func micros(t time.Time) int64      { return t.UnixMicro() }
func fromMicros(us int64) time.Time { return time.UnixMicro(us) }

// deadline is when the record ends if nothing happens: idle after its last
// touch, but never past its absolute end.
func (r *record) deadline(idle time.Duration) int64 {
	if d := r.touched + idle.Microseconds(); d > r.touched && d < r.ends {
		return d
	}
	return r.ends
}

const maxListLen = math.MaxUint16

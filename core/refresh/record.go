package refresh

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// login is what a family's Value says: who logged in, and how. It never changes; a
// step-up ends the family and begins another.
type login struct {
	subject, client, device, method string
	authTime                        time.Time
	roles, scopes                   []string
}

const loginVersion = 1

var errValue = errors.New("refresh: the store returned what is no family")

func (l *login) encode() string {
	b := []byte{loginVersion}
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	text(l.subject)
	text(l.client)
	text(l.device)
	text(l.method)
	b = binary.AppendVarint(b, l.authTime.Unix())
	for _, list := range [...][]string{l.roles, l.scopes} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			text(s)
		}
	}
	return string(b)
}

// reader reads what encode wrote and nothing else, so that one login has one value; after
// the first thing that does not fit, it is broken and stays so. Strings are parts of the
// value.
type reader struct {
	rest   string
	broken bool
}

func (r *reader) number() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		if r.rest == "" {
			break
		}
		c := r.rest[0]
		r.rest = r.rest[1:]
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if c == 0 && shift > 0 || c > 1 && shift == 63 {
				break // in more bytes than it needs, or than 64 bits need
			}
			return n
		}
	}
	r.broken = true
	return 0
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.broken = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) list() []string {
	n := r.number()
	if n == 0 || n > uint64(len(r.rest)) {
		r.broken = r.broken || n > 0
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}

// decode makes l what value says, and the zero login if that is nothing.
func (l *login) decode(value string) error {
	rest, ok := strings.CutPrefix(value, string([]byte{loginVersion}))
	r := reader{rest: rest, broken: !ok}
	l.subject, l.client, l.device, l.method = r.text(), r.text(), r.text(), r.text()
	zigzag := r.number()
	l.authTime = time.Unix(int64(zigzag>>1)^-int64(zigzag&1), 0).UTC()
	l.roles, l.scopes = r.list(), r.list()
	if r.broken || r.rest != "" || l.subject == "" {
		*l = login{}
		return errValue
	}
	return nil
}

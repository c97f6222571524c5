package adapter

import (
	"bytes"
	"strings"
	"unsafe"
)

// RawHeader is a request's header as it came over the wire, request line excepted, for
// frameworks whose parsed form loses something. Whatever it returns is a copy.
type RawHeader []byte

// Lines returns all values of a field in order.
func (h RawHeader) Lines(name string) (all []string) {
	for raw := []byte(h); len(raw) > 0; {
		var f []byte
		f, raw = field(raw)
		if v := valueOf(f, name); v != nil {
			all = append(all, unfold(v))
		}
	}
	return all
}

// Picked are the values of a few fields that a flow always asks for, read in one
// pass and copied in one allocation.
type Picked struct {
	names *[PickedMax]string
	value [PickedMax][1]string
	seen  [PickedMax]bool
	lent  []byte               // the value of the first field, if it is not copied
	all   *[PickedMax][]string // if one is there twice or folded
}

// PickedMax is how many fields Pick takes; fewer are padded with "".
const PickedMax = 3

// Pick reads the fields called names into p, which is empty. With lend the first of them
// is not copied: Lend shows it while h is what it is.
func (h RawHeader) Pick(p *Picked, names *[PickedMax]string, lend bool) {
	p.names = names
	var values [PickedMax][]byte
	size, odd := 0, false
	for rest := []byte(h); len(rest) > 0; {
		end := lineEnd(rest)
		line := rest[:end]
		rest = rest[end:]
		odd = odd || continues(rest)
		for i, name := range names {
			if name == "" {
				break
			}
			if v := valueOf(line, name); v != nil {
				odd = odd || p.seen[i]
				values[i], p.seen[i] = v, true
				size += len(v)
				break
			}
		}
	}
	if odd {
		p.all = new([PickedMax][]string)
		for i, name := range names {
			p.all[i] = h.Lines(name)
		}
		return
	}
	if lend {
		p.lent, values[0] = values[0], nil
		size -= len(p.lent)
	}
	var b strings.Builder
	b.Grow(size)
	for i, v := range values {
		start := b.Len()
		b.Write(v)
		p.value[i][0] = b.String()[start:]
	}
}

// Lines returns the values of a field; ok is false if it was not picked.
func (p *Picked) Lines(name string) (lines []string, ok bool) {
	if p.names == nil || name == "" {
		return nil, false
	}
	for i, n := range p.names {
		switch {
		case n != name:
		case p.all != nil:
			return p.all[i], true
		case !p.seen[i]:
			return nil, true
		case i == 0 && p.lent != nil:
			return []string{string(p.lent)}, true
		default:
			return p.value[i][:], true
		}
	}
	return nil, false
}

// Lend is what an Exchange needs to be a Lender; ok is false if the field was not
// picked.
func (p *Picked) Lend(name string) (line string, lines int, ok bool) {
	if p.lent != nil && name == p.names[0] {
		return unsafe.String(unsafe.SliceData(p.lent), len(p.lent)), 1, true
	}
	all, ok := p.Lines(name)
	if len(all) == 0 {
		return "", 0, ok
	}
	return all[0], len(all), ok
}

// field splits the first field off a raw header, with its folds (RFC 9112 section
// 5.2).
func field(raw []byte) (field, rest []byte) {
	end := lineEnd(raw)
	for continues(raw[end:]) {
		end += lineEnd(raw[end:])
	}
	return raw[:end], raw[end:]
}

func continues(raw []byte) bool { return len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') }

func lineEnd(raw []byte) int {
	if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		return i + 1
	}
	return len(raw)
}

func trim(v []byte) []byte {
	for len(v) > 0 && blank(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && blank(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unfold copies a value, each fold as one blank.
func unfold(v []byte) string {
	if bytes.IndexByte(v, '\n') < 0 {
		return string(v)
	}
	parts := bytes.Split(v, []byte{'\n'})
	for i := range parts {
		parts[i] = trim(parts[i])
	}
	return string(bytes.Join(parts, []byte{' '}))
}

// valueOf returns the value of a field of that name, nil if it has another one.
// Names are ASCII and compared without regard to case.
func valueOf(field []byte, name string) []byte {
	if len(field) <= len(name) || field[len(name)] != ':' {
		return nil
	}
	for i := range len(name) {
		a, b := field[i], name[i]
		if a != b && (a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z') {
			return nil
		}
	}
	return trim(field[len(name)+1:])
}

package adapter

import (
	"bytes"
	"slices"
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
	lent  int                  // so many of the values, the first ones, are no copies
	all   *[PickedMax][]string // of those that are there twice, or of all if one is folded
}

const (
	// PickedMax is how many fields Pick takes; fewer are padded with "".
	PickedMax = 4
	// What is lent of fields that are there more than once or folded, so that nobody
	// chooses what they cost. No rule needs more lines to refuse, and none allows the
	// line ends that a longer fold is left with.
	maxLent   = 32
	maxFolded = 1 << 10
)

// Pick reads the fields called names into p, which is empty. So many of the first of them
// are lent: they are not copied, and Lend shows them while h is what it is.
func (h RawHeader) Pick(p *Picked, names *[PickedMax]string, lend int) {
	p.names, p.lent = names, lend
	var values [PickedMax][]byte
	odd := false
	for rest := []byte(h); len(rest) > 0; {
		end := lineEnd(rest)
		line := rest[:end]
		rest = rest[end:]
		odd = odd || continues(rest)
		for i, name := range names {
			if name == "" {
				break
			}
			if len(line) <= len(name) || line[len(name)] != ':' {
				continue // as valueOf finds, at a fifth of the price
			}
			if v := valueOf(line, name); v != nil {
				switch {
				case !p.seen[i]:
					values[i], p.seen[i] = v, true
				case i < lend:
					p.again(i, values[i], v)
				default:
					odd = true
				}
				break
			}
		}
	}
	if odd {
		p.all = new([PickedMax][]string)
		for i, name := range names {
			if i < lend {
				p.all[i] = h.lend(name)
				continue
			}
			p.all[i] = h.Lines(name)
		}
		return
	}
	size := 0
	for _, v := range values[lend:] {
		size += len(v)
	}
	var b strings.Builder
	b.Grow(size)
	for i, v := range values {
		if i < lend {
			p.value[i][0] = borrowed(v)
			continue
		}
		start := b.Len()
		b.Write(v)
		p.value[i][0] = b.String()[start:]
	}
}

// again notes a further value of a field that is lent, whose first one is given as well. It
// is done in passing: somebody may send a thousand.
func (p *Picked) again(i int, first, v []byte) {
	if p.all == nil {
		p.all = new([PickedMax][]string)
	}
	if p.all[i] == nil {
		p.all[i] = append(make([]string, 0, maxLent), borrowed(first))
	}
	if len(p.all[i]) < maxLent {
		p.all[i] = append(p.all[i], borrowed(v))
	}
}

// lend is Lines without copies, but of short folds.
func (h RawHeader) lend(name string) (all []string) {
	for raw := []byte(h); len(raw) > 0 && len(all) < maxLent; {
		var f []byte
		f, raw = field(raw)
		switch v := valueOf(f, name); {
		case v == nil:
		case len(v) <= maxFolded && bytes.IndexByte(v, '\n') >= 0:
			all = append(all, unfold(v))
		default:
			all = append(all, borrowed(v))
		}
	}
	return all
}

func borrowed(v []byte) string { return unsafe.String(unsafe.SliceData(v), len(v)) }

// Lines returns the values of a field; ok is false if it was not picked.
func (p *Picked) Lines(name string) (lines []string, ok bool) {
	lines, i := p.find(name)
	if i >= p.lent || len(lines) == 0 {
		return lines, i >= 0
	}
	own := make([]string, len(lines))
	for n, l := range lines {
		own[n] = strings.Clone(l)
	}
	return own, true
}

// Lend is what an Exchange needs to be a Lender; ok is false if the field was not
// picked.
func (p *Picked) Lend(name string) (lines []string, ok bool) {
	lines, i := p.find(name)
	return lines, i >= 0
}

// find returns the values of the field at i, which is -1 if it was not picked.
func (p *Picked) find(name string) (lines []string, i int) {
	if p.names == nil || name == "" {
		return nil, -1
	}
	switch i = slices.Index(p.names[:], name); {
	case i < 0:
		return nil, -1
	case p.all != nil && p.all[i] != nil:
		return p.all[i], i
	case !p.seen[i]:
		return nil, i
	default:
		return p.value[i][:], i
	}
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

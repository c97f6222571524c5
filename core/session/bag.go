package session

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// bag is a session's data in its encoded form: name length 1, name, value length
// 4, value; sorted by nothing, each name once. It is immutable and read in place,
// because a request typically reads one or two names out of a few.
type bag string

// next splits off the first pair. ok is false at the end and on a broken bag.
func (b bag) next() (name, value string, rest bag, ok bool) {
	if len(b) < 1 {
		return "", "", "", false
	}
	n := int(b[0])
	if n == 0 || len(b) < 1+n+4 {
		return "", "", "", false
	}
	name = string(b[1 : 1+n])
	b = b[1+n:]
	size := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
	if uint64(len(b)-4) < size {
		return "", "", "", false
	}
	return name, string(b[4 : 4+size]), b[4+size:], true
}

func (b bag) valid() bool {
	for len(b) > 0 {
		var ok bool
		if _, _, b, ok = b.next(); !ok {
			return false
		}
	}
	return true
}

func (b bag) get(name string) (string, bool) {
	for {
		k, v, rest, ok := b.next()
		if !ok {
			return "", false
		}
		if k == name {
			return v, true
		}
		b = rest
	}
}

func appendPair(b *strings.Builder, name, value string) {
	n := len(value)
	b.WriteByte(byte(len(name)))
	b.WriteString(name)
	b.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	b.WriteString(value)
}

// opKind is what a request wants done to one name. Operations, not results, are
// what a request collects: that is why parallel requests merge instead of
// overwriting each other.
type opKind uint8

const (
	opSet opKind = iota
	opDelete
	opIncrement
)

type op struct {
	kind  opKind
	name  string
	value string // opSet
	delta int64  // opIncrement
}

// The errors of data operations.
var (
	// ErrNotNumber says that a counter was applied to a value that is none.
	ErrNotNumber = errors.New("session: the value is not a whole number")
	// ErrOverflow says that a counter would leave the range of int64.
	ErrOverflow = errors.New("session: counter overflow")
)

// apply runs the operation on the present value of its name.
func (o op) apply(value string, present bool) (string, bool, error) {
	switch o.kind {
	case opSet:
		return o.value, true, nil
	case opDelete:
		return "", false, nil
	default:
		var n int64
		if present {
			var err error
			if n, err = strconv.ParseInt(value, 10, 64); err != nil {
				return value, present, fmt.Errorf("%w: %q", ErrNotNumber, o.name)
			}
		}
		if (o.delta > 0 && n > math.MaxInt64-o.delta) || (o.delta < 0 && n < math.MinInt64-o.delta) {
			return value, present, fmt.Errorf("%w: %q", ErrOverflow, o.name)
		}
		return strconv.FormatInt(n+o.delta, 10), true, nil
	}
}

// ops holds at most one operation per name: a later one absorbs an earlier one.
type ops []op

func (p ops) find(name string) int {
	for i := range p {
		if p[i].name == name {
			return i
		}
	}
	return -1
}

// add returns p with o behind what is there, absorbed where that is possible. p
// itself stays as it is.
func (p ops) add(o op) (ops, error) {
	i := p.find(o.name)
	if i < 0 {
		return append(p, o), nil
	}
	if o.kind == opIncrement {
		var err error
		if o, err = p[i].plus(o); err != nil {
			return p, err
		}
	}
	p = slices.Clone(p)
	p[i] = o
	return p, nil
}

// plus is o followed by the increment inc, as one operation.
func (o op) plus(inc op) (op, error) {
	if o.kind == opIncrement {
		sum := o.delta + inc.delta
		if (inc.delta > 0 && sum < o.delta) || (inc.delta < 0 && sum > o.delta) {
			return o, fmt.Errorf("%w: %q", ErrOverflow, o.name)
		}
		o.delta = sum
		return o, nil
	}
	// A set or a delete fixes the value, so the sum is known now.
	value, present, _ := o.apply("", false)
	value, _, err := inc.apply(value, present)
	return op{kind: opSet, name: o.name, value: value}, err
}

// get reads name out of b as it will be once p is applied.
func (p ops) get(b bag, name string) (string, bool, error) {
	v, ok := b.get(name)
	if i := p.find(name); i >= 0 {
		return p[i].apply(v, ok)
	}
	return v, ok, nil
}

// names calls yield for every name that b holds once p is applied.
func (p ops) names(b bag, yield func(name, value string) error) error {
	for rest := b; ; {
		k, v, next, ok := rest.next()
		if !ok {
			break
		}
		rest = next
		if i := p.find(k); i >= 0 {
			var err error
			if v, ok, err = p[i].apply(v, true); err != nil {
				return err
			}
		}
		if ok {
			if err := yield(k, v); err != nil {
				return err
			}
		}
	}
	for _, o := range p {
		if _, had := b.get(o.name); had {
			continue
		}
		v, ok, err := o.apply("", false)
		if err != nil {
			return err
		}
		if ok {
			if err := yield(o.name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// merge applies p to b. It fails rather than drop an operation.
func (p ops) merge(b bag, limit int) (bag, error) {
	if len(p) == 0 {
		return b, nil
	}
	size, err := p.size(b)
	if err != nil {
		return b, err
	}
	if size > max(limit, len(b)) { // what a login made larger may still shrink
		return b, fmt.Errorf("%w: %d bytes, the limit is %d", ErrTooLarge, size, limit)
	}
	var out strings.Builder
	out.Grow(size)
	err = p.names(b, func(name, value string) error {
		appendPair(&out, name, value)
		return nil
	})
	return bag(out.String()), err
}

// size is how long merge's result would be.
func (p ops) size(b bag) (n int, err error) {
	err = p.names(b, func(name, value string) error {
		n += 1 + len(name) + 4 + len(value)
		return nil
	})
	return n, err
}

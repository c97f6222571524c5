package strict

import (
	"hash/maphash"
	"unicode/utf8"
)

// Fault is why something was not taken.
type Fault uint8

// The faults.
const (
	OK        Fault = iota
	Alphabet        // a byte that no compact serialisation has
	Segments        // not three of them, or one is empty
	Syntax          // not one JSON object and nothing else (RFC 8259)
	UTF8            // not UTF-8, or half a surrogate pair (RFC 8259 section 8)
	Duplicate       // an object with two members of one name (RFC 7515 section 4)
	Case            // two members of the outer object that differ only in case
	Depth           // nested deeper than the limit
	Members         // more members than the limit
	Stopped         // the visitor of Object had enough
)

// Limits bound an object.
type Limits struct {
	// Depth is how many objects and arrays may be open at once, the outer one
	// included.
	Depth int
	// Members is how many members all objects may have together.
	Members int
}

// maxNumber and maxExponent bound a number's text so that every number is a finite
// float64: a reader that makes floats of them, as encoding/json does, must not refuse
// what another accepts.
const (
	maxNumber   = 64
	maxExponent = 200
)

// Reader reads one JSON object, once, from its start to its end. It allocates next to
// nothing unless there are many members or names with escapes.
//
//	r := strict.Read(doc, limits)
//	for r.Next() {
//		// r.Name, r.Value
//	}
//	// r.Fault()
//
// Members come before the rest of the text is known to be right: they count for nothing
// unless Fault is OK in the end.
type Reader struct {
	// Name and Value are the member of the outer object at which Next is. Folded is
	// what Fold says of Name.
	Name, Folded string
	Value        Value

	doc     string
	pos     int
	limits  Limits
	fault   Fault
	state   state
	members int

	// The names of the objects that are open, the innermost's at the end. There
	// are seldom more than few, which then need no memory of their own.
	names int
	few   [24]member
	more  []member
	// seen is a Bloom filter of all names: most need not be looked for.
	seen [32]uint64
}

type state uint8

const (
	before state = iota
	inside
	after
)

// member is a member seen. tag is a hash of its name under a secret of the process:
// whoever chooses the names cannot choose the tags, so that looking through them costs
// one comparison each.
type member struct {
	tag  uint64
	name string
}

var seed = maphash.MakeSeed()

// Object calls visit for each member of doc in order, until that returns false.
func Object(doc string, limits Limits, visit func(name string, v Value) bool) Fault {
	r := Read(doc, limits)
	for r.Next() {
		if !visit(r.Name, r.Value) {
			return Stopped
		}
	}
	return r.Fault()
}

// Read begins to read doc, which must be one object with nothing around it but
// whitespace.
func Read(doc string, limits Limits) Reader { return Reader{doc: doc, limits: limits} }

// Next goes to the next member of the outer object. It returns false after the last
// one, or when the text turned out to be wrong.
func (r *Reader) Next() bool {
	switch r.state {
	case before:
		// JSON is UTF-8 without exception between systems. What follows can
		// then look at single bytes.
		if !utf8.ValidString(r.doc) {
			return r.end(UTF8)
		}
		r.space()
		if r.peek() != '{' {
			return r.end(Syntax)
		}
		if r.limits.Depth < 1 {
			return r.end(Depth)
		}
		r.pos++
		r.state = inside
		r.space()
		if r.peek() == '}' {
			return r.last()
		}
	case inside:
		switch r.peek() {
		case ',':
			r.pos++
			r.space()
		case '}':
			return r.last()
		default:
			return r.end(Syntax)
		}
	default:
		return false
	}
	var f Fault
	if r.Name, f = r.name(); f != OK {
		return r.end(f)
	}
	r.Folded = Fold(r.Name)
	if f := r.note(0, r.Name, r.Folded, true); f != OK {
		return r.end(f)
	}
	if r.Value, f = r.value(1); f != OK {
		return r.end(f)
	}
	r.space()
	return true
}

// Fault returns what is wrong with the text. It is Syntax for one that was not read to
// its end.
func (r *Reader) Fault() Fault {
	if r.state != after {
		return Syntax
	}
	return r.fault
}

func (r *Reader) end(f Fault) bool {
	r.state, r.fault = after, f
	return false
}

// last reads the closing brace of the outer object, and that nothing is after it.
func (r *Reader) last() bool {
	r.pos++
	r.space()
	if r.pos != len(r.doc) {
		return r.end(Syntax)
	}
	return r.end(OK)
}

// peek returns the next byte, or 0, which no valid text has there.
func (r *Reader) peek() byte {
	if r.pos < len(r.doc) {
		return r.doc[r.pos]
	}
	return 0
}

func (r *Reader) space() {
	for r.pos < len(r.doc) {
		switch r.doc[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// name reads a member's name and the colon behind it.
func (r *Reader) name() (string, Fault) {
	if r.peek() != '"' {
		return "", Syntax
	}
	v, f := r.text()
	if f != OK {
		return "", f
	}
	r.space()
	if r.peek() != ':' {
		return "", Syntax
	}
	r.pos++
	r.space()
	name, _ := v.Text()
	return name, OK
}

// object reads an object inside of another, whose opening brace is next.
func (r *Reader) object(depth int) Fault {
	if depth > r.limits.Depth {
		return Depth
	}
	base := r.names
	r.pos++
	r.space()
	if r.peek() == '}' {
		r.pos++
		return OK
	}
	for {
		name, f := r.name()
		if f != OK {
			return f
		}
		if f := r.note(base, name, name, false); f != OK {
			return f
		}
		if _, f := r.value(depth); f != OK {
			return f
		}
		r.space()
		switch r.peek() {
		case ',':
			r.pos++
			r.space()
		case '}':
			r.pos++
			r.forget(base)
			return OK
		default:
			return Syntax
		}
	}
}

// note checks name against the other members of its object, which are those from base
// on, by key, which is what no two may have in common.
func (r *Reader) note(base int, name, key string, outer bool) Fault {
	if r.members++; r.members > r.limits.Members {
		return Members
	}
	tag := maphash.String(seed, key)
	word, bit := tag>>6%uint64(len(r.seen)), uint64(1)<<(tag%64)
	if r.seen[word]&bit != 0 {
		for i := base; i < r.names; i++ {
			m := r.member(i)
			if m.tag != tag {
				continue
			}
			if m.name == name {
				return Duplicate
			}
			if outer && Fold(m.name) == key {
				return Case
			}
		}
	}
	r.seen[word] |= bit
	if r.names < len(r.few) {
		r.few[r.names] = member{tag, name}
	} else {
		r.more = append(r.more, member{tag, name})
	}
	r.names++
	return OK
}

func (r *Reader) member(i int) *member {
	if i < len(r.few) {
		return &r.few[i]
	}
	return &r.more[i-len(r.few)]
}

func (r *Reader) forget(base int) {
	r.names = base
	r.more = r.more[:max(0, base-len(r.few))]
}

// array reads an array whose opening bracket is next.
func (r *Reader) array(depth int) Fault {
	if depth > r.limits.Depth {
		return Depth
	}
	r.pos++
	r.space()
	if r.peek() == ']' {
		r.pos++
		return OK
	}
	for {
		if _, f := r.value(depth); f != OK {
			return f
		}
		r.space()
		switch r.peek() {
		case ',':
			r.pos++
			r.space()
		case ']':
			r.pos++
			return OK
		default:
			return Syntax
		}
	}
}

// value reads a value inside of depth open objects and arrayr.
func (r *Reader) value(depth int) (Value, Fault) {
	start := r.pos
	kind, f := Absent, OK
	switch c := r.peek(); c {
	case '"':
		return r.text()
	case '{':
		kind, f = Nested, r.object(depth+1)
	case '[':
		kind, f = Array, r.array(depth+1)
	case 't':
		kind, f = Bool, r.literal("true")
	case 'f':
		kind, f = Bool, r.literal("false")
	case 'n':
		kind, f = Null, r.literal("null")
	default:
		kind, f = Number, r.number()
	}
	if f != OK {
		return Value{}, f
	}
	return Value{Kind: kind, text: r.doc[start:r.pos]}, OK
}

func (r *Reader) literal(want string) Fault {
	if len(r.doc)-r.pos < len(want) || r.doc[r.pos:r.pos+len(want)] != want {
		return Syntax
	}
	r.pos += len(want)
	return OK
}

// text reads a string whose opening quote is next.
func (r *Reader) text() (Value, Fault) {
	doc, start := r.doc, r.pos+1
	escaped := false
	for i := start; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			r.pos = i + 1
			return Value{Kind: String, text: doc[start:i], escaped: escaped}, OK
		case c < ' ':
			return Value{}, Syntax
		case c == '\\':
			escaped = true
			n, _, f := escape(doc[i:])
			if f != OK {
				return Value{}, f
			}
			i += n - 1
		}
	}
	return Value{}, Syntax
}

// number reads a number (RFC 8259 section 6).
func (r *Reader) number() Fault {
	start := r.pos
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else if r.digits() == "" {
		return Syntax
	}
	if r.peek() == '.' {
		r.pos++
		if r.digits() == "" {
			return Syntax
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		if d := r.digits(); d == "" || len(d) > maxNumber || atoi(d) > maxExponent {
			return Syntax
		}
	}
	if r.pos-start > maxNumber {
		return Syntax
	}
	return OK
}

func (r *Reader) digits() string {
	start := r.pos
	for r.pos < len(r.doc) && '0' <= r.doc[r.pos] && r.doc[r.pos] <= '9' {
		r.pos++
	}
	return r.doc[start:r.pos]
}

// atoi reads digits; what is over 2^53 is over 2^53.
func atoi(digits string) (n uint64) {
	for _, d := range []byte(digits) {
		if n = n*10 + uint64(d-'0'); n > MaxInteger {
			return MaxInteger + 1
		}
	}
	return n
}

package strict

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is what a Value is. The zero Kind is that of a member that was not there.
type Kind uint8

// The kinds.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Nested // an object
)

// MaxInteger bounds what Integer returns: up to there, every reader of JSON agrees
// about a number (RFC 8259 section 6).
const MaxInteger = 1 << 53

// Value is the value of a member, found well formed by Object and not decoded yet. It
// is a part of the text that it was read from.
type Value struct {
	Kind    Kind
	escaped bool
	text    string // of a string: between its quotes
}

// Text returns what a string says.
func (v Value) Text() (s string, ok bool) {
	if v.Kind != String {
		return "", false
	}
	if !v.escaped {
		return v.text, true
	}
	var b strings.Builder
	b.Grow(len(v.text))
	for rest := v.text; rest != ""; {
		plain := strings.IndexByte(rest, '\\')
		if plain < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:plain])
		n, r, f := escape(rest[plain:])
		if f != OK {
			return "", false
		}
		b.WriteRune(r)
		rest = rest[plain+n:]
	}
	return b.String(), true
}

// Bool returns what true or false says.
func (v Value) Bool() (b, ok bool) {
	return v.Kind == Bool && v.text == "true", v.Kind == Bool
}

// Integer returns a number that is written as a whole one between 0 and 2^53. 1.0 and
// 1e3 are not written so.
func (v Value) Integer() (n uint64, ok bool) {
	if v.Kind != Number || strings.Trim(v.text, "0123456789") != "" {
		return 0, false
	}
	n = atoi(v.text)
	return n, n <= MaxInteger
}

// Strings returns an array of nothing but strings.
func (v Value) Strings() (list []string, ok bool) {
	if v.Kind != Array {
		return nil, false
	}
	r := Reader{doc: v.text}
	n := 0
	for r.element() {
		if r.peek() != '"' {
			return nil, false
		}
		_, _ = r.text() // was found right before
		n++
	}
	if n == 0 {
		return nil, true
	}
	list = make([]string, 0, n)
	for r.pos = 0; r.element(); {
		e, _ := r.text()
		s, _ := e.Text()
		list = append(list, s)
	}
	return list, true
}

// element goes to the next element of an array that was found well formed.
func (r *Reader) element() bool {
	r.space()
	if c := r.peek(); c == '[' && r.pos == 0 || c == ',' {
		r.pos++
		r.space()
	}
	return r.peek() != ']'
}

// escape reads the escape sequence with which s begins: n bytes, which mean r. Half a
// surrogate pair means nothing: each reader would put something else in its place.
func escape(s string) (n int, r rune, f Fault) {
	if len(s) < 2 {
		return 0, 0, Syntax
	}
	switch s[1] {
	case '"', '\\', '/':
		return 2, rune(s[1]), OK
	case 'b':
		return 2, '\b', OK
	case 'f':
		return 2, '\f', OK
	case 'n':
		return 2, '\n', OK
	case 'r':
		return 2, '\r', OK
	case 't':
		return 2, '\t', OK
	case 'u':
		r, ok := hex4(s[2:])
		if !ok {
			return 0, 0, Syntax
		}
		if !utf16.IsSurrogate(r) {
			return 6, r, OK
		}
		if len(s) < 12 || s[6:8] != `\u` {
			return 0, 0, UTF8
		}
		low, ok := hex4(s[8:])
		if !ok {
			return 0, 0, Syntax
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return 0, 0, UTF8
		}
		return 12, r, OK
	default:
		return 0, 0, Syntax
	}
}

func hex4(s string) (r rune, ok bool) {
	if len(s) < 4 {
		return 0, false
	}
	for _, c := range []byte(s[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Fold returns what all spellings of name that differ only in case have in common, by
// the rule of encoding/json: simple folding of Unicode, in which "ſub" (U+017F) is
// "sub". A name in lower case ASCII is its own.
func Fold(name string) string {
	folded := true
	for i := 0; i < len(name) && folded; i++ {
		c := name[i]
		folded = c < utf8.RuneSelf && (c < 'A' || c > 'Z')
	}
	if folded {
		return name
	}
	return strings.Map(fold, name)
}

// fold returns the least of the runes that r folds to and from, in lower case if that
// is ASCII.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			r = next
			break
		}
		r = next
	}
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

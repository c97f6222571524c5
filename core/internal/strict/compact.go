// Package strict reads the two encodings of which a signed token is made, the compact
// serialisation and JSON objects, and takes nothing that two readers could understand
// differently. It knows no member by name.
package strict

import (
	"encoding/base64"
	"strings"
)

// What a byte of a compact serialisation may be.
const (
	foreign = iota
	letter
	dot
)

var classes = func() (c [256]byte) {
	for _, b := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		c[b] = letter
	}
	c['.'] = dot
	return c
}()

// Split cuts a JWS compact serialisation (RFC 7515 section 7.1) at its dots. The
// signature may be empty, the other two may not. It looks at each byte once, stops at
// the third dot and allocates nothing (CVE-2025-30204 was a split at every dot).
func Split(raw string) (header, payload, signature string, f Fault) {
	dots, at := 0, [2]int{}
	for i := 0; i < len(raw); i++ {
		switch classes[raw[i]] {
		case foreign:
			return "", "", "", Alphabet
		case dot:
			if dots == len(at) {
				return "", "", "", Segments
			}
			at[dots] = i
			dots++
		}
	}
	if dots < len(at) || at[0] == 0 || at[1] == at[0]+1 {
		return "", "", "", Segments
	}
	return raw[:at[0]], raw[at[0]+1 : at[1]], raw[at[1]+1:], OK
}

var encoding = base64.RawURLEncoding.Strict()

const (
	chunkText  = 1024
	chunkBytes = chunkText / 4 * 3
)

// Text decodes base64url without padding, whitespace or spare bits (RFC 7515 section
// 2), so that there is one spelling of everything.
func Text(s string) (string, bool) {
	var chunk [chunkBytes]byte
	var b strings.Builder
	b.Grow(encoding.DecodedLen(len(s)))
	for ; len(s) > chunkText; s = s[chunkText:] {
		if !decode(chunk[:], s[:chunkText]) {
			return "", false
		}
		b.Write(chunk[:])
	}
	last := chunk[:encoding.DecodedLen(len(s))]
	if !decode(last, s) {
		return "", false
	}
	b.Write(last)
	return b.String(), true
}

// Bytes is like Text.
func Bytes(s string) ([]byte, bool) {
	b := make([]byte, encoding.DecodedLen(len(s)))
	return b, decode(b, s)
}

// Fill decodes what must be exactly as long as b, into b.
func Fill(b []byte, s string) bool {
	return len(s) == encoding.EncodedLen(len(b)) && decode(b, s)
}

// decode fills b with what s says. The decoder of the standard library skips line
// ends, wherever they are: then s is longer than what fills b.
func decode(b []byte, s string) bool {
	n, err := encoding.Decode(b, []byte(s))
	return err == nil && n == len(b) && len(s)%4 != 1
}

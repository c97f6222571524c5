// Package identity checks what an application says of whoever logs in: the same for a
// session and for a refresh family, so that who may have one may have the other.
package identity

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// MaxName is how long a name may be, in bytes, and how many there may be of one kind.
const MaxName = 255

// Report is told of each mistake.
type Report func(field, value, reason string)

// Subject checks the name of an account.
func Subject(subject string, bad Report) {
	if !isName(subject) {
		bad("Subject", subject, "must be 1 to 255 bytes of UTF-8")
	}
}

// Text checks a name that may be left out.
func Text(field, value string, bad Report) {
	if value != "" && !isName(value) {
		bad(field, value, "must be at most 255 bytes of UTF-8")
	}
}

// Names checks a list of roles or scopes.
func Names(field string, names []string, bad Report) {
	if len(names) > MaxName {
		bad(field, strconv.Itoa(len(names))+" names", "must be at most 255")
	}
	for _, n := range names {
		if !isName(n) {
			bad(field, n, "each must be 1 to 255 bytes of UTF-8")
		}
	}
}

// AuthTime checks when a subject proved itself.
func AuthTime(at, now time.Time, bad Report) {
	if at.After(now) {
		bad("AuthTime", at.String(), "is in the future")
	}
}

func isName(s string) bool { return s != "" && len(s) <= MaxName && utf8.ValidString(s) }

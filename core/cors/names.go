package cors

import (
	"slices"
	"strings"
)

// names is one of the lists of a Config that may be "*".
type names struct {
	field  string
	fold   bool   // case does not matter
	beside string // what "*" does not cover, so that it may stand beside it
	reason func(name string) string
}

// compile returns what is on the list, "*" included; in lower case if it does not matter.
func (n names) compile(m *mistakes, list []string, credentials bool) (all table) {
	star := slices.Contains(list, "*")
	for i, given := range list {
		field, name, reason := at(n.field, i), given, ""
		if n.fold {
			name = strings.ToLower(name)
		}
		switch {
		case given == "*" && credentials:
			reason = "is a name like any other to browsers with Credentials (Fetch): name each"
		case !made(given, &inToken):
			reason = "is no token (RFC 9110 section 5.6.2)"
		case given != "*" && strings.Contains(given, "*"):
			// A token, but nobody means it.
			reason = "is no pattern: the asterisk stands for every name, and alone"
		case n.reason(name) != "":
			reason = n.reason(name)
		case star && given != "*" && name != n.beside:
			reason = "is covered by the asterisk that stands beside it"
		case !all.put(name):
			reason = twice
		}
		if reason != "" {
			m.add(field, given, reason)
		}
	}
	return all
}

// The bytes of tokens (RFC 9110 section 5.6.2), and of labels as browsers write them.
var (
	inToken      = alphabet(signs + lowerCase + upperCase)
	inLowerToken = alphabet(signs + lowerCase)
	inLabel      = alphabet("-_" + lowerCase)
)

const (
	signs     = "!#$%&'*+-.^_`|~"
	lowerCase = "0123456789abcdefghijklmnopqrstuvwxyz"
	upperCase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func alphabet(bytes string) (a [256]bool) {
	for i := range len(bytes) {
		a[bytes[i]] = true
	}
	return a
}

// made reports whether s is made of the bytes of a, and is not empty.
func made(s string, a *[256]bool) bool {
	for i := range len(s) {
		if !a[s[i]] {
			return false
		}
	}
	return s != ""
}

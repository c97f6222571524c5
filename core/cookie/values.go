package cookie

import (
	"slices"
	"strings"
)

// maxRest bounds what Values keeps, whatever is sent.
const maxRest = 7

// Values finds every cookie of exactly this name in the lines of a request's
// Cookie header, one string for each line: HTTP/2 splits the header. It returns
// the first value, up to 7 further distinct values, and the number of
// occurrences, equal values included. No occurrence is n == 0; an empty value is
// an occurrence.
//
// Values are raw: not unquoted, not decoded, blanks inside kept. The caller
// checks their shape before anything else sees them. They alias lines, and who
// keeps one keeps its line in memory. Time is linear in the length of lines, and
// nothing is allocated while there is at most one distinct value. It is safe for
// concurrent use.
//
// The grammar is RFC 6265 section 4.2.1 and no more: pairs separated by ';' and
// at most one space, the name being what stands before the first '='. Left out
// on purpose, because each has let one cookie pass for another: quoted strings
// that hide a ';', $Version, percent-encoding, comma as separator, letter case
// (browsers guard __host- as __Host-, but only as long as they know prefixes),
// blanks of any kind around the name, pairs without '='.
func (s *Spec) Values(lines []string) (first string, rest []string, n int) {
	if s.name == "" {
		return "", nil, 0
	}
	for _, line := range lines {
		// Blanks around the whole line belong to HTTP, not to the cookie (RFC
		// 9110 section 5.5); not every framework takes them away.
		line = strings.Trim(line, " \t")
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			line = strings.TrimPrefix(line, " ")
			value, ok := strings.CutPrefix(pair, s.name)
			if !ok || value == "" || value[0] != '=' {
				continue
			}
			value = value[1:]
			n++
			switch {
			case n == 1:
				first = value
			case value != first && len(rest) < maxRest && !slices.Contains(rest, value):
				rest = append(rest, value)
			}
		}
	}
	return first, rest, n
}

package cors

import "strings"

// What is tolerated of Access-Control-Request-Headers beyond what browsers write, because
// something in between may do it (RFC 9110 section 5.6.1.2), and the ends of the tolerance:
// an answer to everybody who asks must cost next to nothing, however much is asked
// (CVE-2025-47908).
const (
	maxEmpty  = 16   // elements, lines included
	maxBlanks = 2    // one on either side of an element
	maxAny    = 4096 // bytes, where every name is allowed
	maxLines  = 24   // fewer than an Exchange lends
)

// What is wrong with an element.
const (
	notAllowed = "is not allowed"
	outOfOrder = "is out of order: browsers write names sorted and each of them once"
	tooEmpty   = "is one empty element too many"
	tooLong    = "is too much"
	tooMuch    = "has more than 24 lines"
)

// asked judges the lines of Access-Control-Request-Headers. some is whether they name
// anything; fault is "" or what is wrong with the first element with which something is.
//
// Several lines are one list, as HTTP has it (RFC 9110 section 5.3). Browsers write a single
// one, but gateways are known that split it, and to refuse them would protect nobody: a
// preflight is nothing but a question.
//
// Names have to be sorted and each there once, as browsers write them. So whatever comes,
// it is at most as many names as are allowed that are looked up.
func (h *headers) asked(lines []string) (some bool, element, fault string) {
	if len(lines) > maxLines {
		return false, "", tooMuch
	}
	window, empty, bytes, last := h.named.longest+maxBlanks+1, 0, 0, ""
	if h.any {
		window = maxAny
	}
	for _, line := range lines {
		if bytes += len(line); h.any && bytes > maxAny {
			return false, "", tooLong
		}
		for more := true; more; {
			element, line, more = next(line, window)
			name := trim(element)
			switch {
			case name == "":
				if empty++; empty > maxEmpty {
					return false, "", tooEmpty
				}
				continue
			case !h.allows(name):
				return false, name, notAllowed
			case name <= last:
				return false, name, outOfOrder
			}
			some, last = true, name
		}
	}
	return some, "", ""
}

func (h *headers) allows(name string) bool {
	if h.any && name != authorization {
		return made(name, &inLowerToken)
	}
	return h.named.find(name) != ""
}

// next cuts the first element off list. It looks at window bytes: an element that has no
// end in them is too long for a name, and what is returned of it still is.
func next(list string, window int) (element, rest string, more bool) {
	seen := list[:min(len(list), window)]
	if comma := strings.IndexByte(seen, ','); comma >= 0 {
		return list[:comma], list[comma+1:], true
	}
	return seen, "", false
}

// trim takes one blank away on either side.
func trim(s string) string {
	if s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	if s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

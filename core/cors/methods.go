package cors

import (
	"slices"
	"strings"
)

// methods are those that a preflight may ask for.
type methods struct {
	any   bool
	named table
	value string // of Access-Control-Allow-Methods
}

func compileMethods(m *mistakes, list []string, credentials bool) (ms methods) {
	ms.named = names{field: "Methods", reason: methodReason}.compile(m, list, credentials)
	ms.any = ms.named.find("*") != ""
	ms.value = strings.Join(slices.DeleteFunc(ms.named.sorted(), isSafelistedMethod), ",")
	return ms
}

// allows looks at nothing under "*": browsers do what the standard forbids neither with our
// permission nor without it.
func (ms *methods) allows(method string) bool {
	return ms.any || isSafelistedMethod(method) || ms.named.find(method) != ""
}

// isSafelistedMethod says which methods need no permission, as a form can send them too
// (Fetch, "CORS-safelisted method"). HEAD is GET without the body.
func isSafelistedMethod(method string) bool {
	return method == "GET" || method == "HEAD" || method == "POST"
}

// methodReason says why a token cannot be the method that is meant, or "".
func methodReason(method string) string {
	switch upper := strings.ToUpper(method); upper {
	case "CONNECT", "TRACE", "TRACK":
		return "cannot be used by any page (Fetch, \"forbidden method\")"
	case method:
		return ""
	case "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT":
		return "is never sent: browsers make " + upper + " of it (Fetch, \"normalize a method\"), so write " + upper
	case "PATCH":
		// It would pass here and find no route, or not pass where a script writes
		// PATCH. Which of the two is hard to see from outside.
		return "is another method than PATCH, and browsers do not make PATCH of it: write PATCH, here and in scripts"
	default:
		return ""
	}
}

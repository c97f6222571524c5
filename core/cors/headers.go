package cors

import (
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/fetch"
)

// headers are those of a request that a preflight may ask for.
type headers struct {
	any   bool
	named table  // in lower case
	value string // of Access-Control-Allow-Headers
}

// authorization is what "*" does not cover (Fetch, "CORS non-wildcard request-header name"):
// too many policies that said "*" did not mean it.
const authorization = "authorization"

func compileHeaders(m *mistakes, list []string, credentials bool) (h headers) {
	h.named = names{field: "RequestHeaders", fold: true, beside: authorization, reason: requestHeaderReason}.compile(m, list, credentials)
	h.any = h.named.find("*") != ""
	h.value = strings.Join(h.named.sorted(), ",")
	return h
}

// compileExposed returns the value of Access-Control-Expose-Headers.
func compileExposed(m *mistakes, list []string, credentials bool) string {
	named := names{field: "ResponseHeaders", fold: true, reason: responseHeaderReason}.compile(m, list, credentials)
	return strings.Join(slices.DeleteFunc(named.sorted(), isSafelistedResponseHeader), ",")
}

// requestHeaderReason says why pages cannot send a header, or "". The name is in lower case.
func requestHeaderReason(name string) string {
	if !fetch.Forbidden(name) {
		return ""
	}
	return "cannot be set by any script, or means nothing in a request (Fetch, \"forbidden request-header\")"
}

// responseHeaderReason says why pages cannot read a header, or "". The name is in lower case.
func responseHeaderReason(name string) string {
	switch {
	case name == "set-cookie", name == "set-cookie2":
		return "cannot be read by any script (Fetch, \"forbidden response-header name\")"
	case name == "origin", strings.HasPrefix(name, "access-control-"):
		return "is said between browsers and servers, and no page has use for it"
	default:
		return ""
	}
}

// isSafelistedResponseHeader says what every page may read (Fetch, "CORS-safelisted
// response-header name").
func isSafelistedResponseHeader(name string) bool {
	switch name {
	case "cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma":
		return true
	default:
		return false
	}
}

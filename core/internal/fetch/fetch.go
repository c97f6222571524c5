// Package fetch holds what the Fetch standard says of headers.
package fetch

import "strings"

// Forbidden reports whether a request header, in lower case, is one that no script can set
// ("forbidden request-header"), or one of those that a server alone says to a browser.
func Forbidden(name string) bool {
	switch name {
	case "accept-charset", "accept-encoding", "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host",
		"keep-alive", "origin", "referer", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via":
		return true
	default:
		return strings.HasPrefix(name, "access-control-") || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-")
	}
}

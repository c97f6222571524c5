// Package origin reads web origins in the one form in which browsers send them (RFC
// 6454 section 6.2, the serialisation of the URL standard), so that they can be
// compared byte for byte. What a browser never sends is no origin here: a list that
// holds such a thing is a list that does not do what its writer thinks.
package origin

import (
	"net/netip"
	"strconv"
	"strings"
)

const (
	maxHost  = 253
	maxLabel = 63

	alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-_"
	digits   = "0123456789"
)

// Reason says why raw is not an origin that may be trusted, or "". It must be exactly
// what a browser sends, and https unless its host is loopback: whoever sits on the way
// speaks for every http origin.
func Reason(raw string) string {
	if reason := Malformed(raw); reason != "" {
		return reason
	}
	if scheme, host := cut(raw); scheme == "http" && !Loopback(host) {
		return "must be https, or http on loopback: whoever sits on the way speaks for an http origin"
	}
	return ""
}

// Malformed says why no browser sends raw as an origin, or "". It is Reason for those who
// may be anybody's.
func Malformed(raw string) string {
	switch {
	case raw == "null":
		return "is what sandboxed frames, local files and some redirects say, whoever made them"
	case strings.Contains(raw, "*"):
		return "must be one origin: patterns also cover hosts that are somebody else's tomorrow"
	case strings.ContainsFunc(raw, func(r rune) bool { return 'A' <= r && r <= 'Z' }):
		return "must be in lower case, as browsers send it"
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme != "https" && scheme != "http" {
		return "must be an origin such as https://app.example.com"
	}
	host, port, reason := split(rest)
	if reason == "" {
		reason = hostReason(host)
	}
	switch {
	case reason != "":
		return reason
	case port == defaultPort(scheme == "https"):
		return "must leave out the default port, as browsers do"
	default:
		return ""
	}
}

// cut returns the scheme and the host, without port or brackets, of an origin.
func cut(raw string) (scheme, host string) {
	scheme, rest, _ := strings.Cut(raw, "://")
	host, _, _ = split(rest)
	return scheme, strings.Trim(host, "[]")
}

// split cuts the port off.
func split(authority string) (host, port, reason string) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < strings.LastIndexByte(authority, ']') || colon < 0 {
		return authority, "", ""
	}
	host, port = authority[:colon], authority[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", "", "must have a port from 1 to 65535 behind the colon and nothing after it"
	}
	return host, port, ""
}

// hostReason says why browsers never write host, or "".
func hostReason(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		// netip and browsers write addresses alike but for those that embed one of
		// IPv4 in ::ffff:0:0/96.
		if !ok || err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" || addr.String() != inner {
			return "must have its IPv6 address in the shortest form (RFC 5952), without a zone"
		}
		return ""
	}
	if len(host) > maxHost {
		return "must have a host of at most 253 characters"
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > maxLabel || strings.Trim(label, alphabet) != "" {
			return "must have a host in ASCII behind the scheme and no path, not even a slash, user, query or fragment"
		}
		last = label
	}
	if !numeric(last) {
		return ""
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return "must have its IPv4 address as four decimal numbers, as browsers write it"
	}
	return ""
}

// numeric reports whether browsers take a host with this last label for an IPv4
// address (URL standard, "ends in a number").
func numeric(label string) bool {
	hex, ok := strings.CutPrefix(label, "0x")
	if ok {
		return strings.Trim(hex, digits+"abcdef") == ""
	}
	return strings.Trim(label, digits) == ""
}

func defaultPort(secure bool) string {
	if secure {
		return "443"
	}
	return "80"
}

// IsHost reports whether origin is that of an application that the client reached as
// host, which is a Host header, over TLS if secure. A host without a name is nobody's.
// It allocates nothing.
func IsHost(origin, host string, secure bool) bool {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	named, ok := strings.CutPrefix(origin, scheme)
	if !ok {
		return false
	}
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 && host[colon+1:] == defaultPort(secure) {
		host = host[:colon]
	}
	return host != "" && equalLower(named, host)
}

// equalLower reports whether lower is s with A to Z in lower case.
func equalLower(lower, s string) bool {
	if len(lower) != len(s) {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if lower[i] != c {
			return false
		}
	}
	return true
}

// Loopback reports whether host, without a port or brackets, names this machine
// whatever a resolver says (RFC 6761 section 6.3).
func Loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

package cors

import (
	"net/netip"
	"strings"
)

const maxLabel = 63

// patternReason says why raw is not a pattern, or "". reasonOf does it for origins.
func patternReason(raw string, reasonOf func(string) string) string {
	scheme, base, ok := strings.Cut(raw, "://*.")
	if !ok || strings.Contains(scheme+base, "*") {
		return "must be as https://*.example.com: the asterisk is one whole label, the first of the host"
	}
	host, _, _ := strings.Cut(base, ":")
	if host == "" || host[0] == '[' || isAddr(host) {
		return "must have a domain behind the asterisk: an address has no hosts below it"
	}
	if reason := reasonOf(scheme + "://" + base); reason != "" {
		return reason
	}
	if !strings.Contains(host, ".") {
		return "must have two labels or more behind the asterisk: anybody can have a host below a top-level domain"
	}
	return ""
}

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// matches reports whether a pattern allows from. It looks no further than a label can be
// long, and a table no further than the longest domain.
func (o *origins) matches(from string) bool {
	host, secure := strings.CutPrefix(from, "https://")
	if !secure {
		var plain bool
		if host, plain = strings.CutPrefix(from, "http://"); !plain {
			return false
		}
	}
	n := 0
	for n < len(host) && inLabel[host[n]] {
		if n++; n > maxLabel {
			return false
		}
	}
	return n > 0 && o.below(secure).find(host[n:]) != ""
}

package origin

import (
	"net/netip"
	"strings"
)

// CrossSite reports whether pages of the origins a and b are certainly of two sites, so
// that the cookies of one are third-party cookies to the other (RFC 6265bis section 5.2;
// HTML standard, "schemelessly same site" and "same site"). They may be of two sites
// without it: whether a.co.example and b.co.example are one depends on the public suffix
// list of the browser, which is not that of tomorrow.
func CrossSite(a, b string) bool {
	schemeA, hostA := cut(a)
	schemeB, hostB := cut(b)
	switch {
	case schemeA != schemeB:
		return true
	case hostA == hostB:
		return false
	default:
		// An address is a site of its own, and so is a single label, localhost too. Only
		// of two addresses can the last two parts be equal and mean nothing: no domain
		// ends in a number.
		return isAddr(hostA) || lastTwo(hostA) != lastTwo(hostB)
	}
}

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// lastTwo returns the shortest end of host that can be a registrable domain.
func lastTwo(host string) string {
	last := strings.LastIndexByte(host, '.')
	if last < 0 {
		return host
	}
	return host[strings.LastIndexByte(host[:last], '.')+1:]
}

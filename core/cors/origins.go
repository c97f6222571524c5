package cors

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// origins are who is allowed.
type origins struct {
	any   bool
	exact table
	// What stands behind the label of a pattern, for each scheme: ".example.com:8443".
	// The label ends at the first dot, so one look-up compares all of the rest, and no
	// two patterns can be matched by a piece of each (GHSA-vhxv-fg4m-p2w8).
	https, http table
}

func compileOrigins(m *mistakes, exact, patterns []string, credentials bool) (o origins) {
	if len(exact)+len(patterns) == 0 {
		m.add("Origins", "", "names nobody, and neither does Patterns: a policy that allows nothing is no policy")
	}
	// Without credentials a page learns what anybody can fetch for himself, so whoever
	// sits on its way may as well.
	reasonOf := origin.Malformed
	if credentials {
		reasonOf = origin.Reason
	}
	for i, raw := range exact {
		field := at("Origins", i)
		switch {
		case raw == "*":
			o.any = true
			if credentials {
				m.add(field, raw, "would let every page in the world act for its visitor: with Credentials each origin must be named")
			}
			if len(exact)+len(patterns) > 1 {
				m.add(field, raw, "is every origin, so it stands alone")
			}
		case strings.Contains(raw, "*"):
			m.add(field, raw, "is no origin: write https://*.example.com into Patterns, or name each")
		default:
			if reason := reasonOf(raw); reason != "" {
				m.add(field, raw, reason)
			}
			if !o.exact.put(raw) {
				m.add(field, raw, twice)
			}
		}
	}
	for i, raw := range patterns {
		field := at("Patterns", i)
		if reason := patternReason(raw, reasonOf); reason != "" {
			m.add(field, raw, reason)
			continue
		}
		scheme, host, _ := strings.Cut(raw, "://*")
		if !o.below(scheme == "https").put(host) {
			m.add(field, raw, twice)
		}
	}
	return o
}

// allows returns what Access-Control-Allow-Origin says to from, or "" if it is not
// allowed. It allocates only if a pattern allows from.
func (o *origins) allows(from string) string {
	if o.any {
		// Never from itself, which would be the same with credentials
		// (CVE-2018-20744).
		return "*"
	}
	if own := o.exact.find(from); own != "" {
		return own
	}
	if o.matches(from) {
		return strings.Clone(from)
	}
	return ""
}

// below are the patterns of a scheme.
func (o *origins) below(secure bool) *table {
	if secure {
		return &o.https
	}
	return &o.http
}

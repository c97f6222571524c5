package token

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/strict"
)

// headerLimits: what this package reads is flat, what it ignores may nest a little.
var headerLimits = strict.Limits{Depth: 4, Members: 32}

// maxKid bounds the name of a key. Thumbprints have 43 bytes.
const maxKid = 256

// joseHeader is what is read of a JOSE header (RFC 7515 section 4). What typ must be
// depends on the issuer; it is empty, which it never must be, if it is no string.
type joseHeader struct{ alg, kid, typ string }

// parseHeader reads the header that is one, whoever sent it.
func parseHeader(doc string) (h joseHeader, r *Refusal) {
	var alg, kid, typ strict.Value
	m := strict.Read(doc, headerLimits)
	for m.Next() {
		switch m.Folded {
		case "alg":
			alg = m.Value
		case "kid":
			kid = m.Value
		case "typ":
			typ = m.Value
		default:
			if r = refusedHeaderMembers[m.Folded]; r == nil {
				continue
			}
			if m.Folded == m.Name {
				return joseHeader{}, r
			}
		}
		if m.Folded != m.Name {
			return joseHeader{}, refusedHeader[strict.Case]
		}
	}
	if r = refusedHeader[m.Fault()]; r != nil {
		return joseHeader{}, r
	}
	var ok bool
	if h.alg, ok = alg.Text(); !ok || h.alg == "" {
		return joseHeader{}, refusedAlg
	}
	if h.kid, ok = kid.Text(); !ok || h.kid == "" || len(h.kid) > maxKid {
		return joseHeader{}, refusedKid
	}
	h.typ, _ = typ.Text()
	return h, nil
}

// refusedHeaderMembers are the members that refuse a token by being there. crit and
// b64: no extension is understood here, and one that must be must not be ignored (RFC
// 7515 section 4.1.11; CVE-2026-32597). jwk, jku, x5u, x5c: a token does not bring its
// own key, not even one to be ignored (CVE-2018-0114). cty: a token in a token. The
// others are of JWE, which this is not.
var refusedHeaderMembers = func() map[string]*Refusal {
	m := map[string]*Refusal{}
	for _, name := range []string{
		"crit", "b64", "jku", "jwk", "x5u", "x5c", "cty",
		"enc", "zip", "epk", "apu", "apv", "iv", "tag", "p2c", "p2s",
	} {
		m[name] = invalid(audit.Cause(name))
	}
	return m
}()

// faults are the refusals for what strict found, which is nothing for strict.OK.
func faults(prefix audit.Cause) [strict.Members + 1]*Refusal {
	var f [strict.Members + 1]*Refusal
	for fault, cause := range map[strict.Fault]audit.Cause{
		strict.Syntax: "json", strict.UTF8: "utf8", strict.Duplicate: "duplicate",
		strict.Case: "case", strict.Depth: "depth", strict.Members: "members",
	} {
		f[fault] = invalid(prefix + cause)
	}
	return f
}

// subtype returns the part of a media type that typ is compared by: without
// "application/", which a typ may leave out (RFC 7515 section 4.1.9).
func subtype(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && equalFoldASCII(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// equalFoldASCII compares as media types are compared (RFC 2045 section 5.1), without
// the letters outside of ASCII that Unicode folds into it.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// typeAlphabet is that of RFC 6838 section 4.2.
const typeAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+"

func isSubtype(s string) bool { return s != "" && strings.Trim(s, typeAlphabet) == "" }

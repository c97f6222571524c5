package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-go/sallyport/core/internal/strict"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// check returns the private claims as JSON, nil if there are none. The error joins
// every mistake of g, each a *core.ConfigError.
func (i *Issuer) check(g Grant) (private []byte, _ error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, parseError("token.Grant."+field, value, reason))
	}
	// encoding/json would put U+FFFD for a broken byte, and two subjects would
	// become one.
	text := func(field, value string) {
		if !utf8.ValidString(value) {
			bad(field, value, "must be UTF-8")
		}
	}
	if g.Subject == "" || len(g.Subject) > maxSubject {
		bad("Subject", g.Subject, "must be 1 to 255 bytes: a token for nobody is a token for anybody")
	}
	text("Subject", g.Subject)
	text("Method", g.Method)
	text("ClientID", g.ClientID)
	text("Audience", g.Audience)
	text("Session", g.Session)
	for n, role := range g.Roles {
		field := fmt.Sprintf("Roles[%d]", n)
		text(field, role)
		if role == "" {
			bad(field, role, "must not be empty")
		}
	}
	for n, scope := range g.Scopes {
		if !isScope(scope) {
			bad(fmt.Sprintf("Scopes[%d]", n), scope, "must be of ASCII without blanks, quotes and backslashes (RFC 6749 section 3.3)")
		}
	}
	if _, ok := revocation.ParseHandle(g.Session); g.Session != "" && !ok && i.cfg.Revocations != nil {
		bad("Session", g.Session, "is no handle, and could not be revoked")
	}
	if g.Lifetime < time.Second || g.Lifetime > i.cfg.Lifetime {
		bad("Lifetime", g.Lifetime.String(), "must be 1 s to IssuerConfig.Lifetime, which is "+i.cfg.Lifetime.String())
	}
	if !g.AuthTime.IsZero() && g.AuthTime.Unix() < 0 {
		bad("AuthTime", g.AuthTime.String(), "must not be before 1970")
	}
	errs = append(errs, checkEpoch(g.Epoch))
	private, reason := encodePrivate(g.Private)
	if reason != "" {
		bad("Private", fmt.Sprintf("%T", g.Private), reason)
	}
	return private, errors.Join(errs...)
}

// checkEpoch: epochs are microseconds, which reach the limit in the year 2255.
func checkEpoch(epoch uint64) error {
	if epoch > strict.MaxInteger {
		return parseError("token.Grant.Epoch", strconv.FormatUint(epoch, 10), "must be at most 2^53: JSON parsers would round it")
	}
	return nil
}

// checkAnswer: what readAnswer would not take is not issued. left is checked here because
// a Grant has a meaning for a lifetime of zero.
func checkAnswer(a revocation.Answer, left time.Duration) error {
	switch {
	case left < time.Second:
		return parseError("token.Issuer.IssueAnswer.notAfter", left.String(), "must be at least 1 s ahead")
	case (a.Generation == 0) != (a.Stamp == 0):
		return parseError("token.Issuer.IssueAnswer.a", fmt.Sprint(a), "must have both or neither: either alone could not be voided")
	case a.Generation > strict.MaxInteger || a.Stamp > strict.MaxInteger:
		return parseError("token.Issuer.IssueAnswer.a", fmt.Sprint(a), "must be at most 2^53: JSON parsers would round it")
	}
	return nil
}

// privateLimits leave room for our own claims: what is issued here is accepted here.
var privateLimits = strict.Limits{Depth: claimLimits.Depth, Members: claimLimits.Members - ownClaims}

// ownClaims is how many claims there are of ours at most.
const ownClaims = 17

// encodePrivate returns v as a JSON object, or the reason why it cannot be part of
// the claims. It is encoded once: what was checked is what is signed, even if a
// MarshalJSON says something else each time.
func encodePrivate(v any) (private []byte, reason string) {
	if v == nil {
		return nil, ""
	}
	raw, err := json.Marshal(v)
	switch {
	case err != nil:
		return nil, "cannot be encoded: " + err.Error()
	case raw[0] != '{':
		return nil, "must be a struct or a map: a JSON object"
	case len(raw) > maxIssuedBytes:
		return nil, "is longer than a token may be"
	}
	fault := strict.Object(string(raw), privateLimits, func(name string, _ strict.Value) bool {
		if new(claimSet).member(strict.Fold(name)) != nil {
			reason = fmt.Sprintf("has the name %q, which is a claim of ours, its case aside", name)
		}
		return reason == ""
	})
	switch {
	case reason != "":
	case fault == strict.Duplicate || fault == strict.Case:
		// Two parsers would read two things (RFC 7519 section 4).
		reason = "has two members of one name, their case aside"
	case fault == strict.UTF8:
		reason = "must be UTF-8"
	case fault != strict.OK:
		reason = fmt.Sprintf("must nest at most %d deep and have at most %d members", privateLimits.Depth, privateLimits.Members)
	}
	return raw, reason
}

// appendClaims appends the claims of g as one JSON object, in a fixed order.
func appendClaims(b []byte, issuer string, g Grant, id string, issued, expires int64) []byte {
	text := func(name, value string) {
		if value != "" {
			b = appendText(append(b, `,"`+name+`":`...), value)
		}
	}
	number := func(name string, value int64) {
		b = strconv.AppendInt(append(b, `,"`+name+`":`...), value, 10)
	}
	b = appendText(append(b, `{"iss":`...), issuer)
	text("sub", g.Subject)
	text("aud", g.Audience)
	number("iat", issued)
	number("exp", expires)
	text("jti", id)
	text("sid", g.Session)
	number("sep", int64(g.Epoch)) // checkEpoch: it fits
	if g.answer.Generation != 0 {
		number("gen", int64(g.answer.Generation))
		number("ans", int64(g.answer.Stamp))
	}
	if !g.AuthTime.IsZero() {
		number("auth_time", g.AuthTime.Unix())
	}
	if g.Method != "" {
		b = appendText(append(b, `,"amr":[`...), g.Method)
		b = append(b, ']')
	}
	if len(g.Roles) > 0 {
		b = append(b, `,"roles":[`...)
		for n, role := range g.Roles {
			if n > 0 {
				b = append(b, ',')
			}
			b = appendText(b, role)
		}
		b = append(b, ']')
	}
	text("scope", strings.Join(g.Scopes, " "))
	text("client_id", g.ClientID)
	return append(b, '}')
}

// withPrivate puts the members of the object private behind those of claims.
func withPrivate(claims, private []byte) []byte {
	if len(private) <= len("{}") {
		return claims
	}
	return append(append(claims[:len(claims)-1], ','), private[1:]...)
}

func appendText(b []byte, s string) []byte {
	q, _ := json.Marshal(s) // a string in UTF-8 always can be
	return append(b, q...)
}

package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/strict"
)

// maxAnswer is far more than any issuer says about one token.
const maxAnswer = 64 << 10

// fetch asks the endpoint about raw, which has the claims c.
func (in *Introspection) fetch(ctx context.Context, raw string, c *Claims) (active bool, err error) {
	defer func() {
		// No framework recovers in this goroutine: a Transport that panics would
		// end the program.
		if p := recover(); p != nil {
			active, err = false, fmt.Errorf("a panic: %v", p)
		}
	}()
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.cfg.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(in.cfg.ClientID), url.QueryEscape(in.cfg.ClientSecret))
	// To ask twice is harmless, and http.Transport may then do so when the server has
	// just closed an idle connection. A key without a value is not sent.
	req.Header["Idempotency-Key"] = nil
	doc, err := exchange(in.client, req, maxAnswer)
	if err != nil {
		return false, err
	}
	return readActive(string(doc), c)
}

// activeLimits are far above what issuers answer and far below what would hurt.
var activeLimits = strict.Limits{Depth: 16, Members: 1024}

var errNoAnswer = errors.New("not one JSON object whose members occur once each, in one spelling")

// readActive reads an answer about the token with the claims c (RFC 7662 section 2.2).
// Nothing is worth anything in a document that two readers could understand differently.
func readActive(doc string, c *Claims) (bool, error) {
	var says struct{ active, iss, sub, aud, exp, jti, clientID strict.Value }
	want := map[string]*strict.Value{
		"active": &says.active, "iss": &says.iss, "sub": &says.sub, "aud": &says.aud,
		"exp": &says.exp, "jti": &says.jti, "client_id": &says.clientID,
	}
	m := strict.Read(doc, activeLimits)
	for m.Next() {
		member := want[m.Folded]
		switch {
		case member == nil:
		case m.Folded != m.Name:
			return false, errNoAnswer
		default:
			*member = m.Value
		}
	}
	if m.Fault() != strict.OK {
		return false, errNoAnswer
	}
	// "true" and 1 are what a proxy or a test double says.
	active, ok := says.active.Bool()
	if !ok {
		return false, errors.New("active is neither true nor false")
	}
	if !active {
		return false, nil
	}
	// An answer about another token must not count for this one, whoever mixed them
	// up: a proxy, a cache, or whoever asked for both. The signature speaks for what the
	// token says, so that stands.
	for _, member := range []struct {
		name   string
		agrees bool
	}{
		{"iss", sameText(says.iss, c.Issuer)},
		{"sub", sameText(says.sub, c.Subject)},
		{"aud", sameAudience(says.aud, c.Audience)},
		{"exp", sameTime(says.exp, c)},
		// An id that the token does not have is another token's.
		{"jti", sameText(says.jti, c.ID)},
		// There are issuers whose tokens say it as azp.
		{"client_id", c.ClientID == "" || sameText(says.clientID, c.ClientID)},
	} {
		if !member.agrees {
			return false, fmt.Errorf("the answer is about another token: %s is not that of this one", member.name)
		}
	}
	return true, nil
}

// sameText reports whether v, if it is there, says s.
func sameText(v strict.Value, s string) bool {
	if v.Kind == strict.Absent {
		return true
	}
	said, ok := v.Text()
	return ok && said == s
}

// sameAudience reports whether v, if it is there, names nobody whom the token does not
// name. Who is asked may leave out the others: they are no business of ours.
func sameAudience(v strict.Value, list []string) bool {
	if v.Kind == strict.Absent {
		return true
	}
	said, ok := audience(v)
	return ok && !slices.ContainsFunc(said, func(a string) bool { return !slices.Contains(list, a) })
}

func sameTime(v strict.Value, c *Claims) bool {
	said := c.Expires
	return readTime(v, &said) && said.Equal(c.Expires)
}

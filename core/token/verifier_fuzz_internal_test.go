package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// audited fails unless raw, which was accepted as tok, is accepted by golang-jwt with
// the same claims, and every rule holds that golang-jwt does not have.
func (d *desk) audited(t *testing.T, raw string, tok *Token) {
	t.Helper()
	parser := jwt.NewParser(
		jwt.WithStrictDecoding(), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithIssuer(theIssuer),
		jwt.WithAudience(theAudience), jwt.WithValidMethods([]string{string(d.alg)}), jwt.WithLeeway(30*time.Second),
		jwt.WithTimeFunc(d.clock),
	)
	keyOf := func(*jwt.Token) (any, error) { return d.pub.key, nil }
	claims := jwt.MapClaims{}
	parsed, err := parser.ParseWithClaims(raw, claims, keyOf)
	require.NoError(t, err)
	registered := jwt.RegisteredClaims{}
	_, err = parser.ParseWithClaims(raw, &registered, keyOf)
	require.NoError(t, err, "whatever the claims are read into")

	got := tok.Claims()
	require.Equal(t, claims["iss"], got.Issuer)
	require.Equal(t, claims["sub"], got.Subject)
	require.Equal(t, registered.Subject, got.Subject)
	require.Equal(t, registered.ID, got.ID)
	require.Equal(t, []string(registered.Audience), got.Audience)
	require.Equal(t, registered.ExpiresAt.Unix(), got.Expires.Unix())
	require.Equal(t, registered.IssuedAt.Unix(), got.IssuedAt.Unix())
	require.Equal(t, registered.NotBefore == nil, got.NotBefore.IsZero())
	if registered.NotBefore != nil {
		require.Equal(t, registered.NotBefore.Unix(), got.NotBefore.Unix())
	}
	// Our own rules, read another way.
	require.LessOrEqual(t, len(raw), 8192)
	require.Equal(t, []string{theAudience}, slices.Compact(got.Audience))
	require.NotEmpty(t, got.Subject)
	require.LessOrEqual(t, len(got.Subject), 255)
	typ, _ := parsed.Header["typ"].(string)
	require.Contains(t, []string{"at+jwt", "application/at+jwt"}, strings.ToLower(typ))
	require.Equal(t, d.kid, parsed.Header["kid"])
	require.Equal(t, string(d.alg), parsed.Header["alg"])
	for name := range refusedHeaderMembers {
		for member := range parsed.Header {
			require.False(t, strings.EqualFold(name, member), member)
		}
	}
	for claim, value := range map[string]any{"jti": got.ID, "client_id": got.ClientID, "sid": got.Session} {
		if there, ok := claims[claim]; ok {
			require.Equal(t, value, there)
		}
	}
	for claim, list := range map[string][]string{"roles": got.Roles, "amr": got.Methods} {
		if there, ok := claims[claim]; ok {
			require.Len(t, there, len(list))
			for i, s := range there.([]any) {
				require.Equal(t, list[i], s)
			}
		}
	}
	if scope, ok := claims["scope"]; ok {
		require.Equal(t, scope, strings.Join(got.Scopes, " "))
	}
	require.NotContains(t, got.Roles, "")
	require.NotContains(t, got.Scopes, "")
	segments := strings.Split(raw, ".")
	require.Len(t, segments, 3)
	names := map[string]bool{}
	for _, segment := range segments[:2] {
		b, err := base64.RawURLEncoding.Strict().DecodeString(segment)
		require.NoError(t, err)
		outer, err := outerNames(string(b))
		require.NoError(t, err)
		for i, name := range outer {
			names[name] = true
			for _, other := range outer[:i] {
				require.False(t, strings.EqualFold(name, other), "%q, %q", name, other)
			}
		}
	}
	for name := range names {
		for _, known := range []string{"alg", "kid", "typ", "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "sep", "gen", "ans", "client_id", "auth_time", "amr", "roles", "scope"} {
			require.True(t, name == known || !strings.EqualFold(name, known), name)
		}
	}
}

// outerNames returns the names of the outer object of doc. An error if any object has a
// name twice.
func outerNames(doc string) (outer []string, err error) {
	d := json.NewDecoder(strings.NewReader(doc))
	var object func(depth int) error
	value := func(tok json.Token, depth int) error {
		switch tok {
		case json.Delim('{'):
			return object(depth + 1)
		case json.Delim('['):
			for n := 1; n > 0; {
				tok, err := d.Token()
				switch {
				case err != nil:
					return err
				case tok == json.Delim('['):
					n++
				case tok == json.Delim(']'):
					n--
				case tok == json.Delim('{'):
					if err := object(depth + 1); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	object = func(depth int) error {
		seen := map[string]bool{}
		for {
			tok, err := d.Token()
			if err != nil {
				return err
			}
			if tok == json.Delim('}') {
				return nil
			}
			name := tok.(string)
			if seen[name] {
				return fmt.Errorf("%q is there twice", name)
			}
			seen[name] = true
			if depth == 1 {
				outer = append(outer, name)
			}
			if tok, err = d.Token(); err != nil {
				return err
			}
			if err := value(tok, depth); err != nil {
				return err
			}
		}
	}
	tok, err := d.Token()
	if err != nil || tok != json.Delim('{') {
		return nil, fmt.Errorf("no object: %v, %w", tok, err)
	}
	if err := object(1); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("something after it: %w", err)
	}
	return outer, nil
}

// judge verifies raw, twice, and looks into what is accepted.
func (d *desk) judge(t *testing.T, raw string) {
	t.Helper()
	tok, err := d.Verify(t.Context(), raw)
	again, errAgain := d.Verify(t.Context(), raw)
	require.Equal(t, err, errAgain)
	require.Equal(t, tok, again)
	if err != nil {
		require.Nil(t, tok)
		var r *Refusal
		require.ErrorAs(t, err, &r)
		return
	}
	d.audited(t, raw, tok)
}

// Accepted by us, accepted by golang-jwt with the same claims; and all our extra rules
// hold.
func FuzzVerifyHeader(f *testing.F) {
	d := newDeskOf(f, newPen(f, HS256, "k1"), nil)
	for _, header := range []string{
		d.header(), `{"alg":"none"}`, `{"alg":"HS256","kid":"k1","typ":"application/at+jwt","x":{"y":[1]}}`,
		`{"alg":"HS256","alg":"HS256","kid":"k1","typ":"at+jwt"}`, `{"ALG":"HS256","kid":"k1","typ":"at+jwt"}`,
		`{"alg":"HS256","kid":"k1","typ":"at+jwt","crit":["b64"],"b64":false}`, `{"alg":"HS256","\u212aid":"k1","typ":"AT+JWT"}`,
		"\ufeff" + d.header(), d.header() + "{}", `{"alg":"HS256","kid":"k1","typ":"at+jwt","x":1e999}`,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) { d.judge(t, d.sign(t, header, claimsOf())) })
}

func FuzzVerifyClaims(f *testing.F) {
	d := newDeskOf(f, newPen(f, HS256, "k1"), nil)
	for _, claims := range []string{
		claimsOf(), "{}", claimsOf("exp", "1e10"), claimsOf("exp", "null"), claimsOf("exp", `"1"`), claimsOf("nbf", "1700000030"),
		claimsOf("aud", `["https://api.example"]`), claimsOf("aud", `["https://api.example","x"]`), claimsOf("SUB", `"x"`), claimsOf("\u017fub", `"x"`),
		claimsOf("x", `0,"sub":"y"`), claimsOf("x", `{"a":[{"b":1,"b":2}]}`), claimsOf("x", `"\ud800"`), claimsOf("x", "1e400"), claimsOf("sub", "1"),
		claimsOf("roles", "[]", "amr", "[]", "scope", `""`, "sep", "0"), "\ufeff" + claimsOf(), claimsOf() + " ", claimsOf("iat", "0", "auth_time", ""),
	} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, claims string) { d.judge(t, d.sign(t, d.header(), claims)) })
}

func FuzzVerifyCompact(f *testing.F) {
	d := newDeskOf(f, newPen(f, HS256, "k1"), nil)
	d.priv = []byte("the key of the fuzzer, always the same one, 32 bytes and more")
	d.pub.key = d.priv
	good := d.good(f)
	for _, raw := range []string{good, flipped(good), good + ".", "." + good, good + "=", good[:40] + "\n" + good[40:], "..", strings.Repeat(".", 100), strings.ReplaceAll(good, ".", "..")} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) { d.judge(t, raw) })
}

package token_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

const (
	issuerName = "https://issuer.example"
	audience   = "https://api.example"
)

func newIssuer(t testing.TB, k token.Key, change func(*token.IssuerConfig)) *token.Issuer {
	t.Helper()
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{k}})
	require.NoError(t, err)
	cfg := token.IssuerConfig{Name: issuerName, Audience: audience, Keys: r, Now: newKeyClock().Now}
	if change != nil {
		change(&cfg)
	}
	i, err := token.NewIssuer(cfg)
	require.NoError(t, err)
	return i
}

// read verifies a token with golang-jwt alone and returns its header and claims.
func read(t *testing.T, raw string, a token.Algorithm, key any) (header map[string]any, claims jwt.MapClaims) {
	t.Helper()
	parsed, err := jwt.Parse(raw, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{string(a)}), jwt.WithIssuer(issuerName), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithStrictDecoding(), jwt.WithJSONNumber(),
		jwt.WithTimeFunc(newKeyClock().Now))
	require.NoError(t, err)
	return parsed.Header, parsed.Claims.(jwt.MapClaims)
}

func ann() core.Principal {
	return core.Principal{
		Subject: "ann", Roles: []string{"admin", "a\"b\\\n<ü>"}, Scopes: []string{"read", "write:x"},
		Session: "AAAAAAAAAAAAAAAAAAAAAA", Epoch: 1 << 53, AuthTime: time.Unix(1700000000, 5), Method: "password",
	}
}

// golang-jwt, which knows nothing of us, takes what every kind of key signs.
func TestIssueForOthers(t *testing.T) {
	for _, tc := range []struct {
		key    token.Key
		verify any
	}{
		{token.Key{Algorithm: token.RS256, Signer: &kms{key: rsaKey()}}, rsaKey().Public()},
		{token.Key{Algorithm: token.PS256, Signer: &kms{key: rsaKey()}}, rsaKey().Public()},
		{token.Key{Algorithm: token.ES256, Signer: &kms{key: p256Key()}}, p256Key().Public()},
		{token.Key{Algorithm: token.ES384, Signer: &kms{key: p384Key()}}, p384Key().Public()},
		{token.Key{Algorithm: token.EdDSA, Signer: &kms{key: edKey}}, edKey.Public()},
		{token.Key{Algorithm: token.ES256, Signer: p256Key()}, p256Key().Public()},
		{secretKey(t), []byte(strings.Repeat("s", 32))},
	} {
		t.Run(fmt.Sprintf("%s %T", tc.key.Algorithm, tc.key.Signer), func(t *testing.T) {
			var keys *token.KeyRing
			i := newIssuer(t, tc.key, func(cfg *token.IssuerConfig) { keys = cfg.Keys })
			for range 20 { // signatures in ASN.1 vary in length
				issued, err := i.Issue(t.Context(), token.Grant{Principal: ann(), ClientID: "app 1", Private: map[string]any{"tenant": 7}})
				require.NoError(t, err)
				header, claims := read(t, issued.Token, tc.key.Algorithm, tc.verify)
				require.Equal(t, map[string]any{"alg": string(tc.key.Algorithm), "kid": keys.Keys()[0].ID, "typ": "at+jwt"}, header)
				require.Equal(t, jwt.MapClaims{
					"iss": issuerName, "sub": "ann", "aud": audience, "jti": issued.ID, "sid": "AAAAAAAAAAAAAAAAAAAAAA",
					"sep": json.Number("9007199254740992"), "iat": json.Number("1777636800"),
					"exp":       json.Number(fmt.Sprint(issued.Expires.Unix())),
					"auth_time": json.Number("1700000000"), "amr": []any{"password"}, "roles": []any{"admin", "a\"b\\\n<ü>"},
					"scope": "read write:x", "client_id": "app 1", "tenant": json.Number("7"),
				}, claims)
				require.Equal(t, "AAAAAAAAAAAAAAAAAAAAAA", issued.Session)
				require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, issued.ID)
			}
		})
	}
}

// What is not given is not there.
func TestIssueTheLeast(t *testing.T) {
	i := newIssuer(t, token.Key{Algorithm: token.EdDSA, Signer: edKey}, nil)
	seen := map[string]bool{}
	for range 50 {
		issued, err := i.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ann", Epoch: 3}, Private: struct{}{}})
		require.NoError(t, err)
		_, claims := read(t, issued.Token, token.EdDSA, edKey.Public())
		require.Equal(t, []string{"aud", "exp", "iat", "iss", "jti", "sep", "sid", "sub"}, slices.Sorted(maps.Keys(claims)))
		require.Equal(t, json.Number("3"), claims["sep"])
		_, ok := revocation.ParseHandle(issued.Session)
		require.True(t, ok)
		require.Equal(t, issued.Session, claims["sid"])
		require.False(t, seen[issued.ID] || seen[issued.Session])
		seen[issued.ID], seen[issued.Session] = true, true
	}
}

func TestIssueReplaces(t *testing.T) {
	i := newIssuer(t, token.Key{Algorithm: token.EdDSA, Signer: edKey}, func(cfg *token.IssuerConfig) { cfg.Audience = "another" })
	issued, err := i.Issue(t.Context(), token.Grant{Principal: ann(), Audience: audience, Lifetime: 10 * time.Second})
	require.NoError(t, err)
	read(t, issued.Token, token.EdDSA, edKey.Public()) // which wants audience
	require.Equal(t, newKeyClock().Now().Add(10*time.Second), issued.Expires)
}

func TestLifetimeIsShortenedAtRandom(t *testing.T) {
	start := newKeyClock().Now()
	for _, lifetime := range []time.Duration{900 * time.Second, 19 * time.Second, 20*time.Second + 999*time.Millisecond, time.Second} {
		i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) {
			cfg.Lifetime = lifetime
			cfg.Now = func() time.Time { return start.Add(999 * time.Millisecond) }
		})
		whole := lifetime.Truncate(time.Second)
		cuts := map[time.Duration]bool{}
		for range 1000 {
			issued, err := i.Issue(t.Context(), token.Grant{Principal: ann()})
			require.NoError(t, err)
			cut := start.Add(whole).Sub(issued.Expires)
			require.GreaterOrEqual(t, cut, time.Duration(0))
			require.LessOrEqual(t, cut, lifetime/20)
			cuts[cut] = true
		}
		require.Greater(t, len(cuts), int(lifetime/20/time.Second)*9/10, "over the whole of it")
	}
}

func TestIssuerMistakes(t *testing.T) {
	r, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.EdDSA, Retire: 930 * time.Second})
	require.NoError(t, err)
	for _, tc := range []struct {
		desc string
		cfg  token.IssuerConfig
		want []string
	}{
		{"least", token.IssuerConfig{Name: "i", Audience: "a", Keys: r}, nil},
		{"nothing", token.IssuerConfig{}, []string{"Name", "Audience", "Keys"}},
		{"longest", token.IssuerConfig{Name: "i", Audience: "a", Keys: r, Lifetime: 900 * time.Second}, nil},
		{"outlives the keys", token.IssuerConfig{Name: "i", Audience: "a", Keys: r, Lifetime: 900*time.Second + 1}, []string{"Lifetime"}},
		{"below a second", token.IssuerConfig{Name: "i", Audience: "a", Keys: r, Lifetime: time.Second - 1}, []string{"Lifetime"}},
		{"negative", token.IssuerConfig{Name: "i", Audience: "a", Keys: r, Lifetime: -time.Hour}, []string{"Lifetime"}},
		{"more than a day", token.IssuerConfig{Name: "i", Audience: "a", Lifetime: 24*time.Hour + 1}, []string{"Keys", "Lifetime"}},
		{"no UTF-8", token.IssuerConfig{Name: "\xff", Audience: "\xff", Keys: r, App: "a b"}, []string{"App", "Name", "Audience"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			i, err := token.NewIssuer(tc.cfg)
			require.Equal(t, tc.want, wrongFields(t, err, "token.IssuerConfig."))
			require.Equal(t, err != nil, i == nil)
		})
	}
}

type fickle struct{ n *int }

func (f fickle) MarshalJSON() ([]byte, error) {
	*f.n++
	return fmt.Appendf(nil, `{"n":%d}`, *f.n), nil
}

func TestGrantMistakes(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	private := func(v any) token.Grant { return token.Grant{Principal: core.Principal{Subject: "ann"}, Private: v} }
	raw := func(s string) token.Grant { return private(json.RawMessage(s)) }
	as := func(p core.Principal) token.Grant { p.Subject = "ann"; return token.Grant{Principal: p} }
	scope := func(s ...string) token.Grant { return as(core.Principal{Scopes: s}) }
	var calls int
	for _, tc := range []struct {
		desc  string
		grant token.Grant
		want  []string
	}{
		{"struct", private(struct{ Tenant int }{1}), nil},
		{"map", private(map[string]string{"a": "b"}), nil},
		{"pointer to nothing", private((*struct{})(nil)), []string{"Private"}},
		{"nested", private(map[string]any{"act": map[string]any{"sub": "bob", "iss": "x"}}), nil},
		{"marshals itself", private(fickle{&calls}), nil},
		{"blanks inside", raw(` { "a" : 1 } `), nil},
		{"breaking out", private(map[string]string{`","sub":"root`: `"},"roles":["admin"]`}), nil},
		{"a claim of ours", private(map[string]any{"sub": "root"}), []string{"Private"}},
		{"in upper case", private(map[string]any{"ROLES": []string{"admin"}}), []string{"Private"}},
		{"with the long s", private(map[string]any{"\u017fub": "root"}), []string{"Private"}},
		{"escaped", raw(`{"\u0073ub":"root"}`), []string{"Private"}},
		{"nbf", private(map[string]any{"nbf": 0}), []string{"Private"}},
		{"gen", private(map[string]any{"gen": 1}), []string{"Private"}},
		{"ans in upper case", private(map[string]any{"ANS": 1}), []string{"Private"}},
		{"the same twice", raw(`{"a":1,"a":2}`), []string{"Private"}},
		{"the same but for its case", private(map[string]any{"tenant": 1, "Tenant": 2}), []string{"Private"}},
		{"the same twice below", raw(`{"x":[{"a":1,"a":2}]}`), []string{"Private"}},
		{"an array", private([]string{"sub"}), []string{"Private"}},
		{"a string", private("sub"), []string{"Private"}},
		{"a number", private(1), []string{"Private"}},
		{"null", raw("null"), []string{"Private"}},
		{"a function", private(func() {}), []string{"Private"}},
		{"no JSON", raw(`{"a":1}}`), []string{"Private"}},
		{"no UTF-8", raw("{\"a\":\"\xff\"}"), []string{"Private"}},
		{"half a surrogate pair", raw(`{"a":"\ud800"}`), []string{"Private"}},
		{"too deep", raw(deep), []string{"Private"}},
		{"too long", private(map[string]string{"a": strings.Repeat("a", 9000)}), []string{"Private"}},
		{"too long together", private(map[string]string{"a": strings.Repeat("a", 6000)}), []string{"token.Grant"}},

		{"no subject", token.Grant{}, []string{"Subject"}},
		{"longest subject", token.Grant{Principal: core.Principal{Subject: strings.Repeat("a", 255)}}, nil},
		{"subject too long", token.Grant{Principal: core.Principal{Subject: strings.Repeat("a", 256)}}, []string{"Subject"}},
		{"subject no UTF-8", token.Grant{Principal: core.Principal{Subject: "ann\xff"}}, []string{"Subject"}},
		{"scope", scope("a", "!", "#[]~"), nil},
		{"scope empty", scope("a", ""), []string{"Scopes[1]"}},
		{"scope of two", scope("read write"), []string{"Scopes[0]"}},
		{"scope with a quote", scope(`"`), []string{"Scopes[0]"}},
		{"scope with a backslash", scope(`\`), []string{"Scopes[0]"}},
		{"scope with a control character", scope("a\x7f"), []string{"Scopes[0]"}},
		{"scope with an umlaut", scope("ä"), []string{"Scopes[0]"}},
		{"role empty", as(core.Principal{Roles: []string{""}}), []string{"Roles[0]"}},
		{"epoch too high", as(core.Principal{Epoch: 1<<53 + 1}), []string{"Epoch"}},
		{"auth_time before all", as(core.Principal{AuthTime: time.Unix(-1, 0)}), []string{"AuthTime"}},
		{"a session from elsewhere", as(core.Principal{Session: "s-1"}), nil},
		{"lifetime longer", token.Grant{Principal: ann(), Lifetime: 900*time.Second + 1}, []string{"Lifetime"}},
		{"lifetime below a second", token.Grant{Principal: ann(), Lifetime: 1}, []string{"Lifetime"}},
		{"lifetime negative", token.Grant{Principal: ann(), Lifetime: -1}, []string{"Lifetime"}},
		{"all at once", token.Grant{Principal: core.Principal{Session: "\xff", Roles: []string{"\xff"}, Method: "\xff", Scopes: []string{""}, Epoch: 1 << 60},
			ClientID: "\xff", Audience: "\xff", Lifetime: -1, Private: 1},
			[]string{"Subject", "Method", "ClientID", "Audience", "Session", "Roles[0]", "Scopes[0]", "Lifetime", "Epoch", "Private"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			sink := &keySink{}
			i := newIssuer(t, token.Key{Algorithm: token.EdDSA, Signer: edKey}, func(cfg *token.IssuerConfig) { cfg.Audit = sink })
			issued, err := i.Issue(t.Context(), tc.grant)
			require.Equal(t, tc.want, wrongFields(t, err, "token.Grant."))
			if err != nil {
				require.Zero(t, issued)
				require.Empty(t, sink.take())
				return
			}
			_, claims := read(t, issued.Token, token.EdDSA, edKey.Public())
			require.Equal(t, tc.grant.Subject, claims["sub"])
			require.NotContains(t, claims, "roles")
		})
	}
	require.Equal(t, 1, calls, "encoded once")
}

func TestIssueFailures(t *testing.T) {
	broken := errors.New("no entropy")
	for desc, random := range map[string]io.Reader{
		"empty":         bytes.NewReader(nil),
		"jti too short": bytes.NewReader(make([]byte, 15)),
		"sid too short": bytes.NewReader(make([]byte, 24+15)),
		"error":         iotest.ErrReader(broken),
	} {
		i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) { cfg.Rand = random })
		issued, err := i.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ann"}})
		require.Error(t, err, desc)
		require.Zero(t, issued, desc)
	}

	signer := &kms{key: p256Key()}
	sink := &keySink{}
	i := newIssuer(t, token.Key{Algorithm: token.ES256, Signer: signer}, func(cfg *token.IssuerConfig) { cfg.Audit = sink })
	away := errors.New("the KMS is away")
	signer.instead = func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, away }
	issued, err := i.Issue(t.Context(), token.Grant{Principal: ann()})
	require.ErrorIs(t, err, away)
	require.Zero(t, issued)
	require.Empty(t, sink.take())

	var keys *token.KeyRing
	i = newIssuer(t, token.Key{Algorithm: token.ES256, Signer: p256Key()}, func(cfg *token.IssuerConfig) { keys = cfg.Keys })
	require.ErrorIs(t, keys.Revoke(t.Context(), keys.Keys()[0].ID), token.ErrNoSigningKey)
	_, err = i.Issue(t.Context(), token.Grant{Principal: ann()})
	require.ErrorIs(t, err, token.ErrNoSigningKey)
}

type brokenRevocations struct {
	revocation.Store
	err error
}

func (b brokenRevocations) Revoked(context.Context, revocation.Owner, revocation.Asked) (revocation.Found, error) {
	return revocation.Found{Epoch: 1<<53 + 1}, b.err
}

func TestIssueEpoch(t *testing.T) {
	store, err := memstore.New(memstore.Config{})
	require.NoError(t, err)
	registry, err := revocation.New(store, revocation.Config{})
	require.NoError(t, err)
	require.NoError(t, registry.LogoutEverywhere(t.Context(), "ann"))
	epoch, err := registry.Epoch(t.Context(), "ann")
	require.NoError(t, err)
	require.NotZero(t, epoch)
	i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) { cfg.Revocations = registry })
	sep := func(p core.Principal) string {
		issued, err := i.Issue(t.Context(), token.Grant{Principal: p})
		require.NoError(t, err)
		payload := newKey(base64.RawURLEncoding.DecodeString(strings.Split(issued.Token, ".")[1]))
		var claims struct{ Sep json.Number }
		require.NoError(t, json.Unmarshal(payload, &claims))
		return claims.Sep.String()
	}
	require.Equal(t, fmt.Sprint(epoch), sep(core.Principal{Subject: "ann", Epoch: 7}), "a session of its own begins now")
	require.Equal(t, "7", sep(core.Principal{Subject: "ann", Epoch: 7, Session: ann().Session}), "a session's is that of its login")

	_, err = i.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ann", Session: "s-1"}})
	require.Equal(t, []string{"token.Grant.Session"}, wrongFields(t, err, ""))

	away := errors.New("the store is away")
	for _, down := range []error{away, nil} {
		registry, err = revocation.New(brokenRevocations{store, down}, revocation.Config{})
		require.NoError(t, err)
		i = newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) { cfg.Revocations = registry })
		issued, err := i.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ann"}})
		require.Zero(t, issued)
		if down == nil {
			require.Equal(t, []string{"token.Grant.Epoch"}, wrongFields(t, err, ""))
			continue
		}
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, away)
	}
}

func TestIssueEvent(t *testing.T) {
	sink := &keySink{}
	i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) { cfg.Audit, cfg.App = sink, "shop" })
	issued, err := i.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ann", Method: "password"}})
	require.NoError(t, err)
	require.Equal(t, []audit.Event{{
		Time: newKeyClock().Now(), Name: audit.TokenCreated, App: "shop", Subject: "ann", Session: issued.Session, Method: "password",
	}}, sink.take())
}

// What is issued here is accepted here, at the limits too.
func TestIssuedIsAccepted(t *testing.T) {
	many := map[string]int{}
	for n := range 111 {
		many[fmt.Sprint("c", n)] = n
	}
	for _, k := range []token.Key{
		{Algorithm: token.RS256, Signer: rsaKey()}, {Algorithm: token.PS256, Signer: rsaKey()}, {Algorithm: token.ES256, Signer: p256Key()},
		{Algorithm: token.ES384, Signer: p384Key()}, {Algorithm: token.EdDSA, Signer: edKey}, secretKey(t),
	} {
		t.Run(string(k.Algorithm), func(t *testing.T) {
			var keys *token.KeyRing
			i := newIssuer(t, k, func(cfg *token.IssuerConfig) { keys = cfg.Keys })
			v, err := token.NewVerifier(token.VerifierConfig{Audience: audience, Now: newKeyClock().Now,
				Issuers: []token.TrustedIssuer{{Name: issuerName, Algorithms: []token.Algorithm{k.Algorithm}, Keys: keys}}})
			require.NoError(t, err)
			p := ann()
			p.AuthTime = p.AuthTime.Truncate(time.Second).UTC()
			issued, err := i.Issue(t.Context(), token.Grant{Principal: p, ClientID: "c", Private: many})
			require.NoError(t, err)
			accepted, err := v.Verify(t.Context(), issued.Token)
			require.NoError(t, err)
			require.Equal(t, p, accepted.Principal())
			require.Equal(t, issued.ID, accepted.Claims().ID)
			require.Equal(t, issued.Expires, accepted.Claims().Expires)
		})
	}
	many["one too many"] = 1
	_, err := newIssuer(t, secretKey(t), nil).Issue(t.Context(), token.Grant{Principal: ann(), Private: many})
	require.Equal(t, []string{"token.Grant.Private"}, wrongFields(t, err, ""))
}

func BenchmarkIssue(b *testing.B) {
	for _, k := range []token.Key{{Algorithm: token.ES256, Signer: p256Key()}, {Algorithm: token.EdDSA, Signer: edKey}} {
		b.Run(string(k.Algorithm), func(b *testing.B) {
			i := newIssuer(b, k, nil)
			g := token.Grant{Principal: ann()}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.Issue(b.Context(), g); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

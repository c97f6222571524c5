package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"sync"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// Who issues the tokens of cases, and for whom.
const (
	issuerName = "https://id.example"
	audience   = "https://api.example"
)

// Tokens is an issuer with its keys, and a verifier that trusts it, on the clock and
// the audit trail of a case. What a case changes in Config and Trust counts until it
// first calls Verifier.
type Tokens struct {
	t *T
	// Keys signs with the key of the algorithm that Tokens was made for.
	Keys   *token.KeyRing
	Issuer *token.Issuer
	Config token.VerifierConfig
	Trust  token.TrustedIssuer
	// Signer is the private key that Keys signs with; nil for HS256, whose secret is
	// testSecret.
	Signer crypto.Signer

	verifier *token.Verifier
}

// Tokens makes an issuer with one key for the algorithm, with which it signs, and one
// for each further algorithm, and a verifier that trusts them all.
func (t *T) Tokens(algorithm token.Algorithm, more ...token.Algorithm) *Tokens {
	t.Helper()
	algorithms := append([]token.Algorithm{algorithm}, more...)
	var held []token.Key
	for _, a := range slices.Backward(algorithms) { // of several the last one signs
		key := token.Key{Algorithm: a, Signer: testKey(a)}
		if a == token.HS256 {
			var err error
			key, err = token.SharedSecretKey(testSecret())
			t.NoError(err)
		}
		held = append(held, key)
	}
	keys, err := token.NewKeyRing(token.KeyRingConfig{
		App: "conformance", Now: t.Clock.Now, Audit: t.Audit, Keys: held,
	})
	t.NoError(err)
	issuer, err := token.NewIssuer(token.IssuerConfig{
		App: "conformance", Name: issuerName, Audience: audience, Keys: keys, Now: t.Clock.Now, Audit: t.Audit,
	})
	t.NoError(err)
	t.Audit.Take() // the announcement
	return &Tokens{
		t: t, Keys: keys, Issuer: issuer, Signer: testKey(algorithm),
		Config: token.VerifierConfig{App: "conformance", Audience: audience, Now: t.Clock.Now, Audit: t.Audit},
		Trust:  token.TrustedIssuer{Name: issuerName, Algorithms: algorithms, Keys: keys},
	}
}

// Verifier returns the verifier of Config and Trust.
func (k *Tokens) Verifier() *token.Verifier {
	k.t.Helper()
	if k.verifier == nil {
		cfg := k.Config
		cfg.Issuers = append([]token.TrustedIssuer{k.Trust}, cfg.Issuers...)
		var err error
		k.verifier, err = token.NewVerifier(cfg)
		k.t.NoError(err)
	}
	return k.verifier
}

// Issue issues a token for user with the role and the scope of her name, who logged
// in just now.
func (k *Tokens) Issue(user string) token.Issued {
	k.t.Helper()
	return k.Grant(token.Grant{Principal: core.Principal{
		Subject: user, Roles: []string{user}, Scopes: []string{"read:" + user, "write:" + user},
		AuthTime: k.t.Clock.Now(), Method: "test",
	}})
}

// Grant issues a token and forgets the event.
func (k *Tokens) Grant(g token.Grant) token.Issued {
	k.t.Helper()
	issued, err := k.Issuer.Issue(k.t.Context(), g)
	k.t.NoError(err)
	k.t.Audit.Take()
	return issued
}

// bearerApp is the application of cases about tokens, without a session middleware.
func (k *Tokens) bearerApp() App {
	return App{NoMiddleware: true, Verifier: k.Verifier(), Keys: k.Keys}.
		with("GET", "/public", func(r Request) error { return r.String(200, "public") }).
		withAPI()
}

// withAPI adds routes that take nothing but tokens.
func (a App) withAPI() App {
	bearer := Guard{Bearer: true}
	return a.with("GET", "/api/me", apiMe, bearer).
		with("POST", "/api/me", apiMe, bearer).
		with("GET", "/api/optional", apiMe, Guard{Bearer: true, Optional: true}).
		with("GET", "/api/login", apiMe, Guard{Bearer: true, Optional: true}, Guard{Login: true}).
		with("GET", "/api/role", apiMe, bearer, Guard{Roles: []string{"admin", "alice"}}).
		with("GET", "/api/scope", apiMe, bearer, Guard{Scopes: []string{"read:alice", "write:alice"}}).
		with("GET", "/api/fresh", apiMe, bearer, Guard{Fresh: freshFor}).
		with("GET", "/api/claims", apiClaims, bearer)
}

// apiMe says who is asking, through both doors.
func apiMe(r Request) error {
	p, err := r.Principal()
	below, belowErr := core.PrincipalFrom(r.Context())
	if p.Subject != below.Subject || (err == nil) != (belowErr == nil) {
		return r.String(500, "the doors disagree")
	}
	if errors.Is(err, core.ErrAnonymous) {
		return r.String(200, "anonymous")
	}
	return answer(r, err, "subject="+p.Subject)
}

// apiClaims answers what ClaimsFrom finds.
func apiClaims(r Request) error {
	c, err := r.Claims()
	if err != nil {
		return r.Fail(err)
	}
	return r.JSON(200, c)
}

// authorization is the header line of a bearer token.
func authorization(raw string) string { return "Authorization: Bearer " + raw }

// accepted is what a route behind Bearer answers to user, refused what it answers to
// a token that is not accepted.
func accepted(user string) Want {
	return Want{Status: 200, Body: "subject=" + user, Bearer: true}
}

func refused(code core.Code) Want {
	return Want{Status: code.Status(), Code: string(code), Bearer: true}
}

// testKey returns the process's private key for an algorithm: real ones, made once,
// because RSA keys are slow to make.
func testKey(a token.Algorithm) crypto.Signer { return testKeys()[a] }

// testSecret is the process's secret of HS256.
var testSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return secret
})

var testKeys = sync.OnceValue(func() map[token.Algorithm]crypto.Signer {
	keys := map[token.Algorithm]crypto.Signer{}
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	keys[token.RS256] = must(rsa.GenerateKey(rand.Reader, 2048))
	keys[token.PS256] = must(rsa.GenerateKey(rand.Reader, 2048))
	keys[token.ES256] = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	keys[token.ES384] = must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	keys[token.EdDSA] = must(private, err)
	return keys
})

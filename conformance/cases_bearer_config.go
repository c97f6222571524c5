package conformance

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// keyConfigCases are about what constructors refuse. They make no request.
func keyConfigCases() []Case {
	return []Case{configVerifier(), configKeys(), configSecrets(), configIssuer(), configRemote()}
}

// mistakes checks that err joins exactly the mistakes in fields, each a
// *core.ConfigError with a reason, and that what was made is worth nothing.
func (t *T) mistakes(what string, err error, fields ...string) {
	t.Helper()
	var got []string
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *core.ConfigError:
			if e.Reason == "" {
				t.Failf("%s: %s without a reason", what, e.Field)
			}
			got = append(got, e.Field)
		case interface{ Unwrap() []error }:
			for _, each := range e.Unwrap() {
				walk(each)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		default:
			t.Failf("%s: %v is no *core.ConfigError", what, err)
		}
	}
	if err == nil {
		t.Failf("%s: no mistake was found, want %q", what, fields)
	}
	walk(err)
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		t.Failf("%s: mistakes in %q, want %q\n%v", what, got, fields, err)
	}
	if !strings.HasPrefix(err.Error(), "token: ") && len(fields) > 1 {
		t.Failf("%s: %q does not say which package found it", what, err)
	}
}

// ringOf is a ring with the keys of the algorithms.
func (t *T) ringOf(algorithms ...token.Algorithm) *token.KeyRing {
	t.Helper()
	cfg := token.KeyRingConfig{Now: t.Clock.Now}
	for _, a := range algorithms {
		key := token.Key{Algorithm: a, Signer: testKey(a)}
		if a == token.HS256 {
			var err error
			key, err = token.SharedSecretKey([]byte("thirty-two random bytes, surely."))
			t.NoError(err)
		}
		cfg.Keys = append(cfg.Keys, key)
	}
	ring, err := token.NewKeyRing(cfg)
	t.NoError(err)
	return ring
}

func configVerifier() Case {
	return Case{
		ID: "J19", Slug: "keys/config-of-verifier",
		Rule:   "No verifier is made without algorithms, issuer and audience, with none, with an algorithm that no key of its own stands for, or with one issuer's keys for another; all mistakes are said at once.",
		Clause: "RFC 8725 sections 3.1 and 3.2; CVE-2020-15084, CVE-2022-23540, CVE-2015-9235",
		Run: func(t *T) {
			const issuer = "token.VerifierConfig.Issuers[0]."
			try := func(what string, change func(*token.VerifierConfig, *token.TrustedIssuer), fields ...string) {
				t.Helper()
				trust := token.TrustedIssuer{Name: issuerName, Algorithms: []token.Algorithm{token.ES256}, Keys: t.ringOf(token.ES256)}
				cfg := token.VerifierConfig{Audience: audience}
				change(&cfg, &trust)
				cfg.Issuers = append([]token.TrustedIssuer{trust}, cfg.Issuers...)
				v, err := token.NewVerifier(cfg)
				if len(fields) == 0 {
					t.NoError(err)
					return
				}
				if v != nil {
					t.Failf("%s: there is a verifier beside the error", what)
				}
				t.mistakes(what, err, fields...)
			}
			try("nothing wrong", func(*token.VerifierConfig, *token.TrustedIssuer) {})
			try("nothing at all", func(c *token.VerifierConfig, i *token.TrustedIssuer) {
				*c, *i = token.VerifierConfig{}, token.TrustedIssuer{}
			}, "token.VerifierConfig.Audience", issuer+"Name", issuer+"Algorithms", issuer+"Keys")
			_, err := token.NewVerifier(token.VerifierConfig{})
			t.mistakes("no issuers", err, "token.VerifierConfig.Audience", "token.VerifierConfig.Issuers")
			try("no audience", func(c *token.VerifierConfig, _ *token.TrustedIssuer) { c.Audience = "" }, "token.VerifierConfig.Audience")
			try("no issuer", func(_ *token.VerifierConfig, i *token.TrustedIssuer) { i.Name = "" }, issuer+"Name")
			try("no algorithms", func(_ *token.VerifierConfig, i *token.TrustedIssuer) { i.Algorithms = nil }, issuer+"Algorithms")
			for _, a := range []token.Algorithm{"none", "None", "NONE", "", "HS512", "RS512", "es256", "ES256 ", "ES256K", "*"} {
				try("the algorithm "+string(a), func(_ *token.VerifierConfig, i *token.TrustedIssuer) {
					i.Algorithms = []token.Algorithm{token.ES256, a}
				}, issuer+"Algorithms")
			}
			// What is not backed by a key of that algorithm, HS256 beside an asymmetric
			// one above all.
			for _, a := range []token.Algorithm{token.HS256, token.RS256, token.PS256, token.ES384, token.EdDSA} {
				try("no key for "+string(a), func(_ *token.VerifierConfig, i *token.TrustedIssuer) {
					i.Algorithms = []token.Algorithm{token.ES256, a}
				}, issuer+"Keys")
			}
			try("a key for each", func(_ *token.VerifierConfig, i *token.TrustedIssuer) {
				i.Algorithms, i.Keys = []token.Algorithm{token.ES256, token.HS256}, t.ringOf(token.ES256, token.HS256)
			})
			remote := func(issuer string) *token.RemoteKeys {
				keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{Issuer: issuer, URL: "https://id.example/keys"})
				t.NoError(err)
				return keys
			}
			try("HS256 from a published set", func(_ *token.VerifierConfig, i *token.TrustedIssuer) {
				i.Algorithms, i.Keys = []token.Algorithm{token.RS256, token.HS256}, remote(issuerName)
			}, issuer+"Keys")
			try("another issuer's set", func(_ *token.VerifierConfig, i *token.TrustedIssuer) { i.Keys = remote("https://other.example") }, issuer+"Keys")
			try("a nil ring", func(_ *token.VerifierConfig, i *token.TrustedIssuer) { i.Keys = (*token.KeyRing)(nil) }, issuer+"Keys")
			try("a nil set", func(_ *token.VerifierConfig, i *token.TrustedIssuer) { i.Keys = (*token.RemoteKeys)(nil) }, issuer+"Keys")
			try("one ring for two issuers", func(c *token.VerifierConfig, i *token.TrustedIssuer) {
				other := *i
				other.Name = "https://other.example"
				c.Issuers = []token.TrustedIssuer{other}
			}, "token.VerifierConfig.Issuers[1].Keys")
			try("one issuer twice", func(c *token.VerifierConfig, i *token.TrustedIssuer) {
				other := *i
				other.Keys = t.ringOf(token.ES256)
				c.Issuers = []token.TrustedIssuer{other}
			}, "token.VerifierConfig.Issuers[1].Name")
			try("limits", func(c *token.VerifierConfig, _ *token.TrustedIssuer) {
				c.Leeway, c.MaxTokenBytes = time.Hour, 1<<20
			}, "token.VerifierConfig.Leeway", "token.VerifierConfig.MaxTokenBytes")
			try("everything", func(c *token.VerifierConfig, i *token.TrustedIssuer) {
				c.Audience, c.Leeway, i.Name, i.Algorithms, i.Keys, i.Type = "", time.Hour, "", []token.Algorithm{"none"}, nil, "no type"
			}, "token.VerifierConfig.Audience", "token.VerifierConfig.Leeway", issuer+"Name", issuer+"Algorithms", issuer+"Keys", issuer+"Type")
		},
	}
}

func configKeys() Case {
	return Case{
		ID: "J19", Slug: "keys/config-of-ring",
		Rule:   "No ring is made of weak or empty keys, of keys that do not fit their algorithm, of one key twice or for two algorithms, or of none; all mistakes are said at once.",
		Clause: "RFC 7518 sections 3.3 to 3.5; RFC 8725 sections 3.1 and 3.5; CVE-2022-23539",
		Run: func(t *T) {
			signs := token.Key{Algorithm: token.ES256, Signer: testKey(token.ES256)}
			const first = "token.KeyRingConfig.Keys[0]."
			try := func(what string, keys []token.Key, fields ...string) {
				t.Helper()
				ring, err := token.NewKeyRing(token.KeyRingConfig{Keys: keys})
				if ring != nil {
					t.Failf("%s: there is a ring beside the error", what)
				}
				t.mistakes(what, err, fields...)
			}
			rsaKey := testKey(token.RS256).(*rsa.PrivateKey)
			public := func(bits uint, e int) token.Key {
				n := new(big.Int).Lsh(big.NewInt(1), bits-1)
				return token.Key{Algorithm: token.RS256, Public: &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: e}}
			}
			for what, key := range map[string]token.Key{
				"RSA of 1024 bits": public(1024, 65537), "RSA of 2047 bits": public(2047, 65537), "e = 1": public(2048, 1), "e = 0": public(2048, 0),
				"e = -1": public(2048, -1), "an even e": public(2048, 65536), "e = 2": public(2048, 2),
				"e = 1 on a good modulus":   {Algorithm: token.PS256, Public: &rsa.PublicKey{N: rsaKey.N, E: 1}},
				"an empty RSA key":          {Algorithm: token.RS256, Public: &rsa.PublicKey{}},
				"no RSA key":                {Algorithm: token.RS256, Public: (*rsa.PublicKey)(nil)},
				"an empty EC key":           {Algorithm: token.ES256, Public: &ecdsa.PublicKey{Curve: elliptic.P256()}},
				"a short Ed25519 key":       {Algorithm: token.EdDSA, Public: make(ed25519.PublicKey, 31)},
				"an Ed25519 key of order 4": {Algorithm: token.EdDSA, Public: make(ed25519.PublicKey, 32)},
				"P-384 for ES256":           {Algorithm: token.ES256, Public: testKey(token.ES384).Public()},
				"P-256 for ES384":           {Algorithm: token.ES384, Public: testKey(token.ES256).Public()},
				"RSA for ES256":             {Algorithm: token.ES256, Public: rsaKey.Public()},
				"EC for RS256":              {Algorithm: token.RS256, Public: testKey(token.ES256).Public()},
				"EC for EdDSA":              {Algorithm: token.EdDSA, Public: testKey(token.ES256).Public()},
				"bytes for RS256":           {Algorithm: token.RS256, Public: []byte("a secret")},
				"text for RS256":            {Algorithm: token.RS256, Public: "a secret"},
				"a private key as public":   {Algorithm: token.RS256, Public: rsaKey},
				"nothing":                   {Algorithm: token.RS256},
			} {
				try(what, []token.Key{key, signs}, first+"Public")
			}
			short, err := rsa.GenerateKey(rand.Reader, 1024)
			t.NoError(err)
			try("RSA of 1024 bits that signs", []token.Key{{Algorithm: token.RS256, Signer: short}, signs}, first+"Public")
			try("another's public key", []token.Key{{Algorithm: token.ES384, Signer: testKey(token.ES384), Public: otherP384(t)}, signs}, first+"Signer")
			for _, a := range []token.Algorithm{"", "none", "HS512", "RS512", "rs256"} {
				try("the algorithm "+string(a), []token.Key{{Algorithm: a, Signer: rsaKey}, signs}, first+"Algorithm")
			}
			// The classic confusion: a public key is no secret.
			try("a public key for HS256", []token.Key{{Algorithm: token.HS256, Public: rsaKey.Public()}, signs}, first+"Public", first+"Algorithm")
			try("a private key for HS256", []token.Key{{Algorithm: token.HS256, Signer: rsaKey}, signs}, first+"Signer", first+"Algorithm")
			try("nothing for HS256", []token.Key{{Algorithm: token.HS256}, signs}, first+"Algorithm")
			const second = "token.KeyRingConfig.Keys[1]"
			try("one key twice", []token.Key{signs, signs}, second)
			try("one key twice, once to verify", []token.Key{signs, {Algorithm: token.ES256, Public: signs.Signer.Public()}}, second)
			try("one key for two algorithms", []token.Key{{Algorithm: token.RS256, Signer: rsaKey}, {Algorithm: token.PS256, Signer: rsaKey}}, second)
			try("no key", nil, "token.KeyRingConfig.Keys")
			try("many", []token.Key{public(1024, 65537), signs, public(2048, 1), signs, {Algorithm: "none", Signer: rsaKey}},
				first+"Public", "token.KeyRingConfig.Keys[2].Public", "token.KeyRingConfig.Keys[3]", "token.KeyRingConfig.Keys[4].Algorithm")
			_, err = token.NewKeyRing(token.KeyRingConfig{
				Period: -1, Announce: time.Second, Retire: -time.Second, Generate: "none",
			})
			t.mistakes("times", err, "token.KeyRingConfig.Generate", "token.KeyRingConfig.Period", "token.KeyRingConfig.Announce", "token.KeyRingConfig.Retire")
			// What a ring would not have begun with it does not take later.
			ring := t.ringOf(token.RS256)
			for what, key := range map[string]token.Key{
				"RSA of 1024 bits": public(1024, 65537), "e = 1": public(2048, 1), "the same key": {Algorithm: token.RS256, Signer: rsaKey},
				"for another algorithm": {Algorithm: token.PS256, Signer: rsaKey}, "none": {Algorithm: "none", Signer: testKey(token.ES256)},
			} {
				if ring.Add(t.Context(), key) == nil {
					t.Failf("%s was put into a ring", what)
				}
			}
			Equal(t, "keys in the ring", len(ring.Keys()), 1)
		},
	}
}

func otherP384(t *T) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	t.NoError(err)
	return &key.PublicKey
}

func configSecrets() Case {
	return Case{
		ID: "J19", Slug: "keys/config-of-secrets",
		Rule:   "A shared secret is at least as long as the hash, and comes in by its own door only.",
		Clause: "RFC 7518 section 3.2; RFC 8725 section 3.5; CVE-2020-36569",
		Run: func(t *T) {
			for _, secret := range []string{
				"", "x", "secret", "null", "undefined", "your-256-bit-secret", strings.Repeat("x", 31),
			} {
				_, err := token.SharedSecretKey([]byte(secret))
				t.mistakes("a secret of "+secret, err, "token.SharedSecretKey.secret")
				if secret != "" && strings.Contains(err.Error(), secret+`"`) {
					t.Failf("the error quotes the secret")
				}
			}
			_, err := token.SharedSecretKey(nil)
			t.mistakes("no secret", err, "token.SharedSecretKey.secret")
			_, err = token.SharedSecretKey([]byte(strings.Repeat("x", 32)))
			t.NoError(err)
			for _, jwk := range []string{
				`{"kty":"oct","k":"` + strings.Repeat("A", 64) + `"}`, `{"kty":"oct","k":"` + strings.Repeat("A", 64) + `","alg":"HS256"}`,
			} {
				for _, a := range []token.Algorithm{token.HS256, token.RS256, "none", ""} {
					if _, err := token.ParseJWK(a, []byte(jwk)); err == nil {
						t.Failf("a shared secret came in as a JWK of %q", a)
					}
				}
			}
		},
	}
}

func configIssuer() Case {
	return Case{
		ID: "J19", Slug: "keys/config-of-issuer",
		Rule:   "No issuer is made without a name, an audience and a ring, or whose tokens would outlive their keys; all mistakes are said at once.",
		Clause: "RFC 9068 section 2.2; DESIGN section 4",
		Run: func(t *T) {
			const config = "token.IssuerConfig."
			try := func(what string, cfg token.IssuerConfig, fields ...string) {
				t.Helper()
				issuer, err := token.NewIssuer(cfg)
				if issuer != nil {
					t.Failf("%s: there is an issuer beside the error", what)
				}
				t.mistakes(what, err, fields...)
			}
			ring := t.ringOf(token.ES256)
			try("nothing", token.IssuerConfig{}, config+"Name", config+"Audience", config+"Keys")
			try("no name", token.IssuerConfig{Audience: audience, Keys: ring}, config+"Name")
			try("no audience", token.IssuerConfig{Name: issuerName, Keys: ring}, config+"Audience")
			verifies, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Public: testKey(token.ES256).Public()}}})
			t.NoError(err)
			try("a ring that signs nothing", token.IssuerConfig{Name: issuerName, Audience: audience, Keys: verifies}, config+"Keys")
			try("no ring", token.IssuerConfig{Name: issuerName, Audience: audience}, config+"Keys")
			for _, lifetime := range []time.Duration{-time.Second, time.Millisecond, 25 * time.Hour, time.Hour} {
				try("a life of "+lifetime.String(), token.IssuerConfig{Name: issuerName, Audience: audience, Keys: ring, Lifetime: lifetime}, config+"Lifetime")
			}
			issuer, err := token.NewIssuer(token.IssuerConfig{Name: issuerName, Audience: audience, Keys: ring, Now: t.Clock.Now})
			t.NoError(err)
			for what, g := range map[string]token.Grant{
				"nobody":              {},
				"a private sub":       {Principal: core.Principal{Subject: "alice"}, Private: map[string]string{"sub": "mallory"}},
				"a private Sub":       {Principal: core.Principal{Subject: "alice"}, Private: map[string]string{"SUB": "mallory"}},
				"a private exp":       {Principal: core.Principal{Subject: "alice"}, Private: map[string]int{"exp": 1 << 40}},
				"no object":           {Principal: core.Principal{Subject: "alice"}, Private: []string{"x"}},
				"a scope of two":      {Principal: core.Principal{Subject: "alice", Scopes: []string{"read write"}}},
				"a longer life":       {Principal: core.Principal{Subject: "alice"}, Lifetime: time.Hour},
				"a life of no length": {Principal: core.Principal{Subject: "alice"}, Lifetime: -time.Second},
			} {
				issued, err := issuer.Issue(t.Context(), g)
				if err == nil || issued.Token != "" {
					t.Failf("%s was issued a token", what)
				}
			}
		},
	}
}

func configRemote() Case {
	return Case{
		ID: "J19", Slug: "keys/config-of-remote-keys",
		Rule:   "Published keys are fetched over https, or from loopback if that was asked for; all mistakes are said at once.",
		Clause: "OpenID Connect Discovery 1.0 section 3; DESIGN section 4",
		Run: func(t *T) {
			const config = "token.RemoteKeysConfig."
			try := func(what string, cfg token.RemoteKeysConfig, fields ...string) {
				t.Helper()
				keys, err := token.NewRemoteKeys(cfg)
				if len(fields) == 0 {
					t.NoError(err)
					return
				}
				if keys != nil {
					t.Failf("%s: there are keys beside the error", what)
				}
				t.mistakes(what, err, fields...)
			}
			try("nothing", token.RemoteKeysConfig{}, config+"Issuer")
			try("a name that is no URL", token.RemoteKeysConfig{Issuer: "our-issuer"}, config+"Issuer")
			try("a name that is no URL, and a URL", token.RemoteKeysConfig{Issuer: "our-issuer", URL: "https://id.example/keys"})
			for _, u := range []string{
				"http://id.example/keys", "ftp://id.example/keys", "file:///etc/passwd", "//id.example/keys", "id.example/keys", "https://", "https:///keys",
				"http://127.0.0.1/keys", "https://user:pass@id.example/keys", "https://id.example/keys#x", "\x00", ":",
			} {
				try(u, token.RemoteKeysConfig{Issuer: issuerName, URL: u}, config+"URL")
			}
			for _, u := range []string{"http://id.example/keys", "http://127.0.0.1.example/keys", "http://localhost.example/keys", "http://10.0.0.1/keys"} {
				try(u, token.RemoteKeysConfig{Issuer: issuerName, URL: u, InsecureHTTP: true}, config+"URL")
			}
			for _, u := range []string{"http://127.0.0.1:8080/keys", "http://[::1]/keys", "http://localhost/keys", "https://id.example/keys"} {
				try(u, token.RemoteKeysConfig{Issuer: issuerName, URL: u, InsecureHTTP: true})
			}
			try("everything", token.RemoteKeysConfig{
				URL: "http://id.example", Refresh: time.Millisecond, RetryAfter: -1, Timeout: -1, MaxBytes: -1,
			}, config+"Issuer", config+"URL", config+"Refresh", config+"RetryAfter", config+"Timeout", config+"MaxBytes")
		},
	}
}

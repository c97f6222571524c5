package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// fakeKeys is a KeySource that does what the test says.
type fakeKeys struct {
	mu         sync.Mutex
	keys       map[string]*verificationKey
	errs       map[string]error
	asked      int
	complaints []string
}

func (f *fakeKeys) verificationKey(_ context.Context, id string, _ time.Time) (*verificationKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if err := f.errs[id]; err != nil {
		return nil, err
	}
	if k := f.keys[id]; k != nil {
		return k, nil
	}
	return nil, errUnknownKey
}

func (f *fakeKeys) trust(_ string, _ []Algorithm, bad func(string)) {
	for _, c := range f.complaints {
		bad(c)
	}
}

func (f *fakeKeys) set(id string, k *verificationKey, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[id], f.errs[id] = k, err
}

// pen signs tokens: whatever header and claims one wants.
type pen struct {
	alg  Algorithm
	kid  string
	priv any
	pub  *verificationKey
}

func newPen(t testing.TB, alg Algorithm, kid string) *pen {
	t.Helper()
	p := &pen{alg: alg, kid: kid}
	var pub any
	switch alg {
	case EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		p.priv, pub = private, public
	case ES256, ES384:
		curve := map[Algorithm]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384()}[alg]
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		p.priv, pub = k, &k.PublicKey
	case RS256, PS256:
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		p.priv, pub = k, &k.PublicKey
	case HS256:
		k := make([]byte, 32)
		_, _ = rand.Read(k)
		p.priv, pub = k, k
	}
	p.pub = &verificationKey{id: kid, algorithm: alg, key: pub}
	return p
}

func (p *pen) header() string {
	return `{"alg":"` + string(p.alg) + `","kid":"` + p.kid + `","typ":"at+jwt"}`
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token of two texts, whatever they are.
func (p *pen) sign(t testing.TB, header, claims string) string {
	t.Helper()
	signed := b64(header) + "." + b64(claims)
	return signed + "." + p.signature(t, signed)
}

func (p *pen) signature(t testing.TB, signed string) string {
	t.Helper()
	s, _ := schemeOf(p.alg)
	if p.alg == PS256 {
		s.method = &jwt.SigningMethodRSAPSS{SigningMethodRSA: jwt.SigningMethodPS256.SigningMethodRSA,
			Options: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}}
	}
	sig, err := s.method.Sign(signed, p.priv)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(sig)
}

const (
	theIssuer   = "https://auth.example"
	theAudience = "https://api.example"
	theSession  = "AQIDBAUGBwgJCgsMDQ4PEA"
	theTime     = 1_700_000_000
)

// claimsOf is the claims of a good token with changes: name, JSON text; "" leaves the
// claim out.
func claimsOf(changes ...string) string {
	members := [][2]string{
		{"iss", `"` + theIssuer + `"`}, {"sub", `"ann"`}, {"aud", `"` + theAudience + `"`},
		{"iat", "1700000000"}, {"exp", "1700000900"}, {"jti", `"6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11"`},
		{"sid", `"` + theSession + `"`}, {"sep", "3"}, {"auth_time", "1699999990"},
		{"roles", `["admin","staff"]`}, {"scope", `"read write"`}, {"amr", `["pwd","otp"]`}, {"client_id", `"web"`},
	}
	for i := 0; i < len(changes); i += 2 {
		found := false
		for j := range members {
			if members[j][0] == changes[i] {
				members[j][1], found = changes[i+1], true
			}
		}
		if !found {
			members = append(members, [2]string{changes[i], changes[i+1]})
		}
	}
	var parts []string
	for _, m := range members {
		if m[1] != "" {
			parts = append(parts, `"`+m[0]+`":`+m[1])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// desk is a Verifier with one issuer, whose keys and clock the test holds.
type desk struct {
	*Verifier
	*pen
	keys *fakeKeys
	mu   sync.Mutex
	now  time.Time
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) at(offset time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = time.Unix(theTime, 0).Add(offset)
}

func newDesk(t testing.TB, change func(*VerifierConfig)) *desk {
	t.Helper()
	return newDeskOf(t, newPen(t, EdDSA, "k1"), change)
}

func newDeskOf(t testing.TB, p *pen, change func(*VerifierConfig)) *desk {
	t.Helper()
	d := &desk{pen: p, now: time.Unix(theTime, 0)}
	d.keys = &fakeKeys{keys: map[string]*verificationKey{p.kid: p.pub}, errs: map[string]error{}}
	cfg := VerifierConfig{
		Audience: theAudience,
		Issuers:  []TrustedIssuer{{Name: theIssuer, Algorithms: []Algorithm{p.alg}, Keys: d.keys}},
		Now:      d.clock,
	}
	if change != nil {
		change(&cfg)
	}
	v, err := NewVerifier(cfg)
	require.NoError(t, err)
	d.Verifier = v
	return d
}

func (d *desk) good(t testing.TB, changes ...string) string {
	t.Helper()
	return d.sign(t, d.header(), claimsOf(changes...))
}

package conformance

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// keyCases are about the keys of an issuer through their lives.
func keyCases() []Case { return []Case{keyRotation(), keyRevoked(), keySameName(), keySet()} }

// kidOf is the kid in a token's header.
func kidOf(t *T, raw string) string {
	t.Helper()
	part, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(part)
	t.NoError(err)
	var h struct {
		Kid string `json:"kid"`
	}
	t.NoError(json.Unmarshal(b, &h))
	return h.Kid
}

// publishedKeys returns the kids that the application publishes, sorted.
func (s *Server) publishedKeys() []string {
	s.t.Helper()
	a := s.Do("GET", JWKSPath)
	Equal(s.t, "status of the key set", a.Status, 200)
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
		} `json:"keys"`
	}
	s.t.NoError(json.Unmarshal([]byte(a.Body), &set))
	kids := []string{}
	for _, k := range set.Keys {
		kids = append(kids, k.Kid)
	}
	slices.Sort(kids)
	return kids
}

func keyRotation() Case {
	return Case{
		ID: "J21", Slug: "keys/rotation-on-schedule",
		Rule:   "By the clock alone a key is announced, signs, verifies a while longer and is gone: no token that lives is ever refused, and no token of a key that is gone is accepted, not even one seen a second ago.",
		Clause: "DESIGN section 4 (announce, sign, retire, gone); RFC 8725 section 3.1; CVE-2025-22149",
		Run: func(t *T) {
			const announce, period, retire = 30 * time.Minute, time.Hour, 20 * time.Minute
			k := t.Tokens(token.ES256)
			var made []*signer
			ring, err := token.NewKeyRing(token.KeyRingConfig{
				App: "conformance", Now: t.Clock.Now, Audit: t.Audit, Generate: token.ES256,
				Announce: announce, Period: period, Retire: retire,
				NewSigner: func(context.Context, token.Algorithm) (crypto.Signer, error) {
					s := t.signer(issuerName, "")
					s.id = s.thumbprint(t)
					made = append(made, s)
					return s.PrivateKey, nil
				},
			})
			t.NoError(err)
			k.Keys, k.Trust.Keys = ring, ring
			k.Issuer, err = token.NewIssuer(token.IssuerConfig{
				App: "conformance", Name: issuerName, Audience: audience, Keys: ring, Now: t.Clock.Now,
			})
			t.NoError(err)
			s := t.Serve(k.bearerApp())
			var tokens []string         // one a minute
			eternal := map[int]string{} // by the key that signs it
			for minute := range 4*60 + 1 {
				for _, at := range []time.Duration{0, time.Minute - time.Second} {
					t.Clock.Advance(epoch.Add(time.Duration(minute)*time.Minute + at).Sub(t.Clock.Now()))
					if at == 0 {
						tokens = append(tokens, k.Issue("alice").Token)
					}
					age := t.Clock.Now().Sub(epoch)
					var want []string
					for n := 0; time.Duration(n)*period-announce <= age.Truncate(time.Minute); n++ {
						from := time.Duration(n) * period
						if n >= len(made) {
							t.Failf("after %s there are %d keys, want one for %s", age, len(made), from)
						}
						if eternal[n] == "" {
							eternal[n] = made[n].token(t)
						}
						if age >= from+period+retire {
							s.Check(s.Do("GET", "/api/me", authorization(eternal[n])), refused(core.InvalidSignature))
							continue
						}
						s.Check(s.Do("GET", "/api/me", authorization(eternal[n])), accepted("alice"))
						want = append(want, made[n].id)
					}
					slices.Sort(want)
					if got := s.publishedKeys(); !slices.Equal(got, want) {
						t.Failf("published after %s: got %q, want %q", age, got, want)
					}
					Equal(t, "key that signs", kidOf(t, tokens[minute]), made[minute/60].id)
					// 855 s at least, from when it was issued.
					for _, m := range []int{minute, max(minute-13, 0)} {
						s.Check(s.Do("GET", "/api/me", authorization(tokens[m])), accepted("alice"))
					}
				}
			}
			Equal(t, "keys that were made", len(made), 5)
		},
	}
}

func keyRevoked() Case {
	return Case{
		ID: "J21", Slug: "keys/revoked-at-once",
		Rule:   "What a revoked key signed is refused at its next use, seen before or not, and the key is published no more and never comes back; other keys' tokens are as good as before.",
		Clause: "DESIGN section 4 (or is revoked at once; key state is looked at every time); RFC 8725 section 3.1",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			spare := t.signer(issuerName, "")
			spare.id = spare.thumbprint(t)
			s := t.Serve(k.bearerApp())
			first := s.publishedKeys()[0]
			seen, unseen := k.Issue("alice").Token, k.Issue("alice").Token
			s.Check(s.Do("GET", "/api/me", authorization(seen)), accepted("alice"))
			t.NoError(k.Keys.Add(t.Context(), token.Key{Algorithm: token.ES256, Signer: spare.PrivateKey, SignFrom: t.Clock.Now().Add(time.Hour)}))
			announced := spare.token(t)
			s.Check(s.Do("GET", "/api/me", authorization(announced)), accepted("alice"))
			Equal(t, "keys that are published", len(s.publishedKeys()), 2)
			t.Audit.Take()

			t.NoError(k.Keys.Revoke(t.Context(), first))
			Equal(t, "key in the event", t.Events("key_revoked")[0].Key, first)
			for range 3 {
				for _, raw := range []string{seen, unseen} {
					for _, path := range []string{"/api/me", "/api/optional"} {
						s.Check(s.Do("GET", path, authorization(raw)), refused(core.InvalidSignature))
					}
				}
				t.tokensRefused(4)
				s.Check(s.Do("GET", "/api/me", authorization(announced)), accepted("alice"))
			}
			if got := s.publishedKeys(); !slices.Equal(got, []string{spare.id}) {
				t.Failf("published: got %q, want %q", got, spare.id)
			}
			next := k.Issue("alice").Token
			Equal(t, "key that signs", kidOf(t, next), spare.id)
			s.Check(s.Do("GET", "/api/me", authorization(next)), accepted("alice"))

			// The last one: nothing signs, and nothing makes anything up.
			if err := k.Keys.Revoke(t.Context(), spare.id); !errors.Is(err, token.ErrNoSigningKey) {
				t.Failf("the last key was revoked: got %v, want ErrNoSigningKey", err)
			}
			if _, err := k.Issuer.Issue(t.Context(), grantOf("alice", nil, nil, t.Clock.Now())); !errors.Is(err, token.ErrNoSigningKey) {
				t.Failf("a token from an empty ring: got %v, want ErrNoSigningKey", err)
			}
			if err := k.Keys.Revoke(t.Context(), "no-such-key"); !errors.Is(err, token.ErrNoKey) {
				t.Failf("an unknown key was revoked: got %v, want ErrNoKey", err)
			}
			for _, back := range []crypto.Signer{k.Signer, spare.PrivateKey} {
				if err := k.Keys.Add(t.Context(), token.Key{Algorithm: token.ES256, Signer: back}); err == nil {
					t.Failf("a revoked key was put back into the ring")
				}
			}
			Equal(t, "keys that are published", len(s.publishedKeys()), 0)
			t.Audit.Take()
			for _, raw := range []string{seen, unseen, announced, next} {
				s.Check(s.Do("GET", "/api/me", authorization(raw)), refused(core.InvalidSignature))
			}
			t.tokensRefused(4)
			fresh := t.signer(issuerName, "")
			t.NoError(k.Keys.Add(t.Context(), token.Key{Algorithm: token.ES256, Signer: fresh.PrivateKey}))
			s.Check(s.Do("GET", "/api/me", authorization(k.Issue("alice").Token)), accepted("alice"))
			s.Check(s.Do("GET", "/api/me", authorization(seen)), refused(core.InvalidSignature))
			// Long after, when nobody remembers that there was such a key.
			t.Clock.Advance(48 * time.Hour)
			for _, raw := range []string{announced, seen} {
				s.Check(s.Do("GET", "/api/me", authorization(raw)), refused(core.InvalidSignature))
			}
		},
	}
}

func keySameName() Case {
	return Case{
		ID: "J22", Slug: "keys/same-kid-two-issuers",
		Rule:   "A key is its issuer's: where two publish keys of one name, each verifies its own issuer's tokens and no other's, in whichever order they come.",
		Clause: "RFC 8725 section 3.8; OpenID Connect Core section 10.1; DESIGN section 4; CVE-2026-49998",
		Run: func(t *T) {
			for _, remote := range []bool{false, true} { // where the first one's keys are
				k := t.Tokens(token.ES256)
				ours := &signer{k.Signer.(*ecdsa.PrivateKey), issuerName, ""}
				ours.id = ours.thumbprint(t)
				theirs := t.signer("https://other.example", ours.id)
				if remote {
					k.Trust.Keys = t.remoteKeys(t.keyServer(ours), nil)
				}
				k.Config.Issuers = []token.TrustedIssuer{{
					Name: theirs.issuer, Algorithms: []token.Algorithm{token.ES256},
					Keys: t.remoteKeys(t.keyServer(theirs), func(cfg *token.RemoteKeysConfig) { cfg.Issuer = theirs.issuer }),
				}}
				s := t.Serve(k.bearerApp())
				crossed := []string{
					(&signer{ours.PrivateKey, theirs.issuer, ours.id}).token(t),
					(&signer{theirs.PrivateKey, ours.issuer, ours.id}).token(t),
				}
				check := func() {
					t.Helper()
					for _, raw := range crossed {
						s.Check(s.Do("GET", "/api/me", authorization(raw)), refused(core.InvalidSignature))
					}
					t.tokensRefused(2)
				}
				check() // before any key is known
				for range 2 {
					s.Check(s.Do("GET", "/api/me", authorization(ours.token(t))), accepted("alice"))
					check()
					s.Check(s.Do("GET", "/api/me", authorization(theirs.token(t))), accepted("alice"))
					check()
				}
				// A trusted issuer's key is no key for a third one's name.
				for _, key := range []*signer{ours, theirs} {
					raw := (&signer{key.PrivateKey, "https://third.example", key.id}).token(t)
					s.Check(s.Do("GET", "/api/me", authorization(raw)), refused(core.InvalidSignature))
				}
				t.tokensRefused(2)
			}
		},
	}
}

func keySet() Case {
	return Case{
		ID: "J21", Slug: "keys/published-set",
		Rule:   "The key set is published with type, ETag and max-age, to GET and HEAD, conditionally; it holds the public members of keys that verify, and nothing of a secret.",
		Clause: "RFC 7517 sections 4, 5 and 8.5.2; RFC 9110 sections 8.8.3 and 13.1.2; DESIGN section 4",
		Run: func(t *T) {
			signers := testKeys()
			secret, err := token.SharedSecretKey([]byte("a shared secret of forty-one random bytes"))
			t.NoError(err)
			cfg := token.KeyRingConfig{App: "conformance", Now: t.Clock.Now, Keys: []token.Key{secret}}
			algorithms := []token.Algorithm{token.ES256, token.ES384, token.EdDSA, token.PS256, token.RS256}
			for _, a := range algorithms {
				cfg.Keys = append(cfg.Keys, token.Key{Algorithm: a, Signer: signers[a]})
			}
			ring, err := token.NewKeyRing(cfg)
			t.NoError(err)
			s := t.Serve(App{NoMiddleware: true, Keys: ring}.with("GET", "/public", anyone))
			a := s.Do("GET", JWKSPath)
			etag := a.Header.Get("ETag")
			check := func(a *Answer, status int) {
				t.Helper()
				Equal(t, "status", a.Status, status)
				Equal(t, "Cache-Control", a.Header.Get("Cache-Control"), "public, max-age=300")
				Equal(t, "ETag", a.Header.Get("ETag"), etag)
				Equal(t, "Vary", a.Header.Get("Vary"), "")
				Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
			}
			check(a, 200)
			Equal(t, "Content-Type", a.Header.Get("Content-Type"), "application/jwk-set+json")
			if len(etag) < 10 || etag[0] != '"' || etag[len(etag)-1] != '"' {
				t.Failf("ETag: got %q, want a strong one", etag)
			}
			var set struct {
				Keys []map[string]string `json:"keys"`
			}
			t.NoError(json.Unmarshal([]byte(a.Body), &set))
			members := map[string][]string{"RSA": {"e", "n"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}}
			var published []token.Algorithm
			for _, k := range set.Keys {
				want := append([]string{"alg", "kid", "kty", "use"}, members[k["kty"]]...)
				var got []string
				for name := range k {
					got = append(got, name)
				}
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) || k["use"] != "sig" {
					t.Failf("members of a %s key: got %q (use %q), want %q", k["kty"], got, k["use"], want)
				}
				published = append(published, token.Algorithm(k["alg"]))
			}
			slices.Sort(published)
			if !slices.Equal(published, algorithms) {
				t.Failf("published: got %q, want %q", published, algorithms)
			}
			head := s.Do("HEAD", JWKSPath)
			check(head, 200)
			Equal(t, "body of HEAD", head.Body, "")
			Equal(t, "Content-Length of HEAD", head.Header.Get("Content-Length"), fmt.Sprint(len(a.Body)))
			for _, line := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
				for _, method := range []string{"GET", "HEAD"} {
					a := s.Do(method, JWKSPath, "If-None-Match: "+line)
					check(a, 304)
					Equal(t, "body of 304", a.Body, "")
				}
			}
			for _, line := range []string{`"other"`, strings.Trim(etag, `"`), `""`, etag[:len(etag)-2] + `"`} {
				check(s.Do("GET", JWKSPath, "If-None-Match: "+line), 200)
			}
			// Credentials do not matter to it.
			check(s.Do("GET", JWKSPath, authorization("x"), "Cookie: __Host-session="+neverIssued(1)), 200)
			// Another set is another entity, and the same one the same again.
			gone := kidByAlg(set.Keys, token.ES384)
			t.NoError(ring.Revoke(t.Context(), gone))
			after := s.Do("GET", JWKSPath, "If-None-Match: "+etag)
			Equal(t, "status after a revocation", after.Status, 200)
			Equal(t, "whether the revoked key is published", strings.Contains(after.Body, gone), false)
			Equal(t, "whether the other keys are", strings.Count(after.Body, `"kid"`), len(algorithms)-1)
			etag = after.Header.Get("ETag")
			check(s.Do("GET", JWKSPath), 200)
			t.nothing()
		},
	}
}

func kidByAlg(keys []map[string]string, a token.Algorithm) string {
	for _, k := range keys {
		if k["alg"] == string(a) {
			return k["kid"]
		}
	}
	return ""
}

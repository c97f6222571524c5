package conformance

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// remoteKeyCases are about keys that an issuer elsewhere publishes.
func remoteKeyCases() []Case {
	return []Case{
		remoteAnnounced(), remoteRemoved(), remoteUnknownNames(), remoteOutage(), remoteNeverThere(), remoteStrangers(), remoteDiscovery(), remoteRedirects(),
	}
}

func remoteAnnounced() Case {
	return Case{
		ID: "J21", Slug: "keys/remote-knows-before-it-signs",
		Rule:   "A service that verifies through the published set alone knows a key before it signs: no token is refused at the change, not even while the issuer's server is down.",
		Clause: "DESIGN section 4 (announce); token.KeyRingConfig.Announce",
		Run: func(t *T) {
			const announce, period = 30 * time.Minute, time.Hour
			k := t.Tokens(token.ES256)
			ring, err := token.NewKeyRing(token.KeyRingConfig{
				App: "conformance", Now: t.Clock.Now, Generate: token.ES256, Announce: announce, Period: period, Retire: time.Hour,
			})
			t.NoError(err)
			k.Issuer, err = token.NewIssuer(token.IssuerConfig{Name: issuerName, Audience: audience, Keys: ring, Now: t.Clock.Now})
			t.NoError(err)
			server := t.keyServer()
			up := ring.JWKS().ServeHTTP
			server.answers(up)
			remote := t.remoteKeys(server, nil)
			s := t.verifying(issuerName, remote)
			signed := map[string]bool{}
			for minute := range 200 {
				raw := k.Issue("alice").Token
				signed[kidOf(t, raw)] = true
				// Down for the moment at which the next key takes over.
				if m := minute % 60; m == 58 {
					server.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
				} else if m == 2 {
					server.answers(up)
				}
				s.Check(s.Do("GET", "/api/me", authorization(raw)), accepted("alice"))
				t.Clock.Advance(time.Minute)
			}
			Equal(t, "keys that signed", len(signed), 4)
		},
	}
}

func remoteRemoved() Case {
	return Case{
		ID: "J21", Slug: "keys/remote-removed-key-is-gone",
		Rule:   "A key that its issuer has taken out of the set verifies nothing once the set was due for another look, seen tokens included; the other keys go on.",
		Clause: "token.RemoteKeysConfig.Refresh; DESIGN section 4 (removed keys disappear); CVE-2025-22149",
		Run: func(t *T) {
			one, two := t.signer(issuerName, "one"), t.signer(issuerName, "two")
			server := t.keyServer(one, two)
			remote := t.remoteKeys(server, nil)
			s := t.verifying(issuerName, remote)
			seen, unseen, other := authorization(one.token(t)), authorization(one.token(t)), authorization(two.token(t))
			s.Check(s.Do("GET", "/api/me", seen), accepted("alice"))
			s.Check(s.Do("GET", "/api/me", other), accepted("alice"))
			server.wasAsked(1) // for two keys, and in the first request that needed one

			server.publish(two)
			t.Clock.Advance(refreshAfter*4/5 - time.Second)
			s.Check(s.Do("GET", "/api/me", seen), accepted("alice")) // which is how long it may take
			server.wasAsked(0)
			t.Clock.Advance(refreshAfter/5 + time.Second)
			for range 3 {
				s.Check(s.Do("GET", "/api/me", seen), refused(core.InvalidSignature))
				s.Check(s.Do("GET", "/api/me", unseen), refused(core.InvalidSignature))
				s.Check(s.Do("GET", "/api/me", other), accepted("alice"))
			}
			server.wasAsked(1)
			t.tokensRefused(6)
			for range 3 {
				t.Clock.Advance(24 * time.Hour)
				s.Check(s.Do("GET", "/api/me", seen), refused(core.InvalidSignature))
				s.Check(s.Do("GET", "/api/me", other), accepted("alice"))
			}
			// Another key under a name that is known: the old one's tokens are over.
			server.publish(two, &signer{t.signer("", "").PrivateKey, issuerName, "one"})
			t.Clock.Advance(refreshAfter)
			s.Check(s.Do("GET", "/api/me", seen), refused(core.InvalidSignature))
			t.Audit.Take()
			server.publish(&signer{one.PrivateKey, issuerName, "two"})
			t.Clock.Advance(refreshAfter)
			s.Check(s.Do("GET", "/api/me", other), refused(core.InvalidSignature))
			s.Check(s.Do("GET", "/api/me", authorization((&signer{one.PrivateKey, issuerName, "two"}).token(t))), accepted("alice"))
			t.tokensRefused(1)
			// An issuer that publishes nothing revokes everything.
			server.publish()
			t.Clock.Advance(refreshAfter)
			s.Check(s.Do("GET", "/api/me", seen), refused(core.InvalidSignature))
			s.Check(s.Do("GET", "/api/me", other), refused(core.InvalidSignature))
			t.tokensRefused(2)
		},
	}
}

func remoteUnknownNames() Case {
	return Case{
		ID: "J7", Slug: "keys/remote-unknown-kids-are-bounded",
		Rule:   "Names of keys that nobody has make the issuer's server be asked once in RetryAfter and not oftener, one at a time, however many there are; a new key is found that way.",
		Clause: "DESIGN section 4 (unknown kids cannot amplify, one fetch in flight)",
		Run: func(t *T) {
			one := t.signer(issuerName, "one")
			server := t.keyServer(one)
			remote := t.remoteKeys(server, nil)
			s := t.verifying(issuerName, remote)
			good := authorization(one.token(t))
			s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
			server.wasAsked(1)
			c := s.Dial()
			const names = 1000
			forged := func(n int) string {
				return authorization((&signer{one.PrivateKey, issuerName, fmt.Sprint("unknown-", n)}).token(t))
			}
			for n := range names {
				t.Clock.Advance(retryFetch / names)
				s.Check(s.On(c, s.Request("GET", "/api/me", forged(n))), refused(core.InvalidSignature))
			}
			server.wasAsked(1) // by the last one
			t.tokensRefused(names)
			s.Check(s.Do("GET", "/api/me", good), accepted("alice"))

			// At once, and while the issuer's server takes its time.
			t.Clock.Advance(retryFetch)
			hold := newBarrier()
			server.answers(func(w http.ResponseWriter, r *http.Request) { hold.hold(); server.known(w, one) })
			var flights []*flight
			for n := range 50 {
				f := &flight{server: s, conn: s.Dial(), raw: s.Request("GET", "/api/me", forged(n))}
				t.NoError(f.conn.Send(f.raw))
				flights = append(flights, f)
			}
			hold.await(t, 1)
			s.Check(s.Do("GET", "/api/me", good), accepted("alice")) // who need not wait does not
			hold.release()
			for _, f := range flights {
				s.Check(f.land(), refused(core.InvalidSignature))
			}
			server.wasAsked(1)
			t.tokensRefused(len(flights))

			// What is no token of this issuer's asks nobody, however old the set is.
			t.Clock.Advance(10 * refreshAfter)
			header, rest, _ := strings.Cut(one.token(t), ".")
			for _, raw := range []string{
				"x", "..", header + ".", header + ".." + rest, (&signer{one.PrivateKey, "https://other.example", "one"}).token(t),
				(&signer{one.PrivateKey, issuerName + "/", "one"}).token(t), (&signer{one.PrivateKey, server.URL, "one"}).token(t),
			} {
				s.Check(s.Do("GET", "/api/me", authorization(raw)), refused(core.InvalidSignature))
				t.tokensRefused(1)
				server.wasAsked(0)
			}
			// A key that its issuer had to bring into use at once.
			s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
			next := t.signer(issuerName, "next")
			server.publish(one, next)
			t.Clock.Advance(retryFetch)
			s.Check(s.Do("GET", "/api/me", authorization(next.token(t))), accepted("alice"))
			server.wasAsked(2)
			t.nothing()
		},
	}
}

func remoteOutage() Case {
	return Case{
		ID: "J21", Slug: "keys/remote-outage",
		Rule:   "While the published set cannot be had, the last one serves for a bounded time, with an event for each attempt; after that, and about keys that it does not hold, the answer is 503, and all is well when the issuer is back.",
		Clause: "DESIGN section 2 (unknown is neither yes nor no), section 4 (stale-if-error bounded)",
		Run: func(t *T) {
			one, two := t.signer(issuerName, "one"), t.signer(issuerName, "two")
			good, fresh := authorization(one.token(t)), authorization(two.token(t))
			server := t.keyServer()
			for name, fail := range map[string]http.HandlerFunc{
				"500":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
				"404 and a set": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); server.known(w, one) },
				"204":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
				"no JSON": func(w http.ResponseWriter, _ *http.Request) {
					_, _ = w.Write([]byte("<html>sign in to the Wi-Fi</html>"))
				},
				"no set":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"error":"busy"}`)) },
				"cut off": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[`)) },
				"breaks off": func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Length", "1000") // and an answer that began is not asked for again
					_, _ = w.Write([]byte(`{"keys":[]}`))
				},
				"too long": func(w http.ResponseWriter, _ *http.Request) {
					server.known(w, one)
					_, _ = w.Write([]byte(strings.Repeat(" ", 300<<10)))
				},
			} {
				server.publish(one)
				t.note("the issuer's server fails: "+name, "")
				s := t.verifying(issuerName, t.remoteKeys(server, nil))
				s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
				server.wasAsked(1)
				since := t.Clock.Now()
				at := func(age time.Duration) { t.Clock.Advance(age - t.Clock.Now().Sub(since)) }
				server.answers(fail)
				for _, age := range []time.Duration{refreshAfter, 2 * refreshAfter, refreshAfter + staleFor - time.Second} {
					at(age)
					if age > refreshAfter {
						// Once the outage is known, nobody waits for the next attempt whose
						// key is in the old set; whose is not does.
						s.Check(s.Do("GET", "/api/me", fresh), refused(core.StoreUnavailable))
					}
					for range 3 {
						s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
					}
					for range 3 { // it may be a new one
						s.Check(s.Do("GET", "/api/me", fresh), refused(core.StoreUnavailable))
					}
					server.wasAsked(1)
					t.Events("keys_failure:stale")
				}
				for _, age := range []time.Duration{refreshAfter + staleFor + retryFetch, 10 * staleFor} {
					at(age)
					for range 3 {
						s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
						s.Check(s.Do("GET", "/api/optional", good), refused(core.StoreUnavailable))
						s.Check(s.Do("GET", "/api/me", fresh), refused(core.StoreUnavailable))
					}
					server.wasAsked(1)
					t.Events("keys_failure:error")
				}
				s.Check(s.Do("GET", "/api/me"), refused(core.MissingCredentials))
				s.nobodyBearer(s.Do("GET", "/api/optional"))
				s.Check(s.Do("GET", "/api/me", authorization("x")), refused(core.InvalidSignature))
				t.tokensRefused(1)
				server.publish(one, two)
				t.Clock.Advance(retryFetch)
				s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
				s.Check(s.Do("GET", "/api/me", fresh), accepted("alice"))
				server.wasAsked(1)
				t.nothing()
			}
		},
	}
}

func remoteNeverThere() Case {
	return Case{
		ID: "J21", Slug: "keys/remote-never-fetched",
		Rule:   "Before the set was had once, a token that names the issuer is answered 503 within the time that one fetch may take, nothing else is, and StaleFor serves nothing from nothing.",
		Clause: "DESIGN sections 2 and 4",
		Run: func(t *T) {
			one := t.signer(issuerName, "one")
			good := authorization(one.token(t))
			server := t.keyServer()
			hang := make(chan struct{})
			t.Cleanup(func() { close(hang) })
			server.answers(func(http.ResponseWriter, *http.Request) { <-hang })
			remote := t.remoteKeys(server, func(cfg *token.RemoteKeysConfig) { cfg.Timeout = patience })
			s := t.verifying(issuerName, remote)
			for range 2 {
				for range 2 {
					s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
					s.Check(s.Do("GET", "/api/optional", good), refused(core.StoreUnavailable))
				}
				server.wasAsked(1)
				t.Events("keys_failure:error")
				t.Clock.Advance(retryFetch)
			}
			s.Check(s.Do("GET", "/api/me", authorization("x")), refused(core.InvalidSignature))
			s.Check(s.Do("GET", "/api/me"), refused(core.MissingCredentials))
			t.tokensRefused(1)
			server.wasAsked(0)
			if err := remote.Fetch(t.Context()); !errors.Is(err, core.ErrUnknown) {
				t.Failf("Fetch: got %v, want ErrUnknown", err)
			}
			server.wasAsked(1)
			t.Events("keys_failure:error")
			server.publish(one)
			t.NoError(remote.Fetch(t.Context()))
			s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
			server.wasAsked(1)
			t.nothing()
		},
	}
}

func remoteStrangers() Case {
	return Case{
		ID: "O7", Slug: "keys/remote-strange-entries",
		Rule:   "Entries of a key set that are of no use here are passed over: none of them verifies anything, and the good ones beside them do.",
		Clause: "RFC 7517 sections 4 and 5; RFC 7518 section 6; CVE-2026-42576, CVE-2015-9235",
		Run: func(t *T) {
			one := t.signer(issuerName, "one")
			entry := func(change func(map[string]any)) map[string]any {
				k := one.jwk(t)
				k["kid"] = "strange"
				change(k)
				return k
			}
			set := func(name string, v any) map[string]any {
				return entry(func(k map[string]any) {
					if k[name] = v; v == nil {
						delete(k, name)
					}
				})
			}
			other := t.signer("", "").jwk(t)
			strange := []any{
				nil, 1, "x", []any{}, map[string]any{}, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "strange", "alg": "HS256"},
				map[string]any{"kty": "new", "kid": "strange", "alg": "ES256"}, map[string]any{"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "strange"},
				set("kty", nil), set("kty", "ec"), set("kty", "RSA"), set("kty", 1), set("crv", nil), set("crv", "P-384"), set("crv", "secp256k1"),
				set("x", nil), set("y", nil), set("x", ""), set("y", other["y"]), set("x", 1), set("x", other["x"].(string)+"="), set("y", other["y"].(string)[1:]),
				set("alg", "ES384"), set("alg", "HS256"), set("alg", "none"), set("alg", "es256"), set("alg", 1), set("alg", ""),
				set("use", "enc"), set("use", "SIG"), set("use", 1), set("key_ops", []string{"sign"}), set("key_ops", []string{}), set("key_ops", "verify"),
				set("kid", nil), set("kid", ""), set("kid", 1), set("KID", "x"), set("d", "AAAA"), set("k", "AAAA"),
			}
			server := t.keyServer()
			remote := t.remoteKeys(server, nil)
			s := t.verifying(issuerName, remote)
			forged, good := (&signer{one.PrivateKey, issuerName, "strange"}).token(t), one.token(t)
			for _, e := range strange {
				if k, ok := e.(map[string]any); ok && k["KID"] != nil {
					delete(k, "kid") // member names are compared byte for byte
				}
				for _, keys := range [][]any{{e, one.jwk(t)}, {one.jwk(t), e}} {
					server.publishEntries(keys...)
					t.NoError(remote.Fetch(t.Context()))
					t.settle()
					s.Check(s.Do("GET", "/api/me", authorization(forged)), refused(core.InvalidSignature))
					t.tokensRefused(1)
					s.Check(s.Do("GET", "/api/me", authorization(good)), accepted("alice"))
					t.Clock.Advance(time.Second)
				}
			}
			// A name that two keys share names neither; without alg the curve says it.
			same, another := entry(func(map[string]any) {}), entry(func(k map[string]any) { k["x"], k["y"] = other["x"], other["y"] })
			for _, keys := range [][]any{{same, another, one.jwk(t)}, {another, same, one.jwk(t)}, {one.jwk(t), same, same}} {
				server.publishEntries(keys...)
				t.NoError(remote.Fetch(t.Context()))
				s.Check(s.Do("GET", "/api/me", authorization(forged)), refused(core.InvalidSignature))
				s.Check(s.Do("GET", "/api/me", authorization(good)), accepted("alice"))
			}
			for _, fine := range []map[string]any{set("alg", nil), set("use", nil), set("key_ops", []string{"verify"}), set("x5t", "any"), set("new", []int{1})} {
				server.publishEntries(fine)
				t.NoError(remote.Fetch(t.Context()))
				s.Check(s.Do("GET", "/api/me", authorization(forged)), accepted("alice"))
			}
		},
	}
}

package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// forged is a token that outlives the key that signed it, which an Issuer never
// makes.
type forged struct {
	raw string
	key string
}

// rotation is an issuer that rotates each minute, a verifier in its process, and one
// elsewhere that has the keys from its published set.
type rotation struct {
	clock         *keyClock
	ring          *token.KeyRing
	issuer        *token.Issuer
	local, remote *token.Verifier

	mu      sync.Mutex
	signers []*ecdsa.PrivateKey // that no token was forged with yet
	forged  []forged
}

// published serves a ring's key set without a network.
type published struct{ handler http.Handler }

func (p published) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

const rotationRefresh = 5 * time.Second

func newRotation(t *testing.T) *rotation {
	t.Helper()
	const name, audience = "https://id.example", "https://api.example"
	r := &rotation{clock: newKeyClock()}
	var err error
	r.ring, err = token.NewKeyRing(token.KeyRingConfig{
		Generate: token.ES256, Period: time.Minute, Announce: 20 * time.Second, MaxAge: 10 * time.Second, Retire: 2 * time.Minute,
		NewSigner: r.newSigner, Now: r.clock.Now,
	})
	require.NoError(t, err)
	r.issuer, err = token.NewIssuer(token.IssuerConfig{
		Name: name, Audience: audience, Keys: r.ring, Lifetime: 90 * time.Second, Now: r.clock.Now,
	})
	require.NoError(t, err)
	elsewhere, err := token.NewRemoteKeys(token.RemoteKeysConfig{
		Issuer: name, URL: name + "/jwks", Refresh: rotationRefresh, Transport: published{r.ring.JWKS()}, Now: r.clock.Now,
	})
	require.NoError(t, err)
	verifier := func(keys token.KeySource) *token.Verifier {
		v, err := token.NewVerifier(token.VerifierConfig{
			Audience: audience, Now: r.clock.Now,
			Issuers: []token.TrustedIssuer{{Name: name, Algorithms: []token.Algorithm{token.ES256}, Keys: keys}},
		})
		require.NoError(t, err)
		return v
	}
	r.local, r.remote = verifier(r.ring), verifier(elsewhere)
	return r
}

func (r *rotation) newSigner(context.Context, token.Algorithm) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signers = append(r.signers, key)
	return key, err
}

// forge signs a token of an hour with each key that is new.
func (r *rotation) forge(t *testing.T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, signer := range r.signers {
		id := kidOf(t, r.ring, signer)
		now := r.clock.Now()
		one := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"iss": "https://id.example", "aud": "https://api.example", "sub": "mallory",
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		})
		one.Header["typ"], one.Header["kid"] = "at+jwt", id
		raw, err := one.SignedString(signer)
		require.NoError(t, err)
		r.forged = append(r.forged, forged{raw, id})
	}
	r.signers = nil
}

// kidOf finds a ring's name for a key by asking which of its keys verifies a signature.
func kidOf(t *testing.T, ring *token.KeyRing, signer *ecdsa.PrivateKey) string {
	t.Helper()
	key, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Signer: signer}}})
	require.NoError(t, err)
	id := key.Keys()[0].ID
	for _, info := range ring.Keys() {
		if info.ID == id {
			return id
		}
	}
	require.Fail(t, "a key that the ring does not have", id)
	return ""
}

// Issue 4's figure, and what rotation is for: sixty rotations, one a minute, under
// parallel load, with the clock moving all the time. A token is accepted for as long
// as it is valid, here and elsewhere; a key that is gone verifies nothing, here at
// once and elsewhere one Refresh later.
func TestSixtyRotationsUnderLoad(t *testing.T) {
	const rotations, step, workers = 60, 5 * time.Second, 4
	r := newRotation(t)
	begin := r.clock.Now()
	var accepted, refused, keys atomic.Int64
	gone := map[string]time.Time{}
	var goneMu sync.RWMutex
	look := func() {
		r.forge(t)
		goneMu.Lock()
		defer goneMu.Unlock()
		for _, info := range r.ring.Keys() {
			if !info.VerifyUntil.IsZero() {
				gone[info.ID] = info.VerifyUntil
			}
		}
		keys.Store(int64(len(gone)))
	}
	stop := make(chan struct{})
	var load sync.WaitGroup
	for range workers {
		load.Go(func() {
			var held []token.Issued
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				issued, err := r.issuer.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ada"}})
				if !requireNo(t, err) {
					return
				}
				held = append(held, issued)
				if len(held) > 64 {
					held = held[1:]
				}
				for _, v := range []*token.Verifier{r.local, r.remote} {
					one := held[n*7%len(held)]
					_, err := v.Verify(t.Context(), one.Token)
					// It was to be accepted if its time was not over when the answer came.
					if r.clock.Now().Before(one.Expires) {
						if !requireNo(t, err) {
							return
						}
						accepted.Add(1)
					}
				}
				refused.Add(r.tryForged(t, n, &goneMu, gone))
			}
		})
	}
	for r.clock.Now().Before(begin.Add(rotations * time.Minute)) {
		look()
		r.clock.Advance(step)
		// At least one token is issued and verified at each moment, however busy the
		// machine is.
		issued, err := r.issuer.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "bob"}})
		require.NoError(t, err)
		for _, v := range []*token.Verifier{r.local, r.remote} {
			_, err = v.Verify(t.Context(), issued.Token)
			require.NoError(t, err)
		}
	}
	look()
	close(stop)
	load.Wait()
	r.tryAll(t, gone, &refused)
	t.Logf("%d keys retired, %d tokens accepted, %d of gone keys refused", keys.Load(), accepted.Load(), refused.Load())
	require.GreaterOrEqual(t, keys.Load(), int64(rotations-1))
	require.Positive(t, accepted.Load())
	require.GreaterOrEqual(t, refused.Load(), int64(2*(rotations-3)))
}

// tryForged presents one forged token to both verifiers and returns how often it was
// refused because its key is gone.
func (r *rotation) tryForged(t *testing.T, n int, mu *sync.RWMutex, gone map[string]time.Time) (refused int64) {
	r.mu.Lock()
	if len(r.forged) == 0 {
		r.mu.Unlock()
		return 0
	}
	f := r.forged[n%len(r.forged)]
	r.mu.Unlock()
	mu.RLock()
	until, fixed := gone[f.key]
	mu.RUnlock()
	before := r.clock.Now() // what was gone by then must be refused
	for v, lag := range map[*token.Verifier]time.Duration{r.local: 0, r.remote: rotationRefresh} {
		_, err := v.Verify(t.Context(), f.raw)
		if fixed && !before.Before(until.Add(lag)) {
			if err == nil {
				t.Errorf("a key that was gone at %s is accepted at %s", until, before)
			}
			refused++
		}
	}
	return refused
}

// tryAll does it for each forged token, after the end.
func (r *rotation) tryAll(t *testing.T, gone map[string]time.Time, refused *atomic.Int64) {
	t.Helper()
	var mu sync.RWMutex
	for n := range r.forged {
		refused.Add(r.tryForged(t, n, &mu, gone))
	}
}

func requireNo(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

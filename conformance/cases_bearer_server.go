package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/token"
)

// signer is a key whose tokens are made by hand: with the name that somebody gave it
// and for as long as somebody likes.
type signer struct {
	*ecdsa.PrivateKey
	issuer, id string
}

func (t *T) signer(issuer, id string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	t.NoError(err)
	return &signer{key, issuer, id}
}

// token is an ES256 token for alice that lives from the beginning of the case for a
// year.
func (s *signer) token(t *T) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		t.NoError(err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": s.id}) + "." + part(map[string]any{
		"iss": s.issuer, "sub": "alice", "aud": audience, "iat": epoch.Unix(), "exp": epoch.AddDate(1, 0, 0).Unix(),
		"jti": rand.Text(), "client_id": "app",
	})
	sum := sha256.Sum256([]byte(input))
	var sig [64]byte
	a, b, err := ecdsa.Sign(rand.Reader, s.PrivateKey, sum[:])
	t.NoError(err)
	a.FillBytes(sig[:32])
	b.FillBytes(sig[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(sig[:])
}

// jwk is the key as an issuer publishes it.
func (s *signer) jwk(t *T) map[string]any {
	t.Helper()
	point, err := s.PublicKey.Bytes()
	t.NoError(err)
	coordinate := base64.RawURLEncoding.EncodeToString
	return map[string]any{
		"kty": "EC", "crv": "P-256", "x": coordinate(point[1:33]), "y": coordinate(point[33:]), "kid": s.id, "alg": "ES256", "use": "sig",
	}
}

// thumbprint is the kid that a ring gives the key (RFC 7638 section 3.2).
func (s *signer) thumbprint(t *T) string {
	t.Helper()
	k := s.jwk(t)
	sum := sha256.Sum256([]byte(fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, k["x"], k["y"])))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// keyServer is an issuer's web server.
type keyServer struct {
	t   *T
	URL string // of the server itself, without a path

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []string // the paths, since the last look
}

// keyServer publishes the keys of signers at every path.
func (t *T) keyServer(signers ...*signer) *keyServer {
	t.Helper()
	k := &keyServer{t: t}
	k.publish(signers...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		k.asked = append(k.asked, r.URL.Path)
		answer := k.answer
		k.mu.Unlock()
		// What an issuer could track its verifiers by, or borrow their rights with.
		http.SetCookie(w, &http.Cookie{Name: "tracked", Value: "x", Path: "/"})
		if r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
			http.Error(w, "no credentials, please", http.StatusTeapot)
			return
		}
		answer(w, r)
	}))
	k.URL = s.URL
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return k
}

// answers makes the server answer with f.
func (k *keyServer) answers(f http.HandlerFunc) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answer = f
}

// says makes the server answer everything with one document.
func (k *keyServer) says(status int, body string) {
	k.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

// publish makes the server publish the keys of signers and nothing else.
func (k *keyServer) publish(signers ...*signer) {
	keys := []any{}
	for _, s := range signers {
		keys = append(keys, s.jwk(k.t))
	}
	k.publishEntries(keys...)
}

func (k *keyServer) publishEntries(keys ...any) {
	k.t.Helper()
	b, err := json.Marshal(map[string]any{"keys": keys})
	k.t.NoError(err)
	k.says(200, string(b))
}

// wasAsked checks that there were n requests since the last look.
func (k *keyServer) wasAsked(n int) []string {
	k.t.Helper()
	k.mu.Lock()
	asked := k.asked
	k.asked = nil
	k.mu.Unlock()
	if len(asked) != n {
		k.t.Failf("the issuer's server was asked %d times (%q), want %d", len(asked), asked, n)
	}
	return asked
}

// known answers with the keys of signers.
func (k *keyServer) known(w http.ResponseWriter, signers ...*signer) {
	keys := []any{}
	for _, s := range signers {
		keys = append(keys, s.jwk(k.t))
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// What cases say about how old a set may grow.
const (
	refreshAfter = 5 * time.Minute
	staleFor     = time.Hour
	retryFetch   = 10 * time.Second
)

// remoteKeys are the keys at k, on the case's clock.
func (t *T) remoteKeys(k *keyServer, change func(*token.RemoteKeysConfig)) *token.RemoteKeys {
	t.Helper()
	cfg := token.RemoteKeysConfig{
		Issuer: issuerName, URL: k.URL + "/keys", InsecureHTTP: true, App: "conformance", Now: t.Clock.Now, Audit: t.Audit,
		Refresh: refreshAfter, StaleFor: staleFor, RetryAfter: retryFetch,
	}
	if change != nil {
		change(&cfg)
	}
	keys, err := token.NewRemoteKeys(cfg)
	t.NoError(err)
	return keys
}

// verifying serves an application that verifies tokens with keys.
func (t *T) verifying(issuer string, keys token.KeySource) *Server {
	t.Helper()
	k := t.Tokens(token.ES256)
	k.Trust.Name, k.Trust.Keys = issuer, keys
	app := k.bearerApp()
	app.Keys = nil
	return t.Serve(app)
}

// spyTransport lets requests to the loopback interface through and remembers all.
type spyTransport struct {
	mu   sync.Mutex
	seen []string
}

var errNotHere = errors.New("conformance: not on this machine")

func (s *spyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.seen = append(s.seen, r.URL.String())
	s.mu.Unlock()
	if r.URL.Scheme != "http" || r.URL.Hostname() != "127.0.0.1" {
		return nil, errNotHere
	}
	return http.DefaultTransport.RoundTrip(r)
}

// take returns what was asked for since the last look.
func (s *spyTransport) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

package token_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

func ask(r *token.KeyRing, method string, ifNoneMatch ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/jwks", nil)
	for _, line := range ifNoneMatch {
		req.Header.Add("If-None-Match", line)
	}
	w := httptest.NewRecorder()
	r.JWKS().ServeHTTP(w, req)
	return w
}

func TestKeySetContent(t *testing.T) {
	clock := newKeyClock()
	at := func(d time.Duration) time.Time { return clock.Now().Add(d) }
	keys := []token.Key{
		secretKey(t),
		{Algorithm: token.RS256, Signer: rsaKey(), SignFrom: at(-3 * time.Hour)},      // gone
		{Algorithm: token.ES384, Signer: p384Key(), SignFrom: at(-150 * time.Minute)}, // retired
		{Algorithm: token.ES256, Signer: p256Key(), SignFrom: at(-30 * time.Minute)},  // signs
		{Algorithm: token.EdDSA, Signer: edKey, SignFrom: at(time.Hour)},              // announced
		{Algorithm: token.ES256, Signer: otherKey(), SignFrom: at(2 * time.Hour)},     // to be revoked
	}
	cfg := token.KeyRingConfig{Keys: keys, Now: clock.Now}
	r, err := token.NewKeyRing(cfg)
	require.NoError(t, err)
	require.NoError(t, r.Revoke(t.Context(), idOfSigner(t, token.ES256, otherKey())))

	body := keySet(t, r)
	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal([]byte(body), &set))
	members := map[string][]string{
		"ES384": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	signers := map[string]any{"ES384": p384Key().Public(), "ES256": p256Key().Public(), "EdDSA": edKey.Public()}
	require.Len(t, set.Keys, len(members))
	for _, k := range set.Keys {
		alg := k["alg"]
		require.Equal(t, members[alg], slices.Sorted(maps.Keys(k)), "public members and no other")
		require.Equal(t, "sig", k["use"])
		parsed, err := token.ParseJWK(token.Algorithm(alg), newKey(json.Marshal(k)))
		require.NoError(t, err)
		require.Equal(t, signers[alg], parsed.Public)
		require.Equal(t, k["kid"], idOf(t, parsed))
	}

	slices.Reverse(cfg.Keys)
	again, err := token.NewKeyRing(cfg)
	require.NoError(t, err)
	require.NoError(t, again.Revoke(t.Context(), idOfSigner(t, token.ES256, otherKey())))
	require.Equal(t, body, keySet(t, again), "the same bytes on every node")

	clock.Advance(30*time.Minute - 1)
	require.Contains(t, keySet(t, r), `"ES384"`)
	clock.Advance(1)
	require.NotContains(t, keySet(t, r), `"ES384"`, "gone to the instant")

	r, err = token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{secretKey(t)}})
	require.NoError(t, err)
	require.Equal(t, `{"keys":[]}`, keySet(t, r))
}

// RSA is published as the vector of RFC 7638 has it.
func TestKeySetRSA(t *testing.T) {
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.PS256, Signer: rsaKey()}}})
	require.NoError(t, err)
	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal([]byte(keySet(t, r)), &set))
	require.Equal(t, []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "PS256", "e": "AQAB", "n": b64(rsaKey().N.Bytes()), "kid": r.Keys()[0].ID,
	}}, set.Keys)
}

func TestKeySetAnswer(t *testing.T) {
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Signer: p256Key()}}, MaxAge: 90 * time.Second})
	require.NoError(t, err)
	get := ask(r, http.MethodGet)
	etag := get.Header().Get("ETag")
	require.Regexp(t, `^"[A-Za-z0-9_-]{43}"$`, etag, "strong")
	common := http.Header{"Etag": {etag}, "Cache-Control": {"public, max-age=90"}, "X-Content-Type-Options": {"nosniff"}}
	full := maps.Clone(common)
	full["Content-Type"] = []string{"application/jwk-set+json"}
	full["Content-Length"] = []string{"215"}
	require.Equal(t, full, get.Header())
	require.Equal(t, 215, get.Body.Len())

	head := ask(r, http.MethodHead)
	require.Equal(t, 200, head.Code)
	require.Equal(t, full, head.Header())
	require.Empty(t, head.Body.Bytes())

	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"} {
		w := ask(r, method, etag)
		require.Equal(t, 405, w.Code, method)
		require.Equal(t, http.Header{"Allow": {"GET, HEAD"}, "X-Content-Type-Options": {"nosniff"}}, w.Header(), method)
		require.Empty(t, w.Body.Bytes(), method)
	}

	for _, tc := range []struct {
		desc  string
		lines []string
		want  int
	}{
		{"exact", []string{etag}, 304},
		{"weak", []string{"W/" + etag}, 304},
		{"star", []string{"*"}, 304},
		{"list", []string{`"a", W/"b" ,` + etag}, 304},
		{"lines", []string{`"a"`, etag}, 304},
		{"another", []string{`"a"`}, 200},
		{"without quotes", []string{etag[1 : len(etag)-1]}, 200},
		{"half", []string{etag[:20] + `"`}, 200},
		{"lower case w", []string{"w/" + etag}, 200},
		{"empty", []string{""}, 200},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				w := ask(r, method, tc.lines...)
				require.Equal(t, tc.want, w.Code)
				if tc.want == 304 {
					require.Equal(t, common, w.Header())
					require.Empty(t, w.Body.Bytes())
				}
			}
		})
	}

	require.NoError(t, r.Add(t.Context(), token.Key{Algorithm: token.EdDSA, Signer: edKey, SignFrom: time.Now().Add(time.Hour)}))
	w := ask(r, "GET", etag)
	require.Equal(t, 200, w.Code)
	require.NotEqual(t, etag, w.Header().Get("ETag"))
}

// Whoever asks for the keys is a caller as good as any to make the one that is due.
func TestKeySetTendsTheSchedule(t *testing.T) {
	clock := newKeyClock()
	r, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.EdDSA, Period: 3 * time.Hour, Now: clock.Now})
	require.NoError(t, err)
	first := keySet(t, r)
	clock.Advance(2*time.Hour - 1)
	require.Equal(t, first, keySet(t, r))
	clock.Advance(1)
	require.NotEqual(t, first, keySet(t, r))
	require.Len(t, r.Keys(), 2)
}

// While nothing signs, the next key does as soon as it is there.
func TestKeySetOfARingThatCannotSign(t *testing.T) {
	r, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Signer: p256Key()}}})
	require.NoError(t, err)
	require.Equal(t, "public, max-age=300", ask(r, "GET").Header().Get("Cache-Control"))
	require.ErrorIs(t, r.Revoke(t.Context(), r.Keys()[0].ID), token.ErrNoSigningKey)
	w := ask(r, "GET")
	require.Equal(t, "public, max-age=0", w.Header().Get("Cache-Control"))
	require.Equal(t, `{"keys":[]}`, w.Body.String())
}

// The order of the set says nothing, so nodes that were given the same keys in
// another order publish the same bytes, and a cache in front of them sees one set.
func TestKeySetIsTheSameOnEachNode(t *testing.T) {
	keys := []token.Key{
		{Algorithm: token.ES256, Public: p256Key().Public()}, {Algorithm: token.ES384, Public: p384Key().Public()},
		{Algorithm: token.EdDSA, Public: edKey.Public()}, {Algorithm: token.ES256, Public: otherKey().Public()},
	}
	node := func() string {
		r, err := token.NewKeyRing(token.KeyRingConfig{Keys: keys})
		require.NoError(t, err)
		return keySet(t, r)
	}
	one := node()
	slices.Reverse(keys)
	require.Equal(t, one, node())
}

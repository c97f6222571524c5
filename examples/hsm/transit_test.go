package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// transit is version 1 of a key in Vault's transit engine.
type transit struct {
	client *http.Client     // with a Timeout
	url    string           // https://vault.internal:8200/v1/transit/sign/tokens/sha2-256
	token  func() string    // which expires, so it is asked for each time
	public crypto.PublicKey // of that version, from /v1/transit/keys/tokens
}

func (t *transit) Public() crypto.PublicKey { return t.public }

func (t *transit) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 {
		return nil, errors.New("transit: this key signs SHA-256 digests")
	}
	body, err := json.Marshal(map[string]any{"input": digest, "prehashed": true, "key_version": 1})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-Vault-Token", t.token())
	answer, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var got struct{ Data struct{ Signature string } }
	err = json.NewDecoder(io.LimitReader(answer.Body, 1<<16)).Decode(&got)
	signature, ok := strings.CutPrefix(got.Data.Signature, "vault:v1:")
	if err != nil || !ok {
		return nil, fmt.Errorf("transit: no signature: %s", answer.Status)
	}
	return base64.StdEncoding.DecodeString(signature)
}

// vaultServer answers as Vault's transit engine does, with the key that it has.
func vaultServer(t *testing.T, key *ecdsa.PrivateKey, version string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "s.token" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":["permission denied"]}`)
			return
		}
		var asked struct {
			Input     []byte
			Prehashed bool
			Version   int `json:"key_version"`
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || !asked.Prehashed || asked.Version != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		signature, err := key.Sign(rand.Reader, asked.Input, crypto.SHA256)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"data":{"signature":"vault:%s:%s"}}`, version, base64.StdEncoding.EncodeToString(signature))
	}))
	t.Cleanup(server.Close)
	return server
}

func TestTransit(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, tc := range []struct {
		name, token, version string
		public               crypto.PublicKey
		want                 string
	}{
		{"as it must be", "s.token", "v1", key.Public(), ""},
		{"may not sign", "s.other", "v1", key.Public(), "transit: no signature: 403 Forbidden"},
		{"signs with another version", "s.token", "v2", key.Public(), "transit: no signature"},
		{"has another key", "s.token", "v1", other.Public(), "does not verify"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := vaultServer(t, key, tc.version)
			_, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{
				Algorithm: token.ES256,
				Signer: &transit{
					client: &http.Client{Timeout: 10 * time.Second},
					url:    server.URL,
					token:  func() string { return tc.token },
					public: tc.public,
				},
			}}})
			if tc.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
}

// The page shows this very wrapper.
func TestThePageShowsTransit(t *testing.T) {
	source, err := os.ReadFile("transit_test.go")
	require.NoError(t, err)
	_, wrapper, _ := strings.Cut(string(source), "\n// transit is")
	wrapper, _, found := strings.Cut(wrapper, "\n// vaultServer")
	require.True(t, found)
	page, err := os.ReadFile("../../docs/kms-hsm.md")
	require.NoError(t, err)
	require.Contains(t, string(page), strings.TrimSpace(wrapper))
}

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// fake stands in for an HSM. What it does wrong, show must notice.
type fake struct {
	keys       map[string]*fakeKey
	protection protection
	failing    error // what Generate says
	forgetful  bool  // finds another key than the one it made
	forging    bool  // signs with another key than the one it shows
	immortal   bool  // signs after Close
}

func newFake() *fake {
	return &fake{
		keys: map[string]*fakeKey{},
		protection: protection{Local: true, Sensitive: true, AlwaysSensitive: true, NeverExtractable: true,
			Asked: "CKA_VALUE", Refusal: errors.New("CKR_ATTRIBUTE_SENSITIVE")},
	}
}

type fakeKey struct {
	crypto.Signer
	with crypto.Signer
	lost bool
}

func (k *fakeKey) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if k.lost {
		return nil, errors.New("not connected")
	}
	return k.with.Sign(r, digest, opts)
}

func generateInMemory(algorithm token.Algorithm) (crypto.Signer, error) {
	if algorithm == token.ES256 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

func (f *fake) Generate(label string, algorithm token.Algorithm) (crypto.Signer, error) {
	shown, err := generateInMemory(algorithm)
	if err != nil || f.failing != nil {
		return nil, errors.Join(err, f.failing)
	}
	key := &fakeKey{Signer: shown, with: shown}
	if f.forging {
		if key.with, err = generateInMemory(algorithm); err != nil {
			return nil, err
		}
	}
	f.keys[label] = key
	if f.forgetful {
		other, err := generateInMemory(algorithm)
		f.keys[label] = &fakeKey{Signer: other, with: other}
		return key, err
	}
	return key, nil
}

func (f *fake) Find(label string) (crypto.Signer, error) { return f.keys[label], nil }

func (f *fake) Protection(crypto.Signer) (protection, error) { return f.protection, nil }

func (f *fake) Close() error {
	for _, k := range f.keys {
		k.lost = !f.immortal
	}
	return nil
}

func TestShow(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*fake)
		want  string // of the error; "" if there is none
		line  string // of the transcript
	}{
		{"as it must be", func(*fake) {}, "", "All 39 expectations held."},
		{"the private value is given", func(f *fake) { f.protection.Refusal = nil },
			"3 of 39 expectations failed", "FAIL first: asked for CKA_VALUE"},
		{"not sensitive", func(f *fake) { f.protection.Sensitive = false },
			"3 of 39 expectations failed", "FAIL first: CKA_LOCAL true, CKA_SENSITIVE false"},
		{"was readable once", func(f *fake) { f.protection.AlwaysSensitive = false },
			"3 of 39 expectations failed", "CKA_ALWAYS_SENSITIVE false"},
		{"imported", func(f *fake) { f.protection.Local = false },
			"3 of 39 expectations failed", "FAIL first: CKA_LOCAL false"},
		{"extractable", func(f *fake) { f.protection.Extractable = true },
			"3 of 39 expectations failed", "FAIL first: CKA_EXTRACTABLE true"},
		{"was extractable once", func(f *fake) { f.protection.NeverExtractable = false },
			"3 of 39 expectations failed", "CKA_NEVER_EXTRACTABLE false"},
		{"another key under the label", func(f *fake) { f.forgetful = true },
			"3 of 39 expectations failed", "FAIL first, ES256: found again"},
		{"signs with another key", func(f *fake) { f.forging = true }, "step 2", "2. "},
		{"signs after it was lost", func(f *fake) { f.immortal = true },
			"1 of 39 expectations failed", "FAIL nothing can be issued"},
		{"generates nothing", func(f *fake) { f.failing = errors.New("no room") }, "step 1: no room", "1. "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake()
			tc.spoil(f)
			var out bytes.Buffer
			err := show(t.Context(), &out, f)
			if tc.want == "" {
				require.NoError(t, err, "%s", &out)
			} else {
				require.ErrorContains(t, err, tc.want, "%s", &out)
			}
			require.Contains(t, out.String(), tc.line)
		})
	}
}

// A transcript in which everything is ok must not be one that cannot say otherwise.
func TestStoryNotices(t *testing.T) {
	s := newStory(io.Discard, newFake())
	defer func() { s.stop() }()
	require.NoError(t, s.generate(t.Context()))
	require.NoError(t, s.sign(t.Context()))
	raw, err := s.issue(t.Context(), "first")
	require.NoError(t, err)
	require.Zero(t, s.failed)

	serve := func(set string) func() {
		return func() {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
			t.Cleanup(server.Close)
			s.url = server.URL
			s.expectKeys(t.Context(), "first signing", "spare announced")
		}
	}
	for _, tc := range []struct {
		name string
		do   func()
	}{
		{"another verdict here", func() { s.expectVerdicts(t.Context(), "", raw, keyRevoked, accepted) }},
		{"another verdict elsewhere", func() { s.expectVerdicts(t.Context(), "", raw, accepted, kidUnknown) }},
		{"another state", func() { s.expectKeys(t.Context(), "first retired", "spare announced") }},
		{"another key signs", func() { _, _ = s.issue(t.Context(), "second") }},
		{"another algorithm", func() {
			s.keys["first"].algorithm = token.ES384
			_, _ = s.issue(t.Context(), "first")
		}},
		{"a key is not published", serve(`{"keys":[{"kid":"` + s.keys["first"].id + `"}]}`)},
		{"a private member is published", serve(`{"keys":[{"kid":"` + s.keys["first"].id + `"},{"kid":"` + s.keys["spare"].id + `","d":"AA"}]}`)},
		{"the key set cannot be had", serve("")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := s.failed
			tc.do()
			require.Equal(t, before+1, s.failed)
		})
	}
}

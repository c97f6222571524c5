package token_test

import (
	"context"
	"crypto"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func TestKeyRingMistakes(t *testing.T) {
	one := []token.Key{{Algorithm: token.ES256, Signer: p256Key()}}
	made := func(context.Context, token.Algorithm) (crypto.Signer, error) { return edKey, nil }
	const m, h = time.Minute, time.Hour
	for _, tc := range []struct {
		desc string
		cfg  token.KeyRingConfig
		want []string
	}{
		{"a key", token.KeyRingConfig{Keys: one}, nil},
		{"Generate", token.KeyRingConfig{Generate: token.ES256}, nil},
		{"a schedule", token.KeyRingConfig{Generate: token.ES384, Period: 30 * 24 * h}, nil},
		{"NewSigner", token.KeyRingConfig{Generate: token.EdDSA, NewSigner: made}, nil},
		{"RSA", token.KeyRingConfig{Generate: token.PS256}, nil},
		{"nothing", token.KeyRingConfig{}, []string{"Keys"}},
		{"keys that only verify", token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Public: p256Key().Public()}}}, nil},
		{"Generate HS256", token.KeyRingConfig{Keys: one, Generate: token.HS256}, []string{"Generate"}},
		{"Generate none", token.KeyRingConfig{Keys: one, Generate: "none"}, []string{"Generate"}},
		{"NewSigner for nothing", token.KeyRingConfig{Keys: one, NewSigner: made}, []string{"NewSigner"}},
		{"Period for nothing", token.KeyRingConfig{Keys: one, Period: 24 * h}, []string{"Period"}},
		{"Period negative", token.KeyRingConfig{Generate: token.EdDSA, Period: -1}, []string{"Period"}},
		{"Period below Announce", token.KeyRingConfig{Generate: token.EdDSA, Period: h - 1}, []string{"Period"}},
		{"Period of Announce", token.KeyRingConfig{Generate: token.EdDSA, Period: h}, nil},
		{"Announce below two MaxAge", token.KeyRingConfig{Keys: one, Announce: 10*m - 1}, []string{"Announce"}},
		{"Announce of two MaxAge", token.KeyRingConfig{Keys: one, Announce: 10 * m}, nil},
		{"Announce negative", token.KeyRingConfig{Keys: one, Announce: -1}, []string{"Announce"}},
		{"MaxAge beyond half of Announce", token.KeyRingConfig{Keys: one, MaxAge: h/2 + 1}, []string{"Announce"}},
		{"MaxAge negative", token.KeyRingConfig{Keys: one, MaxAge: -1}, []string{"MaxAge"}},
		{"MaxAge below a second", token.KeyRingConfig{Keys: one, MaxAge: time.Second - 1}, []string{"MaxAge"}},
		{"Retire negative", token.KeyRingConfig{Keys: one, Retire: -1}, []string{"Retire"}},
		{"App with a slash", token.KeyRingConfig{Keys: one, App: "a/b"}, []string{"App"}},
		{"all at once", token.KeyRingConfig{Generate: "none", App: "/", Retire: -1, Period: -1, Announce: -1, MaxAge: -2,
			Keys: []token.Key{{Algorithm: "none", Signer: p256Key()}, one[0], one[0]}},
			[]string{"App", "Generate", "MaxAge", "Retire", "Period", "Keys[0].Algorithm", "Keys[2]"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r, err := token.NewKeyRing(tc.cfg)
			require.Equal(t, tc.want, wrongFields(t, err, "token.KeyRingConfig."))
			require.Equal(t, err != nil, r == nil)
		})
	}
}

func TestNewSignerMistakes(t *testing.T) {
	away := errors.New("the KMS is away")
	for _, tc := range []struct {
		desc   string
		signer crypto.Signer
		err    error
		want   string
	}{
		{"error", nil, away, "the KMS is away"},
		{"nothing", nil, nil, "neither"},
		{"another kind", p256Key(), nil, "not a key of EdDSA"},
		{"one that signs badly", &kms{key: edKey, instead: func([]byte, crypto.SignerOpts) ([]byte, error) {
			return make([]byte, 64), nil
		}}, nil, "does not verify"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			sink := &keySink{}
			_, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.EdDSA, Audit: sink,
				NewSigner: func(context.Context, token.Algorithm) (crypto.Signer, error) { return tc.signer, tc.err }})
			require.ErrorContains(t, err, tc.want)
			require.Len(t, sink.take(), 1)
		})
	}
	t.Run("the same key again", func(t *testing.T) {
		r, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.EdDSA,
			NewSigner: func(context.Context, token.Algorithm) (crypto.Signer, error) { return edKey, nil }})
		require.NoError(t, err)
		require.ErrorContains(t, r.Rotate(t.Context()), "in the ring already")
		require.Len(t, r.Keys(), 1)
	})
}

// A service that was given a public key in a file, and no URL, verifies with a ring
// that cannot sign.
func TestRingThatOnlyVerifies(t *testing.T) {
	issuer := newIssuer(t, token.Key{Algorithm: token.ES256, Signer: p256Key()}, nil)
	ring, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Public: p256Key().Public()}}})
	require.NoError(t, err)
	issued, err := issuer.Issue(t.Context(), token.Grant{Principal: core.Principal{Subject: "ada"}})
	require.NoError(t, err)
	v, err := token.NewVerifier(token.VerifierConfig{
		Audience: audience, Now: newKeyClock().Now,
		Issuers: []token.TrustedIssuer{{Name: issuerName, Algorithms: []token.Algorithm{token.ES256}, Keys: ring}},
	})
	require.NoError(t, err)
	accepted, err := v.Verify(t.Context(), issued.Token)
	require.NoError(t, err)
	require.Equal(t, "ada", accepted.Principal().Subject)
	_, err = token.NewIssuer(token.IssuerConfig{Name: issuerName, Audience: audience, Keys: ring})
	require.Equal(t, []string{"Keys"}, wrongFields(t, err, "token.IssuerConfig."))
}

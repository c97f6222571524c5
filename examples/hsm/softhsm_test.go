//go:build cgo

package main

import (
	"bytes"
	"maps"
	"os"
	"testing"

	"github.com/ThalesGroup/crypto11"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

// needSoftHSM skips where there is no SoftHSM. make hsm installs it, runs the same
// program and skips nothing.
func needSoftHSM(t *testing.T) {
	if _, _, err := findSoftHSM(); err != nil {
		t.Skip(err)
	}
}

func TestSoftHSM(t *testing.T) {
	needSoftHSM(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv(softHSMConf, "") // run sets it; this puts it back
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "", ""), "%s", &out)
	require.NotContains(t, out.String(), "FAIL")
	require.Contains(t, out.String(), "CKR_ATTRIBUTE_SENSITIVE")
	require.Regexp(t, `All [1-9][0-9] expectations held\.\n$`, out.String())

	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "something was left behind")
}

// makeSoftHSM returns an empty token of the test's own.
func makeSoftHSM(t *testing.T) softHSM {
	soft, err := newSoftHSM(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Setenv(softHSMConf, soft.conf)
	return soft
}

func open(t *testing.T, soft softHSM) vault {
	v, err := openVault(soft.module, soft.label, soft.pin)
	require.NoError(t, err)
	return v
}

// A key that may be read out must not pass for one that may not: what Protection says
// comes from the HSM and not from what was asked for.
func TestProtectionOfAKeyThatMayBeReadOut(t *testing.T) {
	needSoftHSM(t)
	v := open(t, makeSoftHSM(t)).(*pkcs11Vault)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	readable := maps.Clone(signsOnly)
	readable[crypto11.CkaSensitive] = false
	readable[crypto11.CkaExtractable] = true
	for _, tc := range []struct {
		algorithm token.Algorithm
		want      protection
	}{
		{token.ES256, protection{Local: true, Extractable: true, Asked: "CKA_VALUE"}},
		{token.RS256, protection{Local: true, Extractable: true, Asked: "CKA_PRIVATE_EXPONENT"}},
	} {
		t.Run(string(tc.algorithm), func(t *testing.T) {
			key, err := v.generate("readable-"+string(tc.algorithm), tc.algorithm, readable)
			require.NoError(t, err)
			got, err := v.Protection(key)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestCloseDeletesTheKeys(t *testing.T) {
	needSoftHSM(t)
	soft := makeSoftHSM(t)
	v := open(t, soft)
	_, err := v.Generate("gone-soon", token.ES256)
	require.NoError(t, err)
	require.NoError(t, v.Close())
	require.NoError(t, v.Close(), "a second time")

	v = open(t, soft)
	_, err = v.Find("gone-soon")
	require.ErrorContains(t, err, "was not found")
	require.NoError(t, v.Close())
}

func TestOpenVaultWithAWrongPIN(t *testing.T) {
	needSoftHSM(t)
	soft := makeSoftHSM(t)
	_, err := openVault(soft.module, soft.label, soft.pin+"0")
	require.ErrorContains(t, err, "CKR_PIN_INCORRECT")
	require.NotContains(t, err.Error(), soft.pin)
}

// More logins at once than the pool has sessions wait for each other and do not fail.
func TestSignsInParallel(t *testing.T) {
	needSoftHSM(t)
	v := open(t, makeSoftHSM(t))
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	key, err := v.Generate("parallel", token.ES256)
	require.NoError(t, err)
	ring, err := token.NewKeyRing(token.KeyRingConfig{Keys: []token.Key{{Algorithm: token.ES256, Signer: key}}})
	require.NoError(t, err)
	issuer, err := token.NewIssuer(token.IssuerConfig{Name: issuerName, Audience: audience, Keys: ring})
	require.NoError(t, err)

	errs := make(chan error, 32)
	for range 32 {
		go func() {
			_, err := issuer.Issue(t.Context(), alice)
			errs <- err
		}()
	}
	for range 32 {
		require.NoError(t, <-errs)
	}
}

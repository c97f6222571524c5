package token_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

var _ refresh.Issuer = (*token.Issuer)(nil)

func TestIssueAnswer(t *testing.T) {
	i := newIssuer(t, token.Key{Algorithm: token.EdDSA, Signer: edKey}, nil)
	require.Equal(t, audience, i.Audience())
	require.Equal(t, 900*time.Second, i.Lifetime())
	later := newKeyClock().Now().Add(time.Hour)
	for _, tc := range []struct {
		desc     string
		answer   revocation.Answer
		gen, ans any
	}{
		{"of a family", revocation.Answer{Generation: 7, Stamp: 1767355200000000}, json.Number("7"), json.Number("1767355200000000")},
		{"the largest", revocation.Answer{Generation: 1 << 53, Stamp: 1 << 53}, json.Number("9007199254740992"), json.Number("9007199254740992")},
		{"unwired", revocation.Answer{}, nil, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			raw, expires, err := i.IssueAnswer(t.Context(), ann(), "web", tc.answer, later)
			require.NoError(t, err)
			_, claims := read(t, raw, token.EdDSA, edKey.Public())
			require.Equal(t, tc.gen, claims["gen"])
			require.Equal(t, tc.ans, claims["ans"])
			require.Equal(t, "web", claims["client_id"])
			require.Equal(t, ann().Session, claims["sid"])
			require.Equal(t, json.Number("9007199254740992"), claims["sep"], "the login's, whatever it is now")
			exp, err := claims["exp"].(json.Number).Int64()
			require.NoError(t, err)
			require.Equal(t, time.Unix(exp, 0).UTC(), expires)
		})
	}
	for desc, a := range map[string]revocation.Answer{
		"generation too large":     {Generation: 1<<53 + 1, Stamp: 1},
		"stamp too large":          {Generation: 1, Stamp: 1<<53 + 1},
		"a generation alone":       {Generation: 1},
		"a stamp alone":            {Stamp: 1},
		"a stamp of the year 2300": {Generation: 1, Stamp: 10_413_792_000_000_000},
	} {
		raw, expires, err := i.IssueAnswer(t.Context(), ann(), "web", a, later)
		require.Equal(t, []string{"token.Issuer.IssueAnswer.a"}, wrongFields(t, err, ""), desc)
		require.Empty(t, raw, desc)
		require.Zero(t, expires, desc)
	}
	raw, _, err := i.IssueAnswer(t.Context(), core.Principal{}, "", revocation.Answer{}, later)
	require.Equal(t, []string{"token.Grant.Subject"}, wrongFields(t, err, ""))
	require.Empty(t, raw)
}

// No access token outlives its family.
func TestIssueAnswerNotAfter(t *testing.T) {
	start := newKeyClock().Now().Add(900 * time.Millisecond)
	i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) {
		cfg.Now = func() time.Time { return start }
	})
	issue := func(notAfter time.Time) (time.Time, error) {
		_, expires, err := i.IssueAnswer(t.Context(), ann(), "", revocation.Answer{Generation: 1, Stamp: 1}, notAfter)
		return expires, err
	}
	for _, left := range []time.Duration{
		time.Second, time.Second + 50*time.Millisecond, 2 * time.Second, time.Minute, 900*time.Second - 1, 900 * time.Second, 24 * time.Hour,
	} {
		for range 20 { // the lifetime is cut at random
			expires, err := issue(start.Add(left))
			require.NoError(t, err, left)
			require.False(t, expires.After(start.Add(left)), left)
			require.False(t, expires.After(start.Add(900*time.Second)), left)
			whole := min(left, 900*time.Second).Truncate(time.Second)
			require.GreaterOrEqual(t, expires.Sub(start.Truncate(time.Second)), whole-whole/20-time.Second, left)
		}
	}
	for _, left := range []time.Duration{time.Second - 1, 1, 0, -1, -time.Hour, -1 << 63} {
		expires, err := issue(start.Add(left))
		require.Equal(t, []string{"token.Issuer.IssueAnswer.notAfter"}, wrongFields(t, err, ""), left)
		require.Zero(t, expires, left)
	}
	_, err := issue(time.Time{})
	require.Error(t, err)
}

func TestIssueAnswerFails(t *testing.T) {
	broken := errors.New("no entropy")
	i := newIssuer(t, secretKey(t), func(cfg *token.IssuerConfig) { cfg.Rand = iotest.ErrReader(broken) })
	raw, expires, err := i.IssueAnswer(t.Context(), ann(), "", revocation.Answer{Generation: 1, Stamp: 1}, newKeyClock().Now().Add(time.Hour))
	require.ErrorIs(t, err, broken)
	require.Empty(t, raw)
	require.Zero(t, expires)
}

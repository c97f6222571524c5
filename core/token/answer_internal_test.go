package token

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Either claim alone, and whatever is no number from 1 to 2^53, makes a token worthless:
// it could not be voided.
func TestVerifyAnswer(t *testing.T) {
	d := newDesk(t, nil)
	for _, row := range []struct {
		gen, ans string
		want     revocation.Answer
	}{
		{"1", "1", revocation.Answer{Generation: 1, Stamp: 1}},
		{"7", "1767355200000000", revocation.Answer{Generation: 7, Stamp: 1767355200000000}},
		{"9007199254740992", "9007199254740992", revocation.Answer{Generation: 1 << 53, Stamp: 1 << 53}},
		{"", "", revocation.Answer{}},
	} {
		got, err := d.Verify(t.Context(), d.good(t, "gen", row.gen, "ans", row.ans))
		require.NoError(t, err, row)
		require.Equal(t, row.want, got.Claims().Answer)
	}
	for _, bad := range []string{"", "0", "-1", "1.0", "1e3", "9007199254740993", "18446744073709551617", `"1"`, "null", "true", "[1]", "{}"} {
		d.refusedFor(t, d.good(t, "gen", bad, "ans", "1"), ErrInvalid, "gen-ans")
		d.refusedFor(t, d.good(t, "gen", "1", "ans", bad), ErrInvalid, "gen-ans")
	}
	d.refusedFor(t, d.good(t, "gen", "0", "ans", "0"), ErrInvalid, "gen-ans")
	d.refusedFor(t, d.good(t, "gen", "1", "Ans", "1"), ErrInvalid, "claims-case")
	d.refusedFor(t, d.good(t, "Gen", "1", "ans", "1"), ErrInvalid, "claims-case")
}

// A denial of a token is remembered for longer than any verifier lets the token live.
func TestMarginCoversTheLeeway(t *testing.T) {
	require.GreaterOrEqual(t, revocation.Margin, 2*maxLeeway)
}

// witness is a store of revocations that does what the test says, and tells what it was
// asked.
type witness struct {
	revocation.Store
	calls   []string
	answers []revocation.Answer
	asked   []revocation.Asked
	sight   error
	found   revocation.Found
	check   error
	after   func() // a sighting
}

func (w *witness) Sight(_ context.Context, _ revocation.Owner, family revocation.Handle, a revocation.Answer) error {
	w.calls, w.answers = append(w.calls, "sight "+family.String()), append(w.answers, a)
	if w.after != nil {
		w.after()
	}
	return w.sight
}

func (w *witness) Revoked(_ context.Context, _ revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	w.calls, w.asked = append(w.calls, "check "+a.Session.String()), append(w.asked, a)
	found := w.found
	if a.Generation == 0 {
		found.Floor = 0
	}
	return found, w.check
}

const (
	sight = "sight " + theSession
	check = "check " + theSession
)

// newWitnessed returns a desk whose issuer's revocations are in w.
func newWitnessed(t *testing.T, w revocation.Store, change func(*VerifierConfig)) *desk {
	t.Helper()
	r, err := revocation.New(w, revocation.Config{Secret: []byte(strings.Repeat("s", 32))})
	require.NoError(t, err)
	return newDesk(t, func(c *VerifierConfig) {
		c.Issuers[0].Revocations = r
		if change != nil {
			change(c)
		}
	})
}

// A token is reported when it is first seen, before anything is asked about it, and not
// again while it is remembered.
func TestVerifySightsFirst(t *testing.T) {
	w := &witness{found: revocation.Found{Epoch: 3, Floor: 9}}
	d := newWitnessed(t, w, nil)
	raw := d.good(t, "gen", "4", "ans", "9")
	for range 3 {
		_, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	require.Equal(t, []string{sight, check, check, check}, w.calls)
	require.Equal(t, []revocation.Answer{{Generation: 4, Stamp: 9}}, w.answers)
	session, _ := revocation.ParseHandle(theSession)
	jti := revocation.TokenHandle("6c3b6f0e-0d3e-4a57-8c2b-1f0e9f0a7b11")
	for _, a := range w.asked {
		require.Equal(t, revocation.Asked{Session: session, Token: jti, Generation: 4}, a)
	}

	w.calls = nil
	_, err := d.Verify(t.Context(), d.good(t, "gen", "4", "ans", "10"))
	require.NoError(t, err)
	require.Equal(t, []string{sight, check}, w.calls, "another token is another sighting")

	w.calls = nil
	_, err = d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
	require.Equal(t, []string{check}, w.calls, "one without a family has nothing to report")
}

// Every verifier reports what it sees: none knows what another has seen.
func TestVerifiersReportApart(t *testing.T) {
	w := &witness{found: revocation.Found{Epoch: 3}}
	a := newWitnessed(t, w, nil)
	registry := a.issuers[theIssuer].revocations
	b := newDeskOf(t, a.pen, func(c *VerifierConfig) { c.Issuers[0].Revocations = registry })
	raw := a.good(t, "gen", "1", "ans", "1")
	for range 2 {
		for _, d := range []*desk{a, b} {
			_, err := d.Verify(t.Context(), raw)
			require.NoError(t, err)
		}
	}
	require.Equal(t, []string{sight, check, sight, check, check, check}, w.calls)

	w.calls = nil
	forgetful := newDeskOf(t, a.pen, func(c *VerifierConfig) {
		c.Issuers[0].Revocations, c.CacheBytes = registry, -1
	})
	for range 2 {
		_, err := forgetful.Verify(t.Context(), raw)
		require.NoError(t, err)
	}
	require.Equal(t, []string{sight, check, sight, check}, w.calls, "what is not remembered is seen for the first time")
}

// What was not reported was not accepted, and must be reported when it comes again.
func TestVerifyFailedSightingIsNotRemembered(t *testing.T) {
	away := errors.New("no answer")
	for _, row := range []struct {
		desc  string
		set   func(w *witness)
		calls []string
	}{
		{"the sighting fails", func(w *witness) { w.sight = away }, []string{sight}},
		{"the check fails", func(w *witness) { w.check = away }, []string{sight, check}},
	} {
		t.Run(row.desc, func(t *testing.T) {
			w := &witness{found: revocation.Found{Epoch: 3}}
			d := newWitnessed(t, w, nil)
			raw := d.good(t, "gen", "1", "ans", "1")
			row.set(w)
			for range 2 {
				w.calls = nil
				got, err := d.Verify(t.Context(), raw)
				require.Nil(t, got)
				require.ErrorIs(t, err, core.ErrUnknown)
				require.ErrorIs(t, err, away)
				require.NotErrorIs(t, err, ErrInvalid)
				require.NotErrorIs(t, err, ErrRevoked)
				require.Equal(t, row.calls, w.calls)
				require.Zero(t, d.cache.bytes)
			}
			w.calls, w.sight, w.check = nil, nil, nil
			_, err := d.Verify(t.Context(), raw)
			require.NoError(t, err)
			require.Equal(t, []string{sight, check}, w.calls)
		})
	}
}

func TestVerifyWithoutAWitness(t *testing.T) {
	d := newWitnessed(t, struct{ revocation.Store }{&witness{found: revocation.Found{Epoch: 3}}}, nil)
	got, err := d.Verify(t.Context(), d.good(t, "gen", "1", "ans", "1"))
	require.Nil(t, got)
	require.ErrorIs(t, err, revocation.ErrNoWitness)
	require.ErrorIs(t, err, core.ErrUnknown)
	_, err = d.Verify(t.Context(), d.good(t))
	require.NoError(t, err)
}

func TestVerifyVoid(t *testing.T) {
	for _, row := range []struct {
		desc  string
		set   func(w *witness)
		calls []string
	}{
		{"the family has ended", func(w *witness) { w.sight = revocation.ErrEnded }, []string{sight}},
		{"a later answer came", func(w *witness) { w.sight = revocation.ErrVoid }, []string{sight}},
		{"of a generation before", func(w *witness) { w.found.Floor = 10 }, []string{sight, check}},
		{"denied", func(w *witness) { w.found.Denied = true }, []string{sight, check}},
		{"everything of the subject", func(w *witness) { w.found.Epoch = 4 }, []string{sight, check}},
		// The order matters here: a check that came before the sighting would have
		// found nothing.
		{"in between", func(w *witness) { w.after = func() { w.found.Floor = 10 } }, []string{sight, check}},
	} {
		t.Run(row.desc, func(t *testing.T) {
			w := &witness{found: revocation.Found{Epoch: 3}}
			d := newWitnessed(t, w, nil)
			row.set(w)
			d.refusedFor(t, d.good(t, "gen", "4", "ans", "9"), ErrRevoked, "revoked")
			require.Equal(t, append(row.calls, row.calls...), w.calls, "and is not remembered")
			require.Zero(t, d.cache.bytes)
		})
	}
	t.Run("once it was accepted", func(t *testing.T) {
		w := &witness{found: revocation.Found{Epoch: 3}}
		d := newWitnessed(t, w, nil)
		raw := d.good(t, "gen", "4", "ans", "9")
		_, err := d.Verify(t.Context(), raw)
		require.NoError(t, err)
		w.found.Floor = 10
		d.refusedFor(t, raw, ErrRevoked, "revoked")
	})
}

// Only what would be accepted but for the store is a sighting. What does not verify could
// be made up by anybody, and a sighting of it would confirm what never arrived.
func TestVerifySightsNothingElse(t *testing.T) {
	w := &witness{found: revocation.Found{Epoch: 3}}
	d := newWitnessed(t, w, nil)
	raw := d.good(t, "gen", "1", "ans", "1")
	d.refusedFor(t, flipped(raw), ErrInvalid, "signature")
	d.refusedFor(t, d.good(t, "gen", "1", "ans", "1", "aud", `"https://other.example"`), ErrInvalid, "aud-mismatch")
	d.refusedFor(t, d.good(t, "gen", "1", "ans", "1", "sid", ""), ErrInvalid, "sid")
	d.refusedFor(t, d.good(t, "gen", "1", "ans", "1", "iat", "1700000031"), ErrInvalid, "iat-future")
	d.refusedFor(t, d.good(t, "gen", "1"), ErrInvalid, "gen-ans")
	d.at(930 * time.Second)
	d.refusedFor(t, raw, ErrExpired, "expired")
	require.Empty(t, w.calls)

	d.at(930*time.Second - 1)
	_, err := d.Verify(t.Context(), raw)
	require.NoError(t, err)
	require.Equal(t, []string{sight, check}, w.calls)
}

// A token that could not be revoked is not one to renew.
func TestVerifySidBeforeExpiry(t *testing.T) {
	d := newWitnessed(t, &witness{}, nil)
	d.at(time.Hour)
	d.refusedFor(t, d.good(t, "sid", `"s-1"`), ErrInvalid, "sid")
	d.refusedFor(t, d.good(t, "sid", ""), ErrInvalid, "sid")
	d.refusedFor(t, d.good(t), ErrExpired, "expired")
	free := newDeskOf(t, d.pen, nil)
	_, err := free.Verify(t.Context(), free.good(t, "sid", `"s-1"`))
	require.NoError(t, err, "without revocations a sid is any text")
}

package rotation_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

func TestClaims(t *testing.T) {
	for _, want := range []rotation.Claims{
		{Generation: 3, Stamp: 17},
		{Generation: 1, Stamp: 1 << 52, Session: "AAECAwQFBgcICQoLDA0ODw", Epoch: 9, Expires: 1_700_000_000_000_000},
	} {
		got, ok := rotation.ReadClaims(want.String())
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "at", "at.1", "at.1.x", "at.1.2.3", "rt.1.2", "at.1.2.sid.x.4", "at.1.2.sid.3.4.5"} {
		_, ok := rotation.ReadClaims(text)
		require.False(t, ok, text)
	}
}

// TestModel compares the model of the rule with the real one: the variants are made of
// the model, and say nothing about the real rule if it is another one.
func TestModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	g := rotation.Grace
	waits := []time.Duration{
		0, time.Microsecond, g / 2, g - 2*time.Microsecond, g, g + time.Microsecond, 2*g - time.Microsecond, 2 * g,
		2*g + time.Microsecond, 3 * g, 3*g + time.Microsecond, 10 * time.Minute, 24*time.Hour - g, 24*time.Hour + g,
	}
	for range 3000 {
		clock := rotation.NewClock()
		real, model := rotation.Ours.New(clock).(rotation.Observed), rotation.Model.New(clock).(rotation.Observed)
		var history []string
		// By generation; an access token for each answer.
		type pair struct{ real, model string }
		var refresh, access []pair
		take := func(a, b rotation.Answer) {
			require.Equal(t, a.Refresh == "", b.Refresh == "", "%q: a refresh token", history)
			c, _ := rotation.ReadClaims(a.Access)
			d, _ := rotation.ReadClaims(b.Access)
			require.Equal(t, []uint64{c.Generation, c.Stamp}, []uint64{d.Generation, d.Stamp}, "%q: claims", history)
			access = append(access, pair{a.Access, b.Access})
			if a.Refresh != "" && int(c.Generation) == len(refresh)+1 {
				refresh = append(refresh, pair{a.Refresh, b.Refresh})
			}
		}
		take(real.Login(), model.Login())
		for range 30 {
			wait := waits[random.IntN(len(waits))]
			// No two answers at one time: the model's stamps are no clock.
			clock.Advance(wait + time.Microsecond)
			history = append(history, wait.String())
			if random.IntN(3) == 0 {
				one := access[len(access)-1-random.IntN(min(len(access), 4))]
				history = append(history, "use "+one.model)
				require.Equal(t, real.Use(one.real), model.Use(one.model), "%q: accepted", history)
			} else {
				// The latest ones above all: an older one ends the history.
				one := refresh[max(len(refresh)-1-[]int{0, 0, 1, 1, 1, 1, 1, 2}[random.IntN(8)], 0)]
				history = append(history, "refresh "+one.model)
				a, o := real.Refresh(one.real)
				b, p := model.Refresh(one.model)
				require.Equal(t, o, p, "%q: outcome", history)
				if o == rotation.Answered {
					take(a, b)
				}
			}
			require.Equal(t, real.View(), model.View(), "%q: view", history)
			require.Equal(t, real.Dead(), model.Dead(), "%q: dead", history)
			if real.Dead() {
				break
			}
		}
	}
}

// TestSchemes holds the models of the other schemes to what section 4.5 of the attack
// catalogue says of them: what becomes of a client whose answer was lost and who tries
// again an hour later, of two tabs 50 ms apart, and of a thief who refreshes first.
func TestSchemes(t *testing.T) {
	for _, test := range []struct {
		scheme             rotation.Scheme
		lost, tabs, caught bool
	}{
		{rotation.Others[0], false, false, true},
		{rotation.Others[1], false, true, true},
		{rotation.Others[2], false, true, true},
		{rotation.Others[3], true, false, true},
		{rotation.Others[4], false, true, true},
		{rotation.Others[5], true, true, false},
		{rotation.Others[6], true, true, true},
		{rotation.Ours, true, true, true},
		{rotation.Model, true, true, true},
	} {
		t.Run(test.scheme.Name, func(t *testing.T) {
			clock := rotation.NewClock()
			s := test.scheme.New(clock)
			first := s.Login()
			s.Refresh(first.Refresh)
			clock.Advance(time.Hour)
			_, o := s.Refresh(first.Refresh)
			require.Equal(t, test.lost, o == rotation.Answered, "an answer was lost")
			require.Equal(t, test.lost, !s.Dead())

			s = test.scheme.New(clock)
			first = s.Login()
			clock.Advance(time.Hour)
			won, _ := s.Refresh(first.Refresh)
			s.Use(won.Access)
			clock.Advance(50 * time.Millisecond)
			_, o = s.Refresh(first.Refresh)
			require.Equal(t, test.tabs, o == rotation.Answered, "two tabs")

			s = test.scheme.New(clock)
			first = s.Login()
			clock.Advance(time.Hour)
			won, _ = s.Refresh(first.Refresh)
			require.True(t, s.Use(won.Access))
			clock.Advance(10 * time.Minute)
			_, o = s.Refresh(first.Refresh)
			require.Equal(t, test.caught, o == rotation.Refused, "a thief came first")
			require.Equal(t, test.caught, s.Dead())
			require.Equal(t, !test.caught, s.Use(won.Access))
		})
	}
}

func TestCrash(t *testing.T) {
	clock := rotation.NewClock()
	s := rotation.Ours.New(clock).(rotation.Crashing)
	first := s.Login()
	require.Equal(t, rotation.Failed, s.Crash(first.Refresh))
	a, o := s.Refresh(first.Refresh)
	require.Equal(t, rotation.Answered, o)
	c, _ := rotation.ReadClaims(a.Access)
	require.Equal(t, uint64(2), c.Generation, "the decision before the crash stands, and is repeated")
	require.Equal(t, rotation.Failed, s.Crash(a.Refresh))
	s.Logout(a.Refresh)
	require.Equal(t, rotation.Refused, s.Crash(a.Refresh))
	require.False(t, s.Use(a.Access))
	require.True(t, s.Dead())
}

// TestServersApart: families of one Real share a store and nothing else.
func TestServersApart(t *testing.T) {
	clock := rotation.NewClock()
	fleet, err := rotation.NewReal(clock)
	require.NoError(t, err)
	one, other := fleet.Server(), fleet.Server()
	a, b := one.Login(), other.Login()
	require.NotEqual(t, a.Refresh, b.Refresh)
	one.Logout(a.Refresh)
	require.True(t, one.Dead())
	require.False(t, one.Use(a.Access))
	require.False(t, other.Dead())
	require.True(t, other.Use(b.Access))
}

package redisstore_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/redisstore"
)

// family is one of an owner's that nothing happened to yet.
func family(owner revocation.Owner, n byte) refresh.Family {
	return refresh.Family{
		Owner: owner, Handle: handle(n), Lifetime: 50 * time.Minute, Idle: 30 * time.Minute,
		State: refresh.State{Secret: refresh.SecretID{1}}, Value: "value",
	}
}

func begin(t testing.TB, s refresh.Store, f refresh.Family) refresh.Family {
	t.Helper()
	f, _, err := s.CreateFamily(t.Context(), f, 100)
	require.NoError(t, err)
	return f
}

// token is what a client of generation n presents, with no grace: all windows are closed
// a microsecond later.
func token(n uint64) *refresh.Presented {
	return &refresh.Presented{
		Generation: n, Secret: refresh.SecretID{1}, Signing: refresh.SecretID{2},
		Rules: refresh.Rules{Wired: true, Denied: 10 * time.Minute},
	}
}

// TestOneObject: a Rotator finds the store of families through the registry of whoever
// made it, so all three are the same one.
func TestOneObject(t *testing.T) {
	s := newStore(t, time.Now)
	require.Same(t, s.Sessions(), s.Refresh())
	require.Same(t, s.Sessions(), s.Revocations())
	require.Implements(t, (*revocation.Witness)(nil), s.Revocations())
	_, local := s.Revocations().(revocation.Local)
	require.False(t, local)
}

// TestServerClock (TM3): the windows and ends of families are measured by the server's
// clock, unless a test says which time it is.
func TestServerClock(t *testing.T) {
	n := startNode(t)
	client := n.client(t, rueidis.ClientOption{})
	micros := func() int64 {
		t.Helper()
		now, err := n.do(t, "TIME").AsIntSlice()
		require.NoError(t, err)
		return now[0]*1_000_000 + now[1]
	}
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Refresh()
	before := micros()
	f := begin(t, s, family(alice, 1))
	between := micros()
	require.LessOrEqual(t, before, f.Created)
	require.GreaterOrEqual(t, between, f.Created)
	require.Equal(t, f.Created+f.Lifetime.Microseconds(), f.Ends)
	out, err := s.Rotate(t.Context(), f.Key(), token(1))
	require.NoError(t, err)
	require.LessOrEqual(t, between, out.Family.Fixed)
	require.GreaterOrEqual(t, micros(), out.Family.Fixed)
	require.Equal(t, out.Family.Fixed+f.Idle.Microseconds(), out.Family.Expires)

	late, err := redisstore.New(t.Context(), client, redisstore.Config{Now: func() time.Time { return time.Now().Add(40 * time.Minute) }})
	require.NoError(t, err)
	_, err = late.Refresh().FindFamily(t.Context(), f.Key())
	require.ErrorIs(t, err, refresh.ErrGone)
	_, err = s.FindFamily(t.Context(), f.Key())
	require.NoError(t, err)

	// This machine is both; what shows whose clock it was is that no time is sent.
	asked := n.monitor(t)
	_, err = s.FindFamily(t.Context(), f.Key())
	require.NoError(t, err)
	_, err = late.Refresh().FindFamily(t.Context(), f.Key())
	require.ErrorIs(t, err, refresh.ErrGone)
	var sent []string
	for _, line := range asked() {
		if m := firstArgument.FindStringSubmatch(line); m != nil {
			sent = append(sent, m[1])
		}
	}
	require.Len(t, sent, 2)
	require.Empty(t, sent[0])
	require.Len(t, sent[1], 16)
}

// firstArgument is that of a script, as a monitor tells it.
var firstArgument = regexp.MustCompile(`(?i)"evalsha" "[0-9a-f]+" "1" ` + ourKey + ` "([0-9]*)"`)

// TestNoLimit: a limit below one is one.
func TestNoLimit(t *testing.T) {
	s := newStore(t, time.Now).Refresh()
	begin(t, s, family(alice, 1))
	for n, limit := range []int{1, 0, -5} {
		_, ended, err := s.CreateFamily(t.Context(), family(alice, byte(n+2)), limit)
		require.NoError(t, err)
		require.Len(t, ended, 1)
	}
}

// TestManyNodes (RF2): of fifty who present one token to five nodes at once, one rotates
// it, and all are answered with the same successor.
func TestManyNodes(t *testing.T) {
	const nodes, each, rounds = 5, 10, 10
	n := startNode(t)
	var sites []*site
	for range nodes {
		sites = append(sites, newSite(t, n.client(t, rueidis.ClientOption{})))
	}
	tokens := sites[0].enter("ann")
	var rotated int
	for round := range rounds {
		for _, s := range sites {
			s.pass(pastWindow)
		}
		var barrier, done sync.WaitGroup
		answers := make([]refresh.Tokens, nodes*each)
		errs := make([]error, nodes*each)
		barrier.Add(1)
		for i := range answers {
			done.Go(func() {
				barrier.Wait()
				answers[i], errs[i] = sites[i%nodes].refresh(tokens.Refresh)
			})
		}
		barrier.Done()
		done.Wait()
		causes := map[string]int{}
		for _, s := range sites {
			for _, cause := range s.events.take("refresh_token_rotated") {
				causes[string(cause)]++
			}
		}
		require.Equal(t, map[string]int{"rotated": 1, "repeated": nodes*each - 1}, causes)
		stamps := map[string]bool{}
		for i := range answers {
			require.NoError(t, errs[i])
			require.Equal(t, answers[0].Refresh, answers[i].Refresh, "round %d", round)
			stamps[answers[i].Access] = true
		}
		require.Len(t, stamps, nodes*each, "each answer has a stamp of its own")
		rotated += causes["rotated"]
		tokens = answers[0]
	}
	require.Equal(t, rounds, rotated)

	// The latest token within its window is answered with access tokens alone.
	var done sync.WaitGroup
	errs := make([]error, nodes*each)
	for i := range errs {
		done.Go(func() {
			got, err := sites[i%nodes].refresh(tokens.Refresh)
			if err == nil && got.Refresh != "" {
				err = fmt.Errorf("got a refresh token")
			}
			errs[i] = err
		})
	}
	done.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// TestLogoutBesideRefresh (RF8): whatever comes first, a family that was logged out is
// over and stays so.
func TestLogoutBesideRefresh(t *testing.T) {
	n := startNode(t)
	sites := []*site{newSite(t, n.client(t, rueidis.ClientOption{})), newSite(t, n.client(t, rueidis.ClientOption{}))}
	for round := range 50 {
		tokens := sites[0].enter(fmt.Sprint("user", round))
		for _, s := range sites {
			s.pass(pastWindow)
		}
		var barrier, done sync.WaitGroup
		var next refresh.Tokens
		var err, logoutErr error
		barrier.Add(1)
		done.Go(func() { barrier.Wait(); next, err = sites[0].refresh(tokens.Refresh) })
		done.Go(func() {
			barrier.Wait()
			_, logoutErr = sites[1].tokens.Logout(t.Context(), tokens.Refresh, refresh.From{})
		})
		barrier.Done()
		done.Wait()
		require.NoError(t, logoutErr)
		if err == nil {
			sites[0].refused(next.Refresh)
			require.ErrorIs(t, sites[1].verify(next), revocation.ErrRevoked)
		} else {
			require.ErrorIs(t, err, refresh.ErrInvalidGrant)
		}
		sites[0].refused(tokens.Refresh)
	}
}

// TestNoRoomForDenial: who was robbed while much else is revoked loses all that they
// have, sessions too, and none of it comes back when that is forgotten.
func TestNoRoomForDenial(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	laptop := s.login("ann")
	stolen, taken := s.rotated("ann")
	other := s.enter("ann")
	require.NoError(t, s.verify(taken))
	s.pass(pastWindow)
	late, lost := s.rotated("ann")
	s.pass(pastGrace)
	owner := s.m.Revocations().Owner("ann")
	for i := range revocation.MaxDenied {
		require.NoError(t, s.store.Deny(t.Context(), owner, revocation.Handle{1, byte(i)}, s.now().Add(time.Hour)))
	}
	key, _ := s.seat(stolen)

	before := n.contents(t)
	_, err := s.refresh(late.Refresh)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.Equal(t, before, n.contents(t), "a repeat that cannot void anything changes nothing")

	s.refused(stolen.Refresh)
	require.Equal(t, []string{"r"}, fields(n.contents(t)[key]), "all that it ended is gone from the store")
	require.Len(t, n.text(t, "HGET", key, "r"), 50, "the epoch alone")
	require.Equal(t, nobody, s.who(laptop))
	for _, tokens := range []refresh.Tokens{other, taken, lost} {
		require.ErrorIs(t, s.verify(tokens), revocation.ErrRevoked)
		s.refused(tokens.Refresh)
	}
	s.pass(denials + time.Minute)
	require.Equal(t, nobody, s.who(laptop))
	for _, tokens := range []refresh.Tokens{other, taken, lost} {
		s.refused(tokens.Refresh)
	}
}

func fields(hash map[string]string) (names []string) {
	for name := range hash {
		names = append(names, name)
	}
	return names
}

// TestRegistryIsShared: owners of one tag have epochs, denials and voids of their own.
func TestRegistryIsShared(t *testing.T) {
	now := time.Now()
	s := newStore(t, func() time.Time { return now }).Refresh()
	bob := alice
	bob.Hash[0]++
	var all []refresh.Family
	for _, owner := range []revocation.Owner{alice, bob} {
		f := begin(t, s, family(owner, owner.Hash[0]))
		now = now.Add(time.Second)
		for _, p := range []*refresh.Presented{token(1), token(1)} {
			out, err := s.Rotate(t.Context(), f.Key(), p)
			require.NoError(t, err)
			f, now = out.Family, now.Add(time.Second)
		}
		require.NotZero(t, f.Floor)
		all = append(all, f)
	}
	asked := func(f refresh.Family) revocation.Asked {
		return revocation.Asked{Session: f.Handle, Generation: f.Generation}
	}
	for i, f := range all {
		found, err := s.Revoked(t.Context(), f.Owner, asked(f))
		require.NoError(t, err)
		require.Equal(t, revocation.Found{Floor: f.Floor}, found)
		found, err = s.Revoked(t.Context(), f.Owner, asked(all[1-i]))
		require.NoError(t, err)
		require.Zero(t, found)
		found, err = s.Revoked(t.Context(), f.Owner, revocation.Asked{Session: f.Handle, Generation: 1})
		require.NoError(t, err)
		require.Zero(t, found, "another generation")
	}
	require.NoError(t, s.Deny(t.Context(), bob, all[1].Handle, now.Add(time.Hour)))
	found, err := s.Revoked(t.Context(), bob, asked(all[1]))
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Denied: true, Floor: all[1].Floor}, found)
	epoch, err := s.RaiseEpoch(t.Context(), bob, now.Add(time.Hour))
	require.NoError(t, err)
	found, err = s.Revoked(t.Context(), bob, asked(all[1]))
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Epoch: epoch}, found, "denials and voids go with what the epoch revokes")
	found, err = s.Revoked(t.Context(), alice, asked(all[0]))
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Floor: all[0].Floor}, found)
	_, err = s.FindFamily(t.Context(), all[0].Key())
	require.NoError(t, err)
}

// TestZeroHandle: nothing is denied because it has no handle.
func TestZeroHandle(t *testing.T) {
	s := newStore(t, time.Now).Refresh()
	require.NoError(t, s.Deny(t.Context(), alice, revocation.Handle{}, time.Now().Add(time.Hour)))
	for _, a := range []revocation.Asked{{}, {Session: handle(1)}, {Token: handle(1)}} {
		found, err := s.Revoked(t.Context(), alice, a)
		require.NoError(t, err)
		require.Zero(t, found)
	}
	require.NoError(t, s.Deny(t.Context(), alice, handle(1), time.Now().Add(time.Hour)))
	for _, a := range []revocation.Asked{{Session: handle(1)}, {Token: handle(1)}, {Session: handle(2), Token: handle(1)}} {
		found, err := s.Revoked(t.Context(), alice, a)
		require.NoError(t, err)
		require.True(t, found.Denied)
	}
}

// TestNumbersOfFamilies: what a script's numbers do not hold is refused or changes
// nothing; the largest generation that a token has is kept exactly.
func TestNumbersOfFamilies(t *testing.T) {
	s := newStore(t, nil).Refresh()
	f := begin(t, s, family(alice, 1))
	const most = 1<<48 - 1
	for _, n := range []uint64{most - 1, most, most + 1} {
		out, err := s.Rotate(t.Context(), f.Key(), token(n))
		require.NoError(t, err)
		require.Equal(t, refresh.Recovered, out.Verdict)
		require.Equal(t, n, out.Family.Generation)
		f = out.Family
	}
	for _, n := range []uint64{1 << 53, math.MaxUint64} {
		_, err := s.Rotate(t.Context(), f.Key(), token(n))
		require.ErrorContains(t, err, "generation")
		require.NoError(t, s.Sight(t.Context(), alice, f.Handle, revocation.Answer{Generation: n, Stamp: 1}))
		require.NoError(t, s.Sight(t.Context(), alice, f.Handle, revocation.Answer{Generation: f.Generation, Stamp: n}))
	}
	got, err := s.FindFamily(t.Context(), f.Key())
	require.NoError(t, err)
	require.Equal(t, f, got)
	forever := family(alice, 2)
	forever.Lifetime, forever.Idle = math.MaxInt64, math.MaxInt64
	got = begin(t, s, forever)
	require.Greater(t, got.Ends, got.Created)
	require.Equal(t, got.Ends, got.Expires)
}

// TestLargeFamily: a value over the limit is refused before it is sent.
func TestLargeFamily(t *testing.T) {
	store, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{Prefix: freshPrefix(), MaxValueBytes: 1 << 10})
	require.NoError(t, err)
	f := family(alice, 1)
	f.Value = strings.Repeat("v", 1<<10)
	_, _, err = store.Refresh().CreateFamily(t.Context(), f, 10)
	require.ErrorContains(t, err, "larger than")
	_, err = store.Refresh().FindFamily(t.Context(), f.Key())
	require.ErrorIs(t, err, refresh.ErrGone)
}

// TestFamiliesDoNotPileUp: those that nobody uses any more go when their owner logs in,
// although nobody presents them.
func TestFamiliesDoNotPileUp(t *testing.T) {
	_, client := server(t)
	now := time.Now()
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Now: func() time.Time { return now }})
	require.NoError(t, err)
	create(t, store.Sessions(), key(1), entry(1, "value"))
	for n := range byte(100) {
		begin(t, store.Refresh(), family(alice, n))
		now = now.Add(20 * time.Minute)
	}
	n, err := command(t, client, "HLEN", hashOf).AsInt64()
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "the session, which is another clock's, and two families")
}

// TestDeadIsRemoved (TM1): a family that was found dead stays so when the clock is set
// back.
func TestDeadIsRemoved(t *testing.T) {
	now := time.Now()
	s := newStore(t, func() time.Time { return now }).Refresh()
	for name, meet := range map[string]func(f *refresh.Family) error{
		"rotate": func(f *refresh.Family) error { _, err := s.Rotate(t.Context(), f.Key(), token(1)); return err },
		"sight":  func(f *refresh.Family) error { return s.Sight(t.Context(), alice, f.Handle, f.Answer()) },
		"end":    func(f *refresh.Family) error { _, err := s.EndFamily(t.Context(), f.Key(), token(1).Rules); return err },
	} {
		t.Run(name, func(t *testing.T) {
			f := begin(t, s, family(alice, 1))
			now = now.Add(40 * time.Minute)
			require.ErrorIs(t, meet(&f), refresh.ErrGone)
			now = now.Add(-20 * time.Minute)
			_, err := s.FindFamily(t.Context(), f.Key())
			require.ErrorIs(t, err, refresh.ErrGone)
		})
	}
}

// TestStrangeFamilies (S19): what is none of ours is "unknown" to whoever asks for it,
// stops nobody from logging in, and a log-out everywhere ends what can be read.
func TestStrangeFamilies(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Refresh()
	f := begin(t, s, family(alice, 1))
	strange := family(alice, 2)
	require.NoError(t, command(t, client, "HSET", hashOf, "f"+string(strange.Handle[:]), "garbage").Error())
	require.NoError(t, command(t, client, "HSET", hashOf, "f"+string(handle(3).String()[:16]), strings.Repeat("\x03", 200)).Error())

	_, err = s.FindFamily(t.Context(), strange.Key())
	require.ErrorContains(t, err, "none of ours")
	_, err = s.Rotate(t.Context(), strange.Key(), token(1))
	require.ErrorContains(t, err, "none of ours")
	_, err = s.EndFamily(t.Context(), strange.Key(), token(1).Rules)
	require.ErrorContains(t, err, "none of ours")
	require.ErrorContains(t, s.Sight(t.Context(), alice, strange.Handle, revocation.Answer{Generation: 1}), "none of ours")
	_, _, err = s.CreateFamily(t.Context(), strange, 10)
	require.ErrorContains(t, err, "none of ours")
	_, err = s.Families(t.Context(), alice)
	require.ErrorContains(t, err, "none of ours")

	newer := begin(t, s, family(alice, 6))
	place := "f" + string(newer.Handle[:])
	record, err := command(t, client, "HGET", hashOf, place).ToString()
	require.NoError(t, err)
	record = "\x09" + record[1:]
	require.NoError(t, command(t, client, "HSET", hashOf, place, record).Error())
	_, err = s.Rotate(t.Context(), newer.Key(), token(1))
	require.ErrorContains(t, err, "none of ours")
	_, err = s.EndFamily(t.Context(), newer.Key(), token(1).Rules)
	require.ErrorContains(t, err, "none of ours")
	left, err := command(t, client, "HGET", hashOf, place).ToString()
	require.NoError(t, err)
	require.Equal(t, record, left, "what a newer release wrote is left to it")

	begin(t, s, family(alice, 4))
	create(t, store.Sessions(), key(1), entry(1, "value"))
	_, err = s.RaiseEpoch(t.Context(), alice, time.Now().Add(time.Hour))
	require.NoError(t, err)
	_, err = s.FindFamily(t.Context(), f.Key())
	require.ErrorIs(t, err, refresh.ErrGone)
	begin(t, s, f)

	require.NoError(t, command(t, client, "HSET", hashOf, "r", "too short").Error())
	_, err = s.FindFamily(t.Context(), f.Key())
	require.ErrorContains(t, err, "revocations")
	_, err = s.Rotate(t.Context(), f.Key(), token(1))
	require.ErrorContains(t, err, "revocations")
	_, _, err = s.CreateFamily(t.Context(), family(alice, 5), 10)
	require.ErrorContains(t, err, "revocations")
}

// TestMemoryPerFamily: what a login costs, all included.
func TestMemoryPerFamily(t *testing.T) {
	const n, most = 20_000, 640
	for _, tc := range []struct {
		desc    string
		secrets [][]byte
	}{{"plain", nil}, {"signed", [][]byte{secret(1)}}} {
		t.Run(tc.desc, func(t *testing.T) {
			_, client := server(t)
			store, err := redisstore.New(t.Context(), client, redisstore.Config{Secrets: tc.secrets, Timeout: time.Minute})
			require.NoError(t, err)
			fill := func(from, to int) {
				var done sync.WaitGroup
				for w := range 16 {
					done.Go(func() {
						for i := from + w; i < to; i += 16 {
							f := family(alice, 1)
							binary.BigEndian.PutUint32(f.Owner.Tag[:], uint32(i))
							f.Value = strings.Repeat("v", 100)
							if _, _, err := store.Refresh().CreateFamily(t.Context(), f, 10); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				done.Wait()
			}
			used := func() int64 {
				info, err := command(t, client, "MEMORY", "STATS").AsMap()
				require.NoError(t, err)
				m := info["total.allocated"]
				got, err := m.AsInt64()
				require.NoError(t, err)
				return got
			}
			fill(n, n+100)
			before := used()
			fill(0, n)
			per := int64(0)
			require.True(t, until(func() bool {
				per = (used() - before) / n
				return per <= most
			}), "%d bytes a family", per)
			t.Logf("%d bytes a family", per)
			require.Greater(t, per, int64(200))
		})
	}
}

package redisstore_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/redisstore"
)

// rotated is a family whose second generation nobody has used yet.
func (s *site) rotated(subject string) (first, second refresh.Tokens) {
	s.t.Helper()
	first = s.enter(subject)
	s.pass(pastWindow)
	return first, s.answered(first.Refresh, "rotated")
}

// TestLostRotation (DR1): a replica takes over that has not got the last rotation.
// Whoever has the lost token goes on with it, and whoever has the one before gets the
// lost one, byte for byte. What is not ours is refused and harms nothing.
func TestLostRotation(t *testing.T) {
	for _, tc := range []struct {
		name    string
		comesTo func(s *site, held, lost refresh.Tokens)
	}{
		{"the answer had arrived", func(s *site, held, lost refresh.Tokens) {
			forged := []byte(lost.Refresh)
			forged[len(forged)-2] ^= 1
			s.refused(string(forged))
			got := s.answered(lost.Refresh, "recovered")
			require.Empty(t, got.Refresh, "the client keeps what it has")
			require.NoError(t, s.verify(got))
			s.answered(held.Refresh, "repeated")
			s.pass(pastWindow)
			next := s.answered(lost.Refresh, "rotated")
			s.pass(pastWindow)
			s.answered(next.Refresh, "rotated")
			s.refused(lost.Refresh[:len(lost.Refresh)-1])
			s.refused(held.Refresh)
			require.Equal(t, []audit.Cause{"reuse:older"}, s.events.take(audit.TokenReuse))
		}},
		{"the answer was lost as well", func(s *site, held, lost refresh.Tokens) {
			require.Equal(t, lost.Refresh, s.answered(held.Refresh, "rotated").Refresh)
		}},
		{"a lost access token is seen", func(s *site, held, lost refresh.Tokens) {
			require.NoError(t, s.verify(lost))
			require.Equal(t, lost.Refresh, s.answered(held.Refresh, "rotated").Refresh)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			primary := startNode(t, "--repl-diskless-sync-delay", "0")
			replica := startNode(t, "--replicaof", "127.0.0.1 "+primary.port)
			s := newSite(t, primary.client(t, rueidis.ClientOption{}))
			_, held := s.rotated("ann")
			require.NoError(t, s.verify(held))
			s.pass(pastWindow)
			require.True(t, until(func() bool {
				return replica.do(t, "EXISTS", primary.keys(t)[0]).Error() == nil && fmt.Sprint(replica.contents(t)) == fmt.Sprint(primary.contents(t))
			}), "the replica does not follow")
			replica.must(t, "REPLICAOF", "NO", "ONE")
			lost := s.answered(held.Refresh, "rotated")
			primary.kill()

			after := newSite(t, replica.client(t, rueidis.ClientOption{}))
			after.ahead.Store(s.ahead.Load())
			tc.comesTo(after, held, lost)
		})
	}
}

// TestForgottenWrites (DR1): the same for a store that has forgotten more than one.
func TestForgottenWrites(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	tokens := s.enter("ann")
	old := s.family(n, tokens)
	for range 5 {
		s.pass(pastWindow)
		tokens = s.answered(tokens.Refresh, "rotated")
	}
	s.putFamily(n, tokens, old)
	require.Empty(t, s.answered(tokens.Refresh, "recovered").Refresh)
	s.pass(pastWindow)
	s.answered(tokens.Refresh, "rotated")
}

// TestLostFamilyRevocation (DR2): a store that forgets that one family was ended has it
// back: nothing that is left knows. One that forgets a log-out everywhere is told by the
// first access token of a later login, and what comes back with it is dead.
func TestLostFamilyRevocation(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	victim := s.enter("ann")
	old := s.family(n, victim)
	ended, err := s.tokens.Logout(t.Context(), victim.Refresh, refresh.From{})
	require.NoError(t, err)
	require.True(t, ended)
	key, _ := s.seat(victim)
	n.must(t, "DEL", key)
	s.putFamily(n, victim, old)
	require.NoError(t, s.verify(victim), "this is what docs/redis.md says of a failover")

	require.NoError(t, s.m.Revocations().LogoutEverywhere(t.Context(), "ann"))
	own := s.enter("ann")
	n.must(t, "HDEL", key, "r")
	s.putFamily(n, victim, old)
	require.NoError(t, s.verify(own))
	require.ErrorIs(t, s.verify(victim), revocation.ErrRevoked)
	s.refused(victim.Refresh)
	s.pass(pastWindow)
	s.answered(own.Refresh, "rotated")
}

// TestEvictedFamilies (DR6): what a server throws away is a log-out.
func TestEvictedFamilies(t *testing.T) {
	n := startNode(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	s := newSite(t, n.client(t, rueidis.ClientOption{}), func(c *redisstore.Config) { c.InsecureEviction = true })
	first, second := s.rotated("ann")
	n.must(t, "CONFIG", "SET", "maxmemory", "1")
	require.True(t, until(func() bool { return n.number(t, "DBSIZE") == 0 }), "nothing is evicted")
	n.must(t, "CONFIG", "SET", "maxmemory", "0")
	s.refused(second.Refresh)
	s.refused(first.Refresh)
	require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
	require.Zero(t, n.number(t, "DBSIZE"))
}

// TestFullMemoryForFamilies (DR7): when memory is full, nobody new comes in and nothing
// is left of the attempt. Who is in goes on, whoever steals is found out, and whoever
// leaves is out.
func TestFullMemoryForFamilies(t *testing.T) {
	n := startNode(t, "--maxmemory-policy", "noeviction")
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	kept, left, all := s.enter("kept"), s.enter("left"), s.enter("all")
	first, lost := s.rotated("late")
	stolen, taken := s.rotated("stolen")
	require.NoError(t, s.verify(taken))
	s.pass(pastWindow)
	before := n.contents(t)
	n.must(t, "CONFIG", "SET", "maxmemory", "1")

	for _, subject := range []string{"a stranger", "kept"} {
		_, err := s.tokens.Login(t.Context(), refresh.Identity{Subject: subject}, refresh.From{})
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorContains(t, err, "OOM")
		require.NotErrorIs(t, err, refresh.ErrFull)
		require.Equal(t, before, n.contents(t), "nothing is half written")
	}
	require.NoError(t, s.verify(kept))
	_, err := s.tokens.Family(t.Context(), kept.Refresh)
	require.NoError(t, err)
	for range 5 {
		s.pass(pastWindow)
		kept = s.answered(kept.Refresh, "rotated")
		require.NoError(t, s.verify(kept))
		s.answered(kept.Refresh, "coalesced")
	}
	again := s.answered(first.Refresh, "late-repeat")
	require.Equal(t, lost.Refresh, again.Refresh)
	require.ErrorIs(t, s.verify(lost), revocation.ErrRevoked)
	require.NoError(t, s.verify(again))
	s.refused(stolen.Refresh)
	require.ErrorIs(t, s.verify(taken), revocation.ErrRevoked)
	ended, err := s.tokens.Logout(t.Context(), left.Refresh, refresh.From{})
	require.NoError(t, err)
	require.True(t, ended)
	require.NoError(t, s.m.Revocations().LogoutEverywhere(t.Context(), "all"))
	list, err := s.tokens.Families(t.Context(), "kept")
	require.NoError(t, err)
	require.Len(t, list, 1)

	check := func() {
		t.Helper()
		for _, gone := range []refresh.Tokens{left, all, taken} {
			require.ErrorIs(t, s.verify(gone), revocation.ErrRevoked)
			s.refused(gone.Refresh)
		}
		require.NoError(t, s.verify(kept))
	}
	check()
	n.must(t, "CONFIG", "SET", "maxmemory", "0")
	require.NoError(t, s.verify(s.enter("a stranger")))
	check()
}

// TestRestartEndsFamilies (DR8, R12): a server that comes back with nothing has ended
// every family. A token that was replaced before is worth as little as its successor,
// and asking stores nothing.
func TestRestartEndsFamilies(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, oneConnection(n.addr)))
	first, second := s.rotated("ann")
	left := s.enter("bob")
	_, err := s.tokens.Logout(t.Context(), left.Refresh, refresh.From{})
	require.NoError(t, err)

	n.restart(t)
	for _, tokens := range []refresh.Tokens{first, second, left} {
		require.True(t, until(func() bool {
			_, err := s.tokens.Family(t.Context(), tokens.Refresh)
			return !errors.Is(err, core.ErrUnknown)
		}), "the client does not come back")
		s.refused(tokens.Refresh)
		require.ErrorIs(t, s.verify(tokens), revocation.ErrRevoked)
		ended, err := s.tokens.Logout(t.Context(), tokens.Refresh, refresh.From{})
		require.NoError(t, err)
		require.False(t, ended)
	}
	require.Equal(t, []audit.Cause{"gone", "gone", "gone"}, s.events.take(audit.RefreshRefused))
	require.Empty(t, s.events.take(audit.TokenReuse))
	require.Zero(t, n.number(t, "DBSIZE"))
	require.NoError(t, s.verify(s.enter("ann")))
}

// TestLostAnswerOfRefresh (DR10): an act whose answer is lost is reported as unknown.
// Doing it again comes to what it came to before and never looks like theft.
func TestLostAnswerOfRefresh(t *testing.T) {
	n := startNode(t)
	way := startRelay(t, n.addr)
	s := newSite(t, n.client(t, oneConnection(way.addr)))
	first, _ := s.rotated("who loads the scripts")
	_, err := s.tokens.Logout(t.Context(), first.Refresh, refresh.From{})
	require.NoError(t, err)
	unheard := func(act func() error) {
		t.Helper()
		way.cut.Store(true)
		require.ErrorIs(t, act(), core.ErrUnknown)
		require.False(t, way.cut.Load())
		require.True(t, until(func() bool { return s.who(strings.Repeat("A", 48)) == nobody }))
	}
	refreshes := func(token string) func() error {
		return func() error { _, err := s.refresh(token); return err }
	}

	t.Run("rotation", func(t *testing.T) {
		tokens := s.enter("rotation")
		s.pass(pastWindow)
		unheard(refreshes(tokens.Refresh))
		next := s.answered(tokens.Refresh, "repeated")
		s.pass(pastWindow)
		s.answered(next.Refresh, "rotated")
	})
	t.Run("rotation, and the client comes back tomorrow", func(t *testing.T) {
		tokens := s.enter("tomorrow")
		s.pass(pastWindow)
		unheard(refreshes(tokens.Refresh))
		s.pass(20 * time.Hour)
		next := s.answered(tokens.Refresh, "late-repeat")
		s.answered(next.Refresh, "coalesced")
	})
	t.Run("coalesced", func(t *testing.T) {
		_, second := s.rotated("coalesced")
		unheard(refreshes(second.Refresh))
		s.answered(second.Refresh, "coalesced")
	})
	t.Run("repeat", func(t *testing.T) {
		first, second := s.rotated("repeat")
		unheard(refreshes(first.Refresh))
		require.Equal(t, second.Refresh, s.answered(first.Refresh, "repeated").Refresh)
	})
	t.Run("late repeat", func(t *testing.T) {
		first, second := s.rotated("late repeat")
		s.pass(pastGrace)
		unheard(refreshes(first.Refresh))
		require.Equal(t, second.Refresh, s.answered(first.Refresh, "repeated").Refresh)
		require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
	})
	t.Run("recovery", func(t *testing.T) {
		first := s.enter("recovery")
		old := s.family(n, first)
		s.pass(pastWindow)
		second := s.answered(first.Refresh, "rotated")
		s.putFamily(n, first, old)
		unheard(refreshes(second.Refresh))
		s.answered(second.Refresh, "coalesced")
	})
	t.Run("sighting", func(t *testing.T) {
		_, second := s.rotated("sighting")
		unheard(func() error { return s.verify(second) })
		require.NoError(t, s.verify(second))
	})
	t.Run("reuse", func(t *testing.T) {
		first, second := s.rotated("reuse")
		require.NoError(t, s.verify(second))
		s.pass(pastGrace)
		unheard(refreshes(first.Refresh))
		s.refused(first.Refresh)
		require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
	})
	t.Run("log-out", func(t *testing.T) {
		tokens := s.enter("log-out")
		unheard(func() error { _, err := s.tokens.Logout(t.Context(), tokens.Refresh, refresh.From{}); return err })
		ended, err := s.tokens.Logout(t.Context(), tokens.Refresh, refresh.From{})
		require.NoError(t, err)
		require.False(t, ended, "it had ended before")
		require.ErrorIs(t, s.verify(tokens), revocation.ErrRevoked)
	})
	t.Run("login", func(t *testing.T) {
		unheard(func() error {
			_, err := s.tokens.Login(t.Context(), refresh.Identity{Subject: "login"}, refresh.From{})
			return err
		})
		require.NoError(t, s.verify(s.enter("login")))
	})
}

// TestFamilyElsewhere (DR11): a record that stands in another's place is nobody's, with
// a MAC and without.
func TestFamilyElsewhere(t *testing.T) {
	for name, secrets := range map[string][][]byte{"signed": {secret('m')}, "plain": nil} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t)
			s := newSite(t, n.client(t, rueidis.ClientOption{}), func(c *redisstore.Config) { c.Secrets = secrets })
			laptop, phone, bob := s.enter("ann"), s.enter("ann"), s.enter("bob")
			s.pass(pastWindow)
			records := map[string]string{}
			for _, tokens := range []refresh.Tokens{laptop, phone, bob} {
				records[tokens.Refresh] = s.family(n, tokens)
			}
			// The same handle under another's tag: only the record can tell.
			stray := bob
			stray.Principal.Session = laptop.Principal.Session
			for _, move := range []struct {
				name     string
				at, from refresh.Tokens
			}{
				{"same subject", laptop, phone},
				{"another subject", laptop, bob},
				{"another subject, the other way", bob, laptop},
			} {
				t.Run(move.name, func(t *testing.T) {
					s.putFamily(n, move.at, records[move.from.Refresh])
					before := n.contents(t)
					_, err := s.refresh(move.at.Refresh)
					require.ErrorIs(t, err, core.ErrUnknown)
					_, err = s.tokens.Family(t.Context(), move.at.Refresh)
					require.ErrorIs(t, err, core.ErrUnknown)
					_, err = s.tokens.Logout(t.Context(), move.at.Refresh, refresh.From{})
					require.ErrorIs(t, err, core.ErrUnknown)
					_, err = s.tokens.Families(t.Context(), move.at.Principal.Subject)
					require.ErrorIs(t, err, core.ErrUnknown)
					require.ErrorIs(t, s.verify(move.at), core.ErrUnknown)
					require.Equal(t, before, n.contents(t))
					s.putFamily(n, move.at, records[move.at.Refresh])
					_, err = s.tokens.Family(t.Context(), move.at.Refresh)
					require.NoError(t, err)
				})
			}
			t.Run("same handle, another tag", func(t *testing.T) {
				s.putFamily(n, stray, records[laptop.Refresh])
				require.ErrorIs(t, s.verify(stray), core.ErrUnknown)
				_, err := s.tokens.Families(t.Context(), "bob")
				require.ErrorIs(t, err, core.ErrUnknown)
				key, field := s.seat(stray)
				n.must(t, "HDEL", key, field)
			})
			s.answered(laptop.Refresh, "rotated")
			s.answered(bob.Refresh, "rotated")
		})
	}
}

// TestMixedUpFamilies (DR11): an answer that belongs to another request is an error.
func TestMixedUpFamilies(t *testing.T) {
	n := startNode(t)
	way := startRelay(t, n.addr)
	s := newSite(t, n.client(t, oneConnection(way.addr)))
	ann, bob := s.enter("ann"), s.enter("bob")
	s.pass(pastWindow)
	annKey, annField := s.seat(ann)
	bobKey, bobField := s.seat(bob)
	place := func(key, field string) string {
		var tag [4]byte
		_, err := fmt.Sscanf(key, "sallyport:{%02x%02x%02x%02x}", &tag[0], &tag[1], &tag[2], &tag[3])
		require.NoError(t, err)
		return string(tag[:]) + field[1:]
	}
	way.rewrite.Store(strings.NewReplacer(annKey, bobKey, place(annKey, annField), place(bobKey, bobField)))
	for _, act := range []func() error{
		func() error { _, err := s.tokens.Family(t.Context(), ann.Refresh); return err },
		func() error { _, err := s.refresh(ann.Refresh); return err },
		func() error { _, err := s.tokens.Logout(t.Context(), ann.Refresh, refresh.From{}); return err },
	} {
		require.ErrorIs(t, act(), core.ErrUnknown)
	}
	way.rewrite.Store(nil)
	s.answered(ann.Refresh, "rotated")
}

// TestEveryBitOfAFamily (DR11): who can write to the server makes nobody's family out of
// another's, nor changes whose it is and for how long. The state alone is the scripts'.
func TestEveryBitOfAFamily(t *testing.T) {
	const stateEnds = 69
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	tokens := s.enter("ann")
	good := s.family(n, tokens)
	key, field := s.seat(tokens)
	for i := range len(good) {
		if i > 0 && i < stateEnds {
			continue
		}
		bad := []byte(good)
		bad[i] ^= 1
		s.putFamily(n, tokens, string(bad))
		_, err := s.tokens.Family(t.Context(), tokens.Refresh)
		require.ErrorIs(t, err, core.ErrUnknown, "byte %d", i)
		_, err = s.refresh(tokens.Refresh)
		require.ErrorIs(t, err, core.ErrUnknown, "byte %d", i)
		n.must(t, "DEL", key) // with what was revoked by it
	}
	s.putFamily(n, tokens, good[:9]+strings.Repeat("\x00", 7)+good[16:])
	_, err := s.tokens.Family(t.Context(), tokens.Refresh)
	require.ErrorIs(t, err, core.ErrUnknown, "no generation")
	for _, bad := range []string{"", "f", good[:stateEnds], good[:138], good[:len(good)-1], good + "x", "\x03" + good[1:], "\x03" + good[1:138] + good[154:]} {
		s.putFamily(n, tokens, bad)
		_, err := s.refresh(tokens.Refresh)
		require.ErrorIs(t, err, core.ErrUnknown)
		n.must(t, "HDEL", key, field)
	}
	s.putFamily(n, tokens, good)
	s.pass(pastWindow)
	s.answered(tokens.Refresh, "rotated")
}

// TestLengthenedFamily: who can write to the server cannot let a family live on.
func TestLengthenedFamily(t *testing.T) {
	const expires, created, ends, owner = 48, 55, 62, 69
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	tokens := s.enter("ann")
	good := s.family(n, tokens)
	later := func(record string, d time.Duration, fields ...int) string {
		b := []byte(record)
		for _, at := range fields {
			var old [8]byte
			copy(old[1:], b[at:at+7])
			var moved [8]byte
			binary.BigEndian.PutUint64(moved[:], binary.BigEndian.Uint64(old[:])+uint64(d.Microseconds()))
			copy(b[at:], moved[1:])
		}
		return string(b)
	}
	require.Equal(t, good[owner:], later(good, time.Hour, expires, created, ends)[owner:])
	for _, tc := range []struct {
		name   string
		record string
	}{
		{"its end", later(good, 48*time.Hour, ends)},
		{"its idle end", later(good, familyEnd, expires)},
		{"as if begun later", later(good, 48*time.Hour, expires, created, ends)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.putFamily(n, tokens, tc.record)
			_, err := s.tokens.Family(t.Context(), tokens.Refresh)
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorContains(t, err, "later than was signed")
			_, err = s.tokens.Families(t.Context(), "ann")
			require.ErrorIs(t, err, core.ErrUnknown)
		})
	}
	s.putFamily(n, tokens, later(good, 12*time.Hour, expires, created, ends))
	_, err := s.tokens.Family(t.Context(), tokens.Refresh)
	require.NoError(t, err, "clocks differ")
}

// TestFamilySecrets: the MACs of families are exchanged with those of sessions.
func TestFamilySecrets(t *testing.T) {
	n := startNode(t)
	client := n.client(t, rueidis.ClientOption{})
	with := func(secrets ...[]byte) *site {
		return newSite(t, client, func(c *redisstore.Config) { c.Secrets = secrets })
	}
	old, both, next, none := with(secret(1)), with(secret(2), secret(1)), with(secret(2)), with()
	first := old.enter("ann")
	both.pass(pastWindow)
	second := both.answered(first.Refresh, "rotated")
	both.answered(second.Refresh, "coalesced")
	later := both.enter("ann")
	next.pass(pastWindow)
	next.answered(later.Refresh, "rotated")
	for _, s := range []*site{next, none} {
		_, err := s.tokens.Family(t.Context(), second.Refresh)
		require.ErrorIs(t, err, core.ErrUnknown)
	}
	plain := none.enter("bob")
	_, err := both.tokens.Family(t.Context(), plain.Refresh)
	require.ErrorIs(t, err, core.ErrUnknown, "a node without secrets is a mistake that must show")
}

// TestLifeOfAFamily (DR12): after every step of a family's life the key will go by
// itself, not before what it holds and not much after.
func TestLifeOfAFamily(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	var first, second refresh.Tokens
	least := func(d time.Duration) func() time.Duration { return func() time.Duration { return d } }
	for _, step := range []struct {
		name  string
		do    func()
		least func() time.Duration
		most  time.Duration
	}{
		{"login", func() { first = s.enter("ann") }, least(familyIdle), familyIdle},
		{"sighting", func() { require.NoError(t, s.verify(first)) }, least(familyIdle), familyIdle},
		{"rotation", func() { s.pass(pastWindow); second = s.answered(first.Refresh, "rotated") }, least(familyIdle), familyIdle},
		{"repeat", func() { s.answered(first.Refresh, "repeated") }, least(familyIdle), familyIdle},
		{"coalesced", func() { s.answered(second.Refresh, "coalesced") }, least(familyIdle), familyIdle},
		{"rotation much later", func() {
			s.pass(familyIdle - time.Hour)
			n.must(t, "PEXPIRE", n.keys(t)[0], fmt.Sprint(time.Hour.Milliseconds())) // as if the time had passed there too
			first, second = second, s.answered(second.Refresh, "rotated")
		}, least(familyIdle), familyIdle},
		{"late repeat", func() { s.pass(pastGrace); s.answered(first.Refresh, "late-repeat") }, least(familyIdle), familyIdle},
		{"theft", func() {
			require.NoError(t, s.verify(s.answered(second.Refresh, "coalesced")))
			s.pass(pastWindow)
			s.refused(first.Refresh)
		}, least(denials), familyIdle},
		{"another login", func() { first = s.enter("ann") }, least(familyIdle), familyIdle},
		{"log-out", func() {
			_, err := s.tokens.Logout(t.Context(), first.Refresh, refresh.From{})
			require.NoError(t, err)
		}, least(denials), familyIdle},
		{"revocation of all", func() { require.NoError(t, s.m.Revocations().LogoutEverywhere(t.Context(), "ann")) }, least(absolute), familyIdle},
		{"login after it, whose epoch must outlive it", func() { first = s.enter("ann") }, least(familyEnd), familyEnd},
	} {
		step.do()
		keys := n.keys(t)
		require.Len(t, keys, 1, step.name)
		left := time.Duration(n.number(t, "PTTL", keys[0])) * time.Millisecond
		require.Greater(t, left, step.least()-time.Minute, step.name)
		require.LessOrEqual(t, left, step.most+time.Minute, step.name)
	}
}

// TestForgeriesStoreNothing (DR16, S14): a token that nobody issued is not even asked
// about, and one of a family that is over leaves no trace.
func TestForgeriesStoreNothing(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	first, second := s.rotated("ann")
	asked := n.monitor(t)
	for i := range len(second.Refresh) {
		forged := []byte(second.Refresh)
		forged[i] ^= 3
		for _, token := range []string{string(forged), second.Refresh[:i], second.Refresh + second.Refresh[:i+1], base64.RawURLEncoding.EncodeToString(forged)} {
			_, err := s.refresh(token)
			require.Error(t, err)
			_, err = s.tokens.Logout(t.Context(), token, refresh.From{})
			require.Error(t, err)
		}
	}
	require.Empty(t, asked())
	n.must(t, "FLUSHALL")
	for range 100 {
		s.refused(first.Refresh)
		s.refused(second.Refresh)
		require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
	}
	require.Zero(t, n.number(t, "DBSIZE"))
}

// TestHostileSubjects (DR17, S11): whatever a subject or a device is called, each
// command is about one key of ours.
func TestHostileSubjects(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	victim := s.enter("ann")
	require.NoError(t, s.verify(victim))
	asked := n.monitor(t)
	for _, name := range hostileNames {
		s.refused(name)
		from := refresh.From{Client: name, Device: name}
		tokens, err := s.tokens.Login(t.Context(), refresh.Identity{Subject: name, Client: name, Device: name, Method: name}, from)
		require.NoError(t, err)
		require.NoError(t, s.verify(tokens))
		list, err := s.tokens.Families(t.Context(), name)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, name, list[0].Subject)
		_, err = s.tokens.Refresh(t.Context(), tokens.Refresh, nil, from)
		require.NoError(t, err)
		require.NoError(t, s.tokens.RevokeFamily(t.Context(), name, tokens.Principal.Session))
		require.ErrorIs(t, s.verify(tokens), revocation.ErrRevoked)
		require.NoError(t, s.tokens.RevokeFamily(t.Context(), name, victim.Principal.Session))
	}
	require.NoError(t, s.verify(victim), "another subject's family")
	lines := asked()
	require.Greater(t, len(lines), len(hostileNames))
	for _, line := range lines {
		require.Regexp(t, ours, line)
	}
}

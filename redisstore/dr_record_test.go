package redisstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// TestOtherRecord (DR11): a record that stands in another's place is nobody's, with
// a MAC and without.
func TestOtherRecord(t *testing.T) {
	for name, secrets := range map[string][][]byte{"signed": {secret('m')}, "plain": nil} {
		t.Run(name, func(t *testing.T) {
			n := startNode(t)
			s := newSite(t, n.client(t, rueidis.ClientOption{}), func(c *redisstore.Config) { c.Secrets = secrets })
			laptop, phone, bob := s.login("ann"), s.login("ann"), s.login("bob")
			records := map[string]string{}
			for _, v := range []string{laptop, phone, bob} {
				records[v] = s.get(n, v)
			}
			for _, move := range []struct {
				name     string
				at, from string
			}{
				{"same subject", laptop, phone},
				{"same subject, the other way", phone, laptop},
				{"another subject", laptop, bob},
				{"another subject, the other way", bob, laptop},
			} {
				t.Run(move.name, func(t *testing.T) {
					s.put(n, move.at, records[move.from])
					require.Equal(t, unknown, s.who(move.at))
					s.put(n, move.at, records[move.at])
					require.NotContains(t, []string{nobody, unknown}, s.who(move.at))
				})
			}
		})
	}
}

// TestMixedUpAnswer (DR11): an answer that belongs to another request (here
// because the request was made to ask for another record) is an error, and a
// log-out that met it is none.
func TestMixedUpAnswer(t *testing.T) {
	n := startNode(t)
	way := startRelay(t, n.addr)
	s := newSite(t, n.client(t, rueidis.ClientOption{InitAddress: []string{way.addr}, ForceSingleClient: true}))
	ann, bob := s.login("ann"), s.login("bob")
	annKey, annField := s.place(ann)
	bobKey, bobField := s.place(bob)
	mix := strings.NewReplacer(annKey, bobKey, annField, bobField)

	way.rewrite.Store(mix)
	require.Equal(t, unknown, s.who(ann))
	way.rewrite.Store(nil)
	require.Equal(t, "ann", s.who(ann))

	r := s.request(ann)
	_, err := r.Principal()
	require.NoError(t, err)
	way.rewrite.Store(mix)
	require.ErrorIs(t, r.Logout(t.Context()), core.ErrUnknown)
	require.Empty(t, r.Finish().SetCookie)
	way.rewrite.Store(nil)
	require.Equal(t, "ann", s.who(ann), "who asked was told that the log-out failed")
}

// TestEveryBitCounts (DR11): a record with any byte changed is never another's, and
// nobody's at all but for the epoch, which the scripts set.
func TestEveryBitCounts(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	v := s.login("ann")
	good := s.get(n, v)
	const epochBegins, epochEnds = 16, 24
	for i := range len(good) {
		bad := []byte(good)
		bad[i] ^= 1
		s.put(n, v, string(bad))
		if i < epochBegins || i >= epochEnds {
			require.Contains(t, []string{nobody, unknown}, s.who(v), "byte %d", i)
		} else {
			require.Equal(t, "ann", s.who(v), "byte %d", i)
			key, _ := s.place(v)
			n.must(t, "DEL", key) // with the epoch that was raised by it
		}
	}
	s.put(n, v, good)
	require.Equal(t, "ann", s.who(v))
}

// TestBackFromTheDead (DR13): a record that survives what ended it, because it was
// copied or restored, is dead all the same. There is no index that could have lost
// it.
func TestBackFromTheDead(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	for _, tc := range []struct {
		name string
		end  func(subject, victim, own string) error
	}{
		{"revoke one", func(subject, victim, _ string) error { s.revoke(subject, victim); return nil }},
		{"revoke all", func(subject, _, _ string) error { return s.m.RevokeAll(t.Context(), subject) }},
		{"revoke others", func(_, _, own string) error {
			r := s.request(own)
			defer r.Finish()
			return r.RevokeOthers(t.Context())
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			victim, own := s.login(tc.name), s.login(tc.name)
			copied := s.get(n, victim)
			at := storeKey(victim)
			var was [1]session.Entry
			require.NoError(t, s.store.Load(t.Context(), []session.StoreKey{at}, was[:]))
			require.NoError(t, tc.end(tc.name, victim, own))
			s.put(n, victim, copied)
			require.Equal(t, nobody, s.who(victim))
			require.Equal(t, tc.name, s.who(s.login(tc.name)))
			s.put(n, victim, copied)
			require.Equal(t, nobody, s.who(victim))

			s.put(n, victim, copied)
			_, err := s.store.Swap(t.Context(), at, was[0].Version, was[0])
			require.ErrorIs(t, err, session.ErrGone)
			s.put(n, victim, copied)
			_, err = s.store.Take(t.Context(), at)
			require.ErrorIs(t, err, session.ErrGone)
			s.put(n, victim, copied)
			listed, err := s.store.List(t.Context(), was[0].Owner)
			require.NoError(t, err)
			for _, k := range listed {
				require.NotEqual(t, at, k.Key)
			}
		})
	}
}

// TestLostRevocation (DR2): the first session that knows a higher epoch than the
// store proves that the store forgot one, and puts it back.
func TestLostRevocation(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	victim := s.login("ann")
	copied := s.get(n, victim)
	require.NoError(t, s.m.RevokeAll(t.Context(), "ann"))
	own := s.login("ann")

	key, _ := s.place(own)
	n.must(t, "HDEL", key, "r")
	s.put(n, victim, copied)
	require.Equal(t, "ann", s.who(own))
	require.Equal(t, nobody, s.who(victim))
}

// TestGarbage (S19): what is none of ours under a key is "unknown" to readers and a
// failure to who wants to end something; never "nobody is revoked".
func TestGarbage(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(n *node, key, field string)
	}{
		{"record", func(n *node, key, field string) { n.must(t, "HSET", key, field, "garbage") }},
		{"revocations", func(n *node, key, _ string) { n.must(t, "HSET", key, "r", "garbage") }},
		{"another type", func(n *node, key, _ string) { n.must(t, "SET", key, "garbage") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := startNode(t)
			s := newSite(t, n.client(t, rueidis.ClientOption{}))
			v := s.login("ann")
			r := s.request(v)
			_, err := r.Principal()
			require.NoError(t, err)
			key, field := s.place(v)
			tc.damage(n, key, field)
			require.Equal(t, unknown, s.who(v))
			_, err = s.m.Devices(t.Context(), "ann")
			require.ErrorIs(t, err, core.ErrUnknown)
			require.ErrorIs(t, r.Logout(t.Context()), core.ErrUnknown)
			require.Empty(t, r.Finish().SetCookie)
		})
	}
}

// TestRefusedWrites (S19): a server that takes no writes ends nobody's session, and
// says so to whoever asked.
func TestRefusedWrites(t *testing.T) {
	for _, tc := range []struct {
		name  string
		words []string
	}{
		{"demoted", []string{"REPLICAOF", "127.0.0.1", "1"}},
		{"too few replicas", []string{"CONFIG", "SET", "min-replicas-to-write", "1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := startNode(t)
			s := newSite(t, n.client(t, rueidis.ClientOption{}))
			v := s.login("ann")
			handle := s.handle(v)
			n.must(t, tc.words...)
			acts := map[string]func(r *session.Session) error{
				"login":  func(r *session.Session) error { return r.Login(t.Context(), session.Identity{Subject: "bob"}) },
				"renew":  func(r *session.Session) error { return r.Renew(t.Context()) },
				"logout": func(r *session.Session) error { return r.Logout(t.Context()) },
				"revoke": func(*session.Session) error { _, err := s.m.Revoke(t.Context(), "ann", handle); return err },
				"all":    func(*session.Session) error { return s.m.RevokeAll(t.Context(), "ann") },
			}
			for name, act := range acts {
				r := s.request(v)
				require.ErrorIs(t, act(r), core.ErrUnknown, name)
				require.Empty(t, r.Finish().SetCookie, name)
			}
		})
	}
}

// TestLostAnswer (DR10): an act whose answer is lost is reported as unknown, and
// doing it again is harmless.
func TestLostAnswer(t *testing.T) {
	n := startNode(t)
	way := startRelay(t, n.addr)
	s := newSite(t, n.client(t, rueidis.ClientOption{InitAddress: []string{way.addr}, ForceSingleClient: true}))
	for i, act := range []func(subject string) error{
		func(subject string) error { return s.m.RevokeAll(t.Context(), subject) },
		func(subject string) error {
			r := s.request()
			defer r.Finish()
			return r.Login(t.Context(), session.Identity{Subject: subject})
		},
	} {
		subject := fmt.Sprintf("user%d", i)
		v := s.login(subject)
		way.cut.Store(true)
		require.ErrorIs(t, act(subject), core.ErrUnknown)
		require.True(t, until(func() bool { return s.who(v) != unknown }))
		require.NoError(t, act(subject))
		require.NoError(t, s.m.RevokeAll(t.Context(), subject))
		require.Equal(t, nobody, s.who(v))
		devices, err := s.m.Devices(t.Context(), subject)
		require.NoError(t, err)
		require.Empty(t, devices, "no session is left that nobody holds")
	}
}

package redisstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// rights are all that a user needs, beside its keys and PING, with which the client
// itself looks after idle connections.
var rights = []string{
	"+evalsha", "+eval", "+info", "+hget", "+hmget", "+hgetall", "+hset", "+hdel", "+hlen", "+pttl", "+pexpire", "+time",
}

// clusterOnly is what a cluster's client needs as well: to find the primaries, and
// to follow a slot that moves.
var clusterOnly = []string{"+cluster|slots", "+asking"}

const (
	aclUser     = "sallyport"
	aclPassword = "a password"
	aclKeys     = "~sallyport:*"
)

func aclSetUser(keys string, rights ...string) []string {
	return append([]string{"ACL", "SETUSER", aclUser, "reset", "on", ">" + aclPassword, keys, "+ping"}, rights...)
}

// user makes a user who has these rights and no other, and connects as such.
func (n *node) user(t *testing.T, keys string, rights ...string) (rueidis.Client, error) {
	t.Helper()
	n.must(t, aclSetUser(keys, rights...)...)
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{n.addr}, Username: aclUser, Password: aclPassword, DisableCache: true, ForceSingleClient: true,
	})
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// exercise does everything that a store does, and returns what the server refused.
func exercise(t *testing.T, client rueidis.Client, prefix string) error {
	t.Helper()
	r, err := redisstore.New(t.Context(), client, redisstore.Config{Prefix: prefix})
	if err != nil {
		return err
	}
	s, families := r.Sessions(), r.Refresh()
	ctx, owner, until := t.Context(), revocation.Owner{Tag: [4]byte{1}, Hash: [12]byte{1}}, time.Now().Add(time.Hour)
	place := func(n byte) session.StoreKey { return session.StoreKey{Tag: owner.Tag, Hash: [32]byte{n}} }
	record := func(n byte, version uint64) session.Entry {
		return session.Entry{Version: version, Expires: until, Owner: owner, Handle: revocation.Handle{n}, Listed: true, Value: "value"}
	}
	var errs []error
	for _, act := range []func() error{
		func() error { return s.Load(ctx, []session.StoreKey{place(1), place(2)}, make([]session.Entry, 2)) },
		func() error {
			_, _, err := s.Create(ctx, place(1), record(1, 1), session.Admission{Max: 9})
			return err
		},
		func() error {
			_, _, err := s.Create(ctx, place(2), record(2, 1), session.Admission{Max: 9})
			return err
		},
		func() error { _, err := s.Swap(ctx, place(1), 1, record(1, 2)); return err },
		func() error { _, err := s.Rename(ctx, place(1), 2, place(3), record(1, 3), nil); return err },
		func() error { _, err := s.List(ctx, owner); return err },
		func() error { _, err := s.EndOne(ctx, owner, revocation.Handle{2}, until); return err },
		func() error { _, err := s.Take(ctx, place(3)); return err },
		func() error {
			_, err := s.Revoked(ctx, owner, revocation.Asked{Session: revocation.Handle{2}})
			return err
		},
		func() error { return s.Deny(ctx, owner, revocation.Handle{3}, until) },
		func() error { return s.RestoreEpoch(ctx, owner, 7, until) },
		func() error { _, err := s.RaiseEpoch(ctx, owner, until); return err },
		func() error { _, err := s.EndAll(ctx, owner, until); return err },
		func() error { _, _, err := families.CreateFamily(ctx, family(owner, 1), 9); return err },
		func() error { _, _, err := families.CreateFamily(ctx, family(owner, 2), 1); return err },
		func() error { return families.Sight(ctx, owner, handle(2), revocation.Answer{Generation: 1}) },
		func() error {
			_, err := families.FindFamily(ctx, refresh.Key{Tag: owner.Tag, Handle: handle(2)})
			return err
		},
		func() error {
			_, err := families.Rotate(ctx, refresh.Key{Tag: owner.Tag, Handle: handle(2)}, token(1))
			return err
		},
		func() error {
			_, err := families.Rotate(ctx, refresh.Key{Tag: owner.Tag, Handle: handle(2)}, token(1))
			return err
		},
		func() error { _, err := families.Families(ctx, owner); return err },
		func() error {
			_, err := families.EndFamily(ctx, refresh.Key{Tag: owner.Tag, Handle: handle(2)}, token(1).Rules)
			return err
		},
	} {
		// What is missing because an earlier act was refused is no finding.
		if err := act(); err != nil && !errors.Is(err, session.ErrGone) && !errors.Is(err, refresh.ErrGone) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// TestACL: a user with the documented rights can do everything, and lacks every
// other one; without any of them something fails, and says what is missing.
func TestACL(t *testing.T) {
	n := startNode(t)
	t.Run("all that is documented", func(t *testing.T) {
		client, err := n.user(t, aclKeys, rights...)
		require.NoError(t, err)
		n.must(t, "SCRIPT", "FLUSH")
		require.NoError(t, exercise(t, client, ""))
		s := newSite(t, client)
		laptop, phone, tablet := s.login("ann"), s.login("ann"), s.login("ann")
		s.revoke("ann", phone)
		require.NoError(t, s.logout(tablet))
		for range 40 { // so that the hash is cleared now and then
			r := s.request(laptop)
			require.NoError(t, r.Renew(t.Context()))
			laptop = s.cookie(r)
		}
		require.Equal(t, "ann", s.who(laptop))
		devices, err := s.m.Devices(t.Context(), "ann")
		require.NoError(t, err)
		require.Len(t, devices, 1)
		require.NoError(t, s.m.RevokeAll(t.Context(), "ann"))
		require.Equal(t, nobody, s.who(laptop))
		first, second := s.rotated("ann")
		require.NoError(t, s.verify(second))
		s.pass(pastGrace)
		s.refused(first.Refresh)
		require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
	})
	for _, right := range rights {
		t.Run("without "+right, func(t *testing.T) {
			others := slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == right })
			client, err := n.user(t, aclKeys, others...)
			require.NoError(t, err)
			n.must(t, "SCRIPT", "FLUSH")
			err = exercise(t, client, "")
			require.Error(t, err)
			require.Regexp(t, `(?i)noperm|can't run this command|cannot execute`, err.Error())
			if right == "+info" {
				require.ErrorContains(t, err, n.addr+": INFO: ")
			}
		})
	}
	t.Run("other keys", func(t *testing.T) {
		client, err := n.user(t, aclKeys, rights...)
		require.NoError(t, err)
		n.must(t, "HSET", "billing:{01020304}", "field", "value")
		for _, words := range [][]string{
			{"HGETALL", "billing:{01020304}"},
			{"HSET", "billing:{01020304}", "field", "mine"},
			{"HDEL", "billing:{01020304}", "field"},
			{"PEXPIRE", "billing:{01020304}", "1"},
			{"EVAL", "return redis.call('HGETALL', 'billing:{01020304}')", "0"},
			{"KEYS", "*"},
			{"SCAN", "0"},
			{"FLUSHALL"},
			{"CONFIG", "GET", "*"},
			{"ACL", "LIST"},
			{"MONITOR"},
		} {
			err := command(t, client, words...).Error()
			require.Error(t, err, words)
			require.Regexp(t, `NOPERM|can't access at least one of the keys`, err.Error(), words)
		}
		require.ErrorContains(t, exercise(t, client, "billing:"), "NOPERM")
		require.Equal(t, "value", n.text(t, "HGET", "billing:{01020304}", "field"))
	})
	t.Run("wrong password", func(t *testing.T) {
		_, err := n.user(t, aclKeys, rights...)
		require.NoError(t, err)
		_, err = rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{n.addr}, Username: aclUser, Password: "another", DisableCache: true, ForceSingleClient: true,
		})
		require.ErrorContains(t, err, "WRONGPASS")
	})
}

package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// TestEvicted (DR6): what a server throws away is somebody's sessions and their
// revocations together, so that it is a log-out and never a log-in.
func TestEvicted(t *testing.T) {
	n := startNode(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	s := newSite(t, n.client(t, rueidis.ClientOption{}), func(c *redisstore.Config) { c.InsecureEviction = true })
	kept, revoked, bob := s.login("ann"), s.login("ann"), s.login("bob")
	s.revoke("ann", revoked)
	key, _ := s.place(kept)
	other, _ := s.place(bob)
	require.ElementsMatch(t, []string{key, other}, n.keys(t))

	n.must(t, "CONFIG", "SET", "maxmemory", "1")
	require.True(t, until(func() bool { return n.number(t, "DBSIZE") == 0 }), "nothing is evicted")
	n.must(t, "CONFIG", "SET", "maxmemory", "0")
	require.Equal(t, "2", infoLine(n.text(t, "INFO", "stats"), "evicted_keys"))
	for _, v := range []string{kept, revoked, bob} {
		require.Equal(t, nobody, s.who(v))
	}
	require.Equal(t, "ann", s.who(s.login("ann")))
	for _, v := range []string{kept, revoked} {
		require.Equal(t, nobody, s.who(v))
	}
}

// TestFullMemoryForEverybody (DR7): when memory is full, nobody new comes in and
// nothing is left of the attempt; who is in stays in, and can leave or be made to.
func TestFullMemoryForEverybody(t *testing.T) {
	n := startNode(t, "--maxmemory-policy", "noeviction")
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	used, left := s.login("used"), s.login("left")
	kept, ended := s.login("one"), s.login("one")
	worried, other := s.login("others"), s.login("others")
	all := s.login("all")
	before := n.contents(t)
	n.must(t, "CONFIG", "SET", "maxmemory", "1")

	for _, subject := range []string{"a stranger", "all"} {
		r := s.request()
		require.ErrorIs(t, r.Login(t.Context(), session.Identity{Subject: subject}), core.ErrUnknown)
		require.Empty(t, r.Finish().SetCookie)
		require.Equal(t, before, n.contents(t), "nothing is half written")
	}

	s.ahead.Store(int64(idle - time.Hour))
	for v, subject := range map[string]string{used: "used", kept: "one", worried: "others"} {
		require.Equal(t, subject, s.who(v)) // and is touched by it
	}
	require.NoError(t, s.logout(left))
	s.revoke("one", ended)
	owner, own := s.owner(worried)
	_, gone, err := s.store.EndOthers(t.Context(), owner, own, s.now().Add(absolute))
	require.NoError(t, err)
	require.Len(t, gone, 1)
	require.NoError(t, s.m.RevokeAll(t.Context(), "all"))

	s.ahead.Store(int64(idle + time.Hour))
	check := func() {
		t.Helper()
		for v, want := range map[string]string{
			used: "used", kept: "one", worried: "others", left: nobody, ended: nobody, other: nobody, all: nobody,
		} {
			require.Equal(t, want, s.who(v))
		}
	}
	check()
	n.must(t, "CONFIG", "SET", "maxmemory", "0")
	require.Equal(t, "a stranger", s.who(s.login("a stranger")))
	check()
}

// TestRestart (DR8): a server that comes back with nothing has logged everybody
// out, and whoever had been logged out stays so.
func TestRestart(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	ann, bob, revoked, left := s.login("ann"), s.login("bob"), s.login("ann"), s.login("bob")
	s.revoke("ann", revoked)
	require.NoError(t, s.logout(left))
	require.NoError(t, s.m.RevokeAll(t.Context(), "carol"))
	carol := s.login("carol")

	n.restart(t)
	require.True(t, until(func() bool { return s.who(ann) != unknown }), "the client does not come back")
	check := func() {
		t.Helper()
		for _, v := range []string{ann, bob, revoked, left, carol} {
			require.Equal(t, nobody, s.who(v))
		}
	}
	check()
	require.Zero(t, n.number(t, "DBSIZE"), "asking stores nothing")
	for _, subject := range []string{"ann", "bob", "carol"} {
		v := s.login(subject)
		require.Equal(t, subject, s.who(v))
		var out [1]session.Entry
		require.NoError(t, s.store.Load(t.Context(), []session.StoreKey{storeKey(v)}, out[:]))
		// The epoch went with the sessions, so none is ahead of it.
		require.False(t, out[0].Behind)
	}
	check()
}

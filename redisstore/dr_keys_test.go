package redisstore_test

import (
	"crypto/rand"
	"encoding/base64"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// TestLifeOfASubject (DR12): after every step of a subject's life the key will go
// by itself, not before what it holds and not much after.
func TestLifeOfASubject(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	var v, other string
	for _, step := range []struct {
		name  string
		do    func()
		least time.Duration
	}{
		{"login", func() { v = s.login("ann") }, idle},
		{"another login", func() { other = s.login("ann") }, idle},
		{"write", func() {
			r := s.request(v)
			require.NoError(t, cart.Set(r, "apple"))
			require.NoError(t, r.Finish().Err)
		}, idle},
		{"renewal, which leaves a snapshot for a minute", func() {
			r := s.request(v)
			require.NoError(t, r.Renew(t.Context()))
			v = s.cookie(r)
		}, idle},
		{"log-out of one", func() { require.NoError(t, s.logout(other)) }, idle},
		{"another login", func() { other = s.login("ann") }, idle},
		{"revocation of one", func() { s.revoke("ann", other) }, absolute},
		{"revocation of others", func() {
			r := s.request(v)
			require.NoError(t, r.RevokeOthers(t.Context()))
			v = s.cookie(r)
		}, absolute},
		{"log-out of the last", func() { require.NoError(t, s.logout(v)) }, absolute},
		{"revocation of all", func() { require.NoError(t, s.m.RevokeAll(t.Context(), "ann")) }, absolute},
		{"login after it", func() { v = s.login("ann") }, absolute},
	} {
		step.do()
		keys := n.keys(t)
		require.Len(t, keys, 1, step.name)
		left := time.Duration(n.number(t, "PTTL", keys[0])) * time.Millisecond
		require.Greater(t, left, step.least-time.Minute, step.name)
		require.LessOrEqual(t, left, absolute+time.Minute, step.name)
	}
}

// TestVisitorsStoreNothing (DR16, S14): whoever has no session leaves no trace in
// the store, and without a well-formed cookie it is not even asked.
func TestVisitorsStoreNothing(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	const requests = 10_000
	visit := func(values ...string) {
		r := s.request(values...)
		_, err := r.Principal()
		require.ErrorIs(t, err, core.ErrAnonymous)
		_, _, err = cart.Get(r)
		require.NoError(t, err)
		require.NoError(t, r.Logout(t.Context()))
		out := r.Finish()
		require.NoError(t, out.Err)
		require.Empty(t, out.SetCookie)
	}
	asked := n.monitor(t)
	for range requests {
		visit()
	}
	require.Empty(t, asked())

	var done sync.WaitGroup
	for range 50 {
		done.Go(func() {
			var id [36]byte
			for range requests / 50 {
				_, _ = rand.Read(id[:])
				r := s.request(base64.RawURLEncoding.EncodeToString(id[:]))
				if _, err := r.Principal(); err == nil {
					t.Error("an id that nobody issued is somebody's")
				}
				r.Finish()
			}
		})
	}
	done.Wait()
	require.Zero(t, n.number(t, "DBSIZE"))
}

// hostileNames are what subjects and devices may be called.
var hostileNames = []string{
	"*", "?", "[a-z]", "a:b", "a b", "a}b{c", "{ann}", "sallyport:*", "sallyport:{00000000}", "r",
	"ann\x00", "ann\r\nFLUSHALL\r\n", "$3\r\nDEL\r\n", "../../ann", "'; return redis.call('FLUSHALL') --",
	"\u202eann", "\u00e4nn", "%2a", strings.Repeat("a", 255),
}

// ours is a command about one key of ours, as a monitor tells it.
var ours = regexp.MustCompile(`^[0-9.]+ \[0 [^]]+\] (?i:` +
	`"(evalsha|eval)" ".*" "1" ` + ourKey + ` .*|` +
	`"(hget|hmget|hset|hdel|hgetall|hlen|pttl|pexpire)" ` + ourKey + `( .*)?|` +
	`"(time|ping)")$`)

const ourKey = `"sallyport:\{[0-9a-f]{8}\}"`

// TestHostileNames (DR17, S11): whatever a client or an application calls things,
// each command is about one key of ours, and none searches for keys.
func TestHostileNames(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	victim := s.login("ann")
	handle := s.handle(victim)
	asked := n.monitor(t)
	for _, name := range hostileNames {
		if !strings.ContainsAny(name, "\r\n\x00") {
			require.Equal(t, nobody, s.who(name))
			require.Equal(t, "ann", s.who(victim, name))
		}
		_, err := s.m.Devices(t.Context(), name)
		require.NoError(t, err)
		ended, err := s.m.Revoke(t.Context(), name, handle)
		require.NoError(t, err)
		require.False(t, ended, "another subject's session")
		ended, err = s.m.Revoke(t.Context(), "ann", name)
		require.NoError(t, err)
		require.False(t, ended)
		v := s.login(name)
		require.Equal(t, name, s.who(v))
		r := s.request(v)
		require.NoError(t, session.NewKey[string]("x").Set(r, name))
		require.NoError(t, r.Finish().Err)
		require.NoError(t, s.m.RevokeAll(t.Context(), name))
		require.Equal(t, nobody, s.who(v))
	}
	require.Equal(t, "ann", s.who(victim))

	lines := asked()
	require.Greater(t, len(lines), len(hostileNames))
	for _, line := range lines {
		require.Regexp(t, ours, line)
	}
}

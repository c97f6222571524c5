package redisstore_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/storetest"
	"github.com/sallyport-go/sallyport/redisstore"
)

// TestCluster runs on one cluster: starting one takes longer than most of what is
// tested on it.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	client := c.client(t)
	t.Run("contract", func(t *testing.T) { clusterContract(t, client) })
	t.Run("one key for a subject", func(t *testing.T) { clusterOneKey(t, c, client) })
	t.Run("subjects spread", func(t *testing.T) { clusterSpread(t, c, client) })
	t.Run("two cookies of two slots", func(t *testing.T) { clusterTwoCookies(t, c, client) })
	t.Run("slot moves between requests", func(t *testing.T) { clusterMove(t, c, client) })
	t.Run("slot moves during requests", func(t *testing.T) { clusterMoveBusy(t, c, client) })
	t.Run("every primary is checked", func(t *testing.T) { clusterCheck(t, c, client) })
	t.Run("reading replicas is refused", func(t *testing.T) { clusterReplicas(t, c) })
	t.Run("rights", func(t *testing.T) { clusterRights(t, c) })
	// Nothing that ran above was answered with what a cluster says to a client
	// that asks for two slots at once, or for half of a moved one.
	t.Run("no cross-slot command", func(t *testing.T) {
		for _, n := range c.all() {
			stats := n.text(t, "INFO", "errorstats")
			require.NotContains(t, stats, "CROSSSLOT")
			require.NotContains(t, stats, "TRYAGAIN")
		}
	})
	t.Run("failover in good order", func(t *testing.T) { clusterFailover(t, c, client) })
}

// clusterContract: the contracts hold on a cluster as they do on one server.
func clusterContract(t *testing.T, client rueidis.Client) {
	var cases atomic.Int64
	fresh := func(t *testing.T, now func() time.Time) *redisstore.Store {
		s, err := redisstore.New(t.Context(), client, redisstore.Config{
			Prefix: fmt.Sprintf("case%d:", cases.Add(1)), Now: now, Timeout: 10 * time.Second,
		})
		require.NoError(t, err)
		return s
	}
	t.Run("sessions", func(t *testing.T) {
		storetest.TestSessions(t, func(t *testing.T, now func() time.Time) session.Store { return fresh(t, now).Sessions() })
	})
	t.Run("families", func(t *testing.T) {
		storetest.TestFamilies(t, func(t *testing.T, now func() time.Time) refresh.Store { return fresh(t, now).Refresh() })
	})
	t.Run("revocations", func(t *testing.T) {
		storetest.TestRevocations(t, func(t *testing.T, now func() time.Time) revocation.Store { return fresh(t, now).Revocations() })
	})
}

// clusterOneKey: whatever a subject has is one Redis key, so that a decision about
// it is one atomic step.
func clusterOneKey(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("one:"))
	laptop, phone, gone := s.login("ann"), s.login("ann"), s.login("ann")
	s.revoke("ann", gone)
	r := s.request(phone)
	require.NoError(t, r.Renew(t.Context()))
	phone = s.cookie(r)
	first, _ := s.rotated("ann")
	s.pass(pastGrace)
	second := s.answered(first.Refresh, "late-repeat")
	require.NoError(t, s.verify(second))
	key, _ := s.place(laptop)
	require.Equal(t, []string{key}, c.keys(t, "one:"))
	require.NoError(t, s.m.RevokeAll(t.Context(), "ann"))
	require.Equal(t, []string{key}, c.keys(t, "one:"))
	for _, v := range []string{laptop, phone, gone} {
		require.Equal(t, nobody, s.who(v))
	}
	s.refused(second.Refresh)
	require.ErrorIs(t, s.verify(second), revocation.ErrRevoked)
}

// clusterSpread: no primary is idle, and each subject is found wherever it is.
func clusterSpread(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("spread:"))
	values := map[string]string{}
	homes := map[*node]int{}
	for i := range 60 {
		subject := fmt.Sprintf("user%d", i)
		values[subject] = s.login(subject)
		key, _ := s.place(values[subject])
		home, _ := c.home(t, key)
		homes[home]++
	}
	for _, n := range c.primaries {
		require.Positive(t, homes[n], "none of 60 subjects is on %s", n.addr)
	}
	again := newSite(t, c.client(t), prefixed("spread:"))
	for subject, v := range values {
		require.Equal(t, subject, again.who(v))
	}
	require.NoError(t, s.m.RevokeAll(t.Context(), "user7"))
	for subject, v := range values {
		if subject == "user7" {
			subject = nobody
		}
		require.Equal(t, subject, again.who(v))
	}
}

// apart returns the logins of two subjects on different primaries.
func (s *site) apart(c *cluster) (ann, other, subject string) {
	s.t.Helper()
	ann = s.login("ann")
	key, _ := s.place(ann)
	home, _ := c.home(s.t, key)
	for i := range 50 {
		subject = fmt.Sprintf("bob%d", i)
		other = s.login(subject)
		key, _ := s.place(other)
		if h, _ := c.home(s.t, key); h != home {
			return ann, other, subject
		}
	}
	s.t.Fatal("50 subjects on one primary")
	return "", "", ""
}

// clusterTwoCookies (S15): the candidates of one request may be anywhere, and one
// that cannot be read makes the answer unknown.
func clusterTwoCookies(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("two:"))
	ann, bob, subject := s.apart(c)
	require.Equal(t, nobody, s.who(ann, bob), "two who are alive are nobody")
	require.NoError(t, s.logout(ann))
	require.Equal(t, subject, s.who(ann, bob))
	require.Equal(t, subject, s.who(bob, ann))
	ann = s.login("ann")
	require.NoError(t, s.logout(bob))
	require.Equal(t, "ann", s.who(bob, ann))

	key, _ := s.place(bob)
	home, _ := c.home(t, key)
	home.must(t, "SET", key, "something else", "PX", "60000")
	require.Equal(t, unknown, s.who(bob, ann))
	home.must(t, "DEL", key)
	require.Equal(t, "ann", s.who(bob, ann))
}

// clusterMove (DR9): every operation works at each stage of a slot's move, with
// the scripts unknown to both primaries.
func clusterMove(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("move:"))
	for _, tc := range []struct {
		stage       string
		moved, over bool
	}{
		{"announced and still at the old place", false, false},
		{"announced and at the new place", true, false},
		{"over", true, true},
	} {
		t.Run(tc.stage, func(t *testing.T) {
			subject := tc.stage
			kept, renewed, revoked, left := s.login(subject), s.login(subject), s.login(subject), s.login(subject)
			handle := s.handle(revoked)
			key, _ := s.place(kept)
			slot := c.slot(t, key)
			from, to := c.home(t, key)
			for _, n := range c.primaries {
				n.must(t, "SCRIPT", "FLUSH")
			}
			c.begin(t, slot, from, to)
			if tc.moved {
				require.Equal(t, 1, c.carry(t, slot, from, to))
			}
			if tc.over {
				c.end(t, slot, from, to)
			}

			require.Equal(t, subject, s.who(kept))
			r := s.request(kept)
			require.NoError(t, cart.Set(r, "apple"))
			require.NoError(t, r.Finish().Err)
			r = s.request(renewed)
			require.NoError(t, r.Renew(t.Context()))
			renewed = s.cookie(r)
			ended, err := s.m.Revoke(t.Context(), subject, handle)
			require.NoError(t, err)
			require.True(t, ended)
			require.NoError(t, s.logout(left))
			added := s.login(subject)
			tokens := s.enter(subject)
			s.pass(pastWindow)
			next := s.answered(tokens.Refresh, "rotated")
			require.NoError(t, s.verify(next))

			c.carry(t, slot, from, to)
			c.end(t, slot, from, to)
			for v, want := range map[string]string{kept: subject, renewed: subject, added: subject, revoked: nobody, left: nobody} {
				require.Equal(t, want, s.who(v))
			}
			r = s.request(kept)
			got, _, err := cart.Get(r)
			require.NoError(t, err)
			require.Equal(t, "apple", got)
			r.Finish()
			s.answered(next.Refresh, "coalesced")
			require.NoError(t, s.m.RevokeAll(t.Context(), subject))
			require.Equal(t, nobody, s.who(kept))
			s.refused(next.Refresh)
		})
	}
}

// clusterMoveBusy (DR9): a slot that moves back and forth under load loses no
// write, ends nobody's session and brings none back.
func clusterMoveBusy(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("busy:"))
	v, dead := s.login("ann"), s.login("ann")
	require.NoError(t, s.logout(dead))
	key, _ := s.place(v)
	slot := c.slot(t, key)
	from, to := c.home(t, key)

	stop := make(chan struct{})
	var done sync.WaitGroup
	var counted atomic.Int64
	var problem atomic.Pointer[string]
	note := func(what string) { problem.CompareAndSwap(nil, &what) }
	for range 3 {
		done.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := s.request(v)
				if err := clics.Add(r, 1); err != nil {
					note("add: " + err.Error())
				} else if err := r.Finish().Err; err != nil {
					note("commit: " + err.Error())
				} else {
					counted.Add(1)
				}
				r = s.request(dead)
				if _, err := r.Principal(); err == nil {
					note("a session that had logged out is back")
				}
				r.Finish()
			}
		})
	}
	progress := func() {
		reached := counted.Load() + 10
		until(func() bool { return counted.Load() >= reached || problem.Load() != nil })
	}
	for range 6 {
		progress()
		c.begin(t, slot, from, to)
		progress()
		c.carry(t, slot, from, to)
		progress()
		c.end(t, slot, from, to)
		from, to = to, from
	}
	close(stop)
	done.Wait()
	if p := problem.Load(); p != nil {
		t.Fatal(*p)
	}
	r := s.request(v)
	got, err := clics.Get(r)
	require.NoError(t, err)
	require.Equal(t, counted.Load(), got)
	r.Finish()
}

// clusterCheck (DR6): one primary that may evict is enough for New to refuse.
func clusterCheck(t *testing.T, c *cluster, client rueidis.Client) {
	for i, n := range c.primaries {
		t.Run(fmt.Sprintf("primary %d", i), func(t *testing.T) {
			n.must(t, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
			_, err := redisstore.New(t.Context(), client, redisstore.Config{})
			require.ErrorContains(t, err, n.addr+`: maxmemory-policy is "allkeys-lru"`)
			n.must(t, "CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
			_, err = redisstore.New(t.Context(), client, redisstore.Config{})
			require.NoError(t, err)
		})
	}
}

// clusterReplicas (DR3): a replica may still have a session that was ended.
func clusterReplicas(t *testing.T, c *cluster) {
	// A cluster tells clients of a replica when it has heard how far that one is.
	for _, n := range c.all() {
		require.True(t, until(func() bool { return n.tellsReplicas(t) }), "clients of %s hear of no replica", n.addr)
	}
	reading := c.client(t, func(o *rueidis.ClientOption) {
		o.SendToReplicas = func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() }
	})
	_, err := redisstore.New(t.Context(), reading, redisstore.Config{})
	require.ErrorContains(t, err, "replica")
}

func (n *node) tellsReplicas(t *testing.T) bool {
	t.Helper()
	ranges, err := n.do(t, "CLUSTER", "SLOTS").ToArray()
	require.NoError(t, err)
	for _, r := range ranges {
		// first slot, last slot, primary, replicas
		if fields, err := r.ToArray(); err == nil && len(fields) > 3 {
			return true
		}
	}
	return false
}

// clusterRights: a user with the documented rights works on a cluster too, while a
// slot moves, and without those that only a cluster asks for it does not.
func clusterRights(t *testing.T, c *cluster) {
	for _, n := range c.all() {
		n.must(t, aclSetUser(aclKeys, append(clusterOnly, rights...)...)...)
	}
	user := func(o *rueidis.ClientOption) { o.Username, o.Password = aclUser, aclPassword }
	client := c.client(t, user)
	s := newSite(t, client)
	hasty := newSite(t, client, func(c *redisstore.Config) { c.Timeout = 200 * time.Millisecond })
	v, gone := s.login("ann"), s.login("ann")
	key, _ := s.place(v)
	from, to := c.home(t, key)
	slot := c.slot(t, key)
	c.begin(t, slot, from, to)
	c.carry(t, slot, from, to)
	require.Equal(t, "ann", s.who(v))
	s.revoke("ann", gone)
	require.Equal(t, nobody, s.who(gone))

	for _, n := range c.all() {
		n.must(t, aclSetUser(aclKeys, append([]string{"+cluster|slots"}, rights...)...)...)
	}
	require.Equal(t, unknown, hasty.who(v), "ASKING is needed while a slot moves")
	c.end(t, slot, from, to)
	for _, n := range c.all() {
		n.must(t, aclSetUser(aclKeys, rights...)...)
	}
	_, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{c.primaries[0].addr, c.primaries[1].addr}, Username: aclUser, Password: aclPassword, DisableCache: true,
	})
	require.ErrorContains(t, err, "cluster|slots")
}

// clusterFailover: a replica that takes over in good order has every session and
// every revocation, and a client that does not know yet finds its way.
func clusterFailover(t *testing.T, c *cluster, client rueidis.Client) {
	s := newSite(t, client, prefixed("fail:"))
	values, ended := map[string]string{}, map[string]string{}
	tokens, over := map[string]refresh.Tokens{}, map[string]refresh.Tokens{}
	for i := range 20 {
		subject := fmt.Sprintf("user%d", i)
		ended[subject], over[subject] = s.login(subject), s.enter(subject)
		require.NoError(t, s.m.RevokeAll(t.Context(), subject))
		values[subject], tokens[subject] = s.login(subject), s.enter(subject)
	}
	s.pass(pastWindow)
	c.replica.must(t, "CLUSTER", "FAILOVER")
	for _, n := range c.all() {
		require.True(t, until(func() bool {
			for line := range strings.Lines(n.text(t, "CLUSTER", "NODES")) {
				if strings.HasPrefix(line, c.ids[c.replica]) {
					return strings.Contains(line, "master")
				}
			}
			return false
		}), "no failover: %s", n.log)
	}
	for subject, v := range values {
		require.Equal(t, subject, s.who(v))
		require.Equal(t, nobody, s.who(ended[subject]))
		s.refused(over[subject].Refresh)
		require.NoError(t, s.verify(s.answered(tokens[subject].Refresh, "rotated")))
		require.NoError(t, s.m.RevokeAll(t.Context(), subject))
		require.Equal(t, nobody, s.who(v))
	}
}

package redisstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// key makes different keys of one slot.
func key(n byte) session.StoreKey {
	return session.StoreKey{Tag: [4]byte{1, 2, 3, 4}, Hash: [32]byte{n}}
}

func entry(version uint64, value string) session.Entry {
	return session.Entry{Version: version, Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond), Subject: "alice", Value: value}
}

func load(t *testing.T, s session.Store, k session.StoreKey) session.Entry {
	t.Helper()
	out := make([]session.Entry, 1)
	require.NoError(t, s.Load(t.Context(), []session.StoreKey{k}, out))
	return out[0]
}

// server starts a Redis for one test, which may then break it.
func server(t *testing.T, args ...string) (addr string, client rueidis.Client) {
	t.Helper()
	addr, stop, err := startServer(args...)
	require.NoError(t, err)
	t.Cleanup(stop)
	return addr, newClient(t, addr)
}

func command(t *testing.T, c rueidis.Client, words ...string) rueidis.RedisResult {
	t.Helper()
	return c.Do(t.Context(), c.B().Arbitrary(words...).Build())
}

func TestConfigErrors(t *testing.T) {
	_, err := redisstore.New(t.Context(), nil, redisstore.Config{Prefix: "a{b}", Timeout: -1, MaxValueBytes: 1})
	var fields []string
	for _, e := range unwrap(err) {
		var c *core.ConfigError
		require.ErrorAs(t, e, &c)
		fields = append(fields, c.Field)
	}
	require.Equal(t, []string{"redisstore.New.client", "redisstore.Config.Prefix", "redisstore.Config.Timeout", "redisstore.Config.MaxValueBytes"}, fields)
}

func unwrap(err error) []error {
	for err != nil {
		if j, ok := err.(interface{ Unwrap() []error }); ok {
			return j.Unwrap()
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil
		}
		err = u.Unwrap()
	}
	return nil
}

// TestTampered (DR11 and tampering): what is no value of ours is an error, which
// the manager takes for "unknown", and never an entry or an absence.
func TestTampered(t *testing.T) {
	client := newClient(t, addr)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Prefix: "tampered:"})
	require.NoError(t, err)
	s := store.Sessions()
	require.NoError(t, s.Create(t.Context(), key(1), entry(1, "value")))
	redisKey := "tampered:s:" + key(1).String()
	good, err := command(t, client, "GET", redisKey).ToString()
	require.NoError(t, err)
	for name, value := range map[string]string{
		"empty":            "",
		"truncated":        good[:20],
		"newer format":     "2" + good[1:],
		"version zero":     good[:1] + strings.Repeat("\x00", 8) + good[9:],
		"time garbled":     good[:9] + "xxxxxxxxxxxxx" + good[22:],
		"subject too long": good[:22] + "\xff\xff" + good[24:],
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, command(t, client, "SET", redisKey, value, "PX", "60000").Error())
			require.Error(t, s.Load(t.Context(), []session.StoreKey{key(1)}, make([]session.Entry, 1)))
		})
	}
}

// TestFullMemory (DR7): when memory is full nobody logs in, and everybody can still
// be read, kept alive and logged out.
func TestFullMemory(t *testing.T) {
	_, client := server(t, "--maxmemory-policy", "noeviction")
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	old := entry(1, strings.Repeat("v", 500))
	require.NoError(t, s.Create(t.Context(), key(1), old))
	require.NoError(t, command(t, client, "CONFIG", "SET", "maxmemory", "1").Error())

	require.ErrorContains(t, s.Create(t.Context(), key(2), entry(1, "new")), "OOM")
	require.Equal(t, old.Value, load(t, s, key(1)).Value)
	_, err = s.Swap(t.Context(), key(1), 1, entry(2, strings.Repeat("w", 501)))
	require.ErrorContains(t, err, "out of memory")
	touched := entry(2, strings.Repeat("w", 500))
	_, err = s.Swap(t.Context(), key(1), 1, touched)
	require.NoError(t, err)
	current, err := s.Swap(t.Context(), key(1), 1, touched)
	require.ErrorIs(t, err, session.ErrConflict)
	require.Equal(t, touched.Value, current.Value)
	taken, err := s.Take(t.Context(), key(1))
	require.NoError(t, err)
	require.Equal(t, touched.Value, taken.Value)
	_, err = s.Swap(t.Context(), key(1), 2, touched)
	require.ErrorIs(t, err, session.ErrGone)
}

// TestEveryKeyExpires (DR12): no operation leaves a key without a time to live, and
// none longer than the entry's.
func TestEveryKeyExpires(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	check := func() {
		t.Helper()
		keys, err := command(t, client, "KEYS", "*").AsStrSlice()
		require.NoError(t, err)
		require.NotEmpty(t, keys)
		for _, k := range keys {
			require.True(t, strings.HasPrefix(k, "sallyport:s:{01020304}:"), k)
			ttl, err := command(t, client, "PTTL", k).AsInt64()
			require.NoError(t, err)
			require.Greater(t, ttl, int64(0), k)
			require.LessOrEqual(t, ttl, time.Hour.Milliseconds(), k)
		}
	}
	require.NoError(t, s.Create(t.Context(), key(1), entry(1, "a")))
	check()
	_, err = s.Swap(t.Context(), key(1), 1, entry(2, "b"))
	require.NoError(t, err)
	check()
	left := entry(3, "c")
	_, err = s.Rename(t.Context(), key(1), 2, key(2), entry(3, "d"), &left)
	require.NoError(t, err)
	check()
}

// TestOneCommandEach: each operation is one command.
func TestOneCommandEach(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	operations := []struct {
		name string
		want string
		run  func(n byte) error
	}{
		{"create", "evalsha", func(n byte) error { return s.Create(t.Context(), key(n), entry(1, "a")) }},
		{"load", "get", func(n byte) error { return s.Load(t.Context(), []session.StoreKey{key(n)}, make([]session.Entry, 1)) }},
		{"swap", "evalsha", func(n byte) error { _, err := s.Swap(t.Context(), key(n), 1, entry(2, "b")); return err }},
		{"rename", "evalsha", func(n byte) error {
			_, err := s.Rename(t.Context(), key(n), 2, key(n+100), entry(3, "c"), nil)
			return err
		}},
		{"take", "getdel", func(n byte) error { _, err := s.Take(t.Context(), key(n+100)); return err }},
	}
	for _, o := range operations { // loads the scripts
		require.NoError(t, o.run(1), o.name)
	}
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) {
			require.NoError(t, command(t, client, "CONFIG", "RESETSTAT").Error())
			require.NoError(t, o.run(2))
			info, err := command(t, client, "INFO", "commandstats").ToString()
			require.NoError(t, err)
			require.Contains(t, info, "cmdstat_"+o.want+":calls=1,")
			calls := 0
			for line := range strings.Lines(info) {
				// What a script does inside is listed as well; only scripts and
				// the plain commands come over the wire.
				for _, name := range []string{"evalsha", "eval"} {
					if strings.HasPrefix(line, "cmdstat_"+name+":calls=1,") {
						calls++
					}
				}
			}
			require.LessOrEqual(t, calls, 1, info)
		})
	}
}

// TestScriptsAreReloaded (DR9): a server that forgot the scripts is told again.
func TestScriptsAreReloaded(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	require.NoError(t, s.Create(t.Context(), key(1), entry(1, "a")))
	require.NoError(t, command(t, client, "SCRIPT", "FLUSH").Error())
	_, err = s.Swap(t.Context(), key(1), 1, entry(2, "b"))
	require.NoError(t, err)
	require.Equal(t, "b", load(t, s, key(1)).Value)
}

// TestReplicaReadsRefused (DR3): a client that reads where an ended session may
// still be alive is refused at construction.
func TestReplicaReadsRefused(t *testing.T) {
	primary, direct := server(t)
	host, port, _ := strings.Cut(primary, ":")
	replica, replicaClient := server(t, "--replicaof", host+" "+port)
	require.Eventually(t, func() bool {
		info, err := command(t, replicaClient, "INFO", "replication").ToString()
		return err == nil && strings.Contains(info, "master_link_status:up")
	}, 20*time.Second, 10*time.Millisecond)

	_, err := redisstore.New(t.Context(), direct, redisstore.Config{})
	require.NoError(t, err)
	reading, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{primary}, DisableCache: true,
		Standalone:     rueidis.StandaloneOption{ReplicaAddress: []string{replica}},
		SendToReplicas: func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() },
	})
	require.NoError(t, err)
	t.Cleanup(reading.Close)
	_, err = redisstore.New(t.Context(), reading, redisstore.Config{})
	require.ErrorContains(t, err, "replica")
}

// TestDeadline (DR18): a server that does not answer costs a call its deadline.
func TestDeadline(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Timeout: 50 * time.Millisecond})
	require.NoError(t, err)
	s := store.Sessions()
	require.NoError(t, command(t, client, "CLIENT", "PAUSE", "600000", "ALL").Error())
	for name, err := range map[string]error{
		"load":   s.Load(t.Context(), []session.StoreKey{key(1)}, make([]session.Entry, 1)),
		"create": s.Create(t.Context(), key(1), entry(1, "a")),
		"take":   func() error { _, err := s.Take(t.Context(), key(1)); return err }(),
	} {
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
	}
}

// TestTooLarge: an entry over the limit is refused before it is sent.
func TestTooLarge(t *testing.T) {
	store, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{Prefix: "large:", MaxValueBytes: 1 << 10})
	require.NoError(t, err)
	s := store.Sessions()
	require.ErrorContains(t, s.Create(t.Context(), key(1), entry(1, strings.Repeat("v", 1<<10))), "larger than")
	require.Zero(t, load(t, s, key(1)))
}

// TestPrefixesAreApart: two prefixes on one server share nothing.
func TestPrefixesAreApart(t *testing.T) {
	var stores []session.Store
	for i := range 2 {
		s, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{Prefix: fmt.Sprintf("apart%d:", i)})
		require.NoError(t, err)
		stores = append(stores, s.Sessions())
	}
	require.NoError(t, stores[0].Create(t.Context(), key(1), entry(1, "a")))
	require.Zero(t, load(t, stores[1], key(1)))
}

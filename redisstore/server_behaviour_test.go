package redisstore_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// key makes different keys of one tag.
func key(n byte) session.StoreKey {
	return session.StoreKey{Tag: [4]byte{1, 2, 3, 4}, Hash: [32]byte{n}}
}

// hashOf is where all those keys stand.
const hashOf = "sallyport:{01020304}"

var alice = revocation.Owner{Tag: [4]byte{1, 2, 3, 4}, Hash: [12]byte{0xa}}

// entry is a session of alice with a handle of its own.
func entry(version uint64, value string) session.Entry {
	return session.Entry{
		Version: version, Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond),
		Owner: alice, Handle: handle(1), Listed: true, Created: time.Now().Truncate(time.Microsecond), Value: value,
	}
}

func handle(n byte) revocation.Handle { return revocation.Handle{n} }

func secret(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

// some lets enough sessions in.
var some = session.Admission{Max: 10}

func create(t testing.TB, s session.Store, k session.StoreKey, e session.Entry) {
	t.Helper()
	_, _, err := s.Create(t.Context(), k, e, some)
	require.NoError(t, err)
}

func load(t testing.TB, s session.Store, k session.StoreKey) session.Entry {
	t.Helper()
	out := make([]session.Entry, 1)
	require.NoError(t, s.Load(t.Context(), []session.StoreKey{k}, out))
	return out[0]
}

func loadError(t testing.TB, s session.Store, k session.StoreKey) error {
	t.Helper()
	out := make([]session.Entry, 1)
	err := s.Load(t.Context(), []session.StoreKey{k}, out)
	require.Zero(t, out[0])
	return err
}

func field(k session.StoreKey) string { return string(k.Hash[:]) }

func raw(t testing.TB, c rueidis.Client, hash string, k session.StoreKey) string {
	t.Helper()
	v, err := command(t, c, "HGET", hash, string(k.Hash[:])).ToString()
	require.NoError(t, err)
	return v
}

func TestConfigErrors(t *testing.T) {
	_, err := redisstore.New(t.Context(), nil, redisstore.Config{
		Prefix: "a{b}", Secrets: [][]byte{secret(1), secret(2)[:31]}, Timeout: -1, MaxValueBytes: 1,
	})
	var fields []string
	for _, e := range unwrap(err) {
		var c *core.ConfigError
		require.ErrorAs(t, e, &c)
		fields = append(fields, c.Field)
	}
	require.Equal(t, []string{
		"redisstore.New.client", "redisstore.Config.Prefix", "redisstore.Config.Secrets[1]",
		"redisstore.Config.Timeout", "redisstore.Config.MaxValueBytes",
	}, fields)
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

// TestTampered (tampering): what is no record of ours is an error, which the
// manager takes for "unknown", and never an entry or an absence. It does not stand
// in the way of an end.
func TestTampered(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	create(t, s, key(1), entry(1, "value"))
	good := raw(t, client, hashOf, key(1))
	for name, value := range map[string]string{
		"empty":         "",
		"truncated":     good[:58],
		"newer format":  "\x03" + good[1:],
		"signed":        "\x02" + good[1:],
		"unknown flags": good[:1] + "\xff" + good[2:],
		"version zero":  good[:2] + strings.Repeat("\x00", 8) + good[10:],
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, command(t, client, "DEL", hashOf).Error())
			create(t, s, key(2), func() session.Entry { e := entry(1, "other"); e.Handle = handle(2); return e }())
			require.NoError(t, command(t, client, "HSET", hashOf, field(key(1)), value).Error())
			require.Error(t, loadError(t, s, key(1)))
			require.Equal(t, "other", load(t, s, key(2)).Value)

			_, err := s.List(t.Context(), alice)
			if name == "empty" || name == "truncated" || name == "newer format" || name == "signed" {
				require.Error(t, err)
			}
			ended, err := s.EndAll(t.Context(), alice, time.Now().Add(time.Hour))
			require.NoError(t, err, "what cannot be read must not stop a log-out everywhere")
			require.Len(t, ended, 1)
			require.Equal(t, key(2), ended[0].Key)
			require.Zero(t, load(t, s, key(2)))
		})
	}
	t.Run("taken", func(t *testing.T) {
		require.NoError(t, command(t, client, "HSET", hashOf, field(key(1)), "x").Error())
		_, err := s.Take(t.Context(), key(1))
		require.Error(t, err)
		require.Zero(t, load(t, s, key(1)))
	})
	t.Run("revocations", func(t *testing.T) {
		require.NoError(t, command(t, client, "DEL", hashOf).Error())
		create(t, s, key(1), entry(1, "value"))
		require.NoError(t, command(t, client, "HSET", hashOf, "r", "too short").Error())
		require.Error(t, loadError(t, s, key(1)))
		_, err := s.Revoked(t.Context(), alice, revocation.Asked{Session: handle(1)})
		require.Error(t, err)
		_, err = s.Swap(t.Context(), key(1), 1, entry(2, "next"))
		require.Error(t, err)
		require.Error(t, s.Deny(t.Context(), alice, handle(9), time.Now().Add(time.Hour)))
	})
}

// TestMAC: with Secrets, whoever can write to Redis mints no session.
func TestMAC(t *testing.T) {
	_, client := server(t)
	node := func(secrets ...[]byte) session.Store {
		store, err := redisstore.New(t.Context(), client, redisstore.Config{Secrets: secrets})
		require.NoError(t, err)
		return store.Sessions()
	}
	s := node(secret(1))
	want := entry(1, "value")
	create(t, s, key(1), want)
	good := raw(t, client, hashOf, key(1))
	put := func(k session.StoreKey, v string) {
		t.Helper()
		require.NoError(t, command(t, client, "HSET", hashOf, string(k.Hash[:]), v).Error())
	}

	t.Run("every byte but the epoch", func(t *testing.T) {
		for i := range len(good) {
			b := []byte(good)
			b[i] ^= 1
			put(key(1), string(b))
			if i >= 16 && i < 24 {
				require.True(t, load(t, s, key(1)).Behind, i)
				continue
			}
			if i >= 10 && i < 16 {
				continue // may have expired, and is then removed
			}
			require.Error(t, loadError(t, s, key(1)), i)
		}
	})
	t.Run("lengthened", func(t *testing.T) {
		b := []byte(good)
		binary.BigEndian.PutUint16(b[10:], 0x7fff)
		put(key(1), string(b))
		require.Error(t, loadError(t, s, key(1)))
	})
	t.Run("moved (DR11: an answer for another key)", func(t *testing.T) {
		put(key(2), good)
		require.Error(t, loadError(t, s, key(2)))
		other := session.StoreKey{Tag: [4]byte{9}, Hash: key(1).Hash}
		require.NoError(t, command(t, client, "HSET", "sallyport:{09000000}", string(other.Hash[:]), good).Error())
		require.Error(t, loadError(t, s, other))
	})
	t.Run("unsigned", func(t *testing.T) {
		create(t, node(), key(3), entry(1, "unsigned"))
		require.Error(t, loadError(t, s, key(3)))
		put(key(1), good)
		require.Error(t, loadError(t, node(), key(1)), "a node without secrets is a mistake that must show")
	})
	t.Run("secrets are exchanged", func(t *testing.T) {
		put(key(1), good)
		require.Equal(t, want.Value, load(t, node(secret(2), secret(1)), key(1)).Value)
		require.Error(t, loadError(t, node(secret(2)), key(1)))
		create(t, node(secret(2), secret(1)), key(4), entry(1, "new"))
		require.Equal(t, "new", load(t, node(secret(1), secret(2)), key(4)).Value)
		require.Error(t, loadError(t, s, key(4)))
	})
	t.Run("survives what the scripts change", func(t *testing.T) {
		require.NoError(t, command(t, client, "DEL", hashOf).Error())
		create(t, s, key(1), want)
		epoch, _, err := s.EndOthers(t.Context(), alice, want.Handle, time.Now().Add(time.Hour))
		require.NoError(t, err)
		got := load(t, s, key(1))
		require.Equal(t, epoch, got.Epoch)
		require.Equal(t, want.Value, got.Value)
		left := entry(2, "left")
		_, err = s.Rename(t.Context(), key(1), 1, key(2), entry(2, "moved"), &left)
		require.NoError(t, err)
		require.Equal(t, "left", load(t, s, key(1)).Value)
		require.Equal(t, "moved", load(t, s, key(2)).Value)
		require.Equal(t, epoch, load(t, s, key(1)).Epoch)
	})
}

// TestFullMemory (DR7): when memory is full nobody logs in, and everybody can still
// be read, kept alive, renewed without a snapshot, logged out and revoked.
func TestFullMemory(t *testing.T) {
	_, client := server(t, "--maxmemory-policy", "noeviction")
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	until := time.Now().Add(time.Hour)
	old := entry(1, strings.Repeat("v", 500))
	create(t, s, key(1), old)
	for n := byte(10); n < 14; n++ {
		e := entry(1, "more")
		e.Handle = handle(n)
		create(t, s, key(n), e)
	}
	require.NoError(t, command(t, client, "CONFIG", "SET", "maxmemory", "1").Error())

	_, _, err = s.Create(t.Context(), key(2), entry(1, "new"), some)
	require.ErrorContains(t, err, "OOM")
	require.Equal(t, old.Value, load(t, s, key(1)).Value)
	_, err = s.Swap(t.Context(), key(1), 1, entry(2, strings.Repeat("w", 501)))
	require.ErrorContains(t, err, "out of memory")
	touched := entry(2, strings.Repeat("w", 500))
	_, err = s.Swap(t.Context(), key(1), 1, touched)
	require.NoError(t, err)
	current, err := s.Swap(t.Context(), key(1), 1, touched)
	require.ErrorIs(t, err, session.ErrConflict)
	require.Equal(t, touched.Value, current.Value)
	_, err = s.Rename(t.Context(), key(1), 2, key(3), touched, &touched)
	require.ErrorContains(t, err, "out of memory")
	_, err = s.Rename(t.Context(), key(1), 2, key(3), touched, nil)
	require.NoError(t, err)
	taken, err := s.Take(t.Context(), key(3))
	require.NoError(t, err)
	require.Equal(t, touched.Value, taken.Value)
	_, err = s.Swap(t.Context(), key(3), 2, touched)
	require.ErrorIs(t, err, session.ErrGone)

	list, err := s.List(t.Context(), alice)
	require.NoError(t, err)
	require.Len(t, list, 4)
	_, err = s.EndOne(t.Context(), alice, handle(10), until)
	require.NoError(t, err)
	require.NoError(t, s.Deny(t.Context(), alice, handle(11), until))
	require.Zero(t, load(t, s, key(11)))
	_, ended, err := s.EndOthers(t.Context(), alice, handle(12), until)
	require.NoError(t, err)
	require.Len(t, ended, 1)
	ended, err = s.EndAll(t.Context(), alice, until)
	require.NoError(t, err)
	require.Len(t, ended, 1)
	epoch, err := s.RaiseEpoch(t.Context(), alice, until)
	require.NoError(t, err)
	require.NoError(t, s.RestoreEpoch(t.Context(), alice, epoch+1, until))
	got, err := s.Revoked(t.Context(), alice, revocation.Asked{Session: handle(1)})
	require.NoError(t, err)
	require.Equal(t, epoch+1, got.Epoch)
}

// operations calls everything that a store can do, once for each n.
func operations(t *testing.T, s session.Store) []operation {
	until := func() time.Time { return time.Now().Add(time.Hour).Truncate(time.Millisecond) }
	k := func(n, i byte) session.StoreKey {
		return session.StoreKey{Tag: [4]byte{n}, Hash: [32]byte{i}}
	}
	owner := func(n byte) revocation.Owner { return revocation.Owner{Tag: [4]byte{n}, Hash: [12]byte{1}} }
	e := func(n, h byte, version uint64) session.Entry {
		e := entry(version, "value")
		e.Owner, e.Handle = owner(n), handle(h)
		return e
	}
	ctx, families := t.Context(), s.(refresh.Store)
	familyKey := func(n, h byte) refresh.Key { return refresh.Key{Tag: [4]byte{n}, Handle: handle(h)} }
	return []operation{
		{"create", func(n byte) error { _, _, err := s.Create(ctx, k(n, 1), e(n, 1, 1), some); return err }},
		{"load", func(n byte) error { return s.Load(ctx, []session.StoreKey{k(n, 1)}, make([]session.Entry, 1)) }},
		{"load two of a tag", func(n byte) error {
			return s.Load(ctx, []session.StoreKey{k(n, 1), k(n, 2)}, make([]session.Entry, 2))
		}},
		{"swap", func(n byte) error { _, err := s.Swap(ctx, k(n, 1), 1, e(n, 1, 2)); return err }},
		{"rename", func(n byte) error {
			left := e(n, 1, 3)
			left.Listed, left.Expires = false, time.Now().Add(time.Minute)
			_, err := s.Rename(ctx, k(n, 1), 2, k(n, 3), e(n, 1, 3), &left)
			return err
		}},
		{"create another", func(n byte) error { _, _, err := s.Create(ctx, k(n, 4), e(n, 4, 1), some); return err }},
		{"create over the limit", func(n byte) error {
			_, evicted, err := s.Create(ctx, k(n, 5), e(n, 5, 1), session.Admission{Max: 2, Until: until()})
			require.Len(t, evicted, 1)
			return err
		}},
		{"create a third", func(n byte) error { _, _, err := s.Create(ctx, k(n, 6), e(n, 6, 1), some); return err }},
		{"list", func(n byte) error { _, err := s.List(ctx, owner(n)); return err }},
		{"end one", func(n byte) error { _, err := s.EndOne(ctx, owner(n), handle(4), until()); return err }},
		{"deny", func(n byte) error { return s.Deny(ctx, owner(n), handle(9), until()) }},
		{"revoked", func(n byte) error {
			_, err := s.Revoked(ctx, owner(n), revocation.Asked{Session: handle(9)})
			return err
		}},
		{"end others", func(n byte) error { _, _, err := s.EndOthers(ctx, owner(n), handle(5), until()); return err }},
		{"create with an epoch", func(n byte) error {
			epoch, _, err := s.Create(ctx, k(n, 7), e(n, 7, 1), session.Admission{Max: 2, Until: until()})
			require.NotZero(t, epoch)
			return err
		}},
		{"take", func(n byte) error { _, err := s.Take(ctx, k(n, 5)); return err }},
		{"end all", func(n byte) error { _, err := s.EndAll(ctx, owner(n), until()); return err }},
		{"raise", func(n byte) error { _, err := s.RaiseEpoch(ctx, owner(n), until()); return err }},
		{"restore", func(n byte) error { return s.RestoreEpoch(ctx, owner(n), 7, until()) }},
		{"create a family", func(n byte) error {
			f, _, err := families.CreateFamily(ctx, family(owner(n), 21), 9)
			require.NotZero(t, f.Epoch)
			return err
		}},
		{"create another family", func(n byte) error {
			_, _, err := families.CreateFamily(ctx, family(owner(n), 22), 9)
			return err
		}},
		{"create a family over the limit", func(n byte) error {
			_, ended, err := families.CreateFamily(ctx, family(owner(n), 23), 2)
			require.Len(t, ended, 1)
			return err
		}},
		{"create a family to be stolen", func(n byte) error {
			_, _, err := families.CreateFamily(ctx, family(owner(n), 24), 9)
			return err
		}},
		{"sight", func(n byte) error { return families.Sight(ctx, owner(n), handle(22), revocation.Answer{Generation: 1}) }},
		{"find a family", func(n byte) error { _, err := families.FindFamily(ctx, familyKey(n, 22)); return err }},
		{"rotate", func(n byte) error { _, err := families.Rotate(ctx, familyKey(n, 22), token(1)); return err }},
		{"rotate, late", func(n byte) error { _, err := families.Rotate(ctx, familyKey(n, 22), token(1)); return err }},
		{"recover", func(n byte) error { _, err := families.Rotate(ctx, familyKey(n, 24), token(9)); return err }},
		{"steal", func(n byte) error { _, err := families.Rotate(ctx, familyKey(n, 24), token(1)); return err }},
		{"families", func(n byte) error { _, err := families.Families(ctx, owner(n)); return err }},
		{"end a family", func(n byte) error {
			_, err := families.EndFamily(ctx, familyKey(n, 22), token(1).Rules)
			return err
		}},
	}
}

type operation struct {
	name string
	run  func(n byte) error
}

// TestEveryKeyExpires (DR12): no operation leaves a key without a time to live, and
// none longer than what it holds.
func TestEveryKeyExpires(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	for _, o := range operations(t, store.Sessions()) {
		require.NoError(t, o.run(1), o.name)
		keys, err := command(t, client, "KEYS", "*").AsStrSlice()
		require.NoError(t, err)
		require.Equal(t, []string{"sallyport:{01000000}"}, keys, o.name)
		ttl, err := command(t, client, "PTTL", keys[0]).AsInt64()
		require.NoError(t, err)
		require.Greater(t, ttl, int64(0), o.name)
		require.LessOrEqual(t, ttl, time.Hour.Milliseconds(), o.name)
	}
}

// TestLifeOfKey (DR12): the key lives as long as the longest of what it holds, and
// a node whose clock is ahead does not shorten that.
func TestLifeOfKey(t *testing.T) {
	_, client := server(t)
	ahead := time.Duration(0)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Now: func() time.Time { return time.Now().Add(ahead) }})
	require.NoError(t, err)
	s := store.Sessions()
	lives := func(want time.Duration) {
		t.Helper()
		ttl, err := command(t, client, "PTTL", hashOf).AsInt64()
		require.NoError(t, err)
		require.InDelta(t, want.Milliseconds(), ttl, float64(time.Minute.Milliseconds()))
	}
	create(t, s, key(1), entry(1, "a"))
	lives(time.Hour)
	short := entry(1, "short")
	short.Handle, short.Expires = handle(2), time.Now().Add(time.Minute)
	create(t, s, key(2), short)
	lives(time.Hour)
	require.NoError(t, s.Deny(t.Context(), alice, handle(3), time.Now().Add(2*time.Hour)))
	lives(2 * time.Hour)
	_, err = s.EndOne(t.Context(), alice, handle(2), time.Now().Add(time.Minute))
	require.NoError(t, err)
	lives(2 * time.Hour)
	ahead = 50 * time.Minute
	_, err = s.Swap(t.Context(), key(1), 1, entry(2, "b"))
	require.NoError(t, err)
	_, err = s.List(t.Context(), alice)
	require.NoError(t, err)
	lives(2 * time.Hour)
}

// counting counts the commands that a client is given.
type counting struct {
	rueidis.Client
	n atomic.Int64
}

func (c *counting) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	c.n.Add(1)
	return c.Client.Do(ctx, cmd)
}

func (c *counting) DoMulti(ctx context.Context, multi ...rueidis.Completed) []rueidis.RedisResult {
	c.n.Add(int64(len(multi)))
	return c.Client.DoMulti(ctx, multi...)
}

// TestOneCommandEach: each operation is one command, and cookies of several tags
// cost one each.
func TestOneCommandEach(t *testing.T) {
	_, client := server(t)
	counted := &counting{Client: client}
	store, err := redisstore.New(t.Context(), counted, redisstore.Config{})
	require.NoError(t, err)
	s := store.Sessions()
	all := operations(t, s)
	for _, o := range all { // loads the scripts
		require.NoError(t, o.run(1), o.name)
	}
	for _, o := range all {
		t.Run(o.name, func(t *testing.T) {
			counted.n.Store(0)
			require.NoError(t, o.run(2))
			require.EqualValues(t, 1, counted.n.Load())
		})
	}
	t.Run("load of three tags", func(t *testing.T) {
		counted.n.Store(0)
		keys := []session.StoreKey{{Tag: [4]byte{1}}, {Tag: [4]byte{2}}, {Tag: [4]byte{1}, Hash: [32]byte{1}}, {Tag: [4]byte{3}}}
		require.NoError(t, s.Load(t.Context(), keys, make([]session.Entry, len(keys))))
		require.EqualValues(t, 3, counted.n.Load())
	})
}

// TestScriptsAreReloaded (DR9): a server that forgot the scripts is told again.
func TestScriptsAreReloaded(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{})
	require.NoError(t, err)
	for _, o := range operations(t, store.Sessions()) {
		require.NoError(t, command(t, client, "SCRIPT", "FLUSH").Error())
		require.NoError(t, o.run(1), o.name)
	}
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
	_, err = redisstore.New(t.Context(), replicaClient, redisstore.Config{})
	require.ErrorContains(t, err, "replica")
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

// TestEvictionRefused (DR6): a server that may evict what was revoked is refused.
func TestEvictionRefused(t *testing.T) {
	for _, tc := range []struct {
		desc, policy, limit string
		insecure, want      bool
	}{
		{"noeviction", "noeviction", "100mb", false, true},
		{"no limit", "allkeys-lru", "0", false, true},
		{"allkeys", "allkeys-lru", "100mb", false, false},
		{"volatile", "volatile-ttl", "100mb", false, false},
		{"accepted", "allkeys-lru", "100mb", true, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			_, client := server(t, "--maxmemory-policy", tc.policy, "--maxmemory", tc.limit)
			_, err := redisstore.New(t.Context(), client, redisstore.Config{InsecureEviction: tc.insecure})
			if tc.want {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.policy)
			require.ErrorContains(t, err, "noeviction")
			require.ErrorContains(t, err, "InsecureEviction")
		})
	}
}

// TestOldServerRefused: all that is wrong is said at once, and of which server.
func TestOldServerRefused(t *testing.T) {
	behind, _ := server(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb")
	front := proxy(t, behind, func(b []byte) []byte {
		return bytes.ReplaceAll(b, []byte("redis_version:7."), []byte("redis_version:6."))
	})
	_, err := redisstore.New(t.Context(), newClient(t, front), redisstore.Config{})
	require.ErrorContains(t, err, front)
	require.ErrorContains(t, err, `version "6.`)
	require.ErrorContains(t, err, "allkeys-lru")
}

// proxy forwards to a server and changes what it answers.
func proxy(t *testing.T, to string, change func([]byte) []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				return
			}
			go func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			}()
			go func() {
				defer client.Close()
				b := make([]byte, 64<<10)
				for {
					n, err := server.Read(b)
					if err != nil {
						return
					}
					if _, err := client.Write(change(b[:n])); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// TestDeadline (DR18): a server that does not answer costs a call its deadline.
func TestDeadline(t *testing.T) {
	_, client := server(t)
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Timeout: time.Second})
	require.NoError(t, err)
	s := store.Sessions()
	require.NoError(t, command(t, client, "CLIENT", "PAUSE", "600000", "ALL").Error())
	var wg sync.WaitGroup
	all := operations(t, s)
	errs := make([]error, len(all))
	for i, o := range all {
		if strings.HasPrefix(o.name, "create") && o.name != "create" {
			continue // they look at their answer first
		}
		wg.Go(func() { errs[i] = o.run(1) })
	}
	wg.Wait()
	for i, o := range all {
		if errs[i] != nil || !strings.HasPrefix(o.name, "create ") {
			require.ErrorIs(t, errs[i], context.DeadlineExceeded, o.name)
		}
	}
}

// TestTooLarge: an entry over the limit is refused before it is sent.
func TestTooLarge(t *testing.T) {
	store, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{Prefix: freshPrefix(), MaxValueBytes: 1 << 10})
	require.NoError(t, err)
	s := store.Sessions()
	large := entry(2, strings.Repeat("v", 1<<10))
	_, _, err = s.Create(t.Context(), key(1), large, some)
	require.ErrorContains(t, err, "larger than")
	require.Zero(t, load(t, s, key(1)))
	create(t, s, key(1), entry(1, "small"))
	_, err = s.Swap(t.Context(), key(1), 1, large)
	require.ErrorContains(t, err, "larger than")
	small := entry(2, "small")
	_, err = s.Rename(t.Context(), key(1), 1, key(2), small, &large)
	require.ErrorContains(t, err, "larger than")
	require.Equal(t, "small", load(t, s, key(1)).Value)
}

// TestPrefixesAreApart: two prefixes on one server share nothing.
func TestPrefixesAreApart(t *testing.T) {
	var stores []session.Store
	for range 2 {
		s, err := redisstore.New(t.Context(), newClient(t, addr), redisstore.Config{Prefix: freshPrefix()})
		require.NoError(t, err)
		stores = append(stores, s.Sessions())
	}
	create(t, stores[0], key(1), entry(1, "a"))
	require.Zero(t, load(t, stores[1], key(1)))
	_, err := stores[1].EndAll(t.Context(), alice, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, "a", load(t, stores[0], key(1)).Value)
}

// TestForeignTagRefused: an owner of another tag would be decided about elsewhere.
func TestForeignTagRefused(t *testing.T) {
	s := newStore(t, time.Now).Sessions()
	foreign := entry(1, "a")
	foreign.Owner.Tag = [4]byte{9}
	_, _, err := s.Create(t.Context(), key(1), foreign, some)
	require.ErrorContains(t, err, "tag")
	create(t, s, key(1), entry(1, "a"))
	_, err = s.Rename(t.Context(), key(1), 1, session.StoreKey{Tag: [4]byte{9}}, session.Entry{Version: 2}, nil)
	require.ErrorContains(t, err, "tag")
	require.Equal(t, "a", load(t, s, key(1)).Value)
}

// TestReportedOnceInAFleet: of many nodes that come across a dead record at once,
// one reports it.
func TestReportedOnceInAFleet(t *testing.T) {
	_, client := server(t)
	var late atomic.Int64
	var reports sync.Map // key to *[3]atomic.Int64
	var nodes []session.Store
	for range 4 {
		store, err := redisstore.New(t.Context(), client, redisstore.Config{
			Now: func() time.Time { return time.Now().Add(time.Duration(late.Load())) },
		})
		require.NoError(t, err)
		s := store.Sessions()
		require.Same(t, s, store.Sessions())
		s.(session.Reporter).Report(func(k session.StoreKey, _ session.Entry, why session.Ending) {
			n, _ := reports.LoadOrStore(k, new([3]atomic.Int64))
			n.(*[3]atomic.Int64)[why].Add(1)
		})
		nodes = append(nodes, s)
	}
	const n = 40
	for i := range byte(n) {
		e := entry(1, "value")
		e.Handle, e.Listed = handle(i), false
		create(t, nodes[0], key(i), e)
	}
	require.NoError(t, nodes[0].Deny(t.Context(), alice, handle(0), time.Now().Add(3*time.Hour)))
	meet := func(from byte) {
		var wg sync.WaitGroup
		for _, s := range nodes {
			wg.Go(func() {
				for i := from; i < n; i++ {
					out := make([]session.Entry, 1)
					_ = s.Load(context.Background(), []session.StoreKey{key(i)}, out)
				}
			})
		}
		wg.Wait()
	}
	meet(0)
	late.Store(int64(2 * time.Hour))
	meet(1)
	for i := range byte(n) {
		v, ok := reports.Load(key(i))
		require.True(t, ok, i)
		got := v.(*[3]atomic.Int64)
		want := [3]int64{session.Expired: 1}
		if i == 0 {
			want = [3]int64{session.Revoked: 1}
		}
		require.Equal(t, want, [3]int64{got[0].Load(), got[1].Load(), got[2].Load()}, i)
	}
}

// TestSnapshotsDoNotPileUp: what renewals leave behind is cleared away although
// nobody presents it again or lists the sessions.
func TestSnapshotsDoNotPileUp(t *testing.T) {
	_, client := server(t)
	now := time.Now()
	store, err := redisstore.New(t.Context(), client, redisstore.Config{Now: func() time.Time { return now }})
	require.NoError(t, err)
	s := store.Sessions()
	reported := 0
	s.(session.Reporter).Report(func(session.StoreKey, session.Entry, session.Ending) { reported++ })
	e := entry(1, "value")
	e.Expires = now.Add(24 * time.Hour)
	create(t, s, key(0), e)
	for n := range byte(100) {
		left := e
		left.Listed, left.Expires = false, now.Add(time.Minute)
		_, err := s.Rename(t.Context(), key(n), 1, key(n+1), e, &left)
		require.NoError(t, err)
		now = now.Add(2 * time.Minute)
	}
	fields, err := command(t, client, "HLEN", hashOf).AsInt64()
	require.NoError(t, err)
	require.LessOrEqual(t, fields, int64(16))
	require.EqualValues(t, 101-fields, reported)
	require.Equal(t, "value", load(t, s, key(100)).Value)
}

// TestEpochsAreExact: an epoch is 64 bits, of which a script's numbers hold 53.
func TestEpochsAreExact(t *testing.T) {
	s := newStore(t, time.Now).Sessions()
	until := time.Now().Add(time.Hour)
	for _, epoch := range []uint64{1 << 52, 1<<53 + 1, 1<<60 + 0xffffffff, 1<<64 - 2} {
		require.NoError(t, s.RestoreEpoch(t.Context(), alice, epoch, until))
		require.NoError(t, s.RestoreEpoch(t.Context(), alice, epoch-1, until))
		got, err := s.Revoked(t.Context(), alice, revocation.Asked{Session: handle(1)})
		require.NoError(t, err)
		require.Equal(t, epoch, got.Epoch)
		create(t, s, key(1), entry(1, "a"))
		require.Equal(t, epoch, load(t, s, key(1)).Epoch)
		next, err := s.RaiseEpoch(t.Context(), alice, until)
		require.NoError(t, err)
		require.Equal(t, epoch+1, next)
		require.Zero(t, load(t, s, key(1)), epoch)
	}
	last, err := s.RaiseEpoch(t.Context(), alice, until)
	require.NoError(t, err)
	require.Equal(t, uint64(1<<64-1), last, "there is none after the last")
}

// TestMemoryPerSession: a login with a payload of 200 bytes costs at most 700.
func TestMemoryPerSession(t *testing.T) {
	const n, most = 20_000, 700
	for _, tc := range []struct {
		desc    string
		secrets [][]byte
	}{{"plain", nil}, {"signed", [][]byte{secret(1)}}} {
		t.Run(tc.desc, func(t *testing.T) {
			_, client := server(t)
			store, err := redisstore.New(t.Context(), client, redisstore.Config{Secrets: tc.secrets, Timeout: time.Minute})
			require.NoError(t, err)
			s := store.Sessions()
			fill := func(from, to int) {
				var wg sync.WaitGroup
				for w := range 16 {
					wg.Go(func() {
						for i := from + w; i < to; i += 16 {
							e := entry(1, strings.Repeat("v", 300))
							k := session.StoreKey{}
							binary.BigEndian.PutUint32(k.Tag[:], uint32(i))
							k.Hash[0], e.Owner.Tag = 1, k.Tag
							if _, _, err := s.Create(context.Background(), k, e, some); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			}
			used := func() int64 {
				info, err := command(t, client, "MEMORY", "STATS").AsMap()
				require.NoError(t, err)
				m := info["total.allocated"]
				got, err := m.AsInt64()
				require.NoError(t, err)
				return got
			}
			fill(n, n+100) // loads the scripts and what the server makes once
			before := used()
			fill(0, n)
			// The server still moves its tables and frees buffers of connections.
			per := int64(0)
			require.Eventually(t, func() bool {
				per = (used() - before) / n
				return per <= most
			}, 20*time.Second, 50*time.Millisecond)
			t.Logf("%d bytes a session", per)
			require.Greater(t, per, int64(300))
		})
	}
}

// The store beside the bare commands that it cannot do without.
func BenchmarkStore(b *testing.B) {
	_, client := server(b)
	store, err := redisstore.New(b.Context(), client, redisstore.Config{})
	require.NoError(b, err)
	s := store.Sessions()
	value := strings.Repeat("v", 300)
	k := func(n uint64) session.StoreKey {
		var k session.StoreKey
		binary.BigEndian.PutUint32(k.Tag[:], uint32(n%1000))
		return k
	}
	for n := range uint64(1000) {
		e := entry(1, value)
		e.Owner.Tag = k(n).Tag
		create(b, s, k(n), e)
		require.NoError(b, command(b, client, "SET", fmt.Sprint("raw", n), value+strings.Repeat("h", 59), "PX", "3600000").Error())
	}
	families := store.Refresh()
	for n := range uint64(1000) {
		f := family(revocation.Owner{Tag: k(n).Tag}, 1)
		f.Value = value
		begin(b, families, f)
	}
	answered := token(2)
	answered.Rules.Grace = time.Minute
	bare := rueidis.NewLuaScript("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1")
	var next atomic.Uint64
	for _, bench := range []struct {
		name string
		run  func(ctx context.Context, n uint64) error
	}{
		{"read", func(ctx context.Context, n uint64) error {
			return s.Load(ctx, []session.StoreKey{k(n)}, make([]session.Entry, 1))
		}},
		{"read/bare", func(ctx context.Context, n uint64) error {
			return client.Do(ctx, client.B().Get().Key(fmt.Sprint("raw", n%1000)).Build()).Error()
		}},
		{"write", func(ctx context.Context, n uint64) error {
			e := entry(1, value)
			e.Owner.Tag = k(n).Tag
			_, err := s.Swap(ctx, k(n), 1, e)
			return err
		}},
		{"refresh", func(ctx context.Context, n uint64) error {
			_, err := families.Rotate(ctx, refresh.Key{Tag: k(n).Tag, Handle: handle(1)}, answered)
			return err
		}},
		{"write/bare", func(ctx context.Context, n uint64) error {
			return bare.Exec(ctx, client, []string{fmt.Sprint("raw", n%1000)}, []string{value + strings.Repeat("h", 59), "3600000"}).Error()
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					// As the Manager calls.
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					err := bench.run(ctx, next.Add(1))
					cancel()
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

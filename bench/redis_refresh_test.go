package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/redisstore"
)

// rawRotate is the least that a script which decides about a family can do: look at a
// field, store another value in it.
var rawRotate = rueidis.NewLuaScript(`local v = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return v`)

// recordBytes is about what a record of a family takes.
const recordBytes = 256

// A remote is population families on Redis and what is done with number i.
type remote func(tb testing.TB) func(ctx context.Context, i int) error

// remotes are the rows of BenchmarkRemote.
var remotes = []struct {
	name string
	make remote
}{
	{"evalsha", func(tb testing.TB) func(context.Context, int) error {
		client, value := redisClient(tb), strings.Repeat("v", recordBytes)
		call := func(ctx context.Context, i int) error {
			return same(rawRotate.Exec(ctx, client, []string{"raw-family:" + user(i)}, []string{"f" + sid(i), value}), value)
		}
		for i := range population {
			key, field := "raw-family:"+user(i), "f"+sid(i)
			require.NoError(tb, client.Do(tb.Context(), client.B().Hset().Key(key).FieldValue().FieldValue(field, value).Build()).Error())
		}
		return call
	}},
	{"refresh", func(tb testing.TB) func(context.Context, int) error {
		return redisFamilies(tb).rotate
	}},
	{"sight", func(tb testing.TB) func(context.Context, int) error {
		r, creds := redisCredentials(tb)
		return func(ctx context.Context, i int) error { return r.Sight(ctx, &creds[i]) }
	}},
	{"check", func(tb testing.TB) func(context.Context, int) error {
		r, creds := redisCredentials(tb)
		return func(ctx context.Context, i int) error { return r.Check(ctx, &creds[i]) }
	}},
}

// redisFamilies keeps its families on Redis.
func redisFamilies(tb testing.TB) *families {
	store, err := redisstore.New(tb.Context(), redisClient(tb), redisstore.Config{})
	require.NoError(tb, err)
	return logins(tb, rotatorOf(tb, registryOf(tb, store.Revocations()), unsigned{lifetime: accessLife}, quick), population)
}

// redisCredentials are those of the families' first access tokens, each of which was
// sighted once.
func redisCredentials(tb testing.TB) (*revocation.Registry, []revocation.Credential) {
	f := redisFamilies(tb)
	r, creds := f.r.Revocations(), make([]revocation.Credential, population)
	for i := range creds {
		p := f.tokens[i].Principal
		c, err := r.Credential(revocation.Named{
			Subject: p.Subject, Session: p.Session, Epoch: p.Epoch, Token: jti(i), Answer: revocation.Answer{Generation: 1, Stamp: 1 << 52},
		})
		require.NoError(tb, err)
		require.NoError(tb, r.Sight(tb.Context(), &c))
		creds[i] = c
	}
	return r, creds
}

// TestRemotes runs every row twice, and shows that it is one command.
func TestRemotes(t *testing.T) {
	for _, row := range remotes {
		t.Run(row.name, func(t *testing.T) {
			call := row.make(t)
			require.NoError(t, call(t.Context(), 0)) // whatever a first connection sends
			require.NoError(t, call(t.Context(), population-1))
			require.Equal(t, 1.0, monitored(t, func() error { return call(t.Context(), 0) }))
		})
	}
}

// BenchmarkRemote refreshes and looks up on Redis, from many goroutines.
func BenchmarkRemote(b *testing.B) {
	for _, row := range remotes {
		b.Run(row.name, func(b *testing.B) {
			call, ctx := row.make(b), b.Context()
			require.NoError(b, call(ctx, 0))
			crowded(b, func(i int) error { return call(ctx, i) })
			b.ReportMetric(monitored(b, func() error { return call(ctx, 0) }), "commands/op")
		})
	}
}

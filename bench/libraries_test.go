package bench

import (
	"context"
	"crypto/sha256"
	"net"
	"strconv"
	"testing"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/boj/redistore"
	gincookie "github.com/gin-contrib/sessions/cookie"
	ginmemory "github.com/gin-contrib/sessions/memstore"
	ginredis "github.com/gin-contrib/sessions/redis"
	fibersession "github.com/gofiber/fiber/v2/middleware/session"
	fiberredis "github.com/gofiber/storage/redis/v3"
	gorilla "github.com/gorilla/sessions"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// A library is a row of each operation.
type library struct {
	name string
	app  func(tb testing.TB) *app
}

type framework struct {
	name      string
	libraries []library
}

// The first library of each framework is the floor, the second ours. Peers keep
// their defaults, which are the cheapest: none of them notes that a session was
// used, so none has an idle timeout, which Sallyport always has.
var memoryRows = []framework{
	{"gin", []library{
		{"bare", ginBare},
		{"sallyport", func(tb testing.TB) *app { return ginSallyport(memoryManager(tb)) }},
		{"scs", func(testing.TB) *app { return ginSCS(scs.New()) }},
		{"gin-contrib-cookie", func(testing.TB) *app { return ginContrib(gincookie.NewStore(secret())) }},
		{"gin-contrib-memstore", func(testing.TB) *app { return ginContrib(ginmemory.NewStore(secret())) }},
	}},
	{"echo", []library{
		{"bare", echoBare},
		{"sallyport", func(tb testing.TB) *app { return echoSallyport(memoryManager(tb)) }},
		{"scs", func(testing.TB) *app { return echoSCS(scs.New()) }},
		{"echo-contrib-cookie", func(testing.TB) *app { return echoContrib(gorilla.NewCookieStore(secret())) }},
	}},
	{"fiber", []library{
		{"bare", fiberBare},
		{"sallyport", func(tb testing.TB) *app { return fiberSallyport(memoryManager(tb)) }},
		{"fiber-session", func(testing.TB) *app { return fiberOwn(fibersession.New()) }},
	}},
}

var redisRows = []framework{
	{"gin", []library{
		{"bare", ginBare},
		{"sallyport", func(tb testing.TB) *app { return ginSallyport(redisManager(tb)) }},
		{"scs-goredisstore", func(tb testing.TB) *app { return ginSCS(scsOnRedis(tb)) }},
		{"gin-contrib-redis", func(tb testing.TB) *app {
			store, err := ginredis.NewStore(connections, "tcp", redisAddr(tb), "", "", secret())
			require.NoError(tb, err)
			return ginContrib(store)
		}},
	}},
	{"echo", []library{
		{"bare", echoBare},
		{"sallyport", func(tb testing.TB) *app { return echoSallyport(redisManager(tb)) }},
		{"scs-goredisstore", func(tb testing.TB) *app { return echoSCS(scsOnRedis(tb)) }},
		{"echo-contrib-redistore", func(tb testing.TB) *app {
			store, err := redistore.NewRediStore(connections, "tcp", redisAddr(tb), "", "", secret())
			require.NoError(tb, err)
			tb.Cleanup(func() { _ = store.Close() })
			return echoContrib(store)
		}},
	}},
	{"fiber", []library{
		{"bare", fiberBare},
		{"sallyport", func(tb testing.TB) *app { return fiberSallyport(redisManager(tb)) }},
		{"fiber-session-redis", func(tb testing.TB) *app {
			host, port, err := net.SplitHostPort(redisAddr(tb))
			require.NoError(tb, err)
			n, err := strconv.Atoi(port)
			require.NoError(tb, err)
			storage := fiberredis.New(fiberredis.Config{Host: host, Port: n, PoolSize: connections})
			tb.Cleanup(func() { _ = storage.Close() })
			return fiberOwn(fibersession.New(fibersession.Config{Storage: storage}))
		}},
	}},
}

// connections is how many a peer's pool may hold: one for each goroutine, so that
// no row waits for a connection.
const connections = goroutines

// secret is fixed: nothing here is worth protecting.
func secret() []byte {
	sum := sha256.Sum256([]byte("benchmark"))
	return sum[:]
}

var nameOf = session.NewKey[string](nameKey)

func login(ctx context.Context, s *session.Session, user, name string) error {
	if err := s.Login(ctx, session.Identity{Subject: user}); err != nil {
		return err
	}
	return nameOf.Set(s, name)
}

func get(s *session.Session) (string, error) {
	name, _, err := nameOf.Get(s)
	return name, err
}

// memoryStore has room for everything that a row stores: evicting would make ours
// smaller than the peers, which have no bound.
func memoryStore(tb testing.TB) *memstore.Store {
	store, err := memstore.New(memstore.Config{
		AnonymousBytes: 4 << 30, AuthenticatedBytes: 4 << 30, FamilyBytes: 4 << 30, RevocationBytes: 4 << 30,
	})
	require.NoError(tb, err)
	return store
}

func memoryManager(tb testing.TB) *session.Manager {
	m, err := session.New(memoryStore(tb), session.Config{})
	require.NoError(tb, err)
	return m
}

func redisManager(tb testing.TB) *session.Manager {
	store, err := redisstore.New(tb.Context(), redisClient(tb), redisstore.Config{})
	require.NoError(tb, err)
	m, err := session.New(store.Sessions(), session.Config{Secret: secret()})
	require.NoError(tb, err)
	return m
}

// redisClient has the options of which docs/redis.md speaks. The raw calls use the
// same.
func redisClient(tb testing.TB) rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redisAddr(tb)}, DisableCache: true})
	require.NoError(tb, err)
	tb.Cleanup(client.Close)
	return client
}

func scsLogin(ctx context.Context, m *scs.SessionManager, user, name string) error {
	if err := m.RenewToken(ctx); err != nil {
		return err
	}
	m.Put(ctx, userKey, user)
	m.Put(ctx, nameKey, name)
	return nil
}

func scsOnRedis(tb testing.TB) *scs.SessionManager {
	client := redis.NewClient(&redis.Options{Addr: redisAddr(tb), PoolSize: connections})
	tb.Cleanup(func() { _ = client.Close() })
	m := scs.New()
	m.Store = goredisstore.New(client)
	return m
}

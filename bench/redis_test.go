package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if server.stop != nil {
		server.stop()
	}
	os.Exit(code)
}

// server is started by the first row that needs it.
var server struct {
	once sync.Once
	addr string
	stop func()
	err  error
}

func redisAddr(tb testing.TB) string {
	server.once.Do(func() { server.addr, server.stop, server.err = startServer() })
	require.NoError(tb, server.err)
	return server.addr
}

// startServer runs a redis-server of our own on a free port, so that no other
// server is ever written to.
func startServer() (addr string, stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", nil, fmt.Errorf("redis-server 7 or newer is needed (Debian: apt-get install redis-server): %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", dir, "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return addr, stop, conn.Close()
		}
		if time.Now().After(deadline) {
			stop()
			return "", nil, fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// commands counts what one operation sends to the server, in a pass of its own.
func commands(tb testing.TB, a *app, op operation) float64 {
	cookie := prepare(tb, a, false, 1)[0]
	c := op.caller(a, cookie)
	require.NoError(tb, op.verify(a, c, cookie, false)) // whatever a first connection sends
	return monitored(tb, func() error {
		c.call()
		return c.answered(op.body)
	})
}

// monitored counts what a call sends to the server: the lines of MONITOR but those that
// a script ran inside.
func monitored(tb testing.TB, call func() error) float64 {
	const times = 32
	conn, err := net.Dial("tcp", redisAddr(tb))
	require.NoError(tb, err)
	defer func() { _ = conn.Close() }()
	require.NoError(tb, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = conn.Write([]byte("MONITOR\r\n"))
	require.NoError(tb, err)
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	require.True(tb, lines.Scan())
	require.Equal(tb, "+OK", lines.Text())

	for range times {
		require.NoError(tb, call())
	}
	end, err := net.Dial("tcp", redisAddr(tb))
	require.NoError(tb, err)
	defer func() { _ = end.Close() }()
	_, err = end.Write([]byte("ECHO the-end\r\n"))
	require.NoError(tb, err)

	n := 0
	for lines.Scan() && !strings.HasSuffix(lines.Text(), `"ECHO" "the-end"`) {
		if _, from, _ := strings.Cut(lines.Text(), "["); !strings.HasPrefix(from, "0 lua]") {
			n++
		}
	}
	require.NoError(tb, lines.Err())
	return float64(n) / times
}

// rawScript is the least that a script which decides about a session can do: look
// at the old value, store the new one. What it answers is what it found.
var rawScript = rueidis.NewLuaScript(`local v = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return v`)

// BenchmarkRaw is the floor of Redis: one call, as the client of our store makes
// it, with values of the size that scs stores.
func BenchmarkRaw(b *testing.B) {
	value := strings.Repeat("v", scsBytes)
	for _, row := range []struct {
		name string
		call func(ctx context.Context, client rueidis.Client, key string) error
	}{
		{"get", func(ctx context.Context, client rueidis.Client, key string) error {
			return same(client.Do(ctx, client.B().Get().Key(key).Build()), value)
		}},
		{"set", func(ctx context.Context, client rueidis.Client, key string) error {
			return same(client.Do(ctx, client.B().Set().Key(key).Value(value).Px(time.Hour).Build()), "OK")
		}},
		{"evalsha", func(ctx context.Context, client rueidis.Client, key string) error {
			return same(rawScript.Exec(ctx, client, []string{key}, []string{value, "3600000"}), value)
		}},
	} {
		b.Run(row.name, func(b *testing.B) {
			client, ctx := redisClient(b), b.Context()
			keys := make([]string, population)
			for i := range keys {
				keys[i] = fmt.Sprintf("raw:{%08x}:%064d", i, i)
				require.NoError(b, client.Do(ctx, client.B().Set().Key(keys[i]).Value(value).Px(time.Hour).Build()).Error())
			}
			require.NoError(b, row.call(ctx, client, keys[0]))
			crowded(b, func(i int) error { return row.call(ctx, client, keys[i]) })
		})
	}
}

// crowded makes calls from many goroutines, each of which has numbers of its own below
// population.
func crowded(b *testing.B, call func(i int) error) {
	var next, failed atomic.Int64
	share := population / crowd(b)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		first := int(next.Add(1)-1) * share
		for i := 0; pb.Next(); i++ {
			if call(first+i%share) != nil {
				failed.Add(1)
			}
		}
	})
	b.StopTimer()
	require.Zero(b, failed.Load())
}

func same(r rueidis.RedisResult, want string) error {
	got, err := r.ToString()
	if err == nil && got != want {
		err = fmt.Errorf("answer is %q", got)
	}
	return err
}

// BenchmarkRedisBytes reports what a logged-in session with 200 bytes of data takes
// of the server's memory, with everything that belongs to it and the server's own
// tables.
func BenchmarkRedisBytes(b *testing.B) {
	for _, row := range []struct {
		name string
		lib  library
	}{
		{"sallyport", redisRows[0].libraries[1]},
		{"scs-goredisstore", redisRows[0].libraries[2]},
		{"gin-contrib-redis", redisRows[0].libraries[3]},
		{"fiber-session-redis", redisRows[2].libraries[2]},
	} {
		b.Run(row.name, func(b *testing.B) {
			n := 20_000
			if testing.Short() {
				n = 1_000
			}
			a := row.lib.app(b)
			// Connections and scripts are the server's once, and no session's.
			prepareNamed(b, a, false, 1, strings.Repeat("n", 200))
			before := usedMemory(b)
			for b.Loop() {
				prepareNamed(b, a, false, n, strings.Repeat("n", 200))
			}
			b.ReportMetric(float64(usedMemory(b)-before)/float64(n*b.N), "redis-B/session")
		})
	}
}

func usedMemory(tb testing.TB) (n int64) {
	client := redisClient(tb)
	info, err := client.Do(tb.Context(), client.B().Info().Section("memory").Build()).ToString()
	require.NoError(tb, err)
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, "used_memory:"); ok {
			_, err := fmt.Sscan(v, &n)
			require.NoError(tb, err)
		}
	}
	require.NotZero(tb, n)
	return n
}

package redisstore_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/redisstore"
)

// addr is the server that TestMain started.
var addr string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		a, stop, err := startServer()
		if err != nil {
			fmt.Fprintln(os.Stderr, "redisstore:", err)
			return 1
		}
		defer stop()
		addr = a
		return m.Run()
	}())
}

// startServer runs a redis-server of our own on a free port, so that no other
// server is ever written to.
func startServer(args ...string) (addr string, stop func(), err error) {
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
	dir, err := os.MkdirTemp("", "redisstore")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, append([]string{"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", dir, "--loglevel", "warning"}, args...)...)
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

func newClient(t testing.TB, addr string) rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return client
}

var prefixes atomic.Int64

func freshPrefix() string { return fmt.Sprintf("t%d:", prefixes.Add(1)) }

// newStore has a name space of its own on the server that TestMain started.
func newStore(t testing.TB, now func() time.Time) *redisstore.Store {
	s, err := redisstore.New(context.Background(), newClient(t, addr), redisstore.Config{
		Prefix: freshPrefix(), Now: now, Timeout: 10 * time.Second,
	})
	require.NoError(t, err)
	return s
}

// server starts a Redis for one test, which may then break it.
func server(t testing.TB, args ...string) (addr string, client rueidis.Client) {
	t.Helper()
	addr, stop, err := startServer(args...)
	require.NoError(t, err)
	t.Cleanup(stop)
	return addr, newClient(t, addr)
}

func command(t testing.TB, c rueidis.Client, words ...string) rueidis.RedisResult {
	t.Helper()
	return c.Do(t.Context(), c.B().Arbitrary(words...).Build())
}

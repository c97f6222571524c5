package crosstest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// TestConformanceRedis is TestConformance on a real server. Cases keep apart by
// the prefix of their keys.
func TestConformanceRedis(t *testing.T) {
	t.Parallel()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{startRedis(t)}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	var prefixes atomic.Int64
	store := func(t testing.TB, now func() time.Time) session.Store {
		s, err := redisstore.New(context.Background(), client, redisstore.Config{
			Prefix: fmt.Sprintf("case%d:", prefixes.Add(1)), Now: now, Timeout: redisTimeout,
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.Sessions()
	}
	for _, h := range harnesses() {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			conformance.RunOptions(t, h, conformance.Options{Name: "redis", Store: store}, &matrix)
		})
	}
}

// redisTimeout is long enough for a machine that does much else. Nothing waits for
// it in a run that passes.
const redisTimeout = 20 * time.Second

// startRedis runs a redis-server of our own, which keeps nothing on disk, until the
// test ends. Another process may take the port between its choice and its use, so
// it is tried again.
func startRedis(t *testing.T) (addr string) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("redis-server 7 or newer is needed (Debian: apt-get install redis-server): %v", err)
	}
	for range 5 {
		port := freePort(t)
		cmd := exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--dir", t.TempDir(), "--loglevel", "warning")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			_ = cmd.Wait()
		}()
		addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if answers(addr, exited) {
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-exited
			})
			return addr
		}
		_ = cmd.Process.Kill()
		<-exited
	}
	t.Fatal("no redis-server starts")
	return ""
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// answers reports whether a connection could be made before the server gave up.
func answers(addr string, exited <-chan struct{}) bool {
	for deadline := time.Now().Add(redisTimeout); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			select {
			case <-exited: // it was somebody else's
				return false
			default:
				return true
			}
		}
		select {
		case <-exited:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
	return false
}

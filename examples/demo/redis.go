package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
	"github.com/sallyport-go/sallyport/redisstore"
)

// families begins the keys of the refresh tokens, which go by a clock of their own.
const families = "sallyport-families:"

// connect gives each node a client and stores of its own, as processes of their
// own would have. Refresh tokens go by clock, and not by Redis's, which nobody can
// put forward.
func connect(ctx context.Context, addr string, nodes int, clock *demo.Clock) (stores []demo.Stores, disconnect func(), err error) {
	var clients []rueidis.Client
	disconnect = func() {
		for _, c := range clients {
			c.Close()
		}
	}
	for range nodes {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, DisableCache: true})
		if err != nil {
			disconnect()
			return nil, nil, fmt.Errorf("redis at %s: %w", addr, err)
		}
		clients = append(clients, client)
		sessions, err := redisstore.New(ctx, client, redisstore.Config{})
		if err != nil {
			disconnect()
			return nil, nil, err
		}
		refreshed, err := redisstore.New(ctx, client, redisstore.Config{Prefix: families, Now: clock.Now})
		if err != nil {
			disconnect()
			return nil, nil, err
		}
		stores = append(stores, demo.Stores{Sessions: sessions.Sessions(), Families: refreshed.Refresh()})
	}
	return stores, disconnect, nil
}

// redisPatience is how long a redis-server gets to start.
const redisPatience = 10 * time.Second

// startRedis runs a redis-server on a free port that keeps nothing on disk. stop
// ends that one and no other.
func startRedis() (addr string, stop func(), err error) {
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
	dir, err := os.MkdirTemp("", "sallyport-demo")
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", dir, "--loglevel", "warning")
	keepFromTerminal(cmd)
	if err := cmd.Start(); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = os.RemoveAll(dir)
	}
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	late := time.After(redisPatience)
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return addr, stop, conn.Close()
		}
		select {
		case <-ended:
			stop()
			return "", nil, fmt.Errorf("%s ended as soon as it was started", path)
		case <-late:
			stop()
			return "", nil, fmt.Errorf("%s does not answer on %s", path, addr)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

package redisstore_test

import (
	"bytes"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
)

// node is a redis-server of one test's own, which may be broken, stopped and
// restarted.
type node struct {
	t    *testing.T // it lives as long as this one
	addr string
	port string
	bus  string // of a cluster
	args []string
	cmd  *exec.Cmd
	gone chan struct{}
	log  *syncBuffer
	root rueidis.Client
}

// startNode runs a redis-server on free loopback ports until the test ends. {port}
// and {bus} in an argument stand for the ports.
func startNode(t *testing.T, args ...string) *node {
	t.Helper()
	dir := t.TempDir()
	for range 3 {
		ports := freePorts(t, 2)
		n := &node{t: t, addr: "127.0.0.1:" + ports[0], port: ports[0], bus: ports[1]}
		replace := strings.NewReplacer("{port}", ports[0], "{bus}", ports[1])
		n.args = []string{"--port", ports[0], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--dir", dir, "--loglevel", "warning"}
		for _, a := range args {
			n.args = append(n.args, replace.Replace(a))
		}
		// Somebody else may have taken the port meanwhile; then another is tried.
		if n.start() {
			t.Cleanup(n.kill)
			return n
		}
		n.kill()
		t.Logf("redis-server on port %s did not start: %s", n.port, n.log)
	}
	t.Fatal("no redis-server starts")
	return nil
}

// freePorts holds all of them before it lets them go, so that they differ.
func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		_, port, err := net.SplitHostPort(l.Addr().String())
		require.NoError(t, err)
		ports = append(ports, port)
	}
	return ports
}

// start reports whether the server answers.
func (n *node) start() bool {
	n.log = &syncBuffer{}
	n.cmd = exec.Command("redis-server", n.args...)
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	require.NoError(n.t, n.cmd.Start())
	n.gone = make(chan struct{})
	go func(cmd *exec.Cmd, gone chan struct{}) {
		_ = cmd.Wait()
		close(gone)
	}(n.cmd, n.gone)
	return until(func() bool {
		if !n.running() {
			return true
		}
		conn, err := net.Dial("tcp", n.addr)
		return err == nil && conn.Close() == nil
	}) && n.running()
}

func (n *node) running() bool {
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}

// until polls what no channel tells: the state of another process.
func until(ok func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if ok() {
			return true
		}
		<-tick.C
	}
	return false
}

// kill ends the process, also a frozen one, and waits for its end.
func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	<-n.gone
}

// restart is a crash: the process comes back on the same port and in the same
// directory.
func (n *node) restart(t *testing.T) {
	t.Helper()
	n.kill()
	require.True(t, n.start(), "no restart: %s", n.log)
}

// freeze stops the process as it is: connections stay and nothing answers.
func (n *node) freeze(t *testing.T) {
	t.Helper()
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGSTOP))
}

func (n *node) thaw(t *testing.T) {
	t.Helper()
	require.NoError(t, n.cmd.Process.Signal(syscall.SIGCONT))
}

// client connects to this node, or as o says.
func (n *node) client(t *testing.T, o rueidis.ClientOption) rueidis.Client {
	t.Helper()
	if o.InitAddress == nil {
		o.InitAddress = []string{n.addr}
	}
	o.DisableCache = true
	c, err := rueidis.NewClient(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// do sends a command as the node's administrator, to this node and no other.
func (n *node) do(t *testing.T, words ...string) rueidis.RedisResult {
	t.Helper()
	if n.root == nil {
		n.root = n.client(n.t, rueidis.ClientOption{ForceSingleClient: true})
	}
	return n.root.Do(t.Context(), n.root.B().Arbitrary(words...).Build())
}

func (n *node) must(t *testing.T, words ...string) {
	t.Helper()
	require.NoError(t, n.do(t, words...).Error(), words)
}

func (n *node) text(t *testing.T, words ...string) string {
	t.Helper()
	s, err := n.do(t, words...).ToString()
	require.NoError(t, err, words)
	return strings.TrimPrefix(s, "txt:") // of a verbatim text
}

func (n *node) number(t *testing.T, words ...string) int64 {
	t.Helper()
	i, err := n.do(t, words...).AsInt64()
	require.NoError(t, err, words)
	return i
}

// keys returns every key.
func (n *node) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	for cursor := uint64(0); ; {
		e, err := n.do(t, "SCAN", strconv.FormatUint(cursor, 10), "COUNT", "1000").AsScanEntry()
		require.NoError(t, err)
		keys = append(keys, e.Elements...)
		if cursor = e.Cursor; cursor == 0 {
			return keys
		}
	}
}

// contents returns all that the server holds, in a form to compare.
func (n *node) contents(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for _, k := range n.keys(t) {
		fields, err := n.do(t, "HGETALL", k).AsStrMap()
		require.NoError(t, err)
		all[k] = fields
	}
	return all
}

// infoLine reads one line of an INFO.
func infoLine(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// cluster is three primaries, and a replica of the first.
type cluster struct {
	primaries []*node
	replica   *node
	ids       map[*node]string
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	const slots = 16384
	c := &cluster{ids: map[*node]string{}}
	var all []*node
	for range 4 {
		all = append(all, startNode(t, "--cluster-enabled", "yes", "--cluster-port", "{bus}",
			"--cluster-config-file", "nodes.conf", "--repl-diskless-sync-delay", "0"))
	}
	c.primaries, c.replica = all[:3:3], all[3]
	for i, n := range all {
		c.ids[n] = n.text(t, "CLUSTER", "MYID")
		n.must(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for i, n := range c.primaries {
		n.must(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/3), strconv.Itoa((i+1)*slots/3-1))
	}
	for _, n := range all[1:] {
		all[0].must(t, "CLUSTER", "MEET", "127.0.0.1", n.port, n.bus)
	}
	require.True(t, until(func() bool {
		return c.replica.do(t, "CLUSTER", "REPLICATE", c.ids[all[0]]).Error() == nil
	}), "the replica does not get to know its primary")
	for _, n := range all {
		require.True(t, until(func() bool {
			info, nodes := n.text(t, "CLUSTER", "INFO"), n.text(t, "CLUSTER", "NODES")
			return infoLine(info, "cluster_state") == "ok" && infoLine(info, "cluster_size") == "3" &&
				strings.Count(nodes, " connected") == 4 && strings.Contains(nodes, "slave "+c.ids[all[0]])
		}), "no cluster: %s", n.text(t, "CLUSTER", "NODES"))
	}
	require.True(t, until(func() bool {
		return infoLine(c.replica.text(t, "INFO", "replication"), "master_link_status") == "up"
	}), "the replica does not follow")
	return c
}

func (c *cluster) all() []*node { return append([]*node{c.replica}, c.primaries...) }

func (c *cluster) client(t *testing.T, change ...func(*rueidis.ClientOption)) rueidis.Client {
	t.Helper()
	var o rueidis.ClientOption
	for _, n := range c.primaries {
		o.InitAddress = append(o.InitAddress, n.addr)
	}
	for _, f := range change {
		f(&o)
	}
	return c.primaries[0].client(t, o)
}

func (c *cluster) slot(t *testing.T, key string) string {
	t.Helper()
	return strconv.FormatInt(c.primaries[0].number(t, "CLUSTER", "KEYSLOT", key), 10)
}

// home returns the primary that holds key, and another one.
func (c *cluster) home(t *testing.T, key string) (home, other *node) {
	t.Helper()
	for _, n := range c.primaries {
		if n.do(t, "EXISTS", key).Error() == nil {
			home = n
		} else {
			other = n
		}
	}
	require.NotNil(t, home)
	return home, other
}

// keys returns the keys of a prefix on all primaries.
func (c *cluster) keys(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	for _, n := range c.primaries {
		for _, k := range n.keys(t) {
			if strings.HasPrefix(k, prefix) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// begin opens the move of a slot: what is there is answered at the old place, what
// is not is sent on with ASK.
func (c *cluster) begin(t *testing.T, slot string, from, to *node) {
	t.Helper()
	to.must(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from])
	from.must(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to])
}

// carry moves every key of the slot.
func (c *cluster) carry(t *testing.T, slot string, from, to *node) (moved int) {
	t.Helper()
	keys, err := from.do(t, "CLUSTER", "GETKEYSINSLOT", slot, "1000").AsStrSlice()
	require.NoError(t, err)
	if len(keys) > 0 {
		from.must(t, append([]string{"MIGRATE", "127.0.0.1", to.port, "", "0", "5000", "KEYS"}, keys...)...)
	}
	return len(keys)
}

// end gives the slot to its new primary: from then on the old one answers MOVED.
func (c *cluster) end(t *testing.T, slot string, from, to *node) {
	t.Helper()
	for _, n := range append([]*node{to, from}, c.primaries...) {
		n.must(t, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to])
	}
}

// relay stands between clients and a node, and listens.
type relay struct {
	addr string
	sent syncBuffer // by clients
	// rewrite changes what clients send, but not its length.
	rewrite atomic.Pointer[strings.Replacer]
	// cut hangs up instead of handing on the next answer.
	cut atomic.Bool
}

func startRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{addr: l.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			keep(in)
			out, err := net.Dial("tcp", target)
			if err != nil {
				_ = in.Close()
				continue
			}
			keep(out)
			all.Go(func() { pipe(out, in, r.asked) })
			all.Go(func() { pipe(in, out, r.answered) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return r
}

func (r *relay) asked(b []byte) []byte {
	if f := r.rewrite.Load(); f != nil {
		b = []byte(f.Replace(string(b)))
	}
	_, _ = r.sent.Write(b)
	return b
}

func (r *relay) answered(b []byte) []byte {
	if r.cut.CompareAndSwap(true, false) {
		return nil
	}
	return b
}

// pipe hands on what f makes of it, and hangs up on nil.
func pipe(to, from net.Conn, f func([]byte) []byte) {
	defer func() { _, _ = to.Close(), from.Close() }()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if n > 0 {
			out := f(b[:n])
			if out == nil {
				return
			}
			if _, err := to.Write(out); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// greeting is how a client begins a connection, which it does when it likes.
var greeting = regexp.MustCompile(`^\+\S+ \[\S+ \S+\] "(?i:HELLO|CLIENT)" `)

// monitor returns what the node is asked from now on, one line a command, when the
// returned function is called.
func (n *node) monitor(t *testing.T) (lines func() []string) {
	t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "MONITOR\r\n")
	require.NoError(t, err)
	ok := make([]byte, len("+OK\r\n"))
	_, err = io.ReadFull(conn, ok)
	require.NoError(t, err)
	require.Equal(t, "+OK\r\n", string(ok))
	var seen syncBuffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(&seen, conn)
	}()
	return func() (out []string) {
		// The server tells its monitors in order: when the last command is
		// there, all are.
		const last = "end-of-the-record"
		n.must(t, "ECHO", last)
		require.True(t, until(func() bool { return strings.Contains(seen.String(), last) }))
		_ = conn.Close()
		<-done
		for line := range strings.Lines(seen.String()) {
			if !strings.Contains(line, last) && !greeting.MatchString(line) {
				out = append(out, strings.TrimPrefix(strings.TrimSpace(line), "+"))
			}
		}
		return out
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

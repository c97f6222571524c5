// The demo: one small application in Gin, Echo and Fiber, side by side.
//
//	go run ./demo
//	go run ./demo -redis start -nodes 2
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

// server is what the three have in common: net/http's for Gin and Echo, and
// Fiber's own.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
}

var frameworks = []struct {
	name  string
	port  int // of the first node; each further one is 10 above
	build func(*demo.App) server
}{
	{"Gin", 8081, newGin},
	{"Echo", 8082, newEcho},
	{"Fiber", 8083, newFiber},
}

// The origins beside them: the single-page application that they trust, and a page that
// they do not.
const otherPort = 8085

var otherNames = [2]string{"the single-page application", "the hostile page"}

const maxNodes = 9

// config is what the command line says.
type config struct {
	redis string
	nodes int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	var cfg config
	flag.StringVar(&cfg.redis, "redis", "", "keep the sessions in the Redis at this `address`; \"start\" runs one for as long as the demo")
	flag.IntVar(&cfg.nodes, "nodes", 1, "how `many` of each application run over that Redis")
	flag.Parse()
	// A hang-up too: what the demo started must not outlive its terminal.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Stdout, cfg); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, cfg config) error {
	switch {
	case cfg.nodes < 1 || cfg.nodes > maxNodes:
		return fmt.Errorf("-nodes must be 1 to %d", maxNodes)
	case cfg.nodes > 1 && cfg.redis == "":
		return errors.New("several nodes need -redis: without it each application keeps its sessions to itself")
	}
	stores := make([]demo.Stores, cfg.nodes)
	clock := demo.NewClock(time.Now)
	if cfg.redis == "start" {
		addr, stop, err := startRedis()
		if err != nil {
			return err
		}
		defer stop()
		cfg.redis = addr
	}
	if cfg.redis != "" {
		var disconnect func()
		var err error
		if stores, disconnect, err = connect(ctx, cfg.redis, cfg.nodes, clock); err != nil {
			return err
		}
		defer disconnect()
	}
	listeners := make([][]net.Listener, len(frameworks))
	for i, f := range frameworks {
		for n := range cfg.nodes {
			l, err := listen(out, f.name, f.port+10*n)
			if err != nil {
				return err
			}
			listeners[i] = append(listeners[i], l)
		}
	}
	var others [2]net.Listener
	for i, name := range otherNames {
		var err error
		if others[i], err = listen(out, name, otherPort+i); err != nil {
			return err
		}
	}
	orders, stopChild, err := startChild(issuers(listeners))
	if err != nil {
		return err
	}
	defer stopChild()
	d, err := start(listeners, others, stores, demo.Options{Orders: orders, Clock: clock})
	if err != nil {
		return err
	}
	welcome(out, d.apps, cfg)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nShutting down.")
		if err := d.stop(); !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return nil // what is still open ends with the process
	case err := <-d.failed:
		return errors.Join(err, d.stop())
	}
}

// listen opens a port, or a free one if that is taken.
func listen(out io.Writer, name string, port int) (net.Listener, error) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintf(out, "%s is taken, so %s gets a free port.\n", addr, name)
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// issuers are the URLs of the first node of each framework, which stand for all its
// nodes.
func issuers(listeners [][]net.Listener) (urls []string) {
	for _, nodes := range listeners {
		urls = append(urls, "http://"+nodes[0].Addr().String())
	}
	return urls
}

// running is the demo while it serves.
type running struct {
	apps    []*demo.App // the nodes of a framework side by side
	servers []server    // theirs, and those of the other origins
	failed  chan error  // gets what each server returns
}

// start serves every framework on its listeners, one for each of stores, and the other
// origins on theirs.
func start(listeners [][]net.Listener, others [2]net.Listener, stores []demo.Stores, o demo.Options) (*running, error) {
	var sites []demo.Site
	for i, f := range frameworks {
		for n, l := range listeners[i] {
			site := demo.Site{Name: f.name, URL: "http://" + l.Addr().String()}
			if len(stores) > 1 {
				site.Node = n + 1
			}
			sites = append(sites, site)
		}
	}
	o.SPA, o.Hostile = "http://"+others[0].Addr().String(), "http://"+others[1].Addr().String()
	o.Secret = make([]byte, 32)
	_, _ = rand.Read(o.Secret) // never fails
	d := &running{failed: make(chan error, len(sites)+len(others))}
	for _, f := range frameworks {
		for n := range stores {
			o.Stores, o.Join = stores[n], nil
			if n > 0 {
				o.Join = d.apps[len(d.apps)-n]
			}
			app, err := demo.New(sites[len(d.apps)], "demo-"+strings.ToLower(f.name), sites, o)
			if err != nil {
				return nil, err
			}
			d.apps, d.servers = append(d.apps, app), append(d.servers, f.build(app))
		}
	}
	d.servers = append(d.servers, newHTTPServer(demo.Application(sites)), newHTTPServer(demo.Hostile(sites)))
	for i, l := range append(slices.Concat(listeners...), others[:]...) {
		go func() { d.failed <- d.servers[i].Serve(l) }()
	}
	return d, nil
}

// grace is how long connections get to end. A browser may hold one open that it
// has sent nothing over yet, and no server can tell that it never will.
const grace = 2 * time.Second

// stop lets requests that are under way finish. context.DeadlineExceeded says that
// connections were still open when it gave up.
func (d *running) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	errs := make(chan error, len(d.servers))
	for _, a := range d.apps {
		a.Close()
	}
	for _, s := range d.servers {
		go func() { errs <- s.Shutdown(ctx) }()
	}
	var err error
	for range d.servers {
		err = errors.Join(err, <-errs)
	}
	return err
}

func newHTTPServer(h http.Handler) server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(h, demo.MaxBody),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		// No ReadTimeout and no WriteTimeout: either would end the stream of events.
	}
}

func welcome(out io.Writer, apps []*demo.App, cfg config) {
	fmt.Fprint(out, "\nSallyport: one application in three frameworks. Ctrl-C ends it.\n\n")
	for node := range slices.Chunk(apps, cfg.nodes) {
		fmt.Fprintf(out, "  %-6s", node[0].Name)
		for _, a := range node {
			fmt.Fprint(out, " ", a.URL)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "  %-6s %s, a single-page application on an origin that they trust\n", "SPA", apps[0].SPA)
	fmt.Fprintf(out, "  %-6s %s, a page on one that they do not\n", "Foe", apps[0].Hostile)
	fmt.Fprintf(out, "  %-6s %s/orders, a process of its own that has their public keys and nothing else\n", "Orders", apps[0].Orders)
	if cfg.redis != "" {
		fmt.Fprintf(out, "  %-6s %s\n", "Redis", cfg.redis)
	}
	fmt.Fprint(out, "\nUsers, with password and roles\n\n")
	for _, u := range demo.Users {
		fmt.Fprintf(out, "  %-6s %-12s %s\n", u.Name, u.Password, strings.Join(u.Roles, ", "))
	}
	fmt.Fprint(out, "\nTry\n\n")
	if cfg.nodes > 1 {
		fmt.Fprint(out, tryNodes)
	}
	fmt.Fprint(out, try)
}

const tryNodes = `  log in on one node and open the next: cookies do not know ports, so you are logged in
  log out on one and load the other: no node keeps a session to itself
  log in from a second browser on the other node: each node lists both and ends either
`

const try = `  put something into the cart, log in, and find it still there under a new id
  log in from a second browser, list the devices, log out one or all others
  provoke a session fixation and see it refused
  start two slow writes, log out meanwhile, and see the session stay dead
  open the vault a minute after the log-in
  get an access token, tamper with it, log out and use it again
  rotate the signing key and watch it take over, revoke it and see its tokens die
  let a thief copy a refresh token, put the clock forward, and see him found out
  log in to the single-page application, open it in a second tab, log out in one
  choose "None" as its API, and see that what nobody knows is no log-out
  let the hostile page read and write in your name, and see what it gets
  watch the audit events while you do
`

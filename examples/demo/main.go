// The demo: one small application in Gin, Echo and Fiber, side by side.
//
//	go run ./demo
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
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
	addr  string
	build func(*demo.App) server
}{
	{"Gin", "127.0.0.1:8081", newGin},
	{"Echo", "127.0.0.1:8082", newEcho},
	{"Fiber", "127.0.0.1:8083", newFiber},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	var listeners []net.Listener
	for _, f := range frameworks {
		l, err := net.Listen("tcp", f.addr)
		if err != nil {
			fmt.Fprintf(out, "%s is taken, so %s gets a free port.\n", f.addr, f.name)
			if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return err
			}
		}
		listeners = append(listeners, l)
	}
	d, err := start(listeners, demo.Options{})
	if err != nil {
		return err
	}
	welcome(out, d.apps)
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

// running is the demo while it serves.
type running struct {
	apps    []*demo.App
	servers []server
	failed  chan error // gets what each server returns
}

// start serves every framework on its listener.
func start(listeners []net.Listener, o demo.Options) (*running, error) {
	sites := make([]demo.Site, len(frameworks))
	for i, f := range frameworks {
		sites[i] = demo.Site{Name: f.name, URL: "http://" + listeners[i].Addr().String()}
	}
	d := &running{failed: make(chan error, len(frameworks))}
	for i, f := range frameworks {
		app, err := demo.New(sites[i], "demo-"+strings.ToLower(f.name), sites, o)
		if err != nil {
			return nil, err
		}
		d.apps, d.servers = append(d.apps, app), append(d.servers, f.build(app))
	}
	for i, s := range d.servers {
		go func() { d.failed <- s.Serve(listeners[i]) }()
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
	for i, s := range d.servers {
		d.apps[i].Close()
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

func welcome(out io.Writer, apps []*demo.App) {
	fmt.Fprint(out, "\nSallyport: one application in three frameworks. Ctrl-C ends it.\n\n")
	for _, a := range apps {
		fmt.Fprintf(out, "  %-6s %s\n", a.Name, a.URL)
	}
	fmt.Fprint(out, "\nUsers, with password and roles\n\n")
	for _, u := range demo.Users {
		fmt.Fprintf(out, "  %-6s %-12s %s\n", u.Name, u.Password, strings.Join(u.Roles, ", "))
	}
	fmt.Fprint(out, `
Try

  put something into the cart, log in, and find it still there under a new id
  provoke a session fixation and see it refused
  start two slow writes, log out meanwhile, and see the session stay dead
  open the vault a minute after the log-in
  watch the audit events while you do
`)
}

package browser

import (
	"crypto/tls"
	"fmt"
	"html"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/sallyport-go/sallyport/examples/spa"
)

// The sites that have nothing to do with the applications.
const (
	evil    = "https://evil.test"
	partner = "https://partner.test"
	other   = "https://other.test"
)

// world is one framework's applications and what is around them: a registrable domain of
// its own, so that worlds know nothing of each other. Within it
//
//	app.     is the application
//	friend.  is an origin that it trusts, with CORS and for CSRF alike
//	spa.     is another one, with the single-page application of the examples
//	sibling. is a host of the same site that somebody else runs
//	framed.  is the application that lives in frames of other sites; at port 8443 it is as
//	         it was deployed before
//
// Every other host serves an empty page, in which the checks run what they like.
type world struct {
	framework, domain   string
	serve               server
	sabotage            *sabotage
	app, framed, before *app
	listeners           [3]net.Listener
	stops               []func()
	lanes               lanes
}

func (w *world) host(name string) string { return "https://" + name + "." + w.domain }

// hosts are what the certificate is for.
func (w *world) hosts() []string { return []string{w.domain, "*." + w.domain} }

// newWorld takes the ports, so that a browser can be told of them.
func newWorld(framework, domain string, serve server, broken *sabotage) (*world, error) {
	w := &world{framework: framework, domain: domain, serve: serve, sabotage: broken}
	for i := range w.listeners {
		var err error
		if w.listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// rules say where the world's applications are.
func (w *world) rules() string {
	return fmt.Sprintf("MAP app.%[1]s %[2]s, MAP framed.%[1]s:443 %[3]s, MAP framed.%[1]s:8443 %[4]s, ",
		w.domain, w.listeners[0].Addr(), w.listeners[1].Addr(), w.listeners[2].Addr())
}

// start serves the applications.
func (w *world) start(ca *authority) error {
	setups := [3]setup{protected(w), embedded(w)}
	if w.sabotage != nil && w.sabotage.setup != nil {
		w.sabotage.setup(w, &setups[0], &setups[1])
	}
	setups[2] = outdated(w, setups[1])
	apps := [3]**app{&w.app, &w.framed, &w.before}
	for i, s := range setups {
		a, err := newApp(s)
		if err != nil {
			return err
		}
		*apps[i] = a
		l := w.listeners[i]
		if w.sabotage != nil && w.sabotage.answer != nil {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			w.stops = append(w.stops, w.serve(a, inner, ca))
			w.stops = append(w.stops, serveTLS(w.inFront(inner.Addr(), ca), l, ca))
			continue
		}
		w.stops = append(w.stops, w.serve(a, l, ca))
	}
	return nil
}

func (w *world) stop() {
	for _, stop := range w.stops {
		stop()
	}
	for _, l := range w.listeners {
		_ = l.Close()
	}
}

// inFront is a proxy that breaks answers as the sabotage says.
func (w *world) inFront(to net.Addr, ca *authority) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: to.String()})
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: ca.roots, ServerName: "app." + w.domain, MinVersion: tls.VersionTLS12,
		}},
		ModifyResponse: func(res *http.Response) error { w.sabotage.answer(res); return nil },
		ErrorLog:       quiet,
	}
}

var quiet = log.New(io.Discard, "", 0)

// serveHTTP serves an application on net/http. The browser gets HTTP/2, from Fiber
// HTTP/1.1.
func serveHTTP(a *app, h http.Handler, l net.Listener, ca *authority) (stop func()) {
	return serveTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.note(r.Method, r.URL.Path, r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site"), r.Header["Cookie"])
		if r.URL.Path == "/auth/refresh" {
			defer a.refreshing(r.Context())()
		}
		h.ServeHTTP(w, r)
	}), l, ca)
}

func serveTLS(h http.Handler, l net.Listener, ca *authority) (stop func()) {
	s := &http.Server{Handler: h, TLSConfig: ca.config(), ErrorLog: quiet, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- s.ServeTLS(l, "", "") }()
	return func() {
		_ = s.Close()
		<-served
	}
}

// elsewhere is all hosts but the applications': the example of a single-page application,
// and empty pages with whatever cookie somebody asks for. What sets cookies like that is
// an attacker's or a careless neighbour's.
func elsewhere(worlds []*world) http.Handler {
	pages := map[string]http.Handler{}
	for _, w := range worlds {
		pages["spa."+w.domain] = spa.Handler(spa.API{Name: w.framework, URL: w.host("app"), Click: "/clicks"})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := pages[r.Host]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		for _, c := range r.URL.Query()["set"] {
			w.Header().Add("Set-Cookie", c)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if policy := r.URL.Query().Get("referrer"); policy != "" {
			w.Header().Set("Referrer-Policy", policy)
		}
		fmt.Fprintf(w, "<!doctype html><html lang=en><title>%[1]s</title>%[2]s<h1>%[1]s</h1><div id=here></div></html>", html.EscapeString(r.Host), style)
	})
}

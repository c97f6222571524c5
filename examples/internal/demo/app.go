// Package demo is what the three demo applications share, which is everything but
// their routes: what they do with a session, their pages, their users, and the
// audit events that they show.
package demo

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// FreshFor is how recent a proof of identity the vault asks for.
const FreshFor = time.Minute

// MaxBody bounds what the demo's forms may send.
const MaxBody = 16 << 10

// Site is one of the applications: its framework, and where it listens. Node counts
// from 1 where several share a store, and is 0 where there is only one.
type Site struct {
	Name string
	Node int
	URL  string
}

// Label is the site's name on the page.
func (s Site) Label() string {
	if s.Node == 0 {
		return s.Name
	}
	return s.Name + " node " + strconv.Itoa(s.Node)
}

// App is one application.
type App struct {
	Site
	Sites     []Site // all of them, for the page's navigation
	Sessions  *session.Manager
	Keys      *token.KeyRing
	Tokens    *token.Verifier
	Rotator   *refresh.Rotator
	Refreshed *token.Verifier // of the Rotator's access tokens
	Clock     *Clock          // of the Rotator
	CORS      *cors.Policy
	Guard     *csrf.Guard
	SPA       string // the origin that is trusted
	Hostile   string // one that is not
	Orders    string // where the second service is; "" if there is none
	Log       *Log

	issuerName   string
	issuer, past *token.Issuer
	rotatorKeys  *token.KeyRing
	slow         func(context.Context)
	client       *http.Client
	done         chan struct{}
	close        func()
}

// Stores are where a node keeps what it knows. nil is an embedded store, for this
// application alone.
type Stores struct {
	Sessions session.Store
	// Families keeps the refresh tokens. It goes by Options.Clock.
	Families refresh.Store
}

// Options are what nodes share, and what a test replaces.
type Options struct {
	Stores Stores
	// Secret is the same for all nodes on the same Stores; beside embedded ones it
	// may be nil.
	Secret []byte
	// Join is another node of the application, whose issuer and keys this one has
	// too. nil: it is the first.
	Join *App
	// SPA is the origin of Application, and Hostile that of Hostile.
	SPA, Hostile string
	// Orders is the URL of the service that verifies this one's tokens elsewhere.
	Orders string
	// Slow is what a slow request waits for. Default: two seconds.
	Slow func(context.Context)
	// Now is the clock of sessions and tokens. Default: time.Now.
	Now func() time.Time
	// Clock is that of refresh tokens, and the same for all nodes. Default: one of
	// the application's own.
	Clock *Clock
}

// New makes the application that will be served at site.URL.
func New(site Site, cookieName string, sites []Site, o Options) (*App, error) {
	done := make(chan struct{})
	a := &App{
		Site: site, Sites: sites, SPA: o.SPA, Hostile: o.Hostile, Orders: o.Orders, Log: newLog(done), slow: o.Slow, done: done,
		close: sync.OnceFunc(func() { close(done) }),
		client: &http.Client{
			Timeout:       5 * time.Second,
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if a.slow == nil {
		a.slow = a.twoSeconds
	}
	if o.Stores.Sessions == nil {
		o.Stores.Sessions = memstore.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if a.Clock = o.Clock; a.Clock == nil {
		a.Clock = NewClock(time.Now)
	}
	var err error
	a.Sessions, err = session.New(o.Stores.Sessions, session.Config{
		App:    cookieName,
		Secret: o.Secret,
		// Cookies ignore ports: with one name the three would overwrite each
		// other's. InsecureHTTP is for a demo on loopback; a service leaves this
		// line out and gets __Host-session with Secure.
		Cookie: cookie.Config{Name: cookieName, InsecureHTTP: true},
		// Short, so that the ends which the page shows are worth looking at.
		IdleTimeout:     10 * time.Minute,
		AbsoluteTimeout: time.Hour,
		Audit:           a.Log,
		Now:             o.Now,
	})
	if err != nil {
		return nil, err
	}
	if err := a.issueTokens(cookieName, o); err != nil {
		return nil, err
	}
	if err := a.rotateTokens(cookieName, o); err != nil {
		return nil, err
	}
	return a, a.guardOrigins(cookieName, o)
}

// Close ends what would otherwise keep a server from shutting down: open streams
// and slow requests.
func (a *App) Close() { a.close() }

func (a *App) twoSeconds(ctx context.Context) {
	t := time.NewTimer(2 * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.done:
	case <-ctx.Done():
	}
}

// Headers are on every answer. The cookie is out of reach for scripts anyhow; the
// policy keeps foreign ones from running at all. The pages are never stored, not
// even in the browser's own cache: each depends on who is asking.
var Headers = map[string]string{
	"Cache-Control": "no-store",
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"Referrer-Policy":        "same-origin",
	"X-Content-Type-Options": "nosniff",
}

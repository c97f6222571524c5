package browser

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

const audience = "api"

// setup is what an application is made of. A sabotage changes it.
type setup struct {
	origin  string
	session session.Config
	csrf    csrf.Config
	cors    cors.Config
	refresh refresh.Config
	store   *memstore.Store
	// noCSRF and noCORS leave the middleware out.
	noCSRF, noCORS bool
}

// protected is the application that most checks are about: strict cookies, and one other
// origin that may do everything.
func protected(w *world) setup {
	trusted := []string{w.host("friend"), w.host("spa")}
	return setup{
		origin: w.host("app"),
		cors: cors.Config{
			Origins: trusted, Credentials: true,
			Methods:         []string{"PUT"},
			RequestHeaders:  []string{"Authorization", "Content-Type", "X-CSRF-Token", "X-Thing"},
			ResponseHeaders: []string{"Retry-After"},
			MaxAge:          -1, // or the browser would not ask each time
		},
		csrf:    csrf.Config{TrustedOrigins: trusted},
		refresh: refresh.Config{TrustedOrigins: trusted, Wired: []string{audience}},
		store:   memstore.Default(),
	}
}

// embedded is the application that lives in frames of other sites.
func embedded(w *world) setup {
	s := setup{origin: w.host("framed"), noCORS: true, store: memstore.Default()}
	own := cookie.Config{SameSite: cookie.SameSiteNone, Partitioned: true}
	s.session.Cookie = own
	own.Name = "csrf"
	s.csrf.Cookie = own
	s.refresh.Cookie.Embedded, s.refresh.Wired = true, []string{audience}
	return s
}

// outdated is how the embedded application was deployed before there was Partitioned: same
// host, same store.
func outdated(w *world, now setup) setup {
	s := now
	s.origin = w.host("framed") + ":8443"
	s.session.Cookie.Partitioned = false
	s.csrf.Cookie.Partitioned = false
	return s
}

// app is a running application, whatever its framework.
type app struct {
	origin   string
	journal  *journal
	sessions *session.Manager
	guard    *csrf.Guard  // nil: left out
	policy   *cors.Policy // nil: left out
	rotator  *refresh.Rotator
	verifier *token.Verifier
	slow     atomic.Int64 // how long the way to /auth/refresh takes, a time.Duration

	mu   sync.Mutex
	bank map[string]int // what each user has sent
}

// paths that check for themselves where a request comes from.
var tokenPaths = []string{"/auth/login", "/auth/refresh", "/auth/logout"}

func newApp(s setup) (*app, error) {
	a := &app{origin: s.origin, journal: &journal{}, bank: map[string]int{}}
	secret := []byte("a secret that a whole fleet shares")
	var err error
	s.session.Secret, s.session.Audit = secret, a.journal
	if a.sessions, err = session.New(s.store, s.session); err != nil {
		return nil, err
	}
	s.csrf.PublicOrigin, s.csrf.Audit, s.csrf.Exempt = s.origin, a.journal, tokenPaths
	if !s.csrf.InsecureNoTokens {
		s.csrf.Secret = secret
	}
	if !s.noCSRF {
		if a.guard, err = csrf.New(s.csrf); err != nil {
			return nil, err
		}
	}
	if !s.noCORS {
		if a.policy, err = cors.New(s.cors); err != nil {
			return nil, err
		}
	}
	keys, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256})
	if err != nil {
		return nil, err
	}
	registry := a.sessions.Revocations()
	issuer, err := token.NewIssuer(token.IssuerConfig{Name: s.origin, Audience: audience, Keys: keys})
	if err != nil {
		return nil, err
	}
	s.refresh.Issuer, s.refresh.Secrets, s.refresh.Audit = issuer, [][]byte{secret}, a.journal
	s.refresh.Transport, s.refresh.PublicOrigin = refresh.Cookie, s.origin
	if a.rotator, err = refresh.New(registry, s.refresh); err != nil {
		return nil, err
	}
	a.verifier, err = token.NewVerifier(token.VerifierConfig{Audience: audience, Issuers: []token.TrustedIssuer{
		{Name: s.origin, Algorithms: []token.Algorithm{token.ES256}, Keys: keys, Revocations: registry},
	}})
	return a, err
}

// call is what a handler can do, each in its framework's own way.
type call interface {
	Context() context.Context
	Session() *session.Session
	Principal() (core.Principal, error)
	CSRFToken() (string, error)
	Form(name string) string
	HTML(page string) error
	JSON(v any) error
	SeeOther(path string) error
	Fail(err error) error
}

// route is one of the application's, the same in each framework.
type route struct {
	method, path  string
	login, bearer bool // guards
	do            func(*app, call) error
}

var routes = []route{
	{method: "GET", path: "/", do: (*app).home},
	{method: "GET", path: "/frame", do: func(_ *app, c call) error { return c.HTML(framePage) }},
	{method: "GET", path: "/csrf", do: func(a *app, c call) error {
		t := ""
		if a.guard != nil {
			var err error
			if t, err = c.CSRFToken(); err != nil {
				return c.Fail(err)
			}
		}
		return c.JSON(map[string]string{"csrf_token": t})
	}},
	{method: "POST", path: "/login", do: func(_ *app, c call) error {
		err := c.Session().Login(c.Context(), session.Identity{Subject: c.Form("user"), Method: "test"})
		if err != nil {
			return c.Fail(err)
		}
		return c.SeeOther("/")
	}},
	{method: "POST", path: "/logout", do: func(_ *app, c call) error {
		if err := c.Session().Logout(c.Context()); err != nil {
			return c.Fail(err)
		}
		return c.SeeOther("/")
	}},
	{method: "POST", path: "/transfer", login: true, do: (*app).transfer},
	{method: "PUT", path: "/thing", login: true, do: (*app).transfer},
	{method: "POST", path: "/clicks", do: func(_ *app, c call) error {
		if err := clicks.Add(c.Session(), 1); err != nil {
			return c.Fail(err)
		}
		n, err := clicks.Get(c.Session())
		if err != nil {
			return c.Fail(err)
		}
		return c.JSON(map[string]int64{"clicks": n})
	}},
	{method: "GET", path: "/me", login: true, do: (*app).me},
	{method: "GET", path: "/api/me", bearer: true, do: (*app).me},
}

var clicks = session.NewCounter("clicks")

func (a *app) me(c call) error {
	p, err := c.Principal()
	if err != nil {
		return c.Fail(err)
	}
	return c.JSON(map[string]any{"user": p.Subject, "sent": a.sent(p.Subject)})
}

func (a *app) transfer(c call) error {
	p, err := c.Principal()
	if err != nil {
		return c.Fail(err)
	}
	a.mu.Lock()
	a.bank[p.Subject]++
	a.mu.Unlock()
	return c.JSON(map[string]any{"user": p.Subject, "sent": a.sent(p.Subject)})
}

// sent is how often the user has sent money.
func (a *app) sent(user string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bank[user]
}

func (a *app) home(c call) error {
	var data struct {
		Host, Token, User string
		Sent              int
	}
	_, data.Host, _ = strings.Cut(a.origin, "//")
	var err error
	if a.guard != nil {
		if data.Token, err = c.CSRFToken(); err != nil {
			return c.Fail(err)
		}
	}
	switch p, err := c.Principal(); {
	case err == nil:
		data.User, data.Sent = p.Subject, a.sent(p.Subject)
	case !errors.Is(err, core.ErrAnonymous):
		return c.Fail(err)
	}
	var page strings.Builder
	if err := homePage.Execute(&page, data); err != nil {
		return err
	}
	return c.HTML(page.String())
}

// credentials are the body of POST /auth/login.
type credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// identify lets everybody in who says "open sesame".
func identify(c credentials, err error) (refresh.Identity, error) {
	if err != nil || c.Password != "open sesame" {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: strings.Clone(c.User), Method: "password"}, nil
}

// note is in front of everything in the application: it writes down who asked for what.
// The strings may be borrowed.
func (a *app) note(method, path, origin, site string, cookies []string) {
	s := seen{strings.Clone(method), strings.Clone(path), strings.Clone(origin), strings.Clone(site), nil}
	for _, p := range pairs(cookies) {
		s.cookies = append(s.cookies, strings.Clone(p))
	}
	a.journal.saw(s)
}

// refreshing goes around /auth/refresh: a network that takes its time.
func (a *app) refreshing(ctx context.Context) (done func()) {
	a.journal.begin()
	if d := time.Duration(a.slow.Load()); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return a.journal.end
}

// server is what runs an application.
type server func(a *app, l net.Listener, s *authority) (stop func())

// frameworks are what everything is tried with.
var frameworks = []struct {
	name  string
	serve server
}{
	{"gin", serveGin},
	{"echo", serveEcho},
	{"fiber", serveFiber},
}

const style = `<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>body{font:18px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:42rem;color:#123}
form{margin:1rem 0;padding:1rem;border:1px solid #9ab;border-radius:8px}
button,input{font:inherit;padding:.3rem .8rem}h1{font-size:1.4rem}iframe{width:100%;height:12rem;border:2px dashed #9ab}</style>`

var homePage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>{{.Host}}</title>` + style + `
<h1>{{.Host}}</h1>
<p id="who">{{with .User}}You are <b>{{.}}</b>.{{else}}You are nobody.{{end}}</p>
{{if .User}}<p id="sent">You have sent {{.Sent}}.</p>
<form id="transfer" method="post" action="/transfer"><input type="hidden" name="csrf_token" value="{{.Token}}"><button>Send one</button></form>
<form id="logout" method="post" action="/logout"><input type="hidden" name="csrf_token" value="{{.Token}}"><button>Log out</button></form>
{{else}}<form id="login" method="post" action="/login"><input type="hidden" name="csrf_token" value="{{.Token}}">
<label>Name <input name="user"></label> <button>Log in</button></form>{{end}}
</html>`))

// framePage does what the page around it asks for, with requests of its own.
var framePage = fmt.Sprintf(`<!doctype html><html lang="en"><title>framed</title>%s
<h1>A page in a frame</h1><p id="who">You are nobody.</p>
<script>
const acts = {
  me: async () => (await fetch("/me")),
  login: (user) => send("/login", { user }),
  logout: () => send("/logout", {}),
};
const send = async (path, fields) => {
  const { csrf_token } = await (await fetch("/csrf")).json();
  return fetch(path, { method: "POST", headers: { "X-CSRF-Token": csrf_token }, body: new URLSearchParams(fields) });
};
onmessage = async (e) => {
  const [act, user] = e.data;
  const res = await acts[act](user);
  const me = await fetch("/me");
  const said = await me.json();
  who.textContent = me.ok ? "You are " + said.user + "." : "You are nobody.";
  e.ports[0].postMessage({ status: res.status, user: me.ok ? said.user : "" });
};
</script></html>`, style)

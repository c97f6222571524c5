package demo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

const refreshAudience = "demo-refresh"

// Clock is what refresh tokens go by, so that the page need not wait for an hour to see
// what one does. Sessions do not go by it: they would end.
type Clock struct {
	base  func() time.Time
	ahead atomic.Int64
}

// NewClock returns a clock that says what base says until it is put forward.
func NewClock(base func() time.Time) *Clock { return &Clock{base: base} }

// Now is the time.
func (c *Clock) Now() time.Time { return c.base().Add(time.Duration(c.ahead.Load())) }

func (c *Clock) later(d time.Duration) { c.ahead.Add(int64(d)) }

// rotateTokens makes what gives refresh tokens out and takes them. All of it goes by
// a.Clock: the store, the access tokens and their key.
func (a *App) rotateTokens(app string, o Options) (err error) {
	if o.Stores.Families == nil {
		if o.Stores.Families, err = memstore.New(memstore.Config{Now: a.Clock.Now}); err != nil {
			return err
		}
	}
	// A service takes the registry of its sessions, and one act ends both. Here they
	// go by different clocks.
	registry, err := revocation.New(o.Stores.Families, revocation.Config{
		App: app, Secret: o.Secret, Audit: a.Log, Now: a.Clock.Now,
	})
	if err != nil {
		return err
	}
	if o.Join != nil {
		a.rotatorKeys = o.Join.rotatorKeys
	} else if a.rotatorKeys, err = token.NewKeyRing(token.KeyRingConfig{
		Generate: token.ES256, App: app, Now: a.Clock.Now,
	}); err != nil {
		return err
	}
	name := a.issuerName + "/auth"
	issuer, err := token.NewIssuer(token.IssuerConfig{
		Name: name, Audience: refreshAudience, Keys: a.rotatorKeys, App: app, Audit: a.Log, Now: a.Clock.Now,
	})
	if err != nil {
		return err
	}
	a.Refreshed, err = token.NewVerifier(token.VerifierConfig{
		App: app, Audience: refreshAudience,
		Issuers: []token.TrustedIssuer{{
			Name: name, Algorithms: []token.Algorithm{token.ES256}, Keys: a.rotatorKeys, Revocations: registry,
		}},
		Audit: a.Log, Now: a.Clock.Now,
	})
	if err != nil {
		return err
	}
	cfg := refresh.Config{
		Issuer:         issuer,
		Wired:          []string{refreshAudience}, // a.Refreshed is the only verifier, and has the registry
		Transport:      refresh.Cookie,
		Cookie:         refresh.CookieConfig{Name: app + "-refresh", InsecureHTTP: true},
		TrustedOrigins: []string{o.SPA},
		Audit:          a.Log, Now: a.Clock.Now,
	}
	if o.Secret != nil {
		cfg.Secrets = [][]byte{o.Secret}
	}
	a.Rotator, err = refresh.New(registry, cfg)
	return err
}

// Credentials are the body of POST /auth/login.
type Credentials struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Identify says who logs in. core.ErrAnonymous: nobody.
func (a *App) Identify(c Credentials) (refresh.Identity, error) {
	u, err := check(c.User, c.Password)
	if err != nil {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{Subject: u.Name, Roles: u.Roles, Scopes: []string{profileScope}, Method: "password"}, nil
}

// LogoutEverywhere ends all that subject has from /auth/login, on every device.
func (a *App) LogoutEverywhere(ctx context.Context, subject string) error {
	return a.Rotator.Revocations().LogoutEverywhere(ctx, subject)
}

// loot is what the thief has. It stays on the server: the page is shown fingerprints.
type loot struct{ Refresh, Access string }

var lootKey = session.NewKey[loot]("loot")

func (l *loot) add(got loot) {
	if got.Refresh != "" {
		l.Refresh = got.Refresh
	}
	if got.Access != "" {
		l.Access = got.Access
	}
}

// ErrAct is a part that nobody plays here.
var ErrAct = errors.New("no such act")

// Scene is what POST /auth/play answers: what came of the act, and how things stand.
type Scene struct {
	// Status and Error are those of the request that the demo made itself, 0 if it made
	// none.
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	// Clock is the time that the refresh tokens go by.
	Clock string `json:"clock"`
	// Jar and Thief are fingerprints of the refresh tokens that the browser and the
	// thief have.
	Jar         string `json:"jar,omitempty"`
	Thief       string `json:"thief,omitempty"`
	ThiefAccess bool   `json:"thiefAccess,omitempty"`
	// Events are those after the one that the page has seen last, and Last is the number
	// of the last one now.
	Events []Event `json:"events"`
	Last   uint64  `json:"last"`
}

// Play plays the parts that a page cannot: the thief, for a script cannot read the
// refresh token and the browser sends no other one than the jar's; the network that
// loses an answer; and time. jar is the refresh token that the browser sent. An empty
// act only looks, and after is the number of the event that the page has seen last.
func (a *App) Play(ctx context.Context, s *session.Session, jar, act, after string) (Scene, error) {
	var scene Scene
	mine, _, err := lootKey.Get(s)
	if err != nil {
		return scene, err
	}
	before := mine
	switch act {
	case "":
	case "minute":
		a.Clock.later(time.Minute)
	case "hour":
		a.Clock.later(time.Hour)
	case "steal":
		mine = loot{Refresh: jar}
	case "lose":
		scene.Status, scene.Error, _, err = a.present(ctx, "the demo as a bad network", jar)
	case "catch":
		var got loot
		scene.Status, scene.Error, got, err = a.present(ctx, "the demo as a network that a thief is on", jar)
		mine.add(got)
	case "refresh":
		var got loot
		scene.Status, scene.Error, got, err = a.present(ctx, "the demo as a thief", mine.Refresh)
		mine.add(got)
	case "use":
		scene.Status, scene.Error, err = a.useLoot(ctx, mine.Access)
	default:
		err = ErrAct
	}
	if err != nil {
		return scene, err
	}
	if mine != before {
		if err := lootKey.Set(s, mine); err != nil {
			return scene, err
		}
	}
	seen, _ := strconv.ParseUint(after, 10, 64) // what is no number is the beginning
	scene.Events, scene.Last, _ = a.Log.since(seen)
	scene.Clock = a.Clock.Now().Format(time.TimeOnly)
	scene.Jar, scene.Thief, scene.ThiefAccess = fingerprint(jar), fingerprint(mine.Refresh), mine.Access != ""
	return scene, nil
}

// present is a refresh over HTTP with a cookie of somebody's, and says what the answer
// brought.
func (a *App) present(ctx context.Context, who, raw string) (status int, code string, got loot, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+"/auth/refresh", strings.NewReader("{}"))
	if err != nil {
		return 0, "", got, err
	}
	name := a.Rotator.Cookie().Name()
	req.Header.Set("User-Agent", who)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", a.URL) // which a thief writes as he likes: it protects browsers alone
	if raw != "" {
		req.AddCookie(&http.Cookie{Name: name, Value: raw})
	}
	res, body, err := a.answer(req)
	if err != nil {
		return 0, "", got, err
	}
	got.Access = body.Access
	for _, c := range res.Cookies() {
		if c.Name == name {
			got.Refresh = c.Value
		}
	}
	return res.StatusCode, body.Error, got, nil
}

// useLoot is a request of the thief's with his access token.
func (a *App) useLoot(ctx context.Context, access string) (status int, code string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/auth/whoami", nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("User-Agent", "the demo as a thief")
	if access != "" {
		req.Header.Set("Authorization", "Bearer "+access)
	}
	res, body, err := a.answer(req)
	if err != nil {
		return 0, "", err
	}
	return res.StatusCode, body.Error, nil
}

type answered struct {
	Access string `json:"access_token"`
	Error  string `json:"error"`
}

func (a *App) answer(req *http.Request) (*http.Response, answered, error) {
	var body answered
	res, err := a.client.Do(req)
	if err != nil {
		return nil, body, err
	}
	defer res.Body.Close()
	return res, body, json.NewDecoder(io.LimitReader(res.Body, MaxBody)).Decode(&body)
}

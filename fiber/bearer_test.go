package authfiber_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

// tokens is an issuer and a verifier that trusts it.
type tokens struct {
	ring     *token.KeyRing
	issuer   *token.Issuer
	verifier *token.Verifier
	events   []audit.Event
}

func newTokens(t testing.TB) *tokens {
	t.Helper()
	const name, audience = "https://id.example", "https://api.example"
	k := &tokens{}
	var err error
	k.ring, err = token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256})
	require.NoError(t, err)
	k.issuer, err = token.NewIssuer(token.IssuerConfig{Name: name, Audience: audience, Keys: k.ring})
	require.NoError(t, err)
	k.verifier, err = token.NewVerifier(token.VerifierConfig{
		Audience: audience,
		Issuers:  []token.TrustedIssuer{{Name: name, Algorithms: []token.Algorithm{token.ES256}, Keys: k.ring}},
		Audit:    audit.SinkFunc(func(_ context.Context, e audit.Event) { k.events = append(k.events, e) }),
	})
	require.NoError(t, err)
	return k
}

// header returns the Authorization line of a token for the subject.
func (k *tokens) header(t testing.TB, subject string) string {
	t.Helper()
	issued, err := k.issuer.Issue(t.Context(), token.Grant{
		Principal: core.Principal{Subject: subject, Roles: []string{"editor"}, Scopes: []string{"read", "write"}, AuthTime: time.Now()},
		Private:   map[string]string{"team": "blue"},
	})
	require.NoError(t, err)
	return "Authorization: Bearer " + issued.Token
}

const (
	missing = `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`
	invalid = `{"error":"INVALID_SIGNATURE","message":"the access token is not valid"}`
)

func who(c *fiber.Ctx) error {
	p, err := authfiber.PrincipalFrom(c)
	if errors.Is(err, core.ErrAnonymous) {
		p.Subject = "nobody"
	}
	return c.SendString(p.Subject)
}

func TestBearerConstructorsPanicWithEveryMistake(t *testing.T) {
	k := newTokens(t)
	require.Equal(t, []string{
		"authfiber.Bearer.verifier", "authfiber.Bearer.cfg", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(t, func() {
		authfiber.Bearer(nil, authfiber.Config{TrustProxy: []string{"x"}}, authfiber.Config{TrustProxy: []string{"y"}})
	}))
	require.Equal(t, []string{"authfiber.Session.cfg.Optional"}, mistakes(t, func() {
		authfiber.Session(newManager(t, newFaulty(), session.Config{}), authfiber.Config{Optional: true})
	}))
	require.Equal(t, []string{"JWKS.ring"}, mistakes(t, func() { authfiber.JWKS(nil) }))
	require.Equal(t, []string{"RequireScope.scopes"}, mistakes(t, func() { authfiber.RequireScope() }))
	require.Equal(t, []string{"RequireScope.scopes", "RequireScope.scopes", "RequireScope.scopes"},
		mistakes(t, func() { authfiber.RequireScope("", "read", `a"b`, "a b") }))
	require.NoError(t, panicOf(func() {
		authfiber.Bearer(k.verifier)
		authfiber.Bearer(k.verifier, authfiber.Config{Optional: true, TrustProxy: []string{"10.0.0.0/8"}})
		authfiber.JWKS(k.ring)
		authfiber.RequireScope("read", "write:all")
	}))
}

func TestBearer(t *testing.T) {
	k := newTokens(t)
	ran := 0
	var seen []error
	e := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		seen = append(seen, err)
		var d *adapter.Denied
		require.ErrorAs(t, err, &d)
		return c.Status(d.Status).Send(d.Body())
	}})
	e.Get("/api", authfiber.Bearer(k.verifier), func(c *fiber.Ctx) error { ran++; return who(c) })
	e.Get("/public", authfiber.Bearer(k.verifier, authfiber.Config{Optional: true}), who)

	res, body := do(t, e, "GET /api", k.header(t, "ada"))
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "ada", body)
	require.Equal(t, []string{"Authorization"}, res.Header.Values("Vary"))
	require.Equal(t, "private", res.Header.Get("Cache-Control"))
	require.Empty(t, seen)

	res, body = do(t, e, "GET /api")
	require.Equal(t, 401, res.StatusCode)
	require.JSONEq(t, missing, body)
	require.Equal(t, `Bearer realm="app"`, res.Header.Get("WWW-Authenticate"))
	res, body = do(t, e, "GET /api", k.header(t, "ada")+"x")
	require.Equal(t, 401, res.StatusCode)
	require.JSONEq(t, invalid, body)
	require.Equal(t, `Bearer realm="app", error="invalid_token", error_description="the access token is not valid"`, res.Header.Get("WWW-Authenticate"))
	require.Equal(t, 1, ran)
	require.Len(t, seen, 2)
	var native *fiber.Error
	require.ErrorAs(t, seen[1], &native)
	require.Equal(t, 401, native.Code)
	var d *adapter.Denied
	require.ErrorAs(t, seen[1], &d)
	require.ErrorIs(t, seen[1], token.ErrInvalid)

	_, body = do(t, e, "GET /public")
	require.Equal(t, "nobody", body)
	res, _ = do(t, e, "GET /public", "Authorization: Bearer x.y.z")
	require.Equal(t, 401, res.StatusCode)
}

func TestBearerNext(t *testing.T) {
	k := newTokens(t)
	e := fiber.New()
	e.Use(authfiber.Bearer(k.verifier, authfiber.Config{Next: func(c *fiber.Ctx) bool { return c.Query("skip") != "" }}))
	e.Get("/open", ok)
	e.Get("/guarded", authfiber.RequireLogin(), ok)
	for request, want := range map[string]int{"/open": 401, "/open?skip=1": 204, "/guarded?skip=1": 500} {
		res, _ := do(t, e, "GET "+request)
		require.Equal(t, want, res.StatusCode, request)
	}
}

func TestBearerErrorHandler(t *testing.T) {
	k := newTokens(t)
	says := func(text string) authfiber.Config {
		return authfiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
			var d *adapter.Denied
			require.ErrorAs(t, err, &d)
			require.Equal(t, core.MissingCredentials, d.Code)
			return c.Status(d.Status).SendString(text)
		}}
	}
	alone := fiber.New()
	alone.Get("/own", authfiber.Bearer(k.verifier, says("own")), ok)
	behind := newApp(t, says("the session's"))
	behind.Get("/own", authfiber.Bearer(k.verifier, says("own")), ok)
	behind.Get("/inherited", authfiber.Bearer(k.verifier), ok)
	optional := says("own")
	optional.Optional = true
	behind.Get("/guard", authfiber.Bearer(k.verifier, optional), authfiber.RequireLogin(), ok)
	behind.Get("/fail", authfiber.Bearer(k.verifier, optional), func(c *fiber.Ctx) error { return authfiber.Fail(c, core.ErrAnonymous) })
	behind.Get("/return", authfiber.Bearer(k.verifier, optional), func(*fiber.Ctx) error { return core.ErrAnonymous })
	alone.Get("/return", authfiber.Bearer(k.verifier, optional), func(*fiber.Ctx) error { return core.ErrAnonymous })
	for _, row := range []struct {
		h          *fiber.App
		path, want string
	}{
		{alone, "/own", "own"}, {behind.App, "/own", "own"}, {behind.App, "/inherited", "the session's"},
		{behind.App, "/guard", "own"}, {behind.App, "/fail", "own"}, {behind.App, "/return", "own"}, {alone, "/return", "own"},
	} {
		res, body := do(t, row.h, "GET "+row.path)
		require.Equal(t, 401, res.StatusCode, row.path)
		require.Equal(t, row.want, body, row.path)
		require.Equal(t, `Bearer realm="app"`, res.Header.Get("WWW-Authenticate"), row.path)
	}
}

// Behind Bearer there is no other identity than the token's, and in front of it none
// but the session's.
func TestBearerBesideASession(t *testing.T) {
	k := newTokens(t)
	a := newApp(t)
	a.Get("/page", who)
	a.Get("/api", authfiber.Bearer(k.verifier), who)
	a.Get("/optional", authfiber.Bearer(k.verifier, authfiber.Config{Optional: true}), who)
	cookie := a.cookie(t)
	for _, row := range []struct {
		path, header, want string
	}{
		{"/page", k.header(t, "bob"), "ada"}, {"/api", k.header(t, "bob"), "bob"},
		{"/optional", k.header(t, "bob"), "bob"}, {"/optional", "X-None: 1", "nobody"},
	} {
		_, body := do(t, a.App, "GET "+row.path, cookie, row.header)
		require.Equal(t, row.want, body, row.path)
	}
	res, _ := do(t, a.App, "GET /api", cookie)
	require.Equal(t, 401, res.StatusCode)
}

func TestGuardsBehindBearer(t *testing.T) {
	k := newTokens(t)
	e := fiber.New()
	api := e.Group("", authfiber.Bearer(k.verifier))
	scopes := []string{"read", "write"}
	scope := authfiber.RequireScope(scopes...)
	scopes[0] = "admin"
	api.Get("/role", authfiber.RequireRole("admin", "editor"), ok)
	api.Get("/norole", authfiber.RequireRole("admin"), ok)
	api.Get("/scope", scope, ok)
	api.Get("/noscope", authfiber.RequireScope("read", "delete"), ok)
	api.Get("/fresh", authfiber.RequireFresh(time.Hour), ok)
	for _, row := range []struct {
		path, challenge string
		status          int
	}{
		{"/role", "", 204}, {"/norole", "", 403}, {"/scope", "", 204}, {"/fresh", "", 204},
		{"/noscope", `Bearer realm="app", error="insufficient_scope", scope="read delete"`, 403},
	} {
		res, _ := do(t, e, "GET "+row.path, k.header(t, "ada"))
		require.Equal(t, row.status, res.StatusCode, row.path)
		require.Equal(t, row.challenge, res.Header.Get("WWW-Authenticate"), row.path)
	}
}

func TestClaimsFrom(t *testing.T) {
	type claims struct {
		Subject string `json:"sub"`
		Team    string `json:"team"`
	}
	k := newTokens(t)
	e := fiber.New()
	var got claims
	var err error
	read := func(c *fiber.Ctx) error {
		got, err = authfiber.ClaimsFrom[claims](c)
		return ok(c)
	}
	e.Get("/api", authfiber.Bearer(k.verifier), read)
	e.Get("/optional", authfiber.Bearer(k.verifier, authfiber.Config{Optional: true}), read)
	e.Get("/none", read)
	do(t, e, "GET /api", k.header(t, "ada"))
	require.NoError(t, err)
	require.Equal(t, claims{"ada", "blue"}, got)
	do(t, e, "GET /optional")
	require.ErrorIs(t, err, core.ErrAnonymous)
	do(t, e, "GET /none", k.header(t, "ada"))
	require.ErrorIs(t, err, core.ErrNoMiddleware)
	require.Zero(t, got)
}

func TestJWKS(t *testing.T) {
	k := newTokens(t)
	e := fiber.New()
	e.Use(func(c *fiber.Ctx) error {
		c.Set("Cache-Control", "no-store")
		return c.Next()
	})
	e.Get("/jwks", authfiber.JWKS(k.ring))
	res, body := do(t, e, "GET /jwks")
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "application/jwk-set+json", res.Header.Get("Content-Type"))
	require.Equal(t, []string{"public, max-age=300"}, res.Header.Values("Cache-Control"), "whatever the application says of its pages")
	require.Contains(t, body, k.ring.Keys()[0].ID)
	require.NotContains(t, body, `"d"`)
	res, body = do(t, e, "GET /jwks", "If-None-Match: "+res.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, res.StatusCode)
	require.Empty(t, body)
}

func TestBearerClientIP(t *testing.T) {
	k := newTokens(t)
	for name, row := range map[string]struct {
		cfg  authfiber.Config
		want string
	}{
		"socket":      {authfiber.Config{}, "0.0.0.0"},
		"proxy":       {authfiber.Config{TrustProxy: []string{"0.0.0.0"}}, "203.0.113.9"},
		"application": {authfiber.Config{ClientIP: func(*fiber.Ctx) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			k.events = nil
			e := fiber.New()
			e.Get("/api", authfiber.Bearer(k.verifier, row.cfg), authfiber.RequireRole("admin"), ok)
			for _, line := range []string{"Authorization: Bearer x", k.header(t, "ada")} {
				do(t, e, "GET /api", line, "X-Forwarded-For: 203.0.113.9", "User-Agent: curl/8")
			}
			require.Len(t, k.events, 2)
			require.Equal(t, audit.TokenRefused, k.events[0].Name)
			require.Equal(t, audit.AuthorizationFailed, k.events[1].Name)
			for _, e := range k.events {
				require.Equal(t, row.want, e.ClientIP.String())
				require.Equal(t, "curl/8", e.UserAgent)
			}
		})
	}
}

// Strings of a request that was answered belong to the next one: a principal that is
// kept must not change with it, nor may the cache hold such strings.
func TestBearerKeepsNothingOfTheRequest(t *testing.T) {
	k := newTokens(t)
	a := fiber.New()
	var kept []core.Principal
	a.Get("/api", authfiber.Bearer(k.verifier), func(c *fiber.Ctx) error {
		p, err := authfiber.PrincipalFrom(c)
		kept = append(kept, p)
		return err
	})
	send := dial(t, listen(t, a))
	names := []string{"ada", "bob", "eve"}
	var lines []string
	for _, name := range names {
		lines = append(lines, k.header(t, name))
	}
	for range 3 {
		for _, line := range lines {
			res, body := send("GET /api HTTP/1.1\r\nHost: x\r\n" + line + "\r\n\r\n")
			require.Equal(t, 200, res.StatusCode, body)
		}
	}
	require.Len(t, kept, 9)
	for i, p := range kept {
		require.Equal(t, names[i%3], p.Subject)
	}
	require.Empty(t, k.events)
}

// A token that was seen before may cost three allocations more than a session that
// nobody asks for, which costs 2.
func TestBearerAllocations(t *testing.T) {
	const runs, budget = 2000, 5
	k := newTokens(t)
	a := fiber.New()
	a.Get("/bare", ok)
	a.Get("/api", authfiber.Bearer(k.verifier), ok)
	handler := a.Handler()
	average := func(path string) float64 {
		ctx := parsed(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\n"+k.header(t, "ada")+"\r\n\r\n")
		return testing.AllocsPerRun(1, func() {
			for range runs {
				serve(handler, ctx)
			}
		}) / runs
	}
	bare, mounted := average("/bare"), average("/api")
	t.Logf("bare %.2f, mounted %.2f", bare, mounted)
	require.Less(t, mounted-bare, budget+0.5)
}

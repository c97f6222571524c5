package authecho_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authecho "github.com/sallyport-go/sallyport/echo"
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

func who(c echo.Context) error {
	p, err := authecho.PrincipalFrom(c)
	if errors.Is(err, core.ErrAnonymous) {
		p.Subject = "nobody"
	}
	return c.String(200, p.Subject)
}

func TestBearerConstructorsPanicWithEveryMistake(t *testing.T) {
	k := newTokens(t)
	require.Equal(t, []string{
		"authecho.Bearer.verifier", "authecho.Bearer.cfg", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(panicOf(func() {
		authecho.Bearer(nil, authecho.Config{TrustProxy: []string{"x"}}, authecho.Config{TrustProxy: []string{"y"}})
	})))
	require.Equal(t, []string{"authecho.Session.cfg.Optional"}, mistakes(panicOf(func() {
		authecho.Session(newManager(t, newFaulty(), session.Config{}), authecho.Config{Optional: true})
	})))
	require.Equal(t, []string{"JWKS.ring"}, mistakes(panicOf(func() { authecho.JWKS(nil) })))
	require.Equal(t, []string{"RequireScope.scopes"}, mistakes(panicOf(func() { authecho.RequireScope() })))
	require.Equal(t, []string{"RequireScope.scopes", "RequireScope.scopes", "RequireScope.scopes"},
		mistakes(panicOf(func() { authecho.RequireScope("", "read", `a"b`, "a b") })))
	require.NoError(t, panicOf(func() {
		authecho.Bearer(k.verifier)
		authecho.Bearer(k.verifier, authecho.Config{Optional: true, TrustProxy: []string{"10.0.0.0/8"}})
		authecho.JWKS(k.ring)
		authecho.RequireScope("read", "write:all")
	}))
}

func TestBearer(t *testing.T) {
	k := newTokens(t)
	ran := 0
	e := echo.New()
	var seen []error
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			if err != nil {
				seen = append(seen, err)
			}
			return err
		}
	})
	e.GET("/api", func(c echo.Context) error { ran++; return who(c) }, authecho.Bearer(k.verifier))
	e.GET("/public", who, authecho.Bearer(k.verifier, authecho.Config{Optional: true}))

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
	var native *echo.HTTPError
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

func TestBearerSkipper(t *testing.T) {
	k := newTokens(t)
	e := echo.New()
	e.Use(authecho.Bearer(k.verifier, authecho.Config{Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" }}))
	e.GET("/open", ok)
	e.GET("/guarded", ok, authecho.RequireLogin())
	for request, want := range map[string]int{"/open": 401, "/open?skip=1": 204, "/guarded?skip=1": 500} {
		res, _ := do(t, e, "GET "+request)
		require.Equal(t, want, res.StatusCode, request)
	}
}

func TestBearerErrorHandler(t *testing.T) {
	k := newTokens(t)
	says := func(text string) authecho.Config {
		return authecho.Config{ErrorHandler: func(c echo.Context, err error) error {
			var d *adapter.Denied
			require.ErrorAs(t, err, &d)
			require.Equal(t, core.MissingCredentials, d.Code)
			return c.String(d.Status, text)
		}}
	}
	alone := echo.New()
	alone.GET("/own", ok, authecho.Bearer(k.verifier, says("own")))
	behind := newApp(t, says("the session's"))
	behind.GET("/own", ok, authecho.Bearer(k.verifier, says("own")))
	behind.GET("/inherited", ok, authecho.Bearer(k.verifier))
	optional := says("own")
	optional.Optional = true
	behind.GET("/guard", ok, authecho.Bearer(k.verifier, optional), authecho.RequireLogin())
	behind.GET("/fail", func(c echo.Context) error { return authecho.Fail(c, core.ErrAnonymous) }, authecho.Bearer(k.verifier, optional))
	behind.GET("/return", func(echo.Context) error { return core.ErrAnonymous }, authecho.Bearer(k.verifier, optional))
	alone.GET("/return", func(echo.Context) error { return core.ErrAnonymous }, authecho.Bearer(k.verifier, optional))
	for _, row := range []struct {
		h          http.Handler
		path, want string
	}{
		{alone, "/own", "own"}, {behind, "/own", "own"}, {behind, "/inherited", "the session's"},
		{behind, "/guard", "own"}, {behind, "/fail", "own"}, {behind, "/return", "own"}, {alone, "/return", "own"},
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
	a.GET("/page", who)
	a.GET("/api", who, authecho.Bearer(k.verifier))
	a.GET("/optional", who, authecho.Bearer(k.verifier, authecho.Config{Optional: true}))
	cookie := a.cookie(t)
	for _, row := range []struct {
		path, header, want string
	}{
		{"/page", k.header(t, "bob"), "ada"}, {"/api", k.header(t, "bob"), "bob"},
		{"/optional", k.header(t, "bob"), "bob"}, {"/optional", "X-None: 1", "nobody"},
	} {
		_, body := do(t, a, "GET "+row.path, cookie, row.header)
		require.Equal(t, row.want, body, row.path)
	}
	res, _ := do(t, a, "GET /api", cookie)
	require.Equal(t, 401, res.StatusCode)
}

func TestGuardsBehindBearer(t *testing.T) {
	k := newTokens(t)
	e := echo.New()
	api := e.Group("", authecho.Bearer(k.verifier))
	scopes := []string{"read", "write"}
	scope := authecho.RequireScope(scopes...)
	scopes[0] = "admin"
	api.GET("/role", ok, authecho.RequireRole("admin", "editor"))
	api.GET("/norole", ok, authecho.RequireRole("admin"))
	api.GET("/scope", ok, scope)
	api.GET("/noscope", ok, authecho.RequireScope("read", "delete"))
	api.GET("/fresh", ok, authecho.RequireFresh(time.Hour))
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
	e := echo.New()
	var got claims
	var err error
	read := func(c echo.Context) error {
		got, err = authecho.ClaimsFrom[claims](c)
		return ok(c)
	}
	e.GET("/api", read, authecho.Bearer(k.verifier))
	e.GET("/optional", read, authecho.Bearer(k.verifier, authecho.Config{Optional: true}))
	e.GET("/none", read)
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
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "no-store")
			return next(c)
		}
	})
	e.GET("/jwks", authecho.JWKS(k.ring))
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
		cfg  authecho.Config
		want string
	}{
		"socket":      {authecho.Config{}, "192.0.2.1"},
		"proxy":       {authecho.Config{TrustProxy: []string{"192.0.2.1"}}, "203.0.113.9"},
		"application": {authecho.Config{ClientIP: func(echo.Context) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			k.events = nil
			e := echo.New()
			e.GET("/api", ok, authecho.Bearer(k.verifier, row.cfg), authecho.RequireRole("admin"))
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

// A token that was seen before may cost three allocations more than a session that
// nobody asks for, which costs 3.
func TestBearerAllocations(t *testing.T) {
	const runs, budget = 2000, 6
	k := newTokens(t)
	e := echo.New()
	e.GET("/bare", ok)
	e.GET("/api", ok, authecho.Bearer(k.verifier))
	average := func(path string) float64 {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", k.header(t, "ada")[len("Authorization: "):])
		r.Header.Set("User-Agent", "curl/8")
		w := &discard{header: http.Header{}}
		return testing.AllocsPerRun(1, func() {
			for range runs {
				w.serve(e, r)
			}
		}) / runs
	}
	bare, mounted := average("/bare"), average("/api")
	t.Logf("bare %.2f, mounted %.2f", bare, mounted)
	require.Less(t, mounted-bare, budget+0.5)
}

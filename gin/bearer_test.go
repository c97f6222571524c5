package authgin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
	authgin "github.com/sallyport-go/sallyport/gin"
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

func who(c *gin.Context) {
	p, err := authgin.PrincipalFrom(c)
	if errors.Is(err, core.ErrAnonymous) {
		p.Subject = "nobody"
	}
	c.String(200, p.Subject)
}

func TestBearerConstructorsPanicWithEveryMistake(t *testing.T) {
	k := newTokens(t)
	require.Equal(t, []string{
		"authgin.Bearer.verifier", "authgin.Bearer.cfg", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(panicOf(func() {
		authgin.Bearer(nil, authgin.Config{TrustProxy: []string{"x"}}, authgin.Config{TrustProxy: []string{"y"}})
	})))
	require.Equal(t, []string{"authgin.Session.cfg.Optional"}, mistakes(panicOf(func() {
		authgin.Session(newManager(t, newFaulty(), session.Config{}), authgin.Config{Optional: true})
	})))
	require.Equal(t, []string{"JWKS.ring"}, mistakes(panicOf(func() { authgin.JWKS(nil) })))
	require.Equal(t, []string{"RequireScope.scopes"}, mistakes(panicOf(func() { authgin.RequireScope() })))
	require.Equal(t, []string{"RequireScope.scopes", "RequireScope.scopes", "RequireScope.scopes"},
		mistakes(panicOf(func() { authgin.RequireScope("", "read", `a"b`, "a b") })))
	require.NoError(t, panicOf(func() {
		authgin.Bearer(k.verifier)
		authgin.Bearer(k.verifier, authgin.Config{Optional: true, TrustProxy: []string{"10.0.0.0/8"}})
		authgin.JWKS(k.ring)
		authgin.RequireScope("read", "write:all")
	}))
}

func TestBearer(t *testing.T) {
	k := newTokens(t)
	ran := 0
	e := gin.New()
	var seen []error
	e.Use(func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			seen = append(seen, err.Err)
		}
	})
	e.GET("/api", authgin.Bearer(k.verifier), func(c *gin.Context) { ran++; who(c) })
	e.GET("/public", authgin.Bearer(k.verifier, authgin.Config{Optional: true}), who)

	res, body := do(t, e, "GET /api", k.header(t, "ada"))
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "ada", body)
	require.Equal(t, []string{"Authorization"}, res.Header.Values("Vary"))
	require.Equal(t, "private", res.Header.Get("Cache-Control"))
	require.Empty(t, seen)

	res, body = do(t, e, "GET /api")
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, missing, body)
	require.Equal(t, `Bearer realm="app"`, res.Header.Get("WWW-Authenticate"))
	res, body = do(t, e, "GET /api", k.header(t, "ada")+"x")
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, invalid, body)
	require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
	require.Equal(t, `Bearer realm="app", error="invalid_token", error_description="the access token is not valid"`, res.Header.Get("WWW-Authenticate"))
	require.Equal(t, 1, ran)
	require.Len(t, seen, 2)
	var d *adapter.Denied
	require.ErrorAs(t, seen[1], &d)
	require.ErrorIs(t, seen[1], token.ErrInvalid)

	_, body = do(t, e, "GET /public")
	require.Equal(t, "nobody", body)
	res, _ = do(t, e, "GET /public", "Authorization: Bearer x.y.z")
	require.Equal(t, 401, res.StatusCode)
}

func TestBearerSkip(t *testing.T) {
	k := newTokens(t)
	e := gin.New()
	e.Use(authgin.Bearer(k.verifier, authgin.Config{Skip: func(c *gin.Context) bool { return c.Query("skip") != "" }}))
	e.GET("/open", func(c *gin.Context) { c.Status(204) })
	e.GET("/guarded", authgin.RequireLogin(), func(c *gin.Context) { c.Status(204) })
	for request, want := range map[string]int{"/open": 401, "/open?skip=1": 204, "/guarded?skip=1": 500} {
		res, _ := do(t, e, "GET "+request)
		require.Equal(t, want, res.StatusCode, request)
	}
}

func TestBearerErrorHandler(t *testing.T) {
	k := newTokens(t)
	says := func(text string) authgin.Config {
		return authgin.Config{ErrorHandler: func(c *gin.Context, err error) {
			var d *adapter.Denied
			require.ErrorAs(t, err, &d)
			require.Equal(t, core.MissingCredentials, d.Code)
			require.True(t, c.IsAborted())
			c.String(d.Status, text)
		}}
	}
	ok := func(c *gin.Context) { c.Status(204) }
	alone := gin.New()
	alone.GET("/own", authgin.Bearer(k.verifier, says("own")), ok)
	behind := newApp(t, says("the session's"))
	behind.GET("/own", authgin.Bearer(k.verifier, says("own")), ok)
	behind.GET("/inherited", authgin.Bearer(k.verifier), ok)
	optional := says("own")
	optional.Optional = true
	behind.GET("/guard", authgin.Bearer(k.verifier, optional), authgin.RequireLogin(), ok)
	behind.GET("/fail", authgin.Bearer(k.verifier, optional), func(c *gin.Context) { authgin.Fail(c, core.ErrAnonymous) })
	for _, row := range []struct {
		h          http.Handler
		path, want string
	}{
		{alone, "/own", "own"}, {behind, "/own", "own"}, {behind, "/inherited", "the session's"},
		{behind, "/guard", "own"}, {behind, "/fail", "own"},
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
	a.GET("/api", authgin.Bearer(k.verifier), who)
	a.GET("/optional", authgin.Bearer(k.verifier, authgin.Config{Optional: true}), who)
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
	e := gin.New()
	ok := func(c *gin.Context) { c.Status(204) }
	api := e.Group("/", authgin.Bearer(k.verifier))
	scopes := []string{"read", "write"}
	scope := authgin.RequireScope(scopes...)
	scopes[0] = "admin"
	api.GET("/role", authgin.RequireRole("admin", "editor"), ok)
	api.GET("/norole", authgin.RequireRole("admin"), ok)
	api.GET("/scope", scope, ok)
	api.GET("/noscope", authgin.RequireScope("read", "delete"), ok)
	api.GET("/fresh", authgin.RequireFresh(time.Hour), ok)
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
	e := gin.New()
	var got claims
	var err error
	read := func(c *gin.Context) { got, err = authgin.ClaimsFrom[claims](c) }
	e.GET("/api", authgin.Bearer(k.verifier), read)
	e.GET("/optional", authgin.Bearer(k.verifier, authgin.Config{Optional: true}), read)
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
	e := gin.New()
	e.Use(func(c *gin.Context) { c.Header("Cache-Control", "no-store") })
	e.GET("/jwks", authgin.JWKS(k.ring))
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
		cfg  authgin.Config
		want string
	}{
		"socket":      {authgin.Config{}, "192.0.2.1"},
		"proxy":       {authgin.Config{TrustProxy: []string{"192.0.2.1"}}, "203.0.113.9"},
		"application": {authgin.Config{ClientIP: func(*gin.Context) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			k.events = nil
			e := gin.New()
			e.GET("/api", authgin.Bearer(k.verifier, row.cfg), authgin.RequireRole("admin"))
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
// nobody asks for, which costs 2.
func TestBearerAllocations(t *testing.T) {
	const runs, budget = 2000, 5
	k := newTokens(t)
	e := gin.New()
	done := func(c *gin.Context) { c.Status(http.StatusNoContent) }
	e.GET("/bare", done)
	e.GET("/api", authgin.Bearer(k.verifier), done)
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

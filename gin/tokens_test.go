package authgin_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	authgin "github.com/sallyport-go/sallyport/gin"
)

func newRotator(t testing.TB, k *tokens, cfg refresh.Config) *refresh.Rotator {
	t.Helper()
	registry, err := revocation.New(memstore.Default(), revocation.Config{})
	require.NoError(t, err)
	cfg.Issuer = k.issuer
	r, err := refresh.New(registry, cfg)
	require.NoError(t, err)
	return r
}

func clients(t testing.TB) refresh.ClientAuthenticator {
	t.Helper()
	c, err := refresh.StaticClients(refresh.StaticClient{
		Caller: refresh.Caller{ID: "api", Audience: "https://api.example"}, Secret: "sixteen bytes at least",
	})
	require.NoError(t, err)
	return c
}

func checkAda(c *gin.Context) (refresh.Identity, error) {
	switch c.Query("user") {
	case "ada":
		return refresh.Identity{Subject: "ada"}, nil
	case "":
		return refresh.Identity{}, core.ErrAnonymous
	default:
		return refresh.Identity{}, errors.New("the directory is on fire")
	}
}

func TestTokenEndpointsPanicWithEveryMistake(t *testing.T) {
	k := newTokens(t)
	r, c := newRotator(t, k, refresh.Config{}), clients(t)
	bad := authgin.Config{Optional: true, Skip: func(*gin.Context) bool { return false }}
	device := authgin.Config{Device: func(*gin.Context) string { return "" }}
	for name, tc := range map[string]struct {
		construct func()
		want      []string
	}{
		"TokenLogin": {func() { authgin.TokenLogin(nil, nil, bad) }, []string{
			"authgin.TokenLogin.check", "authgin.TokenLogin.cfg.Optional", "authgin.TokenLogin.cfg.Skip", "authgin.TokenLogin.rotator",
		}},
		"Refresh": {func() { authgin.Refresh(nil, authgin.Config{TrustProxy: []string{"x"}}, bad) }, []string{
			"authgin.Refresh.cfg.Optional", "authgin.Refresh.cfg.Skip", "authgin.Refresh.rotator", "authgin.Refresh.cfg", "Config.TrustProxy",
		}},
		"Logout": {func() { authgin.Logout(nil) }, []string{"authgin.Logout.rotator"}},
		"Revoke": {func() { authgin.Revoke(nil, nil, nil, device) }, []string{
			"authgin.Revoke.verifier", "authgin.Revoke.clients", "authgin.Revoke.cfg.Device", "authgin.Revoke.rotator",
		}},
		"Introspect": {func() { authgin.Introspect(nil, nil, nil, device) }, []string{
			"authgin.Introspect.verifier", "authgin.Introspect.clients", "authgin.Introspect.cfg.Device", "authgin.Introspect.rotator",
		}},
		"Session": {func() { authgin.Session(nil, device) }, []string{"authgin.Session.cfg.Device", "authgin.Session.manager"}},
		"Bearer":  {func() { authgin.Bearer(nil, device) }, []string{"authgin.Bearer.cfg.Device", "authgin.Bearer.verifier"}},
		"no mistake": {func() {
			authgin.TokenLogin(r, checkAda, device)
			authgin.Refresh(r, device)
			authgin.Logout(r, device)
			authgin.Revoke(r, k.verifier, c)
			authgin.Introspect(r, k.verifier, c)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, mistakes(panicOf(tc.construct))) })
	}
}

// What the endpoints decide is for the conformance suite. This is how the answers leave.
func TestTokenEndpoints(t *testing.T) {
	k := newTokens(t)
	r := newRotator(t, k, refresh.Config{})
	e := gin.New()
	var seen []error
	e.Use(func(c *gin.Context) {
		c.Next()
		for _, err := range c.Errors {
			seen = append(seen, err.Err)
		}
	})
	e.POST("/login", authgin.TokenLogin(r, checkAda))
	e.POST("/logout", authgin.Logout(r))
	e.POST("/refresh", authgin.Refresh(r))

	res, body := do(t, e, "POST /login?user=ada", "Content-Type: application/json")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	var granted struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &granted))
	require.NotEmpty(t, granted.Access)

	res, body = do(t, e, "POST /login", "Content-Type: application/json")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, missing, body)
	require.ErrorIs(t, seen[len(seen)-1], core.ErrAnonymous)

	res, body = do(t, e, "POST /login?user=bob", "Content-Type: application/json")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.Empty(t, body)
	require.EqualError(t, seen[len(seen)-1], "the directory is on fire")

	res, _ = do(t, e, "POST /refresh", "Content-Type: text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode)

	res, body = doBody(t, e, "POST /logout", `{"refresh_token":"`+granted.Refresh+`"}`)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Empty(t, body)
	require.Empty(t, res.Header.Get("Content-Type"))
}

// A check that has answered by itself has the last word.
func TestTokenLoginAnsweredByItsCheck(t *testing.T) {
	e := gin.New()
	e.POST("/login", authgin.TokenLogin(newRotator(t, newTokens(t), refresh.Config{}), func(c *gin.Context) (refresh.Identity, error) {
		c.String(http.StatusTeapot, "no tea")
		return refresh.Identity{}, errors.New("no tea")
	}))
	res, body := do(t, e, "POST /login", "Content-Type: application/json")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.Equal(t, "no tea", body)
}

func TestTokenEndpointsRefuseAsConfigured(t *testing.T) {
	own := func(c *gin.Context, _ error) { c.String(http.StatusTeapot, "mine") }
	r := newRotator(t, newTokens(t), refresh.Config{})
	a := newApp(t, authgin.Config{ErrorHandler: func(c *gin.Context, _ error) { c.String(http.StatusTeapot, "the session's") }})
	a.POST("/outer", authgin.Refresh(r))
	a.POST("/own", authgin.Refresh(r, authgin.Config{ErrorHandler: own}))
	_, body := do(t, a, "POST /outer")
	require.Equal(t, "the session's", body)
	_, body = do(t, a, "POST /own")
	require.Equal(t, "mine", body)
}

package authecho_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	authecho "github.com/sallyport-go/sallyport/echo"
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

func checkAda(c echo.Context) (refresh.Identity, error) {
	switch c.QueryParam("user") {
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
	bad := authecho.Config{Optional: true, Skipper: func(echo.Context) bool { return false }}
	device := authecho.Config{Device: func(echo.Context) string { return "" }}
	for name, tc := range map[string]struct {
		construct func()
		want      []string
	}{
		"TokenLogin": {func() { authecho.TokenLogin(nil, nil, bad) }, []string{
			"authecho.TokenLogin.check", "authecho.TokenLogin.cfg.Optional", "authecho.TokenLogin.cfg.Skipper", "authecho.TokenLogin.rotator",
		}},
		"Refresh": {func() { authecho.Refresh(nil, authecho.Config{TrustProxy: []string{"x"}}, bad) }, []string{
			"authecho.Refresh.cfg.Optional", "authecho.Refresh.cfg.Skipper", "authecho.Refresh.rotator", "authecho.Refresh.cfg", "Config.TrustProxy",
		}},
		"Logout": {func() { authecho.Logout(nil) }, []string{"authecho.Logout.rotator"}},
		"Revoke": {func() { authecho.Revoke(nil, nil, nil, device) }, []string{
			"authecho.Revoke.verifier", "authecho.Revoke.clients", "authecho.Revoke.cfg.Device", "authecho.Revoke.rotator",
		}},
		"Introspect": {func() { authecho.Introspect(nil, nil, nil, device) }, []string{
			"authecho.Introspect.verifier", "authecho.Introspect.clients", "authecho.Introspect.cfg.Device", "authecho.Introspect.rotator",
		}},
		"Session": {func() { authecho.Session(nil, device) }, []string{"authecho.Session.cfg.Device", "authecho.Session.manager"}},
		"Bearer":  {func() { authecho.Bearer(nil, device) }, []string{"authecho.Bearer.cfg.Device", "authecho.Bearer.verifier"}},
		"no mistake": {func() {
			authecho.TokenLogin(r, checkAda, device)
			authecho.Refresh(r, device)
			authecho.Logout(r, device)
			authecho.Revoke(r, k.verifier, c)
			authecho.Introspect(r, k.verifier, c)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, mistakes(panicOf(tc.construct))) })
	}
}

// What the endpoints decide is for the conformance suite. This is how the answers leave.
func TestTokenEndpoints(t *testing.T) {
	k := newTokens(t)
	r := newRotator(t, k, refresh.Config{})
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
	e.POST("/login", authecho.TokenLogin(r, checkAda))
	e.POST("/logout", authecho.Logout(r))
	e.POST("/refresh", authecho.Refresh(r))

	res, body := do(t, e, "POST /login?user=ada", "Content-Type: application/json")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, echo.MIMEApplicationJSON, res.Header.Get("Content-Type"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	var granted struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &granted))
	require.NotEmpty(t, granted.Access)

	res, body = do(t, e, "POST /login", "Content-Type: application/json")
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, missing+"\n", body)
	require.ErrorIs(t, seen[len(seen)-1], core.ErrAnonymous)

	res, body = do(t, e, "POST /login?user=bob", "Content-Type: application/json")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.Equal(t, "{\"message\":\"Internal Server Error\"}\n", body, "the application's error handler answers")
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
	e := echo.New()
	e.POST("/login", authecho.TokenLogin(newRotator(t, newTokens(t), refresh.Config{}), func(c echo.Context) (refresh.Identity, error) {
		_ = c.String(http.StatusTeapot, "no tea")
		return refresh.Identity{}, errors.New("no tea")
	}))
	res, body := do(t, e, "POST /login", "Content-Type: application/json")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.Equal(t, "no tea", body)
}

func TestTokenEndpointsRefuseAsConfigured(t *testing.T) {
	own := func(c echo.Context, _ error) error { return c.String(http.StatusTeapot, "mine") }
	r := newRotator(t, newTokens(t), refresh.Config{})
	a := newApp(t, authecho.Config{ErrorHandler: func(c echo.Context, _ error) error { return c.String(http.StatusTeapot, "the session's") }})
	a.POST("/outer", authecho.Refresh(r))
	a.POST("/own", authecho.Refresh(r, authecho.Config{ErrorHandler: own}))
	_, body := do(t, a, "POST /outer")
	require.Equal(t, "the session's", body)
	_, body = do(t, a, "POST /own")
	require.Equal(t, "mine", body)
}

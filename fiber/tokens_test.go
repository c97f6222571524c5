package authfiber_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	authfiber "github.com/sallyport-go/sallyport/fiber"
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

func checkAda(c *fiber.Ctx) (refresh.Identity, error) {
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
	bad := authfiber.Config{Optional: true, Next: func(*fiber.Ctx) bool { return false }}
	device := authfiber.Config{Device: func(*fiber.Ctx) string { return "" }}
	for name, tc := range map[string]struct {
		construct func()
		want      []string
	}{
		"TokenLogin": {func() { authfiber.TokenLogin(nil, nil, bad) }, []string{
			"authfiber.TokenLogin.check", "authfiber.TokenLogin.cfg.Optional", "authfiber.TokenLogin.cfg.Next", "authfiber.TokenLogin.rotator",
		}},
		"Refresh": {func() { authfiber.Refresh(nil, authfiber.Config{TrustProxy: []string{"x"}}, bad) }, []string{
			"authfiber.Refresh.cfg.Optional", "authfiber.Refresh.cfg.Next", "authfiber.Refresh.rotator", "authfiber.Refresh.cfg", "Config.TrustProxy",
		}},
		"Logout": {func() { authfiber.Logout(nil) }, []string{"authfiber.Logout.rotator"}},
		"Revoke": {func() { authfiber.Revoke(nil, nil, nil, device) }, []string{
			"authfiber.Revoke.verifier", "authfiber.Revoke.clients", "authfiber.Revoke.cfg.Device", "authfiber.Revoke.rotator",
		}},
		"Introspect": {func() { authfiber.Introspect(nil, nil, nil, device) }, []string{
			"authfiber.Introspect.verifier", "authfiber.Introspect.clients", "authfiber.Introspect.cfg.Device", "authfiber.Introspect.rotator",
		}},
		"Session": {func() { authfiber.Session(nil, device) }, []string{"authfiber.Session.cfg.Device", "authfiber.Session.manager"}},
		"Bearer":  {func() { authfiber.Bearer(nil, device) }, []string{"authfiber.Bearer.cfg.Device", "authfiber.Bearer.verifier"}},
		"no mistake": {func() {
			authfiber.TokenLogin(r, checkAda, device)
			authfiber.Refresh(r, device)
			authfiber.Logout(r, device)
			authfiber.Revoke(r, k.verifier, c)
			authfiber.Introspect(r, k.verifier, c)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, mistakes(t, tc.construct)) })
	}
}

// What the endpoints decide is for the conformance suite. This is how the answers leave.
func TestTokenEndpoints(t *testing.T) {
	k := newTokens(t)
	r := newRotator(t, k, refresh.Config{})
	e := fiber.New()
	var seen []error
	e.Use(func(c *fiber.Ctx) error {
		err := c.Next()
		if err != nil {
			seen = append(seen, err)
		}
		return err
	})
	e.Post("/login", authfiber.TokenLogin(r, checkAda))
	e.Post("/logout", authfiber.Logout(r))
	e.Post("/refresh", authfiber.Refresh(r))

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
	require.Empty(t, seen, "the default answer is given on the spot")

	res, body = do(t, e, "POST /login?user=bob", "Content-Type: application/json")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.Equal(t, "the directory is on fire", body, "the application's error handler answers")
	require.EqualError(t, seen[len(seen)-1], "the directory is on fire")

	res, _ = do(t, e, "POST /refresh", "Content-Type: text/plain")
	require.Equal(t, http.StatusUnsupportedMediaType, res.StatusCode)

	res, body = doBody(t, e, "POST /logout", `{"refresh_token":"`+granted.Refresh+`"}`)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Empty(t, body)
	require.Empty(t, res.Header.Get("Content-Type"))
}

// An error of the framework's own kind goes its own way.
func TestTokenLoginAnsweredByItsCheck(t *testing.T) {
	e := fiber.New()
	e.Post("/login", authfiber.TokenLogin(newRotator(t, newTokens(t), refresh.Config{}), func(c *fiber.Ctx) (refresh.Identity, error) {
		return refresh.Identity{}, fiber.NewError(http.StatusTeapot, "no tea")
	}))
	res, body := do(t, e, "POST /login", "Content-Type: application/json")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.Equal(t, "no tea", body)
}

func TestTokenEndpointsRefuseAsConfigured(t *testing.T) {
	own := func(c *fiber.Ctx, _ error) error { return c.Status(http.StatusTeapot).SendString("mine") }
	r := newRotator(t, newTokens(t), refresh.Config{})
	a := newApp(t, authfiber.Config{ErrorHandler: func(c *fiber.Ctx, _ error) error { return c.Status(http.StatusTeapot).SendString("the session's") }})
	a.Post("/outer", authfiber.Refresh(r))
	a.Post("/own", authfiber.Refresh(r, authfiber.Config{ErrorHandler: own}))
	_, body := do(t, a.App, "POST /outer")
	require.Equal(t, "the session's", body)
	_, body = do(t, a.App, "POST /own")
	require.Equal(t, "mine", body)
}

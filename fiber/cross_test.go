package authfiber_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	fiberrecover "github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

const (
	varyActual    = "Origin"
	varyPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
	fromApp       = "Origin: https://app.example.com"
	fromEvil      = "Origin: https://evil.example"
	wantsPut      = "Access-Control-Request-Method: PUT"
)

// newPolicy allows one origin to read X-Total and to PUT.
func newPolicy(t testing.TB, from string) *cors.Policy {
	t.Helper()
	p, err := cors.New(cors.Config{Origins: []string{from}, Methods: []string{"PUT"}, ResponseHeaders: []string{"X-Total"}})
	require.NoError(t, err)
	return p
}

func newGuard(t testing.TB, cfg csrf.Config) *csrf.Guard {
	t.Helper()
	g, err := csrf.New(cfg)
	require.NoError(t, err)
	return g
}

// crossHeaders are those of an answer that a policy has to do with.
func crossHeaders(res *http.Response) http.Header {
	h := http.Header{}
	for name, lines := range res.Header {
		if name == "Vary" || len(name) > 15 && name[:15] == "Access-Control-" {
			h[name] = lines
		}
	}
	return h
}

func actual(origin string) http.Header {
	return http.Header{"Vary": {varyActual}, "Access-Control-Allow-Origin": {origin}, "Access-Control-Expose-Headers": {"x-total"}}
}

func preflight(origin string) http.Header {
	return http.Header{"Vary": {varyPreflight}, "Access-Control-Allow-Origin": {origin}, "Access-Control-Allow-Methods": {"PUT"}}
}

func page(c *fiber.Ctx) error { return c.SendString("ok") }

func TestCORSOnTheApp(t *testing.T) {
	e := fiber.New()
	e.Use(compress.New(), fiberrecover.New())
	e.Use(authfiber.CORS(newPolicy(t, "https://app.example.com")))
	e.Get("/x", page)
	e.Get("/panic", func(*fiber.Ctx) error { panic("no") })
	e.Options("/own", page)
	e.Get("/vary", func(c *fiber.Ctx) error { c.Response().Header.Add("Vary", "Accept"); return page(c) })
	e.Get("/large", func(c *fiber.Ctx) error { return c.SendString(strings.Repeat("text ", 1000)) })
	sub := fiber.New()
	sub.Get("/x", page)
	e.Mount("/sub", sub)
	for _, tt := range []struct {
		desc, request string
		lines         []string
		status        int
		body          string
		want          http.Header
	}{
		{"same origin", "GET /x", nil, 200, "ok", http.Header{"Vary": {varyActual}}},
		{"listed", "GET /x", []string{fromApp}, 200, "ok", actual("https://app.example.com")},
		{"unlisted", "GET /x", []string{fromEvil}, 200, "ok", http.Header{"Vary": {varyActual}}},
		{"two lines", "GET /x", []string{fromApp, fromApp}, 200, "ok", http.Header{"Vary": {varyActual}}},
		{"not found", "GET /none", []string{fromApp}, 404, "Cannot GET /none", actual("https://app.example.com")},
		{"method", "POST /x", []string{fromApp}, 405, "Method Not Allowed", actual("https://app.example.com")},
		{"panic", "GET /panic", []string{fromApp}, 500, "no", actual("https://app.example.com")},
		{"the handler's own Vary", "GET /vary", nil, 200, "ok", http.Header{"Vary": {varyActual, "Accept"}}},
		{"mounted", "GET /sub/x", []string{fromApp}, 200, "ok", actual("https://app.example.com")},
		{"preflight", "OPTIONS /x", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
		{"preflight, mounted", "OPTIONS /sub/x", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
		{"preflight, no such path", "OPTIONS /none", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
		{"preflight, own route", "OPTIONS /own", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
		{"preflight, unlisted", "OPTIONS /x", []string{fromEvil, wantsPut}, 204, "", http.Header{"Vary": {varyPreflight}}},
		{"plain OPTIONS", "OPTIONS /x", nil, 405, "Method Not Allowed", http.Header{"Vary": {varyPreflight}}},
		{"plain OPTIONS, no such path", "OPTIONS /none", nil, 404, "Cannot OPTIONS /none", http.Header{"Vary": {varyPreflight}}},
		{"plain OPTIONS, own route", "OPTIONS /own", nil, 200, "ok", http.Header{"Vary": {varyPreflight}}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			res, body := do(t, e, tt.request, tt.lines...)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.body, body)
			require.Equal(t, tt.want, crossHeaders(res))
		})
	}
	t.Run("compressed", func(t *testing.T) {
		res, _ := do(t, e, "GET /large", fromApp, "Accept-Encoding: gzip")
		require.Equal(t, "gzip", res.Header.Get("Content-Encoding"))
		vary := strings.Join(res.Header.Values("Vary"), ",")
		require.Contains(t, vary, varyActual)
		require.Contains(t, vary, "Accept-Encoding")
		require.Equal(t, "https://app.example.com", res.Header.Get("Access-Control-Allow-Origin"))
	})
}

// The complaint about every CORS middleware: on a group it never sees OPTIONS.
func TestCORSGroups(t *testing.T) {
	api, inner, user, rest := newPolicy(t, "https://api.example"), newPolicy(t, "https://inner.example"), newPolicy(t, "https://user.example"), newPolicy(t, "https://rest.example")
	application := func(policies map[string]*cors.Policy) *fiber.App {
		e := fiber.New(fiber.Config{CaseSensitive: true})
		e.Use(authfiber.CORSGroups(policies))
		g := e.Group("/api")
		g.Get("/x", page)
		g.Get("/files/*", page)
		g.Options("/own", page)
		v1 := g.Group("/v1")
		v1.Get("/y", page)
		v1.Options("/y", page)
		e.Group("/users/:id").Get("/posts", page)
		e.Group("").Get("/top", page)
		e.Get("/apis", page)
		return e
	}
	four := application(map[string]*cors.Policy{"/api": api, "/api/v1": inner, "/users/:id": user, "/": rest})
	one := application(map[string]*cors.Policy{"/api": api})
	for _, tt := range []struct {
		path      string
		four, one string // who is allowed
	}{
		{"/api/x", "api", "api"},
		{"/api/none", "api", "api"},
		{"/api", "api", "api"},
		{"/api/", "api", "api"},
		{"/api/files/a/b", "api", "api"},
		{"/api/own", "api", "api"},
		{"/api/v1", "inner", "api"},
		{"/api/v1/y", "inner", "api"},
		{"/api/v1/none", "inner", "api"},
		{"/api/v10", "api", "api"},
		{"/users/7/posts", "user", ""},
		{"/users/7/none", "user", ""},
		{"/users/", "rest", ""},
		{"/top", "rest", ""},
		{"/none", "rest", ""},
		{"/apis", "rest", ""},
		{"/API/x", "rest", ""},
		// The path that one router reads differently from another has no policy.
		{"/api/../top", "", ""},
		{"/api//top", "", ""},
		// Fiber's router takes a path as it was sent, and its file server by what it means.
		{"/api/..%2ftop", "", ""},
		{"/%61pi/x", "", ""},
		{"/users%2f7/x", "", ""},
	} {
		for _, e := range []struct {
			name, want string
			*fiber.App
		}{{"four", tt.four, four}, {"one", tt.one, one}} {
			t.Run(e.name+tt.path, func(t *testing.T) {
				for _, from := range []string{"api", "inner", "user", "rest"} {
					res, _ := do(t, e.App, "OPTIONS "+tt.path, "Origin: https://"+from+".example", wantsPut)
					switch e.want {
					case "":
						require.Empty(t, crossHeaders(res))
					case from:
						require.Equal(t, http.StatusNoContent, res.StatusCode)
						require.Equal(t, preflight("https://"+from+".example"), crossHeaders(res))
					default:
						require.Equal(t, http.StatusNoContent, res.StatusCode)
						require.Equal(t, http.Header{"Vary": {varyPreflight}}, crossHeaders(res))
					}
				}
			})
		}
	}
	t.Run("actual", func(t *testing.T) {
		for path, from := range map[string]string{
			"/api/x": "api", "/api/none": "api", "/api/v1/y": "inner", "/users/7/posts": "user", "/top": "rest", "/none": "rest",
		} {
			res, _ := do(t, four, "GET "+path, "Origin: https://"+from+".example")
			require.Equal(t, actual("https://"+from+".example"), crossHeaders(res), path)
		}
	})
	t.Run("plain OPTIONS", func(t *testing.T) {
		for path, want := range map[string]struct {
			status int
			body   string
		}{
			"/api/x":    {http.StatusMethodNotAllowed, "Method Not Allowed"},
			"/api/none": {http.StatusNotFound, "Cannot OPTIONS /api/none"},
			"/api/own":  {http.StatusOK, "ok"},
			"/api/v1/y": {http.StatusOK, "ok"},
		} {
			res, body := do(t, four, "OPTIONS "+path)
			require.Equal(t, want.status, res.StatusCode, path)
			require.Equal(t, want.body, body, path)
		}
	})
}

// Names have a case as they have for the router.
func TestCORSGroupsFoldAsFiberDoes(t *testing.T) {
	for _, sensitive := range []bool{false, true} {
		e := fiber.New(fiber.Config{CaseSensitive: sensitive})
		e.Use(authfiber.CORSGroups(map[string]*cors.Policy{"/api": newPolicy(t, "https://app.example.com")}))
		e.Get("/api/x", page)
		res, _ := do(t, e, "GET /API/x", fromApp)
		require.Equal(t, !sensitive, res.StatusCode == http.StatusOK)
		require.Equal(t, !sensitive, len(crossHeaders(res)) > 0)
	}
}

func TestCORSOnOneRoute(t *testing.T) {
	e := fiber.New()
	allow := authfiber.CORS(newPolicy(t, "https://app.example.com"))
	e.Put("/x", allow, page)
	e.Options("/x", allow)
	e.Put("/y", page)
	res, _ := do(t, e, "OPTIONS /x", fromApp, wantsPut)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Equal(t, preflight("https://app.example.com"), crossHeaders(res))
	res, _ = do(t, e, "PUT /x", fromApp)
	require.Equal(t, actual("https://app.example.com"), crossHeaders(res))
	res, _ = do(t, e, "OPTIONS /x")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	res, _ = do(t, e, "OPTIONS /y", fromApp, wantsPut)
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	require.Empty(t, crossHeaders(res))
}

func TestCORSTwice(t *testing.T) {
	e := fiber.New()
	e.Use(func(c *fiber.Ctx) error { c.Response().Header.Add("Vary", "Accept-Encoding"); return c.Next() })
	e.Use(authfiber.CORS(newPolicy(t, "https://app.example.com")))
	g := e.Group("/api", authfiber.CORS(newPolicy(t, "https://other.example")), authfiber.CORS(newPolicy(t, "https://other.example")))
	g.Get("/x", page)
	want := func(h http.Header) http.Header { h["Vary"] = []string{"Accept-Encoding", varyActual}; return h }
	res, _ := do(t, e, "GET /api/x", fromApp)
	require.Equal(t, want(http.Header{}), crossHeaders(res), "the inner policy takes back what the outer one allowed")
	res, _ = do(t, e, "GET /api/x", "Origin: https://other.example")
	require.Equal(t, want(actual("https://other.example")), crossHeaders(res))
}

func TestCrossMiddlewareSkips(t *testing.T) {
	skip := authfiber.Config{Next: func(c *fiber.Ctx) bool { return c.Path() == "/skip" }}
	e := fiber.New()
	e.Use(authfiber.CORS(newPolicy(t, "https://app.example.com"), skip), authfiber.CSRF(newGuard(t, csrf.Config{}), skip))
	e.Post("/skip", page)
	e.Post("/x", page)
	res, body := do(t, e, "POST /skip", fromEvil)
	require.Equal(t, "ok", body)
	require.Empty(t, crossHeaders(res))
	res, _ = do(t, e, "POST /x", fromEvil)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestCrossMistakesPanicAtConstruction(t *testing.T) {
	bad := authfiber.Config{TrustProxy: []string{"everybody"}, Optional: true, Device: func(*fiber.Ctx) string { return "" }}
	policy := newPolicy(t, "https://app.example.com")
	for name, tt := range map[string]struct {
		f    func()
		want []string
	}{
		"CORS":             {func() { authfiber.CORS(nil, bad) }, []string{"CORS.policy", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"the zero guard":   {func() { authfiber.CSRF(new(csrf.Guard)) }, []string{"CSRF.guard"}},
		"CSRF":             {func() { authfiber.CSRF(nil, bad, authfiber.Config{}) }, []string{"CSRF.guard", "cfg.Optional", "cfg.Device", "TrustProxy", "2 configurations"}},
		"CORSGroups, none": {func() { authfiber.CORSGroups(nil, bad) }, []string{"names no group", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"CORSGroups, paths": {func() {
			authfiber.CORSGroups(map[string]*cors.Policy{"api": policy, "/a/": policy, "/b/*": policy, "/c": nil, "/../d": policy})
		}, []string{"begin with a slash", "ends with a slash", "wildcards", "has no policy", `"/../d"`}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				err, _ := recover().(error)
				var mistake *core.ConfigError
				require.ErrorAs(t, err, &mistake)
				for _, w := range tt.want {
					require.ErrorContains(t, err, w)
				}
			}()
			tt.f()
		})
	}
}

// cause is what the application's error handler learns.
func cause(seen *[]error) authfiber.Config {
	return authfiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		*seen = append(*seen, err)
		return c.Status(http.StatusTeapot).SendString("mine")
	}}
}

func TestCrossMiddlewareInTheWrongOrder(t *testing.T) {
	policy, guard := newPolicy(t, "https://app.example.com"), newGuard(t, csrf.Config{})
	for name, tt := range map[string]struct {
		mount   func(a *app, cfg authfiber.Config) []fiber.Handler
		request string
		want    string
	}{
		"CORS behind a guard": {func(a *app, cfg authfiber.Config) []fiber.Handler {
			return []fiber.Handler{authfiber.Session(a.manager), authfiber.RequireLogin(), authfiber.CORS(policy, cfg)}
		}, "GET /", "CORS stands behind a guard"},
		"CSRF in front of Session": {func(a *app, cfg authfiber.Config) []fiber.Handler {
			return []fiber.Handler{authfiber.CSRF(guard), authfiber.Session(a.manager, cfg)}
		}, "GET /", "CSRF is mounted in front of Session"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			var seen []error
			e := fiber.New()
			for _, h := range tt.mount(a, cause(&seen)) {
				e.Use(h)
			}
			e.Get("/", func(*fiber.Ctx) error { t.Error("the handler ran"); return nil })
			res, body := do(t, e, tt.request, a.cookie(t))
			require.Equal(t, http.StatusTeapot, res.StatusCode)
			require.Equal(t, "mine", body)
			require.Len(t, seen, 1)
			var d *adapter.Denied
			require.ErrorAs(t, seen[0], &d)
			require.ErrorContains(t, d, tt.want)
			require.Equal(t, core.AuthMiddlewareFailure, d.Code)
		})
	}
	t.Run("CORS behind Session works", func(t *testing.T) {
		a := newApp(t)
		a.Use(authfiber.CORS(policy))
		a.Get("/x", page)
		res, _ := do(t, a.App, "OPTIONS /x", fromApp, wantsPut)
		require.Equal(t, http.StatusNoContent, res.StatusCode)
		require.Equal(t, preflight("https://app.example.com"), crossHeaders(res))
	})
}

func TestCSRFRefusesNatively(t *testing.T) {
	guard := newGuard(t, csrf.Config{})
	var own, outer []error
	for _, tt := range []struct {
		desc         string
		session, cfg []authfiber.Config
		status       int
		seen         *[]error
	}{
		{desc: "by default", status: http.StatusForbidden},
		{desc: "own handler", cfg: []authfiber.Config{cause(&own)}, status: http.StatusTeapot, seen: &own},
		{desc: "the Session's handler", session: []authfiber.Config{cause(&outer)}, status: http.StatusTeapot, seen: &outer},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			a := newApp(t, tt.session...)
			brought := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
				require.ErrorIs(t, err, csrf.ErrCrossSite)
				var native *fiber.Error
				require.ErrorAs(t, err, &native)
				return c.Status(native.Code).SendString("rendered")
			}})
			brought.Use(authfiber.CSRF(guard))
			res, body := do(t, brought, "POST /", fromEvil)
			require.Equal(t, http.StatusForbidden, res.StatusCode)
			require.Equal(t, "rendered", body)
			a.Use(authfiber.CSRF(guard, tt.cfg...))
			a.Post("/", func(*fiber.Ctx) error { t.Error("the handler ran"); return nil })
			res, body = do(t, a.App, "POST /", fromEvil)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
			if tt.seen == nil {
				require.Contains(t, body, `{"error":"CSRF_REJECTED"`)
				return
			}
			require.Len(t, *tt.seen, 1)
			require.ErrorIs(t, (*tt.seen)[0], csrf.ErrCrossSite)
		})
	}
}

// The whole way of a form: a visitor's token, the login's, and neither in the other's place.
func TestCSRFTokens(t *testing.T) {
	a := newApp(t)
	a.Use(authfiber.CSRF(newGuard(t, csrf.Config{})))
	form := func(c *fiber.Ctx) error {
		token, err := authfiber.CSRFToken(c)
		require.NoError(t, err)
		return c.SendString(token)
	}
	a.Get("/form", form)
	a.Get("/pay", func(c *fiber.Ctx) error {
		token, err := authfiber.CSRFTokenFor(c, "POST", "/pay")
		require.NoError(t, err)
		return c.SendString(token)
	})
	a.Post("/pay", page)
	a.Post("/other", page)
	a.Post("/in", func(c *fiber.Ctx) error { require.NoError(t, login(c)); return form(c) })
	res, token := do(t, a.App, "GET /form")
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.Contains(t, res.Header.Values("Vary"), "Cookie")
	visitor := cookieLine(res)
	here := "Sec-Fetch-Site: same-origin"
	res, _ = do(t, a.App, "POST /in", here, visitor)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	res, again := do(t, a.App, "POST /in", here, visitor, "X-CSRF-Token: "+token)
	require.Equal(t, http.StatusOK, res.StatusCode)
	in := sessionLine(t, res)
	for _, tt := range []struct {
		desc, path, token string
		status            int
	}{
		{"the visitor's", "/pay", token, http.StatusForbidden},
		{"the login's", "/pay", again, http.StatusOK},
		{"none", "/pay", "", http.StatusForbidden},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			res, _ := do(t, a.App, "POST "+tt.path, here, in, "X-CSRF-Token: "+tt.token)
			require.Equal(t, tt.status, res.StatusCode)
		})
	}
	_, pay := do(t, a.App, "GET /pay", in)
	res, _ = do(t, a.App, "POST /pay", here, in, "X-CSRF-Token: "+pay)
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = do(t, a.App, "POST /other", here, in, "X-CSRF-Token: "+pay)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

// sessionLine returns the Cookie line of the session that an answer sets, among others.
func sessionLine(t *testing.T, res *http.Response) string {
	t.Helper()
	for _, c := range res.Cookies() {
		if c.Name == "__Host-session" && c.Value != "" {
			return "Cookie: " + c.Name + "=" + c.Value
		}
	}
	t.Fatal("no session cookie in ", res.Cookies())
	return ""
}

// What a handler passes on from a call of ours is a refusal also without Session.
func TestCSRFTranslatesErrors(t *testing.T) {
	e := fiber.New()
	e.Use(authfiber.CSRF(newGuard(t, csrf.Config{})))
	e.Get("/", func(*fiber.Ctx) error { return csrf.ErrNoToken })
	e.Get("/own", func(*fiber.Ctx) error { return fiber.ErrTeapot })
	res, body := do(t, e, "GET /")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, body, `{"error":"CSRF_REJECTED"`)
	res, _ = do(t, e, "GET /own")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
}

func TestCSRFTokenWithoutTheMiddleware(t *testing.T) {
	e := fiber.New()
	e.Get("/", func(c *fiber.Ctx) error {
		_, err := authfiber.CSRFToken(c)
		require.Error(t, err)
		return authfiber.Fail(c, err)
	})
	res, body := do(t, e, "GET /")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.NotContains(t, body, "CSRF")
}

package authecho_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
	authecho "github.com/sallyport-go/sallyport/echo"
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

func page(c echo.Context) error { return c.String(http.StatusOK, "ok") }

func TestCORSOnTheEcho(t *testing.T) {
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(middleware.Recover(), middleware.Gzip())
	e.Use(authecho.CORS(newPolicy(t, "https://app.example.com")))
	e.GET("/x", page)
	e.GET("/files/*", page)
	e.GET("/panic", func(echo.Context) error { panic("no") })
	e.OPTIONS("/own", page)
	e.GET("/vary", func(c echo.Context) error { c.Response().Header().Add("Vary", "Accept"); return page(c) })
	with := func(h http.Header, more ...string) http.Header {
		h["Vary"] = append(append([]string{"Accept-Encoding"}, h["Vary"]...), more...)
		return h
	}
	none := func(vary string, more ...string) http.Header { return with(http.Header{"Vary": {vary}}, more...) }
	const app = "https://app.example.com"
	for _, tt := range []struct {
		desc, request string
		lines         []string
		status        int
		body          string
		want          http.Header
	}{
		{"same origin", "GET /x", nil, 200, "ok", none(varyActual)},
		{"listed", "GET /x", []string{fromApp}, 200, "ok", with(actual(app))},
		{"unlisted", "GET /x", []string{fromEvil}, 200, "ok", none(varyActual)},
		{"two lines", "GET /x", []string{fromApp, fromApp}, 200, "ok", none(varyActual)},
		{"compressed", "GET /x", []string{fromApp, "Accept-Encoding: gzip"}, 200, "", with(actual(app))},
		{"not found", "GET /none", []string{fromApp}, 404, "", with(actual(app))},
		{"method", "POST /x", []string{fromApp}, 405, "", with(actual(app))},
		{"panic", "GET /panic", []string{fromApp}, 500, "", with(actual(app))},
		{"the handler's own Vary", "GET /vary", nil, 200, "ok", none(varyActual, "Accept")},
		{"preflight", "OPTIONS /x", []string{fromApp, wantsPut}, 204, "", with(preflight(app))},
		{"preflight, catch-all", "OPTIONS /files/a/b", []string{fromApp, wantsPut}, 204, "", with(preflight(app))},
		{"preflight, no such path", "OPTIONS /none", []string{fromApp, wantsPut}, 204, "", with(preflight(app))},
		{"preflight, own route", "OPTIONS /own", []string{fromApp, wantsPut}, 204, "", with(preflight(app))},
		{"preflight, unlisted", "OPTIONS /x", []string{fromEvil, wantsPut}, 204, "", none(varyPreflight)},
		{"plain OPTIONS", "OPTIONS /x", nil, 204, "", none(varyPreflight)},
		{"plain OPTIONS, no such path", "OPTIONS /none", nil, 404, "", none(varyPreflight)},
		{"plain OPTIONS, own route", "OPTIONS /own", nil, 200, "ok", none(varyPreflight)},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			res, body := do(t, e, tt.request, tt.lines...)
			require.Equal(t, tt.status, res.StatusCode)
			if tt.body != "" || tt.status == http.StatusNoContent {
				require.Equal(t, tt.body, body)
			}
			require.Equal(t, tt.want, crossHeaders(res))
			require.Equal(t, tt.desc == "plain OPTIONS" || tt.desc == "method", res.Header.Get("Allow") != "")
		})
	}
}

// The complaint about every CORS middleware: on a group it never sees OPTIONS.
func TestCORSGroups(t *testing.T) {
	api, inner, user, rest := newPolicy(t, "https://api.example"), newPolicy(t, "https://inner.example"), newPolicy(t, "https://user.example"), newPolicy(t, "https://rest.example")
	application := func(policies map[string]*cors.Policy) *echo.Echo {
		e := echo.New()
		e.RouteNotFound("/*", func(c echo.Context) error { return c.String(http.StatusNotFound, "nothing here") })
		e.Use(authecho.CORSGroups(policies))
		g := e.Group("/api")
		g.GET("/x", page)
		g.GET("/files/*", page)
		g.OPTIONS("/own", page)
		v1 := g.Group("/v1")
		v1.GET("/y", page)
		v1.OPTIONS("/y", page)
		e.Group("/users/:id").GET("/posts", page)
		e.Group("").GET("/top", page)
		e.GET("/apis", page)
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
		{"/api/..%2ftop", "", ""},
		{"/api/../top", "", ""},
		{"/api//top", "", ""},
		{"/%61pi/x", "", ""},
		{"/users%2f7/x", "", ""},
	} {
		for _, e := range []struct {
			name, want string
			*echo.Echo
		}{{"four", tt.four, four}, {"one", tt.one, one}} {
			t.Run(e.name+tt.path, func(t *testing.T) {
				for _, from := range []string{"api", "inner", "user", "rest"} {
					res, _ := do(t, e, "OPTIONS "+tt.path, "Origin: https://"+from+".example", wantsPut)
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
			"/api/x":    {http.StatusNotFound, "nothing here"}, // as Echo has it with such a route
			"/api/none": {http.StatusNotFound, "nothing here"},
			"/api/own":  {http.StatusOK, "ok"},
			"/api/v1/y": {http.StatusOK, "ok"},
		} {
			res, body := do(t, four, "OPTIONS "+path)
			require.Equal(t, want.status, res.StatusCode, path)
			require.Equal(t, want.body, body, path)
		}
	})
}

// What lies in one group by its path and in another by its route has no policy.
func TestCORSGroupOfTheRouteThatServes(t *testing.T) {
	public, tenants := newPolicy(t, "https://public.example"), newPolicy(t, "https://tenants.example")
	e := echo.New()
	e.Use(authecho.CORSGroups(map[string]*cors.Policy{"/public": public, "/:tenant": tenants}))
	e.GET("/public/page", page)
	e.GET("/:tenant/secret", page)
	res, _ := do(t, e, "GET /public/secret", "Origin: https://public.example")
	require.Empty(t, crossHeaders(res))
	res, _ = do(t, e, "GET /public/page", "Origin: https://public.example")
	require.Equal(t, actual("https://public.example"), crossHeaders(res))
}

func TestCORSOnOneRoute(t *testing.T) {
	e := echo.New()
	allow := authecho.CORS(newPolicy(t, "https://app.example.com"))
	e.PUT("/x", page, allow)
	e.OPTIONS("/x", echo.NotFoundHandler, allow)
	e.PUT("/y", page)
	res, _ := do(t, e, "OPTIONS /x", fromApp, wantsPut)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Equal(t, preflight("https://app.example.com"), crossHeaders(res))
	res, _ = do(t, e, "PUT /x", fromApp)
	require.Equal(t, actual("https://app.example.com"), crossHeaders(res))
	res, _ = do(t, e, "OPTIONS /x")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	res, _ = do(t, e, "OPTIONS /y", fromApp, wantsPut)
	require.Equal(t, http.StatusNoContent, res.StatusCode, "Echo's own")
	require.Empty(t, crossHeaders(res))
}

func TestCORSTwice(t *testing.T) {
	e := echo.New()
	e.Use(middleware.Gzip())
	e.Use(authecho.CORS(newPolicy(t, "https://app.example.com")))
	g := e.Group("/api", authecho.CORS(newPolicy(t, "https://other.example")), authecho.CORS(newPolicy(t, "https://other.example")))
	g.GET("/x", page)
	want := func(h http.Header) http.Header { h["Vary"] = []string{"Accept-Encoding", varyActual}; return h }
	res, _ := do(t, e, "GET /api/x", fromApp)
	require.Equal(t, want(http.Header{}), crossHeaders(res), "the inner policy takes back what the outer one allowed")
	res, _ = do(t, e, "GET /api/x", "Origin: https://other.example")
	require.Equal(t, want(actual("https://other.example")), crossHeaders(res))
}

func TestCrossMiddlewareSkips(t *testing.T) {
	skip := authecho.Config{Skipper: func(c echo.Context) bool { return c.Path() == "/skip" }}
	e := echo.New()
	e.Use(authecho.CORS(newPolicy(t, "https://app.example.com"), skip), authecho.CSRF(newGuard(t, csrf.Config{}), skip))
	e.POST("/skip", page)
	e.POST("/x", page)
	res, body := do(t, e, "POST /skip", fromEvil)
	require.Equal(t, "ok", body)
	require.Empty(t, crossHeaders(res))
	res, _ = do(t, e, "POST /x", fromEvil)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestCrossMistakesPanicAtConstruction(t *testing.T) {
	bad := authecho.Config{TrustProxy: []string{"everybody"}, Optional: true, Device: func(echo.Context) string { return "" }}
	policy := newPolicy(t, "https://app.example.com")
	for name, tt := range map[string]struct {
		f    func()
		want []string
	}{
		"CORS":             {func() { authecho.CORS(nil, bad) }, []string{"CORS.policy", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"the zero guard":   {func() { authecho.CSRF(new(csrf.Guard)) }, []string{"CSRF.guard"}},
		"CSRF":             {func() { authecho.CSRF(nil, bad, authecho.Config{}) }, []string{"CSRF.guard", "cfg.Optional", "cfg.Device", "TrustProxy", "2 configurations"}},
		"CORSGroups, none": {func() { authecho.CORSGroups(nil, bad) }, []string{"names no group", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"CORSGroups, paths": {func() {
			authecho.CORSGroups(map[string]*cors.Policy{"api": policy, "/a/": policy, "/b/*": policy, "/c": nil, "/../d": policy})
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
func cause(seen *[]error) authecho.Config {
	return authecho.Config{ErrorHandler: func(c echo.Context, err error) error {
		*seen = append(*seen, err)
		return c.String(http.StatusTeapot, "mine")
	}}
}

func TestCrossMiddlewareInTheWrongOrder(t *testing.T) {
	policy, guard := newPolicy(t, "https://app.example.com"), newGuard(t, csrf.Config{})
	for name, tt := range map[string]struct {
		mount   func(a *app, cfg authecho.Config) []echo.MiddlewareFunc
		request string
		want    string
	}{
		"CORS behind a guard": {func(a *app, cfg authecho.Config) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{authecho.Session(a.manager), authecho.RequireLogin(), authecho.CORS(policy, cfg)}
		}, "GET /", "CORS stands behind a guard"},
		"CSRF in front of Session": {func(a *app, cfg authecho.Config) []echo.MiddlewareFunc {
			return []echo.MiddlewareFunc{authecho.CSRF(guard), authecho.Session(a.manager, cfg)}
		}, "GET /", "CSRF is mounted in front of Session"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			var seen []error
			e := echo.New()
			e.Use(tt.mount(a, cause(&seen))...)
			e.GET("/", func(echo.Context) error { t.Error("the handler ran"); return nil })
			res, body := do(t, e, tt.request, a.cookie(t))
			require.Equal(t, http.StatusTeapot, res.StatusCode)
			require.Equal(t, "mine", body)
			require.Len(t, seen, 1)
			require.ErrorContains(t, seen[0], tt.want)
			var d *adapter.Denied
			require.ErrorAs(t, seen[0], &d)
			require.Equal(t, core.AuthMiddlewareFailure, d.Code)
		})
	}
	t.Run("CORS behind Session works", func(t *testing.T) {
		a := newApp(t)
		a.Use(authecho.CORS(policy))
		a.GET("/x", page)
		res, _ := do(t, a, "OPTIONS /x", fromApp, wantsPut)
		require.Equal(t, http.StatusNoContent, res.StatusCode)
		require.Equal(t, preflight("https://app.example.com"), crossHeaders(res))
	})
}

func TestCSRFRefusesNatively(t *testing.T) {
	guard := newGuard(t, csrf.Config{})
	var own, outer []error
	for _, tt := range []struct {
		desc         string
		session, cfg []authecho.Config
		status       int
		seen         *[]error
	}{
		{desc: "by default", status: http.StatusForbidden},
		{desc: "own handler", cfg: []authecho.Config{cause(&own)}, status: http.StatusTeapot, seen: &own},
		{desc: "the Session's handler", session: []authecho.Config{cause(&outer)}, status: http.StatusTeapot, seen: &outer},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			a := newApp(t, tt.session...)
			a.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					err := next(c)
					if tt.seen == nil {
						require.ErrorIs(t, err, csrf.ErrCrossSite)
					}
					return err
				}
			})
			a.Use(authecho.CSRF(guard, tt.cfg...))
			a.POST("/", func(echo.Context) error { t.Error("the handler ran"); return nil })
			res, body := do(t, a, "POST /", fromEvil)
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
	a.Use(authecho.CSRF(newGuard(t, csrf.Config{})))
	form := func(c echo.Context) error {
		token, err := authecho.CSRFToken(c)
		require.NoError(t, err)
		return c.String(http.StatusOK, token)
	}
	a.GET("/form", form)
	a.GET("/pay", func(c echo.Context) error {
		token, err := authecho.CSRFTokenFor(c, "POST", "/pay")
		require.NoError(t, err)
		return c.String(http.StatusOK, token)
	})
	a.POST("/pay", page)
	a.POST("/other", page)
	a.POST("/in", func(c echo.Context) error { login(t, c); return form(c) })
	a.GET("/late", func(c echo.Context) error {
		require.NoError(t, c.String(http.StatusOK, "late"))
		_, err := authecho.CSRFToken(c)
		require.ErrorIs(t, err, session.ErrHeadersSent)
		return nil
	})
	res, token := do(t, a, "GET /form")
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.Contains(t, res.Header.Values("Vary"), "Cookie")
	visitor := cookieLine(res)
	here := "Sec-Fetch-Site: same-origin"
	res, _ = do(t, a, "POST /in", here, visitor)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	res, again := do(t, a, "POST /in", here, visitor, "X-CSRF-Token: "+token)
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
			res, _ := do(t, a, "POST "+tt.path, here, in, "X-CSRF-Token: "+tt.token)
			require.Equal(t, tt.status, res.StatusCode)
		})
	}
	_, pay := do(t, a, "GET /pay", in)
	res, _ = do(t, a, "POST /pay", here, in, "X-CSRF-Token: "+pay)
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = do(t, a, "POST /other", here, in, "X-CSRF-Token: "+pay)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	do(t, a, "GET /late")
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
	e := echo.New()
	e.Use(authecho.CSRF(newGuard(t, csrf.Config{})))
	e.GET("/", func(echo.Context) error { return csrf.ErrNoToken })
	e.GET("/own", func(echo.Context) error { return echo.NewHTTPError(http.StatusTeapot) })
	res, body := do(t, e, "GET /")
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Contains(t, body, `{"error":"CSRF_REJECTED"`)
	res, _ = do(t, e, "GET /own")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
}

func TestCSRFTokenWithoutTheMiddleware(t *testing.T) {
	e := echo.New()
	e.GET("/", func(c echo.Context) error {
		_, err := authecho.CSRFToken(c)
		require.Error(t, err)
		return authecho.Fail(c, err)
	})
	res, body := do(t, e, "GET /")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.NotContains(t, body, "CSRF")
}

package authgin_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
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

func page(c *gin.Context) { c.String(http.StatusOK, "ok") }

func TestCORSOnTheEngine(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		e := gin.New()
		e.HandleMethodNotAllowed = allowed
		e.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) }))
		e.Use(authgin.CORS(newPolicy(t, "https://app.example.com")))
		e.GET("/x", page)
		e.GET("/panic", func(*gin.Context) { panic("no") })
		e.OPTIONS("/own", page)
		e.GET("/vary", func(c *gin.Context) { c.Writer.Header().Add("Vary", "Accept"); page(c) })
		notHere := http.StatusNotFound
		if allowed {
			notHere = http.StatusMethodNotAllowed
		}
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
			{"not found", "GET /none", []string{fromApp}, 404, "404 page not found", actual("https://app.example.com")},
			{"method", "POST /x", []string{fromApp}, notHere, "", actual("https://app.example.com")},
			{"panic", "GET /panic", []string{fromApp}, 500, "", actual("https://app.example.com")},
			{"the handler's own Vary", "GET /vary", nil, 200, "ok", http.Header{"Vary": {varyActual, "Accept"}}},
			{"preflight", "OPTIONS /x", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
			{"preflight, no such path", "OPTIONS /none", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
			{"preflight, own route", "OPTIONS /own", []string{fromApp, wantsPut}, 204, "", preflight("https://app.example.com")},
			{"preflight, unlisted", "OPTIONS /x", []string{fromEvil, wantsPut}, 204, "", http.Header{"Vary": {varyPreflight}}},
			{"plain OPTIONS", "OPTIONS /x", nil, notHere, "", http.Header{"Vary": {varyPreflight}}},
			{"plain OPTIONS, no such path", "OPTIONS /none", nil, 404, "404 page not found", http.Header{"Vary": {varyPreflight}}},
			{"plain OPTIONS, own route", "OPTIONS /own", nil, 200, "ok", http.Header{"Vary": {varyPreflight}}},
		} {
			t.Run(tt.desc, func(t *testing.T) {
				res, body := do(t, e, tt.request, tt.lines...)
				require.Equal(t, tt.status, res.StatusCode)
				if tt.body != "" || tt.status == http.StatusNoContent {
					require.Equal(t, tt.body, body)
				}
				require.Equal(t, tt.want, crossHeaders(res))
			})
		}
	}
}

// The complaint about every CORS middleware: on a group it never sees OPTIONS.
func TestCORSGroups(t *testing.T) {
	api, inner, user, rest := newPolicy(t, "https://api.example"), newPolicy(t, "https://inner.example"), newPolicy(t, "https://user.example"), newPolicy(t, "https://rest.example")
	engine := func(policies map[string]*cors.Policy) *gin.Engine {
		e := gin.New()
		e.HandleMethodNotAllowed = true
		e.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "nothing here") })
		e.Use(authgin.CORSGroups(policies))
		g := e.Group("/api")
		g.GET("/x", page)
		g.GET("/files/*path", page)
		g.OPTIONS("/own", page)
		v1 := g.Group("/v1")
		v1.GET("/y", page)
		v1.OPTIONS("/y", page)
		e.Group("/users/:id").GET("/posts", page)
		e.Group("").GET("/top", page)
		e.GET("/apis", page)
		return e
	}
	four := engine(map[string]*cors.Policy{"/api": api, "/api/v1": inner, "/users/:id": user, "/": rest})
	one := engine(map[string]*cors.Policy{"/api": api})
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
			*gin.Engine
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
			"/api/x":    {http.StatusMethodNotAllowed, "405 method not allowed"},
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
	e := gin.New()
	e.Use(authgin.CORSGroups(map[string]*cors.Policy{"/public": public, "/:tenant": tenants}))
	e.GET("/public/page", page)
	e.GET("/:tenant/secret", page)
	res, _ := do(t, e, "GET /public/secret", "Origin: https://public.example")
	require.Empty(t, crossHeaders(res))
	res, _ = do(t, e, "GET /public/page", "Origin: https://public.example")
	require.Equal(t, actual("https://public.example"), crossHeaders(res))
}

func TestCORSOnOneRoute(t *testing.T) {
	e := gin.New()
	allow := authgin.CORS(newPolicy(t, "https://app.example.com"))
	e.PUT("/x", allow, page)
	e.OPTIONS("/x", allow)
	e.PUT("/y", page)
	res, _ := do(t, e, "OPTIONS /x", fromApp, wantsPut)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Equal(t, preflight("https://app.example.com"), crossHeaders(res))
	res, _ = do(t, e, "PUT /x", fromApp)
	require.Equal(t, actual("https://app.example.com"), crossHeaders(res))
	res, body := do(t, e, "OPTIONS /x")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, body)
	res, _ = do(t, e, "OPTIONS /y", fromApp, wantsPut)
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	require.Empty(t, crossHeaders(res))
}

func TestCORSTwice(t *testing.T) {
	e := gin.New()
	e.Use(func(c *gin.Context) { c.Writer.Header().Add("Vary", "Accept-Encoding") })
	e.Use(authgin.CORS(newPolicy(t, "https://app.example.com")))
	g := e.Group("/api", authgin.CORS(newPolicy(t, "https://other.example")), authgin.CORS(newPolicy(t, "https://other.example")))
	g.GET("/x", page)
	want := func(h http.Header) http.Header { h["Vary"] = []string{"Accept-Encoding", varyActual}; return h }
	res, _ := do(t, e, "GET /api/x", fromApp)
	require.Equal(t, want(http.Header{}), crossHeaders(res), "the inner policy takes back what the outer one allowed")
	res, _ = do(t, e, "GET /api/x", "Origin: https://other.example")
	require.Equal(t, want(actual("https://other.example")), crossHeaders(res))
}

func TestCrossMiddlewareSkips(t *testing.T) {
	skip := authgin.Config{Skip: func(c *gin.Context) bool { return c.Request.URL.Path == "/skip" }}
	e := gin.New()
	e.Use(authgin.CORS(newPolicy(t, "https://app.example.com"), skip), authgin.CSRF(newGuard(t, csrf.Config{}), skip))
	e.POST("/skip", page)
	e.POST("/x", page)
	res, body := do(t, e, "POST /skip", fromEvil)
	require.Equal(t, "ok", body)
	require.Empty(t, crossHeaders(res))
	res, _ = do(t, e, "POST /x", fromEvil)
	require.Equal(t, http.StatusForbidden, res.StatusCode)
}

func TestCrossMistakesPanicAtConstruction(t *testing.T) {
	bad := authgin.Config{TrustProxy: []string{"everybody"}, Optional: true, Device: func(*gin.Context) string { return "" }}
	policy := newPolicy(t, "https://app.example.com")
	for name, tt := range map[string]struct {
		f    func()
		want []string
	}{
		"CORS":             {func() { authgin.CORS(nil, bad) }, []string{"CORS.policy", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"the zero guard":   {func() { authgin.CSRF(new(csrf.Guard)) }, []string{"CSRF.guard"}},
		"CSRF":             {func() { authgin.CSRF(nil, bad, authgin.Config{}) }, []string{"CSRF.guard", "cfg.Optional", "cfg.Device", "TrustProxy", "2 configurations"}},
		"CORSGroups, none": {func() { authgin.CORSGroups(nil, bad) }, []string{"names no group", "cfg.Optional", "cfg.Device", "TrustProxy"}},
		"CORSGroups, paths": {func() {
			authgin.CORSGroups(map[string]*cors.Policy{"api": policy, "/a/": policy, "/b/*": policy, "/c": nil, "/../d": policy})
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
func cause(seen *[]error) authgin.Config {
	return authgin.Config{ErrorHandler: func(c *gin.Context, err error) {
		*seen = append(*seen, err)
		c.String(http.StatusTeapot, "mine")
	}}
}

func TestCrossMiddlewareInTheWrongOrder(t *testing.T) {
	policy, guard := newPolicy(t, "https://app.example.com"), newGuard(t, csrf.Config{})
	for name, tt := range map[string]struct {
		mount   func(a *app, cfg authgin.Config) []gin.HandlerFunc
		request string
		want    string
	}{
		"CORS behind a guard": {func(a *app, cfg authgin.Config) []gin.HandlerFunc {
			return []gin.HandlerFunc{authgin.Session(a.manager), authgin.RequireLogin(), authgin.CORS(policy, cfg)}
		}, "GET /", "CORS stands behind a guard"},
		"CSRF in front of Session": {func(a *app, cfg authgin.Config) []gin.HandlerFunc {
			return []gin.HandlerFunc{authgin.CSRF(guard), authgin.Session(a.manager, cfg)}
		}, "GET /", "CSRF is mounted in front of Session"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			var seen []error
			e := gin.New()
			e.Use(tt.mount(a, cause(&seen))...)
			e.GET("/", func(*gin.Context) { t.Error("the handler ran") })
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
		a.Use(authgin.CORS(policy))
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
		session, cfg []authgin.Config
		status       int
		seen         *[]error
	}{
		{desc: "by default", status: http.StatusForbidden},
		{desc: "own handler", cfg: []authgin.Config{cause(&own)}, status: http.StatusTeapot, seen: &own},
		{desc: "the Session's handler", session: []authgin.Config{cause(&outer)}, status: http.StatusTeapot, seen: &outer},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			a := newApp(t, tt.session...)
			a.Use(func(c *gin.Context) {
				c.Next()
				if tt.seen == nil {
					require.Len(t, c.Errors, 1)
					require.ErrorIs(t, c.Errors[0], csrf.ErrCrossSite)
				}
			})
			a.Use(authgin.CSRF(guard, tt.cfg...))
			a.POST("/", func(*gin.Context) { t.Error("the handler ran") })
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
	a.Use(authgin.CSRF(newGuard(t, csrf.Config{})))
	form := func(c *gin.Context) {
		token, err := authgin.CSRFToken(c)
		require.NoError(t, err)
		c.String(http.StatusOK, token)
	}
	a.GET("/form", form)
	a.GET("/pay", func(c *gin.Context) {
		token, err := authgin.CSRFTokenFor(c, "POST", "/pay")
		require.NoError(t, err)
		c.String(http.StatusOK, token)
	})
	a.POST("/pay", page)
	a.POST("/other", page)
	a.POST("/in", func(c *gin.Context) { login(t, c); form(c) })
	a.GET("/late", func(c *gin.Context) {
		c.String(http.StatusOK, "late")
		_, err := authgin.CSRFToken(c)
		require.ErrorIs(t, err, session.ErrHeadersSent)
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

func TestCSRFTokenWithoutTheMiddleware(t *testing.T) {
	e := gin.New()
	e.GET("/", func(c *gin.Context) {
		_, err := authgin.CSRFToken(c)
		require.Error(t, err)
		authgin.Fail(c, err)
	})
	res, body := do(t, e, "GET /")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	require.NotContains(t, body, "CSRF")
}

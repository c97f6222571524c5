package authecho_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/session"
	authecho "github.com/sallyport-go/sallyport/echo"
)

func panicOf(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

// mistakes are the fields that a construction complains about.
func mistakes(err error) (fields []string) {
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *core.ConfigError:
			fields = append(fields, e.Field)
		case interface{ Unwrap() []error }:
			for _, e := range e.Unwrap() {
				walk(e)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	return fields
}

func TestConstructorsPanicWithEveryMistake(t *testing.T) {
	err := panicOf(func() {
		authecho.Session(nil, authecho.Config{TrustProxy: []string{"x", "0.0.0.0/0"}}, authecho.Config{TrustProxy: []string{"y"}})
	})
	require.ErrorContains(t, err, "authecho: ")
	require.Equal(t, []string{
		"authecho.Session.manager", "authecho.Session.cfg", "Config.TrustProxy", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(err))
	require.Equal(t, []string{"RequireRole.roles"}, mistakes(panicOf(func() { authecho.RequireRole() })))
	require.Equal(t, []string{"RequireRole.roles", "RequireRole.roles"}, mistakes(panicOf(func() { authecho.RequireRole("", "a", "") })))
	require.Equal(t, []string{"RequireFresh.maxAge"}, mistakes(panicOf(func() { authecho.RequireFresh(0) })))
	require.NoError(t, panicOf(func() {
		authecho.Session(newManager(t, newFaulty(), session.Config{}), authecho.Config{TrustProxy: []string{"10.0.0.0/8"}})
		authecho.RequireRole("a")
		authecho.RequireFresh(time.Second)
	}))
}

func ok(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

func set(t testing.TB, c echo.Context) {
	t.Helper()
	require.NoError(t, note.Set(authecho.SessionFrom(c), "x"))
}

func TestWithoutMiddleware(t *testing.T) {
	e := echo.New()
	e.GET("/login", ok, authecho.RequireLogin())
	e.GET("/role", ok, authecho.RequireRole("a"))
	e.GET("/fresh", ok, authecho.RequireFresh(time.Hour))
	e.GET("/fail", func(c echo.Context) error { return authecho.Fail(c, note.Set(authecho.SessionFrom(c), "x")) })
	for _, path := range []string{"/login", "/role", "/fresh", "/fail"} {
		t.Run(path[1:], func(t *testing.T) {
			res, body := do(t, e, "GET "+path)
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
			require.Equal(t, "application/json", res.Header.Get("Content-Type"))
			require.JSONEq(t, `{"error":"AUTH_MIDDLEWARE_FAILURE","message":"the authentication layer failed"}`, body)
		})
	}
	c := e.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder())
	require.Nil(t, authecho.SessionFrom(c))
	_, err := authecho.PrincipalFrom(c)
	require.ErrorIs(t, err, core.ErrNoMiddleware)
}

func TestSkipper(t *testing.T) {
	a := newApp(t, authecho.Config{Skipper: func(c echo.Context) bool { return c.QueryParam("skip") != "" }})
	a.GET("/open", func(c echo.Context) error { return c.String(200, fmt.Sprint(authecho.SessionFrom(c) == nil)) })
	a.GET("/guarded", ok, authecho.RequireLogin())
	cookie := a.cookie(t)
	_, body := do(t, a, "GET /open?skip=1", cookie)
	require.Equal(t, "true", body)
	res, _ := do(t, a, "GET /guarded?skip=1", cookie)
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	res, _ = do(t, a, "GET /guarded", cookie)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
}

func TestGuards(t *testing.T) {
	a := newApp(t)
	roles := []string{"editor"}
	guard := authecho.RequireRole(roles...)
	roles[0] = "admin"
	a.GET("/in", ok, authecho.RequireLogin())
	a.GET("/editor", ok, guard)
	a.GET("/admin", ok, authecho.RequireRole("admin"))
	a.GET("/fresh", ok, authecho.RequireFresh(time.Hour))
	cookie := a.cookie(t)
	for path, status := range map[string]int{"/in": 204, "/editor": 204, "/admin": 403, "/fresh": 204} {
		res, _ := do(t, a, "GET "+path, cookie)
		require.Equal(t, status, res.StatusCode, path)
		res, body := do(t, a, "GET "+path)
		require.Equal(t, 401, res.StatusCode, path)
		require.JSONEq(t, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`, body)
		require.Equal(t, `Cookie realm="app"`, res.Header.Get("WWW-Authenticate"))
		require.Empty(t, res.Cookies())
	}
	a.store.noLoad.Store(true)
	res, body := do(t, a, "GET /in", cookie)
	require.Equal(t, 503, res.StatusCode)
	require.JSONEq(t, unavailable, body)
}

func TestGroup(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{})
	e := echo.New()
	g := e.Group("/g", authecho.Session(m), authecho.RequireLogin())
	g.GET("/in", ok)
	e.GET("/out", ok)
	for path, status := range map[string]int{"/g/in": 401, "/g/none": 401, "/out": 204} {
		res, _ := do(t, e, "GET "+path)
		require.Equal(t, status, res.StatusCode, path)
	}
}

func TestCentralErrorHandlerGetsNativeErrors(t *testing.T) {
	a := newApp(t)
	var got error
	a.HTTPErrorHandler = func(err error, c echo.Context) {
		got = err
		_ = c.String(418, "central")
	}
	a.GET("/guard", ok, authecho.RequireLogin())
	a.GET("/session-error", func(c echo.Context) error {
		_, err := authecho.PrincipalFrom(c)
		return fmt.Errorf("page: %w", err)
	})
	a.GET("/fail", func(c echo.Context) error { return authecho.Fail(c, core.ErrAnonymous) })
	a.GET("/own", func(echo.Context) error { return io.ErrUnexpectedEOF })
	for _, path := range []string{"/guard", "/session-error", "/fail"} {
		t.Run(path[1:], func(t *testing.T) {
			_, body := do(t, a, "GET "+path)
			require.Equal(t, "central", body)
			native, isNative := got.(*echo.HTTPError)
			require.True(t, isNative)
			require.Equal(t, 401, native.Code)
			var d *adapter.Denied
			require.ErrorAs(t, native.Internal, &d)
			require.Equal(t, core.MissingCredentials, d.Code)
			require.ErrorIs(t, got, core.ErrAnonymous)
			require.Contains(t, got.Error(), `{"error":"MISSING_CREDENTIALS",`, "logs can be read")
			text, err := json.Marshal(map[string]any{"m": native.Message})
			require.NoError(t, err)
			require.JSONEq(t, `{"m":{"error":"MISSING_CREDENTIALS","message":"authentication is required"}}`, string(text))
		})
	}
	do(t, a, "GET /own")
	require.Equal(t, io.ErrUnexpectedEOF, got, "an error of the application stays what it is")
}

// refusing has a route for every place in which a refusal can come up.
func refusing(t *testing.T, cfg authecho.Config) *app {
	a := newApp(t, cfg)
	a.GET("/guard", ok, authecho.RequireLogin())
	a.GET("/fail", func(c echo.Context) error {
		_, err := authecho.PrincipalFrom(c)
		return authecho.Fail(c, err)
	})
	a.GET("/error", func(c echo.Context) error {
		_, err := authecho.PrincipalFrom(c)
		return err
	})
	text := func(c echo.Context) error { set(t, c); return c.String(200, strings.Repeat("handler", 20)) }
	status := func(c echo.Context) error { set(t, c); return c.NoContent(204) }
	nothing := func(c echo.Context) error { set(t, c); return nil }
	a.GET("/write", text)
	a.GET("/status", status)
	a.GET("/nothing", nothing)
	a.GET("/raw", func(c echo.Context) error { set(t, c); _, err := c.Response().Writer.Write([]byte("a")); return err })
	a.GET("/flush", func(c echo.Context) error { set(t, c); c.Response().Flush(); return nil })
	zip := middleware.GzipWithConfig(middleware.GzipConfig{MinLength: 100})
	a.GET("/gzip", text, zip)
	a.GET("/gzip-short", func(c echo.Context) error { set(t, c); return c.String(200, "handler") }, zip)
	a.GET("/gzip-status", status, zip)
	a.GET("/gzip-nothing", nothing, zip)
	a.GET("/dump", text, middleware.BodyDump(func(echo.Context, []byte, []byte) {}))
	return a
}

var places = map[string]int{
	"/guard": 401, "/fail": 401, "/error": 401, "/write": 503, "/status": 503, "/nothing": 503, "/raw": 503, "/flush": 503,
	"/gzip": 503, "/gzip-short": 503, "/gzip-status": 503, "/gzip-nothing": 503, "/dump": 503,
}

func TestErrorHandlerAnswersEveryRefusal(t *testing.T) {
	for path, status := range places {
		check := func(t *testing.T, err error) {
			var d *adapter.Denied
			require.ErrorAs(t, err, &d)
			require.Equal(t, status, d.Status)
			var native *echo.HTTPError
			require.ErrorAs(t, err, &native)
			require.Equal(t, status, native.Code)
		}
		for name, tt := range map[string]struct {
			cfg    authecho.Config
			status int
			body   string
		}{
			"default": {authecho.Config{}, status, "*"},
			"answers": {authecho.Config{ErrorHandler: func(c echo.Context, err error) error {
				check(t, err)
				return c.String(418, "mine")
			}}, 418, "mine"},
			"hands on": {authecho.Config{ErrorHandler: func(_ echo.Context, err error) error {
				check(t, err)
				return fmt.Errorf("refused: %w", err)
			}}, 500, `{"message":"Internal Server Error"}` + "\n"}, // what Echo makes of an error of another type
			"hands on as it is": {authecho.Config{ErrorHandler: func(_ echo.Context, err error) error { return err }}, status, "*"},
			"does nothing":      {authecho.Config{ErrorHandler: func(echo.Context, error) error { return nil }}, status, ""},
		} {
			t.Run(path[1:]+" "+name, func(t *testing.T) {
				called := 0
				if h := tt.cfg.ErrorHandler; h != nil {
					tt.cfg.ErrorHandler = func(c echo.Context, err error) error { called++; return h(c, err) }
				}
				a := refusing(t, tt.cfg)
				a.store.noWrite.Store(true)
				res, body := do(t, a, "GET "+path, "Accept-Encoding: gzip")
				require.Equal(t, tt.status, res.StatusCode)
				if tt.body == "*" {
					require.True(t, strings.HasPrefix(body, `{"error":`) && strings.HasSuffix(body, "}\n"), body)
				} else {
					require.Equal(t, tt.body, body)
				}
				require.Empty(t, res.Header.Get("Content-Encoding"))
				require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
				if tt.cfg.ErrorHandler != nil {
					require.Equal(t, 1, called)
				}
			})
		}
	}
}

func TestLogSaysWhatWasSent(t *testing.T) {
	for path, status := range places {
		t.Run(path[1:], func(t *testing.T) {
			var logged int
			a := refusing(t, authecho.Config{})
			a.Pre(middleware.RequestLoggerWithConfig(middleware.RequestLoggerConfig{
				LogStatus: true, HandleError: true,
				LogValuesFunc: func(_ echo.Context, v middleware.RequestLoggerValues) error { logged = v.Status; return nil },
			}))
			a.store.noWrite.Store(true)
			res, _ := do(t, a, "GET "+path, "Accept-Encoding: gzip")
			require.Equal(t, status, res.StatusCode)
			require.Equal(t, status, logged)
		})
	}
}

func TestFailedBegin(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	handled := 0
	for name, cfg := range map[string]authecho.Config{
		"default": {}, "own": {ErrorHandler: func(echo.Context, error) error { handled++; return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			e := echo.New()
			e.Use(authecho.Session(m, cfg))
			e.GET("/", func(echo.Context) error { t.Error("the handler ran"); return nil })
			res, _ := do(t, e, "GET http://evil.example/")
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
		})
	}
	require.Equal(t, 1, handled)
}

func TestEveryAnswerCarriesTheCookie(t *testing.T) {
	big := strings.Repeat("a", 4096)
	for name, send := range map[string]func(c echo.Context) error{
		"nothing":           func(echo.Context) error { return nil },
		"NoContent":         func(c echo.Context) error { return c.NoContent(204) },
		"String":            func(c echo.Context) error { return c.String(200, big) },
		"JSON":              func(c echo.Context) error { return c.JSON(200, 1) },
		"error":             func(echo.Context) error { return io.EOF },
		"HTTPError":         func(echo.Context) error { return echo.ErrTeapot },
		"error by hand":     func(c echo.Context) error { c.Error(echo.ErrTeapot); return nil },
		"Redirect":          func(c echo.Context) error { return c.Redirect(303, "/") },
		"File":              func(c echo.Context) error { return c.File("session.go") },
		"Stream":            func(c echo.Context) error { return c.Stream(200, "text/plain", strings.NewReader("a")) },
		"Flush":             func(c echo.Context) error { c.Response().Flush(); return nil },
		"Flush, then write": func(c echo.Context) error { c.Response().Flush(); return c.String(200, "a") },
		"controller flush":  func(c echo.Context) error { return http.NewResponseController(c.Response()).Flush() },
		"inner writer":      func(c echo.Context) error { _, err := c.Response().Writer.Write([]byte("a")); return err },
		"inner writer, flush": func(c echo.Context) error {
			_, err := c.Response().Writer.Write([]byte("a"))
			c.Response().Flush()
			return err
		},
		"inner writer, status": func(c echo.Context) error { c.Response().Writer.WriteHeader(204); return nil },
		"io.Copy": func(c echo.Context) error {
			_, err := io.Copy(c.Response(), strings.NewReader("a"))
			return err
		},
		"WrapHandler": echo.WrapHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })),
	} {
		for around, mw := range map[string]echo.MiddlewareFunc{
			"": func(next echo.HandlerFunc) echo.HandlerFunc { return next }, "in gzip ": middleware.Gzip(),
		} {
			t.Run(around+name, func(t *testing.T) {
				a := newApp(t)
				var log bytes.Buffer
				a.GET("/", func(c echo.Context) error { login(t, c); return send(c) }, mw)
				srv := httptest.NewUnstartedServer(a)
				srv.Config.ErrorLog = newLog(&log)
				srv.Start()
				t.Cleanup(srv.Close)
				srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				res, err := srv.Client().Get(srv.URL)
				require.NoError(t, err)
				_, err = io.ReadAll(res.Body)
				if around == "" { // Echo's gzip never ends a stream that was only flushed
					require.NoError(t, err)
				}
				require.NoError(t, res.Body.Close())
				require.Len(t, res.Cookies(), 1)
				srv.Close()
				if around == "" {
					require.Empty(t, log.String())
				}
			})
		}
	}
}

func TestGzipStillCompresses(t *testing.T) {
	a := newApp(t)
	want := strings.Repeat("compress me ", 1000)
	a.GET("/", func(c echo.Context) error { login(t, c); return c.String(200, want) }, middleware.Gzip())
	res, body := do(t, a, "GET /", "Accept-Encoding: gzip")
	require.Equal(t, "gzip", res.Header.Get("Content-Encoding"))
	zr, err := gzip.NewReader(strings.NewReader(body))
	require.NoError(t, err)
	got, err := io.ReadAll(zr)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	require.Len(t, res.Cookies(), 1)
}

func TestHEAD(t *testing.T) {
	a := newApp(t)
	a.HEAD("/", func(c echo.Context) error { login(t, c); return c.String(200, "not sent") })
	a.HEAD("/in", ok, authecho.RequireLogin())
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	res, err := srv.Client().Head(srv.URL)
	require.NoError(t, err)
	require.Len(t, res.Cookies(), 1)
	res, err = srv.Client().Head(srv.URL + "/in")
	require.NoError(t, err)
	require.Equal(t, 401, res.StatusCode)
}

func TestPanic(t *testing.T) {
	a := newApp(t)
	var before, after http.ResponseWriter
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			before = c.Response().Writer
			defer func() { after = c.Response().Writer }()
			return next(c)
		}
	}, middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: func(_ echo.Context, err error, _ []byte) error { return err }}),
		authecho.Session(a.manager))
	e.GET("/", func(c echo.Context) error {
		login(t, c)
		set(t, c)
		panic("boom")
	})
	res, _ := do(t, e, "GET /")
	require.Equal(t, 500, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	require.Same(t, before, after, "the writer is put back")
	a.GET("/note", func(c echo.Context) error {
		_, found, err := note.Get(authecho.SessionFrom(c))
		return c.String(200, fmt.Sprint(found, err))
	})
	_, body := do(t, a, "GET /note", cookieLine(res))
	require.Equal(t, "false <nil>", body)
}

func TestAbortHandlerPanicGoesThrough(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(echo.Context) error { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { do(t, a, "GET /") })
}

func TestWriterIsPutBack(t *testing.T) {
	a := newApp(t)
	var before, after http.ResponseWriter
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			before = c.Response().Writer
			err := next(c)
			after = c.Response().Writer
			return err
		}
	}, authecho.Session(a.manager), middleware.BodyDump(func(echo.Context, []byte, []byte) {}))
	e.GET("/", func(c echo.Context) error { login(t, c); return c.String(200, "a") })
	res, body := do(t, e, "GET /")
	require.Same(t, before, after)
	require.Equal(t, "a", body)
	require.Len(t, res.Cookies(), 1)
}

func TestMountedTwice(t *testing.T) {
	a := newApp(t)
	g := a.Group("/g", authecho.Session(a.manager))
	g.GET("/", func(c echo.Context) error { login(t, c); return c.String(200, "once") })
	res, body := do(t, a, "GET /g/")
	require.Equal(t, "once", body)
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
}

func TestTwoManagers(t *testing.T) {
	a := newApp(t)
	store := newFaulty()
	other := newManager(t, store, session.Config{App: "admin", Cookie: cookie.Config{Name: "admin"}})
	g := a.Group("/admin", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error { login(t, c); return next(c) }
	}, authecho.Session(other))
	g.GET("/", func(c echo.Context) error {
		require.Same(t, other, authecho.SessionFrom(c).Manager())
		require.NoError(t, authecho.SessionFrom(c).Login(c.Request().Context(), session.Identity{Subject: "root"}))
		return c.String(200, "a")
	})
	g.GET("/in", ok, authecho.RequireLogin())
	g.GET("/set", func(c echo.Context) error { set(t, c); return c.String(200, "handler") })
	res, _ := do(t, a, "GET /admin/")
	var names []string
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	require.ElementsMatch(t, []string{"__Host-admin", "__Host-session"}, names)
	res, _ = do(t, a, "GET /admin/in", a.cookie(t))
	require.Equal(t, 401, res.StatusCode, "the innermost session decides")
	require.Equal(t, `Cookie realm="admin"`, res.Header.Get("WWW-Authenticate"))

	store.noWrite.Store(true)
	res, body := do(t, a, "GET /admin/set")
	require.Equal(t, 503, res.StatusCode)
	require.JSONEq(t, unavailable, body)
	require.Len(t, res.Cookies(), 1, "the other manager's login stands")
}

func TestTimeoutMiddleware(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c echo.Context) error { login(t, c); return c.String(201, "a") }, middleware.ContextTimeout(time.Hour))
	res, body := do(t, a, "GET /")
	require.Equal(t, 201, res.StatusCode)
	require.Equal(t, "a", body)
	require.Len(t, res.Cookies(), 1)
}

func TestRequestReplacedByMiddleware(t *testing.T) {
	type key struct{}
	a := newApp(t)
	a.GET("/", func(c echo.Context) error {
		login(t, c)
		p, err := authecho.PrincipalFrom(c)
		require.NoError(t, err)
		q, err := core.PrincipalFrom(c.Request().Context())
		require.NoError(t, err)
		require.Equal(t, p, q)
		return c.String(200, p.Subject)
	}, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), key{}, 1)))
			return next(c)
		}
	})
	res, body := do(t, a, "GET /")
	require.Equal(t, "ada", body)
	require.Len(t, res.Cookies(), 1)
}

func TestSessionInAGoroutineOutlivesTheRequest(t *testing.T) {
	a := newApp(t)
	var wg sync.WaitGroup
	var err error
	var who core.Principal
	leave := make(chan struct{})
	a.GET("/", func(c echo.Context) error {
		s := authecho.SessionFrom(c)
		wg.Go(func() {
			<-leave
			who, err = s.Principal()
			if setErr := note.Set(s, "x"); !errors.Is(setErr, session.ErrFinished) {
				err = setErr
			}
		})
		return nil
	}, authecho.RequireLogin())
	cookie := a.cookie(t)
	do(t, a, "GET /", cookie)
	close(leave)
	do(t, a, "GET /login") // takes the pooled context over
	wg.Wait()
	require.NoError(t, err)
	require.Equal(t, "ada", who.Subject)
}

func TestEarlyHints(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c echo.Context) error {
		login(t, c)
		c.Response().Header().Set("Link", "</a.css>; rel=preload")
		c.Response().Writer.WriteHeader(http.StatusEarlyHints)
		return c.String(201, "a")
	})
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	var hints []textproto.MIMEHeader
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hints = append(hints, h); return nil },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	require.NoError(t, err)
	res, err := srv.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, []textproto.MIMEHeader{{"Link": {"</a.css>; rel=preload"}}}, hints)
	require.Equal(t, 201, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
}

func TestHijack(t *testing.T) {
	for name, cfg := range map[string]authecho.Config{
		"default": {}, "own error handler": {ErrorHandler: func(c echo.Context, _ error) error { return c.String(418, "mine") }},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, cfg)
			a.GET("/", func(c echo.Context) error {
				set(t, c)
				conn, _, err := c.Response().Hijack()
				if c.QueryParam("pending") != "" {
					require.ErrorIs(t, err, adapter.ErrCookiePending)
					return c.String(426, "log in first")
				}
				require.NoError(t, err)
				_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
				if c.QueryParam("native") != "" {
					defer conn.Close()
					return echo.ErrTeapot
				}
				_ = conn.Close()
				return session.ErrFinished
			})
			cookie := a.cookie(t)
			var log bytes.Buffer
			srv := httptest.NewUnstartedServer(a)
			srv.Config.ErrorLog = newLog(&log)
			srv.Start()
			t.Cleanup(srv.Close)
			answer := raw(t, srv, "GET /?pending=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
			require.Contains(t, answer, "HTTP/1.1 426 ")
			require.Equal(t, 1, strings.Count(answer, "Set-Cookie: "))
			for _, target := range []string{"/", "/?native=1"} {
				answer = raw(t, srv, "GET "+target+" HTTP/1.1\r\nHost: h\r\n"+cookie+"\r\n\r\n")
				require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\n\r\n", answer)
			}
			srv.Close()
			require.Empty(t, log.String())
		})
	}
}

func raw(t *testing.T, srv *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	answer, err := io.ReadAll(bufio.NewReader(conn))
	require.NoError(t, err)
	return string(answer)
}

func TestErrorAfterTheAnswerLeftIsNotAnswered(t *testing.T) {
	called := 0
	a := newApp(t, authecho.Config{ErrorHandler: func(c echo.Context, _ error) error { called++; return c.String(418, "garbage") }})
	a.GET("/", func(c echo.Context) error {
		require.NoError(t, c.String(200, "answer"))
		return note.Set(authecho.SessionFrom(c), "too late")
	})
	a.GET("/fail", func(c echo.Context) error {
		require.NoError(t, c.String(200, "answer"))
		return authecho.Fail(c, note.Set(authecho.SessionFrom(c), "too late"))
	})
	for _, path := range []string{"/", "/fail"} {
		res, body := do(t, a, "GET "+path)
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, "answer", body)
		require.Zero(t, called)
	}
}

// bare is a writer that can do nothing but write.
type bare struct{ http.ResponseWriter }

func TestFlushPanicsOnlyWhereEchoWould(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c echo.Context) error { c.Response().Flush(); return nil })
	a.GET("/refused", func(c echo.Context) error { set(t, c); c.Response().Flush(); return c.String(200, "handler") })
	require.Panics(t, func() {
		a.ServeHTTP(bare{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
	})
	a.store.noWrite.Store(true)
	w := httptest.NewRecorder()
	require.NotPanics(t, func() { a.ServeHTTP(bare{w}, httptest.NewRequest(http.MethodGet, "/refused", nil)) })
	require.Equal(t, 503, w.Code)
	require.JSONEq(t, unavailable, w.Body.String())
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c echo.Context) error {
		require.NoError(t, http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(time.Hour)))
		require.False(t, c.Response().Committed)
		return ok(c)
	})
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 204, res.StatusCode)
}

func TestHTTP2(t *testing.T) {
	a := newApp(t)
	a.GET("/note", func(c echo.Context) error { set(t, c); c.Response().Flush(); return nil })
	srv := httptest.NewUnstartedServer(a)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	res, err := srv.Client().Get(srv.URL + "/note")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 2, res.ProtoMajor)
	require.Len(t, res.Cookies(), 1)
}

func TestClientIP(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  authecho.Config
		want string
	}{
		"default":     {authecho.Config{}, "192.0.2.1"}, // httptest's peer
		"TrustProxy":  {authecho.Config{TrustProxy: []string{"192.0.2.0/24"}}, "203.0.113.9"},
		"own":         {authecho.Config{ClientIP: func(echo.Context) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
		"own, silent": {authecho.Config{ClientIP: func(echo.Context) netip.Addr { return netip.Addr{} }}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got netip.Addr
			m := newManager(t, newFaulty(), session.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = e.ClientIP })})
			e := echo.New()
			e.Use(authecho.Session(m, tt.cfg))
			e.GET("/", func(c echo.Context) error { login(t, c); return nil })
			do(t, e, "GET /", "X-Forwarded-For: 203.0.113.9")
			require.Equal(t, tt.want, got.String())
		})
	}
}

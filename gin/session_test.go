package authgin_test

import (
	"bufio"
	"context"
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

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
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
		authgin.Session(nil, authgin.Config{TrustProxy: []string{"x", "0.0.0.0/0"}}, authgin.Config{TrustProxy: []string{"y"}})
	})
	require.ErrorContains(t, err, "authgin: ")
	require.Equal(t, []string{
		"authgin.Session.manager", "authgin.Session.cfg", "Config.TrustProxy", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(err))
	require.Equal(t, []string{"RequireRole.roles"}, mistakes(panicOf(func() { authgin.RequireRole() })))
	require.Equal(t, []string{"RequireRole.roles", "RequireRole.roles"}, mistakes(panicOf(func() { authgin.RequireRole("", "a", "") })))
	require.Equal(t, []string{"RequireFresh.maxAge"}, mistakes(panicOf(func() { authgin.RequireFresh(0) })))
	require.NoError(t, panicOf(func() {
		authgin.Session(newManager(t, newFaulty(), session.Config{}), authgin.Config{TrustProxy: []string{"10.0.0.0/8"}})
		authgin.RequireRole("a")
		authgin.RequireFresh(time.Second)
	}))
}

func TestWithoutMiddleware(t *testing.T) {
	e := gin.New()
	e.GET("/login", authgin.RequireLogin())
	e.GET("/role", authgin.RequireRole("a"))
	e.GET("/fresh", authgin.RequireFresh(time.Hour))
	e.GET("/fail", func(c *gin.Context) { authgin.Fail(c, note.Set(authgin.SessionFrom(c), "x")) })
	for _, path := range []string{"/login", "/role", "/fresh", "/fail"} {
		t.Run(path[1:], func(t *testing.T) {
			res, body := do(t, e, "GET "+path)
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
			require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
			require.Equal(t, `{"error":"AUTH_MIDDLEWARE_FAILURE","message":"the authentication layer failed"}`, body)
		})
	}
	c, _ := gin.CreateTestContext(httptest.NewRecorder())
	c.Request = httptest.NewRequest(http.MethodGet, "/", nil)
	require.Nil(t, authgin.SessionFrom(c))
	_, err := authgin.PrincipalFrom(c)
	require.ErrorIs(t, err, core.ErrNoMiddleware)
}

func TestSkip(t *testing.T) {
	a := newApp(t, authgin.Config{Skip: func(c *gin.Context) bool { return c.Query("skip") != "" }})
	a.GET("/open", func(c *gin.Context) { c.String(200, fmt.Sprint(authgin.SessionFrom(c) == nil)) })
	a.GET("/guarded", authgin.RequireLogin(), func(c *gin.Context) { c.String(200, "in") })
	cookie := a.cookie(t)
	_, body := do(t, a, "GET /open?skip=1", cookie)
	require.Equal(t, "true", body)
	res, _ := do(t, a, "GET /guarded?skip=1", cookie)
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	res, _ = do(t, a, "GET /guarded", cookie)
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestGuards(t *testing.T) {
	a := newApp(t)
	roles := []string{"editor"}
	guard := authgin.RequireRole(roles...)
	roles[0] = "admin"
	ok := func(c *gin.Context) { c.Status(http.StatusNoContent) }
	a.GET("/in", authgin.RequireLogin(), ok)
	a.GET("/editor", guard, ok)
	a.GET("/admin", authgin.RequireRole("admin"), ok)
	a.GET("/fresh", authgin.RequireFresh(time.Hour), ok)
	cookie := a.cookie(t)
	for path, status := range map[string]int{"/in": 204, "/editor": 204, "/admin": 403, "/fresh": 204} {
		res, _ := do(t, a, "GET "+path, cookie)
		require.Equal(t, status, res.StatusCode, path)
		res, body := do(t, a, "GET "+path)
		require.Equal(t, 401, res.StatusCode, path)
		require.Equal(t, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`, body)
		require.Equal(t, `Cookie realm="app"`, res.Header.Get("WWW-Authenticate"))
		require.Empty(t, res.Cookies())
	}
	a.store.noLoad.Store(true)
	res, body := do(t, a, "GET /in", cookie)
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, unavailable, body)
}

func TestRefusalsAreInErrors(t *testing.T) {
	a := newApp(t)
	var errs []*gin.Error
	var aborted bool
	e := gin.New()
	e.Use(func(c *gin.Context) {
		c.Next()
		errs, aborted = c.Errors, c.IsAborted()
	}, authgin.Session(a.manager))
	e.GET("/", authgin.RequireLogin(), func(*gin.Context) { t.Error("the handler ran") })
	do(t, e, "GET /")
	require.Len(t, errs, 1)
	var d *adapter.Denied
	require.ErrorAs(t, errs[0], &d)
	require.Equal(t, core.MissingCredentials, d.Code)
	require.ErrorIs(t, errs[0], core.ErrAnonymous)
	require.True(t, aborted)
}

// refusing has a route for every place in which a refusal can come up.
func refusing(t *testing.T, cfg authgin.Config) *app {
	a := newApp(t, cfg)
	a.GET("/guard", authgin.RequireLogin(), func(*gin.Context) { t.Error("the handler ran") })
	a.GET("/fail", func(c *gin.Context) {
		_, err := authgin.PrincipalFrom(c)
		authgin.Fail(c, err)
	})
	set := func(c *gin.Context) { require.NoError(t, note.Set(authgin.SessionFrom(c), "x")) }
	a.GET("/write", func(c *gin.Context) { set(c); c.String(200, "handler") })
	a.GET("/status", func(c *gin.Context) { set(c); c.Status(204) })
	a.GET("/nothing", set)
	a.GET("/wrapped", upperCase, func(c *gin.Context) { set(c); c.String(200, "handler") })
	a.GET("/wrapped-nothing", upperCase, set)
	return a
}

func TestErrorHandlerAnswersEveryRefusal(t *testing.T) {
	for path, status := range map[string]int{
		"/guard": 401, "/fail": 401, "/write": 503, "/status": 503, "/nothing": 503, "/wrapped": 503, "/wrapped-nothing": 503,
	} {
		t.Run(path[1:], func(t *testing.T) {
			called := 0
			a := refusing(t, authgin.Config{ErrorHandler: func(c *gin.Context, err error) {
				called++
				var d *adapter.Denied
				require.ErrorAs(t, err, &d)
				require.Equal(t, status, d.Status)
				require.True(t, c.IsAborted())
				c.String(418, "mine")
			}})
			a.store.noWrite.Store(true)
			res, body := do(t, a, "GET "+path)
			require.Equal(t, 418, res.StatusCode)
			require.Equal(t, "mine", body)
			require.Equal(t, 1, called)
		})
		t.Run(path[1:]+" by default", func(t *testing.T) {
			a := refusing(t, authgin.Config{})
			a.store.noWrite.Store(true)
			res, body := do(t, a, "GET "+path)
			require.Equal(t, status, res.StatusCode)
			require.True(t, strings.HasPrefix(body, `{"error":`) && strings.HasSuffix(body, "}"), body)
			require.Empty(t, res.Header.Get("Content-Encoding"))
			require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
		})
		t.Run(path[1:]+" by doing nothing", func(t *testing.T) {
			a := refusing(t, authgin.Config{ErrorHandler: func(*gin.Context, error) {}})
			a.store.noWrite.Store(true)
			res, body := do(t, a, "GET "+path)
			require.Equal(t, status, res.StatusCode)
			require.Empty(t, body)
			require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		})
	}
}

func TestFailedBegin(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	handled := 0
	for name, cfg := range map[string]authgin.Config{
		"default": {}, "own": {ErrorHandler: func(*gin.Context, error) { handled++ }},
	} {
		t.Run(name, func(t *testing.T) {
			e := gin.New()
			e.Use(authgin.Session(m, cfg))
			e.GET("/", func(*gin.Context) { t.Error("the handler ran") })
			res, _ := do(t, e, "GET http://evil.example/")
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
		})
	}
	require.Equal(t, 1, handled)
}

func TestEveryAnswerCarriesTheCookie(t *testing.T) {
	for name, send := range map[string]func(c *gin.Context){
		"noted status before the login": func(*gin.Context) {},
		"nothing":                       func(*gin.Context) {},
		"Status":                        func(c *gin.Context) { c.Status(201) },
		"String":                        func(c *gin.Context) { c.String(201, "a") },
		"JSON":                          func(c *gin.Context) { c.JSON(201, 1) },
		"Data without a body":           func(c *gin.Context) { c.Data(204, "text/plain", nil) },
		"AbortWithStatus":               func(c *gin.Context) { c.AbortWithStatus(403) },
		"AbortWithError":                func(c *gin.Context) { _ = c.AbortWithError(500, io.EOF) },
		"Redirect":                      func(c *gin.Context) { c.Redirect(303, "/") },
		"File":                          func(c *gin.Context) { c.File("session.go") },
		"DataFromReader":                func(c *gin.Context) { c.DataFromReader(200, -1, "text/plain", strings.NewReader("a"), nil) },
		"Stream":                        func(c *gin.Context) { c.Stream(func(w io.Writer) bool { _, _ = w.Write([]byte("a")); return false }) },
		"SSEvent":                       func(c *gin.Context) { c.SSEvent("a", "b") },
		"Flush":                         func(c *gin.Context) { c.Writer.Flush() },
		"controller flush":              func(c *gin.Context) { _ = http.NewResponseController(c.Writer).Flush() },
		"WriteHeaderNow":                func(c *gin.Context) { c.Writer.WriteHeaderNow() },
		"WriteString":                   func(c *gin.Context) { _, _ = io.WriteString(c.Writer, "a") },
		"io.Copy":                       func(c *gin.Context) { _, _ = io.Copy(c.Writer, struct{ io.Reader }{strings.NewReader("a")}) },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			a.GET("/", func(c *gin.Context) {
				if name == "noted status before the login" {
					c.Status(201)
				}
				login(t, c)
				send(c)
			})
			srv := httptest.NewServer(a)
			t.Cleanup(srv.Close)
			srv.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Len(t, res.Cookies(), 1)
			if strings.Contains(name, "tatus") && name != "AbortWithStatus" {
				require.Equal(t, 201, res.StatusCode)
			}
		})
	}
}

func TestHEAD(t *testing.T) {
	a := newApp(t)
	a.HEAD("/", func(c *gin.Context) { login(t, c); c.String(200, "not sent") })
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	res, err := srv.Client().Head(srv.URL)
	require.NoError(t, err)
	require.Len(t, res.Cookies(), 1)
}

func TestPanic(t *testing.T) {
	a := newApp(t)
	e := gin.New()
	var inner gin.ResponseWriter
	e.Use(func(c *gin.Context) { inner = c.Writer }, gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) {
		require.Same(t, inner, c.Writer, "the writer is put back")
		c.AbortWithStatus(500)
	}), authgin.Session(a.manager))
	e.GET("/", func(c *gin.Context) {
		login(t, c)
		require.NoError(t, note.Set(authgin.SessionFrom(c), "discarded"))
		panic("boom")
	})
	res, _ := do(t, e, "GET /")
	require.Equal(t, 500, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	a.GET("/note", func(c *gin.Context) {
		_, found, err := note.Get(authgin.SessionFrom(c))
		c.String(200, "%v %v", found, err)
	})
	_, body := do(t, a, "GET /note", cookieLine(res))
	require.Equal(t, "false <nil>", body)
}

func TestAbortHandlerPanicGoesThrough(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(*gin.Context) { panic(http.ErrAbortHandler) })
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { do(t, a, "GET /") })
}

func TestWriterIsPutBack(t *testing.T) {
	a := newApp(t)
	var before, after gin.ResponseWriter
	e := gin.New()
	e.Use(func(c *gin.Context) {
		before = c.Writer
		c.Next()
		after = c.Writer
	}, authgin.Session(a.manager), upperCase)
	e.GET("/", func(c *gin.Context) { login(t, c); c.String(200, "loud") })
	res, body := do(t, e, "GET /")
	require.Same(t, before, after)
	require.Equal(t, "LOUD", body)
	require.Len(t, res.Cookies(), 1)
}

func TestMountedTwice(t *testing.T) {
	a := newApp(t)
	g := a.Group("/g", upperCase, authgin.Session(a.manager))
	g.GET("/", func(c *gin.Context) { login(t, c); c.String(200, "once") })
	res, body := do(t, a, "GET /g/")
	require.Equal(t, "ONCE", body)
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
}

func TestTwoManagers(t *testing.T) {
	a := newApp(t)
	other := newManager(t, newFaulty(), session.Config{App: "admin", Cookie: cookie.Config{Name: "admin"}})
	g := a.Group("/admin", func(c *gin.Context) { login(t, c) }, authgin.Session(other))
	g.GET("/", func(c *gin.Context) {
		require.Same(t, other, authgin.SessionFrom(c).Manager())
		require.NoError(t, authgin.SessionFrom(c).Login(c.Request.Context(), session.Identity{Subject: "root"}))
		c.String(200, "a")
	})
	g.GET("/in", authgin.RequireLogin())
	res, _ := do(t, a, "GET /admin/")
	var names []string
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	require.ElementsMatch(t, []string{"__Host-admin", "__Host-session"}, names)
	res, _ = do(t, a, "GET /admin/in", a.cookie(t))
	require.Equal(t, 401, res.StatusCode, "the innermost session decides")
	require.Equal(t, `Cookie realm="admin"`, res.Header.Get("WWW-Authenticate"))
}

// HandleContext resets the context, its writer included, and finishes the answer
// by itself.
func TestHandleContext(t *testing.T) {
	for name, around := range map[string]gin.HandlerFunc{"bare": func(*gin.Context) {}, "behind a wrapper": upperCase} {
		for _, path := range []string{"/text", "/status", "/nothing"} {
			t.Run(name+path, func(t *testing.T) {
				store := newFaulty()
				m := newManager(t, store, session.Config{})
				e := gin.New()
				e.Use(around, authgin.Session(m))
				e.GET("/from", func(c *gin.Context) { c.Request.URL.Path = path; e.HandleContext(c) })
				e.GET("/text", func(c *gin.Context) { login(t, c); c.String(200, "A") })
				e.GET("/status", func(c *gin.Context) { login(t, c); c.Status(204) })
				e.GET("/nothing", func(c *gin.Context) { login(t, c) })
				res, _ := do(t, e, "GET /from")
				require.Len(t, res.Cookies(), 1)
				store.noWrite.Store(true)
				e.GET("/refused", func(c *gin.Context) { c.Request.URL.Path = "/set"; e.HandleContext(c) })
				e.GET("/set", func(c *gin.Context) { require.NoError(t, note.Set(authgin.SessionFrom(c), "x")) })
				res, _ = do(t, e, "GET /refused")
				require.Equal(t, 503, res.StatusCode)
			})
		}
	}
}

func TestRequestReplacedByMiddleware(t *testing.T) {
	type key struct{}
	a := newApp(t)
	a.GET("/", func(c *gin.Context) {
		c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), key{}, 1))
	}, func(c *gin.Context) {
		login(t, c)
		p, err := authgin.PrincipalFrom(c)
		require.NoError(t, err)
		q, err := core.PrincipalFrom(c.Request.Context())
		require.NoError(t, err)
		require.Equal(t, p, q)
		c.String(200, p.Subject)
	})
	res, body := do(t, a, "GET /")
	require.Equal(t, "ada", body)
	require.Len(t, res.Cookies(), 1)
}

func TestCopyInAGoroutine(t *testing.T) {
	a := newApp(t)
	var wg sync.WaitGroup
	var err error
	var who core.Principal
	leave := make(chan struct{})
	a.GET("/", authgin.RequireLogin(), func(c *gin.Context) {
		cp := c.Copy()
		wg.Go(func() {
			<-leave
			who, err = authgin.PrincipalFrom(cp)
			if setErr := note.Set(authgin.SessionFrom(cp), "x"); !errors.Is(setErr, session.ErrFinished) {
				err = setErr
			}
		})
	})
	cookie := a.cookie(t)
	do(t, a, "GET /", cookie)
	close(leave)
	do(t, a, "GET /") // takes the pooled context over
	wg.Wait()
	require.NoError(t, err)
	require.Equal(t, "ada", who.Subject)
}

func TestEarlyHints(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c *gin.Context) {
		login(t, c)
		c.Header("Link", "</a.css>; rel=preload")
		c.Writer.WriteHeader(http.StatusEarlyHints)
		c.Writer.WriteHeaderNow()
		c.String(201, "a")
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
	a := newApp(t)
	a.GET("/", func(c *gin.Context) {
		require.NoError(t, note.Set(authgin.SessionFrom(c), "kept"))
		conn, _, err := c.Writer.Hijack()
		if c.Query("pending") != "" {
			require.ErrorIs(t, err, adapter.ErrCookiePending)
			c.String(426, "log in first")
			return
		}
		require.NoError(t, err)
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
		_ = conn.Close()
		_ = c.Error(io.EOF)
		authgin.Fail(c, session.ErrFinished) // writes nothing to what is not ours any more
	})
	a.GET("/note", func(c *gin.Context) {
		v, _, err := note.Get(authgin.SessionFrom(c))
		c.String(200, "%v %v", v, err)
	})
	cookie := a.cookie(t)
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	answer := raw(t, srv, "GET /?pending=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	require.Contains(t, answer, "HTTP/1.1 426 ")
	require.Equal(t, 1, strings.Count(answer, "Set-Cookie: "))
	answer = raw(t, srv, "GET / HTTP/1.1\r\nHost: h\r\n"+cookie+"\r\n\r\n")
	require.Equal(t, "HTTP/1.1 101 Switching Protocols\r\n\r\n", answer)
	_, body := do(t, a, "GET /note", cookie)
	require.Equal(t, "kept <nil>", body)
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

func TestResponseControllerReachesTheConnection(t *testing.T) {
	a := newApp(t)
	a.GET("/", func(c *gin.Context) {
		require.NoError(t, http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(time.Hour)))
		require.False(t, c.Writer.Written())
		c.String(200, "a")
		require.Equal(t, 1, c.Writer.Size())
		require.Equal(t, 200, c.Writer.Status())
	})
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
}

func TestHTTP2(t *testing.T) {
	a := newApp(t)
	a.GET("/note", func(c *gin.Context) {
		require.NoError(t, note.Set(authgin.SessionFrom(c), "kept"))
		c.Writer.Flush()
		require.NotNil(t, c.Writer.Pusher())
	})
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
		cfg  authgin.Config
		want string
	}{
		"default":     {authgin.Config{}, "192.0.2.1"}, // httptest's peer
		"TrustProxy":  {authgin.Config{TrustProxy: []string{"192.0.2.0/24"}}, "203.0.113.9"},
		"own":         {authgin.Config{ClientIP: func(*gin.Context) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
		"own, silent": {authgin.Config{ClientIP: func(*gin.Context) netip.Addr { return netip.Addr{} }}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got netip.Addr
			m := newManager(t, newFaulty(), session.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = e.ClientIP })})
			e := gin.New()
			e.Use(authgin.Session(m, tt.cfg))
			e.GET("/", func(c *gin.Context) { login(t, c) })
			do(t, e, "GET /", "X-Forwarded-For: 203.0.113.9")
			require.Equal(t, tt.want, got.String())
		})
	}
}

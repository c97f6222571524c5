package authfiber_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	fiberrecover "github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/timeout"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

// mistakes are the fields that a construction which panics complains about.
func mistakes(t *testing.T, construct func()) (fields []string) {
	t.Helper()
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
	walk(panicOf(construct))
	return fields
}

func panicOf(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func TestConstructorsPanicWithEveryMistake(t *testing.T) {
	require.Equal(t, []string{
		"authfiber.Session.manager", "authfiber.Session.cfg", "Config.TrustProxy", "Config.TrustProxy", "Config.TrustProxy",
	}, mistakes(t, func() {
		authfiber.Session(nil, authfiber.Config{TrustProxy: []string{"x", "0.0.0.0/0"}}, authfiber.Config{TrustProxy: []string{"y"}})
	}))
	require.Equal(t, []string{"RequireRole.roles"}, mistakes(t, func() { authfiber.RequireRole() }))
	require.Equal(t, []string{"RequireRole.roles", "RequireRole.roles"}, mistakes(t, func() { authfiber.RequireRole("", "a", "") }))
	require.Equal(t, []string{"RequireFresh.maxAge"}, mistakes(t, func() { authfiber.RequireFresh(0) }))
	require.NotPanics(t, func() {
		authfiber.Session(newManager(t, newFaulty(), session.Config{}), authfiber.Config{TrustProxy: []string{"10.0.0.0/8"}})
		authfiber.RequireRole("a")
		authfiber.RequireFresh(time.Second)
	})
}

func ok(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) }

func set(c *fiber.Ctx) error { return note.Set(authfiber.SessionFrom(c), "x") }

const failure = `{"error":"AUTH_MIDDLEWARE_FAILURE","message":"the authentication layer failed"}`

func TestWithoutMiddleware(t *testing.T) {
	a := fiber.New()
	a.Get("/login", authfiber.RequireLogin(), ok)
	a.Get("/role", authfiber.RequireRole("a"), ok)
	a.Get("/fresh", authfiber.RequireFresh(time.Hour), ok)
	a.Get("/fail", func(c *fiber.Ctx) error { return authfiber.Fail(c, set(c)) })
	a.Get("/none", func(c *fiber.Ctx) error {
		require.Nil(t, authfiber.SessionFrom(c))
		_, err := authfiber.PrincipalFrom(c)
		require.ErrorIs(t, err, core.ErrNoMiddleware)
		return nil
	})
	for _, path := range []string{"/login", "/role", "/fresh", "/fail"} {
		t.Run(path[1:], func(t *testing.T) {
			res, body := do(t, a, "GET "+path)
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
			require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
			require.Equal(t, failure, body)
		})
	}
	do(t, a, "GET /none")
}

func TestNext(t *testing.T) {
	a := newApp(t, authfiber.Config{Next: func(c *fiber.Ctx) bool { return c.Query("skip") != "" }})
	a.Get("/open", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(authfiber.SessionFrom(c) == nil)) })
	a.Get("/guarded", authfiber.RequireLogin(), ok)
	cookie := a.cookie(t)
	_, body := do(t, a.App, "GET /open?skip=1", cookie)
	require.Equal(t, "true", body)
	res, _ := do(t, a.App, "GET /guarded?skip=1", cookie)
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)
	res, _ = do(t, a.App, "GET /guarded", cookie)
	require.Equal(t, http.StatusNoContent, res.StatusCode)
}

func TestGuards(t *testing.T) {
	a := newApp(t)
	roles := []string{"editor"}
	guard := authfiber.RequireRole(roles...)
	roles[0] = "admin"
	g := a.Group("/g")
	g.Get("/in", authfiber.RequireLogin(), ok)
	g.Get("/editor", guard, ok)
	g.Get("/admin", authfiber.RequireRole("admin"), ok)
	g.Get("/fresh", authfiber.RequireFresh(time.Hour), ok)
	cookie := a.cookie(t)
	for path, status := range map[string]int{"/g/in": 204, "/g/editor": 204, "/g/admin": 403, "/g/fresh": 204} {
		res, _ := do(t, a.App, "GET "+path, cookie)
		require.Equal(t, status, res.StatusCode, path)
		res, body := do(t, a.App, "GET "+path)
		require.Equal(t, 401, res.StatusCode, path)
		require.Equal(t, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`, body)
		require.Equal(t, `Cookie realm="app"`, res.Header.Get("WWW-Authenticate"))
		require.Empty(t, res.Cookies())
	}
	a.store.noLoad.Store(true)
	res, body := do(t, a.App, "GET /g/in", cookie)
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, unavailable, body)
}

func TestApplicationsErrorHandlerGetsNativeErrors(t *testing.T) {
	var got error
	a := newAppWith(t, fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		got = err
		code := fiber.StatusInternalServerError
		var e *fiber.Error
		if errors.As(err, &e) {
			code = e.Code
		}
		return c.Status(code).SendString("central: " + err.Error())
	}})
	a.Get("/guard", authfiber.RequireLogin(), ok)
	a.Get("/session-error", func(c *fiber.Ctx) error {
		_, err := authfiber.PrincipalFrom(c)
		return fmt.Errorf("page: %w", err)
	})
	a.Get("/fail", func(c *fiber.Ctx) error { return authfiber.Fail(c, fmt.Errorf("10.0.0.7: %w", core.ErrAnonymous)) })
	a.Get("/own", func(*fiber.Ctx) error { return io.ErrUnexpectedEOF })
	a.Get("/native", func(*fiber.Ctx) error { return fiber.ErrTeapot })
	a.Get("/set", func(c *fiber.Ctx) error { _ = set(c); return c.SendString("handler") })
	for _, path := range []string{"/guard", "/session-error", "/fail"} {
		t.Run(path[1:], func(t *testing.T) {
			res, body := do(t, a.App, "GET "+path)
			require.Equal(t, 401, res.StatusCode)
			require.Equal(t, "central: authentication is required", body, "the cause is not for the client")
			var d *adapter.Denied
			require.ErrorAs(t, got, &d)
			require.Equal(t, core.MissingCredentials, d.Code)
			require.ErrorIs(t, got, core.ErrAnonymous)
		})
	}
	do(t, a.App, "GET /own")
	require.Equal(t, io.ErrUnexpectedEOF, got, "an error of the application stays what it is")
	do(t, a.App, "GET /native")
	require.Equal(t, fiber.ErrTeapot, got)
	a.store.noWrite.Store(true)
	res, body := do(t, a.App, "GET /set")
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, "central: the identity could not be checked just now; try again shortly", body)
	require.ErrorIs(t, got, errDown)
}

func TestMountedApplicationsErrorHandler(t *testing.T) {
	a := newApp(t)
	sub := fiber.New(fiber.Config{ErrorHandler: func(c *fiber.Ctx, err error) error {
		var e *fiber.Error
		require.ErrorAs(t, err, &e)
		return c.Status(e.Code).SendString("sub")
	}})
	sub.Get("/in", authfiber.RequireLogin(), ok)
	a.Mount("/sub", sub)
	plain := fiber.New()
	plain.Get("/in", authfiber.RequireLogin(), func(c *fiber.Ctx) error { return c.SendString("in") })
	a.Mount("/plain", plain)
	res, body := do(t, a.App, "GET /sub/in")
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, "sub", body)
	res, body = do(t, a.App, "GET /plain/in")
	require.Equal(t, 401, res.StatusCode)
	require.Equal(t, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`, body)
	res, body = do(t, a.App, "GET /plain/in", a.cookie(t))
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "in", body)
}

func TestMiddlewareInAMountedApplication(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{})
	sub := fiber.New()
	sub.Use(authfiber.Session(m))
	sub.Get("/login", login)
	sub.Get("/in", authfiber.RequireLogin(), ok)
	a := fiber.New()
	a.Mount("/sub", sub)
	res, _ := do(t, a, "GET /sub/login")
	require.Len(t, res.Cookies(), 1)
	res, _ = do(t, a, "GET /sub/in", cookieLine(res))
	require.Equal(t, 204, res.StatusCode)
}

// refusing has a route for every place in which a refusal can come up.
func refusing(t *testing.T, cfg authfiber.Config) *app {
	a := newApp(t, cfg)
	a.Get("/guard", authfiber.RequireLogin(), ok)
	a.Get("/fail", func(c *fiber.Ctx) error {
		_, err := authfiber.PrincipalFrom(c)
		return authfiber.Fail(c, err)
	})
	a.Get("/error", func(c *fiber.Ctx) error {
		_, err := authfiber.PrincipalFrom(c)
		return err
	})
	for name, send := range senders {
		a.Get("/"+name, func(c *fiber.Ctx) error {
			if err := set(c); err != nil {
				return err
			}
			for _, h := range []string{
				"ETag", "Content-Encoding", "Last-Modified", "Location", "Cache-Control", "Content-Disposition", "Content-Range",
			} {
				c.Set(h, "handler")
			}
			c.Set("Vary", "Origin")
			c.Set("Access-Control-Allow-Origin", "https://a.example")
			return send(c)
		})
	}
	a.Get("/compressed", compress.New(), func(c *fiber.Ctx) error {
		c.Set("Vary", "Origin")
		c.Set("Access-Control-Allow-Origin", "https://a.example")
		_ = set(c)
		return c.SendString(strings.Repeat("a", 4096))
	})
	return a
}

var senders = map[string]func(c *fiber.Ctx) error{
	"nothing":      func(*fiber.Ctx) error { return nil },
	"status":       func(c *fiber.Ctx) error { return c.SendStatus(204) },
	"string":       func(c *fiber.Ctx) error { return c.SendString("handler") },
	"json":         func(c *fiber.Ctx) error { return c.JSON("handler") },
	"file":         func(c *fiber.Ctx) error { return c.SendFile("session.go") },
	"reader":       func(c *fiber.Ctx) error { return c.SendStream(strings.NewReader("handler")) },
	"sized-reader": func(c *fiber.Ctx) error { return c.SendStream(strings.NewReader("handler"), 7) },
	"stream": func(c *fiber.Ctx) error {
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { _, _ = w.WriteString("handler") })
		return nil
	},
	"redirect":  func(c *fiber.Ctx) error { return c.Redirect("/") },
	"own-error": func(*fiber.Ctx) error { return fiber.ErrTeapot },
	"hijack": func(c *fiber.Ctx) error {
		c.Set("Connection", "Upgrade")
		c.Set("Upgrade", "websocket")
		c.Context().Hijack(func(net.Conn) {})
		return c.SendStatus(101)
	},
}

func TestErrorHandlerAnswersEveryRefusal(t *testing.T) {
	places := map[string]int{"guard": 401, "fail": 401, "error": 401, "compressed": 503}
	for name := range senders {
		places[name] = 503
	}
	for path, status := range places {
		for name, tt := range map[string]struct {
			handler fiber.ErrorHandler
			status  int
			body    string
		}{
			"default": {nil, status, "*"},
			"answers": {func(c *fiber.Ctx, err error) error {
				var d *adapter.Denied
				require.ErrorAs(t, err, &d)
				var e *fiber.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, d.Status, e.Code)
				require.Equal(t, status, e.Code)
				return c.Status(418).SendString("mine")
			}, 418, "mine"},
			"hands on":     {func(_ *fiber.Ctx, err error) error { return fmt.Errorf("refused: %w", err) }, status, "refused: *"},
			"does nothing": {func(*fiber.Ctx, error) error { return nil }, status, ""},
		} {
			t.Run(path+" "+name, func(t *testing.T) {
				called := 0
				cfg := authfiber.Config{}
				if tt.handler != nil {
					cfg.ErrorHandler = func(c *fiber.Ctx, err error) error { called++; return tt.handler(c, err) }
				}
				a := refusing(t, cfg)
				a.store.noWrite.Store(true)
				res, body := do(t, a.App, "GET /"+path, "Accept-Encoding: gzip")
				require.Equal(t, tt.status, res.StatusCode)
				switch tt.body {
				case "*":
					require.True(t, strings.HasPrefix(body, `{"error":`) && strings.HasSuffix(body, "}"), body)
					require.Equal(t, "application/json; charset=utf-8", res.Header.Get("Content-Type"))
				case "refused: *":
					require.True(t, strings.HasPrefix(body, "refused: "), body)
				default:
					require.Equal(t, tt.body, body)
				}
				require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
				if status == 503 {
					require.Equal(t, strconv.Itoa(len(body)), res.Header.Get("Content-Length"))
					for _, h := range []string{
						"ETag", "Content-Encoding", "Last-Modified", "Location", "Content-Disposition", "Content-Range",
						"Accept-Ranges", "Transfer-Encoding", "Upgrade",
					} {
						require.Empty(t, res.Header.Get(h), h)
					}
					require.Contains(t, strings.Join(res.Header.Values("Vary"), ","), "Origin")
					require.Contains(t, res.Header.Values("Vary"), "Cookie")
					require.Equal(t, "https://a.example", res.Header.Get("Access-Control-Allow-Origin"))
				}
				if tt.handler != nil {
					require.Equal(t, 1, called)
				}
			})
		}
	}
}

func TestEveryAnswerCarriesTheCookie(t *testing.T) {
	for name, send := range senders {
		t.Run(name, func(t *testing.T) {
			a := newApp(t)
			a.Get("/", func(c *fiber.Ctx) error {
				if err := login(c); err != nil {
					return err
				}
				return send(c)
			})
			res, _ := do(t, a.App, "GET /")
			require.Len(t, res.Cookies(), 1)
			require.Equal(t, []string{"no-store"}, res.Header.Values("Cache-Control"))
		})
	}
}

func TestRefusedCommitKeepsTheCookieOfAStoredTransition(t *testing.T) {
	a := newApp(t)
	a.Get("/", func(c *fiber.Ctx) error {
		if err := login(c); err != nil {
			return err
		}
		a.store.noWrite.Store(true)
		return set(c)
	})
	res, body := do(t, a.App, "GET /")
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, unavailable, body)
	require.Len(t, res.Cookies(), 1)
}

func TestFailedBegin(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	handled := 0
	for name, cfg := range map[string]authfiber.Config{
		"default": {}, "own": {ErrorHandler: func(*fiber.Ctx, error) error { handled++; return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			a := fiber.New()
			a.Use(authfiber.Session(m, cfg))
			a.Get("/", func(*fiber.Ctx) error { t.Error("the handler ran"); return nil })
			res, _ := do(t, a, "GET /")
			require.Equal(t, http.StatusInternalServerError, res.StatusCode)
		})
	}
	require.Equal(t, 1, handled)
}

func TestInsecureHTTPServesLoopback(t *testing.T) {
	m := newManager(t, newFaulty(), session.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	a := fiber.New()
	a.Use(authfiber.Session(m))
	a.Get("/", ok)
	send := dial(t, listen(t, a))
	for host, status := range map[string]int{"localhost:8080": 204, "evil.example": 500} {
		res, _ := send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		require.Equal(t, status, res.StatusCode)
	}
}

func TestPanic(t *testing.T) {
	a := newApp(t)
	b := fiber.New()
	b.Use(fiberrecover.New(), authfiber.Session(a.manager))
	b.Get("/", func(c *fiber.Ctx) error {
		require.NoError(t, login(c))
		require.NoError(t, set(c))
		panic("boom")
	})
	res, _ := do(t, b, "GET /")
	require.Equal(t, 500, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	a.Get("/note", func(c *fiber.Ctx) error {
		_, found, err := note.Get(authfiber.SessionFrom(c))
		return c.SendString(fmt.Sprint(found, err))
	})
	_, body := do(t, a.App, "GET /note", cookieLine(res))
	require.Equal(t, "false <nil>", body)
}

func TestMountedTwice(t *testing.T) {
	a := newApp(t)
	g := a.Group("/g", authfiber.Session(a.manager))
	g.Get("/", func(c *fiber.Ctx) error { return login(c) })
	res, _ := do(t, a.App, "GET /g/")
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
}

func TestTwoManagers(t *testing.T) {
	a := newApp(t)
	store := newFaulty()
	other := newManager(t, store, session.Config{App: "admin", Cookie: cookie.Config{Name: "admin"}})
	g := a.Group("/admin", func(c *fiber.Ctx) error {
		require.NoError(t, login(c))
		return c.Next()
	}, authfiber.Session(other))
	g.Get("/", func(c *fiber.Ctx) error {
		require.Same(t, other, authfiber.SessionFrom(c).Manager())
		return authfiber.SessionFrom(c).Login(c.UserContext(), session.Identity{Subject: "root"})
	})
	g.Get("/in", authfiber.RequireLogin(), ok)
	g.Get("/set", set)
	res, _ := do(t, a.App, "GET /admin/")
	var names []string
	for _, c := range res.Cookies() {
		names = append(names, c.Name)
	}
	require.ElementsMatch(t, []string{"__Host-admin", "__Host-session"}, names)
	res, _ = do(t, a.App, "GET /admin/in", a.cookie(t))
	require.Equal(t, 401, res.StatusCode, "the innermost session decides")
	require.Equal(t, `Cookie realm="admin"`, res.Header.Get("WWW-Authenticate"))

	store.noWrite.Store(true)
	res, body := do(t, a.App, "GET /admin/set")
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, unavailable, body)
	require.Len(t, res.Cookies(), 1, "the other manager's login stands")
}

func TestRestartRouting(t *testing.T) {
	a := newApp(t)
	a.Get("/from", func(c *fiber.Ctx) error {
		c.Path("/to")
		return c.RestartRouting()
	})
	a.Get("/to", func(c *fiber.Ctx) error {
		if err := login(c); err != nil {
			return err
		}
		return c.SendString("to")
	})
	res, body := do(t, a.App, "GET /from")
	require.Equal(t, "to", body)
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
}

func TestRestartRoutingOutside(t *testing.T) {
	a := newApp(t)
	b := fiber.New()
	restarted := false
	b.Use(func(c *fiber.Ctx) error {
		err := c.Next()
		if restarted || err != nil {
			return err
		}
		restarted = true
		return c.RestartRouting()
	}, authfiber.Session(a.manager))
	served := 0
	b.Get("/", func(c *fiber.Ctx) error { served++; return set(c) })
	res, _ := do(t, b, "GET /", a.cookie(t))
	require.Equal(t, 200, res.StatusCode, "a finished session serves nobody, so a second one was begun")
	require.Equal(t, 2, served)
}

func TestTimeoutMiddleware(t *testing.T) {
	a := newApp(t)
	a.Get("/", timeout.NewWithContext(func(c *fiber.Ctx) error {
		if err := login(c); err != nil {
			return err
		}
		return set(c)
	}, time.Hour))
	a.Get("/late", timeout.NewWithContext(func(c *fiber.Ctx) error {
		if err := login(c); err != nil {
			return err
		}
		return context.DeadlineExceeded
	}, time.Hour))
	res, _ := do(t, a.App, "GET /")
	require.Equal(t, 200, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	res, _ = do(t, a.App, "GET /late")
	require.Equal(t, fiber.StatusRequestTimeout, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
}

// On one connection fasthttp parses every request into the same buffers.
func TestKeptStringsSurviveTheNextRequest(t *testing.T) {
	var events []audit.Event
	m := newManager(t, newFaulty(), session.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { events = append(events, e) })})
	a := fiber.New()
	a.Use(authfiber.Session(m))
	var first *session.Session
	a.Get("/keep", func(c *fiber.Ctx) error {
		first = authfiber.SessionFrom(c)
		_, err := first.Principal()
		return err
	})
	a.Get("/login", login)
	a.Get("/other", func(c *fiber.Ctx) error { return set(c) })
	send := dial(t, listen(t, a))
	for _, extra := range []string{"", "Cookie: b=2\r\n", "X: 1\r\n folded\r\n"} {
		res, _ := send("GET /login HTTP/1.1\r\nHost: h\r\n\r\n")
		line := cookieLine(res)
		send("GET /keep HTTP/1.1\r\nHost: h\r\nUser-Agent: AAAAAAAAAAAAAAAAAAAA\r\n" + line + "\r\n" + extra + "\r\n")
		for range 3 {
			send("GET /other HTTP/1.1\r\nHost: h\r\nUser-Agent: BBBBBBBBBBBBBBBBBBBB\r\nCookie: " + strings.Repeat("c", len(line)) + "\r\n" + extra + "\r\n")
		}
		events = nil
		first.Audit(audit.AuthorizationFailed, audit.CauseRole, nil)
		require.Len(t, events, 1)
		require.Equal(t, "AAAAAAAAAAAAAAAAAAAA", events[0].UserAgent)
		p, err := first.Principal()
		require.NoError(t, err)
		require.Equal(t, "ada", p.Subject)
	}
}

func TestCookieLinesAreReadRaw(t *testing.T) {
	a := newApp(t)
	b := fiber.New()
	b.Use(func(c *fiber.Ctx) error {
		_ = c.Cookies("any") // makes fasthttp collect the cookies
		return c.Next()
	}, authfiber.Session(a.manager))
	b.Get("/", authfiber.RequireLogin(), ok)
	line := a.cookie(t)
	pair := strings.TrimPrefix(line, "Cookie: ")
	name, value, _ := strings.Cut(pair, "=")
	for request, status := range map[string]int{
		"Cookie: " + pair:                                204,
		"cOOKIE:" + pair:                                 204,
		"Cookie: a=1\r\nCookie: " + pair:                 204,
		"Cookie: " + pair + "\r\nCookie: a=1":            204,
		"Cookie: a=1;\r\n " + pair:                       204,
		"Cookie: junk; " + pair + "; =x":                 204,
		"Cookie: " + pair + "; " + pair:                  204,
		"Cookie: a=" + pair:                              401,
		"Cookie: " + strings.ToLower(name) + "=" + value: 401,
		"Cookie: " + name + " =" + value:                 401,
		"Cookie: " + name + "=\"" + value + "\"":         401,
		"X-Cookie: " + pair:                              401,
		"Cookies: " + pair:                               401,
	} {
		t.Run(strings.ReplaceAll(strings.ReplaceAll(request, value, "VALUE"), "\r\n", "|"), func(t *testing.T) {
			res, _ := dial(t, listen(t, b))("GET / HTTP/1.1\r\nHost: h\r\n" + request + "\r\n\r\n")
			require.Equal(t, status, res.StatusCode)
		})
	}
}

func TestHijack(t *testing.T) {
	a := newApp(t)
	after := make(chan error, 2)
	a.Get("/", func(c *fiber.Ctx) error {
		s := authfiber.SessionFrom(c)
		if err := set(c); err != nil {
			return err
		}
		c.Context().Hijack(func(net.Conn) {
			after <- note.Set(s, "too late")
			_, err := s.Principal()
			after <- err
		})
		return c.SendStatus(fiber.StatusSwitchingProtocols)
	})
	a.Get("/note", func(c *fiber.Ctx) error {
		v, _, err := note.Get(authfiber.SessionFrom(c))
		return c.SendString(fmt.Sprint(v, err))
	})
	cookie := a.cookie(t)
	res, _ := dial(t, listen(t, a.App))("GET / HTTP/1.1\r\nHost: h\r\n" + cookie + "\r\n\r\n")
	require.Equal(t, fiber.StatusSwitchingProtocols, res.StatusCode)
	require.ErrorIs(t, <-after, session.ErrFinished)
	require.NoError(t, <-after, "what was learnt stays readable on the socket")
	_, body := do(t, a.App, "GET /note", cookie)
	require.Equal(t, "x<nil>", body)
}

func TestRefusedHijackIsOff(t *testing.T) {
	a := newApp(t)
	a.Get("/", func(c *fiber.Ctx) error {
		c.Context().Hijack(func(conn net.Conn) { _, _ = conn.Write([]byte("raw bytes")) })
		if err := c.SendStatus(fiber.StatusSwitchingProtocols); err != nil {
			return err
		}
		return set(c)
	})
	a.store.noWrite.Store(true)
	send := dial(t, listen(t, a.App))
	for range 2 { // the connection is an ordinary one still
		res, body := send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		require.Equal(t, 503, res.StatusCode)
		require.Equal(t, unavailable, body)
	}
}

func TestStreamCannotWriteAnyMore(t *testing.T) {
	a := newApp(t)
	a.Get("/", func(c *fiber.Ctx) error {
		s, err := authfiber.SessionFrom(c), login(c)
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			_, _ = fmt.Fprint(w, errors.Is(note.Set(s, "x"), session.ErrFinished), errors.Is(s.Logout(context.Background()), session.ErrHeadersSent))
		})
		return err
	})
	res, body := do(t, a.App, "GET /")
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, "true true", body)
}

func TestHEAD(t *testing.T) {
	a := newApp(t)
	a.Get("/", func(c *fiber.Ctx) error { _ = login(c); return c.SendString("not sent") })
	a.Get("/in", authfiber.RequireLogin(), ok)
	res, body := do(t, a.App, "HEAD /")
	require.Len(t, res.Cookies(), 1)
	require.Empty(t, body)
	res, body = do(t, a.App, "HEAD /in")
	require.Equal(t, 401, res.StatusCode)
	require.Empty(t, body)
}

func TestUnmatchedRouteAndOPTIONS(t *testing.T) {
	a := newApp(t)
	res, _ := do(t, a.App, "GET /none", a.cookie(t))
	require.Equal(t, 404, res.StatusCode)
	require.Empty(t, res.Header.Values("Vary"))
	res, _ = do(t, a.App, "OPTIONS /login")
	require.Equal(t, 405, res.StatusCode)
}

func TestClientIP(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  authfiber.Config
		want string
	}{
		"default":     {authfiber.Config{}, "127.0.0.1"},
		"TrustProxy":  {authfiber.Config{TrustProxy: []string{"127.0.0.0/8"}}, "203.0.113.9"},
		"own":         {authfiber.Config{ClientIP: func(*fiber.Ctx) netip.Addr { return netip.MustParseAddr("2001:db8::1") }}, "2001:db8::1"},
		"own, silent": {authfiber.Config{ClientIP: func(*fiber.Ctx) netip.Addr { return netip.Addr{} }}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			var got netip.Addr
			m := newManager(t, newFaulty(), session.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = e.ClientIP })})
			a := fiber.New()
			a.Use(authfiber.Session(m, tt.cfg))
			a.Get("/", login)
			dial(t, listen(t, a))("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n")
			require.Equal(t, tt.want, got.String())
		})
	}
}

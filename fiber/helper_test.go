package authfiber_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

var (
	note    = session.NewKey[string]("note")
	ada     = session.Identity{Subject: "ada", Roles: []string{"editor"}}
	errDown = errors.New("store is down")
)

const unavailable = `{"error":"STORE_UNAVAILABLE","message":"the identity could not be checked just now; try again shortly"}`

// faulty is a memstore whose reads and writes can be made to fail.
type faulty struct {
	*memstore.Store
	noLoad, noWrite atomic.Bool
}

func newFaulty() *faulty { return &faulty{Store: memstore.Default()} }

func (f *faulty) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if f.noLoad.Load() {
		return errDown
	}
	return f.Store.Load(ctx, keys, out)
}

func (f *faulty) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	if f.noWrite.Load() {
		return 0, nil, errDown
	}
	return f.Store.Create(ctx, key, e, a)
}

func (f *faulty) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if f.noWrite.Load() {
		return session.Entry{}, errDown
	}
	return f.Store.Swap(ctx, key, version, next)
}

func newManager(t testing.TB, store session.Store, cfg session.Config) *session.Manager {
	t.Helper()
	m, err := session.New(store, cfg)
	require.NoError(t, err)
	return m
}

// app is an application with the middleware, and what was made for it.
type app struct {
	*fiber.App
	store   *faulty
	manager *session.Manager
}

func newApp(t testing.TB, cfg ...authfiber.Config) *app { return newAppWith(t, fiber.Config{}, cfg...) }

func newAppWith(t testing.TB, appCfg fiber.Config, cfg ...authfiber.Config) *app {
	t.Helper()
	a := &app{App: fiber.New(appCfg), store: newFaulty()}
	a.manager = newManager(t, a.store, session.Config{})
	a.Use(authfiber.Session(a.manager, cfg...))
	a.Get("/login", func(c *fiber.Ctx) error { return login(c) })
	return a
}

func login(c *fiber.Ctx) error { return authfiber.SessionFrom(c).Login(c.UserContext(), ada) }

// cookie logs in and returns the Cookie line.
func (a *app) cookie(t testing.TB) string {
	t.Helper()
	res, _ := do(t, a.App, "GET /login")
	require.Len(t, res.Cookies(), 1)
	return cookieLine(res)
}

func cookieLine(res *http.Response) string {
	return "Cookie: " + res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
}

// do sends one request, "METHOD /target" and header lines.
func do(t testing.TB, a *fiber.App, request string, lines ...string) (*http.Response, string) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	res, err := a.Test(r, -1)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// listen serves a on a real connection, on which buffers are used again.
func listen(t testing.TB, a *fiber.App) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a.Server().Handler = a.Handler()
	done := make(chan error, 1)
	go func() { done <- a.Server().Serve(ln) }()
	t.Cleanup(func() {
		require.NoError(t, ln.Close())
		<-done
	})
	return ln.Addr().String()
}

// dial opens a connection and returns a function that sends one request over it.
func dial(t testing.TB, addr string) func(request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	in := bufio.NewReader(conn)
	return func(request string) (*http.Response, string) {
		t.Helper()
		_, err := io.WriteString(conn, request)
		require.NoError(t, err)
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, string(body)
	}
}

// doBody is do with a body of JSON.
func doBody(t testing.TB, a *fiber.App, request, body string) (*http.Response, string) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	res, err := a.Test(r, -1)
	require.NoError(t, err)
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(answer)
}

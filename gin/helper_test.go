package authgin_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
)

func init() { gin.SetMode(gin.ReleaseMode) }

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

// app is an engine with the middleware, and what was made for it.
type app struct {
	*gin.Engine
	store   *faulty
	manager *session.Manager
}

func newApp(t testing.TB, cfg ...authgin.Config) *app {
	t.Helper()
	a := &app{Engine: gin.New(), store: newFaulty()}
	a.manager = newManager(t, a.store, session.Config{})
	a.Use(authgin.Session(a.manager, cfg...))
	a.GET("/login", func(c *gin.Context) { login(t, c) })
	return a
}

func login(t testing.TB, c *gin.Context) {
	t.Helper()
	require.NoError(t, authgin.SessionFrom(c).Login(c.Request.Context(), ada))
}

// cookie logs in and returns the Cookie line.
func (a *app) cookie(t testing.TB) string {
	t.Helper()
	res, _ := do(t, a, "GET /login")
	require.Len(t, res.Cookies(), 1)
	return cookieLine(res)
}

func cookieLine(res *http.Response) string {
	return "Cookie: " + res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
}

// do sends one request, "METHOD /target" and header lines.
func do(t testing.TB, h http.Handler, request string, lines ...string) (*http.Response, string) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// buffering stands for compressing middlewares: it wraps the writer, changes what
// is written, and leaves itself behind.
type buffering struct {
	gin.ResponseWriter
	closed bool
}

func (b *buffering) Write(p []byte) (int, error) {
	if b.closed {
		return 0, errors.New("written after close")
	}
	if _, err := b.ResponseWriter.Write([]byte(strings.ToUpper(string(p)))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func upperCase(c *gin.Context) {
	b := &buffering{ResponseWriter: c.Writer}
	c.Writer = b
	c.Header("Content-Encoding", "upper")
	c.Next()
	b.closed = true
}

// doBody is do with a body of JSON.
func doBody(t testing.TB, h http.Handler, request, body string) (*http.Response, string) {
	t.Helper()
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(answer)
}

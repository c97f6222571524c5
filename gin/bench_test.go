package authgin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	authgin "github.com/sallyport-go/sallyport/gin"
)

// What a request may cost over the bare framework, in allocations.
const (
	untouchedBudget = 3
	readBudget      = 5
)

var benchKey = session.NewKey[string]("name")

// discard is a ResponseWriter that costs nothing, so that what is measured is the
// middleware.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) serve(h http.Handler, r *http.Request) {
	clear(d.header)
	h.ServeHTTP(d, r)
}

type bench struct {
	bare, mounted http.Handler
	cookie        string
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	gin.SetMode(gin.ReleaseMode)
	manager, err := session.New(memstore.Default(), session.Config{})
	require.NoError(tb, err)

	bare := gin.New()
	bare.GET("/untouched", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	bare.GET("/read", func(c *gin.Context) { c.Status(http.StatusNoContent) })

	mounted := gin.New()
	mounted.Use(authgin.Session(manager))
	mounted.GET("/untouched", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	mounted.GET("/read", func(c *gin.Context) {
		if _, _, err := benchKey.Get(authgin.SessionFrom(c)); err != nil {
			panic(err)
		}
		c.Status(http.StatusNoContent)
	})
	mounted.GET("/login", func(c *gin.Context) {
		s := authgin.SessionFrom(c)
		require.NoError(tb, s.Login(c.Request.Context(), session.Identity{Subject: "ada"}))
		require.NoError(tb, benchKey.Set(s, "Ada Lovelace"))
	})

	w := httptest.NewRecorder()
	mounted.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/login", nil))
	cookies := w.Result().Cookies()
	require.Len(tb, cookies, 1)
	return &bench{bare: bare, mounted: mounted, cookie: cookies[0].Name + "=" + cookies[0].Value}
}

func (b *bench) request(path string, cookie bool) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0")
	r.Header.Set("Accept", "text/html")
	if cookie {
		r.Header.Set("Cookie", "theme=dark; "+b.cookie)
	}
	return r
}

func (b *bench) run(tb *testing.B, h http.Handler, path string) {
	for _, row := range []struct {
		name   string
		cookie bool
	}{{"cookie", true}, {"anonymous", false}} {
		tb.Run(row.name, func(tb *testing.B) {
			r, w := b.request(path, row.cookie), &discard{header: http.Header{}}
			tb.ReportAllocs()
			for tb.Loop() {
				w.serve(h, r)
			}
		})
	}
}

func BenchmarkBare(tb *testing.B)      { b := newBench(tb); b.run(tb, b.bare, "/untouched") }
func BenchmarkUntouched(tb *testing.B) { b := newBench(tb); b.run(tb, b.mounted, "/untouched") }
func BenchmarkRead(tb *testing.B)      { b := newBench(tb); b.run(tb, b.mounted, "/read") }

// TestAllocations holds what the middleware adds to a request with the cookie of
// a live session. Both sides are averages, because the race detector makes the
// framework's pools forgetful.
func TestAllocations(t *testing.T) {
	const runs = 2000
	average := func(f func()) float64 {
		return testing.AllocsPerRun(1, func() {
			for range runs {
				f()
			}
		}) / runs
	}
	b := newBench(t)
	for _, row := range []struct {
		path   string
		budget float64
	}{{"/untouched", untouchedBudget}, {"/read", readBudget}} {
		t.Run(row.path[1:], func(t *testing.T) {
			r, w := b.request(row.path, true), &discard{header: http.Header{}}
			bare := average(func() { w.serve(b.bare, r) })
			mounted := average(func() { w.serve(b.mounted, r) })
			t.Logf("bare %.2f, mounted %.2f", bare, mounted)
			require.Less(t, mounted-bare, row.budget+0.5)
		})
	}
}

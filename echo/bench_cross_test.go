package authecho_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	authecho "github.com/sallyport-go/sallyport/echo"
)

// What CORS and CSRF may cost over the bare framework, in allocations.
const (
	corsBudget = 2
	csrfBudget = 4
)

type crossRow struct {
	name, method string
	lines        []string
}

// corsRows are requests to an application with a policy, the last two of them meant to be
// dear.
var corsRows = []crossRow{
	{"same-origin", "GET", nil},
	{"actual", "GET", []string{"Origin: https://app-0.example.com"}},
	{"refused", "GET", []string{"Origin: https://evil.example"}},
	{"preflight", "OPTIONS", []string{
		"Origin: https://app-0.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: content-type,x-csrf-token",
	}},
	{"long-origin", "GET", []string{"Origin: https://" + strings.Repeat("a.", 32<<10)}},
	{"many-commas", "OPTIONS", []string{
		"Origin: https://app-0.example.com", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: " + strings.Repeat(",", 64<<10),
	}},
}

// csrfRows are requests to an application with a guard that layer one is enough for.
var csrfRows = []crossRow{
	{"safe", "GET", []string{"Sec-Fetch-Site: same-origin"}},
	{"unsafe", "POST", []string{"Sec-Fetch-Site: same-origin", "Origin: https://example.com"}},
}

// crossBench is an application without anything, with a policy of so many origins, and
// with a guard.
type crossBench struct{ bare, cors, csrf http.Handler }

func newCrossBench(tb testing.TB, origins int) *crossBench {
	tb.Helper()
	cfg := cors.Config{Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"Content-Type", "X-CSRF-Token"}, ResponseHeaders: []string{"X-Total"}}
	for i := range origins {
		cfg.Origins = append(cfg.Origins, fmt.Sprintf("https://app-%d.example.com", i))
	}
	policy, err := cors.New(cfg)
	require.NoError(tb, err)
	guard, err := csrf.New(csrf.Config{})
	require.NoError(tb, err)
	serve := func(middleware ...echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.Use(middleware...)
		e.Any("/", func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		return e
	}
	return &crossBench{bare: serve(), cors: serve(authecho.CORS(policy)), csrf: serve(authecho.CSRF(guard))}
}

// request makes the request of a browser.
func (r *crossRow) request() *http.Request {
	req := httptest.NewRequest(r.method, "/", nil)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0")
	req.Header.Set("Accept", "text/html")
	for _, l := range r.lines {
		name, value, _ := strings.Cut(l, ": ")
		req.Header.Add(name, value)
	}
	return req
}

func (r *crossRow) run(b *testing.B, name string, h http.Handler) {
	b.Run(r.name+"/"+name, func(b *testing.B) {
		req, w := r.request(), &discard{header: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			w.serve(h, req)
		}
	})
}

func BenchmarkCORS(b *testing.B) {
	for _, origins := range []int{1, 1000} {
		b.Run(strconv.Itoa(origins), func(b *testing.B) {
			apps := newCrossBench(b, origins)
			for _, row := range corsRows {
				row.run(b, "bare", apps.bare)
				row.run(b, "mounted", apps.cors)
			}
		})
	}
}

func BenchmarkCSRF(b *testing.B) {
	apps := newCrossBench(b, 1)
	for _, row := range csrfRows {
		row.run(b, "bare", apps.bare)
		row.run(b, "mounted", apps.csrf)
	}
}

// TestCrossAllocations holds what CORS and CSRF add to a request, also to one that is meant
// to be dear, and that more origins add nothing.
func TestCrossAllocations(t *testing.T) {
	const runs = 200
	average := func(f func()) float64 {
		return testing.AllocsPerRun(1, func() {
			for range runs {
				f()
			}
		}) / runs
	}
	for _, origins := range []int{1, 1000} {
		b := newCrossBench(t, origins)
		for _, row := range corsRows {
			t.Run(fmt.Sprintf("cors/%d/%s", origins, row.name), func(t *testing.T) {
				req, w := row.request(), &discard{header: http.Header{}}
				bare := average(func() { w.serve(b.bare, req) })
				mounted := average(func() { w.serve(b.cors, req) })
				t.Logf("bare %.2f, mounted %.2f", bare, mounted)
				require.Less(t, mounted-bare, corsBudget+0.5)
			})
		}
	}
	b := newCrossBench(t, 1)
	for _, row := range csrfRows {
		t.Run("csrf/"+row.name, func(t *testing.T) {
			req, w := row.request(), &discard{header: http.Header{}}
			bare := average(func() { w.serve(b.bare, req) })
			mounted := average(func() { w.serve(b.csrf, req) })
			t.Logf("bare %.2f, mounted %.2f", bare, mounted)
			require.Less(t, mounted-bare, csrfBudget+0.5)
		})
	}
}

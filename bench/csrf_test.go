package bench

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	fibercsrf "github.com/gofiber/fiber/v2/middleware/csrf"
	gorillacsrf "github.com/gorilla/csrf"
	"github.com/justinas/nosurf"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/csrf"
	authecho "github.com/sallyport-go/sallyport/echo"
	authfiber "github.com/sallyport-go/sallyport/fiber"
	authgin "github.com/sallyport-go/sallyport/gin"
)

const (
	csrfOrigin = "https://example.com" // of every prepared request
	csrfHeader = "X-Csrf-Token"        // the canonical form of everybody's default
)

var csrfSecret = []byte(strings.Repeat("s", 32))

// A csrfLibrary is a middleware against forged requests.
type csrfLibrary struct {
	name string
	make func(tb testing.TB) crossLibrary
	// headers: it looks at what browsers say and at no token.
	headers bool
}

func guardOf(tb testing.TB, tokens bool) *csrf.Guard {
	cfg := csrf.Config{PublicOrigin: csrfOrigin, InsecureNoTokens: !tokens}
	if tokens {
		cfg.Secret = csrfSecret
	}
	g, err := csrf.New(cfg)
	require.NoError(tb, err)
	return g
}

func bareCSRF(testing.TB) crossLibrary { return crossLibrary{} }

var csrfRows = []struct {
	name      string
	libraries []csrfLibrary
}{
	{"gin", []csrfLibrary{
		{name: "bare", make: bareCSRF},
		{name: "sallyport", make: func(tb testing.TB) crossLibrary {
			return crossLibrary{
				gin:   []gin.HandlerFunc{authgin.CSRF(guardOf(tb, true))},
				token: func(c any) (string, error) { return authgin.CSRFToken(c.(*gin.Context)) },
			}
		}},
		{name: "sallyport-headers", headers: true, make: func(tb testing.TB) crossLibrary {
			return crossLibrary{gin: []gin.HandlerFunc{authgin.CSRF(guardOf(tb, false))}}
		}},
	}},
	{"echo", []csrfLibrary{
		{name: "bare", make: bareCSRF},
		{name: "sallyport", make: func(tb testing.TB) crossLibrary {
			return crossLibrary{
				echo:  []echo.MiddlewareFunc{authecho.CSRF(guardOf(tb, true))},
				token: func(c any) (string, error) { return authecho.CSRFToken(c.(echo.Context)) },
			}
		}},
		{name: "sallyport-headers", headers: true, make: func(tb testing.TB) crossLibrary {
			return crossLibrary{echo: []echo.MiddlewareFunc{authecho.CSRF(guardOf(tb, false))}}
		}},
		{name: "echo-csrf", make: func(testing.TB) crossLibrary {
			return crossLibrary{
				echo: []echo.MiddlewareFunc{middleware.CSRF()},
				token: func(c any) (string, error) {
					token, _ := c.(echo.Context).Get(middleware.DefaultCSRFConfig.ContextKey).(string)
					return token, nil
				},
			}
		}},
	}},
	{"fiber", []csrfLibrary{
		{name: "bare", make: bareCSRF},
		{name: "sallyport", make: func(tb testing.TB) crossLibrary {
			return crossLibrary{
				fiber: []fiber.Handler{authfiber.CSRF(guardOf(tb, true))},
				token: func(c any) (string, error) { return authfiber.CSRFToken(c.(*fiber.Ctx)) },
			}
		}},
		{name: "sallyport-headers", headers: true, make: func(tb testing.TB) crossLibrary {
			return crossLibrary{fiber: []fiber.Handler{authfiber.CSRF(guardOf(tb, false))}}
		}},
		{name: "fiber-csrf", make: func(testing.TB) crossLibrary {
			return crossLibrary{
				fiber: []fiber.Handler{fibercsrf.New(fibercsrf.Config{ContextKey: "csrf"})},
				token: func(c any) (string, error) {
					token, _ := c.(*fiber.Ctx).Locals("csrf").(string)
					return token, nil
				},
			}
		}},
	}},
	{"http", []csrfLibrary{
		{name: "bare", make: bareCSRF},
		{name: "gorilla", make: func(testing.TB) crossLibrary {
			return crossLibrary{
				http:  gorillacsrf.Protect(csrfSecret),
				token: func(r any) (string, error) { return gorillacsrf.Token(r.(*http.Request)), nil },
			}
		}},
		{name: "nosurf", make: func(testing.TB) crossLibrary {
			return crossLibrary{
				http:  func(next http.Handler) http.Handler { return nosurf.New(next) },
				token: func(r any) (string, error) { return nosurf.Token(r.(*http.Request)), nil },
			}
		}},
		{name: "net-http", headers: true, make: func(testing.TB) crossLibrary {
			return crossLibrary{http: http.NewCrossOriginProtection().Handler}
		}},
	}},
}

// csrfOperation is a request that changes something and brings what lib wants. The token
// rows do not send Sec-Fetch-Site, because Echo does not look at the token of who does.
func csrfOperation(tb testing.TB, lib csrfLibrary, a *app) crossOperation {
	op := crossOperation{name: "unsafe", method: http.MethodPost, path: writePath, status: http.StatusOK}
	if lib.name == "bare" {
		op.lines = []line{{"Origin", csrfOrigin}}
		return op
	}
	if lib.headers {
		op.lines = []line{{"Sec-Fetch-Site", "same-origin"}}
		return op
	}
	c := a.ask(http.MethodGet, tokenPath)
	c.call()
	require.Equal(tb, http.StatusOK, c.status())
	token := c.(interface{ text() string }).text()
	require.NotEmpty(tb, token)
	sent, err := cookieHeader(c.setCookies())
	require.NoError(tb, err)
	op.lines = []line{{"Origin", csrfOrigin}, {"Cookie", sent}, {csrfHeader, token}}
	return op
}

func (c *httpCaller) text() string  { return string(c.w.body) }
func (c *fiberCaller) text() string { return string(c.ctx.Response.Body()) }

// TestCSRFRows runs every row once, and shows that what protects nobody is no row: the
// request of another page, and one without its token, are refused.
func TestCSRFRows(t *testing.T) {
	for _, fw := range csrfRows {
		for _, lib := range fw.libraries {
			t.Run(fw.name+"/"+lib.name, func(t *testing.T) {
				a := crossApps[fw.name](lib.make(t))
				op := csrfOperation(t, lib, a)
				require.NoError(t, op.verify(a.ask(op.method, op.path, op.lines...), lib.name == "bare"))
				if lib.name == "bare" {
					return
				}
				bad := []line{{"Sec-Fetch-Site", "cross-site"}}
				if !lib.headers {
					bad = op.lines[:2] // everything but the token
				}
				c := a.ask(op.method, op.path, bad...)
				c.call()
				require.Contains(t, []int{http.StatusForbidden, http.StatusBadRequest}, c.status())
			})
		}
	}
}

func BenchmarkCSRF(b *testing.B) {
	for _, fw := range csrfRows {
		for _, lib := range fw.libraries {
			b.Run(fw.name+"/"+lib.name+"/unsafe", func(b *testing.B) {
				a := crossApps[fw.name](lib.make(b))
				op := csrfOperation(b, lib, a)
				op.measure(b, a.ask(op.method, op.path, op.lines...), lib.name == "bare")
			})
		}
	}
}

// BenchmarkGuard is what the layers cost by themselves.
func BenchmarkGuard(b *testing.B) {
	g := guardOf(b, true)
	b.Run("check", func(b *testing.B) {
		r := csrf.Request{Method: http.MethodPost, Origin: []string{csrfOrigin}, Host: "example.com", Secure: true}
		b.ReportAllocs()
		for b.Loop() {
			if err := g.Check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("verify", func(b *testing.B) {
		nonce, err := g.Nonce()
		require.NoError(b, err)
		token, err := g.Token(csrf.ToVisitor(nonce), "")
		require.NoError(b, err)
		action := csrf.Action(http.MethodPost, writePath)
		b.ReportAllocs()
		for b.Loop() {
			if err := g.Verify(token, csrf.ToVisitor(nonce), action); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net-http", func(b *testing.B) {
		p := http.NewCrossOriginProtection()
		r, err := http.NewRequest(http.MethodPost, csrfOrigin+writePath, nil)
		require.NoError(b, err)
		r.Header.Set("Origin", csrfOrigin)
		b.ReportAllocs()
		for b.Loop() {
			if err := p.Check(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

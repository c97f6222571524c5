package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
)

// Requests of other origins carry more headers than one, and not all are answered 200.

// A line is one header line of a request.
type line struct{ name, value string }

// An asker is a caller whose answer is looked at more closely.
type asker interface {
	caller
	add(l line)
	status() int
	field(name string) string // the first line of the answer's header
}

// ask prepares a request with these lines.
func (a *app) ask(method, path string, lines ...line) asker {
	c := a.request(method, path, "", "").(asker)
	for _, l := range lines {
		c.add(l)
	}
	return c
}

func (c *httpCaller) add(l line)            { c.proto.Header[l.name] = append(c.proto.Header[l.name], l.value) }
func (c *httpCaller) status() int           { return c.w.status }
func (c *httpCaller) field(n string) string { return c.w.header.Get(n) }

func (c *fiberCaller) add(l line) {
	c.raw = append(bytes.TrimSuffix(c.raw, []byte("\r\n")), l.name+": "+l.value+"\r\n\r\n"...)
	// The server's own limit is 4 KiB; what is measured here comes later.
	if need := len(c.raw) + 1; c.buf.Size() < need {
		c.buf = newReader(need)
	}
}
func (c *fiberCaller) status() int           { return c.ctx.Response.StatusCode() }
func (c *fiberCaller) field(n string) string { return string(c.ctx.Response.Header.Peek(n)) }

// A crossLibrary is a middleware about other origins in one framework: what mounts it, of
// which one is set, and what it needs around it.
type crossLibrary struct {
	gin   []gin.HandlerFunc
	echo  []echo.MiddlewareFunc
	fiber []fiber.Handler
	http  func(http.Handler) http.Handler
	// token writes the token that the library gives out into an answer; nil: none.
	token func(any) (string, error)
}

// tokenPath is where a token and its cookie come from.
const tokenPath = "/token"

// crossApps mount a library in front of routes that answer done at once. The floor has an
// OPTIONS route: that costs the framework as much as a middleware that ends the chain.
var crossApps = map[string]func(l crossLibrary) *app{
	"gin": func(l crossLibrary) *app {
		gin.SetMode(gin.ReleaseMode)
		router := gin.New()
		router.Use(l.gin...)
		answer := func(c *gin.Context) { c.String(http.StatusOK, done) }
		router.GET(readPath, answer)
		router.POST(writePath, answer)
		router.OPTIONS(readPath, func(c *gin.Context) { c.AbortWithStatus(http.StatusNoContent) })
		router.GET(tokenPath, func(c *gin.Context) { text, err := l.token(c); c.String(code(err), text) })
		return httpApp(router)
	},
	"echo": func(l crossLibrary) *app {
		e := echo.New()
		e.Use(l.echo...)
		answer := func(c echo.Context) error { return c.String(http.StatusOK, done) }
		e.GET(readPath, answer)
		e.POST(writePath, answer)
		e.OPTIONS(readPath, func(c echo.Context) error { return c.NoContent(http.StatusNoContent) })
		e.GET(tokenPath, func(c echo.Context) error {
			text, err := l.token(c)
			return c.String(code(err), text)
		})
		return httpApp(e)
	},
	"fiber": func(l crossLibrary) *app {
		router := fiber.New(fiber.Config{DisableStartupMessage: true})
		for _, h := range l.fiber {
			router.Use(h)
		}
		answer := func(c *fiber.Ctx) error { return c.SendString(done) }
		router.Get(readPath, answer)
		router.Post(writePath, answer)
		router.Options(readPath, func(c *fiber.Ctx) error { c.Status(http.StatusNoContent); return nil })
		router.Get(tokenPath, func(c *fiber.Ctx) error {
			text, err := l.token(c)
			return c.Status(code(err)).SendString(text)
		})
		return fiberApp(router.Handler())
	},
	"http": func(l crossLibrary) *app {
		mux := http.NewServeMux()
		answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, done) }
		mux.HandleFunc("GET "+readPath, answer)
		mux.HandleFunc("POST "+writePath, answer)
		mux.HandleFunc("OPTIONS "+readPath, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
		mux.HandleFunc("GET "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
			text, err := l.token(r)
			w.WriteHeader(code(err))
			_, _ = io.WriteString(w, text)
		})
		if l.http == nil {
			return httpApp(mux)
		}
		return httpApp(l.http(mux))
	},
}

func code(err error) int {
	if err != nil {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// A crossOperation is one request and what must become of it.
type crossOperation struct {
	name, method, path string
	lines              []line
	status             int
	// fields must be in the answer of a library, and not in that of the floor.
	fields []line
	// absent must not be in it.
	absent []string
}

func (o crossOperation) verify(c asker, bare bool) error {
	c.call()
	want := o.status
	if bare && o.status == http.StatusForbidden {
		want = http.StatusOK
	}
	if got := c.status(); got != want {
		return fmt.Errorf("%s: status %d, want %d", o.name, got, want)
	}
	for _, f := range o.fields {
		got := c.field(f.name)
		if bare && got != "" || !bare && !strings.Contains(strings.ToLower(got), strings.ToLower(f.value)) {
			return fmt.Errorf("%s: %s is %q, want %q", o.name, f.name, got, f.value)
		}
	}
	for _, name := range o.absent {
		if got := c.field(name); got != "" {
			return fmt.Errorf("%s: %s is %q, want none", o.name, name, got)
		}
	}
	return nil
}

// measure sends the request again and again, and looks at each status.
func (o crossOperation) measure(b *testing.B, c asker, bare bool) {
	if err := o.verify(c, bare); err != nil {
		b.Fatal(err)
	}
	status := c.status()
	b.ReportAllocs()
	for b.Loop() {
		c.call()
		if c.status() != status {
			b.Fatalf("status %d, want %d", c.status(), status)
		}
	}
	if err := o.verify(c, bare); err != nil {
		b.Fatal(err)
	}
}

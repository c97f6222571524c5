package authfiber_test

import (
	"bufio"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
	authfiber "github.com/sallyport-go/sallyport/fiber"
)

// What a request may cost over the bare framework, in allocations.
const (
	untouchedBudget = 2
	readBudget      = 5
)

var benchKey = session.NewKey[string]("name")

type bench struct {
	bare, mounted fasthttp.RequestHandler
	cookie        string
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	manager, err := session.New(memstore.Default(), session.Config{})
	require.NoError(tb, err)

	bare := fiber.New()
	bare.Get("/untouched", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) })
	bare.Get("/read", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) })

	mounted := fiber.New()
	mounted.Use(authfiber.Session(manager))
	mounted.Get("/untouched", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusNoContent) })
	mounted.Get("/read", func(c *fiber.Ctx) error {
		if _, _, err := benchKey.Get(authfiber.SessionFrom(c)); err != nil {
			return err
		}
		return c.SendStatus(fiber.StatusNoContent)
	})
	mounted.Get("/login", func(c *fiber.Ctx) error {
		s := authfiber.SessionFrom(c)
		require.NoError(tb, s.Login(c.UserContext(), session.Identity{Subject: "ada"}))
		return benchKey.Set(s, "Ada Lovelace")
	})

	b := &bench{bare: bare.Handler(), mounted: mounted.Handler()}
	ctx := b.request(tb, "/login", false)
	b.mounted(ctx)
	line := string(ctx.Response.Header.Peek("Set-Cookie"))
	require.NotEmpty(tb, line)
	b.cookie, _, _ = strings.Cut(line, ";")
	return b
}

// request makes a context whose request was parsed from bytes, as the server
// does. With Header.Set there would be no raw headers to read.
func (b *bench) request(tb testing.TB, path string, cookie bool) *fasthttp.RequestCtx {
	tb.Helper()
	raw := "GET " + path + " HTTP/1.1\r\nHost: example.com\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0\r\nAccept: text/html\r\n"
	if cookie {
		raw += "Cookie: theme=dark; " + b.cookie + "\r\n"
	}
	return parsed(tb, raw+"\r\n")
}

func parsed(tb testing.TB, raw string) *fasthttp.RequestCtx {
	tb.Helper()
	ctx := &fasthttp.RequestCtx{}
	require.NoError(tb, ctx.Request.Header.Read(bufio.NewReaderSize(strings.NewReader(raw), 128<<10)))
	return ctx
}

// serve lets h answer ctx once more, as the next request of its connection.
func serve(h fasthttp.RequestHandler, ctx *fasthttp.RequestCtx) {
	ctx.ResetUserValues()
	ctx.Response.Reset()
	h(ctx)
}

func (b *bench) run(tb *testing.B, h fasthttp.RequestHandler, path string) {
	for _, row := range []struct {
		name   string
		cookie bool
	}{{"cookie", true}, {"anonymous", false}} {
		tb.Run(row.name, func(tb *testing.B) {
			ctx := b.request(tb, path, row.cookie)
			tb.ReportAllocs()
			for tb.Loop() {
				serve(h, ctx)
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
			ctx := b.request(t, row.path, true)
			bare := average(func() { serve(b.bare, ctx) })
			mounted := average(func() { serve(b.mounted, ctx) })
			t.Logf("bare %.2f, mounted %.2f", bare, mounted)
			require.Less(t, mounted-bare, row.budget+0.5)
		})
	}
}

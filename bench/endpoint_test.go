package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"

	"github.com/sallyport-go/sallyport/core/refresh"
	authecho "github.com/sallyport-go/sallyport/echo"
	authfiber "github.com/sallyport-go/sallyport/fiber"
	authgin "github.com/sallyport-go/sallyport/gin"
)

const (
	refreshPath = "/refresh"
	jsonType    = "application/json"

	beforeToken = `"refresh_token":"`
	tokenLen    = 88
)

// refreshBody is what a client sends.
func refreshBody(raw string) string {
	return `{"grant_type":"refresh_token",` + beforeToken + raw + `","client_id":"` + clientID + `"}`
}

// successor reads the next token out of an answer, as cheaply as can be: the floor pays
// for it too.
func successor(body []byte) (string, error) {
	i := bytes.Index(body, []byte(beforeToken))
	if i < 0 || len(body) < i+len(beforeToken)+tokenLen {
		return "", errNotRotated
	}
	i += len(beforeToken)
	return string(body[i : i+tokenLen]), nil
}

// A poster sends a refresh token to an endpoint, without a socket, and returns the body
// of the answer, which is good until the next call.
type poster interface {
	post(raw string) ([]byte, error)
}

// httpPoster serves Gin and Echo.
type httpPoster struct {
	h     http.Handler
	w     recorder
	proto http.Request
	r     http.Request
	body  []byte
	at    int // where in body the token stands
	in    bytes.Reader
}

func newHTTPPoster(h http.Handler) poster {
	p := &httpPoster{h: h, w: recorder{header: http.Header{}}, body: []byte(refreshBody(strings.Repeat("x", tokenLen)))}
	p.at = bytes.IndexByte(p.body, 'x')
	p.proto = *httptest.NewRequest(http.MethodPost, refreshPath, bytes.NewReader(p.body))
	p.proto.Header.Set("User-Agent", userAgent)
	p.proto.Header.Set("Content-Type", jsonType)
	return p
}

func (p *httpPoster) post(raw string) ([]byte, error) {
	copy(p.body[p.at:], raw)
	clear(p.w.header)
	p.w.status, p.w.body = 0, p.w.body[:0]
	p.in.Reset(p.body)
	p.r = p.proto
	p.r.Body = io.NopCloser(&p.in)
	p.h.ServeHTTP(&p.w, &p.r)
	return posted(p.w.status, p.w.body)
}

// fiberPoster parses its request from bytes each time, as the server does.
type fiberPoster struct {
	h   fasthttp.RequestHandler
	raw []byte
	at  int // where in raw the token stands
	in  bytes.Reader
	buf *bufio.Reader
	ctx fasthttp.RequestCtx
}

func newFiberPoster(h fasthttp.RequestHandler) poster {
	body := refreshBody(strings.Repeat("~", tokenLen))
	raw := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: example.com\r\nUser-Agent: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		refreshPath, userAgent, jsonType, len(body), body)
	return &fiberPoster{h: h, raw: []byte(raw), at: strings.IndexByte(raw, '~'), buf: bufio.NewReader(nil)}
}

func (p *fiberPoster) post(raw string) ([]byte, error) {
	copy(p.raw[p.at:], raw)
	p.ctx.ResetUserValues()
	p.ctx.Request.Reset()
	p.ctx.Response.Reset()
	p.in.Reset(p.raw)
	p.buf.Reset(&p.in)
	if err := p.ctx.Request.Read(p.buf); err != nil {
		return nil, err
	}
	p.h(&p.ctx)
	return posted(p.ctx.Response.StatusCode(), p.ctx.Response.Body())
}

func posted(status int, body []byte) ([]byte, error) {
	if status != http.StatusOK {
		return nil, fmt.Errorf("answer is %d %q, want 200", status, body)
	}
	return body, nil
}

// endpoints are the frameworks. The bare handler reads the request and answers as many
// bytes.
var endpoints = []struct {
	name string
	bare func(answer []byte) poster
	ours func(r *refresh.Rotator) poster
}{
	{"gin", func(answer []byte) poster {
		return ginEndpoint(func(c *gin.Context) {
			if _, err := io.ReadAll(c.Request.Body); err != nil {
				_ = c.AbortWithError(http.StatusInternalServerError, err)
				return
			}
			c.Data(http.StatusOK, jsonType, answer)
		})
	}, func(r *refresh.Rotator) poster { return ginEndpoint(authgin.Refresh(r)) }},
	{"echo", func(answer []byte) poster {
		return echoEndpoint(func(c echo.Context) error {
			if _, err := io.ReadAll(c.Request().Body); err != nil {
				return err
			}
			return c.Blob(http.StatusOK, jsonType, answer)
		})
	}, func(r *refresh.Rotator) poster { return echoEndpoint(authecho.Refresh(r)) }},
	{"fiber", func(answer []byte) poster {
		return fiberEndpoint(func(c *fiber.Ctx) error {
			if len(c.Body()) == 0 {
				return errors.New("the request has no body")
			}
			c.Set(fiber.HeaderContentType, jsonType)
			return c.Send(answer)
		})
	}, func(r *refresh.Rotator) poster { return fiberEndpoint(authfiber.Refresh(r)) }},
}

func ginEndpoint(h gin.HandlerFunc) poster {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.POST(refreshPath, h)
	return newHTTPPoster(router)
}

func echoEndpoint(h echo.HandlerFunc) poster {
	e := echo.New()
	e.POST(refreshPath, h)
	return newHTTPPoster(e)
}

func fiberEndpoint(h fiber.Handler) poster {
	router := fiber.New(fiber.Config{DisableStartupMessage: true})
	router.Post(refreshPath, h)
	return newFiberPoster(router.Handler())
}

// endpointIssuers are what signs, by the names of the rows.
var endpointIssuers = []struct {
	name string
	make func(tb testing.TB) refresh.Issuer
}{
	{"unsigned", func(testing.TB) refresh.Issuer { return unsigned{lifetime: accessLife} }},
	{"ES256", func(tb testing.TB) refresh.Issuer { return es256.issuer(tb) }},
}

// a client refreshes its families in turn.
type client struct {
	p      poster
	tokens []string
	at     int
}

func newClient(tb testing.TB, p poster, r *refresh.Rotator, n int) *client {
	c := &client{p: p, tokens: make([]string, n)}
	for i, t := range logins(tb, r, n).tokens {
		c.tokens[i] = t.Refresh
	}
	return c
}

func (c *client) next() error {
	c.at = (c.at + 1) % len(c.tokens)
	body, err := c.p.post(c.tokens[c.at])
	if err != nil {
		return err
	}
	c.tokens[c.at], err = successor(body)
	return err
}

// exchange returns an answer of ours, for the floor to give.
func exchange(tb testing.TB, ours func(*refresh.Rotator) poster, r *refresh.Rotator) []byte {
	body, err := ours(r).post(logins(tb, r, 1).tokens[0].Refresh)
	require.NoError(tb, err)
	return bytes.Clone(body)
}

// TestEndpoints runs every row: tokens are replaced by others, and a forged one is
// refused, by us and not by the floor.
func TestEndpoints(t *testing.T) {
	for _, fw := range endpoints {
		for _, issues := range endpointIssuers {
			t.Run(fw.name+"/"+issues.name, func(t *testing.T) {
				r := memoryRotator(t, issues.make(t), quick)
				c := newClient(t, fw.ours(r), r, 1)
				for range 3 {
					before := c.tokens[0]
					require.NoError(t, c.next())
					require.Len(t, c.tokens[0], tokenLen)
					require.NotEqual(t, before, c.tokens[0])
				}
				forged := withBadMAC(c.tokens[0])
				_, err := c.p.post(forged)
				require.ErrorContains(t, err, "answer is 400")
				require.NoError(t, c.next())

				floor := client{p: fw.bare(exchange(t, fw.ours, r)), tokens: []string{forged}}
				require.NoError(t, floor.next())
				require.NoError(t, floor.next())
			})
		}
	}
}

func TestSuccessor(t *testing.T) {
	raw := strings.Repeat("t", tokenLen)
	got, err := successor([]byte(`{"access_token":"a",` + beforeToken + raw + `","scope":""}`))
	require.NoError(t, err)
	require.Equal(t, raw, got)
	for _, body := range []string{"", `{"access_token":"a"}`, beforeToken + raw[1:]} {
		_, err := successor([]byte(body))
		require.Equal(t, errNotRotated, err)
	}
}

// BenchmarkEndpoint sends refresh tokens through each framework to its endpoint.
func BenchmarkEndpoint(b *testing.B) {
	for _, fw := range endpoints {
		for _, library := range []string{"bare", "sallyport"} {
			for _, issues := range endpointIssuers {
				b.Run(fw.name+"/"+library+"/"+issues.name, func(b *testing.B) {
					r := memoryRotator(b, issues.make(b), quick)
					p := fw.ours(r)
					if library == "bare" {
						p = fw.bare(exchange(b, fw.ours, r))
					}
					c := newClient(b, p, r, population)
					require.NoError(b, c.next())
					runtime.GC()
					b.ReportAllocs()
					for b.Loop() {
						if err := c.next(); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

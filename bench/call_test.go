package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
)

// An app is one library behind one framework.
type app struct {
	// request prepares a request with one header of its own. value may be empty.
	request func(method, path, header, value string) caller
}

func (a *app) caller(method, path, cookie string) caller {
	return a.request(method, path, "Cookie", cookie)
}

// A caller sends one request again and again, without a socket. Each goroutine
// has its own.
type caller interface {
	call()
	carry(value string)         // in the header of its own, as long as the last one
	answered(body string) error // nil after a 200 with that body
	setCookies() []string       // Set-Cookie lines of the last answer
}

// The routes of every app.
const (
	loginPath  = "/login"
	readPath   = "/read"
	writePath  = "/write"
	createPath = "/create"

	done = "ok"
)

const (
	userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
	accept    = "text/html"
)

// login makes the session of user i and returns its Cookie header.
func (a *app) login(i int, name string) (string, error) {
	c := a.caller(http.MethodPost, loginPath+"?user="+user(i)+"&name="+url.QueryEscape(name), "")
	c.call()
	if err := c.answered(done); err != nil {
		return "", err
	}
	return cookieHeader(c.setCookies())
}

// stored returns an error unless name is what the session of cookie holds.
func (a *app) stored(cookie, name string) error {
	c := a.caller(http.MethodGet, readPath, cookie)
	c.call()
	return c.answered(name)
}

// cookieHeader is what a browser sends back for these Set-Cookie lines.
func cookieHeader(lines []string) (string, error) {
	var pairs []string
	for _, line := range lines {
		pair, _, _ := strings.Cut(line, ";")
		pairs = append(pairs, pair)
	}
	if len(pairs) == 0 {
		return "", fmt.Errorf("the answer sets no cookie")
	}
	return strings.Join(pairs, "; "), nil
}

func answered(status int, got []byte, want string) error {
	if status != http.StatusOK || string(got) != want {
		return fmt.Errorf("answer is %d %q, want 200 %q", status, got, want)
	}
	return nil
}

// httpCaller serves Gin and Echo.
type httpCaller struct {
	h      http.Handler
	w      recorder
	header string
	proto  http.Request
	// r is overwritten with proto before each call: gorilla/sessions keeps what it
	// has loaded in the request, and a request met again would cost it nothing.
	r http.Request
}

func httpApp(h http.Handler) *app {
	return &app{request: func(method, path, header, value string) caller {
		c := &httpCaller{h: h, w: recorder{header: http.Header{}}, header: header}
		c.proto = *httptest.NewRequest(method, path, nil)
		c.proto.Header.Set("User-Agent", userAgent)
		c.proto.Header.Set("Accept", accept)
		if value != "" {
			c.proto.Header.Set(header, value)
		}
		return c
	}}
}

func (c *httpCaller) carry(value string) { c.proto.Header[c.header][0] = value }

func (c *httpCaller) call() {
	clear(c.w.header)
	c.w.status, c.w.body = 0, c.w.body[:0]
	c.r = c.proto
	c.h.ServeHTTP(&c.w, &c.r)
}

func (c *httpCaller) answered(body string) error { return answered(c.w.status, c.w.body, body) }
func (c *httpCaller) setCookies() []string       { return c.w.header["Set-Cookie"] }

// recorder is a ResponseWriter that costs next to nothing.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *recorder) WriteString(s string) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, s...)
	return len(s), nil
}

// fiberCaller parses its request from bytes each time, as the server does. A parsed
// one would have its cookies taken apart already.
type fiberCaller struct {
	h   fasthttp.RequestHandler
	raw []byte
	at  int // where in raw the value stands
	in  bytes.Reader
	buf *bufio.Reader
	ctx fasthttp.RequestCtx
	err error
}

func fiberApp(h fasthttp.RequestHandler) *app {
	return &app{request: func(method, path, header, value string) caller {
		at, raw := 0, method+" "+path+" HTTP/1.1\r\nHost: example.com\r\nUser-Agent: "+userAgent+"\r\nAccept: "+accept+"\r\n"
		if value != "" {
			raw += header + ": "
			at = len(raw)
			raw += value + "\r\n"
		}
		if method == http.MethodPost {
			raw += "Content-Length: 0\r\n"
		}
		return &fiberCaller{h: h, raw: []byte(raw + "\r\n"), at: at, buf: bufio.NewReader(nil)}
	}}
}

func (c *fiberCaller) carry(value string) { copy(c.raw[c.at:], value) }

func (c *fiberCaller) call() {
	c.ctx.ResetUserValues()
	c.ctx.Request.Reset()
	c.ctx.Response.Reset()
	c.in.Reset(c.raw)
	c.buf.Reset(&c.in)
	if c.err = c.ctx.Request.Header.Read(c.buf); c.err == nil {
		c.h(&c.ctx)
	}
}

func (c *fiberCaller) answered(body string) error {
	if c.err != nil {
		return c.err
	}
	return answered(c.ctx.Response.StatusCode(), c.ctx.Response.Body(), body)
}

func (c *fiberCaller) setCookies() (lines []string) {
	for _, line := range c.ctx.Response.Header.Cookies() {
		lines = append(lines, string(line))
	}
	return lines
}

package authfiber

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// exchange binds a Fiber request. All strings that it returns are copies: Fiber's
// own alias a buffer that belongs to the next request once this one is over.
type exchange struct {
	c       *fiber.Ctx
	proxies *adapter.Proxies
	ip      netip.Addr
}

func (x *exchange) Context() context.Context { return x.c.UserContext() }
func (x *exchange) Method() string           { return strings.Clone(x.c.Method()) }
func (x *exchange) Path() string             { return string(x.c.Context().URI().PathOriginal()) }
func (x *exchange) Host() string             { return string(x.c.Context().Host()) }

// Committed is always false: fasthttp sends headers after the handlers.
func (x *exchange) Committed() bool { return false }

func (x *exchange) peer() netip.Addr {
	tcp, ok := x.c.Context().RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

func (x *exchange) ClientIP() netip.Addr {
	if x.ip.IsValid() || x.proxies == nil {
		if x.ip.IsValid() {
			return x.ip
		}
		return x.peer()
	}
	return x.proxies.ClientIP(x.peer(), x.HeaderLines("X-Forwarded-For"))
}

func (x *exchange) Secure() bool {
	return x.proxies.Secure(x.peer(), x.c.Context().IsTLS(), x.HeaderLines("X-Forwarded-Proto"))
}

func (x *exchange) Header(name string) string { return string(x.c.Request().Header.Peek(name)) }

// HeaderLines reads the header as it came over the wire. fasthttp's parsed form of
// Cookie is no use here: once any middleware has read a cookie through Fiber, it is
// a list of pairs put together again, without what fasthttp could not parse and
// with nameless cookies turned into named ones.
func (x *exchange) HeaderLines(name string) []string {
	header := &x.c.Request().Header
	raw := header.RawHeaders()
	if len(raw) == 0 { // a request that was made by hand
		var lines []string
		for _, v := range header.PeekAll(name) {
			lines = append(lines, string(v))
		}
		return lines
	}
	return rawLines(raw, name)
}

// rawLines returns the values of one field in a raw header, folded lines (RFC 9112
// section 5.2) joined by a blank.
func rawLines(raw []byte, name string) (lines []string) {
	mine := false
	for len(raw) > 0 {
		var line []byte
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			line, raw = raw, nil
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			if mine {
				lines[len(lines)-1] += " " + string(bytes.Trim(line, " \t"))
			}
			continue
		}
		field, value, ok := bytes.Cut(line, []byte{':'})
		if mine = ok && len(field) == len(name) && strings.EqualFold(string(field), name); mine {
			lines = append(lines, string(bytes.Trim(value, " \t")))
		}
	}
	return lines
}

func (x *exchange) Body() ([]byte, error) {
	req := x.c.Request()
	if req.IsBodyStream() {
		return nil, fasthttp.ErrBodyTooLarge
	}
	body := req.Body()
	if len(body) > adapter.MaxBody {
		return nil, adapter.ErrBodyTooLarge
	}
	return bytes.Clone(body), nil
}

func (x *exchange) ResponseHeader(name string) string {
	return string(x.c.Response().Header.Peek(name))
}

func (x *exchange) SetHeader(name, value string) {
	if value == "" {
		x.c.Response().Header.Del(name)
		return
	}
	x.c.Response().Header.Set(name, value)
}

// AddHeader writes to fasthttp's response itself: Fiber's Append joins lines, and
// its cookie helper rewrites attributes.
func (x *exchange) AddHeader(name, value string) { x.c.Response().Header.Add(name, value) }

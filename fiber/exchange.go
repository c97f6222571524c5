package authfiber

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// exchange binds a Fiber request. All strings that it returns are copies: Fiber's
// own alias a buffer that belongs to the next request once this one is over.
type exchange struct {
	c       *fiber.Ctx
	ctx     context.Context // nil if this suite has not touched the request's
	proxies *adapter.Proxies
	ip      netip.Addr

	picked adapter.Picked
}

// What the flows of session and token ask every request for.
var (
	sessionFields = [adapter.PickedMax]string{"Cookie", "User-Agent"}
	bearerFields  = [adapter.PickedMax]string{"Authorization", "User-Agent", "Content-Type"}
)

// fetch copies what every request is asked for, in one allocation, but for the first
// field if that is lent.
func (x *exchange) fetch(names *[adapter.PickedMax]string, lend bool) {
	if raw := x.raw(); len(raw) > 0 {
		raw.Pick(&x.picked, names, lend)
	}
}

func (x *exchange) raw() adapter.RawHeader { return x.c.Request().Header.RawHeaders() }

func (x *exchange) Context() context.Context {
	if x.ctx != nil {
		return x.ctx
	}
	return x.c.UserContext()
}

func (x *exchange) Method() string { return strings.Clone(x.c.Method()) }
func (x *exchange) Path() string   { return string(x.c.Context().URI().PathOriginal()) }
func (x *exchange) Host() string   { return string(x.c.Context().Host()) }

// Committed is always false: fasthttp sends headers after the handlers.
func (x *exchange) Committed() bool { return false }

func (x *exchange) peer() netip.Addr {
	tcp, _ := x.c.Context().RemoteAddr().(*net.TCPAddr) // nil has the zero address
	return tcp.AddrPort().Addr().Unmap()
}

func (x *exchange) ClientIP() netip.Addr {
	if x.ip.IsValid() {
		return x.ip
	}
	return x.proxies.ClientIP(x.peer(), x.HeaderLines("X-Forwarded-For"))
}

// Last implements adapter.Lasting.
func (x *exchange) Last() adapter.Client {
	x.ip = x.ClientIP()
	return (*client)(x)
}

// client is an exchange whose request may be over: it looks at nothing of it.
type client exchange

func (c *client) ClientIP() netip.Addr { return c.ip }

func (c *client) UserAgent() string {
	lines, _ := c.picked.Lines("User-Agent")
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}

func (x *exchange) Secure() bool {
	return x.proxies.Secure(x.peer(), x.c.Context().IsTLS(), x.HeaderLines("X-Forwarded-Proto"))
}

// Header and HeaderLines read the header as it came over the wire. fasthttp's
// parsed form of Cookie is no use here: once any middleware has read a cookie
// through Fiber, it is a list of pairs put together again, without what fasthttp
// could not parse and with nameless cookies turned into named ones. Of other
// fields it keeps the last line where net/http says the first.
func (x *exchange) Header(name string) string {
	if lines := x.HeaderLines(name); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

func (x *exchange) HeaderLines(name string) (all []string) {
	if lines, ok := x.picked.Lines(name); ok {
		return lines
	}
	if raw := x.raw(); len(raw) > 0 {
		return raw.Lines(name)
	}
	for _, v := range x.c.Request().Header.PeekAll(name) {
		all = append(all, string(v))
	}
	return all
}

// Lend implements adapter.Lender.
func (x *exchange) Lend(name string) (line string, lines int) {
	if line, lines, ok := x.picked.Lend(name); ok {
		return line, lines
	}
	return x.Header(name), len(x.HeaderLines(name))
}

// Body reads a streamed body only if its length is known to be allowed: what was
// read of a longer one could not be put back.
func (x *exchange) Body() ([]byte, error) {
	req := x.c.Request()
	if !req.IsBodyStream() {
		if len(req.Body()) > adapter.MaxBody {
			return nil, adapter.ErrBodyTooLarge
		}
		return bytes.Clone(req.Body()), nil
	}
	if n := req.Header.ContentLength(); n < 0 || n > adapter.MaxBody {
		return nil, adapter.ErrBodyTooLarge
	}
	body, err := io.ReadAll(req.BodyStream())
	if err != nil {
		return nil, err
	}
	req.SetBodyStream(bytes.NewReader(body), len(body))
	return bytes.Clone(body), nil
}

func (x *exchange) ResponseHeader(name string) string {
	if name == "Content-Encoding" { // every request asks; fasthttp has it at hand
		return string(x.c.Response().Header.ContentEncoding())
	}
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

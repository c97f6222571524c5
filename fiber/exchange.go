package authfiber

import (
	"bytes"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"

	"github.com/sallyport-go/sallyport/core/adapter"
)

// exchange binds a Fiber request. All strings that it returns are copies: Fiber's
// own alias a buffer that belongs to the next request once this one is over.
type exchange struct {
	adapter.Wire
	c *fiber.Ctx
}

func (m *middleware) bind(c *fiber.Ctx) exchange {
	x := exchange{c: c, Wire: adapter.Wire{Ctx: c.UserContext(), Raw: raw(c), Socket: c.Context(), Proxies: m.Proxies}}
	if m.cfg.ClientIP != nil {
		x.IP = m.cfg.ClientIP(c)
	}
	return x
}

// raw is the header as it came over the wire. fasthttp's parsed form of Cookie is no use
// here: once any middleware has read a cookie through Fiber, it is a list of pairs put
// together again, without what fasthttp could not parse and with nameless cookies turned
// into named ones. Of other fields it keeps the last line where net/http says the first.
func raw(c *fiber.Ctx) adapter.RawHeader {
	if raw := c.Request().Header.RawHeaders(); len(raw) > 0 {
		return raw
	}
	written := c.Request().Header.Header() // of a request that was made by hand
	return written[bytes.IndexByte(written, '\n')+1:]
}

func (x *exchange) Method() string { return adapter.Method(x.c.Method()) }
func (x *exchange) Path() string   { return string(x.c.Context().URI().PathOriginal()) }

// Host is the header's: fasthttp would believe a target such as "//evil.example/?://".
func (x *exchange) Host() string { return string(x.c.Request().Header.Host()) }

// Committed is always false: fasthttp sends headers after the handlers.
func (x *exchange) Committed() bool { return false }

// ClientCertificate implements adapter.Certified.
func (x *exchange) ClientCertificate() bool {
	state := x.c.Context().TLSConnectionState()
	return state != nil && len(state.PeerCertificates) > 0
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
	switch h := &x.c.Response().Header; {
	case value == "":
		h.Del(name)
	case strings.HasPrefix(name, "Access-Control-"): // long names, written as fasthttp would
		h.SetCanonical(utils.UnsafeBytes(name), utils.UnsafeBytes(value))
	default:
		h.Set(name, value)
	}
}

// AddHeader writes to fasthttp's response itself: Fiber's Append joins lines, and
// its cookie helper rewrites attributes.
func (x *exchange) AddHeader(name, value string) { x.c.Response().Header.Add(name, value) }

// AddVary implements adapter.Varying.
func (x *exchange) AddVary(line string) bool {
	h := &x.c.Response().Header
	if h.Peek(fiber.HeaderVary) == nil { // of nearly all answers
		h.SetCanonical(utils.UnsafeBytes(fiber.HeaderVary), utils.UnsafeBytes(line))
		return true
	}
	for _, l := range h.PeekAll(fiber.HeaderVary) {
		if string(l) == line {
			return false
		}
	}
	h.Add(fiber.HeaderVary, line)
	return true
}

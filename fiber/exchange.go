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

	fetched bool
	agent   string
	cookies []string
	cookie  [1]string
}

// fetch copies what every request is asked for, in one allocation.
func (x *exchange) fetch() {
	raw := x.c.Request().Header.RawHeaders()
	if x.fetched = len(raw) > 0; !x.fetched {
		return
	}
	var agent, cookie []byte
	folded, cookies := false, 0
	for rest := raw; len(rest) > 0; {
		end := lineEnd(rest)
		line := rest[:end]
		rest = rest[end:]
		folded = folded || continues(rest)
		if v := valueOf(line, "Cookie"); v != nil {
			cookie = v
			cookies++
		} else if v := valueOf(line, "User-Agent"); v != nil && agent == nil {
			agent = v
		}
	}
	if folded || cookies > 1 {
		x.agent = first(raw, "User-Agent")
		x.cookies = lines(raw, "Cookie")
		return
	}
	var b strings.Builder
	b.Grow(len(cookie) + len(agent))
	b.Write(cookie)
	b.Write(agent)
	x.cookie[0], x.agent = b.String()[:len(cookie)], b.String()[len(cookie):]
	x.cookies = x.cookie[:cookies]
}

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

// Header and HeaderLines read the header as it came over the wire. fasthttp's
// parsed form of Cookie is no use here: once any middleware has read a cookie
// through Fiber, it is a list of pairs put together again, without what fasthttp
// could not parse and with nameless cookies turned into named ones. Of other
// fields it keeps the last line where net/http says the first.
func (x *exchange) Header(name string) string {
	header := &x.c.Request().Header
	if x.fetched && name == "User-Agent" {
		return x.agent
	}
	if raw := header.RawHeaders(); len(raw) > 0 {
		return first(raw, name)
	}
	return string(header.Peek(name)) // a request that was made by hand
}

func (x *exchange) HeaderLines(name string) (all []string) {
	header := &x.c.Request().Header
	if x.fetched && name == "Cookie" {
		return x.cookies
	}
	if raw := header.RawHeaders(); len(raw) > 0 {
		return lines(raw, name)
	}
	for _, v := range header.PeekAll(name) {
		all = append(all, string(v))
	}
	return all
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

// first is the first value of a field in a raw header, lines are all of them.
func first(raw []byte, name string) string {
	for len(raw) > 0 {
		var f []byte
		f, raw = field(raw)
		if v := valueOf(f, name); v != nil {
			return unfold(v)
		}
	}
	return ""
}

func lines(raw []byte, name string) (all []string) {
	for len(raw) > 0 {
		var f []byte
		f, raw = field(raw)
		if v := valueOf(f, name); v != nil {
			all = append(all, unfold(v))
		}
	}
	return all
}

// field splits the first field off a raw header, with its folds (RFC 9112 section
// 5.2).
func field(raw []byte) (field, rest []byte) {
	end := lineEnd(raw)
	for continues(raw[end:]) {
		end += lineEnd(raw[end:])
	}
	return raw[:end], raw[end:]
}

func continues(raw []byte) bool { return len(raw) > 0 && (raw[0] == ' ' || raw[0] == '\t') }

func lineEnd(raw []byte) int {
	if i := bytes.IndexByte(raw, '\n'); i >= 0 {
		return i + 1
	}
	return len(raw)
}

func trim(v []byte) []byte {
	for len(v) > 0 && blank(v[0]) {
		v = v[1:]
	}
	for len(v) > 0 && blank(v[len(v)-1]) {
		v = v[:len(v)-1]
	}
	return v
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unfold copies a value, each fold as one blank.
func unfold(v []byte) string {
	if bytes.IndexByte(v, '\n') < 0 {
		return string(v)
	}
	parts := bytes.Split(v, []byte{'\n'})
	for i := range parts {
		parts[i] = trim(parts[i])
	}
	return string(bytes.Join(parts, []byte{' '}))
}

// valueOf returns the value of a field of that name, nil if it has another one.
// Names are ASCII and compared without regard to case.
func valueOf(field []byte, name string) []byte {
	if len(field) <= len(name) || field[len(name)] != ':' {
		return nil
	}
	for i := range len(name) {
		a, b := field[i], name[i]
		if a != b && (a|0x20 != b|0x20 || a|0x20 < 'a' || a|0x20 > 'z') {
			return nil
		}
	}
	return trim(field[len(name)+1:])
}

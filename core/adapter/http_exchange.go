package adapter

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/textproto"
	"slices"
)

// httpExchange is a binding seen as an Exchange: the same pointer under another type,
// because http.ResponseWriter and Exchange both have a method named Header.
type httpExchange binding

func (x *httpExchange) Context() context.Context { return x.r.Context() }
func (x *httpExchange) Method() string           { return x.r.Method }
func (x *httpExchange) Host() string             { return x.r.Host }
func (x *httpExchange) Committed() bool          { return x.phase != phaseOpen }

func (x *httpExchange) Path() string {
	// RawPath is there whenever the client's escaping is not the one that Go
	// would choose, also where EscapedPath would escape once more what the client
	// had left bare.
	if x.r.URL.RawPath != "" {
		return x.r.URL.RawPath
	}
	return x.r.URL.EscapedPath()
}

func (x *httpExchange) peer() netip.Addr {
	ap, _ := netip.ParseAddrPort(x.r.RemoteAddr) // a Unix socket has none
	return ap.Addr().Unmap()
}

func (x *httpExchange) ClientIP() netip.Addr {
	if x.ip.IsValid() {
		return x.ip
	}
	return x.proxies.ClientIP(x.peer(), x.r.Header["X-Forwarded-For"])
}

func (x *httpExchange) Secure() bool {
	return x.proxies.Secure(x.peer(), x.r.TLS != nil, x.r.Header["X-Forwarded-Proto"])
}

// ClientCertificate implements Certified.
func (x *httpExchange) ClientCertificate() bool {
	return x.r.TLS != nil && len(x.r.TLS.PeerCertificates) > 0
}

func (x *httpExchange) Header(name string) string {
	if lines := x.HeaderLines(name); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

func (x *httpExchange) HeaderLines(name string) []string { return x.r.Header[canonical(name)] }

// canonical is textproto.CanonicalMIMEHeaderKey, which looks at each letter, with the
// names at hand that every request asks for.
func canonical(name string) string {
	switch name {
	case "Authorization", "Cache-Control", "Content-Encoding", "Content-Type", "Cookie", "Set-Cookie", "User-Agent", "Vary",
		"Origin", "Sec-Fetch-Site", "X-Csrf-Token",
		"Access-Control-Request-Method", "Access-Control-Request-Headers", "Access-Control-Request-Private-Network",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Expose-Headers",
		"Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age":
		return name
	default:
		return textproto.CanonicalMIMEHeaderKey(name)
	}
}

// Last implements Lasting: net/http uses no request again.
func (x *httpExchange) Last() Client { return x }

// UserAgent implements Client.
func (x *httpExchange) UserAgent() string { return x.Header("User-Agent") }

func (x *httpExchange) Body() ([]byte, error) {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return nil, nil
	}
	body := x.r.Body
	head, err := io.ReadAll(io.LimitReader(body, MaxBody+1))
	rest := io.Reader(body)
	if err != nil {
		rest = failing{err} // not every reader fails twice in the same way
	}
	x.r.Body = &restored{Reader: io.MultiReader(bytes.NewReader(head), rest), Closer: body}
	if err == nil && len(head) > MaxBody {
		err = ErrBodyTooLarge
	}
	if err != nil {
		return nil, err
	}
	return head, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// restored is a body whose beginning was put back.
type restored struct {
	io.Reader
	io.Closer
}

func (x *httpExchange) ResponseHeader(name string) string {
	if lines := x.w.Header()[canonical(name)]; len(lines) > 0 {
		return lines[0]
	}
	return ""
}

func (x *httpExchange) SetHeader(name, value string) {
	if value == "" {
		delete(x.w.Header(), canonical(name))
		return
	}
	x.w.Header()[canonical(name)] = x.line(value)
}

func (x *httpExchange) AddHeader(name, value string) {
	h, key := x.w.Header(), canonical(name)
	if lines := h[key]; len(lines) > 0 {
		h[key] = append(lines, value)
		return
	}
	h[key] = x.line(value)
}

// spareMore is how many lines the answer to a preflight has.
const spareMore = 7

// line is a header's one line. Whoever adds another gets a copy: it has no room.
func (x *httpExchange) line(value string) []string {
	if len(x.spare) == cap(x.spare) {
		x.spare = make([]string, 0, spareMore)
	}
	n := len(x.spare)
	x.spare = append(x.spare, value)
	return x.spare[n : n+1 : n+1]
}

// AddVary implements Varying.
func (x *httpExchange) AddVary(line string) bool {
	h := x.w.Header()
	lines := h["Vary"]
	switch {
	case len(lines) == 0:
		h["Vary"] = x.line(line)
	case slices.Contains(lines, line):
		return false
	default:
		h["Vary"] = append(lines, line)
	}
	return true
}

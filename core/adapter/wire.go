package adapter

import (
	"context"
	"net"
	"net/netip"
	"strings"
)

// Wire is what an Exchange embeds that reads a RawHeader: the request's headers, and who
// sent it. The exported fields are set when it is made.
type Wire struct {
	Ctx     context.Context // as it was before this suite touched it
	Raw     RawHeader
	Socket  Socket
	Proxies *Proxies
	IP      netip.Addr // set if the application knows better

	picked Picked
}

// Socket is where a request came from. RemoteAddr is not a *net.TCPAddr if it is of a Unix
// socket.
type Socket interface {
	RemoteAddr() net.Addr
	IsTLS() bool
}

func (w *Wire) peer() netip.Addr {
	tcp, _ := w.Socket.RemoteAddr().(*net.TCPAddr) // nil has the zero address
	return tcp.AddrPort().Addr().Unmap()
}

// Fetch implements Fetcher. What is not lent is copied in one allocation.
func (w *Wire) Fetch(names *[PickedMax]string, lend int) { w.Raw.Pick(&w.picked, names, lend) }

// Context implements Exchange.
func (w *Wire) Context() context.Context { return w.Ctx }

// Header implements Exchange.
func (w *Wire) Header(name string) string {
	if lines := w.HeaderLines(name); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// HeaderLines implements Exchange.
func (w *Wire) HeaderLines(name string) []string {
	if lines, ok := w.picked.Lines(name); ok {
		return lines
	}
	return w.Raw.Lines(name)
}

// Lend implements Lender.
func (w *Wire) Lend(name string) []string {
	if lines, ok := w.picked.Lend(name); ok {
		return lines
	}
	return w.Raw.Lines(name)
}

// ClientIP implements Exchange.
func (w *Wire) ClientIP() netip.Addr {
	if !w.IP.IsValid() {
		w.IP = w.Proxies.ClientIP(w.peer(), w.HeaderLines("X-Forwarded-For"))
	}
	return w.IP
}

// Secure implements Exchange.
func (w *Wire) Secure() bool {
	return w.Proxies.Secure(w.peer(), w.Socket.IsTLS(), w.HeaderLines("X-Forwarded-Proto"))
}

// Last implements Lasting.
func (w *Wire) Last() Client {
	w.ClientIP()
	return (*wireClient)(w)
}

// wireClient is a Wire whose request may be over: it looks at nothing of it.
type wireClient Wire

func (w *wireClient) ClientIP() netip.Addr { return w.IP }

func (w *wireClient) UserAgent() string {
	if lines, _ := w.picked.Lines("User-Agent"); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// Method returns a copy of a method, which for the usual ones is a constant.
func Method(borrowed string) string {
	switch borrowed {
	case "GET":
		return "GET"
	case "POST":
		return "POST"
	case "OPTIONS":
		return "OPTIONS"
	case "HEAD":
		return "HEAD"
	case "PUT":
		return "PUT"
	case "PATCH":
		return "PATCH"
	case "DELETE":
		return "DELETE"
	default:
		return strings.Clone(borrowed)
	}
}

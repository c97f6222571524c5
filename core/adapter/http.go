package adapter

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"

	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// The errors of a writer whose answer can no longer be what the handler wants.
var (
	// ErrReplaced is returned to a handler that writes although its answer was
	// replaced by a refusal, because its session could not be stored.
	ErrReplaced = errors.New("adapter: the answer was replaced by a refusal")
	// ErrCookiePending is returned by Hijack when a session cookie has yet to be
	// sent: on a hijacked connection nobody would send it. Log in before the
	// request that upgrades, or send the answer's own headers.
	ErrCookiePending = errors.New("adapter: a session cookie is pending and would be lost by hijacking")
	// ErrBodyTooLarge is returned by Exchange.Body.
	ErrBodyTooLarge = errors.New("adapter: the request body is larger than 64 KiB")
)

// HTTP is the per-request state for frameworks on net/http. It is the request's
// context.Context and its http.ResponseWriter, and commits the session at the
// last moment before headers leave: at the first Write, WriteHeader, ReadFrom,
// Flush or Hijack, also through http.ResponseController, else in End.
//
// Embed it in the adapter's per-request type, call Init, then Begin, hand the
// value to the handlers as context and writer, and End or Abandon afterwards.
type HTTP struct {
	State
	binding
	denier Denier
}

// binding is a request and its writer on net/http.
type binding struct {
	w       http.ResponseWriter
	r       *http.Request
	proxies *Proxies
	ip      netip.Addr // set if the application knows better
	phase   phase
	// spare is where the lines that are added to the answer's header stand, without an
	// allocation each: the first ones in room, others in blocks. They are this request's
	// alone.
	spare []string
	room  [2]string
}

func (b *binding) init(w http.ResponseWriter, r *http.Request, proxies *Proxies, ip netip.Addr) {
	*b = binding{w: w, r: r, proxies: proxies, ip: ip}
	b.spare = b.room[:0]
}

func (b *binding) exchange() Exchange { return (*httpExchange)(b) }

// Denier answers a refusal natively, in place of a handler that is just about to
// write. Its own writes go through.
type Denier interface{ Deny(*Denied) }

type phase uint8

const (
	phaseOpen     phase = iota // nothing has left
	phaseHeld                  // committed, and the headers with a cookie in them still wait to leave
	phaseDenying               // the Denier is writing
	phasePassing               // committed; the handler's writes pass
	phaseReplaced              // a refusal has left; the handler's writes do not pass
)

// Init sets what the request consists of. clientIP is what the application's own
// function says, or the zero Addr to go by the socket and proxies.
func (h *HTTP) Init(w http.ResponseWriter, r *http.Request, proxies *Proxies, clientIP netip.Addr, denier Denier) {
	h.init(w, r, proxies, clientIP)
	h.denier = denier
}

// Begin is BeginSession.
func (h *HTTP) Begin(m *session.Manager) *Denied { return BeginSession(m, h.Exchange(), &h.State) }

// End commits if nothing has left yet, and returns the refusal that is then to be
// answered natively. What the handlers write afterwards passes.
func (h *HTTP) End() *Denied {
	if h.phase != phaseOpen {
		return nil
	}
	h.phase = phasePassing
	return CommitSession(h.Exchange(), &h.State)
}

// Abandon is End after a panic. An error page that somebody writes passes.
func (h *HTTP) Abandon() {
	if h.phase == phaseOpen {
		h.phase = phasePassing
		AbandonSession(h.Exchange(), &h.State)
	}
}

// Committed reports whether the session's headers are in the answer, or were
// replaced with it.
func (h *HTTP) Committed() bool { return h.phase != phaseOpen }

// Replaced reports whether a refusal has taken the place of the handler's answer.
func (h *HTTP) Replaced() bool { return h.phase == phaseReplaced }

// Commit makes sure that the session's headers are in the answer. ErrReplaced if
// the answer is not the handler's any more. For adapters whose framework has more
// ways to send headers than net/http.
func (h *HTTP) Commit() error {
	switch h.phase {
	case phaseOpen:
		h.phase = phasePassing
		d := CommitSession(h.Exchange(), &h.State)
		if d == nil {
			return nil
		}
		h.phase = phaseDenying
		h.denier.Deny(d)
		h.phase = phaseReplaced
		return ErrReplaced
	case phaseHeld:
		h.phase = phasePassing
		return nil
	case phaseReplaced:
		return ErrReplaced
	default:
		return nil
	}
}

// Header implements http.ResponseWriter.
func (h *HTTP) Header() http.Header { return h.w.Header() }

// WriteHeader implements http.ResponseWriter. Informational answers do not
// commit: they must not carry our cookies (RFC 9110 section 15.2), and are dropped
// once those are among the headers. 101 does: it is the last answer on this
// connection.
func (h *HTTP) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		if h.phase == phaseOpen {
			h.w.WriteHeader(status)
		}
		return
	}
	if h.Commit() == nil {
		h.w.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (h *HTTP) Write(p []byte) (int, error) {
	if err := h.Commit(); err != nil {
		return 0, err
	}
	return h.w.Write(p)
}

// WriteString implements io.StringWriter.
func (h *HTTP) WriteString(s string) (int, error) {
	if err := h.Commit(); err != nil {
		return 0, err
	}
	return io.WriteString(h.w, s)
}

// ReadFrom implements io.ReaderFrom, so that io.Copy keeps the fast path of the
// writer below.
func (h *HTTP) ReadFrom(r io.Reader) (int64, error) {
	if err := h.Commit(); err != nil {
		return 0, err
	}
	return io.Copy(h.w, r)
}

// Flush implements http.Flusher.
func (h *HTTP) Flush() { _ = h.FlushError() }

// FlushError is what http.ResponseController calls.
func (h *HTTP) FlushError() error {
	if err := h.Commit(); err != nil {
		return err
	}
	return http.NewResponseController(h.w).Flush()
}

// Hijack implements http.Hijacker. Data is committed first; ErrCookiePending if
// the answer would have set a cookie, which then goes out with whatever the
// handler answers instead.
func (h *HTTP) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.phase == phaseOpen {
		before := len(h.w.Header()["Set-Cookie"])
		if err := h.Commit(); err != nil {
			return nil, nil, err
		}
		if len(h.w.Header()["Set-Cookie"]) > before {
			h.phase = phaseHeld
		}
	}
	switch h.phase {
	case phaseHeld:
		return nil, nil, ErrCookiePending
	case phaseReplaced:
		return nil, nil, ErrReplaced
	default:
		return http.NewResponseController(h.w).Hijack()
	}
}

// Push implements http.Pusher.
func (h *HTTP) Push(target string, opts *http.PushOptions) error {
	if p, ok := h.w.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (h *HTTP) Unwrap() http.ResponseWriter { return h.w }

// Headers returns the binding of a request that no HTTP was begun for, so that a
// guard without its middleware can set a refusal's headers.
func Headers(w http.ResponseWriter, r *http.Request) Exchange {
	return Bind(w, r, nil, netip.Addr{})
}

// Bind returns the binding of a request that no HTTP was begun for. proxies and clientIP are
// those of HTTP.Init.
func Bind(w http.ResponseWriter, r *http.Request, proxies *Proxies, clientIP netip.Addr) Exchange {
	b := &struct {
		binding
		more [spareMore]string
	}{}
	b.init(w, r, proxies, clientIP)
	b.spare = b.more[:0]
	return b.exchange()
}

// Exchange returns the binding of this request.
func (h *HTTP) Exchange() Exchange { return h.exchange() }

// HTTPToken is the per-request state of Bearer for frameworks on net/http, and the
// request's context.Context.
type HTTPToken struct {
	TokenState
	binding
}

// Init is HTTP.Init.
func (h *HTTPToken) Init(w http.ResponseWriter, r *http.Request, proxies *Proxies, clientIP netip.Addr) {
	h.init(w, r, proxies, clientIP)
}

// Begin is BeginBearer.
func (h *HTTPToken) Begin(v *token.Verifier, optional bool) *Denied {
	return BeginBearer(v, optional, h.exchange(), &h.TokenState)
}

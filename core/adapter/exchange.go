package adapter

import (
	"context"
	"net/netip"
)

// Exchange is all that the core sees of a request and its answer. It writes
// headers only: status, body and the chain of handlers stay native.
//
// Every returned string may be kept for ever, so a framework that reuses its
// buffers copies. An Exchange is used by one goroutine and never after the
// adapter's middleware has returned. A pointer type keeps it free of allocations.
type Exchange interface {
	// Context is the request's context as it was before this suite touched it.
	Context() context.Context
	// Method is the request's method, byte for byte.
	Method() string
	// Path is the path, escaped as it was received.
	Path() string
	// Host is the host that the client named.
	Host() string
	// Secure reports whether the client spoke TLS. Like ClientIP it is a fact of
	// the socket unless the adapter's configuration says whom to believe.
	Secure() bool
	// ClientIP is the client's address; the zero Addr if there is none.
	ClientIP() netip.Addr
	// Header is the first line of a request header, "" if there is none.
	Header(name string) string
	// HeaderLines are all lines of a request header in order.
	HeaderLines(name string) []string
	// Body returns the request's body of at most MaxBody bytes and leaves it
	// readable for the handlers. ErrBodyTooLarge if there is more, with nothing
	// lost either.
	Body() ([]byte, error)
	// ResponseHeader is the first line of a header of the answer, "" if none.
	ResponseHeader(name string) string
	// SetHeader replaces a header of the answer; an empty value removes it.
	SetHeader(name, value string)
	// AddHeader adds a line, byte for byte.
	AddHeader(name, value string)
	// Committed reports whether the answer's headers have left.
	Committed() bool
}

// Lender is an Exchange that can show the lines of a request's header without copying
// them, for those that are looked at once. What is lent is valid until the flow returns,
// and nothing keeps it.
type Lender interface {
	// Lend is HeaderLines. Of very many lines it may leave out the last ones.
	Lend(name string) []string
}

// Fetcher is an Exchange that reads some headers at once faster than one after the other.
type Fetcher interface {
	// Fetch is called before the headers are asked for. So many of the first ones will be
	// asked for with Lend only.
	Fetch(names *[PickedMax]string, lend int)
}

// What the flows ask every request for.
var (
	sessionFields = [PickedMax]string{"Cookie", "User-Agent"}
	bearerFields  = [PickedMax]string{"Authorization", "User-Agent", "Content-Type"}
	originField   = [PickedMax]string{"Origin"}
	corsFields    = [PickedMax]string{
		"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers", "Access-Control-Request-Private-Network",
	}
	csrfFields = [PickedMax]string{"Sec-Fetch-Site", "Origin", "Cookie", "Authorization"}
)

func fetch(x Exchange, names *[PickedMax]string, lend int) {
	if f, ok := x.(Fetcher); ok {
		f.Fetch(names, lend)
	}
}

// lent returns the lines of a header for at once.
func lent(x Exchange, name string) []string {
	if l, ok := x.(Lender); ok {
		return l.Lend(name)
	}
	return x.HeaderLines(name)
}

// Lasting is an Exchange that can tell who its client was without being copied from.
type Lasting interface {
	// Last is called while the request is there. What it returns outlives it.
	Last() Client
}

// Client is who sent a request, for events.
type Client interface {
	ClientIP() netip.Addr
	UserAgent() string
}

// MaxBody is how much of a request's body an Exchange reads.
const MaxBody = 64 << 10

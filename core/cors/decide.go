package cors

import "github.com/sallyport-go/sallyport/core/audit"

// Request is what Decide needs to know of a request. The lists are all lines of a header
// in order. Nothing of it is kept, so its strings may be borrowed.
type Request struct {
	// Method as received.
	Method string
	// Origin, and what a preflight asks for: Access-Control-Request-Method,
	// -Request-Headers and -Request-Private-Network.
	Origin, RequestMethod, RequestHeaders, PrivateNetwork []string
}

// Answer is what becomes of a request. The table of the package says what is in it.
type Answer struct {
	// Preflight says that the request is one, and that 204 without a body is the whole
	// answer. Neither the handler nor anything that asks who the client is must run
	// (Fetch, "CORS-preflight fetch": it never has credentials).
	Preflight bool
	// Cause says why nothing was allowed, "" if something was or nothing was asked.
	Cause audit.Cause

	header [maxHeader]Header
	n      int
}

// Header is one header of the answer. All values are the policy's own, or made for this
// answer.
type Header struct{ Name, Value string }

const (
	maxHeader        = 6
	allowCredentials = "Access-Control-Allow-Credentials"
)

// Headers are what to set in the answer, Vary excepted.
func (a *Answer) Headers() []Header { return a.header[:a.n] }

// Allowed reports whether the page may read the answer, or go on after the preflight.
func (a *Answer) Allowed() bool { return a.n > 0 }

// Credentials reports whether it may do so with credentials.
func (a *Answer) Credentials() bool { return a.n > 1 && a.header[1].Name == allowCredentials }

func (a *Answer) set(name, value string) {
	if value != "" {
		a.header[a.n] = Header{name, value}
		a.n++
	}
}

// What answers vary on. It is one line more, beside those of others.
const (
	varyActual    = "Origin"
	varyPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"
)

// Vary returns what the answer to a request with this method varies on, whatever is
// decided about it.
func Vary(method string) string {
	if method == "OPTIONS" {
		return varyPreflight
	}
	return varyActual
}

// Decide returns what becomes of r. It allocates nothing, unless a pattern allowed the
// origin, and takes no longer for many origins or a large request than for few or a small
// one.
func (p *Policy) Decide(r Request) (a Answer) {
	// OPTIONS without the method that is asked for is a request like any other (Fetch,
	// "CORS-preflight request").
	a.Preflight = r.Method == "OPTIONS" && len(r.Origin) > 0 && len(r.RequestMethod) > 0
	if len(r.Origin) == 0 {
		return a
	}
	c := p.now.Load()
	if c == nil {
		a.Cause = audit.CauseOrigin
		return a
	}
	allowed := ""
	if len(r.Origin) == 1 {
		allowed = c.origins.allows(r.Origin[0])
	}
	if allowed == "" {
		if a.Preflight || !c.isOwn(r.Origin) {
			a.Cause = audit.CauseOrigin
		}
		return a
	}
	if a.Preflight {
		c.preflight(&a, r, allowed)
		return a
	}
	c.grant(&a, allowed)
	a.set("Access-Control-Expose-Headers", c.expose)
	return a
}

// preflight answers a page whose origin is allowed. All of what it asks for is or nothing:
// the browser would refuse the request in any case, and needs not be told what would do.
func (c *compiled) preflight(a *Answer, r Request, allowed string) {
	if len(r.RequestMethod) != 1 || !c.methods.allows(r.RequestMethod[0]) {
		a.Cause = audit.CauseMethod
		return
	}
	some, _, fault := c.headers.asked(r.RequestHeaders)
	if fault != "" {
		a.Cause = audit.CauseHeader
		return
	}
	private := len(r.PrivateNetwork) > 0
	if private && !c.private {
		a.Cause = audit.CausePrivateNetwork
		return
	}
	c.grant(a, allowed)
	if !isSafelistedMethod(r.RequestMethod[0]) {
		a.set("Access-Control-Allow-Methods", c.methods.value)
	}
	if some {
		a.set("Access-Control-Allow-Headers", c.headers.value)
	}
	a.set("Access-Control-Max-Age", c.maxAge)
	if private {
		a.set("Access-Control-Allow-Private-Network", "true")
	}
}

// isOwn reports whether a page of the application itself asks: browsers send Origin there
// too, with every method but GET and HEAD.
func (c *compiled) isOwn(from []string) bool {
	return c.own != "" && len(from) == 1 && from[0] == c.own
}

func (c *compiled) grant(a *Answer, allowed string) {
	a.set("Access-Control-Allow-Origin", allowed)
	if c.credentials {
		a.set(allowCredentials, "true") // the second, as Credentials knows
	}
}

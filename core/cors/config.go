package cors

import (
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
)

// Config says what is allowed. There is no zero value that allows anything: Origins or
// Patterns must name somebody. Nothing may be there twice.
type Config struct {
	// Origins are the origins whose pages may read answers, each exactly as browsers
	// send it. "*" alone means every origin, and needs Credentials off.
	//
	// Permitted: "https://app.example.com", "https://app.example.com:8443",
	// "http://localhost:3000". Prohibited: "null", a path or a slash at the end, upper
	// case, letters outside of ASCII (write the xn-- form), an asterisk inside, a default
	// port that is written out, another scheme than https and http, and with Credentials
	// http to anything but loopback.
	Origins []string
	// Patterns allow the hosts directly below a domain: "https://*.example.com" is every
	// one with a single label in place of the asterisk, and neither example.com itself
	// nor a.b.example.com. The scheme and the port are exact. Whoever takes over one
	// such host is allowed too. They never feed the list of trusted origins of package
	// csrf.
	//
	// Permitted: "https://*.example.com", "https://*.example.com:8443". Prohibited: an
	// asterisk anywhere else, fewer than two labels behind it, addresses, and what is
	// prohibited in Origins. That "https://*.co.uk" belongs to everybody is not known
	// here: the list of such suffixes changes from day to day.
	Patterns []string
	// Credentials lets those pages send cookies and read what is answered to them.
	// Default false. Whether a browser sends the cookie is another matter: Warnings.
	Credentials bool
	// Methods that may be used beside GET, HEAD and POST, which need no permission
	// (Fetch, "CORS-safelisted method") and change nothing if they are named. "*" alone
	// is every method, and needs Credentials off. Default none.
	//
	// They are case-sensitive. Prohibited: CONNECT, TRACE and TRACK in any case, which no
	// page can send, and "patch" or any other well-known method that is not in upper
	// case.
	Methods []string
	// RequestHeaders that may be sent beside those that need no permission, in any case.
	// Content-Type needs it for everything but forms and plain text: name it for JSON.
	// "*" is every header but Authorization, which can be named beside it (Fetch, "CORS
	// non-wildcard request-header name"), and needs Credentials off. Default none.
	//
	// Prohibited: what no script can set (Fetch, "forbidden request-header"), such as
	// Cookie, Host, Origin, Sec-... and Proxy-..., and Access-Control-....
	RequestHeaders []string
	// ResponseHeaders that pages may read beside those that every page may (Fetch,
	// "CORS-safelisted response-header name"), which change nothing if they are named;
	// in any case. "*" alone is every header, and needs Credentials off. Default none.
	//
	// Prohibited: Set-Cookie, which no script can read, and Access-Control-... and
	// Origin, which are not for pages.
	ResponseHeaders []string
	// MaxAge is how long browsers may keep the answer to a preflight, in whole seconds,
	// at most 24 h; Chrome caps it at 2 h. Default 0 leaves it to them, which is 5 s;
	// negative is never. For as long may a page go on as before that Replace excludes.
	MaxAge time.Duration
	// DangerouslyAllowPrivateNetwork lets public pages reach this application although
	// it is in a private network (Private Network Access). They must be named: not with
	// "*". Default false: a preflight that asks for it is refused.
	DangerouslyAllowPrivateNetwork bool

	// PublicOrigin is the application's own origin as browsers see it; pages of it are
	// no other origin's and are not told to Audit. Cookies are those that pages of the
	// allowed origins should arrive with; they need PublicOrigin. Together they let
	// Warnings find what cannot work. Default none.
	PublicOrigin string
	Cookies      []*cookie.Spec

	// Debug tells Audit why a request was not allowed. The answer never says. Default
	// false, because anybody can cause as many such events as they like.
	Debug bool
	// Audit receives those events, and each of Warnings once from New and Replace. It is
	// needed for Debug. Default nil discards.
	Audit audit.Sink
	// Now is the clock of events; default time.Now.
	Now func() time.Time
}

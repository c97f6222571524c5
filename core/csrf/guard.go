package csrf

import (
	"errors"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// The errors of Check.
var (
	// ErrCrossSite says that the request does not come from a page that is trusted.
	ErrCrossSite = errors.New("csrf: the request comes from a page that is not trusted")
	// ErrNoOrigin says that the request does not say where it comes from: it is of a
	// client that is no browser, or of one that is very old or made to be silent. Who
	// asks decides: it is safe to go on only if something else that a page elsewhere
	// cannot send vouches for the request, or no cookie came with it.
	ErrNoOrigin = errors.New("csrf: the request does not say where it comes from")
)

// Request is what Check needs to know of a request.
type Request struct {
	// Method as received. It is case-sensitive (RFC 9110 section 9.1).
	Method string
	// FetchSite, Origin and Referer are all lines of Sec-Fetch-Site, Origin and Referer. A
	// line that is empty is a line. Referer counts only where the others are absent.
	FetchSite, Origin, Referer []string
	// Host is the Host header, and Secure whether the client spoke TLS. They count
	// only without Config.PublicOrigin.
	Host   string
	Secure bool
}

// Check returns nil if r changes nothing or comes from a page that is trusted, else
// ErrCrossSite or ErrNoOrigin. It allocates nothing.
func (g *Guard) Check(r Request) error {
	if Safe(r.Method) {
		return nil
	}
	if len(r.FetchSite) == 0 {
		// Browsers that do not know the header, and all of them where the target
		// is plain http. Origin is then the only witness.
		return g.checkOrigin(r)
	}
	if len(r.FetchSite) == 1 {
		// "none" is the user's own doing: the address bar, a bookmark. Origin is not
		// compared with either: it would add nothing, and a proxy that changes the
		// host must not lock the users out.
		switch r.FetchSite[0] {
		case "same-origin", "none":
			return nil
		}
	}
	// Two lines that contradict each other are no better than "cross-site": which
	// one counts would depend on who reads. The public origin is not enough here:
	// a browser that sees our own page says "same-origin".
	if len(r.Origin) == 1 && g.trusts(r.Origin[0]) {
		return nil
	}
	return ErrCrossSite
}

// checkOrigin judges by Origin alone. Only its absence is the lack of an answer:
// "null" and the empty string are answers, and come from somebody (CVE-2026-27978).
func (g *Guard) checkOrigin(r Request) error {
	switch len(r.Origin) {
	case 0:
		return g.checkReferer(r)
	case 1:
		if g.knows(r.Origin[0], r) {
			return nil
		}
	}
	return ErrCrossSite
}

// checkReferer looks for a page elsewhere in what is left. A Referer is a witness against a
// request and never for it: pages decide whether there is one and how much of it (Referrer
// Policy), so a page elsewhere can do without, and is then no better known than a program.
func (g *Guard) checkReferer(r Request) error {
	switch len(r.Referer) {
	case 0:
		return ErrNoOrigin
	case 1:
		// RFC 9110 section 10.1.3: a URL, whose origin ends where its path begins.
		from := r.Referer[0]
		if scheme := strings.Index(from, "://"); scheme >= 0 {
			if end := strings.IndexAny(from[scheme+3:], "/?#"); end >= 0 {
				from = from[:scheme+3+end]
			}
		}
		if g.knows(from, r) {
			return ErrNoOrigin
		}
	}
	return ErrCrossSite
}

// knows reports whether from is the application's own origin or a trusted one.
func (g *Guard) knows(from string, r Request) bool {
	switch {
	case g.trusts(from):
		return true
	case g.public != "":
		return from == g.public
	// The scheme is compared too: whoever sits on the way can make pages of our http
	// twin.
	default:
		return origin.IsHost(from, r.Host, r.Secure)
	}
}

// Safe reports whether nothing is checked because the method changes nothing: those of RFC
// 9110 section 9.2.1 that a page can send. Handlers must keep to that, because a link is
// enough to send one, and what a header or a field says of another method must be heard
// in front of the router or not at all: else one method is checked and another one served.
func Safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		return true
	default:
		return false
	}
}

func (g *Guard) trusts(from string) bool {
	_, ok := g.trusted[from]
	return ok
}

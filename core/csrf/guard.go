package csrf

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// Config says which pages may make requests that change something. The zero value is
// the strictest that works without knowing the application's address.
type Config struct {
	// PublicOrigin is the application's own origin as browsers see it:
	// "https://app.example.com". Default "": the scheme from Request.Secure and the
	// host from Request.Host. Set it behind a proxy that changes either, and where
	// the server answers to any Host: only a configured origin stops DNS rebinding
	// in a browser that sends no Sec-Fetch-Site.
	PublicOrigin string
	// TrustedOrigins are other origins whose pages may do what this application's
	// own pages may. Each is exact: neither its http twin, nor another port, nor a
	// host below it is meant (CVE-2025-47909). Default none.
	//
	// Permitted in both fields: "https://app.example.com", "https://app.example.com:8443",
	// "http://localhost:3000". Prohibited: a path or a slash at the end, upper case,
	// wildcards, "null", a default port that is written out, http to anything but
	// loopback.
	TrustedOrigins []string
}

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

// Guard is a compiled Config. It is immutable and safe for concurrent use. The zero
// Guard is that of the zero Config.
type Guard struct {
	public  string
	trusted map[string]struct{}
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError.
func New(cfg Config) (*Guard, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "csrf.Config." + field, Value: value, Reason: reason})
	}
	if cfg.PublicOrigin != "" {
		if reason := origin.Reason(cfg.PublicOrigin); reason != "" {
			bad("PublicOrigin", cfg.PublicOrigin, reason)
		}
	}
	g := &Guard{public: cfg.PublicOrigin, trusted: make(map[string]struct{}, len(cfg.TrustedOrigins))}
	for n, o := range cfg.TrustedOrigins {
		field := "TrustedOrigins[" + strconv.Itoa(n) + "]"
		if reason := origin.Reason(o); reason != "" {
			bad(field, o, reason)
		} else if _, twice := g.trusted[o]; twice {
			bad(field, o, "is there twice")
		}
		g.trusted[o] = struct{}{}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("csrf: %w", errors.Join(errs...))
	}
	return g, nil
}

// Request is what Check needs to know of a request.
type Request struct {
	// Method as received. It is case-sensitive (RFC 9110 section 9.1), and what a
	// header or a field says instead of it must not be followed after the check.
	Method string
	// FetchSite and Origin are all lines of Sec-Fetch-Site and of Origin. A line that
	// is empty is a line.
	FetchSite, Origin []string
	// Host is the Host header, and Secure whether the client spoke TLS. They count
	// only without Config.PublicOrigin.
	Host   string
	Secure bool
}

// Check returns nil if r changes nothing or comes from a page that is trusted, else
// ErrCrossSite or ErrNoOrigin. It allocates nothing.
func (g *Guard) Check(r Request) error {
	switch r.Method {
	// Those of RFC 9110 section 9.2.1 that a page can make. Handlers must not change
	// anything for them: a link is enough to send one.
	case "GET", "HEAD", "OPTIONS":
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
		return ErrNoOrigin
	case 1:
	default:
		return ErrCrossSite
	}
	from := r.Origin[0]
	switch {
	case g.trusts(from):
		return nil
	case g.public != "" && from == g.public:
		return nil
	// The scheme is compared too: whoever sits on the way can make pages of our http
	// twin.
	case g.public == "" && origin.IsHost(from, r.Host, r.Secure):
		return nil
	default:
		return ErrCrossSite
	}
}

func (g *Guard) trusts(from string) bool {
	_, ok := g.trusted[from]
	return ok
}

package token

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core/internal/origin"
)

const maxRedirects = 3

var (
	errRedirects = errors.New("more than three redirects")
	errElsewhere = errors.New("a redirect to another scheme, host or port, or with credentials")
)

// urlReason says why an issuer is not asked at raw, or "". The rules are the same for
// what the configuration says and for what an issuer's metadata says.
func urlReason(raw string, insecureHTTP bool) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "":
		return "must be an absolute URL"
	case u.User != nil:
		return "must not hold credentials"
	case strings.Contains(raw, "#"):
		return "must not have a fragment"
	case u.Scheme == "https":
		return ""
	case u.Scheme != "http" || !insecureHTTP:
		return "must be https: whoever sits on the way could change the answer"
	case !origin.Loopback(u.Hostname()):
		return "must be https, or http on loopback with InsecureHTTP"
	default:
		return ""
	}
}

// issuerURLReason is urlReason for the name of an issuer that metadata is read from
// (OpenID Connect Discovery section 3: no query either).
func issuerURLReason(raw string, insecureHTTP bool) string {
	if reason := urlReason(raw, insecureHTTP); reason != "" {
		return reason
	}
	if strings.Contains(raw, "?") {
		return "must not have a query"
	}
	return ""
}

// redacted returns raw as a report may show it.
func redacted(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.User != nil {
		return u.Redacted()
	}
	return raw
}

// sameOrigin keeps redirects where the configuration or the metadata pointed: an open
// redirect there would otherwise choose the keys, or reach into our network
// (CVE-2026-49478).
func sameOrigin(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return errRedirects
	case originOf(req.URL) != originOf(via[0].URL) || req.URL.User != nil:
		return errElsewhere
	default:
		return nil
	}
}

func originOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

package cookie

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
)

const (
	defaultName = "session"
	maxName     = 64

	// maxPair and maxSeconds are where browsers stop: they drop a cookie whose
	// name and value together are longer, and cut a longer life (RFC 6265bis
	// section 5.5). Promising more would be a promise the browser breaks.
	maxPair    = 4096
	maxSeconds = 400 * 24 * 60 * 60
)

// SameSite is the SameSite attribute. The zero value is SameSiteLax.
type SameSite uint8

const (
	// SameSiteLax sends the cookie on requests of the same site and on
	// top-level navigations with a safe method from anywhere.
	SameSiteLax SameSite = iota
	// SameSiteStrict sends it on requests of the same site only: whoever
	// follows a link from a mail arrives logged out.
	SameSiteStrict
	// SameSiteNone sends it always, for an application that lives in frames of
	// other sites. It needs Secure.
	SameSiteNone
)

// String returns the attribute's value.
func (s SameSite) String() string {
	switch s {
	case SameSiteStrict:
		return "Strict"
	case SameSiteNone:
		return "None"
	default:
		return "Lax"
	}
}

// Config describes one cookie. The zero value is the strictest cookie that
// survives a link from elsewhere:
// __Host-session; Path=/; Secure; HttpOnly; SameSite=Lax.
//
// HttpOnly and Path=/ are not settings. A credential that scripts can read
// leaves with the first XSS, and Path has never been a security boundary
// (RFC 6265 section 8.5).
type Config struct {
	// Name without prefix; the prefix follows from the rest of the Config. A
	// token of RFC 6265 section 4.1.1, at most 64 bytes. Prohibited: a name
	// that begins with a prefix itself. Default "session".
	Name string

	// Domain makes the cookie visible to this domain and every host below it.
	// Permitted: "example.com". Prohibited: a leading dot, upper case, an IP
	// address, a single label. A public suffix of several labels ("co.uk") is
	// not detected here; browsers refuse it.
	//
	// It costs the __Host- prefix (the name becomes __Secure-...): every host
	// below Domain can then set and overwrite the cookie, which is session
	// fixation by a sibling. Default "": this host only.
	Domain string

	// SameSite defaults to SameSiteLax.
	SameSite SameSite

	// Partitioned keeps one cookie for each top-level site that embeds the
	// application (CHIPS). It needs SameSiteNone. Default false.
	Partitioned bool

	// InsecureHTTP drops Secure and the name's prefix together, for development
	// over plain HTTP on the loopback interface and nothing else: anyone on the
	// path reads and replaces such a cookie. Dropping them apart is impossible,
	// because browsers refuse a prefixed cookie without Secure. Default false.
	InsecureHTTP bool
}

// ErrValue says that a value cannot be the value of this cookie: it is empty,
// holds a byte outside of base64url, or is too long.
var ErrValue = errors.New("cookie: value is empty, too long or not base64url")

var errZeroSpec = errors.New("cookie: Spec was not made by New")

// Spec is a compiled Config. It is immutable and safe for concurrent use. Make
// it with New: the zero Spec finds no cookie and sets none.
type Spec struct {
	name     string
	insecure bool
	sameSite SameSite
	head     string // between the value and the digits of Max-Age
	tail     string // after the digits
	del      string
	variants []string
}

// New compiles cfg. Whatever a browser would refuse is an error here, as it
// would otherwise show as users who cannot stay logged in, without a trace on
// the server. The error joins one *core.ConfigError for every mistake (for Domain the
// first one, as the others tend to follow from it).
func New(cfg Config) (*Spec, error) {
	if cfg.Name == "" {
		cfg.Name = defaultName
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	name := cfg.Name
	switch {
	case cfg.InsecureHTTP:
	case cfg.Domain == "":
		name = "__Host-" + name
	default:
		name = "__Secure-" + name
	}
	own := form{cfg.Domain, cfg.SameSite, cfg.Partitioned}
	s := &Spec{
		name:     name,
		insecure: cfg.InsecureHTTP,
		sameSite: cfg.SameSite,
		head:     own.scope() + "; Max-Age=",
		tail:     own.flags(cfg.InsecureHTTP),
		del:      own.deletion(name, cfg.InsecureHTTP),
	}
	domains := []string{""}
	if cfg.Domain != "" {
		domains = append(domains, cfg.Domain)
	}
	for _, d := range domains {
		for _, p := range []bool{false, true} {
			if d == cfg.Domain && p == cfg.Partitioned || p && cfg.InsecureHTTP {
				continue
			}
			f := form{d, cfg.SameSite, p}
			if p {
				f.sameSite = SameSiteNone
			}
			s.variants = append(s.variants, f.deletion(name, cfg.InsecureHTTP))
		}
	}
	return s, nil
}

// Name returns the name on the wire, with prefix: "__Host-session".
func (s *Spec) Name() string { return s.name }

// InsecureHTTP reports whether the cookie lacks Secure and its prefix, so that
// the caller can refuse to serve anything but loopback.
func (s *Spec) InsecureHTTP() bool { return s.insecure }

// SameSite returns the attribute that Set gives the cookie.
func (s *Spec) SameSite() SameSite { return s.sameSite }

// Set returns the value of a Set-Cookie header that stores value for maxAge.
// Max-Age is in whole seconds, rounded down so that the browser forgets no later
// than the server, at most 400 days and at least 1: from 0 on the header would
// be a deletion, which is Delete's business.
//
// It returns ErrValue if value is empty, holds a byte outside of
// [A-Za-z0-9_-], or is longer than 4096 bytes together with the name. That is
// narrower than the cookie-octets of RFC 6265 section 4.1.1, because our values
// are base64url, and with no other byte there is nothing to escape and no
// attribute to inject.
func (s *Spec) Set(value string, maxAge time.Duration) (string, error) {
	if s.name == "" {
		return "", errZeroSpec
	}
	if !isValue(value) || len(s.name)+len(value) > maxPair {
		return "", ErrValue
	}
	seconds := min(max(int64(maxAge/time.Second), 1), maxSeconds)
	return s.name + "=" + value + s.head + strconv.FormatInt(seconds, 10) + s.tail, nil
}

// Delete returns the value of a Set-Cookie header that deletes the cookie that
// Set makes. It carries the same attributes: a browser deletes only what it
// could set, so __Host- without Secure would delete nothing (RFC 6265bis
// section 4.1.3).
func (s *Spec) Delete() string { return s.del }

// DeleteVariants returns Set-Cookie values that delete the other cookies of
// this name that one browser can hold beside the configured one, and send with
// it in an order that nobody may rely on (RFC 6265bis section 4.2.2): host-only
// and Domain, each unpartitioned and partitioned. With InsecureHTTP there are
// no partitioned ones. The slice is the caller's.
//
// Partitioned deletions say SameSite=None whatever the Config says, because the
// browser would ignore any other from an embedded page, which is where such a
// cookie shows up.
//
// If a value is to live on, repeat its Set after them, even if it has not
// changed: a browser that does not know Partitioned skips that attribute, and so
// deletes the configured cookie.
//
// Cookies of another Path or a parent domain cannot be named here, as the Cookie
// header does not tell them. The prefix __Host- rules them out; Domain does not.
func (s *Spec) DeleteVariants() []string { return slices.Clone(s.variants) }

// form is one of the cookies that share a name in a jar.
type form struct {
	domain      string
	sameSite    SameSite
	partitioned bool
}

func (f form) scope() string {
	if f.domain == "" {
		return "; Path=/"
	}
	return "; Path=/; Domain=" + f.domain
}

func (f form) flags(insecure bool) string {
	var b strings.Builder
	if !insecure {
		b.WriteString("; Secure")
	}
	b.WriteString("; HttpOnly; SameSite=" + f.sameSite.String())
	if f.partitioned {
		b.WriteString("; Partitioned")
	}
	return b.String()
}

// Expires stands beside Max-Age=0 because the grammar of RFC 6265 section 4.1.1
// has no Max-Age of 0, and the oldest browsers know Expires alone.
func (f form) deletion(name string, insecure bool) string {
	return name + "=" + f.scope() + "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT" + f.flags(insecure)
}

func (cfg Config) validate() error {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "cookie.Config." + field, Value: value, Reason: reason})
	}
	if !isToken(cfg.Name) {
		bad("Name", cfg.Name, "is not a token (RFC 6265 section 4.1.1)")
	}
	if len(cfg.Name) > maxName {
		bad("Name", cfg.Name, "is longer than 64 bytes")
	}
	// Without regard to case, as browsers compare. __Http- is the newest of the
	// family: it would make a browser refuse the cookie under InsecureHTTP.
	for _, prefix := range []string{"__Host-", "__Secure-", "__Http-"} {
		if len(cfg.Name) >= len(prefix) && strings.EqualFold(cfg.Name[:len(prefix)], prefix) {
			bad("Name", cfg.Name, "begins with "+prefix+", but the prefix is added here")
		}
	}
	if cfg.Domain != "" {
		if reason := domainFault(cfg.Domain); reason != "" {
			bad("Domain", cfg.Domain, reason)
		}
	}
	if cfg.SameSite > SameSiteNone {
		bad("SameSite", strconv.Itoa(int(cfg.SameSite)), "is none of SameSiteLax, SameSiteStrict, SameSiteNone")
	}
	if cfg.SameSite == SameSiteNone && cfg.InsecureHTTP {
		bad("SameSite", "None", "needs Secure, which InsecureHTTP drops: browsers refuse the cookie")
	}
	if cfg.Partitioned && cfg.InsecureHTTP {
		bad("Partitioned", "true", "needs Secure, which InsecureHTTP drops: browsers refuse the cookie")
	}
	if cfg.Partitioned && cfg.SameSite != SameSiteNone {
		bad("Partitioned", "true", "needs SameSiteNone: with any other the cookie is never sent from the embedded page it is for")
	}
	return errors.Join(errs...)
}

// domainFault says why a browser, or a careful person, would refuse domain.
func domainFault(domain string) string {
	if domain[0] == '.' {
		return "begins with a dot: leave it out, browsers ignore it"
	}
	if _, err := netip.ParseAddr(domain); err == nil {
		return "is an IP address: browsers match Domain against names only"
	}
	if len(domain) > 253 {
		return "is longer than 253 bytes"
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 {
			return "has a label that is empty or longer than 63 bytes"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "has a label that begins or ends with a hyphen"
		}
		for i := range len(label) {
			switch c := label[i]; {
			case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
			case 'A' <= c && c <= 'Z':
				return "has upper-case letters"
			default:
				return "is not a DNS name (international names in their xn-- form)"
			}
		}
	}
	if len(labels) == 1 {
		return "is a single label: browsers refuse a cookie for a whole top-level domain"
	}
	// The rule of the URL standard ("ends in a number"): 127.1 or 1.2.3.0x4 is an
	// IPv4 address to a browser.
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return "ends in a number: browsers take it for an IP address"
	}
	return ""
}

func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

func isValue(s string) bool {
	for i := range len(s) {
		if !valueBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// valueBytes is the alphabet of base64url, as a table because every login and every
// touch goes through it.
var valueBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = isAlnum(byte(c)) || c == '-' || c == '_'
	}
	return t
}()

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

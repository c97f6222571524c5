package csrf

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/internal/fetch"
	"github.com/sallyport-go/sallyport/core/internal/origin"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// Config says which requests may change something. The zero value is the strictest that
// works without knowing the application's address, in one process.
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

	// Secret is what the fleet shares, at least 32 random bytes. Out of it comes the
	// tokens' key. Default nil: this process has one of its own, so tokens end with it
	// and mean nothing to another; where sessions live in a store that others use too,
	// requests are then refused with a 500 that says so.
	Secret []byte
	// RetiredSecrets are accepted and not used for new tokens. To rotate: put the new
	// secret here on every process, then exchange it with the old one, then drop that
	// when no page is open any more that has a token of it. At most 4. Default none.
	RetiredSecrets [][]byte
	// App is the name of the application, as in session.Config.App; tokens of another
	// App mean nothing here. 1 to 64 of A-Z a-z 0-9 . _ -; default "app".
	App string
	// Cookie describes the cookie that a visitor's tokens belong to before a login. Its
	// default name is "csrf", on the wire __Host-csrf. Domain must not be set: then
	// siblings could plant it.
	Cookie cookie.Config
	// Cookies names, as on the wire, further cookies that make somebody be somebody: the
	// refresh cookie, one of another library. The session's and this Guard's own are
	// known. A request without any of them, and without any other credential that
	// browsers send by themselves, needs no token. Default none.
	Cookies []string

	// HeaderName is where the token is looked for. It must be one that scripts can set,
	// and that a page elsewhere cannot send without a preflight. Default "X-CSRF-Token".
	HeaderName string
	// FieldName is the form field where it is looked for if there is no such header, in
	// bodies of application/x-www-form-urlencoded up to 64 KiB. A token of RFC 9110
	// section 5.6.2, so that it is written in one way. Default "csrf_token".
	FieldName string
	// Multipart looks into multipart/form-data bodies of up to 64 KiB too. Larger ones
	// send the header. Default false: parsing them is costly and done twice.
	Multipart bool
	// JSONOnly refuses, with 415, each body of another type than application/json. A
	// page elsewhere cannot send that type without a preflight, and a handler that reads
	// JSON out of text/plain cannot be reached with it. Default false.
	JSONOnly bool
	// Exempt are paths where nothing is checked, for callers that prove themselves
	// otherwise, such as a signed webhook. Each is compared with the path as it was
	// received, byte for byte: "/hooks/pay" is neither "/hooks/pay/" nor "/hooks/%70ay".
	// It must be one that browsers do not rewrite: it begins with a slash, has no empty
	// segment but the last and no "." or "..", and consists of letters, digits and
	// -._~!$&'()*+,;=:@/ (RFC 3986 section 3.3). Default none.
	Exempt []string
	// InsecureNoTokens turns layer two off. What is left is the word of browsers: it
	// stops them from being used against their users, old ones and some embedded ones
	// excepted, and nothing that can write a header. A request that does not say where
	// it comes from is then refused if it brings a credential. Default false.
	InsecureNoTokens bool

	// Audit receives what was refused. nil discards.
	Audit audit.Sink
	// Now is the clock of events; default time.Now.
	Now func() time.Time
	// Rand is the source of masks and cookies; default crypto/rand.Reader. It must be
	// safe for concurrent use.
	Rand io.Reader
}

const (
	defaultApp    = "app"
	defaultCookie = "csrf"
	defaultHeader = "X-CSRF-Token"
	defaultField  = "csrf_token"
	maxRetired    = 4
)

// Guard is a compiled Config. It is immutable and safe for concurrent use. Make one with
// New: the zero Guard makes and accepts no token.
type Guard struct {
	public        string
	trusted       map[string]struct{}
	exempt        map[string]struct{}
	cookie        *cookie.Spec
	names         []string     // of cookies that are credentials, the session's excepted
	macs          []*realm.MAC // the first makes tokens; none without layer two
	header, field string
	multipart     bool
	jsonOnly      bool
	alone         bool
	app           string
	audit         audit.Sink
	now           func() time.Time
	rand          io.Reader
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError, or is one of
// the random source.
func New(cfg Config) (*Guard, error) {
	var errs []error
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "csrf.Config." + field, Value: value, Reason: reason})
	}
	given := cfg
	setDefault(&cfg.App, defaultApp)
	setDefault(&cfg.Cookie.Name, defaultCookie)
	setDefault(&cfg.HeaderName, defaultHeader)
	setDefault(&cfg.FieldName, defaultField)
	g := &Guard{
		public: cfg.PublicOrigin, trusted: make(map[string]struct{}), exempt: make(map[string]struct{}),
		header: textproto.CanonicalMIMEHeaderKey(cfg.HeaderName), field: cfg.FieldName,
		multipart: cfg.Multipart, jsonOnly: cfg.JSONOnly, alone: cfg.Secret == nil,
		app: cfg.App, audit: cfg.Audit, now: cfg.Now, rand: cfg.Rand,
	}
	if g.now == nil {
		g.now = time.Now
	}
	if g.rand == nil {
		g.rand = rand.Reader
	}
	if cfg.PublicOrigin != "" {
		if reason := origin.Reason(cfg.PublicOrigin); reason != "" {
			bad("PublicOrigin", cfg.PublicOrigin, reason)
		}
	}
	fill(g.trusted, "TrustedOrigins", cfg.TrustedOrigins, origin.Reason, bad)
	realm.Check(cfg.App, cfg.Secret, bad)
	checkRetired(&cfg, bad)
	spec, err := cookie.New(cfg.Cookie)
	if err != nil {
		errs = append(errs, err)
	}
	if cfg.Cookie.Domain != "" {
		bad("Cookie.Domain", cfg.Cookie.Domain, "lets every host below it plant the cookie, and with it a token of its own")
	}
	names := make(map[string]struct{}, len(cfg.Cookies))
	fill(names, "Cookies", cfg.Cookies, cookieFault, bad)
	if reason := headerFault(cfg.HeaderName); reason != "" {
		bad("HeaderName", cfg.HeaderName, reason)
	}
	if !isToken(cfg.FieldName) {
		bad("FieldName", cfg.FieldName, "is not a token (RFC 9110 section 5.6.2)")
	}
	if cfg.JSONOnly {
		const reason = "is for forms, which JSONOnly refuses"
		idle(given.FieldName != "", "FieldName", reason, bad)
		idle(cfg.Multipart, "Multipart", reason, bad)
	}
	fill(g.exempt, "Exempt", cfg.Exempt, pathFault, bad)
	if cfg.InsecureNoTokens {
		const reason = "is for tokens, which InsecureNoTokens turns off"
		idle(given.Secret != nil, "Secret", reason, bad)
		idle(given.RetiredSecrets != nil, "RetiredSecrets", reason, bad)
		idle(given.Cookie != cookie.Config{}, "Cookie", reason, bad)
		idle(given.HeaderName != "", "HeaderName", reason, bad)
		idle(given.FieldName != "", "FieldName", reason, bad)
		idle(given.Multipart, "Multipart", reason, bad)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("csrf: %w", errors.Join(errs...))
	}
	g.cookie, g.names = spec, append(slices.Clone(cfg.Cookies), spec.Name())
	if cfg.InsecureNoTokens {
		return g, nil
	}
	secret, err := realm.Secret(cfg.Secret, cfg.Rand)
	if err != nil {
		return nil, fmt.Errorf("csrf: %w", err)
	}
	for _, s := range append([][]byte{secret}, cfg.RetiredSecrets...) {
		mac, err := newMAC(cfg.App, s)
		if err != nil {
			return nil, fmt.Errorf("csrf: %w", err)
		}
		g.macs = append(g.macs, mac)
	}
	return g, nil
}

type report = func(field, value, reason string)

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// idle reports an option that would do nothing: what is configured and is not there is a
// hole that nobody sees. Its value may be a secret.
func idle(set bool, field, reason string, bad report) {
	if set {
		bad(field, "set", reason)
	}
}

// fill makes a set of values, each of which must be free of faults and there once.
func fill(set map[string]struct{}, field string, values []string, fault func(string) string, bad report) {
	for n, v := range values {
		reason := fault(v)
		if _, twice := set[v]; twice && reason == "" {
			reason = "is there twice"
		}
		if reason != "" {
			bad(field+"["+strconv.Itoa(n)+"]", v, reason)
		}
		set[v] = struct{}{}
	}
}

func checkRetired(cfg *Config, bad report) {
	if len(cfg.RetiredSecrets) > maxRetired {
		bad("RetiredSecrets", strconv.Itoa(len(cfg.RetiredSecrets))+" secrets", "must be at most 4: each is tried for every token that is refused")
	}
	if len(cfg.RetiredSecrets) > 0 && cfg.Secret == nil {
		bad("Secret", "nil", "must be set where there are RetiredSecrets: new tokens would be of this process alone")
	}
	seen := map[string]struct{}{string(cfg.Secret): {}}
	for n, s := range cfg.RetiredSecrets {
		field, size := "RetiredSecrets["+strconv.Itoa(n)+"]", strconv.Itoa(len(s))+" bytes"
		// A nil Secret is the process's own, a nil retired one is nobody's.
		realm.Check(defaultApp, append([]byte{}, s...), func(_, value, reason string) { bad(field, value, reason) })
		if _, twice := seen[string(s)]; twice {
			bad(field, size, "is there twice")
		}
		seen[string(s)] = struct{}{}
	}
}

func isToken(s string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"
	return s != "" && strings.Trim(s, alphabet) == ""
}

// Names are the same byte for byte: a part of one would be found in others.
func cookieFault(name string) string {
	if !isToken(name) {
		return "is not a token (RFC 6265 section 4.1.1)"
	}
	return ""
}

// headerFault says why no token can travel in a header, or "". That a page elsewhere needs
// a preflight for it is a layer of its own, and one that the answers to preflights decide
// about.
func headerFault(name string) string {
	if !isToken(name) {
		return "is not a token (RFC 9110 section 5.6.2)"
	}
	lower := strings.ToLower(name)
	switch lower {
	// Fetch, "CORS-safelisted request-header" and "privileged no-CORS request-header
	// name", with those that have been on the list before.
	case "accept", "accept-language", "content-language", "content-type", "range",
		"device-memory", "downlink", "dpr", "ect", "rtt", "save-data", "viewport-width", "width":
		return "is a header that a page elsewhere can send without a preflight"
	case "x-http-method", "x-http-method-override", "x-method-override":
		return "is a header that says another method to some servers, and that scripts cannot always set"
	case "authorization", "user-agent":
		return "is a header that says something else, and that browsers fill in themselves"
	}
	if fetch.Forbidden(lower) {
		return "is a header that scripts cannot set"
	}
	return ""
}

// pathFault says why a path is not the only spelling of what it names, or "".
func pathFault(path string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"
	switch {
	case !strings.HasPrefix(path, "/"):
		return "must begin with a slash"
	case strings.Trim(path, alphabet) != "":
		return "must be a path as browsers send it, without a percent sign, query or fragment"
	}
	segments := strings.Split(path[1:], "/")
	for n, s := range segments {
		if s == "." || s == ".." || s == "" && n < len(segments)-1 {
			return `must have no empty, "." or ".." segment: routers and proxies read them differently`
		}
	}
	return ""
}

// Cookie returns the cookie of visitors who are not logged in.
func (g *Guard) Cookie() *cookie.Spec { return g.cookie }

// HeaderName and FieldName return where the token is looked for, the former in the case in
// which net/http keeps it.
func (g *Guard) HeaderName() string { return g.header }
func (g *Guard) FieldName() string  { return g.field }

// Multipart and JSONOnly return the options of these names; Tokens whether layer two is on.
func (g *Guard) Multipart() bool { return g.multipart }
func (g *Guard) JSONOnly() bool  { return g.jsonOnly }
func (g *Guard) Tokens() bool    { return len(g.macs) > 0 }

// Alone reports whether the secret is this process's own.
func (g *Guard) Alone() bool { return g.alone }

// Exempt reports whether nothing is checked on a path, which is given as received.
func (g *Guard) Exempt(path string) bool {
	_, ok := g.exempt[path]
	return ok
}

// Carries reports whether the lines of a Cookie header may hold the Guard's cookie, one of
// Config.Cookies or one called name. It looks for the name anywhere, because what is no
// cookie to us may be one to a more lenient reader behind.
func (g *Guard) Carries(lines []string, name string) bool {
	for _, line := range lines {
		if name != "" && strings.Contains(line, name) {
			return true
		}
		for _, n := range g.names {
			if strings.Contains(line, n) {
				return true
			}
		}
	}
	return false
}

package token

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// IntrospectionConfig says where an issuer tells which of its tokens are still good.
type IntrospectionConfig struct {
	// URL is the issuer's introspection endpoint (RFC 7662): https, or http on
	// loopback with InsecureHTTP. Compulsory. Redirects are not followed.
	URL string
	// ClientID and ClientSecret are what this service authenticates itself with there,
	// as HTTP Basic (RFC 6749 section 2.3.1). Compulsory: an endpoint that answers
	// anybody tells thieves what they stole.
	ClientID, ClientSecret string
	// CacheFor is how long an answer counts, from the moment of the question: for so
	// long a token that was revoked may go on working here. Default 5 s; at most 60 s;
	// negative: every request asks.
	CacheFor time.Duration
	// CacheEntries bounds how many answers are remembered, each with the bytes of its
	// token, and how many questions may be under way. Beyond, the oldest answers are
	// forgotten, and further questions are not asked. Default 10,000; at most 1,000,000.
	CacheEntries int
	// Timeout bounds one question. Default 2 s.
	Timeout time.Duration
	// Transport asks; default http.DefaultTransport, which goes through the proxy that
	// the environment names, and keeps no more than two idle connections to an
	// endpoint that does not speak HTTP/2.
	Transport http.RoundTripper
	// InsecureHTTP allows an http URL whose host is loopback (127.0.0.0/8, ::1,
	// localhost and names below it), for development.
	InsecureHTTP bool
	// App names the application in events; default "app". Audit receives failures.
	App   string
	Audit audit.Sink
	// Now is the clock; default time.Now. The Verifier must go by the same.
	Now func() time.Time
}

const (
	defaultCacheFor      = 5 * time.Second
	maxCacheFor          = time.Minute
	defaultCacheEntries  = 10_000
	maxCacheEntries      = 1_000_000
	defaultIntrospection = 2 * time.Second
)

// Introspection asks an issuer elsewhere whether its tokens are still good, for a
// service that shares neither store nor secret with it. It is safe for concurrent use
// and starts no goroutine that outlives a question.
//
// Only a token that the Verifier found authentic, for us and not expired is asked about,
// so nobody reaches the endpoint with what he made up. An answer is about the token of
// which all bytes are the same, and about no other (CVE-2026-33496). What it says beside
// that is compared with the token and used for nothing.
//
// If the issuer is of this suite, the endpoint tells its store that the token was seen
// before it answers: for the rules of rotation a service that asks here reports its
// sightings and consults the registry, the latter with a delay of CacheFor at most.
type Introspection struct {
	cfg    IntrospectionConfig
	client *http.Client

	mu sync.RWMutex
	// questions are those under way, and the answers that may still count. The key is
	// the whole token.
	questions map[string]*question
	underWay  int
	// answered are the answers in the order of their coming, the oldest at head.
	answered []*question
	head     int
}

// NewIntrospection compiles cfg. It asks nothing. The error joins every mistake, each a
// *core.ConfigError.
func NewIntrospection(cfg IntrospectionConfig) (*Introspection, error) {
	cfg = cfg.withDefaults()
	if errs := cfg.mistakes(); len(errs) > 0 {
		return nil, fmt.Errorf("token: %w", errors.Join(errs...))
	}
	return &Introspection{
		cfg: cfg,
		// Without a Jar no cookie is kept. The time is bounded by the context.
		client:    &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect},
		questions: map[string]*question{},
	}, nil
}

// noRedirect makes a redirect an answer, and one that does not count: the token and the
// secret go to the configured place and nowhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (cfg IntrospectionConfig) withDefaults() IntrospectionConfig {
	if cfg.CacheFor == 0 {
		cfg.CacheFor = defaultCacheFor
	}
	cfg.CacheFor = max(cfg.CacheFor, 0)
	if cfg.CacheEntries == 0 {
		cfg.CacheEntries = defaultCacheEntries
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultIntrospection
	}
	if cfg.Transport == nil {
		cfg.Transport = http.DefaultTransport
	}
	if cfg.App == "" {
		cfg.App = defaultApp
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

func (cfg IntrospectionConfig) mistakes() (errs []error) {
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "token.IntrospectionConfig." + field, Value: value, Reason: reason})
	}
	if cfg.URL == "" {
		bad("URL", "", "is compulsory")
	} else if reason := urlReason(cfg.URL, cfg.InsecureHTTP); reason != "" {
		bad("URL", redacted(cfg.URL), reason)
	}
	if cfg.ClientID == "" {
		bad("ClientID", "", "is compulsory")
	}
	if cfg.ClientSecret == "" {
		bad("ClientSecret", "", "is compulsory: an endpoint that answers anybody tells thieves what they stole")
	}
	if cfg.CacheFor > maxCacheFor {
		bad("CacheFor", cfg.CacheFor.String(), "must be at most "+maxCacheFor.String()+": for so long a revoked token works")
	}
	if cfg.CacheEntries < 0 || cfg.CacheEntries > maxCacheEntries {
		bad("CacheEntries", strconv.Itoa(cfg.CacheEntries), "must be from 1 to 1,000,000; a negative CacheFor remembers nothing")
	}
	if cfg.Timeout < 0 {
		bad("Timeout", cfg.Timeout.String(), "must not be negative: a question without an end would hold requests for ever")
	}
	realm.Check(cfg.App, nil, bad)
	return errs
}

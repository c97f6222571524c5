package token

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/realm"
)

// RemoteKeysConfig says where an issuer publishes its keys.
type RemoteKeysConfig struct {
	// Issuer is whose keys these are. Compulsory; TrustedIssuer.Name must be the
	// same.
	Issuer string
	// URL is the key set: https, or http on loopback with InsecureHTTP. Default:
	// jwks_uri of the issuer's metadata, which is read from
	// /.well-known/openid-configuration below Issuer, must name the same issuer
	// (OpenID Connect Discovery section 4.3), and must stay on https. jwks_uri may
	// be on another host, as the issuer says it over https.
	URL string
	// Refresh is how old the set may grow before it is fetched again: how long a
	// key that was removed may live on here. When four fifths of it have passed,
	// requests begin to fetch without waiting. Default 5 minutes; at least 1 s.
	Refresh time.Duration
	// StaleFor is how much longer the last set is used while fetching fails, with
	// an event each time. After that the answer is unknown. Default 1 h; negative:
	// not at all.
	StaleFor time.Duration
	// RetryAfter is the least time between two fetches, whatever tokens name as
	// their key: from the beginning of one that succeeded, from the end of one that
	// failed. No request waits for it to pass. Default 10 s, or Refresh if that is
	// less; at most Refresh.
	RetryAfter time.Duration
	// Timeout bounds one fetch, metadata included. Default 5 s.
	Timeout time.Duration
	// MaxBytes bounds an answer, decoded. Default 256 KiB; at most 16 MiB.
	MaxBytes int64
	// Transport fetches; default http.DefaultTransport, which goes through the
	// proxy that the environment names. No cookie or other credential is sent.
	// Redirects are followed on the same scheme, host and port only, at most three.
	Transport http.RoundTripper
	// InsecureHTTP allows http URLs whose host is loopback (127.0.0.0/8, ::1,
	// localhost and names below it), for development.
	InsecureHTTP bool
	// App names the application in events; default "app". Audit receives failures.
	App   string
	Audit audit.Sink
	// Now is the clock; default time.Now. The Verifier must go by the same.
	Now func() time.Time
}

const (
	defaultRefresh    = 5 * time.Minute
	defaultStaleFor   = time.Hour
	defaultRetryAfter = 10 * time.Second
	defaultTimeout    = 5 * time.Second
	defaultMaxBytes   = 256 << 10
	maxMaxBytes       = 16 << 20
)

// RemoteKeys are the keys that an issuer elsewhere publishes. It is safe for
// concurrent use, fetches when it is asked, at most once at a time, and starts no
// goroutine that outlives a fetch.
//
// What the last successful fetch brought is the whole truth: a key that is missing
// from it is gone, and if it holds no key at all, nothing verifies. An issuer that
// empties its set revokes everything; one that does so by mistake is believed again
// as soon as its set is back, because every token then names an unknown key.
type RemoteKeys struct {
	cfg    RemoteKeysConfig
	early  time.Duration // the age from which fetching begins ahead of time
	client *http.Client
	state  atomic.Pointer[remoteState]
}

// remoteState is what is known at one moment. It is immutable.
type remoteState struct {
	keys    map[string]*verificationKey // by id; nil before the first success
	fetched time.Time                   // when the fetch that brought keys began
	last    time.Time                   // what RetryAfter counts from
	err     error                       // of the last fetch; nil if it succeeded
	flight  *flight                     // the fetch under way; nil if there is none
}

// flight is one fetch. err may be read when done is closed.
type flight struct {
	done chan struct{}
	err  error
}

var errKeysTooOld = errors.New("the last set is too old")

// NewRemoteKeys compiles cfg. It fetches nothing. The error joins every mistake, each
// a *core.ConfigError.
func NewRemoteKeys(cfg RemoteKeysConfig) (*RemoteKeys, error) {
	cfg = cfg.withDefaults()
	if errs := cfg.mistakes(); len(errs) > 0 {
		return nil, fmt.Errorf("token: %w", errors.Join(errs...))
	}
	r := &RemoteKeys{
		cfg:   cfg,
		early: cfg.Refresh - cfg.Refresh/5,
		// Without a Jar no cookie is kept. The time is bounded by the context.
		client: &http.Client{Transport: cfg.Transport, CheckRedirect: sameOrigin},
	}
	r.state.Store(&remoteState{})
	return r, nil
}

func (cfg RemoteKeysConfig) withDefaults() RemoteKeysConfig {
	if cfg.Refresh == 0 {
		cfg.Refresh = defaultRefresh
	}
	if cfg.StaleFor == 0 {
		cfg.StaleFor = defaultStaleFor
	}
	cfg.StaleFor = max(cfg.StaleFor, 0)
	if cfg.RetryAfter == 0 {
		cfg.RetryAfter = min(defaultRetryAfter, cfg.Refresh)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = defaultMaxBytes
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

func (cfg RemoteKeysConfig) mistakes() (errs []error) {
	bad := func(field, value, reason string) {
		errs = append(errs, &core.ConfigError{Field: "token.RemoteKeysConfig." + field, Value: value, Reason: reason})
	}
	switch {
	case cfg.Issuer == "":
		bad("Issuer", "", "is compulsory: keys are trusted for one issuer only")
	case cfg.URL == "":
		if reason := issuerURLReason(cfg.Issuer, cfg.InsecureHTTP); reason != "" {
			bad("Issuer", redacted(cfg.Issuer), reason+", or URL must be set")
		}
	}
	if cfg.URL != "" {
		if reason := urlReason(cfg.URL, cfg.InsecureHTTP); reason != "" {
			bad("URL", redacted(cfg.URL), reason)
		}
	}
	realm.Check(cfg.App, nil, bad)
	if cfg.Refresh < time.Second {
		bad("Refresh", cfg.Refresh.String(), "must be at least one second")
	}
	switch {
	case cfg.RetryAfter < 0:
		bad("RetryAfter", cfg.RetryAfter.String(), "must not be negative: a flood of made-up key names would become one of fetches")
	case cfg.RetryAfter > cfg.Refresh:
		bad("RetryAfter", cfg.RetryAfter.String(), "must not be more than Refresh: the set would be too old before it may be fetched")
	}
	if cfg.Timeout < 0 {
		bad("Timeout", cfg.Timeout.String(), "must not be negative: a fetch without an end would hold requests for ever")
	}
	if cfg.MaxBytes < 0 || cfg.MaxBytes > maxMaxBytes {
		bad("MaxBytes", strconv.FormatInt(cfg.MaxBytes, 10), "must be from 1 byte to 16 MiB")
	}
	return errs
}

// Fetch fetches the set now, unless a fetch is under way, which it then waits for.
// A program calls it at its start to fail early; nothing has to. RetryAfter does not
// hold it back. An error wraps core.ErrUnknown, and ctx.Err() if ctx ended first.
func (r *RemoteKeys) Fetch(ctx context.Context) error {
	f := r.join(func(*remoteState) bool { return true })
	if err := f.wait(ctx); err != nil {
		return r.unknown(err)
	}
	if f.err != nil {
		return r.unknown(f.err)
	}
	return nil
}

func (r *RemoteKeys) verificationKey(ctx context.Context, id string, now time.Time) (*verificationKey, error) {
	s := r.state.Load()
	if key := s.keys[id]; key != nil {
		switch age := s.age(now); {
		case age < r.early:
			return key, nil
		case age < r.cfg.Refresh, s.err != nil && r.usable(s, now):
			// In an outage too: an issuer that hangs must not hold all requests
			// for a Timeout in each RetryAfter. What the next fetch brings counts
			// from its end.
			if s.flight == nil && r.mayFetch(s, now) {
				r.join(func(s *remoteState) bool { return r.mayFetch(s, now) })
			}
			return key, nil
		}
	}
	return r.ask(ctx, id, now)
}

// ask answers about a key that is not in memory, or not recently enough.
func (r *RemoteKeys) ask(ctx context.Context, id string, now time.Time) (*verificationKey, error) {
	if f := r.join(func(s *remoteState) bool { return r.mayFetch(s, now) }); f != nil {
		if err := f.wait(ctx); err != nil {
			return nil, r.unknown(err)
		}
	}
	s := r.state.Load()
	key := s.keys[id]
	switch {
	case !r.usable(s, now) && s.err == nil:
		return nil, r.unknown(errKeysTooOld)
	case !r.usable(s, now):
		return nil, r.unknown(s.err)
	case key != nil:
		return key, nil
	case s.err != nil:
		// It may be a new key, in a set that cannot be had. To say that there is
		// none would log its holder out because of an outage.
		return nil, r.unknown(s.err)
	default:
		return nil, errUnknownKey
	}
}

// age is how long ago the set was current. A clock that was set back proves as little
// as one that ran on: without Abs, the set would be young until the clock is there
// again.
func (s *remoteState) age(now time.Time) time.Duration { return now.Sub(s.fetched).Abs() }

// usable says whether there is a set that may be answered from, stale or not.
func (r *RemoteKeys) usable(s *remoteState, now time.Time) bool {
	return s.keys != nil && s.age(now)-r.cfg.Refresh < r.cfg.StaleFor
}

func (r *RemoteKeys) mayFetch(s *remoteState, now time.Time) bool {
	return s.last.IsZero() || now.Sub(s.last).Abs() >= r.cfg.RetryAfter
}

// join returns the fetch under way, or begins one if allowed says so, or returns nil.
func (r *RemoteKeys) join(allowed func(*remoteState) bool) *flight {
	for {
		s := r.state.Load()
		if s.flight != nil {
			return s.flight
		}
		if !allowed(s) {
			return nil
		}
		next := *s
		next.flight = &flight{done: make(chan struct{})}
		if r.state.CompareAndSwap(s, &next) {
			go r.fly(next)
			return next.flight
		}
	}
}

// wait returns nil when the fetch is over, however it ended, and ctx.Err() if ctx
// ends before.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly fetches. While s.flight is published nobody else changes the state.
//
// No request lends its context: a client that hangs up would fail the fetch for all
// who wait, and what the context holds may not outlive its request.
func (r *RemoteKeys) fly(s remoteState) {
	f := s.flight
	defer close(f.done)
	ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
	defer cancel()
	s.flight, s.last = nil, r.cfg.Now()
	keys, err := r.fetch(ctx)
	s.err, f.err = err, err
	if err == nil {
		s.keys, s.fetched = merge(s.keys, keys), s.last
		r.state.Store(&s)
		return
	}
	s.last = r.cfg.Now()
	r.state.Store(&s)
	r.failed(&s)
}

// merge indexes keys. What was known already stays the same pointer, which is how
// the Verifier sees that a token's key is still that key; what is missing is gone.
func merge(old map[string]*verificationKey, keys []*verificationKey) map[string]*verificationKey {
	merged := make(map[string]*verificationKey, len(keys))
	for _, key := range keys {
		if was := old[key.id]; was != nil && sameKey(was, key) {
			key = was
		}
		merged[key.id] = key
	}
	return merged
}

func sameKey(a, b *verificationKey) bool {
	public, ok := a.key.(interface{ Equal(crypto.PublicKey) bool })
	return ok && a.algorithm == b.algorithm && public.Equal(b.key)
}

// failed tells once per fetch, not per request, and before anybody who waits goes on.
func (r *RemoteKeys) failed(s *remoteState) {
	if r.cfg.Audit == nil {
		return
	}
	cause := audit.CauseError
	if r.usable(s, s.last) {
		cause = audit.CauseStale
	}
	r.cfg.Audit.Record(context.Background(), audit.Event{
		Time: s.last, Name: audit.KeysFailed, Cause: cause, App: r.cfg.App, Err: r.explain(s.err),
	})
}

func (r *RemoteKeys) explain(err error) error {
	return fmt.Errorf("token: the keys of %q: %w", r.cfg.Issuer, err)
}

func (r *RemoteKeys) unknown(err error) error {
	return fmt.Errorf("%w: %w", core.ErrUnknown, r.explain(err))
}

func (r *RemoteKeys) trust(issuer string, algs []Algorithm, bad func(reason string)) {
	if r == nil || r.client == nil {
		bad("must come from NewRemoteKeys")
		return
	}
	if issuer != r.cfg.Issuer {
		bad("the keys are those of " + strconv.Quote(r.cfg.Issuer) + ", not of this issuer")
	}
	if slices.Contains(algs, HS256) {
		// CVE-2015-9235: a public key would do as the secret.
		bad("HS256 cannot be verified with published keys: whoever reads them could sign")
	}
}

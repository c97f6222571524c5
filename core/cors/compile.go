package cors

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/internal/origin"
)

// compiled is immutable and shares nothing with the Config that it was made of.
type compiled struct {
	origins     origins
	methods     methods
	headers     headers
	credentials bool
	private     bool
	own         string // Config.PublicOrigin
	// The values of headers that are the same for everybody, "" for none.
	expose, maxAge string

	debug    bool
	audit    audit.Sink
	clock    func() time.Time
	warnings []core.ConfigError
}

// Browsers keep the answer to a preflight for no longer than that, all of them.
const maxMaxAge = 24 * time.Hour

func compile(cfg Config) (*compiled, error) {
	var m mistakes
	c := &compiled{
		origins:     compileOrigins(&m, cfg.Origins, cfg.Patterns, cfg.Credentials),
		methods:     compileMethods(&m, cfg.Methods, cfg.Credentials),
		headers:     compileHeaders(&m, cfg.RequestHeaders, cfg.Credentials),
		expose:      compileExposed(&m, cfg.ResponseHeaders, cfg.Credentials),
		maxAge:      compileMaxAge(&m, cfg.MaxAge),
		credentials: cfg.Credentials,
		private:     cfg.DangerouslyAllowPrivateNetwork,
		own:         cfg.PublicOrigin,
		debug:       cfg.Debug,
		audit:       cfg.Audit,
		clock:       cfg.Now,
	}
	if cfg.PublicOrigin != "" {
		if reason := origin.Reason(cfg.PublicOrigin); reason != "" {
			m.add("PublicOrigin", cfg.PublicOrigin, reason)
		}
	} else if len(cfg.Cookies) > 0 {
		m.add("PublicOrigin", "", "is needed with Cookies: whether browsers send a cookie depends on whose it is")
	}
	for i, s := range cfg.Cookies {
		if s == nil || s.Name() == "" {
			m.add(at("Cookies", i), "", "is no cookie: make one with cookie.New, or take a Manager's or a Guard's")
		}
	}
	if cfg.DangerouslyAllowPrivateNetwork && c.origins.any {
		m.add("DangerouslyAllowPrivateNetwork", "true", "would open the private network to every page in the world: name the origins")
	}
	if cfg.Debug && cfg.Audit == nil {
		m.add("Debug", "true", "has nobody to tell: set Audit")
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if err := m.join(); err != nil {
		return nil, err
	}
	c.warnings = warnings(cfg)
	return c, nil
}

func compileMaxAge(m *mistakes, age time.Duration) string {
	switch {
	case age == 0:
		return ""
	case age < 0:
		return "0"
	case age > maxMaxAge:
		m.add("MaxAge", age.String(), "is more than 24 h, which no browser heeds")
	case age%time.Second != 0:
		m.add("MaxAge", age.String(), "is not in whole seconds, as browsers count")
	}
	return strconv.FormatInt(int64(age/time.Second), 10)
}

// mistakes are collected, so that whoever wrote the configuration learns them all.
type mistakes []error

func (m *mistakes) add(field, value, reason string) {
	*m = append(*m, &core.ConfigError{Field: prefix + field, Value: value, Reason: reason})
}

func (m mistakes) join() error {
	if len(m) == 0 {
		return nil
	}
	return fmt.Errorf("cors: %w", errors.Join(m...))
}

const (
	prefix = "cors.Config."
	twice  = "is there twice"
)

func at(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

package cors

import (
	"context"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// Policy is a compiled Config. Make one with New; the zero Policy allows nothing. It is
// safe for concurrent use.
type Policy struct{ now atomic.Pointer[compiled] }

// New compiles cfg, of which it keeps no slice. The error joins every mistake, each a
// *core.ConfigError. What is no mistake and cannot work either is told to cfg.Audit, one
// audit.ConfigWarning for each of Warnings.
func New(cfg Config) (*Policy, error) {
	p := &Policy{}
	if err := p.Replace(cfg); err != nil {
		return nil, err
	}
	return p, nil
}

// Replace makes cfg what p allows from now on, in one step: a request is judged by the
// old or the new one and never by a mixture. On an error, which is as for New, nothing
// changes. Browsers go on for MaxAge with the answers that they have.
func (p *Policy) Replace(cfg Config) error {
	c, err := compile(cfg)
	if err != nil {
		return err
	}
	p.now.Store(c)
	if c.audit != nil {
		for _, w := range p.Warnings() {
			c.audit.Record(context.Background(), audit.Event{Time: c.clock(), Name: audit.ConfigWarning, Err: w})
		}
	}
	return nil
}

// Warnings are what compiles and cannot work: an origin of another site that is allowed
// with credentials, and a cookie whose SameSite keeps browsers from sending it there. Each
// names both. It needs Config.PublicOrigin and Config.Cookies, and says nothing of what is
// merely likely: whether two hosts below co.uk are one site is for browsers to know. The
// slice is the caller's.
func (p *Policy) Warnings() []*core.ConfigError {
	c := p.now.Load()
	if c == nil {
		return nil
	}
	own := make([]*core.ConfigError, len(c.warnings))
	for i, w := range c.warnings {
		own[i] = &w
	}
	return own
}

// Debug reports whether refusals are told.
func (p *Policy) Debug() bool {
	c := p.now.Load()
	return c != nil && c.debug
}

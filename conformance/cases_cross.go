package conformance

import (
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// policy compiles a policy of a case.
func (t *T) policy(cfg cors.Config) *cors.Policy {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = t.Clock.Now
	}
	p, err := cors.New(cfg)
	t.NoError(err)
	return p
}

// guard compiles a guard of a case. Its secret is shared, as the store may be.
func (t *T) guard(cfg csrf.Config) *csrf.Guard {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = t.Clock.Now
	}
	if cfg.Audit == nil {
		cfg.Audit = t.Audit
	}
	if cfg.Secret == nil && !cfg.InsecureNoTokens {
		cfg.Secret = t.Config.Secret
	}
	g, err := csrf.New(cfg)
	t.NoError(err)
	return g
}

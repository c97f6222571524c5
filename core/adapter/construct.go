package adapter

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// Option is what Construct checks of an adapter's configuration.
type Option struct {
	TrustProxy []string
	Optional   bool
}

// Construct checks what the Session constructor of the adapter named pkg was given:
// the manager, and the configurations, of which there may be one. The error joins
// every mistake; the constructor panics with it.
func Construct(pkg string, manager *session.Manager, cfg []Option) (*Proxies, error) {
	var errs []error
	if manager == nil {
		errs = append(errs, &core.ConfigError{Field: pkg + ".Session.manager", Value: "nil", Reason: "make one with session.New"})
	}
	for _, c := range cfg {
		if c.Optional {
			errs = append(errs, &core.ConfigError{Field: pkg + ".Session.cfg.Optional", Value: "true", Reason: "is Bearer's; a session always is, and guards require one"})
		}
	}
	return construct(pkg, "Session", cfg, errs)
}

// ConstructBearer is Construct for Bearer.
func ConstructBearer(pkg string, verifier *token.Verifier, cfg []Option) (*Proxies, error) {
	var errs []error
	if verifier == nil {
		errs = append(errs, &core.ConfigError{Field: pkg + ".Bearer.verifier", Value: "nil", Reason: "make one with token.NewVerifier"})
	}
	return construct(pkg, "Bearer", cfg, errs)
}

// CheckRing is Construct for JWKS.
func CheckRing(ring *token.KeyRing) error {
	if ring == nil {
		return &core.ConfigError{Field: "JWKS.ring", Value: "nil", Reason: "make one with token.NewKeyRing"}
	}
	return nil
}

func construct(pkg, name string, cfg []Option, errs []error) (*Proxies, error) {
	if n := len(cfg); n > 1 {
		errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".cfg", Value: strconv.Itoa(n) + " configurations", Reason: "at most one"})
	}
	var proxies *Proxies
	for _, c := range cfg {
		var err error
		if proxies, err = NewProxies(c.TrustProxy); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%s: %w", pkg, errors.Join(errs...))
	}
	return proxies, nil
}

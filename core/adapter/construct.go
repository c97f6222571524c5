package adapter

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// Option is what Construct checks of an adapter's configuration.
type Option struct {
	TrustProxy []string
	Optional   bool
	// Skips says that the option that leaves requests alone is set, which is called SkipName.
	Skips    bool
	SkipName string
	// Device says that that function is set.
	Device bool
}

// Compile gives construct the options of each of the configurations that a constructor was
// given, and returns what comes of it with the last one.
func Compile[C any](cfg []C, option func(C) Option, construct Construct) (last C, c Compiled, err error) {
	options := make([]Option, len(cfg))
	for i := range cfg {
		last, options[i] = cfg[i], option(cfg[i])
	}
	c, err = construct(options)
	return last, c, err
}

// misplaced are the mistakes of options that mean something to another constructor. What
// is configured and does nothing is a hole that nobody sees.
func misplaced(pkg, name string, cfg []Option, optional, skips, device bool) (errs []error) {
	for _, c := range cfg {
		for _, o := range [...]struct {
			set, allowed  bool
			field, reason string
		}{
			{c.Optional, optional, "Optional", "is Bearer's; a session always is, guards and endpoints require what they require"},
			{c.Skips, skips, c.SkipName, "is for middleware; an endpoint that must not be there is not routed"},
			{c.Device, device, "Device", "is for the endpoints that give out, refresh and end tokens of users"},
		} {
			if o.set && !o.allowed {
				errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".cfg." + o.field, Value: "set", Reason: o.reason})
			}
		}
	}
	return errs
}

// Compiled is what an adapter's constructor makes of its arguments: what it was given, and
// the Proxies of its configuration.
type Compiled struct {
	Manager  *session.Manager
	Verifier *token.Verifier
	Endpoint *Endpoint
	Policy   *cors.Policy
	Groups   *CORSGroups
	Guard    *csrf.Guard
	Proxies  *Proxies
}

// Construct checks the configurations that a constructor was given, of which there may be
// one, with its other arguments. The error joins every mistake; the constructor panics
// with it.
type Construct func(cfg []Option) (Compiled, error)

// ForSession is for the Session constructor of the adapter named pkg.
func ForSession(pkg string, manager *session.Manager) Construct {
	return func(cfg []Option) (Compiled, error) {
		errs := misplaced(pkg, "Session", cfg, false, true, false)
		if manager == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + ".Session.manager", Value: "nil", Reason: "make one with session.New"})
		}
		return construct(Compiled{Manager: manager}, pkg, "Session", cfg, errs)
	}
}

// ForBearer is ForSession for Bearer.
func ForBearer(pkg string, verifier *token.Verifier) Construct {
	return func(cfg []Option) (Compiled, error) {
		errs := misplaced(pkg, "Bearer", cfg, true, true, false)
		if verifier == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + ".Bearer.verifier", Value: "nil", Reason: "make one with token.NewVerifier"})
		}
		return construct(Compiled{Verifier: verifier}, pkg, "Bearer", cfg, errs)
	}
}

// CheckRing finds the mistake of a JWKS constructor.
func CheckRing(ring *token.KeyRing) error {
	if ring == nil {
		return &core.ConfigError{Field: "JWKS.ring", Value: "nil", Reason: "make one with token.NewKeyRing"}
	}
	return nil
}

func construct(c Compiled, pkg, name string, cfg []Option, errs []error) (Compiled, error) {
	if n := len(cfg); n > 1 {
		errs = append(errs, &core.ConfigError{Field: pkg + "." + name + ".cfg", Value: strconv.Itoa(n) + " configurations", Reason: "at most one"})
	}
	for _, o := range cfg {
		var err error
		if c.Proxies, err = NewProxies(o.TrustProxy); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return Compiled{}, fmt.Errorf("%s: %w", pkg, errors.Join(errs...))
	}
	return c, nil
}

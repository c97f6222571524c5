package adapter

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// Construct checks what the Session constructor of the adapter named pkg was
// given: the manager, and the TrustProxy of each configuration, of which there may
// be one. The error joins every mistake; the constructor panics with it.
func Construct(pkg string, manager *session.Manager, trustProxy ...[]string) (*Proxies, error) {
	var errs []error
	if manager == nil {
		errs = append(errs, &core.ConfigError{Field: pkg + ".Session.manager", Value: "nil", Reason: "make one with session.New"})
	}
	if n := len(trustProxy); n > 1 {
		errs = append(errs, &core.ConfigError{Field: pkg + ".Session.cfg", Value: strconv.Itoa(n) + " configurations", Reason: "at most one"})
	}
	var proxies *Proxies
	for _, list := range trustProxy {
		var err error
		if proxies, err = NewProxies(list); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%s: %w", pkg, errors.Join(errs...))
	}
	return proxies, nil
}

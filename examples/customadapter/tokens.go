package customadapter

import (
	"errors"
	"net/http"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// TokenLogin answers with tokens for whoever check says has logged in. Like the others it
// panics on a mistake.
func TokenLogin(rotator *refresh.Rotator, check func(http.ResponseWriter, *http.Request) (refresh.Identity, error), cfg Config) http.Handler {
	e := cfg.compile(adapter.ForLogin("customadapter", rotator, check != nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cfg.serve(e, w, r, func() (refresh.Identity, error) { return check(w, r) })
	})
}

// Refresh answers a refresh token with new tokens.
func Refresh(rotator *refresh.Rotator, cfg Config) http.Handler {
	return cfg.endpoint(adapter.ForRefresh("customadapter", rotator))
}

// Logout ends what a refresh token belongs to.
func Logout(rotator *refresh.Rotator, cfg Config) http.Handler {
	return cfg.endpoint(adapter.ForLogout("customadapter", rotator))
}

// Revoke lets a service revoke the tokens that were issued to it (RFC 7009).
func Revoke(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg Config) http.Handler {
	return cfg.endpoint(adapter.ForRevoke("customadapter", rotator, verifier, clients))
}

// Introspect tells a service whether a token that is for it is good just now (RFC 7662).
func Introspect(rotator *refresh.Rotator, verifier *token.Verifier, clients refresh.ClientAuthenticator, cfg Config) http.Handler {
	return cfg.endpoint(adapter.ForIntrospect("customadapter", rotator, verifier, clients))
}

func (cfg *Config) endpoint(construct adapter.Construct) http.Handler {
	e := cfg.compile(construct)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { cfg.serve(e, w, r, nil) })
}

func (cfg *Config) serve(e adapter.Compiled, w http.ResponseWriter, r *http.Request, login func() (refresh.Identity, error)) {
	asked := adapter.Asked{Login: login}
	if cfg.Device != nil {
		asked.Device = cfg.Device(r)
	}
	a, err := e.Endpoint.Serve(adapter.Bind(w, r, e.Proxies, cfg.ClientIP(r)), asked)
	var d *adapter.Denied
	switch {
	case errors.As(err, &d):
		cfg.answer(w, r, d)
	case err != nil:
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	default:
		if a.Body != nil {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
		}
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body)
	}
}

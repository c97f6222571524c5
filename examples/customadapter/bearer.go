package customadapter

import (
	"net/http"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/token"
)

// Bearer lets only requests through that bring an access token which verifier
// accepts. It panics on a mistake.
func Bearer(verifier *token.Verifier, cfg Config) func(http.Handler) http.Handler {
	m := cfg.compile(adapter.ForBearer("customadapter", verifier))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if cfg.Skip != nil && cfg.Skip(r) {
				next.ServeHTTP(w, r)
				return
			}
			t := &adapter.HTTPToken{}
			t.Init(w, r, m.Proxies, cfg.ClientIP(r))
			t.Owner = cfg.owner(r)
			d := t.Begin(verifier, cfg.Optional)
			r = r.WithContext(t)
			if d != nil {
				refuse(w, r, d)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// owner is who refuses: the session in front, unless there is an ErrorHandler here.
func (cfg *Config) owner(r *http.Request) any {
	if outer, ok := adapter.OwnerFrom(r.Context()).(*request); ok && cfg.ErrorHandler == nil {
		return outer
	}
	return cfg
}

// answer refuses as the owner does.
func (cfg *Config) answer(w http.ResponseWriter, r *http.Request, d *adapter.Denied) {
	if outer, ok := cfg.owner(r).(*request); ok {
		cfg = outer.cfg
	}
	cfg.refuse(w, r, d)
}

// ClaimsFrom returns the claims of the request's token, as adapter.ClaimsFrom does.
func ClaimsFrom[T any](r *http.Request) (T, error) { return adapter.ClaimsFrom[T](r.Context()) }

// JWKS publishes the ring's keys.
func JWKS(ring *token.KeyRing) http.Handler {
	if err := adapter.CheckRing(ring); err != nil {
		panic(err)
	}
	return ring.JWKS()
}

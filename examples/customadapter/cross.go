package customadapter

import (
	"net/http"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// CORS lets pages of other origins do what policy allows. Mount it in front of Session.
func CORS(policy *cors.Policy, cfg Config) func(http.Handler) http.Handler {
	return cfg.cors(adapter.ForCORS("customadapter", policy))
}

// CORSGroups is CORS with a policy for each path that a group of routes begins with.
func CORSGroups(policies map[string]*cors.Policy, cfg Config) func(http.Handler) http.Handler {
	return cfg.cors(adapter.ForCORSGroups("customadapter", policies))
}

func (cfg *Config) cors(construct adapter.Construct) func(http.Handler) http.Handler {
	m := cfg.compile(construct)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			policy := m.Policy
			if m.Groups != nil {
				policy = m.Groups.PolicyOf("", r) // this adapter knows of no router
			}
			if policy == nil || cfg.Skip != nil && cfg.Skip(r) {
				next.ServeHTTP(w, r)
				return
			}
			preflight, d := adapter.ServeCORS(policy, adapter.Bind(w, r, m.Proxies, cfg.ClientIP(r)))
			switch {
			case d != nil:
				cfg.answer(w, r, d)
			case preflight:
				w.WriteHeader(http.StatusNoContent)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// CSRF refuses what changes something and was not meant by its user. Mount it behind Session.
func CSRF(guard *csrf.Guard, cfg Config) func(http.Handler) http.Handler {
	m := cfg.compile(adapter.ForCSRF("customadapter", guard))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if cfg.Skip != nil && cfg.Skip(r) {
				next.ServeHTTP(w, r)
				return
			}
			ctx, d := adapter.BeginCSRF(guard, adapter.Bind(w, r, m.Proxies, cfg.ClientIP(r)))
			if d != nil {
				cfg.answer(w, r, d)
				return
			}
			if ctx != nil {
				r = r.WithContext(ctx)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// CSRFToken returns the token for a page; action is "" or what csrf.Action returns. Without Session
// nobody can tell whether headers have left: call it before the first byte.
func CSRFToken(w http.ResponseWriter, r *http.Request, action string) (string, error) {
	return adapter.CSRFToken(adapter.Headers(w, r), action)
}

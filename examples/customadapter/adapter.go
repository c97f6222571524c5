// Package customadapter is a whole adapter, for net/http. It passes the conformance suite.
package customadapter

import (
	"net/http"
	"net/netip"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config adjusts Session. The zero value is the strict choice.
type Config struct {
	Skip         func(*http.Request) bool                                // true: no session, and guards refuse
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error) // answers a refusal, an *adapter.Denied in err's chain
	TrustProxy   []string                                                // whose X-Forwarded-For and -Proto are believed; default nobody's
	ClientIP     func(*http.Request) netip.Addr                          // says who the client is, instead of TrustProxy
	Optional     bool                                                    // of Bearer: no token is anonymous
	Device       func(*http.Request) string                              // of TokenLogin, Refresh and Logout: which device it is
}

func (cfg *Config) compile(construct adapter.Construct) adapter.Compiled {
	compiled, mistakes := construct([]adapter.Option{{
		TrustProxy: cfg.TrustProxy, Optional: cfg.Optional, Device: cfg.Device != nil, Skips: cfg.Skip != nil, SkipName: "Skip",
	}})
	if mistakes != nil {
		panic(mistakes)
	}
	if cfg.ClientIP == nil {
		cfg.ClientIP = func(*http.Request) netip.Addr { return netip.Addr{} } // go by the socket
	}
	return compiled
}

// request is the context, the session, the writer and the adapter.Denier of one request.
type request struct {
	adapter.HTTP
	r   *http.Request
	cfg *Config
}

// Session gives every request behind it a session. It panics on a mistake, like the guards.
func Session(manager *session.Manager, cfg Config) func(http.Handler) http.Handler {
	m := cfg.compile(adapter.ForSession("customadapter", manager))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if cfg.Skip != nil && cfg.Skip(r) || adapter.Mounted(r.Context(), manager) {
				next.ServeHTTP(w, r)
				return
			}
			q := &request{r: r, cfg: &cfg}
			q.Init(w, r, m.Proxies, cfg.ClientIP(r), q)
			q.Owner = q
			d := q.Begin(manager)
			if d == nil {
				q.r = r.WithContext(q)
				defer q.Abandon() // after a panic; End leaves it nothing to do
				next.ServeHTTP(q, q.r)
				d = q.End()
			}
			if d != nil {
				cfg.refuse(w, q.r, d)
			}
		})
	}
}

func (q *request) Deny(d *adapter.Denied) { q.cfg.refuse(q, q.r, d) }

func (cfg *Config) refuse(w http.ResponseWriter, r *http.Request, d *adapter.Denied) {
	d.SetHeaders(adapter.Headers(w, r))
	a := &answer{w, d.Status}
	if cfg.ErrorHandler != nil {
		cfg.ErrorHandler(a, r, d)
		_, _ = a.Write(nil) // it may have written nothing
		return
	}
	a.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = a.Write(d.Body())
}

// answer keeps a refusal's status if its handler writes none; net/http would say 200.
type answer struct {
	http.ResponseWriter
	status int // 0 once one has left
}

func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.status = 0
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status != 0 {
		a.WriteHeader(a.status)
	}
	return a.ResponseWriter.Write(p)
}

// SessionFrom returns the request's session, nil if there is no middleware.
func SessionFrom(r *http.Request) *session.Session { return session.FromContext(r.Context()) }

// PrincipalFrom returns who is logged in, as core.PrincipalFrom does.
func PrincipalFrom(r *http.Request) (core.Principal, error) { return core.PrincipalFrom(r.Context()) }

// RequireLogin lets only logged-in users through.
func RequireLogin() func(http.Handler) http.Handler { return guard(adapter.RequireLogin, nil) }

// RequireRole lets only users through who have one of the roles.
func RequireRole(roles ...string) func(http.Handler) http.Handler {
	return guard(adapter.WithRoles(roles))
}

// RequireFresh lets only users through who proved who they are at most age ago.
func RequireFresh(age time.Duration) func(http.Handler) http.Handler {
	return guard(adapter.WithMaxAge(age))
}

func guard(decide adapter.Decide, mistake error) func(http.Handler) http.Handler {
	if mistake != nil {
		panic(mistake)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if d := decide(r.Context()); d != nil {
				refuse(w, r, d)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// RequireScope lets only requests through that were granted every one of the scopes.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return guard(adapter.WithScopes(scopes))
}

// Fail answers for an error of a session call; the handler then returns.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	refuse(w, r, adapter.Failure(r.Context(), err))
}

func refuse(w http.ResponseWriter, r *http.Request, d *adapter.Denied) {
	switch owner := adapter.OwnerFrom(r.Context()).(type) {
	case *request:
		if !owner.Committed() { // else a refusal would only spoil the body under way
			owner.cfg.refuse(w, r, d)
		}
	case *Config: // Bearer's
		owner.refuse(w, r, d)
	default: // without a middleware in front the default answers
		new(Config).refuse(w, r, d)
	}
}

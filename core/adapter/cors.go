package adapter

import (
	"errors"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

// ForCORS is ForSession for CORS.
func ForCORS(pkg string, policy *cors.Policy) Construct {
	return func(cfg []Option) (Compiled, error) {
		errs := misplaced(pkg, "CORS", cfg, false, true, false)
		if policy == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + ".CORS.policy", Value: "nil", Reason: "make one with cors.New"})
		}
		return construct(Compiled{Policy: policy}, pkg, "CORS", cfg, errs)
	}
}

var errBehindGuard = errors.New("adapter: CORS stands behind a guard, which refuses preflights: they carry no credentials. Mount it in front")

// Varying is an Exchange that can tell whether its answer has a line of Vary already.
type Varying interface {
	// AddVary adds the line and returns true, unless it is there.
	AddVary(line string) bool
}

// ServeCORS sets the headers that p gives to x's answer. If preflight, 204 without a body
// is the whole answer. The refusal is a mistake of the application: it mounted CORS where
// it cannot work.
//
// Where a request passes several policies the last one has the last word: what one further
// out allowed is taken back.
func ServeCORS(p *cors.Policy, x Exchange) (preflight bool, d *Denied) {
	r := cors.Request{Method: x.Method()}
	first := addVary(x, cors.Vary(r.Method))
	// Where another one stands in front, preflights are answered by that.
	if id := identityFrom(x.Context()); first && id != nil && id.guarded() {
		return false, deny(core.AuthMiddlewareFailure, errBehindGuard)
	}
	if r.Method != "OPTIONS" {
		fetch(x, &originField, PickedMax)
		r.Origin = lent(x, "Origin")
	} else {
		fetch(x, &corsFields, PickedMax)
		r.Origin = lent(x, corsFields[0])
		r.RequestMethod = lent(x, corsFields[1])
		r.RequestHeaders = lent(x, corsFields[2])
		r.PrivateNetwork = lent(x, corsFields[3])
	}
	a := p.Decide(r)
	takeBack(x, &a, first)
	for _, h := range a.Headers() {
		x.SetHeader(h.Name, h.Value)
	}
	if a.Cause != "" && p.Debug() {
		p.Tell(x.Context(), audit.Event{Cause: a.Cause, ClientIP: x.ClientIP(), UserAgent: audit.UserAgent(x.Header("User-Agent"))}, r)
	}
	return a.Preflight, nil
}

// takeBack removes what another policy, or the application by itself, has allowed already. It
// matters most where a is next to nothing: Access-Control-Allow-Credentials from elsewhere
// would make a policy without credentials one with them.
func takeBack(x Exchange, a *cors.Answer, first bool) {
	if !a.Allowed() && x.ResponseHeader("Access-Control-Allow-Origin") == "" {
		return // without that one the others mean nothing
	}
	if !a.Allowed() {
		x.SetHeader("Access-Control-Allow-Origin", "")
	}
	if !a.Credentials() {
		x.SetHeader("Access-Control-Allow-Credentials", "")
	}
	if !first {
		x.SetHeader("Access-Control-Expose-Headers", "")
	}
}

// addVary adds a line of Vary, beside those of others, and returns false if the answer has
// it already.
func addVary(x Exchange, line string) bool {
	if v, ok := x.(Varying); ok {
		return v.AddVary(line)
	}
	x.AddHeader("Vary", line)
	return true
}

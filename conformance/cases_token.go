package conformance

import (
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/token"
)

// tokenCases throw hostile tokens at routes behind Bearer.
func tokenCases() []Case {
	return slices.Concat(tokenSignatureCases(), tokenKeyCases(), tokenTextCases(), tokenClaimCases(), tokenSizeCases(), tokenOtherCases())
}

// door is an application that wants alice's tokens, and counts what gets through.
type door struct {
	*Server
	*forger
	t    *T           // of both
	ran  atomic.Int64 // handlers
	conn *Conn
	left int // requests until there is a new connection
}

// door serves bearerApp. Its issuer's tokens are looked up in the store of
// revocations, so that a token that is refused before can be told from one that was
// believed until then.
func (k *Tokens) door(more ...func(*App)) *door {
	k.t.Helper()
	d := &door{t: k.t, forger: k.forger(k.Trust.Algorithms[0])}
	manager := k.t.Manager(k.t.Config)
	k.Trust.Revocations = manager.Revocations()
	app := k.bearerApp()
	app.Sessions = manager
	for _, m := range more {
		m(&app)
	}
	for i, r := range app.Routes {
		if slices.ContainsFunc(r.Guards, func(g Guard) bool { return g.Bearer }) {
			app.Routes[i].Handler = func(req Request) error { d.ran.Add(1); return r.Handler(req) }
		}
	}
	d.Server = k.t.Serve(app)
	k.t.forget()
	return d
}

// tokenRoutes are the routes that read a token, and take alice's.
var tokenRoutes = []string{"/api/me", "/api/optional", "/api/login", "/api/role", "/api/scope", "/api/fresh", "/api/claims"}

// get asks for path with a token, on a connection that lasts for many: thousands of
// tokens are not thousands of ports.
func (d *door) get(path, raw string) *Answer {
	d.t.Helper()
	if d.left == 0 {
		if d.conn != nil {
			d.conn.Close()
		}
		d.conn, d.left = d.Dial(), 200
	}
	d.left--
	return d.On(d.conn, d.Request("GET", path, authorization(raw)))
}

// admits checks that the token is taken as alice's: the control without which a door
// that is shut for everybody would pass.
func (d *door) admits(raw string) {
	d.t.Helper()
	d.Check(d.get("/api/me", raw), accepted("alice"))
	Equal(d.t, "times that the handler ran", d.ran.Swap(0), 1)
	d.t.Calls(OpRevoked)
	d.t.Events()
}

// open checks that every route that reads a token takes alice's.
func (d *door) open() {
	d.t.Helper()
	for _, path := range tokenRoutes {
		a := d.get(path, d.good())
		d.Check(a, Want{Status: 200, Body: a.Body, Bearer: true})
	}
	Equal(d.t, "times that handlers ran", d.ran.Swap(0), int64(len(tokenRoutes)))
	d.t.forget()
}

// refuses checks that the token is refused for cause and that nothing came of it: no
// handler ran, no store was asked, nobody is named, nothing is quoted.
func (d *door) refuses(cause, raw string) {
	d.t.Helper()
	d.refusesWith(core.InvalidSignature, cause, raw, "/api/me", "/api/optional")
}

// refusesAt is refuses for other routes.
func (d *door) refusesAt(paths []string, cause, raw string) {
	d.t.Helper()
	d.refusesWith(core.InvalidSignature, cause, raw, paths...)
}

func (d *door) refusesWith(code core.Code, cause, raw string, paths ...string) {
	d.t.Helper()
	t := d.t
	for _, path := range paths {
		a := d.get(path, raw)
		a.Body = strings.TrimSuffix(a.Body, "\n") // a framework's way to write JSON
		d.Check(a, refusal(code))
		Equal(t, "times that the handler ran", d.ran.Swap(0), 0)
		t.Calls()
		for _, e := range t.refusals(cause) {
			Equal(t, "who was refused, as far as anybody knows", e.Subject+e.Session, "")
		}
	}
}

// refusals checks that one token was refused since the last look, for that cause, or
// for any if it is empty.
func (t *T) refusals(cause string) []audit.Event {
	t.Helper()
	events := t.Audit.Take()
	if len(events) != 1 || events[0].Name != audit.TokenRefused || cause != "" && string(events[0].Cause) != cause {
		t.Failf("audit events: got %v, want one, %s:%s", events, audit.TokenRefused, cause)
	}
	return events
}

// refusal is refused with the whole of the body, which has room for nothing of the
// token's.
func refusal(code core.Code) Want {
	w := refused(code)
	body, _ := json.Marshal(map[string]string{"error": string(code), "message": code.Message()}) // sorted by name
	w.Body = string(body)
	return w
}

// inOrder ranges over a map in the order of its names, so that a failure repeats.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// each runs what is asked of one algorithm for several, with a server each.
func (t *T) each(algorithms []token.Algorithm, run func(*door)) {
	t.Helper()
	for _, a := range algorithms {
		d := t.Tokens(a).door()
		d.admits(d.good())
		run(d)
		d.admits(d.good()) // nothing of what was refused stays
	}
}

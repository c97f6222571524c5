package conformance

import (
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core"
)

// storeCases have a store that does not answer, or not what it should.
func storeCases() []Case {
	return []Case{
		loadFails, loadOfAnother, callsEnd, noCredential, publicRoutes, duplicatesFail,
		loginFails, renewFails, logoutFails, touchFails, expiryNeedsNoStore,
	}
}

// patience is what the cases give a store that hangs. A case waits for it, once
// for each call that hangs.
const patience = 50 * time.Millisecond

// failures are the ways in which a store can fail any operation.
var failures = []struct {
	name  string
	fault Fault
}{{"error", FaultError}, {"lost reply", FaultAfter}, {"hang", FaultHang}}

// unavailable is the answer to what needed the store.
func unavailable() Want { return Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true} }

// storeFailed checks that a request was answered with 503 after these calls, and
// that nothing else happened.
func (s *Server) storeFailed(a *Answer, calls ...Operation) {
	s.t.Helper()
	s.Check(a, unavailable())
	s.t.Calls(calls...)
	s.t.Events("store_failure:error")
}

var loadFails = Case{
	ID: "S19", Slug: "store/load-fails",
	Rule:   "While the store cannot say who somebody is, whatever depends on it is 503, nobody is logged out, and the session works again afterwards.",
	Clause: "DESIGN section 2: three answers, never two",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		alice := s.Browser()
		alice.Take(s.Check(s.Do("POST", "/login?user=alice&role=admin"), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true}))
		s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
		before := alice.Value
		t.settle()
		for _, f := range append(failures, struct {
			name  string
			fault Fault
		}{"garbage", FaultGarbage}) {
			t.Store.Fail(Always(f.fault, OpLoad))
			get := []string{"/me", "/whoami", "/admin", "/fresh", "/note", "/hits"}
			post := []string{"/note?v=after", "/logout", "/login?user=bob", "/renew", "/hit"}
			if f.fault == FaultHang { // each of which takes its time
				get, post = get[:2], post[:2]
			}
			for _, target := range get {
				s.storeFailed(alice.Get(target), OpLoad)
			}
			for _, target := range post {
				s.storeFailed(alice.Post(target), OpLoad)
			}
			t.Store.Fail(nil)
			Equal(t, "the browser's cookie after "+f.name, alice.Value, before)
			s.Check(alice.Get("/admin"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=before", Asked: true})
			t.Calls(OpLoad, OpLoad)
			t.Events()
		}
	},
}

var loadOfAnother = Case{
	ID: "S19", Slug: "store/mixed-up-reply",
	Rule:   "A reply that belongs to another key is a failure of the store and never somebody else's session.",
	Clause: "DESIGN section 3; CVE-2025-29923",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice")
		bob := s.Browser()
		bob.Take(s.Do("POST", "/login?user=bob&role=admin"))
		t.settle()
		t.Store.Fail(Always(FaultMixUp, OpLoad))
		for _, target := range []string{"/me", "/whoami", "/admin", "/note"} {
			s.storeFailed(alice.Get(target), OpLoad)
		}
		s.storeFailed(alice.Post("/logout"), OpLoad)
		// The same reply for an id that nobody has.
		s.storeFailed(s.Do("GET", "/me", s.cookies(neverIssued(0))), OpLoad)
		// To its own key it is the right one.
		s.Check(bob.Get("/admin"), Want{Status: 200, Body: "subject=bob", Asked: true})
		t.Store.Fail(Always(FaultMixUp, OpTake))
		t.settle()
		s.storeFailed(alice.Post("/logout"), OpLoad, OpTake)
		t.Store.Fail(nil)
		s.Check(bob.Get("/me"), Want{Status: 200, Body: "subject=bob", Asked: true})
	},
}

var callsEnd = Case{
	ID: "S19", Slug: "store/calls-end",
	Rule:   "No store call is given longer than StoreTimeout, whatever its request's own patience.",
	Clause: "DESIGN section 7: deadline per call; session.Config.StoreTimeout",
	Run: func(t *T) {
		t.Config.StoreTimeout = time.Second
		s := t.Serve(standard())
		b := s.Browser()
		s.Check(b.Post("/note?v=x"), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
		for _, target := range []string{"/login?user=alice", "/note?v=y", "/renew", "/login?user=alice&role=admin", "/login?user=bob", "/logout"} {
			Equal(t, "status of "+target, b.Post(target).Status, 200)
		}
		for op, n := range t.Store.Calls() {
			if n == 0 {
				t.Failf("no %s was made: the case shows nothing", op)
			}
		}
		if given := t.Store.Given(); given > time.Second {
			t.Failf("a call was given %s", given)
		}
	},
}

var noCredential = Case{
	ID: "S19", Slug: "store/no-credential",
	Rule:   "Who sends no credential, or one that cannot be ours, is refused with 401 and without the store, also while it is down.",
	Clause: "DESIGN section 2: 503 only when a well-formed credential could not be checked",
	Run: func(t *T) {
		s := t.Serve(standard())
		for _, fault := range []Fault{FaultNone, FaultError, FaultGarbage} {
			t.Store.Fail(Always(fault))
			for _, target := range []string{"/me", "/admin", "/fresh"} {
				s.Check(s.Do("GET", target), Anonymous())
				s.Check(s.Do("GET", target, "Cookie: other=x"), Anonymous())
				s.Check(s.Do("GET", target, "Authorization: Bearer "+neverIssued(0)), Anonymous())
				for _, v := range []string{"", "x", neverIssued(0) + "x", neverIssued(0)[1:], `"` + neverIssued(0)[2:] + `"`} {
					s.Check(s.Do("GET", target, s.cookies(v)), Anonymous())
				}
				s.Check(s.Do("GET", target, s.cookies("x", "y")), Anonymous())
			}
			s.Check(s.Do("GET", "/whoami"), Want{Status: 200, Body: "anonymous", Asked: true})
			s.Check(s.Do("POST", "/logout"), Want{Status: 200, Body: "logged out", Asked: true})
			s.Check(s.Do("POST", "/renew", s.cookies("x")), Anonymous())
			t.Calls()
			t.Events()
		}
		t.Store.Fail(Always(FaultError))
		s.storeFailed(s.Do("GET", "/me", s.cookies(neverIssued(0))), OpLoad)
	},
}

var publicRoutes = Case{
	ID: "S19", Slug: "store/public-route",
	Rule:   "A route that does not ask who it is works while the store is down and does not call it.",
	Clause: "DESIGN section 2: a public route that does not ask never notices",
	Run: func(t *T) {
		s := t.Serve(standard().with("GET", "/from-context", func(r Request) error {
			// To have a session at hand is not to ask it.
			if r.Session() == nil || r.Session().Manager() == nil {
				return r.String(500, "no session")
			}
			return r.String(200, "public too")
		}).with("GET", "/tells", func(r Request) error {
			switch _, err := core.PrincipalFrom(r.Context()); {
			case err == nil:
				return r.String(200, "somebody")
			case errors.Is(err, core.ErrAnonymous):
				return r.String(200, "nobody")
			case errors.Is(err, core.ErrUnknown):
				return r.String(200, "cannot tell")
			default:
				return r.Fail(err)
			}
		}))
		alice := s.loggedIn("alice")
		t.settle()
		for _, f := range []Fault{FaultError, FaultAfter, FaultGarbage, FaultMixUp} {
			t.Store.Fail(Always(f))
			for _, lines := range [][]string{nil, {s.cookies(alice.Value)}, {s.cookies(alice.Value, neverIssued(0))}, {s.cookies("x")}} {
				s.Check(s.Do("GET", "/public", lines...), Want{Status: 200, Body: "public"})
				s.Check(s.Do("GET", "/from-context", lines...), Want{Status: 200, Body: "public too"})
			}
			t.Calls()
			t.Events()
		}
		// One that asks and can do without the answer may go on.
		t.Store.Fail(Always(FaultError))
		s.Check(alice.Get("/tells"), Want{Status: 200, Body: "cannot tell", Asked: true})
		t.Calls(OpLoad)
		t.Events("store_failure:error")
		t.Store.Fail(nil)
		s.Check(alice.Get("/tells"), Want{Status: 200, Body: "somebody", Asked: true})
		s.Check(s.Do("GET", "/tells"), Want{Status: 200, Body: "nobody", Asked: true})
	},
}

var duplicatesFail = Case{
	ID: "S19", Slug: "store/duplicates",
	Rule:   "While the store cannot tell which of several cookies is alive, none of them is deleted or set.",
	Clause: "DESIGN section 2; DESIGN section 3",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		alice, bob := s.loggedIn("alice").Value, s.loggedIn("bob").Value
		t.settle()
		for _, f := range append(failures, struct {
			name  string
			fault Fault
		}{"garbage", FaultGarbage}) {
			t.Store.Fail(Always(f.fault, OpLoad))
			for _, values := range [][]string{{alice, bob}, {alice, neverIssued(0)}, {"x", alice}} {
				s.storeFailed(s.Do("GET", "/me", s.cookies(values...)), OpLoad)
				s.storeFailed(s.Do("POST", "/logout", s.cookies(values...)), OpLoad)
			}
		}
		t.Store.Fail(nil)
		s.Check(s.Do("GET", "/me", s.cookies(alice, neverIssued(0))),
			Want{Status: 200, Body: "subject=alice", Cookies: []string{"variants", "=" + s.line(alice)}, Asked: true})
	},
}

var loginFails = Case{
	ID: "S19", Slug: "store/login-fails",
	Rule:   "A login that could not be stored is 503 without a cookie, logs nobody in, and leaves who was logged in before as it was.",
	Clause: "DESIGN section 2: transitions reach the store at once and return their error",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		for _, f := range failures {
			// Without a session.
			t.Store.Fail(Always(f.fault, OpCreate))
			s.storeFailed(s.Do("POST", "/login?user=alice"), OpCreate)
			t.Store.Fail(nil)

			// From an anonymous one: it dies first, so that no crash leaves two.
			b := s.Browser()
			s.Check(b.Post("/note?v=cart"), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
			t.settle()
			t.Store.Fail(Always(f.fault, OpTake))
			s.storeFailed(b.Post("/login?user=alice"), OpLoad, OpTake)
			t.Store.Fail(nil)
			if f.fault == FaultAfter {
				s.Check(b.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
				t.Events("session_use_after_expire:unknown-id")
			} else {
				s.Check(b.Get("/note"), Want{Status: 200, Body: "note=cart", Asked: true})
				t.Calls(OpLoad)
				t.Store.Fail(Always(f.fault, OpCreate))
				s.Check(b.Post("/login?user=alice"), unavailable())
				t.Store.Fail(nil)
				t.Calls(OpLoad, OpTake, OpCreate)
				t.Events("session_expired:login", "store_failure:error")
			}
			s.Check(b.Get("/me"), Anonymous())

			// Another user's, and one's own.
			alice := s.loggedIn("alice")
			t.settle()
			if f.fault != FaultAfter {
				t.Store.Fail(Always(f.fault, OpTake))
				s.storeFailed(alice.Post("/login?user=bob"), OpLoad, OpTake)
				t.Store.Fail(nil)
				s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
				t.settle()
			}
			t.Store.Fail(Always(f.fault, OpRename))
			s.storeFailed(alice.Post("/login?user=alice"), OpLoad, OpRename)
			t.Store.Fail(nil)
			s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			if f.fault != FaultAfter {
				s.Check(alice.Post("/login?user=alice&role=admin"), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
				s.Check(alice.Get("/admin"), Want{Status: 200, Body: "subject=alice", Asked: true})
			}
			t.settle()
		}
	},
}

var renewFails = Case{
	ID: "S19", Slug: "store/renew-fails",
	Rule:   "A renewal that could not be stored, or whose reply was lost, is 503 and no log-out.",
	Clause: "DESIGN section 3: a lost answer or a request in flight is no logout",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		for _, f := range failures {
			alice := s.loggedIn("alice")
			s.Check(alice.Post("/note?v=before"), Want{Status: 200, Body: "noted", Asked: true})
			before := alice.Value
			t.settle()
			t.Store.Fail(Always(f.fault, OpRename))
			s.storeFailed(alice.Post("/renew"), OpLoad, OpRename)
			t.Store.Fail(nil)
			Equal(t, "the browser's cookie after "+f.name, alice.Value, before)
			s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(alice.Get("/note"), Want{Status: 200, Body: "note=before", Asked: true})
			if f.fault != FaultAfter {
				s.Check(alice.Post("/renew"), Want{Status: 200, Body: "renewed", Cookies: []string{"set"}, Asked: true})
				s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			}
		}
	},
}

var logoutFails = Case{
	ID: "S19", Slug: "store/logout-fails",
	Rule:   "A log-out that the store did not confirm is 503 and deletes no cookie, and can be tried again.",
	Clause: "DESIGN section 3: a deletion cookie is sent only by a successful Logout; CVE-2020-15223",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		for _, f := range append(failures, struct {
			name  string
			fault Fault
		}{"garbage", FaultGarbage}) {
			alice := s.loggedIn("alice")
			t.settle()
			t.Store.Fail(Always(f.fault, OpTake))
			s.storeFailed(alice.Post("/logout"), OpLoad, OpTake)
			if alice.Value == "" {
				t.Failf("after %s the browser lost the cookie of a session that may be alive", f.name)
			}
			t.Store.Fail(nil)
			if f.fault == FaultAfter || f.fault == FaultGarbage {
				// It was ended; only the reply said nothing of it.
				s.Check(alice.Get("/me"), Anonymous())
				s.Check(alice.Post("/logout"), Want{Status: 200, Body: "logged out", Asked: true})
				continue
			}
			s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			old := alice.Value
			s.Check(alice.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
			s.Check(s.Do("GET", "/me", s.cookies(old)), Anonymous())
		}
	},
}

var touchFails = Case{
	ID: "S19", Slug: "store/touch-fails",
	Rule:   "A failed touch leaves the answer standing and promises the browser no longer life.",
	Clause: "DESIGN section 2: a failed touch is a metric; DESIGN section 3",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		t.Config.TouchInterval = time.Hour
		s := t.Serve(standard())
		for _, f := range failures {
			alice := s.loggedIn("alice")
			t.settle()
			t.Clock.Advance(2 * time.Hour)
			t.Store.Fail(Always(f.fault, OpSwap))
			for range 2 {
				s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
				if f.fault == FaultAfter {
					t.Calls(OpLoad, OpSwap)
					t.Events("store_failure:error")
					break // it was noted after all
				}
				t.Calls(OpLoad, OpSwap)
				t.Events("store_failure:error")
			}
			t.Store.Fail(nil)
			if f.fault == FaultAfter {
				s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
				t.Calls(OpLoad)
			} else {
				s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Cookies: []string{"set"}, Asked: true})
				t.Calls(OpLoad, OpSwap)
			}
			t.Events()
		}
	},
}

var expiryNeedsNoStore = Case{
	ID: "S19", Slug: "store/expiry",
	Rule:   "A session that is over by our clock is nobody's, also if the store still holds it and cannot let go of it.",
	Clause: "DESIGN section 3: timeouts are enforced on the server",
	Run: func(t *T) {
		t.Config.StoreTimeout = patience
		s := t.Serve(standard())
		alice := s.loggedIn("alice")
		t.settle()
		cfg := t.Config
		cfg.Now = func() time.Time { return t.Clock.Now().Add(24 * time.Hour) }
		app := standard()
		app.Sessions = t.Manager(cfg)
		ahead := t.Serve(app)
		for _, f := range []Fault{FaultError, FaultHang} {
			t.Store.Fail(Always(f, OpTake))
			ahead.Check(ahead.Do("GET", "/me", s.cookies(alice.Value)), Anonymous())
			t.Calls(OpLoad, OpTake)
			t.Events("session_use_after_expire:unknown-id")
		}
		t.Store.Fail(nil)
		ahead.Check(ahead.Do("GET", "/me", s.cookies(alice.Value)), Anonymous())
		t.Calls(OpLoad, OpTake)
		for _, e := range t.Events("session_expired:idle", "session_use_after_expire:unknown-id") {
			Equal(t, "event's time", fmt.Sprint(e.Time), fmt.Sprint(cfg.Now()))
		}
	},
}

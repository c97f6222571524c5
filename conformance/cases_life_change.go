package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

// changingApp is standard with the ways in which a logged-in session changes.
func changingApp() App {
	login := Guard{Login: true}
	return standard().
		with("GET", "/authority", authority, login).
		with("POST", "/stepup", stepUp).
		with("POST", "/flash", addFlash).
		with("GET", "/flash", func(r Request) error {
			values, err := flash.Take(r.Session())
			return answer(r, err, fmt.Sprint("flash=", values))
		})
}

// stepUp lets ?user= prove who it is once more and by another method, and stores
// ?v= with it.
func stepUp(r Request) error {
	s := r.Session()
	if v := r.Query("v"); v != "" {
		if err := note.Set(s, v); err != nil {
			return r.Fail(err)
		}
	}
	return answer(r, s.Login(r.Context(), session.Identity{Subject: r.Query("user"), Method: "otp"}), "stepped up")
}

// authority says what the session vouches for.
func authority(r Request) error {
	p, err := r.Principal()
	return answer(r, err, fmt.Sprintf("%s by %s at %s as %v", p.Subject, p.Method, p.AuthTime.UTC().Format(time.TimeOnly), p.Roles))
}

// changeLifeCases are about a session that changes while its user is logged in.
func changeLifeCases() []Case {
	return []Case{{
		ID: "S3", Slug: "session/step-up-changes-id",
		Rule:   "A user who proves again who it is gets a new id, with the session's data and handle, and the old id ends when the new one is presented.",
		Clause: "OWASP ASVS 5.0 7.2.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			b := s.loggedIn("alice")
			handle := t.Events("session_created", "authn_login_success")[0].Session
			s.Check(b.Post("/note?v=kept"), says("noted"))
			old := s.holder(b.Value)
			t.Clock.Advance(10 * time.Minute)
			t.forget()
			s.Check(b.Post("/stepup?user=alice"), says("stepped up", "set"))
			t.Calls(OpLoad, OpRename)
			for _, e := range t.Events("session_renewed:step-up", "authn_login_success:step-up") {
				Equal(t, "handle in "+string(e.Name), e.Session, handle)
			}
			if b.Value == old.Value {
				t.Failf("the id survived the step-up")
			}
			s.Check(b.Get("/authority"), says("alice by otp at 03:14:05 as []"))
			t.Calls(OpLoad, OpTake, OpSwap) // the old id ends, and is forgotten
			s.Check(b.Get("/note"), says("note=kept"))
			s.Check(b.Get("/fresh"), says("subject=alice"))
			t.Calls(OpLoad, OpLoad)
			t.Events()
			s.Check(old.Get("/me"), Anonymous())
			s.Check(old.Get("/note"), says("note="))
			t.Events(unknownID, unknownID)
			s.noRow(old.Value)
			t.Calls(OpLoad, OpLoad)
		},
	}, {
		ID: "S3", Slug: "session/role-change-ends-old-id-at-once",
		Rule:   "When a user's roles change the session gets a new id, and the old one is dead with no time in between, whether roles were won or lost.",
		Clause: "OWASP ASVS 5.0 7.2.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			b := s.loggedIn("alice")
			s.Check(b.Post("/note?v=kept"), says("noted"))
			s.Check(b.Get("/admin"), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
			t.forget()
			for _, step := range []struct {
				role  string
				admin Want
			}{
				{"admin", says("subject=alice")},
				{"", Want{Status: 403, Code: "FORBIDDEN", Asked: true}},
			} {
				old := s.holder(b.Value)
				s.Check(b.Post("/login?user=alice&role="+step.role), says("logged in", "set"))
				t.Calls(OpLoad, OpRename)
				t.Events("session_renewed:role-change", "authn_login_success:role-change")
				if b.Value == old.Value {
					t.Failf("the id survived the change of role")
				}
				// The old id first: it must be dead although the new one has not
				// been seen yet.
				s.noRow(old.Value)
				s.Check(old.Get("/admin"), Anonymous())
				s.Check(old.Get("/note"), says("note="))
				t.Events(unknownID, unknownID)
				s.Check(b.Get("/admin"), step.admin)
				t.Audit.Take()
				s.Check(b.Get("/note"), says("note=kept"))
				t.Calls(OpLoad, OpLoad, OpLoad, OpLoad)
			}
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/user-switch-leaves-nothing",
		Rule:   "A login as somebody else ends the session that is there at once, and nothing of the previous user is in the new one.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp().with("POST", "/switch", func(r Request) error {
				if err := note.Set(r.Session(), "alice's last words"); err != nil {
					return r.Fail(err)
				}
				return login0(r)
			}))
			for _, target := range []string{"/login?user=bob", "/switch?user=bob", "/stepup?user=bob"} {
				b := s.Browser()
				s.Check(b.Post("/login?user=alice&role=admin"), says("logged in", "set"))
				handle := t.Events("session_created", "authn_login_success")[0].Session
				s.Check(b.Post("/note?v=secret"), says("noted"))
				s.Check(b.Post("/hit"), says("hit"))
				s.Check(b.Post("/flash?v=secret"), says("added"))
				old := s.holder(b.Value)
				t.forget()
				s.Check(b.Post(target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				t.Calls(OpLoad, OpTake, OpCreate)
				events := t.Events("session_expired:user-switch", "session_created", "authn_login_success")
				Equal(t, "the session that ended", events[0].Subject+" "+events[0].Session, "alice "+handle)
				Equal(t, "the session that began", events[1].Subject, "bob")
				if events[1].Session == handle || b.Value == old.Value {
					t.Failf("the new user inherits a name or an id")
				}
				s.Check(old.Get("/me"), Anonymous())
				s.Check(old.Get("/note"), says("note="))
				t.Events(unknownID, unknownID)
				s.noRow(old.Value)
				s.Check(b.Get("/me"), says("subject=bob"))
				s.Check(b.Get("/note"), says("note="))
				s.Check(b.Get("/hits"), says("hits=0"))
				s.Check(b.Get("/flash"), says("flash=[]"))
				s.Check(b.Get("/admin"), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				Equal(t, "who was refused", t.Events("authz_fail:role")[0].Subject, "bob")
				t.Calls(OpLoad, OpLoad, OpLoad, OpLoad, OpLoad, OpLoad, OpLoad)
			}
		},
	}, {
		ID: "S3", Slug: "session/renewal-changes-id-alone",
		Rule:   "A renewal changes the id and nothing else: user, data, handle, time of login and the session's end stay.",
		Clause: "OWASP ASVS 5.0 7.2.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			b := s.loggedIn("alice")
			handle := t.Events("session_created", "authn_login_success")[0].Session
			s.Check(b.Post("/note?v=kept"), says("noted"))
			t.Clock.Advance(4 * time.Minute)
			old := s.holder(b.Value)
			t.forget()
			s.Check(b.Post("/renew"), says("renewed", "set"))
			t.Calls(OpLoad, OpRename)
			Equal(t, "handle", t.Events("session_renewed:renewal")[0].Session, handle)
			if b.Value == old.Value {
				t.Failf("the id survived the renewal")
			}
			s.Check(b.Get("/authority"), says("alice by test at 03:04:05 as []"))
			t.Calls(OpLoad, OpTake, OpSwap)
			s.Check(b.Get("/note"), says("note=kept"))
			s.Check(b.Get("/fresh"), says("subject=alice"))
			t.Clock.Advance(2 * time.Minute)
			s.Check(b.Get("/fresh"), stale())
			t.Events("authz_fail:stale")
			s.Check(old.Get("/me"), Anonymous())
			t.Events(unknownID)
			s.noRow(old.Value)

			// There must be something to renew.
			t.forget()
			s.Check(s.Browser().Post("/renew"), Anonymous())
			t.nothing()
			// A visitor's session can be renewed like any other.
			cart := s.Browser()
			s.Check(cart.Post("/note?v=cart"), says("noted", "set:7200"))
			first := cart.Value
			s.Check(cart.Post("/renew"), says("renewed", "set:7200"))
			if cart.Value == first {
				t.Failf("the visitor's id survived the renewal")
			}
			s.Check(cart.Get("/note"), says("note=cart"))
			s.noRow(first)
			t.Events("session_created", "session_renewed:renewal")
		},
	}, {
		ID: "S3", Slug: "session/several-changes-in-one-request",
		Rule:   "However often one request changes the session, its answer sets one cookie, and the strictest of the changes decides about the old id.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			type change func(Request) error
			as := func(user string, roles ...string) change {
				return func(r Request) error {
					return r.Session().Login(r.Context(), session.Identity{Subject: user, Roles: roles, Method: "otp"})
				}
			}
			renew := func(r Request) error { return r.Session().Renew(r.Context()) }
			logout := func(r Request) error { return r.Session().Logout(r.Context()) }
			// The old id keeps its authority after the gentle ones only.
			rows := []struct {
				name    string
				changes []change
				user    string
				oldDies bool
				cookie  string
			}{
				{"step-up-renew", []change{as("alice"), renew}, "alice", false, "set"},
				{"renew-step-up", []change{renew, as("alice")}, "alice", true, "set"},
				{"step-up-role", []change{as("alice"), as("alice", "admin")}, "alice", true, "set"},
				{"role-step-up", []change{as("alice", "admin"), as("alice", "admin")}, "alice", true, "set"},
				{"renew-switch", []change{renew, as("bob")}, "bob", true, "set"},
				{"step-up-logout", []change{as("alice"), logout}, "", true, "delete"},
				{"logout-login", []change{logout, as("alice")}, "alice", true, "set"},
			}
			app := changingApp()
			for _, row := range rows {
				app = app.with("POST", "/"+row.name, func(r Request) error {
					for _, c := range row.changes {
						if err := c(r); err != nil {
							return r.Fail(err)
						}
					}
					return r.String(200, "changed")
				})
			}
			s := t.Serve(app)
			for _, row := range rows {
				b := s.loggedIn("alice")
				old := s.holder(b.Value)
				s.Check(b.Post("/"+row.name), says("changed", row.cookie))
				if row.oldDies {
					s.Check(old.Get("/me"), Anonymous())
				} else {
					s.Check(old.Get("/me"), says("subject=alice"))
				}
				if row.user != "" {
					s.Check(b.Get("/me"), says("subject="+row.user))
				}
				s.Check(old.Get("/me"), Anonymous())
				alive := map[string]int{}
				for _, e := range t.Audit.Take() {
					switch e.Name {
					case audit.SessionCreated:
						alive[e.Session]++
					case audit.SessionExpired:
						alive[e.Session]--
					}
				}
				total := 0
				for handle, n := range alive {
					if n < 0 || n > 1 {
						t.Failf("%s: session %s ended %d times more than it began", row.name, handle, -n)
					}
					total += n
				}
				want := 1
				if row.user == "" {
					want = 0
				}
				Equal(t, row.name+": sessions left", total, want)
			}
		},
	}, {
		ID: "S3", Slug: "session/parallel-changes-make-one-session",
		Rule:   "Of two step-ups or renewals at once exactly one takes place; the other is told to try again, makes no second session and ends nothing.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			for _, how := range gentle {
				for _, write := range []string{"", "&v=x"} {
					hold := newBarrier()
					s := t.Serve(changingApp().with("POST", "/slow", func(r Request) error {
						if err := r.Session().Authorize(); err != nil {
							return r.Fail(err)
						}
						hold.hold()
						if r.Query("how") == "step-up" {
							return stepUp(r)
						}
						if v := r.Query("v"); v != "" {
							if err := note.Set(r.Session(), v); err != nil {
								return r.Fail(err)
							}
						}
						return answer(r, r.Session().Renew(r.Context()), "renewed")
					}))
					b := s.loggedIn("alice")
					old := s.holder(b.Value)
					t.forget()
					target := "/slow?user=alice&how=" + how.name + write
					flights := []*flight{b.send("POST", target), b.send("POST", target)}
					hold.await(t, 2)
					hold.release()
					won := 0
					for _, f := range flights {
						a := f.land()
						if a.Status == 200 {
							b.Take(s.Check(a, Want{Status: 200, Cookies: []string{"set"}, Asked: true}))
							won++
						} else {
							s.Check(a, superseded())
						}
					}
					Equal(t, "changes that took place", won, 1)
					if how.name == "step-up" {
						t.eventsAnyOrder("session_renewed:step-up", "authn_login_success:step-up")
					} else {
						t.eventsAnyOrder("session_renewed:renewal")
					}
					calls := t.Store.Calls()
					Equal(t, "sessions created or ended", calls[OpCreate]+calls[OpTake], 0)
					s.Check(old.Get("/me"), says("subject=alice")) // the winner's answer may be lost
					s.Check(b.Get("/me"), says("subject=alice"))
					t.Events()
				}
			}
		},
	}, {
		ID: "S3", Slug: "session/change-in-flight-refused-after-renewal",
		Rule:   "A request whose id is renewed while it runs cannot change the session any more, whatever else it wants to write.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			for _, target := range []string{"/stepup?user=alice", "/renew", "/login?user=alice&role=admin", "/login?user=bob", "/logout"} {
				for _, write := range []bool{false, true} {
					hold := newBarrier()
					app := changingApp()
					for i, route := range app.Routes {
						inner := route.Handler
						app.Routes[i].Handler = func(r Request) error {
							if r.Query("late") == "" {
								return inner(r)
							}
							if _, err := hits.Get(r.Session()); err != nil {
								return r.Fail(err)
							}
							if write {
								if err := note.Set(r.Session(), "late"); err != nil {
									return r.Fail(err)
								}
							}
							hold.hold()
							return inner(r)
						}
					}
					s := t.Serve(app)
					b := s.loggedIn("alice")
					t.forget()
					sep := "?"
					if strings.Contains(target, "?") {
						sep = "&"
					}
					late := b.send("POST", target+sep+"late=1")
					hold.await(t, 1)
					s.Check(b.Post("/renew"), says("renewed", "set"))
					after := s.row(b.Value)
					hold.release()
					s.Check(late.land(), superseded())
					t.Events("session_renewed:renewal")
					Equal(t, "the renewed session's record", s.row(b.Value), after)
					s.Check(b.Get("/me"), says("subject=alice"))
					t.Events()
				}
			}
		},
	}}
}

// stale is what a login that is too old is answered.
func stale() Want {
	return Want{Status: 401, Code: "STEP_UP_REQUIRED", Asked: true, Challenge: `error="insufficient_user_authentication", max_age="300"`}
}

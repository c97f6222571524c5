package conformance

import (
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
)

// limitCases are about how many sessions one subject may have.
func limitCases() []Case {
	refused := Want{Status: 403, Code: "FORBIDDEN", Asked: true}
	return []Case{{
		ID: "S6", Slug: "subject/limit-evicts-the-oldest",
		Rule:   "A login past the limit ends the oldest session of that user in the same step, those that were never presented before all others, and nobody else's.",
		Clause: "OWASP ASVS 5.0 7.1.2; DESIGN section 3",
		Run: func(t *T) {
			t.Config.SubjectLimit = 3
			s := t.Serve(subjectApp())
			bob := s.home("bob")
			visitor := s.Browser()
			s.Check(visitor.Post("/note?v=cart"), says("noted", "set:7200"))
			next := func(presented bool) *device {
				d := s.device("alice")
				if presented {
					d.alive()
				}
				t.forget()
				return d
			}
			first, unseen, second := next(true), next(false), next(true)
			// past logs in once more, which must end that device.
			past := func(ended *device, presented bool) *device {
				t.Helper()
				t.Clock.Advance(time.Minute)
				d := &device{Browser: s.Browser(), User: "alice"}
				s.Check(d.Post("/login?user=alice"), says("logged in", "set"))
				t.Calls(OpCreate)
				events := t.Events("session_expired:limit", "session_created", "authn_login_success")
				Equal(t, "session that made room", events[0].Subject+" "+events[0].Session, "alice "+ended.Handle)
				d.Handle = events[1].Session
				ended.out()
				if presented {
					d.alive()
				}
				t.forget()
				return d
			}
			third := past(unseen, true)
			// The oldest by its beginning, however much it is used.
			first.alive()
			t.forget()
			fourth := past(first, false)
			fifth := past(fourth, true)
			sixth := past(second, false)
			for _, d := range []*device{third, fifth, sixth} {
				d.alive()
			}
			t.forget()
			// A renewal or a step-up is no further session.
			s.Check(third.Post("/renew"), says("renewed", "set"))
			s.Check(third.Post("/stepup?user=alice"), says("stepped up", "set"))
			s.Check(third.Post("/login?user=alice&role=admin"), says("logged in", "set"))
			for _, e := range t.Audit.Take() {
				if e.Name == audit.SessionExpired {
					t.Failf("session %s ended for one that goes on", e.Session)
				}
			}
			third.alive()
			fifth.alive()
			bob.alive()
			s.Check(visitor.Get("/note"), says("note=cart"))
		},
	}, {
		ID: "S6", Slug: "subject/limit-refuses",
		Rule:   "Where the limit refuses, a login past it is 403 and costs nobody a session or a cart; sessions that were never presented do not count.",
		Clause: "OWASP ASVS 5.0 7.1.2; DESIGN section 3",
		Run: func(t *T) {
			t.Config.SubjectLimit, t.Config.RefuseAtLimit = 2, true
			s := t.Serve(subjectApp())
			unseen, first := s.device("alice"), s.home("alice")
			cart, bob := s.Browser(), s.home("bob")
			s.Check(cart.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			second := &device{Browser: s.Browser(), User: "alice"}
			s.Check(second.Post("/login?user=alice"), says("logged in", "set"))
			t.Calls(OpCreate)
			events := t.Events("session_expired:limit", "session_created", "authn_login_success")
			Equal(t, "session that made room", events[0].Session, unseen.Handle)
			second.Handle = events[1].Session
			second.alive()
			t.forget()
			cartID, bobID := cart.Value, bob.Value
			for range 2 {
				s.Check(s.Browser().Post("/login?user=alice"), refused)
				t.Calls(OpCreate)
				Equal(t, "who was refused", t.Events("login_refused:limit")[0].Subject, "alice")
				s.Check(cart.Post("/login?user=alice"), refused)
				t.Calls(OpLoad, OpList)
				Equal(t, "who was refused", t.Events("login_refused:limit")[0].Subject, "alice")
				s.Check(cart.Get("/note"), says("note=cart"))
				s.Check(bob.Post("/login?user=alice"), refused)
				t.Events("login_refused:limit")
				bob.alive()
				t.forget()
			}
			Equal(t, "cookies", [2]string{cart.Value, bob.Value}, [2]string{cartID, bobID})
			for _, d := range []*device{first, second} { // who is there may prove it once more
				s.Check(d.Post("/stepup?user=alice"), says("stepped up", "set"))
				d.alive()
			}
			s.Check(first.Post("/logout"), says("logged out", "delete"))
			t.forget()
			s.Check(cart.Post("/login?user=alice"), says("logged in", "set"))
			t.Calls(OpLoad, OpList, OpTake, OpCreate)
			t.Events("session_expired:login", "session_created", "authn_login_success")
			s.Check(cart.Get("/note"), says("note=cart"))
			second.alive()
		},
	}, {
		ID: "S6", Slug: "subject/limit-holds-in-parallel",
		Rule:   "Logins at once never leave a user more sessions than the limit allows, and every one that made room is told once.",
		Clause: "DESIGN section 3 (decided atomically)",
		Run: func(t *T) {
			for _, refuse := range []bool{false, true} {
				const limit, n = 3, 12
				t.Config.SubjectLimit, t.Config.RefuseAtLimit = limit, refuse
				hold := newBarrier()
				s := t.Serve(subjectApp().with("POST", "/slow-login", func(r Request) error {
					hold.hold()
					return login0(r)
				}))
				user := map[bool]string{false: "alice", true: "bob"}[refuse]
				seen := s.home(user)
				t.Clock.Advance(time.Minute)
				var flights []*flight
				for range n {
					flights = append(flights, s.Browser().send("POST", "/slow-login?user="+user))
				}
				hold.await(t, n)
				hold.release()
				for _, f := range flights {
					s.Check(f.land(), says("logged in", "set"))
				}
				// One login may end another before that has told of itself.
				began, ended := map[string]int{seen.Handle: 1}, map[string]int{}
				for _, e := range t.Audit.Take() {
					switch {
					case e.Name == audit.SessionCreated:
						began[e.Session]++
					case e.Name == audit.SessionExpired && e.Cause == audit.CauseLimit:
						ended[e.Session]++
					case e.Name != audit.LoginSucceeded:
						t.Failf("unexpected event %+v", e)
					}
				}
				for handle, n := range ended {
					Equal(t, "times that an end is told", n, began[handle])
					delete(began, handle)
				}
				calls := t.Store.Calls()
				Equal(t, "store calls", calls[OpCreate], n)
				a := s.Check(seen.Get("/devices"), Want{Status: 200, Asked: true})
				Equal(t, "sessions on the list", strings.Count(a.Body, "\n"), limit)
				Equal(t, "sessions whose end was not told", len(began), limit)
				for handle := range began {
					if !strings.Contains(a.Body, handle) {
						t.Failf("session %s is neither on the list nor ended", handle)
					}
				}
			}
		},
	}, {
		ID: "S6", Slug: "subject/first-presentation-is-noted-once",
		Rule:   "That a session's id has arrived is noted by one write, only where a limit asks for it, and costs no answer if it fails.",
		Clause: "DESIGN section 3 (sessions never presented go first)",
		Run: func(t *T) {
			// Without a limit of the application's nobody asks.
			plain := t.Serve(subjectApp())
			d := plain.device("alice")
			for range 2 {
				d.alive()
				t.Calls(OpLoad)
			}
			t.Config.SubjectLimit = 5
			hold := newBarrier()
			s := t.Serve(lateApp(subjectApp(), hold))
			d = s.device("alice")
			t.Store.Fail(Always(FaultError, OpSwap))
			s.Check(d.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad, OpSwap)
			t.Events("store_failure:error")
			t.Store.Fail(nil)
			s.Check(d.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad, OpSwap)
			for range 2 {
				s.Check(d.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad)
			}
			// A write takes the note along.
			d = s.device("alice")
			s.Check(d.Post("/note?v=x"), says("noted"))
			s.Check(d.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad, OpSwap, OpLoad)
			// What is no use of the session notes nothing.
			d = s.device("alice")
			s.Check(d.Get("/public"), Want{Status: 200, Body: "public"})
			t.nothing()
			const n = 5
			var flights []*flight
			for range n {
				flights = append(flights, d.send("GET", "/late-read"))
			}
			hold.await(t, n)
			hold.release()
			for _, f := range flights {
				s.Check(f.land(), says("late"))
			}
			Equal(t, "changes of the record", s.row(d.Value).Version, 2)
			t.Events()
			visitor := s.Browser()
			s.Check(visitor.Post("/note?v=x"), says("noted", "set:7200"))
			t.forget()
			s.Check(visitor.Get("/note"), says("note=x"))
			t.Calls(OpLoad)
		},
	}}
}

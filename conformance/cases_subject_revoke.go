package conformance

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// revokeCases are about one session that ends another.
func revokeCases() []Case {
	return []Case{{
		ID: "S6", Slug: "subject/revoke-one",
		Rule:   "A session that its user revokes from another device is over at its next request, on the connection that it has and on any other, and no other session is.",
		Clause: "OWASP ASVS 5.0 7.5.2; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			phone, laptop, tablet, bob := s.home("alice"), s.home("alice"), s.home("alice"), s.home("bob")
			c := s.Dial()
			ask := s.Request("GET", "/me", phone.lines()...)
			s.Check(s.On(c, ask), says("subject=alice"))
			t.forget()
			s.Check(laptop.Post("/revoke?handle="+phone.Handle), says("ended=true"))
			t.Calls(OpLoad, OpEndOne)
			t.told("revoked", []*device{phone})
			s.Check(s.On(c, ask), Anonymous())
			t.Calls(OpLoad)
			t.Events(unknownID)
			phone.out()
			for range 2 { // once more ends nothing more
				s.Check(laptop.Post("/revoke?handle="+phone.Handle), says("ended=false"))
				t.Calls(OpLoad, OpEndOne)
				t.Events()
			}
			laptop.alive()
			tablet.alive()
			bob.alive()
			if strings.Contains(laptop.Get("/devices").Body, phone.Handle) {
				t.Failf("a revoked session is on the list of devices")
			}
			t.forget()
			// Whoever knows the password may come back.
			s.Check(phone.Post("/login?user=alice"), says("logged in", "set"))
			t.Events(unknownID, "session_created", "authn_login_success")
			phone.alive()
		},
	}, {
		ID: "S6", Slug: "subject/foreign-handle-revokes-nothing",
		Rule:   "The handle of another subject's session, an unknown one and a malformed one end nothing, cost nobody anything, and are answered alike.",
		Clause: "OWASP API Security 2023 API1; DESIGN section 3 (Revoke takes the subject)",
		Run: func(t *T) {
			s := t.Serve(subjectApp())
			alice, bob := s.home("alice"), s.home("bob")
			var none revocation.Handle
			for _, h := range []string{bob.Handle, none.String(), strings.Repeat("A", 21) + "g"} {
				s.Check(alice.Post("/revoke?handle="+h), says("ended=false"))
				t.Calls(OpLoad, OpEndOne)
				t.Events()
			}
			for _, h := range []string{
				"", "x", "*", alice.Handle[:21], alice.Handle + "A", alice.Handle + "==", " " + alice.Handle, alice.Handle + "\x00",
				alice.Handle[:21] + "_", alice.Handle[:21] + "\n", strings.Repeat("A", 10_000), "../" + alice.Handle, bob.Value, "alice",
			} {
				s.Check(alice.Post("/revoke?handle="+url.QueryEscape(h)), says("ended=false"))
				t.Calls(OpLoad)
				t.Events()
			}
			// However often somebody tries, there is room for what is meant.
			for i := range revocation.MaxDenied + 1 {
				h := revocation.Handle{1, byte(i)}
				s.Check(alice.Post("/revoke?handle="+h.String()), says("ended=false"))
			}
			t.forget()
			other := s.home("alice")
			s.Check(alice.Post("/revoke?handle="+other.Handle), says("ended=true"))
			t.told("revoked", []*device{other})
			bob.alive()
			alice.alive()
			t.Events()
		},
	}, {
		ID: "S6", Slug: "subject/revoke-own-handle-is-logout",
		Rule:   "A session that revokes its own handle has logged out: its cookie is deleted, once, and what it had pending is dropped with an event.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(subjectApp().with("POST", "/leave", func(r Request) error {
				if err := note.Set(r.Session(), "last words"); err != nil {
					return r.Fail(err)
				}
				ended, err := r.Session().Revoke(r.Context(), r.Query("handle"))
				return answer(r, err, fmt.Sprint("ended=", ended))
			}).with("POST", "/slow-leave", func(r Request) error {
				if _, err := r.Principal(); err != nil {
					return r.Fail(err)
				}
				hold.hold()
				ended, err := r.Session().Revoke(r.Context(), r.Query("handle"))
				return answer(r, err, fmt.Sprint("ended=", ended))
			}))
			alice, other := s.home("alice"), s.home("alice")
			old := alice.holding(alice.Value)
			s.Check(alice.Post("/revoke?handle="+alice.Handle), says("ended=true", "delete"))
			t.Calls(OpLoad, OpEndOne)
			t.told("revoked", []*device{alice})
			Equal(t, "cookie", alice.Value, "")
			old.out()

			alice = s.home("alice")
			s.Check(alice.Post("/leave?handle="+alice.Handle), says("ended=true", "delete"))
			t.Calls(OpLoad, OpEndOne)
			t.told("revoked", []*device{alice}, "session_write_dropped")

			alice = s.home("alice")
			target := "/slow-leave?handle=" + alice.Handle
			flights := []*flight{alice.send("POST", target), alice.send("POST", target)}
			hold.await(t, 2)
			hold.release()
			deletions := 0
			for _, f := range flights {
				a := f.land()
				if len(a.Cookies()) > 0 {
					s.Check(a, says("ended=true", "delete"))
					deletions++
				} else {
					s.Check(a, says("ended=false"))
				}
			}
			Equal(t, "deletions", deletions, 1)
			t.told("revoked", []*device{alice})
			other.alive()
		},
	}, {
		ID: "S5", Slug: "subject/late-write-undoes-no-revocation",
		Rule:   "A request that is under way when its session is revoked, in whichever way, brings nothing back: its write is dropped with an event, and its answer is 401 if it had relied on the session.",
		Clause: "CVE-2025-46336; DESIGN section 3 (a destroyed session is never brought back)",
		Run: func(t *T) {
			for _, how := range revocationWays() {
				for _, late := range []struct {
					target string
					want   Want
				}{
					{"/late?v=late", says("late")}, {"/late-guarded?v=late", Anonymous()},
					{"/late-commit?v=late", Anonymous()}, {"/late-cas?v=late", Anonymous()},
				} {
					// Each server hears of the ends in its own audit trail.
					t.Audit = &Recorder{}
					t.Config.Audit = t.Audit
					hold := newBarrier()
					s := t.Serve(lateApp(subjectApp(), hold))
					victim, acting := s.home("alice"), s.home("alice")
					f := victim.send("POST", late.target)
					hold.await(t, 1)
					how.do(t, s, acting, victim)
					told := ends{}
					told.take(t, how.events...)
					t.forget()
					hold.release()
					s.Check(f.land(), late.want)
					t.Calls(OpSwap)
					told.take(t, "session_write_dropped")
					told.out(victim)
					t.NoError(s.manager.RevokeAll(t.Context(), "alice"))
				}
			}
		},
	}, {
		ID: "S6", Slug: "subject/revoke-others",
		Rule:   "A change of password ends every other session of the user at its next request, and gives the acting one a new id and leaves it everything else; the id from before is dead at once.",
		Clause: "OWASP ASVS 5.0 7.4.3; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(subjectApp().with("POST", "/password", func(r Request) error {
				if err := note.Set(r.Session(), "changed"); err != nil {
					return r.Fail(err)
				}
				return answer(r, r.Session().RevokeOthers(r.Context()), "changed")
			}, Guard{Login: true}))
			phone, laptop := s.home("alice"), s.home("alice")
			tablet, unseen, bob := s.home("alice"), s.device("alice"), s.home("bob")
			s.Check(laptop.Post("/hit"), says("hit"))
			t.forget()
			old := laptop.holding(laptop.Value)
			s.Check(laptop.Post("/password"), says("changed", "set"))
			t.Calls(OpLoad, OpEndOthers, OpRename) // one call ends them all
			ended := []*device{phone, tablet, unseen}
			t.told("revoked", ended, "subject_revoked:others", "session_renewed:revoked")
			if laptop.Value == old.Value {
				t.Failf("the id survived the change of password")
			}
			// The old id first: it must be dead although the new one has not been
			// seen yet.
			old.out()
			for _, d := range ended {
				d.out()
			}
			s.Check(laptop.Get("/authority"), says("alice by test at "+laptop.Since+" as []"))
			s.Check(laptop.Get("/note"), says("note=changed"))
			s.Check(laptop.Get("/hits"), says("hits=1"))
			a := s.Check(laptop.Get("/devices"), says(laptop.line("", " (here)")))
			Equal(t, "sessions left", strings.Count(a.Body, "\n"), 1)
			bob.alive()
			t.Events()
			// Alone, it gets a new id all the same.
			t.forget()
			old = laptop.holding(laptop.Value)
			s.Check(laptop.Post("/revoke-others"), says("revoked", "set"))
			t.Events("subject_revoked:others", "session_renewed:revoked")
			t.Calls(OpLoad, OpEndOthers, OpRename)
			old.out()
			laptop.alive()
			s.home("alice").alive()
			laptop.alive()
		},
	}, {
		ID: "S6", Slug: "subject/revoke-others-and-what-is-under-way",
		Rule:   "What another device has under way at a change of password does not save its session; a login that is stored afterwards is a session like any other.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			for _, row := range []struct {
				target string
				want   Want
				events []string
			}{
				{"/renew", Anonymous(), nil},
				{"/revoke-others", Anonymous(), nil},
				{"/revoke-all", says("revoked"), []string{"subject_revoked:all"}},
				{"/login?user=alice", says("logged in", "set"), []string{"session_created", "authn_login_success"}},
				{"/login?user=alice&role=admin", says("logged in", "set"), []string{"session_created", "authn_login_success"}},
				{"/login?user=bob", says("logged in", "set"), []string{"session_created", "authn_login_success"}},
				{"/logout", says("logged out"), nil},
			} {
				hold := newBarrier()
				s := t.Serve(heldApp(hold))
				laptop, phone := s.home("alice"), s.home("alice")
				sep := "?"
				if strings.Contains(row.target, "?") {
					sep = "&"
				}
				f := phone.send("POST", row.target+sep+"late=1")
				hold.await(t, 1)
				s.Check(laptop.Post("/revoke-others"), says("revoked", "set"))
				t.told("revoked", []*device{phone}, "subject_revoked:others", "session_renewed:revoked")
				before := s.row(laptop.Value)
				hold.release()
				a := s.Check(f.land(), row.want)
				if row.target == "/revoke-all" {
					// It was the user's own act; the session that makes it need not
					// outlive the moment in which it was asked for.
					t.told("revoked", []*device{laptop}, row.events...)
					t.forget()
					laptop.out()
					phone.out()
					continue
				}
				t.Events(row.events...)
				Equal(t, "the acting session's record", s.row(laptop.Value), before)
				t.forget()
				phone.out()
				if len(a.Cookies()) > 0 {
					phone.Take(a)
					s.Check(phone.Get("/me"), Want{Status: 200, Asked: true})
				}
				laptop.alive()
				t.Events()
				t.NoError(s.manager.RevokeAll(t.Context(), "alice"))
			}
		},
	}, {
		ID: "S6", Slug: "subject/revoke-others-meets-a-new-id",
		Rule:   "If somebody with the same cookie gives the session a new id while its user locks others out, the session ends: it may be the others who have the new id.",
		Clause: "OWASP ASVS 5.0 7.4.3; DESIGN section 3",
		Run: func(t *T) {
			for _, change := range []struct{ target, done string }{
				{"/renew", "renewed"},
				{"/login?user=alice", "logged in"},
				{"/login?user=alice&role=admin", "logged in"},
			} {
				hold := newBarrier()
				s := t.Serve(heldApp(hold))
				victim := s.home("alice")
				thief := s.holder(victim.Value)
				f := victim.send("POST", "/revoke-others?late=1")
				hold.await(t, 1)
				s.Check(thief.Post(change.target), says(change.done, "set"))
				hold.release()
				s.Check(f.land(), Anonymous())
				s.Check(thief.Get("/me"), Anonymous())
				s.noRow(thief.Value)
				t.forget()
				victim.out()
				s.loggedIn("alice")
				t.NoError(s.manager.RevokeAll(t.Context(), "alice"))
				t.forget()
			}
		},
	}, {
		ID: "S6", Slug: "subject/revoke-others-ends-old-ids",
		Rule:   "A change of password leaves nothing of the ids that a renewal or a step-up had replaced, neither the acting session's nor another's.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			for _, how := range gentle {
				s := t.Serve(subjectApp().with("POST", "/both", func(r Request) error {
					change := r.Session().Renew
					if how.name == "step-up" {
						change = func(ctx context.Context) error {
							return r.Session().Login(ctx, session.Identity{Subject: "alice", Method: "otp"})
						}
					}
					if err := change(r.Context()); err != nil {
						return r.Fail(err)
					}
					return answer(r, r.Session().RevokeOthers(r.Context()), "both")
				}))
				laptop, phone := s.home("alice"), s.home("alice")
				// The answer to the phone's renewal is lost: it goes on with the
				// old id.
				old := phone.holding(phone.Value)
				s.Check(phone.Post(how.target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				older := laptop.holding(laptop.Value)
				s.Check(laptop.Post("/both"), says("both", "set"))
				t.forget()
				older.out()
				old.out()
				phone.out()
				laptop.alive()
				t.Events()
			}
		},
	}}
}

// revocationWay is a way in which a session is ended from elsewhere.
type revocationWay struct {
	do     func(t *T, s *Server, acting, victim *device)
	events []string // beside the ends of sessions
}

func revocationWays() []revocationWay {
	post := func(target string) func(*T, *Server, *device, *device) {
		return func(t *T, _ *Server, acting, victim *device) {
			t.Helper()
			Equal(t, "status", acting.Post(strings.ReplaceAll(target, "*", victim.Handle)).Status, 200)
		}
	}
	return []revocationWay{
		{post("/revoke?handle=*"), nil},
		{post("/revoke-others"), []string{"subject_revoked:others", "session_renewed:revoked"}},
		{post("/revoke-all"), []string{"subject_revoked:all"}},
		{post("/disable?user=alice"), []string{"subject_revoked:all"}},
		{func(t *T, s *Server, _, _ *device) {
			t.NoError(s.manager.Revocations().LogoutEverywhere(t.Context(), "alice"))
		}, []string{"subject_revoked:all"}},
		{func(t *T, s *Server, _, victim *device) {
			t.NoError(s.manager.Revocations().RevokeSession(t.Context(), "alice", victim.Handle))
		}, []string{"session_denied"}},
	}
}

// heldApp is subjectApp with handlers that, asked with ?late=, have read the session
// and wait.
func heldApp(hold *barrier) App {
	app := subjectApp()
	for i, route := range app.Routes {
		inner := route.Handler
		app.Routes[i].Handler = func(r Request) error {
			if r.Query("late") != "" {
				if _, err := hits.Get(r.Session()); err != nil {
					return r.Fail(err)
				}
				hold.hold()
			}
			return inner(r)
		}
	}
	return app
}

package conformance

import (
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// Both kinds of change after which the old id goes on for a while: its answer may
// have been lost, and requests with the old id may be under way.
var gentle = []struct{ name, target string }{
	{"step-up", "/stepup?user=alice"},
	{"renewal", "/renew"},
}

// supersededLifeCases are about an id that was replaced a moment ago.
func supersededLifeCases() []Case {
	return []Case{{
		ID: "S3", Slug: "session/superseded-id-changes-nothing",
		Rule:   "An id that was replaced by a step-up or a renewal makes no transitions, never passes RequireFresh and never causes a Set-Cookie.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			for _, how := range gentle {
				b := s.loggedIn("alice")
				old := s.holder(b.Value)
				s.Check(b.Post(how.target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				t.forget()
				before := s.row(b.Value)
				for _, target := range []string{
					"/renew", "/logout", "/stepup?user=alice", "/login?user=alice", "/login?user=alice&role=admin", "/login?user=bob",
				} {
					s.Check(old.Post(target), superseded())
					t.Calls(OpLoad, OpLoad)
					t.Events()
				}
				// The login is seconds old, but a stolen old id must not live on it.
				s.Check(old.Get("/fresh"), stale())
				t.Events("authz_fail:stale")
				s.Check(old.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad, OpLoad, OpLoad, OpLoad)
				Equal(t, how.name+": the new id's record", s.row(b.Value), before)
				s.Check(b.Get("/fresh"), says("subject=alice"))
				t.Events()
			}
		},
	}, {
		ID: "S3", Slug: "session/superseded-id-ends-within-60-seconds",
		Rule:   "The old id lasts at most 60 seconds if the new one is never presented, and the new one does not need it.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			for _, how := range gentle {
				b := s.loggedIn("alice")
				old := s.holder(b.Value)
				s.Check(b.Post(how.target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				t.forget()
				t.Clock.Advance(time.Minute - time.Microsecond)
				s.Check(old.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad, OpLoad)
				t.Events()
				t.Clock.Advance(time.Microsecond)
				s.Check(old.Get("/me"), Anonymous())
				t.Calls(OpLoad)
				// A snapshot is no session, so none has ended.
				t.Events(unknownID)
				s.noRow(old.Value)
				s.Check(b.Get("/me"), says("subject=alice"))
				t.Events()
			}
		},
	}, {
		ID: "S3", Slug: "session/superseded-id-ends-when-new-is-presented",
		Rule:   "The old id ends at once when the new one is presented, also for a request that only writes or logs out.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			for _, how := range gentle {
				for _, first := range []struct{ method, target string }{
					{"GET", "/whoami"}, {"POST", "/note?v=x"}, {"POST", "/renew"}, {"POST", "/stepup?user=alice"}, {"POST", "/logout"},
				} {
					b := s.loggedIn("alice")
					older := s.holder(b.Value)
					s.Check(b.Post(how.target), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
					s.Check(older.Get("/me"), says("subject=alice"))
					Equal(t, "status", b.Do(first.method, first.target).Status, 200)
					t.forget()
					s.Check(older.Get("/me"), Anonymous())
					t.Events(unknownID)
					t.Calls(OpLoad)
					s.noRow(older.Value)
				}
			}
			// Asking nothing is no presentation: the answer may still be lost.
			b := s.loggedIn("alice")
			old := s.holder(b.Value)
			s.Check(b.Post("/renew"), says("renewed", "set"))
			s.Check(b.Get("/public"), Want{Status: 200, Body: "public"})
			s.Check(old.Get("/me"), says("subject=alice"))
		},
	}, {
		ID: "S3", Slug: "session/superseded-id-ends-with-its-session",
		Rule:   "The old id is worth nothing without the session that replaced it.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			t.Config.IdleTimeout, t.Config.AnonymousIdleTimeout, t.Config.AbsoluteTimeout = 10*time.Minute, 10*time.Minute, 10*time.Minute
			s := t.Serve(changingApp())
			for _, how := range gentle {
				b := s.Browser()
				s.Check(b.Post("/login?user=alice"), says("logged in", "set:600"))
				old := s.holder(b.Value)
				t.Clock.Advance(9*time.Minute + 30*time.Second)
				s.Check(b.Post(how.target), Want{Status: 200, Cookies: []string{"set:30"}, Asked: true})
				t.forget()
				t.Clock.Advance(30*time.Second - time.Microsecond)
				s.Check(old.Get("/me"), says("subject=alice"))
				t.Clock.Advance(time.Microsecond)
				s.Check(old.Get("/me"), Anonymous())
				s.Check(b.Get("/me"), Anonymous())
				t.eventsAnyOrder(unknownID, "session_expired:absolute", unknownID)
				s.noRow(old.Value)
				s.noRow(b.Value)
			}
		},
	}, {
		ID: "S3", Slug: "session/stepped-up-id-keeps-old-authority",
		Rule:   "After a step-up the old id vouches for the old proof of identity and reads the old data, and what it writes is refused and not lost in silence.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp().with("POST", "/cas", func(r Request) error {
				return answer(r, note.CompareAndSet(r.Session(), "before", "x"), "swapped")
			}).with("POST", "/careless", func(r Request) error {
				_ = note.Set(r.Session(), "x") // an error that nobody looked at
				return r.String(200, "noted")
			}))
			b := s.loggedIn("alice")
			old := s.holder(b.Value)
			s.Check(b.Post("/note?v=before"), says("noted"))
			s.Check(b.Post("/flash?v=before"), says("added"))
			t.Clock.Advance(time.Minute)
			s.Check(b.Post("/stepup?user=alice&v=after"), says("stepped up", "set"))
			t.forget()
			before := s.row(b.Value)
			s.Check(old.Get("/authority"), says("alice by test at 03:04:05 as []"))
			s.Check(old.Get("/note"), says("note=before"))
			t.Calls(OpLoad, OpLoad, OpLoad, OpLoad)
			for _, target := range []string{"/note?v=x", "/hit", "/flash?v=x", "/cas", "/careless"} {
				s.Check(old.Post(target), superseded())
				t.Calls(OpLoad, OpLoad)
			}
			s.Check(old.Get("/flash"), superseded()) // taking is a write
			t.Calls(OpLoad, OpLoad)
			Equal(t, "the new id's record", s.row(b.Value), before)
			s.Check(b.Get("/authority"), says("alice by otp at 03:05:05 as []"))
			s.Check(b.Get("/note"), says("note=after"))
			s.Check(b.Get("/flash"), says("flash=[before]"))
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/renewed-id-forwards-data",
		Rule:   "After a renewal the old id reads and writes the session's one set of data until the new id is presented.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp().with("POST", "/cas", func(r Request) error {
				return answer(r, note.CompareAndSet(r.Session(), r.Query("old"), r.Query("new")), "swapped")
			}))
			b := s.loggedIn("alice")
			old := s.holder(b.Value)
			s.Check(b.Post("/note?v=before"), says("noted"))
			s.Check(b.Post("/renew"), says("renewed", "set"))
			t.forget()
			s.Check(old.Get("/note"), says("note=before"))
			t.Calls(OpLoad, OpLoad)
			s.Check(old.Post("/note?v=late"), says("noted"))
			s.Check(old.Post("/hit"), says("hit"))
			s.Check(old.Post("/flash?v=late"), says("added"))
			s.Check(old.Post("/cas?old=late&new=later"), says("swapped"))
			var calls []Operation
			for range 4 {
				calls = append(calls, OpLoad, OpLoad, OpSwap)
			}
			t.Calls(calls...)
			s.Check(old.Get("/note"), says("note=later"))
			s.Check(b.Get("/note"), says("note=later"))
			s.Check(b.Get("/hits"), says("hits=1"))
			s.Check(b.Get("/flash"), says("flash=[late]"))
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/request-in-flight-crosses-renewal",
		Rule:   "What a request writes while its session is renewed arrives in the renewed session, and its answer sets no cookie.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(changingApp(), hold))
			b := s.loggedIn("alice")
			// Old enough that the request in flight is also due to note its use.
			t.Clock.Advance(2 * time.Hour)
			t.forget()
			writes, reads := b.send("POST", "/late-guarded?v=late"), b.send("GET", "/late-read")
			hold.await(t, 2)
			s.Check(b.Post("/renew"), says("renewed", "set"))
			hold.release()
			s.Check(writes.land(), says("late"))
			s.Check(reads.land(), says("late"))
			t.Events("session_renewed:renewal")
			s.Check(b.Get("/note"), says("note=late"))
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/request-in-flight-refused-after-step-up",
		Rule:   "What a request writes while its session is stepped up is refused with 503, what only reads stands, and neither answer sets a cookie.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(changingApp(), hold))
			b := s.loggedIn("alice")
			t.Clock.Advance(2 * time.Hour)
			t.forget()
			flights := []*flight{b.send("POST", "/late?v=late"), b.send("POST", "/late-guarded?v=late")}
			reads := b.send("GET", "/late-read")
			hold.await(t, 3)
			s.Check(b.Post("/stepup?user=alice"), says("stepped up", "set"))
			after := s.row(b.Value)
			hold.release()
			for _, f := range flights {
				s.Check(f.land(), superseded())
			}
			s.Check(reads.land(), says("late"))
			t.Events("session_renewed:step-up", "authn_login_success:step-up")
			Equal(t, "the new id's record", s.row(b.Value), after)
			s.Check(b.Get("/note"), says("note="))
		},
	}}
}

// lateApp adds routes whose handlers write ?v=, or only read, and stand at the barrier
// before they answer.
func lateApp(app App, hold *barrier) App {
	write := func(r Request) error {
		if _, err := hits.Get(r.Session()); err != nil { // the record is read before the barrier
			return r.Fail(err)
		}
		if err := note.Set(r.Session(), r.Query("v")); err != nil {
			return r.Fail(err)
		}
		hold.hold()
		return r.String(200, "late")
	}
	return app.
		with("POST", "/late", write).
		with("POST", "/late-guarded", write, Guard{Login: true}).
		with("POST", "/late-commit", func(r Request) error {
			if err := note.Set(r.Session(), r.Query("v")); err != nil {
				return r.Fail(err)
			}
			hold.hold()
			return answer(r, r.Session().Commit(r.Context()), "late")
		}).
		with("POST", "/late-cas", func(r Request) error {
			if _, err := hits.Get(r.Session()); err != nil {
				return r.Fail(err)
			}
			hold.hold()
			err := note.SetIfAbsent(r.Session(), r.Query("v"))
			if errors.Is(err, session.ErrConflict) {
				return r.String(409, "there is one")
			}
			return answer(r, err, "late")
		}).
		with("GET", "/late-read", func(r Request) error {
			if _, err := r.Principal(); err != nil {
				return r.Fail(err)
			}
			hold.hold()
			return r.String(200, "late")
		}, Guard{Login: true})
}

package conformance

import "time"

// lateLifeCases are about requests that are still under way when their session ends.
func lateLifeCases() []Case {
	return []Case{{
		ID: "S5", Slug: "session/late-write-undoes-no-logout",
		Rule:   "A request that is under way at a logout brings nothing back: its write is dropped with an event, and its answer is 401 if a guard had relied on the session.",
		Clause: "CVE-2025-46336; DESIGN section 3 (a destroyed session is never brought back)",
		Run: func(t *T) {
			for _, late := range []struct {
				target string
				want   Want
			}{
				{"/late?v=late", says("late")},
				{"/late-guarded?v=late", Anonymous()},
				{"/late-commit?v=late", Anonymous()}, // the handler asked, and passes on what it was told
				{"/late-cas?v=late", Anonymous()},
			} {
				hold := newBarrier()
				s := t.Serve(lateApp(standard(), hold))
				b := s.loggedIn("alice")
				id := b.Value
				t.forget()
				f := b.send("POST", late.target)
				hold.await(t, 1)
				s.Check(b.Post("/logout"), says("logged out", "delete"))
				t.Events("session_expired:logout")
				hold.release()
				s.Check(f.land(), late.want)
				Equal(t, "whose write was dropped", t.Events("session_write_dropped")[0].Subject, "alice")
				s.noRow(id)
				t.Calls(OpLoad, OpLoad, OpTake, OpSwap)
				s.Check(s.holder(id).Get("/me"), Anonymous())
				s.Check(s.holder(id).Get("/note"), says("note="))
				t.Events(unknownID, unknownID)
				t.Calls(OpLoad, OpLoad)
			}
		},
	}, {
		ID: "S5", Slug: "session/late-touch-undoes-no-logout",
		Rule:   "A request that only noted the session's use neither brings it back nor sends its cookie again.",
		Clause: "CVE-2025-46336; DESIGN section 3 (touch)",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(standard(), hold))
			b := s.loggedIn("alice")
			id := b.Value
			t.Clock.Advance(2 * time.Hour)
			t.forget()
			f := b.send("GET", "/late-read")
			hold.await(t, 1)
			s.Check(b.Post("/logout"), says("logged out", "delete"))
			hold.release()
			s.Check(f.land(), says("late"))
			s.noRow(id)
			t.Events("session_expired:logout")
			t.Calls(OpLoad, OpLoad, OpTake, OpSwap)
			s.Check(s.holder(id).Get("/me"), Anonymous())
			t.Events(unknownID)
		},
	}, {
		ID: "S5", Slug: "session/late-write-outlives-no-expiry",
		Rule:   "A session that reaches its end while a request is under way is over for that request as well.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(standard(), hold))
			b := s.loggedIn("alice")
			t.forget()
			plain, guarded := b.send("POST", "/late?v=late"), b.send("POST", "/late-guarded?v=late")
			hold.await(t, 2)
			t.Clock.Advance(24 * time.Hour)
			hold.release()
			s.Check(plain.land(), says("late"))
			s.Check(guarded.land(), Anonymous())
			t.eventsAnyOrder("session_expired:idle", "session_write_dropped", "session_write_dropped")
			s.noRow(b.Value)
			t.Calls(OpLoad, OpLoad, OpSwap, OpSwap)
			s.Check(b.Get("/me"), Anonymous())
			t.Events(unknownID)
		},
	}, {
		ID: "S5", Slug: "session/late-write-stays-with-its-user",
		Rule:   "What a request writes while its session is replaced, by a login, another user or other roles, reaches no session.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			for _, row := range []struct {
				begin, replace string
				events         []string
			}{
				{"/hit", "/login?user=bob", []string{"session_expired:login", "session_created", "authn_login_success"}},
				{"/login?user=alice", "/login?user=bob", []string{"session_expired:user-switch", "session_created", "authn_login_success"}},
				{"/login?user=alice", "/login?user=alice&role=admin", []string{"session_renewed:role-change", "authn_login_success:role-change"}},
			} {
				hold := newBarrier()
				s := t.Serve(lateApp(standard(), hold))
				b := s.Browser()
				Equal(t, "status", b.Post(row.begin).Status, 200)
				id := b.Value
				t.forget()
				plain := b.send("POST", "/late?v=late")
				hold.await(t, 1)
				s.Check(b.Post(row.replace), says("logged in", "set"))
				t.Events(row.events...)
				hold.release()
				s.Check(plain.land(), says("late"))
				t.Events("session_write_dropped")
				s.noRow(id)
				s.Check(b.Get("/note"), says("note="))
				t.Events()
			}
		},
	}}
}

package conformance

// lifeCases are about how sessions begin, change and end.
func lifeCases() []Case {
	return []Case{{
		ID: "S2", Slug: "session/login-changes-id",
		Rule:   "A login changes the session's id, and the id from before it is worth nothing afterwards.",
		Clause: "RFC 6265bis section 8.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.Browser()
			s.Check(b.Post("/note?v=cart"), Want{Status: 200, Cookies: []string{"set:7200"}, Asked: true})
			before := b.Value
			t.Events("session_created")
			s.Check(b.Post("/login?user=alice"), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
			t.Events("session_expired:login", "session_created", "authn_login_success")
			if b.Value == before {
				t.Failf("the id survived the login")
			}
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=cart", Asked: true})
			old := s.Browser()
			old.Value = before
			s.Check(old.Get("/me"), Anonymous())
			s.Check(old.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
			t.Events("session_use_after_expire:unknown-id", "session_use_after_expire:unknown-id")
		},
	}}
}

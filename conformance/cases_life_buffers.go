package conformance

// bufferCases are about frameworks that reuse a request's buffers for the next one.
func bufferCases() []Case {
	return []Case{{
		ID: "S17", Slug: "session/login-keeps-its-own-strings",
		Rule:   "What a login was given stays what it was when the framework reuses the request's buffers.",
		Clause: "DESIGN section 2 (every string may be kept for ever); CVE-2026-24894",
		Run: func(t *T) {
			s := t.Serve(standard())
			c := s.Dial() // one connection, so that buffers are indeed reused
			users := []string{"alice", "mallory-with-a-longer-name", "bob"}
			for _, user := range users {
				s.Check(s.On(c, s.Request("POST", "/login?user="+user)),
					Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
			}
			for range 3 {
				s.Check(s.On(c, s.Request("GET", "/public?user=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")), Want{Status: 200, Body: "public"})
			}
			events := t.Events("session_created", "authn_login_success", "session_created", "authn_login_success",
				"session_created", "authn_login_success")
			for i, e := range events {
				Equal(t, "subject of an event", e.Subject, users[i/2])
			}
		},
	}}
}

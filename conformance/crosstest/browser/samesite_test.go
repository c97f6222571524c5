package browser

var sameSiteChecks = []check{
	{
		name: "samesite/cross-site-post", rule: "A form of another site is sent without the session cookie",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			b.open(evil + "/")
			t.EqualValues(403, b.submit(t.app.origin+"/transfer", nil))
			name := t.app.sessions.Cookie().Name()
			e := b.sent("POST", t.app.origin+"/transfer")
			t.NotContains(e.went(), name)
			t.Contains(e.kept(name), "SameSiteLax", "the browser kept the cookie at home")
			saw := t.app.journal.requests("POST", "/transfer")
			t.Len(saw, 1)
			t.Equal(evil, saw[0].origin)
			t.Equal("cross-site", saw[0].site)
			t.NotContains(saw[0].names(), name)
			t.Zero(t.app.sent(user))
		},
	},
	{
		name: "samesite/subresource", rule: "An image or a script's request of another site is sent without the session cookie",
		run: func(t *try) {
			b := t.tab()
			b.login(t.app, t.user("ada"))
			b.open(evil + "/")
			eval[bool](b, `const img = new Image(); img.src = a; await new Promise((done) => { img.onload = img.onerror = done; }); return true`, t.app.origin+"/me")
			eval[bool](b, `await fetch(a, { credentials: "include", mode: "no-cors" }); return true`, t.app.origin+"/me")
			name := t.app.sessions.Cookie().Name()
			for range 2 {
				e := b.sent("GET", t.app.origin+"/me")
				t.NotContains(e.went(), name)
				t.Contains(e.kept(name), "SameSiteLax")
			}
			saw := t.app.journal.requests("GET", "/me")
			t.Len(saw, 2)
			for _, s := range saw {
				t.NotContains(s.names(), name)
			}
		},
	},
	{
		name: "samesite/top-level-link", rule: "Who follows a link from another site arrives logged in, and the Strict refresh cookie stays at home",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			t.Equal(200, b.post("/auth/login", credentials{user, "open sesame"}).Status)
			b.open(evil + "/")
			before := len(t.app.journal.requests("GET", "/"))
			t.EqualValues(200, b.leave(`const link = document.createElement("a"); link.href = a; document.body.append(link); link.click()`, t.app.origin+"/"))
			t.Equal("You are "+user+".", b.text("#who"))
			saw := t.app.journal.requests("GET", "/")[before:]
			t.Len(saw, 1)
			t.Equal("cross-site", saw[0].site)
			t.Contains(saw[0].names(), t.app.sessions.Cookie().Name())
			t.NotContains(saw[0].names(), t.app.rotator.Cookie().Name())
			b.sent("GET", t.app.origin+"/") // which the log-in leads to
			t.Contains(b.sent("GET", t.app.origin+"/").kept(t.app.rotator.Cookie().Name()), "SameSiteStrict")
		},
	},
	{
		name: "samesite/sibling", rule: "A sibling is of the same site: its request carries the cookie, and is refused for where it comes from",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			b.open(t.host("sibling") + "/")
			t.EqualValues(403, b.submit(t.app.origin+"/transfer", nil))
			name := t.app.sessions.Cookie().Name()
			t.Contains(b.sent("POST", t.app.origin+"/transfer").went(), name)
			saw := t.app.journal.requests("POST", "/transfer")
			t.Len(saw, 1)
			t.Equal("same-site", saw[0].site)
			t.Contains(saw[0].names(), name)
			t.Contains(b.text("body"), "CSRF_REJECTED")
			t.Zero(t.app.sent(user))
			t.Zero(t.app.journal.runs("POST /transfer"))
		},
	},
}

package browser

var corsChecks = []check{
	{
		name: "cors/listed-origin", rule: "A page of the listed origin sends the cookie and reads the answer",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			b.open(t.host("friend") + "/")
			got := b.fetch(t.app.origin+"/me", nil)
			t.Equal(fetched{Status: 200, Text: `{"sent":0,"user":"` + user + `"}`}, got.trimmed())
			e := b.sent("GET", t.app.origin+"/me")
			t.Equal(t.host("friend"), e.headers["access-control-allow-origin"])
			t.Equal("true", e.headers["access-control-allow-credentials"])
			t.Contains(e.went(), t.app.sessions.Cookie().Name())
			saw := t.app.journal.requests("GET", "/me")
			t.Len(saw, 1)
			t.Equal(t.host("friend"), saw[0].origin)
			t.Equal("same-site", saw[0].site)
			t.Contains(saw[0].names(), t.app.sessions.Cookie().Name())
		},
	},
	{
		name: "cors/unlisted-origin", rule: "A page of another origin sends the request and cannot read the answer, of the same site neither",
		run: func(t *try) {
			b := t.tab()
			b.login(t.app, t.user("ada"))
			for n, from := range []string{t.host("sibling"), evil} {
				b.open(from + "/")
				got := b.fetch(t.app.origin+"/me", nil)
				t.Zero(got.Status, "%s read %q", from, got.Text)
				t.Contains(got.Error, "TypeError")
				e := b.failed("GET", t.app.origin+"/me")
				t.Equal("MissingAllowOriginHeader", string(e.cors), from)
				for name := range e.headers {
					t.NotContains(name, "access-control-", from)
				}
				saw := t.app.journal.requests("GET", "/me")
				t.Len(saw, n+1)
				t.Equal(from, saw[n].origin)
			}
			// The sibling's request came with the cookie and was answered: what keeps the
			// answer from its page is the browser, because no header gives it away.
			saw := t.app.journal.requests("GET", "/me")
			t.Contains(saw[0].names(), t.app.sessions.Cookie().Name())
			t.NotContains(saw[1].names(), t.app.sessions.Cookie().Name())
			t.Equal(1, t.app.journal.runs("GET /me"))
		},
	},
	{
		name: "cors/preflight-allowed", rule: "A listed origin may ask with a method and a header that need permission",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			token := b.token()
			b.open(t.host("friend") + "/")
			got := b.fetch(t.app.origin+"/thing", map[string]any{"method": "PUT", "headers": map[string]string{"X-Thing": "1", "X-CSRF-Token": token}})
			t.Equal(fetched{Status: 200, Text: `{"sent":1,"user":"` + user + `"}`}, got.trimmed())
			e := b.sent("OPTIONS", t.app.origin+"/thing")
			t.EqualValues(204, e.status)
			t.Empty(e.went(), "a preflight carries no cookie")
			asked := t.app.journal.requests("OPTIONS", "/thing")
			t.Len(asked, 1)
			t.Empty(asked[0].cookies)
			t.Len(t.app.journal.requests("PUT", "/thing"), 1)
			t.Equal(1, t.app.sent(user))
		},
	},
	{
		name: "cors/preflight-refused", rule: "What is not allowed is never sent, and no handler runs",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			put := map[string]any{"method": "PUT", "headers": map[string]string{"X-Thing": "1"}}
			for _, c := range []struct {
				from string
				init map[string]any
			}{
				{t.host("sibling"), put},
				{evil, put},
				{t.host("friend"), map[string]any{"method": "PATCH"}},
				{t.host("friend"), map[string]any{"method": "PUT", "headers": map[string]string{"X-Other": "1"}}},
			} {
				b.open(c.from + "/")
				got := b.fetch(t.app.origin+"/thing", c.init)
				t.Zero(got.Status, c.from)
				t.Contains(got.Error, "TypeError", c.from)
				e := b.sent("OPTIONS", t.app.origin+"/thing")
				t.EqualValues(204, e.status)
				for name := range e.headers {
					t.NotContains(name, "access-control-", c.from)
				}
				t.Equal("PreflightMissingAllowOriginHeader", string(b.failed(c.init["method"].(string), t.app.origin+"/thing").cors))
			}
			t.Len(t.app.journal.requests("OPTIONS", "/thing"), 4)
			t.Empty(t.app.journal.requests("PUT", "/thing"))
			t.Empty(t.app.journal.requests("PATCH", "/thing"))
			t.Zero(t.app.journal.runs("PUT /thing"))
			t.Zero(t.app.sent(user))
		},
	},
}

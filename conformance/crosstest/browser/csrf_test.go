package browser

import (
	"github.com/sallyport-go/sallyport/core/audit"
)

var csrfChecks = []check{
	{
		name: "csrf/own-form", rule: "The application's own form, with its token, is let through; so is it where the browser says Origin: null",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			b.open(t.app.origin + "/")
			t.EqualValues(200, b.leave(`document.querySelector("#transfer button").click()`))
			t.Equal(1, t.app.sent(user))
			saw := t.app.journal.requests("POST", "/transfer")
			t.Equal("same-origin", saw[0].site)
			t.Equal(t.app.origin, saw[0].origin)
			b.open(t.app.origin + "/")
			// As with Referrer-Policy: no-referrer.
			t.EqualValues(200, b.leave(`const meta = document.createElement("meta"); meta.name = "referrer"; meta.content = "no-referrer"; document.head.append(meta);
document.querySelector("#transfer button").click()`))
			t.Equal(2, t.app.sent(user))
			saw = t.app.journal.requests("POST", "/transfer")
			t.Equal("null", saw[1].origin)
			t.Equal("same-origin", saw[1].site)
			t.Empty(t.app.journal.told(audit.CSRFRefused))
		},
	},
	{
		name: "csrf/own-form-without-token", rule: "A form without a token, or with that of somebody else, is refused, on the application's own page too",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			foreign := t.tokenOf(t.app, t.user("mallory"))
			for _, token := range []string{foreign, ""} {
				got := b.fetch("/transfer", map[string]any{"method": "POST", "headers": map[string]string{"X-CSRF-Token": token}})
				t.Equal(403, got.Status)
			}
			t.EqualValues(403, b.submit(t.app.origin+"/transfer", nil))
			t.Contains(b.text("body"), "CSRF_REJECTED")
			t.Zero(t.app.sent(user))
			t.Zero(t.app.journal.runs("POST /transfer"))
			t.Equal([]audit.Cause{audit.CauseTokenInvalid, audit.CauseTokenInvalid, audit.CauseTokenMissing}, t.app.journal.told(audit.CSRFRefused))
		},
	},
	{
		name: "csrf/cross-site-form", rule: "A form of another site or of a sibling is refused, with a good token too",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			fields := map[string]string{"csrf_token": b.token()}
			for _, from := range []string{t.host("sibling"), evil} {
				b.open(from + "/")
				t.EqualValues(403, b.submit(t.app.origin+"/transfer", fields), from)
				t.Contains(b.text("body"), "CSRF_REJECTED")
			}
			t.Zero(t.app.sent(user))
			t.Zero(t.app.journal.runs("POST /transfer"))
			t.refusedForOrigin(2)
			b.open(t.app.origin + "/")
			t.Equal("You are "+user+".", b.text("#who"), "and nobody is logged out by it")
		},
	},
	{
		name: "csrf/origin-null", rule: "A form without an origin is refused: about:blank, data:, a sandboxed frame, no referrer",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			fields := map[string]string{"csrf_token": b.token()}
			to := t.app.origin + "/transfer"
			inFrame := func(attributes string) string {
				return `const frame = document.createElement("iframe"); ` + attributes + `
frame.srcdoc = "<body><script>" + c + "<\/script>"; document.body.append(frame);`
			}
			post := script("", formTo("document.body")+`form.target = "_top"; form.submit();`, []any{to, fields})
			for _, c := range []struct {
				desc, page, script string
				origin, site       string
			}{
				{"about:blank frame of a sibling", t.host("sibling") + "/",
					`const frame = document.createElement("iframe"); document.body.append(frame); frame.contentWindow.eval(c);`, t.host("sibling"), "same-site"},
				{"about:blank", "about:blank", "", "null", "cross-site"},
				{"data:", "data:text/html,<body>", "", "null", "cross-site"},
				{"sandboxed frame of another site", evil + "/", inFrame(`frame.sandbox = "allow-scripts allow-forms allow-top-navigation";`), "null", "cross-site"},
				{"sandboxed frame of a sibling", t.host("sibling") + "/", inFrame(`frame.sandbox = "allow-scripts allow-forms allow-top-navigation";`), "null", "cross-site"},
				{"sibling without referrer", t.host("sibling") + "/?referrer=no-referrer", "", "null", "same-site"},
			} {
				before := len(t.app.journal.requests("POST", "/transfer"))
				b.open(c.page)
				if c.script == "" {
					t.EqualValues(403, b.submit(to, fields), c.desc)
				} else {
					t.EqualValues(403, b.leave(c.script, to, fields, post), c.desc)
				}
				t.Contains(b.text("body"), "CSRF_REJECTED", c.desc)
				saw := t.app.journal.requests("POST", "/transfer")[before:]
				t.Len(saw, 1, c.desc)
				t.Equal(c.origin, saw[0].origin, c.desc)
				t.Equal(c.site, saw[0].site, c.desc)
			}
			t.Zero(t.app.sent(user))
			t.Zero(t.app.journal.runs("POST /transfer"))
			t.refusedForOrigin(6)
		},
	},
	{
		name: "csrf/login-form", rule: "A form of another site logs nobody in: its visitor would act in the attacker's account",
		run: func(t *try) {
			b := t.tab()
			for _, from := range []string{evil, t.host("sibling")} {
				b.open(from + "/")
				t.EqualValues(403, b.submit(t.app.origin+"/login", map[string]string{"user": t.user("mallory")}))
			}
			t.Zero(t.app.journal.runs("POST /login"))
			t.Empty(t.jar(t.app.sessions.Cookie().Name()))
			b.open(t.app.origin + "/")
			t.Equal("You are nobody.", b.text("#who"))
		},
	},
	{
		name: "csrf/token-endpoints", rule: "Log-in, refresh and log-out by cookie are refused to pages that are not trusted",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.open(t.app.origin + "/")
			t.Equal(200, b.post("/auth/login", credentials{user, "open sesame"}).Status)
			b.sent("POST", t.app.origin+"/auth/login")
			name := t.app.rotator.Cookie().Name()
			own := t.jar(name)
			t.Len(own, 1)
			t.Equal("Strict", string(own[0].SameSite))
			b.open(t.host("sibling") + "/")
			for _, path := range tokenPaths {
				// As a simple request: a form's type, so that no preflight is in the way.
				eval[bool](b, `await fetch(a, { method: "POST", credentials: "include", mode: "no-cors", body: "{}" }); return true`, t.app.origin+path)
				e := b.sent("POST", t.app.origin+path)
				t.EqualValues(403, e.status, path)
				t.Contains(e.went(), name, "the sibling's request carries the cookie")
			}
			now := t.jar(name)
			t.Len(now, 1)
			t.Equal(own[0].Value, now[0].Value)
			t.Empty(t.app.journal.told(audit.TokenRotated))
			t.Empty(t.app.journal.told(audit.FamilyExpired))
			t.Len(t.app.journal.told(audit.FamilyCreated), 1)
		},
	},
}

// refusedForOrigin requires n refusals, each for where the request came from.
func (t *try) refusedForOrigin(n int) {
	causes := t.app.journal.told(audit.CSRFRefused)
	t.Len(causes, n)
	for _, c := range causes {
		t.Equal(audit.CauseCrossSite, c)
	}
}

package browser

import (
	"github.com/chromedp/chromedp"

	"github.com/sallyport-go/sallyport/core/audit"
)

var journeyChecks = []check{
	{
		name: "journey/pages", rule: "Log-in, a change and log-out by the pages of the application; the way back shows nothing",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.open(t.app.origin + "/")
			t.Equal("You are nobody.", b.text("#who"))
			b.shot("pages-1-nobody")
			t.NoError(chromedp.Do(b.ctx, chromedp.SendKeys(chromedp.CSS("#login input[name=user]"), user)))
			t.EqualValues(200, b.leave(`document.querySelector("#login button").click()`))
			t.Equal("You are "+user+".", b.text("#who"))
			b.shot("pages-2-logged-in")
			t.EqualValues(200, b.leave(`document.querySelector("#transfer button").click()`))
			t.Contains(b.text("body"), `"sent":1`)
			// Of another address than where the log-out leads to, or that page would be in its
			// place in the browser's cache.
			b.open(t.app.origin + "/?account")
			t.Equal("You have sent 1.", b.text("#sent"))
			t.EqualValues(200, b.leave(`document.querySelector("#logout button").click()`))
			t.Equal("You are nobody.", b.text("#who"))
			t.Empty(t.jar(t.app.sessions.Cookie().Name()))
			b.back()
			t.Equal("You are nobody.", b.text("#who"), "the way back")
			b.shot("pages-3-back-after-logout")
			t.Empty(t.app.journal.told(audit.CSRFRefused))
		},
	},
	{
		name: "journey/spa", rule: "A single-page application of another origin logs in, refreshes, changes something by cookie and logs out in every tab",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.open(t.host("spa") + "/")
			b.enter(user, "wrong")
			b.until(`document.querySelector("#problem").innerText === "Wrong user or password."`)
			b.shot("spa-1-wrong-password")
			b.open(t.host("spa") + "/")
			b.enter(user, "open sesame")
			b.state("authenticated")
			b.click("#me")
			b.until(`document.querySelector("#log").innerText.includes(` + "`" + `GET /api/me: 200 {"sent":0,"user":"` + user + `"}` + "`" + `)`)
			asked := t.app.journal.requests("GET", "/api/me")
			t.Len(asked, 1)
			t.Empty(asked[0].cookies, "with a token there is no cookie")
			b.click("#click")
			b.until(`document.querySelector("#log").innerText.includes('POST /clicks: 200 {"clicks":1}')`)
			b.shot("spa-2-logged-in")
			t.Equal("0 0 ", eval[string](b, `return localStorage.length + " " + sessionStorage.length + " " + document.cookie`), "what other scripts can read")
			b.open(t.host("spa") + "/") // anew
			b.state("authenticated")
			second := t.tab()
			second.open(t.host("spa") + "/")
			second.state("authenticated")
			b.click("#log-out")
			b.state("anonymous")
			second.state("anonymous")
			second.shot("spa-3-logged-out-elsewhere")
			t.Empty(t.jar(t.app.rotator.Cookie().Name()))
			t.Equal([]audit.Cause{audit.CauseLogout}, t.app.journal.told(audit.FamilyExpired))
			t.Empty(t.app.journal.told(audit.TokenReuse))
			b.open(t.host("spa") + "/")
			b.state("anonymous")
		},
	},
}

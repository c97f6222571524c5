package browser

import (
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sallyport-go/sallyport/core/audit"
)

const (
	manyTabs, fewTabs = 8, 4
	// distance is how long a refresh is under way. Without it each would be over before
	// the next tab has loaded its script.
	distance = 150 * time.Millisecond
)

// state waits for the single-page application to say that somebody is logged in, or who
// else is.
func (b *tab) state(want string) {
	b.until(`document.querySelector("#state")?.dataset.state === "` + want + `"`)
}

// enter logs a user in to the single-page application.
func (b *tab) enter(user, password string) {
	b.state("anonymous")
	eval[bool](b, `document.querySelector("#user").value = ""; return true`)
	b.t.NoError(chromedp.Do(b.ctx,
		chromedp.SendKeys(chromedp.CSS("#user"), user),
		chromedp.SendKeys(chromedp.CSS("#password"), password),
	))
	b.click("#log-in")
}

// restore opens many tabs of the single-page application at once, as a browser does with
// those that were open when it was closed, for somebody who is logged in.
func (t *try) restore(count int) []*tab {
	b := t.tab()
	b.open(t.host("spa") + "/")
	b.enter(t.user("ada"), "open sesame")
	b.state("authenticated")
	b.open("about:blank")
	t.app.slow.Store(int64(distance))
	t.cleanup = append(t.cleanup, func() { t.app.slow.Store(0) })
	tabs := []*tab{b}
	for range count - 1 {
		tabs = append(tabs, t.tab())
	}
	var wait sync.WaitGroup
	for _, b := range tabs {
		wait.Go(func() {
			b.open(t.host("spa") + "/")
			b.until(`document.querySelector("#state").dataset.state !== "unknown"`)
			t.Equal("authenticated", b.text("#state"))
		})
	}
	wait.Wait()
	if t.failed() {
		t.FailNow()
	}
	return tabs
}

// oneFamily requires that nobody was taken for a thief.
func (t *try) oneFamily() {
	j := t.app.journal
	t.Len(j.told(audit.FamilyCreated), 1, "families")
	t.Empty(j.told(audit.FamilyExpired))
	t.Empty(j.told(audit.TokenReuse))
	t.Empty(j.told(audit.RefreshRefused))
}

// askAll lets every tab ask the API with its own access token.
func (t *try) askAll(tabs []*tab) {
	for _, b := range tabs {
		b.click("#me")
		b.until(`document.querySelector("#log").innerText.includes('/api/me: 200 ')`)
	}
	t.Equal(len(tabs), t.app.journal.runs("GET /api/me"))
}

var tabsChecks = []check{
	{
		name: "tabs/restored-together", rule: "Many tabs that are restored together refresh one after the other, and all are logged in",
		run: func(t *try) {
			tabs := t.restore(manyTabs)
			t.askAll(tabs)
			t.oneFamily()
			t.Equal(1, t.app.journal.overlap(), "refreshes at the same time")
			// The first of each rotation asks for a new token; who comes second is answered out
			// of it, and the jar is left alone.
			t.Len(t.app.journal.requests("POST", "/auth/refresh"), 1+manyTabs)
			t.Len(t.jar(t.app.rotator.Cookie().Name()), 1)
		},
	},
	{
		name: "tabs/without-locks", rule: "In a browser without Web Locks they refresh at once, and are not taken for thieves",
		run: func(t *try) {
			t.noLocks = true
			tabs := t.restore(fewTabs)
			t.askAll(tabs)
			t.oneFamily()
			t.Greater(t.app.journal.overlap(), 1, "refreshes at the same time, or this proves nothing")
		},
	},
}

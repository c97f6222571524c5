package browser

import (
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/sallyport-go/sallyport/core/audit"
)

// answer is what the page in a frame says of an act.
type answer struct {
	Status int    `json:"status"`
	User   string `json:"user"`
}

// framed puts an application into a frame of the page that is open, if it is not there yet,
// and lets it do something.
func (b *tab) framed(a *app, act, user string) answer {
	return eval[answer](b, `let frame = document.querySelector("iframe");
if (frame?.src !== a + "/frame") {
  frame?.remove();
  frame = document.createElement("iframe");
  frame.src = a + "/frame";
  await new Promise((done) => { frame.onload = done; document.body.append(frame); });
}
const { port1, port2 } = new MessageChannel();
return new Promise((done) => { port1.onmessage = (e) => done(e.data); frame.contentWindow.postMessage([b, c], "*", [port2]); });`, a.origin, act, user)
}

// times is how often one of a request's cookies has the name.
func (s seen) times(name string) (n int) {
	for _, c := range s.names() {
		if c == name {
			n++
		}
	}
	return n
}

var partitionedChecks = []check{
	{
		name: "partitioned/two-sites", rule: "In frames of two sites there are two sessions, with the cookies of third parties blocked",
		run: func(t *try) {
			ada, bob := t.user("ada"), t.user("bob")
			name := t.framed.sessions.Cookie().Name()
			b := t.tabOf(&t.env.strict.shared)
			b.open(partner + "/")
			// Without Partitioned not even the cookie stays that its token belongs to. If it
			// did, this would prove nothing.
			t.Equal(answer{Status: 403}, b.framed(t.before, "login", ada))
			t.Empty(t.jar(name))
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "login", ada))
			b.shot("frame")
			b.open(other + "/")
			t.Equal(answer{Status: 401}, b.framed(t.framed, "me", ""))
			t.Equal(answer{Status: 200, User: bob}, b.framed(t.framed, "login", bob))
			b.open(partner + "/")
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "me", ""))
			sites := map[string]string{}
			for _, c := range t.jar(name) {
				if t.NotNil(c.PartitionKey); c.PartitionKey != nil {
					sites[c.PartitionKey.TopLevelSite] = c.Value
					t.True(c.PartitionKey.HasCrossSiteAncestor)
				}
				t.True(c.Secure && c.HTTPOnly)
				t.Equal("None", string(c.SameSite))
			}
			t.Len(sites, 2)
			t.NotEqual(sites[partner], sites[other])
			for _, s := range t.framed.journal.requests("GET", "/me") {
				t.LessOrEqual(s.times(name), 1)
			}
			// A page of its own is a third partition, and a log-out one site's business.
			b.open(t.framed.origin + "/")
			t.Equal("You are nobody.", b.text("#who"))
			b.open(partner + "/")
			t.Equal(answer{Status: 200}, b.framed(t.framed, "logout", ""))
			b.open(other + "/")
			t.Equal(answer{Status: 200, User: bob}, b.framed(t.framed, "me", ""))
		},
	},
	{
		name: "partitioned/deployed-over-old", rule: "Who has a cookie of before Partitioned stays logged in, and has one cookie after the next log-in",
		run: func(t *try) {
			ada := t.user("ada")
			name := t.framed.sessions.Cookie().Name()
			b := t.tab()
			b.open(partner + "/")
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.before, "login", ada))
			old := t.jar(name)
			t.Len(old, 1)
			t.Nil(old[0].PartitionKey)
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "me", ""))
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "login", ada))
			now := t.jar(name)
			t.Len(now, 1, "the old one is gone")
			t.NotNil(now[0].PartitionKey)
			t.NotEqual(old[0].Value, now[0].Value)
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "me", ""))
		},
	},
	{
		name: "partitioned/side-by-side", rule: "With an old and a partitioned cookie, both alive, the user can log in again and has one afterwards: no loop",
		run: func(t *try) {
			ada := t.user("ada")
			name := t.framed.sessions.Cookie().Name()
			b := t.tab()
			b.open(partner + "/")
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "login", ada))
			// The other was set in a page of the application's own, while third parties were
			// blocked: so this log-in did not see it.
			id := chromedp.FromContext(t.first).BrowserContextID
			_, err := chromedp.CallBrowser(t.first, storage.SetCookies, storage.SetCookiesParams{BrowserContextID: id, Cookies: []*network.CookieParam{{
				Name: name, Value: t.cookieOf(t.before, ada), URL: t.framed.origin + "/", Path: "/",
				Secure: true, HTTPOnly: true, SameSite: network.CookieSameSiteNone,
			}}})
			t.NoError(err)
			t.Len(t.jar(name), 2)
			before := len(t.framed.journal.requests("GET", "/me"))
			b.framed(t.framed, "me", "")
			saw := t.framed.journal.requests("GET", "/me")[before:]
			t.Equal(2, saw[0].times(name), "the browser sent both")
			t.NotEmpty(t.framed.journal.told(audit.SessionAmbiguous))
			logins := t.framed.journal.runs("POST /login")
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "login", ada))
			t.Equal(answer{Status: 200, User: ada}, b.framed(t.framed, "me", ""))
			t.Equal(logins+1, t.framed.journal.runs("POST /login"), "one log-in was enough")
			now := t.jar(name)
			t.Len(now, 1)
			t.NotNil(now[0].PartitionKey)
			saw = t.framed.journal.requests("GET", "/me")
			t.Equal(1, saw[len(saw)-1].times(name))
		},
	},
}

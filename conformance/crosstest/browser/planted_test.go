package browser

import (
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
)

// plant makes a sibling set cookies for the whole site, by a header and by a script, and
// returns what the browser said to those of the header.
func (b *tab) plant(cookies ...string) (reasons []string) {
	host := b.t.host("sibling")
	q := url.Values{"set": cookies}
	b.open(host + "/?" + q.Encode())
	for _, c := range b.sent("GET", host+"/").refused {
		for _, r := range c.BlockedReasons {
			reasons = append(reasons, string(r))
		}
	}
	eval[bool](b, `for (const c of a) document.cookie = c; return true`, cookies)
	return reasons
}

// forged is a value of the form that the application's own have.
var forged = strings.Repeat("A", 48)

var plantedChecks = []check{
	{
		name: "planted/prefixed", rule: "A sibling cannot set a cookie with one of our names: the browser refuses",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			names := []string{t.app.sessions.Cookie().Name(), t.app.rotator.Cookie().Name()}
			if t.app.guard != nil {
				names = append(names, t.app.guard.Cookie().Name())
			}
			rest := "=" + forged + "; Domain=" + t.domain + "; Path=/; Secure"
			var forgeries, reasons []string
			for _, name := range names {
				forgeries = append(forgeries, name+rest, strings.ToLower(name)+rest, "="+name+rest)
				reasons = append(reasons, "InvalidPrefix", "InvalidPrefix", "InvalidPrefix")
			}
			t.Equal(reasons, b.plant(forgeries...))
			for _, name := range names {
				t.Empty(t.jar(strings.ToLower(name)))
				for _, c := range t.jar(name) {
					t.NotEqual(forged, c.Value, name)
				}
			}
			b.open(t.app.origin + "/")
			t.Equal("You are "+user+".", b.text("#who"))
			for _, s := range t.app.journal.requests("GET", "/") {
				for _, c := range s.cookies {
					t.NotContains(c, forged)
				}
			}
		},
	},
	{
		name: "planted/without-prefix", rule: "A cookie that a sibling can set is none of ours, whatever it is called and whatever it says",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			b.login(t.app, user)
			// The attacker's own session, which is alive and would be worth something.
			value := t.cookieOf(t.app, t.user("mallory"))
			rest := "=" + value + "; Domain=" + t.domain + "; Path=/; Secure"
			names := []string{"session", "host-session", "__Secure-session", "__Host_session", "csrf", "refresh"}
			var plants []string
			for _, name := range names {
				plants = append(plants, name+rest)
			}
			t.Empty(b.plant(plants...))
			for _, name := range names {
				t.NotEmpty(t.jar(name), "the browser takes %s, or this proves nothing", name)
			}
			b.open(t.app.origin + "/")
			t.Equal("You are "+user+".", b.text("#who"))
			saw := t.app.journal.requests("GET", "/")
			t.Contains(saw[len(saw)-1].names(), "session", "and sent it")
			t.Empty(t.app.journal.told(audit.SessionAmbiguous))
			t.Len(t.jar(t.app.sessions.Cookie().Name()), 1, "nothing was taken away")
			// A form of one's own still works beside them.
			t.EqualValues(200, b.leave(`document.querySelector("#transfer button").click()`))
			t.Equal(1, t.app.sent(user))
		},
	},
	{
		name: "planted/fixation", rule: "Who arrives with a planted cookie and logs in has an id that nobody knows",
		run: func(t *try) {
			user := t.user("ada")
			b := t.tab()
			name := t.app.sessions.Cookie().Name()
			value := t.cookieOf(t.app, t.user("mallory"))
			b.plant(name+"="+value+"; Domain="+t.domain+"; Path=/; Secure", "session="+value+"; Domain="+t.domain+"; Path=/; Secure")
			b.open(t.app.origin + "/")
			t.Equal("You are nobody.", b.text("#who"))
			b.login(t.app, user)
			own := t.jar(name)
			t.Len(own, 1)
			t.NotEqual(value, own[0].Value)
			t.Equal("app."+t.domain, own[0].Domain)
			t.True(own[0].Secure && own[0].HTTPOnly)
			t.Equal("Lax", string(own[0].SameSite))
			t.Equal("/", own[0].Path)
		},
	},
}

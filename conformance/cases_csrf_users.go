package conformance

import (
	"fmt"
	"sync"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// csrfUserCases have many users at once.
func csrfUserCases() []Case { return []Case{csrfUsers()} }

func csrfUsers() Case {
	return Case{
		ID: "S17", Slug: "csrf/users-in-parallel",
		Rule:   "Of many users on kept-alive connections each is judged by what it sent itself: its token is good, another's is not, a page has its own, and an event names it.",
		Clause: "DESIGN section 2: every returned string may be kept for ever",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintIgnore
			c := csrfCrowd{csrfServer: t.csrfServe(csrf.Config{})}
			for n := range csrfCrowdSize {
				if n%2 == 0 {
					c.tabs = append(c.tabs, c.visitor())
				} else {
					c.tabs = append(c.tabs, c.user(fmt.Sprint("user-", n)))
				}
			}
			var all sync.WaitGroup
			for n := range 8 {
				conn := c.Dial()
				all.Go(func() {
					for m := range 120 {
						if !c.request(conn, n*31+m) {
							return
						}
					}
				})
			}
			all.Wait()
			if c.wrong != "" {
				t.Failf("%s", c.wrong)
			}
			Equal(t, "actions that happened", int(c.app.ran.Swap(0)), c.moved)
			events := t.Audit.Take()
			Equal(t, "refusals that were recorded", len(events), c.refused)
			for _, e := range events {
				Equal(t, "cause", e.Cause, audit.CauseTokenInvalid)
				Equal(t, "user agent in the event of "+e.Subject, e.UserAgent, csrfAgent(e.Subject))
			}
			t.forget()
			for n, token := range c.pages {
				c.tabs[n].passed(c.tabs[n].transfer(csrfSameOrigin, csrfHeader(token)))
			}
		},
	}
}

// csrfCrowd are users, and what the requests of all of them came to.
type csrfCrowd struct {
	*csrfServer
	tabs []*csrfTab

	mu             sync.Mutex
	wrong          string // the first thing that was
	moved, refused int
	pages          [csrfCrowdSize]string // the last token of each
}

const csrfCrowdSize = 16

func csrfAgent(user string) string { return "agent of " + user + "." }

// request sends the nth request: with the user's own token, another's, or for a page.
func (c *csrfCrowd) request(conn *Conn, n int) (ok bool) {
	at := n % csrfCrowdSize
	own, other := c.tabs[at], c.tabs[(at+1+n/csrfCrowdSize%(csrfCrowdSize-1))%csrfCrowdSize]
	method, path, token, want := "POST", "/transfer", own.token, 200
	switch n / 3 % 3 {
	case 1:
		token, want = other.token, 403
	case 2:
		method, path = "GET", "/page"
	}
	raw := c.Request(method, path, csrfSameOrigin, csrfHeader(token), "User-Agent: "+csrfAgent(own.user), own.jar()[0])
	err := conn.Send(raw)
	var a *Answer
	if err == nil {
		a, err = conn.Receive(raw)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil:
		c.wrong = err.Error()
	case a.Status != want:
		c.wrong = fmt.Sprintf("%s %s of %q: got %d, want %d\n%s", method, path, own.user, a.Status, want, raw)
	case path == "/page":
		c.pages[at] = a.Body
	case want == 200:
		c.moved++
	default:
		c.refused++
	}
	return c.wrong == ""
}

package conformance

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

// userCases have many users at once.
func userCases() []Case { return []Case{usersInParallel} }

var usersInParallel = Case{
	ID: "S17", Slug: "input/users-in-parallel",
	Rule:   "Of 200 users on kept-alive connections each is only ever told apart as itself, also by what handlers keep beyond their request.",
	Clause: "DESIGN section 2: every returned string may be kept for ever; CVE-2026-24894; CVE-2025-29923",
	Run:    func(t *T) { (&crowd{T: t}).run() },
}

// crowd sends crowdRequests requests of crowdUsers users over crowdConns
// connections. Connections belong to no user, as behind a proxy, so that what a
// framework reuses for the next request is another user's.
type crowd struct {
	*T
	s       *Server
	values  []string // by user
	mu      sync.Mutex
	kept    []keepsake
	release chan struct{}
	late    sync.WaitGroup
	wrong   atomic.Pointer[string]
}

const (
	crowdUsers    = 200
	crowdConns    = 200
	crowdRequests = 10_000
)

// keepsake is what a handler kept of a request.
type keepsake struct {
	user      string // who it was, by the query
	principal core.Principal
	direct    core.Principal
	note      string
}

func (c *crowd) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.wrong.CompareAndSwap(nil, &text) // the first counts
}

// keep is the handler. Its goroutines outlive it: some race the answer, some
// wait until every request is over.
func (c *crowd) keep(r Request) error {
	user, wait := strings.Clone(r.Query("user")), r.Query("wait") != ""
	ctx, session := r.Context(), r.Session()
	p, err := r.Principal()
	if user == "" && errors.Is(err, core.ErrAnonymous) {
		return r.String(200, "anonymous")
	}
	if err != nil {
		return r.Fail(err)
	}
	v, _, err := note.Get(session)
	if err != nil {
		return r.Fail(err)
	}
	c.late.Go(func() {
		if wait {
			<-c.release
		}
		below, err := core.PrincipalFrom(ctx)
		direct, directErr := session.Principal()
		if err != nil || directErr != nil || below.Subject != user || direct.Subject != user {
			c.complain("after the answer to %s the context said %q (%v), the session %q (%v)", user, below.Subject, err, direct.Subject, directErr)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kept = append(c.kept, keepsake{user, p, direct, v})
	})
	return r.String(200, "subject="+p.Subject+" note="+v)
}

// plan says whose the n-th request is, and what it asks for. 200 has no divisor in
// common with 207, so each connection meets many users.
func plan(n int) (user int, asks string) {
	user = (n/crowdConns + 207*(n%crowdConns)) % crowdUsers
	switch n % 20 {
	case 19:
		return -1, "nobody"
	case 0, 10:
		return user, "hit"
	case 5, 15:
		return user, "wait"
	default:
		return user, "keep"
	}
}

// request sends the n-th request over conn.
func (c *crowd) request(conn *Conn, n int) {
	user, asks := plan(n)
	name := fmt.Sprint("user-", user)
	raw, want := "", "subject="+name+" note=of-"+name
	switch asks {
	case "nobody": // leaves an event, which is kept as well
		raw, want = c.s.Request("GET", "/keep", c.s.cookies(neverIssued(n)), agent(n)), "anonymous"
	case "hit":
		raw, want = c.s.Request("POST", "/hit", c.s.cookies(c.values[user])), "hit"
	case "wait":
		raw = c.s.Request("GET", "/keep?wait=1&user="+name, c.s.cookies(c.values[user]))
	default:
		raw = c.s.Request("GET", "/keep?user="+name, c.s.cookies(c.values[user]))
	}
	if err := conn.Send(raw); err != nil {
		c.complain("%s: %v", name, err)
		return
	}
	a, err := conn.Receive(raw)
	switch {
	case err != nil:
		c.complain("%s: %v", name, err)
	case a.Status != 200 || a.Body != want || len(a.Header["Set-Cookie"]) != 0 || a.Header.Get("Vary") != "Cookie":
		c.note(raw, a.Raw)
		c.complain("%s: got %d %q with cookies %q, want %q", name, a.Status, a.Body, a.Header["Set-Cookie"], want)
	}
}

func (c *crowd) run() {
	c.release = make(chan struct{})
	release := sync.OnceFunc(func() { close(c.release) })
	defer release()
	c.s = c.Serve(standard().with("GET", "/keep", c.keep))
	for user := range crowdUsers {
		b := c.s.loggedIn(fmt.Sprint("user-", user))
		c.s.Check(b.Post(fmt.Sprint("/note?v=of-user-", user)), Want{Status: 200, Body: "noted", Asked: true})
		c.values = append(c.values, b.Value)
	}
	c.settle()
	keys := c.Store.Keys()

	var senders sync.WaitGroup
	for i := range crowdConns {
		conn := c.s.Dial()
		senders.Go(func() {
			for n := i; n < crowdRequests && c.wrong.Load() == nil; n += crowdConns {
				c.request(conn, n)
			}
		})
	}
	senders.Wait()
	release()
	c.late.Wait()
	if text := c.wrong.Load(); text != nil {
		c.Failf("%s", *text)
	}
	for _, k := range c.kept {
		if k.principal.Subject != k.user || k.direct.Subject != k.user || k.note != "of-"+k.user ||
			k.principal.Session != k.direct.Session || k.principal.Method != "test" {
			c.Failf("what a handler kept of %s became %+v", k.user, k)
		}
	}
	c.count(keys)
}

// count checks that nothing else happened: one read for each request, no key but
// those that were sent, every hit counted, and of each guess one event of its own.
func (c *crowd) count(keys int) {
	guesses, writes := map[string]bool{}, make([]int, crowdUsers)
	for n := range crowdRequests {
		switch user, asks := plan(n); asks {
		case "nobody":
			guesses[agent(n)] = true
		case "hit":
			writes[user]++
		}
	}
	calls := c.Store.Calls()
	Equal(c.T, "reads", calls[OpLoad], crowdRequests)
	Equal(c.T, "creations and ends", calls[OpCreate]+calls[OpRename]+calls[OpTake], 0)
	Equal(c.T, "new keys that the store has heard of", c.Store.Keys()-keys, len(guesses))
	for _, e := range c.Audit.Take() {
		line := "User-Agent: " + e.UserAgent
		if e.Name != audit.SessionUseAfterExpire || !guesses[line] {
			c.Failf("unexpected event %+v", e)
		}
		delete(guesses, line)
	}
	Equal(c.T, "guesses without an event", len(guesses), 0)
	for user, n := range writes {
		a := c.s.Do("GET", "/hits", c.s.cookies(c.values[user]))
		c.s.Check(a, Want{Status: 200, Body: fmt.Sprint("hits=", n), Asked: true})
	}
}

func agent(n int) string { return fmt.Sprint("User-Agent: agent-", n) }

package conformance

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerUserCases have many users at once.
func bearerUserCases() []Case { return []Case{bearerUsers()} }

func bearerUsers() Case {
	return Case{
		ID: "S17", Slug: "bearer/users-in-parallel",
		Rule:   "Of 200 users with tokens on kept-alive connections each is only ever told apart as itself, out of the cache or not, also by what handlers keep beyond their request.",
		Clause: "DESIGN section 2: every returned string may be kept for ever; CVE-2026-24894; GHSA-rp9m-7r4c-75qg",
		Run:    func(t *T) { (&bearerCrowd{T: t}).run() },
	}
}

// bearerCrowd sends crowdRequests requests of crowdUsers users over crowdConns
// connections, which belong to no user.
type bearerCrowd struct {
	*T
	s       *Server
	tokens  []string // by user
	mu      sync.Mutex
	kept    []bearerKeepsake
	release chan struct{}
	late    sync.WaitGroup
	wrong   atomic.Pointer[string]
}

// bearerKeepsake is what a handler kept of a request.
type bearerKeepsake struct {
	user      string // who it was, by the query
	principal core.Principal
	claims    Claims
	token     *token.Token
}

func (c *bearerCrowd) complain(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	c.wrong.CompareAndSwap(nil, &text) // the first counts
}

// keep is the handler. Its goroutines outlive it.
func (c *bearerCrowd) keep(r Request) error {
	user, wait := strings.Clone(r.Query("user")), r.Query("wait") != ""
	ctx := r.Context()
	p, err := r.Principal()
	if err != nil {
		return r.Fail(err)
	}
	claims, err := r.Claims()
	if err != nil {
		return r.Fail(err)
	}
	c.late.Go(func() {
		if wait {
			<-c.release
		}
		below, err := core.PrincipalFrom(ctx)
		tok := token.FromContext(ctx)
		if err != nil || below.Subject != user || tok == nil || tok.Claims().Subject != user {
			c.complain("after the answer to %s the context said %q (%v)", user, below.Subject, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.kept = append(c.kept, bearerKeepsake{user, p, claims, tok})
	})
	return r.String(200, "subject="+p.Subject+" note="+claims.Note)
}

// request sends the n-th request over conn: mostly a user's own, now and then
// nobody's or one with a token that is refused.
func (c *bearerCrowd) request(conn *Conn, n int) {
	user, _ := plan(n)
	user = max(user, 0)
	name := fmt.Sprint("user-", user)
	target, want, status := "/keep?user="+name, "subject="+name+" note=of-"+name, 200
	lines := []string{authorization(c.tokens[user])}
	switch n % 20 {
	case 3:
		lines, want, status = []string{authorization(c.tokens[user] + "x")}, "", 401
	case 7:
		lines, want, status = nil, "", 401
	case 11:
		target += "&wait=1"
	}
	raw := c.s.Request("GET", target, lines...)
	if err := conn.Send(raw); err != nil {
		c.complain("%s: %v", name, err)
		return
	}
	a, err := conn.Receive(raw)
	switch {
	case err != nil:
		c.complain("%s: %v", name, err)
	case a.Status != status || want != "" && a.Body != want || strings.Contains(a.Body, "subject=") != (want != ""):
		c.note(raw, a.Raw)
		c.complain("%s: got %d %q, want %d %q", name, a.Status, a.Body, status, want)
	}
}

func (c *bearerCrowd) run() {
	c.release = make(chan struct{})
	release := sync.OnceFunc(func() { close(c.release) })
	defer release()
	k := c.Tokens(token.ES256)
	// A cache that holds some of them, so that it hits, misses and throws out.
	k.Config.CacheBytes = 128 << 10
	c.s = c.Serve(App{NoMiddleware: true, Verifier: k.Verifier()}.with("GET", "/keep", c.keep, Guard{Bearer: true}))
	ids := make([]string, crowdUsers)
	for user := range crowdUsers {
		g := grantOf(fmt.Sprint("user-", user), nil, nil, c.Clock.Now())
		g.Private = map[string]string{"note": fmt.Sprint("of-user-", user)}
		issued := k.Grant(g)
		c.tokens, ids[user] = append(c.tokens, issued.Token), issued.ID
	}
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
	for _, kept := range c.kept {
		var user int
		_, err := fmt.Sscanf(kept.user, "user-%d", &user)
		c.NoError(err)
		claims := kept.token.Claims()
		if kept.principal.Subject != kept.user || kept.claims.Subject != kept.user || kept.claims.Note != "of-"+kept.user ||
			kept.claims.ID != ids[user] || claims.ID != ids[user] || claims.Subject != kept.user || kept.principal.Session != claims.Session {
			c.Failf("what a handler kept of %s became %+v", kept.user, kept)
		}
	}
	Equal(c.T, "requests that reached the handler", len(c.kept), crowdRequests*18/20)
	c.tokensRefused(crowdRequests / 20)
	c.Calls()
}

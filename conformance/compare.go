package conformance

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/token"
)

// Compare sends the same generated requests to an application under every harness
// and fails t at the first answer that differs: in status, error code, Set-Cookie,
// Cache-Control, Vary or WWW-Authenticate. The seed fixes the requests, the clock
// and the ids, so a difference can be looked at again.
//
// One thing may differ: a request that is broken as HTTP (Hostile says of which
// kinds) may be refused by a framework's parser before any middleware runs. It must
// then be refused with one of ParserStatuses, and the answer must say nothing about
// sessions.
func Compare(t *testing.T, harnesses []Harness, requests int, seed uint64) {
	g := &generator{r: rand.New(rand.NewPCG(seed, seed))}
	var peers []*peer
	for _, h := range harnesses {
		peers = append(peers, newPeer(t, h, seed))
	}
	clock := peers[0].t.Clock
	g.issue(peers[0].tokens)
	refused := map[string]int{}
	seen := map[string]int{}
	for i := range requests {
		if i%1000 == 999 {
			// Broken requests use only ids that were presented and touched just
			// now: reading those leaves no trace, so it does not matter later
			// that one parser refused what another let through.
			for _, p := range peers {
				p.t.Clock.Advance(time.Duration(20+i/1000%60) * time.Minute)
			}
			for _, v := range g.values {
				exchange(t, peers, g.plain(v), "", refused)
			}
			g.settled = slices.Clone(g.values)
			g.issue(peers[0].tokens)
		}
		raw, hostile := g.next()
		if a := exchange(t, peers, raw, hostile, refused); a != nil {
			g.learn(a)
			seen[fmt.Sprint("status ", a.Status)]++
			seen[a.Code()]++
			seen["with Set-Cookie"] += min(1, len(a.Header["Set-Cookie"]))
		}
		if t.Failed() {
			t.Fatalf("request %d of seed %d, at %s", i, seed, clock.Now())
		}
	}
	// A generator that stopped reaching what it is about would compare nothing.
	for _, kind := range []string{
		"status 200", "status 302", "status 400", "status 401", "status 403", "status 404", "status 500", "with Set-Cookie",
		"TOKEN_EXPIRED", "INVALID_SIGNATURE", "INSUFFICIENT_SCOPE",
	} {
		if seen[kind] < requests/1000 {
			t.Errorf("only %d answers %s: the generator has lost its way", seen[kind], kind)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		t.Logf("answers %-20s %d", kind, seen[kind])
	}
	for _, kind := range slices.Sorted(maps.Keys(refused)) {
		t.Logf("refused by a parser: %-46s %d times", kind, refused[kind])
	}
}

// ParserStatuses are what a framework's parser may answer to broken HTTP.
var ParserStatuses = []int{400, 413, 417, 431, 501, 505}

// peer is one adapter's server with a connection that is kept.
type peer struct {
	t      *T
	server *Server
	tokens *Tokens
	conn   *Conn
}

func newPeer(t *testing.T, h Harness, seed uint64) *peer {
	p := &peer{t: newT(t, h, Case{ID: "-", Slug: "compare/" + h.Name, Rule: "All adapters answer alike.", Clause: "DESIGN section 8"}, Options{}, nil)}
	var key [32]byte
	key[0] = byte(seed)
	p.t.Config.Rand = &lockedRand{r: rand.NewChaCha8(key)}
	p.tokens = p.t.Tokens(token.ES256) // with a key that all peers have
	p.server = p.t.Serve(comparedApp(p.tokens))
	return p
}

// lockedRand makes the same ids in every adapter.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRand) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

// send returns the answer, nil if the connection was closed without one.
func (p *peer) send(raw string, keep bool) *Answer {
	for attempt := 0; ; attempt++ {
		fresh := p.conn == nil
		if fresh {
			c, err := dial(p.server.Addr)
			p.t.NoError(err)
			p.conn = c
		}
		err := p.conn.conn.SetDeadline(time.Now().Add(ioTimeout))
		p.t.NoError(err)
		var a *Answer
		if err = p.conn.Send(raw); err == nil {
			a, err = p.conn.Receive(raw)
		}
		if err != nil || !keep || strings.EqualFold(a.Header.Get("Connection"), "close") {
			p.conn.Close()
			p.conn = nil
		}
		if err == nil {
			return a
		}
		if fresh || attempt > 0 {
			return nil
		}
		// The server may have closed a kept connection; once more on a new one.
	}
}

// exchange sends raw to every peer and compares. It returns an answer that was
// given by an adapter rather than by a parser.
func exchange(t *testing.T, peers []*peer, raw, hostile string, refused map[string]int) *Answer {
	t.Helper()
	var first *Answer
	var by string
	for _, p := range peers {
		a := p.send(raw, hostile == "")
		if hostile != "" && parserRefused(a) {
			refused[p.t.harness.Name+": "+hostile]++
			continue
		}
		switch {
		case a == nil:
			t.Errorf("%s: no answer\nrequest: %q", p.t.harness.Name, raw)
		case first == nil:
			first, by = a, p.t.harness.Name
		default:
			if got, want := verdictOf(a), verdictOf(first); got != want {
				t.Errorf("adapters differ (%s)\nrequest: %q\n%-8s %s\n%-8s %s", hostile, raw, by, want, p.t.harness.Name, got)
			}
		}
	}
	return first
}

func parserRefused(a *Answer) bool {
	return a == nil || slices.Contains(ParserStatuses, a.Status) && a.Code() == "" &&
		len(a.Header["Set-Cookie"])+len(a.Header["Vary"])+len(a.Header["Www-Authenticate"]) == 0
}

// verdictOf is all of an answer that must not differ.
func verdictOf(a *Answer) string {
	status := a.Status
	if status == 405 || status == 204 && a.Header.Get("Allow") != "" {
		status = 404 // how a router says that there is no such route is its own affair
	}
	return fmt.Sprintf("%d %q Set-Cookie=%q Cache-Control=%q Vary=%q WWW-Authenticate=%q", status, a.Code(),
		a.Header["Set-Cookie"], a.Header["Cache-Control"], a.Header["Vary"], a.Header["Www-Authenticate"])
}

// comparedApp is the application that is compared.
func comparedApp(k *Tokens) App {
	app := standard()
	app.TrustProxy = []string{"192.0.2.0/24"}
	app.Verifier = k.Verifier()
	return app.withAPI().
		with("HEAD", "/me", whoami, Guard{Login: true}).
		with("GET", "/set", func(r Request) error { return answer(r, note.Set(r.Session(), r.Query("v")), "set") }).
		with("GET", "/panic", func(r Request) error {
			_ = note.Set(r.Session(), "lost")
			panic("asked for")
		}).
		with("GET", "/redirect", func(r Request) error { return r.Redirect(302, "/me") }).
		with("POST", "/flash", func(r Request) error { return answer(r, flash.Add(r.Session(), r.Query("v")), "added") }).
		with("GET", "/flash", func(r Request) error {
			v, err := flash.Take(r.Session())
			return answer(r, err, fmt.Sprint(len(v)))
		})
}

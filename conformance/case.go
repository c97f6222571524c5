package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
)

// Case is one rule and the requests that show whether it holds.
type Case struct {
	// ID is the catalogue's id ("S2"), or "M" for the commit matrix.
	ID string
	// Slug names the subtest and never changes.
	Slug string
	// Rule is the rule in one sentence, Clause where it comes from.
	Rule, Clause string
	// Run makes the requests and checks the answers.
	Run func(*T)
}

// Cases returns every case of the suite, in the order of the matrix.
func Cases() []Case {
	return slices.Concat(lifeCases(), subjectCases(), inputCases(), cookieCases(), trustCases(), commitCases(), tokenCases(), bearerCases(), refreshCases(), grantCases(), serviceCases(), signoutCases(), corsCases(), csrfCases())
}

// T is what a case works with: a clock, a store, an audit trail and servers.
type T struct {
	testing.TB
	Clock *Clock
	Audit *Recorder
	Store *Store
	// Config is what Serve makes the manager of; a case may change it before.
	Config session.Config

	c       Case
	harness Harness
	mutant  *Mutant
	mu      sync.Mutex
	log     []string
}

// start of every case's clock.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newT(tb testing.TB, h Harness, c Case, o Options, mutant *Mutant) *T {
	t := &T{TB: tb, c: c, harness: h, mutant: mutant, Clock: &Clock{now: epoch}, Audit: &Recorder{}}
	var inner session.Store
	var err error
	if o.Store != nil {
		inner = o.Store(tb, t.Clock.Now)
	} else if inner, err = defaultStore(t.Clock.Now); err != nil {
		tb.Fatal(err)
	}
	t.Store = newStore(inner, t.Clock.Now)
	t.Config = session.Config{
		App: "conformance", Now: t.Clock.Now, Audit: t.Audit, StoreTimeout: ioTimeout,
		Secret: []byte("what all servers of one case share"),
	}
	return t
}

// Failf ends the case and says which rule was broken, and by what exchange.
func (t *T) Failf(format string, args ...any) {
	t.Helper()
	t.mu.Lock()
	log := strings.Join(t.log, "\n")
	t.mu.Unlock()
	t.Fatalf("%s (%s)\nrule:   %s\nclause: %s\nfailed: %s\n%s",
		t.c.Slug, t.c.ID, t.c.Rule, t.c.Clause, fmt.Sprintf(format, args...), log)
}

// NoError ends the case on an error.
func (t *T) NoError(err error) {
	t.Helper()
	if err != nil {
		t.Failf("unexpected error: %v", err)
	}
}

// Equal ends the case unless got is want.
func Equal[V comparable](t *T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Failf("%s: got %v, want %v", what, got, want)
	}
}

func (t *T) note(request, answer string) {
	const most, longest = 12, 2000
	clip := func(s string) string {
		if len(s) > longest {
			s = s[:longest] + fmt.Sprintf("… (%d bytes)", len(s))
		}
		return strings.ReplaceAll(fmt.Sprintf("%q", s), `\r\n`, `\r\n`+"\n        ")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, "request: "+clip(request)+"\nanswer:  "+clip(answer))
	if len(t.log) > most {
		t.log = t.log[1:]
	}
}

// Serve starts app under the harness. Without a manager of its own the app gets
// one made of t.Config on t.Store.
func (t *T) Serve(app App) *Server {
	t.Helper()
	if app.Sessions == nil {
		app.Sessions = t.Manager(t.Config)
	}
	if t.mutant != nil && t.mutant.Front != nil {
		app.Wrap = t.mutant.Front
	}
	s := &Server{t: t, Addr: t.harness.Start(t.TB, app), Cookie: app.Sessions.Cookie().Name(), manager: app.Sessions}
	if app.Tokens != nil {
		s.rotator = app.Tokens.Rotator
	}
	return s
}

// Manager makes a manager on t.Store.
func (t *T) Manager(cfg session.Config) *session.Manager {
	t.Helper()
	var store session.Store = t.Store
	if t.mutant != nil {
		if t.mutant.Store != nil {
			store = t.mutant.Store(store)
		}
		if t.mutant.Config != nil {
			t.mutant.Config(&cfg)
		}
	}
	m, err := session.New(store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Events checks that exactly these events were recorded since the last look, in
// this order: "name" or "name:cause".
func (t *T) Events(want ...string) []audit.Event {
	t.Helper()
	events := t.Audit.Take()
	got := make([]string, len(events))
	for i, e := range events {
		got[i] = string(e.Name)
		if e.Cause != "" {
			got[i] += ":" + string(e.Cause)
		}
	}
	if !slices.Equal(got, want) {
		t.Failf("audit events: got %q, want %q", got, want)
	}
	return events
}

// Calls checks that exactly these store operations were made since the last look,
// in any order.
func (t *T) Calls(want ...Operation) {
	t.Helper()
	var got []Operation
	for op, n := range t.Store.Calls() {
		for range n {
			got = append(got, op)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Failf("store operations: got %q, want %q", got, want)
	}
}

// Server is a running App.
type Server struct {
	t       *T
	Addr    string
	Cookie  string // the session cookie's name
	manager *session.Manager
	rotator *refresh.Rotator // nil without App.Tokens
}

// Dial opens a raw connection that is closed with the test.
func (s *Server) Dial() *Conn {
	s.t.Helper()
	c, err := dial(s.Addr)
	s.t.NoError(err)
	s.t.Cleanup(c.Close)
	return c
}

// Raw sends raw bytes on a connection of its own and returns the answer.
func (s *Server) Raw(raw string) *Answer {
	s.t.Helper()
	c, err := dial(s.Addr)
	s.t.NoError(err)
	defer c.Close()
	return s.On(c, raw)
}

// On sends raw bytes on c.
func (s *Server) On(c *Conn, raw string) *Answer {
	s.t.Helper()
	s.t.NoError(c.Send(raw))
	a, err := c.Receive(raw)
	if err != nil {
		s.t.note(raw, c.tee.String())
		s.t.Failf("%v", err)
	}
	s.t.note(raw, a.Raw)
	return a
}

// Do sends a request with extra header lines ("Name: value").
func (s *Server) Do(method, target string, lines ...string) *Answer {
	s.t.Helper()
	return s.Raw(s.Request(method, target, lines...))
}

// Request builds the bytes that Do sends.
func (s *Server) Request(method, target string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, s.Addr)
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if method == "POST" || method == "PUT" || method == "PATCH" {
		b.WriteString("Content-Length: 0\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// Browser returns a client with an empty jar.
func (s *Server) Browser() *Browser { return &Browser{Server: s} }

// Browser sends what its jar holds and takes in what answers set. It is as simple
// as a browser with one host can be.
type Browser struct {
	*Server
	// Value is the session cookie's value, "" for none.
	Value string
	// Lines are header lines that it sends with every request.
	Lines []string
}

// Do is Server.Do with the jar.
func (b *Browser) Do(method, target string, lines ...string) *Answer {
	b.t.Helper()
	a := b.Server.Do(method, target, append(lines, b.lines()...)...)
	b.Take(a)
	return a
}

// lines are the header lines that the browser adds to a request.
func (b *Browser) lines() []string {
	if b.Value == "" {
		return b.Lines
	}
	return append(slices.Clone(b.Lines), "Cookie: "+b.Cookie+"="+b.Value)
}

// Get is Do with GET; Post with POST.
func (b *Browser) Get(target string) *Answer  { b.t.Helper(); return b.Do("GET", target) }
func (b *Browser) Post(target string) *Answer { b.t.Helper(); return b.Do("POST", target) }

// Take takes in what an answer set.
func (b *Browser) Take(a *Answer) {
	for _, c := range a.Cookies() {
		if c.Name == b.Cookie {
			b.Value = c.Value
			if c.Deletes {
				b.Value = ""
			}
		}
	}
}

package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/session"
)

// streamCases are about a session whose answer is under way.
func streamCases() []Case {
	var cases []Case
	for _, by := range []struct {
		flush FlushBy
		name  string
	}{{FlushNative, "stream-session"}, {FlushController, "stream-session-controller"}} {
		cases = append(cases, Case{
			ID: "M", Slug: "commit/" + by.name,
			Rule:   "Once a stream's headers have left, the session says so to every call, asks the store nothing, and still knows who was logged in.",
			Clause: "DESIGN section 2: after commit ErrFinished, and ErrHeadersSent before the store is touched",
			Run:    func(t *T) { streamed(t, by.flush) },
		})
	}
	return cases
}

func streamed(t *T, by FlushBy) {
	g := newGate()
	defer g.open()
	results := make(chan map[string]error, 1)
	s := t.Serve(standard().with("GET", "/stream", func(r Request) error {
		ses := r.Session()
		if _, err := ses.Principal(); err != nil {
			return r.Fail(err)
		}
		if err := note.Set(ses, "in time"); err != nil {
			return r.Fail(err)
		}
		return r.Stream(by, func(w Stream) {
			flushErr := w.Flush()
			_, _ = io.WriteString(w, "one")
			if flushErr = errors.Join(flushErr, w.Flush()); flushErr == nil {
				<-g.opened
			}
			ctx := context.Background()
			_, _, getErr := note.Get(ses)
			p, whoErr := ses.Principal()
			if whoErr == nil && p.Subject != "alice" {
				whoErr = fmt.Errorf("somebody else: %q", p.Subject)
			}
			_, devicesErr := ses.Devices(ctx)
			_, revokeErr := ses.Revoke(ctx, p.Session)
			results <- map[string]error{
				"flush": flushErr, "get": getErr, "set": note.Set(ses, "late"), "add": hits.Add(ses, 1), "commit": ses.Commit(ctx),
				"login": ses.Login(ctx, session.Identity{Subject: "mallory"}), "renew": ses.Renew(ctx), "logout": ses.Logout(ctx),
				"revoke others": ses.RevokeOthers(ctx), "revoke all": ses.RevokeAll(ctx),
				"principal": whoErr, "devices": devicesErr, "revoke": revokeErr,
			}
			_, _ = io.WriteString(w, "two")
		})
	}))
	b := s.loggedIn("alice")
	t.Calls(OpCreate)
	t.Events("session_created", "authn_login_success")

	c := s.Dial()
	raw := s.Request("GET", "/stream", "Cookie: "+b.Cookie+"="+b.Value)
	t.NoError(c.Send(raw))
	if err := c.until("one"); err != nil {
		t.Failf("nothing of the stream came before its end: %v", err)
	}
	t.Calls(OpLoad, OpSwap) // stored before the headers
	g.open()
	got := take(t, results)
	for call, want := range map[string]error{
		"flush": nil, "get": session.ErrFinished, "set": session.ErrFinished, "add": session.ErrFinished, "commit": session.ErrFinished,
		"login": session.ErrHeadersSent, "renew": session.ErrHeadersSent, "logout": session.ErrHeadersSent, "principal": nil,
		"devices": session.ErrHeadersSent, "revoke": session.ErrHeadersSent,
		"revoke others": session.ErrHeadersSent, "revoke all": session.ErrHeadersSent,
	} {
		if !errors.Is(got[call], want) {
			t.Failf("%s after the headers: got %v, want %v", call, got[call], want)
		}
	}
	s.Check(s.receive(c, raw), Want{Status: 200, Body: "onetwo", Asked: true})
	t.Calls()
	t.Events()
	s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
	s.Check(b.Get("/note"), Want{Status: 200, Body: "note=in time", Asked: true})
}

// receive reads the answer to raw, which was sent already.
func (s *Server) receive(c *Conn, raw string) *Answer {
	s.t.Helper()
	a, err := c.Receive(raw)
	if err != nil {
		s.t.note(raw, c.tee.String())
		s.t.Failf("%v", err)
	}
	s.t.note(raw, a.Raw)
	return a
}

// upgrading are the header lines of a request that wants another protocol.
var upgrading = []string{"Connection: Upgrade", "Upgrade: test"}

// upgrade is the way of a handler that takes the connection.
func upgrade() way {
	return way{
		name: "hijack", phrase: "takes over the connection", lines: upgrading, status: 101,
		answer: func(r Request, _ string) error {
			return r.Hijack(func(c net.Conn) { _, _ = io.WriteString(c, body) })
		},
	}
}

// echo sends back what comes until it was all: four bytes.
func echo(c net.Conn) {
	_, _ = io.CopyN(c, c, 4)
}

// hijackCases are about connections that stop being HTTP.
func hijackCases() []Case {
	return []Case{{
		ID: "M", Slug: "commit/hijack",
		Rule:   "What a handler wrote into an existing session is stored before its connection is handed over, the 101 carries no cookie, and the connection is the handler's.",
		Clause: "DESIGN section 2: Hijack commits data; RFC 9110 section 15.2.2",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/socket", func(r Request) error {
				if err := note.Set(r.Session(), "by the socket"); err != nil {
					return r.Fail(err)
				}
				return r.Hijack(echo)
			}))
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			c := s.Dial()
			a := s.On(c, s.Request("GET", "/socket", append(upgrading, "Cookie: "+b.Cookie+"="+b.Value)...))
			Equal(t, "status", a.Status, 101)
			s.checkCookies(a, nil)
			t.Calls(OpLoad, OpSwap)
			s.echoes(c)
			t.Events()
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=by the socket", Asked: true})
		},
	}, {
		ID: "M", Slug: "commit/hijack-cookie-pending",
		Rule:   "A cookie that is pending when a connection is to be handed over is never lost: the 101 carries it, or the hand-over is refused and the answer that follows carries it.",
		Clause: "DESIGN section 2: a cookie still pending makes Hijack fail with ErrCookiePending",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/socket", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				// A second attempt must not get past what the first was refused for.
				err := r.Hijack(echo)
				if errors.Is(err, adapter.ErrCookiePending) && errors.Is(r.Hijack(echo), adapter.ErrCookiePending) {
					return r.String(426, body)
				}
				return err
			}))
			b := s.Browser()
			c := s.Dial()
			a := s.On(c, s.Request("GET", "/socket", upgrading...))
			if a.Status == 101 {
				s.echoes(c)
			} else {
				Equal(t, "status", a.Status, 426)
				Equal(t, "body", a.Body, body)
			}
			s.checkCookies(a, []string{"set:7200"})
			t.Calls(OpCreate)
			t.Events("session_created")
			b.Take(a)
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
		},
	}, {
		ID: "M", Slug: "commit/hijack-then-error",
		Rule:   "An error that a handler returns after it took over the connection is not written to it.",
		Clause: "RFC 9110 section 15.2.2: after 101 the connection speaks the other protocol",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/socket", func(r Request) error {
				if err := r.Hijack(echo); err != nil {
					return err
				}
				return r.NativeError(418, body)
			}))
			c := s.Dial()
			Equal(t, "status", s.On(c, s.Request("GET", "/socket", upgrading...)).Status, 101)
			s.echoes(c)
			t.Calls()
			t.Events()
		},
	}, {
		ID: "M", Slug: "commit/hijack-then-session-error",
		Rule:   "An error of a session call after the connection was taken over is not written to it; where the hand-over is still to come, the refusal takes its place and the connection goes on as HTTP.",
		Clause: "RFC 9110 section 15.2.2; DESIGN section 2",
		Run: func(t *T) {
			app := standard()
			for path, pass := range map[string]func(Request, error) error{
				"/returned": func(_ Request, err error) error { return err },
				"/failed":   func(r Request, err error) error { return r.Fail(err) },
			} {
				app = app.with("GET", path, func(r Request) error {
					if err := r.Hijack(echo); err != nil {
						return err
					}
					return pass(r, fmt.Errorf("wrapped by the application: %w", core.ErrUnknown))
				})
			}
			s := t.Serve(app)
			for _, path := range []string{"/returned", "/failed"} {
				c := s.Dial()
				a := s.On(c, s.Request("GET", path, upgrading...))
				if a.Status == 101 {
					s.echoes(c)
					continue
				}
				s.Check(a, Want{Status: 503, Code: "STORE_UNAVAILABLE"})
				Equal(t, "Upgrade", a.Header.Get("Upgrade"), "")
				s.Check(s.On(c, s.Request("GET", "/public")), Want{Status: 200, Body: "public"})
			}
			t.Calls()
			t.Events()
		},
	}}
}

// echoes checks that echo has the connection, and nobody else wrote to it.
func (s *Server) echoes(c *Conn) {
	s.t.Helper()
	t := s.t
	t.NoError(c.Send("ping"))
	got, err := c.Read(4)
	t.NoError(err)
	Equal(t, "bytes over the connection", got, "ping")
	t.ends(c)
}

// ends checks that nothing more comes on a connection.
func (t *T) ends(c *Conn) {
	t.Helper()
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || err != nil {
		t.Failf("rest of the connection: got %q, %v, want its end", rest, err)
	}
}

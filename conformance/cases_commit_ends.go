package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
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
			results <- map[string]error{
				"flush": flushErr, "get": getErr, "set": note.Set(ses, "late"), "add": hits.Add(ses, 1), "commit": ses.Commit(ctx),
				"login": ses.Login(ctx, session.Identity{Subject: "mallory"}), "renew": ses.Renew(ctx), "logout": ses.Logout(ctx),
				"principal": whoErr,
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

// endCases are about handlers that end otherwise than by an answer, and about what
// surrounds a request.
func endCases() []Case {
	return []Case{sessionErrors(), panicDiscards(), panicAfterLogin(), unknownPath(), lateWrite(), lateLogin(),
		panicAfterAnswer(), twice(), explicit(), afterExplicit(), keepAlive(), largeHeaders(), requestBody(), concurrent()}
}

func sessionErrors() Case {
	return Case{
		ID: "M", Slug: "commit/session-error-returned",
		Rule:   "An error of a session call that a handler passes on is answered as what it is, 503 if the store did not answer and 401 if nobody is logged in, and what was stored is in that answer.",
		Clause: "DESIGN section 2: three answers, never two; RFC 9110 section 11.6.1",
		Run: func(t *T) {
			s := t.Serve(standard().
				with("GET", "/read", func(r Request) error { _, _, err := note.Get(r.Session()); return err }).
				with("GET", "/who", func(r Request) error {
					if err := note.Set(r.Session(), "kept"); err != nil {
						return err
					}
					_, err := r.Principal()
					return fmt.Errorf("wrapped by the application: %w", err)
				}))
			b := s.Browser()
			want := Anonymous()
			want.Cookies = []string{"set:7200"}
			s.Check(b.Get("/who"), want)
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
			t.Calls(OpLoad)
			t.Store.Fail(Always(FaultError))
			s.Check(b.Get("/read"), Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
			t.Calls(OpLoad)
			t.Events("store_failure:error")
		},
	}
}

func panicDiscards() Case {
	return Case{
		ID: "M", Slug: "commit/panic-discards",
		Rule:   "A panic throws away what its request had pending: nothing is stored and no cookie goes out with the error page.",
		Clause: "DESIGN section 2: panic discards pending data",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/panic", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				panic("the handler's own fault")
			}))
			a := s.Do("GET", "/panic")
			s.Check(a, Want{Status: 500, Asked: true})
			t.Calls()
			t.Events()
			b := s.Browser()
			s.Check(b.Post("/note?v=old"), Want{Status: 200, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Get("/panic"), Want{Status: 500, Asked: true})
			t.Calls(OpLoad)
			t.Events()
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=old", Asked: true})
		},
	}
}

func panicAfterLogin() Case {
	return Case{
		ID: "M", Slug: "commit/panic-after-login",
		Rule:   "A login that was made before a panic stands, and its cookie goes out with the error page.",
		Clause: "DESIGN section 2: transitions made stand, and their Set-Cookie stays on panic pages",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/panic", func(r Request) error {
				if err := r.Session().Login(r.Context(), session.Identity{Subject: "alice"}); err != nil {
					return r.Fail(err)
				}
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				panic("the handler's own fault")
			}))
			b := s.Browser()
			s.Check(b.Get("/panic"), Want{Status: 500, Cookies: []string{"set"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
		},
	}
}

func unknownPath() Case {
	return Case{
		ID: "M", Slug: "commit/unknown-path",
		Rule:   "An answer that no handler gave, because there is no such route, is left as the framework made it and asks the store nothing.",
		Clause: "DESIGN section 3: lazy both ways",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			for _, a := range []*Answer{s.Do("GET", "/nowhere"), b.Get("/nowhere")} {
				s.Check(a, Want{Status: 404})
			}
			t.Calls()
			t.Events()
		},
	}
}

func lateWrite() Case {
	return Case{
		ID: "M", Slug: "commit/write-after-answer",
		Rule:   "A write after the answer either is stored and has its cookie, or fails: it is never lost in silence.",
		Clause: "DESIGN section 2: after commit every session call returns ErrFinished",
		Run: func(t *T) {
			late := make(chan error, 1)
			s := t.Serve(standard().with("GET", "/late", func(r Request) error {
				_ = r.String(200, body)
				late <- note.Set(r.Session(), "late")
				return nil
			}))
			b := s.Browser()
			a := b.Get("/late")
			if err := take(t, late); err == nil {
				s.Check(a, Want{Status: 200, Body: body, Cookies: []string{"set:7200"}, Asked: true})
				t.Calls(OpCreate)
				s.Check(b.Get("/note"), Want{Status: 200, Body: "note=late", Asked: true})
				return
			} else if !errors.Is(err, session.ErrFinished) {
				t.Failf("write after the answer: got %v, want nil or %v", err, session.ErrFinished)
			}
			s.Check(a, Want{Status: 200, Body: body})
			t.Calls()
			t.Events()
		},
	}
}

func lateLogin() Case {
	return Case{
		ID: "M", Slug: "commit/login-after-answer",
		Rule:   "A login after the answer either has its cookie in it, or is refused before the store is asked: nobody is logged in by a cookie that was never sent.",
		Clause: "DESIGN section 2: ErrHeadersSent before touching the store",
		Run: func(t *T) {
			late := make(chan error, 1)
			s := t.Serve(standard().with("GET", "/late", func(r Request) error {
				_ = r.String(200, body)
				late <- r.Session().Login(r.Context(), session.Identity{Subject: "alice"})
				return nil
			}))
			b := s.Browser()
			a := b.Get("/late")
			if err := take(t, late); err == nil {
				s.Check(a, Want{Status: 200, Body: body, Cookies: []string{"set"}, Asked: true})
				t.Calls(OpCreate)
				s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
				return
			} else if !errors.Is(err, session.ErrHeadersSent) {
				t.Failf("login after the answer: got %v, want nil or %v", err, session.ErrHeadersSent)
			}
			s.Check(a, Want{Status: 200, Body: body})
			t.Calls()
			t.Events()
		},
	}
}

func panicAfterAnswer() Case {
	return Case{
		ID: "M", Slug: "commit/panic-after-answer",
		Rule:   "A panic after the answer leaves one of two: the answer with its cookie, and the data stored; or the error page without, and nothing stored.",
		Clause: "DESIGN section 2: panic discards pending data",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/panic", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				_ = r.String(200, body)
				panic("the handler's own fault")
			}))
			b := s.Browser()
			a := b.Get("/panic")
			if a.Status == 500 {
				s.Check(a, Want{Status: 500, Asked: true})
				t.Calls()
				t.Events()
				return
			}
			s.Check(a, Want{Status: 200, Body: body, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
		},
	}
}

func twice() Case {
	return Case{
		ID: "M", Slug: "commit/two-middlewares",
		Rule:   "A second session middleware further in has nothing to do: one session, one write, one cookie line.",
		Clause: "DESIGN section 2: the adapter keeps the value once",
		Run: func(t *T) {
			app := standard()
			app.Twice = true
			s := t.Serve(app)
			b := s.Browser()
			s.Check(b.Post("/note?v=one"), Want{Status: 200, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Post("/note?v=two"), Want{Status: 200, Asked: true})
			t.Calls(OpLoad, OpSwap)
			s.Check(b.Post("/login?user=alice"), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
			t.Calls(OpLoad, OpTake, OpCreate)
			t.Events("session_expired:login", "session_created", "authn_login_success")
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(b.Post("/logout"), Want{Status: 200, Cookies: []string{"delete"}, Asked: true})
			t.Calls(OpLoad, OpLoad, OpTake)
			t.Store.Fail(Always(FaultError, OpCreate))
			s.Check(s.Do("POST", "/note?v=lost"), Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
			t.Calls(OpCreate)
		},
	}
}

func explicit() Case {
	return Case{
		ID: "M", Slug: "commit/explicit",
		Rule:   "A handler that commits has its data stored before it answers, and the answer stores nothing again.",
		Clause: "DESIGN section 2: a handler that must know calls Commit",
		Run: func(t *T) {
			stored := make(chan map[Operation]int, 1)
			s := t.Serve(standard().with("GET", "/commit", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				if err := r.Session().Commit(r.Context()); err != nil {
					return r.Fail(err)
				}
				stored <- t.Store.Calls()
				return r.String(200, body)
			}))
			b := s.Browser()
			s.Check(b.Get("/commit"), Want{Status: 200, Body: body, Cookies: []string{"set:7200"}, Asked: true})
			if got := take(t, stored); !maps.Equal(got, map[Operation]int{OpCreate: 1}) {
				t.Failf("store operations before the answer: got %v, want one %s", got, OpCreate)
			}
			t.Calls()
			t.Events("session_created")
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
		},
	}
}

func afterExplicit() Case {
	return Case{
		ID: "M", Slug: "commit/write-after-explicit",
		Rule:   "Data that is written after an explicit commit goes out with the answer as any other, under the one cookie.",
		Clause: "DESIGN section 2; session.Commit: the session stays usable",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/commit", func(r Request) error {
				ses := r.Session()
				for _, v := range []string{"one", "two"} {
					if err := errors.Join(note.Set(ses, v), hits.Add(ses, 1), ses.Commit(r.Context())); err != nil {
						return r.Fail(err)
					}
				}
				if err := note.Set(ses, "three"); err != nil {
					return r.Fail(err)
				}
				return r.String(200, body)
			}))
			b := s.Browser()
			s.Check(b.Get("/commit"), Want{Status: 200, Body: body, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate, OpSwap, OpSwap)
			t.Events("session_created")
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=three", Asked: true})
			s.Check(b.Get("/hits"), Want{Status: 200, Body: "hits=2", Asked: true})
		},
	}
}

func keepAlive() Case {
	return Case{
		ID: "M", Slug: "commit/keep-alive",
		Rule:   "Requests that share a connection share nothing else, also for code that holds on to a session after its request.",
		Clause: "RFC 9110 section 3.3: each request is understood in isolation; DESIGN section 2: nothing reachable afterwards touches the Exchange",
		Run: func(t *T) {
			kept := make(chan *session.Session, 1)
			s := t.Serve(standard().with("POST", "/keep", func(r Request) error {
				kept <- r.Session()
				return login0(r)
			}))
			c := s.Dial()
			a := s.On(c, s.Request("POST", "/keep?user=alice&role=admin", "User-Agent: the-first-client"))
			s.Check(a, Want{Status: 200, Cookies: []string{"set"}, Asked: true})
			ses := take(t, kept)
			b := s.On(c, s.Request("POST", "/login?user=mallory&role=guest", "User-Agent: another-client!"))
			s.Check(b, Want{Status: 200, Cookies: []string{"set"}, Asked: true})
			t.Calls(OpCreate, OpCreate)
			t.Events("session_created", "authn_login_success", "session_created", "authn_login_success")
			s.Check(s.On(c, s.Request("GET", "/whoami")), Want{Status: 200, Body: "anonymous", Asked: true})
			s.Check(s.On(c, s.Request("GET", "/public")), Want{Status: 200, Body: "public"})
			t.Calls()

			if p, err := ses.Principal(); err != nil || p.Subject != "alice" || !p.HasRole("admin") {
				t.Failf("the first request's principal afterwards: got %v, %v", p, err)
			}
			if err := note.Set(ses, "late"); !errors.Is(err, session.ErrFinished) {
				t.Failf("write after the request: got %v, want %v", err, session.ErrFinished)
			}
			ses.Audit(audit.AuthorizationFailed, audit.CauseRole, nil)
			Equal(t, "user agent of a late event", t.Events("authz_fail:role")[0].UserAgent, "the-first-client")
			t.Calls()

			for subject, from := range map[string]*Answer{"alice": a, "mallory": b} {
				cookie := from.Cookies()[0]
				a := s.On(c, s.Request("GET", "/me", "Cookie: "+cookie.Name+"="+cookie.Value))
				s.Check(a, Want{Status: 200, Body: "subject=" + subject, Asked: true})
			}
		},
	}
}

func largeHeaders() Case {
	const size = 20 << 10
	return Case{
		ID: "M", Slug: "commit/large-headers",
		Rule:   "Large headers, of the request or of the answer, do not cost the session its cookie.",
		Clause: "RFC 9110 section 5.4",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/large", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				r.SetHeader("X-Large", strings.Repeat("a", size))
				return r.String(200, large)
			}))
			b := s.Browser()
			a := b.Do("GET", "/large", "X-Large: "+strings.Repeat("r", size))
			s.Check(a, Want{Status: 200, Body: large, Cookies: []string{"set:7200"}, Asked: true})
			Equal(t, "X-Large", len(a.Header.Get("X-Large")), size)
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
		},
	}
}

func requestBody() Case {
	return Case{
		ID: "M", Slug: "commit/request-body",
		Rule:   "The request's body reaches the handler whole, whatever its size, type and framing.",
		Clause: "DESIGN section 2: Body puts the bytes back; RFC 9112 section 6",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/echo", func(r Request) error {
				if err := note.Set(r.Session(), "kept"); err != nil {
					return r.Fail(err)
				}
				b, err := r.Body()
				if err != nil {
					return err
				}
				return r.String(200, b)
			}))
			for _, content := range []string{"a=1&b=2", large} {
				for _, mime := range []string{"application/x-www-form-urlencoded", "application/json", "text/plain"} {
					for _, framed := range []string{
						fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content),
						fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(content), content),
					} {
						a := s.Raw("POST /echo HTTP/1.1\r\nHost: " + s.Addr + "\r\nContent-Type: " + mime + "\r\n" + framed)
						s.Check(a, Want{Status: 200, Body: content, Cookies: []string{"set:7200"}, Asked: true})
						t.Calls(OpCreate)
						t.Events("session_created")
					}
				}
			}
		},
	}
}

func concurrent() Case {
	const workers, each = 4, 25
	return Case{
		ID: "M", Slug: "commit/concurrent-handler",
		Rule:   "The goroutines of one handler may use its session at once: every write counts, and there is one record and one cookie.",
		Clause: "DESIGN section 3: writes merge; session.Session is safe for concurrent use",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/work", func(r Request) error {
				ses, ctx := r.Session(), r.Context()
				errs := make([]error, workers)
				var wg sync.WaitGroup
				for w := range workers {
					wg.Go(func() {
						for i := range each {
							_, whoErr := core.PrincipalFrom(ctx)
							if errors.Is(whoErr, core.ErrAnonymous) {
								whoErr = nil
							}
							_, _, getErr := note.Get(ses)
							errs[w] = errors.Join(errs[w], whoErr, getErr, hits.Add(ses, 1), note.Set(ses, fmt.Sprint(w, i)))
						}
					})
				}
				wg.Wait()
				return answer(r, errors.Join(errs...), "worked")
			}))
			b := s.Browser()
			s.Check(b.Post("/work"), Want{Status: 200, Body: "worked", Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			s.Check(b.Post("/work"), Want{Status: 200, Body: "worked", Asked: true})
			t.Calls(OpLoad, OpSwap)
			s.Check(b.Get("/hits"), Want{Status: 200, Body: fmt.Sprint("hits=", 2*workers*each), Asked: true})
			t.Events()
		},
	}
}

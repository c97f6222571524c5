package conformance

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

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

			t.Store.Fail(nil)
			app.OwnErrorHandler = true // of the outer one, whose session it is
			s = t.Serve(app)
			s.own(s.Do("GET", "/me"), 401)
			t.Store.Fail(Always(FaultError, OpCreate))
			s.own(s.Do("POST", "/note?v=lost"), 503)
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
	const workers, each = 4, 250
	return Case{
		ID: "M", Slug: "commit/concurrent-handler",
		Rule:   "The goroutines of one handler may use its session at once: every write counts, and there is one record and one cookie.",
		Clause: "DESIGN section 3: writes merge; session.Session is safe for concurrent use",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/work", func(r Request) error {
				ses, ctx := r.Session(), r.Context()
				errs := make([]error, workers)
				start := make(chan struct{})
				var wg sync.WaitGroup
				for w := range workers {
					wg.Go(func() {
						<-start
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
				close(start)
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

package conformance

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// dress gives the answer headers that would be lies about another body, and some
// that hold for any answer of the route.
func dress(r Request) {
	for _, h := range [...][2]string{
		{"ETag", `"v1"`}, {"Last-Modified", written.Format(httpDate)}, {"Location", "/elsewhere"},
		{"Content-Type", "text/x-own"}, {"Content-Length", strconv.Itoa(len(body))},
		{"Content-Disposition", "attachment"}, {"Cache-Control", "public, max-age=600"}, {"Vary", "Accept-Encoding"},
		{"Access-Control-Allow-Origin", "https://app.example"}, {"Access-Control-Allow-Credentials", "true"},
	} {
		r.SetHeader(h[0], h[1])
	}
}

// varies is the set of fields that an answer varies on.
func varies(a *Answer) string {
	fields := strings.Split(strings.Join(a.Header.Values("Vary"), ", "), ", ")
	slices.Sort(fields)
	return strings.Join(fields, ", ")
}

// unavailable checks a refusal that took the place of a dressed answer to w.
func (s *Server) unavailable(a *Answer, w way, cookies ...string) {
	s.t.Helper()
	t := s.t
	Equal(t, "status", a.Status, 503)
	if w.method == "HEAD" {
		Equal(t, "body", a.Body, "")
	} else {
		Equal(t, "error code", a.Code(), "STORE_UNAVAILABLE")
		kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
		Equal(t, "Content-Type", kind, "application/json")
	}
	if strings.Contains(a.Raw, body) {
		t.Failf("the refused handler's body is in the answer")
	}
	for _, name := range []string{
		"ETag", "Content-Encoding", "Last-Modified", "Location", "Content-Disposition", "Content-Range", "Accept-Ranges", "Upgrade",
	} {
		Equal(t, name, strings.Join(a.Header.Values(name), ", "), "")
	}
	kept := map[string]string{
		"Vary": "Accept-Encoding, Cookie", "Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true",
	}
	if w.resets {
		kept = map[string]string{"Vary": "Cookie", "Access-Control-Allow-Origin": "", "Access-Control-Allow-Credentials": ""}
	}
	Equal(t, "Vary", varies(a), kept["Vary"])
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"} {
		Equal(t, name, strings.Join(a.Header.Values(name), ", "), kept[name])
	}
	Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), "no-store")
	if a.Header.Get("Retry-After") == "" {
		t.Failf("Retry-After: got none")
	}
	s.checkCookies(a, cookies)
}

// failed is the case that a handler's answer does not go out if its session could
// not be stored.
func (w way) failed() Case {
	return Case{
		ID: "M", Slug: "commit/failed-" + w.name,
		Rule: "If the store fails when a handler which wrote to the session " + w.phrase +
			", the client gets 503 with its own framing and nothing of the handler's answer but Vary and CORS.",
		Clause: "DESIGN section 2: a failed data write turns the answer into 503; RFC 9112 section 6.3",
		Run: func(t *T) {
			dir := t.files()
			s := t.Serve(standard().with(w.verb(), "/way", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				if !w.resets {
					dress(r)
					r.SetHeader("Content-Encoding", "x-own")
				}
				return w.answer(r, dir)
			}))
			t.Store.Fail(Always(FaultError, OpCreate, OpSwap))
			s.refusedInLine(s.Request(w.verb(), "/way", w.lines...), w)
			t.Calls(OpCreate)
			t.Events("store_failure:error")

			t.Store.Fail(nil)
			b := s.Browser()
			s.Check(b.Post("/note?v=old"), Want{Status: 200, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			t.Store.Fail(Always(FaultError, OpCreate, OpSwap))
			lines := append([]string{"Cookie: " + b.Cookie + "=" + b.Value}, w.lines...)
			s.refusedInLine(s.Request(w.verb(), "/way", lines...), w)
			t.Calls(OpLoad, OpSwap)
			t.Events("store_failure:error")

			t.Store.Fail(nil)
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=old", Asked: true})
		},
	}
}

// refusedInLine sends raw and another request behind it at once. A refusal with the
// framing of the answer that it replaced would swallow or garble the second answer.
func (s *Server) refusedInLine(raw string, w way) {
	s.t.Helper()
	c := s.Dial()
	second := s.Request("GET", "/public")
	s.t.NoError(c.Send(raw + second))
	a := s.receive(c, raw)
	s.unavailable(a, w)
	if strings.EqualFold(a.Header.Get("Connection"), "close") {
		s.t.ends(c)
		return
	}
	s.Check(s.receive(c, second), Want{Status: 200, Body: "public"})
}

// failureCases are about answers that are replaced by a refusal.
func failureCases() []Case {
	return []Case{failedBody(), failedWrites(), failedCompressed(), failedCall(), failedAfterLogin(), failedAfterLogout(), failedExplicit(),
		failedOwnHandler(), guardOwnHandler(), deadRecord(), deadRecordGuarded()}
}

func failedBody() Case {
	return Case{
		ID: "M", Slug: "commit/failed-unread-body",
		Rule:   "A refusal in place of an answer to a request whose body nobody read leaves the connection in order: the next request is answered, or it is closed.",
		Clause: "RFC 9112 section 9.3",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/way", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				dress(r)
				return r.String(200, body)
			}))
			t.Store.Fail(Always(FaultError, OpCreate))
			// The body looks like a request, for a server that lost count.
			smuggled := strings.Repeat("POST /note?v=smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 100)
			raw := fmt.Sprintf("POST /way HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", s.Addr, len(smuggled), smuggled)
			s.refusedInLine(raw, way{})
			t.Calls(OpCreate)
			t.Events("store_failure:error")
		},
	}
}

func failedWrites() Case {
	return Case{
		ID: "M", Slug: "commit/failed-writes-fail",
		Rule:   "A handler whose answer was replaced by a refusal is told so when it writes on, and does not stream into the void for ever.",
		Clause: "DESIGN section 2: on net/http Write then returns the error",
		Run: func(t *T) {
			const pieces, size = 256, 4 << 10
			result := make(chan error, 1)
			s := t.Serve(standard().with("GET", "/stream", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				dress(r)
				return r.Stream(FlushNative, func(w Stream) {
					for range pieces {
						if _, err := io.WriteString(w, large[:size]); err != nil {
							result <- err
							return
						}
						if err := w.Flush(); err != nil {
							result <- err
							return
						}
					}
					result <- nil
				})
			}))
			t.Store.Fail(Always(FaultError, OpCreate))
			s.refusedInLine(s.Request("GET", "/stream"), way{})
			if take(t, result) == nil {
				t.Failf("%d writes of %d bytes after the refusal succeeded", pieces, size)
			}
			t.Calls(OpCreate)
			t.Events("store_failure:error")
		},
	}
}

// compressing goes around a server and encodes every answer, as handlers do that
// set Content-Encoding first and then wrap the writer.
func compressing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer func() { _ = z.Close() }()
		next.ServeHTTP(&compressedWriter{w, z}, r)
	})
}

type compressedWriter struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (w *compressedWriter) Write(p []byte) (int, error) { return w.z.Write(p) }

func (w *compressedWriter) WriteHeader(status int) {
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
}

func failedCompressed() Case {
	return Case{
		ID: "M", Slug: "commit/failed-compressed",
		Rule:   "A refusal that a server further out encodes, as it encodes every answer, says so.",
		Clause: "RFC 9110 section 8.4",
		Run: func(t *T) {
			app := standard().with("GET", "/way", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				return r.String(200, body)
			}).with("GET", "/asks", func(r Request) error {
				_, err := r.Principal()
				return r.Fail(err)
			})
			app.Wrap = compressing
			s := t.Serve(app)
			t.Store.Fail(Always(FaultError))
			for path, want := range map[string]Want{
				"/way":  {Status: 503, Code: "STORE_UNAVAILABLE", Asked: true},
				"/asks": Anonymous(),
				"/me":   Anonymous(),
			} {
				a := s.Do("GET", path)
				if a.Header.Get("Content-Encoding") == "gzip" {
					z, err := gzip.NewReader(strings.NewReader(a.Body))
					t.NoError(err)
					plain, err := io.ReadAll(z)
					t.NoError(err)
					a.Body = string(plain)
				}
				s.Check(a, want)
			}
			t.Calls(OpCreate)
			t.Events("store_failure:error")
		},
	}
}

func failedCall() Case {
	return Case{
		ID: "M", Slug: "commit/failed-call",
		Rule:   "A refusal for a session call that failed says nothing of the body for which the handler had set headers already.",
		Clause: "DESIGN section 2: a 503 says nothing of the handler's body; RFC 9110 section 8",
		Run: func(t *T) {
			app := standard()
			for path, pass := range map[string]func(Request, error) error{
				"/returned": func(_ Request, err error) error { return err },
				"/failed":   func(r Request, err error) error { return r.Fail(err) },
			} {
				app = app.with("GET", path, func(r Request) error {
					dress(r)
					if _, _, err := note.Get(r.Session()); err != nil {
						return pass(r, err)
					}
					return r.String(200, body)
				})
			}
			s := t.Serve(app)
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			t.Store.Fail(Always(FaultError, OpLoad))
			for _, path := range []string{"/returned", "/failed"} {
				s.refusedInLine(s.Request("GET", path, "Cookie: "+b.Cookie+"="+b.Value), way{})
				t.Calls(OpLoad)
				t.Events("store_failure:error")
			}
		},
	}
}

func failedAfterLogin() Case {
	return Case{
		ID: "M", Slug: "commit/failed-after-login",
		Rule:   "A login that was stored stands although data written after it could not be: the 503 carries the login's cookie.",
		Clause: "DESIGN section 2: the Set-Cookie of a transition that was stored stays",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/login-and-note", func(r Request) error {
				if err := r.Session().Login(r.Context(), session.Identity{Subject: "alice"}); err != nil {
					return r.Fail(err)
				}
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				dress(r)
				return r.String(200, body)
			}))
			b := s.Browser()
			t.Store.Fail(Always(FaultError, OpSwap))
			a := b.Post("/login-and-note")
			s.unavailable(a, way{}, "set")
			t.Calls(OpCreate, OpSwap)
			t.Events("session_created", "authn_login_success", "store_failure:error")
			t.Store.Fail(nil)
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=", Asked: true})
		},
	}
}

func failedAfterLogout() Case {
	return Case{
		ID: "M", Slug: "commit/failed-after-logout",
		Rule:   "A log-out that was stored stands although data written after it could not be: the 503 carries the deletion.",
		Clause: "DESIGN section 2: the Set-Cookie of a transition that was stored stays",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/logout-and-note", func(r Request) error {
				if err := r.Session().Logout(r.Context()); err != nil {
					return r.Fail(err)
				}
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				dress(r)
				return r.String(200, body)
			}))
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			before := b.Value
			t.Store.Fail(Always(FaultError, OpCreate, OpSwap))
			s.unavailable(b.Post("/logout-and-note"), way{}, "delete")
			t.Calls(OpLoad, OpTake, OpCreate)
			t.Events("session_expired:logout", "store_failure:error")
			t.Store.Fail(nil)
			b.Value = before
			s.Check(b.Get("/me"), Anonymous())
		},
	}
}

func failedExplicit() Case {
	return Case{
		ID: "M", Slug: "commit/explicit-failed",
		Rule:   "An explicit commit that fails says so to its handler, whose answer then stands: nothing is pending any more.",
		Clause: "DESIGN section 2: a handler that must know calls Commit",
		Run: func(t *T) {
			result := make(chan error, 1)
			s := t.Serve(standard().with("GET", "/commit", func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				result <- r.Session().Commit(r.Context())
				return r.String(200, body)
			}))
			b := s.Browser()
			s.Check(b.Post("/note?v=old"), Want{Status: 200, Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			t.Store.Fail(Always(FaultError, OpCreate, OpSwap))
			for _, from := range []struct {
				b     *Browser
				calls []Operation
			}{{s.Browser(), []Operation{OpCreate}}, {b, []Operation{OpLoad, OpSwap}}} {
				a := from.b.Get("/commit")
				if err := take(t, result); !errors.Is(err, core.ErrUnknown) {
					t.Failf("Commit: got %v, want %v", err, core.ErrUnknown)
				}
				s.Check(a, Want{Status: 200, Body: body, Asked: true})
				t.Calls(from.calls...)
				t.Events("store_failure:error")
			}
			t.Store.Fail(nil)
			s.Check(b.Get("/note"), Want{Status: 200, Body: "note=old", Asked: true})
		},
	}
}

// own checks a refusal that the application's error handler answered.
func (s *Server) own(a *Answer, status int) {
	s.t.Helper()
	t := s.t
	Equal(t, "status", a.Status, status)
	Equal(t, "body", a.Body, OwnRefusal)
	Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), "no-store")
	for name, when := range map[string]int{"Retry-After": 503, "WWW-Authenticate": 401} {
		if got := a.Header.Get(name); (got != "") != (status == when) {
			t.Failf("%s: got %q with %d", name, got, status)
		}
	}
	s.checkCookies(a, nil)
}

func failedOwnHandler() Case {
	return Case{
		ID: "M", Slug: "commit/failed-own-handler",
		Rule:   "The application's own error handler answers a failed commit too, once, in place of what the handler wrote.",
		Clause: "DESIGN section 2: one ErrorHandler option per adapter",
		Run: func(t *T) {
			app := standard()
			app.OwnErrorHandler = true
			named := map[string]bool{"string": true, "nothing": true, "flush-first": true, "native-error": true, "file": true}
			dir := t.files()
			for _, w := range ways() {
				if !named[w.name] {
					continue
				}
				app = app.with("GET", "/"+w.name, func(r Request) error {
					if err := note.Set(r.Session(), "lost"); err != nil {
						return r.Fail(err)
					}
					dress(r)
					return w.answer(r, dir)
				})
			}
			s := t.Serve(app)
			t.Store.Fail(Always(FaultError, OpCreate))
			for name := range named {
				a := s.Do("GET", "/"+name)
				s.own(a, 503)
				for _, name := range []string{"ETag", "Content-Encoding", "Last-Modified", "Location"} {
					Equal(t, name, a.Header.Get(name), "")
				}
				Equal(t, "Vary", varies(a), "Accept-Encoding, Cookie")
				t.Calls(OpCreate)
				t.Events("store_failure:error")
			}
		},
	}
}

func guardOwnHandler() Case {
	return Case{
		ID: "M", Slug: "commit/guard-own-handler",
		Rule:   "The application's own error handler answers what a guard refuses and what a handler fails with, and the handler behind a guard does not run.",
		Clause: "DESIGN section 2: one ErrorHandler option per adapter",
		Run: func(t *T) {
			ran := make(chan struct{}, 1)
			app := standard().with("GET", "/guarded", func(r Request) error {
				ran <- struct{}{}
				return r.String(200, body)
			}, Guard{Login: true}).with("GET", "/asks", func(r Request) error {
				_, err := r.Principal()
				return r.Fail(err)
			})
			app.OwnErrorHandler = true
			s := t.Serve(app)
			for _, path := range []string{"/guarded", "/asks"} {
				s.own(s.Do("GET", path), 401)
				t.Calls()
			}
			b := s.loggedIn("alice")
			t.Store.Fail(Always(FaultError))
			s.own(b.Get("/guarded"), 503)
			if len(ran) > 0 {
				t.Failf("the handler ran behind a guard that refused")
			}
		},
	}
}

// ended sends raw, has end run while its handler waits at g, and returns the answer.
func (s *Server) ended(raw string, g *gate, end func()) *Answer {
	s.t.Helper()
	c := s.Dial()
	s.t.NoError(c.Send(raw))
	g.await(s.t)
	end()
	g.open()
	return s.receive(c, raw)
}

// dead runs a handler whose session is ended by a log-out while it works.
func dead(t *T, guards []Guard, want Want) {
	g := newGate()
	defer g.open()
	s := t.Serve(standard().with("GET", "/slow", func(r Request) error {
		if err := note.Set(r.Session(), "too late"); err != nil {
			return r.Fail(err)
		}
		g.pass()
		return r.String(200, body)
	}, guards...))
	b := s.loggedIn("alice")
	before := b.Value
	t.Calls(OpCreate)
	t.Events("session_created", "authn_login_success")
	a := s.ended(s.Request("GET", "/slow", "Cookie: "+b.Cookie+"="+b.Value), g, func() {
		s.Check(b.Post("/logout"), Want{Status: 200, Cookies: []string{"delete"}, Asked: true})
		t.Calls(OpLoad, OpLoad, OpTake)
		t.Events("session_expired:logout")
	})
	s.Check(a, want)
	if want.Body == "" && strings.Contains(a.Raw, body) {
		t.Failf("the refused handler's body is in the answer")
	}
	t.Calls(OpSwap)
	t.Events("session_write_dropped")
	b.Value = before
	s.Check(b.Get("/me"), Anonymous())
	t.Events("session_use_after_expire:unknown-id")
}

func deadRecord() Case {
	return Case{
		ID: "M", Slug: "commit/dead-record",
		Rule:   "What a request wants to write into a session that was ended meanwhile is dropped with an event; the answer stands, no cookie is touched and the session stays dead.",
		Clause: "DESIGN section 2: a record found dead at commit; section 3: a destroyed session is never brought back",
		Run: func(t *T) {
			dead(t, nil, Want{Status: 200, Body: body, Asked: true})
		},
	}
}

func deadRecordGuarded() Case {
	return Case{
		ID: "M", Slug: "commit/dead-record-guarded",
		Rule:   "An answer that a guard let through because of a session which was ended before its write could be stored is replaced by 401.",
		Clause: "DESIGN section 2: a record found dead at commit, 401 if a guard ran",
		Run: func(t *T) {
			dead(t, []Guard{{Login: true}}, Anonymous())
		},
	}
}

package conformance

import (
	"io"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/session"
)

// corsVaryCases are about what surrounds CORS in the answers of an application.
func corsVaryCases() []Case {
	return []Case{corsEveryAnswer(), corsNoRoute(), corsRefusals(), corsOwnRefusal(), corsCredentialed(), corsStoreDown(), corsUncommitted(), corsStreams()}
}

// corsEachPage runs check for a listed page, for one that is not listed, and for nobody,
// with what each says of itself and what is added to its answer.
func corsEachPage(check func(lines, added []string)) {
	check([]string{corsFrom(corsPage)}, corsActual(corsPage))
	check([]string{corsFrom(corsEvil)}, []string{corsVary})
	check(nil, []string{corsVary})
}

func corsEveryAnswer() Case {
	return Case{
		ID: "X6", Slug: "cors/vary-on-every-answer",
		Rule:   "However a handler answers, its answer varies on Origin, and has the headers of CORS if its page is allowed, or the page cannot read what went wrong.",
		Clause: "Fetch, CORS protocol and HTTP caches",
		Run: func(t *T) {
			app := standard()
			app.CORS = t.policy(corsConfig())
			ways := []struct {
				name   string
				status int
				lines  []string
				answer Handler
			}{
				{"string", 200, nil, func(r Request) error { return r.String(200, "done") }},
				{"json", 201, nil, func(r Request) error { return r.JSON(201, "done") }},
				{"status", 204, nil, func(r Request) error { return r.Status(204) }},
				{"dressed", 200, []string{"Cache-Control: public, max-age=60", "Etag: \"v1\"", "X-Total: 7"}, func(r Request) error {
					for _, h := range [][2]string{{"Cache-Control", "public, max-age=60"}, {"ETag", `"v1"`}, {"X-Total", "7"}} {
						r.SetHeader(h[0], h[1])
					}
					return r.String(200, "done")
				}},
				{"redirect", 303, []string{"Location: /me"}, func(r Request) error { return r.Redirect(303, "/me") }},
				{"away", 307, []string{"Location: https://evil.example/"}, func(r Request) error { return r.Redirect(307, "https://evil.example/") }},
				{"unmodified", 304, nil, func(r Request) error { return r.Status(304) }},
				{"unauthorized", 401, nil, func(r Request) error { return r.NativeError(401, "who are you") }},
				{"gone", 404, nil, func(r Request) error { return r.NativeError(404, "no such thing") }},
				{"teapot", 418, nil, func(r Request) error { return r.NativeError(418, "short and stout") }},
				{"broken", 500, nil, func(r Request) error { return r.NativeError(500, "broken") }},
				{"unavailable", 503, nil, func(r Request) error { return r.String(503, "later") }},
				{"failed", 500, []string{"Cache-Control: no-store"}, func(r Request) error { return r.Fail(errApplication) }},
				{"error", 500, nil, func(Request) error { return errApplication }},
				{"panic", 500, nil, func(Request) error { panic("the handler's own fault") }},
				{"copied", 200, nil, func(r Request) error { return r.Copy(strings.NewReader("done")) }},
			}
			for _, w := range ways {
				app = app.with("GET", "/"+w.name, w.answer).with("HEAD", "/"+w.name, w.answer)
			}
			s := t.Serve(app)
			corsEachPage(func(lines, added []string) {
				for _, w := range ways {
					want := append(slices.Clone(added), w.lines...)
					for _, method := range []string{"GET", "HEAD"} {
						a := s.Do(method, "/"+w.name, lines...)
						if w.name == "error" { // where handlers return none it is the adapter's Fail
							a.Header.Del("Cache-Control")
						}
						s.corsIs(a, w.status, want...)
					}
				}
			})
			t.nothing()
		},
	}
}

func corsNoRoute() Case {
	return Case{
		ID: "X6", Slug: "cors/vary-where-no-route-is",
		Rule:   "Where CORS is on everything, what the framework itself answers has its headers too.",
		Clause: "Fetch, CORS protocol and HTTP caches",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			corsEachPage(func(lines, added []string) {
				for _, request := range [][2]string{{"GET", "/no/such/path"}, {"POST", "/no/such/path"}, {"DELETE", "/public"}, {"GET", "/login"}, {"HEAD", "/nothing"}} {
					a := s.Do(request[0], request[1], lines...)
					if a.Status != 404 && a.Status != 405 {
						t.Failf("status: got %d, want the framework's 404 or 405", a.Status)
					}
					a.Header.Del("Allow") // RFC 9110 section 15.5.6
					s.corsIs(a, a.Status, added...)
				}
			})
			t.nothing()
		},
	}
}

// corsAnonymous is what is added to the refusal of nobody.
var corsAnonymous = []string{"Vary: Cookie", "Cache-Control: no-store", `Www-Authenticate: Cookie realm="conformance"`}

func corsRefusals() Case {
	return Case{
		ID: "X6", Slug: "cors/vary-on-refusals",
		Rule:   "A refusal has the headers of CORS that the answer would have had: a page may know that its visitor is not logged in.",
		Clause: "Fetch, CORS protocol and HTTP caches; DESIGN section 2",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			alice := s.corsLogin("alice", corsPage)
			corsEachPage(func(lines, added []string) {
				for _, path := range []string{"/me", "/admin", "/fresh"} {
					a := s.corsIs(s.Do("GET", path, lines...), 401, append(slices.Clone(added), corsAnonymous...)...)
					Equal(t, "error code", a.Code(), "MISSING_CREDENTIALS")
				}
				t.nothing()
				a := s.corsIs(alice.Do("GET", "/admin", lines...), 403, append(slices.Clone(added), "Vary: Cookie", "Cache-Control: no-store")...)
				Equal(t, "error code", a.Code(), "FORBIDDEN")
				t.Calls(OpLoad)
				t.Events("authz_fail:role")
			})
		},
	}
}

func corsOwnRefusal() Case {
	return Case{
		ID: "X6", Slug: "cors/vary-on-own-refusals",
		Rule:   "A refusal in the application's own words has the headers of CORS too.",
		Clause: "Fetch, CORS protocol and HTTP caches; DESIGN section 2",
		Run: func(t *T) {
			app := standard()
			app.CORS, app.OwnErrorHandler = t.policy(corsConfig()), true
			s := t.Serve(app)
			corsEachPage(func(lines, added []string) {
				a := s.corsIs(s.Do("GET", "/me", lines...), 401, append(slices.Clone(added), corsAnonymous...)...)
				Equal(t, "body", a.Body, OwnRefusal)
			})
			s.corsPreflight("/me", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			s.corsRefused("/me", corsAsks(corsEvil, "GET")...)
			t.nothing()
		},
	}
}

func corsCredentialed() Case {
	return Case{
		ID: "X6", Slug: "cors/session-of-another-origin",
		Rule:   "A listed page logs its visitor in, reads and writes the session, and logs out, with the cookie and with the headers of CORS on each answer.",
		Clause: "Fetch, CORS protocol and credentials",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			b := s.corsLogin("alice", corsPage)
			here := func(more ...string) []string { return append(corsActual(corsPage), more...) }
			s.corsPreflight("/me", corsGranted(corsPage), corsAsks(corsPage, "GET")...)
			t.nothing()
			s.corsSays(b.Do("GET", "/me", corsFrom(corsPage)), "subject=alice", here("Vary: Cookie", "Cache-Control: private")...)
			t.Calls(OpLoad)
			s.corsSays(b.Do("POST", "/note?v=1", corsFrom(corsPage)), "noted", here("Vary: Cookie", "Cache-Control: private")...)
			t.Calls(OpLoad, OpSwap)
			// What others do is done, and they cannot read it.
			s.corsSays(b.Do("GET", "/note", corsFrom(corsEvil)), "note=1", corsVary, "Vary: Cookie", "Cache-Control: private")
			t.Calls(OpLoad)
			a := b.Do("POST", "/renew", corsFrom(corsPage))
			s.corsSays(a, "renewed", here("Vary: Cookie", "Cache-Control: no-store", "Set-Cookie")...)
			s.checkCookies(a, []string{"set"})
			t.forget()
			a = b.Do("POST", "/logout", corsFrom(corsPage))
			s.corsSays(a, "logged out", here("Vary: Cookie", "Cache-Control: no-store", "Set-Cookie")...)
			s.checkCookies(a, []string{"delete"})
			t.Events("session_expired:logout")
		},
	}
}

func corsStoreDown() Case {
	return Case{
		ID: "X6", Slug: "cors/store-down",
		Rule:   "When the store does not answer, preflights are answered all the same, and the refusal of what needs it can be read by the page.",
		Clause: "DESIGN section 2; Fetch, CORS-preflight fetch",
		Run: func(t *T) {
			s := t.corsServe(corsConfig())
			b := s.corsLogin("alice", corsPage)
			t.Store.Fail(Always(FaultError))
			corsEachPage(func(lines, added []string) {
				a := s.corsIs(b.Do("GET", "/me", lines...), 503, append(slices.Clone(added), "Vary: Cookie", "Cache-Control: no-store", "Retry-After")...)
				Equal(t, "error code", a.Code(), "STORE_UNAVAILABLE")
				t.Calls(OpLoad)
				t.Events("store_failure:error")
				s.corsSays(b.Do("GET", "/public", lines...), "public", added...)
				t.nothing()
			})
			for _, jar := range [][]string{nil, b.lines()} {
				s.corsPreflight("/me", corsGranted(corsPage), append(corsAsks(corsPage, "GET"), jar...)...)
				s.corsRefused("/me", append(corsAsks(corsEvil, "GET"), jar...)...)
			}
			t.nothing()
		},
	}
}

func corsUncommitted() Case {
	return Case{
		ID: "X6", Slug: "cors/survives-failed-commit",
		Rule:   "When what a handler wrote cannot be stored, its answer goes and the headers of CORS stay.",
		Clause: "DESIGN section 2: Vary and CORS headers stay",
		Run: func(t *T) {
			lose := func(r Request) error {
				if err := note.Set(r.Session(), "lost"); err != nil {
					return r.Fail(err)
				}
				r.SetHeader("X-Total", "1")
				return r.String(200, "kept")
			}
			app := standard().with("POST", "/lose", lose).with("POST", "/lose/in", func(r Request) error {
				if err := r.Session().Login(r.Context(), session.Identity{Subject: "alice", Method: "test"}); err != nil {
					return r.Fail(err)
				}
				return lose(r)
			})
			app.CORS = t.policy(corsConfig())
			s := t.Serve(app)
			t.Store.Fail(Always(FaultError, OpSwap))
			corsEachPage(func(lines, added []string) {
				a := s.Do("POST", "/lose/in", lines...)
				s.corsIs(a, 503, append(slices.Clone(added), "Vary: Cookie", "Cache-Control: no-store", "Retry-After", "Set-Cookie", "X-Total: 1")...)
				s.checkCookies(a, []string{"set"})
				Equal(t, "error code", a.Code(), "STORE_UNAVAILABLE")
			})
			t.forget()
			t.Store.Fail(Always(FaultError, OpCreate))
			corsEachPage(func(lines, added []string) {
				a := s.corsIs(s.Do("POST", "/lose", lines...), 503, append(slices.Clone(added), "Vary: Cookie", "Cache-Control: no-store", "Retry-After", "X-Total: 1")...)
				Equal(t, "error code", a.Code(), "STORE_UNAVAILABLE")
				t.Calls(OpCreate)
				t.Events("store_failure:error")
			})
		},
	}
}

func corsStreams() Case {
	return Case{
		ID: "X6", Slug: "cors/streamed-answers",
		Rule:   "An answer that leaves piece by piece has the headers of CORS from its first piece on.",
		Clause: "Fetch, CORS protocol and HTTP responses",
		Run: func(t *T) {
			app := standard()
			app.CORS = t.policy(corsConfig())
			for path, by := range map[string]FlushBy{"/native": FlushNative, "/controller": FlushController} {
				app = app.with("GET", path, func(r Request) error {
					return r.Stream(by, func(w Stream) {
						_ = w.Flush()
						for range 3 {
							_, _ = io.WriteString(w, "piece ")
							_ = w.Flush()
						}
					})
				})
			}
			s := t.Serve(app)
			corsEachPage(func(lines, added []string) {
				for _, path := range []string{"/native", "/controller"} {
					s.corsSays(s.Do("GET", path, lines...), "piece piece piece ", added...)
				}
			})
			t.nothing()
		},
	}
}

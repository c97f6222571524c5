package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// guardLifeCases are about guards, and about requests that no middleware sees.
func guardLifeCases() []Case {
	forbidden := Want{Status: 403, Code: "FORBIDDEN", Asked: true}
	return []Case{{
		ID: "S3", Slug: "session/guard-login",
		Rule:   "A route behind RequireLogin answers its users, 401 to everybody else, and does not run for them.",
		Clause: "RFC 9110 section 15.5.2; DESIGN section 2",
		Run: func(t *T) {
			ran := make(chan string, 10)
			s := t.Serve(standard().with("POST", "/act", func(r Request) error {
				ran <- "act"
				return answer(r, note.Set(r.Session(), "acted"), "done")
			}, Guard{Login: true}))
			b, visitor := s.loggedIn("alice"), s.Browser()
			s.Check(visitor.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			s.Check(s.Browser().Post("/act"), Anonymous())
			s.Check(s.holder("no id at all").Post("/act"), Anonymous())
			t.nothing()
			s.Check(visitor.Post("/act"), Anonymous()) // a session, but nobody's
			t.Calls(OpLoad)
			t.Events()
			Equal(t, "times that the handler ran", len(ran), 0)
			s.Check(b.Post("/act"), says("done"))
			Equal(t, "times that the handler ran", len(ran), 1)
			t.Calls(OpLoad, OpSwap)
			s.Check(visitor.Get("/note"), says("note=cart"))
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/guard-role",
		Rule:   "A route behind RequireRole answers whoever has one of the roles, 403 to other users and 401 to nobody.",
		Clause: "RFC 9110 section 15.5.4; DESIGN section 2",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/either", whoami, Guard{Roles: []string{"editor", "admin"}}))
			as := func(role string) *Browser {
				b := s.Browser()
				s.Check(b.Post("/login?user=alice&role="+role), says("logged in", "set"))
				t.forget()
				return b
			}
			for _, row := range []struct {
				role          string
				admin, either bool
			}{
				{"admin", true, true}, {"editor", false, true}, {"", false, false},
				// Names are compared byte for byte and whole.
				{"Admin", false, false}, {"administrator", false, false}, {"admi", false, false}, {"admin,editor", false, false},
				{"admin%20", false, false}, {"admin%00", false, false},
			} {
				b := as(row.role)
				for target, ok := range map[string]bool{"/admin": row.admin, "/either": row.either} {
					a := b.Get(target)
					t.Calls(OpLoad)
					if ok {
						s.Check(a, says("subject=alice"))
						t.Events()
						continue
					}
					s.Check(a, forbidden)
					Equal(t, "who was refused", t.Events("authz_fail:role")[0].Subject, "alice")
				}
			}
			s.Check(s.Browser().Get("/admin"), Anonymous())
			t.nothing()
		},
	}, {
		ID: "S3", Slug: "session/guard-fresh",
		Rule:   "A route behind RequireFresh wants a proof of identity of at most that age, asks for one by RFC 9470, and is satisfied by a step-up but by no mere use or renewal.",
		Clause: "RFC 9470 section 3; DESIGN section 2",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			b := s.loggedIn("alice")
			t.forget()
			t.Clock.Advance(freshFor)
			s.Check(b.Get("/fresh"), says("subject=alice"))
			t.forget()
			t.Clock.Advance(time.Microsecond)
			for range 2 {
				s.Check(b.Get("/fresh"), stale())
				Equal(t, "who was refused", t.Events("authz_fail:stale")[0].Subject, "alice")
				s.Check(b.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad, OpLoad)
				s.Check(b.Post("/note?v=x"), says("noted"))
				s.Check(b.Post("/renew"), says("renewed", "set"))
				s.Check(b.Get("/me"), says("subject=alice"))
				t.forget()
			}
			s.Check(b.Post("/stepup?user=alice"), says("stepped up", "set"))
			t.forget()
			s.Check(b.Get("/fresh"), says("subject=alice"))
			t.Events()
			// Nobody is asked for credentials, not for more recent ones.
			s.Check(s.Browser().Get("/fresh"), Anonymous())
			t.Events()
		},
	}, {
		ID: "S3", Slug: "session/principal-is-what-was-proven",
		Rule:   "The principal has the subject, roles, scopes, method and time of the login, a handle that is no credential, and slices that are the receiver's own.",
		Clause: "core.Principal",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/enter", func(r Request) error {
				err := r.Session().Login(r.Context(), session.Identity{
					Subject: "älice", Roles: []string{"editor", "admin"}, Scopes: []string{"read", "write"},
					Method: "webauthn", AuthTime: epoch.Add(-time.Minute),
				})
				return answer(r, err, "entered")
			}).with("GET", "/principal", func(r Request) error {
				first, err := r.Principal()
				if err != nil {
					return r.Fail(err)
				}
				first.Roles[0], first.Scopes[0] = "root", "everything"
				p, err := r.Principal()
				if err != nil {
					return r.Fail(err)
				}
				below, err := core.PrincipalFrom(r.Context())
				if err != nil || !slices.Equal(below.Roles, p.Roles) || below.Session != p.Session {
					return r.String(500, "the doors disagree")
				}
				return r.String(200, fmt.Sprintf("%s %q %q %s %s|%s", p.Subject, p.Roles, p.Scopes, p.Method,
					p.AuthTime.UTC().Format(time.TimeOnly), p.Session))
			}))
			b := s.Browser()
			s.Check(b.Post("/enter"), says("entered", "set"))
			handle := t.Events("session_created", "authn_login_success")[0].Session
			t.forget()
			s.Check(b.Get("/principal"), says(`älice ["editor" "admin"] ["read" "write"] webauthn 03:03:05|`+handle))
			t.Calls(OpLoad)
			t.Events()
			if len(handle) < 16 || strings.Contains(b.Value, handle) {
				t.Failf("handle %q is a part of the credential, or too short to be unique", handle)
			}
			s.Check(s.holder(handle).Get("/me"), Anonymous())
			t.nothing()
		},
	}, {
		ID: "S3", Slug: "session/skipped-request-has-no-session",
		Rule:   "Where the skipper skips, or no middleware is mounted, every session call says ErrNoMiddleware, the store is not asked, and guards refuse with 500.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			sessionless := func(r Request) error {
				s := r.Session()
				_, _, getErr := note.Get(s)
				_, countErr := hits.Get(s)
				_, flashErr := flash.Take(s)
				_, principalErr := s.Principal()
				_, nativeErr := r.Principal()
				_, belowErr := core.PrincipalFrom(r.Context())
				_, infoErr := s.Info()
				_, devicesErr := s.Devices(r.Context())
				_, revokeErr := s.Revoke(r.Context(), "")
				for i, err := range []error{
					getErr, countErr, flashErr, principalErr, nativeErr, belowErr, infoErr, devicesErr, revokeErr,
					s.RevokeOthers(r.Context()), s.RevokeAll(r.Context()),
					note.Set(s, "x"), hits.Add(s, 1), flash.Add(s, "x"), s.Commit(r.Context()), s.Authorize(),
					s.Login(r.Context(), session.Identity{Subject: "mallory"}), s.Logout(r.Context()), s.Renew(r.Context()),
				} {
					if !errors.Is(err, core.ErrNoMiddleware) {
						return r.String(500, fmt.Sprintf("call %d: %v", i, err))
					}
				}
				if s != nil {
					return r.String(500, "there is a session")
				}
				return r.String(200, "nothing here")
			}
			plain := Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"}
			guards := []Guard{{Login: true}, {Roles: []string{"admin"}}, {Fresh: freshFor}}
			// Nothing behind the guard asks again: it is the guard that must refuse.
			passed := func(r Request) error { return r.String(200, "passed") }
			alice := t.Serve(standard()).loggedIn("alice").Value
			t.forget()
			app := standard().with("GET", "/skipped", sessionless)
			app.SkipPath = "/skipped"
			s := t.Serve(app)
			s.Check(s.holder(alice).Get("/skipped"), Want{Status: 200, Body: "nothing here"})
			s.Check(s.Browser().Get("/skipped"), Want{Status: 200, Body: "nothing here"})
			t.nothing()
			s.Check(s.holder(alice).Get("/me"), says("subject=alice")) // and this one is not skipped
			t.Calls(OpLoad)

			app = App{NoMiddleware: true}.with("GET", "/bare", sessionless).with("POST", "/note", func(r Request) error {
				return answer(r, note.Set(r.Session(), "x"), "noted")
			})
			for i, g := range guards {
				app = app.with("GET", fmt.Sprint("/guarded", i), passed, g)
				skips := standard().with("GET", "/skipped", passed, g)
				skips.SkipPath = "/skipped"
				s := t.Serve(skips)
				s.Check(s.holder(alice).Get("/skipped"), plain)
				s.Check(s.Browser().Get("/skipped"), plain)
			}
			s = t.Serve(app)
			s.Check(s.holder(alice).Get("/bare"), Want{Status: 200, Body: "nothing here"})
			s.Check(s.holder(alice).Post("/note"), plain)
			for i := range guards {
				s.Check(s.holder(alice).Get(fmt.Sprint("/guarded", i)), plain)
				s.Check(s.Browser().Get(fmt.Sprint("/guarded", i)), plain)
			}
			t.nothing()
		},
	}, {
		ID: "S3", Slug: "session/own-error-handler-answers-refusals",
		Rule:   "The application's own ErrorHandler gives refusals their body, and status, challenge and Cache-Control stay what they are.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			app := changingApp()
			app.OwnErrorHandler = true
			hold := newBarrier()
			s := t.Serve(lateApp(app, hold))
			// The body is not ours, so Check finds no code in it and wants none of
			// what goes with one; that is looked at here.
			check := func(a *Answer, status int, challenge string) {
				t.Helper()
				got := a.Header.Get("WWW-Authenticate")
				if challenge == "" && got != "" || !strings.HasPrefix(got, challenge) {
					t.Failf("WWW-Authenticate: got %q, want %q", got, challenge)
				}
				a.Header.Del("WWW-Authenticate")
				a.Header.Del("Retry-After")
				s.Check(a, Want{Status: status, Body: OwnRefusal, Asked: true, CacheControl: "no-store"})
			}
			b := s.loggedIn("alice")
			old := s.holder(b.Value)
			t.forget()
			check(s.Browser().Get("/me"), 401, `Cookie realm="conformance"`)
			check(b.Get("/admin"), 403, "")
			t.Clock.Advance(2 * freshFor)
			check(b.Get("/fresh"), 401, `Cookie realm="conformance", error="insufficient_user_authentication"`)
			t.Events("authz_fail:role", "authz_fail:stale")
			// Refusals that a handler passes on, and one that takes the place of an
			// answer under way.
			check(s.Browser().Post("/renew"), 401, `Cookie realm="conformance"`)
			check(b.Post("/login?user="), 500, "")
			s.Check(b.Post("/renew"), says("renewed", "set"))
			check(old.Post("/logout"), 503, "")
			s.Check(b.Get("/whoami"), says("subject=alice"))
			f := b.send("POST", "/late-guarded?v=x")
			hold.await(t, 1)
			s.Check(b.Post("/logout"), says("logged out", "delete"))
			hold.release()
			check(f.land(), 401, `Cookie realm="conformance"`)
			t.Events("session_renewed:renewal", "session_expired:logout", "session_write_dropped")
		},
	}}
}

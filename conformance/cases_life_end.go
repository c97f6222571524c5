package conformance

import (
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
)

// endLifeCases are about sessions that end.
func endLifeCases() []Case {
	return []Case{{
		ID: "S4", Slug: "session/logout-ends-session",
		Rule:   "After a logout the cookie is worth nothing, on the same connection and on any other, and the store holds nothing under it.",
		Clause: "OWASP ASVS 5.0 7.4.1; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.loggedIn("alice")
			s.Check(b.Post("/note?v=secret"), says("noted"))
			id := b.Value
			cookie := "Cookie: " + s.Cookie + "=" + id
			t.forget()
			c := s.Dial()
			s.Check(s.On(c, s.Request("POST", "/logout", cookie)), says("logged out", "delete"))
			t.Calls(OpLoad, OpTake)
			Equal(t, "who was logged out", t.Events("session_expired:logout")[0].Subject, "alice")
			s.noRow(id)
			for range 2 {
				s.Check(s.On(c, s.Request("GET", "/me", cookie)), Anonymous())
				s.Check(s.holder(id).Get("/me"), Anonymous())
				s.Check(s.holder(id).Get("/note"), says("note="))
				t.Events(unknownID, unknownID, unknownID)
			}
			s.Check(s.holder(id).Post("/renew"), Anonymous())
			s.Check(s.holder(id).Get("/fresh"), Anonymous())
			t.Events(unknownID, unknownID)
			t.Calls(OpLoad, OpLoad, OpLoad, OpLoad, OpLoad, OpLoad, OpLoad, OpLoad)
		},
	}, {
		ID: "S4", Slug: "session/logout-deletes-the-cookie-it-set",
		Rule:   "The deletion carries the name, prefix and attributes of the cookie that was set, because a browser deletes no other.",
		Clause: "RFC 6265bis section 5.7; RFC 6265bis section 4.1.3",
		Run: func(t *T) {
			for _, form := range []struct {
				cookie cookie.Config
				name   string
				scope  string // what stands before and after Max-Age
				flags  string
			}{
				{cookie.Config{}, "__Host-session", "Path=/", "Secure; HttpOnly; SameSite=Lax"},
				{cookie.Config{Name: "sid", SameSite: cookie.SameSiteStrict}, "__Host-sid", "Path=/", "Secure; HttpOnly; SameSite=Strict"},
				{cookie.Config{Domain: "example.com"}, "__Secure-session", "Path=/; Domain=example.com", "Secure; HttpOnly; SameSite=Lax"},
				{cookie.Config{SameSite: cookie.SameSiteNone, Partitioned: true}, "__Host-session", "Path=/", "Secure; HttpOnly; SameSite=None; Partitioned"},
				{cookie.Config{InsecureHTTP: true}, "session", "Path=/", "HttpOnly; SameSite=Lax"},
			} {
				t.Config.Cookie = form.cookie
				s := t.Serve(standard())
				b := s.Browser()
				a := b.Post("/login?user=alice")
				s.Check(a, says("logged in", "="+form.name+"="+b.Value+"; "+form.scope+"; Max-Age=86400; "+form.flags))
				if !newValue.MatchString(b.Value) {
					t.Failf("cookie value: got %q", b.Value)
				}
				s.Check(b.Post("/logout"), says("logged out",
					"="+form.name+"=; "+form.scope+"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; "+form.flags))
				Equal(t, "the jar after the deletion", b.Value, "")
				t.Events("session_created", "authn_login_success", "session_expired:logout")
				t.Calls(OpCreate, OpLoad, OpTake)
			}
		},
	}, {
		ID: "S4", Slug: "session/only-a-logout-deletes-the-cookie",
		Rule:   "A deletion cookie is sent by a successful logout of that very credential and by nothing else, because a late answer would wipe out a fresh login.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			// Nobody, or a cookie that cannot be ours.
			for _, value := range []string{"", "short"} {
				s.Check(s.holder(value).Post("/logout"), says("logged out"))
				s.Check(s.holder(value).Get("/me"), Anonymous())
				t.nothing()
			}
			// Dead by logout, by login, by time.
			b := s.loggedIn("alice")
			out := s.holder(b.Value)
			s.Check(b.Post("/logout"), says("logged out", "delete"))
			replaced := s.Browser()
			s.Check(replaced.Post("/note?v=cart"), says("noted", "set:7200"))
			s.Check(s.holder(replaced.Value).Post("/login?user=alice"), says("logged in", "set"))
			idle := s.loggedIn("alice")
			t.Clock.Advance(25 * time.Hour)
			s.Check(idle.Get("/me"), Anonymous())
			t.forget()
			for _, dead := range []string{out.Value, replaced.Value, idle.Value} {
				for _, r := range []struct {
					method, target string
					want           Want
				}{
					{"POST", "/logout", says("logged out")},
					{"GET", "/me", Anonymous()},
					{"GET", "/admin", Anonymous()},
					{"GET", "/fresh", Anonymous()},
					{"GET", "/whoami", says("anonymous")},
					{"POST", "/renew", Anonymous()},
				} {
					s.Check(s.holder(dead).Do(r.method, r.target), r.want)
					t.Calls(OpLoad)
					t.Events(unknownID)
				}
			}
			// A logout of what is no login is one nevertheless.
			cart := s.Browser()
			s.Check(cart.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			s.Check(cart.Post("/logout"), says("logged out", "delete"))
			t.Calls(OpLoad, OpTake)
			t.Events("session_expired:logout")
		},
	}, {
		ID: "S4", Slug: "session/what-follows-a-logout-is-a-new-session",
		Rule:   "What a request stores after its logout begins a session that has nothing of the old one, and the answer sets that one cookie.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp().with("POST", "/goodbye", func(r Request) error {
				if err := note.Set(r.Session(), "unsaved"); err != nil {
					return r.Fail(err)
				}
				if err := r.Session().Logout(r.Context()); err != nil {
					return r.Fail(err)
				}
				return addFlash(r)
			}))
			b := s.loggedIn("alice")
			s.Check(b.Post("/hit"), says("hit"))
			id := b.Value
			t.forget()
			s.Check(b.Post("/goodbye?v=bye"), says("added", "set:7200"))
			t.Calls(OpLoad, OpTake, OpCreate)
			t.Events("session_expired:logout", "session_created")
			if b.Value == id {
				t.Failf("the id survived the logout")
			}
			s.noRow(id)
			s.Check(b.Get("/me"), Anonymous())
			s.Check(b.Get("/note"), says("note="))
			s.Check(b.Get("/hits"), says("hits=0"))
			s.Check(b.Get("/flash"), says("flash=[bye]"))
			s.Check(s.holder(id).Get("/me"), Anonymous())
			t.Events(unknownID)
		},
	}, {
		ID: "S4", Slug: "session/parallel-logouts-delete-once",
		Rule:   "Of two logouts at once one ends the session and deletes the cookie; the other succeeds and says nothing.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(standard().with("POST", "/slow-logout", func(r Request) error {
				if err := r.Session().Authorize(); err != nil {
					return r.Fail(err)
				}
				hold.hold()
				return answer(r, r.Session().Logout(r.Context()), "logged out")
			}))
			b := s.loggedIn("alice")
			t.forget()
			flights := []*flight{b.send("POST", "/slow-logout"), b.send("POST", "/slow-logout")}
			hold.await(t, 2)
			hold.release()
			deletions := 0
			for _, f := range flights {
				a := f.land()
				want := says("logged out")
				if len(a.Cookies()) > 0 {
					want.Cookies = []string{"delete"}
					deletions++
				}
				s.Check(a, want)
			}
			Equal(t, "deletions", deletions, 1)
			t.Events("session_expired:logout")
			t.Calls(OpLoad, OpLoad, OpTake, OpTake)
			s.noRow(b.Value)
		},
	}, {
		ID: "S4", Slug: "session/every-end-is-told-once",
		Rule:   "Every session that began ends with exactly one event that says why, whichever way it ends and however often it is asked for afterwards.",
		Clause: "OWASP Logging Vocabulary; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			visitor := func() *Browser {
				b := s.Browser()
				s.Check(b.Post("/note?v=x"), says("noted", "set:7200"))
				return b
			}
			alice := func() *Browser { return s.loggedIn("alice") }
			keepUsing := func(b *Browser) {
				for range 14 {
					t.Clock.Advance(12 * time.Hour)
					b.Get("/me")
				}
			}
			for _, row := range []struct {
				cause audit.Cause
				begin func() *Browser
				end   func(*Browser)
			}{
				{audit.CauseLogout, alice, func(b *Browser) { b.Post("/logout") }},
				{audit.CauseLogout, visitor, func(b *Browser) { b.Post("/logout") }},
				{audit.CauseLogin, visitor, func(b *Browser) { b.Post("/login?user=bob"); b.Post("/logout") }},
				{audit.CauseUserSwitch, alice, func(b *Browser) { b.Post("/login?user=bob"); b.Post("/logout") }},
				{audit.CauseIdle, alice, func(*Browser) { t.Clock.Advance(24 * time.Hour) }},
				{audit.CauseIdle, visitor, func(*Browser) { t.Clock.Advance(2 * time.Hour) }},
				{audit.CauseAbsolute, alice, keepUsing},
				{audit.CauseLogout, alice, func(b *Browser) { b.Post("/renew"); b.Post("/login?user=alice"); b.Post("/logout") }},
				{audit.CauseLogout, alice, func(b *Browser) { b.Post("/login?user=alice&role=admin"); b.Post("/logout") }},
			} {
				t.forget()
				b := row.begin()
				var first audit.Event
				for _, e := range t.Audit.Take() {
					if e.Name == audit.SessionCreated {
						first = e
					}
				}
				id := b.Value
				row.end(b)
				for range 2 {
					s.Check(s.holder(id).Get("/me"), Anonymous())
					s.Check(s.holder(id).Post("/logout"), says("logged out"))
				}
				var told []string
				balance := 1
				for _, e := range t.Audit.Take() {
					switch e.Name {
					case audit.SessionCreated:
						balance++
					case audit.SessionExpired:
						balance--
						if e.Session == first.Session {
							told = append(told, string(e.Cause)+" "+e.Subject)
						}
					}
				}
				Equal(t, "ends that were told of", strings.Join(told, ", "), string(row.cause)+" "+first.Subject)
				Equal(t, "sessions that began and did not end", balance, 0)
				s.noRow(id)
			}
		},
	}}
}

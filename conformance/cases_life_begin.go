package conformance

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/audit"
)

// beginLifeCases are about where ids come from, and what does not make a session.
func beginLifeCases() []Case {
	return []Case{{
		ID: "S1", Slug: "session/unknown-id-never-adopted",
		Rule:   "An id that the client chose never becomes a session's: nothing is stored under it, and what is issued is another.",
		Clause: "RFC 6265bis section 8.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			// Well-formed, so that nothing but the store can tell that it was
			// never issued.
			invented := base64.RawURLEncoding.EncodeToString([]byte("an id that its own client has chosen"))
			b := s.holder(invented)
			s.Check(b.Get("/me"), Anonymous())
			t.Calls(OpLoad)
			t.Events(unknownID)
			s.Check(b.Get("/whoami"), says("anonymous"))
			t.Calls(OpLoad)
			t.Events(unknownID)
			s.noRow(invented)
			for _, write := range []struct {
				target, cookie string
				events         []string
			}{
				{"/note?v=planted", "set:7200", []string{unknownID, "session_created"}},
				{"/login?user=alice", "set", []string{unknownID, "session_created", "authn_login_success"}},
			} {
				b := s.holder(invented)
				s.Check(b.Post(write.target), Want{Status: 200, Cookies: []string{write.cookie}, Asked: true})
				if b.Value == invented {
					t.Failf("POST %s adopted the client's id", write.target)
				}
				t.Events(write.events...)
				s.Check(s.holder(invented).Get("/me"), Anonymous())
				s.Check(s.holder(invented).Get("/note"), says("note="))
				t.Events(unknownID, unknownID)
				s.noRow(invented)
				t.Calls(OpLoad, OpCreate, OpLoad, OpLoad)
			}
		},
	}, {
		ID: "S2", Slug: "session/login-changes-id",
		Rule:   "A login changes the session's id, and the id from before it is worth nothing afterwards.",
		Clause: "RFC 6265bis section 8.4; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.Browser()
			s.Check(b.Post("/note?v=cart"), says("noted", "set:7200"))
			before := b.Value
			t.Events("session_created")
			t.Calls(OpCreate)
			// Who planted the id, or read it, is there before the login and after.
			other := s.holder(before)
			s.Check(other.Get("/note"), says("note=cart"))
			t.Calls(OpLoad)
			s.Check(b.Post("/login?user=alice"), says("logged in", "set"))
			t.Events("session_expired:login", "session_created", "authn_login_success")
			t.Calls(OpLoad, OpTake, OpCreate)
			if b.Value == before {
				t.Failf("the id survived the login")
			}
			s.Check(b.Get("/me"), says("subject=alice"))
			s.Check(b.Get("/note"), says("note=cart"))
			s.Check(other.Get("/me"), Anonymous())
			s.Check(other.Get("/note"), says("note="))
			s.noRow(before)
			t.Events(unknownID, unknownID)
			t.Calls(OpLoad, OpLoad, OpLoad, OpLoad)
		},
	}, {
		ID: "S2", Slug: "session/login-without-a-record",
		Rule:   "A login that finds no session makes one under an id of its own, and the same user's next login another.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			seen := map[string]bool{}
			for _, lines := range [][]string{nil, {"Cookie: " + s.Cookie + "="}, {"Cookie: " + s.Cookie + "=short"}, nil} {
				b := s.Browser()
				s.Check(b.Do("POST", "/login?user=alice", lines...), says("logged in", "set"))
				t.Calls(OpCreate)
				t.Events("session_created", "authn_login_success")
				if seen[b.Value] {
					t.Failf("two logins got one id")
				}
				seen[b.Value] = true
				s.Check(b.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad)
			}
			t.Events()
		},
	}, {
		ID: "S2", Slug: "session/login-carries-data-once",
		Rule:   "What an anonymous visitor stored, also in the very request that logs in, is in the session after the login, and in that one only.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(standard().with("POST", "/order", func(r Request) error {
				if err := note.Set(r.Session(), "ordered"); err != nil {
					return r.Fail(err)
				}
				return login0(r)
			}).with("POST", "/slow-login", func(r Request) error {
				if _, _, err := note.Get(r.Session()); err != nil {
					return r.Fail(err)
				}
				hold.hold()
				return login0(r)
			}))
			b := s.Browser()
			s.Check(b.Post("/hit"), says("hit", "set:7200"))
			t.forget()
			s.Check(b.Post("/order?user=alice"), says("logged in", "set"))
			t.Calls(OpLoad, OpTake, OpCreate)
			t.Events("session_expired:login", "session_created", "authn_login_success")
			s.Check(b.Get("/note"), says("note=ordered"))
			s.Check(b.Get("/hits"), says("hits=1"))

			// A double click on the login button: both log in, and the cart is not
			// doubled.
			b = s.Browser()
			s.Check(b.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			first, second := b.send("POST", "/slow-login?user=bob"), b.send("POST", "/slow-login?user=bob")
			hold.await(t, 2)
			hold.release()
			carts := 0
			for _, f := range []*flight{first, second} {
				b := s.Browser()
				b.Take(s.Check(f.land(), says("logged in", "set")))
				s.Check(b.Get("/me"), says("subject=bob"))
				if b.Get("/note").Body == "note=cart" {
					carts++
				}
			}
			Equal(t, "sessions that got the cart", carts, 1)
			s.noRow(b.Value)
			t.eventsAnyOrder("session_expired:login", "session_created", "session_created", "authn_login_success", "authn_login_success")
			t.Calls(OpLoad, OpLoad, OpTake, OpTake, OpCreate, OpCreate, OpLoad, OpLoad, OpLoad, OpLoad)
		},
	}, {
		ID: "S2", Slug: "session/login-refuses-nobody",
		Rule:   "A login without a subject logs nobody in and leaves the session that is there as it was.",
		Clause: "session.Identity",
		Run: func(t *T) {
			s := t.Serve(standard())
			s.Check(s.Browser().Post("/login?user="), failure())
			t.nothing()
			b := s.loggedIn("alice")
			before := b.Value
			t.forget()
			s.Check(b.Post("/login?user="), failure())
			t.Calls(OpLoad)
			Equal(t, "cookie", b.Value, before)
			s.Check(b.Get("/me"), says("subject=alice"))
			t.Calls(OpLoad)
			t.Events()
		},
	}, {
		ID: "S14", Slug: "session/visitors-leave-nothing",
		Rule:   "Visitors who store nothing leave no record and get no cookie, however many they are.",
		Clause: "DESIGN section 3 (lazy)",
		Run: func(t *T) {
			s := t.Serve(standard().with("GET", "/login", loginPage))
			for range 10 {
				c := s.Dial()
				for range 500 {
					s.Check(s.On(c, s.Request("GET", "/public")), Want{Status: 200, Body: "public"})
					s.Check(s.On(c, s.Request("GET", "/login")), says("who are you?"))
				}
				c.Close()
			}
			t.nothing()
			Equal(t, "keys that the store ever heard of", t.Store.Keys(), 0)
		},
	}, {
		ID: "S20", Slug: "session/random-source-fails",
		Rule:   "When the random source fails or falls short no id is issued: the answer says so, nothing is stored and the session that was there goes on.",
		Clause: "DESIGN section 3; NIST SP 800-63B section 5.1",
		Run: func(t *T) {
			source := &source{}
			t.Config.Rand, t.Config.Secret = source, bytes.Repeat([]byte("secret"), 6)
			s := t.Serve(standard().with("POST", "/flash", addFlash))
			cart, alice := s.Browser(), s.loggedIn("alice")
			s.Check(cart.Post("/note?v=cart"), says("noted", "set:7200"))
			t.forget()
			anonymous, cartID, aliceID := s.Browser(), cart.Value, alice.Value
			for _, step := range []struct {
				b      *Browser
				target string
				reads  int // how many times the step asks for random bytes
				loads  []Operation
			}{
				{anonymous, "/note?v=x", 3, nil},
				{anonymous, "/login?user=bob", 2, nil},
				{cart, "/login?user=bob", 2, []Operation{OpLoad}},
				{alice, "/login?user=bob", 2, []Operation{OpLoad}},
				{alice, "/login?user=alice", 1, []Operation{OpLoad}},
				{alice, "/login?user=alice&role=admin", 1, []Operation{OpLoad}},
				{alice, "/renew", 1, []Operation{OpLoad}},
			} {
				for read := range step.reads {
					for _, short := range []bool{false, true} {
						source.failAt(read, short)
						s.Check(step.b.Post(step.target), failure())
						t.Calls(step.loads...)
						t.Events()
					}
				}
			}
			source.failAt(0, false)
			s.Check(anonymous.Post("/flash?v=x"), Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"}) // before it asks
			t.nothing()
			source.failAt(-1, false)
			s.Check(cart.Get("/note"), says("note=cart"))
			s.Check(alice.Get("/me"), says("subject=alice"))
			Equal(t, "cookies", [3]string{anonymous.Value, cart.Value, alice.Value}, [3]string{"", cartID, aliceID})
			t.Calls(OpLoad, OpLoad)
			s.Check(anonymous.Post("/login?user=bob"), says("logged in", "set"))
		},
	}, {
		ID: "S20", Slug: "session/ids-are-random",
		Rule:   "Ten thousand ids are all different, and every character of theirs is drawn from the whole alphabet.",
		Clause: "OWASP ASVS 5.0 7.2.3; NIST SP 800-63B section 5.1",
		Run: func(t *T) {
			s := t.Serve(standard())
			const conns, each = 20, 500
			seen := map[string]bool{}
			var symbols [48]map[byte]bool
			for i := range symbols {
				symbols[i] = map[byte]bool{}
			}
			for range conns {
				c := s.Dial()
				for range each {
					a := s.Check(s.On(c, s.Request("POST", "/note?v=x")), says("noted", "set:7200"))
					id := a.Cookies()[0].Value
					seen[id] = true
					for i := range symbols {
						symbols[i][id[i]] = true
					}
				}
				c.Close()
			}
			Equal(t, "different ids", len(seen), conns*each)
			for i, found := range symbols {
				// The chance that one of 64 symbols is missing from 10,000 fair
				// draws is below 10^-66.
				Equal(t, fmt.Sprint("symbols at place ", i), len(found), 64)
			}
			// A subject's ids share their routing tag and nothing else.
			secrets := map[string]bool{}
			for range 20 {
				secrets[s.loggedIn("alice").Value[6:]] = true
			}
			Equal(t, "different secrets of one subject", len(secrets), 20)
			t.Audit.Take()
			Equal(t, "rows created", t.Store.Calls()[OpCreate], conns*each+20)
		},
	}, {
		ID: "S22", Slug: "session/apps-on-one-store-are-apart",
		Rule:   "Two applications on one store and one secret do not know each other's sessions.",
		Clause: "DESIGN section 3 (store key)",
		Run: func(t *T) {
			t.Config.Secret = bytes.Repeat([]byte("secret"), 6)
			shop := t.Serve(standard())
			t.Config.App = "forum"
			forum := t.Serve(standard())
			alice := shop.loggedIn("alice")
			id := alice.Value
			t.forget()
			stranger := forum.holder(id)
			forum.Check(stranger.Get("/me"), Want{Status: 401, Code: "MISSING_CREDENTIALS", Asked: true, Challenge: `realm="forum"`})
			forum.Check(stranger.Post("/logout"), says("logged out"))
			forum.Check(stranger.Get("/whoami"), says("anonymous"))
			t.Events(unknownID, unknownID, unknownID)
			t.Calls(OpLoad, OpLoad, OpLoad)
			forum.Check(stranger.Post("/login?user=bob"), says("logged in", "set"))
			t.forget()
			shop.Check(alice.Get("/me"), says("subject=alice"))
			shop.Check(shop.holder(stranger.Value).Get("/me"), Anonymous())
			t.Events(unknownID)
			// Each hears the end of its own sessions only.
			t.Clock.Advance(25 * time.Hour)
			shop.Check(alice.Get("/me"), Anonymous())
			forum.Check(stranger.Get("/me"), Want{Status: 401, Code: "MISSING_CREDENTIALS", Asked: true, Challenge: `realm="forum"`})
			for _, e := range t.Events("session_expired:idle", unknownID, "session_expired:idle", unknownID) {
				if e.Name == audit.SessionExpired {
					Equal(t, "the application of "+e.Subject, e.App, map[string]string{"alice": "conformance", "bob": "forum"}[e.Subject])
				}
			}
		},
	}}
}

// loginPage reads everything that a login page might show, and stores nothing.
func loginPage(r Request) error {
	s := r.Session()
	_, _, noteErr := note.Get(s)
	_, hitsErr := hits.Get(s)
	_, flashErr := flash.Take(s)
	// Forgetting what never was is no reason to begin a session either.
	return answer(r, errors.Join(noteErr, hitsErr, flashErr, note.Delete(s)), "who are you?")
}

// addFlash adds ?v= to the flash values.
func addFlash(r Request) error { return answer(r, flash.Add(r.Session(), r.Query("v")), "added") }

// source is a source of random bytes that can be made to fail.
type source struct {
	mu    sync.Mutex
	next  int // how many reads still succeed; negative for all
	short bool
	armed bool
}

var errSource = errors.New("conformance: injected random failure")

// failAt makes every read from the given one on fail, at once or after half of the
// bytes; a negative one ends that.
func (s *source) failAt(read int, short bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.short, s.armed = read, short, read >= 0
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed {
		s.next--
		switch {
		case s.next >= 0:
		case s.short && s.next == -1:
			n, _ := rand.Read(p[:len(p)/2])
			return n, io.EOF
		default:
			return 0, errSource
		}
	}
	return rand.Read(p)
}

package conformance

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// timeLifeCases are about how long sessions last.
func timeLifeCases() []Case {
	return []Case{{
		ID: "S8", Slug: "session/idle-timeout",
		Rule:   "A session that nobody uses ends after the idle timeout, a visitor's sooner, and with one event.",
		Clause: "OWASP ASVS 5.0 7.3.1; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			for _, row := range []struct {
				begin, cookie string
				idle          time.Duration
			}{
				{"/login?user=alice", "set:86400", 24 * time.Hour},
				{"/note?v=x", "set:7200", 2 * time.Hour},
			} {
				for _, early := range []time.Duration{0, -30 * 24 * time.Hour, time.Millisecond} {
					b := s.Browser()
					s.Check(b.Post(row.begin), Want{Status: 200, Cookies: []string{row.cookie}, Asked: true})
					t.forget()
					t.Clock.Advance(row.idle - early)
					if early > 0 {
						// Being asked for is what keeps a session; this one was
						// asked for in time.
						a := b.Get("/note")
						s.Check(a, Want{Status: 200, Cookies: []string{row.cookie}, Asked: true})
						t.Calls(OpLoad, OpSwap)
						t.Events()
						continue
					}
					s.Check(b.Get("/me"), Anonymous())
					t.Events("session_expired:idle", unknownID)
					s.Check(b.Get("/note"), says("note="))
					s.Check(b.Post("/logout"), says("logged out"))
					t.Events(unknownID, unknownID)
					t.Calls(OpLoad, OpLoad, OpLoad)
					s.noRow(b.Value)
				}
			}
		},
	}, {
		ID: "S8", Slug: "session/use-puts-off-the-idle-end",
		Rule:   "Use puts off the idle end, also when it is only reading; requests that do not ask for the session are no use of it.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.loggedIn("alice")
			id := b.Value
			t.forget()
			for range 6 {
				t.Clock.Advance(23 * time.Hour)
				s.Check(b.Get("/me"), says("subject=alice", "set"))
				t.Calls(OpLoad, OpSwap)
			}
			Equal(t, "cookie", b.Value, id)
			for range 4 {
				t.Clock.Advance(6 * time.Hour)
				s.Check(b.Get("/public"), Want{Status: 200, Body: "public"})
			}
			t.nothing()
			s.Check(b.Get("/me"), Anonymous())
			t.Events("session_expired:idle", unknownID)
		},
	}, {
		ID: "S9", Slug: "session/absolute-timeout",
		Rule:   "A session ends after the absolute timeout whatever its use, and no cookie ever promises more than is left.",
		Clause: "OWASP ASVS 5.0 7.3.2; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			line := func(b *Browser, age int) string {
				return fmt.Sprintf("=__Host-session=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Lax", b.Value, age)
			}
			b := s.loggedIn("alice")
			const step = 12 * time.Hour
			left := 7 * 24 * time.Hour
			for left > step {
				t.Clock.Advance(step)
				left -= step
				age := int(min(left, 24*time.Hour) / time.Second)
				s.Check(b.Get("/me"), says("subject=alice", line(b, age)))
			}
			// A change of the session moves its end no more than use does.
			t.Clock.Advance(10 * time.Hour)
			s.Check(b.Post("/renew"), says("renewed", "set:7200"))
			t.Clock.Advance(time.Hour)
			s.Check(b.Post("/stepup?user=alice"), says("stepped up", "set:3600"))
			t.Clock.Advance(30 * time.Minute)
			s.Check(b.Post("/login?user=alice&role=admin"), says("logged in", "set:1800"))
			// Whole seconds, rounded down: the browser forgets first.
			t.Clock.Advance(29*time.Minute + 57*time.Second + 100*time.Millisecond)
			s.Check(b.Post("/renew"), says("renewed", "set:2"))
			s.Check(b.Get("/me"), says("subject=alice"))
			t.forget()
			t.Clock.Advance(2*time.Second + 900*time.Millisecond)
			s.Check(b.Get("/me"), Anonymous())
			t.Events("session_expired:absolute", unknownID)
			t.Calls(OpLoad)
			s.noRow(b.Value)
			// The user who comes back begins anew, with all of the time.
			s.Check(b.Post("/login?user=alice"), says("logged in", "set"))
			t.Events(unknownID, "session_created", "authn_login_success")
		},
	}, {
		ID: "S10", Slug: "session/stale-cookie-is-worth-nothing",
		Rule:   "A client that ignores Max-Age gains nothing by it: the server ends the session.",
		Clause: "CVE-2018-1000814; OWASP ASVS 5.0 7.3.1",
		Run: func(t *T) {
			s := t.Serve(standard())
			for _, later := range []time.Duration{25 * time.Hour, 8 * 24 * time.Hour, 400 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
				b := s.loggedIn("alice")
				t.forget()
				t.Clock.Advance(later)
				s.Check(b.Get("/me"), Anonymous())
				s.Check(b.Get("/whoami"), says("anonymous"))
				s.Check(b.Post("/renew"), Anonymous())
				t.Events("session_expired:idle", unknownID, unknownID, unknownID)
				t.Calls(OpLoad, OpLoad, OpLoad)
				s.noRow(b.Value)
			}
		},
	}, {
		ID: "TM1", Slug: "session/neither-clock-alone-lengthens-a-life",
		Rule:   "A session is over as soon as the server's clock or the store's says so.",
		Clause: "DESIGN section 3; ATTACKS TM1",
		Run: func(t *T) {
			// The server's clock stands still, or was set back.
			slow := t.Config
			slow.Now = func() time.Time { return epoch }
			s := t.Serve(App{Sessions: t.Manager(slow), Routes: standard().Routes})
			b := s.loggedIn("alice")
			t.forget()
			t.Clock.Advance(24 * time.Hour)
			s.Check(b.Get("/me"), Anonymous())
			t.Events("session_expired:idle", unknownID)
			s.noRow(b.Value)

			// The store keeps what has expired.
			t.Store.Store = keeper{t.Store.Store}
			t.Config.AbsoluteTimeout = 36 * time.Hour
			s = t.Serve(standard())
			for _, event := range []string{"session_expired:idle", "session_expired:absolute"} {
				b = s.loggedIn("alice")
				if event == "session_expired:absolute" {
					t.Clock.Advance(23 * time.Hour)
					s.Check(b.Get("/me"), says("subject=alice", "set:46800"))
				}
				t.Clock.Advance(24 * time.Hour)
				t.forget()
				s.Check(b.Get("/me"), Anonymous())
				t.Events(event, unknownID)
				t.Calls(OpLoad, OpTake) // whoever finds it takes it away
				s.noRow(b.Value)
				s.Check(b.Get("/me"), Anonymous())
				t.Events(unknownID)
			}
		},
	}, {
		ID: "S8", Slug: "session/touch",
		Rule:   "Use is noted at most once in a touch interval, and only then is the cookie sent again, with the same id and its full time.",
		Clause: "DESIGN section 3 (touch)",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.loggedIn("alice")
			id := b.Value
			const interval = 24 * time.Hour / 20
			t.forget()
			for range 3 {
				for range 2 {
					t.Clock.Advance(interval/2 - time.Microsecond)
					s.Check(b.Get("/me"), says("subject=alice"))
					s.Check(b.Get("/note"), says("note="))
				}
				t.Calls(OpLoad, OpLoad, OpLoad, OpLoad)
				t.Clock.Advance(2 * time.Microsecond)
				s.Check(b.Get("/me"), says("subject=alice", "set"))
				t.Calls(OpLoad, OpSwap)
				s.Check(b.Get("/me"), says("subject=alice"))
				t.Calls(OpLoad)
			}
			// A write is no use by itself: it neither shortens nor doubles.
			t.Clock.Advance(interval - time.Microsecond)
			s.Check(b.Post("/note?v=x"), says("noted"))
			t.Clock.Advance(time.Microsecond)
			s.Check(b.Post("/note?v=y"), says("noted", "set"))
			s.Check(b.Post("/note?v=z"), says("noted"))
			t.Calls(OpLoad, OpSwap, OpLoad, OpSwap, OpLoad, OpSwap)
			Equal(t, "cookie", b.Value, id)

			// A store that takes no writes costs nobody the answer; the next
			// request tries again.
			t.Clock.Advance(interval)
			t.Store.Fail(Always(FaultError, OpSwap))
			s.Check(b.Get("/me"), says("subject=alice"))
			t.Events("store_failure:error")
			t.Store.Fail(nil)
			s.Check(b.Get("/me"), says("subject=alice", "set"))
			t.Calls(OpLoad, OpSwap, OpLoad, OpSwap)
			t.Events()

			visitor := s.Browser()
			s.Check(visitor.Post("/note?v=x"), says("noted", "set:7200"))
			t.Clock.Advance(2*time.Hour/20 - time.Microsecond) // a visitor's is shorter
			s.Check(visitor.Get("/note"), says("note=x"))
			t.Clock.Advance(time.Microsecond)
			s.Check(visitor.Get("/note"), says("note=x", "set:7200"))
		},
	}, {
		ID: "S8", Slug: "session/parallel-touch-once",
		Rule:   "Of the requests that find the session due to be touched one touches it, and one answer sends the cookie.",
		Clause: "DESIGN section 3 (touch)",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(lateApp(standard(), hold))
			b := s.loggedIn("alice")
			t.Clock.Advance(2 * time.Hour)
			t.forget()
			const n = 5
			var flights []*flight
			for range n {
				flights = append(flights, b.send("GET", "/late-read"))
			}
			hold.await(t, n)
			hold.release()
			cookies := 0
			for _, f := range flights {
				a := f.land()
				want := says("late")
				if len(a.Cookies()) > 0 {
					want.Cookies = []string{"set"}
					Equal(t, "value", a.Cookies()[0].Value, b.Value)
					cookies++
				}
				s.Check(a, want)
			}
			Equal(t, "cookies", cookies, 1)
			Equal(t, "changes of the record", s.row(b.Value).Version, 2)
			t.Events()
		},
	}}
}

// keeper is a store that forgets nothing by time.
type keeper struct{ session.Store }

func kept(e session.Entry) session.Entry {
	e.Expires = e.Expires.AddDate(100, 0, 0)
	return e
}

func (k keeper) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	return k.Store.Create(ctx, key, kept(e), a)
}

func (k keeper) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	return k.Store.Swap(ctx, key, version, kept(next))
}

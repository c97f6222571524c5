package conformance

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// writers is how many requests write at once.
const writers = 10

// parallelApp adds routes that have read the session when they stand at the barrier,
// and write into it after it: everybody decides on the same old state.
func parallelApp(hold *barrier) App {
	slots := make([]session.Key[string], writers)
	for i := range slots {
		slots[i] = session.NewKey[string](fmt.Sprint("slot", i))
	}
	late := func(write func(r Request, i int) error) Handler {
		return func(r Request) error {
			i, err := strconv.Atoi(r.Query("i"))
			if err == nil {
				_, err = hits.Get(r.Session())
			}
			if err != nil {
				return r.Fail(err)
			}
			hold.hold()
			err = write(r, i)
			if errors.Is(err, session.ErrConflict) {
				return r.String(409, "somebody was faster")
			}
			return answer(r, err, "written")
		}
	}
	return changingApp().
		with("POST", "/par-slot", late(func(r Request, i int) error { return slots[i].Set(r.Session(), fmt.Sprint("v", i)) })).
		with("POST", "/par-hit", late(func(r Request, i int) error { return hits.Add(r.Session(), int64(i)+1) })).
		with("POST", "/par-flash", late(func(r Request, i int) error { return flash.Add(r.Session(), fmt.Sprint("f", i)) })).
		with("POST", "/par-cas", late(func(r Request, i int) error {
			return note.CompareAndSet(r.Session(), "free", fmt.Sprint("taken by ", i))
		})).
		with("POST", "/par-absent", late(func(r Request, i int) error {
			return note.SetIfAbsent(r.Session(), fmt.Sprint("taken by ", i))
		})).
		with("GET", "/slots", func(r Request) error {
			var all []string
			for _, k := range slots {
				v, _, err := k.Get(r.Session())
				if err != nil {
					return r.Fail(err)
				}
				all = append(all, v)
			}
			return r.String(200, strings.Join(all, " "))
		})
}

// race sends POST target?i=0 to 9 of one session so that all overlap, and returns
// the answers.
func race(t *T, s *Server, b *Browser, hold *barrier, target string) []*Answer {
	t.Helper()
	t.forget()
	flights := make([]*flight, writers)
	for i := range flights {
		flights[i] = b.send("POST", fmt.Sprint(target, "?i=", i))
	}
	hold.await(t, writers)
	hold.release()
	answers := make([]*Answer, writers)
	for i, f := range flights {
		answers[i] = f.land()
	}
	// How often writers met is the scheduler's business; that each read once and
	// that nothing but reads and writes happened is not.
	calls := t.Store.Calls()
	Equal(t, "loads", calls[OpLoad], writers)
	if len(calls) > 2 {
		t.Failf("store operations: got %v, want loads and swaps", calls)
	}
	t.Events()
	return answers
}

// oneWinner checks that one of the answers is a success and the others conflicts.
func oneWinner(t *T, s *Server, answers []*Answer) (winner int) {
	t.Helper()
	winner = -1
	for i, a := range answers {
		if a.Status != 200 {
			s.Check(a, Want{Status: 409, Body: "somebody was faster", Asked: true})
			continue
		}
		s.Check(a, says("written"))
		if winner >= 0 {
			t.Failf("both %d and %d were told that they won", winner, i)
		}
		winner = i
	}
	if winner < 0 {
		t.Failf("nobody won")
	}
	return winner
}

// dataLifeCases are about what sessions hold.
func dataLifeCases() []Case {
	return []Case{{
		ID: "S5", Slug: "session/parallel-writes-all-survive",
		Rule:   "Ten requests at once that write ten different keys lose none of them.",
		Clause: "DESIGN section 3 (writes merge)",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(parallelApp(hold))
			b := s.loggedIn("alice")
			for _, a := range race(t, s, b, hold, "/par-slot") {
				s.Check(a, says("written"))
			}
			s.Check(b.Get("/slots"), says("v0 v1 v2 v3 v4 v5 v6 v7 v8 v9"))
		},
	}, {
		ID: "S5", Slug: "session/parallel-increments-are-exact",
		Rule:   "Ten requests at once that count on one counter are all counted, each once.",
		Clause: "DESIGN section 3 (writes merge)",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(parallelApp(hold))
			b := s.loggedIn("alice")
			for _, a := range race(t, s, b, hold, "/par-hit") {
				s.Check(a, says("written"))
			}
			s.Check(b.Get("/hits"), says("hits=55"))
		},
	}, {
		ID: "S5", Slug: "session/parallel-flashes-all-survive",
		Rule:   "Ten requests at once that each add a flash value lose none of them.",
		Clause: "DESIGN section 3 (writes merge)",
		Run: func(t *T) {
			hold := newBarrier()
			s := t.Serve(parallelApp(hold))
			b := s.loggedIn("alice")
			for _, a := range race(t, s, b, hold, "/par-flash") {
				s.Check(a, says("written"))
			}
			a := b.Get("/flash")
			s.Check(a, Want{Status: 200, Asked: true})
			for i := range writers {
				Equal(t, fmt.Sprint("how often f", i, " is shown"), strings.Count(a.Body, fmt.Sprint("f", i)), 1)
			}
			s.Check(b.Get("/flash"), says("flash=[]"))
		},
	}, {
		ID: "S5", Slug: "session/compare-and-set-has-one-winner",
		Rule:   "Of ten requests at once that exchange one value exactly one succeeds, and its value is the one that is stored.",
		Clause: "DESIGN section 3 (compare-and-set)",
		Run: func(t *T) {
			for _, row := range []struct{ target, before string }{{"/par-cas", "free"}, {"/par-absent", ""}} {
				hold := newBarrier()
				s := t.Serve(parallelApp(hold))
				b := s.loggedIn("alice")
				if row.before != "" {
					s.Check(b.Post("/note?v="+row.before), says("noted"))
				}
				winner := oneWinner(t, s, race(t, s, b, hold, row.target))
				s.Check(b.Get("/note"), says(fmt.Sprint("note=taken by ", winner)))
				// Whoever comes later finds it taken, and a refusal writes nothing.
				t.forget()
				s.Check(b.Post(row.target+"?i=3"), Want{Status: 409, Body: "somebody was faster", Asked: true})
				t.Calls(OpLoad)
				t.Events()
			}
		},
	}, {
		ID: "S5", Slug: "session/flash-is-shown-once",
		Rule:   "Flash values are shown once, in the order in which they were added, and again only if the answer that was to show them failed.",
		Clause: "DESIGN section 3 (flash)",
		Run: func(t *T) {
			s := t.Serve(changingApp())
			b := s.Browser()
			s.Check(b.Post("/flash?v=one"), says("added", "set:7200"))
			t.Clock.Advance(time.Millisecond)
			s.Check(b.Post("/flash?v=two"), says("added"))
			s.Check(b.Post("/note?v=kept"), says("noted"))
			t.forget()
			t.Store.Fail(Always(FaultError, OpSwap))
			s.Check(b.Get("/flash"), superseded())
			t.Events("store_failure:error")
			t.Store.Fail(nil)
			s.Check(b.Get("/flash"), says("flash=[one two]"))
			t.Calls(OpLoad, OpSwap, OpLoad, OpSwap)
			s.Check(b.Get("/flash"), says("flash=[]"))
			s.Check(b.Get("/flash"), says("flash=[]"))
			t.Calls(OpLoad, OpLoad)
			s.Check(b.Get("/note"), says("note=kept"))
			t.Events()
		},
	}, {
		ID: "S14", Slug: "session/store-is-asked-only-when-needed",
		Rule:   "A request that does not ask for its session costs no store call, one that does costs one read however often it asks, and nothing is written unless something changed.",
		Clause: "DESIGN section 3 (lazy)",
		Run: func(t *T) {
			everything := func(r Request) error {
				if _, _, err := note.Get(r.Session()); err != nil {
					return r.Fail(err)
				}
				if _, err := hits.Get(r.Session()); err != nil {
					return r.Fail(err)
				}
				if _, err := flash.Take(r.Session()); err != nil {
					return r.Fail(err)
				}
				if _, err := r.Session().Info(); err != nil {
					return r.Fail(err)
				}
				return whoami(r)
			}
			s := t.Serve(changingApp().
				with("GET", "/everything", everything,
					Guard{Login: true}, Guard{Roles: []string{"admin"}}, Guard{Fresh: freshFor}).
				with("POST", "/several", func(r Request) error {
					return answer(r, errors.Join(note.Set(r.Session(), "x"), hits.Add(r.Session(), 2),
						hits.Add(r.Session(), 3), flash.Add(r.Session(), "f")), "written")
				}))
			b := s.Browser()
			s.Check(b.Post("/login?user=alice&role=admin"), says("logged in", "set"))
			t.forget()
			for range 3 {
				s.Check(b.Get("/public"), Want{Status: 200, Body: "public"})
				Equal(t, "status", b.Get("/nowhere").Status, 404)
				t.nothing()
			}
			for range 3 {
				s.Check(b.Get("/everything"), says("subject=alice"))
				t.Calls(OpLoad)
			}
			s.Check(b.Post("/several"), says("written"))
			t.Calls(OpLoad, OpSwap)
			s.Check(b.Get("/hits"), says("hits=5"))
			s.Check(b.Get("/flash"), says("flash=[f]"))
			// Nobody has anything to be asked about.
			t.forget()
			s.Check(s.Browser().Get("/everything"), Anonymous())
			s.Check(s.Browser().Get("/whoami"), says("anonymous"))
			s.Check(s.Browser().Get("/note"), says("note="))
			t.nothing()
			// However much a visitor stores with one request, it is one record.
			s.Check(s.Browser().Post("/several"), says("written", "set:7200"))
			t.Calls(OpCreate)
			t.Events("session_created")
		},
	}}
}

package conformance

import (
	"slices"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshRaceCases are about requests that overlap.
func refreshRaceCases() []Case {
	return []Case{refreshParallel(), refreshParallelNodes(), refreshReplayInFlight(), refreshRevokedInFlight(), refreshRevokedBefore()}
}

// volley presents h's refresh token n times at once, at the nodes in turn, and returns the
// answers.
func (h *Holder) volley(n int, nodes ...*AuthServer) []*Answer {
	h.t.Helper()
	conns, errs, answers := make([]*Conn, n), make([]error, n), make([]*Answer, n)
	raws := make([]string, n)
	for i := range conns {
		at := h.At(nodes[i%len(nodes)])
		conns[i], raws[i] = at.Dial(), at.request(RefreshPath)
	}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, c := range conns {
		all.Go(func() {
			<-start
			if errs[i] = c.Send(raws[i]); errs[i] == nil {
				answers[i], errs[i] = c.Receive(raws[i])
			}
		})
	}
	close(start)
	all.Wait()
	for i := range conns {
		h.t.NoError(errs[i])
		h.t.note(raws[i], answers[i].Raw)
	}
	return answers
}

// oneSuccessor checks the answers to a volley of a token that is due for replacement, of
// which one rotates and all others repeat, and returns who got what.
func (h *Holder) oneSuccessor(answers []*Answer) []*Holder {
	h.t.Helper()
	holders := make([]*Holder, len(answers))
	stamps := map[int64]bool{}
	for i, a := range answers {
		holders[i] = h.copy()
		holders[i].Granted(a)
		Equal(h.t, "the successor", holders[i].Refresh, holders[0].Refresh)
		c := holders[i].answer()
		Equal(h.t, "generation", c.Generation, h.answer().Generation+1)
		stamps[c.Answer] = true
	}
	Equal(h.t, "different stamps", len(stamps), len(answers))
	if holders[0].Refresh == h.Refresh {
		h.t.Failf("the successor is the token itself")
	}
	want := []string{"refresh_token_rotated:rotated", "authn_token_created"}
	for range len(answers) - 1 {
		want = append(want, "refresh_token_rotated:repeated", "authn_token_created")
	}
	h.t.eventsAnyOrder(want...)
	h.t.Calls(slices.Repeat([]Operation{OpRotate}, len(answers))...)
	return holders
}

func refreshParallel() Case {
	return Case{
		ID: "RF1", Slug: "refresh/parallel",
		Rule:   "Of 50 refreshes of one token at once, one rotates and all others get the same successor, byte for byte; the family lives, and so does every access token that was answered.",
		Clause: "ATTACKS R3, RF1; CVE-2026-1035, CVE-2026-45720, supabase/auth issue 2613",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			alice.accessGood("alice")
			t.Clock.Advance(rotCoalesce + rotTick)
			t.forget()
			holders := alice.oneSuccessor(alice.volley(50, s))
			for _, h := range holders[:3] {
				h.accessGood("alice")
			}
			// The successor, at once, by ten of them.
			for _, a := range holders[0].volley(10, s) {
				holders[0].Coalesced(a)
			}
			t.eventsAnyOrder(slices.Repeat([]string{"refresh_token_rotated:coalesced", "authn_token_created"}, 10)...)
			t.Clock.Advance(rotCoalesce + time.Second)
			holders[1].refreshIs("rotated")
			holders[2].refreshIs("repeated")
			holders[1].same(holders[2])
			alice.refreshEnds("reuse:older")
		},
	}
}

func refreshParallelNodes() Case {
	return Case{
		ID: "RF2", Slug: "refresh/parallel-nodes",
		Rule:   "The same at several processes that share a store: one rotates, and all answer the same successor.",
		Clause: "ATTACKS R3, RF2; CVE-2026-1035",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			nodes := []*AuthServer{a.Serve(), a.Node(), a.Node()}
			alice := nodes[0].enter("user=alice")
			holders := alice.oneSuccessor(alice.volley(30, nodes...))
			for i, node := range nodes {
				holders[i].At(node).accessGood("alice")
				holders[i].At(node).refreshIs("coalesced")
			}
			t.Clock.Advance(rotGrace + time.Second)
			alice.refreshEnds("reuse:late-after-confirm")
			for i, node := range nodes {
				holders[i].At(node).over()
			}
		},
	}
}

// inFlight sends the refresh token and returns once the store has decided about it and
// nobody has been told. land lets the answer go on and returns it.
func (h *Holder) inFlight() (land func() *Answer) {
	h.t.Helper()
	gate := newBarrier()
	h.t.Store.Around(nil, gate.hold)
	return h.heldAt(gate)
}

func (h *Holder) heldAt(gate *barrier) (land func() *Answer) {
	h.t.Helper()
	f := &flight{server: h.AuthServer.Server, conn: h.Dial(), raw: h.request(RefreshPath)}
	h.t.NoError(f.conn.Send(f.raw))
	gate.await(h.t, 1)
	h.t.forget()
	return func() *Answer {
		h.t.Helper()
		gate.release()
		return f.land()
	}
}

func refreshReplayInFlight() Case {
	return Case{
		ID: "RF7", Slug: "refresh/replay-in-flight",
		Rule:   "A replay that comes while a rotation is under way is decided as if it had come after it: the same successor for the token that is being replaced, the end of the family for an older one, and then the answer that is under way is worth nothing.",
		Clause: "ATTACKS RF7",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			t.Clock.Advance(rotCoalesce + rotTick)
			thief := alice.copy()
			land := alice.inFlight()
			thief.refreshIs("repeated")
			alice.Granted(land())
			alice.same(thief)
			alice.accessGood("alice")
			thief.accessGood("alice")

			older, alice := s.rotatedAt("user=alice")
			t.Clock.Advance(rotCoalesce + rotTick)
			land = alice.inFlight()
			older.refreshEnds("reuse:older")
			t.forget()
			alice.Granted(land())
			t.Events("refresh_token_rotated:rotated", "authn_token_created")
			t.Calls()
			alice.over()
		},
	}
}

// rotRevocations are the ways to end a family from elsewhere.
func (s *AuthServer) rotRevocations() map[string]func(h *Holder) error {
	t := s.t
	return map[string]func(*Holder) error{
		"logout": func(h *Holder) error { s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"}); return nil },
		"revoke by the family's handle": func(h *Holder) error {
			return s.rotator.RevokeFamily(t.Context(), "alice", h.answer().Session)
		},
		"revoke by the session's handle": func(h *Holder) error {
			return s.Registry.RevokeSession(t.Context(), "alice", h.answer().Session)
		},
		"logout everywhere": func(*Holder) error { return s.Registry.LogoutEverywhere(t.Context(), "alice") },
		"password change":   func(*Holder) error { return s.Registry.PasswordChanged(t.Context(), "alice") },
		"account disabled":  func(*Holder) error { return s.Registry.SubjectDisabled(t.Context(), "alice") },
	}
}

func refreshRevokedInFlight() Case {
	return Case{
		ID: "RF8", Slug: "refresh/revoked-in-flight",
		Rule:   "Whatever ends a family ends the answer of a refresh too that was decided before it and is delivered after it.",
		Clause: "ATTACKS RF8; DESIGN section 5: epoch of the login, never re-read at refresh",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for name, revoke := range s.rotRevocations() {
				t.note("ended by: "+name, "")
				bob, alice := s.enter("user=bob"), s.enter("user=alice")
				t.Clock.Advance(rotCoalesce + rotTick)
				old := alice.copy()
				land := alice.inFlight()
				t.NoError(revoke(old))
				alice.Granted(land())
				alice.over()
				old.over()
				bob.refreshIs("rotated")
				bob.accessGood("bob")
				s.enter("user=alice").accessGood("alice")
			}
		},
	}
}

func refreshRevokedBefore() Case {
	return Case{
		ID: "R6", Slug: "refresh/revoked-before",
		Rule:   "A refresh that the store decides after the family was ended fails, also if it was under way before; it ends nothing a second time.",
		Clause: "ATTACKS R6, RF8, RF10",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for name, revoke := range s.rotRevocations() {
				t.note("ended by: "+name, "")
				alice, other := s.enter("user=alice"), s.enter("user=alice")
				other.accessGood("alice")
				gate := newBarrier()
				t.Store.Around(gate.hold, nil)
				land := alice.heldAt(gate)
				t.NoError(revoke(alice))
				t.forget()
				s.Check(land(), denied(core.InvalidGrant))
				t.Events("refresh_token_refused:gone")
				alice.over()
				t.NoError(revoke(alice)) // again is harmless
				alice.over()
				switch name {
				case "logout", "revoke by the family's handle", "revoke by the session's handle":
					other.accessStill("alice")
					other.refreshIs("coalesced")
				default:
					other.over()
				}
			}
		},
	}
}

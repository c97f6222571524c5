package conformance

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshTimeCases are about the ends of families, and about clocks that disagree.
func refreshTimeCases() []Case {
	return []Case{refreshIdle(), refreshAbsolute(), refreshClocks(), refreshClockBack(), refreshSameInstant()}
}

// refreshFor is refreshIs for a client whose refresh token lives for less than usual, or
// whose access token does: what the client is told of either is checked to the second.
func (h *Holder) refreshFor(row string, left time.Duration) {
	h.t.Helper()
	h.t.forget()
	a := h.Present()
	w := Want{Status: 200, Service: "Bearer"}
	if row != "coalesced" && h.rotator.Cookie() != nil {
		w.Cookies = []string{"refresh:" + strconv.Itoa(int(left/time.Second))}
	}
	h.Check(a, w)
	if g := h.read(a); time.Duration(g.Expires)*time.Second > left {
		h.t.Failf("expires_in: got %d, and the family has %v", g.Expires, left)
	}
	for _, c := range a.Cookies() {
		h.Refresh = c.Value
	}
	h.t.Events("refresh_token_rotated:"+row, "authn_token_created")
	h.t.Calls(OpRotate)
}

func refreshIdle() Case {
	return Case{
		ID: "R8", Slug: "refresh/idle-end",
		Rule:   "A family ends when no refresh token of it was presented for the idle timeout; each refresh moves that end, whichever row answers it, and nothing else does.",
		Clause: "ATTACKS R7/R8; RFC 9700 section 4.14.2",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			a.Rotation.IdleTimeout = time.Hour
			s := a.Serve()
			login := func() *Holder {
				h := s.Holder()
				a := h.Post(LoginPath+"?user=alice", jsonType, "{}", h.Lines...)
				h.Check(a, Want{Status: 200, Service: "Bearer", Cookies: []string{"refresh-variants", "refresh:3600"}})
				h.read(a)
				for _, c := range a.Cookies() {
					if !c.Deletes {
						h.Refresh = c.Value
					}
				}
				return h
			}
			alice := login()
			for range 2 {
				t.Clock.Advance(time.Hour - rotTick)
				old := alice.copy()
				alice.refreshFor("rotated", time.Hour)
				t.Clock.Advance(rotGrace)
				old.copy().refreshFor("repeated", time.Hour)
				t.Clock.Advance(time.Hour - rotTick)
				old.refreshFor("late-repeat", time.Hour)
			}
			t.Clock.Advance(rotCoalesce)
			alice.refreshFor("coalesced", time.Hour)
			// The use of an access token keeps no family alive, nor does a look at it.
			t.Clock.Advance(time.Hour - rotTick)
			_, err := s.rotator.Families(t.Context(), "alice")
			t.NoError(err)
			alice.refreshFor("rotated", time.Hour)
			t.Clock.Advance(10 * time.Minute)
			alice.accessGood("alice")
			t.Clock.Advance(50 * time.Minute)
			alice.refreshGone()
			alice.refreshGone()

			alice = login()
			t.Clock.Advance(time.Hour)
			alice.refreshGone()
			t.Clock.Advance(-time.Hour) // what has been found to be over stays over
			alice.refreshGone()
		},
	}
}

func refreshAbsolute() Case {
	return Case{
		ID: "R7", Slug: "refresh/absolute-end",
		Rule:   "A family ends when its time is over, however often it is used, and neither its access tokens nor its cookie are said to live longer; no access token outlives it.",
		Clause: "ATTACKS R7/R8: the absolute end never moves",
		Run: func(t *T) {
			for _, idle := range []time.Duration{time.Hour, 3 * time.Hour} {
				a := t.Auth(refresh.Cookie)
				a.Rotation.AbsoluteTimeout, a.Rotation.IdleTimeout = 3*time.Hour, idle
				s := a.Serve()
				end := t.Clock.Now().Add(3 * time.Hour)
				h := s.Holder()
				answer := h.Post(LoginPath+"?user=alice", jsonType, "{}", h.Lines...)
				s.Check(answer, Want{Status: 200, Service: "Bearer", Cookies: []string{"refresh-variants", fmt.Sprintf("refresh:%d", int(idle/time.Second))}})
				cookies := answer.Cookies()
				h.Refresh = cookies[len(cookies)-1].Value
				for range 3 {
					t.Clock.Advance(55 * time.Minute)
					left := end.Sub(t.Clock.Now())
					h.refreshFor("rotated", min(left, idle))
					h.accessGood("alice")
				}
				t.Clock.Advance(15*time.Minute - 2*time.Second)
				h.refreshFor("rotated", 2*time.Second)
				h.accessGood("alice")
				if exp := h.answer().Expires; exp > end.Unix() {
					t.Failf("exp: got %d, and the family ends at %d", exp, end.Unix())
				}
				t.Clock.Advance(time.Second)
				h.refreshFor("coalesced", time.Second)
				if exp := h.answer().Expires; exp != end.Unix() {
					t.Failf("exp: got %d, and the family ends at %d", exp, end.Unix())
				}
				// Half a second has no room for an access token: the client logs in again,
				// and is not told to wait.
				t.Clock.Advance(time.Second / 2)
				h.refreshGone()
				t.Clock.Advance(time.Second / 2)
				h.refreshGone()
			}
		},
	}
}

func refreshClocks() Case {
	return Case{
		ID: "TM3", Slug: "refresh/clocks",
		Rule:   "The windows and the ends of a family go by the clock of the store: servers whose clocks are wrong by minutes, or by an hour, decide the same, at the same moment.",
		Clause: "ATTACKS TM1 to TM3",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.Rotation.IdleTimeout = 2 * time.Hour
			var nodes []*AuthServer
			for _, off := range []time.Duration{-2 * time.Minute, 2 * time.Minute, -time.Hour, 14 * time.Minute} {
				cfg := *a
				cfg.Rotation.Now = func() time.Time { return t.Clock.Now().Add(off) }
				nodes = append(nodes, cfg.Node())
			}
			for i, s := range nodes {
				next := nodes[(i+1)%len(nodes)]
				old, alice := s.rotatedAt("user=alice")
				t.Clock.Advance(rotGrace)
				again := old.At(next)
				again.refreshIs("repeated")
				alice.same(again)
				t.Clock.Advance(rotGrace)
				alice.At(next).refreshIs("coalesced")
				t.Clock.Advance(rotGrace)
				old.At(next).refreshIs("repeated")
				t.Clock.Advance(rotGrace)
				alice.At(s).refreshIs("coalesced")
				t.Clock.Advance(rotTick)
				next1 := alice.At(next)
				next1.refreshIs("rotated")
				t.Clock.Advance(rotLate / 24)
				late := alice.At(s)
				late.refreshIs("late-repeat")
				next1.same(late)
				late.accessGood("alice")
				t.Clock.Advance(rotGrace + rotTick)
				alice.At(next).refreshEnds("reuse:late-after-confirm")
				late.over()

				bob := s.enter("user=bob")
				t.Clock.Advance(2*time.Hour - rotTick)
				bob.At(next).refreshIs("rotated")
				t.Clock.Advance(2 * time.Hour)
				bob.refreshGone()
			}
		},
	}
}

func refreshClockBack() Case {
	return Case{
		ID: "TM1", Slug: "refresh/clock-set-back",
		Rule:   "If the clock of the store is set back, a window that has closed stays closed, stamps go on rising and nobody is logged out.",
		Clause: "ATTACKS TM1; DESIGN section 5: max(old+1, store clock)",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			t.Clock.Advance(2 * time.Hour)
			for _, back := range []time.Duration{time.Second, time.Hour} {
				old, alice := s.rotatedAt("user=alice")
				alice.accessGood("alice")
				t.Clock.Advance(rotGrace + rotTick)
				alice.refreshIs("coalesced") // the family has heard what time it is
				last := alice.answer().Answer
				t.Clock.Advance(-back)
				alice.refreshIs("coalesced")
				if got := alice.answer().Answer; got <= last {
					t.Failf("stamp: got %d after %d", got, last)
				}
				thief := old.copy()
				thief.refreshEnds("reuse:late-after-confirm")
				alice.refreshGone()

				// What is rotated under the wrong clock is rotated once.
				old, alice = s.rotatedAt("user=alice")
				t.Clock.Advance(-back)
				old.copy().refreshIs("repeated")
				alice.refreshIs("coalesced")
				t.Clock.Advance(back + rotCoalesce + time.Second)
				alice.refreshIs("rotated")
				old.refreshEnds("reuse:older")

				// An answer from before stays void, and one from after does not.
				old, alice = s.rotatedAt("user=alice")
				t.Clock.Advance(rotGrace + rotTick)
				t.Store.Fail(Always(FaultAfter, OpRotate))
				old.refreshFails(OpRotate)
				t.Store.Fail(nil)
				t.Clock.Advance(-back)
				again := old.copy()
				again.refreshIs("repeated")
				if back == time.Second {
					alice.accessRevoked()
					again.accessGood("alice")
				}
				t.Clock.Advance(back)
			}
		},
	}
}

func refreshSameInstant() Case {
	return Case{
		ID: "TM4", Slug: "refresh/same-instant",
		Rule:   "What was logged in or refreshed in the very microsecond of a revocation is revoked, and what logs in after it, in the same microsecond, is not.",
		Clause: "ATTACKS TM4; DESIGN section 5: epoch",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for range 3 {
				alice, other := s.enter("user=alice"), s.enter("user=alice")
				other.refreshIs("rotated")
				t.NoError(s.Registry.LogoutEverywhere(t.Context(), "alice"))
				alice.over()
				other.over()
				later := s.enter("user=alice")
				later.accessGood("alice")
				later.refreshIs("coalesced")
				alice.over()
				t.forget()
				s.Check(later.Logout(), Want{Status: 204, Service: "Bearer"})
				t.Events("refresh_family_expired:logout")
				later.over()
			}
		},
	}
}

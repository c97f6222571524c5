package conformance

import (
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshTableCases walk along the rows of the decision table and to both sides of every
// edge.
func refreshTableCases() []Case {
	return []Case{
		refreshOnce(), refreshCoalesced(), refreshCoalescedAfterUse(), refreshLogin(), refreshRepeated(), refreshRepeatedAfterUse(),
		refreshLate(), refreshLateUnconfirmed(), refreshUnwired(), refreshGrandparent(), refreshRecovered(), refreshStamps(),
		refreshNoGrace(),
	}
}

func refreshCoalesced() Case {
	return Case{
		ID: "R4", Slug: "refresh/coalesced",
		Rule:   "For three grace windows after a rotation, and for two after the first time that the new token is presented, the latest token is answered with an access token alone: no refresh token, no cookie, no rotation.",
		Clause: "DESIGN section 5, table row 1; RFC 6749 section 6",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				_, alice := s.rotatedAt("user=alice")
				t.Clock.Advance(rotCoalesce)
				alice.refreshIs("coalesced") // and is confirmed
				alice.accessGood("alice")
				t.Clock.Advance(rotInUse)
				alice.refreshIs("coalesced") // which does not confirm it again
				t.Clock.Advance(rotTick)
				last := alice.Refresh
				alice.refreshIs("rotated")
				if alice.Refresh == last {
					t.Failf("the refresh token is the old one")
				}
				// Of the rotation alone.
				t.Clock.Advance(rotCoalesce + rotTick)
				alice.refreshIs("rotated")
				t.Clock.Advance(rotGrace)
				alice.refreshIs("coalesced")
				alice.accessGood("alice")
			}
		},
	}
}

func refreshCoalescedAfterUse() Case {
	return Case{
		ID: "R4", Slug: "refresh/coalesced-after-use",
		Rule:   "The first use of an access token opens the window in which the refresh token that came with it is not replaced; later uses do not open it again.",
		Clause: "DESIGN section 5, table row 1",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			_, alice := s.rotatedAt("user=alice")
			t.Clock.Advance(5 * time.Minute)
			alice.accessGood("alice")
			t.Clock.Advance(rotInUse)
			alice.accessStill("alice")
			alice.refreshIs("coalesced")
			t.Clock.Advance(rotTick)
			alice.refreshIs("rotated")
			// A login is as good as a rotation to who uses it, and only then.
			bob := s.enter("user=bob")
			bob.accessGood("bob")
			t.Clock.Advance(rotInUse)
			bob.refreshIs("coalesced")
			t.Clock.Advance(rotTick)
			bob.refreshIs("rotated")
		},
	}
}

func refreshLogin() Case {
	return Case{
		ID: "R4", Slug: "refresh/login-is-no-rotation",
		Rule:   "The refresh token of a login that nobody has used is replaced at once, in the same microsecond too.",
		Clause: "DESIGN section 5, table row 1: a login sets no t0",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			old := alice.copy()
			alice.refreshIs("rotated")
			old.refreshIs("repeated")
			alice.same(old)
			alice.refreshIs("coalesced")
		},
	}
}

func refreshRepeated() Case {
	return Case{
		ID: "RF3", Slug: "refresh/repeated",
		Rule:   "For the grace window after a rotation the token that was replaced is answered with its successor, byte for byte, as often as it comes; it counts from the rotation and not from a repeat.",
		Clause: "DESIGN section 5, table row 3; RFC 9700 section 4.14.2",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				old, alice := s.rotatedAt("user=alice")
				for _, after := range []time.Duration{0, time.Second, rotGrace - 2*time.Second, time.Second} {
					t.Clock.Advance(after)
					again := old.copy()
					again.refreshIs("repeated")
					alice.same(again)
				}
				t.Clock.Advance(rotTick)
				again := old.copy()
				again.refreshIs("late-repeat")
				alice.same(again)
			}
		},
	}
}

func refreshRepeatedAfterUse() Case {
	return Case{
		ID: "RF3", Slug: "refresh/repeated-after-use",
		Rule:   "Once the successor is in use, by its access token or by itself, the token that it replaced is answered for the grace window from that moment on and ends the family after it.",
		Clause: "DESIGN section 5, table rows 3 and 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, wait := range []time.Duration{0, 5 * time.Second, rotCoalesce} {
				for _, by := range []func(alice *Holder){
					func(alice *Holder) { alice.accessGood("alice") },
					func(alice *Holder) { alice.refreshIs("coalesced") },
				} {
					old, alice := s.rotatedAt("user=alice")
					t.Clock.Advance(wait)
					by(alice)
					again := old.copy()
					t.Clock.Advance(rotGrace)
					again.refreshIs("repeated")
					alice.same(again)
					again.accessGood("alice") // which is not the first use
					t.Clock.Advance(rotTick)
					old.refreshEnds("reuse:late-after-confirm")
					alice.over()
					again.over()
				}
			}
		},
	}
}

func refreshLate() Case {
	return Case{
		ID: "RF3", Slug: "refresh/late-repeat",
		Rule:   "A client that comes with the old token after the grace window, and up to 24 hours later, while nobody has used the new one, is answered with the same one again; every access token that was answered with it before is void, and no other.",
		Clause: "DESIGN section 5, table row 4",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, lost := s.rotatedAt("user=alice")
			within := old.copy()
			within.refreshIs("repeated")
			t.Clock.Advance(rotGrace + rotTick)
			alice := old.copy()
			alice.refreshIs("late-repeat")
			lost.same(alice)
			// What was answered before is void, unseen as it is, and confirms nothing.
			for _, h := range []*Holder{lost, within} {
				h.accessRevoked()
				t.Calls(OpSight)
			}
			old.accessGood("alice") // of the generation before
			// It counts from the late repeat now.
			t.Clock.Advance(rotGrace)
			again := old.copy()
			again.refreshIs("repeated")
			alice.same(again)
			t.Clock.Advance(rotTick)
			later := old.copy()
			later.refreshIs("late-repeat")
			alice.accessRevoked()
			again.accessRevoked()
			later.refreshIs("coalesced")
			t.Clock.Advance(rotGrace + rotTick)
			old.refreshEnds("reuse:late-after-confirm")
			alice.over()

			// To the last moment of a day, and a day from there.
			old, alice = s.rotatedAt("user=alice")
			for range 2 {
				t.Clock.Advance(rotLate)
				again := old.copy()
				again.refreshIs("late-repeat")
				alice.same(again)
				alice = again
			}
			t.Clock.Advance(rotCoalesce)
			alice.refreshIs("coalesced")
			alice.accessGood("alice")
			bob := s.enter("user=bob")
			bob.accessGood("bob")
		},
	}
}

func refreshLateUnconfirmed() Case {
	return Case{
		ID: "RF3", Slug: "refresh/late-unconfirmed",
		Rule:   "A token whose successor nobody was seen to use ends the family more than 24 hours after the rotation, under a cause of its own: a theft looks like this and a lost answer too.",
		Clause: "DESIGN section 5, table row 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, alice := s.rotatedAt("user=alice")
			other := s.enter("user=alice")
			t.Clock.Advance(rotLate + rotTick)
			old.refreshEnds("late-unconfirmed")
			alice.refreshGone()
			old.refreshGone()
			other.refreshIs("rotated")
		},
	}
}

func refreshUnwired() Case {
	return Case{
		ID: "RF3", Slug: "refresh/unwired",
		Rule:   "Where not every verifier reports what it sees, nothing is repeated after the grace window, which is 30 seconds then; access tokens say nothing of the answer that they came with, and nobody is asked about it.",
		Clause: "DESIGN section 5: wired",
		Run: func(t *T) {
			const grace = 30 * time.Second
			a := t.Auth(refresh.Body)
			a.Rotation.Wired = nil
			s := a.Serve()
			old, alice := s.rotatedAt("user=alice")
			c := alice.answer()
			Equal(t, "gen and ans", [2]int64{c.Generation, c.Answer}, [2]int64{})
			alice.accessStill("alice") // no sighting
			t.Clock.Advance(grace)
			again := old.copy()
			again.refreshIs("repeated")
			alice.same(again)
			t.Clock.Advance(rotTick)
			old.refreshEnds("late-unconfirmed")
			alice.over()
			again.over()

			old, alice = s.rotatedAt("user=alice")
			t.Clock.Advance(3 * grace)
			alice.refreshIs("coalesced")
			t.Clock.Advance(grace)
			old.copy().refreshIs("repeated")
			t.Clock.Advance(rotTick)
			old.refreshEnds("reuse:late-after-confirm")

			_, alice = s.rotatedAt("user=alice")
			t.Clock.Advance(3*grace + rotTick)
			alice.refreshIs("rotated")
		},
	}
}

func refreshGrandparent() Case {
	return Case{
		ID: "RF6", Slug: "refresh/older",
		Rule:   "A token older than the one that was replaced last ends the family, however soon it comes and whether or not the latest is in use.",
		Clause: "DESIGN section 5, table row 5; RFC 9700 section 4.14.2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for generations := 2; generations < 5; generations++ {
				for _, used := range []bool{true, false} {
					first, alice := s.rotatedAt("user=alice")
					for range generations - 1 {
						t.Clock.Advance(rotCoalesce + rotTick)
						alice.refreshIs("rotated")
					}
					if used {
						alice.accessGood("alice")
					}
					first.refreshEnds("reuse:older")
					alice.over()
				}
			}
		},
	}
}

func refreshRecovered() Case {
	return Case{
		ID: "DR1", Slug: "refresh/recovered",
		Rule:   "A token newer than the store knows shows that the store has lost a rotation: the family goes on from it, with an event; the rotation is not made again and the old token is good for no longer than after any other.",
		Clause: "DESIGN section 5, table row 6; ATTACKS DR1",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				for lost := 1; lost <= 3; lost++ {
					alice := s.enter("user=alice")
					first, before := alice.copy(), alice
					t.Store.Fail(Always(FaultForget, OpRotate))
					for range lost {
						t.Clock.Advance(rotCoalesce + rotTick)
						before = alice.copy()
						alice.refreshIs("rotated")
					}
					t.Store.Fail(nil)
					alice.accessGood("alice") // the store knows of no such generation
					t.Clock.Advance(time.Second)
					token, last := alice.Refresh, alice.answer()
					alice.refreshIs("recovered")
					Equal(t, "the refresh token", alice.Refresh, token)
					if c := alice.answer(); c.Generation != last.Generation || c.Answer <= last.Answer {
						t.Failf("after %+v came %+v", last, c)
					}
					t.Clock.Advance(rotGrace)
					again := before.copy()
					again.refreshIs("repeated")
					alice.same(again)
					t.Clock.Advance(rotCoalesce - rotGrace)
					alice.refreshIs("coalesced")
					t.Clock.Advance(rotTick)
					alice.refreshIs("rotated")
					first.refreshEnds("reuse:older")
					alice.over()
				}

				// The old token, while the store has not heard of the new one.
				alice := s.enter("user=alice")
				old := alice.copy()
				t.Store.Fail(Always(FaultForget, OpRotate))
				alice.Rotate()
				t.Store.Fail(nil)
				alice.accessGood("alice") // of a generation that this server has not made
				t.Clock.Advance(time.Second)
				old.refreshIs("rotated")
				alice.same(old)
				alice.refreshIs("coalesced")

				// And after the recovery, too late.
				alice = s.enter("user=alice")
				old = alice.copy()
				t.Store.Fail(Always(FaultForget, OpRotate))
				alice.Rotate()
				t.Store.Fail(nil)
				alice.refreshIs("recovered")
				t.Clock.Advance(rotGrace + time.Second)
				old.refreshEnds("reuse:late-after-confirm")
				alice.over()
			}
		},
	}
}

func refreshStamps() Case {
	return Case{
		ID: "RF14", Slug: "refresh/stamps",
		Rule:   "Every answer says its generation and a stamp that is higher than that of each answer before; it is the store's time, from which nobody can read how many answers there were in between.",
		Clause: "DESIGN section 5: answer stamp, never a count",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			var last Claims
			stamp := func(h *Holder, generation int64) {
				c := h.answer()
				Equal(t, "generation", c.Generation, generation)
				if c.Answer <= last.Answer {
					t.Failf("stamp: got %d after %d", c.Answer, last.Answer)
				}
				if now := t.Clock.Now().UnixMicro(); c.Answer < now || c.Answer > now+20 {
					t.Failf("stamp: got %d, want the time, which is %d, and no count", c.Answer, now)
				}
				last = c
			}
			stamp(alice, 1)
			for generation := int64(2); generation < 5; generation++ {
				old := alice.copy()
				t.Clock.Advance(rotCoalesce + rotTick)
				alice.refreshIs("rotated")
				stamp(alice, generation)
				for range 3 { // in one microsecond
					alice.refreshIs("coalesced")
					stamp(alice, generation)
					h := old.copy()
					h.refreshIs("repeated")
					stamp(h, generation)
				}
				t.Clock.Advance(time.Second)
				alice.refreshIs("coalesced")
				stamp(alice, generation)
			}
		},
	}
}

func refreshNoGrace() Case {
	return Case{
		ID: "TM4", Slug: "refresh/same-second",
		Rule:   "A replay is one in the second of the rotation too: nothing about rotations is counted in seconds, and without a grace window a millisecond is late.",
		Clause: "DESIGN section 5: store clock in µs; keycloak issue 50999",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.Rotation.Grace = -1
			s := a.Serve()
			for _, rotations := range []int{1, 2, 5} {
				alice := s.enter("user=alice")
				held := []*Holder{alice.copy()}
				for range rotations {
					t.Clock.Advance(time.Millisecond)
					alice.refreshIs("rotated")
					alice.accessGood("alice")
					held = append(held, alice.copy())
				}
				t.Clock.Advance(time.Millisecond)
				cause := "reuse:older"
				if rotations == 1 {
					cause = "reuse:late-after-confirm"
				}
				held[0].refreshEnds(cause)
				for _, h := range slices.Backward(held) {
					h.over()
				}
			}
			// The order within one microsecond is known as well.
			alice := s.enter("user=alice")
			old := alice.copy()
			alice.refreshIs("rotated")
			alice.Check(alice.Use(), accepted("alice"))
			alice.refreshIs("coalesced")
			old.refreshEnds("reuse:late-after-confirm")
			alice.Check(alice.Use(), refused(core.TokenRevoked))
		},
	}
}

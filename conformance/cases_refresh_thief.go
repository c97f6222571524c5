package conformance

import (
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshThiefCases are about thieves who use what they took, and about those who wait.
func refreshThiefCases() []Case {
	return []Case{
		refreshReplayEndsAll(), refreshThiefFirst(), refreshThiefWaits(), refreshThiefVoided(), refreshThiefExposed(), refreshThiefPolls(),
		refreshRestart(), refreshTwoTabs(),
	}
}

func refreshReplayEndsAll() Case {
	return Case{
		ID: "R2", Slug: "refresh/replay-ends-the-family",
		Rule:   "A replay ends the family with its newest refresh token and every access token of it, at every node and at once; other families of the user, and other users, do not notice.",
		Clause: "RFC 9700 section 4.14.2; ATTACKS R2, RF5, RF15; CVE-2026-56750",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s, node := a.Serve(), a.Node()
			alice, phone, bob := s.enter("user=alice"), s.enter("user=alice"), s.enter("user=bob")
			phone.accessGood("alice")
			bob.accessGood("bob")
			first := alice.copy()
			held := []*Holder{first}
			for range 2 {
				t.Clock.Advance(rotCoalesce + rotTick)
				alice.refreshIs("rotated")
				alice.accessGood("alice")
				alice.At(node).accessGood("alice")
				held = append(held, alice.copy())
			}
			unseen := alice.copy()
			unseen.refreshIs("coalesced")
			held = append(held, unseen)
			first.At(node).refreshEnds("reuse:older")
			for _, h := range held {
				h.over()
				h.At(node).over()
			}
			phone.accessStill("alice")
			phone.refreshIs("rotated")
			phone.accessGood("alice")
			bob.accessStill("bob")
			bob.refreshIs("rotated")
			s.enter("user=alice").accessGood("alice")
		},
	}
}

func refreshThiefFirst() Case {
	return Case{
		ID: "RF4", Slug: "refresh/thief-first",
		Rule:   "A thief who refreshes first and uses what he gets is exposed when his victim comes with the old token: both lose the family, and the trail says so.",
		Clause: "ATTACKS RF4; RFC 9700 section 4.14.2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, uses := range []func(thief *Holder){
				func(thief *Holder) { thief.accessGood("alice") },
				func(thief *Holder) { t.Clock.Advance(time.Second); thief.refreshIs("coalesced") },
				func(thief *Holder) { t.Clock.Advance(time.Minute); thief.refreshIs("rotated") },
			} {
				alice := s.enter("user=alice")
				alice.accessGood("alice")
				t.Clock.Advance(time.Minute)
				thief := alice.copy()
				thief.refreshIs("rotated")
				uses(thief)
				t.Clock.Advance(rotGrace + rotTick)
				generation := thief.answer().Generation
				if generation == 2 {
					alice.refreshEnds("reuse:late-after-confirm")
				} else {
					alice.refreshEnds("reuse:older")
				}
				thief.over()
				alice.over()
			}
		},
	}
}

func refreshThiefWaits() Case {
	return Case{
		ID: "RF5", Slug: "refresh/patient-thief-caught",
		Rule:   "A thief who waits until his victim has refreshed, and then comes with the old token, ends the family.",
		Clause: "ATTACKS RF5 and section 4.5, patient thief",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, wait := range []time.Duration{rotGrace + rotTick, time.Hour, rotLate - time.Second, rotLate, 5 * rotLate} {
				thief, alice := s.rotatedAt("user=alice")
				alice.accessGood("alice")
				t.Clock.Advance(wait)
				thief.refreshEnds("reuse:late-after-confirm")
				alice.refreshGone()
			}
		},
	}
}

func refreshThiefVoided() Case {
	return Case{
		ID: "RF3", Slug: "refresh/patient-thief-voided",
		Rule:   "A thief who comes with the old token and keeps what he gets unused has an access token that is void as soon as his victim says that she never got hers; if he uses it, that confirms nothing any more.",
		Clause: "DESIGN section 5: late repeat; ATTACKS section 4.5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, lost := s.rotatedAt("user=alice") // and the answer is lost
			var kept []*Holder
			for range 3 {
				t.Clock.Advance(rotGrace + rotTick)
				thief := old.copy()
				thief.refreshIs("late-repeat")
				kept = append(kept, thief)
			}
			t.Clock.Advance(rotGrace + rotTick)
			alice := old.copy()
			alice.refreshIs("late-repeat")
			for _, h := range append(kept, lost) {
				h.accessRevoked()
			}
			alice.accessGood("alice")
			for _, h := range append(kept, lost) {
				h.accessRevoked()
			}
			// What he has left is the successor itself, which exposes him.
			t.Clock.Advance(rotCoalesce + rotTick)
			kept[0].refreshIs("rotated")
			kept[0].accessGood("alice")
			t.Clock.Advance(rotGrace + rotTick)
			alice.refreshEnds("reuse:late-after-confirm")
			kept[0].over()
		},
	}
}

func refreshThiefExposed() Case {
	return Case{
		ID: "RF4", Slug: "refresh/thief-who-used-is-exposed",
		Rule:   "A thief whose access token was accepted is exposed by his victim's next refresh: the late repeat that would have voided it is a reuse then.",
		Clause: "DESIGN section 5: why it holds",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s, node := a.Serve(), a.Node()
			for _, at := range []*AuthServer{s, node} {
				old, lost := s.rotatedAt("user=alice")
				t.Clock.Advance(time.Minute)
				thief := old.copy()
				thief.refreshIs("late-repeat")
				thief.At(at).accessGood("alice")
				t.Clock.Advance(rotGrace + rotTick)
				old.refreshEnds("reuse:late-after-confirm")
				thief.At(at).over()
				lost.over()
			}
		},
	}
}

func refreshThiefPolls() Case {
	return Case{
		ID: "RF14", Slug: "refresh/polling-thief",
		Rule:   "A thief who polls with the old token at every end of the grace window, so that his victim never seems late, learns nothing of her from the answers and is caught as soon as she has used hers.",
		Clause: "DESIGN section 5: answer stamp",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, alice := s.rotatedAt("user=alice")
			// Her answer arrived, and she does not use it yet.
			var held []*Holder
			for range 4 {
				t.Clock.Advance(rotGrace)
				thief := old.copy()
				h := thief.Present()
				thief.Granted(h)
				alice.same(thief)
				now := t.Clock.Now().UnixMicro()
				Equal(t, "ans", thief.answer().Answer, now)
				held = append(held, thief)
			}
			held[3].accessGood("alice")
			for _, h := range held[:2] {
				h.accessRevoked()
			}
			t.Clock.Advance(rotGrace + rotTick)
			old.refreshEnds("reuse:late-after-confirm")
			alice.over()
		},
	}
}

func refreshRestart() Case {
	return Case{
		ID: "R12", Slug: "refresh/restart",
		Rule:   "What was rotated, used or ended before a restart is so after it: nothing that a process remembers decides about a refresh token, nor when it was started.",
		Clause: "ATTACKS R12, TM5; CVE-2026-9802",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s := a.Serve()
			used, alice := s.rotatedAt("user=alice")
			alice.accessGood("alice")
			older, carol := s.rotatedAt("user=carol")
			t.Clock.Advance(rotCoalesce + rotTick)
			carol.refreshIs("rotated")
			lost, bob := s.rotatedAt("user=bob")
			ended, dave := s.rotatedAt("user=dave")
			dave.accessGood("dave")
			t.Clock.Advance(rotGrace + rotTick)
			ended.refreshEnds("reuse:late-after-confirm")

			node := a.Node()
			used.At(node).refreshEnds("reuse:late-after-confirm")
			alice.At(node).over()
			older.At(node).refreshEnds("reuse:older")
			carol.At(node).over()
			again := lost.At(node)
			again.refreshIs("late-repeat")
			bob.same(again)
			bob.At(node).accessRevoked()
			again.accessGood("bob")
			t.Clock.Advance(rotCoalesce)
			again.refreshIs("coalesced")
			dave.At(node).over()
			ended.At(node).refreshGone()
		},
	}
}

func refreshTwoTabs() Case {
	return Case{
		ID: "RF9", Slug: "refresh/two-tabs",
		Rule:   "Tabs of one browser that refresh at the same time all end with the same cookie, in whatever order their answers arrive, and a late answer sets no jar back.",
		Clause: "ATTACKS RF9, section 4.5",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			s, node := a.Serve(), a.Node()
			tab := s.enter("user=alice")
			jar := tab.Refresh
			for range 3 {
				t.Clock.Advance(rotCoalesce + time.Second)
				tab.Refresh = jar
				second, third := tab.copy(), tab.At(node)
				tab.refreshIs("rotated")
				second.refreshIs("repeated")
				third.refreshIs("repeated")
				tab.same(second)
				tab.same(third)
				second.accessGood("alice")
				third.accessGood("alice")
				// A tab that was restored meanwhile has read the new cookie.
				fourth := second.copy()
				fourth.refreshIs("coalesced")
				Equal(t, "the jar", fourth.Refresh, tab.Refresh)
				jar = second.Refresh
			}
		},
	}
}

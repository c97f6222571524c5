package conformance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshGrantCases are about who may refresh, and what for.
func refreshGrantCases() []Case {
	return []Case{
		refreshBoundClient(), refreshBoundDevice(), refreshScope(), refreshDisabled(), refreshAuthority(), refreshStatusUnknown(),
		refreshLimited(), refreshLimitHidesNothing(), refreshSubjectLimit(),
	}
}

func refreshBoundClient() Case {
	return Case{
		ID: "R5", Slug: "refresh/bound-to-client",
		Rule:   "A refresh token is good for the client that it was issued to; from any other, and from none, it ends the family, inside the grace window and the coalesce window too, and whatever its generation.",
		Clause: "RFC 6749 section 6; RFC 9700 section 4.14; CVE-2026-55672",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, row := range []struct{ login, refresh string }{
				{"app", ""}, {"app", "other"}, {"", "app"}, {"app", "APP"}, {"app", "app "}, {"app", "appa"},
			} {
				for _, presents := range []func(old, alice *Holder) *Holder{
					func(_, alice *Holder) *Holder { return alice }, // coalesced for the client itself
					func(old, _ *Holder) *Holder { return old },     // repeated
					func(_, alice *Holder) *Holder { t.Clock.Advance(rotCoalesce + rotTick); return alice },
					func(_, alice *Holder) *Holder { // recovered
						t.Clock.Advance(rotCoalesce + rotTick)
						t.Store.Fail(Always(FaultForget, OpRotate))
						alice.refreshIs("rotated")
						t.Store.Fail(nil)
						return alice
					},
				} {
					old, alice := s.rotatedAt("user=alice&client=" + row.login)
					thief := presents(old, alice).copy()
					thief.Client = row.refresh
					thief.refreshEnds("binding")
					alice.over()
					if row.refresh != "other" {
						break
					}
				}
			}
			// The client itself, and what its access tokens say.
			alice := s.enter("user=alice&client=app")
			alice.refreshIs("rotated")
			alice.refreshIs("coalesced")
			alice.accessGood("alice")
		},
	}
}

func refreshBoundDevice() Case {
	return Case{
		ID: "R5", Slug: "refresh/bound-to-device",
		Rule:   "A refresh token of a login on a device that the application has made sure of is good on that device alone; from any other, and from none, it ends the family, inside the windows too.",
		Clause: "DESIGN section 5: client and device; ATTACKS R5, RF4",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			from := func(h *Holder, client, device string) *Holder {
				h.Client, h.Lines = client, []string{"Sec-Fetch-Site: same-origin"}
				if device != "" {
					h.Lines = append(h.Lines, DeviceHeader+": "+device)
				}
				return h
			}
			login := func(client, device string) *Holder {
				h := from(s.Holder(), client, device)
				h.LoggedIn(h.Post(LoginPath+"?user=alice&client="+client, jsonType, "{}", h.Lines...))
				return h
			}
			for _, row := range []struct{ client, login, refresh string }{
				{"app", "phone", ""}, {"app", "phone", "laptop"}, {"app", "", "phone"}, {"app", "phone", "pho"}, {"", "phone", ""}, {"", "phone", "laptop"},
			} {
				for _, last := range []bool{false, true} {
					alice := login(row.client, row.login)
					thief := alice.copy()
					alice.refreshIs("rotated")
					alice.refreshIs("coalesced")
					if last {
						thief = alice.copy()
					}
					from(thief, row.client, row.refresh).refreshEnds("binding")
					alice.over()
				}
			}
			// Client and device are two things, wherever one ends and the other begins.
			alice := login("app", "phone")
			from(alice.copy(), "ap", "pphone").refreshEnds("binding")
			alice.over()
		},
	}
}

func refreshScope() Case {
	return Case{
		ID: "R11", Slug: "refresh/scope",
		Rule:   "A refresh can ask for less than was granted and not for more, and for no other audience; what it left out it may have again the next time.",
		Clause: "RFC 6749 section 6; RFC 8707; ATTACKS R11",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			all := "read:alice write:alice"
			for _, row := range []struct{ asked, got string }{
				{"read:alice", "read:alice"}, {"write:alice read:alice", all}, {"read:alice admin", "read:alice"}, {"admin", ""},
				{"read:bob", ""}, {"READ:alice", ""}, {"read:alice read:alice", "read:alice"}, {"", ""}, {"*", ""}, {all, all},
			} {
				t.Clock.Advance(rotCoalesce + rotTick)
				for _, present := range []string{"rotated", "coalesced"} {
					t.note("asked for "+row.asked+", "+present, "")
					a := alice.Present("scope=" + row.asked)
					if present == "rotated" {
						alice.Granted(a)
					} else {
						alice.Coalesced(a)
					}
					Equal(t, "scope", alice.read(a).Scope, row.got)
					want := accepted("alice")
					if row.got != all {
						want = refused(core.InsufficientScope)
						want.Challenge = `, scope="read:alice write:alice"`
					}
					t.forget()
					s.Check(s.Do("GET", "/api/scope", authorization(alice.Access)), want)
				}
			}
			t.Clock.Advance(rotCoalesce + rotTick)
			Equal(t, "scope", alice.read(alice.Rotate()).Scope, all)
			for _, param := range []string{"audience=https://other.example", "resource=https://other.example", "resource=https://api.example"} {
				t.forget()
				s.Check(alice.Present(param), denied(core.InvalidRequest))
				t.nothing()
			}
			alice.refreshIs("coalesced")
		},
	}
}

// statusOf is a service whose application says of alice what status says, and lets bob
// do as he likes.
func (a *Auth) statusOf(status *refresh.Status, err *error, asked *int) *AuthServer {
	a.Rotation.SubjectStatus = func(_ context.Context, subject string) (refresh.Status, error) {
		*asked++
		if subject != "alice" {
			return refresh.Status{Roles: []string{subject}, Scopes: []string{"read:" + subject, "write:" + subject}}, nil
		}
		return *status, *err
	}
	return a.Serve()
}

func refreshDisabled() Case {
	return Case{
		ID: "RF11", Slug: "refresh/disabled-user",
		Rule:   "A refresh for a user whose account was disabled since is refused and ends the family with its access tokens, in the grace window and the coalesce window too; an account that is good again logs in again.",
		Clause: "ATTACKS R6, RF11, S7; CVE-2023-22492, CVE-2026-43983",
		Run: func(t *T) {
			for _, wired := range []bool{true, false} {
				a := t.Auth(refresh.Body)
				if !wired {
					a.Rotation.Wired = nil
				}
				good := refresh.Status{Roles: []string{"alice"}, Scopes: []string{"read:alice", "write:alice"}}
				status, failed, asked := good, error(nil), 0
				s := a.statusOf(&status, &failed, &asked)
				bob := s.enter("user=bob")
				for _, presents := range []func(old, alice *Holder) *Holder{
					func(_, alice *Holder) *Holder { return alice },
					func(old, _ *Holder) *Holder { return old },
					func(_, alice *Holder) *Holder { t.Clock.Advance(2*time.Minute + rotTick); return alice },
				} {
					status = good
					old, alice := s.rotatedAt("user=alice")
					s.Check(alice.Use(), accepted("alice"))
					other := s.enter("user=alice")
					status = refresh.Status{Disabled: true, Roles: good.Roles, Scopes: good.Scopes}
					h := presents(old, alice)
					t.forget()
					s.Check(h.Present(), denied(core.InvalidGrant))
					for _, e := range t.Events("refresh_family_expired:disabled") {
						Equal(t, "subject of the event", e.Subject, "alice")
						Equal(t, "family of the event", e.Session, h.answer().Session)
					}
					t.Calls(OpFindFamily, OpEndFamily)
					alice.over()
					old.over()
					// What could not be stored has not ended, and nobody says so.
					t.Store.Fail(Always(FaultError, OpEndFamily))
					other.refreshFails(OpFindFamily, OpEndFamily)
					t.Store.Fail(nil)
					status = good
					other.refreshIs("rotated")
				}
				bob.refreshIs("rotated")
				bob.accessGoodAt("bob", wired)
			}
		},
	}
}

// accessGoodAt is accessGood where tokens may be such as nobody tells of.
func (h *Holder) accessGoodAt(user string, wired bool) {
	h.t.Helper()
	if wired {
		h.accessGood(user)
	} else {
		h.accessStill(user)
	}
}

func refreshAuthority() Case {
	return Case{
		ID: "RF11", Slug: "refresh/authority-of-now",
		Rule:   "The access token of a refresh has the roles that the user has now and, of the scopes that were granted, those that it may have now; the next one has what it may have then.",
		Clause: "ATTACKS RF11; CVE-2026-43983",
		Run: func(t *T) {
			for _, wired := range []bool{true, false} {
				a := t.Auth(refresh.Body)
				if !wired {
					a.Rotation.Wired = nil
				}
				status, failed, asked := refresh.Status{}, error(nil), 0
				s := a.statusOf(&status, &failed, &asked)
				alice := s.enter("user=alice")
				const all = "read:alice write:alice"
				for i, row := range []struct {
					roles, scopes []string
					role          bool
					scope         string
				}{
					{[]string{"alice"}, []string{"read:alice", "write:alice"}, true, all},
					{nil, nil, false, ""},
					{[]string{"admin", "other"}, []string{"write:alice", "read:alice", "delete:alice"}, true, all},
					{[]string{"other"}, []string{"write:alice"}, false, "write:alice"},
					{[]string{"alice"}, []string{"admin"}, true, ""},
				} {
					status = refresh.Status{Roles: row.roles, Scopes: row.scopes}
					t.Clock.Advance(time.Minute + rotTick)
					for range 2 {
						a := alice.Present()
						g := alice.read(a)
						if g.Refresh != "" {
							alice.Refresh = g.Refresh
						}
						Equal(t, "scope", g.Scope, row.scope)
						if row.role {
							s.Check(s.Do("GET", "/api/role", authorization(g.Access)), accepted("alice"))
						} else {
							s.Check(s.Do("GET", "/api/role", authorization(g.Access)), refused(core.Forbidden))
						}
						narrow := alice.read(alice.Present("scope=write:alice admin")).Scope
						Equal(t, "scope of those asked for", narrow, strings.Join(intersection("write:alice", row.scope), " "))
					}
					Equal(t, "times that the application was asked", asked, (i+1)*4)
				}
				t.forget()
			}
		},
	}
}

// intersection is name, if it is in list.
func intersection(name, list string) []string {
	return slices.DeleteFunc([]string{name}, func(s string) bool { return !slices.Contains(strings.Fields(list), s) })
}

func refreshStatusUnknown() Case {
	return Case{
		ID: "RF11", Slug: "refresh/status-unknown",
		Rule:   "If the application cannot say whether the user may still refresh, the answer is 503 and the token is as good as before.",
		Clause: "ATTACKS R13, RF11; DESIGN section 5: SubjectStatus before the step",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			status, failed, asked := refresh.Status{}, error(nil), 0
			s := a.statusOf(&status, &failed, &asked)
			old, alice := s.rotatedAt("user=alice")
			failed = errors.New("conformance: nobody knows")
			for _, h := range []*Holder{old, alice} {
				t.forget()
				s.Check(h.Present(), denied(core.StoreUnavailable))
				for _, e := range t.Events("refresh_token_refused:error") {
					Equal(t, "subject of the event", e.Subject, "alice")
					Equal(t, "family of the event", e.Session, h.answer().Session)
				}
				t.Calls(OpFindFamily)
			}
			failed = nil
			again := old.copy()
			again.refreshIs("repeated")
			alice.same(again)
			t.Clock.Advance(rotCoalesce + rotTick)
			alice.refreshIs("rotated")
			// Nobody is asked about what is none of ours, or has ended.
			before := asked
			alice.refreshNothing(alice.Refresh[:len(alice.Refresh)-1]+"*", "shape")
			s.Check(alice.Logout(), Want{Status: 204, Service: "Bearer", Cookies: []string{"refresh-delete"}})
			alice.refreshGone()
			Equal(t, "times that the application was asked", asked, before)
		},
	}
}

func refreshLimited() Case {
	return Case{
		ID: "RF14", Slug: "refresh/limit",
		Rule:   "A family that is refreshed too often is answered 429 with Retry-After; it loses nothing, others do not notice, and the next period gives the same successor.",
		Clause: "ATTACKS RF14; DESIGN section 5: limiter behind the decision",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				a := t.Auth(transport)
				var err error
				a.Rotation.Limiter, err = refresh.PerFamily(3, time.Minute, t.Clock.Now)
				t.NoError(err)
				s := a.Serve()
				// To the beginning of a period.
				t.Clock.Advance(t.Clock.Now().Truncate(time.Minute).Add(time.Minute).Sub(t.Clock.Now()))
				alice, phone, bob := s.enter("user=alice"), s.enter("user=alice"), s.enter("user=bob")
				old := alice.copy()
				alice.refreshIs("rotated")
				alice.refreshIs("coalesced")
				old.copy().refreshIs("repeated")
				for range 3 {
					t.forget()
					s.Check(old.Present(), denied(core.RateLimited))
					t.Events("refresh_token_rotated:repeated")
					t.Calls(OpRotate)
				}
				phone.refreshIs("rotated")
				bob.refreshIs("rotated")
				// The rotation counts, though its answer is refused.
				t.Clock.Advance(time.Minute - rotTick)
				t.forget()
				s.Check(alice.Present(), denied(core.RateLimited))
				t.Events("refresh_token_rotated:rotated")
				t.Clock.Advance(rotTick)
				again := alice.copy()
				again.refreshIs("repeated")
				again.refreshIs("coalesced")
				again.accessGood("alice")
			}
		},
	}
}

func refreshLimitHidesNothing() Case {
	return Case{
		ID: "RF14", Slug: "refresh/limit-hides-no-replay",
		Rule:   "A replay is a replay above the limit as well: a thief who is quick cannot hide behind it.",
		Clause: "DESIGN section 5: 429 after the reuse decision, never instead of it",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			var err error
			a.Rotation.Limiter, err = refresh.PerFamily(2, 24*time.Hour, t.Clock.Now)
			t.NoError(err)
			s := a.Serve()
			old, alice := s.rotatedAt("user=alice")
			alice.accessGood("alice")
			for range 3 {
				_ = alice.Present()
			}
			t.forget()
			s.Check(alice.Present(), denied(core.RateLimited))
			t.Clock.Advance(rotGrace + rotTick)
			old.refreshEnds("reuse:late-after-confirm")
			alice.over()
			// Nor does one who is refused use up what his victim may have.
			alice = s.enter("user=alice")
			for range 5 {
				alice.refreshNothing(alice.Refresh[:len(alice.Refresh)-8]+"AAAAAAAA", "mac")
			}
			alice.refreshIs("rotated")
			alice.refreshIs("coalesced")
		},
	}
}

func refreshSubjectLimit() Case {
	return Case{
		ID: "RF5", Slug: "refresh/family-limit",
		Rule:   "A user has at most as many families as the application allows: a login above that ends the one that would expire first, with an event, and no other user's.",
		Clause: "refresh.Config.SubjectLimit",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.Rotation.SubjectLimit = 2
			s := a.Serve()
			bob := s.enter("user=bob")
			first := s.enter("user=alice")
			first.accessGood("alice")
			t.Clock.Advance(time.Minute)
			second := s.enter("user=alice")
			second.accessGood("alice")
			t.Clock.Advance(time.Minute)
			first.refreshIs("rotated") // so the second one expires first
			third := s.Login("user=alice")
			events := t.Events("refresh_family_expired:limit", "authn_token_created", "refresh_family_created", "authn_login_success")
			Equal(t, "the family that ended", events[0].Session, second.answer().Session)
			t.Calls(OpCreateFamily)
			second.refreshGone()
			// What was seen of it lives to its end, unless somebody says otherwise.
			second.accessStill("alice")
			t.forget()
			t.NoError(s.rotator.RevokeFamily(t.Context(), "alice", second.answer().Session))
			t.Events("session_denied")
			t.Calls(OpFindFamily, OpDeny)
			second.over()
			first.refreshIs("coalesced")
			third.refreshIs("rotated")
			bob.refreshIs("rotated")
		},
	}
}

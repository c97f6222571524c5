package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

// refreshEndCases are about what the application does to families, and what it is told of
// them.
func refreshEndCases() []Case {
	return []Case{refreshEndByOldToken(), refreshEndByHandle(), refreshEndFails(), refreshEpochRestored(), refreshFamilies(), refreshPrivacy()}
}

func refreshEndByOldToken() Case {
	return Case{
		ID: "R6", Slug: "refresh/ended-by-any-generation",
		Rule:   "A refresh token of any generation ends its family at a logout, with everything that was issued for it, and no other; to do it again is no error and no event.",
		Clause: "ATTACKS R6, RF8, RF10: revoke acts on the family and not on one token",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			logout := func(h *Holder, events ...string) {
				t.forget()
				s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
				for _, e := range t.Events(events...) {
					Equal(t, "subject of the event", e.Subject, "alice")
					Equal(t, "family of the event", e.Session, h.answer().Session)
				}
				t.Calls(OpEndFamily)
			}
			for back := range 3 {
				other := s.enter("user=alice")
				alice := s.enter("user=alice")
				held := []*Holder{alice.copy()}
				for range 2 {
					t.Clock.Advance(rotCoalesce + rotTick)
					alice.refreshIs("rotated")
					held = append(held, alice.copy())
				}
				alice.accessGood("alice")
				slices.Reverse(held)
				logout(held[back], "refresh_family_expired:logout")
				for _, h := range held {
					h.over()
				}
				logout(held[back])
				other.refreshIs("rotated")
			}
			// A guess ends nothing.
			alice := s.enter("user=alice")
			thief := alice.copy()
			thief.Refresh = alice.Refresh[:len(alice.Refresh)-8] + "AAAAAAAA"
			t.forget()
			s.Check(thief.Logout(), denied(core.InvalidGrant))
			t.Events("refresh_token_refused:mac")
			t.Calls()
			alice.refreshIs("rotated")
		},
	}
}

func refreshEndByHandle() Case {
	return Case{
		ID: "R6", Slug: "refresh/ended-by-handle",
		Rule:   "The application ends one family of a user by its handle, of that user alone; what cannot be a handle is an error.",
		Clause: "ATTACKS R6: admin revoke",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice, phone := s.enter("user=alice"), s.enter("user=alice")
			alice.accessGood("alice")
			handle := alice.answer().Session
			t.forget()
			t.NoError(s.rotator.RevokeFamily(t.Context(), "bob", handle))
			alice.accessStill("alice")
			alice.refreshIs("coalesced")
			for _, no := range []string{"", "x", handle[:21], handle + "A", handle + "="} {
				t.forget()
				if err := s.rotator.RevokeFamily(t.Context(), "alice", no); !errors.Is(err, revocation.ErrNoHandle) {
					t.Failf("revoke %q: got %v, want ErrNoHandle", no, err)
				}
				t.nothing()
			}
			t.forget()
			t.NoError(s.rotator.RevokeFamily(t.Context(), "alice", handle))
			for _, e := range t.Events("refresh_family_expired:revoked") {
				Equal(t, "family of the event", e.Session, handle)
				Equal(t, "subject of the event", e.Subject, "alice")
			}
			t.Calls(OpFindFamily, OpEndFamily)
			alice.over()
			phone.accessGood("alice")
			phone.refreshIs("coalesced")
		},
	}
}

func refreshEndFails() Case {
	return Case{
		ID: "S19", Slug: "refresh/end-that-is-not-stored",
		Rule:   "A logout or a revocation that the store did not keep is 503 or an error, deletes no cookie and is no event of an end; the family lives until it is done again.",
		Clause: "ATTACKS R15, S19; CVE-2020-15223",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			alice := s.enter("user=alice")
			t.Store.Fail(Always(FaultError, OpEndFamily, OpDeny, OpRaise))
			t.forget()
			s.Check(alice.Logout(), denied(core.StoreUnavailable))
			t.Events("store_failure:error")
			t.Calls(OpEndFamily)
			for _, err := range []error{
				s.rotator.RevokeFamily(t.Context(), "alice", alice.answer().Session),
				s.Registry.RevokeSession(t.Context(), "alice", alice.answer().Session),
				s.Registry.LogoutEverywhere(t.Context(), "alice"),
			} {
				if !errors.Is(err, core.ErrUnknown) {
					t.Failf("the end that was not stored: got %v", err)
				}
			}
			t.Events("store_failure:error", "store_failure:error", "store_failure:error")
			t.Store.Fail(nil)
			alice.accessGood("alice")
			alice.refreshIs("coalesced")
			t.forget()
			s.Check(alice.Logout(), Want{Status: 204, Service: "Bearer", Cookies: []string{"refresh-delete"}})
			alice.over()
		},
	}
}

func refreshEpochRestored() Case {
	return Case{
		ID: "DR2", Slug: "refresh/epoch-restored",
		Rule:   "If the store has lost a logout everywhere, the first token of a later login that anybody shows brings it back, and the families from before it are over.",
		Clause: "DESIGN section 5: an authentic higher epoch proves a loss; table row 7: stale epoch",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice, bob := s.enter("user=alice"), s.enter("user=bob")
			alice.accessGood("alice")
			t.Clock.Advance(time.Minute)
			later := s.Grant(token.Grant{Principal: core.Principal{
				Subject: "alice", Session: bob.answer().Session, Epoch: uint64(t.Clock.Now().UnixMicro()), AuthTime: t.Clock.Now(),
			}})
			t.forget()
			s.Check(s.Do("GET", "/api/me", authorization(later.Token)), accepted("alice"))
			t.Events("epoch_restored")
			t.Calls(OpRevoked, OpRestore)
			alice.over()
			bob.accessGood("bob")
			bob.refreshIs("coalesced")
			s.enter("user=alice").accessGood("alice")
		},
	}
}

func refreshFamilies() Case {
	return Case{
		ID: "R6", Slug: "refresh/list",
		Rule:   "The list of a user's families is of those that live, in the order in which they began, with what is known of their logins and the ends that they have.",
		Clause: "refresh.Rotator.Families",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.Rotation.IdleTimeout, a.Rotation.AbsoluteTimeout = time.Hour, 2*time.Hour
			s := a.Serve()
			list := func(user string) []refresh.FamilyInfo {
				t.forget()
				families, err := s.rotator.Families(t.Context(), user)
				t.NoError(err)
				t.Calls(OpFamilies)
				return families
			}
			began := t.Clock.Now()
			alice := s.enter("user=alice&client=app&device=phone")
			t.Clock.Advance(time.Minute)
			other, bob := s.enter("user=alice"), s.enter("user=bob")
			t.Clock.Advance(time.Minute)
			alice.refreshIs("rotated")
			families := list("alice")
			Equal(t, "families", len(families), 2)
			f := families[0]
			Equal(t, "login", [5]string{f.Handle, f.Subject, f.Client, f.Device, f.Method},
				[5]string{alice.answer().Session, "alice", "app", "phone", "test"})
			if !slices.Equal(f.Scopes, []string{"read:alice", "write:alice"}) {
				t.Failf("scopes: got %q", f.Scopes)
			}
			Equal(t, "times", [4]time.Time{f.AuthTime, f.Created, f.Expires, f.Ends},
				[4]time.Time{began, began, began.Add(62 * time.Minute), began.Add(2 * time.Hour)})
			Equal(t, "the other one", families[1].Handle, other.answer().Session)
			Equal(t, "another user's", len(list("bob")), 1)
			Equal(t, "nobody's", len(list("carol")), 0)
			t.NoError(s.rotator.RevokeFamily(t.Context(), "alice", families[0].Handle))
			Equal(t, "families", len(list("alice")), 1)
			t.Clock.Advance(59 * time.Minute)
			Equal(t, "families", len(list("alice")), 0)
			bob.refreshGone()
			t.Store.Fail(Always(FaultError, OpFamilies))
			if _, err := s.rotator.Families(t.Context(), "bob"); !errors.Is(err, core.ErrUnknown) {
				t.Failf("list of a store that fails: got %v", err)
			}
		},
	}
}

func refreshPrivacy() Case {
	return Case{
		ID: "S18", Slug: "refresh/no-secret-in-the-store",
		Rule:   "The store holds nothing that a refresh token could be made of, and no event says one.",
		Clause: "DESIGN section 5: the store holds no secret; ATTACKS R14, S18",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old := s.Login("user=alice&client=app&device=phone")
			alice := old.copy()
			alice.Rotate()
			alice.Good("alice")
			t.Clock.Advance(rotGrace + time.Second)
			s.Check(old.Present(), denied(core.InvalidGrant))
			written := t.Store.Written()
			for _, e := range t.Audit.Take() {
				written = append(written, fmt.Sprintf("%+v", e))
			}
			for _, h := range []*Holder{old, alice} {
				raw := rotDecode(t, h.Refresh)
				for _, part := range []string{h.Refresh, h.Refresh[len(rotPrefix):], string(raw), string(raw[31:47]), string(raw[47:])} {
					for _, w := range written {
						if strings.Contains(w, part) {
							t.Failf("a part of a refresh token is in %q", w)
						}
					}
				}
			}
		},
	}
}

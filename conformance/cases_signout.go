package conformance

import (
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
)

// signoutCases are about which act ends what, where sessions, refresh tokens and access
// tokens of one user stand beside each other.
func signoutCases() []Case {
	return []Case{
		signoutEverywhere(), signoutOthers(), signoutOneFamily(), signoutApart(), signoutDisabled(), signoutUnstored(),
		signoutOtherRealm(), signoutSessionIsNoToken(), signoutBound(),
	}
}

// household is an application with sessions and a token service on one registry.
type household struct {
	*AuthServer
	manager *session.Manager
}

func (t *T) household() *household {
	t.Helper()
	h := &household{manager: t.Manager(t.Config)}
	a := t.Auth(refresh.Body)
	if t.mutant == nil || t.mutant.Families == nil {
		a.Registry = h.manager.Revocations()
		a.Trust.Revocations = a.Registry
	}
	api := a.app()
	app := subjectApp()
	app.Sessions, app.Verifier, app.Tokens = h.manager, api.Verifier, api.Tokens
	app.Routes = append(app.Routes, api.Routes[1:]...)
	h.AuthServer = &AuthServer{Server: t.Serve(app), Auth: a}
	return h
}

// login is Holder.Login behind a session middleware, which asks for nothing.
func (h *household) login(user string) *Holder {
	h.t.Helper()
	held := h.AuthServer.Login("user=" + user)
	held.Good(user)
	return held
}

// out checks that a browser is logged out.
func (h *household) out(b *Browser) { h.t.Helper(); h.Check(b.Get("/me"), Anonymous()) }

func (h *household) in(b *Browser, user string) {
	h.t.Helper()
	h.Check(b.Get("/me"), Want{Status: 200, Body: "subject=" + user, Asked: true})
}

func signoutEverywhere() Case {
	return Case{
		ID: "S6", Slug: "signout/everywhere",
		Rule:   "Logging out everywhere, a changed password and a disabled account end every session, every refresh family and every access token of the user at once, seen before or not, told with the reason, and nobody else's; a new login is good.",
		Clause: "ASVS 7.4.1 to 7.4.5; CVE-2026-34828; CVE-2026-27575; CVE-2025-53826; DESIGN section 5",
		Run: func(t *T) {
			h := t.household()
			for event, act := range map[string]func() error{
				"subject_revoked:all":      func() error { return h.Registry.LogoutEverywhere(t.Context(), "alice") },
				"subject_revoked:password": func() error { return h.Registry.PasswordChanged(t.Context(), "alice") },
				"subject_revoked:disabled": func() error { return h.Registry.SubjectDisabled(t.Context(), "alice") },
			} {
				laptop, phone := h.loggedIn("alice"), h.login("alice")
				unseen := h.AuthServer.Login("user=alice")
				bobs, bob := h.loggedIn("bob"), h.login("bob")
				t.settle()
				t.NoError(act())
				told := 0
				for _, e := range t.Audit.Take() {
					if string(e.Name)+":"+string(e.Cause) == event && e.Subject == "alice" {
						told++
					}
				}
				Equal(t, "events "+event, told, 1)
				h.out(laptop)
				phone.Dead()
				unseen.Dead()
				h.in(bobs, "bob")
				bob.Good("bob")
				h.in(h.loggedIn("alice"), "alice")
				h.login("alice")
				t.Clock.Advance(time.Hour)
				bob.Rotate()
				phone.Check(phone.Present(), denied(core.InvalidGrant))
			}
		},
	}
}

func signoutOthers() Case {
	return Case{
		ID: "S6", Slug: "signout/others",
		Rule:   "Whoever changes the password in a session keeps that session, under a new id; every other session and every refresh family of the user ends.",
		Clause: "ASVS 7.4.3; ATTACKS S6",
		Run: func(t *T) {
			h := t.household()
			acting, other, phone := h.loggedIn("alice"), h.loggedIn("alice"), h.login("alice")
			before := acting.Value
			h.Check(acting.Post("/revoke-others"), Want{Status: 200, Body: "revoked", Cookies: []string{"set"}, Asked: true})
			if acting.Value == before {
				t.Failf("the acting session has its old id")
			}
			h.in(acting, "alice")
			h.out(other)
			phone.Dead()
		},
	}
}

func signoutOneFamily() Case {
	return Case{
		ID: "J20", Slug: "signout/one-family",
		Rule:   "One device's family ends by its handle from the user's list, with its access tokens; by another user's name nothing ends.",
		Clause: "ASVS 7.5.2; DESIGN section 5",
		Run: func(t *T) {
			h := t.household()
			first := h.AuthServer.Login("user=alice&device=laptop&client=app")
			t.Clock.Advance(time.Second)
			second := h.AuthServer.Login("user=alice&device=phone")
			list, err := h.Rotator().Families(t.Context(), "alice")
			t.NoError(err)
			Equal(t, "families", len(list), 2)
			Equal(t, "the first", list[0].Device+" "+list[0].Client+" "+list[0].Method, "laptop app test")
			Equal(t, "the second", list[1].Device, "phone")
			Equal(t, "begun", list[1].Created.Sub(list[0].Created), time.Second)
			t.NoError(h.Rotator().RevokeFamily(t.Context(), "bob", list[0].Handle))
			first.Good("alice")
			t.settle()
			t.NoError(h.Rotator().RevokeFamily(t.Context(), "alice", list[0].Handle))
			t.Events("refresh_family_expired:revoked")
			first.Dead()
			second.Good("alice")
			list, err = h.Rotator().Families(t.Context(), "alice")
			t.NoError(err)
			Equal(t, "families left", len(list), 1)
			// Through the registry it is the same act as for a session.
			t.NoError(h.Registry.RevokeSession(t.Context(), "alice", list[0].Handle))
			second.Dead()
		},
	}
}

func signoutApart() Case {
	return Case{
		ID: "J20", Slug: "signout/apart",
		Rule:   "Logging out of a session leaves refresh families alone, and logging out of a family leaves sessions and other families alone.",
		Clause: "docs/rotation: which act ends what",
		Run: func(t *T) {
			h := t.household()
			laptop, phone, tablet := h.loggedIn("alice"), h.login("alice"), h.login("alice")
			h.Check(phone.Logout(), Want{Status: 204, Service: "Bearer"})
			phone.Dead()
			h.in(laptop, "alice")
			tablet.Good("alice")
			h.Check(laptop.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
			tablet.Good("alice")
			t.Clock.Advance(time.Hour)
			tablet.Rotate()
		},
	}
}

func signoutDisabled() Case {
	return Case{
		ID: "S7", Slug: "signout/disabled-account",
		Rule:   "Once an account is disabled its next refresh is refused and ends the family with its access tokens, also when nobody revoked anything.",
		Clause: "ASVS 7.4.2; CVE-2023-22492; CVE-2026-43983; ATTACKS S7",
		Run: func(t *T) {
			disabled := map[string]bool{}
			a := t.Auth(refresh.Body)
			a.Rotation.SubjectStatus = statusOf(disabled)
			s := a.Serve()
			h, bob := s.Login("user=alice"), s.Login("user=bob")
			h.Good("alice")
			disabled["alice"] = true
			t.settle()
			s.Check(h.Present(), denied(core.InvalidGrant))
			t.Events("refresh_family_expired:disabled")
			h.Dead()
			bob.Good("bob")
			disabled["alice"] = false
			h.Dead() // what was ended stays so
		},
	}
}

func signoutUnstored() Case {
	return Case{
		ID: "S19", Slug: "signout/unstored",
		Rule:   "An act that the store did not take is an error, never a success; doing it again does it.",
		Clause: "DESIGN section 5; ATTACKS S19",
		Run: func(t *T) {
			h := t.household()
			for op, act := range map[Operation]func(handle string) error{
				OpRaise:     func(string) error { return h.Registry.LogoutEverywhere(t.Context(), "alice") },
				OpEndFamily: func(handle string) error { return h.Rotator().RevokeFamily(t.Context(), "alice", handle) },
			} {
				held := h.login("alice")
				handle := held.Claims().Session
				for _, fault := range []Fault{FaultError, FaultAfter} {
					t.Store.Fail(Always(fault, op))
					if err := act(handle); err == nil {
						t.Failf("%s: no error", op)
					}
				}
				t.Store.Fail(nil)
				t.NoError(act(handle))
				held.Dead()
			}
		},
	}
}

func signoutOtherRealm() Case {
	return Case{
		ID: "S22", Slug: "signout/other-application",
		Rule:   "Two applications on one store share neither refresh tokens nor revocations.",
		Clause: "DESIGN section 3; CVE-2021-32693",
		Run: func(t *T) {
			ours := t.Auth(refresh.Body).Serve()
			other := t.authOf("elsewhere", refresh.Body).Serve()
			h, theirs := ours.Login("user=alice"), other.Login("user=alice")
			h.Good("alice")
			theirs.Good("alice")
			t.settle()
			ours.Check(theirs.At(ours).Present(), denied(core.InvalidGrant))
			other.Check(h.At(other).Logout(), denied(core.InvalidGrant))
			t.Calls()
			t.NoError(ours.Registry.LogoutEverywhere(t.Context(), "alice"))
			h.Dead()
			theirs.Good("alice")
			t.Clock.Advance(time.Hour)
			theirs.Rotate()
		},
	}
}

func signoutSessionIsNoToken() Case {
	return Case{
		ID: "J15", Slug: "signout/kinds-apart",
		Rule:   "The value of a session's cookie is no refresh token and no access token, a handle is none either, and neither token is a session.",
		Clause: "RFC 8725 section 3.12; CVE-2026-41164",
		Run: func(t *T) {
			h := t.household()
			alice, held := h.loggedIn("alice"), h.login("alice")
			handle := held.Claims().Session
			t.settle()
			for _, raw := range []string{alice.Value, "spr_" + alice.Value, handle, strings.Repeat("A", 88)} {
				forged := *held
				forged.Refresh = raw
				h.Check(forged.Present(), denied(core.InvalidGrant))
				h.Check(h.Do("GET", "/api/me", authorization(raw)), Want{
					Status: 401, Code: string(core.InvalidSignature), Bearer: true, CacheControl: "no-store",
				})
			}
			t.Calls()
			for _, raw := range []string{held.Refresh, held.Access, handle} {
				b := h.Browser()
				b.Value = raw
				h.Check(b.Get("/me"), Anonymous())
			}
			t.Calls()
			h.in(alice, "alice")
			held.Good("alice")
		},
	}
}

func signoutBound() Case {
	return Case{
		ID: "RF15", Slug: "signout/bound-of-the-unasking",
		Rule:   "A verifier that asks nobody accepts an access token of a family that ended until the token expires, and not a second longer than its leeway; one that asks refuses it at once.",
		Clause: "ATTACKS RF15; docs/rotation: bounds",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s := a.Serve()
			deaf := t.Auth(refresh.Body)
			deaf.Trust = a.Trust
			deaf.Trust.Revocations = nil
			other := deaf.Serve()
			h := s.Login("user=alice")
			h.Good("alice")
			s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
			s.Check(h.Use(), refused(core.TokenRevoked))
			there := h.At(other)
			there.Good("alice")
			expires := time.Unix(there.Claims().Expires, 0)
			t.Clock.Advance(expires.Sub(t.Clock.Now()) + 29*time.Second)
			there.Good("alice")
			t.Clock.Advance(time.Second)
			other.Check(there.Use(), refused(core.TokenExpired))
		},
	}
}

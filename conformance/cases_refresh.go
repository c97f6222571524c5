package conformance

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshCases are about refresh tokens and their families.
func refreshCases() []Case {
	return slices.Concat(refreshTableCases(), refreshThiefCases(), refreshDamageCases(), refreshRaceCases(), refreshSightCases(),
		refreshStoreCases(), refreshTimeCases(), refreshRingCases(), refreshGrantCases(), refreshEndCases())
}

// The windows of the default rules, and the smallest step of a store's clock.
const (
	rotGrace    = 10 * time.Second
	rotCoalesce = 3 * rotGrace // after a rotation
	rotInUse    = 2 * rotGrace // after the first use
	rotLate     = 24 * time.Hour
	rotTick     = time.Microsecond
)

// enter logs in and forgets that.
func (s *AuthServer) enter(query string) *Holder {
	s.t.Helper()
	h := s.Login(query)
	s.t.forget()
	return h
}

// copy is somebody else who holds the same tokens.
func (h *Holder) copy() *Holder {
	other := *h
	return &other
}

// refreshIs refreshes and checks by which row of the table that is answered, with one
// store operation, and what the client is given: where it already has the latest refresh
// token, an access token alone.
func (h *Holder) refreshIs(row string, params ...string) {
	h.t.Helper()
	h.t.forget()
	a := h.Present(params...)
	if row == "coalesced" || row == "recovered" {
		h.Coalesced(a)
	} else {
		h.Granted(a)
	}
	events := []string{"refresh_token_rotated:" + row, "authn_token_created"}
	if len(h.Rotation.Wired) == 0 {
		slices.Reverse(events) // what could not be asked for again is signed first
	}
	h.t.Events(events...)
	h.t.Calls(h.refreshAsks(OpRotate)...)
}

// refreshEnds refreshes and checks that this ends the family for that cause.
func (h *Holder) refreshEnds(cause string, params ...string) {
	h.t.Helper()
	h.t.forget()
	sid := h.answer().Session
	h.Check(h.Present(params...), denied(core.InvalidGrant))
	events := []string{"authn_token_reuse:" + cause, "refresh_family_expired:" + cause}
	if len(h.Rotation.Wired) == 0 {
		events = slices.Insert(events, 0, "authn_token_created") // which nobody gets
	}
	for _, e := range h.t.Events(events...)[len(events)-2:] {
		Equal(h.t, "family of the event", e.Session, sid)
		if e.Subject == "" || e.App != "conformance" || !e.ClientIP.IsLoopback() {
			h.t.Failf("the event does not say whose family it was, or who asked: %+v", e)
		}
	}
	h.t.Calls(h.refreshAsks(OpRotate)...)
}

// refreshGone refreshes and checks that there is no family any more, which is nobody's
// fault.
func (h *Holder) refreshGone() {
	h.t.Helper()
	h.t.forget()
	h.Check(h.Present(), denied(core.InvalidGrant))
	h.t.Events("refresh_token_refused:gone")
	if h.Rotation.SubjectStatus != nil || len(h.Rotation.Wired) == 0 {
		h.t.Calls(OpFindFamily)
	} else {
		h.t.Calls(OpRotate)
	}
}

// refreshAsks is what a refresh costs: one operation, and another one before if something
// has to be known of the family first.
func (h *Holder) refreshAsks(op ...Operation) []Operation {
	if h.Rotation.SubjectStatus != nil || len(h.Rotation.Wired) == 0 {
		return append(op, OpFindFamily)
	}
	return op
}

// accessGood uses the access token for the first time at this node.
func (h *Holder) accessGood(user string) {
	h.t.Helper()
	h.t.forget()
	h.Good(user)
	h.t.Events()
	h.t.Calls(OpSight, OpRevoked)
}

// accessStill uses it again.
func (h *Holder) accessStill(user string) {
	h.t.Helper()
	h.t.forget()
	h.Good(user)
	h.t.Events()
	h.t.Calls(OpRevoked)
}

// accessRevoked checks that the access token is refused, seen before or not.
func (h *Holder) accessRevoked() {
	h.t.Helper()
	for range 2 {
		h.t.forget()
		h.Check(h.Use(), refused(core.TokenRevoked))
		h.t.tokensRefused(1)
	}
}

// over checks that neither token is worth anything.
func (h *Holder) over() {
	h.t.Helper()
	h.accessRevoked()
	h.refreshGone()
}

// answer is what the access token says, read by whoever holds it and shown to nobody.
func (h *Holder) answer() (c Claims) {
	h.t.Helper()
	parts := strings.Split(h.Access, ".")
	if len(parts) != 3 {
		h.t.Failf("access token: got %q, want three parts", h.Access)
	}
	h.t.NoError(json.Unmarshal(h.t.decoded(parts[1]), &c))
	return c
}

// same checks that both hold the same refresh token and different access tokens of the
// same family.
func (h *Holder) same(other *Holder) {
	h.t.Helper()
	Equal(h.t, "the successor", other.Refresh, h.Refresh)
	a, b := h.answer(), other.answer()
	Equal(h.t, "the family", b.Session, a.Session)
	Equal(h.t, "the generation", b.Generation, a.Generation)
	if a.ID == b.ID || len(h.Rotation.Wired) > 0 && a.Answer == b.Answer {
		h.t.Failf("two answers are one: %+v", b)
	}
}

// rotatedAt logs alice in, lets her refresh a minute later and returns who holds the token
// that was replaced, and she herself. Nobody has used what came with it.
func (s *AuthServer) rotatedAt(query string) (old, alice *Holder) {
	s.t.Helper()
	alice = s.enter(query)
	s.t.Clock.Advance(time.Minute)
	old = alice.copy()
	alice.refreshIs("rotated")
	return old, alice
}

func refreshOnce() Case {
	return Case{
		ID: "R1", Slug: "refresh/once",
		Rule:   "A refresh answers with a new access token and a new refresh token; once the new one is in use and the grace window is over, the old one ends the family.",
		Clause: "RFC 9700 section 4.14.2; DESIGN section 5",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				alice := s.Login("user=alice")
				t.Events("authn_token_created", "refresh_family_created", "authn_login_success")
				alice.Good("alice")
				t.Calls(OpCreateFamily, OpSight, OpRevoked)
				old := alice.copy()
				t.Clock.Advance(time.Minute)
				alice.Rotate()
				t.Events("refresh_token_rotated:rotated", "authn_token_created")
				t.Calls(OpRotate)
				if alice.Refresh == old.Refresh || alice.Access == old.Access {
					t.Failf("the tokens are the old ones")
				}
				Equal(t, "the family", alice.answer().Session, old.answer().Session)
				old.Good("alice") // to the end of its life
				alice.Good("alice")
				t.Clock.Advance(time.Minute)
				old.refreshEnds("reuse:late-after-confirm")
				alice.over()
				old.over()
			}
		},
	}
}

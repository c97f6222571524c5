package conformance

import (
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// refreshSightCases are about what verifiers tell of the access tokens that they see, and
// about what they are told of those that are void.
func refreshSightCases() []Case {
	return []Case{refreshSightElsewhere(), refreshSightFails(), refreshSightFirst(), refreshVoidReachesCaches(), refreshSightOfEnded()}
}

func refreshSightElsewhere() Case {
	return Case{
		ID: "RF3", Slug: "refresh/sighting-at-another-node",
		Rule:   "An access token that any verifier accepts puts its generation in use for every node; each verifier tells of a token once.",
		Clause: "DESIGN section 5: confirmed",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s, node := a.Serve(), a.Node()
			old, alice := s.rotatedAt("user=alice")
			t.Clock.Advance(time.Minute)
			alice.At(node).accessGood("alice")
			alice.At(node).accessStill("alice")
			alice.At(s).accessGood("alice") // this one has not seen it
			alice.At(s).accessStill("alice")
			t.Clock.Advance(rotGrace + rotTick)
			old.refreshEnds("reuse:late-after-confirm")
			alice.accessRevoked()
			alice.At(node).accessRevoked()
		},
	}
}

func refreshSightFails() Case {
	return Case{
		ID: "R13", Slug: "refresh/sighting-fails",
		Rule:   "An access token whose sighting could not be stored is answered 503 and is not accepted until it could; it is neither called revoked nor taken for seen.",
		Clause: "DESIGN section 5: sighting before check; DESIGN section 2: three answers",
		Run: func(t *T) {
			t.Config.StoreTimeout = patience
			s := t.Auth(refresh.Body).Serve()
			for _, f := range []Fault{FaultError, FaultHang, FaultAfter} {
				old, alice := s.rotatedAt("user=alice")
				t.Store.Fail(Always(f, OpSight))
				for range 2 {
					t.forget()
					s.Check(alice.Use(), refused(core.StoreUnavailable))
					for _, e := range t.Events("store_failure:error") {
						Equal(t, "whose", e.Subject, "alice")
						Equal(t, "family of the event", e.Session, alice.answer().Session)
					}
					t.Calls(OpSight)
					if f == FaultHang {
						break // it takes its time
					}
				}
				t.Store.Fail(nil)
				t.Clock.Advance(rotGrace + rotTick)
				if f == FaultAfter { // it was stored, and nobody heard of it
					alice.accessGood("alice")
					old.refreshEnds("reuse:late-after-confirm")
					alice.accessRevoked()
					continue
				}
				old.refreshIs("late-repeat")
				alice.accessRevoked()
				old.accessGood("alice")
			}
			// Seen, and then nobody can say whether it was revoked: it counts as seen,
			// and is not accepted.
			old, alice := s.rotatedAt("user=alice")
			t.Store.Fail(Always(FaultError, OpRevoked))
			t.forget()
			s.Check(alice.Use(), refused(core.StoreUnavailable))
			t.Events("store_failure:error")
			t.Calls(OpSight, OpRevoked)
			t.Store.Fail(nil)
			alice.accessGood("alice")
			t.Clock.Advance(rotGrace + rotTick)
			old.refreshEnds("reuse:late-after-confirm")
		},
	}
}

func refreshSightFirst() Case {
	return Case{
		ID: "RF3", Slug: "refresh/sighting-of-what-is-not-good",
		Rule:   "Only a token that is good but for its family is told of: one that has expired, is for somebody else or has a wrong signature puts nothing in use.",
		Clause: "DESIGN section 5; DESIGN section 4",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			s := a.Serve()
			// An API for somebody else, with the same keys on the same store.
			other := *a
			tokens := *a.Tokens
			tokens.verifier, tokens.Config.Audience = nil, "https://other.example"
			other.Tokens, other.made = &tokens, nil
			elsewhere := t.Serve(other.bearerApp())

			old, alice := s.rotatedAt("user=alice")
			for _, at := range []*Server{elsewhere, s.Server} {
				line := authorization(alice.Access)
				if at == s.Server {
					line = line[:len(line)-4] + "AAAA"
				}
				t.forget()
				at.Check(at.Do("GET", "/api/me", line), refused(core.InvalidSignature))
				t.tokensRefused(1)
				t.Calls()
			}
			t.Clock.Advance(time.Hour)
			t.forget()
			s.Check(alice.Use(), refused(core.TokenExpired))
			t.tokensRefused(1)
			t.Calls()
			old.refreshIs("late-repeat")
			old.accessGood("alice")
		},
	}
}

func refreshVoidReachesCaches() Case {
	return Case{
		ID: "RF3", Slug: "refresh/void-reaches-who-has-seen",
		Rule:   "What a late repeat voids is void at a verifier that has accepted it as well, whose sighting the store has lost; it stays void for as long as a verifier could accept it, and the answers from the late repeat on are not.",
		Clause: "DESIGN section 5: void every access token of generation n answered before this one; ATTACKS TM6, DR1",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.shortLived(19 * time.Second)
			s := a.Serve()
			old, alice := s.rotatedAt("user=alice")
			phone := s.enter("user=alice")
			phone.refreshIs("rotated") // of the same generation, and as early
			phone.accessGood("alice")
			t.Store.Fail(Always(FaultForget, OpSight))
			alice.accessGood("alice")
			t.Store.Fail(nil)
			alice.accessStill("alice")
			t.Clock.Advance(rotGrace + rotTick)
			again := old.copy()
			again.refreshIs("late-repeat")
			alice.same(again)
			alice.accessRevoked()
			t.Calls(OpRevoked)
			t.Clock.Advance(time.Second)
			later := again.copy()
			later.refreshIs("coalesced")
			again.accessGood("alice")
			later.accessGood("alice")
			phone.accessStill("alice")
			// To the end of what leeway makes of its life.
			t.Clock.Advance(19*time.Second + 30*time.Second - rotGrace - rotTick - time.Second - rotTick)
			alice.accessRevoked()
			again.accessStill("alice")
			t.Clock.Advance(rotTick)
			s.Check(alice.Use(), refused(core.TokenExpired))
		},
	}
}

// shortLived makes the access tokens live for d, less than 20 s: of those nothing is cut.
func (a *Auth) shortLived(d time.Duration) {
	a.t.Helper()
	issuer, err := token.NewIssuer(token.IssuerConfig{
		App: "conformance", Name: issuerName, Audience: audience, Keys: a.Keys, Lifetime: d, Now: a.t.Clock.Now, Audit: a.t.Audit,
	})
	a.t.NoError(err)
	a.Rotation.Issuer = issuer
}

func refreshSightOfEnded() Case {
	return Case{
		ID: "TM6", Slug: "refresh/denied-to-the-end",
		Rule:   "A family that was ended stays denied for as long as any verifier would accept an access token of it, to the edge, however it was ended; a token that nobody has seen is refused after that as well.",
		Clause: "ATTACKS TM6, RF15",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			a.shortLived(19 * time.Second)
			s := a.Serve()
			for name, end := range map[string]func(old, alice *Holder){
				"by a replay": func(old, _ *Holder) { old.refreshEnds("reuse:older") },
				"by a logout": func(_, alice *Holder) { s.Check(alice.Logout(), Want{Status: 204, Service: "Bearer"}) },
				"by its handle": func(_, alice *Holder) {
					t.NoError(s.rotator.RevokeFamily(t.Context(), "alice", alice.answer().Session))
				},
			} {
				t.note("ended "+name, "")
				old, alice := s.rotatedAt("user=alice")
				t.Clock.Advance(rotCoalesce + rotTick)
				// iat is in whole seconds.
				t.Clock.Advance(t.Clock.Now().Truncate(time.Second).Add(time.Second).Sub(t.Clock.Now()))
				alice.refreshIs("rotated")
				alice.accessGood("alice")
				unseen := alice.copy()
				unseen.refreshIs("coalesced")
				end(old, alice)
				t.Clock.Advance(19*time.Second + 30*time.Second - rotTick)
				alice.accessRevoked()
				unseen.accessRevoked()
				t.Clock.Advance(rotTick)
				for _, h := range []*Holder{alice, unseen} {
					s.Check(h.Use(), refused(core.TokenExpired))
				}
			}
		},
	}
}

package conformance

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// refreshStoreCases are about what fails on our side, and who pays for it.
func refreshStoreCases() []Case {
	return []Case{refreshStoreFails(), refreshStoreFailsLate(), refreshFindFails(), refreshGarbage(), refreshSigningFails(), refreshReuseFails()}
}

// refreshFails refreshes and checks that the client is asked to come again, with what it
// has, and that there was one failure of the store.
func (h *Holder) refreshFails(ops ...Operation) {
	h.t.Helper()
	h.t.forget()
	h.Check(h.Present(), denied(core.StoreUnavailable)) // and sets no cookie
	h.t.Events("store_failure:error")
	h.t.Calls(ops...)
}

func refreshStoreFails() Case {
	return Case{
		ID: "R13", Slug: "refresh/store-fails",
		Rule:   "A refresh that the store does not answer is answered 503 with Retry-After and consumes nothing: the client that tries again gets the one successor, is never taken for a thief, and keeps its cookie meanwhile.",
		Clause: "ATTACKS R13, DR10; keycloak issue 49213",
		Run: func(t *T) {
			t.Config.StoreTimeout = patience
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				for _, f := range []Fault{FaultError, FaultHang, FaultAfter} {
					if f == FaultHang && transport == refresh.Cookie {
						continue // it takes its time
					}
					alice := s.enter("user=alice")
					alice.accessGood("alice")
					t.Clock.Advance(time.Minute)
					t.Store.Fail(Always(f, OpRotate))
					for range 2 {
						alice.refreshFails(OpRotate)
						if f == FaultHang {
							break
						}
					}
					alice.accessStill("alice")
					t.Store.Fail(nil)
					old := alice.copy()
					if f == FaultAfter {
						alice.refreshIs("repeated")
					} else {
						alice.refreshIs("rotated")
					}
					again := old.copy()
					again.refreshIs("repeated")
					alice.same(again)
					alice.accessGood("alice")
					t.Clock.Advance(rotCoalesce + time.Second)
					alice.refreshIs("rotated")
				}
			}
		},
	}
}

func refreshStoreFailsLate() Case {
	return Case{
		ID: "R13", Slug: "refresh/answer-lost",
		Rule:   "A client whose answers get lost again and again, for less than a day each time, is answered the same successor in the end, by whichever row of the table; what it presents newer than that is recovered.",
		Clause: "ATTACKS R13, RF3, DR10",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			alice := s.enter("user=alice")
			old := alice.copy()
			t.Store.Fail(Always(FaultAfter, OpRotate))
			for _, wait := range []time.Duration{time.Minute, time.Second, rotGrace, time.Hour, rotGrace, 2 * time.Second, rotLate} {
				t.Clock.Advance(wait)
				alice.refreshFails(OpRotate)
			}
			t.Store.Fail(nil)
			t.Clock.Advance(time.Hour)
			alice.refreshIs("late-repeat")
			again := old.copy()
			again.refreshIs("repeated")
			alice.same(again)
			alice.accessGood("alice")
			// A coalesced answer that is lost takes nothing with it.
			t.Store.Fail(Always(FaultAfter, OpRotate))
			alice.refreshFails(OpRotate)
			t.Store.Fail(nil)
			alice.refreshIs("coalesced")
			t.Clock.Advance(rotCoalesce + time.Second)
			alice.refreshIs("rotated")
			alice.accessGood("alice")
		},
	}
}

func refreshFindFails() Case {
	return Case{
		ID: "R13", Slug: "refresh/store-fails-before",
		Rule:   "Where the family has to be looked at before the decision, a failure of that is 503 and nothing is decided.",
		Clause: "ATTACKS R13",
		Run: func(t *T) {
			for _, wired := range []bool{true, false} {
				a := t.Auth(refresh.Body)
				if wired {
					a.Rotation.SubjectStatus = func(context.Context, string) (refresh.Status, error) { return refresh.Status{}, nil }
				} else {
					a.Rotation.Wired = nil
				}
				s := a.Serve()
				for _, f := range []Fault{FaultError, FaultAfter, FaultGarbage} {
					alice := s.enter("user=alice")
					t.Clock.Advance(time.Minute)
					t.Store.Fail(Always(f, OpFindFamily))
					alice.refreshFails(OpFindFamily)
					t.Store.Fail(nil)
					alice.refreshIs("rotated")
				}
			}
		},
	}
}

func refreshGarbage() Case {
	return Case{
		ID: "R13", Slug: "refresh/store-returns-garbage",
		Rule:   "A family that cannot be read is 503 and not a family of nobody; that it came to its end is said and done all the same.",
		Clause: "ATTACKS R13, S19",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, alice := s.rotatedAt("user=alice")
			t.Store.Fail(Always(FaultGarbage, OpRotate))
			alice.refreshFails(OpRotate)
			t.Store.Fail(nil)
			alice.refreshIs("coalesced")
			t.Clock.Advance(rotGrace + rotTick)
			t.Store.Fail(Always(FaultGarbage, OpRotate))
			t.forget()
			s.Check(old.Present(), denied(core.InvalidGrant))
			t.Events("authn_token_reuse:reuse:late-after-confirm", "refresh_family_expired:reuse:late-after-confirm")
			t.Store.Fail(nil)
			alice.over()
		},
	}
}

// rotIssuer fails on demand.
type rotIssuer struct {
	refresh.Issuer
	fails bool
}

func (i *rotIssuer) IssueAnswer(ctx context.Context, p core.Principal, client string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	if i.fails {
		return "", time.Time{}, errors.New("conformance: nothing is signed")
	}
	return i.Issuer.IssueAnswer(ctx, p, client, a, notAfter)
}

func refreshSigningFails() Case {
	return Case{
		ID: "R13", Slug: "refresh/signing-fails",
		Rule:   "If the access token cannot be signed the answer is 503 and the client that comes again gets the one successor; where nothing could be asked for a second time, signing comes before the decision.",
		Clause: "DESIGN section 5: signing too when unwired; a failure after the step is 503 and covered by late repeat",
		Run: func(t *T) {
			for _, wired := range []bool{true, false} {
				a := t.Auth(refresh.Body)
				issuer := &rotIssuer{Issuer: a.Rotation.Issuer}
				a.Rotation.Issuer = issuer
				ops, first, events := []Operation{OpRotate}, "late-repeat", []string{"refresh_token_rotated:rotated", "refresh_token_refused:error"}
				if !wired {
					a.Rotation.Wired = nil
					ops, first, events = []Operation{OpFindFamily}, "rotated", []string{"refresh_token_refused:error"}
				}
				s := a.Serve()
				alice := s.enter("user=alice")
				t.Clock.Advance(time.Minute)
				issuer.fails = true
				t.forget()
				s.Check(alice.Present(), denied(core.StoreUnavailable))
				t.Events(events...)
				t.Calls(ops...)
				issuer.fails = false
				t.Clock.Advance(time.Hour)
				alice.refreshIs(first)
				t.Clock.Advance(rotCoalesce)
				alice.refreshIs("coalesced")

				// Nobody is logged in by a login that cannot be answered.
				issuer.fails = true
				t.forget()
				Equal(t, "status", s.Post(LoginPath+"?user=bob", jsonType, "{}").Status, 500)
				t.Events()
				t.Calls(OpCreateFamily, OpEndFamily)
				families, err := s.rotator.Families(t.Context(), "bob")
				t.NoError(err)
				Equal(t, "families that nobody holds", len(families), 0)
				issuer.fails = false
			}
		},
	}
}

func refreshReuseFails() Case {
	return Case{
		ID: "R13", Slug: "refresh/reuse-that-is-not-stored",
		Rule:   "A replay that the store could not act on is 503, and is found out when it comes again; nobody is told that a family has ended which has not.",
		Clause: "ATTACKS R13; CVE-2026-56750",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			old, alice := s.rotatedAt("user=alice")
			alice.accessGood("alice")
			t.Clock.Advance(rotGrace + rotTick)
			t.Store.Fail(Always(FaultError, OpRotate))
			old.refreshFails(OpRotate)
			t.Store.Fail(nil)
			alice.accessStill("alice")
			old.refreshEnds("reuse:late-after-confirm")
			alice.over()
			// The reply was lost, and the family has ended.
			old, alice = s.rotatedAt("user=alice")
			alice.accessGood("alice")
			t.Clock.Advance(rotGrace + rotTick)
			t.Store.Fail(Always(FaultAfter, OpRotate))
			old.refreshFails(OpRotate)
			t.Store.Fail(nil)
			old.refreshGone()
			alice.over()
		},
	}
}

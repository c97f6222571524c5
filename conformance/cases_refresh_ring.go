package conformance

import (
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// refreshRingCases are about the secrets that refresh tokens are made with.
func refreshRingCases() []Case {
	return []Case{refreshRing(), refreshRingBehind(), refreshRingRecovery()}
}

// withSecrets is a node whose ring is these secrets, by their numbers.
func (a *Auth) withSecrets(numbers ...int) *AuthServer {
	a.t.Helper()
	other := *a
	other.Rotation.Secrets = nil
	for _, n := range numbers {
		other.Rotation.Secrets = append(other.Rotation.Secrets, refreshSecret(n))
	}
	return other.Node()
}

// madeWith returns the name of the secret that the refresh token was made with.
func (h *Holder) madeWith() [4]byte {
	h.t.Helper()
	return [4]byte(rotDecode(h.t, h.Refresh)[1:])
}

func refreshRing() Case {
	return Case{
		ID: "R9", Slug: "refresh/secrets",
		Rule:   "A secret is announced, then signs, then is dropped, and no family notices: tokens of any secret in the ring are good, new generations are made with the first, and a generation keeps the secret that it was first made with.",
		Clause: "DESIGN section 5: ring: announce → sign → retire",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			announced, signing, dropped := a.withSecrets(1, 2), a.withSecrets(2, 1), a.withSecrets(2)
			alice := announced.enter("user=alice")
			one := alice.madeWith()
			t.Clock.Advance(time.Minute)
			alice.refreshIs("rotated")
			Equal(t, "the secret", alice.madeWith(), one)
			alice.At(signing).refreshIs("coalesced")
			t.Clock.Advance(rotCoalesce + time.Second)
			old := alice.copy()
			alice = alice.At(signing)
			alice.refreshIs("rotated")
			two := alice.madeWith()
			if two == one {
				t.Failf("the new generation is made with the old secret")
			}
			// Repeated by a node that would make a new one with the other secret.
			again := old.At(announced)
			again.refreshIs("repeated")
			alice.same(again)
			again.refreshIs("coalesced")
			again.accessGood("alice")
			t.Clock.Advance(rotCoalesce + time.Second)
			alice = alice.At(dropped)
			alice.refreshIs("rotated")
			Equal(t, "the secret", alice.madeWith(), two)
			// Whose tokens are all made with the dropped one has been away for too long.
			old.AuthServer = dropped
			old.refreshUnknownSecret(old.Refresh)
			alice.refreshIs("coalesced")
			old.At(signing).refreshEnds("reuse:older")
			alice.refreshGone()
		},
	}
}

func refreshRingBehind() Case {
	return Case{
		ID: "R13", Slug: "refresh/secret-not-there-yet",
		Rule:   "A node that has not got a secret yet answers 503, without a store call for a token that is made with it; the client that comes again to another node has lost nothing.",
		Clause: "DESIGN section 5: unknown key id: 503, no store call",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			behind, ahead := a.withSecrets(1), a.withSecrets(2, 1)
			alice := behind.enter("user=alice")
			t.Clock.Advance(time.Minute)
			old := alice.copy()
			alice = alice.At(ahead)
			alice.refreshIs("rotated")
			alice.At(behind).refreshUnknownSecret(alice.Refresh)
			t.forget()
			logout := alice.At(behind)
			logout.Check(logout.Logout(), denied(core.StoreUnavailable))
			t.Events("refresh_token_refused:secret")
			t.Calls()
			// It decides about the old token, and cannot make the new one.
			t.forget()
			behind.Check(old.Present(), denied(core.StoreUnavailable))
			t.Events("refresh_token_rotated:repeated", "authn_token_created", "refresh_token_refused:error")
			t.Calls(OpRotate)
			again := old.At(ahead)
			again.refreshIs("repeated")
			alice.same(again)
			alice.refreshIs("coalesced")
			alice.At(behind).accessGood("alice")
		},
	}
}

func refreshRingRecovery() Case {
	return Case{
		ID: "DR1", Slug: "refresh/secret-of-the-recovered",
		Rule:   "A generation that is recovered goes on with the secret that its token was made with.",
		Clause: "DESIGN section 5, table row 6",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			one, two := a.withSecrets(1, 2), a.withSecrets(2, 1)
			alice := one.enter("user=alice").At(two)
			old := alice.copy()
			t.Clock.Advance(time.Minute)
			t.Store.Fail(Always(FaultForget, OpRotate))
			alice.refreshIs("rotated")
			t.Store.Fail(nil)
			alice.At(one).refreshIs("recovered")
			again := old.At(one)
			again.refreshIs("repeated")
			alice.At(one).same(again)
		},
	}
}

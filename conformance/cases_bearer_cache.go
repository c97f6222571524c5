package conformance

import (
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func bearerExpires() Case {
	return Case{
		ID: "J24", Slug: "bearer/seen-token-expires",
		Rule:   "A token that was accepted a moment ago is refused from its exp and the leeway on, with TOKEN_EXPIRED and nothing else, however often it is sent.",
		Clause: "RFC 7519 section 4.1.4; DESIGN section 4 (a hit skips parsing and signature only); CVE-2026-33496",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			const leeway = 30 * time.Second
			seen, unseen := k.Issue("alice"), k.Issue("alice")
			for _, issued := range []token.Issued{seen, unseen} {
				if left := issued.Expires.Sub(epoch); left > 900*time.Second || left < 855*time.Second {
					t.Failf("the token lives for %s, want 900 s less at most 5 %%", left)
				}
			}
			last := seen.Expires
			if unseen.Expires.Before(last) {
				last = unseen.Expires
			}
			for _, at := range []time.Time{epoch, epoch.Add(time.Minute), last, last.Add(leeway - time.Second)} {
				t.Clock.Advance(at.Sub(t.Clock.Now()))
				s.Check(s.Do("GET", "/api/me", authorization(seen.Token)), accepted("alice"))
			}
			t.nothing()
			for _, issued := range []token.Issued{seen, unseen} {
				if over := issued.Expires.Add(leeway); over.After(t.Clock.Now()) {
					t.Clock.Advance(over.Sub(t.Clock.Now()))
				}
				for _, path := range []string{"/api/me", "/api/optional", "/api/login", "/api/role"} {
					for range 2 {
						s.Check(s.Do("GET", path, authorization(issued.Token)), refused(core.TokenExpired))
						t.tokensRefused(1)
					}
				}
			}
			for range 3 { // and it stays so
				t.Clock.Advance(24 * time.Hour)
				s.Check(s.Do("GET", "/api/me", authorization(seen.Token)), refused(core.TokenExpired))
				t.tokensRefused(1)
			}
			// Back in time, as after a correction of the clock, it is what it says.
			t.Clock.Advance(seen.Expires.Sub(t.Clock.Now()))
			s.Check(s.Do("GET", "/api/me", authorization(seen.Token)), accepted("alice"))
		},
	}
}

func bearerNoCacheOfVerdicts() Case {
	return Case{
		ID: "J24", Slug: "bearer/cache-tells-tokens-apart",
		Rule:   "A verdict is a token's own: one that differs from an accepted one in any byte is refused, before and after, and a refusal is not remembered once its reason is gone.",
		Clause: "DESIGN section 4 (full-token compare; failures are never cached); GHSA-rp9m-7r4c-75qg",
		Run: func(t *T) {
			k := t.Tokens(token.EdDSA)
			s := t.Serve(k.bearerApp())
			alice, bob := k.Issue("alice").Token, k.Issue("bob").Token
			for range 2 {
				s.Check(s.Do("GET", "/api/me", authorization(alice)), accepted("alice"))
				s.Check(s.Do("GET", "/api/me", authorization(bob)), accepted("bob"))
			}
			a, b := strings.Split(alice, "."), strings.Split(bob, ".")
			var near []string
			for i := range alice { // every byte, by another of the alphabet
				other := byte('A')
				if alice[i] == other {
					other = 'B'
				}
				near = append(near, alice[:i]+string(other)+alice[i+1:])
			}
			near = append(near,
				a[0]+"."+b[1]+"."+a[2], a[0]+"."+a[1]+"."+b[2], a[0]+"."+b[1]+"."+a[2][:len(a[2])-1], alice+"A", "A"+alice, alice[1:], alice[:len(alice)-1],
				strings.ToLower(alice), alice+alice, a[2]+"."+a[1]+"."+a[0],
			)
			for _, raw := range near {
				for range 2 {
					s.Check(s.Do("GET", "/api/optional", authorization(raw)), refused(core.InvalidSignature))
				}
			}
			t.tokensRefused(2 * len(near))
			s.Check(s.Do("GET", "/api/me", authorization(alice)), accepted("alice"))
			s.Check(s.Do("GET", "/api/me", authorization(bob)), accepted("bob"))
			// From the future now, good when its time has come.
			t.Clock.Advance(time.Hour)
			early := k.Issue("alice").Token
			t.Clock.Advance(-time.Hour)
			for range 2 {
				s.Check(s.Do("GET", "/api/me", authorization(early)), refused(core.InvalidSignature))
			}
			t.tokensRefused(2)
			t.Clock.Advance(time.Hour)
			s.Check(s.Do("GET", "/api/me", authorization(early)), accepted("alice"))
			t.nothing()
		},
	}
}

package conformance

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerRevokedCases are about tokens that were good, and about stores that cannot
// say whether they still are.
func bearerRevokedCases() []Case {
	return []Case{
		bearerSessionRevoked(), bearerLoggedOut(), bearerSubjectRevoked(), bearerEpochOfLogin(), bearerEpochOfIssue(), bearerUnknown(), bearerNoStoreCall(),
		bearerExpires(), bearerNoCacheOfVerdicts(),
	}
}

// tokensOfSessions is an application whose users get a token for their session, and
// whose tokens are worth what the session is.
type tokensOfSessions struct {
	*Tokens
	*Server
	manager *session.Manager
	// between, if set, happens after the principal is known and before its token is
	// issued.
	between func()
}

func (t *T) tokensOfSessions() *tokensOfSessions {
	t.Helper()
	k := &tokensOfSessions{Tokens: t.Tokens(token.ES256), manager: t.Manager(t.Config)}
	k.Trust.Revocations = k.manager.Revocations()
	var err error
	k.Issuer, err = token.NewIssuer(token.IssuerConfig{
		App: "conformance", Name: issuerName, Audience: audience, Keys: k.Keys, Now: t.Clock.Now, Audit: t.Audit,
		Revocations: k.manager.Revocations(),
	})
	t.NoError(err)
	api := k.bearerApp()
	app := subjectApp().with("POST", "/token", func(r Request) error {
		p, err := r.Principal()
		if err != nil {
			return r.Fail(err)
		}
		if k.between != nil {
			k.between()
		}
		issued, err := k.Issuer.Issue(r.Context(), token.Grant{Principal: p})
		return answer(r, err, issued.Token)
	})
	app.Sessions, app.Verifier = k.manager, api.Verifier
	app.Routes = append(app.Routes, api.Routes[1:]...)
	k.Server = t.Serve(app)
	return k
}

// tokenOf is a token for the session of b, and that it is good.
func (k *tokensOfSessions) tokenOf(b *Browser, user string) string {
	k.Tokens.t.Helper()
	t := k.Tokens.t
	a := b.Post("/token")
	k.Check(a, Want{Status: 200, Asked: true})
	line := authorization(a.Body)
	k.good(user, line)
	t.settle()
	return line
}

// good checks that lines are still tokens of user, seen before or not.
func (k *tokensOfSessions) good(user string, lines ...string) {
	k.Tokens.t.Helper()
	t := k.Tokens.t
	for _, line := range lines {
		for range 2 {
			t.settle()
			k.Check(k.Do("GET", "/api/me", line), accepted(user))
			t.Calls(OpRevoked)
			t.Events()
		}
	}
}

// gone checks that lines are tokens which somebody revoked.
func (k *tokensOfSessions) gone(lines ...string) {
	k.Tokens.t.Helper()
	t := k.Tokens.t
	for _, line := range lines {
		for _, path := range []string{"/api/me", "/api/optional", "/api/me"} {
			t.settle()
			k.Check(k.Do("GET", path, line), refused(core.TokenRevoked))
			t.Calls(OpRevoked)
			t.tokensRefused(1)
		}
	}
}

func bearerSessionRevoked() Case {
	return Case{
		ID: "J24", Slug: "bearer/revoked-with-its-session",
		Rule:   "A token that was issued for a session is refused from the moment at which the session is revoked, seen before or not, and no other session's token is.",
		Clause: "RFC 7009 section 2.1; DESIGN sections 2 and 5; CVE-2025-53826, CVE-2026-35594",
		Run: func(t *T) {
			k := t.tokensOfSessions()
			handle := func(b *Browser) string {
				for _, line := range strings.Split(b.Get("/devices").Body, "\n") {
					if strings.HasSuffix(line, "(here)") {
						first, _, _ := strings.Cut(line, " ")
						return first
					}
				}
				t.Failf("the session is not on the list of devices")
				return ""
			}
			for name, revoke := range map[string]func(alice, phone *Browser){
				"by itself":           func(alice, _ *Browser) { alice.Post("/revoke?handle=" + handle(alice)) },
				"from another device": func(alice, phone *Browser) { phone.Post("/revoke?handle=" + handle(alice)) },
				"by an administrator": func(alice, _ *Browser) {
					_, err := k.manager.Revoke(t.Context(), "alice", handle(alice))
					t.NoError(err)
				},
				"through the registry": func(alice, _ *Browser) {
					t.NoError(k.manager.Revocations().RevokeSession(t.Context(), "alice", handle(alice)))
				},
				"of another node's copy": func(alice, _ *Browser) {
					_, err := t.Manager(t.Config).Revoke(t.Context(), "alice", handle(alice))
					t.NoError(err)
				},
			} {
				alice, phone, bob := k.loggedIn("alice"), k.loggedIn("alice"), k.loggedIn("bob")
				seen, second := k.tokenOf(alice, "alice"), k.tokenOf(alice, "alice")
				a := alice.Post("/token") // a token that nobody has seen
				unseen, others, bobs := authorization(a.Body), k.tokenOf(phone, "alice"), k.tokenOf(bob, "bob")
				t.note("revoked: "+name, "")
				revoke(alice, phone)
				k.gone(seen, second, unseen)
				k.good("alice", others)
				k.good("bob", bobs)
				// A new login makes new tokens good, and no old one.
				k.good("alice", k.tokenOf(k.loggedIn("alice"), "alice"))
				k.gone(seen)
			}
		},
	}
}

func bearerLoggedOut() Case {
	return Case{
		ID: "J20", Slug: "bearer/logged-out-with-its-session",
		Rule:   "Where the application says that it issues access tokens for sessions, a log-out ends those of its session at once and no others; a visitor's log-out denies nothing.",
		Clause: "DESIGN section 5; ASVS 7.4.1; CVE-2025-53826",
		Run: func(t *T) {
			t.Config.AccessTokens = 15 * time.Minute
			k := t.tokensOfSessions()
			alice, phone := k.loggedIn("alice"), k.loggedIn("alice")
			hers, others := k.tokenOf(alice, "alice"), k.tokenOf(phone, "alice")
			t.settle()
			k.Check(alice.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
			t.Calls(OpLoad, OpEndOne)
			t.Events("session_expired:logout")
			k.gone(hers)
			k.good("alice", others)
			k.Check(alice.Get("/me"), Anonymous())
			// It is remembered for as long as a token may be accepted anywhere.
			t.Clock.Advance(15*time.Minute + 5*time.Minute)
			found, err := t.Store.Revoked(t.Context(), k.manager.Revocations().Owner("alice"), revocation.Asked{Session: handleOf(t, hers)})
			t.NoError(err)
			Equal(t, "denied while a token may live", found.Denied, true)

			visitor := k.Browser()
			visitor.Post("/note?v=1")
			t.settle()
			k.Check(visitor.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
			t.Calls(OpLoad, OpTake)
		},
	}
}

// handleOf is the sid of the token in an Authorization line.
func handleOf(t *T, line string) revocation.Handle {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(line, ".")[1])
	t.NoError(err)
	var claims Claims
	t.NoError(json.Unmarshal(payload, &claims))
	h, ok := revocation.ParseHandle(claims.Session)
	Equal(t, "sid is a handle", ok, true)
	return h
}

func bearerSubjectRevoked() Case {
	return Case{
		ID: "J24", Slug: "bearer/revoked-with-its-subject",
		Rule:   "When everything that a subject has is revoked, so is every token of it, with a session or without; tokens of later logins are good, and those of others never notice.",
		Clause: "RFC 7009 section 2.1; DESIGN section 5 (epoch); CVE-2025-53826, CVE-2026-33031",
		Run: func(t *T) {
			k := t.tokensOfSessions()
			registry := k.manager.Revocations()
			for _, revoke := range []func(alice *Browser){
				func(alice *Browser) { alice.Post("/revoke-all") },
				func(*Browser) { k.Check(k.Browser().Post("/disable?user=alice"), Want{Status: 200, Body: "disabled"}) },
				func(*Browser) { t.NoError(registry.LogoutEverywhere(t.Context(), "alice")) },
			} {
				t.Clock.Advance(time.Second)
				alice, phone, bob := k.loggedIn("alice"), k.loggedIn("alice"), k.loggedIn("bob")
				tokens := []string{k.tokenOf(alice, "alice"), k.tokenOf(phone, "alice"), authorization(alice.Post("/token").Body)}
				bobs := k.tokenOf(bob, "bob")
				revoke(alice)
				k.gone(tokens...)
				k.good("bob", bobs)
				k.good("alice", k.tokenOf(k.loggedIn("alice"), "alice"))
				k.gone(tokens...)
			}
			// RevokeOthers keeps the session and no token: whoever caused the worry may
			// hold one of this session's.
			alice, phone := k.loggedIn("alice"), k.loggedIn("alice")
			mine, theirs := k.tokenOf(alice, "alice"), k.tokenOf(phone, "alice")
			k.Check(alice.Post("/revoke-others"), says("revoked", "set"))
			k.gone(mine, theirs)
			k.good("alice", k.tokenOf(alice, "alice"))
		},
	}
}

func bearerEpochOfLogin() Case {
	return Case{
		ID: "J24", Slug: "bearer/epoch-is-the-login-s",
		Rule:   "A token for a session that is revoked while it is being issued is refused: it carries the epoch and the handle of the login, not those of the moment.",
		Clause: "DESIGN section 5: stamped at login into session, family and access token, never re-read",
		Run: func(t *T) {
			k := t.tokensOfSessions()
			for _, revoke := range []func(alice *Browser){
				func(*Browser) { t.NoError(k.manager.RevokeAll(t.Context(), "alice")) },
				func(*Browser) { t.NoError(k.manager.Revocations().LogoutEverywhere(t.Context(), "alice")) },
				func(*Browser) {
					devices, err := k.manager.Devices(t.Context(), "alice")
					t.NoError(err)
					for _, d := range devices {
						_, err := k.manager.Revoke(t.Context(), "alice", d.Handle)
						t.NoError(err)
					}
				},
			} {
				alice := k.loggedIn("alice")
				k.between = func() { revoke(alice) }
				a := alice.Post("/token")
				k.between = nil
				k.Check(a, Want{Status: 200, Asked: true})
				k.gone(authorization(a.Body))
				k.good("alice", k.tokenOf(k.loggedIn("alice"), "alice"))
			}
		},
	}
}

func bearerEpochOfIssue() Case {
	return Case{
		ID: "J24", Slug: "bearer/epoch-of-tokens-without-session",
		Rule:   "A token that is issued for no session has a handle of its own and the subject's epoch of its issue: it can be revoked by either, and no revocation from before touches it.",
		Clause: "DESIGN section 5; token.IssuerConfig.Revocations",
		Run: func(t *T) {
			k := t.tokensOfSessions()
			registry := k.manager.Revocations()
			var tokens []string
			for range 3 {
				t.Clock.Advance(time.Second)
				one, two := k.Tokens.Issue("alice"), k.Tokens.Issue("alice")
				k.good("alice", authorization(one.Token), authorization(two.Token))
				t.NoError(registry.RevokeSession(t.Context(), "alice", one.Session))
				k.gone(authorization(one.Token))
				k.good("alice", authorization(two.Token))
				// Another subject's handle is another handle.
				t.NoError(registry.RevokeSession(t.Context(), "bob", two.Session))
				k.good("alice", authorization(two.Token))
				t.NoError(registry.LogoutEverywhere(t.Context(), "alice"))
				tokens = append(tokens, authorization(one.Token), authorization(two.Token))
				k.gone(tokens...)
			}
			// Who cannot read the epoch issues nothing.
			t.Store.Fail(Always(FaultError))
			issued, err := k.Issuer.Issue(t.Context(), grantOf("alice", nil, nil, t.Clock.Now()))
			t.Store.Fail(nil)
			if err == nil || issued.Token != "" {
				t.Failf("a token was issued although the epoch could not be read")
			}
		},
	}
}

func bearerUnknown() Case {
	return Case{
		ID: "J24", Slug: "bearer/unknown-is-503",
		Rule:   "A good token of which the store cannot say whether it was revoked is answered 503 with Retry-After, in every mode and also if it was just accepted; it is neither let through nor called revoked.",
		Clause: "RFC 9110 section 15.6.4; DESIGN section 2 (three answers), section 4 (registry including unknown, every time)",
		Run: func(t *T) {
			t.Config.StoreTimeout = patience
			k := t.tokensOfSessions()
			alice := k.loggedIn("alice")
			seen := k.tokenOf(alice, "alice")
			for _, f := range []Fault{FaultError, FaultHang, FaultAfter} {
				unseen := authorization(alice.Post("/token").Body)
				t.settle()
				for _, path := range []string{"/api/me", "/api/optional", "/api/login", "/api/role", "/api/scope", "/api/fresh"} {
					for _, line := range []string{seen, unseen} {
						t.Store.Fail(Always(f))
						k.Check(k.Do("GET", path, line), refused(core.StoreUnavailable))
						k.Check(alice.Do("GET", path, line), refused(core.StoreUnavailable)) // nor does the session help
						t.Store.Fail(nil)
						t.Calls(OpRevoked, OpRevoked)
						for _, e := range t.Events("store_failure:error", "store_failure:error") {
							Equal(t, "whose", e.Subject, "alice")
						}
						if f == FaultHang {
							break // each takes its time
						}
					}
				}
				// A moment later all is well.
				k.good("alice", seen, unseen)
			}
			t.Store.Fail(Always(FaultError))
			k.Check(k.Do("GET", "/api/me"), refused(core.MissingCredentials))
			k.nobodyBearer(k.Do("GET", "/api/optional"))
			k.Check(k.Do("GET", "/public"), Want{Status: 200, Body: "public"})
			t.nothing()
		},
	}
}

func bearerNoStoreCall() Case {
	return Case{
		ID: "J24", Slug: "bearer/garbage-costs-no-store-call",
		Rule:   "Only a token that is otherwise good is looked up: nothing that anybody can make up reaches the store, and while that is down nothing of it is answered 503.",
		Clause: "DESIGN section 2: 503 only when a well-formed credential could not be checked",
		Run: func(t *T) {
			k := t.tokensOfSessions()
			bad := k.badTokens()
			good := k.Tokens.Issue("alice").Token
			t.settle()
			for _, fault := range []func(Operation) Fault{nil, Always(FaultError)} {
				t.Store.Fail(fault)
				for code, tokens := range bad {
					for _, raw := range tokens {
						k.Check(k.Do("GET", "/api/me", authorization(raw)), refused(code))
						t.tokensRefused(1)
						t.Calls()
					}
				}
				k.Check(k.Do("GET", "/api/me", authorization(good), authorization(good)), refused(core.InvalidRequest))
				k.Check(k.Do("GET", "/api/me", "Authorization: Basic "+good), refused(core.MissingCredentials))
				t.tokensRefused(2)
				t.Calls()
			}
			t.Store.Fail(nil)
			k.good("alice", authorization(good))
		},
	}
}

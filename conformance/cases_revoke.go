package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// serviceCases are about the endpoints that other services call.
func serviceCases() []Case {
	return []Case{
		revokeRefresh(), revokeAccess(), revokeUnknown(), revokeForeign(), revokeUnstored(), revokeAgain(), revokeClients(), revokeDamaged(),
		introspectAccess(), introspectRefresh(), introspectForeign(), introspectInactive(), introspectUnknown(), introspectSees(), introspectRemote(),
	}
}

func basicAs(id, secret string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// service is what the endpoints for services answer with a refusal.
func serviceDenied(code core.Code) Want {
	return Want{Status: code.Status(), Code: string(code), Service: "Basic"}
}

// revoke asks as the service id for a token to be revoked.
func (s *AuthServer) revoke(id, raw string, more ...string) *Answer {
	s.t.Helper()
	return s.Post(RevokePath, formType, tokenForm(raw, more...), basic(id))
}

// introspect asks as the service id about a token, and returns what it is told.
func (s *AuthServer) introspect(id, raw string, more ...string) map[string]any {
	s.t.Helper()
	a := s.Post(IntrospectPath, formType, tokenForm(raw, more...), basic(id))
	s.Check(a, Want{Status: 200, Service: "Basic"})
	var says map[string]any
	s.t.NoError(json.Unmarshal([]byte(a.Body), &says))
	return says
}

func tokenForm(raw string, more ...string) string {
	form := "token=" + url.QueryEscape(raw)
	for _, m := range more {
		form += "&" + m
	}
	return form
}

// done is an answer without a body.
var revokeDone = Want{Status: 200, Service: "Basic"}

func revokeRefresh() Case {
	return Case{
		ID: "R15", Slug: "revoke/refresh-token",
		Rule:   "Revoking a refresh token ends its family with its access tokens at once, whatever the hint says, and nothing else.",
		Clause: "RFC 7009 section 2.1; CVE-2018-1000211; ATTACKS R15",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, hint := range []string{"token_type_hint=refresh_token", "token_type_hint=access_token", "token_type_hint=nonsense", "x=y"} {
				h, phone := s.Login("user=alice&client=app"), s.Login("user=alice&client=app")
				h.Good("alice")
				t.settle()
				a := s.revoke("app", h.Refresh, hint)
				s.Check(a, revokeDone)
				Equal(t, "body", a.Body, "")
				t.Events("refresh_family_expired:revoked")
				h.Dead()
				phone.Good("alice")
				t.Clock.Advance(time.Hour)
				phone.Rotate()
			}
		},
	}
}

func revokeAccess() Case {
	return Case{
		ID: "R15", Slug: "revoke/access-token",
		Rule:   "Revoking an access token ends that one at once, seen before or not, until it would have expired everywhere; its family goes on.",
		Clause: "RFC 7009 section 2.1; ATTACKS TM6",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			for _, seen := range []bool{true, false} {
				h := s.Login("user=alice&client=app")
				first := *h
				if seen {
					h.Good("alice")
				} else {
					t.Clock.Advance(time.Second)
				}
				t.settle()
				s.Check(s.revoke("app", h.Access), revokeDone)
				events := t.Events("authn_token_revoked")
				Equal(t, "subject", events[0].Subject, "alice")
				s.Check(h.Use(), refused(core.TokenRevoked))
				t.Clock.Advance(13 * time.Minute)
				s.Check(h.Use(), refused(core.TokenRevoked))
				h.Rotate()
				h.Good("alice")
				s.Check(first.Use(), refused(core.TokenRevoked))
			}
		},
	}
}

func revokeUnknown() Case {
	return Case{
		ID: "R15", Slug: "revoke/unknown-token",
		Rule:   "A token that is none of ours, or none any more, is worth nothing already: 200, and nothing is touched.",
		Clause: "RFC 7009 section 2.2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			t.settle()
			for _, raw := range []string{"x", "spr_x", h.Refresh[:87], h.Refresh + "A", h.Access[:len(h.Access)-4], "a.b.c", "  "} {
				s.Check(s.revoke("app", raw), revokeDone)
			}
			t.Calls()
			t.Clock.Advance(time.Hour)
			s.Check(s.revoke("app", h.Access), revokeDone) // it has expired
			t.Calls()
			h.Rotate()
		},
	}
}

func revokeForeign() Case {
	return Case{
		ID: "R15", Slug: "revoke/foreign-token",
		Rule:   "A service revokes the tokens that were issued to it. Another client's is refused, never answered as if it were done.",
		Clause: "RFC 7009 section 2.1; B5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h, nobodys := s.Login("user=alice&client=app"), s.Login("user=alice")
			h.Good("alice")
			nobodys.Good("alice")
			t.settle()
			for _, raw := range []string{h.Refresh, h.Access} {
				s.Check(s.revoke("api", raw), serviceDenied(core.InvalidGrant))
				s.Check(s.revoke("other", raw), serviceDenied(core.InvalidGrant))
			}
			for _, raw := range []string{nobodys.Refresh, nobodys.Access} {
				s.Check(s.revoke("app", raw), serviceDenied(core.InvalidGrant))
			}
			h.Good("alice")
			nobodys.Good("alice")
			t.Clock.Advance(time.Hour)
			h.Rotate()
			nobodys.Rotate()
		},
	}
}

func revokeUnstored() Case {
	return Case{
		ID: "R15", Slug: "revoke/unstored",
		Rule:   "A revocation or a log-out that was not stored is 503 and never 200, and doing it again does it.",
		Clause: "RFC 7009 section 2.2.1; CVE-2020-15223; ATTACKS S19",
		Run: func(t *T) {
			body, jar := t.Auth(refresh.Body).Serve(), t.Auth(refresh.Cookie).Serve()
			for _, op := range []Operation{OpEndFamily, OpFindFamily} {
				h := body.Login("user=alice&client=app")
				t.Store.Fail(Always(FaultError, op))
				body.Check(body.revoke("app", h.Refresh), serviceDenied(core.StoreUnavailable))
				t.Store.Fail(nil)
				h.Good("alice")
				body.Check(body.revoke("app", h.Refresh), revokeDone)
				h.Dead()
			}
			for _, op := range []Operation{OpDeny, OpRevoked, OpSight} {
				h := body.Login("user=alice&client=app")
				t.Store.Fail(Always(FaultError, op))
				body.Check(body.revoke("app", h.Access), serviceDenied(core.StoreUnavailable))
				t.Store.Fail(nil)
				h.Good("alice")
				body.Check(body.revoke("app", h.Access), revokeDone)
				body.Check(h.Use(), refused(core.TokenRevoked))
			}
			for _, s := range []*AuthServer{body, jar} {
				h := s.Login("user=alice")
				for _, fault := range []Fault{FaultError, FaultAfter} {
					t.Store.Fail(Always(fault, OpEndFamily))
					s.Check(h.Logout(), denied(core.StoreUnavailable)) // and no cookie is deleted
					t.Store.Fail(nil)
				}
				h.Dead() // the second time it was done, and its answer was lost
				s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
			}
		},
	}
}

func revokeAgain() Case {
	return Case{
		ID: "RF10", Slug: "revoke/again",
		Rule:   "Revoking again, and what was revoked otherwise, is 200 and tells of no second end.",
		Clause: "RFC 7009 section 2.2; ATTACKS RF10",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			s.Check(s.revoke("app", h.Refresh), revokeDone)
			t.settle()
			s.Check(s.revoke("app", h.Refresh), revokeDone)
			s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
			t.Events()
			other := s.Login("user=alice&client=app")
			t.NoError(s.Registry.LogoutEverywhere(t.Context(), "alice"))
			t.settle()
			s.Check(s.revoke("app", other.Refresh), revokeDone)
			s.Check(s.revoke("app", other.Access), revokeDone)
			t.Events()
			other.Dead()
		},
	}
}

func revokeClients() Case {
	return Case{
		ID: "R15", Slug: "revoke/callers",
		Rule:   "Revocation and introspection are for services that authenticate themselves, in exactly one way; anybody else is told nothing and asks the store nothing.",
		Clause: "RFC 7009 section 2.1; RFC 7662 section 2.1; RFC 6749 section 2.3.1",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			t.settle()
			form := tokenForm(h.Refresh)
			secret := url.QueryEscape(clientSecret("app"))
			for _, path := range []string{RevokePath, IntrospectPath} {
				for _, lines := range [][]string{
					nil, {basicAs("app", "")}, {basicAs("app", clientSecret("api"))}, {basicAs("nobody", clientSecret("app"))}, {basicAs("", "")},
					{"Authorization: Basic"}, {"Authorization: Basic x"}, {"Authorization: Bearer " + h.Access},
					{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("app"))},
					{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("%zz:"+clientSecret("app")))},
				} {
					s.Check(s.Post(path, formType, form, lines...), serviceDenied(core.MissingCredentials))
				}
				s.Check(s.Post(path, formType, form+"&client_id=app"), serviceDenied(core.MissingCredentials))
				s.Check(s.Post(path, formType, form+"&client_id=app&client_secret=x"), serviceDenied(core.MissingCredentials))
				s.Check(s.Post(path, formType, form+"&client_id=app&client_secret="+secret, basic("app")), serviceDenied(core.InvalidRequest))
				s.Check(s.Post(path, formType, form, basic("app"), basic("app")), serviceDenied(core.InvalidRequest))
				s.Check(s.Post(path, formType, "token_type_hint=refresh_token", basic("app")), serviceDenied(core.InvalidRequest))
				s.Check(s.Post(path, formType, form+"&"+form, basic("app")), serviceDenied(core.InvalidRequest))
			}
			t.Calls()
			t.Events()
			t.Clock.Advance(time.Second)
			h.Good("alice")
			s.Check(s.Post(RevokePath, formType, form+"&client_id=app&client_secret="+secret), revokeDone)
			h.Dead()
		},
	}
}

func revokeDamaged() Case {
	return Case{
		ID: "R9", Slug: "revoke/forged-log-out",
		Rule:   "Nobody is logged out by a token that somebody made up.",
		Clause: "DESIGN section 5; ATTACKS R9",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h, other := s.Login("user=alice&client=app"), s.Login("user=bob&client=app")
			t.settle()
			forged := *h
			forged.Refresh = h.Refresh[:40] + other.Refresh[40:]
			s.Check(forged.Logout(), denied(core.InvalidGrant))
			s.Check(s.revoke("app", forged.Refresh), revokeDone)
			t.Calls()
			t.Clock.Advance(time.Hour)
			h.Rotate()
			other.Rotate()
		},
	}
}

func introspectAccess() Case {
	return Case{
		ID: "R16", Slug: "introspect/access-token",
		Rule:   "A service that an access token is for is told that it is active and what it says.",
		Clause: "RFC 7662 section 2.2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			claims := h.Claims()
			says := s.introspect("api", h.Access, "token_type_hint=refresh_token")
			for name, want := range map[string]any{
				"active": true, "scope": "read:alice write:alice", "client_id": "app", "token_type": "Bearer", "sub": "alice",
				"aud": audience, "iss": issuerName, "jti": claims.ID, "sid": claims.Session, "exp": float64(claims.Expires),
				"iat": float64(t.Clock.Now().Unix()),
			} {
				Equal(t, name, says[name], want)
			}
			Equal(t, "members", len(says), 11)
		},
	}
}

func introspectRefresh() Case {
	return Case{
		ID: "R16", Slug: "introspect/refresh-token",
		Rule:   "A client is told about its own refresh token, and asking changes nothing of it.",
		Clause: "RFC 7662 section 2.2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			t.settle()
			says := s.introspect("app", h.Refresh)
			for name, want := range map[string]any{"active": true, "scope": "read:alice write:alice", "client_id": "app", "sub": "alice"} {
				Equal(t, name, says[name], want)
			}
			t.Calls(OpFindFamily)
			t.Events()
			for _, other := range []string{"api", "other"} {
				inactive(t, s.introspect(other, h.Refresh))
			}
			t.Clock.Advance(time.Hour)
			h.Rotate()
			s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
			inactive(t, s.introspect("app", h.Refresh))
		},
	}
}

// inactive checks that nothing but that is said (RFC 7662 section 2.2).
func inactive(t *T, says map[string]any) {
	t.Helper()
	Equal(t, "members", len(says), 1)
	Equal(t, "active", says["active"], any(false))
}

func introspectForeign() Case {
	return Case{
		ID: "R16", Slug: "introspect/foreign-token",
		Rule:   "A service that a token is not for is told nothing of it, and does not confirm it by asking.",
		Clause: "RFC 7662 section 4; CVE-2026-58425",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			t.settle()
			for _, id := range []string{"other", "app"} {
				inactive(t, s.introspect(id, h.Access))
			}
			t.Calls()
			s.Check(h.Present(), Want{Status: 200, Service: "Bearer"}) // not confirmed: it is rotated
			t.Events("refresh_token_rotated:rotated", "authn_token_created")
		},
	}
}

func introspectInactive() Case {
	return Case{
		ID: "R16", Slug: "introspect/inactive",
		Rule:   "Of a token that is damaged, expired, revoked or made by somebody else, nothing is said but that it is not active.",
		Clause: "RFC 7662 sections 2.2 and 4; CVE-2026-33496",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			for _, raw := range []string{"x", "a.b.c", h.Access + "A", h.Refresh + "A", "spr_"} {
				inactive(t, s.introspect("api", raw))
			}
			Equal(t, "active", s.introspect("api", h.Access)["active"], any(true))
			t.NoError(s.Registry.RevokeToken(t.Context(), "alice", h.Claims().ID, t.Clock.Now().Add(time.Hour)))
			inactive(t, s.introspect("api", h.Access))
			again := s.Login("user=alice&client=app")
			Equal(t, "active", s.introspect("api", again.Access)["active"], any(true))
			t.NoError(s.Registry.SubjectDisabled(t.Context(), "alice"))
			inactive(t, s.introspect("api", again.Access))
			bob := s.Login("user=bob&client=app")
			Equal(t, "active", s.introspect("api", bob.Access)["active"], any(true))
			t.Clock.Advance(20 * time.Minute)
			inactive(t, s.introspect("api", bob.Access))
		},
	}
}

func introspectUnknown() Case {
	return Case{
		ID: "R16", Slug: "introspect/unknown",
		Rule:   "A token that cannot be checked just now is 503, never inactive: the service would end what is alive.",
		Clause: "DESIGN sections 2 and 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			for _, op := range []Operation{OpSight, OpRevoked} {
				t.Store.Fail(Always(FaultError, op))
				s.Check(s.Post(IntrospectPath, formType, tokenForm(h.Access), basic("api")), serviceDenied(core.StoreUnavailable))
			}
			t.Store.Fail(Always(FaultError, OpFindFamily))
			s.Check(s.Post(IntrospectPath, formType, tokenForm(h.Refresh), basic("app")), serviceDenied(core.StoreUnavailable))
			t.Store.Fail(nil)
			Equal(t, "active", s.introspect("api", h.Access)["active"], any(true))
			Equal(t, "active", s.introspect("app", h.Refresh)["active"], any(true))
		},
	}
}

func introspectSees() Case {
	return Case{
		ID: "RF4", Slug: "introspect/is-a-sighting",
		Rule:   "A token that a service asks about has been seen: its generation is confirmed, so whoever holds the one before ends the family.",
		Clause: "DESIGN section 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice&client=app")
			t.Clock.Advance(time.Hour)
			old := *h
			h.Rotate()
			Equal(t, "active", s.introspect("api", h.Access)["active"], any(true))
			t.Clock.Advance(11 * time.Second)
			s.Check(old.Present(), denied(core.InvalidGrant))
			inactive(t, s.introspect("api", h.Access))
			s.Check(h.Present(), denied(core.InvalidGrant))
		},
	}
}

func introspectRemote() Case {
	return Case{
		ID: "J24", Slug: "introspect/service-that-shares-nothing",
		Rule:   "A service that has the published keys and a client secret, and no store, accepts what the issuer says is active, refuses within its bound what was revoked, seen before or not, and answers 503 while the issuer cannot say.",
		Clause: "RFC 7662 section 4; DESIGN section 5; CVE-2026-33496",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			ask, err := token.NewIntrospection(token.IntrospectionConfig{
				URL: "http://" + s.Addr + IntrospectPath, ClientID: "api", ClientSecret: clientSecret("api"), InsecureHTTP: true,
				Timeout: ioTimeout, CacheFor: 5 * time.Second, App: "conformance", Audit: t.Audit, Now: t.Clock.Now,
			})
			t.NoError(err)
			keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{
				Issuer: issuerName, URL: "http://" + s.Addr + JWKSPath, InsecureHTTP: true, Now: t.Clock.Now,
			})
			t.NoError(err)
			elsewhere := t.Tokens(token.ES256)
			elsewhere.Trust = s.Trust
			elsewhere.Trust.Keys, elsewhere.Trust.Revocations, elsewhere.Trust.Introspection = keys, nil, ask
			other := t.Serve(elsewhere.bearerApp())
			use := func(h *Holder) *Answer { return other.Do("GET", "/api/me", authorization(h.Access)) }

			h, unseen := s.Login("user=alice&client=app"), s.Login("user=alice&client=app")
			other.Check(use(h), accepted("alice"))
			// It was seen there, so here its generation is confirmed.
			h.Coalesced(h.Present())
			h.Access = s.Login("user=alice&client=app").Access
			other.Check(use(h), accepted("alice"))
			t.NoError(s.Registry.LogoutEverywhere(t.Context(), "alice"))
			other.Check(use(unseen), refused(core.TokenRevoked))
			other.Check(use(h), accepted("alice")) // within the bound
			t.Clock.Advance(5*time.Second + time.Millisecond)
			other.Check(use(h), refused(core.TokenRevoked))

			bob := s.Login("user=bob&client=app")
			t.Store.Fail(Always(FaultError, OpRevoked, OpSight))
			other.Check(use(bob), refused(core.StoreUnavailable))
			t.Store.Fail(nil)
			other.Check(use(bob), accepted("bob"))
			t.Store.Fail(Always(FaultError, OpRevoked, OpSight))
			t.Clock.Advance(5*time.Second + time.Millisecond)
			other.Check(use(bob), refused(core.StoreUnavailable))
		},
	}
}

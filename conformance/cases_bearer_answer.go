package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func bearerCacheable() Case {
	return Case{
		ID: "C5", Slug: "bearer/cache-control",
		Rule:   "An answer to a token is private and varies on Authorization, once; a handler that knows better is believed; a refusal is never stored.",
		Clause: "RFC 9111 section 3.5; RFC 6750 section 5.3; DESIGN section 3",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			public := func(r Request) error {
				r.SetHeader("Cache-Control", "public, max-age=60")
				return apiMe(r)
			}
			app := k.bearerApp().with("GET", "/api/public", public, Guard{Bearer: true}).
				with("GET", "/api/public-optional", public, Guard{Bearer: true, Optional: true}).
				with("GET", "/api/public-refused", public, Guard{Bearer: true}, Guard{Roles: []string{"nobody"}}).
				with("GET", "/api/late-refused", func(r Request) error {
					r.SetHeader("Cache-Control", "public, max-age=60")
					r.SetHeader("ETag", `"x"`)
					return r.Fail(core.ErrAnonymous)
				}, Guard{Bearer: true})
			s := t.Serve(app)
			good := authorization(k.Issue("alice").Token)
			own := accepted("alice")
			own.CacheControl = "public, max-age=60"
			s.Check(s.Do("GET", "/api/public", good), own)
			s.Check(s.Do("GET", "/api/public-optional", good), own)
			own.Body = "anonymous"
			s.Check(s.Do("GET", "/api/public-optional"), own)
			s.Check(s.Do("GET", "/api/public"), refused(core.MissingCredentials))
			s.Check(s.Do("GET", "/api/public-refused", good), refused(core.Forbidden))
			a := s.Check(s.Do("GET", "/api/late-refused", good), refused(core.MissingCredentials))
			Equal(t, "ETag", a.Header.Get("ETag"), "")
			s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
			s.nobodyBearer(s.Do("GET", "/api/optional"))
			// Routes that no Bearer stands before are not touched.
			s.Check(s.Do("GET", "/public", good), Want{Status: 200, Body: "public"})
			t.Events("authz_fail:role")
		},
	}
}

func bearerClaims() Case {
	return Case{
		ID: "T23", Slug: "bearer/principal-and-claims",
		Rule:   "PrincipalFrom and ClaimsFrom say of a token what it was issued with, private claims included, and what they return is the receiver's own.",
		Clause: "RFC 9068 section 2.2; core.Principal; DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			app := k.bearerApp().with("GET", "/api/principal", func(r Request) error {
				first, err := r.Principal()
				if err != nil {
					return r.Fail(err)
				}
				first.Roles[0], first.Scopes[0] = "root", "everything"
				p, err := core.PrincipalFrom(r.Context())
				if err != nil {
					return r.Fail(err)
				}
				return r.String(200, fmt.Sprintf("%s %q %q %s %s %d|%s", p.Subject, p.Roles, p.Scopes, p.Method,
					p.AuthTime.UTC().Format(time.DateTime), p.Epoch, p.Session))
			}, Guard{Bearer: true}).with("GET", "/api/token", func(r Request) error {
				c := token.FromContext(r.Context()).Claims()
				return r.String(200, fmt.Sprintf("%s %s %q %s %s %q %s %s %s %q %q %q", c.Issuer, c.Subject, c.Audience, c.ID, c.ClientID, c.Session,
					c.IssuedAt.UTC().Format(time.DateTime), c.Expires.UTC().Format(time.DateTime), c.AuthTime.UTC().Format(time.DateTime),
					c.Methods, c.Roles, c.Scopes))
			}, Guard{Bearer: true})
			s := t.Serve(app)
			at := t.Clock.Now().Add(-time.Minute)
			g := grantOf("älice", []string{"editor", "admin"}, []string{"read", "write"}, at)
			g.Method, g.ClientID, g.Private = "webauthn", "app-1", map[string]any{"note": "n'ote \u2028 <é>", "deep": map[string]any{"sub": "mallory"}}
			issued := k.Grant(g)
			good := authorization(issued.Token)
			for range 2 { // the second time out of the cache
				s.Check(s.Do("GET", "/api/principal", good), Want{Status: 200, Bearer: true,
					Body: `älice ["editor" "admin"] ["read" "write"] webauthn 2026-01-02 03:03:05 0|` + issued.Session})
				expires := issued.Expires.UTC().Format(time.DateTime)
				s.Check(s.Do("GET", "/api/token", good), Want{Status: 200, Bearer: true, Body: fmt.Sprintf(
					`%s älice ["%s"] %s app-1 %q 2026-01-02 03:04:05 %s 2026-01-02 03:03:05 ["webauthn"] ["editor" "admin"] ["read" "write"]`,
					issuerName, audience, issued.ID, issued.Session, expires)})
				a := s.Check(s.Do("GET", "/api/claims", good), Want{Status: 200, Bearer: true})
				var got Claims
				t.NoError(json.Unmarshal([]byte(a.Body), &got))
				Equal(t, "claims", got, Claims{
					Issuer: issuerName, Subject: "älice", ID: issued.ID, Session: issued.Session, Expires: issued.Expires.Unix(), Note: "n'ote \u2028 <é>",
				})
			}
			// No two tokens are the same, nor a session's unless they say so.
			next := k.Grant(g)
			Equal(t, "whether two tokens have one jti", next.ID == issued.ID, false)
			Equal(t, "whether two tokens without a session have one sid", next.Session == issued.Session, false)
			t.nothing()
		},
	}
}

func bearerOwnHandler() Case {
	return Case{
		ID: "P7", Slug: "bearer/own-error-handler",
		Rule:   "The application's ErrorHandler words Bearer's refusals: Bearer's own, or without one that of the session middleware in front; status, challenge and Cache-Control stay what they are.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			raw := k.badTokens()
			stale := token.Grant{Principal: core.Principal{Subject: "bob", Roles: []string{"bob"}, AuthTime: t.Clock.Now().Add(-time.Hour)}}
			bob := authorization(k.Grant(stale).Token)
			for _, app := range []App{k.bearerApp(), k.besideSessions()} {
				app.OwnErrorHandler = true
				app = app.with("GET", "/api/anonymous", func(r Request) error { return r.Fail(core.ErrAnonymous) }, Guard{Bearer: true}).
					with("GET", "/api/unknown", func(r Request) error { return r.Fail(core.ErrUnknown) }, Guard{Bearer: true})
				s := t.Serve(app)
				check := func(code core.Code, end string, a *Answer) {
					t.Helper()
					w := refused(code)
					w.Challenge = end
					Equal(t, "WWW-Authenticate", a.Header.Get("WWW-Authenticate"), bearerChallenge(w))
					Equal(t, "whether there is Retry-After", a.Header.Get("Retry-After") != "", code == core.StoreUnavailable)
					Equal(t, "Vary", strings.Join(a.Header.Values("Vary"), ", "), "Authorization")
					Equal(t, "Cache-Control", strings.Join(a.Header.Values("Cache-Control"), ", "), "no-store")
					Equal(t, "status", a.Status, code.Status())
					Equal(t, "body", a.Body, OwnRefusal)
				}
				check(core.MissingCredentials, "", s.Do("GET", "/api/me"))
				check(core.MissingCredentials, "", s.Do("GET", "/api/me", "Authorization: Basic x"))
				check(core.InvalidRequest, "", s.Do("GET", "/api/me", bob, bob))
				check(core.InvalidSignature, "", s.Do("GET", "/api/optional", authorization(raw[core.InvalidSignature][0])))
				check(core.TokenExpired, "", s.Do("GET", "/api/me", authorization(raw[core.TokenExpired][0])))
				check(core.Forbidden, "", s.Do("GET", "/api/role", bob))
				check(core.InsufficientScope, `, scope="read:alice write:alice"`, s.Do("GET", "/api/scope", bob))
				check(core.StepUpRequired, `, max_age="300"`, s.Do("GET", "/api/fresh", bob))
				check(core.MissingCredentials, "", s.Do("GET", "/api/anonymous", bob))
				check(core.StoreUnavailable, "", s.Do("GET", "/api/unknown", bob))
				s.Check(s.Do("GET", "/api/me", bob), accepted("bob"))
				t.Audit.Take()
			}
		},
	}
}

// besideSessions is bearerApp behind the session middleware, with the routes of
// standard beside it.
func (k *Tokens) besideSessions() App {
	app, api := standard(), k.bearerApp()
	app.Verifier, app.Keys = api.Verifier, api.Keys
	app.Routes = append(app.Routes, slices.DeleteFunc(api.Routes, func(r Route) bool { return r.Path == "/public" })...)
	return app
}

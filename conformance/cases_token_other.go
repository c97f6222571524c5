package conformance

import (
	"strings"

	"github.com/sallyport-go/sallyport/core/token"
)

// tokenOtherCases put one kind of credential in the place of another.
func tokenOtherCases() []Case {
	return []Case{tokenInCookie(), sessionAsToken(), otherKinds()}
}

// bothDoors serves an application with sessions and tokens.
func (k *Tokens) bothDoors() *door {
	k.t.Helper()
	return k.door(func(app *App) {
		sessions := standard()
		app.NoMiddleware = false
		for _, r := range sessions.Routes {
			if r.Path != "/public" {
				app.Routes = append(app.Routes, r)
			}
		}
	})
}

func tokenInCookie() Case {
	return Case{
		ID: "S16", Slug: "token/in-the-session-cookie",
		Rule:   "An access token in the session cookie, whole or any part of it that looks like an id, is nobody's session.",
		Clause: "CVE-2023-48309; DESIGN section 3",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			d := k.bothDoors()
			alice := d.loggedIn("alice")
			t.forget()
			d.admits(d.good())
			issued := k.Issue("alice")
			h, c, s := cut(issued.Token)
			for _, value := range []string{
				issued.Token, d.good(), h, c, s, s[:47], s[:49], issued.ID, issued.Session, d.kid, strings.ReplaceAll(issued.Token, ".", ""), "Bearer%20" + issued.Token,
			} {
				d.Check(d.holder(value).Get("/me"), Anonymous())
				t.nothing()
				d.Check(d.holder(value).Get("/whoami"), says("anonymous"))
				t.nothing()
			}
			// As long as an id, so the store is asked, and does not know it.
			for _, part := range []string{h, c, s} {
				d.Check(d.holder(part[:48]).Get("/me"), Anonymous())
				t.Calls(OpLoad)
				t.Events(unknownID)
			}
			d.Check(alice.Get("/me"), says("subject=alice"))
		},
	}
}

func sessionAsToken() Case {
	return Case{
		ID: "S16", Slug: "token/is-no-session-id",
		Rule:   "A session cookie's value, a session's handle or any secret of a form or a flow is no bearer token, and the store is not asked about it.",
		Clause: "RFC 8725 section 3.12; DESIGN section 3; CVE-2026-42602",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			d := k.bothDoors()
			alice := d.loggedIn("alice")
			d.Check(alice.Get("/me"), says("subject=alice"))
			p := t.Audit.Take()
			handle := p[len(p)-1].Session
			t.forget()
			d.admits(d.good())
			v := alice.Value
			for _, raw := range []string{
				v, handle, v + "." + v,
				"0f8fad5bd9cb469fa16570867728950e0f8fad5bd9cb469fa16570867728950e", // a CSRF token
				"IjBmOGZhZDViZDljYjQ2OWZhMTY1NzA4Njc3Mjg5NTBlIg.ZzRrXQ", "state-4f1a2c", "dBjftJeZ4CVP-mBbuP2iqn_3SkXcdqxu7lZ5aHyQv0k",
			} {
				d.refuses("segments", raw)
			}
			for _, raw := range []string{d.Cookie + "=" + v, "IjBmOGZhZDViZDljYjQ2OWZhMTY1NzA4Njc3Mjg5NTBlIg==", "sid:" + v} {
				d.refuses("alphabet", raw)
			}
			d.refuses("header-utf8", v+"."+v+"."+v)
			d.refuses("signature", d.token(d.header(), d.claims())[:len(d.good())-48]+v)
			d.Check(alice.Get("/me"), says("subject=alice"))
		},
	}
}

func otherKinds() Case {
	return Case{
		ID: "S16", Slug: "token/of-another-kind",
		Rule:   "A token of another kind that the same key signed is no access token: typ says at+jwt, with or without application/ before it.",
		Clause: "RFC 8725 sections 3.11 and 3.12; RFC 9068 section 4; CVE-2026-41164",
		Run: func(t *T) {
			t.each(everyAlgorithm, func(d *door) {
				h := d.header()
				for _, typ := range []string{"at+jwt", "application/at+jwt", "AT+JWT", "Application/At+Jwt"} {
					d.admits(d.token(h.set("typ", quoted(typ)), d.claims()))
				}
				// An ID token, a refresh token, a logout token and others of the
				// same issuer for the same audience.
				id := d.claims().add("nonce", `"n-0S6_WzA2Mj"`).add("at_hash", `"77QmUPtjPfzWtF2AnpK9RQ"`).add("azp", `"spa"`)
				d.refuses("typ", d.token(h.set("typ", `"JWT"`), id))
				d.refuses("typ", d.token(h.drop("typ"), id))
				d.refuses("aud-mismatch", d.token(h, id.set("aud", `"spa"`)))
				for _, typ := range []string{
					"JWT", "jwt", "rt+jwt", "refresh+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "csrf+jwt",
					"state+jwt", "verify+jwt",
					"JOSE", "JOSE+JSON", "jwt+at", "at", "+jwt", "at+", "at+jwt ", " at+jwt", "at+jwt;v=1", "at+jwt\x00", "at+jwtx", "xat+jwt", "at jwt", "at%2Bjwt", "text/at+jwt",
					"application/", "application/application/at+jwt", "/at+jwt", "application/jwt", "", "*", "*/*", "a\u0167+jwt", "at+\u017fwt",
				} {
					d.refuses("typ", d.token(h.set("typ", quoted(typ)), d.claims()))
				}
				for _, value := range []string{`null`, `0`, `true`, `{}`, `[]`, `["at+jwt"]`, `["at+jwt","JWT"]`} {
					d.refuses("typ", d.token(h.set("typ", value), d.claims()))
				}
				d.refuses("typ", d.token(h.drop("typ"), d.claims()))
				d.refuses("typ", d.token(h.drop("typ"), d.claims().add("typ", `"at+jwt"`).add("token_use", `"access"`)))
			})
		},
	}
}

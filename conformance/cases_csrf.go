package conformance

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// csrfCases are the rules about requests that other people's pages make.
func csrfCases() []Case {
	return slices.Concat([]Case{
		csrfTokenRequired(), csrfTokenMalformed(), csrfTokenLines(), csrfTokenElsewhere(), csrfOwnNames(),
		csrfMalformedCookie(), csrfOtherSession(), csrfEvent(),
	}, csrfCookieCases(), csrfOriginCases(), csrfMethodCases(), csrfBodyCases(), csrfLifeCases(), csrfLoginCases(), csrfPageCases(), csrfSecretCases(), csrfMountCases(), csrfCredentialCases(), csrfUserCases())
}

// bothTabs are a visitor's page and a user's.
func (s *csrfServer) bothTabs() []*csrfTab {
	s.t.Helper()
	return []*csrfTab{s.visitor(), s.user("alice")}
}

func csrfTokenRequired() Case {
	return Case{
		ID: "F1", Slug: "csrf/token-required",
		Rule:   "A request that changes something needs the token of its login or visitor, in a header or a form field, wherever it says that it comes from.",
		Clause: "OWASP ASVS 5.0 3.5.1; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{TrustedOrigins: []string{csrfPartner}})
			for _, b := range s.bothTabs() {
				for _, from := range [][]string{
					{csrfSameOrigin}, {"Sec-Fetch-Site: none"}, {"Origin: " + s.origin()}, {"Origin: " + csrfPartner},
					{csrfCrossSite, "Origin: " + csrfPartner}, nil,
				} {
					b.refused(b.transfer(from...), audit.CauseTokenMissing)
					b.refused(b.send("/transfer", urlencoded, "amount=1", from...), audit.CauseTokenMissing)
					b.passed(b.transfer(append(from, b.with())...))
					b.passed(b.send("/transfer", urlencoded, "csrf_token="+b.token, from...))
				}
			}
		},
	}
}

// reencoded are texts that a lenient reader takes for token.
func reencoded(token string) map[string]string {
	raw, _ := base64.RawURLEncoding.DecodeString(token)
	last := strings.IndexByte(csrfAlphabet, token[len(token)-1])
	return map[string]string{
		"empty":            "",
		"a blank":          "%20",
		"a word":           "undefined",
		"shorter":          token[:len(token)-1],
		"without the head": token[1:],
		"longer":           token + "A",
		"twice":            token + token,
		"padded":           token + "=",
		"padded to four":   base64.URLEncoding.EncodeToString(raw) + "==",
		"other alphabet":   strings.NewReplacer("-", "+", "_", "/").Replace(token),
		"other case":       strings.ToUpper(token),
		"last bits":        token[:len(token)-1] + csrfAlphabet[last^1:last^1+1],
		"a line inside":    token[:40] + "%0A" + token[40:],
		"escaped twice":    "%25" + fmt.Sprintf("%02x", token[0]) + token[1:],
		"quoted":           `"` + token + `"`,
		"with its scheme":  "v1." + token,
		"no MAC":           base64.RawURLEncoding.EncodeToString(raw[:33]),
		"zeros":            base64.RawURLEncoding.EncodeToString(append([]byte{raw[0]}, make([]byte, 64)...)),
		"no kind":          base64.RawURLEncoding.EncodeToString(raw[1:]),
	}
}

const csrfAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func csrfTokenMalformed() Case {
	return Case{
		ID: "F1", Slug: "csrf/token-byte-for-byte",
		Rule:   "A token counts as it was given out, byte for byte: none that is empty, blank, cut, longer, damaged or spelt otherwise, in a header or in a field.",
		Clause: "RFC 4648 sections 3.2 and 3.5; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for !strings.ContainsAny(b.token, "-_") {
					b.open()
				}
				for _, text := range reencoded(b.token) {
					b.refused(b.send("/transfer", urlencoded, "csrf_token="+text, csrfSameOrigin), audit.CauseTokenInvalid)
					if !strings.Contains(text, "%") {
						b.refused(b.transfer(csrfSameOrigin, csrfHeader(text)), audit.CauseTokenInvalid)
					}
				}
				raw, err := base64.RawURLEncoding.DecodeString(b.token)
				t.NoError(err)
				for i := range raw {
					for _, bit := range []byte{0x01, 0x80} {
						damaged := slices.Clone(raw)
						damaged[i] ^= bit
						b.refused(b.transfer(csrfSameOrigin, csrfHeader(base64.RawURLEncoding.EncodeToString(damaged))), audit.CauseTokenInvalid)
					}
				}
				b.passed(b.transfer(csrfSameOrigin, "x-csrf-token:"+b.token+" \t"))
			}
		},
	}
}

func csrfTokenLines() Case {
	return Case{
		ID: "F1", Slug: "csrf/one-token",
		Rule:   "There is one token in a request: of two header lines or two fields none counts, nor does a field beside a header, be it empty.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				first := b.token
				b.open()
				field := "csrf_token=" + b.token
				for _, lines := range [][]string{
					{b.with(), b.with()}, {b.with(), csrfHeader(first)}, {b.with(), csrfHeader("")}, {csrfHeader("x"), b.with()},
				} {
					b.refused(b.transfer(append(lines, csrfSameOrigin)...), audit.CauseTokenMissing)
					b.refused(b.send("/transfer", urlencoded, field, append(lines, csrfSameOrigin)...), audit.CauseTokenMissing)
				}
				for _, body := range []string{
					field + "&" + field, field + "&csrf_token=" + first, field + "&csrf_token=", "csrf_token&" + field, field + "&csrf%5Ftoken=x",
				} {
					b.refused(b.send("/transfer", urlencoded, body, csrfSameOrigin), audit.CauseTokenMissing)
				}
				for _, header := range []string{"", "x", first + "," + b.token, first + ", " + b.token} {
					b.refused(b.transfer(csrfSameOrigin, csrfHeader(header)), audit.CauseTokenInvalid)
					b.refused(b.send("/transfer", urlencoded, field, csrfSameOrigin, csrfHeader(header)), audit.CauseTokenInvalid)
				}
				b.passed(b.send("/transfer", urlencoded, "csrf_token=x", csrfSameOrigin, b.with()))
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(first)))
			}
		},
	}
}

func csrfTokenElsewhere() Case {
	return Case{
		ID: "F1", Slug: "csrf/token-in-its-place",
		Rule:   "A token counts in its header or its field alone: not in the query, in a cookie, in another header, in the path.",
		Clause: "OWASP CSRF cheat sheet; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			for _, b := range s.bothTabs() {
				for _, query := range []string{"csrf_token", "X-CSRF-Token", "_csrf", "csrf", "token", "CSRF_TOKEN"} {
					b.refused(b.post("/transfer?"+query+"="+b.token, csrfSameOrigin), audit.CauseTokenMissing)
					b.refused(b.send("/transfer?"+query+"="+b.token, urlencoded, "amount=1", csrfSameOrigin), audit.CauseTokenMissing)
				}
				for _, line := range []string{
					"X-XSRF-Token: ", "X-CSRFToken: ", "CSRF-Token: ", "X_CSRF_Token: ", "XSRF-Token: ", "csrf_token: ", "X-CSRF-Token-: ",
					"Cookie: csrf_token=", "Cookie: X-CSRF-Token=", "Cookie: " + csrfCookie + "-token=", "Referer: " + s.origin() + "/?csrf_token=",
				} {
					b.refused(b.transfer(csrfSameOrigin, line+b.token), audit.CauseTokenMissing)
				}
				for _, name := range []string{"Csrf_token", "csrf_token%20", "+csrf_token", "csrf_token[]", "csrf-token", "X-CSRF-Token", "a.csrf_token"} {
					b.refused(b.send("/transfer", urlencoded, name+"="+b.token, csrfSameOrigin), audit.CauseTokenMissing)
				}
				// A browser may escape whatever it likes in a field.
				b.passed(b.send("/transfer", urlencoded, "amount=1&csrf%5ftoken=%"+"4"+string("0123456789ABCDEF"[b.token[0]-'@'])+b.token[1:], csrfSameOrigin))
			}
		},
	}
}

func csrfOwnNames() Case {
	return Case{
		ID: "F1", Slug: "csrf/own-names",
		Rule:   "An application that names the header, the field and the cookie itself has these and no others.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			cfg := csrf.Config{HeaderName: "X-Xsrf", FieldName: "authenticity"}
			cfg.Cookie.Name = "visitor"
			app := newCSRFApp()
			app.CSRF = t.csrfGuard(cfg)
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: strings.Replace(csrfCookieLine, csrfCookie, "__Host-visitor", 1), header: "x-xsrf"}
			for _, b := range s.bothTabs() {
				b.refused(b.transfer(csrfSameOrigin, csrfHeader(b.token)), audit.CauseTokenMissing)
				b.refused(b.send("/transfer", urlencoded, "csrf_token="+b.token, csrfSameOrigin), audit.CauseTokenMissing)
				b.passed(b.transfer(csrfSameOrigin, b.with()))
				b.passed(b.send("/transfer", urlencoded, "authenticity="+b.token, csrfSameOrigin))
			}
			// The name that is the default one is nothing here.
			b := s.tab()
			a := b.do("GET", "/page", "Cookie: "+csrfCookie+"="+s.visitor().nonce)
			b.Check(a, Want{Status: 200, Asked: true, CacheControl: "no-store", Cookies: []string{"=" + b.written(a)}})
		},
	}
}

func csrfMalformedCookie() Case {
	return Case{
		ID: "F1", Slug: "csrf/malformed-cookie-switches-nothing-off",
		Rule:   "A visitor's cookie that is empty, damaged or of another form makes no token good, also no empty one.",
		Clause: "CVE-2020-36564; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			honest := s.visitor()
			for _, value := range []string{
				"", " ", "%20", "x", "null", honest.nonce[1:], honest.nonce + "A", honest.nonce + "=", honest.nonce[:42] + "*", honest.nonce[:42] + "+",
				`"` + honest.nonce + `"`, strings.Repeat("A", 42) + "B", honest.token, strings.Repeat("A", 8192),
			} {
				b := s.tab()
				b.nonce = value
				lines := []string{csrfSameOrigin}
				if value == "" {
					lines = append(lines, "Cookie: "+csrfCookie+"=") // an empty cookie is one
				}
				b.refused(b.transfer(lines...), audit.CauseTokenMissing)
				for _, token := range []string{"", "x", value, honest.token} {
					if token != strings.TrimSpace(token) {
						continue
					}
					b.refused(b.transfer(append(lines, csrfHeader(token))...), audit.CauseTokenInvalid)
					b.refused(b.send("/transfer", urlencoded, "csrf_token="+url.QueryEscape(token), lines...), audit.CauseTokenInvalid)
				}
			}
			honest.passed(honest.transfer(csrfSameOrigin, honest.with()))
		},
	}
}

func csrfOtherSession() Case {
	return Case{
		ID: "F2", Slug: "csrf/token-of-somebody-else",
		Rule:   "A token is good for the login or the visitor that it was made for: not for another user, another device of the same user, another visitor, or the same browser before its login.",
		Clause: "CVE-2023-45141; CVE-2023-45128; DESIGN section 6",
		Run: func(t *T) {
			s := t.csrfServe(csrf.Config{})
			tabs := []*csrfTab{s.visitor(), s.visitor(), s.user("alice"), s.user("alice"), s.user("mallory")}
			for _, victim := range tabs {
				for _, other := range tabs {
					if other == victim {
						continue
					}
					for _, site := range []string{csrfSameOrigin, "Sec-Fetch-Site: none", "Origin: " + s.origin(), "X-Requested-With: XMLHttpRequest"} {
						victim.refused(victim.transfer(site, other.with()), audit.CauseTokenInvalid)
					}
					victim.refused(victim.send("/transfer", urlencoded, "csrf_token="+other.token, csrfSameOrigin), audit.CauseTokenInvalid)
				}
				victim.passed(victim.transfer(csrfSameOrigin, victim.with()))
			}
		},
	}
}

func csrfEvent() Case {
	return Case{
		ID: "F1", Slug: "csrf/refusal-is-recorded",
		Rule:   "A refusal is recorded with its reason and who sent it, without the token and the cookie; the client learns neither.",
		Clause: "OWASP ASVS 5.0 16.3.3; DESIGN section 2",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintIgnore
			s := t.csrfServe(csrf.Config{App: "bank"})
			b := s.user("alice")
			handle := t.handle(b)
			var bodies []string
			for _, row := range []struct {
				lines   []string
				cause   audit.Cause
				subject string
			}{
				{[]string{csrfCrossSite, b.with()}, audit.CauseCrossSite, ""},
				{[]string{csrfSameOrigin}, audit.CauseTokenMissing, "alice"},
				{[]string{csrfSameOrigin, csrfHeader(b.token[1:])}, audit.CauseTokenInvalid, "alice"},
			} {
				a := b.transfer(append(row.lines, "User-Agent: Mosaic/0.9")...)
				e := t.Events("csrf_refused:" + string(row.cause))[0]
				Equal(t, "application", e.App, "bank")
				Equal(t, "user agent", e.UserAgent, "Mosaic/0.9")
				Equal(t, "address", e.ClientIP.String(), socketPeer)
				Equal(t, "subject", e.Subject, row.subject)
				if row.subject != "" {
					Equal(t, "session", e.Session, handle)
				}
				if e.Err == nil || strings.Contains(e.Err.Error(), b.token[1:]) || strings.Contains(e.Err.Error(), b.session) {
					t.Failf("error in the event: got %v, want one without the request's values", e.Err)
				}
				bodies = append(bodies, a.Body)
			}
			bodies = slices.Compact(bodies)
			Equal(t, "different answers", len(bodies), 1)
			Equal(t, "actions that happened", s.app.ran.Load(), 0)
		},
	}
}

// handle is the handle of a user's session, as events name it.
func (t *T) handle(b *csrfTab) string {
	t.Helper()
	a := b.do("GET", "/admin")
	b.Check(a, Want{Status: 403, Code: "FORBIDDEN", Asked: true})
	return t.Events("authz_fail:role")[0].Session
}

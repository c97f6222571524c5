package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

// grantCases are about the endpoints that users' clients call: how tokens travel, and
// what is not taken for a request.
func grantCases() []Case {
	return slices.Concat([]Case{
		grantBody(), grantForm(), grantCookie(), grantEmbedded(), grantTransports(), grantMethods(), grantMedia(), grantBodies(),
		grantParameters(), grantNothing(), grantSeveralCookies(), grantOrigins(), grantNoBrowser(), grantInsecure(), grantDenied(),
		grantLoginFails(), grantLoginReplaces(), grantNowhereElse(), grantLostJar(),
	})
}

func grantBody() Case {
	return Case{
		ID: "R14", Slug: "grant/body",
		Rule:   "In the body, a login and a refresh answer as RFC 6749 says, never to be cached, and no cookie is set.",
		Clause: "RFC 6749 sections 5.1 and 6; RFC 6750 section 5.3",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			a := s.Post(LoginPath+"?user=alice", jsonType, "{}")
			h := s.Holder()
			h.LoggedIn(a)
			g := h.read(a)
			Equal(t, "scope", g.Scope, "read:alice write:alice")
			if g.Expires < 850 || g.Expires > 900 {
				t.Failf("expires_in: got %d, want 855 to 900", g.Expires)
			}
			kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
			Equal(t, "Content-Type", kind, "application/json")
			t.Clock.Advance(time.Hour)
			h.Rotate()
			t.Clock.Advance(time.Second)
			h.Coalesced(h.Present())
			a = h.Logout()
			h.Check(a, Want{Status: 204, Service: "Bearer"})
			Equal(t, "body", a.Body, "")
		},
	}
}

func grantForm() Case {
	return Case{
		ID: "R14", Slug: "grant/form",
		Rule:   "In the body, a refresh and a log-out are taken as a form as well, which is what OAuth clients send.",
		Clause: "RFC 6749 section 6",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice")
			t.Clock.Advance(time.Hour)
			form := func() string { return "grant_type=refresh_token&refresh_token=" + url.QueryEscape(h.Refresh) }
			h.Granted(s.Post(RefreshPath, formType, form()))
			h.Good("alice")
			t.Clock.Advance(time.Hour)
			h.Granted(s.Post(RefreshPath, formType+"; charset=utf-8", form()+"&&x="))
			s.Check(s.Post(LogoutPath, formType, form()), Want{Status: 204, Service: "Bearer"})
			h.Dead()
		},
	}
}

func grantCookie() Case {
	return Case{
		ID: "R14", Slug: "grant/cookie",
		Rule:   "In a cookie, the refresh token is there and nowhere else, out of reach for scripts and other sites; an answer that replaces nothing leaves the jar alone, and only the log-out that ended the family empties it.",
		Clause: "RFC 6265bis section 4.1; ASVS 3.3; DESIGN section 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			h := s.Login("user=alice")
			Equal(t, "name", s.rotator.Cookie().Name(), "__Host-refresh")
			t.Clock.Advance(time.Hour)
			h.Rotate()
			t.Clock.Advance(time.Second)
			h.Coalesced(h.Present())
			h.Good("alice")
			s.Check(h.Logout(), Want{Status: 204, Service: "Bearer", Cookies: []string{"refresh-delete"}})
			// It had ended before: the jar may hold a fresh login by now.
			s.Check(h.Logout(), Want{Status: 204, Service: "Bearer"})
			s.Check(h.Present(), denied(core.InvalidGrant))
		},
	}
}

func grantEmbedded() Case {
	return Case{
		ID: "R14", Slug: "grant/embedded-cookie",
		Rule:   "For an application in frames of other sites the cookie is SameSite=None and partitioned, and nothing else of it changes.",
		Clause: "RFC 6265bis section 5.6.7; CHIPS",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			a.Rotation.Cookie = refresh.CookieConfig{Name: "renewal", Embedded: true}
			s := a.Serve()
			got := s.Post(LoginPath+"?user=alice", jsonType, "{}", "Sec-Fetch-Site: same-origin")
			cookies := got.Cookies()
			last := cookies[len(cookies)-1]
			Equal(t, "name", last.Name, "__Host-renewal")
			Equal(t, "attributes", strings.Join(last.Attributes, "; "), "Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=None; Partitioned")
		},
	}
}

func grantTransports() Case {
	return Case{
		ID: "R10", Slug: "grant/transports-apart",
		Rule:   "A refresh token of one transport is refused in the other, an access token is no refresh token, a refresh token is no access token, and none of them harms the family.",
		Clause: "DESIGN section 5; RFC 8725 section 3.12",
		Run: func(t *T) {
			body, jar := t.Auth(refresh.Body).Serve(), t.Auth(refresh.Cookie).Serve()
			h, b := body.Login("user=alice"), jar.Login("user=bob")
			t.settle()
			other := body.Holder()
			for _, raw := range []string{b.Refresh, h.Access, b.Access} {
				other.Refresh = raw
				body.Check(other.Present(), denied(core.InvalidGrant))
				body.Check(other.Logout(), denied(core.InvalidGrant))
			}
			browser := jar.Holder()
			browser.Refresh = h.Refresh
			jar.Check(browser.Present(), denied(core.InvalidGrant))
			jar.Check(browser.Logout(), denied(core.InvalidGrant))
			t.Calls()
			body.Check(body.Do("GET", "/api/me", authorization(h.Refresh)), refused(core.InvalidSignature))
			jar.Check(jar.Do("GET", "/api/me", authorization(b.Refresh)), refused(core.InvalidSignature))
			// A token in the body beside the cookie is a second transport.
			jar.Check(b.Present("refresh_token="+h.Refresh), denied(core.InvalidRequest))
			jar.Check(b.Logout("refresh_token="+b.Refresh), denied(core.InvalidRequest))
			t.Calls()
			t.Clock.Advance(time.Hour)
			h.Rotate()
			b.Rotate()
		},
	}
}

// endpoints are the paths of all endpoints.
var endpoints = []string{LoginPath, RefreshPath, LogoutPath, RevokePath, IntrospectPath}

func grantMethods() Case {
	return Case{
		ID: "R14", Slug: "grant/post-alone",
		Rule:   "The endpoints take POST alone: a token in a URL is ignored, and a link does nothing.",
		Clause: "RFC 6749 section 3.2; RFC 7009 section 2.1; CVE-2026-34969",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				h := s.Login("user=alice")
				t.settle()
				for _, path := range endpoints {
					query := "?user=alice&grant_type=refresh_token&refresh_token=" + h.Refresh + "&token=" + h.Refresh
					a := s.Do("GET", path+query, append(h.Lines, "Cookie: __Host-refresh="+h.Refresh)...)
					w := denied(core.InvalidRequest)
					w.Status = 405
					s.Check(a, w)
					Equal(t, "Allow", a.Header.Get("Allow"), "POST")
				}
				t.Calls()
				t.Events()
				t.Clock.Advance(time.Hour)
				h.Rotate()
			}
		},
	}
}

func grantMedia() Case {
	return Case{
		ID: "R9", Slug: "grant/media-types",
		Rule:   "A body of another type than the endpoint reads is refused, so that no page of somebody else can send one that is taken without asking first; nothing is looked at in it.",
		Clause: "DESIGN section 5; RFC 9110 section 15.5.16; ASVS 3.5.2",
		Run: func(t *T) {
			for transport, types := range map[refresh.Transport][]string{
				refresh.Body:   {"text/plain", "multipart/form-data; boundary=x", "application/jsonp", "text/json", "", "application/json, text/plain"},
				refresh.Cookie: {"text/plain", formType, "multipart/form-data; boundary=x", "application/jsonp", "", "application/json, text/plain"},
			} {
				s := t.Auth(transport).Serve()
				h := s.Login("user=alice")
				t.settle()
				lines := append(slices.Clone(h.Lines), "Cookie: __Host-refresh="+h.Refresh)
				body := fmt.Sprintf(`{"refresh_token":%q}`, h.Refresh)
				if transport == refresh.Cookie {
					body = "{}"
				}
				for _, kind := range types {
					body := body
					if strings.HasPrefix(kind, "multipart/") { // Fiber parses it before anybody asks
						body = "--x\r\nContent-Disposition: form-data; name=\"refresh_token\"\r\n\r\n" + h.Refresh + "\r\n--x--\r\n"
					}
					for _, path := range []string{RefreshPath, LogoutPath} {
						s.Check(s.Post(path, kind, body, lines...), denied(core.UnsupportedMediaType))
						s.Check(s.Post(path, kind, body, append(lines, "Content-Type: "+jsonType)...), denied(core.UnsupportedMediaType))
						s.Check(s.Post(path, jsonType, body, append(lines, "Content-Type: "+kind)...), denied(core.UnsupportedMediaType))
					}
				}
				for _, path := range []string{RevokePath, IntrospectPath} {
					s.Check(s.Post(path, jsonType, `{"token":"x"}`, basic("api")), denied(core.UnsupportedMediaType))
				}
				t.Calls()
				t.Events()
				t.Clock.Advance(time.Hour)
				h.Rotate()
			}
		},
	}
}

func grantBodies() Case {
	return Case{
		ID: "R9", Slug: "grant/hostile-bodies",
		Rule:   "What is not exactly one JSON object or one form is refused at a bounded cost, and so is what is there twice: two readers could have read two things.",
		Clause: "RFC 6749 section 3.2; RFC 8259; DESIGN section 2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice")
			t.settle()
			good := fmt.Sprintf(`"refresh_token":%q`, h.Refresh)
			for _, body := range []string{
				"", "null", "[]", `"x"`, "{", "{" + good, "{" + good + "} {}", "{" + good + "},", "[{" + good + "}]",
				"{" + good + "," + good + "}", `{"refresh_token":"x",` + good + "}", `{"Refresh_Token":"x",` + good + "}",
				`{"refresh_token":null}`, `{"refresh_token":["` + h.Refresh + `"]}`, `{"refresh_token":{"x":1}}`, `{"refresh_token":1}`,
				"{" + good + `,"scope":["read:alice"]}`, "{" + good + `,"client_id":7}`,
				"\xef\xbb\xbf{" + good + "}", "{" + good + ",\"x\":\"\xff\"}", "{" + good + `,"x":"\ud800"}`,
				"{" + good + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}",
				"{" + good + `,"x":"` + strings.Repeat("a", 64<<10) + `"}`,
				strings.Repeat("x", 1<<20),
			} {
				s.Check(s.Post(RefreshPath, jsonType, body), denied(core.InvalidRequest))
			}
			token := "refresh_token=" + h.Refresh
			for _, body := range []string{
				"", "refresh_token", token + "&" + token, token + "&refresh_token=", token + "&refresh%5Ftoken=x", "refresh_token=%zz",
				token + "&%zz=1", token + "&scope=a&scope=b", "Refresh_token=" + h.Refresh, token + "&x=" + strings.Repeat("a", 64<<10),
			} {
				s.Check(s.Post(RefreshPath, formType, body), denied(core.InvalidRequest))
			}
			t.Calls()
			t.Events()
			t.Clock.Advance(time.Hour)
			h.Rotate()
		},
	}
}

func grantParameters() Case {
	return Case{
		ID: "R11", Slug: "grant/parameters",
		Rule:   "Another grant type, another audience and another resource are refused and change nothing; what means nothing here is ignored.",
		Clause: "RFC 6749 sections 3.2 and 6; RFC 8707 section 2",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice")
			t.settle()
			for _, p := range []string{
				"grant_type=password", "grant_type=authorization_code", "grant_type=", "grant_type=Refresh_Token",
				"audience=https://other.example", "resource=https://other.example",
			} {
				s.Check(h.Present(p), denied(core.InvalidRequest))
			}
			t.Calls()
			t.Clock.Advance(time.Hour)
			h.Rotate("grant_type=refresh_token", "foo=bar", "user=bob", "subject=bob", "roles=admin", "gen=1")
			Equal(t, "subject", h.Claims().Subject, "alice")
		},
	}
}

func grantNothing() Case {
	return Case{
		ID: "R9", Slug: "grant/no-token",
		Rule:   "A request without a refresh token is refused as such and asks the store nothing; a value that is none of ours is an invalid grant.",
		Clause: "RFC 6749 section 5.2; DESIGN section 2",
		Run: func(t *T) {
			body, jar := t.Auth(refresh.Body).Serve(), t.Auth(refresh.Cookie).Serve()
			for _, path := range []string{RefreshPath, LogoutPath} {
				for _, text := range []string{"{}", `{"refresh_token":""}`, `{"token":"x"}`} {
					body.Check(body.Post(path, jsonType, text), denied(core.InvalidRequest))
				}
				jar.Check(jar.Post(path, jsonType, "{}", "Sec-Fetch-Site: same-origin"), denied(core.MissingCredentials))
				jar.Check(jar.Post(path, jsonType, "", "Sec-Fetch-Site: same-origin", "Cookie: refresh=x; __Host-Refresh=y"), denied(core.MissingCredentials))
				for _, value := range []string{"", "x", "spr_", strings.Repeat("A", 88), strings.Repeat("A", 4000)} {
					jar.Check(jar.Post(path, jsonType, "", "Sec-Fetch-Site: same-origin", "Cookie: __Host-refresh="+value), denied(core.InvalidGrant))
				}
			}
			t.Calls()
		},
	}
}

func grantSeveralCookies() Case {
	return Case{
		ID: "S15", Slug: "grant/several-cookies",
		Rule:   "Of several refresh cookies with different values none is used; equal ones count as one.",
		Clause: "RFC 6265bis section 4.2.2; DESIGN section 3",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			alice, mallory := s.Login("user=alice"), s.Login("user=mallory")
			t.settle()
			both := fmt.Sprintf("Cookie: __Host-refresh=%s; __Host-refresh=%s", mallory.Refresh, alice.Refresh)
			for _, path := range []string{RefreshPath, LogoutPath} {
				s.Check(s.Post(path, jsonType, "", alice.Lines[0], both), denied(core.InvalidRequest))
			}
			t.Calls()
			t.Clock.Advance(time.Hour)
			alice.Granted(s.Post(RefreshPath, jsonType, "", alice.Lines[0], fmt.Sprintf("Cookie: __Host-refresh=%[1]s; __Host-refresh=%[1]s", alice.Refresh)))
			mallory.Rotate()
		},
	}
}

func grantOrigins() Case {
	return Case{
		ID: "F", Slug: "grant/cross-site",
		Rule:   "With a cookie, a login, a refresh and a log-out are taken from the application's own pages and from the trusted ones, and from nobody else's: no page of somebody else logs a browser in, out or on.",
		Clause: "DESIGN sections 5 and 6; Fetch Metadata; ASVS 3.5.1",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			a.Rotation.PublicOrigin, a.Rotation.TrustedOrigins = "https://app.example", []string{"https://admin.example"}
			s := a.Serve()
			h := s.Login("user=alice")
			t.settle()
			jar := "Cookie: __Host-refresh=" + h.Refresh
			for _, lines := range [][]string{
				{"Sec-Fetch-Site: cross-site"}, {"Sec-Fetch-Site: same-site"}, {"Sec-Fetch-Site: "}, {"Sec-Fetch-Site: SAME-ORIGIN"},
				{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"},
				{"Sec-Fetch-Site: cross-site", "Origin: https://app.example"},
				{"Sec-Fetch-Site: cross-site", "Origin: https://evil.example"},
				{"Sec-Fetch-Site: cross-site", "Origin: null"},
				{"Origin: null"}, {"Origin: https://evil.example"}, {"Origin: http://app.example"}, {"Origin: https://app.example:8443"},
				{"Origin: https://app.example.evil.example"}, {"Origin: https://admin.example", "Origin: https://evil.example"},
				{"Referer: https://app.example/"},
				{},
			} {
				for _, path := range []string{LoginPath + "?user=mallory", RefreshPath, LogoutPath} {
					s.Check(s.Post(path, jsonType, "{}", append(slices.Clone(lines), jar)...), denied(core.CSRFRejected))
				}
			}
			t.Calls()
			t.Events()
			for _, lines := range [][]string{
				{"Sec-Fetch-Site: same-origin"}, {"Sec-Fetch-Site: none"}, {"Origin: https://app.example"}, {"Origin: https://admin.example"},
				{"Sec-Fetch-Site: cross-site", "Origin: https://admin.example"},
			} {
				t.Clock.Advance(time.Hour)
				h.Lines = lines
				h.Rotate()
			}
		},
	}
}

func grantNoBrowser() Case {
	return Case{
		ID: "F", Slug: "grant/no-browser",
		Rule:   "A request that does not say where it comes from may log in if it brings no cookie: it is no browser's. With a cookie it is refused; and in the body nobody has to say anything.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			jar, body := t.Auth(refresh.Cookie).Serve(), t.Auth(refresh.Body).Serve()
			h := jar.Holder()
			h.LoggedIn(jar.Post(LoginPath+"?user=alice", jsonType, "{}"))
			// "null" is an answer: a page in a sandbox says it, and anybody can make one.
			jar.Check(jar.Post(LoginPath+"?user=mallory", jsonType, "{}", "Origin: null"), denied(core.CSRFRejected))
			jar.Check(jar.Post(LoginPath+"?user=alice", jsonType, "{}", "Cookie: a=b"), denied(core.CSRFRejected))
			b := body.Holder()
			b.Lines = []string{"Sec-Fetch-Site: cross-site", "Origin: https://spa.example", "Cookie: a=b"}
			b.LoggedIn(body.Post(LoginPath+"?user=alice", jsonType, "{}", b.Lines...))
			t.Clock.Advance(time.Hour)
			b.Rotate()
		},
	}
}

func grantInsecure() Case {
	return Case{
		ID: "C4", Slug: "grant/insecure-http-is-loopback",
		Rule:   "A refresh cookie without Secure is served to this machine under its own name and to nobody else.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			a := t.Auth(refresh.Cookie)
			a.Rotation.Cookie.InsecureHTTP = true
			s := a.Serve()
			got := s.Post(LoginPath+"?user=alice", jsonType, "{}")
			cookies := got.Cookies()
			last := cookies[len(cookies)-1]
			Equal(t, "name", last.Name, "refresh")
			Equal(t, "attributes", strings.Join(last.Attributes, "; "), "Path=/; Max-Age=1209600; HttpOnly; SameSite=Strict")
			t.settle()
			raw := s.postRequest(RefreshPath, jsonType, "", "Sec-Fetch-Site: same-origin", "Cookie: refresh="+last.Value)
			s.Check(s.Raw(strings.Replace(raw, "Host: "+s.Addr, "Host: app.example", 1)), denied(core.AuthMiddlewareFailure))
			t.Calls()
		},
	}
}

func grantDenied() Case {
	return Case{
		ID: "R14", Slug: "grant/own-error-handler",
		Rule:   "Refusals of the endpoints go the application's way like all others, with their headers.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			a := t.Auth(refresh.Body)
			app := a.app()
			app.OwnErrorHandler = true
			s := &AuthServer{Server: t.Serve(app), Auth: a}
			for path, status := range map[string]int{LoginPath: 401, RefreshPath: 400, LogoutPath: 400} {
				got := s.Post(path, jsonType, "{}")
				Equal(t, "status", got.Status, status)
				Equal(t, "body", got.Body, OwnRefusal)
				Equal(t, "Cache-Control", got.Header.Get("Cache-Control"), "no-store")
			}
		},
	}
}

func grantLoginFails() Case {
	return Case{
		ID: "R13", Slug: "grant/login-fails",
		Rule:   "A login that the application refuses is 401 and stores nothing; one that the store does not take logs nobody in, and sets no cookie.",
		Clause: "DESIGN sections 2 and 5; ATTACKS S19",
		Run: func(t *T) {
			for _, transport := range []refresh.Transport{refresh.Body, refresh.Cookie} {
				s := t.Auth(transport).Serve()
				t.settle()
				s.Check(s.Post(LoginPath, jsonType, "{}"), denied(core.MissingCredentials))
				t.Calls()
				t.Events()
				for _, fault := range []Fault{FaultError, FaultAfter} {
					t.Store.Fail(Always(fault, OpCreateFamily))
					s.Check(s.Post(LoginPath+"?user=alice", jsonType, "{}"), denied(core.StoreUnavailable))
					t.Events("store_failure:error")
				}
				t.Store.Fail(nil)
				s.Login("user=alice")
			}
		},
	}
}

func grantLoginReplaces() Case {
	return Case{
		ID: "S3", Slug: "grant/login-replaces",
		Rule:   "Who logs in again in a browser gets a new family, and the one that the jar held ends with its access tokens, told as a step-up or as a switch of users; other devices go on, and if the end cannot be stored nobody is logged in.",
		Clause: "DESIGN section 5; ASVS 7.2.4",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			for user, cause := range map[string]string{"alice": "step-up", "bob": "user-switch"} {
				old, phone := s.Login("user=alice"), s.Login("user=alice")
				old.Good("alice")
				jar := "Cookie: __Host-refresh=" + old.Refresh
				t.Store.Fail(Always(FaultError, OpEndFamily))
				s.Check(s.Post(LoginPath+"?user="+user, jsonType, "{}", old.Lines[0], jar), denied(core.StoreUnavailable))
				t.Store.Fail(nil)
				t.settle()
				again := s.Holder()
				again.LoggedIn(s.Post(LoginPath+"?user="+user, jsonType, "{}", old.Lines[0], jar))
				t.Events("refresh_family_expired:"+cause, "authn_token_created", "refresh_family_created", "authn_login_success")
				again.Good(user)
				old.Dead()
				phone.Good("alice")
				// What is worth nothing replaces nothing, and keeps nobody out.
				for _, value := range []string{old.Refresh, "x", old.Refresh[:80] + "AAAAAAAA"} {
					h := s.Holder()
					h.LoggedIn(s.Post(LoginPath+"?user=carol", jsonType, "{}", old.Lines[0], "Cookie: __Host-refresh="+value))
					h.Good("carol")
				}
				again.Good(user)
			}
		},
	}
}

func grantNowhereElse() Case {
	return Case{
		ID: "R14", Slug: "grant/tokens-are-nowhere-else",
		Rule:   "No token is in an event, in the store or in a refusal.",
		Clause: "RFC 9700 section 4.14.2; DESIGN section 5",
		Run: func(t *T) {
			s := t.Auth(refresh.Body).Serve()
			h := s.Login("user=alice")
			old := *h
			t.Clock.Advance(time.Hour)
			h.Rotate()
			h.Good("alice")
			t.Clock.Advance(time.Hour)
			a := old.Present()
			s.Check(a, denied(core.InvalidGrant))
			for _, secret := range []string{h.Refresh, old.Refresh, h.Access, old.Access} {
				// The random part alone: prefixes are no secret.
				secret = secret[len(secret)-40:]
				for _, v := range t.Store.Written() {
					if strings.Contains(v, secret) {
						t.Failf("a token is in the store: %q", v)
					}
				}
				if strings.Contains(a.Raw, secret) {
					t.Failf("a token is in a refusal")
				}
			}
			events := t.Audit.Take()
			for _, e := range events {
				for _, secret := range []string{h.Refresh, old.Refresh, h.Access, old.Access} {
					if text := fmt.Sprintf("%+v", e); strings.Contains(text, secret[len(secret)-40:]) {
						t.Failf("a token is in an event: %s", text)
					}
				}
			}
			if len(events) == 0 {
				t.Failf("no events")
			}
		},
	}
}

func grantLostJar() Case {
	return Case{
		ID: "RF9", Slug: "grant/cookies-out-of-order",
		Rule:   "Two tabs of one jar refresh at once: both go on, whichever answer arrives last, and the jar never ends up with an older token.",
		Clause: "DESIGN section 5; ATTACKS RF9; linagora tmail-flutter 4081; directus 22360",
		Run: func(t *T) {
			s := t.Auth(refresh.Cookie).Serve()
			for _, swapped := range []bool{false, true} {
				h := s.Login("user=alice")
				for range 3 {
					t.Clock.Advance(time.Hour)
					tabs := []*Holder{h.At(s), h.At(s)}
					answers := []*Answer{tabs[0].Present(), tabs[1].Present()}
					if swapped {
						slices.Reverse(answers)
					}
					for i, a := range answers {
						tabs[i].Granted(a)
					}
					Equal(t, "the tabs' tokens", tabs[0].Refresh, tabs[1].Refresh)
					// A third tab is late: what it is answered leaves the jar alone.
					h.Refresh = tabs[0].Refresh
					h.Coalesced(h.Present())
					h.Good("alice")
				}
			}
		},
	}
}

// basic is the Authorization line of a service of Auth.Clients.
func basic(id string) string { return basicAs(id, clientSecret(id)) }

package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearerCases are about how a token gets to a route, what guards make of it, and what
// time and revocation do to it and to the keys behind it.
func bearerCases() []Case {
	return slices.Concat([]Case{
		bearerScheme(), bearerTwoHeaders(), bearerInForm(), bearerFormForms(), bearerBodyStays(), bearerElsewhere(), bearerCookie(),
	}, bearerOptionalCases(), bearerGuardCases(), bearerDenyCases(), bearerRevokedCases(), bearerUserCases(), keyCases(), remoteKeyCases(), keyConfigCases())
}

// carrying builds a request with a body.
func (s *Server) carrying(method, target, kind, body string, lines ...string) string {
	if kind != "" {
		lines = append(lines, "Content-Type: "+kind)
	}
	lines = append(lines, fmt.Sprint("Content-Length: ", len(body)))
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n%s", method, target, s.Addr, strings.Join(lines, "\r\n"), body)
	return b.String()
}

const urlencoded = "application/x-www-form-urlencoded"

// nobodyBearer is what a route with an optional token answers to nobody: what any
// cache may give to anybody else who sends none.
func (s *Server) nobodyBearer(a *Answer) {
	s.t.Helper()
	s.Check(a, Want{Status: 200, Body: "anonymous", Bearer: true, CacheControl: "-"})
	Equal(s.t, "Cache-Control", a.Header.Get("Cache-Control"), "")
}

// tokensRefused checks that exactly n events were recorded since the last look, each of a
// token that was refused in a request from here.
func (t *T) tokensRefused(n int) []audit.Event {
	t.Helper()
	events := t.Audit.Take()
	for _, e := range events {
		if e.Name != audit.TokenRefused || e.Cause == "" || e.Err == nil {
			t.Failf("audit events: got %s:%s (%v), want refused tokens only", e.Name, e.Cause, e.Err)
		}
		Equal(t, "address in the event", e.ClientIP, netip.MustParseAddr(socketPeer))
		Equal(t, "application in the event", e.App, "conformance")
	}
	Equal(t, "refused tokens", len(events), n)
	return events
}

func bearerScheme() Case {
	return Case{
		ID: "J23", Slug: "bearer/scheme",
		Rule:   "A token counts in one Authorization header of the scheme Bearer, whatever its case, and as nothing else: no other scheme, no list, no bare token.",
		Clause: "RFC 6750 section 2.1; RFC 9110 sections 11.1 and 11.4; CVE-2026-47673",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			good, other := k.Issue("alice").Token, k.Issue("bob").Token
			for _, row := range []struct {
				code  core.Code
				lines []string
			}{
				{"", []string{
					"Authorization: Bearer " + good, "Authorization: bearer " + good, "Authorization: BEARER " + good,
					"Authorization: bEaReR " + good, "Authorization: Bearer  " + good, "Authorization: Bearer " + good + " \t",
					"Authorization:Bearer " + good, "Authorization:\t Bearer " + good, "authorization: Bearer " + good,
					"AUTHORIZATION: Bearer " + good,
				}},
				// What is no bearer token is no credential that the route asks for.
				{core.MissingCredentials, []string{
					"Authorization: Basic " + good, "Authorization: Token " + good, "Authorization: JWT " + good, "Authorization: DPoP " + good,
					"Authorization: Digest " + good, "Authorization: " + good, "Authorization: Bearer", "Authorization: Bearer  ", "Authorization:",
					"Authorization: Bearer\t" + good, "Authorization: Bearer" + good, "Authorization: Bearer:" + good, "Authorization: Bearer=" + good,
					"Authorization: Bearer: " + good, "Authorization: Bearers " + good, "Authorization: XBearer " + good,
					"Authorization: Digest Bearer " + good, "Authorization: Basic YWxpY2U6c2VjcmV0, Bearer " + good,
					"Authorization: \"Bearer " + good + "\"", "Authorization: =Bearer " + good, "Authorization: B\u0435arer " + good,
				}},
				{core.InvalidRequest, []string{
					"Authorization: Bearer " + good + "," + good, "Authorization: Bearer " + good + ", Bearer " + good,
					"Authorization: Bearer " + good + ", Bearer " + other, "Authorization: Bearer " + other + ", Bearer " + good,
					"Authorization: Bearer " + good + ", Basic YWxpY2U6c2VjcmV0", "Authorization: Bearer " + good + " " + good,
					"Authorization: Bearer " + good + "\t" + other, "Authorization: Bearer " + good + ",", "Authorization: Bearer ," + good,
					"Authorization: Bearer Bearer " + good, "Authorization: Bearer \t" + good, "Authorization: Bearer realm=\"x\", token=" + good,
				}},
				{core.InvalidSignature, []string{
					"Authorization: Bearer x", "Authorization: Bearer null", "Authorization: Bearer undefined", "Authorization: Bearer .",
					"Authorization: Bearer \"" + good + "\"", "Authorization: Bearer " + good + ".", "Authorization: Bearer =" + good,
					"Authorization: Bearer <" + good + ">", "Authorization: Bearer " + good + ";", "Authorization: Bearer %20" + good,
				}},
			} {
				for _, line := range row.lines {
					for _, path := range []string{"/api/me", "/api/optional", "/api/login"} {
						a := s.Do("GET", path, line)
						if row.code == "" {
							s.Check(a, accepted("alice"))
							t.nothing()
							continue
						}
						s.Check(a, refused(row.code))
						e := t.tokensRefused(1)[0]
						Equal(t, fmt.Sprintf("a cause in the transport, of %q", line), e.Cause == audit.CauseTransport, row.code != core.InvalidSignature)
						t.Calls()
					}
				}
			}
			// Nothing at all is no event: everybody's first request is that.
			s.Check(s.Do("GET", "/api/me"), refused(core.MissingCredentials))
			s.Check(s.Do("GET", "/public", authorization("x")), Want{Status: 200, Body: "public"})
			t.nothing()
		},
	}
}

func bearerTwoHeaders() Case {
	return Case{
		ID: "J23", Slug: "bearer/two-headers",
		Rule:   "Two Authorization headers are refused with 400, whatever they hold and in whichever order.",
		Clause: "RFC 6750 section 2; RFC 9110 section 5.3",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			alice, bob := k.Issue("alice").Token, k.Issue("bob").Token
			// Both tokens are good, and one is in the cache when the second comes.
			s.Check(s.Do("GET", "/api/me", authorization(alice)), accepted("alice"))
			s.Check(s.Do("GET", "/api/me", authorization(bob)), accepted("bob"))
			for _, pair := range [][2]string{
				{"Authorization: Bearer " + alice, "Authorization: Bearer " + alice},
				{"Authorization: Bearer " + alice, "Authorization: Bearer " + bob},
				{"Authorization: Bearer " + alice, "authorization: bearer " + alice},
				{"Authorization: Bearer " + alice, "AUTHORIZATION: Bearer " + bob},
				{"Authorization: Bearer " + alice, "Authorization: Basic YWxpY2U6c2VjcmV0"},
				{"Authorization: Bearer " + alice, "Authorization: Bearer x"},
				{"Authorization: Bearer " + alice, "Authorization:"},
				{"Authorization: Bearer " + alice, "Authorization: Bearer"},
				{"Authorization: Basic YWxpY2U6c2VjcmV0", "Authorization: Basic YWxpY2U6c2VjcmV0"},
			} {
				for range 2 {
					for _, path := range []string{"/api/me", "/api/optional"} {
						s.Check(s.Do("GET", path, pair[0], pair[1]), refused(core.InvalidRequest))
						// Far apart, and among so many that nobody looks at all.
						s.Check(s.Do("GET", path, pair[0], "Accept: */*", "X-Filler: x", pair[1]), refused(core.InvalidRequest))
						s.Check(s.Do("GET", path, pair[0], pair[1], pair[0]), refused(core.InvalidRequest))
						for _, e := range t.tokensRefused(3) {
							Equal(t, "cause", e.Cause, audit.CauseTransport)
						}
						t.Calls()
					}
					pair[0], pair[1] = pair[1], pair[0]
				}
			}
			s.Check(s.Do("GET", "/api/me", authorization(alice)), accepted("alice"))
			t.nothing()
		},
	}
}

func bearerInForm() Case {
	return Case{
		ID: "J23", Slug: "bearer/token-in-form",
		Rule:   "A token in a form is none; beside one in the header it makes the request invalid, with 400, however it is written and however long the form.",
		Clause: "RFC 6750 sections 2 and 2.2; DESIGN sections 2 and 4",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			alice, bob := k.Issue("alice").Token, k.Issue("bob").Token
			long := strings.Repeat("x", 64<<10)
			for _, body := range []string{
				"access_token=" + alice, "access_token=" + bob, "access_token=x", "access_token=", "access_token",
				"a=b&access_token=" + bob + "&c=d", "access_token=" + bob + "&access_token=" + bob, "access%5ftoken=" + bob, "access%5Ftoken=" + bob,
				"%61ccess_token=" + bob, "%61%63%63%65%73%73%5f%74%6f%6b%65%6e=" + bob, "&&access_token=" + bob, "=&access_token=" + bob,
				"%zz&access_token=" + bob, "a;b&access_token=" + bob, "a=" + long[:32<<10] + "&access_token=" + bob,
				// What is too long to be looked at might hold one.
				"a=" + long + "&access_token=" + bob, "access_token=" + bob + "&a=" + long, "a=" + long,
			} {
				for _, method := range []string{"POST", "GET"} {
					for _, kind := range []string{urlencoded, "Application/X-WWW-Form-URLencoded; charset=utf-8"} {
						s.Check(s.Raw(s.carrying(method, "/api/me", kind, body, authorization(alice))), refused(core.InvalidRequest))
						Equal(t, "cause", t.tokensRefused(1)[0].Cause, audit.CauseTransport)
						t.Calls()
					}
				}
				// Alone it is no credential at all.
				s.Check(s.Raw(s.carrying("POST", "/api/me", urlencoded, body)), refused(core.MissingCredentials))
				t.nothing()
			}
			// A form without one, and its likes, are no matter.
			for _, body := range []string{
				"", "a=b", "token=" + bob, "Access_Token=" + bob, "access_tokens=" + bob, "+access_token=" + bob, "access_token+=" + bob,
				"a=access_token=" + bob, "a=b%26access_token=" + bob, "access_token%00=" + bob, "access_token[]=" + bob,
			} {
				s.Check(s.Raw(s.carrying("POST", "/api/me", urlencoded, body, authorization(alice))), accepted("alice"))
			}
			t.nothing()
		},
	}
}

func bearerFormForms() Case {
	return Case{
		ID: "J23", Slug: "bearer/form-is-any-form",
		Rule:   "A form is known by its media type, whatever parameters and repetitions surround that; a body of any other type is the application's own affair.",
		Clause: "RFC 6750 section 2.2; RFC 9110 section 8.3; DESIGN section 2",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			alice, bob := k.Issue("alice").Token, k.Issue("bob").Token
			body := "access_token=" + bob
			for _, kind := range []string{
				urlencoded, urlencoded + ";", urlencoded + " ; charset=utf-8", urlencoded + ";charset=a;charset=b", urlencoded + "; =", urlencoded + ";;",
				urlencoded + "; charset", strings.ToUpper(urlencoded), urlencoded + "\r\nContent-Type: " + urlencoded,
				// Frameworks differ in which of two lines counts.
				urlencoded + "\r\nContent-Type: text/plain", "text/plain\r\nContent-Type: " + urlencoded,
			} {
				s.Check(s.Raw(s.carrying("POST", "/api/me", kind, body, authorization(alice))), refused(core.InvalidRequest))
				t.tokensRefused(1)
			}
			chunked := "POST /api/me HTTP/1.1\r\nHost: " + s.Addr + "\r\n" + authorization(alice) + "\r\nContent-Type: " + urlencoded +
				"\r\nTransfer-Encoding: chunked\r\n\r\n"
			inChunks := func(body string) string {
				half := len(body) / 2
				return chunked + fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", half, body[:half], len(body)-half, body[half:])
			}
			s.Check(s.Raw(inChunks(body)), refused(core.InvalidRequest))
			t.tokensRefused(1)
			s.Check(s.Raw(inChunks("token="+bob)), accepted("alice"))
			boundary := "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n" + bob + "\r\n--b--\r\n"
			for kind, body := range map[string]string{
				"": body, "text/plain": body, "application/json": `{"access_token":"` + bob + `"}`, "multipart/form-data; boundary=b": boundary,
				"application/x-www-form-urlencoded-not": body, "x/" + urlencoded: body, "text/plain; a=" + urlencoded: body,
				"application/octet-stream": strings.Repeat("x", 100<<10),
			} {
				s.Check(s.Raw(s.carrying("POST", "/api/me", kind, body, authorization(alice))), accepted("alice"))
				s.Check(s.Raw(s.carrying("POST", "/api/me", kind, body)), refused(core.MissingCredentials))
			}
			t.nothing()
		},
	}
}

func bearerBodyStays() Case {
	return Case{
		ID: "J23", Slug: "bearer/form-stays-readable",
		Rule:   "The handler reads the whole body of a form that was looked at for a token, byte for byte and up to the longest that is.",
		Clause: "DESIGN section 2 (Body puts the bytes back)",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp().with("POST", "/api/body", func(r Request) error {
				b, err := r.Body()
				if err != nil {
					return r.NativeError(500, err.Error())
				}
				return r.String(200, b)
			}, Guard{Bearer: true}, Guard{Bearer: true}, Guard{Login: true}))
			good := authorization(k.Issue("alice").Token)
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			c := s.Dial() // kept alive: a body left unread would be the next request
			for _, body := range []string{
				"a=b", "a=b&token=c", string(all), strings.Repeat("0123456789abcdef", 4<<10), strings.Repeat("x", 64<<10-1),
			} {
				a := s.On(c, s.carrying("POST", "/api/body", urlencoded, body, good))
				s.Check(a, Want{Status: 200, Bearer: true})
				Equal(t, "bytes that the handler read", len(a.Body), len(body))
				Equal(t, "the body that the handler read is the one that was sent", a.Body == body, true)
			}
			long := strings.Repeat("x", 1<<20)
			a := s.On(c, s.carrying("POST", "/api/body", "application/json", long, good))
			s.Check(a, Want{Status: 200, Bearer: true})
			Equal(t, "the long body that the handler read is the one that was sent", a.Body == long, true)
			t.nothing()
		},
	}
}

func bearerElsewhere() Case {
	return Case{
		ID: "J23", Slug: "bearer/token-elsewhere-ignored",
		Rule:   "A token in the query, in a cookie, in the path or in another header is no credential, alone or beside one.",
		Clause: "RFC 6750 section 2.3; RFC 9700 section 4.3.2; DESIGN section 4; CVE-2026-33620, CVE-2026-44883",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			s := t.Serve(k.bearerApp())
			alice, bob := k.Issue("alice").Token, k.Issue("bob").Token
			try := func(target string, lines ...string) {
				t.Helper()
				s.Check(s.Do("GET", "/api/me"+target, lines...), refused(core.MissingCredentials))
				s.nobodyBearer(s.Do("GET", "/api/optional"+target, lines...))
				s.Check(s.Do("GET", "/api/login"+target, lines...), refused(core.MissingCredentials))
				for _, path := range []string{"/api/me", "/api/optional", "/api/login"} {
					s.Check(s.Do("GET", path+target, append(lines, authorization(alice))...), accepted("alice"))
				}
				t.nothing()
				// Nor does a good one elsewhere help a bad one in its place.
				s.Check(s.Do("GET", "/api/optional"+target, append(lines, authorization("x"))...), refused(core.InvalidSignature))
				t.tokensRefused(1)
				t.Calls()
			}
			for _, name := range []string{
				"access_token", "token", "auth", "authToken", "jwt", "bearer", "Authorization", "authorization", "id_token", "api_key", "t",
			} {
				try("?" + name + "=" + bob)
				try("?x=y&" + name + "=Bearer%20" + bob + "&" + name + "=" + bob)
				try("", "Cookie: "+name+"="+bob)
			}
			try("", "Cookie: __Host-session="+bob+"; session="+bob+"; __Host-access=Bearer "+bob)
			for _, name := range []string{
				"Proxy-Authorization", "X-Authorization", "X-Forwarded-Authorization", "X-Original-Authorization", "Authentication", "X-Auth-Token",
				"X-Access-Token", "X-Forwarded-Access-Token", "X-Api-Key", "X-Amzn-Oidc-Data", "X-Goog-Iap-Jwt-Assertion", "Cf-Access-Jwt-Assertion",
				"Sec-WebSocket-Protocol", "Access-Token", "Token", "Bearer", "X-Jwt-Assertion", "DPoP",
			} {
				try("", name+": Bearer "+bob)
				try("", name+": "+bob)
			}
		},
	}
}

func bearerCookie() Case {
	return Case{
		ID: "J23", Slug: "bearer/session-is-no-fallback",
		Rule:   "A route behind Bearer looks at the token alone: a session beside it makes nobody known whom the token does not, and is not read.",
		Clause: "DESIGN section 4",
		Run: func(t *T) {
			k := t.Tokens(token.ES256)
			api := k.bearerApp()
			app := standard()
			app.Verifier, app.Routes = api.Verifier, append(app.Routes, api.Routes[1:]...)
			s := t.Serve(app)
			alice := s.loggedIn("alice")
			s.Check(alice.Post("/note?v=hers"), says("noted"))
			mine, bobs := k.Issue("alice").Token, k.Issue("bob").Token
			t.settle()
			for _, path := range []string{"/api/me", "/api/optional", "/api/login"} {
				if path == "/api/optional" {
					s.nobodyBearer(alice.Get(path)) // although somebody is logged in
				} else {
					s.Check(alice.Get(path), refused(core.MissingCredentials))
				}
				t.nothing()
				for _, bad := range []string{"x", bobs + "x", ".."} {
					s.Check(alice.Do("GET", path, authorization(bad)), refused(core.InvalidSignature))
					t.tokensRefused(1)
					t.Calls()
				}
				s.Check(alice.Do("GET", path, "Authorization: Basic YWxpY2U6c2VjcmV0"), refused(core.MissingCredentials))
				t.tokensRefused(1)
				// No second transport either, whoever the session is.
				s.Check(alice.Do("GET", path, authorization(bobs)), accepted("bob"))
				s.Check(alice.Do("GET", path, authorization(mine)), accepted("alice"))
				s.Check(s.Browser().Do("GET", path, authorization(bobs)), accepted("bob"))
				t.nothing()
			}
			// And the other way round: a token is no session.
			s.Check(alice.Do("GET", "/me", authorization(bobs)), says("subject=alice"))
			t.Calls(OpLoad)
			s.Check(s.Browser().Do("GET", "/me", authorization(bobs)), Anonymous())
			t.nothing()
			s.Check(alice.Get("/note"), says("note=hers"))
			t.Events()
		},
	}
}

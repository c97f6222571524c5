package conformance

import (
	"strings"
)

// cookieReadCases are about how the Cookie header is read.
func cookieReadCases() []Case {
	return []Case{nameByName(), severalLines(), noQuotedStrings(), neverEchoed()}
}

// nothingRead checks that a client which sends these header lines is nobody, and
// that the store was not even asked.
func (s *Server) nothingRead(lines ...string) {
	s.t.Helper()
	s.Check(s.Do("GET", "/me", lines...), Anonymous())
	s.Check(s.Do("GET", "/whoami", lines...), Want{Status: 200, Body: "anonymous", Asked: true})
	s.t.Calls()
	s.t.Events()
}

// aliceRead checks that a client which sends these header lines is alice.
func (s *Server) aliceRead(lines ...string) {
	s.t.Helper()
	s.Check(s.Do("GET", "/me", lines...), Want{Status: 200, Body: "subject=alice", Asked: true})
	s.t.Calls(OpLoad)
	s.t.Events()
}

// aliceServed serves standard with alice logged in, and returns her cookie's value.
func (t *T) aliceServed() (*Server, string) {
	t.Helper()
	s := t.Serve(standard())
	b := s.loggedIn("alice")
	t.Calls(OpCreate)
	t.Events("session_created", "authn_login_success")
	return s, b.Value
}

func nameByName() Case {
	return Case{
		ID: "C3", Slug: "cookie/name-byte-for-byte",
		Rule:   "A cookie is ours only if what stands before its first '=' is our name byte for byte.",
		Clause: "RFC 6265 section 4.2.1; RFC 6265bis sections 4.1.3, 5.7 and 8.6",
		Run: func(t *T) {
			s, v := t.aliceServed()
			for _, header := range []string{
				"=__Host-session=" + v, // a nameless cookie, which any sibling host may set
				"==__Host-session=" + v,
				"__Host-session",
				"__Host-session; " + v,
				"__Host-session " + v,
				"__Host-session:" + v,
				v,
				"=" + v,
				"__%48ost-session=" + v,
				"%5F%5FHost-session=" + v,
				"__Host%2Dsession=" + v,
				"__Host-session%3D" + v,
				"__Host-session%20=" + v,
				"__host-session=" + v,
				"__HOST-SESSION=" + v,
				"__Host-Session=" + v,
				"session=" + v,
				"__Secure-session=" + v,
				"__Http-session=" + v,
				"__Host-__Host-session=" + v,
				"x__Host-session=" + v,
				"__Host-sessionx=" + v,
				"__Host-session[]=" + v,
				"__Host-session[0]=" + v,
				"__Host.session=" + v,
				"__Host_session=" + v,
				"__Host-session =" + v,
				"__Host-session\t=" + v,
				"a=b;  __Host-session=" + v,
				"a=b;\t__Host-session=" + v,
				"a=b; \t__Host-session=" + v,
				"a=b,__Host-session=" + v,
				"a=b, __Host-session=" + v,
				"a=b&__Host-session=" + v,
				"a=b __Host-session=" + v,
				"a=b] __Host-session=" + v,
				"\"__Host-session\"=" + v,
				"\u00a0__Host-session=" + v,
				"\ufeff__Host-session=" + v,
				"__Host\u2010session=" + v,
				"__Ho\u017ft-session=" + v, // folds to an s
			} {
				s.nothingRead("Cookie: " + header)
			}
			// The right name with something else than the value.
			for _, value := range []string{
				"", " " + v, v + " ;", v + "\t; a=b", "\"" + v + "\"", "'" + v + "'", v + "=", "=" + v, v + ",a=b", v + "%20", v + "%3B",
				strings.Replace(v, v[:1], "%"+hex2(v[0]), 1),
				// As long as a value, and none.
				"+" + v[1:], "=" + v[1:], " " + v[1:], "\"" + v[1:47] + "\"", "\x80" + v[1:], v[:47] + ",",
			} {
				s.nothingRead("Cookie: __Host-session=" + value)
			}
			for _, header := range []string{"X-Cookie", "Cookie2", "Set-Cookie", "X_Cookie", "Cookie_"} {
				s.nothingRead(header + ": __Host-session=" + v)
			}
			// No field name, or one that a server has to refuse (RFC 9112
			// section 5.1) and some pass on.
			for _, lines := range [][]string{
				{"Cookie : __Host-session=" + v}, {"Cookie\t: __Host-session=" + v}, {"X-A: b", " Cookie: __Host-session=" + v},
				{"X Cookie: __Host-session=" + v}, {"Cookie __Host-session=" + v}, {"Cookie\x00: __Host-session=" + v},
			} {
				a := s.Do("GET", "/me", lines...)
				if a.Status == 400 {
					Equal(t, "Set-Cookie lines", len(a.Cookies()), 0)
				} else {
					s.Check(a, Anonymous())
				}
				t.Calls()
				t.Events()
			}
			for _, header := range []string{
				"__Host-session=" + v,
				"a=b; __Host-session=" + v,
				"a=b;__Host-session=" + v,
				"__Host-session=" + v + "; a=b",
				"__Host-session=" + v + ";a=b;",
				"=; ; ;; a; b=; __Host-session=" + v,
				"a=b=c; __Host-session=" + v,
				"__host-session=x; __HOST-session=y; __Host-session=" + v,
			} {
				s.aliceRead("Cookie: " + header)
			}
		},
	}
}

func hex2(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

func severalLines() Case {
	return Case{
		ID: "C3", Slug: "cookie/several-header-lines",
		Rule:   "A cookie is found in whichever Cookie header line and place it stands, and no line runs into the next.",
		Clause: "RFC 6265bis sections 4.2.1 and 4.2.2; RFC 9113 section 8.2.3",
		Run: func(t *T) {
			s, v := t.aliceServed()
			ours := "__Host-session=" + v
			for _, lines := range [][]string{
				{"Cookie: a=b", "Cookie: " + ours},
				{"Cookie: " + ours, "Cookie: a=b"},
				{"Cookie: a=b", "Cookie: c=d; " + ours + "; e=f", "Cookie: g=h"},
				{"Cookie: ", "Cookie:   " + ours + "  "},
				{"cookie: a=b", "COOKIE: " + ours},
				{"Cookie: " + ours, "Cookie: " + ours}, // equal values are one
			} {
				if strings.Count(strings.Join(lines, ""), ours) == 1 {
					s.aliceRead(lines...)
					continue
				}
				s.Check(s.Do("GET", "/me", lines...), Want{Status: 200, Body: "subject=alice", Asked: true})
				t.Calls(OpLoad)
				t.Events()
			}
			for _, lines := range [][]string{
				{"Cookie: a=\"", "Cookie: __host-session=" + v, "Cookie: \""},
				{"Cookie: __Host-session=" + v[:20], "Cookie: " + v[20:]},
				{"Cookie: __Host-session", "Cookie: =" + v},
				{"Cookie: __Host-", "Cookie: session=" + v},
			} {
				s.nothingRead(lines...)
			}
		},
	}
}

func noQuotedStrings() Case {
	return Case{
		ID: "C4", Slug: "cookie/no-quoted-grouping",
		Rule:   "A quote or $Version in the Cookie header changes nothing: ';' always ends a pair.",
		Clause: "RFC 6265 section 4.2.1; RFC 6265bis section 5.6",
		Run: func(t *T) {
			s, v := t.aliceServed()
			for _, header := range []string{
				"a=\"x; __Host-session=" + v + "; b=y\"",
				"a=\"; __Host-session=" + v + "; b=\"",
				"$Version=1; a=\"x; __Host-session=" + v + "; b=y\"",
				"$Version=\"1\"; __Host-session=" + v + "; $Path=\"/\"",
				"$Version=1; __Host-session=" + v + "; $Path=/; $Domain=example.com",
				"a=\\\"x; __Host-session=" + v + "; b=\\\"",
				"a='x; __Host-session=" + v + "; b='",
				"a=(x; __Host-session=" + v + "; b=)",
			} {
				s.aliceRead("Cookie: " + header)
			}
			for _, header := range []string{
				"$Version=1; __Host-session=\"" + v + "\"; $Path=\"/\"",
				"$Version=1, __Host-session=" + v,
				"$Version=1; $__Host-session=" + v,
				"__Host-session=\"" + v,
				"a=\"x\\\"; __host-session=" + v + "; b=y\"",
				"__Host-session=\"a; b=" + v + "\"",
			} {
				s.nothingRead("Cookie: " + header)
			}
		},
	}
}

func neverEchoed() Case {
	return Case{
		ID: "C4", Slug: "cookie/value-never-echoed",
		Rule:   "No part of a Cookie header comes back in an answer, whatever was wrong with it; only a live session's own cookie is ever repeated, in Set-Cookie.",
		Clause: "ASVS 3.3.4; RFC 6265bis section 8.3",
		Run: func(t *T) {
			s, v := t.aliceServed()
			const mark = "cAnArY0123456789"
			shaped := strings.Repeat("Q", 48) // well-formed and unknown
			for _, secret := range []string{mark, shaped, v} {
				for _, header := range []string{
					"__Host-session=" + secret,
					"__Host-session=\"" + secret + "\"",
					"a=\"x; __Host-session=" + secret + "; b=y\"",
					"__host-session=" + secret,
					"__Host-session=" + secret + "; __Host-session=" + secret,
					secret + "=" + secret,
					"=" + secret,
					secret,
				} {
					for _, r := range []string{
						"GET /me", "GET /whoami", "GET /admin", "GET /fresh", "GET /public", "GET /note", "GET /nowhere",
						"POST /nowhere", "FOO /me",
					} {
						method, target, _ := strings.Cut(r, " ")
						a := s.Do(method, target, "Cookie: "+header)
						if strings.Contains(a.Raw, secret) {
							t.Failf("the answer to %s repeats %q", r, secret)
						}
						if len(a.Cookies()) != 0 {
							t.Failf("Set-Cookie: got %q, want none", a.Header["Set-Cookie"])
						}
					}
				}
			}
			// Nor where a cookie is set or the store fails.
			for _, secret := range []string{mark, shaped} {
				b := s.Browser()
				b.Value = secret
				a := b.Post("/login?user=alice")
				s.Check(a, Want{Status: 200, Cookies: []string{"set"}, Asked: true})
				if strings.Contains(a.Raw, secret) {
					t.Failf("a login repeats %q", secret)
				}
			}
			t.Store.Fail(Always(FaultError))
			a := s.Do("GET", "/me", "Cookie: __Host-session="+v)
			s.Check(a, Want{Status: 503, Code: "STORE_UNAVAILABLE", Asked: true})
			if strings.Contains(a.Raw, v) {
				t.Failf("a refusal repeats the cookie's value")
			}
		},
	}
}

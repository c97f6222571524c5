package conformance

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// cookieHostileCases are about values that break out of a header, and about
// Cookie headers made to hurt.
func cookieHostileCases() []Case {
	return []Case{noInjection(), noRedirectInjection(), manyCookies(), hugeCookie(), chunkedCookie()}
}

// breakouts are values that end a header line, an attribute or a quoted string
// where somebody forgot to encode.
var breakouts = []string{
	"x\r\nSet-Cookie: __Host-session=evil; Path=/; Secure",
	"x\nX-Injected: 1",
	"x\rX-Injected: 1",
	"x\r\n\r\n<script>",
	"x; Domain=evil.example; SameSite=None",
	"x, __Host-session=evil",
	`x"; HttpOnly="`,
	"x\x00y\x7fz",
	"caf\u00e9 \u2028 \u560a\u560dX-Injected: 1", // the last two truncate to CR LF
	"%0d%0aX-Injected:%201",
}

// headerNames are the names of an answer's header lines as they were on the wire,
// sorted.
func headerNames(a *Answer) string {
	head, _, _ := strings.Cut(a.Raw, "\r\n\r\n")
	lines := strings.FieldsFunc(head, func(r rune) bool { return r == '\r' || r == '\n' })
	var names []string
	for _, l := range lines[1:] {
		name, _, _ := strings.Cut(l, ":")
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func noInjection() Case {
	return Case{
		ID: "C6", Slug: "cookie/no-header-injection",
		Rule:   "What users put into subject, role, data or flash adds nothing to any header and comes back as it was.",
		Clause: "RFC 9110 section 5.5; RFC 6265bis section 4.1.1",
		Run: func(t *T) {
			s := t.Serve(standard().
				with("POST", "/flash", func(r Request) error { return answer(r, flash.Add(r.Session(), r.Query("v")), "flashed") }).
				with("GET", "/flash", func(r Request) error {
					all, err := flash.Take(r.Session())
					return answer(r, err, "flash="+strings.Join(all, "|"))
				}))
			var plain []string
			for i, v := range append([]string{"plain"}, breakouts...) {
				q := url.QueryEscape(v)
				b := s.Browser()
				var names []string
				check := func(a *Answer, w Want) {
					t.Helper()
					s.Check(a, w)
					names = append(names, headerNames(a))
				}
				check(b.Post("/note?v="+q), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
				check(b.Post("/login?user="+q+"&role="+q), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
				check(b.Post("/flash?v="+q), Want{Status: 200, Body: "flashed", Asked: true})
				check(b.Get("/me?v="+q), Want{Status: 200, Body: "subject=" + v, Asked: true})
				check(b.Get("/note"), Want{Status: 200, Body: "note=" + v, Asked: true})
				check(b.Get("/flash"), Want{Status: 200, Body: "flash=" + v, Asked: true})
				check(b.Get("/admin"), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				check(b.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
				t.Calls(OpCreate, OpLoad, OpTake, OpCreate, OpLoad, OpSwap, OpLoad, OpLoad, OpLoad, OpSwap, OpLoad, OpLoad, OpTake)
				t.Events("session_created", "session_expired:login", "session_created", "authn_login_success",
					"authz_fail:role", "session_expired:logout")
				if i == 0 {
					plain = names
				}
				for j := range names {
					Equal(t, fmt.Sprintf("names of header lines in answer %d for %q", j, v), names[j], plain[j])
				}
			}
			// A subject that is no text is refused, and neither quoted nor stored.
			b := s.Browser()
			a := b.Post("/login?user=%FF%FEevil")
			s.Check(a, Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE", Asked: true})
			if strings.Contains(a.Raw, "evil") {
				t.Failf("the refusal quotes the subject")
			}
			t.Calls()
			t.Events()
		},
	}
}

func noRedirectInjection() Case {
	return Case{
		ID: "C6", Slug: "cookie/no-redirect-injection",
		Rule:   "A redirect target that a user chose adds no line beside the cookie of the login that it follows.",
		Clause: "RFC 9110 sections 5.5 and 10.2.2",
		Run: func(t *T) {
			s := t.Serve(standard().with("POST", "/go", func(r Request) error {
				if err := login0(quiet{r}); err != nil {
					return err
				}
				return r.Redirect(303, r.Query("to"))
			}))
			var plain string
			for i, v := range append([]string{"plain"}, breakouts...) {
				// Some servers pass these on: they end no line, but no client
				// parses them.
				v = strings.NewReplacer("\x00", "", "\x7f", "").Replace(v)
				a := s.Browser().Post("/go?user=alice&to=" + url.QueryEscape("/"+v))
				// How a target is encoded is the framework's business.
				s.Check(a, Want{Status: 303, Location: a.Header.Get("Location"), Asked: true, Cookies: []string{t.literal(a, loginLine)}})
				t.Calls(OpCreate)
				t.Events("session_created", "authn_login_success")
				if i == 0 {
					plain = headerNames(a)
				}
				Equal(t, fmt.Sprintf("names of header lines for %q", v), headerNames(a), plain)
				Equal(t, "Location lines", len(a.Header.Values("Location")), 1)
			}
		},
	}
}

// strain sends a request that the server may refuse to read. It returns nil if the
// server hung up instead of answering, and fails if it is worse for it.
func (s *Server) strain(raw string) *Answer {
	s.t.Helper()
	c := s.Dial()
	_ = c.Send(raw) // who refuses a header need not read it to the end
	a, err := c.Receive(raw)
	switch {
	case err != nil:
		s.t.note(raw, c.tee.String())
	default:
		s.t.note(raw, a.Raw)
		switch a.Status {
		case 200, 400, 401, 431:
		default:
			s.t.Failf("status: got %d, want 200, 400, 401 or 431", a.Status)
		}
		if len(a.Cookies()) != 0 {
			s.t.Failf("Set-Cookie: got %q, want none", a.Header["Set-Cookie"])
		}
	}
	c.Close()
	s.Check(s.Do("GET", "/public"), Want{Status: 200, Body: "public"})
	return a
}

func manyCookies() Case {
	return Case{
		ID: "C7", Slug: "cookie/many-cookies",
		Rule:   "Thousands of cookies are read in one pass or refused, and cost no store call beyond the one for a session among them.",
		Clause: "RFC 6265bis section 6.1; DESIGN section 3",
		Run: func(t *T) {
			s, v := t.aliceServed()
			var tiny []string
			for i := range 5000 {
				tiny = append(tiny, fmt.Sprintf("a%04d=b", i))
			}
			for _, sep := range []string{"; ", ";"} {
				header := "Cookie: " + strings.Join(tiny, sep)
				if a := s.strain(s.Request("GET", "/me", header)); a != nil {
					switch a.Status {
					case 401:
						s.Check(a, Anonymous())
					case 200:
						t.Failf("a jar without a session was let in")
					}
				}
				t.Calls()
				t.Events()
				if a := s.strain(s.Request("GET", "/me", header+"; __Host-session="+v)); a != nil && a.Status == 200 {
					s.Check(a, Want{Status: 200, Body: "subject=alice", Asked: true})
					t.Calls(OpLoad)
				} else {
					t.Calls()
				}
				t.Events()
			}
			s.strain(s.Request("GET", "/me", "Cookie: "+strings.Repeat(";", 60000)))
			s.strain(s.Request("GET", "/me", "Cookie: "+strings.Repeat("=", 60000)))
			s.strain(s.Request("GET", "/me", "Cookie: "+strings.Repeat("__Host-session=;", 3700)))
			t.Calls()
			t.Events()
		},
	}
}

func hugeCookie() Case {
	return Case{
		ID: "C7", Slug: "cookie/huge-cookie",
		Rule:   "A value that is not exactly as long as ours is never cut to fit and never reaches the store.",
		Clause: "RFC 6265bis section 5.6; DESIGN section 3",
		Run: func(t *T) {
			s, v := t.aliceServed()
			for _, size := range []int{1, 4096, 60 << 10, 100 << 10} {
				pad := strings.Repeat("A", size)
				for _, header := range []string{
					"__Host-session=" + v + pad, "__Host-session=" + pad + v, "__Host-session=" + pad,
					pad + "=" + v, "__Host-session=" + v + "=" + pad,
				} {
					if a := s.strain(s.Request("GET", "/me", "Cookie: "+header)); a != nil && a.Status == 200 {
						t.Failf("let in with %d bytes too many", size)
					}
					t.Calls()
					t.Events()
				}
			}
		},
	}
}

func chunkedCookie() Case {
	return Case{
		ID: "C7", Slug: "cookie/chunks-are-not-joined",
		Rule:   "Numbered pieces of a cookie are cookies of other names, never put together.",
		Clause: "DESIGN section 3",
		Run: func(t *T) {
			s, v := t.aliceServed()
			for _, form := range []string{"__Host-session_%d", "__Host-session.%d", "__Host-session-%d", "__Host-session%d", "sid_%d"} {
				pairs := []string{fmt.Sprintf(form, 0) + "=" + v[:24], fmt.Sprintf(form, 1) + "=" + v[24:]}
				s.nothingRead("Cookie: " + strings.Join(pairs, "; "))
				for i := 2; i < 1000; i++ {
					pairs = append(pairs, fmt.Sprintf(form, i)+"=x")
				}
				if a := s.strain(s.Request("GET", "/me", "Cookie: "+strings.Join(pairs, "; "))); a != nil && a.Status == 200 {
					t.Failf("let in by pieces")
				}
				t.Calls()
				t.Events()
			}
		},
	}
}

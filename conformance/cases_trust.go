package conformance

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/session"
)

// trustCases are about proxies, routing and the order of middlewares.
func trustCases() []Case {
	return slices.Concat([]Case{
		forwardedIgnored(), forwardedTrusted(), clientIPOption(),
		overridesIgnored(), methodOverrideIgnored(),
		identityHeaders(), trailers(), markers(), userAgents(),
	}, trustPathCases(), trustDenyCases())
}

// counted is an app whose guarded routes count how often they ran.
type counted struct {
	App
	runs int
}

// count makes a handler that counts.
func (c *counted) count(h Handler) Handler {
	return func(r Request) error { c.runs++; return h(r) }
}

// clients are what every rule about access is asked for: nobody, a user without
// the role, and a user with it.
type clients struct{ nobody, bob, alice *Browser }

// clients logs bob in, and alice with the role admin.
func (s *Server) clients() clients {
	s.t.Helper()
	c := clients{s.Browser(), s.Browser(), s.Browser()}
	s.Check(c.bob.Post("/login?user=bob"), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
	s.Check(c.alice.Post("/login?user=alice&role=admin"), Want{Status: 200, Cookies: []string{"set"}, Asked: true})
	s.t.Calls(OpCreate, OpCreate)
	s.t.Events("session_created", "authn_login_success", "session_created", "authn_login_success")
	return c
}

// from checks that a log-in and a refusal with these header lines are recorded as
// coming from ip.
func (s *Server) from(ip string, lines ...string) {
	s.t.Helper()
	t, want := s.t, netip.MustParseAddr(ip)
	b := s.Browser()
	s.Check(b.Do("POST", "/login?user=bob", lines...), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
	s.Check(b.Do("GET", "/admin", lines...), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
	t.Calls(OpCreate, OpLoad)
	for _, e := range t.Events("session_created", "authn_login_success", "authz_fail:role") {
		Equal(t, fmt.Sprintf("address in the event %s, with %q", e.Name, lines), e.ClientIP, want)
	}
}

// socketPeer is who every request of this suite comes from.
const socketPeer = "127.0.0.1"

func forwardedIgnored() Case {
	return Case{
		ID: "P1", Slug: "trust/forwarded-address-ignored",
		Rule:   "The client's address is the socket's peer, whatever headers say, unless the application names proxies that it trusts.",
		Clause: "RFC 7239 section 8.1; DESIGN section 2",
		Run: func(t *T) {
			headers := []string{
				"X-Forwarded-For: %s", "X-Forwarded-For: 10.0.0.1, %s", "X-Forwarded-For: %s, 127.0.0.1", "X_Forwarded_For: %s",
				"X-Real-IP: %s", "Forwarded: for=%s", "Forwarded: for=\"[%s]\"", "True-Client-IP: %s", "CF-Connecting-IP: %s",
				"X-Client-IP: %s", "X-Cluster-Client-IP: %s", "X-Remote-Addr: %s", "Remote-Addr: %s", "Client-IP: %s",
				"X-Originating-IP: %s", "Fastly-Client-IP: %s", "X-Appengine-Remote-Addr: %s", "X-Envoy-External-Address: %s",
			}
			for _, trust := range [][]string{nil, {"10.0.0.0/8", "192.0.2.1"}} {
				app := standard()
				app.TrustProxy = trust
				s := t.Serve(app)
				for _, h := range headers {
					s.from(socketPeer, fmt.Sprintf(h, "203.0.113.7"))
				}
				for _, ip := range []string{"::1", "2001:db8::7", "::ffff:203.0.113.7", "10.0.0.1", "192.0.2.1", "localhost"} {
					s.from(socketPeer, "X-Forwarded-For: "+ip, "X-Real-IP: "+ip)
				}
				s.from(socketPeer, "X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 10.0.0.1")
			}
		},
	}
}

func forwardedTrusted() Case {
	return Case{
		ID: "P1", Slug: "trust/forwarded-address-by-trusted-proxy",
		Rule:   "Behind trusted proxies the client is the rightmost address in X-Forwarded-For that is none of theirs, and nothing left of it or in another header counts.",
		Clause: "RFC 7239 section 8.1; DESIGN section 2",
		Run: func(t *T) {
			app := standard()
			app.TrustProxy = []string{"127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"}
			s := t.Serve(app)
			for _, c := range []struct {
				lines []string
				ip    string
			}{
				{[]string{"203.0.113.7"}, "203.0.113.7"},
				{[]string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
				{[]string{"127.0.0.1, 203.0.113.7"}, "203.0.113.7"},
				{[]string{"198.51.100.1,203.0.113.7,10.1.2.3"}, "203.0.113.7"},
				{[]string{"  203.0.113.7 \t,  10.1.2.3  "}, "203.0.113.7"},
				{[]string{"203.0.113.7", "10.1.2.3"}, "203.0.113.7"},
				{[]string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
				{[]string{"198.51.100.1", "203.0.113.7, 10.1.2.3", "10.9.9.9"}, "203.0.113.7"},
				{[]string{"10.7.7.7, 10.1.2.3"}, "10.7.7.7"},
				{[]string{"2001:db8::7"}, "2001:db8::7"},
				{[]string{"2001:DB8:0:0::7"}, "2001:db8::7"},
				{[]string{"203.0.113.7, 2001:db8:1::5"}, "203.0.113.7"},
				{[]string{"::ffff:203.0.113.7"}, "203.0.113.7"},
				{[]string{"203.0.113.7, ::ffff:10.1.2.3"}, "203.0.113.7"},
				// Garbage ends the walk at the last hop that is known.
				{[]string{"garbage, 203.0.113.7"}, "203.0.113.7"},
				{[]string{"198.51.100.1, garbage"}, socketPeer},
				{[]string{"198.51.100.1, garbage, 10.1.2.3"}, "10.1.2.3"},
				{[]string{"198.51.100.1", "garbage"}, socketPeer},
				{[]string{"198.51.100.1", ""}, socketPeer},
				{[]string{"198.51.100.1,"}, socketPeer},
				{[]string{"198.51.100.1:4711"}, socketPeer},
				{[]string{"198.51.100"}, socketPeer},
				{[]string{"198.51.100.01"}, socketPeer},
				{[]string{"3325256705"}, socketPeer},
				{[]string{"unknown"}, socketPeer},
				{[]string{strings.Repeat("10.1.2.3,", 3000) + "10.1.2.3"}, "10.1.2.3"},
			} {
				var lines []string
				for _, l := range c.lines {
					lines = append(lines, "X-Forwarded-For: "+l)
				}
				s.from(c.ip, lines...)
			}
			for _, line := range []string{
				"X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "True-Client-IP: 203.0.113.7", "CF-Connecting-IP: 203.0.113.7",
				"X-Client-IP: 203.0.113.7", "X_Forwarded_For: 203.0.113.7",
			} {
				s.from(socketPeer, line)
				s.from("198.51.100.1", line, "X-Forwarded-For: 198.51.100.1")
			}
		},
	}
}

func clientIPOption() Case {
	return Case{
		ID: "P1", Slug: "trust/client-ip-option",
		Rule:   "What the application's own ClientIP function says is the client's address, before any header, and what is no address says nothing.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			says := ""
			app := standard()
			app.ClientIP = func() string { return says }
			s := t.Serve(app)
			app.TrustProxy = []string{"127.0.0.1"}
			trusting := t.Serve(app)
			for _, says = range []string{"198.51.100.9", "2001:db8::9"} {
				s.from(says)
				s.from(says, "X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7")
				trusting.from(says, "X-Forwarded-For: 203.0.113.7")
			}
			for _, says = range []string{"", "garbage"} {
				s.from(socketPeer, "X-Forwarded-For: 203.0.113.7")
				trusting.from("203.0.113.7", "X-Forwarded-For: 203.0.113.7")
			}
		},
	}
}

func overridesIgnored() Case {
	return Case{
		ID: "P2", Slug: "trust/url-override-headers-ignored",
		Rule:   "Routing and decisions go by the request line, not by headers that name another target, host or scheme.",
		Clause: "RFC 9110 section 7.1; RFC 9112 section 3",
		Run: func(t *T) {
			for _, trust := range [][]string{nil, {"127.0.0.1"}} {
				app := standard()
				app.TrustProxy = trust
				s := t.Serve(app)
				c := s.clients()
				for _, name := range []string{
					"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Original-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix",
					"X-Replaced-Path", "X-Envoy-Original-Path", "X-Http-Destinationurl", "X-Script-Name", "Request-Uri", "Base-Url",
				} {
					public, admin := name+": /public", name+": /admin"
					s.Check(c.nobody.Do("GET", "/admin", public), Anonymous())
					s.Check(c.nobody.Do("GET", "/public", admin), Want{Status: 200, Body: "public"})
					s.Check(c.nobody.Do("GET", "/nowhere", public), Want{Status: 404})
					s.Check(c.alice.Do("GET", "/nowhere", admin), Want{Status: 404})
					t.Calls()
					s.Check(c.bob.Do("GET", "/admin", public), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
					s.Check(c.alice.Do("GET", "/admin", public), Want{Status: 200, Body: "subject=alice", Asked: true})
					t.Calls(OpLoad, OpLoad)
					t.Events("authz_fail:role")
				}
				for _, line := range []string{
					"X-Forwarded-Proto: https", "X-Forwarded-Proto: http", "X-Forwarded-Proto: \"", "X-Forwarded-Host: localhost",
					"X-Forwarded-Host: 127.0.0.1", "X-Forwarded-Port: 443", "X-Forwarded-Method: OPTIONS", "X-Forwarded-Server: internal",
					"Forwarded: for=127.0.0.1;host=localhost;proto=https", "X-Forwarded-For: 127.0.0.1", "Front-End-Https: on",
				} {
					s.Check(c.nobody.Do("GET", "/admin", line), Anonymous())
					s.Check(c.nobody.Do("GET", "/whoami", line), Want{Status: 200, Body: "anonymous", Asked: true})
					t.Calls()
					s.Check(c.alice.Do("GET", "/admin", line), Want{Status: 200, Body: "subject=alice", Asked: true})
					t.Calls(OpLoad)
					t.Events()
				}
			}
		},
	}
}

// noRoute checks an answer of the framework's own, for a route that there is none
// of.
func (s *Server) noRoute(a *Answer) {
	s.t.Helper()
	if a.Status != 405 {
		Equal(s.t, "status", a.Status, 404)
	}
	s.Check(a, Want{Status: a.Status})
	s.t.Calls()
	s.t.Events()
}

func methodOverrideIgnored() Case {
	return Case{
		ID: "P2", Slug: "trust/method-override-ignored",
		Rule:   "The method is the one in the request line, not one that a header, field or parameter names.",
		Clause: "RFC 9110 section 9",
		Run: func(t *T) {
			s := t.Serve(standard())
			b := s.loggedIn("alice")
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method", "X-Forwarded-Method"} {
				s.noRoute(b.Do("GET", "/logout", name+": POST"))
				s.noRoute(b.Do("GET", "/login?user=mallory", name+": POST"))
				s.noRoute(b.Do("GET", "/hit", name+": POST"))
				s.noRoute(b.Do("POST", "/public", name+": GET"))
				s.noRoute(b.Do("POST", "/me", name+": GET"))
			}
			for _, q := range []string{"_method=POST", "method=POST", "_METHOD=POST"} {
				s.noRoute(b.Get("/logout?" + q))
			}
			s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		},
	}
}

// claims are header lines by which proxies, frameworks and single sign-on tell an
// application who is asking.
func claims() []string {
	var lines []string
	for _, name := range []string{
		"X-User", "X_User", "X-USER", "Remote-User", "REMOTE_USER", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Email",
		"X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Auth-Request-User", "X-Auth-User", "X-Authenticated-User",
		"X-Webauth-User", "X-Ms-Client-Principal-Name", "X-Goog-Authenticated-User-Email", "X-Principal", "X-Subject", "X-User-Id",
		"X-Roles", "X-Role", "X-Session", "X-Session-Id", "Sallyport-Subject", "X-Sallyport-Principal", "Ssl-Client-S-Dn", "From",
	} {
		lines = append(lines, name+": admin")
	}
	return lines
}

func identityHeaders() Case {
	return Case{
		ID: "P4", Slug: "trust/identity-headers-ignored",
		Rule:   "No header but the session's cookie makes anybody somebody, and no Connection header takes the cookie away.",
		Clause: "RFC 9110 section 7.6.1; DESIGN section 3",
		Run: func(t *T) {
			s := t.Serve(standard())
			c := s.clients()
			sets := [][]string{claims()}
			for _, l := range claims() {
				name, _, _ := strings.Cut(l, ":")
				sets = append(sets, []string{l}, []string{name + ": alice", l}, []string{l, "Connection: close, " + name})
			}
			for _, v := range []string{
				"Authorization: Bearer " + c.alice.Value, "Authorization: Basic YWRtaW46YWRtaW4=", "Authorization: " + c.alice.Value,
				"Proxy-Authorization: Basic YWRtaW46YWRtaW4=", "X-Session: " + c.alice.Value, "X-Auth-Token: " + c.alice.Value,
				"Connection: Cookie", "Connection: close, cookie", "Proxy-Connection: Cookie",
			} {
				sets = append(sets, []string{v})
			}
			for _, lines := range sets {
				s.Check(c.nobody.Do("GET", "/whoami", lines...), Want{Status: 200, Body: "anonymous", Asked: true})
				s.Check(c.nobody.Do("GET", "/admin", lines...), Anonymous())
				t.Calls()
				s.Check(c.bob.Do("GET", "/whoami", lines...), Want{Status: 200, Body: "subject=bob", Asked: true})
				s.Check(c.bob.Do("GET", "/admin", lines...), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				t.Calls(OpLoad, OpLoad)
				t.Events("authz_fail:role")
			}
		},
	}
}

func trailers() Case {
	return Case{
		ID: "P4", Slug: "trust/trailers-are-no-headers",
		Rule:   "What stands in a request's trailer section is neither a cookie nor an address nor anything else that decides.",
		Clause: "RFC 9110 section 6.5.1",
		Run: func(t *T) {
			app := standard()
			app.TrustProxy = []string{"127.0.0.1"}
			for _, path := range []string{"/read/whoami", "/read/admin"} {
				var guards []Guard
				if path == "/read/admin" {
					guards = []Guard{{Roles: []string{"admin"}}}
				}
				app = app.with("POST", path, func(r Request) error {
					if body, err := r.Body(); err != nil || body != "hello" {
						return r.String(500, fmt.Sprintf("body: %q, %v", body, err))
					}
					return whoami(r)
				}, guards...)
			}
			s := t.Serve(app)
			c := s.clients()
			send := func(path, cookie, names, lines string) *Answer {
				t.Helper()
				raw := "POST " + path + " HTTP/1.1\r\nHost: " + s.Addr + "\r\n"
				if cookie != "" {
					raw += "Cookie: " + cookie + "\r\n"
				}
				if names != "" {
					raw += "Trailer: " + names + "\r\n"
				}
				return s.Raw(raw + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n" + lines + "\r\n")
			}
			// A server may refuse such a trailer before anybody sees the request.
			refused := func(a *Answer) bool {
				t.Helper()
				if a.Status != 400 {
					return false
				}
				s.Check(a, Want{Status: 400})
				t.Calls()
				return true
			}
			alice := "__Host-session=" + c.alice.Value
			for _, tr := range []struct{ names, lines string }{
				{"Cookie", "Cookie: " + alice + "\r\n"},
				{"", "Cookie: " + alice + "\r\n"},
				{"X-Check", "X-Check: 1\r\nCookie: " + alice + "\r\n"},
				{"X-User, X-Roles", "X-User: alice\r\nX-Roles: admin\r\n"},
				{"Authorization", "Authorization: Bearer " + c.alice.Value + "\r\n"},
				{"X-Forwarded-For, X-Original-URL", "X-Forwarded-For: 203.0.113.7\r\nX-Original-URL: /public\r\n"},
				{"", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"},
			} {
				if a := send("/read/whoami", "", tr.names, tr.lines); !refused(a) {
					s.Check(a, Want{Status: 200, Body: "anonymous", Asked: true})
				}
				if a := send("/read/admin", "", tr.names, tr.lines); !refused(a) {
					s.Check(a, Anonymous())
				}
				t.Calls()
				if a := send("/read/admin", "__Host-session="+c.bob.Value, tr.names, tr.lines); !refused(a) {
					s.Check(a, Want{Status: 403, Code: "FORBIDDEN", Asked: true})
					t.Calls(OpLoad)
					e := t.Events("authz_fail:role")
					Equal(t, "address in the event", e[0].ClientIP, netip.MustParseAddr(socketPeer))
				}
				t.Events()
			}
			s.Check(send("/read/admin", alice, "", ""), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		},
	}
}

func markers() Case {
	return Case{
		ID: "P5", Slug: "trust/markers-ignored",
		Rule:   "Nothing that a client sends says that a check was made already, or is taken for a value that this suite keeps in the request's context.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			s := t.Serve(standard())
			c := s.clients()
			var sets [][]string
			for _, name := range []string{
				"X-Middleware-Subrequest", "X-Middleware-Next", "X-Middleware-Skip", "X-Sallyport", "X-Sallyport-Checked", "Sallyport-Session",
				"Sallyport-State", "X-Auth-Checked", "X-Authenticated", "X-Internal", "X-Internal-Request", "X-Request-Verified", "X-Guard-Passed",
				"X-Skip-Auth", "X-No-Auth", "X-Bypass", "X-Forwarded-Auth", "X-Subrequest", "Purpose", "Sec-Purpose",
			} {
				for _, v := range []string{
					"1", "true", "middleware", "src/middleware:nowaf:src/middleware:src/middleware:src/middleware:src/middleware:middleware", c.alice.Value,
				} {
					sets = append(sets, []string{name + ": " + v})
				}
			}
			for _, lines := range sets {
				s.Check(c.nobody.Do("GET", "/admin", lines...), Anonymous())
				s.Check(c.nobody.Do("GET", "/whoami", lines...), Want{Status: 200, Body: "anonymous", Asked: true})
				t.Calls()
				s.Check(c.bob.Do("GET", "/admin", lines...), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				t.Calls(OpLoad)
				t.Events("authz_fail:role")
			}
			for _, key := range []string{
				"session", "principal", "user", "sallyport", "state", "debug", "_auth", "access_token", "__Host-session", "jsessionid",
				"session.ContextKey", "core.PrincipalKey", "adapter.stateKey",
			} {
				for _, v := range []string{"1", "alice", c.alice.Value} {
					s.Check(c.nobody.Get("/admin?"+key+"="+v), Anonymous())
					s.Check(c.nobody.Get("/whoami?"+key+"="+v), Want{Status: 200, Body: "anonymous", Asked: true})
					t.Calls()
				}
			}
			t.Events()
		},
	}
}

func userAgents() Case {
	return Case{
		ID: "P6", Slug: "trust/user-agent-opens-nothing",
		Rule:   "No User-Agent, monitoring or debugging parameter passes a guard.",
		Clause: "DESIGN section 2",
		Run: func(t *T) {
			t.Config.Fingerprint = session.FingerprintIgnore // which has cases of its own
			s := t.Serve(standard())
			c := s.clients()
			for _, lines := range [][]string{
				{"User-Agent: GoogleHC/1.0"}, {"User-Agent: kube-probe/1.31"}, {"User-Agent: ELB-HealthChecker/2.0"},
				{"User-Agent: Prometheus/3.0"}, {"User-Agent: curl/8.0", "X-Health-Check: 1"}, {"User-Agent: "},
				{"User-Agent: a", "User-Agent: GoogleHC/1.0"}, {"X-Debug: 1"}, {"X-Debug-Mode: true", "X-Test: 1"},
				{"User-Agent: " + strings.Repeat("x", 5000)}, {"X-Purpose: preview"}, {"Accept: application/json"},
				{"X-Requested-With: XMLHttpRequest"}, {"Upgrade: websocket", "Connection: Upgrade"}, {"Range: bytes=0-1"},
				{"If-None-Match: *"}, {"Expect: 100-continue"}, {"Sec-Fetch-Site: same-origin"}, {"Origin: http://" + s.Addr},
			} {
				s.Check(c.nobody.Do("GET", "/admin", lines...), Anonymous())
				t.Calls()
				s.Check(c.bob.Do("GET", "/admin", lines...), Want{Status: 403, Code: "FORBIDDEN", Asked: true})
				t.Calls(OpLoad)
				t.Events("authz_fail:role")
			}
			for _, q := range []string{"debug=1", "healthz", "ping=1", "auth=off", "noauth", "test=true", "skip_auth=1", "format=json"} {
				s.Check(c.nobody.Get("/admin?"+q), Anonymous())
			}
			t.Calls()
			t.Events()
		},
	}
}

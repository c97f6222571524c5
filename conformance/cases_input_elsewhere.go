package conformance

import (
	"encoding/base64"
	"fmt"
	"net/url"
)

// elsewhereCases send an honest id in the wrong place.
func elsewhereCases() []Case { return []Case{idElsewhere, idElsewhereWrite} }

// elsewhere are requests for a route that carry v anywhere but in the session
// cookie. The route must exist for GET and POST.
func elsewhere(s *Server, path, v string) []string {
	names := []string{s.Cookie, "session", "sid", "session_id", "token", "access_token"}
	var out []string
	for _, n := range names {
		form := url.Values{n: {v}}.Encode()
		out = append(out,
			s.Request("GET", path+"?"+form),
			s.withBody(path, "application/x-www-form-urlencoded", form),
			s.withBody(path, "application/json", fmt.Sprintf(`{%q:%q}`, n, v)),
			s.withBody(path, "multipart/form-data; boundary=b",
				"--b\r\nContent-Disposition: form-data; name=\""+n+"\"\r\n\r\n"+v+"\r\n--b--\r\n"))
	}
	basic := base64.StdEncoding.EncodeToString
	for _, line := range []string{
		"Authorization: Bearer " + v, "Authorization: bearer " + v, "Authorization: Basic " + basic([]byte(v+":")),
		"Authorization: Basic " + basic([]byte("alice:"+v)), "Authorization: Cookie " + s.Cookie + "=" + v, "Authorization: " + v,
		"Proxy-Authorization: Bearer " + v, s.Cookie + ": " + v, "Session: " + v, "X-Session: " + v, "X-Session-Id: " + v,
		"X-Auth-Token: " + v, "X-Cookie: " + s.Cookie + "=" + v, "Cookies: " + s.Cookie + "=" + v, "Cookie2: " + s.Cookie + "=" + v,
		"Set-Cookie: " + s.Cookie + "=" + v, "Cookie_: " + s.Cookie + "=" + v, "Referer: http://x/?" + s.Cookie + "=" + v,
		"ETag: " + v, `If-None-Match: "` + v + `"`, "User-Agent: Cookie: " + s.Cookie + "=" + v,
	} {
		out = append(out, s.Request("GET", path, line), s.Request("POST", path, line))
	}
	return out
}

// trailer sends v in a Cookie header behind the body. That comes after every
// decision about the request, so it cannot be a part of one.
func (s *Server) trailer(path, v string) string {
	return fmt.Sprintf(
		"POST %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\nTrailer: Cookie\r\n\r\n1\r\nx\r\n0\r\nCookie: %s=%s\r\n\r\n",
		path, s.Addr, s.Cookie, v)
}

func (s *Server) withBody(path, contentType, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		path, s.Addr, contentType, len(body), body)
}

var idElsewhere = Case{
	ID: "S13", Slug: "input/id-elsewhere",
	Rule:   "An id in the query, the path, a body or any header but Cookie is nobody's and becomes no cookie.",
	Clause: "DESIGN section 3; gofiber PR 4469; ASVS 5.0 V7.2.1",
	Run: func(t *T) {
		login := Guard{Login: true}
		s := t.Serve(standard().with("POST", "/me", whoami, login))
		alice := s.loggedIn("alice")
		v := alice.Value
		// The id as a path, on a server with the same sessions.
		paths := t.Serve(App{Sessions: s.manager, Routes: []Route{
			{Method: "GET", Path: "/" + v, Guards: []Guard{login}, Handler: whoami},
			{Method: "GET", Path: "/s/" + v + "/me", Guards: []Guard{login}, Handler: whoami},
		}})
		t.settle()
		for _, raw := range elsewhere(s, "/me", v) {
			s.Check(s.Raw(raw), Anonymous())
		}
		s.notTaken(s.Raw(s.trailer("/me", v)), "")
		for _, target := range []string{"/" + v, "/s/" + v + "/me"} {
			paths.Check(paths.Do("GET", target), Anonymous())
		}
		t.Calls()
		t.Events()
		// Nor does one that is elsewhere disturb, or replace, the one in the cookie.
		bob := s.loggedIn("bob")
		t.settle()
		for _, n := range []string{s.Cookie, "session", "sid"} {
			s.Check(bob.Get("/me?"+n+"="+v), Want{Status: 200, Body: "subject=bob", Asked: true})
			s.Check(bob.Do("GET", "/me", "Authorization: Bearer "+v), Want{Status: 200, Body: "subject=bob", Asked: true})
			t.Calls(OpLoad, OpLoad)
		}
		t.Events()
	},
}

var idElsewhereWrite = Case{
	ID: "S13", Slug: "input/id-elsewhere-adopted",
	Rule:   "A login or a write beside an id that is not in the cookie begins a session of its own and leaves that one alone.",
	Clause: "gofiber PR 4469; CVE-2024-38513",
	Run: func(t *T) {
		s := t.Serve(standard())
		victim := s.Browser()
		s.Check(victim.Post("/note?v=hers"), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
		t.settle()
		for _, n := range []string{s.Cookie, "session", "sid"} {
			b := s.Browser()
			s.Check(b.Post("/note?v=his&"+n+"="+victim.Value), Want{Status: 200, Body: "noted", Cookies: []string{"set:7200"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created")
			if b.Value == victim.Value {
				t.Failf("the id of the query was adopted")
			}
			b = s.Browser()
			s.Check(b.Do("POST", "/login?user=mallory", "Authorization: Bearer "+victim.Value, "X-Session-Id: "+victim.Value),
				Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			s.Check(s.Do("POST", "/logout?"+n+"="+victim.Value), Want{Status: 200, Body: "logged out", Asked: true})
			t.Calls()
			t.Events()
		}
		s.Check(victim.Get("/note"), Want{Status: 200, Body: "note=hers", Asked: true})
		s.Check(victim.Get("/me"), Anonymous())
	},
}

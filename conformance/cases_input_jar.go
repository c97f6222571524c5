package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
)

// jarCases send several cookies of the session's name, as a browser does whose jar
// holds forms of it that differ in Domain or partition, and as a sibling host does
// who wants to be taken for somebody else.
func jarCases() []Case {
	return []Case{
		equalCookies, oneAlive, twoAlive, noneAlive, commaJoined, atMostFour,
		repairVariants, repairEmpties, repairWhileAlive,
	}
}

// layouts are the ways in which several values can arrive.
func (s *Server) layouts(values ...string) [][]string {
	back := slices.Clone(values)
	slices.Reverse(back)
	var out [][]string
	for _, vs := range [][]string{values, back} {
		separate := make([]string, len(vs))
		for i, v := range vs {
			separate[i] = s.cookies(v)
		}
		out = append(out, []string{s.cookies(vs...)}, separate,
			[]string{"Cookie: a=b; " + strings.TrimPrefix(s.cookies(vs...), "Cookie: ") + "; c=d"})
	}
	return out
}

// dead returns a value that stood for user until the log-out.
func (s *Server) dead(user string) string {
	s.t.Helper()
	b := s.loggedIn(user)
	v := b.Value
	s.Check(b.Post("/logout"), Want{Status: 200, Body: "logged out", Cookies: []string{"delete"}, Asked: true})
	return v
}

var equalCookies = Case{
	ID: "S15", Slug: "input/equal-cookies",
	Rule:   "Equal values under the session's name count as one.",
	Clause: "DESIGN section 3; RFC 6265bis section 5.8.3",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice").Value
		t.settle()
		keys := t.Store.Keys()
		for _, lines := range append(s.layouts(alice, alice), s.layouts(slices.Repeat([]string{alice}, 100)...)...) {
			s.Check(s.Do("GET", "/me", lines...), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		}
		t.Events()
		Equal(t, "keys that the store has heard of", t.Store.Keys(), keys)
		// There are two forms in the jar all the same, so whoever sets or deletes
		// one deletes the other, and before.
		b := s.Browser()
		b.Take(s.Check(s.Do("POST", "/login?user=bob", s.cookies(alice, alice)),
			Want{Status: 200, Body: "logged in", Cookies: []string{"variants", "set"}, Asked: true}))
		s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=bob", Asked: true})
		s.Check(s.Do("POST", "/logout", s.cookies(b.Value, b.Value)),
			Want{Status: 200, Body: "logged out", Cookies: []string{"variants", "delete"}, Asked: true})
		s.Check(b.Get("/me"), Anonymous())
	},
}

var oneAlive = Case{
	ID: "S15", Slug: "input/one-alive",
	Rule:   "Of several values exactly one that is alive is used, wherever it stands, and the answer rids the jar of the others.",
	Clause: "DESIGN section 3; RFC 6265bis sections 4.2.2, 5.8.3",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice")
		v := alice.Value
		repaired := Want{Status: 200, Body: "subject=alice", Cookies: []string{"variants", "=" + s.line(v)}, Asked: true}
		for _, other := range []string{s.dead("mallory"), neverIssued(0), "", "x", v + "x", v[:47], `"` + v + `"`, strings.ToUpper(v)} {
			for _, lines := range s.layouts(v, other) {
				t.settle()
				s.Check(s.Do("GET", "/public", lines...), Want{Status: 200, Body: "public"})
				t.Calls()
				s.Check(s.Do("GET", "/me", lines...), repaired)
				t.Calls(OpLoad)
				t.Events()
			}
		}
		lines := s.layouts(v, neverIssued(0))[0]
		noted := Want{Status: 200, Body: "noted", Cookies: repaired.Cookies, Asked: true}
		s.Check(s.Do("POST", "/note?v=kept", lines...), noted)
		t.Calls(OpLoad, OpSwap)
		b := s.Browser()
		b.Take(s.Check(s.Do("POST", "/renew", lines...),
			Want{Status: 200, Body: "renewed", Cookies: []string{"variants", "set"}, Asked: true}))
		t.Calls(OpLoad, OpRename)
		t.Events("session_renewed:renewal")
		// The replaced id beside the new one is the session's own past and no rival,
		// in whatever form of the cookie the browser kept it.
		for i, lines := range s.layouts(b.Value, v) {
			s.Check(s.Do("GET", "/me", lines...),
				Want{Status: 200, Body: "subject=alice", Cookies: []string{"variants", "=" + s.line(b.Value)}, Asked: true})
			if i == 0 { // it ends what is left of the replaced id
				t.Calls(OpLoad, OpTake, OpSwap)
			} else {
				t.Calls(OpLoad)
			}
		}
		t.Events()
		s.Check(b.Get("/note"), Want{Status: 200, Body: "note=kept", Asked: true})
		lines = s.layouts(b.Value, neverIssued(0))[1]
		s.Check(s.Do("POST", "/logout", lines...), Want{Status: 200, Body: "logged out", Cookies: []string{"variants", "delete"}, Asked: true})
		s.Check(b.Get("/me"), Anonymous())
	},
}

var twoAlive = Case{
	ID: "S15", Slug: "input/two-alive",
	Rule:   "Two values that are both alive are nobody, with an event, and the answer rids the jar of both.",
	Clause: "DESIGN section 3; ATTACKS S15",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice, mallory := s.loggedIn("alice").Value, s.loggedIn("mallory").Value
		emptied := []string{"variants", "delete"}
		t.settle()
		for _, values := range [][]string{{alice, mallory}, {alice, mallory, "x"}, {"x", neverIssued(0), alice, mallory}} {
			for _, lines := range s.layouts(values...) {
				refused := Anonymous()
				refused.Cookies = emptied
				s.Check(s.Do("GET", "/me", lines...), refused)
				t.Calls(OpLoad)
				t.Events("session_ambiguous")
				s.Check(s.Do("GET", "/public", lines...), Want{Status: 200, Body: "public"})
				t.Calls()
				s.Check(s.Do("GET", "/whoami", lines...), Want{Status: 200, Body: "anonymous", Cookies: emptied, Asked: true})
				t.Calls(OpLoad)
				t.Events("session_ambiguous")
				// A login ends it: what it sets stands behind all deletions.
				b := s.Browser()
				b.Take(s.Check(s.Do("POST", "/login?user=bob", lines...),
					Want{Status: 200, Body: "logged in", Cookies: []string{"variants", "set"}, Asked: true}))
				t.Calls(OpLoad, OpCreate)
				t.Events("session_ambiguous", "session_created", "authn_login_success")
				s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=bob", Asked: true})
				t.Calls(OpLoad)
			}
		}
		// Neither session was touched: who planted the cookie cannot log out its owner.
		for user, v := range map[string]string{"alice": alice, "mallory": mallory} {
			s.Check(s.Do("GET", "/me", s.cookies(v)), Want{Status: 200, Body: "subject=" + user, Asked: true})
		}
	},
}

var noneAlive = Case{
	ID: "S15", Slug: "input/none-alive",
	Rule:   "Several values of which none is alive are nobody, and no cookie is touched for them.",
	Clause: "DESIGN section 3: a deletion cookie is sent only by a Logout and by the repair",
	Run: func(t *T) {
		s := t.Serve(standard())
		a, b := s.dead("alice"), s.dead("bob")
		t.settle()
		for _, values := range [][]string{{a, b}, {a, neverIssued(0)}, {a, "x"}} {
			for _, lines := range s.layouts(values...) {
				s.Check(s.Do("GET", "/me", lines...), Anonymous())
				t.Calls(OpLoad)
				t.Events("session_use_after_expire:unknown-id")
			}
		}
		for _, values := range [][]string{{"x", "y"}, {"", "x"}, {`"`, `";`}, {a + "x", a[1:]}} {
			for _, lines := range s.layouts(values...) {
				s.Check(s.Do("GET", "/me", lines...), Anonymous())
				t.Calls()
				t.Events()
			}
		}
		c := s.Browser()
		c.Take(s.Check(s.Do("POST", "/login?user=carol", s.cookies(a, b, "x")),
			Want{Status: 200, Body: "logged in", Cookies: []string{"variants", "set"}, Asked: true}))
		s.Check(c.Get("/me"), Want{Status: 200, Body: "subject=carol", Asked: true})
	},
}

var commaJoined = Case{
	ID: "S15", Slug: "input/comma-joined",
	Rule:   "A comma separates no cookies.",
	Clause: "RFC 6265 section 5.4; RFC 9110 section 5.3",
	Run: func(t *T) {
		s := t.Serve(standard())
		v, n := s.loggedIn("alice").Value, s.Cookie
		t.settle()
		for _, line := range []string{
			n + "=" + v + ", " + n + "=" + v, n + "=" + v + "," + n + "=" + v, n + "=" + v + ", x=y", "x=y, " + n + "=" + v, "x=y," + n + "=" + v,
			n + "=x," + n + "=" + v, n + "=" + v + "," + v,
		} {
			s.notTaken(s.Do("GET", "/me", "Cookie: "+line), "")
		}
	},
}

var atMostFour = Case{
	ID: "S15", Slug: "input/at-most-four",
	Rule:   "However many values of the session's name are sent, one store call looks up at most four of them.",
	Clause: "DESIGN section 3; CVE-2025-58186",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice").Value
		t.settle()
		next := 0
		strangers := func(n int) []string {
			out := make([]string, n)
			for i := range out {
				out[i] = neverIssued(next)
				next++
			}
			return out
		}
		for _, c := range []struct {
			at, of  int
			ignored []string // values of another shape in front
		}{
			{at: 0, of: 5}, {at: 1, of: 5}, {at: 2, of: 5}, {at: 3, of: 5}, {at: 4, of: 5},
			{at: 3, of: 100}, {at: 4, of: 100}, {at: 50, of: 100}, {at: 99, of: 100},
			{at: 3, of: 4, ignored: []string{"x", "", "y"}},
		} {
			values := append(slices.Clone(c.ignored), slices.Insert(strangers(c.of-1), c.at, alice)...)
			for _, lines := range [][]string{{s.cookies(values...)}, s.layouts(values...)[1]} {
				keys := t.Store.Keys()
				a := s.Do("GET", "/me", lines...)
				if c.at < 4 {
					s.Check(a, Want{Status: 200, Body: "subject=alice", Cookies: []string{"variants", "=" + s.line(alice)}, Asked: true})
					t.Events()
				} else {
					s.Check(a, Anonymous())
					t.Events("session_use_after_expire:unknown-id")
				}
				t.Calls(OpLoad)
				if n := t.Store.Keys() - keys; n > 4 {
					t.Failf("%d keys were looked up", n)
				}
			}
		}
		// A stuffed jar does not keep anybody from logging in.
		b := s.Browser()
		b.Take(s.Check(s.Do("POST", "/login?user=bob", s.cookies(strangers(100)...)),
			Want{Status: 200, Body: "logged in", Cookies: []string{"variants", "set"}, Asked: true}))
		t.Calls(OpLoad, OpCreate)
		s.Check(b.Get("/me"), Want{Status: 200, Body: "subject=bob", Asked: true})
		t.settle()
		for _, lines := range s.layouts(slices.Repeat([]string{"x", "y", ""}, 33)...) {
			s.Check(s.Do("GET", "/me", lines...), Anonymous())
			t.Calls()
			t.Events()
		}
	},
}

var repairVariants = Case{
	ID: "S15", Slug: "input/repair-variants",
	Rule:   "The repair deletes each form that a jar can hold beside the configured one, by its own attributes, and then sets that one.",
	Clause: "RFC 6265bis sections 4.1.3, 5.7; CHIPS section 2.1",
	Run: func(t *T) {
		const ends = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite="
		for _, c := range []struct {
			cfg      cookie.Config
			name     string
			variants []string // behind "name="
			own      string   // what follows the value and what follows Max-Age
			after    string
		}{
			{
				name:     "__Host-session",
				variants: []string{"; Path=/" + ends + "None; Partitioned"},
				own:      "; Path=/", after: "; Secure; HttpOnly; SameSite=Lax",
			}, {
				cfg: cookie.Config{SameSite: cookie.SameSiteNone, Partitioned: true}, name: "__Host-session",
				variants: []string{"; Path=/" + ends + "None"},
				own:      "; Path=/", after: "; Secure; HttpOnly; SameSite=None; Partitioned",
			}, {
				cfg: cookie.Config{Domain: "example.com", SameSite: cookie.SameSiteStrict}, name: "__Secure-session",
				variants: []string{"; Path=/" + ends + "Strict", "; Path=/" + ends + "None; Partitioned",
					"; Path=/; Domain=example.com" + ends + "None; Partitioned"},
				own: "; Path=/; Domain=example.com", after: "; Secure; HttpOnly; SameSite=Strict",
			},
		} {
			cfg := t.Config
			cfg.Cookie = c.cfg
			app := standard()
			app.Sessions = t.Manager(cfg)
			s := t.Serve(app)
			Equal(t, "name", s.Cookie, c.name)
			login := func() string {
				return s.Do("POST", "/login?user=alice").Cookies()[0].Value
			}
			one, two := login(), login()
			var deletions []string
			for _, v := range c.variants {
				deletions = append(deletions, "="+c.name+"="+v)
			}
			set := fmt.Sprintf("=%s=%s%s; Max-Age=86400%s", c.name, one, c.own, c.after)
			s.Check(s.Do("GET", "/me", s.cookies(one, neverIssued(0))),
				Want{Status: 200, Body: "subject=alice", Cookies: append(slices.Clone(deletions), set), Asked: true})
			end := fmt.Sprintf("=%s=%s; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT%s", c.name, c.own, c.after)
			refused := Anonymous()
			refused.Cookies = append(slices.Clone(deletions), end)
			s.Check(s.Do("GET", "/me", s.cookies(one, two)), refused)
		}
	},
}

// jar holds the cookies of one name that a browser keeps apart.
type jar struct {
	// chips is whether the browser knows Partitioned; others skip the attribute.
	chips bool
	held  map[string]string
}

// form is what a browser tells cookies of one name and path apart by.
func (j *jar) form(attributes []string) string {
	f := ""
	for _, a := range attributes {
		if strings.HasPrefix(a, "Domain=") || (j.chips && a == "Partitioned") {
			f += a + ";"
		}
	}
	return f
}

// plant puts a cookie in without an answer of ours.
func (j *jar) plant(value string, attributes ...string) { j.held[j.form(attributes)] = value }

func (j *jar) take(a *Answer) {
	for _, c := range a.Cookies() {
		if c.Deletes {
			delete(j.held, j.form(c.Attributes))
		} else {
			j.held[j.form(c.Attributes)] = c.Value
		}
	}
}

// values are what the browser sends, in an order of its choice.
func (j *jar) values() []string { return slices.Sorted(maps.Values(j.held)) }

var repairEmpties = Case{
	ID: "S15", Slug: "input/repair-jar",
	Rule:   "After one repaired answer a browser holds at most one session cookie, whether it knows partitions or not, and a login sticks.",
	Clause: "DESIGN section 3; RFC 6265bis section 5.7",
	Run: func(t *T) {
		for _, domain := range []string{"", "example.com"} {
			cfg := t.Config
			cfg.Cookie.Domain = domain
			app := standard()
			app.Sessions = t.Manager(cfg)
			s := t.Serve(app)
			own := []string{"Path=/"}
			if domain != "" {
				own = append(own, "Domain="+domain)
			}
			// Every form that can be there beside the configured one.
			beside := [][]string{append(slices.Clone(own), "Partitioned")}
			if domain != "" {
				beside = append(beside, []string{"Path=/"}, []string{"Path=/", "Partitioned"})
			}
			login := func(user string) string { return s.Do("POST", "/login?user="+user).Cookies()[0].Value }
			for _, chips := range []bool{true, false} {
				for _, attributes := range beside {
					for _, alive := range []bool{true, false} {
						j := &jar{chips: chips, held: map[string]string{}}
						v := login("alice")
						j.plant(v, own...)
						planted := neverIssued(0)
						if alive {
							planted = login("mallory")
						}
						j.plant(planted, attributes...)
						if len(j.held) < 2 {
							continue // such a browser cannot hold both
						}
						j.take(s.Do("GET", "/whoami", s.cookies(j.values()...)))
						switch {
						case alive && len(j.held) != 0:
							t.Failf("the jar still holds %q", j.held)
						case !alive && !slices.Equal(j.values(), []string{v}):
							t.Failf("the jar holds %q, want %q alone", j.held, v)
						}
						// The same without a repair in between.
						j.plant(v, own...)
						j.plant(planted, attributes...)
						j.take(s.Do("POST", "/login?user=bob", s.cookies(j.values()...)))
						if len(j.held) != 1 {
							t.Failf("after the login the jar holds %q", j.held)
						}
						Equal(t, "whom the jar stands for", s.Do("GET", "/me", s.cookies(j.values()...)).Body, "subject=bob")
					}
				}
			}
		}
	},
}

var repairWhileAlive = Case{
	ID: "S15", Slug: "input/repair-only-alive",
	Rule:   "A session that is found dead when the answer is committed is not set again by the repair.",
	Clause: "DESIGN section 3: a late answer must not wipe a fresh login",
	Run: func(t *T) {
		var meanwhile func()
		write := func(r Request) error {
			if _, err := r.Principal(); err != nil {
				return r.Fail(err)
			}
			meanwhile()
			return answer(r, note.Set(r.Session(), "late"), "noted")
		}
		s := t.Serve(standard().with("POST", "/slow", write).with("POST", "/guarded", write, Guard{Login: true}).
			with("POST", "/own", func(r Request) error {
				if err := note.Set(r.Session(), "last"); err != nil {
					return r.Fail(err)
				}
				if err := r.Session().Logout(r.Context()); err != nil {
					return r.Fail(err)
				}
				if _, err := r.Principal(); !errors.Is(err, core.ErrAnonymous) {
					return r.String(500, "still somebody")
				}
				return r.String(200, "gone")
			}))
		login := func() (string, []string) {
			v := s.loggedIn("alice").Value
			meanwhile = func() { s.Do("POST", "/logout", s.cookies(v)) }
			t.settle()
			return v, []string{s.cookies(v, neverIssued(0))}
		}
		v, lines := login()
		s.Check(s.Do("POST", "/slow", lines...), Want{Status: 200, Body: "noted", Asked: true})
		t.Calls(OpLoad, OpLoad, OpTake, OpSwap)
		t.Events("session_expired:logout", "session_write_dropped")
		s.Check(s.Do("GET", "/me", s.cookies(v)), Anonymous())
		_, lines = login()
		s.Check(s.Do("POST", "/guarded", lines...), Anonymous())
		t.Calls(OpLoad, OpLoad, OpTake, OpSwap)
		t.Events("session_expired:logout", "session_write_dropped")
		// The request that ends it itself.
		_, lines = login()
		s.Check(s.Do("POST", "/own", lines...), Want{Status: 200, Body: "gone", Cookies: []string{"variants", "delete"}, Asked: true})
		t.Calls(OpLoad, OpTake)
		t.Events("session_expired:logout")
	},
}

package conformance

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
)

// idCases send in the session cookie what is not the value that was set.
func idCases() []Case {
	return []Case{
		malformedID, unknownIDs, auditLines,
		truncatedID, flippedID, respelledID, quotedID,
		otherArtefact, otherApp,
	}
}

var malformedID = Case{
	ID: "S11", Slug: "input/malformed-id",
	Rule:   "A value of another shape than ours is nobody's, and no store hears of it.",
	Clause: "DESIGN section 3; ASVS 5.0 V7.2",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice").Value
		t.settle()
		keys := t.Store.Keys()
		for _, v := range slices.Concat(malformed(), []string{
			alice[:24] + "\r\n " + alice[24:], // a folded header line
			alice[:24] + "\x00" + alice[25:],
		}) {
			s.notTaken(s.Do("GET", "/me", s.cookies(v)), v)
			a := s.Do("POST", "/login?user=bob", s.cookies(v))
			if a.Status == 400 || a.Status == 431 {
				s.checkCookies(a, nil)
				t.Calls()
				continue
			}
			s.Check(a, Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
			t.Calls(OpCreate)
			t.Events("session_created", "authn_login_success")
			keys++
		}
		t.settle()
		Equal(t, "keys that the store has heard of", t.Store.Keys(), keys)
		s.Check(s.Do("GET", "/me", s.cookies(alice)), Want{Status: 200, Body: "subject=alice", Asked: true})
	},
}

// malformed are values that were never ours, with something in each that some
// store, file system, log or parser takes for more than a character.
func malformed() []string {
	a := func(n int) string { return strings.Repeat("A", n) }
	return []string{
		"", "a", a(47), a(49), a(10 << 10),
		"\x00", a(47) + "\x00", "\x1b[2J", "\t",
		"a\rb", "a\nb", a(20) + "\r\nSet-Cookie: " + a(20),
		"../x", "..%2f..%2fx", `..\x`, "/etc/passwd", "*", "?", "[a-z]", "a:b", "session:*",
		"{00000000}:" + strings.Repeat("0", 64), "conformance:" + a(36),
		"%00", a(45) + "%00", "%41" + a(47), "\xff\xfe", strings.Repeat("\xff", 48), strings.Repeat("é", 24),
		"null", "undefined", "0", "-1", "true", "{}", "' OR '1'='1", "${jndi:ldap://x/}", "<script>",
		a(16) + " " + a(31), a(16) + "," + a(31), a(16) + `"` + a(31), a(47) + "=", a(47) + ".",
	}
}

var unknownIDs = Case{
	ID: "S11", Slug: "input/unknown-ids",
	Rule:   "A thousand guesses of the right shape cost one read each, leave nothing behind and open nothing.",
	Clause: "ATTACKS S11; OWASP Session Management Cheat Sheet",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice")
		t.settle()
		keys, written := t.Store.Keys(), len(t.Store.Written())
		c := s.Dial()
		const guesses = 1000
		for i := range guesses {
			v := neverIssued(i)
			s.notTaken(s.On(c, s.Request("GET", "/me", s.cookies(v))), v)
		}
		Equal(t, "keys that were looked up", t.Store.Keys()-keys, guesses)
		Equal(t, "values that were stored", len(t.Store.Written())-written, 0)
		s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
	},
}

var auditLines = Case{
	ID: "S11", Slug: "input/audit-line",
	Rule:   "Whatever a client sends, an event is one line of the log and no terminal obeys it.",
	Clause: "ASVS 5.0 V16.4.1; CVE-2020-36567",
	Run: func(t *T) {
		var text, lines lockedBuffer
		t.Config.Audit = audit.Tee(t.Audit,
			audit.NewSlogSink(slog.New(slog.NewTextHandler(&text, nil))),
			audit.NewSlogSink(slog.New(slog.NewJSONHandler(&lines, nil))))
		s := t.Serve(standard())
		events := 0
		check := func() {
			t.Helper()
			events += len(t.Audit.Take())
			for name, log := range map[string]string{"text": text.String(), "JSON": lines.String()} {
				Equal(t, name+" lines", strings.Count(log, "\n"), events)
				if i := strings.IndexFunc(strings.ReplaceAll(log, "\n", ""), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
					t.Failf("%s log holds what is not printable, at %d of %q", name, i, log)
				}
			}
		}
		for _, agent := range []string{
			`x" name=authn_login_success subject="admin`, "\x1b[2J\x1b]0;x\x07", "\xc2\x85level=INFO", "\xe2\x80\xa8level=INFO",
			"\xc2\x9b2J", "\x9b\xff\xfe", "\xe2\x80\xaegnp.exe", "\ufeff", "a\r\n level=INFO", "\\n%0a%0d", strings.Repeat("é", 200) + "\xc3",
			strings.Repeat("x", 255) + "é", "\x00", "a\tb", `{"level":"INFO"}`,
		} {
			a := s.Do("GET", "/me", s.cookies(neverIssued(0)), "User-Agent: "+agent)
			if a.Status != 400 {
				s.Check(a, Anonymous())
			}
			check()
		}
		for _, user := range []string{"al\r\nlevel=INFO", "al\u0085ice", "al\u2028ice", "\x1b[2J", `" subject="admin`, "\u202eecila"} {
			b := s.Browser()
			s.Check(b.Post("/login?user="+url.QueryEscape(user)), Want{Status: 200, Body: "logged in", Cookies: []string{"set"}, Asked: true})
			check()
		}
		for _, v := range malformed() {
			s.Do("GET", "/me", s.cookies(v, neverIssued(1)))
			check()
		}
		for _, v := range []string{neverIssued(0), neverIssued(1)} {
			if strings.Contains(text.String()+lines.String(), v) {
				t.Failf("the log holds a cookie's value: %q", v)
			}
		}
		if events < 20 {
			t.Failf("only %d events: the case shows nothing", events)
		}
	},
}

// lockedBuffer is written by handlers while the case reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// altered checks that none of the values stands for alice, whose value they were
// made from, and that her own still does.
func altered(t *T, make func(alice string) []string) {
	t.Helper()
	s := t.Serve(standard())
	alice := s.Browser()
	// With both characters in which the base64 alphabets differ.
	for !strings.Contains(alice.Value, "-") || !strings.Contains(alice.Value, "_") {
		alice = s.loggedIn("alice")
	}
	t.settle()
	keys, looked := t.Store.Keys(), map[string]bool{}
	for _, v := range make(alice.Value) {
		if v == alice.Value {
			continue // a variant without difference
		}
		if newValue.MatchString(v) {
			looked[v] = true
		}
		s.notTaken(s.Do("GET", "/me", s.cookies(v)), v)
	}
	Equal(t, "keys that were looked up", t.Store.Keys()-keys, len(looked))
	s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
	t.Calls(OpLoad)
	t.Events()
}

var truncatedID = Case{
	ID: "S12", Slug: "input/truncated-id",
	Rule:   "A beginning, an end or an extension of an id is not the id.",
	Clause: "ATTACKS S12; CVE-2026-27840",
	Run: func(t *T) {
		altered(t, func(v string) []string {
			var out []string
			for n := range v {
				out = append(out, v[:n], v[n:], v[:n]+v[n+1:], v[:n]+"A"+v[n:])
			}
			for _, more := range []string{"A", "AAAA", "-", ".", ",", ":", "=", "%00", "\x00", v, "." + v} {
				out = append(out, v+more)
			}
			// Missing characters made up for, as a lenient decoder would.
			return append(out, v[:47]+"A", "A"+v[1:], v[:44]+"AAAA", v[:40]+strings.Repeat("=", 8))
		})
	},
}

var flippedID = Case{
	ID: "S12", Slug: "input/flipped-bit",
	Rule:   "Every bit of every character of an id counts.",
	Clause: "ATTACKS S12; RFC 4648 section 3.5",
	Run: func(t *T) {
		altered(t, func(v string) []string {
			var out []string
			for i := range len(v) {
				for bit := range 8 {
					b := []byte(v)
					b[i] ^= 1 << bit
					// What follows a ';' is another cookie and a blank at the
					// end belongs to the header line, so less is the value.
					value, _, _ := strings.Cut(string(b), ";")
					out = append(out, strings.TrimRight(value, " \t"))
				}
			}
			return out
		})
	},
}

var respelledID = Case{
	ID: "S12", Slug: "input/respelled-id",
	Rule:   "An id in another letter case, base64 alphabet, padding or escape is not the id.",
	Clause: "ATTACKS S12; RFC 4648 sections 3.2, 5",
	Run: func(t *T) {
		altered(t, func(v string) []string {
			swap := strings.Map(func(r rune) rune {
				if unicode.IsUpper(r) {
					return unicode.ToLower(r)
				}
				return unicode.ToUpper(r)
			}, v)
			var escaped strings.Builder
			for i := range len(v) {
				fmt.Fprintf(&escaped, "%%%02X", v[i])
			}
			raw, _ := base64.RawURLEncoding.DecodeString(v)
			return []string{
				strings.ToLower(v), strings.ToUpper(v), swap,
				strings.NewReplacer("-", "+", "_", "/").Replace(v), strings.Replace(v, "-", "+", 1), strings.Replace(v, "_", "/", 1),
				strings.Replace(v, "-", "%2D", 1), strings.Replace(v, "-", "%2d", 1), escaped.String(), fmt.Sprintf("%%%02X", v[0]) + v[1:],
				v + "=", v + "==", v + "%3D", fmt.Sprintf("%x", raw),
				strings.ReplaceAll(v, "-", "\u2010"), strings.ReplaceAll(v, "_", "\uff3f"),
			}
		})
	},
}

var quotedID = Case{
	ID: "S12", Slug: "input/quoted-id",
	Rule:   "Quotes and blanks around an id are a part of the value, which is then not the id.",
	Clause: "RFC 6265 section 5.2; RFC 9110 section 5.5",
	Run: func(t *T) {
		s := t.Serve(standard())
		alice := s.loggedIn("alice").Value
		t.settle()
		n, v := s.Cookie, alice
		for _, line := range []string{
			n + `="` + v + `"`, n + `='` + v + `'`, n + `="` + v, n + `=` + v + `"`, n + `=\"` + v + `\"`, n + `="` + v + `"; x="y"`,
			n + `=(` + v + `)`, n + `=` + v + `%20`, n + `=` + v + `+`, n + "=" + v + "\u00a0",
			n + "= " + v, n + "=\t" + v, n + " =" + v, n + "\t=" + v, n + " = " + v, n + "=" + v + " ; x=y", n + "=" + v + "\t; x=y",
		} {
			s.notTaken(s.Do("GET", "/me", "Cookie: "+line), "")
		}
		// Around the whole line they are the header's.
		for _, line := range []string{n + "=" + v + "  ", "  " + n + "=" + v, n + "=" + v + "\t", "x=y; " + n + "=" + v + " "} {
			s.Check(s.Do("GET", "/me", "Cookie: "+line), Want{Status: 200, Body: "subject=alice", Asked: true})
			t.Calls(OpLoad)
		}
		t.Events()
	},
}

var otherArtefact = Case{
	ID: "S16", Slug: "input/other-artefact",
	Rule:   "What a server shows or stores about a session is no session when it comes back as the cookie.",
	Clause: "DESIGN section 3; ATTACKS S16",
	Run: func(t *T) {
		s := t.Serve(standard().with("GET", "/handle", func(r Request) error {
			p, err := r.Principal()
			return answer(r, err, p.Session)
		}).with("POST", "/flash", func(r Request) error {
			return answer(r, flash.Add(r.Session(), "x"), "shown next")
		}))
		alice := s.loggedIn("alice")
		s.Check(alice.Post("/note?v=x"), Want{Status: 200, Body: "noted", Asked: true})
		s.Check(alice.Post("/flash"), Want{Status: 200, Body: "shown next", Asked: true})
		handle := alice.Get("/handle").Body
		if len(handle) < 16 {
			t.Failf("no device handle: %q", handle)
		}
		artefacts := []string{handle, handle + handle, (handle + handle + handle)[:48], "alice", s.Cookie}
		for _, k := range t.Store.known() {
			hexadecimal := k.String()
			artefacts = append(artefacts, hexadecimal, hexadecimal[len(hexadecimal)-64:], hexadecimal[len(hexadecimal)-48:],
				// The key in the cookie's own shape: to a store that is not keyed by
				// a hash of the value, it would be the value.
				base64.RawURLEncoding.EncodeToString(slices.Concat(k.Tag[:], k.Hash[:])),
				base64.RawURLEncoding.EncodeToString(k.Hash[:]),
				alice.Value[:6]+base64.RawURLEncoding.EncodeToString(k.Hash[:])[:42])
		}
		for _, v := range t.Store.Written() {
			encoded := base64.RawURLEncoding.EncodeToString([]byte(v))
			artefacts = append(artefacts, encoded, encoded[:48], encoded[len(encoded)-48:])
			if _, id, ok := strings.Cut(v, "flash\x00"); ok {
				id = base64.RawURLEncoding.EncodeToString([]byte(id[:16]))
				artefacts = append(artefacts, id, (id + id + id)[:48])
			}
		}
		t.settle()
		keys := t.Store.Keys()
		for _, v := range artefacts {
			s.notTaken(s.Do("GET", "/me", s.cookies(v)), v)
		}
		if t.Store.Keys() == keys {
			t.Failf("no artefact had the right shape: the case shows nothing")
		}
		s.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
	},
}

var otherApp = Case{
	ID: "S16", Slug: "input/other-app",
	Rule:   "A session of one application is unknown to another on the same store.",
	Clause: "DESIGN section 3; ATTACKS S16, S22",
	Run: func(t *T) {
		serve := func(name string) *Server {
			cfg := t.Config
			cfg.App = name
			return t.Serve(App{Sessions: t.Manager(cfg), Routes: standard().Routes})
		}
		one, two := serve("one"), serve("two")
		alice, bob := one.loggedIn("alice"), two.loggedIn("bob")
		t.settle()
		two.notTaken(two.Do("GET", "/me", two.cookies(alice.Value)), alice.Value)
		one.notTaken(one.Do("GET", "/me", one.cookies(bob.Value)), bob.Value)
		// Beside its own, the stranger's is a dead duplicate.
		a := two.Do("GET", "/me", two.cookies(alice.Value, bob.Value))
		two.Check(a, Want{Status: 200, Body: "subject=bob", Cookies: []string{"variants", "=" + two.line(bob.Value)}, Asked: true})
		two.Check(two.Do("POST", "/logout", two.cookies(alice.Value)), Want{Status: 200, Body: "logged out", Asked: true})
		t.Calls(OpLoad, OpLoad)
		t.Events("session_use_after_expire:unknown-id")
		one.Check(alice.Get("/me"), Want{Status: 200, Body: "subject=alice", Asked: true})
		two.Check(bob.Get("/me"), Want{Status: 200, Body: "subject=bob", Asked: true})
	},
}

// line is the Set-Cookie line of a logged-in session that was touched just now.
func (s *Server) line(value string) string {
	s.t.Helper()
	line, err := s.manager.Cookie().Set(value, 24*time.Hour)
	s.t.NoError(err)
	return line
}

// known returns every key that was ever used.
func (s *Store) known() []session.StoreKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]session.StoreKey, 0, len(s.keys))
	for k := range s.keys {
		keys = append(keys, k)
	}
	return keys
}

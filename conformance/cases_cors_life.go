package conformance

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
)

// corsLifeCases are about a policy that changes, and about what it tells.
func corsLifeCases() []Case {
	return []Case{corsReplace(), corsReplaceRefused(), corsDebug(), corsDebugSameAnswers(), corsQuiet()}
}

func corsReplace() Case {
	return Case{
		ID: "X1", Slug: "cors/replace",
		Rule:   "A policy that is replaced at run time is the new one for the next request, wherever it is mounted, and nothing of the old one is left.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			p := t.policy(corsConfig())
			app := standard()
			app.CORS = p
			s := t.Serve(app)
			c := s.Dial()
			ask := func(method string, lines ...string) *Answer { return s.On(c, s.Request(method, "/public", lines...)) }
			before := func() {
				t.Helper()
				s.corsSays(ask("GET", corsFrom(corsPage)), "public", corsActual(corsPage)...)
				s.corsSays(ask("GET", corsFrom(corsEvil)), "public", corsVary)
				s.corsIs(ask("OPTIONS", corsAsks(corsPage, "PUT", "content-type")...), 204, corsGranted(corsPage, corsItsMethods, corsItsHeaders)...)
			}
			before()
			next := cors.Config{Origins: []string{"https://new.example.com"}, Patterns: []string{"https://*.example.net"}, Methods: []string{"PATCH"}, RequestHeaders: []string{"X-New"}}
			t.NoError(p.Replace(next))
			for _, from := range []string{"https://new.example.com", "https://a.example.net"} {
				s.corsSays(ask("GET", corsFrom(from)), "public", corsVary, corsAllowOrigin+from)
				s.corsIs(ask("OPTIONS", corsAsks(from, "PATCH", "x-new")...), 204, corsVaryPreflight, corsAllowOrigin+from, corsAllowMethods+"PATCH", corsAllowHeaders+"x-new")
				s.corsIs(ask("OPTIONS", corsAsks(from, "PUT")...), 204, corsVaryPreflight)
				s.corsIs(ask("OPTIONS", corsAsks(from, "GET", "content-type")...), 204, corsVaryPreflight)
			}
			for _, from := range []string{corsPage, corsAdmin, corsLocal} {
				s.corsSays(ask("GET", corsFrom(from)), "public", corsVary)
				s.corsIs(ask("OPTIONS", corsAsks(from, "PUT")...), 204, corsVaryPreflight)
			}
			t.NoError(p.Replace(cors.Config{Origins: []string{"*"}}))
			s.corsSays(ask("GET", corsFrom(corsEvil)), "public", corsVary, corsAllowOrigin+"*")
			t.NoError(p.Replace(corsConfig()))
			before()
			t.nothing()
		},
	}
}

func corsReplaceRefused() Case {
	return Case{
		ID: "X5", Slug: "cors/replace-refused",
		Rule:   "What does not construct does not replace either: the policy stays what it was, and a slice that the caller still holds does not change it.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			cfg := corsConfig()
			p := t.policy(cfg)
			s := t.Serve(App{CORS: p, Routes: standard().Routes})
			same := func() {
				t.Helper()
				s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", corsActual(corsPage)...)
				s.corsPreflight("/public", corsGranted(corsPage, corsItsMethods, corsItsHeaders), corsAsks(corsPage, "PUT", "content-type")...)
				s.corsBoth(corsFrom(corsEvil))
			}
			for _, wrong := range []cors.Config{
				{}, {Origins: []string{"*"}, Credentials: true}, {Origins: []string{corsEvil, "null"}}, {Origins: []string{corsEvil}, Methods: []string{"TRACE"}}, {Origins: []string{corsEvil}, MaxAge: -1, Debug: true},
			} {
				if err := p.Replace(wrong); err == nil {
					t.Failf("%+v: got no error", wrong)
				}
				same()
			}
			cfg.Origins[0], cfg.Methods[0], cfg.RequestHeaders[0], cfg.ResponseHeaders[0] = corsEvil, "FOO", "X-Evil", "X-Evil"
			same()
			t.nothing()
		},
	}
}

// corsDebugged serves standard under cfg, which tells.
func (t *T) corsDebugged(cfg cors.Config) *Server {
	t.Helper()
	cfg.Debug, cfg.Audit = true, t.Audit
	return t.corsServe(cfg)
}

// corsReasons are requests that are refused, and why.
func corsReasons() []struct {
	cause audit.Cause
	lines []string
} {
	private := corsWantsPrivate + "true"
	return []struct {
		cause audit.Cause
		lines []string
	}{
		{audit.CauseOrigin, corsAsks(corsEvil, "GET")}, {audit.CauseOrigin, corsAsks("null", "GET")}, {audit.CauseOrigin, corsAsks("", "GET")}, {audit.CauseOrigin, corsAsks("https://\xff\x80", "GET")}, {audit.CauseOrigin, append(corsAsks(corsPage, "GET"), corsFrom(corsPage))},
		{audit.CauseOrigin, append(corsAsks(corsEvil, "FOO", "x-other"), private)}, {audit.CauseOrigin, corsAsks(strings.Repeat("a", 10_000), "GET")},
		{audit.CauseMethod, corsAsks(corsPage, "FOO")}, {audit.CauseMethod, corsAsks(corsPage, "put")}, {audit.CauseMethod, corsAsks(corsPage, "")}, {audit.CauseMethod, append(corsAsks(corsPage, "FOO", "x-other"), private)},
		{audit.CauseMethod, corsAsks(corsPage, strings.Repeat("A", 10_000))},
		{audit.CauseHeader, corsAsks(corsPage, "GET", "x-other")}, {audit.CauseHeader, corsAsks(corsPage, "PUT", "Content-Type")}, {audit.CauseHeader, append(corsAsks(corsPage, "PUT", "content-type,x-other"), private)},
		{audit.CauseHeader, corsAsks(corsPage, "GET", strings.Repeat(",", 10_000))}, {audit.CauseHeader, corsAsks(corsPage, "GET", "\"<script>\"\x01")}, {audit.CauseHeader, corsAsks(corsPage, "GET", "x-\xff")},
		{audit.CausePrivateNetwork, append(corsAsks(corsPage, "GET"), private)}, {audit.CausePrivateNetwork, append(corsAsks(corsPage, "PUT", "content-type"), private)},
	}
}

func corsDebug() Case {
	return Case{
		ID: "X8", Slug: "cors/debug-events",
		Rule:   "With Debug each refusal is one event that says why and who asked, of a bounded size; what is allowed, and what asks nothing, is none.",
		Clause: "DESIGN section 6: a debug mode that says in the log why a preflight was refused",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.PublicOrigin = "https://api.example.com"
			s := t.corsDebugged(cfg)
			told := func(cause audit.Cause) {
				t.Helper()
				e := t.Events(fmt.Sprint("malicious_cors:", cause))[0]
				Equal(t, "time in the event", e.Time, t.Clock.Now())
				Equal(t, "address in the event", e.ClientIP, netip.MustParseAddr(socketPeer))
				Equal(t, "browser in the event", e.UserAgent, "Test/1")
				Equal(t, "subject in the event", e.Subject, "")
				if e.Err == nil || len(e.Err.Error()) > 2<<10 || !utf8.ValidString(e.Err.Error()) || strings.ContainsFunc(e.Err.Error(), unicode.IsControl) {
					t.Failf("error in the event: got %q, want a text of one line and of a bounded size", e.Err)
				}
				t.Calls()
			}
			for _, r := range corsReasons() {
				a := s.corsStrain("OPTIONS", "/me", append([]string{"User-Agent: Test/1"}, r.lines...)...)
				if corsTooLarge(a) { // not for its size, but for its bytes
					t.nothing()
					continue
				}
				s.corsIs(a, 204, corsVaryPreflight)
				told(r.cause)
			}
			s.corsSays(s.Do("GET", "/public", "User-Agent: Test/1", corsFrom(corsEvil)), "public", corsVary)
			told(audit.CauseOrigin)
			s.corsSays(s.Do("GET", "/public", "User-Agent: Test/1", corsFrom(corsPage), corsFrom(corsPage)), "public", corsVary)
			told(audit.CauseOrigin)
			s.corsRefused("/public", append(corsAsks("https://api.example.com", "PUT"), "User-Agent: Test/1")...)
			told(audit.CauseOrigin)

			s.corsSays(s.Do("GET", "/public"), "public", corsVary)
			s.corsSays(s.Do("GET", "/public", corsFrom(corsPage)), "public", corsActual(corsPage)...)
			s.corsSays(s.Do("GET", "/public", corsFrom("https://api.example.com")), "public", corsVary)
			s.corsPreflight("/me", corsGranted(corsPage, corsItsMethods, corsItsHeaders), corsAsks(corsPage, "PUT", "content-type")...)
			t.nothing()
		},
	}
}

func corsDebugSameAnswers() Case {
	return Case{
		ID: "X8", Slug: "cors/debug-changes-no-answer",
		Rule:   "The answer with Debug is the one without it, byte for byte: what it tells is for the log.",
		Clause: "DESIGN section 6: and never in the answer",
		Run: func(t *T) {
			quiet, loud := t.corsServe(corsConfig()), t.corsDebugged(corsConfig())
			same := func(method, path string, lines ...string) {
				t.Helper()
				// One name for both, as some servers put it into their answers.
				raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: api.example.com\r\n%s\r\n\r\n", method, path, strings.Join(lines, "\r\n"))
				want := undated(quiet.Raw(raw).Raw)
				Equal(t, "answer with Debug", undated(loud.Raw(raw).Raw), want)
			}
			for _, r := range corsReasons() {
				for _, path := range []string{"/public", "/me", "/nothing"} {
					same("OPTIONS", path, r.lines...)
					same("GET", path, r.lines...)
				}
			}
			same("OPTIONS", "/me", corsAsks(corsPage, "PUT", "content-type")...)
			same("GET", "/public", corsFrom(corsPage))
			if len(t.Audit.Take()) == 0 {
				t.Failf("no events")
			}
			t.Calls()
		},
	}
}

func corsQuiet() Case {
	return Case{
		ID: "X8", Slug: "cors/no-events-without-debug",
		Rule:   "Without Debug no request causes an event, since anybody can make as many as they like.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			cfg := corsConfig()
			cfg.Audit = t.Audit
			s := t.corsServe(cfg)
			for _, r := range corsReasons() {
				a := s.corsStrain("OPTIONS", "/me", r.lines...)
				if !corsTooLarge(a) {
					s.corsIs(a, 204, corsVaryPreflight)
				}
			}
			s.corsBoth(corsFrom(corsEvil))
			t.nothing()
		},
	}
}

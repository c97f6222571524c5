package conformance

import (
	"errors"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// csrfSecretCases are about secrets, fleets, and configurations that cannot be right.
func csrfSecretCases() []Case {
	return []Case{csrfRotation(), csrfTwoProcesses(), csrfOtherApp(), csrfSecretNeeded(), csrfConfigMistakes()}
}

// csrfSecret is the nth secret of a guard.
func csrfSecret(n int) []byte { return refreshSecret(n) }

func csrfRotation() Case {
	return Case{
		ID: "F2", Slug: "csrf/secret-rotation",
		Rule:   "With a new secret in front and the old one retired, pages that are open stay good and new ones are made with the new; without the old one they end.",
		Clause: "NIST SP 800-57 part 1 section 5.3; DESIGN section 6",
		Run: func(t *T) {
			old := t.csrfServe(csrf.Config{Secret: csrfSecret(1)})
			both := t.csrfServe(csrf.Config{Secret: csrfSecret(2), RetiredSecrets: [][]byte{csrfSecret(9), csrfSecret(1)}})
			fresh := t.csrfServe(csrf.Config{Secret: csrfSecret(2)})
			for _, b := range old.bothTabs() {
				before := b.token
				b.at(both).passed(b.at(both).transfer(csrfSameOrigin, csrfHeader(before)))
				b.at(fresh).over(before)
				renewed := b.at(both)
				renewed.open()
				Equal(t, "cookie of the visitor", renewed.nonce, b.nonce)
				renewed.passed(renewed.transfer(csrfSameOrigin, renewed.with()))
				b.at(fresh).passed(b.at(fresh).transfer(csrfSameOrigin, renewed.with()))
				b.over(renewed.token) // who does not know the new one yet
				b.passed(b.transfer(csrfSameOrigin, csrfHeader(before)))
			}
		},
	}
}

func csrfTwoProcesses() Case {
	return Case{
		ID: "F2", Slug: "csrf/two-processes",
		Rule:   "A token that one process made is good at every other with the same secret and store, for visitors and users, and at none with another secret.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			one, two, stranger := t.csrfServe(csrf.Config{}), t.csrfServe(csrf.Config{}), t.csrfServe(csrf.Config{Secret: csrfSecret(7)})
			for _, b := range one.bothTabs() {
				there := b.at(two)
				there.passed(there.transfer(csrfSameOrigin, b.with()))
				there.open()
				b.passed(b.transfer(csrfSameOrigin, there.with()))
				b.at(stranger).over(b.token, there.token)
			}
			// A login at one ends the token at the other.
			b := one.visitor()
			before := b.token
			b.at(two).passed(b.at(two).transfer(csrfSameOrigin, b.with()))
			b.login("alice")
			b.at(two).over(before)
		},
	}
}

func csrfOtherApp() Case {
	return Case{
		ID: "F2", Slug: "csrf/another-application",
		Rule:   "Tokens of one application mean nothing to another with the same secret.",
		Clause: "S22; DESIGN section 6",
		Run: func(t *T) {
			shop, forum := t.csrfServe(csrf.Config{App: "shop"}), t.csrfServe(csrf.Config{App: "forum"})
			for _, b := range shop.bothTabs() {
				a := b.at(forum).transfer(csrfSameOrigin, b.with())
				Equal(t, "status", a.Status, 403)
				Equal(t, "error code", a.Code(), "CSRF_REJECTED")
				forum.none(a)
				Equal(t, "application in the event", t.Events("csrf_refused:token-invalid")[0].App, "forum")
				t.forget()
				b.passed(b.transfer(csrfSameOrigin, b.with()))
			}
		},
	}
}

func csrfSecretNeeded() Case {
	return Case{
		ID: "F2", Slug: "csrf/secret-for-a-fleet",
		Rule:   "A guard with a secret of its own in front of sessions that other processes share is told plainly, at the first request: its tokens would fail at random.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			own := func(cfg csrf.Config) *csrf.Guard {
				cfg.Now, cfg.Audit = t.Clock.Now, t.Audit
				g, err := csrf.New(cfg)
				t.NoError(err)
				return g
			}
			app := newCSRFApp()
			app.CSRF = own(csrf.Config{})
			s := &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
			b := s.tab()
			for _, method := range append([]string{"GET", "HEAD", "OPTIONS"}, csrfUnsafe...) {
				a := b.do(method, "/transfer", csrfSameOrigin)
				if method == "HEAD" {
					Equal(t, "status", a.Status, 500)
					continue
				}
				b.misconfigured(a)
				if strings.Contains(a.Body, "Secret") || strings.Contains(a.Body, "csrf") {
					t.Failf("the answer says why: %s", a.Body)
				}
			}
			// Without tokens, or without sessions, there is nothing that fails.
			app.CSRF = own(csrf.Config{InsecureNoTokens: true})
			b = (&csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}).tab()
			b.free(b.transfer(csrfSameOrigin))
			app.CSRF, app.NoMiddleware = own(csrf.Config{}), true
			b = (&csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}).visitor()
			b.Check(b.transfer(csrfSameOrigin, b.with()), Want{Status: 200, Body: "moved"})
			b.happened()
		},
	}
}

func csrfConfigMistakes() Case {
	return Case{
		ID: "F1", Slug: "csrf/config-mistakes",
		Rule:   "A guard that could not hold is not made: every mistake is told at once, each with its field, its value and the reason.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			for _, row := range []struct {
				cfg    csrf.Config
				fields string
			}{
				{csrf.Config{PublicOrigin: "http://bank.example"}, "PublicOrigin"},
				{csrf.Config{PublicOrigin: "https://bank.example/"}, "PublicOrigin"},
				{csrf.Config{PublicOrigin: "null"}, "PublicOrigin"},
				{csrf.Config{TrustedOrigins: []string{"null", "https://*.example", "HTTPS://a.example", "https://a.example:443"}}, "TrustedOrigins[0] TrustedOrigins[1] TrustedOrigins[2] TrustedOrigins[3]"},
				{csrf.Config{TrustedOrigins: []string{"https://a.example", "http://a.example", "https://a.example"}}, "TrustedOrigins[1] TrustedOrigins[2]"},
				{csrf.Config{Secret: []byte{}}, "Secret"},
				{csrf.Config{Secret: []byte("too short")}, "Secret"},
				{csrf.Config{Secret: csrfSecret(1)[:31]}, "Secret"},
				{csrf.Config{Secret: csrfSecret(1), RetiredSecrets: [][]byte{csrfSecret(2)[:31]}}, "RetiredSecrets[0]"},
				{csrf.Config{App: "a b"}, "App"},
				{csrf.Config{Cookie: cookie.Config{Domain: "bank.example"}}, "Cookie.Domain"},
				{csrf.Config{HeaderName: "X CSRF"}, "HeaderName"},
				{csrf.Config{Exempt: []string{"hooks", "", "/a/../b", "/%61", "/a?x", "//a", "/a/./b"}}, "Exempt[0] Exempt[1] Exempt[2] Exempt[3] Exempt[4] Exempt[5] Exempt[6]"},
				{csrf.Config{PublicOrigin: "x", Secret: []byte("x"), Exempt: []string{"x"}, TrustedOrigins: []string{"x"}}, "Exempt[0] PublicOrigin Secret TrustedOrigins[0]"},
			} {
				g, err := csrf.New(row.cfg)
				if err == nil || g != nil {
					t.Failf("%+v: got a guard, want none", row.cfg)
				}
				fields := csrfFields(err)
				for _, want := range strings.Fields(row.fields) {
					if !strings.Contains(" "+fields+" ", "."+want+" ") {
						t.Failf("%+v: got mistakes in %q, want one in %s", row.cfg, fields, want)
					}
				}
				Equal(t, "number of mistakes in "+fields, len(strings.Fields(fields)), len(strings.Fields(row.fields)))
			}
			g, err := csrf.New(csrf.Config{})
			t.NoError(err)
			Equal(t, "cookie by default", g.Cookie().Name(), csrfCookie)
		},
	}
}

// csrfFields are the fields of the mistakes in err.
func csrfFields(err error) string {
	var fields []string
	var walk func(error)
	walk = func(err error) {
		var mistake *core.ConfigError
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			for _, e := range e.Unwrap() {
				walk(e)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		default:
			if errors.As(err, &mistake) {
				fields = append(fields, mistake.Field)
			}
		}
	}
	walk(err)
	return strings.Join(fields, " ")
}

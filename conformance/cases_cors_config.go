package conformance

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
)

// corsConfigCases are about what does not construct.
func corsConfigCases() []Case {
	return []Case{corsMistakes(), corsAsterisks(), corsNobody(), corsNullConfigured(), corsMeant(), corsWarned()}
}

// corsMistakes are the fields of which a joined error complains, in its order, each with
// its value.
func (t *T) corsMistakes(err error) (all []string) {
	t.Helper()
	joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error })
	if !ok || !strings.HasPrefix(err.Error(), "cors: ") {
		t.Failf("error: got %v, want all mistakes behind the package's name", err)
	}
	for _, e := range joined.Unwrap() {
		var mistake *core.ConfigError
		if !errors.As(e, &mistake) || mistake.Reason == "" {
			t.Failf("error: got %v, want a ConfigError with a reason", e)
		}
		field, ok := strings.CutPrefix(mistake.Field, "cors.Config.")
		if !ok {
			t.Failf("field: got %q, want one of cors.Config", mistake.Field)
		}
		all = append(all, field+"="+mistake.Value)
	}
	return all
}

// corsNot checks that cfg does not construct, because of these alone.
func (t *T) corsNot(cfg cors.Config, want ...string) {
	t.Helper()
	p, err := cors.New(cfg)
	if p != nil || err == nil {
		t.Failf("%+v: got a policy, want an error about %q", cfg, want)
	}
	if got := t.corsMistakes(err); !slices.Equal(got, want) {
		t.Failf("mistakes: got %q, want %q", got, want)
	}
}

func corsMistakes() Case {
	return Case{
		ID: "X5", Slug: "cors/config-every-mistake",
		Rule:   "What is configured wrong does not construct, and every mistake is told at once, each with its field, its value and a reason.",
		Clause: "DESIGN section 6; Fetch, CORS protocol and credentials",
		Run: func(t *T) {
			t.corsNot(cors.Config{
				Origins: []string{
					"*", "null", "https://*.example.com", "http://app.example.com", "https://app.example.com/", "https://APP.example.com", "https://app.example.com:443", "https://b\u00fccher.example",
					"app.example.com", "ftp://app.example.com", "", corsPage, corsPage, "http://localhost:80", "https://user@example.com", "https://example.com.", "https://[::1%25lo]", "https://example.com:0", "https://exam*ple.com",
				},
				Patterns: []string{
					"*", "https://*", "https://*.com", "*.example.com", "https://*example.com", "https://a.*.com", "https://*.*.com", "https://*.192.0.2.1", "http://*.example.com", "https://*.example.com", "https://*.example.com",
					"https://*.example.com:*", "*://*.example.com", "https://*.example.com:443", "https://*.Example.com", "https://*.example.com/", "http://*.localhost:3000", "null",
				},
				Credentials: true,
				Methods:     []string{"patch", "put", "TRACE", "CONNECT", "TRACK", "PUT", "PUT", "FO O", "", "PUT,DELETE"},
				RequestHeaders: []string{
					"X-A", "x-a", "Cookie", "Host", "Origin", "Sec-Fetch-Site", "Proxy-Authorization", "Access-Control-Allow-Origin", "X A", "", "X-*", "X-A,X-B", "X-C:",
				},
				ResponseHeaders: []string{"Set-Cookie", "X-A", "X-a", "Access-Control-Allow-Origin", "X B", ""},
				MaxAge:          25 * time.Hour,
				PublicOrigin:    "https://api.example.com/",
				Cookies:         []*cookie.Spec{nil},
				Debug:           true,

				DangerouslyAllowPrivateNetwork: true,
			},
				"Origins[0]=*", "Origins[0]=*", "Origins[1]=null", "Origins[2]=https://*.example.com", "Origins[3]=http://app.example.com", "Origins[4]=https://app.example.com/", "Origins[5]=https://APP.example.com",
				"Origins[6]=https://app.example.com:443", "Origins[7]=https://b\u00fccher.example", "Origins[8]=app.example.com", "Origins[9]=ftp://app.example.com", "Origins[10]=", "Origins[12]="+corsPage,
				"Origins[13]=http://localhost:80", "Origins[14]=https://user@example.com", "Origins[15]=https://example.com.", "Origins[16]=https://[::1%25lo]", "Origins[17]=https://example.com:0", "Origins[18]=https://exam*ple.com",
				"Patterns[0]=*", "Patterns[1]=https://*", "Patterns[2]=https://*.com", "Patterns[3]=*.example.com", "Patterns[4]=https://*example.com", "Patterns[5]=https://a.*.com", "Patterns[6]=https://*.*.com",
				"Patterns[7]=https://*.192.0.2.1", "Patterns[8]=http://*.example.com", "Patterns[10]=https://*.example.com", "Patterns[11]=https://*.example.com:*", "Patterns[12]=*://*.example.com",
				"Patterns[13]=https://*.example.com:443", "Patterns[14]=https://*.Example.com", "Patterns[15]=https://*.example.com/", "Patterns[16]=http://*.localhost:3000", "Patterns[17]=null",
				"Methods[0]=patch", "Methods[1]=put", "Methods[2]=TRACE", "Methods[3]=CONNECT", "Methods[4]=TRACK", "Methods[6]=PUT", "Methods[7]=FO O", "Methods[8]=", "Methods[9]=PUT,DELETE",
				"RequestHeaders[1]=x-a", "RequestHeaders[2]=Cookie", "RequestHeaders[3]=Host", "RequestHeaders[4]=Origin", "RequestHeaders[5]=Sec-Fetch-Site", "RequestHeaders[6]=Proxy-Authorization",
				"RequestHeaders[7]=Access-Control-Allow-Origin", "RequestHeaders[8]=X A", "RequestHeaders[9]=", "RequestHeaders[10]=X-*", "RequestHeaders[11]=X-A,X-B", "RequestHeaders[12]=X-C:",
				"ResponseHeaders[0]=Set-Cookie", "ResponseHeaders[2]=X-a", "ResponseHeaders[3]=Access-Control-Allow-Origin", "ResponseHeaders[4]=X B", "ResponseHeaders[5]=",
				"MaxAge=25h0m0s", "PublicOrigin=https://api.example.com/", "Cookies[0]=", "DangerouslyAllowPrivateNetwork=true", "Debug=true",
			)
			t.corsNot(cors.Config{Origins: []string{corsPage}, Methods: []string{"PUT", "PUT"}, RequestHeaders: []string{"X-A", "x-a"}, ResponseHeaders: []string{"X-A", "X-a"}},
				"Methods[1]=PUT", "RequestHeaders[1]=x-a", "ResponseHeaders[1]=X-a")
			t.corsNot(cors.Config{Origins: []string{corsPage}, Methods: []string{"*", "PUT"}, RequestHeaders: []string{"X-A", "Authorization", "*"}, ResponseHeaders: []string{"*", "X-A"}},
				"Methods[1]=PUT", "RequestHeaders[0]=X-A", "ResponseHeaders[1]=X-A")
			t.corsNot(cors.Config{Origins: []string{corsPage}, MaxAge: 1500 * time.Millisecond}, "MaxAge=1.5s")
			t.corsNot(cors.Config{Origins: []string{corsPage}, Cookies: []*cookie.Spec{t.Manager(t.Config).Cookie()}}, "PublicOrigin=")
		},
	}
}

func corsAsterisks() Case {
	return Case{
		ID: "X5", Slug: "cors/config-asterisk-with-credentials",
		Rule:   "With credentials an asterisk does not construct, wherever it stands: no answer can have both.",
		Clause: "Fetch, CORS protocol and credentials",
		Run: func(t *T) {
			t.corsNot(cors.Config{Origins: []string{"*"}, Credentials: true}, "Origins[0]=*")
			t.corsNot(cors.Config{Origins: []string{corsPage, "*"}, Credentials: true}, "Origins[1]=*", "Origins[1]=*")
			t.corsNot(cors.Config{Origins: []string{"*"}, Patterns: []string{"https://*.example.com"}}, "Origins[0]=*")
			page := []string{corsPage}
			t.corsNot(cors.Config{Origins: page, Credentials: true, Methods: []string{"*"}}, "Methods[0]=*")
			t.corsNot(cors.Config{Origins: page, Credentials: true, RequestHeaders: []string{"*"}}, "RequestHeaders[0]=*")
			t.corsNot(cors.Config{Origins: page, Credentials: true, RequestHeaders: []string{"*", "Authorization"}}, "RequestHeaders[0]=*")
			t.corsNot(cors.Config{Origins: page, Credentials: true, ResponseHeaders: []string{"*"}}, "ResponseHeaders[0]=*")
			t.corsNot(cors.Config{Origins: []string{"*"}, DangerouslyAllowPrivateNetwork: true}, "DangerouslyAllowPrivateNetwork=true")

			// Nor does one that stands become both.
			p := t.policy(cors.Config{Origins: []string{"*"}})
			s := t.Serve(App{CORS: p, Routes: standard().Routes})
			if err := p.Replace(cors.Config{Origins: []string{"*"}, Credentials: true}); err == nil {
				t.Failf("Replace: got no error")
			}
			s.corsSays(s.Do("GET", "/public", corsFrom(corsEvil), "Cookie: a=b"), "public", corsVary, corsAllowOrigin+"*")
		},
	}
}

func corsNobody() Case {
	return Case{
		ID: "X5", Slug: "cors/config-names-somebody",
		Rule:   "A policy that names nobody does not construct, whatever else it says, and is never taken for one that allows everybody.",
		Clause: "DESIGN section 6",
		Run: func(t *T) {
			t.corsNot(cors.Config{}, "Origins=")
			t.corsNot(cors.Config{Credentials: true}, "Origins=")
			t.corsNot(cors.Config{Origins: []string{}, Patterns: []string{}, Methods: []string{"*"}, RequestHeaders: []string{"*"}}, "Origins=")
			t.corsNot(cors.Config{PublicOrigin: "https://api.example.com"}, "Origins=")
			t.corsNot(cors.Config{Origins: []string{""}}, "Origins[0]=")
			t.corsNot(cors.Config{Origins: []string{"", corsPage}}, "Origins[0]=")

			s := t.Serve(App{CORS: &cors.Policy{}, Routes: standard().Routes})
			for _, from := range []string{corsPage, "null", "*", "http://" + s.Addr} {
				s.corsBoth(corsFrom(from))
			}
			t.nothing()
		},
	}
}

func corsNullConfigured() Case {
	return Case{
		ID: "X4", Slug: "cors/config-null",
		Rule:   "null does not construct in any spelling, beside others or alone, with credentials or without.",
		Clause: "Fetch, CORS protocol and HTTP responses; DESIGN section 6",
		Run: func(t *T) {
			for _, credentials := range []bool{true, false} {
				for _, null := range []string{"null", "Null", "NULL", " null", "null ", "\"null\"", "https://null/", "null://"} {
					t.corsNot(cors.Config{Origins: []string{null}, Credentials: credentials}, "Origins[0]="+null)
					t.corsNot(cors.Config{Origins: []string{corsPage, null}, Credentials: credentials}, "Origins[1]="+null)
					t.corsNot(cors.Config{Origins: []string{corsPage}, Patterns: []string{null}, Credentials: credentials}, "Patterns[0]="+null)
				}
			}
		},
	}
}

func corsMeant() Case {
	return Case{
		ID: "X5", Slug: "cors/config-what-is-meant",
		Rule:   "What browsers send, written down, constructs and is allowed; so is plain http where there is nothing to steal.",
		Clause: "RFC 6454 section 6.2; DESIGN section 6",
		Run: func(t *T) {
			try := func(cfg cors.Config, from string, want ...string) {
				t.Helper()
				s := t.corsServe(cfg)
				s.corsSays(s.Do("GET", "/public", corsFrom(from)), "public", append(want, corsVary)...)
				t.nothing()
			}
			for _, from := range []string{
				corsPage, corsAdmin, corsLocal, "http://127.0.0.1:8080", "http://[::1]:3000", "https://[2001:db8::1]", "https://192.0.2.1:8443", "https://xn--bcher-kva.example", "https://a_b.example.com", "https://localhost",
			} {
				try(cors.Config{Origins: []string{from}, Credentials: true}, from, corsAllowOrigin+from, corsAllowCredentials)
			}
			try(cors.Config{Origins: []string{"http://app.example.com"}}, "http://app.example.com", corsAllowOrigin+"http://app.example.com")
			try(cors.Config{Patterns: []string{"http://*.example.com"}}, "http://a.example.com", corsAllowOrigin+"http://a.example.com")
			try(cors.Config{Origins: []string{"*"}, ResponseHeaders: []string{"*"}}, corsEvil, corsAllowOrigin+"*", corsExpose+"*")
			// What needs no permission is named in vain.
			try(cors.Config{Origins: []string{corsPage}, Methods: []string{"GET", "HEAD", "POST"}, ResponseHeaders: []string{"Content-Type", "ETag", "Cache-Control"}, MaxAge: 24 * time.Hour},
				corsPage, corsAllowOrigin+corsPage, corsExpose+"etag")
		},
	}
}

func corsWarned() Case {
	return Case{
		ID: "X5", Slug: "cors/config-warning",
		Rule:   "A page of another site whose credentials are allowed although browsers will not send the cookie is told at construction, with the names of both, and is allowed all the same.",
		Clause: "DESIGN section 6; RFC 6265bis section 5.2",
		Run: func(t *T) {
			lax := t.Manager(t.Config).Cookie()
			cfg := corsConfig()
			cfg.Origins = []string{corsPage, "https://app.example.net"}
			cfg.Patterns = []string{"https://*.example.org", "https://*.example.com"}
			cfg.PublicOrigin, cfg.Cookies, cfg.Audit = "https://api.example.com", []*cookie.Spec{lax}, t.Audit
			app := standard()
			app.CORS = t.policy(cfg)
			for i, e := range t.Events("config_warning", "config_warning") {
				var warned *core.ConfigError
				if !errors.As(e.Err, &warned) || !strings.Contains(warned.Error(), lax.Name()) || !strings.Contains(warned.Error(), "SameSite=Lax") {
					t.Failf("event: got %v, want one that names %s", e.Err, lax.Name())
				}
				Equal(t, "field", warned.Field+"="+warned.Value, []string{"cors.Config.Origins[1]=https://app.example.net", "cors.Config.Patterns[0]=https://*.example.org"}[i])
				Equal(t, "time in the event", e.Time, t.Clock.Now())
				Equal(t, "warning", app.CORS.Warnings()[i].Error(), warned.Error())
			}
			Equal(t, "warnings", len(app.CORS.Warnings()), 2)
			s := t.Serve(app)
			s.corsSays(s.Do("GET", "/public", corsFrom("https://app.example.net")), "public", corsActual("https://app.example.net")...)
			t.nothing()

			cfg.Credentials = false
			Equal(t, "warnings without credentials", len(t.policy(cfg).Warnings()), 0)
			t.nothing()
		},
	}
}

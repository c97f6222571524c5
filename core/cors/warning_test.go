package cors_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
)

// warning is the text that is wanted.
func warning(field, origin, own, name, sameSite string) core.ConfigError {
	return core.ConfigError{Field: "cors.Config." + field, Value: origin, Reason: "is of another site than " + own + ", whose cookie " + name + " is SameSite=" + sameSite +
		": browsers do not send it with requests of such a page. Serve both from one site, make the cookie SameSite=None, or turn Credentials off"}
}

func TestWarnings(t *testing.T) {
	const api, spa = "https://api.example.com", "https://spa.example.org"
	lax, strict := spec(t, cookie.Config{}), spec(t, cookie.Config{Name: "sid", SameSite: cookie.SameSiteStrict})
	none := spec(t, cookie.Config{Name: "frame", SameSite: cookie.SameSiteNone})
	partitioned := spec(t, cookie.Config{Name: "chip", SameSite: cookie.SameSiteNone, Partitioned: true})
	for _, tc := range []struct {
		desc string
		cfg  cors.Config
		want []core.ConfigError
	}{
		{"another site", cors.Config{Origins: []string{app, spa}, Credentials: true, PublicOrigin: api, Cookies: []*cookie.Spec{lax, strict, none, partitioned}}, []core.ConfigError{
			warning("Origins[1]", spa, api, "__Host-session", "Lax"), warning("Origins[1]", spa, api, "__Host-sid", "Strict")}},
		{"a pattern of another site", cors.Config{Origins: []string{spa}, Patterns: []string{"https://*.example.com", "https://*.example.org"}, Credentials: true, PublicOrigin: api, Cookies: []*cookie.Spec{lax}},
			[]core.ConfigError{warning("Origins[0]", spa, api, "__Host-session", "Lax"), warning("Patterns[1]", "https://*.example.org", api, "__Host-session", "Lax")}},
		{"scheme", cors.Config{Origins: []string{"http://localhost:3000"}, Credentials: true, PublicOrigin: "https://localhost:8443", Cookies: []*cookie.Spec{lax}},
			[]core.ConfigError{warning("Origins[0]", "http://localhost:3000", "https://localhost:8443", "__Host-session", "Lax")}},
		{"loopback", cors.Config{Origins: []string{"http://localhost:3000", "http://127.0.0.1:3000"}, Credentials: true, PublicOrigin: "http://127.0.0.1:8080", Cookies: []*cookie.Spec{strict}},
			[]core.ConfigError{warning("Origins[0]", "http://localhost:3000", "http://127.0.0.1:8080", "__Host-sid", "Strict")}},
		{"one site", cors.Config{Origins: []string{app, api}, Patterns: []string{"https://*.app.example.com"}, Credentials: true, PublicOrigin: api, Cookies: []*cookie.Spec{lax, strict}}, nil},
		{"who knows", cors.Config{Origins: []string{"https://a.co.uk"}, Credentials: true, PublicOrigin: "https://b.co.uk", Cookies: []*cookie.Spec{lax}}, nil},
		{"SameSite=None", cors.Config{Origins: []string{spa}, Credentials: true, PublicOrigin: api, Cookies: []*cookie.Spec{none, partitioned}}, nil},
		{"without credentials", cors.Config{Origins: []string{spa}, PublicOrigin: api, Cookies: []*cookie.Spec{lax}}, nil},
		{"everybody, without credentials", cors.Config{Origins: []string{"*"}, PublicOrigin: api, Cookies: []*cookie.Spec{lax}}, nil},
		{"no cookies", cors.Config{Origins: []string{spa}, Credentials: true, PublicOrigin: api}, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var told events
			tc.cfg.Audit, tc.cfg.Now = &told, clock
			cookies := slices.Clone(tc.cfg.Cookies)
			p := policy(t, tc.cfg)
			require.Equal(t, cookies, tc.cfg.Cookies, "the caller's slice")
			var got []core.ConfigError
			for _, w := range p.Warnings() {
				got = append(got, *w)
			}
			require.Equal(t, tc.want, got)

			var want events
			for _, w := range tc.want {
				want = append(want, audit.Event{Time: noon, Name: audit.ConfigWarning, Err: &w})
			}
			require.Equal(t, want, told)
		})
	}
}

// TestWarningsNeedNoAudit: they are found, and told to nobody.
func TestWarningsNeedNoAudit(t *testing.T) {
	p := policy(t, cors.Config{Origins: []string{app}, Credentials: true, PublicOrigin: "https://api.example.org", Cookies: []*cookie.Spec{spec(t, cookie.Config{})}})
	require.Len(t, p.Warnings(), 1)
}

package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/token"
)

func remoteDiscovery() Case {
	return Case{
		ID: "O13", Slug: "keys/remote-discovery",
		Rule:   "Keys are looked up where the issuer's own metadata says, if that names the very same issuer and stays on https; otherwise nobody else is asked and nothing verifies.",
		Clause: "OpenID Connect Discovery 1.0 sections 3 and 4.3; RFC 8414 section 3.3; CVE-2026-32301, CVE-2026-49478",
		Run: func(t *T) {
			for _, below := range []string{"", "/tenant", "/tenant/"} {
				server, elsewhere := t.keyServer(), t.keyServer()
				issuer := server.URL + below
				one := t.signer(issuer, "one")
				good := authorization(one.token(t))
				elsewhere.publish(one)
				spy := &spyTransport{}
				remote := t.remoteKeys(server, func(cfg *token.RemoteKeysConfig) { cfg.Issuer, cfg.URL, cfg.Transport = issuer, "", spy })
				s := t.verifying(issuer, remote)
				metadata := strings.TrimSuffix(below, "/") + "/.well-known/openid-configuration"
				says := func(doc string) {
					server.answers(func(w http.ResponseWriter, r *http.Request) {
						switch r.URL.Path {
						case metadata:
							_, _ = w.Write([]byte(strings.NewReplacer("ISS", issuer, "URI", elsewhere.URL+"/their-keys", "HERE", server.URL).Replace(doc)))
						default:
							server.known(w, one)
						}
					})
				}
				for _, doc := range []string{
					`{"issuer":"https://other.example","jwks_uri":"URI"}`, `{"issuer":"ISS/","jwks_uri":"URI"}`, `{"issuer":"ISSx","jwks_uri":"URI"}`,
					`{"issuer":"","jwks_uri":"URI"}`, `{"jwks_uri":"URI"}`, `{"Issuer":"ISS","jwks_uri":"URI"}`, `{"issuer":["ISS"],"jwks_uri":"URI"}`,
					`{"issuer":null,"jwks_uri":"URI"}`, `{"issuer":"ISS","issuer":"https://other.example","jwks_uri":"URI"}`,
					`{"issuer":"https://other.example","issuer":"ISS","jwks_uri":"URI"}`, `{"issuer":"ISS","jwks_uri":"URI","issuer":"https://other.example"}`,
					`{"issuer":"ISS","jwks_uri":"URI","jwks_uri":"http://other.example/keys"}`, `[{"issuer":"ISS","jwks_uri":"URI"}]`, `{"issuer":"ISS"`, ``,
					`{"issuer":"ISS"}`, `{"issuer":"ISS","jwks_uri":""}`, `{"issuer":"ISS","jwks_uri":1}`, `{"issuer":"ISS","jwks_uri":["URI"]}`,
					`{"issuer":"ISS","JWKS_URI":"URI"}`, `{"issuer":"ISS","jwks_uri":"/keys"}`, `{"issuer":"ISS","jwks_uri":"file:///etc/passwd"}`,
					`{"issuer":"ISS","jwks_uri":"http://other.example/keys"}`, `{"issuer":"ISS","jwks_uri":"http://169.254.169.254/latest"}`,
					`{"issuer":"ISS","jwks_uri":"http://user:pass@127.0.0.1/keys"}`, `{"issuer":"ISS","jwks_uri":"ftp://127.0.0.1/keys"}`,
					`{"issuer":"ISS","jwks_uri":"//other.example/keys"}`, `{"issuer":"ISS","jwks_uri":"javascript:1"}`,
				} {
					says(doc)
					s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
					t.Events("keys_failure:error")
					elsewhere.wasAsked(0)
					if asked := server.wasAsked(1); asked[0] != metadata {
						t.Failf("the metadata was looked for at %s, want %s", asked[0], metadata)
					}
					if seen := spy.take(); !slices.Equal(seen, []string{server.URL + metadata}) {
						t.Failf("%s made these be asked: %q", doc, seen)
					}
					t.Clock.Advance(retryFetch)
				}
				for _, doc := range []string{`{"issuer":"ISS","jwks_uri":"URI"}`, `{"x":{"issuer":"y"},"jwks_uri":"URI","issuer":"ISS","new":[1,2]}`} {
					says(doc)
					t.Clock.Advance(refreshAfter)
					s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
					server.wasAsked(1)
					elsewhere.wasAsked(1)
				}
				t.nothing()
				spy.take()
				// On https it may be anywhere: the issuer says so over https.
				says(`{"issuer":"ISS","jwks_uri":"https://keys.example/set"}`)
				t.Clock.Advance(refreshAfter + staleFor)
				s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
				t.Events("keys_failure:error")
				if seen := spy.take(); !slices.Equal(seen, []string{server.URL + metadata, "https://keys.example/set"}) {
					t.Failf("asked: %q", seen)
				}
			}
		},
	}
}

func remoteRedirects() Case {
	return Case{
		ID: "O13", Slug: "keys/remote-redirects",
		Rule:   "Redirects of the metadata and of the key set are followed on the same scheme, host and port only, a few times; whoever else they point to sees nothing.",
		Clause: "DESIGN section 4 (no cross-host redirect); CVE-2026-49478, CVE-2025-52477",
		Run: func(t *T) {
			for _, discover := range []bool{false, true} {
				server, elsewhere := t.keyServer(), t.keyServer()
				one := t.signer(server.URL, "one")
				good := authorization(one.token(t))
				elsewhere.publish(one)
				spy := &spyTransport{}
				remote := t.remoteKeys(server, func(cfg *token.RemoteKeysConfig) {
					cfg.Issuer, cfg.Transport = server.URL, spy
					if discover {
						cfg.URL = ""
					}
				})
				s := t.verifying(server.URL, remote)
				first := "/keys"
				if discover {
					first = "/.well-known/openid-configuration"
				}
				// redirects makes the server send whoever comes for it on, hops times and
				// then to the document.
				redirects := func(status, hops int, to string) {
					server.answers(func(w http.ResponseWriter, r *http.Request) {
						var hop int
						_, _ = fmt.Sscanf(r.URL.Path, "/hop-%d", &hop)
						switch {
						case (r.URL.Path == first || hop > 0) && hop < hops:
							w.Header().Set("Location", strings.ReplaceAll(to, "HOP", fmt.Sprint("hop-", hop+1)))
							w.WriteHeader(status)
						case discover && r.URL.Path != "/set":
							_ = json.NewEncoder(w).Encode(map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/set"})
						default:
							server.known(w, one)
						}
					})
				}
				u, err := url.Parse(server.URL)
				t.NoError(err)
				for _, status := range []int{301, 302, 303, 307, 308} {
					for _, to := range []string{
						elsewhere.URL + "/HOP", strings.Replace(elsewhere.URL, "http:", "", 1) + "/HOP", "http://localhost:" + u.Port() + "/HOP",
						"http://127.0.0.2:" + u.Port() + "/HOP", "https://" + u.Host + "/HOP", "http://127.0.0.1/HOP",
						"http://user@" + u.Host + "/HOP", "http://169.254.169.254/latest/HOP", "http://" + u.Host + ".other.example/HOP", "file:///etc/passwd",
					} {
						redirects(status, 1, to)
						s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
						t.Events("keys_failure:error")
						elsewhere.wasAsked(0)
						server.wasAsked(1)
						if seen := spy.take(); !slices.Equal(seen, []string{server.URL + first}) {
							t.Failf("a redirect to %s made these be asked: %q", to, seen)
						}
						t.Clock.Advance(retryFetch)
					}
				}
				extra := 1
				if discover {
					extra = 2
				}
				redirects(302, 4, "/HOP")
				s.Check(s.Do("GET", "/api/me", good), refused(core.StoreUnavailable))
				t.Events("keys_failure:error")
				server.wasAsked(4)
				t.Clock.Advance(retryFetch)
				for _, to := range []string{"/HOP", server.URL + "/HOP"} {
					redirects(302, 3, to)
					s.Check(s.Do("GET", "/api/me", good), accepted("alice"))
					server.wasAsked(3 + extra)
					t.Clock.Advance(refreshAfter)
				}
				elsewhere.wasAsked(0)
				t.nothing()
			}
		},
	}
}

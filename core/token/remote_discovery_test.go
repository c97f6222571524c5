package token_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/token"
)

const metadataPath = "/.well-known/openid-configuration"

// TestRemoteDiscovery has ISSUER stand for the issuer's name, SELF for its server and
// OTHER and PLAIN for two further ones.
func TestRemoteDiscovery(t *testing.T) {
	const (
		malformed = "not one JSON object whose members occur once each"
		noIssuer  = "no issuer, or not a string"
		noURI     = "no jwks_uri, or not a string"
		right     = `{"issuer":"ISSUER","jwks_uri":"SELF/jwks","authorization_endpoint":"SELF/auth","x":{"issuer":"y","jwks_uri":[null,1.5,true]}}`
	)
	for _, tc := range []struct {
		desc   string
		issuer string // below SELF
		doc    string
		want   string // "": the keys are taken
	}{
		{"right", "", right, ""},
		{"a tenant", "/tenant/7", right, ""},
		{"a slash at the end", "/", right, ""},
		{"a slash at a tenant's end", "/tenant/", right, ""},
		{"two slashes at the end", "//", right, ""},
		{"keys on another host", "", `{"issuer":"ISSUER","jwks_uri":"OTHER/jwks"}`, ""},
		{"escaped slashes", "", `{"issuer":"ISSUER","jwks_uri":"SELF\/jwks"}`, ""},
		{"wrong issuer", "", `{"issuer":"https://evil.example","jwks_uri":"SELF/jwks"}`, `the metadata is that of "https://evil.example"`},
		{"a slash more", "", `{"issuer":"ISSUER/","jwks_uri":"SELF/jwks"}`, "the metadata is that of"},
		{"a slash less", "/", `{"issuer":"SELF","jwks_uri":"SELF/jwks"}`, "the metadata is that of"},
		{"another case", "/tenant", `{"issuer":"SELF/Tenant","jwks_uri":"SELF/jwks"}`, "the metadata is that of"},
		{"another tenant", "/tenant/7", `{"issuer":"SELF/tenant/8","jwks_uri":"SELF/jwks"}`, "the metadata is that of"},
		{"no issuer", "", `{"jwks_uri":"SELF/jwks"}`, noIssuer},
		{"issuer null", "", `{"issuer":null,"jwks_uri":"SELF/jwks"}`, noIssuer},
		{"issuer empty", "", `{"issuer":"","jwks_uri":"SELF/jwks"}`, noIssuer},
		{"issuer a list", "", `{"issuer":["ISSUER"],"jwks_uri":"SELF/jwks"}`, noIssuer},
		{"issuer deeper", "", `{"x":{"issuer":"ISSUER"},"jwks_uri":"SELF/jwks"}`, noIssuer},
		{"issuer in capitals", "", `{"Issuer":"ISSUER","jwks_uri":"SELF/jwks"}`, noIssuer},
		{"no jwks_uri", "", `{"issuer":"ISSUER"}`, noURI},
		{"jwks_uri a number", "", `{"issuer":"ISSUER","jwks_uri":1}`, noURI},
		{"jwks_uri in capitals", "", `{"issuer":"ISSUER","JWKS_URI":"SELF/jwks"}`, noURI},
		{"two issuers", "", `{"issuer":"https://evil.example","issuer":"ISSUER","jwks_uri":"SELF/jwks"}`, malformed},
		{"two of jwks_uri", "", `{"issuer":"ISSUER","jwks_uri":"SELF/evil","jwks_uri":"SELF/jwks"}`, malformed},
		{"one by an escape", "", `{"issuer":"ISSUER","jwks_uri":"SELF/evil","jwks\u005furi":"SELF/jwks"}`, malformed},
		{"two cases", "", `{"issuer":"ISSUER","jwks_uri":"SELF/jwks","Jwks_Uri":"SELF/evil"}`, malformed},
		{"other members twice", "", `{"issuer":"ISSUER","jwks_uri":"SELF/jwks","x":1,"x":1}`, malformed},
		{"something behind", "", right + "{}", malformed},
		{"cut off", "", right[:len(right)-1], malformed},
		{"an array", "", "[" + right + "]", malformed},
		{"nothing", "", "", malformed},
		{"HTML", "", "<!doctype html>", malformed},
		{"no UTF-8", "", `{"issuer":"ISSUER","jwks_uri":"SELF/jwks","x":"` + "\xff" + `"}`, malformed},
		{"deep", "", `{"issuer":"ISSUER","jwks_uri":"SELF/jwks","x":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + `}`, malformed},
		{"too long", "", right + strings.Repeat(" ", 2000), "more than 2000 bytes"},
		{"http", "", `{"issuer":"ISSUER","jwks_uri":"PLAIN/jwks"}`, "must be https"},
		{"http elsewhere", "", `{"issuer":"ISSUER","jwks_uri":"http://issuer.example/jwks"}`, "must be https"},
		{"relative", "", `{"issuer":"ISSUER","jwks_uri":"/jwks"}`, "must be an absolute URL"},
		{"a file", "", `{"issuer":"ISSUER","jwks_uri":"file:///etc/jwks"}`, "must be an absolute URL"},
		{"credentials", "", `{"issuer":"ISSUER","jwks_uri":"https://u:p@issuer.example/jwks"}`, "must not hold credentials"},
		{"fragment", "", `{"issuer":"ISSUER","jwks_uri":"SELF/jwks#f"}`, "must not have a fragment"},
		{"404 for keys", "", `{"issuer":"ISSUER","jwks_uri":"SELF/nothing"}`, "answered 404"},
		{"redirect", "", "REDIRECT", "a redirect to another"},
		{"404", "", "404", "answered 404"},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			keySets := 0
			countSet := func(w http.ResponseWriter, _ *http.Request) {
				keySets++
				_, _ = io.WriteString(w, remoteSet)
			}
			other := listen(t, true, http.HandlerFunc(countSet))
			plain := listen(t, false, http.HandlerFunc(countSet))
			var self *listener
			metadata := strings.TrimSuffix(tc.issuer, "/") + metadataPath
			// No ServeMux: it would mend a path with two slashes by a redirect.
			self = listen(t, true, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.URL.Path == "/jwks":
					countSet(w, req)
				case req.URL.Path != metadata || tc.doc == "404":
					http.NotFound(w, req)
				case req.Header.Get("Accept") != "application/json":
					http.Error(w, "Accept", http.StatusNotAcceptable)
				case tc.doc == "REDIRECT":
					http.Redirect(w, req, other.URL+metadataPath, http.StatusFound)
				default:
					doc := strings.NewReplacer("ISSUER", self.URL+tc.issuer, "SELF", self.URL, "OTHER", other.URL, "PLAIN", plain.URL).Replace(tc.doc)
					_, _ = io.WriteString(w, doc)
				}
			}))

			err := fetchFrom(t, self, func(cfg *token.RemoteKeysConfig) { cfg.Issuer, cfg.URL, cfg.MaxBytes = self.URL+tc.issuer, "", 2000 })
			if tc.want == "" {
				require.NoError(t, err)
				require.Equal(t, 1, keySets)
				return
			}
			fails(t, err, tc.want)
			require.Zero(t, keySets, "key sets read")
			require.Zero(t, other.connections.Load(), "connections to the other host")
			require.Zero(t, plain.connections.Load(), "connections without TLS")
		})
	}
}

func TestRemoteDiscoveryInsecure(t *testing.T) {
	mux := http.NewServeMux()
	self := listen(t, false, mux)
	location := self.URL + "/jwks"
	mux.HandleFunc(metadataPath, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"issuer":"`+self.URL+`","jwks_uri":"`+location+`"}`)
	})
	mux.HandleFunc("/jwks", serve(remoteSet))
	insecure := func(cfg *token.RemoteKeysConfig) { cfg.URL, cfg.InsecureHTTP = "", true }
	require.NoError(t, fetchFrom(t, self, insecure))
	location = "http://issuer.example/jwks"
	fails(t, fetchFrom(t, self, insecure), "must be https, or http on loopback with InsecureHTTP")
}

func TestRemoteDiscoversEachTime(t *testing.T) {
	mux := http.NewServeMux()
	self := listen(t, true, mux)
	var asked []string
	location := "/old"
	mux.HandleFunc(metadataPath, func(w http.ResponseWriter, _ *http.Request) {
		asked = append(asked, "metadata")
		_, _ = io.WriteString(w, `{"issuer":"`+self.URL+`","jwks_uri":"`+self.URL+location+`"}`)
	})
	for _, path := range []string{"/old", "/new"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, path)
			_, _ = io.WriteString(w, remoteSet)
		})
	}
	keys, err := token.NewRemoteKeys(token.RemoteKeysConfig{Issuer: self.URL, Transport: self.Client().Transport})
	require.NoError(t, err)
	require.NoError(t, keys.Fetch(t.Context()))
	location = "/new"
	require.NoError(t, keys.Fetch(t.Context()))
	require.Equal(t, []string{"metadata", "/old", "metadata", "/new"}, asked)
}

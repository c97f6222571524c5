package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

// TestMain lets the test binary be the second service, as the demo's own is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// token is what the page gets for its purpose.
func (b *browser) token(purpose string) string {
	b.t.Helper()
	a := b.post("/token", url.Values{"for": {purpose}}, http.StatusOK)
	var t demo.Token
	require.NoError(b.t, json.Unmarshal([]byte(a.body), &t))
	require.Equal(b.t, "Bearer", t.Type)
	require.Equal(b.t, 3, len(strings.Split(t.AccessToken, ".")))
	return t.AccessToken
}

// call is a request of a client that has tokens and no cookie.
func call(t *testing.T, method, target, body string, authorization ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	require.NoError(t, err)
	req.Close = true
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, line := range authorization {
		req.Header.Add("Authorization", line)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var raw json.RawMessage
	require.NoError(t, json.NewDecoder(res.Body).Decode(&raw))
	require.Empty(t, res.Header.Values("Set-Cookie"), "a token is no session")
	return answer{res, string(raw), nil}
}

// refused checks what a client that was refused is told. challenge is what follows
// the realm; "-" means that there is no challenge.
func refused(t *testing.T, a answer, status int, code, challenge string) {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.body)
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(a.body), &body))
	require.Equal(t, code, body["error"])
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	got := a.Header.Get("WWW-Authenticate")
	if challenge == "-" {
		require.Empty(t, got)
		return
	}
	scheme, params, _ := strings.Cut(got, ", ")
	require.True(t, strings.HasPrefix(scheme, `Bearer realm="demo-`), got)
	require.Equal(t, challenge, params)
}

const (
	expired = `error="invalid_token", error_description="the access token has expired"`
	invalid = `error="invalid_token", error_description="the access token is not valid"`
	revoked = `error="invalid_token", error_description="the access token was revoked"`
)

func flip(raw string, part int) string {
	parts := strings.Split(raw, ".")
	b, _ := base64.RawURLEncoding.DecodeString(parts[part])
	b[len(b)/2] ^= 1
	parts[part] = base64.RawURLEncoding.EncodeToString(b)
	return strings.Join(parts, ".")
}

func unsigned(raw string) string {
	header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`))
	return header + "." + strings.Split(raw, ".")[1] + "."
}

func TestTokenOfTheSession(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		newBrowser(t, app).post("/token", nil, http.StatusUnauthorized)
		b := newBrowser(t, app)
		b.login("alice")
		raw := b.token("")
		page := b.get("/", http.StatusOK).body
		require.Contains(t, page, `id="tokens" data-ready`)
		require.NotContains(t, page, raw)

		a := call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+raw)
		require.Equal(t, http.StatusOK, a.StatusCode, a.body)
		var claims map[string]any
		require.NoError(t, json.Unmarshal([]byte(a.body), &claims))
		require.Equal(t, app.URL, claims["iss"])
		require.Equal(t, "alice", claims["sub"])
		require.Equal(t, "demo-api", claims["aud"])
		require.Equal(t, "profile", claims["scope"])
		require.Equal(t, []any{"admin"}, claims["roles"])
		require.Equal(t, b.devices()[0].Session, claims["sid"])
		require.InDelta(t, 120, claims["exp"].(float64)-claims["iat"].(float64), 6)

		var header map[string]string
		part, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[0])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(part, &header))
		require.Equal(t, map[string]string{"alg": "ES256", "typ": "at+jwt", "kid": app.KeyList()[0].ID}, header)
	})
}

func TestTamperedTokens(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		b.login("alice")
		raw, past, orders := b.token(""), b.token("past"), b.token("orders")
		whoami := app.URL + "/api/whoami"
		bearer := "Bearer " + raw
		for name, c := range map[string]struct {
			answer          answer
			status          int
			code, challenge string
		}{
			"header":            {call(t, http.MethodGet, whoami, "", "Bearer "+flip(raw, 0)), 401, "INVALID_SIGNATURE", invalid},
			"claims":            {call(t, http.MethodGet, whoami, "", "Bearer "+flip(raw, 1)), 401, "INVALID_SIGNATURE", invalid},
			"signature":         {call(t, http.MethodGet, whoami, "", "Bearer "+flip(raw, 2)), 401, "INVALID_SIGNATURE", invalid},
			"alg none":          {call(t, http.MethodGet, whoami, "", "Bearer "+unsigned(raw)), 401, "INVALID_SIGNATURE", invalid},
			"another audience":  {call(t, http.MethodGet, whoami, "", "Bearer "+orders), 401, "INVALID_SIGNATURE", invalid},
			"expired":           {call(t, http.MethodGet, whoami, "", "Bearer "+past), 401, "TOKEN_EXPIRED", expired},
			"expired and bad":   {call(t, http.MethodGet, whoami, "", "Bearer "+flip(past, 2)), 401, "INVALID_SIGNATURE", invalid},
			"none":              {call(t, http.MethodGet, whoami, ""), 401, "MISSING_CREDENTIALS", ""},
			"query":             {call(t, http.MethodGet, whoami+"?access_token="+past, ""), 401, "MISSING_CREDENTIALS", ""},
			"two in one header": {call(t, http.MethodGet, whoami, "", bearer+", "+bearer), 400, "INVALID_REQUEST", `error="invalid_request"`},
			"two headers":       {call(t, http.MethodGet, whoami, "", bearer, bearer), 400, "INVALID_REQUEST", `error="invalid_request"`},
			"header and form":   {call(t, http.MethodPost, whoami, "access_token="+raw, bearer), 400, "INVALID_REQUEST", `error="invalid_request"`},
			"scope": {call(t, http.MethodGet, app.URL+"/api/refunds", "", bearer), 403, "INSUFFICIENT_SCOPE",
				`error="insufficient_scope", scope="refunds:write"`},
			"optional and bad": {call(t, http.MethodGet, app.URL+"/api/greeting", "", "Bearer "+flip(raw, 2)), 401, "INVALID_SIGNATURE", invalid},
		} {
			t.Run(name, func(t *testing.T) { refused(t, c.answer, c.status, c.code, c.challenge) })
		}
		for path, want := range map[string]string{"/api/whoami": "alice", "/api/admin": "alice", "/api/vault": "alice", "/api/greeting": "Hello, alice"} {
			a := call(t, http.MethodGet, app.URL+path, "", bearer)
			require.Equal(t, http.StatusOK, a.StatusCode, a.body)
			require.Contains(t, a.body, want)
		}
		a := call(t, http.MethodGet, app.URL+"/api/greeting", "")
		require.JSONEq(t, `{"greeting":"Hello, whoever you are"}`, a.body)

		// The browser's cookie does not stand in for a token.
		refused(t, b.do(http.MethodGet, "/api/whoami", nil), 401, "MISSING_CREDENTIALS", "")
		other := newBrowser(t, app)
		other.login("bob")
		refused(t, call(t, http.MethodGet, app.URL+"/api/admin", "", "Bearer "+other.token("")), 403, "FORBIDDEN", "-")
	})
}

func TestTokenOfAnotherApplication(t *testing.T) {
	d := startAll(t, gate{}, nil)
	for i, app := range d.apps {
		b := newBrowser(t, app)
		b.login("alice")
		raw := b.token("")
		for _, other := range slices.Delete(slices.Clone(d.apps), i, i+1) {
			refused(t, call(t, http.MethodGet, other.URL+"/api/whoami", "", "Bearer "+raw), 401, "INVALID_SIGNATURE", invalid)
		}
	}
}

func TestTokenDiesWithTheSession(t *testing.T) {
	for _, path := range []string{"/logout", "/devices/revoke-all"} {
		t.Run(strings.TrimLeft(path, "/"), func(t *testing.T) {
			each(t, func(t *testing.T, app *demo.App, _ gate) {
				b, other := loggedIn(t, app, firefox), loggedIn(t, app, chrome)
				raw, theirs := b.token(""), other.token("")
				b.post(path, nil, http.StatusSeeOther)
				refused(t, call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+raw), 401, "TOKEN_REVOKED", revoked)
				a := call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+theirs)
				if path == "/logout" {
					require.Equal(t, http.StatusOK, a.StatusCode, "the other device goes on")
				} else {
					refused(t, a, 401, "TOKEN_REVOKED", revoked)
				}
				b.login("alice")
				a = call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+b.token(""))
				require.Equal(t, http.StatusOK, a.StatusCode, a.body)
			})
		})
	}
}

func TestTimesOfATokenAndItsLogin(t *testing.T) {
	var later atomic.Int64
	d := startAll(t, gate{}, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) {
			b := newBrowser(t, app)
			b.login("alice")
			raw := b.token("")
			later.Add(int64(demo.FreshFor + time.Second))
			refused(t, call(t, http.MethodGet, app.URL+"/api/vault", "", "Bearer "+raw), 401, "STEP_UP_REQUIRED",
				`error="insufficient_user_authentication", max_age="60"`)
			later.Add(int64(2 * time.Minute))
			refused(t, call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+raw), 401, "TOKEN_EXPIRED", expired)
		})
	}
}

func keys(t *testing.T, app *demo.App) (list []demo.Key) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(call(t, http.MethodGet, app.URL+"/keys", "").body), &list))
	return list
}

func states(list []demo.Key) (s []string) {
	for _, k := range list {
		s = append(s, k.State)
	}
	return s
}

func published(t *testing.T, app *demo.App) (kids []string) {
	t.Helper()
	a := call(t, http.MethodGet, app.URL+"/.well-known/jwks.json", "")
	require.Equal(t, "public, max-age=5", a.Header.Get("Cache-Control"))
	var set struct{ Keys []map[string]string }
	require.NoError(t, json.Unmarshal([]byte(a.body), &set))
	for _, k := range set.Keys {
		require.NotContains(t, k, "d", "the private member")
		kids = append(kids, k["kid"])
	}
	return kids
}

func TestRotateAndRevokeKeys(t *testing.T) {
	var later atomic.Int64
	d := startAll(t, gate{}, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) {
			b, stranger := newBrowser(t, app), newBrowser(t, app)
			stranger.login("bob")
			stranger.post("/keys/rotate", nil, http.StatusForbidden)
			b.login("alice")
			old := b.token("")
			require.Equal(t, []string{"signing"}, states(keys(t, app)))

			b.post("/keys/rotate", nil, http.StatusOK)
			require.Equal(t, []string{"announced", "signing"}, states(keys(t, app)))
			require.Len(t, published(t, app), 2, "published before it signs")
			later.Add(int64(11 * time.Second))
			list := keys(t, app)
			require.Equal(t, []string{"signing", "retired"}, states(list))
			raw := b.token("")
			for _, good := range []string{old, raw} {
				require.Equal(t, http.StatusOK, call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+good).StatusCode)
			}

			b.post("/keys/revoke", url.Values{"kid": {"no such key"}}, http.StatusNotFound)
			b.post("/keys/revoke", url.Values{"kid": {list[0].ID}}, http.StatusOK)
			// Whoever stole the key can sign what they like, so nothing that it signed
			// counts as genuine.
			refused(t, call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+raw), 401, "INVALID_SIGNATURE", invalid)
			require.NotContains(t, published(t, app), list[0].ID)
			require.Equal(t, http.StatusOK, call(t, http.MethodGet, app.URL+"/api/whoami", "", "Bearer "+b.token("")).StatusCode, "another key signs")
			require.Equal(t, 1, count(eventNames(t, app, "key_revoked", 1), "key_revoked"))
		})
	}
}

func TestSecondProcess(t *testing.T) {
	listeners := openAll(t, 1)
	orders, stop, err := startChild(issuers(listeners))
	require.NoError(t, err)
	t.Cleanup(stop)
	d := serve(t, listeners, []demo.Stores{{}}, demo.Options{Orders: orders})
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) {
			require.Contains(t, newBrowser(t, app).get("/", http.StatusOK).body, orders+"/orders")
			alice, bob := newBrowser(t, app), newBrowser(t, app)
			alice.login("alice")
			bob.login("bob")
			raw := alice.token("orders")
			for _, target := range []string{orders, app.URL} { // directly, and through the application
				a := call(t, http.MethodGet, target+"/orders", "", "Bearer "+raw)
				require.Equal(t, http.StatusOK, a.StatusCode, a.body)
				var body struct {
					Process int
					Subject string
				}
				require.NoError(t, json.Unmarshal([]byte(a.body), &body))
				require.Equal(t, "alice", body.Subject)
				require.NotEqual(t, os.Getpid(), body.Process)

				for name, c := range map[string]struct {
					authorization []string
					status        int
					code          string
				}{
					"none":              {nil, 401, "MISSING_CREDENTIALS"},
					"for another":       {[]string{"Bearer " + alice.token("")}, 401, "INVALID_SIGNATURE"},
					"tampered":          {[]string{"Bearer " + flip(raw, 1)}, 401, "INVALID_SIGNATURE"},
					"without the scope": {[]string{"Bearer " + bob.token("orders")}, 403, "INSUFFICIENT_SCOPE"},
				} {
					a := call(t, http.MethodGet, target+"/orders", "", c.authorization...)
					require.Equal(t, c.status, a.StatusCode, name)
					require.Contains(t, a.body, `"`+c.code+`"`, name)
					require.True(t, strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer realm="orders"`), name)
				}
			}
			alice.post("/logout", nil, http.StatusSeeOther)
			a := call(t, http.MethodGet, orders+"/orders", "", "Bearer "+raw)
			require.Equal(t, http.StatusOK, a.StatusCode, "it has the keys and not the revocations")
		})
	}
	stop()
	_, err = http.Get(orders)
	require.Error(t, err, "it ended with the demo")
	a := call(t, http.MethodGet, d.apps[0].URL+"/orders", "")
	require.Equal(t, http.StatusBadGateway, a.StatusCode)
}

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
	"github.com/sallyport-go/sallyport/examples/spa"
)

// from makes a request as a page of origin does, with the jar of b. site is what the
// browser says of the two.
func (b *browser) from(origin, site, method, path, contentType, body string, header ...string) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, b.app.URL+path, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Origin", origin)
	req.Header.Set("Sec-Fetch-Site", site)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.http.Do(req)
	require.NoError(b.t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return answer{res, string(raw), nil}
}

// submit sends a form of the application's own page.
func (b *browser) submit(path string, form url.Values) answer {
	b.t.Helper()
	return b.from(b.app.URL, "same-origin", http.MethodPost, path, "application/x-www-form-urlencoded", form.Encode())
}

// field is the token in a page.
func field(t *testing.T, page string) string {
	t.Helper()
	found := regexp.MustCompile(`name="csrf_token" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(t, found, 2, page)
	return found[1]
}

func (b *browser) gifts() string {
	b.t.Helper()
	found := regexp.MustCompile(`id="gifts">(\d+)<`).FindStringSubmatch(b.get("/", http.StatusOK).body)
	require.Len(b.t, found, 2)
	return found[1]
}

// access are the headers of an answer that CORS is about.
func access(h http.Header) map[string]string {
	got := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			got[name] = strings.ToLower(strings.Join(values, "|"))
		}
	}
	return got
}

const jsonType = "application/json"

func TestEveryFormHasAToken(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		visitor := field(t, b.get("/", http.StatusOK).body)
		require.Equal(t, http.StatusForbidden, b.submit("/login", url.Values{"user": {"alice"}, "password": {"wonderland"}}).StatusCode)
		require.Equal(t, http.StatusSeeOther, b.submit("/login",
			url.Values{"user": {"alice"}, "password": {"wonderland"}, "csrf_token": {visitor}}).StatusCode)
		require.Equal(t, http.StatusSeeOther, b.submit("/cart", url.Values{"product": {"Tea"}, "csrf_token": {field(t, b.get("/", http.StatusOK).body)}}).StatusCode)

		home := b.get("/", http.StatusOK).body
		forms := strings.Count(home, `<form method="post"`)
		require.Greater(t, forms, 10)
		require.Equal(t, forms-1, strings.Count(home, `name="csrf_token"`), "all but the one that shows what happens without")
		require.NotContains(t, home, `name="csrf_token" value=""`)
		token := field(t, home)
		require.Contains(t, home, `<meta name="csrf-token" content="`+token+`">`)

		// The token of before the log-in has gone with the visitor.
		for _, try := range []struct {
			token  string
			status int
		}{{token, http.StatusSeeOther}, {visitor, http.StatusForbidden}, {"", http.StatusForbidden}} {
			require.Equal(t, try.status, b.submit("/gift", url.Values{"csrf_token": {try.token}}).StatusCode)
		}
		require.Equal(t, "1", b.gifts())
		script := b.from(app.URL, "same-origin", http.MethodPost, "/gift", "", "", "X-CSRF-Token", token)
		require.Equal(t, http.StatusSeeOther, script.StatusCode)
		require.Equal(t, "2", b.gifts())

		without := b.from(app.URL, "same-origin", http.MethodPost, "/gift", "application/x-www-form-urlencoded", "", "Accept", "text/html")
		require.Equal(t, http.StatusForbidden, without.StatusCode)
		require.Contains(t, without.body, "<code>CSRF_REJECTED</code>")
		lines := events(t, app, "csrf_refused", 4)
		require.Contains(t, lines[len(lines)-1], `"cause":"token-missing"`)
		require.Contains(t, lines[len(lines)-1], `"subject":"alice"`)
	})
}

func TestHostilePage(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		b.login("alice")
		token := field(t, b.get("/", http.StatusOK).body)

		// The form, and the same with a token: where it comes from is enough.
		for _, form := range []string{"", "csrf_token=" + token} {
			forged := b.from(app.Hostile, "same-site", http.MethodPost, "/gift", "application/x-www-form-urlencoded", form)
			require.Equal(t, http.StatusForbidden, forged.StatusCode)
			require.Contains(t, forged.body, `"CSRF_REJECTED"`)
			require.Empty(t, access(forged.Header))
		}
		require.Equal(t, "0", b.gifts())
		for _, line := range events(t, app, "csrf_refused", 2) {
			if strings.Contains(line, "csrf_refused") {
				require.Contains(t, line, `"cause":"cross-site"`)
			}
		}

		// It can ask, and is told nothing.
		for _, path := range []string{"/me", "/csrf", "/"} {
			read := b.from(app.Hostile, "same-site", http.MethodGet, path, "", "")
			require.Equal(t, http.StatusOK, read.StatusCode)
			require.Empty(t, access(read.Header), path)
			require.Contains(t, strings.Join(read.Header.Values("Vary"), ","), "Origin")
		}
		asked := b.from(app.Hostile, "same-site", http.MethodOptions, "/auth/refresh", "", "",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
		require.Equal(t, http.StatusNoContent, asked.StatusCode)
		require.Empty(t, access(asked.Header))
		require.NotEmpty(t, events(t, app, "malicious_cors", 4))

		page := fetchPage(t, app.Hostile+"/")
		require.Contains(t, page.body, `value="`+app.URL+`">`+app.Name)
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Contains(t, fetchPage(t, app.Hostile+"/hostile.js").body, "use strict")
		require.Contains(t, fetchPage(t, app.Hostile+"/style.css").body, ":root")
	})
}

// fetchPage gets what an origin beside the applications serves.
func fetchPage(t *testing.T, address string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(t, err)
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	return answer{res, string(raw), nil}
}

func TestSinglePageApplication(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		require.Empty(t, app.CORS.Warnings())
		page := fetchPage(t, app.SPA+"/")
		require.Contains(t, page.Header.Get("Content-Security-Policy"), app.URL)
		require.Contains(t, fetchPage(t, app.SPA+"/sallyport.js").body, "export class Sallyport")
		var apis []spa.API
		require.NoError(t, json.Unmarshal([]byte(fetchPage(t, app.SPA+"/apis.json").body), &apis))
		require.Len(t, apis, len(frameworks)+1)
		require.Contains(t, apis, spa.API{Name: app.Name, URL: app.URL, Me: "/auth/whoami", Click: "/click"})

		b := newBrowser(t, app)
		allowed := map[string]string{
			"Access-Control-Allow-Origin": app.SPA, "Access-Control-Allow-Credentials": "true",
			"Access-Control-Expose-Headers": "retry-after",
		}
		script := func(method, path, contentType, body string, status int, header ...string) answer {
			t.Helper()
			a := b.from(app.SPA, "same-site", method, path, contentType, body, header...)
			require.Equal(t, status, a.StatusCode, a.body)
			require.Equal(t, allowed, access(a.Header))
			return a
		}
		asked := b.from(app.SPA, "same-site", http.MethodOptions, "/click", "", "",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,x-csrf-token")
		require.Equal(t, http.StatusNoContent, asked.StatusCode)
		require.Equal(t, map[string]string{
			"Access-Control-Allow-Origin": app.SPA, "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Headers": "authorization,content-type,x-csrf-token",
		}, access(asked.Header))
		require.Empty(t, asked.Cookies())

		// Also where it is logged in to the pages, and so brings their session: the token
		// endpoints guard themselves.
		b.login("bob")
		script(http.MethodPost, "/auth/refresh", jsonType, "{}", http.StatusUnauthorized)
		in := script(http.MethodPost, "/auth/login", jsonType, `{"user":"alice","password":"wonderland"}`, http.StatusOK)
		script(http.MethodPost, "/auth/refresh", jsonType, "{}", http.StatusOK)
		var said struct {
			Access string `json:"access_token"`
		}
		require.NoError(t, json.Unmarshal([]byte(in.body), &said))
		bearer := []string{"Authorization", "Bearer " + said.Access}
		me := script(http.MethodGet, "/auth/whoami", "", "", http.StatusOK, bearer...)
		require.Contains(t, me.body, `"sub":"alice"`)

		var proof struct {
			Token string `json:"csrf_token"`
		}
		require.NoError(t, json.Unmarshal([]byte(script(http.MethodGet, "/csrf", "", "", http.StatusOK).body), &proof))
		script(http.MethodPost, "/click", "", "", http.StatusForbidden)
		script(http.MethodPost, "/click", "", "", http.StatusNoContent, "X-CSRF-Token", proof.Token)

		script(http.MethodPost, "/auth/logout", jsonType, "{}", http.StatusNoContent)
		script(http.MethodGet, "/auth/whoami", "", "", http.StatusUnauthorized, bearer...)
		script(http.MethodPost, "/auth/refresh", jsonType, "{}", http.StatusUnauthorized)
	})
}

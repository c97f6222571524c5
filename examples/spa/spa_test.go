package spa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/spa"
)

// TestJourney is what a browser does for sallyport.js, over HTTP, with the programs as a
// reader gets them.
func TestJourney(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "./gin", "./echo", "./fiber")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, name := range []string{"gin", "echo", "fiber"} {
		t.Run(name, func(t *testing.T) { journey(t, filepath.Join(bin, name)) })
	}
}

// serve runs an API on a free port for the pages of origin.
func serve(t *testing.T, program, origin string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	var said bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "ADDR="+addr, "PAGES="+origin, "GIN_MODE=release")
	cmd.Stdout, cmd.Stderr = &said, &said
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	late := time.After(30 * time.Second)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			require.NoError(t, conn.Close())
			return "http://" + addr
		}
		select {
		case <-ended:
			require.FailNow(t, "the program ended", said.String())
		case <-late:
			require.FailNow(t, "the program does not listen")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// page is a page of an origin, in a browser with a cookie jar. It does what the Fetch
// standard says of requests to other origins: it asks first, and hands over no answer
// whose headers do not let it.
type page struct {
	t         *testing.T
	api       string
	origin    string
	fetchSite string
	http      *http.Client
}

func newPage(t *testing.T, api, origin string) page {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return page{t, api, origin, "same-site", &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}}
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

// preflight asks whether a request with these headers may be made.
func (p page) preflight(path, method, headers string) map[string]string {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodOptions, p.api+path, nil)
	require.NoError(p.t, err)
	req.Header.Set("Origin", p.origin)
	req.Header.Set("Access-Control-Request-Method", method)
	req.Header.Set("Access-Control-Request-Headers", headers)
	res, err := (&http.Client{Transport: p.http.Transport}).Do(req) // without the jar
	require.NoError(p.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	require.Equal(p.t, http.StatusNoContent, res.StatusCode)
	require.Empty(p.t, body)
	require.Empty(p.t, res.Header.Values("Set-Cookie"))
	require.Contains(p.t, strings.Join(res.Header.Values("Vary"), ","), "Origin")
	return access(res.Header)
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// send makes a request after the preflight, if any. cookies says whether the jar goes with it.
func (p page) send(method, path, body string, cookies bool, header ...string) answer {
	p.t.Helper()
	req, err := http.NewRequest(method, p.api+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Origin", p.origin)
	req.Header.Set("Sec-Fetch-Site", p.fetchSite)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := *p.http
	if !cookies {
		client.Jar = nil
	}
	res, err := client.Do(req)
	require.NoError(p.t, err)
	defer res.Body.Close()
	a := answer{status: res.StatusCode, header: res.Header}
	raw, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	if len(raw) > 0 {
		require.NoError(p.t, json.Unmarshal(raw, &a.body), string(raw))
	}
	return a
}

const jsonType = "application/json"

func (p page) auth(path, body string) answer {
	p.t.Helper()
	return p.send(http.MethodPost, path, body, true, "Content-Type", jsonType)
}

func journey(t *testing.T, program string) {
	const origin, other = "http://127.0.0.1:3000", "http://127.0.0.1:3001"
	api := serve(t, program, origin)
	p := newPage(t, api, origin)
	credentials := `{"user":"alice","password":"wonderland"}`

	allowed := map[string]string{
		"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
		"Access-Control-Expose-Headers": "retry-after",
	}
	for _, route := range [][3]string{
		{"/auth/login", "POST", "content-type"}, {"/auth/refresh", "POST", "content-type"},
		{"/auth/logout", "POST", "content-type"}, {"/api/me", "GET", "authorization"}, {"/clicks", "POST", "authorization,x-csrf-token"},
	} {
		got := p.preflight(route[0], route[1], route[2])
		require.Equal(t, map[string]string{
			"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Headers": "authorization,content-type,x-csrf-token",
		}, got, route)
	}

	// Nobody is logged in, and the page is told so: a refusal that it could not read
	// would look like an outage.
	first := p.auth("/auth/refresh", "{}")
	require.Equal(t, http.StatusUnauthorized, first.status)
	require.Equal(t, "MISSING_CREDENTIALS", first.body["error"])
	require.Equal(t, allowed, access(first.header))
	wrong := p.auth("/auth/login", `{"user":"alice","password":"rabbit"}`)
	require.Equal(t, http.StatusUnauthorized, wrong.status)
	require.Empty(t, wrong.header.Values("Set-Cookie"))

	in := p.auth("/auth/login", credentials)
	require.Equal(t, http.StatusOK, in.status)
	require.Equal(t, allowed, access(in.header))
	require.NotContains(t, in.body, "refresh_token", "no script is to see it")
	require.Len(t, in.header.Values("Set-Cookie"), 1)
	require.Regexp(t, `^[a-z]+-refresh=[^;]+; Path=/; Max-Age=[0-9]+; HttpOnly; SameSite=Strict$`, in.header.Get("Set-Cookie"))

	bearer := fmt.Sprint("Bearer ", in.body["access_token"])
	me := p.send(http.MethodGet, "/api/me", "", false, "Authorization", bearer)
	require.Equal(t, http.StatusOK, me.status)
	require.Equal(t, map[string]any{"user": "alice"}, me.body)
	require.Equal(t, allowed, access(me.header))

	// A page that is loaded anew knows nothing and has the cookie.
	again := p.auth("/auth/refresh", "{}")
	require.Equal(t, http.StatusOK, again.status)
	require.NotEmpty(t, again.body["access_token"])

	// The session that a cookie names needs the proof.
	proof := p.send(http.MethodGet, "/csrf", "", true)
	require.Equal(t, http.StatusOK, proof.status)
	require.Equal(t, "no-store", proof.header.Get("Cache-Control"))
	require.Equal(t, allowed, access(proof.header))
	token := fmt.Sprint(proof.body["csrf_token"])
	without := p.send(http.MethodPost, "/clicks", "", true)
	require.Equal(t, http.StatusForbidden, without.status)
	require.Equal(t, "CSRF_REJECTED", without.body["error"])
	require.Equal(t, allowed, access(without.header))
	for n := 1; n <= 2; n++ {
		with := p.send(http.MethodPost, "/clicks", "", true, "X-CSRF-Token", token)
		require.Equal(t, http.StatusOK, with.status)
		require.EqualValues(t, n, with.body["clicks"])
	}

	// A page that is not in the policy, with the same jar: ports are no boundary to
	// cookies. It is let in nowhere, and can read nothing.
	hostile := p
	hostile.origin = other
	require.Empty(t, hostile.preflight("/auth/refresh", "POST", "content-type"))
	require.Empty(t, hostile.preflight("/clicks", "POST", "x-csrf-token"))
	stolen := hostile.send(http.MethodGet, "/csrf", "", true)
	require.Empty(t, access(stolen.header))
	for _, path := range []string{"/auth/login", "/auth/refresh", "/auth/logout"} {
		forged := hostile.auth(path, credentials)
		require.Equal(t, http.StatusForbidden, forged.status, path)
		require.Equal(t, "CSRF_REJECTED", forged.body["error"])
		require.Empty(t, access(forged.header))
		require.Empty(t, forged.header.Values("Set-Cookie"))
	}
	forged := hostile.send(http.MethodPost, "/clicks", "", true, "X-CSRF-Token", token)
	require.Equal(t, http.StatusForbidden, forged.status, "even with a token that is good")

	// The log-out ends what the page still has in memory, too.
	out := p.auth("/auth/logout", "{}")
	require.Equal(t, http.StatusNoContent, out.status)
	require.Equal(t, allowed, access(out.header))
	dead := p.send(http.MethodGet, "/api/me", "", false, "Authorization", bearer)
	require.Equal(t, http.StatusUnauthorized, dead.status)
	require.Equal(t, "TOKEN_REVOKED", dead.body["error"])
	last := p.auth("/auth/refresh", "{}")
	require.Equal(t, "MISSING_CREDENTIALS", last.body["error"])
}

func TestHandler(t *testing.T) {
	h := spa.Handler(spa.API{Name: "One", URL: "http://127.0.0.1:8081"}, spa.API{Name: "Two", URL: "http://127.0.0.1:8082", Me: "/me"})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	for path, kind := range map[string]string{
		"/": "text/html", "/app.js": "text/javascript", "/sallyport.js": "text/javascript", "/style.css": "text/css",
		"/apis.json": "application/json",
	} {
		w := get(path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Header().Get("Content-Type"), kind, path)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "connect-src 'self' http://127.0.0.1:8081 http://127.0.0.1:8082;")
	}
	var apis []spa.API
	require.NoError(t, json.Unmarshal(get("/apis.json").Body.Bytes(), &apis))
	require.Equal(t, []spa.API{
		{Name: "One", URL: "http://127.0.0.1:8081", Me: "/api/me", Click: "/clicks"},
		{Name: "Two", URL: "http://127.0.0.1:8082", Me: "/me", Click: "/clicks"},
	}, apis)
	require.Equal(t, http.StatusNotFound, get("/spa.go").Code)
}

// TestModule holds sallyport.js to what it says of itself. What it does is tested in a
// browser.
func TestModule(t *testing.T) {
	raw, err := os.ReadFile("sallyport.js")
	require.NoError(t, err)
	source := string(raw)
	require.LessOrEqual(t, strings.Count(source, "\n"), 200)
	code := regexp.MustCompile(`(?m)^\s*(//|\*|/\*).*$|\s// .*$`).ReplaceAllString(source, "")
	for _, word := range []string{"import", "require(", "localStorage", "sessionStorage", "indexedDB", "document.cookie", "innerHTML", "eval("} {
		require.NotContains(t, code, word)
	}
}

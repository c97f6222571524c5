package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

// gate stands in for the two seconds of a slow request: the test sees it arrive
// and says when it goes on.
type gate struct{ arrived, open chan struct{} }

func (g gate) wait(ctx context.Context) {
	g.arrived <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

// startAll serves every framework on free ports until the test is over, on the
// embedded stores or one node on each of stores.
func startAll(t *testing.T, g gate, now func() time.Time, stores ...demo.Stores) *running {
	t.Helper()
	if stores == nil {
		stores = []demo.Stores{{}}
	}
	return serve(t, openAll(t, len(stores)), stores, demo.Options{Slow: g.wait, Now: now})
}

// openAll opens free ports for nodes of every framework.
func openAll(t *testing.T, nodes int) [][]net.Listener {
	t.Helper()
	listeners := make([][]net.Listener, len(frameworks))
	for i := range frameworks {
		for range nodes {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			listeners[i] = append(listeners[i], l)
		}
	}
	return listeners
}

func serve(t *testing.T, listeners [][]net.Listener, stores []demo.Stores, o demo.Options) *running {
	t.Helper()
	var others [2]net.Listener
	for i := range others {
		var err error
		others[i], err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	d, err := start(listeners, others, stores, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, d.stop(), "everything ends within the time that stop allows")
		for range d.servers {
			if err := <-d.failed; err != nil {
				require.ErrorIs(t, err, http.ErrServerClosed)
			}
		}
	})
	return d
}

// each runs a test in every framework.
func each(t *testing.T, f func(t *testing.T, app *demo.App, g gate)) {
	g := gate{make(chan struct{}), make(chan struct{})}
	d := startAll(t, g, nil)
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) { f(t, app, g) })
	}
}

// browser has a cookie jar and follows no redirect by itself.
type browser struct {
	t     *testing.T
	app   *demo.App
	http  http.Client
	agent string
}

func newBrowser(t *testing.T, app *demo.App) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, app: app, http: http.Client{
		Jar: jar, Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type answer struct {
	*http.Response
	body string
	err  error
}

func (b *browser) do(method, path string, form url.Values) answer {
	req, err := http.NewRequest(method, b.app.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("User-Agent", b.agent)
	req.Header.Set("Accept", "text/html")
	if path == "/me" || path == "/slow" || path == "/late" || strings.HasPrefix(path, "/api/") {
		req.Header.Set("Accept", "*/*")
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res, string(body), err}
}

func (b *browser) get(path string, status int) answer {
	b.t.Helper()
	return b.expect(b.do(http.MethodGet, path, nil), status)
}

func (b *browser) post(path string, form url.Values, status int) answer {
	b.t.Helper()
	return b.expect(b.do(http.MethodPost, path, form), status)
}

func (b *browser) expect(a answer, status int) answer {
	b.t.Helper()
	require.NoError(b.t, a.err)
	require.Equal(b.t, status, a.StatusCode, a.body)
	require.Equal(b.t, "no-store", a.Header.Get("Cache-Control"))
	return a
}

func (b *browser) login(name string) {
	b.t.Helper()
	i := slices.IndexFunc(demo.Users, func(u demo.User) bool { return u.Name == name })
	a := b.post("/login", url.Values{"user": {name}, "password": {demo.Users[i].Password}}, http.StatusSeeOther)
	require.Len(b.t, a.Cookies(), 1)
	require.Equal(b.t, "/", a.Header.Get("Location"))
}

// id is the value of the session cookie, "" if there is none.
func (b *browser) id() string {
	u, err := url.Parse(b.app.URL)
	require.NoError(b.t, err)
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == b.app.Sessions.Cookie().Name() {
			return c.Value
		}
	}
	return ""
}

// replay asks who the owner of an id is, as somebody would who stole it.
func replay(t *testing.T, app *demo.App, id string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, app.URL+"/me", nil)
	require.NoError(t, err)
	req.AddCookie(&http.Cookie{Name: app.Sessions.Cookie().Name(), Value: id})
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Empty(t, res.Header.Values("Set-Cookie"))
	return res.StatusCode
}

func TestLoginAndLogout(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		page := b.get("/", http.StatusOK)
		require.Contains(t, page.body, "Nobody is logged in.")
		require.Contains(t, page.body, `aria-current="true">`+app.Name+"<")
		require.Equal(t, "text/html; charset=utf-8", strings.ToLower(page.Header.Get("Content-Type")))
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "default-src 'none'")
		visitor := b.id()
		require.NotEmpty(t, visitor)

		b.post("/cart", url.Values{"product": {"Tea"}}, http.StatusSeeOther)
		b.post("/cart", url.Values{"product": {"Tea"}}, http.StatusSeeOther)
		b.post("/cart", url.Values{"product": {"<b>Gin</b>"}}, http.StatusBadRequest)
		b.get("/me", http.StatusUnauthorized)
		wrong := b.post("/login", url.Values{"user": {"alice"}, "password": {"rabbit"}}, http.StatusForbidden)
		require.Contains(t, wrong.body, demo.WrongCredentials)
		require.Equal(t, visitor, b.id())

		b.login("alice")
		require.NotEqual(t, visitor, b.id(), "a login changes the id")
		require.Equal(t, http.StatusUnauthorized, replay(t, app, visitor))
		page = b.get("/", http.StatusOK)
		require.Contains(t, page.body, "<strong>alice</strong>")
		require.Contains(t, page.body, "Hello alice.")
		require.Contains(t, page.body, `Tea <span class="tag">2</span>`, "the cart travels through the login")
		require.NotContains(t, b.get("/", http.StatusOK).body, "Hello alice.", "a flash is shown once")
		require.NotContains(t, page.body, b.id(), "the id is on no page")

		var me demo.Me
		require.NoError(t, json.Unmarshal([]byte(b.get("/me", http.StatusOK).body), &me))
		require.Equal(t, "alice", me.Subject)
		require.Equal(t, []string{"admin"}, me.Roles)
		require.Contains(t, page.body, me.Session)

		last := b.id()
		b.post("/logout", nil, http.StatusSeeOther)
		require.Empty(t, b.id(), "the browser forgets the cookie")
		require.Equal(t, http.StatusUnauthorized, replay(t, app, last), "and the server the session")
		require.Contains(t, b.get("/", http.StatusOK).body, "Nobody is logged in.")
	})
}

func TestGuards(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		refused := b.get("/admin", http.StatusUnauthorized)
		require.Contains(t, refused.body, "MISSING_CREDENTIALS")
		require.Contains(t, refused.body, "<h1>401: authentication is required</h1>")

		b.login("bob")
		b.get("/vault", http.StatusOK)
		require.Contains(t, b.get("/admin", http.StatusForbidden).body, "FORBIDDEN")
		b.post("/logout", nil, http.StatusSeeOther)

		b.login("alice")
		b.get("/admin", http.StatusOK)
		handle := func() string {
			var me demo.Me
			require.NoError(t, json.Unmarshal([]byte(b.get("/me", http.StatusOK).body), &me))
			return me.Session
		}
		id, name := b.id(), handle()
		b.post("/step-up", url.Values{"password": {"rabbit"}}, http.StatusForbidden)
		require.Equal(t, id, b.id())
		a := b.post("/step-up", url.Values{"password": {"wonderland"}, "to": {"//evil.example"}}, http.StatusSeeOther)
		require.Equal(t, "/", a.Header.Get("Location"))
		require.NotEqual(t, id, b.id())
		require.Equal(t, name, handle(), "it is the same session")
	})
}

func TestVaultWantsAFreshProof(t *testing.T) {
	var later atomic.Int64
	d := startAll(t, gate{}, func() time.Time { return time.Now().Add(time.Duration(later.Load())) })
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) {
			b := newBrowser(t, app)
			b.login("alice")
			require.Contains(t, b.get("/vault", http.StatusOK).body, "The vault")
			later.Add(int64(demo.FreshFor + time.Second))
			refused := b.get("/vault", http.StatusUnauthorized)
			require.Contains(t, refused.body, "STEP_UP_REQUIRED")
			require.Contains(t, refused.body, `action="/step-up"`)
			require.Contains(t, refused.Header.Get("WWW-Authenticate"), `error="insufficient_user_authentication", max_age="60"`)
			b.get("/me", http.StatusOK)
			a := b.submit("/step-up", url.Values{"password": {"wonderland"}, "to": {"vault"}, "csrf_token": {field(t, refused.body)}})
			require.Equal(t, http.StatusSeeOther, a.StatusCode)
			require.Equal(t, "/vault", a.Header.Get("Location"))
			b.get("/vault", http.StatusOK)
		})
	}
}

func TestFixation(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		r, err := app.Fixation(t.Context())
		require.NoError(t, err)
		require.True(t, r.Refused, "%+v", r.Steps)
		require.Len(t, r.Steps, 6)
		ids := []string{r.Steps[0].ID, r.Steps[1].ID, r.Steps[2].ID}
		slices.Sort(ids)
		require.Len(t, slices.Compact(ids), 3, "three different ids: chosen, before and after the login")

		b := newBrowser(t, app)
		b.post("/attack/fixation", nil, http.StatusSeeOther)
		require.Contains(t, b.get("/", http.StatusOK).body, "Refused.")
		require.NotContains(t, b.get("/", http.StatusOK).body, "Refused.")
	})
}

func TestSlowRequestsAgainstLogout(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, g gate) {
		b := newBrowser(t, app)
		b.login("alice")
		id := b.id()

		late := make(chan answer)
		for _, path := range []string{"/slow", "/slow", "/late"} {
			go func() { late <- b.do(http.MethodPost, path, nil) }()
			<-g.arrived
		}
		b.post("/logout", nil, http.StatusSeeOther)
		for range 3 {
			g.open <- struct{}{}
		}
		for range 3 {
			a := b.expect(<-late, http.StatusUnauthorized)
			require.JSONEq(t, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`, a.body)
			require.Empty(t, a.Header.Values("Set-Cookie"), "a late answer touches no cookie")
		}
		require.Equal(t, http.StatusUnauthorized, replay(t, app, id), "the session stays dead")
		require.Empty(t, b.id())
		names := eventNames(t, app, "session_use_after_expire", 2) // /late and the replay
		require.Equal(t, 2, count(names, "session_write_dropped"))
		require.Equal(t, 1, count(names, "session_expired"))
	})
}

func TestTenParallelIncrements(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		b := newBrowser(t, app)
		b.get("/", http.StatusOK)
		done := make(chan answer)
		for range 10 {
			go func() { done <- b.do(http.MethodPost, "/click", nil) }()
		}
		for range 10 {
			b.expect(<-done, http.StatusNoContent)
		}
		require.JSONEq(t, `{"clicks":10}`, b.get("/clicks", http.StatusOK).body)
	})
}

func TestEventsAreEscaped(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		req, err := http.NewRequest(http.MethodGet, app.URL+"/", nil)
		require.NoError(t, err)
		req.Header.Set("User-Agent", "<script>alert(1)</script>")
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		lines := events(t, app, "session_created", 1)
		require.Contains(t, lines[len(lines)-1], `\u003cscript\u003e`)
		require.NotContains(t, lines[len(lines)-1], "<script>")
	})
}

// events reads the stream of events until name has come n times.
func events(t *testing.T, app *demo.App, name string, n int) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, app.URL+"/events", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		line, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		lines = append(lines, line)
		if strings.Contains(line, `"name":"`+name+`"`) {
			n--
		}
		if n == 0 {
			return lines
		}
	}
	require.NoError(t, in.Err())
	t.Fatalf("the stream ended after %q", lines)
	return nil
}

func eventNames(t *testing.T, app *demo.App, name string, n int) (names []string) {
	t.Helper()
	for _, line := range events(t, app, name, n) {
		var e demo.Event
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		names = append(names, e.Name)
	}
	return names
}

func count(list []string, s string) (n int) {
	for _, e := range list {
		if e == s {
			n++
		}
	}
	return n
}

func TestRunEndsWithItsContext(t *testing.T) {
	// A port of the table may be taken on this machine; that is part of the test.
	l, err := net.Listen("tcp", "127.0.0.1:8081")
	if err == nil {
		defer l.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, in, config{nodes: 1}); in.Close() }()
	text := bufio.NewScanner(out)
	require.True(t, text.Scan())
	require.Equal(t, "127.0.0.1:8081 is taken, so Gin gets a free port.", text.Text())
	cancel()
	for text.Scan() {
	}
	require.NoError(t, <-done)
}

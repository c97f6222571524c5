package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	chrome  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)

// loggedIn is a browser of alice's.
func loggedIn(t *testing.T, app *demo.App, agent string) *browser {
	t.Helper()
	b := newBrowser(t, app)
	b.agent = agent
	b.login("alice")
	return b
}

// on is the same browser on another node: its cookies do not know ports.
func (b *browser) on(app *demo.App) *browser {
	other := *b
	other.app = app
	return &other
}

func (b *browser) devices() (list []demo.Device) {
	b.t.Helper()
	require.NoError(b.t, json.Unmarshal([]byte(b.get("/devices", http.StatusOK).body), &list))
	return list
}

// names is what the list says, the asking device marked.
func (b *browser) names() (names []string) {
	b.t.Helper()
	for _, d := range b.devices() {
		require.Equal(b.t, "password", d.Method)
		require.NotEmpty(b.t, d.Session)
		require.False(b.t, d.Created.IsZero() || d.Used.Before(d.Created))
		if d.Current {
			d.Name += " (this)"
		}
		names = append(names, d.Name)
	}
	return names
}

func TestDevicesOfTwoBrowsers(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		newBrowser(t, app).get("/devices", http.StatusUnauthorized)
		first, second := loggedIn(t, app, firefox), loggedIn(t, app, chrome)
		stranger := newBrowser(t, app)
		stranger.login("bob")
		require.Equal(t, []string{"Firefox, Linux (this)", "Chrome, Windows"}, first.names())
		require.Equal(t, []string{"Firefox, Linux", "Chrome, Windows (this)"}, second.names())
		require.Len(t, stranger.names(), 1)

		page := first.get("/", http.StatusOK).body
		require.Contains(t, page, "Where alice is logged in")
		require.Equal(t, 1, strings.Count(page, "this device</span></p>"))
		for _, d := range first.devices() {
			require.Contains(t, page, `name="session" value="`+d.Session+`"`)
			require.NotContains(t, stranger.get("/", http.StatusOK).body, d.Session)
		}
	})
}

func TestRevokeOneDevice(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		first, second := loggedIn(t, app, firefox), loggedIn(t, app, chrome)
		stranger := newBrowser(t, app)
		stranger.login("bob")
		devices := first.devices()
		revoke := func(b *browser, handle string) string {
			t.Helper()
			a := b.post("/devices/revoke", url.Values{"session": {handle}}, http.StatusSeeOther)
			require.Equal(t, "/#h-devices", a.Header.Get("Location"))
			return b.get("/", http.StatusOK).body
		}
		for _, handle := range []string{"", "no handle", devices[1].Session} {
			require.Contains(t, revoke(stranger, handle), "You are not logged in on such a device.")
		}
		second.get("/me", http.StatusOK)

		require.Contains(t, revoke(first, devices[1].Session), "That device is logged out.")
		second.get("/me", http.StatusUnauthorized)
		require.Equal(t, []string{"Firefox, Linux (this)"}, first.names())

		last := first.id()
		a := first.post("/devices/revoke", url.Values{"session": {devices[0].Session}}, http.StatusSeeOther)
		require.Len(t, a.Cookies(), 1, "it is a log-out, which takes the cookie away")
		require.Empty(t, first.id())
		require.Equal(t, http.StatusUnauthorized, replay(t, app, last))
		require.Contains(t, first.get("/", http.StatusOK).body, "Nobody is logged in.")
	})
}

func TestRevokeOthersGivesANewID(t *testing.T) {
	for _, step := range []struct{ path, notice string }{
		{"/devices/revoke-others", "Every other device is logged out, and this device has a new id."},
		{"/password", "This device has a new id and every other one is logged out"},
	} {
		t.Run(strings.TrimLeft(step.path, "/"), func(t *testing.T) {
			each(t, func(t *testing.T, app *demo.App, _ gate) {
				first, second := loggedIn(t, app, firefox), loggedIn(t, app, chrome)
				handle, id := first.devices()[0].Session, first.id()
				first.post(step.path, nil, http.StatusSeeOther)
				require.NotEqual(t, id, first.id())
				require.Equal(t, http.StatusUnauthorized, replay(t, app, id), "the old id is worth nothing from now on")
				second.get("/me", http.StatusUnauthorized)
				require.Equal(t, []string{"Firefox, Linux (this)"}, first.names())
				require.Equal(t, handle, first.devices()[0].Session, "it is the same session")
				require.Contains(t, first.get("/", http.StatusOK).body, step.notice)
			})
		})
	}
}

func TestLogOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, app *demo.App, _ gate) {
		first, second := loggedIn(t, app, firefox), loggedIn(t, app, chrome)
		last := first.id()
		first.post("/devices/revoke-all", nil, http.StatusSeeOther)
		require.Empty(t, first.id(), "the browser forgets the cookie")
		require.Equal(t, http.StatusUnauthorized, replay(t, app, last))
		second.get("/me", http.StatusUnauthorized)
		first.login("alice")
		require.Equal(t, []string{"Firefox, Linux (this)"}, first.names(), "what was ended before a login does not end it")
	})
}

func TestTwoNodesOverOneRedis(t *testing.T) {
	addr, stop, err := startRedis()
	require.NoError(t, err)
	t.Cleanup(stop)
	stores, disconnect, err := connect(t.Context(), addr, 2, demo.NewClock(time.Now))
	require.NoError(t, err)
	t.Cleanup(disconnect)
	d := startAll(t, gate{}, nil, stores...)
	require.Len(t, d.apps, 2*len(frameworks))
	for i, f := range frameworks {
		one, two := d.apps[2*i], d.apps[2*i+1]
		t.Run(f.name, func(t *testing.T) {
			first, second := loggedIn(t, one, firefox), loggedIn(t, two, chrome)
			for _, app := range []*demo.App{one, two} {
				require.Equal(t, []string{"Firefox, Linux (this)", "Chrome, Windows"}, first.on(app).names())
				require.Equal(t, []string{"Firefox, Linux", "Chrome, Windows (this)"}, second.on(app).names())
			}
			page := first.on(two).get("/", http.StatusOK).body
			require.Contains(t, page, `aria-current="true">`+f.name+" node 2<")
			require.Equal(t, 1, strings.Count(page, "aria-current"))
			require.Contains(t, page, "This is <strong>node 2</strong>.")

			bearer := "Bearer " + first.token("")
			for _, app := range []*demo.App{one, two} {
				require.Equal(t, http.StatusOK, call(t, http.MethodGet, app.URL+"/api/whoami", "", bearer).StatusCode)
			}
			last := first.id()
			first.post("/logout", nil, http.StatusSeeOther)
			refused(t, call(t, http.MethodGet, two.URL+"/api/whoami", "", bearer), 401, "TOKEN_REVOKED", revoked)
			require.Equal(t, http.StatusUnauthorized, replay(t, two, last), "log out on one node, and the other refuses")
			require.Equal(t, []string{"Chrome, Windows (this)"}, second.names())

			first.on(two).login("alice")
			second.on(one).post("/devices/revoke-others", nil, http.StatusSeeOther)
			first.on(two).get("/me", http.StatusUnauthorized)
			second.on(two).get("/me", http.StatusOK)
		})
	}
}

func TestNodesNeedRedis(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  config
		want string
	}{
		"no node":             {config{nodes: 0}, "-nodes must be 1 to 9"},
		"too many nodes":      {config{nodes: 10, redis: "start"}, "-nodes must be 1 to 9"},
		"nodes without it":    {config{nodes: 2}, "several nodes need -redis"},
		"nobody is listening": {config{nodes: 2, redis: "127.0.0.1:1"}, "redis at 127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, run(t.Context(), t.Output(), c.cfg), c.want) })
	}
}

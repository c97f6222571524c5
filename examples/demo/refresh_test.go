package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/examples/internal/demo"
)

// stopped is a clock that only the demo's own buttons move.
func stopped() *demo.Clock {
	now := time.Now()
	return demo.NewClock(func() time.Time { return now })
}

// eachStopped runs a test in every framework, with the clock of the refresh tokens
// stopped.
func eachStopped(t *testing.T, f func(t *testing.T, app *demo.App, g gate)) {
	g := gate{make(chan struct{}), make(chan struct{})}
	d := serve(t, openAll(t, 1), []demo.Stores{{}}, demo.Options{Clock: stopped(), Slow: g.wait})
	for _, app := range d.apps {
		t.Run(app.Name, func(t *testing.T) { f(t, app, g) })
	}
}

// granted is an answer with tokens. Refresh is what the cookie was set to, "" if it was
// left alone.
type granted struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

// visitor is a browser that shows the card, and remembers the last event that it saw.
type visitor struct {
	*browser
	last uint64
}

func visit(t *testing.T, app *demo.App) *visitor {
	v := &visitor{browser: newBrowser(t, app)}
	v.play("")
	return v
}

// ask is a request as the page's script makes it.
func (v *visitor) ask(path, body string) answer {
	req, err := http.NewRequest(http.MethodPost, v.app.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", v.app.URL)
	res, err := v.http.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return answer{res, string(raw), err}
}

func (v *visitor) send(path, body string, status int) granted {
	v.t.Helper()
	return v.read(v.ask(path, body), status)
}

func (v *visitor) read(a answer, status int) (g granted) {
	v.t.Helper()
	v.expect(a, status)
	if a.body != "" {
		require.NoError(v.t, json.Unmarshal([]byte(a.body), &g))
	}
	require.Empty(v.t, g.Refresh, "no script is to see it")
	for _, c := range a.Cookies() {
		if c.Name == v.app.Rotator.Cookie().Name() && c.MaxAge >= 0 {
			require.True(v.t, c.HttpOnly)
			require.Equal(v.t, http.SameSiteStrictMode, c.SameSite)
			g.Refresh = c.Value
		}
	}
	return g
}

func (v *visitor) logIn(user, password string) granted {
	v.t.Helper()
	g := v.send("/auth/login", `{"user":"`+user+`","password":"`+password+`"}`, http.StatusOK)
	require.NotEmpty(v.t, g.Refresh)
	require.Equal(v.t, g.Refresh, v.jar())
	return g
}

func (v *visitor) refresh(status int) granted {
	v.t.Helper()
	return v.send("/auth/refresh", "{}", status)
}

// jar is the refresh token that the browser has.
func (v *visitor) jar() string {
	u, err := url.Parse(v.app.URL)
	require.NoError(v.t, err)
	for _, c := range v.http.Jar.Cookies(u) {
		if c.Name == v.app.Rotator.Cookie().Name() {
			return c.Value
		}
	}
	return ""
}

// use presents an access token and wants the code, "" if it is to be good.
func (v *visitor) use(access, code string) {
	v.t.Helper()
	a := call(v.t, http.MethodGet, v.app.URL+"/auth/whoami", "", "Bearer "+access)
	switch code {
	case "":
		require.Equal(v.t, http.StatusOK, a.StatusCode, a.body)
	case "TOKEN_EXPIRED":
		refused(v.t, a, 401, code, expired)
	default:
		refused(v.t, a, 401, code, revoked)
	}
}

func (v *visitor) play(act string) (scene demo.Scene) {
	v.t.Helper()
	a := v.post("/auth/play", url.Values{"act": {act}, "after": {strconv.FormatUint(v.last, 10)}}, http.StatusOK)
	require.NoError(v.t, json.Unmarshal([]byte(a.body), &scene))
	require.NotNil(v.t, scene.Events, "the script goes through them")
	for _, secret := range []string{v.jar(), "eyJhbGciOi"} {
		if secret != "" {
			require.NotContains(v.t, a.body, secret, "the page is shown fingerprints")
		}
	}
	v.last = scene.Last
	return scene
}

// told is the demo's own request and what the events say of it.
func (v *visitor) told(act string, status int, code string, causes ...string) demo.Scene {
	v.t.Helper()
	scene := v.play(act)
	require.Equal(v.t, status, scene.Status)
	require.Equal(v.t, code, scene.Error)
	require.Equal(v.t, causes, reasons(scene))
	return scene
}

// causes are those of the events since the last look.
func (v *visitor) causes(want ...string) demo.Scene {
	v.t.Helper()
	return v.told("", 0, "", want...)
}

// reasons are what the page makes its sentences of.
func reasons(scene demo.Scene) (list []string) {
	for _, e := range scene.Events {
		switch e.Name {
		case "refresh_token_rotated", "authn_token_reuse", "refresh_family_expired", "refresh_token_refused", "token_refused", "subject_revoked":
			list = append(list, strings.TrimPrefix(e.Name, "refresh_")+" "+e.Cause)
		}
	}
	return list
}

func TestTabsConverge(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, g gate) {
		v := visit(t, app)
		old := v.logIn("alice", "wonderland")
		v.play("minute")
		late := make(chan answer)
		for range 2 {
			go func() { late <- v.ask("/auth/refresh-late", "{}") }()
			<-g.arrived
		}
		g.open <- struct{}{}
		g.open <- struct{}{}
		a, b := v.read(<-late, http.StatusOK), v.read(<-late, http.StatusOK)
		require.NotEmpty(t, a.Refresh)
		require.NotEqual(t, old.Refresh, a.Refresh)
		require.Equal(t, a.Refresh, b.Refresh, "the same bytes")
		require.NotEqual(t, a.Access, b.Access)
		v.use(a.Access, "")
		v.use(b.Access, "")
		require.ElementsMatch(t, []string{"token_rotated rotated", "token_rotated repeated"}, reasons(v.play("")))

		again := v.refresh(http.StatusOK)
		require.Empty(t, again.Refresh, "an answer that replaces nothing does not touch the jar")
		v.use(again.Access, "")
		v.causes("token_rotated coalesced")
	})
}

func TestLostAnswer(t *testing.T) {
	for _, wait := range []struct{ act, cause string }{{"", "repeated"}, {"minute", "late-repeat"}, {"hour", "late-repeat"}} {
		t.Run("retried after "+wait.act, func(t *testing.T) {
			eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
				v := visit(t, app)
				old := v.logIn("alice", "wonderland")
				scene := v.told("lose", 200, "", "token_rotated rotated")
				require.Empty(t, scene.Thief, "nobody has it")
				require.Equal(t, old.Refresh, v.jar())
				v.play(wait.act)
				got := v.refresh(http.StatusOK)
				require.NotEmpty(t, got.Refresh)
				require.NotEqual(t, old.Refresh, got.Refresh)
				v.causes("token_rotated " + wait.cause)
				v.use(got.Access, "")
				v.play("minute")
				require.NotEmpty(t, v.refresh(http.StatusOK).Refresh, "and it goes on")
			})
		})
	}
}

func TestCaughtAnswerIsVoided(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v := visit(t, app)
		v.logIn("alice", "wonderland")
		scene := v.told("catch", 200, "", "token_rotated rotated")
		require.True(t, scene.ThiefAccess)
		require.NotEqual(t, scene.Jar, scene.Thief)
		v.play("minute")
		mine := v.refresh(http.StatusOK)
		scene = v.causes("token_rotated late-repeat")
		require.Equal(t, scene.Jar, scene.Thief, "what was lost, byte for byte")
		v.told("use", 401, "TOKEN_REVOKED", "token_refused revoked")
		v.use(mine.Access, "")

		// The refresh token he has is the victim's, and to use it is to be found out.
		v.play("minute")
		v.told("refresh", 200, "", "token_rotated rotated")
		v.told("use", 200, "")
		v.play("minute")
		require.Equal(t, "INVALID_GRANT", v.refresh(http.StatusBadRequest).Error)
	})
}

func TestThiefIsExposed(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v := visit(t, app)
		mine := v.logIn("alice", "wonderland")
		require.Equal(t, v.play("").Jar, v.play("steal").Thief)
		v.play("minute")
		scene := v.told("refresh", 200, "", "token_rotated rotated")
		require.NotEqual(t, scene.Jar, scene.Thief)
		v.told("use", 200, "")
		v.use(mine.Access, "")
		v.play("minute")

		require.Equal(t, "INVALID_GRANT", v.refresh(http.StatusBadRequest).Error)
		v.causes("authn_token_reuse reuse:late-after-confirm", "family_expired reuse:late-after-confirm")
		require.Equal(t, mine.Refresh, v.jar(), "a refusal deletes no cookie")
		v.told("refresh", 400, "INVALID_GRANT", "token_refused gone")
		v.told("use", 401, "TOKEN_REVOKED", "token_refused revoked")
		v.use(mine.Access, "TOKEN_REVOKED")

		again := v.logIn("alice", "wonderland")
		v.use(again.Access, "")
	})
}

func TestLogoutEndsTheFamily(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v, other := visit(t, app), visit(t, app)
		mine, theirs := v.logIn("alice", "wonderland"), other.logIn("alice", "wonderland")
		v.play("steal")
		v.send("/auth/logout", "{}", http.StatusNoContent)
		require.Empty(t, v.jar(), "the browser forgets the cookie")
		v.causes("family_expired logout")
		v.use(mine.Access, "TOKEN_REVOKED")
		v.play("")
		v.told("refresh", 400, "INVALID_GRANT", "token_refused gone")
		other.use(theirs.Access, "")
		require.NotEmpty(t, other.refresh(http.StatusOK).Access, "the other device goes on")
	})
}

func TestLogoutEverywhereEndsAllFamilies(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v, other, stranger := visit(t, app), visit(t, app), visit(t, app)
		mine, theirs := v.logIn("alice", "wonderland"), other.logIn("alice", "wonderland")
		bobs := stranger.logIn("bob", "builder")
		v.play("steal")
		everywhere := func(authorization ...string) int {
			req, err := http.NewRequest(http.MethodPost, app.URL+"/auth/logout-everywhere", nil)
			require.NoError(t, err)
			req.Header["Authorization"] = authorization
			res, err := v.http.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode
		}
		require.Equal(t, http.StatusUnauthorized, everywhere(), "a cookie does not stand in for a token")
		v.use(mine.Access, "")
		require.Equal(t, http.StatusNoContent, everywhere("Bearer "+mine.Access))
		v.causes("subject_revoked all")
		v.use(mine.Access, "TOKEN_REVOKED")
		other.use(theirs.Access, "TOKEN_REVOKED")
		require.Equal(t, "INVALID_GRANT", v.refresh(http.StatusBadRequest).Error)
		require.Equal(t, "INVALID_GRANT", other.refresh(http.StatusBadRequest).Error)
		v.play("")
		v.told("refresh", 400, "INVALID_GRANT", "token_refused gone")
		stranger.use(bobs.Access, "")
		v.use(v.logIn("alice", "wonderland").Access, "")
	})
}

func TestAnHourLater(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v := visit(t, app)
		mine := v.logIn("alice", "wonderland")
		v.post("/login", url.Values{"user": {"alice"}, "password": {"wonderland"}}, http.StatusSeeOther)
		before := v.play("").Clock
		require.NotEqual(t, before, v.play("hour").Clock)
		v.use(mine.Access, "TOKEN_EXPIRED")
		v.use(v.refresh(http.StatusOK).Access, "")
		v.get("/me", http.StatusOK) // sessions have another clock
	})
}

func TestRefreshRefusals(t *testing.T) {
	eachStopped(t, func(t *testing.T, app *demo.App, _ gate) {
		v := visit(t, app)
		page := v.get("/", http.StatusOK).body
		require.Contains(t, page, `id="refresh"`)
		for _, body := range []string{`{"user":"alice","password":"rabbit"}`, `{"user":1}`, `{`, ``} {
			require.Equal(t, "MISSING_CREDENTIALS", v.send("/auth/login", body, http.StatusUnauthorized).Error)
		}
		require.Equal(t, "MISSING_CREDENTIALS", v.refresh(http.StatusUnauthorized).Error)
		v.told("refresh", 401, "MISSING_CREDENTIALS")
		v.told("use", 401, "MISSING_CREDENTIALS")
		v.post("/auth/play", url.Values{"act": {"rob"}}, http.StatusBadRequest)

		mine := v.logIn("alice", "wonderland")
		require.Contains(t, v.post("/auth/refresh", nil, http.StatusForbidden).body, "CSRF_REJECTED", "it says nothing of where it comes from")
		require.Equal(t, mine.Refresh, v.jar())
		require.NotEmpty(t, v.refresh(http.StatusOK).Refresh)
	})
}

func TestRefreshOnTwoNodes(t *testing.T) {
	addr, stop, err := startRedis()
	require.NoError(t, err)
	t.Cleanup(stop)
	clock := stopped()
	stores, disconnect, err := connect(t.Context(), addr, 2, clock)
	require.NoError(t, err)
	t.Cleanup(disconnect)
	d := serve(t, openAll(t, 2), stores, demo.Options{Clock: clock})
	for i, f := range frameworks {
		t.Run(f.name, func(t *testing.T) {
			one := visit(t, d.apps[2*i])
			two := &visitor{browser: one.on(d.apps[2*i+1])}
			mine := one.logIn("alice", "wonderland")
			two.play("steal")
			two.play("minute")
			two.told("refresh", 200, "", "token_rotated rotated")
			one.told("use", 200, "")
			one.play("minute")
			require.Equal(t, "INVALID_GRANT", two.refresh(http.StatusBadRequest).Error)
			two.causes("authn_token_reuse reuse:late-after-confirm", "family_expired reuse:late-after-confirm")
			one.use(mine.Access, "TOKEN_REVOKED")
			two.use(mine.Access, "TOKEN_REVOKED")

			one.logIn("alice", "wonderland")
			one.play("lose")
			two.play("hour")
			require.NotEmpty(t, two.refresh(http.StatusOK).Refresh)
			two.causes("token_rotated late-repeat")
		})
	}
}

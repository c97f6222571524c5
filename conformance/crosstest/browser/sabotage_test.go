package browser

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core/cookie"
)

// sabotage is a world in which something is missing. The checks that it names must notice:
// one that cannot fail proves nothing.
type sabotage struct {
	name, what string
	setup      func(w *world, app, framed *setup)
	answer     func(*http.Response) // done to every answer
	noLocks    bool                 // browsers have no Web Locks
	caught     []string
}

var sabotages = []sabotage{
	{
		name: "cors-open", what: "every origin is allowed with credentials",
		answer: func(res *http.Response) {
			if o := res.Request.Header.Get("Origin"); o != "" {
				h := res.Header
				h.Set("Access-Control-Allow-Origin", o)
				h.Set("Access-Control-Allow-Credentials", "true")
				h.Set("Access-Control-Allow-Methods", "PUT, PATCH")
				h.Set("Access-Control-Allow-Headers", "X-Thing, X-Other")
			}
		},
		caught: []string{"cors/unlisted-origin", "cors/preflight-refused"},
	},
	{
		name: "cors-without-credentials", what: "the policy does not allow credentials",
		setup:  func(_ *world, app, _ *setup) { app.cors.Credentials = false },
		caught: []string{"cors/listed-origin", "cors/preflight-allowed"},
	},
	{
		name: "cors-left-out", what: "there is no CORS middleware",
		setup:  func(_ *world, app, _ *setup) { app.noCORS = true },
		caught: []string{"cors/listed-origin", "cors/preflight-allowed"},
	},
	{
		name: "csrf-left-out", what: "there is no CSRF middleware",
		setup: func(_ *world, app, _ *setup) { app.noCSRF = true },
		caught: []string{"samesite/sibling", "csrf/own-form-without-token", "csrf/cross-site-form", "csrf/origin-null",
			"csrf/login-form"},
	},
	{
		name: "csrf-without-tokens", what: "layer two is off",
		setup:  func(_ *world, app, _ *setup) { app.csrf.InsecureNoTokens = true },
		caught: []string{"csrf/own-form-without-token"},
	},
	{
		name: "sibling-trusted", what: "a sibling is trusted, for CSRF and for refresh tokens",
		setup: func(w *world, app, _ *setup) {
			app.csrf.TrustedOrigins = append(slices.Clone(app.csrf.TrustedOrigins), w.host("sibling"))
			app.refresh.TrustedOrigins = app.csrf.TrustedOrigins
		},
		caught: []string{"csrf/cross-site-form"},
	},
	{
		name: "samesite-none", what: "the cookies are SameSite=None",
		setup: func(_ *world, app, _ *setup) {
			app.session.Cookie.SameSite = cookie.SameSiteNone
			app.refresh.Cookie.Embedded = true
		},
		caught: []string{"samesite/cross-site-post", "samesite/subresource", "samesite/top-level-link", "csrf/token-endpoints"},
	},
	{
		name: "cookie-for-the-site", what: "the session's cookie has a Domain, and so no __Host-",
		setup:  func(w *world, app, _ *setup) { app.session.Cookie.Domain = w.domain },
		caught: []string{"planted/prefixed", "planted/without-prefix", "planted/fixation"},
	},
	{
		name: "cookie-for-a-while", what: "the cookies have no Max-Age",
		answer: func(res *http.Response) {
			for i, line := range res.Header["Set-Cookie"] {
				head, rest, _ := strings.Cut(line, "; Max-Age=")
				_, rest, _ = strings.Cut(rest, ";")
				res.Header["Set-Cookie"][i] = head + ";" + rest
			}
		},
		caught: []string{lastingName},
	},
	{
		name: "unpartitioned", what: "the embedded application's cookies are SameSite=None without Partitioned",
		setup: func(_ *world, _, framed *setup) {
			framed.session.Cookie.Partitioned, framed.csrf.Cookie.Partitioned = false, false
		},
		caught: []string{"partitioned/two-sites", "partitioned/deployed-over-old"},
	},
	{
		name: "variants-stay", what: "nothing deletes the cookies of the same name that are of another kind",
		answer: func(res *http.Response) {
			res.Header["Set-Cookie"] = slices.DeleteFunc(res.Header["Set-Cookie"], func(line string) bool {
				return strings.Contains(line, "; Max-Age=0;")
			})
		},
		caught: []string{"partitioned/deployed-over-old", "partitioned/side-by-side"},
	},
	{
		name: "no-locks", what: "tabs cannot take turns", noLocks: true,
		caught: []string{"tabs/restored-together"},
	},
	{
		name: "no-grace", what: "a refresh token is good for one request alone",
		setup:  func(_ *world, app, _ *setup) { app.refresh.Grace, app.refresh.Wired = -1, nil },
		caught: []string{"tabs/without-locks"},
	},
	{
		name: "pages-stored", what: "the browser may keep pages, and does for the way back",
		answer: func(res *http.Response) { res.Header.Set("Cache-Control", "no-cache") },
		caught: []string{"journey/pages"},
	},
}

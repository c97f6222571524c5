package demo

import (
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"strings"

	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/examples/spa"
)

// guardOrigins makes what decides about the pages of others: those of o.SPA may do what
// this application's own may, all others nothing.
func (a *App) guardOrigins(app string, o Options) (err error) {
	a.CORS, err = cors.New(cors.Config{
		Origins:         []string{o.SPA},
		Credentials:     true,
		RequestHeaders:  []string{"Authorization", "Content-Type", "X-CSRF-Token"},
		ResponseHeaders: []string{"Retry-After"},
		PublicOrigin:    a.URL,
		Cookies:         []*cookie.Spec{a.Sessions.Cookie(), a.Rotator.Cookie()},
		// The page shows why. A service turns it on to look for a mistake, and off again.
		Debug: true, Audit: a.Log, Now: o.Now,
	})
	if err != nil {
		return err
	}
	a.Guard, err = csrf.New(csrf.Config{
		TrustedOrigins: []string{o.SPA},
		App:            app,
		Secret:         o.Secret,
		Cookie:         cookie.Config{Name: app + "-csrf", InsecureHTTP: true},
		Exempt: []string{
			// They guard their cookie themselves.
			"/auth/login", "/auth/refresh", "/auth/refresh-late", "/auth/logout",
			// It changes nothing, and must not have looked at the session before it waits.
			"/late",
		},
		Audit: a.Log, Now: o.Now,
	})
	return err
}

// Unchecked reports whether a request is left alone although it has no token, because it
// says nothing about where it comes from. Each browser does so, with every POST, so this
// is curl, which would else have to fetch a token for every line in the README. A service
// makes no such exception.
func Unchecked(method, origin, fetchSite, referer string) bool {
	return method == http.MethodPost && origin == "" && fetchSite == "" && referer == ""
}

var gifts = session.NewCounter("gifts")

// Gift is what somebody else would like to do in the user's name.
func (a *App) Gift(s *session.Session) error { return gifts.Add(s, 1) }

// Application is the single-page application of examples/spa for the given sites, to be
// served on an origin of its own.
func Application(sites []Site) http.Handler {
	apis := make([]spa.API, 0, len(sites)+1)
	for _, s := range sites {
		apis = append(apis, spa.API{Name: s.Label(), URL: s.URL, Me: "/auth/whoami", Click: "/click"})
	}
	return spa.Handler(append(apis, spa.API{
		Name: "None", URL: "http://127.0.0.1:1", Hint: "Nobody serves this one, so nobody can say who you are.",
	})...)
}

//go:embed hostile
var hostileFiles embed.FS

// Hostile is a page that attacks the given sites, to be served on an origin that none of
// them trusts.
func Hostile(sites []Site) http.Handler {
	files, _ := fs.Sub(hostileFiles, "hostile") // the directory is embedded
	page := template.Must(template.ParseFS(files, "index.html"))
	urls := make([]string, len(sites))
	for i, s := range sites {
		urls[i] = s.URL
	}
	all := strings.Join(urls, " ")
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; " +
		"connect-src " + all + "; form-action " + all
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, sites) // an error is a connection that has gone
	})
	mux.Handle("GET /hostile.js", http.FileServerFS(files))
	mux.Handle("GET /style.css", http.FileServerFS(Assets()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

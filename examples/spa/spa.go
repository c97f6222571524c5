// Package spa serves a single-page application whose APIs have origins of their own.
package spa

import (
	"embed"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed index.html style.css app.js sallyport.js
var files embed.FS

// API is one that the application can use. Names tell them apart.
type API struct {
	Name string `json:"name"`
	// URL is its origin.
	URL string `json:"url"`
	// Me is the path that says whose access token came with the request, and Click one
	// that counts a POST in the session. Default /api/me and /clicks.
	Me    string `json:"me"`
	Click string `json:"click"`
	// Hint is shown with it.
	Hint string `json:"hint,omitempty"`
}

// Handler serves the application for the given APIs: its files, and /apis.json, which is
// where the script finds them. It never takes them from the address: a link could then
// make it log in to somebody else's.
func Handler(apis ...API) http.Handler {
	origins := make([]string, len(apis))
	for i := range apis {
		origins[i] = apis[i].URL
		if apis[i].Me == "" {
			apis[i].Me = "/api/me"
		}
		if apis[i].Click == "" {
			apis[i].Click = "/clicks"
		}
	}
	list, _ := json.Marshal(apis) // strings always encode
	// Whatever gets in by injection has no script to run, and nowhere to send what it
	// finds: requests go to the APIs and back home.
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' " + strings.Join(origins, " ") +
		"; require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /apis.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(list)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		mux.ServeHTTP(w, r)
	})
}

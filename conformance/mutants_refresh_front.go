package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// rotBody reads the parameters of a request to the token service, and writes them back.
func rotBody(r *http.Request, change func(map[string]any)) {
	raw, _ := io.ReadAll(r.Body)
	params := map[string]any{}
	if json.Unmarshal(raw, &params) == nil {
		change(params)
		raw, _ = json.Marshal(params)
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.ContentLength = int64(len(raw))
	r.Header.Set("Content-Length", strconv.Itoa(len(raw)))
}

// refreshAnswers is a front that changes what a refresh is answered, knowing what was
// asked.
func refreshAnswers(change func(asked, answer map[string]any)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != RefreshPath {
				next.ServeHTTP(w, r)
				return
			}
			var asked map[string]any
			rotBody(r, func(params map[string]any) { asked = params })
			a := &copied{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(a, r)
			body, answer := a.body.Bytes(), map[string]any{}
			if json.Unmarshal(body, &answer) == nil && a.status == http.StatusOK {
				change(asked, answer)
				body, _ = json.Marshal(answer)
			}
			maps.Copy(w.Header(), a.header)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(a.status)
			_, _ = w.Write(body)
		})
	}
}

// refreshRepaired is a front that reads refresh tokens its own way. It knows those that
// were answered.
func refreshRepaired(repair func(raw string, known []string) string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		var known []string
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == RefreshPath {
				rotBody(r, func(params map[string]any) {
					mu.Lock()
					defer mu.Unlock()
					if raw, ok := params["refresh_token"].(string); ok {
						params["refresh_token"] = repair(raw, known)
					}
				})
			}
			a := &copied{header: http.Header{}, status: http.StatusOK}
			next.ServeHTTP(a, r)
			var answer struct {
				Refresh string `json:"refresh_token"`
			}
			if json.Unmarshal(a.body.Bytes(), &answer) == nil && answer.Refresh != "" {
				mu.Lock()
				known = append(known, answer.Refresh)
				mu.Unlock()
			}
			maps.Copy(w.Header(), a.header)
			w.WriteHeader(a.status)
			_, _ = w.Write(a.body.Bytes())
		})
	}
}

// refreshLogoutOfLatest is a front that lets a logout through with one of the last two
// refresh tokens that were answered alone; any other is answered as if it were done.
func refreshLogoutOfLatest(next http.Handler) http.Handler {
	var mu sync.Mutex
	var replaced []string
	last := ""
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == LogoutPath {
			old := false
			rotBody(r, func(params map[string]any) {
				mu.Lock()
				defer mu.Unlock()
				raw, _ := params["refresh_token"].(string)
				old = slices.Contains(replaced, raw)
			})
			if old {
				w.Header().Set("Cache-Control", "no-store")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		refreshing := r.URL.Path == RefreshPath
		a := &copied{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(a, r)
		var answer struct {
			Refresh string `json:"refresh_token"`
		}
		if json.Unmarshal(a.body.Bytes(), &answer) == nil && answer.Refresh != "" {
			mu.Lock()
			if refreshing && last != "" {
				replaced = append(replaced, last)
			}
			last = answer.Refresh
			mu.Unlock()
		}
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body.Bytes())
	})
}

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/examples/customadapter"
)

// NetHTTP is the harness of the example of an adapter of one's own.
func NetHTTP() conformance.Harness {
	return conformance.Harness{Name: "nethttp", Start: startNetHTTP}
}

func startNetHTTP(t testing.TB, app conformance.App) string {
	routes := map[string]http.Handler{}
	cfg, bearer := httpConfig(app)
	if app.Keys != nil {
		jwks := customadapter.JWKS(app.Keys)
		routes["GET "+conformance.JWKSPath], routes["HEAD "+conformance.JWKSPath] = jwks, jwks
	}
	if app.Tokens != nil {
		httpTokens(routes, app, bearer)
	}
	route := func(r conformance.Route) http.Handler {
		var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if err := r.Handler(&httpRequest{w, req}); err != nil {
				renderHTTP(w, req, err)
			}
		})
		if app.Late {
			h = customadapter.Session(app.Sessions, customadapter.Config{})(h)
		}
		for i := len(r.Guards) - 1; i >= 0; i-- {
			switch g := r.Guards[i]; {
			case g.CORS != nil && g.Anew:
				next := h
				h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					customadapter.CORS(g.CORS, bearer)(next).ServeHTTP(w, r)
				})
			case g.CORS != nil:
				h = customadapter.CORS(g.CORS, bearer)(h)
			case g.CSRF != nil:
				h = customadapter.CSRF(g.CSRF, bearer)(h)
			case g.Bearer:
				own := bearer
				own.Optional = g.Optional
				h = customadapter.Bearer(app.Verifier, own)(h)
			case g.Login:
				h = customadapter.RequireLogin()(h)
			case g.Fresh > 0:
				h = customadapter.RequireFresh(g.Fresh)(h)
			case g.Scopes != nil:
				h = customadapter.RequireScope(g.Scopes...)(h)
			default:
				h = customadapter.RequireRole(g.Roles...)(h)
			}
		}
		return h
	}
	for _, r := range app.Routes {
		routes[r.Method+" "+r.Path] = route(r)
	}
	for _, g := range app.Groups {
		for _, r := range g.Routes {
			routes[r.Method+" "+r.Path] = route(r)
		}
	}
	root := router(routes)
	if app.CSRF != nil && !app.CSRFOutside {
		root = customadapter.CSRF(app.CSRF, bearer)(root)
	}
	if !app.NoMiddleware && !app.Late {
		if app.Twice {
			root = customadapter.Session(app.Sessions, customadapter.Config{})(root)
		}
		root = customadapter.Session(app.Sessions, cfg)(root)
	}
	if app.CSRF != nil && app.CSRFOutside {
		root = customadapter.CSRF(app.CSRF, bearer)(root)
	}
	switch {
	case len(app.Groups) > 0:
		root = customadapter.CORSGroups(groups(app), bearer)(root)
	case app.CORS != nil:
		root = customadapter.CORS(app.CORS, bearer)(root)
	}
	return serve(t, app, recoverer(root))
}

// router is not http.ServeMux, which cleans paths and redirects.
func router(routes map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := routes[r.Method+" "+r.URL.EscapedPath()]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		http.Error(w, "no such route", http.StatusNotFound)
	})
}

// httpTokens mounts the token endpoints.
func httpTokens(routes map[string]http.Handler, app conformance.App, cfg customadapter.Config) {
	s, users := app.Tokens, cfg
	users.Device = func(r *http.Request) string { return r.Header.Get(conformance.DeviceHeader) }
	login := func(w http.ResponseWriter, r *http.Request) (refresh.Identity, error) {
		return s.Login(&httpRequest{w, r})
	}
	for path, h := range map[string]http.Handler{
		conformance.LoginPath:      customadapter.TokenLogin(s.Rotator, login, users),
		conformance.RefreshPath:    customadapter.Refresh(s.Rotator, users),
		conformance.LogoutPath:     customadapter.Logout(s.Rotator, users),
		conformance.RevokePath:     customadapter.Revoke(s.Rotator, app.Verifier, s.Clients, cfg),
		conformance.IntrospectPath: customadapter.Introspect(s.Rotator, app.Verifier, s.Clients, cfg),
	} {
		routes["POST "+path], routes["GET "+path] = h, h
	}
}

// httpConfig returns the options of the session middleware and of Bearer.
func httpConfig(app conformance.App) (cfg, bearer customadapter.Config) {
	cfg.TrustProxy = app.TrustProxy
	if app.ClientIP != nil {
		cfg.ClientIP = func(*http.Request) netip.Addr { return clientIP(app) }
	}
	bearer = cfg
	if app.SkipPath != "" {
		cfg.Skip = func(r *http.Request) bool { return r.URL.Path == app.SkipPath }
	}
	if app.OwnErrorHandler {
		cfg.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err error) {
			var d *adapter.Denied
			errors.As(err, &d)
			w.WriteHeader(d.Status)
			_, _ = io.WriteString(w, conformance.OwnRefusal)
		}
	}
	if app.NoMiddleware {
		bearer = cfg
	}
	return cfg, bearer
}

// recoverer answers 500 for a panic, as the frameworks' recovery does.
func recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

type httpError struct {
	status  int
	message string
}

func (e *httpError) Error() string { return e.message }

func renderHTTP(w http.ResponseWriter, r *http.Request, err error) {
	var native *httpError
	if errors.As(err, &native) {
		http.Error(w, native.message, native.status)
		return
	}
	customadapter.Fail(w, r, err)
}

type httpRequest struct {
	w http.ResponseWriter
	r *http.Request
}

func (r *httpRequest) Context() context.Context           { return r.r.Context() }
func (r *httpRequest) Session() *session.Session          { return customadapter.SessionFrom(r.r) }
func (r *httpRequest) Principal() (core.Principal, error) { return customadapter.PrincipalFrom(r.r) }
func (r *httpRequest) Claims() (conformance.Claims, error) {
	return customadapter.ClaimsFrom[conformance.Claims](r.r)
}
func (r *httpRequest) CSRFToken(method, path string) (string, error) {
	if method == "" {
		return customadapter.CSRFToken(r.w, r.r, "")
	}
	return customadapter.CSRFToken(r.w, r.r, csrf.Action(method, path))
}
func (r *httpRequest) Query(name string) string     { return r.r.URL.Query().Get(name) }
func (r *httpRequest) SetHeader(name, value string) { r.w.Header().Set(name, value) }
func (r *httpRequest) Status(code int) error        { r.w.WriteHeader(code); return nil }
func (r *httpRequest) Redirect(code int, to string) error {
	http.Redirect(r.w, r.r, to, code)
	return nil
}
func (r *httpRequest) File(path string) error { http.ServeFile(r.w, r.r, path); return nil }
func (r *httpRequest) Fail(err error) error   { customadapter.Fail(r.w, r.r, err); return nil }

func (r *httpRequest) Body() (string, error) {
	b, err := io.ReadAll(r.r.Body)
	return string(b), err
}

func (r *httpRequest) String(code int, body string) error {
	r.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	r.w.WriteHeader(code)
	_, err := io.WriteString(r.w, body)
	return err
}

func (r *httpRequest) JSON(code int, v any) error {
	r.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	r.w.WriteHeader(code)
	return json.NewEncoder(r.w).Encode(v)
}

func (r *httpRequest) Copy(body io.Reader) error {
	_, err := io.Copy(r.w, body)
	return err
}

func (r *httpRequest) Stream(by conformance.FlushBy, write func(conformance.Stream)) error {
	write(stream{r.w.(writer), by})
	return nil
}

func (r *httpRequest) EarlyHints() error               { return earlyHints(r.w) }
func (r *httpRequest) Hijack(use func(net.Conn)) error { return hijack(r.w, use) }

func (r *httpRequest) NativeError(code int, message string) error { return &httpError{code, message} }

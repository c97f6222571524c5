package adapter_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

const appOrigin = "https://app.example.com"

func policyWith(t testing.TB, cfg cors.Config) *cors.Policy {
	t.Helper()
	if cfg.Origins == nil {
		cfg.Origins = []string{appOrigin}
	}
	p, err := cors.New(cfg)
	require.NoError(t, err)
	return p
}

// asked makes a request with header lines.
func asked(method, target string, lines ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func serveCORS(p *cors.Policy, r *http.Request, header http.Header) (preflight bool, d *adapter.Denied) {
	w := &headerOnly{header: header}
	return adapter.ServeCORS(p, adapter.Bind(w, r, nil, netip.Addr{}))
}

type headerOnly struct {
	http.ResponseWriter
	header http.Header
}

func (h *headerOnly) Header() http.Header { return h.header }

const varyPreflight = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"

func TestServeCORS(t *testing.T) {
	p := policyWith(t, cors.Config{Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"X-CSRF-Token"}, ResponseHeaders: []string{"X-Total"}, MaxAge: 600e9})
	from, put := "Origin: "+appOrigin, "Access-Control-Request-Method: PUT"
	for _, tt := range []struct {
		desc      string
		r         *http.Request
		before    http.Header
		preflight bool
		want      http.Header
	}{
		{desc: "same origin", r: asked("GET", "/"), want: http.Header{"Vary": {"Origin"}}},
		{desc: "actual", r: asked("POST", "/", from), want: http.Header{
			"Vary": {"Origin"}, "Access-Control-Allow-Origin": {appOrigin}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"x-total"},
		}},
		{desc: "preflight", r: asked("OPTIONS", "/", from, put, "Access-Control-Request-Headers: x-csrf-token"), preflight: true, want: http.Header{
			"Vary": {varyPreflight}, "Access-Control-Allow-Origin": {appOrigin}, "Access-Control-Allow-Credentials": {"true"},
			"Access-Control-Allow-Methods": {"PUT"}, "Access-Control-Allow-Headers": {"x-csrf-token"}, "Access-Control-Max-Age": {"600"},
		}},
		{desc: "refused preflight", r: asked("OPTIONS", "/", "Origin: https://evil.example", put), preflight: true, want: http.Header{"Vary": {varyPreflight}}},
		{desc: "plain OPTIONS", r: asked("OPTIONS", "/", from), want: http.Header{
			"Vary": {varyPreflight}, "Access-Control-Allow-Origin": {appOrigin}, "Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"x-total"},
		}},
		{
			desc: "what an outer policy allowed is taken back", r: asked("GET", "/", "Origin: https://evil.example"),
			before: http.Header{
				"Vary": {"Accept-Encoding", "Origin"}, "Access-Control-Allow-Origin": {"https://evil.example"},
				"Access-Control-Allow-Credentials": {"true"}, "Access-Control-Expose-Headers": {"X-Secret"},
			},
			want: http.Header{"Vary": {"Accept-Encoding", "Origin"}},
		},
		{desc: "the Vary of others stays", r: asked("GET", "/"), before: http.Header{"Vary": {"Cookie"}}, want: http.Header{"Vary": {"Cookie", "Origin"}}},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			header := http.Header{}
			for name, lines := range tt.before {
				header[name] = lines
			}
			preflight, d := serveCORS(p, tt.r, header)
			require.Nil(t, d)
			require.Equal(t, tt.preflight, preflight)
			require.Equal(t, tt.want, header)
		})
	}
}

// An exchange that knows of no shortcuts says the same.
func TestServeCORSOverAPlainExchange(t *testing.T) {
	p := policyWith(t, cors.Config{Methods: []string{"PUT"}})
	header := http.Header{}
	w := &headerOnly{header: header}
	r := asked("OPTIONS", "/", "Origin: "+appOrigin, "Access-Control-Request-Method: PUT")
	x := struct{ adapter.Exchange }{adapter.Bind(w, r, nil, netip.Addr{})}
	preflight, d := adapter.ServeCORS(p, x)
	require.Nil(t, d)
	require.True(t, preflight)
	require.Equal(t, http.Header{"Vary": {varyPreflight}, "Access-Control-Allow-Origin": {appOrigin}, "Access-Control-Allow-Methods": {"PUT"}}, header)
}

func TestServeCORSTellsWhenDebugging(t *testing.T) {
	var events []audit.Event
	cfg := cors.Config{Debug: true, Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { events = append(events, e) })}
	r := asked("GET", "/", "Origin: https://evil.example", "User-Agent: "+strings.Repeat("u", 300))
	_, _ = serveCORS(policyWith(t, cfg), r, http.Header{})
	require.Len(t, events, 1)
	require.Equal(t, audit.CORSRefused, events[0].Name)
	require.Equal(t, audit.CauseOrigin, events[0].Cause)
	require.Equal(t, "192.0.2.1", events[0].ClientIP.String())
	require.Equal(t, strings.Repeat("u", 256), events[0].UserAgent)
	cfg.Debug = false
	_, _ = serveCORS(policyWith(t, cfg), r, http.Header{})
	require.Len(t, events, 1)
}

// No preflight has credentials, so none would come past a guard.
func TestServeCORSBehindAGuard(t *testing.T) {
	m := newManager(t, memstore.Default())
	var got *adapter.Denied
	mount(m, nil, func(g *gate, s *session.Session) {
		require.NoError(t, s.Login(g.r.Context(), session.Identity{Subject: "ada"}))
		_, d := serveCORS(policyWith(t, cors.Config{}), g.r, http.Header{})
		require.Nil(t, d, "a session in front asks nothing of anybody")
		require.Nil(t, adapter.RequireLogin(g.r.Context()))
		_, got = serveCORS(policyWith(t, cors.Config{}), g.r, http.Header{})
	}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.NotNil(t, got)
	require.Equal(t, core.AuthMiddlewareFailure, got.Code)
	require.ErrorContains(t, got, "in front")
}

// A handler may do what it likes to its answer's headers: no other answer shows it
// (jub0bs/cors issue 14).
func TestServeCORSSharesNothing(t *testing.T) {
	p := policyWith(t, cors.Config{Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"A"}, MaxAge: 600e9})
	ask := func() http.Header {
		header := http.Header{}
		_, _ = serveCORS(p, asked("OPTIONS", "/", "Origin: "+appOrigin, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: a"), header)
		return header
	}
	first, want := ask(), ask()
	for name, lines := range first {
		lines[0] = "changed"
		first[name] = append(lines, "more")
		for other, intact := range first {
			require.False(t, other != name && intact[0] == "more", "a line of one header reaches into another's")
		}
	}
	require.Equal(t, want, ask())
}

func TestServeCORSAllocations(t *testing.T) {
	p := policyWith(t, cors.Config{
		Credentials: true, Methods: []string{"PUT"}, RequestHeaders: []string{"A"}, ResponseHeaders: []string{"B"}, MaxAge: 600e9, DangerouslyAllowPrivateNetwork: true,
	})
	from, put := "Origin: "+appOrigin, "Access-Control-Request-Method: PUT"
	for name, r := range map[string]*http.Request{
		"actual":      asked("GET", "/", from),
		"preflight":   asked("OPTIONS", "/", from, put, "Access-Control-Request-Headers: a", "Access-Control-Request-Private-Network: true"),
		"long origin": asked("GET", "/", "Origin: https://"+strings.Repeat("a.", 32<<10)),
		"many commas": asked("OPTIONS", "/", from, put, "Access-Control-Request-Headers: "+strings.Repeat(",", 64<<10)),
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			w := &headerOnly{header: header}
			_, _ = adapter.ServeCORS(p, adapter.Bind(w, r, nil, netip.Addr{}))
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
				clear(header)
				_, _ = adapter.ServeCORS(p, adapter.Bind(w, r, nil, netip.Addr{}))
			}), 2.0)
		})
	}
}

func groups(t testing.TB, policies map[string]*cors.Policy) *adapter.CORSGroups {
	t.Helper()
	c, err := adapter.ForCORSGroups("pkg", policies)(nil)
	require.NoError(t, err)
	return c.Groups
}

func TestCORSGroups(t *testing.T) {
	policies := map[string]*cors.Policy{}
	for _, prefix := range []string{"/", "/api", "/api/v1", "/:tenant", "/:tenant/api", "/users/:id", "/users/me"} {
		policies[prefix] = policyWith(t, cors.Config{})
	}
	g := groups(t, policies)
	some := groups(t, map[string]*cors.Policy{"/api": policies["/api"]})
	for _, tt := range []struct{ target, want string }{
		{"/", "/"},
		{"/x", "/:tenant"},
		{"/api", "/api"},
		{"/api/", "/api"},
		{"/api/x/y", "/api"},
		{"/api/v1", "/api/v1"},
		{"/api/v1/x", "/api/v1"},
		{"/api/v1x", "/api"},
		{"/api/api", "/api"}, // a name before a parameter, as routers have it
		{"/other/api", "/:tenant/api"},
		{"/apis", "/:tenant"},
		{"/API", "/:tenant"},
		{"/users/me/x", "/users/me"},
		{"/users/you/x", "/users/:id"},
		{"/users/", "/:tenant"},
		{"/a%2Fb", "/:tenant"},
		{"/api/a%2Fb", "/api"},
		{"/api%2Fv1/x", ""}, // two segments to some, one to others
		{"/%61pi", ""},
		{"/api/%2e%2e/x", ""},
		{"/x/..%2fapi/y", ""},
		{"/api/../x", ""},
		{"/api/./x", ""},
		{"/api//x", ""},
		{"//api/x", ""},
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			t.Run(method+" "+tt.target, func(t *testing.T) {
				r := httptest.NewRequest(method, "http://h.test"+tt.target, nil)
				got := g.PolicyOf("", r)
				if tt.want == "" {
					require.Nil(t, got)
					return
				}
				require.Same(t, policies[tt.want], got)
				require.Zero(t, testing.AllocsPerRun(10, func() { g.PolicyOf("", r) }))
			})
		}
	}
	for _, tt := range []struct{ pattern, method, target, want string }{
		{"/api/x", "GET", "/api/x", "/api"},
		{"/api/:x", "GET", "/api/x", "/api"},
		{"/api/*", "GET", "/api/x", "/api"},
		{"/api*", "GET", "/api/x", "/api"},
		{"/*any", "GET", "/api/v1/x", "/api/v1"},
		{"/*any", "OPTIONS", "/api/v1/x", "/api/v1"},
		{"/:tenant/secret", "GET", "/api/secret", ""}, // "api" is a tenant there
		{"/:tenant/secret", "OPTIONS", "/api/secret", "/api"},
		{"/:page/:sub", "PUT", "/api/x", ""},
		{"/api/:x", "GET", "/api/v1", ""}, // the path is further in than the route
	} {
		t.Run(tt.method+" "+tt.target+" at "+tt.pattern, func(t *testing.T) {
			got := g.PolicyOf(tt.pattern, httptest.NewRequest(tt.method, "http://h.test"+tt.target, nil))
			if tt.want == "" {
				require.Nil(t, got)
				return
			}
			require.Same(t, policies[tt.want], got)
		})
	}
	same := func(path string, fold bool) *cors.Policy { return some.Policy(path, path, fold) }
	require.Nil(t, same("/other", false))
	require.Nil(t, same("/API/x", false))
	require.NotNil(t, same("/API/x", true))
	require.Nil(t, same("*", false))
	require.Nil(t, same("", false))
	require.NotNil(t, some.Policy("/api/x", "/api/x", false))
	require.Nil(t, some.Policy("/%61pi/x", "/api/x", false), "one reading is not enough")
	require.Nil(t, some.Policy("/api/x", "/other", false))
}

// What two groups both mean, or no path can be in, would be a policy that never counts.
func TestCORSGroupsMistakes(t *testing.T) {
	p := policyWith(t, cors.Config{})
	for _, tt := range []struct {
		name     string
		policies map[string]*cors.Policy
		want     []string
	}{
		{"two parameters", map[string]*cors.Policy{"/u/:id": p, "/u/:name": p}, []string{`"/u/:name": is the same as another`}},
		{"two cases", map[string]*cors.Policy{"/API": p, "/api": p}, []string{`"/api": is the same as another`}},
		{"colons inside", map[string]*cors.Policy{"/user_:id": p, "/a/:": p, "/:a:b": p, "/b/:/c": p}, []string{
			`"/:a:b": has a colon`, `"/a/:": has a colon`, `"/b/:/c": has a colon`, `"/user_:id": has a colon`,
		}},
		{"no policy", map[string]*cors.Policy{"/a": nil, "b": p}, []string{`"/a": has no policy`, `"b": does not begin with a slash`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := adapter.ForCORSGroups("pkg", tt.policies)(nil)
			var got []string
			for _, line := range strings.Split(err.Error(), "\n") {
				for _, want := range tt.want {
					if strings.Contains(line, want) {
						got = append(got, want)
					}
				}
			}
			require.Equal(t, tt.want, got, err.Error())
			require.Len(t, strings.Split(err.Error(), "\n"), len(tt.want))
		})
	}
	_, err := adapter.ForCORSGroups("pkg", map[string]*cors.Policy{"/u/:id": p, "/u/:id/x": p, "/u/x": p, "/": p})(nil)
	require.NoError(t, err)
}

// A certificate is something that browsers show by themselves.
func TestExchangeClientCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, bind(r, nil).(adapter.Certified).ClientCertificate())
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	trusting := server.Client().Transport.(*http.Transport).TLSClientConfig
	for name, tt := range map[string]struct {
		own  []tls.Certificate
		want string
	}{
		"none": {want: "false"},
		"one":  {own: server.TLS.Certificates, want: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := trusting.Clone()
			cfg.Certificates = tt.own
			client := http.Client{Transport: &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}}
			res, err := client.Get(server.URL)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, tt.want, string(body))
		})
	}
	require.False(t, bind(httptest.NewRequest("GET", "/", nil), nil).(adapter.Certified).ClientCertificate(), "without TLS")
}

// What the application has set by itself, in front, is none of the policy's doing: a page
// that is not allowed must not live on it, nor one without credentials get them.
func TestCORSTakesBack(t *testing.T) {
	const page = "https://app.example.com"
	for _, tt := range []struct {
		name   string
		cfg    cors.Config
		origin string
		want   http.Header
	}{
		{"not allowed", cors.Config{}, "https://evil.example", http.Header{"Vary": {"Accept, Origin"}}},
		{"no other origin's", cors.Config{}, "", http.Header{"Vary": {"Accept, Origin"}}},
		{"without credentials", cors.Config{}, page, http.Header{"Vary": {"Accept, Origin"}, "Access-Control-Allow-Origin": {page}}},
		{"with credentials", cors.Config{Credentials: true}, page, http.Header{
			"Vary": {"Accept, Origin"}, "Access-Control-Allow-Origin": {page}, "Access-Control-Allow-Credentials": {"true"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://h.test/", nil)
			w.Header().Set("Vary", "Accept")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Access-Control-Allow-Credentials", "true")
			if tt.origin != "" {
				r.Header.Set("Origin", tt.origin)
			}
			tt.cfg.Origins = []string{page}
			_, d := adapter.ServeCORS(policyWith(t, tt.cfg), adapter.Bind(w, r, nil, netip.Addr{}))
			require.Nil(t, d)
			got := w.Header().Clone()
			got["Vary"] = []string{strings.Join(got["Vary"], ", ")}
			require.Equal(t, tt.want, got)

			w = httptest.NewRecorder()
			w.Header().Set("Access-Control-Allow-Credentials", "true") // alone, it waits for an origin
			_, d = adapter.ServeCORS(policyWith(t, tt.cfg), adapter.Bind(w, r, nil, netip.Addr{}))
			require.Nil(t, d)
			if tt.want.Get("Access-Control-Allow-Origin") != "" {
				require.Equal(t, tt.want["Access-Control-Allow-Credentials"], w.Header()["Access-Control-Allow-Credentials"])
			}
		})
	}
}

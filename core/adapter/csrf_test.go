package adapter_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

const (
	sameOrigin  = "Sec-Fetch-Site: same-origin"
	visitorLine = "; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"
	visitorGone = "__Host-csrf=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
	variantGone = "__Host-csrf=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned"
)

var fleetSecret = []byte(strings.Repeat("s", 32))

// site is an application behind a session, unless m is nil, and CSRF.
type site struct {
	t      testing.TB
	guard  *csrf.Guard
	inner  *csrf.Guard // of the route, if it has one of its own
	m      *session.Manager
	store  *faulty
	events []audit.Event
	ran    int
	last   *http.Request // as the handler of POST has it
	// page answers GET.
	page func(x adapter.Exchange, s *session.Session) (string, error)
	// act is what POST does, nil for nothing.
	act func(s *session.Session) error
}

func newSite(t testing.TB, cfg csrf.Config) *site {
	t.Helper()
	a := &site{t: t, store: newFaulty()}
	a.page = func(x adapter.Exchange, _ *session.Session) (string, error) { return adapter.CSRFToken(x, "") }
	sink := audit.SinkFunc(func(_ context.Context, e audit.Event) { a.events = append(a.events, e) })
	if cfg.Secret == nil && !cfg.InsecureNoTokens {
		cfg.Secret = fleetSecret
	}
	cfg.Audit = sink
	var err error
	a.guard, err = csrf.New(cfg)
	require.NoError(t, err)
	a.m = managerWith(t, a.store, session.Config{Audit: sink})
	return a
}

func (a *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.m == nil {
		g := &gate{w: w, r: r}
		g.Init(w, r, nil, netip.Addr{}, g)
		a.serve(g, w, r)
		return
	}
	mount(a.m, nil, func(g *gate, _ *session.Session) { a.serve(g, g, g.r) }).ServeHTTP(w, r)
}

func (a *site) serve(g *gate, w http.ResponseWriter, r *http.Request) {
	for _, guard := range []*csrf.Guard{a.guard, a.inner} {
		if guard == nil {
			continue
		}
		ctx, d := adapter.BeginCSRF(guard, adapter.Bind(w, r, nil, netip.Addr{}))
		if d != nil {
			g.answer(d)
			return
		}
		if ctx != nil {
			r = r.WithContext(ctx)
		}
	}
	s := session.FromContext(r.Context())
	text, err := "", error(nil)
	if csrf.Safe(r.Method) {
		text, err = a.page(adapter.Headers(w, r), s)
	} else {
		a.ran++
		a.last = r
		if a.act != nil {
			err = a.act(s)
		}
	}
	if err != nil {
		g.answer(adapter.Failure(r.Context(), err))
		return
	}
	_, _ = w.Write([]byte(text))
}

// send is a request that brings lines and, for methods that have one, a body.
func (a *site) send(method, target, body string, lines ...string) (*http.Response, string) {
	a.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	return a.handle(r)
}

func (a *site) handle(r *http.Request) (*http.Response, string) {
	a.t.Helper()
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w.Result(), w.Body.String()
}

// tab is a page that was loaded: what its browser sends as cookies, and its token.
type tab struct{ cookies, token string }

func (b tab) header() string { return "X-CSRF-Token: " + b.token }

// lines are those of a request of the page.
func (b tab) lines(more ...string) []string {
	if b.cookies != "" {
		more = append(more, b.cookies)
	}
	return more
}

// load gets the page.
func (a *site) load(cookies ...string) tab {
	a.t.Helper()
	res, token := a.send("GET", "/page", "", cookies...)
	require.Equal(a.t, 200, res.StatusCode, token)
	require.Len(a.t, token, 87)
	b := tab{token: token}
	if len(cookies) > 0 {
		b.cookies = cookies[0]
	}
	for _, c := range res.Cookies() {
		if c.MaxAge > 0 {
			b.cookies = "Cookie: " + c.Name + "=" + c.Value
		}
	}
	return b
}

// user is a page of somebody who is logged in.
func (a *site) user(name string) tab {
	a.t.Helper()
	b := a.load(loggedIn(a.t, a.m, session.Identity{Subject: name}))
	a.events = nil
	return b
}

// told returns the events as "name cause subject".
func (a *site) told() (got []string) {
	for _, e := range a.events {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Name, e.Cause, e.Subject)))
	}
	a.events = nil
	return got
}

// passed and refused check everything about a request's end.
func (a *site) passed(method, body string, lines ...string) {
	a.t.Helper()
	a.ran = 0
	res, text := a.send(method, "/act", body, lines...)
	require.Equal(a.t, 200, res.StatusCode, text)
	require.Equal(a.t, 1, a.ran)
	require.Empty(a.t, a.told())
}

func (a *site) refused(want, method, body string, lines ...string) {
	a.t.Helper()
	a.ran = 0
	res, text := a.send(method, "/act", body, lines...)
	status, code := 403, "CSRF_REJECTED"
	if strings.HasPrefix(want, "media-type") {
		status, code = 415, "UNSUPPORTED_MEDIA_TYPE"
	}
	require.Equal(a.t, status, res.StatusCode, text)
	require.Contains(a.t, text, `"error":"`+code+`"`)
	require.Equal(a.t, []string{"no-store"}, res.Header.Values("Cache-Control"))
	require.Empty(a.t, res.Header.Values("Set-Cookie"))
	require.Zero(a.t, a.ran)
	require.Equal(a.t, []string{"csrf_refused " + want}, a.told())
}

const (
	urlencoded = "Content-Type: application/x-www-form-urlencoded"
	jsonType   = "Content-Type: application/json"
)

// Layer one decides first, and asks nobody.
func TestCSRFLayerOne(t *testing.T) {
	a := newSite(t, csrf.Config{PublicOrigin: "https://app.example.com", TrustedOrigins: []string{"https://partner.example"}})
	b := a.user("ann")
	a.store.calls.Store(0)
	for desc, lines := range map[string][]string{
		"cross-site":                   {"Sec-Fetch-Site: cross-site"},
		"same-site":                    {"Sec-Fetch-Site: same-site"},
		"elsewhere":                    {"Origin: https://evil.example"},
		"null":                         {"Origin: null"},
		"http twin":                    {"Origin: http://app.example.com"},
		"cross-site of the own origin": {"Sec-Fetch-Site: cross-site", "Origin: https://app.example.com"},
	} {
		t.Run(desc, func(t *testing.T) {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "post", "FOO", "TRACE"} {
				a.refused("cross-site", method, "", append(b.lines(b.header()), lines...)...)
			}
			a.refused("cross-site", "POST", "", lines...)
		})
	}
	require.Zero(t, a.store.calls.Load())
	for _, lines := range [][]string{
		{sameOrigin}, {"Sec-Fetch-Site: none"}, {"Origin: https://app.example.com"}, {"Origin: https://partner.example"},
		{"Sec-Fetch-Site: cross-site", "Origin: https://partner.example"}, nil,
	} {
		a.passed("POST", "", append(b.lines(b.header()), lines...)...)
		a.refused("token-missing ann", "POST", "", append(b.lines(), lines...)...)
	}
}

func TestCSRFSafeMethods(t *testing.T) {
	a := newSite(t, csrf.Config{})
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		res, _ := a.send(method, "/page", "", "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
		require.Equal(t, 200, res.StatusCode)
	}
	require.Empty(t, a.told())
}

// What a header or a field says of the method is not what is checked (F8).
func TestCSRFOverrides(t *testing.T) {
	a := newSite(t, csrf.Config{})
	b := a.user("ann")
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		a.refused("token-missing ann", "POST", "", b.lines(sameOrigin, name+": GET")...)
	}
	a.refused("token-missing ann", "POST", "_method=GET", b.lines(sameOrigin, urlencoded)...)
}

// F1, F2, F10: layer two, for a visitor and for a user.
func TestCSRFTokens(t *testing.T) {
	a := newSite(t, csrf.Config{})
	pages := map[string]tab{"": a.load(), "ann": a.user("ann"), "bob": a.user("bob")}
	other := a.load()
	for name, b := range pages {
		subject := strings.TrimSuffix(" "+name, " ")
		missing, invalid := "token-missing"+subject, "token-invalid"+subject
		t.Run(name, func(t *testing.T) {
			a.passed("POST", "", b.lines(sameOrigin, b.header())...)
			a.passed("POST", "", b.lines(b.header())...)
			a.passed("POST", "a=1&csrf_token="+b.token+"&a=2", b.lines(sameOrigin, urlencoded)...)
			a.passed("DELETE", "csrf%5Ftoken="+b.token, b.lines(sameOrigin, "Content-Type: Application/X-WWW-Form-URLencoded; charset=utf-8")...)

			a.refused(missing, "POST", "", b.lines(sameOrigin)...)
			a.refused(missing, "POST", "", b.lines(sameOrigin, b.header(), b.header())...)
			a.refused(missing, "POST", "", b.lines(sameOrigin, b.header(), "X-CSRF-Token: ")...)
			a.refused(invalid, "POST", "", b.lines(sameOrigin, "X-CSRF-Token: ")...)
			a.refused(invalid, "POST", "csrf_token=", b.lines(sameOrigin, urlencoded)...)
			a.refused(invalid, "POST", "csrf_token="+b.token, b.lines(sameOrigin, urlencoded, "X-CSRF-Token: ")...)
			a.refused(invalid, "POST", "csrf_token="+b.token, b.lines(sameOrigin, urlencoded, "X-CSRF-Token: x")...)
			a.passed("POST", "csrf_token=x", b.lines(sameOrigin, urlencoded, b.header())...)
			for _, body := range []string{
				"a=1", "csrf_token=" + b.token + "&csrf_token=" + b.token, "csrf_token=" + b.token + "&%63srf_token=x",
				"csrf_token=" + b.token + ";a=1", "csrf_token=" + b.token + "&%=1", "csrf_token=" + b.token + "&a=" + strings.Repeat("a", adapter.MaxBody),
			} {
				a.refused(missing, "POST", body, b.lines(sameOrigin, urlencoded)...)
			}
			for _, kind := range []string{"Content-Type: text/plain", jsonType, "Content-Type: multipart/form-data; boundary=b", "X-None: 1"} {
				a.refused(missing, "POST", "csrf_token="+b.token, b.lines(sameOrigin, kind)...)
			}
			a.refused(missing, "POST", "csrf_token="+b.token, b.lines(sameOrigin, urlencoded, urlencoded)...)
			res, _ := a.send("POST", "/act?csrf_token="+b.token, "", b.lines(sameOrigin)...)
			require.Equal(t, 403, res.StatusCode, "no token in a URL")
			a.told()
			for _, foreign := range []tab{pages[""], pages["ann"], pages["bob"], other} {
				if foreign.token != b.token {
					a.refused(invalid, "POST", "", b.lines(sameOrigin, foreign.header())...)
				}
			}
		})
	}
}

// The body is the handler's, too.
func TestCSRFLeavesTheBody(t *testing.T) {
	a := newSite(t, csrf.Config{Multipart: true})
	b := a.load()
	for _, kind := range []string{urlencoded, "Content-Type: multipart/form-data; boundary=b"} {
		body := "a=1&csrf_token=" + b.token
		if kind != urlencoded {
			body = multipartBody("a", "1", "csrf_token", b.token)
		}
		r := httptest.NewRequest("POST", "/act", strings.NewReader(body))
		for _, l := range b.lines(sameOrigin, kind) {
			name, value, _ := strings.Cut(l, ": ")
			r.Header.Add(name, value)
		}
		a.act = func(*session.Session) error {
			require.Equal(t, "1", a.last.FormValue("a"))
			require.Equal(t, b.token, a.last.FormValue("csrf_token"))
			return nil
		}
		res, text := a.handle(r)
		require.Equal(t, 200, res.StatusCode, text)
	}
}

func multipartBody(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + pairs[i] + "\"\r\n\r\n" + pairs[i+1] + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func TestCSRFMultipart(t *testing.T) {
	a := newSite(t, csrf.Config{Multipart: true})
	b := a.user("ann")
	const kind = "Content-Type: multipart/form-data; boundary=b"
	a.passed("POST", multipartBody("a", "1", "csrf_token", b.token), b.lines(sameOrigin, kind)...)
	a.passed("POST", "csrf_token="+b.token, b.lines(sameOrigin, urlencoded)...)
	a.refused("token-invalid ann", "POST", multipartBody("csrf_token", ""), b.lines(sameOrigin, kind)...)
	for _, body := range []string{
		multipartBody("a", "1"), multipartBody("csrf_token", b.token, "csrf_token", b.token), "", "csrf_token=" + b.token,
		multipartBody("csrf_token", b.token, "a", strings.Repeat("a", adapter.MaxBody)),
	} {
		a.refused("token-missing ann", "POST", body, b.lines(sameOrigin, kind)...)
	}
	a.refused("token-missing ann", "POST", multipartBody("csrf_token", b.token), b.lines(sameOrigin, kind, kind)...)

	off := newSite(t, csrf.Config{})
	b = off.user("ann")
	off.refused("token-missing ann", "POST", multipartBody("csrf_token", b.token), b.lines(sameOrigin, kind)...)
}

// F9: with JSONOnly no page elsewhere reaches a handler without a preflight.
func TestCSRFJSONOnly(t *testing.T) {
	for _, off := range []bool{false, true} {
		a := newSite(t, csrf.Config{JSONOnly: true, InsecureNoTokens: off})
		lines := []string{sameOrigin}
		if !off {
			b := a.user("ann")
			lines = b.lines(sameOrigin, b.header())
		}
		for _, kind := range []string{jsonType, "Content-Type: Application/JSON; charset=utf-8", "Content-Type:  application/json\t"} {
			a.passed("POST", "{}", append(lines, kind)...)
			a.passed("POST", "", append(lines, kind)...)
			a.passed("PUT", strings.Repeat(" ", adapter.MaxBody+1), append(lines, kind)...)
		}
		a.passed("DELETE", "", lines...)
		for _, kind := range []string{
			"Content-Type: text/plain", urlencoded, "Content-Type: multipart/form-data; boundary=b", "Content-Type: ",
			"Content-Type: text/plain; application/json", "Content-Type: application/json, text/plain", "Content-Type: application/jsonp",
			"Content-Type: application/json\x0b", "Content-Type: application /json",
		} {
			a.refused("media-type", "POST", "{}", append(lines, kind)...)
			a.refused("media-type", "DELETE", "", append(lines, kind)...)
		}
		a.refused("media-type", "POST", "{}", lines...)
		a.refused("media-type", "POST", strings.Repeat(" ", adapter.MaxBody+1), lines...)
		a.refused("media-type", "POST", "{}", append(lines, jsonType, jsonType)...)
		a.refused("media-type", "POST", "{}", sameOrigin) // nobody at all
		a.refused("cross-site", "POST", "{}", "Sec-Fetch-Site: cross-site", "Content-Type: text/plain")
	}
}

// F11: only what is exempt, byte for byte, and there everything.
func TestCSRFExempt(t *testing.T) {
	a := newSite(t, csrf.Config{Exempt: []string{"/hook"}, JSONOnly: true})
	b := a.user("ann")
	post := func(path string) int {
		r := httptest.NewRequest("POST", "http://example.com"+path, strings.NewReader("x"))
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Cookie", strings.TrimPrefix(b.cookies, "Cookie: "))
		res, _ := a.handle(r)
		return res.StatusCode
	}
	require.Equal(t, 200, post("/hook"))
	require.Equal(t, 200, post("/hook?x=1"))
	for _, path := range []string{"/hook/", "//hook", "/./hook", "/x/../hook", "/%68ook", "/hook%2f", "/hook/../act", "/HOOK", "/act?/hook", "/hook;x", "/hook%00", "/"} {
		require.Equal(t, 403, post(path), path)
	}
	a.events = nil
	a.act = func(s *session.Session) error { return s.Login(context.Background(), session.Identity{Subject: "eve"}) }
	require.Equal(t, 200, post("/hook"), "whoever is exempt proves who they are otherwise")
}

// A request with nothing that browsers send by themselves needs no token, and nobody logs
// in by it (F12).
func TestCSRFCredentials(t *testing.T) {
	a := newSite(t, csrf.Config{Cookies: []string{"__Host-refresh"}})
	b := a.load()
	for _, lines := range [][]string{
		nil, {sameOrigin}, {"Cookie: theme=dark"}, {"Authorization: Bearer x"}, {"authorization: bearer x"}, {"Authorization: DPoP x"},
		{"Authorization: Bearer x", "Authorization: Bearer y"}, {"Cookie: "},
	} {
		a.passed("POST", "", lines...)
	}
	for _, lines := range [][]string{
		{"Authorization: Basic YTpi"}, {"Authorization: basic YTpi"}, {"Authorization: Negotiate x"}, {"Authorization: NTLM x"}, {"Authorization: Digest x"},
		{"Authorization: "}, {"Authorization: Bearerx"}, {"Authorization: Bearer x", "Authorization: Basic YTpi"}, {"Authorization: Bearer\tBasic x"},
		{"Cookie: __Host-session=x"}, {"Cookie: __Host-session"}, {"Cookie: a=b", "Cookie: __Host-session=x"}, {"Cookie: a=b,__Host-session=x"},
		{"Cookie: __Host-csrf="}, {"Cookie: __Host-refresh=x"},
	} {
		a.refused("token-missing", "POST", "", append(lines, sameOrigin)...)
		a.refused("token-missing", "POST", "", lines...)
		if !strings.Contains(strings.Join(lines, ""), "Cookie") {
			a.passed("POST", "", append(lines, b.lines(b.header())...)...)
		}
	}

	certified := func(header string) int {
		r := httptest.NewRequest("POST", "https://example.com/act", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		if header == "" {
			r.TLS.PeerCertificates = nil
		}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		res, _ := a.handle(r)
		return res.StatusCode
	}
	require.Equal(t, 200, certified(""))
	require.Equal(t, 403, certified("certificate"))
	require.Equal(t, []string{"csrf_refused token-missing"}, a.told())
}

func TestCSRFLogin(t *testing.T) {
	a := newSite(t, csrf.Config{})
	a.act = func(s *session.Session) error { return s.Login(context.Background(), session.Identity{Subject: "eve"}) }
	a.store.calls.Store(0)
	for _, lines := range [][]string{nil, {sameOrigin}, {"Sec-Fetch-Site: none"}, {"Authorization: Bearer x"}} {
		res, text := a.send("POST", "/login", "", lines...)
		require.Equal(t, 403, res.StatusCode)
		require.JSONEq(t, `{"error":"CSRF_REJECTED","message":"the request does not come from a page of this application"}`, text)
		require.Empty(t, res.Cookies())
		require.Len(t, a.events, 1)
		require.ErrorIs(t, a.events[0].Err, csrf.ErrNoToken)
		require.Equal(t, []string{"csrf_refused token-missing"}, a.told())
	}
	require.Zero(t, a.store.calls.Load())

	b := a.load()
	res, _ := a.send("POST", "/login", "", b.lines(sameOrigin, b.header())...)
	require.Equal(t, 200, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	require.Equal(t, []string{"session_created", "authn_login_success  eve"}, withoutSubject(a.told()))

	// The page of before the login is none of after it, and back.
	in := "Cookie: " + strings.TrimPrefix(b.cookies, "Cookie: ") + "; __Host-session=" + res.Cookies()[0].Value
	a.act = nil
	a.refused("token-invalid eve", "POST", "", in, sameOrigin, b.header())
	after := a.load(in)
	a.passed("POST", "", in, sameOrigin, after.header())
	a.refused("token-invalid", "POST", "", b.lines(sameOrigin, after.header())...)

	// A safe request may log in: the answer to a redirect is one, and has a state.
	a.page = func(_ adapter.Exchange, s *session.Session) (string, error) {
		return "", s.Login(context.Background(), session.Identity{Subject: "ann"})
	}
	res, _ = a.send("GET", "/callback", "")
	require.Equal(t, 200, res.StatusCode)
}

// withoutSubject leaves out whose the first event is.
func withoutSubject(told []string) []string {
	told[0], _, _ = strings.Cut(told[0], " ")
	return told
}

// Unknown is neither a user nor a visitor: 503, and no refusal that would be wrong.
func TestCSRFUnknown(t *testing.T) {
	a := newSite(t, csrf.Config{})
	b := a.user("ann")
	a.store.noLoad.Store(true)
	for _, lines := range [][]string{{b.header()}, {"X-CSRF-Token: x"}, nil} {
		res, text := a.send("POST", "/act", "", b.lines(append(lines, sameOrigin)...)...)
		require.Equal(t, 503, res.StatusCode)
		require.Contains(t, text, "STORE_UNAVAILABLE")
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		require.Equal(t, []string{"store_failure error"}, a.told())
	}
	require.Zero(t, a.ran)
	res, _ := a.send("GET", "/page", "", b.cookies)
	require.Equal(t, 503, res.StatusCode, "no token for nobody knows whom")
	require.Empty(t, res.Cookies())
	a.events = nil
	a.refused("cross-site", "POST", "", b.lines("Sec-Fetch-Site: cross-site")...)

	visitor := a.load()
	a.passed("POST", "", visitor.lines(sameOrigin, visitor.header())...)
	// A session's cookie of another form is nobody's, without a question.
	a.refused("token-invalid", "POST", "", sameOrigin, "Cookie: __Host-session=x", visitor.header())
}

// A session that is over leaves its pages without a token that is good.
func TestCSRFAfterTheSession(t *testing.T) {
	a := newSite(t, csrf.Config{})
	b := a.user("ann")
	require.NoError(t, a.m.RevokeAll(t.Context(), "ann"))
	a.events = nil
	res, _ := a.send("POST", "/act", "", b.lines(sameOrigin, b.header())...)
	require.Equal(t, 403, res.StatusCode)
	require.Equal(t, []string{"session_use_after_expire unknown-id", "csrf_refused token-invalid"}, a.told())
}

// Whose session looks stolen logs in again, for which the page needs a token.
func TestCSRFUnderStepUp(t *testing.T) {
	a := newSite(t, csrf.Config{})
	a.m = managerWith(t, a.store, session.Config{Fingerprint: session.FingerprintStepUp})
	var line string
	h := mount(a.m, nil, func(_ *gate, s *session.Session) { login(t, s, session.Identity{Subject: "ann"}) })
	res := record(h, get("User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:1) Gecko Firefox/1.0"))
	line = "Cookie: __Host-session=" + res.Cookies()[0].Value
	const elsewhere = "User-Agent: curl/8"
	b := a.load(line, elsewhere)
	a.act = func(s *session.Session) error { return s.Authorize() }
	res, text := a.send("POST", "/act", "", b.lines(sameOrigin, b.header(), elsewhere)...)
	require.Equal(t, 401, res.StatusCode)
	require.Contains(t, text, "STEP_UP_REQUIRED")
	a.act = func(s *session.Session) error { return s.Login(context.Background(), session.Identity{Subject: "ann"}) }
	res, text = a.send("POST", "/login", "", b.lines(sameOrigin, b.header(), elsewhere)...)
	require.Equal(t, 200, res.StatusCode, text)
}

func TestCSRFWithoutTokens(t *testing.T) {
	a := newSite(t, csrf.Config{InsecureNoTokens: true, Cookies: []string{"sid"}})
	in := loggedIn(t, a.m, session.Identity{Subject: "ann"})
	a.events = nil
	a.store.calls.Store(0)
	for _, lines := range [][]string{nil, {in}, {"Cookie: sid=1"}, {"Authorization: Basic x"}} {
		a.passed("POST", "", append(lines, sameOrigin)...)
		a.passed("POST", "", append(lines, "Origin: http://example.com")...)
		a.refused("cross-site", "POST", "", append(lines, "Sec-Fetch-Site: same-site")...)
		a.refused("cross-site", "POST", "", append(lines, "Origin: null")...)
		if len(lines) == 0 {
			a.passed("POST", "", lines...)
		} else {
			a.refused("no-origin", "POST", "", lines...)
		}
	}
	require.Zero(t, a.store.calls.Load())
	res, token := a.send("GET", "/page", "", in)
	require.Equal(t, 200, res.StatusCode)
	require.Empty(t, token)
	require.Empty(t, res.Header.Values("Set-Cookie"))
	require.Empty(t, res.Header.Values("Vary"))
}

// The engine's and the route's: both decide, and one cookie serves both.
func TestCSRFTwice(t *testing.T) {
	a := newSite(t, csrf.Config{})
	same := newSite(t, csrf.Config{}).guard
	named := newSite(t, csrf.Config{Cookie: cookie.Config{Name: "route"}}).guard
	for _, alone := range []bool{false, true} {
		if alone {
			a.m = nil
		}
		for _, inner := range []*csrf.Guard{a.guard, same} {
			a.inner = inner
			b := a.load()
			a.passed("POST", "", b.lines(sameOrigin, b.header())...)
			a.refused("token-missing", "POST", "", b.lines(sameOrigin)...)
			res, _ := a.send("GET", "/page", "", b.cookies)
			require.Empty(t, res.Cookies())
			require.Equal(t, []string{"Cookie"}, res.Header.Values("Vary"))
		}
		// The innermost one's token is what a page gets.
		a.inner = named
		res, _ := a.send("GET", "/page", "")
		require.Len(t, res.Cookies(), 1)
		require.Equal(t, "__Host-route", res.Cookies()[0].Name)
	}
}

// An outer guard's cookie is not taken for the inner one's, also within one answer.
func TestCSRFTwiceInOneAnswer(t *testing.T) {
	outer, inner := newSite(t, csrf.Config{}).guard, newSite(t, csrf.Config{Cookie: cookie.Config{Name: "route"}}).guard
	res := record(mount(newManager(t, newFaulty()), nil, func(g *gate, _ *session.Session) {
		for _, guard := range []*csrf.Guard{outer, outer, inner} {
			x := adapter.Bind(g, g.r, nil, netip.Addr{})
			_, d := adapter.BeginCSRF(guard, x)
			require.Nil(t, d)
			_, err := adapter.CSRFToken(x, "")
			require.NoError(t, err)
		}
	}), get())
	require.Len(t, res.Cookies(), 2)
	require.Equal(t, "__Host-csrf", res.Cookies()[0].Name)
	require.Equal(t, "__Host-route", res.Cookies()[1].Name)
	require.NotEqual(t, res.Cookies()[0].Value, res.Cookies()[1].Value)
}

func TestCSRFMisplaced(t *testing.T) {
	a := newSite(t, csrf.Config{})
	begin := func(ctx context.Context, m *session.Manager) *adapter.Denied {
		g := &gate{w: httptest.NewRecorder(), r: get().WithContext(ctx)}
		g.Init(g.w, g.r, nil, netip.Addr{}, g)
		return g.Begin(m)
	}
	r := get()
	ctx, d := adapter.BeginCSRF(a.guard, adapter.Headers(httptest.NewRecorder(), r))
	require.Nil(t, d)
	require.NotNil(t, ctx)
	require.Nil(t, ctx.Value("x"))
	d = begin(ctx, a.m)
	require.NotNil(t, d, "in front of Session")
	require.Equal(t, core.AuthMiddlewareFailure, d.Code)
	require.ErrorContains(t, d, "Mount it behind")

	behind := contextOf(t, a.m, get())
	require.Nil(t, begin(behind, newManager(t, newFaulty())), "a session in a session")
	ctx, d = adapter.BeginCSRF(a.guard, adapter.Headers(httptest.NewRecorder(), get().WithContext(behind)))
	require.Nil(t, d)
	require.Nil(t, ctx, "the session has a place for it")
	require.Equal(t, core.AuthMiddlewareFailure, begin(behind, newManager(t, newFaulty())).Code, "between two sessions")
	require.True(t, adapter.Mounted(behind, a.m))
}

// CSRF behind a guard works: who gets so far is logged in.
func TestCSRFBehindAGuard(t *testing.T) {
	a := newSite(t, csrf.Config{})
	b := a.user("ann")
	h := mount(a.m, nil, func(g *gate, _ *session.Session) {
		if d := adapter.RequireLogin(g.r.Context()); d != nil {
			g.answer(d)
			return
		}
		_, d := adapter.BeginCSRF(a.guard, adapter.Bind(g, g.r, nil, netip.Addr{}))
		require.Nil(t, d)
	})
	r := get(b.lines(sameOrigin, b.header())...)
	r.Method = "POST"
	require.Equal(t, 200, record(h, r).StatusCode)
	r = get(sameOrigin)
	r.Method = "POST"
	require.Equal(t, 401, record(h, r).StatusCode)
}

// A secret of the process alone is none where others answer, too.
func TestCSRFAlone(t *testing.T) {
	alone, err := csrf.New(csrf.Config{})
	require.NoError(t, err)
	off, err := csrf.New(csrf.Config{InsecureNoTokens: true})
	require.NoError(t, err)
	remote := managerWith(t, struct{ session.Store }{memstore.Default()}, session.Config{Secret: fleetSecret})
	for _, method := range []string{"GET", "POST"} {
		for desc, tc := range map[string]struct {
			m     *session.Manager
			guard *csrf.Guard
			want  int
		}{
			"memory": {newManager(t, newFaulty()), alone, 200}, "remote": {remote, alone, 500},
			"remote with a secret": {remote, newSite(t, csrf.Config{}).guard, 200}, "remote without tokens": {remote, off, 200}, "no session": {nil, alone, 200},
		} {
			a := newSite(t, csrf.Config{})
			a.guard, a.m = tc.guard, tc.m
			res, text := a.send(method, "/act", "", sameOrigin)
			require.Equal(t, tc.want, res.StatusCode, desc)
			if tc.want == 500 {
				require.Contains(t, text, "AUTH_MIDDLEWARE_FAILURE")
				require.NotContains(t, text, "ecret")
			}
		}
	}
}

func TestCSRFInsecureHTTP(t *testing.T) {
	a := newSite(t, csrf.Config{Cookie: cookie.Config{InsecureHTTP: true}})
	for _, tc := range []struct {
		peer, host string
		want       int
	}{
		{"127.0.0.1:1", "localhost:8080", 200}, {"127.0.0.1:1", "app.example.com", 500}, {"192.0.2.1:1", "localhost", 500},
	} {
		r := get()
		r.RemoteAddr, r.Host = tc.peer, tc.host
		res, _ := a.handle(r)
		require.Equal(t, tc.want, res.StatusCode, tc)
	}
}

// An event says who sent what, and nothing that could be sent again.
func TestCSRFEvents(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	a := newSite(t, csrf.Config{App: "bank", Now: func() time.Time { return noon }})
	a.m = managerWith(t, a.store, session.Config{Fingerprint: session.FingerprintIgnore})
	b := a.user("ann")
	for _, lines := range [][]string{{"Sec-Fetch-Site: cross-site"}, {sameOrigin}, {sameOrigin, "X-CSRF-Token: " + b.token[1:]}, {sameOrigin, "X-CSRF-Token: " + url.QueryEscape(b.token+"=")}} {
		a.events = nil
		a.send("POST", "/act", "", b.lines(append(lines, "User-Agent: "+strings.Repeat("u", 300))...)...)
		require.Len(t, a.events, 1)
		e := a.events[0]
		require.Equal(t, audit.CSRFRefused, e.Name)
		require.Equal(t, "bank", e.App)
		require.Equal(t, noon, e.Time)
		require.Equal(t, "192.0.2.1", e.ClientIP.String())
		require.Equal(t, strings.Repeat("u", 256), e.UserAgent)
		if e.Cause == audit.CauseCrossSite {
			require.Empty(t, e.Subject+e.Session, "nobody was asked")
		} else {
			require.Equal(t, "ann", e.Subject)
			require.Len(t, e.Session, 22)
		}
		text := fmt.Sprintf("%+v", e)
		require.NotContains(t, text, b.token[1:])
		require.NotContains(t, text, strings.TrimPrefix(b.cookies, "Cookie: __Host-session="))
	}
	// Why a form's token was not found is for the application alone.
	a.events = nil
	a.send("POST", "/act", "csrf_token=x&csrf_token=y", b.lines(sameOrigin, urlencoded)...)
	require.ErrorIs(t, a.events[0].Err, csrf.ErrNoToken)
	require.ErrorContains(t, a.events[0].Err, "twice")
}

func TestForCSRF(t *testing.T) {
	g := newSite(t, csrf.Config{}).guard
	c, err := adapter.ForCSRF("authx", g)(nil)
	require.NoError(t, err)
	require.Same(t, g, c.Guard)
	c, err = adapter.ForCSRF("authx", g)([]adapter.Option{{Skips: true, SkipName: "Skip", TrustProxy: []string{"10.0.0.0/8"}}})
	require.NoError(t, err)
	require.NotNil(t, c.Proxies)
	for desc, guard := range map[string]*csrf.Guard{"nil": nil, "zero": {}} {
		_, err = adapter.ForCSRF("authx", guard)([]adapter.Option{{Optional: true}, {Device: true}})
		require.ErrorContains(t, err, "authx.CSRF.guard", desc)
		require.ErrorContains(t, err, "authx.CSRF.cfg.Optional", desc)
		require.ErrorContains(t, err, "authx.CSRF.cfg.Device", desc)
		require.ErrorContains(t, err, "2 configurations", desc)
	}
}

// What a request that changes nothing pays behind a session.
func TestCSRFAllocatesNothingForReads(t *testing.T) {
	a := newSite(t, csrf.Config{})
	r := get()
	r = r.WithContext(contextOf(t, a.m, r))
	x := adapter.Headers(httptest.NewRecorder(), r)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if ctx, d := adapter.BeginCSRF(a.guard, x); ctx != nil || d != nil {
			t.Error("refused")
		}
	}))
}

// A session further out counts as well: a handler may act for its user.
func TestCSRFSeesEverySession(t *testing.T) {
	a := newSite(t, csrf.Config{})
	outer := managerWith(t, newFaulty(), session.Config{Cookie: cookie.Config{Name: "outer"}})
	decide := func(lines ...string) (*adapter.Denied, error) {
		r := get(lines...)
		r.Method = "POST"
		far := contextOf(t, outer, r)
		near := contextOf(t, a.m, r.WithContext(far))
		_, d := adapter.BeginCSRF(a.guard, adapter.Headers(httptest.NewRecorder(), r.WithContext(near)))
		return d, session.FromContext(far).Login(near, session.Identity{Subject: "ann", Method: "test"})
	}
	d, err := decide(sameOrigin)
	require.Nil(t, d)
	require.ErrorIs(t, err, csrf.ErrNoToken, "nobody logs in, in none of them")
	d, _ = decide(sameOrigin, "Cookie: __Host-outer=x")
	require.NotNil(t, d)
	require.Equal(t, core.CSRFRejected, d.Code)
}

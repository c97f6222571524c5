package conformance

import (
	"bytes"
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
)

// What requests of cases say about where they come from.
const (
	csrfSameOrigin = "Sec-Fetch-Site: same-origin"
	csrfCrossSite  = "Sec-Fetch-Site: cross-site"
	csrfEvil       = "Origin: https://evil.example"
	csrfPartner    = "https://partner.example"
)

// The cookie of visitors in its default form, byte for byte, "*" for its value. It is
// written out for the reason that loginLine is.
const (
	csrfCookie     = "__Host-csrf"
	csrfCookieLine = csrfCookie + "=*; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"
)

var (
	csrfNonce = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
	csrfToken = regexp.MustCompile(`^[A-Za-z0-9_-]{87}$`)
)

// csrfUnsafe are the methods for which /transfer has a route: those of RFC 9110 that
// change something, and one that nobody has heard of.
var csrfUnsafe = []string{"POST", "PUT", "PATCH", "DELETE", "FOO"}

// csrfApp is changingApp with a page that has a token in it, and actions that count how
// often they happened.
type csrfApp struct {
	App
	ran *atomic.Int64
}

func newCSRFApp() csrfApp {
	app := csrfApp{changingApp(), &atomic.Int64{}}
	for _, method := range csrfUnsafe {
		app = app.with(method, "/transfer", app.move)
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		app = app.with(method, "/look", app.move)
	}
	return app.
		with("POST", "/echo", func(r Request) error {
			app.ran.Add(1)
			body, err := r.Body()
			return answer(r, err, body)
		}).
		with("GET", "/page", csrfPage)
}

// csrfPage answers with a token, for ?method= and ?path= if they are there.
func csrfPage(r Request) error {
	token, err := r.CSRFToken(r.Query("method"), r.Query("path"))
	return answer(r, err, token)
}

func (a csrfApp) with(method, path string, h Handler, guards ...Guard) csrfApp {
	a.App = a.App.with(method, path, h, guards...)
	return a
}

// move is the action. It asks nothing of the session.
func (a csrfApp) move(r Request) error {
	a.ran.Add(1)
	return r.String(200, "moved")
}

// csrfGuard is guard for what a mutant may have changed.
func (t *T) csrfGuard(cfg csrf.Config) *csrf.Guard {
	t.Helper()
	if t.mutant != nil && t.mutant.Guard != nil {
		t.mutant.Guard(&cfg)
	}
	return t.guard(cfg)
}

// csrfServe serves a newCSRFApp behind a guard of cfg.
func (t *T) csrfServe(cfg csrf.Config) *csrfServer {
	t.Helper()
	return t.csrfServeApp(newCSRFApp(), cfg)
}

// csrfServeApp is csrfServe for an app that a case has changed.
func (t *T) csrfServeApp(app csrfApp, cfg csrf.Config) *csrfServer {
	t.Helper()
	app.CSRF = t.csrfGuard(cfg)
	return &csrfServer{Server: t.Serve(app.App), app: app, line: csrfCookieLine}
}

// csrfServer is a running csrfApp.
type csrfServer struct {
	*Server
	app  csrfApp
	line string // the visitor's cookie
	// header is the one for tokens, if it is not the default one.
	header string
}

// origin is where its own pages come from.
func (s *csrfServer) origin() string { return "http://" + s.Addr }

// none checks that no action happened, nothing was written, and no cookie was touched.
func (s *csrfServer) none(a *Answer) {
	s.t.Helper()
	Equal(s.t, "actions that happened", s.app.ran.Swap(0), 0)
	Equal(s.t, "Set-Cookie lines", len(a.Cookies()), 0)
}

// tab returns a page in a browser with an empty jar.
func (s *csrfServer) tab() *csrfTab { return &csrfTab{csrfServer: s} }

// visitor returns a page that has a token, in the browser of somebody who is not logged in.
func (s *csrfServer) visitor() *csrfTab {
	s.t.Helper()
	b := s.tab()
	b.open()
	return b
}

// user returns a page that has a token, in a browser in which user is logged in.
func (s *csrfServer) user(name string) *csrfTab {
	s.t.Helper()
	b := s.visitor()
	b.login(name)
	b.open()
	return b
}

// csrfTab is a page in a browser, with the jar of that browser.
type csrfTab struct {
	*csrfServer
	user, session, nonce string
	// token is the one that the page was given.
	token string
}

// at is the same browser at another process of the application.
func (b *csrfTab) at(s *csrfServer) *csrfTab {
	other := *b
	other.csrfServer = s
	return &other
}

// jar is the Cookie line that the browser sends, if any.
func (b *csrfTab) jar() []string {
	var pairs []string
	if b.session != "" {
		pairs = append(pairs, b.Cookie+"="+b.session)
	}
	if b.nonce != "" {
		pairs = append(pairs, b.cookieName()+"="+b.nonce)
	}
	if pairs == nil {
		return nil
	}
	return []string{"Cookie: " + strings.Join(pairs, "; ")}
}

// cookieName is the name of the visitor's cookie.
func (s *csrfServer) cookieName() string {
	name, _, _ := strings.Cut(s.line, "=")
	return name
}

// do sends a request with the jar, and takes in what is answered.
func (b *csrfTab) do(method, target string, lines ...string) *Answer {
	b.t.Helper()
	return b.take(b.Do(method, target, append(slices.Clone(lines), b.jar()...)...))
}

// take takes in what an answer set.
func (b *csrfTab) take(a *Answer) *Answer {
	for _, c := range a.Cookies() {
		switch {
		case c.Name == b.Cookie && c.Deletes:
			b.session = ""
		case c.Name == b.Cookie:
			b.session = c.Value
		case c.Name == b.cookieName() && c.Deletes:
			b.nonce = ""
		case c.Name == b.cookieName():
			b.nonce = c.Value
		}
	}
	return a
}

// post is do with POST.
func (b *csrfTab) post(target string, lines ...string) *Answer {
	b.t.Helper()
	return b.do("POST", target, lines...)
}

// transfer causes the action. What is sent is stated by the case, but for the jar.
func (b *csrfTab) transfer(lines ...string) *Answer {
	b.t.Helper()
	return b.post("/transfer", lines...)
}

// send is transfer with a body.
func (b *csrfTab) send(target, kind, body string, lines ...string) *Answer {
	b.t.Helper()
	return b.take(b.Raw(b.carrying("POST", target, kind, body, append(slices.Clone(lines), b.jar()...)...)))
}

// with is the header line for a token.
func (b *csrfTab) with() string { return cmp.Or(b.header, csrfHeaderName) + ": " + b.token }

const csrfHeaderName = "X-CSRF-Token"

func csrfHeader(token string) string { return csrfHeaderName + ": " + token }

// open loads the page, checks that everything about it is as it should be, and takes in
// the token.
func (b *csrfTab) open() *Answer {
	b.t.Helper()
	return b.openFor("/page")
}

// openFor is open for another page than /page.
func (b *csrfTab) openFor(target string) *Answer {
	b.t.Helper()
	t := b.t
	w := Want{Status: 200, Asked: true, CacheControl: "no-store"}
	nonce := b.nonce
	a := b.do("GET", target)
	switch {
	case b.user != "" && nonce != "": // a login has no use for it
		w.Cookies = []string{"=" + b.deletion()}
	case b.user == "" && nonce == "":
		w.Cookies = []string{"=" + b.written(a)}
	}
	b.Check(a, w)
	if !csrfToken.MatchString(a.Body) {
		t.Failf("token: got %q, want 87 characters of base64url", a.Body)
	}
	b.token = a.Body
	t.Events()
	t.Store.Calls()
	return a
}

// written is the line with which an answer should set the visitor's cookie.
func (b *csrfTab) written(a *Answer) string {
	b.t.Helper()
	cookies := a.Cookies()
	if len(cookies) != 1 || !csrfNonce.MatchString(cookies[0].Value) {
		b.t.Failf("Set-Cookie: got %q, want one line with 43 characters of base64url", a.Header["Set-Cookie"])
	}
	return strings.Replace(b.line, "*", cookies[0].Value, 1)
}

// deletion is the line that deletes the visitor's cookie.
func (s *csrfServer) deletion() string {
	return strings.NewReplacer("=*", "=", "Max-Age=86400", "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT").Replace(s.line)
}

// login logs user in from a page that has a token.
func (b *csrfTab) login(user string) {
	b.t.Helper()
	b.Check(b.post("/login?user="+user, csrfSameOrigin, b.with()), says("logged in", "set"))
	b.user = user
	b.t.forget()
}

// loaded checks that the store was asked once if there is a session to ask for, and else
// not at all.
func (b *csrfTab) loaded() {
	b.t.Helper()
	if b.session != "" {
		b.t.Calls(OpLoad)
		return
	}
	b.t.Calls()
}

// passed checks that the action happened, and was asked about once.
func (b *csrfTab) passed(a *Answer) {
	b.t.Helper()
	b.Check(a, says("moved"))
	b.happened()
	b.loaded()
}

// free checks that the action happened, and that nobody's authority was asked about.
func (b *csrfTab) free(a *Answer) {
	b.t.Helper()
	b.Check(a, Want{Status: 200, Body: "moved"})
	b.happened()
	b.t.Calls()
}

func (b *csrfTab) happened() {
	b.t.Helper()
	Equal(b.t, "actions that happened", b.app.ran.Swap(0), 1)
	b.t.Events()
}

// refused checks that the action did not happen because of cause, that the client is not
// told why and the audit trail is, and that layer one asks no store.
func (b *csrfTab) refused(a *Answer, cause audit.Cause) {
	b.t.Helper()
	t := b.t
	second := cause == audit.CauseTokenMissing || cause == audit.CauseTokenInvalid
	b.Check(a, Want{Status: 403, Code: "CSRF_REJECTED", Asked: second})
	b.none(a)
	if second {
		b.loaded()
	} else {
		t.Calls()
	}
	e := t.Events(fmt.Sprint("csrf_refused:", cause))[0]
	Equal(t, "address in the event", e.ClientIP, netip.MustParseAddr(socketPeer))
	Equal(t, "application in the event", e.App, "app")
	Equal(t, "time in the event", e.Time, t.Clock.Now())
	if e.Err == nil {
		t.Failf("the event has no error")
	}
	if second {
		Equal(t, "subject in the event", e.Subject, b.user)
	}
}

// misconfigured checks that nothing is served, and that the answer does not say why.
func (b *csrfTab) misconfigured(a *Answer) {
	b.t.Helper()
	b.Check(a, Want{Status: 500, Code: "AUTH_MIDDLEWARE_FAILURE"})
	b.none(a)
	b.t.Calls()
	b.t.Events()
}

// csrfRaw is what a token is made of: its kind, its mask, and its MAC under the mask.
func csrfRaw(t *T, token string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(token)
	t.NoError(err)
	Equal(t, "bytes of a token", len(raw), 65)
	return raw
}

// csrfForge is what a token of this kind with this MAC is made of.
func csrfForge(kind byte, mac []byte) []byte {
	mask := bytes.Repeat([]byte{0x5a}, len(mac))
	return slices.Concat([]byte{kind}, mask, csrfXor(mask, mac))
}

func csrfXor(a, b []byte) []byte {
	out := make([]byte, len(a))
	subtle.XORBytes(out, a, b)
	return out
}

func csrfText(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

package adapter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/session"
)

// ForCSRF is ForSession for CSRF.
func ForCSRF(pkg string, guard *csrf.Guard) Construct {
	return func(cfg []Option) (Compiled, error) {
		errs := misplaced(pkg, "CSRF", cfg, false, true, false)
		if guard == nil || guard.Cookie() == nil {
			errs = append(errs, &core.ConfigError{Field: pkg + ".CSRF.guard", Value: "nil", Reason: "make one with csrf.New"})
		}
		return construct(Compiled{Guard: guard}, pkg, "CSRF", cfg, errs)
	}
}

// csrfState is what CSRF keeps of one request. It is in the State, where it costs nothing
// more, or without a session in a csrfContext.
type csrfState struct {
	guard   *csrf.Guard // of the innermost middleware, nil if there is none
	visitor *visitor    // nil until a token is made that needs to know
}

// visitor is the value of the guard's cookie as this answer leaves it in the browser, "" for
// none.
type visitor struct{ nonce string }

type csrfKey struct{}

// csrfContext is the context of a request that CSRF let through without a session.
type csrfContext struct {
	context.Context
	csrfState
}

// Value implements context.Context.
func (c *csrfContext) Value(key any) any {
	if key == (csrfKey{}) {
		return &c.csrfState
	}
	return c.Context.Value(key)
}

// csrfFrom returns the place for the guard of the request that ctx belongs to, nil if there
// is neither a session nor a guard.
func csrfFrom(ctx context.Context) *csrfState {
	st, _ := ctx.Value(csrfKey{}).(*csrfState)
	return st
}

// guarded reports whether the request of ctx has been through a CSRF middleware.
func (st *csrfState) guarded() bool { return st != nil && st.guard != nil }

// Certified is an Exchange that can tell whether the client showed a certificate, which
// browsers do by themselves.
type Certified interface{ ClientCertificate() bool }

// csrfCookieLife is longer than pages stay open, and short enough that shared computers
// forget.
const csrfCookieLife = 24 * time.Hour

var (
	errCSRFOutside = errors.New("adapter: CSRF is mounted in front of Session and cannot know whose request it is. Mount it behind")
	errCSRFAlone   = errors.New("adapter: csrf.Config.Secret is not set, and sessions are in a store that other processes use too: their tokens would mean nothing here")
	errNoGuard     = fmt.Errorf("adapter: CSRF is not mounted in front of this handler: %w", core.ErrNoMiddleware)
)

// BeginCSRF decides whether x's request may go on. It is called behind BeginSession, if
// that is called at all. If ctx is not nil, it is what the request's context becomes.
func BeginCSRF(g *csrf.Guard, x Exchange) (ctx context.Context, d *Denied) {
	st := csrfFrom(x.Context())
	if st == nil {
		own := &csrfContext{Context: x.Context()}
		ctx, st = own, &own.csrfState
	}
	if st.guard != g {
		*st = csrfState{guard: g}
	}
	return ctx, beginCSRF(g, x)
}

func beginCSRF(g *csrf.Guard, x Exchange) *Denied {
	s := session.FromContext(x.Context())
	if d := checkLoopback(x, g.Cookie().InsecureHTTP()); d != nil {
		return d
	}
	// Told on every request, or a fleet of one would find out when it grows.
	if s != nil && g.Tokens() && g.Alone() && !s.Manager().Local() {
		return deny(core.AuthMiddlewareFailure, errCSRFAlone)
	}
	method := x.Method()
	if csrf.Safe(method) {
		return nil
	}
	path := x.Path()
	if g.Exempt(path) {
		return nil
	}
	err := checkCSRF(g, x, s, method, path)
	code := core.CSRFRejected
	e := audit.Event{}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, csrf.ErrNoToken), errors.Is(err, csrf.ErrToken):
		// Layer two has asked who this is. A request from elsewhere is refused
		// without: whoever makes many of them must not reach the store.
		if p, err := s.Principal(); err == nil {
			e.Subject, e.Session = p.Subject, p.Session
		}
	case errors.Is(err, csrf.ErrMediaType):
		code = core.UnsupportedMediaType
	case !errors.Is(err, csrf.ErrCrossSite) && !errors.Is(err, csrf.ErrNoOrigin):
		return Failure(x.Context(), err)
	}
	e.ClientIP, e.UserAgent = x.ClientIP(), audit.UserAgent(x.Header("User-Agent"))
	g.Tell(x.Context(), e, err)
	return deny(code, err)
}

// checkCSRF returns one of the errors of package csrf, or why nobody can say who this is.
func checkCSRF(g *csrf.Guard, x Exchange, s *session.Session, method, path string) error {
	fetch(x, &csrfFields, 2)
	silent := checkPage(g, x, method)
	if silent != nil && !errors.Is(silent, csrf.ErrNoOrigin) {
		return silent
	}
	if g.JSONOnly() && !onlyJSON(x) {
		return csrf.ErrMediaType
	}
	cookies := x.HeaderLines("Cookie")
	switch ambient := carriesCredential(g, x, cookies); {
	case !g.Tokens() && ambient:
		return silent
	case !g.Tokens():
		return nil
	case !ambient:
		// Nobody's authority is used here, and nobody may get one by it.
		for st := StateFrom(x.Context()); st != nil; st = StateFrom(st.Context) {
			st.Session.ForbidLogin(csrf.ErrNoToken)
		}
		return nil
	}
	binding, err := bindingOf(g, s, cookies)
	if err != nil {
		return err
	}
	token, err := tokenOf(g, x)
	if err != nil {
		return err
	}
	return g.Verify(token, binding, csrf.Action(method, path))
}

// checkPage is layer one.
func checkPage(g *csrf.Guard, x Exchange, method string) error {
	r := csrf.Request{
		Method: method, FetchSite: lent(x, "Sec-Fetch-Site"), Origin: lent(x, "Origin"),
		Host: x.Host(), Secure: x.Secure(),
	}
	err := g.Check(r)
	if errors.Is(err, csrf.ErrNoOrigin) { // of few requests, which alone pay for another header
		if r.Referer = x.HeaderLines("Referer"); len(r.Referer) > 0 {
			err = g.Check(r)
		}
	}
	return err
}

// carriesCredential reports whether the request may carry something that browsers send by
// themselves and that makes somebody be somebody.
func carriesCredential(g *csrf.Guard, x Exchange, cookies []string) bool {
	if g.Carries(cookies, "") {
		return true
	}
	// Of every session that the request has: a handler may act for any of them.
	for st := StateFrom(x.Context()); st != nil; st = StateFrom(st.Context) {
		if g.Carries(cookies, st.Session.Manager().Cookie().Name()) {
			return true
		}
	}
	for _, line := range x.HeaderLines("Authorization") {
		scheme, _, _ := strings.Cut(line, " ")
		// Scripts set these two, browsers never do. What is neither may be Basic,
		// Negotiate or the next one.
		if !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP") {
			return true
		}
	}
	c, ok := x.(Certified)
	return ok && c.ClientCertificate()
}

// bindingOf returns what a token of this request belongs to, the zero Binding for nobody.
func bindingOf(g *csrf.Guard, s *session.Session, cookies []string) (csrf.Binding, error) {
	login, err := loginOf(s)
	switch {
	case err != nil:
		return csrf.Binding{}, err
	case login != "":
		return csrf.ToLogin(login), nil
	}
	nonce, _ := nonceOf(g, cookies)
	return csrf.ToVisitor(nonce), nil
}

// loginOf names the login of a request, "" for a visitor.
func loginOf(s *session.Session) (string, error) {
	if s == nil {
		return "", nil
	}
	id, err := s.LoginID()
	if errors.Is(err, core.ErrAnonymous) {
		return "", nil
	}
	return id, err
}

// nonceOf returns the value of the guard's cookie, "" if there is none that counts, and how
// many cookies of its name there are. Of several nobody can tell which one is ours and
// which was planted.
func nonceOf(g *csrf.Guard, cookies []string) (nonce string, n int) {
	nonce, others, n := g.Cookie().Values(cookies)
	if len(others) > 0 || !csrf.IsNonce(nonce) {
		return "", n
	}
	return nonce, n
}

// CSRFToken returns a token for a form or a script of the page that is answered to x. action
// is as for csrf.Guard.Token. The answer becomes one that caches do not keep. For a visitor
// who is not logged in it may set a cookie, so it has to be called before headers leave:
// session.ErrHeadersSent otherwise, if x can tell or a session is there; an adapter whose
// framework knows by itself asks that first. Without layer two there are no tokens: "" and no error.
// core.ErrNoMiddleware without CSRF, core.ErrUnknown if the store did not answer.
func CSRFToken(x Exchange, action string) (string, error) {
	st := csrfFrom(x.Context())
	if !st.guarded() {
		return "", errNoGuard
	}
	if !st.guard.Tokens() {
		return "", nil
	}
	s := session.FromContext(x.Context())
	if x.Committed() || s.Finished() {
		return "", session.ErrHeadersSent
	}
	login, err := loginOf(s)
	if err != nil {
		return "", err
	}
	binding := csrf.ToLogin(login)
	if login != "" {
		st.endVisit(x)
	} else {
		nonce, err := st.visit(x, s)
		if err != nil {
			return "", err
		}
		binding = csrf.ToVisitor(nonce)
	}
	// Whoever gets the page out of a cache gets somebody else's token.
	x.SetHeader("Cache-Control", "no-store")
	return st.guard.Token(binding, action)
}

// visit returns the nonce that the visitor's browser has, or gives it one.
func (st *csrfState) visit(x Exchange, s *session.Session) (string, error) {
	if s == nil {
		addVary(x, "Cookie") // a session that was asked says so itself
	}
	n := 0
	if st.visitor == nil {
		st.visitor = &visitor{}
		st.visitor.nonce, n = nonceOf(st.guard, x.HeaderLines("Cookie"))
	}
	if st.visitor.nonce != "" {
		return st.visitor.nonce, nil
	}
	nonce, err := st.guard.Nonce()
	if err != nil {
		return "", err
	}
	line, err := st.guard.Cookie().Set(nonce, csrfCookieLife)
	if err != nil {
		return "", err
	}
	st.repair(x, n)
	x.AddHeader("Set-Cookie", line)
	st.visitor.nonce = nonce
	return nonce, nil
}

// endVisit deletes the visitor's cookie: what is in it has no use for a login, and must not
// outlive it.
func (st *csrfState) endVisit(x Exchange) {
	n := 0
	if st.visitor == nil {
		_, n = nonceOf(st.guard, x.HeaderLines("Cookie"))
	}
	if n == 0 && (st.visitor == nil || st.visitor.nonce == "") {
		return
	}
	st.repair(x, n)
	x.AddHeader("Set-Cookie", st.guard.Cookie().Delete())
	st.visitor = &visitor{}
}

// repair deletes the other forms of the cookie if there are several. Deletions come first:
// to a browser that knows no partitions they delete the configured form, too.
func (st *csrfState) repair(x Exchange, n int) {
	if n < 2 {
		return
	}
	for _, line := range st.guard.Cookie().DeleteVariants() {
		x.AddHeader("Set-Cookie", line)
	}
}

package adapter

import (
	"context"
	"errors"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/internal/origin"
	"github.com/sallyport-go/sallyport/core/session"
)

// State is what one request carries. It is the context.Context of everything
// below the middleware, and answers there for the session and the identity, so
// that one allocation serves all. An adapter embeds it in its per-request type.
type State struct {
	context.Context
	Session session.Session
	// Owner is the adapter's own, typically its compiled configuration. OwnerFrom
	// finds it.
	Owner any
	csrf  csrfState
	// encoded: somebody further out encodes whatever this request is answered.
	encoded bool
}

type stateKey struct{}

// Value implements context.Context.
func (s *State) Value(key any) any {
	switch key.(type) {
	case session.ContextKey, core.PrincipalKey:
		return &s.Session
	case identityKey:
		return sessionIdentity{&s.Session}
	case ownerKey:
		return s.Owner
	case stateKey:
		return s
	case csrfKey:
		return &s.csrf
	default:
		return s.Context.Value(key)
	}
}

// StateFrom returns the State of the innermost session middleware that ctx has
// been through, nil if none.
func StateFrom(ctx context.Context) *State {
	s, _ := ctx.Value(stateKey{}).(*State)
	return s
}

type ownerKey struct{}

// OwnerFrom returns the Owner of the innermost middleware that ctx has been through,
// of a session's or a token's, nil if none.
func OwnerFrom(ctx context.Context) any { return ctx.Value(ownerKey{}) }

// Mounted reports whether a session middleware with this manager runs further
// out already. A second one has nothing to do.
func Mounted(ctx context.Context, m *session.Manager) bool {
	s := session.FromContext(ctx)
	return s != nil && s.Manager() == m && !s.Finished()
}

var errNotLoopback = errors.New("adapter: InsecureHTTP serves loopback only, and this request is not from or not for it")

// BeginSession makes st the state of x's request. It asks the store nothing. A
// refusal is a request that a development configuration must not serve.
func BeginSession(m *session.Manager, x Exchange, st *State) *Denied {
	st.Context = x.Context()
	if d := checkLoopback(x, m.Cookie().InsecureHTTP()); d != nil {
		return d
	}
	if csrfFrom(st.Context).guarded() {
		return deny(core.AuthMiddlewareFailure, errCSRFOutside)
	}
	st.encoded = x.ResponseHeader("Content-Encoding") != ""
	fetch(x, &sessionFields, 0)
	m.Begin(&st.Session, st.Context, session.Request{
		Cookies: x.HeaderLines("Cookie"), UserAgent: x.Header("User-Agent"), ClientIP: x.ClientIP(),
	})
	return nil
}

// checkLoopback refuses whoever is not on this machine a cookie that is for it alone.
func checkLoopback(x Exchange, insecure bool) *Denied {
	if insecure && !(x.ClientIP().IsLoopback() && loopbackHost(x.Host())) {
		return deny(core.AuthMiddlewareFailure, errNotLoopback)
	}
	return nil
}

// loopbackHost reports whether a Host header names this machine. The peer's
// address is not enough: a reverse proxy is a loopback peer as well.
func loopbackHost(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return origin.Loopback(strings.Trim(host, "[]"))
}

// CommitSession stores what the request has pending and puts the session's
// headers into the answer. Call it once, at the last moment before headers leave;
// further calls do nothing. A refusal replaces the answer: the adapter answers with
// it, Denied.SetHeaders first, in place of whatever the handler writes.
func CommitSession(x Exchange, st *State) *Denied {
	out := st.Session.Finish()
	setHeaders(x, out)
	if out.Err == nil {
		return nil
	}
	if !st.encoded {
		x.SetHeader("Content-Encoding", "")
	}
	return unstored(st, out.Err)
}

// forgetBody removes the headers that would be lies about another body. Vary and
// the CORS headers hold for any answer of the route and stay. Content-Encoding is
// not among them, because a compressing middleware further out may have set it,
// which will encode the refusal too: CommitSession knows.
func forgetBody(x Exchange) {
	for _, name := range [...]string{
		"Content-Length", "Content-Type", "ETag", "Last-Modified", "Location", "Cache-Control",
		"Content-Disposition", "Content-Range", "Accept-Ranges",
	} {
		x.SetHeader(name, "")
	}
}

// AbandonSession is CommitSession after a panic: pending data is thrown away, the
// cookies of transitions that were stored still go out with the error page.
func AbandonSession(x Exchange, st *State) { setHeaders(x, st.Session.Abandon()) }

func setHeaders(x Exchange, out session.Outcome) {
	for _, line := range out.SetCookie {
		x.AddHeader("Set-Cookie", line)
	}
	if len(out.SetCookie) > 0 {
		// A cache that kept this answer would hand the credential to others.
		x.SetHeader("Cache-Control", "no-store")
	}
	if out.Asked {
		x.AddHeader("Vary", "Cookie")
		if x.ResponseHeader("Cache-Control") == "" {
			x.SetHeader("Cache-Control", "private")
		}
	}
}

package conformance

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cors"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// Harness is what an adapter's author supplies.
type Harness struct {
	// Name is the matrix column's heading.
	Name string
	// Start serves app on a free port of the loopback interface until the test
	// ends, and returns the address, host:port.
	//
	// It mounts, from the outside in: the framework's panic recovery, quiet; the
	// adapter's CORS on everything if app.CORS; the adapter's session middleware on all
	// routes, twice if app.Twice; the adapter's CSRF on all routes if app.CSRF; the
	// groups; each route with its guards in order. CORS and CSRF get the options of the
	// session middleware, but for the skipper. The adapter's Bearer gets the same options as
	// the session middleware; where that is mounted, ErrorHandler and skipper are
	// left to it. It pins the routing so that adapters can
	// be compared: paths match byte for byte (no redirect for a trailing slash,
	// no case folding, no cleaning), HEAD and OPTIONS only where a route says
	// so, header lines up to 64 KiB.
	Start func(t testing.TB, app App) (addr string)
	// Gaps are cases that the adapter is known not to pass, slug to reason. They
	// still run, and a gap that passes fails the suite.
	Gaps map[string]string
}

// App is an application that a case wants served.
type App struct {
	Sessions *session.Manager
	// TrustProxy and ClientIP are the adapter's options of the same names.
	TrustProxy []string
	ClientIP   func() string
	// OwnErrorHandler asks for the adapter's ErrorHandler option to be used, and
	// to answer every refusal with its status and the body OwnRefusal.
	OwnErrorHandler bool
	// SkipPath is a path for which the native skipper returns true.
	SkipPath string
	// Twice mounts the session middleware a second time, further in.
	Twice bool
	// NoMiddleware leaves the session middleware out.
	NoMiddleware bool
	// Verifier is what guards with Bearer get.
	Verifier *token.Verifier
	// Keys, if set, is published at JWKSPath, for GET and HEAD.
	Keys *token.KeyRing
	// Tokens, if set, is what the adapter's token endpoints serve.
	Tokens *TokenService
	// Late mounts the session middleware on each route behind its guards, which
	// is a mistake, instead of in front of everything.
	Late bool
	// CORS, if set, is mounted in front of the session middleware.
	CORS *cors.Policy
	// CSRF, if set, is mounted behind the session middleware; in front of it, which is
	// a mistake, with CSRFOutside.
	CSRF        *csrf.Guard
	CSRFOutside bool
	Routes      []Route
	Groups      []Group
	// Wrap, if set, goes around the whole server. A harness that is not on
	// net/http ignores it; the suite uses it to prove itself with broken
	// adapters.
	Wrap func(http.Handler) http.Handler
}

// OwnRefusal is what App.OwnErrorHandler answers.
const OwnRefusal = "refused by the application"

// JWKSPath is where App.Keys is published.
const JWKSPath = "/.well-known/jwks.json"

// TokenService is what the adapter's TokenLogin, Refresh, Logout, Revoke and Introspect
// are made of. They are mounted at the paths below for POST and for GET, with the options
// that Bearer gets and with the adapter's Device option, which is the header DeviceHeader.
type TokenService struct {
	Rotator *refresh.Rotator
	// Login is TokenLogin's check.
	Login func(Request) (refresh.Identity, error)
	// Clients and App.Verifier are for Revoke and Introspect.
	Clients refresh.ClientAuthenticator
}

// Where App.Tokens is mounted.
const (
	LoginPath      = "/auth/login"
	RefreshPath    = "/auth/refresh"
	LogoutPath     = "/auth/logout"
	RevokePath     = "/auth/revoke"
	IntrospectPath = "/auth/introspect"
	DeviceHeader   = "X-Test-Device"
)

// Route is one route of an App.
type Route struct {
	Method, Path string
	Guards       []Guard
	Handler      Handler
}

// Group is a group of routes, in the framework's own sense, with a policy by the adapter's
// CORSGroups. Their paths begin with Prefix, "/api", and none of them is for OPTIONS.
// App.CORS is then the policy of the group "/".
type Group struct {
	Prefix string
	CORS   *cors.Policy
	Routes []Route
}

// Guard is one middleware in front of a handler; exactly one field is set, but for
// Optional and Anew.
type Guard struct {
	Login  bool
	Roles  []string
	Scopes []string
	Fresh  time.Duration
	// Bearer is the adapter's Bearer with App.Verifier, Optional its option.
	Bearer, Optional bool
	// CORS and CSRF are the adapter's middleware of these names. With Anew CORS is
	// constructed again for each request, as careless applications do.
	CORS *cors.Policy
	CSRF *csrf.Guard
	Anew bool
}

// Claims is what Request.Claims decodes a token into.
type Claims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	ID      string `json:"jti"`
	Session string `json:"sid"`
	Expires int64  `json:"exp"`
	// Generation and Answer are those of a refresh family.
	Generation int64  `json:"gen"`
	Answer     int64  `json:"ans"`
	Note       string `json:"note"` // a private claim
}

// Handler is a route's code. It returns an error the way the framework's handlers
// do; where they return none, the harness reports it natively. It panics natively.
type Handler func(Request) error

// Request is what a handler can do, each in the framework's own way.
type Request interface {
	// Context is what code below the HTTP layer gets.
	Context() context.Context
	// Session and Principal are the adapter's SessionFrom and PrincipalFrom.
	Session() *session.Session
	Principal() (core.Principal, error)
	// Claims is the adapter's ClaimsFrom.
	Claims() (Claims, error)
	// CSRFToken is the adapter's CSRFToken, with an action CSRFTokenFor.
	CSRFToken(method, path string) (string, error)
	// Query and Body read the request; Body reads all of it.
	Query(name string) string
	Body() (string, error)

	SetHeader(name, value string)
	// Status sets the status and sends no body.
	Status(code int) error
	// String, JSON and Redirect answer at once.
	String(code int, body string) error
	JSON(code int, v any) error
	Redirect(code int, location string) error
	// File sends a file by the framework's helper.
	File(path string) error
	// Copy is io.Copy to the framework's writer.
	Copy(body io.Reader) error
	// Stream sends a body piece by piece. write runs when the framework lets a
	// handler stream, which may be after the handler returned; nothing of the
	// request is used in it.
	Stream(by FlushBy, write func(Stream)) error
	// EarlyHints sends 103 with a Link header.
	EarlyHints() error
	// Hijack answers 101 and hands the connection to use, as an upgrade to
	// WebSocket does.
	Hijack(use func(net.Conn)) error
	// NativeError makes an error of the framework's own kind with the status.
	NativeError(code int, message string) error
	// Fail is the adapter's Fail.
	Fail(err error) error
}

// FlushBy says by which of the framework's ways a Stream flushes.
type FlushBy int

const (
	// FlushNative is the framework's own flush.
	FlushNative FlushBy = iota
	// FlushController is http.ResponseController, or the native one where the
	// framework is not on net/http.
	FlushController
)

// Stream is a streaming answer.
type Stream interface {
	io.Writer
	Flush() error
}

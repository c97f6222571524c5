package adapter

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/csrf"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/token"
)

// Answer is what an endpoint answers, its headers excepted, which are set already.
type Answer struct {
	Status int
	// Body is JSON, nil for none.
	Body []byte
}

// Asked is what an adapter knows of a request beside the Exchange.
type Asked struct {
	// Device is what the adapter's Config.Device says.
	Device string
	// Login is the application's check of a login, for Login endpoints alone.
	Login func() (refresh.Identity, error)
}

// Endpoint is the handler of one of the routes of a token service. It is immutable and safe
// for concurrent use.
type Endpoint struct {
	rotator  *refresh.Rotator
	verifier *token.Verifier
	clients  refresh.ClientAuthenticator
	origins  *csrf.Guard // nil unless the tokens travel in a cookie
	serve    func(*Endpoint, Exchange, Asked) (*Answer, error)
}

// Serve decides about a request. The error is a *Denied or, of a login, whatever the
// application's check returned that means nothing here.
func (e *Endpoint) Serve(x Exchange, a Asked) (*Answer, error) {
	// A token in a URL ends up in logs, and what GET does may be done by anybody's
	// page or by a prefetch (RFC 7009 section 2.1, RFC 7662 section 2.1).
	if x.Method() != http.MethodPost {
		d := deny(core.InvalidRequest, errMethod)
		d.Status, d.allow = http.StatusMethodNotAllowed, http.MethodPost
		return nil, d
	}
	// Whatever the answer is, it is about a credential (RFC 6749 section 5.1).
	x.SetHeader("Cache-Control", "no-store")
	return e.serve(e, x, a)
}

var errMethod = errors.New("adapter: the endpoint takes POST alone")

// from is where x's request comes from.
func (e *Endpoint) from(x Exchange, a Asked, client string) refresh.From {
	return refresh.From{Client: client, Device: a.Device, ClientIP: x.ClientIP(), UserAgent: x.Header("User-Agent")}
}

// accept reads the parameters of an endpoint that users' clients call. In front of a
// cookie stands the first layer against forged requests, and JSON, which no page of
// somebody else can send without asking first.
func (e *Endpoint) accept(x Exchange, read bool) (params, error) {
	accepted := jsonBody | formBody
	if e.origins != nil {
		if d := e.guardCookie(x); d != nil {
			return nil, d
		}
		accepted = jsonBody
	}
	if !read {
		// The body is the application's to read.
		if kind, ok := mediaOf(x.HeaderLines("Content-Type")); e.origins != nil && (!ok || kind != jsonBody) {
			return nil, deny(core.UnsupportedMediaType, errMediaType)
		}
		return nil, nil
	}
	p, d := readParams(x, accepted)
	if d != nil {
		return nil, d
	}
	return p, nil
}

func (e *Endpoint) guardCookie(x Exchange) *Denied {
	if d := checkLoopback(x, e.rotator.Cookie().InsecureHTTP()); d != nil {
		return d
	}
	err := checkPage(e.origins, x, x.Method())
	// A client that says nothing about where it comes from is no browser, unless it
	// brings a cookie.
	if errors.Is(err, csrf.ErrNoOrigin) && len(x.HeaderLines("Cookie")) == 0 {
		err = nil
	}
	if err != nil {
		return deny(core.CSRFRejected, err)
	}
	return nil
}

// granted is the answer with tokens (RFC 6749 section 5.1). In a cookie the refresh token
// is nowhere else: no script is to see it.
func (e *Endpoint) granted(x Exchange, t refresh.Tokens, now time.Time) (*Answer, error) {
	body := struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
		Refresh string `json:"refresh_token,omitempty"`
		Scope   string `json:"scope,omitempty"`
	}{t.Access, "Bearer", max(int64(t.Expires.Sub(now)/time.Second), 0), t.Refresh, strings.Join(t.Principal.Scopes, " ")}
	if spec := e.rotator.Cookie(); spec != nil && t.Refresh != "" {
		line, err := spec.Set(t.Refresh, t.RefreshExpires.Sub(now))
		if err != nil {
			return nil, deny(core.AuthMiddlewareFailure, err)
		}
		x.AddHeader("Set-Cookie", line)
		body.Refresh = ""
	}
	return answerJSON(body)
}

func answerJSON(body any) (*Answer, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, deny(core.AuthMiddlewareFailure, err)
	}
	return &Answer{Status: http.StatusOK, Body: b}, nil
}

package adapter

import (
	"errors"
	"net/http"
	"strings"

	"github.com/sallyport-go/sallyport/core"
)

var (
	errGrantType = errors.New("adapter: the grant_type is not refresh_token")
	errTarget    = errors.New("adapter: access tokens are for the audience of their issuer, and a refresh cannot ask for another (RFC 8707)")
	errNoToken   = errors.New("adapter: there is no token in the request")
	errInBody    = errors.New("adapter: the refresh token travels in a cookie, and one is in the body")
	errCookies   = errors.New("adapter: there are several refresh cookies")
)

// serveLogin answers a login with the tokens of a new family.
func (e *Endpoint) serveLogin(x Exchange, a Asked) (*Answer, error) {
	if _, err := e.accept(x, false); err != nil {
		return nil, err
	}
	id, err := a.Login()
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return nil, e.unauthenticated(err)
	case err != nil:
		if d := Refusal(x.Context(), err); d != nil {
			return nil, d
		}
		return nil, err
	}
	if spec := e.rotator.Cookie(); spec != nil && id.Replaces == "" {
		// Which of several is this browser's own cannot be told; none is then ended.
		if raw, others, _ := spec.Values(x.HeaderLines("Cookie")); len(others) == 0 {
			id.Replaces = raw
		}
	}
	t, err := e.rotator.Login(x.Context(), id, e.from(x, a, id.Client))
	if err != nil {
		return nil, Failure(x.Context(), err)
	}
	if spec := e.rotator.Cookie(); spec != nil {
		// A jar can hold several cookies of the name; the one that is set last lives.
		for _, line := range spec.DeleteVariants() {
			x.AddHeader("Set-Cookie", line)
		}
	}
	return e.granted(x, t, e.rotator.Now())
}

// serveRefresh answers a refresh token.
func (e *Endpoint) serveRefresh(x Exchange, a Asked) (*Answer, error) {
	p, err := e.accept(x, true)
	if err != nil {
		return nil, err
	}
	raw, err := e.presented(x, p)
	if err != nil {
		return nil, err
	}
	if grant, there := p["grant_type"]; there && grant != "refresh_token" {
		return nil, deny(core.InvalidRequest, errGrantType)
	}
	if p["audience"] != "" || p["resource"] != "" {
		return nil, deny(core.InvalidRequest, errTarget)
	}
	var scopes []string
	if scope, there := p["scope"]; there {
		scopes = strings.Fields(scope)
	}
	t, err := e.rotator.Refresh(x.Context(), raw, scopes, e.from(x, a, p["client_id"]))
	if err != nil {
		return nil, Failure(x.Context(), err)
	}
	return e.granted(x, t, e.rotator.Now())
}

// serveLogout ends the family of a refresh token. The cookie is deleted only by the
// request that ended it: a late answer must not wipe out a fresh login.
func (e *Endpoint) serveLogout(x Exchange, a Asked) (*Answer, error) {
	p, err := e.accept(x, true)
	if err != nil {
		return nil, err
	}
	raw, err := e.presented(x, p)
	if err != nil {
		return nil, err
	}
	ended, err := e.rotator.Logout(x.Context(), raw, e.from(x, a, p["client_id"]))
	if err != nil {
		return nil, Failure(x.Context(), err)
	}
	if spec := e.rotator.Cookie(); spec != nil && ended {
		x.AddHeader("Set-Cookie", spec.Delete())
	}
	return &Answer{Status: http.StatusNoContent}, nil
}

// presented returns the refresh token of a request.
func (e *Endpoint) presented(x Exchange, p params) (string, error) {
	raw, inBody := p["refresh_token"]
	spec := e.rotator.Cookie()
	if spec == nil {
		if raw == "" {
			return "", deny(core.InvalidRequest, errNoToken)
		}
		return raw, nil
	}
	if inBody {
		return "", deny(core.InvalidRequest, errInBody)
	}
	raw, others, n := spec.Values(x.HeaderLines("Cookie"))
	switch {
	case n == 0:
		return "", e.unauthenticated(errNoToken)
	case len(others) > 0:
		return "", deny(core.InvalidRequest, errCookies)
	default:
		return raw, nil
	}
}

// unauthenticated: RFC 9110 section 11.6.1 wants a challenge with every 401.
func (e *Endpoint) unauthenticated(err error) *Denied {
	d := deny(core.MissingCredentials, err)
	d.challenge = `Bearer realm="` + e.rotator.Revocations().App() + `"`
	return d
}

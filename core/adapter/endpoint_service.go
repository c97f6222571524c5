package adapter

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
)

var (
	errClient  = errors.New("adapter: the service did not authenticate itself")
	errTwoWays = errors.New("adapter: the service authenticates itself in more than one way")
	errForeign = errors.New("adapter: the token was issued to another client")
)

// service reads the parameters of an endpoint that other services call, and
// authenticates the caller (RFC 7009 section 2.1, RFC 7662 section 2.1). Without that,
// whoever finds tokens could find out which of them are good.
func (e *Endpoint) service(x Exchange) (params, refresh.Caller, error) {
	var caller refresh.Caller
	p, d := readParams(x, formBody)
	if d != nil {
		return nil, caller, d
	}
	id, secret, err := clientCredentials(x.HeaderLines("Authorization"), p)
	if err != nil {
		return nil, caller, err
	}
	caller, err = e.clients(x.Context(), id, secret)
	switch {
	case errors.Is(err, core.ErrAnonymous):
		return nil, caller, e.noClient(err)
	case err != nil:
		return nil, caller, Failure(x.Context(), err)
	case p["token"] == "":
		return nil, caller, deny(core.InvalidRequest, errNoToken)
	}
	return p, caller, nil
}

// clientCredentials finds the one pair of credentials: HTTP Basic, whose halves are
// encoded as form parameters are, or client_id and client_secret in the form (RFC 6749
// section 2.3.1). Not both.
func clientCredentials(lines []string, p params) (id, secret string, err error) {
	secret, inBody := p["client_secret"]
	switch {
	case len(lines) == 0 && !inBody:
		return "", "", nil // nobody, which the authenticator refuses
	case len(lines) == 0:
		return p["client_id"], secret, nil
	case len(lines) > 1 || inBody:
		return "", "", deny(core.InvalidRequest, errTwoWays)
	}
	r := http.Request{Header: http.Header{"Authorization": lines}}
	id, secret, ok := r.BasicAuth()
	if !ok {
		return "", "", nil
	}
	id, idErr := url.QueryUnescape(id)
	secret, secretErr := url.QueryUnescape(secret)
	if idErr != nil || secretErr != nil {
		return "", "", nil
	}
	return id, secret, nil
}

func (e *Endpoint) noClient(err error) *Denied {
	d := deny(core.MissingCredentials, errors.Join(errClient, err))
	d.challenge = `Basic realm="` + e.rotator.Revocations().App() + `"`
	return d
}

// serveRevoke is RFC 7009. An answer of 200 says that the token is worth nothing now,
// whether or not it was worth something: it is never given for what could not be stored,
// or for what was left alone because it is another client's.
func (e *Endpoint) serveRevoke(x Exchange, a Asked) (*Answer, error) {
	p, caller, err := e.service(x)
	if err != nil {
		return nil, err
	}
	// The hint is none to us: the two kinds cannot be taken for each other.
	if refresh.Looks(p["token"]) {
		err = e.revokeRefresh(x, a, p["token"], caller)
	} else {
		err = e.revokeAccess(x, p["token"], caller)
	}
	if err != nil {
		return nil, err
	}
	return &Answer{Status: http.StatusOK}, nil
}

func (e *Endpoint) revokeRefresh(x Exchange, a Asked, raw string, caller refresh.Caller) error {
	_, err := e.rotator.Revoke(x.Context(), raw, e.from(x, a, caller.ID))
	switch {
	case errors.Is(err, refresh.ErrForeign):
		return deny(core.InvalidGrant, err)
	case errors.Is(err, refresh.ErrInvalidGrant):
		return nil // none of ours, so nothing is to be revoked (RFC 7009 section 2.2)
	case err != nil:
		return Failure(x.Context(), err)
	}
	return nil
}

func (e *Endpoint) revokeAccess(x Exchange, raw string, caller refresh.Caller) error {
	t, err := e.verifier.Verify(x.Context(), raw)
	switch {
	case errors.Is(err, core.ErrUnknown):
		return deny(core.StoreUnavailable, err)
	case err != nil:
		return nil
	}
	c := t.Claims()
	if c.ClientID != caller.ID {
		return deny(core.InvalidGrant, errForeign)
	}
	if err := e.rotator.Revocations().RevokeToken(x.Context(), c.Subject, c.ID, c.Expires); err != nil {
		return Failure(x.Context(), err)
	}
	return nil
}

// introspected is RFC 7662 section 2.2. Of what is not active, nothing else is said.
type introspected struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	Type     string `json:"token_type,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	IssuedAt int64  `json:"iat,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
	ID       string `json:"jti,omitempty"`
	Session  string `json:"sid,omitempty"`
}

// serveIntrospect is RFC 7662. A token that could not be checked is 503 and never
// inactive: the caller would end what is alive.
func (e *Endpoint) serveIntrospect(x Exchange, _ Asked) (*Answer, error) {
	p, caller, err := e.service(x)
	if err != nil {
		return nil, err
	}
	var says introspected
	if refresh.Looks(p["token"]) {
		says, err = e.introspectRefresh(x, p["token"], caller)
	} else {
		says, err = e.introspectAccess(x, p["token"], caller)
	}
	if err != nil {
		return nil, err
	}
	return answerJSON(says)
}

func (e *Endpoint) introspectAccess(x Exchange, raw string, caller refresh.Caller) (says introspected, err error) {
	// Being asked about is being seen: the service that asks is about to act on it. So a
	// caller that it is not for must be turned away before, or whoever may ask could
	// confirm what is not his.
	if caller.Audience == "" || caller.Audience != e.verifier.Audience() {
		return says, nil
	}
	t, err := e.verifier.Verify(x.Context(), raw)
	switch {
	case errors.Is(err, core.ErrUnknown):
		return says, deny(core.StoreUnavailable, err)
	case err != nil:
		return says, nil
	}
	c := t.Claims()
	return introspected{
		Active: true, Scope: strings.Join(c.Scopes, " "), ClientID: c.ClientID, Type: "Bearer",
		Expires: c.Expires.Unix(), IssuedAt: c.IssuedAt.Unix(), Subject: c.Subject,
		Audience: caller.Audience, Issuer: c.Issuer, ID: c.ID, Session: c.Session,
	}, nil
}

func (e *Endpoint) introspectRefresh(x Exchange, raw string, caller refresh.Caller) (says introspected, err error) {
	f, err := e.rotator.Family(x.Context(), raw)
	switch {
	case errors.Is(err, core.ErrUnknown):
		return says, deny(core.StoreUnavailable, err)
	case err != nil || f.Client != caller.ID:
		return says, nil
	}
	return introspected{
		Active: true, Scope: strings.Join(f.Scopes, " "), ClientID: f.Client, Expires: f.Expires.Unix(),
		Subject: f.Subject, Session: f.Handle,
	}, nil
}

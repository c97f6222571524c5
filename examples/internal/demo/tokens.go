package demo

import (
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// Who the demo's tokens are for: the API of the application that issues them, or
// the service in another process.
const (
	apiAudience    = "demo-api"
	OrdersAudience = "demo-orders"
)

const (
	profileScope = "profile"
	ordersScope  = "orders:read"
	// RefundScope is what nobody here was granted.
	RefundScope = "refunds:write"
)

// Short, so that one can watch. A service leaves the defaults: 15 minutes for a
// token, and hours for a key.
const (
	tokenLifetime = 2 * time.Minute
	keyMaxAge     = 5 * time.Second
	keyAnnounce   = 2 * keyMaxAge
	keyRetire     = 3 * time.Minute
)

// issueTokens makes what issues the tokens of the application named app, and what
// verifies them.
func (a *App) issueTokens(app string, o Options) (err error) {
	if o.Join == nil {
		a.issuerName = a.URL
		a.Keys, err = token.NewKeyRing(token.KeyRingConfig{
			Generate: token.ES256, MaxAge: keyMaxAge, Announce: keyAnnounce, Retire: keyRetire,
			App: app, Audit: a.Log, Now: o.Now,
		})
		if err != nil {
			return err
		}
	} else {
		// In one process nodes share the ring itself. In several each would be
		// given the same Keys.
		a.issuerName, a.Keys = o.Join.issuerName, o.Join.Keys
	}
	cfg := token.IssuerConfig{
		Name: a.issuerName, Audience: apiAudience, Keys: a.Keys, Lifetime: tokenLifetime,
		App: app, Audit: a.Log, Now: o.Now,
	}
	if a.issuer, err = token.NewIssuer(cfg); err != nil {
		return err
	}
	// The page wants to see an expired token without waiting for one.
	cfg.Audit, cfg.Now = nil, func() time.Time { return o.Now().Add(-time.Hour) }
	if a.past, err = token.NewIssuer(cfg); err != nil {
		return err
	}
	a.Tokens, err = token.NewVerifier(token.VerifierConfig{
		App: app, Audience: apiAudience,
		Issuers: []token.TrustedIssuer{{
			Name: a.issuerName, Algorithms: []token.Algorithm{token.ES256}, Keys: a.Keys,
			Revocations: a.Sessions.Revocations(),
		}},
		Audit: a.Log, Now: o.Now,
	})
	return err
}

// Token is what POST /token answers, in the form of RFC 6749 section 5.1.
type Token struct {
	AccessToken string    `json:"access_token"`
	Type        string    `json:"token_type"`
	Expires     time.Time `json:"expires"`
}

// Token issues an access token for the session of whoever is logged in. It says
// whose session it is and of which epoch, so revoking either ends it. It is granted no
// more than it needs: one audience, and of the user's scopes the one that is of use
// there.
func (a *App) Token(ctx context.Context, s *session.Session, purpose string) (Token, error) {
	p, err := s.Principal()
	if err != nil {
		return Token{}, err
	}
	issuer, audience, scope := a.issuer, apiAudience, profileScope
	switch purpose {
	case "orders":
		audience, scope = OrdersAudience, ordersScope
	case "past":
		issuer = a.past
	}
	p.Scopes = slices.DeleteFunc(p.Scopes, func(s string) bool { return s != scope })
	t, err := issuer.Issue(ctx, token.Grant{Principal: p, Audience: audience})
	return Token{t.Token, "Bearer", t.Expires}, err
}

// Key is what GET /keys answers for each key of the ring.
type Key struct {
	ID          string    `json:"kid"`
	Algorithm   string    `json:"alg"`
	State       string    `json:"state"`
	SignFrom    time.Time `json:"signFrom,omitzero"`
	VerifyUntil time.Time `json:"verifyUntil,omitzero"`
}

// KeyList describes the keys, newest first.
func (a *App) KeyList() []Key {
	list := []Key{}
	for _, k := range slices.Backward(a.Keys.Keys()) {
		list = append(list, Key{k.ID, string(k.Algorithm), k.State.String(), k.SignFrom, k.VerifyUntil})
	}
	return list
}

// Forwarded is an answer of the second service.
type Forwarded struct {
	Status          int
	Type, Challenge string
	Body            []byte
}

// AskOrders passes an Authorization header on to the second service and returns
// what it answered. 502 if it did not.
func (a *App) AskOrders(ctx context.Context, authorization string) Forwarded {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Orders+"/orders", nil)
	if err != nil {
		return noOrders
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return noOrders
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody))
	if err != nil {
		return noOrders
	}
	return Forwarded{res.StatusCode, res.Header.Get("Content-Type"), res.Header.Get("WWW-Authenticate"), body}
}

var noOrders = Forwarded{
	Status: http.StatusBadGateway, Type: "application/json",
	Body: []byte(`{"error":"BAD_GATEWAY","message":"the second service did not answer"}`),
}

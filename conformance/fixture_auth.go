package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

// Auth is a token service with refresh families, wired, on the store, the clock and the
// audit trail of a case. What a case changes in Rotation, Config and Trust counts until it
// first calls Rotator, Verifier or Node.
type Auth struct {
	*Tokens
	// Registry is what the verifier and the rotator consult.
	Registry *revocation.Registry
	Rotation refresh.Config
	// Clients are the services that may revoke and introspect: "api", which the access
	// tokens are for, "app", a client that tokens are issued to, and "other", which is
	// neither. The secret of each is its name with "-secret-secret-secret" behind it.
	Clients refresh.ClientAuthenticator

	made *refresh.Rotator
}

// Auth makes a token service whose refresh tokens travel by transport.
func (t *T) Auth(transport refresh.Transport) *Auth {
	t.Helper()
	return t.authOf("conformance", transport)
}

// authOf is Auth for an application of another name.
func (t *T) authOf(app string, transport refresh.Transport) *Auth {
	t.Helper()
	a := &Auth{Tokens: t.Tokens(token.ES256), Registry: t.registry(app)}
	a.Trust.Revocations = a.Registry
	a.Rotation = refresh.Config{
		Issuer: a.Issuer, Secrets: [][]byte{refreshSecret(1)}, Transport: transport, Wired: []string{audience},
		StoreTimeout: t.Config.StoreTimeout, Audit: t.Audit, Now: t.Clock.Now,
	}
	var err error
	a.Clients, err = refresh.StaticClients(
		refresh.StaticClient{Caller: refresh.Caller{ID: "api", Audience: audience}, Secret: clientSecret("api")},
		refresh.StaticClient{Caller: refresh.Caller{ID: "app"}, Secret: clientSecret("app")},
		refresh.StaticClient{Caller: refresh.Caller{ID: "other", Audience: "https://other.example"}, Secret: clientSecret("other")},
	)
	t.NoError(err)
	return a
}

// registry makes a registry of the application on t.Store.
func (t *T) registry(app string) *revocation.Registry {
	t.Helper()
	var store refresh.Store = t.Store
	if t.mutant != nil && t.mutant.Families != nil {
		store = t.mutant.Families(store)
	}
	r, err := revocation.New(store, revocation.Config{
		App: app, Secret: t.Config.Secret, StoreTimeout: t.Config.StoreTimeout, Audit: t.Audit, Now: t.Clock.Now,
	})
	t.NoError(err)
	return r
}

// refreshSecret is the nth secret of a ring.
func refreshSecret(n int) []byte { return fmt.Appendf(nil, "refresh secret number %012d", n) }

// statusOf is a SubjectStatus for which those are disabled who are in the map, and
// everybody has the roles and scopes of authLogin.
func statusOf(disabled map[string]bool) func(context.Context, string) (refresh.Status, error) {
	return func(_ context.Context, subject string) (refresh.Status, error) {
		return refresh.Status{
			Disabled: disabled[subject], Roles: []string{subject}, Scopes: []string{"read:" + subject, "write:" + subject},
		}, nil
	}
}

func clientSecret(id string) string { return id + "-secret-secret-secret" }

// Rotator returns the rotator of Rotation.
func (a *Auth) Rotator() *refresh.Rotator {
	a.t.Helper()
	if a.made == nil {
		cfg := a.Rotation
		if a.t.mutant != nil && a.t.mutant.Rotation != nil {
			a.t.mutant.Rotation(&cfg)
		}
		var err error
		a.made, err = refresh.New(a.Registry, cfg)
		a.t.NoError(err)
	}
	return a.made
}

// app is the application of cases about refresh tokens, without a session middleware.
func (a *Auth) app() App {
	app := a.bearerApp()
	app.Tokens = &TokenService{Rotator: a.Rotator(), Login: authLogin, Clients: a.Clients}
	return app
}

// authLogin logs in ?user= by ?client= on ?device=, without a password, with the role
// and the scopes of Tokens.Issue.
func authLogin(r Request) (refresh.Identity, error) {
	user := r.Query("user")
	if user == "" {
		return refresh.Identity{}, core.ErrAnonymous
	}
	return refresh.Identity{
		Subject: user, Roles: []string{user}, Scopes: []string{"read:" + user, "write:" + user}, Method: "test",
		Client: r.Query("client"), Device: r.Query("device"),
	}, nil
}

// Serve starts a node of the service.
func (a *Auth) Serve() *AuthServer {
	a.t.Helper()
	return &AuthServer{Server: a.t.Serve(a.app()), Auth: a}
}

// Node is Serve for another process on the same store: nothing in memory is shared.
func (a *Auth) Node() *AuthServer {
	a.t.Helper()
	other := *a
	tokens := *a.Tokens
	tokens.verifier = nil
	other.Tokens, other.made, other.Registry = &tokens, nil, a.t.registry(a.Registry.App())
	other.Trust.Revocations = other.Registry
	return other.Serve()
}

// AuthServer is a running token service.
type AuthServer struct {
	*Server
	*Auth
}

// Post sends a request with a body.
func (s *AuthServer) Post(path, contentType, body string, lines ...string) *Answer {
	s.t.Helper()
	return s.Raw(s.postRequest(path, contentType, body, lines...))
}

func (s *AuthServer) postRequest(path, contentType, body string, lines ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n", path, s.Addr, contentType, len(body))
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	return b.String() + "\r\n" + body
}

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

// Holder is a client of the service, with the tokens that it holds. It takes in what it
// is answered, and keeps the refresh token that it has if it is given none.
type Holder struct {
	*AuthServer
	Access, Refresh string
	// Client is the client_id that it refreshes with, "" for none.
	Client string
	// Lines are header lines that it sends to the service with every request.
	Lines []string
}

// Login logs a client in, at a login page that takes "user=alice&client=app".
func (s *AuthServer) Login(query string) *Holder {
	s.t.Helper()
	h := s.Holder()
	values, err := url.ParseQuery(query)
	s.t.NoError(err)
	h.Client = values.Get("client")
	h.LoggedIn(h.Post(LoginPath+"?"+query, jsonType, "{}", h.Lines...))
	return h
}

// Holder is a client that holds nothing yet. A browser says where its requests come from.
func (s *AuthServer) Holder() *Holder {
	h := &Holder{AuthServer: s}
	if s.rotator.Cookie() != nil {
		h.Lines = []string{"Sec-Fetch-Site: same-origin"}
	}
	return h
}

// At is the same client at another node.
func (h *Holder) At(s *AuthServer) *Holder {
	other := *h
	other.AuthServer = s
	return &other
}

// granted is what a token endpoint answers with tokens.
type granted struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
}

// LoggedIn is Granted for a login, which clears the jar of other forms of its cookie.
func (h *Holder) LoggedIn(a *Answer) *Answer {
	h.t.Helper()
	return h.takes(a, "refresh-variants", "refresh")
}

// Granted checks that a is an answer with a new refresh token and takes it in. Where
// refresh tokens travel in a cookie there is none in the body.
func (h *Holder) Granted(a *Answer) *Answer {
	h.t.Helper()
	return h.takes(a, "refresh")
}

func (h *Holder) takes(a *Answer, cookies ...string) *Answer {
	h.t.Helper()
	t := h.t
	w := Want{Status: 200, Service: "Bearer"}
	spec := h.rotator.Cookie()
	if spec != nil {
		w.Cookies = cookies
	}
	h.Check(a, w)
	g := h.read(a)
	switch {
	case spec == nil && !newRefresh.MatchString(g.Refresh):
		t.Failf("refresh_token: got %q, want a refresh token", g.Refresh)
	case spec != nil && g.Refresh != "":
		t.Failf("refresh_token: got %q, want none beside the cookie", g.Refresh)
	case spec == nil:
		h.Refresh = g.Refresh
	default:
		for _, c := range a.Cookies() {
			if c.Name == spec.Name() && !c.Deletes {
				h.Refresh = c.Value
			}
		}
	}
	return a
}

// Coalesced checks that a is an answer with an access token alone and takes it in.
func (h *Holder) Coalesced(a *Answer) *Answer {
	h.t.Helper()
	h.Check(a, Want{Status: 200, Service: "Bearer"})
	if g := h.read(a); g.Refresh != "" {
		h.t.Failf("refresh_token: got %q, want none", g.Refresh)
	}
	return a
}

func (h *Holder) read(a *Answer) granted {
	h.t.Helper()
	var g granted
	h.t.NoError(json.Unmarshal([]byte(a.Body), &g))
	Equal(h.t, "token_type", g.Type, "Bearer")
	if g.Access == "" || g.Expires <= 0 {
		h.t.Failf("body: got %s, want an access token that lives", a.Body)
	}
	h.Access = g.Access
	return g
}

// Present sends the refresh token with further parameters, "name=value" each, and takes in
// nothing.
func (h *Holder) Present(params ...string) *Answer {
	h.t.Helper()
	return h.Raw(h.request(RefreshPath, params...))
}

// Logout sends the refresh token to the logout endpoint.
func (h *Holder) Logout(params ...string) *Answer {
	h.t.Helper()
	return h.Raw(h.request(LogoutPath, params...))
}

// request is what Present and Logout send.
func (h *Holder) request(path string, params ...string) string {
	body := map[string]string{}
	if h.Client != "" {
		body["client_id"] = h.Client
	}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		body[name] = value
	}
	lines := h.Lines
	if spec := h.rotator.Cookie(); spec == nil {
		body["refresh_token"] = h.Refresh
	} else {
		lines = append(slices.Clone(lines), "Cookie: "+spec.Name()+"="+h.Refresh)
	}
	b, err := json.Marshal(body)
	h.t.NoError(err)
	return h.postRequest(path, jsonType, string(b), lines...)
}

// Rotate refreshes and checks that there is a new refresh token.
func (h *Holder) Rotate(params ...string) *Answer {
	h.t.Helper()
	return h.Granted(h.Present(params...))
}

// Use sends the access token to the API.
func (h *Holder) Use() *Answer {
	h.t.Helper()
	return h.Do("GET", "/api/me", authorization(h.Access))
}

// Good checks that the access token is accepted as user's.
func (h *Holder) Good(user string) { h.t.Helper(); h.Check(h.Use(), accepted(user)) }

// Dead checks that the access token is refused as revoked and the refresh token as one
// that is worth nothing.
func (h *Holder) Dead() {
	h.t.Helper()
	h.Check(h.Use(), refused(core.TokenRevoked))
	h.Check(h.Present(), denied(core.InvalidGrant))
}

// Claims are those of the access token.
func (h *Holder) Claims() Claims {
	h.t.Helper()
	var c Claims
	a := h.Do("GET", "/api/claims", authorization(h.Access))
	h.Check(a, Want{Status: 200, Bearer: true})
	h.t.NoError(json.Unmarshal([]byte(a.Body), &c))
	return c
}

// denied is what a token endpoint answers to what it refuses.
func denied(code core.Code) Want {
	return Want{Status: code.Status(), Code: string(code), Service: "Bearer"}
}

package adapter_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/core/token"
)

// bearer is an issuer, a verifier that trusts it, and what that recorded.
type bearer struct {
	issuer   *token.Issuer
	verifier *token.Verifier
	events   []audit.Event
}

func newBearer(t *testing.T) *bearer {
	t.Helper()
	ring, err := token.NewKeyRing(token.KeyRingConfig{Generate: token.ES256})
	require.NoError(t, err)
	b := &bearer{}
	b.issuer, err = token.NewIssuer(token.IssuerConfig{Name: "https://id.example", Audience: "api", Keys: ring})
	require.NoError(t, err)
	b.verifier, err = token.NewVerifier(token.VerifierConfig{
		App: "shop", Audience: "api",
		Issuers: []token.TrustedIssuer{{Name: "https://id.example", Algorithms: []token.Algorithm{token.ES256}, Keys: ring}},
		Audit:   audit.SinkFunc(func(_ context.Context, e audit.Event) { b.events = append(b.events, e) }),
	})
	require.NoError(t, err)
	return b
}

func (b *bearer) token(t *testing.T, p core.Principal) string {
	t.Helper()
	issued, err := b.issuer.Issue(t.Context(), token.Grant{Principal: p})
	require.NoError(t, err)
	return issued.Token
}

// begin runs the flow for r and returns its context.
func (b *bearer) begin(t *testing.T, r *http.Request, optional bool) (context.Context, *adapter.Denied, http.Header) {
	t.Helper()
	h := &adapter.HTTPToken{}
	w := httptest.NewRecorder()
	h.Init(w, r, nil, netip.Addr{})
	d := h.Begin(b.verifier, optional)
	if d != nil {
		d.SetHeaders(adapter.Headers(w, r))
	}
	return h, d, w.Header()
}

func codeOf(d *adapter.Denied) core.Code {
	if d == nil {
		return ""
	}
	return d.Code
}

// RFC 6750 section 2: one way of sending the token, and it is the header.
func TestBearerTransport(t *testing.T) {
	b := newBearer(t)
	good := b.token(t, core.Principal{Subject: "ada"})
	const (
		fine    core.Code = ""
		missing           = core.MissingCredentials
		request           = core.InvalidRequest
		invalid           = core.InvalidSignature
	)
	for _, tt := range []struct {
		desc     string
		headers  []string
		required core.Code
		optional core.Code
		cause    audit.Cause
	}{
		{"none", nil, missing, fine, ""},
		{"bearer", []string{"Bearer " + good}, fine, fine, ""},
		{"the scheme has no case", []string{"bEaReR " + good}, fine, fine, ""},
		{"blanks around", []string{"  Bearer   " + good + " "}, fine, fine, ""},
		{"empty header", []string{""}, missing, missing, audit.CauseTransport},
		{"no token", []string{"Bearer"}, missing, missing, audit.CauseTransport},
		{"no token after the blank", []string{"Bearer "}, missing, missing, audit.CauseTransport},
		{"bare token", []string{good}, missing, missing, audit.CauseTransport},
		{"Basic", []string{"Basic " + good}, missing, missing, audit.CauseTransport},
		{"Token", []string{"Token " + good}, missing, missing, audit.CauseTransport},
		{"longer scheme", []string{"BearerX " + good}, missing, missing, audit.CauseTransport},
		{"tab after the scheme", []string{"Bearer\t" + good}, missing, missing, audit.CauseTransport},
		{"list", []string{"Bearer " + good + ", Bearer " + good}, request, request, audit.CauseTransport},
		{"comma", []string{"Bearer " + good + ","}, request, request, audit.CauseTransport},
		{"two words", []string{"Bearer " + good + " x"}, request, request, audit.CauseTransport},
		{"two headers", []string{"Bearer " + good, "Bearer " + good}, request, request, audit.CauseTransport},
		{"two headers, one empty", []string{"Bearer " + good, ""}, request, request, audit.CauseTransport},
		{"two headers, one of another scheme", []string{"Basic eA==", "Bearer " + good}, request, request, audit.CauseTransport},
		{"bad token", []string{"Bearer " + good + "x"}, invalid, invalid, "signature-encoding"},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			for _, optional := range []bool{false, true} {
				want := tt.required
				if optional {
					want = tt.optional
				}
				b.events = nil
				r := get()
				for _, line := range tt.headers {
					r.Header.Add("Authorization", line)
				}
				ctx, d, header := b.begin(t, r, optional)
				require.Equal(t, want, codeOf(d))
				require.Equal(t, []string{"Authorization"}, header.Values("Vary"))
				p, err := core.PrincipalFrom(ctx)
				if want == fine && len(tt.headers) > 0 {
					require.NoError(t, err)
					require.Equal(t, "ada", p.Subject)
					require.Equal(t, "private", header.Get("Cache-Control"))
				} else {
					require.ErrorIs(t, err, core.ErrAnonymous)
				}
				if want == fine || len(tt.headers) == 0 {
					require.Empty(t, b.events)
					continue
				}
				require.Len(t, b.events, 1)
				require.Equal(t, audit.TokenRefused, b.events[0].Name)
				if tt.cause == audit.CauseTransport {
					require.Equal(t, tt.cause, b.events[0].Cause)
				}
			}
		})
	}
}

// The lines that Bearer sets stand side by side. A handler that adds another one to the
// first must not write over the second.
func TestBearerHeadersAreApart(t *testing.T) {
	b := newBearer(t)
	_, d, header := b.begin(t, get("Authorization: Bearer "+b.token(t, core.Principal{Subject: "ada"})), false)
	require.Nil(t, d)
	header["Vary"] = append(header["Vary"], "Accept")
	require.Equal(t, []string{"Authorization", "Accept"}, header.Values("Vary"))
	require.Equal(t, []string{"private"}, header.Values("Cache-Control"))
}

func TestTokenInBody(t *testing.T) {
	b := newBearer(t)
	header := "Bearer " + b.token(t, core.Principal{Subject: "ada"})
	const form = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		desc, kind, body string
		want             core.Code
	}{
		{"form without one", form, "a=1&token=2&my_access_token=3", ""},
		{"empty form", form, "", ""},
		{"form with one", form, "a=1&access_token=x", core.InvalidRequest},
		{"without a value", form, "access_token", core.InvalidRequest},
		{"twice", form, "access_token=x&access_token=y", core.InvalidRequest},
		{"escaped name", form, "%61ccess%5Ftoken=x", core.InvalidRequest},
		{"upper-case type with charset", "Application/X-WWW-Form-URLencoded; charset=UTF-8", "access_token=x", core.InvalidRequest},
		{"broken escape elsewhere", form, "%zz=1&access_token=x", core.InvalidRequest},
		{"too long to be looked at", form, "a=" + strings.Repeat("x", adapter.MaxBody), core.InvalidRequest},
		{"as long as may be", form, "a=" + strings.Repeat("x", adapter.MaxBody-2), ""},
		{"JSON", "application/json", `{"access_token":"x"}`, ""},
		{"text", "text/plain", "access_token=x", ""},
		{"no type", "", "access_token=x", ""},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body))
			r.Header.Set("Authorization", header)
			if tt.kind != "" {
				r.Header.Set("Content-Type", tt.kind)
			}
			_, d, _ := b.begin(t, r, false)
			require.Equal(t, tt.want, codeOf(d))
			rest, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, tt.body, string(rest), "the handler still reads all of it")
		})
	}
}

func TestBearerChallenges(t *testing.T) {
	b := newBearer(t)
	ctx := func(p core.Principal) context.Context {
		r := get("Authorization: Bearer " + b.token(t, p))
		ctx, d, _ := b.begin(t, r, false)
		require.Nil(t, d)
		return ctx
	}
	anonymous, d, _ := b.begin(t, get(), true)
	require.Nil(t, d)
	b.events = nil
	ada := ctx(core.Principal{Subject: "ada", Roles: []string{"editor"}, Scopes: []string{"read"}, AuthTime: time.Now().Add(-time.Hour)})
	for _, tt := range []struct {
		desc      string
		d         *adapter.Denied
		code      core.Code
		challenge string
		cause     audit.Cause
	}{
		{"nobody", adapter.RequireLogin(anonymous), core.MissingCredentials, `Bearer realm="shop"`, ""},
		{"nobody's role", adapter.RequireRole(anonymous, []string{"editor"}), core.MissingCredentials, `Bearer realm="shop"`, ""},
		{"nobody's scope", adapter.RequireScope(anonymous, []string{"read"}), core.MissingCredentials, `Bearer realm="shop"`, ""},
		{"handler", adapter.Refusal(anonymous, core.ErrAnonymous), core.MissingCredentials, `Bearer realm="shop"`, ""},
		{"role", adapter.RequireRole(ada, []string{"admin"}), core.Forbidden, "", audit.CauseRole},
		{
			"scope", adapter.RequireScope(ada, []string{"read", "write"}), core.InsufficientScope,
			`Bearer realm="shop", error="insufficient_scope", scope="read write"`, audit.CauseScope,
		},
		{
			"fresh", adapter.RequireFresh(ada, time.Minute), core.StepUpRequired,
			`Bearer realm="shop", error="insufficient_user_authentication", max_age="60"`, audit.CauseStale,
		},
	} {
		t.Run(tt.desc, func(t *testing.T) {
			require.Equal(t, tt.code, codeOf(tt.d))
			w := httptest.NewRecorder()
			tt.d.SetHeaders(adapter.Headers(w, get()))
			require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
		})
	}
	require.Len(t, b.events, 3)
	for i, cause := range []audit.Cause{audit.CauseRole, audit.CauseScope, audit.CauseStale} {
		require.Equal(t, audit.AuthorizationFailed, b.events[i].Name)
		require.Equal(t, cause, b.events[i].Cause)
		require.Equal(t, "ada", b.events[i].Subject)
	}
	require.Nil(t, adapter.RequireLogin(ada))
	require.Nil(t, adapter.RequireRole(ada, []string{"admin", "editor"}))
	require.Nil(t, adapter.RequireScope(ada, []string{"read"}))
	require.Nil(t, adapter.RequireFresh(ada, 2*time.Hour))
	never := ctx(core.Principal{Subject: "ada"})
	require.Equal(t, core.StepUpRequired, codeOf(adapter.RequireFresh(never, 24*time.Hour)), "no auth_time is never fresh")
}

// A group has the token as optional and a route in it requires one: the second
// middleware verifies nothing again.
func TestNestedBearer(t *testing.T) {
	b, other := newBearer(t), newBearer(t)
	for _, signedIn := range []bool{false, true} {
		r := get()
		if signedIn {
			r = get("Authorization: Bearer " + b.token(t, core.Principal{Subject: "ada"}))
		}
		outer, d, _ := b.begin(t, r, true)
		require.Nil(t, d)
		_, d, header := b.begin(t, r.WithContext(outer), false)
		require.Equal(t, signedIn, d == nil)
		require.Empty(t, header.Values("Vary"), "the outer one has said so")
		inner, d, _ := b.begin(t, r.WithContext(outer), true)
		require.Nil(t, d)
		require.Same(t, token.FromContext(outer), token.FromContext(inner))
		_, d, _ = other.begin(t, r.WithContext(outer), false)
		require.NotNil(t, d, "another verifier is another question")
	}
}

func TestOwnerIsTheInnermost(t *testing.T) {
	b := newBearer(t)
	m := newManager(t, newFaulty())
	require.Nil(t, adapter.OwnerFrom(t.Context()))
	ctx := contextOf(t, m, get())
	adapter.StateFrom(ctx).Owner = "session"
	require.Equal(t, "session", adapter.OwnerFrom(ctx))
	h := &adapter.HTTPToken{}
	h.Init(httptest.NewRecorder(), get().WithContext(ctx), nil, netip.Addr{})
	h.Owner = "bearer"
	require.Nil(t, h.Begin(b.verifier, true))
	require.Equal(t, "bearer", adapter.OwnerFrom(h))
	require.Equal(t, "session", adapter.StateFrom(h).Owner)
	require.Same(t, m, session.FromContext(h).Manager(), "the session is still there for its data")
	_, err := adapter.ClaimsFrom[token.Claims](h)
	require.ErrorIs(t, err, core.ErrAnonymous)
	_, err = adapter.ClaimsFrom[token.Claims](ctx)
	require.ErrorIs(t, err, core.ErrNoMiddleware)
}

func TestScopeConfiguration(t *testing.T) {
	require.NoError(t, adapter.CheckScopes([]string{"read", "https://api.example/a.b:c", "!#[]~"}))
	var mistake *core.ConfigError
	require.ErrorAs(t, adapter.CheckScopes(nil), &mistake)
	for _, scope := range []string{"", " ", "a b", "a\tb", `a"b`, `a\b`, "é", "a\x7f", "a\r\nb"} {
		require.ErrorAs(t, adapter.CheckScopes([]string{"read", scope}), &mistake, scope)
		require.Equal(t, "RequireScope.scopes", mistake.Field)
		require.Equal(t, scope, mistake.Value)
	}
}

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// refusals are one refusal of every code, made the way requests make them.
func refusals(t *testing.T) map[core.Code]*adapter.Denied {
	t.Helper()
	store, now := newFaulty(), newClock()
	m := managerWith(t, store, session.Config{App: "shop", Now: now.now})
	cookie := loggedIn(t, m, session.Identity{Subject: "ada", Roles: []string{"editor"}})
	all := map[core.Code]*adapter.Denied{
		core.MissingCredentials:    adapter.RequireLogin(contextOf(t, m, get())),
		core.Forbidden:             adapter.RequireRole(contextOf(t, m, get(cookie)), []string{"admin", "root"}),
		core.AuthMiddlewareFailure: adapter.RequireLogin(t.Context()),
	}
	now.forward(16 * time.Minute)
	all[core.StepUpRequired] = adapter.RequireFresh(contextOf(t, m, get(cookie)), 15*time.Minute)
	store.noLoad.Store(true)
	all[core.StoreUnavailable] = adapter.RequireLogin(contextOf(t, m, get(cookie)))
	return all
}

func TestDeniedAnswer(t *testing.T) {
	all := refusals(t)
	for _, tt := range []struct {
		code      core.Code
		status    int
		body      string
		challenge string
	}{
		{core.MissingCredentials, 401, `{"error":"MISSING_CREDENTIALS","message":"authentication is required"}`,
			`Cookie realm="shop"`},
		{core.StepUpRequired, 401, `{"error":"STEP_UP_REQUIRED","message":"a more recent login is required"}`,
			`Cookie realm="shop", error="insufficient_user_authentication", max_age="900"`},
		{core.Forbidden, 403, `{"error":"FORBIDDEN","message":"this identity may not do that"}`, ""},
		{core.StoreUnavailable, 503, `{"error":"STORE_UNAVAILABLE","message":"the identity could not be checked just now; try again shortly"}`, ""},
		{core.AuthMiddlewareFailure, 500, `{"error":"AUTH_MIDDLEWARE_FAILURE","message":"the authentication layer failed"}`, ""},
	} {
		t.Run(string(tt.code), func(t *testing.T) {
			d := all[tt.code]
			require.NotNil(t, d)
			require.Equal(t, tt.code, d.Code)
			require.Equal(t, tt.status, d.Status)
			require.Equal(t, tt.body, string(d.Body()))
			seen := map[string]bool{}
			for range 200 {
				w := httptest.NewRecorder()
				d.SetHeaders(adapter.Headers(w, get()))
				want := http.Header{"Cache-Control": {"no-store"}}
				if tt.challenge != "" {
					want.Set("WWW-Authenticate", tt.challenge)
				}
				if tt.code == core.StoreUnavailable {
					seen[w.Header().Get("Retry-After")] = true
					w.Header().Del("Retry-After")
				}
				require.Equal(t, want, w.Header())
			}
			if tt.code == core.StoreUnavailable {
				require.Equal(t, map[string]bool{"1": true, "2": true, "3": true}, seen)
			}
		})
	}
}

func TestDeniedErrorSaysWhyAndBodyDoesNot(t *testing.T) {
	all := refusals(t)
	d := all[core.StoreUnavailable]
	require.ErrorIs(t, d, errDown)
	require.ErrorIs(t, d, core.ErrUnknown)
	require.ErrorContains(t, d, "store is down")
	require.NotContains(t, string(d.Body()), "store is down")

	require.ErrorIs(t, all[core.MissingCredentials], core.ErrAnonymous)
	require.ErrorIs(t, all[core.AuthMiddlewareFailure], core.ErrNoMiddleware)
	require.ErrorContains(t, all[core.Forbidden], "admin, root")
	require.EqualError(t, adapter.Failure(t.Context(), nil), "sallyport: AUTH_MIDDLEWARE_FAILURE")
}

func TestRefusalTakesThePlaceOfAnother(t *testing.T) {
	all := refusals(t)
	w := httptest.NewRecorder()
	x := adapter.Headers(w, get())
	all[core.MissingCredentials].SetHeaders(x)
	all[core.StoreUnavailable].SetHeaders(x)
	require.Empty(t, w.Header().Values("WWW-Authenticate"))
	require.NotEmpty(t, w.Header().Get("Retry-After"))
}

func TestRefusalAndFailure(t *testing.T) {
	m, none := contextOf(t, newManager(t, newFaulty()), get()), t.Context()
	own := adapter.RequireLogin(t.Context())
	require.NotNil(t, own)
	const (
		no        core.Code = ""
		missing             = core.MissingCredentials
		down                = core.StoreUnavailable
		fault               = core.AuthMiddlewareFailure
		stepUp              = core.StepUpRequired
		forbidden           = core.Forbidden
	)
	for name, tt := range map[string]struct {
		ctx     context.Context
		err     error
		refusal core.Code
		failure core.Code
	}{
		"nil":                               {m, nil, no, fault},
		"unknown":                           {m, core.ErrUnknown, down, down},
		"unknown with its cause":            {m, fmt.Errorf("%w: %w", core.ErrUnknown, errDown), down, down},
		"unknown and wrapped":               {m, fmt.Errorf("handler: %w", core.ErrUnknown), down, down},
		"superseded":                        {m, session.ErrSuperseded, down, down},
		"anonymous":                         {m, core.ErrAnonymous, missing, missing},
		"anonymous, no middleware in front": {none, core.ErrAnonymous, fault, fault},
		"step-up":                           {m, session.ErrStepUp, stepUp, stepUp},
		"step-up, wrapped":                  {m, fmt.Errorf("handler: %w", session.ErrStepUp), stepUp, stepUp},
		"step-up, no middleware in front":   {none, session.ErrStepUp, no, fault},
		"limit":                             {m, session.ErrLimit, forbidden, forbidden},
		"limit, no middleware in front":     {none, fmt.Errorf("handler: %w", session.ErrLimit), forbidden, forbidden},
		"no room for a revocation":          {m, revocation.ErrFull, forbidden, forbidden},
		"unknown before the limit":          {m, errors.Join(session.ErrLimit, core.ErrUnknown), down, down},
		"no subject is the handler's":       {m, session.ErrNoSubject, no, fault},
		"no middleware":                     {none, core.ErrNoMiddleware, fault, fault},
		"finished":                          {m, session.ErrFinished, fault, fault},
		"headers sent":                      {m, session.ErrHeadersSent, fault, fault},
		"conflict is the handler's":         {m, session.ErrConflict, no, fault},
		"too large is the handler's":        {m, session.ErrTooLarge, no, fault},
		"any other error":                   {m, io.ErrUnexpectedEOF, no, fault},
		"cancelled":                         {m, context.Canceled, no, fault},
		"a refusal":                         {m, own, fault, fault},
		"a refusal, wrapped":                {m, fmt.Errorf("handler: %w", own), fault, fault},
		"a refusal, joined":                 {m, errors.Join(core.ErrUnknown, own), fault, fault},
	} {
		t.Run(name, func(t *testing.T) {
			d := adapter.Refusal(tt.ctx, tt.err)
			if tt.refusal == no {
				require.Nil(t, d)
			} else {
				require.Equal(t, tt.refusal, d.Code)
				require.ErrorIs(t, d, errors.Unwrap(d))
			}
			f := adapter.Failure(tt.ctx, tt.err)
			require.Equal(t, tt.failure, f.Code)
			require.Equal(t, tt.failure.Status(), f.Status)
			if tt.err != nil && !errors.As(tt.err, new(*adapter.Denied)) {
				require.ErrorIs(t, f, tt.err)
			}
		})
	}
	require.Same(t, own, adapter.Refusal(m, own))
	require.Same(t, own, adapter.Failure(m, own))
}

// RFC 9470 section 3: the challenge says that another login is wanted. Guards
// refuse a session whose use has changed as a handler does, and a login lifts it.
func TestStepUpChallenge(t *testing.T) {
	m := managerWith(t, newFaulty(), session.Config{App: "shop", Fingerprint: session.FingerprintStepUp})
	cookie := loggedIn(t, m, session.Identity{Subject: "ada", Roles: []string{"editor"}})
	elsewhere := get(cookie, "User-Agent: curl/8.11.0")
	ctx := contextOf(t, m, elsewhere)
	for name, d := range map[string]*adapter.Denied{
		"login":   adapter.RequireLogin(ctx),
		"role":    adapter.RequireRole(ctx, []string{"editor"}),
		"fresh":   adapter.RequireFresh(ctx, time.Hour),
		"handler": adapter.Refusal(ctx, session.ErrStepUp),
	} {
		require.NotNil(t, d, name)
		require.Equal(t, core.StepUpRequired, d.Code, name)
		w := httptest.NewRecorder()
		d.SetHeaders(adapter.Headers(w, get()))
		require.Equal(t, http.Header{
			"Cache-Control": {"no-store"}, "Www-Authenticate": {`Cookie realm="shop", error="insufficient_user_authentication"`},
		}, w.Header(), name)
	}
	login(t, session.FromContext(ctx), session.Identity{Subject: "ada", Roles: []string{"editor"}})
	require.Nil(t, adapter.RequireRole(ctx, []string{"editor"}))
}

func TestGuards(t *testing.T) {
	now := newClock()
	var events []audit.Event
	m := managerWith(t, newFaulty(), session.Config{Now: now.now, Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) {
		events = append(events, e)
	})})
	cookie := loggedIn(t, m, session.Identity{Subject: "ada", Roles: []string{"editor"}})
	events = nil

	require.Nil(t, adapter.RequireLogin(contextOf(t, m, get(cookie))))
	require.Nil(t, adapter.RequireRole(contextOf(t, m, get(cookie)), []string{"admin", "editor"}))
	require.Nil(t, adapter.RequireFresh(contextOf(t, m, get(cookie)), time.Second))
	require.Empty(t, events)

	require.Equal(t, core.Forbidden, adapter.RequireRole(contextOf(t, m, get(cookie)), []string{"admin"}).Code)
	require.Equal(t, core.Forbidden, adapter.RequireRole(contextOf(t, m, get(cookie)), []string{"Editor"}).Code)
	now.forward(2 * time.Second)
	require.Equal(t, core.StepUpRequired, adapter.RequireFresh(contextOf(t, m, get(cookie)), time.Second).Code)
	require.Len(t, events, 3)
	for i, cause := range []audit.Cause{audit.CauseRole, audit.CauseRole, audit.CauseStale} {
		require.Equal(t, audit.AuthorizationFailed, events[i].Name)
		require.Equal(t, cause, events[i].Cause)
		require.Equal(t, "ada", events[i].Subject)
	}

	for name, guard := range map[string]func(context.Context) *adapter.Denied{
		"login": adapter.RequireLogin,
		"role":  func(ctx context.Context) *adapter.Denied { return adapter.RequireRole(ctx, []string{"editor"}) },
		"fresh": func(ctx context.Context) *adapter.Denied { return adapter.RequireFresh(ctx, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, core.MissingCredentials, guard(contextOf(t, m, get())).Code)
			require.Equal(t, core.MissingCredentials, guard(contextOf(t, m, get("Cookie: "+m.Cookie().Name()+"=x"))).Code)
			require.Equal(t, core.AuthMiddlewareFailure, guard(t.Context()).Code)
		})
	}
}

func TestGuardConfiguration(t *testing.T) {
	require.NoError(t, adapter.CheckRoles([]string{"a", "b"}))
	require.NoError(t, adapter.CheckMaxAge(time.Second))
	var mistake *core.ConfigError
	require.ErrorAs(t, adapter.CheckRoles(nil), &mistake)
	require.Equal(t, "RequireRole.roles", mistake.Field)
	require.ErrorAs(t, adapter.CheckRoles([]string{"a", ""}), &mistake)
	for _, d := range []time.Duration{0, -time.Hour, time.Second - 1} {
		require.ErrorAs(t, adapter.CheckMaxAge(d), &mistake)
		require.Equal(t, "RequireFresh.maxAge", mistake.Field)
	}
}

func TestStateAnswersForItsSession(t *testing.T) {
	type key struct{}
	m, other := newManager(t, newFaulty()), newManager(t, newFaulty())
	r := get()
	r = r.WithContext(context.WithValue(r.Context(), key{}, "below"))
	ctx := contextOf(t, m, r)

	require.Equal(t, "below", ctx.Value(key{}))
	require.NotNil(t, adapter.StateFrom(ctx))
	require.Same(t, m, session.FromContext(ctx).Manager())
	require.True(t, adapter.Mounted(ctx, m))
	require.False(t, adapter.Mounted(ctx, other))
	_, err := core.PrincipalFrom(ctx)
	require.ErrorIs(t, err, core.ErrAnonymous)

	inner := contextOf(t, other, r.WithContext(ctx))
	require.Same(t, other, session.FromContext(inner).Manager())
	require.True(t, adapter.Mounted(inner, other))
	require.Equal(t, "below", inner.Value(key{}))

	session.FromContext(ctx).Finish()
	require.False(t, adapter.Mounted(ctx, m), "a finished session serves nobody")
	require.Nil(t, adapter.StateFrom(t.Context()))
	require.False(t, adapter.Mounted(t.Context(), m))

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.Same(t, m, session.FromContext(cancelled).Manager())
}

func TestUntouchedRequestLeavesNoTrace(t *testing.T) {
	store := newFaulty()
	m := newManager(t, store)
	cookie := loggedIn(t, m, session.Identity{Subject: "ada"})
	calls := store.calls.Load()
	res := record(mount(m, nil, func(g *gate, _ *session.Session) { g.WriteHeader(http.StatusNoContent) }), get(cookie))
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	require.Empty(t, res.Header)
	require.Equal(t, calls, store.calls.Load())
}

func TestApplicationsClientIPIsBelieved(t *testing.T) {
	var got netip.Addr
	m := managerWith(t, newFaulty(), session.Config{Audit: audit.SinkFunc(func(_ context.Context, e audit.Event) { got = e.ClientIP })})
	want := netip.MustParseAddr("2001:db8::7")
	r := get("X-Forwarded-For: 192.0.2.1")
	g := &gate{w: httptest.NewRecorder(), r: r}
	g.Init(g.w, r, proxies(t, "192.0.2.0/24"), want, g)
	require.Nil(t, g.Begin(m))
	login(t, &g.Session, session.Identity{Subject: "ada"})
	require.Equal(t, want, got)
}

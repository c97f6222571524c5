package refresh_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/token"
)

var _ refresh.Issuer = (*token.Issuer)(nil)

func registryOf(t testing.TB, store revocation.Store) *revocation.Registry {
	t.Helper()
	r, err := revocation.New(store, revocation.Config{App: "shop", Secret: secretB})
	require.NoError(t, err)
	return r
}

func TestConfigMistakes(t *testing.T) {
	signs := &issuer{lifetime: 15 * time.Minute}
	local := registryOf(t, memstore.Default())
	shared := registryOf(t, struct{ refresh.Store }{memstore.Default()})
	keyring := [][]byte{secretA}
	for _, tc := range []struct {
		desc     string
		registry *revocation.Registry
		cfg      refresh.Config
		want     []string
	}{
		{"least", local, refresh.Config{Issuer: signs}, nil},
		{"wired", local, refresh.Config{Issuer: signs, Wired: []string{audience}}, nil},
		{"complete", shared, refresh.Config{
			Issuer: signs, Secrets: [][]byte{secretA, secretB}, Transport: refresh.Cookie, Cookie: refresh.CookieConfig{Name: "r", Embedded: true},
			IdleTimeout: 15 * time.Minute, AbsoluteTimeout: 15 * time.Minute, Grace: time.Second, SubjectLimit: 1, StoreTimeout: 1,
		}, nil},
		{"largest", local, refresh.Config{
			Issuer: signs, AbsoluteTimeout: 400 * 24 * time.Hour, IdleTimeout: 400 * 24 * time.Hour, Grace: time.Minute, SubjectLimit: 10_000,
		}, nil},
		{"no grace", local, refresh.Config{Issuer: signs, Grace: -1}, nil},
		{"idle longer than the default end", local, refresh.Config{Issuer: signs, IdleTimeout: 300 * 24 * time.Hour}, nil},
		{"end shorter than the default idle", local, refresh.Config{Issuer: signs, AbsoluteTimeout: time.Hour}, nil},
		{"no registry", nil, refresh.Config{Issuer: signs}, []string{"New.registry"}},
		{"no issuer", local, refresh.Config{Wired: []string{audience}}, []string{"Config.Issuer"}},
		{"a store without families", registryOf(t, struct{ revocation.Store }{memstore.Default()}), refresh.Config{Issuer: signs}, []string{"New.registry"}},
		{"no secret for a shared store", shared, refresh.Config{Issuer: signs}, []string{"Config.Secrets"}},
		{"no secrets", local, refresh.Config{Issuer: signs, Secrets: [][]byte{}}, []string{"Config.Secrets"}},
		{"secret short", local, refresh.Config{Issuer: signs, Secrets: [][]byte{secretA, secretB[1:]}}, []string{"Config.Secrets[1]"}},
		{"secret empty", local, refresh.Config{Issuer: signs, Secrets: [][]byte{{}}}, []string{"Config.Secrets[0]"}},
		{"secret nil", local, refresh.Config{Issuer: signs, Secrets: [][]byte{nil, secretA}}, []string{"Config.Secrets[0]"}},
		{"secret twice", local, refresh.Config{Issuer: signs, Secrets: [][]byte{secretA, secretB, secretA}}, []string{"Config.Secrets[2]"}},
		{"transport", local, refresh.Config{Issuer: signs, Transport: refresh.Cookie + 1}, []string{"Config.Transport"}},
		{"a cookie in the body", local, refresh.Config{Issuer: signs, Cookie: refresh.CookieConfig{InsecureHTTP: true}}, []string{"Config.Cookie"}},
		{"cookie", local, refresh.Config{Issuer: signs, Transport: refresh.Cookie, Cookie: refresh.CookieConfig{Name: "a b"}}, []string{"cookie.Config.Name"}},
		{"an origin in the body", local, refresh.Config{Issuer: signs, PublicOrigin: "https://app.example"}, []string{"Config.PublicOrigin"}},
		{"trusted origins in the body", local, refresh.Config{Issuer: signs, TrustedOrigins: []string{}}, []string{"Config.PublicOrigin"}},
		{"end too far", local, refresh.Config{Issuer: signs, AbsoluteTimeout: 400*24*time.Hour + 1}, []string{"Config.AbsoluteTimeout"}},
		{"end negative", local, refresh.Config{Issuer: signs, AbsoluteTimeout: -1}, []string{"Config.IdleTimeout", "Config.IdleTimeout"}},
		{"idle negative", local, refresh.Config{Issuer: signs, IdleTimeout: -time.Hour}, []string{"Config.IdleTimeout", "Config.IdleTimeout"}},
		{"idle longer than the end", local, refresh.Config{Issuer: signs, IdleTimeout: 2 * time.Hour, AbsoluteTimeout: time.Hour}, []string{"Config.IdleTimeout"}},
		{"idle shorter than an access token", local, refresh.Config{Issuer: signs, IdleTimeout: 15*time.Minute - 1}, []string{"Config.IdleTimeout"}},
		{"idle below a second", local, refresh.Config{Issuer: &issuer{}, IdleTimeout: time.Second - 1}, []string{"Config.IdleTimeout"}},
		{"grace", local, refresh.Config{Issuer: signs, Grace: time.Minute + 1}, []string{"Config.Grace"}},
		{"limit negative", local, refresh.Config{Issuer: signs, SubjectLimit: -1}, []string{"Config.SubjectLimit"}},
		{"limit too high", local, refresh.Config{Issuer: signs, SubjectLimit: 10_001}, []string{"Config.SubjectLimit"}},
		{"timeout", local, refresh.Config{Issuer: signs, StoreTimeout: -1}, []string{"Config.StoreTimeout"}},
		{"wired to somebody else", local, refresh.Config{Issuer: signs, Wired: []string{"https://other.example"}}, []string{"Config.Wired[0]"}},
		{"wired to two", local, refresh.Config{Issuer: signs, Wired: []string{audience, "https://other.example"}}, []string{"Config.Wired[1]"}},
		{"wired twice", local, refresh.Config{Issuer: signs, Wired: []string{audience, audience}}, []string{"Config.Wired[1]"}},
		{"all at once", nil, refresh.Config{
			Secrets: [][]byte{nil, {1}}, Transport: 7, IdleTimeout: -1, AbsoluteTimeout: 500 * 24 * time.Hour, Grace: time.Hour, SubjectLimit: -1, StoreTimeout: -1,
		}, []string{
			"New.registry", "Config.Issuer", "Config.Secrets[0]", "Config.Secrets[1]", "Config.Transport", "Config.IdleTimeout",
			"Config.AbsoluteTimeout", "Config.Grace", "Config.SubjectLimit", "Config.StoreTimeout",
		}},
		{"all of the rest", shared, refresh.Config{
			Issuer: signs, Secrets: nil, Cookie: refresh.CookieConfig{Name: "r"}, Wired: []string{"x"},
		}, []string{"Config.Secrets", "Config.Cookie", "Config.Wired[0]"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			r, err := refresh.New(tc.registry, tc.cfg)
			require.Equal(t, tc.want == nil, r != nil)
			var got []string
			for _, field := range mistakes(err) {
				got = append(got, strings.TrimPrefix(field, "refresh."))
			}
			slices.Sort(tc.want)
			slices.Sort(got)
			require.Equal(t, tc.want, got)
			if err != nil {
				require.True(t, strings.HasPrefix(err.Error(), "refresh: "))
				var ce *core.ConfigError
				require.ErrorAs(t, err, &ce)
				require.NotEmpty(t, ce.Reason)
			}
		})
	}
	_, err := refresh.New(local, refresh.Config{Issuer: signs, Secrets: [][]byte{[]byte("hunter2")}})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
	_, err = refresh.New(local, refresh.Config{Issuer: signs, Secrets: append(keyring, secretA)})
	require.NotContains(t, err.Error(), string(secretA))
}

// The defaults, as they show: how long a family lives and how long a replaced token is
// good.
func TestDefaults(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	require.Equal(t, noon.Add(14*24*time.Hour), first.RefreshExpires)
	require.Equal(t, noon.Add(30*24*time.Hour), e.issuer.last().notAfter.UTC())

	for _, tc := range []struct {
		desc   string
		change func(*refresh.Config)
		idle   time.Duration
		end    time.Duration
	}{
		{"end alone", func(c *refresh.Config) { c.AbsoluteTimeout = time.Hour }, time.Hour, time.Hour},
		{"idle alone", func(c *refresh.Config) { c.IdleTimeout = time.Hour }, time.Hour, 30 * 24 * time.Hour},
		{"idle beyond the end", func(c *refresh.Config) { c.IdleTimeout = 40 * 24 * time.Hour }, 40 * 24 * time.Hour, 40 * 24 * time.Hour},
		{"both", func(c *refresh.Config) { c.IdleTimeout, c.AbsoluteTimeout = time.Hour, 2*time.Hour }, time.Hour, 2 * time.Hour},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, tc.change)
			tokens := e.login()
			require.Equal(t, noon.Add(tc.idle), tokens.RefreshExpires)
			require.Equal(t, noon.Add(tc.end), e.issuer.last().notAfter.UTC())
		})
	}

	for _, tc := range []struct {
		desc  string
		grace time.Duration
		with  func(*refresh.Config)
	}{
		{"wired", 10 * time.Second, func(*refresh.Config) {}},
		{"unwired", 30 * time.Second, unwired},
		{"given", 7 * time.Second, func(c *refresh.Config) { c.Grace = 7 * time.Second }},
		{"unwired, given", time.Minute, func(c *refresh.Config) { c.Wired, c.Grace = nil, time.Minute }},
	} {
		t.Run("grace/"+tc.desc, func(t *testing.T) {
			e := newEnv(t, tc.with)
			first := e.login()
			second := e.refresh(first.Refresh)
			e.pass(tc.grace)
			require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh)
			e.events = nil
			e.pass(time.Microsecond)
			_, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
			if len(e.cfg.Wired) > 0 {
				require.NoError(t, err)
				require.Equal(t, "late-repeat", string(e.events[0].Cause))
			} else {
				e.refusal(err, "late-unconfirmed")
			}
		})
	}

	t.Run("negative grace is none", func(t *testing.T) {
		e := newEnv(t, func(c *refresh.Config) { c.Wired, c.Grace = nil, -time.Hour })
		first := e.login()
		e.pass(time.Second)
		second := e.refresh(first.Refresh)
		require.Equal(t, second.Refresh, e.refresh(first.Refresh).Refresh, "and no less than none")
		e.pass(time.Microsecond)
		third := e.refresh(second.Refresh)
		require.NotEmpty(t, third.Refresh, "nothing coalesces")
		e.pass(time.Microsecond)
		e.refused(second.Refresh, "late-unconfirmed")
	})
}

func TestSubjectLimitByDefault(t *testing.T) {
	e := newEnv(t)
	first := e.login()
	for range 99 {
		e.login()
	}
	require.NotEmpty(t, e.refresh(first.Refresh).Access)
	e.login()
	all, err := e.r.Families(t.Context(), "ann")
	require.NoError(t, err)
	require.Len(t, all, 100)
}

func TestAccessors(t *testing.T) {
	registry := registryOf(t, memstore.Default())
	signs := &issuer{lifetime: time.Minute}
	body, err := refresh.New(registry, refresh.Config{Issuer: signs})
	require.NoError(t, err)
	require.Nil(t, body.Cookie())
	require.Same(t, registry, body.Revocations())
	require.WithinDuration(t, time.Now(), body.Now(), time.Minute)
	trusted := []string{"https://other.example"}
	guarded, err := refresh.New(registry, refresh.Config{
		Issuer: signs, Transport: refresh.Cookie, PublicOrigin: "https://app.example", TrustedOrigins: trusted,
		Now: func() time.Time { return noon },
	})
	require.NoError(t, err)
	require.Equal(t, noon, guarded.Now())
	for range 2 {
		public, got := guarded.Origins()
		require.Equal(t, "https://app.example", public)
		require.Equal(t, trusted, got)
		got[0] = "changed"
	}
	for _, tc := range []struct {
		cfg  refresh.CookieConfig
		want string
	}{
		{refresh.CookieConfig{}, "__Host-refresh=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"},
		{refresh.CookieConfig{Name: "r"}, "__Host-r=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict"},
		{refresh.CookieConfig{Embedded: true}, "__Host-refresh=v; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=None; Partitioned"},
		{refresh.CookieConfig{InsecureHTTP: true}, "refresh=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict"},
	} {
		r, err := refresh.New(registry, refresh.Config{Issuer: signs, Transport: refresh.Cookie, Cookie: tc.cfg})
		require.NoError(t, err)
		got, err := r.Cookie().Set("v", time.Minute)
		require.NoError(t, err)
		require.ElementsMatch(t, strings.Split(tc.want, "; "), strings.Split(got, "; "))
	}
}

// What the caller does with its slices afterwards changes nothing.
func TestConfigIsCopied(t *testing.T) {
	e := newEnv(t)
	own := slices.Clone(secretA)
	r := e.another(func(c *refresh.Config) { c.Secrets = [][]byte{own} })
	clear(own)
	tokens, err := r.Login(t.Context(), ann(), here)
	require.NoError(t, err)
	require.NotEmpty(t, e.refresh(tokens.Refresh).Refresh)
}

func TestLoginWithoutRandom(t *testing.T) {
	broken := errors.New("no entropy")
	for desc, tc := range map[string]struct {
		random io.Reader
		want   error
	}{
		"error":     {iotest.ErrReader(broken), broken},
		"one short": {strings.NewReader(strings.Repeat("x", 15)), io.ErrUnexpectedEOF},
	} {
		e := newEnv(t, func(c *refresh.Config) { c.Rand = tc.random })
		tokens, err := e.r.Login(t.Context(), ann(), here)
		require.ErrorIs(t, err, tc.want, desc)
		require.Zero(t, tokens, desc)
		require.Empty(t, e.store.calls, desc)
	}
	e := newEnv(t, func(c *refresh.Config) { c.Rand = strings.NewReader("0123456789abcdef") })
	tokens := e.login()
	require.Equal(t, revocation.Handle([]byte("0123456789abcdef")).String(), tokens.Principal.Session)
}

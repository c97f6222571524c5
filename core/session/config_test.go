package session_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

// configErrors are the fields that err names, however deep they are joined.
func configErrors(err error) (fields []string) {
	if err == nil {
		return nil
	}
	if ce, ok := err.(*core.ConfigError); ok {
		return []string{ce.Field}
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			fields = append(fields, configErrors(e)...)
		}
	case interface{ Unwrap() error }:
		fields = configErrors(u.Unwrap())
	}
	return fields
}

func TestConfigMistakes(t *testing.T) {
	const day = 24 * time.Hour
	for _, tc := range []struct {
		desc string
		cfg  session.Config
		want []string // without "session.Config."
	}{
		{"zero", session.Config{}, nil},
		{"app with a slash", session.Config{App: "a/b"}, []string{"App"}},
		{"app with a space inside", session.Config{App: "a b"}, []string{"App"}},
		{"app with NUL", session.Config{App: "a\x00b"}, []string{"App"}},
		{"app with an umlaut", session.Config{App: "ä"}, []string{"App"}},
		{"app too long", session.Config{App: strings.Repeat("a", 65)}, []string{"App"}},
		{"longest app", session.Config{App: strings.Repeat("a", 64)}, nil},
		{"idle below a second", session.Config{IdleTimeout: time.Second - 1}, []string{"IdleTimeout", "AnonymousIdleTimeout"}},
		{"idle negative", session.Config{IdleTimeout: -time.Hour, AnonymousIdleTimeout: time.Hour, TouchInterval: time.Minute},
			[]string{"IdleTimeout", "TouchInterval"}},
		{"idle of a second", session.Config{IdleTimeout: time.Second}, nil},
		{"idle beyond browsers", session.Config{IdleTimeout: 400*day + 1}, []string{"IdleTimeout"}},
		{"longest idle", session.Config{IdleTimeout: 400 * day}, nil},
		{"idle beyond absolute", session.Config{IdleTimeout: 2 * day, AbsoluteTimeout: day}, []string{"IdleTimeout"}},
		{"idle equals absolute", session.Config{IdleTimeout: day, AbsoluteTimeout: day}, nil},
		{"anonymous idle below a second", session.Config{AnonymousIdleTimeout: 1}, []string{"AnonymousIdleTimeout"}},
		{"anonymous idle beyond absolute", session.Config{AnonymousIdleTimeout: 8 * day}, []string{"AnonymousIdleTimeout"}},
		{"absolute below a second", session.Config{AbsoluteTimeout: 1}, []string{"IdleTimeout", "AnonymousIdleTimeout", "AbsoluteTimeout"}},
		{"absolute negative", session.Config{AbsoluteTimeout: -day}, []string{"IdleTimeout", "AnonymousIdleTimeout", "AbsoluteTimeout"}},
		{"touch negative", session.Config{TouchInterval: -1}, []string{"TouchInterval"}},
		{"touch equals idle", session.Config{IdleTimeout: time.Hour, TouchInterval: time.Hour}, []string{"TouchInterval"}},
		{"touch equals anonymous idle", session.Config{TouchInterval: 2 * time.Hour}, []string{"TouchInterval"}},
		{"touch just below", session.Config{TouchInterval: 2*time.Hour - 1}, nil},
		{"store timeout negative", session.Config{StoreTimeout: -1}, []string{"StoreTimeout"}},
		{"data negative", session.Config{MaxDataBytes: -1}, []string{"MaxDataBytes"}},
		{"data beyond 1 MiB", session.Config{MaxDataBytes: 1<<20 + 1}, []string{"MaxDataBytes"}},
		{"data of 1 MiB", session.Config{MaxDataBytes: 1 << 20}, nil},
		{"subject limit negative", session.Config{SubjectLimit: -1}, []string{"SubjectLimit"}},
		{"subject limit of one", session.Config{SubjectLimit: 1}, nil},
		{"subject limit beyond 10000", session.Config{SubjectLimit: 10_001}, []string{"SubjectLimit"}},
		{"highest subject limit", session.Config{SubjectLimit: 10_000}, nil},
		{"refusal without a limit", session.Config{RefuseAtLimit: true}, []string{"RefuseAtLimit"}},
		{"refusal at a limit", session.Config{RefuseAtLimit: true, SubjectLimit: 5}, nil},
		{"last policy", session.Config{Fingerprint: session.FingerprintIgnore}, nil},
		{"no policy", session.Config{Fingerprint: session.FingerprintIgnore + 1}, []string{"Fingerprint"}},
		{"secret empty", session.Config{Secret: []byte{}}, []string{"Secret"}},
		{"secret short", session.Config{Secret: make([]byte, 31)}, []string{"Secret"}},
		{"secret of 32", session.Config{Secret: make([]byte, 32)}, nil},
		{"cookie", session.Config{Cookie: cookie.Config{Name: "a b", Domain: ".x"}}, []string{"cookie.Config.Name", "cookie.Config.Domain"}},
		{"all at once", session.Config{
			App: "!", IdleTimeout: 1, AnonymousIdleTimeout: 1, AbsoluteTimeout: 1, TouchInterval: -1, StoreTimeout: -1,
			MaxDataBytes: -1, SubjectLimit: -1, Fingerprint: 9, Secret: []byte("x"), Cookie: cookie.Config{Name: ";"},
		}, []string{"App", "IdleTimeout", "AnonymousIdleTimeout", "AbsoluteTimeout", "TouchInterval", "StoreTimeout",
			"MaxDataBytes", "SubjectLimit", "Fingerprint", "Secret", "cookie.Config.Name"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			m, err := session.New(memstore.Default(), tc.cfg)
			var want []string
			for _, f := range tc.want {
				if !strings.Contains(f, ".") {
					f = "session.Config." + f
				}
				want = append(want, f)
			}
			got := configErrors(err)
			slices.Sort(got)
			slices.Sort(want)
			require.Equal(t, want, got)
			require.Equal(t, want == nil, m != nil)
			for _, f := range want {
				require.ErrorContains(t, err, f)
			}
		})
	}
	t.Run("no store", func(t *testing.T) {
		m, err := session.New(nil, session.Config{App: "!"})
		require.Nil(t, m)
		require.Equal(t, []string{"session.New.store", "session.Config.App"}, configErrors(err))
	})
	t.Run("no secret for a shared store", func(t *testing.T) {
		m, err := session.New(newSpy(memstore.Default()), session.Config{})
		require.Nil(t, m)
		require.Equal(t, []string{"session.Config.Secret"}, configErrors(err))
	})
	t.Run("secret is not shown", func(t *testing.T) {
		_, err := session.New(memstore.Default(), session.Config{Secret: []byte("hunter2")})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("random source fails", func(t *testing.T) {
		_, err := session.New(memstore.Default(), session.Config{Rand: strings.NewReader("short")})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestConfigDefaults(t *testing.T) {
	e := newEnv(t)
	require.Equal(t, "app", e.m.App())
	require.Equal(t, name, e.m.Cookie().Name())
	for _, tc := range []struct {
		desc           string
		cfg            session.Config
		idle, anon     time.Duration
		absolute, soon time.Duration // soon: the touch interval
	}{
		{"zero", session.Config{}, 24 * time.Hour, 2 * time.Hour, 7 * 24 * time.Hour, 72 * time.Minute},
		{"short idle", session.Config{IdleTimeout: time.Hour}, time.Hour, time.Hour, 7 * 24 * time.Hour, 3 * time.Minute},
		{"ten minutes", session.Config{IdleTimeout: 10 * time.Minute}, 10 * time.Minute, 10 * time.Minute, 7 * 24 * time.Hour, time.Minute},
		{"a minute", session.Config{IdleTimeout: time.Minute}, time.Minute, time.Minute, 7 * 24 * time.Hour, 30 * time.Second},
		{"a month", session.Config{IdleTimeout: 30 * 24 * time.Hour}, 30 * 24 * time.Hour, 2 * time.Hour, 30 * 24 * time.Hour, 36 * time.Hour},
		{"short anonymous", session.Config{AnonymousIdleTimeout: 10 * time.Minute}, 24 * time.Hour, 10 * time.Minute, 7 * 24 * time.Hour, 72 * time.Minute},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t, func(c *session.Config) {
				c.IdleTimeout, c.AnonymousIdleTimeout = tc.cfg.IdleTimeout, tc.cfg.AnonymousIdleTimeout
			})
			info, err := e.live(e.login(ann())).Info()
			require.NoError(t, err)
			require.Equal(t, tc.idle, info.IdleEnd.Sub(noon))
			require.Equal(t, tc.absolute, info.AbsoluteEnd.Sub(noon))
			info, err = e.live(e.visit()).Info()
			require.NoError(t, err)
			require.Equal(t, tc.anon, info.IdleEnd.Sub(noon))
			require.Equal(t, tc.absolute, info.AbsoluteEnd.Sub(noon))

			v := e.login(ann())
			e.clock.advance(tc.soon - time.Microsecond)
			e.quiet()
			e.silent(e.live(v))
			require.Equal(t, map[string]int{"load": 1}, e.store.count())
			e.clock.advance(time.Microsecond)
			require.Equal(t, v, e.value(e.live(v)))
			require.Equal(t, map[string]int{"load": 1, "swap": 1}, e.store.count())
		})
	}
}

func TestIdentityMistakes(t *testing.T) {
	long := strings.Repeat("x", 256)
	many := make([]string, 256)
	big := make([]string, 255)
	for i := range many {
		many[i] = "r"
	}
	for i := range big {
		big[i] = long[:255]
	}
	for _, tc := range []struct {
		desc string
		id   session.Identity
		want []string
	}{
		{"least", session.Identity{Subject: "a"}, nil},
		{"most", session.Identity{Subject: long[:255], Method: long[:255], Device: long[:255], Roles: many[:255], Scopes: []string{long[:255]}}, nil},
		{"almost 64 KiB of roles", session.Identity{Subject: "a", Roles: big}, nil},
		{"proved long ago", session.Identity{Subject: "a", AuthTime: noon.Add(-time.Hour)}, nil},
		{"proved now", session.Identity{Subject: "a", AuthTime: noon}, nil},
		{"no subject", session.Identity{}, []string{"Subject"}},
		{"long subject", session.Identity{Subject: long}, []string{"Subject"}},
		{"subject not UTF-8", session.Identity{Subject: "\xff"}, []string{"Subject"}},
		{"long method", session.Identity{Subject: "a", Method: long}, []string{"Method"}},
		{"long device", session.Identity{Subject: "a", Device: long}, []string{"Device"}},
		{"device not UTF-8", session.Identity{Subject: "a", Device: "\xff"}, []string{"Device"}},
		{"future", session.Identity{Subject: "a", AuthTime: noon.Add(1)}, []string{"AuthTime"}},
		{"empty role", session.Identity{Subject: "a", Roles: []string{"a", ""}}, []string{"Roles"}},
		{"long role", session.Identity{Subject: "a", Roles: []string{long}}, []string{"Roles"}},
		{"role not UTF-8", session.Identity{Subject: "a", Roles: []string{"\xff"}}, []string{"Roles"}},
		{"many roles", session.Identity{Subject: "a", Roles: many}, []string{"Roles"}},
		{"empty scope", session.Identity{Subject: "a", Scopes: []string{""}}, []string{"Scopes"}},
		{"all at once", session.Identity{Method: long, Device: long, AuthTime: noon.Add(1), Roles: []string{""}, Scopes: []string{""}},
			[]string{"Subject", "Method", "Device", "AuthTime", "Roles", "Scopes"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e := newEnv(t)
			visitor := e.visit()
			e.quiet()
			s := e.begin(visitor)
			err := s.Login(t.Context(), tc.id)
			if tc.want == nil {
				require.NoError(t, err)
				p, err := s.Principal()
				require.NoError(t, err)
				require.Equal(t, tc.id.Subject, p.Subject)
				require.Equal(t, tc.id.Roles, p.Roles)
				require.Equal(t, tc.id.Scopes, p.Scopes)
				require.Equal(t, tc.id.Method, p.Method)
				return
			}
			var want []string
			for _, f := range tc.want {
				want = append(want, "session.Identity."+f)
			}
			require.Equal(t, want, configErrors(err))
			require.False(t, errors.Is(err, core.ErrUnknown))
			// A refused identity leaves the visitor's session as it was.
			e.silent(s)
			require.Equal(t, map[string]int{"load": 1}, e.store.count())
			e.has(e.begin(visitor), cart, "apple")
		})
	}
}

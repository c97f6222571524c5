package refresh_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

func TestPerFamily(t *testing.T) {
	at := noon
	l, err := refresh.PerFamily(3, time.Minute, func() time.Time { return at })
	require.NoError(t, err)
	a, b := refresh.Key{Handle: revocation.Handle{1}}, refresh.Key{Handle: revocation.Handle{1}, Tag: [4]byte{1}}
	allowed := func(key refresh.Key) (n int) {
		for range 10 {
			if l.Allow(t.Context(), key) {
				n++
			}
		}
		return n
	}
	require.Equal(t, 3, allowed(a))
	require.Equal(t, 3, allowed(b), "each has its own")
	require.Zero(t, allowed(a))
	at = noon.Add(time.Minute - 1)
	require.Zero(t, allowed(a))
	at = noon.Add(time.Minute)
	require.Equal(t, 3, allowed(a))
	at = noon.Add(time.Hour)
	require.Equal(t, 3, allowed(a))
	at = noon.Add(-time.Hour)
	require.Equal(t, 3, allowed(a), "a clock set back shuts nobody out")
	at = time.Unix(0, 0)
	require.Equal(t, 3, allowed(b))
}

func TestPerFamilyMistakes(t *testing.T) {
	for _, tc := range []struct {
		desc string
		n    int
		per  time.Duration
		want []string
	}{
		{"least", 1, time.Second, nil},
		{"none", 0, time.Second, []string{"refresh.PerFamily.n"}},
		{"too short", 1, time.Second - 1, []string{"refresh.PerFamily.per"}},
		{"both", -1, -1, []string{"refresh.PerFamily.n", "refresh.PerFamily.per"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			l, err := refresh.PerFamily(tc.n, tc.per, nil)
			require.Equal(t, tc.want, mistakes(err))
			require.Equal(t, err == nil, l != nil)
			if err == nil {
				require.True(t, l.Allow(t.Context(), refresh.Key{}), "by the real clock")
			}
		})
	}
}

// limiter says no, and keeps whom it was asked about.
type limiter struct {
	no    bool
	asked []refresh.Key
}

func (l *limiter) Allow(_ context.Context, family refresh.Key) bool {
	l.asked = append(l.asked, family)
	return !l.no
}

// The limit comes behind the decision. What is refused is decided and done, and whoever
// comes again gets what it came to.
func TestLimiter(t *testing.T) {
	bothWays(t, func(t *testing.T, wired bool) {
		l := &limiter{no: true}
		e := newEnv(t, func(c *refresh.Config) {
			if c.Limiter = l; !wired {
				c.Wired = nil
			}
		})
		first := e.login()
		require.Empty(t, l.asked)
		e.quiet()
		tokens, err := e.r.Refresh(t.Context(), first.Refresh, nil, here)
		require.Equal(t, refresh.ErrRateLimited, err)
		require.NotErrorIs(t, err, refresh.ErrInvalidGrant)
		require.NotErrorIs(t, err, core.ErrUnknown)
		require.Zero(t, tokens)
		handle, _ := revocation.ParseHandle(first.Principal.Session)
		require.Equal(t, []refresh.Key{{Tag: e.registry.Owner("ann").Tag, Handle: handle}}, l.asked)
		e.told(first.Principal.Session, "refresh_token_rotated rotated")
		l.no = false
		e.pass(grace)
		second := e.refresh(first.Refresh)
		require.NotEmpty(t, second.Refresh)
		e.told(first.Principal.Session, "refresh_token_rotated repeated")
	})
}

// A thief who is quick must not be able to hide behind the limit.
func TestLimiterHidesNoReuse(t *testing.T) {
	l := &limiter{}
	e := newEnv(t, func(c *refresh.Config) { c.Limiter = l })
	first := e.login()
	e.pass(time.Minute)
	second := e.refresh(first.Refresh)
	require.NoError(t, e.use(e.issuer.last()))
	e.pass(time.Minute)
	l.no, l.asked = true, nil
	e.quiet()
	e.refused(first.Refresh, "reuse:late-after-confirm")
	e.told(first.Principal.Session, "authn_token_reuse reuse:late-after-confirm", "refresh_family_expired reuse:late-after-confirm")
	e.refused(second.Refresh, "gone")
	require.Empty(t, l.asked)
}

func TestPerFamilyInPlace(t *testing.T) {
	e := newEnv(t)
	l, err := refresh.PerFamily(2, time.Minute, e.now)
	require.NoError(t, err)
	e.r = e.another(func(c *refresh.Config) { c.Limiter = l })
	first, other := e.login(), e.login()
	for range 2 {
		e.refresh(first.Refresh)
	}
	_, err = e.r.Refresh(t.Context(), first.Refresh, nil, here)
	require.True(t, errors.Is(err, refresh.ErrRateLimited))
	e.refresh(other.Refresh)
	e.pass(time.Minute)
	require.NotEmpty(t, e.refresh(first.Refresh).Access, "a late repeat")
}

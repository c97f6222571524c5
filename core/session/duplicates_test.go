package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/session"
)

// dead makes well-formed values that nobody ever issued.
func dead(n int) (values []string) {
	for i := range n {
		values = append(values, strings.Repeat(string(rune('a'+i)), 48))
	}
	return values
}

// S15: several cookies of the session's name.
func TestDuplicates(t *testing.T) {
	e := newEnv(t)
	a, b, visitor := e.login(ann()), e.login(bob()), e.visit()
	d := dead(8)
	repaired := func(v string) []string { return []string{variantDeletion(), setLine(v, "86400")} }
	cleared := []string{variantDeletion(), deletion()}
	ambiguous := "session_ambiguous"
	unknown := "session_use_after_expire unknown-id"
	for _, tc := range []struct {
		desc   string
		values []string
		who    string
		lines  []string
		loads  int
		event  string
	}{
		{"equal", []string{a, a}, "ann", nil, 1, ""},
		{"equal, three", []string{a, a, a}, "ann", nil, 1, ""},
		{"equal garbage", []string{"x", "x"}, "", nil, 0, ""},
		{"alive, garbage", []string{a, "x"}, "ann", repaired(a), 1, ""},
		{"garbage, alive", []string{"x", a}, "ann", repaired(a), 1, ""},
		{"alive, empty", []string{a, ""}, "ann", repaired(a), 1, ""},
		{"empty, alive", []string{"", a}, "ann", repaired(a), 1, ""},
		{"alive, dead", []string{a, d[0]}, "ann", repaired(a), 1, ""},
		{"dead, alive", []string{d[0], a}, "ann", repaired(a), 1, ""},
		{"alive, dead, alive again", []string{a, d[0], a}, "ann", repaired(a), 1, ""},
		{"two alive", []string{a, b}, "", cleared, 1, ambiguous},
		{"two alive, other order", []string{b, a}, "", cleared, 1, ambiguous},
		{"user and visitor", []string{a, visitor}, "", cleared, 1, ambiguous},
		{"two alive, one dead", []string{a, d[0], b}, "", cleared, 1, ambiguous},
		{"two garbage", []string{"x", "y"}, "", nil, 0, ""},
		{"two dead", []string{d[0], d[1]}, "", nil, 1, unknown},
		{"comma-joined", []string{a + ", " + name + "=" + b}, "", nil, 0, ""},
		{"alive third of four", []string{d[0], d[1], a, d[2]}, "ann", repaired(a), 1, ""},
		{"alive fourth of eight", []string{d[0], d[1], d[2], a, d[3], d[4], d[5], d[6]}, "ann", repaired(a), 1, ""},
		{"alive fifth", []string{d[0], d[1], d[2], d[3], a}, "", nil, 1, unknown},
		{"garbage takes no place", []string{"1", "2", "3", "4", "5", a}, "ann", repaired(a), 1, ""},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			e.quiet()
			s := e.begin(tc.values...)
			require.Equal(t, tc.who, e.subject(s))
			out := s.Finish()
			require.NoError(t, out.Err)
			require.Equal(t, tc.lines, out.SetCookie)
			require.Equal(t, tc.loads, e.store.count()["load"])
			var want []string
			if tc.event != "" {
				want = []string{tc.event}
			}
			require.Equal(t, want, e.audit.drain())
			require.Equal(t, "ann", e.subject(e.begin(a)), "nothing was ended by it")
			require.Equal(t, "bob", e.subject(e.begin(b)))
		})
	}
	t.Run("a hundred", func(t *testing.T) {
		e.quiet()
		s := e.begin(append(dead(100), a)...)
		require.Empty(t, e.subject(s))
		e.silent(s)
		require.Equal(t, map[string]int{"load": 1}, e.store.count())
	})
	t.Run("two header lines", func(t *testing.T) {
		s := e.beginLines(name+"="+d[0], name+"="+a)
		require.Equal(t, "ann", e.subject(s))
		require.Equal(t, repaired(a), e.finish(s))
	})
	t.Run("not asked, not repaired", func(t *testing.T) { e.silent(e.begin(a, b)) })
}

// Whatever the jar holds, a login afterwards leaves exactly one credential.
func TestLoginRepairsTheJar(t *testing.T) {
	e := newEnv(t)
	for _, tc := range []struct {
		desc   string
		values func() []string
	}{
		{"equal", func() []string {
			v := e.login(ann())
			return []string{v, v}
		}},
		{"garbage", func() []string { return []string{"x", "y"} }},
		{"dead", func() []string { return dead(3) }},
		{"two alive", func() []string { return []string{e.login(ann()), e.login(bob())} }},
		{"one alive", func() []string { return []string{dead(1)[0], e.visit()} }},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := e.begin(tc.values()...)
			require.NoError(t, s.Login(t.Context(), ann()))
			lines := e.finish(s)
			require.Len(t, lines, 2)
			require.Equal(t, variantDeletion(), lines[0])
			v := strings.TrimPrefix(lines[1], name+"=")[:48]
			require.Equal(t, setLine(v, "86400"), lines[1])
			require.Equal(t, "ann", e.subject(e.begin(v)))
		})
	}
	t.Run("logout", func(t *testing.T) {
		s := e.begin(dead(1)[0], e.login(ann()))
		require.NoError(t, s.Logout(t.Context()))
		require.Equal(t, []string{variantDeletion(), deletion()}, e.finish(s))
	})
	t.Run("write of a visitor", func(t *testing.T) {
		s := e.begin(e.login(ann()), e.login(bob()))
		require.NoError(t, cart.Set(s, "apple"))
		lines := e.finish(s)
		require.Len(t, lines, 2)
		require.Equal(t, variantDeletion(), lines[0])
		v := strings.TrimPrefix(lines[1], name+"=")[:48]
		require.Equal(t, setLine(v, "7200"), lines[1])
		require.Empty(t, e.subject(e.begin(v)))
	})
}

func TestDuplicatesWithDomain(t *testing.T) {
	const name = "__Secure-session"
	e := newEnv(t, func(c *session.Config) { c.Cookie = cookie.Config{Domain: "example.com"} })
	s := e.begin()
	require.NoError(t, s.Login(t.Context(), ann()))
	lines := e.finish(s)
	require.Len(t, lines, 1)
	v := strings.TrimPrefix(lines[0], name+"=")[:48]
	s = e.beginLines(name + "=" + v + "; " + name + "=" + dead(1)[0])
	require.Equal(t, "ann", e.subject(s))
	lines = e.finish(s)
	require.Len(t, lines, 4)
	for _, line := range lines[:3] {
		require.Contains(t, line, "; Max-Age=0; ")
	}
	require.Equal(t, name+"="+v+"; Path=/; Domain=example.com; Max-Age=86400; Secure; HttpOnly; SameSite=Lax", lines[3])
}

func TestDuplicatesUnknown(t *testing.T) {
	e := newEnv(t)
	a := e.login(ann())
	e.store.fail(errDown, "load")
	s := e.begin(a, dead(1)[0])
	_, err := s.Principal()
	require.ErrorIs(t, err, core.ErrUnknown)
	e.silent(s)
}

// Among the candidates, one that has expired counts as dead, and one that was
// replaced has no Set-Cookie coming.
func TestDuplicatesExpiredAndReplaced(t *testing.T) {
	e := newEnv(t)
	old := e.login(ann())
	e.clock.advance(22 * time.Hour)
	a := e.login(ann())
	e.clock.advance(2 * time.Hour)
	s := e.begin(old, a)
	require.Equal(t, "ann", e.subject(s))
	require.Equal(t, []string{variantDeletion(), setLine(a, "86400")}, e.finish(s), "due for a touch as well")

	next := e.replace(byStepUp, a)
	s = e.begin(dead(1)[0], a)
	require.Equal(t, "ann", e.subject(s))
	e.silent(s)
	require.Equal(t, "ann", e.subject(e.begin(next)))
}

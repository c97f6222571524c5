package cookie_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/cookie"
)

func TestValues(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		lines []string
		first string
		rest  []string
		n     int
	}{
		{"no line", nil, "", nil, 0},
		{"empty line", []string{""}, "", nil, 0},
		{"only separators", []string{";; ; ;"}, "", nil, 0},
		{"alone", []string{"__Host-sid=V"}, "V", nil, 1},
		{"first", []string{"__Host-sid=V; a=b"}, "V", nil, 1},
		{"last", []string{"a=b; __Host-sid=V"}, "V", nil, 1},
		{"no space", []string{"a=b;__Host-sid=V;c=d"}, "V", nil, 1},
		{"second line", []string{"a=b", "__Host-sid=V"}, "V", nil, 1},
		{"ends in separator", []string{"__Host-sid=V;"}, "V", nil, 1},
		{"empty pairs before", []string{"; ;__Host-sid=V"}, "V", nil, 1},
		{"empty value", []string{"__Host-sid="}, "", nil, 1},
		{"equals in value", []string{"__Host-sid=a=b="}, "a=b=", nil, 1},
		{"blanks around the line", []string{" \t__Host-sid=V\t "}, "V", nil, 1},

		// C3: what must not pass for the name.
		{"C3 nameless", []string{"=__Host-sid=V"}, "", nil, 0},
		{"C3 percent-encoded", []string{"__%48ost-sid=V"}, "", nil, 0},
		{"C3 lower case", []string{"__host-sid=V"}, "", nil, 0},
		{"C3 upper case", []string{"__HOST-SID=V"}, "", nil, 0},
		{"C3 no equals", []string{"__Host-sid"}, "", nil, 0},
		{"C3 no equals, then pair", []string{"__Host-sid; a=b"}, "", nil, 0},
		{"C3 two spaces before", []string{"a=b;  __Host-sid=V"}, "", nil, 0},
		{"C3 tab before", []string{"a=b;\t__Host-sid=V"}, "", nil, 0},
		{"C3 space and tab before", []string{"a=b; \t__Host-sid=V"}, "", nil, 0},
		{"C3 space after", []string{"__Host-sid =V"}, "", nil, 0},
		{"C3 tab after", []string{"a=b; __Host-sid\t=V"}, "", nil, 0},
		{"C3 CR LF before", []string{"\r\n__Host-sid=V"}, "", nil, 0},
		{"C3 vertical tab before", []string{"a=b; \v__Host-sid=V"}, "", nil, 0},
		{"C3 no-break space before", []string{"a=b; \u00a0__Host-sid=V"}, "", nil, 0},
		{"C3 NEL before", []string{"a=b; \u0085__Host-sid=V"}, "", nil, 0},
		{"C3 en quad before", []string{"\u2000__Host-sid=V"}, "", nil, 0},
		{"C3 NUL after", []string{"__Host-sid\x00=V"}, "", nil, 0},
		{"C3 quoted name", []string{`"__Host-sid"=V`}, "", nil, 0},
		{"C3 without prefix", []string{"sid=V"}, "", nil, 0},
		{"C3 other prefix", []string{"__Secure-sid=V"}, "", nil, 0},
		{"C3 longer name", []string{"__Host-sid2=V; x__Host-sid=V"}, "", nil, 0},
		{"C3 array", []string{"__Host-sid[]=V; __Host-sid.0=V"}, "", nil, 0},

		// C4: only ';' separates.
		{"C4 inside quotes", []string{`a="x; __Host-sid=V; b=y"`}, "V", nil, 1},
		{"C4 quotes swallow nothing", []string{`a="x; __Host-sid=V; __Host-sid=W; b=y"`}, "V", []string{"W"}, 2},
		{"C4 version", []string{`$Version=1; a="x; __Host-sid=V; b=y"; $Path=/`}, "V", nil, 1},
		{"C4 version quoted", []string{`$Version="1"; __Host-sid="V;W"; $Path="/"`}, `"V`, nil, 1},
		{"C4 quotes kept", []string{`__Host-sid="V"`}, `"V"`, nil, 1},
		{"C4 percent kept", []string{"__Host-sid=%56"}, "%56", nil, 1},
		{"C4 escaped semicolon", []string{`__Host-sid="V\;W"`}, `"V\`, nil, 1},
		{"blank in value kept", []string{"__Host-sid= V ; a=b"}, " V ", nil, 1},
		{"control characters kept", []string{"__Host-sid=V\r\n\x00; a=b"}, "V\r\n\x00", nil, 1},

		// S15: several.
		{"S15 equal", []string{"__Host-sid=V; __Host-sid=V"}, "V", nil, 2},
		{"S15 equal in two lines", []string{"__Host-sid=V", "__Host-sid=V"}, "V", nil, 2},
		{"S15 two", []string{"__Host-sid=V; __Host-sid=W"}, "V", []string{"W"}, 2},
		{"S15 two, other order", []string{"__Host-sid=W; __Host-sid=V"}, "W", []string{"V"}, 2},
		{"S15 mixed", []string{"__Host-sid=V; __Host-sid=W; __Host-sid=V", "__Host-sid=W; __Host-sid=X"}, "V", []string{"W", "X"}, 5},
		{"S15 empty first", []string{"__Host-sid=; __Host-sid=V; __Host-sid="}, "", []string{"V"}, 3},
		{"S15 comma-joined", []string{"__Host-sid=V, __Host-sid=W"}, "V, __Host-sid=W", nil, 1},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := newSpec(t, cookie.Config{Name: "sid"})
			lines := slices.Clone(tc.lines)
			first, rest, n := s.Values(lines)
			require.Equal(t, tc.first, first)
			require.Equal(t, tc.rest, rest)
			require.Equal(t, tc.n, n)
			require.Equal(t, tc.lines, lines, "input changed")
		})
	}
}

func TestValuesHundred(t *testing.T) {
	s := newSpec(t, cookie.Config{Name: "sid"})
	var pairs []string
	for i := range 100 {
		pairs = append(pairs, fmt.Sprintf("__Host-sid=v%d", i))
	}
	first, rest, n := s.Values([]string{strings.Join(pairs, "; ")})
	require.Equal(t, "v0", first)
	require.Equal(t, []string{"v1", "v2", "v3", "v4", "v5", "v6", "v7"}, rest)
	require.Equal(t, 100, n)
}

func TestValuesAllocs(t *testing.T) {
	v := strings.Repeat("A", 48)
	distinct := strings.Builder{}
	for i := range 5000 {
		fmt.Fprintf(&distinct, "__Host-sid=%d; ", i)
	}
	for _, tc := range []struct {
		desc  string
		lines []string
		n     int
		want  float64
	}{
		{"absent", []string{"a=b; c=d"}, 0, 0},
		{"one", []string{"a=b; __Host-sid=" + v + "; c=d"}, 1, 0},
		{"one in the second line", []string{"a=b", "__Host-sid=" + v}, 1, 0},
		{"5,000 others", []string{strings.Repeat("a=b; ", 5000) + "__Host-sid=" + v}, 1, 0},
		{"5,000 equal", []string{strings.Repeat("__Host-sid=V; ", 5000)}, 5000, 0},
		{"5,000 distinct", []string{distinct.String()}, 5000, 4},
		{"10,000 separators", []string{strings.Repeat(";", 10000)}, 0, 0},
		{"100 KB value", []string{"__Host-sid=" + strings.Repeat("x", 100<<10)}, 1, 0},
		{"100 KB name", []string{strings.Repeat("x", 100<<10) + "=__Host-sid"}, 0, 0},
		{"100 KB without anything", []string{strings.Repeat(" ", 100<<10)}, 0, 0},
		{"chunks", []string{strings.Repeat("__Host-sid_0=x; __Host-sid.1=x; ", 5000)}, 0, 0},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			s := newSpec(t, cookie.Config{Name: "sid"})
			var rest []string
			var n int
			got := testing.AllocsPerRun(10, func() { _, rest, n = s.Values(tc.lines) })
			require.LessOrEqual(t, got, tc.want)
			require.LessOrEqual(t, len(rest), 7)
			require.Equal(t, tc.n, n)
		})
	}
}

var (
	token = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	// canonical is what a browser that follows RFC 6265 section 5.4 sends.
	canonical = regexp.MustCompile(`^[^; \t\r\n]+(; [^; \t\r\n]+)*$`)
)

// Ours against net/http. Every token value that we find, net/http finds too:
// being stricter, we invent nothing. In lines as browsers write them, the two
// find the same.
func FuzzValues(f *testing.F) {
	for _, line := range []string{
		"__Host-sid=V; a=b", "a=b;__Host-sid=V", "=__Host-sid=V", "__host-sid=V", "__Host-sid",
		"a=b;  __Host-sid=V", "__Host-sid =V", `a="x; __Host-sid=V; b=y"`, `$Version=1; __Host-sid="V"`,
		"__Host-sid=V, __Host-sid=W", "__Host-sid=V; __Host-sid=W; __Host-sid=V", "\t__Host-sid=V ", ";;;",
	} {
		f.Add(line, "__Host-sid=X")
		f.Add(line, line)
	}
	s := newSpec(f, cookie.Config{Name: "sid"})
	f.Fuzz(func(t *testing.T, a, b string) {
		lines := []string{a, b}
		if strings.Count(a+b, ";") > 2000 {
			t.Skip("net/http reads nothing at all from 3,000 cookies on")
		}
		first, rest, n := s.Values(lines)

		var ours []string
		if n > 0 {
			ours = append(ours, first)
		}
		ours = append(ours, rest...)
		require.LessOrEqual(t, len(ours), 8)
		require.LessOrEqual(t, len(ours), n)
		require.Equal(t, len(ours), len(slices.Compact(slices.Sorted(slices.Values(ours)))), "not distinct")
		for _, v := range ours {
			require.NotContains(t, v, ";")
			require.Contains(t, a+"\n"+b, s.Name()+"="+v)
		}

		r := http.Request{Header: http.Header{"Cookie": lines}}
		var theirs []string
		for _, c := range r.CookiesNamed(s.Name()) {
			if !c.Quoted && token.MatchString(c.Value) {
				theirs = append(theirs, c.Value)
			}
		}
		var tokens []string
		for _, v := range ours {
			if token.MatchString(v) {
				tokens = append(tokens, v)
			}
		}
		require.Subset(t, theirs, tokens)
		if canonical.MatchString(a) && canonical.MatchString(b) && len(ours) < 8 {
			require.ElementsMatch(t, slices.Compact(slices.Sorted(slices.Values(theirs))), tokens)
		}
	})
}

// What a Set-Cookie of ours stores comes back, beside whatever else is in the
// jar; no value gets out of its place.
func FuzzSet(f *testing.F) {
	f.Add("V", int64(3600))
	f.Add("a; Domain=evil.test", int64(1))
	f.Add("a\r\nSet-Cookie: b=c", int64(-1))
	s := newSpec(f, cookie.Config{Domain: "example.com", SameSite: cookie.SameSiteNone, Partitioned: true})
	f.Fuzz(func(t *testing.T, value string, seconds int64) {
		line, err := s.Set(value, time.Duration(seconds)*time.Second)
		if !token.MatchString(value) || len(value)+len(s.Name()) > 4096 {
			require.ErrorIs(t, err, cookie.ErrValue)
			return
		}
		require.NoError(t, err)
		c, err := http.ParseSetCookie(line)
		require.NoError(t, err)
		require.Equal(t, value, c.Value)
		require.Equal(t, "example.com", c.Domain)
		require.Empty(t, c.Unparsed)
		require.Positive(t, c.MaxAge)
		require.LessOrEqual(t, c.MaxAge, 34560000)
		pair, _, _ := strings.Cut(line, ";")
		first, rest, n := s.Values([]string{"a=b; " + pair + "; c=d"})
		require.Equal(t, value, first)
		require.Empty(t, rest)
		require.Equal(t, 1, n)
	})
}

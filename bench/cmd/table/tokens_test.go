package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// tokenResults has every row of the page. A token that was verified before costs 500
// ns above its floor, a peer 60,000 or more.
func tokenResults(t *testing.T) results {
	r := results{}
	row := func(name string, ns, bytes, allocs float64, further ...string) {
		line := fmt.Sprintf("Benchmark%s-2 100 %v ns/op %v B/op %v allocs/op", name, ns, bytes, allocs)
		for _, f := range further {
			line += " " + f
		}
		require.NoError(t, r.add(line+"\n"))
	}
	for i, fw := range tokenFrameworks {
		for _, alg := range signatures {
			row("Token/"+fw.slug+"/bare/"+alg, 100, 48, 1)
			row("Token/"+fw.slug+"/peer-"+fw.slug+"/"+alg, 60_100+1000*float64(i), 8000, 100)
			if fw.slug != "http" {
				row("Token/"+fw.slug+"/sallyport/"+alg, 600, 600, 6)
				row("Token/"+fw.slug+"/sallyport-first/"+alg, 50_000, 6000, 50)
			}
		}
	}
	for _, fw := range frameworks {
		row("Untouched/"+fw.slug, 500, 700, 3)
	}
	for _, alg := range signatures {
		row("Verify/"+alg+"/crypto", 40_000, 500, 10)
		for _, what := range []string{"golang-jwt", "first", "uncached", "seen"} {
			row("Verify/"+alg+"/"+what, 48_000, 5000, 40)
		}
	}
	row("Reference/sha256-map", 400, 0, 0)
	row("Reference/map", 30, 0, 0)
	for _, where := range []string{"floor", "gin-bare"} {
		row(live(where), 100, 600, 1)
	}
	for _, where := range []string{"verifier", "gin-sallyport"} {
		row(live(where), 2100, 600, 1, "1000 heap-B/token", "7 objects/token")
	}
	for _, h := range hostile {
		ns := 49_000.0
		if h.slug == forged {
			ns = 90_000
		} else if h.slug == "garbage" {
			ns = 39_000
		}
		row("Hostile/"+h.slug+"/sallyport", ns, 63_000, 7)
		row("Hostile/"+h.slug+"/golang-jwt", 1e6, 1e6, 100)
	}
	return r
}

func TestGoals(t *testing.T) {
	good := tokenResults(t)
	d := &document{w: &bytes.Buffer{}}
	all := d.goals(good)
	require.Empty(t, d.errs)
	for _, g := range all {
		require.True(t, g.reached, g)
	}

	for _, row := range []struct {
		name, unit string
		value      float64
		missed     []string // the limits
	}{
		// A peer of any framework counts in all of them.
		{"Token/http/peer-http/ES256", "ns/op", 49_000, []string{"≥ 100 ×", "≥ 100 ×", "≥ 100 ×"}},
		{"Token/echo/peer-echo/RS256", "ns/op", 29_000, []string{"≥ 60 ×", "≥ 60 ×", "≥ 60 ×"}},
		{"Token/echo/sallyport/ES256", "ns/op", 901, []string{"≥ 100 ×", "≤ 0.8 µs"}},
		{"Token/fiber/sallyport/RS256", "allocs/op", 7, []string{"≤ 3"}},
		{"Live/100000/verifier", "ns/op", 2101, []string{"≤ 2 µs"}},
		{"Live/100000/gin-sallyport", "ns/op", 2101, []string{"≤ 2 µs"}},
		{"Verify/RS256/first", "ns/op", 48_001, []string{"≤ 8 µs"}},
		{"Verify/RS256/first", "allocs/op", 41, []string{"≤ 40"}},
		{"Hostile/16KB/sallyport", "ns/op", 50_000, []string{"< 50 µs"}},
		{"Hostile/16KB/sallyport", "B/op", 64_000, []string{"< 64 KB"}},
		{"Hostile/garbage/sallyport", "ns/op", 40_000, []string{"< 40.0 µs"}},
	} {
		t.Run(row.name+" "+row.unit, func(t *testing.T) {
			r := tokenResults(t)
			r[row.name][row.unit] = []float64{row.value}
			var missed []string
			for _, g := range (&document{}).goals(r) {
				if !g.reached {
					missed = append(missed, g.limit)
				}
			}
			require.Equal(t, row.missed, missed)

			var page bytes.Buffer
			require.NoError(t, tokens(&page, about{}, r))
			require.Equal(t, len(missed), bytes.Count(page.Bytes(), []byte("| **no** |")))
		})
	}
}

// TestTokensNeedsEveryRow: a page with a hole is an error, not a page with zeros.
func TestTokensNeedsEveryRow(t *testing.T) {
	r := tokenResults(t)
	require.NoError(t, tokens(&bytes.Buffer{}, about{}, r))
	for _, name := range r.names() {
		missing := tokenResults(t)
		missing[name] = map[string][]float64{}
		require.Error(t, tokens(&bytes.Buffer{}, about{}, missing), name)
	}
	r["Token/gin/sallyport/ES256"]["ns/op"] = []float64{100}
	require.ErrorContains(t, tokens(&bytes.Buffer{}, about{}, r), "too much noise")
}

// TestPages: every group of rows is on one page.
func TestPages(t *testing.T) {
	var groups []string
	for _, p := range pages {
		groups = append(groups, p.groups...)
	}
	slices.Sort(groups)
	require.Equal(t, slices.Compact(slices.Clone(groups)), groups)
	require.True(t, pages[1].has("Token/gin/bare/ES256"))
	require.False(t, pages[0].has("Token/gin/bare/ES256"))
}

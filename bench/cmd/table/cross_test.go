package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// crossResults has every row of the page, each just within its limit.
func crossResults(t *testing.T) results {
	r := results{}
	row := func(name string, ns, bytes, allocs float64) {
		require.NoError(t, r.add(fmt.Sprintf("Benchmark%s-2 100 %v ns/op %v B/op %v allocs/op\n", name, ns, bytes, allocs)))
	}
	for _, fw := range tokenFrameworks {
		peer := map[string]string{"gin": "gin-contrib", "echo": "echo-cors", "fiber": "fiber-cors", "http": "rs"}[fw.slug]
		libraries := []string{floor, ours, peer}
		if fw.slug == "http" {
			libraries = []string{floor, peer}
		}
		for _, lib := range libraries {
			cost, allocs := 0.0, 0.0
			if lib != floor {
				cost, allocs = 1, 2
			}
			for _, op := range corsOps[:2] {
				row("CORS/"+fw.slug+"/"+lib+"/"+op, 1000+250*cost, 64, 1+allocs)
			}
			for _, op := range corsOps[2:] {
				row("CORS/"+fw.slug+"/"+lib+"/"+op, 1000+450*cost, 64, 1+allocs)
			}
			for _, x := range attacks {
				row("CORSHostile/"+fw.slug+"/"+lib+"/"+x.slug, 20_000+10_000*cost, 64+1024*cost, 1+allocs)
			}
			row("CSRF/"+fw.slug+"/"+lib+"/unsafe", 1000+2000*cost, 64, 1+allocs)
		}
	}
	row("Guard/check", 80, 0, 0)
	row("Guard/verify", 1200, 128, 2)
	row("Guard/net-http", 70, 0, 0)
	return r
}

func TestCrossGoals(t *testing.T) {
	var page bytes.Buffer
	require.NoError(t, crossing(&page, about{}, crossResults(t)))
	require.NotContains(t, page.String(), "| **no** |")
	require.Contains(t, page.String(), "| CORS, an actual request, above bare Gin | ≤ 250 ns | 250 ns | yes |\n")
	require.Contains(t, page.String(), "| actual-1 | **Sallyport** | 1250 ns | 250 ns |  | 3 | 64 | 0 % |\n")
	require.Contains(t, page.String(), "| an origin of 64 KB | net/http | rs | 10.0 µs | 1024 |\n")
	require.Contains(t, page.String(), "| layer two: Guard.Verify | 1200 ns | 2 | 0 % |\n")

	for _, tc := range []struct {
		name, unit string
		value      float64
		missed     []string // what the goals are about
	}{
		{"CORS/gin/sallyport/actual-1", "ns/op", 1251, []string{"CORS, an actual request, above bare Gin"}},
		{"CORS/fiber/sallyport/preflight-1000", "ns/op", 1451, []string{"CORS, a preflight, above bare Fiber"}},
		{"CORS/echo/sallyport/actual-1", "ns/op", 1080, []string{"the same with 1,000 origins as with one on Echo"}},
		{"CORS/echo/sallyport/preflight-1", "allocs/op", 4, []string{"its allocations on Echo"}},
		{"CORSHostile/gin/sallyport/lines", "ns/op", 30_001, []string{"the slowest of 64 KB of hostile headers on Gin"}},
		{"CORSHostile/fiber/sallyport/names", "B/op", 1089, []string{"the most that any of them allocates on Fiber"}},
		{"Guard/check", "ns/op", 81, []string{"CSRF, layer one"}},
		{"Guard/check", "allocs/op", 1, []string{"its allocations"}},
		{"Guard/verify", "ns/op", 1201, []string{"CSRF, a token"}},
		{"Guard/verify", "allocs/op", 3, []string{"its allocations"}},
		{"CORS/http/rs/actual-1000", "ns/op", 90_000, nil},
		{"Guard/net-http", "ns/op", 1000, nil},
	} {
		t.Run(fmt.Sprint(tc.name, " ", tc.unit, " ", tc.value), func(t *testing.T) {
			r := crossResults(t)
			r[tc.name][tc.unit] = []float64{tc.value}
			var missed []string
			for _, g := range (&document{}).crossGoals(r) {
				if !g.reached {
					missed = append(missed, g.what)
				}
			}
			require.Equal(t, tc.missed, missed)
		})
	}
}

// TestCrossNeedsEveryRow: a page with a hole is an error, not a page with zeros.
func TestCrossNeedsEveryRow(t *testing.T) {
	for _, name := range crossResults(t).names() {
		missing := crossResults(t)
		missing[name] = map[string][]float64{}
		require.Error(t, crossing(&bytes.Buffer{}, about{}, missing), name)
	}
}

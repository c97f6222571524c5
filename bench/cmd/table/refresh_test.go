package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// refreshResults has every row of the page, each just within its limit.
func refreshResults(t *testing.T) results {
	r := results{}
	row := func(name string, ns, allocs float64, further ...string) {
		line := fmt.Sprintf("Benchmark%s-2 100 %v ns/op 640 B/op %v allocs/op", name, ns, allocs)
		for _, f := range further {
			line += " " + f
		}
		require.NoError(t, r.add(line+"\n"))
	}
	for _, x := range rotations {
		row("Rotate/"+x.slug, 3000, 12)
	}
	for _, fw := range frameworks {
		for _, op := range issuing {
			row("Endpoint/"+fw.slug+"/bare/"+op.slug, 1000, 5)
			row("Endpoint/"+fw.slug+"/sallyport/"+op.slug, 8000, 40)
		}
	}
	row("Remote/evalsha", 20_000, 10, "1 commands/op")
	for _, x := range []string{"refresh", "sight", "check"} {
		row("Remote/"+x, 40_000, 50, "1 commands/op")
	}
	for _, x := range worthless {
		row("Refused/"+x.slug, 1000, 0, "0 store-calls/op")
	}
	for _, x := range lookups {
		row("Check/"+x.slug, 100, 0)
	}
	row("Check/cold", 400, 0)
	row("Check/cold-floor", 300, 0)
	row("Check/verify-alone", 500, 1)
	row("Check/verify-wired", 580, 1)
	row("Sight/first", 200, 0)
	row("Sight/again", 150, 0)
	for _, x := range kinds {
		row("Entries/"+x.slug, 1e9, 5e6, "100 heap-B/entry", "0.01 objects/entry", "3 gc-cpu-ms")
	}
	row("Families/memory", 1e9, 5e6, "310 heap-B/family", "0.01 objects/family", "4 gc-cpu-ms")
	row("Families/redis", 1e9, 5e6, "520 redis-B/family", "450 usage-B/family")
	return r
}

func TestRefreshGoals(t *testing.T) {
	var page bytes.Buffer
	require.NoError(t, refreshing(&page, about{}, refreshResults(t)))
	require.NotContains(t, page.String(), "| **no** |")
	require.Contains(t, page.String(), "| a rotation on memstore, the access token not signed | ≤ 3 µs | 3000 ns | yes |\n")
	require.Contains(t, page.String(), "| Gin | ES256 | 1000 ns | 8000 ns | 7000 ns | 5 | 40 | 640 | 0 % |\n")
	require.Contains(t, page.String(), "| *raw EVALSHA* | 20.0 µs |  | 1 | 10 | 640 | 0 % |\n")
	require.Contains(t, page.String(), "the access token not signed | 40.0 µs | 2.00 | 1 | 50 | 640 | 0 % |\n")
	require.Contains(t, page.String(), "| a refresh family | 310 | 0.01 | 4 ms |\n")

	for _, tc := range []struct {
		name, unit string
		value      float64
		missed     []string // what the goals are about
	}{
		{"Rotate/unsigned", "ns/op", 3001, []string{"a rotation on memstore, the access token not signed"}},
		{"Rotate/unsigned", "allocs/op", 13, []string{"its allocations"}},
		{"Rotate/ES256", "ns/op", 90_000, nil},
		{"Remote/refresh", "commands/op", 2, []string{"commands to Redis for a refresh"}},
		{"Remote/refresh", "commands/op", 0, []string{"commands to Redis for a refresh"}},
		{"Refused/forged", "ns/op", 1001, []string{"refusing a token, forged: a wrong MAC"}},
		{"Refused/truncated", "ns/op", 1001, []string{"refusing a token, truncated"}},
		{"Refused/truncated", "store-calls/op", 0.5, []string{"its store calls"}},
		{"Refused/1MB", "ns/op", 1001, nil},
		{"Check/nothing", "ns/op", 101, []string{"revocation check of a request: nothing is revoked"}},
		{"Check/million", "ns/op", 101, []string{"revocation check of a request: 1,000,000 subjects were logged out; 1024 of them ask"}},
		{"Check/denial", "allocs/op", 1, []string{"most allocations of any of these checks"}},
		{"Check/cold", "allocs/op", 1, []string{"most allocations of any of these checks"}},
		{"Check/cold", "ns/op", 401, []string{"the same for 100,000 of a million, in an order that no cache foresees"}},
		{"Entries/voids", "heap-B/entry", 101, []string{"one of 1,000,000 entries of the registry: a lost answer whose access token is void"}},
		{"Families/memory", "heap-B/family", 1000, nil},
	} {
		t.Run(fmt.Sprint(tc.name, " ", tc.unit, " ", tc.value), func(t *testing.T) {
			r := refreshResults(t)
			r[tc.name][tc.unit] = []float64{tc.value}
			var missed []string
			for _, g := range (&document{}).refreshGoals(r) {
				if !g.reached {
					missed = append(missed, g.what)
				}
			}
			require.Equal(t, tc.missed, missed)

			var page bytes.Buffer
			require.NoError(t, refreshing(&page, about{}, r))
			require.Equal(t, len(missed), bytes.Count(page.Bytes(), []byte("| **no** |")))
		})
	}
}

// TestRefreshNeedsEveryRow: a page with a hole is an error, not a page with zeros.
func TestRefreshNeedsEveryRow(t *testing.T) {
	for _, name := range refreshResults(t).names() {
		missing := refreshResults(t)
		missing[name] = map[string][]float64{}
		require.Error(t, refreshing(&bytes.Buffer{}, about{}, missing), name)
	}
}

// TestHowLong: what fills a heap runs once, in few rounds.
func TestHowLong(t *testing.T) {
	for _, tc := range []struct {
		name, duration string
		rounds         int
	}{
		{"Rotate/unsigned", "250ms", 1000},
		{"Entries/voids", "1x", 2},
		{"Families/memory", "1x", 2},
		{"Families/redis", "1x", 1},
		{"Check/million", "250ms", 1000},
	} {
		require.Equal(t, tc.duration, duration(tc.name), tc.name)
		require.Equal(t, tc.rounds, limit(tc.name), tc.name)
	}
}

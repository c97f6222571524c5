package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResults(t *testing.T) {
	r := results{}
	require.NoError(t, r.add("goos: linux\ncpu: a b c d\n"+
		"BenchmarkMemory/gin/gin-contrib-cookie/read-2   100   30 ns/op   7 B/op\n"+
		"BenchmarkMemory/gin/gin-contrib-cookie/read-2   100   10 ns/op   7 B/op\n"+
		"BenchmarkMemory/gin/gin-contrib-cookie/read-2   100   80 ns/op   7 B/op\nPASS\n"))
	require.Equal(t, []string{"Memory/gin/gin-contrib-cookie/read"}, r.names())

	name := r.names()[0]
	mid, ok := r.median(name, "ns/op")
	require.True(t, ok)
	require.Equal(t, 30.0, mid)
	require.InDelta(t, 70.0/30, r.spread(name, "ns/op"), 1e-9)

	require.NoError(t, r.add("BenchmarkMemory/gin/gin-contrib-cookie/read-2 100 20 ns/op 7 B/op\n"))
	mid, _ = r.median(name, "ns/op")
	require.Equal(t, 25.0, mid)

	_, ok = r.median(name, "commands/op")
	require.False(t, ok)
	require.Error(t, r.add("BenchmarkX-2 100 fast ns/op 7 B/op\n"))
}

func TestAbove(t *testing.T) {
	r := results{}
	require.NoError(t, r.add("BenchmarkMemory/gin/bare/read-2 100 500 ns/op 1 B/op\n"+
		"BenchmarkMemory/gin/sallyport/read-2 100 1500 ns/op 1 B/op\n"+
		"BenchmarkMemory/gin/scs/read-2 100 20500 ns/op 1 B/op\n"+
		"BenchmarkMemory/gin/slow/read-2 100 30500 ns/op 1 B/op\n"))
	tb := table{results: r, group: "Memory", framework: "gin"}
	require.Equal(t, []string{"bare", "sallyport", "scs", "slow"}, tb.libraries())
	above, err := tb.above("scs", "read")
	require.NoError(t, err)
	require.Equal(t, 20000.0, above)
	peer, times, err := tb.fastest("read")
	require.NoError(t, err)
	require.Equal(t, "scs", peer)
	require.Equal(t, 20.0, times)
}

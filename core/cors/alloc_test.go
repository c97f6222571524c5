package cors_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/cors"
)

// borrow makes a string of bytes that will change, as fasthttp does.
func borrow(b []byte) string { return unsafe.String(&b[0], len(b)) }

// hosts are n origins.
func hosts(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = "https://app" + strconv.Itoa(i) + ".example.com"
	}
	return all
}

type load struct {
	desc   string
	cfg    cors.Config
	r      cors.Request
	allocs float64
}

// loads are what Decide is measured with.
var loads = func() []load {
	full := func(n int) cors.Config {
		return cors.Config{Origins: hosts(n), Credentials: true, Methods: []string{"PUT", "DELETE", "PATCH"},
			RequestHeaders: []string{"Content-Type", "X-CSRF-Token", "Authorization"}, ResponseHeaders: []string{"ETag"}, MaxAge: 600e9}
	}
	first := hosts(1)[0]
	hostile := func(header string) cors.Request { return preflight(first, "GET", header) }
	names := make([]string, 10_000)
	for i := range names {
		names[i] = "x-" + strconv.Itoa(10_000+i)
	}
	const kb64 = 64 << 10
	return []load{
		{"actual of 1", full(1), simple(first), 0},
		{"actual of 1000", full(1000), simple(first), 0},
		{"refused of 1", full(1), simple("https://evil.example.com"), 0},
		{"refused of 1000", full(1000), simple("https://evil.example.com"), 0},
		{"no origin", full(1), simple(), 0},
		{"preflight of 1", full(1), preflight(first, "PUT", "content-type,x-csrf-token"), 0},
		{"preflight of 1000", full(1000), preflight(first, "PUT", "content-type,x-csrf-token"), 0},
		{"pattern", cors.Config{Patterns: []string{"https://*.example.com"}}, simple(first), 1},
		{"pattern refused", cors.Config{Patterns: []string{"https://*.example.com"}}, simple("https://app.example.org"), 0},
		{"any", public, preflight(first, "PUT", "content-type,x-csrf-token"), 0},
		{"hostile 64 KB of commas", full(1), hostile(strings.Repeat(",", kb64)), 0},
		{"hostile 64 KB of a name", full(1), hostile(strings.Repeat("a", kb64)), 0},
		{"hostile 64 KB of names", full(1), hostile(strings.Join(names, ",")[:kb64]), 0},
		{"hostile 64 KB of lines", full(1), preflight(first, "PUT", make([]string, kb64/16)...), 0},
		{"hostile 64 KB of commas to *", public, hostile(strings.Repeat(",", kb64)), 0},
		{"hostile 4 KB of names to *", public, hostile(strings.Join(names, ",")[:4096]), 0},
		{"hostile 4 KB of names to * and authorization", named, hostile(strings.Join(names, ",")[:4096]), 0},
		{"hostile 1 MB of origin", full(1000), simple("https://" + strings.Repeat("a", 1<<20)), 0},
		{"hostile 1 MB against patterns", cors.Config{Patterns: []string{"https://*.example.com"}}, simple("https://" + strings.Repeat("a", 1<<20)), 0},
		{"hostile 1 MB of method", full(1), preflight(first, strings.Repeat("P", 1<<20)), 0},
	}
}()

func TestAllocations(t *testing.T) {
	for _, l := range loads {
		t.Run(l.desc, func(t *testing.T) {
			p := policy(t, l.cfg)
			require.Equal(t, l.allocs, testing.AllocsPerRun(100, func() {
				a := p.Decide(l.r)
				sink = len(a.Headers())
			}))
		})
	}
}

// TestLongValuesAreNotRead: what is longer than anything that is allowed costs no more than
// a short one.
// The limit is a fraction of what reading it takes, and thousands of times what is needed.
func TestLongValuesAreNotRead(t *testing.T) {
	const size, limit = 32 << 20, 300 * time.Microsecond
	cfg := cors.Config{Origins: hosts(1000), Patterns: []string{"https://*.example.com"}, RequestHeaders: []string{"x-a"}}
	for i := range 1000 {
		cfg.Methods = append(cfg.Methods, "M"+strconv.Itoa(i))
	}
	p, long := policy(t, cfg), strings.Repeat("a", size)
	for desc, r := range map[string]cors.Request{
		"origin":         simple(long),
		"label":          simple("https://" + long),
		"method":         preflight(cfg.Origins[0], long),
		"header":         preflight(cfg.Origins[0], "GET", long),
		"empty elements": preflight(cfg.Origins[0], "GET", strings.Repeat(",", size)),
	} {
		t.Run(desc, func(t *testing.T) {
			fastest := time.Hour
			for range 20 {
				began := time.Now()
				require.NotEmpty(t, p.Decide(r).Cause)
				fastest = min(fastest, time.Since(began))
			}
			require.Less(t, fastest, limit)
		})
	}
}

var sink int

func BenchmarkDecide(b *testing.B) {
	for _, l := range loads {
		b.Run(l.desc, func(b *testing.B) {
			p := policy(b, l.cfg)
			b.ReportAllocs()
			for b.Loop() {
				a := p.Decide(l.r)
				sink = len(a.Headers())
			}
		})
	}
}

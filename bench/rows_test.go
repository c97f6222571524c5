package bench

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// goroutines is how many use Redis at a time, population how many sessions they
// and the parallel reads use.
const (
	goroutines = 32
	population = 1024
)

// An operation is one request and what it must have done. A benchmark of a refusal
// would be fast and worth nothing, so every answer is looked at.
type operation struct {
	name, method, path string
	cookie             bool   // sends the cookie of a session
	body               string // of the answer
	stores             bool
}

var (
	read   = operation{name: "read", method: http.MethodGet, path: readPath, cookie: true, body: loginName}
	write  = operation{name: "write", method: http.MethodPost, path: writePath, cookie: true, body: done, stores: true}
	create = operation{name: "create", method: http.MethodPost, path: createPath, body: done, stores: true}

	operations = []operation{read, write, create}
)

func (o operation) caller(a *app, cookie string) caller {
	if !o.cookie {
		cookie = ""
	}
	return a.caller(o.method, o.path, cookie)
}

// verify sends the request of c and looks at its effect, not only at the answer.
func (o operation) verify(a *app, c caller, cookie string, bare bool) error {
	before := stamps.Load()
	c.call()
	if err := c.answered(o.body); err != nil || bare {
		return err
	}
	want := loginName
	if o.stores {
		want = fmt.Sprint(1_000_000_000_000 + before + 1)
	}
	if sent, err := cookieHeader(c.setCookies()); err == nil {
		cookie = sent
	} else if !o.cookie {
		return err
	}
	return a.stored(cookie, want)
}

// prepare makes n sessions, each of another user.
func prepare(tb testing.TB, a *app, bare bool, n int) []string {
	return prepareNamed(tb, a, bare, n, loginName)
}

func prepareNamed(tb testing.TB, a *app, bare bool, n int, name string) []string {
	cookies := make([]string, n)
	for i := range cookies {
		if bare {
			cookies[i] = fmt.Sprintf("session=%048d", i)
			continue
		}
		cookie, err := a.login(i, name)
		require.NoError(tb, err)
		cookies[i] = cookie
	}
	return cookies
}

// TestRows runs every row once, so that none of them measures something else than
// it says.
func TestRows(t *testing.T) {
	for _, store := range []struct {
		name string
		rows []framework
	}{{"memory", memoryRows}, {"redis", redisRows}} {
		for _, fw := range store.rows {
			for _, lib := range fw.libraries {
				t.Run(store.name+"/"+fw.name+"/"+lib.name, func(t *testing.T) {
					bare := lib.name == "bare"
					a := lib.app(t)
					for _, op := range operations {
						cookie := prepare(t, a, bare, 1)[0]
						require.NoError(t, op.verify(a, op.caller(a, cookie), cookie, bare), op.name)
						if !bare {
							require.Error(t, a.stored("", loginName), "the name is read without a session")
						}
					}
				})
			}
		}
	}
}

// TestPayload holds the size by which every library is compared.
func TestPayload(t *testing.T) {
	_, encoded := scsRecord(t, 0)
	require.Len(t, encoded, scsBytes)
}

func BenchmarkMemory(b *testing.B) {
	each(b, memoryRows, func(b *testing.B, lib library, bare bool) {
		for _, op := range operations {
			b.Run(op.name, func(b *testing.B) {
				a := lib.app(b)
				cookie := prepare(b, a, bare, 1)[0]
				c := op.caller(a, cookie)
				require.NoError(b, op.verify(a, c, cookie, bare))
				runtime.GC()
				b.ReportAllocs()
				for b.Loop() {
					c.call()
					if err := c.answered(op.body); err != nil {
						b.Fatal(err)
					}
				}
				require.NoError(b, op.verify(a, c, cookie, bare))
			})
		}
		b.Run("parallel", func(b *testing.B) { parallel(b, lib.app(b), read, bare, runtime.GOMAXPROCS(0)) })
	})
}

func BenchmarkRedis(b *testing.B) {
	each(b, redisRows, func(b *testing.B, lib library, bare bool) {
		for _, op := range operations {
			b.Run(op.name, func(b *testing.B) {
				a := lib.app(b)
				parallel(b, a, op, bare, crowd(b))
				if !bare {
					b.ReportMetric(commands(b, a, op), "commands/op")
				}
			})
		}
	})
}

func each(b *testing.B, rows []framework, f func(b *testing.B, lib library, bare bool)) {
	for _, fw := range rows {
		for _, lib := range fw.libraries {
			b.Run(fw.name+"/"+lib.name, func(b *testing.B) { f(b, lib, lib.name == "bare") })
		}
	}
}

// crowd makes RunParallel start the smallest multiple of GOMAXPROCS that is no
// less than goroutines, and returns it.
func crowd(b *testing.B) int {
	procs := runtime.GOMAXPROCS(0)
	p := (goroutines + procs - 1) / procs
	b.SetParallelism(p)
	return p * procs
}

// parallel spreads the sessions over the goroutines, of which there are n: no two
// of them write to the same one.
func parallel(b *testing.B, a *app, op operation, bare bool, n int) {
	cookies := prepare(b, a, bare, population)
	require.NoError(b, op.verify(a, op.caller(a, cookies[0]), cookies[0], bare))

	callers := make([][]caller, n)
	for i, cookie := range cookies {
		callers[i%n] = append(callers[i%n], op.caller(a, cookie))
	}
	var next atomic.Int64
	var mu sync.Mutex
	var failed error
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		mine := callers[next.Add(1)-1]
		for i := 0; pb.Next(); i++ {
			c := mine[i%len(mine)]
			c.call()
			if err := c.answered(op.body); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
				return
			}
		}
	})
	b.StopTimer()
	require.NoError(b, failed)
	require.NoError(b, op.verify(a, op.caller(a, cookies[0]), cookies[0], bare))
}

// BenchmarkFlat reads one of many sessions, each time another. What the machine
// charges for a larger memory is part of it. The cookie is copied first, by the
// floor too: in a server it has just arrived and is in the cache.
func BenchmarkFlat(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		for _, lib := range memoryRows[0].libraries[:2] {
			b.Run(fmt.Sprintf("%d/%s", size, lib.name), func(b *testing.B) {
				n := size
				if testing.Short() {
					n = 1_000
				}
				bare := lib.name == "bare"
				a := lib.app(b)
				cookies := prepare(b, a, bare, n)
				// A step that shares no factor with n visits all of them, in an
				// order that no cache foresees.
				step, at := 7_919, 0
				c := a.caller(read.method, read.path, "x=y")
				runtime.GC()
				b.ReportAllocs()
				for b.Loop() {
					at = (at + step) % n
					c.carry(strings.Clone(cookies[at]))
					c.call()
					if err := c.answered(read.body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

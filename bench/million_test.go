package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	fibersession "github.com/gofiber/fiber/v2/middleware/session"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/session"
)

// BenchmarkMillion fills each store that keeps sessions in this process, and
// reports what a session takes of the heap and what one garbage collection takes
// of the CPU. Run it with -benchtime 1x.
func BenchmarkMillion(b *testing.B) {
	for _, row := range []struct {
		name string
		// fill stores n sessions and returns what must stay reachable, and a check
		// that session i is there.
		fill func(b *testing.B, n int) (keep any, check func(i int) error)
	}{
		{"map", fillMap},
		{"sallyport", fillSallyport},
		{"scs", fillSCS},
		{"fiber-session", fillFiber},
	} {
		b.Run(row.name, func(b *testing.B) {
			n := 1_000_000
			if testing.Short() {
				n = 1_000
			}
			for range b.N {
				before := heap()
				keep, check := row.fill(b, n)
				after := heap()
				cpu := collection()
				for _, i := range []int{0, n / 2, n - 1} {
					require.NoError(b, check(i))
				}
				runtime.KeepAlive(keep)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/session")
				b.ReportMetric(float64(after.HeapObjects-before.HeapObjects)/float64(n), "objects/session")
				b.ReportMetric(float64(cpu.Microseconds())/1e3, "gc-cpu-ms")
			}
		})
	}
}

func heap() (m runtime.MemStats) {
	runtime.GC()
	runtime.GC() // the second waits for what finalizers and pools had kept
	runtime.ReadMemStats(&m)
	return m
}

// collection returns the median CPU time of this process during one forced
// collection, all of its threads together.
func collection() time.Duration {
	var took []time.Duration
	for range 5 {
		before := cpuTime()
		runtime.GC()
		took = append(took, cpuTime()-before)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fillMap is the least: a token, a value, nothing that ends a session.
func fillMap(_ *testing.B, n int) (any, func(int) error) {
	m := make(map[string][]byte)
	for i := range n {
		m[fmt.Sprintf("%043d", i)] = make([]byte, scsBytes)
	}
	return m, func(i int) error { return found(len(m[fmt.Sprintf("%043d", i)]) == scsBytes) }
}

func found(ok bool) error {
	if !ok {
		return fmt.Errorf("the session is not in the store")
	}
	return nil
}

func fillSallyport(b *testing.B, n int) (any, func(int) error) {
	m := memoryManager(b)
	some := map[int]string{0: "", n / 2: "", n - 1: ""}
	for i := range n {
		var s session.Session
		m.Begin(&s, b.Context(), session.Request{})
		require.NoError(b, login(b.Context(), &s, user(i), loginName))
		out := s.Finish()
		require.NoError(b, out.Err)
		if _, ok := some[i]; ok {
			cookie, err := cookieHeader(out.SetCookie)
			require.NoError(b, err)
			some[i] = cookie
		}
	}
	return m, func(i int) error {
		var s session.Session
		m.Begin(&s, b.Context(), session.Request{Cookies: []string{some[i]}})
		p, err := s.Principal()
		if err != nil {
			return err
		}
		name, err := get(&s)
		if err != nil {
			return err
		}
		return found(p.Subject == user(i) && name == loginName)
	}
}

// scsRecord is what scs stores for user i, as scs makes it.
func scsRecord(tb testing.TB, i int) (token string, encoded []byte) {
	m := scs.New()
	store := memstore.NewWithCleanupInterval(0)
	m.Store = store
	token = scsCommit(tb, m, i)
	encoded, ok, err := store.Find(token)
	require.NoError(tb, err)
	require.True(tb, ok)
	return token, encoded
}

func scsCommit(tb testing.TB, m *scs.SessionManager, i int) (token string) {
	ctx, err := m.Load(context.Background(), "")
	require.NoError(tb, err)
	require.NoError(tb, scsLogin(ctx, m, user(i), loginName))
	token, _, err = m.Commit(ctx)
	require.NoError(tb, err)
	return token
}

func fillSCS(b *testing.B, n int) (any, func(int) error) {
	m := scs.New()
	store := memstore.NewWithCleanupInterval(0)
	m.Store = store
	some := map[int]string{0: "", n / 2: "", n - 1: ""}
	for i := range n {
		token := scsCommit(b, m, i)
		if _, ok := some[i]; ok {
			some[i] = token
		}
	}
	return m, func(i int) error {
		_, ok, err := store.Find(some[i])
		if err != nil {
			return err
		}
		return found(ok)
	}
}

// fillFiber makes one session by a request and stores it under other ids: the
// storage copies each value to its size, as it does with what a request saves.
func fillFiber(b *testing.B, n int) (any, func(int) error) {
	store := fibersession.New()
	a := fiberOwn(store)
	c := a.caller(http.MethodPost, loginPath+"?user="+user(0)+"&name="+url.QueryEscape(loginName), "")
	c.call()
	require.NoError(b, c.answered(done))
	cookie, err := cookieHeader(c.setCookies())
	require.NoError(b, err)
	value, err := store.Storage.Get(cookie[len("session_id="):])
	require.NoError(b, err)
	require.NotEmpty(b, value)
	id := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	for i := range n {
		require.NoError(b, store.Storage.Set(id(i), value, time.Hour))
	}
	return store, func(i int) error { return a.stored("session_id="+id(i), loginName) }
}

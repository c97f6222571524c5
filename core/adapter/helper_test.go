package adapter_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/adapter"
	"github.com/sallyport-go/sallyport/core/cookie"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/session"
)

var (
	note    = session.NewKey[string]("note")
	errDown = errors.New("store is down")
)

// faulty is a memstore that can be switched off, for reads and writes apart.
type faulty struct {
	*memstore.Store
	noLoad, noWrite atomic.Bool
	calls           atomic.Int32
}

func newFaulty() *faulty { return &faulty{Store: memstore.Default()} }

func (f *faulty) ask(off *atomic.Bool) error {
	f.calls.Add(1)
	if off.Load() {
		return errDown
	}
	return nil
}

func (f *faulty) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if err := f.ask(&f.noLoad); err != nil {
		return err
	}
	return f.Store.Load(ctx, keys, out)
}

func (f *faulty) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	if err := f.ask(&f.noWrite); err != nil {
		return 0, nil, err
	}
	return f.Store.Create(ctx, key, e, a)
}

func (f *faulty) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if err := f.ask(&f.noWrite); err != nil {
		return session.Entry{}, err
	}
	return f.Store.Swap(ctx, key, version, next)
}

// clock is a time that a test moves by hand. It begins now, because the store goes
// by its own.
type clock struct{ us atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.us.Store(time.Now().UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.us.Load()) }
func (c *clock) forward(d time.Duration) { c.us.Add(d.Microseconds()) }

func newManager(t testing.TB, store session.Store) *session.Manager {
	t.Helper()
	return managerWith(t, store, session.Config{})
}

func managerWith(t testing.TB, store session.Store, cfg session.Config) *session.Manager {
	t.Helper()
	m, err := session.New(store, cfg)
	require.NoError(t, err)
	return m
}

func insecure() session.Config {
	return session.Config{Cookie: cookie.Config{InsecureHTTP: true}}
}

// gate is the smallest adapter on adapter.HTTP.
type gate struct {
	adapter.HTTP
	w      http.ResponseWriter
	r      *http.Request
	denied []*adapter.Denied
}

// Deny implements adapter.Denier.
func (g *gate) Deny(d *adapter.Denied) {
	g.denied = append(g.denied, d)
	g.answer(d)
}

func (g *gate) answer(d *adapter.Denied) {
	d.SetHeaders(g.Exchange())
	g.Header().Set("Content-Type", "application/json")
	g.WriteHeader(d.Status)
	_, _ = g.Write(d.Body())
}

// mount runs handler behind m. After the handler it hands the gate to done.
func mount(m *session.Manager, done func(*gate), handler func(g *gate, s *session.Session)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &gate{w: w, r: r}
		g.Init(w, r, nil, netip.Addr{}, g)
		if d := g.Begin(m); d != nil {
			g.answer(d)
			return
		}
		g.r = r.WithContext(g)
		panicked := true
		defer func() {
			if panicked {
				g.Abandon()
			}
		}()
		handler(g, session.FromContext(g.r.Context()))
		panicked = false
		if d := g.End(); d != nil {
			g.answer(d)
		}
		if done != nil {
			done(g)
		}
	})
}

func record(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func get(lines ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func login(t testing.TB, s *session.Session, id session.Identity) {
	t.Helper()
	require.NoError(t, s.Login(t.Context(), id))
}

// loggedIn logs id in and returns the Cookie line of its session.
func loggedIn(t testing.TB, m *session.Manager, id session.Identity) string {
	t.Helper()
	res := record(mount(m, nil, func(_ *gate, s *session.Session) { login(t, s, id) }), get())
	require.Len(t, res.Cookies(), 1)
	return "Cookie: " + res.Cookies()[0].Name + "=" + res.Cookies()[0].Value
}

// contextOf is what a handler has for the request r.
func contextOf(t testing.TB, m *session.Manager, r *http.Request) context.Context {
	t.Helper()
	g := &gate{w: httptest.NewRecorder(), r: r}
	g.Init(g.w, r, nil, netip.Addr{}, g)
	require.Nil(t, g.Begin(m))
	return g
}

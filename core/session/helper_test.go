package session_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

const name = "__Host-session"

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

var secret = []byte(strings.Repeat("s", 32))

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// spy is a store that blocks (it is no session.Local), counts its calls, can be
// made to fail, and can let something else happen right before a call.
type spy struct {
	inner *memstore.Store

	mu     sync.Mutex
	calls  map[string]int
	before map[string]func()
	fails  map[string]error
	keys   map[session.StoreKey]bool
	values []string
	ctxs   []context.Context
	admits []session.Admission
	untils []time.Time
}

func newSpy(inner *memstore.Store) *spy {
	return &spy{
		inner: inner, calls: map[string]int{}, before: map[string]func(){}, fails: map[string]error{},
		keys: map[session.StoreKey]bool{},
	}
}

// enter notes a call and returns how it is to fail. A hook runs once, without the
// lock, so that it may use the store.
func (s *spy) enter(ctx context.Context, op string, e *session.Entry, keys ...session.StoreKey) error {
	s.mu.Lock()
	s.calls[op]++
	s.ctxs = append(s.ctxs, ctx)
	for _, k := range keys {
		s.keys[k] = true
	}
	if e != nil {
		s.values = append(s.values, e.Value)
	}
	hook := s.before[op]
	delete(s.before, op)
	err := s.fails[op]
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (s *spy) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if err := s.enter(ctx, "load", nil, keys...); err != nil {
		return err
	}
	return s.inner.Load(ctx, keys, out)
}

func (s *spy) Create(ctx context.Context, k session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	if err := s.enter(ctx, "create", &e, k); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	s.admits = append(s.admits, a)
	s.mu.Unlock()
	return s.inner.Create(ctx, k, e, a)
}

func (s *spy) Swap(ctx context.Context, k session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	if err := s.enter(ctx, "swap", &next, k); err != nil {
		return session.Entry{}, err
	}
	return s.inner.Swap(ctx, k, version, next)
}

func (s *spy) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	if err := s.enter(ctx, "rename", &next, old, to); err != nil {
		return session.Entry{}, err
	}
	if left != nil {
		s.mu.Lock()
		s.values = append(s.values, left.Value)
		s.mu.Unlock()
	}
	return s.inner.Rename(ctx, old, version, to, next, left)
}

func (s *spy) Take(ctx context.Context, k session.StoreKey) (session.Entry, error) {
	if err := s.enter(ctx, "take", nil, k); err != nil {
		return session.Entry{}, err
	}
	return s.inner.Take(ctx, k)
}

func (s *spy) List(ctx context.Context, o revocation.Owner) ([]session.Keyed, error) {
	if err := s.enter(ctx, "list", nil); err != nil {
		return nil, err
	}
	return s.inner.List(ctx, o)
}

func (s *spy) EndOne(ctx context.Context, o revocation.Owner, h revocation.Handle, until time.Time) (session.Keyed, error) {
	if err := s.enter(ctx, "end one", nil); err != nil {
		return session.Keyed{}, err
	}
	s.remember(until)
	return s.inner.EndOne(ctx, o, h, until)
}

func (s *spy) EndOthers(ctx context.Context, o revocation.Owner, keep revocation.Handle, until time.Time) (uint64, []session.Keyed, error) {
	if err := s.enter(ctx, "end others", nil); err != nil {
		return 0, nil, err
	}
	s.remember(until)
	return s.inner.EndOthers(ctx, o, keep, until)
}

func (s *spy) EndAll(ctx context.Context, o revocation.Owner, until time.Time) ([]session.Keyed, error) {
	if err := s.enter(ctx, "end all", nil); err != nil {
		return nil, err
	}
	s.remember(until)
	return s.inner.EndAll(ctx, o, until)
}

func (s *spy) Revoked(ctx context.Context, o revocation.Owner, a revocation.Asked) (revocation.Found, error) {
	if err := s.enter(ctx, "revoked", nil); err != nil {
		return revocation.Found{}, err
	}
	return s.inner.Revoked(ctx, o, a)
}

func (s *spy) RaiseEpoch(ctx context.Context, o revocation.Owner, until time.Time) (uint64, error) {
	if err := s.enter(ctx, "raise", nil); err != nil {
		return 0, err
	}
	return s.inner.RaiseEpoch(ctx, o, until)
}

func (s *spy) RestoreEpoch(ctx context.Context, o revocation.Owner, epoch uint64, until time.Time) error {
	if err := s.enter(ctx, "restore", nil); err != nil {
		return err
	}
	s.remember(until)
	return s.inner.RestoreEpoch(ctx, o, epoch, until)
}

func (s *spy) Deny(ctx context.Context, o revocation.Owner, h revocation.Handle, until time.Time) error {
	if err := s.enter(ctx, "deny", nil); err != nil {
		return err
	}
	return s.inner.Deny(ctx, o, h, until)
}

// remember keeps until when something that revokes is to be remembered.
func (s *spy) remember(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.untils = append(s.untils, until)
}

func (s *spy) Report(f func(session.StoreKey, session.Entry, session.Ending)) { s.inner.Report(f) }

// fail makes the operations fail until heal.
func (s *spy) fail(err error, ops ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		s.fails[op] = err
	}
}

func (s *spy) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.fails)
}

// next runs f right before the next call of op.
func (s *spy) next(op string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before[op] = f
}

var everyOp = []string{"load", "create", "swap", "rename", "take", "list", "end one", "end others", "end all", "revoked", "raise", "restore", "deny"}

// count returns the calls since the last count, without those that are zero.
func (s *spy) count() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = map[string]int{}
	return calls
}

// sink keeps events.
type sink struct {
	mu     sync.Mutex
	events []audit.Event
}

func (s *sink) Record(_ context.Context, e audit.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
}

// drain returns the events since the last drain as "name cause" or "name".
func (s *sink) drain() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, e := range s.events {
		names = append(names, strings.TrimSpace(string(e.Name)+" "+string(e.Cause)))
	}
	s.events = nil
	return names
}

// env is a manager with everything around it in reach.
type env struct {
	t     *testing.T
	clock *clock
	mem   *memstore.Store
	store *spy
	audit *sink
	m     *session.Manager
}

func newEnv(t *testing.T, change ...func(*session.Config)) *env {
	t.Helper()
	e := &env{t: t, clock: newClock(), audit: &sink{}}
	var err error
	e.mem, err = memstore.New(memstore.Config{Now: e.clock.now})
	require.NoError(t, err)
	e.store = newSpy(e.mem)
	cfg := session.Config{Now: e.clock.now, Audit: e.audit, Secret: secret}
	for _, f := range change {
		f(&cfg)
	}
	e.m, err = session.New(e.store, cfg)
	require.NoError(t, err)
	return e
}

// begin is a request that presents these cookie values.
func (e *env) begin(values ...string) *session.Session {
	e.t.Helper()
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, name+"="+v)
	}
	return e.beginLines(strings.Join(pairs, "; "))
}

func (e *env) beginLines(lines ...string) *session.Session {
	e.t.Helper()
	return e.beginAs(client{agent: "agent"}, lines...)
}

// client is what a request shows of who sends it, beside its cookies.
type client struct{ agent, ip string }

func (e *env) beginAs(c client, lines ...string) *session.Session {
	e.t.Helper()
	r := session.Request{Cookies: lines, UserAgent: c.agent}
	if c.ip != "" {
		r.ClientIP = netip.MustParseAddr(c.ip)
	}
	s := &session.Session{}
	e.m.Begin(s, e.t.Context(), r)
	return s
}

// from is a request of c that presents value.
func (e *env) from(c client, value string) *session.Session {
	e.t.Helper()
	return e.beginAs(c, name+"="+value)
}

// finish ends a request that must end well, and returns its Set-Cookie lines.
func (e *env) finish(s *session.Session) []string {
	e.t.Helper()
	out := s.Finish()
	require.NoError(e.t, out.Err)
	return out.SetCookie
}

// value ends a request that must hand out a credential, and returns that.
func (e *env) value(s *session.Session) string {
	e.t.Helper()
	lines := e.finish(s)
	require.Len(e.t, lines, 1)
	c, err := http.ParseSetCookie(lines[0])
	require.NoError(e.t, err)
	require.Equal(e.t, name, c.Name)
	require.Positive(e.t, c.MaxAge)
	return c.Value
}

// silent ends a request that must hand out nothing.
func (e *env) silent(s *session.Session) {
	e.t.Helper()
	require.Empty(e.t, e.finish(s))
}

func deletion() string {
	return name + "=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
}

func variantDeletion() string {
	return name + "=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=None; Partitioned"
}

func setLine(value, seconds string) string {
	return name + "=" + value + "; Path=/; Max-Age=" + seconds + "; Secure; HttpOnly; SameSite=Lax"
}

func ann() session.Identity {
	return session.Identity{Subject: "ann", Roles: []string{"user"}, Method: "password"}
}

func bob() session.Identity { return session.Identity{Subject: "bob"} }

// login is a whole request that logs id in from nothing.
func (e *env) login(id session.Identity) string {
	e.t.Helper()
	s := e.begin()
	require.NoError(e.t, s.Login(e.t.Context(), id))
	return e.value(s)
}

// visit is a whole request that gives a visitor a session with some data.
func (e *env) visit() string {
	e.t.Helper()
	s := e.begin()
	require.NoError(e.t, cart.Set(s, "apple"))
	return e.value(s)
}

func (e *env) logout(value string) {
	e.t.Helper()
	s := e.begin(value)
	require.NoError(e.t, s.Logout(e.t.Context()))
	e.finish(s)
}

// handle names the session that value stands for.
func (e *env) handle(value string) string {
	e.t.Helper()
	info, err := e.live(value).Info()
	require.NoError(e.t, err)
	return info.Handle
}

// stored is what the store lists of a subject.
func (e *env) stored(subject string) []session.Keyed {
	e.t.Helper()
	list, err := e.mem.List(e.t.Context(), e.m.Revocations().Owner(subject))
	require.NoError(e.t, err)
	return list
}

// live returns a request whose session is loaded and live.
func (e *env) live(value string) *session.Session {
	e.t.Helper()
	s := e.begin(value)
	_, err := s.Info()
	require.NoError(e.t, err)
	return s
}

// quiet forgets what was counted and recorded so far.
func (e *env) quiet() {
	e.store.count()
	e.audit.drain()
}

var (
	cart   = session.NewKey[string]("cart")
	other  = session.NewKey[string]("other")
	hits   = session.NewCounter("hits")
	notice = session.NewFlash[string]("notice")
)

// subject asks who this is; empty for anonymous.
func (e *env) subject(s *session.Session) string {
	e.t.Helper()
	p, err := s.Principal()
	if err != nil {
		return ""
	}
	return p.Subject
}

// has asserts what a key reads as; empty for absent.
func (e *env) has(s *session.Session, k session.Key[string], want string) {
	e.t.Helper()
	got, ok, err := k.Get(s)
	require.NoError(e.t, err)
	require.Equal(e.t, want != "", ok)
	require.Equal(e.t, want, got)
}

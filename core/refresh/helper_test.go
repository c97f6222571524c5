package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

var (
	noon    = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	secretA = []byte(strings.Repeat("a", 32))
	secretB = []byte(strings.Repeat("b", 32))
	errDown = errors.New("connection refused")
)

const (
	audience = "https://api.example"
	grace    = 10 * time.Second // the default of a wired Rotator
)

// issued is what an issuer was asked to sign.
type issued struct {
	principal core.Principal
	client    string
	answer    revocation.Answer
	notAfter  time.Time
}

// issuer signs nothing and remembers everything.
type issuer struct {
	now      func() time.Time
	lifetime time.Duration
	err      error
	calls    []issued
}

func (i *issuer) IssueAnswer(_ context.Context, p core.Principal, client string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	i.calls = append(i.calls, issued{p, client, a, notAfter})
	if i.err != nil {
		return "garbage", noon, i.err
	}
	expires := i.now().Add(i.lifetime)
	if notAfter.Before(expires) {
		expires = notAfter
	}
	return fmt.Sprint("access ", len(i.calls)), expires, nil
}

func (i *issuer) Audience() string        { return audience }
func (i *issuer) Lifetime() time.Duration { return i.lifetime }

// last is what was signed last.
func (i *issuer) last() issued { return i.calls[len(i.calls)-1] }

// fault is what goes wrong in an operation of a store.
type fault int

const (
	none   fault = iota
	before       // it returns an error and has done nothing
	after        // it has done everything and returns an error
	lost         // the same, and the answer never comes
	forgot       // it answers, and has forgotten what it did (a failover)
)

// spy is a store that blocks (it is no Local), counts what it is asked, and fails as it
// is told.
type spy struct {
	refresh.Store
	now    func() time.Time
	faults map[string]fault
	err    error // what it fails with; errDown if nil
	calls  []string
	ctx    context.Context
	until  time.Time
}

func (s *spy) enter(ctx context.Context, op string) (fault, error) {
	s.calls, s.ctx = append(s.calls, op), ctx
	if ctx.Err() != nil {
		return before, ctx.Err()
	}
	err := s.err
	if err == nil {
		err = errDown
	}
	return s.faults[op], err
}

// leave ends an operation that was done.
func (s *spy) leave(ctx context.Context, f fault, err error) error {
	switch f {
	case after:
		return err
	case lost:
		<-ctx.Done()
		return ctx.Err()
	default:
		return nil
	}
}

func (s *spy) CreateFamily(ctx context.Context, f refresh.Family, limit int) (refresh.Family, []refresh.Family, error) {
	fault, err := s.enter(ctx, "create")
	if fault == before {
		return refresh.Family{}, nil, err
	}
	out, ended, e := s.Store.CreateFamily(ctx, f, limit)
	if err := s.leave(ctx, fault, err); err != nil {
		return refresh.Family{}, nil, err
	}
	return out, ended, e
}

func (s *spy) FindFamily(ctx context.Context, key refresh.Key) (refresh.Family, error) {
	fault, err := s.enter(ctx, "find")
	if fault == before {
		return refresh.Family{}, err
	}
	f, e := s.Store.FindFamily(ctx, key)
	if err := s.leave(ctx, fault, err); err != nil {
		return refresh.Family{}, err
	}
	return f, e
}

func (s *spy) Rotate(ctx context.Context, key refresh.Key, p *refresh.Presented) (refresh.Outcome, error) {
	fault, err := s.enter(ctx, "rotate")
	switch fault {
	case before:
		return refresh.Outcome{}, err
	case forgot:
		f, err := s.Store.FindFamily(ctx, key)
		v := f.Present(p, s.now().UnixMicro())
		return refresh.Outcome{Verdict: v, Family: f}, err
	}
	out, e := s.Store.Rotate(ctx, key, p)
	if err := s.leave(ctx, fault, err); err != nil {
		return refresh.Outcome{}, err
	}
	return out, e
}

func (s *spy) EndFamily(ctx context.Context, key refresh.Key, rules refresh.Rules) (refresh.Family, error) {
	fault, err := s.enter(ctx, "end")
	if fault == before {
		return refresh.Family{}, err
	}
	f, e := s.Store.EndFamily(ctx, key, rules)
	if err := s.leave(ctx, fault, err); err != nil {
		return refresh.Family{}, err
	}
	return f, e
}

func (s *spy) Families(ctx context.Context, owner revocation.Owner) ([]refresh.Family, error) {
	fault, err := s.enter(ctx, "list")
	if fault == before {
		return nil, err
	}
	all, e := s.Store.Families(ctx, owner)
	if err := s.leave(ctx, fault, err); err != nil {
		return nil, err
	}
	return all, e
}

func (s *spy) Deny(ctx context.Context, owner revocation.Owner, h revocation.Handle, until time.Time) error {
	fault, err := s.enter(ctx, "deny")
	if s.until = until; fault == before {
		return err
	}
	e := s.Store.Deny(ctx, owner, h, until)
	if err := s.leave(ctx, fault, err); err != nil {
		return err
	}
	return e
}

func (s *spy) Sight(ctx context.Context, owner revocation.Owner, h revocation.Handle, a revocation.Answer) error {
	if f, err := s.enter(ctx, "sight"); f == before {
		return err
	}
	return s.Store.Sight(ctx, owner, h, a)
}

// env is a Rotator on a store in memory, with a clock that the test holds.
type env struct {
	t        *testing.T
	at       time.Time
	store    *spy
	issuer   *issuer
	events   []audit.Event
	registry *revocation.Registry
	cfg      refresh.Config
	r        *refresh.Rotator
}

func (e *env) now() time.Time { return e.at }

func (e *env) sink() audit.Sink {
	return audit.SinkFunc(func(_ context.Context, ev audit.Event) { e.events = append(e.events, ev) })
}

func newEnv(t *testing.T, change ...func(*refresh.Config)) *env {
	t.Helper()
	e := &env{t: t, at: noon}
	mem, err := memstore.New(memstore.Config{Now: e.now})
	require.NoError(t, err)
	e.store = &spy{Store: mem, now: e.now, faults: map[string]fault{}}
	e.registry, err = revocation.New(e.store, revocation.Config{App: "shop", Secret: secretB, Now: e.now})
	require.NoError(t, err)
	e.issuer = &issuer{now: e.now, lifetime: 15 * time.Minute}
	e.cfg = refresh.Config{
		Issuer: e.issuer, Secrets: [][]byte{secretA}, Wired: []string{audience}, Audit: e.sink(), Now: e.now,
	}
	for _, c := range change {
		c(&e.cfg)
	}
	e.r = e.another(nil)
	return e
}

// another is another Rotator on the same store, as another node of a fleet has it.
func (e *env) another(change func(*refresh.Config)) *refresh.Rotator {
	e.t.Helper()
	cfg := e.cfg
	if change != nil {
		change(&cfg)
	}
	r, err := refresh.New(e.registry, cfg)
	require.NoError(e.t, err)
	return r
}

func unwired(c *refresh.Config) { c.Wired = nil }

// quiet forgets what happened so far.
func (e *env) quiet() { e.store.calls, e.events, e.issuer.calls = nil, nil, nil }

func (e *env) pass(d time.Duration) { e.at = e.at.Add(d) }

func ann() refresh.Identity {
	return refresh.Identity{Subject: "ann", Roles: []string{"admin"}, Scopes: []string{"read", "write"}, Method: "password", Device: "laptop"}
}

// here is where honest requests come from.
var here = refresh.From{ClientIP: netip.MustParseAddr("192.0.2.1"), UserAgent: "curl"}

// login begins a family of ann's and forgets that it happened.
func (e *env) login() refresh.Tokens {
	e.t.Helper()
	t, err := e.r.Login(e.t.Context(), ann(), here)
	require.NoError(e.t, err)
	return t
}

// refresh presents a token that is answered.
func (e *env) refresh(token string) refresh.Tokens {
	e.t.Helper()
	t, err := e.r.Refresh(e.t.Context(), token, nil, here)
	require.NoError(e.t, err)
	return t
}

// refused presents a token that is refused for the cause.
func (e *env) refused(token string, cause audit.Cause) {
	e.t.Helper()
	t, err := e.r.Refresh(e.t.Context(), token, nil, here)
	e.refusal(err, cause)
	require.Zero(e.t, t)
}

func (e *env) refusal(err error, cause audit.Cause) {
	e.t.Helper()
	require.ErrorIs(e.t, err, refresh.ErrInvalidGrant)
	require.NotErrorIs(e.t, err, core.ErrUnknown)
	var refusal *refresh.Refusal
	require.ErrorAs(e.t, err, &refusal)
	require.Equal(e.t, cause, refusal.Cause)
}

// credential is an access token, as a verifier that consults the registry knows it.
func (e *env) credential(i issued) *revocation.Credential {
	e.t.Helper()
	c, err := e.registry.Credential(revocation.Named{
		Subject: i.principal.Subject, Session: i.principal.Session, Epoch: i.principal.Epoch, Answer: i.answer,
	})
	require.NoError(e.t, err)
	return &c
}

// use shows an access token to a verifier for the first time.
func (e *env) use(i issued) error {
	e.t.Helper()
	if err := e.registry.Sight(e.t.Context(), e.credential(i)); err != nil {
		return err
	}
	return e.registry.Check(e.t.Context(), e.credential(i))
}

// told fails unless exactly these events were recorded, of ann's family.
func (e *env) told(handle string, want ...string) {
	e.t.Helper()
	var got []string
	for _, ev := range e.events {
		require.Equal(e.t, e.at, ev.Time)
		require.Equal(e.t, "shop", ev.App)
		require.Equal(e.t, handle, ev.Session, ev.Name)
		require.Equal(e.t, "ann", ev.Subject, ev.Name)
		require.Equal(e.t, here.ClientIP, ev.ClientIP)
		require.Equal(e.t, here.UserAgent, ev.UserAgent)
		got = append(got, strings.TrimSpace(string(ev.Name)+" "+string(ev.Cause)))
	}
	require.Equal(e.t, want, got)
	e.events = nil
}

// mistakes are the fields of the ConfigErrors that err joins.
func mistakes(err error) (fields []string) {
	if ce, ok := err.(*core.ConfigError); ok {
		return []string{ce.Field}
	}
	switch u := err.(type) {
	case interface{ Unwrap() []error }:
		for _, e := range u.Unwrap() {
			fields = append(fields, mistakes(e)...)
		}
	case interface{ Unwrap() error }:
		fields = mistakes(u.Unwrap())
	}
	return fields
}

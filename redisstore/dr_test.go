package redisstore_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
	"github.com/sallyport-go/sallyport/redisstore"
)

// site is an application on a Redis, as its browsers see it.
type site struct {
	t      *testing.T
	m      *session.Manager
	store  session.Store
	tokens *refresh.Rotator
	events events
	prefix string
	ahead  atomic.Int64 // of the real time, which the server keeps
}

const (
	cookieName = "__Host-session"
	absolute   = 7 * 24 * time.Hour // session.Config's defaults
	idle       = 24 * time.Hour
)

var (
	cart  = session.NewKey[string]("cart")
	clics = session.NewCounter("clics")
)

func newSite(t *testing.T, client rueidis.Client, change ...func(*redisstore.Config)) *site {
	t.Helper()
	s := &site{t: t}
	cfg := redisstore.Config{Prefix: "sallyport:", Timeout: 10 * time.Second, Now: s.now, Secrets: [][]byte{secret('m')}}
	for _, f := range change {
		f(&cfg)
	}
	s.prefix = cfg.Prefix
	r, err := redisstore.New(t.Context(), client, cfg)
	require.NoError(t, err)
	s.store = r.Sessions()
	s.m, err = session.New(s.store, session.Config{Secret: secret('s'), Now: s.now, StoreTimeout: time.Minute})
	require.NoError(t, err)
	s.tokens, err = refresh.New(s.m.Revocations(), refresh.Config{
		Issuer: issuer{}, Wired: []string{issuer{}.Audience()}, Secrets: [][]byte{secret('r')},
		Audit: &s.events, Now: s.now, StoreTimeout: time.Minute,
	})
	require.NoError(t, err)
	return s
}

func prefixed(prefix string) func(*redisstore.Config) {
	return func(c *redisstore.Config) { c.Prefix = prefix }
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// request presents these cookie values.
func (s *site) request(values ...string) *session.Session {
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, cookieName+"="+v)
	}
	r := &session.Session{}
	s.m.Begin(r, s.t.Context(), session.Request{Cookies: []string{strings.Join(pairs, "; ")}})
	return r
}

// cookie ends a request that must hand out a credential, and returns that.
func (s *site) cookie(r *session.Session) string {
	s.t.Helper()
	out := r.Finish()
	require.NoError(s.t, out.Err)
	require.Len(s.t, out.SetCookie, 1)
	c, err := http.ParseSetCookie(out.SetCookie[0])
	require.NoError(s.t, err)
	require.Positive(s.t, c.MaxAge)
	return c.Value
}

func (s *site) login(subject string) string {
	s.t.Helper()
	r := s.request()
	require.NoError(s.t, r.Login(s.t.Context(), session.Identity{Subject: subject}))
	return s.cookie(r)
}

func (s *site) logout(value string) error {
	r := s.request(value)
	defer r.Finish()
	return r.Logout(s.t.Context())
}

func (s *site) revoke(subject, value string) {
	s.t.Helper()
	ended, err := s.m.Revoke(s.t.Context(), subject, s.handle(value))
	require.NoError(s.t, err)
	require.True(s.t, ended)
}

// The answers to "who is this?" beside a subject.
const (
	nobody  = "(anonymous)"
	unknown = "(unknown)"
)

func (s *site) who(values ...string) string {
	s.t.Helper()
	r := s.request(values...)
	defer r.Finish()
	p, err := r.Principal()
	switch {
	case errors.Is(err, core.ErrUnknown):
		require.NotErrorIs(s.t, err, core.ErrAnonymous)
		return unknown
	case err != nil:
		require.ErrorIs(s.t, err, core.ErrAnonymous)
		return nobody
	}
	return p.Subject
}

// handle names the session among its subject's.
func (s *site) handle(value string) string {
	s.t.Helper()
	r := s.request(value)
	defer r.Finish()
	info, err := r.Info()
	require.NoError(s.t, err)
	return info.Handle
}

// owner reads whose record a cookie stands for, and which of theirs.
func (s *site) owner(value string) (revocation.Owner, revocation.Handle) {
	s.t.Helper()
	var out [1]session.Entry
	require.NoError(s.t, s.store.Load(s.t.Context(), []session.StoreKey{storeKey(value)}, out[:]))
	require.NotZero(s.t, out[0].Version)
	return out[0].Owner, out[0].Handle
}

// place is where the record of a cookie stands: a Redis key and a field of it.
func (s *site) place(value string) (key, field string) {
	k := storeKey(value)
	return s.prefix + "{" + hex.EncodeToString(k.Tag[:]) + "}", string(k.Hash[:])
}

func storeKey(value string) session.StoreKey {
	k := session.StoreKey{Hash: sha256.Sum256([]byte("app\x00" + value))}
	if id, err := base64.RawURLEncoding.DecodeString(value); err == nil {
		copy(k.Tag[:], id)
	}
	return k
}

// get reads the record of a cookie as it stands in Redis.
func (s *site) get(n *node, value string) string {
	s.t.Helper()
	key, field := s.place(value)
	return n.text(s.t, "HGET", key, field)
}

// put writes a record behind the store's back.
func (s *site) put(n *node, value, record string) {
	s.t.Helper()
	key, field := s.place(value)
	n.must(s.t, "HSET", key, field, record)
	n.must(s.t, "PEXPIRE", key, "600000")
}

package conformance

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// storeMutants have a store that lies where it should fail, or a server that lies
// about it.
func storeMutants() []Mutant {
	absent := func(s session.Store) session.Store { return absentOnError{s} }
	swallowed := func(s session.Store) session.Store { return swallowing{s} }
	tripped := func(s session.Store) session.Store { return &tripping{Store: s} }
	unavailable := func(change func(http.Header) int) func(http.Handler) http.Handler {
		return reanswer(func(status int, h http.Header) int {
			if status == http.StatusServiceUnavailable {
				return change(h)
			}
			return status
		})
	}
	logsOut := unavailable(func(h http.Header) int {
		h.Set("Set-Cookie", theCookie+"=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
		return http.StatusServiceUnavailable
	})
	return []Mutant{
		{Name: "a failed read is taken for no session", Slug: "store/load-fails", Store: absent},
		{Name: "a failed read is answered from what was read before", Slug: "store/load-fails",
			Store: func(s session.Store) session.Store {
				return &remembering{Store: s, seen: map[session.StoreKey]session.Entry{}}
			}},
		{Name: "a breaker opens and never closes", Slug: "store/load-fails", Store: tripped},
		{Name: "503 becomes 200", Slug: "store/load-fails",
			Front: unavailable(func(http.Header) int { return http.StatusOK })},
		{Name: "503 becomes 401", Slug: "store/load-fails",
			Front: unavailable(func(http.Header) int { return http.StatusUnauthorized })},
		{Name: "an outage logs everybody out", Slug: "store/load-fails", Front: logsOut},
		{Name: "503 does not say when to come back", Slug: "store/load-fails",
			Front: unavailable(func(h http.Header) int { h.Del("Retry-After"); return http.StatusServiceUnavailable })},
		{Name: "an outage may be cached", Slug: "store/load-fails",
			Front: unavailable(func(h http.Header) int { h.Del("Cache-Control"); return http.StatusServiceUnavailable })},
		{Name: "CVE-2025-29923: a reply without a record is taken for no session", Slug: "store/mixed-up-reply",
			Store: func(s session.Store) session.Store { return otherAsAbsent{s} }},
		{Name: "store calls are given an hour", Slug: "store/calls-end",
			Config: func(c *session.Config) { c.StoreTimeout = time.Hour }},
		{Name: "writes are given no end", Slug: "store/calls-end",
			Store: func(s session.Store) session.Store { return endless{s} }},
		{Name: "every request begins with a read", Slug: "store/no-credential",
			Front: rewrite(func(r *http.Request) {
				if !strings.Contains(r.Header.Get("Cookie"), theCookie) {
					r.Header.Set("Cookie", theCookie+"="+neverIssued(0))
				}
			})},
		{Name: "a public route asks who it is", Slug: "store/public-route",
			Front: eager()},
		{Name: "what cannot be told apart is thrown away", Slug: "store/duplicates", Front: logsOut},
		{Name: "a login is taken for stored", Slug: "store/login-fails", Store: swallowed},
		{Name: "a login goes on beside the session that could not be ended", Slug: "store/login-fails",
			Store: func(s session.Store) session.Store { return goneOnError{s} }},
		{Name: "a renewal is taken for stored", Slug: "store/renew-fails", Store: swallowed},
		{Name: "a failed renewal logs out", Slug: "store/renew-fails", Front: logsOut},
		{Name: "CVE-2020-15223: a failed deletion is reported as done", Slug: "store/logout-fails",
			Store: func(s session.Store) session.Store { return goneOnError{s} }},
		{Name: "a failed log-out deletes the cookie", Slug: "store/logout-fails", Front: logsOut},
		{Name: "a failed touch lengthens the cookie's life", Slug: "store/touch-fails", Store: swallowed},
		{Name: "only the store's clock ends a session", Slug: "store/expiry",
			Config: func(c *session.Config) {
				now := c.Now
				c.Now = func() time.Time { return now().Add(-24 * time.Hour) }
			}},
		{Name: "a failed write is passed over", Slug: "store/write-fails", Store: swallowed},
		{Name: "a refusal keeps the validators of the answer it replaces", Slug: "store/write-fails",
			Front: unavailable(func(h http.Header) int { h.Set("ETag", `"v1"`); return http.StatusServiceUnavailable })},
		{Name: "a refusal drops the cookie of a login that was stored", Slug: "store/write-fails-after-login",
			Front: unavailable(func(h http.Header) int { h.Del("Set-Cookie"); return http.StatusServiceUnavailable })},
		{Name: "a write goes over what could not be read", Slug: "store/poisoned-write", Store: absent},
		{Name: "a failed commit is reported as done", Slug: "store/commit-fails", Store: swallowed},
	}
}

// adopting makes an entry under every key that is asked for.
type adopting struct{ session.Store }

func (s adopting) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := s.Store.Load(ctx, keys, out)
	for i, e := range out {
		if err == nil && e.Version == 0 {
			_ = plant(ctx, s, keys[i], session.Entry{Version: 1, Expires: time.Now().Add(time.Hour), Value: "adopted"})
		}
	}
	return err
}

// strictLoad takes a key without an entry for an error.
type strictLoad struct{ session.Store }

func (s strictLoad) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := s.Store.Load(ctx, keys, out)
	for _, e := range out {
		if err == nil && e.Version == 0 {
			return errors.New("no such key")
		}
	}
	return err
}

// keyAsValue finds an entry also under the key that its own key makes as a value.
type keyAsValue struct {
	session.Store
	mu      sync.Mutex
	aliases map[session.StoreKey]session.StoreKey
}

func (s *keyAsValue) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	value := base64.RawURLEncoding.EncodeToString(slices.Concat(key.Tag[:], key.Hash[:]))
	alias := session.StoreKey{Tag: key.Tag, Hash: sha256.Sum256([]byte("conformance\x00" + value))}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.aliases == nil {
		s.aliases = map[session.StoreKey]session.StoreKey{}
	}
	s.aliases[alias] = key
	return s.Store.Create(ctx, key, e, a)
}

func (s *keyAsValue) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	s.mu.Lock()
	keys = slices.Clone(keys)
	for i, k := range keys {
		if of, ok := s.aliases[k]; ok {
			keys[i] = of
		}
	}
	s.mu.Unlock()
	return s.Store.Load(ctx, keys, out)
}

// oneByOne reads several keys in several calls.
type oneByOne struct{ session.Store }

func (s oneByOne) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	for i := range keys {
		if err := s.Store.Load(ctx, keys[i:i+1], out[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// upsert stores a change of an entry that is gone.
type upsert struct{ session.Store }

func (s upsert) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	current, err := s.Store.Swap(ctx, key, version, next)
	if errors.Is(err, session.ErrGone) {
		err = plant(ctx, s, key, next)
	}
	return current, err
}

// previousReply now and then answers a read with what the one before got.
type previousReply struct {
	session.Store
	mu   sync.Mutex
	last session.Entry
	n    int
}

func (s *previousReply) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if err := s.Store.Load(ctx, keys, out); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	reply := out[0]
	if s.n%1000 == 0 {
		out[0] = s.last
	}
	s.last = reply
	return nil
}

// textStore keeps text, as a column of that type does.
type textStore struct{ session.Store }

func (s textStore) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	next.Value = strings.ToValidUTF8(next.Value, "\ufffd")
	return s.Store.Swap(ctx, key, version, next)
}

// absentOnError has no entry where it cannot read.
type absentOnError struct{ session.Store }

func (s absentOnError) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	if s.Store.Load(ctx, keys, out) != nil {
		clear(out)
	}
	return nil
}

// otherAsAbsent has no entry where it got another key's.
type otherAsAbsent struct{ session.Store }

func (s otherAsAbsent) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := s.Store.Load(ctx, keys, out)
	for i, e := range out {
		if !strings.Contains(e.Value, string(keys[i].Hash[:4])) {
			out[i] = session.Entry{}
		}
	}
	return err
}

// remembering answers from memory when it cannot read.
type remembering struct {
	session.Store
	mu   sync.Mutex
	seen map[session.StoreKey]session.Entry
}

func (s *remembering) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := s.Store.Load(ctx, keys, out)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, k := range keys {
		if err == nil {
			s.seen[k] = out[i]
		} else {
			out[i] = s.seen[k]
		}
	}
	return nil
}

// tripping fails for ever once it has failed.
type tripping struct {
	session.Store
	mu   sync.Mutex
	open error
}

func (s *tripping) Load(ctx context.Context, keys []session.StoreKey, out []session.Entry) error {
	err := s.Store.Load(ctx, keys, out)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = err
	}
	return s.open
}

// swallowing reports every write as done.
type swallowing struct{ session.Store }

func (s swallowing) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	_, _, _ = s.Store.Create(ctx, key, e, a)
	return 0, nil, nil
}

func (s swallowing) Swap(ctx context.Context, key session.StoreKey, version uint64, next session.Entry) (session.Entry, error) {
	_, _ = s.Store.Swap(ctx, key, version, next)
	return session.Entry{}, nil
}

func (s swallowing) Rename(ctx context.Context, old session.StoreKey, version uint64, to session.StoreKey, next session.Entry, left *session.Entry) (session.Entry, error) {
	_, _ = s.Store.Rename(ctx, old, version, to, next, left)
	return session.Entry{}, nil
}

// goneOnError has nothing to take where it cannot.
type goneOnError struct{ session.Store }

func (s goneOnError) Take(ctx context.Context, key session.StoreKey) (session.Entry, error) {
	e, err := s.Store.Take(ctx, key)
	if err != nil {
		err = session.ErrGone
	}
	return e, err
}

// endless takes its callers' deadlines off.
type endless struct{ session.Store }

func (s endless) Create(ctx context.Context, key session.StoreKey, e session.Entry, a session.Admission) (uint64, []session.Keyed, error) {
	return s.Store.Create(context.WithoutCancel(ctx), key, e, a)
}

// eager asks who it is before every request.
func eager() func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			probe := r.Clone(r.Context())
			probe.URL.Path, probe.RequestURI = "/tells", "/tells"
			next.ServeHTTP(discard{http.Header{}}, probe)
			next.ServeHTTP(w, r)
		})
	}
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

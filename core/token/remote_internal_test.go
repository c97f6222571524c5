package token

import (
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
)

const (
	remoteIssuer = "https://issuer.example"
	remoteURL    = "https://issuer.example/jwks"
)

var (
	remoteNoon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	errRefused = errors.New("connection refused")
)

// publicJWK is an entry of a key set. Different seeds are different keys.
func publicJWK(kid string, seed byte) map[string]any {
	public := ed25519.NewKeyFromSeed([]byte(strings.Repeat(string([]byte{seed & 0x7f}), ed25519.SeedSize))).Public().(ed25519.PublicKey)
	return map[string]any{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid,
		"x": base64.RawURLEncoding.EncodeToString(public),
	}
}

func keySetDoc(keys ...map[string]any) string {
	if keys == nil {
		keys = []map[string]any{}
	}
	doc, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return string(doc)
}

// publisher is an issuer that answers without a network. It counts, can fail, and
// can be held.
type publisher struct {
	mu       sync.Mutex
	doc      string
	err      error
	hold     chan struct{} // if not nil, answers wait until it is closed
	fetches  int
	underWay int
	most     int // at once
	open     int // bodies not closed
}

func (p *publisher) RoundTrip(req *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.fetches++
	p.underWay++
	p.most = max(p.most, p.underWay)
	hold := p.hold
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-req.Context().Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay--
	if err := errors.Join(p.err, req.Context().Err()); err != nil {
		return nil, err
	}
	p.open++
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: req,
		Body: &openBody{strings.NewReader(p.doc), p},
	}, nil
}

type openBody struct {
	io.Reader
	p *publisher
}

func (b *openBody) Close() error {
	b.p.mu.Lock()
	defer b.p.mu.Unlock()
	b.p.open--
	return nil
}

func (p *publisher) publish(keys ...map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doc, p.err = keySetDoc(keys...), nil
}

func (p *publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// held makes answers wait for the function that it returns.
func (p *publisher) held() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	hold := make(chan struct{})
	p.hold = hold
	return func() {
		p.mu.Lock()
		p.hold = nil
		p.mu.Unlock()
		close(hold)
	}
}

func (p *publisher) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}

type remoteEnv struct {
	t      testing.TB
	issuer *publisher
	offset atomic.Int64
	mu     sync.Mutex
	events []audit.Event
	keys   *RemoteKeys
}

// remoteTest runs f where time is virtual and every goroutine has to end before f's
// test does: one that outlives its fetch fails the test as a deadlock.
func remoteTest(t *testing.T, change func(*RemoteKeysConfig), f func(*testing.T, *remoteEnv)) {
	synctest.Test(t, func(t *testing.T) { f(t, newRemoteEnv(t, change)) })
}

func newRemoteEnv(t testing.TB, change func(*RemoteKeysConfig)) *remoteEnv {
	t.Helper()
	e := &remoteEnv{t: t, issuer: &publisher{}}
	e.issuer.publish(publicJWK("a", 1), publicJWK("b", 2))
	cfg := RemoteKeysConfig{
		Issuer: remoteIssuer, URL: remoteURL, Transport: e.issuer, App: "shop", Now: e.now,
		Audit: audit.SinkFunc(func(_ context.Context, ev audit.Event) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.events = append(e.events, ev)
		}),
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	e.keys, err = NewRemoteKeys(cfg)
	require.NoError(t, err)
	return e
}

func (e *remoteEnv) now() time.Time { return remoteNoon.Add(time.Duration(e.offset.Load())) }

func (e *remoteEnv) pass(d time.Duration) { e.offset.Add(int64(d)) }

func (e *remoteEnv) key(id string) (*verificationKey, error) {
	return e.keys.verificationKey(e.t.Context(), id, e.now())
}

type lookup struct {
	key *verificationKey
	err error
}

// later looks the key up beside the test.
func (e *remoteEnv) later(ctx context.Context, id string) <-chan lookup {
	c, now := make(chan lookup, 1), e.now()
	go func() {
		key, err := e.keys.verificationKey(ctx, id, now)
		c <- lookup{key, err}
	}()
	return c
}

func (e *remoteEnv) must(id string) *verificationKey {
	e.t.Helper()
	key, err := e.key(id)
	require.NoError(e.t, err)
	require.Equal(e.t, id, key.id)
	return key
}

func (e *remoteEnv) unknownKey(id string) {
	e.t.Helper()
	key, err := e.key(id)
	require.Nil(e.t, key)
	require.Equal(e.t, errUnknownKey, err)
	require.NotErrorIs(e.t, err, core.ErrUnknown)
}

func (e *remoteEnv) unavailable(id string, cause error) {
	e.t.Helper()
	key, err := e.key(id)
	require.Nil(e.t, key)
	require.ErrorIs(e.t, err, core.ErrUnknown)
	require.NotErrorIs(e.t, err, errUnknownKey)
	if cause != nil {
		require.ErrorIs(e.t, err, cause)
	}
}

// fetched fails unless there were so many fetches altogether.
func (e *remoteEnv) fetched(want int) {
	e.t.Helper()
	require.Equal(e.t, want, e.issuer.count(), "fetches")
}

// told fails unless exactly these failures were told since the last call.
func (e *remoteEnv) told(want ...audit.Cause) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var got []audit.Cause
	for _, ev := range e.events {
		require.Equal(e.t, audit.KeysFailed, ev.Name)
		require.Equal(e.t, "shop", ev.App)
		require.ErrorContains(e.t, ev.Err, remoteIssuer)
		got = append(got, ev.Cause)
	}
	require.Equal(e.t, want, got)
	e.events = nil
}

func TestRemoteConstructorFetchesNothing(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		synctest.Wait()
		e.fetched(0)
	})
}

func TestRemoteAges(t *testing.T) {
	const refresh = 5 * time.Minute
	for _, tc := range []struct {
		desc    string
		age     time.Duration
		fetches int  // with the first
		waits   bool // the request does
	}{
		{"now", 0, 1, false},
		{"just under four fifths", 4*time.Minute - 1, 1, false},
		{"four fifths", 4 * time.Minute, 2, false},
		{"just under Refresh", refresh - 1, 2, false},
		{"Refresh", refresh, 2, true},
		{"the last stale moment", refresh + time.Hour - 1, 2, true},
		{"later", 1000 * time.Hour, 2, true},
		{"the clock was set back a little", -time.Minute, 1, false},
		{"the clock was set back", -refresh, 2, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
				key := e.must("a")
				e.fetched(1)
				e.pass(tc.age)
				release := e.issuer.held()
				answer := e.later(t.Context(), "a")
				synctest.Wait()
				require.Equal(t, tc.waits, len(answer) == 0, "waits")
				e.fetched(tc.fetches)
				for range 10 {
					if !tc.waits {
						require.Same(t, key, e.must("a"))
					}
				}
				e.fetched(tc.fetches)
				release()
				synctest.Wait()
				require.Equal(t, lookup{key, nil}, <-answer)
				require.Same(t, key, e.must("a"), "the new set is young")
				e.fetched(tc.fetches)
				e.told()
				require.Zero(t, e.issuer.open, "bodies left open")
			})
		})
	}
}

func TestRemoteSetAgesFromTheBeginningOfItsFetch(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.Timeout = time.Minute }, func(t *testing.T, e *remoteEnv) {
		release := e.issuer.held()
		answer := e.later(t.Context(), "a")
		synctest.Wait()
		e.pass(30 * time.Second)
		release()
		require.NoError(t, (<-answer).err)
		e.pass(5*time.Minute - 30*time.Second)
		release = e.issuer.held()
		answer = e.later(t.Context(), "a")
		synctest.Wait()
		e.fetched(2)
		require.Empty(t, answer, "waits: the set is too old")
		release()
		require.NoError(t, (<-answer).err)
	})
}

func TestRemoteSameKeySamePointer(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		a, b := e.must("a"), e.must("b")
		require.NotSame(t, a, b)

		e.pass(5 * time.Minute)
		e.issuer.publish(publicJWK("c", 3), publicJWK("b", 2), publicJWK("a", 4))
		changed := e.must("a")
		require.NotSame(t, a, changed, "other material under the same name")
		require.False(t, sameKey(a, changed))
		require.Same(t, b, e.must("b"), "unchanged")
		e.must("c")
		e.fetched(2)

		e.pass(5 * time.Minute)
		e.issuer.publish(publicJWK("a", 4))
		require.Same(t, changed, e.must("a"))
		e.unknownKey("b")
		e.fetched(3)

		e.pass(5 * time.Minute)
		e.issuer.publish(publicJWK("b", 2))
		require.NotSame(t, b, e.must("b"), "gone and back")
		e.fetched(4)
	})
}

func TestSameKey(t *testing.T) {
	public := func(seed byte) ed25519.PublicKey {
		return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string([]byte{seed}), 32))).Public().(ed25519.PublicKey)
	}
	one := &verificationKey{id: "a", algorithm: EdDSA, key: public(1)}
	require.True(t, sameKey(one, &verificationKey{id: "a", algorithm: EdDSA, key: public(1)}))
	require.False(t, sameKey(one, &verificationKey{id: "a", algorithm: EdDSA, key: public(2)}), "material")
	require.False(t, sameKey(one, &verificationKey{id: "a", algorithm: ES256, key: public(1)}), "algorithm")
	require.False(t, sameKey(one, &verificationKey{id: "a", algorithm: EdDSA, key: []byte(public(1))}), "type")
	secret := &verificationKey{id: "a", algorithm: HS256, key: []byte("x")}
	require.False(t, sameKey(secret, secret), "a secret is no published key")
}

func TestSameKeyOtherAlgorithm(t *testing.T) {
	// RSA is the one type that two algorithms share.
	public := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}
	rs := &verificationKey{id: "a", algorithm: RS256, key: public}
	require.False(t, sameKey(rs, &verificationKey{id: "a", algorithm: PS256, key: public}))
	require.True(t, sameKey(rs, &verificationKey{id: "a", algorithm: RS256, key: &rsa.PublicKey{N: public.N, E: 65537}}))
	require.False(t, sameKey(rs, &verificationKey{id: "a", algorithm: RS256, key: &rsa.PublicKey{N: public.N, E: 3}}))
}

// TestRemoteSkipsEntries: one entry that is no key for us does not spoil the set.
// CVE-2026-42576 was a panic.
func TestRemoteSkipsEntries(t *testing.T) {
	with := func(jwk map[string]any, name string, value any) map[string]any {
		jwk[name] = value
		return jwk
	}
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		e.issuer.publish(
			publicJWK("a", 1),
			with(publicJWK("private", 2), "d", "AAAA"),
			with(publicJWK("encryption", 3), "use", "enc"),
			with(publicJWK("kind", 4), "kty", "XYZ"),
			with(publicJWK("curve", 5), "crv", "X25519"),
			with(publicJWK("short", 6), "x", "AAAA"),
			with(publicJWK("algorithm", 7), "alg", "none"),
			map[string]any{"kty": "oct", "kid": "secret", "alg": "HS256", "k": strings.Repeat("A", 43)},
			map[string]any{"kty": "RSA", "kid": "empty"},
			map[string]any{},
			nil,
			publicJWK("twice", 8), publicJWK("twice", 9),
			publicJWK("", 10),
			publicJWK("b", 11),
		)
		e.must("a")
		e.must("b")
		for _, id := range []string{"private", "encryption", "kind", "curve", "short", "algorithm", "secret", "empty", "twice", ""} {
			e.unknownKey(id)
		}
		e.fetched(1)
		e.told()
	})
}

// TestRemoteRemovedKey is CVE-2025-22149: keys that left the set stayed in the cache.
func TestRemoteRemovedKey(t *testing.T) {
	for desc, left := range map[string][]map[string]any{
		"one of two":   {publicJWK("b", 2)},
		"all":          {},
		"all unusable": {{"kty": "future", "kid": "a"}},
		"others came":  {publicJWK("c", 3), publicJWK("d", 4)},
		"another kind": {{"kty": "oct", "kid": "a", "k": "AAAA"}},
	} {
		t.Run(desc, func(t *testing.T) {
			remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
				e.must("a")
				e.issuer.publish(left...)
				e.pass(4*time.Minute - 1)
				e.must("a")
				e.fetched(1)
				e.pass(time.Minute + 1)
				e.unknownKey("a")
				e.fetched(2)
				e.told()
				// An empty set by mistake is over as soon as it is mended.
				e.issuer.publish(publicJWK("a", 1))
				e.pass(10*time.Second - 1)
				e.unknownKey("a")
				e.pass(1)
				e.must("a")
				e.fetched(3)
			})
		})
	}
}

func TestRemoteRemovedKeyWithTheBackgroundFetch(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		e.must("a")
		e.issuer.publish(publicJWK("b", 2))
		e.pass(4 * time.Minute)
		e.must("a")
		synctest.Wait()
		e.unknownKey("a")
		e.fetched(2)
	})
}

func TestRemoteUnknownIDs(t *testing.T) {
	flood := func(e *remoteEnv, check func(id string)) {
		for i := range 1000 {
			check(fmt.Sprintf("made-up-%d", i))
		}
	}
	t.Run("the issuer answers", func(t *testing.T) {
		remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
			flood(e, e.unknownKey)
			e.fetched(1)
			e.pass(10*time.Second - 1)
			flood(e, e.unknownKey)
			e.fetched(1)
			e.pass(1)
			flood(e, e.unknownKey)
			e.fetched(2)
			e.issuer.publish(publicJWK("new", 9))
			e.unknownKey("new")
			e.pass(10 * time.Second)
			e.must("new")
			e.fetched(3)
			e.told()
		})
	})
	t.Run("the issuer does not answer", func(t *testing.T) {
		remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
			e.issuer.fail(errRefused)
			check := func(id string) { e.unavailable(id, errRefused) }
			flood(e, check)
			e.fetched(1)
			e.told(audit.CauseError)
			e.pass(10*time.Second - 1)
			flood(e, check)
			e.fetched(1)
			e.pass(1)
			flood(e, check)
			e.fetched(2)
			e.told(audit.CauseError)
		})
	})
	t.Run("a young set, and the issuer does not answer any more", func(t *testing.T) {
		remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
			key := e.must("a")
			e.issuer.fail(errRefused)
			e.pass(10 * time.Second)
			flood(e, func(id string) { e.unavailable(id, errRefused) })
			require.Same(t, key, e.must("a"), "known keys do not suffer")
			e.fetched(2)
			e.told(audit.CauseStale)
			e.issuer.fail(nil)
			e.pass(10 * time.Second)
			flood(e, e.unknownKey)
			e.fetched(3)
		})
	})
	t.Run("at once", func(t *testing.T) {
		remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
			release := e.issuer.held()
			answers := make([]<-chan lookup, 1000)
			for i := range answers {
				answers[i] = e.later(t.Context(), fmt.Sprint("made-up-", i))
			}
			synctest.Wait()
			e.fetched(1)
			release()
			for _, answer := range answers {
				require.Equal(t, lookup{nil, errUnknownKey}, <-answer)
			}
			e.fetched(1)
		})
	})
}

func TestRemoteOneFetchForAll(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		for round := range 3 {
			release := e.issuer.held()
			answers := make([]<-chan lookup, 1000)
			for i := range answers {
				answers[i] = e.later(t.Context(), "a")
			}
			synctest.Wait()
			e.fetched(round + 1)
			release()
			first := <-answers[0]
			require.NoError(t, first.err)
			for _, answer := range answers[1:] {
				require.Same(t, first.key, (<-answer).key)
			}
			e.fetched(round + 1)
			e.pass(5 * time.Minute)
		}
		require.Equal(t, 1, e.issuer.most, "fetches at once")
	})
}

// TestRemoteParallel is for the race detector: real parallelism, every path.
func TestRemoteParallel(t *testing.T) {
	e := newRemoteEnv(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				switch {
				case i == 0 && n%50 == 0:
					e.pass(70 * time.Second)
				case i == 1 && n%100 == 0:
					e.issuer.fail(errRefused)
				case i == 1 && n%100 == 50:
					e.issuer.fail(nil)
				case i == 2 && n%500 == 0:
					_ = e.keys.Fetch(t.Context())
				case i == 3 && n%10 == 0:
					if _, err := e.key("made-up"); err == nil {
						t.Error("a made-up key")
					}
				default:
					if key, err := e.key("a"); err == nil && key.id != "a" || err != nil && !errors.Is(err, core.ErrUnknown) {
						t.Errorf("got %v, %v", key, err)
					}
				}
			}
		})
	}
	wg.Wait()
	e.issuer.fail(nil)
	require.NoError(t, e.keys.Fetch(t.Context()))
	require.Equal(t, 1, e.issuer.most, "fetches at once")
}

func TestRemoteWaiterLeaves(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		release := e.issuer.held()
		ctx, cancel := context.WithCancel(t.Context())
		first := e.later(ctx, "a")
		synctest.Wait()
		second := e.later(t.Context(), "a")
		synctest.Wait()
		e.fetched(1)
		// The one that began the fetch hangs up.
		cancel()
		err := (<-first).err
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Empty(t, second, "the other one still waits")
		release()
		require.NoError(t, (<-second).err)
		e.fetched(1)
		e.told()

		// What is in memory needs no patience.
		_, err = e.keys.verificationKey(ctx, "a", e.now())
		require.NoError(t, err)
	})
}

func TestRemoteTimeout(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.Timeout = 3 * time.Second }, func(t *testing.T, e *remoteEnv) {
		release := e.issuer.held()
		defer release()
		began := time.Now()
		e.unavailable("a", context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
		e.told(audit.CauseError)
		// RetryAfter counts from the end of a failure, and nobody waits for it.
		e.unavailable("a", context.DeadlineExceeded)
		require.Equal(t, 3*time.Second, time.Since(began))
		e.fetched(1)
	})
}

func TestRemoteRetryAfterCountsFromTheEndOfAFailure(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		release := e.issuer.held()
		e.issuer.fail(errRefused)
		answer := e.later(t.Context(), "a")
		synctest.Wait()
		e.pass(5 * time.Second)
		release()
		require.ErrorIs(t, (<-answer).err, errRefused)
		e.pass(10*time.Second - 1)
		e.unavailable("a", errRefused)
		e.fetched(1)
		e.pass(1)
		e.unavailable("a", errRefused)
		e.fetched(2)
	})
}

func TestRemoteOutage(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		key := e.must("a")
		e.issuer.fail(errRefused)

		e.pass(4 * time.Minute)
		require.Same(t, key, e.must("a"))
		synctest.Wait()
		e.fetched(2)
		e.told(audit.CauseStale)

		e.pass(time.Minute)
		for range 100 {
			require.Same(t, key, e.must("a"))
			synctest.Wait()
		}
		e.fetched(3)
		e.told(audit.CauseStale)

		// To the last instant, and whether or not a fetch is allowed just then.
		e.pass(time.Hour - 1)
		require.Same(t, key, e.must("a"))
		synctest.Wait()
		e.fetched(4)
		e.told(audit.CauseStale)
		e.pass(1)
		e.unavailable("a", errRefused)
		e.fetched(4)
		e.unavailable("made-up", errRefused)
		e.pass(10 * time.Second)
		e.unavailable("a", errRefused)
		e.fetched(5)
		e.told(audit.CauseError)

		// It is back: with the first fetch that is allowed, everything is.
		e.issuer.publish(publicJWK("a", 1))
		e.pass(10*time.Second - 1)
		e.unavailable("a", errRefused)
		e.pass(1)
		require.Same(t, key, e.must("a"))
		e.unknownKey("b")
		e.fetched(6)
		e.told()
	})
}

// An issuer that takes connections and never answers: while the last set may be used,
// nobody waits for the fetches that are tried.
func TestRemoteHangingIssuerHoldsNobody(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		key := e.must("a")
		e.issuer.fail(errRefused)
		e.pass(5 * time.Minute)
		require.Same(t, key, e.must("a"), "the first one past Refresh waits for the answer, which is none")
		e.told(audit.CauseStale)
		release := e.issuer.held()
		began := time.Now()
		for range 10 {
			e.pass(10 * time.Second)
			require.Same(t, key, e.must("a"))
			require.Equal(t, began, time.Now())
		}
		synctest.Wait()
		e.fetched(3)
		// It is back, and without the key: that counts when the fetch is over.
		e.issuer.fail(nil)
		e.issuer.publish(publicJWK("b", 2))
		release()
		synctest.Wait()
		e.unknownKey("a")
	})
}

func TestRemoteStaleForNothing(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.StaleFor = -1 }, func(t *testing.T, e *remoteEnv) {
		e.must("a")
		e.issuer.fail(errRefused)
		e.pass(5*time.Minute - 1)
		e.must("a")
		synctest.Wait()
		e.told(audit.CauseStale)
		e.pass(1)
		e.unavailable("a", errRefused)
		e.fetched(2)
	})
}

func TestRemoteStaleForEver(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.StaleFor = math.MaxInt64 }, func(t *testing.T, e *remoteEnv) {
		e.issuer.fail(errRefused)
		e.unavailable("a", errRefused)
		e.told(audit.CauseError)
		e.issuer.fail(nil)
		e.pass(time.Minute)
		key := e.must("a")
		e.issuer.fail(errRefused)
		e.pass(100 * 365 * 24 * time.Hour)
		require.Same(t, key, e.must("a"))
		e.told(audit.CauseStale)
	})
}

// TestRemoteRetryAfterIsAtMostRefresh: a set is never too old while its issuer could
// still be asked.
func TestRemoteRetryAfterIsAtMostRefresh(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.Refresh = time.Second }, func(t *testing.T, e *remoteEnv) {
		e.must("a")
		e.issuer.publish()
		e.pass(time.Second - 1)
		e.must("a")
		e.fetched(1)
		e.pass(1)
		e.unknownKey("a")
		e.fetched(2)
	})
}

func TestRemoteLookupsOfAnotherTime(t *testing.T) {
	// A request that slept for hours between reading the clock and asking.
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		old := e.now()
		e.pass(10 * time.Hour)
		e.must("a")
		e.pass(5 * time.Second)
		_, err := e.keys.verificationKey(t.Context(), "a", old)
		require.ErrorIs(t, err, errKeysTooOld)
		require.ErrorIs(t, err, core.ErrUnknown)
	})
}

func TestRemoteFetch(t *testing.T) {
	remoteTest(t, nil, func(t *testing.T, e *remoteEnv) {
		e.issuer.fail(errRefused)
		err := e.keys.Fetch(t.Context())
		require.ErrorIs(t, err, errRefused)
		require.ErrorIs(t, err, core.ErrUnknown)
		require.ErrorContains(t, err, remoteIssuer)
		e.told(audit.CauseError)

		e.issuer.fail(nil)
		require.NoError(t, e.keys.Fetch(t.Context()), "RetryAfter does not hold it back")
		require.NoError(t, e.keys.Fetch(t.Context()))
		e.fetched(3)
		e.must("a")
		e.fetched(3)

		release := e.issuer.held()
		results := make(chan error, 10)
		for range cap(results) {
			go func() { results <- e.keys.Fetch(t.Context()) }()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = e.keys.Fetch(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, core.ErrUnknown)
		e.fetched(4)
		release()
		for range cap(results) {
			require.NoError(t, <-results)
		}
		e.fetched(4)
	})
}

func TestRemoteTransportPanics(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) {
		cfg.Transport = roundTrip(func(*http.Request) (*http.Response, error) { panic("boom") })
	}, func(t *testing.T, e *remoteEnv) {
		e.unavailable("a", nil)
		require.ErrorContains(t, e.keys.Fetch(t.Context()), "boom")
		e.told(audit.CauseError, audit.CauseError)
	})
}

func TestRemoteEventComesBeforeTheAnswer(t *testing.T) {
	hold := make(chan struct{})
	remoteTest(t, func(cfg *RemoteKeysConfig) {
		sink := cfg.Audit
		hold = make(chan struct{})
		cfg.Audit = audit.SinkFunc(func(ctx context.Context, ev audit.Event) {
			<-hold
			require.NoError(t, ctx.Err())
			sink.Record(ctx, ev)
		})
	}, func(t *testing.T, e *remoteEnv) {
		e.issuer.fail(errRefused)
		answer := e.later(t.Context(), "a")
		synctest.Wait()
		require.Empty(t, answer)
		close(hold)
		require.ErrorIs(t, (<-answer).err, errRefused)
		e.told(audit.CauseError)
	})
}

func TestRemoteWithoutSink(t *testing.T) {
	remoteTest(t, func(cfg *RemoteKeysConfig) { cfg.Audit = nil }, func(t *testing.T, e *remoteEnv) {
		e.issuer.fail(errRefused)
		e.unavailable("a", errRefused)
	})
}

func TestRemoteTrust(t *testing.T) {
	keys := newRemoteEnv(t, nil).keys
	for _, tc := range []struct {
		desc   string
		keys   *RemoteKeys
		issuer string
		algs   []Algorithm
		want   []string
	}{
		{"right", keys, remoteIssuer, []Algorithm{ES256, RS256}, nil},
		{"another issuer", keys, remoteIssuer + "/", []Algorithm{ES256}, []string{`the keys are those of "https://issuer.example", not of this issuer`}},
		{"HS256", keys, remoteIssuer, []Algorithm{ES256, HS256}, []string{"HS256 cannot be verified with published keys: whoever reads them could sign"}},
		{"both", keys, "", []Algorithm{HS256}, []string{
			`the keys are those of "https://issuer.example", not of this issuer`,
			"HS256 cannot be verified with published keys: whoever reads them could sign",
		}},
		{"nil", nil, remoteIssuer, []Algorithm{ES256}, []string{"must come from NewRemoteKeys"}},
		{"zero", &RemoteKeys{}, "", []Algorithm{ES256}, []string{"must come from NewRemoteKeys"}},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			var got []string
			tc.keys.trust(tc.issuer, tc.algs, func(reason string) { got = append(got, reason) })
			require.Equal(t, tc.want, got)
		})
	}
}

func TestRemoteFreshLookupAllocatesNothing(t *testing.T) {
	e := newRemoteEnv(t, nil)
	e.must("a")
	now := e.now()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := e.keys.verificationKey(t.Context(), "a", now); err != nil {
			t.Error(err)
		}
	}))
}

func BenchmarkRemoteLookup(b *testing.B) {
	const thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" // RFC 8037 appendix A.3
	for _, bb := range []struct {
		name string
		age  time.Duration
	}{
		{"fresh", time.Minute},
		{"due, fetch not allowed", 4 * time.Minute},
	} {
		b.Run(bb.name, func(b *testing.B) {
			e := newRemoteEnv(b, nil)
			e.issuer.publish(publicJWK(thumbprint, 1), publicJWK("b", 2))
			e.must(thumbprint)
			e.pass(bb.age)
			if bb.age >= e.keys.early {
				e.issuer.fail(errRefused)
				require.Error(b, e.keys.Fetch(b.Context()))
			}
			ctx, now := b.Context(), e.now()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.keys.verificationKey(ctx, thumbprint, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("fresh, parallel", func(b *testing.B) {
		e := newRemoteEnv(b, nil)
		e.issuer.publish(publicJWK(thumbprint, 1), publicJWK("b", 2))
		e.must(thumbprint)
		ctx, now := b.Context(), e.now()
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := e.keys.verificationKey(ctx, thumbprint, now); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

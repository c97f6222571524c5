package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/revocation"
)

const (
	oracleURL    = "https://auth.example/introspect"
	oracleSecret = "a secret that nobody must see"
	isActive     = `{"active":true}`
	isInactive   = `{"active":false}`
)

// oracle is an introspection endpoint that answers without a network. It counts, can
// fail, and can be held.
type oracle struct {
	mu       sync.Mutex
	answers  map[string]string // by token; "*" for all others
	err      error
	hold     map[string]chan struct{} // answers about these tokens wait until it is closed
	asked    []string
	underWay map[string]int
	most     int // about one token at once
}

func (o *oracle) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	raw := form.Get("token")
	o.mu.Lock()
	o.asked = append(o.asked, raw)
	o.underWay[raw]++
	o.most = max(o.most, o.underWay[raw])
	hold := o.hold[raw]
	answer, ok := o.answers[raw]
	if !ok {
		answer = o.answers["*"]
	}
	failure := o.err
	o.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-req.Context().Done():
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.underWay[raw]--
	if err := errors.Join(failure, req.Context().Err()); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer)), Request: req}, nil
}

// says makes it answer so from now on. What was asked already is answered as before.
func (o *oracle) says(raw, answer string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[raw] = answer
}

func (o *oracle) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// held makes answers about raw wait for the function that it returns.
func (o *oracle) held(raw string) (release func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	hold := make(chan struct{})
	o.hold[raw] = hold
	return func() {
		o.mu.Lock()
		if o.hold[raw] == hold {
			delete(o.hold, raw)
		}
		o.mu.Unlock()
		close(hold)
	}
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked)
}

// inquiry is a Verifier whose issuer is asked through an oracle.
type inquiry struct {
	*desk
	*oracle
	in     *Introspection
	t      testing.TB
	mu     sync.Mutex
	events []audit.Event
}

func newInquiry(t testing.TB, p *pen, change func(*IntrospectionConfig), more func(*VerifierConfig)) *inquiry {
	t.Helper()
	i := &inquiry{t: t, oracle: &oracle{
		answers: map[string]string{"*": isActive}, hold: map[string]chan struct{}{}, underWay: map[string]int{},
	}}
	i.desk = newDeskOf(t, p, func(c *VerifierConfig) {
		cfg := IntrospectionConfig{
			URL: oracleURL, ClientID: "shop", ClientSecret: oracleSecret, Transport: i.oracle, App: "shop", Now: c.Now,
			Audit: audit.SinkFunc(func(_ context.Context, ev audit.Event) {
				i.mu.Lock()
				defer i.mu.Unlock()
				i.events = append(i.events, ev)
			}),
		}
		if change != nil {
			change(&cfg)
		}
		var err error
		i.in, err = NewIntrospection(cfg)
		require.NoError(t, err)
		c.Issuers[0].Introspection = i.in
		if more != nil {
			more(c)
		}
	})
	return i
}

// inquiryTest runs f where time is virtual and every goroutine has to end before f's
// test does: one that outlives its question fails the test as a deadlock.
func inquiryTest(t *testing.T, change func(*IntrospectionConfig), f func(*testing.T, *inquiry)) {
	synctest.Test(t, func(t *testing.T) { f(t, newInquiry(t, newPen(t, EdDSA, "k1"), change, nil)) })
}

func (i *inquiry) accepted(raw string) {
	i.t.Helper()
	_, err := i.Verify(i.t.Context(), raw)
	require.NoError(i.t, err)
}

func (i *inquiry) revoked(raw string) {
	i.t.Helper()
	got, err := i.Verify(i.t.Context(), raw)
	require.Nil(i.t, got)
	require.Equal(i.t, error(refusedRevoked), err)
}

func (i *inquiry) unanswered(raw string, cause error) {
	i.t.Helper()
	got, err := i.Verify(i.t.Context(), raw)
	require.Nil(i.t, got)
	isUnknown(i.t, err)
	require.ErrorIs(i.t, err, cause)
}

// isUnknown fails unless err is the third answer and gives nothing away.
func isUnknown(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, core.ErrUnknown)
	for _, class := range []error{ErrInvalid, ErrExpired, ErrRevoked} {
		require.NotErrorIs(t, err, class)
	}
	require.NotContains(t, err.Error(), oracleSecret)
	require.NotContains(t, err.Error(), "eyJ", "a token")
}

// asks fails unless so many questions were asked altogether.
func (i *inquiry) asks(want int) {
	i.t.Helper()
	require.Equal(i.t, want, i.count(), "questions")
}

// later verifies raw beside the test.
func (i *inquiry) later(ctx context.Context, raw string) <-chan error {
	c := make(chan error, 1)
	go func() {
		_, err := i.Verify(ctx, raw)
		c <- err
	}()
	return c
}

// told fails unless so many failures were told since the last call.
func (i *inquiry) told(want int) {
	i.t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	require.Len(i.t, i.events, want)
	for _, ev := range i.events {
		require.Equal(i.t, audit.StoreFailed, ev.Name)
		require.Equal(i.t, audit.CauseError, ev.Cause)
		require.Equal(i.t, "shop", ev.App)
		require.Equal(i.t, "ann", ev.Subject)
		require.Equal(i.t, theSession, ev.Session)
		require.Equal(i.t, i.clock(), ev.Time)
		require.ErrorContains(i.t, ev.Err, "token: introspection at "+oracleURL)
		require.NotContains(i.t, ev.Err.Error(), oracleSecret)
		require.NotContains(i.t, ev.Err.Error(), "eyJ", "a token")
	}
	i.events = nil
}

func TestIntrospectionConstructorAsksNothing(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		synctest.Wait()
		i.asks(0)
	})
}

func TestIntrospectionAnswers(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		good, ended := i.good(t), i.good(t, "jti", `"b"`)
		i.says(ended, isInactive)
		i.accepted(good)
		i.refusedFor(t, ended, ErrRevoked, "revoked")
		require.Equal(t, []string{good, ended}, i.asked)
		i.told(0)
	})
}

// TestIntrospectionOfWhatIsOver: an issuer cannot say whether a token is revoked or
// expired. Clients may renew the latter.
func TestIntrospectionOfWhatIsOver(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheFor = -1 }, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		i.says(raw, isInactive)
		const life, leeway = 900 * time.Second, 30 * time.Second
		i.at(life - leeway - 1)
		i.refusedFor(t, raw, ErrRevoked, "revoked")
		i.at(life - leeway)
		i.refusedFor(t, raw, ErrExpired, "expired")
		i.at(life + leeway - 1)
		i.refusedFor(t, raw, ErrExpired, "expired")
		i.asks(6)
		i.says(raw, isActive)
		i.accepted(raw)
		i.fail(errRefused)
		i.unanswered(raw, errRefused)
	})
}

// TestIntrospectionComesLast: what anybody can make up, and what is over anyway, never
// reaches the endpoint.
func TestIntrospectionComesLast(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		for desc, raw := range garbage(t, i.desk) {
			_, err := i.Verify(t.Context(), raw)
			require.ErrorIs(t, err, ErrInvalid, desc)
		}
		for _, raw := range hostile() {
			_, err := i.Verify(t.Context(), raw)
			require.ErrorIs(t, err, ErrInvalid)
		}
		i.refusedFor(t, flipped(i.good(t)), ErrInvalid, "signature")
		i.refusedFor(t, i.good(t, "aud", `"https://other.example"`), ErrInvalid, "aud-mismatch")
		i.refusedFor(t, i.good(t, "iat", "1700009999"), ErrInvalid, "iat-future")
		i.refusedFor(t, i.good(t, "nbf", "1700009999"), ErrInvalid, "nbf-future")
		i.at(time.Hour)
		i.refusedFor(t, i.good(t), ErrExpired, "expired")
		i.asks(0)
	})
}

// TestIntrospectionAges: an answer counts from the moment of its question, for both
// verdicts alike.
func TestIntrospectionAges(t *testing.T) {
	for _, tc := range []struct {
		desc  string
		age   time.Duration
		asked bool
	}{
		{"now", 0, false},
		{"the last moment", 5*time.Second - 1, false},
		{"CacheFor", 5 * time.Second, true},
		{"later", time.Minute, true},
		{"the clock was set back", -1, true},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
				good, ended := i.good(t), i.good(t, "jti", `"b"`)
				i.says(ended, isInactive)
				i.accepted(good)
				i.revoked(ended)
				i.says(good, isInactive)
				i.says(ended, isActive)
				i.at(tc.age)
				for range 3 {
					if tc.asked {
						i.revoked(good)
						i.accepted(ended)
					} else {
						i.accepted(good)
						i.revoked(ended)
					}
				}
				i.asks(map[bool]int{false: 2, true: 4}[tc.asked])
			})
		})
	}
}

func TestIntrospectionAgeBeginsWithTheQuestion(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		release := i.held(raw)
		answer := i.later(t.Context(), raw)
		synctest.Wait()
		i.at(4 * time.Second)
		release()
		require.NoError(t, <-answer)
		i.at(5*time.Second - 1)
		i.accepted(raw)
		i.asks(1)
		i.at(5 * time.Second)
		i.accepted(raw)
		i.asks(2)
	})
}

// TestIntrospectionAsleep: while a machine sleeps, the clock that cannot be set stands
// still, and the one on the wall goes on.
func TestIntrospectionAsleep(t *testing.T) {
	in, err := NewIntrospection(IntrospectionConfig{URL: oracleURL, ClientID: "a", ClientSecret: "b"})
	require.NoError(t, err)
	now := time.Now()
	shifted := func(monotonic, wall time.Duration) time.Time {
		at := now.Add(wall)
		*(*int64)(unsafe.Add(unsafe.Pointer(&at), 8)) += int64(monotonic - wall) // time.Time.ext
		require.Equal(t, monotonic, at.Sub(now))
		require.Equal(t, wall, at.Round(0).Sub(now.Round(0)))
		return at
	}
	q := &question{at: now}
	require.True(t, in.counts(q, shifted(time.Second, time.Second)))
	require.True(t, in.counts(q, shifted(time.Second, 2*time.Second)))
	require.False(t, in.counts(q, shifted(time.Second, time.Hour)))
	require.False(t, in.counts(q, shifted(time.Hour, time.Second)))
	require.False(t, in.counts(q, shifted(time.Second, -time.Second)))
}

// TestIntrospectionSkipsNothing: an answer that counts saves the question, and neither
// expiry nor the state of the key.
func TestIntrospectionSkipsNothing(t *testing.T) {
	t.Run("expiry", func(t *testing.T) {
		inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
			raw := i.good(t, "exp", "1700000002")
			i.accepted(raw)
			i.at(2*time.Second + i.cfg.Leeway)
			i.refusedFor(t, raw, ErrExpired, "expired")
			i.asks(1)
		})
	})
	for desc, state := range map[string]struct {
		err   error
		cause audit.Cause
	}{"key revoked": {errKeyRevoked, "key-revoked"}, "key gone": {nil, "kid-unknown"}} {
		t.Run(desc, func(t *testing.T) {
			inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
				raw := i.good(t)
				i.accepted(raw)
				i.keys.set("k1", nil, state.err)
				i.refusedFor(t, raw, ErrInvalid, state.cause)
				i.asks(1)
			})
		})
	}
	t.Run("keys unknown", func(t *testing.T) {
		inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
			raw := i.good(t)
			i.accepted(raw)
			i.keys.set("k1", nil, errRefused)
			i.unanswered(raw, errRefused)
		})
	})
	t.Run("revoked while in the cache of tokens", func(t *testing.T) {
		inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
			raw := i.good(t)
			i.accepted(raw)
			i.says(raw, isInactive)
			i.at(5 * time.Second)
			i.revoked(raw)
			i.revoked(raw)
			i.asks(2)
		})
	})
}

// TestIntrospectionWholeToken is CVE-2026-33496 and GHSA-rp9m-7r4c-75qg: each token has
// an answer of its own, whatever it has in common with another.
func TestIntrospectionWholeToken(t *testing.T) {
	i := newInquiry(t, newPen(t, ES256, "k1"), nil, nil)
	first := i.good(t)
	for desc, raw := range map[string]string{
		"the same but for the signature": i.good(t),
		"the same but for exp":           i.good(t, "exp", "1700000901"),
		"the same but for the scope":     i.good(t, "scope", `"admin"`),
		"the same header":                i.sign(t, i.header(), claimsOf("sub", `"eve"`, "jti", `"x"`, "sid", "")),
		"the same claims":                i.sign(t, strings.Replace(i.header(), "at+jwt", "application/at+jwt", 1), claimsOf()),
	} {
		require.NotEqual(t, first, raw)
		i.at(0)
		i.says(raw, isInactive)
		i.accepted(first)
		i.revoked(raw)
		i.accepted(first)
		i.revoked(raw)
		require.Equal(t, raw, i.asked[len(i.asked)-1], desc)
	}
	i.asks(6)
	require.Len(t, i.in.questions, 6)
}

// TestIntrospectionFailures: what is no answer is not remembered, and a failure never
// falls back upon an answer that is too old.
func TestIntrospectionFailures(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		i.fail(errRefused)
		i.unanswered(raw, errRefused)
		i.unanswered(raw, errRefused)
		i.asks(2)
		i.told(2)
		require.Empty(t, i.in.questions)
		i.fail(nil)
		i.accepted(raw)
		i.asks(3)

		i.at(5*time.Second - 1)
		i.fail(errRefused)
		i.accepted(raw)
		i.told(0)
		i.at(5 * time.Second)
		i.unanswered(raw, errRefused)
		i.asks(4)
		i.told(1)
		// The older answer is gone for good, whatever the clock does.
		i.at(0)
		i.unanswered(raw, errRefused)
		i.asks(5)
		i.told(1)
	})
}

func TestIntrospectionTimeout(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		release := i.held(raw)
		began := time.Now()
		i.unanswered(raw, context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(began))
		i.told(1)
		release()
		i.accepted(raw)
	})
}

func TestIntrospectionTransportPanics(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) {
		cfg.Transport = roundTripper(func(*http.Request) (*http.Response, error) { panic("oops") })
	}, func(t *testing.T, i *inquiry) {
		_, err := i.Verify(t.Context(), i.good(t))
		isUnknown(t, err)
		require.ErrorContains(t, err, "a panic: oops")
		i.told(1)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestIntrospectionOneQuestionPerToken(t *testing.T) {
	for desc, answer := range map[string]struct {
		says string
		want error
	}{"active": {isActive, nil}, "inactive": {isInactive, refusedRevoked}, "no answer": {"", core.ErrUnknown}} {
		t.Run(desc, func(t *testing.T) {
			inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
				raw := i.good(t)
				i.says(raw, answer.says)
				release := i.held(raw)
				var waiting []<-chan error
				for range 1000 {
					waiting = append(waiting, i.later(t.Context(), raw))
				}
				synctest.Wait()
				i.asks(1)
				release()
				for _, c := range waiting {
					require.ErrorIs(t, <-c, answer.want)
				}
				i.asks(1)
				require.Equal(t, 1, i.most, "at once")
				i.told(map[bool]int{true: 1}[answer.says == ""])
			})
		})
	}
}

// TestIntrospectionOthersDoNotWait: a question that is not answered holds up nobody with
// another token.
func TestIntrospectionOthersDoNotWait(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		slow, other := i.good(t), i.good(t, "jti", `"b"`)
		release := i.held(slow)
		waiting := i.later(t.Context(), slow)
		synctest.Wait()
		began := time.Now()
		i.accepted(other)
		i.accepted(other)
		require.Zero(t, time.Since(began))
		require.Empty(t, waiting)
		release()
		require.NoError(t, <-waiting)
		i.asks(2)
	})
}

// TestIntrospectionWaitersHaveTheirOwnContext: who hangs up goes, and the question goes
// on for the others, also if it was his.
func TestIntrospectionWaitersHaveTheirOwnContext(t *testing.T) {
	inquiryTest(t, nil, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		release := i.held(raw)
		ctx, hangUp := context.WithCancel(t.Context())
		first := i.later(ctx, raw)
		synctest.Wait()
		second := i.later(t.Context(), raw)
		synctest.Wait()
		hangUp()
		err := <-first
		isUnknown(t, err)
		require.ErrorIs(t, err, context.Canceled)
		synctest.Wait()
		require.Empty(t, second)
		release()
		require.NoError(t, <-second)
		i.asks(1)
		i.told(0)
		for range 100 {
			require.NoError(t, <-i.later(ctx, raw), "nobody has to wait for what is known")
		}
	})
}

// TestIntrospectionSlowAnswers: a question that was asked CacheFor before a request came
// says nothing to that. All such requests share the next.
func TestIntrospectionSlowAnswers(t *testing.T) {
	slow := func(cfg *IntrospectionConfig) { cfg.Timeout = time.Minute }
	never := func(cfg *IntrospectionConfig) { cfg.CacheFor = -1 }
	for _, tc := range []struct {
		desc   string
		change func(*IntrospectionConfig)
		late   time.Duration // when the others come
		asks   int
		fast   bool // the second question is answered before most of them look
	}{
		{"in time", slow, 5*time.Second - 1, 1, false},
		{"too late", slow, 5 * time.Second, 2, false},
		{"too late, then fast", slow, 5 * time.Second, 2, true},
		{"without a cache, at once", never, 0, 1, false},
		{"without a cache, later", never, 1, 2, false},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			inquiryTest(t, tc.change, func(t *testing.T, i *inquiry) {
				raw := i.good(t)
				release := i.held(raw)
				first := i.later(t.Context(), raw)
				synctest.Wait()
				i.says(raw, isInactive)
				want := error(nil)
				if tc.asks == 2 {
					want = refusedRevoked
				}
				var waiting []<-chan error
				for n := range 100 {
					i.at(tc.late + time.Duration(n*(tc.asks-1)))
					waiting = append(waiting, i.later(t.Context(), raw))
					synctest.Wait()
				}
				i.asks(1)
				again := func() {}
				if !tc.fast {
					again = i.held(raw)
				}
				release()
				require.NoError(t, <-first)
				synctest.Wait()
				i.asks(tc.asks)
				if tc.asks == 2 && !tc.fast {
					require.Empty(t, waiting[0])
				}
				again()
				for _, c := range waiting {
					require.Equal(t, want, <-c)
				}
				i.asks(tc.asks)
				require.Equal(t, 1, i.most, "at once")
			})
		})
	}
}

// TestIntrospectionSlowFailure: nobody waits for two questions that fail.
func TestIntrospectionSlowFailure(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheFor = -1 }, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		defer i.held(raw)()
		first := i.later(t.Context(), raw)
		synctest.Wait()
		i.at(1)
		second := i.later(t.Context(), raw)
		require.ErrorIs(t, <-first, context.DeadlineExceeded)
		require.ErrorIs(t, <-second, context.DeadlineExceeded)
		i.asks(1)
	})
}

// TestIntrospectionClocksDiffer: a clock that goes back between a request's beginning
// and its question makes nobody ask for ever.
func TestIntrospectionClocksDiffer(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) {
		now := cfg.Now
		cfg.CacheFor, cfg.Now = -1, func() time.Time { return now().Add(-time.Hour) }
	}, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		i.accepted(raw)
		i.asks(1)
		release := i.held(raw)
		waiting := []<-chan error{i.later(t.Context(), raw), i.later(t.Context(), raw), i.later(t.Context(), raw)}
		synctest.Wait()
		again := i.held(raw)
		release()
		synctest.Wait()
		i.asks(3)
		again()
		for _, c := range waiting {
			require.NoError(t, <-c)
		}
		i.asks(3)
	})
}

func TestIntrospectionWithoutCache(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheFor = -1 }, func(t *testing.T, i *inquiry) {
		raw := i.good(t)
		i.accepted(raw)
		i.accepted(raw)
		i.says(raw, isInactive)
		i.revoked(raw)
		i.says(raw, isActive)
		i.accepted(raw)
		i.asks(4)
		require.Empty(t, i.in.questions)
		require.Empty(t, i.in.answered)
	})
}

// TestIntrospectionWithoutTokenCache: answers are remembered whether or not tokens are.
func TestIntrospectionWithoutTokenCache(t *testing.T) {
	i := newInquiry(t, newPen(t, EdDSA, "k1"), nil, func(c *VerifierConfig) { c.CacheBytes = -1 })
	raw := i.good(t)
	i.accepted(raw)
	i.accepted(raw)
	i.asks(1)
}

func TestIntrospectionIsBounded(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheEntries = 10 }, func(t *testing.T, i *inquiry) {
		token := func(n int) string { return i.good(t, "jti", fmt.Sprintf(`"%d"`, n)) }
		bounded := func(want int) {
			t.Helper()
			require.Len(t, i.in.questions, want)
			require.Equal(t, want, len(i.in.answered)-i.in.head)
			require.LessOrEqual(t, cap(i.in.answered), 64)
			require.Zero(t, i.in.underWay)
			for n, q := range i.in.answered[:cap(i.in.answered)] {
				require.Equal(t, n < i.in.head || n >= len(i.in.answered), q == nil, "what is forgotten is held by nothing")
			}
		}
		for n := range 10 {
			i.accepted(token(n))
			bounded(n + 1)
		}
		i.accepted(token(0))
		i.asks(10)
		// The oldest goes.
		i.accepted(token(10))
		bounded(10)
		i.accepted(token(1))
		bounded(10)
		i.asks(11)
		i.accepted(token(0))
		bounded(10)
		i.asks(12)
		for n := range 1000 {
			i.accepted(token(100 + n))
			bounded(10)
		}
		// What is too old goes as soon as anything comes.
		i.at(5 * time.Second)
		i.accepted(token(0))
		bounded(1)
		// One token, again and again.
		for n := range 100 {
			i.at(time.Duration(n) * 10 * time.Second)
			i.accepted(i.good(t, "exp", "1800000000"))
			bounded(1)
		}
	})
}

// TestIntrospectionForgetsOnlyItsOwn: an answer that leaves does not take along the newer
// one about the same token.
func TestIntrospectionForgetsOnlyItsOwn(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheEntries = 3 }, func(t *testing.T, i *inquiry) {
		raw := i.good(t, "exp", "1700099999")
		i.accepted(raw)
		i.at(-1) // asked anew, while the other is still there
		i.accepted(raw)
		i.accepted(i.good(t, "jti", `"b"`))
		i.accepted(i.good(t, "jti", `"c"`))
		i.asks(4)
		i.accepted(raw)
		i.asks(4)
	})
}

func TestIntrospectionQuestionsUnderWayAreBounded(t *testing.T) {
	inquiryTest(t, func(cfg *IntrospectionConfig) { cfg.CacheEntries, cfg.CacheFor = 2, -1 }, func(t *testing.T, i *inquiry) {
		a, b, c := i.good(t, "jti", `"a"`), i.good(t, "jti", `"b"`), i.good(t, "jti", `"c"`)
		releaseA, releaseB := i.held(a), i.held(b)
		waiting := []<-chan error{i.later(t.Context(), a), i.later(t.Context(), b)}
		synctest.Wait()
		began := time.Now()
		i.unanswered(c, errTooManyQuestions)
		require.Zero(t, time.Since(began), "it does not wait")
		waiting = append(waiting, i.later(t.Context(), a))
		synctest.Wait()
		i.asks(2)
		releaseA()
		require.NoError(t, <-waiting[0])
		require.NoError(t, <-waiting[2])
		i.accepted(c)
		releaseB()
		require.NoError(t, <-waiting[1])
		synctest.Wait()
		require.Zero(t, i.in.underWay)
	})
}

// TestIntrospectionKeepsNoRequest: what is remembered is not a part of a larger string.
func TestIntrospectionKeepsNoRequest(t *testing.T) {
	i := newInquiry(t, newPen(t, EdDSA, "k1"), nil, nil)
	larger := "Bearer " + i.good(t) + " and more"
	raw := larger[len("Bearer ") : len(larger)-len(" and more")]
	i.accepted(raw)
	require.NotSame(t, unsafe.StringData(raw), unsafe.StringData(i.in.questions[raw].raw))
	for key := range i.in.questions {
		require.NotSame(t, unsafe.StringData(raw), unsafe.StringData(key))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = i.Verify(t.Context(), raw) }))
	i.asks(1)
}

// TestIntrospectionParallel is for the race detector: real parallelism, every path.
func TestIntrospectionParallel(t *testing.T) {
	i := newInquiry(t, newPen(t, EdDSA, "k1"), func(cfg *IntrospectionConfig) { cfg.CacheEntries = 8 }, nil)
	var raws []string
	for n := range 16 {
		raws = append(raws, i.good(t, "jti", fmt.Sprintf(`"%d"`, n), "exp", "1800000000"))
	}
	i.says(raws[0], isInactive)
	i.says(raws[1], "?")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := range 200 {
				raw := raws[(n*7+w)%len(raws)]
				i.at(time.Duration(n*w) * time.Millisecond * 50)
				_, err := i.Verify(t.Context(), raw)
				switch {
				case errors.Is(err, errTooManyQuestions):
				case raw == raws[0] && !errors.Is(err, ErrRevoked),
					raw == raws[1] && !errors.Is(err, core.ErrUnknown),
					raw != raws[0] && raw != raws[1] && err != nil:
					t.Errorf("%d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, len(i.in.questions), 8)
	require.Zero(t, i.in.underWay)
	require.Equal(t, 1, i.most, "about one token at once")
}

// TestIntrospectionCountsAsWired: behind an endpoint that verifies with the registry, a
// service reports its sightings before it accepts anything, and what ends a token in the
// registry ends it here after CacheFor at most.
func TestIntrospectionCountsAsWired(t *testing.T) {
	dead := errors.New("the store is dead")
	for desc, row := range map[string]struct {
		ends  func(*witness)
		class error
	}{
		"revoked": {func(w *witness) { w.found.Denied = true }, ErrRevoked},
		"voided":  {func(w *witness) { w.found.Floor = 10 }, ErrRevoked},
		"unknown": {func(w *witness) { w.check = dead }, core.ErrUnknown},
	} {
		t.Run(desc, func(t *testing.T) {
			w := &witness{found: revocation.Found{Epoch: 3}}
			issuer := newWitnessed(t, w, nil)
			endpoint := roundTripper(func(req *http.Request) (*http.Response, error) {
				if err := req.ParseForm(); err != nil {
					return nil, err
				}
				status, body := http.StatusOK, isActive
				switch _, err := issuer.Verify(req.Context(), req.PostForm.Get("token")); {
				case errors.Is(err, core.ErrUnknown):
					status, body = http.StatusServiceUnavailable, ""
				case err != nil:
					body = isInactive
				}
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
			})
			service := newInquiry(t, issuer.pen, func(cfg *IntrospectionConfig) { cfg.Transport = endpoint }, nil)
			raw := issuer.good(t, "gen", "4", "ans", "9")
			service.accepted(raw)
			require.Equal(t, []string{sight, check}, w.calls)
			row.ends(w)
			service.at(5*time.Second - 1)
			service.accepted(raw)
			service.at(5 * time.Second)
			_, err := service.Verify(t.Context(), raw)
			require.ErrorIs(t, err, row.class)
			require.Equal(t, []string{sight, check, check}, w.calls)
		})
	}
}

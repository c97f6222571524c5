package redisstore_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/audit"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// The lengths of the windows that a site's tokens have, as refresh.Config's defaults
// are, and what lies behind the edge of each.
const (
	grace      = 10 * time.Second
	pastGrace  = grace + time.Second
	pastWindow = 3*grace + time.Second
	denials    = accessLife + revocation.Margin
	accessLife = 15 * time.Minute
	familyIdle = 14 * 24 * time.Hour
	familyEnd  = 30 * 24 * time.Hour
)

// issuer signs nothing: an access token says in the clear which answer it came with.
type issuer struct{}

func (issuer) Audience() string        { return "api" }
func (issuer) Lifetime() time.Duration { return accessLife }

func (issuer) IssueAnswer(_ context.Context, _ core.Principal, _ string, a revocation.Answer, notAfter time.Time) (string, time.Time, error) {
	return fmt.Sprintf("%d %d", a.Generation, a.Stamp), notAfter, nil
}

// events are the causes that were told, by name.
type events struct {
	mu  sync.Mutex
	all map[audit.Name][]audit.Cause
}

func (e *events) Record(_ context.Context, event audit.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = make(map[audit.Name][]audit.Cause)
	}
	e.all[event.Name] = append(e.all[event.Name], event.Cause)
}

// take returns the causes that came with the name since it was asked for last.
func (e *events) take(name audit.Name) []audit.Cause {
	e.mu.Lock()
	defer e.mu.Unlock()
	defer delete(e.all, name)
	return e.all[name]
}

// enter logs in and gets tokens.
func (s *site) enter(subject string) refresh.Tokens {
	s.t.Helper()
	tokens, err := s.tokens.Login(s.t.Context(), refresh.Identity{Subject: subject}, refresh.From{})
	require.NoError(s.t, err)
	return tokens
}

func (s *site) refresh(token string) (refresh.Tokens, error) {
	return s.tokens.Refresh(s.t.Context(), token, nil, refresh.From{})
}

// answered presents a token that has to be answered as cause says.
func (s *site) answered(token string, cause audit.Cause) refresh.Tokens {
	s.t.Helper()
	s.events.take(audit.TokenRotated)
	tokens, err := s.refresh(token)
	require.NoError(s.t, err)
	require.Equal(s.t, []audit.Cause{cause}, s.events.take(audit.TokenRotated))
	return tokens
}

// refused presents a token that is worth nothing.
func (s *site) refused(token string) {
	s.t.Helper()
	_, err := s.refresh(token)
	require.ErrorIs(s.t, err, refresh.ErrInvalidGrant)
}

// verify is what a verifier does with an access token that it sees for the first time.
func (s *site) verify(tokens refresh.Tokens) error {
	s.t.Helper()
	n := revocation.Named{Subject: tokens.Principal.Subject, Session: tokens.Principal.Session, Epoch: tokens.Principal.Epoch}
	_, err := fmt.Sscan(tokens.Access, &n.Answer.Generation, &n.Answer.Stamp)
	require.NoError(s.t, err)
	c, err := s.m.Revocations().Credential(n)
	require.NoError(s.t, err)
	if err := s.m.Revocations().Sight(s.t.Context(), &c); err != nil {
		return err
	}
	return s.m.Revocations().Check(s.t.Context(), &c)
}

func (s *site) pass(d time.Duration) { s.ahead.Add(int64(d)) }

// seat is where the family of tokens stands: a Redis key and a field of it.
func (s *site) seat(tokens refresh.Tokens) (key, field string) {
	s.t.Helper()
	h, ok := revocation.ParseHandle(tokens.Principal.Session)
	require.True(s.t, ok)
	tag := s.m.Revocations().Owner(tokens.Principal.Subject).Tag
	return s.prefix + "{" + hex.EncodeToString(tag[:]) + "}", "f" + string(h[:])
}

// family reads the record of a family as it stands in Redis.
func (s *site) family(n *node, tokens refresh.Tokens) string {
	s.t.Helper()
	key, field := s.seat(tokens)
	return n.text(s.t, "HGET", key, field)
}

// putFamily writes a record behind the store's back.
func (s *site) putFamily(n *node, tokens refresh.Tokens, record string) {
	s.t.Helper()
	key, field := s.seat(tokens)
	n.must(s.t, "HSET", key, field, record)
	n.must(s.t, "PEXPIRE", key, "600000")
}

func TestTokensOnRedis(t *testing.T) {
	n := startNode(t)
	s := newSite(t, n.client(t, rueidis.ClientOption{}))
	first := s.enter("ann")
	require.NoError(t, s.verify(first))
	s.pass(pastWindow)
	second := s.answered(first.Refresh, "rotated")
	require.Equal(t, second.Refresh, s.answered(first.Refresh, "repeated").Refresh)
	require.Empty(t, s.answered(second.Refresh, "coalesced").Refresh)
	s.pass(pastWindow)
	third := s.answered(second.Refresh, "rotated")
	s.pass(pastGrace)
	again := s.answered(second.Refresh, "late-repeat")
	require.Equal(t, third.Refresh, again.Refresh)
	require.ErrorIs(t, s.verify(third), revocation.ErrRevoked)
	require.NoError(t, s.verify(again))
	s.pass(pastGrace)
	s.refused(second.Refresh)
	require.Equal(t, []audit.Cause{"reuse:late-after-confirm"}, s.events.take(audit.TokenReuse))
	s.refused(again.Refresh)
	require.ErrorIs(t, s.verify(again), revocation.ErrRevoked)
}

// oneConnection goes to an address with a single connection: whatever is cut off there
// had been asked and not merely dialled, and what answers again does so for every call.
func oneConnection(addr string) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: true, PipelineMultiplex: -1}
}

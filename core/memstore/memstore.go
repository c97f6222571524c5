// Package memstore is the embedded store: sessions, refresh families and revocations in
// the memory of one process, bounded, without a goroutine or timer of its own. It is
// what a single node needs and what tests run on; a restart forgets every session and
// every family.
package memstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config bounds a Store. The zero value is complete.
type Config struct {
	// AnonymousBytes and AuthenticatedBytes bound, apart from each other, what
	// the sessions of visitors and of logged-in users may take up: a flood of
	// visitors evicts no user. A full budget drops what has expired, and then
	// the session that was used longest ago. Defaults 64 MiB and 256 MiB; at
	// least 1 MiB and at most 32 GiB each.
	//
	// A session counts with its record (what the Manager stores, about 100
	// bytes more than the application's data, and up to 60 bytes around it), an
	// eighth of that for the garbage that changes leave, and 96 bytes for
	// finding it. So 256 MiB are enough for 600,000 users with 120 bytes each.
	AnonymousBytes     int64
	AuthenticatedBytes int64
	// FamilyBytes bounds what refresh families take up: each counts with its Value
	// (who logged in, and how), an eighth of that, and 208 bytes. So 64 MiB are
	// enough for 200,000 of them with 100 bytes each. They are never evicted, because
	// a forgotten one is a log-out; a full budget drops what has expired and then
	// refuses the next with refresh.ErrFull. Default 64 MiB, at least 1 MiB and at
	// most 32 GiB.
	FamilyBytes int64
	// RevocationBytes bounds what is remembered of revocations: 80 bytes for each
	// subject whose epoch rose, and for each session, family, token or lost answer
	// that was ended by itself. They are never evicted, because a forgotten one is a
	// login; a full budget refuses the next with revocation.ErrFull. But a family that
	// a decision about its token ends is never spared for that: the denial stands in
	// its place then, and counts against FamilyBytes. Default 16 MiB, at least 1 MiB
	// and at most 32 GiB.
	RevocationBytes int64
	// Now is the clock by which all of it expires here; default time.Now.
	Now func() time.Time
}

const (
	defaultAnonymousBytes     = 64 << 20
	defaultAuthenticatedBytes = 256 << 20
	defaultFamilyBytes        = 64 << 20
	defaultRevocationBytes    = 16 << 20
	minBytes                  = 1 << 20
	// maxBytes keeps the numbers of one shard's slots within idBits.
	maxBytes   = 32 << 30
	shardCount = 64
)

// ErrClosed is returned by every operation of a Store after Close.
var ErrClosed = errors.New("memstore: the store is closed")

// Store keeps sessions, refresh families and revocations in memory. It implements
// session.Store, refresh.Store and revocation.Store and is safe for concurrent use. Make
// one with Default or New.
type Store struct {
	now         func() time.Time
	families    room
	revocations room
	reports     reporters
	shards      [shardCount]shard
}

var (
	_ session.Local    = (*Store)(nil)
	_ session.Reporter = (*Store)(nil)
	_ refresh.Store    = (*Store)(nil)
)

// Default returns a Store with the default bounds.
func Default() *Store {
	s, _ := New(Config{}) // the zero Config has no mistakes
	return s
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError.
func New(cfg Config) (*Store, error) {
	var errs []error
	for _, b := range []struct {
		field   string
		value   *int64
		initial int64
	}{
		{"AnonymousBytes", &cfg.AnonymousBytes, defaultAnonymousBytes},
		{"AuthenticatedBytes", &cfg.AuthenticatedBytes, defaultAuthenticatedBytes},
		{"FamilyBytes", &cfg.FamilyBytes, defaultFamilyBytes},
		{"RevocationBytes", &cfg.RevocationBytes, defaultRevocationBytes},
	} {
		if *b.value == 0 {
			*b.value = b.initial
		}
		if *b.value < minBytes || *b.value > maxBytes {
			errs = append(errs, &core.ConfigError{Field: "memstore.Config." + b.field,
				Value: strconv.FormatInt(*b.value, 10), Reason: "must be 1 MiB (1048576) to 32 GiB (34359738368)"})
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("memstore: %w", errors.Join(errs...))
	}
	s := &Store{now: cfg.Now}
	if s.now == nil {
		s.now = time.Now
	}
	s.families.budget, s.revocations.budget = cfg.FamilyBytes, cfg.RevocationBytes
	base := s.micros()
	seed := seed{rand.Uint64(), rand.Uint64() | 1}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.base, sh.seed = base, seed
		sh.families = families{base: base, seed: seed, room: &s.families}
		sh.revoked = revocations{seed: seed, room: &s.revocations}
		sh.classes[anonymous].budget = cfg.AnonymousBytes / shardCount
		sh.classes[authenticated].budget = cfg.AuthenticatedBytes / shardCount
	}
	return s, nil
}

// LocalStore marks the store as one that never blocks.
func (s *Store) LocalStore() {}

// Report registers a function that is told of every session that this store ends
// by itself.
func (s *Store) Report(f func(key session.StoreKey, e session.Entry, why session.Ending)) {
	s.reports.add(f)
}

// Close forgets everything and gives the memory back; nothing of it is reported.
// Every later operation returns ErrClosed. It never fails and may be called again.
// A Store that is simply dropped leaves nothing behind either.
func (s *Store) Close() error {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		sh.close()
		sh.mu.Unlock()
	}
	return nil
}

func (s *Store) micros() int64 { return s.now().UnixMicro() }

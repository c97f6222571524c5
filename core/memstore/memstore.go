// Package memstore is the embedded store: sessions in the memory of one process,
// bounded, without a goroutine or timer of its own. It is what a single node
// needs and what tests run on; a restart forgets every session.
package memstore

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sallyport-go/sallyport/core"
	"github.com/sallyport-go/sallyport/core/session"
)

// Config bounds a Store. The zero value is complete.
type Config struct {
	// AnonymousBytes and AuthenticatedBytes bound, apart from each other, what
	// the sessions of visitors and of logged-in users may take up: a flood of
	// visitors evicts no user. A full budget evicts the session that was used
	// longest ago. Defaults 64 MiB and 256 MiB; at least 1 MiB each.
	//
	// A session counts with its data and 256 bytes for what surrounds it.
	AnonymousBytes     int64
	AuthenticatedBytes int64
	// Now is the clock by which sessions expire here; default time.Now.
	Now func() time.Time
}

const (
	defaultAnonymousBytes     = 64 << 20
	defaultAuthenticatedBytes = 256 << 20
	minBytes                  = 1 << 20
	overhead                  = 256
	shardCount                = 64 // a power of two
)

// Store keeps sessions in memory. It implements session.Store, is safe for
// concurrent use, and needs no Close. Make one with Default or New.
type Store struct {
	now     func() time.Time
	budgets [classes]int64 // of one shard
	reports reporters
	shards  [shardCount]shard
}

var (
	_ session.Local    = (*Store)(nil)
	_ session.Reporter = (*Store)(nil)
)

// Default returns a Store with the default bounds.
func Default() *Store {
	s, _ := New(Config{}) // the zero Config has no mistakes
	return s
}

// New compiles cfg. The error joins every mistake, each a *core.ConfigError.
func New(cfg Config) (*Store, error) {
	var errs []error
	s := &Store{now: cfg.Now}
	for i, b := range []struct {
		field          string
		value, initial int64
	}{
		{"AnonymousBytes", cfg.AnonymousBytes, defaultAnonymousBytes},
		{"AuthenticatedBytes", cfg.AuthenticatedBytes, defaultAuthenticatedBytes},
	} {
		if b.value == 0 {
			b.value = b.initial
		}
		if b.value < minBytes {
			errs = append(errs, &core.ConfigError{Field: "memstore.Config." + b.field,
				Value: strconv.FormatInt(b.value, 10), Reason: "must be at least 1 MiB (1048576)"})
		}
		s.budgets[i] = b.value / shardCount
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("memstore: %w", errors.Join(errs...))
	}
	if s.now == nil {
		s.now = time.Now
	}
	for i := range s.shards {
		s.shards[i].init()
	}
	return s, nil
}

// LocalStore marks the store as one that never blocks.
func (s *Store) LocalStore() {}

// Report registers a function that is told of every session that this store ends
// by itself.
func (s *Store) Report(f func(key session.StoreKey, e session.Entry, evicted bool)) { s.reports.add(f) }

// Stats counts what is there and what was ended by the store.
type Stats struct {
	// Anonymous and Authenticated are sessions that are held, expired ones that
	// nobody came across included. Snapshots of renewed ids count as sessions.
	Anonymous, Authenticated int
	// AnonymousBytes and AuthenticatedBytes are what they take of the budgets.
	AnonymousBytes, AuthenticatedBytes int64
	// Expired and Evicted count since the store was made.
	Expired, Evicted uint64
}

// Stats adds up the counters. It visits every shard and is cheap, but not free.
func (s *Store) Stats() Stats {
	var t Stats
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		t.Anonymous += sh.lists[anonymous].count
		t.Authenticated += sh.lists[authenticated].count
		t.AnonymousBytes += sh.lists[anonymous].bytes
		t.AuthenticatedBytes += sh.lists[authenticated].bytes
		t.Expired += sh.expired
		t.Evicted += sh.evicted
		sh.mu.Unlock()
	}
	return t
}

// Sweep drops every expired session now and returns how many there were. The
// store also does so bit by bit with every write and whenever it meets one, so
// calling it is only for those who want their end reported soon on a quiet node.
func (s *Store) Sweep() int {
	total := 0
	for i := range s.shards {
		sh := &s.shards[i]
		var gone []dropped
		sh.mu.Lock()
		now := s.now()
		for _, it := range sh.items {
			if it.expired(now) {
				gone = append(gone, sh.drop(it, false))
			}
		}
		sh.mu.Unlock()
		s.reports.send(gone)
		total += len(gone)
	}
	return total
}

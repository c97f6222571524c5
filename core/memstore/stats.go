package memstore

import "github.com/sallyport-go/sallyport/core/session"

// Stats counts what is there and what was ended by the store.
type Stats struct {
	// Anonymous and Authenticated are sessions that are held, expired ones that
	// nobody came across included. Snapshots of renewed ids count as sessions.
	Anonymous, Authenticated int
	// AnonymousBytes and AuthenticatedBytes are what they take of the budgets.
	AnonymousBytes, AuthenticatedBytes int64
	// Revocations are epochs and denied handles that are held, those included
	// that could be forgotten by now; RevocationBytes what they take of the
	// budget.
	Revocations     int
	RevocationBytes int64
	// Expired, Evicted and Revoked count what the store ended since it was made.
	Expired, Evicted, Revoked uint64
}

// Stats adds up the counters. It visits every shard and is cheap, but not free.
func (s *Store) Stats() Stats {
	var t Stats
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		t.Anonymous += sh.classes[anonymous].count
		t.Authenticated += sh.classes[authenticated].count
		t.AnonymousBytes += sh.classes[anonymous].bytes
		t.AuthenticatedBytes += sh.classes[authenticated].bytes
		t.Revocations += sh.revoked.count
		t.Expired += sh.endings[session.Expired]
		t.Evicted += sh.endings[session.Evicted]
		t.Revoked += sh.endings[session.Revoked]
		sh.mu.Unlock()
	}
	t.RevocationBytes = s.room.taken.Load()
	return t
}

// Sweep drops every expired session now and returns how many there were, and
// forgets what need not be remembered of revocations. The store also does so bit
// by bit with every write and whenever it meets one, so calling it is only for
// those who want their end reported soon on a quiet node.
func (s *Store) Sweep() int {
	total := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		now := s.micros()
		for k := range classes {
			for id := sh.expired(k, now); id != 0; id = sh.expired(k, now) {
				sh.drop(id, session.Expired)
			}
		}
		sh.revoked.forget(now)
		sh.compact()
		gone := sh.took()
		sh.mu.Unlock()
		s.reports.send(gone)
		total += len(gone)
	}
	return total
}

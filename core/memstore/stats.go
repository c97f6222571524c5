package memstore

import "github.com/sallyport-go/sallyport/core/session"

// Stats counts what is there and what was ended by the store.
type Stats struct {
	// Anonymous and Authenticated are sessions that are held, expired ones that
	// nobody came across included. Snapshots of renewed ids count as sessions.
	Anonymous, Authenticated int
	// AnonymousBytes and AuthenticatedBytes are what they take of the budgets.
	AnonymousBytes, AuthenticatedBytes int64
	// Families are refresh families that are held, expired ones that nobody came
	// across included; FamilyBytes what they take of the budget.
	Families    int
	FamilyBytes int64
	// Revocations are epochs, denials and voids that are held, those included that
	// could be forgotten by now; RevocationBytes what they take of the budget.
	Revocations     int
	RevocationBytes int64
	// Expired, Evicted and Revoked count the sessions that the store ended since it was
	// made, FamiliesExpired and FamiliesRevoked the families. What was ended by itself,
	// or made room for another one of its owner, is in neither.
	Expired, Evicted, Revoked        uint64
	FamiliesExpired, FamiliesRevoked uint64
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
		t.Families += sh.families.count
		t.Revocations += sh.revoked.count + sh.families.denials
		t.Expired += sh.endings[session.Expired]
		t.Evicted += sh.endings[session.Evicted]
		t.Revoked += sh.endings[session.Revoked]
		t.FamiliesExpired += sh.families.expired
		t.FamiliesRevoked += sh.families.revoked
		sh.mu.Unlock()
	}
	t.FamilyBytes, t.RevocationBytes = s.families.taken.Load(), s.revocations.taken.Load()
	return t
}

// Sweep drops every expired session and family now and returns how many there were, and
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
		before := sh.families.expired
		for sh.families.expire(now) {
		}
		total += int(sh.families.expired - before)
		sh.revoked.forget(now)
		sh.compact()
		gone := sh.took()
		sh.mu.Unlock()
		s.reports.send(gone)
		total += len(gone)
	}
	return total
}

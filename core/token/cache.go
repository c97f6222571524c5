package token

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

const (
	// perOwner is how many tokens of one session, or of one subject where there are
	// no sessions, are kept: nobody pushes the others out by fetching tokens.
	perOwner = 8
	// secondChances bounds what finding room may cost.
	secondChances = 32
	cacheShards   = 64
)

// entryBytes is what an entry costs beside the token's bytes and its claims': itself,
// the Token, the two maps' share with their spare room, and what the allocator rounds
// up.
const entryBytes = int(unsafe.Sizeof(entry{})+unsafe.Sizeof(Token{})) + 320

// cache remembers tokens whose signature was verified. It knows nothing about whether
// they are still good: whoever gets one asks.
//
// Lookups touch one shard. Everything that changes comes after a signature check, which
// costs a hundred times as much, and goes through one mutex.
type cache struct {
	// hash finds a token's place. It proves nothing: an entry is a token's only if
	// it has the very same bytes. (It is seeded, so that nobody can make tokens
	// that are looked for in one place; and comparing in variable time tells
	// nothing to somebody who does not have a token with that hash already.)
	hash   func(raw string) uint64
	shards [cacheShards]shard
	limit  int

	mu     sync.Mutex // taken before a shard's
	bytes  int
	queue  entry            // sentinel of a ring: next is the oldest, prev the newest
	owners map[owner]*entry // the newest of each; older leads to the others
}

type shard struct {
	mu      sync.RWMutex
	entries map[uint64]*entry
	_       [32]byte // a cache line of its own
}

// owner is whose a token is.
type owner struct {
	from    *trusted
	name    string
	session bool // name is that of a session
}

type entry struct {
	hash  uint64
	raw   string
	token *Token
	key   *verificationKey
	from  *trusted
	used  atomic.Bool

	cost       int
	next, prev *entry // nil: not in the cache
	older      *entry
}

func newCache(limit int) *cache {
	seed := maphash.MakeSeed()
	c := &cache{
		hash:   func(raw string) uint64 { return maphash.String(seed, raw) },
		limit:  limit,
		owners: map[owner]*entry{},
	}
	c.queue.next, c.queue.prev = &c.queue, &c.queue
	for i := range c.shards {
		c.shards[i].entries = map[uint64]*entry{}
	}
	return c
}

func (c *cache) shard(hash uint64) *shard { return &c.shards[hash>>32%cacheShards] }

// get returns the entry of raw, or nil.
func (c *cache) get(raw string) *entry {
	hash := c.hash(raw)
	s := c.shard(hash)
	s.mu.RLock()
	e := s.entries[hash]
	s.mu.RUnlock()
	if e == nil || e.raw != raw {
		return nil
	}
	if !e.used.Load() { // a store alone would take the line from the other cores each time
		e.used.Store(true)
	}
	return e
}

// put remembers that raw is t, verified with key. over says of a token whether its time
// is over.
func (c *cache) put(raw string, t *Token, key *verificationKey, from *trusted, over func(*Token) bool) {
	e := &entry{hash: c.hash(raw), token: t, key: key, from: from, cost: cost(raw, t)}
	if e.cost > c.limit {
		return
	}
	e.raw = strings.Clone(raw) // it may be a part of something larger
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.shard(e.hash)
	if old := s.entries[e.hash]; old != nil { // only put and remove write, under c.mu
		if old.raw == e.raw && old.key == key {
			return // two requests verified it at once
		}
		c.remove(old)
	}
	whose := ownerOf(e)
	n, oldest := 0, (*entry)(nil)
	for o := c.owners[whose]; o != nil; o = o.older {
		n, oldest = n+1, o
	}
	if n >= perOwner {
		c.remove(oldest)
	}
	c.makeRoom(e.cost, over)
	e.older = c.owners[whose]
	c.owners[whose] = e
	c.push(e)
	c.bytes += e.cost
	s.mu.Lock()
	s.entries[e.hash] = e
	s.mu.Unlock()
}

// makeRoom evicts the oldest until cost fits: those whose time is over at once, those
// that were used since they were looked at last after another round.
func (c *cache) makeRoom(cost int, over func(*Token) bool) {
	for spared := 0; c.bytes+cost > c.limit; {
		e := c.queue.next
		if spared < secondChances && e.used.Load() && !over(e.token) {
			spared++
			e.used.Store(false)
			e.next.prev, e.prev.next = e.prev, e.next
			c.push(e)
			continue
		}
		c.remove(e)
	}
}

func (c *cache) push(e *entry) {
	e.prev, e.next = c.queue.prev, &c.queue
	e.prev.next, e.next.prev = e, e
}

// drop forgets e, if it is still there.
func (c *cache) drop(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.next != nil {
		c.remove(e)
	}
}

func (c *cache) remove(e *entry) {
	s := c.shard(e.hash)
	s.mu.Lock()
	delete(s.entries, e.hash)
	s.mu.Unlock()
	e.next.prev, e.prev.next = e.prev, e.next
	e.next, e.prev = nil, nil
	c.bytes -= e.cost
	whose := ownerOf(e)
	if c.owners[whose] == e {
		if e.older == nil {
			delete(c.owners, whose)
		} else {
			c.owners[whose] = e.older
		}
	} else {
		for o := c.owners[whose]; o != nil; o = o.older {
			if o.older == e {
				o.older = e.older
				break
			}
		}
	}
	e.older = nil
}

func ownerOf(e *entry) owner {
	if sid := e.token.claims.Session; sid != "" {
		return owner{e.from, sid, true}
	}
	return owner{e.from, e.token.claims.Subject, false}
}

// cost is what keeping t takes, in bytes. Claims are parts of the payload; those with
// escapes and those of a Principal of the application's making are counted again.
func cost(raw string, t *Token) int {
	n := entryBytes + len(raw) + len(t.payload)
	c, p := &t.claims, &t.principal
	for _, list := range [][]string{c.Audience, c.Methods, c.Roles, c.Scopes} {
		n += len(list) * int(unsafe.Sizeof(""))
	}
	if strings.Contains(t.payload, `\`) {
		n += len(t.payload)
	}
	if p.Subject != c.Subject || !sameList(p.Roles, c.Roles) || !sameList(p.Scopes, c.Scopes) || p.Session != c.Session {
		n += len(p.Subject) + len(p.Session) + len(p.Method)
		for _, list := range [][]string{p.Roles, p.Scopes} {
			for _, s := range list {
				n += len(s) + int(unsafe.Sizeof(""))
			}
		}
	}
	return n + n/8
}

func sameList(a, b []string) bool {
	return len(a) == len(b) && unsafe.SliceData(a) == unsafe.SliceData(b)
}

// over reports whether a token that expires then is over.
func over(expires, now time.Time, leeway time.Duration) bool {
	return !now.Before(expires.Add(leeway))
}

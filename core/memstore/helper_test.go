package memstore_test

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

const (
	mib    = 1 << 20
	shards = 64
	// perShard is one shard's part of the smallest budget.
	perShard = mib / shards
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// small makes a store with the smallest budgets there are.
func small(t *testing.T, c *clock) *memstore.Store {
	t.Helper()
	s, err := memstore.New(memstore.Config{AnonymousBytes: mib, AuthenticatedBytes: mib, FamilyBytes: mib, RevocationBytes: mib, Now: c.now})
	require.NoError(t, err)
	return s
}

// at makes the key number n of a shard.
func at(shard byte, n int) session.StoreKey {
	k := session.StoreKey{Tag: [4]byte{shard}}
	binary.BigEndian.PutUint64(k.Hash[:], uint64(n))
	return k
}

func number(k session.StoreKey) int { return int(binary.BigEndian.Uint64(k.Hash[:])) }

// owner makes the owner number n, from 1, of a shard; number 0 is nobody.
func owner(shard byte, n int) revocation.Owner {
	if n == 0 {
		return revocation.Owner{}
	}
	o := revocation.Owner{Tag: [4]byte{shard}}
	binary.BigEndian.PutUint64(o.Hash[:], uint64(n))
	return o
}

func handle(n int) (h revocation.Handle) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	return h
}

// unlimited admits whatever comes.
var unlimited = session.Admission{Max: 1 << 30}

// entry makes one of the owner's entries with a value of n bytes; it is listed if
// there is an owner.
func entry(c *clock, o revocation.Owner, n int) session.Entry {
	e := session.Entry{Version: 1, Expires: c.now().Add(time.Hour), Owner: o, Value: strings.Repeat("x", n)}
	if o != (revocation.Owner{}) {
		e.Listed, e.Handle, e.Created = true, handle(n), c.now()
	}
	return e
}

// cost is what Config says that a session counts.
func cost(e session.Entry) int64 {
	n := 8 + varint(e.Version) + len(e.Value)
	if e.Epoch != 0 {
		n += 8
	}
	if !e.Created.IsZero() {
		n += 8
	}
	if e.Handle != (revocation.Handle{}) {
		n += 16
	}
	if e.Owner != (revocation.Owner{}) {
		n += 12
	}
	n += 4 + varint(uint64(n))
	return int64(96 + n + n/8)
}

func varint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// costing makes an entry that counts as n bytes.
func costing(t *testing.T, c *clock, o revocation.Owner, n int64) session.Entry {
	t.Helper()
	for size := int(n); size >= 0; size-- {
		if e := entry(c, o, size); cost(e) <= n {
			require.GreaterOrEqual(t, cost(e), n-1)
			return e
		}
	}
	t.Fatalf("nothing costs %d bytes", n)
	return session.Entry{}
}

func create(t *testing.T, s *memstore.Store, k session.StoreKey, e session.Entry) {
	t.Helper()
	_, _, err := s.Create(t.Context(), k, e, unlimited)
	require.NoError(t, err)
}

func load(t *testing.T, s *memstore.Store, k session.StoreKey) session.Entry {
	t.Helper()
	var out [1]session.Entry
	require.NoError(t, s.Load(t.Context(), []session.StoreKey{k}, out[:]))
	return out[0]
}

func alive(t *testing.T, s *memstore.Store, k session.StoreKey) bool {
	t.Helper()
	return load(t, s, k).Version != 0
}

// asked asks about a session.
func asked(n int) revocation.Asked { return revocation.Asked{Session: handle(n)} }

// familyBytes is what Config says that a family counts.
func familyBytes(f refresh.Family) int64 {
	n := 4 + varint(uint64(len(f.Value))) + len(f.Value)
	return int64(208 + n + n/8)
}

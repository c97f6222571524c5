package memstore

import "sync/atomic"

// room is what is taken of a budget that all shards share. It cannot be divided among
// them, because what is in it is never evicted: one owner alone would fill a small part.
type room struct {
	taken  atomic.Int64
	budget int64
}

func (r *room) has(n int64) bool { return r.taken.Load()+n <= r.budget }

func (r *room) take(n int64) bool {
	if r.taken.Add(n) <= r.budget {
		return true
	}
	r.taken.Add(-n)
	return false
}

func (r *room) give(n int64) { r.taken.Add(-n) }

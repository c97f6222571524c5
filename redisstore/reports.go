package redisstore

import (
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/sallyport-go/sallyport/core/session"
)

type reportFunc = func(key session.StoreKey, e session.Entry, why session.Ending)

// reporters are the functions that want to know what the store ended by itself.
type reporters struct {
	mu   sync.Mutex
	list atomic.Pointer[[]reportFunc]
}

func (r *reporters) add(f reportFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var next []reportFunc
	if old := r.list.Load(); old != nil {
		next = append(next, *old...)
	}
	next = append(next, f)
	r.list.Store(&next)
}

func (r *reporters) send(key session.StoreKey, e session.Entry, why session.Ending) {
	if fs := r.list.Load(); fs != nil {
		for _, f := range *fs {
			f(key, e, why)
		}
	}
}

// Report implements session.Reporter. What Redis expires unseen is reported by
// nobody.
func (s *records) Report(f func(key session.StoreKey, e session.Entry, why session.Ending)) {
	s.reports.add(f)
}

// report tells of what a script removed because it was dead: field, record and
// reason each. The script removed it, so no other node reports it as well. What
// cannot be read has ended all the same and there is nothing to say of it.
func (s *records) report(tag [4]byte, gone []rueidis.RedisMessage) {
	for ; len(gone) >= 3; gone = gone[3:] {
		k, err := s.entry(tag, gone)
		if err != nil {
			continue
		}
		why := session.Expired
		if n, err := gone[2].AsInt64(); err == nil && n == deadRevoked {
			why = session.Revoked
		}
		s.reports.send(k.Key, k.Entry, why)
	}
}

// entry reads a field and its record at the begin of m.
func (s *records) entry(tag [4]byte, m []rueidis.RedisMessage) (session.Keyed, error) {
	field, err := m[0].ToString()
	if err != nil {
		return session.Keyed{}, err
	}
	v, err := m[1].ToString()
	if err != nil {
		return session.Keyed{}, err
	}
	k := session.Keyed{Key: session.StoreKey{Tag: tag}}
	if len(field) != len(k.Key.Hash) {
		return k, errValue
	}
	copy(k.Key.Hash[:], field)
	k.Entry, err = s.decode(k.Key, v)
	return k, err
}

package memstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/revocation"
	"github.com/sallyport-go/sallyport/core/session"
)

// model is the store as plain maps: nothing is ever short of room.
type model struct {
	entries map[session.StoreKey]session.Entry
	epochs  map[revocation.Owner]epoch
	denied  map[revocation.Owner]map[revocation.Handle]time.Time
	ended   map[session.StoreKey]int // by the store, reported once each
}

type epoch struct {
	n     uint64
	until time.Time
}

func (m *model) epoch(o revocation.Owner, now time.Time) uint64 {
	if e, ok := m.epochs[o]; ok && now.Before(e.until) {
		return e.n
	}
	delete(m.epochs, o)
	return 0
}

// settle ends what is not live any more, of every owner.
func (m *model) settle(now time.Time) {
	for k, e := range m.entries {
		until, denied := m.denied[e.Owner][e.Handle]
		if !now.Before(e.Expires) || e.Owner != owner(0, 0) && (e.Epoch < m.epoch(e.Owner, now) || denied && now.Before(until)) {
			delete(m.entries, k)
			m.ended[k]++
		}
	}
	for _, handles := range m.denied {
		for h, until := range handles {
			if !now.Before(until) {
				delete(handles, h)
			}
		}
	}
}

func (m *model) raise(o revocation.Owner, until, now time.Time) uint64 {
	next := epoch{max(m.epoch(o, now)+1, uint64(now.UnixMicro())), until}
	if old := m.epochs[o]; old.until.After(until) {
		next.until = old.until
	}
	m.epochs[o] = next
	return next.n
}

func (m *model) deny(o revocation.Owner, h revocation.Handle, until time.Time) {
	if m.denied[o] == nil {
		m.denied[o] = make(map[revocation.Handle]time.Time)
	}
	if until.After(m.denied[o][h]) {
		m.denied[o][h] = until
	}
}

func (m *model) listed(o revocation.Owner) []session.Keyed {
	var all []session.Keyed
	for k, e := range m.entries {
		if e.Owner == o && e.Listed {
			all = append(all, session.Keyed{Key: k, Entry: e})
		}
	}
	slices.SortFunc(all, func(a, b session.Keyed) int { return a.Entry.Created.Compare(b.Entry.Created) })
	return all
}

func (m *model) end(all []session.Keyed) {
	for _, k := range all {
		delete(m.entries, k.Key)
	}
}

// All that happens here happens in one shard, to few keys and owners, so that
// slots, records and numbers are used again and again.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		s, err := memstore.New(memstore.Config{Now: c.now})
		require.NoError(t, err)
		m := &model{make(map[session.StoreKey]session.Entry), make(map[revocation.Owner]epoch),
			make(map[revocation.Owner]map[revocation.Handle]time.Time), make(map[session.StoreKey]int)}
		reported := make(map[session.StoreKey]int)
		s.Report(func(k session.StoreKey, _ session.Entry, why session.Ending) {
			if why == session.Evicted {
				t.Errorf("evicted %v", k)
			}
			reported[k]++
		})
		ctx := t.Context()
		// Values are large so that compaction has something to do.
		filler := strings.Repeat("0123456789abcdef", 256)
		version, born := uint64(0), 0
		key := func() session.StoreKey { return at(0, rapid.IntRange(0, 40).Draw(t, "key")) }
		whose := func() revocation.Owner { return owner(0, rapid.IntRange(1, 4).Draw(t, "owner")) }
		named := func() revocation.Handle { return handle(rapid.IntRange(1, 12).Draw(t, "handle")) }
		life := func() time.Time {
			return c.now().Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
		}
		fresh := func(e session.Entry) session.Entry {
			version++
			e.Version, e.Expires, e.Presented = version, life(), rapid.Bool().Draw(t, "presented")
			e.Value = filler[:rapid.IntRange(0, 1900).Draw(t, "size")]
			return e
		}
		newborn := func() session.Entry {
			born++
			e := session.Entry{Created: noon.Add(time.Duration(born) * time.Second)}
			if rapid.IntRange(0, 3).Draw(t, "anonymous") > 0 {
				e.Owner, e.Handle, e.Listed = whose(), named(), rapid.IntRange(0, 4).Draw(t, "unlisted") > 0
			}
			return fresh(e)
		}
		// seen is a version that the entry has, or had.
		seen := func(k session.StoreKey) uint64 {
			if v := m.entries[k].Version; v != 0 && rapid.IntRange(0, 9).Draw(t, "stale") > 0 {
				return v
			}
			return rapid.Uint64Range(1, 1+version).Draw(t, "version")
		}
		lost := func(k session.StoreKey, v uint64) error {
			switch e, ok := m.entries[k]; {
			case !ok:
				return session.ErrGone
			case e.Version != v:
				return session.ErrConflict
			default:
				return nil
			}
		}
		agree := func(want, got error) bool {
			if !errors.Is(got, want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			return want == nil
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { // after every step
				m.settle(c.now())
				for n := range 41 {
					k := at(0, n)
					var out [1]session.Entry
					require.NoError(t, s.Load(ctx, []session.StoreKey{k}, out[:]))
					want := m.entries[k]
					want.Behind = want.Owner != owner(0, 0) && m.epoch(want.Owner, c.now()) < want.Epoch
					require.Equal(t, want, out[0], n)
					require.Equal(t, m.ended[k], reported[k], n)
				}
			},
			"create": func(*rapid.T) {
				k, e := key(), newborn()
				a := session.Admission{Max: rapid.IntRange(1, 5).Draw(t, "max"), Refuse: rapid.Bool().Draw(t, "refuse"), Until: life()}
				got, evicted, err := s.Create(ctx, k, e, a)
				_, there := m.entries[k]
				var want []session.Keyed
				arrived := 0
				if e.Listed {
					all := m.listed(e.Owner)
					for _, o := range all {
						if o.Entry.Presented {
							arrived++
						}
					}
					for _, presented := range []bool{false, true} {
						for _, o := range all {
							if o.Entry.Presented == presented && len(all)-len(want) >= a.Max {
								want = append(want, o)
							}
						}
					}
				}
				switch {
				case there:
					agree(session.ErrExists, err)
					return
				case e.Listed && a.Refuse && arrived >= a.Max:
					agree(session.ErrLimit, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, want, evicted)
				m.end(want)
				if e.Owner != owner(0, 0) {
					if e.Epoch = m.epoch(e.Owner, c.now()); e.Epoch != 0 && a.Until.After(m.epochs[e.Owner].until) {
						m.epochs[e.Owner] = epoch{e.Epoch, a.Until}
					}
				}
				require.Equal(t, e.Epoch, got)
				m.entries[k] = e
			},
			"swap": func(*rapid.T) {
				k := key()
				v, next := seen(k), fresh(m.entries[k])
				next.Epoch = 99
				got, err := s.Swap(ctx, k, v, next)
				if agree(lost(k, v), err) {
					next.Epoch = m.entries[k].Epoch
					m.entries[k] = next
				} else if errors.Is(err, session.ErrConflict) {
					require.Equal(t, m.entries[k], got)
				}
			},
			"login": func(*rapid.T) { // a swap that changes the owner
				k := key()
				v, next := seen(k), newborn()
				_, err := s.Swap(ctx, k, v, next)
				if agree(lost(k, v), err) {
					next.Epoch = m.entries[k].Epoch
					m.entries[k] = next
				}
			},
			"rename": func(*rapid.T) {
				old, to := key(), key()
				v, next := seen(old), fresh(m.entries[old])
				var left *session.Entry
				if rapid.Bool().Draw(t, "left") {
					e := fresh(m.entries[old])
					e.Listed = false
					left = &e
				}
				_, err := s.Rename(ctx, old, v, to, next, left)
				want := lost(old, v)
				if _, ok := m.entries[to]; ok && want == nil {
					want = session.ErrExists
				}
				if agree(want, err) {
					next.Epoch = m.entries[old].Epoch
					delete(m.entries, old)
					if left != nil {
						left.Epoch = next.Epoch
						m.entries[old] = *left
					}
					m.entries[to] = next
				}
			},
			"take": func(*rapid.T) {
				k := key()
				got, err := s.Take(ctx, k)
				if agree(lost(k, m.entries[k].Version), err) {
					require.Equal(t, m.entries[k], got)
					delete(m.entries, k)
				}
			},
			"list": func(*rapid.T) {
				o := whose()
				got, err := s.List(ctx, o)
				require.NoError(t, err)
				require.Equal(t, m.listed(o), got)
			},
			"end one": func(*rapid.T) {
				o, h, until := whose(), named(), life()
				got, err := s.EndOne(ctx, o, h, until)
				all := m.listed(o)
				i := slices.IndexFunc(all, func(k session.Keyed) bool { return k.Entry.Handle == h })
				if i < 0 {
					agree(session.ErrGone, err)
					return
				}
				require.NoError(t, err)
				require.Equal(t, all[i], got)
				m.end(all[i : i+1])
				m.deny(o, h, until)
			},
			"end others": func(*rapid.T) {
				o, h, until := whose(), named(), life()
				n, got, err := s.EndOthers(ctx, o, h, until)
				all := m.listed(o)
				i := slices.IndexFunc(all, func(k session.Keyed) bool { return k.Entry.Handle == h })
				if i < 0 {
					agree(session.ErrGone, err)
					return
				}
				require.NoError(t, err)
				want := m.raise(o, until, c.now())
				m.denied[o] = nil
				require.Equal(t, want, n)
				kept := all[i]
				kept.Entry.Epoch = want
				m.entries[kept.Key] = kept.Entry
				all = slices.Delete(all, i, i+1)
				require.ElementsMatch(t, all, got)
				m.end(all)
			},
			"end all": func(*rapid.T) {
				o, until := whose(), life()
				got, err := s.EndAll(ctx, o, until)
				require.NoError(t, err)
				all := m.listed(o)
				require.Equal(t, all, got)
				m.end(all)
				m.raise(o, until, c.now())
				m.denied[o] = nil
			},
			"raise": func(*rapid.T) {
				o, until := whose(), life()
				got, err := s.RaiseEpoch(ctx, o, until)
				require.NoError(t, err)
				require.Equal(t, m.raise(o, until, c.now()), got)
				m.denied[o] = nil
			},
			"restore": func(*rapid.T) {
				o, until := whose(), life()
				n := uint64(c.now().UnixMicro()) - rapid.Uint64Range(0, uint64(time.Hour/time.Microsecond)).Draw(t, "epoch")
				require.NoError(t, s.RestoreEpoch(ctx, o, n, until))
				next := epoch{max(n, m.epoch(o, c.now())), until}
				if old := m.epochs[o]; old.until.After(until) {
					next.until = old.until
				}
				m.epochs[o] = next
			},
			"deny": func(*rapid.T) {
				o, h, until := whose(), named(), life()
				require.NoError(t, s.Deny(ctx, o, h, until))
				m.deny(o, h, until)
			},
			"revoked": func(*rapid.T) {
				o, h := whose(), named()
				got, err := s.Revoked(ctx, o, revocation.Asked{Session: h})
				require.NoError(t, err)
				require.Equal(t, m.epoch(o, c.now()), got.Epoch)
				until, want := m.denied[o][h]
				require.Equal(t, want && c.now().Before(until), got.Denied)
			},
			"wait": func(*rapid.T) {
				c.advance(time.Duration(rapid.IntRange(1, 20).Draw(t, "minutes")) * time.Minute)
				m.settle(c.now())
			},
			"sweep": func(*rapid.T) { s.Sweep() },
		})
	})
}

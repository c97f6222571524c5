package memstore_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// familyModel is families and what revokes them as plain maps: nothing is ever short of
// room, and nothing is dropped before it is asked for.
type familyModel struct {
	families map[refresh.Key]refresh.Family
	born     map[refresh.Key]int // in which order they came
	epochs   map[revocation.Owner]epoch
	denied   map[named]time.Time
	voids    map[answers]void
}

type named struct {
	owner  revocation.Owner
	handle revocation.Handle
}

type answers struct {
	named
	generation uint64
}

type void struct {
	floor uint64
	until time.Time
}

func (m *familyModel) epoch(o revocation.Owner, now time.Time) uint64 {
	if e, ok := m.epochs[o]; ok && now.Before(e.until) {
		return e.n
	}
	return 0
}

func (m *familyModel) isDenied(o revocation.Owner, h revocation.Handle, now time.Time) bool {
	return now.Before(m.denied[named{o, h}])
}

// live returns the family under key.
func (m *familyModel) live(k refresh.Key, now time.Time) (refresh.Family, bool) {
	f, ok := m.families[k]
	if ok && now.UnixMicro() < f.Expires && f.Epoch >= m.epoch(f.Owner, now) && !m.isDenied(f.Owner, f.Handle, now) {
		return f, true
	}
	delete(m.families, k)
	return refresh.Family{}, false
}

func (m *familyModel) of(o revocation.Owner, now time.Time) (all []refresh.Family) {
	for k := range m.families {
		if f, ok := m.live(k, now); ok && f.Owner == o {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b refresh.Family) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(m.born[a.Key()], m.born[b.Key()]))
	})
	return all
}

func (m *familyModel) raise(o revocation.Owner, until, now time.Time) uint64 {
	next := epoch{max(m.epoch(o, now)+1, uint64(now.UnixMicro())), until}
	if old := m.epochs[o].until; old.After(until) && now.Before(old) {
		next.until = old
	}
	m.epochs[o] = next
	for d := range m.denied {
		if d.owner == o {
			delete(m.denied, d)
		}
	}
	for v := range m.voids {
		if v.owner == o {
			delete(m.voids, v)
		}
	}
	return next.n
}

func (m *familyModel) deny(o revocation.Owner, h revocation.Handle, until time.Time) {
	if until.After(m.denied[named{o, h}]) {
		m.denied[named{o, h}] = until
	}
}

// judge is the table of the design, row by row. It returns the verdict, and the family
// if it is answered.
func judge(f refresh.Family, p *refresh.Presented, now int64) (refresh.Verdict, refresh.Family) {
	const day = int64(24 * time.Hour / time.Microsecond)
	g := p.Rules.Grace.Microseconds()
	now = max(now, f.Fixed, f.Confirmed, int64(f.Stamp))
	stamp := max(f.Stamp+1, uint64(now))
	confirmed := f.Confirmed != 0
	shared := int64(0) // until when the latest is only shared
	if f.Fixed != 0 {
		shared = f.Fixed + 3*g
	}
	if confirmed {
		shared = max(shared, f.Confirmed+2*g)
	}
	next := f
	next.Stamp, next.Expires = stamp, min(now+f.Idle.Microseconds(), f.Ends)
	switch ago := int64(f.Generation) - int64(p.Generation); {
	case p.Binding != f.Binding:
		return refresh.Misbound, f
	case ago == 0 && now <= shared:
		if !confirmed {
			next.Confirmed = now
		}
		return refresh.Coalesced, next
	case ago == 0:
		next.Generation, next.Secret, next.Fixed, next.Confirmed, next.Floor = f.Generation+1, p.Signing, now, 0, 0
		return refresh.Rotated, next
	case ago == 1 && (now <= f.Fixed+g || confirmed && now <= f.Confirmed+g):
		return refresh.Repeated, next
	case ago == 1 && !confirmed && p.Rules.Wired && now <= f.Fixed+day:
		next.Fixed, next.Floor = now, stamp
		return refresh.LateRepeated, next
	case ago == 1 && confirmed:
		return refresh.Reused, f
	case ago == 1:
		return refresh.ReusedUnconfirmed, f
	case ago > 1:
		return refresh.ReusedOlder, f
	default:
		next.Generation, next.Secret, next.Fixed, next.Confirmed, next.Floor = p.Generation, p.Secret, now, now, 0
		return refresh.Recovered, next
	}
}

// All of it happens in one shard, to few handles and owners, so that slots, values and
// entries are used again and again. Two owners may have a family of the same handle, but
// not at the same time, because they share a tag.
func TestFamiliesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		s, err := memstore.New(memstore.Config{Now: c.now})
		require.NoError(t, err)
		m := &familyModel{make(map[refresh.Key]refresh.Family), make(map[refresh.Key]int), make(map[revocation.Owner]epoch),
			make(map[named]time.Time), make(map[answers]void)}
		ctx := t.Context()
		const owners, handles = 3, 12
		// Values are large so that compaction has something to do.
		filler := strings.Repeat("0123456789abcdef", 256)
		births := 0
		whose := func() revocation.Owner { return owner(0, rapid.IntRange(1, owners).Draw(t, "owner")) }
		which := func() revocation.Handle { return handle(rapid.IntRange(1, handles).Draw(t, "handle")) }
		minutes := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(1, 90).Draw(t, name)) * time.Minute
		}
		// present draws a key, more often one with a family, and what stands there.
		present := func() (refresh.Key, refresh.Family, bool) {
			k := refresh.Key{Handle: which()}
			if f, ok := m.live(k, c.now()); ok || rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
				return k, f, ok
			}
			for n := range handles {
				if f, ok := m.live(refresh.Key{Handle: handle(n + 1)}, c.now()); ok {
					return f.Key(), f, ok
				}
			}
			return k, refresh.Family{}, false
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { // after every step
				now := c.now()
				for n := 1; n <= handles; n++ {
					k := refresh.Key{Handle: handle(n)}
					got, err := s.FindFamily(ctx, k)
					want, ok := m.live(k, now)
					if !ok {
						require.ErrorIs(t, err, refresh.ErrGone, n)
					} else {
						require.NoError(t, err, n)
					}
					require.Equal(t, want, got, n)
				}
				for n := 1; n <= owners; n++ {
					o := owner(0, n)
					got, err := s.Families(ctx, o)
					require.NoError(t, err)
					require.Equal(t, m.of(o, now), got)
				}
			},
			"create": func(*rapid.T) {
				births++
				f := refresh.Family{
					Owner: whose(), Handle: which(), Epoch: 99, Lifetime: minutes("lifetime"), Idle: minutes("idle"),
					Binding: refresh.Binding{byte(births)}, Value: filler[:rapid.IntRange(0, 1900).Draw(t, "size")],
					State: refresh.State{Generation: 7, Secret: refresh.SecretID{byte(births)}, Fixed: 7, Confirmed: 7, Stamp: 7, Floor: 7},
				}
				limit, now := rapid.IntRange(0, 4).Draw(t, "limit"), c.now()
				got, ended, err := s.CreateFamily(ctx, f, limit)
				if _, ok := m.live(f.Key(), now); ok {
					require.ErrorIs(t, err, refresh.ErrExists)
					return
				}
				require.NoError(t, err)
				want := f
				want.Epoch, want.Created = m.epoch(f.Owner, now), now.UnixMicro()
				want.Ends = want.Created + f.Lifetime.Microseconds()
				want.Expires = min(want.Created+f.Idle.Microseconds(), want.Ends)
				want.State = refresh.State{Generation: 1, Secret: f.Secret, Stamp: uint64(want.Created)}
				require.Equal(t, want, got)
				if e := m.epochs[f.Owner]; want.Epoch != 0 && time.UnixMicro(want.Ends).After(e.until) {
					m.epochs[f.Owner] = epoch{e.n, time.UnixMicro(want.Ends)}
				}
				if m.isDenied(f.Owner, f.Handle, now) {
					require.Empty(t, ended, "what is dead at once needs no room")
					return
				}
				all := m.of(f.Owner, now)
				slices.SortStableFunc(all, func(a, b refresh.Family) int { return cmp.Compare(a.Expires, b.Expires) })
				excess := max(len(all)+1-max(limit, 1), 0)
				require.ElementsMatch(t, all[:excess], ended)
				for _, e := range ended {
					delete(m.families, e.Key())
				}
				m.families[f.Key()], m.born[f.Key()] = want, births
			},
			"rotate": func(*rapid.T) {
				k, f, ok := present()
				p := &refresh.Presented{
					Generation: f.Generation + 2 - min(f.Generation+2, uint64(rapid.SampledFrom([]int{0, 2, 2, 2, 3, 3, 4}).Draw(t, "ago"))),
					Secret:     refresh.SecretID{1, byte(births)}, Signing: refresh.SecretID{2, byte(births)}, Binding: f.Binding,
					Rules: refresh.Rules{
						Grace: time.Duration(rapid.SampledFrom([]int{0, 10, 60}).Draw(t, "grace")) * time.Second,
						Wired: rapid.IntRange(0, 3).Draw(t, "unwired") > 0, Denied: minutes("denied"),
					},
				}
				if rapid.IntRange(0, 19).Draw(t, "misbound") == 0 {
					p.Binding[15]++
				}
				// No wait would meet the edge of a window.
				if from := rapid.SampledFrom([]int64{0, f.Fixed, f.Confirmed}).Draw(t, "from"); from != 0 {
					edge := from + rapid.Int64Range(1, 3).Draw(t, "graces")*p.Rules.Grace.Microseconds() + rapid.Int64Range(0, 1).Draw(t, "past")
					c.advance(time.Duration(max(edge-c.now().UnixMicro(), 0)) * time.Microsecond)
					f, ok = m.live(k, c.now())
				}
				out, err := s.Rotate(ctx, k, p)
				if !ok {
					require.ErrorIs(t, err, refresh.ErrGone)
					return
				}
				require.NoError(t, err)
				v, next := judge(f, p, c.now().UnixMicro())
				require.Equal(t, refresh.Outcome{Verdict: v, Family: next}, out)
				until := c.now().Add(p.Rules.Denied)
				if !v.Answered() {
					delete(m.families, k)
					m.deny(f.Owner, f.Handle, until)
					return
				}
				m.families[k] = next
				if v == refresh.LateRepeated {
					w := answers{named{f.Owner, f.Handle}, next.Generation}
					old := m.voids[w]
					if !c.now().Before(old.until) {
						old = void{}
					}
					if old.until.After(until) {
						until = old.until
					}
					m.voids[w] = void{max(old.floor, next.Floor), until}
				}
			},
			"end": func(*rapid.T) {
				k, f, ok := present()
				denied := minutes("denied")
				got, err := s.EndFamily(ctx, k, refresh.Rules{Denied: denied})
				if !ok {
					require.ErrorIs(t, err, refresh.ErrGone)
					return
				}
				require.NoError(t, err)
				require.Equal(t, f, got)
				delete(m.families, k)
				m.deny(f.Owner, f.Handle, c.now().Add(denied))
			},
			"sight": func(*rapid.T) {
				k, f, ok := present()
				o := cmp.Or(f.Owner, owner(0, 1))
				if rapid.IntRange(0, 9).Draw(t, "foreign") == 0 {
					o, ok = owner(0, 9), false
				}
				a := revocation.Answer{
					Generation: max(f.Generation, 1) + uint64(rapid.IntRange(0, 2).Draw(t, "later")) - 1,
					Stamp:      f.Stamp - uint64(rapid.IntRange(0, 3).Draw(t, "before")),
				}
				switch err := s.Sight(ctx, o, k.Handle, a); {
				case !ok:
					require.ErrorIs(t, err, revocation.ErrEnded)
				case a.Generation == f.Generation && a.Stamp < f.Floor:
					require.ErrorIs(t, err, revocation.ErrVoid)
				default:
					require.NoError(t, err)
					if a.Generation == f.Generation && f.Confirmed == 0 {
						f.Confirmed = max(c.now().UnixMicro(), f.Fixed, int64(f.Stamp))
						m.families[k] = f
					}
				}
			},
			"revoked": func(*rapid.T) {
				now := c.now()
				for n := 1; n <= owners; n++ {
					o := owner(0, n)
					got, err := s.Revoked(ctx, o, revocation.Asked{})
					require.NoError(t, err)
					require.Equal(t, revocation.Found{Epoch: m.epoch(o, now)}, got)
					for h := 1; h <= handles; h++ {
						a := revocation.Asked{Session: handle(h), Token: handle(1 + h%handles), Generation: uint64(1 + births%4)}
						want := revocation.Found{Epoch: m.epoch(o, now), Denied: m.isDenied(o, a.Session, now) || m.isDenied(o, a.Token, now)}
						if v := m.voids[answers{named{o, a.Session}, a.Generation}]; now.Before(v.until) {
							want.Floor = v.floor
						}
						got, err := s.Revoked(ctx, o, a)
						require.NoError(t, err)
						require.Equal(t, want, got)
					}
				}
			},
			"raise": func(*rapid.T) {
				o, until := whose(), c.now().Add(minutes("until"))
				got, err := s.RaiseEpoch(ctx, o, until)
				require.NoError(t, err)
				require.Equal(t, m.raise(o, until, c.now()), got)
			},
			"restore": func(*rapid.T) {
				o, until := whose(), c.now().Add(minutes("until"))
				n := uint64(c.now().UnixMicro()) - rapid.Uint64Range(0, uint64(time.Hour/time.Microsecond)).Draw(t, "epoch")
				require.NoError(t, s.RestoreEpoch(ctx, o, n, until))
				next := epoch{max(n, m.epoch(o, c.now())), until}
				if old := m.epochs[o]; c.now().Before(old.until) && old.until.After(until) {
					next.until = old.until
				}
				m.epochs[o] = next
			},
			"deny": func(*rapid.T) {
				o, h, until := whose(), which(), c.now().Add(minutes("until"))
				require.NoError(t, s.Deny(ctx, o, h, until))
				m.deny(o, h, until)
				// What it has ended stays dead.
				m.live(refresh.Key{Handle: h}, c.now())
			},
			"wait": func(*rapid.T) {
				c.advance(rapid.SampledFrom([]time.Duration{
					time.Microsecond, time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 26 * time.Hour,
				}).Draw(t, "wait"))
			},
			"sweep": func(t *rapid.T) {
				s.Sweep()
				st := s.Stats()
				live, bytes := 0, int64(0)
				for k := range m.families {
					if f, ok := m.live(k, c.now()); ok {
						live++
						bytes += familyBytes(f)
					}
				}
				require.Equal(t, live, st.Families)
				require.Equal(t, bytes, st.FamilyBytes)
				held := 0
				for n := 1; n <= owners; n++ {
					if m.epoch(owner(0, n), c.now()) != 0 {
						held++
					}
				}
				for d := range m.denied {
					if m.isDenied(d.owner, d.handle, c.now()) {
						held++
					}
				}
				for _, v := range m.voids {
					if c.now().Before(v.until) {
						held++
					}
				}
				require.Equal(t, held, st.Revocations)
				require.EqualValues(t, held*revokedCost, st.RevocationBytes)
			},
		})
	})
}

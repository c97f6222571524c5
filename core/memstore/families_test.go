package memstore_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/memstore"
	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// rules are those that a denial is remembered by for 15 minutes.
var rules = refresh.Rules{Grace: 10 * time.Second, Wired: true, Denied: 15 * time.Minute}

// login makes a family of the owner's with a value of size bytes.
func login(o revocation.Owner, n, size int) refresh.Family {
	return refresh.Family{
		Owner: o, Handle: handle(n), Lifetime: 24 * time.Hour, Idle: time.Hour, Value: strings.Repeat("v", size),
		State: refresh.State{Secret: refresh.SecretID{1}},
	}
}

func begin(t *testing.T, s *memstore.Store, f refresh.Family) refresh.Family {
	t.Helper()
	got, ended, err := s.CreateFamily(t.Context(), f, 1<<20)
	require.NoError(t, err)
	require.Empty(t, ended)
	return got
}

func there(t *testing.T, s *memstore.Store, f refresh.Family) bool {
	t.Helper()
	got, err := s.FindFamily(t.Context(), f.Key())
	if err == nil {
		require.Equal(t, f, got)
		return true
	}
	require.ErrorIs(t, err, refresh.ErrGone)
	return false
}

// crowd begins as many families as there is room for, each of another owner.
func crowd(t *testing.T, s *memstore.Store, size int) (all []refresh.Family) {
	t.Helper()
	for n := 1; ; n++ {
		f, _, err := s.CreateFamily(t.Context(), login(owner(byte(n), 1000+n), n, size), 1)
		if err != nil {
			require.ErrorIs(t, err, refresh.ErrFull)
			return all
		}
		all = append(all, f)
	}
}

// Families are never evicted: what is full of them refuses the next.
func TestFullFamiliesRefuse(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := begin(t, s, login(owner(0, 1), 1, 100))
	all := append(crowd(t, s, 100), ann)
	require.EqualValues(t, mib/familyBytes(ann), len(all))
	before := s.Stats()
	require.Equal(t, memstore.Stats{Families: len(all), FamilyBytes: int64(len(all)) * familyBytes(ann)}, before)

	_, _, err := s.CreateFamily(t.Context(), login(ann.Owner, 2, 100), 2)
	require.ErrorIs(t, err, refresh.ErrFull)
	require.Equal(t, before, s.Stats())
	for _, f := range all {
		require.True(t, there(t, s, f))
	}

	// Sessions and revocations have budgets of their own.
	create(t, s, at(0, 1), entry(c, ann.Owner, 100))
	_, err = s.RaiseEpoch(t.Context(), owner(9, 9), c.now().Add(time.Hour))
	require.NoError(t, err)
	// A use takes no room.
	out, err := s.Rotate(t.Context(), ann.Key(), &refresh.Presented{Generation: 1, Rules: rules})
	require.NoError(t, err)
	require.Equal(t, refresh.Rotated, out.Verdict)
	ann = out.Family

	// Who makes way for the owner's next one makes room for it as well.
	next, ended, err := s.CreateFamily(t.Context(), login(ann.Owner, 2, 100), 1)
	require.NoError(t, err)
	require.Equal(t, []refresh.Family{ann}, ended)
	require.True(t, there(t, s, next))
	require.Equal(t, before.FamilyBytes, s.Stats().FamilyBytes)
	// But not for one that is so much larger.
	_, _, err = s.CreateFamily(t.Context(), login(ann.Owner, 3, 2000), 1)
	require.ErrorIs(t, err, refresh.ErrFull)
	require.True(t, there(t, s, next))

	_, err = s.EndFamily(t.Context(), next.Key(), rules)
	require.NoError(t, err)
	require.Equal(t, before.FamilyBytes-familyBytes(next), s.Stats().FamilyBytes)
	begin(t, s, login(ann.Owner, 4, 100))
}

// What has expired makes room, in whatever shard it stands, and nothing before its time.
func TestFamiliesMakeRoomOnlyInTime(t *testing.T) {
	c := newClock()
	s := small(t, c)
	all := crowd(t, s, 100)
	c.advance(time.Hour - time.Microsecond)
	_, _, err := s.CreateFamily(t.Context(), login(owner(200, 1), 1, 100), 1)
	require.ErrorIs(t, err, refresh.ErrFull)
	require.Equal(t, len(all), s.Stats().Families)
	c.advance(time.Microsecond)
	begin(t, s, login(owner(200, 1), 1, 100))
	st := s.Stats()
	require.Equal(t, 1, st.Families)
	require.EqualValues(t, len(all), st.FamiliesExpired)
}

func TestWritesSweepFamilies(t *testing.T) {
	c := newClock()
	s := small(t, c)
	const n = 20
	for i := range n {
		begin(t, s, login(owner(0, 1+i), 1+i, 100))
	}
	used := begin(t, s, login(owner(0, 99), 99, 100))
	c.advance(time.Hour - time.Second)
	out, err := s.Rotate(t.Context(), used.Key(), &refresh.Presented{Generation: 1, Rules: rules})
	require.NoError(t, err)
	c.advance(time.Second)
	for i := range n / 2 {
		begin(t, s, login(owner(0, 200+i), 200+i, 100))
		require.EqualValues(t, 2*(i+1), s.Stats().FamiliesExpired, "each write clears away more than it adds")
	}
	require.True(t, there(t, s, out.Family), "a use moves the end")
	c.advance(time.Hour - time.Second)
	require.Equal(t, 1, s.Sweep())
	require.False(t, there(t, s, out.Family))
	require.Equal(t, n/2, s.Stats().Families)
}

// What a revocation ends is counted as that, what had expired before as that, and what
// was ended by itself or made room as neither.
func TestFamilyStats(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	for i := range 8 {
		f := login(ann, 1+i, 10*i)
		f.Idle += time.Duration(i/2) * time.Hour
		begin(t, s, f)
	}
	c.advance(time.Hour)
	_, ended, err := s.CreateFamily(t.Context(), login(ann, 9, 0), 6)
	require.NoError(t, err)
	require.Len(t, ended, 1)
	_, err = s.EndFamily(t.Context(), refresh.Key{Handle: handle(4)}, rules)
	require.NoError(t, err)
	require.NoError(t, s.Deny(t.Context(), ann, handle(5), c.now().Add(time.Hour)))
	st := s.Stats()
	require.Equal(t, 4, st.Families)
	require.EqualValues(t, 2, st.FamiliesExpired)
	require.EqualValues(t, 1, st.FamiliesRevoked)
	_, err = s.RaiseEpoch(t.Context(), ann, c.now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, memstore.Stats{
		Revocations: 1, RevocationBytes: revokedCost, FamiliesExpired: 2, FamiliesRevoked: 5,
	}, s.Stats())
}

// What had expired before it was revoked has expired: the two mean different things to
// whoever reads the counts.
func TestRevocationCountsExpiredFamiliesAsExpired(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	for i := range 8 {
		f := login(ann, 1+i, 10)
		f.Idle += time.Duration(i/4) * time.Hour
		begin(t, s, f)
	}
	c.advance(time.Hour)
	_, err := s.RaiseEpoch(t.Context(), ann, c.now().Add(time.Hour))
	require.NoError(t, err)
	st := s.Stats()
	require.EqualValues(t, 4, st.FamiliesExpired)
	require.EqualValues(t, 4, st.FamiliesRevoked)
}

// Owners of two tags have nothing in common, not even where the tags share a lock and
// the rest of their names is the same.
func TestFamiliesOfOwnersWithOneHash(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann, bob := owner(1, 7), owner(1, 7)
	bob.Tag[3] = 1
	hers, his := begin(t, s, login(ann, 1, 10)), begin(t, s, login(bob, 1, 10))
	for _, f := range []refresh.Family{hers, his} {
		all, err := s.Families(t.Context(), f.Owner)
		require.NoError(t, err)
		require.Equal(t, []refresh.Family{f}, all)
	}
	_, err := s.RaiseEpoch(t.Context(), ann, c.now().Add(time.Hour))
	require.NoError(t, err)
	require.False(t, there(t, s, hers))
	require.True(t, there(t, s, his))
}

// All that ends sessions by what stands for a login ends families as well.
func TestEndingSessionsEndsFamilies(t *testing.T) {
	ann := owner(0, 1)
	for _, tc := range []struct {
		desc string
		end  func(t *testing.T, s *memstore.Store, until time.Time) error
		left []int
	}{
		{"EndOne", func(t *testing.T, s *memstore.Store, until time.Time) error {
			_, err := s.EndOne(t.Context(), ann, handle(1), until)
			return err
		}, []int{2, 3}},
		{"EndOthers", func(t *testing.T, s *memstore.Store, until time.Time) error {
			_, _, err := s.EndOthers(t.Context(), ann, handle(1), until)
			return err
		}, nil},
		{"EndAll", func(t *testing.T, s *memstore.Store, until time.Time) error {
			_, err := s.EndAll(t.Context(), ann, until)
			return err
		}, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			e := entry(c, ann, 1)
			create(t, s, at(0, 1), e)
			var want []refresh.Family
			for n := range 3 {
				f := begin(t, s, login(ann, n+1, 50))
				for _, left := range tc.left {
					if left == n+1 {
						want = append(want, f)
					}
				}
			}
			his := begin(t, s, login(owner(0, 2), 9, 50))
			require.NoError(t, tc.end(t, s, c.now().Add(time.Hour)))
			got, err := s.Families(t.Context(), ann)
			require.NoError(t, err)
			require.Equal(t, want, got)
			require.True(t, there(t, s, his))
		})
	}
}

// exposures are the two ways in which a family ends with a denial.
var exposures = []struct {
	desc string
	end  func(t *testing.T, s *memstore.Store, f refresh.Family) (refresh.Family, error)
}{
	{"Rotate", func(t *testing.T, s *memstore.Store, f refresh.Family) (refresh.Family, error) {
		out, err := s.Rotate(t.Context(), f.Key(), &refresh.Presented{Binding: refresh.Binding{1}, Rules: rules})
		if err == nil {
			require.Equal(t, refresh.Misbound, out.Verdict)
		}
		return out.Family, err
	}},
	{"EndFamily", func(t *testing.T, s *memstore.Store, f refresh.Family) (refresh.Family, error) {
		return s.EndFamily(t.Context(), f.Key(), rules)
	}},
}

// What ends a family needs no luck: if the budget of revocations is used up, the denial
// stands where the family stood.
func TestFamilyEndsWithoutRoom(t *testing.T) {
	for _, tc := range exposures {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			ann := begin(t, s, login(owner(0, 1), 1, 100))
			sister := begin(t, s, login(owner(0, 1), 2, 100))
			his := begin(t, s, login(owner(0, 2), 3, 100))
			full := fill(t, s, c.now().Add(24*time.Hour))

			got, err := tc.end(t, s, ann)
			require.NoError(t, err)
			require.Equal(t, ann, got)
			require.False(t, there(t, s, ann))
			for _, again := range exposures {
				_, err := again.end(t, s, ann)
				require.ErrorIs(t, err, refresh.ErrGone)
			}
			require.ErrorIs(t, s.Sight(t.Context(), ann.Owner, ann.Handle, ann.Answer()), revocation.ErrEnded)
			left, err := s.Families(t.Context(), ann.Owner)
			require.NoError(t, err)
			require.Equal(t, []refresh.Family{sister}, left)
			st := s.Stats()
			require.Equal(t, 2, st.Families)
			require.Equal(t, 208+2*familyBytes(ann), st.FamilyBytes)
			require.Equal(t, full+1, st.Revocations)

			denied := func(o revocation.Owner, a revocation.Asked) bool {
				t.Helper()
				found, err := s.Revoked(t.Context(), o, a)
				require.NoError(t, err)
				require.Zero(t, found.Epoch)
				return found.Denied
			}
			require.True(t, denied(ann.Owner, asked(1)))
			require.False(t, denied(ann.Owner, asked(2)), "another family of the owner's")
			require.False(t, denied(ann.Owner, asked(77)))
			require.False(t, denied(ann.Owner, revocation.Asked{}))
			require.False(t, denied(his.Owner, asked(1)), "another owner of the tag")
			// Nothing of that name can live.
			again, ended, err := s.CreateFamily(t.Context(), login(ann.Owner, 1, 5), 1)
			require.NoError(t, err)
			require.Empty(t, ended)
			require.False(t, there(t, s, again))
			create(t, s, at(0, 5), entry(c, ann.Owner, 1))
			require.False(t, alive(t, s, at(0, 5)))
			require.True(t, there(t, s, his))
			// It is none of those that the owner may have.
			third, ended, err := s.CreateFamily(t.Context(), login(ann.Owner, 4, 100), 2)
			require.NoError(t, err)
			require.Empty(t, ended)
			_, ended, err = s.CreateFamily(t.Context(), login(ann.Owner, 5, 100), 2)
			require.NoError(t, err)
			require.Equal(t, []refresh.Family{sister}, ended)

			c.advance(rules.Denied - time.Microsecond)
			require.True(t, denied(ann.Owner, asked(1)))
			require.Zero(t, s.Sweep())
			require.True(t, denied(ann.Owner, asked(1)))
			c.advance(time.Microsecond)
			require.False(t, denied(ann.Owner, asked(1)))
			require.Zero(t, s.Sweep(), "a denial is no family")
			require.True(t, there(t, s, third))
			st = s.Stats()
			require.Equal(t, 3*familyBytes(ann), st.FamilyBytes)
			require.Equal(t, full, st.Revocations)
			require.Zero(t, st.FamiliesExpired)
		})
	}
}

// An epoch forgets such a denial with the others, and refuses what it refused.
func TestEpochForgetsDenialsWithoutRoom(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := begin(t, s, login(owner(0, 1), 1, 100))
	_, err := s.RaiseEpoch(t.Context(), owner(0, 2), c.now().Add(time.Minute))
	require.NoError(t, err)
	fill(t, s, c.now().Add(time.Hour))
	_, err = s.EndFamily(t.Context(), ann.Key(), rules)
	require.NoError(t, err)
	_, err = s.RaiseEpoch(t.Context(), ann.Owner, c.now().Add(time.Hour))
	require.ErrorIs(t, err, revocation.ErrFull)
	found, err := s.Revoked(t.Context(), ann.Owner, asked(1))
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Denied: true}, found, "a refused epoch changes nothing")

	c.advance(time.Minute)
	epoch, err := s.RaiseEpoch(t.Context(), ann.Owner, c.now().Add(time.Hour))
	require.NoError(t, err)
	found, err = s.Revoked(t.Context(), ann.Owner, asked(1))
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Epoch: epoch}, found)
	st := s.Stats()
	require.Zero(t, st.FamilyBytes)
	require.Zero(t, st.FamiliesRevoked, "a denial is no family")
	require.EqualValues(t, st.Revocations*revokedCost, st.RevocationBytes)
}

// If the owner has something among the revocations, an epoch in its place is room
// enough.
func TestFamilyEndRaisesTheEpochWithoutRoom(t *testing.T) {
	for _, tc := range exposures {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			ann := begin(t, s, login(owner(0, 1), 1, 100))
			sister := begin(t, s, login(owner(0, 1), 2, 100))
			create(t, s, at(0, 1), entry(c, ann.Owner, 50))
			require.NoError(t, s.Deny(t.Context(), ann.Owner, handle(9), c.now().Add(time.Hour)))
			fill(t, s, c.now().Add(time.Hour))
			before := s.Stats()

			_, err := tc.end(t, s, ann)
			require.NoError(t, err)
			found, err := s.Revoked(t.Context(), ann.Owner, asked(9))
			require.NoError(t, err)
			require.Equal(t, revocation.Found{Epoch: uint64(c.now().UnixMicro())}, found)
			require.False(t, there(t, s, ann))
			require.False(t, there(t, s, sister))
			require.False(t, alive(t, s, at(0, 1)))
			st := s.Stats()
			require.Zero(t, st.FamilyBytes)
			require.Equal(t, before.Revocations, st.Revocations)
			require.Equal(t, before.RevocationBytes, st.RevocationBytes)
		})
	}
}

// A handle stands for one login, whatever was made of it.
func TestFamilyEndsWithTheSessionOfItsHandle(t *testing.T) {
	for _, tc := range exposures {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/full=%t", tc.desc, full), func(t *testing.T) {
				c := newClock()
				s := small(t, c)
				ann := begin(t, s, login(owner(0, 1), 1, 100))
				create(t, s, at(0, 1), entry(c, ann.Owner, 1))
				create(t, s, at(0, 2), entry(c, ann.Owner, 2))
				if full {
					fill(t, s, c.now().Add(time.Hour))
				}
				_, err := tc.end(t, s, ann)
				require.NoError(t, err)
				require.False(t, alive(t, s, at(0, 1)))
				require.True(t, alive(t, s, at(0, 2)))
			})
		}
	}
}

// Families are listed in the order in which they began by the store's clock, even if
// that was set back.
func TestFamiliesInOrder(t *testing.T) {
	c := newClock()
	s := small(t, c)
	ann := owner(0, 1)
	second := begin(t, s, login(ann, 2, 0))
	third := begin(t, s, login(ann, 1, 0))
	c.advance(-time.Minute)
	first := begin(t, s, login(ann, 3, 0))
	all, err := s.Families(t.Context(), ann)
	require.NoError(t, err)
	require.Equal(t, []refresh.Family{first, second, third}, all)
}

// What need not be remembered any more makes room first: nobody is logged out everywhere
// because of it.
func TestFamilyEndForgetsFirst(t *testing.T) {
	for _, tc := range exposures {
		t.Run(tc.desc, func(t *testing.T) {
			c := newClock()
			s := small(t, c)
			ann := begin(t, s, login(owner(0, 1), 1, 100))
			sister := begin(t, s, login(owner(0, 1), 2, 100))
			require.NoError(t, s.Deny(t.Context(), ann.Owner, handle(9), c.now().Add(time.Hour)))
			require.NoError(t, s.Deny(t.Context(), owner(5, 1), handle(9), c.now().Add(time.Minute)))
			fill(t, s, c.now().Add(time.Hour))
			c.advance(time.Minute)
			_, err := tc.end(t, s, ann)
			require.NoError(t, err)
			found, err := s.Revoked(t.Context(), ann.Owner, revocation.Asked{Session: handle(1), Token: handle(2)})
			require.NoError(t, err)
			require.Equal(t, revocation.Found{Denied: true}, found)
			require.True(t, there(t, s, sister))
			require.Equal(t, familyBytes(sister), s.Stats().FamilyBytes, "nothing stands in its place")
		})
	}
}

// A void without room is no void, and then the answer must not be given.
func TestVoidWithoutRoom(t *testing.T) {
	c := newClock()
	s := small(t, c)
	f := begin(t, s, login(owner(0, 1), 1, 100))
	p := &refresh.Presented{Generation: 1, Signing: refresh.SecretID{2}, Rules: rules}
	out, err := s.Rotate(t.Context(), f.Key(), p)
	require.NoError(t, err)
	fill(t, s, c.now().Add(time.Hour))
	c.advance(time.Minute)
	_, err = s.Rotate(t.Context(), f.Key(), p)
	require.ErrorIs(t, err, revocation.ErrFull)
	require.True(t, there(t, s, out.Family), "nothing has changed")
	c.advance(time.Hour - time.Minute - time.Microsecond)
	_, err = s.Rotate(t.Context(), f.Key(), p)
	require.ErrorIs(t, err, revocation.ErrFull)
	c.advance(time.Microsecond)
	_, err = s.FindFamily(t.Context(), f.Key())
	require.ErrorIs(t, err, refresh.ErrGone, "idle for an hour")

	f = begin(t, s, login(owner(0, 1), 1, 100))
	_, err = s.Rotate(t.Context(), f.Key(), p)
	require.NoError(t, err)
	c.advance(time.Minute)
	out, err = s.Rotate(t.Context(), f.Key(), p)
	require.NoError(t, err, "room is made for it")
	require.Equal(t, refresh.LateRepeated, out.Verdict)
	found, err := s.Revoked(t.Context(), f.Owner, revocation.Asked{Session: f.Handle, Generation: 2})
	require.NoError(t, err)
	require.Equal(t, revocation.Found{Floor: out.Family.Floor}, found)
}

// What FindFamily and Families returned is read while families come, go and are used;
// none of it may change.
func TestFamilyValuesStayIntact(t *testing.T) {
	c := newClock()
	s, err := memstore.New(memstore.Config{Now: c.now})
	require.NoError(t, err)
	const families, rounds, size = 2500, 6, 200
	value := func(n int) string {
		return strings.Repeat(string(rune('a'+n%26))+string(rune('a'+n/26%26)), size/2)
	}
	var kept []refresh.Family
	for round := range rounds {
		for i := range families {
			n := round*families + i
			f := login(owner(0, 1+i%50), 1+i, 0)
			f.Value = value(n)
			if round > 0 && i%3 > 0 {
				_, err := s.EndFamily(t.Context(), f.Key(), refresh.Rules{})
				require.NoError(t, err)
			}
			if round == 0 || i%3 > 0 {
				kept = append(kept, begin(t, s, f))
				kept[len(kept)-1].Value = strings.Clone(f.Value)
				got, err := s.FindFamily(t.Context(), f.Key())
				require.NoError(t, err)
				kept = append(kept, got)
				continue
			}
			_, err := s.Rotate(t.Context(), f.Key(), &refresh.Presented{Generation: uint64(round), Rules: refresh.Rules{}})
			require.NoError(t, err)
			c.advance(time.Millisecond)
		}
	}
	for i := 0; i < len(kept); i += 2 {
		require.Equal(t, kept[i], kept[i+1])
	}
	var got int
	for n := range 50 {
		all, err := s.Families(t.Context(), owner(0, 1+n))
		require.NoError(t, err)
		got += len(all)
		for _, f := range all {
			require.Len(t, f.Value, size)
		}
	}
	require.Equal(t, families, got)
}

// Every family that began has ended once, or is there: whatever ran beside it, and
// whoever was told.
func TestFamiliesAddUpUnderLoad(t *testing.T) {
	c := newClock()
	s := small(t, c)
	const workers, each = 8, 500
	var made, told atomic.Int64
	var failed atomic.Pointer[error]
	var start, done sync.WaitGroup
	start.Add(1)
	for w := range workers {
		done.Go(func() {
			ctx := t.Context()
			start.Wait()
			for i := range each {
				n := w*each + i
				o := owner(byte(n%7), 1+n%5)
				f, ended, err := s.CreateFamily(ctx, login(o, 1+n, n%300), 20)
				if err != nil {
					failed.Store(&err)
					return
				}
				made.Add(1)
				told.Add(int64(len(ended)))
				// One that perhaps somebody else meets at the same time.
				m := (n * 7919) % (workers * each)
				other := refresh.Key{Tag: [4]byte{byte(m % 7)}, Handle: handle(1 + m)}
				switch n % 8 {
				case 0, 1, 2:
					p := &refresh.Presented{Generation: uint64(1 + n%2), Rules: rules}
					if out, err := s.Rotate(ctx, other, p); err == nil && !out.Verdict.Answered() {
						told.Add(1)
					}
				case 3:
					if _, err := s.EndFamily(ctx, other, rules); err == nil {
						told.Add(1)
					}
				case 4:
					_ = s.Sight(ctx, o, f.Handle, f.Answer())
					c.advance(time.Second)
				case 5:
					_, _ = s.RaiseEpoch(ctx, owner(byte(m%7), 1+m%5), c.now().Add(time.Minute))
				case 6: // one that has begun: what is denied before is in no count
					m = w*each + i/2
					_ = s.Deny(ctx, owner(byte(m%7), 1+m%5), handle(1+m), c.now().Add(time.Minute))
				default:
					s.Sweep()
				}
			}
		})
	}
	start.Done()
	done.Wait()
	require.Nil(t, failed.Load())
	var left []refresh.Family
	for n := range 7 * 5 {
		all, err := s.Families(t.Context(), owner(byte(n%7), 1+n%5))
		require.NoError(t, err)
		require.LessOrEqual(t, len(all), 20)
		left = append(left, all...)
	}
	var bytes int64
	for _, f := range left {
		bytes += familyBytes(f)
	}
	s.Sweep()
	st := s.Stats()
	require.Equal(t, int64(workers*each), made.Load())
	require.Equal(t, made.Load(), told.Load()+int64(st.FamiliesExpired+st.FamiliesRevoked)+int64(len(left)))
	require.Equal(t, len(left), st.Families)
	require.Equal(t, bytes, st.FamilyBytes)
	require.EqualValues(t, st.Revocations*revokedCost, st.RevocationBytes)
}

// Of many who present the same token at once, one rotates; and where that makes a reuse
// of the others, one ends the family.
func TestRotateIsOneStep(t *testing.T) {
	c := newClock()
	s := small(t, c)
	const callers = 8
	for round := range 200 {
		f := begin(t, s, login(owner(byte(round), 1), 1+round, 20))
		var verdicts [callers]refresh.Verdict
		var start, done sync.WaitGroup
		start.Add(1)
		for i := range callers {
			done.Go(func() {
				start.Wait()
				out, err := s.Rotate(t.Context(), f.Key(), &refresh.Presented{Generation: 1, Rules: refresh.Rules{Grace: time.Second, Denied: time.Hour}})
				if err == nil {
					verdicts[i] = out.Verdict
				}
			})
		}
		start.Done()
		done.Wait()
		count := make(map[refresh.Verdict]int)
		for _, v := range verdicts {
			count[v]++
		}
		require.Equal(t, map[refresh.Verdict]int{refresh.Rotated: 1, refresh.Repeated: callers - 1}, count)
	}
}

package refresh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// Times of the tables: microseconds of a store whose clock began at start.
const (
	us    = int64(1)
	sec   = 1_000_000 * us
	day   = 24 * 3600 * sec
	start = 1_767_355_200 * sec
	g     = 10 * sec
)

var (
	oldSecret, newSecret = refresh.SecretID{1}, refresh.SecretID{2}
	bound                = refresh.Binding{7}
)

// family is one of generation 5, fixed at start and confirmed at confirmed, if not 0.
func family(confirmed int64) refresh.Family {
	return refresh.Family{
		Owner: revocation.Owner{Tag: [4]byte{1}, Hash: [12]byte{2}}, Handle: revocation.Handle{3}, Epoch: 4, Binding: bound, Value: "v",
		Created: start - 10*day, Ends: start + 20*day, Expires: start + 7*day, Lifetime: 30 * 24 * time.Hour, Idle: 7 * 24 * time.Hour,
		State: refresh.State{Generation: 5, Secret: oldSecret, Fixed: start, Confirmed: confirmed, Stamp: uint64(start)},
	}
}

func presented(generation uint64) refresh.Presented {
	return refresh.Presented{
		Generation: generation, Secret: oldSecret, Signing: newSecret, Binding: bound,
		Rules: refresh.Rules{Grace: 10 * time.Second, Wired: true, Denied: time.Hour},
	}
}

// The table of the design, row by row, with both sides of every edge.
func TestDecisionTable(t *testing.T) {
	const (
		latest, previous, older, newer = 5, 4, 3, 6

		confirmed = start + 100*sec
	)
	unwired := func(f *refresh.Family, p *refresh.Presented) { p.Rules.Wired = false }
	login := func(f *refresh.Family, p *refresh.Presented) {
		f.Generation, f.Fixed, p.Generation = 1, 0, p.Generation-4
	}
	graceless := func(f *refresh.Family, p *refresh.Presented) { p.Rules.Grace = 0 }
	misbound := func(f *refresh.Family, p *refresh.Presented) { p.Binding[15]++ }
	unbound := func(f *refresh.Family, p *refresh.Presented) { p.Binding = refresh.Binding{} }
	for _, tc := range []struct {
		desc      string
		presented uint64
		confirmed int64
		now       int64
		change    func(*refresh.Family, *refresh.Presented)
		want      refresh.Verdict
	}{
		{"latest, at once", latest, 0, start, nil, refresh.Coalesced},
		{"latest, at 3g", latest, 0, start + 3*g, nil, refresh.Coalesced},
		{"latest, after 3g", latest, 0, start + 3*g + us, nil, refresh.Rotated},
		{"latest, confirmed at once, at 3g of the rotation", latest, start, start + 3*g, nil, refresh.Coalesced},
		{"latest, confirmed at once, after 3g", latest, start, start + 3*g + us, nil, refresh.Rotated},
		{"latest, confirmed after g, at 2g of the confirmation", latest, start + g + us, start + 3*g + us, nil, refresh.Coalesced},
		{"latest, confirmed after g, after 2g", latest, start + g + us, start + 3*g + 2*us, nil, refresh.Rotated},
		{"latest, confirmed, at 2g", latest, confirmed, confirmed + 2*g, nil, refresh.Coalesced},
		{"latest, confirmed, after 2g", latest, confirmed, confirmed + 2*g + us, nil, refresh.Rotated},
		{"latest, confirmed before it was fixed again, at 3g", latest, start - 5*sec, start + 3*g, nil, refresh.Coalesced},
		{"latest, confirmed before it was fixed again, after 3g", latest, start - 5*sec, start + 3*g + us, nil, refresh.Rotated},
		{"latest, a month later", latest, 0, start + 30*day, nil, refresh.Rotated},
		{"latest of a login, at once", latest, 0, start, login, refresh.Rotated},
		{"latest of a login, confirmed, at 2g", latest, confirmed, confirmed + 2*g, login, refresh.Coalesced},
		{"latest of a login, confirmed, after 2g", latest, confirmed, confirmed + 2*g + us, login, refresh.Rotated},
		{"latest, no grace, at once", latest, 0, start, graceless, refresh.Coalesced},
		{"latest, no grace, after", latest, 0, start + us, graceless, refresh.Rotated},
		{"latest, unwired, at 3g", latest, 0, start + 3*g, unwired, refresh.Coalesced},
		{"latest, unwired, after 3g", latest, 0, start + 3*g + us, unwired, refresh.Rotated},

		{"previous, at g", previous, 0, start + g, nil, refresh.Repeated},
		{"previous, at once", previous, 0, start, nil, refresh.Repeated},
		{"previous, confirmed, at g of the rotation", previous, start + us, start + g, nil, refresh.Repeated},
		{"previous, confirmed, at g of the confirmation", previous, confirmed, confirmed + g, nil, refresh.Repeated},
		{"previous, confirmed, after g", previous, confirmed, confirmed + g + us, nil, refresh.Reused},
		{"previous, confirmed at once, after g", previous, start, start + g + us, nil, refresh.Reused},
		{"previous, confirmed before it was fixed again, at g", previous, start - 5*sec, start + g, nil, refresh.Repeated},
		{"previous, confirmed before it was fixed again, after g", previous, start - 5*sec, start + g + us, nil, refresh.Reused},
		{"previous, confirmed, within 24 h", previous, confirmed, start + 3600*sec, nil, refresh.Reused},
		{"previous, confirmed, unwired, at g", previous, confirmed, confirmed + g, unwired, refresh.Repeated},
		{"previous, confirmed, unwired, after g", previous, confirmed, confirmed + g + us, unwired, refresh.Reused},
		{"previous, after g", previous, 0, start + g + us, nil, refresh.LateRepeated},
		{"previous, at 24 h", previous, 0, start + day, nil, refresh.LateRepeated},
		{"previous, after 24 h", previous, 0, start + day + us, nil, refresh.ReusedUnconfirmed},
		{"previous, unwired, at g", previous, 0, start + g, unwired, refresh.Repeated},
		{"previous, unwired, after g", previous, 0, start + g + us, unwired, refresh.ReusedUnconfirmed},
		{"previous, no grace, at once", previous, 0, start, graceless, refresh.Repeated},
		{"previous, no grace, after", previous, 0, start + us, graceless, refresh.LateRepeated},

		{"older, at once", older, 0, start, nil, refresh.ReusedOlder},
		{"older, confirmed, at g", older, confirmed, confirmed + g, nil, refresh.ReusedOlder},
		{"the oldest", 1, 0, start, nil, refresh.ReusedOlder},

		{"newer by one", newer, 0, start, nil, refresh.Recovered},
		{"newer by many", 1 << 47, confirmed, start + 5*day, nil, refresh.Recovered},
		{"newer, unwired", newer, 0, start, unwired, refresh.Recovered},

		{"latest of another", latest, 0, start, misbound, refresh.Misbound},
		{"latest of another, later", latest, 0, start + day, misbound, refresh.Misbound},
		{"previous of another, within g", previous, 0, start, misbound, refresh.Misbound},
		{"older of another", older, 0, start, misbound, refresh.Misbound},
		{"newer of another", newer, 0, start, misbound, refresh.Misbound},
		{"latest of nobody", latest, 0, start, unbound, refresh.Misbound},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f, p := family(tc.confirmed), presented(tc.presented)
			p.Secret = refresh.SecretID{9}
			if tc.confirmed != 0 {
				f.Stamp = uint64(min(tc.confirmed, tc.now))
			}
			if tc.change != nil {
				tc.change(&f, &p)
			}
			was := f
			require.Equal(t, tc.want, f.Present(&p, tc.now))
			want := was
			now := tc.now
			switch tc.want {
			case refresh.Coalesced:
				if was.Confirmed == 0 {
					want.Confirmed = now
				}
			case refresh.Rotated:
				want.State = refresh.State{Generation: was.Generation + 1, Secret: newSecret, Fixed: now}
			case refresh.LateRepeated:
				want.Fixed, want.Floor = now, max(was.Stamp+1, uint64(now))
			case refresh.Recovered:
				want.State = refresh.State{Generation: p.Generation, Secret: p.Secret, Fixed: now, Confirmed: now}
			case refresh.Repeated:
			default:
				require.Equal(t, was, f, "whoever ends it has to say whose it was")
				require.False(t, tc.want.Answered())
				return
			}
			require.True(t, tc.want.Answered())
			want.Stamp = max(was.Stamp+1, uint64(now))
			want.Expires = min(now+7*day, was.Ends)
			require.Equal(t, want, f)
		})
	}
}

func TestZeroVerdictIsNotAnswered(t *testing.T) {
	require.False(t, refresh.Verdict(0).Answered(), "a store that decided nothing")
	require.False(t, (refresh.Misbound + 1).Answered())
}

// The same, written down again as a list of rows of which the first that fits counts.
func table(f refresh.Family, p refresh.Presented, now int64) refresh.Verdict {
	for _, seen := range []int64{f.Fixed, f.Confirmed, int64(f.Stamp)} {
		if now < seen {
			now = seen
		}
	}
	grace := int64(p.Rules.Grace / time.Microsecond)
	within := func(since, window int64) bool { return since > 0 && now-since <= window }
	latest, previous := p.Generation == f.Generation, p.Generation == f.Generation-1
	for _, row := range []struct {
		verdict refresh.Verdict
		fits    bool
	}{
		{refresh.Misbound, p.Binding != f.Binding},
		{refresh.Coalesced, latest && (within(f.Fixed, 3*grace) || within(f.Confirmed, 2*grace))},
		{refresh.Rotated, latest},
		{refresh.Repeated, previous && (within(f.Fixed, grace) || within(f.Confirmed, grace))},
		{refresh.LateRepeated, previous && p.Rules.Wired && f.Confirmed == 0 && within(f.Fixed, day)},
		{refresh.ReusedUnconfirmed, previous && f.Confirmed == 0},
		{refresh.Reused, previous},
		{refresh.ReusedOlder, p.Generation < f.Generation},
		{refresh.Recovered, p.Generation > f.Generation},
	} {
		if row.fits {
			return row.verdict
		}
	}
	return 0
}

func TestDecisionTableAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grace := time.Duration(rapid.SampledFrom([]int64{0, 1, 1000, 10_000_000, 60_000_000}).Draw(t, "grace")) * time.Microsecond
		edge := func(name string, from int64) int64 {
			gap := rapid.SampledFrom([]int64{0, grace.Microseconds(), 2 * grace.Microseconds(), 3 * grace.Microseconds(), day, 40 * day}).Draw(t, name)
			return from + gap + rapid.Int64Range(-2, 2).Draw(t, name+" edge")
		}
		f := family(0)
		f.Generation = rapid.SampledFrom([]uint64{1, 2, 3, 1 << 40}).Draw(t, "generation")
		if f.Fixed = 0; f.Generation > 1 || rapid.Bool().Draw(t, "fixed") {
			f.Fixed = start
		}
		if rapid.Bool().Draw(t, "confirmed") {
			f.Confirmed = max(edge("since fixed", start), 1)
		}
		f.Stamp = uint64(edge("stamp", start-40*day))
		p := presented(f.Generation + rapid.SampledFrom([]uint64{0, 0, 0, 1, 2}).Draw(t, "newer"))
		if back := rapid.Uint64Range(0, 3).Draw(t, "older"); back < p.Generation {
			p.Generation -= back
		}
		p.Rules.Grace, p.Rules.Wired = grace, rapid.Bool().Draw(t, "wired")
		if rapid.IntRange(0, 9).Draw(t, "binding") == 0 {
			p.Binding[0]++
		}
		now := edge("now", rapid.SampledFrom([]int64{f.Fixed, f.Confirmed, start}).Draw(t, "from"))
		was := f
		want := table(f, p, now)
		got := f.Present(&p, now)
		require.Equal(t, want, got)

		if !got.Answered() {
			require.Equal(t, was, f)
			return
		}
		require.Greater(t, f.Stamp, was.Stamp, "two answers have two stamps")
		require.GreaterOrEqual(t, f.Stamp, uint64(max(now, 1)))
		require.Equal(t, got == refresh.LateRepeated, f.Floor != was.Floor && f.Floor == f.Stamp)
		require.LessOrEqual(t, f.Expires, f.Ends)
		back := f
		back.State, back.Expires = was.State, was.Expires
		require.Equal(t, was, back, "all else stays as it is")
		require.Equal(t, got == refresh.Rotated || got == refresh.Recovered, f.Generation != was.Generation)
		require.GreaterOrEqual(t, f.Generation, was.Generation)
	})
}

// step is one thing that happens to a family.
type step struct {
	what  int
	gap   int64
	which uint64
}

// Whatever comes in whatever order, at whatever time: a generation never comes back, an
// answer that was void stays void, what was used is not answered again late, and nothing
// lives longer than it may.
func TestHistories(t *testing.T) {
	gaps := []int64{0, 1, g, g + 1, 2 * g, 2*g + 1, 3 * g, 3*g + 1, 3600 * sec, day, day + 1, -1, -g, -day}
	rapid.Check(t, func(t *rapid.T) {
		var f refresh.Family
		f.Lifetime, f.Idle, f.Binding = 30*24*time.Hour, 7*24*time.Hour, bound
		now := start
		f.Begin(now)
		used := map[uint64]bool{}                    // generations that are confirmed
		floors := map[uint64]uint64{}                // by generation
		answers := map[uint64][]uint64{1: {f.Stamp}} // by generation
		wired := rapid.Bool().Draw(t, "wired")
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, 3).Draw(t, "what"), rapid.SampledFrom(gaps).Draw(t, "gap"), rapid.Uint64Range(0, 2).Draw(t, "which")}
		}), 1, 40).Draw(t, "steps")
		for _, s := range steps {
			now += s.gap
			was := f
			if s.what == 0 { // an access token is seen
				generation := f.Generation - min(s.which, f.Generation-1)
				stamps := answers[generation]
				a := revocation.Answer{Generation: generation, Stamp: stamps[int(s.gap&0xff)%len(stamps)]}
				changed, err := f.Sight(a, now)
				if a.Stamp < floors[generation] && generation == f.Generation {
					require.Equal(t, revocation.ErrVoid, err)
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, changed, f != was)
				if err == nil && generation == f.Generation {
					require.NotZero(t, f.Confirmed)
					used[generation] = true
				}
				continue
			}
			p := presented(f.Generation - min(s.which, f.Generation-1))
			p.Rules.Wired = wired
			v := f.Present(&p, now)
			if !v.Answered() {
				require.Equal(t, was, f)
				return // the family is over
			}
			require.GreaterOrEqual(t, f.Generation, was.Generation)
			require.LessOrEqual(t, f.Generation, was.Generation+1)
			require.GreaterOrEqual(t, p.Generation+1, f.Generation, "only the latest two are ever answered")
			require.LessOrEqual(t, f.Expires, start+30*day)
			require.Equal(t, start+30*day, f.Ends)
			if v == refresh.LateRepeated {
				require.True(t, wired)
				require.False(t, used[f.Generation], "what was used is not answered again late")
				floors[f.Generation] = f.Floor
				for _, stamp := range answers[f.Generation] {
					require.Less(t, stamp, f.Floor, "every answer before it is void")
				}
			}
			if f.Confirmed != 0 {
				used[f.Generation] = true
			}
			require.GreaterOrEqual(t, f.Stamp, floors[f.Generation], "the answer itself is not")
			answers[f.Generation] = append(answers[f.Generation], f.Stamp)
		}
	})
}

func TestBegin(t *testing.T) {
	f := family(start)
	f.Floor, f.Secret = 9, newSecret
	want := f
	f.Begin(start + day)
	want.Created, want.Ends, want.Expires = start+day, start+31*day, start+8*day
	want.State = refresh.State{Generation: 1, Secret: newSecret, Stamp: uint64(start + day)}
	require.Equal(t, want, f)
	require.Equal(t, revocation.Answer{Generation: 1, Stamp: uint64(start + day)}, f.Answer())
	require.Equal(t, refresh.Key{Tag: [4]byte{1}, Handle: revocation.Handle{3}}, f.Key())

	f.Lifetime = time.Hour
	f.Begin(start)
	require.Equal(t, start+3600*sec, f.Expires, "idle is never later than the end")
	for _, clock := range []int64{0, -1, -start} {
		f.Begin(clock)
		require.EqualValues(t, 1, f.Stamp, "no stamp is zero, which is that of a token without one")
	}
}

func TestLive(t *testing.T) {
	f := family(0)
	for now, want := range map[int64]bool{start: true, f.Expires - 1: true, f.Expires: false, f.Expires + 1: false, f.Ends: false} {
		require.Equal(t, want, f.Live(now), now-f.Expires)
	}
}

func TestFamilySight(t *testing.T) {
	stamp := uint64(start)
	for _, tc := range []struct {
		desc      string
		confirmed int64
		floor     uint64
		seen      revocation.Answer
		changed   bool
		err       error
	}{
		{"latest", 0, 0, revocation.Answer{Generation: 5, Stamp: stamp}, true, nil},
		{"latest, an earlier answer", 0, 0, revocation.Answer{Generation: 5, Stamp: 1}, true, nil},
		{"latest, confirmed", start + sec, 0, revocation.Answer{Generation: 5, Stamp: stamp}, false, nil},
		{"latest, at the floor", 0, stamp, revocation.Answer{Generation: 5, Stamp: stamp}, true, nil},
		{"latest, below the floor", 0, stamp, revocation.Answer{Generation: 5, Stamp: stamp - 1}, false, revocation.ErrVoid},
		{"latest, below the floor, confirmed", start + sec, stamp, revocation.Answer{Generation: 5, Stamp: stamp - 1}, false, revocation.ErrVoid},
		{"previous", 0, 0, revocation.Answer{Generation: 4, Stamp: stamp}, false, nil},
		{"previous, below this one's floor", 0, stamp, revocation.Answer{Generation: 4, Stamp: 1}, false, nil},
		{"newer", 0, 0, revocation.Answer{Generation: 6, Stamp: stamp + 9}, false, nil},
	} {
		t.Run(tc.desc, func(t *testing.T) {
			f := family(tc.confirmed)
			f.Floor = tc.floor
			want := f
			if tc.changed {
				want.Confirmed = start + 60*sec
			}
			changed, err := f.Sight(tc.seen, start+60*sec)
			require.Equal(t, tc.changed, changed)
			require.Equal(t, tc.err, err)
			require.Equal(t, want, f)
		})
	}
}

// A clock that is set back opens no window again, and gives nothing a time that is over.
func TestClockSetBack(t *testing.T) {
	t.Run("the grace window stays closed", func(t *testing.T) {
		f := family(start + sec)
		f.Stamp = uint64(start + 60*sec) // the latest answer
		p := presented(4)
		require.Equal(t, refresh.Reused, f.Present(&p, start))
	})
	t.Run("the coalesce window stays closed", func(t *testing.T) {
		f := family(start + sec)
		f.Stamp = uint64(start + 60*sec)
		p := presented(5)
		require.Equal(t, refresh.Rotated, f.Present(&p, start-day))
		require.Equal(t, start+60*sec, f.Fixed)
		require.EqualValues(t, start+60*sec+1, f.Stamp)
		require.Equal(t, start+60*sec+7*day, f.Expires)
	})
	t.Run("answers stay in order", func(t *testing.T) {
		f := family(start)
		p := presented(5)
		last := f.Stamp
		for _, now := range []int64{start, start, start - day, 0, -1} {
			require.Equal(t, refresh.Coalesced, f.Present(&p, now))
			require.Equal(t, last+1, f.Stamp)
			last++
		}
	})
	t.Run("a confirmation is not before what it confirms", func(t *testing.T) {
		f := family(0)
		changed, err := f.Sight(f.Answer(), start-day)
		require.True(t, changed)
		require.NoError(t, err)
		require.Equal(t, start, f.Confirmed)
	})
	t.Run("a clock before all time", func(t *testing.T) {
		var f refresh.Family
		f.Lifetime, f.Idle = time.Hour, time.Hour
		f.Begin(-5)
		changed, err := f.Sight(f.Answer(), -5)
		require.True(t, changed)
		require.NoError(t, err)
		require.Positive(t, f.Confirmed, "zero is never")
		p := presented(1)
		p.Binding = refresh.Binding{}
		require.Equal(t, refresh.Coalesced, f.Present(&p, -5))
		f.Begin(0)
		require.Equal(t, refresh.Rotated, f.Present(&p, 1), "never is not just now")
	})
}

// The one answer that voids: whatever came with the generation before it, and nothing
// that comes with it or after.
func TestLateRepeatVoids(t *testing.T) {
	f := family(0)
	old := presented(4)
	first := f.Answer()
	require.Equal(t, refresh.LateRepeated, f.Present(&old, start+60*sec))
	second := f.Answer()
	require.Equal(t, first.Generation, second.Generation)
	require.Greater(t, second.Stamp, first.Stamp)
	_, err := f.Sight(first, start+60*sec)
	require.Equal(t, revocation.ErrVoid, err)
	require.Zero(t, f.Confirmed)
	require.Equal(t, refresh.Repeated, f.Present(&old, start+60*sec+g), "its answer may be under way as well")
	third := f.Answer()
	require.Equal(t, refresh.LateRepeated, f.Present(&old, start+60*sec+g+1))
	_, err = f.Sight(third, start+71*sec)
	require.Equal(t, revocation.ErrVoid, err)
	changed, err := f.Sight(f.Answer(), start+71*sec)
	require.True(t, changed)
	require.NoError(t, err)
	require.Equal(t, refresh.Reused, f.Present(&old, start+71*sec+g+1))
	latest := presented(5)
	require.Equal(t, refresh.Rotated, f.Present(&latest, start+200*sec))
	require.Zero(t, f.Floor, "of the next generation nothing is void")
}

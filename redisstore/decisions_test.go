package redisstore_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/core/refresh"
	"github.com/sallyport-go/sallyport/core/revocation"
)

// TestSameDecisions: the script decides as refresh.Family.Present and Sight do, and
// keeps the same state, whatever is presented when. Times are chosen around the edges
// of every window, and now and then go back.
func TestSameDecisions(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			d := newTwin(t, seed, seen)
			for d.steps < 6000 {
				d.life()
			}
		})
	}
	t.Logf("%v", seen)
	for v := refresh.Coalesced; v <= refresh.Misbound; v++ {
		require.Greater(t, seen[fmt.Sprintf("verdict %d", v)], 50, "verdict %d", v)
	}
	for _, what := range []string{"gone", "confirmed", "sighted again", "void", "void forgotten"} {
		require.Greater(t, seen[what], 50, what)
	}
}

// twin is a family in a store and as Go decides about it.
type twin struct {
	*testing.T
	rnd   *rand.Rand
	now   int64
	store refresh.Store
	seen  map[string]int
	lives int
	steps int

	f     refresh.Family
	grace time.Duration
	void  int64 // until when the latest one is remembered
}

const denied = 20 * time.Minute

func newTwin(t *testing.T, seed uint64, seen map[string]int) *twin {
	d := &twin{T: t, rnd: rand.New(rand.NewPCG(seed, 0)), now: time.Now().UnixMicro(), seen: seen}
	d.store = newStore(t, func() time.Time { return time.UnixMicro(d.now) }).Refresh()
	return d
}

const lateRepeats = 24 * time.Hour

// life is that of one family, which has an owner of its own.
func (d *twin) life() {
	d.lives++
	owner := revocation.Owner{Tag: [4]byte{1}, Hash: [12]byte{byte(d.lives), byte(d.lives >> 8)}}
	var epoch uint64
	var err error
	if d.rnd.IntN(4) == 0 {
		epoch, err = d.store.RaiseEpoch(d.Context(), owner, time.UnixMicro(d.now).Add(time.Hour))
		require.NoError(d, err)
	}
	d.grace = []time.Duration{0, time.Microsecond, 10 * time.Second, time.Minute}[d.rnd.IntN(4)]
	f := refresh.Family{
		Owner: owner, Handle: revocation.Handle{byte(d.lives), byte(d.lives >> 8), 3}, Binding: refresh.Binding{byte(d.rnd.IntN(2))},
		Lifetime: time.Duration(1+d.rnd.IntN(60)) * 24 * time.Hour, Idle: time.Duration(1+d.rnd.IntN(500)) * time.Hour,
		State: refresh.State{Secret: d.secret()}, Value: "value",
	}
	d.f = f
	d.f.Begin(d.now)
	d.f.Epoch = epoch
	got, ended, err := d.store.CreateFamily(d.Context(), f, 10)
	require.NoError(d, err)
	require.Empty(d, ended)
	require.Equal(d, d.f, got)
	for d.f.Live(d.now) {
		d.pass()
		d.steps++
		if d.rnd.IntN(3) == 0 || d.f.Floor != 0 && d.rnd.IntN(2) == 0 {
			d.sight()
		} else if !d.present() {
			return
		}
		d.same()
	}
}

func (d *twin) secret() refresh.SecretID { return refresh.SecretID{byte(d.rnd.IntN(3)), 0, 0xff, 1} }

// pass lets some time pass: to an edge, or any.
func (d *twin) pass() {
	next := d.now
	switch d.rnd.IntN(8) {
	case 0:
		// At the same moment.
	case 1:
		next += d.rnd.Int64N(1_000_000)
	case 2:
		next += d.rnd.Int64N(30 * 24 * time.Hour.Microseconds())
	case 3:
		next -= d.rnd.Int64N(time.Hour.Microseconds())
	default:
		from := []int64{d.f.Fixed, d.f.Confirmed, int64(d.f.Stamp)}[d.rnd.IntN(3)]
		span := []time.Duration{d.grace, 2 * d.grace, 3 * d.grace, lateRepeats, d.f.Idle}[d.rnd.IntN(5)]
		next = from + span.Microseconds() + d.rnd.Int64N(5) - 2
		if d.rnd.IntN(4) == 0 {
			next = d.f.Expires + d.rnd.Int64N(5) - 2
		}
		if next < d.now-time.Hour.Microseconds() {
			next = d.now
		}
	}
	d.now = next
}

// near is mostly n, and otherwise not far from it.
func (d *twin) near(n uint64) uint64 {
	if d.rnd.IntN(2) == 0 {
		return n
	}
	return uint64(max(int64(n)+d.rnd.Int64N(7)-3, 1))
}

// present says whether the family goes on.
func (d *twin) present() bool {
	p := &refresh.Presented{
		Generation: d.f.Generation, Secret: d.secret(), Signing: d.secret(), Binding: d.f.Binding,
		Rules: refresh.Rules{Grace: d.grace, Wired: d.rnd.IntN(3) > 0, Denied: denied},
	}
	switch d.rnd.IntN(24) {
	case 0:
		p.Binding[15]++
	case 1, 2:
		p.Generation = uint64(max(int64(d.f.Generation)-2-d.rnd.Int64N(3), 1))
	case 3:
		p.Generation += 1 + d.rnd.Uint64N(1<<40)
	case 4, 5, 6, 7, 8, 9, 10, 11, 12, 13:
		p.Generation = max(p.Generation-1, 1)
	}
	before := d.f
	if !d.f.Live(d.now) {
		_, err := d.store.Rotate(d.Context(), d.f.Key(), p)
		require.ErrorIs(d, err, refresh.ErrGone)
		d.seen["gone"]++
		return false
	}
	want := d.f.Present(p, d.now)
	out, err := d.store.Rotate(d.Context(), d.f.Key(), p)
	require.NoError(d, err)
	require.Equal(d, want, out.Verdict, "%+v presented to %+v at %d", p, before, d.now)
	require.Equal(d, d.f, out.Family, "%+v presented to %+v at %d", p, before, d.now)
	d.seen[fmt.Sprintf("verdict %d", want)]++
	if want == refresh.LateRepeated {
		d.void = d.now + denied.Microseconds()
	}
	if want.Answered() {
		return true
	}
	_, err = d.store.FindFamily(d.Context(), d.f.Key())
	require.ErrorIs(d, err, refresh.ErrGone)
	found, err := d.store.Revoked(d.Context(), d.f.Owner, revocation.Asked{Session: d.f.Handle})
	require.NoError(d, err)
	require.Equal(d, revocation.Found{Epoch: found.Epoch, Denied: true}, found)
	return false
}

func (d *twin) sight() {
	a := revocation.Answer{Generation: d.near(d.f.Generation), Stamp: d.near(d.f.Stamp)}
	if d.f.Floor != 0 && d.rnd.IntN(2) == 0 {
		a = revocation.Answer{Generation: d.f.Generation, Stamp: d.near(d.f.Floor)}
	}
	err := d.store.Sight(d.Context(), d.f.Owner, d.f.Handle, a)
	if !d.f.Live(d.now) {
		require.ErrorIs(d, err, revocation.ErrEnded)
		d.seen["gone"]++
		return
	}
	changed, want := d.f.Sight(a, d.now)
	require.Equal(d, want, err)
	switch {
	case want != nil:
		d.seen["void"]++
	case changed:
		d.seen["confirmed"]++
	default:
		d.seen["sighted again"]++
	}
}

// same compares what is kept.
func (d *twin) same() {
	got, err := d.store.FindFamily(d.Context(), d.f.Key())
	if !d.f.Live(d.now) {
		require.ErrorIs(d, err, refresh.ErrGone)
		return
	}
	require.NoError(d, err)
	require.Equal(d, d.f, got)
	if d.f.Floor == 0 {
		return
	}
	found, err := d.store.Revoked(d.Context(), d.f.Owner, revocation.Asked{Session: d.f.Handle, Generation: d.f.Generation})
	require.NoError(d, err)
	switch { // kept to the millisecond
	case d.now < d.void:
		require.Equal(d, d.f.Floor, found.Floor)
	case d.now > d.void+1000:
		require.Zero(d, found.Floor)
		d.seen["void forgotten"]++
	}
}

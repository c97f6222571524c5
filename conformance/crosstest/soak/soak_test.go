package main

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

var tiny = size{seed: 1, sessions: 1500, rough: 150, thieves: 200, each: 20, workers: 2}

func TestShort(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	var out strings.Builder
	require.NoError(t, run(ours, tiny, file, &out, io.Discard))
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, out.String(), string(written))
	require.Contains(t, out.String(), "| sessions | 1,500 | 150 |")
	require.Contains(t, out.String(), "| **false logouts** | **0** | **0** |")
	for _, s := range append(rotation.Others, rotation.Variants...) {
		require.Contains(t, out.String(), "\n| "+s.Name+" |")
	}
}

func play(t *testing.T, c campaign, workers int) sums {
	t.Helper()
	s, err := c.run(workers)
	require.NoError(t, err)
	require.Equal(t, c.sessions, s.sessions)
	return s
}

func named(t *testing.T, name string) scheme {
	t.Helper()
	for _, s := range append(rotation.Others, rotation.Variants...) {
		if s.Name == name {
			return model(s)
		}
	}
	require.Fail(t, "no such scheme", name)
	return scheme{}
}

// afterlife goes on in some way after the logout, or after the family has ended by itself.
type afterlife struct {
	rotation.Server
	refresh, alive, reused bool
	use                    int // which use is accepted, from 1

	ended bool
}

func (a *afterlife) Logout(token string) {
	a.Server.Logout(token)
	a.ended = true
}

func (a *afterlife) Refresh(token string) (rotation.Answer, rotation.Outcome) {
	if a.ended && a.refresh {
		return rotation.Answer{}, rotation.Answered
	}
	return a.Server.Refresh(token)
}

func (a *afterlife) Use(access string) bool {
	if a.ended {
		a.use--
		return a.use == 0
	}
	return a.reused && a.Server.Dead() || a.Server.Use(access)
}

func (a *afterlife) Dead() bool { return a.Server.Dead() && !(a.ended && a.alive) }

func TestAfterlifeIsNoticed(t *testing.T) {
	robber := campaign{profs: quiet, thief: true, method: racing, follows: []bool{true}}
	for _, test := range []struct {
		desc string
		life afterlife
		of   campaign
		want bool
	}{
		{"none", afterlife{}, campaign{profs: honest}, false},
		{"none with a thief", afterlife{}, robber, false},
		{"refreshed", afterlife{refresh: true}, campaign{profs: honest}, true},
		{"not dead", afterlife{alive: true}, campaign{profs: honest}, true},
		{"first token used", afterlife{use: 1}, campaign{profs: honest}, true},
		{"last token used", afterlife{use: maxTabs}, campaign{profs: honest}, true},
		{"used after a reuse", afterlife{reused: true}, campaign{profs: quiet, thief: true, method: eager, follows: []bool{false}}, true},
		{"the thief's used", afterlife{use: 2}, robber, true}, // after the one of the one tab
	} {
		t.Run(test.desc, func(t *testing.T) {
			test.of.scheme = wrapped(func(s rotation.Server) rotation.Server {
				life := test.life
				life.Server = s
				return &life
			})
			test.of.sessions, test.of.seed = 20, 1
			s := play(t, test.of, 1)
			require.Equal(t, test.want, s.revived > 0, "%d of 20", s.revived)
		})
	}
}

// failing answers 503 now and then.
type failing struct {
	rotation.Server
	n int
}

func (f *failing) Refresh(token string) (rotation.Answer, rotation.Outcome) {
	if f.n++; f.n%50 == 0 {
		return rotation.Answer{}, rotation.Failed
	}
	return f.Server.Refresh(token)
}

func wrapped(wrap func(rotation.Server) rotation.Server) scheme {
	return scheme{"wrapped", func(c *rotation.Clock) (func() rotation.Server, error) {
		begin, err := ours.open(c)
		return func() rotation.Server { return wrap(begin()) }, err
	}}
}

// A soak that cannot fail proves nothing.
func TestFaultsAreNoticed(t *testing.T) {
	for _, test := range []struct {
		desc string
		real scheme
		want string
	}{
		{"strict one-time", named(t, "strict one-time"), "honest sessions were logged out"},
		{"without coalescing", named(t, "without coalescing"), "honest sessions were logged out"},
		{"jar touched", named(t, "a coalesced answer touches the jar"), "honest sessions were logged out"},
		{"without voiding", named(t, "without voiding"), "passed the victim's next refresh for no reason"},
		{"alive after logout", wrapped(func(s rotation.Server) rotation.Server { return &afterlife{Server: s, alive: true} }), "good after their end"},
		{"503", wrapped(func(s rotation.Server) rotation.Server { return &failing{Server: s} }), "refreshes failed"},
	} {
		t.Run(test.desc, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "page.md")
			z := size{seed: 1, sessions: 600, rough: 10, thieves: 100, each: 1, workers: 1}
			err := run(test.real, z, file, io.Discard, io.Discard)
			require.ErrorContains(t, err, test.want)
			require.NoFileExists(t, file, "a page with a fault must not replace one without")
		})
	}
	require.Equal(t, []string{"nothing was simulated"}, (&outcome{rows: make([]row, 1)}).faults())

	// In whichever part of what the real scheme went through.
	for i := range 5 + 3*int(methods) {
		o := &outcome{honest: sums{sessions: 1, requests: 1}, rows: make([]row, 2)}
		o.rows[1].honest.logouts = 1 // another scheme's
		require.Empty(t, o.faults())
		parts := []*sums{&o.honest, &o.rough, &o.rows[0].honest, &o.rows[0].restored, &o.rows[0].lostOnce}
		for m := range methods {
			parts = append(parts, &o.thieves[m][0], &o.thieves[m][1], &o.rows[0].thieves[m])
		}
		parts[i].logouts = 1
		require.Equal(t, []string{"1 honest sessions were logged out"}, o.faults())
	}
}

// What workers came to is added up, every figure of it.
func TestSumsAreWhole(t *testing.T) {
	fill := func(s *sums) {
		v := reflect.ValueOf(s).Elem()
		for i := range v.NumField() {
			switch f := reflect.NewAt(v.Field(i).Type(), v.Field(i).Addr().UnsafePointer()).Interface().(type) {
			case *int64:
				*f = int64(i + 1)
			case *counts:
				f.add(int64(i + 1))
			case *[classes]int64:
				for c := range f {
					f[c] = int64(i + c + 1)
				}
			default:
				require.Failf(t, "a field of another type", "%T", f)
			}
		}
	}
	var one, two sums
	fill(&one)
	two.add(&one)
	require.Equal(t, one, two)
}

// Each scheme lets pass the thief that it is known to let pass, and ours does not.
func TestThievesThatAreMissed(t *testing.T) {
	for _, test := range []struct {
		scheme  string
		method  method
		atLeast float64
		ours    float64 // at most
	}{
		{"counter, the predecessor always", eager, 1, 0.05},
		{"counter, the predecessor always", racing, 1, 1},
		{"confirmation by use and a short grace, alone", patient, 0.95, 0.1},
		{"parent valid until child used", patient, 0.95, 0.1},
		{"without voiding", patient, 0.8, 0.1},
		{"an answer count in place of the stamp", polling, 0.7, 0},
		{"time grace, forking successors", late, 0.2, 0},
	} {
		t.Run(test.scheme+"/"+methodNames[test.method], func(t *testing.T) {
			c := campaign{scheme: named(t, test.scheme), profs: quiet, sessions: 150, seed: 1, thief: true, method: test.method, follows: []bool{true}}
			s := play(t, c, 1)
			require.GreaterOrEqual(t, ratio(s.missed, s.sessions), test.atLeast)
			c.scheme = ours
			s = play(t, c, 1)
			require.LessOrEqual(t, ratio(s.missed, s.sessions), test.ours)
		})
	}
}

func TestScenes(t *testing.T) {
	for _, test := range []struct {
		scheme             string
		restored, lostOnce bool // whether everybody survives
	}{
		{"strict one-time", false, false},
		{"time grace, displaced sibling", false, false},
		{"confirmation by use and a short grace, alone", false, true},
		{"without coalescing", false, true},
		{"without voiding", true, true},
	} {
		t.Run(test.scheme, func(t *testing.T) {
			s := play(t, campaign{scheme: named(t, test.scheme), profs: restored, sessions: 200, seed: 1}, 1)
			require.Equal(t, test.restored, s.logouts == 0)
			require.Greater(t, s.closes, int64(150), "few end before the scene")
			s = play(t, campaign{scheme: named(t, test.scheme), profs: lostOnce, sessions: 200, seed: 1}, 1)
			require.Equal(t, test.lostOnce, s.logouts == 0)
			require.EqualValues(t, 200, s.lost)
			require.EqualValues(t, 200, s.hours)
		})
	}
}

// The outcome depends on the seed and on nothing else.
func TestReproducible(t *testing.T) {
	for _, c := range []campaign{
		{scheme: ours, profs: honest, sessions: 500, seed: 7},
		{scheme: ours, profs: robbed, sessions: 500, seed: 7, thief: true, method: patient, follows: []bool{false, true}},
	} {
		one := play(t, c, 1)
		require.Equal(t, one, play(t, c, 3))
		c.seed = 8
		require.NotEqual(t, one, play(t, c, 1))
	}
}

// The real scheme and the model of it, which was written apart from it, do the same.
func TestModelAgrees(t *testing.T) {
	agree := func(c campaign) {
		t.Helper()
		c.scheme = ours
		want := play(t, c, 1)
		c.scheme = model(rotation.Model)
		require.Equal(t, want, play(t, c, 1))
	}
	agree(campaign{profs: honest, sessions: 1000, seed: 3})
	agree(campaign{profs: rough, sessions: 200, seed: 3})
	for m := range methods {
		agree(campaign{profs: robbed, sessions: 200, seed: 3, thief: true, method: m, follows: []bool{false, true}})
	}
}

// What the honest clients go through is what the page says.
func TestHonestMix(t *testing.T) {
	s := play(t, campaign{scheme: ours, profs: honest, sessions: 2000, seed: 5}, 1)
	require.InDelta(t, 0.05, ratio(s.lost, s.requests), 0.005)
	require.InDelta(t, 0.03, ratio(s.slow, s.requests), 0.005)
	require.InDelta(t, 0.1, ratio(s.hours, s.lost), 0.02)
	require.InDelta(t, 0.5, ratio(s.closes, s.sessions), 0.1)
	require.Greater(t, ratio(s.generations, s.sessions), 10.0)
	require.Greater(t, ratio(s.requests, s.sessions), 40.0)
	s = play(t, campaign{scheme: ours, profs: rough, sessions: 100, seed: 5}, 1)
	require.InDelta(t, 0.2, ratio(s.lost, s.requests), 0.02)
	require.Positive(t, s.voided, "late repeats take place")
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		desc string
		haul haul
		now  int64
		want class
	}{
		{"landed after an answer", haul{at: 100 * second, first: 100 * second, class: afterAnswer}, 600 * second, afterAnswer},
		{"landed after a use, and before a refresh", haul{at: 100 * second, first: 100 * second, class: afterUse}, 105 * second, afterUse},
		{"answered at the grace before", haul{at: 100 * second, first: 100 * second}, 110 * second, beforeRefresh},
		{"answered earlier", haul{at: 100 * second, first: 100 * second}, 110*second + 1, unexplained},
		{"first accepted at the grace before", haul{at: 1 * second, first: 100 * second}, 110 * second, beforeRefresh},
		{"unused", haul{at: 100 * second, first: 100 * second, class: unused}, 600 * second, unused},
		{"unused and before", haul{at: 100 * second, first: 100 * second, class: unused}, 101 * second, beforeRefresh},
	} {
		t.Run(test.desc, func(t *testing.T) {
			test.haul.judge(test.now)
			require.True(t, test.haul.judged)
			require.Equal(t, test.want, test.haul.class)
			test.haul.judge(test.now + 1000*second)
			require.Equal(t, test.want, test.haul.class, "only the next refresh counts")
		})
	}
	held := haul{at: 100 * second}
	held.judge(105 * second)
	require.False(t, held.judged, "nothing was accepted yet")
	held.first = 200 * second
	held.judge(600 * second)
	require.Equal(t, beforeRefresh, held.class, "answered within the grace before the refresh that came next")
}

func TestSize(t *testing.T) {
	z := full
	z.change(0, 0, 0)
	require.Equal(t, full, z)
	require.GreaterOrEqual(t, z.sessions, int64(1_000_000))
	require.GreaterOrEqual(t, z.thieves, int64(100_000))
	z.change(4, 5, 6)
	require.Equal(t, size{sessions: 4, rough: 1, thieves: 5, each: 6}, z)
}

func TestQueue(t *testing.T) {
	var q queue
	for i, at := range []int64{5, 3, 9, 3, 1, 5, 3, 0, 7} {
		q.push(event{at: at, msg: int32(i)})
	}
	var at []int64
	var order []int32
	for e, ok := q.pop(); ok; e, ok = q.pop() {
		at, order = append(at, e.at), append(order, e.msg)
	}
	require.Equal(t, []int64{0, 1, 3, 3, 3, 5, 5, 7, 9}, at)
	require.Equal(t, []int32{7, 4, 1, 3, 6, 0, 5, 8, 2}, order, "at one time in the order of planning")
}

func TestQuantile(t *testing.T) {
	var c, d counts
	require.EqualValues(t, 0, c.quantile(0.5))
	for i := range int64(50) {
		c.add(i + 1)
		d.add(i + 51)
	}
	c.merge(&d)
	for q, want := range map[float64]int64{0: 1, 0.01: 1, 0.5: 50, 0.99: 99, 1: 100} {
		require.Equal(t, want, c.quantile(q), "%v", q)
	}
}

func TestFigures(t *testing.T) {
	for want, got := range map[string]string{
		"–": percent(0, 0), "0": percent(0, 9), "100 %": percent(9, 9), "< 0.01 %": percent(1, 1e6), "> 99.99 %": percent(999_999, 1e6),
		"12.3 %": percent(123, 1000), "1.23 %": percent(123, 10_000), "98.77 %": percent(9877, 10_000),
		"7": thousands(7), "700": thousands(700), "1,000": thousands(1000), "1,234,567": thousands(1_234_567), "1.5": minutes(90),
	} {
		require.Equal(t, want, got)
	}
}

package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sallyport-go/sallyport/conformance/crosstest/rotation"
)

func TestExplore(t *testing.T) {
	var out bytes.Buffer
	ok := explore(&out, rotation.Ours, true)
	require.True(t, ok, out.String())
	require.NotContains(t, out.String(), "BROKEN")
	require.Equal(t, len(others()), strings.Count(out.String(), "breaks:"))
}

// TestExploreFails: a rule that breaks a promise is found out, and so is a printer that
// nobody reads.
func TestExploreFails(t *testing.T) {
	var out bytes.Buffer
	require.False(t, explore(&out, rotation.Variants[1], true))
	require.Contains(t, out.String(), "BROKEN: an honest client always goes on")
	require.False(t, explore(broken{}, rotation.Ours, true))
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("full") }

// TestCounterExamples: what a history is printed as has really happened, and the promise
// that it breaks is kept by the model of the whole rule in the same scenario.
func TestCounterExamples(t *testing.T) {
	for _, c := range others() {
		t.Run(c.scheme.Name+"/"+c.breaks.String(), func(t *testing.T) {
			m := newMachine(c.scheme, c.grace)
			r := search(m, c.scenario, func(p promise) bool { return p == c.breaks }, 0)
			require.Equal(t, c.breaks, r.broken)
			lines, err := repeat(m, c.scenario, r.history)
			require.NoError(t, err)
			require.NotEmpty(t, lines)
			c.limit = 20_000
			require.Equal(t, kept, search(newMachine(rotation.Model, c.grace), c.scenario, every, 0).broken)
		})
	}
}

// liar is a server with a fault that no history shows, because the machine looks for it.
type liar struct {
	rotation.Observed
	refresh func(rotation.Observed, string) (rotation.Answer, rotation.Outcome)
	use     func(rotation.Observed, string) bool
	crash   func(rotation.Observed, string) rotation.Outcome
}

func (l liar) Refresh(token string) (rotation.Answer, rotation.Outcome) {
	if l.refresh == nil {
		return l.Observed.Refresh(token)
	}
	return l.refresh(l.Observed, token)
}

func (l liar) Use(access string) bool {
	if l.use == nil {
		return l.Observed.Use(access)
	}
	return l.use(l.Observed, access)
}

func (l liar) Crash(token string) rotation.Outcome {
	if l.crash == nil {
		if _, o := l.Observed.Refresh(token); o == rotation.Refused {
			return o
		}
		return rotation.Failed
	}
	return l.crash(l.Observed, token)
}

// remembering is a verifier's memory, for one that makes too much of it.
type remembering struct {
	rotation.Observed
	seen map[string]bool
}

func TestMachineFindsFaults(t *testing.T) {
	for _, test := range []struct {
		name string
		want string // "" is none
		liar liar
	}{
		{"none", "", liar{}},
		{"a dead family accepts", "accepted after its family died, known before: false", liar{
			use: func(s rotation.Observed, access string) bool { return s.Use(access) || s.Dead() },
		}},
		{"a dead family accepts what was accepted before", "accepted after its family died, known before: true", liar{
			use: func(s rotation.Observed, access string) bool {
				s.(*remembering).seen[access] = s.Use(access) || s.(*remembering).seen[access]
				return s.(*remembering).seen[access]
			},
		}},
		{"a dead family answers", "a refresh token of a dead family was answered", liar{
			refresh: func(s rotation.Observed, token string) (rotation.Answer, rotation.Outcome) {
				if s.Dead() {
					return rotation.Answer{Access: s.Access(1, 1)}, rotation.Answered
				}
				return s.Refresh(token)
			},
		}},
		{"what is void is accepted", "a void access token was accepted", liar{
			use: func(s rotation.Observed, access string) bool { return s.Use(access) || !s.Dead() },
		}},
		{"what is void confirms", "a void access token changed the family", liar{
			use: func(s rotation.Observed, access string) bool {
				if s.Dead() || s.Use(access) {
					return !s.Dead()
				}
				return !s.Use(s.Access(s.View().Latest, 1<<60))
			},
		}},
		{"a crash undoes the decision", "a crash between decision and answer", liar{
			crash: func(s rotation.Observed, token string) rotation.Outcome { return rotation.Failed },
		}},
		{"a second token of one generation", "two refresh tokens of generation", liar{
			refresh: func(s rotation.Observed, token string) (rotation.Answer, rotation.Outcome) {
				before := s.View().Latest
				a, o := s.Refresh(token)
				if o == rotation.Answered && before == s.View().Latest && a.Refresh != "" {
					a.Refresh += "'"
				}
				return a, o
			},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			scheme := rotation.Scheme{Name: "liar", New: func(clock *rotation.Clock) rotation.Server {
				l := test.liar
				l.Observed = &remembering{rotation.Model.New(clock).(rotation.Observed), make(map[string]bool)}
				return l
			}}
			m := newMachine(scheme, 1)
			sc := scenario{grace: 1, tabs: 1, thief: anything}
			r := search(m, sc, func(p promise) bool { return p == sound }, 0)
			if test.want == "" {
				require.Equal(t, kept, r.broken)
				require.Empty(t, m.broken)
				return
			}
			require.Equal(t, sound, r.broken)
			require.Contains(t, strings.Join(m.broken, "\n"), test.want)
		})
	}
}

// TestRepeatNotices: a history that comes out otherwise on a new store is found, which is
// what the sample is for.
func TestRepeatNotices(t *testing.T) {
	m := newMachine(rotation.Model, 1)
	sc := scenario{grace: 1, tabs: 1}
	require.Equal(t, kept, search(m, sc, every, 20).broken)
	m.scheme = rotation.Variants[1]
	r := search(m, sc, every, 20)
	require.Equal(t, sound, r.broken)
	require.NotEmpty(t, r.history)
}

// TestForget: the store is what it was before its last write, at the time that it is now.
func TestForget(t *testing.T) {
	m := newMachine(rotation.Ours, 1)
	sc := scenario{grace: 1, tabs: 1, forget: true}
	lines, err := repeat(m, sc, []move{
		{kind: sends, id: latest}, {kind: decides, id: latest}, {kind: receives},
		{kind: jumps}, {kind: forgets}, {kind: sends, id: newer}, {kind: decides, id: newer},
	})
	require.NoError(t, err)
	require.Contains(t, lines[len(lines)-1], "10m0s")
	require.Contains(t, lines[len(lines)-1], "reaches the server with rt.2: at.2 alone", "recovered")
	_, err = repeat(m, sc, []move{{kind: receives}})
	require.ErrorContains(t, err, "is no move of this state")
}

func TestShift(t *testing.T) {
	for _, test := range []struct {
		i    id
		n    int8
		want id
	}{
		{0, 1, 0}, {latest, 0, latest}, {newer, 1, latest}, {latest, 1, 3}, {3, 1, older}, {older, 1, oldest}, {oldest, 1, oldest},
		{latest, -1, newer}, {3, -1, latest}, {oldest, -1, oldest}, {latest, 2, older}, {0, -1, 0},
	} {
		require.Equal(t, test.want, shifted(test.i, test.n), "%d by %d", test.i, test.n)
		if test.i != 0 {
			require.Equal(t, uint32(1)<<test.want, shiftedSet(1<<test.i, test.n))
		}
	}
	s := state{jar: latest, shown: 3, marked: latest, polls: latest, loot: 1<<latest | 1<<3, spoils: 1 << latest}
	s.tab[1] = tab{phase: answered, refresh: latest, access: latest, held: 3}
	s.shift(1)
	require.Equal(t, state{
		jar: 3, shown: older, marked: 3, polls: 3, loot: 1<<3 | 1<<older, spoils: 1 << 3,
		tab: [tabs]tab{1: {phase: answered, refresh: 3, access: 3, held: older}},
	}, s)
}

// TestHash: the order of the tabs makes no difference, everything else does.
func TestHash(t *testing.T) {
	one := state{jar: latest}
	one.tab[0], one.tab[1] = tab{phase: asking, token: latest}, tab{phase: answered, refresh: latest, access: latest}
	other := one
	other.tab[0], other.tab[2] = other.tab[2], other.tab[0]
	names := [tabs]byte{'A', 'B', 'C'}
	one.sort(&names)
	other.sort(nil)
	require.Equal(t, one, other)
	require.Equal(t, [tabs]byte{'C', 'A', 'B'}, names)

	seen := map[uint64]int{one.hash(true): -1}
	for i, change := range []func(*state){
		func(s *state) { s.node++ }, func(s *state) { s.before++ }, func(s *state) { s.undo++ },
		func(s *state) { s.loot++ }, func(s *state) { s.spoils++ }, func(s *state) { s.jar++ },
		func(s *state) { s.stolen = true }, func(s *state) { s.gone = true }, func(s *state) { s.forgot = true },
		func(s *state) { s.recovering = true }, func(s *state) { s.proved = true }, func(s *state) { s.shown++ }, func(s *state) { s.sinceShown++ },
		func(s *state) { s.leaps++ }, func(s *state) { s.marked++ }, func(s *state) { s.markedAge++ },
		func(s *state) { s.passed = true }, func(s *state) { s.accepted = true }, func(s *state) { s.acceptedAge++ },
		func(s *state) { s.landed++ }, func(s *state) { s.polls++ }, func(s *state) { s.pollAge++ },
		func(s *state) { s.began = true }, func(s *state) { s.others = true }, func(s *state) { s.told = true },
		func(s *state) { s.successor[31]++ }, func(s *state) { s.tab[0].age++ }, func(s *state) { s.tab[1].held++ },
		func(s *state) { s.tab[2].token++ }, func(s *state) { s.tab[2].phase++ }, func(s *state) { s.tab[2].refresh++ },
		func(s *state) { s.tab[2].access++ },
	} {
		s := one
		change(&s)
		h := s.hash(true)
		was, found := seen[h]
		require.False(t, found, "change %d is change %d", i, was)
		seen[h] = i
	}
}

func TestSet(t *testing.T) {
	s := newSet()
	for round := range 2 {
		for i := range uint64(200_000) {
			if n, fresh := s.add(mix(i, i) | 1); fresh != (round == 0) || n != uint32(i) {
				t.Fatalf("round %d: %d has number %d, new: %t", round, i, n, fresh)
			}
		}
	}
}

func TestAge(t *testing.T) {
	m := newMachine(rotation.Model, 2)
	top := uint8(rotation.Coalesce*2 + 1)
	second := int64(1_000_000)
	for _, test := range []struct {
		since int64
		day   bool
		want  uint8
	}{
		{0, false, 0}, {3, false, 0}, {5 * second, false, 1}, {10*second - 9, false, 2}, {600 * second, false, top},
		{600 * second, true, top}, {24 * 3600 * second, true, top + 1}, {24*3600*second + 1, true, top + 2},
		{24*3600*second + 1, false, top},
	} {
		require.Equal(t, test.want, m.age(1+test.since, 1, test.day), "%d µs", test.since)
	}
	require.Equal(t, uint8(none), m.age(5, 0, true))
}

// TestRanges: what is said of a token by its place is what the server calls it.
func TestRanges(t *testing.T) {
	m := newMachine(rotation.Ours, 1)
	at := &node{view: rotation.View{Latest: 7}}
	for i, want := range map[id]uint64{newer: 8, latest: 7, 3: 6, older: 5, oldest: 5} {
		require.Equal(t, want, m.generation(at, i))
		require.Equal(t, min(i, older), min(m.idOf(want, 7), older))
	}
	counting := newMachine(rotation.Others[0], 1)
	require.Equal(t, uint64(9), counting.generation(at, 9))
	require.Equal(t, id(9), counting.idOf(9, 0))
}

func TestPrinterKeepsTheFirstError(t *testing.T) {
	p := &printer{out: io.Discard}
	p.history(newMachine(rotation.Model, 1), scenario{grace: 1, tabs: 1}, []move{{kind: receives}})
	require.Error(t, p.err)
}

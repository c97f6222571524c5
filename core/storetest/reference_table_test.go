package storetest

import (
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/refresh"
)

// table is the decision table once more, as rows that a broken store can change. The
// first row whose condition holds decides.
type table struct {
	rows []row
	// clock is what the windows are measured by, then what each verdict does, and
	// what every answer does.
	clock  func(f *refresh.Family, now int64) int64
	do     map[refresh.Verdict]func(q *question)
	answer func(q *question)
}

type row struct {
	verdict refresh.Verdict
	when    func(q *question) bool
}

// question is a presented token before a family; times are in microseconds.
type question struct {
	f          *refresh.Family
	p          *refresh.Presented
	now, grace int64
}

func (q *question) latest() bool      { return q.p.Generation == q.f.Generation }
func (q *question) predecessor() bool { return q.p.Generation+1 == q.f.Generation }

// fixed and confirmed say that so much has not passed since the generation was, if it
// ever was.
func (q *question) fixed(within int64) bool { return q.f.Fixed != 0 && q.now-q.f.Fixed <= within }
func (q *question) confirmed(within int64) bool {
	return q.f.Confirmed != 0 && q.now-q.f.Confirmed <= within
}

func (q *question) bound() bool { return q.p.Binding == q.f.Binding }
func (q *question) newer() bool { return q.p.Generation > q.f.Generation }
func (q *question) coalesces() bool {
	return q.latest() && (q.fixed(3*q.grace) || q.confirmed(2*q.grace))
}
func (q *question) underWay() bool {
	return q.predecessor() && (q.fixed(q.grace) || q.confirmed(q.grace))
}
func (q *question) late() bool {
	return q.predecessor() && q.f.Confirmed == 0 && q.p.Rules.Wired && q.fixed((24 * time.Hour).Microseconds())
}

func newTable() table {
	return table{
		rows: []row{
			{refresh.Misbound, func(q *question) bool { return !q.bound() }},
			{refresh.Recovered, (*question).newer},
			{refresh.Coalesced, (*question).coalesces},
			{refresh.Rotated, (*question).latest},
			{refresh.ReusedOlder, func(q *question) bool { return !q.predecessor() }},
			{refresh.Repeated, (*question).underWay},
			{refresh.Reused, func(q *question) bool { return q.f.Confirmed != 0 }},
			{refresh.LateRepeated, (*question).late},
			{refresh.ReusedUnconfirmed, func(*question) bool { return true }},
		},
		clock: clockOf,
		do: map[refresh.Verdict]func(q *question){
			refresh.Coalesced: func(q *question) {
				if q.f.Confirmed == 0 {
					q.f.Confirmed = q.now
				}
			},
			refresh.Rotated: func(q *question) {
				q.f.Generation++
				q.f.Secret, q.f.Fixed, q.f.Confirmed, q.f.Floor = q.p.Signing, q.now, 0, 0
			},
			refresh.Repeated:     func(*question) {},
			refresh.LateRepeated: func(q *question) { q.f.Fixed = q.now },
			refresh.Recovered: func(q *question) {
				q.f.Generation, q.f.Secret = q.p.Generation, q.p.Secret
				q.f.Fixed, q.f.Confirmed, q.f.Floor = q.now, q.now, 0
			},
		},
		answer: func(q *question) {
			q.f.Stamp = max(q.f.Stamp+1, uint64(q.now))
			q.f.Expires = min(q.now+q.f.Idle.Microseconds(), q.f.Ends)
		},
	}
}

func (t *table) present(f *refresh.Family, p *refresh.Presented, now int64) (verdict refresh.Verdict) {
	q := &question{f: f, p: p, now: t.clock(f, now), grace: p.Rules.Grace.Microseconds()}
	for _, row := range t.rows {
		if row.when(q) {
			verdict = row.verdict
			break
		}
	}
	do := t.do[verdict]
	if do == nil {
		return verdict
	}
	do(q)
	t.answer(q)
	if verdict == refresh.LateRepeated {
		f.Floor = f.Stamp
	}
	return verdict
}

// TestTableIsThatOfPresent: the table was written down twice, and both say the same of
// every state and presented token, at every edge.
func TestTableIsThatOfPresent(t *testing.T) {
	const now = int64(1_800_000_000_000_000)
	own := newTable()
	seen := map[refresh.Verdict]int{}
	edges := []int64{0, 1, 10_000_000, 10_000_001, 20_000_000, 20_000_001, 30_000_000, 30_000_001, day.Microseconds(), day.Microseconds() + 1}
	ago := []int64{0}
	for _, e := range edges {
		ago = append(ago, now-e)
	}
	for _, fixed := range append(ago, now+5) {
		for _, confirmed := range append(ago, now+5) {
			for _, generation := range []uint64{1, 2, 3, 4, 5, 1<<48 - 1} {
				for _, grace := range []time.Duration{0, 10 * time.Second} {
					for _, wired := range []bool{false, true} {
						for _, bound := range []bool{false, true} {
							for _, stamp := range []uint64{uint64(max(fixed, confirmed, 1)), uint64(now) + 7} {
								f := refresh.Family{
									Idle: time.Hour, Created: now - 1, Ends: now + (30 * time.Minute).Microseconds(),
									State: refresh.State{Generation: 4, Secret: refresh.SecretID{1}, Fixed: fixed, Confirmed: confirmed, Stamp: stamp, Floor: 3},
								}
								p := refresh.Presented{
									Generation: generation, Secret: refresh.SecretID{2}, Signing: refresh.SecretID{3},
									Rules: refresh.Rules{Grace: grace, Wired: wired},
								}
								if !bound {
									p.Binding[0] = 1
								}
								a, b := f, f
								got, want := a.Present(&p, now), own.present(&b, &p, now)
								if got != want || a != b {
									t.Fatalf("%+v before %+v: got verdict %d and %+v, want verdict %d and %+v", p, f.State, got, a, want, b)
								}
								seen[got]++
							}
						}
					}
				}
			}
		}
	}
	for v := refresh.Coalesced; v <= refresh.Misbound; v++ {
		if seen[v] == 0 {
			t.Errorf("verdict %d: never came about, want at least once", v)
		}
	}
}

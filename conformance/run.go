package conformance

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-go/sallyport/core/session"
)

// Options vary a run. The zero value is the embedded store.
type Options struct {
	// Name is the store's, for the matrix: its column is called adapter/Name.
	Name string
	// Store makes the store that cases run on, by the given clock.
	Store func(t testing.TB, now func() time.Time) session.Store
}

// Run runs every case against the harness, one subtest each.
func Run(t *testing.T, h Harness) { RunOptions(t, h, Options{}, nil) }

// RunOptions is Run with options. If m is not nil the results go into it.
func RunOptions(t *testing.T, h Harness, o Options, m *Matrix) {
	cases := Cases()
	column := h.Name
	if o.Name != "" {
		column += "/" + o.Name
	}
	m.column(column)
	known := map[string]bool{}
	for _, c := range cases {
		known[c.Slug] = true
	}
	for slug := range maps.Keys(h.Gaps) {
		if !known[slug] {
			t.Errorf("gap %q is no case of the suite", slug)
		}
	}
	for _, c := range cases {
		t.Run(c.Slug, func(t *testing.T) {
			reason, gap := h.Gaps[c.Slug]
			if !gap {
				defer func() { m.set(column, c, result(!t.Failed())) }()
				c.Run(newT(t, h, c, o, nil))
				return
			}
			failure := attempt(t, h, c, o, nil)
			if failure == "" {
				m.set(column, c, "FAIL")
				t.Fatalf("%s passes, but is declared as a gap: %s", c.Slug, reason)
			}
			m.set(column, c, "gap")
			t.Logf("declared gap: %s", reason)
		})
	}
}

func result(ok bool) string {
	if ok {
		return "pass"
	}
	return "FAIL"
}

// attempt runs a case without failing t and returns how it failed, "" if it did
// not.
func attempt(t *testing.T, h Harness, c Case, o Options, mutant *Mutant) string {
	r := &recording{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.cleanup()
		c.Run(newT(r, h, c, o, mutant))
	}()
	<-done
	return r.failure()
}

// recording is a testing.TB whose failures stay with it.
type recording struct {
	testing.TB
	mu       sync.Mutex
	failed   []string
	cleanups []func()
}

func (r *recording) fail(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, s)
}

func (r *recording) failure() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.failed, "\n")
}

func (r *recording) cleanup() {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
}

func (r *recording) Cleanup(f func())                  { r.cleanups = append(r.cleanups, f) }
func (r *recording) Helper()                           {}
func (r *recording) Failed() bool                      { return r.failure() != "" }
func (r *recording) Fail()                             { r.fail("failed") }
func (r *recording) Error(args ...any)                 { r.fail(fmt.Sprintln(args...)) }
func (r *recording) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }
func (r *recording) FailNow()                          { r.fail("failed"); goexit() }
func (r *recording) Fatal(args ...any)                 { r.fail(fmt.Sprintln(args...)); goexit() }
func (r *recording) Fatalf(format string, args ...any) {
	r.fail(fmt.Sprintf(format, args...))
	goexit()
}

// Matrix collects results, to be printed as one table. The zero value is empty;
// a nil Matrix takes nothing. Safe for concurrent use.
type Matrix struct {
	mu      sync.Mutex
	columns []string
	rows    map[string]map[string]string // slug, column
	mutants []verdict
}

type verdict struct {
	name, slug string
	caught     bool
}

// column makes room for a run. Runs may go side by side, so columns are sorted and do not
// depend on which came first.
func (m *Matrix) column(name string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, there := slices.BinarySearch(m.columns, name); !there {
		m.columns = slices.Insert(m.columns, at, name)
	}
}

func (m *Matrix) set(column string, c Case, result string) {
	if m == nil {
		return
	}
	m.column(column)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows == nil {
		m.rows = map[string]map[string]string{}
	}
	if m.rows[c.Slug] == nil {
		m.rows[c.Slug] = map[string]string{}
	}
	m.rows[c.Slug][column] = result
}

func width(column string) int { return max(8, len(column)) }

// Print writes the table: a row for each case that ran, then the mutants, then
// one line that sums up.
func (m *Matrix) Print(w io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(w, "%-4s %-48s", "id", "case")
	for _, col := range m.columns {
		fmt.Fprintf(w, " %-*s", width(col), col)
	}
	fmt.Fprintln(w)
	cases, failed, gaps, caught := 0, 0, 0, 0
	for _, c := range Cases() {
		row := m.rows[c.Slug]
		if row == nil {
			continue
		}
		cases++
		fmt.Fprintf(w, "%-4s %-48s", c.ID, c.Slug)
		for _, col := range m.columns {
			r := row[col]
			switch r {
			case "FAIL":
				failed++
			case "gap":
				gaps++
			case "":
				r = "-"
			}
			fmt.Fprintf(w, " %-*s", width(col), r)
		}
		fmt.Fprintln(w)
	}
	for _, v := range m.mutants {
		state := "caught by"
		if v.caught {
			caught++
		} else {
			state = "SURVIVED"
		}
		fmt.Fprintf(w, "mutant %-60s %s %s\n", v.name, state, v.slug)
	}
	fmt.Fprintf(w, "conformance: %d cases x %d adapters and stores, %d failed, %d declared gaps; mutants: %d of %d caught\n",
		cases, len(m.columns), failed, gaps, caught, len(m.mutants))
}

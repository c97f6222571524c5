package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const (
	floor = "bare"
	ours  = "sallyport"

	oursFirst = "sallyport-first" // ours, with a token that it never saw
)

var frameworks = []struct{ slug, name string }{{"gin", "Gin"}, {"echo", "Echo"}, {"fiber", "Fiber"}}

// A table compares the libraries of one framework.
type table struct {
	results   results
	group     string // Memory or Redis
	framework string
}

func (t table) row(library, op string) string {
	return strings.Join([]string{t.group, t.framework, library, op}, "/")
}

// libraries are the floor, ours if it was measured, and the peers by name.
func (t table) libraries() []string {
	all := []string{floor}
	if t.has(ours) {
		all = append(all, ours)
	}
	for _, name := range t.results.names() {
		parts := strings.Split(name, "/")
		if len(parts) == 4 && parts[0] == t.group && parts[1] == t.framework && !slices.Contains(all, parts[2]) {
			all = append(all, parts[2])
		}
	}
	return all
}

func (t table) has(library string) bool {
	prefix := t.row(library, "")
	return slices.ContainsFunc(t.results.names(), func(name string) bool { return strings.HasPrefix(name, prefix) })
}

// above is the cost of an operation above the floor of its framework, in ns.
func (t table) above(library, op string) (float64, error) {
	total, ok := t.results.median(t.row(library, op), "ns/op")
	base, okBase := t.results.median(t.row(floor, op), "ns/op")
	if !ok || !okBase {
		return 0, fmt.Errorf("%s was not measured", t.row(library, op))
	}
	return total - base, nil
}

// fastest names the peer that comes closest and by what factor it costs more than
// ours.
func (t table) fastest(op string) (peer string, times float64, err error) {
	mine, err := t.above(ours, op)
	if err != nil {
		return "", 0, err
	}
	if mine <= 0 {
		return "", 0, fmt.Errorf("%s is not above its floor: too much noise", t.row(ours, op))
	}
	for _, library := range t.libraries()[2:] {
		theirs, err := t.above(library, op)
		if err != nil {
			return "", 0, err
		}
		if factor := theirs / mine; peer == "" || factor < times {
			peer, times = library, factor
		}
	}
	return peer, times, nil
}

// document collects the errors of a report, so that its layout stays readable.
type document struct {
	w    io.Writer
	errs []error
}

func (d *document) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(d.w, format, args...); err != nil {
		d.errs = append(d.errs, err)
	}
}

func (d *document) number(v float64, err error) float64 {
	if err != nil {
		d.errs = append(d.errs, err)
	}
	return v
}

func (d *document) median(r results, name, unit string) float64 {
	v, ok := r.median(name, unit)
	if !ok {
		d.errs = append(d.errs, fmt.Errorf("%s has no %s", name, unit))
	}
	return v
}

// rows writes the lines of one operation. raw names the call on Redis that is the
// least; empty in memory.
func (d *document) rows(t table, op, raw string) {
	mine := math.NaN() // nothing of ours to compare with
	if t.has(ours) {
		mine = d.number(t.above(ours, op))
	}
	for _, library := range t.libraries() {
		row := t.row(library, op)
		total, above := d.median(t.results, row, "ns/op"), d.number(t.above(library, op))
		cells := []string{op, library, span(total)}
		if library == floor {
			cells[1] = "*floor*"
			cells = append(cells, "", "")
		} else {
			cells = append(cells, span(above), factor(above/mine))
		}
		switch library {
		case ours:
			cells[1] = "**Sallyport**"
			cells[4] = ""
		case oursFirst:
			cells[1] = "**Sallyport**, first sight"
		}
		if raw != "" {
			if library == floor {
				cells = append(cells, "", "")
			} else {
				cells = append(cells, fmt.Sprintf("%.3g", d.median(t.results, row, "commands/op")), fmt.Sprintf("%.2f", above/d.median(t.results, raw, "ns/op")))
			}
		}
		cells = append(cells, fmt.Sprintf("%.0f", d.median(t.results, row, "allocs/op")), fmt.Sprintf("%.0f", d.median(t.results, row, "B/op")),
			percent(t.results.spread(row, "ns/op")))
		d.printf("| %s |\n", strings.Join(cells, " | "))
	}
}

func (d *document) versions(a about) {
	d.printf("\nVersions:\n\n| module | version |\n|---|---|\n")
	for _, m := range a.modules {
		module, version, _ := strings.Cut(m, " ")
		d.printf("| %s | %s |\n", module, version)
	}
}

// ofGroup returns the second part of the names in a group.
func ofGroup(r results, group string) (all []string) {
	for _, name := range r.names() {
		if rest, ok := strings.CutPrefix(name, group+"/"); ok {
			all = append(all, rest)
		}
	}
	return all
}

func span(ns float64) string {
	switch {
	case ns < 10_000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 10e6:
		return fmt.Sprintf("%.1f µs", ns/1000)
	default:
		return fmt.Sprintf("%.1f ms", ns/1e6)
	}
}

func factor(times float64) string {
	switch {
	case math.IsNaN(times):
		return ""
	case times < 10:
		return fmt.Sprintf("%.1f ×", times)
	default:
		return fmt.Sprintf("%.0f ×", times)
	}
}

func percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

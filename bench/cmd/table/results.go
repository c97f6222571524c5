package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results holds every value of every unit of every benchmark, by its name without
// "Benchmark" and the number of CPUs.
type results map[string]map[string][]float64

var cpus = regexp.MustCompile(`-\d+$`)

// add takes the output of go test -bench.
func (r results) add(out string) error {
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := cpus.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if len(fields)%2 != 0 {
			return fmt.Errorf("%q is no result", line)
		}
		if r[name] == nil {
			r[name] = map[string][]float64{}
		}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("%q is no result: %w", line, err)
			}
			r[name][fields[i+1]] = append(r[name][fields[i+1]], v)
		}
	}
	return nil
}

func (r results) names() []string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// median returns the middle of what was measured; false if nothing was.
func (r results) median(name, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r[name][unit]))
	n := len(values)
	if n == 0 {
		return 0, false
	}
	return (values[(n-1)/2] + values[n/2]) / 2, true
}

// spread returns the distance between the largest and the smallest value, as a
// part of the median.
func (r results) spread(name, unit string) float64 {
	mid, ok := r.median(name, unit)
	if !ok || mid == 0 {
		return 0
	}
	values := r[name][unit]
	return (slices.Max(values) - slices.Min(values)) / mid
}

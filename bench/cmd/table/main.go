// Command table measures every row and writes docs/benchmarks.md and its siblings for
// access tokens, for refresh tokens and for other origins. It is run in the folder of module bench:
//
//	go run ./cmd/table
//	go run ./cmd/table -only tokens
//	go run ./cmd/table -only refresh
//	go run ./cmd/table -only cross
//
// Each row runs in a process of its own, so that no row pays for the heap or the
// goroutines of another. A round runs all rows in a shuffled order; what is
// reported is the median of the rounds, so a machine that slows down for a minute
// slows down all rows alike.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A page is one document and the rows that it needs.
type page struct {
	name    string
	file    string
	groups  []string // the first part of the rows' names
	modules []string
	write   func(w io.Writer, a about, r results) error
}

var pages = []page{
	{
		name: "sessions", file: "benchmarks.md", modules: sessionModules, write: sessions,
		groups: []string{"Memory", "Redis", "Raw", "RedisBytes", "Million", "Flat"},
	},
	{
		name: "tokens", file: "benchmarks-tokens.md", modules: tokenModules, write: tokens,
		groups: []string{"Token", "Untouched", "Verify", "Reference", "Live", "Hostile"},
	},
	{
		name: "refresh", file: "benchmarks-refresh.md", modules: refreshModules, write: refreshing,
		groups: []string{"Rotate", "Endpoint", "Remote", "Refused", "Check", "Sight", "Entries", "Families"},
	},
	{
		name: "cross", file: "benchmarks-cross.md", modules: crossModules, write: crossing,
		groups: []string{"CORS", "CORSHostile", "CSRF", "Guard"},
	},
}

// has reports whether a row is on the page.
func (p page) has(row string) bool {
	group, _, _ := strings.Cut(row, "/")
	return slices.Contains(p.groups, group)
}

func main() {
	quick := flag.Bool("quick", false, "one round, printed instead of written")
	rounds := flag.Int("rounds", 5, "how often each row runs")
	only := flag.String("only", "", "sessions, tokens, refresh or cross; by default all are measured")
	dir := flag.String("dir", filepath.Join("..", "docs"), "folder to write to")
	flag.Parse()
	if err := run(*quick, *rounds, *only, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(quick bool, rounds int, only, out string) error {
	if quick {
		rounds = 1
	}
	wanted := slices.DeleteFunc(slices.Clone(pages), func(p page) bool { return only != "" && p.name != only })
	if len(wanted) == 0 {
		return fmt.Errorf("there is no page %q", only)
	}
	dir, err := os.MkdirTemp("", "table")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "bench.test")
	if _, err := command("go", "test", "-c", "-o", program, "."); err != nil {
		return err
	}

	start := time.Now()
	names, err := list(program, wanted)
	if err != nil {
		return err
	}
	got := results{}
	for round := range rounds {
		rng := rand.New(rand.NewPCG(uint64(round), 0)) // the same orders in every run
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			if round >= limit(name) {
				continue
			}
			if err := measure(program, name, got); err != nil {
				return err
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d, %s\n", round+1, rounds, time.Since(start).Round(time.Second))
	}

	for _, p := range wanted {
		about, err := environment(p.modules)
		if err != nil {
			return err
		}
		about.rounds = rounds
		var doc bytes.Buffer
		if err := p.write(&doc, about, got); err != nil {
			return err
		}
		if quick {
			_, err = io.Copy(os.Stdout, &doc)
		} else {
			err = os.WriteFile(filepath.Join(out, p.file), doc.Bytes(), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list runs every row of the pages once on little data, which also shows that all of
// them work. A row that is on no page is a mistake.
func list(program string, wanted []page) ([]string, error) {
	groups := "."
	if len(wanted) < len(pages) {
		groups = "^Benchmark(" + strings.Join(wanted[0].groups, "|") + ")$"
	}
	out, err := command(program, "-test.run=^$", "-test.bench="+groups, "-test.benchtime=1x", "-test.short")
	if err != nil {
		return nil, err
	}
	all := results{}
	if err := all.add(out); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("there is no benchmark")
	}
	names := all.names()
	for _, name := range names {
		if !slices.ContainsFunc(wanted, func(p page) bool { return p.has(name) }) {
			return nil, fmt.Errorf("%s is on no page", name)
		}
	}
	return names, nil
}

func measure(program, name string, into results) error {
	parts := strings.Split("Benchmark"+name, "/")
	for i, part := range parts {
		parts[i] = "^" + part + "$"
	}
	out, err := command(program, "-test.run=^$", "-test.bench="+strings.Join(parts, "/"), "-test.benchmem", "-test.benchtime="+duration(name))
	if err != nil {
		return err
	}
	one := results{}
	if err := one.add(out); err != nil {
		return err
	}
	if names := one.names(); len(names) != 1 || names[0] != name {
		return fmt.Errorf("%s: ran %q", name, names)
	}
	return into.add(out)
}

// duration says how long a row runs. What fills a store does so with the same
// number of sessions in every row: a fast library must not pay for having made more
// of them.
func duration(name string) string {
	switch {
	case strings.HasPrefix(name, "Million/"), strings.HasPrefix(name, "RedisBytes/"),
		strings.HasPrefix(name, "Entries/"), strings.HasPrefix(name, "Families/"):
		return "1x"
	case strings.HasPrefix(name, "Memory/") && strings.HasSuffix(name, "/create"):
		return "50000x"
	case strings.HasPrefix(name, "Redis/") && strings.HasSuffix(name, "/create"):
		return "20000x"
	case strings.HasPrefix(name, "Hostile/"), strings.HasPrefix(name, "CORSHostile/"):
		return "50ms"
	default:
		return "250ms"
	}
}

// limit says in how many rounds a row takes part: bytes do not vary, and storing a
// million of anything or a hundred thousand tokens takes its time.
func limit(name string) int {
	switch {
	case strings.HasPrefix(name, "Million/"), strings.HasPrefix(name, "Live/"),
		strings.HasPrefix(name, "Entries/"), name == "Families/memory":
		return 2
	case strings.HasPrefix(name, "Flat/1000000/"), strings.HasPrefix(name, "Hostile/"):
		return 3
	case strings.HasPrefix(name, "RedisBytes/"), name == "Families/redis":
		return 1
	default:
		return 1000
	}
}

func command(name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

// Command mutants breaks the rules of the core and the adapters one at a time, in
// the source, and shows that the conformance suite notices each time. A rule that
// can be broken from outside has its mutant in the suite itself.
//
// Each mutant is a changed copy of one file; nothing in the tree is touched. Its
// package is compiled and linked with the others as they are, or, where that does not
// do, together with all that import it. It runs the one case that must
// fail, on one adapter. A mutant that survives, does not compile or does not apply any
// more fails the run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// mutant is one broken rule.
type mutant struct {
	name     string // the vulnerability that it re-creates, or what is broken
	file     string // from the repository's root
	old, new string // old occurs exactly once
	extra    string // source of a further file of the package, for what needs more than a line
	adapter  string
	slug     string // the case that must fail
}

// harnesses names each adapter's constructor in package harness; the file there has
// the adapter's name.
var harnesses = map[string]string{"gin": "Gin", "echo": "Echo", "fiber": "Fiber", "nethttp": "NetHTTP"}

// onlyTest is TestConformance for one adapter.
const onlyTest = `package crosstest

import (
	"testing"

	"github.com/sallyport-go/sallyport/conformance"
	"github.com/sallyport-go/sallyport/conformance/crosstest/harness"
)

func TestConformance(t *testing.T) {
	h := harness.%s()
	t.Run(h.Name, func(t *testing.T) { conformance.RunOptions(t, h, conformance.Options{}, nil) })
}
`

func main() {
	only := flag.String("run", "", "run only the mutants whose name, or whose case's slug, contains this")
	flag.Parse()
	if err := run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only string) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range mutants {
		if strings.Contains(m.name, only) || strings.Contains(m.slug, only) {
			chosen = append(chosen, m)
		}
	}
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stopped
		_ = os.RemoveAll(tmp) // hundreds of megabytes
		os.Exit(1)
	}()
	w := newWorkshop(root, tmp)
	// Two at a time: one links while the other runs its case.
	verdicts := make([]error, len(chosen))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(chosen)); i = next.Add(1) - 1 {
				verdicts[i] = chosen[i].try(w, filepath.Join(tmp, strconv.FormatInt(i, 10)))
			}
		})
	}
	workers.Wait()
	caught := 0
	for i, m := range chosen {
		if err := verdicts[i]; err != nil {
			fmt.Printf("mutant %-72s %v\n", m.name, err)
			continue
		}
		caught++
		fmt.Printf("mutant %-72s caught by %s on %s\n", m.name, m.slug, m.adapter)
	}
	fmt.Printf("core mutants: %d of %d caught\n", caught, len(chosen))
	if caught != len(chosen) || len(chosen) == 0 {
		return fmt.Errorf("%d not caught", len(chosen)-caught)
	}
	return nil
}

// try returns nil if the suite notices m. tmp is a folder for m alone, still to be made.
func (m mutant) try(w *workshop, tmp string) error {
	b, err := w.bases[m.adapter]()
	if err != nil {
		return err
	}
	path := filepath.Join(w.root, m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return fmt.Errorf("DOES NOT APPLY: its text occurs %d times in %s", n, m.file)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // a binary each is too much for some disks
	changed, extra := filepath.Join(tmp, filepath.Base(path)), ""
	if err := os.WriteFile(changed, []byte(m.aligned(string(source))), 0o600); err != nil {
		return err
	}
	if m.extra != "" {
		extra = filepath.Join(tmp, "mutant_extra.go")
		if err := os.WriteFile(extra, []byte(m.extra), 0o600); err != nil {
			return err
		}
	}
	binary := filepath.Join(tmp, "mutant.test")
	c := change{path: path, file: changed, extra: extra, binary: binary}
	if b.build(c) == nil && m.run(binary) == nil {
		return nil
	}
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		return err
	}
	c.rebuild = true
	if err := b.build(c); err != nil {
		return fmt.Errorf("DOES NOT COMPILE: %w", err)
	}
	return m.run(binary)
}

// aligned is source with the mutant in it, written so that every line behind it keeps its
// number where that can be: positions are part of what other packages see of this one, and
// with them as they were those need not be compiled again.
func (m mutant) aligned(source string) string {
	before, after, _ := strings.Cut(source, m.old)
	lines := strings.Count(m.old, "\n")
	text := m.new
	for strings.Count(text, "\n") > lines { // a semicolon ends a statement as a line does
		at := strings.LastIndexByte(text, '\n')
		text = text[:at] + "; " + strings.TrimLeft(text[at+1:], "\t")
	}
	spare := strings.Repeat("\n", lines-strings.Count(text, "\n"))
	switch at := strings.LastIndexByte(text, '\n'); {
	case at >= 0:
		text = text[:at] + spare + text[at:]
	case strings.HasSuffix(strings.TrimRight(before, "\t"), "\n"):
		text = spare + text
	}
	return before + text + after
}

// run returns nil if the case fails in the binary.
func (m mutant) run(binary string) error {
	pattern := "^TestConformance$/^" + m.adapter + "$/^" + strings.ReplaceAll(m.slug, "/", "$/^") + "$"
	out, err := exec.Command(binary, "-test.run", pattern, "-test.timeout", "60s").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && strings.Contains(string(out), "no tests to run"):
		return errors.New("HAS NO CASE: " + m.slug)
	case err == nil:
		return errors.New("SURVIVED " + m.slug)
	case errors.As(err, &exit) && strings.Contains(string(out), "rule: "):
		return nil
	default:
		return fmt.Errorf("FAILED OTHERWISE:\n%s", out)
	}
}

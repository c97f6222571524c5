// Command mutants breaks the rules of the core and the adapters one at a time, in
// the source, and shows that the conformance suite notices each time. A rule that
// can be broken from outside has its mutant in the suite itself.
//
// Each mutant is an overlay: the go command compiles a changed copy of one file
// and nothing in the tree is touched. It runs the one case that must fail, on one
// adapter. The overlay also leaves out the other adapters and the Redis store,
// because linking them takes most of the time. A mutant that survives, does not
// compile or does not apply any more fails the run.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// mutant is one broken rule.
type mutant struct {
	name     string // the vulnerability that it re-creates, or what is broken
	file     string // from the repository's root
	old, new string // old occurs exactly once
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
	only := flag.String("run", "", "run only the mutants whose name contains this")
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
		if strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	// Two at a time: one links while the other runs its case.
	verdicts := make([]error, len(chosen))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 2 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for i := next.Add(1) - 1; i < int64(len(chosen)); i = next.Add(1) - 1 {
				verdicts[i] = chosen[i].try(root)
			}
		}()
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

// try returns nil if the suite notices m.
func (m mutant) try(root string) error {
	tmp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	path := filepath.Join(root, m.file)
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return fmt.Errorf("DOES NOT APPLY: its text occurs %d times in %s", n, m.file)
	}
	changed := filepath.Join(tmp, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600); err != nil {
		return err
	}
	test := filepath.Join(tmp, "only_test.go")
	if err := os.WriteFile(test, fmt.Appendf(nil, onlyTest, harnesses[m.adapter]), 0o600); err != nil {
		return err
	}
	crosstest := filepath.Join(root, "conformance", "crosstest")
	replace := map[string]string{
		path: changed,
		filepath.Join(crosstest, "conformance_test.go"): test,
		filepath.Join(crosstest, "redis_test.go"):       "",
	}
	for adapter := range harnesses {
		// The others' harnesses are built on the one for net/http.
		if adapter != m.adapter && adapter != "nethttp" {
			replace[filepath.Join(crosstest, "harness", adapter+".go")] = ""
		}
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return err
	}
	overlayFile := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return err
	}
	binary := filepath.Join(tmp, "mutant.test")
	if out, err := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-overlay", overlayFile, "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("DOES NOT COMPILE:\n%s", out)
	}
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

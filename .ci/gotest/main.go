// Command gotest runs the tests of several modules and says what came of them.
//
//	gotest [-total 10m] [-log file] dir...
//
// In each folder it runs go test -race -shuffle=on -count=1 over all packages,
// outside any workspace. It prints one line for each package and everything
// about a failure; the rest goes to the log. A module in which no test ran has
// failed: a list of packages that silently became empty must not look green.
//
// The last line is "N passed, M failed". It counts tests, subtests, examples and
// fuzz seeds. A package that failed without a failed test (it did not build, or
// exited early) and a module without tests count as one failure each.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// event is one line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// pkg collects what is known of one package while its tests run.
type pkg struct {
	own    bytes.Buffer             // output that belongs to no test
	output map[string]*bytes.Buffer // by test
	order  []string                 // tests, as they started
	result map[string]string        // test to pass, fail or skip
}

func (p *pkg) count(action string) int {
	n := 0
	for _, r := range p.result {
		if r == action {
			n++
		}
	}
	return n
}

// failures are the tests that did not end well, those without any end (a panic
// or the time limit took them away) included.
func (p *pkg) failures() []string {
	var names []string
	for _, name := range p.order {
		if r := p.result[name]; r != "pass" && r != "skip" {
			names = append(names, name)
		}
	}
	return names
}

type tally struct{ passed, failed, skipped int }

func main() {
	total := flag.Duration("total", 10*time.Minute, "time limit for all modules together")
	logName := flag.String("log", "", "file for the full output")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "gotest: no module folder given")
		os.Exit(2)
	}

	log := io.Discard
	if *logName != "" {
		f, err := os.Create(*logName)
		if err != nil {
			fmt.Fprintln(os.Stderr, "gotest:", err)
			os.Exit(2)
		}
		defer f.Close()
		log = f
	}

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, *total)
	defer cancel()
	var sum tally
	for _, dir := range flag.Args() {
		if ctx.Err() != nil {
			fmt.Printf("FAIL %s: not started, %s\n", dir, why(ctx, *total))
			sum.failed++
			continue
		}
		fmt.Printf("== %s\n", dir)
		t, err := testModule(ctx, dir, log)
		sum.passed += t.passed
		sum.skipped += t.skipped
		sum.failed += t.failed
		switch {
		case ctx.Err() != nil:
			fmt.Printf("FAIL %s: stopped, %s\n", dir, why(ctx, *total))
			sum.failed = max(sum.failed, 1)
		case t.passed+t.failed == 0 && err != nil:
			fmt.Printf("FAIL %s: %v\n", dir, err)
			sum.failed++
		case t.passed+t.failed == 0:
			fmt.Printf("FAIL %s: this module ran no test\n", dir)
			sum.failed++
		case err != nil && t.failed == 0:
			fmt.Printf("FAIL %s: %v, though no test failed\n", dir, err)
			sum.failed++
		}
	}
	if sum.skipped > 0 {
		fmt.Printf("%d skipped\n", sum.skipped)
	}
	fmt.Printf("%d passed, %d failed\n", sum.passed, sum.failed)
	if sum.failed > 0 {
		os.Exit(1)
	}
}

// why says what ended ctx.
func why(ctx context.Context, total time.Duration) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("the limit of %v for all modules was reached", total)
	}
	return "interrupted"
}

// testModule runs the tests of the module in dir. The error is go test's own.
func testModule(ctx context.Context, dir string, log io.Writer) (tally, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-race", "-shuffle=on", "-count=1", "-timeout=8m", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = os.Stderr
	// The test binaries are children of go test: in a group of their own, the time
	// limit and an interrupt end them all.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}

	var sum tally
	pkgs := map[string]*pkg{}
	builds := map[string]*bytes.Buffer{}
	lines := bufio.NewReader(out)
	for {
		line, readErr := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// Not an event: go test has something to say for itself.
				os.Stdout.Write(line)
				log.Write(line)
			} else {
				io.WriteString(log, e.Output)
				handle(e, pkgs, builds, &sum)
			}
		}
		if readErr != nil {
			break
		}
	}
	err = cmd.Wait()

	// What never came to an end.
	for _, name := range slices.Sorted(maps.Keys(pkgs)) {
		finish(event{Action: "fail", Package: name}, pkgs[name], builds, &sum)
	}
	return sum, err
}

func handle(e event, pkgs map[string]*pkg, builds map[string]*bytes.Buffer, sum *tally) {
	if e.Action == "build-output" {
		b := builds[e.ImportPath]
		if b == nil {
			b = new(bytes.Buffer)
			builds[e.ImportPath] = b
		}
		b.WriteString(e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := pkgs[e.Package]
	if p == nil {
		p = &pkg{output: map[string]*bytes.Buffer{}, result: map[string]string{}}
		pkgs[e.Package] = p
	}
	switch e.Action {
	case "output":
		if e.Test == "" {
			p.own.WriteString(e.Output)
			return
		}
		p.test(e.Test).WriteString(e.Output)
	case "run":
		p.test(e.Test)
	case "pass", "fail", "skip":
		if e.Test != "" {
			p.test(e.Test)
			p.result[e.Test] = e.Action
			return
		}
		finish(e, p, builds, sum)
		delete(pkgs, e.Package)
	}
}

// test returns the buffer of the named test's output, and notes the test.
func (p *pkg) test(name string) *bytes.Buffer {
	b := p.output[name]
	if b == nil {
		b = new(bytes.Buffer)
		p.output[name] = b
		p.order = append(p.order, name)
	}
	return b
}

// finish prints the package's line and adds it to the sum.
func finish(e event, p *pkg, builds map[string]*bytes.Buffer, sum *tally) {
	failures := p.failures()
	passed, skipped := p.count("pass"), p.count("skip")
	sum.passed += passed
	sum.skipped += skipped
	sum.failed += len(failures)

	if e.Action != "fail" && len(failures) == 0 {
		if len(p.order) == 0 {
			return // no test files: nothing to say
		}
		fmt.Printf("ok   %s  %d tests  %.1fs", short(e.Package), passed, e.Elapsed)
		if skipped > 0 {
			fmt.Printf("  (%d skipped)", skipped)
		}
		fmt.Println()
		for _, name := range p.order {
			if p.result[name] == "skip" {
				fmt.Printf("     skipped %s: %s\n", name, lastWords(p.output[name].String()))
			}
		}
		return
	}

	if len(failures) == 0 {
		sum.failed++
	}
	fmt.Printf("FAIL %s  %d passed, %d failed\n", e.Package, passed, max(len(failures), 1))
	if b := builds[e.FailedBuild]; b != nil {
		os.Stdout.Write(b.Bytes())
	}
	for _, name := range failures {
		os.Stdout.Write(p.output[name].Bytes())
	}
	os.Stdout.Write(p.own.Bytes())
	// Nothing of any test may explain an early exit: then show it all.
	if len(failures) == 0 && e.FailedBuild == "" {
		for _, name := range p.order {
			os.Stdout.Write(p.output[name].Bytes())
		}
	}
}

// short is the package path without the part that all of them share.
func short(pkg string) string {
	const module = "github.com/sallyport-go/sallyport"
	if s, ok := strings.CutPrefix(pkg, module+"/"); ok {
		return s
	}
	return pkg
}

// lastWords is the last line that a skipped test printed: its reason.
func lastWords(output string) string {
	reason := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "--- ") {
			reason = line
		}
	}
	return reason
}

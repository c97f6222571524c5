package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// unoptimized compiles our packages quickly, and so that nothing of one is inlined
// into another: a package can then be compiled anew without those that import it.
const unoptimized = "-gcflags=github.com/sallyport-go/...=-N -l"

// workshop builds test binaries of the suite for one adapter each.
type workshop struct {
	root  string // of the repository
	bases map[string]func() (*base, error)
}

func newWorkshop(root, tmp string) *workshop {
	w := &workshop{root: root, bases: map[string]func() (*base, error){}}
	for adapter := range harnesses {
		w.bases[adapter] = sync.OnceValues(func() (*base, error) { return w.prepare(adapter, tmp) })
	}
	return w
}

func (w *workshop) crosstest() string { return filepath.Join(w.root, "conformance", "crosstest") }

// base is an adapter's test binary before anything is broken: what each package was
// compiled to.
type base struct {
	replace  map[string]string // of the overlay
	overlay  string
	packages map[string]*pkg // by folder
	exports  map[string]string
	main     string
}

type pkg struct {
	ImportPath, Dir, Export, Name, ForTest string
	GoFiles                                []string
	Module                                 *struct{ GoVersion string }
}

// prepare compiles the suite with one adapter. The overlay leaves out the others and
// the Redis store, because linking them takes most of the time.
func (w *workshop) prepare(adapter, tmp string) (*base, error) {
	test := filepath.Join(tmp, adapter+"_test.go")
	if err := os.WriteFile(test, fmt.Appendf(nil, onlyTest, harnesses[adapter]), 0o600); err != nil {
		return nil, err
	}
	b := &base{replace: map[string]string{
		filepath.Join(w.crosstest(), "conformance_test.go"): test,
		filepath.Join(w.crosstest(), "redis_test.go"):       "",
	}, packages: map[string]*pkg{}, exports: map[string]string{}}
	for other := range harnesses {
		// The others' harnesses are built on the one for net/http.
		if other != adapter && other != "nethttp" {
			b.replace[filepath.Join(w.crosstest(), "harness", other+".go")] = ""
		}
	}
	var err error
	if b.overlay, err = writeOverlay(filepath.Join(tmp, adapter+".json"), b.replace); err != nil {
		return nil, err
	}
	list := exec.Command("go", "list", "-test", "-deps", "-export", unoptimized, "-overlay", b.overlay,
		"-json=ImportPath,Dir,Export,Name,ForTest,GoFiles,Module", ".")
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return b, nil
		} else if err != nil {
			return nil, err
		}
		switch path, _, _ := strings.Cut(p.ImportPath, " "); {
		case p.Export == "":
		case p.Name == "main":
			b.main = p.Export
		default:
			b.exports[path] = p.Export
			b.packages[p.Dir] = &p
		}
	}
}

func writeOverlay(path string, replace map[string]string) (string, error) {
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, overlay, 0o600)
}

// quick compiles nothing but the package of the changed file, and links it with
// the rest as it is. The linker refuses if what others see of the package has changed.
// What of it was compiled into others, the bodies of generic functions, stays as it
// was: a mutant that survives this way has to be built in full.
func (b *base) quick(path, changed, extra, binary string) error {
	tmp, dir := filepath.Dir(changed), filepath.Dir(path)
	p := b.packages[dir]
	if p == nil {
		return fmt.Errorf("no package in %s", dir)
	}
	archive, config := filepath.Join(tmp, "changed.a"), filepath.Join(tmp, "importcfg")
	var cfg strings.Builder
	for name, export := range b.exports {
		if name == p.ImportPath {
			export = archive
		}
		fmt.Fprintf(&cfg, "packagefile %s=%s\n", name, export)
	}
	if err := os.WriteFile(config, []byte(cfg.String()), 0o600); err != nil {
		return err
	}
	major, minor, _ := strings.Cut(p.Module.GoVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	// Positions are part of what others see.
	args := []string{"tool", "compile", "-p", p.ImportPath, "-N", "-l", "-lang=go" + major + "." + minor, "-complete", "-pack",
		"-trimpath", tmp + "=>" + dir, "-importcfg", config, "-o", archive}
	for _, name := range p.GoFiles {
		if file := filepath.Join(dir, name); file != path {
			args = append(args, file)
		} else {
			args = append(args, changed)
		}
	}
	if extra != "" {
		args = append(args, extra)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if out, err := exec.Command("go", "tool", "link", "-importcfg", config, "-s", "-w", "-buildmode=exe", "-o", binary, b.main).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// full builds everything that the changed file is a part of.
func (b *base) full(path, changed, extra, binary string) error {
	replace := map[string]string{path: changed}
	if extra != "" {
		replace[filepath.Join(filepath.Dir(path), filepath.Base(extra))] = extra
	}
	for from, to := range b.replace {
		replace[from] = to
	}
	overlay, err := writeOverlay(filepath.Join(filepath.Dir(changed), "overlay.json"), replace)
	if err != nil {
		return err
	}
	if out, err := exec.Command("go", "test", "-c", unoptimized, "-ldflags=-s -w", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

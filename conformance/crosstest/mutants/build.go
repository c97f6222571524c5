package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// unoptimized compiles our packages quickly, and so that nothing of one is inlined
// into another: a package can then be compiled anew without those that import it.
// Nobody debugs a mutant.
var unoptimized = []string{"-N", "-l", "-dwarf=false"}

const ours = "github.com/sallyport-go/..."

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
	packages []*pkg            // those that can be reached, each behind what it imports
	exports  map[string]string // archives by import path
}

type pkg struct {
	ImportPath, Dir, Export, Name string
	GoFiles, EmbedFiles, Imports  []string
	Module                        *struct{ Path, Version, GoVersion string }
}

// path is how others import p: without the name of the test that it was compiled for.
func (p *pkg) path() string { return importPath(p.ImportPath) }

func importPath(listed string) string {
	path, _, _ := strings.Cut(listed, " ")
	return path
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
	}, exports: map[string]string{}}
	for other := range harnesses {
		// The others' harnesses are built on the one for net/http.
		if other != adapter && other != "nethttp" {
			b.replace[filepath.Join(w.crosstest(), "harness", other+".go")] = ""
		}
	}
	overlay := filepath.Join(tmp, adapter+".json")
	if err := writeJSON(overlay, map[string]any{"Replace": b.replace}); err != nil {
		return nil, err
	}
	// With -trimpath it is the same for the build cache in whatever folder the
	// repository is.
	list := exec.Command("go", "list", "-test", "-deps", "-export", "-trimpath", "-overlay", overlay,
		"-gcflags="+ours+"="+strings.Join(unoptimized, " "), "-json=ImportPath,Dir,Export,Name,GoFiles,EmbedFiles,Imports,Module", ".")
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
		if p.Export != "" {
			b.exports[p.path()] = p.Export
			b.packages = append(b.packages, &p)
		}
	}
}

// change is what a mutant replaces, and where its build goes.
type change struct {
	path    string // of the file in the tree
	file    string // the one in its place
	extra   string // a further file of the package, or empty
	binary  string
	rebuild bool // compile anew all that import the package, too
}

// build compiles the package of the changed file and links it with the rest as it is.
// The linker refuses if what others see of the package has changed: which parameters
// escape is part of that. What was compiled into others, the bodies of generic functions,
// stays as it was. A mutant that does not link or survives this way needs rebuild.
//
// No build cache is involved: nobody would ever look for what a mutant left there.
func (b *base) build(c change) error {
	tmp, dir := filepath.Dir(c.file), filepath.Dir(c.path)
	exports := maps.Clone(b.exports)
	config := filepath.Join(tmp, "importcfg")
	changed := map[string]bool{} // by import path
	main := ""
	for i, p := range b.packages {
		replace, extra := b.replace, ""
		switch {
		case p.Dir == dir && p.Name != "main":
			replace, extra = map[string]string{c.path: c.file}, c.extra
		case !c.rebuild || !slices.ContainsFunc(p.Imports, func(listed string) bool { return changed[importPath(listed)] }):
			if p.Name == "main" {
				main = p.Export
			}
			continue
		}
		if err := writeConfig(config, exports); err != nil {
			return err
		}
		archive := filepath.Join(tmp, strconv.Itoa(i)+".a")
		if err := p.compile(replace, extra, config, archive); err != nil {
			return err
		}
		changed[p.path()], exports[p.path()] = true, archive
		if p.Name == "main" {
			main = archive
		}
	}
	if len(changed) == 0 {
		return fmt.Errorf("no package in %s", dir)
	}
	if err := writeConfig(config, exports); err != nil {
		return err
	}
	return goTool("link", "-importcfg", config, "-s", "-w", "-buildmode=exe", "-o", c.binary, main)
}

// compile compiles p as the go command does, with some of its files replaced.
func (p *pkg) compile(replace map[string]string, extra, config, archive string) error {
	args, trim := slices.Clone(unoptimized), ""
	// Positions are part of what others see: they are those that -trimpath writes.
	name, shown := p.path(), p.path()
	switch {
	case p.Name == "main":
		name = "main"
	case p.Module.Version != "":
		shown = p.Module.Path + "@" + p.Module.Version + strings.TrimPrefix(shown, p.Module.Path)
	}
	var files []string
	for _, f := range p.GoFiles {
		if !filepath.IsAbs(f) { // the generated main of a test is
			f = filepath.Join(p.Dir, f)
		}
		if to := replace[f]; to != "" {
			trim += to + "=>" + filepath.Join(shown, filepath.Base(f)) + ";"
			f = to
		}
		files = append(files, f)
	}
	if extra != "" {
		files = append(files, extra)
	}
	args = append(args, "-p", name, "-complete", "-pack", "-trimpath", trim+p.Dir+"=>"+shown, "-importcfg", config, "-o", archive)
	major, minor, _ := strings.Cut(p.Module.GoVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	args = append(args, "-lang=go"+major+"."+minor)
	if len(p.EmbedFiles) > 0 {
		// Enough for a pattern that is a file's name. The compiler refuses any other.
		type embed struct {
			Patterns map[string][]string
			Files    map[string]string
		}
		e := embed{map[string][]string{}, map[string]string{}}
		for _, f := range p.EmbedFiles {
			e.Patterns[f], e.Files[f] = []string{f}, filepath.Join(p.Dir, f)
		}
		path := archive + ".embedcfg"
		if err := writeJSON(path, e); err != nil {
			return err
		}
		args = append(args, "-embedcfg", path)
	}
	return goTool("compile", append(args, files...)...)
}

func writeConfig(path string, exports map[string]string) error {
	var text strings.Builder
	for name, export := range exports {
		fmt.Fprintf(&text, "packagefile %s=%s\n", name, export)
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// tools is the folder of the compiler and the linker. Asking the go command each time would
// cost a tenth of what they take.
var tools = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOTOOLDIR").Output()
	return strings.TrimSpace(string(out)), err
})

func goTool(name string, args ...string) error {
	dir, err := tools()
	if err != nil {
		return err
	}
	if out, err := exec.Command(filepath.Join(dir, name), args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Command directions proves that imports in this repository run one way only, as
// the tables in rules.go say, and that the modules hang together as they should.
//
//	directions root
//
// It asks go list about every module of go.work, outside the workspace, and
// names each offending import.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	module    = "github.com/sallyport-go/sallyport"
	libraryGo = "1.25.0" // the go line of every library module
)

type checker struct {
	root     string
	modules  []string // folders, "." for the root
	untagged []string
	problems []string
}

func (c *checker) problemf(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: directions root")
		os.Exit(2)
	}
	root, err := filepath.Abs(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "directions:", err)
		os.Exit(2)
	}
	c := &checker{root: root}
	packages, err := c.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "directions:", err)
		os.Exit(2)
	}
	for _, p := range c.problems {
		fmt.Println("directions:", p)
	}
	if len(c.problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("directions: %d packages in %d modules hold the line\n", packages, len(c.modules))
}

func (c *checker) run() (packages int, err error) {
	if err := c.readModules(); err != nil {
		return 0, err
	}
	if err := c.checkModules(); err != nil {
		return 0, err
	}
	for _, m := range c.modules {
		pkgs, err := c.list(m, "./...")
		if err != nil {
			c.problemf("%s: %v", m, err)
			continue
		}
		packages += len(pkgs)
		c.checkRules(pkgs)
		if err := c.checkBans(m, pkgs); err != nil {
			c.problemf("%s: %v", m, err)
		}
	}
	return packages, nil
}

// ---- modules

func (c *checker) readModules() error {
	var work struct{ Use []struct{ DiskPath string } }
	if err := c.goJSON(".", &work, "work", "edit", "-json", filepath.Join(c.root, "go.work")); err != nil {
		return err
	}
	for _, u := range work.Use {
		c.modules = append(c.modules, path.Clean(filepath.ToSlash(u.DiskPath)))
	}
	text, err := os.ReadFile(filepath.Join(c.root, ".ci", "untagged"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			c.untagged = append(c.untagged, line)
		}
	}
	return nil
}

// checkModules holds go.work against the tree and each go.mod against its
// siblings.
func (c *checker) checkModules() error {
	inTree, err := c.findModules()
	if err != nil {
		return err
	}
	for _, m := range inTree {
		if !slices.Contains(c.modules, m) {
			c.problemf("%s has a go.mod, but go.work does not use it", m)
		}
	}

	next := ""
	for _, m := range c.modules {
		var mod struct {
			Module  struct{ Path string }
			Go      string
			Require []struct{ Path, Version string }
			Replace []struct {
				Old, New struct{ Path, Version string }
			}
		}
		if err := c.goJSON(m, &mod, "mod", "edit", "-json"); err != nil {
			c.problemf("%s: %v", m, err)
			continue
		}
		if want := importPath(m); mod.Module.Path != want {
			c.problemf("%s/go.mod: module %s, want %s", m, mod.Module.Path, want)
		}
		if !c.isUntagged(m) && mod.Go != libraryGo {
			c.problemf("%s/go.mod: go %s, but a library module says go %s", m, mod.Go, libraryGo)
		}
		replaced := map[string]string{}
		for _, r := range mod.Replace {
			replaced[r.Old.Path] = r.New.Path
			if dir, ours := folder(r.Old.Path); !ours {
				c.problemf("%s/go.mod: replaces %s, which is not ours", m, r.Old.Path)
			} else if got := path.Join(m, r.New.Path); got != dir {
				c.problemf("%s/go.mod: replaces %s by %s, which is %s", m, r.Old.Path, r.New.Path, got)
			}
		}
		for _, r := range mod.Require {
			if _, ours := folder(r.Path); !ours {
				continue
			}
			if replaced[r.Path] == "" {
				c.problemf("%s/go.mod: requires %s without a replace line to its folder", m, r.Path)
			}
			if next == "" {
				next = r.Version
			} else if r.Version != next {
				c.problemf("%s/go.mod: requires %s %s, but %s is the next tag elsewhere", m, r.Path, r.Version, next)
			}
		}
	}
	return nil
}

func (c *checker) isUntagged(m string) bool {
	return slices.ContainsFunc(c.untagged, func(u string) bool { return m == u || strings.HasPrefix(m, u+"/") })
}

// findModules lists the folders with a go.mod, those of dot folders and testdata
// left out.
func (c *checker) findModules() ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(c.root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != c.root && (name[0] == '.' || name[0] == '_' || name == "testdata") {
			return filepath.SkipDir
		}
		if !d.IsDir() && name == "go.mod" {
			rel, err := filepath.Rel(c.root, filepath.Dir(p))
			if err != nil {
				return err
			}
			dirs = append(dirs, filepath.ToSlash(rel))
		}
		return nil
	})
	return dirs, err
}

// ---- packages

type pkg struct {
	ImportPath string
	Standard   bool
	ForTest    string
	Imports    []string
	Error      *struct{ Err string }
}

func (c *checker) checkRules(pkgs []pkg) {
	for _, p := range pkgs {
		if p.Error != nil {
			c.problemf("%s: %s", p.ImportPath, p.Error.Err)
			continue
		}
		dir, _ := folder(p.ImportPath)
		i := slices.IndexFunc(rules, func(r rule) bool { return covers(r.pkg, dir) })
		if i < 0 {
			c.problemf("%s: no row of .ci/directions/rules.go covers it; add one that says where it stands", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !rules[i].allows(imp) {
				c.problemf("%s imports %s, which its row %q does not allow", p.ImportPath, imp, rules[i].pkg)
			}
		}
	}
}

func (r rule) allows(imp string) bool {
	dir, ours := folder(imp)
	switch {
	case isStandard(imp):
		return true
	case ours:
		return covers(r.pkg, dir) ||
			slices.ContainsFunc(r.ours, func(pattern string) bool { return covers(pattern, dir) })
	default:
		return slices.ContainsFunc(r.other, func(m string) bool { return m == "*" || within(imp, m) })
	}
}

// checkBans looks at everything that the packages and their tests pull in. When
// it finds a banned module, it names the shortest chain of imports to it.
func (c *checker) checkBans(m string, pkgs []pkg) error {
	for _, b := range bans {
		var roots []string
		for _, p := range pkgs {
			dir, _ := folder(p.ImportPath)
			if slices.ContainsFunc(b.pkgs, func(pattern string) bool { return covers(pattern, dir) }) {
				roots = append(roots, p.ImportPath)
			}
		}
		if len(roots) == 0 {
			continue
		}
		deps, err := c.list(m, append([]string{"-deps", "-test"}, roots...)...)
		if err != nil {
			return err
		}
		for _, chain := range bannedChains(roots, deps, b.not) {
			c.problemf("%s may not pull in %s: %s", chain[0], chain[len(chain)-1], strings.Join(chain, " → "))
		}
	}
	return nil
}

// bannedChains walks from each root breadth first: from the root by the imports
// of its tests too, then by those outside tests.
func bannedChains(roots []string, deps []pkg, not []string) [][]string {
	imports, testImports := map[string][]string{}, map[string][]string{}
	for _, d := range deps {
		// "p [q.test]" is p compiled for the test of q.
		name, _, _ := strings.Cut(d.ImportPath, " ")
		to := imports
		if d.ForTest != "" && strings.TrimSuffix(name, "_test") == d.ForTest {
			name, to = d.ForTest, testImports
		}
		for _, imp := range d.Imports {
			imp, _, _ = strings.Cut(imp, " ")
			to[name] = append(to[name], imp)
		}
	}
	var chains [][]string
	for _, root := range roots {
		seen := map[string]bool{root: true}
		queue := [][]string{{root}}
		for len(queue) > 0 {
			chain := queue[0]
			queue = queue[1:]
			last := chain[len(chain)-1]
			if slices.ContainsFunc(not, func(m string) bool { return within(last, m) }) {
				chains = append(chains, chain)
				break
			}
			next := imports[last]
			if last == root {
				next = slices.Concat(next, testImports[root])
			}
			for _, imp := range next {
				if !seen[imp] {
					seen[imp] = true
					queue = append(queue, append(slices.Clone(chain), imp))
				}
			}
		}
	}
	return chains
}

// ---- paths

// folder is the folder of an import path of ours.
func folder(importPath string) (dir string, ours bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func importPath(dir string) string { return path.Join(module, dir) }

// covers reports whether the pattern of a rule covers the folder.
func covers(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(dir, base)
	}
	return dir == pattern || within(dir, path.Join(pattern, "internal"))
}

// within reports whether p is base or below it.
func within(p, base string) bool { return p == base || strings.HasPrefix(p, base+"/") }

// isStandard goes by the rule that the first element of a third-party path has
// a dot in it.
func isStandard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// ---- the go command

func (c *checker) list(dir string, args ...string) ([]pkg, error) {
	out, err := c.goOutput(dir, append([]string{"list", "-e", "-json=ImportPath,Standard,ForTest,Imports,Error"}, args...)...)
	if err != nil {
		return nil, err
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}

func (c *checker) goJSON(dir string, v any, args ...string) error {
	out, err := c.goOutput(dir, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(out, v)
}

func (c *checker) goOutput(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(c.root, dir)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

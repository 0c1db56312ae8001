package rawhttp

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the packages below the root, in order: each may import those above it in the
// list, and nothing else of the module. All but jail turn values into values, without I/O.
// testkit, which only tests import, has helpers for all of them.
var layers = []string{"ascii", "coding", "wire", "transcript", "jail", "list", "testkit"}

func TestLayers(t *testing.T) {
	for i, layer := range layers {
		files, err := filepath.Glob("internal/" + layer + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("internal/%s has no files, %v", layer, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, path := range importsOf(t, name) {
				below, ours := strings.CutPrefix(path, "example.com/rawhttp")
				if ours && !slices.Contains(layers[:i], strings.TrimPrefix(below, "/internal/")) {
					t.Errorf("%s imports %q, which is not above it in layers", name, path)
				}
				if layer != "jail" && layer != "testkit" && isWithin(path, "io", "bufio", "net", "os", "context") {
					t.Errorf("%s imports %q, but must do no I/O", name, path)
				}
			}
		}
	}
	folders, err := filepath.Glob("internal/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if folder == filepath.Join("internal", "conformance") { // see TestConformanceHasOnlyTests
			continue
		}
		if !slices.Contains(layers, filepath.Base(folder)) {
			t.Errorf("%s is missing from layers", folder)
		}
	}
}

// Only tests below internal may import the root package.
func TestConformanceHasOnlyTests(t *testing.T) {
	n := 0
	err := filepath.WalkDir("internal/conformance", func(name string, d fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") {
			n++
			if !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s is not a test", name)
			}
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("%d Go files in internal/conformance, %v", n, err)
	}
}

// The binary of a program that embeds the package stays small because of what
// is not linked into it.
func TestModuleImports(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && !isOfModule(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		if strings.HasPrefix(filepath.ToSlash(name), "internal/testkit/") {
			return nil
		}
		for _, path := range importsOf(t, name) {
			if isWithin(path, "net/http", "crypto/tls", "html/template", "encoding/json", "example.com/rawhttp/internal/testkit") {
				t.Errorf("%s imports %q: only tests and examples may", name, path)
			}
			if path == "unsafe" && filepath.ToSlash(filepath.Dir(name)) != "internal/jail" {
				t.Errorf("%s imports %q: only internal/jail may", name, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isOfModule reports whether the folder may hold packages of this module: the go
// command does not ignore it, and it is not a module of its own.
func isOfModule(dir string) bool {
	base := filepath.Base(dir)
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err != nil
}

// isWithin reports whether the import path is one of pkgs or below one.
func isWithin(path string, pkgs ...string) bool {
	return slices.ContainsFunc(pkgs, func(pkg string) bool {
		return path == pkg || strings.HasPrefix(path, pkg+"/")
	})
}

// importsOf returns the import paths of a file. A file that is missing or that
// does not parse fails the test.
func importsOf(t *testing.T, name string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return nil
	}
	var paths []string
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Errorf("%s: import path %s: %v", name, spec.Path.Value, err)
		}
		paths = append(paths, path)
	}
	return paths
}

// CONTRIBUTING.md lists each file and what it owns.
func TestFilesAreInContributing(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "| files of the root |")
	section, _, _ = strings.Cut(section, "\n## ")
	var patterns []string
	for i, word := range strings.Split(section, "`") {
		if i%2 == 1 && strings.HasSuffix(word, ".go") {
			patterns = append(patterns, word)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		found := 0
		for _, p := range patterns {
			if ok, _ := filepath.Match(p, name); ok {
				found++
				used[p] = true
			}
		}
		if found != 1 {
			t.Errorf("CONTRIBUTING.md lists %s %d times, want once", name, found)
		}
	}
	for _, p := range patterns {
		if !used[p] {
			t.Errorf("CONTRIBUTING.md lists %s, which does not exist", p)
		}
	}
}

// openat2 is called only on Linux. Android, for which files for Linux are also
// built, kills a process that calls it.
func TestOpenat2BuildConstraints(t *testing.T) {
	for system, want := range map[string]bool{
		"linux/amd64": true, "linux/arm64": true, "linux/386": false, "linux/s390x": false,
		"android/arm64": false, "android/amd64": false, "windows/amd64": false, "freebsd/amd64": false,
	} {
		c := build.Default
		c.GOOS, c.GOARCH, _ = strings.Cut(system, "/")
		for file, want := range map[string]bool{"openat2_linux.go": want, "openat2_other.go": !want} {
			if got, err := c.MatchFile("internal/jail", file); got != want || err != nil {
				t.Errorf("%s is built for %s: %v, %v, want %v", file, system, got, err, want)
			}
		}
	}
}

// The package page can show and run a whole example only if everything that the example
// uses is in its file.
func TestExamplesAreComplete(t *testing.T) {
	names, err := filepath.Glob("example_*test.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	fset := token.NewFileSet()
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	examples := doc.Examples(files...)
	if len(examples) < 50 {
		t.Errorf("found %d examples, want all those of the package", len(examples))
	}
	for _, e := range examples {
		if e.Play == nil {
			t.Errorf("Example%s uses declarations of another file", e.Name)
		}
		if e.Output == "" && !e.EmptyOutput {
			t.Errorf("Example%s has no output, so it is not run", e.Name)
		}
	}
}

// examples/README.md lists all modules in examples and all whole-package examples, and its
// links are correct.
func TestExamplesAreListed(t *testing.T) {
	text, err := os.ReadFile("examples/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, link := range regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`).FindAllStringSubmatch(string(text), -1) {
		target := filepath.Join("examples", link[2])
		for i, name := range strings.Split(link[1], "`") {
			if i%2 == 0 {
				continue
			}
			listed[name] = true
			if !strings.HasPrefix(name, "Example") {
				if _, err := os.Stat(filepath.Join(target, "go.mod")); err != nil {
					t.Errorf("%s is not a module: %v", name, err)
				}
				continue
			}
			code, err := os.ReadFile(target)
			if err != nil || !strings.Contains(string(code), "\nfunc "+name+"() {") {
				t.Errorf("%s is not in %s, %v", name, target, err)
			}
		}
	}

	modules, err := filepath.Glob("examples/*/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range modules {
		if name := filepath.Base(filepath.Dir(name)); !listed[name] {
			t.Errorf("examples/%s is not listed", name)
		}
	}
	files, err := filepath.Glob("example_*test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range regexp.MustCompile(`(?m)^func (Example_\w+)\(\)`).FindAllStringSubmatch(string(code), -1) {
			if !listed[f[1]] {
				t.Errorf("%s of %s is not listed", f[1], file)
			}
		}
	}
}

package rawhttp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pureFiles turn values into values: no I/O, no clock, no context.
var pureFiles = []string{
	"parse.go", "plain.go", "lenient.go", "framing.go", "chunk.go", "path.go", "authority.go", "mime.go", "status.go", "ascii.go", "cgi.go",
}

// sharedFiles hold the types that the parser fills and the errors that it
// returns. Pure files may call their functions too.
var sharedFiles = []string{"request.go", "errors.go"}

func TestPureFilesImport(t *testing.T) {
	for _, name := range pureFiles {
		for _, path := range importsOf(t, name) {
			if isWithin(path, "io", "bufio", "net", "os", "time", "context") {
				t.Errorf("%s imports %q: a pure file does no I/O and knows no time and no context", name, path)
			}
		}
	}
}

// One package is one name space, so the compiler does not keep parse from
// calling conn. What can be seen without types is the call of a function by its
// name; calls of methods are not seen.
func TestPureFilesCallPureFiles(t *testing.T) {
	impure := make(map[string]string) // function to its file
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(pureFiles, name) || slices.Contains(sharedFiles, name) {
			continue
		}
		for _, decl := range parseFile(t, token.NewFileSet(), name).Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				impure[f.Name.Name] = name
			}
		}
	}
	for _, name := range pureFiles {
		fset := token.NewFileSet()
		ast.Inspect(parseFile(t, fset, name), func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.Ident); ok && impure[f.Name] != "" {
				t.Errorf("%s: calls %s of %s, which is not a pure file", fset.Position(f.Pos()), f.Name, impure[f.Name])
			}
			return true
		})
	}
}

// The binary of a program that embeds the package stays small because of what
// is not linked into it.
func TestImportsOfTheModule(t *testing.T) {
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
		for _, path := range importsOf(t, name) {
			if isWithin(path, "net/http", "crypto/tls", "html/template", "encoding/json") {
				t.Errorf("%s imports %q: only tests and examples may", name, path)
			}
			if path == "unsafe" && name != "jail_linux.go" {
				t.Errorf("%s imports %q: only jail_linux.go may", name, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isOfModule reports whether the folder may hold packages of this module: it is
// none that the go command passes over, and no module of its own.
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

// parseFile parses a whole file; one that does not parse ends the test.
func parseFile(t *testing.T, fset *token.FileSet, name string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The README tells what each file owns.
func TestFilesAreInTheReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Read the code\n")
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
			t.Errorf("%s is named %d times, want once", name, found)
		}
	}
	for _, p := range patterns {
		if !used[p] {
			t.Errorf("%s is no file", p)
		}
	}
}

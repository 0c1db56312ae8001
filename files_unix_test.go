//go:build unix

package rawhttp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unixSecret is what no answer may have in it.
const unixSecret = "SECRET"

// unixMake makes a folder with a tree in it, and its parent with a secret. A value
// that begins with "->" makes a symbolic link; a name that ends in a slash a
// folder.
func unixMake(t testing.TB, tree map[string]string) (root string) {
	t.Helper()
	parent := t.TempDir()
	root = filepath.Join(parent, "root")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{root, root + "-secret", filepath.Join(parent, "out")} {
		must(os.Mkdir(dir, 0o755))
		if dir != root {
			must(os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(unixSecret), 0o644))
		}
	}
	must(os.WriteFile(filepath.Join(parent, "secret.txt"), []byte(unixSecret), 0o644))
	for name, content := range tree {
		path := filepath.Join(root, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		target, isLink := strings.CutPrefix(content, "->")
		switch {
		case strings.HasSuffix(name, "/"):
			must(os.MkdirAll(path, 0o755))
		case isLink:
			must(os.Symlink(strings.ReplaceAll(target, "ROOT", root), path))
		default:
			must(os.WriteFile(path, []byte(content), 0o644))
		}
	}
	return root
}

// unixSources serve one folder with Dir and with FS.
func unixSources(t testing.TB, root string, opts ...FileOption) map[string]*FileResolver {
	t.Helper()
	fsys, err := FS(os.DirFS(root), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*FileResolver{"Dir": filesOfDir(t, root, opts...), "os.DirFS": fsys}
}

// unixAnswer tells in short what GET of the target gives.
func unixAnswer(t testing.TB, r Resolver, target string) string {
	t.Helper()
	return resolveString(t, r, resolveGet(t, target))
}

package testkit

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Secret is the content of files that must never be in an answer.
const Secret = "SECRET"

// Folder returns a new folder with the tree in it, next to files that hold Secret. A value
// that begins with "->" makes a symbolic link, in which ROOT is the folder; a name that ends in
// a slash makes a folder.
func Folder(t testing.TB, tree map[string]string) (root string) {
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
			must(os.WriteFile(filepath.Join(dir, "secret.txt"), []byte(Secret), 0o644))
		}
	}
	must(os.WriteFile(filepath.Join(parent, "secret.txt"), []byte(Secret), 0o644))
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

// LinkedFolder returns a new folder with files, next to one that holds Secret, and with
// symbolic links that lead to either.
func LinkedFolder(t testing.TB) (root string) {
	t.Helper()
	parent := t.TempDir()
	root = filepath.Join(parent, "root")
	if err := os.MkdirAll(filepath.Join(root, "d/e/f"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a": "content", "d/e/f/g": "deep", "../secret": Secret} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"to-a": "a", "to-to-a": "to-a", "d/up": "../a", "to-d": "d", "round": ".", "dangling": "missing", "loop": "loop", "ping": "pong", "pong": "ping",
		"out": "../secret", "out-folder": "..", "d/out": "../../secret", "absolute": filepath.Join(root, "a"), "absolute-out": "/", "back": "../root/a", "to-out": "out",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Skip("no symbolic links:", err)
		}
	}
	return root
}

// Scripts returns a new folder with the files. Those that begin with "#!" can be executed.
func Scripts(t testing.TB, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, content := range files {
		mode := fs.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		WriteFile(t, filepath.Join(root, name), content, mode)
	}
	return root
}

// WriteFile writes a file, and creates its parent folders. No process starts meanwhile: one that
// inherits the open file would keep the system from executing it.
func WriteFile(t testing.TB, name, content string, mode fs.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(content), 0o644)
	}
	if err == nil {
		err = os.Chmod(name, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ChdirToModule changes to the root of the module, if the working directory is below it.
func ChdirToModule() {
	for dir := "."; len(dir) < 12; dir = filepath.Join(dir, "..") {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			os.Chdir(dir)
			return
		}
	}
}

package conformance_test

import (
	"os"
	"path/filepath"
	"testing"

	"example.com/rawhttp/internal/jail"
)

// jails opens the folder in each way that there is here.
func jails(t testing.TB, dir string) map[string]jail.LinkReader {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]jail.LinkReader{"os.Root": &jail.OSRoot{Root: root}}
	if j := jail.OpenBeneath(dir); j != nil {
		trees["openat2"] = j
	}
	for _, tree := range trees {
		t.Cleanup(func() { tree.Close() })
	}
	return trees
}

// jailMake makes a folder, a secret outside it, and links that lead in and out.
func jailMake(t testing.TB) (root string) {
	t.Helper()
	parent := t.TempDir()
	root = filepath.Join(parent, "root")
	if err := os.MkdirAll(filepath.Join(root, "d/e/f"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"a": "content", "d/e/f/g": "deep", "../secret": "SECRET"} {
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

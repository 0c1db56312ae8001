package testkit

import (
	"os"
	"testing"

	"example.com/rawhttp/internal/jail"
)

// Trees opens the folder in each way that the system supports. The trees are closed when the test
// ends.
func Trees(t testing.TB, dir string) map[string]jail.LinkReader {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]jail.LinkReader{"os.Root": &jail.OSRootTree{Root: root}}
	if j, err := jail.NewOpenat2Tree(dir); err == nil {
		trees["openat2"] = j
	}
	for _, tree := range trees {
		t.Cleanup(func() { tree.Close() })
	}
	return trees
}

// Openat2Tree opens the folder with openat2. It skips the test if the kernel or a container
// refuses the call.
func Openat2Tree(t testing.TB, dir string) jail.Tree {
	t.Helper()
	j, err := jail.NewOpenat2Tree(dir)
	if err != nil {
		t.Skip("openat2:", err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

package conformance_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// If the root has been removed, the resolver looks for a new one at each request, since the old
// one is empty.
func TestRemovedRootIsFollowedAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not remove an open folder")
	}
	for _, opts := range [][]rawhttp.FileOption{nil, {rawhttp.WithPrecompressed("gzip")}} {
		dir := filepath.Join(t.TempDir(), "v1")
		testkit.WriteFile(t, filepath.Join(dir, "f"), "old", 0o644)
		r := filesOfDir(t, dir, opts...)
		for range 3 {
			for _, content := range []string{"1", "2", "3"} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
				if got := resolveString(t, r, resolveGet(t, "/f")); got != "declined" {
					t.Errorf("GET without a root: %q", got)
				}
				testkit.WriteFile(t, filepath.Join(dir, "f"), content, 0o644)
				if got := resolveString(t, r, resolveGet(t, "/f")); got != content {
					t.Errorf("GET with a new root: %q, want %q", got, content)
				}
			}
		}
	}
}

package conformance_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

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

// A script is started by its path, which does not exist while the root is being replaced. It
// runs once the new root is in place.
func TestScriptWhileRootIsAbsent(t *testing.T) {
	t.Parallel()
	if !testkit.RunsScripts {
		t.Skip("no scripts here")
	}
	dir := filepath.Join(t.TempDir(), "v1")
	script := func(dir, content string) {
		testkit.WriteFile(t, filepath.Join(dir, "f"), "", 0o644)
		if err := os.WriteFile(filepath.Join(dir, "a.sh"), []byte("echo "+content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script(dir, "old")
	r := filesOfDir(t, dir, rawhttp.WithScript(".sh", "sh"))
	if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "old\n" {
		t.Fatalf("output before the root is replaced: %q", got)
	}
	script(dir+".new", "new")
	os.Rename(dir, dir+".old")
	go func() {
		time.Sleep(50 * time.Millisecond) // the root does not exist for a moment
		os.Rename(dir+".new", dir)
	}()
	if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "new\n" {
		t.Errorf("output %q, want that of the new script", got)
	}
	os.Rename(dir, dir+".gone")
	if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "error 500" {
		t.Errorf("answer without a new root: %q, want error 500", got)
	}
}

// While the root is replaced again and again, each script that is looked up and started runs.
func TestScriptsWhileRootIsReplaced(t *testing.T) {
	t.Parallel()
	if !testkit.RunsScripts {
		t.Skip("no scripts here")
	}
	dir := filepath.Join(t.TempDir(), "v1")
	for _, name := range []string{dir, dir + ".2"} {
		testkit.WriteFile(t, filepath.Join(name, "f"), "", 0o644)
		if err := os.WriteFile(filepath.Join(name, "a.sh"), []byte("echo out"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := filesOfDir(t, dir, rawhttp.WithScript(".sh", "sh"))
	for i := range 100 {
		replaced := make(chan struct{})
		go func() {
			defer close(replaced)
			time.Sleep(time.Duration(i%20) * 500 * time.Microsecond) // at different points of a run
			os.Rename(dir, dir+".old")
			time.Sleep(time.Millisecond)
			os.Rename(dir+".2", dir)
			os.Rename(dir+".old", dir+".2")
		}()
		if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "out\n" {
			t.Errorf("answer of the script: %q", got)
		}
		<-replaced // a root restored while a script starts would look unchanged
	}
}

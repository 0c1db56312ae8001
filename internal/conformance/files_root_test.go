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

// A root that was removed is not waited for: nothing is found in it any more.
func TestRemovedRootIsFollowedAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a folder that is open cannot be removed")
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
				if got := resolveString(t, r, resolveGet(t, "/f")); got != "not mine" {
					t.Errorf("while there is no root the file is %q", got)
				}
				testkit.WriteFile(t, filepath.Join(dir, "f"), content, 0o644)
				if got := resolveString(t, r, resolveGet(t, "/f")); got != content {
					t.Errorf("when the root is there again the file is %q, want %q", got, content)
				}
			}
		}
	}
}

// Scripts run by their path, which names nothing while the root is being replaced. They run
// when the new root is in place.
func TestScriptsWhileTheRootIsReplaced(t *testing.T) {
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
		t.Fatalf("at first the script prints %q", got)
	}
	script(dir+".new", "new")
	os.Rename(dir, dir+".old")
	go func() {
		time.Sleep(50 * time.Millisecond) // the root is away for a moment
		os.Rename(dir+".new", dir)
	}()
	if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "new\n" {
		t.Errorf("the script prints %q, want what the new one does", got)
	}
	os.Rename(dir, dir+".gone")
	if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "error 500" {
		t.Errorf("where no root comes the script is answered with %q, want error 500", got)
	}
}

// The root is replaced again and again, while scripts are looked up and started.
func TestScriptsWhileTheirRootIsReplaced(t *testing.T) {
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
			time.Sleep(time.Duration(i%20) * 500 * time.Microsecond) // anywhere in the run of a script
			os.Rename(dir, dir+".old")
			time.Sleep(time.Millisecond)
			os.Rename(dir+".2", dir)
			os.Rename(dir+".old", dir+".2")
		}()
		if got := resolveString(t, r, resolveGet(t, "/a.sh")); got != "out\n" {
			t.Errorf("the script is answered with %q", got)
		}
		<-replaced // if the root came back while a script starts, it would look as if it had stayed
	}
}

package jail

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// makeRoot makes a folder with a file f.
func makeRoot(t *testing.T, dir, content string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readF returns the content of the file f of the tree.
func readF(t *testing.T, tree Tree) string {
	t.Helper()
	file, _, err := tree.Open("f")
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A Root whose folder was replaced opens the new one after its pause, and at once if the
// folder was removed. While the path leads to no folder, it keeps the open one.
func TestRootFollowsItsPath(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed on this system")
	}
	tests := []struct {
		name         string
		change       func(dir string) error
		before, then string // content during the pause, and after it
	}{
		{"replaced", func(dir string) error { return errors.Join(os.Rename(dir, dir+".old"), os.Rename(dir+".new", dir)) }, "old", "new"},
		{"removed", func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Rename(dir+".new", dir)) }, "new", "new"},
		{"renamed", func(dir string) error { return os.Rename(dir, dir+".old") }, "old", "old"},
		{"replaced by a file", func(dir string) error { return errors.Join(os.Rename(dir, dir+".old"), os.WriteFile(dir, nil, 0o644)) }, "old", "old"},
		{"not changed", func(string) error { return nil }, "old", "old"},
	}
	for _, tt := range tests {
		for _, kind := range []string{"of the system", "os.Root"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "root")
				makeRoot(t, dir, "old")
				makeRoot(t, dir+".new", "new")
				r, err := OpenRoot(dir, time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if kind == "os.Root" {
					opened, err := os.OpenRoot(dir)
					if err != nil {
						t.Fatal(err)
					}
					old := r.now.Swap(&openRoot{&OSRootTree{Root: opened}, r.now.Load().info})
					old.Close()
				}
				if got := readF(t, r); got != "old" {
					t.Fatalf("at first f is %q, want old", got)
				}
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
				if got := readF(t, r); got != tt.before {
					t.Errorf("during the pause f is %q, want %q", got, tt.before)
				}
				r.Pause = 0
				if got := readF(t, r); got != tt.then {
					t.Errorf("after the pause f is %q, want %q", got, tt.then)
				}
				r.Close()
				if _, _, err := r.Open("f"); !errors.Is(err, fs.ErrClosed) {
					t.Errorf("after Close, Open returns %v, want fs.ErrClosed", err)
				}
			})
		}
	}
}

// A Root whose next folder cannot be opened with openat2, which a filter of system calls may
// forbid meanwhile, identifies no files, so that what was cached is not used.
func TestRootIdentifiesNothingInAnOSRoot(t *testing.T) {
	dir := t.TempDir()
	makeRoot(t, dir, "old")
	r, err := OpenRoot(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if id, known := r.Identify("f"); known != r.Identifies() {
		t.Errorf("at first Identify(%q) = %v, %v; want it to be known: %v", "f", id, known, r.Identifies())
	}
	next, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := r.now.Swap(&openRoot{&OSRootTree{Root: next}, r.now.Load().info})
	defer old.Close()
	if id, known := r.Identify("f"); known {
		t.Errorf("Identify(%q) = %v, true; want it to be unknown", "f", id)
	}
}

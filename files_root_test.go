package rawhttp

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// The ways in which a path can come to name another folder, or none. want is the content of
// its file f afterwards.
var rootChanges = []struct {
	name   string
	change func(t testing.TB, dir, link string) error
	want   string
}{
	{"removed and created again", func(t testing.TB, dir, _ string) error {
		os.RemoveAll(dir)
		testkit.WriteFile(t, filepath.Join(dir, "f"), "new", 0o644)
		return nil
	}, "new"},
	{"renamed and replaced", func(t testing.TB, dir, _ string) error {
		testkit.WriteFile(t, filepath.Join(dir+".new", "f"), "new", 0o644)
		os.Rename(dir, dir+".old")
		return os.Rename(dir+".new", dir)
	}, "new"},
	{"link switched", func(t testing.TB, dir, link string) error {
		testkit.WriteFile(t, filepath.Join(dir+".2", "f"), "new", 0o644)
		os.Symlink(filepath.Base(dir)+".2", link+".new")
		return os.Rename(link+".new", link)
	}, "new"},
	{"renamed", func(_ testing.TB, dir, _ string) error { return os.Rename(dir, dir+".old") }, "old"},
	{"replaced by a file", func(_ testing.TB, dir, _ string) error {
		os.Rename(dir, dir+".old")
		return os.WriteFile(dir, nil, 0o644)
	}, "old"},
	{"link broken", func(_ testing.TB, _, link string) error {
		os.Remove(link)
		return os.Symlink("nowhere", link)
	}, "old"},
	{"not changed", func(testing.TB, string, string) error { return nil }, "old"},
}

func TestRootIsFollowed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed on this system")
	}
	for _, tt := range rootChanges {
		for _, kind := range []string{"cached", "not cached"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "v1")
				link := filepath.Join(filepath.Dir(dir), "current")
				testkit.WriteFile(t, filepath.Join(dir, "f"), "old", 0o644)
				old := time.Now().Add(-time.Hour)
				os.Chtimes(filepath.Join(dir, "f"), old, old)
				if err := os.Symlink("v1", link); err != nil {
					t.Fatal(err)
				}
				var opts []FileOption
				if kind != "cached" {
					opts = append(opts, WithPrecompressed("gzip"))
				}
				r := filesOfDir(t, link, opts...)
				r.cache.settles = 0 // so that the new file is cached
				for range 3 {
					if got := resolveString(t, r, resolveGet(t, "/f")); got != "old" {
						t.Fatalf("at first the file is %q, want old", got)
					}
				}
				if isCached := r.cache.find(resolveGet(t, "/f")) != nil; isCached != (r.cache.tree != nil) {
					t.Fatalf("the file is cached: %v, want %v", isCached, r.cache.tree != nil)
				}
				if err := tt.change(t, dir, link); err != nil {
					t.Fatal(err)
				}
				r.tree.(*jail.Root).Pause = 0 // as if a second had passed
				if got := resolveString(t, r, resolveGet(t, "/f")); got != tt.want {
					t.Errorf("afterwards the file is %q, want %q", got, tt.want)
				}
				if got := resolveString(t, r, resolveGet(t, "/")); got != "f\n" {
					t.Errorf("the listing is %q, want f", got)
				}
			})
		}
	}
}

// The path of the root is checked once a second at most.
func TestRootIsCheckedOncePerSecond(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed on this system")
	}
	dir := filepath.Join(t.TempDir(), "v1")
	testkit.WriteFile(t, filepath.Join(dir, "f"), "old", 0o644)
	begin := time.Now()
	r := filesOfDir(t, dir)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(dir, "f"), "new", 0o644)
	testkit.Await(t, "the file is new", func() bool {
		got := resolveString(t, r, resolveGet(t, "/f"))
		if got != "new" && got != "old" {
			t.Fatalf("after %v the file is %q, want old or new", time.Since(begin), got)
		}
		return got == "new"
	})
	if passed := time.Since(begin); passed < rootPause {
		t.Errorf("the new folder was served after %v: is the path checked for each request?", passed)
	}
}

// A root that changes all the time: each request is answered from one folder or the other,
// and all files are closed.
func TestRootIsFollowedUnderLoad(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open folder cannot be renamed on this system")
	}
	root := filepath.Join(t.TempDir(), "root")
	testkit.WriteFile(t, filepath.Join(root, "f"), "content", 0o644)
	testkit.WriteFile(t, filepath.Join(root+".other", "f"), "content", 0o644)
	r := filesOfDir(t, root)
	r.tree.(*jail.Root).Pause = 0
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would close leaked files
	before := testkit.Descriptors()
	stop, stopped := make(chan struct{}), make(chan error)
	go func() { // makes no new files, since a file system may look for a free inode for long
		var err error
		for err == nil {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
				err = cmp.Or(os.Rename(root, root+".old"), os.Rename(root+".other", root), os.Rename(root+".old", root+".other"))
			}
		}
		<-stop
		stopped <- err
	}()
	for range 1000 {
		if got := resolveString(t, r, resolveGet(t, "/f")); got != "content" {
			t.Errorf("the file is %q, want content", got)
			break
		}
		if got := resolveString(t, r, resolveGet(t, "/")); got != "f\n" {
			t.Errorf("the listing is %q, want f", got)
			break
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := testkit.Descriptors(); got > before+1 {
		t.Errorf("%d descriptors are open, want %d as before", got, before)
	}
}

// A closed resolver stays closed, whatever the path leads to.
func TestClosedRootIsNotFollowed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v1")
	testkit.WriteFile(t, filepath.Join(dir, "f"), "old", 0o644)
	r := filesOfDir(t, dir)
	r.Close()
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(dir, "f"), "new", 0o644)
	r.tree.(*jail.Root).Pause = 0
	if got := resolveString(t, r, resolveGet(t, "/f")); got != "error 503" {
		t.Errorf("after Close the file is %q, want error 503", got)
	}
}

func filesOfDir(t testing.TB, dir string, opts ...FileOption) *FileResolver {
	t.Helper()
	f, err := Dir(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// skipWithoutCache skips a test where nothing is cached: without openat2, which other systems
// and old kernels lack. TestOpenJailUsesOpenat2 fails if openat2 exists and is not used.
func skipWithoutCache(t *testing.T, files *FileResolver) {
	t.Helper()
	if files.cache.tree == nil {
		t.Skip("openat2 is missing, without which nothing is cached")
	}
}

func TestDiskRootHasNoName(t *testing.T) {
	if name := nameOfRoot(filepath.VolumeName(t.TempDir()) + string(filepath.Separator)); name != "" {
		t.Errorf("the root of the disk has the name %q, want none", name)
	}
}

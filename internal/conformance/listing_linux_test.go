//go:build !android && (amd64 || arm64)

package conformance_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// listingLong makes a folder with too many names for a listing made in memory.
func listingLong(t testing.TB) (root string, names int) {
	t.Helper()
	root = testkit.Folder(t, map[string]string{"file-000": "content"})
	for names = 1; names < 2*sortedEntries; names++ {
		if err := os.Link(filepath.Join(root, "file-000"), filepath.Join(root, fmt.Sprintf("file-%03d", names))); err != nil {
			t.Fatal(err)
		}
	}
	return root, names
}

// listingOpen returns the number of open descriptors of the folder.
func listingOpen(t *testing.T, folder string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + fd.Name()); target == folder {
			n++
		}
	}
	return n
}

// A long listing keeps its folder open until it has been written or closed; closing it more than
// once is harmless.
func TestLongListingClosesFolder(t *testing.T) {
	t.Parallel()
	root, _ := listingLong(t)
	testkit.Openat2Tree(t, root)
	r := filesOfDir(t, root, rawhttp.WithListing(rawhttp.ListHTML))
	rest := listingOpen(t, root)
	for _, target := range []string{"/", "/?format=text", "/?sort=size", "/?format=json&sort=time"} {
		resp, err := r.Resolve(t.Context(), resolveGet(t, target))
		if err != nil {
			t.Fatal(err)
		}
		if n := listingOpen(t, root) - rest; n != 1 {
			t.Errorf("%s: before it is written %d more descriptors are open, want 1", target, n)
		}
		if target == "/" {
			if _, err := resp.WriteTo(&strings.Builder{}); err != nil {
				t.Error(err)
			}
		}
		for range 3 {
			resp.Close()
		}
		resolveString(t, r, requestOf(t, "HEAD "+target+" HTTP/1.1\r\nHost: a\r\n\r\n"))
		if n := listingOpen(t, root) - rest; n != 0 {
			t.Errorf("%s: at the end %d more descriptors are open, want 0", target, n)
		}
	}
}

// A file that has become a link or a FIFO since its name was read is not listed. A folder
// that was moved is still listed.
func TestLongListingWhileFolderChanges(t *testing.T) {
	t.Parallel()
	root, names := listingLong(t)
	testkit.Openat2Tree(t, root)
	r := filesOfDir(t, root, rawhttp.WithListing(rawhttp.ListHTML))
	for _, form := range []string{"html", "json"} {
		resp, err := r.Resolve(t.Context(), resolveGet(t, "/?format="+form))
		if err != nil {
			t.Fatal(err)
		}
		changed := []string{"file-001", "file-002", "file-003"}
		for _, name := range changed {
			os.Remove(filepath.Join(root, name))
		}
		if err := os.Symlink("../secret.txt", filepath.Join(root, changed[0])); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(root, changed[1]), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(root, root+"-moved"); err != nil {
			t.Fatal(err)
		}
		var page strings.Builder
		if _, err := resp.WriteTo(&page); err != nil {
			t.Error(err)
		}
		resp.Close()
		href := map[string]string{"html": `href="`, "json": `"href":"./`}[form]
		if n := strings.Count(page.String(), href+"file-"); n != names-len(changed) {
			t.Errorf("%s: %d entries, want %d", form, n, names-len(changed))
		}
		for _, name := range changed {
			if strings.Contains(page.String(), href+name) {
				t.Errorf("%s: %s is listed, although it is no longer a file", form, name)
			}
		}
		if err := os.Rename(root+"-moved", root); err != nil {
			t.Fatal(err)
		}
		for _, name := range changed {
			os.Remove(filepath.Join(root, name))
			if err := os.WriteFile(filepath.Join(root, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The names in a folder with permission to read but not to enter cannot be opened. Neither they
// nor the folder are listed.
func TestListingOfFolderWithoutSearchPermission(t *testing.T) {
	root := testkit.Folder(t, map[string]string{"a": "", "d/b": "", "d/c/": ""})
	testkit.Openat2Tree(t, root)
	if err := os.Chmod(filepath.Join(root, "d"), 0o444); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(root, "d"), 0o755) })
	r := filesOfDir(t, root, rawhttp.WithIndex())
	testkit.WithoutCapabilities(t, func() {
		for target, want := range map[string]string{"/": "a\n", "/d/": "", "/d/b": "error 403", "/d/c/": "error 403"} {
			if got := unixAnswer(t, r, target); got != want {
				t.Errorf("GET %s: %q, want %q", target, got, want)
			}
		}
	})
}

// Memory is allocated only for entries that may be listed, not for all entries of a folder,
// since the cache may retain them.
func TestReadDirAllocatesOnlyForListedEntries(t *testing.T) {
	root := testkit.Folder(t, nil)
	if err := syscall.Mkfifo(filepath.Join(root, "0"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 99 {
		if err := os.Link(filepath.Join(root, "0"), filepath.Join(root, fmt.Sprint(i+1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	j := testkit.Openat2Tree(t, root)
	dir, _, err := j.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	entries, err := j.ReadDir(dir)
	if err != nil || len(entries) != 1 || cap(entries) > 3 { // "." and ".." are folders
		t.Errorf("ReadDir = %d entries with capacity %d, %v, want 1 with capacity at most 3", len(entries), cap(entries), err)
	}
}

//go:build unix

package conformance_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// In a real folder a link is listed with the type, size and time of its target, and is
// marked. The target is not shown. Files that cannot be served are not listed.
func TestListingOfLinks(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(os.MkdirAll(filepath.Join(root, "folder"), 0o755))
	do(os.WriteFile(filepath.Join(root, "file"), make([]byte, 2000), 0o644))
	do(os.WriteFile(filepath.Join(root, ".hidden"), make([]byte, 3000), 0o644))
	do(os.WriteFile(filepath.Join(dir, "outside"), nil, 0o644))
	for name, target := range map[string]string{
		"to-file": "file", "to-folder": "folder", "to-link": "to-file", "round-about": "folder/../to-folder", "to-hidden": ".hidden",
		"nowhere": "nothing-here", "itself": "itself", "out": "../outside", "out-and-in": "../root/file", "absolute": filepath.Join(root, "file"), "to-fifo": "fifo",
	} {
		do(os.Symlink(target, filepath.Join(root, name)))
	}
	do(syscall.Mkfifo(filepath.Join(root, "fifo"), 0o644))
	at := listingMinute(0)
	for i, name := range []string{".hidden", "file", "folder"} {
		at := at.Add(time.Duration(i) * time.Hour)
		do(os.Chtimes(filepath.Join(root, name), at, at))
	}

	const hidden, file, folder = "2026-11-02 08:15", "2026-11-02 09:15", "2026-11-02 10:15"
	type row struct{ Name, Size, Shown string }
	want := []row{
		{"folder/", "folder", folder}, {"round-about/", "folder, link", folder}, {"to-folder/", "folder, link", folder},
		{"file", "1.95 KiB", file}, {"to-file", "1.95 KiB, link", file}, {"to-hidden", "2.93 KiB, link", hidden}, {"to-link", "1.95 KiB, link", file},
	}
	r := filesOfDir(t, root, rawhttp.WithListing(rawhttp.ListHTML))
	for _, query := range []string{"", "?sort=size", "?sort=time"} {
		names := make(map[row]bool)
		var got []row
		for _, r := range listingGetPage(t, r, "/"+query).Rows {
			e := row{r.Name, r.Size, r.Shown}
			got = append(got, e)
			names[e] = true
		}
		if query != "" { // the order differs
			if len(got) != len(want) {
				t.Errorf("listing with %s has %d rows, want %d", query, len(got), len(want))
			}
			for _, e := range want {
				if !names[e] {
					t.Errorf("listing with %s lacks %v", query, e)
				}
			}
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("listing (-want +got):\n%s", diff)
		}
	}
	links := make(map[string]bool)
	for _, e := range listingReadJSON(t, listingAsk(t, r, "GET /?format=json").Content).Entries {
		links[e.Name] = e.Link
	}
	wantLinks := map[string]bool{"folder": false, "round-about": true, "to-folder": true, "file": false, "to-file": true, "to-hidden": true, "to-link": true}
	if diff := cmp.Diff(wantLinks, links); diff != "" {
		t.Errorf("links in JSON (-want +got):\n%s", diff)
	}
}

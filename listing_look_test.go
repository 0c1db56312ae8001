package rawhttp

import (
	"os"
	"path/filepath"
	"testing"
)

// The first breadcrumb is the name of the root's folder.
func TestListingNamesTheRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "R&D")
	if err := os.MkdirAll(filepath.Join(root, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, spelled := range []string{root, root + string(filepath.Separator), filepath.Join(root, "a") + "/.."} {
		r := filesOfDir(t, spelled, WithListing(ListHTML))
		for target, want := range map[string]string{"/": "R&D", "/a/": "R&D"} {
			if got := listingGetPage(t, r, target).Crumbs[0].Text; got != want {
				t.Errorf("Dir(%q): the first breadcrumb of %s is %q, want %q", spelled, target, got, want)
			}
		}
		if got := listingGetPage(t, Mount("/m/", r), "/m/a/").Crumbs[0].Text; got != "m" {
			t.Errorf("the first breadcrumb of a mounted folder is %q, want m", got)
		}
	}
	t.Chdir(root)
	if got := listingGetPage(t, filesOfDir(t, ".", WithListing(ListHTML)), "/").Crumbs[0].Text; got != "R&D" {
		t.Errorf("the first breadcrumb of the working directory is %q, want R&D", got)
	}
	if name := nameOfRoot(filepath.VolumeName(root) + string(filepath.Separator)); name != "" {
		t.Errorf("the root of the disk has the name %q, want none", name)
	}
}

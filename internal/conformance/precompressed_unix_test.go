//go:build unix

package conformance_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Sidecars are opened by the same rules as other files: no link leads out of the root, and only
// regular files are read.
func TestPrecompressedLinks(t *testing.T) {
	outside, _ := filesWrite(t, "secret.gz", "secret")
	tests := []struct {
		name string
		make func(dir, sidecar string) error
		want string
		why  string
	}{
		{"link to a file outside", func(_, sidecar string) error { return os.Symlink(filepath.Join(outside, "secret.gz"), sidecar) }, "the plain file", "the link leads out of the root"},
		{"link that climbs out", func(dir, sidecar string) error {
			rel, err := filepath.Rel(dir, filepath.Join(outside, "secret.gz"))
			if err != nil {
				return err
			}
			return os.Symlink(rel, sidecar)
		}, "the plain file", "the link leads out of the root"},
		{"link to nothing", func(_, sidecar string) error { return os.Symlink("nothing", sidecar) }, "the plain file", ""},
		{"link to itself", func(_, sidecar string) error { return os.Symlink("a.txt.gz", sidecar) }, "the plain file", "ELOOP"},
		{"link to a folder", func(_, sidecar string) error { return os.Symlink(".", sidecar) }, "the plain file", ""},
		{"link to a file inside", func(dir, sidecar string) error {
			if err := os.WriteFile(filepath.Join(dir, "inside"), []byte("inside"), 0o644); err != nil {
				return err
			}
			return os.Symlink("inside", sidecar)
		}, "inside", "links inside the root work"},
		{"FIFO", func(_, sidecar string) error { return syscall.Mkfifo(sidecar, 0o644) }, "the plain file", "opening it must not block"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, path := filesWrite(t, "a.txt", "the plain file")
			if err := os.Chtimes(path, contentMod, contentMod); err != nil {
				t.Fatal(err)
			}
			if err := tt.make(dir, path+".gz"); err != nil {
				t.Fatal(err)
			}
			r := filesOfDir(t, dir, sidecarAll)
			got := etagOfFile(t, r, "/a.txt", "Accept-Encoding: gzip")
			if got.Content != tt.want || (got.Fields["Content-Encoding"] == "gzip") != (tt.want == "inside") {
				t.Errorf("content %q, fields %q, want %q\nwhy: %s", got.Content, got.Fields, tt.want, tt.why)
			}
		})
	}
}

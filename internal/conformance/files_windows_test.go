package conformance_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/rawhttp"
)

// A file that another program has locked is answered with 503, even as an index file.
func TestLockedFile(t *testing.T) {
	dir, err := os.MkdirTemp("", "rawhttp")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"a.txt", "index.html"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := syscall.UTF16PtrFromString(path)
		if err != nil {
			t.Fatal(err)
		}
		const alone = 0
		handle, err := syscall.CreateFile(p, syscall.GENERIC_READ, alone, nil, syscall.OPEN_EXISTING, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.CloseHandle(handle)
	}
	fsys := filesOfFS(t, os.DirFS(dir))
	for name, r := range map[string]rawhttp.Resolver{"Dir": filesOfDir(t, dir), "os.DirFS": fsys} {
		for _, target := range []string{"/a.txt", "/"} {
			if got := resolveString(t, r, resolveGet(t, target)); got != "error 503" {
				t.Errorf("%s: GET %s: %q, want error 503", name, target, got)
			}
		}
	}
}

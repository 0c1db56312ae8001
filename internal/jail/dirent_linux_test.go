//go:build !android && (amd64 || arm64)

package jail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// openEachType opens a folder with an entry of each type.
func openEachType(t *testing.T) *os.File {
	t.Helper()
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	for _, err := range []error{
		os.WriteFile(in("file"), nil, 0o644),
		os.Mkdir(in("folder"), 0o755),
		os.Symlink("file", in("link")),
		syscall.Mkfifo(in("fifo"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}

// Some file systems do not return the types of entries with their names.
func TestEntryOfUnknownType(t *testing.T) {
	dir := openEachType(t)
	for name, kind := range map[string]uint8{"file": syscall.DT_REG, "folder": syscall.DT_DIR, "link": syscall.DT_LNK, "fifo": syscall.DT_FIFO, "missing": syscall.DT_FIFO} {
		want, wantOK := direntEntry(int(dir.Fd()), name, kind)
		got, ok := direntEntry(int(dir.Fd()), name, syscall.DT_UNKNOWN)
		if ok != wantOK || ok && got != want {
			t.Errorf("%s: %+v, %v, want %+v, %v", name, got, ok, want, wantOK)
		}
	}
}

// On a file system that reports no types of entries, no entry is missing.
func TestFolderOfUnknownTypes(t *testing.T) {
	dir := openEachType(t)
	b := make([]byte, 4096)
	n, err := syscall.ReadDirent(int(dir.Fd()), b)
	if err != nil {
		t.Fatal(err)
	}
	for rest := b[:n]; len(rest) > 0; rest = rest[direntLen(rest):] {
		rest[direntType] = syscall.DT_UNKNOWN
	}
	got := direntEntries(int(dir.Fd()), b[:n])
	slices.SortFunc(got, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	want := []Entry{{Name: "file"}, {Name: "folder", IsFolder: true}, {Name: "link", IsLink: true}}
	if !slices.Equal(got, want) {
		t.Errorf("entries %+v, want %+v", got, want)
	}
}

package jail_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// describeName describes a name in a tree: its content, or the status of the error and whether the
// name leads out. Open and Stat must agree.
func describeName(t testing.TB, j jail.Tree, name string) string {
	t.Helper()
	info, statErr := j.Stat(name)
	file, openedInfo, err := j.Open(name)
	if (err == nil) != (statErr == nil) {
		t.Errorf("Open(%q): %v, but Stat: %v", name, err, statErr)
	}
	if jail.IsEscape(err) != jail.IsEscape(statErr) {
		t.Errorf("Open(%q): %v, but Stat: %v; one is an escape", name, err, statErr)
	}
	if jail.IsEscape(err) {
		return fmt.Sprint("escape, ", rawhttp.StatusOf(err))
	}
	if err != nil {
		return fmt.Sprint(rawhttp.StatusOf(err))
	}
	defer file.Close()
	if openedInfo.Size() != info.Size() || openedInfo.Mode() != info.Mode() || !openedInfo.ModTime().Equal(info.ModTime()) || openedInfo.Name() != info.Name() {
		t.Errorf("Open(%q) returns the FileInfo %v, but Stat %v", name, openedInfo, info)
	}
	if info.IsDir() {
		entries, err := file.(fs.ReadDirFile).ReadDir(-1)
		if err != nil {
			t.Errorf("ReadDir of %q: %v", name, err)
		}
		return fmt.Sprintf("folder of %d", len(entries))
	}
	if _, ok := file.(*os.File); !ok {
		t.Errorf("Open(%q) returns a %T, want an *os.File, for sendfile", name, file)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		t.Errorf("read %q: %v", name, err)
	}
	b := make([]byte, 1)
	if _, err := file.(io.ReaderAt).ReadAt(b, 0); err != nil || b[0] != content[0] {
		t.Errorf("ReadAt of %q = %q, %v, want the first byte", name, b, err)
	}
	if pos, err := file.(io.Seeker).Seek(0, io.SeekStart); pos != 0 || err != nil {
		t.Errorf("Seek of %q = %d, %v, want 0, nil", name, pos, err)
	}
	return string(content)
}

// The same names in every kind of jail: the file that a name leads to, or that it leads out.
func TestJails(t *testing.T) {
	root := testkit.LinkedFolder(t)
	tests := []struct{ name, want, why string }{
		{".", "folder of 16", ""},
		{"a", "content", ""},
		{"d", "folder of 3", ""},
		{"d/e/f/g", "deep", ""},
		{"missing", "404", ""},
		{"d/missing", "404", ""},
		{"missing/a", "404", ""},
		{"a/b", "404", "a file has nothing below it"},
		{"a/.", "404", ""},
		{strings.Repeat("n", 300), "404", "too long for a name"},
		{strings.Repeat("n/", 3000) + "n", "404", "too long for a path"},

		{"to-a", "content", ""},
		{"to-to-a", "content", ""},
		{"d/up", "content", "a .. within the tree"},
		{"to-d/e/f/g", "deep", ""},
		{"to-d", "folder of 3", ""},
		{"round/round/round/a", "content", ""},

		{"out", "escape, 404", "the target is outside"},
		{"out-folder/secret", "escape, 404", ""},
		{"d/out", "escape, 404", ""},
		{"absolute", "escape, 404", "an absolute target is an escape, even if it leads back in"},
		{"absolute-out", "escape, 404", ""},
		{"back", "escape, 404", "leaving the tree and coming back is an escape"},
		{"dangling", "404", ""},
		{"loop", "404", ""},
		{"ping", "404", ""},
		{"..", "escape, 404", "resolvers that rewrite paths must not escape either"},
		{"../secret", "escape, 404", ""},
		{"d/../../secret", "escape, 404", ""},
		{"/etc/passwd", "escape, 404", ""},
	}
	for name, j := range testkit.Trees(t, root) {
		for _, tt := range tests {
			if got := describeName(t, j, tt.name); got != tt.want {
				t.Errorf("%s: %q is %q, want %q: %s", name, tt.name[:min(len(tt.name), 100)], got, tt.want, tt.why)
			}
		}
	}
}

// A closed jail opens nothing, even concurrently with Close. Open files stay open, and the
// closed descriptor is not used when another file has its number.
func TestClosedJail(t *testing.T) {
	root := testkit.LinkedFolder(t)
	for range 20 {
		for name, j := range testkit.Trees(t, root) {
			kept, _, err := j.Open("a")
			if err != nil {
				t.Fatal(err)
			}
			var asking sync.WaitGroup
			for range 4 {
				asking.Go(func() {
					for {
						file, _, err := j.Open("d/e/f/g")
						if err == nil {
							content, err := io.ReadAll(file)
							if string(content) != "deep" || err != nil {
								t.Errorf("%s: read %q, %v, want content", name, content, err)
							}
							file.Close()
							_, err = j.Stat("a")
							if err != nil && rawhttp.StatusOf(err) != 503 {
								t.Errorf("%s: Stat in a closed jail: %v, want fs.ErrClosed", name, err)
							}
							continue
						}
						if rawhttp.StatusOf(err) != 503 || !errors.Is(err, fs.ErrClosed) {
							t.Errorf("%s: Open in a closed jail: %v, want fs.ErrClosed with status 503", name, err)
						}
						return
					}
				})
			}
			runtime.Gosched()
			if err := j.Close(); err != nil {
				t.Errorf("%s: Close: %v", name, err)
			}
			other, err := os.Open(filepath.Dir(root)) // takes the number of the closed descriptor
			if err != nil {
				t.Fatal(err)
			}
			asking.Wait()
			for _, name := range []string{"a", "secret", "d/e/f/g", "to-a", "."} {
				if _, err := j.Stat(name); rawhttp.StatusOf(err) != 503 {
					t.Errorf("Stat(%q) in a closed jail: %v, want 503", name, err)
				}
			}
			other.Close()
			if content, err := io.ReadAll(kept); string(content) != "content" || err != nil {
				t.Errorf("%s: reading a file that was open: %q, %v, want its content", name, content, err)
			}
			kept.Close()
			if err := j.Close(); err != nil {
				t.Errorf("%s: second Close: %v", name, err)
			}
		}
	}
}

// A file one and four folders deep.
func BenchmarkOpen(b *testing.B) {
	root := testkit.LinkedFolder(b)
	for how, j := range testkit.Trees(b, root) {
		for depth, name := range map[int]string{1: "a", 4: "d/e/f/g"} {
			b.Run(fmt.Sprintf("%s/%d", how, depth), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					file, _, err := j.Open(name)
					if err != nil {
						b.Fatal(err)
					}
					file.Close()
				}
			})
		}
	}
}

func BenchmarkStat(b *testing.B) {
	root := testkit.LinkedFolder(b)
	for how, j := range testkit.Trees(b, root) {
		for depth, name := range map[int]string{1: "a", 4: "d/e/f/g"} {
			b.Run(fmt.Sprintf("%s/%d", how, depth), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := j.Stat(name); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Names of about the size of the buffer on the stack are found, too.
func TestJailLongNames(t *testing.T) {
	root := t.TempDir()
	for n := 120; n <= 136; n++ {
		if err := os.WriteFile(filepath.Join(root, strings.Repeat("n", n)), make([]byte, n), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for how, j := range testkit.Trees(t, root) {
		for n := 120; n <= 136; n++ {
			info, err := j.Stat(strings.Repeat("n", n))
			if err != nil || info.Size() != int64(n) {
				t.Errorf("%s: Stat of a name of %d bytes: %v, %v, want a file of that size", how, n, info, err)
			}
		}
	}
}

package conformance_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
)

func TestDirRefuses(t *testing.T) {
	dir, path := filesWrite(t, "a.bin", "")
	bad := rawhttp.WithIndex("a/b")
	tests := []struct {
		name string
		make func() (*rawhttp.FileResolver, error)
		want error // nil for any error
	}{
		{"a missing folder", func() (*rawhttp.FileResolver, error) { return rawhttp.Dir(filepath.Join(dir, "missing")) }, fs.ErrNotExist},
		{"a file", func() (*rawhttp.FileResolver, error) { return rawhttp.Dir(path) }, nil},
		{"no name", func() (*rawhttp.FileResolver, error) { return rawhttp.Dir("") }, nil},
		{"an invalid option", func() (*rawhttp.FileResolver, error) { return rawhttp.Dir(dir, bad) }, nil},
		{"a missing folder and an invalid option", func() (*rawhttp.FileResolver, error) { return rawhttp.Dir(filepath.Join(dir, "missing"), bad) }, fs.ErrNotExist},
		{"FS of nil", func() (*rawhttp.FileResolver, error) { return rawhttp.FS(nil) }, nil},
		{"FS and an invalid option", func() (*rawhttp.FileResolver, error) { return rawhttp.FS(fstest.MapFS{}, bad) }, nil},
	}
	for _, opt := range []rawhttp.FileOption{
		rawhttp.WithIndex(""), rawhttp.WithIndex("."), rawhttp.WithIndex(".."), rawhttp.WithIndex("index.html", "a/b"), rawhttp.WithIndex(`a\b`), rawhttp.WithIndex("a\x00"),
		rawhttp.WithListing(rawhttp.Listing(200)), rawhttp.WithMaxListing(-1), rawhttp.WithCacheControl("a\r\nb"), rawhttp.WithCacheControl(" "),
		rawhttp.WithCacheControl("a", "/["), rawhttp.WithCacheControl("a", "/a", "/b\\"), rawhttp.WithCacheControl("a", "/a/[]x]"), rawhttp.WithCacheControl("a", "*.css"), rawhttp.WithCacheControl("a", ""),
		rawhttp.WithMediaType(".", "a/b"), rawhttp.WithMediaType("..", "a/b"), rawhttp.WithMediaType(".tar.gz", "a/b"), rawhttp.WithMediaType("./a", "a/b"), rawhttp.WithMediaType("a/b", "a/b"), rawhttp.WithMediaType("a\x00", "a/b"),
		rawhttp.WithMediaType(".txt", ""), rawhttp.WithMediaType(".txt", "a\r\nb"), rawhttp.WithMediaType(".txt", " a/b"),
	} {
		tests = append(tests, struct {
			name string
			make func() (*rawhttp.FileResolver, error)
			want error
		}{"option", func() (*rawhttp.FileResolver, error) { return rawhttp.FS(fstest.MapFS{}, opt) }, nil})
	}
	for i, tt := range tests {
		f, err := tt.make()
		if f != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%d, %s: %v, %v, want nil and an error that wraps %v", i, tt.name, f, err, tt.want)
			continue
		}
		if n := strings.Count(err.Error(), "rawhttp: "); n != 1 || !strings.HasPrefix(err.Error(), "rawhttp: ") {
			t.Errorf("%d, %s: %q has the prefix %d times, want once, at the start", i, tt.name, err, n)
		}
	}

	_, err := rawhttp.FS(nil, bad, rawhttp.WithMaxListing(-1))
	if n := filesLeaves(err); n != 3 {
		t.Errorf("FS with three invalid options: %d errors, want 3: %v", n, err)
	}
}

// filesLeaves counts the errors that err joins.
func filesLeaves(err error) (n int) {
	joined, ok := err.(interface{ Unwrap() []error })
	if inner := errors.Unwrap(err); inner != nil {
		return filesLeaves(inner)
	}
	if !ok {
		return 1
	}
	for _, e := range joined.Unwrap() {
		n += filesLeaves(e)
	}
	return n
}

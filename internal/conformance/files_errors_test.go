package conformance_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// errorsZip makes a zip archive with a file for each name, each with the content "x".
func errorsZip(t testing.TB, method uint16, names ...string) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, NonUTF8: true})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, "x")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		t.Fatal(err)
	}
	for _, f := range r.File {
		f.Method = method
	}
	return r
}

// An entry that a zip archive cannot read is answered with 500 and logged at level error, not
// answered with 404.
func TestUnreadableZip(t *testing.T) {
	t.Parallel()
	const unknownMethod = 99
	tests := []struct {
		name, target string
		archive      *zip.Reader
		want         int
	}{
		{"no error", "/", errorsZip(t, zip.Store, "a", "d/b"), 200},
		{"a name that is not UTF-8", "/", errorsZip(t, zip.Store, "a", "caf\xe9"), 500},
		{"a name that occurs twice", "/", errorsZip(t, zip.Store, "a", "b", "b"), 500},
		{"a name that is a file and a folder", "/", errorsZip(t, zip.Store, "a", "a/b"), 500},
		{"below a folder", "/d/", errorsZip(t, zip.Store, "d/caf\xe9"), 500},
		{"another folder", "/e/", errorsZip(t, zip.Store, "d/caf\xe9", "e/a"), 200},
		{"a file of that folder", "/a", errorsZip(t, zip.Store, "a", "caf\xe9"), 200},
		{"a missing name", "/b", errorsZip(t, zip.Store, "a", "caf\xe9"), 404},
		{"an unknown compression method", "/a", errorsZip(t, unknownMethod, "a"), 500},
		{"an index file of an unknown compression method", "/", errorsZip(t, unknownMethod, "index.html"), 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log testkit.Log
			c := pipe(t, rawhttp.WithFS(tt.archive), rawhttp.WithLogger(&log))
			go io.WriteString(c, "GET "+tt.target+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			answer, err := io.ReadAll(c)
			if want := fmt.Sprintf("HTTP/1.1 %d ", tt.want); err != nil || !strings.HasPrefix(string(answer), want) {
				t.Errorf("GET %s: answer %q, %v, want %q", tt.target, answer, err, want)
			}
			if got := log.Has("ERROR", "request failed"); got != (tt.want == 500) {
				t.Errorf("log is %q, has an error: %v, want %v", &log, got, tt.want == 500)
			}
		})
	}
}

// A failingFS is a tree in memory in which one kind of call fails.
type failingFS struct {
	fstest.MapFS
	op  string // the failing call: open, stat, readdir or info
	err error
}

func (f failingFS) Open(name string) (fs.File, error) {
	if f.op == "open" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	file, err := f.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	return failingFile{file, f.op, f.err}, nil
}

// Stat does not fail: only Open and the methods of the opened file do.
func (f failingFS) Stat(name string) (fs.FileInfo, error) { return f.MapFS.Stat(name) }

type failingFile struct {
	fs.File
	op  string
	err error
}

func (f failingFile) Stat() (fs.FileInfo, error) {
	if f.op == "stat" {
		return nil, f.err
	}
	return f.File.Stat()
}

func (f failingFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if f.op == "readdir" {
		return nil, f.err
	}
	entries, err := f.File.(fs.ReadDirFile).ReadDir(n)
	for i, e := range entries {
		if f.op == "info" {
			entries[i] = failingEntry{e, f.err}
		}
	}
	return entries, err
}

type failingEntry struct {
	fs.DirEntry
	err error
}

func (e failingEntry) Info() (fs.FileInfo, error) { return nil, e.err }

// Any error of an fs.FS is answered with 500, unless it means that a name does not exist or that
// access is denied.
func TestFSErrors(t *testing.T) {
	escape := filesEscape(t)
	tests := []struct {
		err                       error
		open, stat, readdir, info int // status of the listing if the call fails; 200 for info is a listing without the entry
	}{
		{errors.New("the archive is damaged"), 500, 500, 500, 500},
		{zip.ErrFormat, 500, 500, 500, 500},
		{io.ErrUnexpectedEOF, 500, 500, 500, 500},
		{errors.ErrUnsupported, 500, 500, 500, 500},
		{fs.ErrExist, 500, 500, 500, 500},
		{fs.ErrNotExist, 404, 404, 404, 200},
		{fs.ErrPermission, 403, 403, 403, 200},
		{fs.ErrInvalid, 404, 500, 500, 200},
		{fs.ErrClosed, 503, 503, 503, 503},
		{&rawhttp.StatusError{Status: 502}, 502, 502, 502, 502},
		{&rawhttp.StatusError{Status: 404}, 404, 404, 404, 200},
		{syscall.EMFILE, 503, 503, 503, 503},
		{syscall.EIO, 500, 500, 500, 500},
		{syscall.ELOOP, 404, 500, 500, 200},
		{syscall.ENAMETOOLONG, 404, 500, 500, 200},
		{escape, 404, 500, 500, 200},
	}
	for _, tt := range tests {
		for op, want := range map[string]int{"open": tt.open, "stat": tt.stat, "readdir": tt.readdir, "info": tt.info} {
			r, err := rawhttp.FS(failingFS{fstest.MapFS{"a": {}}, op, tt.err}, rawhttp.WithIndex())
			if err != nil {
				t.Fatal(err)
			}
			resp, err := r.Resolve(t.Context(), resolveGet(t, "/?format=json"))
			if got := rawhttp.StatusOf(err); got != want {
				t.Errorf("if %s fails with %q: status %d (%v), want %d", op, tt.err, got, err, want)
			}
			if err == nil {
				resp.Close()
			}
		}
	}
}

// filesEscape returns the error of a name that leads out of an os.Root.
func filesEscape(t *testing.T) error {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = root.Stat("../a")
	return err
}

// The errors of a folder mean the same through an fs.FS as through Dir.
func TestFSErrorsOfFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := os.Symlink("../outside", filepath.Join(dir, "out"))
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, fsys := range map[string]fs.FS{"os.DirFS": os.DirFS(dir), "os.Root": root.FS()} {
		r, err := rawhttp.FS(fsys)
		if err != nil {
			t.Fatal(err)
		}
		targets := map[string]string{"/a": "200", "/b": "404", "/a/b": "404", "/" + strings.Repeat("n", 300): "404"}
		if link == nil {
			targets["/out"] = "404"
		}
		for target, want := range targets {
			resp, err := r.Resolve(t.Context(), resolveGet(t, target))
			if got := fmt.Sprint(rawhttp.StatusOf(err)); got != want {
				t.Errorf("%s: GET %s: status %s (%v), want %s", name, target, got, err, want)
			}
			if err == nil {
				resp.Close()
			}
		}
	}
}

// A temporary lack of resources, or a locked file, is answered with 503 on every system.
func TestTreeErrors(t *testing.T) {
	for want, errs := range map[int][]error{503: append(jail.Shortages, jail.LockErrors...), 500: jail.DeviceErrors} {
		for _, err := range errs {
			for _, err := range []error{err, &fs.PathError{Op: "open", Path: "a", Err: os.NewSyscallError("open", err)}} {
				if got := rawhttp.StatusOf(jail.TreeError(err)); got != want {
					t.Errorf("StatusOf(TreeError(%v)) = %d, want %d", err, got, want)
				}
			}
		}
	}
}

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
	call string // the failing call: "stat", "open", or one of a file or its entries: "file stat", "read", "readdir", "info"
	err  error
}

func (f failingFS) Stat(name string) (fs.FileInfo, error) {
	if f.call == "stat" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: f.err}
	}
	return f.MapFS.Stat(name)
}

func (f failingFS) Open(name string) (fs.File, error) {
	if f.call == "open" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: f.err}
	}
	file, err := f.MapFS.Open(name)
	if err != nil {
		return nil, err
	}
	return failingFile{file, f.call, f.err}, nil
}

type failingFile struct {
	fs.File
	call string
	err  error
}

func (f failingFile) Stat() (fs.FileInfo, error) {
	if f.call == "file stat" {
		return nil, f.err
	}
	return f.File.Stat()
}

func (f failingFile) Read(p []byte) (int, error) {
	if f.call == "read" {
		return 0, f.err
	}
	return f.File.Read(p)
}

func (f failingFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if f.call == "readdir" {
		return nil, f.err
	}
	entries, err := f.File.(fs.ReadDirFile).ReadDir(n)
	for i, e := range entries {
		if f.call == "info" {
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

// The status of an error depends on its kind and on whether it is about the name. Only a 404 wraps
// fs.ErrNotExist, so that First tries the next resolver.
func TestFileResolverErrors(t *testing.T) {
	tests := []struct {
		err  error
		want int
		why  string
	}{
		{syscall.EMFILE, 503, "too many open files, which is a temporary error"},
		{syscall.ENFILE, 503, "too many open files, which is a temporary error"},
		{syscall.ENOMEM, 503, "a temporary error"},
		{syscall.EIO, 500, "the disk"},
		{fs.ErrPermission, 403, ""},
		{syscall.EACCES, 403, ""},
		{syscall.EPERM, 403, ""},
		{fs.ErrNotExist, 404, ""},
		{syscall.ENOENT, 404, ""},
		{syscall.ENOTDIR, 404, "no such name"},
		{syscall.ENAMETOOLONG, 404, "no such name"},
		{syscall.ELOOP, 404, "no such name"},
		{syscall.ENXIO, 404, "a socket"},
		{syscall.EINVAL, 404, "no such name"},
		{fs.ErrInvalid, 404, "no such name"},
		{escapesError(t), 404, "os.Root does not export its error"},
	}
	for _, tt := range tests {
		for _, call := range []string{"stat", "open", "file stat"} {
			for _, target := range []string{"/a.bin", "/dir/", "/"} {
				name := fmt.Sprintf("%v/%s/%s", tt.err, call, target)
				r := filesOfFS(t, failingFS{fstest.MapFS{"a.bin": {}, "dir/b": {}}, call, tt.err})
				want := tt.want
				if call == "file stat" && want == 404 && !errors.Is(tt.err, fs.ErrNotExist) {
					want = 500 // the name was found, so the error is not about the name
				}
				resp, err := r.Resolve(t.Context(), resolveGet(t, target))
				if resp != nil || rawhttp.StatusOf(err) != want {
					t.Errorf("%s: Resolve = %v, %v with status %d, want %d\nwhy: %s", name, resp, err, rawhttp.StatusOf(err), want, tt.why)
				}
				if got := errors.Is(err, fs.ErrNotExist); got != (want == 404) {
					t.Errorf("%s: errors.Is(%v, fs.ErrNotExist) = %v, want true only for 404", name, err, got)
				}
				if !errors.Is(err, tt.err) {
					t.Errorf("%s: %v does not wrap its cause", name, err)
				}
			}
		}
	}
}

// A file or folder that cannot be read after it was opened is answered with 500.
func TestUnreadableContent(t *testing.T) {
	for call, target := range map[string]string{"read": "/a.bin", "readdir": "/dir/"} {
		r := filesOfFS(t, failingFS{fstest.MapFS{"a.bin": {Data: []byte("abc")}, "dir/b": {}}, call, syscall.EIO})
		if got, want := rawhttp.Answer(r, getRequest(target)), ownError("500 Internal Server Error"); got != want {
			t.Errorf("GET %s if %s fails: %q, want %q", target, call, got, want)
		}
	}
}

// An error during a listing of an fs.FS is answered with 500, unless it means that the name does
// not exist, that access is denied, or that the client may try again.
func TestListingErrors(t *testing.T) {
	tests := []struct {
		err                           error
		open, fileStat, readdir, info int // status of the listing if the call fails; 200 for info is a listing without the entry
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
		{escapesError(t), 404, 500, 500, 200},
	}
	for _, tt := range tests {
		for call, want := range map[string]int{"open": tt.open, "file stat": tt.fileStat, "readdir": tt.readdir, "info": tt.info} {
			r := filesOfFS(t, failingFS{fstest.MapFS{"a": {}}, call, tt.err}, rawhttp.WithIndex())
			resp, err := r.Resolve(t.Context(), resolveGet(t, "/?format=json"))
			if got := rawhttp.StatusOf(err); got != want {
				t.Errorf("if %s fails with %q: status %d (%v), want %d", call, tt.err, got, err, want)
			}
			if err == nil {
				resp.Close()
			}
		}
	}
}

// escapesError returns the error for a name that leads out of an os.Root.
func escapesError(t *testing.T) error {
	t.Helper()
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
		r := filesOfFS(t, fsys)
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

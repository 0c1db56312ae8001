package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/jail"
	"example.com/rawhttp/internal/testkit"
)

// filesWrite writes a file into a new folder and returns both paths.
func filesWrite(t testing.TB, name, content string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, path
}

// afterResolve returns a resolver that calls do after r has resolved a request and before the
// response is written.
func afterResolve(r rawhttp.Resolver, do func()) rawhttp.Resolver {
	return rawhttp.ResolverFunc(func(ctx context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		resp, err := r.Resolve(ctx, req)
		do()
		return resp, err
	})
}

// filesLarge returns content of n bytes, no part of which equals another.
func filesLarge(n int) string {
	b := make([]byte, 0, n+20)
	for i := int64(0); len(b) < n; i++ {
		b = append(strconv.AppendInt(b, i, 10), ',')
	}
	return string(b[:n])
}

const filesGet = "GET /a.bin HTTP/1.1\r\nHost: a\r\n\r\n"

// Over TCP, where sendfile is used, files around the sizes at which the method of sending
// changes arrive complete, and the connection persists.
func TestFilesOfAnySize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 4096, outputBuffer - 1, outputBuffer, outputBuffer + 1, 2*outputBuffer + 1, 1 << 20, 5<<20 + 3} {
		content := filesLarge(size)
		dir, _ := filesWrite(t, "a.bin", content)
		plain, err := rawhttp.FS(&filesPlain{fsys: fstest.MapFS{"a.bin": {Data: []byte(content)}}})
		if err != nil {
			t.Fatal(err)
		}
		fsys, err := rawhttp.FS(os.DirFS(dir))
		if err != nil {
			t.Fatal(err)
		}
		for name, r := range map[string]rawhttp.Resolver{"Dir": filesOfDir(t, dir), "os.DirFS": fsys, "files that cannot seek": plain} {
			t.Run(fmt.Sprintf("%s/%d bytes", name, size), func(t *testing.T) {
				_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
				answer := talk(t, addr, filesGet+filesGet)
				for i := range 2 {
					head, rest := splitHead(answer)
					if want := fmt.Sprintf("\r\nContent-Length: %d\r\n", size); !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || !strings.Contains(head, want) {
						t.Fatalf("head of answer %d: %q, want 200 with %q", i+1, head, want)
					}
					if len(rest) < size || rest[:size] != content {
						t.Fatalf("content of answer %d differs from the file", i+1)
					}
					answer = rest[size:]
				}
				if answer != "" {
					t.Errorf("after two answers the client received %q, want nothing", testkit.Shorten(answer))
				}
			})
		}
	}
}

// The head and the first bytes of large content are sent in one Write, together with earlier
// answers.
func TestLargeContentIsSentWithItsHead(t *testing.T) {
	content := filesLarge(300_000)
	dir, _ := filesWrite(t, "a.bin", content)
	files := filesOfDir(t, dir)
	bubble(t, func(t *testing.T) {
		client, server := net.Pipe()
		counted := &testkit.RecordingConn{Conn: server}
		c := serveConn(t, client, counted, rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/next", answerPath), files)))
		c.send(getRequest("/next") + getRequest("/a.bin"))
		answer := c.received()
		heads, whole := strings.CutSuffix(answer, content)
		if !whole || !strings.HasPrefix(heads, okAnswer("/")) {
			t.Fatalf("answers %q, want those of /next and the file", testkit.Shorten(answer))
		}
		if got, want := counted.Writes()[0], heads+content[:sentWithHead]; got != want {
			t.Errorf("the first Write has %d bytes, want the %d of the heads and the first content", len(got), len(want))
		}
	})
}

// If the size of a file changes while it is sent, the client never receives more than
// Content-Length, and can tell if it receives less.
func TestFileChangedWhileSent(t *testing.T) {
	t.Parallel()
	const refused = "HTTP/1.1 500 Internal Server Error\r\n"
	tests := []struct {
		name        string
		size, after int
		wantCut     bool // whether the connection ends before Content-Length
		want500     bool
		wantWhole   bool
	}{
		{"small, grows", 1000, 2000, false, false, true},
		{"large, grows", 300_000, 400_000, false, false, true},
		{"huge, grows", 3 << 20, 4 << 20, false, false, true},
		{"small, shrinks", 1000, 999, false, true, false},
		{"small, shrinks to nothing", 1000, 0, false, true, false},
		{"large, shrinks", 300_000, 299_999, true, false, false},
		{"large, shrinks to the bytes sent with the head", 300_000, sentWithHead, true, false, false},
		{"large, shrinks to less than the bytes sent with the head", 300_000, sentWithHead - 1, true, false, false},
		{"large, shrinks to nothing", 300_000, 0, false, true, false},
		{"huge, shrinks", 3 << 20, 1 << 20, true, false, false},
	}
	for _, tt := range tests {
		content := filesLarge(max(tt.size, tt.after))
		for _, source := range []string{"Dir", "os.DirFS"} {
			t.Run(tt.name+"/"+source, func(t *testing.T) {
				dir, path := filesWrite(t, "a.bin", content[:tt.size])
				var files rawhttp.Resolver = filesOfDir(t, dir)
				if source == "os.DirFS" {
					f, err := rawhttp.FS(os.DirFS(dir))
					if err != nil {
						t.Fatal(err)
					}
					files = f
				}
				change := func() {
					if err := os.Truncate(path, int64(min(tt.size, tt.after))); err != nil {
						t.Error(err)
					}
					f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					f.WriteString(content[min(tt.size, tt.after):tt.after])
					f.Close()
				}
				_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/next", answerText("next")), afterResolve(files, change))))
				answer := talk(t, addr, filesGet+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
				head, rest := splitHead(answer)
				if tt.want500 {
					if !strings.HasPrefix(head, refused) {
						t.Errorf("answer %q, want 500, since the head had not been sent", head)
					}
					return
				}
				if want := fmt.Sprintf("\r\nContent-Length: %d\r\n", tt.size); !strings.Contains(head, want) {
					t.Fatalf("head %q, want %q", head, want)
				}
				switch {
				case tt.wantCut && rest != content[:tt.after]:
					t.Errorf("%d bytes follow the head, want the %d of the shorter file and then the end of the connection", len(rest), tt.after)
				case tt.wantWhole && !strings.HasPrefix(rest, content[:tt.size]):
					t.Errorf("%d bytes follow the head, want the first %d of the file", len(rest), tt.size)
				case tt.wantWhole && !strings.HasPrefix(rest[tt.size:], "HTTP/1.1 200 OK\r\n"):
					t.Errorf("after the content: %q, want the answer to the next request", testkit.Shorten(rest[tt.size:]))
				}
			})
		}
	}
}

// An open file is sent to its end, even if it is replaced or removed meanwhile.
func TestFileReplacedOrRemovedWhileSent(t *testing.T) {
	content := filesLarge(300_000)
	for name, do := range map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return os.Rename(path+".new", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := filesWrite(t, "a.bin", content)
			if err := os.WriteFile(path+".new", []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			var err error
			_, addr := listen(t, rawhttp.WithResolver(afterResolve(filesOfDir(t, dir), func() { err = do(path) })))
			_, got := splitHead(talk(t, addr, filesGet))
			if err == nil && got != content { // some systems do not replace or remove an open file
				t.Errorf("content has %d bytes, want the %d of the file that was opened", len(got), len(content))
			}
		})
	}
}

func TestFileLastModified(t *testing.T) {
	dir, path := filesWrite(t, "a.bin", "content")
	if err := os.Chtimes(path, respTime, respTime); err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{"a.bin": {ModTime: respTime}, "none.bin": {}, "future.bin": {ModTime: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	memory, err := rawhttp.FS(tree)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := rawhttp.FS(filesTree(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		r      rawhttp.Resolver
		target string
		want   string
	}{
		{"Dir", filesOfDir(t, dir), "/a.bin", respLastModified},
		{"FS", memory, "/a.bin", respLastModified},
		{"no time", memory, "/none.bin", ""},
		{"embed.FS, which has no times", embedded, "/hello.txt", ""},
	}
	for _, tt := range tests {
		_, addr := listen(t, rawhttp.WithResolver(tt.r))
		for _, method := range []string{"GET ", "HEAD "} {
			got := parseAnswer(t, talk(t, addr, method+tt.target+" HTTP/1.1\r\nHost: a\r\n\r\n"))
			if got.Fields["Last-Modified"] != tt.want {
				t.Errorf("%s: Last-Modified of %s%s is %q, want %q", tt.name, method, tt.target, got.Fields["Last-Modified"], tt.want)
			}
		}
	}

	_, addr := listen(t, rawhttp.WithResolver(memory))
	got := parseAnswer(t, talk(t, addr, "GET /future.bin HTTP/1.1\r\nHost: a\r\n\r\n"))
	if date := got.Fields["Date"]; got.Fields["Last-Modified"] != date {
		t.Errorf("Last-Modified of a file from the future is %q, want Date, %q", got.Fields["Last-Modified"], date)
	}
}

// The next request after an edit gets the new content.
func TestFileChangedBetweenRequests(t *testing.T) {
	dir, path := filesWrite(t, "a.bin", "0")
	_, addr := listen(t, rawhttp.WithResolver(filesOfDir(t, dir)))
	for i := range 20 {
		want := strings.Repeat("x", i%3) + fmt.Sprint(i)
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := parseAnswer(t, talk(t, addr, filesGet)); got.Content != want {
			t.Fatalf("content after edit %d: %q, want %q", i, got.Content, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := parseAnswer(t, talk(t, addr, filesGet)); got.Status != "404 Not Found" {
		t.Errorf("status of a removed file: %q, want 404", got.Status)
	}
}

// A filesBroken is an fs.FS in which one kind of call returns an error.
type filesBroken struct {
	fstest.MapFS
	at  string // "stat", "open", "file stat", "read" or "list"
	err error
}

func (b filesBroken) fail(at string, err error) error {
	if b.at == at {
		return &fs.PathError{Op: at, Path: "a.bin", Err: b.err}
	}
	return err
}

func (b filesBroken) Stat(name string) (fs.FileInfo, error) {
	info, err := b.MapFS.Stat(name)
	return info, b.fail("stat", err)
}

func (b filesBroken) Open(name string) (fs.File, error) {
	f, err := b.MapFS.Open(name)
	if err := b.fail("open", err); err != nil {
		return nil, err
	}
	return filesBrokenFile{f, b}, nil
}

type filesBrokenFile struct {
	fs.File
	b filesBroken
}

func (f filesBrokenFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	return info, f.b.fail("file stat", err)
}

func (f filesBrokenFile) Read(p []byte) (int, error) {
	if f.b.at == "read" {
		return 0, f.b.err
	}
	return f.File.Read(p)
}

func (f filesBrokenFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if f.b.at == "list" {
		return nil, f.b.err
	}
	return f.File.(fs.ReadDirFile).ReadDir(n)
}

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
		{jail.ErrEscapes(), 404, "os.Root does not export its error"},
	}
	for _, tt := range tests {
		for _, at := range []string{"stat", "open", "file stat"} {
			for _, target := range []string{"/a.bin", "/dir/", "/"} {
				name := fmt.Sprintf("%v/%s/%s", tt.err, at, target)
				r, err := rawhttp.FS(filesBroken{fstest.MapFS{"a.bin": {}, "dir/b": {}}, at, tt.err})
				if err != nil {
					t.Fatal(err)
				}
				want := tt.want
				if at == "file stat" && want == 404 && !errors.Is(tt.err, fs.ErrNotExist) {
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

func TestUnreadableContent(t *testing.T) {
	for at, target := range map[string]string{"read": "/a.bin", "list": "/dir/"} {
		r, err := rawhttp.FS(filesBroken{fstest.MapFS{"a.bin": {Data: []byte("abc")}, "dir/b": {}}, at, syscall.EIO})
		if err != nil {
			t.Fatal(err)
		}
		_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
		got := parseAnswer(t, talk(t, addr, "GET "+target+" HTTP/1.1\r\nHost: a\r\n\r\n"))
		if got.Status != "500 Internal Server Error" || got.Content != "500 Internal Server Error\n" {
			t.Errorf("GET %s if %s fails: %v, want 500", target, at, got)
		}
	}
}

// The content of a partly read file begins at its current position, not at its beginning.
func TestFileIsReadFromItsPosition(t *testing.T) {
	_, path := filesWrite(t, "a.bin", "0123456789")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	resp := rawhttp.Content(rawhttp.Representation{Body: f, Size: 3})
	if got := filesContent(t, resp); got != "456" {
		t.Errorf("content %q, want 456", got)
	}
}

package conformance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
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
	for _, size := range []int{0, 1, 4096, outputBuffer - 1, outputBuffer, outputBuffer + 1, 2*outputBuffer + 1, 1 << 20, 3<<20 + 3} {
		content := filesLarge(size)
		dir, _ := filesWrite(t, "a.bin", content)
		plain := filesOfFS(t, &filesPlain{fsys: fstest.MapFS{"a.bin": {Data: []byte(content)}}})
		fsys := filesOfFS(t, os.DirFS(dir))
		for name, r := range map[string]rawhttp.Resolver{"Dir": filesOfDir(t, dir), "os.DirFS": fsys, "files that cannot seek": plain} {
			t.Run(fmt.Sprintf("%s/%d bytes", name, size), func(t *testing.T) {
				_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(r))
				c := dial(t, addr)
				io.WriteString(c, filesGet+filesGet)
				c.CloseWrite()
				answers, got := bufio.NewReader(c), make([]byte, size)
				for i := range 2 {
					resp, err := http.ReadResponse(answers, nil)
					if err != nil || resp.StatusCode != 200 || resp.ContentLength != int64(size) {
						t.Fatalf("head of answer %d: %+v, %v, want 200 with a Content-Length of %d", i+1, resp, err, size)
					}
					if n, err := io.ReadFull(answers, got); err != nil || string(got) != content {
						t.Fatalf("content of answer %d has %d bytes, %v, want the %d of the file", i+1, n, err, size)
					}
				}
				if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
					t.Errorf("after two answers the client received %q, %v, want nothing", rest, err)
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
	const (
		whole   = "the old size, then the next response"
		cut     = "all that is left, then the end of the connection"
		refused = "500, since the head had not been sent"
	)
	content := filesLarge(4 << 20)
	tests := []struct {
		name        string
		size, after int
		want        string
	}{
		{"small, grows", 1000, 2000, whole},
		{"large, grows", 300_000, 400_000, whole},
		{"huge, grows", 3 << 20, 4 << 20, whole},
		{"small, shrinks", 1000, 999, refused},
		{"small, shrinks to nothing", 1000, 0, refused},
		{"large, shrinks", 300_000, 299_999, cut},
		{"large, shrinks to the bytes sent with the head", 300_000, sentWithHead, cut},
		{"large, shrinks to less than the bytes sent with the head", 300_000, sentWithHead - 1, cut},
		{"large, shrinks to nothing", 300_000, 0, refused},
		{"huge, shrinks", 3 << 20, 1 << 20, cut},
	}
	for _, tt := range tests {
		for _, source := range []string{"Dir", "os.DirFS"} {
			t.Run(tt.name+"/"+source, func(t *testing.T) {
				dir, path := filesWrite(t, "a.bin", content[:tt.size])
				var files rawhttp.Resolver = filesOfDir(t, dir)
				if source == "os.DirFS" {
					files = filesOfFS(t, os.DirFS(dir))
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
				if length := fmt.Sprintf("\r\nContent-Length: %d\r\n", tt.size); tt.want != refused && !strings.Contains(head, length) {
					t.Fatalf("head %q, want %q", head, length)
				}
				got := ""
				switch next, isWhole := strings.CutPrefix(rest, content[:tt.size]); {
				case strings.HasPrefix(head, "HTTP/1.1 500 "):
					got = refused
				case isWhole && next == okAnswer("next"):
					got = whole
				case rest == content[:tt.after]:
					got = cut
				}
				if got != tt.want {
					t.Errorf("answer %q with %d bytes after its head, want %s", testkit.Shorten(answer), len(rest), tt.want)
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
			if err != nil && runtime.GOOS != "windows" && runtime.GOOS != "plan9" { // where an open file stays
				t.Fatal(err)
			}
			if got != content {
				t.Errorf("content has %d bytes, want the %d of the file that was opened", len(got), len(content))
			}
		})
	}
}

// Last-Modified is the modification time of the file. (For times in the future, see
// TestLastModifiedIsNotLaterThanDate.)
func TestFileLastModified(t *testing.T) {
	dir, path := filesWrite(t, "a.bin", "content")
	if err := os.Chtimes(path, respTime, respTime); err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{"a.bin": {ModTime: respTime}, "none.bin": {}}
	memory := filesOfFS(t, tree)
	embedded := filesOfFS(t, filesTree(t))
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

// Ranges and conditions with every source of files.
func TestFileResolverRanges(t *testing.T) {
	seekable := map[string]bool{"Dir": true, "os.DirFS": true, "embed.FS": true, "MapFS": true}
	for _, source := range filesSources(t) {
		r := source.make(t)
		want := filesAnswer{"200 OK", nil, "Hello\n"}
		if seekable[source.name] {
			want = filesAnswer{"206 Partial Content", map[string]string{"Content-Range": "bytes 1-4/6", "Accept-Ranges": "bytes", "Content-Length": "4"}, "ello"}
		} else {
			want.Fields = map[string]string{"Content-Range": "", "Accept-Ranges": "", "Content-Length": "6"}
		}
		got := etagOfFile(t, r, "/hello.txt", "Range: bytes=1-4")
		shown := make(map[string]string)
		for name := range want.Fields {
			shown[name] = got.Fields[name]
		}
		if diff := cmp.Diff(want, filesAnswer{got.Status, shown, got.Content}); diff != "" {
			t.Errorf("range of a file in %s (-want +got):\n%s", source.name, diff)
		}
		if got := etagOfFile(t, r, "/hello.txt", "If-None-Match: *"); got.Status != "304 Not Modified" || got.Fields["X-Content-Type-Options"] != "nosniff" {
			t.Errorf("If-None-Match: * on a file in %s: %+v, want 304", source.name, got)
		}
		if got := etagOfFile(t, r, "/site/", "Range: bytes=0-3").Content; seekable[source.name] != (len(got) == 4) {
			t.Errorf("range of the index file in %s: %d bytes", source.name, len(got))
		}
		if got := etagOfFile(t, r, "/docs/", "Range: bytes=0-3"); got.Status != "200 OK" || got.Fields["Accept-Ranges"] != "" {
			t.Errorf("range of a listing of %s: %+v, want the whole, since each request makes a new one", source.name, got)
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

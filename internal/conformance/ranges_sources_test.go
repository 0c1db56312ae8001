package conformance_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/testkit"
)

// Content that cannot be read in parts is sent as a whole, without Accept-Ranges.
func TestRepresentationsWithoutRanges(t *testing.T) {
	const modified = "Last-Modified: " + contentChanged + "\r\n"
	const tag = "ETag: \"v1\"\r\n"
	const byLength = "Content-Type: text/plain\r\nContent-Length: 20\r\n"
	const byChunks = "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
	tests := []struct {
		name string
		rep  func() rawhttp.Representation
		want string
	}{
		{"plain Reader", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Body: respReader(contentText[:7], contentText[7:]), Size: 20, ModTime: contentMod, ETag: contentTag}
		}, byLength + tag + modified + "\r\n" + contentText},
		{"plain Reader that closes", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Body: io.NopCloser(respReader(contentText)), Size: 20, ModTime: contentMod, ETag: contentTag}
		}, byLength + tag + modified + "\r\n" + contentText},
		{"plain Reader of unknown size", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Body: respReader(contentText), Size: -1, ModTime: contentMod, ETag: contentTag}
		}, byChunks + tag + modified + "\r\n14\r\n" + contentText + "\r\n0\r\n\r\n"},
		{"ReaderAt of unknown size", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Body: strings.NewReader(contentText), Size: -1, ETag: contentTag}
		}, byChunks + tag + "\r\n14\r\n" + contentText + "\r\n0\r\n\r\n"},
		{"ReadSeeker of unknown size", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Body: struct{ io.ReadSeeker }{strings.NewReader(contentText)}, Size: -1}
		}, byChunks + "\r\n14\r\n" + contentText + "\r\n0\r\n\r\n"},
		{"no Body", func() rawhttp.Representation {
			return rawhttp.Representation{MediaType: "text/plain", Size: 20, ETag: contentTag}
		},
			"Content-Type: text/plain\r\nContent-Length: 0\r\n" + tag + "\r\n"},
	}
	bubble(t, func(t *testing.T) {
		for _, tt := range tests {
			want := "HTTP/1.1 200 OK\r\n" + contentDate + tt.want
			for _, lines := range [][]string{nil, {"Range: bytes=0-1"}, {"Range: bytes=0-1,3-4"}, {"Range: bytes=20-"}, {"Range: bytes=0-1", `If-Range: "v1"`}} {
				if diff := cmp.Diff(want, contentAsk(t, rawhttp.Content(tt.rep()), "GET", lines...)); diff != "" {
					t.Errorf("%s: answer to GET with %q (-want +got):\n%s", tt.name, lines, diff)
				}
			}
			rep := tt.rep()
			if rep.ETag == "" {
				continue
			}
			if got := contentStatus(t, contentAsk(t, rawhttp.Content(rep), "GET", `If-None-Match: "v1"`)); got != 304 {
				t.Errorf("%s: If-None-Match: status %d, want 304, since conditions need no ranges", tt.name, got)
			}
			if got := contentStatus(t, contentAsk(t, rawhttp.Content(tt.rep()), "GET", `If-Match: "v2"`)); got != 412 {
				t.Errorf("%s: If-Match: status %d, want 412, since conditions need no ranges", tt.name, got)
			}
		}
	})
}

// "A server [...] MAY ignore a Range header field when the selected representation has
// no content" RFC 9110, section 14.2. nginx with slice sends Range for every file.
func TestRangesOfEmptyRepresentation(t *testing.T) {
	want := filesAnswer{"200 OK", map[string]string{"Content-Length": "0", "Content-Range": "", "Accept-Ranges": "bytes"}, ""}
	for _, field := range []string{"bytes=0-", "bytes=0-0", "bytes=0-1048575", "bytes=5-", "bytes=-0", "bytes=0-,-0", "bytes=-5", "bytes=0-,-5", "items=0-"} {
		for _, body := range contentBodies {
			resp := rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: body.make(t, "")})
			got := parseAnswer(t, contentAsk(t, resp, "GET", "Range: "+field))
			shown := make(map[string]string)
			for name := range want.Fields {
				shown[name] = got.Fields[name]
			}
			if diff := cmp.Diff(want, filesAnswer{got.Status, shown, got.Content}); diff != "" {
				t.Errorf("Range: %s of an empty %s (-want +got):\n%s", field, body.name, diff)
			}
		}
	}
}

// The content of a Body begins at its current position, and so do ranges.
func TestRangesOfBodyWithPosition(t *testing.T) {
	for _, body := range contentBodies {
		if strings.HasPrefix(body.name, "io.ReaderAt") && body.name != "io.ReaderAt that closes" {
			continue // an io.ReaderAt has no position
		}
		for field, want := range map[string]string{
			"bytes=0-14": contentText[5:], "bytes=0-1": "56", "bytes=3-": contentText[8:], "bytes=-2": "ij", "items=0-1": contentText[5:],
		} {
			r := body.make(t, contentText).(io.ReadSeeker)
			if _, err := r.Seek(5, io.SeekStart); err != nil {
				t.Fatal(err)
			}
			answer := contentAsk(t, rawhttp.Content(rawhttp.Representation{Body: r, Size: 15}), "GET", "Range: "+field)
			if _, got := splitHead(answer); got != want {
				t.Errorf("Range: %s of an %s at position 5: %q, want %q", field, body.name, got, want)
			}
		}
	}
}

// The position of a Body that serves any number of times does not change, since others may read it.
func TestRangesDoNotMoveSharedBody(t *testing.T) {
	body := strings.NewReader(contentText)
	body.Seek(3, io.SeekStart)
	shared := rawhttp.Content(rawhttp.Representation{Body: struct {
		io.ReadSeeker
		io.ReaderAt
	}{body, body}, Size: int64(len(contentText))})
	for _, lines := range [][]string{nil, {"Range: bytes=5-6"}, {"Range: bytes=1-2,5-6"}} {
		contentAsk(t, shared, "GET", lines...)
		if at, _ := body.Seek(0, io.SeekCurrent); at != 3 {
			t.Errorf("after a GET with %q the Body is at %d, want 3", lines, at)
		}
	}
}

// An upperFS is a tree whose files change what they read.
type upperFS struct{ fs.FS }

type upperFile struct{ *os.File }

func (u upperFS) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return upperFile{f.(*os.File)}, nil
}

func (f upperFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

// A file that wraps an os.File may have another Read, which ReadAt would evade.
func TestRangesOfWrappedFile(t *testing.T) {
	dir, _ := filesWrite(t, "a.bin", contentText)
	f, err := rawhttp.FS(upperFS{os.DirFS(dir)})
	if err != nil {
		t.Fatal(err)
	}
	if got := etagOfFile(t, f, "/a.bin", "Range: bytes=10-13").Content; got != "ABCD" {
		t.Errorf("bytes 10 to 13 of a file that reads upper case: %q, want %q", got, "ABCD")
	}
}

// Large content over TCP, where files use sendfile, is followed by the next response.
func TestRangesOverTCP(t *testing.T) {
	t.Parallel()
	content := filesLarge(300_000)
	ranges := []struct{ field, want string }{
		{"bytes=0-", "0-299999"},
		{"bytes=1-299998", "1-299998"},
		{"bytes=-100000", "200000-299999"},
		{"bytes=70000-170000", "70000-170000"},
		{"bytes=299999-", "299999-299999"},
		{"bytes=0-99999,100000-199999,-100000", "0-99999 100000-199999 200000-299999"},
		{"bytes=200000-,5-5,0-70000", "200000-299999 5-5 0-70000"},
	}
	dir, _ := filesWrite(t, "a.bin", content)
	sources := map[string]func() rawhttp.Resolver{
		"Dir": func() rawhttp.Resolver { return filesOfDir(t, dir, rawhttp.WithMediaType(".bin", "text/plain")) },
		"FS": func() rawhttp.Resolver {
			f, err := rawhttp.FS(os.DirFS(dir), rawhttp.WithMediaType(".bin", "text/plain"))
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
	}
	for _, body := range contentBodies {
		sources[body.name] = func() rawhttp.Resolver {
			return contentResolver(func() *rawhttp.Response {
				return rawhttp.Content(rawhttp.Representation{MediaType: "text/plain", Body: body.make(t, content), Size: int64(len(content))})
			})
		}
	}
	traced := rawhttp.WithTrace(rawhttp.Trace{BytesWritten: func(_, _ uint64, _ []byte) {}}) // with this hook, files are sent without sendfile
	for name, source := range sources {
		for way, opts := range map[string][]rawhttp.Option{"sendfile": nil, "traced": {traced}} {
			t.Run(name+", "+way, func(t *testing.T) {
				_, addr := listen(t, append(opts, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/next", answerText("next")), source())))...)
				var requests string
				for _, r := range ranges {
					requests += "GET /a.bin HTTP/1.1\r\nHost: a\r\nRange: " + r.field + "\r\n\r\n"
				}
				rest := talk(t, addr, requests+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
				for _, r := range ranges {
					var head string
					head, rest = splitHead(rest)
					a := parseAnswer(t, head)
					n, err := strconv.Atoi(a.Fields["Content-Length"])
					if err != nil || n > len(rest) || a.Status != "206 Partial Content" {
						t.Fatalf("answer to Range: %s: head %q and %d bytes after it", r.field, head, len(rest))
					}
					a.Content, rest = rest[:n], rest[n:]
					if several := strings.Fields(r.want); len(several) > 1 {
						contentCheckParts(t, a, content, several)
						continue
					}
					var first, last int
					fmt.Sscanf(r.want, "%d-%d", &first, &last)
					if a.Content != content[first:last+1] || a.Fields["Content-Range"] != "bytes "+r.want+"/300000" {
						t.Errorf("answer to Range: %s: Content-Range %q and %d bytes, want bytes %s", r.field, a.Fields["Content-Range"], n, r.want)
					}
				}
				if next := parseAnswer(t, rest); next.Content != "next" {
					t.Errorf("after the answers: %q, want the next response", testkit.Shorten(rest))
				}
			})
		}
	}
}

// If a file becomes shorter after the head has been sent, the connection ends before
// Content-Length, so that the client can tell.
func TestRangesOfShrinkingFile(t *testing.T) {
	content := filesLarge(300_000)
	for _, field := range []string{"bytes=50000-249999", "bytes=50000-149999,150000-249999"} {
		dir, path := filesWrite(t, "a.bin", content)
		shrink := func() {
			if err := os.Truncate(path, 100_000); err != nil {
				t.Error(err)
			}
		}
		_, addr := listen(t, rawhttp.WithResolver(rawhttp.First(rawhttp.Mount("/next", answerText("next")), afterResolve(filesOfDir(t, dir), shrink))))
		answer := talk(t, addr, "GET /a.bin HTTP/1.1\r\nHost: a\r\nRange: "+field+"\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
		a := parseAnswer(t, answer)
		if n, _ := strconv.Atoi(a.Fields["Content-Length"]); n < 200_000 || len(a.Content) >= n || !strings.Contains(a.Content, content[50_000:100_000]) {
			t.Errorf("Range: %s of a file cut to 100000 bytes: Content-Length %d and %d bytes, want fewer, up to the end of the file", field, n, len(a.Content))
		}
	}
}

// A contentBroken is an io.ReadSeeker that fails one call of Seek.
type contentBroken struct {
	io.ReadSeeker
	seeks, failAt int
}

func (b *contentBroken) Seek(offset int64, whence int) (int64, error) {
	if b.seeks++; b.seeks >= b.failAt {
		return 0, errors.New("Seek failed")
	}
	return b.ReadSeeker.Seek(offset, whence)
}

// If a source fails before the head has been sent, the answer is 500.
func TestRangesOfFailingSources(t *testing.T) {
	broken := func(failAt int) func() io.Reader {
		return func() io.Reader { return &contentBroken{ReadSeeker: strings.NewReader(contentText), failAt: failAt} }
	}
	short := func() io.Reader { return strings.NewReader(contentText[:10]) }
	tests := []struct {
		name  string
		body  func() io.Reader
		field string
		want  int
	}{
		{"Seek fails", broken(1), "bytes=3-7", 500},
		{"Seek fails later", broken(4), "bytes=3-4,6-7,9-9,11-11", 500},
		{"Seek would fail, but is not needed", broken(1), "bytes=20-", 416},
		{"Body ends within the range", short, "bytes=5-14", 500},
		{"Body ends before the range", short, "bytes=12-14", 500},
		{"Body ends before the second range", short, "bytes=0-1,12-14", 500},
		{"Body ends after the range", short, "bytes=5-9", 206},
	}
	for _, tt := range tests {
		_, addr := listen(t, rawhttp.WithResolver(contentResolver(func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{Body: tt.body(), Size: 20}) })))
		answer := talk(t, addr, "GET / HTTP/1.1\r\nHost: a\r\nRange: "+tt.field+"\r\n\r\n")
		if got := contentStatus(t, answer); got != tt.want {
			t.Errorf("%s, Range: %s: status %d, want %d", tt.name, tt.field, got, tt.want)
		}
		if a := parseAnswer(t, answer); tt.want == 500 && a.Content != "500 Internal Server Error\n" {
			t.Errorf("%s, Range: %s: content %q, want none of the source", tt.name, tt.field, a.Content)
		}
	}
}

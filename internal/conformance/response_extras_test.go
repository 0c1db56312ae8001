package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"example.com/rawhttp"
	"github.com/google/go-cmp/cmp"
)

const (
	failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n" +
		"X-Content-Type-Options: nosniff\r\n"
	failedText = "\r\n500 Internal Server Error\n"
)

// answerWith returns the answers to requests on one connection, each with a new resp().
func answerWith(resp func() *rawhttp.Response, requests string) string {
	return rawhttp.Answer(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) { return resp(), nil }), requests)
}

// streamFuncOf returns a StreamFunc that makes one Write for each part.
func streamFuncOf(parts ...string) *rawhttp.Response {
	return rawhttp.StreamFunc(200, "a/b", writeEach(parts...))
}

func streamOf(s string) *rawhttp.Response { return rawhttp.Stream(200, "a/b", strings.NewReader(s)) }

func TestSetLength(t *testing.T) {
	const (
		ok      = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\n\r\n"
		closing = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\nConnection: close\r\n\r\n"
	)
	tests := []struct {
		name, in string
		resp     func() *rawhttp.Response
		want     string
		why      string
	}{
		{"StreamFunc", get11, func() *rawhttp.Response { return streamFuncOf("abc", "def").SetLength(6) }, ok + "abcdef", "Content-Length in place of chunks"},
		{"Stream", get11, func() *rawhttp.Response { return streamOf("abcdef").SetLength(6) }, ok + "abcdef", "Content-Length in place of chunks"},
		{"pipelined", get11 + get11, func() *rawhttp.Response { return streamOf("abcdef").SetLength(6) }, ok + "abcdef" + ok + "abcdef", "the connection persists"},
		{"HTTP/1.0", get10, func() *rawhttp.Response { return streamFuncOf("abcdef").SetLength(6) }, closing + "abcdef", "the length is sent, although the connection closes"},
		{"HTTP/1.0 that persists", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", func() *rawhttp.Response { return streamFuncOf("abcdef").SetLength(6) },
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\nConnection: keep-alive\r\n\r\nabcdef", "the connection can persist, since the length is known"},
		{"HEAD of a StreamFunc", head11, func() *rawhttp.Response { return streamFuncOf("abcdef").SetLength(6) }, ok, "HEAD has the fields of GET"},
		{"HEAD of Empty", head11, func() *rawhttp.Response { return rawhttp.Empty(200).SetLength(6) }, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "a proxy can pass on the length that it received"},
		{"0", get11, func() *rawhttp.Response { return streamFuncOf().SetLength(0) }, "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n", "0 is a valid length"},
		{"the last call wins", get11, func() *rawhttp.Response { return streamFuncOf("abcdef").SetLength(9).SetLength(6) }, ok + "abcdef", ""},
		{"on a clone", get11, func() *rawhttp.Response {
			r := streamFuncOf("abcdef").SetLength(6)
			r.Clone().SetLength(7)
			return r
		}, ok + "abcdef", "the original does not change with its clone"},
		{"204", get11, func() *rawhttp.Response { return rawhttp.Empty(204).SetLength(6) }, "HTTP/1.1 204 No Content\r\n\r\n", "RFC 9110, section 8.6"},

		{"too few, some sent", get11 + get11, func() *rawhttp.Response { return streamFuncOf("abc").SetLength(6) }, ok + "abc", "the client must be able to tell that content is missing"},
		{"too many, some sent", get11 + get11, func() *rawhttp.Response { return streamFuncOf("abcdef", "g").SetLength(6) }, ok + "abcdef", "bytes after the content would be read as a response"},
		{"too many, over the end", get11 + get11, func() *rawhttp.Response { return streamFuncOf("abc", "defg", "h").SetLength(6) }, ok + "abc", "a Write beyond the length sends nothing, nor do those after it"},
		{"too few, none sent", get11, func() *rawhttp.Response { return streamFuncOf().SetLength(6) }, failed + failedText, "the head has not been sent, so the answer can be 500"},
		{"too many, none sent", get11, func() *rawhttp.Response { return streamOf("abcdefg").SetLength(6) }, failed + failedText, ""},
		{"Empty to GET", get11, func() *rawhttp.Response { return rawhttp.Empty(200).SetLength(6) }, failed + failedText, "Empty has no content"},
		{"error ignored", get11 + get11, func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				for range 3 {
					io.WriteString(w, "abcd")
				}
				return nil
			}).SetLength(6)
		}, ok + "abcd", "whatever the program does with the error"},

		{"negative", get11, func() *rawhttp.Response { return streamFuncOf().SetLength(-1) }, failed + "Connection: close\r\n" + failedText, "an invalid length"},
		{"Text", get11, func() *rawhttp.Response { return rawhttp.Text(200, "abc").SetLength(3) }, failed + "Connection: close\r\n" + failedText, "the length of a Text is known"},
		{"Content", get11, func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{Size: -1}).SetLength(3) }, failed + "Connection: close\r\n" + failedText, "the length of a Content is its Size"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, answerWith(tt.resp, tt.in)); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

func TestSetTrailer(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n"
	value := func(s string) func() string { return func() string { return s } }
	unasked := func() string { panic("value was called") }
	tests := []struct {
		name, in string
		resp     func() *rawhttp.Response
		want     string
		why      string
	}{
		{"one", get11, func() *rawhttp.Response { return streamFuncOf("abc").SetTrailer("X-Sum", value("6")) },
			head + "Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n", ""},
		{"several", get11, func() *rawhttp.Response {
			return streamOf("abc").SetTrailer("A", value("1")).SetTrailer("B", value("2")).SetTrailer("a", value("3"))
		}, head + "Trailer: B, a\r\n\r\n3\r\nabc\r\n0\r\nB: 2\r\na: 3\r\n\r\n", "the last call for a name wins"},
		{"none", get11, func() *rawhttp.Response {
			return streamFuncOf("abc").SetTrailer("A", value("")).SetTrailer("B", value("2"))
		},
			head + "Trailer: A, B\r\n\r\n3\r\nabc\r\n0\r\nB: 2\r\n\r\n", "a field without a value is left out"},
		{"named by the program", get11, func() *rawhttp.Response { return streamFuncOf().SetTrailer("A", value("1")).Set("Trailer", "A, C") },
			head + "Trailer: A, C\r\n\r\n0\r\nA: 1\r\n\r\n", "as a proxy does"},
		{"value called after the content", get11, func() *rawhttp.Response {
			sum := 0
			return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				n, err := io.WriteString(w, "abc")
				sum += n
				return err
			}).SetTrailer("X-Sum", func() string { return fmt.Sprint(sum) })
		}, head + "Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n", "all of the content was written"},
		{"HEAD", head11, func() *rawhttp.Response { return streamFuncOf("abc").SetTrailer("A", unasked) }, head + "Trailer: A\r\n\r\n", "HEAD has the fields of GET"},
		{"HTTP/1.0", get10, func() *rawhttp.Response { return streamFuncOf("abc").SetTrailer("A", unasked) },
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nConnection: close\r\n\r\nabc", "HTTP/1.0 has no chunks"},
		{"with a length", get11, func() *rawhttp.Response { return streamFuncOf("abc").SetTrailer("A", unasked).SetLength(3) },
			"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc", "only chunked responses have trailers"},
		{"in memory", get11, func() *rawhttp.Response { return rawhttp.Text(200, "abc").SetTrailer("A", unasked) },
			"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nabc", "only chunked responses have trailers"},
		{"on a clone", get11, func() *rawhttp.Response {
			r := streamFuncOf().SetTrailer("A", value("1"))
			r.Clone().SetTrailer("A", unasked).SetTrailer("B", unasked)
			return r
		}, head + "Trailer: A\r\n\r\n0\r\nA: 1\r\n\r\n", "the original does not change with its clone"},

		{"value with a line end", get11 + get11, func() *rawhttp.Response { return streamFuncOf("abc").SetTrailer("A", value("1\r\nB: 2")) },
			head + "Trailer: A\r\n\r\n3\r\nabc\r\n", "the response is cut, since the value would add a line"},
		{"panic", get11 + get11, func() *rawhttp.Response {
			return streamFuncOf("abc").SetTrailer("A", func() string { panic("on purpose") })
		},
			head + "Trailer: A\r\n\r\n3\r\nabc\r\n", "the response is cut, as when a StreamFunc panics"},
		{"after an error", get11 + get11, func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
				io.WriteString(w, "abc")
				return errors.New("on purpose")
			}).SetTrailer("A", unasked)
		}, head + "Trailer: A\r\n\r\n3\r\nabc\r\n", "a cut response has no trailer section"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, answerWith(tt.resp, tt.in)); diff != "" {
				t.Errorf("answer to %q (-want +got):\n%s\nwhy: %s", tt.in, diff, tt.why)
			}
		})
	}
}

// Fields that frame, route or authenticate a message are not allowed in a trailer section.
func TestSetTrailerRefuses(t *testing.T) {
	value := func() string { return "1" }
	for name, ok := range map[string]bool{
		"X-Sum": true, "ETag": true, "Server-Timing": true, "content-digest": true, "Digest": true,
		"Content-Length": false, "transfer-encoding": false, "Host": false, "Content-Type": false, "Trailer": false,
		"Set-Cookie": false, "WWW-Authenticate": false, "Proxy-Authenticate": false, "Cache-Control": false, "If-Match": false,
		"Connection": false, "Upgrade": false, "": false, "a b": false, "a:": false, "a\r\nb": false,
	} {
		if err := streamFuncOf().SetTrailer(name, value).Err(); (err == nil) != ok {
			t.Errorf("SetTrailer(%q): Err() = %v, want an error: %v", name, err, !ok)
		}
	}
	if err := streamFuncOf().SetTrailer("A", nil).Err(); err == nil {
		t.Error("SetTrailer of a nil function: Err() = nil, want an error")
	}
}

// OnClose is called once for each response, however the exchange ends.
func TestOnClose(t *testing.T) {
	broken := func(s string) *rawhttp.Response {
		return rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			if s != "" {
				io.WriteString(w, s)
			}
			return errors.New("on purpose")
		})
	}
	tests := []struct {
		name, in string
		resp     func() *rawhttp.Response
		want     string // status of the answer
	}{
		{"Text", get11, func() *rawhttp.Response { return rawhttp.Text(200, "a") }, "200"},
		{"HEAD", head11, func() *rawhttp.Response { return rawhttp.Text(200, "a") }, "200"},
		{"StreamFunc", get11, func() *rawhttp.Response { return streamFuncOf("a") }, "200"},
		{"Stream", get11, func() *rawhttp.Response { return streamOf("a") }, "200"},
		{"StreamFunc to HEAD", head11, func() *rawhttp.Response { return streamFuncOf("a") }, "200"},
		{"fails before the head", get11, func() *rawhttp.Response { return broken("") }, "500"},
		{"is cut", get11, func() *rawhttp.Response { return broken("a") }, "200"},
		{"is invalid", get11, func() *rawhttp.Response { return rawhttp.Text(200, "a").Set("Date", "") }, "500"},
		{"OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", func() *rawhttp.Response { return rawhttp.MethodNotAllowed("GET") }, "204"},
		{"412", "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"b\"\r\n\r\n", func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{ETag: `"a"`})
		}, "412"},
		{"source is an io.Closer", get11, func() *rawhttp.Response { return rawhttp.Stream(200, "a/b", io.NopCloser(strings.NewReader("a"))) }, "200"},
		{"panics", get11, func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error { panic("on purpose") })
		}, "500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := 0
			got := answerWith(func() *rawhttp.Response { return tt.resp().OnClose(func() { calls++ }) }, tt.in)
			if status := got[len("HTTP/1.1 "):][:3]; status != tt.want || calls != 1 {
				t.Errorf("status %s and %d calls, want %s and 1: %q", status, calls, tt.want, got)
			}
		})
	}
}

// A closingReader is a Reader that calls note when it is closed.
type closingReader struct {
	io.Reader
	note func()
}

func (r closingReader) Close() error {
	r.note()
	return nil
}

// The content is closed first; then the functions are called in the order in which they were
// added.
func TestOnCloseOrder(t *testing.T) {
	var order []string
	note := func(s string) func() { return func() { order = append(order, s) } }
	resp := rawhttp.Stream(200, "a/b", closingReader{strings.NewReader("a"), note("content")}).OnClose(note("first"))
	resp.Clone().OnClose(note("second")).Close()
	resp.Close()
	if diff := cmp.Diff([]string{"content", "first", "second"}, order); diff != "" {
		t.Errorf("closed (-want +got):\n%s", diff)
	}
}

// A wrapper may call OnClose on a clone of a shared Response. Without Clone, the second request
// is answered with 500. The function is called even then.
func TestOnCloseOfShared(t *testing.T) {
	shared, calls := rawhttp.Text(200, "a"), 0
	tell := func() { calls++ }
	got := answerWith(func() *rawhttp.Response { return shared.Clone().OnClose(tell) }, get11+get11+get11)
	if n := strings.Count(got, "HTTP/1.1 200 OK\r\n"); n != 3 || calls != 3 {
		t.Errorf("with Clone: %d answers and %d calls, want 3 and 3: %q", n, calls, got)
	}

	calls = 0
	got = answerWith(func() *rawhttp.Response { return shared.OnClose(tell) }, get11+get11)
	if n := strings.Count(got, "HTTP/1.1 500 "); n != 1 || calls != 2 {
		t.Errorf("without Clone: %d answers with 500 and %d calls, want 1 and 2: %q", n, calls, got)
	}

	calls, closed := 0, 0
	once := rawhttp.Stream(200, "a/b", closingReader{strings.NewReader("a"), func() { closed++ }})
	got = answerWith(func() *rawhttp.Response { return once.Clone().OnClose(tell) }, get11+get11)
	if n := strings.Count(got, "HTTP/1.1 500 "); n != 1 || calls != 2 || closed != 1 {
		t.Errorf("Stream without Clone: %d answers with 500, %d calls, closed %d times, want 1, 2 and 1: %q", n, calls, closed, got)
	}
}

func TestOnClosePanics(t *testing.T) {
	got := answerWith(func() *rawhttp.Response { return rawhttp.Text(200, "a").OnClose(func() { panic("on purpose") }) }, get11+get11)
	if n := strings.Count(got, "HTTP/1.1 200 OK\r\n"); n != 1 {
		t.Errorf("%d answers, want 1 and then the end of the connection: %q", n, got)
	}
	if err := rawhttp.Text(200, "a").OnClose(nil).Err(); err == nil {
		t.Error("OnClose(nil): Err() = nil, want an error")
	}
}

// SetLength, SetTrailer and OnClose fail on a Response that has been served.
func TestServedResponseRefusesExtras(t *testing.T) {
	for name, change := range map[string]func(r *rawhttp.Response) *rawhttp.Response{
		"SetLength":  func(r *rawhttp.Response) *rawhttp.Response { return r.SetLength(1) },
		"SetTrailer": func(r *rawhttp.Response) *rawhttp.Response { return r.SetTrailer("A", func() string { return "" }) },
		"OnClose":    func(r *rawhttp.Response) *rawhttp.Response { return r.OnClose(func() {}) },
	} {
		shared := streamFuncOf("a")
		answerWith(func() *rawhttp.Response { return shared }, get11)
		if err := change(shared).Err(); err == nil {
			t.Errorf("%s after the Response was served: Err() = nil, want an error", name)
		}
	}
}

func TestWriteContent(t *testing.T) {
	failing := errors.New("on purpose")
	tests := []struct {
		name string
		resp *rawhttp.Response
		want string
		err  error
		why  string
	}{
		{"Text", rawhttp.Text(200, "abc"), "abc", nil, ""},
		{"Bytes", rawhttp.Bytes(404, "a/b", []byte("abc")), "abc", nil, "the status does not matter"},
		{"long Text", rawhttp.Text(200, strings.Repeat("abc", 100_000)), strings.Repeat("abc", 100_000), nil, ""},
		{"Empty", rawhttp.Empty(200), "", nil, ""},
		{"StreamFunc", streamFuncOf("abc", "def"), "abcdef", nil, "chunks are not part of the content"},
		{"Stream", streamOf("abc"), "abc", nil, ""},
		{"Content", rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("abcdef"), Size: 3}), "abc", nil, "Size limits the content"},
		{"Content of unknown size", rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("abc"), Size: -1}), "abc", nil, ""},
		{"trailers", streamFuncOf("abc").SetTrailer("A", func() string { return "1" }), "abc", nil, "trailers are not part of the content"},
		{"204", rawhttp.Bytes(204, "", []byte("abc")), "", nil, "a 204 has no content"},
		{"length", streamFuncOf("abc").SetLength(3), "abc", nil, ""},
		{"too short", streamFuncOf("abc").SetLength(4), "abc", io.ErrUnexpectedEOF, ""},
		{"Body too short", rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("abc"), Size: 4}), "abc", io.ErrUnexpectedEOF, ""},
		{"error", rawhttp.StreamFunc(200, "a/b", func(_ context.Context, w io.Writer) error {
			io.WriteString(w, "abc")
			return failing
		}), "abc", failing, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			n, err := tt.resp.WriteContent(t.Context(), &b)
			if !errors.Is(err, tt.err) || n != int64(b.Len()) {
				t.Errorf("WriteContent = %d, %v and wrote %d bytes, want the error %v", n, err, b.Len(), tt.err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("WriteContent wrote (-want +got):\n%s\nwhy: %s", diff, tt.why)
			}
		})
	}
}

// A limitedWriter accepts room bytes and then fails.
type limitedWriter struct{ room int }

var errNoRoom = errors.New("no room")

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, errNoRoom
	}
	w.room -= len(p)
	return len(p), nil
}

func TestWriteContentErrors(t *testing.T) {
	if n, err := streamFuncOf("abc", "def").WriteContent(t.Context(), &limitedWriter{4}); n != 3 || !errors.Is(err, errNoRoom) {
		t.Errorf("WriteContent to a Writer that fails = %d, %v, want 3 and its error", n, err)
	}
	if _, err := rawhttp.Text(200, "a").Set("Date", "").WriteContent(t.Context(), io.Discard); err == nil {
		t.Error("WriteContent of an invalid Response = nil, want its error")
	}
	once := streamOf("abc")
	if _, err := once.WriteContent(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
	if n, err := once.WriteContent(t.Context(), io.Discard); n != 0 || err == nil {
		t.Errorf("second WriteContent of a Stream = %d, %v, want an error", n, err)
	}
	dir, err := rawhttp.Dir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	listing, err := dir.Resolve(t.Context(), requestOf(t, head11))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listing.WriteContent(t.Context(), io.Discard); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("WriteContent of a listing for HEAD = %v, want an error that says so", err)
	}
	shared := rawhttp.Text(200, "abc")
	shared.WriteContent(t.Context(), io.Discard)
	if err := shared.Set("A", "b").Err(); err != nil {
		t.Errorf("Set after WriteContent: Err() = %v, want nil, since WriteContent does not serve the Response", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := streamFuncOf("abc").WriteContent(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("WriteContent with a canceled context = %v", err)
	}
}

// WriteContent of one Response may be called concurrently.
func TestWriteContentConcurrently(t *testing.T) {
	resp := rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("abc"), Size: 3})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			var b strings.Builder
			if _, err := resp.WriteContent(t.Context(), &b); err != nil || b.String() != "abc" {
				t.Errorf("WriteContent wrote %q, %v", &b, err)
			}
		})
	}
	all.Wait()
}

package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// A closeFile is a file that counts its Close calls.
type closeFile struct {
	fs.File
	statErr error
	closed  atomic.Int32
}

func (f *closeFile) Stat() (fs.FileInfo, error) {
	if f.statErr != nil {
		return nil, f.statErr
	}
	return f.File.Stat()
}

func (f *closeFile) Close() error {
	if f.closed.Add(1) > 1 {
		return fs.ErrClosed
	}
	return f.File.Close()
}

// A closeReader is a Reader that counts its Close calls.
type closeReader struct {
	io.Reader
	closed atomic.Int32
}

func (r *closeReader) Close() error {
	r.closed.Add(1)
	return errCloseReader
}

var errCloseReader = errors.New("close failed")

// A closeReaderAt is a closeReader that is also an io.ReaderAt.
type closeReaderAt struct {
	*strings.Reader
	closed atomic.Int32
}

func (r *closeReaderAt) Close() error {
	r.closed.Add(1)
	return nil
}

// closeKinds has the kinds of responses that close their source.
var closeKinds = []struct {
	name string
	make func(t testing.TB, content string) (*rawhttp.Response, *atomic.Int32)
}{{
	"File", func(t testing.TB, content string) (*rawhttp.Response, *atomic.Int32) {
		f := &closeFile{File: respFile(t, "a.txt", content, respTime)}
		r, err := rawhttp.File(f)
		if err != nil {
			t.Fatal(err)
		}
		return r, &f.closed
	},
}, {
	"Stream", func(_ testing.TB, content string) (*rawhttp.Response, *atomic.Int32) {
		c := &closeReader{Reader: strings.NewReader(content)}
		return rawhttp.Stream(200, "a/b", c), &c.closed
	},
}, {
	"Content", func(_ testing.TB, content string) (*rawhttp.Response, *atomic.Int32) {
		c := &closeReader{Reader: strings.NewReader(content)}
		return rawhttp.Content(rawhttp.Representation{Body: c, Size: int64(len(content))}), &c.closed
	},
}, {
	"Content of an io.ReaderAt", func(_ testing.TB, content string) (*rawhttp.Response, *atomic.Int32) {
		c := &closeReaderAt{Reader: strings.NewReader(content)}
		return rawhttp.Content(rawhttp.Representation{Body: c, Size: int64(len(content))}), &c.closed
	},
}}

func TestResponseIsClosedOnce(t *testing.T) {
	write := func(t *testing.T, r *rawhttp.Response, request string, w io.Writer) {
		rawhttp.WriteResponse(t.Context(), w, requestOf(t, request), r)
	}
	tests := []struct {
		name string
		do   func(t *testing.T, r *rawhttp.Response)
	}{
		{"written", func(t *testing.T, r *rawhttp.Response) { write(t, r, get11, io.Discard) }},
		{"for HEAD, content unread", func(t *testing.T, r *rawhttp.Response) { write(t, r, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", io.Discard) }},
		{"for HTTP/1.0", func(t *testing.T, r *rawhttp.Response) { write(t, r, "GET / HTTP/1.0\r\n\r\n", io.Discard) }},
		{"Write failed", func(t *testing.T, r *rawhttp.Response) { write(t, r, get11, &respLimited{n: 10}) }},
		{"never written", func(t *testing.T, r *rawhttp.Response) { r.Close() }},
		{"misused", func(t *testing.T, r *rawhttp.Response) { write(t, r.Set("Date", "x"), get11, io.Discard) }},
		{"closed twice", func(t *testing.T, r *rawhttp.Response) { r.Close(); r.Close() }},
		{"written twice", func(t *testing.T, r *rawhttp.Response) {
			write(t, r, get11, io.Discard)
			write(t, r, get11, io.Discard)
		}},
		{"written, then closed", func(t *testing.T, r *rawhttp.Response) { write(t, r, get11, io.Discard); r.Close() }},
		{"closed, then written", func(t *testing.T, r *rawhttp.Response) { r.Close(); write(t, r, get11, io.Discard) }},
		{"written with WriteTo, then closed", func(t *testing.T, r *rawhttp.Response) { r.WriteTo(io.Discard); r.Close() }},
		{"clone closed", func(t *testing.T, r *rawhttp.Response) { r.Clone().Close() }},
		{"closed, then its clone closed", func(t *testing.T, r *rawhttp.Response) { c := r.Clone(); r.Close(); c.Close() }},
		{"clone written, then closed", func(t *testing.T, r *rawhttp.Response) {
			write(t, r.Clone(), get11, io.Discard)
			r.Close()
		}},
		{"written, then a clone of its clone written", func(t *testing.T, r *rawhttp.Response) {
			c := r.Clone().Clone()
			write(t, r, get11, io.Discard)
			write(t, c, get11, io.Discard)
		}},
		{"closed concurrently", func(t *testing.T, r *rawhttp.Response) {
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() { r.Close() })
				all.Go(func() { r.Clone().Close() })
			}
			all.Wait()
		}},
	}
	for _, kind := range closeKinds {
		for _, tt := range tests {
			t.Run(kind.name+" "+tt.name, func(t *testing.T) {
				r, closed := kind.make(t, strings.Repeat("content ", 20))
				tt.do(t, r)
				if n := closed.Load(); n != 1 {
					t.Errorf("closed %d times, want once", n)
				}
			})
		}
	}
}

func TestResponseWriteToDoesNotClose(t *testing.T) {
	for _, kind := range closeKinds {
		r, closed := kind.make(t, "abc")
		respBytes(t, r)
		if n := closed.Load(); n != 0 {
			t.Errorf("%s: WriteTo closed the source %d times, want 0, since the caller closes the Response", kind.name, n)
		}
		r.Close()
	}
}

func TestResponseCloseReturnsErrorOfSource(t *testing.T) {
	c := &closeReader{Reader: respReader()}
	if err := rawhttp.Stream(200, "", c).Close(); err != errCloseReader {
		t.Errorf("Close() = %v, want %v", err, errCloseReader)
	}
	persist, err := rawhttp.WriteResponse(t.Context(), io.Discard, requestOf(t, get11), rawhttp.Stream(200, "", c))
	if persist || !errors.Is(err, errCloseReader) {
		t.Errorf("WriteResponse = %v, %v, want false and an error that wraps %v, since the connection must close after an error", persist, err, errCloseReader)
	}
}

func TestResponseServesOnce(t *testing.T) {
	kinds := map[string]func(t *testing.T) *rawhttp.Response{
		"Content of a plain Reader": func(*testing.T) *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{Body: respReader("abc"), Size: 3})
		},
		"Stream of a plain Reader": func(*testing.T) *rawhttp.Response { return rawhttp.Stream(200, "", respReader("abc")) },
		"Stream of an io.ReaderAt": func(*testing.T) *rawhttp.Response { return rawhttp.Stream(200, "", strings.NewReader("abc")) },
	}
	for _, kind := range closeKinds {
		kinds[kind.name] = func(t *testing.T) *rawhttp.Response { r, _ := kind.make(t, "abc"); return r }
	}
	for name, build := range kinds {
		t.Run(name, func(t *testing.T) {
			r := build(t)
			defer r.Close()
			clone := r.Clone().Set("X-A", "1")
			respBytes(t, r)
			for _, again := range []*rawhttp.Response{r, clone, r.Clone()} {
				var b strings.Builder
				if n, err := again.WriteTo(&b); n != 0 || err == nil || b.Len() > 0 {
					t.Errorf("second WriteTo = %d, %v and wrote %q, want 0, an error and nothing", n, err, b.String())
				}
				persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), again)
				if persist || err == nil || b.Len() > 0 {
					t.Errorf("second WriteResponse = %v, %v and wrote %q, want false, an error and nothing", persist, err, b.String())
				}
			}
		})
	}
}

// However an exchange ends, the server closes the response exactly once.
func TestServerClosesResponsesOnce(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("content ", 20_000)
	get, head := get11, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	tests := []struct {
		name, request string
		resolve       func(r *rawhttp.Response) (*rawhttp.Response, error)
	}{
		{"GET", get, nil},
		{"HEAD", head, nil},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", nil},
		{"Connection: close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", nil},
		{"OPTIONS", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", nil},
		{"content that is malformed", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", func(r *rawhttp.Response) (*rawhttp.Response, error) { return r, nil }},
		{"misuse", get, func(r *rawhttp.Response) (*rawhttp.Response, error) { return r.Set("Date", "x"), nil }},
		{"a response and an error", get, func(r *rawhttp.Response) (*rawhttp.Response, error) { return r, fs.ErrPermission }},
		{"a response and fs.ErrNotExist", get, func(r *rawhttp.Response) (*rawhttp.Response, error) { return r, fs.ErrNotExist }},
		{"a clone", get, func(r *rawhttp.Response) (*rawhttp.Response, error) { return r.Clone().Set("X-A", "1"), nil }},
		{"closed by the resolver", get, func(r *rawhttp.Response) (*rawhttp.Response, error) { r.Close(); return nil, fs.ErrNotExist }},
	}
	for _, kind := range closeKinds {
		for _, tt := range tests {
			t.Run(kind.name+" "+tt.name, func(t *testing.T) {
				var made []*atomic.Int32
				resolver := rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
					r, closed := kind.make(t, large)
					made = append(made, closed)
					io.Copy(io.Discard, req.Body)
					if tt.resolve != nil {
						return tt.resolve(r)
					}
					return r, nil
				})
				t.Cleanup(func() { // runs after the server has ended
					if len(made) == 0 {
						t.Error("Resolve was not called")
					}
					for i, closed := range made {
						if n := closed.Load(); n != 1 {
							t.Errorf("response %d was closed %d times, want once", i+1, n)
						}
					}
				})
				_, addr := listen(t, rawhttp.WithResolver(rawhttp.First(resolver)))
				talk(t, addr, tt.request+tt.request)
			})
		}
	}
}

// The functions of OnClose are called after the exchange, even if the server sends another
// response in place of theirs. The functions of the replaced response are called first.
func TestOnCloseAfterTheExchange(t *testing.T) {
	tests := []struct {
		name, in string
		r        func(done func()) (*rawhttp.Response, error)
		want     []string
	}{
		{"no other response", get11, func(done func()) (*rawhttp.Response, error) { return rawhttp.Empty(204).OnClose(done), nil },
			[]string{"204", "closed"}},
		{"426 in place of an Upgrade", get11, func(done func()) (*rawhttp.Response, error) {
			return rawhttp.Upgrade("echo", func(context.Context, net.Conn) error { return nil }).OnClose(done), nil
		}, []string{"426", "page closed", "closed"}},
		{"204 in place of a 405", "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", func(done func()) (*rawhttp.Response, error) {
			return rawhttp.MethodNotAllowed("PUT").OnClose(done), nil
		}, []string{"204", "closed"}},
		{"a response with an error", get11, func(done func()) (*rawhttp.Response, error) {
			return rawhttp.Text(200, "a").OnClose(done), fs.ErrPermission
		}, []string{"403", "page closed", "closed"}},
		{"an invalid response", get11, func(done func()) (*rawhttp.Response, error) { return rawhttp.Text(99, "a").OnClose(done), nil },
			[]string{"500", "closed"}},
		{"content that fails", get11, func(done func()) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "a/b", iotest.ErrReader(errors.New("broken"))).OnClose(done), nil
		}, []string{"500", "page closed", "closed"}},
		{"a page that fails too", head11, func(done func()) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(errSecond).OnClose(done), nil
		}, []string{"500", "page closed", "closed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var order []string
			note := func(s string) func() { return func() { order = append(order, s) } }
			talkInMemory(t, tt.in, rawhttp.WithResolver(resolverFunc(func(*rawhttp.Request) (*rawhttp.Response, error) {
				return tt.r(note("closed"))
			})), rawhttp.WithErrorPage(func(_ context.Context, _ *rawhttp.Request, status int, err error) *rawhttp.Response {
				page := rawhttp.Text(status, "page").OnClose(note("page closed"))
				if err == errSecond {
					page.Set("a b", "")
				}
				return page
			}), rawhttp.WithTrace(rawhttp.Trace{Exchange: func(x rawhttp.Exchange) { note(fmt.Sprint(x.Status))() }}))
			if diff := cmp.Diff(tt.want, order); diff != "" {
				t.Errorf("called (-want +got):\n%s", diff)
			}
		})
	}
}

var errSecond = errors.New("the page has a mistake")

// If a hook panics, wherever in the exchange, the response is closed.
func TestServerClosesResponseAfterHookPanics(t *testing.T) {
	const brokenContent = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"
	beforeWrite := rawhttp.Trace{ConnState: func(_ uint64, s rawhttp.ConnState) {
		if s == rawhttp.StateWrite {
			panic("on purpose")
		}
	}}
	refused := rawhttp.Trace{Refused: func(rawhttp.Refusal) { panic("on purpose") }}
	tests := []struct {
		name, in string
		hook     rawhttp.Trace
		r        func(done func(), err error) (*rawhttp.Response, error)
	}{
		{"before it is written", get11, beforeWrite, func(done func(), _ error) (*rawhttp.Response, error) {
			return rawhttp.Text(200, "a").OnClose(done), nil
		}},
		{"content is refused, and a response returned", brokenContent, refused, func(done func(), _ error) (*rawhttp.Response, error) {
			return rawhttp.Text(200, "a").OnClose(done), nil
		}},
		{"content is refused, and an ErrorResponse returned", brokenContent, refused, func(done func(), err error) (*rawhttp.Response, error) {
			return rawhttp.ErrorResponse(err).OnClose(done), nil
		}},
		{"content is refused, and a response returned with an error", brokenContent, refused, func(done func(), err error) (*rawhttp.Response, error) {
			return rawhttp.Text(200, "a").OnClose(done), err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			closed := 0
			talkInMemory(t, tt.in, rawhttp.WithTrace(tt.hook), rawhttp.WithResolver(resolverFunc(func(req *rawhttp.Request) (*rawhttp.Response, error) {
				_, err := io.ReadAll(req.Body)
				return tt.r(func() { closed++ }, err)
			})))
			if closed != 1 {
				t.Errorf("closed %d times, want once", closed)
			}
		})
	}
}

type closePanics struct{}

func (closePanics) Read([]byte) (int, error) { panic("Read panics") }

func TestWriteResponseClosesResponseThatPanics(t *testing.T) {
	c := &closeReader{Reader: closePanics{}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("WriteResponse recovered a panic, want it passed on")
			}
		}()
		rawhttp.WriteResponse(t.Context(), io.Discard, requestOf(t, get11), rawhttp.Stream(200, "", c))
	}()
	if n := c.closed.Load(); n != 1 {
		t.Errorf("closed %d times, want once", n)
	}
}

// First closes a response that a resolver returns together with fs.ErrNotExist.
func TestFirstClosesDroppedResponses(t *testing.T) {
	dropped := &closeReader{Reader: respReader()}
	r := rawhttp.First(
		rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) {
			return rawhttp.Stream(200, "", dropped), fs.ErrNotExist
		}),
		answerText("next"),
	)
	resp, err := r.Resolve(t.Context(), requestOf(t, get11))
	if err != nil || resp.Status() != 200 {
		t.Errorf("Resolve = %v, %v, want the response of the second resolver", resp, err)
	}
	if n := dropped.closed.Load(); n != 1 {
		t.Errorf("the dropped response was closed %d times, want once", n)
	}
}

// WriteResponse closes content that fails while it is read.
func TestWriteResponseClosesFailingContent(t *testing.T) {
	broken := errors.New("broken")
	for _, size := range []int64{-1, 3, 1 << 20} {
		c := &closeReader{Reader: io.MultiReader(respReader("ab"), iotest.ErrReader(broken))}
		persist, err := rawhttp.WriteResponse(t.Context(), io.Discard, requestOf(t, get11), rawhttp.Content(rawhttp.Representation{Body: c, Size: size}))
		if persist || !errors.Is(err, broken) {
			t.Errorf("WriteResponse of size %d = %v, %v, want false and an error that wraps %v", size, persist, err, broken)
		}
		if n := c.closed.Load(); n != 1 {
			t.Errorf("closed %d times, want once", n)
		}
	}
}

func TestCloseAfterWithEveryStatus(t *testing.T) {
	for line, status := range map[string]int{
		"X-None: 1": 200, "Range: bytes=0-1": 206, `If-None-Match: *`: 304, `If-Match: "v2"`: 412, "Range: bytes=20-": 416,
	} {
		req := requestOf(t, "GET / HTTP/1.1\r\nHost: a\r\n"+line+"\r\n\r\n")
		var b strings.Builder
		persist, err := rawhttp.WriteResponse(context.Background(), &b, req, contentOf(contentTag, contentMod).CloseAfter())
		if got := parseAnswer(t, b.String()); persist || err != nil || got.Fields["Connection"] != "close" || contentStatus(t, b.String()) != status {
			t.Errorf("CloseAfter, status %s: persist %v, %v, Connection %q, want the connection to close after a %d", got.Status, persist, err, got.Fields["Connection"], status)
		}
	}
}

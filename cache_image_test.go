package rawhttp

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp/internal/testkit"
)

// imageResponse returns a response from which images can be made.
func imageResponse(content string) *Response {
	resp := Content(Representation{MediaType: "a/b", Body: &memoryContent{content: []byte(content)}, Size: int64(len(content)), ModTime: time.Unix(1<<30, 0), ETag: `"e"`})
	resp.hasWireImages = true
	return resp
}

// writtenFor returns the bytes that are written in answer to a request.
func writtenFor(t *testing.T, format *wireFormat, request string, resp *Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := writeResponse(context.Background(), &b, format, requestOf(t, request), resp); err != nil {
		t.Errorf("answer to %q: %v", request, err)
	}
	return b.String()
}

// An answer from an image has the same bytes as any other, including the Date, whatever was
// requested before.
func TestImageEqualsAnswer(t *testing.T) {
	const content = "0123456789"
	date := ""
	formats := []*wireFormat{
		{contentLength: true},
		{contentLength: true, date: func() string { return date }},
		{contentLength: true, date: func() string { return date }, server: "s"},
		{date: func() string { return date }},
	}
	requests := []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=1-2\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"e\"\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"f\"\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"f\"\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	}
	resp, made := imageResponse(content), 0
	for second := range 6 {
		date = fmt.Sprint("second ", second)
		for range 3 {
			for _, format := range formats[:1+second%len(formats)] {
				for range 3 {
					for _, request := range requests {
						plain := resp.Clone()
						plain.hasWireImages = false
						want := writtenFor(t, format, request, plain)
						if got := writtenFor(t, format, request, resp); got != want {
							t.Errorf("%q is answered with %q, want %q", request, got, want)
						}
						if last := resp.rep.Body.(*memoryContent).last.Load(); last != nil && last.bytes != nil {
							made++
						}
					}
				}
			}
		}
	}
	if made == 0 {
		t.Error("no image has been made")
	}
}

// An image is valid during the second of its Date.
func TestImageHasTheDate(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	date := ""
	format := &wireFormat{contentLength: true, date: func() string { return date }}
	resp := imageResponse("content")
	for second := range 4 {
		date = fmt.Sprint("second ", second)
		for range 3 {
			if got, want := writtenFor(t, format, get, resp), "\r\nDate: "+date+"\r\n"; !strings.Contains(got, want) {
				t.Errorf("in second %d the answer is %q, want it with %q", second, got, want)
			}
		}
		if last := resp.rep.Body.(*memoryContent).last.Load(); last.bytes == nil {
			t.Errorf("in second %d no image has been made", second)
		}
	}
}

// A changed copy of a response is not sent from an image of the original.
func TestChangedResponseHasNoImage(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	format := &wireFormat{contentLength: true}
	resp := imageResponse("content")
	for range 3 {
		writtenFor(t, format, get, resp)
	}
	changes := map[string]func(*Response){
		"Set":          func(r *Response) { r.Set("X", "y") },
		"Add":          func(r *Response) { r.Add("X", "y") },
		"Content-Type": func(r *Response) { r.Set("Content-Type", "x/y") },
	}
	for name, change := range changes {
		changed := resp.Clone()
		change(changed)
		for range 3 {
			if got := writtenFor(t, format, get, changed); !strings.Contains(got, "X: y") && !strings.Contains(got, "x/y") {
				t.Errorf("after %s of a copy, the answer for the copy is %q, want the changed field", name, got)
			}
			if got := writtenFor(t, format, get, resp); strings.Contains(got, "X: y") || strings.Contains(got, "x/y") {
				t.Errorf("after %s of a copy, the answer for the original is %q, want it unchanged", name, got)
			}
		}
	}
}

// The answer for the largest cached file, with its head, does not fit in the output buffer.
func TestLargeImage(t *testing.T) {
	const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, size := range []int{maxCachedFile, maxCachedFile - 300, 1} {
		content := strings.Repeat("x", size)
		_, addr := listen(t, WithDate(false), WithResolver(ResolverFunc(func() func(context.Context, *Request) (*Response, error) {
			resp := imageResponse(content)
			return func(context.Context, *Request) (*Response, error) { return resp, nil }
		}())))
		for range 3 {
			got := talk(t, addr, strings.Repeat(get, 5)+"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if n := strings.Count(got, "\r\n\r\n"+content); n != 6 {
				t.Errorf("%d answers of %d bytes in %d bytes, want 6", n, size, len(got))
			}
		}
	}
}

// A Response may outlive its Server, so an image must not refer to the Server.
func TestImageDoesNotRetainServer(t *testing.T) {
	resp := imageResponse("hi")
	defer runtime.KeepAlive(resp)
	server := func() weak.Pointer[Server] {
		s, err := New(WithDate(false), WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) { return resp, nil })))
		if err != nil {
			t.Fatal(err)
		}
		benchmarkConn(s, benchmarkGet, 3)
		return weak.Make(s)
	}()
	if resp.rep.Body.(*memoryContent).last.Load().bytes == nil {
		t.Fatal("no image has been made")
	}
	testkit.Await(t, "the image does not retain the Server", func() bool {
		runtime.GC() // more than once, since the runtime retains recent objects
		return server.Value() == nil
	})
}

// An image is not used when the connection is to close.
func TestImageIsNotUsedBeforeClose(t *testing.T) {
	format := &wireFormat{contentLength: true}
	resp := imageResponse("content")
	const get, last = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	for range 3 {
		writtenFor(t, format, get, resp)
	}
	closing := resp.Clone().CloseAfter()
	for name, tt := range map[string]struct {
		request string
		resp    *Response
		persist bool
	}{"Connection: close in the request": {last, resp, true}, "CloseAfter": {get, closing, true}, "the server is stopping": {get, resp, false}} {
		var b strings.Builder
		out := sink{w: &b}
		r := responder{out: &out, format: format, req: requestOf(t, tt.request), resp: tt.resp, persist: tt.persist}
		if err := r.write(context.Background()); err != nil {
			t.Error(err)
		}
		out.flush()
		if r.persist || !strings.Contains(b.String(), "\r\nConnection: close\r\n") {
			t.Errorf("%s: persist = %v, want false; wrote %q, want Connection: close", name, r.persist, b.String())
		}
	}
}

// Images of several pipelined files are sent in one write, in order.
func TestPipelinedImages(t *testing.T) {
	resps := map[string]*Response{}
	in, want := "", ""
	for _, p := range []string{"/a", "/b", "/c"} {
		resps[p] = imageResponse(p)
		in += getRequest(p)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []string{"/a", "/b", "/c"} {
			want += writtenFor(t, &wireFormat{contentLength: true}, getRequest(p), resps[p])
		}
		client, server := net.Pipe()
		counted := &testkit.RecordingConn{Conn: server}
		s := newServer(t, WithDate(false), WithResolver(ResolverFunc(func(_ context.Context, req *Request) (*Response, error) { return resps[req.Path()], nil })))
		go s.ServeConn(t.Context(), counted)
		defer client.Close()
		for round := range 4 {
			if got := converse(t, client, in, len(want)); got != want {
				t.Errorf("round %d: %q, want %q", round, got, want)
			}
			if n := len(counted.Writes()); n != 1 {
				t.Errorf("round %d: %d writes, want 1", round, n)
			}
		}
	})
}

// Traces and logs report an answer from an image like any other.
func TestTraceOfImage(t *testing.T) {
	resp := imageResponse("content")
	var seen []string
	trace := Trace{Exchange: func(e Exchange) { seen = append(seen, fmt.Sprint(e.Status, " ", e.Bytes)) }}
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, WithTrace(trace), WithResolver(ResolverFunc(func(context.Context, *Request) (*Response, error) { return resp, nil })))
		client, server := net.Pipe()
		go io.Copy(io.Discard, client)
		go io.WriteString(client, strings.Repeat(getRequest("/"), 3)+getRequest("/", "Connection: close"))
		s.ServeConn(t.Context(), server)
	})
	if resp.rep.Body.(*memoryContent).last.Load().bytes == nil {
		t.Error("no image has been made")
	}
	if diff := cmp.Diff(slices.Repeat([]string{"200 7"}, 4), seen); diff != "" {
		t.Errorf("exchanges (-want +got):\n%s", diff)
	}
}

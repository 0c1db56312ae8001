package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
)

// writeEach returns a function for StreamFunc that makes one Write for each part.
func writeEach(parts ...string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		for _, p := range parts {
			if _, err := io.WriteString(w, p); err != nil {
				return err
			}
		}
		return nil
	}
}

// A respParts is a plain io.Reader that returns one part with each Read.
type respParts struct{ parts []string }

func (r *respParts) Read(p []byte) (int, error) {
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.parts[0])
	if r.parts[0] = r.parts[0][n:]; r.parts[0] == "" {
		r.parts = r.parts[1:]
	}
	return n, nil
}

func respReader(parts ...string) io.Reader { return &respParts{parts} }

// respFile opens a file in memory.
func respFile(t testing.TB, name, content string, mod time.Time) fs.File {
	t.Helper()
	f, err := fstest.MapFS{name: {Data: []byte(content), ModTime: mod}}.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// respFileResponse makes the Response of a file in memory.
func respFileResponse(t testing.TB, name, content string, mod time.Time) *rawhttp.Response {
	t.Helper()
	r, err := rawhttp.File(respFile(t, name, content, mod))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// respTime is a time with a fraction of a second, in a zone that is not UTC.
var respTime = time.Date(2024, time.February, 29, 13, 4, 5, 678, time.FixedZone("", 3600))

const respLastModified = "Thu, 29 Feb 2024 12:04:05 GMT"

func TestResponseWriteTo(t *testing.T) {
	tests := []struct {
		name string
		make func() *rawhttp.Response
		want string
		once bool
		why  string
	}{{
		name: "OK",
		make: func() *rawhttp.Response { return rawhttp.OK("application/json", []byte(`{"a":1}`)) },
		want: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
		why:  "the media type is sent verbatim, and there is no Date",
	}, {
		name: "Bytes without a media type",
		make: func() *rawhttp.Response { return rawhttp.Bytes(201, "", []byte{0, 255}) },
		want: "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n\x00\xff",
		why:  "an unknown media type is not sent",
	}, {
		name: "Bytes without content",
		make: func() *rawhttp.Response { return rawhttp.Bytes(200, "image/png", nil) },
		want: "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 0\r\n\r\n",
		why:  "content of length 0 has a media type too",
	}, {
		name: "Text",
		make: func() *rawhttp.Response { return rawhttp.Text(413, "ü\n") },
		want: "HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nü\n",
		why:  "the length is in bytes; the reason phrase is that of RFC 9110, not 7231",
	}, {
		name: "HTML",
		make: func() *rawhttp.Response { return rawhttp.HTML(200, "<p>&") },
		want: "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 4\r\n\r\n<p>&",
		why:  "nothing is escaped",
	}, {
		name: "a status without a reason phrase",
		make: func() *rawhttp.Response { return rawhttp.Text(299, "") },
		want: "HTTP/1.1 299 \r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 0\r\n\r\n",
		why:  "\"A server MUST send the space that separates the status-code from the reason-phrase even when the reason-phrase is absent\", RFC 9112, section 4",
	}, {
		name: "Empty",
		make: func() *rawhttp.Response { return rawhttp.Empty(200) },
		want: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		why:  "without a length the content would last until the connection closes",
	}, {
		name: "Empty 204",
		make: func() *rawhttp.Response { return rawhttp.Empty(204) },
		want: "HTTP/1.1 204 No Content\r\n\r\n",
		why:  "no Content-Length with 204, RFC 9110, section 8.6",
	}, {
		name: "Empty 304",
		make: func() *rawhttp.Response { return rawhttp.Empty(304).Set("ETag", `"a"`) },
		want: "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
		why:  "a Content-Length would have to be that of the 200, RFC 9110, section 8.6",
	}, {
		name: "Empty 205",
		make: func() *rawhttp.Response { return rawhttp.Empty(205) },
		want: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
		why:  "205 must declare that it has no content, RFC 9110, section 15.3.6",
	}, {
		name: "content with 204",
		make: func() *rawhttp.Response { return rawhttp.Text(204, "lost").Set("X-A", "1") },
		want: "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
		why:  "a 204 ends after its header section, RFC 9110, section 15.3.5",
	}, {
		name: "NotFound",
		make: rawhttp.NotFound,
		want: "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 14\r\n\r\n404 Not Found\n",
	}, {
		name: "MethodNotAllowed",
		make: func() *rawhttp.Response { return rawhttp.MethodNotAllowed("GET", "HEAD", "M-SEARCH") },
		want: "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\nAllow: GET, HEAD, M-SEARCH\r\n\r\n405 Method Not Allowed\n",
		why:  "Allow is required, RFC 9110, section 15.5.6",
	}, {
		name: "MethodNotAllowed without methods",
		make: func() *rawhttp.Response { return rawhttp.MethodNotAllowed() },
		want: "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\nAllow: \r\n\r\n405 Method Not Allowed\n",
		why:  "\"An empty Allow field value indicates that the resource allows no methods\", RFC 9110, section 10.2.1",
	}, {
		name: "InternalServerError",
		make: rawhttp.InternalServerError,
		want: "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n\r\n500 Internal Server Error\n",
	}, {
		name: "Redirect",
		make: func() *rawhttp.Response { return rawhttp.Redirect(308, "https://example.test/a%20b?c=d#e") },
		want: "HTTP/1.1 308 Permanent Redirect\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 23\r\nLocation: https://example.test/a%20b?c=d#e\r\n\r\n308 Permanent Redirect\n",
		why:  "the location is sent verbatim, including a fragment (RFC 9110, section 10.2.2)",
	}, {
		name: "Stream",
		make: func() *rawhttp.Response {
			return rawhttp.Stream(200, "text/csv", respReader("a,b\n", strings.Repeat("x", 26)))
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na,b\n\r\n1a\r\n" + strings.Repeat("x", 26) + "\r\n0\r\n\r\n",
		once: true,
		why:  "each Read is a chunk",
	}, {
		name: "Stream without content",
		make: func() *rawhttp.Response { return rawhttp.Stream(202, "", respReader()) },
		want: "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		once: true,
		why:  "a chunk of no bytes would be the last",
	}, {
		name: "StreamFunc",
		make: func() *rawhttp.Response {
			return rawhttp.StreamFunc(200, "text/event-stream", writeEach("", "a", "", "bc"))
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
		why:  "a Write of no bytes makes no chunk, which would be the last",
	}, {
		name: "Content",
		make: func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{MediaType: "image/gif", Body: strings.NewReader("GIF89a"), Size: 6, ModTime: respTime, ETag: `W/"v1"`})
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\nContent-Length: 6\r\nETag: W/\"v1\"\r\nLast-Modified: " + respLastModified + "\r\nAccept-Ranges: bytes\r\n\r\nGIF89a",
		why:  "times are sent in UTC, in whole seconds",
	}, {
		name: "Content of the zero Representation",
		make: func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{}) },
		want: "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 0\r\n\r\n",
	}, {
		name: "Content without a Body but with a Size",
		make: func() *rawhttp.Response { return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Size: 9}) },
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\n\r\n",
		why:  "without a Body there is no content",
	}, {
		name: "Content of unknown size",
		make: func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: strings.NewReader("abc"), Size: -1})
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	}, {
		name: "Content of a plain Reader",
		make: func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: respReader("ab", "c", "de"), Size: 4})
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 4\r\n\r\nabcd",
		once: true,
		why:  "never more than Size",
	}, {
		name: "Content modified in the future",
		make: func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", ModTime: time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)})
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\nLast-Modified: Wed, 01 Jan 9000 00:00:00 GMT\r\n\r\n",
		why:  "without a Date, Last-Modified may be any time",
	}, {
		name: "Content with validators that are also set as fields",
		make: func() *rawhttp.Response {
			r := rawhttp.Content(rawhttp.Representation{MediaType: "a/b", ModTime: respTime, ETag: `"old"`})
			return r.Set("etag", `"new"`).Set("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 0\r\netag: \"new\"\r\nlast-modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
		why:  "the field that was set replaces the ETag, since only one may be sent",
	}, {
		name: "fields in order",
		make: func() *rawhttp.Response {
			return rawhttp.Text(200, "").Add("Set-Cookie", "a=1").Set("X-Empty", "").Add("set-cookie", "b=2").Set("content-type", "text/css").Set("x-LAST", "\xe9 \t\"z")
		},
		want: "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nX-Empty: \r\nset-cookie: b=2\r\nx-LAST: \xe9 \t\"z\r\n\r\n",
		why:  "names keep their case and fields their order; obs-text and blanks are allowed in values",
	}, {
		name: "CloseAfter",
		make: func() *rawhttp.Response { return rawhttp.Empty(200).CloseAfter().Set("X-A", "1") },
		want: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: 1\r\nConnection: close\r\n\r\n",
		why:  "a server that will close the connection sends Connection: close, RFC 9112, section 9.6",
	}, {
		name: "content larger than any buffer",
		make: func() *rawhttp.Response { return rawhttp.Bytes(200, "", []byte(strings.Repeat("0123456789", 30_000))) },
		want: "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + strings.Repeat("0123456789", 30_000),
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := tt.make()
			for i := range 3 {
				if tt.once && i > 0 {
					resp = tt.make()
				}
				var b strings.Builder
				n, err := resp.WriteTo(&b)
				if err != nil || n != int64(b.Len()) {
					t.Errorf("WriteTo = %d, %v, want %d, nil", n, err, b.Len())
				}
				if diff := cmp.Diff(tt.want, b.String()); diff != "" {
					t.Fatalf("call %d of WriteTo wrote (-want +got):\n%s\nwhy: %s", i+1, diff, tt.why)
				}
			}
		})
	}
}

func TestResponseOfFileWriteTo(t *testing.T) {
	tests := []struct{ name, content, mediaType string }{
		{"a.txt", "Hello\n", "text/plain; charset=utf-8"},
		{"dir.d/b.JPG", "\xff\xd8", "image/jpeg"},
		{"c", "", "application/octet-stream"},
		{"dir.txt/d", "x", "application/octet-stream"},
		{".txt", "x", "application/octet-stream"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp := respFileResponse(t, tt.name, tt.content, respTime)
			defer resp.Close()
			var b strings.Builder
			if n, err := resp.WriteTo(&b); err != nil || n != int64(b.Len()) {
				t.Errorf("WriteTo = %d, %v, want %d, nil", n, err, b.Len())
			}
			head, content := splitHead(b.String())
			if content != tt.content {
				t.Errorf("content %q, want %q", content, tt.content)
			}
			want := []string{
				"HTTP/1.1 200 OK\r\n", "\r\nContent-Type: " + tt.mediaType + "\r\n",
				fmt.Sprintf("\r\nContent-Length: %d\r\n", len(tt.content)), "\r\nLast-Modified: " + respLastModified + "\r\n",
			}
			for _, w := range want {
				if !strings.Contains(head, w) {
					t.Errorf("head %q has no %q", head, w)
				}
			}
		})
	}
}

// A respLimited accepts n bytes and then fails.
type respLimited struct {
	strings.Builder
	n int
}

var errRespFull = errors.New("full")

func (w *respLimited) Write(p []byte) (int, error) {
	if room := w.n - w.Len(); len(p) > room {
		w.Builder.Write(p[:room])
		return room, errRespFull
	}
	return w.Builder.Write(p)
}

func TestResponseWriteToCountsBytes(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	makers := map[string]func() *rawhttp.Response{
		"in memory": func() *rawhttp.Response { return rawhttp.Text(200, large) },
		"stream":    func() *rawhttp.Response { return rawhttp.StreamFunc(200, "", writeEach("abc", large, "def")) },
		"known size": func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{Body: respReader(large), Size: 100_000})
		},
	}
	for name, build := range makers {
		for _, limit := range []int{0, 1, 20, 90, 5_000, 66_000, 99_000} {
			w := &respLimited{n: limit}
			n, err := build().WriteTo(w)
			if n != int64(w.Len()) || !errors.Is(err, errRespFull) {
				t.Errorf("%s: WriteTo with room for %d bytes = %d, %v, want %d and the error of Write", name, limit, n, err, w.Len())
			}
		}
	}
}

func TestResponseFields(t *testing.T) {
	r := rawhttp.HTML(200, "").Set("B", "1").Add("A", "2").Add("b", "3").Set("C", "4")
	type field struct{ Name, Value string }
	all := func() (got []field) {
		for name, value := range r.Fields() {
			got = append(got, field{name, value})
		}
		return got
	}
	want := []field{{"Content-Type", "text/html; charset=utf-8"}, {"B", "1"}, {"A", "2"}, {"b", "3"}, {"C", "4"}}
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("Fields (-want +got):\n%s", diff)
	}
	for stop := range want {
		n := 0
		for range r.Fields() {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("Fields continued after break: %d fields, want %d", n, stop+1)
		}
	}

	r.Set("b", "5")
	want = []field{want[0], {"A", "2"}, {"C", "4"}, {"b", "5"}}
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("Fields after Set replaced two fields (-want +got):\n%s", diff)
	}
	if got := maps.Collect(rawhttp.Empty(204).Fields()); len(got) != 0 {
		t.Errorf("Empty(204).Fields() = %v, want none", got)
	}
}

func TestResponseStatus(t *testing.T) {
	tests := []struct {
		resp *rawhttp.Response
		want int
	}{
		{rawhttp.OK("", nil), 200}, {rawhttp.Text(599, ""), 599}, {rawhttp.Empty(204), 204}, {rawhttp.NotFound(), 404}, {rawhttp.InternalServerError(), 500},
		{rawhttp.MethodNotAllowed("GET"), 405}, {rawhttp.Redirect(303, "/"), 303}, {rawhttp.Content(rawhttp.Representation{}), 200},
		{rawhttp.Stream(201, "", respReader()), 201}, {rawhttp.StreamFunc(202, "", writeEach()), 202},
	}
	for _, tt := range tests {
		if got := tt.resp.Status(); got != tt.want || tt.resp.Err() != nil {
			t.Errorf("Status() = %d, Err() = %v, want %d, nil", got, tt.resp.Err(), tt.want)
		}
	}
}

func TestResponseClone(t *testing.T) {
	r := rawhttp.Text(200, "shared").Set("A", "1").Add("B", "2")
	before := respBytes(t, r)
	c := r.Clone()
	if got := respBytes(t, c); got != before {
		t.Errorf("WriteTo of a clone wrote %q, want %q", got, before)
	}
	c.Set("A", "changed").Set("Content-Type", "a/b").Add("B", "3").CloseAfter()
	want := "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 6\r\nB: 2\r\nA: changed\r\nB: 3\r\nConnection: close\r\n\r\nshared"
	if diff := cmp.Diff(want, respBytes(t, c)); diff != "" {
		t.Errorf("WriteTo of a changed clone wrote (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, respBytes(t, r)); diff != "" {
		t.Errorf("WriteTo of the original of a changed clone wrote (-want +got):\n%s", diff)
	}

	r.Clone().Set("Date", "x")
	if err := r.Err(); err != nil {
		t.Errorf("Err of the original after misuse of its clone = %v, want nil", err)
	}
	bad := r.Clone().Set("Date", "x")
	if err := bad.Clone().Err(); !errors.Is(err, bad.Err()) {
		t.Errorf("Err of the clone = %v, want %v", err, bad.Err())
	}
}

// respBytes returns the output of WriteTo.
func respBytes(t testing.TB, r *rawhttp.Response) string {
	t.Helper()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Errorf("WriteTo: %v", err)
	}
	return b.String()
}

// respReusable returns a Response of each kind that may answer any number of requests.
func respReusable() map[string]*rawhttp.Response {
	large := strings.Repeat("0123456789abcdef", 5000)
	return map[string]*rawhttp.Response{
		"OK":                  rawhttp.OK("a/b", []byte("content")),
		"Text":                rawhttp.Text(200, large),
		"HTML":                rawhttp.HTML(404, "<p>"),
		"Bytes":               rawhttp.Bytes(200, "", []byte{1, 2, 3}),
		"Empty":               rawhttp.Empty(204),
		"Redirect":            rawhttp.Redirect(302, "/b").Set("X-A", "1"),
		"NotFound":            rawhttp.NotFound(),
		"MethodNotAllowed":    rawhttp.MethodNotAllowed("GET"),
		"InternalServerError": rawhttp.InternalServerError(),
		"StreamFunc":          rawhttp.StreamFunc(200, "a/b", writeEach("some", "", large)),
		"Content":             rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: strings.NewReader(large), Size: int64(len(large)), ModTime: respTime, ETag: `"e"`}),
		"Content, chunked":    rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: strings.NewReader("abc"), Size: -1}),
		"Content of nothing":  rawhttp.Content(rawhttp.Representation{}),
	}
}

func TestReusableResponsesConcurrently(t *testing.T) {
	t.Parallel()
	for name, r := range respReusable() {
		t.Run(name, func(t *testing.T) {
			want := respBytes(t, r)
			var all sync.WaitGroup
			for range 30 {
				all.Go(func() {
					if got := respBytes(t, r); got != want {
						t.Errorf("concurrent WriteTo wrote %q, want %q", got, want)
					}
					c := r.Clone().Set("X-Clone", "1")
					if head, _ := splitHead(respBytes(t, c)); !strings.Contains(head, "\r\nX-Clone: 1\r\n") {
						t.Errorf("WriteTo of a clone wrote the head %q", head)
					}
					if err := r.Close(); err != nil {
						t.Errorf("Close() = %v", err)
					}
				})
			}
			all.Wait()
		})
	}
}

func TestServerServesReusableResponsesConcurrently(t *testing.T) {
	t.Parallel()
	kinds := respReusable()
	_, addr := listen(t, rawhttp.WithDate(false), rawhttp.WithResolver(rawhttp.ResolverFunc(func(_ context.Context, req *rawhttp.Request) (*rawhttp.Response, error) {
		return kinds[req.Query().Get("kind")], nil
	})))
	for name, r := range kinds {
		t.Run(name, func(t *testing.T) {
			one := respBytes(t, r)
			request := "GET /?kind=" + strings.ReplaceAll(name, " ", "+") + " HTTP/1.1\r\nHost: a\r\n\r\n"
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if got := talk(t, addr, strings.Repeat(request, 5)); got != strings.Repeat(one, 5) {
						t.Errorf("answers to five requests: %q, want five times %q", got, one)
					}
				})
			}
			all.Wait()
		})
	}
}

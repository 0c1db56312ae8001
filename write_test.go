package rawhttp

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// writeRequest parses a request head.
func writeRequest(t testing.TB, head string) *Request {
	t.Helper()
	req, _, err := ParseRequest([]byte(head))
	if err != nil {
		t.Fatalf("ParseRequest(%q): %v", head, err)
	}
	return req
}

// A writeLog keeps each Write by itself.
type writeLog struct{ writes []string }

func (w *writeLog) Write(p []byte) (int, error) {
	w.writes = append(w.writes, string(p))
	return len(p), nil
}

func (w *writeLog) String() string { return strings.Join(w.writes, "") }

const writeDate = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n" // of every bubble

func TestWriteResponse(t *testing.T) {
	const (
		get11     = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
		head11    = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
		closing   = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		get10     = "GET / HTTP/1.0\r\n\r\n"
		head10    = "HEAD / HTTP/1.0\r\n\r\n"
		keeping10 = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
		headKeep  = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	)
	text := func() *Response { return Text(200, "abc") }
	stream := func() *Response { return Stream(200, "a/b", respReader("ab", "c")) }
	streamFunc := func() *Response { return StreamFunc(200, "a/b", respWrite("ab", "c")) }
	notRead := func() *Response { return Stream(200, "a/b", iotest.ErrReader(errors.New("must not be read"))) }
	notCalled := func() *Response {
		return StreamFunc(200, "a/b", func(context.Context, io.Writer) error { panic("must not be called") })
	}
	future := func() *Response {
		return Content(Representation{MediaType: "a/b", ModTime: time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)})
	}

	const textHead = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
	const chunkedHead = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n"
	const untilClose = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nConnection: close\r\n\r\n"
	tests := []struct {
		name, request string
		make          func() *Response
		want          string
		persist       bool
		why           string
	}{
		{"GET", get11, text, textHead + "\r\nabc", true, "HTTP/1.1 persists by default, RFC 9112, section 9.3"},
		{"POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", text, textHead + "\r\nabc", true, "conditions and ranges aside, the method does not matter"},
		{"HEAD", head11, text, textHead + "\r\n", true, "the fields of GET, no content, RFC 9110, section 9.3.2"},
		{"method head", "head / HTTP/1.1\r\nHost: a\r\n\r\n", text, textHead + "\r\nabc", true, "methods are case-sensitive, RFC 9110, section 9.1"},
		{"Connection: close", closing, text, textHead + "Connection: close\r\n\r\nabc", false, "as the client asks"},
		{"CloseAfter", get11, func() *Response { return text().CloseAfter() }, textHead + "Connection: close\r\n\r\nabc", false, "as the resolver asks"},
		{"HTTP/1.0", get10, text, textHead + "Connection: close\r\n\r\nabc", false, "HTTP/1.0 does not persist by default"},
		{"HTTP/1.0 HEAD", head10, text, textHead + "Connection: close\r\n\r\n", false, "as for GET"},
		{"HTTP/1.0 keep-alive", keeping10, text, textHead + "Connection: keep-alive\r\n\r\nabc", true, "RFC 9112, appendix C.2.2"},
		{"HTTP/1.0 keep-alive, CloseAfter", keeping10, func() *Response { return text().CloseAfter() }, textHead + "Connection: close\r\n\r\nabc", false, "close wins"},
		{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", text, textHead + "\r\nabc", true, "a higher minor version is answered with ours, RFC 9110, section 2.5"},

		{"Stream", get11, stream, chunkedHead + "\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", true, "length unknown: chunked"},
		{"Stream, HEAD", head11, notRead, chunkedHead + "\r\n", true, "nothing is read for HEAD"},
		{"Stream, HTTP/1.0", get10, stream, untilClose + "abc", false, "no chunks to 1.0: the close ends the content, RFC 9112, section 6.3"},
		{"Stream, HTTP/1.0 keep-alive", keeping10, stream, untilClose + "abc", false, "what lasts to the close cannot persist"},
		{"StreamFunc", get11, streamFunc, chunkedHead + "\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", true, ""},
		{"StreamFunc, HEAD", head11, notCalled, chunkedHead + "\r\n", true, "not called for HEAD"},
		{"StreamFunc, HTTP/1.0 keep-alive", keeping10, streamFunc, untilClose + "abc", false, ""},

		{"204", get11, func() *Response { return Text(204, "lost") }, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "no content, no length, no framing"},
		{"204 to HTTP/1.0 keep-alive", keeping10, func() *Response { return Empty(204) }, "HTTP/1.1 204 No Content\r\n" + writeDate + "Connection: keep-alive\r\n\r\n", true, "its end is the end of its head"},
		{"204 of a Stream", get11, func() *Response { return Stream(204, "", iotest.ErrReader(errors.New("must not be read"))) }, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "\"A server MUST NOT send a Transfer-Encoding header field in any response with a status code of 1xx or 204\", RFC 9112, section 6.1"},
		{"204 of a StreamFunc", get11, func() *Response { return StreamFunc(204, "", notCalled().f) }, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "there is nowhere to write to"},
		{"205", get11, func() *Response { return Text(205, "lost") }, "HTTP/1.1 205 Reset Content\r\n" + writeDate + "Content-Length: 0\r\n\r\n", true, "RFC 9110, section 15.3.6"},
		{"304", get11, func() *Response { return Text(304, "lost").Set("ETag", `"a"`) }, "HTTP/1.1 304 Not Modified\r\n" + writeDate + "ETag: \"a\"\r\n\r\n", true, "a 304 ends behind its header section, RFC 9110, section 15.4.5"},
		{"304, HEAD on HTTP/1.0 keep-alive", headKeep, func() *Response { return Empty(304) }, "HTTP/1.1 304 Not Modified\r\n" + writeDate + "Connection: keep-alive\r\n\r\n", true, ""},

		{"Last-Modified in the future", get11, future, "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nContent-Length: 0\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n", true, "never later than Date, RFC 9110, section 8.8.2.1"},
		{"too much content", get11, func() *Response {
			return Content(Representation{MediaType: "a/b", Body: respReader("ab", "cdef"), Size: 3})
		}, "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc", true, "never more than Content-Length says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var b strings.Builder
				persist, err := WriteResponse(t.Context(), &b, writeRequest(t, tt.request), tt.make())
				if persist != tt.persist || err != nil {
					t.Errorf("WriteResponse to %q = %v, %v, want %v, nil\nwhy: %s", tt.request, persist, err, tt.persist, tt.why)
				}
				if diff := cmp.Diff(tt.want, b.String()); diff != "" {
					t.Errorf("WriteResponse to %q wrote (-want +got):\n%s\nwhy: %s", tt.request, diff, tt.why)
				}
			})
		})
	}
}

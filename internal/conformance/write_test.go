package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/rawhttp"
	"example.com/rawhttp/internal/ascii"
)

// A writeLog records the bytes of each Write separately.
type writeLog struct{ writes []string }

func (w *writeLog) Write(p []byte) (int, error) {
	w.writes = append(w.writes, string(p))
	return len(p), nil
}

func (w *writeLog) String() string { return strings.Join(w.writes, "") }

// Content that is shorter than its Size must not look complete. If this is noticed before the
// head is written, nothing is written, so that another response can be sent.
func TestWriteResponseOfShortContent(t *testing.T) {
	for _, have := range []int{0, 1, 1000, copyBuffer - 1, copyBuffer, copyBuffer + 1, 200_000} {
		for _, size := range []int64{int64(have) + 1, int64(have) + 100_000} {
			name := fmt.Sprintf("%d of %d bytes", have, size)
			content := strings.Repeat("0123456789", have/10+1)[:have]
			makers := map[string]func() *rawhttp.Response{
				"io.ReaderAt": func() *rawhttp.Response {
					return rawhttp.Content(rawhttp.Representation{Body: strings.NewReader(content), Size: size})
				},
				"Reader": func() *rawhttp.Response {
					return rawhttp.Content(rawhttp.Representation{Body: respReader(content), Size: size})
				},
				"one byte a Read": func() *rawhttp.Response {
					return rawhttp.Content(rawhttp.Representation{Body: iotest.OneByteReader(respReader(content)), Size: size})
				},
			}
			for kind, build := range makers {
				var plain struct{ strings.Builder } // hides io.ReaderFrom
				var readerFrom bytes.Buffer
				for _, w := range []interface {
					io.Writer
					String() string
				}{&plain, &readerFrom} {
					persist, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), build())
					if persist || !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("%s of %s: WriteResponse to %T = %v, %v, want false and io.ErrUnexpectedEOF", name, kind, w, persist, err)
					}
					if w.String() == "" {
						continue
					}
					head, got := splitHead(w.String())
					if want := fmt.Sprintf("\r\nContent-Length: %d\r\n", size); !strings.Contains(head, want) {
						t.Errorf("%s of %s: head %q has no %q", name, kind, head, want)
					}
					if !strings.HasPrefix(content, got) {
						t.Errorf("%s of %s: the %d bytes of content written are not a prefix of the content", name, kind, len(got))
					}
				}
				if size <= 1000 && plain.Len() > 0 {
					t.Errorf("%s of %s: %d bytes written, want 0, so that another response can be sent", name, kind, plain.Len())
				}
			}
		}
	}
}

func TestWriteResponseOfTooMuchContent(t *testing.T) {
	content := strings.Repeat("0123456789", 30_000)
	for _, size := range []int64{0, 1, 1000, copyBuffer - 1, copyBuffer, copyBuffer + 1, 299_999} {
		for kind, r := range map[string]*rawhttp.Response{
			"io.ReaderAt": rawhttp.Content(rawhttp.Representation{Body: strings.NewReader(content), Size: size}),
			"Reader":      rawhttp.Content(rawhttp.Representation{Body: respReader(content[:10], content[10:]), Size: size}),
		} {
			var b bytes.Buffer
			persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), r)
			if !persist || err != nil {
				t.Errorf("%s of size %d: WriteResponse = %v, %v, want true, nil", kind, size, persist, err)
			}
			if _, got := splitHead(b.String()); got != content[:size] {
				t.Errorf("%s of size %d: %d bytes of content", kind, size, len(got))
			}
		}
	}
}

func TestShortResponseIsOneWrite(t *testing.T) {
	for name, r := range map[string]*rawhttp.Response{
		"Text":    rawhttp.Text(200, strings.Repeat("x", 10_000)),
		"Content": rawhttp.Content(rawhttp.Representation{Body: strings.NewReader("abc"), Size: 3}),
		"Empty":   rawhttp.Empty(204),
	} {
		w := new(writeLog)
		if _, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), r); err != nil {
			t.Errorf("%s: WriteResponse: %v", name, err)
		}
		if len(w.writes) != 1 {
			t.Errorf("%s: %d Writes, want one for head and content", name, len(w.writes))
		}
	}
}

// The bytes of each Read of a Stream are sent before the next Read.
func TestStreamSendsEachRead(t *testing.T) {
	w := new(writeLog)
	parts := []string{"first", "", "second", strings.Repeat("x", 5000), ""}
	var seen []int // number of Writes before each Read
	i := 0
	r := rawhttp.Stream(200, "", readerFunc(func(p []byte) (int, error) {
		seen = append(seen, len(w.writes))
		if i == len(parts) {
			return 0, io.EOF
		}
		i++
		return copy(p, parts[i-1]), nil
	}))
	if _, err := rawhttp.WriteResponse(t.Context(), w, requestOf(t, get11), r); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]int{0, 1, 1, 2, 3, 3}, seen); diff != "" {
		t.Errorf("number of Writes before each Read (-want +got):\n%s", diff)
	}
	want := []string{"5\r\nfirst\r\n", "6\r\nsecond\r\n", "1388\r\n" + parts[3] + "\r\n", "0\r\n\r\n"}
	_, w.writes[0] = splitHead(w.writes[0])
	if diff := cmp.Diff(want, w.writes); diff != "" {
		t.Errorf("Writes (-want +got):\n%s", diff)
	}
}

func TestStreamOfReaderWithoutProgress(t *testing.T) {
	var b strings.Builder
	r := rawhttp.Stream(200, "", readerFunc(func([]byte) (int, error) { return 0, nil }))
	persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), r)
	if persist || !errors.Is(err, io.ErrNoProgress) || b.Len() > 0 {
		t.Errorf("WriteResponse = %v, %v and wrote %q, want false, io.ErrNoProgress and nothing", persist, err, b.String())
	}
}

func TestStreamFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name     string
		r        io.Reader
		wantRest string // output after the head, "" for no output
	}{
		{"at once", iotest.ErrReader(broken), ""},
		{"after the first Read", io.MultiReader(respReader("abc"), iotest.ErrReader(broken)), "3\r\nabc\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, get11), rawhttp.Stream(200, "", tt.r))
			if persist || !errors.Is(err, broken) {
				t.Errorf("WriteResponse = %v, %v, want false and an error that wraps %v", persist, err, broken)
			}
			_, rest := splitHead(b.String())
			if rest != tt.wantRest || tt.wantRest == "" && b.Len() > 0 {
				t.Errorf("wrote %q, want %q after the head, without the last chunk", b.String(), tt.wantRest)
			}
		})
	}
}

// Text and Bytes with the same content write the same output, wherever the buffer ends.
func TestTextIsWrittenLikeBytes(t *testing.T) {
	t.Parallel()
	sizes := []int{0, 1, 3 * outputBuffer}
	for n := outputBuffer - 400; n < outputBuffer+20; n += 17 {
		sizes = append(sizes, n)
	}
	requests := strings.Repeat(getRequest("/"), 3) + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + getRequest("/") + "GET / HTTP/1.0\r\n\r\n"
	for _, opt := range []rawhttp.Option{nil, rawhttp.WithContentLength(false)} {
		for _, size := range sizes {
			content := strings.Repeat("x", size)
			answer := func(resp *rawhttp.Response) string {
				return talkInMemory(t, requests, opt, rawhttp.WithResolver(rawhttp.ResolverFunc(func(context.Context, *rawhttp.Request) (*rawhttp.Response, error) { return resp, nil })))
			}
			want, got := answer(rawhttp.Bytes(200, "text/plain; charset=utf-8", []byte(content))), answer(rawhttp.Text(200, content))
			if got != want || strings.Count(want, "HTTP/1.1 200 OK\r\n") != 6 {
				t.Errorf("Text of %d bytes wrote %d bytes, want the same %d as Bytes", size, len(got), len(want))
			}
		}
	}
}

const writeDate = "Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n" // the start of every synctest bubble

func TestWriteResponse(t *testing.T) {
	const (
		closing   = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		head10    = "HEAD / HTTP/1.0\r\n\r\n"
		keeping10 = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
		headKeep  = "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	)
	text := func() *rawhttp.Response { return rawhttp.Text(200, "abc") }
	stream := func() *rawhttp.Response { return rawhttp.Stream(200, "a/b", respReader("ab", "c")) }
	streamFunc := func() *rawhttp.Response { return streamFuncOf("ab", "c") }
	notRead := func() *rawhttp.Response {
		return rawhttp.Stream(200, "a/b", iotest.ErrReader(errors.New("must not be read")))
	}
	notCalled := func() *rawhttp.Response {
		return rawhttp.StreamFunc(200, "a/b", func(context.Context, io.Writer) error { panic("must not be called") })
	}
	future := func() *rawhttp.Response {
		return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", ModTime: time.Date(2000, 1, 1, 0, 0, 1, 0, time.UTC)})
	}

	const textHead = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
	const chunkedHead = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n"
	const untilClose = "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nConnection: close\r\n\r\n"
	tests := []struct {
		name, request string
		make          func() *rawhttp.Response
		want          string
		persist       bool
		why           string
	}{
		{"GET", get11, text, textHead + "\r\nabc", true, "HTTP/1.1 persists by default, RFC 9112, section 9.3"},
		{"POST", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", text, textHead + "\r\nabc", true, "the method matters only for conditions and ranges"},
		{"HEAD", head11, text, textHead + "\r\n", true, "HEAD has the fields of GET and no content, RFC 9110, section 9.3.2"},
		{"method head", "head / HTTP/1.1\r\nHost: a\r\n\r\n", text, textHead + "\r\nabc", true, "methods are case-sensitive, RFC 9110, section 9.1"},
		{"Connection: close", closing, text, textHead + "Connection: close\r\n\r\nabc", false, "the client asks for it"},
		{"CloseAfter", get11, func() *rawhttp.Response { return text().CloseAfter() }, textHead + "Connection: close\r\n\r\nabc", false, "the resolver asks for it"},
		{"HTTP/1.0", get10, text, textHead + "Connection: close\r\n\r\nabc", false, "HTTP/1.0 does not persist by default"},
		{"HTTP/1.0 HEAD", head10, text, textHead + "Connection: close\r\n\r\n", false, "as for GET"},
		{"HTTP/1.0 keep-alive", keeping10, text, textHead + "Connection: keep-alive\r\n\r\nabc", true, "RFC 9112, appendix C.2.2"},
		{"HTTP/1.0 keep-alive, CloseAfter", keeping10, func() *rawhttp.Response { return text().CloseAfter() }, textHead + "Connection: close\r\n\r\nabc", false, "close wins"},
		{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", text, textHead + "\r\nabc", true, "a request with a higher minor version is answered with HTTP/1.1, RFC 9110, section 2.5"},

		{"Stream", get11, stream, chunkedHead + "\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", true, "content of unknown length is chunked"},
		{"Stream, HEAD", head11, notRead, chunkedHead + "\r\n", true, "nothing is read for HEAD"},
		{"Stream, HTTP/1.0", get10, stream, untilClose + "abc", false, "HTTP/1.0 has no chunks, so the close ends the content, RFC 9112, section 6.3"},
		{"Stream, HTTP/1.0 keep-alive", keeping10, stream, untilClose + "abc", false, "the connection cannot persist if its close ends the content"},
		{"StreamFunc", get11, streamFunc, chunkedHead + "\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", true, ""},
		{"StreamFunc, HEAD", head11, notCalled, chunkedHead + "\r\n", true, "the function is not called for HEAD"},
		{"StreamFunc, HTTP/1.0 keep-alive", keeping10, streamFunc, untilClose + "abc", false, ""},

		{"204", get11, func() *rawhttp.Response { return rawhttp.Text(204, "lost") }, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "no content, no length, no framing"},
		{"204 to HTTP/1.0 keep-alive", keeping10, func() *rawhttp.Response { return rawhttp.Empty(204) }, "HTTP/1.1 204 No Content\r\n" + writeDate + "Connection: keep-alive\r\n\r\n", true, "the response ends with its head"},
		{"204 of a Stream", get11, func() *rawhttp.Response {
			return rawhttp.Stream(204, "", iotest.ErrReader(errors.New("must not be read")))
		}, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "\"A server MUST NOT send a Transfer-Encoding header field in any response with a status code of 1xx (Informational) or 204 (No Content)\", RFC 9112, section 6.1"},
		{"204 of a StreamFunc", get11, func() *rawhttp.Response {
			return rawhttp.StreamFunc(204, "", func(context.Context, io.Writer) error { panic("must not be called") })
		}, "HTTP/1.1 204 No Content\r\n" + writeDate + "\r\n", true, "there is nowhere to write to"},
		{"205", get11, func() *rawhttp.Response { return rawhttp.Text(205, "lost") }, "HTTP/1.1 205 Reset Content\r\n" + writeDate + "Content-Length: 0\r\n\r\n", true, "RFC 9110, section 15.3.6"},
		{"304", get11, func() *rawhttp.Response { return rawhttp.Text(304, "lost").Set("ETag", `"a"`) }, "HTTP/1.1 304 Not Modified\r\n" + writeDate + "ETag: \"a\"\r\n\r\n", true, "a 304 ends after its header section, RFC 9110, section 15.4.5"},
		{"304, HEAD on HTTP/1.0 keep-alive", headKeep, func() *rawhttp.Response { return rawhttp.Empty(304) }, "HTTP/1.1 304 Not Modified\r\n" + writeDate + "Connection: keep-alive\r\n\r\n", true, ""},

		{"Last-Modified in the future", get11, future, "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nContent-Length: 0\r\nLast-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n", true, "Last-Modified is never later than Date, RFC 9110, section 8.8.2.1"},
		{"too much content", get11, func() *rawhttp.Response {
			return rawhttp.Content(rawhttp.Representation{MediaType: "a/b", Body: respReader("ab", "cdef"), Size: 3})
		}, "HTTP/1.1 200 OK\r\n" + writeDate + "Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc", true, "never more than Content-Length is sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var b strings.Builder
				persist, err := rawhttp.WriteResponse(t.Context(), &b, requestOf(t, tt.request), tt.make())
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

// The reason phrases are those of net/http, except for those that RFC 9110 changed or dropped.
func TestReasonPhrases(t *testing.T) {
	changed := map[int]string{
		413: "Content Too Large",     // RFC 9110, section 15.5.14; was Request Entity Too Large
		414: "URI Too Long",          // RFC 9110, section 15.5.15; was Request-URI Too Long
		416: "Range Not Satisfiable", // RFC 9110, section 15.5.17; was Requested Range Not Satisfiable
		418: "",                      // RFC 9110, section 15.5.19: unused, not a teapot
		422: "Unprocessable Content", // RFC 9110, section 15.5.21; was Unprocessable Entity
		510: "",                      // RFC 2774, made historic: Not Extended
	}
	registered := 0
	for status := -1; status <= 1000; status++ {
		want, ok := changed[status]
		if ok && want == http.StatusText(status) {
			t.Errorf("net/http has the same phrase %q for %d: remove the exception", want, status)
		}
		if !ok {
			want = http.StatusText(status)
		}
		if want != "" {
			registered++
		}
		if got := ascii.ReasonPhrase(status); got != want {
			t.Errorf("ReasonPhrase(%d) = %q, want %q", status, got, want)
		}
	}
	if registered < 60 {
		t.Errorf("only %d statuses have a phrase, want more", registered)
	}
}
